/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever fails or dies while the ledger is changed, the next one to open it finds the state
 * before or the state after: memory, every single I/O operation, SIGKILL at each of them and at
 * any time.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"
#include "state/ledger_internal.h"
#include "tests/kit/check_main.h"
#include "tests/kit/fault_vfs.h"
#include "tests/unit/test_ledger_kit.h"

/* Enough for several pages of each kind, so that a change is many operations. */
enum { TABLES = 24 };

static char path[4352];
static char origin[4352];

static void remove_state(const char *file)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
    for (size_t i = 0; i < 5; i++) {
        char name[4400];
        (void)snprintf(name, sizeof(name), "%s%s", file, suffixes[i]);
        if (unlink(name) != 0)
            ck_assert_int_eq(errno, ENOENT);
    }
}

/* One change as a job makes it: everything in it carries @p value. */
static int change(struct rky_ledger *ledger, int64_t value, struct rky_error *err)
{
    char text[32], job_id[48], run_id[48], table[64];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    (void)snprintf(job_id, sizeof(job_id), "job-%lld", (long long)value);
    (void)snprintf(run_id, sizeof(run_id), "run-%lld", (long long)value);
    int rc = rky_ledger_begin(ledger, err);
    for (int i = 0; rc == 0 && i < TABLES; i++) {
        (void)snprintf(table, sizeof(table), "warehouse.schema_with_a_name.table_%d", i);
        struct rky_watermark watermark = kit_watermark(table, text);
        rc = rky_ledger_watermark_put(ledger, &watermark, err);
        if (rc == 0)
            rc = rky_ledger_count_add(ledger, table, run_id, value, NOON_US, false, NULL, err);
    }
    struct rky_job_record job = kit_job(job_id, job_id, "success");
    struct rky_run_record run = kit_run(run_id, "run", "success");
    struct rky_retention retention = {.jobs = 1000, .jobs_days = 14, .history = 200};
    int64_t generation;
    if (rc == 0)
        rc = rky_ledger_job_put(ledger, &job, err);
    if (rc == 0)
        rc = rky_ledger_run_put(ledger, &run, err);
    if (rc == 0)
        rc = rky_ledger_sweep(ledger, &retention, NOON_US, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

/* The number of the last whole change; fails when a part of another one is seen. */
static int64_t whole_state(struct rky_ledger *ledger)
{
    struct rky_ledger_meta meta;
    struct rky_watermark *items = NULL;
    struct rky_run_record *runs = NULL;
    size_t count = 0;
    assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
    assert_ok(rky_ledger_watermarks(ledger, &items, &count, assert_err_));
    ck_assert_uint_eq(count, meta.generation == 0 ? 0 : TABLES);
    for (size_t i = 0; i < count; i++) {
        struct rky_count *counts = NULL;
        size_t points = 0;
        ck_assert_int_eq(strtoll(items[i].value, NULL, 10), meta.generation);
        assert_ok(rky_ledger_counts(ledger, items[i].table, 1, &counts, &points, assert_err_));
        ck_assert_uint_eq(points, 1);
        ck_assert_int_eq(counts[0].count, meta.generation);
        rky_free(counts);
    }
    rky_watermarks_free(items, count);
    assert_ok(rky_ledger_runs(ledger, SIZE_MAX, &runs, &count, assert_err_));
    ck_assert_int_eq((int64_t)count, meta.generation);
    rky_run_records_free(runs, count);
    for (int64_t i = 1; i <= meta.generation + 1; i++) {
        char job_id[48];
        struct rky_job_record job;
        (void)snprintf(job_id, sizeof(job_id), "job-%lld", (long long)i);
        int rc = rky_ledger_job_get(ledger, job_id, &job, NULL);
        ck_assert_int_eq(rc, i <= meta.generation ? 0 : RKY_ERR_NOT_FOUND);
        if (rc == 0)
            rky_job_record_done(&job);
    }
    return meta.generation;
}

/* Open as the next process would and look; then the state must still take a change. */
static int64_t check_next_open(void)
{
    struct rky_ledger *ledger = kit_open_locked(path);
    int64_t found = whole_state(ledger);
    assert_ok(change(ledger, found + 1, assert_err_));
    ck_assert_int_eq(whole_state(ledger), found + 1);
    rky_ledger_close(ledger);
    return found;
}

/* What the attempt knew when it ended. */
enum attempt { SUCCEEDED, FAILED_BEFORE, FAILED_IN_CHANGE };

/* Open, make change @p value, close. Every commit also writes back, to have all operations in. */
static enum attempt attempt(int64_t value, bool close_it, struct rky_error *err)
{
    struct rky_ledger *ledger = NULL;
    int rc = kit_try_open(path, "acme", RKY_LEDGER_WRITE, &ledger, err);
    if (rc == 0)
        rc = rky_ledger_lock(ledger, 0, err);
    enum attempt result = FAILED_BEFORE;
    if (rc == 0) {
        ck_assert_int_eq(sqlite3_wal_autocheckpoint(ledger->db, 1), SQLITE_OK);
        rc = change(ledger, value, err);
        result = rc == 0 ? SUCCEEDED : FAILED_IN_CHANGE;
    }
    ck_assert_int_eq(rc, err->code);
    if (close_it)
        rky_ledger_close(ledger);
    return result;
}

static void setup(void)
{
    rky_fault_vfs_install();
    (void)snprintf(path, sizeof(path), "%s", kit_path("acme.db"));
    (void)snprintf(origin, sizeof(origin), "%s", kit_path("origin.db"));
    struct rky_ledger *ledger = kit_open_locked(origin);
    assert_ok(change(ledger, 1, assert_err_));
    rky_ledger_close(ledger);
}

static void restore_origin(void)
{
    remove_state(path);
    kit_copy_file(origin, path);
}

static void assert_consistent(enum attempt result, int64_t before, int64_t found)
{
    if (result == SUCCEEDED)
        ck_assert_int_eq(found, before + 1);
    else if (result == FAILED_BEFORE)
        ck_assert_int_eq(found, before);
    else
        ck_assert_msg(found == before || found == before + 1, "generation %lld", (long long)found);
}

/* --- I/O errors --- */

static const struct {
    unsigned ops;
    enum rky_fault_kind kind;
    bool persistent;
} FAULTS[] = {
    {RKY_FAULT_OPEN, RKY_FAULT_EIO, false},     {RKY_FAULT_READ, RKY_FAULT_EIO, false},
    {RKY_FAULT_READ, RKY_FAULT_EIO, true},      {RKY_FAULT_WRITE, RKY_FAULT_EIO, false},
    {RKY_FAULT_WRITE, RKY_FAULT_EIO, true},     {RKY_FAULT_WRITE, RKY_FAULT_ENOSPC, false},
    {RKY_FAULT_WRITE, RKY_FAULT_ENOSPC, true},  {RKY_FAULT_SYNC, RKY_FAULT_EIO, false},
    {RKY_FAULT_SYNC, RKY_FAULT_EIO, true},      {RKY_FAULT_TRUNCATE, RKY_FAULT_EIO, false},
    {RKY_FAULT_DELETE, RKY_FAULT_EIO, false},   {RKY_FAULT_SHARE, RKY_FAULT_EIO, false},
    {RKY_FAULT_SHARE, RKY_FAULT_ENOSPC, false}, {RKY_FAULT_CHANGES, RKY_FAULT_EIO, true},
};
enum { FAULT_COUNT = sizeof(FAULTS) / sizeof(FAULTS[0]) };

static void assert_says_what_failed(const struct rky_error *err, enum rky_fault_kind kind)
{
    ck_assert_msg(err->code == RKY_ERR_IO || err->code == RKY_ERR_QUOTA, "%s: %s",
                  rky_err_name(err->code), err->message);
    if (err->code == RKY_ERR_QUOTA)
        ck_assert_int_eq(kind, RKY_FAULT_ENOSPC);
    ck_assert_msg(strstr(err->message, path) != NULL, "%s", err->message);
    ck_assert_int_ne(err->native_code, 0);
}

START_TEST(test_failing_io_leaves_the_old_or_the_new_state)
{
    int failures = 0;
    for (uint64_t nth = 1, hit = 1; hit != 0; nth++) {
        struct rky_error err = {0};
        restore_origin();
        rky_fault_vfs_arm(FAULTS[_i].ops, nth, FAULTS[_i].kind, FAULTS[_i].persistent);
        enum attempt result = attempt(2, true, &err);
        rky_fault_vfs_disarm();
        hit = rky_fault_vfs_hit();
        ck_assert(hit || result == SUCCEEDED);
        if (result != SUCCEEDED) {
            assert_says_what_failed(&err, FAULTS[_i].kind);
            failures++;
        }
        assert_consistent(result, 1, check_next_open());
    }
    /* Failing deletes and truncations only delay tidying up. */
    if ((FAULTS[_i].ops & (RKY_FAULT_WRITE | RKY_FAULT_SYNC | RKY_FAULT_OPEN)) != 0)
        ck_assert_int_gt(failures, 0);
}
END_TEST

START_TEST(test_failing_io_of_the_creation_leaves_none_or_a_whole_state)
{
    for (uint64_t nth = 1, hit = 1; hit != 0; nth++) {
        struct rky_error err = {0};
        remove_state(path);
        rky_fault_vfs_arm(FAULTS[_i].ops, nth, FAULTS[_i].kind, FAULTS[_i].persistent);
        enum attempt result = attempt(1, true, &err);
        rky_fault_vfs_disarm();
        hit = rky_fault_vfs_hit();
        if (result != SUCCEEDED)
            assert_says_what_failed(&err, FAULTS[_i].kind);
        assert_consistent(result, 0, check_next_open());
    }
}
END_TEST

START_TEST(test_ledger_goes_on_after_a_failed_commit)
{
    for (uint64_t nth = 1, hit = 1; hit != 0; nth++) {
        struct rky_error err = {0};
        restore_origin();
        struct rky_ledger *ledger = kit_open_locked(path);
        rky_fault_vfs_arm(RKY_FAULT_CHANGES, nth, RKY_FAULT_ENOSPC, false);
        int rc = change(ledger, 2, &err);
        rky_fault_vfs_disarm();
        hit = rky_fault_vfs_hit();
        if (rc != 0) {
            ck_assert_int_eq(whole_state(ledger), 1);
            assert_ok(change(ledger, 2, assert_err_));
        }
        ck_assert_int_eq(whole_state(ledger), 2);
        rky_ledger_close(ledger);
        ck_assert_int_eq(check_next_open(), 2);
    }
}
END_TEST

START_TEST(test_commit_is_flushed_before_it_is_reported)
{
    restore_origin();
    struct rky_ledger *ledger = kit_open_locked(path);
    for (int64_t value = 2; value < 6; value++) {
        rky_fault_vfs_arm(RKY_FAULT_SYNC, 0, RKY_FAULT_EIO, false);
        assert_ok(change(ledger, value, assert_err_));
        ck_assert_uint_ge(rky_fault_vfs_count(), 1);
    }
    rky_ledger_close(ledger);
}
END_TEST

/* --- death --- */

START_TEST(test_death_at_each_io_operation_leaves_the_old_or_the_new_state)
{
    bool from_nothing = _i == 1;
    int64_t before = from_nothing ? 0 : 1;
    for (uint64_t nth = 1, killed = 1; killed != 0; nth++) {
        if (from_nothing)
            remove_state(path);
        else
            restore_origin();
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct rky_error err = {0};
            rky_fault_vfs_arm(RKY_FAULT_CHANGES | RKY_FAULT_OPEN | RKY_FAULT_SHARE, nth,
                              RKY_FAULT_KILL, false);
            _exit(attempt(before + 1, true, &err) == SUCCEEDED ? 0 : 1);
        }
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status);
        ck_assert(killed || status == 0);
        assert_consistent(killed ? FAILED_IN_CHANGE : SUCCEEDED, before, check_next_open());
    }
}
END_TEST

