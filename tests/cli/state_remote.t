#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# The state commands on remote backends: what any machine sees, what is kept, what a failure leaves.
. "${top_srcdir:-.}/tests/cli/lib.sh"
. "$top_srcdir/tests/cli/remote.sh"

start_s3
ok $? "the stand-in starts" || { done_testing; }
backend=s3
start_valkey && backend=tiered
src=source/fivetran/src__acme__us_west__shopify.db
orders=acme_warehouse.staging__us_west__shopify.orders
make_source fivetran src__acme__us_west__shopify orders 100
quick='[state.retry]
max_retries = 1
initial_backoff_ms = 10
[pipeline.bronze.checks]
enabled = true
row_count = true'
write_config "$(remote_config $backend)" "$quick"
target=$(target_file staging__us_west__shopify)

# other_machine COMMAND...: rocky as on a machine that has seen nothing of this namespace.
other_machine() {
    rm -rf .rocky-state
    run_rocky "$@"
}
generation() {
    "$rocky" state --output json 2>/dev/null | jq .generation
}

# --- reading ------------------------------------------------------------------------------------

run_rocky state --output json
is "$status" 0 "state without a state is no failure"
valid "$stdout" output.state "its JSON form fits the schema"
is_json "$stdout" '.lineage, .generation, .local_copy' $'null\n0\nnone' "and is empty"
like "$(printf '%s' "$stdout" | jq -r .location)" '^s3://' "it says where the state will be"
run_rocky history
is "$status" 0 "nor is history"

run_rocky run
run_rocky state --output json
is_json "$stdout" '.generation, .local_copy, .watermarks[0].last_value' \
    $'1\nin_sync\n2026-01-01T00:00:09Z' "state shows what was uploaded"
other_machine state --output json
is_json "$stdout" '.generation, .local_copy, .watermarks[0].last_value' \
    $'1\nnone\n2026-01-01T00:00:09Z' "another machine sees the same"
test ! -e .rocky-state
ok $? "and keeps nothing of it"
run_rocky history --output json
valid "$stdout" output.history "history is read from there as well"
is_json "$stdout" '.runs | length' 1 "with the run"
run_rocky state export --file state.snap
is "$status" 0 "and it can be exported from there"

# --- changing, from machine to machine ----------------------------------------------------------

add_rows fivetran src__acme__us_west__shopify orders 10
other_machine state delete --table "$orders"
is "$status" 0 "a watermark is deleted from one machine"
other_machine run --output json
is_json "$stdout" '.materializations[0].action' full_refresh "and the other refreshes the table"
other_machine state set --table "$orders" --value 2026-01-01T00:00:03Z
is "$status" 0 "it is set on a third"
other_machine run --output json
is_json "$stdout" '.materializations[0] | .action, .rows_copied' $'incremental\n0' \
    "and the next copies nothing twice"
same_rows "$src" "$target" orders
ok $? "each row is there once"
other_machine history accept --table "$orders"
is "$status" 0 "a row count is accepted"
is "$(generation)" 6 "each of them made a generation"

# --- what is not confirmed ----------------------------------------------------------------------

lost='{"operation": "PUT", "key": "*.db", "count": -1, "action": "status", "status": 503,
       "code": "SlowDown", "message": "slow down"}'
s3_admin POST faults "$lost" >/dev/null
run_rocky state delete --table "$orders" --output json
is "$status" 69 "a deletion that the backend does not confirm fails"
valid "$stdout" output.error "with an error object"
like "$stderr" "not confirmed" "and says so"
run_rocky history accept --table "$orders"
is "$status" 69 "so does any other change"
s3_admin DELETE faults >/dev/null
run_rocky state --output json
is_json "$stdout" '.generation, .watermarks[0].last_value' $'6\n2026-01-01T00:00:10Z' \
    "nothing of it is left"
run_rocky run --output json
is_json "$stdout" '.materializations[0].action' incremental "and the next run knows nothing of it"

s3_admin POST faults '{"operation": "*", "key": "*.db", "count": -1, "action": "drop",
                       "how": "reset"}' >/dev/null
before=$(sql "$target" 'SELECT commit_id FROM _rocky_watermarks')
other_machine state set --table "$orders" --value 2026-01-01T00:00:04Z
is "$status" 69 "without the durable store nothing is set"
is "$(sql "$target" 'SELECT commit_id FROM _rocky_watermarks')" "$before" "nor is the target touched"
s3_admin DELETE faults >/dev/null

# --- versions and restore -----------------------------------------------------------------------

run_rocky state versions --output json
is "$status" 0 "versions are listed"
valid "$stdout" output.state.versions "the JSON form fits the schema"
is_json "$stdout" '.generation, .versions[0].generation, .versions[0].current' $'7\n7\ntrue' \
    "newest first, and the present one is marked"
