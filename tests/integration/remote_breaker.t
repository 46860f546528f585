#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The circuit breaker of a worker, which lives as long as its process: once it is open nothing is
# sent for the jobs that follow, after the recovery time exactly one probe is, and with a recovery
# time of 0 only SIGHUP closes it. The stand-in's log is the witness.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
need_kafka
recovery=15
make_orders acme 0
settings=('transfer_timeout_seconds = 10' '[state.retry]' 'max_retries = 1' 'initial_backoff_ms = 20'
    'max_backoff_ms = 50' 'circuit_breaker_threshold = 3')
write_pod 1 s3 "${settings[@]}" "circuit_breaker_recovery_timeout_secs = $recovery"
start_pod 1
worker=${pods[1]}

requests=0
# job ROWS OUTCOMES REQUESTS NAME: a job that copies so many rows, and how often S3 is asked.
job() {
    requests=$(s3_requests | wc -l)
    add_orders acme "$1"
    run_job acme
    is "$(jq -r '"\(.status) \(.rows_copied)"' <<<"$result")" "success $1" "$4: the job runs"
    is "$(outcomes "$result")" "$2" "$4: its transfers"
    [ -z "$3" ] || is "$(($(s3_requests | wc -l) - requests))" "$3" "$4: $3 requests"
}

breakers() { jq -r '[.state.download, .state.upload] | map(.breaker) | join(" ")' <<<"$result"; }

# wait_until SECOND: of the clock of the machine.
is_after() { [ "$(date +%s)" -gt "$1" ]; }
wait_until() { wait_for 30 is_after "$1"; }

job 5 'absent ok' '' 'all is well'
s3_fault '{"operation": "*", "count": -1, "action": "status", "status": 500, "code": "InternalError"}'
job 5 'error_then_fresh/transient_exhausted skipped_after_failure/circuit_open' 3 \
    'the third failure in a row opens it'
opened=$(date +%s)
is "$(breakers)" 'closed open' 'and the events say so'
job 5 'error_then_fresh/circuit_open skipped_after_failure/circuit_open' 0 'open'
is "$(breakers)" 'open open' 'still'
job 5 'error_then_fresh/circuit_open skipped_after_failure/circuit_open' 0 'open, again'
is_after $((opened + recovery - 1))
[ $? -eq 1 ]
ok $? 'all that within the recovery time'
wait_until $((opened + recovery))
job 5 'error_then_fresh/circuit_open skipped_after_failure/circuit_open' 1 'one probe that fails'
opened=$(date +%s)
s3_faults_over
job 5 'error_then_fresh/circuit_open skipped_after_failure/circuit_open' 0 'open once more'
wait_until $((opened + recovery))
job 5 'ok ok' '' 'a probe that succeeds closes it'
is "$(breakers)" 'closed ' 'closed'
is "$(s3_requests | sed -n "$((requests + 1))p" | jq -r .method)" GET 'the probe was the download itself'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
on_pod 1 history --namespace acme --output json
is_json "$stdout" '.runs | length' 7 'the runs that were not uploaded are in the history, too'
kill -0 "$worker"
ok $? 'it is the same process all the time'
end_pod 1
is "$status" 0 'it ends with 0'

# Only a person closes it.
write_pod 2 s3 "${settings[@]}" 'circuit_breaker_recovery_timeout_secs = 0'
start_pod 2
s3_fault '{"operation": "*", "count": -1, "action": "drop"}'
job 5 'error_then_fresh/transient_exhausted skipped_after_failure/circuit_open' 3 'by hand: opened'
s3_faults_over
for time in first second; do
    job 5 'error_then_fresh/circuit_open skipped_after_failure/circuit_open' 0 "by hand: $time job"
done
kill -HUP "${pods[2]}"
wait_for 10 grep -q 'SIGHUP' pod2.err
job 5 'ok ok' '' 'by hand: after SIGHUP'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
end_pod 2
is "$status" 0 'it ends with 0'

# What the events told: one for each transfer of each job.
jobs=$(messages rocky.jobs | wc -l)
is "$(events state.download .job_id | wc -l)" "$jobs" 'each job has one state.download'
is "$(events state.upload .job_id | wc -l)" "$jobs" 'and one state.upload'
is "$(events state.upload 'select(.outcome == "skipped_after_failure" and .cause == "circuit_open")' |
    wc -l)" 8 'those that nothing was sent for say so'
is "$(events state.upload 'select(.cause == "circuit_open" and .legs[0].attempts == 0)' | wc -l)" 6 \
    'and count no attempt'

# Under "fail" nothing can be finished while the breaker is open: no job is started, and none fails.
write_pod 3 s3 'on_upload_failure = "fail"' "${settings[@]}" \
    "circuit_breaker_recovery_timeout_secs = 6"
start_pod 3
job 5 'ok ok' '' 'under fail, all is well'
s3_fault '{"operation": "*", "count": -1, "action": "status", "status": 500, "code": "InternalError"}'
add_orders acme 5
finished=$(results | wc -l)
for name in acme one acme two acme three acme four; do
    enqueue run --namespace "$name"
done
is_paused() { [ -n "$(events worker.alarm 'select(.code == "worker-paused")')" ]; }
wait_for 30 is_paused
ok $? 'an open breaker pauses the worker, and an alarm says so'
requests=$(s3_requests | wc -l)
opened=$(date +%s)
wait_until $((opened + 8))
asked=$(($(s3_requests | wc -l) - requests))
[ "$asked" -ge 1 ] && [ "$asked" -le 2 ]
ok $? 'after the recovery time one probe is sent, not one for each job' || diag "$asked requests"
is "$(results | wc -l)" "$finished" 'no job has failed meanwhile'
s3_faults_over
kill -HUP "${pods[3]}"
wait_for 60 has_results $((finished + 8))
is "$(results '.headers["x-outcome"]' | tail -n 8 | sort | uniq -c | tr -s ' ')" ' 8 success' \
    'after SIGHUP all of them run, and each succeeds'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
end_pod 3
is "$status" 0 'it ends with 0'
done_testing
