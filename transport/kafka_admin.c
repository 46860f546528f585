/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics: which exist, with how many partitions, and creating those that do not.
 *
 * Existence is asked for with the list of all topics, never by name: a question by name from a
 * producer makes many brokers create the topic with their own defaults. Only a broker without
 * administration (the embedded one) is asked by name, on purpose. Called from any thread.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

#define RETRY_MS 20
#define CONTROL_RETENTION_MS "172800000" /* 2 days: a cancel outlives its job by far */

/** One topic of a call to ensure_topics(). */
struct wanted {
    const struct rky_topic_spec *spec;
    int partitions; /**< as found, 0 = missing */
};

static int remember(struct rky_kafka *kafka, const char *topic, int partitions,
                    struct rky_error *err)
{
    int rc = RKY_OK;
    (void)pthread_mutex_lock(&kafka->topics_mutex);
    for (size_t i = 0; i < kafka->topic_count; i++)
        if (strcmp(kafka->topics[i].name, topic) == 0)
            goto out;
    rc = rky_array_reserve(&kafka->topics, &kafka->topic_capacity, kafka->topic_count + 1,
                           sizeof(kafka->topics[0]), err);
    if (rc != RKY_OK)
        goto out;
    char *name = rky_strdup(topic);
    if (name == NULL)
        rc = rky_fail_nomem(err);
    else
        kafka->topics[kafka->topic_count++] =
            (struct rky_kafka_topic){.name = name, .partitions = partitions};
out:
    (void)pthread_mutex_unlock(&kafka->topics_mutex);
    return rc;
}

static int recall(struct rky_kafka *kafka, const char *topic)
{
    int partitions = 0;
    (void)pthread_mutex_lock(&kafka->topics_mutex);
    for (size_t i = 0; i < kafka->topic_count; i++)
        if (strcmp(kafka->topics[i].name, topic) == 0)
            partitions = kafka->topics[i].partitions;
    (void)pthread_mutex_unlock(&kafka->topics_mutex);
    return partitions;
}

static int metadata_failed(struct rky_kafka *kafka, rd_kafka_resp_err_t code, int64_t waited_ms,
                           struct rky_error *err)
{
    enum rky_err ours = rky_kafka_code(code, NULL);
    if (ours == RKY_ERR_UNAVAILABLE || ours == RKY_ERR_TIMEOUT)
        return rky_kafka_fail_unreachable(kafka, err, waited_ms);
    return rky_kafka_fail(err, code, "brokers '%s': no list of topics", kafka->queue->brokers);
}

/* Look up what is still missing. */
static int look(struct rky_kafka *kafka, struct wanted *wanted, size_t count,
                const struct rky_deadline *deadline, int64_t timeout_ms, struct rky_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    int rc = RKY_OK;
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->producer, 1, NULL, &metadata,
                                                 rky_kafka_ms(rky_deadline_left_ms(deadline)));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return metadata_failed(kafka, code, timeout_ms, err);
    for (size_t i = 0; rc == RKY_OK && i < count; i++)
        for (int j = 0; wanted[i].partitions == 0 && j < metadata->topic_cnt; j++) {
            const struct rd_kafka_metadata_topic *topic = &metadata->topics[j];
            if (strcmp(topic->topic, wanted[i].spec->name) != 0 || topic->partition_cnt == 0)
                continue;
            wanted[i].partitions = topic->partition_cnt;
            rc = remember(kafka, topic->topic, topic->partition_cnt, err);
        }
    rd_kafka_metadata_destroy(metadata);
    return rc;
}

/* Name a topic to a broker that makes it then. */
static int ask_by_name(struct rky_kafka *kafka, const char *name,
                       const struct rky_deadline *deadline, int64_t timeout_ms,
                       struct rky_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka->producer, name, NULL);
    if (topic == NULL)
        return rky_kafka_fail(err, rd_kafka_last_error(), "topic '%s'", name);
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->producer, 0, topic, &metadata,
                                                 rky_kafka_ms(rky_deadline_left_ms(deadline)));
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return metadata_failed(kafka, code, timeout_ms, err);
    rd_kafka_metadata_destroy(metadata);
    return RKY_OK;
}

static rd_kafka_AdminOptions_t *admin_options(struct rky_kafka *kafka, rd_kafka_admin_op_t op,
                                              const struct rky_deadline *deadline)
{
    char why[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(kafka->producer, op);
    if (options != NULL)
        (void)rd_kafka_AdminOptions_set_request_timeout(
            options, rky_kafka_ms(rky_deadline_left_ms(deadline)) + 1, why, sizeof(why));
    return options;
}

/* The topic's max.message.bytes; Kafka's default when it cannot be read. */
static int64_t limit_of(struct rky_kafka *kafka, const char *topic,
                        const struct rky_deadline *deadline)
{
    int64_t limit = RKY_KAFKA_BROKER_MESSAGE_MAX_BYTES;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->producer);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options =
        admin_options(kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, deadline);
    rd_kafka_DescribeConfigs(kafka->producer, &resource, 1, options, queue);
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(queue, rky_kafka_ms(rky_deadline_left_ms(deadline)));
    const rd_kafka_DescribeConfigs_result_t *result =
        event != NULL ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    size_t count = 0, entries = 0;
    const rd_kafka_ConfigResource_t **found =
        result != NULL ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;
    const rd_kafka_ConfigEntry_t **entry =
        count > 0 ? rd_kafka_ConfigResource_configs(found[0], &entries) : NULL;
    for (size_t i = 0; i < entries; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entry[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entry[i]), "max.message.bytes") == 0 && value != NULL)
            limit = strtoll(value, NULL, 10);
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    return limit;
}

