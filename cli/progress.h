/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `rocky run` shows while it works: on a terminal one live line on standard error, elsewhere a
 * plain line every few seconds, with --quiet nothing. Called from the run's threads, one at a time.
 */
#ifndef RKY_CLI_PROGRESS_H
#define RKY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/context.h"
#include "engine/run.h"

struct rky_progress_line {
    bool live;
    bool shown;                 /**< a live line stands on the terminal */
    int64_t last_plain_ms;      /**< elapsed time of the last plain line */
    int64_t rate_rows, rate_ms; /**< where the figure for rows per second is taken from */
    double rows_per_second;
};

/** @brief @return the callback for rky_job_env, NULL when nothing is to be shown. */
rky_progress_fn *rky_progress_init(struct rky_progress_line *line, const struct rky_cli *cli);
/** @brief Remove the live line. */
void rky_progress_clear(struct rky_progress_line *line);

#endif
