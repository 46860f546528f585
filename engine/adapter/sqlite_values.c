/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursor values between SQLite and the engine: exact text there and back, never rounded. What could
 * not be compared or written again is refused here.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int rky_sqlite_parse_real(sqlite3 *db, const char *text, double *ret_value, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "SELECT %.60s", text);
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_double(statement, 0);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW ? RKY_OK : rky_fail(err, RKY_ERR_QUERY, "'%s' is no number", text);
}

int rky_sqlite_real_text(sqlite3 *db, double value, char ret_text[40], struct rky_error *err)
{
    static const char *const forms[] = {"%!.15g", "%!.17g", "%!.20e"};
    double back = 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (value > 1.7976931348623157e308 || value < -1.7976931348623157e308)
            (void)sqlite3_snprintf(40, ret_text, value > 0 ? "9.0e+999" : "-9.0e+999");
        else
            (void)sqlite3_snprintf(40, ret_text, forms[i], value);
        int rc = rky_sqlite_parse_real(db, ret_text, &back, err);
        if (rc != RKY_OK || memcmp(&back, &value, sizeof(value)) == 0)
            return rc;
    }
    return rky_fail(err, RKY_ERR_QUERY, "the cursor value %s cannot be written exactly", ret_text);
}

static int bad_text(const char *table, const char *column, const char *what, struct rky_error *err)
{
    int rc = rky_fail(err, RKY_ERR_QUERY,
                      "column '%s' of table '%s' cannot be a cursor: its greatest value is %s",
                      column, table, what);
    rky_error_hint(err, "repair the value in the source, name another timestamp_column, or set "
                        "strategy = \"full_refresh\" for this table");
    return rc;
}

static int text_cursor(const char *text, size_t length, const char *table, const char *column,
                       struct rky_cursor *ret_cursor, struct rky_error *err)
{
    if (memchr(text, '\0', length) != NULL)
        return bad_text(table, column, "text with a NUL in it", err);
    if (!rky_utf8_valid(text, length))
        return bad_text(table, column, "text that is not UTF-8", err);
    char *copy = rky_strndup(text, length);
    if (copy == NULL)
        return rky_fail_nomem(err);
    rky_free(ret_cursor->text);
    *ret_cursor = (struct rky_cursor){.type = RKY_CURSOR_TEXT, .text = copy};
    return RKY_OK;
}

static int number_cursor(sqlite3 *db, int type, int64_t integer, double real,
                         struct rky_cursor *ret_cursor, struct rky_error *err)
{
    char text[40];
    if (type == SQLITE_INTEGER) {
        (void)snprintf(text, sizeof(text), "%" PRId64, integer);
        return rky_cursor_set(ret_cursor, RKY_CURSOR_INTEGER, text, err);
    }
    int rc = rky_sqlite_real_text(db, real, text, err);
    return rc == RKY_OK ? rky_cursor_set(ret_cursor, RKY_CURSOR_REAL, text, err) : rc;
}

int rky_sqlite_value_cursor(sqlite3 *db, const struct rky_sqlite_value *value, const char *table,
                            const char *column, struct rky_cursor *ret_cursor,
                            struct rky_error *err)
{
    switch (value->type) {
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        return number_cursor(db, value->type, value->integer, value->real, ret_cursor, err);
    case SQLITE_TEXT:
        return text_cursor(value->text, value->length, table, column, ret_cursor, err);
    default:
        rky_cursor_done(ret_cursor);
        return RKY_OK;
    }
}

int rky_sqlite_column_cursor(sqlite3_stmt *statement, int index, const char *table,
                             const char *column, struct rky_cursor *ret_cursor,
                             struct rky_error *err)
{
    int type = sqlite3_column_type(statement, index);
    switch (type) {
    case SQLITE_NULL:
        rky_cursor_done(ret_cursor);
        return RKY_OK;
    case SQLITE_BLOB:
        return bad_text(table, column, "a BLOB", err);
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, index);
        if (text == NULL)
            return rky_fail_nomem(err);
        return text_cursor(text, (size_t)sqlite3_column_bytes(statement, index), table, column,
                           ret_cursor, err);
    }
    default:
        return number_cursor(sqlite3_db_handle(statement), type,
                             sqlite3_column_int64(statement, index),
                             sqlite3_column_double(statement, index), ret_cursor, err);
    }
}

int rky_sqlite_bind_cursor(sqlite3_stmt *statement, int at, sqlite3 *db,
                           const struct rky_cursor *value, struct rky_error *err)
{
    struct rky_sqlite_value parsed = {.type = SQLITE_NULL};
    int code = SQLITE_OK;
    int rc = rky_sqlite_value_set(db, &parsed, value, err);
    if (rc != RKY_OK)
        return rc;
    if (parsed.type == SQLITE_INTEGER)
        code = sqlite3_bind_int64(statement, at, parsed.integer);
    else if (parsed.type == SQLITE_FLOAT)
        code = sqlite3_bind_double(statement, at, parsed.real);
    else if (parsed.type == SQLITE_TEXT)
        code = sqlite3_bind_text(statement, at, parsed.text, (int)parsed.length, SQLITE_TRANSIENT);
    rky_sqlite_value_done(&parsed);
    return code == SQLITE_OK ? RKY_OK : rky_fail_nomem(err);
}
