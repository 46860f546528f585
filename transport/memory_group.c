/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group of the in-memory broker: sharing partitions among the consumers of one transport the
 * way a cooperative group does. A partition moves in two steps: its owner lets go inside its own
 * poll, after its revoked() callback; only then does the new owner's poll take it.
 */
#include "config.h"

#include "transport/memory_internal.h"

#include <string.h>

#include "common/mem.h"

struct memory_consumer {
    struct rky_consumer base;
    struct memory *memory;
    struct rky_consumer_callbacks callbacks;
    char **topics;
    size_t topic_count;
    bool woken;
    size_t next; /**< where the last search for a message ended, so that none starves */
    size_t share, wanted_count; /**< of the rebalance under way */
};

static struct memory_consumer *consumer_of(struct rky_consumer *consumer)
{
    return (struct memory_consumer *)consumer;
}

static bool subscribes(const struct memory_consumer *consumer, const char *topic)
{
    for (size_t i = 0; i < consumer->topic_count; i++)
        if (strcmp(consumer->topics[i], topic) == 0)
            return true;
    return false;
}

static struct memory_consumer *member_with_room(struct memory *memory, const char *topic)
{
    for (size_t i = 0; i < memory->member_count; i++)
        if (subscribes(memory->members[i], topic) &&
            memory->members[i]->wanted_count < memory->members[i]->share)
            return memory->members[i];
    return NULL;
}

/* Shares one topic anew; an owner keeps what fits into its share. */
static void rebalance_topic(struct memory *memory, struct memory_topic *topic)
{
    size_t members = 0;
    for (size_t i = 0; i < memory->member_count; i++)
        members += subscribes(memory->members[i], topic->name) ? 1 : 0;
    size_t total = (size_t)topic->partition_count, index = 0;
    for (size_t i = 0; i < memory->member_count; i++)
        if (subscribes(memory->members[i], topic->name)) {
            memory->members[i]->share = total / members + (index++ < total % members ? 1 : 0);
            memory->members[i]->wanted_count = 0;
        }
    for (int i = 0; i < topic->partition_count; i++) {
        struct memory_partition *partition = &topic->partitions[i];
        partition->wanted = partition->owner;
        if (partition->wanted != NULL &&
            partition->wanted->wanted_count++ >= partition->wanted->share)
            partition->wanted = NULL;
    }
    for (int i = 0; i < topic->partition_count; i++) {
        struct memory_partition *partition = &topic->partitions[i];
        if (partition->wanted == NULL)
            partition->wanted = member_with_room(memory, topic->name);
        else
            continue;
        if (partition->wanted != NULL)
            partition->wanted->wanted_count++;
    }
}

void rky_memory_rebalance(struct memory *memory)
{
    for (size_t i = 0; i < memory->topic_count; i++)
        rebalance_topic(memory, memory->topics[i]);
    (void)pthread_cond_broadcast(&memory->changed);
}

static struct memory_partition *owned(struct memory_consumer *consumer, const char *topic,
                                      int partition)
{
    struct memory_topic *found = rky_memory_topic(consumer->memory, topic);
    if (found == NULL || partition < 0 || partition >= found->partition_count ||
        found->partitions[partition].owner != consumer)
        return NULL;
    return &found->partitions[partition];
}

enum move { MOVE_IN, MOVE_OUT, MOVE_OUT_ALL };

static bool moves(const struct memory_consumer *consumer, const struct memory_partition *partition,
                  enum move move)
{
    if (move == MOVE_IN)
        return partition->owner == NULL && partition->wanted == consumer;
    return partition->owner == consumer && (move == MOVE_OUT_ALL || partition->wanted != consumer);
}

