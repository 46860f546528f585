/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs that were sent: which of them the broker has, and what became of those that somebody
 * waits for. Reported in the order of the request.
 *
 * The main thread adds, reports and reads results; the driver's thread only notes deliveries. An
 * entry is forgotten once it is reported, so that a long file costs only what is under way.
 */
#ifndef RKY_PRODUCER_BATCH_H
#define RKY_PRODUCER_BATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "schemas/job.h"
#include "transport/transport.h"

struct rky_batch;

/** One job as it is reported. */
struct rky_sent {
    char job_id[RKY_UUID_TEXT];
    char namespace_[64];
    enum rky_job_type type;
    int partition;          /**< -1 = not delivered */
    int64_t offset;         /**< -1 = not delivered */
    json_t *result;         /**< owned, NULL = none (yet) */
    char status[32];        /**< of the result, "" without one */
    struct rky_error error; /**< why it was not delivered or not waited to the end */
};

/** @brief @param wait keep entries until their result is there. */
RKY_MUST_CHECK int rky_batch_new(struct rky_transport *transport, const char *topic, bool wait,
                                 struct rky_batch **ret_batch, struct rky_error *err);
/** @brief After transport->close(): a delivery may be noted until then. */
void rky_batch_free(struct rky_batch *batch);

/** @brief Send one job, waiting while the driver's queue is full, until the deadline. */
RKY_MUST_CHECK int rky_batch_send(struct rky_batch *batch, const struct rky_job *job,
                                  const char *source, struct rky_clock *clock,
                                  const struct rky_deadline *deadline, struct rky_error *err);
/** @brief A message of the results topic: note it if it is the first result of one of ours. */
RKY_MUST_CHECK int rky_batch_result(struct rky_batch *batch, const struct rky_message *message,
                                    struct rky_error *err);
/** @brief Jobs not yet reported that are without a result and still can get one; without --wait:
 *         that the broker has not answered. */
size_t rky_batch_waiting(struct rky_batch *batch);
/** @brief Give up on those. @param error noted with each. */
void rky_batch_give_up(struct rky_batch *batch, const struct rky_error *error);

/** @brief The next entry, in order, that is complete. @return borrowed until
 *         rky_batch_reported(); NULL = none at the moment. */
const struct rky_sent *rky_batch_next(struct rky_batch *batch);
void rky_batch_reported(struct rky_batch *batch);

#endif
