/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message to job. The order of the checks is part of the contract: size and headers before any
 * byte of the body is looked at, the body's bytes before JSON, JSON before meaning. The first thing
 * wrong is the reason of the dead letter.
 *
 * Whatever can be read of job id and namespace goes into the rejection, so that somebody who waits
 * for this job can be told.
 */
#include "config.h"

#include "schemas/job.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "schemas/body.h"
#include "schemas/job_internal.h"
#include "schemas/shape_format.h"

/* One decoding under way. */
struct decoding {
    const struct rky_message *message;
    const struct rky_job_kind *kind;
    struct rky_rejection rejection;
    char header_job_id[RKY_UUID_TEXT];
    json_t *body;
    struct rky_job job;
};

static int reject(struct decoding *decoding, const char *reason, const char *format, ...)
    RKY_PRINTF(3, 4);

static int reject(struct decoding *decoding, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    decoding->rejection.reason = reason;
    (void)vsnprintf(decoding->rejection.message, sizeof(decoding->rejection.message), format, args);
    va_end(args);
    /* The message may quote the input, cut anywhere; it goes into headers, logs and JSON. */
    for (char *c = decoding->rejection.message; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            *c = '?';
    }
    return RKY_ERR_DECODE;
}

/* --- headers -----------------------------------------------------------------------------------
 */

/* The text of a header: NULL when absent. One with a NUL inside is no text. */
static int header_text(struct decoding *decoding, const char *name, const char **ret_text)
{
    const struct rky_header *header = rky_message_header(decoding->message, name);
    *ret_text = NULL;
    if (header == NULL)
        return 0;
    if (strlen(header->value) != header->length || !rky_utf8_valid(header->value, header->length))
        return reject(decoding, "invalid_header", "header '%s': expected text, found other bytes",
                      name);
    *ret_text = header->value;
    return 0;
}

static int required_text(struct decoding *decoding, const char *name, const char **ret_text)
{
    int rc = header_text(decoding, name, ret_text);
    if (rc == 0 && (*ret_text == NULL || (*ret_text)[0] == '\0'))
        rc = reject(decoding, "missing_header", "header '%s' is missing or empty", name);
    return rc;
}

static int check_sizes(struct decoding *decoding)
{
    const struct rky_message *message = decoding->message;
    if (message->value == NULL || message->value_length == 0)
        return reject(decoding, "empty_body", "expected a body, found none");
    if (message->value_length > RKY_JOB_BODY_MAX)
        return reject(decoding, "too_large", "expected at most %d bytes of body, found %zu",
                      RKY_JOB_BODY_MAX, message->value_length);
    if (message->header_count > RKY_JOB_HEADERS_MAX)
        return reject(decoding, "invalid_header", "expected at most %d headers, found %zu",
                      RKY_JOB_HEADERS_MAX, message->header_count);
    return 0;
}

/* `application/json`, any case, with or without parameters. */
static int check_content_type(struct decoding *decoding)
{
    static const char wanted[] = "application/json";
    const char *text = NULL;
    int rc = required_text(decoding, "content-type", &text);
    if (rc != 0)
        return rc;
    const char *rest = text + sizeof(wanted) - 1;
    if (strncasecmp(text, wanted, sizeof(wanted) - 1) != 0 ||
        (rest[0] != '\0' && rest[strspn(rest, " \t")] != ';'))
        return reject(decoding, "wrong_content_type",
                      "expected content-type 'application/json', found '%.80s'", text);
    return 0;
}

static int check_cloudevent(struct decoding *decoding, const char **ret_type)
{
    const char *text = NULL;
    int64_t time_us = 0;
    int rc = required_text(decoding, "ce_specversion", &text);
    if (rc == 0 && strcmp(text, "1.0") != 0)
        rc = reject(decoding, "invalid_header",
                    "header 'ce_specversion': expected '1.0', found "
                    "'%.40s'",
                    text);
    if (rc == 0)
        rc = required_text(decoding, "ce_id", &text);
    if (rc == 0)
        rc = required_text(decoding, "ce_type", ret_type);
    if (rc == 0)
        rc = required_text(decoding, "ce_source", &text);
    if (rc == 0)
        rc = required_text(decoding, "ce_time", &text);
    if (rc == 0 && !rky_body_rfc3339(text, &time_us))
        rc = reject(decoding, "invalid_header",
                    "header 'ce_time': expected a time as RFC 3339 has it, found '%.60s'", text);
    return rc;
}

static int read_job_id(struct decoding *decoding)
{
    const char *text = NULL;
    int rc = required_text(decoding, "x-job-id", &text);
    if (rc == 0 && !rky_uuid_valid(text))
        rc = reject(decoding, "invalid_header", "header 'x-job-id': expected a UUID, found '%.60s'",
                    text);
    return rc;
}

