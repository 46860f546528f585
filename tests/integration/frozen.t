#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A worker is frozen between two tables; a second one with a state directory of its own takes over
# and finishes; when the first wakes its claim is gone, and it writes nothing.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
points=$("$rocky" dev faults)
[ -n "$points" ] || skip_all 'built without --enable-fault-injection'
need_kafka
make_source fivetran src__acme__us__shopify aaa 500
make_source fivetran src__acme__us__shopify bbb 500
write_queue_config
source_file=source/fivetran/src__acme__us__shopify.db
target=$(target_file staging__us__shopify)
sed 's/^\[queue\]$/[state]\nlocal_dir = "other-state"\n&/' rocky.toml >other.toml

# Held at the fault point first: a process that only stops itself may get a little further.
start first env "RKY_FAULT=table.between=wait:$work/go" "$rocky_worker"
first=$started
enqueue run --namespace acme
job=$job_id
wait_for 30 test -e "$work/go.reached"
kill -STOP "$first"
is_frozen() { grep -q '^State:.*T' "/proc/$first/status"; }
wait_for 30 is_frozen
ok $? 'the first worker is frozen between two tables'
is "$(sql "$target" 'SELECT count(*) FROM _rocky_watermarks')" 1 'one table is done'

start second "$rocky_worker" --config other.toml
second=$started
has_result() { results | grep -q "$job"; }
wait_for 60 has_result
ok $? 'the second worker finishes the job'
is "$(results)" "$job success" 'with success'
commits=$(sql "$target" 'SELECT table_name, commit_id FROM _rocky_watermarks ORDER BY 1')
is "$(sql "$target" 'SELECT count(*) FROM _rocky_commits')" 2 'each table was committed once'

: >"$work/go"
kill -CONT "$first"
is_fenced() { grep -q 'job given back' first.err; }
wait_for 30 is_fenced
ok $? 'the first one wakes up and is refused'
has_event() {
    messages rocky.results | jq -e 'select(.headers.ce_type == "rocky.job.fenced")' >/dev/null
}
wait_for 30 has_event
ok $? 'an event says so'
is "$(sql "$target" 'SELECT table_name, commit_id FROM _rocky_watermarks ORDER BY 1')" "$commits" \
    'it wrote nothing'
for table in aaa bbb; do
    same_rows "$source_file" "$target" $table
    ok $? "each row of $table is in the target once"
done
enqueue run --namespace acme --wait --timeout 60s
is "$status" 0 'the next job runs, wherever it lands'
is "$(results | grep "$job" | sort -u)" "$job success" 'the first has still one result'
is "$(results .headers.ce_id | sort -u | wc -l)" 2 'under one id'
for pid in "$first" "$second"; do
    kill -TERM "$pid"
    wait "$pid"
    is $? 0 'a worker ends with 0'
done
done_testing
