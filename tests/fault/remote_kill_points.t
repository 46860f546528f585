#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGKILL at every fault point with each remote backend, real Kafka, S3 and Valkey: the pod dies with
# its disk, the next one has an empty disk. Old or new state, never a third: each source row once, one
# terminal result, the offset committed, one chain of generations in the store.
#
# ROCKY_KILL_POINTS and ROCKY_KILL_BACKENDS (space separated) choose some.

# shellcheck disable=SC2030,SC2031 # lanes count for themselves
. "${top_srcdir:-.}/tests/integration/remote_lib.sh"
# shellcheck source=tests/fault/kill_lib.sh
. "$top_srcdir/tests/fault/kill_lib.sh" || exit 99

read_points || skip_all 'built without --enable-fault-injection'
need_kafka
need_s3
need_valkey
servers=$work

# A foreign winner makes a job pass this one; tests/integration has those.
skipped=(upload.settle)
for point in "${remote_points[@]}"; do
    [[ " ${skipped[*]} " == *" $point "* ]] || points+=("$point")
done
read -ra chosen <<<"${ROCKY_KILL_POINTS:-${points[*]}}"
read -ra backends <<<"${ROCKY_KILL_BACKENDS:-s3 valkey tiered}"

# state_lines BACKEND PREFIX DISK
state_lines() {
    printf '%s\n' '[state]' "backend = \"$1\"" "local_dir = \"$3\"" \
        's3_bucket = "rocky"' 's3_region = "us-east-1"' "s3_endpoint = \"$s3_endpoint\"" \
        's3_path_style = true' "s3_prefix = \"$2/\"" "valkey_url = \"$valkey_url\"" \
        "valkey_prefix = \"$2:\"" 'lock.ttl_seconds = 1'
}

is_one_chain_of() { # PREFIX
    work=$servers s3_requests "select(.method == \"PUT\" and .applied and .status < 300 and
        .key == \"$1/bronze.db\")" | chain_is_whole
}

try_point() { # BACKEND:POINT
    local backend=${1%%:*} point=${1#*:} prefix=${1/:/-}
    prepare "$prefix" "$(state_lines "$backend" "$prefix" disk1)" || return 1
    sed 's/^local_dir = .*/local_dir = "disk2"/' rocky.toml >second.toml
    enqueue run && "$rocky_worker" --once >worker0.out 2>worker0.err
    ok $? "$prefix: the first copy" || return 1
    add_rows fivetran src__acme__us__shopify orders 57
    add_rows fivetran src__acme__eu__stripe charges 13
    enqueue run
    crash_and_recover "$prefix" "$point" "$job_id" increment 2 rocky.toml second.toml || return 1
    [ "$backend" = valkey ] || {
        is_one_chain_of "$prefix"
        ok $? "$prefix: one chain of generations"
    }
    # The first pod again, with what its disk still holds.
    add_rows fivetran src__acme__us__shopify orders 11
    run_rocky run --output json
    is "$status" 0 "$prefix: the dead pod's disk is good for another run"
    is_json "$stdout" '[.rows_copied, .state.upload.outcome] | join(" ")' '11 ok' \
        "$prefix: which copies what is new and uploads"
    all_rows
    ok $? "$prefix: and each row is there once"
}

trials=()
for point in "${chosen[@]}"; do
    for backend in "${backends[@]}"; do
        trials+=("$backend:$point")
    done
done
try_all 4 "${trials[@]}"
done_testing
