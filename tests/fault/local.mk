# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/fault/points.sh tests/fault/kill_lib.sh
dist_check_SCRIPTS += tests/fault/remote_kill_points.t tests/fault/random_kills.py \
	tests/fault/kill_points.t tests/fault/takeover.t
