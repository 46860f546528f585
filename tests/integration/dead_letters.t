#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Whatever cannot be a job goes to rocky.dlq with its bytes, headers and a reason, and the next good
# job on the partition runs.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
# The default limit of a message is 1 MiB; one test sends two.
need_kafka --set message.max.bytes=4194304
make_source fivetran src__acme__us__shopify orders 10
write_queue_config
sed -i 's/^partitions = 3/partitions = 1/' rocky.toml
start worker "$rocky_worker"

template=$work/template.json
enqueue run --namespace acme --wait --timeout 60s
is "$status" 0 'a good job runs'
messages rocky.jobs | head -n 1 >"$template"
letters=0

# send NAME=VALUE|-NAME... <BODY: the template's headers with these changes; --key K for the key.
send() {
    local key=acme arguments=() header name change
    local -A headers=()
    while IFS= read -r header; do
        headers[${header%%=*}]=${header#*=}
    done < <(jq -r '.headers | to_entries[] | .key + "=" + .value' "$template")
    if [ "${1:-}" = --key ]; then
        key=$2
        shift 2
    fi
    for change; do
        case $change in
        -*) unset "headers[${change#-}]" ;;
        *) headers[${change%%=*}]=${change#*=} ;;
        esac
    done
    for name in "${!headers[@]}"; do
        arguments+=(--header "$name=${headers[$name]}")
    done
    "$bus" publish --brokers "$brokers" --topic rocky.jobs --key "$key" "${arguments[@]}" >/dev/null
}

body() { # JQ-FILTER: the template's body, changed
    jq -j ".value | fromjson | $1 | tojson" "$template"
}

letter_has_come() {
    [ "$(messages rocky.dlq 2>/dev/null | wc -l)" -ge "$letters" ]
}

# rejected REASON NAME: the newest dead letter has this reason and holds $work/sent byte for byte.
rejected() {
    letters=$((letters + 1))
    wait_for 20 letter_has_come
    messages rocky.dlq | tail -n 1 >letter.json
    is "$(jq -r '.headers["dlq-reason"]' letter.json)" "$1" "$2: dead-lettered as $1"
    [ -n "$(jq -r '.headers["dlq-message"]' letter.json)" ]
    ok $? "$2: it says why"
    jq -j '.value // ""' letter.json >got
    ! jq -e 'has("value_base64")' letter.json >/dev/null ||
        jq -j .value_base64 letter.json | base64 -d >got
    cmp sent got
    ok $? "$2: the bytes are the original ones"
}

# try REASON NAME CHANGE...: send $work/sent with these changes.
try() {
    local reason=$1 name=$2
    shift 2
    send "$@" <sent
    rejected "$reason" "$name"
}

printf '{"v":1,' >sent
try malformed_json 'malformed JSON'
body . >sent
try wrong_content_type 'wrong content type' content-type=text/plain
for header in ce_specversion ce_id ce_type ce_source ce_time content-type x-job-id; do
    try missing_header "no $header" "-$header"
done
try invalid_header 'a wrong ce_specversion' ce_specversion=0.3
try invalid_header 'a ce_time that is no time' ce_time=yesterday
try unknown_type 'an unknown type' ce_type=rocky.job.dance
try key_mismatch "a key that is not the body's namespace" --key other
body '.v = 2' >sent
try unsupported_version 'a newer major version'
body '.namespace = "../x"' >sent
try invalid_body 'a namespace that is a path' --key ../x
{
    body . | head -c -1
    printf ',"pad":"'
    head -c 2097152 /dev/zero | tr '\0' x
    printf '"}'
} >sent
try too_large 'a body of 2 MiB'
{
    printf '%100s' '' | tr ' ' '['
    printf '%100s' '' | tr ' ' ']'
} >sent
try too_deep 'JSON 100 deep'
printf '{"v":1,"job_id":"a\0b"}' >sent
try nul_byte 'NUL bytes'
printf '{"v":1,"job_id":"\xff\xfe"}' >sent
try invalid_utf8 'invalid UTF-8'
body '.sql = "DROP TABLE x"' >sent
try forbidden_field 'a job with SQL in it'
body '.path = "/etc/passwd"' >sent
try forbidden_field 'a job with a path in it'
: >sent
try empty_body 'an empty body'
other=0197a0c0-0000-7000-8000-000000000001
body ".pipeline = \"silver\" | .job_id = \"$other\"" >sent
try unknown_pipeline 'an unknown pipeline' "x-job-id=$other"
is "$(results | grep -F "$other")" "$other dead_lettered" \
    'a job that can be read gets a result that says so'

enqueue run --namespace acme --wait --timeout 60s
is "$status" 0 'the next good job on the partition runs'
is "$(jq -r '.headers.ce_type' letter.json)" rocky.job.run 'a dead letter keeps its headers'
is "$(jq -r '.headers["dlq-topic"]' letter.json)" rocky.jobs 'and names its topic'
like "$(jq -r '.headers["dlq-offset"]' letter.json)" '^[0-9]+$' 'and its offset'
like "$(jq -r '.headers["dlq-first-failed-at"]' letter.json)" '^20[0-9-]+T' 'and when'
stop TERM
is "$status" 0 'the worker ends with 0'
is "$(messages rocky.dlq | wc -l)" "$letters" 'there are no other dead letters'
is_committed "$((letters + 2))"
ok $? 'every message is committed'

# A pipeline that serves one namespace.
sed -i '/^namespace_from/d' rocky.toml
body . >sent
send <sent
drain
letters=$((letters + 1))
is "$(messages rocky.dlq | tail -n 1 | jq -r '.headers["dlq-reason"]')" wrong_namespace \
    'a namespace that its pipeline does not serve: dead-lettered as wrong_namespace'
done_testing
