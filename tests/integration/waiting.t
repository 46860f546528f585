#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Jobs that have to wait or that take too long: a busy namespace, a time to come, a run timeout, a
# broker that is away.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
need_kafka
make_source fivetran src__acme__us__shopify orders 100
make_source fivetran src__globex__us__shopify orders 10
write_queue_config '[worker]' 'concurrency = 2'

start worker "$rocky_worker"
worker=$started
enqueue run --namespace acme --wait --timeout 60s
is "$status" 0 'a job runs'

# Another process works on the namespace.
hold_lock .rocky-state/acme.db
holder=$started
enqueue run --namespace acme
first=$job_id
enqueue run --namespace acme
second=$job_id
enqueue run --namespace globex --wait --timeout 60s
is "$status" 0 'another namespace goes on'
is "$(results | grep -cE "$first|$second")" 0 'the busy one waits'
is "$(messages rocky.results |
    jq -r 'select(.headers.ce_type == "rocky.job.requeued") | .value | fromjson | .reason')" locked \
    'an event says so, once'
kill "$holder"
has_both() { results | grep -q "$second success"; }
wait_for 20 has_both
ok $? 'when the namespace is free its jobs run'
is "$(results | grep -E "$first|$second" | cut -d' ' -f1 | tr '\n' ' ')" "$first $second " \
    'in their order'

# A time to come; what is behind it waits, too.
begin=$(date +%s)
enqueue run --namespace acme --not-before 2s
first=$job_id
enqueue run --namespace acme --wait --timeout 60s
[ $(($(date +%s) - begin)) -ge 2 ]
ok $? 'a job waits for its time, and its follower with it'
is "$(results | grep -E "$first|$job_id" | cut -d' ' -f1 | tr '\n' ' ')" "$first $job_id " \
    'in their order'

# A run that takes too long: somebody holds its target.
# shellcheck disable=SC2016 # expanded in that python
start holder python3 -c '
import signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
signal.pause()' "$(target_file staging__us__shopify)"
holder=$started
wait_for 30 grep -sq held holder.out
begin=$SECONDS
enqueue run --namespace acme --run-timeout 1s --wait --timeout 60s
is_json "$stdout" .result.status failed 'a run that takes too long fails'
is_json "$stdout" '.result.errors[0].failure_kind' timeout 'as timeout'
[ $((SECONDS - begin)) -lt 15 ]
ok $? 'long before it would have given up by itself'
kill "$holder"

# The broker goes away and comes back.
"$kafka" kill "$work/kafka"
"$kafka" restart "$work/kafka" --owner $$ >/dev/null 2>&1
enqueue run --namespace acme --wait --timeout 60s
is "$status" 0 'a worker survives a broker that is killed'
is "$worker" "$(pgrep -P $$ -x rocky-worker)" 'it is the same process'
kill -TERM "$worker"
wait "$worker"
is $? 0 'and ends with 0'
is "$(committed)" "$(messages rocky.jobs | wc -l)" 'with everything committed'

# A worker that starts before its broker.
"$kafka" stop "$work/kafka"
start early "$rocky_worker"
wait_for 20 grep -sq 'trying for' early.err
ok $? 'a worker without a broker keeps trying'
is "$(grep -c 'worker started' early.err)" 0 'and does not start'
"$kafka" restart "$work/kafka" >/dev/null 2>&1
enqueue run --namespace acme --wait --timeout 60s
is "$status" 0 'when the broker comes it works'
stop TERM
is "$status" 0 'and ends with 0'
"$kafka" stop "$work/kafka"
start lonely "$rocky_worker"
wait_for 20 grep -sq 'trying for' lonely.err
stop TERM
is "$status" 0 'one that is told to stop while it waits for a broker ends with 0'
done_testing
