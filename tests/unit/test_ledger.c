/* SPDX-License-Identifier: Apache-2.0 */
/* The records of the ledger: what goes in comes out, and each table's own rules. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
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

static struct rky_ledger_meta meta(void)
{
    struct rky_ledger_meta meta;
    assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
    return meta;
}

/* --- meta and transactions --- */

START_TEST(test_new_state_has_a_random_lineage_and_generation_zero)
{
    struct rky_ledger_meta first = meta();
    ck_assert_str_eq(first.namespace_, "acme");
    ck_assert(rky_uuid_valid(first.lineage));
    ck_assert(rky_uuid_valid(first.write_id));
    ck_assert_int_eq(first.generation, 0);
    ck_assert_int_eq(first.fence, 0);

    struct rky_ledger *other = kit_open(kit_path("other.db"), RKY_LEDGER_WRITE);
    struct rky_ledger_meta second;
    assert_ok(rky_ledger_meta(other, &second, assert_err_));
    ck_assert_str_ne(first.lineage, second.lineage);
    rky_ledger_close(other);
}
END_TEST

START_TEST(test_bump_raises_the_generation_and_changes_the_write_id)
{
    struct rky_ledger_meta before = meta();
    kit_begin(ledger);
    ck_assert_int_eq(kit_commit(ledger), 1);
    kit_begin(ledger);
    ck_assert_int_eq(kit_commit(ledger), 2);

    struct rky_ledger_meta after = meta();
    ck_assert_int_eq(after.generation, 2);
    ck_assert(rky_uuid_valid(after.write_id));
    ck_assert_str_ne(before.write_id, after.write_id);
    ck_assert_str_eq(before.lineage, after.lineage);
}
END_TEST

START_TEST(test_fence_only_rises)
{
    kit_begin(ledger);
    assert_ok(rky_ledger_raise_fence(ledger, 7, assert_err_));
    assert_ok(rky_ledger_raise_fence(ledger, 5, assert_err_));
    (void)kit_commit(ledger);
    ck_assert_int_eq(meta().fence, 7);
}
END_TEST

