#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A worker on pod 1 runs, the pod dies with its disk, a worker on pod 2 with an empty disk goes on:
# for each remote backend, with everything else that can be gone at the same time. The servers are
# real ones; the target alone keeps what must never be lost.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3 --server versitygw
need_valkey
need_kafka

retry=('[state.retry]' 'max_retries = 1' 'initial_backoff_ms = 20' 'max_backoff_ms = 50'
    'circuit_breaker_threshold = 0')
state_key() { printf 'rocky:state:{%s}:state' "$1"; }

# A pod that dies before its offset is committed leaves the job to the next one, which would meet the
# losses in the place of the job that they are meant for.
jobs_done=0
run_to_the_end() { # NAMESPACE
    run_job "$1"
    jobs_done=$((jobs_done + 1))
    wait_for 30 is_committed "$jobs_done"
}

# goes_on NAMESPACE ROWS OUTCOMES WHAT: new rows, a job, and what it did.
goes_on() {
    add_orders "$1" "$2"
    run_to_the_end "$1"
    is "$(jq -r '"\(.status) \(.rows_copied) \(.materializations[0].action)"' <<<"$result")" \
        "success $2 incremental" "$1: $4: the new rows alone are copied"
    is "$(outcomes "$result")" "$3" "$1: $4: the transfers end as they should"
    rows_once "$1" "$1: $4: every row is in the target once"
}

# On a new pod with an empty disk.
pod=1
next_pod() { # BACKEND
    lose_pod "$pod"
    pod=$((pod + 1))
    write_pod "$pod" "$1" "${retry[@]}"
    start_pod "$pod"
}

history_of() { # NAMESPACE JQ-FILTER
    on_pod "$pod" history --namespace "$1" --output json
    jq -r "$2" <<<"$stdout"
}

generation() { # NAMESPACE
    on_pod "$pod" state --namespace "$1" --output json
    jq -r .generation <<<"$stdout"
}

scenario() { # BACKEND NAMESPACE
    local backend=$1 name=$2 before lineage
    make_orders "$name" 95
    write_pod "$pod" "$backend" "${retry[@]}"
    start_pod "$pod"
    run_to_the_end "$name"
    is "$(jq -r '"\(.status) \(.rows_copied)"' <<<"$result")" 'success 95' "$name: the first run"
    is "$(outcomes "$result")" 'absent ok' "$name: finds no state and leaves one"
    [ "$backend" = s3 ] || valkey COPY "$(state_key "$name")" "$(state_key "$name").old" >/dev/null
    goes_on "$name" 10 'ok ok' 'on the same pod'

    next_pod "$backend"
    goes_on "$name" 12 'ok ok' 'on another pod with an empty disk'
    is "$(history_of "$name" '[.runs[].worker_id] | unique | length')" 2 \
        "$name: its history has what the first pod did"
    is "$(history_of "$name" '.runs | length')" 3 "$name: all of it"
    is "$(generation "$name")" 3 "$name: the state has generation 3"
    lineage=$(on_pod "$pod" state --namespace "$name" --output json && jq -r .lineage <<<"$stdout")
    goes_on "$name" 5 'ok ok' 'again'

    case $backend in
    s3) ;;
    *)
        valkey COPY "$(state_key "$name").old" "$(state_key "$name")" REPLACE >/dev/null
        next_pod "$backend"
        goes_on "$name" 7 'ok ok' 'Valkey holds a copy of 3 generations ago'
        [ "$backend" = valkey ] ||
            is "$(generation "$name")" 5 "$name: which nothing was built on"
        valkey FLUSHALL >/dev/null
        next_pod "$backend"
        case $backend in
        valkey) goes_on "$name" 9 'absent ok' 'Valkey is empty' ;;
        tiered) goes_on "$name" 9 'ok ok' 'Valkey is empty' ;;
        esac
        ;;
    esac
    case $backend in
    valkey) ;;
    *)
        rm -rf "$work/s3/data/rocky/rocky"
        next_pod "$backend"
        case $backend in
        s3) goes_on "$name" 9 'absent ok' 'S3 is empty' ;;
        tiered) goes_on "$name" 9 'ok ok' 'S3 is empty and Valkey has a copy' ;;
        esac
        ;;
    esac
    is "$(on_pod "$pod" state --namespace "$name" --output json && jq -r .lineage <<<"$stdout")" \
        "$lineage" "$name: the lineage is what it was"

    bash "$s3_kit" kill "$work/s3"
    bash "$valkey_kit" kill "$work/valkey"
    before=$(watermark "$name")
    next_pod "$backend"
    goes_on "$name" 11 'error_then_fresh/transient_exhausted skipped_after_failure/transient_exhausted' \
        'no server answers'
    [[ $(watermark "$name") > $before ]]
    ok $? "$name: the watermark went on"
    bash "$valkey_kit" restart "$work/valkey" >/dev/null
    bash "$s3_kit" restart "$work/s3" >/dev/null
    before=$(history_of "$name" '.runs | length')
    goes_on "$name" 3 'ok ok' 'the servers are back'
    # More than that where Valkey, killed without a save, had forgotten what the pod still knew.
    [ "$(history_of "$name" '.runs | length')" -ge "$((before + 2))" ]
    ok $? "$name: the run that was not uploaded is in its history, too"
    before=$(history_of "$name" '[.runs[].run_id] | sort | join(" ")')
    next_pod "$backend"
    goes_on "$name" 0 'ok ok' 'on one more pod'
    is "$(history_of "$name" "[.runs[1:][].run_id] | sort | join(\" \")")" "$before" \
        "$name: and nothing of it is lost"
    end_pod "$pod"
    is "$status" 0 "$name: the worker ends with 0"
    pod=$((pod + 1))
}

for backend in s3 valkey tiered; do
    scenario "$backend" "by-$backend"
done
is "$(results '"\(.headers["x-job-id"]) \(.headers.ce_id)"' | sort -u | cut -d' ' -f1 | uniq -d)" '' \
    'each job has one result id'
is "$(committed)" "$(messages rocky.jobs | wc -l)" 'every job is committed'
done_testing
