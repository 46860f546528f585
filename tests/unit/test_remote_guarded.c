/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard around a driver and the commit's read-back, over a memory remote whose answers get lost
 * by script. `store` is a second view of the same store: what a test does there, or reads there, is
 * behind the guard's back.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "state/remote_memory.h"
#include "tests/kit/check_main.h"

#define NAMESPACE "bronze"
#define TRANSFER_MS 60000

static struct rky_fake_clock clock_;
static struct rky_retry_config config;
static struct rky_leg leg;
static struct rky_remote *driver; /* owned by `remote` */
static struct rky_remote *remote, *store;
static struct rky_transfer transfer;
static struct rky_error err;
static char etag[RKY_ETAG_MAX];
static struct rky_snapshot_head head;
static const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = NAMESPACE};

static const struct rky_attempt reset = {
    .error_class = "reset", .retry = RKY_RETRY_YES, .counts = true};
static const struct rky_attempt server_error = {
    .error_class = "server_error", .retry = RKY_RETRY_YES, .counts = true};

static void advance(void *context, int64_t ms)
{
    (void)context;
    rky_fake_clock_advance_ms(&clock_, ms);
}

static struct rky_transfer new_transfer(void)
{
    return (struct rky_transfer){
        .clock = &clock_.base,
        .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS),
        .wait = advance,
    };
}

/* A version of the state. @param parent NULL = none. */
static struct rky_snapshot_head version(int64_t generation, const struct rky_snapshot_head *parent)
{
    struct rky_snapshot_head made = {
        .generation = generation, .schema_version = 1, .min_reader_version = 1};
    (void)snprintf(made.namespace_, sizeof(made.namespace_), "%s", NAMESPACE);
    rky_uuid_v4(made.lineage);
    rky_uuid_v4(made.write_id);
    if (parent != NULL) {
        memcpy(made.ancestors[0], parent->write_id, RKY_UUID_TEXT);
        made.ancestor_count = 1 + parent->ancestor_count;
        if (made.ancestor_count > RKY_ANCESTORS_MAX)
            made.ancestor_count = RKY_ANCESTORS_MAX;
        memcpy(made.ancestors[1], parent->ancestors[0], (made.ancestor_count - 1) * RKY_UUID_TEXT);
    }
    return made;
}

/* Write behind the guard's back. @p ret_etag "" before = create. */
static void write_directly(const struct rky_snapshot_head *with, const void *body, size_t length,
                           char ret_etag[RKY_ETAG_MAX])
{
    struct rky_transfer direct = new_transfer();
    struct rky_error failure = {0};
    const struct rky_remote_put put = {
        .body = body, .length = length, .condition = RKY_IF_ANY, .head = with};
    int rc = store->ops->put(store, &name, &put, &direct, ret_etag, &failure);
    ck_assert_msg(rc == 0, "%s", failure.message);
}

static void setup(void)
{
    rky_fake_clock_init(&clock_, INT64_C(1795255200000000));
    config = (struct rky_retry_config){.max_retries = 3,
                                       .initial_backoff_ms = 1000,
                                       .max_backoff_ms = 30000,
                                       .backoff_multiplier = 2.0,
                                       .max_retries_per_run = -1};
    leg = (struct rky_leg){
        .name = "s3", .retry = &config, .breaker = rky_breaker_new(100, 30000, &clock_.base)};
    err = (struct rky_error){0};
    ck_assert_ptr_nonnull(leg.breaker);
    ck_assert_int_eq(rky_remote_memory_new(&store, &err), 0);
    ck_assert_int_eq(rky_remote_memory_share(store, &driver, &err), 0);
    ck_assert_int_eq(rky_remote_guarded(driver, &leg, &remote, &err), 0);
    transfer = new_transfer();
    etag[0] = '\0';
    head = version(1, NULL);
}

static void teardown(void)
{
    rky_remote_free(remote);
    rky_remote_free(store);
    rky_breaker_free(leg.breaker);
}

/* Put version `head`, replacing `base` ("" = create). */
static int put_with(const char *base, enum rky_remote_if condition)
{
    const struct rky_remote_put put = {.body = head.write_id,
                                       .length = strlen(head.write_id),
                                       .condition = condition,
                                       .etag = base,
                                       .head = &head};
    return remote->ops->put(remote, &name, &put, &transfer, etag, &err);
}

