#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Workers that are replaced and do not know it: frozen before the upload while a successor runs the
# same job, or without Valkey for longer than their lease. What they tell on the results topic.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_faults
need_s3
need_valkey
need_kafka
options=('transfer_timeout_seconds = 5' 'lock.ttl_seconds = 2'
    'retry.circuit_breaker_threshold = 0')
make_orders acme 40
target=$(orders_target acme)
for pod in 1 2 3; do
    write_pod $pod tiered "${options[@]}"
done

: >gate
start_pod 1 "RKY_FAULT=upload.before_put=wait:$work/gate"
run_job acme
is "$(outcomes "$result")" 'absent ok' 'a first job'
rm -f gate gate.reached
add_orders acme 11
enqueue run --namespace acme
job=$job_id
held=${pods[1]}
freeze
ok $? 'the next one is frozen before its upload'
is "$(sql "$target" 'SELECT count(*) FROM orders')" 51 'when its rows are in the target'
start_pod 2
is_done() { results | grep -q "$job"; }
wait_for 60 is_done
ok $? 'another worker takes over and finishes the same job'
is "$(results | grep "$job")" "$job success" 'with success'
result=$(results .value | jq -c "select(.job_id == \"$job\")")
is "$(jq -r '"\(.rows_copied) \(.materializations[0].reconciled)"' <<<"$result")" '11 true' \
    'it tells what the first one did, from the target'
before=$(sql "$target" 'SELECT value, commit_id FROM _rocky_watermarks')
writes=$(head_writes acme | wc -l)
thaw
is_fenced() { grep -q 'job given back' pod1.err; }
wait_for 30 is_fenced
ok $? 'the first one wakes up and gives the job back'
has_event() { [ -n "$(events job.fenced "select(.job_id == \"$job\")")" ]; }
wait_for 20 has_event
ok $? 'an event says that it was fenced'
like "$(events job.fenced .reason | sort -u)" '^"(fenced|conflict)"$' 'and why'
is "$(head_writes acme | wc -l)" "$writes" 'its upload did not land'
is "$(sql "$target" 'SELECT value, commit_id FROM _rocky_watermarks')" "$before" \
    'no watermark moved'
add_orders acme 9
run_job acme
is "$(jq -r '"\(.status) \(.rows_copied)"' <<<"$result")" 'success 9' 'the next job runs, wherever it lands'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
is "$(results '"\(.headers["x-job-id"]) \(.headers.ce_id)"' | sort -u | cut -d' ' -f1 | uniq -d)" '' \
    'each job has one result id'
is "$(results .value | jq -c "select(.job_id == \"$job\")" | sort -u | wc -l)" 1 'and one result'
end_pod 1
is "$status" 0 'the first worker ends with 0'
end_pod 2
is "$status" 0 'the second, too'

# Valkey goes away in a long copy, for longer than the lease.
make_source fivetran src__acme__us__shopify refunds 10
add_orders acme 5
start_pod 3 "RKY_FAULT=table.between=wait:$work/go"
enqueue run --namespace acme
wait_for 60 test -e go.reached
bash "$valkey_kit" kill "$work/valkey"
late=$(($(date +%s) + 3))
is_late() { [ "$(date +%s)" -ge "$late" ]; }
wait_for 10 is_late
: >go
has_result() { results | grep -q "$job_id"; }
wait_for 60 has_result
is "$(results | grep "$job_id")" "$job_id success" 'without Valkey past its lease a job goes on'
is "$(results .value | jq -r "select(.job_id == \"$job_id\") | .rows_copied")" 15 'with all its tables'
is "$(events worker.alarm "select(.job_id == \"$job_id\") | .code" | tr -d '"')" lock_unavailable \
    'an event says that nobody could renew it'
run_job acme
is "$(outcomes "$result")" 'ok ok' 'without Valkey from its start a job goes on, too'
job_id=$(jq -r .job_id <<<"$result")
is "$(events worker.alarm "select(.job_id == \"$job_id\") | .code" | tr -d '"')" lock_unavailable \
    'an event says so, too'
bash "$valkey_kit" restart "$work/valkey" >/dev/null
add_orders acme 2
run_job acme
is "$(outcomes "$result")" 'ok ok' 'and with it again'
is "$(events worker.alarm "select(.job_id == $(jq .job_id <<<"$result"))")" '' 'without an event'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
end_pod 3
is "$status" 0 'the third worker ends with 0'
done_testing
