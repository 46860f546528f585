/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sign of life, asked for every two seconds. A frozen broker or a cut wire leaves connections
 * that look healthy until something is sent over them, and an idle producer sends nothing.
 *
 * One thread per transport. It starts with a wait, so short commands never come to a question.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include "transport/timespec.h"

#define INTERVAL_MS 2000
#define ANSWER_MS 1000
/* In a cluster one question may go to the one broker that is stuck. */
#define SILENT_AFTER 2

static bool answered(struct rky_kafka *kafka)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->producer, 0, NULL, &metadata, ANSWER_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Returns whether to stop. */
static bool wait_interval(struct rky_kafka *kafka)
{
    const struct timespec until = rky_monotonic_in(INTERVAL_MS);
    (void)pthread_mutex_lock(&kafka->pulse_mutex);
    int waited = 0;
    while (!atomic_load(&kafka->stop) && waited == 0)
        waited = pthread_cond_timedwait(&kafka->pulse_stop, &kafka->pulse_mutex, &until);
    (void)pthread_mutex_unlock(&kafka->pulse_mutex);
    return atomic_load(&kafka->stop);
}

static void *watch(void *argument)
{
    struct rky_kafka *kafka = argument;
    int failed = 0;
    while (!wait_interval(kafka)) {
        /* Without any connection there is nobody to ask, and no need to. */
        failed = rky_kafka_linked(kafka) && !answered(kafka) ? failed + 1 : 0;
        atomic_store(&kafka->silent, failed >= SILENT_AFTER);
    }
    return NULL;
}

int rky_kafka_pulse_start(struct rky_kafka *kafka, struct rky_error *err)
{
    int failed = pthread_create(&kafka->pulse, NULL, watch, kafka);
    if (failed != 0)
        return rky_fail_errno(err, failed, "cannot start the thread that watches the brokers");
    kafka->pulse_runs = true;
    return RKY_OK;
}

void rky_kafka_pulse_stop(struct rky_kafka *kafka)
{
    (void)pthread_mutex_lock(&kafka->pulse_mutex);
    atomic_store(&kafka->stop, true);
    (void)pthread_cond_signal(&kafka->pulse_stop);
    (void)pthread_mutex_unlock(&kafka->pulse_mutex);
    if (kafka->pulse_runs)
        (void)pthread_join(kafka->pulse, NULL);
}
