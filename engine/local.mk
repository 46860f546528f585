# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += engine/librkyengine.la
engine_librkyengine_la_SOURCES = \
	engine/adapter.h \
	engine/anomaly.c engine/anomaly.h \
	engine/checks.c \
	engine/claim.c \
	engine/cursor.h \
	engine/discover.c engine/discover.h \
	engine/drift.c \
	engine/gone.c \
	engine/names.c engine/names.h \
	engine/plan.c \
	engine/plan_apply.c \
	engine/prepare.c \
	engine/reconcile.c engine/reconcile.h \
	engine/record.c \
	engine/report.c \
	engine/report_events.c \
	engine/run.c engine/run_state.c engine/run.h engine/run_internal.h \
	engine/tables.c \
	engine/target.c
engine_librkyengine_la_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS)
include engine/adapter/local.mk