/* The partitions that move, as positions with text of their own. The mutex is held. */
static int collect(struct memory_consumer *consumer, enum move move,
                   struct rky_position **ret_positions, size_t *ret_count, struct rky_error *err)
{
    struct memory *memory = consumer->memory;
    struct rky_position *positions = NULL;
    size_t capacity = 0, count = 0;
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < memory->topic_count; i++)
        for (int j = 0; rc == RKY_OK && j < memory->topics[i]->partition_count; j++) {
            const struct memory_partition *partition = &memory->topics[i]->partitions[j];
            if (!moves(consumer, partition, move))
                continue;
            rc = rky_array_reserve(&positions, &capacity, count + 1, sizeof(positions[0]), err);
            char *text = rc == RKY_OK && partition->metadata != NULL
                             ? rky_strdup(partition->metadata)
                             : NULL;
            if (rc == RKY_OK && text == NULL && partition->metadata != NULL)
                rc = rky_fail_nomem(err);
            if (rc == RKY_OK)
                positions[count++] = (struct rky_position){.topic = memory->topics[i]->name,
                                                           .partition = j,
                                                           .offset = partition->committed,
                                                           .metadata = text};
        }
    *ret_positions = positions;
    *ret_count = count;
    return rc;
}

static void free_positions(struct rky_position *positions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rky_free((char *)(uintptr_t)positions[i].metadata);
    rky_free(positions);
}

static int let_go(struct memory_consumer *consumer, enum move move, struct rky_error *err)
{
    struct memory *memory = consumer->memory;
    struct rky_position *positions = NULL;
    size_t count = 0;
    int rc = collect(consumer, move, &positions, &count, err);
    if (rc == RKY_OK && count > 0) {
        /* Still the owner during the callback: it may commit what is done. */
        (void)pthread_mutex_unlock(&memory->mutex);
        if (consumer->callbacks.revoked != NULL)
            consumer->callbacks.revoked(consumer->callbacks.context, positions, count, false);
        (void)pthread_mutex_lock(&memory->mutex);
        for (size_t i = 0; i < count; i++)
            rky_memory_topic(memory, positions[i].topic)->partitions[positions[i].partition].owner =
                NULL;
        (void)pthread_cond_broadcast(&memory->changed);
    }
    free_positions(positions, count);
    return rc;
}

static int take_over(struct memory_consumer *consumer, struct rky_error *err)
{
    struct memory *memory = consumer->memory;
    struct rky_position *positions = NULL;
    size_t count = 0;
    int rc = collect(consumer, MOVE_IN, &positions, &count, err);
    if (rc == RKY_OK && count > 0) {
        for (size_t i = 0; i < count; i++) {
            struct memory_partition *partition =
                &rky_memory_topic(memory, positions[i].topic)->partitions[positions[i].partition];
            partition->owner = consumer;
            partition->position = partition->committed >= 0 ? (size_t)partition->committed : 0;
            partition->paused = false;
        }
        (void)pthread_mutex_unlock(&memory->mutex);
        if (consumer->callbacks.assigned != NULL)
            consumer->callbacks.assigned(consumer->callbacks.context, positions, count);
        (void)pthread_mutex_lock(&memory->mutex);
    }
    free_positions(positions, count);
    return rc;
}

/* The nth partition, counted over all topics. */
static struct memory_partition *nth_partition(struct memory *memory, size_t n,
                                              struct memory_topic **ret_topic, int *ret_partition)
{
    for (size_t i = 0; i < memory->topic_count; i++) {
        size_t count = (size_t)memory->topics[i]->partition_count;
        if (n < count) {
            *ret_topic = memory->topics[i];
            *ret_partition = (int)n;
            return &memory->topics[i]->partitions[n];
        }
        n -= count;
    }
    return NULL;
}

static int next_message(struct memory_consumer *consumer, struct rky_inbound *ret_inbound,
                        struct rky_error *err)
{
    struct memory *memory = consumer->memory;
    size_t total = 0;
    for (size_t i = 0; i < memory->topic_count; i++)
        total += (size_t)memory->topics[i]->partition_count;
    for (size_t i = 0; i < total && !memory->down; i++) {
        struct memory_topic *topic = NULL;
        int index = 0;
        size_t n = (consumer->next + i) % total;
        struct memory_partition *partition = nth_partition(memory, n, &topic, &index);
        if (partition == NULL || partition->owner != consumer || partition->paused ||
            partition->position >= partition->count)
            continue;
        int rc = rky_memory_inbound(topic, index, partition->position, ret_inbound, err);
        if (rc != RKY_OK)
            return rc;
        partition->position++;
        consumer->next = n + 1;
        return 1;
    }
    return 0;
}

