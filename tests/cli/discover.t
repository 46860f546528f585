#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# rocky discover: sources, targets, components, cursors, and what is left out.
. "${top_srcdir:-.}/tests/cli/lib.sh"

make_source fivetran src__acme__us_west__shopify orders 30
make_source fivetran src__acme__us_west__eu__netsuite invoices 5
make_source fivetran src__globex__eu__stripe charges 0
make_source fivetran src__short orders 1
make_source fivetran other__acme__eu__x orders 1
sql source/fivetran/src__acme__us_west__shopify.db \
    'CREATE VIEW recent AS SELECT * FROM orders; CREATE TABLE nocursor (id INTEGER);
     DROP INDEX orders_synced;'
write_config

run_rocky discover
is "$status" 0 "discover succeeds"
like "$stdout" "acme_warehouse.staging__us_west__shopify.orders" "it shows the target name"
like "$stdout" "client=acme, regions=us_west, eu, connector=netsuite" "and the components"
like "$stdout" "left out: .*recent" "and what is left out"
like "$stdout" "_fivetran_synced text, no index" "and a cursor without an index"
like "$stdout" "_fivetran_synced text, indexed" "and one with"
unlike "$stdout" "other__acme" "another prefix is none of its business"

run_rocky discover --output json
is "$status" 0 "the JSON form succeeds"
valid "$stdout" output.discover "and fits the schema"
is_json "$stdout" '[.sources[].schema] | join(" ")' \
    "src__acme__us_west__eu__netsuite src__acme__us_west__shopify src__globex__eu__stripe" \
    "with the sources in order"
is_json "$stdout" '.sources[0].components | [.client, (.regions | join("+")), .connector] | join(" ")' \
    "acme us_west+eu netsuite" "a variadic component is an array"
is_json "$stdout" '.sources[1].tables[] | select(.name == "orders") |
    [.target, .cursor, .cursor_type, .cursor_indexed, .estimated_rows] | map(tostring) | join(" ")' \
    "acme_warehouse.staging__us_west__shopify.orders _fivetran_synced text false 30" \
    "a table has target, cursor and rows"
is_json "$stdout" '.sources[1].tables[] | select(.name == "nocursor") | .cursor' null \
    "a table without the cursor says so"
is_json "$stdout" '.sources[2].tables[0] | .cursor_type, .estimated_rows' $'null\n0' \
    "an empty table has no cursor type"
is_json "$stdout" '[.excluded[].name] | map(select(test("src__short"))) | length' 1 \
    "a schema with too few segments is listed as left out"

run_rocky discover --filter client=globex --output json
is_json "$stdout" '[.sources[].schema] | join(" ")' "src__globex__eu__stripe" "--filter narrows"
run_rocky discover --filter regions=eu --filter client=acme --output json
is_json "$stdout" '[.sources[].schema] | join(" ")' "src__acme__us_west__eu__netsuite" \
    "twice narrows further, a variadic component by what it holds"
run_rocky discover --filter customer=acme
is "$status" 64 "an unknown component is a usage error"
like "$stderr" "client" "and the known ones are named"
run_rocky discover --filter client
is "$status" 64 "a filter without a value is a usage error"

printf 'this is no database %.0s' {1..100} >source/fivetran/src__acme__eu__text.db
run_rocky discover --output json
is "$status" 0 "a source that is no database stops none"
is_json "$stdout" '.excluded[] | select(.reason | contains("not a SQLite database")) | .name' \
    "fivetran.src__acme__eu__text" "and is listed with its catalog, as all that is left out"
rm source/fivetran/src__acme__eu__text.db

make_source fivetran src__acme__us_west____shopify orders 1
sed -i 's/{client}_warehouse/all/; s/staging__{regions}__{connector}/{connector}/' rocky.toml
make_source fivetran src__globex__us_west__shopify orders 1
run_rocky discover --output json
is "$status" 78 "two sources on one target are a configuration error"
like "$stderr" "src__acme__us_west__shopify.*src__globex__us_west__shopify" "and both are named"

is "$(find . -path ./source -prune -o -name '*.db' -print)" "" "discover writes nothing"

rm -r source
run_rocky discover
is "$status" 1 "a source that is gone is a failure"
like "$stderr" "source" "and is named"

done_testing
