/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The working file of a namespace: which copy counts, who may touch it, and what any leftover of a
 * process that died means. Contents come from a small ledger that another machine may have made.
 */
#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/sync_kit.h"

static struct rky_state_config config;
static struct rky_fake_clock clock_;
static char directory[4200], copies[4400];

static void setup(void)
{
    rky_fake_clock_init(&clock_, NOON_US);
    (void)snprintf(directory, sizeof(directory), "%s", kit_path("state"));
    (void)snprintf(copies, sizeof(copies), "%s/acme.copies", directory);
    config = (struct rky_state_config){.backend = RKY_BACKEND_S3, .local_dir = directory};
}

static struct rky_workspace *workspace_at(const char *state_path)
{
    struct rky_workspace *workspace = NULL;
    const struct rky_workspace_options options = {.config = &config,
                                                  .namespace_ = KIT_NAMESPACE,
                                                  .state_path = state_path,
                                                  .clock = &clock_.base};
    assert_ok(rky_workspace_new(&options, &workspace, assert_err_));
    return workspace;
}

static struct rky_workspace *locked(const char *state_path)
{
    struct rky_workspace *workspace = workspace_at(state_path);
    assert_ok(rky_workspace_lock(workspace, 0, assert_err_));
    return workspace;
}

static void write_run(struct rky_workspace *workspace, const char *id)
{
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    struct rky_run_record run = kit_run(id, "run", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    (void)kit_commit(ledger);
}

static struct rky_workspace *with_copy(const char *state_path, const char *run_id)
{
    struct rky_workspace *workspace = locked(state_path);
    assert_ok(rky_workspace_create(workspace, assert_err_));
    write_run(workspace, run_id);
    return workspace;
}

static bool holds(struct rky_workspace *workspace, const char *run_id)
{
    struct rky_run_record *runs = NULL;
    size_t count = 0;
    bool found = false;
    ck_assert_ptr_nonnull(rky_workspace_ledger(workspace));
    assert_ok(rky_ledger_runs(rky_workspace_ledger(workspace), 100, &runs, &count, assert_err_));
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(runs[i].run_id, run_id) == 0;
    rky_run_records_free(runs, count);
    return found;
}

static void close_it(struct rky_workspace *workspace)
{
    rky_workspace_unlock(workspace);
    rky_workspace_free(workspace);
}

/* What another machine has uploaded. */
static struct {
    struct rky_snapshot_head head;
    unsigned char *raw;
    size_t length;
} image;

static void make_image(const char *run_id)
{
    struct rky_ledger *ledger = kit_open_locked(kit_path("elsewhere.db"));
    struct rky_run_record run = kit_run(run_id, "run", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_head(ledger, &image.head, assert_err_));
    assert_ok(rky_ledger_serialize(ledger, &image.raw, &image.length, assert_err_));
    rky_ledger_close(ledger);
}

static void teardown(void)
{
    rky_free(image.raw);
}

static const char *in_copies(const char *name)
{
    static char path[4700];
    (void)snprintf(path, sizeof(path), "%s/%s", copies, name);
    return path;
}

static void put_file(const char *path, const char *text)
{
    kit_write_file(path, text, strlen(text));
}

static void copy_as(const char *name)
{
    char from[4700];
    (void)snprintf(from, sizeof(from), "%s", in_copies("1795262400000000.db"));
    ck_assert(rky_path_exists(from));
    kit_copy_file(from, in_copies(name));
}

/* --- numbered copies -----------------------------------------------------------------------------
 */

START_TEST(test_there_is_no_copy_until_one_is_made)
{
    struct rky_workspace *workspace = locked(NULL);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    ck_assert(!rky_workspace_base(workspace)->known);
    assert_ok(rky_workspace_create(workspace, assert_err_));
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    assert_ok(rky_workspace_create(workspace, assert_err_));
    ck_assert_ptr_eq(ledger, rky_workspace_ledger(workspace));
    ck_assert_str_eq(rky_ledger_path(ledger), in_copies("1795262400000000.db"));
    close_it(workspace);
}
END_TEST

START_TEST(test_a_copy_is_found_again)
{
    close_it(with_copy(NULL, "one"));
    struct rky_workspace *workspace = locked(NULL);
    ck_assert(holds(workspace, "one"));
    /* Also by the process that kept it open, for its next job. */
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    rky_workspace_unlock(workspace);
    assert_ok(rky_workspace_lock(workspace, 0, assert_err_));
    ck_assert_ptr_eq(ledger, rky_workspace_ledger(workspace));
    close_it(workspace);
}
END_TEST

START_TEST(test_the_greatest_number_counts_and_the_rest_goes)
{
    close_it(with_copy(NULL, "one"));
    copy_as("7.db");
    copy_as("999.db");
    put_file(in_copies("999.db.base"), "{}");
    put_file(in_copies("999.db-wal"), "");
    put_file(in_copies("1795262400000001.db.unsettled"), "");
    put_file(in_copies("12.db.5f0e.tmp"), "half");
    put_file(in_copies("notes.db"), "not a number");
    put_file(in_copies("3.dbx"), "half of a name");
    struct rky_workspace *workspace = locked(NULL);
    ck_assert(holds(workspace, "one"));
    ck_assert_uint_eq(kit_files(copies, ".db"), 2); /* with the notes */
    ck_assert_uint_eq(kit_files(copies, ".base"), 0);
    ck_assert_uint_eq(kit_files(copies, ".unsettled"), 0);
    ck_assert_uint_eq(kit_files(copies, ".tmp"), 0);
    ck_assert(rky_path_exists(in_copies("notes.db")));
    close_it(workspace);
}
END_TEST

START_TEST(test_a_path_is_never_used_twice_even_when_the_clock_goes_back)
{
    struct rky_workspace *workspace = with_copy(NULL, "one");
    make_image("two");
    rky_fake_clock_init(&clock_, NOON_US - DAY_US);
    assert_ok(rky_workspace_install(workspace, image.raw, image.length, &image.head, assert_err_));
    ck_assert_str_eq(rky_ledger_path(rky_workspace_ledger(workspace)),
                     in_copies("1795262400000001.db"));
    ck_assert_str_eq(rky_workspace_old(workspace), in_copies("1795262400000000.db"));
    rky_workspace_drop_old(workspace);
    close_it(workspace);
}
END_TEST

/* --- a new copy ----------------------------------------------------------------------------------
 */

static const char *fixed_or_not(int loop)
{
    static char path[4300];
    (void)snprintf(path, sizeof(path), "%s", kit_path("mine.db"));
    return loop == 0 ? NULL : path;
}

START_TEST(test_a_new_copy_takes_the_place_of_the_old_one_once_it_is_settled)
{
    const char *path = fixed_or_not(_i);
    struct rky_workspace *workspace = with_copy(path, "one");
    make_image("two");
    assert_ok(rky_workspace_install(workspace, image.raw, image.length, &image.head, assert_err_));
    ck_assert(holds(workspace, "two") && !holds(workspace, "one"));
    ck_assert(rky_path_exists(rky_workspace_old(workspace)));
    /* It can be written to at once. */
    write_run(workspace, "three");
    rky_workspace_drop_old(workspace);
    ck_assert_ptr_null(rky_workspace_old(workspace));
    rky_workspace_revert(workspace); /* nothing to go back to */
    ck_assert(holds(workspace, "three"));
    close_it(workspace);
    workspace = locked(path);
    ck_assert(holds(workspace, "two") && holds(workspace, "three"));
    ck_assert_uint_eq(kit_files(copies, ".db"), path == NULL ? 1 : 0);
    ck_assert_uint_eq(kit_files(rky_test_directory(), ".before"), 0);
    close_it(workspace);
}
END_TEST

START_TEST(test_a_new_copy_that_was_not_settled_never_was)
{
    /* Given back at once; by unlocking; by a process that dies. */
    for (int way = 0; way < 3; way++) {
        const char *path = fixed_or_not(_i);
        struct rky_workspace *workspace = way == 0 ? with_copy(path, "one") : locked(path);
        if (way == 0)
            make_image("two");
        if (way == 2) {
            rky_workspace_unlock(workspace);
            rky_workspace_free(workspace);
            pid_t child = fork();
            ck_assert_int_ge(child, 0);
            if (child == 0) {
                workspace = locked(path);
                assert_ok(rky_workspace_install(workspace, image.raw, image.length, &image.head,
                                                assert_err_));
                write_run(workspace, "half");
                _exit(0);
            }
            int status = 0;
            ck_assert_int_eq(waitpid(child, &status, 0), child);
            ck_assert_int_eq(status, 0);
        } else {
            assert_ok(rky_workspace_install(workspace, image.raw, image.length, &image.head,
                                            assert_err_));
            ck_assert(holds(workspace, "two"));
            if (way == 0) {
                rky_workspace_revert(workspace);
                ck_assert(holds(workspace, "one"));
                write_run(workspace, "more");
            }
            close_it(workspace);
        }
        workspace = locked(path);
        ck_assert(holds(workspace, "one") && holds(workspace, "more"));
        ck_assert(!holds(workspace, "two") && !holds(workspace, "half"));
        ck_assert_uint_eq(kit_files(copies, ".db"), path == NULL ? 1 : 0);
        ck_assert_uint_eq(kit_files(copies, ".unsettled"), 0);
        close_it(workspace);
    }
}
END_TEST

START_TEST(test_an_image_that_is_refused_leaves_the_present_copy_open)
{
    const char *path = fixed_or_not(_i);
    struct rky_error err = {0};
    struct rky_workspace *workspace = with_copy(path, "one");
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    make_image("two");
    struct rky_snapshot_head other = image.head;
    other.generation++;
    ck_assert_int_eq(rky_workspace_install(workspace, image.raw, image.length, &other, &err),
                     RKY_ERR_STATE_FILE);
    rky_error_clear(&err);
    ck_assert_int_eq(
        rky_workspace_install(workspace, image.raw, image.length / 2, &image.head, &err),
        RKY_ERR_STATE_FILE);
    ck_assert_ptr_eq(ledger, rky_workspace_ledger(workspace));
    write_run(workspace, "more");
    ck_assert_uint_eq(kit_files(copies, ".db"), path == NULL ? 1 : 0);
    ck_assert_uint_eq(kit_files(rky_test_directory(), ".fresh"), 0);
    close_it(workspace);
}
END_TEST

START_TEST(test_what_is_discarded_does_not_come_back)
{
    const char *path = fixed_or_not(_i);
    struct rky_workspace *workspace = with_copy(path, "one");
    rky_workspace_set_base(workspace,
                           &(struct rky_base){.known = true, .exists = true, .etag = "\"1\""});
    rky_workspace_discard(workspace);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    rky_workspace_discard(workspace);
    close_it(workspace);
    workspace = locked(path);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    ck_assert(!rky_workspace_base(workspace)->known);
    close_it(workspace);
}
END_TEST

/* --- damage --------------------------------------------------------------------------------------
 */

START_TEST(test_a_damaged_copy_is_set_aside_and_kept)
{
    const char *path = fixed_or_not(_i);
    struct rky_workspace *workspace = with_copy(path, "one");
    char name[4700], aside[4800];
    (void)snprintf(name, sizeof(name), "%s", rky_ledger_path(rky_workspace_ledger(workspace)));
    close_it(workspace);
    put_file(name, "SQLite format 3, or so it says; the rest of it is gone for good, alas");
    workspace = locked(path);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    (void)snprintf(aside, sizeof(aside), "%s.damaged", name);
    ck_assert(rky_path_exists(aside) && !rky_path_exists(name));
    assert_ok(rky_workspace_create(workspace, assert_err_));
    close_it(workspace);
    close_it(locked(path));
    ck_assert(rky_path_exists(aside));
}
END_TEST

START_TEST(test_a_copy_that_cannot_be_removed_is_an_error_each_time)
{
    close_it(with_copy(NULL, "one"));
    /* Not even root unlinks a directory. */
    ck_assert_int_eq(mkdir(in_copies("1795262400000009.db"), 0700), 0);
    put_file(in_copies("1795262400000009.db.unsettled"), "");
    for (int i = 0; i < 2; i++) {
        struct rky_error err = {0};
        struct rky_workspace *workspace = workspace_at(NULL);
        ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "1795262400000009.db"));
        rky_workspace_free(workspace);
    }
    ck_assert_int_eq(rmdir(in_copies("1795262400000009.db")), 0);
    struct rky_workspace *workspace = locked(NULL);
    ck_assert(holds(workspace, "one"));
    close_it(workspace);
}
END_TEST

