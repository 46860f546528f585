# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += transport/librkytransport.la
transport_librkytransport_la_SOURCES = transport/transport.h transport/kafka_internal.h \
	transport/kafka.c transport/kafka_config.c transport/kafka_health.c transport/kafka_message.c \
	transport/kafka_pulse.c transport/kafka_end.c transport/timespec.h \
	transport/kafka_publish.c transport/kafka_admin.c transport/kafka_group.c \
	transport/kafka_consumer.c transport/kafka_tail.c transport/broker.c transport/topics.c \
	transport/memory_internal.h transport/memory.c transport/memory_group.c
transport_librkytransport_la_CPPFLAGS = $(AM_CPPFLAGS) $(RDKAFKA_CFLAGS) $(JANSSON_CFLAGS)
