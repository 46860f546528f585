/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An in-memory broker for tests of what sits above the seam: topics, publishing, tails. Its group
 * is in memory_group.c. A thread of its own stores and confirms, so that a callback comes from
 * another thread than the publisher's, as with Kafka. Nothing is ever deleted before close.
 */
#include "config.h"

#include "transport/memory_internal.h"

#include <string.h>

#include <librdkafka/rdkafka.h>

#include "common/mem.h"
#include "transport/timespec.h"

#define MESSAGE_MAX_BYTES ((size_t)16 << 20)

struct memory_tail {
    struct rky_tail base;
    struct memory_topic *topic;
    int first, past;
    size_t *positions; /**< of partitions [first, past) */
};

void rky_memory_wait(struct memory *memory, const struct rky_deadline *deadline)
{
    int64_t left_ms = rky_deadline_left_ms(deadline);
    if (left_ms == INT64_MAX) {
        (void)pthread_cond_wait(&memory->changed, &memory->mutex);
        return;
    }
    const struct timespec until = rky_monotonic_in(left_ms);
    (void)pthread_cond_timedwait(&memory->changed, &memory->mutex, &until);
}

struct memory_topic *rky_memory_topic(struct memory *memory, const char *name)
{
    for (size_t i = 0; i < memory->topic_count; i++)
        if (strcmp(memory->topics[i]->name, name) == 0)
            return memory->topics[i];
    return NULL;
}

int rky_memory_inbound(const struct memory_topic *topic, int partition, size_t offset,
                       struct rky_inbound *ret_inbound, struct rky_error *err)
{
    struct rky_inbound inbound = {.partition = partition, .offset = (int64_t)offset};
    int rc =
        rky_message_copy(&topic->partitions[partition].messages[offset], &inbound.message, err);
    if (rc != RKY_OK)
        return rc;
    inbound.topic = rky_strdup(topic->name);
    if (inbound.topic == NULL) {
        rky_inbound_done(&inbound);
        return rky_fail_nomem(err);
    }
    *ret_inbound = inbound;
    return RKY_OK;
}

static void free_topic(struct memory_topic *topic)
{
    for (int i = 0; i < topic->partition_count; i++) {
        struct memory_partition *partition = &topic->partitions[i];
        for (size_t j = 0; j < partition->count; j++)
            rky_message_done(&partition->messages[j]);
        rky_free(partition->messages);
        rky_free(partition->metadata);
    }
    rky_free(topic->partitions);
    rky_free(topic->name);
    rky_free(topic);
}

static int add_topic(struct memory *memory, const char *name, int partitions, struct rky_error *err)
{
    int rc = rky_array_reserve(&memory->topics, &memory->topic_capacity, memory->topic_count + 1,
                               sizeof(memory->topics[0]), err);
    if (rc != RKY_OK)
        return rc;
    struct memory_topic *topic = rky_calloc(1, sizeof(*topic));
    if (topic == NULL)
        return rky_fail_nomem(err);
    topic->name = rky_strdup(name);
    topic->partitions = rky_calloc((size_t)partitions, sizeof(topic->partitions[0]));
    if (topic->name == NULL || topic->partitions == NULL) {
        free_topic(topic);
        return rky_fail_nomem(err);
    }
    topic->partition_count = partitions;
    for (int i = 0; i < partitions; i++)
        topic->partitions[i].committed = -1;
    memory->topics[memory->topic_count++] = topic;
    return RKY_OK;
}

static int ensure_topics(struct rky_transport *transport, const struct rky_topic_spec *topics,
                         size_t count, int64_t timeout_ms, struct rky_error *err)
{
    struct memory *memory = memory_of(transport);
    int rc = RKY_OK;
    (void)timeout_ms;
    (void)pthread_mutex_lock(&memory->mutex);
    if (memory->down)
        rc = rky_fail(err, RKY_ERR_UNAVAILABLE, "the in-memory broker is down");
    for (size_t i = 0; rc == RKY_OK && i < count; i++)
        if (rky_memory_topic(memory, topics[i].name) == NULL)
            rc = add_topic(
                memory, topics[i].name,
                topics[i].partitions > 0 ? topics[i].partitions : memory->default_partitions, err);
    (void)pthread_mutex_unlock(&memory->mutex);
    return rc;
}

