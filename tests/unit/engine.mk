# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/test_names tests/unit/test_anomaly tests/unit/test_reconcile

tests_unit_test_names_SOURCES = tests/unit/test_names.c
tests_unit_test_names_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_names_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)

tests_unit_test_anomaly_SOURCES = tests/unit/test_anomaly.c
tests_unit_test_anomaly_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_anomaly_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)

tests_unit_test_reconcile_SOURCES = tests/unit/test_reconcile.c
tests_unit_test_reconcile_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_reconcile_LDADD = $(TEST_LIBS) $(ENGINE_LIBS)
