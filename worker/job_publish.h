/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing what the ledger has recorded about a job.
 */
#ifndef RKY_WORKER_JOB_PUBLISH_H
#define RKY_WORKER_JOB_PUBLISH_H

#include <jansson.h>

#include "state/ledger.h"
#include "worker/job_run.h"

/** @brief Hand the recorded events and then the recorded result to env->publish.
 *  @param measured the event of an upload that this process made: stands in for the recorded one,
 *         which knows no figures; NULL = none. */
RKY_MUST_CHECK int rky_job_publish(const struct rky_job_env *env, const struct rky_job *job,
                                   struct rky_ledger *ledger, const json_t *measured,
                                   struct rky_error *err);
/** @brief One event, in the form in which a ledger records it. */
RKY_MUST_CHECK int rky_job_publish_event(const struct rky_job_env *env, const struct rky_job *job,
                                         const json_t *event, struct rky_error *err);
/** @brief A result that no ledger could record. @param events JSON array text. */
RKY_MUST_CHECK int rky_job_publish_made(const struct rky_job_env *env, const struct rky_job *job,
                                        const char *status, const char *result, const char *events,
                                        struct rky_error *err);

#endif
