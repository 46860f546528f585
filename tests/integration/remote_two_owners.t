#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two runs that both believe the namespace is theirs. Whatever made them believe it, the older one
# writes nothing to the target once the newer one has claimed it, its upload does not land, no row is
# doubled and no watermark goes back.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_faults
need_s3
need_valkey

target=$(orders_target acme)
source_file=source/fivetran/src__acme__us__shopify.db
for table in customers orders refunds; do
    make_source fivetran src__acme__us__shopify $table 40
done
more_rows() {
    local table
    for table in customers orders refunds; do
        add_rows fivetran src__acme__us__shopify $table 7
    done
}
short='transfer_timeout_seconds = 5'
write_pod 1 tiered "$short" 'lock.ttl_seconds = 2'
write_pod 2 tiered "$short" 'lock.ttl_seconds = 2'
write_pod 3 s3 "$short" 'lock.mode = "off"'
write_pod 4 s3 "$short" 'lock.mode = "off"'
write_pod 5 tiered "$short" 'lock.ttl_seconds = 2' 'lock.mode = "require"'

# begin POD POINT: a run that is frozen there.
begin() {
    hold "$2" "$rocky" --config "pod$1.toml" run --namespace acme --output json
}

go_on() {
    thaw
    wait "$held"
    status=$?
    stdout=$(<held.out)
    stderr=$(<held.err)
}

marks() { sql "$target" 'SELECT table_name, value, commit_id FROM _rocky_watermarks ORDER BY 1'; }
token() { sql "$target" 'SELECT token FROM _rocky_fence'; }

all_once() { # NAME
    local table
    for table in customers orders refunds; do
        same_rows "$source_file" "$target" $table || { ok 1 "$1: $table" && return; }
    done
    ok 0 "$1: every row is in the target once"
    is_one_chain acme
    ok $? "$1: all commits are one chain"
}

# replaced NAME POD [ROWS]: while the older run is stopped a newer one does all there is to do; then the
# older one goes on, and nothing of what the newer one left changes.
replaced() {
    local before writes fence
    run_on "$2"
    is "$status" 0 "$1: the newer run takes over"
    [ $# -lt 3 ] || is_json "$stdout" .rows_copied "$3" "$1: it copies what is missing, $3 rows"
    before=$(marks)
    writes=$(head_writes acme | wc -l)
    fence=$(token)
    go_on
    is "$status" 4 "$1: the older one ends with 4"
    is_json "$stdout" .error.code fenced "$1: fenced"
    is "$(marks)" "$before" "$1: no watermark moved"
    is "$(token)" "$fence" "$1: the claim stays with the newer one"
    is "$(head_writes acme | wc -l)" "$writes" "$1: its upload did not land"
    all_once "$1"
}

run_on 1
is "$status" 0 'a first run'
more_rows
begin 1 table.between
is_free() { [ "$(valkey EXISTS 'rocky:state:{acme}:lock')" = 0 ]; }
wait_for 10 is_free
ok $? 'frozen between two tables the lease runs out'
replaced 'lease lost by being frozen' 2 14

more_rows
begin 1 table.between
valkey FLUSHALL >/dev/null
replaced 'Valkey forgot lock and fence' 2 14

# It was not frozen: it learns of it while it waits at the fault point.
more_rows
start older env "RKY_FAULT=table.between=wait:$work/go" "$rocky" --config pod1.toml run \
    --namespace acme --output json
older=$started
wait_for 30 test -e go.reached
valkey SET 'rocky:state:{acme}:lock' somebody-else >/dev/null
knows() { grep -q 'lease of namespace' older.err; }
wait_for 10 knows
ok $? 'the lease is another: the run is told by its renewer'
: >go
wait "$older"
is $? 4 'and stops before its next commit'
is "$(jq -r .error.code older.out)" fenced 'as fenced'
valkey DEL 'rocky:state:{acme}:lock' >/dev/null
run_on 2
is_json "$stdout" '"\(.status) \(.rows_copied)"' 'success 14' 'another run does the rest'
all_once 'the lock was taken'

# No lease at all.
more_rows
begin 3 table.between
replaced 'without a lease' 4 14
more_rows
begin 3 upload.before_put
replaced 'without a lease, before the upload' 4 0
on_pod 4 history --namespace acme --runs 100 --output json
count=$(jq '.runs | length' <<<"$stdout")
more_rows
run_on 3
is "$(outcomes "$stdout")" 'ok ok' 'the older one works again'
on_pod 4 history --namespace acme --runs 100 --output json
is_json "$stdout" '.runs | length' $((count + 1)) 'with what the newer one has left'
all_once 'later'

# A foreign commit that claims nothing, while all claims are still ours: both are kept.
more_rows
begin 3 upload.before_put
on_pod 4 state delete --namespace acme --table acme_warehouse.staging__us__shopify.orders
is "$status" 0 'meanwhile somebody asks for a full refresh'
go_on
is "$status" 0 'the head was replaced, the claims are still its own: it merges'
is "$(outcomes "$stdout")" 'ok ok' 'and uploads'
is_one_chain acme
ok $? 'the chain goes on'
run_on 4
is_json "$stdout" '.materializations[] | select(.table | endswith("orders")) | .action' \
    full_refresh 'what the other one asked for is done'
all_once 'a merge'

# The fence is lost between two runs.
before=$(token)
run_on 1
valkey DEL 'rocky:state:{acme}:fence' >/dev/null
rm -rf state-pod2
more_rows
run_on 2
is_json "$stdout" '"\(.status) \(.rows_copied)"' 'success 21' 'without its fence key a run goes on'
[ "$(token)" -gt "$before" ]
ok $? 'above all tokens before it'
[ "$(valkey GET 'rocky:state:{acme}:fence')" -ge "$(token)" ]
ok $? 'and Valkey knows'
all_once 'the fence was lost'

# Valkey goes away in a long copy.
for pod in 1 5; do
    more_rows
    rm -f go go.reached
    start older env "RKY_FAULT=table.between=wait:$work/go" "$rocky" --config "pod$pod.toml" run \
        --namespace acme --output json
    older=$started
    wait_for 30 test -e go.reached
    bash "$valkey_kit" kill "$work/valkey"
    late=$(($(date +%s) + 3))
    is_late() { [ "$(date +%s)" -ge "$late" ]; }
    wait_for 10 is_late
    : >go
    wait "$older"
    status=$?
    stdout=$(<older.out)
    stderr=$(<older.err)
    bash "$valkey_kit" restart "$work/valkey" >/dev/null
    if [ "$pod" = 1 ]; then
        is "$status" 0 'no Valkey past the lease: prefer goes on'
        is_json "$stdout" '.rows_copied' 21 'and copies all tables'
        is "$(outcomes "$stdout")" 'ok ok' 'and uploads'
    else
        is "$status" 1 'no Valkey past the lease: require stops'
        is_json "$stdout" '.rows_copied' 7 'after the table that was done'
        run_on 1
        is_json "$stdout" '"\(.status) \(.rows_copied)"' 'success 14' 'the next run does the rest'
    fi
    all_once 'no Valkey past the lease'
done
done_testing
