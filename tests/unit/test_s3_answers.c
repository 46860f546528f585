/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that no S3 gives, but proxies and broken gateways do: a success of another kind than the
 * request can have. None may pass for a state, nor for the absence of one.
 */
#include "config.h"

#include <check.h>
#include <string.h>

#include "common/clock.h"
#include "common/credentials.h"
#include "state/remote_s3.h"
#include "tests/kit/check_main.h"
#include "tests/unit/http_kit.h"

static const char *variable(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "AWS_ACCESS_KEY_ID") == 0 || strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0
               ? "key"
               : NULL;
}

struct client {
    struct kit_server server;
    struct rky_http *http;
    struct rky_credentials *credentials;
    struct rky_remote *remote;
    struct rky_clock *clock;
};

static void open_client(struct client *client, kit_script *script, void *context)
{
    kit_start(&client->server, script, context);
    client->http = kit_client(0);
    client->clock = rky_clock_real();
    const struct rky_credentials_options credentials = {
        .http = client->http, .clock = client->clock, .getenv = variable};
    ck_assert_int_eq(rky_credentials_new(&credentials, &client->credentials, NULL), 0);
    const struct rky_remote_s3_options options = {
        .bucket = "rocky",
        .prefix = "rocky/state/",
        .region = "us-east-1",
        .endpoint = client->server.url,
        .path_style = true,
        .conditional = true,
        .http = client->http,
        .credentials = client->credentials,
        .clock = client->clock,
    };
    ck_assert_int_eq(rky_remote_s3_new(&options, &client->remote, NULL), 0);
}

static void close_client(struct client *client)
{
    rky_remote_free(client->remote);
    rky_credentials_free(client->credentials);
    rky_http_free(client->http);
    kit_stop(&client->server);
}

/* @param context what is answered to every request. */
static void answer_always(struct kit_connection *connection, void *context)
{
    while (kit_read(connection) && kit_send(connection, context)) {
    }
}

static struct {
    const char *name;
    char bytes[128];
} strange[] = {
    {"not modified", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"},
    {"no content", "HTTP/1.1 204 No Content\r\nETag: \"a\"\r\n\r\n"},
    {"a part", "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nContent-Length: 0\r\n\r\n"},
    {"accepted", "HTTP/1.1 202 Accepted\r\nETag: \"a\"\r\nContent-Length: 0\r\n\r\n"},
};

START_TEST(a_success_of_another_kind_is_neither_a_state_nor_none)
{
    struct client client;
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = "acme"};
    open_client(&client, answer_always, strange[_i].bytes);
    for (int head = 0; head <= 1; head++) {
        struct rky_transfer transfer = {.clock = client.clock,
                                        .deadline = rky_deadline_in(client.clock, 10000)};
        struct rky_remote_object object = {0};
        struct rky_error err = {0};
        int rc =
            head == 1
                ? client.remote->ops->head(client.remote, &name, &transfer, &object, &err)
                : client.remote->ops->get(client.remote, &name, NULL, &transfer, &object, &err);
        ck_assert_msg(rc != 0, "%s, head %d", strange[_i].name, head);
        ck_assert_str_eq(transfer.attempt.error_class, "bad_reply");
        ck_assert(!object.exists && !object.not_modified);
        rky_remote_object_done(&object);
    }
    close_client(&client);
}
END_TEST

START_TEST(not_modified_is_believed_of_the_version_that_was_named)
{
    struct client client;
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = "acme"};
    open_client(&client, answer_always, strange[0].bytes);
    struct rky_transfer transfer = {.clock = client.clock,
                                    .deadline = rky_deadline_in(client.clock, 10000)};
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(
        client.remote->ops->get(client.remote, &name, "\"a\"", &transfer, &object, &err), 0);
    ck_assert(object.exists && object.not_modified);
    rky_remote_object_done(&object);
    close_client(&client);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("s3_answers");
    TCase *tcase = tcase_create("answers");
    tcase_add_loop_test(tcase, a_success_of_another_kind_is_neither_a_state_nor_none, 0,
                        (int)(sizeof(strange) / sizeof(strange[0])));
    tcase_add_test(tcase, not_modified_is_believed_of_the_version_that_was_named);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