int rky_memory_consumer_poll(struct rky_consumer *base, int64_t timeout_ms,
                             struct rky_inbound *ret_inbound, struct rky_error *err)
{
    struct memory_consumer *consumer = consumer_of(base);
    struct memory *memory = consumer->memory;
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    int rc = 0;
    (void)pthread_mutex_lock(&memory->mutex);
    for (;;) {
        rc = let_go(consumer, MOVE_OUT, err);
        if (rc == RKY_OK)
            rc = take_over(consumer, err);
        if (rc == RKY_OK)
            rc = next_message(consumer, ret_inbound, err);
        if (rc != 0 || consumer->woken || rky_deadline_left_ms(&deadline) == 0)
            break;
        rky_memory_wait(memory, &deadline);
    }
    if (rc == 0)
        consumer->woken = false;
    (void)pthread_mutex_unlock(&memory->mutex);
    return rc;
}

void rky_memory_consumer_wake(struct rky_consumer *base)
{
    struct memory_consumer *consumer = consumer_of(base);
    (void)pthread_mutex_lock(&consumer->memory->mutex);
    consumer->woken = true;
    (void)pthread_cond_broadcast(&consumer->memory->changed);
    (void)pthread_mutex_unlock(&consumer->memory->mutex);
}

static int not_assigned(const char *topic, int partition, struct rky_error *err)
{
    return rky_fail(err, RKY_ERR_NOT_FOUND, "partition %d of topic '%s' is not assigned here",
                    partition, topic);
}

int rky_memory_consumer_pause(struct rky_consumer *base, const char *topic, int partition,
                              bool paused, struct rky_error *err)
{
    struct memory_consumer *consumer = consumer_of(base);
    (void)pthread_mutex_lock(&consumer->memory->mutex);
    struct memory_partition *ours = owned(consumer, topic, partition);
    if (ours != NULL)
        ours->paused = paused;
    (void)pthread_cond_broadcast(&consumer->memory->changed);
    (void)pthread_mutex_unlock(&consumer->memory->mutex);
    return ours != NULL ? RKY_OK : not_assigned(topic, partition, err);
}

int rky_memory_consumer_seek(struct rky_consumer *base, const char *topic, int partition,
                             int64_t offset, struct rky_error *err)
{
    struct memory_consumer *consumer = consumer_of(base);
    (void)pthread_mutex_lock(&consumer->memory->mutex);
    struct memory_partition *ours = owned(consumer, topic, partition);
    if (ours != NULL)
        ours->position = offset > 0 ? (size_t)offset : 0;
    (void)pthread_cond_broadcast(&consumer->memory->changed);
    (void)pthread_mutex_unlock(&consumer->memory->mutex);
    return ours != NULL ? RKY_OK : not_assigned(topic, partition, err);
}

int rky_memory_commit(struct rky_consumer *base, const struct rky_position *positions, size_t count,
                      struct rky_error *err)
{
    struct memory_consumer *consumer = consumer_of(base);
    int rc = RKY_OK;
    (void)pthread_mutex_lock(&consumer->memory->mutex);
    for (size_t i = 0; rc == RKY_OK && i < count; i++) {
        struct memory_partition *ours = owned(consumer, positions[i].topic, positions[i].partition);
        if (ours == NULL || positions[i].offset < 0)
            continue;
        char *text = positions[i].metadata != NULL ? rky_strdup(positions[i].metadata) : NULL;
        if (text == NULL && positions[i].metadata != NULL) {
            rc = rky_fail_nomem(err);
            break;
        }
        rky_free(ours->metadata);
        ours->metadata = text;
        ours->committed = positions[i].offset;
    }
    (void)pthread_mutex_unlock(&consumer->memory->mutex);
    return rc;
}

