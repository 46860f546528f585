/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: each wrong file and its message, damage, permissions. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
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

/* Fail in both modes with the same words. */
static void assert_refused(const char *words)
{
    struct rky_error read = kit_open_error(path, "acme", RKY_LEDGER_READ, RKY_ERR_STATE_FILE);
    struct rky_error write = kit_open_error(path, "acme", RKY_LEDGER_WRITE, RKY_ERR_STATE_FILE);
    ck_assert_msg(strstr(read.message, words) != NULL, "read: %s", read.message);
    ck_assert_msg(strstr(write.message, words) != NULL, "write: %s", write.message);
    ck_assert_str_ne(read.hint, "");
    ck_assert_str_ne(write.hint, "");
}

/* --- what the file is --- */

START_TEST(test_missing_file_is_not_found_when_reading)
{
    struct rky_error err = kit_open_error(path, "acme", RKY_LEDGER_READ, RKY_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "does not exist"));
    ck_assert(!rky_path_exists(path));
    ck_assert(!rky_path_exists(beside(".lock")));
}
END_TEST

START_TEST(test_directories_on_the_way_are_made_when_writing)
{
    char deep[4400];
    (void)snprintf(deep, sizeof(deep), "%s/a/b/acme.db", rky_test_directory());
    struct rky_ledger *ledger = kit_open(deep, RKY_LEDGER_WRITE);
    ck_assert_str_eq(rky_ledger_path(ledger), deep);
    rky_ledger_close(ledger);
    ck_assert(rky_path_exists(deep));
}
END_TEST

START_TEST(test_closed_state_is_one_file_and_its_lock)
{
    create();
    ck_assert(rky_path_exists(path));
    ck_assert(rky_path_exists(beside(".lock")));
    ck_assert(!rky_path_exists(beside("-wal")));
    ck_assert(!rky_path_exists(beside("-shm")));
}
END_TEST

START_TEST(test_file_name_is_never_taken_for_an_address)
{
    ck_assert_int_eq(chdir(rky_test_directory()), 0);
    static const char *const names[] = {":memory:", "file:x.db?mode=memory", "plain.db"};
    for (size_t i = 0; i < 3; i++) {
        struct rky_ledger *ledger = kit_open(names[i], RKY_LEDGER_WRITE);
        rky_ledger_close(ledger);
        ck_assert_msg(rky_path_exists(names[i]), "no file '%s'", names[i]);
    }
}
END_TEST

START_TEST(test_empty_file_is_a_fresh_state)
{
    kit_write_file(path, "", 0);
    (void)kit_open_error(path, "acme", RKY_LEDGER_READ, RKY_ERR_NOT_FOUND);
    create();
    rky_ledger_close(kit_open(path, RKY_LEDGER_READ));
}
END_TEST

START_TEST(test_interrupted_creation_is_a_fresh_state)
{
    kit_sql(path, "PRAGMA journal_mode = WAL");
    ck_assert_int_gt(kit_sql_int(path, "PRAGMA page_count"), 0);
    (void)kit_open_error(path, "acme", RKY_LEDGER_READ, RKY_ERR_NOT_FOUND);
    create();
}
END_TEST

START_TEST(test_file_that_is_no_database_is_refused_and_left_alone)
{
    static char text[1024] = "watermarks:\n  orders: 2026-11-21\n";
    static const struct {
        size_t length;
        const char *words;
    } CASES[] = {
        {sizeof(text), "is not a state file of rocky: it is not an SQLite database"},
        {511, "is not a state file of rocky: it is too short for an SQLite database"},
        {1, "is not a state file of rocky: it is too short for an SQLite database"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char *bytes = NULL;
        size_t length = 0;
        kit_write_file(path, text, CASES[i].length);
        assert_refused(CASES[i].words);
        assert_ok(rky_read_file(path, 4096, &bytes, &length, assert_err_));
        ck_assert_uint_eq(length, CASES[i].length);
        ck_assert_mem_eq(bytes, text, length);
        rky_free(bytes);
    }
}
END_TEST

START_TEST(test_directory_and_device_are_refused)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    assert_refused("is not a state file of rocky: it is a directory");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    assert_refused("is not a state file of rocky: it is not a regular file");
}
END_TEST

START_TEST(test_database_of_another_program_is_refused_and_left_alone)
{
    kit_sql(path, "CREATE TABLE customers (id)");
    assert_refused("is not a state file of rocky: it is an SQLite database of another program");
    kit_sql(path, "DROP TABLE customers; PRAGMA application_id = 252006673");
    assert_refused("another program");
    kit_sql(path, "PRAGMA application_id = 0; PRAGMA user_version = 3");
    assert_refused("another program");
    ck_assert_int_eq(kit_sql_int(path, "SELECT count(*) FROM sqlite_schema"), 0);
}
END_TEST

