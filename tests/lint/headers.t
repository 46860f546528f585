#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every header of ours compiles alone, and carries the guard that its path says.

set -euo pipefail
source=$(cd "${top_srcdir:-.}" && pwd)
build=${top_builddir:-$source}
read -ra flags < <(pkg-config --cflags jansson sqlite3 rdkafka check)

compiles() { # HEADER
    printf '#include <config.h>\n#include "%s"\n' "$1" |
        "${CC:-gcc}" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror "${flags[@]}" -I"$source" \
            -I"$build" -xc -fsyntax-only - 2>&1
}

mapfile -t headers < <(cd "$source" &&
    find common schemas state engine transport worker producer cli tests -name '*.h' | sort)
echo "1..${#headers[@]}"
number=0
for header in "${headers[@]}"; do
    number=$((number + 1))
    guard=RKY_$(tr 'a-z/.' 'A-Z__' <<<"$header")
    if ! grep -q "^#define $guard\$" "$source/$header"; then
        echo "not ok $number - $header: the guard should be $guard"
    elif ! problem=$(compiles "$header"); then
        echo "not ok $number - $header compiles alone"
        head -n 5 <<<"$problem" | while IFS= read -r line; do echo "# $line"; done
    else
        echo "ok $number - $header compiles alone"
    fi
done
