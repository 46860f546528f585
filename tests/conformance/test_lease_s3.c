/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease suite over an object store (in memory), and what is special there: other observers,
 * refused writes whose reply was lost.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "state/remote_memory.h"
#include "tests/conformance/lease_suite.h"
#include "tests/kit/check_main.h"

#define NOW_US INT64_C(1795255200000000)
enum { TTL_MS = 60000 };

static struct rky_fake_clock fake;
static struct rky_remote *remote;

static struct rky_lease_driver *over(struct rky_remote *store)
{
    struct rky_lease_driver *driver = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_lease_s3_new(store, &fake.base, &driver, &err), 0);
    return driver;
}

static struct rky_lease_driver *open_s3(void)
{
    struct rky_error err = {0};
    rky_fake_clock_init(&fake, NOW_US);
    ck_assert_int_eq(rky_remote_memory_new(&remote, &err), 0);
    return over(remote);
}

static void close_s3(struct rky_lease_driver *driver)
{
    driver->ops->free(driver);
    rky_remote_free(remote);
}

static void pass(int64_t ms)
{
    rky_fake_clock_advance_ms(&fake, ms);
}

static const struct rky_lease_fixture s3 = {
    .name = "leases: s3", .open = open_s3, .close = close_s3, .pass = pass};

/* --- two workers over one store
 * ------------------------------------------------------------------- */

struct worker {
    struct rky_remote *remote;
    struct rky_lease_driver *driver;
    struct rky_lease_holder holder;
    struct rky_transfer transfer;
    struct rky_error err;
};

static struct worker one, two;

static void worker_init(struct worker *worker, struct rky_remote *store, const char *name)
{
    *worker = (struct worker){.remote = store,
                              .driver = over(store),
                              .holder = rky_lease_test_holder(name),
                              .transfer = rky_lease_test_transfer(60000)};
}

static void set_up(void)
{
    struct rky_remote *first = NULL, *second = NULL;
    struct rky_error err = {0};
    rky_fake_clock_init(&fake, NOW_US);
    ck_assert_int_eq(rky_remote_memory_new(&first, &err), 0);
    ck_assert_int_eq(rky_remote_memory_share(first, &second, &err), 0);
    worker_init(&one, first, "one");
    worker_init(&two, second, "two");
}

static void tear_down(void)
{
    one.driver->ops->free(one.driver);
    two.driver->ops->free(two.driver);
    rky_remote_free(one.remote);
    rky_remote_free(two.remote);
}

static int take(struct worker *worker)
{
    struct rky_lease_holder other;
    rky_error_clear(&worker->err);
    return worker->driver->ops->take(worker->driver, "shop", &worker->holder, 0, TTL_MS,
                                     &worker->transfer, &other, &worker->err);
}

static int renew(struct worker *worker)
{
    rky_error_clear(&worker->err);
    return worker->driver->ops->renew(worker->driver, "shop", &worker->holder, TTL_MS,
                                      &worker->transfer, &worker->err);
}

static int release(struct worker *worker)
{
    rky_error_clear(&worker->err);
    return worker->driver->ops->release(worker->driver, "shop", &worker->holder, &worker->transfer,
                                        &worker->err);
}

START_TEST(a_foreign_lease_is_never_taken_over_at_first_sight)
{
    ck_assert_int_eq(take(&one), 0);
    /* One has been silent for an hour; two has only just come. */
    pass(3600000);
    ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
    pass(TTL_MS - 1);
    ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
    pass(1);
    ck_assert_int_eq(take(&two), 0);
    ck_assert_int_eq(two.holder.token, 2);
    ck_assert_int_eq(renew(&one), RKY_ERR_FENCED);
}
END_TEST

START_TEST(each_renewal_that_is_seen_begins_the_count_again)
{
    ck_assert_int_eq(take(&one), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
        pass(TTL_MS - 1);
        ck_assert_int_eq(renew(&one), 0);
    }
    ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
}
END_TEST