is_json "$stdout" '.versions[-1].generation' 1 "down to the first"
run_rocky state restore --generation 99 --yes
is "$status" 64 "a version that is not there is a usage error"
like "$stderr" "1 to 7" "and the others are named"
run_rocky state restore --generation two --yes
is "$status" 64 "and so is what is no number"
run_rocky state restore --generation 1
is "$status" 64 "a restore needs --yes"
is "$(generation)" 7 "and does nothing without"
other_machine state restore --generation 1 --yes --output json
is "$status" 0 "with it, an older version is brought back"
valid "$stdout" output.state.restore "the JSON form fits the schema"
is_json "$stdout" '.old_generation, .restored_from, .generation' $'7\n1\n8' "as a new generation"
run_rocky state --output json
is_json "$stdout" '.watermarks[0] | .last_value, .target_value, .source_of_truth, .stale' \
    $'2026-01-01T00:00:09Z\n2026-01-01T00:00:10Z\ntarget\nledger' "the target did not go back"
run_rocky run --output json
is_json "$stdout" '.materializations[0] | .action, .rows_copied' $'incremental\n0' \
    "and the next run follows it"
same_rows "$src" "$target" orders
ok $? "each row is there once"
run_rocky state import --file state.snap --yes
is "$status" 0 "an exported state can be imported"
is "$(generation)" 10 "as a new generation, too"

# --- a copy that is ahead -----------------------------------------------------------------------

s3_admin POST faults "$lost" >/dev/null
add_rows fivetran src__acme__us_west__shopify orders 10
run_rocky run
is "$status" 0 "a run goes on when its upload is skipped"
s3_admin DELETE faults >/dev/null
run_rocky state --output json
is_json "$stdout" '.local_copy, .watermarks[0].stale' $'pending\nledger' \
    "the copy that holds more than the backend is pending"
run_rocky state
like "$stdout" "was not uploaded" "and it is said"
run_rocky doctor --check state
like "$stdout" "warning.*not uploaded" "doctor warns of it"
run_rocky run
run_rocky state --output json
is_json "$stdout" '.local_copy, .watermarks[0].stale' $'in_sync\nnull' "the next run brings it in"

# --- what only this machine knows -----------------------------------------------------------------

run_rocky run
add_rows fivetran src__acme__us_west__shopify orders 10
s3_admin POST faults '{"operation": "PUT", "count": -1, "action": "status", "status": 503}' >/dev/null
run_rocky run --output json
is_json "$stdout" '.state.upload.outcome' skipped_after_failure "a run whose upload is skipped"
pending=$(jq -r .run_id <<<"$stdout")
run_rocky plan
is "$status" 69 "a plan that the backend does not take ends with 69"
like "$stderr" "no plan was kept" "and says so"
run_rocky plan --output json
is_json "$stdout" '.error.code' unavailable "in JSON as well"
run_rocky state delete --table "$orders"
is "$status" 69 "so does the deletion of a watermark"
s3_admin DELETE faults >/dev/null
run_rocky run --output json
is_json "$stdout" '.materializations[0].action, .state.generation_after - .state.generation_before' \
    $'incremental\n1' "neither of them comes back"
run_rocky history --output json
is_json "$stdout" "[.runs[] | select(.run_id == \"$pending\")] | length" 1 \
    "and the run before them is not lost"

# --- unlock -------------------------------------------------------------------------------------

if [ "$backend" = tiered ]; then
    write_config "$(remote_config tiered)" "$quick" '[state.lock]' 'mode = "require"'
    add_rows fivetran src__acme__us_west__shopify orders 10
    RKY_FAULT='claim.after_commit=stop' start frozen "$rocky" run
    frozen=$started
    if wait_for 10 sh -c "grep -q '^State:.*T' /proc/$frozen/status"; then
        mv .rocky-state elsewhere
        run_rocky state --output json
        is_json "$stdout" '.lease.token > 0' true "state shows who holds the lease"
        valid "$stdout" output.state "the JSON form fits the schema"
        run_rocky run
        is "$status" 4 "a namespace that is leased is not worked on"
        run_rocky state unlock
        is "$status" 64 "a lease is not broken without --yes"
        like "$stderr" "would be taken from worker" "and its holder is named"
        run_rocky state unlock --yes --output json
        is "$status" 0 "with --yes it is"
        valid "$stdout" output.state.unlock "the JSON form fits the schema"
        is_json "$stdout" '.broken' true "and that is said"
        run_rocky run
        is "$status" 0 "the namespace can be worked on at once"
        kill -CONT "$frozen"
        wait "$frozen"
        is "$?" 4 "the holder that lived after all is shut out"
        same_rows "$src" "$target" orders
        ok $? "each row is there once"
        run_rocky state export --format sqlite --file after.db
        like "$(sql after.db "SELECT old_value FROM audit WHERE action = 'state unlock'")" \
            "worker '.*token" "and the audit trail knows"
    else
        ok 0 "breaking a lease # SKIP this build has no fault points"
        kill -KILL "$frozen"
    fi
else
    ok 0 "breaking a lease # SKIP there is no Valkey server (./bootstrap --test-deps installs it)"
fi

done_testing