START_TEST(test_newer_file_names_both_versions)
{
    create();
    kit_sql(path, "PRAGMA user_version = 7");
    assert_refused("has schema version 7, this program knows versions up to 2");
    struct rky_error err = kit_open_error(path, "acme", RKY_LEDGER_READ, RKY_ERR_STATE_FILE);
    ck_assert_ptr_nonnull(strstr(err.hint, "upgrade"));
}
END_TEST

START_TEST(test_newer_file_is_recognised_even_with_a_schema_from_the_future)
{
    create();
    kit_sql(path, "PRAGMA user_version = 7; PRAGMA writable_schema = ON;"
                  "UPDATE sqlite_schema SET sql = 'CREATE TABLE meta (id FUTURE (' "
                  "WHERE name = 'meta'");
    assert_refused("has schema version 7");
}
END_TEST

START_TEST(test_file_without_a_version_is_damaged)
{
    create();
    kit_sql(path, "PRAGMA user_version = 0");
    assert_refused("is corrupt: it has no schema version");
}
END_TEST

START_TEST(test_file_of_another_namespace_names_both)
{
    create();
    static const enum rky_ledger_mode modes[] = {RKY_LEDGER_READ, RKY_LEDGER_WRITE};
    for (size_t i = 0; i < 2; i++) {
        struct rky_error err = kit_open_error(path, "globex", modes[i], RKY_ERR_STATE_FILE);
        ck_assert_ptr_nonnull(
            strstr(err.message, "belongs to namespace 'acme', expected 'globex'"));
    }
}
END_TEST

START_TEST(test_missing_table_is_damage)
{
    create();
    kit_sql(path, "DROP TABLE meta");
    assert_refused("is corrupt: no such table: meta");
}
END_TEST

START_TEST(test_state_that_does_not_say_which_it_is_is_damage)
{
    create();
    kit_sql(path, "UPDATE meta SET namespace = hex(randomblob(64))");
    assert_refused("is corrupt: a value is not of the expected form");
    kit_sql(path, "DELETE FROM meta");
    assert_refused("is corrupt: it does not say which state it is");
}
END_TEST

START_TEST(test_trigger_and_view_in_the_file_do_not_run)
{
    create();
    kit_sql(path, "CREATE TABLE stolen (v);"
                  "CREATE TRIGGER spy AFTER UPDATE ON meta BEGIN "
                  "INSERT INTO stolen VALUES (new.lineage); END;");
    struct rky_ledger *ledger = kit_open_locked(path);
    kit_begin(ledger);
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
    ck_assert_int_eq(kit_sql_int(path, "SELECT count(*) FROM stolen"), 0);

    kit_sql(path, "ALTER TABLE meta RENAME TO real_meta; CREATE VIEW meta AS "
                  "SELECT * FROM real_meta");
    assert_refused("is corrupt");
}
END_TEST

/* --- damage --- */

static void fill(int rows)
{
    struct rky_ledger *ledger = kit_open_locked(path);
    kit_begin(ledger);
    for (int i = 0; i < rows; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "warehouse.schema_with_a_name.table_%d", i);
        struct rky_watermark watermark = kit_watermark(name, "2026-11-21 12:00:00");
        assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    }
    (void)kit_commit(ledger);
    rky_ledger_close(ledger);
}

/* Use the file like a program does. @return 0 or the first failure. */
static int read_everything(enum rky_ledger_mode mode, struct rky_error *err)
{
    struct rky_ledger *ledger = NULL;
    struct rky_watermark *items = NULL;
    size_t count = 0;
    int rc = kit_try_open(path, "acme", mode, &ledger, err);
    if (rc == 0)
        rc = rky_ledger_watermarks(ledger, &items, &count, err);
    if (rc == 0)
        rky_watermarks_free(items, count);
    rky_ledger_close(ledger);
    return rc;
}

START_TEST(test_truncated_file_is_corrupt_at_every_length)
{
    fill(300);
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_read_file(path, 1U << 26, &bytes, &length, assert_err_));
    ck_assert_uint_gt(length, 10 * 4096);
    for (size_t cut = 1; cut < length; cut += cut < 4096 ? 511 : 4096 + 7) {
        kit_write_file(path, bytes, cut);
        struct rky_error err = kit_open_error(path, "acme", RKY_LEDGER_WRITE, RKY_ERR_STATE_FILE);
        ck_assert_str_ne(err.hint, "");
        struct rky_error read_err = {0};
        ck_assert_int_eq(read_everything(RKY_LEDGER_READ, &read_err), RKY_ERR_STATE_FILE);
    }
    rky_free(bytes);
}
END_TEST

