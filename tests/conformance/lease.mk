# SPDX-License-Identifier: Apache-2.0
# A real Valkey server for tests: see `valkey.sh --help`.
EXTRA_DIST += tests/kit/valkey.sh
VALKEY_KIT = tests/kit/valkey_server.c tests/kit/valkey_server.h

check_PROGRAMS += tests/conformance/test_remote_valkey
tests_conformance_test_remote_valkey_SOURCES = tests/conformance/test_remote_valkey.c \
	$(REMOTE_SUITE) $(VALKEY_KIT)
tests_conformance_test_remote_valkey_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_remote_valkey_LDADD = $(TEST_LIBS) $(STATE_LIBS)

# The lease seam: one suite, run against each driver.
LEASE_SUITE = tests/conformance/lease_suite.c tests/conformance/lease_suite.h

check_PROGRAMS += tests/conformance/test_lease_memory
tests_conformance_test_lease_memory_SOURCES = tests/conformance/test_lease_memory.c $(LEASE_SUITE)
tests_conformance_test_lease_memory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_lease_memory_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_lease_s3
tests_conformance_test_lease_s3_SOURCES = tests/conformance/test_lease_s3.c $(LEASE_SUITE)
tests_conformance_test_lease_s3_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_lease_s3_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_lease_valkey
tests_conformance_test_lease_valkey_SOURCES = tests/conformance/test_lease_valkey.c \
	$(LEASE_SUITE) $(VALKEY_KIT)
tests_conformance_test_lease_valkey_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_lease_valkey_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_valkey_client
tests_conformance_test_valkey_client_SOURCES = tests/conformance/test_valkey_client.c $(VALKEY_KIT)
tests_conformance_test_valkey_client_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_valkey_client_LDADD = $(TEST_LIBS) $(STATE_LIBS)
