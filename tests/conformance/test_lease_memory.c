/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease suite over memory, and what the leases of a process make of a driver's answers: under a
 * fake clock, with a driver that answers as the test says.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/ids.h"
#include "tests/conformance/lease_suite.h"
#include "tests/kit/check_main.h"

#define NOW_US INT64_C(1795255200000000)
#define TTL_MS 30000
/* 30 s less 1 % less 50 ms */
#define GOOD_FOR_MS 29650

static struct rky_fake_clock fake;

static struct rky_lease_driver *open_memory(void)
{
    struct rky_lease_driver *driver = NULL;
    struct rky_error err = {0};
    rky_fake_clock_init(&fake, NOW_US);
    ck_assert_int_eq(rky_lease_memory_new(&fake.base, &driver, &err), 0);
    return driver;
}

static void close_memory(struct rky_lease_driver *driver)
{
    driver->ops->free(driver);
}

static void pass(int64_t ms)
{
    rky_fake_clock_advance_ms(&fake, ms);
}

static const struct rky_lease_fixture memory = {
    .name = "leases: memory", .open = open_memory, .close = close_memory, .pass = pass};

/* --- a driver that answers as it is told
 * ---------------------------------------------------------- */

struct scripted {
    struct rky_lease_driver base;
    struct rky_lease_driver *inner;
    _Atomic int renew_answer, other_answer; /* 0 = what the inner driver says */
    atomic_int renewals, takes, releases;
};

static int refuse(int code, struct rky_transfer *transfer, struct rky_error *err)
{
    transfer->attempt =
        (struct rky_attempt){.error_class = "reset", .retry = RKY_RETRY_YES, .counts = true};
    return rky_fail(err, code, "the server does not answer");
}

static int scripted_take(struct rky_lease_driver *base, const char *namespace_,
                         struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms,
                         struct rky_transfer *transfer, struct rky_lease_holder *ret_other,
                         struct rky_error *err)
{
    struct scripted *scripted = (struct scripted *)base;
    (void)atomic_fetch_add(&scripted->takes, 1);
    int answer = atomic_load(&scripted->other_answer);
    if (answer != 0)
        return refuse(answer, transfer, err);
    return scripted->inner->ops->take(scripted->inner, namespace_, holder, floor, ttl_ms, transfer,
                                      ret_other, err);
}

static int scripted_renew(struct rky_lease_driver *base, const char *namespace_,
                          const struct rky_lease_holder *holder, int64_t ttl_ms,
                          struct rky_transfer *transfer, struct rky_error *err)
{
    struct scripted *scripted = (struct scripted *)base;
    int answer = atomic_load(&scripted->renew_answer);
    int rc = answer != 0 ? refuse(answer, transfer, err)
                         : scripted->inner->ops->renew(scripted->inner, namespace_, holder, ttl_ms,
                                                       transfer, err);
    (void)atomic_fetch_add(&scripted->renewals, 1);
    return rc;
}

static int scripted_raise(struct rky_lease_driver *base, const char *namespace_,
                          const struct rky_lease_holder *holder, int64_t token,
                          struct rky_transfer *transfer, struct rky_error *err)
{
    struct scripted *scripted = (struct scripted *)base;
    int answer = atomic_load(&scripted->other_answer);
    return answer != 0 ? refuse(answer, transfer, err)
                       : scripted->inner->ops->raise(scripted->inner, namespace_, holder, token,
                                                     transfer, err);
}

static int scripted_release(struct rky_lease_driver *base, const char *namespace_,
                            const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                            struct rky_error *err)
{
    struct scripted *scripted = (struct scripted *)base;
    (void)atomic_fetch_add(&scripted->releases, 1);
    int answer = atomic_load(&scripted->other_answer);
    return answer != 0
               ? refuse(answer, transfer, err)
               : scripted->inner->ops->release(scripted->inner, namespace_, holder, transfer, err);
}

static void scripted_free(struct rky_lease_driver *base)
{
    close_memory(((struct scripted *)base)->inner);
}

static const struct rky_lease_ops scripted_ops = {
    .name = "scripted",
    .take = scripted_take,
    .renew = scripted_renew,
    .raise = scripted_raise,
    .release = scripted_release,
    .free = scripted_free,
};

/* --- leases over it
 * ------------------------------------------------------------------------------- */

static struct scripted script;
static struct rky_retry_config retry;
static struct rky_leg leg;
static struct rky_leases *leases;
static struct rky_error err;

