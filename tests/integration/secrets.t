#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No secret anywhere: everything the programs print at level debug, as text and as JSON, in success and
# in failure, everything they publish, dead-letter, keep and upload is searched for every secret of
# the configuration and the environment: as it is, percent-encoded, in base64, quoted for JSON.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99

aws_secret='wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRET=='
aws_token='IQoJb3JpZ2luX2VjEKb//////////wEaCXVz+token/of=the+session=='
valkey_password='sesame:/@%42'
encryption_key=$(printf '8f%.0s' {1..32})
other_key=$(printf '9a%.0s' {1..32})
sasl_password='p"ss\w0rd of & kafka'
# Ours, and those that are wrong on purpose: what was refused is a secret all the same.
secrets=("$aws_secret" "$aws_token" "$valkey_password" "$encryption_key" "$other_key"
    "$sasl_password" 'not-the/password+of=anybody' 'not/the+aws/secret=of-anybody')

# --- finding -------------------------------------------------------------------------------------

# forms TEXT: each way in which it may be written, one a line.
forms() {
    python3 - "$1" <<'PYTHON'
import base64, json, sys
from urllib.parse import quote, quote_plus
text = sys.argv[1]
forms = {text, json.dumps(text)[1:-1], quote(text, safe=""), quote(text), quote_plus(text)}
forms |= {form.lower() for form in (quote(text, safe=""), quote(text)) if "%" in form}
for prefix in ("", "rocky:", ":", "\0"):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Without the last characters, which depend on what follows.
        forms.add(encode((prefix + text).encode()).decode().rstrip("=")[:-1])
print("\n".join(sorted(forms)))
PYTHON
}

# leaks PATH...: the files in which any form of any secret stands.
leaks() {
    grep -rlaF -f "$work/forms.list" "$@" 2>/dev/null
}

for secret in "${secrets[@]}"; do
    forms "$secret" >>forms.list
done

mkdir -p planted
i=0
missed=0
while IFS= read -r form; do
    i=$((i + 1))
    printf '{"at":"now","message":"a %s z"}\n' "$form" >"planted/$i"
    leaks "planted/$i" >/dev/null || missed=$((missed + 1))
done <forms.list
is "$missed" 0 "the search finds each of $i planted forms"
printf 'nothing to see: AKIDEXAMPLE, rocky, ***\n' >planted/none
is "$(leaks planted/none)" '' 'and nothing where there is none'
rm -r planted

# --- a world full of secrets ---------------------------------------------------------------------

need_kafka
need_s3 --secret-key "$aws_secret"
s3_admin POST settings "$(jq -nc --arg secret "$aws_secret" --arg token "$aws_token" \
    '{keys: {AKIDEXAMPLE: {secret: $secret, token: $token, expired: false}}}')" >/dev/null
