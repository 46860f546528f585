/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group consumer: polling, waking, pausing, seeking, leaving.
 *
 * Built around what librdkafka 2.0.2 gets wrong: only consumer_poll() is used (the batch calls lose
 * messages around pause and rebalance); closing before the first assignment can crash and closing
 * at all can hang, so both are avoided or bounded; seeking goes partition by partition.
 * One thread owns a consumer; only consumer_wake() comes from others.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"

/* The queue's event fires on its first element only; never trust one for long. */
#define WAIT_SLICE_MS 250
#define SEEK_TIMEOUT_MS 2000
#define SEEK_RETRY_MS 5
#define CLOSE_SLICE_MS 20
#define DESTROY_TIMEOUT_MS 5000
/* Of the time for closing, what waiting for a first assignment may use at most. */
#define FIRST_ASSIGNMENT_MS 4000

static int subscribe(struct rky_kafka_consumer *consumer, const char *const *topics, size_t count,
                     struct rky_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        (void)rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? RKY_OK
                                              : rky_kafka_fail(err, code, "cannot join group '%s'",
                                                               consumer->kafka->queue->group_id);
}

static int start(struct rky_kafka_consumer *consumer, const char *const *topics, size_t count,
                 struct rky_error *err)
{
    static const uint64_t ring = 1;
    rd_kafka_conf_t *conf = NULL;
    consumer->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (consumer->wake_fd < 0)
        return rky_fail_errno(err, errno, "cannot make an event descriptor");
    int rc = rky_kafka_conf(&consumer->scope, RKY_KAFKA_GROUP_CONSUMER, &conf, err);
    if (rc != RKY_OK)
        return rc;
    rky_kafka_group_attach(conf);
    rc = rky_kafka_handle(consumer->kafka, RKY_KAFKA_GROUP_CONSUMER, conf, &consumer->handle, err);
    if (rc != RKY_OK)
        return rc;
    (void)rd_kafka_poll_set_consumer(consumer->handle);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->handle);
    rd_kafka_queue_io_event_enable(consumer->queue, consumer->wake_fd, &ring, sizeof(ring));
    return subscribe(consumer, topics, count, err);
}

/* Ends the handle and frees; what hangs is left behind whole, because it still calls back. */
static void discard(struct rky_kafka_consumer *consumer, int64_t timeout_ms)
{
    if (consumer->queue != NULL) {
        rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(consumer->queue);
    }
    if (consumer->handle != NULL &&
        !rky_kafka_destroy(consumer->kafka, consumer->handle, timeout_ms))
        return;
    if (consumer->wake_fd >= 0)
        (void)close(consumer->wake_fd);
    rky_kafka_group_clear(consumer);
    rky_free(consumer);
}

int rky_kafka_consumer_open(struct rky_transport *transport, const char *const *topics,
                            size_t count, const struct rky_consumer_callbacks *callbacks,
                            struct rky_consumer **ret_consumer, struct rky_error *err)
{
    struct rky_kafka_consumer *consumer = rky_calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return rky_fail_nomem(err);
    consumer->base.transport = transport;
    consumer->kafka = rky_kafka_of(transport);
    consumer->scope = (struct rky_kafka_scope){.kafka = consumer->kafka, .consumer = consumer};
    consumer->wake_fd = -1;
    consumer->callbacks = *callbacks;
    atomic_init(&consumer->woken, false);
    int rc = start(consumer, topics, count, err);
    if (rc != RKY_OK) {
        discard(consumer, DESTROY_TIMEOUT_MS);
        return rc;
    }
    *ret_consumer = &consumer->base;
    return RKY_OK;
}

static int seek(struct rky_kafka_consumer *consumer, const char *topic, int partition,
                int64_t offset, rd_kafka_resp_err_t *ret_code)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), SEEK_TIMEOUT_MS);
    const struct timespec pause = {.tv_nsec = SEEK_RETRY_MS * 1000000L};
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer->handle, topic, NULL);
    rd_kafka_resp_err_t code = handle != NULL ? RD_KAFKA_RESP_ERR__STATE : rd_kafka_last_error();
    /* A partition that was just assigned is not fetched yet and refuses for a moment. */
    while (code == RD_KAFKA_RESP_ERR__STATE && rky_deadline_left_ms(&deadline) > 0) {
        code = rd_kafka_seek(handle, partition, offset,
                             rky_kafka_ms(rky_deadline_left_ms(&deadline)) + 1);
        if (code == RD_KAFKA_RESP_ERR__STATE)
            (void)nanosleep(&pause, NULL);
    }
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
    *ret_code = code;
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? RKY_OK : RKY_ERR_UNAVAILABLE;
}

/* @retval 1 a message, 0 nothing to tell, <0 an error. */
static int judge(struct rky_kafka_consumer *consumer, const rd_kafka_message_t *record,
                 struct rky_inbound *ret_inbound, struct rky_error *err)
{
    const char *topic = record->rkt != NULL ? rd_kafka_topic_name(record->rkt) : "";
    rd_kafka_resp_err_t code = record->err;
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (rky_kafka_group_find(consumer, topic, record->partition) == NULL)
            return 0; /* fetched before it was taken away */
        int rc = rky_kafka_inbound(record, ret_inbound, err);
        /* librdkafka has moved on; go back, or a message is skipped for want of memory. */
        if (rc != RKY_OK)
            (void)seek(consumer, topic, record->partition, record->offset, &code);
        return rc == RKY_OK ? 1 : rc;
    }
    if (code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
        return rky_kafka_fail(err, code, "group '%s': polling paused too long, partitions are lost",
                              consumer->kafka->queue->group_id);
    if (topic[0] != '\0')
        return rky_kafka_fail(err, code, "topic '%s': cannot read", topic);
    return rky_kafka_fail(err, code, "group '%s': cannot read", consumer->kafka->queue->group_id);
}

