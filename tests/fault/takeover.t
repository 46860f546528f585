#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A run is frozen between two table transactions; another with a state of its own takes over. When
# the first wakes up, the claim in the target refuses it: nothing is doubled, nothing goes back.

. "${top_srcdir:-.}/tests/cli/lib.sh"

"$rocky" dev faults | grep -q . || skip_all 'built without --enable-fault-injection'

is_stopped() { [ "$(ps -o state= -p "$1" | cut -c1)" = T ]; }

for table in orders refunds customers; do
    make_source fivetran src__acme__us__shopify "$table" 95
done
write_config
RKY_FAULT=table.between=stop start frozen "$rocky" --state-path first.db run --output json
frozen=$started
wait_for 20 is_stopped "$frozen"
ok $? 'the first run is frozen after its first table'

add_rows fivetran src__acme__us__shopify orders 21
run_rocky --state-path second.db run --output json
is "$status" 0 'a second run with a state of its own takes over'
is_json "$stdout" .tables_copied 3 'and finishes all tables'
file=$(target_file staging__us__shopify)
token=$(sql "$file" "SELECT token FROM _rocky_fence")
marks=$(sql "$file" "SELECT group_concat(table_name || value || commit_id) FROM _rocky_watermarks")

kill -CONT "$frozen"
wait "$frozen"
is $? 4 'the first is refused when it wakes'
is "$(jq -r .error.code frozen.out)" fenced 'and says why'
is "$(sql "$file" "SELECT token FROM _rocky_fence")" "$token" 'the token stays'
is "$(sql "$file" "SELECT group_concat(table_name || value || commit_id) FROM _rocky_watermarks")" \
    "$marks" 'no watermark moved'
for table in orders refunds customers; do
    same_rows source/fivetran/src__acme__us__shopify.db "$file" "$table"
    ok $? "$table: each source row is in the target once"
done
run_rocky --state-path first.db run --output json
is "$status" 0 'the first state can be used again'
is_json "$stdout" .rows_copied 0 'and has nothing left to copy'
done_testing
