/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit of a state: nothing to do, what policy makes of a failure, answers that get lost,
 * leases and the versions that are kept. Other writers are in sync_writers.c.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/kit/check_main.h"
#include "tests/unit/sync_pair.h"

/* --- nothing to do -------------------------------------------------------------------------------
 */

START_TEST(test_a_job_answered_from_a_warm_copy_makes_no_call_at_all)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    rky_sync_free(pair.a.sync);
    pair.a.sync = NULL;
    int64_t calls = kit_calls(&pair.a, RKY_MEMORY_OPS);
    assert_ok(rky_sync_new(&pair.a.options, &pair.a.sync, assert_err_));
    assert_ok(rky_sync_lock_here(pair.a.sync, assert_err_));
    ck_assert(rky_sync_is_warm(pair.a.sync));
    ck_assert(kit_has_job(&pair.a, "one"));
    assert_ok(rky_sync_upload(pair.a.sync, NULL, assert_err_));
    rky_sync_keep_version(pair.a.sync);
    ck_assert_ptr_null(rky_sync_report(pair.a.sync, RKY_TRANSFER_UPLOAD));
    ck_assert_ptr_null(rky_sync_report(pair.a.sync, RKY_TRANSFER_DOWNLOAD));
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), calls);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_command_that_wrote_nothing_puts_nothing)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_begin_job(&pair.a, "");
    int64_t calls = kit_calls(&pair.a, RKY_MEMORY_OPS);
    pair_upload_ok(NULL);
    ck_assert(pair_uploaded()->unchanged);
    ck_assert_int_eq(pair_uploaded()->bytes, 0);
    ck_assert_uint_eq(pair_uploaded()->leg_count, 0);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), calls);
    kit_end_job(&pair.a);
    pair_expect_runs(1, "one");
}
END_TEST

START_TEST(test_nor_does_one_that_could_not_read_the_remote_at_first)
{
    /* In sync, and then somebody built on it. */
    for (int behind = 0; behind < 2; behind++) {
        if (behind == 0)
            kit_whole_job(&pair.a, "one", "w.s.t", "1");
        else
            kit_whole_job(&pair.b, "two", "w.s.t", "2");
        int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
        kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, 1, false, RKY_ERR_CONNECTION, "refused");
        kit_begin_job(&pair.a, "");
        ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_FRESH);
        pair_upload_ok(NULL);
        ck_assert(pair_uploaded()->unchanged);
        ck_assert_int_eq(pair_uploaded()->generation, behind + 1);
        ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts);
        ck_assert(rky_sync_is_confirmed(pair.a.sync));
        rky_remote_memory_mend(pair.a.durable);
        kit_end_job(&pair.a);
    }
    pair_expect_runs(2, "one", "two");
}
END_TEST

/* --- policy --------------------------------------------------------------------------------------
 */

START_TEST(test_skip_keeps_the_copy_pending_and_says_why)
{
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_UNAVAILABLE, "throttled");
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
               RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_SKIP);
    ck_assert_str_eq(pair_uploaded()->error_class, "throttled");
    ck_assert_int_eq(pair_uploaded()->generation, 2);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    ck_assert_uint_eq(kit_chain_length(), 1);
    kit_whole_job(&pair.a, "three", "w.s.t", "3");
    pair_expect_runs(2, "first", "two", "three");
}
END_TEST

START_TEST(test_fail_fails_and_the_next_job_carries_it_on)
{
    pair.a.config.on_upload_failure = RKY_FAILURE_FAIL;
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    kit_upload(&pair.a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_TRANSIENT_EXHAUSTED,
               RKY_OUTCOME_NONE);
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_FAIL);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    kit_whole_job(&pair.a, "three", "w.s.t", "3");
    pair_expect_runs(2, "first", "two", "three");
}
END_TEST

