/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan, apply and run: the command line becomes a job and walks the same steps as a job from Kafka
 * (worker/job_run.h).
 */
#ifndef RKY_CLI_JOB_H
#define RKY_CLI_JOB_H

#include "cli/context.h"
#include "schemas/job.h"
#include "worker/job_run.h"

/** @brief A job for the selected pipeline and namespace with the options of the command line.
 *  @param ret_job rky_job_done() it, also on failure. */
RKY_MUST_CHECK int rky_cli_job(const struct rky_cli *cli, enum rky_job_type type,
                               struct rky_job *ret_job, struct rky_error *err);
/** @brief Execute it. Shows progress, publishes for run and apply, is interrupted by signals.
 *  @param ret_outcome rky_job_outcome_done() it; filled on success.
 *  @return 0 when the job was walked, whatever its outcome. */
RKY_MUST_CHECK int rky_cli_execute(const struct rky_cli *cli, const struct rky_job *job,
                                   struct rky_job_outcome *ret_outcome, struct rky_error *err);

#endif
