/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Valkey client against servers that do not behave: a thread that accepts one connection after
 * the other and plays a script on each. Whatever comes, the client ends in time, says why, and can
 * be used again.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ids.h"
#include "common/mem.h"
#include "state/valkey_internal.h"
#include "tests/kit/check_main.h"

#define PLAY_MAX 8
/* The client names itself first. */
#define HELLO "+OK\r\n"

/* One connection: what is answered to the commands that come, one each. */
struct play {
    const char *replies[4]; /* NULL = silence */
    size_t length;          /* of the last one, 0 = a text */
    bool close_after;       /* the replies */
    bool reset;             /* close with RST */
    int drip_ms;            /* between two bytes of a reply, 0 = all at once */
};

static struct server {
    int fd, port;
    pthread_t thread;
    atomic_bool stop;
    struct play plays[PLAY_MAX];
    size_t count;
    atomic_int accepted;
} server;

/* Whether somebody sent something (or closed) before the server was stopped. */
static bool heard(int fd)
{
    while (!atomic_load(&server.stop)) {
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        char buffer[65536];
        if (poll(&entry, 1, 10) > 0)
            return recv(fd, buffer, sizeof(buffer), 0) > 0;
    }
    return false;
}

static void answer(int fd, const struct play *play, const char *bytes, size_t length)
{
    if (play->drip_ms == 0) {
        (void)!send(fd, bytes, length, MSG_NOSIGNAL);
        return;
    }
    for (size_t i = 0; i < length && !atomic_load(&server.stop); i++) {
        if (send(fd, bytes + i, 1, MSG_NOSIGNAL) != 1)
            return;
        (void)poll(NULL, 0, play->drip_ms);
    }
}

static void serve(int fd, const struct play *play)
{
    const size_t steps = sizeof(play->replies) / sizeof(play->replies[0]);
    for (size_t i = 0; i < steps && play->replies[i] != NULL; i++) {
        bool last = i + 1 == steps || play->replies[i + 1] == NULL;
        size_t length = last && play->length > 0 ? play->length : strlen(play->replies[i]);
        if (!heard(fd))
            return;
        answer(fd, play, play->replies[i], length);
    }
    if (!play->close_after)
        while (heard(fd))
            ;
    if (play->reset) {
        const struct linger linger = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
}

static void *run(void *argument)
{
    (void)argument;
    while (!atomic_load(&server.stop)) {
        struct pollfd entry = {.fd = server.fd, .events = POLLIN};
        if (poll(&entry, 1, 10) <= 0)
            continue;
        int fd = accept(server.fd, NULL, NULL);
        if (fd < 0)
            continue;
        size_t number = (size_t)atomic_fetch_add(&server.accepted, 1);
        serve(fd, &server.plays[number < server.count ? number : server.count - 1]);
        (void)close(fd);
    }
    return NULL;
}

static void server_start(const struct play *plays, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    server = (struct server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .count = count};
    memcpy(server.plays, plays, count * sizeof(*plays));
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(server.fd, 16), 0);
    ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
    server.port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, run, NULL), 0);
}

static void server_stop(void)
{
    atomic_store(&server.stop, true);
    (void)pthread_join(server.thread, NULL);
    (void)close(server.fd);
}

static struct rky_valkey *client(const char *scheme)
{
    char url[64];
    struct rky_valkey *valkey = NULL;
    struct rky_error err = {0};
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, server.port);
    const struct rky_valkey_options options = {.url = url, .clock = rky_clock_real()};
    ck_assert_msg(rky_valkey_new(&options, &valkey, &err) == 0, "%s", err.message);
    return valkey;
}

struct outcome {
    int rc;
    struct rky_attempt attempt;
    struct rky_error err;
    struct rky_valkey_reply reply;
    int64_t took_ms;
};

static struct outcome ping(struct rky_valkey *valkey, int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("PING")};
    struct outcome outcome = {0};
    int64_t began = clock->mono_ms(clock);
    outcome.rc = rky_valkey_command(valkey, args, 1, rky_deadline_in(clock, ms), &outcome.reply,
                                    &outcome.attempt, &outcome.err);
    outcome.took_ms = clock->mono_ms(clock) - began;
    ck_assert_int_eq(outcome.err.code, outcome.rc);
    return outcome;
}

