/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rocky's own tables in a target file: who may write (fence), how far each table is (watermarks),
 * what was committed (sqlite_commits.c).
 *
 * They are the truth that every ledger follows, so a row of them changes only in a transaction that
 * has checked the claim, and together with the rows it speaks of.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/fault.h"

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS main._rocky_fence("
    "namespace TEXT PRIMARY KEY, token INTEGER NOT NULL, claim_id TEXT NOT NULL, lineage TEXT, "
    "claimed_at TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS main._rocky_watermarks("
    "table_name TEXT PRIMARY KEY, namespace TEXT NOT NULL, cursor_column TEXT, cursor_type TEXT, "
    "value TEXT, high_value TEXT, ties INTEGER, ties_hash TEXT, prev_value TEXT, "
    "action TEXT NOT NULL, rows_copied INTEGER NOT NULL, late_rows INTEGER NOT NULL, run_id TEXT, "
    "job_id TEXT, plan_id TEXT, tombstone_seq INTEGER NOT NULL, added_columns TEXT, "
    "commit_id TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS main._rocky_commits("
    "job_id TEXT NOT NULL, table_name TEXT NOT NULL, namespace TEXT NOT NULL, "
    "idempotency_key TEXT, plan_id TEXT, commit_id TEXT NOT NULL, action TEXT NOT NULL, "
    "rows_copied INTEGER NOT NULL, late_rows INTEGER NOT NULL, source_count INTEGER, "
    "window_after TEXT, window_through TEXT, committed_at TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS main._rocky_commits_job ON _rocky_commits(job_id);"
    "CREATE INDEX IF NOT EXISTS main._rocky_commits_plan ON _rocky_commits(plan_id)"
    " WHERE plan_id IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS main._rocky_commits_key ON _rocky_commits(idempotency_key)"
    " WHERE idempotency_key IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS main._rocky_commits_time ON _rocky_commits(committed_at);";

/* --- small helpers ---------------------------------------------------------------------------- */

void rky_sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    if (text != NULL)
        (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* An owned copy, NULL where SQL has NULL. */
int rky_sqlite_take_text(sqlite3_stmt *statement, int column, char **ret_text,
                         struct rky_error *err)
{
    *ret_text = NULL;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (text == NULL)
        return sqlite3_column_type(statement, column) == SQLITE_NULL ? RKY_OK : rky_fail_nomem(err);
    *ret_text = rky_strdup(text);
    return *ret_text != NULL ? RKY_OK : rky_fail_nomem(err);
}

void rky_sqlite_now(const struct rky_sqlite_session *session, char ret_text[RKY_TIME_TEXT_MAX])
{
    rky_time_format(session->clock->wall_us(session->clock), ret_text);
}

/* --- fence ------------------------------------------------------------------------------------ */

static const char read_fence_sql[] =
    "SELECT token, claim_id, lineage FROM main._rocky_fence WHERE namespace = ?1";

static void copy_id(char ret_id[RKY_UUID_TEXT], const unsigned char *text)
{
    ret_id[0] = '\0';
    if (text != NULL) {
        (void)strncpy(ret_id, (const char *)text, RKY_UUID_TEXT - 1);
        ret_id[RKY_UUID_TEXT - 1] = '\0';
    }
}

static int fence_row(struct rky_sqlite_session *session, const char *namespace_,
                     struct rky_fence *ret_fence, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    *ret_fence = (struct rky_fence){0};
    int rc = rky_sqlite_prepared(session, RKY_SQLITE_READ_FENCE, read_fence_sql, &statement, err);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_bind_text(statement, 1, namespace_);
    rc = rky_sqlite_step(session, statement, "read the fence", err);
    if (rc == SQLITE_ROW) {
        ret_fence->present = true;
        ret_fence->token = sqlite3_column_int64(statement, 0);
        copy_id(ret_fence->claim_id, sqlite3_column_text(statement, 1));
        copy_id(ret_fence->lineage, sqlite3_column_text(statement, 2));
    }
    (void)sqlite3_reset(statement);
    return rc < 0 ? rc : RKY_OK;
}

int rky_sqlite_read_fence(struct rky_session *base, const char *namespace_,
                          struct rky_fence *ret_fence, struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    *ret_fence = (struct rky_fence){0};
    int rc = rky_sqlite_has_table(session, "_rocky_fence", err);
    return rc <= 0 ? rc : fence_row(session, namespace_, ret_fence, err);
}

int rky_sqlite_demand_claim(struct rky_sqlite_session *session, const struct rky_claim *claim,
                            struct rky_error *err)
{
    struct rky_fence fence;
    int rc = fence_row(session, claim->namespace_, &fence, err);
    if (rc != RKY_OK)
        return rc;
    if (fence.present && fence.token == claim->token &&
        strcmp(fence.claim_id, claim->claim_id) == 0)
        return RKY_OK;
    return rky_fail(err, RKY_ERR_FENCED,
                    "target '%s' is claimed by another worker for namespace '%s': token %lld, ours "
                    "%lld",
                    session->file, claim->namespace_, (long long)fence.token,
                    (long long)claim->token);
}

int rky_sqlite_claim_check(struct rky_session *base, const struct rky_claim *claim,
                           struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    int rc = rky_sqlite_has_table(session, "_rocky_fence", err);
    if (rc == 0)
        return rky_fail(err, RKY_ERR_FENCED, "target '%s' has no claim for namespace '%s'",
                        session->file, claim->namespace_);
    return rc < 0 ? rc : rky_sqlite_demand_claim(session, claim, err);
}

static const char write_fence_sql[] =
    "INSERT INTO main._rocky_fence(namespace, token, claim_id, lineage, claimed_at)"
    " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(namespace) DO UPDATE SET token = excluded.token,"
    " claim_id = excluded.claim_id, lineage = coalesce(lineage, excluded.lineage),"
    " claimed_at = excluded.claimed_at";

static int write_fence(struct rky_sqlite_session *session, const struct rky_claim *claim,
                       struct rky_error *err)
{
    char now[RKY_TIME_TEXT_MAX];
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(session, write_fence_sql, &statement, err);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_now(session, now);
    rky_sqlite_bind_text(statement, 1, claim->namespace_);
    (void)sqlite3_bind_int64(statement, 2, claim->token);
    rky_sqlite_bind_text(statement, 3, claim->claim_id);
    rky_sqlite_bind_text(statement, 4, claim->lineage);
    rky_sqlite_bind_text(statement, 5, now);
    rc = rky_sqlite_step(session, statement, "claim the target", err);
    (void)sqlite3_finalize(statement);
    return rc < 0 ? rc : RKY_OK;
}

static int create_tables(struct rky_sqlite_session *session, struct rky_error *err)
{
    if (sqlite3_exec(session->db, create_sql, NULL, NULL, NULL) == SQLITE_OK)
        return RKY_OK;
    return rky_sqlite_session_fail(session, sqlite3_extended_errcode(session->db),
                                   "create Rocky's own tables", err);
}

/* After a COMMIT that failed neither way can be assumed: the row itself says. */
static int settle_claim(struct rky_sqlite_session *session, const struct rky_claim *claim, int rc,
                        struct rky_error *err)
{
    struct rky_error later = {0};
    if (rc != RKY_ERR_IO || rky_sqlite_reopen(session, &later) != RKY_OK ||
        rky_sqlite_claim_check(&session->base, claim, &later) != RKY_OK)
        return rc;
    rky_error_clear(err);
    return RKY_OK;
}

int rky_sqlite_claim(struct rky_session *base, struct rky_claim *claim, struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    struct rky_claim wanted = *claim;
    struct rky_fence fence;
    /* The claim needs no source: with none attached, no source can stop it. */
    rky_sqlite_detach(session);
    int rc = rky_sqlite_begin(session, err);
    if (rc == RKY_OK)
        rc = create_tables(session, err);
    if (rc == RKY_OK)
        rc = fence_row(session, claim->namespace_, &fence, err);
    if (rc == RKY_OK) {
        if (fence.present && fence.token >= wanted.token) {
            wanted.token = fence.token + 1;
            if (wanted.raise != NULL)
                rc = wanted.raise(wanted.raise_context, wanted.token, err);
        }
        if (rc == RKY_OK)
            rc = write_fence(session, &wanted, err);
    }
    if (rc != RKY_OK) {
        rky_sqlite_rollback(session);
        return rc;
    }
    rky_fault_point("claim.before_commit");
    rc = rky_sqlite_commit(session, err);
    if (rc != RKY_OK)
        rc = settle_claim(session, &wanted, rc, err);
    if (rc != RKY_OK)
        return rc;
    rky_fault_point("claim.after_commit");
    claim->token = wanted.token;
    return RKY_OK;
}

int rky_sqlite_set_lineage(struct rky_session *base, const struct rky_claim *claim,
                           const char *lineage, struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    sqlite3_stmt *statement = NULL;
    rky_sqlite_detach(session);
    int rc = rky_sqlite_begin(session, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_demand_claim(session, claim, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_prepare(session,
                                "UPDATE main._rocky_fence SET lineage = ?1 WHERE namespace = ?2",
                                &statement, err);
    if (rc == RKY_OK) {
        rky_sqlite_bind_text(statement, 1, lineage);
        rky_sqlite_bind_text(statement, 2, claim->namespace_);
        rc = rky_sqlite_step(session, statement, "write the lineage", err);
        rc = rc < 0 ? rc : RKY_OK;
    }
    (void)sqlite3_finalize(statement);
    if (rc != RKY_OK) {
        rky_sqlite_rollback(session);
        return rc;
    }
    return rky_sqlite_commit(session, err);
}

/* --- watermarks ------------------------------------------------------------------------------- */

static const char read_marks_sql[] =
    "SELECT table_name, namespace, cursor_column, cursor_type, value, high_value, ties, ties_hash,"
    " prev_value, action, rows_copied, late_rows, run_id, job_id, plan_id, tombstone_seq,"
    " added_columns, commit_id, updated_at FROM main._rocky_watermarks"
    " ORDER BY table_name COLLATE BINARY";

/* One column keeps the type of both values; integers and reals may mix, and only a real has a point
 * or an exponent. */
static int take_cursor(sqlite3_stmt *statement, int column, enum rky_cursor_type type,
                       struct rky_cursor *ret_cursor, struct rky_error *err)
{
    char *text = NULL;
    int rc = rky_sqlite_take_text(statement, column, &text, err);
    if (rc != RKY_OK || text == NULL)
        return rc;
    if (type != RKY_CURSOR_TEXT)
        type = strpbrk(text, ".eEnN") != NULL ? RKY_CURSOR_REAL : RKY_CURSOR_INTEGER;
    *ret_cursor = (struct rky_cursor){.type = type, .text = text};
    return RKY_OK;
}

static int take_mark(sqlite3_stmt *statement, struct rky_mark *mark, struct rky_error *err)
{
    struct {
        int column;
        char **to;
    } texts[] = {{0, &mark->table_name},  {1, &mark->namespace_},     {2, &mark->cursor_column},
                 {3, &mark->cursor_type}, {7, &mark->ties_hash},      {8, &mark->prev_value},
                 {9, &mark->action},      {12, &mark->run_id},        {13, &mark->job_id},
                 {14, &mark->plan_id},    {16, &mark->added_columns}, {17, &mark->commit_id},
                 {18, &mark->updated_at}};
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        rc = rky_sqlite_take_text(statement, texts[i].column, texts[i].to, err);
    enum rky_cursor_type type = rky_cursor_type_parse(mark->cursor_type);
    if (rc == RKY_OK)
        rc = take_cursor(statement, 4, type, &mark->value, err);
    if (rc == RKY_OK)
        rc = take_cursor(statement, 5, type, &mark->high_value, err);
    mark->ties =
        sqlite3_column_type(statement, 6) == SQLITE_NULL ? -1 : sqlite3_column_int64(statement, 6);
    mark->rows_copied = sqlite3_column_int64(statement, 10);
    mark->late_rows = sqlite3_column_int64(statement, 11);
    mark->tombstone_seq = sqlite3_column_int64(statement, 15);
    return rc;
}

int rky_sqlite_read_marks(struct rky_session *base, struct rky_mark **ret_marks, size_t *ret_count,
                          struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    struct rky_mark *marks = NULL;
    size_t count = 0, capacity = 0;
    sqlite3_stmt *statement = NULL;
    *ret_marks = NULL;
    *ret_count = 0;
    int rc = rky_sqlite_has_table(session, "_rocky_watermarks", err);
    if (rc <= 0)
        return rc;
    rc = rky_sqlite_prepare(session, read_marks_sql, &statement, err);
    while (rc == RKY_OK) {
        rc = rky_sqlite_step(session, statement, "read the watermarks", err);
        if (rc != SQLITE_ROW)
            break;
        rc = rky_array_reserve(&marks, &capacity, count + 1, sizeof(*marks), err);
        if (rc == RKY_OK) {
            marks[count] = (struct rky_mark){0};
            rc = take_mark(statement, &marks[count++], err);
        }
    }
    (void)sqlite3_finalize(statement);
    if (rc < 0) {
        rky_marks_free(marks, count);
        return rc;
    }
    *ret_marks = marks;
    *ret_count = count;
    return RKY_OK;
}

static const char read_commit_id_sql[] =
    "SELECT commit_id FROM main._rocky_watermarks WHERE table_name = ?1";

int rky_sqlite_commit_id(struct rky_sqlite_session *session, const char *table_name,
                         char **ret_commit_id, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    *ret_commit_id = NULL;
    int rc = rky_sqlite_prepared(session, RKY_SQLITE_READ_COMMIT_ID, read_commit_id_sql, &statement,
                                 err);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_bind_text(statement, 1, table_name);
    rc = rky_sqlite_step(session, statement, "read the watermark", err);
    if (rc == SQLITE_ROW)
        rc = rky_sqlite_take_text(statement, 0, ret_commit_id, err);
    (void)sqlite3_reset(statement);
    return rc < 0 ? rc : RKY_OK;
}

int rky_sqlite_demand_commit_id(struct rky_sqlite_session *session, const char *table_name,
                                const char *commit_id, struct rky_error *err)
{
    char *found = NULL;
    int rc = rky_sqlite_commit_id(session, table_name, &found, err);
    if (rc != RKY_OK)
        return rc;
    bool same =
        found == NULL || commit_id == NULL ? found == commit_id : strcmp(found, commit_id) == 0;
    if (!same) {
        rc = rky_fail(err, RKY_ERR_CONFLICT,
                      "the watermark of table '%s' was changed in '%s': expected commit %s, found "
                      "%s",
                      table_name, session->file, commit_id != NULL ? commit_id : "none",
                      found != NULL ? found : "none");
        rky_error_hint(err, "somebody edited _rocky_watermarks; the next run reads it again");
    }
    rky_free(found);
    return rc;
}

static const char write_mark_sql[] =
    "INSERT OR REPLACE INTO main._rocky_watermarks(table_name, namespace, cursor_column,"
    " cursor_type, value, high_value, ties, ties_hash, prev_value, action, rows_copied, late_rows,"
    " run_id, job_id, plan_id, tombstone_seq, added_columns, commit_id, updated_at)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";

int rky_sqlite_put_mark(struct rky_sqlite_session *session, const struct rky_mark *mark,
                        struct rky_error *err)
{
    char now[RKY_TIME_TEXT_MAX];
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepared(session, RKY_SQLITE_WRITE_MARK, write_mark_sql, &statement, err);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_now(session, now);
    const char *texts[] = {
        [1] = mark->table_name,
        [2] = mark->namespace_,
        [3] = mark->cursor_column,
        [4] = mark->cursor_type,
        [5] = mark->value.text,
        [6] = mark->high_value.text,
        [8] = mark->ties_hash,
        [9] = mark->prev_value,
        [10] = mark->action,
        [13] = mark->run_id,
        [14] = mark->job_id,
        [15] = mark->plan_id,
        [17] = mark->added_columns,
        [18] = mark->commit_id,
        [19] = mark->updated_at != NULL ? mark->updated_at : now,
    };
    for (int i = 1; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
        rky_sqlite_bind_text(statement, i, texts[i]);
    if (mark->ties >= 0)
        (void)sqlite3_bind_int64(statement, 7, mark->ties);
    (void)sqlite3_bind_int64(statement, 11, mark->rows_copied);
    (void)sqlite3_bind_int64(statement, 12, mark->late_rows);
    (void)sqlite3_bind_int64(statement, 16, mark->tombstone_seq);
    rc = rky_sqlite_step(session, statement, "write the watermark", err);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return rc < 0 ? rc : RKY_OK;
}

static int delete_mark(struct rky_sqlite_session *session, const char *table_name,
                       struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(session, "DELETE FROM main._rocky_watermarks WHERE table_name = ?1",
                                &statement, err);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_bind_text(statement, 1, table_name);
    rc = rky_sqlite_step(session, statement, "delete the watermark", err);
    (void)sqlite3_finalize(statement);
    return rc < 0 ? rc : RKY_OK;
}

int rky_sqlite_settle(struct rky_sqlite_session *session, const char *table_name,
                      const char *commit_id, int rc, struct rky_error *err)
{
    struct rky_error later = {0};
    char *found = NULL;
    if (rc != RKY_ERR_IO || rky_sqlite_reopen(session, &later) != RKY_OK ||
        rky_sqlite_commit_id(session, table_name, &found, &later) != RKY_OK)
        return rc;
    if (found != NULL && commit_id != NULL ? strcmp(found, commit_id) == 0 : found == commit_id) {
        rky_error_clear(err);
        rc = RKY_OK;
    }
    rky_free(found);
    return rc;
}

int rky_sqlite_write_mark(struct rky_session *base, const struct rky_claim *claim,
                          const char *table_name, const char *expected_commit_id,
                          const struct rky_mark *mark, struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    rky_sqlite_detach(session);
    int rc = rky_sqlite_begin(session, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_demand_claim(session, claim, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_demand_commit_id(session, table_name, expected_commit_id, err);
    if (rc == RKY_OK)
        rc = mark != NULL ? rky_sqlite_put_mark(session, mark, err)
                          : delete_mark(session, table_name, err);
    if (rc != RKY_OK) {
        rky_sqlite_rollback(session);
        return rc;
    }
    rc = rky_sqlite_commit(session, err);
    return rc == RKY_OK ? RKY_OK
                        : rky_sqlite_settle(session, table_name,
                                            mark != NULL ? mark->commit_id : NULL, rc, err);
}
