/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker itself has to say on the results topic, besides what a run recorded: a job that
 * was fenced or given back, an alarm, and the result of a job that became a dead letter.
 *
 * Events are told once and not waited for; nothing depends on them. The result of a dead letter is
 * waited for like any other. Thread-safe.
 */
#ifndef RKY_WORKER_EVENTS_H
#define RKY_WORKER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "transport/transport.h"
#include "worker/outbox.h"
#include "worker/task.h"

struct rky_events {
    struct rky_outbox *outbox;
    const struct rky_topics *topics;
    struct rky_clock *clock;
    struct rky_log *log;
    const char *worker_id;
};

/** @brief `job.fenced` or `job.requeued`. @param attempt how often for this reason, from 1.
 *  @param reason "fenced", "conflict"; "locked", "interrupted", "transient", ... */
void rky_events_given_back(const struct rky_events *events, const struct rky_job *job,
                           const char *type, int attempt, const char *reason, const char *message,
                           int64_t retry_in_ms);
/** @brief `worker.alarm`. @param job that it was noticed with. */
void rky_events_alarm(const struct rky_events *events, const struct rky_job *job, const char *code,
                      bool critical, const char *message, const char *hint);

/**
 * @brief Send the dead letter of a task and, when its job id is readable, its result, as part of
 *        @p delivery. The same task gives the same result, bytes and id, however often it is sent.
 */
RKY_MUST_CHECK int rky_events_dead_letter(const struct rky_events *events, struct rky_task *task,
                                          struct rky_delivery *delivery, bool wait,
                                          struct rky_error *err);

#endif