need_valkey --acl
export AWS_SECRET_ACCESS_KEY=$aws_secret AWS_SESSION_TOKEN=$aws_token
valkey_port=${valkey_url##*:}
printf '%s\n' "$encryption_key" >key
printf '%s\n' "$other_key" >other-key
make_orders acme 20

# config NAME LINE...: a tiered state; lines replace the defaults of the same key.
config() {
    local name=$1 lines=() line
    declare -A state=(
        [valkey_url]="valkey://rocky:sesame%3A%2F%40%2542@127.0.0.1:$valkey_port"
        [encryption_key]="\${file:$work/key}"
        [s3_endpoint]="$s3_endpoint"
    )
    shift
    for line in "$@"; do state[${line%%=*}]=${line#*=}; done
    for line in "${!state[@]}"; do lines+=("$line = \"${state[$line]}\""); done
    write_queue_config "sasl.mechanism = \"PLAIN\"" 'sasl.username = "rocky"' \
        "sasl.password = '$sasl_password'" '[state]' 'backend = "tiered"' 's3_bucket = "rocky"' \
        's3_region = "us-east-1"' 's3_path_style = true' 'local_dir = "state"' \
        'transfer_timeout_seconds = 3' "${lines[@]}" '[state.retry]' 'max_retries = 1' \
        'initial_backoff_ms = 10'
    cp rocky.toml "$name.toml"
}
mkdir printed

# say NAME PROGRAM ARGUMENT...: everything at level debug, once with text and once with JSON lines;
# kept under printed/.
said=0
say() {
    say_as text "$@"
    say_as json "$@"
}
say_as() { # FORMAT NAME PROGRAM ARGUMENT...
    said=$((said + 1))
    "${@:3}" --log-level debug --log-format "$1" >"printed/$said-$2.out" 2>"printed/$said-$2.err" \
        </dev/null
    status=$?
}
say_rocky() { # NAME CONFIG ARGUMENT...
    local command=("$rocky" --config "$2.toml" --namespace acme "${@:3}")
    say_as text "$1" "${command[@]}" --output table
    say_as json "$1" "${command[@]}" --output json
}

# everything CONFIG: each command once or twice.
everything() {
    say_rocky "$1-validate" "$1" validate
    say_rocky "$1-discover" "$1" discover
    say_rocky "$1-plan" "$1" plan
    say_rocky "$1-run" "$1" run
    run_status=$status
    say_rocky "$1-state" "$1" state
    say_rocky "$1-versions" "$1" state versions
    say_rocky "$1-history" "$1" history
    say_rocky "$1-doctor" "$1" doctor
}

config good
say_rocky first good run
is "$status" 0 'a run with all of them in use'
everything good
is "$run_status" 0 'and again'
run_program "$rocky_producer" run --namespace acme --wait --timeout 60s --config good.toml
enqueue run --namespace acme --config good.toml --log-level debug
printf '%s\n%s\n' "$stdout" "$stderr" >printed/producer
say worker "$rocky_worker" --once --config good.toml
is "$status" 0 'a job of a worker'
say_rocky state-export good state export "$work/export.snap"

# Who types a secret in the wrong place is not shown it again, nor is anybody else.
for secret in "$valkey_password" "$encryption_key" "$sasl_password"; do
    say_rocky slip good run --filter "$secret=x"
    say_rocky slip good state delete --table "$secret"
done

# A message that is no job.
"$bus" publish --brokers "$brokers" --topic rocky.jobs --key acme --header ce_type=rocky.job.run \
    --header content-type=application/json <<<'{"v":1}' >/dev/null 2>&1
say worker-dead-letter "$rocky_worker" --once --config good.toml
say_rocky dlq good dlq ls

# --- everything that may be refused ----------------------------------------------------------------

fails() { # NAME WHY
    everything "$1"
    is "$([ "$run_status" -ne 0 ] && echo failed)" failed "$2"
    say "$1-worker" "$rocky_worker" --check --config "$1.toml"
}
rm -rf state
config other-key "encryption_key=\${file:$work/other-key}"
fails other-key 'a state under another key is refused'
rm -rf state
config bad-key "encryption_key=not-the/password+of=anybody"
fails bad-key 'a key that is none is refused'
config bad-password \
    "valkey_url=valkey://rocky:not-the%2Fpassword%2Bof%3Danybody@127.0.0.1:$valkey_port"
everything bad-password
config bad-url "valkey_url=valkey://rocky:sesame%3A%2F%40%2542@127.0.0.1:none"
fails bad-url 'an address that is none is refused'
config nowhere "s3_endpoint=http://127.0.0.1:1" \
    "valkey_url=valkey://rocky:sesame%3A%2F%40%2542@127.0.0.1:1"
everything nowhere
cp good.toml missing.toml
sed -i 's/sasl.mechanism = "PLAIN"/sasl.mechanisms = "NONE", "/' missing.toml
fails missing 'a configuration that cannot be read is refused'
config refused
AWS_SECRET_ACCESS_KEY='not/the+aws/secret=of-anybody' fails refused 'a wrong signature is refused'
AWS_SESSION_TOKEN="not/the+aws/secret=of-anybody" everything refused
s3_admin POST deny '{"action": "s3:PutObject", "key": "*"}' >/dev/null
everything good
s3_admin DELETE deny >/dev/null
s3_fault '{"operation": "*", "key": "*", "count": -1, "action": "status", "status": 503}'
everything good
s3_faults_over

# --- nowhere ---------------------------------------------------------------------------------------

for topic in rocky.results rocky.dlq rocky.jobs rocky.control; do
    messages "$topic" >"printed/topic-$topic" 2>/dev/null
done
grep -q 'rocky.state.upload' printed/topic-rocky.results && [ -s printed/topic-rocky.dlq ]
ok $? 'events and a dead letter were there to look at'
s3_admin GET objects >printed/objects
# The stand-in verified signatures with the secret, and no request carries it; its token it must
# carry, in a header that the log does not have.
cp "$work/s3/requests.jsonl" printed/requests
valkey --no-auth-warning --user admin --pass admin-password keys '*' >printed/keys 2>&1
for directory in state export.snap target source; do
    [ -e "$directory" ] && cp -r "$directory" "printed/kept-$directory"
done
for file in printed/kept-state/*.copies/*.db printed/kept-target/*/*.db; do
    [ -e "$file" ] && sqlite3 "$file" .dump >"$file.sql"
done
is "$(find printed -name '*.err' -size +0 | wc -l | awk '{ print ($1 > 100) }')" 1 \
    'there was much to look at'
is "$(grep -lF '***' printed/*-slip.* | wc -l)" 18 'and something to take out of it'
found=$(leaks printed)
is "$found" '' 'no secret stands anywhere'
for file in $found; do
    diag "$(grep -aoF -f forms.list "$file" | sort | uniq -c | head -n 3)"
    diag "$(grep -aF -f forms.list "$file" | head -n 1 | cut -c 1-600)"
done
done_testing
