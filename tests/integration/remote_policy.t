#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How a transfer that fails is called and what follows from it: each way to fail, for downloads and
# uploads, under either policy, with the number of requests that it may take.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
make_orders acme 20

busy='{"key": "rocky/state/acme.db", "count": -1, "action": "status", "status": 503}'
# Each way to fail is a setting of its own; the store is busy.
exhausted=('max_retries = 2' 'circuit_breaker_threshold = 0')
budget=('max_retries = 5' 'circuit_breaker_threshold = 0' 'max_retries_per_run = 3')
none=('max_retries = 5' 'circuit_breaker_threshold = 0' 'max_retries_per_run = 0')
breaker=('max_retries = 5' 'circuit_breaker_threshold = 3')
late=('max_retries = 1000' 'circuit_breaker_threshold = 0')

pod() { # POLICY SETTING...
    write_pod 1 s3 'transfer_timeout_seconds = 2' "on_upload_failure = \"$1\"" \
        "on_download_failure = \"${1/skip/fresh}\"" '[state.retry]' 'initial_backoff_ms = 20' \
        'max_backoff_ms = 100' "${@:2}"
}

pod skip "${exhausted[@]}"
run_on 1
is "$status" 0 'a first run'

# The requests of the last run.
requests=0
under() { # OPERATIONS POLICY SETTING...
    local operation
    pod "${@:2}"
    for operation in $1; do
        s3_fault "$(jq -c ". + {operation: \"$operation\"}" <<<"$busy")"
    done
    add_orders acme 3
    requests=$(s3_count '.key == "rocky/state/acme.db"')
    run_on 1
    requests=$(($(s3_count '.key == "rocky/state/acme.db"') - requests))
    s3_faults_over
}

skipped() { # NAME OUTCOME REQUESTS SETTING...
    under 'PUT' skip "${@:4}"
    is "$status $(outcomes "$stdout")" "0 ok skipped_after_failure/$2" "$1, skip: the run succeeds"
    is_json "$stdout" .rows_copied 3 "$1, skip: with its rows"
    [ -z "$3" ] || is "$(s3_requests 'select(.operation == "PUT" and .key == "rocky/state/acme.db" and
        .job_id == "'"$(jq -r .job_id <<<"$stdout")"'")' | wc -l)" "$3" "$1, skip: after $3 writes"
    under 'GET HEAD' skip "${@:4}"
    is "$status $(outcomes "$stdout" | cut -d' ' -f1)" "0 error_then_fresh/$2" \
        "$1, fresh: the run starts from the target"
    is_json "$stdout" .rows_copied 3 "$1, fresh: with the new rows alone"
}

failed() { # NAME OUTCOME CLASS SETTING...
    under 'PUT' fail "${@:4}"
    is "$status" 1 "$1, fail: a failed upload ends with 1"
    is "$(outcomes "$stdout")" "ok $2" "$1, fail: the outcome is the name itself"
    is_json "$stdout" '"\(.status) \(.errors[0].failure_kind) \(.errors[0].error_class)"' \
        "failed state-sync $3" "$1, fail: the result says why"
    is_json "$stdout" .error.code state_sync "$1, fail: so does its error"
    valid "$stdout" output.run "$1, fail: it fits its schema"
    under 'GET HEAD' fail "${@:4}"
    is "$status" 1 "$1, fail: a failed download ends with 1"
    is "$(outcomes "$stdout")" "$2 -" "$1, fail: the outcome is the name itself"
    is_json "$stdout" '"\(.status) \(.errors[0].failure_kind) \(.errors[0].error_class)"' \
        "failed state-sync $3" "$1, fail: the result says why"
    is_json "$stdout" .rows_copied 0 "$1, fail: nothing was copied"
    valid "$stdout" output.run "$1, fail: it fits its schema"
    pod skip "${exhausted[@]}"
    run_on 1
    is "$status $(outcomes "$stdout")" '0 ok ok' "$1: the next run puts all right"
    is_json "$stdout" '.state | .generation_after - .generation_before' 1 \
        "$1: by one generation on what was there"
    rows_once acme "$1: every row is in the target once"
}

skipped 'max_retries' transient_exhausted 3 "${exhausted[@]}"
failed 'max_retries' transient_exhausted transient_exhausted "${exhausted[@]}"
skipped 'max_retries_per_run' budget_exhausted 4 "${budget[@]}"
failed 'max_retries_per_run' budget_exhausted retry_budget_exhausted "${budget[@]}"
skipped 'no retries' budget_exhausted 1 "${none[@]}"
skipped 'breaker' circuit_open 3 "${breaker[@]}"
failed 'breaker' circuit_open circuit_open "${breaker[@]}"
skipped 'wall clock' timeout '' "${late[@]}"
failed 'wall clock' timeout timeout "${late[@]}"

# One budget for the run: what the download used is gone for the upload.
under 'GET HEAD PUT' skip "${budget[@]}"
is "$(outcomes "$stdout")" 'error_then_fresh/budget_exhausted skipped_after_failure/budget_exhausted' \
    'one budget for all transfers of a run'
is_json "$stdout" '[.state.download.retries, .state.upload.retries] | add' 3 'it is spent, not exceeded'
is "$requests" 5 'one attempt for each transfer and the retries'
is_json "$stdout" '[.state.download.budget_left, .state.upload.budget_left] | join(" ")' '0 0' \
    'nothing is left of it'

# What no policy covers.
s3_admin POST deny '{"action": "s3:PutObject", "key": "*acme.db"}' >/dev/null
for policy in skip fail; do
    pod $policy "${exhausted[@]}"
    add_orders acme 3
    run_on 1
    is "$status $(outcomes "$stdout")" '1 ok error' "no permission to write fails the run under $policy"
    is_json "$stdout" '"\(.errors[0].failure_kind) \(.errors[0].error_class)"' 'state-sync permission' \
        'as what it is'
    like "$(jq -r '.error.message + .error.hint' <<<"$stdout")" 's3:PutObject' \
        'and names the permission'
done
s3_admin DELETE deny >/dev/null
s3_admin POST deny '{"action": "s3:GetObject", "key": "*acme.db"}' >/dev/null
pod skip "${exhausted[@]}"
run_on 1
is "$(outcomes "$stdout")" 'error -' 'no permission to read fails the run, too'
like "$(jq -r '.error.message + .error.hint' <<<"$stdout")" 's3:GetObject' 'and names the permission'
s3_admin DELETE deny >/dev/null
run_on 1
is "$status $(outcomes "$stdout")" '0 ok ok' 'with the permissions all is well'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
done_testing
