#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A worker that is asked to stop finishes or returns its jobs, commits, leaves its group and ends
# with 0, whatever it is doing; and a killed one's work is done by the next.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
need_kafka
make_source fivetran src__acme__us__shopify aaa 150000
make_source fivetran src__acme__us__shopify bbb 150000
make_source fivetran src__acme__us__shopify ccc 10
write_queue_config '[worker]' 'drain_grace_seconds = 20'
source_file=source/fivetran/src__acme__us__shopify.db
target=$(target_file staging__us__shopify)

has_partitions() { grep -sq 'partitions=3$' "$1.err"; }
# is_growing FILE: a copy is under way, which the short claim before it is not.
is_growing() { [ -e "$target-journal" ] && [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt 1000000 ]; }

# begin_job FILE ARGUMENT...: enqueue and come back in the middle of the first table's copy.
begin_job() {
    local file=$1
    shift
    start producer "$rocky_producer" run --namespace acme --output json "$@"
    producer=$started
    wait_for 20 is_growing "$file"
}

start idle_worker "$rocky_worker"
wait_for 20 has_partitions idle_worker
begin=$EPOCHREALTIME
stop TERM
is "$status" 0 'an idle worker ends with 0'
took=$((${EPOCHREALTIME/./} - ${begin/./}))
[ "$took" -lt 1500000 ]
ok $? "at once ($((took / 1000)) ms)"
start fresh "$rocky_worker"
wait_for 30 grep -sq 'worker started' fresh.err
stop TERM
is "$status" 0 'also before it has joined its group'

# In the middle of a table: that table ends, the others go back to the queue.
start busy "$rocky_worker"
wait_for 20 has_partitions busy
busy=$started
begin_job "$target"
ok $? 'a copy is under way'
kill -TERM "$busy"
wait "$busy"
is $? 0 'a worker that copies ends with 0'
wait "$producer"
job=$(jq -r .job_id producer.out)
tables=$(sql "$target" "SELECT count(*) FROM _rocky_watermarks")
[ "$tables" -ge 1 ] && [ "$tables" -lt 3 ]
ok $? "it finished the table at work and started no further one ($tables of 3 done)"
is "$(results | wc -l)" 0 'the job has no result yet'
is "$(committed)" 0 'and is not committed'
like "$(messages rocky.results | jq -r .headers.ce_type)" 'rocky.job.requeued' \
    'an event says that it was given back'

start heir "$rocky_worker"
is_done() { results | grep -sq "$job success"; }
wait_for 30 is_done
ok $? 'the next worker finishes it'
for table in aaa bbb ccc; do
    same_rows "$source_file" "$target" $table
    ok $? "each row of $table is in the target once"
done
is "$(results | sort -u | wc -l)" 1 'it has one result'
stop TERM
is "$status" 0 'the heir ends with 0'
wait_for 30 is_committed 1
ok $? 'the offset is committed'

# A second signal interrupts the table, too.
start hasty "$rocky_worker"
wait_for 20 has_partitions hasty
hasty=$started
before=$(sql "$target" "SELECT commit_id FROM _rocky_watermarks WHERE table_name LIKE '%aaa'")
begin_job "$target-journal" --full-refresh
kill -TERM "$hasty"
is_draining() { grep -sq 'draining' hasty.err; }
wait_for 30 is_draining
kill -TERM "$hasty"
wait "$hasty"
is $? 0 'a worker that is hurried ends with 0'
wait "$producer"
job=$(jq -r .job_id producer.out)
is "$(results | grep "$job")" '' 'its job has no result'
after=$(sql "$target" "SELECT commit_id FROM _rocky_watermarks WHERE table_name LIKE '%aaa'")
is "$after" "$before" 'the table was rolled back'

# SIGKILL in the middle of a copy.
start doomed "$rocky_worker"
wait_for 20 has_partitions doomed
wait_for 20 is_growing "$target-journal"
stop KILL
start survivor "$rocky_worker"
wait_for 30 is_done
ok $? 'after a SIGKILL the next worker finishes the job'
for table in aaa bbb ccc; do
    same_rows "$source_file" "$target" $table
    ok $? "each row of $table is in the target once"
done
stop TERM
is "$status" 0 'and ends with 0'

# --once: drains and ends; a worker with nothing to do ends, too.
enqueue run --namespace acme
drain
is "$status" 0 '--once drains the queue and ends with 0'
wait_for 30 is_committed 3
ok $? 'with everything committed'
drain
is "$status" 0 'and ends when there is nothing to do'
done_testing
