#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Orders of events that look harmless one by one: a late write, a deleted watermark between a run
# and its upload, a crash behind the refresh it asked for, versions older than what was consumed,
# and a state that is not the target's.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_faults
need_s3
need_valkey

table=acme_warehouse.staging__us__shopify.orders
target=$(orders_target acme)
make_orders acme 30
quick=('transfer_timeout_seconds = 2' 'lock.mode = "off"' '[state.retry]' 'initial_backoff_ms = 20'
    'circuit_breaker_threshold = 0')
for pod in 1 2 3; do
    write_pod $pod s3 "${quick[@]}"
done
write_pod 4 tiered "${quick[@]}"

action() { jq -r '"\(.status) \(.materializations[0].action) \(.rows_copied)"' <<<"$stdout"; }
lineage() { on_pod "$1" state --namespace acme --output json && jq -r .lineage <<<"$stdout"; }
runs() { on_pod "$1" history --namespace acme --runs 100 --output json && jq '.runs | length' <<<"$stdout"; }
healthy() { # NAME
    rows_once acme "$1: every row is in the target once"
    is_one_chain acme
    ok $? "$1: all commits are one chain"
}

run_on 1
is "$status" 0 'a first run'

# --- a write that lands after its time ---
writes=$(head_writes acme | wc -l)
s3_fault '{"operation": "PUT", "key": "*acme.db", "action": "delay", "before_ms": 3000}'
add_orders acme 5
run_on 1
is "$(outcomes "$stdout")" 'ok skipped_after_failure/timeout' 'an upload that takes too long is skipped'
has_landed() { [ "$(head_writes acme | wc -l)" -eq $((writes + 1)) ]; }
wait_for 10 has_landed
ok $? 'it lands later'
add_orders acme 5
run_on 2
is "$(action) $(outcomes "$stdout")" 'success incremental 5 ok ok' 'another pod builds on it'
add_orders acme 5
run_on 1
is "$(action) $(outcomes "$stdout")" 'success incremental 5 ok ok' 'and so does the pod it came from'
is "$(runs 1)" 4 'each run is in the history once'
healthy 'a late write'

s3_fault '{"operation": "PUT", "key": "*acme.db", "action": "delay", "before_ms": 3000}'
add_orders acme 5
run_on 1
is "$(outcomes "$stdout")" 'ok skipped_after_failure/timeout' 'once more an upload takes too long'
add_orders acme 5
run_on 2
is "$(action) $(outcomes "$stdout")" 'success incremental 5 ok ok' 'another pod is faster'
is_over() { [ "$(s3_count '.fault == "delay" and .ended == null')" -eq 0 ]; }
wait_for 10 is_over
is "$(s3_requests 'select(.fault == "delay") | .status' | tail -n 1)" 412 'what comes late is refused'
run_on 1
is "$(action) $(outcomes "$stdout")" 'success incremental 0 ok ok' 'the pod it came from merges'
is "$(runs 3)" 7 'each run is in the history once'
healthy 'a write that is too late'

# --- state delete against a writer without a lease, both ways round ---
add_orders acme 5
hold upload.before_put "$rocky" --config pod1.toml run --namespace acme --output json
on_pod 2 state delete --namespace acme --table $table
is "$status" 0 'a watermark is deleted while a run is before its upload'
deleted=$(on_pod 3 state --namespace acme --output json && jq .generation <<<"$stdout")
thaw
wait "$held"
is $? 0 'the run merges'
run_on 3
is "$(action | cut -d' ' -f1,2)" 'success full_refresh' 'and the full refresh is not forgotten'
run_on 1
is "$(action)" 'success incremental 0' 'nor done twice'
healthy 'a delete before the upload'

hold upload.before_put "$rocky" --config pod1.toml state delete --namespace acme --table $table
add_orders acme 5
run_on 2
is "$(action)" 'success incremental 5' 'a run is faster than the upload of a delete'
thaw
wait "$held"
is $? 0 'which merges'
run_on 3
is "$(action | cut -d' ' -f1,2)" 'success full_refresh' 'and is obeyed'
healthy 'a run before the upload of a delete'

# --- a crash behind the refresh that was asked for ---
on_pod 1 state delete --namespace acme --table $table
RKY_FAULT=copy.after_commit=kill run_on 1
is "$status" 137 'a full refresh is committed, then the run is killed'
rm -rf state-pod1
add_orders acme 5
run_on 1
is "$(action)" 'success incremental 5' 'on an empty disk it is not done again'
healthy 'a crash behind a refresh'

# --- back to a version from before the deletes, and to one that has the first of them ---
on_pod 1 state versions --namespace acme --output json
for old in $(jq -r '.versions | map(.generation) | min' <<<"$stdout") "$deleted"; do
    on_pod 1 state restore --namespace acme --generation "$old" --yes --output json
    is "$status" 0 "generation $old is brought back"
    run_on 2
    is "$(action)" 'success incremental 0' 'what was deleted and done since is not done again'
done
on_pod 2 state delete --namespace acme --table $table
run_on 3
is "$(action | cut -d' ' -f1,2)" 'success full_refresh' 'a new delete is obeyed'
run_on 1
is "$(action)" 'success incremental 0' 'once'
healthy 'an old version'

# --- both stores empty, and a warm copy left ---
run_on 4
before=$(lineage 4)
count=$(runs 4)
s3_admin POST wipe >/dev/null
valkey FLUSHALL >/dev/null
add_orders acme 5
run_on 4
is "$(action) $(outcomes "$stdout")" 'success incremental 5 absent ok' 'both stores empty: the copy goes on'
is "$(lineage 4)" "$before" 'with its lineage'
is "$(runs 3)" $((count + 1)) 'and its history'
rows_once acme 'every row is in the target once'

# --- a state that is not the target's ---
sed 's/^path = "target"$/path = "elsewhere"/; s/state-pod3/state-pod5/' pod3.toml >pod5.toml
s3_admin POST wipe >/dev/null
run_on 5
is "$status" 0 'somebody else starts a state of the same name'
rm -rf state-pod2
add_orders acme 5
run_on 2
is "$status" 78 'it is refused where the target follows another'
like "$(jq -r '.error.message + " " + .error.hint' <<<"$stdout")" 'adopt --lineage' 'with what to do'
is "$(sql "$target" 'SELECT count(*) FROM orders')" "$(($(sql \
    source/fivetran/src__acme__us__shopify.db 'SELECT count(*) FROM orders') - 5))" \
    'and nothing is written'
on_pod 2 state adopt --namespace acme --lineage --yes
is "$status" 0 'when it is adopted'
run_on 2
is "$(action)" 'success incremental 5' 'the target goes on from its own watermark'
rows_once acme 'every row is in the target once'
done_testing
