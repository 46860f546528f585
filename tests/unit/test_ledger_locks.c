/* SPDX-License-Identifier: Apache-2.0 */
/* Who excludes whom, what readers see, and files that change underneath. */
#include "config.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "state/ledger_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/test_ledger_kit.h"

static char path[4352];

static void setup(void)
{
    (void)snprintf(path, sizeof(path), "%s", kit_path("acme.db"));
}

static const char *beside(const char *suffix)
{
    static char name[4400];
    (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
    return name;
}

static void create(void)
{
    struct rky_ledger *ledger = kit_open_locked(path);
    struct rky_watermark watermark = kit_watermark("t", "1");
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
}

static int64_t generation(struct rky_ledger *ledger)
{
    struct rky_ledger_meta meta;
    assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
    return meta.generation;
}

/* --- locks --- */

START_TEST(test_two_ledgers_of_one_process_exclude_each_other)
{
    struct rky_ledger *first = kit_open_locked(path);
    struct rky_ledger *second = kit_open(path, RKY_LEDGER_WRITE);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_ledger_lock(second, 0, &err), RKY_ERR_LOCKED);
    rky_ledger_unlock(first);
    assert_ok(rky_ledger_lock(second, 0, assert_err_));
    assert_ok(rky_ledger_lock(second, 0, assert_err_));
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_lock(first, 0, &err), RKY_ERR_LOCKED);
    rky_ledger_close(second);
    assert_ok(rky_ledger_lock(first, 0, assert_err_));
    rky_ledger_close(first);
}
END_TEST

/* A child that holds the lock until it is killed; it says when it does. */
static pid_t start_holder(void)
{
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rky_ledger *ledger = kit_open_locked(path);
        (void)ledger;
        if (write(ready[1], "x", 1) == 1)
            for (;;)
                (void)pause();
        _exit(1);
    }
    char byte;
    ck_assert_int_eq(close(ready[1]), 0);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(close(ready[0]), 0);
    return child;
}

START_TEST(test_lock_of_another_process_is_named_by_its_pid_and_ends_with_it)
{
    pid_t holder = start_holder();
    struct rky_ledger *ledger = kit_open(path, RKY_LEDGER_WRITE);
    struct rky_error err = {0};
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "process %ld", (long)holder);
    ck_assert_int_eq(rky_ledger_lock(ledger, 20, &err), RKY_ERR_LOCKED);
    ck_assert_msg(strstr(err.message, expected) != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, path));

    ck_assert_int_eq(kill(holder, SIGKILL), 0);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    assert_ok(rky_ledger_lock(ledger, 0, assert_err_));
    rky_ledger_close(ledger);
}
END_TEST

START_TEST(test_creation_waits_for_the_lock_only_for_a_moment)
{
    pid_t holder = start_holder();
    /* The holder's state is gone, its lock is not: creating anew would need it. */
    ck_assert_int_eq(unlink(path), 0);
    struct rky_error err = kit_open_error(path, "acme", RKY_LEDGER_WRITE, RKY_ERR_LOCKED);
    ck_assert_ptr_nonnull(strstr(err.message, "process"));
    ck_assert_int_eq(kill(holder, SIGKILL), 0);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    create();
}
END_TEST

