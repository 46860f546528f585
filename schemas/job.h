/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job requests: what a producer puts on the jobs topic and a worker takes from it.
 *
 * Decoding trusts nothing: sizes, headers, the body's bytes (NUL, UTF-8, depth), its syntax,
 * version, forbidden fields, shape, and at last the key are checked in that order, and the first
 * thing wrong becomes the reason of a dead letter. A job names a pipeline and a namespace of the
 * worker's own configuration; it can carry no SQL, path, URL or credential.
 */
#ifndef RKY_SCHEMAS_JOB_H
#define RKY_SCHEMAS_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/ids.h"
#include "schemas/message.h"

/** Body limit, and the depth beyond which JSON is refused unread. */
#define RKY_JOB_BODY_MAX (1024 * 1024)
#define RKY_JOB_DEPTH_MAX 32
#define RKY_JOB_HEADERS_MAX 64
#define RKY_IDEMPOTENCY_KEY_MAX 128
/** How long a plan may be applicable at most: 30 days. */
#define RKY_PLAN_EXPIRES_SECONDS_MAX 2592000

enum rky_job_type { RKY_JOB_RUN, RKY_JOB_PLAN, RKY_JOB_APPLY, RKY_JOB_CANCEL };
/** @brief "run", "plan", "apply", "cancel". */
const char *rky_job_type_name(enum rky_job_type type);

struct rky_filter_term {
    char *name, *value; /**< component name and the value it must have */
};

struct rky_filter {
    struct rky_filter_term *terms;
    size_t count;
};

struct rky_job {
    enum rky_job_type type;
    char job_id[RKY_UUID_TEXT];
    char *namespace_;
    char *pipeline;
    struct rky_filter filter;           /**< run and plan */
    bool full_refresh;                  /**< run and plan */
    char plan_id[RKY_SHA256_HEX];       /**< apply; "" otherwise */
    int64_t expires_seconds;            /**< plan */
    int64_t run_timeout_seconds;        /**< -1 = none */
    char *requested_by;                 /**< NULL = not said */
    char *idempotency_key;              /**< NULL = none */
    char *traceparent;                  /**< NULL = none */
    int attempt;                        /**< from 1 */
    int64_t not_before_us, deadline_us; /**< 0 = none */
    char body_sha256[RKY_SHA256_HEX];   /**< of the body's bytes; "" for a job made here */
};

void rky_job_done(struct rky_job *job);
void rky_filter_done(struct rky_filter *filter);
/** @brief Add `name=value` as written on a command line. */
RKY_MUST_CHECK int rky_filter_add(struct rky_filter *filter, const char *term,
                                  struct rky_error *err);

/** Why a message cannot be a job: `dlq-reason` and `dlq-message`. */
struct rky_rejection {
    const char *reason; /**< static: "malformed_json", "wrong_content_type", "missing_header",
                             "invalid_header", "unknown_type", "unsupported_version", "too_large",
                             "too_deep", "invalid_utf8", "nul_byte", "invalid_body",
                             "forbidden_field", "key_mismatch", "empty_body" */
    char message[RKY_ERROR_MESSAGE_MAX];
    char job_id[RKY_UUID_TEXT]; /**< "" when not readable */
    char namespace_[64];        /**< "" when not readable or not valid */
};

/**
 * @brief Read a job from a message of the jobs topic.
 * @param message       borrowed.
 * @param ret_job       filled on success; rky_job_done() it.
 * @param ret_rejection filled on RKY_ERR_DECODE.
 * @return 0, RKY_ERR_DECODE (dead-letter it), RKY_ERR_NOMEM (try again).
 */
RKY_MUST_CHECK int rky_job_decode(const struct rky_message *message, struct rky_job *ret_job,
                                  struct rky_rejection *ret_rejection, struct rky_error *err);

/**
 * @brief The message of a job: key, headers and body as a worker expects them.
 * @param job    job_id is set, attempt from 1 (0 = 1).
 * @param source `ce_source`, e.g. "/rocky-producer/<host>".
 * @return 0, RKY_ERR_USAGE when no worker would accept the job, RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_job_encode(const struct rky_job *job, const char *source,
                                  struct rky_clock *clock, struct rky_message *ret_message,
                                  struct rky_error *err);
/**
 * @brief One NDJSON line of `rocky-producer --file` to a job: `type` ("run", ...) beside the body's
 *        fields, and optionally idempotency_key, not_before, deadline, traceparent. Missing v,
 *        job_id and requested_by are filled in, a missing namespace when the pipeline's name is
 *        one. Same rules as decoding, but unknown fields are refused.
 * @return 0, RKY_ERR_USAGE (say which line it was), RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_job_from_line(const char *line, size_t length, struct rky_clock *clock,
                                     struct rky_job *ret_job, struct rky_error *err);

#endif
