# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += schemas/librkyschemas.la
schemas_librkyschemas_la_SOURCES = schemas/message.h schemas/shape.h schemas/job.h schemas/event.h
schemas_librkyschemas_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
