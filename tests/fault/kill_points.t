#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGKILL at every fault point of a job without remote state, with a real Kafka: whatever the worker
# was doing, after a restart each source row is in the target once, the job has one terminal result,
# and its offset is committed.

# shellcheck disable=SC2030,SC2031 # lanes count for themselves
. "${top_srcdir:-.}/tests/integration/lib.sh"
# shellcheck source=tests/fault/kill_lib.sh
. "$top_srcdir/tests/fault/kill_lib.sh" || exit 99

read_points || skip_all 'built without --enable-fault-injection'
need_kafka
is "${dead_points[*]}" '' 'each point that is left to remote state exists'

try_point() { # POINT
    prepare "$1" || return 1
    enqueue run || { ok 1 "$1: a job is enqueued"; return 1; }
    crash_and_recover "$1" "$1" "$job_id" 'full copy' 1 || return 1
    add_rows fivetran src__acme__us__shopify orders 57
    add_rows fivetran src__acme__eu__stripe charges 13
    enqueue run
    crash_and_recover "$1" "$1" "$job_id" increment 2
}

try_all 2 "${points[@]}"
done_testing
