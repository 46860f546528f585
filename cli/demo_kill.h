/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's hard part: kill a worker while its copy is under way, and prove that it was.
 */
#ifndef RKY_CLI_DEMO_KILL_H
#define RKY_CLI_DEMO_KILL_H

#include "cli/demo.h"

/**
 * @brief Add rows, enqueue a job, kill the worker that copies them, wait for the result.
 * @param ret_rows   rows that the job had to copy.
 * @param ret_result of the job, published by another worker; rky_demo_result_done() it.
 */
RKY_MUST_CHECK int rky_demo_kill_in_copy(struct rky_demo *demo, const struct rky_demo_table *table,
                                         int64_t *ret_rows, struct rky_demo_result *ret_result,
                                         struct rky_error *err);

#endif
