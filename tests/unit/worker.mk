# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/test_tracker tests/unit/test_lanes
tests_unit_test_tracker_SOURCES = tests/unit/test_tracker.c
tests_unit_test_tracker_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_tracker_LDADD = $(TEST_LIBS) worker/librkyworker.la $(COMMON_LIBS)
tests_unit_test_lanes_SOURCES = tests/unit/test_lanes.c
tests_unit_test_lanes_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_lanes_LDADD = $(TEST_LIBS) $(WORKER_LIBS)

check_PROGRAMS += tests/unit/test_dispatcher
tests_unit_test_dispatcher_SOURCES = tests/unit/test_dispatcher.c \
	tests/unit/dispatcher_dead_letters.c tests/unit/worker_kit.c \
	tests/unit/worker_kit_messages.c tests/unit/worker_kit.h
tests_unit_test_dispatcher_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_dispatcher_LDADD = $(TEST_LIBS) $(WORKER_LIBS)

check_PROGRAMS += tests/unit/test_job_run
tests_unit_test_job_run_SOURCES = tests/unit/test_job_run.c tests/unit/job_world.c \
	tests/unit/job_world.h
tests_unit_test_job_run_CPPFLAGS = $(TEST_CPPFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_job_run_LDADD = $(TEST_LIBS) $(WORKER_LIBS)

check_PROGRAMS += tests/unit/test_producer_outcome
tests_unit_test_producer_outcome_SOURCES = tests/unit/test_producer_outcome.c producer/outcome.c
tests_unit_test_producer_outcome_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_producer_outcome_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)
