#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# State files that are not ours, broken, from a newer version, of another namespace, or in use:
# refused with a clear message and the documented exit code, and left as they are.
. "${top_srcdir:-.}/tests/cli/lib.sh"

make_source fivetran src__acme__us_west__shopify orders 10
write_config
run_rocky --state-path good.db run
is "$status" 0 "a run makes a state file"

# refused FILE CODE REGEX WHAT: by every command that opens it, unchanged.
refused() {
    local before command
    before=$(sha256sum <"$1")
    for command in run state history "state delete --table acme_warehouse.staging__us_west__shopify.orders"; do
        # The words of the command are arguments.
        # shellcheck disable=SC2086
        run_rocky --state-path "$1" $command
        is "$status" "$2" "rocky ${command%% --*} refuses $4 with $2"
        like "$stderr" "$3" "and says what is wrong"
        like "$stderr" "$1" "and names the file"
    done
    run_rocky --state-path "$1" state --output json
    valid "$stdout" output.error "the JSON form is an error object"
    is "$(sha256sum <"$1")" "$before" "the file is as before"
}

sql foreign.db 'CREATE TABLE t (a); INSERT INTO t VALUES (1)'
refused foreign.db 78 "foreign.db" "a database that is not ours"

head -c 5000 /dev/urandom >garbage.db
refused garbage.db 78 "garbage.db" "a file that is no database"

cp good.db newer.db
sql newer.db 'PRAGMA user_version = 999'
refused newer.db 78 "newer|version" "a state file from a newer version"

cp good.db torn.db
size=$(stat -c %s torn.db)
dd if=/dev/urandom of=torn.db bs=4096 seek=1 count=$((size / 4096 - 1)) conv=notrunc status=none
refused torn.db 78 "corrupt|malformed|damaged" "a corrupt state file"

cp good.db other.db
run_rocky --state-path other.db state --namespace silver
is "$status" 78 "a state file of another namespace is refused"
like "$stderr" "bronze" "and its namespace is named"

mkdir directory.db
run_rocky --state-path directory.db state
[ "$status" -ne 0 ]
ok $? "a directory is no state file"

touch file
run_rocky --state-path file/s.db run
is "$status" 1 "a state file below a file is a failure"
like "$stderr" "'file" "and the path is named"
run_rocky --state-path new/folder/s.db run
is "$status" 0 "directories that are missing are made"

hold_lock good.db
for command in run plan "history accept --table acme_warehouse.staging__us_west__shopify.orders"; do
    # shellcheck disable=SC2086
    run_rocky --state-path good.db $command
    is "$status" 4 "rocky ${command%% --*} refuses a state file that is in use, at once"
    like "$stderr" "in use by process $started" "and names the process"
done
run_rocky --state-path good.db history
is "$status" 0 "history reads it"
stop TERM
run_rocky --state-path good.db run
is "$status" 0 "and the next run works"

done_testing
