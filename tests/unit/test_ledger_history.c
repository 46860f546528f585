/* SPDX-License-Identifier: Apache-2.0 */
/* Row counts, their baseline and findings, and what retention takes and leaves. */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "state/ledger_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/test_ledger_kit.h"

static struct rky_ledger *ledger;
static char path[4352];

static void setup(void)
{
    (void)snprintf(path, sizeof(path), "%s", kit_path("acme.db"));
    ledger = kit_open_locked(path);
}

static void teardown(void)
{
    rky_ledger_close(ledger);
}

static void add(const char *table, int64_t count, bool anomalous, const char *findings)
{
    assert_ok(rky_ledger_count_add(ledger, table, "run-1", count, NOON_US + count, anomalous,
                                   findings, assert_err_));
}

/* Compare the latest counts, written as "10 20! 30", ! = anomalous. */
static void assert_counts(const char *table, size_t limit, const char *expected)
{
    struct rky_count *counts = NULL;
    size_t count = 0;
    struct rky_strbuf text = {0};
    assert_ok(rky_ledger_counts(ledger, table, limit, &counts, &count, assert_err_));
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(counts[i].at_us, NOON_US + counts[i].count);
        rky_strbuf_addf(&text, "%s%" PRId64 "%s", i > 0 ? " " : "", counts[i].count,
                        counts[i].anomalous ? "!" : "");
    }
    ck_assert_str_eq(rky_strbuf_text(&text), expected);
    rky_strbuf_done(&text);
    rky_free(counts);
}

/* --- counts --- */

START_TEST(test_latest_counts_come_oldest_first)
{
    assert_counts("t", 10, "");
    kit_begin(ledger);
    add("t", 10, false, NULL);
    add("u", 7, false, NULL);
    add("t", 20, true, "[{\"kind\":\"spike\"}]");
    add("t", 30, false, NULL);
    (void)kit_commit(ledger);

    assert_counts("t", 10, "10 20! 30");
    assert_counts("t", 2, "20! 30");
    assert_counts("u", 10, "7");
    assert_counts("v", 10, "");
    assert_counts("t", 0, "");
}
END_TEST

START_TEST(test_tables_with_counts_are_listed_by_name)
{
    char **tables = NULL;
    size_t count = 7;
    assert_ok(rky_ledger_count_tables(ledger, &tables, &count, assert_err_));
    ck_assert_uint_eq(count, 0);
    rky_free(tables);

    kit_begin(ledger);
    add("b", 1, false, NULL);
    add("a", 2, false, NULL);
    add("b", 3, false, NULL);
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_count_tables(ledger, &tables, &count, assert_err_));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(tables[0], "a");
    ck_assert_str_eq(tables[1], "b");
    struct rky_strings names = {.items = tables, .count = count};
    rky_strings_done(&names);
}
END_TEST

START_TEST(test_findings_come_newest_first_with_their_run_and_time)
{
    kit_begin(ledger);
    add("t", 1, true, "[{\"kind\":\"old\"}]");
    add("t", 2, true, "[{\"kind\":\"spike\"},{\"kind\":\"flat\"}]");
    add("t", 3, false, NULL);
    add("t", 1000, true, "[{\"kind\":\"drop\"}]");
    (void)kit_commit(ledger);

    char *json = NULL;
    assert_ok(rky_ledger_anomalies(ledger, "t", 3, &json, assert_err_));
    ck_assert_str_eq(
        json,
        "[{\"kind\":\"drop\",\"timestamp\":\"2026-11-21T12:00:00.001Z\",\"run_id\":\"run-1\"},"
        "{\"kind\":\"spike\",\"timestamp\":\"2026-11-21T12:00:00.000Z\",\"run_id\":\"run-1\"},"
        "{\"kind\":\"flat\",\"timestamp\":\"2026-11-21T12:00:00.000Z\",\"run_id\":\"run-1\"}]");
    rky_free(json);
    assert_ok(rky_ledger_anomalies(ledger, "unknown", 3, &json, assert_err_));
    ck_assert_str_eq(json, "[]");
    rky_free(json);
}
END_TEST

