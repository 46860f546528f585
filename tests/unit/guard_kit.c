/* SPDX-License-Identifier: Apache-2.0 */
/* A guarded call that follows a script; see guard_kit.h. */
#include "config.h"

#include "tests/unit/guard_kit.h"

#include <stdatomic.h>

struct guard_kit guard;

#define NOW_US INT64_C(1795255200000000)

const struct rky_attempt guard_transient = {
    .error_class = "server_error", .retry = RKY_RETRY_YES, .counts = true};

void guard_advance(void *context, int64_t ms)
{
    (void)context;
    ck_assert_uint_lt(guard.sleep_count, SLEEPS_MAX);
    guard.sleeps[guard.sleep_count++] = ms;
    rky_fake_clock_advance_ms(&guard.clock, ms);
}

void guard_new_transfer(int64_t timeout_ms)
{
    guard.transfer = (struct rky_transfer){
        .clock = &guard.clock.base,
        .deadline = rky_deadline_in(&guard.clock.base, timeout_ms),
        .wait = guard_advance,
    };
}

void guard_new_breaker(int64_t threshold, int64_t recovery_ms)
{
    rky_breaker_free(guard.breaker);
    guard.breaker = rky_breaker_new(threshold, recovery_ms, &guard.clock.base);
    ck_assert_ptr_nonnull(guard.breaker);
    guard.leg.breaker = guard.breaker;
}

void guard_setup(void)
{
    rky_fake_clock_init(&guard.clock, NOW_US);
    guard.config = (struct rky_retry_config){.max_retries = 3,
                                             .initial_backoff_ms = 1000,
                                             .max_backoff_ms = 30000,
                                             .backoff_multiplier = 2.0,
                                             .max_retries_per_run = -1};
    guard.leg = (struct rky_leg){.name = "s3", .retry = &guard.config};
    guard_new_breaker(100, 30000);
    guard_new_transfer(TRANSFER_MS);
    guard.script = (struct script){0};
    guard.err = (struct rky_error){0};
    guard.sleep_count = 0;
}

void guard_teardown(void)
{
    rky_breaker_free(guard.breaker);
    guard.breaker = NULL;
}

int guard_play(void *context, int64_t number, struct rky_transfer *during,
               struct rky_attempt *ret_attempt, struct rky_error *failure)
{
    struct script *with = context;
    ck_assert_ptr_eq(during, &guard.transfer);
    with->made++;
    with->last_number = number;
    rky_fake_clock_advance_ms(&guard.clock, with->takes_ms);
    if (with->stop_after != NULL)
        atomic_store(with->stop_after, true);
    if (with->count == 0 || (size_t)number == with->success_at)
        return 0;
    size_t at = (size_t)number <= with->count ? (size_t)number - 1 : with->count - 1;
    if (!with->add_nothing)
        *ret_attempt = with->attempts[at];
    return rky_fail(failure, RKY_ERR_UNAVAILABLE, "attempt %d failed", (int)number);
}

int guard_run(void)
{
    return rky_guard_run(&guard.leg, &guard.transfer, -1, guard_play, &guard.script, &guard.err);
}

void guard_always(struct rky_attempt attempt)
{
    guard.script.attempts[0] = attempt;
    guard.script.count = 1;
}

void guard_expect_end(enum rky_guard_end end, int64_t attempts, int64_t retries)
{
    ck_assert_str_eq(rky_guard_end_name(guard.transfer.end), rky_guard_end_name(end));
    ck_assert_int_eq(guard.script.made, attempts);
    ck_assert_int_eq(guard.transfer.retries, retries);
    ck_assert_uint_eq(guard.transfer.leg_count, 1);
    ck_assert_int_eq(guard.transfer.legs[0].attempts, attempts);
    ck_assert_int_eq(guard.transfer.legs[0].end, end);
    ck_assert(guard.transfer.legs[0].failed == (end != RKY_GUARD_OK));
}

void guard_expect_sleeps(const int64_t *expected, size_t count)
{
    ck_assert_uint_eq(guard.sleep_count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(guard.sleeps[i], expected[i]);
}