static int create(void)
{
    return put_with(NULL, RKY_IF_ABSENT);
}

/* A first version that stands, and `head` that is to replace it. @p ret_base its etag. */
static void stand_on_base(char ret_base[RKY_ETAG_MAX])
{
    struct rky_snapshot_head base = version(1, NULL);
    write_directly(&base, "base", 4, ret_base);
    head = version(2, &base);
}

static void fault(enum rky_memory_op op, int64_t nth, int64_t times, bool applied, int code,
                  struct rky_attempt attempt)
{
    const struct rky_memory_fault script = {
        .op = op, .nth = nth, .times = times, .applied = applied, .code = code, .attempt = attempt};
    rky_remote_memory_fault(driver, &script);
}

static void expect_calls(int64_t puts, int64_t heads)
{
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_PUT), puts);
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_HEAD), heads);
}

static struct rky_remote_object stored(void)
{
    struct rky_transfer direct = new_transfer();
    struct rky_remote_object object = {0};
    struct rky_error failure = {0};
    ck_assert_int_eq(store->ops->head(store, &name, &direct, &object, &failure), 0);
    return object;
}

/* The write counts: it is there, under the etag that put() gave. */
static void expect_committed(bool recovered)
{
    ck_assert_msg(err.code == 0, "%s", err.message);
    struct rky_remote_object object = stored();
    ck_assert(object.exists);
    ck_assert_str_eq(object.head.write_id, head.write_id);
    ck_assert_str_eq(object.etag, etag);
    ck_assert(transfer.recovered == recovered);
    ck_assert(!transfer.unknown);
    ck_assert_int_eq(transfer.end, RKY_GUARD_OK);
    ck_assert_int_eq(transfer.legs[0].end, RKY_GUARD_OK);
    ck_assert(!transfer.legs[0].failed);
}

static void expect_failed(int rc, int code, enum rky_guard_end end, bool unknown)
{
    ck_assert_msg(rc == code, "%s instead of %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_int_eq(err.code, code);
    ck_assert_str_eq(rky_guard_end_name(transfer.end), rky_guard_end_name(end));
    ck_assert_int_eq(transfer.legs[0].end, end);
    ck_assert(transfer.legs[0].failed);
    ck_assert(transfer.unknown == unknown);
    ck_assert(!transfer.recovered);
}

/* --- a lost reply -----------------------------------------------------------------------------
 */

START_TEST(a_write_that_is_answered_needs_no_read_back)
{
    ck_assert_int_eq(create(), 0);
    expect_committed(false);
    expect_calls(1, 0);
    ck_assert_int_eq(transfer.legs[0].bytes, 36);
}
END_TEST

START_TEST(a_creation_whose_reply_was_lost_is_found_and_not_sent_again)
{
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
    expect_calls(1, 1);
    ck_assert_int_eq(transfer.retries, 1);
}
END_TEST

START_TEST(a_replacement_whose_reply_was_lost_is_found_and_not_sent_again)
{
    char base[RKY_ETAG_MAX] = "";
    stand_on_base(base);
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_TIMEOUT, reset);
    ck_assert_int_eq(put_with(base, RKY_IF_ETAG), 0);
    expect_committed(true);
    expect_calls(1, 1);
}
END_TEST

START_TEST(a_server_error_after_the_write_is_read_back_too)
{
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_UNAVAILABLE, server_error);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
    expect_calls(1, 1);
}
END_TEST

START_TEST(a_write_that_was_not_applied_is_sent_again_with_the_same_bytes)
{
    char base[RKY_ETAG_MAX] = "";
    stand_on_base(base);
    fault(RKY_MEMORY_PUT, 1, 2, false, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(put_with(base, RKY_IF_ETAG), 0);
    expect_committed(false);
    expect_calls(3, 2);
    ck_assert_int_eq(transfer.retries, 2);

    etag[0] = '\0';
    rky_remote_memory_mend(driver);
    head.generation = 1;
    transfer = new_transfer();
    ck_assert_int_eq(remote->ops->remove(remote, &name, NULL, &transfer, &err), 0);
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, reset);
    transfer = new_transfer();
    ck_assert_int_eq(create(), 0);
    expect_committed(false);
}
END_TEST

