/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's rules under a fake clock: what an attempt's verdict leads to, what is slept before
 * the next, and what is reported. What ends the attempts from outside is in guard_limits.c.
 */
#include "config.h"

#include <string.h>

#include "tests/kit/check_main.h"
#include "tests/unit/guard_kit.h"

/* --- backoff ----------------------------------------------------------------------------------
 */

START_TEST(backoff_doubles_up_to_the_maximum)
{
    const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    for (int64_t i = 0; i < 8; i++)
        ck_assert_int_eq(rky_backoff_ms(&guard.config, i, 0, 0.0), expected[i]);
    ck_assert_int_eq(rky_backoff_ms(&guard.config, INT64_MAX, 0, 0.999), 30000);
}
END_TEST

START_TEST(jitter_stays_between_half_and_all_of_it)
{
    guard.config.jitter = true;
    for (int64_t i = 0; i < 8; i++) {
        guard.config.jitter = false;
        int64_t all = rky_backoff_ms(&guard.config, i, 0, 0.0);
        guard.config.jitter = true;
        ck_assert_int_eq(rky_backoff_ms(&guard.config, i, 0, 0.0), all / 2);
        ck_assert_int_eq(rky_backoff_ms(&guard.config, i, 0, 0.5), all * 3 / 4);
        int64_t longest = rky_backoff_ms(&guard.config, i, 0, 0.9999999);
        ck_assert_int_le(longest, all);
        ck_assert_int_ge(longest, all - 1);
    }
}
END_TEST

START_TEST(what_the_server_asks_for_is_the_least_that_is_slept)
{
    ck_assert_int_eq(rky_backoff_ms(&guard.config, 0, 700, 0.0), 1000);
    ck_assert_int_eq(rky_backoff_ms(&guard.config, 0, 1500, 0.0), 1500);
    ck_assert_int_eq(rky_backoff_ms(&guard.config, 9, 45000, 0.0), 45000);
}
END_TEST

START_TEST(odd_settings_of_the_backoff_are_no_trouble)
{
    guard.config.backoff_multiplier = 1.0;
    ck_assert_int_eq(rky_backoff_ms(&guard.config, INT64_MAX, 0, 0.0), 1000);
    guard.config.initial_backoff_ms = 0;
    guard.config.backoff_multiplier = 2.0;
    ck_assert_int_eq(rky_backoff_ms(&guard.config, INT64_MAX, 0, 0.0), 0);
    guard.config.initial_backoff_ms = 50000;
    ck_assert_int_eq(rky_backoff_ms(&guard.config, 0, 0, 0.0), 30000);
}
END_TEST

/* --- ends -------------------------------------------------------------------------------------
 */

START_TEST(a_success_needs_one_attempt_and_no_sleep)
{
    guard.script.takes_ms = 12;
    ck_assert_int_eq(guard_run(), 0);
    guard_expect_end(RKY_GUARD_OK, 1, 0);
    ck_assert_uint_eq(guard.sleep_count, 0);
    ck_assert_int_eq(guard.err.code, 0);
    ck_assert_int_eq(guard.transfer.legs[0].duration_ms, 12);
    ck_assert_ptr_null(guard.transfer.attempt.error_class);
}
END_TEST

START_TEST(a_transient_fault_is_tried_again_after_exact_sleeps)
{
    const int64_t expected[] = {1000, 2000};
    guard_always(guard_transient);
    guard.script.success_at = 3;
    ck_assert_int_eq(guard_run(), 0);
    guard_expect_end(RKY_GUARD_OK, 3, 2);
    guard_expect_sleeps(expected, 2);
    ck_assert_int_eq(guard.err.code, 0);
    ck_assert_ptr_null(guard.transfer.attempt.error_class);
    ck_assert_int_eq(guard.transfer.legs[0].duration_ms, 3000);
}
END_TEST

START_TEST(sleeps_with_jitter_keep_their_bounds)
{
    guard.config.jitter = true;
    guard.config.max_retries = 6;
    guard_always(guard_transient);
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    const int64_t all[] = {1000, 2000, 4000, 8000, 16000, 30000};
    ck_assert_uint_eq(guard.sleep_count, 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_ge(guard.sleeps[i], all[i] / 2);
        ck_assert_int_le(guard.sleeps[i], all[i]);
    }
}
END_TEST

START_TEST(max_retries_ends_as_transient_exhausted_with_the_last_error)
{
    const int64_t expected[] = {1000, 2000, 4000};
    guard_always(guard_transient);
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_EXHAUSTED, 4, 3);
    guard_expect_sleeps(expected, 3);
    ck_assert_int_eq(guard.err.code, RKY_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(guard.err.message, "attempt 4 failed"));
    ck_assert_ptr_nonnull(strstr(guard.err.message, "max_retries used up after 4 attempts"));
    ck_assert_str_eq(guard.transfer.attempt.error_class, "server_error");
}
END_TEST

START_TEST(no_retries_means_one_attempt)
{
    guard_always(guard_transient);
    guard.transfer.no_retries = true;
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_EXHAUSTED, 1, 0);
    /* No limit that the user has set ended it. */
    ck_assert_ptr_null(strstr(guard.err.message, "used up"));

    guard_setup();
    guard_always(guard_transient);
    ck_assert_int_eq(
        rky_guard_run(&guard.leg, &guard.transfer, 1, guard_play, &guard.script, &guard.err),
        RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_EXHAUSTED, 2, 1);

    guard_setup();
    guard_always(guard_transient);
    guard.config.max_retries = 0;
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_EXHAUSTED, 1, 0);
}
END_TEST