/* Commit changes for ever; say each on the pipe after it was reported as committed. */
static void commit_for_ever(int out)
{
    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    struct rky_ledger_meta meta;
    int rc = kit_try_open(path, "acme", RKY_LEDGER_WRITE, &ledger, &err);
    if (rc == 0)
        rc = rky_ledger_lock(ledger, 0, &err);
    if (rc == 0)
        rc = rky_ledger_meta(ledger, &meta, &err);
    if (rc == 0)
        (void)sqlite3_wal_autocheckpoint(ledger->db, 30);
    for (int64_t value = meta.generation + 1; rc == 0; value++) {
        rc = change(ledger, value, &err);
        if (rc == 0 && write(out, &value, sizeof(value)) != (ssize_t)sizeof(value))
            break;
    }
    (void)fprintf(stderr, "%s\n", err.message);
    _exit(1);
}

START_TEST(test_killed_writer_loses_nothing_that_it_reported)
{
    for (int round = 0; round < 30; round++) {
        int said[2];
        int64_t reported = 0;
        int64_t value = 0;
        ck_assert_int_eq(pipe(said), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            commit_for_ever(said[1]);
        ck_assert_int_eq(close(said[1]), 0);
        for (int i = 0; i <= round % 7; i++) {
            ck_assert_int_eq(read(said[0], &reported, sizeof(reported)), sizeof(reported));
        }
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        while (read(said[0], &value, sizeof(value)) == (ssize_t)sizeof(value))
            reported = value;
        ck_assert_int_eq(close(said[0]), 0);

        struct rky_ledger *ledger = kit_open(path, RKY_LEDGER_READ);
        int64_t found = whole_state(ledger);
        rky_ledger_close(ledger);
        ck_assert_msg(found == reported || found == reported + 1, "reported %lld, found %lld",
                      (long long)reported, (long long)found);
    }
}
END_TEST

/* --- memory --- */

/* Everything that allocates, once. */
static int use_all(struct rky_error *err)
{
    struct rky_ledger *ledger = NULL;
    struct rky_watermark watermark = {.table = NULL};
    struct rky_watermark *items = NULL;
    struct rky_run_record *runs = NULL;
    struct rky_job_record job = {.job_id = NULL};
    struct rky_plan_record plan = {.pipeline = NULL};
    struct rky_plan_record found_plan = {.pipeline = NULL};
    struct rky_count *counts = NULL;
    struct rky_strings tables = {.items = NULL};
    char *text = NULL;
    char *findings = NULL;
    size_t item_count = 0, run_count = 0, point_count = 0;
    int64_t generation = 0;
    struct rky_job_record words = kit_job("payload", "display", "shop");
    memset(plan.plan_id, 'a', RKY_SHA256_HEX - 1);
    plan.payload = words.job_id;
    plan.display = words.idempotency_key;
    plan.pipeline = words.status;

    int rc = kit_try_open(path, "acme", RKY_LEDGER_WRITE, &ledger, err);
    if (rc == 0)
        rc = rky_ledger_lock(ledger, 0, err);
    if (rc == 0)
        rc = change(ledger, 1, err);
    if (rc == 0)
        rc = rky_ledger_begin(ledger, err);
    if (rc == 0)
        rc = rky_ledger_plan_put(ledger, &plan, err);
    if (rc == 0)
        rc =
            rky_ledger_count_add(ledger, "t", "run-1", 5, NOON_US, true, "[{\"kind\":\"x\"}]", err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, "state set", "t", "1", "2", "me", err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc == 0)
        rc = rky_ledger_watermark_get(ledger, "warehouse.schema_with_a_name.table_1", &watermark,
                                      err);
    if (rc == 0)
        rc = rky_ledger_watermarks(ledger, &items, &item_count, err);
    if (rc == 0)
        rc = rky_ledger_runs(ledger, 10, &runs, &run_count, err);
    if (rc == 0)
        rc = rky_ledger_last_run(ledger, "shop", NULL, &text, err);
    if (rc == 0)
        rc = rky_ledger_job_by_key(ledger, "run", "job-1", &job, err);
    if (rc == 0)
        rc = rky_ledger_plan_get(ledger, plan.plan_id, &found_plan, err);
    if (rc == 0)
        rc = rky_ledger_counts(ledger, "t", 10, &counts, &point_count, err);
    if (rc == 0)
        rc = rky_ledger_anomalies(ledger, "t", 10, &findings, err);
    if (rc == 0)
        rc = rky_ledger_count_tables(ledger, &tables.items, &tables.count, err);

    rky_watermark_done(&watermark);
    rky_watermarks_free(items, item_count);
    rky_run_records_free(runs, run_count);
    rky_job_record_done(&job);
    rky_plan_record_done(&found_plan);
    rky_free(counts);
    rky_free(text);
    rky_free(findings);
    rky_strings_done(&tables);
    rky_ledger_close(ledger);
    return rc;
}

START_TEST(test_each_failing_allocation_of_ours_is_reported)
{
    uint64_t failures = 0;
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        remove_state(path);
        rky_mem_fail_nth(nth);
        int rc = use_all(&err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_msg(rc == (failed ? RKY_ERR_NOMEM : 0), "allocation %d: %s", (int)nth,
                      err.message);
        ck_assert_int_eq(err.code, rc);
        if (!failed)
            break;
        failures++;
    }
    ck_assert_uint_gt(failures, 100);
}
END_TEST

/* SQLite's own allocations: the system's methods with a counter in front. */
static sqlite3_mem_methods system_memory;
static uint64_t memory_nth;
static bool memory_failed;

static bool memory_breaks(void)
{
    if (memory_nth == 0 || --memory_nth != 0)
        return false;
    memory_failed = true;
    return true;
}

static void *counted_malloc(int size)
{
    return memory_breaks() ? NULL : system_memory.xMalloc(size);
}

static void *counted_realloc(void *old, int size)
{
    return memory_breaks() ? NULL : system_memory.xRealloc(old, size);
}

START_TEST(test_each_failing_allocation_of_the_engine_leaves_a_whole_state)
{
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        restore_origin();
        memory_failed = false;
        memory_nth = nth;
        enum attempt result = attempt(2, true, &err);
        memory_nth = 0;
        if (result != SUCCEEDED) {
            ck_assert_msg(err.code == RKY_ERR_NOMEM, "allocation %d: %s: %s", (int)nth,
                          rky_err_name(err.code), err.message);
            failures++;
        }
        if (failures % 16 == 0) /* looking is slower than failing */
            assert_consistent(result, 1, check_next_open());
        if (!memory_failed)
            break;
    }
    ck_assert_int_gt(failures, 100);
}
END_TEST

