# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/test_ledger
tests_unit_test_ledger_SOURCES = tests/unit/test_ledger.c \
	tests/unit/test_ledger_kit.c tests/unit/test_ledger_kit.h
tests_unit_test_ledger_CPPFLAGS = $(TEST_CPPFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_ledger_LDADD = $(TEST_LIBS) $(STATE_LIBS)