START_TEST(a_permanent_fault_ends_at_once)
{
    guard_always((struct rky_attempt){.error_class = "permission", .retry = RKY_RETRY_NO});
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_ERROR, 1, 0);
    ck_assert_str_eq(guard.err.message, "attempt 1 failed");
    ck_assert_str_eq(guard.transfer.attempt.error_class, "permission");
}
END_TEST

START_TEST(a_failure_that_nobody_classified_is_permanent_and_not_counted)
{
    guard_new_breaker(1, 30000);
    guard_always(guard_transient);
    guard.script.add_nothing = true;
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_ERROR, 1, 0);
    ck_assert_int_eq(rky_breaker_state(guard.breaker), RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(once_is_tried_again_once)
{
    guard_always((struct rky_attempt){.error_class = "checksum", .retry = RKY_RETRY_ONCE});
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_EXHAUSTED, 2, 1);
    const int64_t expected[] = {1000};
    guard_expect_sleeps(expected, 1);
}
END_TEST

START_TEST(free_is_tried_again_at_once_and_for_nothing_but_only_once)
{
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    guard.transfer.budget = &budget;
    guard_always((struct rky_attempt){.error_class = "expired_token", .retry = RKY_RETRY_FREE});
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_ERROR, 2, 0);
    ck_assert_uint_eq(guard.sleep_count, 0);

    guard_setup();
    guard_always((struct rky_attempt){.error_class = "expired_token", .retry = RKY_RETRY_FREE});
    guard.script.success_at = 2;
    guard.transfer.no_retries = true;
    ck_assert_int_eq(guard_run(), 0);
    guard_expect_end(RKY_GUARD_OK, 2, 0);
}
END_TEST

START_TEST(a_free_retry_does_not_use_up_the_others)
{
    guard.script = (struct script){
        .attempts = {{.error_class = "expired_token", .retry = RKY_RETRY_FREE}, guard_transient},
        .count = 2};
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    guard_expect_end(RKY_GUARD_EXHAUSTED, 5, 3);
    const int64_t expected[] = {1000, 2000, 4000};
    guard_expect_sleeps(expected, 3);
}
END_TEST

START_TEST(retry_after_is_slept)
{
    struct rky_attempt throttled = guard_transient;
    throttled.retry_after_ms = 5500;
    guard.script = (struct script){.attempts = {throttled, guard_transient}, .count = 2};
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    const int64_t expected[] = {5500, 2000, 4000};
    guard_expect_sleeps(expected, 3);
}
END_TEST

/* --- the report -------------------------------------------------------------------------------
 */

START_TEST(each_leg_has_one_row_over_all_its_calls)
{
    struct rky_leg other = {.name = "valkey", .retry = &guard.config, .breaker = guard.breaker};
    guard.script.takes_ms = 5;
    ck_assert_int_eq(guard_run(), 0);
    ck_assert_int_eq(
        rky_guard_run(&other, &guard.transfer, -1, guard_play, &guard.script, &guard.err), 0);
    guard_always(guard_transient);
    ck_assert_int_eq(guard_run(), RKY_ERR_UNAVAILABLE);
    rky_transfer_add_bytes(&guard.transfer, "s3", 10);
    rky_transfer_add_bytes(&guard.transfer, "s3", 5);

    ck_assert_uint_eq(guard.transfer.leg_count, 2);
    ck_assert_str_eq(guard.transfer.legs[0].leg, "s3");
    ck_assert_int_eq(guard.transfer.legs[0].attempts, 5);
    ck_assert_int_eq(guard.transfer.legs[0].bytes, 15);
    ck_assert_int_eq(guard.transfer.legs[0].duration_ms, 5 + 4 * 5 + 7000);
    ck_assert(guard.transfer.legs[0].failed);
    ck_assert_str_eq(guard.transfer.legs[1].leg, "valkey");
    ck_assert_int_eq(guard.transfer.legs[1].attempts, 1);
    ck_assert(!guard.transfer.legs[1].failed);
    ck_assert_int_eq(guard.transfer.retries, 3);
}
END_TEST

START_TEST(ends_have_the_names_that_events_use)
{
    const char *const names[] = {
        "ok",           "timeout", "transient_exhausted", "budget_exhausted",
        "circuit_open", "error",   "interrupted"};
    for (int i = 0; i < 7; i++)
        ck_assert_str_eq(rky_guard_end_name((enum rky_guard_end)i), names[i]);
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        backoff_doubles_up_to_the_maximum,
        jitter_stays_between_half_and_all_of_it,
        what_the_server_asks_for_is_the_least_that_is_slept,
        odd_settings_of_the_backoff_are_no_trouble,
        a_success_needs_one_attempt_and_no_sleep,
        a_transient_fault_is_tried_again_after_exact_sleeps,
        sleeps_with_jitter_keep_their_bounds,
        max_retries_ends_as_transient_exhausted_with_the_last_error,
        no_retries_means_one_attempt,
        a_permanent_fault_ends_at_once,
        a_failure_that_nobody_classified_is_permanent_and_not_counted,
        once_is_tried_again_once,
        free_is_tried_again_at_once_and_for_nothing_but_only_once,
        a_free_retry_does_not_use_up_the_others,
        retry_after_is_slept,
        each_leg_has_one_row_over_all_its_calls,
        ends_have_the_names_that_events_use,
    };
    TCase *tcase = tcase_create("guard");
    tcase_add_checked_fixture(tcase, guard_setup, guard_teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    guard_add_limits(tcase);
    Suite *suite = suite_create("guard");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