static void setup_counted_memory(void)
{
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory), SQLITE_OK);
    sqlite3_mem_methods counted = system_memory;
    counted.xMalloc = counted_malloc;
    counted.xRealloc = counted_realloc;
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &counted), SQLITE_OK);
    setup();
}

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger faults");
    TCase *io = tcase_create("io");
    TCase *death = tcase_create("death");
    TCase *memory = tcase_create("memory");
    TCase *engine_memory = tcase_create("engine memory");
    TCase *const all[] = {io, death, memory, engine_memory};
    for (size_t i = 0; i < 4; i++) {
        tcase_set_timeout(all[i], TIMEOUT_S);
        tcase_add_checked_fixture(all[i], all[i] == engine_memory ? setup_counted_memory : setup,
                                  NULL);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(io, test_failing_io_leaves_the_old_or_the_new_state, 0, FAULT_COUNT);
    tcase_add_loop_test(io, test_failing_io_of_the_creation_leaves_none_or_a_whole_state, 0,
                        FAULT_COUNT);
    tcase_add_test(io, test_ledger_goes_on_after_a_failed_commit);
    tcase_add_test(io, test_commit_is_flushed_before_it_is_reported);
    tcase_add_loop_test(death, test_death_at_each_io_operation_leaves_the_old_or_the_new_state, 0,
                        2);
    tcase_add_test(death, test_killed_writer_loses_nothing_that_it_reported);
    tcase_add_test(memory, test_each_failing_allocation_of_ours_is_reported);
    tcase_add_test(engine_memory, test_each_failing_allocation_of_the_engine_leaves_a_whole_state);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
