/* SPDX-License-Identifier: Apache-2.0 */
/* A guarded remote whose answers get lost; see guarded_kit.h. */
#include "config.h"

#include "tests/unit/guarded_kit.h"

#include <stdio.h>
#include <string.h>

struct guarded_kit guarded;

const struct rky_remote_name guarded_name = {.kind = RKY_REMOTE_HEAD, .namespace_ = NAMESPACE};

const struct rky_attempt guarded_reset = {
    .error_class = "reset", .retry = RKY_RETRY_YES, .counts = true};

const struct rky_attempt guarded_server_error = {
    .error_class = "server_error", .retry = RKY_RETRY_YES, .counts = true};

static void advance(void *context, int64_t ms)
{
    (void)context;
    rky_fake_clock_advance_ms(&guarded.clock, ms);
}

struct rky_transfer guarded_new_transfer(void)
{
    return (struct rky_transfer){
        .clock = &guarded.clock.base,
        .deadline = rky_deadline_in(&guarded.clock.base, TRANSFER_MS),
        .wait = advance,
    };
}

struct rky_snapshot_head guarded_version(int64_t generation, const struct rky_snapshot_head *parent)
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

void guarded_write_directly(const struct rky_snapshot_head *with, const void *body, size_t length,
                            char ret_etag[RKY_ETAG_MAX])
{
    struct rky_transfer direct = guarded_new_transfer();
    struct rky_error failure = {0};
    const struct rky_remote_put put = {
        .body = body, .length = length, .condition = RKY_IF_ANY, .head = with};
    int rc =
        guarded.store->ops->put(guarded.store, &guarded_name, &put, &direct, ret_etag, &failure);
    ck_assert_msg(rc == 0, "%s", failure.message);
}

void guarded_setup(void)
{
    rky_fake_clock_init(&guarded.clock, INT64_C(1795255200000000));
    guarded.config = (struct rky_retry_config){.max_retries = 3,
                                               .initial_backoff_ms = 1000,
                                               .max_backoff_ms = 30000,
                                               .backoff_multiplier = 2.0,
                                               .max_retries_per_run = -1};
    guarded.leg = (struct rky_leg){.name = "s3",
                                   .retry = &guarded.config,
                                   .breaker = rky_breaker_new(100, 30000, &guarded.clock.base)};
    guarded.err = (struct rky_error){0};
    ck_assert_ptr_nonnull(guarded.leg.breaker);
    ck_assert_int_eq(rky_remote_memory_new(&guarded.store, &guarded.err), 0);
    ck_assert_int_eq(rky_remote_memory_share(guarded.store, &guarded.driver, &guarded.err), 0);
    ck_assert_int_eq(
        rky_remote_guarded(guarded.driver, &guarded.leg, &guarded.remote, &guarded.err), 0);
    guarded.transfer = guarded_new_transfer();
    guarded.etag[0] = '\0';
    guarded.head = guarded_version(1, NULL);
}

void guarded_teardown(void)
{
    rky_remote_free(guarded.remote);
    rky_remote_free(guarded.store);
    rky_breaker_free(guarded.leg.breaker);
}

int guarded_put_with(const char *base, enum rky_remote_if condition)
{
    const struct rky_remote_put put = {.body = guarded.head.write_id,
                                       .length = strlen(guarded.head.write_id),
                                       .condition = condition,
                                       .etag = base,
                                       .head = &guarded.head};
    return guarded.remote->ops->put(guarded.remote, &guarded_name, &put, &guarded.transfer,
                                    guarded.etag, &guarded.err);
}

int guarded_create(void)
{
    return guarded_put_with(NULL, RKY_IF_ABSENT);
}

void guarded_stand_on_base(char ret_base[RKY_ETAG_MAX])
{
    struct rky_snapshot_head base = guarded_version(1, NULL);
    guarded_write_directly(&base, "base", 4, ret_base);
    guarded.head = guarded_version(2, &base);
}

void guarded_fault(enum rky_memory_op op, int64_t nth, int64_t times, bool applied, int code,
                   struct rky_attempt attempt)
{
    const struct rky_memory_fault script = {
        .op = op, .nth = nth, .times = times, .applied = applied, .code = code, .attempt = attempt};
    rky_remote_memory_fault(guarded.driver, &script);
}

void guarded_expect_calls(int64_t puts, int64_t heads)
{
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_PUT), puts);
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_HEAD), heads);
}

struct rky_remote_object guarded_stored(void)
{
    struct rky_transfer direct = guarded_new_transfer();
    struct rky_remote_object object = {0};
    struct rky_error failure = {0};
    ck_assert_int_eq(
        guarded.store->ops->head(guarded.store, &guarded_name, &direct, &object, &failure), 0);
    return object;
}

void guarded_expect_committed(bool recovered)
{
    ck_assert_msg(guarded.err.code == 0, "%s", guarded.err.message);
    struct rky_remote_object object = guarded_stored();
    ck_assert(object.exists);
    ck_assert_str_eq(object.head.write_id, guarded.head.write_id);
    ck_assert_str_eq(object.etag, guarded.etag);
    ck_assert(guarded.transfer.recovered == recovered);
    ck_assert(!guarded.transfer.unknown);
    ck_assert_int_eq(guarded.transfer.end, RKY_GUARD_OK);
    ck_assert_int_eq(guarded.transfer.legs[0].end, RKY_GUARD_OK);
    ck_assert(!guarded.transfer.legs[0].failed);
}

void guarded_expect_failed(int rc, int code, enum rky_guard_end end, bool unknown)
{
    ck_assert_msg(rc == code, "%s instead of %s: %s", rky_err_name(rc), rky_err_name(code),
                  guarded.err.message);
    ck_assert_int_eq(guarded.err.code, code);
    ck_assert_str_eq(rky_guard_end_name(guarded.transfer.end), rky_guard_end_name(end));
    ck_assert_int_eq(guarded.transfer.legs[0].end, end);
    ck_assert(guarded.transfer.legs[0].failed);
    ck_assert(guarded.transfer.unknown == unknown);
    ck_assert(!guarded.transfer.recovered);
}

/* --- a lost reply -----------------------------------------------------------------------------
 */

void guarded_apply_first(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op == RKY_MEMORY_PUT && number == 1) {
        char own[RKY_ETAG_MAX] = "";
        guarded_write_directly(&guarded.head, "the same write", 14, own);
    }
}

/* --- others -----------------------------------------------------------------------------------
 */

void guarded_overtake(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op == RKY_MEMORY_HEAD && number == 1) {
        char theirs[RKY_ETAG_MAX] = "";
        guarded_write_directly(&guarded.other, "other", 5, theirs);
    }
}
