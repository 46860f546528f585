/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker put together: poll thread, executors, lanes, outbox. main.c gives it a transport and
 * signals; tests give it an in-memory transport and a job function of their own.
 *
 * Order of life: start; stop (soft: running jobs end after the table at work; or at once); join.
 */
#ifndef RKY_WORKER_WORKER_H
#define RKY_WORKER_WORKER_H

#include <stdbool.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "transport/transport.h"
#include "worker/assignment.h"
#include "worker/executor.h"

struct rky_worker;

/** Everything borrowed. */
struct rky_worker_options {
    const struct rky_config *config;
    struct rky_transport *transport; /**< closed by rky_worker_join() */
    struct rky_clock *clock;
    struct rky_log *log;
    bool once;                           /**< end when the queue is drained */
    rky_job_fn *run;                     /**< NULL = rky_job_run() */
    struct rky_assignment_limits limits; /**< 0 = default */
    void (*ended)(void *context);        /**< the poll thread is about to end; NULL = nobody asks */
    void *ended_context;
};

/** @brief Start all threads. The transport stays the caller's on failure. */
RKY_MUST_CHECK int rky_worker_start(const struct rky_worker_options *options,
                                    struct rky_worker **ret_worker, struct rky_error *err);
/** @brief Take no more; running jobs stop after the table at work. From any thread, idempotent. */
void rky_worker_stop(struct rky_worker *worker);
/** @brief Running jobs stop now and are given back. From any thread, idempotent. */
void rky_worker_hurry(struct rky_worker *worker);
/** @brief Close the circuit breakers of the state store by hand. From any thread. */
void rky_worker_reset_breakers(struct rky_worker *worker);
/** @brief Wait for the end, close the transport, free. @return how the poll thread ended. */
RKY_MUST_CHECK int rky_worker_join(struct rky_worker *worker, struct rky_error *err);

#endif
