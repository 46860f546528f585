#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154,SC2317 # lib.sh sets status, stdout, stderr and the programs
# rocky demo: the whole story, and nothing left behind when it is interrupted.
. "${top_srcdir:-.}/tests/cli/lib.sh"

export TMPDIR=$work
# left_over DIRECTORY: processes that work there.
left_over() {
    pgrep -f -- "--config $1" || :
}

began=$SECONDS
run_rocky demo --directory show --rows 100000
is "$status" 0 "the demo succeeds"
[ $((SECONDS - began)) -lt 60 ]
ok $? "in less than a minute"
like "$stdout" "First run: everything is copied" "it tells of the first run"
like "$stdout" "killed worker [0-9]+ \(process [0-9]+\) with SIGKILL" "of the worker it killed"
like "$stdout" "two results that are the same in every byte" "of the job delivered twice"
like "$stdout" "rocky state delete" "of the deletion"
like "$stdout" "Everything was seen as promised" "and that all was seen"
unlike "$stdout$stderr" $'\033' "in plain lines in a pipe"
is "$(left_over "$work/show")" "" "no process is left"
same_rows show/source/fivetran/src__globex__us_east__shopify.db \
    show/target/globex_warehouse/staging__us_east__shopify.db orders
ok $? "source and target are the same, says somebody else"

# The commands to continue by hand, as printed.
printf '%s\n' "$stdout" | sed -n '/^Continue by hand/,/^and with/s/^   //p' >by-hand
is "$(wc -l <by-hand)" 5 "it ends with commands to go on with"
while read -r command; do
    run_program bash -c "$command"
    is "$status" 0 "${command##*rocky.toml } works as printed"
done <by-hand
start_broker
ok $? "so does a broker of one's own"
export ROCKY_BROKERS=$brokers
start worker "$rocky_worker" --config show/fleet.toml
run_program "$rocky_producer" --config show/fleet.toml run --namespace acme --wait
is "$status" 0 "with a worker and a job"
kill -TERM "$started" "$broker_pid"
wait "$started"
is "$?" 0 "the worker ends with status 0"
wait "$broker_pid"
is "$?" 0 "and so does the broker"
unset ROCKY_BROKERS

"$rocky" demo --rows 10000 >/dev/full 2>full.err
is "$?" 1 "a story that could not be written is no success"
like "$(cat full.err)" "standard output" "and this is told"

run_rocky demo --rows 10000 --output json
is "$status" 0 "the demo succeeds with fewer rows too"
valid "$stdout" output.demo "its JSON form fits the schema"
is_json "$stdout" '.passed, ([.steps[].passed] | all)' $'true\ntrue' "every step passed"
directory=$(printf '%s' "$stdout" | jq -r .directory)
like "$directory" "^$work/rocky-demo\." "it works in a temporary directory"

start demo "$rocky" demo --directory stopped --rows 10000
wait_for 30 grep -q "by worker" "$work/demo.out"
stop INT
is "$status" 130 "an interrupted demo ends with 130"
is "$(left_over "$work/stopped")" "" "and leaves no process"

start demo "$rocky" demo --directory killed --rows 10000
wait_for 30 grep -q "by worker" "$work/demo.out"
stop KILL
none_left() { [ -z "$(left_over "$work/killed")" ]; }
wait_for 30 none_left
ok $? "a killed demo leaves no process either"

done_testing
