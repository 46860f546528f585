/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease suite over a real Valkey server, and the leases of a process against one that is
 * paused, killed, emptied and tampered with.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/ids.h"
#include "tests/conformance/lease_suite.h"
#include "tests/kit/check_main.h"
#include "tests/kit/valkey_server.h"

#define PREFIX "rocky:state:"
enum { TTL_MS = 1500 };

static struct rky_valkey *valkey;

static struct rky_lease_driver *over(struct rky_valkey *client)
{
    struct rky_lease_driver *driver = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_lease_valkey_new(client, PREFIX, rky_clock_real(), &driver, &err), 0);
    return driver;
}

static struct rky_lease_driver *open_valkey(void)
{
    valkey = rky_valkey_client(&(struct rky_valkey_options){0});
    return over(valkey);
}

static void close_valkey(struct rky_lease_driver *driver)
{
    driver->ops->free(driver);
    rky_valkey_free(valkey);
}

static void pass(int64_t ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void forget(void)
{
    char answer[64];
    rky_valkey_server_cli(rky_valkey_server(), "flushall", answer, sizeof(answer));
}

static const struct rky_lease_fixture fixture = {.name = "leases: valkey",
                                                 .open = open_valkey,
                                                 .close = close_valkey,
                                                 .pass = pass,
                                                 .forget = forget};

/* --- leases of processes
 * -------------------------------------------------------------------------- */

/* One worker's leases on a server of the test's own. */
struct worker {
    struct rky_valkey *valkey;
    struct rky_retry_config retry;
    struct rky_leg leg;
    struct rky_leases *leases;
};

static struct rky_valkey_server server;

static void worker_open(struct worker *worker, const char *name)
{
    struct rky_error err = {0};
    *worker = (struct worker){
        .valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url}),
        .retry = {.max_retries = 0,
                  .initial_backoff_ms = 10,
                  .max_backoff_ms = 10,
                  .backoff_multiplier = 1},
        .leg = {.name = "valkey", .breaker = rky_breaker_new(0, 1000, rky_clock_real())}};
    worker->leg.retry = &worker->retry;
    const struct rky_leases_options options = {.driver = over(worker->valkey),
                                               .leg = &worker->leg,
                                               .ttl_ms = TTL_MS,
                                               .worker_id = name,
                                               .clock = rky_clock_real()};
    ck_assert_int_eq(rky_leases_new(&options, &worker->leases, &err), 0);
}

static void worker_close(struct worker *worker)
{
    rky_leases_free(worker->leases);
    rky_breaker_free(worker->leg.breaker);
    rky_valkey_free(worker->valkey);
}

static struct worker one, two;

static void set_up(void)
{
    rky_valkey_server_start(&server, "");
    worker_open(&one, "one");
    worker_open(&two, "two");
}

static void tear_down(void)
{
    worker_close(&one);
    worker_close(&two);
    rky_valkey_server_do(&server, "stop");
}

static int take(struct worker *worker, int64_t wait_ms, struct rky_lease **ret_lease)
{
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    return rky_lease_take(worker->leases, "shop", "", 0, wait_ms, &transfer, ret_lease, &err);
}

static struct rky_lease *take_ok(struct worker *worker)
{
    struct rky_lease *lease = NULL;
    ck_assert_int_eq(take(worker, 0, &lease), 0);
    return lease;
}

static void await(struct rky_lease *lease, enum rky_lease_state wanted)
{
    for (int i = 0; rky_lease_state(lease) != wanted; i++) {
        ck_assert_int_lt(i, 1000);
        pass(10);
    }
}

static void cli(const char *command, char *ret_answer, size_t size)
{
    rky_valkey_server_cli(&server, command, ret_answer, size);
}

START_TEST(a_lease_is_kept_alive_beyond_its_time_to_live)
{
    struct rky_lease *lease = take_ok(&one), *other = NULL;
    struct rky_clock *clock = rky_clock_real();
    for (int64_t until = clock->mono_ms(clock) + 2 * TTL_MS; clock->mono_ms(clock) < until;
         pass(50)) {
        ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_HELD);
        ck_assert_int_eq(take(&two, 0, &other), RKY_ERR_LOCKED);
    }
    rky_lease_release(lease);
    other = take_ok(&two);
    ck_assert_int_eq(rky_lease_token(other), 2);
    rky_lease_release(other);
}
END_TEST

START_TEST(a_paused_server_makes_it_unsure_and_then_tells_the_truth)
{
    struct rky_lease *lease = take_ok(&one);
    rky_valkey_server_do(&server, "pause");
    await(lease, RKY_LEASE_UNSURE);
    struct rky_transfer transfer = rky_lease_test_transfer(200);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_lease_raise(lease, 9, &transfer, &err), RKY_ERR_TIMEOUT);
    ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_UNSURE);
    rky_valkey_server_do(&server, "continue");
    /* The server's clock went on: nobody has it, and that is definite. */
    await(lease, RKY_LEASE_LOST);
    rky_lease_release(lease);
}
END_TEST

START_TEST(a_server_that_is_back_in_time_costs_nothing)
{
    char answer[64];
    struct rky_lease *lease = take_ok(&one);
    cli("client pause 400 all", answer, sizeof(answer));
    for (int i = 0; i < 3 * TTL_MS / 20; i++) {
        ck_assert_int_eq(rky_lease_state(lease), RKY_LEASE_HELD);
        pass(20);
    }
    rky_lease_release(lease);
}
END_TEST

