/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL functions of ours, registered on our connections only.
 *
 *   rocky_track(cursor [, row id])   always 1; called for each row that a copy reads, it learns the
 *                                    greatest cursor value and the rows that have it, so that no
 *                                    second scan is needed
 *   rocky_survey(cursor [, row id])  aggregate: the same in a scan of its own; gives the number of
 *                                    rows in the window
 *   rocky_row(value, ...)            digest of values, exact in type and bytes, NULL equal to NULL
 *
 * The first two write into the connection's one tracker: one statement at a time may use them.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- cursor values ---------------------------------------------------------------------------- */

void rky_sqlite_value_done(struct rky_sqlite_value *value)
{
    rky_free(value->text);
    *value = (struct rky_sqlite_value){.type = SQLITE_NULL};
}

static bool keep_text(struct rky_sqlite_value *value, const void *text, size_t length)
{
    if (length >= value->capacity &&
        rky_array_reserve(&value->text, &value->capacity, length + 1, 1, NULL) != RKY_OK)
        return false;
    if (length > 0)
        memcpy(value->text, text, length);
    value->text[length] = '\0';
    value->length = length;
    return true;
}

int rky_sqlite_value_set(sqlite3 *db, struct rky_sqlite_value *value,
                         const struct rky_cursor *cursor, struct rky_error *err)
{
    switch (cursor->type) {
    case RKY_CURSOR_NONE:
        value->type = SQLITE_NULL;
        return RKY_OK;
    case RKY_CURSOR_INTEGER:
        value->type = SQLITE_INTEGER;
        value->integer = (int64_t)strtoll(cursor->text, NULL, 10);
        return RKY_OK;
    case RKY_CURSOR_REAL:
        value->type = SQLITE_FLOAT;
        return rky_sqlite_parse_real(db, cursor->text, &value->real, err);
    case RKY_CURSOR_TEXT:
        value->type = SQLITE_TEXT;
        return keep_text(value, cursor->text, strlen(cursor->text)) ? RKY_OK : rky_fail_nomem(err);
    }
    return RKY_OK;
}

/* As SQLite compares an INTEGER with a REAL: exactly. */
static int compare_mixed(int64_t integer, double real)
{
    if (real < -9223372036854775808.0)
        return 1;
    if (real >= 9223372036854775808.0)
        return -1;
    int64_t whole = (int64_t)real;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double back = (double)whole;
    return (back > real) - (back < real);
}

/* A row's value, taken from SQLite once: this runs for every row of a copy. */
struct seen {
    int type;
    int64_t integer;
    double real;
    const void *text;
    size_t length;
};

/* Fills what belongs to the type, no more. */
static inline void see(struct seen *seen, sqlite3_value *value)
{
    seen->type = sqlite3_value_type(value);
    if (seen->type == SQLITE_TEXT) {
        /* The blob accessor: the text accessor would copy to append a NUL. */
        seen->text = sqlite3_value_blob(value);
        seen->length = (size_t)sqlite3_value_bytes(value);
    } else if (seen->type == SQLITE_INTEGER) {
        seen->integer = sqlite3_value_int64(value);
    } else if (seen->type == SQLITE_FLOAT) {
        seen->real = sqlite3_value_double(value);
    }
}

static int compare_numbers(const struct seen *seen, const struct rky_sqlite_value *value)
{
    if (seen->type == SQLITE_INTEGER && value->type == SQLITE_INTEGER)
        return (seen->integer > value->integer) - (seen->integer < value->integer);
    if (seen->type == SQLITE_INTEGER)
        return compare_mixed(seen->integer, value->real);
    if (value->type == SQLITE_INTEGER)
        return -compare_mixed(value->integer, seen->real);
    return (seen->real > value->real) - (seen->real < value->real);
}

/* Order of a row's value against a kept one of the same kind. */
static inline int compare(const struct seen *seen, const struct rky_sqlite_value *value)
{
    if (seen->type != SQLITE_TEXT)
        return compare_numbers(seen, value);
    size_t common = seen->length < value->length ? seen->length : value->length;
    int order = common > 0 ? memcmp(seen->text, value->text, common) : 0;
    if (order != 0)
        return order;
    return (seen->length > value->length) - (seen->length < value->length);
}

static inline bool same_kind(const struct seen *seen, const struct rky_sqlite_value *value)
{
    return (seen->type == SQLITE_TEXT) == (value->type == SQLITE_TEXT);
}