START_TEST(test_lineage_is_taken_over_and_must_be_a_uuid)
{
    kit_begin(ledger);
    assert_ok(rky_ledger_set_lineage(ledger, "3f2504e0-4f89-41d3-9a0c-0305e82c3301", assert_err_));
    struct rky_error err = {0};
    ck_assert_int_eq(rky_ledger_set_lineage(ledger, "mine", &err), RKY_ERR_DECODE);
    ck_assert_str_eq(err.message, "lineage 'mine' is not a UUID");
    (void)kit_commit(ledger);
    ck_assert_str_eq(meta().lineage, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
}
END_TEST

START_TEST(test_rollback_leaves_everything_as_it_was)
{
    struct rky_ledger_meta before = meta();
    int64_t generation;
    kit_begin(ledger);
    struct rky_watermark watermark = kit_watermark("t", "1");
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    assert_ok(rky_ledger_bump(ledger, &generation, assert_err_));
    rky_ledger_rollback(ledger);
    rky_ledger_rollback(ledger);

    ck_assert_int_eq(meta().generation, before.generation);
    ck_assert_str_eq(meta().write_id, before.write_id);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_ledger_watermark_get(ledger, "t", &watermark, &err), RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(test_write_outside_a_transaction_is_refused)
{
    struct rky_error err = {0};
    struct rky_watermark watermark = kit_watermark("t", "1");
    ck_assert_int_eq(rky_ledger_watermark_put(ledger, &watermark, &err), RKY_ERR_BUG);
    ck_assert_ptr_nonnull(strstr(err.message, "no write transaction is open"));
    ck_assert_int_eq(kit_sql_int(path, "SELECT count(*) FROM watermarks"), 0);
}
END_TEST

START_TEST(test_transaction_needs_the_lock_and_does_not_nest)
{
    struct rky_error err = {0};
    kit_begin(ledger);
    ck_assert_int_eq(rky_ledger_begin(ledger, &err), RKY_ERR_BUG);
    ck_assert_ptr_nonnull(strstr(err.message, "already open"));
    rky_ledger_rollback(ledger);

    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_commit(ledger, &err), RKY_ERR_BUG);
    ck_assert_ptr_nonnull(strstr(err.message, "no transaction is open"));

    rky_error_clear(&err);
    rky_ledger_unlock(ledger);
    ck_assert_int_eq(rky_ledger_begin(ledger, &err), RKY_ERR_BUG);
    ck_assert_ptr_nonnull(strstr(err.message, "lock"));
}
END_TEST

START_TEST(test_unlock_rolls_back_what_is_open)
{
    kit_begin(ledger);
    struct rky_watermark watermark = kit_watermark("t", "1");
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    rky_ledger_unlock(ledger);
    ck_assert_int_eq(kit_sql_int(path, "SELECT count(*) FROM watermarks"), 0);
}
END_TEST

/* --- watermarks and tombstones --- */

START_TEST(test_watermark_comes_back_as_it_was_put)
{
    const char *table = "wh.\"we\"\"ird na.me\".\xc3\xbc";
    struct rky_watermark put = kit_watermark(table, "2026-11-21 09:59:59.123456+00:00");
    put.high_value = NULL;
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &put, assert_err_));
    (void)kit_commit(ledger);

    struct rky_watermark got;
    assert_ok(rky_ledger_watermark_get(ledger, table, &got, assert_err_));
    ck_assert_str_eq(got.table, table);
    ck_assert_str_eq(got.cursor_column, "_synced");
    ck_assert_str_eq(got.cursor_type, "text");
    ck_assert_str_eq(got.value, "2026-11-21 09:59:59.123456+00:00");
    ck_assert_ptr_null(got.high_value);
    ck_assert_str_eq(got.commit_id, put.commit_id);
    ck_assert_str_eq(got.run_id, "run-1");
    ck_assert_str_eq(got.job_id, "job-1");
    ck_assert_str_eq(got.source, "src.raw.orders");
    ck_assert_str_eq(got.pipeline, "shop");
    ck_assert_int_eq(got.updated_at_us, NOON_US);
    rky_watermark_done(&got);
    ck_assert_ptr_null(got.table);
}
END_TEST

START_TEST(test_watermark_put_again_replaces_all_of_it)
{
    struct rky_watermark first = kit_watermark("t", "1");
    struct rky_watermark second = {.table = first.table, .updated_at_us = NOON_US + 1};
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &first, assert_err_));
    assert_ok(rky_ledger_watermark_put(ledger, &second, assert_err_));
    (void)kit_commit(ledger);

    struct rky_watermark got;
    assert_ok(rky_ledger_watermark_get(ledger, "t", &got, assert_err_));
    ck_assert_ptr_null(got.value);
    ck_assert_ptr_null(got.commit_id);
    ck_assert_str_eq(got.source, "");
    ck_assert_str_eq(got.pipeline, "");
    ck_assert_int_eq(got.updated_at_us, NOON_US + 1);
    rky_watermark_done(&got);
}
END_TEST

START_TEST(test_watermarks_are_listed_by_name_as_bytes)
{
    static const char *const names[] = {"b.t", "B.t", "a.t", "\xc3\xa4.t"};
    kit_begin(ledger);
    for (size_t i = 0; i < 4; i++) {
        struct rky_watermark watermark = kit_watermark(names[i], "1");
        assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    }
    assert_ok(rky_ledger_watermark_delete(ledger, "b.t", assert_err_));
    assert_ok(rky_ledger_watermark_delete(ledger, "never seen", assert_err_));
    (void)kit_commit(ledger);

    struct rky_watermark *items = NULL;
    size_t count = 0;
    assert_ok(rky_ledger_watermarks(ledger, &items, &count, assert_err_));
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(items[0].table, "B.t");
    ck_assert_str_eq(items[1].table, "a.t");
    ck_assert_str_eq(items[2].table, "\xc3\xa4.t");
    rky_watermarks_free(items, count);
}
END_TEST

