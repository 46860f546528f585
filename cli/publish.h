/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `rocky run` with a [queue] section: result and events go to the results topic as well. The run
 * stands whatever happens here; a failure is one warning after five seconds at most.
 */
#ifndef RKY_CLI_PUBLISH_H
#define RKY_CLI_PUBLISH_H

#include "cli/context.h"
#include "schemas/message.h"

struct rky_publisher;

/** @brief Without a [queue] section *ret_publisher stays NULL. @return RKY_ERR_CONFIG for a
 *         property that the Kafka library refuses. */
RKY_MUST_CHECK int rky_publisher_open(const struct rky_cli *cli,
                                      struct rky_publisher **ret_publisher, struct rky_error *err);
/** @brief `publish` of struct rky_job_env; never fails. @param context the publisher. */
int rky_publisher_publish(void *context, const struct rky_message *message, struct rky_error *err);
/** @brief Wait for the broker's answers within what is left of the five seconds, warn if some are
 *         missing, close. NULL is a no-op. */
void rky_publisher_finish(struct rky_publisher *publisher);

#endif
