/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client against a scripted server: what it sends, what it hands out, and what it refuses
 * to send.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/check_main.h"
#include "tests/unit/http_kit.h"

/* ---- what is sent and what comes back ---- */

START_TEST(a_get_sends_what_it_was_told_and_nothing_else)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    struct rky_http_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
    char url[128];
    char expected[512];
    kit_start(&server, kit_answer_hello, NULL);
    (void)snprintf(url, sizeof(url), "%s/a/../b%%20c?x=1", server.url);

    struct kit_outcome outcome = kit_call(
        http, (struct rky_http_request){.url = url, .headers = headers, .header_count = 2}, 10000);

    ck_assert_int_eq(outcome.rc, 0);
    ck_assert_int_eq(outcome.response.status, 200);
    ck_assert_uint_eq(outcome.response.length, 5);
    ck_assert_str_eq(outcome.response.body, "hello");
    ck_assert_str_eq(rky_http_response_header(&outcome.response, "etag"), "\"abc\"");
    ck_assert_str_eq(rky_http_response_header(&outcome.response, "x-twice"), "a b");
    ck_assert_ptr_null(rky_http_response_header(&outcome.response, "x-tw"));
    ck_assert_ptr_null(outcome.attempt.error_class);
    (void)snprintf(expected, sizeof(expected),
                   "GET /a/../b%%20c?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                   "User-Agent: rocky-workers/" PACKAGE_VERSION "\r\nX-One: 1\r\nX-Empty:\r\n\r\n",
                   server.port);
    ck_assert_str_eq(server.requests[0], expected);
    rky_http_response_done(&outcome.response);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

START_TEST(bodies_and_lengths_fit_their_methods)
{
    static const struct {
        const char *method, *body, *length;
    } rows[] = {
        {"PUT", "abc", "Content-Length: 3\r\n"},
        {"PUT", "", "Content-Length: 0\r\n"},
        {"POST", "a=1", "Content-Length: 3\r\n"},
        {"POST", "", "Content-Length: 0\r\n"},
        {"DELETE", "", NULL},
        {"HEAD", "", NULL},
        {"GET", "", NULL},
    };
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, kit_answer_hello, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rky_http_request request = {.method = rows[i].method,
                                           .url = server.url,
                                           .body = rows[i].body,
                                           .body_length = strlen(rows[i].body)};
        /* The script answers a HEAD with a body, too: what follows would read it. */
        struct rky_http *own = strcmp(rows[i].method, "HEAD") == 0 ? kit_client(0) : http;
        struct kit_outcome outcome = kit_call(own, request, 10000);
        const char *asked = server.requests[i];
        ck_assert_int_eq(outcome.rc, 0);
        ck_assert_ptr_nonnull(outcome.response.body);
        ck_assert_msg(strncmp(asked, rows[i].method, strlen(rows[i].method)) == 0, "%s", asked);
        ck_assert_ptr_null(strstr(asked, "Expect"));
        ck_assert_ptr_null(strstr(asked, "Content-Type"));
        if (rows[i].length != NULL)
            ck_assert_msg(strstr(asked, rows[i].length) != NULL, "%s", asked);
        else
            ck_assert_msg(strstr(asked, "Content-Length") == NULL, "%s", asked);
        ck_assert_str_eq(strstr(asked, "\r\n\r\n") + 4, rows[i].body);
        ck_assert_uint_eq(outcome.response.length, own == http ? 5 : 0);
        rky_http_response_done(&outcome.response);
        if (own != http)
            rky_http_free(own);
    }
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

START_TEST(a_large_body_is_sent_at_once)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    size_t length = (size_t)4 * 1024 * 1024;
    char *body = calloc(1, length);
    kit_start(&server, kit_answer_hello, NULL);
    struct kit_outcome outcome =
        kit_call(http,
                 (struct rky_http_request){
                     .method = "PUT", .url = server.url, .body = body, .body_length = length},
                 10000);
    ck_assert_int_eq(outcome.rc, 0);
    ck_assert_ptr_null(strstr(server.requests[0], "Expect"));
    ck_assert_ptr_nonnull(strstr(server.requests[0], "Content-Length: 4194304\r\n"));
    rky_http_response_done(&outcome.response);
    free(body);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

