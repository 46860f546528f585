/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workspace: numbered copies, how a new one takes the place of the old, and what is known of
 * the remote beside them. Damage, locks and quarantine are in workspace_faults.c.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/workspace_kit.h"

static void copy_as(const char *name)
{
    char from[4700];
    (void)snprintf(from, sizeof(from), "%s", place_in_copies("1795262400000000.db"));
    ck_assert(rky_path_exists(from));
    kit_copy_file(from, place_in_copies(name));
}

/* --- numbered copies -----------------------------------------------------------------------------
 */

START_TEST(test_there_is_no_copy_until_one_is_made)
{
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    ck_assert(!rky_workspace_base(workspace)->known);
    assert_ok(rky_workspace_create(workspace, assert_err_));
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    assert_ok(rky_workspace_create(workspace, assert_err_));
    ck_assert_ptr_eq(ledger, rky_workspace_ledger(workspace));
    ck_assert_str_eq(rky_ledger_path(ledger), place_in_copies("1795262400000000.db"));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_copy_is_found_again)
{
    place_close_it(place_with_copy(NULL, "one"));
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert(place_holds(workspace, "one"));
    /* Also by the process that kept it open, for its next job. */
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    rky_workspace_unlock(workspace);
    assert_ok(rky_workspace_lock(workspace, 0, assert_err_));
    ck_assert_ptr_eq(ledger, rky_workspace_ledger(workspace));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_the_greatest_number_counts_and_the_rest_goes)
{
    place_close_it(place_with_copy(NULL, "one"));
    copy_as("7.db");
    copy_as("999.db");
    place_put_file(place_in_copies("999.db.base"), "{}");
    place_put_file(place_in_copies("999.db-wal"), "");
    place_put_file(place_in_copies("1795262400000001.db.unsettled"), "");
    place_put_file(place_in_copies("12.db.5f0e.tmp"), "half");
    place_put_file(place_in_copies("notes.db"), "not a number");
    place_put_file(place_in_copies("3.dbx"), "half of a name");
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert(place_holds(workspace, "one"));
    ck_assert_uint_eq(kit_files(place.copies, ".db"), 2); /* with the notes */
    ck_assert_uint_eq(kit_files(place.copies, ".base"), 0);
    ck_assert_uint_eq(kit_files(place.copies, ".unsettled"), 0);
    ck_assert_uint_eq(kit_files(place.copies, ".tmp"), 0);
    ck_assert(rky_path_exists(place_in_copies("notes.db")));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_path_is_never_used_twice_even_when_the_clock_goes_back)
{
    struct rky_workspace *workspace = place_with_copy(NULL, "one");
    place_make_image("two");
    rky_fake_clock_init(&place.clock, NOON_US - DAY_US);
    assert_ok(rky_workspace_install(workspace, place.image.raw, place.image.length,
                                    &place.image.head, assert_err_));
    ck_assert_str_eq(rky_ledger_path(rky_workspace_ledger(workspace)),
                     place_in_copies("1795262400000001.db"));
    ck_assert_str_eq(rky_workspace_old(workspace), place_in_copies("1795262400000000.db"));
    rky_workspace_drop_old(workspace);
    place_close_it(workspace);
}
END_TEST

/* --- a new copy ----------------------------------------------------------------------------------
 */

START_TEST(test_a_new_copy_takes_the_place_of_the_old_one_once_it_is_settled)
{
    const char *path = place_fixed_or_not(_i);
    struct rky_workspace *workspace = place_with_copy(path, "one");
    place_make_image("two");
    assert_ok(rky_workspace_install(workspace, place.image.raw, place.image.length,
                                    &place.image.head, assert_err_));
    ck_assert(place_holds(workspace, "two") && !place_holds(workspace, "one"));
    ck_assert(rky_path_exists(rky_workspace_old(workspace)));
    /* It can be written to at once. */
    place_write_run(workspace, "three");
    rky_workspace_drop_old(workspace);
    ck_assert_ptr_null(rky_workspace_old(workspace));
    rky_workspace_revert(workspace); /* nothing to go back to */
    ck_assert(place_holds(workspace, "three"));
    place_close_it(workspace);
    workspace = place_locked(path);
    ck_assert(place_holds(workspace, "two") && place_holds(workspace, "three"));
    ck_assert_uint_eq(kit_files(place.copies, ".db"), path == NULL ? 1 : 0);
    ck_assert_uint_eq(kit_files(rky_test_directory(), ".before"), 0);
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_new_copy_that_was_not_settled_never_was)
{
    /* Given back at once; by unlocking; by a process that dies. */
    for (int way = 0; way < 3; way++) {
        const char *path = place_fixed_or_not(_i);
        struct rky_workspace *workspace =
            way == 0 ? place_with_copy(path, "one") : place_locked(path);
        if (way == 0)
            place_make_image("two");
        if (way == 2) {
            rky_workspace_unlock(workspace);
            rky_workspace_free(workspace);
            pid_t child = fork();
            ck_assert_int_ge(child, 0);
            if (child == 0) {
                workspace = place_locked(path);
                assert_ok(rky_workspace_install(workspace, place.image.raw, place.image.length,
                                                &place.image.head, assert_err_));
                place_write_run(workspace, "half");
                _exit(0);
            }
            int status = 0;
            ck_assert_int_eq(waitpid(child, &status, 0), child);
            ck_assert_int_eq(status, 0);
        } else {
            assert_ok(rky_workspace_install(workspace, place.image.raw, place.image.length,
                                            &place.image.head, assert_err_));
            ck_assert(place_holds(workspace, "two"));
            if (way == 0) {
                rky_workspace_revert(workspace);
                ck_assert(place_holds(workspace, "one"));
                place_write_run(workspace, "more");
            }
            place_close_it(workspace);
        }
        workspace = place_locked(path);
        ck_assert(place_holds(workspace, "one") && place_holds(workspace, "more"));
        ck_assert(!place_holds(workspace, "two") && !place_holds(workspace, "half"));
        ck_assert_uint_eq(kit_files(place.copies, ".db"), path == NULL ? 1 : 0);
        ck_assert_uint_eq(kit_files(place.copies, ".unsettled"), 0);
        place_close_it(workspace);
    }
}
END_TEST

