#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What is told about transfers: exactly one state.download and one state.upload for each, on the
# results topic, as a log line and in the output of `rocky run`, the same in all three; and one story
# for a job, however often it is delivered.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_faults
need_s3
need_valkey
need_kafka
make_orders acme 0
options=('transfer_timeout_seconds = 5' '[state.retry]' 'max_retries = 1' 'initial_backoff_ms = 20'
    'circuit_breaker_threshold = 0')
for pod in 1 2 3; do
    write_pod $pod tiered 'lock.ttl_seconds = 2' "${options[@]}"
done
write_pod 4 s3 'on_upload_failure = "fail"' 'on_download_failure = "fail"' "${options[@]}"

# event KIND JOB: the body of the one event of that transfer. Fails when there is another number.
event() {
    local found
    found=$(events "state.$1" "select(.job_id == \"$2\")")
    [ "$(grep -c . <<<"$found")" -eq 1 ] || { diag "events: $found" && return 1; }
    jq -cS . <<<"$found"
}

# logged KIND JOB FILE: the same from the log.
logged() {
    jq -cS "select(.event == \"state.$1\" and .job_id == \"$2\") | del(.level, .message)" "$3"
}

# same_everywhere NAME JOB LOG: event and log line are one object, which fits its schema; for
# `rocky run` it also stands in the output.
same_everywhere() {
    local kind body
    for kind in download upload; do
        body=$(event "$kind" "$2")
        ok $? "$1: one state.$kind"
        is "$(logged "$kind" "$2" "$3")" "$body" "$1: the log line of state.$kind says the same"
        valid "$body" "event.state.$kind" "$1: it fits its schema"
        [ "${4:-}" = "" ] ||
            is "$(jq -cS ".state.$kind" <<<"$4")" "$body" "$1: the output says the same"
    done
}

on_queue() { # NAME OUTCOMES: through a worker
    add_orders acme 5
    run_job acme
    is "$(outcomes "$result")" "$2" "$1: its outcomes"
    same_everywhere "$1" "$(jq -r .job_id <<<"$result")" pod1.err
}

by_hand() { # NAME POD OUTCOMES: with `rocky run`
    add_orders acme 5
    run_rocky --config "pod$2.toml" --log-format json --log-level info run --namespace acme \
        --output json
    grep '^{' <<<"$stderr" >run.log
    is "$(outcomes "$stdout")" "$3" "$1: its outcomes"
    same_everywhere "$1" "$(jq -r .job_id <<<"$stdout")" run.log "$stdout"
}

fault() { # OPERATIONS FAULT
    local operation
    for operation in $1; do
        s3_fault "$(jq -c ". + {operation: \"$operation\", key: \"*acme.db\", count: -1}" <<<"$2")"
    done
}

start_pod 1
on_queue 'a first job' 'absent ok'
on_queue 'the next job' 'ok ok'
by_hand 'a run' 2 'ok ok'
fault PUT '{"action": "status", "status": 500}'
on_queue 'a job whose upload is skipped' 'ok skipped_after_failure/transient_exhausted'
by_hand 'a run whose upload is skipped' 2 'ok skipped_after_failure/transient_exhausted'
valkey FLUSHALL >/dev/null
fault 'GET HEAD' '{"action": "status", "status": 500}'
by_hand 'a run without any state' 3 \
    'error_then_fresh/transient_exhausted skipped_after_failure/transient_exhausted'
s3_faults_over
on_queue 'a job that merges' 'ok ok'
by_hand 'a run that merges' 2 'ok ok'
s3_fault '{"operation": "PUT", "key": "*acme.db", "action": "drop", "apply": true}'
by_hand 'a run whose answer is lost' 2 'ok ok'
is_json "$(event upload "$(jq -r .job_id <<<"$stdout")")" .recovered true 'its event says recovered'
end_pod 1

