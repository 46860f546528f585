/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the poll thread, and how it ends.
 */
#include "config.h"

#include "worker/dispatcher.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "worker/dispatcher_internal.h"

#define POLL_MS 100
#define COMMIT_INTERVAL_MS 1000
#define COMMIT_COMPLETIONS 100
#define REVIEW_INTERVAL_MS 20
#define LAG_INTERVAL_MS 200
/* A drained queue may end in offsets that are no messages (transaction markers). */
#define IDLE_ENOUGH_MS 5000
/* Once: no partition came; others have them all. */
#define NO_PARTITION_MS 60000
#define FLUSH_MS 10000
#define LAST_COMMIT_MS 5000
#define LEAVE_MS 5000

#define DEFAULT_LIMIT_JOBS 10000
#define DEFAULT_LIMIT_BYTES ((size_t)32 << 20)

int rky_dispatcher_new(const struct rky_dispatcher_options *options,
                       struct rky_dispatcher **ret_dispatcher, struct rky_error *err)
{
    struct rky_dispatcher *dispatcher = rky_calloc(1, sizeof(*dispatcher));
    if (dispatcher == NULL)
        return rky_fail_nomem(err);
    dispatcher->options = *options;
    dispatcher->assignment.limits = options->limits;
    if (dispatcher->assignment.limits.jobs == 0)
        dispatcher->assignment.limits.jobs = DEFAULT_LIMIT_JOBS;
    if (dispatcher->assignment.limits.bytes == 0)
        dispatcher->assignment.limits.bytes = DEFAULT_LIMIT_BYTES;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&dispatcher->arrived, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&dispatcher->mutex, NULL);
    *ret_dispatcher = dispatcher;
    return 0;
}

void rky_dispatcher_free(struct rky_dispatcher *dispatcher)
{
    if (dispatcher == NULL)
        return;
    rky_tasks_free(dispatcher->settled_first);
    rky_tasks_free(dispatcher->letters);
    rky_task_free(dispatcher->spare);
    rky_task_free(dispatcher->held);
    rky_assignment_done(&dispatcher->assignment);
    (void)pthread_cond_destroy(&dispatcher->arrived);
    (void)pthread_mutex_destroy(&dispatcher->mutex);
    rky_free(dispatcher);
}

void rky_dispatcher_attach(struct rky_dispatcher *dispatcher, struct rky_outbox *outbox,
                           const struct rky_events *events, void *tick_context)
{
    dispatcher->tick_context = tick_context;
    dispatcher->outbox = outbox;
    dispatcher->events = events;
}

void rky_dispatcher_stop(struct rky_dispatcher *dispatcher)
{
    (void)pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->stop = true;
    if (dispatcher->wake != NULL)
        dispatcher->options.transport->ops->consumer_wake(dispatcher->wake);
    (void)pthread_cond_signal(&dispatcher->arrived);
    (void)pthread_mutex_unlock(&dispatcher->mutex);
}

static bool stop_requested(struct rky_dispatcher *dispatcher)
{
    (void)pthread_mutex_lock(&dispatcher->mutex);
    bool stop = dispatcher->stop;
    (void)pthread_mutex_unlock(&dispatcher->mutex);
    return stop;
}

static void set_wake(struct rky_dispatcher *dispatcher, struct rky_consumer *consumer)
{
    (void)pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->wake = consumer;
    (void)pthread_mutex_unlock(&dispatcher->mutex);
}

/* --- one turn of the loop
 * ------------------------------------------------------------------------------ */

/* Memory is out: wait for something to be settled, which frees some. */
static void wait_for_memory(struct rky_dispatcher *dispatcher)
{
    int64_t until = rky_dispatcher_now(dispatcher) + POLL_MS;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    (void)pthread_mutex_lock(&dispatcher->mutex);
    if (dispatcher->settled_first == NULL && !dispatcher->stop)
        (void)pthread_cond_timedwait(&dispatcher->arrived, &dispatcher->mutex, &at);
    (void)pthread_mutex_unlock(&dispatcher->mutex);
}

static void take_one(struct rky_dispatcher *dispatcher)
{
    const struct rky_transport_ops *ops = dispatcher->options.transport->ops;
    struct rky_error err = {0};
    if (dispatcher->held != NULL) {
        if (rky_dispatcher_admit(dispatcher, dispatcher->held))
            dispatcher->held = NULL;
        else
            wait_for_memory(dispatcher);
        return;
    }
    if (dispatcher->spare == NULL)
        dispatcher->spare = rky_task_new();
    if (dispatcher->spare == NULL) {
        wait_for_memory(dispatcher);
        return;
    }
    int rc = ops->consumer_poll(dispatcher->consumer, POLL_MS, &dispatcher->spare->inbound, &err);
    if (rc < 0)
        rky_log_write(dispatcher->options.log, err.transient ? RKY_LOG_INFO : RKY_LOG_WARN, NULL,
                      "the queue: %s", err.message);
    if (rc <= 0)
        return;
    struct rky_task *task = dispatcher->spare;
    dispatcher->spare = NULL;
    dispatcher->idle_since_ms = rky_dispatcher_now(dispatcher);
    if (!rky_dispatcher_admit(dispatcher, task))
        dispatcher->held = task;
}

