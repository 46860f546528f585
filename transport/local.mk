# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += transport/librkytransport.la
transport_librkytransport_la_SOURCES = transport/transport.h
transport_librkytransport_la_CPPFLAGS = $(AM_CPPFLAGS) $(RDKAFKA_CFLAGS) $(JANSSON_CFLAGS)
