/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages in: decode, check against the configuration, queue. Whatever cannot be a job becomes a
 * dead letter at once and holds up nobody; while its delivery fails, its partition is paused, so
 * that a broken dead-letter topic stops the intake instead of losing messages.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "common/ids.h"
#include "common/mem.h"
#include "worker/backoff.h"
#include "worker/dispatcher_internal.h"

static const struct rky_backoff letter_backoff = {.first_ms = 500, .most_ms = 30000};

/* --- dead letters
 * ----------------------------------------------------------------------------------- */

static struct rky_partition *partition_of(const struct rky_dispatcher *dispatcher,
                                          const struct rky_task *task)
{
    struct rky_partition *partition =
        rky_assignment_find(&dispatcher->assignment, task->inbound.partition);
    return partition != NULL && partition->epoch == task->epoch ? partition : NULL;
}

static void reject(struct rky_task *task, const char *reason, const char *text)
{
    task->reason = reason;
    rky_free(task->reason_text);
    task->reason_text = rky_utf8_valid(text, strlen(text)) ? rky_strdup(text) : NULL;
}

void rky_dispatcher_letter_later(struct rky_dispatcher *dispatcher, struct rky_task *task,
                                 const char *message)
{
    struct rky_partition *partition = partition_of(dispatcher, task);
    if (partition == NULL) {
        /* Somebody else has the partition and will find the same message. */
        rky_task_free(task);
        return;
    }
    int64_t delay = rky_requeue_delay_ms(&letter_backoff, task->undelivered_count++);
    rky_log_write(dispatcher->options.log,
                  task->undelivered_count == 1 ? RKY_LOG_ERROR : RKY_LOG_WARN,
                  json_pack("{s:s, s:i, s:I, s:s, s:I}", "topic", task->inbound.topic, "partition",
                            task->inbound.partition, "offset", (json_int_t)task->inbound.offset,
                            "reason", task->reason, "retry_in_ms", (json_int_t)delay),
                  "a dead letter cannot be delivered, its partition waits: %s", message);
    task->not_before_mono_ms = rky_dispatcher_now(dispatcher) + delay;
    task->next = dispatcher->letters;
    dispatcher->letters = task;
    partition->failed_letters++;
    rky_dispatcher_review_pauses(dispatcher);
}

void rky_dispatcher_send_letter(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    struct rky_error err = {0};
    int rc = 0;
    for (;;) {
        struct rky_delivery *delivery = rky_delivery_open(dispatcher->outbox);
        rc = delivery == NULL
                 ? rky_fail_nomem(&err)
                 : rky_events_dead_letter(dispatcher->events, task, delivery, false, &err);
        if (rc == 0) {
            rky_delivery_close(delivery, task);
            return;
        }
        if (delivery != NULL)
            rky_delivery_close(delivery, NULL);
        if (rc != RKY_ERR_DECODE || task->value_limit != 0)
            break;
        task->value_limit = RKY_LETTER_CUT_BYTES;
        rky_error_clear(&err);
    }
    rky_dispatcher_letter_later(dispatcher, task, err.message);
}

void rky_dispatcher_retry_letters(struct rky_dispatcher *dispatcher)
{
    int64_t now = rky_dispatcher_now(dispatcher);
    struct rky_task *waiting = dispatcher->letters;
    dispatcher->letters = NULL;
    while (waiting != NULL) {
        struct rky_task *task = waiting;
        waiting = task->next;
        struct rky_partition *partition = partition_of(dispatcher, task);
        if (partition == NULL) {
            rky_task_free(task);
        } else if (task->not_before_mono_ms > now) {
            task->next = dispatcher->letters;
            dispatcher->letters = task;
        } else {
            partition->failed_letters--;
            task->next = NULL;
            rky_dispatcher_send_letter(dispatcher, task);
        }
    }
}

/* --- jobs
 * -------------------------------------------------------------------------------------------- */