START_TEST(test_finding_that_is_no_array_is_damage)
{
    struct rky_error err = {0};
    char *json = NULL;
    kit_begin(ledger);
    add("t", 1, true, "{\"kind\":\"old\"}");
    (void)kit_commit(ledger);
    ck_assert_int_eq(rky_ledger_anomalies(ledger, "t", 3, &json, &err), RKY_ERR_STATE_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "a finding is not a JSON array"));
}
END_TEST

START_TEST(test_accepted_count_starts_a_new_baseline)
{
    kit_begin(ledger);
    add("t", 100, false, NULL);
    add("t", 101, false, NULL);
    add("t", 9000, true, "[{\"kind\":\"spike\"}]");
    add("t", 9001, true, "[{\"kind\":\"spike\"}]");
    assert_ok(rky_ledger_count_accept(ledger, "t", assert_err_));
    (void)kit_commit(ledger);
    assert_counts("t", 10, "9001");

    kit_begin(ledger);
    add("t", 9002, false, NULL);
    (void)kit_commit(ledger);
    assert_counts("t", 10, "9001 9002");

    char *json = NULL;
    assert_ok(rky_ledger_anomalies(ledger, "t", 2, &json, assert_err_));
    ck_assert_str_eq(json, "[]");
    rky_free(json);
}
END_TEST

START_TEST(test_accept_of_an_unknown_table_says_so)
{
    struct rky_error err = {0};
    kit_begin(ledger);
    ck_assert_int_eq(rky_ledger_count_accept(ledger, "t", &err), RKY_ERR_NOT_FOUND);
    ck_assert_str_eq(err.message, "table 't' has no row counts in namespace 'acme'");
    rky_ledger_rollback(ledger);
}
END_TEST

/* --- retention --- */

static void put_job(int number, int64_t finished_at_us)
{
    char job_id[32];
    (void)snprintf(job_id, sizeof(job_id), "job-%d", number);
    struct rky_job_record job = kit_job(job_id, NULL, "success");
    job.finished_at_us = finished_at_us;
    assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
}

static void sweep(int64_t jobs, int64_t days, int64_t history, int64_t now_us)
{
    struct rky_retention retention = {.jobs = jobs, .jobs_days = days, .history = history};
    assert_ok(rky_ledger_sweep(ledger, &retention, now_us, assert_err_));
}

static int64_t rows(const char *sql)
{
    return kit_sql_int(path, sql);
}

START_TEST(test_only_the_newest_jobs_runs_and_audit_entries_stay)
{
    kit_begin(ledger);
    for (int i = 1; i <= 12; i++) {
        char run_id[32];
        (void)snprintf(run_id, sizeof(run_id), "run-%d", i);
        struct rky_run_record run = kit_run(run_id, "run", "success");
        put_job(i, NOON_US);
        assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
        assert_ok(rky_ledger_audit(ledger, run_id, NULL, NULL, NULL, NULL, assert_err_));
    }
    sweep(10, 14, 200, NOON_US);
    (void)kit_commit(ledger);

    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 10);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs WHERE job_id IN ('job-1', 'job-2')"), 0);
    ck_assert_int_eq(rows("SELECT count(*) FROM runs"), 10);
    ck_assert_int_eq(rows("SELECT count(*) FROM runs WHERE run_id IN ('run-1', 'run-2')"), 0);
    ck_assert_int_eq(rows("SELECT count(*) FROM audit"), 10);
    ck_assert_int_eq(rows("SELECT count(*) FROM audit WHERE action IN ('run-1', 'run-2')"), 0);
}
END_TEST

START_TEST(test_limit_is_exceeded_a_little_before_anything_is_deleted)
{
    kit_begin(ledger);
    for (int i = 1; i <= 106; i++)
        put_job(i, NOON_US);
    sweep(100, 0, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 106);

    kit_begin(ledger);
    put_job(107, NOON_US);
    sweep(100, 0, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 100);
    ck_assert_int_eq(rows("SELECT min(seq) FROM jobs"), 8);
}
END_TEST

START_TEST(test_one_sweep_deletes_a_bounded_number)
{
    kit_begin(ledger);
    for (int i = 1; i <= 2500; i++)
        put_job(i, NOON_US);
    sweep(10, 0, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 1500);

    for (int i = 0; i < 2; i++) {
        kit_begin(ledger);
        sweep(10, 0, 0, NOON_US);
        (void)kit_commit(ledger);
    }
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 10);
    ck_assert_int_eq(rows("SELECT max(seq) FROM jobs"), 2500);
}
END_TEST

