/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport seam: jobs in, events out. Drivers: Kafka (which also serves the embedded
 * development broker) and an in-memory fake. One conformance suite holds them to this contract.
 *
 * Threads: publish() may be called from any thread. Everything of the consumer belongs to the one
 * thread that polls it. Delivery callbacks run on the driver's own thread, or on the publishing
 * thread for a failure known at once; they must not block and must not publish.
 */
#ifndef RKY_TRANSPORT_TRANSPORT_H
#define RKY_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "schemas/message.h"

struct rky_transport;
struct rky_consumer;
struct rky_tail;

/** A message with the place it came from. */
struct rky_inbound {
    struct rky_message message;
    char *topic; /**< owned */
    int partition;
    int64_t offset;
};
void rky_inbound_done(struct rky_inbound *inbound);

/** What a group has committed, or is to commit, for one partition. */
struct rky_position {
    const char *topic;
    int partition;
    int64_t offset;       /**< next offset to read; -1 = nothing committed */
    const char *metadata; /**< text up to 4096 bytes, NULL = none */
};

/** Rebalance notices, called from inside consumer_poll(). */
struct rky_consumer_callbacks {
    void *context;
    /** Partitions arrived; offset and metadata say what was committed for each. */
    void (*assigned)(void *context, const struct rky_position *positions, size_t count);
    /**
     * Partitions leave. @p lost: already gone, do not commit. Otherwise commit_now() may be called
     * here for what is done; it must return quickly.
     */
    void (*revoked)(void *context, const struct rky_position *positions, size_t count, bool lost);
    /** A commit() did not arrive: commit again what is still owned, for nobody else will. @p
     * message says why; NULL = a rebalance came in between, which is no error. */
    void (*commit_failed)(void *context, const char *message);
};

/** @param code 0 = the broker has it; otherwise an enum rky_err and @p message says why. */
typedef void rky_delivered_fn(void *context, int code, const char *message, int partition,
                              int64_t offset);

struct rky_topic_spec {
    const char *name;
    int partitions;            /**< 0 = queue.partitions */
    int64_t max_message_bytes; /**< 0 = the broker's default */
    /** Another topic of the same call whose limit is doubled for this one; NULL = none. */
    const char *twice_the_limit_of;
    bool compacted; /**< keep the last message of each key, and drop old ones */
};

struct rky_transport_ops {
    const char *name;

    /** Create what is missing, check the rest, never change an existing topic; within timeout_ms.
     *  A topic with fewer partitions than wanted is only a warning in the log. With
     *  queue.create_topics = false a missing topic is RKY_ERR_NOT_FOUND. RKY_ERR_UNAVAILABLE names
     *  the brokers when none answered in time. */
    int (*ensure_topics)(struct rky_transport *transport, const struct rky_topic_spec *topics,
                         size_t count, int64_t timeout_ms, struct rky_error *err);
    /** Queue a message (copied); @p delivered is called exactly once unless an error is returned;
     *  NULL = nobody wants to know. The record's time is now, whatever message->timestamp_ms says.
     *  RKY_ERR_QUOTA when the queue is full: wait and try again. RKY_ERR_DECODE when it can never
     *  be sent (too large). */
    int (*publish)(struct rky_transport *transport, const char *topic,
                   const struct rky_message *message, rky_delivered_fn *delivered, void *context,
                   struct rky_error *err);
    /** Wait until every queued message got its callback. RKY_ERR_TIMEOUT when some did not. */
    int (*flush)(struct rky_transport *transport, int64_t timeout_ms, struct rky_error *err);
    /** The partition of a key in a topic (murmur2, as Java's default partitioner). */
    int (*partition_of)(struct rky_transport *transport, const char *topic, const void *key,
                        size_t key_length, int64_t timeout_ms, int *ret_partition,
                        struct rky_error *err);
    /** Whether a broker answered in the last seconds. */
    bool (*connected)(struct rky_transport *transport);
    /** Driver fault that only a restart mends: message, NULL while all is well. Borrowed. */
    const char *(*fatal)(struct rky_transport *transport);
    void (*close)(struct rky_transport *transport);

