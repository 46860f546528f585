/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers of S3 mean: the fault table, a row each.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "state/remote_s3.h"
#include "tests/kit/check_main.h"

enum { PLAIN, CREATE, REPLACE }; /* without a condition, If-None-Match, If-Match */

static const struct {
    const char *method;
    int condition;
    long status;
    const char *code;
    int err;
    const char *error_class;
    enum rky_retry retry;
    bool counts;
} rows[] = {
    /* No fault. */
    {"GET", PLAIN, 200, "", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"GET", PLAIN, 206, "", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"GET", CREATE, 304, "", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"GET", PLAIN, 404, "NoSuchKey", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"HEAD", PLAIN, 404, "", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"DELETE", PLAIN, 204, "", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"DELETE", PLAIN, 404, "NoSuchKey", RKY_OK, NULL, RKY_RETRY_NO, false},
    {"PUT", REPLACE, 200, "", RKY_OK, NULL, RKY_RETRY_NO, false},
    /* Missing. */
    {"GET", PLAIN, 404, "NoSuchBucket", RKY_ERR_CONFIG, "bucket_missing", RKY_RETRY_NO, false},
    {"LIST", PLAIN, 404, "", RKY_ERR_CONFIG, "bucket_missing", RKY_RETRY_NO, false},
    {"PUT", CREATE, 404, "NoSuchBucket", RKY_ERR_CONFIG, "bucket_missing", RKY_RETRY_NO, false},
    {"PUT", REPLACE, 404, "NoSuchKey", RKY_ERR_NOT_FOUND, "deleted", RKY_RETRY_NO, false},
    {"PUT", REPLACE, 404, "", RKY_ERR_NOT_FOUND, "deleted", RKY_RETRY_NO, false},
    {"DELETE", REPLACE, 404, "NoSuchKey", RKY_ERR_NOT_FOUND, "deleted", RKY_RETRY_NO, false},
    /* Who we are. */
    {"GET", PLAIN, 403, "AccessDenied", RKY_ERR_AUTH, "permission", RKY_RETRY_NO, false},
    {"HEAD", PLAIN, 403, "", RKY_ERR_AUTH, "permission", RKY_RETRY_NO, false},
    {"PUT", CREATE, 403, "SignatureDoesNotMatch", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"PUT", CREATE, 403, "InvalidAccessKeyId", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"GET", PLAIN, 404, "XAdminUserNotFound", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"GET", PLAIN, 401, "", RKY_ERR_AUTH, "auth", RKY_RETRY_NO, false},
    {"GET", PLAIN, 400, "ExpiredToken", RKY_ERR_AUTH, "expired_token", RKY_RETRY_FREE, false},
    {"GET", PLAIN, 403, "ExpiredTokenException", RKY_ERR_AUTH, "expired_token", RKY_RETRY_FREE,
     false},
    {"GET", PLAIN, 400, "InvalidToken", RKY_ERR_AUTH, "expired_token", RKY_RETRY_FREE, false},
    {"PUT", CREATE, 403, "RequestTimeTooSkewed", RKY_ERR_AUTH, "clock_skew", RKY_RETRY_FREE, false},
    /* Where the bucket is. */
    {"GET", PLAIN, 301, "PermanentRedirect", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"PUT", CREATE, 307, "TemporaryRedirect", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"HEAD", PLAIN, 301, "", RKY_ERR_CONFIG, "region", RKY_RETRY_NO, false},
    {"GET", PLAIN, 400, "AuthorizationHeaderMalformed", RKY_ERR_CONFIG, "region", RKY_RETRY_NO,
     false},
    /* Conditions. */
    {"PUT", CREATE, 412, "PreconditionFailed", RKY_ERR_CONFLICT, "conflict", RKY_RETRY_NO, false},
    {"PUT", REPLACE, 412, "", RKY_ERR_CONFLICT, "conflict", RKY_RETRY_NO, false},
    {"PUT", REPLACE, 409, "ConditionalRequestConflict", RKY_ERR_CONFLICT, "conflict", RKY_RETRY_YES,
     false},
    {"PUT", PLAIN, 409, "OperationAborted", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES,
     false},
    {"PUT", CREATE, 501, "NotImplemented", RKY_ERR_CONFIG, "cas_unsupported", RKY_RETRY_NO, false},
    {"PUT", PLAIN, 501, "NotImplemented", RKY_ERR_CONFIG, "unsupported", RKY_RETRY_NO, false},
    /* The request itself. */
    {"PUT", CREATE, 400, "BadDigest", RKY_ERR_UNAVAILABLE, "checksum", RKY_RETRY_ONCE, false},
    {"PUT", CREATE, 400, "XAmzContentSHA256Mismatch", RKY_ERR_UNAVAILABLE, "checksum",
     RKY_RETRY_ONCE, false},
    {"PUT", CREATE, 413, "", RKY_ERR_CONFIG, "too_large", RKY_RETRY_NO, false},
    {"PUT", CREATE, 400, "EntityTooLarge", RKY_ERR_CONFIG, "too_large", RKY_RETRY_NO, false},
    {"PUT", CREATE, 411, "MissingContentLength", RKY_ERR_CONFIG, "request_refused", RKY_RETRY_NO,
     false},
    {"PUT", CREATE, 400, "InvalidArgument", RKY_ERR_CONFIG, "request_refused", RKY_RETRY_NO, false},
    {"PUT", CREATE, 400, "KMS.DisabledException", RKY_ERR_CONFIG, "kms_key", RKY_RETRY_NO, false},
    {"GET", PLAIN, 403, "InvalidObjectState", RKY_ERR_CONFIG, "object_archived", RKY_RETRY_NO,
     false},
    /* The service. */
    {"GET", PLAIN, 429, "", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"PUT", CREATE, 503, "SlowDown", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"GET", PLAIN, 503, "", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES, true},
    {"PUT", CREATE, 400, "KMS.ThrottlingException", RKY_ERR_UNAVAILABLE, "throttled", RKY_RETRY_YES,
     true},
    {"GET", PLAIN, 408, "", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"PUT", CREATE, 400, "RequestTimeout", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES,
     true},
    {"PUT", CREATE, 400, "IncompleteBody", RKY_ERR_UNAVAILABLE, "partial_body", RKY_RETRY_YES,
     true},
    {"GET", PLAIN, 500, "InternalError", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"GET", PLAIN, 502, "", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"GET", PLAIN, 504, "", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"GET", PLAIN, 100, "", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"PUT", PLAIN, 304, "", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    /* An upload in parts. */
    {"PUT", CREATE, 200, "InternalError", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"PUT", CREATE, 200, "SomethingNew", RKY_ERR_UNAVAILABLE, "server_error", RKY_RETRY_YES, true},
    {"PUT", CREATE, 404, "NoSuchUpload", RKY_ERR_UNAVAILABLE, "upload_lost", RKY_RETRY_YES, false},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

START_TEST(each_answer_means_what_the_table_says)
{
    struct rky_attempt attempt;
    const struct rky_s3_answer answer = {
        .method = rows[_i].method,
        .conditional = rows[_i].condition != PLAIN,
        .if_match = rows[_i].condition == REPLACE,
        .status = rows[_i].status,
        .code = rows[_i].code,
        .retry_after_ms = 1500,
    };
    char what[128];
    (void)snprintf(what, sizeof(what), "%s %ld '%s'", answer.method, answer.status, answer.code);
    memset(&attempt, 0xff, sizeof(attempt));
    int err = rky_s3_classify(&answer, &attempt);
    ck_assert_msg(err == rows[_i].err, "%s: %s", what, rky_err_name(err));
    ck_assert_msg(
        (attempt.error_class == NULL) == (rows[_i].error_class == NULL) &&
            (attempt.error_class == NULL || strcmp(attempt.error_class, rows[_i].error_class) == 0),
        "%s: %s", what, attempt.error_class != NULL ? attempt.error_class : "none");
    ck_assert_msg(attempt.retry == rows[_i].retry, "%s: retry %d", what, (int)attempt.retry);
    ck_assert_msg(attempt.counts == rows[_i].counts, "%s: counts %d", what, attempt.counts);
    /* Only who tries again can be asked to wait. */
    ck_assert_int_eq(attempt.retry_after_ms, attempt.retry == RKY_RETRY_YES ? 1500 : 0);
}
END_TEST

START_TEST(no_status_and_no_code_is_taken_for_success_by_accident)
{
    static const char *const methods[] = {"PUT", "GET", "HEAD", "DELETE", "LIST"};
    for (size_t m = 0; m < 5; m++) {
        for (long status = 0; status < 700; status++) {
            struct rky_attempt attempt;
            const struct rky_s3_answer answer = {
                .method = methods[m], .status = status, .code = "NeverHeardOf"};
            bool read = strcmp(methods[m], "GET") == 0 || strcmp(methods[m], "HEAD") == 0;
            bool missing = status == 404 && (read || strcmp(methods[m], "DELETE") == 0);
            bool fine = missing || (status == 304 && read);
            int err = rky_s3_classify(&answer, &attempt);
            ck_assert_msg((err == RKY_OK) == fine, "%s %ld", methods[m], status);
            ck_assert((err == RKY_OK) == (attempt.error_class == NULL));
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("s3: classification");
    TCase *tcase = tcase_create("table");
    tcase_add_loop_test(tcase, each_answer_means_what_the_table_says, 0, ROWS);
    tcase_add_test(tcase, no_status_and_no_code_is_taken_for_success_by_accident);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
