/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of the ledger's tests; each fails the test at the first surprise. */
#include "config.h"

#include "tests/unit/test_ledger_kit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"

/* One test runs per process, so these live as long as it does. */
static struct rky_error last_error;
static struct rky_fake_clock clock_at_noon;

struct rky_error *kit_error(void)
{
    rky_error_clear(&last_error);
    return &last_error;
}

const char *kit_path(const char *name)
{
    static char path[4352];
    (void)snprintf(path, sizeof(path), "%s/%s", rky_test_directory(), name);
    return path;
}

int kit_try_open(const char *path, const char *namespace_, enum rky_ledger_mode mode,
                 struct rky_ledger **ret_ledger, struct rky_error *err)
{
    rky_fake_clock_init(&clock_at_noon, NOON_US);
    struct rky_ledger_options options = {
        .path = path, .namespace_ = namespace_, .mode = mode, .clock = &clock_at_noon.base};
    return rky_ledger_open(&options, ret_ledger, err);
}

struct rky_ledger *kit_open(const char *path, enum rky_ledger_mode mode)
{
    struct rky_ledger *ledger = NULL;
    assert_ok(kit_try_open(path, "acme", mode, &ledger, assert_err_));
    ck_assert_ptr_nonnull(ledger);
    return ledger;
}

struct rky_ledger *kit_open_locked(const char *path)
{
    struct rky_ledger *ledger = kit_open(path, RKY_LEDGER_WRITE);
    assert_ok(rky_ledger_lock(ledger, 0, assert_err_));
    return ledger;
}

struct rky_error kit_open_error(const char *path, const char *namespace_, enum rky_ledger_mode mode,
                                int code)
{
    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    int rc = kit_try_open(path, namespace_, mode, &ledger, &err);
    ck_assert_msg(rc == code, "expected %s, got %s: %s", rky_err_name(code), rky_err_name(rc),
                  err.message);
    ck_assert_ptr_null(ledger);
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.message, path) != NULL, "'%s' does not name '%s'", err.message, path);
    return err;
}

void kit_begin(struct rky_ledger *ledger)
{
    assert_ok(rky_ledger_begin(ledger, assert_err_));
}

int64_t kit_commit(struct rky_ledger *ledger)
{
    int64_t generation = -1;
    assert_ok(rky_ledger_bump(ledger, &generation, assert_err_));
    assert_ok(rky_ledger_commit(ledger, assert_err_));
    return generation;
}

/* Records borrow their text here; the ledger copies, and nobody calls _done() on them. */
static char *text(const char *borrowed)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = borrowed};
    return cast.out;
}

struct rky_watermark kit_watermark(const char *table, const char *value)
{
    return (struct rky_watermark){.table = text(table),
                                  .cursor_column = text("_synced"),
                                  .cursor_type = text("text"),
                                  .value = text(value),
                                  .high_value = text(value),
                                  .commit_id = text("11111111-1111-4111-8111-111111111111"),
                                  .run_id = text("run-1"),
                                  .job_id = text("job-1"),
                                  .source = text("src.raw.orders"),
                                  .pipeline = text("shop"),
                                  .updated_at_us = NOON_US};
}

struct rky_run_record kit_run(const char *run_id, const char *kind, const char *status)
{
    return (struct rky_run_record){.run_id = text(run_id),
                                   .job_id = text("job-1"),
                                   .kind = text(kind),
                                   .status = text(status),
                                   .trigger = text("kafka"),
                                   .worker_id = text("worker-1"),
                                   .pipeline = text("shop"),
                                   .started_at_us = NOON_US - 1000,
                                   .finished_at_us = NOON_US,
                                   .tables_copied = 3,
                                   .tables_failed = 1,
                                   .rows_copied = 42};
}

struct rky_job_record kit_job(const char *job_id, const char *key, const char *status)
{
    return (struct rky_job_record){.job_id = text(job_id),
                                   .type = text("run"),
                                   .body_sha256 = text("b0d1"),
                                   .params_sha256 = text("ba5e"),
                                   .idempotency_key = text(key),
                                   .status = text(status),
                                   .result = text("{\"version\":1}"),
                                   .events = text("[]"),
                                   .finished_at_us = NOON_US};
}

int64_t kit_sql_int(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    return value;
}

void kit_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

void kit_write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

void kit_copy_file(const char *from, const char *to)
{
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_read_file(from, 1U << 26, &bytes, &length, assert_err_));
    kit_write_file(to, bytes, length);
    rky_free(bytes);
}
