/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker under a fake clock, and under threads that race for its one probe.
 */
#include "config.h"

#include <pthread.h>

#include "common/breaker.h"
#include "tests/kit/check_main.h"

#define THRESHOLD 3
#define RECOVERY_MS 30000
#define PROBE_MS 5000
#define RACERS 16

static struct rky_fake_clock clock_;
static struct rky_breaker *breaker;

static void make(int64_t threshold, int64_t recovery_ms)
{
    rky_fake_clock_init(&clock_, INT64_C(1795255200000000));
    breaker = rky_breaker_new(threshold, recovery_ms, &clock_.base);
    ck_assert_ptr_nonnull(breaker);
}

static void setup(void)
{
    make(THRESHOLD, RECOVERY_MS);
}

static void teardown(void)
{
    rky_breaker_free(breaker);
    breaker = NULL;
}

static rky_breaker_permit admitted(void)
{
    rky_breaker_permit permit = rky_breaker_admit(breaker, PROBE_MS);
    ck_assert_uint_ne(permit, 0);
    return permit;
}

static void refused(void)
{
    ck_assert_uint_eq(rky_breaker_admit(breaker, PROBE_MS), 0);
}

static void attempt(enum rky_breaker_verdict verdict)
{
    rky_breaker_report(breaker, admitted(), verdict);
}

static void expect(enum rky_breaker_state state)
{
    ck_assert_int_eq(rky_breaker_state(breaker), state);
}

static void open_it(void)
{
    for (int i = 0; i < THRESHOLD; i++)
        attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_OPEN);
}

START_TEST(it_opens_at_the_threshold_and_not_before)
{
    for (int i = 0; i < THRESHOLD - 1; i++) {
        attempt(RKY_VERDICT_FAILURE);
        expect(RKY_BREAKER_CLOSED);
    }
    attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_OPEN);
    refused();
}
END_TEST

START_TEST(a_success_forgets_the_failures_before_it)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < THRESHOLD - 1; i++)
            attempt(RKY_VERDICT_FAILURE);
        attempt(RKY_VERDICT_SUCCESS);
    }
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_neutral_verdict_neither_counts_nor_forgets)
{
    for (int i = 0; i < THRESHOLD - 1; i++) {
        attempt(RKY_VERDICT_FAILURE);
        attempt(RKY_VERDICT_NEUTRAL);
    }
    expect(RKY_BREAKER_CLOSED);
    attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_OPEN);
}
END_TEST

START_TEST(after_the_recovery_time_exactly_one_probe_passes)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS - 1);
    refused();
    expect(RKY_BREAKER_OPEN);
    rky_fake_clock_advance_ms(&clock_, 1);
    rky_breaker_permit probe = admitted();
    expect(RKY_BREAKER_HALF_OPEN);
    refused();
    refused();
    rky_breaker_report(breaker, probe, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_CLOSED);
    (void)admitted();
}
END_TEST

START_TEST(who_is_refused_is_told_when_to_come_again)
{
    ck_assert_int_eq(rky_breaker_wait_ms(breaker), 0);
    open_it();
    ck_assert_int_eq(rky_breaker_wait_ms(breaker), RECOVERY_MS);
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS - 1);
    ck_assert_int_eq(rky_breaker_wait_ms(breaker), 1);
    rky_fake_clock_advance_ms(&clock_, 1);
    ck_assert_int_eq(rky_breaker_wait_ms(breaker), 0);
    (void)admitted();
    ck_assert_int_eq(rky_breaker_wait_ms(breaker), 0);
}
END_TEST

START_TEST(a_probe_that_fails_opens_it_for_the_whole_time_again)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_OPEN);
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS - 1);
    refused();
    rky_fake_clock_advance_ms(&clock_, 1);
    attempt(RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(after_it_closed_it_counts_from_zero)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    attempt(RKY_VERDICT_SUCCESS);
    for (int i = 0; i < THRESHOLD - 1; i++)
        attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_probe_that_finds_nothing_out_leaves_its_place_to_the_next)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    attempt(RKY_VERDICT_NEUTRAL);
    expect(RKY_BREAKER_HALF_OPEN);
    rky_breaker_permit probe = admitted();
    refused();
    rky_breaker_report(breaker, probe, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_probe_that_never_comes_back_loses_its_permit)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    rky_breaker_permit lost = admitted();
    rky_fake_clock_advance_ms(&clock_, PROBE_MS - 1);
    refused();
    rky_fake_clock_advance_ms(&clock_, 1);

    /* Its verdict says nothing any more, whether or not somebody took its place. */
    rky_breaker_report(breaker, lost, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_HALF_OPEN);
    rky_breaker_permit probe = admitted();
    ck_assert_uint_ne(probe, lost);
    rky_breaker_report(breaker, lost, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_HALF_OPEN);
    refused();
    rky_breaker_report(breaker, probe, RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_OPEN);
}
END_TEST

