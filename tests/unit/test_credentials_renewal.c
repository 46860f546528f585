/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS credentials over time and among threads: renewed before they expire, by one thread at a time.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/credentials_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/credentials_kit.h"

/* ---- renewal ---- */

/* Numbered keys that live for as long as the test says; a status other than 200 is answered
 * instead. Waits until it may answer. */
struct source {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int status, given;
    bool hold;
    const char *expiration;
};

static void answer_numbered(struct kit_connection *connection, void *context)
{
    struct source *source = context;
    char body[512];
    bool more = true;
    while (more && kit_read(connection)) {
        (void)pthread_mutex_lock(&source->mutex);
        while (source->hold)
            (void)pthread_cond_wait(&source->changed, &source->mutex);
        int status = source->status;
        if (status == 200)
            source->given++;
        (void)snprintf(body, sizeof(body),
                       "{\"AccessKeyId\":\"ASIA%d\",\"SecretAccessKey\":\"" SECRET
                       "\",\"Token\":\"" SESSION "\",\"Expiration\":\"%s\"}",
                       source->given, source->expiration);
        (void)pthread_mutex_unlock(&source->mutex);
        more = kit_answer(connection, status, "", body);
    }
}

static void source_set(struct source *source, int status, bool hold, const char *expiration)
{
    (void)pthread_mutex_lock(&source->mutex);
    source->status = status;
    source->hold = hold;
    source->expiration = expiration;
    (void)pthread_cond_broadcast(&source->changed);
    (void)pthread_mutex_unlock(&source->mutex);
}