static int read_attempt(struct decoding *decoding)
{
    const char *text = NULL;
    int rc = header_text(decoding, "x-attempt", &text);
    decoding->job.attempt = 1;
    if (rc != 0 || text == NULL)
        return rc;
    size_t digits = strspn(text, "0123456789");
    long attempt = digits > 0 && digits < 9 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;
    if (attempt < 1 || attempt > RKY_JOB_ATTEMPT_MAX)
        return reject(decoding, "invalid_header",
                      "header 'x-attempt': expected an integer from 1 to %d, found '%.40s'",
                      RKY_JOB_ATTEMPT_MAX, text);
    decoding->job.attempt = (int)attempt;
    return 0;
}

static int read_time(struct decoding *decoding, const char *name, int64_t *ret_wall_us)
{
    const char *text = NULL;
    int rc = header_text(decoding, name, &text);
    if (rc == 0 && text != NULL && !rky_body_time(text, ret_wall_us))
        rc = reject(decoding, "invalid_header",
                    "header '%s': expected a time as RFC 3339 has it or milliseconds since 1970, "
                    "found '%.60s'",
                    name, text);
    return rc;
}

static int read_idempotency_key(struct decoding *decoding, struct rky_error *err)
{
    const char *text = NULL;
    int rc = header_text(decoding, "x-idempotency-key", &text);
    if (rc != 0 || text == NULL)
        return rc;
    if (!rky_format_is("idempotency-key", text))
        return reject(decoding, "invalid_header",
                      "header 'x-idempotency-key': expected 1 to %d printable ASCII characters",
                      RKY_IDEMPOTENCY_KEY_MAX);
    decoding->job.idempotency_key = rky_strdup(text);
    return decoding->job.idempotency_key != NULL ? 0 : rky_fail_nomem(err);
}

/* A trace context that is not well-formed is dropped, as W3C asks; it is no reason to refuse. */
static int read_traceparent(struct decoding *decoding, struct rky_error *err)
{
    const struct rky_header *header = rky_message_header(decoding->message, "traceparent");
    if (header == NULL ||
        !rky_format_match(rky_format_find("traceparent"), header->value, header->length))
        return 0;
    decoding->job.traceparent = rky_strdup(header->value);
    return decoding->job.traceparent != NULL ? 0 : rky_fail_nomem(err);
}

static int check_headers(struct decoding *decoding, struct rky_error *err)
{
    const char *type = NULL;
    int rc = check_content_type(decoding);
    if (rc == 0)
        rc = check_cloudevent(decoding, &type);
    if (rc == 0)
        rc = read_job_id(decoding);
    if (rc == 0)
        rc = read_attempt(decoding);
    if (rc == 0)
        rc = read_time(decoding, "x-not-before", &decoding->job.not_before_us);
    if (rc == 0)
        rc = read_time(decoding, "x-deadline", &decoding->job.deadline_us);
    if (rc == 0)
        rc = read_idempotency_key(decoding, err);
    if (rc == 0)
        rc = read_traceparent(decoding, err);
    if (rc != 0)
        return rc;
    decoding->kind = rky_job_kind_by_event(type);
    if (decoding->kind == NULL)
        return reject(decoding, "unknown_type",
                      "expected ce_type 'rocky.job.run', '.plan', '.apply' or '.cancel', found "
                      "'%.80s'",
                      type);
    return 0;
}

/* --- body --------------------------------------------------------------------------------------
 */

/* What headers and key tell before anything is checked; the body's own words replace it later. */
static void salvage_headers(struct decoding *decoding)
{
    const struct rky_message *message = decoding->message;
    const struct rky_header *id = rky_message_header(message, "x-job-id");
    if (id != NULL && id->length == strlen(id->value) && rky_uuid_valid(id->value)) {
        rky_job_lower_uuid(id->value, decoding->header_job_id);
        memcpy(decoding->rejection.job_id, decoding->header_job_id, RKY_UUID_TEXT);
    }
    /* The key of a cancel is a job id, which would pass for a namespace. */
    const struct rky_header *type = rky_message_header(message, "ce_type");
    bool cancel = type != NULL && strcmp(type->value, "rocky.job.cancel") == 0;
    if (!cancel && message->key != NULL && strlen(message->key) == message->key_length &&
        rky_namespace_valid(message->key))
        (void)snprintf(decoding->rejection.namespace_, sizeof(decoding->rejection.namespace_), "%s",
                       message->key);
}

