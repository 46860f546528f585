/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every SQL statement of the ledger, in one place, so that one look shows which index serves each
 * of them. Tables and indexes: sql/NNNN-*.sql.
 *
 * Each is prepared once per connection and kept: a job that does nothing spends its time in the
 * commit, not in the parser. Parameters are bound in the order ?1, ?2, ...
 */
#include "config.h"

#include "state/ledger_internal.h"

#define WATERMARK_COLUMNS                                                                    \
    "table_name, cursor_column, cursor_type, value, high_value, commit_id, run_id, job_id, " \
    "source, pipeline, updated_at"

#define PLAN_COLUMNS \
    "plan_id, pipeline, payload, display, created_at, expires_at, applied_at, applied_run_id"

#define AUDIT_COLUMNS "at, action, subject, old_value, new_value, actor"

#define RUN_COLUMNS                                                                        \
    "run_id, job_id, kind, status, started_by, worker_id, plan_id, pipeline, started_at, " \
    "finished_at, tables_copied, tables_failed, rows_copied"

#define JOB_COLUMNS                                                                       \
    "job_id, type, body_sha256, params_sha256, idempotency_key, status, result, events, " \
    "duplicate_of, finished_at"

static const char *const SQL[RKY_SQL_COUNT] = {
    [RKY_SQL_BEGIN_READ] = "BEGIN",
    [RKY_SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [RKY_SQL_COMMIT] = "COMMIT",

    /* All columns, in the order of the migrations: a reader does not migrate an older file, which
     * has fewer of them. */
    [RKY_SQL_META_GET] = "SELECT * FROM meta WHERE id = 1",
    [RKY_SQL_META_VERSION] = "UPDATE meta SET generation = ?1, ancestors = ?2 WHERE id = 1",
    [RKY_SQL_META_CREATE] =
        "INSERT INTO meta (id, namespace, lineage, generation, write_id, fence) "
        "VALUES (1, ?1, ?2, 0, ?3, 0)",
    [RKY_SQL_META_LINEAGE] = "UPDATE meta SET lineage = ?1 WHERE id = 1",
    [RKY_SQL_META_FENCE] = "UPDATE meta SET fence = ?1 WHERE id = 1 AND fence < ?1",
    /* 591: sixteen ids of 36 characters and a space between each two. */
    [RKY_SQL_META_BUMP] = "UPDATE meta SET generation = generation + 1, write_id = ?1, "
                          "ancestors = substr(rtrim(write_id || ' ' || ancestors), 1, 591) "
                          "WHERE id = 1 RETURNING generation",

    [RKY_SQL_WATERMARK_GET] = "SELECT " WATERMARK_COLUMNS " FROM watermarks WHERE table_name = ?1",
    [RKY_SQL_WATERMARK_PUT] =
        "INSERT INTO watermarks (" WATERMARK_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (table_name) DO UPDATE "
        "SET cursor_column = ?2, cursor_type = ?3, value = ?4, high_value = ?5, commit_id = ?6, "
        "run_id = ?7, job_id = ?8, source = ?9, pipeline = ?10, updated_at = ?11",
    [RKY_SQL_WATERMARK_DELETE] = "DELETE FROM watermarks WHERE table_name = ?1",
    [RKY_SQL_WATERMARKS] = "SELECT " WATERMARK_COLUMNS " FROM watermarks ORDER BY table_name",

    [RKY_SQL_TOMBSTONE_GET] = "SELECT max(seq) FROM tombstones WHERE table_name = ?1",
    [RKY_SQL_TOMBSTONE_PUT] = "INSERT INTO tombstones (table_name, seq, reason, created_at) "
                              "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (table_name, seq) DO NOTHING",
    [RKY_SQL_TOMBSTONE_SWEEP] = "DELETE FROM tombstones WHERE table_name = ?1 AND seq <= ?2",

    [RKY_SQL_TOMBSTONES] =
        "SELECT table_name, seq, reason, created_at FROM tombstones ORDER BY table_name, seq",

    [RKY_SQL_COUNTED_GET] = "SELECT id FROM counted_tables WHERE table_name = ?1",
    [RKY_SQL_COUNTED_ADD] = "INSERT INTO counted_tables (table_name) VALUES (?1) RETURNING id",
    [RKY_SQL_COUNTED_ALL] = "SELECT table_name FROM counted_tables ORDER BY table_name",
    [RKY_SQL_COUNT_ADD] =
        "INSERT INTO check_history (table_id, seq, run_id, row_count, at, anomalous, findings) "
        "VALUES (?1, 1 + coalesce((SELECT max(seq) FROM check_history WHERE table_id = ?1), 0), "
        "?2, ?3, ?4, ?5, ?6) RETURNING seq",
    [RKY_SQL_COUNTS] = "SELECT h.row_count, h.at, h.anomalous FROM counted_tables t "
                       "JOIN check_history h ON h.table_id = t.id AND h.seq >= t.baseline "
                       "WHERE t.table_name = ?1 ORDER BY h.seq DESC LIMIT ?2",
    [RKY_SQL_COUNT_FIRST] = "SELECT min(seq) FROM check_history WHERE table_id = ?1",
    [RKY_SQL_COUNT_SWEEP] = "DELETE FROM check_history WHERE table_id = ?1 AND seq < ?2",
    [RKY_SQL_COUNT_NORMAL] =
        "UPDATE check_history SET anomalous = 0, findings = NULL WHERE table_id = ?1 "
        "AND seq = (SELECT max(seq) FROM check_history WHERE table_id = ?1) RETURNING seq",
    [RKY_SQL_COUNT_BASELINE] = "UPDATE counted_tables SET baseline = ?2 WHERE id = ?1",
    [RKY_SQL_FINDINGS] = "SELECT h.run_id, h.at, h.findings FROM counted_tables t "
                         "JOIN check_history h ON h.table_id = t.id "
                         "WHERE t.table_name = ?1 ORDER BY h.seq DESC LIMIT ?2",

    [RKY_SQL_RUN_PUT] =
        "INSERT INTO runs (" RUN_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "
        "ON CONFLICT (run_id) DO UPDATE SET job_id = ?2, kind = ?3, status = ?4, started_by = ?5, "
        "worker_id = ?6, plan_id = ?7, pipeline = ?8, started_at = ?9, finished_at = ?10, "
        "tables_copied = ?11, tables_failed = ?12, rows_copied = ?13",
    [RKY_SQL_RUNS] = "SELECT " RUN_COLUMNS " FROM runs ORDER BY seq DESC LIMIT ?1",
    /* Walks back from the newest: the wanted run is among the first few rows of a namespace that
     * lives, and an index for the rest would cost every job a page. */
    [RKY_SQL_RUN_LAST] =
        "SELECT run_id FROM runs WHERE pipeline = ?1 AND kind IN ('run', 'apply') "
        "AND status IN ('success', 'partial', 'failed') "
        "AND (kind <> 'apply' OR ?2 IS NULL OR plan_id IS NOT ?2) ORDER BY seq DESC LIMIT 1",

    [RKY_SQL_JOB_GET] = "SELECT " JOB_COLUMNS " FROM jobs WHERE job_id = ?1",
    /* The condition on status is, word for word, the one of the index jobs_by_key. */
    [RKY_SQL_JOB_BY_KEY] =
        "SELECT " JOB_COLUMNS " FROM jobs WHERE type = ?1 AND idempotency_key = ?2 "
        "AND status IN ('success', 'partial') ORDER BY seq LIMIT 1",
    [RKY_SQL_JOB_PUT] = "INSERT INTO jobs (" JOB_COLUMNS ") "
                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
                        "ON CONFLICT (job_id) DO NOTHING",
    [RKY_SQL_JOB_REWRITE] =
        "UPDATE jobs SET status = ?2, result = ?3, events = ?4 WHERE job_id = ?1",

    [RKY_SQL_PLAN_PUT] =
        "INSERT INTO plans (plan_id, pipeline, payload, display, created_at, expires_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (plan_id) DO UPDATE "
        "SET display = ?4, created_at = ?5, expires_at = ?6",
    [RKY_SQL_PLAN_GET] = "SELECT " PLAN_COLUMNS " FROM plans WHERE plan_id = ?1",
    [RKY_SQL_PLAN_APPLIED] =
        "UPDATE plans SET applied_run_id = ?2, applied_at = ?3 WHERE plan_id = ?1 "
        "AND (applied_run_id IS NULL OR applied_run_id = ?2)",

    [RKY_SQL_AUDIT_ADD] = "INSERT INTO audit (" AUDIT_COLUMNS ") "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [RKY_SQL_AUDIT_LIST] = "SELECT " AUDIT_COLUMNS " FROM audit "
                           "ORDER BY seq DESC LIMIT ?1",

    /* Two look-ups at the ends of the key, not max() and min() in one, which scans. */
    [RKY_SQL_JOBS_ENDS] = "SELECT (SELECT min(seq) FROM jobs), (SELECT max(seq) FROM jobs), "
                          "(SELECT finished_at FROM jobs ORDER BY seq LIMIT 1)",
    [RKY_SQL_JOBS_SWEEP] = "DELETE FROM jobs WHERE seq < ?1",
    [RKY_SQL_JOBS_SWEEP_OLD] = "DELETE FROM jobs WHERE seq < ?1 AND finished_at < ?2",
    [RKY_SQL_RUNS_ENDS] = "SELECT (SELECT min(seq) FROM runs), (SELECT max(seq) FROM runs), 0",
    [RKY_SQL_RUNS_SWEEP] = "DELETE FROM runs WHERE seq < ?1",
    [RKY_SQL_AUDIT_ENDS] = "SELECT (SELECT min(seq) FROM audit), (SELECT max(seq) FROM audit), 0",
    [RKY_SQL_AUDIT_SWEEP] = "DELETE FROM audit WHERE seq < ?1",
    [RKY_SQL_PLANS_SWEEP] =
        "DELETE FROM plans WHERE plan_id IN (SELECT plan_id FROM plans WHERE expires_at < ?1 "
        "ORDER BY expires_at LIMIT ?2)",

    /* Uniting two ledgers: rare, and over whole tables. */
    [RKY_SQL_UNITE_META] = "UPDATE meta SET fence = max(fence, ?1), "
                           "min_reader_version = max(min_reader_version, ?2) WHERE id = 1",
    [RKY_SQL_ALL_RUNS] = "SELECT " RUN_COLUMNS " FROM runs ORDER BY seq",
    [RKY_SQL_UNITE_RUN] = "INSERT INTO runs (" RUN_COLUMNS ") "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "
                          "ON CONFLICT (run_id) DO NOTHING",
    /* In two steps, through numbers that no row has. */
    [RKY_SQL_ORDER_RUNS] =
        "UPDATE runs SET seq = -n.place FROM (SELECT seq AS old, "
        "row_number() OVER (ORDER BY finished_at, run_id) AS place FROM runs) AS n "
        "WHERE n.old = runs.seq",
    [RKY_SQL_TURN_RUNS] = "UPDATE runs SET seq = -seq",
    [RKY_SQL_ALL_JOBS] = "SELECT " JOB_COLUMNS " FROM jobs ORDER BY seq",
    [RKY_SQL_ALL_PLANS] = "SELECT " PLAN_COLUMNS " FROM plans ORDER BY plan_id",
    /* The later planning is shown; the earlier application stays. */
    [RKY_SQL_UNITE_PLAN] =
        "INSERT INTO plans (" PLAN_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
        "ON CONFLICT (plan_id) DO UPDATE SET "
        "display = iif(?5 > created_at, ?4, display), "
        "expires_at = iif(?5 > created_at, ?6, expires_at), created_at = max(?5, created_at), "
        "applied_at = iif(applied_at IS NULL OR ?7 < applied_at, ?7, applied_at), "
        "applied_run_id = iif(applied_at IS NULL OR ?7 < applied_at, ?8, applied_run_id)",
    [RKY_SQL_PLAN_DELETE] = "DELETE FROM plans WHERE plan_id = ?1",
    [RKY_SQL_ALL_AUDIT] = "SELECT " AUDIT_COLUMNS " FROM audit ORDER BY seq",
    [RKY_SQL_UNITE_AUDIT] =
        "INSERT INTO audit (" AUDIT_COLUMNS ") SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS "
        "(SELECT 1 FROM audit WHERE at = ?1 AND action = ?2 AND subject IS ?3)",
    [RKY_SQL_ORDER_AUDIT] =
        "UPDATE audit SET seq = -n.place FROM (SELECT seq AS old, "
        "row_number() OVER (ORDER BY at, action, subject) AS place FROM audit) AS n "
        "WHERE n.old = audit.seq",
    [RKY_SQL_TURN_AUDIT] = "UPDATE audit SET seq = -seq",
    [RKY_SQL_ALL_COUNTS] =
        "SELECT h.seq, h.at, h.row_count, h.anomalous, h.run_id, h.findings, t.baseline "
        "FROM counted_tables t JOIN check_history h ON h.table_id = t.id "
        "WHERE t.table_name = ?1 ORDER BY h.seq",
    [RKY_SQL_COUNTS_CLEAR] = "DELETE FROM check_history WHERE table_id = ?1",
    [RKY_SQL_COUNT_PUT] =
        "INSERT INTO check_history (table_id, seq, at, row_count, anomalous, run_id, findings) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [RKY_SQL_HISTORY_CLEAR] = "DELETE FROM check_history",
    [RKY_SQL_COUNTED_CLEAR] = "DELETE FROM counted_tables",
    [RKY_SQL_WATERMARKS_CLEAR] = "DELETE FROM watermarks",
};

const char *rky_sql_text(enum rky_sql which)
{
    RKY_ASSERT((size_t)which < RKY_SQL_COUNT && SQL[which] != NULL);
    return SQL[which];
}
