# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += state/librkystate.la
state_librkystate_la_SOURCES = state/ledger.h state/ledger_internal.h state/ledger.c \
	state/connect.c state/schema.c state/query.c state/statements.c state/meta.c \
	state/watermarks.c state/history.c state/runs.c state/jobs.c state/plans.c state/retention.c \
	state/process.c state/sqlite_file.c state/audit.c state/image.c state/verify.c \
	state/merge.c state/merge_counts.c
state_librkystate_la_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS) \
	$(HIREDIS_CFLAGS) $(ZSTD_CFLAGS) $(OPENSSL_CFLAGS)

# State that survives the machine.
state_librkystate_la_SOURCES += state/snapshot.h state/snapshot_internal.h \
	state/snapshot_header.c state/snapshot_crypt.c state/snapshot_encode.c state/snapshot_decode.c \
	state/remote.h state/remote_s3.h state/valkey.h \
	state/lease.h state/outcome.h state/store.h state/store_internal.h state/workspace.h \
	state/sync.h

# The Valkey client, its remote driver, and leases.
state_librkystate_la_SOURCES += state/valkey_classify.c state/valkey_internal.h \
	state/valkey_resolve.c state/valkey_socket.c state/valkey_tls.c state/valkey_stream.c \
	state/valkey_reader.c state/valkey_connection.c state/valkey.c state/valkey_listen.c \
	state/valkey_frame.h state/valkey_frame.c state/remote_valkey.c state/remote_valkey_list.c \
	state/lease_internal.h state/lease.c state/lease_valkey.c state/lease_memory.c state/lease_s3.c \
	state/leases.c state/lease_renewer.c

# S3.
state_librkystate_la_SOURCES += state/s3_internal.h state/remote_s3.c state/s3_address.c \
	state/s3_classify.c state/s3_explain.c state/s3_list.c state/s3_metadata.c \
	state/s3_multipart.c state/s3_request.c state/s3_xml.c

state_librkystate_la_SOURCES += state/remote.c state/remote_memory.c state/remote_memory.h \
	state/remote_guarded.c state/remote_commit.c state/remote_commit.h state/remote_tiered.c \
	state/outcome.c

state_librkystate_la_SOURCES += state/store.c state/workspace.c state/workspace_base.h \
	state/workspace_base.c state/workspace_files.c state/workspace_files.h state/sync_internal.h state/sync.c \
	state/sync_download.c state/sync_merge.c state/sync_pending.c state/sync_upload.c \
	state/sync_versions.c

# Migrations are compiled in as C strings, one line of SQL per line of C.
MIGRATIONS = state/sql/0001-ledger.inc state/sql/0002-remote.inc
sql_to_c = $(MKDIR_P) $(@D) && $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/'
state/sql/0001-ledger.inc: state/sql/0001-ledger.sql
	$(AM_V_GEN)$(sql_to_c) $(srcdir)/state/sql/0001-ledger.sql > $@-t && mv $@-t $@
state/sql/0002-remote.inc: state/sql/0002-remote.sql
	$(AM_V_GEN)$(sql_to_c) $(srcdir)/state/sql/0002-remote.sql > $@-t && mv $@-t $@
$(am_state_librkystate_la_OBJECTS): $(MIGRATIONS)
BUILT_SOURCES += $(MIGRATIONS)
CLEANFILES += $(MIGRATIONS)
EXTRA_DIST += state/sql/0001-ledger.sql state/sql/0002-remote.sql
