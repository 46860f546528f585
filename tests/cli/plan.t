#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky plan and apply, as the product document uses them, and every plan that is refused.
. "${top_srcdir:-.}/tests/cli/lib.sh"

PATH=$(dirname "$rocky"):$PATH
src=source/fivetran/src__acme__us_west__shopify.db
make_source fivetran src__acme__us_west__shopify orders 200
make_source fivetran src__acme__us_west__shopify customers 20
write_config
sed -i '/^timestamp_column/a metadata_columns = [ { name = "_loaded_by", type = "TEXT", value = "NULL" } ]' rocky.toml
target=$(target_file staging__us_west__shopify)

# The product document's lines.
plan_id=$(rocky --config rocky.toml --state-path s.db plan --output json | jq -r .plan_id); rocky --state-path s.db apply "$plan_id" >apply.out 2>apply.err
status=$? stdout=$(cat apply.out) stderr=$(cat apply.err)
is "$status" 0 "plan and apply work as the product document has them"
like "$plan_id" '^[0-9a-f]{64}$' "the plan id is 64 hexadecimal digits"
same_rows "$src" "$target" orders
ok $? "every row of orders arrived once"
same_rows "$src" "$target" customers
ok $? "every row of customers arrived once"
like "$stdout" "full_refresh" "apply shows the action"
like "$stdout" "220 rows" "and the sum"
test -e s.db
ok $? "--state-path is where the state is"
is "$(find . -name 'bronze.db')" "" "and nowhere else"

add_rows fivetran src__acme__us_west__shopify orders 30
run_rocky --state-path s.db plan --output json
is "$status" 0 "a second plan succeeds"
valid "$stdout" output.plan "and fits the schema"
plan=$(printf '%s' "$stdout" | jq -r .plan_id)
is_json "$stdout" '.tables[] | select(.table | endswith(".orders")) | .action, .estimated_rows' \
    $'incremental\n30' "the plan is incremental and knows the rows"
sql_text=$(printf '%s' "$stdout" | jq -r '.statements[] | select(.target | endswith(".orders")) | .sql')
like "$sql_text" 'SELECT .*CAST\(NULL AS TEXT\) AS "?_loaded_by' "the SQL has the metadata column"
like "$sql_text" "_fivetran_synced\"? > '2026-01-01T00:00:19Z'" "and the watermark as a literal"

before=$(sha256sum <"$target")
run_rocky --state-path s.db plan
is "$status" 0 "the table form succeeds"
like "$stdout" "action: incremental" "it shows the action"
like "$stdout" "window: after 2026-01-01T00:00:19Z, through" "and the window"
like "$stdout" "rows: about 30" "and the rows"
like "$stdout" "sql, " "and the SQL"
like "$stdout" "apply it with: rocky --state-path s.db apply $plan" "and how to apply it"
is "$(printf '%s\n' "$stdout" | tail -n 1)" "plan_id: $plan" "the same plan has the same id, last"
is "$(sha256sum <"$target")" "$before" "planning writes nothing to the target"

run_rocky --state-path s.db apply "$plan" --output json
is "$status" 0 "it applies"
valid "$stdout" output.run "and its result fits the schema"
is_json "$stdout" '.command, .status, .rows_copied, .plan_id' "apply"$'\n'"success"$'\n'"30"$'\n'"$plan" \
    "with command, status, rows and plan"
same_rows "$src" "$target" orders
ok $? "exactly the new rows were copied"

run_rocky --state-path s.db apply "$plan"
is "$status" 4 "a plan that is applied already is refused"
like "$stderr" "applied" "and says so"
run_rocky --state-path s.db apply "$plan" --output json
is "$status" 4 "with --output json too"
like "$(printf '%s' "$stdout" | jq -r .error.code)" "refused" "and an error object"

# refused TEXT NAME [EXIT]: the plan in $plan is refused, and nothing changes.
refused() {
    local before
    before=$(sha256sum <"$target")
    run_rocky --state-path s.db apply "$plan"
    is "$status" 4 "a plan $2 is refused"
    like "$stderr$stdout" "$1" "and the message says why"
    is "$(sha256sum <"$target")" "$before" "and the target is as before, byte for byte"
}
new_plan() {
    run_rocky --state-path s.db plan "$@" --output json
    plan=$(printf '%s' "$stdout" | jq -r .plan_id)
}

plan=null
refused "unknown" "with no id at all"
plan=$(printf '%064d' 7)
refused "not known" "that nobody made"

add_rows fivetran src__acme__us_west__shopify orders 10
new_plan --expires 1s
wait_for 5 bash -c "[ \$(date +%s) -gt $(($(date +%s) + 1)) ]"
refused "expired" "that is expired"

new_plan
run_rocky --state-path s.db run
refused "run|changed|watermark|commit" "from before another run"

add_rows fivetran src__acme__us_west__shopify orders 10
new_plan
sql "$src" 'ALTER TABLE orders ADD COLUMN city TEXT'
refused "orders" "whose source gained a column"

make_source fivetran src__acme__eu__stripe charges 5
run_rocky --state-path s.db run
new_plan
mv source/fivetran/src__acme__eu__stripe.db away.db
refused "no longer fits: table '[^']*charges': its source is gone" "whose source is gone"
unlike "$stderr" ";|columns|committed" "and only that is given as the reason"
printf 'this is no database %.0s' {1..100} >source/fivetran/src__acme__eu__stripe.db
refused "source 'fivetran.src__acme__eu__stripe' cannot be read" "whose source cannot be read"
unlike "$stderr" "is gone|is new" "and nothing is said to be gone or new"
rm source/fivetran/src__acme__eu__stripe.db
run_rocky --state-path s.db state delete --table acme_warehouse.staging__eu__stripe.charges

new_plan
sed -i 's/boundary.*//; /^timestamp_column/a boundary = "strict"' rocky.toml
refused "config" "whose configuration changed"

new_plan
sql s.db "UPDATE plans SET payload = replace(payload, 'incremental', 'full_refresh')"
refused "tampered|does not match|changed" "that was tampered with"

run_rocky --state-path s.db plan --expires soon
is "$status" 64 "an expiry that is no duration is a usage error"
run_rocky --state-path s.db plan --expires 31d
is "$status" 64 "so is one beyond the longest that a job may ask for"
like "$stderr" "'31d': expected at most 30d" "which is named"
run_rocky --state-path s.db plan --expires 30d --output json
valid "$stdout" output.plan "the longest one is taken"
run_rocky --state-path s.db plan --filter nobody=acme
is "$status" 64 "an unknown filter component is a usage error"
like "$stderr" "client" "and the known ones are named"

run_rocky --state-path s.db plan --filter client=nobody
is "$status" 0 "a filter that no table matches is no error"
like "$stdout" "warning: the filter leaves no table" "but is told of"

new_plan --full-refresh
is_json "$stdout" '[.tables[].action] | unique | join(" ")' full_refresh "--full-refresh plans exactly that"

done_testing
