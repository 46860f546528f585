/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two tiers: what the cache gets, what it gives, and that its failures decide nothing.
 * `durable` and `cache` are the drivers below the guards.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "state/remote_memory.h"
#include "tests/kit/check_main.h"

#define NAMESPACE "bronze"
#define TRANSFER_MS 60000

static struct rky_fake_clock clock_;
static struct rky_retry_config config;
static struct rky_leg s3, valkey;
static struct rky_remote *durable, *cache; /* owned by `remote` */
static struct rky_remote *remote;
static struct rky_retry_budget budget;
static struct rky_transfer transfer;
static struct rky_error err;
static char etag[RKY_ETAG_MAX];
static struct rky_remote_object object;
static const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = NAMESPACE};
static const struct rky_attempt reset = {
    .error_class = "reset", .retry = RKY_RETRY_YES, .counts = true};

static void advance(void *context, int64_t ms)
{
    (void)context;
    rky_fake_clock_advance_ms(&clock_, ms);
}

static void new_transfer(void)
{
    rky_retry_budget_init(&budget, 10);
    transfer = (struct rky_transfer){
        .clock = &clock_.base,
        .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS),
        .budget = &budget,
        .wait = advance,
    };
    err = (struct rky_error){0};
}

static struct rky_remote *guarded(struct rky_leg *leg, const char *leg_name,
                                  struct rky_remote **ret_driver)
{
    struct rky_remote *made = NULL;
    *leg = (struct rky_leg){
        .name = leg_name, .retry = &config, .breaker = rky_breaker_new(5, 30000, &clock_.base)};
    ck_assert_ptr_nonnull(leg->breaker);
    ck_assert_int_eq(rky_remote_memory_new(ret_driver, &err), 0);
    ck_assert_int_eq(rky_remote_guarded(*ret_driver, leg, &made, &err), 0);
    return made;
}

static void setup(void)
{
    rky_fake_clock_init(&clock_, INT64_C(1795255200000000));
    config = (struct rky_retry_config){.max_retries = 3,
                                       .initial_backoff_ms = 1000,
                                       .max_backoff_ms = 30000,
                                       .backoff_multiplier = 2.0,
                                       .max_retries_per_run = -1};
    struct rky_remote *below = guarded(&s3, "s3", &durable);
    struct rky_remote *before = guarded(&valkey, "valkey", &cache);
    ck_assert_int_eq(rky_remote_tiered_new(below, before, &remote, &err), 0);
    etag[0] = '\0';
    new_transfer();
}

static void teardown(void)
{
    rky_remote_object_done(&object);
    rky_remote_free(remote);
    rky_breaker_free(s3.breaker);
    rky_breaker_free(valkey.breaker);
}

/* One of the drivers asked directly, behind the tiers' back. */
static struct rky_remote_object inside(struct rky_remote *driver)
{
    struct rky_transfer direct = {.clock = &clock_.base,
                                  .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS)};
    struct rky_remote_object found = {0};
    struct rky_error failure = {0};
    ck_assert_int_eq(driver->ops->get(driver, &name, NULL, &direct, &found, &failure), 0);
    return found;
}

static void expect_inside(struct rky_remote *driver, const char *body)
{
    struct rky_remote_object found = inside(driver);
    ck_assert(found.exists == (body != NULL));
    if (body != NULL) {
        ck_assert_uint_eq(found.length, strlen(body));
        ck_assert_mem_eq(found.body, body, found.length);
        ck_assert_str_eq(found.etag, etag);
    }
    rky_remote_object_done(&found);
}

static int put_body(const char *body)
{
    char base[RKY_ETAG_MAX];
    memcpy(base, etag, sizeof(base));
    struct rky_snapshot_head head = {.generation = 1};
    (void)snprintf(head.namespace_, sizeof(head.namespace_), "%s", NAMESPACE);
    rky_uuid_v4(head.write_id);
    const struct rky_remote_put put = {.body = body,
                                       .length = strlen(body),
                                       .condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                                       .etag = base,
                                       .head = &head};
    return remote->ops->put(remote, &name, &put, &transfer, etag, &err);
}

static void put_ok(const char *body)
{
    int rc = put_body(body);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(transfer.end, RKY_GUARD_OK);
}

