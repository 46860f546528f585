/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending a handle within a bound. librdkafka waits in there for every reference that is still held,
 * some of which are its own mistakes; so a thread waits instead of us, and may be left waiting.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include "common/mem.h"
#include "transport/timespec.h"

/** Shared by the two threads; whoever comes last frees it. */
struct ending {
    rd_kafka_t *handle;
    pthread_mutex_t mutex;
    pthread_cond_t over;
    bool ended, abandoned;
};

static void free_ending(struct ending *ending)
{
    (void)pthread_cond_destroy(&ending->over);
    (void)pthread_mutex_destroy(&ending->mutex);
    rky_free(ending);
}

static void *end_handle(void *argument)
{
    struct ending *ending = argument;
    rd_kafka_destroy_flags(ending->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    (void)pthread_mutex_lock(&ending->mutex);
    ending->ended = true;
    bool last = ending->abandoned;
    (void)pthread_cond_signal(&ending->over);
    (void)pthread_mutex_unlock(&ending->mutex);
    if (last)
        free_ending(ending);
    return NULL;
}

/* Whether the handle ended in time. */
static bool wait_for_end(struct ending *ending, int64_t timeout_ms)
{
    const struct timespec until = rky_monotonic_in(timeout_ms);
    int waited = 0;
    (void)pthread_mutex_lock(&ending->mutex);
    while (!ending->ended && waited == 0)
        waited = pthread_cond_timedwait(&ending->over, &ending->mutex, &until);
    bool ended = ending->ended;
    ending->abandoned = !ended;
    (void)pthread_mutex_unlock(&ending->mutex);
    return ended;
}

bool rky_kafka_destroy(struct rky_kafka *kafka, rd_kafka_t *handle, int64_t timeout_ms)
{
    pthread_t thread;
    struct ending *ending = rky_calloc(1, sizeof(*ending));
    if (ending != NULL) {
        ending->handle = handle;
        (void)pthread_mutex_init(&ending->mutex, NULL);
        rky_condition_init(&ending->over);
    }
    if (ending == NULL || pthread_create(&thread, NULL, end_handle, ending) != 0) {
        rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        if (ending != NULL)
            free_ending(ending);
        rky_kafka_health_forget(kafka, handle);
        return true;
    }
    if (!wait_for_end(ending, timeout_ms)) {
        (void)pthread_detach(thread);
        kafka->abandoned = true;
        rky_log_write(kafka->log, RKY_LOG_WARN, NULL,
                      "kafka: the client library did not end within %.1f s, left behind",
                      (double)timeout_ms / 1000.0);
        return false;
    }
    (void)pthread_join(thread, NULL);
    free_ending(ending);
    rky_kafka_health_forget(kafka, handle);
    return true;
}