static inline bool keep(struct rky_sqlite_value *value, const struct seen *seen)
{
    value->type = seen->type;
    if (seen->type == SQLITE_TEXT)
        return keep_text(value, seen->text, seen->length);
    if (seen->type == SQLITE_INTEGER)
        value->integer = seen->integer;
    else
        value->real = seen->real;
    return true;
}

/* --- tracker ---------------------------------------------------------------------------------- */

void rky_sqlite_tracker_reset(struct rky_sqlite_tracker *tracker)
{
    struct rky_sqlite_tracker fresh = {
        .after = tracker->after,
        .horizon = tracker->horizon,
        .plain_after = tracker->plain_after,
        .greatest = tracker->greatest,
        .at_after.ids = tracker->at_after.ids,
        .at_after.capacity = tracker->at_after.capacity,
        .at_greatest.ids = tracker->at_greatest.ids,
        .at_greatest.capacity = tracker->at_greatest.capacity,
    };
    fresh.after.type = fresh.horizon.type = SQLITE_NULL;
    fresh.plain_after.type = fresh.greatest.type = SQLITE_NULL;
    *tracker = fresh;
}

void rky_sqlite_tracker_done(struct rky_sqlite_tracker *tracker)
{
    rky_sqlite_value_done(&tracker->after);
    rky_sqlite_value_done(&tracker->horizon);
    rky_sqlite_value_done(&tracker->plain_after);
    rky_sqlite_value_done(&tracker->greatest);
    rky_free(tracker->at_after.ids);
    rky_free(tracker->at_greatest.ids);
    *tracker = (struct rky_sqlite_tracker){0};
}

static bool make_room(struct rky_sqlite_rows *rows)
{
    if (rows->count == RKY_SQLITE_ROWS_MAX)
        rows->overflowed = true;
    return rows->overflowed || rky_array_reserve(&rows->ids, &rows->capacity, rows->count + 1,
                                                 sizeof(*rows->ids), NULL) == RKY_OK;
}

static inline bool add_row(struct rky_sqlite_rows *rows, int64_t id)
{
    if (rows->overflowed || rows->count == RKY_SQLITE_ROWS_MAX || rows->count == rows->capacity) {
        if (!make_room(rows))
            return false;
        if (rows->overflowed)
            return true;
    }
    rows->ids[rows->count++] = id;
    return true;
}

/* A value that may be the greatest so far. */
static inline bool track_greatest(struct rky_sqlite_tracker *tracker, const struct seen *seen,
                                  int64_t row_id)
{
    int order = 1;
    if (tracker->greatest.type != SQLITE_NULL)
        /* Mixed kinds fail the copy afterwards; until then text is above numbers, as in SQLite. */
        order = same_kind(seen, &tracker->greatest) ? compare(seen, &tracker->greatest)
                : seen->type == SQLITE_TEXT         ? 1
                                                    : -1;
    if (order < 0)
        return true;
    if (order > 0) {
        tracker->at_greatest.count = 0;
        tracker->at_greatest.overflowed = false;
        if (!keep(&tracker->greatest, seen))
            return false;
    }
    return add_row(&tracker->at_greatest, row_id);
}

/* A row whose value is of a kind that has an order. */
static inline bool track_value(struct rky_sqlite_tracker *tracker, const struct seen *seen,
                               int64_t row_id)
{
    if (tracker->horizon.type != SQLITE_NULL && same_kind(seen, &tracker->horizon) &&
        compare(seen, &tracker->horizon) > 0)
        return true;
    if (tracker->after.type != SQLITE_NULL && same_kind(seen, &tracker->after) &&
        compare(seen, &tracker->after) == 0 && !add_row(&tracker->at_after, row_id))
        return false;
    if (tracker->plain_after.type == SQLITE_NULL ||
        (same_kind(seen, &tracker->plain_after) && compare(seen, &tracker->plain_after) > 0))
        tracker->window_rows++;
    return track_greatest(tracker, seen, row_id);
}

static inline void track(struct rky_sqlite_tracker *tracker, int argc, sqlite3_value **argv)
{
    struct seen seen;
    see(&seen, argv[0]);
    tracker->rows++;
    switch (seen.type) {
    case SQLITE_NULL:
        tracker->nulls++;
        return;
    case SQLITE_BLOB:
        tracker->blobs++;
        return;
    case SQLITE_TEXT:
        tracker->texts++;
        break;
    default:
        tracker->numbers++;
        break;
    }
    int64_t row_id = argc > 1 ? sqlite3_value_int64(argv[1]) : 0;
    if (!track_value(tracker, &seen, row_id))
        tracker->out_of_memory = true;
}

