#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# The repair tools with backend local: set, adopt, export, import; what they refuse and what they record.
. "${top_srcdir:-.}/tests/cli/lib.sh"

src=source/fivetran/src__acme__us_west__shopify.db
schema=acme_warehouse.staging__us_west__shopify
orders=$schema.orders
make_source fivetran src__acme__us_west__shopify orders 100
write_config
target=$(target_file staging__us_west__shopify)

# audit ACTION: old and new value of the newest entry.
audit() {
    sql .rocky-state/bronze.db \
        "SELECT coalesce(old_value, '-') || ' ' || coalesce(new_value, '-') FROM audit
         WHERE action = '$1' ORDER BY rowid DESC LIMIT 1"
}

# mark COLUMN: of the target's row.
mark() {
    sql "$target" "SELECT coalesce($1, '-') FROM _rocky_watermarks WHERE table_name = '$orders'"
}

# --- set ----------------------------------------------------------------------------------------

run_rocky state set --table "$orders" --value 2026-01-01T00:00:05Z
is "$status" 4 "a table without a watermark has none to move"
test ! -e .rocky-state
ok $? "and no state file is made for it"
run_rocky state set --table "${orders%s}" --value x
is "$status" 64 "an unknown table is a usage error"
like "$stderr" "did you mean '$orders'" "and the nearest is suggested"

run_rocky run
run_rocky state set --table "$orders"
is "$status" 64 "set needs --value"
run_rocky state set --table "$orders" --value yesterday
is "$status" 64 "a value that is no time is refused where the watermark is one"
run_rocky state set --table "$orders" --value "2026-01-01 00:00:05"
is "$status" 64 "the same time in another form needs --yes"
like "$stderr" "2026-01-01T00:00:05Z" "and the form of the column is shown"
is "$(mark value) $(mark action)" "2026-01-01T00:00:09Z full_refresh" "nothing of it was written"

before=$(mark commit_id)
run_rocky state set --table "$orders" --value 2026-01-01T00:00:05Z --output json
is "$status" 0 "backwards needs no --yes"
valid "$stdout" output.state.delete "the JSON form fits the schema"
is_json "$stdout" '.command, .old_value, .new_value, .rows_skipped' \
    $'state set\n2026-01-01T00:00:09Z\n2026-01-01T00:00:05Z\n0' "with old and new value"
is "$(mark value) $(mark prev_value) $(mark action) $(mark ties) $(mark high_value)" \
    "2026-01-01T00:00:05Z 2026-01-01T00:00:09Z set - 2026-01-01T00:00:09Z" "the target's row is set"
[ "$(mark commit_id)" != "$before" ]
ok $? "by a commit of its own"
is "$(audit 'state set')" "2026-01-01T00:00:09Z 2026-01-01T00:00:05Z" "and it is in the audit trail"
run_rocky state --output json
is_json "$stdout" '.watermarks[0] | .last_value, .source_of_truth, .stale' \
    $'2026-01-01T00:00:05Z\nledger\nnull' "ledger and target agree"
sql "$target" "DELETE FROM orders WHERE id IN (71, 95)"
run_rocky run --output json
is_json "$stdout" '.rows_copied' 2 "the next run copies what the target lacks behind it, and only that"
same_rows "$src" "$target" orders
ok $? "each row is there once"

add_rows fivetran src__acme__us_west__shopify orders 25
run_rocky state set --table "$orders" --value 2026-01-01T00:00:10Z
is "$status" 64 "forwards needs --yes"
like "$stderr" "10 rows between them would never be copied" "and says how many rows that leaves out"
is "$(mark value)" "2026-01-01T00:00:09Z" "and does nothing"
run_rocky state set --table "$orders" --value 2026-01-01T00:00:10Z --yes --output json
is "$status" 0 "with it the watermark moves"
is_json "$stdout" '.rows_skipped' 10 "and the rows are counted"
hold_lock .rocky-state/bronze.db
run_rocky state set --table "$orders" --value 2026-01-01T00:00:05Z
is "$status" 4 "a state that another process has is not changed"
stop TERM
is "$(mark value)" "2026-01-01T00:00:10Z" "nor is the target"

