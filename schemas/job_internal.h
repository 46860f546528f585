/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three directions of a job share: message to job, job to message, line to job.
 * Private to schemas/.
 */
#ifndef RKY_SCHEMAS_JOB_INTERNAL_H
#define RKY_SCHEMAS_JOB_INTERNAL_H

#include "schemas/job.h"
#include "schemas/shape.h"

#define RKY_JOB_EXPIRES_DEFAULT 3600
#define RKY_JOB_ATTEMPT_MAX 1000000

/** One type of request. */
struct rky_job_kind {
    enum rky_job_type type;
    const char *name;  /**< "run" */
    const char *event; /**< ce_type: "rocky.job.run" */
    const char *shape; /**< name of the body's published shape */
};

const struct rky_job_kind *rky_job_kind(enum rky_job_type type);
/** @brief By "run" or by "rocky.job.run". @return borrowed, NULL when unknown. */
const struct rky_job_kind *rky_job_kind_by_name(const char *name);
const struct rky_job_kind *rky_job_kind_by_event(const char *event);

/** @brief Fill the job from a body that its shape accepted. Sets no header facts. */
RKY_MUST_CHECK int rky_job_read_body(const json_t *body, enum rky_job_type type,
                                     struct rky_job *ret_job, struct rky_error *err);

/** @brief Copy a UUID in lower case. */
void rky_job_lower_uuid(const char *text, char ret_text[RKY_UUID_TEXT]);

#endif
