# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2030,SC2031,SC2154
#
# Killing workers at fault points, with a real Kafka: what one trial works on, what must be true after
# it, and several trials at a time. Source it after tests/integration/lib.sh and set `try_point`.
#
# Each trial has a topic prefix, a source and a target of its own. A point that is never reached fails
# the test: a crash that does not happen proves nothing.

# shellcheck source=tests/fault/points.sh
. "$top_srcdir/tests/fault/points.sh" || exit 99

# prepare PREFIX [LINE]...: two schemas with two tables each; the lines end the configuration.
prepare() {
    local prefix=$1
    shift
    mkdir -p "$work/$prefix" && cd "$work/$prefix" || return 1
    make_source fivetran src__acme__us__shopify orders 205
    make_source fivetran src__acme__us__shopify refunds 33
    make_source fivetran src__acme__eu__stripe charges 118
    make_source fivetran src__acme__eu__stripe payouts 5
    write_config "[queue]" "brokers = \"$brokers\"" "topic_prefix = \"$prefix\"" "partitions = 1" \
        "[queue.kafka]" 'session.timeout.ms = 1500' 'heartbeat.interval.ms = 300' \
        "[worker]" 'concurrency = 2' 'drain_grace_seconds = 5' "$@"
}

results_of() { # PREFIX JOB: the distinct ce_ids of its results, each with its status
    messages "$1.results" 2>/dev/null | jq -r --arg job "$2" \
        'select(.headers.ce_type == "rocky.job.result" and .headers["x-job-id"] == $job)
            | .headers.ce_id + " " + (.value | fromjson | .status)' | sort -u
}

has_result() { [ -n "$(results_of "$1" "$2")" ]; }

all_rows() {
    local good=0
    same_rows source/fivetran/src__acme__us__shopify.db \
        target/acme_warehouse/staging__us__shopify.db orders || good=1
    same_rows source/fivetran/src__acme__us__shopify.db \
        target/acme_warehouse/staging__us__shopify.db refunds || good=1
    same_rows source/fivetran/src__acme__eu__stripe.db \
        target/acme_warehouse/staging__eu__stripe.db charges || good=1
    same_rows source/fivetran/src__acme__eu__stripe.db \
        target/acme_warehouse/staging__eu__stripe.db payouts || good=1
    return "$good"
}

is_committed() { # PREFIX OFFSET
    "$bus" committed --brokers "$brokers" --topic "$1.jobs" --group rocky-workers |
        jq -e --argjson offset "$2" 'select(.committed == $offset)' >/dev/null
}

show_survivor() {
    diag "the survivor's log:"
    diag "$(cat "$work/survivor.err")"
}


# A worker that dies at the point, then one that does not; the job must come to its one end.
# crash_and_recover PREFIX POINT JOB WHAT OFFSET [CONFIG-OF-THE-FIRST CONFIG-OF-THE-SECOND]
crash_and_recover() {
    local code=0 prefix=$1 point=$2 job=$3 what=$4 offset=$5
    RKY_FAULT="$point=kill" "$rocky_worker" --config "${6:-rocky.toml}" --once >worker1.out \
        2>worker1.err || code=$?
    is "$code" 137 "$prefix, $what: the worker was killed there" || return 1
    start survivor "$rocky_worker" --config "${7:-rocky.toml}"
    wait_for 60 has_result "$prefix" "$job"
    ok $? "$prefix, $what: a result is published after the restart" || show_survivor
    # The result may be the dead worker's: all of the survivor's start can lie in this wait.
    wait_for 60 is_committed "$prefix" "$offset"
    ok $? "$prefix, $what: the offset is committed behind the job" || show_survivor
    kill -TERM "$started"
    wait "$started"
    is $? 0 "$prefix, $what: the survivor ends with 0"
    all_rows
    ok $? "$prefix, $what: each source row is in the target once"
    local ends
    ends=$(results_of "$prefix" "$job")
    is "$(wc -l <<<"$ends")" 1 "$prefix, $what: exactly one terminal result"
    is "${ends##* }" success "$prefix, $what: the result says success"
}

# try_all LANES TRIAL...: `try_point TRIAL` for each, some at a time: most of a trial is waiting for
# the group to notice the dead member.
try_all() {
    local lanes=$1 lane i pid waits=() trials line
    shift
    trials=("$@")
    for ((lane = 0; lane < lanes; lane++)); do
        (
            trap - EXIT
            work=$work/lane$lane && mkdir -p "$work"
            for ((i = lane; i < ${#trials[@]}; i += lanes)); do
                tap_count=0
                try_point "${trials[i]}"
            done
            for pid in $(jobs -rp); do
                kill -KILL "$pid" 2>/dev/null
            done
            exit 0
        ) >"$work/lane$lane.tap" 2>&1 &
        waits[lane]=$!
    done
    wait "${waits[@]}"
    while IFS= read -r line; do
        case $line in
        ok\ * | not\ ok\ *)
            tap_count=$((tap_count + 1))
            [[ $line == not* ]] && tap_failed=$((tap_failed + 1))
            printf '%s\n' "$line" | sed -E "s/ok [0-9]+ -/ok $tap_count -/"
            ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < <(cat "$work"/lane*.tap)
}
