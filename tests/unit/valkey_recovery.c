/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Valkey client does by itself: connections that it gives up or makes anew, replicas that
 * it leaves, clusters that it refuses, scripts that the server has forgotten.
 */
#include "config.h"

#include <stdatomic.h>
#include <string.h>

#include "tests/unit/valkey_player.h"

START_TEST(a_connection_that_timed_out_is_never_used_again)
{
    /* The late reply to the first command must not become the answer to the second. */
    const struct play plays[] = {{.replies = {HELLO}}, {.replies = {HELLO, "+second\r\n"}}};
    player_start(plays, 2);
    struct rky_valkey *valkey = player_client("valkey");
    struct outcome outcome = player_ping(valkey, 200);
    ck_assert_int_eq(outcome.rc, RKY_ERR_TIMEOUT);
    outcome = player_ping(valkey, 20000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    ck_assert_str_eq(outcome.reply.text, "second");
    rky_valkey_reply_done(&outcome.reply);
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

START_TEST(more_bytes_than_the_reply_cost_the_connection)
{
    const struct play plays[] = {{.replies = {HELLO, "+first\r\n+stray\r\n"}, .close_after = true},
                                 {.replies = {HELLO, "+second\r\n"}}};
    player_start(plays, 2);
    struct rky_valkey *valkey = player_client("valkey");
    const char *const texts[] = {"first", "second"};
    for (int i = 0; i < 2; i++) {
        struct outcome outcome = player_ping(valkey, 20000);
        ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
        ck_assert_str_eq(outcome.reply.text, texts[i]);
        rky_valkey_reply_done(&outcome.reply);
    }
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

START_TEST(a_connection_that_was_closed_meanwhile_costs_no_attempt)
{
    const struct play plays[] = {{.replies = {HELLO, "+first\r\n"}, .close_after = true},
                                 {.replies = {HELLO, "+second\r\n"}}};
    player_start(plays, 2);
    struct rky_valkey *valkey = player_client("valkey");
    struct outcome outcome = player_ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, 0);
    rky_valkey_reply_done(&outcome.reply);
    player_wait_left(1);
    outcome = player_ping(valkey, 20000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    ck_assert_str_eq(outcome.reply.text, "second");
    rky_valkey_reply_done(&outcome.reply);
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

START_TEST(a_replica_is_left_once)
{
    const struct play plays[] = {{.replies = {HELLO, "-READONLY You can't write\r\n"}},
                                 {.replies = {HELLO, "+primary\r\n"}}};
    player_start(plays, 2);
    struct rky_valkey *valkey = player_client("valkey");
    struct outcome outcome = player_ping(valkey, 20000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    ck_assert_str_eq(outcome.reply.text, "primary");
    rky_valkey_reply_done(&outcome.reply);
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

START_TEST(a_replica_that_stays_one_is_said_to_be)
{
    const struct play plays[] = {{.replies = {HELLO, "-READONLY You can't write\r\n"}}};
    player_start(plays, 1);
    struct rky_valkey *valkey = player_client("valkey");
    struct outcome outcome = player_ping(valkey, 20000);
    player_expect_fault(&outcome, RKY_ERR_UNAVAILABLE, "read_only");
    ck_assert_int_eq(atomic_load(&player.accepted), 2);
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

START_TEST(a_cluster_is_a_configuration_error)
{
    const struct play plays[] = {{.replies = {HELLO, "-MOVED 1 10.0.0.1:6379\r\n"}}};
    player_start(plays, 1);
    struct rky_valkey *valkey = player_client("valkey");
    struct outcome outcome = player_ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(outcome.attempt.error_class, "cluster");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_NO);
    ck_assert(strstr(outcome.err.hint, "cluster is not supported") != NULL);
    rky_valkey_free(valkey);
    player_stop();
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
    player_start(plays, 1);
    struct rky_valkey *valkey = player_client("valkey");
    rky_valkey_script_init(&script, "return 7");
    ck_assert_str_eq(script.sha1, "59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9");
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), 20000);
    int rc = rky_valkey_eval(valkey, &script, 0, NULL, 0, deadline, &reply, &attempt, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(reply.integer, 7);
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

START_TEST(an_error_within_an_array_is_an_error)
{
    const struct play plays[] = {{.replies = {HELLO, "*2\r\n:1\r\n-OOM no memory\r\n"}}};
    player_start(plays, 1);
    struct rky_valkey *valkey = player_client("valkey");
    struct outcome outcome = player_ping(valkey, 20000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_QUOTA);
    ck_assert_str_eq(outcome.attempt.error_class, "oom");
    rky_valkey_free(valkey);
    player_stop();
}
END_TEST

void player_add_recovery(TCase *tcase)
{
    tcase_add_test(tcase, a_connection_that_timed_out_is_never_used_again);
    tcase_add_test(tcase, more_bytes_than_the_reply_cost_the_connection);
    tcase_add_test(tcase, a_connection_that_was_closed_meanwhile_costs_no_attempt);
    tcase_add_test(tcase, a_replica_is_left_once);
    tcase_add_test(tcase, a_replica_that_stays_one_is_said_to_be);
    tcase_add_test(tcase, a_cluster_is_a_configuration_error);
    tcase_add_test(tcase, a_script_that_is_not_known_is_sent_once_in_full);
    tcase_add_test(tcase, an_error_within_an_array_is_an_error);
}