/* libcurl itself may send twice: the reply to the second is the refusal that our first caused. */
static void apply_first(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op == RKY_MEMORY_PUT && number == 1) {
        char own[RKY_ETAG_MAX] = "";
        write_directly(&head, "the same write", 14, own);
    }
}

START_TEST(a_refusal_that_our_own_write_caused_is_success_within_one_attempt)
{
    rky_remote_memory_on_call(driver, apply_first, NULL);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
    expect_calls(1, 1);
    ck_assert_int_eq(transfer.retries, 0);
    ck_assert_int_eq(transfer.legs[0].attempts, 1);

    /* Costs no budget, and needs none. */
    teardown();
    setup();
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    transfer.budget = &budget;
    rky_remote_memory_on_call(driver, apply_first, NULL);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
}
END_TEST

/* --- others -----------------------------------------------------------------------------------
 */

START_TEST(a_foreign_winner_is_a_conflict_at_once)
{
    char base[RKY_ETAG_MAX] = "";
    char theirs[RKY_ETAG_MAX] = "";
    stand_on_base(base);
    const struct rky_snapshot_head foreign = version(2, NULL);
    write_directly(&foreign, "foreign", 7, theirs);
    expect_failed(put_with(base, RKY_IF_ETAG), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    expect_calls(1, 1);
    ck_assert_str_eq(transfer.attempt.error_class, "conflict");
    ck_assert_str_eq(stored().head.write_id, foreign.write_id);
}
END_TEST

START_TEST(a_foreign_creation_is_a_conflict)
{
    char theirs[RKY_ETAG_MAX] = "";
    const struct rky_snapshot_head foreign = version(1, NULL);
    write_directly(&foreign, "foreign", 7, theirs);
    expect_failed(create(), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    expect_calls(1, 1);
}
END_TEST

static char base_etag[RKY_ETAG_MAX];
static struct rky_snapshot_head other;

/* Before call number 1 of HEAD somebody else commits `other`. */
static void overtake(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op == RKY_MEMORY_HEAD && number == 1) {
        char theirs[RKY_ETAG_MAX] = "";
        write_directly(&other, "other", 5, theirs);
    }
}

START_TEST(a_foreign_winner_after_a_lost_request_is_a_conflict)
{
    stand_on_base(base_etag);
    other = version(2, NULL);
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, reset);
    rky_remote_memory_on_call(driver, overtake, NULL);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    expect_calls(1, 1);
}
END_TEST

START_TEST(a_version_that_derives_from_ours_means_that_ours_is_in_the_chain)
{
    stand_on_base(base_etag);
    other = version(3, &head);
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    rky_remote_memory_on_call(driver, overtake, NULL);
    (void)snprintf(etag, sizeof(etag), "left over");
    ck_assert_int_eq(put_with(base_etag, RKY_IF_ETAG), 0);
    ck_assert(transfer.recovered);
    ck_assert(!transfer.unknown);
    ck_assert_str_eq(etag, "");
    ck_assert_str_eq(stored().head.write_id, other.write_id);
    expect_calls(1, 1);
}
END_TEST

/* A body that the envelope's reader takes. Caller frees. */
static unsigned char *envelope(struct rky_snapshot_head *of, size_t *ret_length)
{
    static const struct rky_snapshot_key no_key = {0};
    unsigned char *bytes = NULL;
    struct rky_error failure = {0};
    char raw[512] = "SQLite format 3";
    int rc = rky_snapshot_encode(of, raw, sizeof(raw), &no_key, &bytes, ret_length, &failure);
    ck_assert_msg(rc == 0, "%s", failure.message);
    return bytes;
}

/* Somebody committed `other` as a whole snapshot, of whose ancestors the metadata names four. */
static void overtake_far(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op != RKY_MEMORY_HEAD || number != 1)
        return;
    char theirs[RKY_ETAG_MAX] = "";
    size_t length = 0;
    unsigned char *bytes = envelope(&other, &length);
    struct rky_snapshot_head few = other;
    few.ancestor_count = 4;
    write_directly(&few, bytes, length, theirs);
    rky_free(bytes);
}

