/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote suite over a real Valkey server, and what the driver does besides: entries of a cache.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "tests/conformance/remote_suite.h"
#include "tests/kit/check_main.h"
#include "tests/kit/valkey_server.h"

#define PREFIX "rocky:[*state?]:"

static struct rky_valkey *valkey;

static struct rky_remote *open_as(bool cache)
{
    struct rky_remote *remote = NULL;
    struct rky_error err = {0};
    valkey = rky_valkey_client(&(struct rky_valkey_options){0});
    ck_assert_int_eq(rky_remote_valkey_new(valkey, PREFIX, cache, &remote, &err), 0);
    return remote;
}

static struct rky_remote *open_remote(void)
{
    return open_as(false);
}

static struct rky_remote *open_cache(void)
{
    return open_as(true);
}

static void close_remote(struct rky_remote *remote)
{
    rky_remote_free(remote);
    rky_valkey_free(valkey);
}

static const struct rky_remote_fixture durable = {
    .name = "remote: valkey", .open = open_remote, .close = close_remote};

/* --- the cache
 * ------------------------------------------------------------------------------------ */

static struct rky_transfer transfer_in(int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    return (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, ms)};
}

struct cache {
    struct rky_remote *remote;
    char namespace_[64];
    struct rky_remote_name name;
    struct rky_transfer transfer;
    struct rky_error err;
};

static void cache_open(struct cache *cache)
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    *cache = (struct cache){.remote = open_cache(), .transfer = transfer_in(20000)};
    (void)snprintf(cache->namespace_, sizeof(cache->namespace_), "c-%s", id);
    cache->name =
        (struct rky_remote_name){.kind = RKY_REMOTE_HEAD, .namespace_ = cache->namespace_};
}

static int cache_put(struct cache *cache, const void *body, size_t length, const char *etag,
                     char ret_etag[RKY_ETAG_MAX])
{
    const struct rky_remote_put put = {
        .body = body, .length = length, .condition = RKY_IF_ANY, .etag = etag};
    return cache->remote->ops->put(cache->remote, &cache->name, &put, &cache->transfer, ret_etag,
                                   &cache->err);
}

static void cli_of(const struct cache *cache, const char *command, char *ret_answer, size_t size)
{
    char line[512];
    (void)snprintf(line, sizeof(line), "%s '" PREFIX "{%s}:state'", command, cache->namespace_);
    rky_valkey_server_cli(rky_valkey_server(), line, ret_answer, size);
}

START_TEST(an_entry_of_the_cache_carries_the_durable_etag_and_expires)
{
    struct cache cache;
    struct rky_remote_object object = {0};
    char etag[RKY_ETAG_MAX] = "", answer[128];
    cache_open(&cache);

    ck_assert_int_eq(cache_put(&cache, "body", 4, "\"abc-7\"", etag), 0);

    ck_assert_str_eq(etag, "\"abc-7\"");
    ck_assert_int_eq(cache.remote->ops->get(cache.remote, &cache.name, NULL, &cache.transfer,
                                            &object, &cache.err),
                     0);
    ck_assert_str_eq(object.etag, "\"abc-7\"");
    ck_assert_mem_eq(object.body, "body", 4);
    ck_assert_int_gt(object.modified_us, 0);
    rky_remote_object_done(&object);
    cli_of(&cache, "ttl", answer, sizeof(answer));
    ck_assert_int_gt(strtol(answer, NULL, 10), 7 * 86400 - 120);
    ck_assert_int_le(strtol(answer, NULL, 10), 7 * 86400);
    close_remote(cache.remote);
}
END_TEST

START_TEST(a_durable_object_never_expires)
{
    struct cache cache;
    char etag[RKY_ETAG_MAX] = "", answer[128];
    cache_open(&cache);
    close_remote(cache.remote);
    cache.remote = open_remote();

    ck_assert_int_eq(cache_put(&cache, "body", 4, NULL, etag), 0);
    cli_of(&cache, "ttl", answer, sizeof(answer));
    ck_assert_str_eq(answer, "-1");

    const struct rky_remote_put put = {
        .body = "next", .length = 4, .condition = RKY_IF_ETAG, .etag = etag};
    char next[RKY_ETAG_MAX] = "";
    ck_assert_int_eq(
        cache.remote->ops->put(cache.remote, &cache.name, &put, &cache.transfer, next, &cache.err),
        0);
    cli_of(&cache, "ttl", answer, sizeof(answer));
    ck_assert_str_eq(answer, "-1");
    close_remote(cache.remote);
}
END_TEST

