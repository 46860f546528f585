/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests with bodies in memory, by libcurl: S3, STS, instance metadata, webhooks. The only
 * place that includes curl; the library is loaded at first use (dlopen), because loading it takes
 * longer than most commands of an engineer who has no remote.
 *
 * A client keeps connections alive and is shared by threads. Every call is bounded by its deadline
 * (name resolution and TLS included), never follows redirects, never decompresses, never reads a
 * proxy or any other setting from the environment beside what it is told. One call is one attempt:
 * no retries. On a kept-alive connection that turns out dead, libcurl may send a request again; a
 * caller whose request must not be applied twice has to recognise its own write.
 */
#ifndef RKY_COMMON_HTTP_H
#define RKY_COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/guard.h"
#include "common/mem.h"

struct rky_http;

struct rky_http_options {
    const char *ca_file;        /**< NULL = the system's */
    int64_t connect_timeout_ms; /**< 0 = 3000 */
    struct rky_clock *clock;
};
/** @brief Also initialises libcurl, once per process. */
RKY_MUST_CHECK int rky_http_new(const struct rky_http_options *options, struct rky_http **ret_http,
                                struct rky_error *err);
void rky_http_free(struct rky_http *http);

struct rky_http_header {
    const char *name, *value;
};

/** All borrowed. */
struct rky_http_request {
    const char *method; /**< "GET", "HEAD", "PUT", "POST", "DELETE" */
    const char *url;
    const struct rky_http_header *headers;
    size_t header_count;
    const void *body;
    size_t body_length;
    size_t response_limit; /**< a longer body is an error; 0 = 1 MiB */
    struct rky_deadline deadline;
    int64_t connect_timeout_ms; /**< 0 = the client's */
    /** Set by somebody: the request under way is abandoned within two seconds. NULL = nobody. */
    const _Atomic bool *stop;
};

/** Zero before; release with rky_http_response_done() also after a failure. */
struct rky_http_response {
    long status;
    char *body; /**< NUL-terminated behind length */
    size_t length;
    char **headers; /**< "name: value", name in lower case */
    size_t header_count;
};
void rky_http_response_done(struct rky_http_response *response);
/** @brief Value of a header (lower-case name), NULL when absent. Borrowed. */
const char *rky_http_response_header(const struct rky_http_response *response, const char *name);

/**
 * @brief One request. Any status is success here: the caller classifies it. The process ignores
 *        SIGPIPE, as our programs do: OpenSSL writes without MSG_NOSIGNAL.
 * @param ret_attempt on failure: "dns", "connect", "tls", "certificate", "reset", "timeout" (this
 *        attempt's deadline, or a minute without a byte), "interrupted" (the stop flag),
 *        "partial_body", "bad_reply" (no HTTP), "too_large", "bad_url" (or an unusable header),
 * "no_memory", "libcurl"; retry and counts filled as the fault table has it.
 * @return 0; RKY_ERR_CONNECTION; RKY_ERR_TIMEOUT; RKY_ERR_INTERRUPTED; RKY_ERR_CONFIG (certificate,
 * URL); RKY_ERR_DECODE (too large); RKY_ERR_NOMEM. Messages name host and port, never query, user
 * or password.
 */
RKY_MUST_CHECK int rky_http_call(struct rky_http *http, const struct rky_http_request *request,
                                 struct rky_http_response *ret_response,
                                 struct rky_attempt *ret_attempt, struct rky_error *err);

/** @brief Milliseconds asked for by Retry-After (seconds or HTTP date) or x-amz-retry-after, 0 =
 *         none. */
int64_t rky_http_retry_after_ms(const struct rky_http_response *response, struct rky_clock *clock);
/** @brief A date header ("date", "last-modified") as wall clock, 0 when absent or something else.
 */
int64_t rky_http_response_time_us(const struct rky_http_response *response, const char *name);

#endif