static int store(struct memory_pending *pending, int64_t *ret_offset, struct rky_error *err)
{
    struct memory_partition *partition = &pending->topic->partitions[pending->partition];
    int rc = rky_array_reserve(&partition->messages, &partition->capacity, partition->count + 1,
                               sizeof(partition->messages[0]), err);
    if (rc != RKY_OK)
        return rc;
    *ret_offset = (int64_t)partition->count;
    partition->messages[partition->count++] = pending->message;
    pending->message = (struct rky_message){0};
    return RKY_OK;
}

static void confirm(struct memory *memory, struct memory_pending *pending, int code,
                    const char *why, int64_t offset)
{
    if (pending->delivered != NULL)
        pending->delivered(pending->context, code, why, code == RKY_OK ? pending->partition : -1,
                           offset);
    rky_message_done(&pending->message);
    rky_free(pending);
    (void)pthread_mutex_lock(&memory->mutex);
    memory->unconfirmed--;
    (void)pthread_cond_broadcast(&memory->changed);
    (void)pthread_mutex_unlock(&memory->mutex);
}

static struct memory_pending *take_pending(struct memory *memory)
{
    struct memory_pending *pending = memory->first;
    if (pending != NULL) {
        memory->first = pending->next;
        if (memory->first == NULL)
            memory->last = &memory->first;
    }
    return pending;
}

static void *run_broker(void *argument)
{
    struct memory *memory = argument;
    for (;;) {
        struct rky_error err = {0};
        int64_t offset = -1;
        (void)pthread_mutex_lock(&memory->mutex);
        while (!memory->stop && (memory->down || memory->first == NULL))
            (void)pthread_cond_wait(&memory->changed, &memory->mutex);
        bool stopping = memory->stop;
        struct memory_pending *pending = take_pending(memory);
        int rc = RKY_OK;
        if (pending != NULL && !stopping)
            rc = store(pending, &offset, &err);
        (void)pthread_cond_broadcast(&memory->changed);
        (void)pthread_mutex_unlock(&memory->mutex);
        if (pending == NULL && stopping)
            return NULL;
        if (pending == NULL)
            continue;
        if (stopping)
            confirm(memory, pending, RKY_ERR_INTERRUPTED, "the transport was closed", -1);
        else
            confirm(memory, pending, rc, rc == RKY_OK ? NULL : err.message, offset);
    }
}

static size_t size_of(const struct rky_message *message)
{
    size_t size = message->key_length + message->value_length;
    for (size_t i = 0; i < message->header_count; i++)
        size += strlen(message->headers[i].name) + message->headers[i].length;
    return size;
}

static int partition_for(struct memory *memory, const struct memory_topic *topic,
                         const struct rky_message *message)
{
    if (message->key == NULL)
        return (int)(memory->next_partition++ % (unsigned)topic->partition_count);
    return rd_kafka_msg_partitioner_murmur2(NULL, message->key, message->key_length,
                                            topic->partition_count, NULL, NULL);
}

