# SPDX-License-Identifier: Apache-2.0
# Programs and helpers that tests use; not tests themselves.

# Messages in and out of Kafka for shell tests: see `bus --help`.
noinst_PROGRAMS += tests/kit/bus
tests_kit_bus_SOURCES = tests/kit/bus.c
tests_kit_bus_CPPFLAGS = $(AM_CPPFLAGS) $(RDKAFKA_CFLAGS) $(JANSSON_CFLAGS) $(OPENSSL_CFLAGS)
tests_kit_bus_LDADD = $(RDKAFKA_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS)

# A real broker for tests: see `kafka.sh --help`.
EXTRA_DIST += tests/kit/kafka/pom.xml tests/kit/kafka/kafka.sh

# S3 servers for tests: see `s3.sh --help`.
EXTRA_DIST += tests/kit/process.sh tests/kit/certificates.sh tests/kit/maven.sh \
	tests/kit/s3.sh tests/kit/s3proxy.xml \
	tests/kit/s3_standin.py tests/kit/s3_store.py tests/kit/s3_signature.py \
	tests/kit/s3_ask.py tests/kit/snapshot_forge.py
