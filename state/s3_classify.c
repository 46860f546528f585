/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer of S3 means: the S3 rows of the fault table, as two tables. Pure, any thread.
 *
 * The error code of the body decides where it is known, because the same fault comes with different
 * statuses from different servers (ExpiredToken is a 400 at AWS and a 403 elsewhere, and a finished
 * multipart upload may carry an error under status 200); the status decides the rest. What needs
 * more than the answer (a region that could be learned, an encryption that is not configured) is
 * refined by s3_request.c. "Error responses", Amazon S3 API reference.
 */
#include "config.h"

#include "state/remote_s3.h"

#include <string.h>

struct s3_rule {
    const char *code; /**< a trailing '*' matches any ending */
    enum rky_err err;
    const char *error_class;
    enum rky_retry retry;
    bool counts;
};

/* Faults that the code tells, whatever the status. */
static const struct s3_rule by_code[] = {
    {"NoSuchBucket", RKY_ERR_CONFIG, "bucket_missing", RKY_RETRY_NO, false},
    {"InvalidBucketName", RKY_ERR_CONFIG, "bucket_missing", RKY_RETRY_NO, false},
    {"ExpiredToken*", RKY_ERR_AUTH, "expired_token", RKY_RETRY_FREE, false},
    {"InvalidToken", RKY_ERR_AUTH, "expired_token", RKY_RETRY_FREE, false},
    {"TokenRefreshRequired", RKY_ERR_AUTH, "expired_token", RKY_RETRY_FREE, false},
    {"RequestTimeTooSkewed", RKY_ERR_AUTH, "clock_skew", RKY_RETRY_FREE, false},
    {"RequestExpired", RKY_ERR_AUTH, "clock_skew", RKY_RETRY_FREE, false},
    {"InvalidAccessKeyId", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"SignatureDoesNotMatch", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"InvalidSecurity", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"XAdminUserNotFound", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"AccessDenied*", RKY_ERR_AUTH, "permission", RKY_RETRY_NO, false},
    {"AllAccessDisabled", RKY_ERR_AUTH, "permission", RKY_RETRY_NO, false},
    {"AccountProblem", RKY_ERR_AUTH, "permission", RKY_RETRY_NO, false},
    {"InvalidObjectState", RKY_ERR_CONFIG, "object_archived", RKY_RETRY_NO, false},
    {"AuthorizationHeaderMalformed", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"PermanentRedirect", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"TemporaryRedirect", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"IllegalLocationConstraintException", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"IncorrectEndpoint", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"BadDigest", RKY_ERR_UNAVAILABLE, "checksum", RKY_RETRY_ONCE, false},
    {"InvalidDigest", RKY_ERR_UNAVAILABLE, "checksum", RKY_RETRY_ONCE, false},
    {"XAmzContentSHA256Mismatch", RKY_ERR_UNAVAILABLE, "checksum", RKY_RETRY_ONCE, false},
    {"IncompleteBody", RKY_ERR_UNAVAILABLE, "partial_body", RKY_RETRY_YES, true},
    {"RequestTimeout", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"InternalError", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"EntityTooLarge", RKY_ERR_CONFIG, "too_large", RKY_RETRY_NO, false},
    {"MaxMessageLengthExceeded", RKY_ERR_CONFIG, "too_large", RKY_RETRY_NO, false},
    {"SlowDown*", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"Throttl*", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"KMS.Throttl*", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"RequestLimitExceeded", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"BandwidthLimitExceeded", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"TooManyRequests*", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"KMS.*", RKY_ERR_CONFIG, "kms_key", RKY_RETRY_NO, false},
    /* The parts of an upload are gone: nothing was written, the next attempt begins anew. */
    {"NoSuchUpload", RKY_ERR_UNAVAILABLE, "upload_lost", RKY_RETRY_YES, false},
    {"InvalidPart*", RKY_ERR_UNAVAILABLE, "upload_lost", RKY_RETRY_YES, false},
};

