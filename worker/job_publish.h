/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing what the ledger has recorded about a job.
 */
#ifndef RKY_WORKER_JOB_PUBLISH_H
#define RKY_WORKER_JOB_PUBLISH_H

#include "state/ledger.h"
#include "worker/job_run.h"

/** @brief Hand the recorded events and then the recorded result to env->publish. */
RKY_MUST_CHECK int rky_job_publish(const struct rky_job_env *env, const struct rky_job *job,
                                   struct rky_ledger *ledger, struct rky_error *err);

#endif