START_TEST(test_no_watermarks_is_an_empty_list)
{
    struct rky_watermark *items = NULL;
    size_t count = 7;
    assert_ok(rky_ledger_watermarks(ledger, &items, &count, assert_err_));
    ck_assert_uint_eq(count, 0);
    rky_watermarks_free(items, count);
}
END_TEST

static int64_t tombstone(const char *table)
{
    int64_t seq = -1;
    assert_ok(rky_ledger_tombstone_get(ledger, table, &seq, assert_err_));
    return seq;
}

START_TEST(test_greatest_tombstone_counts_until_the_target_carries_it)
{
    ck_assert_int_eq(tombstone("t"), 0);
    kit_begin(ledger);
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 4, "state delete", assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 5, NULL, assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "t", 5, "again", assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "u", 9, "state delete", assert_err_));
    (void)kit_commit(ledger);
    ck_assert_int_eq(tombstone("t"), 5);
    ck_assert_int_eq(kit_sql_int(path, "SELECT created_at FROM tombstones LIMIT 1"), NOON_US);

    kit_begin(ledger);
    assert_ok(rky_ledger_tombstone_sweep(ledger, "t", 4, assert_err_));
    (void)kit_commit(ledger);
    ck_assert_int_eq(tombstone("t"), 5);

    kit_begin(ledger);
    assert_ok(rky_ledger_tombstone_sweep(ledger, "t", 5, assert_err_));
    (void)kit_commit(ledger);
    ck_assert_int_eq(tombstone("t"), 0);
    ck_assert_int_eq(tombstone("u"), 9);
}
END_TEST

/* --- runs --- */

START_TEST(test_runs_come_newest_first_and_whole)
{
    struct rky_run_record first = kit_run("run-1", "run", "partial");
    struct rky_run_record second = kit_run("run-2", "apply", "success");
    second.job_id = NULL;
    second.plan_id = first.kind;
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &first, assert_err_));
    assert_ok(rky_ledger_run_put(ledger, &second, assert_err_));
    (void)kit_commit(ledger);

    struct rky_run_record *items = NULL;
    size_t count = 0;
    assert_ok(rky_ledger_runs(ledger, 10, &items, &count, assert_err_));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(items[0].run_id, "run-2");
    ck_assert_ptr_null(items[0].job_id);
    ck_assert_str_eq(items[0].plan_id, "run");
    ck_assert_str_eq(items[1].run_id, "run-1");
    ck_assert_str_eq(items[1].job_id, "job-1");
    ck_assert_str_eq(items[1].kind, "run");
    ck_assert_str_eq(items[1].status, "partial");
    ck_assert_str_eq(items[1].trigger, "kafka");
    ck_assert_str_eq(items[1].worker_id, "worker-1");
    ck_assert_str_eq(items[1].pipeline, "shop");
    ck_assert_ptr_null(items[1].plan_id);
    ck_assert_int_eq(items[1].started_at_us, NOON_US - 1000);
    ck_assert_int_eq(items[1].finished_at_us, NOON_US);
    ck_assert_int_eq(items[1].tables_copied, 3);
    ck_assert_int_eq(items[1].tables_failed, 1);
    ck_assert_int_eq(items[1].rows_copied, 42);
    rky_run_records_free(items, count);

    assert_ok(rky_ledger_runs(ledger, 1, &items, &count, assert_err_));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(items[0].run_id, "run-2");
    rky_run_records_free(items, count);
}
END_TEST

START_TEST(test_run_put_again_changes_its_figures_and_keeps_its_place)
{
    struct rky_run_record first = kit_run("run-1", "run", "success");
    struct rky_run_record second = kit_run("run-2", "run", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &first, assert_err_));
    assert_ok(rky_ledger_run_put(ledger, &second, assert_err_));
    first.status = kit_run("", "", "failed").status;
    assert_ok(rky_ledger_run_put(ledger, &first, assert_err_));
    (void)kit_commit(ledger);

    struct rky_run_record *items = NULL;
    size_t count = 0;
    assert_ok(rky_ledger_runs(ledger, SIZE_MAX, &items, &count, assert_err_));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(items[1].run_id, "run-1");
    ck_assert_str_eq(items[1].status, "failed");
    rky_run_records_free(items, count);
}
END_TEST