START_TEST(test_a_damaged_newest_copy_gives_way_to_the_one_before_it)
{
    close_it(with_copy(NULL, "one"));
    put_file(in_copies("1795262400000009.db"), "no database at all, and too short for one anyway");
    struct rky_workspace *workspace = locked(NULL);
    ck_assert(holds(workspace, "one"));
    ck_assert_uint_eq(kit_files(copies, ".damaged"), 1);
    close_it(workspace);
}
END_TEST

START_TEST(test_a_copy_of_another_namespace_is_left_alone)
{
    char path[4300];
    struct rky_error err = {0};
    (void)snprintf(path, sizeof(path), "%s", fixed_or_not(1));
    close_it(with_copy(path, "one"));
    struct rky_workspace *workspace = NULL;
    const struct rky_workspace_options options = {
        .config = &config, .namespace_ = "other", .state_path = path, .clock = &clock_.base};
    assert_ok(rky_workspace_new(&options, &workspace, assert_err_));
    ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_STATE_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "'acme'"));
    rky_workspace_free(workspace);
    workspace = locked(path);
    ck_assert(holds(workspace, "one"));
    close_it(workspace);
}
END_TEST

START_TEST(test_a_damaged_state_of_backend_local_is_an_error_not_a_copy)
{
    struct rky_error err = {0};
    config.backend = RKY_BACKEND_LOCAL;
    assert_ok(rky_mkdir_p(directory, assert_err_));
    char path[4300];
    (void)snprintf(path, sizeof(path), "%s/acme.db", directory);
    put_file(path, "the only copy there is, and it is no database: somebody has to look at it");
    struct rky_workspace *workspace = workspace_at(NULL);
    ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_STATE_FILE);
    ck_assert(rky_path_exists(path));
    rky_workspace_free(workspace);
}
END_TEST

