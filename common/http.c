/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client: a pool of libcurl handles, each with its own kept-alive connections, and one
 * request after another on them.
 *
 * A thread takes the handle that was put back last, because its connection is the warmest, and
 * makes a new one when all are in use: the pool is never larger than the number of threads that
 * called at once. The mutex guards the list only, never a request. Every handle is reset before
 * use, so no option of one request reaches the next. What must stay true: nothing here waits longer
 * than the request's deadline, and nothing is read from the environment.
 */
#include "config.h"

#include "common/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/http_internal.h"

enum {
    CONNECT_TIMEOUT_MS = 3000,
    /* S3 and Valkey's friends close idle connections after 20 s: do not race with them. */
    IDLE_CONNECTION_S = 15,
    /* Not one byte in a minute is a stall, not a slow link; there may be time for another try. */
    STALL_S = 60,
};
#define RESPONSE_LIMIT ((size_t)1024 * 1024)
#define LONGEST_TIMEOUT_MS ((int64_t)24 * 3600 * 1000)

struct rky_http {
    struct rky_curl curl;
    struct rky_clock *clock;
    char *ca_file; /* owned, NULL = the system's */
    int64_t connect_timeout_ms;
    pthread_mutex_t mutex;
    CURL **idle; /* the last one is the warmest */
    size_t idle_count, idle_capacity;
    size_t handles; /* all there are; idle has room for every one */
};

int rky_http_new(const struct rky_http_options *options, struct rky_http **ret_http,
                 struct rky_error *err)
{
    struct rky_http *http = rky_calloc(1, sizeof(*http));
    bool initialised = false;
    int rc = 0;
    if (http == NULL)
        return rky_fail_nomem(err);
    http->clock = options->clock;
    http->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    if (options->ca_file != NULL && (http->ca_file = rky_strdup(options->ca_file)) == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    rc = rky_curl_load(RKY_CURL_LIBRARY, &http->curl, err);
    if (rc != 0)
        goto out;
    /* Counts its callers; safe among threads since 7.84. */
    CURLcode code = http->curl.global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK) {
        rc = rky_fail(err, RKY_ERR_CONFIG, "cannot initialise '%s': %s", RKY_CURL_LIBRARY,
                      http->curl.easy_strerror(code));
        goto out;
    }
    initialised = true;
    if (pthread_mutex_init(&http->mutex, NULL) != 0) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    *ret_http = http;
    http = NULL;

out:
    if (http != NULL) {
        if (initialised)
            http->curl.global_cleanup();
        rky_free(http->ca_file);
        rky_free(http);
    }
    return rc;
}

void rky_http_free(struct rky_http *http)
{
    if (http == NULL)
        return;
    RKY_ASSERT(http->idle_count == http->handles);
    for (size_t i = 0; i < http->idle_count; i++)
        http->curl.easy_cleanup(http->idle[i]);
    http->curl.global_cleanup();
    (void)pthread_mutex_destroy(&http->mutex);
    rky_free(http->idle);
    rky_free(http->ca_file);
    rky_free(http);
}

/* The warmest idle handle or a new one. Room to put it back is made here, where it can fail. */
static CURL *take_handle(struct rky_http *http)
{
    CURL *handle = NULL;
    (void)pthread_mutex_lock(&http->mutex);
    if (http->idle_count > 0) {
        handle = http->idle[--http->idle_count];
    } else if (rky_array_reserve(&http->idle, &http->idle_capacity, http->handles + 1,
                                 sizeof(CURL *), NULL) == 0) {
        handle = http->curl.easy_init();
        http->handles += handle != NULL;
    }
    (void)pthread_mutex_unlock(&http->mutex);
    return handle;
}

static void put_back(struct rky_http *http, CURL *handle)
{
    /* Keeps the connections, forgets pointers into the request. */
    http->curl.easy_reset(handle);
    (void)pthread_mutex_lock(&http->mutex);
    http->idle[http->idle_count++] = handle;
    (void)pthread_mutex_unlock(&http->mutex);
}