static void set_up(void)
{
    memset(&script, 0, sizeof(script));
    script.base.ops = &scripted_ops;
    script.inner = open_memory();
    retry = (struct rky_retry_config){.max_retries = 2,
                                      .initial_backoff_ms = 100,
                                      .max_backoff_ms = 1000,
                                      .backoff_multiplier = 2};
    leg = (struct rky_leg){
        .name = "valkey", .retry = &retry, .breaker = rky_breaker_new(5, 30000, &fake.base)};
    const struct rky_leases_options options = {.driver = &script.base,
                                               .leg = &leg,
                                               .ttl_ms = TTL_MS,
                                               .worker_id = "worker-1",
                                               .clock = &fake.base};
    ck_assert_int_eq(rky_leases_new(&options, &leases, &err), 0);
}

static void tear_down(void)
{
    rky_leases_free(leases);
    rky_breaker_free(leg.breaker);
}

static void advance(void *context, int64_t ms)
{
    (void)context;
    pass(ms);
}

static struct rky_transfer transfer_in(int64_t ms)
{
    return (struct rky_transfer){
        .clock = &fake.base, .deadline = rky_deadline_in(&fake.base, ms), .wait = advance};
}

static struct rky_lease *take_lease(int64_t floor)
{
    struct rky_transfer transfer = transfer_in(60000);
    struct rky_lease *lease = NULL;
    int rc = rky_lease_take(leases, "shop", "", floor, 0, &transfer, &lease, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return lease;
}

/* The renewer has seen the moved clock and asked. */
static void await_renewals(int wanted)
{
    for (int i = 0; atomic_load(&script.renewals) < wanted; i++) {
        ck_assert_int_lt(i, 2000);
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static void await_state(struct rky_lease *lease, enum rky_lease_state wanted)
{
    for (int i = 0; rky_lease_state(lease) != wanted; i++) {
        ck_assert_int_lt(i, 2000);
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

START_TEST(a_taken_lease_is_held_with_a_token_above_the_floor)
{
    struct rky_lease *lease = take_lease(12);
    ck_assert_int_eq(rky_lease_token(lease), 13);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_HELD);
    rky_lease_release(lease);
    ck_assert_int_eq(atomic_load(&script.releases), 1);
    lease = take_lease(0);
    ck_assert_int_eq(rky_lease_token(lease), 14);
    rky_lease_release(lease);
}
END_TEST

START_TEST(a_lease_is_renewed_at_a_third_of_its_time_to_live)
{
    struct rky_lease *lease = take_lease(0);
    pass(TTL_MS / 3 - 1);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_HELD);
    pass(1);
    await_renewals(1);
    /* Each renewal is good for as long as a take. */
    for (int i = 2; i < 8; i++) {
        pass(TTL_MS / 3);
        await_renewals(i);
        await_state(lease, RKY_LEASE_HELD);
    }
    rky_lease_release(lease);
}
END_TEST

START_TEST(a_server_that_does_not_answer_makes_a_lease_unsure_at_its_deadline_never_lost)
{
    struct rky_lease *lease = take_lease(0);
    atomic_store(&script.renew_answer, RKY_ERR_CONNECTION);
    pass(GOOD_FOR_MS - 1);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_HELD);
    pass(1);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_UNSURE);
    int before = atomic_load(&script.renewals);
    pass(3600000);
    await_renewals(before + 1);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_UNSURE);
    rky_lease_release(lease);
}
END_TEST

START_TEST(after_a_failure_the_server_is_asked_each_second)
{
    struct rky_lease *lease = take_lease(0);
    atomic_store(&script.renew_answer, RKY_ERR_TIMEOUT);
    pass(TTL_MS / 3);
    await_renewals(1);
    for (int i = 2; i < 7; i++) {
        pass(999);
        ck_assert_int_lt(atomic_load(&script.renewals), i);
        pass(1);
        await_renewals(i);
    }
    atomic_store(&script.renew_answer, 0);
    pass(1000);
    await_renewals(7);
    pass(GOOD_FOR_MS / 2);
    await_state(lease, RKY_LEASE_HELD);
    rky_lease_release(lease);
}
END_TEST

START_TEST(a_definite_no_is_lost_for_good_and_not_asked_again)
{
    struct rky_lease *lease = take_lease(0);
    atomic_store(&script.renew_answer, RKY_ERR_FENCED);
    pass(TTL_MS / 3);
    await_state(lease, RKY_LEASE_LOST);
    int before = atomic_load(&script.renewals);
    atomic_store(&script.renew_answer, 0);
    pass(TTL_MS);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_LOST);
    ck_assert_int_eq(atomic_load(&script.renewals), before);
    rky_lease_release(lease);
    ck_assert_int_eq(atomic_load(&script.releases), 0);
}
END_TEST

