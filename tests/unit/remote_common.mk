# SPDX-License-Identifier: Apache-2.0
# What remote services are reached with: HTTP, AWS signatures, credentials.
check_PROGRAMS += tests/unit/test_sigv4 tests/unit/test_http tests/unit/test_http_faults \
	tests/unit/test_http_parts tests/unit/test_http_tls tests/unit/test_credentials \
	tests/unit/test_credentials_services tests/unit/test_credentials_renewal

HTTP_TEST_KIT = tests/unit/http_kit.c tests/unit/http_kit.h
CREDENTIALS_TEST_KIT = tests/unit/credentials_kit.c tests/unit/credentials_kit.h $(HTTP_TEST_KIT)

tests_unit_test_sigv4_SOURCES = tests/unit/test_sigv4.c
tests_unit_test_sigv4_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_sigv4_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_http_SOURCES = tests/unit/test_http.c $(HTTP_TEST_KIT)
tests_unit_test_http_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_http_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_http_faults_SOURCES = tests/unit/test_http_faults.c $(HTTP_TEST_KIT)
tests_unit_test_http_faults_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_http_faults_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_http_parts_SOURCES = tests/unit/test_http_parts.c
tests_unit_test_http_parts_CPPFLAGS = $(TEST_CPPFLAGS) $(CURL_CFLAGS)
tests_unit_test_http_parts_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_http_tls_SOURCES = tests/unit/test_http_tls.c $(HTTP_TEST_KIT)
tests_unit_test_http_tls_CPPFLAGS = $(TEST_CPPFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_http_tls_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_credentials_SOURCES = tests/unit/test_credentials.c $(CREDENTIALS_TEST_KIT)
tests_unit_test_credentials_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_credentials_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_credentials_services_SOURCES = tests/unit/test_credentials_services.c \
	$(CREDENTIALS_TEST_KIT)
tests_unit_test_credentials_services_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_credentials_services_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

tests_unit_test_credentials_renewal_SOURCES = tests/unit/test_credentials_renewal.c \
	$(CREDENTIALS_TEST_KIT)
tests_unit_test_credentials_renewal_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_credentials_renewal_LDADD = $(TEST_LIBS) $(COMMON_LIBS)
