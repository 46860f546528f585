/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 driver of the remote seam: conditional PUT, metadata as `x-amz-meta-*`, server-side
 * encryption, multipart above 64 MiB, path and virtual-host style, any compatible endpoint.
 *
 * Verified against AWS's documented behaviour ("Conditional writes", "Error responses", Amazon S3
 * user guide and API reference) and the servers named in docs/state.md.
 */
#ifndef RKY_STATE_REMOTE_S3_H
#define RKY_STATE_REMOTE_S3_H

#include <stdbool.h>

#include "common/credentials.h"
#include "common/http.h"
#include "common/log.h"
#include "state/remote.h"

/** Text and objects borrowed for the life of the remote. */
struct rky_remote_s3_options {
    const char *bucket, *prefix;
    const char *region;   /**< NULL = credentials' region, else us-east-1 */
    const char *endpoint; /**< "https://host:port", NULL = AWS */
    bool path_style;      /**< bucket in the path; also used where the bucket's name needs it */
    const char *sse;      /**< "AES256", "aws:kms", NULL = none */
    const char *kms_key_id;
    bool conditional;        /**< state.concurrency_control = "cas" */
    int64_t multipart_above; /**< bytes, 0 = 64 MiB */
    struct rky_http *http;
    struct rky_credentials *credentials;
    struct rky_clock *clock;
    struct rky_log *log;
};
RKY_MUST_CHECK int rky_remote_s3_new(const struct rky_remote_s3_options *options,
                                     struct rky_remote **ret_remote, struct rky_error *err);

/** What the classification of an answer depends on. */
struct rky_s3_answer {
    const char *method; /**< "PUT", "GET", "HEAD", "DELETE", "LIST" */
    bool conditional;   /**< with If-Match or If-None-Match */
    bool if_match;      /**< with If-Match */
    long status;
    const char *code;       /**< <Code> of the error body, "" without one (HEAD) */
    int64_t retry_after_ms; /**< 0 = none */
};
/** @brief The S3 rows of the fault table. Pure. A region that could be learned from the answer is
 *         the driver's to see: it then makes "region" RKY_RETRY_FREE. @return the error code;
 * RKY_OK for an answer that is none (2xx, 304, 404 of a read or of a plain DELETE). */
enum rky_err rky_s3_classify(const struct rky_s3_answer *answer, struct rky_attempt *ret_attempt);

#endif
