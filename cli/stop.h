/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM. The first asks for an end: the run under way is interrupted and whoever waits
 * on the descriptor wakes. The second ends the process at once with exit code 130.
 *
 * The signals are blocked in the whole process and taken by a thread of their own, so nothing has
 * to be safe inside a handler and there are no globals. Start it before any library makes threads;
 * children must unblock the signals (rky_stop_unblock()).
 */
#ifndef RKY_CLI_STOP_H
#define RKY_CLI_STOP_H

#include <stdbool.h>

#include "common/error.h"
#include "engine/run.h"

struct rky_stop;

RKY_MUST_CHECK int rky_stop_start(struct rky_stop **ret_stop, struct rky_error *err);
/** @brief Give the signals back. NULL is a no-op. */
void rky_stop_end(struct rky_stop *stop);

/** @brief Whether a signal came. */
bool rky_stop_asked(struct rky_stop *stop);
/** @brief Readable once a signal came: for poll(). */
int rky_stop_fd(const struct rky_stop *stop);
/** @brief Wait. @retval true a signal came. @retval false the time is over. */
bool rky_stop_wait(struct rky_stop *stop, int64_t timeout_ms);
/** @brief The run to interrupt, NULL = none; `running` of struct rky_job_env. @param context the
 *         stop. */
void rky_stop_running(void *context, struct rky_run *run);
/** @brief In a child between fork and exec: take signals as usual again. */
void rky_stop_unblock(void);

#endif
