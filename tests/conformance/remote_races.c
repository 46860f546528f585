/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many writers at once: of those who create or replace one version exactly one wins, and no
 * increment is lost.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/remote_kit.h"

#define WRITERS 16
#define COUNTERS 8
#define INCREMENTS 6

/* A writer that others overtake tries again; far more often than it can happen. */
#define ROUNDS_MAX 100000

struct race {
    pthread_barrier_t start;
    char base[RKY_ETAG_MAX]; /* "" = create */
};

struct writer {
    struct race *race;
    struct rky_snapshot_head head;
    char body[64], etag[RKY_ETAG_MAX];
    int rc;
    struct rky_attempt attempt;
    struct rky_error err;
};

/* Threads record what happened; only the main thread asserts. */
static void *write_once(void *argument)
{
    struct writer *writer = argument;
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    const char *base = writer->race->base;
    const struct wish wish = {.condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                              .etag = base[0] == '\0' ? NULL : base,
                              .head = &writer->head};
    (void)pthread_barrier_wait(&writer->race->start);
    writer->rc = shared_put_with(&shared.head_name, writer->body, strlen(writer->body), &wish,
                                 writer->etag, &transfer, &writer->err);
    writer->attempt = transfer.attempt;
    return NULL;
}

/* @p base holds the version that all replace, and then the winner's. */
static void run_race(char base[RKY_ETAG_MAX])
{
    struct race race;
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    pthread_t threads[WRITERS];
    ck_assert_ptr_nonnull(writers);
    memcpy(race.base, base, sizeof(race.base));
    ck_assert_int_eq(pthread_barrier_init(&race.start, NULL, WRITERS), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].race = &race;
        writers[i].head = shared_sample_head(1);
        /* No two writes are ever equal, or a version that is an MD5 would come back. */
        (void)snprintf(writers[i].body, sizeof(writers[i].body), "writer %zu %s", i,
                       writers[i].head.write_id);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_once, &writers[i]), 0);
    }
    const struct writer *winner = NULL;
    for (size_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        if (writers[i].rc == 0) {
            ck_assert_msg(winner == NULL, "two writers won");
            winner = &writers[i];
        } else {
            ck_assert_msg(writers[i].rc == RKY_ERR_CONFLICT, "%s", writers[i].err.message);
            ck_assert_pstr_eq(writers[i].attempt.error_class, "conflict");
        }
    }
    ck_assert_msg(winner != NULL, "nobody won");
    shared_expect_body(&shared.head_name, winner->body, winner->etag);
    struct rky_remote_object object = shared_look(&shared.head_name);
    ck_assert_str_eq(object.head.write_id, winner->head.write_id);
    rky_remote_object_done(&object);
    memcpy(base, winner->etag, RKY_ETAG_MAX);
    (void)pthread_barrier_destroy(&race.start);
    free(writers);
}

START_TEST(of_sixteen_who_create_exactly_one_wins)
{
    char base[RKY_ETAG_MAX] = "";
    run_race(base);
}
END_TEST

START_TEST(of_sixteen_who_replace_one_version_exactly_one_wins)
{
    char base[RKY_ETAG_MAX] = "";
    shared_put_ok(&shared.head_name, "base", base);
    for (int round = 0; round < 3; round++)
        run_race(base);
}
END_TEST

struct counter {
    const char *failed; /* NULL = all went well */
    struct rky_error err;
};

/* One read and one conditional write. @return whether the increment was made. */
static bool increment(struct counter *counter)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_snapshot_head head = shared_sample_head(1);
    char body[32];
    char etag[RKY_ETAG_MAX] = "";
    rky_error_clear(&counter->err);
    if (rky_remote_get_durable(shared.remote, &shared.head_name, &transfer, &object,
                               &counter->err) != 0) {
        counter->failed = "get_durable";
        return false;
    }
    long value = strtol((const char *)object.body, NULL, 10);
    (void)snprintf(body, sizeof(body), "%ld", value + 1);
    head.generation = value + 1;
    const struct wish wish = {.condition = RKY_IF_ETAG, .etag = object.etag, .head = &head};
    int rc = shared_put_with(&shared.head_name, body, strlen(body), &wish, etag, &transfer,
                             &counter->err);
    rky_remote_object_done(&object);
    if (rc != 0 && rc != RKY_ERR_CONFLICT)
        counter->failed = "put";
    return rc == 0;
}

static void *count_up(void *argument)
{
    struct counter *counter = argument;
    int done = 0;
    int round = 0;
    while (done < INCREMENTS && counter->failed == NULL && round++ < ROUNDS_MAX)
        done += increment(counter) ? 1 : 0;
    if (done < INCREMENTS && counter->failed == NULL)
        counter->failed = "never won";
    return NULL;
}

START_TEST(eight_who_count_lose_no_increment)
{
    struct counter *counters = calloc(COUNTERS, sizeof(*counters));
    pthread_t threads[COUNTERS];
    char etag[RKY_ETAG_MAX] = "";
    char expected[32];
    ck_assert_ptr_nonnull(counters);
    shared_put_ok(&shared.head_name, "0", etag);
    for (size_t i = 0; i < COUNTERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &counters[i]), 0);
    for (size_t i = 0; i < COUNTERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < COUNTERS; i++)
        ck_assert_msg(counters[i].failed == NULL, "%s: %s", counters[i].failed,
                      counters[i].err.message);
    (void)snprintf(expected, sizeof(expected), "%d", COUNTERS * INCREMENTS);
    shared_expect_body(&shared.head_name, expected, NULL);
    free(counters);
}
END_TEST

void remote_add_races(TCase *tcase)
{
    tcase_add_test(tcase, of_sixteen_who_create_exactly_one_wins);
    tcase_add_test(tcase, of_sixteen_who_replace_one_version_exactly_one_wins);
    tcase_add_test(tcase, eight_who_count_lose_no_increment);
}
