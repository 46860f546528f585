#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Source and target that no longer match: what is added and what is kept, told by where each column
# comes from; what stops a table, with the way on; and a view in a table's place.

. "${top_srcdir:-.}/tests/cli/lib.sh"

src=source/fivetran/src__acme__us__shopify.db
orders=acme_warehouse.staging__us__shopify.orders
make_source fivetran src__acme__us__shopify orders 5
make_source fivetran src__acme__us__shopify refunds 5
write_config
target=$(target_file staging__us__shopify)
run_rocky run
is "$status" 0 'a first run'
reasons() { jq -r --arg t "$orders" \
    '.drift.actions_taken[] | select(.table == $t) | "\(.action): \(.reason)"' <<<"$stdout"; }

# --- columns --------------------------------------------------------------------------------------

sql "$src" 'ALTER TABLE orders ADD COLUMN note TEXT'
sql "$target" 'ALTER TABLE orders ADD COLUMN mine TEXT'
sed -i '/^timestamp_column/a metadata_columns = [{ name = "_by", type = "TEXT", value = "NULL" }]' \
    rocky.toml
cp rocky.toml evolve.toml
sed -i '/^timestamp_column/a on_drift = "fail"' rocky.toml
run_rocky run --output json
is "$status" 1 'on_drift = "fail": the tables stop'
is_json "$stdout" ".errors[] | select(.table == \"$orders\") | .failure_kind, .error" \
    "schema-drift
table '$orders' has drifted: column 'note' is new in the source" 'a column of the source is told'
like "$stdout" "refunds' has drifted: column '_by' is new in metadata_columns" \
    'a column of the configuration is told as one'
run_rocky run
like "$stdout" 'hint: set on_drift = "evolve"' 'with the way on'
cp evolve.toml rocky.toml
run_rocky run --output json
is "$status" 0 'on_drift = "evolve" goes on'
is "$(reasons)" "add_column: column 'note' is new in the source
add_column: column '_by' is new in metadata_columns
keep_column: column 'mine' is in the target only: neither the source nor metadata_columns has it, \
and new rows have NULL there" 'and says of each column where it comes from'

sql "$src" 'ALTER TABLE orders DROP COLUMN amount; ALTER TABLE orders ADD COLUMN amount BLOB'
run_rocky run --output json
is "$status" 2 'a type that does not fit stops its table only'
is_json "$stdout" .errors[0].error \
    "table '$orders' has drifted: column 'amount' is 'BLOB' in the source, 'NUMERIC' in the target" \
    'both types are named'
sed -i '/^timestamp_column/a on_drift = "rebuild"' rocky.toml
run_rocky run
is "$status" 0 'on_drift = "rebuild" copies it whole'

# --- a view ---------------------------------------------------------------------------------------

sql "$target" 'ALTER TABLE orders RENAME TO kept; CREATE VIEW orders AS SELECT * FROM kept'
for command in run 'run --full-refresh'; do
    # shellcheck disable=SC2086 # words
    run_rocky $command --output json
    is "$status" 2 "$command: a view in the table's place stops that table"
    is_json "$stdout" '.errors[] | .failure_kind, .error' "schema-drift
target '$orders' is a view, expected a table that rows can be copied into" 'and is called a view'
done
is "$(sql "$target" "SELECT sql FROM sqlite_schema WHERE type = 'view'")" \
    'CREATE VIEW orders AS SELECT * FROM kept' 'it is left alone'
run_rocky plan --output json
is_json "$stdout" ".tables[] | select(.table == \"$orders\") | .action" refused 'a plan says so, too'
sql "$target" 'DROP VIEW orders'
run_rocky run
is "$status" 0 'as the hint says: once it is gone the table is copied whole'
same_rows "$src" "$target" orders
ok $? 'each row once'
done_testing
