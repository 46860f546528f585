/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a download makes of a copy: every relation between it and the remote, with one tier and with
 * two. What it refuses, and what it does when it fails, is in sync_refusals.c.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/check_main.h"
#include "tests/unit/sync_pair.h"

static void forget_base(const struct kit_machine *machine)
{
    char command[8500];
    (void)snprintf(command, sizeof(command), "rm -f '%s'/acme.copies/*.base", machine->directory);
    ck_assert_int_eq(system(command), 0);
}

/* --- relations -----------------------------------------------------------------------------------
 */

START_TEST(test_an_empty_remote_is_a_first_run)
{
    kit_begin_job(&pair.a, "job-1");
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.a, RKY_OUTCOME_ABSENT, RKY_OUTCOME_NONE);
    ck_assert_int_eq(report->bytes, 0);
    ck_assert_uint_eq(report->leg_count, 1);
    ck_assert_str_eq(report->legs[0].leg, "s3");
    ck_assert_int_eq(report->legs[0].attempts, 1);
    ck_assert(rky_sync_is_confirmed(pair.a.sync));
    ck_assert_int_eq(kit_meta(&pair.a).generation, 0);
    ck_assert_int_eq(rky_sync_token(pair.a.sync), 1);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), 1);
    ck_assert_int_eq(kit_write(&pair.a, "run-1", "job-1", "w.s.t", "1", 1), 1);
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_chain_length(), 1);
    ck_assert_int_eq(kit_chain_at(0)->generation, 1);
    ck_assert_int_eq(kit_chain_at(0)->fence, 1);
}
END_TEST