/* Faults that only the status tells. */
static const struct {
    long from, to;
    struct s3_rule rule;
} by_status[] = {
    {300, 399, {"", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false}},
    {401, 401, {"", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false}},
    {403, 403, {"", RKY_ERR_AUTH, "permission", RKY_RETRY_NO, false}},
    {408, 408, {"", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true}},
    {413, 413, {"", RKY_ERR_CONFIG, "too_large", RKY_RETRY_NO, false}},
    {429, 429, {"", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true}},
    {400, 499, {"", RKY_ERR_CONFIG, "request_refused", RKY_RETRY_NO, false}},
    {501, 501, {"", RKY_ERR_CONFIG, "unsupported", RKY_RETRY_NO, false}},
    {503, 503, {"", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true}},
};
static const struct s3_rule not_http = {"", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES,
                                        true};
static const struct s3_rule refused_condition = {"", RKY_ERR_CONFLICT, "conflict", RKY_RETRY_NO,
                                                 false};
/* Two requests met in the server: the loser may have been us or may not have been looked at. */
static const struct s3_rule met_another = {"", RKY_ERR_CONFLICT, "conflict", RKY_RETRY_YES, false};
static const struct s3_rule met_unconditional = {"", RKY_ERR_UNAVAILABLE, "server_error",
                                                 RKY_RETRY_YES, false};
static const struct s3_rule deleted = {"", RKY_ERR_NOT_FOUND, "deleted", RKY_RETRY_NO, false};
static const struct s3_rule no_bucket = {"", RKY_ERR_CONFIG, "bucket_missing", RKY_RETRY_NO, false};
static const struct s3_rule no_condition = {"", RKY_ERR_CONFIG, "cas_unsupported", RKY_RETRY_NO,
                                            false};

static bool code_matches(const char *pattern, const char *code)
{
    size_t length = strlen(pattern);
    if (pattern[length - 1] == '*')
        return strncmp(pattern, code, length - 1) == 0;
    return strcmp(pattern, code) == 0;
}

static const struct s3_rule *rule_of_code(const char *code)
{
    for (size_t i = 0; i < sizeof(by_code) / sizeof(by_code[0]); i++)
        if (code_matches(by_code[i].code, code))
            return &by_code[i];
    return NULL;
}

static const struct s3_rule *rule_of_status(long status)
{
    for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++)
        if (status >= by_status[i].from && status <= by_status[i].to)
            return &by_status[i].rule;
    return &not_http;
}

static bool is_read(const struct rky_s3_answer *answer)
{
    return strcmp(answer->method, "GET") == 0 || strcmp(answer->method, "HEAD") == 0;
}

/* NULL = the answer is no fault. */
static const struct s3_rule *not_found(const struct rky_s3_answer *answer)
{
    if (answer->if_match)
        return &deleted;
    if (strcmp(answer->method, "LIST") == 0 || strcmp(answer->method, "PUT") == 0)
        return &no_bucket;
    return NULL;
}

static const struct s3_rule *rule_of(const struct rky_s3_answer *answer)
{
    const struct s3_rule *rule = answer->code[0] != '\0' ? rule_of_code(answer->code) : NULL;
    if (rule != NULL)
        return rule;
    switch (answer->status) {
    case 304:
        return is_read(answer) ? NULL : &not_http;
    case 404:
        return not_found(answer);
    case 409:
        return answer->conditional ? &met_another : &met_unconditional;
    case 412:
        return answer->conditional ? &refused_condition : rule_of_status(412);
    case 501:
        return answer->conditional ? &no_condition : rule_of_status(501);
    default:
        break;
    }
    if (answer->status >= 200 && answer->status < 300)
        return answer->code[0] == '\0' ? NULL : &not_http;
    return rule_of_status(answer->status);
}

enum rky_err rky_s3_classify(const struct rky_s3_answer *answer, struct rky_attempt *ret_attempt)
{
    const struct s3_rule *rule = rule_of(answer);
    memset(ret_attempt, 0, sizeof(*ret_attempt));
    if (rule == NULL)
        return RKY_OK;
    ret_attempt->error_class = rule->error_class;
    ret_attempt->retry = rule->retry;
    ret_attempt->counts = rule->counts;
    if (rule->retry == RKY_RETRY_YES)
        ret_attempt->retry_after_ms = answer->retry_after_ms;
    return rule->err;
}
