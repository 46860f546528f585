/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workspace that something is wrong with: copies that are damaged or cannot be removed, others
 * who use it at the same time, directories that go away, and bytes that are set aside.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/unit/workspace_kit.h"

/* --- damage --------------------------------------------------------------------------------------
 */

START_TEST(test_a_damaged_copy_is_set_aside_and_kept)
{
    const char *path = place_fixed_or_not(_i);
    struct rky_workspace *workspace = place_with_copy(path, "one");
    char name[4700], aside[4800];
    (void)snprintf(name, sizeof(name), "%s", rky_ledger_path(rky_workspace_ledger(workspace)));
    place_close_it(workspace);
    place_put_file(name, "SQLite format 3, or so it says; the rest of it is gone for good, alas");
    workspace = place_locked(path);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    (void)snprintf(aside, sizeof(aside), "%s.damaged", name);
    ck_assert(rky_path_exists(aside) && !rky_path_exists(name));
    assert_ok(rky_workspace_create(workspace, assert_err_));
    place_close_it(workspace);
    place_close_it(place_locked(path));
    ck_assert(rky_path_exists(aside));
}
END_TEST

START_TEST(test_a_copy_that_cannot_be_removed_is_an_error_each_time)
{
    place_close_it(place_with_copy(NULL, "one"));
    /* Not even root unlinks a directory. */
    ck_assert_int_eq(mkdir(place_in_copies("1795262400000009.db"), 0700), 0);
    place_put_file(place_in_copies("1795262400000009.db.unsettled"), "");
    for (int i = 0; i < 2; i++) {
        struct rky_error err = {0};
        struct rky_workspace *workspace = place_workspace_at(NULL);
        ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "1795262400000009.db"));
        rky_workspace_free(workspace);
    }
    ck_assert_int_eq(rmdir(place_in_copies("1795262400000009.db")), 0);
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert(place_holds(workspace, "one"));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_damaged_newest_copy_gives_way_to_the_one_before_it)
{
    place_close_it(place_with_copy(NULL, "one"));
    place_put_file(place_in_copies("1795262400000009.db"),
                   "no database at all, and too short for one anyway");
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert(place_holds(workspace, "one"));
    ck_assert_uint_eq(kit_files(place.copies, ".damaged"), 1);
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_copy_of_another_namespace_is_left_alone)
{
    char path[4300];
    struct rky_error err = {0};
    (void)snprintf(path, sizeof(path), "%s", place_fixed_or_not(1));
    place_close_it(place_with_copy(path, "one"));
    struct rky_workspace *workspace = NULL;
    const struct rky_workspace_options options = {.config = &place.config,
                                                  .namespace_ = "other",
                                                  .state_path = path,
                                                  .clock = &place.clock.base};
    assert_ok(rky_workspace_new(&options, &workspace, assert_err_));
    ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_STATE_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "'acme'"));
    rky_workspace_free(workspace);
    workspace = place_locked(path);
    ck_assert(place_holds(workspace, "one"));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_damaged_state_of_backend_local_is_an_error_not_a_copy)
{
    struct rky_error err = {0};
    place.config.backend = RKY_BACKEND_LOCAL;
    assert_ok(rky_mkdir_p(place.directory, assert_err_));
    char path[4300];
    (void)snprintf(path, sizeof(path), "%s/acme.db", place.directory);
    place_put_file(path,
                   "the only copy there is, and it is no database: somebody has to look at it");
    struct rky_workspace *workspace = place_workspace_at(NULL);
    ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_STATE_FILE);
    ck_assert(rky_path_exists(path));
    rky_workspace_free(workspace);
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
        struct rky_workspace *workspace = place_with_copy(path, "holder");
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
    const char *path = place_fixed_or_not(_i);
    struct rky_error err = {0};
    char pid[32];
    pid_t holder = start_holder(path);
    struct rky_workspace *workspace = place_workspace_at(path);
    ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), RKY_ERR_LOCKED);
    (void)snprintf(pid, sizeof(pid), "%d", (int)holder);
    ck_assert_msg(strstr(err.message, pid) != NULL, "'%s' does not name %s", err.message, pid);
    /* A process that dies lets go; what it wrote is there. */
    ck_assert_int_eq(kill(holder, SIGKILL), 0);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    rky_error_clear(&err);
    assert_ok(rky_workspace_lock(workspace, 10000, assert_err_));
    ck_assert(place_holds(workspace, "holder"));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_two_processes_take_turns_and_see_each_others_work)
{
    struct rky_workspace *one = place_with_copy(NULL, "one"), *other = place_workspace_at(NULL);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_workspace_lock(other, 0, &err), RKY_ERR_LOCKED);
    rky_workspace_unlock(one);
    /* One keeps its ledger open; the other writes to the same copy, then installs a new one. */
    assert_ok(rky_workspace_lock(other, 0, assert_err_));
    place_write_run(other, "two");
    rky_workspace_set_base(other, &place_base);
    rky_workspace_unlock(other);
    assert_ok(rky_workspace_lock(one, 0, assert_err_));
    ck_assert(place_holds(one, "two"));
    ck_assert_int_eq(rky_workspace_base(one)->generation, 7);
    rky_workspace_unlock(one);
    place_make_image("three");
    assert_ok(rky_workspace_lock(other, 0, assert_err_));
    assert_ok(rky_workspace_install(other, place.image.raw, place.image.length, &place.image.head,
                                    assert_err_));
    rky_workspace_drop_old(other);
    rky_workspace_unlock(other);
    assert_ok(rky_workspace_lock(one, 0, assert_err_));
    ck_assert(place_holds(one, "three") && !place_holds(one, "two"));
    ck_assert(!rky_workspace_base(one)->known);
    rky_workspace_free(other);
    place_close_it(one);
}
END_TEST