static void expect_fault(const struct outcome *outcome, int code, const char *error_class)
{
    ck_assert_msg(outcome->rc == code, "%s: %s", rky_err_name(outcome->rc), outcome->err.message);
    ck_assert_pstr_eq(outcome->attempt.error_class, error_class);
    ck_assert_int_eq(outcome->attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome->attempt.counts);
    ck_assert(outcome->err.transient);
    ck_assert_str_ne(outcome->err.message, "");
}

/* --- what is not the protocol
 * ---------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t length;
} garbage[] = {
    {"hello\r\n", 0},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", 0},
    {"\x15\x03\x01\x00\x02\x02\x50", 7},
    {"\0\0\0\0\0\0\0\0", 8},
    {"*2147483647\r\n", 0},
    {"*99999999999999999999\r\n", 0},
    {"*-7\r\n", 0},
    {"*100001\r\n", 0},
    {"$-2\r\n", 0},
    {"$99999999999999999999\r\n", 0},
    {"$x\r\n", 0},
    {":x\r\n", 0},
    {":99999999999999999999999\r\n", 0},
    {"%2\r\n+a\r\n+b\r\n", 0},
    {",1.5\r\n", 0},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 0},
    {"*2\r\n*60000\r\n", 0},
};

START_TEST(garbage_is_a_fault_of_the_connection)
{
    const struct play play = {
        .replies = {HELLO, garbage[_i].bytes}, .length = garbage[_i].length, .close_after = true};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert(outcome.attempt.counts);
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert_int_lt(outcome.took_ms, 5000);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(random_bytes_never_hang_or_crash)
{
    enum { ROUNDS = 300, LENGTH = 400 };
    static const char starts[] = "+-:$*";
    for (int round = 0; round < ROUNDS; round++) {
        struct rky_valkey_reader reader;
        struct rky_valkey_reply reply = {0};
        unsigned char bytes[LENGTH];
        bool found = true;
        int rc = rky_valkey_reader_init(&reader, NULL);
        ck_assert_int_eq(rc, 0);
        rky_random_bytes(bytes, sizeof(bytes));
        /* Mostly like the protocol, so that more of the parser is reached. */
        for (size_t i = 0; i < sizeof(bytes); i++)
            if (bytes[i] % 4 != 0)
                bytes[i] = (unsigned char)"+-:$*0123456789\r\n\r\n\r\n\r\n"[bytes[i] / 4 % 23];
        bytes[0] = (unsigned char)starts[round % 5];
        for (size_t at = 0; rc == 0 && at < sizeof(bytes); at += 16) {
            rc = rky_valkey_reader_feed(&reader, bytes + at, 16, NULL);
            for (found = true; rc == 0 && found;) {
                rc = rky_valkey_reader_next(&reader, &found, &reply, NULL);
                if (rc == 0 && found)
                    rky_valkey_reply_done(&reply);
            }
        }
        rky_valkey_reader_done(&reader);
    }
}
END_TEST

START_TEST(a_line_without_an_end_is_given_up)
{
    struct rky_valkey_reader reader;
    struct rky_error err = {0};
    static char bytes[65536];
    int rc = 0;
    memset(bytes, 'x', sizeof(bytes));
    bytes[0] = '+';
    ck_assert_int_eq(rky_valkey_reader_init(&reader, &err), 0);
    for (int i = 0; i < 4 && rc == 0; i++) {
        bool found = false;
        struct rky_valkey_reply reply = {0};
        ck_assert_int_eq(rky_valkey_reader_feed(&reader, bytes, sizeof(bytes), &err), 0);
        rc = rky_valkey_reader_next(&reader, &found, &reply, &err);
        ck_assert(!found);
    }
    ck_assert_int_eq(rc, RKY_ERR_DECODE);
    rky_valkey_reader_done(&reader);
}
END_TEST

