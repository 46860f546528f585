/* SPDX-License-Identifier: Apache-2.0 */
/* Files written by earlier versions are opened, read whole and go on living. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/test_ledger_kit.h"

#define ORDERS "acme_warehouse.staging__us_west__shopify.orders"
#define ODD "w.\"a \"\"b\"\" c\".\xc3\xa4"

static char path[4352];
static struct rky_ledger *ledger;

static void setup(void)
{
    const char *source = getenv("top_srcdir");
    char golden[4352];
    ck_assert_msg(source != NULL, "run by make check, or with top_srcdir set");
    (void)snprintf(golden, sizeof(golden), "%s/tests/golden/ledger-v1.db", source);
    (void)snprintf(path, sizeof(path), "%s", kit_path("v1.db"));
    kit_copy_file(golden, path);
    ledger = kit_open_locked(path);
}

static void teardown(void)
{
    rky_ledger_close(ledger);
}

START_TEST(test_version_1_meta_is_read)
{
    struct rky_ledger_meta meta;
    assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
    ck_assert_str_eq(meta.namespace_, "acme");
    ck_assert_str_eq(meta.lineage, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
    ck_assert(rky_uuid_valid(meta.write_id));
    ck_assert_int_eq(meta.generation, 1);
    ck_assert_int_eq(meta.fence, 12);
}
END_TEST

START_TEST(test_version_1_watermarks_and_tombstones_are_read)
{
    struct rky_watermark *items = NULL;
    size_t count = 0;
    int64_t seq = 0;
    assert_ok(rky_ledger_watermarks(ledger, &items, &count, assert_err_));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(items[0].table, ORDERS);
    ck_assert_str_eq(items[0].cursor_column, "_fivetran_synced");
    ck_assert_str_eq(items[0].cursor_type, "text");
    ck_assert_str_eq(items[0].value, "2026-11-21 11:59:59.123456+00:00");
    ck_assert_str_eq(items[0].high_value, "2026-11-21 11:59:59.5+00:00");
    ck_assert_str_eq(items[0].commit_id, "6fa459ea-ee8a-4ca4-894e-db77e160355e");
    ck_assert_str_eq(items[0].run_id, "run-1");
    ck_assert_str_eq(items[0].job_id, "job-1");
    ck_assert_str_eq(items[0].source, "raw.src__acme__us_west__shopify.orders");
    ck_assert_str_eq(items[0].pipeline, "shopify");
    ck_assert_int_eq(items[0].updated_at_us, NOON_US);
    ck_assert_str_eq(items[1].table, ODD);
    ck_assert_ptr_null(items[1].value);
    ck_assert_ptr_null(items[1].commit_id);
    ck_assert_int_eq(items[1].updated_at_us, NOON_US + 1);
    rky_watermarks_free(items, count);
    assert_ok(rky_ledger_tombstone_get(ledger, ODD, &seq, assert_err_));
    ck_assert_int_eq(seq, 3);
}
END_TEST

START_TEST(test_version_1_history_is_read)
{
    struct rky_count *counts = NULL;
    size_t count = 0;
    char *json = NULL;
    assert_ok(rky_ledger_counts(ledger, ORDERS, 10, &counts, &count, assert_err_));
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(counts[0].count, 1000);
    ck_assert_int_eq(counts[0].at_us, NOON_US - 2);
    ck_assert(!counts[0].anomalous);
    ck_assert_int_eq(counts[1].count, 10);
    ck_assert(counts[1].anomalous);
    rky_free(counts);
    assert_ok(rky_ledger_anomalies(ledger, ORDERS, 10, &json, assert_err_));
    ck_assert_ptr_nonnull(strstr(json, "\"kind\":\"drop\""));
    ck_assert_ptr_nonnull(strstr(json, "\"run_id\":\"run-1\""));
    rky_free(json);
    assert_ok(rky_ledger_counts(ledger, ODD, 10, &counts, &count, assert_err_));
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(counts[0].count, 5);
    ck_assert(!counts[0].anomalous);
    rky_free(counts);
}
END_TEST

START_TEST(test_version_1_runs_and_jobs_are_read)
{
    struct rky_run_record *runs = NULL;
    struct rky_job_record job;
    size_t count = 0;
    assert_ok(rky_ledger_runs(ledger, 10, &runs, &count, assert_err_));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(runs[0].run_id, "run-1");
    ck_assert_str_eq(runs[0].job_id, "job-1");
    ck_assert_str_eq(runs[0].kind, "apply");
    ck_assert_str_eq(runs[0].status, "partial");
    ck_assert_str_eq(runs[0].trigger, "kafka");
    ck_assert_str_eq(runs[0].worker_id, "worker-1");
    ck_assert_str_eq(runs[0].plan_id, "a-plan");
    ck_assert_str_eq(runs[0].pipeline, "shopify");
    ck_assert_int_eq(runs[0].started_at_us, NOON_US - 5);
    ck_assert_int_eq(runs[0].finished_at_us, NOON_US);
    ck_assert_int_eq(runs[0].tables_copied, 2);
    ck_assert_int_eq(runs[0].tables_failed, 1);
    ck_assert_int_eq(runs[0].rows_copied, 1010);
    rky_run_records_free(runs, count);

    assert_ok(rky_ledger_job_by_key(ledger, "apply", "nightly", &job, assert_err_));
    ck_assert_str_eq(job.job_id, "job-1");
    ck_assert_str_eq(job.body_sha256, "b0d1");
    ck_assert_str_eq(job.params_sha256, "ba5e");
    ck_assert_str_eq(job.status, "partial");
    ck_assert_str_eq(job.result, "{\"status\":\"partial\"}");
    ck_assert_str_eq(job.events, "[{\"type\":\"table.replicated\"}]");
    ck_assert_ptr_null(job.duplicate_of);
    ck_assert_int_eq(job.finished_at_us, NOON_US);
    rky_job_record_done(&job);
    assert_ok(rky_ledger_job_get(ledger, "job-2", &job, assert_err_));
    ck_assert_str_eq(job.type, "apply");
    ck_assert_str_eq(job.idempotency_key, "nightly");
    ck_assert_str_eq(job.duplicate_of, "job-1");
    rky_job_record_done(&job);
}
END_TEST

START_TEST(test_version_1_plans_and_audit_are_read)
{
    char plan_id[RKY_SHA256_HEX] = {0};
    struct rky_plan_record plan;
    memset(plan_id, 'a', RKY_SHA256_HEX - 1);
    assert_ok(rky_ledger_plan_get(ledger, plan_id, &plan, assert_err_));
    ck_assert_str_eq(plan.plan_id, plan_id);
    ck_assert_str_eq(plan.pipeline, "shopify");
    ck_assert_str_eq(plan.payload, "{\"format\":1}");
    ck_assert_str_eq(plan.display, "{\"tables\":[]}");
    ck_assert_int_eq(plan.created_at_us, NOON_US - 9);
    ck_assert_int_eq(plan.expires_at_us, NOON_US + 9);
    ck_assert_int_eq(plan.applied_at_us, NOON_US);
    ck_assert_str_eq(plan.applied_run_id, "run-1");
    rky_plan_record_done(&plan);
    memset(plan_id, 'b', RKY_SHA256_HEX - 1);
    assert_ok(rky_ledger_plan_get(ledger, plan_id, &plan, assert_err_));
    ck_assert_int_eq(plan.applied_at_us, 0);
    ck_assert_ptr_null(plan.applied_run_id);
    rky_plan_record_done(&plan);
    ck_assert_int_eq(kit_sql_int(path, "SELECT count(*) FROM audit WHERE at = 1795262400000000 "
                                       "AND action = 'state set' AND subject = 't' AND "
                                       "old_value = '1' AND new_value = '2' AND "
                                       "actor = 'kim@host'"),
                     1);
}
END_TEST

START_TEST(test_version_1_goes_on_living)
{
    struct rky_watermark watermark = kit_watermark(ORDERS, "2026-11-22");
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    ck_assert_int_eq(kit_commit(ledger), 2);
    ck_assert_int_eq(kit_sql_int(path, "PRAGMA user_version"), RKY_LEDGER_SCHEMA_VERSION);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger golden");
    TCase *version_1 = tcase_create("version 1");
    tcase_set_timeout(version_1, TIMEOUT_S);
    tcase_add_checked_fixture(version_1, setup, teardown);
    tcase_add_test(version_1, test_version_1_meta_is_read);
    tcase_add_test(version_1, test_version_1_watermarks_and_tombstones_are_read);
    tcase_add_test(version_1, test_version_1_history_is_read);
    tcase_add_test(version_1, test_version_1_runs_and_jobs_are_read);
    tcase_add_test(version_1, test_version_1_plans_and_audit_are_read);
    tcase_add_test(version_1, test_version_1_goes_on_living);
    suite_add_tcase(suite, version_1);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
