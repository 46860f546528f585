/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl's error codes mean for retries and the breaker: the rows of the fault table that are
 * the connection's own. Pure; any thread.
 */
#include "config.h"

#include "common/http_internal.h"

#include <string.h>
#include <strings.h>

#define TRANSIENT(name)                                               \
    {                                                                 \
        .error_class = (name), .retry = RKY_RETRY_YES, .counts = true \
    }
#define FINAL(name)                                                   \
    {                                                                 \
        .error_class = (name), .retry = RKY_RETRY_NO, .counts = false \
    }

static const struct rky_http_fault faults[] = {
    {CURLE_COULDNT_RESOLVE_HOST, RKY_ERR_CONNECTION, TRANSIENT("dns")},
    {CURLE_COULDNT_CONNECT, RKY_ERR_CONNECTION, TRANSIENT("connect")},
    {CURLE_INTERFACE_FAILED, RKY_ERR_CONNECTION, TRANSIENT("connect")},
    {CURLE_SSL_CONNECT_ERROR, RKY_ERR_CONNECTION, TRANSIENT("tls")},
    {CURLE_SSL_SHUTDOWN_FAILED, RKY_ERR_CONNECTION, TRANSIENT("tls")},
    {CURLE_GOT_NOTHING, RKY_ERR_CONNECTION, TRANSIENT("reset")},
    {CURLE_SEND_ERROR, RKY_ERR_CONNECTION, TRANSIENT("reset")},
    {CURLE_RECV_ERROR, RKY_ERR_CONNECTION, TRANSIENT("reset")},
    {CURLE_AGAIN, RKY_ERR_CONNECTION, TRANSIENT("reset")},
    {CURLE_SEND_FAIL_REWIND, RKY_ERR_CONNECTION, TRANSIENT("reset")},
    {CURLE_PARTIAL_FILE, RKY_ERR_CONNECTION, TRANSIENT("partial_body")},
    {CURLE_OPERATION_TIMEDOUT, RKY_ERR_TIMEOUT, TRANSIENT("timeout")},
    /* Our own wish says nothing about the server; the guard asks for no further attempt either. */
    {CURLE_ABORTED_BY_CALLBACK,
     RKY_ERR_INTERRUPTED,
     {.error_class = "interrupted", .retry = RKY_RETRY_YES, .counts = false}},
    /* The scheme is checked before, so this is an answer without a status line. */
    {CURLE_UNSUPPORTED_PROTOCOL, RKY_ERR_CONNECTION, TRANSIENT("bad_reply")},
    {CURLE_WEIRD_SERVER_REPLY, RKY_ERR_CONNECTION, TRANSIENT("bad_reply")},
    {CURLE_BAD_CONTENT_ENCODING, RKY_ERR_CONNECTION, TRANSIENT("bad_reply")},
    {CURLE_PEER_FAILED_VERIFICATION, RKY_ERR_CONFIG, FINAL("certificate")},
    {CURLE_SSL_CERTPROBLEM, RKY_ERR_CONFIG, FINAL("certificate")},
    {CURLE_SSL_CACERT_BADFILE, RKY_ERR_CONFIG, FINAL("certificate")},
    {CURLE_SSL_ISSUER_ERROR, RKY_ERR_CONFIG, FINAL("certificate")},
    {CURLE_SSL_INVALIDCERTSTATUS, RKY_ERR_CONFIG, FINAL("certificate")},
    {CURLE_SSL_CIPHER, RKY_ERR_CONFIG, FINAL("tls")},
    {CURLE_URL_MALFORMAT, RKY_ERR_CONFIG, FINAL("bad_url")},
    {CURLE_WRITE_ERROR, RKY_ERR_DECODE, FINAL("too_large")},
    {CURLE_OUT_OF_MEMORY, RKY_ERR_NOMEM, FINAL("no_memory")},
    {CURLE_FAILED_INIT, RKY_ERR_CONFIG, FINAL("libcurl")},
    {CURLE_NOT_BUILT_IN, RKY_ERR_CONFIG, FINAL("libcurl")},
    {CURLE_UNKNOWN_OPTION, RKY_ERR_CONFIG, FINAL("libcurl")},
    {CURLE_BAD_FUNCTION_ARGUMENT, RKY_ERR_CONFIG, FINAL("libcurl")},
};

const struct rky_http_fault *rky_http_fault(CURLcode code)
{
    /* What is not listed broke off somehow: trying again is safe, and the breaker should see it. */
    static const struct rky_http_fault unknown = {CURL_LAST, RKY_ERR_CONNECTION,
                                                  TRANSIENT("reset")};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (faults[i].code == code)
            return &faults[i];
    }
    return &unknown;
}

bool rky_http_place(const char *url, char ret_place[RKY_HTTP_PLACE_MAX])
{
    bool tls = strncasecmp(url, "https://", 8) == 0;
    if (!tls && strncasecmp(url, "http://", 7) != 0)
        return false;
    const char *host = url + (tls ? 8 : 7);
    const char *end = host + strcspn(host, "/?#");
    for (const char *at = host; at < end; at++) {
        if (*at == '@') /* the last one ends user and password */
            host = at + 1;
    }
    size_t length = (size_t)(end - host);
    if (length == 0 || length + sizeof(":443") > RKY_HTTP_PLACE_MAX)
        return false;
    memcpy(ret_place, host, length);
    ret_place[length] = '\0';
    /* A bare IPv6 address stands in brackets, so a colon behind them is the port's. */
    const char *bracket = strrchr(ret_place, ']');
    if (strchr(bracket != NULL ? bracket : ret_place, ':') == NULL)
        memcpy(ret_place + length, tls ? ":443" : ":80", tls ? 5 : 4);
    return true;
}
