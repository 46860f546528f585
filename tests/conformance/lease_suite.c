/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease conformance suite. Each test works in a namespace of its own, which nobody has held.
 */
#include "config.h"

#include "tests/conformance/lease_suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/ids.h"

enum { LONG_MS = 60000, SHORT_MS = 400, RACERS = 16, ROUNDS = 5 };

static const struct rky_lease_fixture *fixture;
static struct rky_lease_driver *driver;
static char ns[64];

static void set_up(void)
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    (void)snprintf(ns, sizeof(ns), "l-%s", id);
    driver = fixture->open();
    ck_assert_ptr_nonnull(driver);
}

static void tear_down(void)
{
    fixture->close(driver);
}

struct rky_lease_holder rky_lease_test_holder(const char *worker_id)
{
    struct rky_lease_holder holder = {0};
    (void)snprintf(holder.worker_id, sizeof(holder.worker_id), "%s", worker_id);
    rky_uuid_v4(holder.run_id);
    rky_uuid_v4(holder.nonce);
    return holder;
}

struct rky_transfer rky_lease_test_transfer(int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    return (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, ms)};
}

/* --- calls
 * ---------------------------------------------------------------------------------------- */

static int take(struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms,
                struct rky_lease_holder *ret_other)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    int rc = driver->ops->take(driver, ns, holder, floor, ttl_ms, &transfer, ret_other, &err);
    ck_assert_msg(rc == 0 || rc == RKY_ERR_LOCKED, "take: %s", err.message);
    ck_assert_int_eq(err.code, rc);
    ck_assert(!transfer.attempt.counts);
    return rc;
}

static void take_ok(struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms)
{
    struct rky_lease_holder other;
    ck_assert_int_eq(take(holder, floor, ttl_ms, &other), 0);
    ck_assert_int_gt(holder->token, floor);
}

static void take_refused(struct rky_lease_holder *holder)
{
    struct rky_lease_holder other;
    ck_assert_int_eq(take(holder, 0, LONG_MS, &other), RKY_ERR_LOCKED);
}

/* Somebody else's lease runs out. */
static void take_in_the_end(struct rky_lease_holder *holder)
{
    struct rky_lease_holder other;
    for (int64_t passed = 0; take(holder, 0, LONG_MS, &other) != 0; passed += 20) {
        ck_assert_int_lt(passed, 20 * SHORT_MS);
        fixture->pass(20);
    }
}

static int renew(const struct rky_lease_holder *holder, int64_t ttl_ms)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    int rc = driver->ops->renew(driver, ns, holder, ttl_ms, &transfer, &err);
    ck_assert_msg(rc == 0 || rc == RKY_ERR_FENCED, "renew: %s", err.message);
    ck_assert(!transfer.attempt.counts);
    return rc;
}

static int raise_token(const struct rky_lease_holder *holder, int64_t token)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    int rc = driver->ops->raise(driver, ns, holder, token, &transfer, &err);
    ck_assert_msg(rc == 0 || rc == RKY_ERR_FENCED, "raise: %s", err.message);
    return rc;
}

static int release(const struct rky_lease_holder *holder)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    int rc = driver->ops->release(driver, ns, holder, &transfer, &err);
    ck_assert_msg(rc == 0 || rc == RKY_ERR_FENCED, "release: %s", err.message);
    return rc;
}

static int break_it(const struct rky_lease_holder *holder)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    int rc = driver->ops->break_(driver, ns, holder, &transfer, &err);
    ck_assert_msg(rc == 0 || rc == RKY_ERR_FENCED, "break: %s", err.message);
    return rc;
}

static int inspect(struct rky_lease_holder *ret_holder)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    int rc = driver->ops->inspect(driver, ns, &transfer, ret_holder, &err);
    ck_assert_msg(rc == 0 || rc == RKY_ERR_NOT_FOUND, "inspect: %s", err.message);
    ck_assert_int_eq(err.code, 0);
    return rc;
}

static void expect_holder(const struct rky_lease_holder *found,
                          const struct rky_lease_holder *expected)
{
    ck_assert_str_eq(found->worker_id, expected->worker_id);
    ck_assert_str_eq(found->run_id, expected->run_id);
    ck_assert_str_eq(found->nonce, expected->nonce);
    ck_assert_int_eq(found->token, expected->token);
    ck_assert_int_gt(found->left_ms, 0);
    ck_assert_int_le(found->left_ms, LONG_MS);
}

/* --- one after the other
 * -------------------------------------------------------------------------- */

