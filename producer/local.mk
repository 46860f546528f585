# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += producer/rocky-producer
producer_rocky_producer_SOURCES = producer/main.c producer/batch.c producer/batch.h \
	producer/options.c producer/options.h producer/outcome.c producer/outcome.h \
	producer/request.c producer/request.h
producer_rocky_producer_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
producer_rocky_producer_LDADD = $(TRANSPORT_LIBS)