static void assert_last_run(const char *plan_id, const char *expected)
{
    char *run_id = NULL;
    assert_ok(rky_ledger_last_run(ledger, "shop", plan_id, &run_id, assert_err_));
    if (expected == NULL)
        ck_assert_ptr_null(run_id);
    else
        ck_assert_str_eq(run_id, expected);
    rky_free(run_id);
}

START_TEST(test_last_run_is_what_a_plan_builds_on)
{
    assert_last_run("p", NULL);
    struct rky_run_record records[] = {
        kit_run("run-1", "run", "failed"),    kit_run("run-2", "plan", "success"),
        kit_run("run-3", "run", "skipped"),   kit_run("run-4", "apply", "success"),
        kit_run("run-5", "run", "cancelled"), kit_run("run-6", "run", "interrupted"),
        kit_run("run-7", "run", "success"),
    };
    records[3].plan_id = records[0].kind; /* "run", a plan id as good as any */
    records[6].pipeline = records[0].kind;
    kit_begin(ledger);
    for (size_t i = 0; i < 7; i++)
        assert_ok(rky_ledger_run_put(ledger, &records[i], assert_err_));
    (void)kit_commit(ledger);

    assert_last_run("another", "run-4");
    assert_last_run(NULL, "run-4");
    assert_last_run("run", "run-1");
}
END_TEST

START_TEST(test_apply_without_a_plan_id_counts_as_a_run_of_its_own)
{
    struct rky_run_record record = kit_run("run-1", "apply", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &record, assert_err_));
    (void)kit_commit(ledger);
    assert_last_run("p", "run-1");
    assert_last_run(NULL, "run-1");
}
END_TEST

/* --- jobs --- */

START_TEST(test_job_comes_back_byte_for_byte)
{
    struct rky_job_record put = kit_job("job-1", NULL, "success");
    size_t length = RKY_RESULT_MAX;
    put.result = rky_malloc(length + 1);
    ck_assert_ptr_nonnull(put.result);
    for (size_t i = 0; i < length; i++)
        put.result[i] = (char)('!' + i % 90);
    put.result[length] = '\0';
    kit_begin(ledger);
    assert_ok(rky_ledger_job_put(ledger, &put, assert_err_));
    (void)kit_commit(ledger);

    struct rky_job_record got;
    assert_ok(rky_ledger_job_get(ledger, "job-1", &got, assert_err_));
    ck_assert_str_eq(got.job_id, "job-1");
    ck_assert_str_eq(got.type, "run");
    ck_assert_str_eq(got.body_sha256, "b0d1");
    ck_assert_str_eq(got.params_sha256, "ba5e");
    ck_assert_ptr_null(got.idempotency_key);
    ck_assert_str_eq(got.status, "success");
    ck_assert(strcmp(got.result, put.result) == 0);
    ck_assert_str_eq(got.events, "[]");
    ck_assert_ptr_null(got.duplicate_of);
    ck_assert_int_eq(got.finished_at_us, NOON_US);
    rky_job_record_done(&got);
    rky_free(put.result);
}
END_TEST

START_TEST(test_recorded_result_never_changes)
{
    struct rky_job_record first = kit_job("job-1", "k", "success");
    struct rky_job_record second = kit_job("job-1", "k", "failed");
    struct rky_error err = {0};
    kit_begin(ledger);
    assert_ok(rky_ledger_job_put(ledger, &first, assert_err_));
    (void)kit_commit(ledger);
    kit_begin(ledger);
    ck_assert_int_eq(rky_ledger_job_put(ledger, &second, &err), RKY_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "job 'job-1' is already recorded"));
    (void)kit_commit(ledger);

    struct rky_job_record got;
    assert_ok(rky_ledger_job_get(ledger, "job-1", &got, assert_err_));
    ck_assert_str_eq(got.status, "success");
    rky_job_record_done(&got);
}
END_TEST