START_TEST(what_is_too_large_for_the_cache_removes_the_older_entry)
{
    struct cache cache;
    const size_t length = ((size_t)8 << 20) + 1;
    char etag[RKY_ETAG_MAX] = "", answer[128];
    char *body = calloc(1, length);
    ck_assert_ptr_nonnull(body);
    cache_open(&cache);
    ck_assert_int_eq(cache_put(&cache, "old", 3, "\"1\"", etag), 0);
    ck_assert_int_eq(cache_put(&cache, body, length, "\"2\"", etag), 0);
    cli_of(&cache, "exists", answer, sizeof(answer));
    ck_assert_str_eq(answer, "0");
    free(body);
    close_remote(cache.remote);
}
END_TEST

START_TEST(a_key_of_another_program_is_corrupt_and_stays)
{
    struct cache cache;
    struct rky_remote_object object = {0};
    char answer[128], line[512];
    cache_open(&cache);
    (void)snprintf(line, sizeof(line), "set '" PREFIX "{%s}:state' 'what is this'",
                   cache.namespace_);
    rky_valkey_server_cli(rky_valkey_server(), line, answer, sizeof(answer));

    ck_assert_int_eq(cache.remote->ops->get(cache.remote, &cache.name, NULL, &cache.transfer,
                                            &object, &cache.err),
                     RKY_ERR_STATE_FILE);
    ck_assert_str_eq(cache.transfer.attempt.error_class, "corrupt");
    rky_error_clear(&cache.err);
    ck_assert_int_eq(
        cache.remote->ops->head(cache.remote, &cache.name, &cache.transfer, &object, &cache.err),
        RKY_ERR_STATE_FILE);

    cli_of(&cache, "get", answer, sizeof(answer));
    ck_assert_str_eq(answer, "what is this");
    close_remote(cache.remote);
}
END_TEST

START_TEST(a_key_of_another_type_is_a_configuration_error)
{
    struct cache cache;
    struct rky_remote_object object = {0};
    char answer[128], line[512];
    cache_open(&cache);
    (void)snprintf(line, sizeof(line), "lpush '" PREFIX "{%s}:state' x", cache.namespace_);
    rky_valkey_server_cli(rky_valkey_server(), line, answer, sizeof(answer));
    ck_assert_int_eq(cache.remote->ops->get(cache.remote, &cache.name, NULL, &cache.transfer,
                                            &object, &cache.err),
                     RKY_ERR_CONFIG);
    ck_assert_str_eq(cache.transfer.attempt.error_class, "wrong_type");
    close_remote(cache.remote);
}
END_TEST

START_TEST(a_cache_that_does_not_answer_costs_two_seconds_at_most)
{
    struct rky_valkey_server server;
    struct rky_remote *remote = NULL;
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    rky_valkey_server_start(&server, "");
    struct rky_valkey *client = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    ck_assert_int_eq(rky_remote_valkey_new(client, PREFIX, true, &remote, &err), 0);
    rky_valkey_server_do(&server, "pause");
    struct rky_transfer transfer = transfer_in(60000);
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = "x"};

    ck_assert_int_eq(remote->ops->get(remote, &name, NULL, &transfer, &object, &err),
                     RKY_ERR_TIMEOUT);

    ck_assert_str_eq(transfer.attempt.error_class, "timeout");
    ck_assert(transfer.attempt.counts);
    ck_assert_int_gt(rky_deadline_left_ms(&transfer.deadline), 60000 - 4000);
    rky_remote_free(remote);
    rky_valkey_free(client);
    rky_valkey_server_do(&server, "stop");
}
END_TEST

START_TEST(places_are_named_without_credentials)
{
    struct rky_valkey *client = rky_valkey_client(
        &(struct rky_valkey_options){.url = "rediss://someone:a-password@example.test:7000/3"});
    struct rky_remote *remote = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_remote_valkey_new(client, "p:", false, &remote, &err), 0);
    const struct rky_remote_name name = {
        .kind = RKY_REMOTE_HISTORY, .namespace_ = "shop", .suffix = "7.snap"};
    char *uri = remote->ops->uri(remote, &name);
    ck_assert_str_eq(uri, "valkeys://example.test:7000/3/p:{shop}:history:7.snap");
    free(uri);
    rky_remote_free(remote);
    rky_valkey_free(client);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = rky_remote_suite(&durable);
    TCase *tcase = tcase_create("cache");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, an_entry_of_the_cache_carries_the_durable_etag_and_expires);
    tcase_add_test(tcase, a_durable_object_never_expires);
    tcase_add_test(tcase, what_is_too_large_for_the_cache_removes_the_older_entry);
    tcase_add_test(tcase, a_key_of_another_program_is_corrupt_and_stays);
    tcase_add_test(tcase, a_key_of_another_type_is_a_configuration_error);
    tcase_add_test(tcase, a_cache_that_does_not_answer_costs_two_seconds_at_most);
    tcase_add_test(tcase, places_are_named_without_credentials);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_valkey_main("", suite);
}
