# SPDX-License-Identifier: Apache-2.0
# The guard of remote services, and what follows from how a transfer ended.
check_PROGRAMS += tests/unit/test_breaker tests/unit/test_guard
tests_unit_test_breaker_SOURCES = tests/unit/test_breaker.c
tests_unit_test_breaker_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_breaker_LDADD = $(TEST_LIBS) $(COMMON_LIBS)
tests_unit_test_guard_SOURCES = tests/unit/test_guard.c tests/unit/guard_limits.c \
	tests/unit/guard_kit.c tests/unit/guard_kit.h
tests_unit_test_guard_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_guard_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_outcome
tests_unit_test_outcome_SOURCES = tests/unit/test_outcome.c
tests_unit_test_outcome_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_outcome_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/unit/test_remote_guarded
tests_unit_test_remote_guarded_SOURCES = tests/unit/test_remote_guarded.c \
	tests/unit/guarded_ends.c tests/unit/guarded_kit.c tests/unit/guarded_kit.h
tests_unit_test_remote_guarded_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_remote_guarded_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/unit/test_remote_tiered
tests_unit_test_remote_tiered_SOURCES = tests/unit/test_remote_tiered.c
tests_unit_test_remote_tiered_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_remote_tiered_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/unit/test_fault_table
tests_unit_test_fault_table_SOURCES = tests/unit/test_fault_table.c
tests_unit_test_fault_table_CPPFLAGS = $(TEST_CPPFLAGS) $(CURL_CFLAGS)
tests_unit_test_fault_table_LDADD = $(TEST_LIBS) $(STATE_LIBS)
