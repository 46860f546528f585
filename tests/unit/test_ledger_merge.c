/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ledgers into one: nothing that happened is forgotten, what was consumed stays consumed,
 * merging twice is merging once, and the order in which two are merged does not matter where no
 * rule names a winner.
 */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/test_ledger_kit.h"

static char base[4352], winner[4352], loser[4352], scratch[4352];

static void set_paths(void)
{
    (void)snprintf(base, sizeof(base), "%s", kit_path("base.db"));
    (void)snprintf(winner, sizeof(winner), "%s", kit_path("winner.db"));
    (void)snprintf(loser, sizeof(loser), "%s", kit_path("loser.db"));
    (void)snprintf(scratch, sizeof(scratch), "%s", kit_path("scratch.db"));
}

/* Both sides start from the same content: a copy of it in rollback mode. */
static void copy_ledger(const char *from, const char *to)
{
    unsigned char *raw = NULL;
    size_t length = 0;
    struct rky_ledger *ledger = kit_open(from, RKY_LEDGER_WRITE);
    assert_ok(rky_ledger_serialize(ledger, &raw, &length, assert_err_));
    rky_ledger_close(ledger);
    raw[18] = raw[19] = 1;
    assert_ok(rky_ledger_install(to, raw, length, assert_err_));
    rky_free(raw);
}

static void setup(void)
{
    set_paths();
    struct rky_ledger *ledger = kit_open_locked(base);
    struct rky_watermark watermark = kit_watermark("t.both", "0");
    watermark.updated_at_us = NOON_US - 100;
    struct rky_run_record run = kit_run("run-0", "run", "success");
    struct rky_plan_record plan = {.created_at_us = 1, .expires_at_us = 2};
    struct rky_job_record text = kit_job("payload", "display", "shop");
    plan.payload = text.job_id;
    plan.display = text.idempotency_key;
    plan.pipeline = text.status;
    memset(plan.plan_id, 'a', RKY_SHA256_HEX - 1);
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    assert_ok(rky_ledger_plan_put(ledger, &plan, assert_err_));
    assert_ok(rky_ledger_count_add(ledger, "t.both", "run-0", 10, 1000, false, NULL, assert_err_));
    assert_ok(rky_ledger_count_add(ledger, "t.both", "run-1", 99, 2000, true, "[{\"kind\":\"x\"}]",
                                   assert_err_));
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
    copy_ledger(base, winner);
    copy_ledger(base, loser);
}

static struct rky_ledger *begin(const char *path)
{
    struct rky_ledger *ledger = kit_open_locked(path);
    kit_begin(ledger);
    return ledger;
}

static void end(struct rky_ledger *ledger)
{
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
}

static void merge(const char *into, const char *from, const struct rky_merge_options *options)
{
    struct rky_ledger *ledger = begin(into);
    assert_ok(rky_ledger_merge(ledger, from, options, assert_err_));
    end(ledger);
}

static void put_watermark(struct rky_ledger *ledger, const char *table, const char *value,
                          int64_t updated_at_us)
{
    struct rky_watermark watermark = kit_watermark(table, value);
    watermark.updated_at_us = updated_at_us;
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
}

static void assert_count(const char *path, const char *sql, int64_t expected)
{
    int64_t found = kit_sql_int(path, sql);
    ck_assert_msg(found == expected, "%s: %lld instead of %lld", sql, (long long)found,
                  (long long)expected);
}