START_TEST(replies_of_every_type_and_in_any_pieces_are_read)
{
    static const char wire[] =
        "*5\r\n$3\r\na\0b\r\n:-42\r\n$-1\r\n*2\r\n+OK\r\n*0\r\n$0\r\n\r\n+next\r\n";
    for (size_t piece = 1; piece < sizeof(wire); piece++) {
        struct rky_valkey_reader reader;
        struct rky_valkey_reply reply = {0};
        size_t replies = 0;
        ck_assert_int_eq(rky_valkey_reader_init(&reader, NULL), 0);
        for (size_t at = 0; at < sizeof(wire) - 1; at += piece) {
            size_t left = sizeof(wire) - 1 - at;
            bool found = true;
            ck_assert_int_eq(
                rky_valkey_reader_feed(&reader, wire + at, left < piece ? left : piece, NULL), 0);
            while (found) {
                ck_assert_int_eq(rky_valkey_reader_next(&reader, &found, &reply, NULL), 0);
                if (!found)
                    break;
                if (replies++ == 0) {
                    ck_assert_int_eq(reply.type, RKY_VALKEY_ARRAY);
                    ck_assert_uint_eq(reply.count, 5);
                    ck_assert_uint_eq(reply.items[0].length, 3);
                    ck_assert_mem_eq(reply.items[0].text, "a\0b", 4);
                    ck_assert_int_eq(reply.items[1].integer, -42);
                    ck_assert_int_eq(reply.items[2].type, RKY_VALKEY_NIL);
                    ck_assert_uint_eq(reply.items[3].count, 2);
                    ck_assert_str_eq(reply.items[3].items[0].text, "OK");
                    ck_assert_int_eq(reply.items[4].type, RKY_VALKEY_STRING);
                } else {
                    ck_assert_str_eq(reply.text, "next");
                }
                rky_valkey_reply_done(&reply);
            }
        }
        ck_assert_uint_eq(replies, 2);
        ck_assert(!rky_valkey_reader_pending(&reader));
        rky_valkey_reader_done(&reader);
    }
}
END_TEST

START_TEST(every_allocation_of_the_reader_may_fail)
{
    static const char wire[] = "*3\r\n$3\r\nabc\r\n*2\r\n+OK\r\n:1\r\n-ERR x\r\n";
    for (uint64_t nth = 1;; nth++) {
        struct rky_valkey_reader reader;
        struct rky_valkey_reply reply = {0};
        struct rky_error err = {0};
        bool found = false;
        ck_assert_int_eq(rky_valkey_reader_init(&reader, &err), 0);
        ck_assert_int_eq(rky_valkey_reader_feed(&reader, wire, sizeof(wire) - 1, &err), 0);
        rky_mem_fail_nth(nth);
        int rc = rky_valkey_reader_next(&reader, &found, &reply, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        rky_valkey_reader_done(&reader);
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            ck_assert(found);
            ck_assert_uint_gt(nth, 5);
            rky_valkey_reply_done(&reply);
            return;
        }
        ck_assert_int_eq(rc, RKY_ERR_NOMEM);
    }
}
END_TEST

/* --- servers that stop
 * ----------------------------------------------------------------------------- */

