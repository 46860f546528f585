/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are in a list in sending order and, while somebody waits for results, in a hash table by
 * job id. The list belongs to the main thread; what the driver's thread writes in an entry is
 * under the mutex.
 */
#include "config.h"

#include "producer/batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "schemas/event.h"

#define FULL_RECHECK_MS 50

struct entry {
    struct entry *next;  /* sending order */
    struct entry *chain; /* same bucket */
    struct rky_batch *batch;
    struct rky_sent sent;
    bool settled;     /* under the mutex: the broker has answered */
    bool undelivered; /* under the mutex: with a no */
    bool done;        /* its result is there, or it was given up */
};

struct rky_batch {
    struct rky_transport *transport;
    const char *topic;
    bool wait;
    struct entry *first, *last;
    struct entry *orphans; /* reported without an answer, which may still come */
    struct entry **buckets;
    size_t bucket_count, entry_count;
    size_t waiting;     /* entries that are not done */
    size_t undelivered; /* of those, under the mutex: no result can come */
    pthread_mutex_t mutex;
    pthread_cond_t settled;
};

int rky_batch_new(struct rky_transport *transport, const char *topic, bool wait,
                  struct rky_batch **ret_batch, struct rky_error *err)
{
    struct rky_batch *batch = rky_calloc(1, sizeof(*batch));
    if (batch == NULL)
        return rky_fail_nomem(err);
    batch->transport = transport;
    batch->topic = topic;
    batch->wait = wait;
    batch->bucket_count = wait ? 1024 : 1;
    batch->buckets = rky_calloc(batch->bucket_count, sizeof(struct entry *));
    if (batch->buckets == NULL) {
        rky_free(batch);
        return rky_fail_nomem(err);
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&batch->settled, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&batch->mutex, NULL);
    *ret_batch = batch;
    return 0;
}

static void entry_free(struct entry *entry)
{
    json_decref(entry->sent.result);
    rky_free(entry);
}

static void entries_free(struct entry *first)
{
    while (first != NULL) {
        struct entry *next = first->next;
        entry_free(first);
        first = next;
    }
}

void rky_batch_free(struct rky_batch *batch)
{
    if (batch == NULL)
        return;
    entries_free(batch->first);
    entries_free(batch->orphans);
    (void)pthread_cond_destroy(&batch->settled);
    (void)pthread_mutex_destroy(&batch->mutex);
    rky_free(batch->buckets);
    rky_free(batch);
}

/* --- by job id
 * ------------------------------------------------------------------------------------- */

static size_t bucket_of(const struct rky_batch *batch, const char *job_id)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    for (const char *c = job_id; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3U;
    return (size_t)(hash ^ (hash >> 32)) & (batch->bucket_count - 1);
}

/* Best effort: longer chains are only slower. */
static void grow_buckets(struct rky_batch *batch)
{
    struct entry **buckets = rky_calloc(batch->bucket_count * 4, sizeof(struct entry *));
    if (buckets == NULL)
        return;
    rky_free(batch->buckets);
    batch->buckets = buckets;
    batch->bucket_count *= 4;
    for (struct entry *entry = batch->first; entry != NULL; entry = entry->next) {
        struct entry **bucket = &batch->buckets[bucket_of(batch, entry->sent.job_id)];
        entry->chain = *bucket;
        *bucket = entry;
    }
}

static void add_entry(struct rky_batch *batch, struct entry *entry)
{
    if (batch->last != NULL)
        batch->last->next = entry;
    else
        batch->first = entry;
    batch->last = entry;
    batch->entry_count++;
    batch->waiting++;
    if (!batch->wait)
        return;
    struct entry **bucket = &batch->buckets[bucket_of(batch, entry->sent.job_id)];
    entry->chain = *bucket;
    *bucket = entry;
    if (batch->entry_count > 2 * batch->bucket_count)
        grow_buckets(batch);
}

static void forget_entry(struct rky_batch *batch, struct entry *entry)
{
    batch->entry_count--;
    if (!batch->wait)
        return;
    struct entry **link = &batch->buckets[bucket_of(batch, entry->sent.job_id)];
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
}

/* --- sending
 * --------------------------------------------------------------------------------------- */

static void delivered(void *context, int code, const char *message, int partition, int64_t offset)
{
    struct entry *entry = context;
    struct rky_batch *batch = entry->batch;
    (void)pthread_mutex_lock(&batch->mutex);
    if (code == 0) {
        entry->sent.partition = partition;
        entry->sent.offset = offset;
    } else {
        (void)rky_fail(&entry->sent.error, (enum rky_err)code, "the job was not delivered: %s",
                       message != NULL ? message : rky_err_name(code));
        entry->undelivered = true;
        batch->undelivered++;
    }
    entry->settled = true;
    (void)pthread_cond_signal(&batch->settled);
    (void)pthread_mutex_unlock(&batch->mutex);
}

