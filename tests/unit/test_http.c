/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client against a scripted server: what it sends, how each fault of a server is
 * classified, and that no call outlives its deadline.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http.h"
#include "common/http_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/http_kit.h"

/* How late a call may end: generous, because the machine may be busy and valgrind is slow. */
enum { GRACE_MS = 2500 };

/*
 * The process's getaddrinfo, libcurl's included: a name that ends in ".slow" is not answered until
 * the test says so. One that ends in ".absent" does not exist.
 */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool release;
    int inside;
} resolver = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

static bool ends_with(const char *text, const char *end)
{
    return text != NULL && strlen(text) >= strlen(end) &&
           strcmp(text + strlen(text) - strlen(end), end) == 0;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    (void)service;
    (void)hints;
    (void)result;
    (void)pthread_mutex_lock(&resolver.mutex);
    resolver.inside++;
    while (ends_with(node, ".slow") && !resolver.release)
        (void)pthread_cond_wait(&resolver.changed, &resolver.mutex);
    resolver.inside--;
    (void)pthread_cond_broadcast(&resolver.changed);
    (void)pthread_mutex_unlock(&resolver.mutex);
    return EAI_NONAME;
}

static struct rky_http *new_client(int64_t connect_timeout_ms)
{
    struct rky_error err = {0};
    struct rky_http *http = NULL;
    struct rky_http_options options = {.connect_timeout_ms = connect_timeout_ms,
                                       .clock = rky_clock_real()};
    int rc = rky_http_new(&options, &http, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return http;
}

struct outcome {
    int rc;
    struct rky_http_response response;
    struct rky_attempt attempt;
    struct rky_error err;
    int64_t elapsed_ms;
};

static struct outcome call_with(struct rky_http *http, struct rky_http_request request,
                                int64_t timeout_ms)
{
    struct outcome outcome = {0};
    struct rky_clock *clock = rky_clock_real();
    int64_t start_ms = clock->mono_ms(clock);
    request.deadline = rky_deadline_in(clock, timeout_ms);
    if (request.method == NULL)
        request.method = "GET";
    outcome.rc = rky_http_call(http, &request, &outcome.response, &outcome.attempt, &outcome.err);
    outcome.elapsed_ms = clock->mono_ms(clock) - start_ms;
    return outcome;
}

static struct outcome get(struct rky_http *http, const char *url, int64_t timeout_ms)
{
    return call_with(http, (struct rky_http_request){.url = url}, timeout_ms);
}

/* ---- what is sent and what comes back ---- */

static void answer_hello(struct kit_connection *connection, void *context)
{
    (void)context;
    while (kit_read(connection) &&
           kit_answer(connection, 200, "ETag: \"abc\"\r\nX-Twice:  a b \r\n", "hello")) {
    }
}

START_TEST(a_get_sends_what_it_was_told_and_nothing_else)
{
    struct kit_server server;
    struct rky_http *http = new_client(0);
    struct rky_http_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
    char url[128];
    char expected[512];
    kit_start(&server, answer_hello, NULL);
    (void)snprintf(url, sizeof(url), "%s/a/../b%%20c?x=1", server.url);

    struct outcome outcome = call_with(
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
    struct rky_http *http = new_client(0);
    kit_start(&server, answer_hello, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rky_http_request request = {.method = rows[i].method,
                                           .url = server.url,
                                           .body = rows[i].body,
                                           .body_length = strlen(rows[i].body)};
        /* The script answers a HEAD with a body, too: what follows would read it. */
        struct rky_http *own = strcmp(rows[i].method, "HEAD") == 0 ? new_client(0) : http;
        struct outcome outcome = call_with(own, request, 10000);
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
    struct rky_http *http = new_client(0);
    size_t length = (size_t)4 * 1024 * 1024;
    char *body = calloc(1, length);
    kit_start(&server, answer_hello, NULL);
    struct outcome outcome =
        call_with(http,
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
    struct rky_http *http = new_client(0);
    kit_start(&server, answer_hello, NULL);
    for (int i = 0; i < 5; i++) {
        struct outcome outcome = get(http, server.url, 10000);
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
    struct rky_http *http = new_client(0);
    kit_start(&server, answer_once, NULL);
    for (int i = 1; i <= 3; i++) {
        struct outcome outcome =
            call_with(http,
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
        struct outcome outcome = get(caller->http, caller->url, 20000);
        caller->failures += outcome.rc != 0 || strcmp(outcome.response.body, "hello") != 0;
        rky_http_response_done(&outcome.response);
    }
    return NULL;
}

START_TEST(threads_share_a_client)
{
    struct kit_server server;
    struct rky_http *http = new_client(0);
    struct caller callers[8];
    kit_start(&server, answer_hello, NULL);
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
    struct rky_http *http = new_client(0);
    kit_start(&server, redirect, NULL);
    struct outcome outcome = get(http, server.url, 10000);
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
    struct rky_http *http = new_client(0);
    kit_start(&server, interim, NULL);
    struct outcome outcome = get(http, server.url, 10000);
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
    kit_start(&server, answer_hello, NULL);
    kit_start(&proxy, answer_hello, NULL);
    (void)snprintf(netrc, sizeof(netrc), "%s/.netrc", rky_test_directory());
    FILE *file = fopen(netrc, "w");
    ck_assert_int_ge(fputs("machine 127.0.0.1 login me password of-the-netrc\n", file), 0);
    ck_assert_int_eq(fclose(file), 0);
    (void)setenv("HOME", rky_test_directory(), 1);
    (void)setenv("http_proxy", proxy.url, 1);
    (void)setenv("HTTP_PROXY", proxy.url, 1);
    (void)setenv("ALL_PROXY", proxy.url, 1);
    (void)setenv("all_proxy", proxy.url, 1);
    struct rky_http *http = new_client(0);
    struct outcome outcome = get(http, server.url, 10000);
    ck_assert_int_eq(outcome.rc, 0);
    ck_assert_int_eq(kit_asked(&proxy), 0);
    ck_assert_ptr_null(strstr(server.requests[0], "Authorization"));
    rky_http_response_done(&outcome.response);
    rky_http_free(http);
    kit_stop(&proxy);
    kit_stop(&server);
}
END_TEST

/* ---- faults ---- */

static void never_answer(struct kit_connection *connection, void *context)
{
    (void)context;
    if (kit_read(connection))
        (void)kit_idle(connection, 60000);
}

static void drip_header(struct kit_connection *connection, void *context)
{
    (void)context;
    if (!kit_read(connection) || !kit_send(connection, "HTTP/1.1 200 OK\r\nX-Long: "))
        return;
    while (kit_idle(connection, 20) && kit_send(connection, "a")) {
    }
}

static void drip_body(struct kit_connection *connection, void *context)
{
    (void)context;
    if (!kit_read(connection) ||
        !kit_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
        return;
    while (kit_idle(connection, 20) && kit_send(connection, "a")) {
    }
}

static void never_read(struct kit_connection *connection, void *context)
{
    (void)context;
    pthread_mutex_t *mutex = &connection->server->mutex;
    for (bool stopping = false; !stopping;) {
        struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(mutex);
        stopping = connection->server->stopping;
        (void)pthread_mutex_unlock(mutex);
    }
}

static void drop_request(struct kit_connection *connection, void *context)
{
    (void)context;
    (void)kit_read(connection);
    kit_reset(connection);
}

static void close_request(struct kit_connection *connection, void *context)
{
    (void)context;
    (void)kit_read(connection);
}

static void reset_in_body(struct kit_connection *connection, void *context)
{
    (void)context;
    if (kit_read(connection) &&
        kit_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
        kit_reset(connection);
}

/* @param context the bytes to answer with before closing. */
static void answer_raw(struct kit_connection *connection, void *context)
{
    if (kit_read(connection))
        (void)kit_send(connection, context);
}

static void endless_body(struct kit_connection *connection, void *context)
{
    static const char chunk[] = "a\r\n0123456789\r\n";
    (void)context;
    if (!kit_read(connection) ||
        !kit_send(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
        return;
    while (kit_send(connection, chunk)) {
    }
}

static void many_headers(struct kit_connection *connection, void *context)
{
    int count = *(int *)context;
    char line[64];
    if (!kit_read(connection) || !kit_send(connection, "HTTP/1.1 200 OK\r\n"))
        return;
    for (int i = 0; i < count; i++) {
        (void)snprintf(line, sizeof(line), "X-Header-%d: value-%d\r\n", i, i);
        if (!kit_send(connection, line))
            return;
    }
    (void)kit_send(connection, "Content-Length: 0\r\n\r\n");
}

struct fault {
    const char *name;
    kit_script *script;
    const char *bytes; /* of answer_raw */
    const char *error_class;
    int rc;
    enum rky_retry retry;
    bool counts;
    int64_t timeout_ms; /* 0 = 10 s: the fault ends the call */
    size_t body_length;
};
#define AGAIN RKY_ERR_CONNECTION, RKY_RETRY_YES, true

static const struct fault faults[] = {
    {"never answers", never_answer, NULL, "timeout", RKY_ERR_TIMEOUT, RKY_RETRY_YES, true, 300, 0},
    {"drips header", drip_header, NULL, "timeout", RKY_ERR_TIMEOUT, RKY_RETRY_YES, true, 300, 0},
    {"drips body", drip_body, NULL, "timeout", RKY_ERR_TIMEOUT, RKY_RETRY_YES, true, 300, 0},
    {"never reads", never_read, NULL, "timeout", RKY_ERR_TIMEOUT, RKY_RETRY_YES, true, 300,
     (size_t)32 * 1024 * 1024},
    {"resets", drop_request, NULL, "reset", AGAIN, 0, 0},
    {"closes", close_request, NULL, "reset", AGAIN, 0, 0},
    {"resets in the body", reset_in_body, NULL, "reset", AGAIN, 0, 0},
    {"truncates", answer_raw, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "partial_body",
     AGAIN, 0, 0},
    {"truncates a chunk", answer_raw,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc", "partial_body", AGAIN, 0, 0},
    {"chunks badly", answer_raw,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", "reset", AGAIN, 0, 0},
    {"cuts the header", answer_raw, "HTTP/1.1 200 OK\r\nContent-Le", "reset", AGAIN, 0, 0},
    {"speaks rubbish", answer_raw, "\x16\x03\x01garbage garbage garbage\r\n\r\n", "bad_reply",
     AGAIN, 0, 0},
    {"speaks HTTP/9", answer_raw, "HTTP/9.9 200 OK\r\n\r\n", "bad_reply", AGAIN, 0, 0},
    {"has no status", answer_raw, "HTTP/1.1 abc\r\n\r\n", "bad_reply", AGAIN, 0, 0},
    {"lies about the length", answer_raw, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
     "bad_reply", AGAIN, 0, 0},
    {"says a word as length", answer_raw, "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc",
     "bad_reply", AGAIN, 0, 0},
    {"never ends", endless_body, NULL, "too_large", RKY_ERR_DECODE, RKY_RETRY_NO, false, 0, 0},
};

START_TEST(each_fault_of_a_server_has_its_class_and_ends_in_time)
{
    const struct fault *fault = &faults[_i];
    struct kit_server server;
    struct rky_http *http = new_client(0);
    char *body = calloc(1, fault->body_length + 1);
    int64_t timeout_ms = fault->timeout_ms > 0 ? fault->timeout_ms : 10000;
    union {
        const char *in;
        void *out;
    } bytes = {fault->bytes};
    kit_start(&server, fault->script, bytes.out);
    struct outcome outcome = call_with(
        http,
        (struct rky_http_request){
            .method = "PUT", .url = server.url, .body = body, .body_length = fault->body_length},
        timeout_ms);
    ck_assert_msg(outcome.rc == fault->rc && outcome.attempt.error_class != NULL &&
                      strcmp(outcome.attempt.error_class, fault->error_class) == 0,
                  "a server that %s: got %d, '%s': %s", fault->name, outcome.rc,
                  outcome.attempt.error_class, outcome.err.message);
    ck_assert_int_eq(outcome.attempt.retry, fault->retry);
    ck_assert_int_eq(outcome.attempt.counts, fault->counts);
    ck_assert_int_eq(outcome.err.code, fault->rc);
    ck_assert_int_eq(outcome.err.transient, fault->retry == RKY_RETRY_YES);
    ck_assert_ptr_null(outcome.response.body);
    ck_assert_uint_eq(outcome.response.header_count, 0);
    if (fault->timeout_ms > 0)
        ck_assert_int_ge(outcome.elapsed_ms, fault->timeout_ms - 50);
    ck_assert_int_le(outcome.elapsed_ms, (fault->timeout_ms > 0 ? timeout_ms : 0) + GRACE_MS);

    /* The client is as good as before. */
    struct kit_server sound;
    kit_start(&sound, answer_hello, NULL);
    struct outcome next = get(http, sound.url, 10000);
    ck_assert_int_eq(next.rc, 0);
    rky_http_response_done(&next.response);
    rky_http_free(http);
    kit_stop(&sound);
    kit_stop(&server);
    free(body);
}
END_TEST

START_TEST(headers_are_many_but_not_without_end)
{
    static const struct {
        int count, rc;
    } rows[] = {{100, 0}, {250, 0}, {1000, RKY_ERR_DECODE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kit_server server;
        struct rky_http *http = new_client(0);
        int count = rows[i].count;
        kit_start(&server, many_headers, &count);
        struct outcome outcome = get(http, server.url, 10000);
        ck_assert_int_eq(outcome.rc, rows[i].rc);
        if (outcome.rc == 0) {
            ck_assert_uint_eq(outcome.response.header_count, (size_t)rows[i].count + 1);
            ck_assert_str_eq(rky_http_response_header(&outcome.response, "x-header-99"),
                             "value-99");
        } else {
            ck_assert_str_eq(outcome.attempt.error_class, "too_large");
        }
        rky_http_response_done(&outcome.response);
        rky_http_free(http);
        kit_stop(&server);
    }
}
END_TEST

START_TEST(a_body_may_be_as_long_as_the_limit_and_no_byte_longer)
{
    struct kit_server server;
    struct rky_http *http = new_client(0);
    kit_start(&server, answer_hello, NULL);
    struct outcome outcome =
        call_with(http, (struct rky_http_request){.url = server.url, .response_limit = 5}, 10000);
    ck_assert_int_eq(outcome.rc, 0);
    rky_http_response_done(&outcome.response);
    outcome =
        call_with(http, (struct rky_http_request){.url = server.url, .response_limit = 4}, 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_DECODE);
    ck_assert_str_eq(outcome.attempt.error_class, "too_large");
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

/* A port that nobody listens on: bound, so that nobody else takes it, but not listening. */
static int silent_port(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(*ret_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

START_TEST(a_refused_connection_names_the_place_and_no_secret)
{
    int fd = -1;
    char url[256];
    char place[64];
    struct rky_http *http = new_client(0);
    int port = silent_port(&fd);
    (void)snprintf(place, sizeof(place), "'127.0.0.1:%d'", port);
    (void)snprintf(url, sizeof(url), "http://me:of-mine@127.0.0.1:%d/path?token=hidden", port);
    struct outcome outcome = get(http, url, 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "connect");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome.attempt.counts);
    ck_assert_ptr_nonnull(strstr(outcome.err.message, place));
    ck_assert_ptr_null(strstr(outcome.err.message, "of-mine"));
    ck_assert_ptr_null(strstr(outcome.err.message, "hidden"));
    rky_http_free(http);
    (void)close(fd);
}
END_TEST

START_TEST(connecting_has_a_limit_of_its_own)
{
    /* Nobody accepts here, and once the queue is full no handshake is answered any more. */
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = -1;
    int waiting[8];
    char url[64];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int port = silent_port(&fd);
    address.sin_port = htons((uint16_t)port);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (size_t i = 0; i < 8; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    struct rky_http *http = new_client(200);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    struct outcome outcome = get(http, url, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "connect");
    ck_assert_int_le(outcome.elapsed_ms, 200 + GRACE_MS);
    /* The request's own limit goes before the client's, the deadline before both. */
    struct rky_http *patient = new_client(15000);
    outcome =
        call_with(patient, (struct rky_http_request){.url = url, .connect_timeout_ms = 100}, 20000);
    ck_assert_str_eq(outcome.attempt.error_class, "connect");
    ck_assert_int_le(outcome.elapsed_ms, 100 + GRACE_MS);
    outcome = get(patient, url, 100);
    ck_assert_str_eq(outcome.attempt.error_class, "timeout");
    ck_assert_int_le(outcome.elapsed_ms, 100 + GRACE_MS);
    rky_http_free(patient);
    rky_http_free(http);
    for (size_t i = 0; i < 8; i++)
        (void)close(waiting[i]);
    (void)close(fd);
}
END_TEST

START_TEST(a_name_that_does_not_exist_is_a_dns_fault)
{
    struct rky_http *http = new_client(0);
    struct outcome outcome = get(http, "http://bucket.absent/", 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "dns");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome.attempt.counts);
    rky_http_free(http);
}
END_TEST

START_TEST(a_resolver_that_hangs_does_not_hold_the_call)
{
    struct rky_http *http = new_client(0);
    struct outcome outcome = get(http, "http://bucket.slow/", 300);
    ck_assert_int_eq(outcome.rc, RKY_ERR_TIMEOUT);
    ck_assert_str_eq(outcome.attempt.error_class, "timeout");
    ck_assert_int_ge(outcome.elapsed_ms, 250);
    ck_assert_int_le(outcome.elapsed_ms, 300 + GRACE_MS);
    rky_http_free(http); /* does not wait either */

    (void)pthread_mutex_lock(&resolver.mutex);
    resolver.release = true;
    (void)pthread_cond_broadcast(&resolver.changed);
    while (resolver.inside > 0)
        (void)pthread_cond_wait(&resolver.changed, &resolver.mutex);
    (void)pthread_mutex_unlock(&resolver.mutex);
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
    struct rky_http *http = new_client(0);
    kit_start(&server, answer_hello, NULL);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct outcome outcome = get(http, urls[i], 10000);
        ck_assert_int_eq(outcome.rc, RKY_ERR_CONFIG);
        ck_assert_str_eq(outcome.attempt.error_class, "bad_url");
        ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_NO);
        ck_assert(!outcome.attempt.counts);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rky_http_request request = {
            .url = server.url, .headers = &bad[i], .header_count = 1};
        struct outcome outcome = call_with(http, request, 10000);
        ck_assert_int_eq(outcome.rc, RKY_ERR_CONFIG);
        ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_NO);
    }
    struct outcome late = get(http, server.url, 0);
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
    kit_start(&server, answer_hello, NULL);
    for (uint64_t nth = 1; !done; nth++) {
        struct rky_http_options options = {.ca_file = "/nowhere", .clock = rky_clock_real()};
        struct rky_http *http = NULL;
        struct rky_error err = {0};
        struct outcome outcome = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_http_new(&options, &http, &err);
        if (rc == 0)
            outcome = call_with(
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
    tcase_add_loop_test(tcase, each_fault_of_a_server_has_its_class_and_ends_in_time, 0,
                        sizeof(faults) / sizeof(faults[0]));
    tcase_add_test(tcase, headers_are_many_but_not_without_end);
    tcase_add_test(tcase, a_body_may_be_as_long_as_the_limit_and_no_byte_longer);
    tcase_add_test(tcase, a_refused_connection_names_the_place_and_no_secret);
    tcase_add_test(tcase, connecting_has_a_limit_of_its_own);
    tcase_add_test(tcase, a_name_that_does_not_exist_is_a_dns_fault);
    tcase_add_test(tcase, a_resolver_that_hangs_does_not_hold_the_call);
    tcase_add_test(tcase, what_cannot_be_sent_is_refused_before_anything_is);
    tcase_add_test(tcase, memory_may_run_out_anywhere);
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