/* All rows of everything but the version, as one text. @return owned by SQLite. */
static char *content_of(const char *path)
{
    static const char SQL[] =
        "SELECT group_concat(line, char(10)) FROM ("
        "SELECT 'w' || quote(table_name) || quote(value) || updated_at AS line FROM watermarks "
        "UNION ALL SELECT * FROM (SELECT 't' || table_name || seq FROM tombstones) "
        "UNION ALL SELECT * FROM (SELECT 'c' || table_name || '|' || "
        "(row_number() OVER (PARTITION BY table_id ORDER BY seq)) || '|' || at || '|' || row_count "
        "|| '|' || anomalous || '|' || (seq >= baseline) || quote(run_id) || quote(findings) "
        "FROM check_history JOIN counted_tables ON id = table_id ORDER BY table_name, seq) "
        "UNION ALL SELECT * FROM (SELECT 'r' || row_number() OVER (ORDER BY seq) || run_id "
        "FROM runs ORDER BY seq) "
        "UNION ALL SELECT * FROM (SELECT 'j' || job_id || status || result FROM jobs "
        "ORDER BY job_id) "
        "UNION ALL SELECT * FROM (SELECT 'p' || plan_id || display || created_at || expires_at || "
        "quote(applied_at) || quote(applied_run_id) FROM plans ORDER BY plan_id) "
        "UNION ALL SELECT * FROM (SELECT 'a' || at || action || quote(subject) FROM audit "
        "ORDER BY at, action) "
        "UNION ALL SELECT 'f' || fence || lineage || min_reader_version FROM meta)";
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(db, SQL, -1, &stmt, NULL) == SQLITE_OK, "%s",
                  sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    char *text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
    ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    return text;
}

static void assert_same_content(const char *one, const char *other)
{
    char *a = content_of(one);
    char *b = content_of(other);
    ck_assert_msg(strcmp(a, b) == 0, "--- one\n%s\n--- other\n%s", a, b);
    sqlite3_free(a);
    sqlite3_free(b);
}

/* --- each kind of record --- */

START_TEST(test_watermarks_follow_their_rules)
{
    struct rky_ledger *ledger = begin(winner);
    put_watermark(ledger, "t.both", "w", NOON_US);
    put_watermark(ledger, "t.own", "w", NOON_US);
    put_watermark(ledger, "t.older", "w", NOON_US - 5);
    put_watermark(ledger, "t.winner", "w", NOON_US);
    put_watermark(ledger, "t.gone", "w", NOON_US);
    end(ledger);
    ledger = begin(loser);
    put_watermark(ledger, "t.both", "l", NOON_US - 1);
    put_watermark(ledger, "t.own", "l", NOON_US - 1);
    put_watermark(ledger, "t.older", "l", NOON_US);
    put_watermark(ledger, "t.loser", "l", NOON_US);
    end(ledger);
    const char *own[] = {"t.own", "t.gone"};
    struct rky_merge_options options = {.own_tables = own, .own_table_count = 2};
    merge(winner, loser, &options);
    assert_count(winner, "SELECT count(*) FROM watermarks", 5);
    assert_count(winner, "SELECT value = 'w' FROM watermarks WHERE table_name = 't.both'", 1);
    assert_count(winner, "SELECT value = 'l' FROM watermarks WHERE table_name = 't.own'", 1);
    assert_count(winner, "SELECT value = 'l' FROM watermarks WHERE table_name = 't.older'", 1);
    assert_count(winner, "SELECT value = 'w' FROM watermarks WHERE table_name = 't.winner'", 1);
    assert_count(winner, "SELECT value = 'l' FROM watermarks WHERE table_name = 't.loser'", 1);
}
END_TEST

START_TEST(test_counts_are_united_in_order_of_time)
{
    struct rky_count *counts = NULL;
    size_t count = 0;
    struct rky_ledger *ledger = begin(winner);
    assert_ok(rky_ledger_count_add(ledger, "t.both", "w-1", 30, 3000, false, NULL, assert_err_));
    assert_ok(rky_ledger_count_add(ledger, "t.both", "w-2", 50, 5000, false, NULL, assert_err_));
    end(ledger);
    ledger = begin(loser);
    assert_ok(rky_ledger_count_add(ledger, "t.both", "l-1", 20, 2500, false, NULL, assert_err_));
    assert_ok(rky_ledger_count_add(ledger, "t.both", "l-2", 40, 4000, true, "[]", assert_err_));
    assert_ok(rky_ledger_count_add(ledger, "t.new", "l-2", 7, 4000, false, NULL, assert_err_));
    end(ledger);
    merge(winner, loser, NULL);
    ledger = kit_open(winner, RKY_LEDGER_READ);
    assert_ok(rky_ledger_counts(ledger, "t.both", 100, &counts, &count, assert_err_));
    static const int64_t EXPECTED[] = {10, 99, 20, 30, 40, 50};
    ck_assert_uint_eq(count, 6);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(counts[i].count, EXPECTED[i]);
    ck_assert(counts[1].anomalous && counts[4].anomalous && !counts[5].anomalous);
    rky_free(counts);
    assert_ok(rky_ledger_counts(ledger, "t.new", 100, &counts, &count, assert_err_));
    ck_assert_uint_eq(count, 1);
    rky_free(counts);
    rky_ledger_close(ledger);
}
END_TEST

