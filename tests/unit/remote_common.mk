# SPDX-License-Identifier: Apache-2.0
# What remote services are reached with: HTTP, AWS signatures, credentials.
check_PROGRAMS += tests/unit/test_sigv4

tests_unit_test_sigv4_SOURCES = tests/unit/test_sigv4.c
tests_unit_test_sigv4_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_sigv4_LDADD = $(TEST_LIBS) $(COMMON_LIBS)
