/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client against servers that fail: how each fault is classified, and that no call
 * outlives its deadline.
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

#include "tests/kit/check_main.h"
#include "tests/unit/http_kit.h"

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
    struct rky_http *http = kit_client(0);
    char *body = calloc(1, fault->body_length + 1);
    int64_t timeout_ms = fault->timeout_ms > 0 ? fault->timeout_ms : 10000;
    union {
        const char *in;
        void *out;
    } bytes = {fault->bytes};
    kit_start(&server, fault->script, bytes.out);
    struct kit_outcome outcome = kit_call(
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
    ck_assert_int_le(outcome.elapsed_ms, (fault->timeout_ms > 0 ? timeout_ms : 0) + KIT_GRACE_MS);

    /* The client is as good as before. */
    struct kit_server sound;
    kit_start(&sound, kit_answer_hello, NULL);
    struct kit_outcome next = kit_get(http, sound.url, 10000);
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
        struct rky_http *http = kit_client(0);
        int count = rows[i].count;
        kit_start(&server, many_headers, &count);
        struct kit_outcome outcome = kit_get(http, server.url, 10000);
        ck_assert_int_eq(outcome.rc, rows[i].rc);
        if (outcome.rc == 0) {
            ck_assert_uint_eq(outcome.response.header_count, (size_t)rows[i].count + 1);
            ck_assert_str_eq(rky_http_response_header(&outcome.response, "x-header-99"),
                             "value-99");
        } else {
            ck_assert_str_eq(outcome.attempt.error_class, "too_large");
            ck_assert_ptr_nonnull(strstr(outcome.err.message, "headers"));
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
    struct rky_http *http = kit_client(0);
    kit_start(&server, kit_answer_hello, NULL);
    struct kit_outcome outcome =
        kit_call(http, (struct rky_http_request){.url = server.url, .response_limit = 5}, 10000);
    ck_assert_int_eq(outcome.rc, 0);
    rky_http_response_done(&outcome.response);
    outcome =
        kit_call(http, (struct rky_http_request){.url = server.url, .response_limit = 4}, 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_DECODE);
    ck_assert_str_eq(outcome.attempt.error_class, "too_large");
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

/* A refusal of four megabytes, which ends with the connection. */
static void refuse_at_length(struct kit_connection *connection, void *context)
{
    static const char reason[] = "<Error><Code>SlowDown</Code></Error>";
    static const char text[4096] = {0};
    (void)context;
    if (!kit_read(connection) ||
        !kit_send(connection, "HTTP/1.1 100 Continue\r\n\r\n"
                              "HTTP/1.1 503 Slow Down\r\n\r\n") ||
        !kit_send(connection, reason))
        return;
    for (int i = 0; i < 1024; i++)
        if (!kit_send_bytes(connection, text, sizeof(text)))
            return;
}

START_TEST(of_a_long_refusal_the_beginning_is_kept_and_it_stays_a_refusal)
{
    static const size_t limits[] = {100, (size_t)1 << 40};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct kit_server server;
        struct rky_http *http = kit_client(0);
        kit_start(&server, refuse_at_length, NULL);
        struct kit_outcome outcome = kit_call(
            http, (struct rky_http_request){.url = server.url, .response_limit = limits[i]}, 10000);
        ck_assert_int_eq(outcome.rc, 0);
        ck_assert_int_eq(outcome.response.status, 503);
        ck_assert_uint_eq(outcome.response.length, i == 0 ? 100 : 1 << 20);
        ck_assert_ptr_nonnull(strstr(outcome.response.body, "SlowDown"));
        rky_http_response_done(&outcome.response);
        rky_http_free(http);
        kit_stop(&server);
    }
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
    struct rky_http *http = kit_client(0);
    int port = silent_port(&fd);
    (void)snprintf(place, sizeof(place), "'127.0.0.1:%d'", port);
    (void)snprintf(url, sizeof(url), "http://me:of-mine@127.0.0.1:%d/path?token=hidden", port);
    struct kit_outcome outcome = kit_get(http, url, 10000);
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
    struct rky_http *http = kit_client(200);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    struct kit_outcome outcome = kit_get(http, url, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "connect");
    ck_assert_int_le(outcome.elapsed_ms, 200 + KIT_GRACE_MS);
    /* The request's own limit goes before the client's, the deadline before both. */
    struct rky_http *patient = kit_client(15000);
    outcome =
        kit_call(patient, (struct rky_http_request){.url = url, .connect_timeout_ms = 100}, 20000);
    ck_assert_str_eq(outcome.attempt.error_class, "connect");
    ck_assert_int_le(outcome.elapsed_ms, 100 + KIT_GRACE_MS);
    outcome = kit_get(patient, url, 100);
    ck_assert_str_eq(outcome.attempt.error_class, "timeout");
    ck_assert_int_le(outcome.elapsed_ms, 100 + KIT_GRACE_MS);
    rky_http_free(patient);
    rky_http_free(http);
    for (size_t i = 0; i < 8; i++)
        (void)close(waiting[i]);
    (void)close(fd);
}
END_TEST

static void be_asked_and_stop(struct kit_connection *connection, void *context)
{
    _Atomic bool *stop = context;
    if (!kit_read(connection))
        return;
    *stop = true;
    (void)kit_idle(connection, 60000);
}

START_TEST(a_stop_abandons_the_request_under_way_and_is_no_fault_of_the_server)
{
    _Atomic bool stop = false;
    struct kit_server server;
    struct rky_http *http = kit_client(0);
    kit_start(&server, be_asked_and_stop, &stop);
    struct kit_outcome outcome =
        kit_call(http, (struct rky_http_request){.url = server.url, .stop = &stop}, 60000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_INTERRUPTED);
    ck_assert_str_eq(outcome.attempt.error_class, "interrupted");
    ck_assert(!outcome.attempt.counts);
    ck_assert(!outcome.attempt.unapplied);
    ck_assert_int_le(outcome.elapsed_ms, KIT_GRACE_MS);
    rky_http_free(http);
    kit_stop(&server);
}
END_TEST

START_TEST(a_name_that_does_not_exist_is_a_dns_fault)
{
    struct rky_http *http = kit_client(0);
    struct kit_outcome outcome = kit_get(http, "http://bucket.absent/", 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "dns");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome.attempt.counts);
    rky_http_free(http);
}
END_TEST