/* --- what the remote held ------------------------------------------------------------------------
 */

static const struct rky_base base = {.known = true,
                                     .exists = true,
                                     .etag = "\"7-\\x\"",
                                     .write_id = "44444444-4444-4444-8444-444444444444",
                                     .generation = 7,
                                     .fence = 3};

START_TEST(test_what_the_remote_held_is_remembered_beside_the_copy)
{
    struct rky_workspace *workspace = with_copy(NULL, "one");
    rky_workspace_set_base(workspace, &base);
    close_it(workspace);
    workspace = locked(NULL);
    const struct rky_base *found = rky_workspace_base(workspace);
    ck_assert(found->known && found->exists);
    ck_assert_str_eq(found->etag, base.etag);
    ck_assert_str_eq(found->write_id, base.write_id);
    ck_assert_int_eq(found->generation, 7);
    ck_assert_int_eq(found->fence, 3);
    rky_workspace_set_base(workspace, &(struct rky_base){.known = true});
    close_it(workspace);
    workspace = locked(NULL);
    ck_assert(!rky_workspace_base(workspace)->known);
    close_it(workspace);
}
END_TEST

START_TEST(test_garbage_in_its_place_is_no_knowledge)
{
    static const char *const garbage[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"etag\":\"\\\"1\\\"\"}",
        "{\"etag\":5,\"write_id\":\"44444444-4444-4444-8444-444444444444\"}",
        "{\"etag\":\"\",\"write_id\":\"44444444-4444-4444-8444-444444444444\"}",
        "{\"etag\":\"\\\"1\\\"\",\"write_id\":\"44444444\"}",
        "{\"etag\":\"\\\"1\\\"\",\"write_id\":\"44444444-4444-4444-8444-444444444444\"",
        "\xff\xfe\x00",
    };
    close_it(with_copy(NULL, "one"));
    put_file(in_copies("1795262400000000.db.base"), garbage[_i]);
    struct rky_workspace *workspace = locked(NULL);
    ck_assert(!rky_workspace_base(workspace)->known);
    ck_assert(!rky_workspace_base(workspace)->exists);
    ck_assert(holds(workspace, "one"));
    close_it(workspace);
}
END_TEST

