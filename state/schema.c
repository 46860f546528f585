/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of the ledger: what the file's header says, and the numbered migrations that bring a
 * fresh or older file to the version of this program.
 *
 * All missing migrations run in one transaction together with the new `user_version`, so a crash
 * leaves the old schema or the new one. A released migration is never edited; it only adds, so
 * that the rows of an older file stay as they are. Called with the file lock held.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/ids.h"

/* Made from state/sql/NNNN-*.sql by the build. Index + 1 is the version that each leads to. */
static const char *const MIGRATIONS[] = {
#include "state/sql/0001-ledger.inc"
    ,
#include "state/sql/0002-remote.inc"
    ,
};
_Static_assert(sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]) == RKY_LEDGER_SCHEMA_VERSION,
               "each schema version has its migration");

const char *rky_ledger_migration(int64_t from)
{
    RKY_ASSERT(from >= 0 && from < RKY_LEDGER_SCHEMA_VERSION);
    return MIGRATIONS[from];
}

static int read_number(struct rky_ledger *ledger, const char *sql, int64_t *ret_number,
                       struct rky_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(ledger->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_number = sqlite3_column_int64(stmt, 0);
    else
        rc = rky_ledger_fail(ledger, rc, "read the header", err);
    (void)sqlite3_finalize(stmt); /* repeats the code of the step */
    return rc == SQLITE_ROW ? 0 : rc;
}

static int read_header(struct rky_ledger *ledger, struct rky_ledger_header *ret_header,
                       struct rky_error *err)
{
    /* The marks first: a newer file may hold a schema that cannot even be parsed here. */
    int rc = read_number(ledger, "PRAGMA application_id", &ret_header->application_id, err);
    if (rc == 0)
        rc = read_number(ledger, "PRAGMA user_version", &ret_header->user_version, err);
    if (rc == 0 && ret_header->application_id == 0)
        rc = read_number(ledger, "SELECT count(*) FROM sqlite_schema", &ret_header->objects, err);
    return rc;
}

/* One snapshot of it: between two reads another process may create the state, and no marks with
 * tables are somebody else's database. */
int rky_ledger_header_read(struct rky_ledger *ledger, struct rky_ledger_header *ret_header,
                           struct rky_error *err)
{
    if (sqlite3_get_autocommit(ledger->db) == 0)
        return read_header(ledger, ret_header, err);
    int rc = rky_ledger_exec(ledger, "BEGIN", "read the header", err);
    if (rc == 0)
        rc = read_header(ledger, ret_header, err);
    if (rc == 0)
        rc = rky_ledger_exec(ledger, "COMMIT", "read the header", err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

bool rky_ledger_header_fresh(const struct rky_ledger_header *header)
{
    return header->objects == 0 && header->application_id == 0 && header->user_version == 0;
}

static int create_meta(struct rky_ledger *ledger, struct rky_error *err)
{
    char lineage[RKY_UUID_TEXT];
    char write_id[RKY_UUID_TEXT];
    rky_uuid_v4(lineage);
    rky_uuid_v4(write_id);
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_CREATE);
    rky_query_text(&query, ledger->namespace_);
    rky_query_text(&query, lineage);
    rky_query_text(&query, write_id);
    return rky_query_run(&query, "create the state", err);
}

int rky_ledger_migrate(struct rky_ledger *ledger, const struct rky_ledger_header *header,
                       struct rky_error *err)
{
    char marks[128];
    (void)snprintf(marks, sizeof(marks), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   RKY_LEDGER_APPLICATION_ID, RKY_LEDGER_SCHEMA_VERSION);

    int rc = rky_ledger_begin(ledger, err);
    for (int64_t version = header->user_version; rc == 0 && version < RKY_LEDGER_SCHEMA_VERSION;
         version++)
        rc = rky_ledger_exec(ledger, MIGRATIONS[version], "create the tables", err);
    if (rc == 0 && header->user_version == 0)
        rc = create_meta(ledger, err);
    if (rc == 0)
        rc = rky_ledger_exec(ledger, marks, "mark the schema version", err);
    /* A migration changes how the content is stored and not what it says, alike in every program
     * that reads it: the write id stays. */
    if (rc == 0)
        ledger->named = true;
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0) {
        rky_ledger_rollback(ledger);
        return rc;
    }
    rky_log_write(ledger->log, RKY_LOG_DEBUG, NULL,
                  "state file '%s': schema version %" PRId64 " -> %d", ledger->path,
                  header->user_version, RKY_LEDGER_SCHEMA_VERSION);
    return 0;
}
