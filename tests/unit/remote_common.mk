# SPDX-License-Identifier: Apache-2.0
# What remote services are reached with: HTTP, AWS signatures, credentials.
check_PROGRAMS += tests/unit/test_sigv4 tests/unit/test_http

tests_unit_test_sigv4_SOURCES = tests/unit/test_sigv4.c
tests_unit_test_sigv4_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_sigv4_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_http_SOURCES = tests/unit/test_http.c tests/unit/http_kit.c tests/unit/http_kit.h
tests_unit_test_http_CPPFLAGS = $(TEST_CPPFLAGS) $(CURL_CFLAGS)
tests_unit_test_http_LDADD = $(TEST_LIBS) $(COMMON_LIBS)