START_TEST(of_two_who_take_over_one_wins)
{
    struct worker third;
    struct rky_remote *store = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_remote_memory_share(one.remote, &store, &err), 0);
    worker_init(&third, store, "three");
    ck_assert_int_eq(take(&one), 0);
    ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
    ck_assert_int_eq(take(&third), RKY_ERR_LOCKED);
    pass(TTL_MS);
    ck_assert_int_eq(take(&two), 0);
    ck_assert_int_eq(take(&third), RKY_ERR_LOCKED);
    third.driver->ops->free(third.driver);
    rky_remote_free(store);
}
END_TEST

static void lose_reply(struct worker *worker, int code)
{
    const struct rky_memory_fault fault = {
        .op = RKY_MEMORY_PUT,
        .applied = true,
        .code = code,
        .attempt = {.error_class = "reset", .retry = RKY_RETRY_YES, .counts = true}};
    rky_remote_memory_fault(worker->remote, &fault);
}

START_TEST(a_take_whose_reply_was_lost_is_recognised)
{
    lose_reply(&one, RKY_ERR_CONNECTION);
    ck_assert_int_eq(take(&one), RKY_ERR_CONNECTION);
    ck_assert(one.transfer.attempt.counts);
    ck_assert_int_eq(take(&one), 0);
    ck_assert_int_eq(one.holder.token, 1);
    ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
}
END_TEST

START_TEST(a_write_that_was_sent_twice_is_recognised_within_one_attempt)
{
    /* The client repeats a request on a dead connection; the repetition is refused. */
    lose_reply(&one, RKY_ERR_CONFLICT);
    ck_assert_int_eq(take(&one), 0);
    ck_assert_int_eq(one.holder.token, 1);
    lose_reply(&one, RKY_ERR_CONFLICT);
    ck_assert_int_eq(renew(&one), 0);
    ck_assert_int_eq(one.err.code, 0);
    ck_assert_int_eq(take(&two), RKY_ERR_LOCKED);
    ck_assert_int_eq(release(&one), 0);
    ck_assert_int_eq(take(&two), 0);
    ck_assert_int_eq(two.holder.token, 2);
}
END_TEST

START_TEST(an_object_that_is_gone_is_no_lease)
{
    const struct rky_remote_name name = {.kind = RKY_REMOTE_LEASE, .namespace_ = "shop"};
    ck_assert_int_eq(take(&one), 0);
    ck_assert_int_eq(two.remote->ops->remove(two.remote, &name, NULL, &two.transfer, &two.err), 0);
    ck_assert_int_eq(renew(&one), RKY_ERR_FENCED);
    ck_assert_int_eq(take(&two), 0);
}
END_TEST

START_TEST(an_object_that_is_not_ours_is_said_to_be_and_stays)
{
    const struct rky_remote_name name = {.kind = RKY_REMOTE_LEASE, .namespace_ = "shop"};
    static const char no_nonce[] =
        "{\"format\":1,\"worker_id\":\"w\",\"run_id\":\"\",\"nonce\":\"x\","
        "\"token\":1,\"ttl_ms\":1,\"sequence\":1,\"released\":false}";
    const char *const bodies[] = {"", "hello", "{}", "{\"format\":2}", "[1]", no_nonce};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char etag[RKY_ETAG_MAX];
        const struct rky_remote_put put = {
            .body = bodies[i], .length = strlen(bodies[i]), .condition = RKY_IF_ANY};
        ck_assert_int_eq(
            two.remote->ops->put(two.remote, &name, &put, &two.transfer, etag, &two.err), 0);
        ck_assert_int_eq(take(&one), RKY_ERR_STATE_FILE);
        ck_assert_str_eq(one.transfer.attempt.error_class, "corrupt");
        ck_assert(!one.transfer.attempt.counts);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = rky_lease_suite(&s3);
    TCase *tcase = tcase_create("workers");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_foreign_lease_is_never_taken_over_at_first_sight);
    tcase_add_test(tcase, each_renewal_that_is_seen_begins_the_count_again);
    tcase_add_test(tcase, of_two_who_take_over_one_wins);
    tcase_add_test(tcase, a_take_whose_reply_was_lost_is_recognised);
    tcase_add_test(tcase, a_write_that_was_sent_twice_is_recognised_within_one_attempt);
    tcase_add_test(tcase, an_object_that_is_gone_is_no_lease);
    tcase_add_test(tcase, an_object_that_is_not_ours_is_said_to_be_and_stays);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