START_TEST(a_restarted_server_that_kept_its_keys_knows_the_holder)
{
    struct rky_lease *lease = take_ok(&one), *other = NULL;
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    rky_valkey_server_do(&server, "restart");
    /* Also: the scripts are new to it, and every connection is gone. */
    ck_assert_int_eq(rky_lease_raise(lease, 9, &transfer, &err), 0);
    ck_assert_int_eq(take(&two, 0, &other), RKY_ERR_LOCKED);
    rky_lease_release(lease);
    other = take_ok(&two);
    ck_assert_int_eq(rky_lease_token(other), 10);
    rky_lease_release(other);
}
END_TEST

START_TEST(a_key_that_somebody_else_has_is_a_loss)
{
    char answer[64];
    struct rky_lease *lease = take_ok(&one);
    cli("set '" PREFIX "{shop}:lock' 'two||11111111-2222-4333-8444-555555555555|7'", answer,
        sizeof(answer));
    await(lease, RKY_LEASE_LOST);
    rky_lease_release(lease);
    cli("exists '" PREFIX "{shop}:lock'", answer, sizeof(answer));
    ck_assert_str_eq(answer, "1");
}
END_TEST

START_TEST(a_key_that_is_gone_is_a_loss)
{
    char answer[64];
    struct rky_lease *lease = take_ok(&one);
    cli("flushall", answer, sizeof(answer));
    await(lease, RKY_LEASE_LOST);
    rky_lease_release(lease);
}
END_TEST

struct waiter {
    struct rky_lease *lease;
    int rc;
    int64_t got_ms;
};

static void *wait_for_lease(void *argument)
{
    struct waiter *waiter = argument;
    waiter->rc = take(&two, 15000, &waiter->lease);
    waiter->got_ms = rky_clock_real()->mono_ms(rky_clock_real());
    return NULL;
}

static void await_subscriber(void)
{
    char answer[256] = "";
    for (int i = 0; strstr(answer, "sub=1") == NULL; i++) {
        ck_assert_int_lt(i, 500);
        cli("client list type pubsub", answer, sizeof(answer));
        pass(10);
    }
}

START_TEST(a_release_wakes_who_waits)
{
    struct waiter waiter = {0};
    pthread_t thread;
    int64_t best_ms = INT64_MAX;
    /* A waiter that looks twice a second anyway may come early by luck; five times it will not. */
    for (int i = 0; i < 5; i++) {
        struct rky_lease *lease = take_ok(&one);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_lease, &waiter), 0);
        await_subscriber();
        int64_t released_ms = rky_clock_real()->mono_ms(rky_clock_real());
        rky_lease_release(lease);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(waiter.rc, 0);
        best_ms = waiter.got_ms - released_ms < best_ms ? waiter.got_ms - released_ms : best_ms;
        rky_lease_release(waiter.lease);
    }
    ck_assert_int_lt(best_ms, 100);
}
END_TEST

START_TEST(who_waits_asks_the_server_little)
{
    char before[64], after[64];
    struct rky_lease *lease = take_ok(&one), *other = NULL;
    const char *const count = "info commandstats | sed -n "
                              "'s/^cmdstat_evalsha:calls=\\([0-9]*\\),.*/\\1/p'";
    cli(count, before, sizeof(before));
    ck_assert_int_eq(take(&two, 3000, &other), RKY_ERR_LOCKED);
    cli(count, after, sizeof(after));
    /* Twice a second at most, beside the renewals of the holder. */
    ck_assert_int_le(strtol(after, NULL, 10) - strtol(before, NULL, 10),
                     3 * 2 + 2 + 3 * 1000 / (TTL_MS / 3) + 1);
    rky_lease_release(lease);
}
END_TEST

START_TEST(who_waits_hears_that_it_shall_stop)
{
    atomic_bool stop = true;
    struct rky_lease *lease = take_ok(&one), *other = NULL;
    struct rky_transfer transfer = rky_lease_test_transfer(20000);
    struct rky_error err = {0};
    transfer.stop = &stop;
    int rc = rky_lease_take(two.leases, "shop", "", 0, 10000, &transfer, &other, &err);
    ck_assert_int_eq(rc, RKY_ERR_INTERRUPTED);
    rky_lease_release(lease);
}
END_TEST

START_TEST(releasing_to_a_server_that_is_gone_takes_two_seconds_at_most)
{
    struct rky_lease *lease = take_ok(&one);
    struct rky_clock *clock = rky_clock_real();
    rky_valkey_server_do(&server, "pause");
    int64_t began = clock->mono_ms(clock);
    rky_lease_release(lease);
    ck_assert_int_lt(clock->mono_ms(clock) - began, 3000);
    rky_valkey_server_do(&server, "continue");
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = rky_lease_suite(&fixture);
    TCase *tcase = tcase_create("process");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_lease_is_kept_alive_beyond_its_time_to_live);
    tcase_add_test(tcase, a_paused_server_makes_it_unsure_and_then_tells_the_truth);
    tcase_add_test(tcase, a_server_that_is_back_in_time_costs_nothing);
    tcase_add_test(tcase, a_restarted_server_that_kept_its_keys_knows_the_holder);
    tcase_add_test(tcase, a_key_that_somebody_else_has_is_a_loss);
    tcase_add_test(tcase, a_key_that_is_gone_is_a_loss);
    tcase_add_test(tcase, a_release_wakes_who_waits);
    tcase_add_test(tcase, who_waits_asks_the_server_little);
    tcase_add_test(tcase, who_waits_hears_that_it_shall_stop);
    tcase_add_test(tcase, releasing_to_a_server_that_is_gone_takes_two_seconds_at_most);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_valkey_main("", suite);
}
