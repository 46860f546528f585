#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every shell script passes shellcheck.

set -euo pipefail
cd "${top_srcdir:-.}"

if ! command -v shellcheck >/dev/null; then
    echo '1..0 # SKIP shellcheck is not installed (./bootstrap --test-deps)'
    exit 0
fi
mapfile -t scripts < <(
    printf 'bootstrap\n'
    [ -e .ci/run ] && printf '.ci/run\n'
    find tests contrib docs \( -name '*.sh' -o -name '*.t' \) | sort
)
echo "1..${#scripts[@]}"
number=0
for script in "${scripts[@]}"; do
    number=$((number + 1))
    if problem=$(shellcheck -x -P SCRIPTDIR -f gcc "$script" 2>&1); then
        echo "ok $number - $script"
    else
        echo "not ok $number - $script"
        while IFS= read -r line; do echo "# $line"; done <<<"$problem"
    fi
done
