#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A table that fails never stops the others and never costs them their watermark: no cursor column,
# a target file that somebody else holds, a source that is gone. And row counts that are not what
# the history lets expect are flagged by the product document's default checks.

. "${top_srcdir:-.}/tests/cli/lib.sh"

shopify=source/fivetran/src__acme__us__shopify.db
stripe=source/fivetran/src__acme__eu__stripe.db
make_source fivetran src__acme__us__shopify orders 100
make_source fivetran src__acme__us__shopify refunds 100
make_source fivetran src__acme__eu__stripe charges 100
write_config '[pipeline.bronze.execution]' 'lock_timeout_seconds = 1' \
    '[pipeline.bronze.checks]' 'enabled = true' 'row_count = true'

# --- isolation ------------------------------------------------------------------------------------

sql "$shopify" 'CREATE TABLE plain (id INTEGER, name TEXT); INSERT INTO plain VALUES (1, 2);'
run_rocky run --output json
is "$status" 2 'a table without the cursor: partial, exit 2'
is_json "$stdout" .status partial 'the status says partial'
is_json "$stdout" '.tables_copied, .tables_failed' $'3\n1' 'three tables finished, one failed'
is_json "$stdout" '.errors[0] | .table, .failure_kind' \
    $'acme_warehouse.staging__us__shopify.plain\nconfig' 'the error names the table'
sql "$shopify" 'DROP TABLE plain'

add_rows fivetran src__acme__us__shopify orders 7
add_rows fivetran src__acme__eu__stripe charges 7
hold() { # FILE: nobody else may read or write it until `stop TERM`
    rm -f holder.out
    start holder python3 -c 'import signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA locking_mode = EXCLUSIVE")
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
signal.pause()' "$1"
    wait_for 30 grep -q held holder.out
}

hold "$(target_file staging__eu__stripe)"
run_rocky run --output json
is "$status" 2 'a target that somebody holds: partial, exit 2'
is_json "$stdout" '.errors[] | .table, .failure_kind' \
    $'acme_warehouse.staging__eu__stripe.charges\nlocked' 'its table failed as locked'
is_json "$stdout" '[.materializations[] | .rows_copied] | add' 7 'the other schema went on'
run_rocky run --filter connector=stripe --output json
is "$status" 1 'nothing but held tables: failed, exit 1'
is_json "$stdout" '.status, (.errors | length), .errors[0].failure_kind' $'failed\n1\nlocked' \
    'and each table says so once'
stop TERM
run_rocky run --output json
is "$status" 0 'when it is free again the rest is copied'
is_json "$stdout" .rows_copied 7 'and only the rest'
same_rows "$stripe" "$(target_file staging__eu__stripe)" charges
ok $? 'each row once'

# A source is waited for as long as a target, already where it is discovered.
add_rows fivetran src__acme__us__shopify orders 2
hold "$stripe"
begin=$SECONDS
run_rocky run --output json
[ $((SECONDS - begin)) -le 3 ]
ok $? 'a source that somebody holds is waited for as configured'
is "$status" 2 'and then the run is partial, exit 2'
is_json "$stdout" '.errors[] | .table, .failure_kind' \
    $'acme_warehouse.staging__eu__stripe."*"\nlocked' 'all its tables failed as locked'
is_json "$stdout" .rows_copied 2 'the other source was copied'
sed -i 's/^lock_timeout_seconds = 1/lock_timeout_seconds = 60/' rocky.toml
holder=$started
start waiting "$rocky" run --output json
at_source() { find "/proc/$started/fd" -lname '*src__acme__eu__stripe.db' | grep -q .; }
wait_for 30 at_source
begin=$SECONDS
stop TERM
[ $((SECONDS - begin)) -le 5 ]
ok $? 'a signal ends the waiting'
is "$status" 130 'as an interrupted run'
started=$holder
stop TERM
sed -i 's/^lock_timeout_seconds = 60/lock_timeout_seconds = 1/' rocky.toml

mv "$stripe" away.db
add_rows fivetran src__acme__us__shopify orders 3
run_rocky run --output json
is "$status" 2 'a source file that is gone: partial, exit 2'
is_json "$stdout" '.errors[] | .table, .failure_kind' \
    $'acme_warehouse.staging__eu__stripe.charges\nsource-missing' 'its table says source-missing'
is_json "$stdout" .rows_copied 3 'the others are copied'
printf 'this is no database %.0s' {1..100} >"$stripe"
run_rocky run --output json
is "$status" 2 'a source file that is no database: partial, exit 2'
is_json "$stdout" '.errors[] | .failure_kind, .transient' $'query-rejected\nfalse' \
    'which does not pass by itself'
mv away.db "$stripe"
run_rocky run --output json
is "$status" 0 'it goes on when the source is back'

# Root may read everything, so somebody else looks; the program may lie where he may not go.
nobody=(env)
[ "$(id -u)" -ne 0 ] || nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
cp "$rocky" rocky-copy
chmod 755 "$work" rocky-copy
chmod -R a+rwX source target .rocky-state
chmod 000 "$stripe"
run_program "${nobody[@]}" ./rocky-copy run --output json
chmod 644 "$stripe"
is "$status" 2 'a source that may not be read fails, the others go on'
is_json "$stdout" '.errors[0] | .failure_kind, .transient' $'auth-failed\nfalse' \
    'which no later attempt will change'
like "$(jq -r '.errors[0].error' <<<"$stdout")" 'permission denied' 'and the reason is told'

# --- anomalies ------------------------------------------------------------------------------------

kinds=()
anomalies() { jq -r '[.anomalies[] | select(.table | endswith("." + $t)) | .kind] | sort | join(",")' \
    --arg t "$1" <<<"$stdout"; }

is "$(anomalies refunds)" '' 'a steady table is never flagged'
sql "$shopify" 'DELETE FROM refunds'
run_rocky run --output json
is "$(anomalies refunds)" drop,shrunk 'a truncated source is flagged on the first run that sees it'
is "$status" 0 'an anomaly warns'
sql "$stripe" "INSERT INTO charges (name, amount, _fivetran_synced)
    SELECT name, amount, '2027-01-01T00:00:00Z' FROM charges"
run_rocky run --output json
is "$(anomalies charges)" spike 'a doubled source is flagged on the first run that sees it'
make_source fivetran src__acme__us__shopify grown 40
for step in 4 4 0 0 0; do
    add_rows fivetran src__acme__us__shopify grown "$step"
    run_rocky run --output json
    kinds+=("$(anomalies grown)")
done
is "${kinds[*]}" '    flat' 'a stalled source is flat by its third unchanged run'
run_rocky history --output json
like "$stdout" '"kind": *"flat"' 'history shows it'
sed -i 's/^row_count = true/&\nanomaly_threshold_pct = 0/' rocky.toml
run_rocky run --output json
is_json "$stdout" '.anomalies | length' 0 'a threshold of 0 disables'
done_testing
