# SPDX-License-Identifier: Apache-2.0
# The remote seam: one suite, run against each driver.
REMOTE_SUITE = tests/conformance/remote_suite.c tests/conformance/remote_suite.h \
	tests/conformance/remote_objects.c tests/conformance/remote_races.c \
	tests/conformance/remote_kit.c tests/conformance/remote_kit.h

check_PROGRAMS += tests/conformance/test_remote_memory
tests_conformance_test_remote_memory_SOURCES = tests/conformance/test_remote_memory.c \
	$(REMOTE_SUITE)
tests_conformance_test_remote_memory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_remote_memory_LDADD = $(TEST_LIBS) $(STATE_LIBS)

# The tiers, with a cache that works, is down, cannot be written, cannot be read.
check_PROGRAMS += tests/conformance/test_remote_tiered_memory
tests_conformance_test_remote_tiered_memory_SOURCES = \
	tests/conformance/test_remote_tiered_memory.c $(REMOTE_SUITE)
tests_conformance_test_remote_tiered_memory_CPPFLAGS = $(TEST_CPPFLAGS) \
	-DCACHE_FAILS=RKY_MEMORY_LIST
tests_conformance_test_remote_tiered_memory_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_remote_tiered_down
tests_conformance_test_remote_tiered_down_SOURCES = \
	tests/conformance/test_remote_tiered_memory.c $(REMOTE_SUITE)
tests_conformance_test_remote_tiered_down_CPPFLAGS = $(TEST_CPPFLAGS) \
	-DCACHE_FAILS=RKY_MEMORY_OPS
tests_conformance_test_remote_tiered_down_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_remote_tiered_unwritable
tests_conformance_test_remote_tiered_unwritable_SOURCES = \
	tests/conformance/test_remote_tiered_memory.c $(REMOTE_SUITE)
tests_conformance_test_remote_tiered_unwritable_CPPFLAGS = $(TEST_CPPFLAGS) \
	-DCACHE_FAILS=RKY_MEMORY_PUT
tests_conformance_test_remote_tiered_unwritable_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_remote_tiered_unreadable
tests_conformance_test_remote_tiered_unreadable_SOURCES = \
	tests/conformance/test_remote_tiered_memory.c $(REMOTE_SUITE)
tests_conformance_test_remote_tiered_unreadable_CPPFLAGS = $(TEST_CPPFLAGS) \
	-DCACHE_FAILS=RKY_MEMORY_GET
tests_conformance_test_remote_tiered_unreadable_LDADD = $(TEST_LIBS) $(STATE_LIBS)
