/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only S3 does, over the wire: refusals and the permission they name, regions, clocks, TLS,
 * styles of addressing, encryption, uploads in parts, pages of a listing. Against the stand-in; the
 * bare driver, one attempt per call.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/kit/s3_server.h"

#define TRANSFER_MS 30000

static struct rky_s3_server own; /* of a test that changes settings of the whole server */
static struct rky_s3_client client;
static struct rky_transfer transfer;
static struct rky_remote_object object;
static struct rky_error err;
static char etag[RKY_ETAG_MAX];
static char ns[64];
static struct rky_remote_name name;

static void setup(void)
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    (void)snprintf(ns, sizeof(ns), "t-%s", id);
    name = (struct rky_remote_name){.kind = RKY_REMOTE_HEAD, .namespace_ = ns};
}

static void begin(void)
{
    struct rky_clock *clock = rky_clock_real();
    rky_error_clear(&err);
    err.hint[0] = '\0';
    rky_remote_object_done(&object);
    transfer =
        (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, TRANSFER_MS)};
}

static void open_client(const struct rky_s3_server *server,
                        const struct rky_s3_client_options *options)
{
    rky_s3_client_open(&client, server, options);
}

static int put(const struct rky_remote_name *where, const void *body, size_t length,
               enum rky_remote_if condition, const char *base)
{
    const struct rky_remote_put what = {
        .body = body, .length = length, .condition = condition, .etag = base};
    begin();
    return client.remote->ops->put(client.remote, where, &what, &transfer, etag, &err);
}

static int create(void)
{
    return put(&name, "body", 4, RKY_IF_ABSENT, NULL);
}

static int get(void)
{
    begin();
    return client.remote->ops->get(client.remote, &name, NULL, &transfer, &object, &err);
}

static int look(void)
{
    begin();
    return client.remote->ops->head(client.remote, &name, &transfer, &object, &err);
}

static int drop(void)
{
    begin();
    return client.remote->ops->remove(client.remote, &name, NULL, &transfer, &err);
}

static int list(size_t *ret_count)
{
    struct rky_remote_list found = {0};
    begin();
    int rc =
        client.remote->ops->list(client.remote, RKY_REMOTE_HISTORY, ns, &transfer, &found, &err);
    *ret_count = found.count;
    for (size_t i = 1; i < found.count; i++)
        ck_assert(strcmp(found.items[i - 1].suffix, found.items[i].suffix) < 0);
    rky_remote_list_done(&found);
    return rc;
}

static void expect_fault(int rc, int code, const char *error_class)
{
    ck_assert_msg(rc == code, "%s instead of %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_pstr_eq(transfer.attempt.error_class, error_class);
    ck_assert_ptr_nonnull(strstr(err.message, "'s3://"));
    ck_assert_ptr_null(strstr(err.message, RKY_S3_SECRET_KEY));
}

static void expect_text(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in '%s'", part, text);
}

static void deny(const char *action)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"action\":\"%s\",\"key\":\"*%s*\"}", action, ns);
    json_decref(rky_s3_admin(rky_s3_server(), "POST", "deny", body));
}

static void allow_all(void)
{
    json_decref(rky_s3_admin(rky_s3_server(), "DELETE", "deny", NULL));
}

static void fault(const struct rky_s3_server *server, const char *text)
{
    json_decref(rky_s3_admin(server, "POST", "faults", text));
}

static void set(const struct rky_s3_server *server, const char *text)
{
    json_decref(rky_s3_admin(server, "POST", "settings", text));
}

/* What the stand-in has under the test's key. Caller releases. */
static json_t *stored(const struct rky_s3_server *server)
{
    json_t *all = rky_s3_admin(server, "GET", "objects", NULL);
    json_t *objects = json_object_get(all, "objects");
    json_t *entry = NULL, *found = NULL;
    size_t i = 0;
    json_array_foreach(objects, i, entry)
    {
        if (strstr(json_string_value(json_object_get(entry, "key")), ns) != NULL)
            found = json_incref(entry);
    }
    json_decref(all);
    ck_assert_ptr_nonnull(found);
    return found;
}

