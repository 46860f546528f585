/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Valkey client against real servers: ways in (TCP, unix socket, TLS with and without a client
 * certificate, users), ways in that are refused, what a log shows of a password, restarts, threads.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ids.h"
#include "tests/kit/check_main.h"
#include "tests/kit/valkey_server.h"

#define PASSWORD "sesame:/@%42"
#define PASSWORD_IN_URL "sesame%3A%2f%40%2542"

static struct rky_valkey_server server;

struct outcome {
    int rc;
    struct rky_attempt attempt;
    struct rky_error err;
    struct rky_valkey_reply reply;
};

/* One command of words. */
static struct outcome ask(struct rky_valkey *valkey, const char *const *words)
{
    struct rky_valkey_arg args[8];
    struct outcome outcome = {0};
    size_t count = 0;
    for (; words[count] != NULL; count++)
        args[count] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(words[count]);
    outcome.rc = rky_valkey_command(valkey, args, count, rky_deadline_in(rky_clock_real(), 10000),
                                    &outcome.reply, &outcome.attempt, &outcome.err);
    return outcome;
}
#define ASK(valkey_, ...) ask(valkey_, (const char *const[]){__VA_ARGS__, NULL})

static void expect_text(struct outcome outcome, const char *text)
{
    ck_assert_msg(outcome.rc == 0, "%s (%s)", outcome.err.message, outcome.err.hint);
    ck_assert_int_eq(outcome.reply.type, RKY_VALKEY_STRING);
    ck_assert_str_eq(outcome.reply.text, text);
    rky_valkey_reply_done(&outcome.reply);
}

static void expect_refusal(const struct outcome *outcome, int code, const char *error_class)
{
    ck_assert_msg(outcome->rc == code, "%s: %s", rky_err_name(outcome->rc), outcome->err.message);
    ck_assert_pstr_eq(outcome->attempt.error_class, error_class);
    ck_assert_int_eq(outcome->attempt.retry, RKY_RETRY_NO);
    ck_assert(!outcome->attempt.counts);
    ck_assert(!outcome->err.transient);
    ck_assert_str_ne(outcome->err.hint, "");
    ck_assert_ptr_null(strstr(outcome->err.message, "sesame"));
    ck_assert_ptr_null(strstr(outcome->err.hint, "sesame"));
}

static const char *in_directory(const char *name)
{
    static char paths[4][4400];
    static size_t next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", server.directory, name);
    return path;
}

/* URL of the server with credentials and a database. */
static const char *url_with(const char *scheme, const char *login, const char *rest)
{
    static char url[256];
    (void)snprintf(url, sizeof(url), "%s://%s127.0.0.1:%d%s", scheme, login, server.port, rest);
    return url;
}

static void stop(void)
{
    rky_valkey_server_do(&server, "stop");
}

/* --- plain
 * ----------------------------------------------------------------------------------------- */

static void start_plain(void)
{
    rky_valkey_server_start(&server, "");
}

START_TEST(a_command_is_answered)
{
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    expect_text(ASK(valkey, "SET", "k", "v"), "OK");
    expect_text(ASK(valkey, "GET", "k"), "v");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_database_is_selected_on_every_connection)
{
    struct rky_valkey *third =
        rky_valkey_client(&(struct rky_valkey_options){.url = url_with("valkey", "", "/3")});
    struct rky_valkey *none = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    char answer[64];
    expect_text(ASK(third, "SET", "only-in-3", "v"), "OK");
    rky_valkey_server_cli(&server, "client kill type normal skipme yes", answer, sizeof(answer));
    expect_text(ASK(third, "GET", "only-in-3"), "v");
    struct outcome outcome = ASK(none, "GET", "only-in-3");
    ck_assert_int_eq(outcome.reply.type, RKY_VALKEY_NIL);
    rky_valkey_free(third);
    rky_valkey_free(none);
}
END_TEST

START_TEST(a_database_that_is_not_there_is_said_to_be)
{
    struct rky_valkey *valkey =
        rky_valkey_client(&(struct rky_valkey_options){.url = url_with("valkey", "", "/99")});
    struct outcome outcome = ASK(valkey, "PING");
    expect_refusal(&outcome, RKY_ERR_CONFIG, "database");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_unix_socket_is_a_way_in)
{
    char url[4400];
    (void)snprintf(url, sizeof(url), "unix://%s?db=2", server.socket);
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = url});
    expect_text(ASK(valkey, "PING"), "PONG");
    ck_assert_str_eq(rky_valkey_uri(valkey), url);
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_password_the_server_does_not_want_is_refused)
{
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = url_with("valkey", ":" PASSWORD_IN_URL "@", "")});
    struct outcome outcome = ASK(valkey, "PING");
    expect_refusal(&outcome, RKY_ERR_AUTH, "auth");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_name_is_resolved)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "valkey://localhost:%d", server.port);
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = url});
    expect_text(ASK(valkey, "PING"), "PONG");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(connections_that_a_restart_closed_cost_nothing)
{
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    expect_text(ASK(valkey, "SET", "k", "v"), "OK");
    rky_valkey_server_do(&server, "restart");
    expect_text(ASK(valkey, "GET", "k"), "v");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_full_server_is_not_retried)
{
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    expect_text(ASK(valkey, "CONFIG", "SET", "maxmemory", "1"), "OK");
    struct outcome outcome = ASK(valkey, "SET", "k", "v");
    expect_refusal(&outcome, RKY_ERR_QUOTA, "oom");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(too_many_clients_is_worth_a_retry)
{
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    struct rky_valkey *late = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    expect_text(ASK(valkey, "CONFIG", "SET", "maxclients", "1"), "OK");
    struct outcome outcome = ASK(late, "PING");
    ck_assert_int_eq(outcome.rc, RKY_ERR_UNAVAILABLE);
    ck_assert_str_eq(outcome.attempt.error_class, "too_many_clients");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome.attempt.counts);
    rky_valkey_free(valkey);
    rky_valkey_free(late);
}
END_TEST