static int describe_topic(struct rky_kafka *kafka, const struct rky_topic_spec *spec,
                          const struct rky_deadline *deadline, rd_kafka_NewTopic_t **ret_topic,
                          struct rky_error *err)
{
    char why[256], value[32];
    const struct rky_queue_config *queue = kafka->queue;
    int partitions = spec->partitions > 0 ? spec->partitions : (int)queue->partitions;
    int64_t limit = spec->max_message_bytes;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        spec->name, partitions, (int)queue->replication_factor, why, sizeof(why));
    if (topic == NULL)
        return rky_fail(err, RKY_ERR_CONFIG, "topic '%s' cannot be created: %s", spec->name, why);
    if (spec->twice_the_limit_of != NULL)
        limit = 2 * limit_of(kafka, spec->twice_the_limit_of, deadline);
    if (limit > 0) {
        (void)snprintf(value, sizeof(value), "%lld", (long long)limit);
        (void)rd_kafka_NewTopic_set_config(topic, "max.message.bytes", value);
    }
    if (spec->compacted) {
        (void)rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact,delete");
        (void)rd_kafka_NewTopic_set_config(topic, "retention.ms", CONTROL_RETENTION_MS);
    }
    *ret_topic = topic;
    return RKY_OK;
}

static int judge_created(const char *name, rd_kafka_resp_err_t code, const char *why,
                         struct rky_error *err)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return RKY_OK;
    bool transient = false;
    enum rky_err ours = rky_kafka_code(code, &transient);
    if (ours == RKY_ERR_CONNECTION)
        ours = RKY_ERR_CONFIG; /* a number of partitions or replicas that cannot be had */
    bool first = err != NULL && err->code == RKY_OK;
    int rc = rky_fail(err, ours, "topic '%s' cannot be created: %s", name,
                      why != NULL ? why : rd_kafka_err2str(code));
    if (first) {
        err->transient = transient;
        err->native_code = code;
    }
    rky_error_hint(err, "create it by hand, or change queue.partitions or "
                        "queue.replication_factor");
    return rc;
}

static int create(struct rky_kafka *kafka, struct wanted *wanted,
                  const struct rky_deadline *deadline, int64_t timeout_ms, struct rky_error *err)
{
    rd_kafka_NewTopic_t *topic = NULL;
    size_t count = 0;
    int rc = describe_topic(kafka, wanted->spec, deadline, &topic, err);
    if (rc != RKY_OK)
        return rc;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->producer);
    rd_kafka_AdminOptions_t *options =
        admin_options(kafka, RD_KAFKA_ADMIN_OP_CREATETOPICS, deadline);
    rd_kafka_CreateTopics(kafka->producer, &topic, 1, options, queue);
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(queue, rky_kafka_ms(rky_deadline_left_ms(deadline)));
    const rd_kafka_CreateTopics_result_t *result =
        event != NULL ? rd_kafka_event_CreateTopics_result(event) : NULL;
    rd_kafka_resp_err_t code =
        event != NULL ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL) {
        rc = metadata_failed(kafka, code, timeout_ms, err);
    } else {
        const rd_kafka_topic_result_t *const *results =
            rd_kafka_CreateTopics_result_topics(result, &count);
        if (count > 0)
            rc = judge_created(wanted->spec->name, rd_kafka_topic_result_error(results[0]),
                               rd_kafka_topic_result_error_string(results[0]), err);
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    return rc;
}

static int missing(const struct wanted *wanted, size_t count, const char **ret_name)
{
    int found = 0;
    for (size_t i = count; i-- > 0;)
        if (wanted[i].partitions == 0) {
            *ret_name = wanted[i].spec->name;
            found++;
        }
    return found;
}

/* librdkafka's mock cluster has no administration, and names a controller that does not exist: a
 * request to it would wait for that controller until it times out. */
static bool is_embedded(struct rky_kafka *kafka, const struct rky_deadline *deadline)
{
    char *cluster =
        rd_kafka_clusterid(kafka->producer, rky_kafka_ms(rky_deadline_left_ms(deadline)));
    bool embedded = cluster != NULL && strncmp(cluster, "mockCluster", 11) == 0;
    if (cluster != NULL)
        rd_kafka_mem_free(kafka->producer, cluster);
    return embedded;
}