/* --- permissions -------------------------------------------------------------------------------
 */

START_TEST(a_refusal_names_the_permission_that_is_missing)
{
    size_t count = 0;
    open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    ck_assert_int_eq(create(), 0);
    deny("s3:GetObject");
    expect_fault(get(), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "s3:GetObject on arn:aws:s3:::rocky/rocky/state/*");
    expect_text(err.hint, "s3:ListBucket");
    expect_fault(look(), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "s3:GetObject");
    expect_text(err.message, "AccessDenied");
    ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_NO);
    ck_assert(!transfer.attempt.counts);
    allow_all();
    deny("s3:PutObject");
    expect_fault(put(&name, "x", 1, RKY_IF_ETAG, etag), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "s3:PutObject");
    deny("s3:DeleteObject");
    expect_fault(drop(), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "s3:DeleteObject");
    deny("s3:ListBucket");
    expect_fault(list(&count), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "s3:ListBucket on arn:aws:s3:::rocky");
    allow_all();
    rky_s3_client_close(&client);
}
END_TEST

START_TEST(a_missing_object_without_permission_to_list_is_never_absent)
{
    open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    deny("s3:ListBucket");
    expect_fault(get(), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "s3:ListBucket");
    ck_assert(!object.exists);
    expect_fault(look(), RKY_ERR_AUTH, "permission");
    allow_all();
    ck_assert_int_eq(look(), 0);
    ck_assert(!object.exists);
    rky_s3_client_close(&client);
}
END_TEST

START_TEST(a_key_that_may_not_be_used_is_named)
{
    open_client(rky_s3_server(),
                &(struct rky_s3_client_options){.sse = "aws:kms", .kms_key_id = "alias/state"});
    deny("kms:GenerateDataKey");
    expect_fault(create(), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "kms:GenerateDataKey");
    allow_all();
    ck_assert_int_eq(create(), 0);
    deny("kms:Decrypt");
    expect_fault(get(), RKY_ERR_AUTH, "permission");
    expect_text(err.hint, "kms:Decrypt");
    allow_all();
    rky_s3_client_close(&client);
}
END_TEST

START_TEST(a_bucket_that_does_not_exist_is_no_first_run)
{
    size_t count = 0;
    open_client(rky_s3_server(), &(struct rky_s3_client_options){.bucket = "no-such-bucket"});
    expect_fault(get(), RKY_ERR_CONFIG, "bucket_missing");
    expect_text(err.hint, "state.s3_bucket");
    expect_fault(look(), RKY_ERR_CONFIG, "bucket_missing");
    expect_fault(create(), RKY_ERR_CONFIG, "bucket_missing");
    expect_fault(list(&count), RKY_ERR_CONFIG, "bucket_missing");
    rky_s3_client_close(&client);
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
        open_client(rky_s3_server(), &wrong[i]);
        expect_fault(get(), RKY_ERR_AUTH, "auth");
        expect_text(err.message, codes[i]);
        ck_assert_ptr_null(strstr(err.message, "another-secret-key"));
        expect_fault(look(), RKY_ERR_AUTH, "auth");
        expect_text(err.message, codes[i]);
        rky_s3_client_close(&client);
    }
}
END_TEST

START_TEST(a_session_token_is_signed_and_sent)
{
    set(rky_s3_server(), "{\"keys\":{\"" RKY_S3_ACCESS_KEY "\":{\"secret\":\"" RKY_S3_SECRET_KEY
                         "\"},\"ASIATEMP\":{\"secret\":\"temporary-secret\","
                         "\"token\":\"FwoGZXIvYXdzE/+token==\"}}}");
    open_client(rky_s3_server(),
                &(struct rky_s3_client_options){.access_key = "ASIATEMP",
                                                .secret_key = "temporary-secret",
                                                .session_token = "FwoGZXIvYXdzE/+token=="});
    ck_assert_msg(create() == 0, "%s", err.message);
    ck_assert_int_eq(get(), 0);
    ck_assert_uint_eq(object.length, 4);
    begin();
    rky_s3_client_close(&client);
}
END_TEST

