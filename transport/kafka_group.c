/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partitions are ours, and committing for them.
 *
 * Everything here runs on the thread that polls the consumer: librdkafka calls back from inside
 * its poll. A broker takes a commit for any partition from any live member, also a backward one, so
 * the filter is here: nothing is committed for a partition that is not ours at this moment.
 *
 * Every partition list is destroyed before its function returns: one that is left over makes
 * destroying the handle wait for ever.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <string.h>

#include "common/mem.h"

#define COMMITTED_TIMEOUT_MS 5000
#define WATERMARK_TIMEOUT_MS 1000
#define LAG_TIMEOUT_MS 100

struct rky_kafka_partition *rky_kafka_group_find(struct rky_kafka_consumer *consumer,
                                                 const char *topic, int partition)
{
    for (size_t i = 0; i < consumer->partition_count; i++)
        if (consumer->partitions[i].partition == partition &&
            strcmp(consumer->partitions[i].topic, topic) == 0)
            return &consumer->partitions[i];
    return NULL;
}

void rky_kafka_group_clear(struct rky_kafka_consumer *consumer)
{
    for (size_t i = 0; i < consumer->partition_count; i++)
        rky_free(consumer->partitions[i].topic);
    rky_free(consumer->partitions);
    consumer->partitions = NULL;
    consumer->partition_count = consumer->partition_capacity = 0;
}

static void remove_partition(struct rky_kafka_consumer *consumer, const char *topic, int partition)
{
    struct rky_kafka_partition *gone = rky_kafka_group_find(consumer, topic, partition);
    if (gone == NULL)
        return;
    rky_free(gone->topic);
    *gone = consumer->partitions[--consumer->partition_count];
}

static int add_partition(struct rky_kafka_consumer *consumer, const char *topic, int partition,
                         int64_t committed, int64_t start)
{
    remove_partition(consumer, topic, partition);
    int rc =
        rky_array_reserve(&consumer->partitions, &consumer->partition_capacity,
                          consumer->partition_count + 1, sizeof(consumer->partitions[0]), NULL);
    char *name = rc == RKY_OK ? rky_strdup(topic) : NULL;
    if (name == NULL)
        return RKY_ERR_NOMEM;
    consumer->partitions[consumer->partition_count++] = (struct rky_kafka_partition){
        .topic = name, .partition = partition, .committed = committed, .start = start};
    return RKY_OK;
}

/* Where a partition without a committed offset begins; -1 when the broker does not say in time. */
static int64_t beginning_of(rd_kafka_t *handle, const char *topic, int partition,
                            int64_t timeout_ms)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    int64_t low = -1, high = -1;
    int rc = rky_kafka_range(handle, topic, partition, &deadline, &low, &high, NULL);
    return rc == RKY_OK ? low : -1;
}

/* Commit metadata as text; librdkafka keeps it with a length. @return owned or NULL. */
static char *metadata_of(const rd_kafka_topic_partition_t *element)
{
    return element->metadata != NULL && element->metadata_size > 0
               ? rky_strndup(element->metadata, element->metadata_size)
               : NULL;
}

static void free_positions(struct rky_position *positions, char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++)
        rky_free(texts[i]);
    rky_free(texts);
    rky_free(positions);
}

/* Losing the book-keeping of a rebalance would lose jobs silently: end this worker instead. */
static void give_up(struct rky_kafka_consumer *consumer)
{
    rky_kafka_set_fatal(consumer->kafka, rky_strdup("out of memory in a rebalance"));
}

/* Start offsets are set explicitly, so that librdkafka does not ask for them a second time. */
static int take_over(struct rky_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                     const rd_kafka_topic_partition_list_t *known, struct rky_position *positions,
                     char **texts)
{
    int rc = RKY_OK;
    for (int i = 0; rc == RKY_OK && i < list->cnt; i++) {
        rd_kafka_topic_partition_t *element = &list->elems[i];
        const rd_kafka_topic_partition_t *found = known != NULL ? &known->elems[i] : NULL;
        int64_t committed = -1, start = -1;
        if (found != NULL && found->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            committed = found->offset >= 0 ? found->offset : -1;
            start = committed >= 0 ? committed
                                   : beginning_of(consumer->handle, element->topic,
                                                  element->partition, WATERMARK_TIMEOUT_MS);
            element->offset = start >= 0 ? start : RD_KAFKA_OFFSET_BEGINNING;
            texts[i] = metadata_of(found);
        } else {
            element->offset = RD_KAFKA_OFFSET_STORED; /* librdkafka asks again, until it knows */
        }
        positions[i] = (struct rky_position){.topic = element->topic,
                                             .partition = element->partition,
                                             .offset = committed,
                                             .metadata = texts[i]};
        rc = add_partition(consumer, element->topic, element->partition, committed, start);
    }
    return rc;
}