START_TEST(test_skip_is_not_for_commands_and_what_they_wrote_is_discarded)
{
    pair.a.options.skippable = false;
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    kit_upload(&pair.a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_TRANSIENT_EXHAUSTED,
               RKY_OUTCOME_NONE);
    rky_sync_discard(pair.a.sync);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    kit_begin_job(&pair.a, "");
    ck_assert(kit_has_run(&pair.a, "first") && !kit_has_run(&pair.a, "two"));
    kit_end_job(&pair.a);
    pair_expect_runs(1, "first");
}
END_TEST

START_TEST(test_a_command_that_fails_leaves_pending_what_was_pending)
{
    for (int round = 0; round < 2; round++) {
        kit_whole_job(&pair.a, round == 0 ? "one" : "four", "w.s.t", round == 0 ? "1" : "4");
        pair_pending_job(&pair.a, round == 0 ? "two" : "five", "w.s.t", round == 0 ? "2" : "5");
        /* The second time nobody can tell what the remote holds. */
        kit_break(pair.a.durable, round == 0 ? RKY_MEMORY_PUT : RKY_MEMORY_OPS, 1, -1, false,
                  RKY_ERR_CONNECTION, "reset");
        pair.a.options.skippable = false;
        kit_begin_job(&pair.a, "");
        (void)kit_write(&pair.a, "three", "", "w.s.t", "3", 0);
        kit_upload(&pair.a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_TRANSIENT_EXHAUSTED,
                   RKY_OUTCOME_NONE);
        rky_sync_discard(pair.a.sync);
        kit_end_job(&pair.a);
        kit_machine_restart(&pair.a);
        rky_remote_memory_mend(pair.a.durable);
        pair.a.options.skippable = true;
        kit_begin_job(&pair.a, "");
        ck_assert(kit_has_run(&pair.a, round == 0 ? "two" : "five"));
        ck_assert(!kit_has_run(&pair.a, "three"));
        kit_expect_watermark(&pair.a, "w.s.t", round == 0 ? "2" : "5");
        kit_end_job(&pair.a);
    }
    kit_whole_job(&pair.a, "six", "w.s.t", "6");
    pair_expect_runs(3, "one", "two", "four", "five", "six");
}
END_TEST

START_TEST(test_what_is_of_another_state_is_forgotten_with_what_was_pending)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    pair_pending_job(&pair.a, "two", "w.s.t", "2");
    kit_begin_job(&pair.a, "");
    rky_sync_forget(pair.a.sync);
    ck_assert_ptr_null(rky_sync_ledger(pair.a.sync));
    kit_end_job(&pair.a);
    pair_expect_runs(1, "one");
}
END_TEST

START_TEST(test_a_missing_permission_is_not_skipped)
{
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_AUTH, "permission");
    kit_upload(&pair.a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_ERROR, RKY_OUTCOME_NONE);
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_FAIL);
    ck_assert_str_eq(pair_uploaded()->error_class, "permission");
    ck_assert_int_eq(pair_uploaded()->legs[0].attempts, 1);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_an_open_breaker_makes_no_call_and_is_skipped_as_such)
{
    kit_machine_close(&pair.a);
    kit_machine_open(&pair.a, "a", &(struct kit_machine_options){.max_retries = 0});
    pair.a.options.skippable = true;
    pair_job_in_hand("two");
    struct rky_store_leg legs[RKY_STORE_LEGS];
    ck_assert_uint_eq(rky_store_legs(pair.a.store, legs), 1);
    rky_breaker_free(legs[0].leg->breaker);
    legs[0].leg->breaker = rky_breaker_new(1, 0, rky_clock_real());
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
               RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_int_eq(pair_uploaded()->breaker, RKY_BREAKER_OPEN);
    kit_end_job(&pair.a);
    int64_t calls = kit_calls(&pair.a, RKY_MEMORY_OPS);
    kit_begin_job(&pair.a, "three");
    ck_assert_int_eq(rky_sync_report(pair.a.sync, RKY_TRANSFER_DOWNLOAD)->cause,
                     RKY_OUTCOME_CIRCUIT_OPEN);
    (void)kit_write(&pair.a, "three", "three", "w.s.t", "3", 3);
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE, RKY_OUTCOME_CIRCUIT_OPEN);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), calls);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    rky_store_reset_breakers(pair.a.store);
    kit_whole_job(&pair.a, "four", "w.s.t", "4");
    pair_expect_runs(2, "first", "two", "three", "four");
}
END_TEST

