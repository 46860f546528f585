#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky validate: every problem at once, with its place and the fix.
. "${top_srcdir:-.}/tests/cli/lib.sh"

run_rocky validate
is "$status" 78 "a missing configuration ends with 78"
like "$stdout" "rocky.toml" "and is named"
run_rocky validate --output json
valid "$stdout" output.validate "its JSON form fits the schema"
is_json "$stdout" .valid false "and is not valid"

write_config
run_rocky validate
is "$status" 0 "a good configuration is valid"
like "$stdout" "^valid: rocky.toml" "and said to be"
run_rocky validate --output json
valid "$stdout" output.validate "its JSON form fits the schema"
is_json "$stdout" '.valid, (.problems | length)' $'true\n0' "valid, and no problems"

cat >bad.toml <<'TOML'
[adapter.lake]
type = "sqlite"
path = "${SOURCE_DIRECTORY}"

[pipeline.bronze]
stratgy = "incremental"
boundary = "fuzzy"
lookback_seconds = "ten"
execution.concurrency = 100000

[pipeline.bronze.source]
adapter = "lake"
catalog = "${CATALOG_NAME}"

[pipeline.bronze.source.schema_pattern]
prefix = "src__"
components = ["client", "connector"]

[pipeline.bronze.target]
adapter = "lake"
catalog_template = "{client}"
schema_template = "{regions}"

[state]
backend = "s3"
TOML
run_rocky validate --config bad.toml
is "$status" 78 "a bad configuration ends with 78"
like "$stdout" "bad.toml:6:1: .*unknown key 'stratgy'.*did you mean 'strategy'" \
    "an unknown key has line, column and the nearest key"
like "$stdout" "bad.toml:7:[0-9]+: .*boundary" "a value that is no choice has its place"
like "$stdout" "bad.toml:8:[0-9]+: .*lookback_seconds" "a wrong type has its place"
like "$stdout" "bad.toml:9:[0-9]+: .*concurrency" "a value out of range has its place"
like "$stdout" "SOURCE_DIRECTORY" "a missing variable is named"
like "$stdout" "CATALOG_NAME" "and so is the other, in the same run"
like "$stdout" "regions" "an unknown placeholder is named"
like "$stdout" "backend" "a backend that this build cannot serve is a problem"

run_rocky validate --config bad.toml --output json
is "$status" 78 "the JSON form has the same exit code"
valid "$stdout" output.validate "and fits the schema"
is_json "$stdout" '[.problems[] | select(.key == "pipeline.bronze.stratgy")][0] | .line, .severity' \
    $'6\nerror' "with line and severity"

run_rocky --config bad.toml run
is "$status" 78 "no other command runs with it"
like "$stderr" "stratgy" "and says why"
is "$(find . -name '*.db')" "" "and nothing was made"

printf '[adapter\ntype = 1\n' >broken.toml
run_rocky validate --config broken.toml
is "$status" 78 "broken TOML ends with 78"
like "$stdout" "broken.toml:1:" "and has line and column"

{
    printf '[queue.kafka]\n"sesion.timeout.ms" = 3000\nsasl.password = "geheim"\n'
    printf '"socket.timeout.ms" = "soon"\nlog_level = 99\n'
} >kafka.toml
run_rocky validate --config kafka.toml
is "$status" 78 "properties that librdkafka does not take end with 78"
like "$stdout" "kafka.toml:2:1: .*no property 'sesion.timeout.ms'" "an unknown one has its place"
like "$stdout" "kafka.toml:4:1: .*'socket.timeout.ms' = 'soon'" "so has a value that it refuses"
like "$stdout" "kafka.toml:5:1: .*'log_level'" "and every other, in the same run"
unlike "$stdout" '^$' "one line each"
run_rocky validate --config kafka.toml --output json
valid "$stdout" output.validate "the JSON form fits the schema"
is_json "$stdout" '.problems[] | select(.severity == "error") | .line' $'2\n4\n5' "with the lines"

SOURCE_DIRECTORY=source CATALOG_NAME=c run_rocky validate --config bad.toml
unlike "$stdout" "SOURCE_DIRECTORY" "a variable that is set is no problem"

done_testing
