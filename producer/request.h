/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be enqueued: one job from the command line, or the lines of a file. Everything is
 * checked here, before the first message is sent.
 */
#ifndef RKY_PRODUCER_REQUEST_H
#define RKY_PRODUCER_REQUEST_H

#include <stddef.h>

#include "common/frame.h"
#include "schemas/job.h"

struct rky_request {
    struct rky_job job; /**< from the command line; unused with a file */
    char *text;         /**< the whole file, NULL without one */
    size_t length;
    size_t at;            /**< of the next line to read */
    size_t line_number;   /**< of the line last read */
    size_t count;         /**< jobs in all */
    struct rky_job *kept; /**< the first ones, as they were read for checking */
    size_t kept_count, kept_capacity, kept_at;
    bool taken; /**< the single job was handed out */
};

/** @brief Read and check. @return 0; RKY_ERR_USAGE naming the line; RKY_ERR_REFUSED for a plan id
 *         that is none; RKY_ERR_NOT_FOUND, RKY_ERR_IO for the file. */
RKY_MUST_CHECK int rky_request_read(const struct rky_frame *frame, struct rky_request *ret_request,
                                    struct rky_error *err);
/** @brief The next job. @param ret_job rky_job_done() it. @retval 1 a job, 0 no more, <0 error. */
RKY_MUST_CHECK int rky_request_next(struct rky_request *request, struct rky_clock *clock,
                                    struct rky_job *ret_job, struct rky_error *err);
void rky_request_done(struct rky_request *request);

#endif