START_TEST(what_nobody_has_is_free)
{
    struct rky_lease_holder found;
    ck_assert_int_eq(inspect(&found), RKY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_free_lease_is_taken_and_shows_its_holder)
{
    struct rky_lease_holder holder = rky_lease_test_holder("host|1"), found;
    take_ok(&holder, 0, LONG_MS);
    ck_assert_int_eq(holder.token, 1);
    ck_assert_int_eq(inspect(&found), 0);
    expect_holder(&found, &holder);
}
END_TEST

START_TEST(a_held_lease_is_refused_and_names_its_holder)
{
    struct rky_lease_holder holder = rky_lease_test_holder("first"), other;
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 0, LONG_MS);
    ck_assert_int_eq(take(&second, 0, LONG_MS, &other), RKY_ERR_LOCKED);
    expect_holder(&other, &holder);
}
END_TEST

START_TEST(a_holder_without_a_run_is_shown_without_one)
{
    struct rky_lease_holder holder = rky_lease_test_holder("cli"), found;
    holder.run_id[0] = '\0';
    take_ok(&holder, 0, LONG_MS);
    ck_assert_int_eq(inspect(&found), 0);
    expect_holder(&found, &holder);
}
END_TEST

START_TEST(the_same_nonce_takes_again_with_the_same_token)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w"), again;
    take_ok(&holder, 6, LONG_MS);
    again = holder;
    again.token = 0;
    take_ok(&again, 6, LONG_MS);
    ck_assert_int_eq(again.token, holder.token);
}
END_TEST

START_TEST(a_token_is_above_all_tokens_and_the_floor)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w");
    const int64_t floors[] = {0, 41, 3, INT64_C(1) << 40, 0};
    const int64_t tokens[] = {1, 42, 43, (INT64_C(1) << 40) + 1, (INT64_C(1) << 40) + 2};
    for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
        rky_uuid_v4(holder.nonce);
        take_ok(&holder, floors[i], LONG_MS);
        ck_assert_int_eq(holder.token, tokens[i]);
        ck_assert_int_eq(release(&holder), 0);
    }
}
END_TEST

START_TEST(a_released_lease_is_free)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w"), found;
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 0, LONG_MS);
    ck_assert_int_eq(release(&holder), 0);
    ck_assert_int_eq(inspect(&found), RKY_ERR_NOT_FOUND);
    take_ok(&second, 0, LONG_MS);
    ck_assert_int_gt(second.token, holder.token);
    ck_assert_int_eq(release(&holder), RKY_ERR_FENCED);
    take_refused(&holder);
}
END_TEST

START_TEST(a_renewed_lease_outlives_its_time_to_live)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w");
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 0, SHORT_MS);
    for (int i = 0; i < 6; i++) {
        fixture->pass(SHORT_MS / 4);
        ck_assert_int_eq(renew(&holder, SHORT_MS), 0);
        take_refused(&second);
    }
}
END_TEST

START_TEST(what_ran_out_goes_to_the_next_with_a_greater_token)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w"), found;
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 0, SHORT_MS);
    take_in_the_end(&second);
    ck_assert_int_gt(second.token, holder.token);

    ck_assert_int_eq(renew(&holder, LONG_MS), RKY_ERR_FENCED);
    ck_assert_int_eq(raise_token(&holder, 1000), RKY_ERR_FENCED);
    ck_assert_int_eq(release(&holder), RKY_ERR_FENCED);
    ck_assert_int_eq(inspect(&found), 0);
    expect_holder(&found, &second);
}
END_TEST

START_TEST(a_raised_token_is_the_floor_of_all_later_ones)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w"), found;
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 0, LONG_MS);
    ck_assert_int_eq(raise_token(&holder, 70), 0);
    ck_assert_int_eq(inspect(&found), 0);
    ck_assert_int_eq(found.token, 70);
    /* The holder itself keeps the token it was given; renewing must not lower anything. */
    ck_assert_int_eq(renew(&holder, LONG_MS), 0);
    ck_assert_int_eq(inspect(&found), 0);
    ck_assert_int_eq(found.token, 70);
    ck_assert_int_eq(release(&holder), 0);
    take_ok(&second, 0, LONG_MS);
    ck_assert_int_eq(second.token, 71);
}
END_TEST

START_TEST(a_token_is_never_lowered)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w");
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 99, LONG_MS);
    ck_assert_int_eq(raise_token(&holder, 5), 0);
    ck_assert_int_eq(release(&holder), 0);
    take_ok(&second, 0, LONG_MS);
    ck_assert_int_eq(second.token, 101);
}
END_TEST

