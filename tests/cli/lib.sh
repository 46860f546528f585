# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for the shell tests (*.t). Source it first:
#
#     . "${top_srcdir:-.}/tests/cli/lib.sh"
#     make_source fivetran src__acme__us_west__shopify orders 100
#     write_config
#     run_rocky run --output json
#     is "$status" 0 "the first run succeeds"
#     done_testing
#
# Each test works in a directory of its own ($work, the current directory), which is removed at the
# end together with every process started by `start`. Nothing is written to the source tree.
# A test is one line of TAP; `ok`, `is`, `like`, `unlike`, `is_json` and `valid` make one each.

set -u
export LC_ALL=C.UTF-8 TZ=UTC
unset NO_COLOR RKY_FAULT ROCKY_BROKERS

top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
export top_srcdir top_builddir
rocky=$top_builddir/cli/rocky
rocky_worker=$top_builddir/worker/rocky-worker
rocky_producer=$top_builddir/producer/rocky-producer
export rocky rocky_worker rocky_producer
[ -x "$rocky" ] || {
    printf 'Bail out! %s is not built\n' "$rocky"
    exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/rocky-test.XXXXXX")
tap_count=0
tap_failed=0
cd "$work" || exit 99
exec {idle}<> <(:)

# Set by run_rocky and friends.
status=0 stdout='' stderr=''

tidy_up() {
    local pid
    # Only what still runs: the number of a process that ended may be somebody else's by now.
    for pid in $(jobs -rp); do
        kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    cd / && rm -rf "$work"
}
trap tidy_up EXIT
trap 'exit 130' INT TERM

# --- TAP ----------------------------------------------------------------------------------------

# diag TEXT: comment lines in the log.
diag() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# ok CONDITION-STATUS NAME: `ok $? "name"`. Shows what the last program said when it fails.
ok() {
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        printf 'ok %d - %s\n' "$tap_count" "$2"
        return 0
    fi
    tap_failed=$((tap_failed + 1))
    printf 'not ok %d - %s\n' "$tap_count" "$2"
    diag "status: $status"
    diag "stdout: ${stdout:0:4000}"
    diag "stderr: ${stderr:0:4000}"
    return 1
}

# is GOT EXPECTED NAME
is() {
    if [ "$1" = "$2" ]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        diag "got:      $1"
        diag "expected: $2"
        return 1
    fi
}

# like TEXT REGEX NAME: extended regular expression (bash).
like() {
    if [[ $1 =~ $2 ]]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        diag "text:  ${1:0:4000}"
        diag "regex: $2"
        return 1
    fi
}

# unlike TEXT REGEX NAME
unlike() {
    if [[ $1 =~ $2 ]]; then
        ok 1 "$3"
        diag "text:      ${1:0:4000}"
        diag "unwanted:  $2"
        return 1
    else
        ok 0 "$3"
    fi
}

# is_json TEXT FILTER EXPECTED NAME: `jq -r FILTER` of the text.
is_json() {
    is "$(printf '%s' "$1" | jq -r "$2" 2>&1)" "$3" "$4"
}

# valid TEXT SCHEMA NAME: exactly one JSON object that fits schemas/SCHEMA.schema.json.
valid() {
    printf '%s' "$1" >"$work/.instance.json"
    local report
    report=$(python3 - "$top_srcdir/schemas/$2.schema.json" "$work/.instance.json" 2>&1 <<'PYTHON'
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
text = open(sys.argv[2]).read()
value, end = json.JSONDecoder().raw_decode(text)
if text[end:].strip():
    sys.exit("more than one value: " + text[end:end + 200])
if not isinstance(value, dict):
    sys.exit("not an object")
cls = jsonschema.validators.validator_for(schema)
cls.check_schema(schema)
errors = list(cls(schema, format_checker=cls.FORMAT_CHECKER).iter_errors(value))
for e in errors[:10]:
    print("/" + "/".join(map(str, e.absolute_path)) + ": " + e.message[:300])
sys.exit(1 if errors else 0)
PYTHON
    )
    local rc=$?
    ok "$rc" "$3" || diag "$report"
    return "$rc"
}

# skip_all REASON: the whole file is skipped.
skip_all() {
    printf '1..0 # SKIP %s\n' "$*"
    exit 0
}

# done_testing: the plan line, last of all. The status stays 0: the TAP lines carry the verdict.
done_testing() {
    printf '1..%d\n' "$tap_count"
    [ "$tap_failed" -eq 0 ] || diag "$tap_failed of $tap_count failed"
    exit 0
}

# --- programs -----------------------------------------------------------------------------------

# run_program PROGRAM ARGUMENT...: sets status, stdout, stderr. Standard input is empty.
run_program() {
    "$@" >"$work/.stdout" 2>"$work/.stderr" </dev/null
    status=$?
    stdout=$(cat "$work/.stdout")
    stderr=$(cat "$work/.stderr")
}

run_rocky() {
    run_program "$rocky" "$@"
}

# start NAME COMMAND...: run in the background with output in NAME.out and NAME.err; pid in
# $started. It is killed at the end of the test unless it ended before.
start() {
    local name=$1
    shift
    "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
    started=$!
}

# stop NAME-OF-SIGNAL: the process that was started last; its status in $status.
stop() {
    kill -"$1" "$started" 2>/dev/null
    wait "$started" 2>/dev/null
    status=$?
}

# hold_lock FILE: another process takes the lock of a state file and keeps it until `stop TERM`,
# or until the test is gone.
hold_lock() {
    # shellcheck disable=SC2016 # expanded in that bash
    start holder bash -c 'exec 9<>"$1" && flock 9 && printf "%s\n" "$$" >"$1" &&
        exec tail --pid="$2" -f /dev/null' bash "$1.lock" $$
    wait_for 10 grep -qx "$started" "$1.lock"
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is over.
wait_for() {
    local deadline=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        # The pause only keeps the test from spinning: nothing ever arrives on this descriptor.
        read -rt 0.02 -u "$idle" || :
    done
}

# start_broker: an embedded broker; its address in $brokers.
start_broker() {
    start broker "$rocky" dev broker
    export broker_pid=$started
    wait_for 10 test -s "$work/broker.out" || return 1
    brokers=$(head -n 1 "$work/broker.out")
    export brokers
}

# --- data ---------------------------------------------------------------------------------------

# sql FILE STATEMENT...: with the sqlite3 shell; waits for a writer up to 10 s.
sql() {
    local file=$1
    shift
    sqlite3 -batch -cmd '.timeout 10000' "$file" "$@"
}

# make_source CATALOG SCHEMA TABLE ROWS: source/CATALOG/SCHEMA.db with TABLE(id, name, amount,
# _fivetran_synced); ten rows share each cursor value, an index leads with it, journal mode WAL.
make_source() {
    local file=source/$1/$2.db
    mkdir -p "source/$1"
    sql "$file" "PRAGMA journal_mode = wal;" >/dev/null
    sql "$file" "
        CREATE TABLE IF NOT EXISTS \"$3\" (
            id INTEGER PRIMARY KEY, name TEXT, amount NUMERIC, _fivetran_synced TEXT);
        CREATE INDEX IF NOT EXISTS \"$3_synced\" ON \"$3\" (_fivetran_synced);"
    add_rows "$1" "$2" "$3" "$4"
}

# add_rows CATALOG SCHEMA TABLE ROWS: append; the first rows tie with the newest cursor value when
# the count before was no multiple of ten.
add_rows() {
    sql "source/$1/$2.db" "
        WITH RECURSIVE
            start(n) AS (SELECT coalesce(max(id), 0) FROM \"$3\"),
            i(n) AS (SELECT n + 1 FROM start WHERE $4 > 0
                     UNION ALL SELECT i.n + 1 FROM i, start WHERE i.n < start.n + $4)
        INSERT INTO \"$3\"
            SELECT n, 'name ' || n, n % 97 + 0.25,
                   strftime('%Y-%m-%dT%H:%M:%SZ', 1767225600 + (n - 1) / 10, 'unixepoch') FROM i;"
}

# write_config [EXTRA]: rocky.toml for the sources under source/, targets under target/; EXTRA is
# appended.
write_config() {
    cat >rocky.toml <<'TOML'
[adapter.lake]
type = "sqlite"
path = "source"

[adapter.warehouse]
type = "sqlite"
path = "target"

[pipeline.bronze]
strategy = "incremental"
timestamp_column = "_fivetran_synced"

[pipeline.bronze.source]
adapter = "lake"
catalog = "fivetran"

[pipeline.bronze.source.schema_pattern]
prefix = "src__"
separator = "__"
components = ["client", "regions...", "connector"]

[pipeline.bronze.target]
adapter = "warehouse"
catalog_template = "{client}_warehouse"
schema_template = "staging__{regions}__{connector}"
TOML
    printf '%s\n' "$@" >>rocky.toml
}

# target_file SCHEMA [CLIENT]: the target database file of a schema as write_config() maps it.
target_file() {
    printf 'target/%s_warehouse/%s.db' "${2:-acme}" "$1"
}

# same_rows SOURCE-FILE TARGET-FILE TABLE: every row of the source exactly once in the target and
# nothing else, compared whole and type by type; metadata columns of the target do not count.
same_rows() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import sqlite3, sys
from collections import Counter
source, target, table = sys.argv[1:]
quoted = '"' + table.replace('"', '""') + '"'
a = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
b = sqlite3.connect(f"file:{target}?mode=ro", uri=True)
a.text_factory = b.text_factory = bytes
names = [r[1].decode() for r in a.execute(f"PRAGMA table_xinfo({quoted})") if r[6] in (0, 2, 3)]
columns = ", ".join('"' + n.replace('"', '""') + '"' for n in names)
def rows(db):
    return Counter(tuple((type(v).__name__, v) for v in r)
                   for r in db.execute(f"SELECT {columns} FROM {quoted}"))
lack, more = rows(a) - rows(b), rows(b) - rows(a)
for name, diff in (("missing in the target", lack), ("too many in the target", more)):
    for row, count in list(diff.items())[:5]:
        print(f"# {name}: {count} x {row}")
sys.exit(1 if lack or more else 0)
PYTHON
}