START_TEST(test_accepted_count_stays_accepted_and_moves_the_baseline)
{
    for (int side = 0; side < 2; side++) {
        struct rky_count *counts = NULL;
        size_t count = 0;
        copy_ledger(base, winner);
        copy_ledger(base, loser);
        struct rky_ledger *ledger = begin(side == 0 ? loser : winner);
        assert_ok(rky_ledger_count_accept(ledger, "t.both", assert_err_));
        end(ledger);
        ledger = begin(side == 0 ? winner : loser);
        assert_ok(rky_ledger_count_add(ledger, "t.both", "x", 98, 3000, false, NULL, assert_err_));
        if (side == 1) /* of the time before, seen by the other only */
            assert_ok(
                rky_ledger_count_add(ledger, "t.both", "y", 11, 1500, false, NULL, assert_err_));
        end(ledger);
        merge(winner, loser, NULL);
        ledger = kit_open(winner, RKY_LEDGER_READ);
        assert_ok(rky_ledger_counts(ledger, "t.both", 100, &counts, &count, assert_err_));
        ck_assert_uint_eq(count, 2);
        ck_assert_int_eq(counts[0].count, 99);
        ck_assert(!counts[0].anomalous);
        ck_assert_int_eq(counts[1].count, 98);
        rky_free(counts);
        rky_ledger_close(ledger);
    }
}
END_TEST

START_TEST(test_retention_sees_what_was_merged)
{
    struct rky_ledger *ledger = begin(loser);
    for (int i = 0; i < 40; i++) {
        char run_id[32];
        (void)snprintf(run_id, sizeof(run_id), "l-%d", i);
        assert_ok(
            rky_ledger_count_add(ledger, "t.both", run_id, i, 3000 + i, false, NULL, assert_err_));
    }
    end(ledger);
    struct rky_retention retention = {.jobs = 1000, .jobs_days = 14, .history = 10};
    ledger = begin(winner);
    assert_ok(rky_ledger_merge(ledger, loser, NULL, assert_err_));
    assert_ok(rky_ledger_sweep(ledger, &retention, NOON_US, assert_err_));
    end(ledger);
    assert_count(winner, "SELECT count(*) FROM check_history", 10);
    assert_count(winner, "SELECT row_count FROM check_history ORDER BY seq LIMIT 1", 30);
}
END_TEST

START_TEST(test_runs_and_jobs_are_united)
{
    struct rky_ledger *ledger = begin(winner);
    struct rky_run_record run = kit_run("run-w", "run", "success");
    struct rky_job_record job = kit_job("job-both", NULL, "success");
    run.finished_at_us = NOON_US + 10;
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
    end(ledger);
    ledger = begin(loser);
    run = kit_run("run-l", "run", "failed");
    run.finished_at_us = NOON_US + 5;
    job = kit_job("job-both", NULL, "failed");
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
    job = kit_job("job-l", "key", "success");
    assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
    end(ledger);
    merge(winner, loser, NULL);
    struct rky_run_record *runs = NULL;
    size_t count = 0;
    ledger = kit_open(winner, RKY_LEDGER_READ);
    assert_ok(rky_ledger_runs(ledger, 10, &runs, &count, assert_err_));
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(runs[0].run_id, "run-w");
    ck_assert_str_eq(runs[1].run_id, "run-l");
    ck_assert_str_eq(runs[1].status, "failed");
    ck_assert_str_eq(runs[2].run_id, "run-0");
    rky_run_records_free(runs, count);
    assert_ok(rky_ledger_job_get(ledger, "job-both", &job, assert_err_));
    ck_assert_str_eq(job.status, "success");
    rky_job_record_done(&job);
    assert_ok(rky_ledger_job_by_key(ledger, "run", "key", &job, assert_err_));
    ck_assert_str_eq(job.job_id, "job-l");
    rky_job_record_done(&job);
    rky_ledger_close(ledger);
}
END_TEST

