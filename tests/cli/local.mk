# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/cli/lib.sh
dist_check_SCRIPTS += tests/cli/options.t tests/cli/validate.t tests/cli/discover.t \
	tests/cli/plan.t tests/cli/run.t tests/cli/state.t tests/cli/statefile.t \
	tests/cli/history.t tests/cli/man.t tests/cli/completion.t tests/cli/demo.t
