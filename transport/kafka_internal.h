/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the Kafka driver share. Nobody else includes this.
 *
 * One transport owns one producer handle, which also serves metadata and administration, and its
 * polling thread. Each consumer and each tail has a handle of its own. All handles report their
 * health to the same place, because "is there a broker" and "is anything beyond repair" are
 * questions about the transport.
 */
#ifndef RKY_TRANSPORT_KAFKA_INTERNAL_H
#define RKY_TRANSPORT_KAFKA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "common/clock.h"
#include "common/log.h"
#include "transport/transport.h"

/** Twice the usual limit of a topic, plus room for the headers of a dead letter. */
#define RKY_KAFKA_MESSAGE_MAX_BYTES 16777216
/** What a broker takes when nobody set max.message.bytes (Kafka's own default). */
#define RKY_KAFKA_BROKER_MESSAGE_MAX_BYTES 1048588

/** One connection to a broker, as its handle sees it. */
struct rky_kafka_link {
    const rd_kafka_t *handle;
    char name[256];
    bool up;
};

/** Written from librdkafka's threads, read from any; everything under the mutex. */
struct rky_kafka_health {
    pthread_mutex_t mutex;
    struct rky_kafka_link *links;
    size_t link_count, link_capacity;
    char last_error[512]; /**< what a connection last failed with, "" after success */
    rd_kafka_resp_err_t last_code;
    char *fatal; /**< owned; set once, so that fatal() may hand it out */
};

/** How many partitions a topic has: fixed for a topic's life as far as keys are concerned. */
struct rky_kafka_topic {
    char *name;
    int partitions;
};

struct rky_kafka_consumer;

/** The opaque pointer of every handle. */
struct rky_kafka_scope {
    struct rky_kafka *kafka;
    struct rky_kafka_consumer *consumer; /**< NULL unless a group consumer's handle */
};

struct rky_kafka {
    struct rky_transport base;
    struct rky_kafka_scope scope;
    const struct rky_queue_config *queue; /**< borrowed */
    struct rky_log *log;                  /**< borrowed */
    char *client_id;
    struct rky_kafka_health health;
    rd_kafka_t *producer;
    pthread_t poller, pulse;
    bool poller_runs, pulse_runs;
    pthread_mutex_t pulse_mutex;
    pthread_cond_t pulse_stop;
    atomic_bool silent; /**< connected as far as TCP knows, but nobody answers */
    atomic_bool stop;
    bool abandoned; /**< some handle would not end and still calls back into this memory */
    pthread_mutex_t topics_mutex;
    struct rky_kafka_topic *topics;
    size_t topic_count, topic_capacity;
};

static inline struct rky_kafka *rky_kafka_of(struct rky_transport *transport)
{
    return (struct rky_kafka *)transport;
}

enum rky_kafka_role { RKY_KAFKA_PUBLISHER, RKY_KAFKA_GROUP_CONSUMER, RKY_KAFKA_TAIL };

/* kafka_config.c */

/** @brief The settings of a handle. @param scope must outlive the handle.
 *         @param ret_conf owned until a handle takes it. */
RKY_MUST_CHECK int rky_kafka_conf(struct rky_kafka_scope *scope, enum rky_kafka_role role,
                                  rd_kafka_conf_t **ret_conf, struct rky_error *err);
/** @brief A handle from settings. @param conf taken, also on failure. */
RKY_MUST_CHECK int rky_kafka_handle(struct rky_kafka *kafka, enum rky_kafka_role role,
                                    rd_kafka_conf_t *conf, rd_kafka_t **ret_handle,
                                    struct rky_error *err);

/* kafka_health.c */

void rky_kafka_health_done(struct rky_kafka_health *health);
/** @brief Make a handle report: log, errors, connections. */
void rky_kafka_health_attach(struct rky_kafka *kafka, rd_kafka_conf_t *conf);
/** @brief Something beyond repair happened; only the first is kept. @param message taken. */
void rky_kafka_set_fatal(struct rky_kafka *kafka, char *message);
/** @brief The handle is gone, its connections with it. */
void rky_kafka_health_forget(struct rky_kafka *kafka, const rd_kafka_t *handle);
/** @brief Whether any connection to a broker is up. */
bool rky_kafka_linked(struct rky_kafka *kafka);
bool rky_kafka_connected(struct rky_transport *transport);
const char *rky_kafka_fatal(struct rky_transport *transport);
/** @brief Our code for librdkafka's. @param ret_transient may be NULL. */
enum rky_err rky_kafka_code(rd_kafka_resp_err_t code, bool *ret_transient);
/** @brief Record a failure that librdkafka reported; its text is appended to the message. */
int rky_kafka_fail(struct rky_error *err, rd_kafka_resp_err_t code, const char *format, ...)
    RKY_PRINTF(3, 4);
/** @brief The failure "no broker answered": names the brokers, the last reason and the fix. */
int rky_kafka_fail_unreachable(struct rky_kafka *kafka, struct rky_error *err, int64_t waited_ms);
/* kafka_end.c */

/** @brief Destroy a handle, but give up waiting after @p timeout_ms: a hang in there must not
 *         become ours. @return whether it ended; false leaves handle and callbacks alive, and the
 *         transport marked as abandoned. */
bool rky_kafka_destroy(struct rky_kafka *kafka, rd_kafka_t *handle, int64_t timeout_ms);

/* kafka_pulse.c */

/** @brief Start asking for a sign of life now and then. */
RKY_MUST_CHECK int rky_kafka_pulse_start(struct rky_kafka *kafka, struct rky_error *err);
void rky_kafka_pulse_stop(struct rky_kafka *kafka);

