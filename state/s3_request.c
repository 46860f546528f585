/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to S3: where it goes, what is signed, and what its answer means. Any thread.
 *
 * Exactly one request is sent per call. Some answers teach something for the next one, and the
 * attempt then says that it may be made again at once, for free: credentials that expired are
 * renewed, keys that are not accepted are looked up again, a clock that differs is corrected from
 * the Date header, a bucket's region is learned. Each is believed once: an answer that teaches
 * nothing new is a fault like any other.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/sigv4.h"

/* host, hash, two conditions, range, three of encryption, metadata; then type, date, token and
 * authorization, which are not given to the signer. */
enum { SIGNED_MAX = 8 + RKY_S3_METADATA_MAX, HEADERS_MAX = SIGNED_MAX + 4 };
/* A corrected clock that is still this far off was not the reason. */
#define SKEW_STEP_US ((int64_t)60 * 1000000)
#define SMALL_REQUEST_MS ((int64_t)30 * 1000)
#define SLOWEST_BYTES_PER_MS 256

/* What a request was made with. */
struct prepared {
    struct rky_aws_keys keys;
    struct rky_s3_address address;
    char region[RKY_S3_REGION_MAX];
    int64_t skew_us;
    char hash[RKY_SHA256_HEX];
    char date[17];
    char *authorization; /**< owned */
    struct rky_http_header headers[HEADERS_MAX];
    size_t count;
};

int64_t rky_s3_timeout_ms(size_t length)
{
    return SMALL_REQUEST_MS + (int64_t)(length / SLOWEST_BYTES_PER_MS);
}

static void set_attempt(struct rky_transfer *transfer, const char *error_class,
                        enum rky_retry retry, bool counts)
{
    transfer->attempt = (struct rky_attempt){
        .error_class = error_class, .retry = retry, .counts = counts, .retry_after_ms = 0};
}

int rky_s3_nomem(struct rky_transfer *transfer, struct rky_error *err)
{
    set_attempt(transfer, "no_memory", RKY_RETRY_NO, false);
    return rky_fail_nomem(err);
}

int rky_s3_bad_reply(const struct rky_s3 *s3, const struct rky_s3_request *request,
                     const char *what, struct rky_transfer *transfer, struct rky_error *err)
{
    set_attempt(transfer, "bad_reply", RKY_RETRY_YES, true);
    return rky_fail(err, RKY_ERR_UNAVAILABLE, "%s of 's3://%s/%s': the answer %s",
                    request->operation, s3->options.bucket,
                    request->key != NULL ? request->key : "", what);
}

static void add(struct prepared *prepared, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        prepared->headers[prepared->count++] = (struct rky_http_header){name, value};
}

/* Everything that changes what a request does is signed. */
static void add_signed(const struct rky_s3 *s3, const struct rky_s3_request *request,
                       struct prepared *prepared)
{
    add(prepared, "host", prepared->address.host);
    add(prepared, "x-amz-content-sha256", prepared->hash);
    add(prepared, "if-match", request->if_match);
    add(prepared, "if-none-match", request->if_none_match);
    add(prepared, "range", request->range);
    if (request->encrypt) {
        add(prepared, "x-amz-server-side-encryption", s3->options.sse);
        add(prepared, "x-amz-server-side-encryption-aws-kms-key-id", s3->options.kms_key_id);
    }
    for (size_t i = 0; request->metadata != NULL && i < request->metadata->count; i++)
        prepared->headers[prepared->count++] = request->metadata->headers[i];
}

static int sign(const struct rky_s3 *s3, const struct rky_s3_request *request,
                struct prepared *prepared, struct rky_error *err)
{
    struct rky_clock *clock = s3->options.clock;
    struct rky_sigv4_input input = {
        .access_key = prepared->keys.access_key,
        .secret_key = prepared->keys.secret_key,
        .session_token = prepared->keys.session_token,
        .region = prepared->region,
        .service = "s3",
        .time_us = clock->wall_us(clock) + prepared->skew_us,
        .method = request->method,
        .path = prepared->address.path,
        .query = request->query,
        .headers = prepared->headers,
        .header_count = prepared->count,
        .payload_sha256 = prepared->hash,
    };
    return rky_sigv4_sign(&input, prepared->date, &prepared->authorization, err);
}

static int prepare(struct rky_s3 *s3, const struct rky_s3_request *request,
                   struct prepared *prepared, struct rky_error *err)
{
    (void)pthread_mutex_lock(&s3->lock);
    memcpy(prepared->region, s3->region, sizeof(prepared->region));
    prepared->skew_us = s3->skew_us;
    (void)pthread_mutex_unlock(&s3->lock);

    int rc = rky_s3_address_make(&s3->site, prepared->region, request->key, request->query,
                                 &prepared->address, err);
    if (rc != 0)
        return rc;
    rky_sha256_hex(request->length > 0 ? request->body : "", request->length, prepared->hash);
    add_signed(s3, request, prepared);
    rc = sign(s3, request, prepared, err);
    if (rc != 0)
        return rc;
    if (request->length > 0)
        add(prepared, "content-type", "application/octet-stream");
    add(prepared, "x-amz-date", prepared->date);
    add(prepared, "x-amz-security-token", prepared->keys.session_token);
    add(prepared, "authorization", prepared->authorization);
    return 0;
}