run_rocky state delete --table "$orders"
run_rocky state --output json
is_json "$stdout" '.watermarks[0].stale' target "a deletion leaves the target behind"
run_rocky state set --table "$orders" --value 2026-01-01T00:00:08Z
run_rocky run --output json
is_json "$stdout" '.materializations[0].action' incremental "setting it afterwards takes the deletion back"
same_rows "$src" "$target" orders
ok $? "and what was left out before is there"

# --- adopt --------------------------------------------------------------------------------------

run_rocky --namespace silver state adopt --table "$orders"
is "$status" 64 "a table of another namespace is not taken without --yes"
like "$stderr" "pass from namespace 'bronze' to 'silver'" "and what would happen is said"
test ! -e .rocky-state/silver.db
ok $? "without a trace"
run_rocky --namespace silver state set --table "$orders" --value 2026-01-01T00:00:01Z
is "$status" 64 "nor can its watermark be set from there"
run_rocky --namespace silver state adopt --table "$orders" --yes --output json
is "$status" 0 "with --yes it is"
valid "$stdout" output.state.adopt "the JSON form fits the schema"
is_json "$stdout" '.table, .old_namespace, .namespace, .value, .schemas' \
    "$orders"$'\nbronze\nsilver\n2026-01-01T00:00:12Z\n1' "from whom, to whom, at what"
is "$(mark namespace) $(mark action)" "silver adopt" "the target's row says so"
run_rocky run --output json
is "$status" 1 "the old owner's runs fail on it"
like "$stdout" "belongs to namespace 'silver'" "and name the new one"
run_rocky --namespace silver run --output json
is "$status $(printf '%s' "$stdout" | jq .rows_copied)" "0 0" "the new owner goes on where it was"
run_rocky state adopt --table "$orders" --yes
run_rocky state adopt --table "$orders" --output json
is "$status" 0 "adopting what is one's own is no failure"
is_json "$stdout" '.schemas' 0 "and writes nothing"

sql "$target" "DELETE FROM _rocky_watermarks"
rm -r .rocky-state
run_rocky run
is "$status" 1 "rows that nobody manages stop a run"
run_rocky state adopt --table "$orders"
is "$status" 64 "they are not taken over without --yes"
like "$stderr" "continued behind '2026-01-01T00:00:12Z'" "and where they end is said"
run_rocky state adopt --table "$orders" --yes
is "$status" 0 "with --yes they are"
is "$(mark value) $(mark ties) $(mark action)" "2026-01-01T00:00:12Z - adopt" \
    "at their greatest cursor value"
add_rows fivetran src__acme__us_west__shopify orders 10
run_rocky run --output json
is_json "$stdout" '.status, .rows_copied' $'success\n10' "and the next run goes on behind it"
same_rows "$src" "$target" orders
ok $? "each row is there once"
make_source fivetran src__acme__us_west__shopify refunds 5
run_rocky state adopt --table "$schema.refunds" --yes
is "$status" 4 "a table without rows has nothing to take over"
run_rocky state adopt --table "$orders" --lineage
is "$status" 64 "a table and the lineage are two things"

# --- lineage ------------------------------------------------------------------------------------

lineage=$(sql "$target" "SELECT lineage FROM _rocky_fence WHERE namespace = 'bronze'")
run_rocky state adopt --lineage --output json
is "$status" 0 "a lineage that is the same needs nothing"
is_json "$stdout" '.schemas, .lineage' $'0\n'"$lineage" "and nothing is written"
sql "$target" "UPDATE _rocky_fence SET lineage = '11111111-1111-4111-8111-111111111111'"
run_rocky state adopt --lineage
is "$status" 64 "another one is not replaced without --yes"
run_rocky state adopt --lineage --yes --output json
is "$status" 0 "with --yes it is"
valid "$stdout" output.state.adopt "the JSON form fits the schema"
is "$(sql "$target" "SELECT lineage FROM _rocky_fence WHERE namespace = 'bronze'")" "$lineage" \
    "the target follows the state again"
