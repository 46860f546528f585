/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a target schema has: whether a table is there, and whether it has rows. Reads only; called
 * by the thread that uses the session.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include "common/mem.h"

/* A file without our tables has no rows of ours; that is not an error. @retval 1 there, 0 not. */
int rky_sqlite_has_table(struct rky_sqlite_session *session, const char *table,
                         struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(
        session,
        "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
        &statement, err);
    if (rc == RKY_OK) {
        (void)sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
        rc = rky_sqlite_step(session, statement, "look for a table", err);
    }
    (void)sqlite3_finalize(statement);
    return rc < 0 ? rc : rc == SQLITE_ROW;
}

/* Whether the table is there at all is only asked when reading it fails: a run does this for each
 * of its tables. */
static int missing_or(struct rky_sqlite_session *session, const char *table,
                      const struct rky_error *fault, struct rky_error *err)
{
    int rc = rky_sqlite_has_table(session, table, err);
    if (rc == 0)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "there is no table '%s' in '%s'", table,
                        session->file);
    if (rc > 0 && err != NULL)
        *err = *fault;
    return rc > 0 ? fault->code : rc;
}

int rky_sqlite_has_rows(struct rky_session *base, const char *table, struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    struct rky_strbuf sql = {0};
    struct rky_error fault = {0};
    sqlite3_stmt *statement = NULL;
    rky_strbuf_add(&sql, "SELECT 1 FROM main.");
    rky_sqlite_add_name(&sql, table);
    rky_strbuf_add(&sql, " LIMIT 1");
    int rc = sql.failed ? rky_fail_nomem(&fault)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), &statement, &fault);
    if (rc == RKY_OK)
        rc = rky_sqlite_step(session, statement, "look for rows", &fault);
    (void)sqlite3_finalize(statement);
    rky_strbuf_done(&sql);
    return rc < 0 ? missing_or(session, table, &fault, err) : rc == SQLITE_ROW;
}