static void salvage_body(struct decoding *decoding)
{
    const char *job_id = json_string_value(json_object_get(decoding->body, "job_id"));
    const char *namespace_ = json_string_value(json_object_get(decoding->body, "namespace"));
    if (job_id != NULL && rky_uuid_valid(job_id))
        rky_job_lower_uuid(job_id, decoding->rejection.job_id);
    if (namespace_ != NULL && rky_namespace_valid(namespace_))
        (void)snprintf(decoding->rejection.namespace_, sizeof(decoding->rejection.namespace_), "%s",
                       namespace_);
}

static int parse_body(struct decoding *decoding, struct rky_error *err)
{
    struct rky_error local = {0};
    const char *reason = NULL;
    int rc = rky_body_parse(decoding->message->value, decoding->message->value_length,
                            &decoding->body, &reason, &local);
    if (rc == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    if (rc != 0)
        return reject(decoding, reason, "%s", local.message);
    salvage_body(decoding);
    return 0;
}

static int check_forbidden(struct decoding *decoding, const struct rky_shape *shape)
{
    for (const struct rky_shape_field *field = shape->fields; field->name != NULL; field++) {
        if (field->shape->type == RKY_SHAPE_FORBIDDEN &&
            json_object_get(decoding->body, field->name) != NULL)
            return reject(decoding, "forbidden_field",
                          "field '%s' is forbidden: a job carries no SQL, path, address or "
                          "credential",
                          field->name);
    }
    return 0;
}

static int check_body(struct decoding *decoding)
{
    const struct rky_shape *shape = rky_shape_find(decoding->kind->shape);
    struct rky_error local = {0};
    int64_t version = 0;
    if (!json_is_object(decoding->body))
        return reject(decoding, "invalid_body", "expected a JSON object, found another value");
    if (rky_body_integer(json_object_get(decoding->body, "v"), &version) && version > 1)
        return reject(decoding, "unsupported_version", "expected version 1 of '%s', found %lld",
                      decoding->kind->event, (long long)version);
    int rc = check_forbidden(decoding, shape);
    if (rc == 0 && rky_shape_check(shape, decoding->body, &local) != 0)
        rc = reject(decoding, "invalid_body", "%s", local.message);
    return rc;
}

/* Another client's default partitioner, or a key that is not the namespace, would break the order
 * of a namespace unseen. */
static int check_key(struct decoding *decoding)
{
    const struct rky_message *message = decoding->message;
    const struct rky_job *job = &decoding->job;
    bool cancel = job->type == RKY_JOB_CANCEL;
    const char *wanted = cancel ? job->job_id : job->namespace_;
    bool same = message->key != NULL && message->key_length == strlen(wanted) &&
                (cancel ? strncasecmp(message->key, wanted, message->key_length)
                        : memcmp(message->key, wanted, message->key_length)) == 0;
    if (!same)
        return reject(decoding, "key_mismatch", "expected the record's key to be the body's %s",
                      cancel ? "job_id" : "namespace");
    if (strcmp(decoding->header_job_id, job->job_id) != 0)
        return reject(decoding, "key_mismatch",
                      "expected header 'x-job-id' to be the body's job_id '%s', found '%s'",
                      job->job_id, decoding->header_job_id);
    return 0;
}

/* Header facts survive the reading of the body. */
static int read_body(struct decoding *decoding, struct rky_error *err)
{
    struct rky_job job = {0};
    int rc = rky_job_read_body(decoding->body, decoding->kind->type, &job, err);
    if (rc != 0)
        return rc;
    job.attempt = decoding->job.attempt;
    job.not_before_us = decoding->job.not_before_us;
    job.deadline_us = decoding->job.deadline_us;
    job.idempotency_key = decoding->job.idempotency_key;
    job.traceparent = decoding->job.traceparent;
    decoding->job = job;
    rky_sha256_hex(decoding->message->value, decoding->message->value_length,
                   decoding->job.body_sha256);
    return 0;
}

int rky_job_decode(const struct rky_message *message, struct rky_job *ret_job,
                   struct rky_rejection *ret_rejection, struct rky_error *err)
{
    struct decoding decoding = {.message = message};
    salvage_headers(&decoding);
    int rc = check_sizes(&decoding);
    if (rc == 0)
        rc = check_headers(&decoding, err);
    if (rc == 0)
        rc = parse_body(&decoding, err);
    if (rc == 0)
        rc = check_body(&decoding);
    if (rc == 0)
        rc = read_body(&decoding, err);
    if (rc == 0)
        rc = check_key(&decoding);
    json_decref(decoding.body);
    if (rc == 0) {
        *ret_job = decoding.job;
        return 0;
    }
    rky_job_done(&decoding.job);
    if (rc == RKY_ERR_DECODE) {
        *ret_rejection = decoding.rejection;
        (void)rky_fail(err, RKY_ERR_DECODE, "%s", decoding.rejection.message);
    }
    return rc;
}
