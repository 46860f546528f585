# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for tests of remote state with the programs, on top of tests/integration/lib.sh: S3 and
# Valkey servers, pods, what the stand-in saw, and what the results topic tells.
#
# A pod is a worker with a configuration (podN.toml) and a disk (state-podN) of its own; `rocky` used
# with the same configuration stands on the same disk.

# shellcheck source=tests/integration/lib.sh
. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99

s3_kit=$top_srcdir/tests/kit/s3.sh
valkey_kit=$top_srcdir/tests/kit/valkey.sh
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CONFIG_FILE AWS_WEB_IDENTITY_TOKEN_FILE \
    AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI

# --- servers ------------------------------------------------------------------------------------

unavailable() { # NAME REASON
    [ "${ROCKY_REQUIRE_SERVERS:-0}" = 1 ] || skip_all "no $1: $2"
    ok 1 "$1 starts: $2"
    done_testing
}

need_faults() {
    local points
    points=$("$rocky" dev faults)
    [ -n "$points" ] || skip_all 'built without --enable-fault-injection'
}

# need_s3 [OPTION]...: a server in $work/s3 (the stand-in unless --server says otherwise); its
# endpoint in $s3_endpoint, its credentials in the environment.
need_s3() {
    local out
    out=$(bash "$s3_kit" start "$work/s3" --owner $$ "$@" 2>&1) || unavailable S3 "$out"
    s3_endpoint=$(sed -n 's/^ENDPOINT=//p' <<<"$out")
    AWS_ACCESS_KEY_ID=$(sed -n 's/^ACCESS_KEY=//p' <<<"$out")
    AWS_SECRET_ACCESS_KEY=$(sed -n 's/^SECRET_KEY=//p' <<<"$out")
    export s3_endpoint AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_EC2_METADATA_DISABLED=true
}

# need_valkey [OPTION]...: a server in $work/valkey, its address in $valkey_url.
need_valkey() {
    local out
    out=$(bash "$valkey_kit" start "$work/valkey" --owner $$ "$@" 2>&1) || unavailable Valkey "$out"
    valkey_url=$(sed -n 's/^URL=//p' <<<"$out")
    export valkey_url
}

valkey() { # COMMAND ARGUMENT...
    bash "$valkey_kit" cli "$work/valkey" "$@"
}

s3_admin() { # METHOD WHAT [JSON]
    bash "$s3_kit" admin "$work/s3" "$@"
}

# s3_fault JSON: what the stand-in does to requests that come now.
s3_fault() {
    s3_admin POST faults "$1" >/dev/null
}

s3_faults_over() {
    s3_admin DELETE faults >/dev/null
}

# s3_requests [JQ-FILTER]: of all requests so far, also those that wait for their answer.
s3_requests() {
    s3_admin GET requests | jq -c ".[] | ${1:-.}"
}

s3_count() { # JQ-CONDITION
    s3_requests "select($1)" | wc -l
}

# The commits: writes of a namespace's head that took effect.
head_writes() { # NAMESPACE [JQ-FILTER]
    s3_requests "select((.method == \"PUT\" or .operation == \"COMPLETE\") and .applied and
        .key == \"rocky/state/$1.db\") | ${2:-.}"
}

# chain_is_whole: of the applied writes on standard input every one has the next generation, its own
# id, its predecessor as its first ancestor, and no smaller fence.
chain_is_whole() {
    python3 -c '
import json, sys
writes = sorted((json.loads(line) for line in sys.stdin), key=lambda w: w["apply_seq"])
seen, last = set(), None
for w in writes:
    ids = [i for i in (w["ancestors"] or "").replace(",", " ").split() if i]
    wrong = []
    if w["write_id"] in seen:
        wrong.append("written twice")
    if last and int(w["generation"]) != int(last["generation"]) + 1:
        wrong.append("no next generation")
    if last and (not ids or ids[0] != last["write_id"]):
        wrong.append("built on something else")
    if last and int(w["fence"]) < int(last["fence"]):
        wrong.append("the fence went back")
    if wrong:
        print("# write", w["generation"], w["write_id"], "after",
              last and last["generation"], ":", ", ".join(wrong))
        sys.exit(1)
    seen.add(w["write_id"])
    last = w
sys.exit(0 if writes else 1)'
}

# is_one_chain NAMESPACE: the commits of a namespace.
is_one_chain() {
    head_writes "$1" | chain_is_whole
}

# --- pods ---------------------------------------------------------------------------------------