START_TEST(an_ancestor_that_metadata_does_not_name_is_looked_up_in_the_snapshot)
{
    stand_on_base(base_etag);
    other = version(3, &head);
    for (int64_t generation = 4; generation <= 10; generation++) {
        struct rky_snapshot_head next = version(generation, &other);
        other = next;
    }
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    rky_remote_memory_on_call(driver, overtake_far, NULL);
    ck_assert_int_eq(put_with(base_etag, RKY_IF_ETAG), 0);
    ck_assert(transfer.recovered);
    ck_assert_str_eq(etag, "");
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_GET), 1);
}
END_TEST

START_TEST(a_chain_that_went_on_for_long_without_ours_is_a_conflict)
{
    stand_on_base(base_etag);
    other = version(3, NULL);
    for (int64_t generation = 4; generation <= 10; generation++) {
        struct rky_snapshot_head next = version(generation, &other);
        other = next;
    }
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, reset);
    rky_remote_memory_on_call(driver, overtake_far, NULL);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
}
END_TEST

/* --- servers without metadata -----------------------------------------------------------------
 */

static unsigned char *own_envelope;
static size_t own_length;

static int put_envelope(void)
{
    const struct rky_remote_put put = {
        .body = own_envelope, .length = own_length, .condition = RKY_IF_ABSENT, .head = &head};
    return remote->ops->put(remote, &name, &put, &transfer, etag, &err);
}

START_TEST(without_metadata_the_snapshot_itself_is_read_back)
{
    rky_remote_memory_hide_heads(driver, true);
    own_envelope = envelope(&head, &own_length);
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(put_envelope(), 0);
    expect_committed(true);
    expect_calls(1, 1);
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_GET), 1);
    rky_free(own_envelope);
}
END_TEST

START_TEST(without_metadata_an_unchanged_base_needs_no_body)
{
    stand_on_base(base_etag);
    rky_remote_memory_hide_heads(driver, true);
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(put_with(base_etag, RKY_IF_ETAG), 0);
    expect_committed(false);
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_GET), 0);
}
END_TEST

START_TEST(foreign_bytes_that_are_no_snapshot_are_a_conflict)
{
    char theirs[RKY_ETAG_MAX] = "";
    write_directly(NULL, "not a snapshot at all", 21, theirs);
    expect_failed(create(), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_GET), 1);
}
END_TEST

/* --- deleted ----------------------------------------------------------------------------------
 */

START_TEST(replacing_what_is_gone_is_not_found_and_not_tried_again)
{
    head = version(2, NULL);
    expect_failed(put_with("\"gone\"", RKY_IF_ETAG), RKY_ERR_NOT_FOUND, RKY_GUARD_ERROR, false);
    ck_assert_str_eq(transfer.attempt.error_class, "deleted");
    expect_calls(1, 0);
}
END_TEST

static void delete_meanwhile(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op == RKY_MEMORY_HEAD && number == 1) {
        struct rky_transfer direct = new_transfer();
        ck_assert_int_eq(store->ops->remove(store, &name, NULL, &direct, NULL), 0);
    }
}

START_TEST(what_is_gone_after_a_lost_request_is_not_found_either)
{
    stand_on_base(base_etag);
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, reset);
    rky_remote_memory_on_call(driver, delete_meanwhile, NULL);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_NOT_FOUND, RKY_GUARD_ERROR, false);
    ck_assert_str_eq(transfer.attempt.error_class, "deleted");
    expect_calls(1, 1);
}
END_TEST

/* --- refusals that settle nothing -------------------------------------------------------------
 */

START_TEST(two_requests_that_met_are_tried_again_after_looking)
{
    const struct rky_attempt met = {.error_class = "conflict", .retry = RKY_RETRY_YES};
    stand_on_base(base_etag);
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONFLICT, met);
    ck_assert_int_eq(put_with(base_etag, RKY_IF_ETAG), 0);
    expect_committed(false);
    expect_calls(2, 1);
    ck_assert_int_eq(transfer.retries, 1);
}
END_TEST