START_TEST(a_lease_that_ran_out_and_is_asked_for_again_is_lost)
{
    struct rky_lease *lease = take_lease(0);
    /* Suspended for ten minutes: nobody has it any more. */
    pass(600000);
    ck_assert_int_ne(rky_lease_state(lease), RKY_LEASE_HELD);
    await_state(lease, RKY_LEASE_LOST);
    rky_lease_release(lease);
}
END_TEST

START_TEST(raising_asks_the_server_and_gives_out_the_greater_token)
{
    struct rky_lease *lease = take_lease(0);
    struct rky_transfer transfer = transfer_in(60000);
    ck_assert_int_eq(rky_lease_raise(lease, 50, &transfer, &err), 0);
    ck_assert_int_eq(rky_lease_token(lease), 50);
    ck_assert_int_eq(rky_lease_raise(lease, 20, &transfer, &err), 0);
    ck_assert_int_eq(rky_lease_token(lease), 50);
    rky_lease_release(lease);
    lease = take_lease(0);
    ck_assert_int_eq(rky_lease_token(lease), 51);
    rky_lease_release(lease);
}
END_TEST

START_TEST(raising_what_is_somebody_else_s_is_fenced_and_lost)
{
    struct rky_lease *lease = take_lease(0);
    struct rky_transfer transfer = transfer_in(60000);
    struct rky_lease_holder thief = rky_lease_test_holder("thief"), other;
    atomic_store(&script.renew_answer, RKY_ERR_CONNECTION);
    pass(TTL_MS);
    ck_assert_int_eq(
        script.inner->ops->take(script.inner, "shop", &thief, 0, TTL_MS, &transfer, &other, &err),
        0);
    ck_assert_int_eq(rky_lease_raise(lease, 50, &transfer, &err), RKY_ERR_FENCED);
    ck_assert_int_eq(err.code, RKY_ERR_FENCED);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_LOST);
    ck_assert_int_eq(transfer.end, RKY_GUARD_OK);
    rky_lease_release(lease);
}
END_TEST

START_TEST(raising_without_an_answer_is_not_a_loss)
{
    struct rky_lease *lease = take_lease(0);
    struct rky_transfer transfer = transfer_in(60000);
    atomic_store(&script.other_answer, RKY_ERR_TIMEOUT);
    ck_assert_int_eq(rky_lease_raise(lease, 50, &transfer, &err), RKY_ERR_TIMEOUT);
    ck_assert_int_eq(transfer.retries, 2);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_HELD);
    ck_assert_int_eq(rky_lease_token(lease), 1);
    rky_lease_release(lease);
}
END_TEST

START_TEST(taking_what_another_has_waits_as_long_as_asked_and_names_it)
{
    struct rky_transfer transfer = transfer_in(600000);
    struct rky_lease_holder holder = rky_lease_test_holder("worker-7"), other;
    struct rky_lease *lease = NULL;
    ck_assert_int_eq(
        script.inner->ops->take(script.inner, "shop", &holder, 0, 3600000, &transfer, &other, &err),
        0);
    int64_t began = fake.base.mono_ms(&fake.base);
    ck_assert_int_eq(rky_lease_take(leases, "shop", "", 0, 10000, &transfer, &lease, &err),
                     RKY_ERR_LOCKED);
    ck_assert_ptr_null(lease);
    ck_assert_int_eq(fake.base.mono_ms(&fake.base) - began, 10000);
    ck_assert_msg(strstr(err.message, "worker-7") != NULL, "%s", err.message);
    ck_assert_msg(strstr(err.message, holder.run_id) != NULL, "%s", err.message);
    /* Looked at least each second, and not more than twice a second. */
    ck_assert_int_ge(atomic_load(&script.takes), 11);
    ck_assert_int_le(atomic_load(&script.takes), 22);
    ck_assert_int_eq(transfer.retries, 0);
}
END_TEST

START_TEST(taking_what_another_has_without_waiting_is_one_try)
{
    struct rky_transfer transfer = transfer_in(600000);
    struct rky_lease *first = take_lease(0), *second = NULL;
    int before = atomic_load(&script.takes);
    ck_assert_int_eq(rky_lease_take(leases, "shop", "", 0, 0, &transfer, &second, &err),
                     RKY_ERR_LOCKED);
    ck_assert_int_eq(atomic_load(&script.takes), before + 1);
    rky_lease_release(first);
}
END_TEST