START_TEST(test_a_file_too_long_for_it_is_not_read)
{
    char *text = rky_malloc(10001);
    close_it(with_copy(NULL, "one"));
    memset(text, ' ', 10000);
    text[10000] = '\0';
    put_file(in_copies("1795262400000000.db.base"), text);
    rky_free(text);
    struct rky_workspace *workspace = locked(NULL);
    ck_assert(!rky_workspace_base(workspace)->known);
    close_it(workspace);
}
END_TEST

/* --- locks ---------------------------------------------------------------------------------------
 */

/* A process that holds the workspace until it is killed. */
static pid_t start_holder(const char *path)
{
    int ready[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rky_workspace *workspace = with_copy(path, "holder");
        (void)workspace;
        if (write(ready[1], "x", 1) == 1)
            for (;;)
                (void)pause();
        _exit(1);
    }
    (void)close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return child;
}

START_TEST(test_a_workspace_in_use_names_who_uses_it)
{
    const char *path = fixed_or_not(_i);
    struct rky_error err = {0};
    char pid[32];
    pid_t holder = start_holder(path);
    struct rky_workspace *workspace = workspace_at(path);
    ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_LOCKED);
    (void)snprintf(pid, sizeof(pid), "%d", (int)holder);
    ck_assert_msg(strstr(err.message, pid) != NULL, "'%s' does not name %s", err.message, pid);
    /* A process that dies lets go; what it wrote is there. */
    ck_assert_int_eq(kill(holder, SIGKILL), 0);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    rky_error_clear(&err);
    assert_ok(rky_workspace_lock(workspace, 10000, assert_err_));
    ck_assert(holds(workspace, "holder"));
    close_it(workspace);
}
END_TEST