static void get_ok(const char *if_none_match)
{
    rky_remote_object_done(&object);
    int rc = remote->ops->get(remote, &name, if_none_match, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(transfer.end, RKY_GUARD_OK);
    ck_assert_ptr_null(transfer.attempt.error_class);
}

static void break_calls(struct rky_remote *driver, enum rky_memory_op op)
{
    const struct rky_memory_fault fault = {
        .op = op, .times = -1, .code = RKY_ERR_CONNECTION, .attempt = reset};
    rky_remote_memory_fault(driver, &fault);
}

static const struct rky_leg_report *row(const char *leg)
{
    size_t found = 0;
    while (found < transfer.leg_count && strcmp(transfer.legs[found].leg, leg) != 0)
        found++;
    ck_assert_uint_lt(found, transfer.leg_count);
    return &transfer.legs[found];
}

START_TEST(a_write_goes_to_the_store_and_then_to_the_cache_under_the_store_s_etag)
{
    put_ok("first");
    expect_inside(durable, "first");
    expect_inside(cache, "first");
    put_ok("second");
    expect_inside(durable, "second");
    expect_inside(cache, "second");
}
END_TEST

START_TEST(a_cached_entry_is_given_as_such_with_the_store_s_etag)
{
    put_ok("first");
    int64_t before = rky_remote_memory_calls(durable, RKY_MEMORY_OPS);
    get_ok(NULL);
    ck_assert(object.cached);
    ck_assert_mem_eq(object.body, "first", 5);
    ck_assert_str_eq(object.etag, etag);
    ck_assert(object.has_head);
    get_ok(etag);
    ck_assert(object.cached);
    ck_assert(object.not_modified);
    ck_assert_int_eq(rky_remote_memory_calls(durable, RKY_MEMORY_OPS), before);
}
END_TEST

START_TEST(head_never_asks_the_cache)
{
    put_ok("first");
    int64_t before = rky_remote_memory_calls(cache, RKY_MEMORY_OPS);
    ck_assert_int_eq(remote->ops->head(remote, &name, &transfer, &object, &err), 0);
    ck_assert(object.exists);
    ck_assert(!object.cached);
    ck_assert_int_eq(rky_remote_memory_calls(cache, RKY_MEMORY_OPS), before);
}
END_TEST

/* Somebody without a cache writes to the store. */
static void overtake(const char *body)
{
    struct rky_transfer direct = {.clock = &clock_.base,
                                  .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS)};
    const struct rky_remote_put put = {
        .body = body, .length = strlen(body), .condition = RKY_IF_ANY};
    ck_assert_int_eq(durable->ops->put(durable, &name, &put, &direct, etag, &err), 0);
}

START_TEST(a_stale_entry_shows_by_its_etag_and_get_durable_refreshes_it)
{
    put_ok("first");
    overtake("second");
    get_ok(NULL);
    ck_assert(object.cached);
    ck_assert_str_ne(object.etag, etag);

    rky_remote_object_done(&object);
    ck_assert_int_eq(rky_remote_get_durable(remote, &name, &transfer, &object, &err), 0);
    ck_assert(!object.cached);
    ck_assert_mem_eq(object.body, "second", 6);
    expect_inside(cache, "second");
}
END_TEST

START_TEST(a_miss_is_answered_by_the_store_and_fills_the_cache)
{
    overtake("second");
    get_ok(NULL);
    ck_assert(!object.cached);
    ck_assert_mem_eq(object.body, "second", 6);
    expect_inside(cache, "second");
    get_ok(NULL);
    ck_assert(object.cached);
}
END_TEST

START_TEST(a_store_that_was_wiped_leaves_the_cache_alone)
{
    struct rky_transfer direct = {.clock = &clock_.base,
                                  .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS)};
    put_ok("the last copy");
    ck_assert_int_eq(durable->ops->remove(durable, &name, NULL, &direct, &err), 0);
    ck_assert_int_eq(rky_remote_get_durable(remote, &name, &transfer, &object, &err), 0);
    ck_assert(!object.exists);
    expect_inside(cache, "the last copy");
}
END_TEST