static void on_assigned(struct rky_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    size_t count = (size_t)list->cnt;
    struct rky_position *positions = rky_calloc(count + 1, sizeof(*positions));
    char **texts = rky_calloc(count + 1, sizeof(*texts));
    rd_kafka_topic_partition_list_t *known = rd_kafka_topic_partition_list_copy(list);
    rd_kafka_resp_err_t code =
        count > 0 ? rd_kafka_committed(consumer->handle, known, COMMITTED_TIMEOUT_MS)
                  : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (positions == NULL || texts == NULL ||
        take_over(consumer, list, code == RD_KAFKA_RESP_ERR_NO_ERROR ? known : NULL, positions,
                  texts) != RKY_OK) {
        give_up(consumer);
        goto out;
    }
    rd_kafka_error_t *error = rd_kafka_incremental_assign(consumer->handle, list);
    if (error != NULL) {
        rky_log_write(consumer->kafka->log, RKY_LOG_WARN, NULL, "kafka: assignment refused: %s",
                      rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        for (size_t i = 0; i < count; i++)
            remove_partition(consumer, list->elems[i].topic, list->elems[i].partition);
        goto out;
    }
    /* A partition that was paused when it left comes back paused. */
    (void)rd_kafka_resume_partitions(consumer->handle, list);
    consumer->assigned_once = true;
    if (consumer->callbacks.assigned != NULL && count > 0)
        consumer->callbacks.assigned(consumer->callbacks.context, positions, count);
out:
    rd_kafka_topic_partition_list_destroy(known);
    free_positions(positions, texts, count);
}

static void on_revoked(struct rky_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    size_t count = (size_t)list->cnt;
    bool lost = rd_kafka_assignment_lost(consumer->handle) != 0;
    struct rky_position *positions = rky_calloc(count + 1, sizeof(*positions));
    if (positions == NULL) {
        give_up(consumer);
    } else {
        size_t told = 0;
        for (size_t i = 0; i < count; i++) {
            const rd_kafka_topic_partition_t *element = &list->elems[i];
            const struct rky_kafka_partition *ours =
                rky_kafka_group_find(consumer, element->topic, element->partition);
            if (ours != NULL)
                positions[told++] = (struct rky_position){.topic = element->topic,
                                                          .partition = element->partition,
                                                          .offset = ours->committed};
        }
        if (consumer->callbacks.revoked != NULL && told > 0)
            consumer->callbacks.revoked(consumer->callbacks.context, positions, told, lost);
    }
    for (size_t i = 0; i < count; i++)
        remove_partition(consumer, list->elems[i].topic, list->elems[i].partition);
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(consumer->handle, list);
    if (error != NULL) {
        /* Some were never taken over; closing waits until somebody lets go of all. */
        if (consumer->closing)
            (void)rd_kafka_assign(consumer->handle, NULL);
        rd_kafka_error_destroy(error);
    }
    rky_free(positions);
}

static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct rky_kafka_consumer *consumer = ((struct rky_kafka_scope *)opaque)->consumer;
    switch (code) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
        /* One that was under way when closing began: an answer would count as the one to the
         * revocation that follows, and the group be left before its commits. */
        if (!consumer->closing)
            on_assigned(consumer, list);
        break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
        on_revoked(consumer, list);
        break;
    default:
        rky_log_write(consumer->kafka->log, RKY_LOG_WARN, NULL, "kafka: rebalance failed: %s",
                      rd_kafka_err2str(code));
        (void)rd_kafka_assign(handle, NULL);
        break;
    }
}

/* Whether a commit was dropped because the group moved on. For a partition that left, redelivery
 * covers it; one that stays has to be committed again. */
static bool was_dropped(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || code == RD_KAFKA_RESP_ERR__NO_OFFSET ||
           code == RD_KAFKA_RESP_ERR__DESTROY || code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
}

/* The first failure of a commit, of the whole or of one partition; keeps what was accepted. */
static rd_kafka_resp_err_t settle_commit(struct rky_kafka_consumer *consumer,
                                         rd_kafka_resp_err_t code,
                                         const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && element->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            code = element->err;
        struct rky_kafka_partition *ours =
            rky_kafka_group_find(consumer, element->topic, element->partition);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && ours != NULL && element->offset >= 0)
            ours->committed = element->offset;
    }
    return code;
}