START_TEST(who_never_answers_costs_the_deadline_and_no_more)
{
    const struct play play = {.replies = {HELLO}};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 300);
    expect_fault(&outcome, RKY_ERR_TIMEOUT, "timeout");
    ck_assert_int_ge(outcome.took_ms, 250);
    ck_assert_int_lt(outcome.took_ms, 2000);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(who_drips_costs_the_deadline_and_no_more)
{
    const struct play play = {.replies = {HELLO, "$1000\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
                              .drip_ms = 30};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 600);
    expect_fault(&outcome, RKY_ERR_TIMEOUT, "timeout");
    ck_assert_int_lt(outcome.took_ms, 2500);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(who_closes_within_a_reply_is_a_reset)
{
    const struct play play = {.replies = {HELLO, "$10\r\nabc"}, .close_after = true};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    expect_fault(&outcome, RKY_ERR_CONNECTION, "reset");
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(who_breaks_the_connection_is_a_reset)
{
    const struct play play = {.replies = {HELLO, "$10\r\nabc"}, .close_after = true, .reset = true};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    expect_fault(&outcome, RKY_ERR_CONNECTION, "reset");
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(who_does_not_speak_tls_is_told)
{
    const struct play play = {.replies = {"-ERR what is this\r\n"}, .close_after = true};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkeys");
    struct outcome outcome = ping(valkey, 20000);
    expect_fault(&outcome, RKY_ERR_CONNECTION, "tls");
    ck_assert_str_ne(outcome.err.hint, "");
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(a_silent_tls_server_costs_the_deadline_and_no_more)
{
    const struct play play = {.replies = {NULL}};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkeys");
    struct outcome outcome = ping(valkey, 300);
    expect_fault(&outcome, RKY_ERR_TIMEOUT, "timeout");
    ck_assert_int_lt(outcome.took_ms, 2000);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(nobody_there_is_a_refused_connection)
{
    const struct play play = {.replies = {HELLO}};
    server_start(&play, 1);
    struct rky_valkey *valkey = client("valkey");
    server_stop();
    struct outcome outcome = ping(valkey, 20000);
    expect_fault(&outcome, RKY_ERR_CONNECTION, "connect");
    ck_assert_int_eq(outcome.err.sys_errno, ECONNREFUSED);
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_ends_in_time)
{
    struct rky_valkey *valkey = NULL;
    struct rky_error err = {0};
    const struct rky_valkey_options options = {.url = "valkey://nowhere.invalid",
                                               .clock = rky_clock_real()};
    ck_assert_int_eq(rky_valkey_new(&options, &valkey, &err), 0);
    struct outcome outcome = ping(valkey, 500);
    ck_assert_str_eq(outcome.attempt.error_class, "dns");
    ck_assert(outcome.attempt.counts);
    ck_assert_int_lt(outcome.took_ms, 2500);
    ck_assert(strstr(outcome.err.message, "nowhere.invalid") != NULL);
    rky_valkey_free(valkey);
}
END_TEST

/* --- what the client does by itself
 * ---------------------------------------------------------------- */

START_TEST(a_connection_that_timed_out_is_never_used_again)
{
    /* The late reply to the first command must not become the answer to the second. */
    const struct play plays[] = {{.replies = {HELLO}}, {.replies = {HELLO, "+second\r\n"}}};
    server_start(plays, 2);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 200);
    ck_assert_int_eq(outcome.rc, RKY_ERR_TIMEOUT);
    outcome = ping(valkey, 20000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    ck_assert_str_eq(outcome.reply.text, "second");
    rky_valkey_reply_done(&outcome.reply);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(more_bytes_than_the_reply_cost_the_connection)
{
    const struct play plays[] = {{.replies = {HELLO, "+first\r\n+stray\r\n"}, .close_after = true},
                                 {.replies = {HELLO, "+second\r\n"}}};
    server_start(plays, 2);
    struct rky_valkey *valkey = client("valkey");
    const char *const texts[] = {"first", "second"};
    for (int i = 0; i < 2; i++) {
        struct outcome outcome = ping(valkey, 20000);
        ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
        ck_assert_str_eq(outcome.reply.text, texts[i]);
        rky_valkey_reply_done(&outcome.reply);
    }
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(a_connection_that_was_closed_meanwhile_costs_no_attempt)
{
    const struct play plays[] = {{.replies = {HELLO, "+first\r\n"}, .close_after = true},
                                 {.replies = {HELLO, "+second\r\n"}}};
    server_start(plays, 2);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, 0);
    rky_valkey_reply_done(&outcome.reply);
    /* The server waits for the next connection only when it has closed this one. */
    outcome = ping(valkey, 20000);
    if (outcome.rc != 0) /* it had not closed yet when we looked */
        outcome = ping(valkey, 20000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    ck_assert_str_eq(outcome.reply.text, "second");
    rky_valkey_reply_done(&outcome.reply);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(a_replica_is_left_once)
{
    const struct play plays[] = {{.replies = {HELLO, "-READONLY You can't write\r\n"}},
                                 {.replies = {HELLO, "+primary\r\n"}}};
    server_start(plays, 2);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    ck_assert_str_eq(outcome.reply.text, "primary");
    rky_valkey_reply_done(&outcome.reply);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(a_replica_that_stays_one_is_said_to_be)
{
    const struct play plays[] = {{.replies = {HELLO, "-READONLY You can't write\r\n"}}};
    server_start(plays, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    expect_fault(&outcome, RKY_ERR_UNAVAILABLE, "read_only");
    ck_assert_int_eq(atomic_load(&server.accepted), 2);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(a_cluster_is_a_configuration_error)
{
    const struct play plays[] = {{.replies = {HELLO, "-MOVED 1 10.0.0.1:6379\r\n"}}};
    server_start(plays, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(outcome.attempt.error_class, "cluster");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_NO);
    ck_assert(strstr(outcome.err.hint, "cluster is not supported") != NULL);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(a_script_that_is_not_known_is_sent_once_in_full)
{
    const struct play plays[] = {
        {.replies = {HELLO, "-NOSCRIPT No matching script\r\n", ":7\r\n"}}};
    struct rky_valkey_script script;
    struct rky_valkey_reply reply = {0};
    struct rky_attempt attempt = {0};
    struct rky_error err = {0};
    server_start(plays, 1);
    struct rky_valkey *valkey = client("valkey");
    rky_valkey_script_init(&script, "return 7");
    ck_assert_str_eq(script.sha1, "59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9");
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), 20000);
    int rc = rky_valkey_eval(valkey, &script, 0, NULL, 0, deadline, &reply, &attempt, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(reply.integer, 7);
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

START_TEST(an_error_within_an_array_is_an_error)
{
    const struct play plays[] = {{.replies = {HELLO, "*2\r\n:1\r\n-OOM no memory\r\n"}}};
    server_start(plays, 1);
    struct rky_valkey *valkey = client("valkey");
    struct outcome outcome = ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_QUOTA);
    ck_assert_str_eq(outcome.attempt.error_class, "oom");
    rky_valkey_free(valkey);
    server_stop();
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("valkey faults");
    TCase *tcase = tcase_create("protocol");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, garbage_is_a_fault_of_the_connection, 0,
                        (int)(sizeof(garbage) / sizeof(garbage[0])));
    tcase_add_test(tcase, random_bytes_never_hang_or_crash);
    tcase_add_test(tcase, a_line_without_an_end_is_given_up);
    tcase_add_test(tcase, replies_of_every_type_and_in_any_pieces_are_read);
    tcase_add_test(tcase, every_allocation_of_the_reader_may_fail);
    tcase_add_test(tcase, who_never_answers_costs_the_deadline_and_no_more);
    tcase_add_test(tcase, who_drips_costs_the_deadline_and_no_more);
    tcase_add_test(tcase, who_closes_within_a_reply_is_a_reset);
    tcase_add_test(tcase, who_breaks_the_connection_is_a_reset);
    tcase_add_test(tcase, who_does_not_speak_tls_is_told);
    tcase_add_test(tcase, a_silent_tls_server_costs_the_deadline_and_no_more);
    tcase_add_test(tcase, nobody_there_is_a_refused_connection);
    tcase_add_test(tcase, a_name_that_does_not_resolve_ends_in_time);
    tcase_add_test(tcase, a_connection_that_timed_out_is_never_used_again);
    tcase_add_test(tcase, more_bytes_than_the_reply_cost_the_connection);
    tcase_add_test(tcase, a_connection_that_was_closed_meanwhile_costs_no_attempt);
    tcase_add_test(tcase, a_replica_is_left_once);
    tcase_add_test(tcase, a_replica_that_stays_one_is_said_to_be);
    tcase_add_test(tcase, a_cluster_is_a_configuration_error);
    tcase_add_test(tcase, a_script_that_is_not_known_is_sent_once_in_full);
    tcase_add_test(tcase, an_error_within_an_array_is_an_error);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
