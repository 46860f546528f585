#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The same job delivered twice is executed once and answered with the same bytes; the same
# idempotency key under another job id is skipped; a reused job id is a dead letter.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
need_kafka
make_source fivetran src__acme__us__shopify orders 100
write_queue_config

enqueue run --namespace acme
ok $? 'a job is enqueued'
first=$job_id
place=$(jq -r '"\(.offset) \(.partition)"' <<<"$stdout")
drain
is "$status" 0 'a worker drains the queue and ends with 0'
same_rows source/fivetran/src__acme__us__shopify.db "$(target_file staging__us__shopify)" orders
ok $? 'each row is in the target once'
is "$(results)" "$first success" 'the result says success'

# New rows, so that a second execution would be seen.
add_rows fivetran src__acme__us__shopify orders 50
# shellcheck disable=SC2086 # two words
send_again $place
drain
is "$(sql "$(target_file staging__us__shopify)" 'SELECT count(*) FROM orders')" 100 \
    'delivered again it copies nothing'
is "$(results | sort -u)" "$first success" 'it has the same result'
is "$(results .value | sort -u | wc -l)" 1 'byte for byte'
is "$(results .headers.ce_id | sort -u | wc -l)" 1 'under the same event id'
is "$(results | wc -l)" 2 'which was published twice'
is "$(committed)" 2 'both deliveries are committed'
is "$(messages rocky.results | jq -r 'select(.headers.ce_type == "rocky.table.replicated").headers.ce_id' |
    sort | uniq -c | awk '{print $1}')" 2 'its events have the same ids, too'

# A live worker, whose ledger is warm.
start worker "$rocky_worker"
enqueue run --namespace acme --idempotency-key nightly
second=$job_id
enqueue run --namespace acme --idempotency-key nightly --wait --timeout 60s
is "$status" 0 'the same key under another id ends with 0'
is_json "$stdout" .result.status skipped 'it is skipped'
is_json "$stdout" .result.duplicate_of "$second" 'and names the job that did it'
is_json "$stdout" .result.rows_copied 50 "with that job's figures"
is_json "$stdout" .duplicate true 'the producer says so'
valid "$stdout" output.producer 'the output fits its schema'
place=$(jq -r '"\(.offset) \(.partition)"' <<<"$stdout")
before=$(results | wc -l)
# shellcheck disable=SC2086 # two words
send_again $place
wait_for 20 has_results $((before + 1))
is "$(results .value | jq -r 'select(.job_id == "'"$job_id"'") | .status' | sort -u)" skipped \
    'the skipped job, delivered again, is skipped again'
is "$(results .value | grep -F "$job_id" | sort -u | wc -l)" 1 'with the same bytes'

# The same id with another body.
messages rocky.jobs | head -n 1 >again.json
jq -j '.value | fromjson | .full_refresh = true | tojson' again.json |
    "$bus" publish --brokers "$brokers" --topic rocky.jobs --key acme \
        --header ce_specversion=1.0 --header "ce_id=$(jq -r .headers.ce_id again.json)" \
        --header ce_type=rocky.job.run --header ce_source=/test \
        --header ce_time=2026-11-21T10:00:00Z --header content-type=application/json \
        --header "x-job-id=$(jq -r '.headers["x-job-id"]' again.json)" --header x-attempt=1 \
        >/dev/null
letter=$(messages rocky.dlq 1)
is_json "$letter" '.headers["dlq-reason"]' job_id_reused \
    'a job id with another body is a dead letter'
# Counted by messages: what is committed may lag behind the results that were waited for above.
all_committed() { [ "$(committed)" = "$(messages rocky.jobs | wc -l)" ]; }
wait_for 30 all_committed
ok $? 'and done with' || diag "$(cat "$work/worker.err")"
stop TERM
is "$status" 0 'the worker ends with 0'

# Expired, before any worker saw it.
enqueue run --namespace acme --deadline 1s
late=$(($(date +%s) + 2))
is_late() { [ "$(date +%s)" -ge "$late" ]; }
wait_for 5 is_late
drain
is "$(results | grep -F "$job_id")" "$job_id expired" 'a job that comes too late is expired'
done_testing