/* --- lost answers --------------------------------------------------------------------------------
 */

START_TEST(test_a_commit_whose_answer_was_lost_is_recovered_not_repeated)
{
    kit_machine_close(&pair.a);
    kit_machine_open(&pair.a, "a", &(struct kit_machine_options){.max_retries = 2});
    pair_job_in_hand("two");
    int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, "reset");
    pair_upload_ok(NULL);
    ck_assert(pair_uploaded()->recovered);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts + 1);
    kit_end_job(&pair.a);
    kit_begin_job(&pair.a, "three");
    ck_assert(rky_sync_report(pair.a.sync, RKY_TRANSFER_DOWNLOAD)->unchanged);
    kit_end_job(&pair.a);
    pair_expect_runs(2, "first", "two");
}
END_TEST

START_TEST(test_a_commit_nobody_can_tell_of_is_pending_and_recognised_when_it_did_land)
{
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, true, RKY_ERR_CONNECTION, "reset");
    kit_break(pair.a.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
               RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert(pair_uploaded()->commit_unknown);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    ck_assert_uint_eq(kit_chain_length(), 2);
    kit_whole_job(&pair.a, "three", "w.s.t", "3");
    pair_expect_runs(3, "first", "two", "three");
    ck_assert_str_eq(kit_chain_at(2)->ancestors[0], kit_chain_at(1)->write_id);
}
END_TEST

static struct rky_remote_object late;

static void land_late(void *context, enum rky_memory_op op, int64_t number)
{
    struct rky_snapshot_head head;
    (void)context, (void)number;
    if (op != RKY_MEMORY_PUT || late.body == NULL)
        return;
    /* As the server would have done it, metadata and all, on the version it was meant for. */
    assert_ok(rky_snapshot_peek(late.body, late.length, &head, assert_err_));
    kit_land(late.body, late.length, &head);
    rky_remote_object_done(&late);
    late = (struct rky_remote_object){0};
}

START_TEST(test_a_write_that_lands_while_the_next_job_commits_is_no_foreign_winner)
{
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, true, RKY_ERR_CONNECTION, "reset");
    kit_break(pair.a.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    struct rky_remote_object before;
    kit_look(false, &before);
    kit_upload(&pair.a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
               RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    /* It did not land yet. */
    kit_look(false, &late);
    kit_put_back(&before);
    kit_chain_forget();
    kit_begin_job(&pair.a, "three");
    ck_assert(rky_sync_report(pair.a.sync, RKY_TRANSFER_DOWNLOAD)->unchanged);
    (void)kit_write(&pair.a, "three", "three", "w.s.t", "3", rky_sync_token(pair.a.sync));
    rky_remote_memory_on_call(pair.a.durable, land_late, NULL);
    pair_upload_ok(NULL);
    kit_end_job(&pair.a);
    /* Noted: the late one and what was built on it. */
    pair_expect_runs(2, "first", "two", "three");
    rky_remote_object_done(&before);
}
END_TEST

/* --- leases --------------------------------------------------------------------------------------
 */

static void open_with_leases(int64_t ttl_seconds, enum rky_lock_mode mode)
{
    kit_machine_close(&pair.a);
    kit_machine_open(&pair.a, "a",
                     &(struct kit_machine_options){
                         .leases = true, .ttl_seconds = ttl_seconds, .lock_mode = mode});
    pair.a.options.skippable = true;
}

START_TEST(test_a_lease_lost_before_the_put_is_the_end_without_a_put)
{
    struct rky_lease_holder holder = {0};
    struct rky_transfer transfer = {.clock = rky_clock_real()};
    struct rky_error err = {0};
    open_with_leases(30, RKY_LOCK_PREFER);
    pair_job_in_hand("two");
    int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
    assert_ok(rky_sync_check(pair.a.sync, assert_err_));
    assert_ok(
        pair.a.leases->ops->inspect(pair.a.leases, KIT_NAMESPACE, &transfer, &holder, assert_err_));
    assert_ok(
        pair.a.leases->ops->break_(pair.a.leases, KIT_NAMESPACE, &holder, &transfer, assert_err_));
    ck_assert_int_eq(rky_sync_raise(pair.a.sync, 50, &err), RKY_ERR_FENCED);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_sync_check(pair.a.sync, &err), RKY_ERR_FENCED);
    kit_upload(&pair.a, NULL, RKY_ERR_FENCED, RKY_OUTCOME_CONFLICT, RKY_OUTCOME_NONE);
    ck_assert_str_eq(pair_uploaded()->error_class, "fenced");
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts);
    rky_sync_discard(pair.a.sync);
    kit_end_job(&pair.a);
    pair_expect_runs(1, "first");
}
END_TEST

