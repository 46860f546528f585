# SPDX-License-Identifier: Apache-2.0
tests_kit_librkytestkit_la_SOURCES += tests/kit/kafka_server.c tests/kit/kafka_server.h \
	tests/kit/run_script.c tests/kit/run_script.h
tests_kit_librkytestkit_la_CPPFLAGS += -DRKY_TOP_SRCDIR='"$(abs_top_srcdir)"'

TRANSPORT_SUITE = tests/conformance/transport_suite.c tests/conformance/transport_suite.h \
	tests/conformance/transport_groups.c tests/conformance/transport_kit.c \
	tests/conformance/transport_kit.h
KAFKA_FIXTURE = tests/conformance/transport_kafka_fixture.c \
	tests/conformance/transport_kafka_fixture.h tests/kit/c11_threads.c

check_PROGRAMS += tests/conformance/test_transport_memory
tests_conformance_test_transport_memory_SOURCES = tests/conformance/test_transport_memory.c \
	$(TRANSPORT_SUITE)
tests_conformance_test_transport_memory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_conformance_test_transport_memory_LDADD = $(TEST_LIBS) $(TRANSPORT_LIBS)

check_PROGRAMS += tests/conformance/test_transport_broker
tests_conformance_test_transport_broker_SOURCES = tests/conformance/test_transport_broker.c \
	$(TRANSPORT_SUITE) $(KAFKA_FIXTURE)
tests_conformance_test_transport_broker_CPPFLAGS = $(TEST_CPPFLAGS) $(RDKAFKA_CFLAGS)
tests_conformance_test_transport_broker_LDADD = $(TEST_LIBS) $(TRANSPORT_LIBS)

# Includes a private header of transport/: one test makes librdkafka report a fatal error.
check_PROGRAMS += tests/conformance/test_transport_kafka
tests_conformance_test_transport_kafka_SOURCES = tests/conformance/test_transport_kafka.c \
	$(TRANSPORT_SUITE) $(KAFKA_FIXTURE)
tests_conformance_test_transport_kafka_CPPFLAGS = $(TEST_CPPFLAGS) $(RDKAFKA_CFLAGS)
tests_conformance_test_transport_kafka_LDADD = $(TEST_LIBS) $(TRANSPORT_LIBS)