static void track_function(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct rky_sqlite_tracker *tracker = sqlite3_user_data(context);
    track(tracker, argc, argv);
    if (tracker->out_of_memory)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_int(context, 1);
}

static void survey_step(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    track(sqlite3_user_data(context), argc, argv);
}

static void survey_final(sqlite3_context *context)
{
    const struct rky_sqlite_tracker *tracker = sqlite3_user_data(context);
    if (tracker->out_of_memory)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_int64(context, tracker->window_rows);
}

/* --- digests ---------------------------------------------------------------------------------- */

void rky_sqlite_digest_done(struct rky_sqlite_digest *digest)
{
    rky_strbuf_done(&digest->row);
}

/* Values stand behind one another unambiguously: type, length, bytes. */
static void add_integer(struct rky_strbuf *row, int64_t integer)
{
    rky_strbuf_addn(row, &integer, sizeof(integer));
}

static void add_real(struct rky_strbuf *row, double real)
{
    rky_strbuf_addn(row, &real, sizeof(real));
}

static void add_bytes(struct rky_strbuf *row, const void *bytes, int length)
{
    add_integer(row, length);
    if (length > 0 && bytes == NULL)
        row->failed = true;
    else if (length > 0)
        rky_strbuf_addn(row, bytes, (size_t)length);
}

static void add_value(struct rky_strbuf *row, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    rky_strbuf_addc(row, (char)('0' + type));
    if (type == SQLITE_INTEGER) {
        add_integer(row, sqlite3_value_int64(value));
    } else if (type == SQLITE_FLOAT) {
        add_real(row, sqlite3_value_double(value));
    } else if (type != SQLITE_NULL) {
        const void *bytes = sqlite3_value_blob(value);
        add_bytes(row, bytes, sqlite3_value_bytes(value));
    }
}

static void add_column(struct rky_strbuf *row, sqlite3_stmt *statement, int column)
{
    int type = sqlite3_column_type(statement, column);
    rky_strbuf_addc(row, (char)('0' + type));
    if (type == SQLITE_INTEGER) {
        add_integer(row, sqlite3_column_int64(statement, column));
    } else if (type == SQLITE_FLOAT) {
        add_real(row, sqlite3_column_double(statement, column));
    } else if (type != SQLITE_NULL) {
        const void *bytes = sqlite3_column_blob(statement, column);
        add_bytes(row, bytes, sqlite3_column_bytes(statement, column));
    }
}

/* @return false when memory was out. */
static bool finish(const struct rky_sqlite_digest *digest, uint8_t ret_digest[RKY_SHA256_BYTES])
{
    if (!digest->row.failed)
        rky_sha256(digest->row.data, digest->row.length, ret_digest);
    return !digest->row.failed;
}

static void start(struct rky_sqlite_digest *digest)
{
    if (digest->row.failed)
        rky_strbuf_done(&digest->row);
    digest->row.length = 0;
}

int rky_sqlite_digest_row(struct rky_sqlite_digest *digest, sqlite3_stmt *statement,
                          uint8_t ret_digest[RKY_SHA256_BYTES], struct rky_error *err)
{
    start(digest);
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++)
        add_column(&digest->row, statement, i);
    return finish(digest, ret_digest) ? RKY_OK : rky_fail_nomem(err);
}

static void row_function(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct rky_sqlite_digest *digest = sqlite3_user_data(context);
    uint8_t bytes[RKY_SHA256_BYTES];
    start(digest);
    for (int i = 0; i < argc; i++)
        add_value(&digest->row, argv[i]);
    if (finish(digest, bytes))
        sqlite3_result_blob(context, bytes, sizeof(bytes), SQLITE_TRANSIENT);
    else
        sqlite3_result_error_nomem(context);
}

/* --- registration ----------------------------------------------------------------------------- */

int rky_sqlite_functions_register(sqlite3 *db, struct rky_sqlite_tracker *tracker,
                                  struct rky_sqlite_digest *digest)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int code = SQLITE_OK;
    for (int argc = 1; code == SQLITE_OK && argc <= 2; argc++) {
        code = sqlite3_create_function_v2(db, "rocky_track", argc, flags, tracker, track_function,
                                          NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_create_function_v2(db, "rocky_survey", argc, flags, tracker, NULL,
                                              survey_step, survey_final, NULL);
    }
    if (code == SQLITE_OK && digest != NULL)
        code = sqlite3_create_function_v2(db, "rocky_row", -1, flags | SQLITE_DETERMINISTIC, digest,
                                          row_function, NULL, NULL, NULL);
    return code;
}