START_TEST(test_two_processes_take_turns_and_see_each_others_work)
{
    struct rky_workspace *one = with_copy(NULL, "one"), *other = workspace_at(NULL);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_workspace_lock(other, 0, &err), RKY_ERR_LOCKED);
    rky_workspace_unlock(one);
    /* One keeps its ledger open; the other writes to the same copy, then installs a new one. */
    assert_ok(rky_workspace_lock(other, 0, assert_err_));
    write_run(other, "two");
    rky_workspace_set_base(other, &base);
    rky_workspace_unlock(other);
    assert_ok(rky_workspace_lock(one, 0, assert_err_));
    ck_assert(holds(one, "two"));
    ck_assert_int_eq(rky_workspace_base(one)->generation, 7);
    rky_workspace_unlock(one);
    make_image("three");
    assert_ok(rky_workspace_lock(other, 0, assert_err_));
    assert_ok(rky_workspace_install(other, image.raw, image.length, &image.head, assert_err_));
    rky_workspace_drop_old(other);
    rky_workspace_unlock(other);
    assert_ok(rky_workspace_lock(one, 0, assert_err_));
    ck_assert(holds(one, "three") && !holds(one, "two"));
    ck_assert(!rky_workspace_base(one)->known);
    rky_workspace_free(other);
    close_it(one);
}
END_TEST

START_TEST(test_a_directory_that_was_removed_is_made_again)
{
    char command[4300];
    struct rky_workspace *workspace = with_copy(NULL, "one");
    rky_workspace_unlock(workspace);
    (void)snprintf(command, sizeof(command), "rm -r '%s'", directory);
    ck_assert_int_eq(system(command), 0);
    assert_ok(rky_workspace_lock(workspace, 0, assert_err_));
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    /* And the lock is one that others see. */
    struct rky_error err = {0};
    struct rky_workspace *other = workspace_at(NULL);
    ck_assert_int_eq(rky_workspace_lock(other, 0, &err), RKY_ERR_LOCKED);
    rky_workspace_free(other);
    close_it(workspace);
}
END_TEST