START_TEST(a_store_that_refuses_its_own_version_for_ever_is_no_conflict)
{
    const struct rky_attempt refused = {.error_class = "conflict"};
    stand_on_base(base_etag);
    fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONFLICT, refused);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_UNAVAILABLE, RKY_GUARD_EXHAUSTED,
                  false);
    expect_calls(4, 4);
}
END_TEST

START_TEST(a_read_back_that_fails_is_made_again_before_anything_is_sent)
{
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    fault(RKY_MEMORY_HEAD, 1, 2, false, RKY_ERR_UNAVAILABLE, server_error);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
    expect_calls(1, 3);
    ck_assert_int_eq(transfer.retries, 3);
}
END_TEST

START_TEST(a_read_back_after_a_refusal_that_fails_is_made_again_first)
{
    rky_remote_memory_on_call(driver, apply_first, NULL);
    fault(RKY_MEMORY_HEAD, 1, 1, false, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
    expect_calls(1, 2);
}
END_TEST

/* --- ends -------------------------------------------------------------------------------------
 */

START_TEST(a_store_that_is_gone_for_good_leaves_the_fate_unknown)
{
    stand_on_base(base_etag);
    fault(RKY_MEMORY_OPS, 1, -1, true, RKY_ERR_CONNECTION, reset);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_CONNECTION, RKY_GUARD_EXHAUSTED, true);
    /* It had landed: the copy that stays pending under its write id is recognised next time. */
    ck_assert_str_eq(stored().head.write_id, head.write_id);
    ck_assert_int_eq(rky_remote_memory_calls(driver, RKY_MEMORY_PUT), 1);
}
END_TEST

START_TEST(a_write_that_never_left_is_known_not_to_be_there)
{
    struct rky_attempt refused = reset;
    refused.error_class = "connect";
    refused.unapplied = true;
    stand_on_base(base_etag);
    fault(RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, refused);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_CONNECTION, RKY_GUARD_EXHAUSTED, false);
    expect_calls(4, 0);
    ck_assert_str_eq(transfer.attempt.error_class, "connect");
}
END_TEST

START_TEST(when_retries_run_out_one_last_look_finds_a_write_that_landed)
{
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    transfer.budget = &budget;
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
    expect_calls(1, 1);
    ck_assert_int_eq(transfer.retries, 0);

    teardown();
    setup();
    config.max_retries = 0;
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_UNAVAILABLE, server_error);
    ck_assert_int_eq(create(), 0);
    expect_committed(true);
}
END_TEST

START_TEST(a_last_look_that_finds_the_base_leaves_the_failure_as_it_was)
{
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    transfer.budget = &budget;
    stand_on_base(base_etag);
    fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_UNAVAILABLE, server_error);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_UNAVAILABLE, RKY_GUARD_BUDGET, false);
    expect_calls(1, 1);
    ck_assert_str_eq(transfer.attempt.error_class, "server_error");
    ck_assert_ptr_nonnull(strstr(err.message, "max_retries_per_run"));
}
END_TEST

START_TEST(a_request_without_an_answer_may_still_land_although_the_base_is_there)
{
    config.max_retries = 0;
    stand_on_base(base_etag);
    fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_TIMEOUT, reset);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_TIMEOUT, RKY_GUARD_EXHAUSTED, true);
    expect_calls(1, 1);
}
END_TEST

START_TEST(a_last_look_that_finds_a_foreign_winner_is_a_conflict)
{
    config.max_retries = 0;
    stand_on_base(base_etag);
    other = version(2, NULL);
    fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, reset);
    rky_remote_memory_on_call(driver, overtake, NULL);
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    ck_assert_str_eq(transfer.attempt.error_class, "conflict");
}
END_TEST

START_TEST(an_opened_breaker_lets_nobody_look)
{
    rky_breaker_free(leg.breaker);
    leg.breaker = rky_breaker_new(1, 30000, &clock_.base);
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    expect_failed(create(), RKY_ERR_CONNECTION, RKY_GUARD_OPEN, true);
    expect_calls(1, 0);

    transfer = new_transfer();
    err = (struct rky_error){0};
    expect_failed(create(), RKY_ERR_STATE_SYNC, RKY_GUARD_OPEN, false);
    expect_calls(1, 0);
}
END_TEST