/* --- what one answer teaches -------------------------------------------------------------------
 */

START_TEST(the_region_of_the_bucket_is_learned_once)
{
    rky_s3_server_start(&own, "--region eu-central-1");
    open_client(&own, &(struct rky_s3_client_options){.region = "us-east-1"});
    expect_fault(look(), RKY_ERR_CONFIG, "region");
    ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_FREE);
    expect_text(err.hint, "state.s3_region");
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(create(), 0);
    /* Another answer of that kind teaches nothing any more. */
    set(&own, "{\"region\":\"ap-south-1\"}");
    expect_fault(get(), RKY_ERR_CONFIG, "region");
    ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_NO);
    rky_s3_client_close(&client);
    rky_s3_server_do(&own, "stop");
}
END_TEST

START_TEST(a_redirect_is_explained_and_not_followed)
{
    char text[256];
    open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    (void)snprintf(text, sizeof(text),
                   "{\"operation\":\"GET\",\"key\":\"*%s*\",\"action\":\"redirect\","
                   "\"status\":301,\"code\":\"PermanentRedirect\"}",
                   ns);
    fault(rky_s3_server(), text);
    expect_fault(get(), RKY_ERR_CONFIG, "region");
    ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_NO);
    ck_assert_int_eq(rky_s3_count(rky_s3_server(), "GET", ns, NULL), 1);
    rky_s3_client_close(&client);
}
END_TEST

START_TEST(a_clock_that_is_wrong_is_corrected_once)
{
    rky_s3_server_start(&own, "--set skew_s=7200");
    open_client(&own, &(struct rky_s3_client_options){0});
    expect_fault(create(), RKY_ERR_AUTH, "clock_skew");
    ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_FREE);
    expect_text(err.hint, "clock");
    ck_assert_msg(create() == 0, "%s", err.message);
    ck_assert_int_eq(get(), 0);
    set(&own, "{\"skew_s\":-7200}");
    expect_fault(get(), RKY_ERR_AUTH, "clock_skew");
    ck_assert_int_eq(get(), 0);
    begin();
    rky_s3_client_close(&client);
    rky_s3_server_do(&own, "stop");
}
END_TEST

START_TEST(a_service_without_conditional_writes_is_found_out)
{
    rky_s3_server_start(&own, "--set conditional=false");
    open_client(&own, &(struct rky_s3_client_options){0});
    expect_fault(create(), RKY_ERR_CONFIG, "cas_unsupported");
    expect_text(err.hint, "state.concurrency_control");
    rky_s3_client_close(&client);
    open_client(&own, &(struct rky_s3_client_options){.unconditional = true});
    ck_assert_int_eq(create(), 0);
    ck_assert_int_eq(put(&name, "two", 3, RKY_IF_ETAG, "\"whatever\""), 0);
    rky_s3_client_close(&client);
    rky_s3_server_do(&own, "stop");
}
END_TEST

/* --- connections -------------------------------------------------------------------------------
 */

START_TEST(tls_with_a_ca_file_of_our_own_works_and_another_ca_is_refused)
{
    char ca[4400];
    rky_s3_server_start(&own, "--tls yes");
    (void)snprintf(ca, sizeof(ca), "%s/ca.crt", own.directory);
    open_client(&own, &(struct rky_s3_client_options){.ca_file = ca});
    ck_assert_msg(create() == 0, "%s", err.message);
    ck_assert_int_eq(get(), 0);
    begin();
    rky_s3_client_close(&client);

    (void)snprintf(ca, sizeof(ca), "%s/other-ca.crt", own.directory);
    const char *const refused[] = {ca, NULL};
    for (size_t i = 0; i < 2; i++) {
        open_client(&own, &(struct rky_s3_client_options){.ca_file = refused[i]});
        expect_fault(get(), RKY_ERR_CONFIG, "certificate");
        ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_NO);
        rky_s3_client_close(&client);
    }
    rky_s3_server_do(&own, "stop");
}
END_TEST

