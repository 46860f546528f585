# SPDX-License-Identifier: Apache-2.0

check_PROGRAMS += tests/unit/test_error
tests_unit_test_error_SOURCES = tests/unit/test_error.c
tests_unit_test_error_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_error_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_clock
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_clock_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_mem
tests_unit_test_mem_SOURCES = tests/unit/test_mem.c
tests_unit_test_mem_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_mem_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_ids
tests_unit_test_ids_SOURCES = tests/unit/test_ids.c
tests_unit_test_ids_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_ids_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_text
tests_unit_test_text_SOURCES = tests/unit/test_text.c
tests_unit_test_text_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_text_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_log_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_fsutil
tests_unit_test_fsutil_SOURCES = tests/unit/test_fsutil.c
tests_unit_test_fsutil_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_fsutil_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_option
tests_unit_test_option_SOURCES = tests/unit/test_option.c tests/unit/option_tables.h
tests_unit_test_option_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_option_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_option_text
tests_unit_test_option_text_SOURCES = tests/unit/test_option_text.c tests/unit/option_tables.h
tests_unit_test_option_text_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_option_text_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_fault
tests_unit_test_fault_SOURCES = tests/unit/test_fault.c
tests_unit_test_fault_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_fault_LDADD = $(TEST_LIBS) $(COMMON_LIBS)
