#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The README keeps its word: exactly two commands on its first screen, every command of the tutorial
# runs, and does what the text between says.

. "${top_srcdir:-.}/tests/cli/lib.sh"

readme=$top_srcdir/README.md
blocks() { # the code between ```sh and ```, all of it
    awk '/^```sh$/ {on = 1; next} /^```$/ {on = 0} on' "$readme"
}

first=$(awk '/^```sh$/ {on = 1; next} /^```$/ {if (on) exit} on' "$readme")
is "$first" $'./bootstrap --demo\n./bootstrap --check' 'the first screen has exactly two commands'

command -v sqlite3 >/dev/null || skip_all 'sqlite3 is not installed (./bootstrap --test-deps)'
{
    echo 'set -euo pipefail'
    blocks | sed -e '1,2d' \
        -e "s|\\\$PWD/build/|$top_builddir/|g" \
        -e "s|/tmp/rocky-tutorial|$work/tutorial|g"
} >tutorial.sh
run_program timeout 120 bash tutorial.sh
is "$status" 0 'every command of the tutorial succeeds'
target=tutorial/warehouse/acme_warehouse/staging__us_west__shopify.db
is "$(sql "$target" 'SELECT count(*), count(DISTINCT id) FROM orders')" '7|7' \
    'each of the seven rows is in the target once'
same_rows tutorial/source/fivetran/src__acme__us_west__shopify.db "$target" orders
ok $? 'and whole'
like "$stdout" 'full_refresh +5 ' 'the plan was applied: five rows'
like "$stdout" 'incremental +2 ' 'the increment was two rows'
like "$stdout" 'full_refresh +7 ' 'after state delete the table was copied whole'
like "$stderr$stdout" 'job finished|status=success' 'the worker finished the job from the broker'
while IFS= read -r line; do
    run_program grep -rqF -- "$line" "$top_srcdir/cli"
    ok "$status" "the demo really says: $line"
done < <(awk '/^```text$/ {on = 1; next} /^```$/ {on = 0} on' "$readme" |
    sed -nE 's/^[0-9]\. (.*)$/\1/p')
done_testing
