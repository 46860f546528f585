#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky run: what it prints in each form, partial success, idempotency keys, signals.
. "${top_srcdir:-.}/tests/cli/lib.sh"

src=source/fivetran/src__acme__us_west__shopify.db
make_source fivetran src__acme__us_west__shopify orders 1000
make_source fivetran src__acme__us_west__shopify customers 50
write_config '[pipeline.bronze.checks]' 'enabled = true' 'row_count = true'
target=$(target_file staging__us_west__shopify)

run_rocky run
is "$status" 0 "the first run succeeds"
like "$stdout" "acme_warehouse.staging__us_west__shopify.orders +full_refresh +1,000" \
    "one line per table with action and rows"
like "$stdout" "2026-01-01T00:01:39Z" "and the watermark"
like "$stdout" "success: 2 tables copied, 1,050 rows" "and a summary"
is "$stderr" "" "a short run in a pipe shows no progress"
unlike "$stdout" $'\033' "and no colours"
test -e .rocky-state/bronze.db
ok $? "the state is beside the configuration"
same_rows "$src" "$target" orders
ok $? "the rows are there"

run_rocky run --output json
is "$status" 0 "the JSON form succeeds"
valid "$stdout" output.run "and fits the schema"
is_json "$stdout" '.command, .status, .tables_copied, .rows_copied' $'run\nsuccess\n2\n0' \
    "a run with nothing new copies nothing"
is_json "$stdout" '.state.download, .state.upload' $'null\nnull' "the local backend has no transfers"

add_rows fivetran src__acme__us_west__shopify orders 25
run_rocky run --idempotency-key monday --output json
is_json "$stdout" '.status, .rows_copied, .duplicate_of' $'success\n25\nnull' "a run with a key runs"
first=$(printf '%s' "$stdout" | jq -r .job_id)
add_rows fivetran src__acme__us_west__shopify orders 25
run_rocky run --idempotency-key monday --output json
is "$status" 0 "the same key again is no failure"
valid "$stdout" output.run "and fits the schema"
is_json "$stdout" '.status, .rows_copied, .duplicate_of' "skipped"$'\n'"25"$'\n'"$first" \
    "it is skipped, with the first one's figures"
run_rocky run --idempotency-key monday
like "$stdout" "nothing was executed" "the table form says so"
run_rocky run --idempotency-key ''
is "$status" 64 "an empty key is a usage error"
run_rocky run --idempotency-key "$(printf 'k%.0s' {1..200})"
is "$status" 64 "a key that is too long is a usage error"
run_rocky run
like "$stdout" "25 rows" "the rows that were skipped are copied by the next run"

run_rocky run --filter client=nobody --output json
is "$status" 0 "a filter that matches nothing is no failure"
is_json "$stdout" '.tables_copied' 0 "and copies nothing"
run_rocky run --filter planet=mars
is "$status" 64 "an unknown filter component is a usage error"

run_rocky run --full-refresh
like "$stdout" "orders +full_refresh +1,050" "--full-refresh copies everything"
same_rows "$src" "$target" orders
ok $? "and replaces what was there"

sql "$src" 'CREATE TABLE nocursor (id INTEGER); INSERT INTO nocursor VALUES (1)'
add_rows fivetran src__acme__us_west__shopify customers 5
run_rocky run
is "$status" 2 "a table without its cursor makes the run a partial success"
like "$stdout" "failed: .*nocursor.*_fivetran_synced" "and is named with the column that is missing"
like "$stdout" "hint: .*tables.exclude" "and the fix"
like "$stdout" "partial: 2 tables copied, 1 failed, 5 rows" "the others are copied"
run_rocky run --output json
is "$status" 2 "the JSON form has the same exit code"
valid "$stdout" output.run "and fits the schema"
is_json "$stdout" '.status, (.errors | length)' $'partial\n1' "with the error in it"
sql "$src" 'DROP TABLE nocursor'

# On a terminal: colours and a live line, unless NO_COLOR and --quiet say otherwise.
if command -v script >/dev/null; then
    on_terminal() {
        TERM=xterm script -qec "$*" /dev/null </dev/null
    }
    make_source fivetran src__acme__us_west__shopify wide 60000
    like "$(on_terminal "$rocky run --full-refresh")" $'\033\\[32m.*success' "colours on a terminal"
    like "$(on_terminal "$rocky run --full-refresh")" 'rows/s' "and a progress line"
    unlike "$(on_terminal "$rocky run --full-refresh --quiet")" 'rows/s' "--quiet shows none"
    unlike "$(on_terminal "$rocky --no-color run --quiet")" $'\033' "--no-color means none"
    unlike "$(NO_COLOR=1 on_terminal "$rocky run --quiet")" $'\033' "NO_COLOR means none"
else
    ok 0 "colours and progress on a terminal # SKIP script is not installed (apt install bsdutils)"
fi

