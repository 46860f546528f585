#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky doctor: what is in order is healthy, what is not is named with its fix, nothing is left behind.
. "${top_srcdir:-.}/tests/cli/lib.sh"
. "$top_srcdir/tests/cli/remote.sh"

# check NAME FILTER: of the JSON output, one check's value.
check() {
    printf '%s' "$stdout" | jq -r ".checks[] | select(.name == \"$1\") | $2"
}

make_source fivetran src__acme__us_west__shopify orders 30
write_config

# --- backend local ------------------------------------------------------------------------------

run_rocky doctor --output json
is "$status" 0 "a configuration that works is healthy"
valid "$stdout" output.doctor "the JSON form fits the schema"
is_json "$stdout" '.overall' healthy "overall"
is_json "$stdout" '[.checks[].name] | join(" ")' \
    "config state state_schema adapters pipelines state_rw lock queue clock" "all nine checks in order"
is "$(check queue .status) $(check clock .status)" "skipped skipped" \
    "there is no queue and no server with a clock to look at"
is "$(find . -name '*.db' -newer rocky.toml)$(find .rocky-state 2>/dev/null)" "" "nothing was made"
run_rocky run
run_rocky doctor
is "$status" 0 "it is still healthy after a run"
like "$stdout" "every page of namespace 'bronze' is sound: generation 1" "the state is examined"
is "$(find .rocky-state -name '*doctor*')" "" "no scratch file is left"

run_rocky doctor --check lock --check state --output json
is_json "$stdout" '[.checks[].name] | join(" ")' "state lock" "--check names the checks to run"
run_rocky doctor --check state_rv
is "$status" 64 "an unknown check is a usage error"
like "$stderr" "did you mean 'state_rw'" "and the nearest is suggested"
run_rocky doctor --check xyzzy --output json
is "$status" 64 "also one that is like none"
valid "$stdout" output.error "with an error object"

printf 'x' | dd of=.rocky-state/bronze.db bs=1 seek=20000 conv=notrunc 2>/dev/null
head -c 4096 /dev/zero | dd of=.rocky-state/bronze.db bs=1 seek=8192 conv=notrunc 2>/dev/null
run_rocky doctor --output json
is "$status" 3 "a damaged state is critical"
is "$(check state .status)" critical "and the check says so"
rm -r .rocky-state

mv source gone
run_rocky doctor --output json
is "$status" 3 "a source that is gone is critical"
is "$(check adapters .status) $(check pipelines .status) $(check state .status)" \
    "critical critical healthy" "what does not depend on it is looked at all the same"
mv gone source
mv target real && : >target
run_rocky doctor --check adapters
is "$status" 3 "a target that cannot be written is critical"
like "$stdout" "target adapter 'warehouse'" "and named"
rm target && mv real target

printf '[pipelines]\n' >>rocky.toml
run_rocky doctor --output json
is "$status" 3 "a configuration that does not load is critical"
is "$(check config .status) $(check state_rw .status)" "critical skipped" "and all else is skipped"
valid "$stdout" output.doctor "the JSON form fits the schema"

# --- queue --------------------------------------------------------------------------------------

write_config '[queue]' 'brokers = "127.0.0.1:1"'
run_rocky doctor --check queue
is "$status" 3 "a broker that does not answer is critical"
like "$stdout" "127.0.0.1:1" "and named"
start_broker
write_config '[queue]' "brokers = \"$brokers\""
run_rocky doctor --check queue
is "$status" 0 "one that answers is healthy"
kill "$broker_pid"

# --- S3 -----------------------------------------------------------------------------------------

start_s3
ok $? "the stand-in starts" || { done_testing; }
write_config "$(remote_config s3)"
run_rocky run
is "$status" 0 "a run keeps its state in S3"
run_rocky doctor --output json
is "$status" 0 "and everything is healthy"
valid "$stdout" output.doctor "the JSON form fits the schema"
is "$(check state_rw '.details.s3 | .create_winners, .replace_winners')" $'1\n1' \
    "each race has exactly one winner"
is "$(check state_rw '.details.s3.latency_ms | keys | join(" ")')" "delete list read write" \
    "the leg's latencies are told"
like "$(check state_rw .message)" "1 leg" "S3 is the only leg"
is "$(s3_keys | grep -c probe)" 0 "no scratch object is left"
unlike "$stdout$stderr" "$AWS_SECRET_ACCESS_KEY" "the secret key is not printed"