START_TEST(test_unknown_job_is_not_found_without_an_error)
{
    struct rky_job_record got;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_ledger_job_get(ledger, "job-1", &got, &err), RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(rky_ledger_job_by_key(ledger, "run", "k", &got, &err), RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(test_key_finds_the_first_job_that_satisfied_it)
{
    struct rky_job_record records[] = {
        kit_job("job-1", "k", "failed"),  kit_job("job-2", "k", "skipped"),
        kit_job("job-3", "k", "partial"), kit_job("job-4", "k", "success"),
        kit_job("job-5", "k", "success"), kit_job("job-6", NULL, "success"),
    };
    records[4].type = records[0].status; /* another type */
    kit_begin(ledger);
    for (size_t i = 0; i < 6; i++)
        assert_ok(rky_ledger_job_put(ledger, &records[i], assert_err_));
    (void)kit_commit(ledger);

    struct rky_job_record got;
    assert_ok(rky_ledger_job_by_key(ledger, "run", "k", &got, assert_err_));
    ck_assert_str_eq(got.job_id, "job-3");
    ck_assert_str_eq(got.idempotency_key, "k");
    rky_job_record_done(&got);
    assert_ok(rky_ledger_job_by_key(ledger, "failed", "k", &got, assert_err_));
    ck_assert_str_eq(got.job_id, "job-5");
    rky_job_record_done(&got);
    ck_assert_int_eq(rky_ledger_job_by_key(ledger, "plan", "k", &got, NULL), RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(rky_ledger_job_by_key(ledger, "run", "K", &got, NULL), RKY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_job_without_what_it_must_have_is_refused_as_a_bug)
{
    struct rky_job_record record = kit_job("job-1", NULL, "success");
    struct rky_error err = {0};
    record.result = NULL;
    kit_begin(ledger);
    ck_assert_int_eq(rky_ledger_job_put(ledger, &record, &err), RKY_ERR_BUG);
    ck_assert_ptr_nonnull(strstr(err.message, "jobs.result"));
    rky_ledger_rollback(ledger);
}
END_TEST

/* --- plans --- */

static struct rky_plan_record plan(char letter)
{
    struct rky_plan_record record = {.created_at_us = NOON_US, .expires_at_us = NOON_US + 3600};
    struct rky_job_record words = kit_job("payload", "display", "shop");
    memset(record.plan_id, letter, RKY_SHA256_HEX - 1);
    record.payload = words.job_id;
    record.display = words.idempotency_key;
    record.pipeline = words.status;
    return record;
}

START_TEST(test_plan_stored_again_is_refreshed_and_stays_applied)
{
    struct rky_plan_record put = plan('a');
    struct rky_plan_record got;
    ck_assert_int_eq(rky_ledger_plan_get(ledger, put.plan_id, &got, NULL), RKY_ERR_NOT_FOUND);
    kit_begin(ledger);
    assert_ok(rky_ledger_plan_put(ledger, &put, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_plan_get(ledger, put.plan_id, &got, assert_err_));
    ck_assert_str_eq(got.plan_id, put.plan_id);
    ck_assert_str_eq(got.pipeline, "shop");
    ck_assert_str_eq(got.payload, "payload");
    ck_assert_str_eq(got.display, "display");
    ck_assert_int_eq(got.created_at_us, NOON_US);
    ck_assert_int_eq(got.expires_at_us, NOON_US + 3600);
    ck_assert_int_eq(got.applied_at_us, 0);
    ck_assert_ptr_null(got.applied_run_id);
    rky_plan_record_done(&got);

    kit_begin(ledger);
    assert_ok(rky_ledger_plan_applied(ledger, put.plan_id, "run-1", NOON_US + 5, assert_err_));
    put.expires_at_us += 60;
    put.display = put.pipeline;
    assert_ok(rky_ledger_plan_put(ledger, &put, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_plan_get(ledger, put.plan_id, &got, assert_err_));
    ck_assert_str_eq(got.display, "shop");
    ck_assert_int_eq(got.expires_at_us, NOON_US + 3660);
    ck_assert_int_eq(got.applied_at_us, NOON_US + 5);
    ck_assert_str_eq(got.applied_run_id, "run-1");
    rky_plan_record_done(&got);
}
END_TEST

START_TEST(test_plan_is_applied_by_one_run_only)
{
    struct rky_plan_record put = plan('a');
    struct rky_error err = {0};
    kit_begin(ledger);
    assert_ok(rky_ledger_plan_put(ledger, &put, assert_err_));
    assert_ok(rky_ledger_plan_applied(ledger, put.plan_id, "run-1", NOON_US, assert_err_));
    assert_ok(rky_ledger_plan_applied(ledger, put.plan_id, "run-1", NOON_US, assert_err_));
    ck_assert_int_eq(rky_ledger_plan_applied(ledger, put.plan_id, "run-2", NOON_US, &err),
                     RKY_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.message, "already applied by run 'run-1'"));
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_plan_applied(ledger, "bbb", "run-2", NOON_US, &err),
                     RKY_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "plan 'bbb' is not in state file"));
    (void)kit_commit(ledger);
}
END_TEST

/* --- audit --- */

START_TEST(test_audit_keeps_who_changed_what_from_what_to_what)
{
    kit_begin(ledger);
    assert_ok(rky_ledger_audit(ledger, "state set", "t", "1", NULL, "kim@host", assert_err_));
    (void)kit_commit(ledger);
    ck_assert_int_eq(kit_sql_int(path, "SELECT at FROM audit WHERE action = 'state set' AND "
                                       "subject = 't' AND old_value = '1' AND new_value IS NULL "
                                       "AND actor = 'kim@host'"),
                     NOON_US);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger");
    TCase *meta_case = tcase_create("meta and transactions");
    TCase *records = tcase_create("records");
    tcase_set_timeout(meta_case, TIMEOUT_S);
    tcase_add_checked_fixture(meta_case, setup, teardown);
    tcase_set_timeout(records, TIMEOUT_S);
    tcase_add_checked_fixture(records, setup, teardown);
    tcase_add_test(meta_case, test_new_state_has_a_random_lineage_and_generation_zero);
    tcase_add_test(meta_case, test_bump_raises_the_generation_and_changes_the_write_id);
    tcase_add_test(meta_case, test_fence_only_rises);
    tcase_add_test(meta_case, test_lineage_is_taken_over_and_must_be_a_uuid);
    tcase_add_test(meta_case, test_rollback_leaves_everything_as_it_was);
    tcase_add_test(meta_case, test_write_outside_a_transaction_is_refused);
    tcase_add_test(meta_case, test_transaction_needs_the_lock_and_does_not_nest);
    tcase_add_test(meta_case, test_unlock_rolls_back_what_is_open);
    tcase_add_test(records, test_watermark_comes_back_as_it_was_put);
    tcase_add_test(records, test_watermark_put_again_replaces_all_of_it);
    tcase_add_test(records, test_watermarks_are_listed_by_name_as_bytes);
    tcase_add_test(records, test_no_watermarks_is_an_empty_list);
    tcase_add_test(records, test_greatest_tombstone_counts_until_the_target_carries_it);
    tcase_add_test(records, test_runs_come_newest_first_and_whole);
    tcase_add_test(records, test_run_put_again_changes_its_figures_and_keeps_its_place);
    tcase_add_test(records, test_last_run_is_what_a_plan_builds_on);
    tcase_add_test(records, test_apply_without_a_plan_id_counts_as_a_run_of_its_own);
    tcase_add_test(records, test_job_comes_back_byte_for_byte);
    tcase_add_test(records, test_recorded_result_never_changes);
    tcase_add_test(records, test_unknown_job_is_not_found_without_an_error);
    tcase_add_test(records, test_key_finds_the_first_job_that_satisfied_it);
    tcase_add_test(records, test_job_without_what_it_must_have_is_refused_as_a_bug);
    tcase_add_test(records, test_plan_stored_again_is_refreshed_and_stays_applied);
    tcase_add_test(records, test_plan_is_applied_by_one_run_only);
    tcase_add_test(records, test_audit_keeps_who_changed_what_from_what_to_what);
    suite_add_tcase(suite, meta_case);
    suite_add_tcase(suite, records);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
