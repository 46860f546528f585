/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the producer says about a job, and its exit code.
 */
#ifndef RKY_PRODUCER_OUTCOME_H
#define RKY_PRODUCER_OUTCOME_H

#include <stdio.h>

#include "common/error.h"
#include "common/exitcode.h"
#include "common/frame.h"
#include "producer/batch.h"

/** @brief The exit code that the job itself would have had with `rocky run`. */
enum rky_exit rky_outcome_exit(const struct rky_config *config, const struct rky_sent *sent);
/** @brief One JSON object, or one line for people. */
RKY_MUST_CHECK int rky_outcome_print(const struct rky_frame *frame, const char *topic, bool waited,
                                     const struct rky_sent *sent, struct rky_error *err);

#endif