START_TEST(test_plan_applied_in_either_is_applied)
{
    char plan_id[RKY_SHA256_HEX] = {0};
    struct rky_plan_record plan;
    memset(plan_id, 'a', RKY_SHA256_HEX - 1);
    for (int side = 0; side < 3; side++) {
        copy_ledger(base, winner);
        copy_ledger(base, loser);
        if (side != 0) {
            struct rky_ledger *ledger = begin(winner);
            assert_ok(rky_ledger_plan_applied(ledger, plan_id, "run-w", NOON_US, assert_err_));
            end(ledger);
        }
        if (side != 1) {
            struct rky_ledger *ledger = begin(loser);
            assert_ok(rky_ledger_plan_applied(ledger, plan_id, "run-l", NOON_US - 1, assert_err_));
            end(ledger);
        }
        merge(winner, loser, NULL);
        struct rky_ledger *ledger = kit_open(winner, RKY_LEDGER_READ);
        assert_ok(rky_ledger_plan_get(ledger, plan_id, &plan, assert_err_));
        ck_assert_str_eq(plan.applied_run_id, side == 1 ? "run-w" : "run-l");
        ck_assert_int_eq(plan.applied_at_us, side == 1 ? NOON_US : NOON_US - 1);
        rky_plan_record_done(&plan);
        rky_ledger_close(ledger);
    }
}
END_TEST

START_TEST(test_tombstones_audit_and_fence_are_united)
{
    struct rky_ledger *ledger = begin(winner);
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 1, "w", assert_err_));
    assert_ok(rky_ledger_audit(ledger, "state set", "t", "1", "2", "kim", assert_err_));
    assert_ok(rky_ledger_raise_fence(ledger, 5, assert_err_));
    end(ledger);
    ledger = begin(loser);
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 1, "l", assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 2, "l", assert_err_));
    assert_ok(rky_ledger_audit(ledger, "state set", "t", "1", "2", "kim", assert_err_));
    assert_ok(rky_ledger_audit(ledger, "unlock", NULL, NULL, NULL, "kim", assert_err_));
    assert_ok(rky_ledger_raise_fence(ledger, 9, assert_err_));
    end(ledger);
    merge(winner, loser, NULL);
    assert_count(winner, "SELECT count(*) FROM tombstones", 2);
    assert_count(winner, "SELECT reason = 'w' FROM tombstones WHERE seq = 1", 1);
    assert_count(winner, "SELECT count(*) FROM audit", 2);
    assert_count(winner, "SELECT fence FROM meta", 9);
    merge(winner, loser, NULL);
    assert_count(winner, "SELECT count(*) FROM audit", 2);
}
END_TEST

START_TEST(test_merged_content_derives_from_both)
{
    struct rky_snapshot_head of_winner, of_loser, merged;
    struct rky_ledger *ledger = begin(winner);
    put_watermark(ledger, "t", "w", NOON_US);
    end(ledger);
    ledger = begin(loser);
    put_watermark(ledger, "t", "l", NOON_US);
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_head(ledger, &of_loser, assert_err_));
    rky_ledger_close(ledger);
    ledger = begin(winner);
    assert_ok(rky_ledger_head(ledger, &of_winner, assert_err_));
    assert_ok(rky_ledger_merge(ledger, loser, NULL, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_head(ledger, &merged, assert_err_));
    rky_ledger_close(ledger);
    ck_assert_int_eq(merged.generation, of_winner.generation + 1);
    ck_assert_str_eq(merged.ancestors[0], of_winner.write_id);
    ck_assert(rky_snapshot_derives(&merged, of_loser.write_id));
    ck_assert(rky_snapshot_derives(&merged, of_winner.ancestors[0]));
    ck_assert_uint_eq(merged.ancestor_count, of_winner.ancestor_count + 2);
}
END_TEST

START_TEST(test_state_of_another_origin_is_refused)
{
    struct rky_error err = {0};
    kit_sql(loser, "UPDATE meta SET lineage = '00000000-0000-4000-8000-000000000000'");
    struct rky_ledger *ledger = begin(winner);
    ck_assert_int_eq(rky_ledger_merge(ledger, loser, NULL, &err), RKY_ERR_STATE_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "lineage"));
    rky_error_clear(&err);
    kit_sql(loser, "UPDATE meta SET namespace = 'globex'");
    ck_assert_int_eq(rky_ledger_merge(ledger, loser, NULL, &err), RKY_ERR_STATE_FILE);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_merge(ledger, kit_path("none.db"), NULL, &err), RKY_ERR_NOT_FOUND);
    rky_ledger_rollback(ledger);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_merge(ledger, base, NULL, &err), RKY_ERR_BUG);
    rky_ledger_close(ledger);
}
END_TEST

