#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Counts what a `make check` did from its .trs files, names what failed or was skipped, and shows
# what the failed tests said.
# usage: summary.sh BUILD_DIR    exit status 1 when something failed

set -euo pipefail

build=$1
passed=0 failed=0 skipped=0
# Each "not ok" of a log with the lines that explain it.
explain() { # LOG
    awk '/^(not ok|Bail out!)/ { left = 12; if (++shown > 10) exit }
         /^ok / { left = 0 }
         left-- > 0 && !/^(PASS|FAIL|ERROR): / { print "    " $0 }' "$1" | cut -c 1-240
}

while IFS= read -r trs; do
    before=$failed
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
    [ "$failed" -eq "$before" ] || [ ! -r "${trs%.trs}.log" ] || explain "${trs%.trs}.log"
done < <(find "$build" -name '*.trs' | sort)
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
