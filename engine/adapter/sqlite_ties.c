/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source rows that share the watermark's value: how many, and a hash of them that does not depend
 * on their order. When either differs from what the last copy saw, rows came or changed there.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Rows in whatever order give the same sum; the same row twice counts twice. */
struct sum {
    unsigned __int128 total;
    int64_t count;
};

static int add_rows(struct rky_sqlite_session *session, sqlite3_stmt *statement, struct sum *sum,
                    struct rky_error *err)
{
    uint8_t digest[RKY_SHA256_BYTES];
    for (;;) {
        int rc = rky_sqlite_step(session, statement, "read the rows that tie", err);
        if (rc != SQLITE_ROW)
            return rc < 0 ? rc : RKY_OK;
        rc = rky_sqlite_digest_row(&session->digest, statement, digest, err);
        if (rc != RKY_OK)
            return rc;
        unsigned __int128 part = 0;
        for (int i = 0; i < 16; i++)
            part = part << 8 | digest[i];
        sum->total += part;
        sum->count++;
    }
}

/* `SELECT *` by value, bound; so that it can serve every value of one copy. */
static int prepare_by_value(struct rky_sqlite_session *session,
                            const struct rky_sqlite_shape *shape, sqlite3_stmt **ret_statement,
                            struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    rky_strbuf_addf(&sql, "SELECT * FROM %s", shape->source);
    if (shape->cursor != NULL)
        rky_strbuf_addf(&sql, " WHERE %s = ?1", shape->cursor_binary);
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), ret_statement, err);
    rky_strbuf_done(&sql);
    return rc;
}

static bool by_id(const struct rky_sqlite_shape *shape)
{
    return shape->cursor != NULL && !shape->indexed && shape->row_id != NULL;
}

int rky_sqlite_prepare_rows(struct rky_sqlite_session *session,
                            const struct rky_sqlite_shape *shape, sqlite3_stmt **ret_statement,
                            struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    if (!by_id(shape))
        return prepare_by_value(session, shape, ret_statement, err);
    rky_strbuf_addf(&sql, "SELECT * FROM %s WHERE %s = ?1", shape->source, shape->row_id);
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), ret_statement, err);
    rky_strbuf_done(&sql);
    return rc;
}

static int sum_value(struct rky_sqlite_copy *copy, sqlite3_stmt *statement,
                     const struct rky_cursor *value, struct sum *sum, struct rky_error *err)
{
    int rc = rky_sqlite_bind_cursor(statement, 1, copy->session->db, value, err);
    if (rc == RKY_OK)
        rc = add_rows(copy->session, statement, sum, err);
    (void)sqlite3_reset(statement);
    return rc;
}

/* More rows tie than ids were kept: one more scan. */
static int sum_by_scan(struct rky_sqlite_copy *copy, const struct rky_cursor *value,
                       struct sum *sum, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare_by_value(copy->session, copy->shape, &statement, err);
    if (rc == RKY_OK)
        rc = sum_value(copy, statement, value, sum, err);
    (void)sqlite3_finalize(statement);
    return rc;
}

static int sum_ids(struct rky_sqlite_copy *copy, const struct rky_sqlite_rows *rows,
                   struct sum *sum, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < rows->count; i++) {
        (void)sqlite3_bind_int64(copy->source_rows, 1, rows->ids[i]);
        rc = add_rows(copy->session, copy->source_rows, sum, err);
        (void)sqlite3_reset(copy->source_rows);
    }
    return rc;
}

int rky_sqlite_ties(struct rky_sqlite_copy *copy, const struct rky_cursor *value,
                    const struct rky_sqlite_rows *rows, struct rky_sqlite_ties *ret_ties,
                    struct rky_error *err)
{
    struct sum sum = {0};
    int rc = RKY_OK;
    if (value->type == RKY_CURSOR_NONE)
        rc = RKY_OK;
    else if (!by_id(copy->shape))
        rc = sum_value(copy, copy->source_rows, value, &sum, err);
    else if (rows->overflowed)
        rc = sum_by_scan(copy, value, &sum, err);
    else
        rc = sum_ids(copy, rows, &sum, err);
    if (rc != RKY_OK)
        return rc;
    ret_ties->count = sum.count;
    (void)snprintf(ret_ties->hash, sizeof(ret_ties->hash), "%016" PRIx64 "%016" PRIx64,
                   (uint64_t)(sum.total >> 64), (uint64_t)sum.total);
    return RKY_OK;
}