START_TEST(a_refused_write_does_not_reach_the_cache)
{
    put_ok("first");
    char stale[RKY_ETAG_MAX] = "\"stale\"";
    char good[RKY_ETAG_MAX];
    memcpy(good, etag, sizeof(good));
    memcpy(etag, stale, sizeof(stale));
    ck_assert_int_eq(put_body("late"), RKY_ERR_CONFLICT);
    memcpy(etag, good, sizeof(good));
    expect_inside(durable, "first");
    expect_inside(cache, "first");
}
END_TEST

START_TEST(a_store_that_is_down_leaves_the_cache_untouched_and_decides)
{
    put_ok("first");
    char good[RKY_ETAG_MAX];
    memcpy(good, etag, sizeof(good));
    break_calls(durable, RKY_MEMORY_OPS);
    new_transfer();
    ck_assert_int_eq(put_body("second"), RKY_ERR_CONNECTION);
    ck_assert_int_ne(transfer.end, RKY_GUARD_OK);
    ck_assert(transfer.unknown);
    memcpy(etag, good, sizeof(good));
    expect_inside(cache, "first");
}
END_TEST

START_TEST(a_cache_that_is_down_changes_no_outcome_and_is_tried_once)
{
    break_calls(cache, RKY_MEMORY_OPS);
    put_ok("first");
    expect_inside(durable, "first");
    ck_assert_int_eq(transfer.retries, 0);
    ck_assert_int_eq(budget.left, 10);
    ck_assert_ptr_null(transfer.attempt.error_class);
    ck_assert(!row("s3")->failed);
    ck_assert(row("valkey")->failed);
    ck_assert_int_eq(row("valkey")->end, RKY_GUARD_EXHAUSTED);

    new_transfer();
    get_ok(NULL);
    ck_assert(!object.cached);
    ck_assert_mem_eq(object.body, "first", 5);
    ck_assert_int_eq(row("valkey")->attempts, 1);
    ck_assert_int_eq(budget.left, 10);
}
END_TEST

START_TEST(a_cache_that_cannot_be_written_keeps_no_older_entry)
{
    put_ok("first");
    break_calls(cache, RKY_MEMORY_PUT);
    new_transfer();
    put_ok("second");
    expect_inside(durable, "second");
    expect_inside(cache, NULL);
    ck_assert(row("valkey")->failed);
    ck_assert_int_eq(transfer.end, RKY_GUARD_OK);
}
END_TEST

START_TEST(the_cache_s_breaker_is_its_own)
{
    break_calls(cache, RKY_MEMORY_OPS);
    put_ok("1");
    put_ok("2");
    put_ok("3");
    ck_assert_int_eq(rky_breaker_state(valkey.breaker), RKY_BREAKER_OPEN);
    ck_assert_int_eq(rky_breaker_state(s3.breaker), RKY_BREAKER_CLOSED);
    int64_t before = rky_remote_memory_calls(cache, RKY_MEMORY_OPS);
    new_transfer();
    put_ok("4");
    get_ok(NULL);
    ck_assert(!object.cached);
    ck_assert_int_eq(rky_remote_memory_calls(cache, RKY_MEMORY_OPS), before);
    ck_assert_int_eq(row("valkey")->end, RKY_GUARD_OPEN);
    ck_assert_int_eq(row("valkey")->attempts, 0);
}
END_TEST

/* Each call of the cache uses up all the time it was given. */
static int64_t given_ms;
static void hang(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    (void)op;
    (void)number;
    rky_fake_clock_advance_ms(&clock_, 1000);
    given_ms += 1000;
}

START_TEST(a_cache_that_hangs_costs_about_a_second_of_the_transfer)
{
    rky_remote_memory_on_call(cache, hang, NULL);
    put_ok("first");
    ck_assert_int_eq(given_ms, 1000);
    ck_assert_int_eq(rky_deadline_left_ms(&transfer.deadline), TRANSFER_MS - 1000);
    get_ok(NULL);
    ck_assert(!object.cached);
    ck_assert_int_eq(given_ms, 2000);
    ck_assert_int_eq(transfer.legs[1].attempts, 2);
}
END_TEST