START_TEST(a_resolver_that_hangs_does_not_hold_the_call)
{
    struct rky_http *http = kit_client(0);
    struct kit_outcome outcome = kit_get(http, "http://bucket.slow/", 300);
    ck_assert_int_eq(outcome.rc, RKY_ERR_TIMEOUT);
    ck_assert_str_eq(outcome.attempt.error_class, "timeout");
    ck_assert_int_ge(outcome.elapsed_ms, 250);
    ck_assert_int_le(outcome.elapsed_ms, 300 + KIT_GRACE_MS);
    rky_http_free(http); /* does not wait either */

    (void)pthread_mutex_lock(&resolver.mutex);
    resolver.release = true;
    (void)pthread_cond_broadcast(&resolver.changed);
    while (resolver.inside > 0)
        (void)pthread_cond_wait(&resolver.changed, &resolver.mutex);
    (void)pthread_mutex_unlock(&resolver.mutex);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("http_faults");
    TCase *tcase = tcase_create("http_faults");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_fault_of_a_server_has_its_class_and_ends_in_time, 0,
                        sizeof(faults) / sizeof(faults[0]));
    tcase_add_test(tcase, headers_are_many_but_not_without_end);
    tcase_add_test(tcase, a_body_may_be_as_long_as_the_limit_and_no_byte_longer);
    tcase_add_test(tcase, of_a_long_refusal_the_beginning_is_kept_and_it_stays_a_refusal);
    tcase_add_test(tcase, a_refused_connection_names_the_place_and_no_secret);
    tcase_add_test(tcase, connecting_has_a_limit_of_its_own);
    tcase_add_test(tcase, a_stop_abandons_the_request_under_way_and_is_no_fault_of_the_server);
    tcase_add_test(tcase, a_name_that_does_not_exist_is_a_dns_fault);
    tcase_add_test(tcase, a_resolver_that_hangs_does_not_hold_the_call);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