static int publish(struct rky_transport *transport, const char *topic,
                   const struct rky_message *message, rky_delivered_fn *delivered, void *context,
                   struct rky_error *err)
{
    struct memory *memory = memory_of(transport);
    if (size_of(message) > MESSAGE_MAX_BYTES)
        return rky_fail(err, RKY_ERR_DECODE, "topic '%s': a message of %zu bytes is too large",
                        topic, size_of(message));
    struct memory_pending *pending = rky_calloc(1, sizeof(*pending));
    if (pending == NULL)
        return rky_fail_nomem(err);
    int rc = rky_message_copy(message, &pending->message, err);
    if (rc != RKY_OK) {
        rky_free(pending);
        return rc;
    }
    pending->message.timestamp_ms = rky_clock_real()->wall_us(rky_clock_real()) / 1000;
    pending->delivered = delivered;
    pending->context = context;
    (void)pthread_mutex_lock(&memory->mutex);
    pending->topic = rky_memory_topic(memory, topic);
    if (pending->topic == NULL) {
        rc = rky_fail(err, RKY_ERR_NOT_FOUND, "topic '%s' does not exist", topic);
    } else {
        pending->partition = partition_for(memory, pending->topic, message);
        *memory->last = pending;
        memory->last = &pending->next;
        memory->unconfirmed++;
        pending = NULL;
        (void)pthread_cond_broadcast(&memory->changed);
    }
    (void)pthread_mutex_unlock(&memory->mutex);
    if (pending != NULL) {
        rky_message_done(&pending->message);
        rky_free(pending);
    }
    return rc;
}

static int flush(struct rky_transport *transport, int64_t timeout_ms, struct rky_error *err)
{
    struct memory *memory = memory_of(transport);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    (void)pthread_mutex_lock(&memory->mutex);
    while (memory->unconfirmed > 0 && rky_deadline_left_ms(&deadline) > 0)
        rky_memory_wait(memory, &deadline);
    size_t left = memory->unconfirmed;
    (void)pthread_mutex_unlock(&memory->mutex);
    return left == 0 ? RKY_OK
                     : rky_fail(err, RKY_ERR_TIMEOUT, "%zu messages were not confirmed", left);
}

static int partition_of(struct rky_transport *transport, const char *topic, const void *key,
                        size_t key_length, int64_t timeout_ms, int *ret_partition,
                        struct rky_error *err)
{
    struct memory *memory = memory_of(transport);
    (void)timeout_ms;
    (void)pthread_mutex_lock(&memory->mutex);
    const struct memory_topic *found = rky_memory_topic(memory, topic);
    int count = found != NULL ? found->partition_count : 0;
    (void)pthread_mutex_unlock(&memory->mutex);
    if (count == 0)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "topic '%s' does not exist", topic);
    *ret_partition = rd_kafka_msg_partitioner_murmur2(NULL, key, key_length, count, NULL, NULL);
    return RKY_OK;
}

static bool connected(struct rky_transport *transport)
{
    struct memory *memory = memory_of(transport);
    (void)pthread_mutex_lock(&memory->mutex);
    bool up = !memory->down;
    (void)pthread_mutex_unlock(&memory->mutex);
    return up;
}

void rky_memory_transport_set_down(struct rky_transport *transport, bool down)
{
    struct memory *memory = memory_of(transport);
    (void)pthread_mutex_lock(&memory->mutex);
    memory->down = down;
    (void)pthread_cond_broadcast(&memory->changed);
    (void)pthread_mutex_unlock(&memory->mutex);
}

static const char *fatal(struct rky_transport *transport)
{
    (void)transport;
    return NULL;
}

