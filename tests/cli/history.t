#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky history: runs, counts, anomalies, and declaring a new level normal.
. "${top_srcdir:-.}/tests/cli/lib.sh"

src=source/fivetran/src__acme__us_west__shopify.db
orders=acme_warehouse.staging__us_west__shopify.orders
make_source fivetran src__acme__us_west__shopify orders 100
write_config '[pipeline.bronze.checks]' 'enabled = true' 'row_count = true'

run_rocky history
is "$status" 0 "history without a state file is no failure"
like "$stdout" "no history yet" "and says so"
run_rocky history --output json
valid "$stdout" output.history "its JSON form fits the schema"
run_rocky history --table "$orders"
is "$status" 64 "a table without history is not known"

for rows in 5 5 5; do
    run_rocky run
    add_rows fivetran src__acme__us_west__shopify orders "$rows"
done
run_rocky run
run_rocky history
is "$status" 0 "history succeeds"
like "$stdout" "STARTED +KIND +STATUS" "it lists the runs"
like "$stdout" "$orders +115 +▁▃▆█" "and draws the counts"
LC_ALL=C run_rocky history
like "$stdout" "$orders +115 +_" "in ASCII where the locale is"
run_rocky history --output json
valid "$stdout" output.history "the JSON form fits the schema"
is_json "$stdout" '[.tables[0].counts[].count] | join(" ")' "100 105 110 115" "with the counts, oldest first"
is_json "$stdout" '[.runs[].rows_copied] | join(" ")' "5 5 5 100" "and the runs, newest first"
is_json "$stdout" '.runs[0].trigger, .runs[0].status' $'cli\nsuccess' "with their trigger and status"
run_rocky history --runs 2 --output json
is_json "$stdout" '(.runs | length), (.tables[0].counts | length)' $'2\n2' "--runs limits both"
run_rocky history --runs none
is "$status" 64 "a limit that is no number is a usage error"
run_rocky history --table "${orders%s}"
is "$status" 64 "an unknown table is a usage error"
like "$stderr" "orders" "and the nearest is suggested"
run_rocky history --table "$orders" --output json
is_json "$stdout" '[.tables[].table] | join(" ")' "$orders" "--table shows one table"

sql "$src" 'DELETE FROM orders WHERE id > 30'
run_rocky run --output json
is "$status" 0 "an anomaly warns"
is_json "$stdout" '[.anomalies[].kind] | any(. == "drop")' true "a truncated source is flagged"
run_rocky run
like "$stdout" "anomaly drop: $orders" "the table form shows it"
run_rocky history
like "$stdout" "anomaly drop" "and so does the history"
run_rocky history --output json
is_json "$stdout" '[.tables[0].anomalies[].kind] | any(. == "drop")' true "in its JSON form too"

run_rocky history accept
is "$status" 64 "history accept needs --table"
run_rocky history accept --table a.b.c
is "$status" 64 "and one that has a history"
run_rocky history accept --table "$orders" --output json
is "$status" 0 "the new level can be accepted"
valid "$stdout" output.history.accept "its JSON form fits the schema"
is_json "$stdout" .count 30 "with the count"
run_rocky run --output json
is_json "$stdout" '.anomalies | length' 0 "and is normal from then on"

done_testing
