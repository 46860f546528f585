/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that run jobs. Each takes the next job from the lanes, runs it, and decides by its
 * end what becomes of it: finished, tried again later, dead-lettered, or the whole worker holds on
 * until its own trouble is over.
 */
#ifndef RKY_WORKER_EXECUTOR_H
#define RKY_WORKER_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/dispatcher.h"
#include "worker/events.h"
#include "worker/job_run.h"
#include "worker/lanes.h"
#include "worker/outbox.h"

struct rky_executors;

/** What runs a job: rky_job_run(), or a test's stand-in. */
typedef void rky_job_fn(const struct rky_job_env *env, const struct rky_job *job,
                        struct rky_job_outcome *ret_outcome);

/** Everything borrowed. */
struct rky_executors_options {
    const struct rky_config *config;
    struct rky_clock *clock;
    struct rky_log *log;
    const char *worker_id;
    const struct rky_topics *topics;
    struct rky_lanes *lanes;
    struct rky_outbox *outbox;
    const struct rky_events *events;
    struct rky_dispatcher *dispatcher;
    struct rky_store *store;
    struct rky_workspace_pool *workspaces;
    rky_job_fn *run;
    size_t count;
};

/** @brief Start the threads. */
RKY_MUST_CHECK int rky_executors_start(const struct rky_executors_options *options,
                                       struct rky_executors **ret_executors, struct rky_error *err);
/** @brief Wait until all have ended; the lanes must be closed. Frees. */
void rky_executors_join(struct rky_executors *executors);

/** @brief Ask running jobs to stop: after the table at work, or @p now. From any thread; also
 *         those that are just being started. */
void rky_executors_interrupt(struct rky_executors *executors, bool now);
/** @brief Interrupt what has run longer than its run_timeout_seconds. Called by the poll thread. */
void rky_executors_check_timeouts(void *executors);

#endif