START_TEST(test_flipped_page_is_found_when_opening_for_writing)
{
    fill(300);
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_read_file(path, 1U << 26, &bytes, &length, assert_err_));
    for (size_t page = 0; page < length / 4096; page++) {
        for (size_t i = 0; i < 4096; i++)
            bytes[page * 4096 + i] = (char)~bytes[page * 4096 + i];
        kit_write_file(path, bytes, length);
        struct rky_error err = kit_open_error(path, "acme", RKY_LEDGER_WRITE, RKY_ERR_STATE_FILE);
        if (page > 0) {
            ck_assert_msg(strstr(err.message, "is corrupt") != NULL, "%s", err.message);
            ck_assert_ptr_nonnull(strstr(err.hint, "re-derives every watermark from the target"));
        }
        for (size_t i = 0; i < 4096; i++)
            bytes[page * 4096 + i] = (char)~bytes[page * 4096 + i];
    }
    kit_write_file(path, bytes, length);
    struct rky_error err = {0};
    ck_assert_int_eq(read_everything(RKY_LEDGER_WRITE, &err), 0);
    rky_free(bytes);
}
END_TEST

START_TEST(test_flipped_byte_never_crashes)
{
    fill(40);
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_read_file(path, 1U << 26, &bytes, &length, assert_err_));
    for (size_t at = 0; at < length; at += at < 512 ? 1 : 97) {
        bytes[at] = (char)(bytes[at] ^ 0x55);
        kit_write_file(path, bytes, length);
        static const enum rky_ledger_mode modes[] = {RKY_LEDGER_READ, RKY_LEDGER_WRITE};
        for (size_t i = 0; i < 2; i++) {
            struct rky_error err = {0};
            int rc = read_everything(modes[i], &err);
            /* A flip in a value cannot be seen; in the sizes of the header it makes the file look
             * empty or unreadable. */
            ck_assert_msg(rc == 0 || rc == RKY_ERR_STATE_FILE || rc == RKY_ERR_IO ||
                              rc == RKY_ERR_NOT_FOUND,
                          "byte %zu: %s %s", at, rky_err_name(rc), err.message);
        }
        (void)unlink(beside("-wal"));
        (void)unlink(beside("-shm"));
        (void)unlink(beside("-journal"));
        bytes[at] = (char)(bytes[at] ^ 0x55);
    }
    rky_free(bytes);
}
END_TEST

/* --- permissions --- */

