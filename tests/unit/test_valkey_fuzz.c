/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Valkey client against servers that do not behave: bytes that are not the protocol, and
 * servers that stop. What the client does about it by itself is in valkey_recovery.c.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/valkey_player.h"

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
    struct outcome outcome = player_meet("valkey", &play, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert(outcome.attempt.counts);
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert_int_lt(outcome.took_ms, 5000);
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
    struct outcome outcome = player_meet("valkey", &play, 300);
    player_expect_fault(&outcome, RKY_ERR_TIMEOUT, "timeout");
    ck_assert_int_ge(outcome.took_ms, 250);
    ck_assert_int_lt(outcome.took_ms, 2000);
}
END_TEST

START_TEST(who_drips_costs_the_deadline_and_no_more)
{
    const struct play play = {.replies = {HELLO, "$1000\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
                              .drip_ms = 30};
    struct outcome outcome = player_meet("valkey", &play, 600);
    player_expect_fault(&outcome, RKY_ERR_TIMEOUT, "timeout");
    ck_assert_int_lt(outcome.took_ms, 2500);
}
END_TEST

START_TEST(who_closes_within_a_reply_is_a_reset)
{
    const struct play play = {.replies = {HELLO, "$10\r\nabc"}, .close_after = true};
    struct outcome outcome = player_meet("valkey", &play, 20000);
    player_expect_fault(&outcome, RKY_ERR_CONNECTION, "reset");
}
END_TEST

START_TEST(who_breaks_the_connection_is_a_reset)
{
    const struct play play = {.replies = {HELLO, "$10\r\nabc"}, .close_after = true, .reset = true};
    struct outcome outcome = player_meet("valkey", &play, 20000);
    player_expect_fault(&outcome, RKY_ERR_CONNECTION, "reset");
}
END_TEST

START_TEST(who_does_not_speak_tls_is_told)
{
    const struct play play = {.replies = {"-ERR what is this\r\n"}, .close_after = true};
    struct outcome outcome = player_meet("valkeys", &play, 20000);
    player_expect_fault(&outcome, RKY_ERR_CONNECTION, "tls");
    ck_assert_str_ne(outcome.err.hint, "");
}
END_TEST

START_TEST(a_silent_tls_server_costs_the_deadline_and_no_more)
{
    const struct play play = {.replies = {NULL}};
    struct outcome outcome = player_meet("valkeys", &play, 300);
    player_expect_fault(&outcome, RKY_ERR_TIMEOUT, "timeout");
    ck_assert_int_lt(outcome.took_ms, 2000);
}
END_TEST

START_TEST(nobody_there_is_a_refused_connection)
{
    const struct play play = {.replies = {HELLO}};
    player_start(&play, 1);
    struct rky_valkey *valkey = player_client("valkey");
    player_stop();
    struct outcome outcome = player_ping(valkey, 20000);
    player_expect_fault(&outcome, RKY_ERR_CONNECTION, "connect");
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
    struct outcome outcome = player_ping(valkey, 500);
    ck_assert_str_eq(outcome.attempt.error_class, "dns");
    ck_assert(outcome.attempt.counts);
    ck_assert_int_lt(outcome.took_ms, 2500);
    ck_assert(strstr(outcome.err.message, "nowhere.invalid") != NULL);
    rky_valkey_free(valkey);
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
    player_add_recovery(tcase);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
