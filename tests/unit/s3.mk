# SPDX-License-Identifier: Apache-2.0
# The pure parts of the S3 driver.
check_PROGRAMS += tests/unit/test_s3_classify tests/unit/test_s3_xml tests/unit/test_s3_metadata \
	tests/unit/test_s3_address tests/unit/test_s3_answers
tests_unit_test_s3_classify_SOURCES = tests/unit/test_s3_classify.c
tests_unit_test_s3_classify_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_s3_classify_LDADD = $(TEST_LIBS) $(STATE_LIBS)
tests_unit_test_s3_xml_SOURCES = tests/unit/test_s3_xml.c
tests_unit_test_s3_xml_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_s3_xml_LDADD = $(TEST_LIBS) $(STATE_LIBS)
tests_unit_test_s3_metadata_SOURCES = tests/unit/test_s3_metadata.c
tests_unit_test_s3_metadata_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_s3_metadata_LDADD = $(TEST_LIBS) $(STATE_LIBS)
tests_unit_test_s3_address_SOURCES = tests/unit/test_s3_address.c
tests_unit_test_s3_address_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_s3_address_LDADD = $(TEST_LIBS) $(STATE_LIBS)
tests_unit_test_s3_answers_SOURCES = tests/unit/test_s3_answers.c $(HTTP_TEST_KIT)
tests_unit_test_s3_answers_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_s3_answers_LDADD = $(TEST_LIBS) $(STATE_LIBS)