static void time_runs_out(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    (void)number;
    if (op == RKY_MEMORY_PUT)
        rky_fake_clock_advance_ms(&clock_, TRANSFER_MS);
}

START_TEST(the_wall_clock_leaves_no_time_to_look)
{
    rky_remote_memory_on_call(driver, time_runs_out, NULL);
    expect_failed(create(), RKY_ERR_TIMEOUT, RKY_GUARD_TIMEOUT, true);
    expect_calls(1, 0);
}
END_TEST

START_TEST(a_permanent_refusal_is_definite)
{
    fault(RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_AUTH,
          (struct rky_attempt){.error_class = "permission"});
    expect_failed(create(), RKY_ERR_AUTH, RKY_GUARD_ERROR, false);
    expect_calls(1, 0);
}
END_TEST

START_TEST(a_permanent_refusal_after_a_lost_request_leaves_that_one_unknown)
{
    stand_on_base(base_etag);
    fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_TIMEOUT, reset);
    fault(RKY_MEMORY_PUT, 2, -1, false, RKY_ERR_AUTH,
          (struct rky_attempt){.error_class = "permission"});
    expect_failed(put_with(base_etag, RKY_IF_ETAG), RKY_ERR_AUTH, RKY_GUARD_ERROR, true);
    expect_calls(2, 1);
}
END_TEST

/* --- what is not recognisable, and the other calls ---------------------------------------------
 */

START_TEST(an_unconditional_write_is_simply_sent_again)
{
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(put_with(NULL, RKY_IF_ANY), 0);
    expect_calls(2, 0);
    ck_assert(!transfer.recovered);
}
END_TEST

START_TEST(a_write_without_a_head_is_not_read_back)
{
    const struct rky_remote_put put = {.body = "x", .length = 1, .condition = RKY_IF_ABSENT};
    fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
    int rc = remote->ops->put(remote, &name, &put, &transfer, etag, &err);
    ck_assert_int_eq(rc, RKY_ERR_CONFLICT);
    expect_calls(2, 0);
    ck_assert(!transfer.unknown);
}
END_TEST

