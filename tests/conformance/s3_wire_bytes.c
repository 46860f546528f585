/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3 over the wire: encryption, uploads in parts, listings of many pages, bodies that are not what
 * they seem, memory that runs out, and what is never logged.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/conformance/s3_wire_kit.h"
#include "tests/kit/check_main.h"

START_TEST(encryption_is_asked_for_in_every_way_an_object_is_made)
{
    static char large[((size_t)17 << 20)];
    const struct rky_s3_client_options with = {.sse = "aws:kms",
                                               .kms_key_id = "arn:aws:kms:eu-west-1:1:key/2",
                                               .multipart_above = 1 << 20};
    wire_open_client(rky_s3_server(), &with);
    for (int i = 0; i < 2; i++) {
        size_t length = i == 0 ? 10 : sizeof(large);
        ck_assert_msg(wire_put(&wire.name, large, length, RKY_IF_ANY, NULL) == 0, "%s",
                      wire.err.message);
        json_t *entry = wire_stored(rky_s3_server());
        json_t *sse = json_object_get(entry, "encryption");
        ck_assert_str_eq(json_string_value(json_object_get(sse, "")), "aws:kms");
        ck_assert_str_eq(json_string_value(json_object_get(sse, "-aws-kms-key-id")),
                         with.kms_key_id);
        ck_assert_int_eq(json_integer_value(json_object_get(entry, "bytes")), (json_int_t)length);
        json_decref(entry);
    }
    rky_s3_client_close(&wire.client);
}
END_TEST

static json_int_t unfinished(void)
{
    json_t *all = rky_s3_admin(&wire.own, "GET", "objects", NULL);
    json_int_t count = json_integer_value(json_object_get(all, "uploads"));
    json_decref(all);
    return count;
}

START_TEST(an_upload_in_parts_is_conditional_and_leaves_nothing_behind)
{
    static char large[((size_t)33 << 20)];
    rky_random_bytes(large, sizeof(large));
    rky_s3_server_start(&wire.own, "");
    wire_open_client(&wire.own, &(struct rky_s3_client_options){.multipart_above = 1 << 20});
    ck_assert_msg(wire_put(&wire.name, large, sizeof(large), RKY_IF_ABSENT, NULL) == 0, "%s",
                  wire.err.message);
    ck_assert_int_eq(rky_s3_count(&wire.own, "PART", wire.ns, NULL), 3);
    char first[RKY_ETAG_MAX];
    memcpy(first, wire.etag, sizeof(first));
    wire_expect_fault(wire_put(&wire.name, large, sizeof(large), RKY_IF_ABSENT, NULL),
                      RKY_ERR_CONFLICT, "conflict");
    wire_expect_fault(wire_put(&wire.name, large, sizeof(large), RKY_IF_ETAG, "\"stale\""),
                      RKY_ERR_CONFLICT, "conflict");
    ck_assert_int_eq(wire_get(), 0);
    ck_assert_str_eq(wire.object.etag, first);
    ck_assert_uint_eq(wire.object.length, sizeof(large));
    ck_assert(memcmp(wire.object.body, large, sizeof(large)) == 0);

    wire_fault(&wire.own, "{\"operation\":\"COMPLETE\",\"action\":\"ok_with_error\"}");
    wire_expect_fault(wire_put(&wire.name, large, sizeof(large), RKY_IF_ETAG, first),
                      RKY_ERR_UNAVAILABLE, "server_error");
    wire_fault(&wire.own, "{\"operation\":\"PART\",\"nth\":2,\"action\":\"status\",\"status\":403,"
                          "\"code\":\"AccessDenied\"}");
    wire_expect_fault(wire_put(&wire.name, large, sizeof(large), RKY_IF_ETAG, first), RKY_ERR_AUTH,
                      "permission");
    ck_assert_int_eq(unfinished(), 0);
    ck_assert_msg(wire_put(&wire.name, large, sizeof(large), RKY_IF_ETAG, first) == 0, "%s",
                  wire.err.message);
    wire_begin();
    rky_s3_client_close(&wire.client);
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

START_TEST(a_listing_of_many_pages_is_whole_and_in_order)
{
    size_t count = 0;
    rky_s3_server_start(&wire.own, "--set page=3");
    wire_open_client(&wire.own, &(struct rky_s3_client_options){0});
    for (int i = 0; i < 10; i++) {
        char suffix[64];
        (void)snprintf(suffix, sizeof(suffix), "%020d-a&b<%d.snap", 10 - i, i);
        const struct rky_remote_name old = {
            .kind = RKY_REMOTE_HISTORY, .namespace_ = wire.ns, .suffix = suffix};
        ck_assert_msg(wire_put(&old, "x", 1, RKY_IF_ANY, NULL) == 0, "%s", wire.err.message);
    }
    ck_assert_msg(wire_list(&count) == 0, "%s", wire.err.message);
    ck_assert_uint_eq(count, 10);
    ck_assert_int_eq(rky_s3_count(&wire.own, "LIST", wire.ns, NULL), 4);
    rky_s3_client_close(&wire.client);
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

START_TEST(etags_are_opaque)
{
    rky_s3_server_start(&wire.own, "--set etag='\"opaque\"'");
    wire_open_client(&wire.own, &(struct rky_s3_client_options){0});
    ck_assert_int_eq(wire_create(), 0);
    char first[RKY_ETAG_MAX];
    memcpy(first, wire.etag, sizeof(first));
    ck_assert_int_eq(wire_put(&wire.name, "body", 4, RKY_IF_ETAG, first), 0);
    ck_assert_str_ne(wire.etag, first);
    wire_expect_fault(wire_put(&wire.name, "body", 4, RKY_IF_ETAG, first), RKY_ERR_CONFLICT,
                      "conflict");
    rky_s3_client_close(&wire.client);
    rky_s3_server_do(&wire.own, "stop");
}
END_TEST

START_TEST(a_404_of_somebody_else_is_never_absent)
{
    char text[256];
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){0});
    (void)snprintf(text, sizeof(text),
                   "{\"operation\":\"GET\",\"key\":\"*%s*\",\"action\":\"status\","
                   "\"status\":404,\"code\":\"PageNotFound\",\"count\":-1}",
                   wire.ns);
    wire_fault(rky_s3_server(), text);
    wire_expect_fault(wire_get(), RKY_ERR_CONFIG, "not_s3");
    wire_expect_text(wire.err.hint, "state.s3_endpoint");
    wire_expect_fault(wire_look(), RKY_ERR_CONFIG, "not_s3");
    rky_s3_client_close(&wire.client);
}
END_TEST

