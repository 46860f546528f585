# SPDX-License-Identifier: Apache-2.0
# The warehouse seam: one suite, run against each driver.
ADAPTER_SUITE = tests/conformance/adapter_suite.c tests/conformance/adapter_suite.h \
	tests/conformance/adapter_suite_kit.c tests/conformance/adapter_suite_kit.h \
	tests/conformance/adapter_windows.c tests/conformance/adapter_changes.c \
	tests/conformance/adapter_model.c tests/conformance/adapter_world.c
SQLITE_FIXTURE = tests/conformance/adapter_sqlite_fixture.c \
	tests/conformance/adapter_sqlite_fixture.h

check_PROGRAMS += tests/conformance/test_adapter_sqlite
tests_conformance_test_adapter_sqlite_SOURCES = tests/conformance/test_adapter_sqlite.c \
	$(ADAPTER_SUITE) $(SQLITE_FIXTURE)
tests_conformance_test_adapter_sqlite_CPPFLAGS = $(TEST_CPPFLAGS) $(SQLITE_CFLAGS)
tests_conformance_test_adapter_sqlite_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)

check_PROGRAMS += tests/conformance/test_adapter_sqlite_data
tests_conformance_test_adapter_sqlite_data_SOURCES = \
	tests/conformance/test_adapter_sqlite_data.c tests/conformance/sqlite_data_tables.c \
	tests/conformance/sqlite_data_kit.c tests/conformance/sqlite_data_kit.h \
	tests/conformance/adapter_suite.h tests/conformance/adapter_world.c $(SQLITE_FIXTURE)
tests_conformance_test_adapter_sqlite_data_CPPFLAGS = $(TEST_CPPFLAGS) $(SQLITE_CFLAGS)
tests_conformance_test_adapter_sqlite_data_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)

check_PROGRAMS += tests/conformance/test_adapter_sqlite_faults
tests_conformance_test_adapter_sqlite_faults_SOURCES = \
	tests/conformance/test_adapter_sqlite_faults.c tests/conformance/adapter_suite.h \
	tests/conformance/adapter_world.c $(SQLITE_FIXTURE) \
	tests/conformance/sqlite_faulty_vfs.c tests/conformance/sqlite_faulty_vfs.h
tests_conformance_test_adapter_sqlite_faults_CPPFLAGS = $(TEST_CPPFLAGS) $(SQLITE_CFLAGS)
tests_conformance_test_adapter_sqlite_faults_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)

check_PROGRAMS += tests/unit/test_cursor
tests_unit_test_cursor_SOURCES = tests/unit/test_cursor.c
tests_unit_test_cursor_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_cursor_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)
