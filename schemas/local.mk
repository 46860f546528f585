# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += schemas/librkyschemas.la
schemas_librkyschemas_la_SOURCES = schemas/message.h schemas/shape.h schemas/job.h schemas/event.h \
	schemas/shape_parts.h schemas/shape_parts.c schemas/shapes.c schemas/shapes_job.c \
	schemas/shapes_result.c schemas/shapes_event.c schemas/shapes_output.c schemas/shapes_program.c
schemas_librkyschemas_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
