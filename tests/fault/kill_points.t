#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGKILL at every fault point of a job without remote state, with a real Kafka: whatever the worker
# was doing, after a restart each source row is in the target once, the job has one terminal result,
# and its offset is committed.
#
# Each point gets a topic prefix, a source and a target of its own. A point that is never reached
# fails the test: a crash that does not happen proves nothing.

# shellcheck disable=SC2030,SC2031 # lanes count for themselves
. "${top_srcdir:-.}/tests/integration/lib.sh"

# shellcheck source=tests/fault/points.sh
. "$top_srcdir/tests/fault/points.sh" || exit 99
read_points || skip_all 'built without --enable-fault-injection'
need_kafka
is "${dead_points[*]}" '' 'each point that is left to remote state exists'

# What one point is tried on: two schemas with two tables each, full first, then an increment.
prepare() { # POINT
    mkdir -p "$work/$1" && cd "$work/$1" || return 1
    make_source fivetran src__acme__us__shopify orders 205
    make_source fivetran src__acme__us__shopify refunds 33
    make_source fivetran src__acme__eu__stripe charges 118
    make_source fivetran src__acme__eu__stripe payouts 5
    write_config "[queue]" "brokers = \"$brokers\"" "topic_prefix = \"$1\"" "partitions = 1" \
        "[queue.kafka]" 'session.timeout.ms = 1500' 'heartbeat.interval.ms = 300' \
        "[worker]" 'concurrency = 2' 'drain_grace_seconds = 5'
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
crash_and_recover() { # POINT JOB WHAT OFFSET
    local code=0 prefix=$1
    RKY_FAULT="$prefix=kill" "$rocky_worker" --config rocky.toml --once >worker1.out 2>worker1.err ||
        code=$?
    is "$code" 137 "$prefix, $3: the worker was killed there" || return 1
    start survivor "$rocky_worker" --config rocky.toml
    wait_for 60 has_result "$prefix" "$2"
    ok $? "$prefix, $3: a result is published after the restart" || show_survivor
    # The result may be the dead worker's: all of the survivor's start can lie in this wait.
    wait_for 60 is_committed "$prefix" "$4"
    ok $? "$prefix, $3: the offset is committed behind the job" || show_survivor
    kill -TERM "$started"
    wait "$started"
    is $? 0 "$prefix, $3: the survivor ends with 0"
    all_rows
    ok $? "$prefix, $3: each source row is in the target once"
    local ends
    ends=$(results_of "$prefix" "$2")
    is "$(wc -l <<<"$ends")" 1 "$prefix, $3: exactly one terminal result"
    is "${ends##* }" success "$prefix, $3: the result says success"
}

try_point() { # POINT
    prepare "$1" || return 1
    enqueue run || { ok 1 "$1: a job is enqueued"; return 1; }
    crash_and_recover "$1" "$job_id" 'full copy' 1 || return 1
    add_rows fivetran src__acme__us__shopify orders 57
    add_rows fivetran src__acme__eu__stripe charges 13
    enqueue run
    crash_and_recover "$1" "$job_id" increment 2
}

# Two points at a time: most of a trial is waiting for the group to notice the dead member.
lanes=2
for ((lane = 0; lane < lanes; lane++)); do
    (
        trap - EXIT
        work=$work/lane$lane && mkdir -p "$work"
        for ((i = lane; i < ${#points[@]}; i += lanes)); do
            tap_count=0
            try_point "${points[i]}"
        done
        for pid in "${started_pids[@]:-}"; do
            [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
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
done_testing