static void start_source(struct bench *bench, struct source *source)
{
    *source = (struct source){.status = 200, .expiration = "2026-11-21T11:00:00Z"};
    (void)pthread_mutex_init(&source->mutex, NULL);
    (void)pthread_cond_init(&source->changed, NULL);
    bench_start(bench, answer_numbered, source);
    bench_set(bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/", bench->server.url);
}

START_TEST(keys_are_renewed_some_minutes_before_they_expire)
{
    struct bench bench;
    struct source source;
    start_source(&bench, &source);
    struct got got = bench_get(&bench);
    check_keys(&got, "container", "ASIA1", SECRET, SESSION);
    /* Six minutes before expiry at the earliest, five at the latest. */
    rky_fake_clock_advance_ms(&bench.clock, (60 - 7) * 60000);
    got = bench_get(&bench);
    check_keys(&got, "container", "ASIA1", SECRET, SESSION);
    rky_fake_clock_advance_ms(&bench.clock, 2 * 60000);
    source_set(&source, 200, false, "2026-11-21T12:00:00Z");
    got = bench_get(&bench);
    check_keys(&got, "container", "ASIA2", SECRET, SESSION);
    got = bench_get(&bench);
    check_keys(&got, "container", "ASIA2", SECRET, SESSION);
    ck_assert_int_eq(kit_asked(&bench.server), 2);
    bench_stop(&bench);
}
END_TEST

START_TEST(a_renewal_that_fails_leaves_what_is_still_valid)
{
    struct bench bench;
    struct source source;
    start_source(&bench, &source);
    struct got got = bench_get(&bench);
    check_keys(&got, "container", "ASIA1", SECRET, SESSION);
    rky_fake_clock_advance_ms(&bench.clock, 56 * 60000);
    source_set(&source, 503, false, "");
    for (int i = 0; i < 3; i++) { /* and asks once, not each time */
        got = bench_get(&bench);
        check_keys(&got, "container", "ASIA1", SECRET, SESSION);
        ck_assert_int_eq(kit_asked(&bench.server), 2);
    }
    rky_fake_clock_advance_ms(&bench.clock, 31000);
    got = bench_get(&bench);
    check_keys(&got, "container", "ASIA1", SECRET, SESSION);
    ck_assert_int_eq(kit_asked(&bench.server), 3);
    rky_fake_clock_advance_ms(&bench.clock, 5 * 60000); /* past their end */
    got = bench_get(&bench);
    check_failure(&got, RKY_ERR_CONNECTION, "credentials_unavailable", "HTTP 503");
    bench_stop(&bench);
}
END_TEST

START_TEST(expired_keys_are_forgotten_unless_they_were_renewed_meanwhile)
{
    struct bench bench;
    struct source source;
    start_source(&bench, &source);
    struct got first = bench_get(&bench);
    ck_assert_int_eq(first.rc, 0);
    rky_credentials_expired(bench.credentials, &first.keys);
    struct got second = bench_get(&bench);
    ck_assert_str_eq(second.keys.access_key, "ASIA2");
    rky_credentials_expired(bench.credentials, &first.keys); /* late news of the first */
    struct got third = bench_get(&bench);
    ck_assert_str_eq(third.keys.access_key, "ASIA2");
    ck_assert_int_eq(kit_asked(&bench.server), 2);
    rky_aws_keys_done(&first.keys);
    rky_aws_keys_done(&second.keys);
    rky_aws_keys_done(&third.keys);
    bench_stop(&bench);
}
END_TEST

struct taker {
    struct bench *bench;
    struct got got;
    pthread_t thread;
};

static void *take(void *argument)
{
    struct taker *taker = argument;
    taker->got = bench_get(taker->bench);
    return NULL;
}

static void start_takers(struct bench *bench, struct taker takers[8])
{
    for (size_t i = 0; i < 8; i++) {
        takers[i] = (struct taker){.bench = bench};
        ck_assert_int_eq(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
    }
}

START_TEST(eight_threads_ask_once)
{
    struct bench bench;
    struct source source;
    struct taker takers[8];
    start_source(&bench, &source);
    source_set(&source, 200, true, "2026-11-21T11:00:00Z");
    start_takers(&bench, takers);
    kit_wait_asked(&bench.server, 1);
    source_set(&source, 200, false, "2026-11-21T11:00:00Z");
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_join(takers[i].thread, NULL), 0);
        check_keys(&takers[i].got, "container", "ASIA1", SECRET, SESSION);
    }
    ck_assert_int_eq(kit_asked(&bench.server), 1);

    /* While one renews, the others go on with what is valid: none of them waits. */
    rky_fake_clock_advance_ms(&bench.clock, 56 * 60000);
    source_set(&source, 200, true, "2026-11-21T12:00:00Z");
    struct taker renewer = {.bench = &bench};
    ck_assert_int_eq(pthread_create(&renewer.thread, NULL, take, &renewer), 0);
    kit_wait_asked(&bench.server, 2);
    for (int i = 0; i < 8; i++) {
        struct got got = bench_get(&bench);
        check_keys(&got, "container", "ASIA1", SECRET, SESSION);
    }
    source_set(&source, 200, false, "2026-11-21T12:00:00Z");
    ck_assert_int_eq(pthread_join(renewer.thread, NULL), 0);
    check_keys(&renewer.got, "container", "ASIA2", SECRET, SESSION);
    ck_assert_int_eq(kit_asked(&bench.server), 2);
    bench_stop(&bench);
}
END_TEST

START_TEST(a_thread_that_waits_for_another_keeps_its_own_deadline)
{
    struct bench bench;
    struct source source;
    start_source(&bench, &source);
    source_set(&source, 200, true, "2026-11-21T11:00:00Z");
    struct taker asking = {.bench = &bench};
    ck_assert_int_eq(pthread_create(&asking.thread, NULL, take, &asking), 0);
    kit_wait_asked(&bench.server, 1);
    struct got got = bench_get_within(&bench, 100);
    check_failure(&got, RKY_ERR_CONNECTION, "credentials_unavailable", "another thread");
    source_set(&source, 200, false, "2026-11-21T11:00:00Z");
    ck_assert_int_eq(pthread_join(asking.thread, NULL), 0);
    check_keys(&asking.got, "container", "ASIA1", SECRET, SESSION);
    bench_stop(&bench);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("credentials_renewal");
    TCase *tcase = tcase_create("credentials_renewal");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, keys_are_renewed_some_minutes_before_they_expire);
    tcase_add_test(tcase, a_renewal_that_fails_leaves_what_is_still_valid);
    tcase_add_test(tcase, expired_keys_are_forgotten_unless_they_were_renewed_meanwhile);
    tcase_add_test(tcase, eight_threads_ask_once);
    tcase_add_test(tcase, a_thread_that_waits_for_another_keeps_its_own_deadline);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