static void on_committed(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct rky_kafka_consumer *consumer = ((struct rky_kafka_scope *)opaque)->consumer;
    (void)handle;
    code = settle_commit(consumer, code, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && consumer->callbacks.commit_failed != NULL)
        consumer->callbacks.commit_failed(consumer->callbacks.context,
                                          was_dropped(code) ? NULL : rd_kafka_err2str(code));
}

void rky_kafka_group_attach(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_committed);
}

/* What of the positions is ours. @param ret_list owned. */
static int commit_list(struct rky_kafka_consumer *consumer, const struct rky_position *positions,
                       size_t count, rd_kafka_topic_partition_list_t **ret_list,
                       struct rky_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        const struct rky_position *position = &positions[i];
        if (position->offset < 0 ||
            rky_kafka_group_find(consumer, position->topic, position->partition) == NULL)
            continue;
        rd_kafka_topic_partition_t *element =
            rd_kafka_topic_partition_list_add(list, position->topic, position->partition);
        element->offset = position->offset;
        if (position->metadata == NULL)
            continue;
        element->metadata = rky_strdup(position->metadata); /* librdkafka frees it */
        if (element->metadata == NULL) {
            rd_kafka_topic_partition_list_destroy(list);
            return rky_fail_nomem(err);
        }
        element->metadata_size = strlen(position->metadata);
    }
    *ret_list = list;
    return RKY_OK;
}

int rky_kafka_commit(struct rky_consumer *base, const struct rky_position *positions, size_t count,
                     struct rky_error *err)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    rd_kafka_topic_partition_list_t *list = NULL;
    int rc = commit_list(consumer, positions, count, &list, err);
    if (rc != RKY_OK)
        return rc;
    rd_kafka_resp_err_t code =
        list->cnt > 0 ? rd_kafka_commit(consumer->handle, list, 1) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? RKY_OK
                                              : rky_kafka_fail(err, code, "offsets not committed");
}

/** The answer to a commit_now(). */
struct answer {
    struct rky_kafka_consumer *consumer;
    bool arrived;
    rd_kafka_resp_err_t code;
};

static void on_answer(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct answer *answer = opaque;
    (void)handle;
    answer->arrived = true;
    answer->code = settle_commit(answer->consumer, code, list);
}

int rky_kafka_commit_now(struct rky_consumer *base, const struct rky_position *positions,
                         size_t count, int64_t timeout_ms, struct rky_error *err)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    struct answer answer = {.consumer = consumer};
    rd_kafka_topic_partition_list_t *list = NULL;
    int rc = commit_list(consumer, positions, count, &list, err);
    if (rc != RKY_OK)
        return rc;
    if (list->cnt == 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return RKY_OK;
    }
    /* librdkafka's own waiting commit has no limit; a queue of our own has. */
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->handle);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(consumer->handle, list, queue, on_answer, &answer);
    rd_kafka_topic_partition_list_destroy(list);
    while (code == RD_KAFKA_RESP_ERR_NO_ERROR && !answer.arrived &&
           rky_deadline_left_ms(&deadline) > 0)
        (void)rd_kafka_queue_poll_callback(queue, rky_kafka_ms(rky_deadline_left_ms(&deadline)));
    rd_kafka_queue_destroy(queue);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = answer.arrived ? answer.code : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return RKY_OK;
    if (was_dropped(code))
        return rky_fail(err, RKY_ERR_CONFLICT, "offsets not committed, the group moved on: %s",
                        rd_kafka_err2str(code));
    return rky_kafka_fail(err, code, "offsets not committed");
}

int64_t rky_kafka_lag(struct rky_consumer *base)
{
    struct rky_kafka_consumer *consumer = rky_kafka_consumer_of(base);
    int64_t lag = 0;
    if (!consumer->assigned_once)
        return -1;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        struct rky_kafka_partition *ours = &consumer->partitions[i];
        int64_t low = -1, high = -1;
        if (ours->committed < 0 && ours->start < 0)
            ours->start =
                beginning_of(consumer->handle, ours->topic, ours->partition, LAG_TIMEOUT_MS);
        int64_t from = ours->committed >= 0 ? ours->committed : ours->start;
        /* What the last fetch told; no request is made for it. */
        rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(consumer->handle, ours->topic,
                                                                  ours->partition, &low, &high);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0 || from < 0)
            return -1;
        lag += high > from ? high - from : 0;
    }
    return lag;
}
