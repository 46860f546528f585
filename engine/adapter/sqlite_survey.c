/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the source's cursor column holds, in the snapshot of the copy: the greatest value, whether
 * it can be a cursor at all, how many rows are new, and which rows tie.
 *
 * With an index on the cursor every figure comes from the index; without one, from one scan.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void rky_sqlite_survey_done(struct rky_sqlite_survey *survey)
{
    rky_cursor_done(&survey->greatest);
    *survey = (struct rky_sqlite_survey){.rows = -1, .nulls = -1, .window_rows = -1};
}

/* --- whether the column can be a cursor ---------------------------------------------------------
 */

struct classes {
    int64_t numbers, texts, blobs;
};

static int mixed(const struct rky_sqlite_shape *shape, const struct classes *found,
                 struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    int rc = rky_fail(err, RKY_ERR_QUERY,
                      "column '%s' of table '%s' cannot be a cursor: it holds %lld numbers, %lld "
                      "texts and %lld BLOBs, which have no common order",
                      spec->cursor_column, spec->source.table, (long long)found->numbers,
                      (long long)found->texts, (long long)found->blobs);
    rky_error_hint(err,
                   "bring the column to one type in the source, name another timestamp_column, "
                   "or set strategy = \"full_refresh\" without a cursor for this table");
    return rc;
}

static int null_cursors(const struct rky_sqlite_shape *shape, int64_t count, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    int rc =
        rky_fail(err, RKY_ERR_QUERY, "%lld rows of table '%s' have NULL in the cursor column '%s'",
                 (long long)count, spec->source.table, spec->cursor_column);
    rky_error_hint(err, "null_cursor = \"exclude\" leaves them out, \"include\" copies them and "
                        "looks for new ones in each run, \"fail\" (set now) stops the table; or "
                        "fill the column in the source");
    return rc;
}

static int changed_kind(const struct rky_sqlite_shape *shape, const struct rky_cursor *greatest,
                        struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    const struct rky_cursor *after = rky_sqlite_plain_after(shape);
    int rc = rky_fail(err, RKY_ERR_SCHEMA_DRIFT,
                      "column '%s' of table '%s' holds %s values, but the watermark is %s '%s'",
                      spec->cursor_column, spec->source.table, rky_cursor_type_name(greatest->type),
                      rky_cursor_type_name(after->type), after->text);
    rky_error_hint(err, "'rocky state delete --table %s' copies the table whole again",
                   spec->table_name);
    return rc;
}

static int judge(const struct rky_sqlite_shape *shape, const struct classes *found, int64_t nulls,
                 const struct rky_cursor *greatest, struct rky_error *err)
{
    const struct rky_cursor *after = rky_sqlite_plain_after(shape);
    if (found->blobs > 0 || (found->numbers > 0 && found->texts > 0))
        return mixed(shape, found, err);
    if (nulls > 0 && shape->spec->null_cursor == RKY_NULL_CURSOR_FAIL)
        return null_cursors(shape, nulls, err);
    if (!shape->unbounded && greatest->type != RKY_CURSOR_NONE && after->type != RKY_CURSOR_NONE &&
        (greatest->type == RKY_CURSOR_TEXT) != (after->type == RKY_CURSOR_TEXT))
        return changed_kind(shape, greatest, err);
    return RKY_OK;
}

/* Only for a message: the index says that classes are mixed, not how many of each there are. */
static int count_classes(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                         struct classes *found, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    *found = (struct classes){0};
    rky_strbuf_addf(&sql, "SELECT typeof(%s), count(*) FROM %s GROUP BY 1", shape->cursor,
                    shape->source);
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), &statement, err);
    while (rc == RKY_OK || rc == SQLITE_ROW) {
        rc = rky_sqlite_step(session, statement, "count the cursor's types", err);
        if (rc != SQLITE_ROW)
            break;
        const char *type = (const char *)sqlite3_column_text(statement, 0);
        int64_t count = sqlite3_column_int64(statement, 1);
        if (type != NULL && strcmp(type, "text") == 0)
            found->texts += count;
        else if (type != NULL && strcmp(type, "blob") == 0)
            found->blobs += count;
        else if (type != NULL && strcmp(type, "null") != 0)
            found->numbers += count;
    }
    (void)sqlite3_finalize(statement);
    rky_strbuf_done(&sql);
    return rc < 0 ? rc : RKY_OK;
}

/* --- by the tracker --------------------------------------------------------------------------- */

int rky_sqlite_track(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                     const struct rky_cursor *horizon, struct rky_error *err)
{
    struct rky_sqlite_tracker *tracker = &session->tracker;
    rky_sqlite_tracker_reset(tracker);
    int rc = RKY_OK;
    if (!shape->whole)
        rc = rky_sqlite_value_set(session->db, &tracker->after, &shape->after, err);
    if (rc == RKY_OK && !shape->whole)
        rc = rky_sqlite_value_set(session->db, &tracker->plain_after, rky_sqlite_plain_after(shape),
                                  err);
    if (rc == RKY_OK)
        rc = rky_sqlite_value_set(session->db, &tracker->horizon, horizon, err);
    return rc;
}

/* Whether what was seen is of one kind, and of the watermark's. */
static bool one_kind(const struct rky_sqlite_shape *shape, const struct rky_sqlite_tracker *tracker)
{
    enum rky_cursor_type after = rky_sqlite_plain_after(shape)->type;
    bool numbers = tracker->numbers > 0 || after == RKY_CURSOR_INTEGER || after == RKY_CURSOR_REAL;
    bool texts = tracker->texts > 0 || after == RKY_CURSOR_TEXT;
    return tracker->blobs == 0 && !(numbers && texts);
}

