/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A write to S3 that breaks off, at every point of the connection: the guarded driver finds out by
 * reading back, over a real connection to the stand-in, whose log says what happened there.
 *
 * For each point: the write succeeds or says that it is unknown, it is in the store exactly once,
 * and it is reported as found again exactly when the reply of the write that took effect was lost.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/kit/s3_server.h"

#define TRANSFER_MS 30000

static const struct rky_retry_config retry = {.max_retries = 3,
                                              .initial_backoff_ms = 1,
                                              .max_backoff_ms = 2,
                                              .backoff_multiplier = 2.0,
                                              .circuit_breaker_threshold = 5,
                                              .circuit_breaker_recovery_timeout_secs = 30,
                                              .max_retries_per_run = -1};
static struct rky_s3_client client;
static struct rky_remote *remote;
static struct rky_leg leg;
static char ns[64];
static struct rky_remote_name name;
static struct rky_snapshot_head head;
static int64_t waited_ms;

static void open_guarded(void)
{
    struct rky_error err = {0};
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    (void)snprintf(ns, sizeof(ns), "t-%s", id);
    name = (struct rky_remote_name){.kind = RKY_REMOTE_HEAD, .namespace_ = ns};
    head = (struct rky_snapshot_head){.generation = 1};
    (void)snprintf(head.namespace_, sizeof(head.namespace_), "%s", ns);
    rky_uuid_v4(head.write_id);
    rky_uuid_v4(head.lineage);
    rky_s3_client_open(&client, rky_s3_server(), &(struct rky_s3_client_options){0});
    leg = (struct rky_leg){.name = "s3", .retry = &retry};
    leg.breaker = rky_breaker_new(retry.circuit_breaker_threshold, 30000, rky_clock_real());
    ck_assert_ptr_nonnull(leg.breaker);
    ck_assert_int_eq(rky_remote_guarded(client.remote, &leg, &remote, &err), 0);
    client.remote = NULL;
    waited_ms = 0;
}

static void close_guarded(void)
{
    json_decref(rky_s3_admin(rky_s3_server(), "DELETE", "faults", NULL));
    rky_remote_free(remote);
    rky_s3_client_close(&client);
    rky_breaker_free(leg.breaker);
}

static void count_wait(void *context, int64_t ms)
{
    (void)context;
    waited_ms += ms;
}

static struct rky_transfer transfer_of(int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    return (struct rky_transfer){
        .clock = clock, .deadline = rky_deadline_in(clock, ms), .wait = count_wait};
}

/* A fault for this test's own key. */
static void set_fault(const char *operation, const char *rest)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "{\"operation\":\"%s\",\"key\":\"*%s*\",%s}", operation, ns,
                   rest);
    json_decref(rky_s3_admin(rky_s3_server(), "POST", "faults", text));
}

struct result {
    int rc;
    char etag[RKY_ETAG_MAX];
    struct rky_transfer transfer;
    struct rky_error err;
};

static struct result write_one(const char *body, size_t length, const char *base)
{
    struct result result = {.transfer = transfer_of(TRANSFER_MS)};
    const struct rky_remote_put put = {.body = body,
                                       .length = length,
                                       .condition = base != NULL ? RKY_IF_ETAG : RKY_IF_ABSENT,
                                       .etag = base,
                                       .head = &head};
    result.rc = remote->ops->put(remote, &name, &put, &result.transfer, result.etag, &result.err);
    return result;
}

static void expect_stored(const char *body, size_t length, const char *etag)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    json_decref(rky_s3_admin(rky_s3_server(), "DELETE", "faults", NULL));
    int rc = remote->ops->get(remote, &name, NULL, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert(object.exists);
    ck_assert_uint_eq(object.length, length);
    ck_assert(memcmp(object.body, body, length) == 0);
    ck_assert_str_eq(object.etag, etag);
    ck_assert(object.has_head);
    ck_assert_str_eq(object.head.write_id, head.write_id);
    rky_remote_object_done(&object);
}

static int changes(void)
{
    int count = 0;
    (void)rky_s3_count(rky_s3_server(), NULL, ns, &count);
    return count;
}