START_TEST(the_bucket_may_stand_in_the_name_of_the_host)
{
    char endpoint[160];
    const char *port = strrchr(rky_s3_server()->endpoint, ':');
    (void)snprintf(endpoint, sizeof(endpoint), "http://s3.localhost%s/", port);
    open_client(rky_s3_server(),
                &(struct rky_s3_client_options){.endpoint = endpoint, .virtual_host = true});
    ck_assert_msg(create() == 0, "%s", err.message);
    json_t *entry = stored(rky_s3_server());
    ck_assert_str_eq(json_string_value(json_object_get(entry, "bucket")), RKY_S3_BUCKET);
    json_decref(entry);
    size_t count = 1;
    ck_assert_int_eq(list(&count), 0);
    ck_assert_uint_eq(count, 0);
    rky_s3_client_close(&client);
}
END_TEST

START_TEST(nobody_there_is_a_connection_fault)
{
    open_client(rky_s3_server(), &(struct rky_s3_client_options){.endpoint = "http://127.0.0.1:1"});
    expect_fault(get(), RKY_ERR_CONNECTION, "connect");
    ck_assert_int_eq(transfer.attempt.retry, RKY_RETRY_YES);
    ck_assert(transfer.attempt.counts);
    rky_s3_client_close(&client);
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
        begin();
        ck_assert_int_eq(rky_remote_s3_new(&options, &remote, &err), RKY_ERR_CONFIG);
        expect_text(err.message, "state.s3_endpoint");
        ck_assert_ptr_null(strstr(err.message, "secret"));
    }
}
END_TEST

/* --- bytes -------------------------------------------------------------------------------------
 */

START_TEST(encryption_is_asked_for_in_every_way_an_object_is_made)
{
    static char large[((size_t)17 << 20)];
    const struct rky_s3_client_options with = {.sse = "aws:kms",
                                               .kms_key_id = "arn:aws:kms:eu-west-1:1:key/2",
                                               .multipart_above = 1 << 20};
    open_client(rky_s3_server(), &with);
    for (int i = 0; i < 2; i++) {
        size_t length = i == 0 ? 10 : sizeof(large);
        ck_assert_msg(put(&name, large, length, RKY_IF_ANY, NULL) == 0, "%s", err.message);
        json_t *entry = stored(rky_s3_server());
        json_t *sse = json_object_get(entry, "encryption");
        ck_assert_str_eq(json_string_value(json_object_get(sse, "")), "aws:kms");
        ck_assert_str_eq(json_string_value(json_object_get(sse, "-aws-kms-key-id")),
                         with.kms_key_id);
        ck_assert_int_eq(json_integer_value(json_object_get(entry, "bytes")), (json_int_t)length);
        json_decref(entry);
    }
    rky_s3_client_close(&client);
}
END_TEST

static json_int_t unfinished(void)
{
    json_t *all = rky_s3_admin(&own, "GET", "objects", NULL);
    json_int_t count = json_integer_value(json_object_get(all, "uploads"));
    json_decref(all);
    return count;
}