int rky_sqlite_tracked(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                       struct rky_sqlite_survey *survey, struct rky_error *err)
{
    const struct rky_sqlite_tracker *tracker = &session->tracker;
    const struct rky_copy_spec *spec = shape->spec;
    struct classes found = {0};
    int rc = RKY_OK;
    survey->nulls = tracker->nulls;
    survey->window_rows = tracker->window_rows;
    if (!one_kind(shape, tracker))
        rc = count_classes(session, shape, &found, err);
    /* Classes first: a BLOB as the greatest value would only be called a BLOB. */
    if (rc == RKY_OK)
        rc = judge(shape, &found, tracker->nulls, &(struct rky_cursor){0}, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_value_cursor(session->db, &tracker->greatest, spec->source.table,
                                     spec->cursor_column, &survey->greatest, err);
    return rc == RKY_OK ? judge(shape, &found, tracker->nulls, &survey->greatest, err) : rc;
}

/* --- by a statement ----------------------------------------------------------------------------
 */

int rky_sqlite_bind_horizon(sqlite3_stmt *statement, const struct rky_cursor *horizon,
                            struct rky_error *err)
{
    int at = sqlite3_bind_parameter_index(statement, ":horizon");
    return at == 0
               ? RKY_OK
               : rky_sqlite_bind_cursor(statement, at, sqlite3_db_handle(statement), horizon, err);
}

/* Below a number there are only numbers. Below a text there are only texts where the column turns
 * every number into text. NULL: nothing is below. */
static bool can_pass(const struct rky_sqlite_shape *shape, int type)
{
    const struct rky_column *column =
        rky_table_column(shape->spec->source_table, shape->spec->cursor_column);
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT ||
           (type == SQLITE_TEXT && rky_sqlite_affinity(column->type) == 'B');
}

int rky_sqlite_bind_latest(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                           sqlite3_stmt *statement, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    sqlite3_stmt *last = NULL;
    int at = sqlite3_bind_parameter_index(statement, ":latest");
    if (at == 0)
        return RKY_OK;
    rky_strbuf_addf(&sql, "SELECT %s FROM %s ORDER BY %s DESC LIMIT 1", shape->cursor,
                    shape->source, shape->row_id);
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), &last, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_step(session, last, "read the source", err);
    if (rc == SQLITE_ROW && can_pass(shape, sqlite3_column_type(last, 0)) &&
        sqlite3_bind_value(statement, at, sqlite3_column_value(last, 0)) != SQLITE_OK)
        rc = rky_fail_nomem(err);
    (void)sqlite3_finalize(last);
    rky_strbuf_done(&sql);
    return rc < 0 ? rc : RKY_OK;
}

static int64_t counted(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? -1
               : sqlite3_column_int64(statement, column);
}

static bool is_number(int type)
{
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

/* The columns of add_survey() and add_indexed_survey(). */
enum { SCANNED_ROWS = 1 };
enum { LOWEST, HIGHEST, WITHIN, NULLS, WINDOW, ROWS };

static int take_indexed(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                        sqlite3_stmt *statement, struct rky_sqlite_survey *survey,
                        struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    int lowest = sqlite3_column_type(statement, LOWEST);
    int highest = sqlite3_column_type(statement, HIGHEST);
    struct classes found = {0};
    int rc = RKY_OK;
    survey->nulls = counted(statement, NULLS);
    survey->window_rows = counted(statement, WINDOW);
    survey->rows = counted(statement, ROWS);
    /* A window without ends is the whole table but for its NULLs. */
    if (shape->unbounded && !shape->has_horizon && survey->rows >= 0)
        survey->window_rows = survey->rows - survey->nulls;
    /* Numbers, text and BLOBs sort in this order, so the two ends tell. */
    if (highest == SQLITE_BLOB || is_number(lowest) != is_number(highest))
        rc = count_classes(session, shape, &found, err);
    if (rc == RKY_OK)
        rc = judge(shape, &found, survey->nulls, &survey->greatest, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_column_cursor(statement, shape->has_horizon ? WITHIN : HIGHEST,
                                      spec->source.table, spec->cursor_column, &survey->greatest,
                                      err);
    return rc == RKY_OK ? judge(shape, &found, survey->nulls, &survey->greatest, err) : rc;
}

int rky_sqlite_survey(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                      const char *sql, const struct rky_cursor *horizon,
                      struct rky_sqlite_survey *survey, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_track(session, shape, horizon, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_prepare(session, sql, &statement, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_bind_horizon(statement, horizon, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_step(session, statement, "survey the source", err);
    if (rc == SQLITE_ROW && shape->indexed) {
        rc = take_indexed(session, shape, statement, survey, err);
    } else if (rc == SQLITE_ROW) {
        survey->rows = counted(statement, SCANNED_ROWS);
        rc = rky_sqlite_tracked(session, shape, survey, err);
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

int rky_sqlite_sample(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                      struct rky_cursor *ret_sample, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    rky_strbuf_addf(&sql, "SELECT %s FROM %s WHERE %s IS NOT NULL LIMIT 1", shape->cursor,
                    shape->source, shape->cursor);
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), &statement, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_step(session, statement, "read the source", err);
    if (rc == SQLITE_ROW)
        rc = rky_sqlite_column_cursor(statement, 0, shape->spec->source.table,
                                      shape->spec->cursor_column, ret_sample, err);
    (void)sqlite3_finalize(statement);
    rky_strbuf_done(&sql);
    return rc < 0 ? rc : RKY_OK;
}