START_TEST(test_a_lease_gives_tokens_above_everything_that_was_used)
{
    open_with_leases(30, RKY_LOCK_PREFER);
    kit_begin_job(&pair.a, "one");
    ck_assert_int_eq(rky_sync_token(pair.a.sync), 1);
    (void)kit_write(&pair.a, "one", "one", "w.s.t", "1", 70);
    pair_upload_ok(NULL);
    kit_end_job(&pair.a);
    /* The server forgot everything; the snapshot did not. */
    kit_machine_close(&pair.a);
    kit_machine_open(&pair.a, "fresh", &(struct kit_machine_options){.leases = true});
    kit_begin_job(&pair.a, "two");
    ck_assert_int_eq(rky_sync_token(pair.a.sync), 71);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_lease_that_somebody_holds_is_waited_for_and_then_named)
{
    struct rky_lease_holder holder = {.worker_id = "worker-9", .nonce = "n"}, seen = {0};
    struct rky_transfer transfer = {.clock = rky_clock_real()};
    struct rky_error err = {0};
    open_with_leases(30, RKY_LOCK_REQUIRE);
    assert_ok(pair.a.leases->ops->take(pair.a.leases, KIT_NAMESPACE, &holder, 0, 60000, &transfer,
                                       &seen, assert_err_));
    pair.a.options = (struct rky_sync_options){.store = pair.a.store,
                                               .workspace = pair.a.workspace,
                                               .worker_id = "worker-1",
                                               .run_id = "",
                                               .job_id = "",
                                               .clock = rky_clock_real()};
    assert_ok(rky_sync_new(&pair.a.options, &pair.a.sync, assert_err_));
    ck_assert_int_eq(rky_sync_lock(pair.a.sync, &err), RKY_ERR_LOCKED);
    ck_assert_ptr_nonnull(strstr(err.message, "worker-9"));
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_an_interrupted_upload_goes_back_to_the_queue)
{
    static _Atomic bool stop;
    kit_machine_close(&pair.a);
    kit_machine_open(&pair.a, "a", &(struct kit_machine_options){.max_retries = 3});
    pair.a.options.skippable = true;
    pair.a.options.stop = &stop;
    pair_job_in_hand("two");
    kit_break(pair.a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    atomic_store(&stop, true);
    struct rky_error err = {0};
    int rc = rky_sync_upload(pair.a.sync, NULL, &err);
    ck_assert_int_ne(rc, 0);
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_REQUEUE);
    kit_end_job(&pair.a);
    atomic_store(&stop, false);
    rky_remote_memory_mend(pair.a.durable);
    kit_whole_job(&pair.a, "three", "w.s.t", "3");
    pair_expect_runs(2, "first", "two", "three");
}
END_TEST

/* --- versions ------------------------------------------------------------------------------------
 */

