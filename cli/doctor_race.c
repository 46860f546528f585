/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The race that tells an atomic conditional write from one that checks first and writes later: many
 * writers start at one signal, each on a connection that is open already, and exactly one may be
 * told that it won. A server that lets two win loses states under load and passes every other test.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cli/doctor.h"
#include "common/mem.h"

enum { WRITERS = 16 };

struct race {
    struct rky_leg_probe *probe;
    struct rky_remote_name name;
    enum rky_remote_if condition;
    char etag[RKY_ETAG_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t ready;
    bool go;
};
struct writer {
    struct race *race;
    size_t number;
    int rc;
    char body[64], etag[RKY_ETAG_MAX];
    struct rky_error err;
};

static void wait_for_start(struct race *race)
{
    (void)pthread_mutex_lock(&race->mutex);
    race->ready++;
    (void)pthread_cond_broadcast(&race->changed);
    while (!race->go)
        (void)pthread_cond_wait(&race->changed, &race->mutex);
    (void)pthread_mutex_unlock(&race->mutex);
}

static void start_all(struct race *race, size_t running)
{
    (void)pthread_mutex_lock(&race->mutex);
    while (race->ready < running)
        (void)pthread_cond_wait(&race->changed, &race->mutex);
    race->go = true;
    (void)pthread_cond_broadcast(&race->changed);
    (void)pthread_mutex_unlock(&race->mutex);
}

static void *write_once(void *argument)
{
    struct writer *writer = argument;
    struct race *race = writer->race;
    struct rky_remote *remote = race->probe->leg.remote;
    struct rky_remote_object object = {0};
    struct rky_error warm = {0};
    struct rky_transfer transfer = rky_leg_transfer(race->probe);
    const struct rky_remote_put write = {.body = writer->body,
                                         .length = strlen(writer->body),
                                         .condition = race->condition,
                                         .etag = race->etag};
    /* Opens the connection, so that all are equally near when it starts. */
    (void)remote->ops->head(remote, &race->name, &transfer, &object, &warm);
    rky_remote_object_done(&object);
    wait_for_start(race);
    writer->rc =
        remote->ops->put(remote, &race->name, &write, &transfer, writer->etag, &writer->err);
    return NULL;
}

/* --- the verdict -------------------------------------------------------------------------- */

static int judge(struct race *race, const struct writer *writers, const char *what,
                 char ret_etag[RKY_ETAG_MAX])
{
    struct rky_leg_probe *probe = race->probe;
    const struct rky_error *fault = NULL;
    char detail[64];
    int64_t winners = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        if (writers[i].rc == 0) {
            winners++;
            memcpy(ret_etag, writers[i].etag, RKY_ETAG_MAX);
        } else if (writers[i].rc != RKY_ERR_CONFLICT && writers[i].rc != RKY_ERR_NOT_FOUND) {
            fault = &writers[i].err;
        }
    }
    (void)snprintf(detail, sizeof(detail), "%s_winners", what);
    rky_check_detail(&probe->findings, detail, json_integer(winners));
    if (winners == 1)
        return 0;
    if (winners > 1)
        rky_check_find(
            &probe->findings, RKY_HEALTH_CRITICAL,
            "two workers would overwrite each other's state: use a server whose "
            "conditional writes are atomic (Amazon S3, MinIO, versitygw from 1.8 on); "
            "those of S3Proxy, rclone, s3s-fs and older versitygw are known not to be",
            "conditional writes of leg '%s' are not atomic: %lld of %d writers that raced "
            "to %s one object were told that they won",
            probe->leg.leg->name, (long long)winners, WRITERS, what);
    else if (fault != NULL)
        rky_check_find(&probe->findings, RKY_HEALTH_WARNING, fault->hint,
                       "the race of %d writers on leg '%s' was not decided: %s", WRITERS,
                       probe->leg.leg->name, fault->message);
    else
        rky_check_find(&probe->findings, RKY_HEALTH_CRITICAL, NULL,
                       "none of %d writers that raced to %s one object of leg '%s' won", WRITERS,
                       what, probe->leg.leg->name);
    return RKY_ERR_CONFLICT;
}

static int run(struct race *race, const char *what, char ret_etag[RKY_ETAG_MAX])
{
    struct writer *writers = rky_calloc(WRITERS, sizeof(*writers));
    pthread_t threads[WRITERS];
    bool started[WRITERS] = {false};
    struct rky_check *findings = &race->probe->findings;
    int rc = RKY_ERR_NOMEM;
    if (writers == NULL) {
        rky_check_find(findings, RKY_HEALTH_WARNING, NULL, "no memory for a race of writers");
        return rc;
    }
    race->ready = 0;
    race->go = false;
    size_t running = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.race = race, .number = i};
        (void)snprintf(writers[i].body, sizeof(writers[i].body), "%s by writer %zu", what, i);
        started[i] = pthread_create(&threads[i], NULL, write_once, &writers[i]) == 0;
        running += started[i];
    }
    start_all(race, running);
    for (size_t i = 0; i < WRITERS; i++) {
        if (started[i])
            (void)pthread_join(threads[i], NULL);
    }
    if (running == WRITERS)
        rc = judge(race, writers, what, ret_etag);
    else
        rky_check_find(findings, RKY_HEALTH_WARNING, NULL,
                       "only %zu of %d threads for a race of writers could be started", running,
                       WRITERS);
    rky_free(writers);
    return rc;
}

void rky_leg_race(struct rky_leg_probe *probe)
{
    struct race race = {.probe = probe,
                        .condition = RKY_IF_ABSENT,
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    struct rky_remote *remote = probe->leg.remote;
    struct rky_transfer transfer = rky_leg_transfer(probe);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "", last[RKY_ETAG_MAX] = "";
    race.name = (struct rky_remote_name){.kind = RKY_REMOTE_PROBE,
                                         .namespace_ = rky_doctor_namespace(probe->doctor),
                                         .suffix = probe->suffix};
    if (remote->ops->remove(remote, &race.name, NULL, &transfer, &err) != 0) {
        rky_error_wrap(&err, "leg '%s' cannot delete", probe->leg.leg->name);
        rky_check_fault(&probe->findings, RKY_HEALTH_CRITICAL, &err);
        return;
    }
    if (run(&race, "create", etag) != 0)
        return;
    race.condition = RKY_IF_ETAG;
    memcpy(race.etag, etag, sizeof(race.etag));
    (void)run(&race, "replace", last);
}