START_TEST(test_jobs_go_by_age_too)
{
    kit_begin(ledger);
    for (int i = 1; i <= 5; i++)
        put_job(i, NOON_US - (20 - i) * DAY_US); /* 19, 18, 17, 16, 15 days old */
    put_job(6, NOON_US - 13 * DAY_US);
    sweep(0, 16, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 3);
    ck_assert_int_eq(rows("SELECT min(finished_at) FROM jobs"), NOON_US - 16 * DAY_US);

    kit_begin(ledger);
    sweep(0, 14, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 1);
}
END_TEST

START_TEST(test_no_limit_deletes_nothing)
{
    kit_begin(ledger);
    for (int i = 1; i <= 20; i++) {
        put_job(i, 1);
        add("t", i, false, NULL);
    }
    sweep(0, 0, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM jobs"), 20);
    assert_counts("t", 3, "18 19 20");
}
END_TEST

START_TEST(test_empty_ledger_is_swept_without_complaint)
{
    kit_begin(ledger);
    sweep(1, 1, 1, NOON_US);
    (void)kit_commit(ledger);
}
END_TEST

START_TEST(test_counts_are_kept_per_table)
{
    kit_begin(ledger);
    for (int i = 1; i <= 7; i++)
        add("t", i, false, NULL);
    add("u", 1, false, NULL);
    sweep(0, 0, 5, NOON_US);
    (void)kit_commit(ledger);
    assert_counts("t", 100, "3 4 5 6 7");
    assert_counts("u", 100, "1");
}
END_TEST

START_TEST(test_only_tables_of_the_transaction_are_looked_at)
{
    kit_begin(ledger);
    for (int i = 1; i <= 7; i++)
        add("t", i, false, NULL);
    rky_ledger_rollback(ledger);
    kit_begin(ledger);
    for (int i = 1; i <= 7; i++)
        add("t", i, false, NULL);
    (void)kit_commit(ledger);
    kit_begin(ledger);
    add("u", 1, false, NULL);
    sweep(0, 0, 5, NOON_US);
    (void)kit_commit(ledger);
    assert_counts("t", 100, "1 2 3 4 5 6 7");
}
END_TEST

START_TEST(test_baseline_survives_the_sweep)
{
    kit_begin(ledger);
    for (int i = 1; i <= 4; i++)
        add("t", i, false, NULL);
    assert_ok(rky_ledger_count_accept(ledger, "t", assert_err_));
    for (int i = 5; i <= 9; i++)
        add("t", i, false, NULL);
    sweep(0, 0, 3, NOON_US);
    (void)kit_commit(ledger);
    assert_counts("t", 100, "7 8 9");
}
END_TEST

START_TEST(test_plans_go_a_day_after_they_expired)
{
    struct rky_plan_record plan = {.created_at_us = 1};
    struct rky_job_record words = kit_job("payload", "display", "shop");
    plan.payload = words.job_id;
    plan.display = words.idempotency_key;
    plan.pipeline = words.status;
    kit_begin(ledger);
    for (char letter = 'a'; letter <= 'c'; letter++) {
        memset(plan.plan_id, letter, RKY_SHA256_HEX - 1);
        plan.expires_at_us = NOON_US - DAY_US + (letter - 'b');
        assert_ok(rky_ledger_plan_put(ledger, &plan, assert_err_));
    }
    sweep(0, 0, 0, NOON_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM plans"), 2);
    ck_assert_int_eq(rows("SELECT count(*) FROM plans WHERE plan_id LIKE 'a%'"), 0);
}
END_TEST

START_TEST(test_watermarks_and_tombstones_are_never_swept)
{
    struct rky_watermark watermark = kit_watermark("t", "1");
    watermark.updated_at_us = 1;
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 1, NULL, assert_err_));
    sweep(1, 1, 1, NOON_US + 1000 * DAY_US);
    (void)kit_commit(ledger);
    ck_assert_int_eq(rows("SELECT count(*) FROM watermarks"), 1);
    ck_assert_int_eq(rows("SELECT count(*) FROM tombstones"), 1);
}
END_TEST