START_TEST(an_upload_in_parts_is_conditional_and_leaves_nothing_behind)
{
    static char large[((size_t)33 << 20)];
    rky_random_bytes(large, sizeof(large));
    rky_s3_server_start(&own, "");
    open_client(&own, &(struct rky_s3_client_options){.multipart_above = 1 << 20});
    ck_assert_msg(put(&name, large, sizeof(large), RKY_IF_ABSENT, NULL) == 0, "%s", err.message);
    ck_assert_int_eq(rky_s3_count(&own, "PART", ns, NULL), 3);
    char first[RKY_ETAG_MAX];
    memcpy(first, etag, sizeof(first));
    expect_fault(put(&name, large, sizeof(large), RKY_IF_ABSENT, NULL), RKY_ERR_CONFLICT,
                 "conflict");
    expect_fault(put(&name, large, sizeof(large), RKY_IF_ETAG, "\"stale\""), RKY_ERR_CONFLICT,
                 "conflict");
    ck_assert_int_eq(get(), 0);
    ck_assert_str_eq(object.etag, first);
    ck_assert_uint_eq(object.length, sizeof(large));
    ck_assert(memcmp(object.body, large, sizeof(large)) == 0);

    fault(&own, "{\"operation\":\"COMPLETE\",\"action\":\"ok_with_error\"}");
    expect_fault(put(&name, large, sizeof(large), RKY_IF_ETAG, first), RKY_ERR_UNAVAILABLE,
                 "server_error");
    fault(&own, "{\"operation\":\"PART\",\"nth\":2,\"action\":\"status\",\"status\":403,"
                "\"code\":\"AccessDenied\"}");
    expect_fault(put(&name, large, sizeof(large), RKY_IF_ETAG, first), RKY_ERR_AUTH, "permission");
    ck_assert_int_eq(unfinished(), 0);
    ck_assert_msg(put(&name, large, sizeof(large), RKY_IF_ETAG, first) == 0, "%s", err.message);
    begin();
    rky_s3_client_close(&client);
    rky_s3_server_do(&own, "stop");
}
END_TEST

START_TEST(a_listing_of_many_pages_is_whole_and_in_order)
{
    size_t count = 0;
    rky_s3_server_start(&own, "--set page=3");
    open_client(&own, &(struct rky_s3_client_options){0});
    for (int i = 0; i < 10; i++) {
        char suffix[64];
        (void)snprintf(suffix, sizeof(suffix), "%020d-a&b<%d.snap", 10 - i, i);
        const struct rky_remote_name old = {
            .kind = RKY_REMOTE_HISTORY, .namespace_ = ns, .suffix = suffix};
        ck_assert_msg(put(&old, "x", 1, RKY_IF_ANY, NULL) == 0, "%s", err.message);
    }
    ck_assert_msg(list(&count) == 0, "%s", err.message);
    ck_assert_uint_eq(count, 10);
    ck_assert_int_eq(rky_s3_count(&own, "LIST", ns, NULL), 4);
    rky_s3_client_close(&client);
    rky_s3_server_do(&own, "stop");
}
END_TEST

START_TEST(etags_are_opaque)
{
    rky_s3_server_start(&own, "--set etag='\"opaque\"'");
    open_client(&own, &(struct rky_s3_client_options){0});
    ck_assert_int_eq(create(), 0);
    char first[RKY_ETAG_MAX];
    memcpy(first, etag, sizeof(first));
    ck_assert_int_eq(put(&name, "body", 4, RKY_IF_ETAG, first), 0);
    ck_assert_str_ne(etag, first);
    expect_fault(put(&name, "body", 4, RKY_IF_ETAG, first), RKY_ERR_CONFLICT, "conflict");
    rky_s3_client_close(&client);
    rky_s3_server_do(&own, "stop");
}
END_TEST

START_TEST(a_404_of_somebody_else_is_never_absent)
{
    char text[256];
    open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    (void)snprintf(text, sizeof(text),
                   "{\"operation\":\"GET\",\"key\":\"*%s*\",\"action\":\"status\","
                   "\"status\":404,\"code\":\"PageNotFound\",\"count\":-1}",
                   ns);
    fault(rky_s3_server(), text);
    expect_fault(get(), RKY_ERR_CONFIG, "not_s3");
    expect_text(err.hint, "state.s3_endpoint");
    expect_fault(look(), RKY_ERR_CONFIG, "not_s3");
    rky_s3_client_close(&client);
}
END_TEST

