# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/fault/points.sh
dist_check_SCRIPTS += tests/fault/kill_points.t tests/fault/takeover.t
