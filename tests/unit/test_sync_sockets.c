/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole cycles of a job (cycle_kit.h) with backend tiered against the S3 stand-in and a real
 * Valkey, both behind a proxy that cuts every connection at the Nth byte that passes, whichever way
 * it goes, or that turns the Nth connection away.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/kit/check_main.h"
#include "tests/kit/s3_server.h"
#include "tests/kit/valkey_server.h"
#include "tests/unit/cycle_kit.h"
#include "tests/unit/test_ledger_kit.h"

/* --- the proxy -----------------------------------------------------------------------------------
 */

enum { FRONTS = 2, PAIRS = 64, CHUNK = 16384 };

static struct {
    pthread_t thread;
    int wake[2];               /* closing the write end ends the thread */
    int listening[FRONTS];     /* one per server */
    uint16_t behind[FRONTS];   /* the server's own port */
    _Atomic int64_t cut_at;    /* bytes from now until the cut; < 0 = never */
    _Atomic int64_t refuse_at; /* connections from now until one is turned away */
    atomic_bool struck;
} proxy;

struct pair {
    int ends[2]; /* client, server; -1 = free */
};

static struct sockaddr_in at(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_anywhere(uint16_t *ret_port)
{
    struct sockaddr_in address = at(0);
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, PAIRS), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* With a reset: whoever sits there learns of it at once. */
static void cut(struct pair *pair)
{
    const struct linger hard = {.l_onoff = 1};
    for (int end = 0; end < 2; end++) {
        if (pair->ends[end] < 0)
            continue;
        (void)setsockopt(pair->ends[end], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        (void)close(pair->ends[end]);
        pair->ends[end] = -1;
    }
}

static void accept_one(int front, struct pair *pairs)
{
    struct sockaddr_in address = at(proxy.behind[front]);
    struct pair made = {{accept4(proxy.listening[front], NULL, NULL, SOCK_CLOEXEC),
                         socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}};
    bool refuse = atomic_load(&proxy.refuse_at) > 0 && atomic_fetch_sub(&proxy.refuse_at, 1) == 1;
    if (refuse)
        atomic_store(&proxy.struck, true);
    struct pair *place = pairs;
    while (place < pairs + PAIRS && place->ends[0] >= 0)
        place++;
    if (refuse || place == pairs + PAIRS ||
        connect(made.ends[1], (const struct sockaddr *)&address, sizeof(address)) != 0)
        cut(&made);
    else
        *place = made;
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* What came at one end goes to the other, up to the cut. */
static void pass(struct pair *pair, int end)
{
    char bytes[CHUNK];
    ssize_t got = recv(pair->ends[end], bytes, sizeof(bytes), 0);
    int64_t left = atomic_load(&proxy.cut_at);
    size_t length = got > 0 ? (size_t)got : 0;
    bool here = left > 0 && (int64_t)length >= left;
    if (here)
        length = (size_t)left;
    bool good = got > 0 && send_all(pair->ends[1 - end], bytes, length);
    if (left > 0)
        atomic_store(&proxy.cut_at, here ? -1 : left - (int64_t)length);
    if (here)
        atomic_store(&proxy.struck, true);
    if (!good || here)
        cut(pair);
}

static void *serve(void *unused)
{
    struct pair pairs[PAIRS];
    struct pollfd polled[1 + FRONTS + 2 * PAIRS];
    (void)unused;
    for (size_t i = 0; i < PAIRS; i++)
        pairs[i].ends[0] = pairs[i].ends[1] = -1;
    for (;;) {
        polled[0] = (struct pollfd){.fd = proxy.wake[0], .events = POLLIN};
        for (size_t i = 0; i < FRONTS; i++)
            polled[1 + i] = (struct pollfd){.fd = proxy.listening[i], .events = POLLIN};
        for (size_t i = 0; i < 2 * (size_t)PAIRS; i++)
            polled[1 + FRONTS + i] =
                (struct pollfd){.fd = pairs[i / 2].ends[i % 2], .events = POLLIN};
        if (poll(polled, sizeof(polled) / sizeof(polled[0]), -1) < 0 && errno != EINTR)
            break;
        if (polled[0].revents != 0)
            break;
        for (size_t i = 0; i < 2 * (size_t)PAIRS; i++)
            if (polled[1 + FRONTS + i].revents != 0 && pairs[i / 2].ends[i % 2] >= 0)
                pass(&pairs[i / 2], (int)(i % 2));
        for (int i = 0; i < FRONTS; i++)
            if (polled[1 + i].revents != 0)
                accept_one(i, pairs);
    }
    for (size_t i = 0; i < PAIRS; i++)
        cut(&pairs[i]);
    return NULL;
}

/* --- the world -----------------------------------------------------------------------------------
 */

static struct rky_s3_server s3;

static void setup(void)
{
    char state[1024], answer[64];
    uint16_t ports[FRONTS];
    /* A cache that outlived its store would be gone on from. */
    rky_valkey_server_cli(rky_valkey_server(), "flushall", answer, sizeof(answer));
    rky_s3_server_start(&s3, "--server standin");
    proxy.behind[0] = (uint16_t)strtoul(strrchr(s3.endpoint, ':') + 1, NULL, 10);
    proxy.behind[1] = (uint16_t)rky_valkey_server()->port;
    proxy.cut_at = -1;
    proxy.refuse_at = 0;
    for (int i = 0; i < FRONTS; i++)
        proxy.listening[i] = listen_anywhere(&ports[i]);
    ck_assert_int_eq(pipe(proxy.wake), 0);
    ck_assert_int_eq(pthread_create(&proxy.thread, NULL, serve, NULL), 0);
    ck_assert_int_eq(setenv("AWS_ACCESS_KEY_ID", RKY_S3_ACCESS_KEY, 1), 0);
    ck_assert_int_eq(setenv("AWS_SECRET_ACCESS_KEY", RKY_S3_SECRET_KEY, 1), 0);
    ck_assert_int_eq(setenv("AWS_EC2_METADATA_DISABLED", "true", 1), 0);
    (void)snprintf(state, sizeof(state),
                   "backend = \"tiered\"\n"
                   "s3_bucket = \"" RKY_S3_BUCKET "\"\n"
                   "s3_region = \"us-east-1\"\n"
                   "s3_path_style = true\n"
                   "s3_endpoint = \"http://127.0.0.1:%u\"\n"
                   "valkey_url = \"valkey://127.0.0.1:%u\"\n",
                   (unsigned)ports[0], (unsigned)ports[1]);
    kit_cycles_open(state);
}

/* Every commit the store applied is the next generation: requests come in the order in which they
 * were applied, because one job at a time sends them. */
static void expect_chain(void)
{
    json_t *requests = rky_s3_admin(&s3, "GET", "requests", NULL);
    json_int_t last = 0;
    size_t index = 0;
    const json_t *request = NULL;
    json_array_foreach(requests, index, request)
    {
        const char *key = json_string_value(json_object_get(request, "key"));
        const char *operation = json_string_value(json_object_get(request, "operation"));
        const char *generation = json_string_value(json_object_get(request, "generation"));
        if (key == NULL || strcmp(key, RKY_S3_PREFIX "acme.db") != 0 || operation == NULL ||
            strcmp(operation, "PUT") != 0 || generation == NULL ||
            !json_is_true(json_object_get(request, "applied")))
            continue;
        json_int_t now = strtoll(generation, NULL, 10);
        ck_assert_msg(now == last + 1, "generation %lld after %lld", (long long)now,
                      (long long)last);
        last = now;
    }
    ck_assert_int_gt(last, 3);
    json_decref(requests);
}

static void teardown(void)
{
    kit_cycles_close();
    (void)close(proxy.wake[1]);
    (void)pthread_join(proxy.thread, NULL);
    (void)close(proxy.wake[0]);
    for (int i = 0; i < FRONTS; i++)
        (void)close(proxy.listening[i]);
    rky_s3_server_do(&s3, "stop");
}

static void arm_bytes(uint64_t nth)
{
    atomic_store(&proxy.struck, false);
    atomic_store(&proxy.cut_at, (int64_t)nth);
}

static void arm_connections(uint64_t nth)
{
    atomic_store(&proxy.struck, false);
    atomic_store(&proxy.refuse_at, (int64_t)nth);
}

static bool disarm(void)
{
    atomic_store(&proxy.cut_at, -1);
    atomic_store(&proxy.refuse_at, 0);
    return atomic_load(&proxy.struck);
}

/* A prime, so that the cuts fall into every part of requests and answers. */
enum { STRIDE = 1511, WALKS = 2 };

START_TEST(test_the_cycle_survives_a_cut_at_any_byte)
{
    static const struct kit_fault fault = {arm_bytes, disarm, "byte", "no word of it"};
    kit_cycles(&fault, 1 + (uint64_t)_i * STRIDE / WALKS, STRIDE);
    expect_chain();
}
END_TEST

START_TEST(test_the_cycle_survives_a_connection_turned_away)
{
    int refused = 0;
    static const struct kit_fault fault = {arm_connections, disarm, "connection", "no word of it"};
    for (uint64_t nth = 1; nth <= 3; nth++) {
        const struct kit_fault first = {arm_bytes, disarm, "byte", "no word of it"};
        (void)kit_cycle_once(&first, 300 * nth); /* so that new ones are made */
        refused += kit_cycle_once(&fault, nth);
    }
    ck_assert_int_gt(refused, 0);
    expect_chain();
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("sync_sockets");
    TCase *tests = tcase_create("sync_sockets");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_the_cycle_survives_a_cut_at_any_byte, 0, WALKS);
    tcase_add_test(tests, test_the_cycle_survives_a_connection_turned_away);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_valkey_main("", suite);
}
