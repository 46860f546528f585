/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading partitions without a group: a watcher of results, the control topic, alerting.
 *
 * The plain partition reader of librdkafka is used, because a group id, even an unused one, would
 * need the right to use it. Start offsets are numbers, asked for before open returns: "from the
 * end" resolved later would miss what is published in between. One thread per tail.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include "common/mem.h"

#define DESTROY_TIMEOUT_MS 5000

struct kafka_tail {
    struct rky_tail base;
    struct rky_kafka_scope scope;
    struct rky_kafka *kafka;
    rd_kafka_t *handle;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    int first, past; /**< partitions [first, past) */
    int started;     /**< [first, started) are being read */
};

static int start_partition(struct kafka_tail *tail, int partition, bool from_end,
                           const struct rky_deadline *deadline, struct rky_error *err)
{
    const char *name = rd_kafka_topic_name(tail->topic);
    int64_t low = 0, high = 0;
    int rc = rky_kafka_range(tail->handle, name, partition, deadline, &low, &high, err);
    if (rc != RKY_OK)
        return rc;
    if (rd_kafka_consume_start_queue(tail->topic, partition, from_end ? high : low, tail->queue) !=
        0)
        return rky_kafka_fail(err, rd_kafka_last_error(), "topic '%s': cannot read partition %d",
                              name, partition);
    return RKY_OK;
}

static int start(struct kafka_tail *tail, const char *topic, bool from_end,
                 const struct rky_deadline *deadline, struct rky_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    int rc = rky_kafka_conf(&tail->scope, RKY_KAFKA_TAIL, &conf, err);
    if (rc == RKY_OK)
        rc = rky_kafka_handle(tail->kafka, RKY_KAFKA_TAIL, conf, &tail->handle, err);
    if (rc != RKY_OK)
        return rc;
    tail->queue = rd_kafka_queue_new(tail->handle);
    tail->topic = rd_kafka_topic_new(tail->handle, topic, NULL);
    if (tail->queue == NULL || tail->topic == NULL)
        return rky_kafka_fail(err, rd_kafka_last_error(), "topic '%s': cannot read", topic);
    for (int i = tail->first; rc == RKY_OK && i < tail->past; i++) {
        rc = start_partition(tail, i, from_end, deadline, err);
        if (rc == RKY_OK)
            tail->started = i + 1;
    }
    return rc;
}

int rky_kafka_tail_open(struct rky_transport *transport, const char *topic, int partition,
                        bool from_end, int64_t timeout_ms, struct rky_tail **ret_tail,
                        struct rky_error *err)
{
    struct rky_kafka *kafka = rky_kafka_of(transport);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    int count = 0;
    int rc = rky_kafka_partitions(kafka, topic, timeout_ms, &count, err);
    if (rc != RKY_OK)
        return rc;
    if (partition >= count)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "topic '%s' has no partition %d, only %d", topic,
                        partition, count);
    struct kafka_tail *tail = rky_calloc(1, sizeof(*tail));
    if (tail == NULL)
        return rky_fail_nomem(err);
    tail->base.transport = transport;
    tail->kafka = kafka;
    tail->scope.kafka = kafka;
    tail->first = tail->started = partition < 0 ? 0 : partition;
    tail->past = partition < 0 ? count : partition + 1;
    rc = start(tail, topic, from_end, &deadline, err);
    if (rc != RKY_OK) {
        rky_kafka_tail_close(&tail->base);
        return rc;
    }
    *ret_tail = &tail->base;
    return RKY_OK;
}

int rky_kafka_tail_read(struct rky_tail *base, int64_t timeout_ms, struct rky_inbound *ret_inbound,
                        struct rky_error *err)
{
    struct kafka_tail *tail = (struct kafka_tail *)base;
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    for (;;) {
        /* Errors and the log of this handle are served by its main queue. */
        (void)rd_kafka_poll(tail->handle, 0);
        rd_kafka_message_t *record =
            rd_kafka_consume_queue(tail->queue, rky_kafka_ms(rky_deadline_left_ms(&deadline)));
        if (record == NULL) {
            if (rky_deadline_left_ms(&deadline) == 0)
                return 0;
            continue;
        }
        int rc = record->err == RD_KAFKA_RESP_ERR_NO_ERROR
                     ? rky_kafka_inbound(record, ret_inbound, err)
                     : rky_kafka_fail(err, record->err, "topic '%s': cannot read",
                                      rd_kafka_topic_name(tail->topic));
        rd_kafka_message_destroy(record);
        return rc == RKY_OK ? 1 : rc;
    }
}

void rky_kafka_tail_close(struct rky_tail *base)
{
    struct kafka_tail *tail = (struct kafka_tail *)base;
    bool ended = true;
    if (tail == NULL)
        return;
    for (int i = tail->first; i < tail->started; i++)
        (void)rd_kafka_consume_stop(tail->topic, i);
    if (tail->topic != NULL)
        rd_kafka_topic_destroy(tail->topic);
    if (tail->queue != NULL)
        rd_kafka_queue_destroy(tail->queue);
    if (tail->handle != NULL)
        ended = rky_kafka_destroy(tail->kafka, tail->handle, DESTROY_TIMEOUT_MS);
    if (ended)
        rky_free(tail);
}
