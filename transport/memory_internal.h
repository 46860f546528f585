/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two files of the in-memory driver share. Nobody else includes this.
 *
 * One mutex guards everything; one condition is signalled at every change. Callbacks of a user are
 * called without the mutex.
 */
#ifndef RKY_TRANSPORT_MEMORY_INTERNAL_H
#define RKY_TRANSPORT_MEMORY_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"

struct memory_consumer;

struct memory_partition {
    struct rky_message *messages; /**< the index is the offset */
    size_t count, capacity;
    int64_t committed; /**< of the one group; -1 = nothing */
    char *metadata;
    struct memory_consumer *owner;  /**< who reads it; only the owner's poll changes it */
    struct memory_consumer *wanted; /**< who should read it since the last rebalance */
    size_t position;                /**< the owner's next offset */
    bool paused;
};

struct memory_topic {
    char *name;
    struct memory_partition *partitions;
    int partition_count;
};

/** A message that was accepted and not yet stored. */
struct memory_pending {
    struct memory_topic *topic;
    int partition;
    struct rky_message message;
    rky_delivered_fn *delivered;
    void *context;
    struct memory_pending *next;
};

struct memory {
    struct rky_transport base;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t broker; /**< stores what is pending and confirms it */
    bool broker_runs, stop, down;
    int default_partitions;
    unsigned next_partition; /**< for messages without key */
    struct memory_topic **topics;
    size_t topic_count, topic_capacity;
    struct memory_pending *first, **last;
    size_t unconfirmed;
    struct memory_consumer **members;
    size_t member_count, member_capacity;
};

static inline struct memory *memory_of(struct rky_transport *transport)
{
    return (struct memory *)transport;
}

/** @brief Wait for a change until the deadline; the mutex is held. */
void rky_memory_wait(struct memory *memory, const struct rky_deadline *deadline);
/** @return borrowed, NULL when there is no such topic; the mutex is held. */
struct memory_topic *rky_memory_topic(struct memory *memory, const char *name);
/** @brief Copy the message at an offset that exists; the mutex is held. */
RKY_MUST_CHECK int rky_memory_inbound(const struct memory_topic *topic, int partition,
                                      size_t offset, struct rky_inbound *ret_inbound,
                                      struct rky_error *err);

/* memory_group.c */

/** @brief Share all partitions anew; the mutex is held. */
void rky_memory_rebalance(struct memory *memory);
int rky_memory_consumer_open(struct rky_transport *transport, const char *const *topics,
                             size_t count, const struct rky_consumer_callbacks *callbacks,
                             struct rky_consumer **ret_consumer, struct rky_error *err);
int rky_memory_consumer_poll(struct rky_consumer *consumer, int64_t timeout_ms,
                             struct rky_inbound *ret_inbound, struct rky_error *err);
void rky_memory_consumer_wake(struct rky_consumer *consumer);
int rky_memory_consumer_pause(struct rky_consumer *consumer, const char *topic, int partition,
                              bool paused, struct rky_error *err);
int rky_memory_consumer_seek(struct rky_consumer *consumer, const char *topic, int partition,
                             int64_t offset, struct rky_error *err);
int rky_memory_commit(struct rky_consumer *consumer, const struct rky_position *positions,
                      size_t count, struct rky_error *err);
int rky_memory_commit_now(struct rky_consumer *consumer, const struct rky_position *positions,
                          size_t count, int64_t timeout_ms, struct rky_error *err);
int64_t rky_memory_lag(struct rky_consumer *consumer);
void rky_memory_consumer_close(struct rky_consumer *consumer, int64_t timeout_ms);

#endif