START_TEST(test_versions_are_kept_and_pruned_by_number_and_age)
{
    pair.a.config.history_keep_last = 3;
    pair.a.config.history_keep_days = 7;
    for (int i = 1; i <= 33; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "job-%d", i);
        kit_begin_job(&pair.a, id);
        (void)kit_write(&pair.a, id, id, NULL, NULL, rky_sync_token(pair.a.sync));
        pair_upload_ok(NULL);
        if (i == 20) /* from now on everything is too old */
            pair.a.config.history_keep_days = -1;
        rky_sync_keep_version(pair.a.sync);
        rky_sync_keep_version(pair.a.sync); /* nothing is left to keep */
        kit_end_job(&pair.a);
        /* Looked at every sixteenth generation; never fewer than the newest three. */
        ck_assert_uint_eq(kit_versions(), (size_t)(i < 32 ? i : 3 + i - 32));
    }
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_version_that_cannot_be_kept_changes_nothing)
{
    kit_begin_job(&pair.a, "one");
    (void)kit_write(&pair.a, "one", "one", NULL, NULL, 1);
    pair_upload_ok(NULL);
    kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    int64_t calls = kit_calls(&pair.a, RKY_MEMORY_OPS);
    rky_sync_keep_version(pair.a.sync);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), calls + 1);
    ck_assert_int_eq(pair_uploaded()->outcome, RKY_OUTCOME_OK);
    kit_end_job(&pair.a);
    rky_remote_memory_mend(pair.a.durable);
    pair.a.config.history_keep_last = pair.a.config.history_keep_days = 0;
    kit_begin_job(&pair.a, "two");
    (void)kit_write(&pair.a, "two", "two", NULL, NULL, 2);
    pair_upload_ok(NULL);
    calls = kit_calls(&pair.a, RKY_MEMORY_OPS);
    rky_sync_keep_version(pair.a.sync);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), calls);
    kit_end_job(&pair.a);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, test_a_job_answered_from_a_warm_copy_makes_no_call_at_all);
    tcase_add_test(tests, test_a_command_that_wrote_nothing_puts_nothing);
    tcase_add_test(tests, test_nor_does_one_that_could_not_read_the_remote_at_first);
    tcase_add_test(tests, test_skip_keeps_the_copy_pending_and_says_why);
    tcase_add_test(tests, test_fail_fails_and_the_next_job_carries_it_on);
    tcase_add_test(tests, test_skip_is_not_for_commands_and_what_they_wrote_is_discarded);
    tcase_add_test(tests, test_a_command_that_fails_leaves_pending_what_was_pending);
    tcase_add_test(tests, test_what_is_of_another_state_is_forgotten_with_what_was_pending);
    tcase_add_test(tests, test_a_missing_permission_is_not_skipped);
    tcase_add_test(tests, test_an_open_breaker_makes_no_call_and_is_skipped_as_such);
    tcase_add_test(tests, test_a_commit_whose_answer_was_lost_is_recovered_not_repeated);
    tcase_add_test(tests,
                   test_a_commit_nobody_can_tell_of_is_pending_and_recognised_when_it_did_land);
    tcase_add_test(tests, test_a_write_that_lands_while_the_next_job_commits_is_no_foreign_winner);
    pair_add_writers(tests);
    tcase_add_test(tests, test_a_lease_lost_before_the_put_is_the_end_without_a_put);
    tcase_add_test(tests, test_a_lease_gives_tokens_above_everything_that_was_used);
    tcase_add_test(tests, test_a_lease_that_somebody_holds_is_waited_for_and_then_named);
    tcase_add_test(tests, test_an_interrupted_upload_goes_back_to_the_queue);
    tcase_add_test(tests, test_versions_are_kept_and_pruned_by_number_and_age);
    tcase_add_test(tests, test_a_version_that_cannot_be_kept_changes_nothing);
}

static Suite *suite(void)
{
    Suite *suite = suite_create("sync_upload");
    TCase *tests = tcase_create("sync_upload");
    tcase_add_checked_fixture(tests, pair_setup_skippable, pair_teardown);
    add_tests(tests);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