/* --- every statement is served by a key --- */

START_TEST(test_no_statement_of_a_job_scans_a_table)
{
    static const enum rky_sql ALLOWED[] = {
        /* whole tables on purpose, or newest rows first with a limit */
        RKY_SQL_WATERMARKS,
        RKY_SQL_COUNTED_ALL,
        RKY_SQL_RUNS,
        RKY_SQL_RUN_LAST,
        RKY_SQL_JOBS_ENDS,
        RKY_SQL_BEGIN_READ,
        RKY_SQL_BEGIN_WRITE,
        RKY_SQL_COMMIT,
        RKY_SQL_TOMBSTONES,
        RKY_SQL_AUDIT_LIST,
        /* two ledgers into one */
        RKY_SQL_ALL_RUNS,
        RKY_SQL_ORDER_RUNS,
        RKY_SQL_TURN_RUNS,
        RKY_SQL_ALL_JOBS,
        RKY_SQL_ALL_PLANS,
        RKY_SQL_ALL_AUDIT,
        RKY_SQL_ORDER_AUDIT,
        RKY_SQL_TURN_AUDIT,
        RKY_SQL_HISTORY_CLEAR,
        RKY_SQL_COUNTED_CLEAR,
        RKY_SQL_WATERMARKS_CLEAR,
    };
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (int which = 0; which < RKY_SQL_COUNT; which++) {
        bool allowed = false;
        for (size_t i = 0; i < sizeof(ALLOWED) / sizeof(ALLOWED[0]); i++)
            allowed = allowed || (int)ALLOWED[i] == which;
        if (allowed)
            continue;
        const char *sql = rky_sql_text((enum rky_sql)which);
        char *explain = rky_asprintf("EXPLAIN QUERY PLAN %s", sql);
        sqlite3_stmt *stmt = NULL;
        ck_assert_int_eq(sqlite3_prepare_v2(db, explain, -1, &stmt, NULL), SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(stmt, 3);
            ck_assert_msg(strncmp(detail, "SCAN", 4) != 0 ||
                              strcmp(detail, "SCAN CONSTANT ROW") == 0,
                          "%s: %s", sql, detail);
        }
        ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
        rky_free(explain);
    }
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger history");
    TCase *counts = tcase_create("counts");
    TCase *retention = tcase_create("retention");
    tcase_set_timeout(counts, TIMEOUT_S);
    tcase_add_checked_fixture(counts, setup, teardown);
    tcase_set_timeout(retention, TIMEOUT_S);
    tcase_add_checked_fixture(retention, setup, teardown);
    tcase_add_test(counts, test_latest_counts_come_oldest_first);
    tcase_add_test(counts, test_tables_with_counts_are_listed_by_name);
    tcase_add_test(counts, test_findings_come_newest_first_with_their_run_and_time);
    tcase_add_test(counts, test_finding_that_is_no_array_is_damage);
    tcase_add_test(counts, test_accepted_count_starts_a_new_baseline);
    tcase_add_test(counts, test_accept_of_an_unknown_table_says_so);
    tcase_add_test(counts, test_no_statement_of_a_job_scans_a_table);
    tcase_add_test(retention, test_only_the_newest_jobs_runs_and_audit_entries_stay);
    tcase_add_test(retention, test_limit_is_exceeded_a_little_before_anything_is_deleted);
    tcase_add_test(retention, test_one_sweep_deletes_a_bounded_number);
    tcase_add_test(retention, test_jobs_go_by_age_too);
    tcase_add_test(retention, test_no_limit_deletes_nothing);
    tcase_add_test(retention, test_empty_ledger_is_swept_without_complaint);
    tcase_add_test(retention, test_counts_are_kept_per_table);
    tcase_add_test(retention, test_only_tables_of_the_transaction_are_looked_at);
    tcase_add_test(retention, test_baseline_survives_the_sweep);
    tcase_add_test(retention, test_plans_go_a_day_after_they_expired);
    tcase_add_test(retention, test_watermarks_and_tombstones_are_never_swept);
    suite_add_tcase(suite, counts);
    suite_add_tcase(suite, retention);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
