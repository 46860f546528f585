/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guarded write ends when its answer does not settle it: the state is gone, the refusal says
 * nothing about our bytes, the store is gone for good, or there is no time or budget to look.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/guarded_kit.h"

/* --- deleted ----------------------------------------------------------------------------------
 */

START_TEST(replacing_what_is_gone_is_not_found_and_not_tried_again)
{
    guarded.head = guarded_version(2, NULL);
    guarded_expect_failed(guarded_put_with("\"gone\"", RKY_IF_ETAG), RKY_ERR_NOT_FOUND,
                          RKY_GUARD_ERROR, false);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "deleted");
    guarded_expect_calls(1, 0);
}
END_TEST

static void delete_meanwhile(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op == RKY_MEMORY_HEAD && number == 1) {
        struct rky_transfer direct = guarded_new_transfer();
        ck_assert_int_eq(
            guarded.store->ops->remove(guarded.store, &guarded_name, NULL, &direct, NULL), 0);
    }
}

START_TEST(what_is_gone_after_a_lost_request_is_not_found_either)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, guarded_reset);
    rky_remote_memory_on_call(guarded.driver, delete_meanwhile, NULL);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_NOT_FOUND,
                          RKY_GUARD_ERROR, false);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "deleted");
    guarded_expect_calls(1, 1);
}
END_TEST

/* --- refusals that settle nothing -------------------------------------------------------------
 */

START_TEST(two_requests_that_met_are_tried_again_after_looking)
{
    const struct rky_attempt met = {.error_class = "conflict", .retry = RKY_RETRY_YES};
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONFLICT, met);
    ck_assert_int_eq(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), 0);
    guarded_expect_committed(false);
    guarded_expect_calls(2, 1);
    ck_assert_int_eq(guarded.transfer.retries, 1);
}
END_TEST

START_TEST(a_store_that_refuses_its_own_version_for_ever_is_no_conflict)
{
    const struct rky_attempt refused = {.error_class = "conflict"};
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONFLICT, refused);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_UNAVAILABLE,
                          RKY_GUARD_EXHAUSTED, false);
    guarded_expect_calls(4, 4);
}
END_TEST

START_TEST(a_read_back_that_fails_is_made_again_before_anything_is_sent)
{
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    guarded_fault(RKY_MEMORY_HEAD, 1, 2, false, RKY_ERR_UNAVAILABLE, guarded_server_error);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 3);
    ck_assert_int_eq(guarded.transfer.retries, 3);
}
END_TEST

START_TEST(a_read_back_after_a_refusal_that_fails_is_made_again_first)
{
    rky_remote_memory_on_call(guarded.driver, guarded_apply_first, NULL);
    guarded_fault(RKY_MEMORY_HEAD, 1, 1, false, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 2);
}
END_TEST

/* --- ends -------------------------------------------------------------------------------------
 */

START_TEST(a_store_that_is_gone_for_good_leaves_the_fate_unknown)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_OPS, 1, -1, true, RKY_ERR_CONNECTION, guarded_reset);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_CONNECTION,
                          RKY_GUARD_EXHAUSTED, true);
    /* It had landed: the copy that stays pending under its write id is recognised next time. */
    ck_assert_str_eq(guarded_stored().head.write_id, guarded.head.write_id);
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_PUT), 1);
}
END_TEST

START_TEST(a_write_that_never_left_is_known_not_to_be_there)
{
    struct rky_attempt refused = guarded_reset;
    refused.error_class = "connect";
    refused.unapplied = true;
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, refused);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_CONNECTION,
                          RKY_GUARD_EXHAUSTED, false);
    guarded_expect_calls(4, 0);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "connect");
}
END_TEST

START_TEST(when_retries_run_out_one_last_look_finds_a_write_that_landed)
{
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    guarded.transfer.budget = &budget;
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 1);
    ck_assert_int_eq(guarded.transfer.retries, 0);

    guarded_teardown();
    guarded_setup();
    guarded.config.max_retries = 0;
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_UNAVAILABLE, guarded_server_error);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
}
END_TEST

START_TEST(a_last_look_that_finds_the_base_leaves_the_failure_as_it_was)
{
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    guarded.transfer.budget = &budget;
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_UNAVAILABLE, guarded_server_error);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_UNAVAILABLE,
                          RKY_GUARD_BUDGET, false);
    guarded_expect_calls(1, 1);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "server_error");
    ck_assert_ptr_nonnull(strstr(guarded.err.message, "max_retries_per_run"));
}
END_TEST