s3_admin POST settings '{"racy": true}' >/dev/null
run_rocky doctor --check state_rw --output json
is "$status" 3 "conditional writes that check first and write later are critical"
like "$(check state_rw .message)" "not atomic" "and called what they are"
[ "$(check state_rw .details.s3.create_winners)" -gt 1 ]
ok $? "because more than one writer won"
is "$(s3_keys | grep -c probe)" 0 "no scratch object is left of that, either"
s3_admin POST settings '{"racy": false, "conditional": false}' >/dev/null
run_rocky doctor --check state_rw
is "$status" 3 "a server without conditional writes is critical"
s3_admin POST settings '{"conditional": true}' >/dev/null

for action in s3:PutObject s3:GetObject s3:DeleteObject; do
    s3_admin POST deny "{\"action\": \"$action\", \"key\": \"*\"}" >/dev/null
    run_rocky doctor --check state_rw
    is "$status" 3 "without $action it is critical"
    like "$stdout" "hint: allow $action on " "and the permission is named"
    s3_admin DELETE deny >/dev/null
done
s3_admin POST deny '{"action": "s3:ListBucket", "key": "*"}' >/dev/null
run_rocky doctor --check state_rw --output json
is "$(check state_rw .status)" warning "without s3:ListBucket only versions cannot be listed"
like "$(check state_rw .hint)" "s3:ListBucket" "and the permission is named"
s3_admin DELETE deny >/dev/null

s3_admin POST faults '{"operation": "*", "key": "*.probe/*", "count": -1, "action": "never_answer"}' \
    >/dev/null
SECONDS=0
run_rocky doctor --check state_rw
is "$status" 3 "a server that never answers is critical"
[ "$SECONDS" -le 11 ]
ok $? "and costs ten seconds at most ($SECONDS)"
s3_admin DELETE faults >/dev/null

s3_admin POST settings '{"skew_s": 120}' >/dev/null
run_rocky doctor --check clock
like "$stdout" "warning.*behind of|warning.*behind" "a clock two minutes off is a warning"
s3_admin POST settings '{"skew_s": 1200}' >/dev/null
run_rocky doctor --check clock
is "$status" 3 "one twenty minutes off is critical"
like "$stdout" "refuses requests" "because S3 refuses requests then"
s3_admin POST settings '{"skew_s": 0}' >/dev/null

AWS_SECRET_ACCESS_KEY=wrong-secret-key run_rocky doctor --check state_rw
is "$status" 3 "a wrong secret key is critical"
unlike "$stdout$stderr" "wrong-secret-key" "and is not printed"

# --- Valkey -------------------------------------------------------------------------------------

if start_valkey; then
    write_config "$(remote_config tiered)"
    run_rocky run
    run_rocky doctor --output json
    is "$status" 0 "both legs of tiered are healthy"
    is "$(check state_rw '.details.valkey | .create_winners, .replace_winners')" $'1\n1' \
        "Valkey decides races, too"
    is "$(check lock '.status, .details.driver')" $'healthy\nvalkey' "a lease can be taken there"
    is "$(valkey KEYS '*doctor*')$(valkey KEYS '*probe*')" "" "nothing is left there"
    valkey CONFIG SET maxmemory-policy allkeys-lru >/dev/null
    run_rocky doctor --check state_rw --output json
    is "$status $(check state_rw .status)" "0 warning" "eviction of a cache is a warning"
    write_config "$(remote_config valkey)"
    run_rocky doctor --check state_rw
    is "$status" 3 "of the only copy it is critical"
    like "$stdout" "noeviction" "and the setting is named"
    valkey CONFIG SET maxmemory-policy noeviction >/dev/null
    bash "$kit/valkey.sh" stop "$valkey_directory"
    write_config "$(remote_config tiered)"
    run_rocky doctor --output json
    is "$(check lock .status) $(check state_rw .status)" "warning critical" \
        "without Valkey the lease is missed and its leg fails"
    write_config "$(remote_config tiered '[state.lock]' 'mode = "require"')"
    run_rocky doctor --check lock
    is "$status" 3 "where a lease is required that is critical"
else
    ok 0 "legs in Valkey # SKIP there is no server (./bootstrap --test-deps installs it)"
fi

done_testing