static void wait_for_room(struct rky_batch *batch, struct rky_clock *clock)
{
    int64_t until = clock->mono_ms(clock) + FULL_RECHECK_MS;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    (void)pthread_mutex_lock(&batch->mutex);
    (void)pthread_cond_timedwait(&batch->settled, &batch->mutex, &at);
    (void)pthread_mutex_unlock(&batch->mutex);
}

int rky_batch_send(struct rky_batch *batch, const struct rky_job *job, const char *source,
                   struct rky_clock *clock, const struct rky_deadline *deadline,
                   struct rky_error *err)
{
    struct rky_message message = {0};
    struct entry *entry = rky_calloc(1, sizeof(*entry));
    if (entry == NULL)
        return rky_fail_nomem(err);
    entry->batch = batch;
    entry->sent.partition = -1;
    entry->sent.offset = -1;
    entry->sent.type = job->type;
    (void)snprintf(entry->sent.job_id, sizeof(entry->sent.job_id), "%s", job->job_id);
    (void)snprintf(entry->sent.namespace_, sizeof(entry->sent.namespace_), "%s", job->namespace_);
    int rc = rky_job_encode(job, source, clock, &message, err);
    while (rc == 0) {
        rc = batch->transport->ops->publish(batch->transport, batch->topic, &message, delivered,
                                            entry, err);
        if (rc != RKY_ERR_QUOTA || rky_deadline_left_ms(deadline) == 0)
            break;
        rky_error_clear(err);
        rc = 0;
        wait_for_room(batch, clock);
    }
    rky_message_done(&message);
    if (rc != 0)
        rky_free(entry);
    else
        add_entry(batch, entry);
    return rc;
}

/* Nothing more will come. */
static void finish_entry(struct rky_batch *batch, struct entry *entry)
{
    (void)pthread_mutex_lock(&batch->mutex);
    entry->done = true;
    batch->waiting--;
    batch->undelivered -= entry->undelivered ? 1 : 0;
    entry->undelivered = false;
    (void)pthread_mutex_unlock(&batch->mutex);
}

/* --- results
 * --------------------------------------------------------------------------------------- */

int rky_batch_result(struct rky_batch *batch, const struct rky_message *message,
                     struct rky_error *err)
{
    struct rky_event_result result = {0};
    int rc = rky_event_read_result(message, &result, err);
    if (rc != 0) {
        /* Other events, and results that are not readable, are not what somebody waits for. */
        rky_error_clear(err);
        return rc == RKY_ERR_NOMEM ? rc : 0;
    }
    struct entry *entry = batch->buckets[bucket_of(batch, result.job_id)];
    while (entry != NULL && strcmp(entry->sent.job_id, result.job_id) != 0)
        entry = entry->chain;
    if (entry == NULL || entry->done)
        return 0;
    rc = rky_event_body(message, &entry->sent.result, err);
    if (rc != 0)
        return rc;
    (void)snprintf(entry->sent.status, sizeof(entry->sent.status), "%s", result.status);
    finish_entry(batch, entry);
    return 0;
}

size_t rky_batch_waiting(struct rky_batch *batch)
{
    (void)pthread_mutex_lock(&batch->mutex);
    size_t count = batch->waiting - batch->undelivered;
    (void)pthread_mutex_unlock(&batch->mutex);
    return count;
}

void rky_batch_give_up(struct rky_batch *batch, const struct rky_error *error)
{
    for (struct entry *entry = batch->first; entry != NULL; entry = entry->next) {
        if (entry->done)
            continue;
        (void)pthread_mutex_lock(&batch->mutex);
        if (entry->sent.error.code == 0)
            entry->sent.error = *error;
        (void)pthread_mutex_unlock(&batch->mutex);
        finish_entry(batch, entry);
    }
}

/* --- reporting
 * -------------------------------------------------------------------------------------- */

const struct rky_sent *rky_batch_next(struct rky_batch *batch)
{
    struct entry *entry = batch->first;
    if (entry == NULL)
        return NULL;
    (void)pthread_mutex_lock(&batch->mutex);
    /* A result can overtake the broker's own answer to us. */
    bool complete = entry->done ? entry->settled || entry->sent.error.code != 0
                                : entry->settled && (!batch->wait || entry->undelivered);
    (void)pthread_mutex_unlock(&batch->mutex);
    return complete ? &entry->sent : NULL;
}

void rky_batch_reported(struct rky_batch *batch)
{
    struct entry *entry = batch->first;
    if (!entry->done)
        finish_entry(batch, entry);
    forget_entry(batch, entry);
    batch->first = entry->next;
    if (batch->first == NULL)
        batch->last = NULL;
    (void)pthread_mutex_lock(&batch->mutex);
    bool answered = entry->settled;
    (void)pthread_mutex_unlock(&batch->mutex);
    if (answered) {
        entry_free(entry);
    } else {
        entry->next = batch->orphans;
        batch->orphans = entry;
    }
}