# write_pod N BACKEND [LINE]...: podN.toml. The lines belong to [state] or open sections of their
# own; a line `worker.X = Y` or `queue.X = Y` of other sections is written with its section before it.
write_pod() {
    local pod=$1 backend=$2 lines=()
    shift 2
    lines+=('[state]' "backend = \"$backend\"" "local_dir = \"state-pod$pod\"")
    case $backend in
    s3 | tiered)
        lines+=('s3_bucket = "rocky"' 's3_region = "us-east-1"' "s3_endpoint = \"$s3_endpoint\""
            's3_path_style = true')
        ;;
    esac
    case $backend in
    valkey | tiered) lines+=("valkey_url = \"$valkey_url\"") ;;
    esac
    lines+=("$@")
    if [ -n "${brokers:-}" ]; then
        write_queue_config "${lines[@]}" '[worker]' "id = \"pod-$pod\""
    else
        write_config "${lines[@]}" '[worker]' "id = \"pod-$pod\""
        sed -i 's/^\[pipeline.bronze\]$/&\nnamespace_from = "client"/' rocky.toml
    fi
    # The producer takes rocky.toml: any pod's queue is the same.
    cp rocky.toml "pod$pod.toml"
}

declare -A pods=()

# start_pod N [NAME=VALUE]...: a worker with these variables; log in podN.err.
start_pod() {
    local pod=$1
    shift
    start "pod$pod" env "$@" "$rocky_worker" --config "pod$pod.toml" --log-format json
    pods[$pod]=$started
}

# lose_pod N: it dies and takes its disk along.
lose_pod() {
    kill -KILL "${pods[$1]}"
    wait "${pods[$1]}" 2>/dev/null
    unset "pods[$1]"
    rm -rf "state-pod$1"
}

# end_pod N: it ends in order; the status in $status.
end_pod() {
    kill -TERM "${pods[$1]}"
    wait "${pods[$1]}"
    status=$?
    unset "pods[$1]"
}

# on_pod N COMMAND...: rocky on that pod's disk.
on_pod() {
    local pod=$1
    shift
    run_rocky --config "pod$pod.toml" "$@"
}

# run_on N [ARGUMENT...]: `rocky run` for the namespace acme on that pod, as JSON.
run_on() {
    local pod=$1
    shift
    on_pod "$pod" run --namespace acme --output json "$@"
}

# run_job NAMESPACE: a job through the queue to its end; its result in $result.
run_job() {
    enqueue run --namespace "$1" --wait --timeout 60s
    # shellcheck disable=SC2034 # for the tests
    result=$(jq -c .result <<<"$stdout")
}

# hold POINT COMMAND...: runs up to that fault point and is frozen there, as $held; its output in
# held.out and held.err. A process that only stops itself may get a little further.
hold() {
    local point=$1
    shift
    rm -f gate gate.reached
    start held env "RKY_FAULT=$point=wait:$work/gate" "$@"
    held=$started
    freeze
}

# freeze: what waits at its gate, whoever started it.
freeze() {
    wait_for 30 test -e gate.reached
    kill -STOP "$held"
    wait_for 30 is_frozen
}

is_frozen() { grep -q '^State:.*T' "/proc/$held/status"; }

# thaw: it goes on.
thaw() {
    : >gate
    kill -CONT "$held"
}

# --- what is told -------------------------------------------------------------------------------

# events TYPE [JQ-FILTER]: bodies of the events of a type on the results topic.
events() {
    messages rocky.results 2>/dev/null |
        jq -c "select(.headers.ce_type == \"rocky.$1\") | .value | fromjson | ${2:-.}"
}

# outcomes JSON: of a result's transfers, "download/cause upload/cause".
outcomes() {
    jq -r '[.state.download, .state.upload] |
        map(if . == null then "-" else .outcome + (if .cause then "/" + .cause else "" end) end) |
        join(" ")' <<<"$1"
}

# rows_once NAMESPACE NAME: every row of its source is in its target exactly once, nothing else is.
rows_once() {
    same_rows "source/fivetran/src__$1__us__shopify.db" "target/$1_warehouse/staging__us__shopify.db" \
        orders
    ok $? "$2"
}

make_orders() { # NAMESPACE ROWS
    make_source fivetran "src__$1__us__shopify" orders "$2"
}

add_orders() { # NAMESPACE ROWS
    add_rows fivetran "src__$1__us__shopify" orders "$2"
}

orders_target() { # NAMESPACE
    target_file staging__us__shopify "$1"
}

watermark() { # NAMESPACE
    sql "$(orders_target "$1")" "SELECT value FROM _rocky_watermarks WHERE table_name LIKE '%orders'"
}