/* Sleep until librdkafka has something, somebody wakes us, or the time is over. */
static void wait_for_event(struct rky_kafka_consumer *consumer, int64_t left_ms)
{
    struct pollfd event = {.fd = consumer->wake_fd, .events = POLLIN};
    uint64_t rings = 0;
    (void)poll(&event, 1, rky_kafka_ms(left_ms < WAIT_SLICE_MS ? left_ms : WAIT_SLICE_MS));
    /* Read whatever poll says: an event seen here is an event handled by the next round. */
    while (read(consumer->wake_fd, &rings, sizeof(rings)) < 0 && errno == EINTR)
        continue;
}

int rky_kafka_consumer_poll(struct rky_consumer *base, int64_t timeout_ms,
                            struct rky_inbound *ret_inbound, struct rky_error *err)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    for (;;) {
        rd_kafka_message_t *record = rd_kafka_consumer_poll(consumer->handle, 0);
        if (record != NULL) {
            int rc = judge(consumer, record, ret_inbound, err);
            rd_kafka_message_destroy(record);
            if (rc != 0)
                return rc;
            continue;
        }
        if (atomic_exchange(&consumer->woken, false))
            return 0;
        int64_t left_ms = rky_deadline_left_ms(&deadline);
        if (left_ms == 0)
            return 0;
        wait_for_event(consumer, left_ms);
    }
}

void rky_kafka_consumer_wake(struct rky_consumer *base)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    const uint64_t ring = 1;
    atomic_store(&consumer->woken, true);
    /* Only a full counter makes this fail, and then it is ringing anyway. */
    ssize_t written = write(consumer->wake_fd, &ring, sizeof(ring));
    (void)written;
}

int rky_kafka_consumer_pause(struct rky_consumer *base, const char *topic, int partition,
                             bool paused, struct rky_error *err)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    struct rky_kafka_partition *ours = rky_kafka_group_find(consumer, topic, partition);
    if (ours == NULL)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "partition %d of topic '%s' is not assigned here",
                        partition, topic);
    /* Pausing throws away what was fetched; do it only when it changes something. */
    if (ours->paused == paused)
        return RKY_OK;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t code = paused ? rd_kafka_pause_partitions(consumer->handle, list)
                                      : rd_kafka_resume_partitions(consumer->handle, list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return rky_kafka_fail(err, code, "partition %d of topic '%s': cannot %s", partition, topic,
                              paused ? "pause" : "resume");
    ours->paused = paused;
    return RKY_OK;
}

int rky_kafka_consumer_seek(struct rky_consumer *base, const char *topic, int partition,
                            int64_t offset, struct rky_error *err)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (rky_kafka_group_find(consumer, topic, partition) == NULL)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "partition %d of topic '%s' is not assigned here",
                        partition, topic);
    if (seek(consumer, topic, partition, offset, &code) != RKY_OK)
        return rky_kafka_fail(err, code, "partition %d of topic '%s': cannot go to offset %lld",
                              partition, topic, (long long)offset);
    return RKY_OK;
}

/* A member that has joined but has no assignment yet must not close: wait a little for it. */
static void await_first_assignment(struct rky_kafka_consumer *consumer,
                                   const struct rky_deadline *deadline)
{
    struct rky_deadline patience = rky_deadline_in(rky_clock_real(), FIRST_ASSIGNMENT_MS);
    while (!consumer->assigned_once && rky_kafka_connected(consumer->base.transport) &&
           rky_deadline_left_ms(deadline) > 0 && rky_deadline_left_ms(&patience) > 0) {
        rd_kafka_message_t *record = rd_kafka_consumer_poll(consumer->handle, CLOSE_SLICE_MS);
        if (record != NULL)
            rd_kafka_message_destroy(record); /* not committed: somebody else gets it */
    }
}

static void leave_group(struct rky_kafka_consumer *consumer, const struct rky_deadline *deadline)
{
    consumer->closing = true;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->handle);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->handle, queue);
    if (error != NULL) {
        rky_log_write(consumer->kafka->log, RKY_LOG_DEBUG, NULL, "kafka: not leaving the group: %s",
                      rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else {
        /* Messages that were fetched come out here, too; the call that only serves callbacks
         * aborts on them. */
        while (rd_kafka_consumer_closed(consumer->handle) == 0 &&
               rky_deadline_left_ms(deadline) > 0) {
            rd_kafka_message_t *record = rd_kafka_consume_queue(queue, CLOSE_SLICE_MS);
            if (record != NULL)
                rd_kafka_message_destroy(record);
        }
    }
    rd_kafka_queue_destroy(queue);
}

void rky_kafka_consumer_close(struct rky_consumer *base, int64_t timeout_ms)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    if (consumer == NULL)
        return;
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    await_first_assignment(consumer, &deadline);
    if (consumer->assigned_once)
        leave_group(consumer, &deadline);
    int64_t left_ms = rky_deadline_left_ms(&deadline);
    discard(consumer, left_ms > 1000 ? left_ms : 1000);
}