/* Each call, with the Nth allocation failing, for every N: it says so or it is right. */
START_TEST(memory_that_runs_out_is_never_taken_for_an_answer)
{
    const struct rky_remote_name old = {
        .kind = RKY_REMOTE_HISTORY, .namespace_ = ns, .suffix = "1.snap"};
    static char large[((size_t)17 << 20)];
    open_client(rky_s3_server(), &(struct rky_s3_client_options){.multipart_above = 1 << 20});
    ck_assert_int_eq(create(), 0);
    ck_assert_int_eq(put(&old, "x", 1, RKY_IF_ANY, NULL), 0);
    for (int call = 0; call < 5; call++) {
        bool failed = true;
        for (uint64_t nth = 1; failed; nth++) {
            size_t count = 1;
            int rc = 0;
            begin();
            rky_mem_fail_nth(nth);
            switch (call) {
            case 0:
                rc = get();
                break;
            case 1:
                rc = look();
                break;
            case 2:
                rc = list(&count);
                break;
            case 3:
                rc = put(&name, "body", 4, RKY_IF_ANY, NULL);
                break;
            default:
                rc = put(&old, large, sizeof(large), RKY_IF_ANY, NULL);
            }
            failed = rky_mem_failed();
            rky_mem_fail_nth(0);
            ck_assert_msg(rc != 0 || call > 1 || object.exists, "call %d, %d", call, (int)nth);
            ck_assert_msg(rc != 0 || count == 1, "call %d, %d", call, (int)nth);
            ck_assert_msg(rc == 0 || (err.code == rc && transfer.attempt.error_class != NULL),
                          "call %d, %d: %s", call, (int)nth, err.message);
            ck_assert_msg(rc == 0 || failed, "call %d: %s", call, err.message);
        }
    }
    begin();
    rky_s3_client_close(&client);
}
END_TEST

START_TEST(nothing_that_is_secret_is_ever_logged)
{
    char path[4300], text[65536];
    static const char token[] = "FwoGZXIvYXdzELOGGED";
    (void)snprintf(path, sizeof(path), "%s/log", rky_test_directory());
    FILE *log = fopen(path, "w+");
    ck_assert_ptr_nonnull(log);
    /* A server that sends back what it was sent. */
    fault(rky_s3_server(), "{\"operation\":\"GET\",\"action\":\"status\",\"status\":400,"
                           "\"code\":\"InvalidToken\",\"message\":\"token FwoGZXIvYXdzELOGGED key "
                           "standin-secret-key is bad\"}");
    open_client(rky_s3_server(),
                &(struct rky_s3_client_options){.session_token = token, .log = log});
    ck_assert_int_ne(get(), 0);
    expect_text(err.message, "token *** key *** is bad");
    ck_assert_int_ne(create(), 0);
    ck_assert_int_ne(look(), 0);
    rky_s3_client_close(&client);
    rewind(log);
    size_t length = fread(text, 1, sizeof(text) - 1, log);
    (void)fclose(log);
    text[length] = '\0';
    expect_text(text, "PUT of 's3://");
    ck_assert_ptr_null(strstr(text, token));
    ck_assert_ptr_null(strstr(text, RKY_S3_SECRET_KEY));
    ck_assert_ptr_null(strstr(text, "Signature"));
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
        encryption_is_asked_for_in_every_way_an_object_is_made,
        an_upload_in_parts_is_conditional_and_leaves_nothing_behind,
        a_listing_of_many_pages_is_whole_and_in_order,
        etags_are_opaque,
        a_404_of_somebody_else_is_never_absent,
        memory_that_runs_out_is_never_taken_for_an_answer,
        nothing_that_is_secret_is_ever_logged,
    };
    Suite *s = suite_create("s3: over the wire");
    TCase *tcase = tcase_create("wire");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    return rky_s3_main("--server standin", suite);
}
