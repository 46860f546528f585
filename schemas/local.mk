# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += schemas/librkyschemas.la
schemas_librkyschemas_la_SOURCES = schemas/message.h schemas/shape.h schemas/job.h schemas/event.h \
	schemas/message.c schemas/json.h schemas/json.c schemas/body.h schemas/body.c \
	schemas/shape.c schemas/shape_schema.c schemas/shape_format.h schemas/shape_format.c \
	schemas/shape_parts.h schemas/shape_parts.c schemas/shapes.c schemas/shapes_job.c \
	schemas/shapes_result.c schemas/shapes_event.c schemas/shapes_output.c \
	schemas/shapes_program.c schemas/shapes_state.c \
	schemas/job_internal.h schemas/job.c schemas/job_decode.c schemas/job_encode.c \
	schemas/job_line.c schemas/event.c schemas/dead_letter.c
schemas_librkyschemas_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)

# Prints the published schemas from the shape tables.
noinst_PROGRAMS += schemas/print_schemas
schemas_print_schemas_SOURCES = schemas/print_schemas.c
schemas_print_schemas_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
schemas_print_schemas_LDADD = $(SCHEMAS_LIBS)

# The contract, for readers of other languages. A test fails when a file is not what is printed.
contractdir = $(pkgdatadir)/schemas
dist_contract_DATA = schemas/asyncapi.yaml \
	schemas/job.run.schema.json schemas/job.plan.schema.json schemas/job.apply.schema.json \
	schemas/job.cancel.schema.json schemas/job.result.schema.json \
	schemas/event.state.download.schema.json schemas/event.state.upload.schema.json \
	schemas/event.table.replicated.schema.json schemas/event.check.failed.schema.json \
	schemas/event.anomaly.detected.schema.json schemas/event.plan.created.schema.json \
	schemas/event.job.fenced.schema.json schemas/event.job.requeued.schema.json \
	schemas/event.worker.alarm.schema.json \
	schemas/output.run.schema.json schemas/output.plan.schema.json \
	schemas/output.state.schema.json schemas/output.state.delete.schema.json \
	schemas/output.state.adopt.schema.json \
	schemas/output.state.versions.schema.json \
	schemas/output.state.restore.schema.json \
	schemas/output.state.export.schema.json \
	schemas/output.state.unlock.schema.json \
	schemas/output.history.schema.json schemas/output.history.accept.schema.json \
	schemas/output.discover.schema.json schemas/output.validate.schema.json \
	schemas/output.doctor.schema.json schemas/output.demo.schema.json \
	schemas/output.dev.broker.schema.json schemas/output.producer.schema.json \
	schemas/output.error.schema.json
EXTRA_DIST += schemas/examples