START_TEST(a_request_without_an_answer_may_still_land_although_the_base_is_there)
{
    guarded.config.max_retries = 0;
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_TIMEOUT, guarded_reset);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_TIMEOUT,
                          RKY_GUARD_EXHAUSTED, true);
    guarded_expect_calls(1, 1);
}
END_TEST

START_TEST(a_last_look_that_finds_a_foreign_winner_is_a_conflict)
{
    guarded.config.max_retries = 0;
    guarded_stand_on_base(guarded.base_etag);
    guarded.other = guarded_version(2, NULL);
    guarded_fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, guarded_reset);
    rky_remote_memory_on_call(guarded.driver, guarded_overtake, NULL);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_CONFLICT,
                          RKY_GUARD_ERROR, false);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "conflict");
}
END_TEST

START_TEST(an_opened_breaker_lets_nobody_look)
{
    rky_breaker_free(guarded.leg.breaker);
    guarded.leg.breaker = rky_breaker_new(1, 30000, &guarded.clock.base);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    guarded_expect_failed(guarded_create(), RKY_ERR_CONNECTION, RKY_GUARD_OPEN, true);
    guarded_expect_calls(1, 0);

    guarded.transfer = guarded_new_transfer();
    guarded.err = (struct rky_error){0};
    guarded_expect_failed(guarded_create(), RKY_ERR_STATE_SYNC, RKY_GUARD_OPEN, false);
    guarded_expect_calls(1, 0);
}
END_TEST

static void time_runs_out(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    (void)number;
    if (op == RKY_MEMORY_PUT)
        rky_fake_clock_advance_ms(&guarded.clock, TRANSFER_MS);
}

START_TEST(the_wall_clock_leaves_no_time_to_look)
{
    rky_remote_memory_on_call(guarded.driver, time_runs_out, NULL);
    guarded_expect_failed(guarded_create(), RKY_ERR_TIMEOUT, RKY_GUARD_TIMEOUT, true);
    guarded_expect_calls(1, 0);
}
END_TEST

START_TEST(a_permanent_refusal_is_definite)
{
    guarded_fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_AUTH,
                  (struct rky_attempt){.error_class = "permission"});
    guarded_expect_failed(guarded_create(), RKY_ERR_AUTH, RKY_GUARD_ERROR, false);
    guarded_expect_calls(1, 0);
}
END_TEST

START_TEST(a_permanent_refusal_after_a_lost_request_leaves_that_one_unknown)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_TIMEOUT, guarded_reset);
    guarded_fault(RKY_MEMORY_PUT, 2, -1, false, RKY_ERR_AUTH,
                  (struct rky_attempt){.error_class = "permission"});
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_AUTH,
                          RKY_GUARD_ERROR, true);
    guarded_expect_calls(2, 1);
}
END_TEST

void guarded_add_ends(TCase *tcase)
{
    tcase_add_test(tcase, replacing_what_is_gone_is_not_found_and_not_tried_again);
    tcase_add_test(tcase, what_is_gone_after_a_lost_request_is_not_found_either);
    tcase_add_test(tcase, two_requests_that_met_are_tried_again_after_looking);
    tcase_add_test(tcase, a_store_that_refuses_its_own_version_for_ever_is_no_conflict);
    tcase_add_test(tcase, a_read_back_that_fails_is_made_again_before_anything_is_sent);
    tcase_add_test(tcase, a_read_back_after_a_refusal_that_fails_is_made_again_first);
    tcase_add_test(tcase, a_store_that_is_gone_for_good_leaves_the_fate_unknown);
    tcase_add_test(tcase, a_write_that_never_left_is_known_not_to_be_there);
    tcase_add_test(tcase, when_retries_run_out_one_last_look_finds_a_write_that_landed);
    tcase_add_test(tcase, a_last_look_that_finds_the_base_leaves_the_failure_as_it_was);
    tcase_add_test(tcase, a_request_without_an_answer_may_still_land_although_the_base_is_there);
    tcase_add_test(tcase, a_last_look_that_finds_a_foreign_winner_is_a_conflict);
    tcase_add_test(tcase, an_opened_breaker_lets_nobody_look);
    tcase_add_test(tcase, the_wall_clock_leaves_no_time_to_look);
    tcase_add_test(tcase, a_permanent_refusal_is_definite);
    tcase_add_test(tcase, a_permanent_refusal_after_a_lost_request_leaves_that_one_unknown);
}
