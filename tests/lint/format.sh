#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Whether every C source is formatted as .clang-format says. Names the files that are not.

set -euo pipefail
cd "$(dirname "$0")/../.."
find common schemas state engine transport worker producer cli tests \
    \( -name '*.[ch]' -o -name '*.cpp' \) -print0 | xargs -0 clang-format --dry-run -Werror