START_TEST(a_connection_serves_one_request_after_another)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, kit_answer_hello, NULL);
    for (int i = 0; i < 5; i++) {
        struct kit_outcome outcome = kit_get(http, server.url, 10000);
        ck_assert_int_eq(outcome.rc, 0);
        rky_http_response_done(&outcome.response);
    }
    ck_assert_int_eq(server.connections, 1);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

static void answer_once(struct kit_connection *connection, void *context)
{
    (void)context;
    if (kit_read(connection))
        (void)kit_answer(connection, 200, "", "hello");
}

START_TEST(a_kept_connection_that_died_is_replaced)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, answer_once, NULL);
    for (int i = 1; i <= 3; i++) {
        struct kit_outcome outcome =
            kit_call(http,
                     (struct rky_http_request){
                         .method = "PUT", .url = server.url, .body = "abc", .body_length = 3},
                     10000);
        ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
        rky_http_response_done(&outcome.response);
        ck_assert_int_eq(kit_asked(&server), i);
        ck_assert_str_eq(strstr(server.requests[i - 1], "\r\n\r\n") + 4, "abc");
    }
    ck_assert_int_eq(server.connections, 3);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

struct caller {
    struct rky_http *http;
    const char *url;
    int failures;
    pthread_t thread;
};

static void *call_often(void *argument)
{
    struct caller *caller = argument;
    for (int i = 0; i < 8; i++) {
        struct kit_outcome outcome = kit_get(caller->http, caller->url, 20000);
        caller->failures += outcome.rc != 0 || strcmp(outcome.response.body, "hello") != 0;
        rky_http_response_done(&outcome.response);
    }
    return NULL;
}

START_TEST(threads_share_a_client)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    struct caller callers[8];
    kit_start(&server, kit_answer_hello, NULL);
    for (size_t i = 0; i < 8; i++) {
        callers[i] = (struct caller){.http = http, .url = server.url};
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_join(callers[i].thread, NULL), 0);
        ck_assert_int_eq(callers[i].failures, 0);
    }
    ck_assert_int_eq(kit_asked(&server), 64);
    ck_assert_int_le(server.connections, 8);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

static void redirect(struct kit_connection *connection, void *context)
{
    char header[128];
    (void)context;
    (void)snprintf(header, sizeof(header), "Location: %s/elsewhere\r\n", connection->server->url);
    while (kit_read(connection) && kit_answer(connection, 307, header, "")) {
    }
}

START_TEST(a_redirect_is_handed_out_and_not_followed)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, redirect, NULL);
    struct kit_outcome outcome = kit_get(http, server.url, 10000);
    ck_assert_int_eq(outcome.rc, 0);
    ck_assert_int_eq(outcome.response.status, 307);
    ck_assert_int_eq(kit_asked(&server), 1);
    rky_http_response_done(&outcome.response);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

static void interim(struct kit_connection *connection, void *context)
{
    (void)context;
    while (kit_read(connection) &&
           kit_send(connection, "HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n") &&
           kit_answer(connection, 200, "Content-Encoding: gzip\r\nX-Final: 1\r\n", "no gzip")) {
    }
}

START_TEST(only_the_final_answer_counts_and_its_bytes_stay_as_they_are)
{
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, interim, NULL);
    struct kit_outcome outcome = kit_get(http, server.url, 10000);
    ck_assert_int_eq(outcome.rc, 0);
    ck_assert_int_eq(outcome.response.status, 200);
    ck_assert_str_eq(outcome.response.body, "no gzip");
    ck_assert_ptr_null(rky_http_response_header(&outcome.response, "x-interim"));
    ck_assert_ptr_nonnull(rky_http_response_header(&outcome.response, "x-final"));
    rky_http_response_done(&outcome.response);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