/* Whether this worker's configuration knows what the job names. */
static void check_job(const struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    const struct rky_pipeline_config *pipeline = NULL;
    struct rky_error err = {0};
    const struct rky_job *job = &task->job;
    char text[RKY_ERROR_MESSAGE_MAX];
    if (job->type == RKY_JOB_CANCEL) {
        reject(task, "unknown_type", "a cancel request belongs on the control topic");
    } else if (rky_config_pipeline(dispatcher->options.config, job->pipeline, &pipeline, &err) !=
               0) {
        (void)snprintf(text, sizeof(text), "this worker's configuration has no pipeline '%s'",
                       job->pipeline);
        reject(task, "unknown_pipeline", text);
    } else if (pipeline->namespace_ != NULL && strcmp(pipeline->namespace_, job->namespace_) != 0) {
        (void)snprintf(text, sizeof(text),
                       "pipeline '%s' belongs to namespace '%s', the job says '%s'", pipeline->name,
                       pipeline->namespace_, job->namespace_);
        reject(task, "wrong_namespace", text);
    }
    if (task->reason != NULL) {
        memcpy(task->letter_job_id, job->job_id, sizeof(job->job_id));
        (void)snprintf(task->letter_namespace, sizeof(task->letter_namespace), "%s",
                       job->namespace_);
    }
}

/* @return false when memory is out. */
static bool read_task(const struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    struct rky_rejection rejection = {0};
    struct rky_error err = {0};
    rky_fault_point("job.decode");
    int rc = rky_job_decode(&task->inbound.message, &task->job, &rejection, &err);
    if (rc == RKY_ERR_NOMEM)
        return false;
    if (rc == 0) {
        check_job(dispatcher, task);
    } else {
        reject(task, rejection.reason, rejection.message);
        memcpy(task->letter_job_id, rejection.job_id, sizeof(rejection.job_id));
        memcpy(task->letter_namespace, rejection.namespace_, sizeof(rejection.namespace_));
    }
    task->read = true;
    return true;
}

/* @return 1 take it, 0 it is done with, <0 memory is out. */
static int track(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    enum rky_seen seen = RKY_SEEN_NEW;
    struct rky_error err = {0};
    struct rky_partition *partition =
        rky_assignment_find(&dispatcher->assignment, task->inbound.partition);
    if (partition == NULL || dispatcher->draining)
        return 0;
    int rc = rky_assignment_deliver(&dispatcher->assignment, partition, task->inbound.offset,
                                    task->bytes, &seen, &err);
    if (rc == 0 && seen == RKY_SEEN_REWOUND) {
        rky_log_write(dispatcher->options.log, RKY_LOG_ERROR, NULL,
                      "partition %d of '%s' goes on at offset %lld, below what was committed: the "
                      "topic was cut or made anew; taking everything from there",
                      task->inbound.partition, task->inbound.topic,
                      (long long)task->inbound.offset);
        rky_tasks_free(
            rky_lanes_drop(dispatcher->options.lanes, partition->number, partition->epoch));
        struct rky_position position = {
            .topic = task->inbound.topic, .partition = task->inbound.partition, .offset = -1};
        rc = rky_assignment_add(&dispatcher->assignment, &position, &err);
        partition = rky_assignment_find(&dispatcher->assignment, task->inbound.partition);
        if (rc == 0)
            rc = rky_assignment_deliver(&dispatcher->assignment, partition, task->inbound.offset,
                                        task->bytes, &seen, &err);
    }
    if (rc != 0)
        return rc;
    task->epoch = partition->epoch;
    /* At once, not at the next review: messages come faster than reviews. */
    if (!partition->paused && rky_assignment_wants_pause(&dispatcher->assignment, partition))
        rky_dispatcher_review_pauses(dispatcher);
    return seen == RKY_SEEN_NEW;
}

bool rky_dispatcher_admit(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    struct rky_error err = {0};
    if (!task->read) {
        rky_task_weigh(task);
        if (!read_task(dispatcher, task))
            return false;
    }
    if (!task->tracked) {
        int rc = track(dispatcher, task);
        if (rc < 0)
            return false;
        if (rc == 0) {
            rky_task_free(task);
            return true;
        }
        task->tracked = true;
    }
    if (task->reason != NULL) {
        rky_log_write(dispatcher->options.log, RKY_LOG_WARN,
                      json_pack("{s:s, s:i, s:I, s:s}", "topic", task->inbound.topic, "partition",
                                task->inbound.partition, "offset", (json_int_t)task->inbound.offset,
                                "reason", task->reason),
                      "dead letter: %s", task->reason_text != NULL ? task->reason_text : "");
        rky_dispatcher_send_letter(dispatcher, task);
        return true;
    }
    return rky_lanes_push(dispatcher->options.lanes, task, &err) == 0;
}
