#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A remote state that is whole on the outside and wrong inside: refused, kept for inspection, never
# overwritten, never trusted, and told with what helps: a good version is brought back.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
make_orders acme 50
write_pod 1 s3
run_on 1
is "$status" 0 'the first run leaves a state'

address="$s3_endpoint/_admin/object?bucket=rocky&key=rocky/state/acme.db"
curl -sS "$address" -o good.snap

# refused NAME WORD FORGERY...: on a pod with an empty disk.
refused() {
    local name=$1 word=$2 kept
    shift 2
    python3 -B "$top_srcdir/tests/kit/snapshot_forge.py" good.snap bad.snap "$@"
    ok $? "$name: is forged"
    curl -sS -X PUT --data-binary @bad.snap "$address" >/dev/null
    rm -rf state-pod1
    add_orders acme 3
    run_on 1
    is "$status" 78 "$name: the run ends as with a state file that cannot be used"
    is_json "$stdout" '.state.download | [.outcome, .error_class] | join(" ")' 'error corrupt' \
        "$name: the download says so"
    like "$stderr" "rocky: snapshot is corrupt: its content: .*$word" "$name: and what is wrong"
    unlike "$(jq -r '.error.message + .error.hint' <<<"$stdout")" "$PWD" \
        "$name: without the name of a file that nobody will find"
    like "$(jq -r .error.hint <<<"$stdout")" 'rocky state restore' "$name: and what helps"
    kept=(state-pod1/acme.refused/*.snap)
    cmp -s "${kept[0]}" bad.snap
    ok $? "$name: its bytes are kept for inspection"
    is "$(grep -c 'kept for inspection' <<<"$stderr")" 1 "$name: which is told once"
    curl -sS "$address" | cmp -s bad.snap
    ok $? "$name: and not overwritten"
}

refused 'a trigger' 'schema' sql \
    'CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM watermarks; END'
refused 'another schema' 'schema' sql 'DROP TABLE jobs'
refused 'the head of another version' 'generation 99' head '{"generation": 99}'
refused 'the head of another fence' 'generation 1 as its head says' head '{"fence": 99}'

# A newer program's state is no broken one: nothing is kept aside, and who gave the command gets an
# answer like after any other failed run.
python3 -B "$top_srcdir/tests/kit/snapshot_forge.py" good.snap newer.snap head \
    '{"schema_version": 99, "min_reader_version": 99}'
curl -sS -X PUT --data-binary @newer.snap "$address" >/dev/null
rm -rf state-pod1
run_on 1
is "$status" 78 'a state of a newer program: the run ends as with one that cannot be used'
valid "$stdout" output.run 'with a result that fits the schema'
is_json "$stdout" '.status, .tables_copied, .errors[0].failure_kind, .errors[0].error_class' \
    $'failed\n0\nstate-sync\nschema_newer' 'which says failed, and why'
is_json "$stdout" '.state.download | [.outcome, .error_class] | join(" ")' 'error schema_newer' \
    'and what the download met'
curl -sS "$address" | cmp -s newer.snap
ok $? 'and the newer state is left alone'
curl -sS -X PUT --data-binary @bad.snap "$address" >/dev/null

on_pod 1 state --namespace acme
is "$status" 78 'a look at the state tells the same'
unlike "$stderr" 'kept for inspection' 'and promises no file in a place that it removes'
on_pod 1 state restore --generation 1 --namespace acme
is "$status" 64 'bringing a good version back replaces what is there: only when that is meant'
curl -sS "$address" | cmp -s bad.snap
ok $? 'nothing was done'
on_pod 1 state restore --generation 1 --yes --namespace acme --output json
is "$status" 0 'a good version is brought back'
is_json "$stdout" '[.restored_from, .generation] | join(" ")' '1 2' 'as the next generation'
run_on 1
is_json "$stdout" '[.status, .rows_copied, .materializations[0].action] | join(" ")' \
    'success 12 incremental' 'and the next run goes on from there'
rows_once acme 'with every row once'
on_pod 1 history --namespace acme --output json
is_json "$stdout" '.runs | length' 2 'and with its history'

on_pod 1 state export --file kept.snap --namespace acme
python3 -B "$top_srcdir/tests/kit/snapshot_forge.py" kept.snap bad.snap sql 'DROP TABLE plans'
curl -sS -X PUT --data-binary @bad.snap "$address" >/dev/null
rm -rf state-pod1
on_pod 1 state import --file kept.snap --yes --namespace acme
is "$status" 0 'an exported state comes in place of a corrupt one'
run_on 1
is_json "$stdout" '[.status, .rows_copied, .materializations[0].action] | join(" ")' \
    'success 0 incremental' 'and the next run goes on from there'

# Somebody copied another namespace's state over this one's.
make_orders globex 5
on_pod 1 run --namespace globex
curl -sS "${address/acme/globex}" -o globex.snap
on_pod 1 state export --file kept.snap --namespace acme
curl -sS -X PUT --data-binary @globex.snap "$address" >/dev/null
rm -rf state-pod1
run_on 1
is "$status" 78 "another namespace's state is refused"
is_json "$stdout" '.errors[0].error_class' wrong_namespace 'as what it is'
like "$(jq -r .error.hint <<<"$stdout")" 'rocky state restore' 'and what helps is told'
on_pod 1 state import --file globex.snap --yes --namespace acme
is "$status" 78 'it is not imported here, either'
on_pod 1 state import --file kept.snap --yes --namespace acme --output json
is "$status" 0 "this namespace's own comes in its place"
add_orders acme 3
run_on 1
is_json "$stdout" '.status, .rows_copied, .materializations[0].action' $'success\n3\nincremental' \
    'and the next run goes on from there'
rows_once acme 'with every row once'
done_testing
