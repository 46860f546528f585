/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only S3 does, over the wire to the stand-in: permissions, what an answer teaches about the
 * service, and connections. What is sent and received as bytes is in s3_wire_bytes.c.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/conformance/s3_wire_kit.h"

static int drop(void)
{
    wire_begin();
    return wire.client.remote->ops->remove(wire.client.remote, &wire.name, NULL, &wire.transfer,
                                           &wire.err);
}

static void deny(const char *action)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"action\":\"%s\",\"key\":\"*%s*\"}", action, wire.ns);
    json_decref(rky_s3_admin(rky_s3_server(), "POST", "deny", body));
}

static void allow_all(void)
{
    json_decref(rky_s3_admin(rky_s3_server(), "DELETE", "deny", NULL));
}

static void set(const struct rky_s3_server *server, const char *text)
{
    json_decref(rky_s3_admin(server, "POST", "settings", text));
}

/* --- permissions -------------------------------------------------------------------------------
 */

START_TEST(a_refusal_names_the_permission_that_is_missing)
{
    size_t count = 0;
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    ck_assert_int_eq(wire_create(), 0);
    deny("s3:GetObject");
    wire_expect_fault(wire_get(), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "s3:GetObject on arn:aws:s3:::rocky/rocky/state/*");
    wire_expect_text(wire.err.hint, "s3:ListBucket");
    wire_expect_fault(wire_look(), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "s3:GetObject");
    wire_expect_text(wire.err.message, "AccessDenied");
    ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_NO);
    ck_assert(!wire.transfer.attempt.counts);
    allow_all();
    deny("s3:PutObject");
    wire_expect_fault(wire_put(&wire.name, "x", 1, RKY_IF_ETAG, wire.etag), RKY_ERR_AUTH,
                      "permission");
    wire_expect_text(wire.err.hint, "s3:PutObject");
    deny("s3:DeleteObject");
    wire_expect_fault(drop(), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "s3:DeleteObject");
    deny("s3:ListBucket");
    wire_expect_fault(wire_list(&count), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "s3:ListBucket on arn:aws:s3:::rocky");
    allow_all();
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(a_missing_object_without_permission_to_list_is_never_absent)
{
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    deny("s3:ListBucket");
    wire_expect_fault(wire_get(), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "s3:ListBucket");
    ck_assert(!wire.object.exists);
    wire_expect_fault(wire_look(), RKY_ERR_AUTH, "permission");
    allow_all();
    ck_assert_int_eq(wire_look(), 0);
    ck_assert(!wire.object.exists);
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(a_key_that_may_not_be_used_is_named)
{
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){.sse = "aws:kms",
                                                                      .kms_key_id = "alias/state"});
    deny("kms:GenerateDataKey");
    wire_expect_fault(wire_create(), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "kms:GenerateDataKey");
    allow_all();
    ck_assert_int_eq(wire_create(), 0);
    deny("kms:Decrypt");
    wire_expect_fault(wire_get(), RKY_ERR_AUTH, "permission");
    wire_expect_text(wire.err.hint, "kms:Decrypt");
    allow_all();
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(a_bucket_that_does_not_exist_is_no_first_run)
{
    size_t count = 0;
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){.bucket = "no-such-bucket"});
    wire_expect_fault(wire_get(), RKY_ERR_CONFIG, "bucket_missing");
    wire_expect_text(wire.err.hint, "state.s3_bucket");
    wire_expect_fault(wire_look(), RKY_ERR_CONFIG, "bucket_missing");
    wire_expect_fault(wire_create(), RKY_ERR_CONFIG, "bucket_missing");
    wire_expect_fault(wire_list(&count), RKY_ERR_CONFIG, "bucket_missing");
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(wrong_credentials_are_told_apart_and_never_shown)
{
    static const struct rky_s3_client_options wrong[] = {
        {.secret_key = "another-secret-key"},
        {.access_key = "AKIAUNKNOWN"},
    };
    static const char *const codes[] = {"SignatureDoesNotMatch", "InvalidAccessKeyId"};
    for (size_t i = 0; i < 2; i++) {
        wire_open_client(rky_s3_server(), &wrong[i]);
        wire_expect_fault(wire_get(), RKY_ERR_AUTH, "auth");
        wire_expect_text(wire.err.message, codes[i]);
        ck_assert_ptr_null(strstr(wire.err.message, "another-secret-key"));
        wire_expect_fault(wire_look(), RKY_ERR_AUTH, "auth");
        wire_expect_text(wire.err.message, codes[i]);
        rky_s3_client_close(&wire.client);
    }
}
END_TEST

