/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the HTTP client share, and what its tests look at. Nobody else includes it.
 */
#ifndef RKY_COMMON_HTTP_INTERNAL_H
#define RKY_COMMON_HTTP_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/guard.h"
#include "common/http.h"
#include "common/http_curl.h"

/** What a failed request means. */
struct rky_http_fault {
    CURLcode code;
    int error; /**< enum rky_err */
    struct rky_attempt attempt;
};
/** @brief The meaning of a CURLcode other than CURLE_OK. Pure; borrowed, static. A write error is
 *         our own refusal of a response that is too large. */
const struct rky_http_fault *rky_http_fault(CURLcode code);

/** A response while it arrives. Zero before, with the limit set. */
struct rky_http_intake {
    size_t limit;
    struct rky_strbuf body;
    char **headers; /**< owned texts */
    size_t header_count, header_capacity, header_bytes;
    bool complete; /**< the empty line behind the headers was seen */
    bool refusal;  /**< the status is no success */
    bool too_many; /**< headers, or bytes in them */
    bool no_memory;
};
/** @brief libcurl's callbacks; @p context is the intake. What is too large is not taken, which
 *         libcurl reports as a write error. */
size_t rky_http_take_body(char *bytes, size_t size, size_t count, void *context);
size_t rky_http_take_header(char *bytes, size_t size, size_t count, void *context);
void rky_http_intake_done(struct rky_http_intake *intake);

/** Room for "host:port" in a message. */
#define RKY_HTTP_PLACE_MAX 300
/** @brief Host and port of a URL for messages, without user and password.
 *  @return false when it is no http or https URL. */
bool rky_http_place(const char *url, char ret_place[RKY_HTTP_PLACE_MAX]);

#endif
