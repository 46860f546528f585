# SPDX-License-Identifier: Apache-2.0
# The Valkey client without a server.
VALKEY_TEST_CPPFLAGS = $(TEST_CPPFLAGS) $(HIREDIS_CFLAGS) $(OPENSSL_CFLAGS)

check_PROGRAMS += tests/unit/test_valkey_classify tests/unit/test_valkey_url
tests_unit_test_valkey_classify_SOURCES = tests/unit/test_valkey_classify.c
tests_unit_test_valkey_classify_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_valkey_classify_LDADD = $(TEST_LIBS) $(STATE_LIBS)
tests_unit_test_valkey_url_SOURCES = tests/unit/test_valkey_url.c
tests_unit_test_valkey_url_CPPFLAGS = $(VALKEY_TEST_CPPFLAGS)
tests_unit_test_valkey_url_LDADD = $(TEST_LIBS) $(STATE_LIBS)

# Servers that do not behave.
check_PROGRAMS += tests/unit/test_valkey_fuzz
tests_unit_test_valkey_fuzz_SOURCES = tests/unit/test_valkey_fuzz.c \
	tests/unit/valkey_recovery.c tests/unit/valkey_player.c tests/unit/valkey_player.h
tests_unit_test_valkey_fuzz_CPPFLAGS = $(VALKEY_TEST_CPPFLAGS)
tests_unit_test_valkey_fuzz_LDADD = $(TEST_LIBS) $(STATE_LIBS)
