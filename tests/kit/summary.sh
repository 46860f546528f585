#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Counts what a `make check` did from its .trs files and names what failed or was skipped.
# usage: summary.sh BUILD_DIR    exit status 1 when something failed

set -euo pipefail

build=$1
passed=0 failed=0 skipped=0
while IFS= read -r trs; do
    while IFS= read -r line; do
        result=${line#:test-result: }
        case $result in
        PASS* | XFAIL*) passed=$((passed + 1)) ;;
        SKIP*)
            skipped=$((skipped + 1))
            printf 'SKIP %s: %s\n' "${trs%.trs}" "${result#SKIP }"
            ;;
        *)
            failed=$((failed + 1))
            printf '%s: %s\n' "$result" "${trs%.trs}.log"
            ;;
        esac
    done < <(grep '^:test-result:' "$trs")
done < <(find "$build" -name '*.trs' | sort)
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
