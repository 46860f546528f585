/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky.toml to librdkafka's settings: the design's own, which nobody may change, the defaults,
 * which queue.kafka may change, and queue.kafka itself, passed through.
 *
 * A setting that is refused is reported with its line; the value of one that may be a secret is
 * never repeated, not even as part of librdkafka's own message.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RKY_LEAK_CHECKED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RKY_LEAK_CHECKED
#endif
#ifdef RKY_LEAK_CHECKED
#include <sanitizer/lsan_interface.h>
#endif

/* Bits of the roles a setting is for; others would only make librdkafka warn. */
enum { PUBLISHER = 1, CONSUMER = 2, TAIL = 4, READERS = CONSUMER | TAIL, ALL = 7 };

struct setting {
    unsigned roles;
    const char *name, *value;
};

static const struct setting defaults[] = {
    /* A job's result is waited for: small requests go out at once. */
    {ALL, "socket.nagle.disable", "true"},
    {ALL, "socket.keepalive.enable", "true"},
    /* How long a broker that stopped answering still counts as connected. */
    {ALL, "socket.timeout.ms", "15000"},
    {ALL, "socket.connection.setup.timeout.ms", "10000"},
    {ALL, "reconnect.backoff.max.ms", "2000"},
    {ALL, "topic.metadata.refresh.interval.ms", "60000"},
    /* Each partition's batch is a request of its own, so this is what they cost the broker. */
    {PUBLISHER, "linger.ms", "5"},
    {PUBLISHER, "compression.codec", "lz4"},
    {PUBLISHER, "delivery.timeout.ms", "120000"},
    {PUBLISHER, "queue.buffering.max.messages", "20000"},
    /* The topic's own limit decides; this one only has to be above a dead letter's. */
    {PUBLISHER, "message.max.bytes", "16777216"},
    {PUBLISHER, "retry.backoff.ms", "50"},
    {READERS, "fetch.wait.max.ms", "100"},
    {READERS, "fetch.error.backoff.ms", "100"},
    {READERS, "fetch.message.max.bytes", "1048576"},
    {READERS, "check.crcs", "true"},
    /* librdkafka 2.0.2 stops fetching for a whole second when it crosses these. */
    {READERS, "queued.min.messages", "20000"},
    {READERS, "queued.max.messages.kbytes", "16384"},
    {CONSUMER, "session.timeout.ms", "45000"},
    {CONSUMER, "heartbeat.interval.ms", "3000"},
    {CONSUMER, "max.poll.interval.ms", "120000"},
};

static const struct setting owned[] = {
    {PUBLISHER, "enable.idempotence", "true"},
    {PUBLISHER, "acks", "all"},
    {PUBLISHER, "partitioner", "murmur2_random"},
    {READERS, "allow.auto.create.topics", "false"},
    {READERS, "enable.partition.eof", "false"},
    {READERS, "enable.auto.commit", "false"},
    {READERS, "enable.auto.offset.store", "false"},
    {READERS, "auto.offset.reset", "earliest"},
    {READERS, "isolation.level", "read_committed"},
    {CONSUMER, "partition.assignment.strategy", "cooperative-sticky"},
};

/* What queue.kafka may not say, and why. */
static const struct {
    const char *name, *why;
} refused[] = {
    {"bootstrap.servers", "set queue.brokers instead"},
    {"metadata.broker.list", "set queue.brokers instead"},
    {"group.id", "set queue.group_id instead"},
    {"enable.auto.commit", "an offset is committed only after its job's result is published"},
    {"enable.auto.offset.store", "an offset is committed only after its job's result is published"},
    {"auto.offset.reset", "jobs queued before the first worker joined must be read"},
    {"isolation.level", "an aborted request is no job"},
    {"partitioner", "every client must put a namespace on the same partition"},
    {"acks", "a result counts only when every replica has it"},
    {"request.required.acks", "a result counts only when every replica has it"},
    {"enable.idempotence", "a retried result must not appear twice"},
    {"transactional.id", "delivery is at least once with recorded results, not by transactions"},
    {"partition.assignment.strategy", "workers of one group must rebalance in the same way"},
    {"allow.auto.create.topics", "topics are created at start, see queue.create_topics"},
    {"enable.partition.eof", "the end of a partition is no event here"},
};

static const char *const secret_words[] = {"password", "secret", ".pem", "oauthbearer.config",
                                           "jaas"};

static bool is_secret(const char *name)
{
    for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++)
        if (strstr(name, secret_words[i]) != NULL)
            return true;
    return false;
}

static int set_ours(rd_kafka_conf_t *conf, const char *name, const char *value,
                    struct rky_error *err)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return RKY_OK;
    return rky_fail(err, RKY_ERR_CONFIG, "kafka setting '%s' = '%s' is refused: %s", name, value,
                    why);
}

static int set_table(rd_kafka_conf_t *conf, const struct setting *table, size_t count,
                     unsigned role, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < count; i++)
        if ((table[i].roles & role) != 0)
            rc = set_ours(conf, table[i].name, table[i].value, err);
    return rc;
}

