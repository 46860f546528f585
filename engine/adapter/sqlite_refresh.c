/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full refresh of a table that is there: emptied and filled where its columns stay the same, else
 * replaced by one that was built beside it. Readers see the old rows until the commit.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <string.h>

int rky_sqlite_refresh_check(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    const struct rky_copy_spec *spec = shape->spec;
    sqlite3_stmt *statement = NULL;
    if (!shape->whole || spec->target_table == NULL || shape->build != NULL)
        return RKY_OK;
    int rc = rky_sqlite_prepare(copy->session,
                                "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND "
                                "tbl_name = ?1 COLLATE NOCASE LIMIT 1",
                                &statement, err);
    if (rc != RKY_OK)
        return rc;
    (void)sqlite3_bind_text(statement, 1, spec->target.table, -1, SQLITE_STATIC);
    rc = rky_sqlite_step(copy->session, statement, "look for triggers", err);
    if (rc == SQLITE_ROW) {
        rc = rky_fail(err, RKY_ERR_QUERY,
                      "target table '%s' cannot be refreshed: its trigger '%s' would run for every "
                      "row that is deleted and inserted again",
                      spec->target.table, (const char *)sqlite3_column_text(statement, 0));
        rky_error_hint(err,
                       "drop the trigger and create it again afterwards, or drop the table: it "
                       "is then built anew");
    }
    (void)sqlite3_finalize(statement);
    return rc < 0 ? rc : RKY_OK;
}

/* CREATE statements of what hangs on a table and goes with it. */
static int read_dependents(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(copy->session,
                                "SELECT sql FROM main.sqlite_schema WHERE type IN ('index', "
                                "'trigger') AND tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL "
                                "ORDER BY type, rowid",
                                &statement, err);
    if (rc != RKY_OK)
        return rc;
    (void)sqlite3_bind_text(statement, 1, copy->shape->spec->target.table, -1, SQLITE_STATIC);
    for (;;) {
        rc = rky_sqlite_step(copy->session, statement, "read indexes and triggers", err);
        if (rc != SQLITE_ROW)
            break;
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        rc = text != NULL ? rky_strings_add(&copy->dependents, text, err) : rky_fail_nomem(err);
        if (rc != RKY_OK)
            break;
    }
    (void)sqlite3_finalize(statement);
    return rc < 0 ? rc : RKY_OK;
}

static int create_again(struct rky_sqlite_copy *copy, const char *sql, struct rky_error *err)
{
    sqlite3 *db = copy->session->db;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return RKY_OK;
    int rc = rky_sqlite_session_fail(copy->session, sqlite3_extended_errcode(db),
                                     "create an index or trigger of the rebuilt table again", err);
    rky_error_hint(err, "drop it if it is about a column that is gone: %.300s", sql);
    return rc;
}

int rky_sqlite_swap_drop(struct rky_sqlite_copy *copy, const char *sql, struct rky_error *err)
{
    int rc = read_dependents(copy, err);
    return rc == RKY_OK ? rky_sqlite_run(copy, sql, "drop the old table", NULL, err) : rc;
}

int rky_sqlite_swap_rename(struct rky_sqlite_copy *copy, const char *sql, struct rky_error *err)
{
    int rc = rky_sqlite_run(copy, sql, "rename the new table", NULL, err);
    for (size_t i = 0; rc == RKY_OK && i < copy->dependents.count; i++)
        rc = create_again(copy, copy->dependents.items[i], err);
    return rc;
}