/* One request on its way. */
struct exchange {
    const struct rky_http_request *request;
    CURL *handle;
    struct curl_slist *headers;
    struct rky_http_intake intake;
    int64_t timeout_ms, connect_ms;
    char place[RKY_HTTP_PLACE_MAX];
    char detail[CURL_ERROR_SIZE];
};

static bool has_header(const struct rky_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* A line break in a header would begin another one. */
static bool safe_headers(const struct rky_http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct rky_http_header *header = &request->headers[i];
        if (header->name[0] == '\0' || strpbrk(header->name, ":; \t\r\n") != NULL ||
            strpbrk(header->value, "\r\n") != NULL)
            return false;
    }
    return true;
}

static bool add_header(const struct rky_http *http, struct exchange *exchange, const char *name,
                       const char *value)
{
    /* "Name:" would remove a header, "Name;" sends it without a value. */
    char *line = rky_asprintf(value[0] != '\0' ? "%s: %s" : "%s;", name, value);
    struct curl_slist *longer =
        line != NULL ? http->curl.slist_append(exchange->headers, line) : NULL;
    rky_free(line);
    if (longer == NULL)
        return false;
    exchange->headers = longer;
    return true;
}

/* The caller's headers, and none of those that libcurl would add by itself. */
static bool set_headers(const struct rky_http *http, struct exchange *exchange)
{
    static const char *const unwanted[] = {"Expect", "Accept", "Content-Type"};
    const struct rky_http_request *request = exchange->request;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!add_header(http, exchange, request->headers[i].name, request->headers[i].value))
            return false;
    }
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        char line[32];
        (void)snprintf(line, sizeof(line), "%s:", unwanted[i]);
        if (has_header(request, unwanted[i]))
            continue;
        struct curl_slist *longer = http->curl.slist_append(exchange->headers, line);
        if (longer == NULL)
            return false;
        exchange->headers = longer;
    }
    return true;
}

