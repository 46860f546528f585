#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A worker that is told to end while S3 holds its upload ends when its grace is over, not when the
# transfer's time is, and the job that it gives back is done by the next pod: no row twice.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
need_kafka
grace=2
make_orders acme 20
for pod in 1 2; do
    write_pod $pod s3 'transfer_timeout_seconds = 60'
done
echo "drain_grace_seconds = $grace" >>pod1.toml
start_pod 1
s3_fault '{"operation": "PUT", "key": "rocky/state/acme.db", "count": -1, "action": "never_answer"}'
enqueue run --namespace acme
job=$(sed -n 's/.*\([0-9a-f]\{8\}-[0-9a-f-]\{27\}\).*/\1/p' <<<"$stdout" | head -n 1)

put_waits() { [ "$(s3_count '.method == "PUT" and .key == "rocky/state/acme.db"')" -gt 0 ]; }
wait_for 30 put_waits
began=$(date +%s%3N)
end_pod 1
took=$(($(date +%s%3N) - began))
is "$status" 0 'the worker ends in order'
# The grace, at most two seconds until the request is abandoned, and what else there is to do.
[ "$took" -lt $((grace * 1000 + 15000)) ]
ok $? "when its grace is over, after $took ms"
s3_faults_over
is "$(events job.result .status)" '' 'without a result'
is "$(events job.requeued .reason)" '"interrupted"' 'the job was given back'

start_pod 2
has_result() { [ -n "$(events job.result)" ]; }
wait_for 60 has_result
end_pod 2
is "$(events job.result '[.job_id, .status]')" "[\"$job\",\"success\"]" 'the next pod does it'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
done_testing