START_TEST(test_a_directory_that_was_removed_is_made_again)
{
    char command[4300];
    struct rky_workspace *workspace = place_with_copy(NULL, "one");
    rky_workspace_unlock(workspace);
    (void)snprintf(command, sizeof(command), "rm -r '%s'", place.directory);
    ck_assert_int_eq(system(command), 0);
    assert_ok(rky_workspace_lock(workspace, 0, assert_err_));
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    /* And the lock is one that others see. */
    struct rky_error err = {0};
    struct rky_workspace *other = place_workspace_at(NULL);
    ck_assert_int_eq(rky_workspace_lock(other, 0, &err), RKY_ERR_LOCKED);
    rky_workspace_free(other);
    place_close_it(workspace);
}
END_TEST

/* --- quarantine ----------------------------------------------------------------------------------
 */

START_TEST(test_refused_bytes_are_kept_once_under_the_name_of_their_content)
{
    struct rky_workspace *workspace = place_locked(NULL);
    char refused[4300], *one = NULL, *again = NULL, *other = NULL, *bytes = NULL;
    size_t length = 0;
    rky_workspace_quarantine(workspace, "bad\0bytes", 9, &one);
    rky_workspace_quarantine(workspace, "bad\0bytes", 9, &again);
    rky_workspace_quarantine(workspace, "worse", 5, &other);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
    (void)snprintf(refused, sizeof(refused), "%s/acme.refused", place.directory);
    ck_assert_uint_eq(kit_files(refused, ".snap"), 2);
    assert_ok(rky_read_file(one, 100, &bytes, &length, assert_err_));
    ck_assert_uint_eq(length, 9);
    ck_assert_mem_eq(bytes, "bad\0bytes", 9);
    rky_free(bytes);
    rky_free(one);
    rky_free(again);
    rky_free(other);
    place_close_it(workspace);
}
END_TEST

START_TEST(test_bytes_that_cannot_be_kept_are_no_failure)
{
    char refused[4300], *path = NULL;
    struct rky_workspace *workspace = place_locked(NULL);
    (void)snprintf(refused, sizeof(refused), "%s/acme.refused", place.directory);
    place_put_file(refused, "in the way");
    rky_workspace_quarantine(workspace, "bytes", 5, &path);
    ck_assert_ptr_null(path);
    place_close_it(workspace);
}
END_TEST

void place_add_faults(TCase *tcase)
{
    tcase_add_loop_test(tcase, test_a_damaged_copy_is_set_aside_and_kept, 0, 2);
    tcase_add_test(tcase, test_a_copy_that_cannot_be_removed_is_an_error_each_time);
    tcase_add_test(tcase, test_a_damaged_newest_copy_gives_way_to_the_one_before_it);
    tcase_add_test(tcase, test_a_copy_of_another_namespace_is_left_alone);
    tcase_add_test(tcase, test_a_damaged_state_of_backend_local_is_an_error_not_a_copy);
    tcase_add_loop_test(tcase, test_a_workspace_in_use_names_who_uses_it, 0, 2);
    tcase_add_test(tcase, test_two_processes_take_turns_and_see_each_others_work);
    tcase_add_test(tcase, test_a_directory_that_was_removed_is_made_again);
    tcase_add_test(tcase, test_refused_bytes_are_kept_once_under_the_name_of_their_content);
    tcase_add_test(tcase, test_bytes_that_cannot_be_kept_are_no_failure);
}
