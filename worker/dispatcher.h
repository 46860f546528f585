/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll thread: takes messages, decodes them, hands jobs to their lanes and what cannot be a
 * job to the dead letters, pauses and resumes partitions, and commits offsets once what they stand
 * for is finished and its result is with the broker. It runs no job and waits for nothing but the
 * next message, so polling goes on however long a job takes.
 *
 * An offset is done when its job's result, or its dead letter, was confirmed by the broker. What
 * is given up on the way (revoked partition, shutdown) is simply not committed and comes again.
 */
#ifndef RKY_WORKER_DISPATCHER_H
#define RKY_WORKER_DISPATCHER_H

#include <stdbool.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "transport/transport.h"
#include "worker/assignment.h"
#include "worker/events.h"
#include "worker/lanes.h"
#include "worker/outbox.h"

struct rky_dispatcher;

/** Everything borrowed. */
struct rky_dispatcher_options {
    const struct rky_config *config;
    struct rky_transport *transport;
    const struct rky_topics *topics;
    struct rky_clock *clock;
    struct rky_log *log;
    struct rky_lanes *lanes;
    struct rky_assignment_limits limits; /**< 0 = 10,000 jobs, 32 MiB */
    bool once;                           /**< stop when the queue is drained */
    void (*tick)(void *context);         /**< called about ten times a second; NULL = nothing */
};

RKY_MUST_CHECK int rky_dispatcher_new(const struct rky_dispatcher_options *options,
                                      struct rky_dispatcher **ret_dispatcher,
                                      struct rky_error *err);
void rky_dispatcher_free(struct rky_dispatcher *dispatcher);
/** @brief What sends its messages, and what `tick` is called with: they need the dispatcher first.
 *         Before rky_dispatcher_run(). */
void rky_dispatcher_attach(struct rky_dispatcher *dispatcher, struct rky_outbox *outbox,
                           const struct rky_events *events, void *tick_context);

/** @brief The poll thread's life: join the group, serve until stopped and drained, leave.
 *  @return 0; RKY_ERR_UNAVAILABLE when the driver can only be mended by a restart. */
RKY_MUST_CHECK int rky_dispatcher_run(struct rky_dispatcher *dispatcher, struct rky_error *err);

/** @brief Take no more, let what runs end, commit, leave. From any thread. */
void rky_dispatcher_stop(struct rky_dispatcher *dispatcher);
/** @brief A task's messages are delivered, or failed for good: rky_settled_fn of the outbox. From
 *         any thread. */
void rky_dispatcher_settled(void *dispatcher, struct rky_task *task, int code, const char *message);
/** @brief An executor found that a job is to become a dead letter: reason and reason_text are set.
 *  @param task taken. */
void rky_dispatcher_dead_letter(struct rky_dispatcher *dispatcher, struct rky_task *task);

#endif