/* Each call, with the Nth allocation failing, for every N: it says so or it is right. */
START_TEST(memory_that_runs_out_is_never_taken_for_an_answer)
{
    const struct rky_remote_name old = {
        .kind = RKY_REMOTE_HISTORY, .namespace_ = wire.ns, .suffix = "1.snap"};
    static char large[((size_t)17 << 20)];
    wire_open_client(rky_s3_server(), &(struct rky_s3_client_options){.multipart_above = 1 << 20});
    ck_assert_int_eq(wire_create(), 0);
    ck_assert_int_eq(wire_put(&old, "x", 1, RKY_IF_ANY, NULL), 0);
    for (int call = 0; call < 5; call++) {
        bool failed = true;
        for (uint64_t nth = 1; failed; nth++) {
            size_t count = 1;
            int rc = 0;
            wire_begin();
            rky_mem_fail_nth(nth);
            switch (call) {
            case 0:
                rc = wire_get();
                break;
            case 1:
                rc = wire_look();
                break;
            case 2:
                rc = wire_list(&count);
                break;
            case 3:
                rc = wire_put(&wire.name, "body", 4, RKY_IF_ANY, NULL);
                break;
            default:
                rc = wire_put(&old, large, sizeof(large), RKY_IF_ANY, NULL);
            }
            failed = rky_mem_failed();
            rky_mem_fail_nth(0);
            ck_assert_msg(rc != 0 || call > 1 || wire.object.exists, "call %d, %d", call, (int)nth);
            ck_assert_msg(rc != 0 || count == 1, "call %d, %d", call, (int)nth);
            ck_assert_msg(rc == 0 ||
                              (wire.err.code == rc && wire.transfer.attempt.error_class != NULL),
                          "call %d, %d: %s", call, (int)nth, wire.err.message);
            ck_assert_msg(rc == 0 || failed, "call %d: %s", call, wire.err.message);
        }
    }
    wire_begin();
    rky_s3_client_close(&wire.client);
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
    wire_fault(rky_s3_server(),
               "{\"operation\":\"GET\",\"action\":\"status\",\"status\":400,"
               "\"code\":\"InvalidToken\",\"message\":\"token FwoGZXIvYXdzELOGGED key "
               "standin-secret-key is bad\"}");
    wire_open_client(rky_s3_server(),
                     &(struct rky_s3_client_options){.session_token = token, .log = log});
    ck_assert_int_ne(wire_get(), 0);
    wire_expect_text(wire.err.message, "token *** key *** is bad");
    ck_assert_int_ne(wire_create(), 0);
    ck_assert_int_ne(wire_look(), 0);
    rky_s3_client_close(&wire.client);
    rewind(log);
    size_t length = fread(text, 1, sizeof(text) - 1, log);
    (void)fclose(log);
    text[length] = '\0';
    wire_expect_text(text, "PUT of 's3://");
    ck_assert_ptr_null(strstr(text, token));
    ck_assert_ptr_null(strstr(text, RKY_S3_SECRET_KEY));
    ck_assert_ptr_null(strstr(text, "Signature"));
}
END_TEST

void wire_add_bytes(TCase *tcase)
{
    tcase_add_test(tcase, encryption_is_asked_for_in_every_way_an_object_is_made);
    tcase_add_test(tcase, an_upload_in_parts_is_conditional_and_leaves_nothing_behind);
    tcase_add_test(tcase, a_listing_of_many_pages_is_whole_and_in_order);
    tcase_add_test(tcase, etags_are_opaque);
    tcase_add_test(tcase, a_404_of_somebody_else_is_never_absent);
    tcase_add_test(tcase, memory_that_runs_out_is_never_taken_for_an_answer);
    tcase_add_test(tcase, nothing_that_is_secret_is_ever_logged);
}