static void prepared_done(struct prepared *prepared)
{
    rky_aws_keys_done(&prepared->keys);
    rky_s3_address_done(&prepared->address);
    rky_free(prepared->authorization);
}

/* --- what the answer means ---------------------------------------------------------------------
 */

/* The server's own words. Secrets that the log knows go first: half of one would not be known any
 * more once the text is cut to fit. */
static void read_message(const struct rky_s3 *s3, struct rky_s3_xml error,
                         struct rky_s3_complaint *complaint)
{
    char *text = rky_s3_xml_text(error, "Message");
    char *clean = text != NULL ? rky_log_redact(s3->options.log, text) : NULL;
    if (clean != NULL)
        strncpy(complaint->message, clean, sizeof(complaint->message) - 1);
    rky_free(text);
    rky_free(clean);
}

static void read_complaint(const struct rky_s3 *s3, const struct rky_s3_request *request,
                           const struct rky_http_response *response,
                           struct rky_s3_complaint *ret_complaint)
{
    struct rky_s3_xml body, error;
    const char *id = rky_http_response_header(response, "x-amz-request-id");
    memset(ret_complaint, 0, sizeof(*ret_complaint));
    ret_complaint->status = response->status;
    if (id != NULL)
        strncpy(ret_complaint->request_id, id, sizeof(ret_complaint->request_id) - 1);
    bool success = response->status >= 200 && response->status < 300;
    if ((success && !request->error_in_body) || response->length == 0)
        return;
    body = (struct rky_s3_xml){response->body, response->body + response->length};
    if (!rky_s3_xml_next(&body, "Error", &error))
        return;
    rky_s3_xml_copy(error, "Code", ret_complaint->code, sizeof(ret_complaint->code));
    read_message(s3, error, ret_complaint);
    if (ret_complaint->code[0] == '\0')
        memcpy(ret_complaint->code, "Error", sizeof("Error"));
}