START_TEST(taking_ends_when_the_holder_runs_out)
{
    struct rky_transfer transfer = transfer_in(600000);
    struct rky_lease_holder holder = rky_lease_test_holder("gone"), other;
    struct rky_lease *lease = NULL;
    ck_assert_int_eq(
        script.inner->ops->take(script.inner, "shop", &holder, 0, 4000, &transfer, &other, &err),
        0);
    int64_t began = fake.base.mono_ms(&fake.base);
    ck_assert_int_eq(rky_lease_take(leases, "shop", "", 0, 60000, &transfer, &lease, &err), 0);
    ck_assert_int_ge(fake.base.mono_ms(&fake.base) - began, 4000);
    ck_assert_int_le(fake.base.mono_ms(&fake.base) - began, 4050);
    ck_assert_int_eq(rky_lease_token(lease), 2);
    rky_lease_release(lease);
}
END_TEST

START_TEST(who_is_asked_to_stop_stops_waiting)
{
    atomic_bool stop = true;
    struct rky_lease *first = take_lease(0), *second = NULL;
    struct rky_transfer transfer = transfer_in(600000);
    transfer.stop = &stop;
    ck_assert_int_eq(rky_lease_take(leases, "shop", "", 0, 10000, &transfer, &second, &err),
                     RKY_ERR_INTERRUPTED);
    rky_lease_release(first);
}
END_TEST

START_TEST(a_server_that_does_not_answer_is_tried_as_the_guard_says)
{
    struct rky_transfer transfer = transfer_in(600000);
    struct rky_lease *lease = NULL;
    atomic_store(&script.other_answer, RKY_ERR_CONNECTION);
    ck_assert_int_eq(rky_lease_take(leases, "shop", "", 0, 10000, &transfer, &lease, &err),
                     RKY_ERR_CONNECTION);
    ck_assert_int_eq(atomic_load(&script.takes), 3);
    ck_assert_int_eq(transfer.end, RKY_GUARD_EXHAUSTED);
    ck_assert_str_eq(transfer.attempt.error_class, "reset");
}
END_TEST

START_TEST(an_open_breaker_sends_nothing_but_renewals)
{
    struct rky_lease *lease = take_lease(0), *second = NULL;
    atomic_store(&script.other_answer, RKY_ERR_CONNECTION);
    for (int i = 0; i < 2; i++) {
        struct rky_transfer transfer = transfer_in(600000);
        rky_error_clear(&err);
        ck_assert_int_eq(rky_lease_take(leases, "other", "", 0, 0, &transfer, &second, &err),
                         RKY_ERR_CONNECTION);
    }
    ck_assert_int_eq(rky_breaker_state(leg.breaker), RKY_BREAKER_OPEN);
    int before = atomic_load(&script.takes);
    struct rky_transfer transfer = transfer_in(600000);
    ck_assert_int_ne(rky_lease_take(leases, "other", "", 0, 0, &transfer, &second, &err), 0);
    ck_assert_int_eq(transfer.end, RKY_GUARD_OPEN);
    ck_assert_int_eq(atomic_load(&script.takes), before);
    /* A lease that is held is worth a question a second. */
    pass(TTL_MS / 3);
    await_renewals(1);
    await_state(lease, RKY_LEASE_HELD);
    rky_lease_release(lease);
    ck_assert_int_eq(atomic_load(&script.releases), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = rky_lease_suite(&memory);
    TCase *tcase = tcase_create("process");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_taken_lease_is_held_with_a_token_above_the_floor);
    tcase_add_test(tcase, a_lease_is_renewed_at_a_third_of_its_time_to_live);
    tcase_add_test(tcase,
                   a_server_that_does_not_answer_makes_a_lease_unsure_at_its_deadline_never_lost);
    tcase_add_test(tcase, after_a_failure_the_server_is_asked_each_second);
    tcase_add_test(tcase, a_definite_no_is_lost_for_good_and_not_asked_again);
    tcase_add_test(tcase, a_lease_that_ran_out_and_is_asked_for_again_is_lost);
    tcase_add_test(tcase, raising_asks_the_server_and_gives_out_the_greater_token);
    tcase_add_test(tcase, raising_what_is_somebody_else_s_is_fenced_and_lost);
    tcase_add_test(tcase, raising_without_an_answer_is_not_a_loss);
    tcase_add_test(tcase, taking_what_another_has_waits_as_long_as_asked_and_names_it);
    tcase_add_test(tcase, taking_what_another_has_without_waiting_is_one_try);
    tcase_add_test(tcase, taking_ends_when_the_holder_runs_out);
    tcase_add_test(tcase, who_is_asked_to_stop_stops_waiting);
    tcase_add_test(tcase, a_server_that_does_not_answer_is_tried_as_the_guard_says);
    tcase_add_test(tcase, an_open_breaker_sends_nothing_but_renewals);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
