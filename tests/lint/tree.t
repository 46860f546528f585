#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every source says its licence, starts with config.h, and uses no function that cannot be used
# safely.

set -euo pipefail
cd "${top_srcdir:-.}"

folders='common schemas state engine transport worker producer cli tests docs contrib'
verdict() { # NUMBER NAME FINDINGS
    if [ -z "$3" ]; then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        while IFS= read -r line; do echo "# $line"; done <<<"$3"
    fi
}

echo 1..4
# shellcheck disable=SC2086 # folders are words
verdict 1 'every source has an SPDX line among its first lines' "$(
    find $folders \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.sh' -o -name '*.t' -o -name '*.py' \
        -o -name '*.mk' -o -name '*.sql' \) ! -path '*/corpus/*' | sort | while IFS= read -r file; do
        head -n 5 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
    done
)"
# shellcheck disable=SC2086
verdict 2 'every C file includes config.h first' "$(
    find $folders -name '*.c' | sort | while IFS= read -r file; do
        first=$(grep -m1 '^#include' "$file" || true)
        [[ $first == '#include "config.h"' || $first == '#include <config.h>' ]] || echo "$file: ${first:-no include}"
    done
)"
# shellcheck disable=SC2086
verdict 3 'no banned function is called' "$(
    find $folders -name '*.[ch]' | sort | xargs grep -nE \
        '(^|[^_[:alnum:]])(strcpy|strcat|sprintf|vsprintf|strtok|gets|gmtime|localtime|atoi|atol|tmpnam|mktemp)[[:space:]]*\(' |
        grep -vE '^\S+:[0-9]+:\s*\*' || true
)"
# shellcheck disable=SC2086
verdict 4 'no file is longer than 600 lines' "$(
    find $folders -name '*.[ch]' | sort | while IFS= read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || echo "$file: $lines lines"
    done
)"
