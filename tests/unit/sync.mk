# SPDX-License-Identifier: Apache-2.0
# The way of a state to its remote and back, in one process over the in-memory store.
SYNC_TEST_KIT = tests/unit/sync_kit.c tests/unit/sync_kit.h $(LEDGER_TEST_KIT)
SYNC_PAIR_KIT = tests/unit/sync_pair.c tests/unit/sync_pair.h $(SYNC_TEST_KIT)

check_PROGRAMS += tests/unit/test_sync
tests_unit_test_sync_SOURCES = tests/unit/test_sync.c tests/unit/sync_refusals.c \
	$(SYNC_PAIR_KIT)
tests_unit_test_sync_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_sync_LDADD = $(LEDGER_TEST_LDADD)

check_PROGRAMS += tests/unit/test_sync_upload
tests_unit_test_sync_upload_SOURCES = tests/unit/test_sync_upload.c \
	tests/unit/sync_writers.c $(SYNC_PAIR_KIT)
tests_unit_test_sync_upload_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_sync_upload_LDADD = $(LEDGER_TEST_LDADD)

# A whole job, with its Nth allocation, file operation or remote call broken.
check_PROGRAMS += tests/unit/test_sync_faults
CYCLE_TEST_KIT = tests/unit/cycle_kit.c tests/unit/cycle_kit.h tests/unit/job_world.c \
	tests/unit/job_world.h $(SYNC_TEST_KIT)
tests_unit_test_sync_faults_SOURCES = tests/unit/test_sync_faults.c $(CYCLE_TEST_KIT) \
	tests/kit/fault_vfs.c tests/kit/fault_vfs.h
tests_unit_test_sync_faults_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_sync_faults_LDADD = $(TEST_LIBS) $(WORKER_LIBS)

# The same with connections cut by a proxy, against servers.
check_PROGRAMS += tests/unit/test_sync_sockets
tests_unit_test_sync_sockets_SOURCES = tests/unit/test_sync_sockets.c $(CYCLE_TEST_KIT) $(S3_KIT) \
	$(VALKEY_KIT)
tests_unit_test_sync_sockets_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_sync_sockets_LDADD = $(TEST_LIBS) $(WORKER_LIBS)

check_PROGRAMS += tests/unit/test_workspace
tests_unit_test_workspace_SOURCES = tests/unit/test_workspace.c \
	tests/unit/workspace_faults.c tests/unit/workspace_kit.c tests/unit/workspace_kit.h \
	$(SYNC_TEST_KIT)
tests_unit_test_workspace_CPPFLAGS = $(LEDGER_TEST_CPPFLAGS)
tests_unit_test_workspace_LDADD = $(LEDGER_TEST_LDADD)
