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