START_TEST(a_session_token_is_signed_and_sent)
{
    set(rky_s3_server(), "{\"keys\":{\"" RKY_S3_ACCESS_KEY "\":{\"secret\":\"" RKY_S3_SECRET_KEY
                         "\"},\"ASIATEMP\":{\"secret\":\"temporary-secret\","
                         "\"token\":\"FwoGZXIvYXdzE/+token==\"}}}");
    wire_open_client(rky_s3_server(),
                     &(struct rky_s3_client_options){.access_key = "ASIATEMP",
                                                     .secret_key = "temporary-secret",
                                                     .session_token = "FwoGZXIvYXdzE/+token=="});
    ck_assert_msg(wire_create() == 0, "%s", wire.err.message);
    ck_assert_int_eq(wire_get(), 0);
    ck_assert_uint_eq(wire.object.length, 4);
    wire_begin();
    rky_s3_client_close(&wire.client);
}
END_TEST

/* --- what one answer teaches -------------------------------------------------------------------
 */

START_TEST(the_region_of_the_bucket_is_learned_once)
{
    rky_s3_server_start(&wire.own, "--region eu-central-1");
    wire_open_client(&wire.own, &(struct rky_s3_client_options){.region = "us-east-1"});
    wire_expect_fault(wire_look(), RKY_ERR_CONFIG, "region");
    ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_FREE);
    wire_expect_text(wire.err.hint, "state.s3_region");
    ck_assert_int_eq(wire_look(), 0);
    ck_assert_int_eq(wire_create(), 0);
    /* Another answer of that kind teaches nothing any more. */
    set(&wire.own, "{\"region\":\"ap-south-1\"}");
    wire_expect_fault(wire_get(), RKY_ERR_CONFIG, "region");
    ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_NO);
    rky_s3_client_close(&wire.client);
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

START_TEST(a_redirect_is_explained_and_not_followed)
{
    char text[256];
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    (void)snprintf(text, sizeof(text),
                   "{\"operation\":\"GET\",\"key\":\"*%s*\",\"action\":\"redirect\","
                   "\"status\":301,\"code\":\"PermanentRedirect\"}",
                   wire.ns);
    wire_fault(rky_s3_server(), text);
    wire_expect_fault(wire_get(), RKY_ERR_CONFIG, "region");
    ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_NO);
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), "GET", wire.ns, NULL), 1);
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(a_clock_that_is_wrong_is_corrected_once)
{
    rky_s3_server_start(&wire.own, "--set skew_s=7200");
    wire_open_client(&wire.own, &(struct rky_s3_client_options){0});
    wire_expect_fault(wire_create(), RKY_ERR_AUTH, "clock_skew");
    ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_FREE);
    wire_expect_text(wire.err.hint, "clock");
    ck_assert_msg(wire_create() == 0, "%s", wire.err.message);
    ck_assert_int_eq(wire_get(), 0);
    set(&wire.own, "{\"skew_s\":-7200}");
    wire_expect_fault(wire_get(), RKY_ERR_AUTH, "clock_skew");
    ck_assert_int_eq(wire_get(), 0);
    wire_begin();
    rky_s3_client_close(&wire.client);
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

