#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# The manual pages: what the tables say is what they say, they render without a warning, and their
# exit codes are those of the one table.
. "${top_srcdir:-.}/tests/cli/lib.sh"

pages=$top_srcdir/docs/man

run_program bash "$pages/refresh" --check "$rocky"
is "$status" 0 "the generated parts are up to date (else: docs/man/refresh cli/rocky)"

for page in rocky.1 rocky-worker.1 rocky-producer.1 rocky.toml.5 rocky-messages.7; do
    if command -v man >/dev/null; then
        warnings=$(MANWIDTH=80 man --warnings -E UTF-8 -l "$pages/$page" 2>&1 >/dev/null)
        is "$warnings" "" "man renders $page without a warning"
    else
        ok 0 "man renders $page without a warning # SKIP man is not installed (apt install man-db)"
    fi
    if command -v groff >/dev/null; then
        warnings=$(groff -ww -man -t -Tutf8 -Z "$pages/$page" 2>&1 >/dev/null)
        is "$warnings" "" "groff -ww has nothing to say about $page"
    else
        ok 0 "groff has nothing to say about $page # SKIP groff is not installed"
    fi
done

codes=$(sed -n 's/^ *RKY_EXIT_[A-Z_]* = \([0-9]*\),/\1/p' "$top_srcdir/common/exitcode.h" | sort -n)
documented=$(for program in rocky rocky-worker rocky-producer; do
    "$rocky" dev man "$program" | sed -n '/^\.SH EXIT STATUS/,$s/^\.B \([0-9]*\)$/\1/p'
done | sort -nu)
is "$documented" "$codes" "every exit code is in a table"

"$rocky" --help | sed -n 's/^ *\(-[a-zA-Z], \)\? *--\([a-z-]*\).*/\2/p' >help.options
while read -r option; do
    grep -qF -- "\-\-${option//-/\\-}" "$pages/rocky.1"
    ok $? "rocky.1 has --$option"
done <help.options

done_testing
