# SPDX-License-Identifier: Apache-2.0
# The warehouse seam and its drivers.
engine_librkyengine_la_SOURCES += \
	engine/adapter.c engine/cursor.c \
	engine/adapter/drivers.h \
	engine/adapter/sqlite_internal.h \
	engine/adapter/sqlite.c \
	engine/adapter/sqlite_access.c \
	engine/adapter/sqlite_attach.c \
	engine/adapter/sqlite_commits.c \
	engine/adapter/sqlite_copy.c \
	engine/adapter/sqlite_describe.c \
	engine/adapter/sqlite_errors.c \
	engine/adapter/sqlite_examine.c \
	engine/adapter/sqlite_facts.c \
	engine/adapter/sqlite_functions.c \
	engine/adapter/sqlite_meta.c \
	engine/adapter/sqlite_refresh.c \
	engine/adapter/sqlite_rows.c \
	engine/adapter/sqlite_session.c \
	engine/adapter/sqlite_shape.c \
	engine/adapter/sqlite_sql.c \
	engine/adapter/sqlite_steps.c \
	engine/adapter/sqlite_survey.c \
	engine/adapter/sqlite_ties.c \
	engine/adapter/sqlite_values.c \
	engine/adapter/sqlite_watermark.c
engine_librkyengine_la_CPPFLAGS += $(OPENSSL_CFLAGS)
