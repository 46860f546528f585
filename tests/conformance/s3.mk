# SPDX-License-Identifier: Apache-2.0
# The S3 driver: the remote suite against the stand-in and against a real server, and what only S3
# does.
S3_KIT = tests/kit/s3_server.c tests/kit/s3_server.h

check_PROGRAMS += tests/conformance/test_remote_s3_standin tests/conformance/test_remote_s3_versitygw
tests_conformance_test_remote_s3_standin_SOURCES = tests/conformance/test_remote_s3.c \
	$(REMOTE_SUITE) $(S3_KIT)
tests_conformance_test_remote_s3_standin_CPPFLAGS = $(TEST_CPPFLAGS) -DS3_SERVER='"standin"'
tests_conformance_test_remote_s3_standin_LDADD = $(TEST_LIBS) $(STATE_LIBS)
tests_conformance_test_remote_s3_versitygw_SOURCES = tests/conformance/test_remote_s3.c \
	$(REMOTE_SUITE) $(S3_KIT)
tests_conformance_test_remote_s3_versitygw_CPPFLAGS = $(TEST_CPPFLAGS) -DS3_SERVER='"versitygw"'
tests_conformance_test_remote_s3_versitygw_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_s3_lost_replies
tests_conformance_test_s3_lost_replies_SOURCES = tests/conformance/test_s3_lost_replies.c $(S3_KIT)
tests_conformance_test_s3_lost_replies_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_s3_lost_replies_LDADD = $(TEST_LIBS) $(STATE_LIBS)

check_PROGRAMS += tests/conformance/test_s3_wire
tests_conformance_test_s3_wire_SOURCES = tests/conformance/test_s3_wire.c \
	tests/conformance/s3_wire_bytes.c tests/conformance/s3_wire_kit.c \
	tests/conformance/s3_wire_kit.h $(S3_KIT)
tests_conformance_test_s3_wire_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_s3_wire_LDADD = $(TEST_LIBS) $(STATE_LIBS)
