# SPDX-License-Identifier: Apache-2.0
# The remote seam: one suite, run against each driver.
REMOTE_SUITE = tests/conformance/remote_suite.c tests/conformance/remote_suite.h

check_PROGRAMS += tests/conformance/test_remote_memory
tests_conformance_test_remote_memory_SOURCES = tests/conformance/test_remote_memory.c \
	$(REMOTE_SUITE)
tests_conformance_test_remote_memory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_remote_memory_LDADD = $(TEST_LIBS) $(STATE_LIBS)