static int create_missing(struct rky_kafka *kafka, struct wanted *wanted, size_t count,
                          const struct rky_deadline *deadline, int64_t timeout_ms,
                          struct rky_error *err)
{
    const char *name = NULL;
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    int rc = RKY_OK;
    bool by_name = is_embedded(kafka, deadline);
    /* A topic whose limit follows another's comes after that one. */
    for (int dependent = 0; !by_name && dependent < 2; dependent++)
        for (size_t i = 0; rc == RKY_OK && i < count; i++)
            if (wanted[i].partitions == 0 &&
                (wanted[i].spec->twice_the_limit_of != NULL) == (dependent == 1))
                rc = create(kafka, &wanted[i], deadline, timeout_ms, err);
    /* A broker may answer before it knows its own new topic. */
    while (rc == RKY_OK && missing(wanted, count, &name) > 0) {
        if (rky_deadline_left_ms(deadline) == 0)
            return rky_fail(err, RKY_ERR_TIMEOUT,
                            "topic '%s' was created but did not appear in "
                            "%.1f s",
                            name, (double)timeout_ms / 1000.0);
        for (size_t i = 0; rc == RKY_OK && i < count; i++)
            if (wanted[i].partitions == 0 && by_name)
                rc = ask_by_name(kafka, wanted[i].spec->name, deadline, timeout_ms, err);
        if (rc == RKY_OK)
            rc = look(kafka, wanted, count, deadline, timeout_ms, err);
        if (rc == RKY_OK && missing(wanted, count, &name) > 0)
            (void)nanosleep(&pause, NULL);
    }
    return rc;
}

int rky_kafka_ensure_topics(struct rky_transport *transport, const struct rky_topic_spec *topics,
                            size_t count, int64_t timeout_ms, struct rky_error *err)
{
    struct rky_kafka *kafka = rky_kafka_of(transport);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    const char *name = NULL;
    struct wanted *wanted = rky_calloc(count > 0 ? count : 1, sizeof(*wanted));
    if (wanted == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        wanted[i].spec = &topics[i];
    int rc = look(kafka, wanted, count, &deadline, timeout_ms, err);
    int gone = rc == RKY_OK ? missing(wanted, count, &name) : 0;
    if (gone > 0 && !kafka->queue->create_topics) {
        rc = rky_fail(err, RKY_ERR_NOT_FOUND, "topic '%s'%s does not exist at '%s'", name,
                      gone > 1 ? " (and others)" : "", kafka->queue->brokers);
        rky_error_hint(err, "create it, or set queue.create_topics = true");
    } else if (gone > 0) {
        rc = create_missing(kafka, wanted, count, &deadline, timeout_ms, err);
    }
    for (size_t i = 0; rc == RKY_OK && i < count; i++) {
        int64_t expected =
            topics[i].partitions > 0 ? topics[i].partitions : kafka->queue->partitions;
        if (wanted[i].partitions < expected)
            rky_log_write(kafka->log, RKY_LOG_WARN, NULL,
                          "topic '%s' has %d partitions, queue.partitions wants %lld; it is left "
                          "as it is, because changing it would reorder namespaces",
                          topics[i].name, wanted[i].partitions, (long long)expected);
    }
    rky_free(wanted);
    return rc;
}

int rky_kafka_partitions(struct rky_kafka *kafka, const char *topic, int64_t timeout_ms,
                         int *ret_count, struct rky_error *err)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    struct rky_topic_spec spec = {.name = topic};
    struct wanted wanted = {.spec = &spec, .partitions = recall(kafka, topic)};
    if (wanted.partitions == 0) {
        int rc = look(kafka, &wanted, 1, &deadline, timeout_ms, err);
        if (rc != RKY_OK)
            return rc;
    }
    if (wanted.partitions == 0)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "topic '%s' does not exist at '%s'", topic,
                        kafka->queue->brokers);
    *ret_count = wanted.partitions;
    return RKY_OK;
}

int rky_kafka_range(rd_kafka_t *handle, const char *topic, int partition,
                    const struct rky_deadline *deadline, int64_t *ret_low, int64_t *ret_high,
                    struct rky_error *err)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    for (;;) {
        bool transient = false;
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(handle, topic, partition, ret_low, ret_high,
                                             rky_kafka_ms(rky_deadline_left_ms(deadline)));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return RKY_OK;
        (void)rky_kafka_code(code, &transient);
        if (!transient || rky_deadline_left_ms(deadline) == 0)
            return rky_kafka_fail(err, code, "topic '%s': no offsets of partition %d", topic,
                                  partition);
        (void)nanosleep(&pause, NULL);
    }
}

int rky_kafka_partition_of(struct rky_transport *transport, const char *topic, const void *key,
                           size_t key_length, int64_t timeout_ms, int *ret_partition,
                           struct rky_error *err)
{
    int count = 0;
    int rc = rky_kafka_partitions(rky_kafka_of(transport), topic, timeout_ms, &count, err);
    if (rc == RKY_OK)
        *ret_partition = rd_kafka_msg_partitioner_murmur2(NULL, key, key_length, count, NULL, NULL);
    return rc;
}