static void *count_up(void *argument)
{
    struct rky_valkey *valkey = argument;
    for (int i = 0; i < 200; i++) {
        struct outcome outcome = ASK(valkey, "INCR", "counter");
        if (outcome.rc != 0)
            return argument;
        rky_valkey_reply_done(&outcome.reply);
    }
    return NULL;
}

START_TEST(threads_share_a_client)
{
    enum { THREADS = 16 };
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, valkey), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    expect_text(ASK(valkey, "GET", "counter"), "3200");
    rky_valkey_free(valkey);
}
END_TEST

/* --- users
 * ----------------------------------------------------------------------------------------- */

static void start_acl(void)
{
    rky_valkey_server_start(&server, "--acl");
}

START_TEST(a_user_logs_in)
{
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = url_with("valkey", "rocky:" PASSWORD_IN_URL "@", "")});
    expect_text(ASK(valkey, "SET", "rocky:x", "v"), "OK");
    struct outcome outcome = ASK(valkey, "SET", "not-ours", "v");
    expect_refusal(&outcome, RKY_ERR_AUTH, "permission");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(without_a_login_nothing_is_allowed)
{
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    struct outcome outcome = ASK(valkey, "GET", "rocky:x");
    expect_refusal(&outcome, RKY_ERR_AUTH, "auth");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_reader_may_not_write_and_is_told_so)
{
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = url_with("valkey", "reader:reader-password@", "")});
    struct outcome outcome = ASK(valkey, "GET", "rocky:x");
    ck_assert_int_eq(outcome.rc, 0);
    outcome = ASK(valkey, "SET", "rocky:x", "v");
    expect_refusal(&outcome, RKY_ERR_AUTH, "permission");
    ck_assert(strstr(outcome.err.message, "reader") != NULL);
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_wrong_password_is_never_printed)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(stream);
    struct rky_log *log = rky_log_new(stream, RKY_LOG_DEBUG, RKY_LOG_JSON, rky_clock_real());
    struct rky_valkey *valkey = rky_valkey_client(&(struct rky_valkey_options){
        .url = url_with("valkey", "rocky:" PASSWORD_IN_URL "wrong@", "/1"), .log = log});

    struct outcome outcome = ASK(valkey, "PING");

    expect_refusal(&outcome, RKY_ERR_AUTH, "auth");
    ck_assert(strstr(outcome.err.message, "WRONGPASS") != NULL);
    ck_assert_ptr_null(strstr(rky_valkey_uri(valkey), "sesame"));
    /* Whoever logs it all the same shows nothing of it, in either spelling. */
    rky_log_write(log, RKY_LOG_ERROR, NULL, "%s %s", PASSWORD "wrong", PASSWORD_IN_URL "wrong");
    rky_log_write(log, RKY_LOG_ERROR, NULL, "%s", outcome.err.message);
    rky_valkey_free(valkey);
    rky_log_free(log);
    (void)fclose(stream);
    ck_assert_ptr_null(strstr(text, "sesame"));
    free(text);
}
END_TEST

/* --- TLS
 * ------------------------------------------------------------------------------------------- */

static void start_tls(void)
{
    rky_valkey_server_start(&server, "--tls --set 'bind 127.0.0.1 127.0.0.2'");
}

static void start_tls_auth(void)
{
    rky_valkey_server_start(&server, "--tls-auth");
}