/* Where a connection can break, and whether the write has taken effect by then. */
static const struct {
    const char *fault;
    bool applied;
} points[] = {
    {"\"action\":\"reset_mid_body\",\"bytes\":0", false},
    {"\"action\":\"reset_mid_body\",\"bytes\":1", false},
    {"\"action\":\"reset_mid_body\",\"bytes\":50000", false},
    {"\"action\":\"drop\",\"how\":\"close\"", false},
    {"\"action\":\"drop\",\"how\":\"reset\"", false},
    {"\"action\":\"drop\",\"how\":\"close\",\"apply\":true", true},
    {"\"action\":\"drop\",\"how\":\"reset\",\"apply\":true", true},
    {"\"action\":\"cut_reply\",\"bytes\":1", true},
    {"\"action\":\"cut_reply\",\"bytes\":9", true},
    {"\"action\":\"cut_reply\",\"bytes\":17", true},
    {"\"action\":\"cut_reply\",\"bytes\":80", true},
    {"\"action\":\"cut_reply\",\"bytes\":80,\"how\":\"reset\"", true},
    {"\"action\":\"status\",\"status\":500,\"code\":\"InternalError\"", false},
    {"\"action\":\"status\",\"status\":500,\"code\":\"InternalError\",\"apply\":true", true},
    {"\"action\":\"status\",\"status\":503,\"code\":\"SlowDown\"", false},
    {"\"action\":\"status\",\"status\":503,\"code\":\"SlowDown\",\"apply\":true", true},
    {"\"action\":\"status\",\"status\":409,\"code\":\"ConditionalRequestConflict\"", false},
    {"\"action\":\"status\",\"status\":409,\"code\":\"ConditionalRequestConflict\",\"apply\":true",
     true},
    {"\"action\":\"status\",\"status\":412,\"code\":\"PreconditionFailed\",\"apply\":true", true},
};
enum { POINTS = sizeof(points) / sizeof(points[0]) };
static char body[200000];

static void fill(char c)
{
    memset(body, c, sizeof(body));
}

static void expect_done(const struct result *result, int point, int expected_changes)
{
    const char *fault = points[point].fault;
    ck_assert_msg(result->rc == 0, "%s: %s", fault, result->err.message);
    ck_assert_msg(result->transfer.recovered == points[point].applied, "%s: recovered %d", fault,
                  result->transfer.recovered);
    ck_assert_msg(changes() == expected_changes, "%s: %d changes", fault, changes());
    expect_stored(body, sizeof(body), result->etag);
}

START_TEST(a_create_that_breaks_off_is_made_exactly_once)
{
    fill('c');
    set_fault("PUT", points[_i].fault);
    struct result result = write_one(body, sizeof(body), NULL);
    expect_done(&result, _i, 1);
}
END_TEST

START_TEST(a_replace_that_breaks_off_is_made_exactly_once)
{
    fill('a');
    struct result first = write_one(body, sizeof(body), NULL);
    ck_assert_int_eq(first.rc, 0);
    rky_uuid_v4(head.write_id);
    head.generation = 2;
    fill('b');
    set_fault("PUT", points[_i].fault);
    struct result result = write_one(body, sizeof(body), first.etag);
    expect_done(&result, _i, 2);
}
END_TEST

START_TEST(a_large_upload_that_breaks_off_at_its_end_is_made_exactly_once)
{
    static const size_t length = ((size_t)16 << 20) + 7;
    const char *fault = points[_i].fault;
    char *large = malloc(length);
    ck_assert_ptr_nonnull(large);
    memset(large, 'l', length);
    if (strstr(fault, "reset_mid_body") != NULL) {
        free(large);
        return;
    }
    rky_remote_free(remote);
    rky_s3_client_close(&client);
    rky_s3_client_open(&client, rky_s3_server(),
                       &(struct rky_s3_client_options){.multipart_above = 1 << 20});
    ck_assert_int_eq(rky_remote_guarded(client.remote, &leg, &remote, NULL), 0);
    client.remote = NULL;
    set_fault("COMPLETE", fault);
    struct result result = write_one(large, length, NULL);
    ck_assert_msg(result.rc == 0, "%s: %s", fault, result.err.message);
    ck_assert_msg(result.transfer.recovered == points[_i].applied, "%s", fault);
    ck_assert_int_eq(changes(), 1);
    expect_stored(large, length, result.etag);
    free(large);
}
END_TEST