START_TEST(nothing_is_read_from_the_environment)
{
    struct kit_server server;
    struct kit_server proxy;
    char netrc[4200];
    kit_start(&server, kit_answer_hello, NULL);
    kit_start(&proxy, kit_answer_hello, NULL);
    (void)snprintf(netrc, sizeof(netrc), "%s/.netrc", rky_test_directory());
    FILE *file = fopen(netrc, "w");
    ck_assert_int_ge(fputs("machine 127.0.0.1 login me password of-the-netrc\n", file), 0);
    ck_assert_int_eq(fclose(file), 0);
    (void)setenv("HOME", rky_test_directory(), 1);
    (void)setenv("http_proxy", proxy.url, 1);
    (void)setenv("HTTP_PROXY", proxy.url, 1);
    (void)setenv("ALL_PROXY", proxy.url, 1);
    (void)setenv("all_proxy", proxy.url, 1);
    struct rky_http *http = kit_client(0);
    struct kit_outcome outcome = kit_get(http, server.url, 10000);
    ck_assert_int_eq(outcome.rc, 0);
    ck_assert_int_eq(kit_asked(&proxy), 0);
    ck_assert_ptr_null(strstr(server.requests[0], "Authorization"));
    rky_http_response_done(&outcome.response);
    rky_http_free(http);
    kit_stop(&proxy);
    kit_stop(&server);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused_before_anything_is)
{
    static const char *const urls[] = {"",         "bucket",       "ftp://127.0.0.1/",
                                       "http://",  "http:///path", "file:///etc/passwd",
                                       "https://", "http://?x"};
    static const struct rky_http_header bad[] = {
        {"X-A", "b\r\nX-Evil: 1"}, {"X-A\nB", "c"}, {"X-A:", "c"}, {"", "c"}, {"X-A", "\n"}};
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, kit_answer_hello, NULL);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct kit_outcome outcome = kit_get(http, urls[i], 10000);
        ck_assert_int_eq(outcome.rc, RKY_ERR_CONFIG);
        ck_assert_str_eq(outcome.attempt.error_class, "bad_url");
        ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_NO);
        ck_assert(!outcome.attempt.counts);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rky_http_request request = {
            .url = server.url, .headers = &bad[i], .header_count = 1};
        struct kit_outcome outcome = kit_call(http, request, 10000);
        ck_assert_int_eq(outcome.rc, RKY_ERR_CONFIG);
        ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_NO);
    }
    struct kit_outcome late = kit_get(http, server.url, 0);
    ck_assert_int_eq(late.rc, RKY_ERR_TIMEOUT);
    ck_assert_str_eq(late.attempt.error_class, "timeout");
    ck_assert_int_eq(kit_asked(&server), 0);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

START_TEST(memory_may_run_out_anywhere)
{
    struct kit_server server;
    struct rky_http_header headers[] = {{"X-One", "1"}};
    bool done = false;
    kit_start(&server, kit_answer_hello, NULL);
    for (uint64_t nth = 1; !done; nth++) {
        struct rky_http_options options = {.ca_file = "/nowhere", .clock = rky_clock_real()};
        struct rky_http *http = NULL;
        struct rky_error err = {0};
        struct kit_outcome outcome = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_http_new(&options, &http, &err);
        if (rc == 0)
            outcome = kit_call(
                http,
                (struct rky_http_request){.url = server.url, .headers = headers, .header_count = 1},
                10000);
        done = !rky_mem_failed();
        rky_mem_fail_nth(0);
        rc = rc != 0 ? rc : outcome.rc;
        ck_assert_int_eq(rc, done ? 0 : RKY_ERR_NOMEM);
        rky_http_response_done(&outcome.response);
        rky_http_free(http);
    }
    kit_stop(&server);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("http");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_get_sends_what_it_was_told_and_nothing_else);
    tcase_add_test(tcase, bodies_and_lengths_fit_their_methods);
    tcase_add_test(tcase, a_large_body_is_sent_at_once);
    tcase_add_test(tcase, a_connection_serves_one_request_after_another);
    tcase_add_test(tcase, a_kept_connection_that_died_is_replaced);
    tcase_add_test(tcase, threads_share_a_client);
    tcase_add_test(tcase, a_redirect_is_handed_out_and_not_followed);
    tcase_add_test(tcase, only_the_final_answer_counts_and_its_bytes_stay_as_they_are);
    tcase_add_test(tcase, nothing_is_read_from_the_environment);
    tcase_add_test(tcase, what_cannot_be_sent_is_refused_before_anything_is);
    tcase_add_test(tcase, memory_may_run_out_anywhere);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
