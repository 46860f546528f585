# SPDX-License-Identifier: Apache-2.0
dist_check_SCRIPTS += tests/fault/kill_points.t tests/fault/takeover.t