/* --- quarantine ----------------------------------------------------------------------------------
 */

START_TEST(test_refused_bytes_are_kept_once_under_the_name_of_their_content)
{
    struct rky_workspace *workspace = locked(NULL);
    char refused[4300], *one = NULL, *again = NULL, *other = NULL, *bytes = NULL;
    size_t length = 0;
    rky_workspace_quarantine(workspace, "bad\0bytes", 9, &one);
    rky_workspace_quarantine(workspace, "bad\0bytes", 9, &again);
    rky_workspace_quarantine(workspace, "worse", 5, &other);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
    (void)snprintf(refused, sizeof(refused), "%s/acme.refused", directory);
    ck_assert_uint_eq(kit_files(refused, ".snap"), 2);
    assert_ok(rky_read_file(one, 100, &bytes, &length, assert_err_));
    ck_assert_uint_eq(length, 9);
    ck_assert_mem_eq(bytes, "bad\0bytes", 9);
    rky_free(bytes);
    rky_free(one);
    rky_free(again);
    rky_free(other);
    close_it(workspace);
}
END_TEST

START_TEST(test_bytes_that_cannot_be_kept_are_no_failure)
{
    char refused[4300], *path = NULL;
    struct rky_workspace *workspace = locked(NULL);
    (void)snprintf(refused, sizeof(refused), "%s/acme.refused", directory);
    put_file(refused, "in the way");
    rky_workspace_quarantine(workspace, "bytes", 5, &path);
    ck_assert_ptr_null(path);
    close_it(workspace);
}
END_TEST

static void add_copies(TCase *tests)
{
    tcase_add_test(tests, test_there_is_no_copy_until_one_is_made);
    tcase_add_test(tests, test_a_copy_is_found_again);
    tcase_add_test(tests, test_the_greatest_number_counts_and_the_rest_goes);
    tcase_add_test(tests, test_a_path_is_never_used_twice_even_when_the_clock_goes_back);
    tcase_add_loop_test(tests, test_a_new_copy_takes_the_place_of_the_old_one_once_it_is_settled, 0,
                        2);
    tcase_add_loop_test(tests, test_a_new_copy_that_was_not_settled_never_was, 0, 2);
    tcase_add_loop_test(tests, test_an_image_that_is_refused_leaves_the_present_copy_open, 0, 2);
    tcase_add_loop_test(tests, test_what_is_discarded_does_not_come_back, 0, 2);
    tcase_add_loop_test(tests, test_a_damaged_copy_is_set_aside_and_kept, 0, 2);
    tcase_add_test(tests, test_a_copy_that_cannot_be_removed_is_an_error_each_time);
    tcase_add_test(tests, test_a_damaged_newest_copy_gives_way_to_the_one_before_it);
    tcase_add_test(tests, test_a_copy_of_another_namespace_is_left_alone);
    tcase_add_test(tests, test_a_damaged_state_of_backend_local_is_an_error_not_a_copy);
}

static Suite *suite(void)
{
    Suite *suite = suite_create("workspace");
    TCase *tests = tcase_create("workspace");
    tcase_add_checked_fixture(tests, setup, teardown);
    add_copies(tests);
    tcase_add_test(tests, test_what_the_remote_held_is_remembered_beside_the_copy);
    tcase_add_loop_test(tests, test_garbage_in_its_place_is_no_knowledge, 0, 10);
    tcase_add_test(tests, test_a_file_too_long_for_it_is_not_read);
    tcase_add_loop_test(tests, test_a_workspace_in_use_names_who_uses_it, 0, 2);
    tcase_add_test(tests, test_two_processes_take_turns_and_see_each_others_work);
    tcase_add_test(tests, test_a_directory_that_was_removed_is_made_again);
    tcase_add_test(tests, test_refused_bytes_are_kept_once_under_the_name_of_their_content);
    tcase_add_test(tests, test_bytes_that_cannot_be_kept_are_no_failure);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
