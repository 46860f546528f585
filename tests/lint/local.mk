# SPDX-License-Identifier: Apache-2.0
# Rules of the tree that a script can check.
dist_check_SCRIPTS += tests/lint/layers.t tests/lint/headers.t tests/lint/tree.t tests/lint/shell.t
EXTRA_DIST += tests/lint/format.sh tests/fresh/fresh-check.sh
