/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on the results topic and dead letters: CloudEvents 1.0 in Kafka's binary mode.
 *
 * Event ids are deterministic (UUIDv5), so that a job delivered again publishes the same ids and a
 * consumer that keeps the first of each sees everything exactly once.
 */
#ifndef RKY_SCHEMAS_EVENT_H
#define RKY_SCHEMAS_EVENT_H

#include <jansson.h>

#include "common/clock.h"
#include "common/error.h"
#include "schemas/job.h"
#include "schemas/message.h"

/** One event before it becomes a message. All text borrowed. */
struct rky_event {
    const char *type;    /**< "job.result", "table.replicated", ...: ce_type is "rocky." + type */
    const char *id_name; /**< hashed to ce_id by UUIDv5; for job.result the job id itself */
    const char *namespace_;  /**< the key */
    const char *worker_id;   /**< ce_source is "/rocky-worker/" + it */
    const char *job_id;      /**< x-job-id, NULL = none */
    const char *outcome;     /**< x-outcome, NULL = none */
    const char *traceparent; /**< passed through, NULL = none */
    int64_t time_us;         /**< ce_time; of the event, not of the publishing */
    const char *body;        /**< JSON text */
};

RKY_MUST_CHECK int rky_event_encode(const struct rky_event *event, struct rky_message *ret_message,
                                    struct rky_error *err);

/** Where a dead letter came from. */
struct rky_dead_letter {
    const char *reason, *message;
    const char *topic;
    int partition;
    int64_t offset;
    int attempt;
    int64_t first_failed_at_us;
    const char *worker_id;
    size_t value_limit; /**< cut the value beyond this many bytes (dlq-truncated); 0 = no limit */
};

/** @brief Original key, value and headers plus the dlq-* headers. */
RKY_MUST_CHECK int rky_dead_letter_encode(const struct rky_message *original,
                                          const struct rky_dead_letter *letter,
                                          struct rky_message *ret_message, struct rky_error *err);

#endif