static void tend(struct rky_dispatcher *dispatcher)
{
    rky_dispatcher_collect(dispatcher);
    int64_t now = rky_dispatcher_now(dispatcher);
    if (dispatcher->letters != NULL)
        rky_dispatcher_retry_letters(dispatcher);
    if (now - dispatcher->last_review_ms >= REVIEW_INTERVAL_MS)
        rky_dispatcher_review_pauses(dispatcher);
    if (dispatcher->completions >= COMMIT_COMPLETIONS ||
        now - dispatcher->last_commit_ms >= COMMIT_INTERVAL_MS)
        rky_dispatcher_commit(dispatcher, -1);
    if (now - dispatcher->last_tick_ms >= POLL_MS) {
        const char *fatal =
            dispatcher->options.transport->ops->fatal(dispatcher->options.transport);
        dispatcher->last_tick_ms = now;
        if (fatal != NULL)
            (void)rky_fail(&dispatcher->fault, RKY_ERR_UNAVAILABLE, "%s", fatal);
        if (dispatcher->options.tick != NULL)
            dispatcher->options.tick(dispatcher->tick_context);
    }
}

/* --- when it ends
 * ---------------------------------------------------------------------------------------- */

/* Nothing runs, and everything that ran is settled. The order matters: an executor closes its
 * delivery before it leaves its lane, and a task is settled before it counts as confirmed. */
static bool at_rest(struct rky_dispatcher *dispatcher)
{
    struct rky_lanes_stats stats;
    rky_lanes_stats(dispatcher->options.lanes, &stats);
    if (stats.running > 0 || rky_outbox_unconfirmed(dispatcher->outbox) > 0)
        return false;
    (void)pthread_mutex_lock(&dispatcher->mutex);
    bool empty = dispatcher->settled_first == NULL;
    (void)pthread_mutex_unlock(&dispatcher->mutex);
    return empty;
}

/* For --once: everything in the queue is done and committed. */
static bool queue_is_drained(struct rky_dispatcher *dispatcher)
{
    const struct rky_transport_ops *ops = dispatcher->options.transport->ops;
    int64_t now = rky_dispatcher_now(dispatcher);
    if (dispatcher->assignment.pending > 0 || dispatcher->held != NULL || !at_rest(dispatcher))
        return false;
    if (now - dispatcher->last_lag_ms < LAG_INTERVAL_MS)
        return false;
    dispatcher->last_lag_ms = now;
    if (!dispatcher->assigned_once || dispatcher->assignment.count == 0) {
        if (now - dispatcher->idle_since_ms < NO_PARTITION_MS)
            return false;
        rky_log_write(dispatcher->options.log, RKY_LOG_WARN, NULL,
                      "no partition came to this worker: others of group '%s' have them all",
                      dispatcher->options.config->queue.group_id);
        return true;
    }
    rky_dispatcher_commit(dispatcher, LAST_COMMIT_MS);
    return ops->lag(dispatcher->consumer) == 0 ||
           (now - dispatcher->idle_since_ms >= IDLE_ENOUGH_MS &&
            ops->connected(dispatcher->options.transport));
}

static void begin_drain(struct rky_dispatcher *dispatcher)
{
    dispatcher->draining = true;
    rky_lanes_close(dispatcher->options.lanes);
    rky_dispatcher_review_pauses(dispatcher);
}

/* Running jobs end (whoever wants them to hurry interrupts them), results are flushed. */
static void drain(struct rky_dispatcher *dispatcher)
{
    struct rky_lanes_stats stats;
    int64_t resting_since = -1;
    while (!at_rest(dispatcher)) {
        rky_lanes_stats(dispatcher->options.lanes, &stats);
        int64_t now = rky_dispatcher_now(dispatcher);
        if (stats.running > 0)
            resting_since = -1;
        else if (resting_since < 0)
            resting_since = now;
        else if (now - resting_since > FLUSH_MS) {
            rky_log_write(dispatcher->options.log, RKY_LOG_WARN, NULL,
                          "%zu messages are not delivered; their jobs will be answered again from "
                          "the ledgers",
                          rky_outbox_unconfirmed(dispatcher->outbox));
            break;
        }
        take_one(dispatcher);
        tend(dispatcher);
    }
    rky_dispatcher_collect(dispatcher);
}

int rky_dispatcher_run(struct rky_dispatcher *dispatcher, struct rky_error *err)
{
    const struct rky_dispatcher_options *options = &dispatcher->options;
    const struct rky_transport_ops *ops = options->transport->ops;
    const char *const topics[] = {options->topics->jobs};
    const struct rky_consumer_callbacks callbacks = {.context = dispatcher,
                                                     .assigned = rky_dispatcher_assigned,
                                                     .revoked = rky_dispatcher_revoked,
                                                     .commit_failed = rky_dispatcher_commit_failed};
    dispatcher->idle_since_ms = rky_dispatcher_now(dispatcher);
    int rc =
        ops->consumer_open(options->transport, topics, 1, &callbacks, &dispatcher->consumer, err);
    if (rc != 0) {
        rky_lanes_close(options->lanes);
        return rc;
    }
    set_wake(dispatcher, dispatcher->consumer);
    while (!stop_requested(dispatcher) && dispatcher->fault.code == 0) {
        take_one(dispatcher);
        tend(dispatcher);
        if (options->once && queue_is_drained(dispatcher))
            break;
    }
    begin_drain(dispatcher);
    drain(dispatcher);
    rky_dispatcher_commit(dispatcher, LAST_COMMIT_MS);
    set_wake(dispatcher, NULL);
    ops->consumer_close(dispatcher->consumer, LEAVE_MS);
    dispatcher->consumer = NULL;
    if (dispatcher->fault.code == 0)
        return 0;
    *err = dispatcher->fault;
    return dispatcher->fault.code;
}
