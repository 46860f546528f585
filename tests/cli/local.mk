# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/cli/lib.sh tests/cli/remote.sh
dist_check_SCRIPTS += tests/cli/options.t tests/cli/validate.t tests/cli/discover.t \
	tests/cli/plan.t tests/cli/run.t tests/cli/state.t tests/cli/statefile.t \
	tests/cli/history.t tests/cli/isolation.t tests/cli/drift.t tests/cli/man.t \
	tests/cli/completion.t tests/cli/demo.t tests/cli/doctor.t tests/cli/state_repair.t \
	tests/cli/state_remote.t

if HAVE_CHECK
check_PROGRAMS += tests/cli/test_text
tests_cli_test_text_SOURCES = tests/cli/test_text.c cli/text.c
tests_cli_test_text_CPPFLAGS = $(TEST_CPPFLAGS)
tests_cli_test_text_LDADD = $(TEST_LIBS) $(COMMON_LIBS)
endif
