/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A refusal of S3 in words: what was asked, what the server said, and what to do about it. Any
 * thread.
 *
 * The server's own message is quoted because it names the principal and the permission; it comes
 * from outside, so it is short, known secrets are taken out, and control characters go. Nothing of
 * the request but its operation and key is shown.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <string.h>

#include "common/mem.h"

static void plain(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

static void hint_permission(const struct rky_s3 *s3, const struct rky_s3_request *request,
                            const struct rky_s3_complaint *complaint, struct rky_error *err)
{
    const char *bucket = s3->options.bucket;
    const char *prefix = s3->options.prefix;
    bool reads = strcmp(request->action, "s3:GetObject") == 0;
    bool kms = strstr(complaint->message, "kms:") != NULL ||
               (s3->options.sse != NULL && strncmp(s3->options.sse, "aws:kms", 7) == 0);
    if (strcmp(request->action, "s3:ListBucket") == 0)
        rky_error_hint(err, "allow s3:ListBucket on arn:aws:s3:::%s", bucket);
    else if (reads)
        rky_error_hint(err,
                       "allow s3:GetObject on arn:aws:s3:::%s/%s* and s3:ListBucket on "
                       "arn:aws:s3:::%s (without it a missing object is answered the same way)%s",
                       bucket, prefix, bucket, kms ? ", and kms:Decrypt on the key" : "");
    else
        rky_error_hint(err, "allow %s on arn:aws:s3:::%s/%s*%s", request->action, bucket, prefix,
                       kms ? ", and kms:GenerateDataKey and kms:Decrypt on the key" : "");
}

/* The fix for a class of faults; '%s' is the bucket. */
static const struct {
    const char *error_class, *hint;
} hints[] = {
    {"bucket_missing", "create the bucket, or correct state.s3_bucket and state.s3_endpoint"},
    {"auth", "check access key, secret key and session token, and that state.s3_endpoint is the "
             "service they belong to"},
    {"expired_token", "renew the credentials; the ones found are expired"},
    {"clock_skew", "set the clock of this machine: S3 allows 15 minutes of difference"},
    {"region", "set state.s3_region to the region of the bucket, and state.s3_endpoint to its "
               "endpoint if one is set"},
    {"object_archived", "restore the object from its archive tier, and take the state's prefix out "
                        "of the bucket's lifecycle rules"},
    {"cas_unsupported", "use a service with conditional writes, or one single writer with "
                        "state.concurrency_control = \"off\""},
    {"encryption_unsupported", "set a KMS up in the service, or leave out state.s3_sse"},
    {"kms_key", "check state.s3_kms_key_id: the key must be enabled and in the bucket's region"},
    {"too_large", "raise the service's limit on the size of objects"},
    {"not_s3", "check state.s3_endpoint: what answers there is not S3"},
    {"deleted", "somebody deleted the object while it was in use"},
};

static void hint(const struct rky_s3 *s3, const struct rky_s3_request *request,
                 const struct rky_s3_complaint *complaint, const char *error_class,
                 struct rky_error *err)
{
    if (strcmp(error_class, "permission") == 0) {
        hint_permission(s3, request, complaint, err);
        return;
    }
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcmp(hints[i].error_class, error_class) == 0)
            rky_error_hint(err, "%s", hints[i].hint);
}

static const char *verb(enum rky_err code)
{
    switch (code) {
    case RKY_ERR_CONFLICT:
        return "found another version than expected";
    case RKY_ERR_NOT_FOUND:
        return "found the object gone";
    case RKY_ERR_UNAVAILABLE:
        return "failed";
    default:
        return "was refused";
    }
}

void rky_s3_explain(const struct rky_s3 *s3, const struct rky_s3_request *request,
                    const struct rky_s3_complaint *complaint, const struct rky_attempt *attempt,
                    enum rky_err code, struct rky_error *err)
{
    struct rky_strbuf text = {0};
    rky_strbuf_addf(&text, "%ld", complaint->status);
    if (complaint->code[0] != '\0')
        rky_strbuf_addf(&text, " %s", complaint->code);
    if (complaint->message[0] != '\0')
        rky_strbuf_addf(&text, ": %s", complaint->message);
    if (complaint->request_id[0] != '\0')
        rky_strbuf_addf(&text, " (request %s)", complaint->request_id);
    char *clean = rky_log_redact(s3->options.log, rky_strbuf_text(&text));
    if (clean != NULL)
        plain(clean);
    (void)rky_fail(err, code, "%s of 's3://%s/%s' %s: %s", request->operation, s3->options.bucket,
                   request->key != NULL ? request->key : "", verb(code),
                   clean != NULL ? clean : "");
    hint(s3, request, complaint, attempt->error_class, err);
    if (err != NULL) {
        err->native_code = complaint->status;
        err->transient = attempt->retry != RKY_RETRY_NO;
    }
    rky_free(clean);
    rky_strbuf_done(&text);
}
