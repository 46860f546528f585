#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The wall clock of a transfer: whatever a server does to hold it up, it ends within
# transfer_timeout_seconds and one second more, all attempts and both tiers together.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
need_valkey
limit=2
make_orders acme 20
options=("transfer_timeout_seconds = $limit" '[state.retry]' 'max_retries = 1000'
    'initial_backoff_ms = 20' 'max_backoff_ms = 100' 'circuit_breaker_threshold = 0')
write_pod 1 s3 "${options[@]}"
write_pod 2 tiered "${options[@]}"
run_on 1
is "$status" 0 'a first run'

# in_time KIND NAME [LEAST]: that transfer of the last run took its time and no more.
in_time() {
    local ms
    ms=$(jq ".state.$1.duration_ms" <<<"$stdout")
    [ "$ms" -le $((limit * 1000 + 1000)) ] && [ "$ms" -ge "${3:-$((limit * 1000 - 500))}" ]
    ok $? "$2: it ended after $ms ms"
}

# held_up NAME FAULT [LEAST]: first every read, then every write of the state meets it.
held_up() {
    local fault=$2 name=$1 least=${3:-}
    s3_fault "$(jq -c '. + {count: -1, operation: "GET"}' <<<"$fault")"
    s3_fault "$(jq -c '. + {count: -1, operation: "HEAD"}' <<<"$fault")"
    add_orders acme 3
    run_on 1
    s3_faults_over
    is "$(outcomes "$stdout" | cut -d' ' -f1)" error_then_fresh/timeout "$name: the download"
    in_time download "$name: the download" "$least"
    is_json "$stdout" .status success "$name: the run goes on"
    s3_fault "$(jq -c '. + {count: -1, operation: "PUT", key: "rocky/state/acme.db"}' <<<"$fault")"
    add_orders acme 3
    run_on 1
    s3_faults_over
    is "$(outcomes "$stdout" | cut -d' ' -f2)" skipped_after_failure/timeout \
        "$name: the upload"
    in_time upload "$name: the upload" "$least"
    rows_once acme "$name: every row is in the target once"
}

held_up 'never an answer' '{"action": "never_answer"}'
held_up 'a byte a second' '{"action": "drip", "bytes_per_second": 1}'
held_up '503 for ever' '{"action": "status", "status": 503, "code": "SlowDown"}'
# Nobody waits for a time that is beyond the transfer's.
held_up '503 and come back in an hour' \
    '{"action": "status", "status": 503, "code": "SlowDown", "retry_after": 3600}' 0
run_on 1
is "$(outcomes "$stdout")" 'ok ok' 'when the server answers again, so do the transfers'

# Two tiers: what one of them took is gone for the other, too.
run_on 2
is "$(outcomes "$stdout")" 'ok ok' 'a run with both tiers'
s3_fault '{"operation": "*", "count": -1, "action": "never_answer"}'
add_orders acme 3
run_on 2
s3_faults_over
is "$(outcomes "$stdout")" 'ok skipped_after_failure/timeout' \
    'S3 never answers: the cached copy is worked with'
is_json "$stdout" '.state.download.legs[] | select(.leg == "s3") | .outcome' timeout \
    'and the leg says that nobody could confirm it'
in_time download 'the download'
in_time upload 'the upload'
run_on 2
is "$(outcomes "$stdout")" 'ok ok' 'S3 is back'
bash "$valkey_kit" pause "$work/valkey"
add_orders acme 3
began=$(date +%s%3N)
run_on 2
took=$(($(date +%s%3N) - began))
bash "$valkey_kit" continue "$work/valkey"
is "$(outcomes "$stdout")" 'ok ok' 'a cache that never answers changes no outcome'
in_time download 'the download' 0
in_time upload 'the upload' 0
[ "$took" -le 10000 ]
ok $? "the whole run took $took ms, looking for a lease included"

# Valkey alone.
write_pod 3 valkey 'transfer_timeout_seconds = 2' 'lock.mode = "off"' "${options[@]:1}"
run_on 3
is "$status" 0 'a run with Valkey alone'
bash "$valkey_kit" pause "$work/valkey"
add_orders acme 3
run_on 3
bash "$valkey_kit" continue "$work/valkey"
is "$(outcomes "$stdout")" 'error_then_fresh/timeout skipped_after_failure/timeout' \
    'Valkey never answers'
in_time download 'the download'
in_time upload 'the upload'

# The time for credentials is the transfer's time.
start mute python3 -c '
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
held = []
while True:
    held.append(server.accept())'
wait_for 10 test -s mute.out
add_orders acme 3
run_program env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY \
    AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:$(<mute.out)/" \
    "$rocky" --config pod1.toml run --namespace acme --output json
is "$(outcomes "$stdout")" 'error_then_fresh/timeout skipped_after_failure/timeout' \
    'whoever has the credentials never answers'
in_time download 'the download'
in_time upload 'the upload'
rows_once acme 'every row is in the target once'
done_testing