# A queue that nobody serves: a warning after some seconds, and the run stands.
cp rocky.toml queue.toml
printf '[queue]\nbrokers = "127.0.0.1:1"\n' >>queue.toml
add_rows fivetran src__acme__us_west__shopify orders 3
run_rocky --config queue.toml run
is "$status" 0 "a broker that is not there does not fail the run"
like "$stderr" "not published" "but is told"
like "$stdout" "success: 3 tables copied, 3 rows" "and the rows are copied"

# A table name that would move a terminal's cursor.
mkdir odd && cd odd || exit 99
make_source fivetran src__acme__us_west__shopify orders 1
write_config
sql "$src" "CREATE TABLE \"bad
name$(printf '\033')[2J\" (id INTEGER, _fivetran_synced TEXT)"
run_rocky run
like "$stdout" 'bad.name' "a table with a line break in its name is copied"
unlike "$stdout$stderr" $'\033' "and its name sends no escape sequence to the terminal"

# Columns named as those that the comparison at the watermark adds.
sql "$src" "CREATE TABLE named (id INTEGER, _rocky_key TEXT, _rocky_nth INTEGER, _ROCKY_HAVE TEXT,
    _rocky2_count INTEGER, _fivetran_synced TEXT);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6)
    INSERT INTO named SELECT i, 'k' || i, i, 'h', 0, '2026-01-01' FROM n"
run_rocky run
sql "$src" "INSERT INTO named SELECT * FROM named WHERE id = 3; INSERT INTO named VALUES
    (7, 'k7', 0, NULL, 9, '2026-01-01'), (8, 'k8', 1, 'h', 0, '2026-01-02')"
run_rocky run --output json
is_json "$stdout" '.materializations[] | select(.table | endswith(".named")) |
    .rows_copied, .late_rows' $'3\n2' "columns with names like ours take part as any other"
same_rows "$src" "$target" named
ok $? "and every row is there once"

# SQLite gives no column of a query these names, not even quoted.
sql "$src" "CREATE TABLE truths (\"true\" INTEGER, \"False\" TEXT, _fivetran_synced TEXT);
    INSERT INTO truths VALUES (1, '01', '2026-01-01'), (2, 'b', '2026-01-01')"
run_rocky run
sql "$src" "INSERT INTO truths VALUES (1, '01', '2026-01-01'), (3, NULL, '2026-01-01')"
run_rocky run --output json
is_json "$stdout" '.status, (.materializations[] | select(.table | endswith(".truths")) |
    .rows_copied, .late_rows)' $'success\n2\n2' "so do columns named true and false"
same_rows "$src" "$target" truths
ok $? "and every row of theirs is there once"
cd ..

# Rows that were in the target before us are taken over: plan and result call it by a name of theirs.
mkdir adopted && cd adopted || exit 99
make_source fivetran src__acme__us_west__shopify orders 30
write_config
sed -i '/^timestamp_column/a on_existing_target = "adopt"' rocky.toml
mkdir -p "$(dirname "$target")"
sql "$target" "ATTACH '$src' AS s; CREATE TABLE orders AS SELECT * FROM s.orders WHERE id <= 10"
run_rocky plan --output json
valid "$stdout" output.plan "a plan that takes over existing rows fits the schema"
is_json "$stdout" '.tables[].action' incremental "and is incremental"
like "$stdout" "on_existing_target = adopt" "with the reason"
run_rocky run --output json
valid "$stdout" output.run "its result fits the schema"
is_json "$stdout" '.status, .rows_copied, .materializations[].action' $'success\n20\nincremental' \
    "and only what the target lacked was copied"
same_rows "$src" "$target" orders
ok $? "so that every row is there once"
cd ..

# A cursor that spells times in different ways: the run says that it cannot sort them.
sql "$src" "CREATE TABLE zones (id INTEGER, _fivetran_synced TEXT);
    INSERT INTO zones VALUES (1, '2026-01-01T01:00:00Z')"
run_rocky run --output json
sql "$src" "INSERT INTO zones VALUES (2, '2026-01-01T02:00:00+01:00'), (3, '2026-01-01T00:59:00-01:00')"
run_rocky run --output json
spelling='.materializations[] | select(.table | endswith(".zones")) | .rows_copied, .warnings[].code'
is_json "$stdout" "$spelling" $'1\nlate-rows-below\ncursor-spelling' \
    "times with another zone are sorted as text, and a warning says so"
valid "$stdout" output.run "the result fits the schema"
sql "$src" "INSERT INTO zones VALUES (4, '2026-01-01T03:00:00+01:00')"
run_rocky run --output json
is_json "$stdout" "$spelling" 1 "times that are written in one way need none"

# Interrupted while it copies.
rows=400000
make_source fivetran src__acme__us_west__shopify big "$rows"
start run "$rocky" --config rocky.toml run
wait_for 20 test -s "$target-journal"
stop INT
is "$status" 130 "SIGINT ends the run with 130"
run_rocky run
is "$status" 0 "the next run goes on"
same_rows "$src" "$target" big
ok $? "and every row is there once"

done_testing
