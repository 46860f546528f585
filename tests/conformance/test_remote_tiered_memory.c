/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote suite over two tiers in memory. However the cache fails, the durable store decides, so
 * this is built several times: CACHE_FAILS names the calls of the cache that fail, always.
 * RKY_MEMORY_LIST, which a cache never gets, stands for none.
 */
#include "config.h"

#include "common/breaker.h"
#include "state/remote_memory.h"
#include "tests/conformance/remote_suite.h"
#include "tests/kit/check_main.h"

static const struct rky_retry_config retry = {.max_retries = 3,
                                              .initial_backoff_ms = 1,
                                              .max_backoff_ms = 1,
                                              .backoff_multiplier = 1.0,
                                              .max_retries_per_run = -1};
static struct rky_leg s3 = {.name = "s3", .retry = &retry};
static struct rky_leg valkey = {.name = "valkey", .retry = &retry};

static struct rky_remote *guarded(struct rky_leg *leg, enum rky_memory_op fails)
{
    struct rky_remote *memory = NULL;
    struct rky_remote *remote = NULL;
    struct rky_error err = {0};
    const struct rky_memory_fault fault = {
        .op = fails,
        .times = -1,
        .code = RKY_ERR_CONNECTION,
        .attempt = {.error_class = "reset", .retry = RKY_RETRY_YES, .counts = true}};
    leg->breaker = rky_breaker_new(0, 0, rky_clock_real());
    ck_assert_ptr_nonnull(leg->breaker);
    ck_assert_int_eq(rky_remote_memory_new(&memory, &err), 0);
    if (leg == &valkey)
        rky_remote_memory_fault(memory, &fault);
    ck_assert_int_eq(rky_remote_guarded(memory, leg, &remote, &err), 0);
    return remote;
}

static struct rky_remote *open_tiered(void)
{
    struct rky_remote *remote = NULL;
    struct rky_error err = {0};
    struct rky_remote *durable = guarded(&s3, RKY_MEMORY_LIST);
    struct rky_remote *cache = guarded(&valkey, CACHE_FAILS);
    ck_assert_int_eq(rky_remote_tiered_new(durable, cache, &remote, &err), 0);
    return remote;
}

static void close_tiered(struct rky_remote *remote)
{
    rky_remote_free(remote);
    rky_breaker_free(s3.breaker);
    rky_breaker_free(valkey.breaker);
}

static const struct rky_remote_fixture fixture = {
    .name = "remote: tiered", .open = open_tiered, .close = close_tiered};

int main(void)
{
    return rky_check_main(rky_remote_suite(&fixture));
}