START_TEST(a_foreign_winner_is_a_conflict_after_a_lost_reply_too)
{
    fill('x');
    struct result first = write_one(body, sizeof(body), NULL);
    rky_uuid_v4(head.write_id);
    struct result winner = write_one("winner", 6, first.etag);
    ck_assert_int_eq(winner.rc, 0);
    rky_uuid_v4(head.write_id);
    set_fault("PUT", "\"action\":\"drop\",\"apply\":true");
    struct result late = write_one("late", 4, first.etag);
    ck_assert_int_eq(late.rc, RKY_ERR_CONFLICT);
    ck_assert(!late.transfer.recovered);
    ck_assert_int_eq(changes(), 2);
}
END_TEST

START_TEST(a_reply_that_never_comes_ends_with_the_transfer)
{
    struct rky_clock *clock = rky_clock_real();
    const struct rky_remote_put put = {
        .body = "x", .length = 1, .condition = RKY_IF_ABSENT, .head = &head};
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    set_fault("PUT", "\"action\":\"never_answer\",\"count\":-1");
    struct rky_transfer transfer = transfer_of(700);
    int64_t begun = clock->mono_ms(clock);
    int rc = remote->ops->put(remote, &name, &put, &transfer, etag, &err);
    int64_t took = clock->mono_ms(clock) - begun;
    ck_assert_int_ne(rc, 0);
    ck_assert_msg(took >= 650 && took < 1700, "took %d ms", (int)took);
    ck_assert_int_eq(transfer.end, RKY_GUARD_TIMEOUT);
    ck_assert_int_eq(changes(), 0);
}
END_TEST

START_TEST(a_reply_byte_by_byte_ends_with_the_transfer)
{
    struct rky_clock *clock = rky_clock_real();
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    set_fault("GET", "\"action\":\"drip\",\"bytes_per_second\":20,\"count\":-1");
    struct rky_transfer transfer = transfer_of(700);
    int64_t begun = clock->mono_ms(clock);
    ck_assert_int_ne(remote->ops->get(remote, &name, NULL, &transfer, &object, &err), 0);
    int64_t took = clock->mono_ms(clock) - begun;
    ck_assert_msg(took >= 650 && took < 1700, "took %d ms", (int)took);
    ck_assert_int_eq(transfer.end, RKY_GUARD_TIMEOUT);
    ck_assert(!object.exists);
}
END_TEST

START_TEST(a_body_that_is_cut_short_is_asked_for_again)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    fill('t');
    ck_assert_int_eq(write_one(body, sizeof(body), NULL).rc, 0);
    set_fault("GET", "\"action\":\"truncate\",\"count\":2");
    ck_assert_msg(remote->ops->get(remote, &name, NULL, &transfer, &object, &err) == 0, "%s",
                  err.message);
    ck_assert_int_eq(transfer.retries, 2);
    ck_assert_uint_eq(object.length, sizeof(body));
    ck_assert(memcmp(object.body, body, sizeof(body)) == 0);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(the_servers_wish_to_be_left_alone_is_respected)
{
    set_fault("PUT",
              "\"action\":\"status\",\"status\":503,\"code\":\"SlowDown\",\"retry_after\":7");
    struct result result = write_one("x", 1, NULL);
    ck_assert_msg(result.rc == 0, "%s", result.err.message);
    ck_assert_int_eq(result.transfer.retries, 1);
    ck_assert_int_ge(waited_ms, 7000);
}
END_TEST

START_TEST(an_open_breaker_sends_nothing)
{
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    set_fault("*", "\"action\":\"status\",\"status\":503,\"count\":-1");
    while (rky_breaker_state(leg.breaker) == RKY_BREAKER_CLOSED) {
        rky_error_clear(&err);
        transfer = transfer_of(TRANSFER_MS);
        ck_assert_int_ne(remote->ops->get(remote, &name, NULL, &transfer, &object, &err), 0);
    }
    int sent = rky_s3_count(rky_s3_server(), NULL, ns, NULL);
    ck_assert_int_eq(sent, (int)retry.circuit_breaker_threshold);
    for (int i = 0; i < 3; i++) {
        rky_error_clear(&err);
        transfer = transfer_of(TRANSFER_MS);
        ck_assert_int_ne(remote->ops->get(remote, &name, NULL, &transfer, &object, &err), 0);
        ck_assert_int_eq(transfer.end, RKY_GUARD_OPEN);
    }
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), NULL, ns, NULL), sent);
}
END_TEST

