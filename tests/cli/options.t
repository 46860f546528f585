#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# The command line itself: help, version, what is wrong with it, and where options may stand.
. "${top_srcdir:-.}/tests/cli/lib.sh"

run_rocky --version
is "$status" 0 "--version succeeds"
like "$stdout" '^rocky [0-9]+\.[0-9]+' "--version prints name and version"

run_rocky --help
is "$status" 0 "--help succeeds"
like "$stdout" 'state delete' "--help lists the commands"
like "$stdout" '\-\-state-path FILE' "--help lists the global options"
unlike "$stdout" 'dev faults' "--help leaves out what is for the build"
for later in events dlq; do
    unlike "$stdout" "  $later " "--help does not offer '$later'"
done

run_rocky plan --help
is "$status" 0 "a command's --help succeeds"
like "$stdout" '\-\-expires DURATION' "it lists the command's own options"
run_rocky --help plan
like "$stdout" '\-\-expires DURATION' "--help before the command means the same"

run_rocky
is "$status" 64 "no command is a usage error"
like "$stderr" "needs a command" "and says so"

run_rocky frobnicate
is "$status" 64 "an unknown command is a usage error"
is "$stdout" "" "and prints nothing on standard output"
like "$stderr" "has no command 'frobnicate'" "and is named"

run_rocky discovr
like "$stderr" "did you mean .*discover" "a mistyped command gets a suggestion"

run_rocky state delte
is "$status" 64 "an unknown second word is a usage error"
like "$stderr" "did you mean .*delete" "and gets a suggestion"

run_rocky run --filtr client=acme
is "$status" 64 "an unknown option is a usage error"
like "$stderr" "did you mean '--filter'" "and gets a suggestion"

run_rocky run --output yaml
is "$status" 64 "an unknown output form is a usage error"
like "$stderr" "table\|json" "and names the known ones"

run_rocky apply
is "$status" 64 "a missing argument is a usage error"
run_rocky apply one two
is "$status" 64 "an argument too many is a usage error"
run_rocky run --config
is "$status" 64 "an option without its value is a usage error"
run_rocky demo --rows lots
is "$status" 64 "a figure that is none is a usage error"
like "$stderr" "expected 10000 to" "and the range is named"
mkdir full && touch full/file
run_rocky demo --directory full
is "$status" 64 "the demo refuses a directory that is not empty"

run_rocky frobnicate --output json
is "$status" 64 "with --output json the exit code is the same"
valid "$stdout" output.error "and standard output is one error object"
is_json "$stdout" .error.code usage "whose code is 'usage'"
run_rocky --output=json run --filtr x
valid "$stdout" output.error "also when the option stands first"
run_rocky state -o json --config missing.toml
valid "$stdout" output.error "a missing configuration is an error object"
is "$status" 78 "with exit code 78"
is_json "$stdout" .command state "that names the command"
like "$(printf '%s' "$stdout" | jq -r .error.message)" "missing.toml" "and the file"

make_source fivetran src__acme__us_west__shopify orders 3
write_config
mv rocky.toml other.toml
run_rocky --config other.toml --state-path s.db --output json state
first=$stdout
is "$status" 0 "global options are taken before the command"
run_rocky state --output json --state-path s.db --config other.toml
is "$stdout" "$first" "and after it, and mean the same"
run_rocky --config other.toml state --output=json --state-path=s.db
is "$stdout" "$first" "and on both sides"
run_rocky --config wrong.toml state --config other.toml --state-path s.db --output json
is "$stdout" "$first" "the last one wins"

run_rocky --config other.toml state --namespace '../x'
is "$status" 64 "a namespace that is no valid name is refused"
run_rocky --config other.toml state --pipeline silver
is "$status" 64 "an unknown pipeline is refused"
like "$stderr" "bronze" "and the known one is named"
run_rocky --config other.toml state --state-path ''
is "$status" 64 "an empty --state-path is refused"

"$rocky" --help >/dev/full 2>full.err
is "$?" 1 "a full disk under standard output is a failure"
like "$(cat full.err)" "standard output" "and is told"
timeout 20 "$rocky" dev broker >/dev/full 2>full.err
is "$?" 1 "a broker whose address cannot be written does not serve"
like "$(cat full.err)" "standard output" "and says why"

done_testing
