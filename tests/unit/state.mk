# SPDX-License-Identifier: Apache-2.0
LEDGER_TEST_KIT = tests/unit/test_ledger_kit.c tests/unit/test_ledger_kit.h
LEDGER_TEST_CPPFLAGS = $(TEST_CPPFLAGS) $(SQLITE_CFLAGS)
LEDGER_TEST_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/unit/test_ledger tests/unit/test_ledger_history
tests_unit_test_ledger_SOURCES = tests/unit/test_ledger.c $(LEDGER_TEST_KIT)
tests_unit_test_ledger_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_LDADD = $(LEDGER_TEST_LDADD)
tests_unit_test_ledger_history_SOURCES = tests/unit/test_ledger_history.c $(LEDGER_TEST_KIT)
tests_unit_test_ledger_history_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_history_LDADD = $(LEDGER_TEST_LDADD)

check_PROGRAMS += tests/unit/test_ledger_open tests/unit/test_ledger_locks
tests_unit_test_ledger_open_SOURCES = tests/unit/test_ledger_open.c $(LEDGER_TEST_KIT)
tests_unit_test_ledger_open_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_open_LDADD = $(LEDGER_TEST_LDADD)
tests_unit_test_ledger_locks_SOURCES = tests/unit/test_ledger_locks.c $(LEDGER_TEST_KIT)
tests_unit_test_ledger_locks_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_locks_LDADD = $(LEDGER_TEST_LDADD)

check_PROGRAMS += tests/unit/test_ledger_faults
tests_unit_test_ledger_faults_SOURCES = tests/unit/test_ledger_faults.c $(LEDGER_TEST_KIT) \
	tests/kit/fault_vfs.c tests/kit/fault_vfs.h
tests_unit_test_ledger_faults_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_faults_LDADD = $(LEDGER_TEST_LDADD)

# Golden files are written once by their program and never again.
check_PROGRAMS += tests/unit/test_ledger_golden
tests_unit_test_ledger_golden_SOURCES = tests/unit/test_ledger_golden.c $(LEDGER_TEST_KIT)
tests_unit_test_ledger_golden_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_golden_LDADD = $(LEDGER_TEST_LDADD)
EXTRA_PROGRAMS += tests/golden/ledger-v1
tests_golden_ledger_v1_SOURCES = tests/golden/ledger-v1.c
tests_golden_ledger_v1_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_golden_ledger_v1_LDADD = $(STATE_LIBS)
CLEANFILES += tests/golden/ledger-v1
EXTRA_DIST += tests/golden/ledger-v1.db

# Snapshots.
SNAPSHOT_TEST_KIT = tests/unit/snapshot_kit.c tests/unit/snapshot_kit.h $(LEDGER_TEST_KIT)
check_PROGRAMS += tests/unit/test_snapshot
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c $(SNAPSHOT_TEST_KIT)
tests_unit_test_snapshot_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_snapshot_LDADD = $(LEDGER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_snapshot_bytes
tests_unit_test_snapshot_bytes_SOURCES = tests/unit/test_snapshot_bytes.c \
	tests/unit/snapshot_lies.c tests/unit/snapshot_forge.c tests/unit/snapshot_forge.h \
	$(SNAPSHOT_TEST_KIT)
tests_unit_test_snapshot_bytes_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS) $(ZSTD_CFLAGS)
tests_unit_test_snapshot_bytes_LDADD = $(LEDGER_TEST_LDADD)

# Content that comes from elsewhere.
check_PROGRAMS += tests/unit/test_ledger_verify
tests_unit_test_ledger_verify_SOURCES = tests/unit/test_ledger_verify.c $(SNAPSHOT_TEST_KIT)
tests_unit_test_ledger_verify_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_verify_LDADD = $(LEDGER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_ledger_version2
tests_unit_test_ledger_version2_SOURCES = tests/unit/test_ledger_version2.c $(LEDGER_TEST_KIT) \
	tests/kit/fault_vfs.c tests/kit/fault_vfs.h
tests_unit_test_ledger_version2_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_version2_LDADD = $(LEDGER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_ledger_merge
tests_unit_test_ledger_merge_SOURCES = tests/unit/test_ledger_merge.c $(LEDGER_TEST_KIT)
tests_unit_test_ledger_merge_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_ledger_merge_LDADD = $(LEDGER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_snapshot_golden
tests_unit_test_snapshot_golden_SOURCES = tests/unit/test_snapshot_golden.c $(LEDGER_TEST_KIT)
tests_unit_test_snapshot_golden_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_snapshot_golden_LDADD = $(LEDGER_TEST_LDADD)
EXTRA_PROGRAMS += tests/golden/snapshot-1
tests_golden_snapshot_1_SOURCES = tests/golden/snapshot-1.c
tests_golden_snapshot_1_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_golden_snapshot_1_LDADD = $(STATE_LIBS)
CLEANFILES += tests/golden/snapshot-1
EXTRA_DIST += tests/golden/ledger-v2.db tests/golden/snapshot-1-plain.snap \
	tests/golden/snapshot-1-sealed.snap