is "$(audit 'state adopt')" "11111111-1111-4111-8111-111111111111 $lineage" \
    "and it is in the audit trail"

# --- export and import --------------------------------------------------------------------------

run_rocky state export --output json
is "$status" 64 "standard output cannot take JSON and the state"
run_rocky state export --file state.snap --output json
is "$status" 0 "a state can be exported"
valid "$stdout" output.state.export "the JSON form fits the schema"
is "$(printf '%s' "$stdout" | jq -r .sha256)" "$(sha256sum state.snap | cut -d' ' -f1)" \
    "with the digest of the file"
"$rocky" state export >piped.snap
is "$(head -c 4 piped.snap)" RKYS "standard output takes it, too"
run_rocky state export --format sqlite --file state.db
is "$(sql state.db 'PRAGMA quick_check')" ok "the SQLite form is a database"
runs=$(sql state.db 'SELECT count(*) FROM runs')

run_rocky state import --file state.snap
is "$status" 64 "a state is not replaced without --yes"
like "$stderr" "watermarks follow the target" "and what would happen is said"
generation=$(sql .rocky-state/bronze.db 'SELECT generation FROM meta')
run_rocky state import --file state.snap --yes --output json
is "$status" 0 "with --yes it is"
valid "$stdout" output.state.restore "the JSON form fits the schema"
is_json "$stdout" '.old_generation, .generation' "$generation"$'\n'"$((generation + 1))" \
    "as a new generation"
like "$(audit 'state import')" "restored_from $generation" "the audit trail tells where from"

rm -r .rocky-state
run_rocky state import --file state.db --output json
is "$status" 0 "where there is no state nothing is lost, so --yes is not needed"
is_json "$stdout" '.old_generation, .lineage' $'0\n'"$lineage" "the lineage is the targets'"
is "$(sql .rocky-state/bronze.db 'SELECT count(*) FROM runs')" "$runs" "the history is back"
run_rocky run --output json
is "$status $(printf '%s' "$stdout" | jq -r '.rows_copied')" "0 5" "and the next run goes on"

run_rocky --namespace silver state import --file state.snap
is "$status" 78 "a state of another namespace is refused"
like "$stderr" "bronze" "naming that one"
for place in 20 200 1000; do
    cp state.snap bad.snap
    printf '\377\376' | dd of=bad.snap bs=1 seek=$place conv=notrunc 2>/dev/null
    run_rocky state import --file bad.snap --yes
    is "$status" 78 "a snapshot with a damaged byte at $place is refused"
done
head -c 1500 state.snap >bad.snap
run_rocky state import --file bad.snap --yes
is "$status" 78 "a cut one as well"
printf 'hello' >bad.snap
run_rocky state import --file bad.snap --yes
is "$status" 78 "and what is none at all"
sql other.db 'CREATE TABLE t(a); INSERT INTO t VALUES(1)'
run_rocky state import --file other.db --yes
is "$status" 78 "and a database that is no ledger"
printf 'x' >state.db-wal
run_rocky state import --file state.db --yes
is "$status" 4 "a ledger with a journal beside it is not the whole state"
run_rocky state import --file none.snap --yes
[ "$status" -ne 0 ]
ok $? "a file that is not there fails"

# --- versions, unlock ---------------------------------------------------------------------------

run_rocky state versions
is "$status" 78 "backend local keeps no versions"
like "$stderr" "state export" "and says what does instead"
run_rocky state unlock --output json
is "$status" 0 "a namespace that nobody uses is not locked"
valid "$stdout" output.state.unlock "the JSON form fits the schema"
hold_lock .rocky-state/bronze.db
run_rocky state unlock --yes --output json
is "$status" 0 "a process of this machine is shown"
is_json "$stdout" '.lock.pid, .broken' "$started"$'\n'false "and its lock is not broken"
stop TERM

done_testing
