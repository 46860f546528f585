/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job to message: what a producer sends. The body is checked against its own shape before it
 * leaves, so that a wrong name is told to the person who typed it instead of a worker.
 *
 * ce_id is the job id, for a cancel a UUIDv5 of it: the same request sent again is the same event.
 */
#include "config.h"

#include "schemas/job.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/job_internal.h"
#include "schemas/json.h"
#include "schemas/shape_format.h"

static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *filter_json(const struct rky_filter *filter)
{
    json_t *terms = json_object();
    for (size_t i = 0; i < filter->count && terms != NULL; i++) {
        if (!put(terms, filter->terms[i].name, json_string(filter->terms[i].value))) {
            json_decref(terms);
            terms = NULL;
        }
    }
    return terms;
}

static bool put_selection(json_t *body, const struct rky_job *job)
{
    if (job->type == RKY_JOB_APPLY)
        return put(body, "plan_id", json_string(job->plan_id));
    return put(body, "filter", filter_json(&job->filter)) &&
           put(body, "full_refresh", json_boolean(job->full_refresh));
}

/* The fields stand in the order in which the contract shows them. */
static json_t *body_json(const struct rky_job *job)
{
    json_t *body = json_object();
    bool ok = body != NULL && put(body, "v", json_integer(1)) &&
              put(body, "job_id", json_string(job->job_id));
    if (ok && job->type != RKY_JOB_CANCEL)
        ok = put(body, "namespace", text_or_null(job->namespace_)) &&
             put(body, "pipeline", text_or_null(job->pipeline)) && put_selection(body, job) &&
             put(body, "run_timeout_seconds",
                 job->run_timeout_seconds >= 0 ? json_integer(job->run_timeout_seconds)
                                               : json_null()) &&
             put(body, "requested_by", text_or_null(job->requested_by));
    if (ok && job->type == RKY_JOB_PLAN)
        ok = put(body, "expires_seconds", json_integer(job->expires_seconds));
    if (!ok) {
        json_decref(body);
        return NULL;
    }
    return body;
}

/* jansson refuses text that is not UTF-8 as silently as it runs out of memory. */
static bool texts_are_utf8(const struct rky_job *job)
{
    const char *const texts[] = {job->namespace_, job->pipeline, job->requested_by};
    bool valid = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        valid = valid && (texts[i] == NULL || rky_utf8_valid(texts[i], strlen(texts[i])));
    for (size_t i = 0; i < job->filter.count; i++) {
        const struct rky_filter_term *term = &job->filter.terms[i];
        valid = valid && rky_utf8_valid(term->name, strlen(term->name)) &&
                rky_utf8_valid(term->value, strlen(term->value));
    }
    return valid;
}

static int check(const struct rky_job *job, json_t *body, struct rky_error *err)
{
    struct rky_error local = {0};
    if (rky_shape_check(rky_shape_find(rky_job_kind(job->type)->shape), body, &local) != 0)
        return rky_fail(err, RKY_ERR_USAGE, "%s request: %s", rky_job_type_name(job->type),
                        local.message);
    if (job->idempotency_key != NULL && !rky_format_is("idempotency-key", job->idempotency_key))
        return rky_fail(err, RKY_ERR_USAGE,
                        "idempotency key: expected 1 to %d printable ASCII characters",
                        RKY_IDEMPOTENCY_KEY_MAX);
    return 0;
}

static int add_time(struct rky_message *message, const char *name, int64_t wall_us,
                    struct rky_error *err)
{
    char text[RKY_TIME_TEXT_MAX];
    rky_time_format(wall_us, text);
    return rky_message_add_text(message, name, text, err);
}

static int add_headers(const struct rky_job *job, const char *source, int64_t now_us,
                       struct rky_message *message, struct rky_error *err)
{
    bool cancel = job->type == RKY_JOB_CANCEL;
    char event_id[RKY_UUID_TEXT];
    char attempt[16];
    (void)snprintf(attempt, sizeof(attempt), "%d", job->attempt > 0 ? job->attempt : 1);
    memcpy(event_id, job->job_id, sizeof(event_id));
    if (cancel) {
        char name[RKY_UUID_TEXT + sizeof("cancel|")];
        (void)snprintf(name, sizeof(name), "cancel|%s", job->job_id);
        rky_uuid_v5(name, event_id);
    }

    int rc = rky_message_add_text(message, "ce_specversion", "1.0", err);
    if (rc == 0)
        rc = rky_message_add_text(message, "ce_id", event_id, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "ce_type", rky_job_kind(job->type)->event, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "ce_source", source, err);
    if (rc == 0)
        rc = add_time(message, "ce_time", now_us, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "ce_subject", cancel ? job->job_id : job->namespace_,
                                  err);
    if (rc == 0)
        rc = rky_message_add_text(message, "content-type", "application/json", err);
    if (rc == 0)
        rc = rky_message_add_text(message, "x-job-id", job->job_id, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "x-attempt", attempt, err);
    if (rc == 0 && job->idempotency_key != NULL)
        rc = rky_message_add_text(message, "x-idempotency-key", job->idempotency_key, err);
    if (rc == 0 && job->not_before_us > 0)
        rc = add_time(message, "x-not-before", job->not_before_us, err);
    if (rc == 0 && job->deadline_us > 0)
        rc = add_time(message, "x-deadline", job->deadline_us, err);
    if (rc == 0 && job->traceparent != NULL)
        rc = rky_message_add_text(message, "traceparent", job->traceparent, err);
    return rc;
}

int rky_job_encode(const struct rky_job *job, const char *source, struct rky_clock *clock,
                   struct rky_message *ret_message, struct rky_error *err)
{
    if (!texts_are_utf8(job))
        return rky_fail(err, RKY_ERR_USAGE, "%s request: expected UTF-8, found other bytes",
                        rky_job_type_name(job->type));
    struct rky_message message = {0};
    char *text = NULL;
    json_t *body = body_json(job);
    int rc = body != NULL ? check(job, body, err) : rky_fail_nomem(err);
    if (rc == 0) {
        text = rky_json_text(body, JSON_COMPACT);
        rc = text != NULL ? 0 : rky_fail_nomem(err);
    }
    if (rc == 0) {
        const char *key = job->type == RKY_JOB_CANCEL ? job->job_id : job->namespace_;
        rc = rky_message_set(&message, key, strlen(key), text, strlen(text), err);
    }
    if (rc == 0)
        rc = add_headers(job, source, clock->wall_us(clock), &message, err);
    rky_free(text);
    json_decref(body);
    if (rc != 0) {
        rky_message_done(&message);
        return rc;
    }
    *ret_message = message;
    return 0;
}