# --- an upload that was skipped, and the job comes again on another pod ---
fault PUT '{"action": "status", "status": 500}'
start_pod 1
add_orders acme 5
run_job acme
job=$(jq -r .job_id <<<"$result")
is "$(outcomes "$result")" 'ok skipped_after_failure/transient_exhausted' 'an upload is skipped'
place=$(jq -r '"\(.offset) \(.partition)"' <<<"$stdout")
wait_for 20 is_committed "$(messages rocky.jobs | wc -l)"
lose_pod 1
s3_faults_over
add_orders acme 5
# shellcheck disable=SC2086 # two words
send_again $place
run_program "$rocky_worker" --once --config pod2.toml
told() { results .value | jq -c "select(.job_id == \"$job\")"; }
is "$(told | wc -l)" 2 'on another pod it is answered again'
is "$(told | tail -n 1 | jq -r '"\(.status) \(.rows_copied) \(.materializations[0].reconciled)"')" \
    'success 5 true' 'with what it did, from the target'
is "$(results '"\(.headers["x-job-id"]) \(.headers.ce_id)"' | sort -u | cut -d' ' -f1 | uniq -d)" '' \
    'under the same id'
is "$(sql "$(orders_target acme)" 'SELECT count(*) FROM orders')" \
    "$(($(sql source/fivetran/src__acme__us__shopify.db 'SELECT count(*) FROM orders') - 5))" \
    'and copies nothing'

# --- killed between the commit and its events ---
add_orders acme 5
enqueue run --namespace acme
job=$job_id
run_program env RKY_FAULT=upload.after_put=kill "$rocky_worker" --once --config pod3.toml
is "$status" 137 'a worker is killed behind its commit'
is "$(events state.upload "select(.job_id == \"$job\")" | wc -l)" 0 'before it could tell'
write_id=$(head_writes acme .write_id | tail -n 1 | tr -d '"')
writes=$(head_writes acme | wc -l)
run_program "$rocky_worker" --once --config pod2.toml
is "$(told | jq -r '"\(.status) \(.rows_copied)"')" 'success 10' 'another one answers from the state'
upload=$(events state.upload "select(.job_id == \"$job\" and .unchanged == false)")
is "$(jq -r '"\(.outcome) \(.recovered) \(.write_id) \(.bytes)"' <<<"$upload")" \
    "ok true $write_id null" 'and tells of the upload what is known, once'
valid "$upload" event.state.upload 'in words that fit the schema'
is "$(head_writes acme | wc -l)" "$writes" 'without another one'

# --- a job that fails for its state ---
s3_admin POST deny '{"action": "s3:PutObject", "key": "*acme.db"}' >/dev/null
add_orders acme 5
by_hand 'a run without the permission to write' 2 'ok error'
is_json "$stdout" '"\(.status) \(.errors[0].error_class)"' 'failed permission' 'it failed for that'
s3_admin DELETE deny >/dev/null

start_pod 4
fault PUT '{"action": "status", "status": 500}'
add_orders acme 5
run_job acme
s3_faults_over
is "$(jq -r '"\(.status) \(.errors[0].failure_kind) \(.errors[0].error_class)"' <<<"$result")" \
    'failed state-sync transient_exhausted' 'a job whose upload must not be skipped fails in the end'
run_job acme
is "$(jq -r .status <<<"$result") $(outcomes "$result")" 'success ok ok' 'the next one puts all right'
end_pod 4
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'

# --- everything on the topic ---
messages rocky.results 2>/dev/null >all.jsonl
is "$(jq -c 'select(.headers.ce_type | test("state")) | [.headers.ce_id, .value]' all.jsonl | sort -u |
    jq -r '.[0]' | uniq -d | wc -l)" 0 'what is told again of a transfer is told in the same words'
# shellcheck disable=SC2016 # for jq
is "$(jq -r '.headers.ce_type as $t | .value | fromjson | "\($t) rocky.\(.event // "job.result")"' \
    all.jsonl | awk '$1 != $2' | wc -l)" 0 'each event is what its header says'
while IFS= read -r kind; do
    bad=0 shape=event.$kind
    [ "$kind" != job.result ] || shape=job.result
    while IFS= read -r body; do
        printf '%s' "$body" | "$top_builddir/tests/kit/shape_check" "$shape" - || bad=1
    done < <(jq -r "select(.headers.ce_type == \"rocky.$kind\") | .value" all.jsonl)
    ok $bad "every $kind fits its shape"
done < <(jq -r '.headers.ce_type | ltrimstr("rocky.")' all.jsonl | sort -u)
done_testing