START_TEST(test_many_processes_create_one_state)
{
    enum { CHILDREN = 8 };
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] == 0) {
            struct rky_error err = {0};
            struct rky_ledger *ledger = NULL;
            int64_t ignored;
            int rc = RKY_ERR_LOCKED;
            while (rc == RKY_ERR_LOCKED) { /* on a slow disk the others may need their time */
                rky_error_clear(&err);
                rc = kit_try_open(path, "acme", RKY_LEDGER_WRITE, &ledger, &err);
            }
            if (rc == 0)
                rc = rky_ledger_lock(ledger, 20000, &err);
            if (rc == 0)
                rc = rky_ledger_begin(ledger, &err);
            if (rc == 0)
                rc = rky_ledger_bump(ledger, &ignored, &err);
            if (rc == 0)
                rc = rky_ledger_commit(ledger, &err);
            rky_ledger_close(ledger);
            if (rc != 0)
                (void)fprintf(stderr, "%s\n", err.message);
            _exit(rc == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < CHILDREN; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    struct rky_ledger *ledger = kit_open(path, RKY_LEDGER_READ);
    ck_assert_int_eq(generation(ledger), CHILDREN);
    rky_ledger_close(ledger);
}
END_TEST

/* Another process creates the state just after this one saw that the file has no mark. */
static int create_meanwhile(unsigned event, void *context, void *statement, void *text)
{
    bool *created = context;
    (void)event;
    (void)statement;
    if (!*created && strstr(text, "user_version") != NULL) {
        *created = true;
        create();
    }
    return 0;
}

START_TEST(test_state_that_is_created_while_its_header_is_read_is_not_taken_for_a_foreign_one)
{
    struct rky_ledger looking = {.path = path, .file = path};
    struct rky_ledger_header header = {0};
    bool created = false;
    ck_assert_int_eq(sqlite3_open(path, &looking.db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(looking.db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_trace_v2(looking.db, SQLITE_TRACE_STMT, create_meanwhile, &created),
                     SQLITE_OK);
    assert_ok(rky_ledger_header_read(&looking, &header, assert_err_));
    ck_assert(created);
    ck_assert(rky_ledger_header_fresh(&header));
    header = (struct rky_ledger_header){0};
    assert_ok(rky_ledger_header_read(&looking, &header, assert_err_));
    ck_assert_int_eq(header.user_version, RKY_LEDGER_SCHEMA_VERSION);
    ck_assert_int_eq(sqlite3_close(looking.db), SQLITE_OK);
}
END_TEST

/* --- readers --- */

START_TEST(test_reader_sees_the_last_commit_while_a_writer_writes)
{
    struct rky_ledger *writer = kit_open_locked(path);
    kit_begin(writer);
    (void)kit_commit(writer);
    kit_begin(writer);
    int64_t ignored;
    assert_ok(rky_ledger_bump(writer, &ignored, assert_err_));

    struct rky_ledger *reader = kit_open(path, RKY_LEDGER_READ);
    ck_assert_int_eq(generation(reader), 1);
    assert_ok(rky_ledger_commit(writer, assert_err_));
    ck_assert_int_eq(generation(reader), 2);
    rky_ledger_close(reader);
    rky_ledger_close(writer);
}
END_TEST

START_TEST(test_reading_transaction_is_one_snapshot_and_holds_nobody_up)
{
    struct rky_ledger *writer = kit_open_locked(path);
    struct rky_ledger *reader = kit_open(path, RKY_LEDGER_READ);
    kit_begin(reader);
    ck_assert_int_eq(generation(reader), 0);
    kit_begin(writer);
    (void)kit_commit(writer);
    ck_assert_int_eq(generation(reader), 0);
    assert_ok(rky_ledger_commit(reader, assert_err_));
    ck_assert_int_eq(generation(reader), 1);
    rky_ledger_close(writer);
    rky_ledger_close(reader);
}
END_TEST

START_TEST(test_reader_cannot_write)
{
    create();
    struct rky_ledger *reader = kit_open(path, RKY_LEDGER_READ);
    struct rky_error err = {0};
    kit_begin(reader);
    ck_assert_int_eq(rky_ledger_raise_fence(reader, 9, &err), RKY_ERR_BUG);
    rky_ledger_close(reader);
}
END_TEST

START_TEST(test_reader_recovers_what_a_killed_writer_left)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        create(); /* closes: the log is in the file */
        struct rky_ledger *ledger = kit_open_locked(path);
        kit_begin(ledger);
        (void)kit_commit(ledger);
        kit_begin(ledger);
        (void)kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert(rky_path_exists(beside("-wal")));
    struct rky_ledger *reader = kit_open(path, RKY_LEDGER_READ);
    ck_assert_int_eq(generation(reader), 2);
    rky_ledger_close(reader);
}
END_TEST

START_TEST(test_other_program_inside_a_write_is_reported_as_locked)
{
    create();
    struct rky_ledger *ledger = kit_open_locked(path);
    sqlite3 *other = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(sqlite3_busy_timeout(ledger->db, 0), SQLITE_OK);
    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(rky_ledger_begin(ledger, &err), RKY_ERR_LOCKED);
    ck_assert(err.transient);
    ck_assert_ptr_nonnull(strstr(err.message, "is locked by another program"));
    ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
    kit_begin(ledger);
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
}
END_TEST

/* --- files that change underneath --- */

START_TEST(test_deleted_file_is_created_anew_at_the_next_lock)
{
    create();
    struct rky_ledger *ledger = kit_open_locked(path);
    kit_begin(ledger);
    ck_assert_int_eq(kit_commit(ledger), 2);
    rky_ledger_unlock(ledger);
    ck_assert_int_eq(unlink(path), 0);

    assert_ok(rky_ledger_lock(ledger, 0, assert_err_));
    ck_assert_int_eq(generation(ledger), 0);
    kit_begin(ledger);
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
    ck_assert_int_eq(kit_sql_int(path, "SELECT generation FROM meta"), 1);
    ck_assert_int_eq(kit_sql_int(path, "SELECT count(*) FROM watermarks"), 0);
}
END_TEST

START_TEST(test_old_connection_leaves_the_new_file_alone)
{
    create();
    struct rky_ledger *old = kit_open_locked(path);
    kit_begin(old);
    (void)kit_commit(old);
    rky_ledger_unlock(old);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(unlink(beside("-wal")), 0);
    ck_assert_int_eq(unlink(beside("-shm")), 0);

    struct rky_ledger *fresh = kit_open_locked(path);
    kit_begin(fresh);
    ck_assert_int_eq(kit_commit(fresh), 1);
    ck_assert(rky_path_exists(beside("-wal")));
    rky_ledger_close(old);
    ck_assert(rky_path_exists(beside("-wal")));
    kit_begin(fresh);
    ck_assert_int_eq(kit_commit(fresh), 2);
    rky_ledger_close(fresh);
    ck_assert_int_eq(kit_sql_int(path, "SELECT generation FROM meta"), 2);
}
END_TEST

START_TEST(test_log_of_a_deleted_file_is_not_replayed_into_the_new_one)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rky_ledger *ledger = kit_open_locked(path);
        kit_begin(ledger);
        (void)kit_commit(ledger);
        (void)kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert(rky_path_exists(beside("-wal")));
    ck_assert_int_eq(unlink(path), 0);

    struct rky_ledger *ledger = kit_open(path, RKY_LEDGER_WRITE);
    ck_assert_int_eq(generation(ledger), 0);
    rky_ledger_close(ledger);
}
END_TEST

START_TEST(test_replacement_that_is_wrong_fails_the_lock_and_a_later_one_mends_it)
{
    create();
    struct rky_ledger *ledger = kit_open(path, RKY_LEDGER_WRITE);
    struct rky_error err = {0};
    ck_assert_int_eq(unlink(path), 0);
    kit_write_file(path, "nonsense", 8);
    ck_assert_int_eq(rky_ledger_lock(ledger, 0, &err), RKY_ERR_STATE_FILE);

    struct rky_ledger_meta meta;
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_meta(ledger, &meta, &err), RKY_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "is not open"));
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_begin(ledger, &err), RKY_ERR_BUG);

    ck_assert_int_eq(unlink(path), 0);
    assert_ok(rky_ledger_lock(ledger, 0, assert_err_));
    ck_assert_int_eq(generation(ledger), 0);
    rky_ledger_close(ledger);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger locks");
    TCase *locks = tcase_create("locks");
    TCase *changes = tcase_create("changes");
    tcase_set_timeout(locks, TIMEOUT_S);
    tcase_set_timeout(changes, TIMEOUT_S);
    tcase_add_checked_fixture(locks, setup, NULL);
    tcase_add_checked_fixture(changes, setup, NULL);
    tcase_add_test(locks, test_two_ledgers_of_one_process_exclude_each_other);
    tcase_add_test(locks, test_lock_of_another_process_is_named_by_its_pid_and_ends_with_it);
    tcase_add_test(locks, test_creation_waits_for_the_lock_only_for_a_moment);
    tcase_add_test(locks, test_many_processes_create_one_state);
    tcase_add_test(
        locks, test_state_that_is_created_while_its_header_is_read_is_not_taken_for_a_foreign_one);
    tcase_add_test(locks, test_reader_sees_the_last_commit_while_a_writer_writes);
    tcase_add_test(locks, test_reading_transaction_is_one_snapshot_and_holds_nobody_up);
    tcase_add_test(locks, test_reader_cannot_write);
    tcase_add_test(locks, test_reader_recovers_what_a_killed_writer_left);
    tcase_add_test(locks, test_other_program_inside_a_write_is_reported_as_locked);
    tcase_add_test(changes, test_deleted_file_is_created_anew_at_the_next_lock);
    tcase_add_test(changes, test_old_connection_leaves_the_new_file_alone);
    tcase_add_test(changes, test_log_of_a_deleted_file_is_not_replayed_into_the_new_one);
    tcase_add_test(changes, test_replacement_that_is_wrong_fails_the_lock_and_a_later_one_mends_it);
    suite_add_tcase(suite, locks);
    suite_add_tcase(suite, changes);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
