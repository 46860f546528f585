/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, computed here because libcurl 7.88 signs uploads and queries wrongly.
 * Verified with the published test vectors. Pure: no clock, no network.
 * Source of the rules: "Create a signed AWS API request", AWS IAM user guide.
 */
#ifndef RKY_COMMON_SIGV4_H
#define RKY_COMMON_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/http.h"
#include "common/ids.h"

/** All borrowed. */
struct rky_sigv4_input {
    const char *access_key, *secret_key, *session_token; /**< token NULL = none */
    const char *region, *service;
    int64_t time_us; /**< wall clock, corrected for a known skew */
    const char *method;
    const char *path;  /**< absolute, as it is sent: already percent-encoded */
    const char *query; /**< "a=1&b=2", already encoded, any order; NULL or "" = none */
    const struct rky_http_header *headers; /**< to be signed, host among them; any order */
    size_t header_count;
    const char *payload_sha256; /**< hex, always real */
    bool normalize_path;        /**< false for S3 */
    bool encode_path_again;     /**< false for S3 */
};

/** @param ret_date "20150830T123600Z" for x-amz-date, which is signed as well, as is
 *         x-amz-security-token; the caller sends both.
 *  @param ret_authorization owned. @return 0 or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_sigv4_sign(const struct rky_sigv4_input *input, char ret_date[17],
                                  char **ret_authorization, struct rky_error *err);

/** @brief Percent-encode by RFC 3986 (unreserved characters stay). @param keep_slash for paths.
 *  @return owned or NULL. */
char *rky_uri_encode(const char *text, bool keep_slash);

#endif
