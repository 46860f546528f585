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

/** What somebody who waits for a job needs of its `job.result`. */
struct rky_event_result {
    char job_id[RKY_UUID_TEXT]; /**< in lower case */
    char status[32];            /**< "success", ... */
};

/**
 * @brief Whether a message of the results topic is a `job.result`, of which job, and its status.
 *        Read from the headers, so that the results of others cost nothing.
 * @return 0; RKY_ERR_NOT_FOUND (err untouched) for any other message; RKY_ERR_DECODE for a
 *         job.result that does not say which or how.
 */
RKY_MUST_CHECK int rky_event_read_result(const struct rky_message *message,
                                         struct rky_event_result *ret_result,
                                         struct rky_error *err);

/** @brief The body of an event as JSON. @param ret_body owned. @return 0, RKY_ERR_DECODE,
 *         RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_event_body(const struct rky_message *message, json_t **ret_body,
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
