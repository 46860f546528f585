/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka driver's table and its life: open makes the producer, which connects in the background;
 * close ends it within a bound. Consumers and tails are closed by their owners before.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include "common/mem.h"
#include "transport/timespec.h"

static void free_kafka(struct rky_kafka *kafka)
{
    for (size_t i = 0; i < kafka->topic_count; i++)
        rky_free(kafka->topics[i].name);
    rky_free(kafka->topics);
    rky_free(kafka->client_id);
    (void)pthread_cond_destroy(&kafka->pulse_stop);
    (void)pthread_mutex_destroy(&kafka->pulse_mutex);
    (void)pthread_mutex_destroy(&kafka->topics_mutex);
    rky_kafka_health_done(&kafka->health);
    rky_free(kafka);
}

static void close_kafka(struct rky_transport *transport)
{
    struct rky_kafka *kafka = rky_kafka_of(transport);
    if (kafka == NULL)
        return;
    rky_kafka_publisher_stop(kafka);
    if (kafka->abandoned)
        kafka->log = NULL; /* what is left behind may still want to write to it */
    else
        free_kafka(kafka);
}

static const struct rky_transport_ops kafka_ops = {
    .name = "kafka",
    .ensure_topics = rky_kafka_ensure_topics,
    .publish = rky_kafka_publish,
    .flush = rky_kafka_flush,
    .partition_of = rky_kafka_partition_of,
    .connected = rky_kafka_connected,
    .fatal = rky_kafka_fatal,
    .close = close_kafka,
    .consumer_open = rky_kafka_consumer_open,
    .consumer_poll = rky_kafka_consumer_poll,
    .consumer_wake = rky_kafka_consumer_wake,
    .consumer_pause = rky_kafka_consumer_pause,
    .consumer_seek = rky_kafka_consumer_seek,
    .commit = rky_kafka_commit,
    .commit_now = rky_kafka_commit_now,
    .lag = rky_kafka_lag,
    .consumer_close = rky_kafka_consumer_close,
    .tail_open = rky_kafka_tail_open,
    .tail_read = rky_kafka_tail_read,
    .tail_close = rky_kafka_tail_close,
};

/* The consumer's settings are tried now, so that a wrong one is known before any work. */
static int try_consumer_settings(struct rky_kafka *kafka, struct rky_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    int rc = rky_kafka_conf(&kafka->scope, RKY_KAFKA_GROUP_CONSUMER, &conf, err);
    if (rc == RKY_OK)
        rd_kafka_conf_destroy(conf);
    return rc;
}

/* Locks with default attributes cannot fail on Linux. */
static void init_locks(struct rky_kafka *kafka)
{
    (void)pthread_mutex_init(&kafka->health.mutex, NULL);
    (void)pthread_mutex_init(&kafka->topics_mutex, NULL);
    (void)pthread_mutex_init(&kafka->pulse_mutex, NULL);
    rky_condition_init(&kafka->pulse_stop);
}

int rky_kafka_open(const struct rky_queue_config *queue, const char *client_id, struct rky_log *log,
                   struct rky_transport **ret_transport, struct rky_error *err)
{
    struct rky_kafka *kafka = rky_calloc(1, sizeof(*kafka));
    if (kafka == NULL)
        return rky_fail_nomem(err);
    kafka->base.ops = &kafka_ops;
    kafka->scope.kafka = kafka;
    kafka->queue = queue;
    kafka->log = log;
    atomic_init(&kafka->stop, false);
    atomic_init(&kafka->silent, false);
    init_locks(kafka);
    kafka->client_id = rky_strdup(client_id);
    int rc = kafka->client_id != NULL ? try_consumer_settings(kafka, err) : rky_fail_nomem(err);
    if (rc == RKY_OK)
        rc = rky_kafka_publisher_start(kafka, err);
    if (rc == RKY_OK)
        rc = rky_kafka_pulse_start(kafka, err);
    if (rc != RKY_OK) {
        close_kafka(&kafka->base);
        return rc;
    }
    *ret_transport = &kafka->base;
    return RKY_OK;
}