int rky_memory_commit_now(struct rky_consumer *base, const struct rky_position *positions,
                          size_t count, int64_t timeout_ms, struct rky_error *err)
{
    (void)timeout_ms;
    if (!base->transport->ops->connected(base->transport))
        return rky_fail(err, RKY_ERR_TIMEOUT, "offsets not committed: the broker is down");
    return rky_memory_commit(base, positions, count, err);
}

int64_t rky_memory_lag(struct rky_consumer *base)
{
    struct memory_consumer *consumer = consumer_of(base);
    struct memory *memory = consumer->memory;
    int64_t lag = 0;
    bool any = false;
    (void)pthread_mutex_lock(&memory->mutex);
    for (size_t i = 0; i < memory->topic_count; i++)
        for (int j = 0; j < memory->topics[i]->partition_count; j++) {
            const struct memory_partition *partition = &memory->topics[i]->partitions[j];
            if (partition->owner != consumer)
                continue;
            any = true;
            lag +=
                (int64_t)partition->count - (partition->committed >= 0 ? partition->committed : 0);
        }
    (void)pthread_mutex_unlock(&memory->mutex);
    return any ? lag : -1;
}

static void free_consumer(struct memory_consumer *consumer)
{
    for (size_t i = 0; consumer->topics != NULL && i < consumer->topic_count; i++)
        rky_free(consumer->topics[i]);
    rky_free(consumer->topics);
    rky_free(consumer);
}

int rky_memory_consumer_open(struct rky_transport *transport, const char *const *topics,
                             size_t count, const struct rky_consumer_callbacks *callbacks,
                             struct rky_consumer **ret_consumer, struct rky_error *err)
{
    struct memory *memory = memory_of(transport);
    struct memory_consumer *consumer = rky_calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return rky_fail_nomem(err);
    consumer->base.transport = transport;
    consumer->memory = memory;
    consumer->callbacks = *callbacks;
    consumer->topics = rky_calloc(count, sizeof(consumer->topics[0]));
    int rc = consumer->topics != NULL ? RKY_OK : rky_fail_nomem(err);
    for (size_t i = 0; rc == RKY_OK && i < count; i++) {
        consumer->topics[i] = rky_strdup(topics[i]);
        rc = consumer->topics[i] != NULL ? RKY_OK : rky_fail_nomem(err);
        consumer->topic_count = i + 1;
    }
    (void)pthread_mutex_lock(&memory->mutex);
    if (rc == RKY_OK)
        rc = rky_array_reserve(&memory->members, &memory->member_capacity, memory->member_count + 1,
                               sizeof(memory->members[0]), err);
    if (rc == RKY_OK) {
        memory->members[memory->member_count++] = consumer;
        rky_memory_rebalance(memory);
    }
    (void)pthread_mutex_unlock(&memory->mutex);
    if (rc != RKY_OK) {
        free_consumer(consumer);
        return rc;
    }
    *ret_consumer = &consumer->base;
    return RKY_OK;
}

void rky_memory_consumer_close(struct rky_consumer *base, int64_t timeout_ms)
{
    struct memory_consumer *consumer = consumer_of(base);
    (void)timeout_ms;
    if (consumer == NULL)
        return;
    struct memory *memory = consumer->memory;
    (void)pthread_mutex_lock(&memory->mutex);
    (void)let_go(consumer, MOVE_OUT_ALL, NULL);
    for (size_t i = 0; i < memory->member_count; i++)
        if (memory->members[i] == consumer)
            memory->members[i--] = memory->members[--memory->member_count];
    /* Without memory for the callback the partitions are free all the same. */
    for (size_t i = 0; i < memory->topic_count; i++)
        for (int j = 0; j < memory->topics[i]->partition_count; j++)
            if (memory->topics[i]->partitions[j].owner == consumer)
                memory->topics[i]->partitions[j].owner = NULL;
    rky_memory_rebalance(memory);
    (void)pthread_mutex_unlock(&memory->mutex);
    free_consumer(consumer);
}
