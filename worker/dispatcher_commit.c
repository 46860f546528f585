/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets out: what was settled, what to commit, what to pause, and rebalances.
 *
 * A commit names only partitions of the present assignment, because a broker would also take one
 * for a partition that somebody else has by now. One that does not arrive is made again at the next
 * turn: no later job may ever come that would carry it.
 */
#include "config.h"

#include <string.h>

#include "common/fault.h"
#include "common/mem.h"
#include "worker/backoff.h"
#include "worker/dispatcher_internal.h"

/* How long a revocation may wait for its last commit: the whole group waits with it. */
#define REVOKE_COMMIT_MS 2000
#define WAKE_AT_SETTLED 64

static const struct rky_backoff undelivered_backoff = {.first_ms = 500, .most_ms = 30000};

/* --- what was settled
 * -------------------------------------------------------------------------------- */

/* A finished job can wait for the poll thread's next turn; only many of them, or what has to be
 * acted on, are worth waking it. */
static void hand_over(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    bool urgent = task->is_letter || task->code != 0;
    task->next = NULL;
    (void)pthread_mutex_lock(&dispatcher->mutex);
    if (dispatcher->settled_first == NULL)
        dispatcher->settled_first = task;
    else
        dispatcher->settled_last->next = task;
    dispatcher->settled_last = task;
    dispatcher->settled_count++;
    if (dispatcher->wake != NULL &&
        (urgent || dispatcher->stop || dispatcher->settled_count == WAKE_AT_SETTLED))
        dispatcher->options.transport->ops->consumer_wake(dispatcher->wake);
    (void)pthread_cond_signal(&dispatcher->arrived);
    (void)pthread_mutex_unlock(&dispatcher->mutex);
}

void rky_dispatcher_settled(void *context, struct rky_task *task, int code, const char *message)
{
    struct rky_dispatcher *dispatcher = context;
    task->code = code;
    task->is_letter = false;
    if (code != 0)
        rky_log_write(dispatcher->options.log, RKY_LOG_WARN,
                      json_pack("{s:s, s:i, s:I}", "topic", task->inbound.topic, "partition",
                                task->inbound.partition, "offset",
                                (json_int_t)task->inbound.offset),
                      "what a job left behind could not be delivered: %s", message);
    hand_over(dispatcher, task);
}

void rky_dispatcher_dead_letter(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    task->is_letter = true;
    hand_over(dispatcher, task);
}

/* The result did not reach the broker. The job is done all the same: taken again, it is answered
 * from its ledger and published once more. */
static void take_again(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    struct rky_error err = {0};
    const struct rky_partition *partition =
        rky_assignment_find(&dispatcher->assignment, task->inbound.partition);
    if (partition == NULL || partition->epoch != task->epoch || dispatcher->draining) {
        rky_task_free(task);
        return;
    }
    int64_t delay = rky_requeue_delay_ms(&undelivered_backoff, task->undelivered_count++);
    if (rky_lanes_push_first(dispatcher->options.lanes, task, delay, &err) == 0)
        return;
    /* No memory: its offset stays open, so that it comes again after the next rebalance. */
    rky_log_write(dispatcher->options.log, RKY_LOG_ERROR, NULL, "job '%s': %s", task->job.job_id,
                  err.message);
    rky_task_free(task);
}

static void settle(struct rky_dispatcher *dispatcher, struct rky_task *task)
{
    if (task->is_letter) {
        rky_dispatcher_send_letter(dispatcher, task);
    } else if (task->code == 0) {
        if (rky_assignment_finish(&dispatcher->assignment, task->inbound.partition, task->epoch,
                                  task->inbound.offset, task->bytes))
            dispatcher->completions++;
        rky_task_free(task);
    } else if (task->reason == NULL) {
        take_again(dispatcher, task);
    } else if (task->code == RKY_ERR_DECODE && task->value_limit == 0) {
        /* The broker's limit is lower than ours. */
        task->value_limit = RKY_LETTER_CUT_BYTES;
        rky_dispatcher_send_letter(dispatcher, task);
    } else {
        rky_dispatcher_letter_later(dispatcher, task, rky_err_name(task->code));
    }
}

void rky_dispatcher_collect(struct rky_dispatcher *dispatcher)
{
    (void)pthread_mutex_lock(&dispatcher->mutex);
    struct rky_task *task = dispatcher->settled_first;
    dispatcher->settled_first = dispatcher->settled_last = NULL;
    dispatcher->settled_count = 0;
    (void)pthread_mutex_unlock(&dispatcher->mutex);
    while (task != NULL) {
        struct rky_task *next = task->next;
        task->next = NULL;
        settle(dispatcher, task);
        task = next;
    }
}

/* --- commits
 * ----------------------------------------------------------------------------------------- */

/* Positions of the partitions that changed. @return how many, or a negative error. */
static int fill_positions(struct rky_dispatcher *dispatcher, struct rky_position **ret_positions,
                          struct rky_error *err)
{
    struct rky_assignment *assignment = &dispatcher->assignment;
    struct rky_position *positions = rky_calloc(assignment->count, sizeof(*positions));
    if (positions == NULL)
        return rky_fail_nomem(err);
    int count = 0;
    for (size_t i = 0; i < assignment->count; i++) {
        struct rky_partition *partition = assignment->partitions[i];
        if (!rky_tracker_dirty(partition->tracker))
            continue;
        rky_tracker_map(partition->tracker, partition->map);
        positions[count++] =
            (struct rky_position){.topic = dispatcher->options.topics->jobs,
                                  .partition = partition->number,
                                  .offset = rky_tracker_position(partition->tracker),
                                  .metadata = partition->map[0] != '\0' ? partition->map : NULL};
    }
    *ret_positions = positions;
    return count;
}