START_TEST(a_server_with_a_certificate_of_our_ca_is_trusted)
{
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = server.url, .ca_file = in_directory("ca.crt")});
    enum { LARGE = 3 << 20 };
    char *large = malloc(LARGE + 1);
    ck_assert_ptr_nonnull(large);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    expect_text(ASK(valkey, "SET", "k", large), "OK");
    expect_text(ASK(valkey, "GET", "k"), large);
    free(large);
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_certificate_is_matched_with_the_name)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "rediss://localhost:%d", server.port);
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = url, .ca_file = in_directory("ca.crt")});
    expect_text(ASK(valkey, "PING"), "PONG");
    rky_valkey_free(valkey);
    /* The same server by an address that its certificate does not hold. */
    (void)snprintf(url, sizeof(url), "valkeys://127.0.0.2:%d", server.port);
    valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = url, .ca_file = in_directory("ca.crt")});
    struct outcome outcome = ASK(valkey, "PING");
    expect_refusal(&outcome, RKY_ERR_CONFIG, "certificate");
    ck_assert(strstr(outcome.err.message, "mismatch") != NULL);
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_server_of_a_foreign_ca_is_refused)
{
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = server.url, .ca_file = in_directory("other-ca.crt")});
    struct outcome outcome = ASK(valkey, "PING");
    expect_refusal(&outcome, RKY_ERR_CONFIG, "certificate");
    rky_valkey_free(valkey);
    /* Nor do the system's CAs know it. */
    valkey = rky_valkey_client(&(struct rky_valkey_options){.url = server.url});
    outcome = ASK(valkey, "PING");
    expect_refusal(&outcome, RKY_ERR_CONFIG, "certificate");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(a_plain_client_is_told_about_tls)
{
    struct rky_valkey *valkey =
        rky_valkey_client(&(struct rky_valkey_options){.url = url_with("valkey", "", "")});
    struct outcome outcome = ASK(valkey, "PING");
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(files_that_cannot_be_used_are_told_at_once)
{
    const struct rky_valkey_options bad[] = {
        {.url = server.url, .ca_file = "/nowhere/ca.crt"},
        {.url = server.url, .ca_file = in_directory("server.key")},
        {.url = server.url, .ca_file = in_directory("ca.crt"), .cert_file = "/nowhere/x"},
        {.url = server.url,
         .ca_file = in_directory("ca.crt"),
         .cert_file = in_directory("client.crt"),
         .key_file = in_directory("server.key")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rky_valkey_options options = bad[i];
        struct rky_valkey *valkey = NULL;
        struct rky_error err = {0};
        options.clock = rky_clock_real();
        ck_assert_int_eq(rky_valkey_new(&options, &valkey, &err), RKY_ERR_CONFIG);
        ck_assert_str_ne(err.hint, "");
        ck_assert_ptr_null(valkey);
    }
}
END_TEST

START_TEST(a_client_certificate_opens_the_door)
{
    struct rky_valkey *valkey =
        rky_valkey_client(&(struct rky_valkey_options){.url = server.url,
                                                       .ca_file = in_directory("ca.crt"),
                                                       .cert_file = in_directory("client.crt"),
                                                       .key_file = in_directory("client.key")});
    expect_text(ASK(valkey, "PING"), "PONG");
    rky_valkey_free(valkey);
}
END_TEST

START_TEST(without_a_client_certificate_the_door_stays_shut)
{
    struct rky_valkey *valkey = rky_valkey_client(
        &(struct rky_valkey_options){.url = server.url, .ca_file = in_directory("ca.crt")});
    struct outcome outcome = ASK(valkey, "PING");
    expect_refusal(&outcome, RKY_ERR_CONFIG, "certificate");
    ck_assert(strstr(outcome.err.hint, "valkey_cert_file") != NULL);
    rky_valkey_free(valkey);
}
END_TEST

static TCase *new_case(Suite *suite, const char *name, void (*start)(void))
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start, stop);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static Suite *suite(void)
{
    Suite *suite = suite_create("valkey client");
    TCase *plain = new_case(suite, "plain", start_plain);
    tcase_add_test(plain, a_command_is_answered);
    tcase_add_test(plain, a_database_is_selected_on_every_connection);
    tcase_add_test(plain, a_database_that_is_not_there_is_said_to_be);
    tcase_add_test(plain, a_unix_socket_is_a_way_in);
    tcase_add_test(plain, a_password_the_server_does_not_want_is_refused);
    tcase_add_test(plain, a_name_is_resolved);
    tcase_add_test(plain, connections_that_a_restart_closed_cost_nothing);
    tcase_add_test(plain, a_full_server_is_not_retried);
    tcase_add_test(plain, too_many_clients_is_worth_a_retry);
    tcase_add_test(plain, threads_share_a_client);
    TCase *acl = new_case(suite, "users", start_acl);
    tcase_add_test(acl, a_user_logs_in);
    tcase_add_test(acl, without_a_login_nothing_is_allowed);
    tcase_add_test(acl, a_reader_may_not_write_and_is_told_so);
    tcase_add_test(acl, a_wrong_password_is_never_printed);
    TCase *tls = new_case(suite, "tls", start_tls);
    tcase_add_test(tls, a_server_with_a_certificate_of_our_ca_is_trusted);
    tcase_add_test(tls, a_certificate_is_matched_with_the_name);
    tcase_add_test(tls, a_server_of_a_foreign_ca_is_refused);
    tcase_add_test(tls, a_plain_client_is_told_about_tls);
    tcase_add_test(tls, files_that_cannot_be_used_are_told_at_once);
    TCase *mutual = new_case(suite, "client certificates", start_tls_auth);
    tcase_add_test(mutual, a_client_certificate_opens_the_door);
    tcase_add_test(mutual, without_a_client_certificate_the_door_stays_shut);
    return suite;
}

int main(void)
{
    return rky_valkey_main("", suite);
}