START_TEST(a_service_without_conditional_writes_is_found_out)
{
    rky_s3_server_start(&wire.own, "--set conditional=false");
    wire_open_client(&wire.own, &(struct rky_s3_client_options){0});
    wire_expect_fault(wire_create(), RKY_ERR_CONFIG, "cas_unsupported");
    wire_expect_text(wire.err.hint, "state.concurrency_control");
    rky_s3_client_close(&wire.client);
    wire_open_client(&wire.own, &(struct rky_s3_client_options){.unconditional = true});
    ck_assert_int_eq(wire_create(), 0);
    ck_assert_int_eq(wire_put(&wire.name, "two", 3, RKY_IF_ETAG, "\"whatever\""), 0);
    rky_s3_client_close(&wire.client);
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

/* --- connections -------------------------------------------------------------------------------
 */

START_TEST(tls_with_a_ca_file_of_our_own_works_and_another_ca_is_refused)
{
    char ca[4400];
    rky_s3_server_start(&wire.own, "--tls yes");
    (void)snprintf(ca, sizeof(ca), "%s/ca.crt", wire.own.directory);
    wire_open_client(&wire.own, &(struct rky_s3_client_options){.ca_file = ca});
    ck_assert_msg(wire_create() == 0, "%s", wire.err.message);
    ck_assert_int_eq(wire_get(), 0);
    wire_begin();
    rky_s3_client_close(&wire.client);

    (void)snprintf(ca, sizeof(ca), "%s/other-ca.crt", wire.own.directory);
    const char *const refused[] = {ca, NULL};
    for (size_t i = 0; i < 2; i++) {
        wire_open_client(&wire.own, &(struct rky_s3_client_options){.ca_file = refused[i]});
        wire_expect_fault(wire_get(), RKY_ERR_CONFIG, "certificate");
        ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_NO);
        rky_s3_client_close(&wire.client);
    }
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

START_TEST(the_bucket_may_stand_in_the_name_of_the_host)
{
    char endpoint[160];
    const char *port = strrchr(rky_s3_server()->endpoint, ':');
    (void)snprintf(endpoint, sizeof(endpoint), "http://s3.localhost%s/", port);
    wire_open_client(rky_s3_server(),
                     &(struct rky_s3_client_options){.endpoint = endpoint, .virtual_host = true});
    ck_assert_msg(wire_create() == 0, "%s", wire.err.message);
    json_t *entry = wire_stored(rky_s3_server());
    ck_assert_str_eq(json_string_value(json_object_get(entry, "bucket")), RKY_S3_BUCKET);
    json_decref(entry);
    size_t count = 1;
    ck_assert_int_eq(wire_list(&count), 0);
    ck_assert_uint_eq(count, 0);
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(nobody_there_is_a_connection_fault)
{
    wire_open_client(rky_s3_server(),
                     &(struct rky_s3_client_options){.endpoint = "http://127.0.0.1:1"});
    wire_expect_fault(wire_get(), RKY_ERR_CONNECTION, "connect");
    ck_assert_int_eq(wire.transfer.attempt.retry, RKY_RETRY_YES);
    ck_assert(wire.transfer.attempt.counts);
    rky_s3_client_close(&wire.client);
}
END_TEST

START_TEST(an_endpoint_that_makes_no_sense_is_refused_at_once)
{
    static const char *const endpoints[] = {"s3.example.com", "ftp://s3.example.com", "https://",
                                            "https://user:secret@s3.example.com",
                                            "https://s3.example.com/?x=1"};
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct rky_remote *remote = NULL;
        const struct rky_remote_s3_options options = {
            .bucket = "b", .prefix = "p/", .region = "us-east-1", .endpoint = endpoints[i]};
        wire_begin();
        ck_assert_int_eq(rky_remote_s3_new(&options, &remote, &wire.err), RKY_ERR_CONFIG);
        wire_expect_text(wire.err.message, "state.s3_endpoint");
        ck_assert_ptr_null(strstr(wire.err.message, "secret"));
    }
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        a_refusal_names_the_permission_that_is_missing,
        a_missing_object_without_permission_to_list_is_never_absent,
        a_key_that_may_not_be_used_is_named,
        a_bucket_that_does_not_exist_is_no_first_run,
        wrong_credentials_are_told_apart_and_never_shown,
        a_session_token_is_signed_and_sent,
        the_region_of_the_bucket_is_learned_once,
        a_redirect_is_explained_and_not_followed,
        a_clock_that_is_wrong_is_corrected_once,
        a_service_without_conditional_writes_is_found_out,
        tls_with_a_ca_file_of_our_own_works_and_another_ca_is_refused,
        the_bucket_may_stand_in_the_name_of_the_host,
        nobody_there_is_a_connection_fault,
        an_endpoint_that_makes_no_sense_is_refused_at_once,
    };
    Suite *s = suite_create("s3: over the wire");
    TCase *tcase = tcase_create("wire");
    tcase_add_checked_fixture(tcase, wire_setup, NULL);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    wire_add_bytes(tcase);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    return rky_s3_main("--server standin", suite);
}