START_TEST(reads_are_retried_and_their_bytes_counted)
{
    struct rky_remote_object object = {0};
    ck_assert_int_eq(create(), 0);
    transfer = new_transfer();
    fault(RKY_MEMORY_GET, 1, 2, false, RKY_ERR_CONNECTION, reset);
    fault(RKY_MEMORY_HEAD, 1, 1, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(remote->ops->get(remote, &name, NULL, &transfer, &object, &err), 0);
    ck_assert_uint_eq(object.length, 36);
    rky_remote_object_done(&object);
    ck_assert_int_eq(transfer.legs[0].bytes, 36);
    ck_assert_int_eq(transfer.retries, 2);
    ck_assert_int_eq(remote->ops->head(remote, &name, &transfer, &object, &err), 0);
    ck_assert(object.exists);
    ck_assert_int_eq(transfer.retries, 3);
    ck_assert_int_eq(remote->ops->get(remote, &name, etag, &transfer, &object, &err), 0);
    ck_assert(object.not_modified);
    ck_assert_int_eq(transfer.legs[0].bytes, 36);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(lists_are_retried)
{
    struct rky_remote_list list = {0};
    const struct rky_remote_name old = {
        .kind = RKY_REMOTE_HISTORY, .namespace_ = NAMESPACE, .suffix = "1"};
    const struct rky_remote_put put = {.body = "x", .length = 1, .condition = RKY_IF_ANY};
    ck_assert_int_eq(remote->ops->put(remote, &old, &put, &transfer, etag, &err), 0);
    fault(RKY_MEMORY_LIST, 1, 2, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(
        remote->ops->list(remote, RKY_REMOTE_HISTORY, NAMESPACE, &transfer, &list, &err), 0);
    ck_assert_uint_eq(list.count, 1);
    rky_remote_list_done(&list);
}
END_TEST

START_TEST(a_removal_whose_reply_was_lost_is_done)
{
    ck_assert_int_eq(create(), 0);
    fault(RKY_MEMORY_REMOVE, 1, 1, true, RKY_ERR_CONNECTION, reset);
    ck_assert_int_eq(remote->ops->remove(remote, &name, etag, &transfer, &err), 0);
    ck_assert(!stored().exists);

    /* But what was gone before the first attempt was not this one's to remove. */
    ck_assert_int_eq(remote->ops->remove(remote, &name, etag, &transfer, &err), RKY_ERR_NOT_FOUND);
    ck_assert_str_eq(transfer.attempt.error_class, "deleted");
}
END_TEST

START_TEST(a_guarded_remote_says_where_its_objects_are)
{
    char *uri = remote->ops->uri(remote, &name);
    ck_assert_str_eq(uri, "memory:" NAMESPACE);
    rky_free(uri);
}
END_TEST

START_TEST(out_of_memory_at_any_point_is_reported_and_leaves_no_lie)
{
    char *base = base_etag;
    for (uint64_t nth = 1; nth < 100; nth++) {
        teardown();
        setup();
        stand_on_base(base);
        fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, reset);
        rky_mem_fail_nth(nth);
        int rc = put_with(base, RKY_IF_ETAG);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        bool there = strcmp(stored().head.write_id, head.write_id) == 0;
        if (rc == 0)
            ck_assert(there);
        else
            ck_assert(rc == RKY_ERR_NOMEM && (!there || transfer.unknown));
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            ck_assert_uint_gt(nth, 2);
            return;
        }
    }
    ck_abort_msg("the loop did not end");
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        a_write_that_is_answered_needs_no_read_back,
        a_creation_whose_reply_was_lost_is_found_and_not_sent_again,
        a_replacement_whose_reply_was_lost_is_found_and_not_sent_again,
        a_server_error_after_the_write_is_read_back_too,
        a_write_that_was_not_applied_is_sent_again_with_the_same_bytes,
        a_refusal_that_our_own_write_caused_is_success_within_one_attempt,
        a_foreign_winner_is_a_conflict_at_once,
        a_foreign_creation_is_a_conflict,
        a_foreign_winner_after_a_lost_request_is_a_conflict,
        a_version_that_derives_from_ours_means_that_ours_is_in_the_chain,
        an_ancestor_that_metadata_does_not_name_is_looked_up_in_the_snapshot,
        a_chain_that_went_on_for_long_without_ours_is_a_conflict,
        without_metadata_the_snapshot_itself_is_read_back,
        without_metadata_an_unchanged_base_needs_no_body,
        foreign_bytes_that_are_no_snapshot_are_a_conflict,
        replacing_what_is_gone_is_not_found_and_not_tried_again,
        what_is_gone_after_a_lost_request_is_not_found_either,
        two_requests_that_met_are_tried_again_after_looking,
        a_store_that_refuses_its_own_version_for_ever_is_no_conflict,
        a_read_back_that_fails_is_made_again_before_anything_is_sent,
        a_read_back_after_a_refusal_that_fails_is_made_again_first,
        a_store_that_is_gone_for_good_leaves_the_fate_unknown,
        a_write_that_never_left_is_known_not_to_be_there,
        when_retries_run_out_one_last_look_finds_a_write_that_landed,
        a_last_look_that_finds_the_base_leaves_the_failure_as_it_was,
        a_request_without_an_answer_may_still_land_although_the_base_is_there,
        a_last_look_that_finds_a_foreign_winner_is_a_conflict,
        an_opened_breaker_lets_nobody_look,
        the_wall_clock_leaves_no_time_to_look,
        a_permanent_refusal_is_definite,
        a_permanent_refusal_after_a_lost_request_leaves_that_one_unknown,
        an_unconditional_write_is_simply_sent_again,
        a_write_without_a_head_is_not_read_back,
        reads_are_retried_and_their_bytes_counted,
        lists_are_retried,
        a_removal_whose_reply_was_lost_is_done,
        a_guarded_remote_says_where_its_objects_are,
        out_of_memory_at_any_point_is_reported_and_leaves_no_lie,
    };
    TCase *tcase = tcase_create("guarded");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    Suite *suite = suite_create("remote: guarded");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