START_TEST(credentials_that_expired_are_renewed_once_and_for_free)
{
    set_fault("PUT", "\"action\":\"status\",\"status\":400,\"code\":\"ExpiredToken\"");
    struct result result = write_one("x", 1, NULL);
    ck_assert_msg(result.rc == 0, "%s", result.err.message);
    ck_assert_int_eq(result.transfer.retries, 0);
    ck_assert_int_eq(waited_ms, 0);

    rky_uuid_v4(head.write_id);
    set_fault("PUT", "\"action\":\"status\",\"status\":400,\"code\":\"ExpiredToken\",\"count\":-1");
    result = write_one("y", 1, result.etag);
    ck_assert_int_eq(result.rc, RKY_ERR_AUTH);
    ck_assert_str_eq(result.transfer.attempt.error_class, "expired_token");
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), "PUT", ns, NULL), 4);
}
END_TEST

/* The stand-in accepts this secret alone from now on. */
static void withdraw_keys(const char *secret)
{
    char settings[256];
    (void)snprintf(settings, sizeof(settings), "{\"keys\": {\"%s\": {\"secret\": \"%s\"}}}",
                   RKY_S3_ACCESS_KEY, secret);
    json_decref(rky_s3_admin(rky_s3_server(), "POST", "settings", settings));
}

START_TEST(keys_that_were_replaced_meanwhile_are_looked_up_again)
{
    struct result result = write_one("x", 1, NULL);
    ck_assert_msg(result.rc == 0, "%s", result.err.message);

    withdraw_keys("the-next-secret");
    rky_uuid_v4(head.write_id);
    struct result refused = write_one("y", 1, result.etag);
    ck_assert_int_eq(refused.rc, RKY_ERR_AUTH);
    ck_assert_str_eq(refused.transfer.attempt.error_class, "auth");
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), "PUT", ns, NULL), 2); /* the same: no second */

    client.variables[1] = "the-next-secret";
    refused = write_one("y", 1, result.etag);
    ck_assert_msg(refused.rc == 0, "%s", refused.err.message);
    withdraw_keys(RKY_S3_SECRET_KEY);
    client.variables[1] = RKY_S3_SECRET_KEY;
    rky_uuid_v4(head.write_id);
    result = write_one("z", 1, refused.etag);
    ck_assert_msg(result.rc == 0, "%s", result.err.message);
    ck_assert_int_eq(result.transfer.retries, 0);
    ck_assert_int_eq(waited_ms, 0);
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), "PUT", ns, NULL), 6);
}
END_TEST

START_TEST(a_body_that_arrived_damaged_is_sent_once_more)
{
    set_fault("PUT", "\"action\":\"status\",\"status\":400,\"code\":\"XAmzContentSHA256Mismatch\","
                     "\"count\":-1");
    struct result result = write_one("x", 1, NULL);
    ck_assert_int_ne(result.rc, 0);
    ck_assert_str_eq(result.transfer.attempt.error_class, "checksum");
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), "PUT", ns, NULL), 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("s3: lost replies");
    TCase *points_case = tcase_create("points");
    tcase_add_checked_fixture(points_case, open_guarded, close_guarded);
    tcase_set_timeout(points_case, 60);
    tcase_add_loop_test(points_case, a_create_that_breaks_off_is_made_exactly_once, 0, POINTS);
    tcase_add_loop_test(points_case, a_replace_that_breaks_off_is_made_exactly_once, 0, POINTS);
    tcase_add_loop_test(points_case, a_large_upload_that_breaks_off_at_its_end_is_made_exactly_once,
                        0, POINTS);
    suite_add_tcase(s, points_case);
    TCase *other = tcase_create("other");
    tcase_add_checked_fixture(other, open_guarded, close_guarded);
    tcase_set_timeout(other, 60);
    tcase_add_test(other, a_foreign_winner_is_a_conflict_after_a_lost_reply_too);
    tcase_add_test(other, a_reply_that_never_comes_ends_with_the_transfer);
    tcase_add_test(other, a_reply_byte_by_byte_ends_with_the_transfer);
    tcase_add_test(other, a_body_that_is_cut_short_is_asked_for_again);
    tcase_add_test(other, the_servers_wish_to_be_left_alone_is_respected);
    tcase_add_test(other, an_open_breaker_sends_nothing);
    tcase_add_test(other, credentials_that_expired_are_renewed_once_and_for_free);
    tcase_add_test(other, keys_that_were_replaced_meanwhile_are_looked_up_again);
    tcase_add_test(other, a_body_that_arrived_damaged_is_sent_once_more);
    suite_add_tcase(s, other);
    return s;
}

int main(void)
{
    return rky_s3_main("--server standin", suite);
}