START_TEST(test_a_copy_in_sync_is_confirmed_without_its_body)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    int64_t calls = kit_calls(&pair.a, RKY_MEMORY_OPS);
    kit_lock_job(&pair.a, "two");
    ck_assert(rky_sync_is_warm(pair.a.sync));
    assert_ok(rky_sync_download(pair.a.sync, assert_err_));
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(report->unchanged);
    ck_assert_int_eq(report->bytes, 0);
    ck_assert_int_eq(report->generation, 1);
    ck_assert_int_eq(report->fence, 1);
    ck_assert_str_eq(report->write_id, kit_chain_at(0)->write_id);
    ck_assert(rky_sync_is_confirmed(pair.a.sync));
    ck_assert_int_eq(rky_sync_token(pair.a.sync), 2);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), calls + 1);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_the_same_holds_for_the_next_process_on_the_machine)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_machine_restart(&pair.a);
    kit_begin_job(&pair.a, "two");
    ck_assert(pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->unchanged);
    kit_end_job(&pair.a);
    /* What the remote last held is only a hint: without it the body comes again. */
    forget_base(&pair.a);
    kit_machine_restart(&pair.a);
    kit_begin_job(&pair.a, "two");
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(!report->unchanged);
    ck_assert_int_gt(report->bytes, 0);
    ck_assert(kit_has_run(&pair.a, "one"));
    ck_assert_uint_eq(kit_files(pair_copies_of(&pair.a), ".db"), 1);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_copy_behind_is_replaced_whole)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_whole_job(&pair.b, "two", "w.s.t", "2");
    kit_begin_job(&pair.a, "three");
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(!report->unchanged);
    ck_assert_int_eq(report->generation, 2);
    ck_assert_int_eq(report->fence, 2);
    ck_assert_int_gt(report->bytes, 0);
    ck_assert_int_gt(report->raw_bytes, report->bytes);
    ck_assert_str_eq(report->sha256, kit_chain_at(1)->raw_sha256);
    ck_assert(kit_has_run(&pair.a, "one") && kit_has_run(&pair.a, "two"));
    kit_expect_watermark(&pair.a, "w.s.t", "2");
    ck_assert_str_eq(kit_meta(&pair.a).write_id, kit_chain_at(1)->write_id);
    ck_assert_uint_eq(kit_files(pair_copies_of(&pair.a), ".db"), 1);
    ck_assert_int_eq(rky_sync_token(pair.a.sync), 3);
    kit_end_job(&pair.a);
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_pending_copy_goes_on_and_is_the_next_generation)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    pair_pending_job(&pair.a, "two", "w.s.t", "2");
    ck_assert_uint_eq(kit_chain_length(), 1);
    kit_begin_job(&pair.a, "three");
    ck_assert(pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->unchanged);
    char pending[RKY_UUID_TEXT];
    memcpy(pending, kit_meta(&pair.a).write_id, sizeof(pending));
    kit_expect_watermark(&pair.a, "w.s.t", "2");
    (void)kit_write(&pair.a, "three", "three", "w.s.t", "3", rky_sync_token(pair.a.sync));
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_chain_length(), 2);
    kit_expect_chain();
    ck_assert(rky_snapshot_derives(kit_chain_at(1), pending));
    kit_begin_job(&pair.b, "look");
    ck_assert(kit_has_run(&pair.b, "one") && kit_has_run(&pair.b, "two") &&
              kit_has_run(&pair.b, "three"));
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_a_pending_copy_whose_base_was_forgotten_is_renumbered_at_the_download)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    pair_pending_job(&pair.a, "two", "w.s.t", "2");
    pair_pending_job(&pair.a, "three", "w.s.t", "3");
    forget_base(&pair.a);
    kit_machine_restart(&pair.a);
    kit_lock_job(&pair.a, "four");
    char pending[RKY_UUID_TEXT];
    memcpy(pending, kit_meta(&pair.a).write_id, sizeof(pending));
    ck_assert(!rky_sync_is_warm(pair.a.sync));
    assert_ok(rky_sync_download(pair.a.sync, assert_err_));
    /* The report tells of what came, not of what was made of it. */
    ck_assert_int_eq(pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->generation, 1);
    struct rky_ledger_meta meta = kit_meta(&pair.a);
    ck_assert_int_eq(meta.generation, 1);
    ck_assert_str_ne(meta.write_id, pending);
    ck_assert_str_eq(meta.ancestors[0], kit_chain_at(0)->write_id);
    ck_assert_str_eq(meta.ancestors[1], pending);
    kit_expect_watermark(&pair.a, "w.s.t", "3");
    /* Even a fence that only the copy knows is not used again. */
    ck_assert_int_gt(rky_sync_token(pair.a.sync), meta.fence);
    (void)kit_write(&pair.a, "four", "four", NULL, NULL, rky_sync_token(pair.a.sync));
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_chain_length(), 2);
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_forked_copy_is_merged_and_nothing_of_either_side_is_lost)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_begin_job(&pair.b, "look");
    kit_end_job(&pair.b);
    pair_pending_job(&pair.a, "mine", "w.s.mine", "10");
    kit_whole_job(&pair.b, "theirs", "w.s.theirs", "20");
    char pending[RKY_UUID_TEXT];
    kit_lock_job(&pair.a, "four");
    memcpy(pending, kit_meta(&pair.a).write_id, sizeof(pending));
    assert_ok(rky_sync_download(pair.a.sync, assert_err_));
    (void)pair_downloaded(&pair.a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&pair.a, "one") && kit_has_run(&pair.a, "mine") &&
              kit_has_run(&pair.a, "theirs"));
    ck_assert(kit_has_job(&pair.a, "mine") && kit_has_job(&pair.a, "theirs"));
    kit_expect_watermark(&pair.a, "w.s.mine", "10");
    kit_expect_watermark(&pair.a, "w.s.theirs", "20");
    struct rky_ledger_meta meta = kit_meta(&pair.a);
    ck_assert_int_eq(meta.generation, 2);
    ck_assert_str_eq(meta.ancestors[0], kit_chain_at(1)->write_id);
    ck_assert_str_eq(meta.ancestors[1], pending);
    ck_assert_uint_eq(kit_files(pair_copies_of(&pair.a), ".db"), 1);
    (void)kit_write(&pair.a, "four", "four", NULL, NULL, rky_sync_token(pair.a.sync));
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_chain_length(), 3);
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_copy_of_another_lineage_has_nothing_to_do_with_this_state)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    pair_pending_job(&pair.a, "two", "w.s.t", "2");
    kit_force(false, NULL, 0, NULL);
    kit_chain_forget();
    kit_whole_job(&pair.b, "other", "w.s.t", "7");
    kit_begin_job(&pair.a, "three");
    ck_assert_str_eq(kit_meta(&pair.a).lineage, kit_chain_at(0)->lineage);
    ck_assert(!kit_has_run(&pair.a, "one") && !kit_has_run(&pair.a, "two") &&
              kit_has_run(&pair.a, "other"));
    kit_expect_watermark(&pair.a, "w.s.t", "7");
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_wiped_remote_is_created_again_from_the_copy)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_whole_job(&pair.a, "two", "w.s.t", "2");
    kit_force(false, NULL, 0, NULL);
    kit_begin_job(&pair.a, "three");
    (void)pair_downloaded(&pair.a, RKY_OUTCOME_ABSENT, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&pair.a, "one"));
    (void)kit_write(&pair.a, "three", "three", "w.s.t", "3", rky_sync_token(pair.a.sync));
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_chain_length(), 3);
    kit_expect_chain();
}
END_TEST