static int tail_open(struct rky_transport *transport, const char *topic, int partition,
                     bool from_end, int64_t timeout_ms, struct rky_tail **ret_tail,
                     struct rky_error *err)
{
    struct memory *memory = memory_of(transport);
    int rc = RKY_OK;
    (void)timeout_ms;
    struct memory_tail *tail = rky_calloc(1, sizeof(*tail));
    if (tail == NULL)
        return rky_fail_nomem(err);
    tail->base.transport = transport;
    (void)pthread_mutex_lock(&memory->mutex);
    tail->topic = rky_memory_topic(memory, topic);
    if (tail->topic == NULL || partition >= tail->topic->partition_count) {
        rc = rky_fail(err, RKY_ERR_NOT_FOUND, "topic '%s', partition %d does not exist", topic,
                      partition);
        goto out;
    }
    tail->first = partition < 0 ? 0 : partition;
    tail->past = partition < 0 ? tail->topic->partition_count : partition + 1;
    tail->positions = rky_calloc((size_t)(tail->past - tail->first), sizeof(tail->positions[0]));
    if (tail->positions == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    for (int i = tail->first; from_end && i < tail->past; i++)
        tail->positions[i - tail->first] = tail->topic->partitions[i].count;
    *ret_tail = &tail->base;
out:
    (void)pthread_mutex_unlock(&memory->mutex);
    if (rc != RKY_OK)
        rky_free(tail);
    return rc;
}

static int tail_read(struct rky_tail *base, int64_t timeout_ms, struct rky_inbound *ret_inbound,
                     struct rky_error *err)
{
    struct memory_tail *tail = (struct memory_tail *)base;
    struct memory *memory = memory_of(base->transport);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    int rc = 0;
    (void)pthread_mutex_lock(&memory->mutex);
    for (;;) {
        for (int i = tail->first; rc == 0 && i < tail->past; i++) {
            size_t *position = &tail->positions[i - tail->first];
            if (*position == tail->topic->partitions[i].count)
                continue;
            rc = rky_memory_inbound(tail->topic, i, *position, ret_inbound, err);
            if (rc == RKY_OK) {
                (*position)++;
                rc = 1;
            }
        }
        if (rc != 0 || rky_deadline_left_ms(&deadline) == 0)
            break;
        rky_memory_wait(memory, &deadline);
    }
    (void)pthread_mutex_unlock(&memory->mutex);
    return rc;
}

static void tail_close(struct rky_tail *base)
{
    struct memory_tail *tail = (struct memory_tail *)base;
    if (tail == NULL)
        return;
    rky_free(tail->positions);
    rky_free(tail);
}

static void close_memory(struct rky_transport *transport)
{
    struct memory *memory = memory_of(transport);
    if (memory == NULL)
        return;
    (void)pthread_mutex_lock(&memory->mutex);
    memory->stop = true;
    (void)pthread_cond_broadcast(&memory->changed);
    (void)pthread_mutex_unlock(&memory->mutex);
    if (memory->broker_runs)
        (void)pthread_join(memory->broker, NULL);
    for (size_t i = 0; i < memory->topic_count; i++)
        free_topic(memory->topics[i]);
    rky_free(memory->topics);
    rky_free(memory->members);
    (void)pthread_cond_destroy(&memory->changed);
    (void)pthread_mutex_destroy(&memory->mutex);
    rky_free(memory);
}

static const struct rky_transport_ops memory_ops = {
    .name = "memory",
    .ensure_topics = ensure_topics,
    .publish = publish,
    .flush = flush,
    .partition_of = partition_of,
    .connected = connected,
    .fatal = fatal,
    .close = close_memory,
    .consumer_open = rky_memory_consumer_open,
    .consumer_poll = rky_memory_consumer_poll,
    .consumer_wake = rky_memory_consumer_wake,
    .consumer_pause = rky_memory_consumer_pause,
    .consumer_seek = rky_memory_consumer_seek,
    .commit = rky_memory_commit,
    .commit_now = rky_memory_commit_now,
    .lag = rky_memory_lag,
    .consumer_close = rky_memory_consumer_close,
    .tail_open = tail_open,
    .tail_read = tail_read,
    .tail_close = tail_close,
};

int rky_memory_transport_open(int partitions, struct rky_transport **ret_transport,
                              struct rky_error *err)
{
    struct memory *memory = rky_calloc(1, sizeof(*memory));
    if (memory == NULL)
        return rky_fail_nomem(err);
    memory->base.ops = &memory_ops;
    memory->default_partitions = partitions;
    memory->last = &memory->first;
    (void)pthread_mutex_init(&memory->mutex, NULL);
    rky_condition_init(&memory->changed);
    int failed = pthread_create(&memory->broker, NULL, run_broker, memory);
    if (failed != 0) {
        close_memory(&memory->base);
        return rky_fail_errno(err, failed, "cannot start the in-memory broker");
    }
    memory->broker_runs = true;
    *ret_transport = &memory->base;
    return RKY_OK;
}