/* Run @p check as a user who may not do everything. What it prints is the reason of a failure. */
static void as_nobody(void (*check)(void))
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        check();
        _exit(0);
    }
    (void)close(ends[1]);
    char said[2048];
    size_t length = 0;
    ssize_t got = 0;
    while ((got = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    (void)close(ends[0]);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d: %s", status, said);
}

/* In the child a failed assertion must show in the exit status. */
static void expect_open(enum rky_ledger_mode mode, int code, int number)
{
    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    int rc = kit_try_open(path, "acme", mode, &ledger, &err);
    if (rc != code || err.sys_errno != number || (code != 0 && strstr(err.message, path) == NULL)) {
        (void)fprintf(stderr, "got %s, code %ld of SQLite, errno %d: %s\n", rky_err_name(rc),
                      err.native_code, err.sys_errno, err.message);
        (void)fprintf(stderr, "-wal there: %d, -shm there: %d\n", rky_path_exists(beside("-wal")),
                      rky_path_exists(beside("-shm")));
        _exit(1);
    }
    rky_ledger_close(ledger);
}

static void check_unreadable_file(void)
{
    expect_open(RKY_LEDGER_READ, RKY_ERR_IO, EACCES);
    expect_open(RKY_LEDGER_WRITE, RKY_ERR_IO, EACCES);
}

static void check_read_only_file(void)
{
    expect_open(RKY_LEDGER_WRITE, RKY_ERR_IO, EACCES);
}

static void check_closed_directory(void)
{
    expect_open(RKY_LEDGER_WRITE, RKY_ERR_IO, EACCES);
}

START_TEST(test_permission_denied_is_an_io_error_with_the_path)
{
    create();
    ck_assert_int_eq(chmod(rky_test_directory(), 0755), 0);
    ck_assert_int_eq(chmod(path, 0), 0);
    as_nobody(check_unreadable_file);
    ck_assert_int_eq(chmod(path, 0444), 0);
    as_nobody(check_read_only_file);
}
END_TEST

START_TEST(test_directory_without_permission_is_an_io_error_with_the_path)
{
    ck_assert_int_eq(chmod(rky_test_directory(), 0555), 0);
    as_nobody(check_closed_directory);
    ck_assert_int_eq(chmod(rky_test_directory(), 0700), 0);
}
END_TEST

static void check_state_in_closed_directory(void)
{
    expect_open(RKY_LEDGER_READ, RKY_ERR_IO, 0);
    expect_open(RKY_LEDGER_WRITE, RKY_ERR_IO, 0);
}

START_TEST(test_state_in_a_read_only_directory_is_an_io_error_with_the_path)
{
    create();
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(chmod(rky_test_directory(), 0555), 0);
    as_nobody(check_state_in_closed_directory);
    ck_assert_int_eq(chmod(rky_test_directory(), 0700), 0);
}
END_TEST

START_TEST(test_path_through_a_file_is_an_io_error)
{
    kit_write_file(path, "x", 1);
    char below[4400];
    (void)snprintf(below, sizeof(below), "%s/acme.db", path);
    struct rky_error err = kit_open_error(below, "acme", RKY_LEDGER_WRITE, RKY_ERR_IO);
    ck_assert_int_eq(err.sys_errno, ENOTDIR);
}
END_TEST

/* SQLite takes 512 characters at most and refuses more without asking the system. */
START_TEST(test_name_too_long_for_sqlite_is_not_blamed_on_an_earlier_failure)
{
    char directory[900];
    int used = snprintf(directory, sizeof(directory), "%s", rky_test_directory());
    for (int i = 0; i < 3; i++)
        used += snprintf(directory + used, sizeof(directory) - (size_t)used, "/%0200d", i);
    assert_ok(rky_mkdir_p(directory, assert_err_));
    (void)snprintf(path, sizeof(path), "%s/acme.db", directory);
    kit_write_file(path, "", 0);

    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    errno = ENOSPC;
    ck_assert_int_eq(kit_try_open(path, "acme", RKY_LEDGER_WRITE, &ledger, &err), RKY_ERR_IO);
    ck_assert_int_eq(err.sys_errno, 0);
    ck_assert_ptr_nonnull(strstr(err.message, "unable to open database file"));
}
END_TEST

/* --- files of earlier versions --- */

START_TEST(test_rollback_journal_image_is_turned_into_a_log)
{
    create();
    kit_sql(path, "PRAGMA journal_mode = DELETE");
    struct rky_ledger *reader = kit_open(path, RKY_LEDGER_READ);
    ck_assert_int_eq(generation(reader), 1);
    rky_ledger_close(reader);
    rky_ledger_close(kit_open(path, RKY_LEDGER_WRITE));
    ck_assert_int_eq(kit_sql_int(path, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger open");
    TCase *files = tcase_create("files");
    TCase *damage = tcase_create("damage");
    tcase_set_timeout(files, TIMEOUT_S);
    tcase_set_timeout(damage, TIMEOUT_S);
    TCase *const all[] = {files, damage};
    for (size_t i = 0; i < 2; i++) {
        tcase_add_checked_fixture(all[i], setup, NULL);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_test(files, test_missing_file_is_not_found_when_reading);
    tcase_add_test(files, test_directories_on_the_way_are_made_when_writing);
    tcase_add_test(files, test_closed_state_is_one_file_and_its_lock);
    tcase_add_test(files, test_file_name_is_never_taken_for_an_address);
    tcase_add_test(files, test_empty_file_is_a_fresh_state);
    tcase_add_test(files, test_interrupted_creation_is_a_fresh_state);
    tcase_add_test(files, test_file_that_is_no_database_is_refused_and_left_alone);
    tcase_add_test(files, test_directory_and_device_are_refused);
    tcase_add_test(files, test_database_of_another_program_is_refused_and_left_alone);
    tcase_add_test(files, test_newer_file_names_both_versions);
    tcase_add_test(files, test_newer_file_is_recognised_even_with_a_schema_from_the_future);
    tcase_add_test(files, test_file_without_a_version_is_damaged);
    tcase_add_test(files, test_file_of_another_namespace_names_both);
    tcase_add_test(files, test_missing_table_is_damage);
    tcase_add_test(files, test_state_that_does_not_say_which_it_is_is_damage);
    tcase_add_test(files, test_trigger_and_view_in_the_file_do_not_run);
    tcase_add_test(files, test_permission_denied_is_an_io_error_with_the_path);
    tcase_add_test(files, test_directory_without_permission_is_an_io_error_with_the_path);
    tcase_add_test(files, test_state_in_a_read_only_directory_is_an_io_error_with_the_path);
    tcase_add_test(files, test_path_through_a_file_is_an_io_error);
    tcase_add_test(files, test_name_too_long_for_sqlite_is_not_blamed_on_an_earlier_failure);
    tcase_add_test(damage, test_truncated_file_is_corrupt_at_every_length);
    tcase_add_test(damage, test_flipped_page_is_found_when_opening_for_writing);
    tcase_add_test(damage, test_flipped_byte_never_crashes);
    tcase_add_test(files, test_rollback_journal_image_is_turned_into_a_log);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