/* --- restore --- */

START_TEST(test_restoring_replaces_what_describes_and_unites_what_happened)
{
    char plan_id[RKY_SHA256_HEX] = {0};
    struct rky_job_record text = kit_job("payload", "display", "shop");
    struct rky_plan_record plan = {.pipeline = text.status,
                                   .payload = text.job_id,
                                   .display = text.idempotency_key,
                                   .created_at_us = 5,
                                   .expires_at_us = 6};
    struct rky_ledger_meta before, after;
    memset(plan.plan_id, 'b', RKY_SHA256_HEX - 1);
    memset(plan_id, 'a', RKY_SHA256_HEX - 1);
    struct rky_ledger *ledger = begin(winner);
    struct rky_job_record job = kit_job("job-later", "key", "success");
    put_watermark(ledger, "t.both", "later", NOON_US);
    put_watermark(ledger, "t.later", "later", NOON_US);
    assert_ok(rky_ledger_count_add(ledger, "t.both", "later", 3, 9000, false, NULL, assert_err_));
    assert_ok(rky_ledger_count_add(ledger, "t.later", "later", 3, 9000, false, NULL, assert_err_));
    assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
    assert_ok(rky_ledger_plan_put(ledger, &plan, assert_err_));
    assert_ok(rky_ledger_plan_applied(ledger, plan_id, "later", NOON_US, assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "t.both", 4, "later", assert_err_));
    assert_ok(rky_ledger_audit(ledger, "state set", "t", NULL, NULL, NULL, assert_err_));
    assert_ok(rky_ledger_raise_fence(ledger, 8, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_meta(ledger, &before, assert_err_));
    kit_begin(ledger);
    assert_ok(rky_ledger_replace_content(ledger, loser, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_meta(ledger, &after, assert_err_));
    rky_ledger_close(ledger);
    ck_assert_int_eq(after.generation, before.generation + 1);
    ck_assert_str_eq(after.ancestors[0], before.write_id);
    ck_assert_str_eq(after.lineage, before.lineage);
    ck_assert_int_eq(after.fence, 8);
    assert_count(winner, "SELECT count(*) FROM watermarks", 1);
    assert_count(winner, "SELECT value = '0' FROM watermarks", 1);
    assert_count(winner, "SELECT count(*) FROM check_history", 2);
    assert_count(winner, "SELECT count(*) FROM counted_tables", 1);
    assert_count(winner, "SELECT count(*) FROM jobs", 1);
    assert_count(winner, "SELECT count(*) FROM tombstones", 1);
    assert_count(winner, "SELECT count(*) FROM audit", 1);
    assert_count(winner, "SELECT count(*) FROM plans", 1);
    /* Or it could be applied twice. */
    assert_count(winner, "SELECT count(*) FROM plans WHERE applied_run_id = 'later'", 1);
}
END_TEST

/* --- properties --- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Things that happened on one side; ids tell the sides apart, times never tie. */
static void happen(const char *path, int side, uint32_t *seed)
{
    struct rky_ledger *ledger = begin(path);
    static const char *const TABLES[] = {"t.both", "t.b", "t.c"};
    uint32_t steps = 1 + next_random(seed) % 12;
    int64_t now_us = 10000;
    for (uint32_t i = 0; i < steps; i++) {
        char id[48];
        const char *table = TABLES[next_random(seed) % 3];
        now_us += 2 * (1 + next_random(seed) % 50);
        int64_t at_us = now_us + side;
        (void)snprintf(id, sizeof(id), "%d-%u", side, i);
        switch (next_random(seed) % 7) {
        case 0:
            put_watermark(ledger, table, id, NOON_US + at_us);
            break;
        case 1:
            assert_ok(rky_ledger_count_add(ledger, table, id, at_us, at_us,
                                           next_random(seed) % 2 == 0, NULL, assert_err_));
            break;
        case 2: {
            struct rky_run_record run = kit_run(id, "run", "success");
            run.finished_at_us = NOON_US + at_us;
            assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
            break;
        }
        case 3: {
            struct rky_job_record job = kit_job(id, NULL, "success");
            assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
            break;
        }
        case 4:
            assert_ok(rky_ledger_tombstone_put(ledger, table, at_us, "x", assert_err_));
            break;
        case 5:
            assert_ok(rky_ledger_audit(ledger, id, table, NULL, NULL, NULL, assert_err_));
            break;
        default: {
            char plan_id[RKY_SHA256_HEX] = {0};
            memset(plan_id, 'a', RKY_SHA256_HEX - 1);
            int rc = rky_ledger_plan_applied(ledger, plan_id, id, at_us, NULL);
            ck_assert(rc == 0 || rc == RKY_ERR_REFUSED);
            assert_ok(rky_ledger_raise_fence(ledger, at_us, assert_err_));
            rc = rky_ledger_count_accept(ledger, table, NULL);
            ck_assert(rc == 0 || rc == RKY_ERR_NOT_FOUND);
            break;
        }
        }
    }
    end(ledger);
}

START_TEST(test_merging_is_idempotent_and_knows_no_order)
{
    uint32_t seed = (uint32_t)_i * 7919U + 1;
    for (int round = 0; round < 12; round++) {
        copy_ledger(base, winner);
        copy_ledger(base, loser);
        happen(winner, 0, &seed);
        happen(loser, 1, &seed);
        copy_ledger(winner, scratch);
        merge(winner, loser, NULL);

        /* Again changes nothing, and nor does what is contained already. */
        char *once = content_of(winner);
        merge(winner, loser, NULL);
        merge(winner, scratch, NULL);
        char *twice = content_of(winner);
        ck_assert_str_eq(once, twice);
        sqlite3_free(once);
        sqlite3_free(twice);

        /* The other way round. */
        merge(loser, scratch, NULL);
        assert_same_content(winner, loser);

        /* What came out is a ledger. */
        struct rky_snapshot_head head;
        enum rky_snapshot_fault fault;
        copy_ledger(winner, scratch);
        assert_ok(rky_ledger_verify_file(scratch, "acme", NULL, &fault, &head, assert_err_));
    }
}
END_TEST

START_TEST(test_each_failing_allocation_leaves_what_was_there)
{
    uint32_t seed = 42;
    struct rky_ledger *ledger = NULL;
    happen(winner, 0, &seed);
    happen(loser, 1, &seed);
    char *before = content_of(winner);
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        ledger = begin(winner);
        rky_mem_fail_nth(nth);
        int rc = _i == 0 ? rky_ledger_merge(ledger, loser, NULL, &err)
                         : rky_ledger_replace_content(ledger, loser, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        rky_ledger_rollback(ledger);
        rky_ledger_close(ledger);
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            break;
        }
        ck_assert_msg(rc == RKY_ERR_NOMEM, "allocation %llu: %d %s", (unsigned long long)nth, rc,
                      err.message);
        char *after = content_of(winner);
        ck_assert_str_eq(before, after);
        sqlite3_free(after);
    }
    sqlite3_free(before);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger merge");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_checked_fixture(all, setup, NULL);
    tcase_add_test(all, test_watermarks_follow_their_rules);
    tcase_add_test(all, test_counts_are_united_in_order_of_time);
    tcase_add_test(all, test_accepted_count_stays_accepted_and_moves_the_baseline);
    tcase_add_test(all, test_retention_sees_what_was_merged);
    tcase_add_test(all, test_runs_and_jobs_are_united);
    tcase_add_test(all, test_plan_applied_in_either_is_applied);
    tcase_add_test(all, test_tombstones_audit_and_fence_are_united);
    tcase_add_test(all, test_merged_content_derives_from_both);
    tcase_add_test(all, test_state_of_another_origin_is_refused);
    tcase_add_test(all, test_restoring_replaces_what_describes_and_unites_what_happened);
    tcase_add_loop_test(all, test_merging_is_idempotent_and_knows_no_order, 0, 4);
    tcase_add_loop_test(all, test_each_failing_allocation_leaves_what_was_there, 0, 2);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