/* Where the bucket says it lives; "" when the answer does not tell. */
static void region_told(const struct rky_http_response *response,
                        char ret_region[RKY_S3_REGION_MAX])
{
    const char *header = rky_http_response_header(response, "x-amz-bucket-region");
    ret_region[0] = '\0';
    if (header != NULL && strlen(header) < RKY_S3_REGION_MAX)
        memcpy(ret_region, header, strlen(header) + 1);
    else if (response->length > 0)
        rky_s3_xml_copy((struct rky_s3_xml){response->body, response->body + response->length},
                        "Region", ret_region, RKY_S3_REGION_MAX);
    if (strspn(ret_region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(ret_region))
        ret_region[0] = '\0'; /* it becomes part of a host's name */
}

/* Whether another region than the one that was used became known. Only once: a bucket does not
 * move, and two servers that send us to each other must not be followed. */
static bool learn_region(struct rky_s3 *s3, const struct prepared *prepared,
                         const struct rky_http_response *response)
{
    char region[RKY_S3_REGION_MAX];
    region_told(response, region);
    if (region[0] == '\0' || strcmp(region, prepared->region) == 0)
        return false;
    (void)pthread_mutex_lock(&s3->lock);
    bool first = !s3->region_learned;
    bool known = strcmp(s3->region, region) == 0; /* another thread was faster */
    if (first && !known) {
        memcpy(s3->region, region, sizeof(region));
        s3->region_learned = true;
    }
    (void)pthread_mutex_unlock(&s3->lock);
    if (first && !known)
        rky_log_write(s3->options.log, RKY_LOG_WARN, NULL,
                      "bucket '%s' is in region '%s', not '%s': going on there; set "
                      "state.s3_region = \"%s\" to save a request at each start",
                      s3->options.bucket, region, prepared->region, region);
    return first || known;
}

/* Whether the server's clock differs from the time that was signed. */
static bool learn_clock(struct rky_s3 *s3, const struct prepared *prepared,
                        const struct rky_http_response *response)
{
    struct rky_clock *clock = s3->options.clock;
    int64_t theirs = rky_http_response_time_us(response, "date");
    if (theirs == 0)
        return false;
    int64_t skew = theirs - clock->wall_us(clock);
    if (llabs(skew - prepared->skew_us) < SKEW_STEP_US)
        return false;
    (void)pthread_mutex_lock(&s3->lock);
    s3->skew_us = skew;
    (void)pthread_mutex_unlock(&s3->lock);
    rky_log_write(s3->options.log, RKY_LOG_WARN, NULL,
                  "the clock of this machine is %" PRId64 " s away from that of S3: signing with "
                  "theirs; set the clock",
                  (int64_t)(llabs(skew) / 1000000));
    return true;
}

/* Some answers say more than code and status: what was learned, or what is not set up. */
static void refine(struct rky_s3 *s3, const struct prepared *prepared,
                   const struct rky_http_response *response,
                   const struct rky_s3_complaint *complaint, struct rky_transfer *transfer)
{
    struct rky_attempt *attempt = &transfer->attempt;
    const char *class = attempt->error_class;
    if (strcmp(class, "expired_token") == 0) {
        rky_credentials_expired(s3->options.credentials, &prepared->keys);
    } else if (strcmp(class, "auth") == 0) {
        /* Keys of a file are replaced while we run, and the old ones withdrawn. */
        bool other = rky_credentials_replaced(s3->options.credentials, transfer, &prepared->keys);
        attempt->retry = other ? RKY_RETRY_FREE : RKY_RETRY_NO;
    } else if (strcmp(class, "clock_skew") == 0) {
        attempt->retry = learn_clock(s3, prepared, response) ? RKY_RETRY_FREE : RKY_RETRY_NO;
    } else if (strcmp(class, "region") == 0) {
        attempt->retry = learn_region(s3, prepared, response) ? RKY_RETRY_FREE : RKY_RETRY_NO;
    } else if (strcmp(class, "cas_unsupported") == 0 && s3->options.sse != NULL &&
               (strstr(complaint->message, "ncryption") != NULL ||
                strstr(complaint->message, "KMS") != NULL)) {
        attempt->error_class = "encryption_unsupported";
    }
}

/* "Absent" begins a state anew, so it takes S3's own word: any web server says 404. */
static bool is_somebody_else(const struct rky_s3_request *request,
                             const struct rky_s3_complaint *complaint)
{
    return complaint->status == 404 && strcmp(request->method, "GET") == 0 &&
           strcmp(complaint->code, "NoSuchKey") != 0;
}

static int judge(struct rky_s3 *s3, const struct rky_s3_request *request,
                 const struct prepared *prepared, struct rky_transfer *transfer,
                 const struct rky_http_response *response, struct rky_error *err)
{
    struct rky_s3_complaint complaint;
    read_complaint(s3, request, response, &complaint);
    struct rky_s3_answer answer = {
        .method = request->operation,
        .conditional = request->if_match != NULL || request->if_none_match != NULL,
        .if_match = request->if_match != NULL,
        .status = response->status,
        .code = complaint.code,
        .retry_after_ms = rky_http_retry_after_ms(response, s3->options.clock),
    };
    enum rky_err code = rky_s3_classify(&answer, &transfer->attempt);
    if (code == RKY_OK && is_somebody_else(request, &complaint)) {
        set_attempt(transfer, "not_s3", RKY_RETRY_NO, false);
        code = RKY_ERR_CONFIG;
    }
    if (code == RKY_OK)
        return 0;
    refine(s3, prepared, response, &complaint, transfer);
    rky_s3_explain(s3, request, &complaint, &transfer->attempt, code, err);
    return code;
}

/* --- sending -----------------------------------------------------------------------------------
 */

static struct rky_deadline sooner(const struct rky_s3 *s3, const struct rky_transfer *transfer,
                                  int64_t timeout_ms)
{
    struct rky_deadline own = rky_deadline_in(s3->options.clock, timeout_ms);
    return timeout_ms > 0 && own.mono_ms < transfer->deadline.mono_ms ? own : transfer->deadline;
}

static int send_it(struct rky_s3 *s3, const struct rky_s3_request *request,
                   const struct prepared *prepared, struct rky_transfer *transfer,
                   struct rky_http_response *ret_response, struct rky_error *err)
{
    /* libcurl makes the Host header from the URL; ours was there to be signed. */
    struct rky_http_request http = {
        .method = request->method,
        .url = prepared->address.url,
        .headers = prepared->headers + 1,
        .header_count = prepared->count - 1,
        .body = request->body,
        .body_length = request->length,
        .response_limit = request->answer_limit,
        .deadline = sooner(s3, transfer, request->timeout_ms),
        .stop = transfer->stop,
    };
    int rc = rky_http_call(s3->options.http, &http, ret_response, &transfer->attempt, err);
    if (rc != 0)
        rky_error_wrap(err, "%s of 's3://%s/%s'", request->operation, s3->options.bucket,
                       request->key != NULL ? request->key : "");
    return rc;
}

int rky_s3_call(struct rky_s3 *s3, const struct rky_s3_request *request,
                struct rky_transfer *transfer, struct rky_http_response *ret_response,
                struct rky_error *err)
{
    struct prepared prepared;
    memset(&prepared, 0, sizeof(prepared));
    memset(&transfer->attempt, 0, sizeof(transfer->attempt));

    int rc = rky_credentials_get(s3->options.credentials, transfer, &prepared.keys,
                                 &transfer->attempt, err);
    if (rc == 0) {
        rc = prepare(s3, request, &prepared, err);
        if (rc != 0)
            set_attempt(transfer, "no_memory", RKY_RETRY_NO, false);
    }
    if (rc == 0)
        rc = send_it(s3, request, &prepared, transfer, ret_response, err);
    if (rc == 0) {
        rky_log_write(s3->options.log, RKY_LOG_DEBUG, NULL, "%s of 's3://%s/%s': status %ld",
                      request->operation, s3->options.bucket,
                      request->key != NULL ? request->key : "", ret_response->status);
        rc = judge(s3, request, &prepared, transfer, ret_response, err);
    }
    prepared_done(&prepared);
    return rc;
}
