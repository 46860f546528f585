#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# rocky-producer: what it prints, what it waits for, its exit codes.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
need_kafka
make_source fivetran src__acme__us__shopify orders 100
make_source fivetran src__globex__us__shopify orders 10
write_queue_config

run_program "$rocky_worker" --check
is "$status" 0 'rocky-worker --check finds everything in order'
like "$stdout" 'ok +pipeline bronze .*2 source schemas match' 'it says what it checked'
like "$stdout" 'ok +queue ' 'the queue too'
run_program "$rocky_worker" --check --output json
is_json "$stdout" .overall healthy 'also as JSON'

enqueue run --namespace acme
is "$status" 0 'a job is enqueued'
valid "$stdout" output.producer 'the output fits its schema'
is_json "$stdout" .type run 'it names the type'
is_json "$stdout" .result null 'without --wait there is no result'
is_json "$stdout" .duplicate null 'and nobody knows whether it is a duplicate'
run_program "$rocky_producer" run --namespace acme --wait --timeout 1s
is "$status" 124 'waiting in vain ends with 124'
like "$stdout$stderr" 'no result within 1 s' 'and says so'

start worker "$rocky_worker"
enqueue run --namespace globex --wait --timeout 60s
is "$status" 0 'a job that succeeds gives 0'
is_json "$stdout" .result.rows_copied 10 'with its result'
run_program "$rocky_producer" run --namespace globex --wait --timeout 60s
like "$stdout" 'success, 1 tables copied, 0 failed, 0 rows' 'a person gets a line'
enqueue run --namespace globex --filter planet=mars --wait --timeout 60s
is "$status" 64 'a filter that names no component gives 64'
is_json "$stdout" .result.status failed 'its result is failed'

# plan and apply over the queue
add_rows fivetran src__globex__us__shopify orders 7
enqueue plan --namespace globex --wait --timeout 60s
is "$status" 0 'a plan job succeeds'
plan_id=$(jq -r .result.plan_id <<<"$stdout")
like "$plan_id" '^[0-9a-f]{64}$' 'its result has the plan id'
enqueue apply --namespace globex "$plan_id" --wait --timeout 60s
is "$status" 0 'the plan is applied'
is_json "$stdout" .result.rows_copied 7 'and copies what it said'
enqueue apply --namespace globex "$plan_id" --wait --timeout 60s
is "$status" 4 'applied again it is refused with 4'
enqueue apply --namespace globex "$(printf '%064d' 0)" --wait --timeout 60s
is "$status" 4 'so is an unknown plan'

# One failed table.
sql source/fivetran/src__globex__us__shopify.db 'CREATE TABLE plain (id INTEGER)'
enqueue run --namespace globex --wait --timeout 60s
is "$status" 2 'partial success gives 2'

# A file.
for ((i = 0; i < 30; i++)); do
    printf '{"type":"run","pipeline":"bronze","namespace":"%s","filter":{"connector":"none"}}\n\n' \
        "$([ $((i % 2)) = 0 ] && echo acme || echo globex)"
done >jobs.ndjson
run_program "$rocky_producer" run --file jobs.ndjson --wait --timeout 60s --output json
is "$status" 0 'a file of jobs succeeds'
is "$(jq -s 'map(.result.status) | unique | join(",")' -r <<<"$stdout")" success 'each of them'
is "$(jq -r '.result.warnings[].code' <<<"$stdout" | sort | uniq -c | tr -s ' ')" ' 30 no-tables' \
    'and says that its filter leaves nothing'
is "$(jq -s 'length' <<<"$stdout")" 30 'one object per job'
is "$(jq -r '.namespace' <<<"$stdout" | head -n 4 | tr '\n' ' ')" 'acme globex acme globex ' \
    'in the order of the file'
"$rocky_producer" run --file - --output json <jobs.ndjson >piped.json
is "$(jq -s length piped.json)" 30 'standard input works as well'
printf '\xef\xbb\xbf%s\r\n' '{"type":"run","pipeline":"bronze","namespace":"acme"}' >marked.ndjson
run_program "$rocky_producer" run --file marked.ndjson
is "$status" 0 'a byte order mark and line ends of Windows do no harm'
before=$(messages rocky.jobs | wc -l)
printf '{"type":"run","pipeline":"bronze","namespace":"acme"}\n{"type":"run","pipelin":"x"}\n' >bad.ndjson
run_program "$rocky_producer" run --file bad.ndjson
is "$status" 64 'a line that is no job gives 64'
like "$stderr" 'line 2: ' 'names the line'
is "$(messages rocky.jobs | wc -l)" "$before" 'and nothing of the file is enqueued'
stop TERM
is "$status" 0 'the worker ends with 0'

# Wrong usage.
run_program "$rocky_producer" run
is "$status" 64 'a pipeline with many namespaces needs --namespace'
like "$stderr" 'add --namespace' 'and says so'
run_program "$rocky_producer" run --namespace ../x
is "$status" 64 'a namespace that is a path is refused here already'
run_program "$rocky_producer" apply --namespace acme
is "$status" 64 'apply needs a plan id'
run_program "$rocky_producer" apply --namespace acme xyz
is "$status" 4 'a plan id that is none is refused'
run_program "$rocky_producer" run --namespace acme --file jobs.ndjson
is "$status" 64 'a file and a single job exclude each other'
run_program "$rocky_producer" run --file missing.ndjson
is "$status" 64 'a missing file'
run_program "$rocky_producer" rnu
is "$status" 64 'an unknown command'
like "$stderr" "did you mean 'rocky-producer run'" 'with a suggestion'
run_program "$rocky_producer" run --namespace acme --not-before tomorrow
is "$status" 64 'a time that is none'
run_program "$rocky_producer" run --namespace acme --config missing.toml
is "$status" 78 'a missing configuration gives 78'

# No broker.
begin=$SECONDS
run_program "$rocky_producer" run --namespace acme --brokers 127.0.0.1:1 --output json
is "$status" 69 'no broker gives 69'
[ $((SECONDS - begin)) -le 7 ]
ok $? 'within seconds'
like "$stderr" '127\.0\.0\.1:1' 'and names the brokers'
is_json "$stdout" .error.code unavailable 'also in JSON'
valid "$stdout" output.error 'which fits its schema'
sed -i "s/^brokers = .*/brokers = \"127.0.0.1:1\"/" rocky.toml
run_program "$rocky_worker" --check
is "$status" 69 'rocky-worker --check says so, too'
like "$stdout" 'FAILED +queue' 'in its list'
done_testing