START_TEST(test_an_image_that_is_refused_leaves_the_present_copy_open)
{
    const char *path = place_fixed_or_not(_i);
    struct rky_error err = {0};
    struct rky_workspace *workspace = place_with_copy(path, "one");
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    place_make_image("two");
    struct rky_snapshot_head other = place.image.head;
    other.generation++;
    ck_assert_int_eq(
        rky_workspace_install(workspace, place.image.raw, place.image.length, &other, &err),
        RKY_ERR_STATE_FILE);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_workspace_install(workspace, place.image.raw, place.image.length / 2,
                                           &place.image.head, &err),
                     RKY_ERR_STATE_FILE);
    ck_assert_ptr_eq(ledger, rky_workspace_ledger(workspace));
    place_write_run(workspace, "more");
    ck_assert_uint_eq(kit_files(place.copies, ".db"), path == NULL ? 1 : 0);
    ck_assert_uint_eq(kit_files(rky_test_directory(), ".fresh"), 0);
    place_close_it(workspace);
}
END_TEST

START_TEST(test_what_is_discarded_does_not_come_back)
{
    const char *path = place_fixed_or_not(_i);
    struct rky_workspace *workspace = place_with_copy(path, "one");
    rky_workspace_set_base(workspace,
                           &(struct rky_base){.known = true, .exists = true, .etag = "\"1\""});
    rky_workspace_discard(workspace);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    rky_workspace_discard(workspace);
    place_close_it(workspace);
    workspace = place_locked(path);
    ck_assert_ptr_null(rky_workspace_ledger(workspace));
    ck_assert(!rky_workspace_base(workspace)->known);
    place_close_it(workspace);
}
END_TEST

/* --- what the remote held ------------------------------------------------------------------------
 */

START_TEST(test_what_the_remote_held_is_remembered_beside_the_copy)
{
    struct rky_workspace *workspace = place_with_copy(NULL, "one");
    rky_workspace_set_base(workspace, &place_base);
    place_close_it(workspace);
    workspace = place_locked(NULL);
    const struct rky_base *found = rky_workspace_base(workspace);
    ck_assert(found->known && found->exists);
    ck_assert_str_eq(found->etag, place_base.etag);
    ck_assert_str_eq(found->write_id, place_base.write_id);
    ck_assert_int_eq(found->generation, 7);
    ck_assert_int_eq(found->fence, 3);
    rky_workspace_set_base(workspace, &(struct rky_base){.known = true});
    place_close_it(workspace);
    workspace = place_locked(NULL);
    ck_assert(!rky_workspace_base(workspace)->known);
    place_close_it(workspace);
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
    place_close_it(place_with_copy(NULL, "one"));
    place_put_file(place_in_copies("1795262400000000.db.base"), garbage[_i]);
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert(!rky_workspace_base(workspace)->known);
    ck_assert(!rky_workspace_base(workspace)->exists);
    ck_assert(place_holds(workspace, "one"));
    place_close_it(workspace);
}
END_TEST

START_TEST(test_a_file_too_long_for_it_is_not_read)
{
    char *text = rky_malloc(10001);
    place_close_it(place_with_copy(NULL, "one"));
    memset(text, ' ', 10000);
    text[10000] = '\0';
    place_put_file(place_in_copies("1795262400000000.db.base"), text);
    rky_free(text);
    struct rky_workspace *workspace = place_locked(NULL);
    ck_assert(!rky_workspace_base(workspace)->known);
    place_close_it(workspace);
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
}

static Suite *suite(void)
{
    Suite *suite = suite_create("workspace");
    TCase *tests = tcase_create("workspace");
    tcase_add_checked_fixture(tests, place_setup, place_teardown);
    add_copies(tests);
    tcase_add_test(tests, test_what_the_remote_held_is_remembered_beside_the_copy);
    tcase_add_loop_test(tests, test_garbage_in_its_place_is_no_knowledge, 0, 10);
    tcase_add_test(tests, test_a_file_too_long_for_it_is_not_read);
    place_add_faults(tests);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