START_TEST(a_lease_is_broken_only_from_the_holder_that_was_seen)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w"), found;
    const struct rky_lease_holder gone = rky_lease_test_holder("gone");
    take_ok(&holder, 0, LONG_MS);
    ck_assert_int_eq(break_it(&gone), RKY_ERR_FENCED);
    ck_assert_int_eq(inspect(&found), 0);
    ck_assert_int_eq(break_it(&found), 0);
    ck_assert_int_eq(inspect(&found), RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(renew(&holder, LONG_MS), RKY_ERR_FENCED);
    ck_assert_int_eq(break_it(&gone), 0);

    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&second, 0, LONG_MS);
    ck_assert_int_eq(second.token, 2);
}
END_TEST

START_TEST(namespaces_have_leases_of_their_own)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w");
    struct rky_lease_holder second = rky_lease_test_holder("second");
    take_ok(&holder, 0, LONG_MS);
    ns[2] = ns[2] == 'x' ? 'y' : 'x';
    take_ok(&second, 0, LONG_MS);
    ck_assert_int_eq(second.token, 1);
}
END_TEST

START_TEST(a_store_that_forgot_everything_never_goes_below_the_floor)
{
    struct rky_lease_holder holder = rky_lease_test_holder("w");
    struct rky_lease_holder second = rky_lease_test_holder("second");
    if (fixture->forget == NULL)
        return;
    take_ok(&holder, 500, LONG_MS);
    fixture->forget();
    ck_assert_int_eq(renew(&holder, LONG_MS), RKY_ERR_FENCED);
    ck_assert_int_eq(raise_token(&holder, 600), RKY_ERR_FENCED);
    take_ok(&second, 501, LONG_MS);
    ck_assert_int_eq(second.token, 502);
}
END_TEST

/* --- all at once
 * ---------------------------------------------------------------------------------- */

struct racer {
    pthread_barrier_t *start;
    struct rky_lease_holder holder;
    int rc;
    struct rky_error err;
};

/* Threads record what happened; only the main thread asserts. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_lease_holder other;
    (void)pthread_barrier_wait(racer->start);
    racer->rc =
        driver->ops->take(driver, ns, &racer->holder, 0, LONG_MS, &transfer, &other, &racer->err);
    return NULL;
}

START_TEST(of_sixteen_who_take_exactly_one_has_it)
{
    int64_t last = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_t start;
        pthread_t threads[RACERS];
        struct racer racers[RACERS];
        const struct racer *winner = NULL;
        ck_assert_int_eq(pthread_barrier_init(&start, NULL, RACERS), 0);
        for (size_t i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.start = &start, .holder = rky_lease_test_holder("racer")};
            ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (size_t i = 0; i < RACERS; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        for (size_t i = 0; i < RACERS; i++) {
            ck_assert_msg(racers[i].rc == 0 || racers[i].rc == RKY_ERR_LOCKED, "%s",
                          racers[i].err.message);
            if (racers[i].rc == 0) {
                ck_assert_msg(winner == NULL, "two have it");
                winner = &racers[i];
            }
        }
        ck_assert_msg(winner != NULL, "nobody has it");
        ck_assert_int_gt(winner->holder.token, last);
        last = winner->holder.token;
        ck_assert_int_eq(release(&winner->holder), 0);
        (void)pthread_barrier_destroy(&start);
    }
}
END_TEST

Suite *rky_lease_suite(const struct rky_lease_fixture *chosen)
{
    fixture = chosen;
    Suite *suite = suite_create(chosen->name);
    TCase *tcase = tcase_create("seam");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_nobody_has_is_free);
    tcase_add_test(tcase, a_free_lease_is_taken_and_shows_its_holder);
    tcase_add_test(tcase, a_held_lease_is_refused_and_names_its_holder);
    tcase_add_test(tcase, a_holder_without_a_run_is_shown_without_one);
    tcase_add_test(tcase, the_same_nonce_takes_again_with_the_same_token);
    tcase_add_test(tcase, a_token_is_above_all_tokens_and_the_floor);
    tcase_add_test(tcase, a_released_lease_is_free);
    tcase_add_test(tcase, a_renewed_lease_outlives_its_time_to_live);
    tcase_add_test(tcase, what_ran_out_goes_to_the_next_with_a_greater_token);
    tcase_add_test(tcase, a_raised_token_is_the_floor_of_all_later_ones);
    tcase_add_test(tcase, a_token_is_never_lowered);
    tcase_add_test(tcase, a_lease_is_broken_only_from_the_holder_that_was_seen);
    tcase_add_test(tcase, namespaces_have_leases_of_their_own);
    tcase_add_test(tcase, a_store_that_forgot_everything_never_goes_below_the_floor);
    tcase_add_test(tcase, of_sixteen_who_take_exactly_one_has_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
