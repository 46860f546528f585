/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger's tests share: opening with one line, transactions that must succeed, sample
 * records, and a second look at the file through plain SQLite.
 */
#ifndef RKY_TESTS_UNIT_TEST_LEDGER_KIT_H
#define RKY_TESTS_UNIT_TEST_LEDGER_KIT_H

#include <check.h>
#include <stdint.h>

#include "common/error.h"
#include "state/ledger.h"

/* For hangs only: a loaded machine under valgrind needs many seconds. */
#define TIMEOUT_S 300

#define NOON_US INT64_C(1795262400000000) /* 2026-11-21 12:00 UTC */
#define DAY_US (INT64_C(24) * 3600 * 1000000)

#define assert_ok(call)                                                                       \
    do {                                                                                      \
        struct rky_error *assert_err_ = kit_error();                                          \
        int assert_rc_ = (call);                                                              \
        ck_assert_msg(assert_rc_ == 0, "%s: %d %s", #call, assert_rc_, assert_err_->message); \
    } while (0)

/** @brief The error object that assert_ok() prints, emptied. */
struct rky_error *kit_error(void);
/** @brief A path in the test's own directory. Borrowed until the next call. */
const char *kit_path(const char *name);
/** @brief Open in namespace "acme" with a clock that stands at NOON_US. */
struct rky_ledger *kit_open(const char *path, enum rky_ledger_mode mode);
/** @brief Open for writing and take the lock. */
struct rky_ledger *kit_open_locked(const char *path);
int kit_try_open(const char *path, const char *namespace_, enum rky_ledger_mode mode,
                 struct rky_ledger **ret_ledger, struct rky_error *err);
/** @brief Assert that opening fails with @p code and return what it says. */
struct rky_error kit_open_error(const char *path, const char *namespace_, enum rky_ledger_mode mode,
                                int code);
void kit_begin(struct rky_ledger *ledger);
/** @brief Bump and commit. @return the generation. */
int64_t kit_commit(struct rky_ledger *ledger);

struct rky_watermark kit_watermark(const char *table, const char *value);
struct rky_run_record kit_run(const char *run_id, const char *kind, const char *status);
struct rky_job_record kit_job(const char *job_id, const char *key, const char *status);

/** @brief First column of the first row, through a connection of its own. */
int64_t kit_sql_int(const char *path, const char *sql);
void kit_sql(const char *path, const char *sql);
void kit_write_file(const char *path, const void *bytes, size_t length);
void kit_copy_file(const char *from, const char *to);

#endif