    /** Join the group of queue.group_id for these topics. */
    int (*consumer_open)(struct rky_transport *transport, const char *const *topics, size_t count,
                         const struct rky_consumer_callbacks *callbacks,
                         struct rky_consumer **ret_consumer, struct rky_error *err);
    /** One message, or none within the timeout. @retval 1 a message, 0 none, <0 an error that
     *  polling on may outlive (transient) or not. */
    int (*consumer_poll)(struct rky_consumer *consumer, int64_t timeout_ms,
                         struct rky_inbound *ret_inbound, struct rky_error *err);
    /** Make a consumer_poll() under way return early; from any thread. */
    void (*consumer_wake)(struct rky_consumer *consumer);
    int (*consumer_pause)(struct rky_consumer *consumer, const char *topic, int partition,
                          bool paused, struct rky_error *err);
    /** Continue a partition at @p offset: for messages that are to be delivered again here. */
    int (*consumer_seek)(struct rky_consumer *consumer, const char *topic, int partition,
                         int64_t offset, struct rky_error *err);
    /** Start committing; what does not arrive is told by commit_failed(). */
    int (*commit)(struct rky_consumer *consumer, const struct rky_position *positions, size_t count,
                  struct rky_error *err);
    /** Commit and wait, at most timeout_ms. For revocation and shutdown. */
    int (*commit_now)(struct rky_consumer *consumer, const struct rky_position *positions,
                      size_t count, int64_t timeout_ms, struct rky_error *err);
    /** End offset minus committed offset over the assignment: how much work waits. -1 = unknown. */
    int64_t (*lag)(struct rky_consumer *consumer);
    /** Leave the group; bounded by timeout_ms. */
    void (*consumer_close)(struct rky_consumer *consumer, int64_t timeout_ms);

    /** Read partitions without a group. @param partition -1 = all of the topic.
     *  @param from_end start behind what is there now; else at the beginning. On return the start
     *  is fixed: what is published afterwards will be read. */
    int (*tail_open)(struct rky_transport *transport, const char *topic, int partition,
                     bool from_end, int64_t timeout_ms, struct rky_tail **ret_tail,
                     struct rky_error *err);
    /** @retval 1 a message, 0 none within the timeout, <0 error. */
    int (*tail_read)(struct rky_tail *tail, int64_t timeout_ms, struct rky_inbound *ret_inbound,
                     struct rky_error *err);
    void (*tail_close)(struct rky_tail *tail);
};

/** Drivers embed this first. Callers go through `transport->ops`. */
struct rky_transport {
    const struct rky_transport_ops *ops;
};
struct rky_consumer {
    struct rky_transport *transport;
};
struct rky_tail {
    struct rky_transport *transport;
};

/** @brief Kafka by librdkafka. Does not wait for a broker. @param queue, log borrowed and must
 *         outlive the transport. @param client_id e.g. the worker's id. RKY_ERR_CONFIG names a
 *         property of queue.kafka that librdkafka refuses, with its line. */
RKY_MUST_CHECK int rky_kafka_open(const struct rky_queue_config *queue, const char *client_id,
                                  struct rky_log *log, struct rky_transport **ret_transport,
                                  struct rky_error *err);
/** @brief An in-memory broker for tests: several consumers of one transport form a group. Topics
 *         exist once ensure_topics() named them. @param partitions of a topic that asks for 0. */
RKY_MUST_CHECK int rky_memory_transport_open(int partitions, struct rky_transport **ret_transport,
                                             struct rky_error *err);
/** @brief Pretend that the broker is gone, or is back: while down, connected() is false, what is
 *         published waits unconfirmed and unread, and ensure_topics() and commit_now() fail. */
void rky_memory_transport_set_down(struct rky_transport *transport, bool down);

/** The embedded development broker (librdkafka's mock cluster). Keeps nothing on disk. */
struct rky_broker;
/** @param ret_broker owned. */
RKY_MUST_CHECK int rky_broker_start(struct rky_broker **ret_broker, struct rky_error *err);
/** @brief "127.0.0.1:port". Borrowed. */
const char *rky_broker_bootstrap(const struct rky_broker *broker);
void rky_broker_stop(struct rky_broker *broker);

/** Names of the topics under a prefix; owned text inside. */
struct rky_topics {
    char *jobs, *results, *dlq, *control;
};
RKY_MUST_CHECK int rky_topics_init(struct rky_topics *topics, const char *prefix,
                                   struct rky_error *err);
void rky_topics_done(struct rky_topics *topics);
/** @brief Whether librdkafka takes this property of queue.kafka. Opens nothing.
 *  @return RKY_ERR_CONFIG with what is wrong about it, its line left out. */
RKY_MUST_CHECK int rky_kafka_property_check(const struct rky_kafka_property *property,
                                            struct rky_error *err);

/** @brief Create or check the topics that this build uses (queue.create_topics decides which). */
RKY_MUST_CHECK int rky_topics_ensure(struct rky_transport *transport,
                                     const struct rky_queue_config *queue, int64_t timeout_ms,
                                     struct rky_error *err);

#endif
