# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += schemas/librkyschemas.la
schemas_librkyschemas_la_SOURCES = schemas/message.h schemas/shape.h schemas/job.h schemas/event.h \
	schemas/message.c schemas/body.h schemas/body.c \
	schemas/shape.c schemas/shape_schema.c schemas/shape_format.h schemas/shape_format.c \
	schemas/shape_parts.h schemas/shape_parts.c schemas/shapes.c schemas/shapes_job.c \
	schemas/shapes_result.c schemas/shapes_event.c schemas/shapes_output.c \
	schemas/shapes_program.c \
	schemas/job_internal.h schemas/job.c schemas/job_decode.c schemas/job_encode.c \
	schemas/job_line.c schemas/event.c schemas/dead_letter.c
schemas_librkyschemas_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)

# Prints the published schemas from the shape tables.
noinst_PROGRAMS += schemas/print_schemas
schemas_print_schemas_SOURCES = schemas/print_schemas.c
schemas_print_schemas_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
schemas_print_schemas_LDADD = $(SCHEMAS_LIBS)
