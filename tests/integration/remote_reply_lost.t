#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A commit that the store applied, and whose answer never came: what became of it is decided by
# reading back, never by guessing. It is reported as ok and recovered, never as a conflict, and it is
# in the store exactly once.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
make_orders acme 20
write_pod 1 s3 'transfer_timeout_seconds = 20' '[state.retry]' 'max_retries = 2' \
    'initial_backoff_ms = 20' 'max_backoff_ms = 50' 'circuit_breaker_threshold = 0'
run_on 1
is "$status" 0 'a first run'

# lost NAME FAULT [RECOVERED]: what the next commit meets.
lost() {
    local name=$1 recovered=${3:-true} before head
    before=$(head_writes acme | wc -l)
    s3_faults_over
    s3_fault "$(jq -c '. + {key: "rocky/state/acme.db"} | .operation //= "PUT"' <<<"$2")"
    add_orders acme 5
    run_on 1
    s3_faults_over
    is "$status" 0 "$name: the run succeeds"
    is_json "$stdout" '"\(.rows_copied) \(.state.upload.outcome) \(.state.upload.cause)"' '5 ok null' \
        "$name: its upload is ok"
    is_json "$stdout" '.state.upload.recovered // false' "$recovered" "$name: recovered is $recovered"
    is "$(head_writes acme | wc -l)" $((before + 1)) "$name: one write took effect"
    head=$(head_writes acme .write_id | tail -n 1)
    is_json "$stdout" '.state.upload.write_id' "${head//\"/}" "$name: it is the one that is reported"
}

lost 'the connection is closed instead of an answer' '{"action": "drop", "apply": true}'
lost 'the connection is reset instead of an answer' '{"action": "drop", "apply": true, "how": "reset"}'
for bytes in 1 12 40 120; do
    lost "the answer ends after $bytes bytes" "{\"action\": \"cut_reply\", \"bytes\": $bytes}"
done
lost 'the answer is reset in its middle' '{"action": "cut_reply", "bytes": 30, "how": "reset"}'
for code in 500 502 503 504; do
    lost "the answer is $code although it was applied" \
        "{\"action\": \"status\", \"status\": $code, \"code\": \"InternalError\", \"apply\": true}"
done
lost 'the answer is 412 although it was applied' \
    '{"action": "status", "status": 412, "code": "PreconditionFailed", "apply": true}'
lost 'the answer is 409 although it was applied' \
    '{"action": "status", "status": 409, "code": "ConditionalRequestConflict", "apply": true}'
lost 'the answer is an error within a 200' '{"action": "ok_with_error", "apply": true}'

# What was not applied is sent again.
lost 'the connection ends within the body' '{"action": "reset_mid_body", "bytes": 100}' false
lost 'the connection ends before it is applied' '{"action": "drop", "apply": false}' false
lost 'the store is busy' '{"action": "status", "status": 503, "apply": false}' false

# The answer of the read-back is lost, too.
before=$(head_writes acme | wc -l)
s3_fault '[{"operation": "PUT", "key": "*acme.db", "action": "drop", "apply": true},
    {"operation": "HEAD", "key": "*acme.db", "nth": 2, "action": "drop", "apply": true}]'
add_orders acme 5
run_on 1
s3_faults_over
is_json "$stdout" '"\(.state.upload.outcome) \(.state.upload.recovered)"' 'ok true' \
    'the read-back is lost as well: still ok and recovered'
is "$(head_writes acme | wc -l)" $((before + 1)) 'and written once'

# No answer at all, until the time of the transfer is over: then the run ends with a copy that is
# pending, and the next one recognises its own write.
write_pod 1 s3 'transfer_timeout_seconds = 2' '[state.retry]' 'max_retries = 2' \
    'initial_backoff_ms = 20' 'circuit_breaker_threshold = 0'
before=$(head_writes acme | wc -l)
s3_fault '{"operation": "PUT", "key": "*acme.db", "count": -1, "action": "never_answer", "apply": true}'
add_orders acme 5
run_on 1
s3_faults_over
is "$status" 0 'never an answer: the run succeeds'
is "$(outcomes "$stdout")" 'ok skipped_after_failure/timeout' 'its upload is skipped'
is_json "$stdout" .state.upload.commit unknown 'what became of the write is not known'
is "$(head_writes acme | wc -l)" $((before + 1)) 'it took effect'
run_on 1
is "$(outcomes "$stdout")" 'ok ok' 'the next run reads and writes'
is "$(head_writes acme | wc -l)" $((before + 2)) 'one version more'
is_one_chain acme
ok $? 'all commits are one chain'
rows_once acme 'every row is in the target once'
on_pod 1 history --namespace acme --runs 100 --output json
is_json "$stdout" '.runs | length' "$(head_writes acme | wc -l)" 'every run is in the history'
done_testing