START_TEST(a_probe_without_a_deadline_does_not_overflow)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    rky_breaker_permit probe = rky_breaker_admit(breaker, INT64_MAX);
    ck_assert_uint_ne(probe, 0);
    refused();
    rky_breaker_report(breaker, probe, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(verdicts_from_before_it_opened_are_ignored)
{
    rky_breaker_permit slow = admitted();
    open_it();
    rky_breaker_report(breaker, slow, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_OPEN);
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    attempt(RKY_VERDICT_SUCCESS);
    for (int i = 0; i < THRESHOLD; i++)
        rky_breaker_report(breaker, slow, RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_second_verdict_on_one_probe_is_ignored)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    rky_breaker_permit probe = admitted();
    rky_breaker_report(breaker, probe, RKY_VERDICT_NEUTRAL);
    rky_breaker_report(breaker, probe, RKY_VERDICT_SUCCESS);
    expect(RKY_BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(a_threshold_of_zero_never_opens)
{
    teardown();
    make(0, RECOVERY_MS);
    for (int i = 0; i < 1000; i++)
        attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_recovery_time_of_zero_stays_open_until_reset_by_hand)
{
    teardown();
    make(THRESHOLD, 0);
    open_it();
    rky_fake_clock_advance_ms(&clock_, INT64_C(365) * 86400 * 1000);
    refused();
    ck_assert(rky_breaker_wait_ms(breaker) == INT64_MAX);
    expect(RKY_BREAKER_OPEN);
    rky_breaker_reset(breaker);
    ck_assert_int_eq(rky_breaker_wait_ms(breaker), 0);
    expect(RKY_BREAKER_CLOSED);
    attempt(RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_reset_makes_a_probe_under_way_an_ordinary_attempt_of_the_past)
{
    open_it();
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    rky_breaker_permit probe = admitted();
    rky_breaker_reset(breaker);
    rky_breaker_report(breaker, probe, RKY_VERDICT_FAILURE);
    expect(RKY_BREAKER_CLOSED);
}
END_TEST

START_TEST(states_have_the_names_that_events_use)
{
    ck_assert_str_eq(rky_breaker_state_name(RKY_BREAKER_CLOSED), "closed");
    ck_assert_str_eq(rky_breaker_state_name(RKY_BREAKER_OPEN), "open");
    ck_assert_str_eq(rky_breaker_state_name(RKY_BREAKER_HALF_OPEN), "half-open");
}
END_TEST

struct racer {
    pthread_barrier_t *start;
    rky_breaker_permit permit;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    (void)pthread_barrier_wait(racer->start);
    racer->permit = rky_breaker_admit(breaker, PROBE_MS);
    return NULL;
}

/* @return how many of the racers got a permit. @p ret_permit one of them. */
static int run_race(rky_breaker_permit *ret_permit)
{
    pthread_barrier_t start;
    pthread_t threads[RACERS];
    struct racer racers[RACERS];
    int winners = 0;
    ck_assert_int_eq(pthread_barrier_init(&start, NULL, RACERS), 0);
    for (size_t i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.start = &start};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        if (racers[i].permit != 0) {
            winners++;
            *ret_permit = racers[i].permit;
        }
    }
    (void)pthread_barrier_destroy(&start);
    return winners;
}

START_TEST(of_sixteen_threads_exactly_one_is_the_probe)
{
    rky_breaker_permit probe = 0;
    open_it();
    ck_assert_int_eq(run_race(&probe), 0);
    for (int round = 0; round < 20; round++) {
        rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
        ck_assert_int_eq(run_race(&probe), 1);
        rky_breaker_report(breaker, probe, RKY_VERDICT_FAILURE);
        expect(RKY_BREAKER_OPEN);
    }
    rky_fake_clock_advance_ms(&clock_, RECOVERY_MS);
    ck_assert_int_eq(run_race(&probe), 1);
    rky_fake_clock_advance_ms(&clock_, PROBE_MS);
    ck_assert_int_eq(run_race(&probe), 1);
    rky_breaker_report(breaker, probe, RKY_VERDICT_SUCCESS);
    ck_assert_int_eq(run_race(&probe), RACERS);
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        it_opens_at_the_threshold_and_not_before,
        a_success_forgets_the_failures_before_it,
        a_neutral_verdict_neither_counts_nor_forgets,
        after_the_recovery_time_exactly_one_probe_passes,
        who_is_refused_is_told_when_to_come_again,
        a_probe_that_fails_opens_it_for_the_whole_time_again,
        after_it_closed_it_counts_from_zero,
        a_probe_that_finds_nothing_out_leaves_its_place_to_the_next,
        a_probe_that_never_comes_back_loses_its_permit,
        a_probe_without_a_deadline_does_not_overflow,
        verdicts_from_before_it_opened_are_ignored,
        a_second_verdict_on_one_probe_is_ignored,
        a_threshold_of_zero_never_opens,
        a_recovery_time_of_zero_stays_open_until_reset_by_hand,
        a_reset_makes_a_probe_under_way_an_ordinary_attempt_of_the_past,
        states_have_the_names_that_events_use,
        of_sixteen_threads_exactly_one_is_the_probe,
    };
    TCase *tcase = tcase_create("breaker");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    Suite *suite = suite_create("breaker");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