/* kafka_message.c */

/** @brief Copy a record. The record stays the caller's. */
RKY_MUST_CHECK int rky_kafka_inbound(const rd_kafka_message_t *record,
                                     struct rky_inbound *ret_inbound, struct rky_error *err);
/** @brief Headers of a message. @param ret_headers owned, NULL when there are none. */
RKY_MUST_CHECK int rky_kafka_headers(const struct rky_message *message,
                                     rd_kafka_headers_t **ret_headers, struct rky_error *err);

/* kafka_publish.c */

RKY_MUST_CHECK int rky_kafka_publisher_start(struct rky_kafka *kafka, struct rky_error *err);
/** @brief Give up what is queued (each callback is still called), end the thread and the handle. */
void rky_kafka_publisher_stop(struct rky_kafka *kafka);
int rky_kafka_publish(struct rky_transport *transport, const char *topic,
                      const struct rky_message *message, rky_delivered_fn *delivered, void *context,
                      struct rky_error *err);
int rky_kafka_flush(struct rky_transport *transport, int64_t timeout_ms, struct rky_error *err);

/* kafka_admin.c */

int rky_kafka_ensure_topics(struct rky_transport *transport, const struct rky_topic_spec *topics,
                            size_t count, int64_t timeout_ms, struct rky_error *err);
int rky_kafka_partition_of(struct rky_transport *transport, const char *topic, const void *key,
                           size_t key_length, int64_t timeout_ms, int *ret_partition,
                           struct rky_error *err);
/** @brief Partitions of a topic, asked of the broker once per transport. */
RKY_MUST_CHECK int rky_kafka_partitions(struct rky_kafka *kafka, const char *topic,
                                        int64_t timeout_ms, int *ret_count, struct rky_error *err);

/** @brief First and next offset of a partition, now. A partition that was made a moment ago may
 *         have no leader yet: asked again until @p deadline. */
RKY_MUST_CHECK int rky_kafka_range(rd_kafka_t *handle, const char *topic, int partition,
                                   const struct rky_deadline *deadline, int64_t *ret_low,
                                   int64_t *ret_high, struct rky_error *err);

/* kafka_consumer.c, kafka_group.c */

/** A partition that is ours now. Only the polling thread touches it. */
struct rky_kafka_partition {
    char *topic;
    int partition;
    int64_t committed; /**< next offset as the group knows it, -1 = nothing committed */
    int64_t start;     /**< where reading began, -1 = not known */
    bool paused;
};

struct rky_kafka_consumer {
    struct rky_consumer base;
    struct rky_kafka_scope scope;
    struct rky_kafka *kafka;
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    int wake_fd; /**< eventfd: librdkafka and consumer_wake() both ring it */
    atomic_bool woken;
    struct rky_consumer_callbacks callbacks;
    struct rky_kafka_partition *partitions;
    size_t partition_count, partition_capacity;
    bool assigned_once; /**< closing before that can crash librdkafka 2.0.2 */
    bool closing;
};

static inline struct rky_kafka_consumer *rky_kafka_consumer_of(struct rky_consumer *consumer)
{
    return (struct rky_kafka_consumer *)consumer;
}

/** @brief Rebalance and commit callbacks of a group consumer. */
void rky_kafka_group_attach(rd_kafka_conf_t *conf);
/** @return borrowed, NULL when the partition is not ours. */
struct rky_kafka_partition *rky_kafka_group_find(struct rky_kafka_consumer *consumer,
                                                 const char *topic, int partition);
void rky_kafka_group_clear(struct rky_kafka_consumer *consumer);
int rky_kafka_commit(struct rky_consumer *consumer, const struct rky_position *positions,
                     size_t count, struct rky_error *err);
int rky_kafka_commit_now(struct rky_consumer *consumer, const struct rky_position *positions,
                         size_t count, int64_t timeout_ms, struct rky_error *err);
int64_t rky_kafka_lag(struct rky_consumer *consumer);

int rky_kafka_consumer_open(struct rky_transport *transport, const char *const *topics,
                            size_t count, const struct rky_consumer_callbacks *callbacks,
                            struct rky_consumer **ret_consumer, struct rky_error *err);
int rky_kafka_consumer_poll(struct rky_consumer *consumer, int64_t timeout_ms,
                            struct rky_inbound *ret_inbound, struct rky_error *err);
void rky_kafka_consumer_wake(struct rky_consumer *consumer);
int rky_kafka_consumer_pause(struct rky_consumer *consumer, const char *topic, int partition,
                             bool paused, struct rky_error *err);
int rky_kafka_consumer_seek(struct rky_consumer *consumer, const char *topic, int partition,
                            int64_t offset, struct rky_error *err);
void rky_kafka_consumer_close(struct rky_consumer *consumer, int64_t timeout_ms);

/* kafka_tail.c */

int rky_kafka_tail_open(struct rky_transport *transport, const char *topic, int partition,
                        bool from_end, int64_t timeout_ms, struct rky_tail **ret_tail,
                        struct rky_error *err);
int rky_kafka_tail_read(struct rky_tail *tail, int64_t timeout_ms, struct rky_inbound *ret_inbound,
                        struct rky_error *err);
void rky_kafka_tail_close(struct rky_tail *tail);

/** @brief A timeout as librdkafka's int, never negative (which would mean for ever). */
static inline int rky_kafka_ms(int64_t timeout_ms)
{
    return timeout_ms < 0 ? 0 : timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
}

#endif