/* First failure wins, so that a long list of options needs one look at the end. */
#define SET(option, value)                                             \
    do {                                                               \
        if (code == CURLE_OK)                                          \
            code = curl->easy_setopt(handle, CURLOPT_##option, value); \
    } while (0)

/* libcurl asks about once a second, whatever it waits for. */
static int is_stopped(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                      curl_off_t up)
{
    const _Atomic bool *stop = context;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return *stop ? 1 : 0;
}

static CURLcode set_stop(const struct rky_http *http, struct exchange *exchange)
{
    const struct rky_curl *curl = &http->curl;
    CURL *handle = exchange->handle;
    CURLcode code = CURLE_OK;
    if (exchange->request->stop == NULL)
        return code;
    SET(XFERINFOFUNCTION, is_stopped);
    SET(XFERINFODATA, (void *)(uintptr_t)exchange->request->stop);
    SET(NOPROGRESS, 0L);
    return code;
}

/* What holds for every request: bounds, and no will of its own. */
static CURLcode set_rules(const struct rky_http *http, struct exchange *exchange)
{
    const struct rky_curl *curl = &http->curl;
    CURL *handle = exchange->handle;
    CURLcode code = CURLE_OK;
    SET(ERRORBUFFER, exchange->detail);
    SET(NOSIGNAL, 1L);
    /* A timeout while a name is looked up must not wait for the thread that does it. */
    SET(QUICK_EXIT, 1L);
    SET(TIMEOUT_MS, (long)exchange->timeout_ms);
    SET(CONNECTTIMEOUT_MS, (long)exchange->connect_ms);
    SET(LOW_SPEED_LIMIT, 1L);
    SET(LOW_SPEED_TIME, (long)STALL_S);
    SET(MAXAGE_CONN, (long)IDLE_CONNECTION_S);
    SET(PROTOCOLS_STR, "http,https");
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(FOLLOWLOCATION, 0L);
    SET(PROXY, "");
    SET(NOPROXY, "*");
    SET(NETRC, (long)CURL_NETRC_IGNORED);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(SSL_VERIFYPEER, 1L);
    SET(SSL_VERIFYHOST, 2L);
    if (http->ca_file != NULL) { /* instead of the system's, not beside them */
        SET(CAINFO, http->ca_file);
        SET(CAPATH, (char *)NULL);
    }
    return code;
}

static CURLcode set_request(const struct rky_http *http, struct exchange *exchange)
{
    const struct rky_http_request *request = exchange->request;
    const struct rky_curl *curl = &http->curl;
    CURL *handle = exchange->handle;
    CURLcode code = CURLE_OK;
    SET(URL, request->url);
    SET(PATH_AS_IS, 1L); /* ".." is a name in S3, and the path was signed as it is */
    SET(USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    SET(HTTPHEADER, exchange->headers);
    SET(WRITEFUNCTION, rky_http_take_body);
    SET(WRITEDATA, &exchange->intake);
    SET(HEADERFUNCTION, rky_http_take_header);
    SET(HEADERDATA, &exchange->intake);
    if (strcmp(request->method, "HEAD") == 0) {
        SET(NOBODY, 1L);
        return code;
    }
    /* A body in memory, whatever the method: libcurl can rewind it when a connection that was kept
     * alive turns out dead. */
    if (request->body_length > 0 || strcmp(request->method, "PUT") == 0 ||
        strcmp(request->method, "POST") == 0) {
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        SET(POSTFIELDS, request->body_length > 0 ? (const char *)request->body : "");
    }
    SET(CUSTOMREQUEST, request->method);
    return code;
}

/* A connection that could not be set up in its own time, while the request has some left. */
static bool only_connecting(const struct rky_http *http, const struct exchange *exchange)
{
    curl_off_t ready_us = 0;
    (void)http->curl.easy_getinfo(exchange->handle, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us == 0 && exchange->connect_ms < exchange->timeout_ms;
}

static int fail(const struct rky_http *http, const struct exchange *exchange, CURLcode code,
                struct rky_attempt *ret_attempt, struct rky_error *err)
{
    const struct rky_http_request *request = exchange->request;
    const char *detail =
        exchange->detail[0] != '\0' ? exchange->detail : http->curl.easy_strerror(code);
    if (exchange->intake.no_memory)
        code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OPERATION_TIMEDOUT && only_connecting(http, exchange))
        code = CURLE_COULDNT_CONNECT;
    const struct rky_http_fault *fault = rky_http_fault(code);
    *ret_attempt = fault->attempt;
    int rc = fault->error;
    if (rc == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    if (rc == RKY_ERR_DECODE && exchange->intake.too_many)
        rky_fail(err, RKY_ERR_DECODE, "%s '%s': the answer has more headers than any service sends",
                 request->method, exchange->place);
    else if (rc == RKY_ERR_DECODE)
        rky_fail(err, RKY_ERR_DECODE, "%s '%s': expected at most %zu bytes, got more",
                 request->method, exchange->place, exchange->intake.limit);
    else
        rky_fail(err, (enum rky_err)rc, "%s '%s': %s (%s)", request->method, exchange->place,
                 detail, fault->attempt.error_class);
    if (strcmp(fault->attempt.error_class, "certificate") == 0)
        rky_error_hint(err, "check the certificate of '%s' and the CA file '%s'", exchange->place,
                       http->ca_file != NULL ? http->ca_file : "of the system");
    if (err != NULL) {
        err->transient = fault->attempt.retry != RKY_RETRY_NO;
        err->native_code = (long)code;
    }
    return rc;
}

static void hand_over(struct rky_http_intake *intake, long status,
                      struct rky_http_response *ret_response)
{
    *ret_response = (struct rky_http_response){
        .status = status,
        .length = intake->body.length,
        .headers = intake->headers,
        .header_count = intake->header_count,
    };
    ret_response->body = rky_strbuf_take(&intake->body);
    *intake = (struct rky_http_intake){0};
}

static int perform(struct rky_http *http, struct exchange *exchange,
                   struct rky_http_response *ret_response, struct rky_attempt *ret_attempt,
                   struct rky_error *err)
{
    long status = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (set_headers(http, exchange))
        code = set_rules(http, exchange);
    if (code == CURLE_OK)
        code = set_request(http, exchange);
    if (code == CURLE_OK)
        code = set_stop(http, exchange);
    if (code == CURLE_OK)
        code = http->curl.easy_perform(exchange->handle);
    if (code == CURLE_OK)
        code = http->curl.easy_getinfo(exchange->handle, CURLINFO_RESPONSE_CODE, &status);
    /* libcurl takes a connection that ends within the headers for an answer without a body. */
    if (code == CURLE_OK && !exchange->intake.complete)
        code = CURLE_RECV_ERROR;
    /* An empty body is a text too. */
    rky_strbuf_add(&exchange->intake.body, "");
    if (code == CURLE_OK && exchange->intake.body.failed)
        code = CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK)
        return fail(http, exchange, code, ret_attempt, err);
    hand_over(&exchange->intake, status, ret_response);
    return 0;
}

/* What can be seen to be wrong before anything is sent. */
static int refuse(struct exchange *exchange, struct rky_attempt *ret_attempt, struct rky_error *err)
{
    const struct rky_http_request *request = exchange->request;
    if (!rky_http_place(request->url, exchange->place)) {
        *ret_attempt = rky_http_fault(CURLE_URL_MALFORMAT)->attempt;
        return rky_fail(err, RKY_ERR_CONFIG, "expected a URL with 'http://' or 'https://'");
    }
    if (!safe_headers(request)) {
        *ret_attempt = rky_http_fault(CURLE_URL_MALFORMAT)->attempt;
        return rky_fail(err, RKY_ERR_CONFIG, "%s '%s': a header has a line break or a bad name",
                        request->method, exchange->place);
    }
    if (exchange->timeout_ms == 0) {
        *ret_attempt = rky_http_fault(CURLE_OPERATION_TIMEDOUT)->attempt;
        rky_fail(err, RKY_ERR_TIMEOUT, "%s '%s': no time left to try", request->method,
                 exchange->place);
        if (err != NULL)
            err->transient = true;
        return RKY_ERR_TIMEOUT;
    }
    return 0;
}

int rky_http_call(struct rky_http *http, const struct rky_http_request *request,
                  struct rky_http_response *ret_response, struct rky_attempt *ret_attempt,
                  struct rky_error *err)
{
    struct exchange exchange = {.request = request};
    exchange.intake.limit = request->response_limit > 0 ? request->response_limit : RESPONSE_LIMIT;
    exchange.timeout_ms = rky_deadline_left_ms(&request->deadline);
    if (exchange.timeout_ms > LONGEST_TIMEOUT_MS)
        exchange.timeout_ms = LONGEST_TIMEOUT_MS;
    exchange.connect_ms =
        request->connect_timeout_ms > 0 ? request->connect_timeout_ms : http->connect_timeout_ms;
    if (exchange.connect_ms > exchange.timeout_ms)
        exchange.connect_ms = exchange.timeout_ms;
    int rc = refuse(&exchange, ret_attempt, err);
    if (rc != 0)
        return rc;
    exchange.handle = take_handle(http);
    if (exchange.handle == NULL) {
        *ret_attempt = rky_http_fault(CURLE_OUT_OF_MEMORY)->attempt;
        return rky_fail_nomem(err);
    }
    rc = perform(http, &exchange, ret_response, ret_attempt, err);
    put_back(http, exchange.handle);
    http->curl.slist_free_all(exchange.headers);
    rky_http_intake_done(&exchange.intake);
    return rc;
}