/* --- two tiers -----------------------------------------------------------------------------------
 */

static const struct kit_machine_options tiered = {.tiered = true};

START_TEST(test_a_cached_copy_that_the_store_confirms_is_taken)
{
    pair_reopen_both(&tiered);
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_begin_job(&pair.b, "two");
    (void)pair_downloaded(&pair.b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&pair.b, "one"));
    ck_assert(rky_sync_is_confirmed(pair.b.sync));
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_GET), 0);
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_HEAD), 1);
    kit_end_job(&pair.b);
    /* Warm: one HEAD, and no body from either. */
    kit_begin_job(&pair.b, "three");
    ck_assert(pair_downloaded(&pair.b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->unchanged);
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_GET), 0);
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_HEAD), 2);
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_a_stale_cached_copy_is_replaced_by_the_stores)
{
    struct rky_remote_object old;
    pair_reopen_both(&tiered);
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_look(true, &old);
    kit_whole_job(&pair.a, "two", "w.s.t", "2");
    kit_force(true, old.body, old.length, old.etag);
    rky_remote_object_done(&old);
    kit_begin_job(&pair.b, "three");
    (void)pair_downloaded(&pair.b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&pair.b, "two"));
    ck_assert(rky_sync_is_confirmed(pair.b.sync));
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_GET), 1);
    kit_look(true, &old);
    ck_assert_mem_ne(old.etag, "\"1\"", 4);
    rky_remote_object_done(&old);
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_a_cached_copy_that_outlived_its_store_creates_it_again)
{
    pair_reopen_both(&tiered);
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_force(false, NULL, 0, NULL);
    for (int round = 0; round < 2; round++) {
        /* First a machine that has no copy of its own, then one that has. */
        struct kit_machine *machine = round == 0 ? &pair.b : &pair.a;
        int64_t puts = kit_calls(machine, RKY_MEMORY_PUT);
        kit_begin_job(machine, "two");
        (void)pair_downloaded(machine, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
        ck_assert(kit_has_run(machine, "one"));
        (void)kit_write(machine, round == 0 ? "two" : "three", "", "w.s.t", "2",
                        rky_sync_token(machine->sync));
        kit_upload(machine, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
        ck_assert_int_eq(kit_calls(machine, RKY_MEMORY_PUT), puts + 1);
        kit_end_job(machine);
        kit_expect_chain();
        if (round == 0)
            kit_whole_job(&pair.a, "between", "w.s.t", "2");
        kit_force(false, NULL, 0, NULL);
    }
}
END_TEST

START_TEST(test_a_cached_copy_serves_while_the_store_does_not_answer)
{
    pair_reopen_both(&tiered);
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_break(pair.b.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&pair.b, "two");
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    bool failed = false;
    for (size_t i = 0; i < report->leg_count; i++)
        failed = failed || (strcmp(report->legs[i].leg, "s3") == 0 && report->legs[i].failed);
    ck_assert(failed);
    ck_assert_ptr_null(report->error_class);
    ck_assert(!rky_sync_is_confirmed(pair.b.sync));
    ck_assert(kit_has_run(&pair.b, "one"));
    rky_remote_memory_mend(pair.b.durable);
    (void)kit_write(&pair.b, "two", "two", "w.s.t", "2", rky_sync_token(pair.b.sync));
    kit_upload(&pair.b, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.b);
    kit_expect_chain();
    ck_assert_uint_eq(kit_chain_length(), 2);
}
END_TEST

START_TEST(test_what_the_store_forbids_is_no_reason_to_trust_the_cache)
{
    pair_reopen_both(&tiered);
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_break(pair.b.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_AUTH, "permission");
    kit_lock_job(&pair.b, "two");
    (void)pair_download_fails(&pair.b, RKY_ERR_AUTH, RKY_OUTCOME_ERROR, "permission",
                              RKY_SEQUEL_FAIL);
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_a_forged_cache_entry_is_set_aside_and_the_store_asked)
{
    struct rky_remote_object object;
    pair_reopen_both(&tiered);
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_look(true, &object);
    object.body[object.length / 2] ^= 1;
    kit_force(true, object.body, object.length, object.etag);
    rky_remote_object_done(&object);
    kit_begin_job(&pair.b, "two");
    (void)pair_downloaded(&pair.b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(rky_sync_is_confirmed(pair.b.sync));
    ck_assert(kit_has_run(&pair.b, "one"));
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_GET), 1);
    ck_assert_uint_eq(kit_files(pair_refused_of(&pair.b), ".snap"), 1);
    kit_end_job(&pair.b);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("sync");
    TCase *tests = tcase_create("sync");
    tcase_add_checked_fixture(tests, pair_setup, pair_teardown);
    tcase_add_test(tests, test_an_empty_remote_is_a_first_run);
    tcase_add_test(tests, test_a_copy_in_sync_is_confirmed_without_its_body);
    tcase_add_test(tests, test_the_same_holds_for_the_next_process_on_the_machine);
    tcase_add_test(tests, test_a_copy_behind_is_replaced_whole);
    tcase_add_test(tests, test_a_pending_copy_goes_on_and_is_the_next_generation);
    tcase_add_test(tests,
                   test_a_pending_copy_whose_base_was_forgotten_is_renumbered_at_the_download);
    tcase_add_test(tests, test_a_forked_copy_is_merged_and_nothing_of_either_side_is_lost);
    tcase_add_test(tests, test_a_copy_of_another_lineage_has_nothing_to_do_with_this_state);
    tcase_add_test(tests, test_a_wiped_remote_is_created_again_from_the_copy);
    tcase_add_test(tests, test_a_cached_copy_that_the_store_confirms_is_taken);
    tcase_add_test(tests, test_a_stale_cached_copy_is_replaced_by_the_stores);
    tcase_add_test(tests, test_a_cached_copy_that_outlived_its_store_creates_it_again);
    tcase_add_test(tests, test_a_cached_copy_serves_while_the_store_does_not_answer);
    tcase_add_test(tests, test_what_the_store_forbids_is_no_reason_to_trust_the_cache);
    tcase_add_test(tests, test_a_forged_cache_entry_is_set_aside_and_the_store_asked);
    pair_add_refusals(tests);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
