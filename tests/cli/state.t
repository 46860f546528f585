#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky state and state delete: what the state file and the target say, and which of them counts.
. "${top_srcdir:-.}/tests/cli/lib.sh"

src=source/fivetran/src__acme__us_west__shopify.db
orders=acme_warehouse.staging__us_west__shopify.orders
customers=acme_warehouse.staging__us_west__shopify.customers
make_source fivetran src__acme__us_west__shopify orders 100
make_source fivetran src__acme__us_west__shopify customers 20
write_config
target=$(target_file staging__us_west__shopify)

run_rocky state
is "$status" 0 "state without a state file is no failure"
like "$stdout" "no state file yet" "and says that there is none"
run_rocky state --output json
valid "$stdout" output.state "its JSON form fits the schema"
is_json "$stdout" '.lineage, .generation, (.watermarks | length)' $'null\n0\n0' "and is empty"
is "$(find . -name '*.db' -path '*rocky-state*')" "" "and makes no file"

run_rocky run
run_rocky state
is "$status" 0 "state succeeds after a run"
like "$stdout" "$orders +2026-01-01T00:00:09Z" "it shows the watermark"
run_rocky state --output json
valid "$stdout" output.state "the JSON form fits the schema"
is_json "$stdout" '.namespace, .backend, .generation' $'bronze\nlocal\n1' "with namespace and generation"
is_json "$stdout" '[.watermarks[].table] | join(" ")' "$customers $orders" "and the tables by name"
is_json "$stdout" ".watermarks[1] | .last_value, .target_value, .source_of_truth" \
    $'2026-01-01T00:00:09Z\n2026-01-01T00:00:09Z\nledger' "both agree"
lag=$(printf '%s' "$stdout" | jq '.watermarks[1].lag_seconds | floor')
expected=$(($(date +%s) - 1767225609))
[ $((expected - lag)) -le 5 ] && [ $((lag - expected)) -le 5 ]
ok $? "the lag is the clock minus the watermark"
updated=$(date -d "$(printf '%s' "$stdout" | jq -r '.watermarks[1].updated_at')" +%s)
[ $(($(date +%s) - updated)) -le 30 ]
ok $? "updated_at is the wall clock"

# A state file that is older than the target.
cp .rocky-state/bronze.db old.db
add_rows fivetran src__acme__us_west__shopify orders 10
run_rocky run
run_rocky --state-path old.db state --output json
is_json "$stdout" '.watermarks[1] | .last_value, .target_value, .source_of_truth' \
    $'2026-01-01T00:00:09Z\n2026-01-01T00:00:10Z\ntarget' "a stale state file is told from the target"
run_rocky --state-path old.db state
like "$stdout" "stale: the target has '2026-01-01T00:00:10Z'" "the table form says so"

# No state file, but the target knows.
run_rocky --state-path none.db state --output json
is_json "$stdout" '.watermarks[1] | .last_value, .source_of_truth' $'2026-01-01T00:00:10Z\ntarget' \
    "without a state file the target's watermarks are shown"
test ! -e none.db
ok $? "and no state file is made"

# Reading waits for nobody.
hold_lock .rocky-state/bronze.db
run_rocky state
is "$status" 0 "state reads while another process has the state file"
run_rocky state delete --table "$orders"
is "$status" 4 "state delete does not"
run_rocky run --output json
is "$status" 4 "and run does not either"
valid "$stdout" output.error "with an error object"
like "$stderr" "in use" "and says that it is in use"
stop TERM

# Deleting.
run_rocky state delete
is "$status" 64 "state delete needs --table"
like "$stderr" "\-\-table" "and says so"
run_rocky state delete --table orders
is "$status" 64 "a name that is not catalog.schema.table is a usage error"
run_rocky state delete --table "${orders%s}"
is "$status" 64 "an unknown table is a usage error"
like "$stderr" "did you mean '$orders'" "and the nearest is suggested"
run_rocky --state-path fresh.db state delete --table "a.b.c"
is "$status" 64 "also without a state file"
test ! -e fresh.db
ok $? "which is not made for it"

run_rocky state delete --table "$orders" --output json
is "$status" 0 "a watermark can be deleted"
valid "$stdout" output.state.delete "the JSON form fits the schema"
is_json "$stdout" '.table, .old_value, .new_value' "$orders"$'\n'"2026-01-01T00:00:10Z"$'\n'null \
    "with the old value"
run_rocky state --output json
is_json "$stdout" '.watermarks[] | select(.table | endswith(".orders")) | .last_value, .source_of_truth' \
    $'null\nledger' "state shows that it is deleted"
run_rocky state
like "$stdout" "deleted: the next run is a full refresh" "the table form says what follows"
is "$(sql .rocky-state/bronze.db "SELECT old_value FROM audit WHERE action = 'state delete'")" \
    "2026-01-01T00:00:10Z" "the old value is in the audit trail"

run_rocky run --output json
is_json "$stdout" '[.materializations[] | select(.action == "full_refresh") | .table] | join(" ")' \
    "$orders" "the next run copies that table whole, and only that one"
same_rows "$src" "$target" orders
ok $? "and each row is there once"
run_rocky run --output json
is_json "$stdout" '[.materializations[] | select(.action == "full_refresh")] | length' 0 \
    "the run after it is incremental again"

run_rocky state delete --table "$customers"
run_rocky state delete --table "$customers"
is "$status" 0 "deleting twice is no failure"

# A table that was never copied is known when the pipeline would copy it.
make_source fivetran src__acme__us_west__shopify refunds 3
run_rocky state delete --table acme_warehouse.staging__us_west__shopify.refunds
is "$status" 0 "a table that was never copied can be named"
like "$stdout" "not set" "and had no watermark"

# Without the state file and with it: the tombstone counts from what the target has seen.
run_rocky run
rm -r .rocky-state
run_rocky state delete --table "$orders"
is "$status" 0 "a watermark can be deleted when only the target knows it"
run_rocky run --output json
is_json "$stdout" '[.materializations[] | select(.action == "full_refresh") | .table] | join(" ")' \
    "$orders" "and the next run is a full refresh of that table alone"

# A target that does not answer.
sql "$target" 'SELECT count(*) FROM orders' >/dev/null
printf 'this is no database, and long enough to be looked at as one: %0200d' 0 >"$target.broken"
cp "$target" "$target.good"
cp "$target.broken" "$target"
run_rocky state --output json
is "$status" 0 "state does without a target that cannot be read"
is_json "$stdout" '.watermarks[0] | .target_value, .source_of_truth' $'null\nledger' \
    "and shows what the state file says"
run_rocky state delete --table "$orders"
is "$status" 69 "state delete refuses to guess"
like "$stderr" "nothing was changed" "and says so"
cp "$target.good" "$target"

# One namespace per client.
sed -i '/^timestamp_column/a namespace_from = "client"' rocky.toml
run_rocky state
is "$status" 64 "a pipeline with several namespaces needs --namespace"
like "$stderr" "client" "and says by what they are told apart"
run_rocky state --namespace acme
is "$status" 0 "with it, it works"

done_testing
