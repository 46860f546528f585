# SPDX-License-Identifier: Apache-2.0

# Helpers of the tests in Python; their first lines say what they print.
noinst_PROGRAMS += tests/kit/shape_check tests/kit/message_samples
tests_kit_shape_check_SOURCES = tests/kit/shape_check.c
tests_kit_shape_check_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_kit_shape_check_LDADD = $(SCHEMAS_LIBS)
tests_kit_message_samples_SOURCES = tests/kit/message_samples.c
tests_kit_message_samples_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_kit_message_samples_LDADD = $(SCHEMAS_LIBS)

dist_check_SCRIPTS += tests/unit/test_schemas_agree.py tests/unit/test_asyncapi.py

check_PROGRAMS += tests/unit/test_message tests/unit/test_shape tests/unit/test_job \
	tests/unit/test_job_encode tests/unit/test_job_robust tests/unit/test_event
JOB_SAMPLE = tests/kit/job_sample.h tests/kit/job_sample.c

tests_unit_test_message_SOURCES = tests/unit/test_message.c
tests_unit_test_message_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_message_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)

tests_unit_test_shape_SOURCES = tests/unit/test_shape.c
tests_unit_test_shape_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_shape_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)

tests_unit_test_job_SOURCES = tests/unit/test_job.c $(JOB_SAMPLE)
tests_unit_test_job_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_job_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)

tests_unit_test_job_encode_SOURCES = tests/unit/test_job_encode.c $(JOB_SAMPLE)
tests_unit_test_job_encode_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_job_encode_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)

tests_unit_test_job_robust_SOURCES = tests/unit/test_job_robust.c $(JOB_SAMPLE)
tests_unit_test_job_robust_CPPFLAGS = $(TEST_CPPFLAGS) \
	-DRKY_CORPUS_DIR='"$(abs_top_srcdir)/tests/fuzz/corpus/job"'
tests_unit_test_job_robust_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)

tests_unit_test_event_SOURCES = tests/unit/test_event.c $(JOB_SAMPLE)
tests_unit_test_event_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_event_LDADD = $(TEST_LIBS) $(SCHEMAS_LIBS)

# Built on request only: tests/fuzz/README.md.
EXTRA_PROGRAMS += tests/fuzz/fuzz_job
tests_fuzz_fuzz_job_SOURCES = tests/fuzz/fuzz_job.c $(JOB_SAMPLE)
tests_fuzz_fuzz_job_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_job_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_job_LDADD = $(SCHEMAS_LIBS)
EXTRA_DIST += tests/fuzz/README.md tests/fuzz/corpus