static void mark_committed(struct rky_dispatcher *dispatcher, bool committed)
{
    for (size_t i = 0; i < dispatcher->assignment.count; i++)
        rky_tracker_committed(dispatcher->assignment.partitions[i]->tracker, committed);
}

void rky_dispatcher_commit(struct rky_dispatcher *dispatcher, int64_t wait_ms)
{
    struct rky_transport *transport = dispatcher->options.transport;
    struct rky_position *positions = NULL;
    struct rky_error err = {0};
    dispatcher->last_commit_ms = rky_dispatcher_now(dispatcher);
    dispatcher->completions = 0;
    if (dispatcher->assignment.count == 0)
        return;
    int rc = fill_positions(dispatcher, &positions, &err);
    if (rc > 0) {
        size_t count = (size_t)rc;
        rky_fault_point("commit.before");
        rc = wait_ms < 0 ? transport->ops->commit(dispatcher->consumer, positions, count, &err)
                         : transport->ops->commit_now(dispatcher->consumer, positions, count,
                                                      wait_ms, &err);
        if (rc == 0)
            mark_committed(dispatcher, true);
    }
    if (rc < 0)
        rky_log_write(dispatcher->options.log, RKY_LOG_WARN, NULL,
                      "offsets could not be committed and will be again: %s", err.message);
    rky_free(positions);
}

void rky_dispatcher_commit_failed(void *context, const char *message)
{
    struct rky_dispatcher *dispatcher = context;
    rky_log_write(dispatcher->options.log, message != NULL ? RKY_LOG_WARN : RKY_LOG_DEBUG, NULL,
                  "offsets were not committed and will be again: %s",
                  message != NULL ? message : "the group was rebalancing");
    mark_committed(dispatcher, false);
}

/* --- pauses
 * ------------------------------------------------------------------------------------------ */

void rky_dispatcher_review_pauses(struct rky_dispatcher *dispatcher)
{
    struct rky_transport *transport = dispatcher->options.transport;
    dispatcher->last_review_ms = rky_dispatcher_now(dispatcher);
    for (size_t i = 0; i < dispatcher->assignment.count; i++) {
        struct rky_partition *partition = dispatcher->assignment.partitions[i];
        struct rky_error err = {0};
        bool pause =
            dispatcher->draining || rky_assignment_wants_pause(&dispatcher->assignment, partition);
        if (pause == partition->paused)
            continue;
        int rc = transport->ops->consumer_pause(
            dispatcher->consumer, dispatcher->options.topics->jobs, partition->number, pause, &err);
        if (rc == 0)
            partition->paused = pause;
        else
            rky_log_write(dispatcher->options.log, RKY_LOG_WARN, NULL, "partition %d: %s",
                          partition->number, err.message);
    }
}

/* --- rebalances
 * -------------------------------------------------------------------------------------- */

void rky_dispatcher_assigned(void *context, const struct rky_position *positions, size_t count)
{
    struct rky_dispatcher *dispatcher = context;
    dispatcher->assigned_once = true;
    for (size_t i = 0; i < count; i++) {
        struct rky_error err = {0};
        if (rky_assignment_add(&dispatcher->assignment, &positions[i], &err) != 0) {
            /* Without a tracker nothing may be taken from it: leave, and let others have it. */
            (void)rky_fail(&dispatcher->fault, RKY_ERR_NOMEM, "partition %d: %s",
                           positions[i].partition, err.message);
        }
    }
    rky_log_write(dispatcher->options.log, RKY_LOG_INFO,
                  json_pack("{s:I, s:I}", "arrived", (json_int_t)count, "partitions",
                            (json_int_t)dispatcher->assignment.count),
                  "partitions arrived");
}

static void drop_partition(struct rky_dispatcher *dispatcher, int number)
{
    const struct rky_partition *partition = rky_assignment_find(&dispatcher->assignment, number);
    if (partition == NULL)
        return;
    rky_tasks_free(rky_lanes_drop(dispatcher->options.lanes, number, partition->epoch));
    rky_assignment_remove(&dispatcher->assignment, number);
}

/* Jobs that run go on: their namespaces are locked, and whoever gets the partition finds the same
 * messages, waits for the lock without holding anything up, and answers them from the ledger. */
void rky_dispatcher_revoked(void *context, const struct rky_position *positions, size_t count,
                            bool lost)
{
    struct rky_dispatcher *dispatcher = context;
    if (!lost) {
        rky_dispatcher_collect(dispatcher);
        rky_dispatcher_commit(dispatcher, REVOKE_COMMIT_MS);
    }
    for (size_t i = 0; i < count; i++)
        drop_partition(dispatcher, positions[i].partition);
    rky_log_write(dispatcher->options.log, lost ? RKY_LOG_WARN : RKY_LOG_INFO,
                  json_pack("{s:I, s:I, s:b}", "left", (json_int_t)count, "partitions",
                            (json_int_t)dispatcher->assignment.count, "lost", lost),
                  "partitions left");
}
