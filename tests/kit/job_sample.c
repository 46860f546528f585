/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/kit/job_sample.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void sample_message(struct rky_message *ret_message)
{
    static const char *const headers[][2] = {
        {"ce_specversion", "1.0"},
        {"ce_id", SAMPLE_JOB_ID},
        {"ce_type", "rocky.job.run"},
        {"ce_source", "/rocky-producer/host"},
        {"ce_time", "2026-11-21T10:00:00.000Z"},
        {"content-type", "application/json"},
        {"x-job-id", SAMPLE_JOB_ID},
        {"x-attempt", "1"},
    };
    struct rky_message message = {0};
    RKY_ASSERT(rky_message_set(&message, "bronze", 6, SAMPLE_BODY, strlen(SAMPLE_BODY), NULL) == 0);
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        RKY_ASSERT(rky_message_add_text(&message, headers[i][0], headers[i][1], NULL) == 0);
    *ret_message = message;
}

void sample_set_header(struct rky_message *message, const char *name, const char *value)
{
    for (size_t i = 0; i < message->header_count; i++) {
        if (strcmp(message->headers[i].name, name) != 0)
            continue;
        rky_free(message->headers[i].name);
        rky_free(message->headers[i].value);
        memmove(&message->headers[i], &message->headers[i + 1],
                (message->header_count - i - 1) * sizeof(message->headers[0]));
        message->header_count--;
        i--;
    }
    if (value != NULL)
        RKY_ASSERT(rky_message_add_text(message, name, value, NULL) == 0);
}

void sample_set_body(struct rky_message *message, const char *body)
{
    char *key = message->key != NULL ? rky_strdup(message->key) : NULL;
    RKY_ASSERT(rky_message_set(message, key, message->key_length, body,
                               body != NULL ? strlen(body) : 0, NULL) == 0);
    rky_free(key);
}

void sample_parse(const char *bytes, size_t length, struct rky_message *ret_message)
{
    struct rky_message message = {0};
    const char *end = bytes + length;
    const char *key = NULL;
    size_t key_length = 0;
    while (bytes < end && *bytes != '\n') {
        const char *line_end = memchr(bytes, '\n', (size_t)(end - bytes));
        if (line_end == NULL)
            line_end = end;
        const char *colon = memchr(bytes, ':', (size_t)(line_end - bytes));
        size_t name_length = (size_t)((colon != NULL ? colon : line_end) - bytes);
        const char *value = colon != NULL ? colon + 1 : NULL;
        if (value != NULL && value < line_end && *value == ' ')
            value++;
        size_t value_length = value != NULL ? (size_t)(line_end - value) : 0;
        char *name = rky_strndup(bytes, name_length);
        RKY_ASSERT(name != NULL);
        if (strcmp(name, "key") == 0) {
            key = value;
            key_length = value_length;
        } else {
            RKY_ASSERT(rky_message_add_header(&message, name, value, value_length, NULL) == 0);
        }
        rky_free(name);
        bytes = line_end < end ? line_end + 1 : end;
    }
    const char *body = bytes < end ? bytes + 1 : NULL;
    RKY_ASSERT(rky_message_set(&message, key, key_length, body,
                               body != NULL ? (size_t)(end - body) : 0, NULL) == 0);
    *ret_message = message;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool sample_same_job(const struct rky_job *a, const struct rky_job *b)
{
    bool same = a->type == b->type && strcmp(a->job_id, b->job_id) == 0 &&
                same_text(a->namespace_, b->namespace_) && same_text(a->pipeline, b->pipeline) &&
                a->filter.count == b->filter.count && a->full_refresh == b->full_refresh &&
                strcmp(a->plan_id, b->plan_id) == 0 && a->expires_seconds == b->expires_seconds &&
                a->run_timeout_seconds == b->run_timeout_seconds &&
                same_text(a->requested_by, b->requested_by) &&
                same_text(a->idempotency_key, b->idempotency_key) &&
                same_text(a->traceparent, b->traceparent) && a->attempt == b->attempt &&
                /* Times are sent with milliseconds. */
                a->not_before_us / 1000 == b->not_before_us / 1000 &&
                a->deadline_us / 1000 == b->deadline_us / 1000;
    for (size_t i = 0; same && i < a->filter.count; i++)
        same = same_text(a->filter.terms[i].name, b->filter.terms[i].name) &&
               same_text(a->filter.terms[i].value, b->filter.terms[i].value);
    return same;
}

static void assert_round_trip(const struct rky_job *job)
{
    struct rky_message message = {0};
    struct rky_job again = {0};
    struct rky_rejection rejection = {0};
    RKY_ASSERT(rky_job_encode(job, "/test", rky_clock_real(), &message, NULL) == 0);
    RKY_ASSERT(rky_job_decode(&message, &again, &rejection, NULL) == 0);
    RKY_ASSERT(sample_same_job(job, &again));
    rky_job_done(&again);
    rky_message_done(&message);
}

static void assert_known(const struct rky_rejection *rejection)
{
    static const char *const reasons[] = {
        "malformed_json",      "wrong_content_type", "missing_header", "invalid_header",
        "unknown_type",        "too_large",          "too_deep",       "invalid_utf8",
        "unsupported_version", "nul_byte",           "invalid_body",   "forbidden_field",
        "key_mismatch",        "empty_body"};
    bool known = false;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        known = known || strcmp(reasons[i], rejection->reason) == 0;
    RKY_ASSERT(known);
    RKY_ASSERT(rejection->message[0] != '\0');
    RKY_ASSERT(rky_utf8_valid(rejection->message, strlen(rejection->message)));
    for (const char *c = rejection->message; *c != '\0'; c++)
        RKY_ASSERT((unsigned char)*c >= 0x20 && *c != 0x7f);
    RKY_ASSERT(rejection->job_id[0] == '\0' || rky_uuid_valid(rejection->job_id));
    RKY_ASSERT(rejection->namespace_[0] == '\0' || rky_namespace_valid(rejection->namespace_));
}

int sample_decode(const struct rky_message *message)
{
    struct rky_job job = {0};
    struct rky_rejection rejection = {0};
    struct rky_error err = {0};
    int rc = rky_job_decode(message, &job, &rejection, &err);
    RKY_ASSERT(rc == 0 || rc == RKY_ERR_DECODE);
    if (rc == 0)
        assert_round_trip(&job);
    else
        assert_known(&rejection);
    rky_job_done(&job);
    return rc;
}
