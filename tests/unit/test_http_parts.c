/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the HTTP client that need no network: the fault table, places in messages,
 * Retry-After, finding the library.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/http_internal.h"
#include "tests/kit/check_main.h"

#define AGAIN RKY_ERR_CONNECTION, RKY_RETRY_YES, true

/* ---- pure parts ---- */

START_TEST(each_code_of_the_library_has_its_row_in_the_fault_table)
{
    static const struct {
        CURLcode code;
        const char *error_class;
        int error;
        enum rky_retry retry;
        bool counts;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, "dns", AGAIN},
        {CURLE_COULDNT_CONNECT, "connect", AGAIN},
        {CURLE_SSL_CONNECT_ERROR, "tls", AGAIN},
        {CURLE_GOT_NOTHING, "reset", AGAIN},
        {CURLE_SEND_ERROR, "reset", AGAIN},
        {CURLE_RECV_ERROR, "reset", AGAIN},
        {CURLE_SEND_FAIL_REWIND, "reset", AGAIN},
        {CURLE_PARTIAL_FILE, "partial_body", AGAIN},
        {CURLE_UNSUPPORTED_PROTOCOL, "bad_reply", AGAIN},
        {CURLE_WEIRD_SERVER_REPLY, "bad_reply", AGAIN},
        {CURLE_OPERATION_TIMEDOUT, "timeout", RKY_ERR_TIMEOUT, RKY_RETRY_YES, true},
        {CURLE_PEER_FAILED_VERIFICATION, "certificate", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
        {CURLE_SSL_CACERT_BADFILE, "certificate", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
        {CURLE_URL_MALFORMAT, "bad_url", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
        {CURLE_WRITE_ERROR, "too_large", RKY_ERR_DECODE, RKY_RETRY_NO, false},
        {CURLE_OUT_OF_MEMORY, "no_memory", RKY_ERR_NOMEM, RKY_RETRY_NO, false},
        {CURLE_HTTP2, "reset", AGAIN}, /* any other */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rky_http_fault *fault = rky_http_fault(rows[i].code);
        ck_assert_str_eq(fault->attempt.error_class, rows[i].error_class);
        ck_assert_int_eq(fault->error, rows[i].error);
        ck_assert_int_eq(fault->attempt.retry, rows[i].retry);
        ck_assert_int_eq(fault->attempt.counts, rows[i].counts);
    }
    for (int code = 1; code < CURL_LAST; code++)
        ck_assert_ptr_nonnull(rky_http_fault((CURLcode)code)->attempt.error_class);
}
END_TEST

START_TEST(a_place_is_host_and_port)
{
    static const struct {
        const char *url, *place;
    } rows[] = {
        {"http://a/", "a:80"},
        {"https://a", "a:443"},
        {"HTTPS://a:9000/x:y@z", "a:9000"},
        {"http://u:p@a/", "a:80"},
        {"http://u:p@x@a:1?q=@b", "a:1"},
        {"http://[::1]/", "[::1]:80"},
        {"http://[::1]:8080#f", "[::1]:8080"},
        {"s3://a", NULL},
        {"http://", NULL},
        {"http://u:p@", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char place[RKY_HTTP_PLACE_MAX] = "";
        ck_assert_int_eq(rky_http_place(rows[i].url, place), rows[i].place != NULL);
        if (rows[i].place != NULL)
            ck_assert_str_eq(place, rows[i].place);
    }
    char url[1024] = "http://";
    char place[RKY_HTTP_PLACE_MAX];
    memset(url + 7, 'a', sizeof(url) - 8);
    url[sizeof(url) - 1] = '\0';
    ck_assert(!rky_http_place(url, place));
}
END_TEST

START_TEST(the_wish_to_be_left_alone_is_read_in_every_spelling)
{
    static const struct {
        const char *header;
        int64_t ms;
    } rows[] = {
        {"retry-after: 0", 0},
        {"retry-after: 3", 3000},
        {"retry-after: 99999999999999999999", 24LL * 3600 * 1000},
        {"retry-after: -1", 0},
        {"retry-after: soon", 0},
        {"retry-after: 3x", 0},
        {"retry-after: Sat, 21 Nov 2026 10:00:30 GMT", 30000},
        {"retry-after: Sat, 21 Nov 2026 09:59:00 GMT", 0},
        {"retry-after: Sat, 21 Foo 2026 10:00:30 GMT", 0},
        {"retry-after: Sat, 21 anF 2026 10:00:30 GMT", 0},
        {"retry-after: Sat, 21 Nov 2026 10:00:30 PST", 0},
        {"retry-after: Sat, 21 Nov 2026 10:00:30 GMTx", 0},
        {"x-amz-retry-after: 250", 250},
        {"x-amz-retry-after: ", 0},
        {"other: 1", 0},
    };
    struct rky_fake_clock clock;
    int64_t now_us = 0;
    ck_assert_int_eq(rky_time_parse("2026-11-21T10:00:00Z", &now_us), 0);
    rky_fake_clock_init(&clock, now_us);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char header[128];
        char *headers[] = {header};
        struct rky_http_response response = {.headers = headers, .header_count = 1};
        (void)snprintf(header, sizeof(header), "%s", rows[i].header);
        int64_t ms = rky_http_retry_after_ms(&response, &clock.base);
        ck_assert_msg(ms == rows[i].ms, "'%s': got %lld", rows[i].header, (long long)ms);
    }
}
END_TEST

START_TEST(a_missing_library_names_its_package)
{
    struct rky_curl curl;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_curl_load("libcurl-that-is-not-there.so.4", &curl, &err), RKY_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "'libcurl-that-is-not-there.so.4'"));
    ck_assert_ptr_nonnull(strstr(err.hint, "libcurl4"));
    rky_error_clear(&err);
    /* A library without the functions. */
    ck_assert_int_eq(rky_curl_load("libm.so.6", &curl, &err), RKY_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "curl_global_init"));
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("http_parts");
    TCase *tcase = tcase_create("http_parts");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_code_of_the_library_has_its_row_in_the_fault_table);
    tcase_add_test(tcase, a_place_is_host_and_port);
    tcase_add_test(tcase, the_wish_to_be_left_alone_is_read_in_every_spelling);
    tcase_add_test(tcase, a_missing_library_names_its_package);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
