/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job on its way through the worker: the message it came as, where from, and how often it was
 * tried. It has exactly one owner at any time: the poll thread, a lane, an executor, or a delivery
 * that waits for the broker.
 */
#ifndef RKY_WORKER_TASK_H
#define RKY_WORKER_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "schemas/job.h"
#include "transport/transport.h"

struct rky_task {
    struct rky_task *next; /**< of whoever owns it */
    struct rky_inbound inbound;
    struct rky_job job;         /**< empty when the message could not be read */
    uint64_t epoch;             /**< assignment of the partition it was delivered in */
    bool read;                  /**< its message was decoded or rejected */
    bool tracked;               /**< its offset is noted as pending */
    size_t bytes;               /**< what it weighs in memory */
    int64_t not_before_mono_ms; /**< earliest next start, set when it is given back; 0 = now */

    /* How often it was given back, and why. */
    int fenced_count, locked_count, transient_count, broken_count, undelivered_count,
        shut_out_count;
    int64_t first_locked_mono_ms;
    bool lock_alarmed;

    int code;       /**< of a settled task: why it could not be delivered; 0 = it was */
    bool is_letter; /**< comes from an executor to become a dead letter */

    /* Set when it is to become a dead letter. */
    const char *reason; /**< static, NULL = a job */
    char *reason_text;  /**< owned; NULL reads as "" */
    char letter_job_id[RKY_UUID_TEXT];
    char letter_namespace[64];
    size_t value_limit; /**< cut the dead letter to this; 0 = whole */
    int64_t first_failed_us;
};

/** @return NULL when memory is out. */
struct rky_task *rky_task_new(void);
/** @brief A message was put into it: work out what it weighs. */
void rky_task_weigh(struct rky_task *task);
void rky_task_free(struct rky_task *task);
/** @brief Free a list linked by `next`. */
void rky_tasks_free(struct rky_task *first);

#endif
