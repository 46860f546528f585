/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See transport_kafka_fixture.h. Sessions are short, because the embedded broker lets a second
 * member wait for a whole one; ROCKY_TEST_LOG=cgrp,broker (any contexts of
 * librdkafka's "debug") writes its log to stderr.
 */
#include "config.h"

#include "tests/conformance/transport_kafka_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

/** What a transport of rky_test_kafka_at() lives on. */
static struct {
    struct rky_transport *transport;
    struct rky_queue_config *queue;
} pairs[8];

static void add_property(struct rky_queue_config *queue, const char *name, const char *value,
                         int line)
{
    struct rky_kafka_property *list =
        rky_reallocarray(queue->kafka, queue->kafka_count + 1, sizeof(*list));
    ck_assert_ptr_nonnull(list);
    queue->kafka = list;
    list[queue->kafka_count++] = (struct rky_kafka_property){
        .name = rky_strdup(name), .value = rky_strdup(value), .line = line};
}

struct rky_queue_config *rky_test_queue(const char *brokers, const char *prefix,
                                        const struct rky_kafka_property *properties)
{
    struct rky_queue_config *queue = rky_calloc(1, sizeof(*queue));
    ck_assert_ptr_nonnull(queue);
    *queue = (struct rky_queue_config){.present = true,
                                       .brokers = rky_strdup(brokers),
                                       .topic_prefix = rky_strdup(prefix),
                                       .group_id = rky_asprintf("%s-group", prefix),
                                       .create_topics = true,
                                       .partitions = 4,
                                       .replication_factor = -1};
    add_property(queue, "session.timeout.ms", "3000", 1);
    if (getenv("ROCKY_TEST_LOG") != NULL && getenv("ROCKY_TEST_LOG")[0] != '\0')
        add_property(queue, "debug", getenv("ROCKY_TEST_LOG"), 1);
    for (; properties != NULL && properties->name != NULL; properties++)
        add_property(queue, properties->name, properties->value, properties->line);
    return queue;
}

void rky_test_queue_free(struct rky_queue_config *queue)
{
    for (size_t i = 0; i < queue->kafka_count; i++) {
        rky_free(queue->kafka[i].name);
        rky_free(queue->kafka[i].value);
    }
    rky_free(queue->kafka);
    rky_free(queue->brokers);
    rky_free(queue->topic_prefix);
    rky_free(queue->group_id);
    rky_free(queue);
}

struct rky_transport *rky_test_kafka_open(const struct rky_queue_config *queue)
{
    struct rky_transport *transport = NULL;
    struct rky_error err = {0};
    struct rky_log *log = NULL;
    if (getenv("ROCKY_TEST_LOG") != NULL)
        log = rky_log_new(stderr, RKY_LOG_DEBUG, RKY_LOG_TEXT, rky_clock_real());
    int rc = rky_kafka_open(queue, "test-client", log, &transport, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return transport;
}

struct rky_transport *rky_test_kafka_at(const char *brokers, const char *prefix)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (pairs[i].transport == NULL) {
            pairs[i].queue = rky_test_queue(brokers, prefix, NULL);
            pairs[i].transport = rky_test_kafka_open(pairs[i].queue);
            return pairs[i].transport;
        }
    ck_abort_msg("too many transports");
    return NULL;
}

void rky_test_kafka_close(struct rky_transport *transport)
{
    transport->ops->close(transport);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (pairs[i].transport == transport) {
            rky_test_queue_free(pairs[i].queue);
            pairs[i].transport = NULL;
        }
}

struct rky_transport *rky_test_kafka_unreachable(const char *prefix)
{
    /* Port 1 needs privileges to listen on and is nobody's. */
    return rky_test_kafka_at("127.0.0.1:1", prefix);
}
