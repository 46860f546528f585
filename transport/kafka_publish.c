/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: one idempotent producer for all threads, and a thread of its own that hands delivery
 * reports to the callbacks.
 *
 * Every message that librdkafka took gets exactly one report: delivered, failed, timed out, or
 * purged when the transport is closed. A full queue is told at once instead of waiting in here,
 * because a caller that holds a lease must decide itself how long to wait.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <stdio.h>

#include "common/mem.h"

#define POLL_SLICE_MS 100
#define STOP_TIMEOUT_MS 5000

/** Whom to tell about a message; freed after telling. */
struct delivery {
    rky_delivered_fn *delivered;
    void *context;
};

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *record, void *opaque)
{
    struct delivery *delivery = record->_private;
    (void)handle;
    (void)opaque;
    if (delivery == NULL)
        return;
    if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        delivery->delivered(delivery->context, RKY_OK, NULL, record->partition, record->offset);
    } else {
        char text[512];
        (void)snprintf(text, sizeof(text), "topic '%s': not delivered: %s (%s)",
                       rd_kafka_topic_name(record->rkt), rd_kafka_err2str(record->err),
                       rd_kafka_err2name(record->err));
        delivery->delivered(delivery->context, rky_kafka_code(record->err, NULL), text, -1, -1);
    }
    rky_free(delivery);
}

static void *poll_reports(void *argument)
{
    struct rky_kafka *kafka = argument;
    while (!atomic_load(&kafka->stop))
        (void)rd_kafka_poll(kafka->producer, POLL_SLICE_MS);
    return NULL;
}

int rky_kafka_publisher_start(struct rky_kafka *kafka, struct rky_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    int rc = rky_kafka_conf(&kafka->scope, RKY_KAFKA_PUBLISHER, &conf, err);
    if (rc != RKY_OK)
        return rc;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rc = rky_kafka_handle(kafka, RKY_KAFKA_PUBLISHER, conf, &kafka->producer, err);
    if (rc != RKY_OK)
        return rc;
    int failed = pthread_create(&kafka->poller, NULL, poll_reports, kafka);
    if (failed != 0)
        return rky_fail_errno(err, failed, "cannot start the Kafka delivery thread");
    kafka->poller_runs = true;
    return RKY_OK;
}

void rky_kafka_publisher_stop(struct rky_kafka *kafka)
{
    if (kafka->producer == NULL)
        return;
    (void)rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    (void)rd_kafka_flush(kafka->producer, STOP_TIMEOUT_MS);
    rky_kafka_pulse_stop(kafka);
    if (kafka->poller_runs)
        (void)pthread_join(kafka->poller, NULL);
    (void)rky_kafka_destroy(kafka, kafka->producer, STOP_TIMEOUT_MS);
}

int rky_kafka_publish(struct rky_transport *transport, const char *topic,
                      const struct rky_message *message, rky_delivered_fn *delivered, void *context,
                      struct rky_error *err)
{
    struct rky_kafka *kafka = rky_kafka_of(transport);
    rd_kafka_headers_t *headers = NULL;
    struct delivery *delivery = NULL;
    int rc = rky_kafka_headers(message, &headers, err);
    if (rc != RKY_OK)
        return rc;
    if (delivered != NULL) {
        delivery = rky_malloc(sizeof(*delivery));
        if (delivery == NULL) {
            rc = rky_fail_nomem(err);
            goto failed;
        }
        *delivery = (struct delivery){.delivered = delivered, .context = context};
    }
    /* A null pointer is null on the wire; a pointer with length 0 is empty. */
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = message->key, .size = message->key_length}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = message->value, .size = message->value_length}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = delivery},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    size_t count = sizeof(parts) / sizeof(parts[0]) - (headers == NULL ? 1 : 0);
    rd_kafka_error_t *error = rd_kafka_produceva(kafka->producer, parts, count);
    if (error == NULL)
        return RKY_OK; /* headers and delivery are librdkafka's now */
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rc = rky_kafka_fail(err, code, "topic '%s': not published", topic);
failed:
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    rky_free(delivery);
    return rc;
}

int rky_kafka_flush(struct rky_transport *transport, int64_t timeout_ms, struct rky_error *err)
{
    struct rky_kafka *kafka = rky_kafka_of(transport);
    if (rd_kafka_flush(kafka->producer, rky_kafka_ms(timeout_ms)) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return RKY_OK;
    int rc = rky_fail(err, RKY_ERR_TIMEOUT, "%d messages were not confirmed by '%s' within %.1f s",
                      rd_kafka_outq_len(kafka->producer), kafka->queue->brokers,
                      (double)timeout_ms / 1000.0);
    if (err != NULL && err->code == RKY_ERR_TIMEOUT)
        err->transient = true;
    return rc;
}