START_TEST(only_the_head_is_cached)
{
    const struct rky_remote_name others[] = {
        {.kind = RKY_REMOTE_HISTORY, .namespace_ = NAMESPACE, .suffix = "1"},
        {.kind = RKY_REMOTE_LEASE, .namespace_ = NAMESPACE},
        {.kind = RKY_REMOTE_PROBE, .namespace_ = NAMESPACE, .suffix = "p"},
    };
    const struct rky_remote_put put = {.body = "x", .length = 1, .condition = RKY_IF_ANY};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(remote->ops->put(remote, &others[i], &put, &transfer, etag, &err), 0);
        ck_assert_int_eq(remote->ops->get(remote, &others[i], NULL, &transfer, &object, &err), 0);
        ck_assert(!object.cached);
        rky_remote_object_done(&object);
        ck_assert_int_eq(remote->ops->remove(remote, &others[i], NULL, &transfer, &err), 0);
    }
    ck_assert_int_eq(rky_remote_memory_calls(cache, RKY_MEMORY_OPS), 0);
}
END_TEST

START_TEST(removing_removes_both_and_a_refused_removal_neither)
{
    put_ok("first");
    ck_assert_int_eq(remote->ops->remove(remote, &name, "\"stale\"", &transfer, &err),
                     RKY_ERR_CONFLICT);
    expect_inside(durable, "first");
    expect_inside(cache, "first");
    err = (struct rky_error){0};
    ck_assert_int_eq(remote->ops->remove(remote, &name, etag, &transfer, &err), 0);
    expect_inside(durable, NULL);
    expect_inside(cache, NULL);
}
END_TEST

START_TEST(a_write_that_others_built_on_already_does_not_push_theirs_out)
{
    put_ok("first");
    /* The reply is lost, and before the read-back somebody builds on it and fills the cache. */
    struct rky_snapshot_head head = {.generation = 2};
    struct rky_snapshot_head theirs = {.generation = 3, .ancestor_count = 1};
    rky_uuid_v4(head.write_id);
    rky_uuid_v4(theirs.write_id);
    memcpy(theirs.ancestors[0], head.write_id, sizeof(head.write_id));
    struct rky_transfer direct = {.clock = &clock_.base,
                                  .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS)};
    char base[RKY_ETAG_MAX];
    memcpy(base, etag, sizeof(base));
    const struct rky_remote_put newer = {
        .body = "third", .length = 5, .condition = RKY_IF_ANY, .head = &theirs};
    ck_assert_int_eq(durable->ops->put(durable, &name, &newer, &direct, etag, &err), 0);
    const struct rky_remote_put entry = {
        .body = "third", .length = 5, .condition = RKY_IF_ANY, .etag = etag, .head = &theirs};
    char stored[RKY_ETAG_MAX];
    ck_assert_int_eq(cache->ops->put(cache, &name, &entry, &direct, stored, &err), 0);

    const struct rky_remote_put ours = {
        .body = "second", .length = 6, .condition = RKY_IF_ETAG, .etag = base, .head = &head};
    char own[RKY_ETAG_MAX] = "x";
    ck_assert_int_eq(remote->ops->put(remote, &name, &ours, &transfer, own, &err), 0);
    ck_assert_str_eq(own, "");
    expect_inside(cache, "third");
}
END_TEST

START_TEST(the_store_says_where_its_objects_are)
{
    char *uri = remote->ops->uri(remote, &name);
    ck_assert_str_eq(uri, "memory:" NAMESPACE);
    rky_free(uri);
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        a_write_goes_to_the_store_and_then_to_the_cache_under_the_store_s_etag,
        a_cached_entry_is_given_as_such_with_the_store_s_etag,
        head_never_asks_the_cache,
        a_stale_entry_shows_by_its_etag_and_get_durable_refreshes_it,
        a_miss_is_answered_by_the_store_and_fills_the_cache,
        a_store_that_was_wiped_leaves_the_cache_alone,
        a_refused_write_does_not_reach_the_cache,
        a_store_that_is_down_leaves_the_cache_untouched_and_decides,
        a_cache_that_is_down_changes_no_outcome_and_is_tried_once,
        a_cache_that_cannot_be_written_keeps_no_older_entry,
        the_cache_s_breaker_is_its_own,
        a_cache_that_hangs_costs_about_a_second_of_the_transfer,
        only_the_head_is_cached,
        removing_removes_both_and_a_refused_removal_neither,
        a_write_that_others_built_on_already_does_not_push_theirs_out,
        the_store_says_where_its_objects_are,
    };
    TCase *tcase = tcase_create("tiered");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    Suite *suite = suite_create("remote: tiers");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
