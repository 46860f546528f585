/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of _rocky_commits: what a job or plan has done in this target. Appended with the rows
 * they speak of, read before a job starts, swept when they are old.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include "common/clock.h"

static const char write_commit_sql[] =
    "INSERT INTO main._rocky_commits(job_id, table_name, namespace, idempotency_key, plan_id,"
    " commit_id, action, rows_copied, late_rows, source_count, window_after, window_through,"
    " committed_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

int rky_sqlite_put_commit(struct rky_sqlite_session *session, const struct rky_commit *commit,
                          struct rky_error *err)
{
    char now[RKY_TIME_TEXT_MAX];
    sqlite3_stmt *statement = NULL;
    int rc =
        rky_sqlite_prepared(session, RKY_SQLITE_WRITE_COMMIT, write_commit_sql, &statement, err);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_now(session, now);
    const char *texts[] = {
        [1] = commit->job_id,          [2] = commit->table_name,
        [3] = commit->namespace_,      [4] = commit->idempotency_key,
        [5] = commit->plan_id,         [6] = commit->commit_id,
        [7] = commit->action,          [11] = commit->window_after,
        [12] = commit->window_through, [13] = now,
    };
    for (int i = 1; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
        rky_sqlite_bind_text(statement, i, texts[i]);
    (void)sqlite3_bind_int64(statement, 8, commit->rows_copied);
    (void)sqlite3_bind_int64(statement, 9, commit->late_rows);
    if (commit->source_count >= 0)
        (void)sqlite3_bind_int64(statement, 10, commit->source_count);
    rc = rky_sqlite_step(session, statement, "record the commit", err);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return rc < 0 ? rc : RKY_OK;
}

static int take_commit(sqlite3_stmt *statement, struct rky_commit *commit, struct rky_error *err)
{
    struct {
        int column;
        char **to;
    } texts[] = {{0, &commit->job_id},          {1, &commit->table_name},
                 {2, &commit->namespace_},      {3, &commit->idempotency_key},
                 {4, &commit->plan_id},         {5, &commit->commit_id},
                 {6, &commit->action},          {10, &commit->window_after},
                 {11, &commit->window_through}, {12, &commit->committed_at}};
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        rc = rky_sqlite_take_text(statement, texts[i].column, texts[i].to, err);
    commit->rows_copied = sqlite3_column_int64(statement, 7);
    commit->late_rows = sqlite3_column_int64(statement, 8);
    commit->source_count =
        sqlite3_column_type(statement, 9) == SQLITE_NULL ? -1 : sqlite3_column_int64(statement, 9);
    return rc;
}

static int prepare_read_commits(struct rky_sqlite_session *session, const char *namespace_,
                                const char *job_id, const char *plan_id, const char *key,
                                sqlite3_stmt **ret_statement, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    rky_strbuf_add(&sql, "SELECT job_id, table_name, namespace, idempotency_key, plan_id,"
                         " commit_id, action, rows_copied, late_rows, source_count, window_after,"
                         " window_through, committed_at FROM main._rocky_commits"
                         " WHERE namespace = ?1");
    if (job_id != NULL)
        rky_strbuf_add(&sql, " AND job_id = ?2");
    if (plan_id != NULL)
        rky_strbuf_add(&sql, " AND plan_id = ?3");
    if (key != NULL)
        rky_strbuf_add(&sql, " AND idempotency_key = ?4");
    rky_strbuf_add(&sql, " ORDER BY rowid");
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(session, rky_strbuf_text(&sql), ret_statement, err);
    rky_strbuf_done(&sql);
    if (rc != RKY_OK)
        return rc;
    rky_sqlite_bind_text(*ret_statement, 1, namespace_);
    rky_sqlite_bind_text(*ret_statement, 2, job_id);
    rky_sqlite_bind_text(*ret_statement, 3, plan_id);
    rky_sqlite_bind_text(*ret_statement, 4, key);
    return RKY_OK;
}

int rky_sqlite_read_commits(struct rky_session *base, const char *namespace_, const char *job_id,
                            const char *plan_id, const char *idempotency_key,
                            struct rky_commit **ret_commits, size_t *ret_count,
                            struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    struct rky_commit *commits = NULL;
    size_t count = 0, capacity = 0;
    sqlite3_stmt *statement = NULL;
    *ret_commits = NULL;
    *ret_count = 0;
    int rc = rky_sqlite_has_table(session, "_rocky_commits", err);
    if (rc <= 0)
        return rc;
    rc = prepare_read_commits(session, namespace_, job_id, plan_id, idempotency_key, &statement,
                              err);
    while (rc == RKY_OK) {
        rc = rky_sqlite_step(session, statement, "read the commits", err);
        if (rc != SQLITE_ROW)
            break;
        rc = rky_array_reserve(&commits, &capacity, count + 1, sizeof(*commits), err);
        if (rc == RKY_OK) {
            commits[count] = (struct rky_commit){0};
            rc = take_commit(statement, &commits[count++], err);
        }
    }
    (void)sqlite3_finalize(statement);
    if (rc < 0) {
        rky_commits_free(commits, count);
        return rc;
    }
    *ret_commits = commits;
    *ret_count = count;
    return RKY_OK;
}

int rky_sqlite_sweep_commits(struct rky_session *base, const struct rky_claim *claim,
                             int64_t before_us, struct rky_error *err)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    char before[RKY_TIME_TEXT_MAX];
    sqlite3_stmt *statement = NULL;
    rky_sqlite_detach(session);
    int rc = rky_sqlite_begin(session, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_demand_claim(session, claim, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_prepare(
            session, "DELETE FROM main._rocky_commits WHERE namespace = ?1 AND committed_at < ?2",
            &statement, err);
    if (rc == RKY_OK) {
        rky_time_format(before_us, before);
        rky_sqlite_bind_text(statement, 1, claim->namespace_);
        rky_sqlite_bind_text(statement, 2, before);
        rc = rky_sqlite_step(session, statement, "sweep old commits", err);
    }
    (void)sqlite3_finalize(statement);
    bool changed = rc == SQLITE_DONE && sqlite3_changes64(session->db) > 0;
    if (rc >= 0 && changed)
        return rky_sqlite_commit(session, err);
    rky_sqlite_rollback(session);
    return rc < 0 ? rc : RKY_OK;
}
