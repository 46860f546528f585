# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += engine/librkyengine.la
engine_librkyengine_la_SOURCES = \
	engine/adapter.h engine/anomaly.h engine/cursor.h engine/discover.h engine/names.h engine/run.h
engine_librkyengine_la_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS)
include engine/adapter/local.mk