static int set_theirs(rd_kafka_conf_t *conf, const struct rky_kafka_property *property,
                      struct rky_error *err)
{
    char why[512];
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (strcmp(refused[i].name, property->name) == 0) {
            int rc = rky_fail(err, RKY_ERR_CONFIG, "queue.kafka property '%s' cannot be set",
                              property->name);
            rky_error_hint(err, "%s", refused[i].why);
            return rc;
        }
    rd_kafka_conf_res_t result =
        rd_kafka_conf_set(conf, property->name, property->value, why, sizeof(why));
    if (result == RD_KAFKA_CONF_OK)
        return RKY_OK;
    if (result == RD_KAFKA_CONF_UNKNOWN) {
        int rc = rky_fail(err, RKY_ERR_CONFIG, "queue.kafka has no property '%s'", property->name);
        rky_error_hint(err, "see CONFIGURATION.md of librdkafka %s for what there is",
                       rd_kafka_version_str());
        return rc;
    }
    why[strcspn(why, "\n")] = '\0'; /* some of its messages are whole lines */
    if (is_secret(property->name))
        return rky_fail(err, RKY_ERR_CONFIG, "the value of queue.kafka property '%s' is refused",
                        property->name);
    return rky_fail(err, RKY_ERR_CONFIG, "queue.kafka property '%s' = '%s': %s", property->name,
                    property->value, why);
}

int rky_kafka_property_check(const struct rky_kafka_property *property, struct rky_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int rc = set_theirs(conf, property, err);
    rd_kafka_conf_destroy(conf);
    return rc;
}

static const struct rky_kafka_property *find(const struct rky_queue_config *queue, const char *name)
{
    for (size_t i = 0; i < queue->kafka_count; i++)
        if (strcmp(queue->kafka[i].name, name) == 0)
            return &queue->kafka[i];
    return NULL;
}

/* Whoever shortens or lengthens only the session timeout gets defaults that fit to it. */
static int fit_to_session(rd_kafka_conf_t *conf, const struct rky_queue_config *queue,
                          struct rky_error *err)
{
    char value[32];
    const struct rky_kafka_property *session = find(queue, "session.timeout.ms");
    if (session == NULL)
        return RKY_OK;
    long session_ms = strtol(session->value, NULL, 10);
    int rc = RKY_OK;
    if (session_ms < 9000 && find(queue, "heartbeat.interval.ms") == NULL) {
        (void)snprintf(value, sizeof(value), "%ld", session_ms >= 3 ? session_ms / 3 : 1);
        rc = set_ours(conf, "heartbeat.interval.ms", value, err);
    }
    if (rc == RKY_OK && session_ms > 120000 && find(queue, "max.poll.interval.ms") == NULL)
        rc = set_ours(conf, "max.poll.interval.ms", session->value, err);
    return rc;
}

static unsigned role_bit(enum rky_kafka_role role)
{
    switch (role) {
    case RKY_KAFKA_PUBLISHER:
        return PUBLISHER;
    case RKY_KAFKA_GROUP_CONSUMER:
        return CONSUMER;
    case RKY_KAFKA_TAIL:
        return TAIL;
    }
    return 0;
}

int rky_kafka_conf(struct rky_kafka_scope *scope, enum rky_kafka_role role,
                   rd_kafka_conf_t **ret_conf, struct rky_error *err)
{
    struct rky_kafka *kafka = scope->kafka;
    const struct rky_queue_config *queue = kafka->queue;
    unsigned bit = role_bit(role);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int rc = set_table(conf, defaults, sizeof(defaults) / sizeof(defaults[0]), bit, err);
    if (rc == RKY_OK)
        rc = set_ours(conf, "client.id", kafka->client_id, err);
    for (size_t i = 0; rc == RKY_OK && i < queue->kafka_count; i++) {
        rc = set_theirs(conf, &queue->kafka[i], err);
        if (rc != RKY_OK)
            rky_error_wrap(err, "line %d", queue->kafka[i].line);
    }
    if (rc == RKY_OK && role == RKY_KAFKA_GROUP_CONSUMER)
        rc = fit_to_session(conf, queue, err);
    if (rc == RKY_OK)
        rc = set_table(conf, owned, sizeof(owned) / sizeof(owned[0]), bit, err);
    if (rc == RKY_OK)
        rc = set_ours(conf, "bootstrap.servers", queue->brokers, err);
    if (rc == RKY_OK && role == RKY_KAFKA_GROUP_CONSUMER)
        rc = set_ours(conf, "group.id", queue->group_id, err);
    if (rc != RKY_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    rd_kafka_conf_set_opaque(conf, scope);
    rky_kafka_health_attach(kafka, conf);
    *ret_conf = conf;
    return RKY_OK;
}

/*
 * Only success takes a conf, but librdkafka frees the interceptors of a failed one all the same,
 * and destroying it would free them again. It is left behind, once, by a program that is about to
 * end.
 */
static void abandon(rd_kafka_conf_t *conf)
{
#ifdef RKY_LEAK_CHECKED
    __lsan_ignore_object(conf);
#else
    (void)conf;
#endif
}

int rky_kafka_handle(struct rky_kafka *kafka, enum rky_kafka_role role, rd_kafka_conf_t *conf,
                     rd_kafka_t **ret_handle, struct rky_error *err)
{
    char why[512];
    rd_kafka_type_t type = role == RKY_KAFKA_PUBLISHER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
    rd_kafka_t *handle = rd_kafka_new(type, conf, why, sizeof(why));
    if (handle != NULL) {
        *ret_handle = handle;
        return RKY_OK;
    }
    abandon(conf);
    if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)
        return rky_kafka_fail(err, RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE,
                              "the Kafka client cannot start: %s", why);
    /* Settings that only disagree with each other come out here; name the lines that took part. */
    char lines[128] = "";
    for (size_t i = 0, used = 0; i < kafka->queue->kafka_count && used < sizeof(lines); i++)
        if (strstr(why, kafka->queue->kafka[i].name) != NULL)
            used += (size_t)snprintf(lines + used, sizeof(lines) - used, "%sline %d",
                                     used > 0 ? ", " : "", kafka->queue->kafka[i].line);
    return rky_fail(err, RKY_ERR_CONFIG, "%s%squeue.kafka is refused: %s", lines,
                    lines[0] != '\0' ? ": " : "", why);
}
