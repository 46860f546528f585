# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for tests with a real Kafka, on top of those of tests/cli/lib.sh. Source it first, then
# `need_kafka`. Every test has a broker of its own, which ends with it.

# shellcheck source=tests/cli/lib.sh
. "${top_srcdir:-.}/tests/cli/lib.sh" || exit 99

bus=$top_builddir/tests/kit/bus
kafka=$top_srcdir/tests/kit/kafka/kafka.sh

# need_kafka [--set NAME=VALUE]...: a broker; its address in $brokers. Without one the test is
# skipped, or fails where ROCKY_REQUIRE_SERVERS=1.
need_kafka() {
    local out
    if out=$("$kafka" start "$work/kafka" --owner $$ "$@" 2>&1); then
        brokers=${out##*BOOTSTRAP=}
        export brokers
        return 0
    fi
    [ "${ROCKY_REQUIRE_SERVERS:-0}" = 1 ] || skip_all "no Kafka: $out"
    ok 1 "Kafka starts: $out"
    done_testing
}

# write_queue_config [EXTRA]: rocky.toml with one namespace per client and short group timeouts.
write_queue_config() {
    write_config '[queue]' "brokers = \"$brokers\"" 'partitions = 3' '[queue.kafka]' \
        'session.timeout.ms = 2000' 'heartbeat.interval.ms = 300' "$@"
    sed -i 's/^\[pipeline.bronze\]$/&\nnamespace_from = "client"/' rocky.toml
}

# enqueue ARGUMENT...: rocky-producer; the job's id in $job_id.
enqueue() {
    run_program "$rocky_producer" "$@" --output json
    # shellcheck disable=SC2034 # for the tests
    job_id=$(jq -r .job_id <<<"$stdout")
    [ "$status" -eq 0 ]
}

# messages TOPIC [COUNT]: all messages of a topic as JSON lines; waits for COUNT of them.
messages() {
    if [ $# -gt 1 ]; then
        "$bus" read --brokers "$brokers" --topic "$1" --from-beginning --count "$2" --timeout 20
    else
        "$bus" read --brokers "$brokers" --topic "$1" --from-beginning || :
    fi
}

# results [JQ-FILTER]: the job results, as "job status" lines unless a filter says otherwise.
results() {
    # shellcheck disable=SC2016 # a jq program
    local show=${1:-'.headers["x-job-id"] + " " + .headers["x-outcome"]'}
    messages rocky.results 2>/dev/null |
        jq -r "select(.headers.ce_type == \"rocky.job.result\") | $show"
}

has_results() { # COUNT
    [ "$(results | wc -l)" -ge "$1" ]
}

# send_again OFFSET [PARTITION]: the message at that place once more, as it is.
send_again() {
    local message=$work/.again arguments=() header
    messages rocky.jobs | jq -c --argjson o "$1" --argjson p "${2:-0}" \
        'select(.offset == $o and .partition == $p)' | head -n 1 >"$message"
    while IFS= read -r header; do
        arguments+=(--header "$header")
    done < <(jq -r '.headers | to_entries[] | .key + "=" + .value' "$message")
    jq -j .value "$message" | "$bus" publish --brokers "$brokers" --topic rocky.jobs \
        --key "$(jq -r .key "$message")" "${arguments[@]}" >/dev/null
}

# drain: one worker until the queue is empty; its log in worker.err.
drain() {
    run_program "$rocky_worker" --once "$@"
    cp "$work/.stderr" "$work/worker.err"
}

# committed: what the group has committed, over all partitions.
committed() {
    "$bus" committed --brokers "$brokers" --topic rocky.jobs --group rocky-workers |
        jq -s 'map(select(.committed >= 0).committed) | add // 0'
}

is_committed() { # COUNT
    [ "$(committed)" = "$1" ]
}
