/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job requests in memory: the types, the filter, reading a checked body, releasing.
 */
#include "config.h"

#include "schemas/job.h"

#include <ctype.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/body.h"
#include "schemas/job_internal.h"
#include "schemas/shape_format.h"

static const struct rky_job_kind kinds[] = {
    {RKY_JOB_RUN, "run", "rocky.job.run", "job.run"},
    {RKY_JOB_PLAN, "plan", "rocky.job.plan", "job.plan"},
    {RKY_JOB_APPLY, "apply", "rocky.job.apply", "job.apply"},
    {RKY_JOB_CANCEL, "cancel", "rocky.job.cancel", "job.cancel"},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

const struct rky_job_kind *rky_job_kind(enum rky_job_type type)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (kinds[i].type == type)
            return &kinds[i];
    }
    rky_assert_failed("a known job type", __FILE__, __LINE__);
}

const struct rky_job_kind *rky_job_kind_by_name(const char *name)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

const struct rky_job_kind *rky_job_kind_by_event(const char *event)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i].event, event) == 0)
            return &kinds[i];
    }
    return NULL;
}

const char *rky_job_type_name(enum rky_job_type type)
{
    return rky_job_kind(type)->name;
}

void rky_job_lower_uuid(const char *text, char ret_text[RKY_UUID_TEXT])
{
    size_t i = 0;
    for (; i < RKY_UUID_TEXT - 1 && text[i] != '\0'; i++)
        ret_text[i] = (char)tolower((unsigned char)text[i]);
    ret_text[i] = '\0';
}

static int filter_append(struct rky_filter *filter, const char *name, size_t name_length,
                         const char *value, struct rky_error *err)
{
    struct rky_filter_term term = {
        .name = rky_strndup(name, name_length),
        .value = rky_strdup(value),
    };
    struct rky_filter_term *grown = NULL;
    if (term.name != NULL && term.value != NULL)
        grown = rky_reallocarray(filter->terms, filter->count + 1, sizeof(term));
    if (grown == NULL) {
        rky_free(term.name);
        rky_free(term.value);
        return rky_fail_nomem(err);
    }
    filter->terms = grown;
    filter->terms[filter->count++] = term;
    return 0;
}

int rky_filter_add(struct rky_filter *filter, const char *term, struct rky_error *err)
{
    const char *equals = strchr(term, '=');
    if (equals == NULL) {
        int rc = rky_fail(err, RKY_ERR_USAGE, "filter '%s' has no '='", term);
        rky_error_hint(err, "write component=value, for example --filter client=acme");
        return rc;
    }
    size_t name_length = (size_t)(equals - term);
    const char *value = equals + 1;
    if (!rky_format_match(rky_format_find("component"), term, name_length))
        return rky_fail(err, RKY_ERR_USAGE,
                        "filter '%s': expected the name of a component before the '='", term);
    if (!rky_utf8_valid(value, strlen(value)) || !rky_format_is("value", value))
        return rky_fail(err, RKY_ERR_USAGE,
                        "filter '%.*s': expected a value of 1 to 255 characters without control "
                        "characters, quotes, ';', '/' or '\\'",
                        (int)name_length, term);
    for (size_t i = 0; i < filter->count; i++) {
        if (strncmp(filter->terms[i].name, term, name_length) == 0 &&
            filter->terms[i].name[name_length] == '\0')
            return rky_fail(err, RKY_ERR_USAGE, "filter '%.*s' is given twice", (int)name_length,
                            term);
    }
    return filter_append(filter, term, name_length, value, err);
}

void rky_filter_done(struct rky_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        rky_free(filter->terms[i].name);
        rky_free(filter->terms[i].value);
    }
    rky_free(filter->terms);
    *filter = (struct rky_filter){0};
}

void rky_job_done(struct rky_job *job)
{
    rky_filter_done(&job->filter);
    rky_free(job->namespace_);
    rky_free(job->pipeline);
    rky_free(job->requested_by);
    rky_free(job->idempotency_key);
    rky_free(job->traceparent);
    *job = (struct rky_job){0};
}

/* A missing or null text stays NULL. */
static int read_text(const json_t *body, const char *name, char **ret_text, struct rky_error *err)
{
    const char *text = json_string_value(json_object_get(body, name));
    if (text == NULL)
        return 0;
    *ret_text = rky_strdup(text);
    return *ret_text != NULL ? 0 : rky_fail_nomem(err);
}

static void read_integer(const json_t *body, const char *name, int64_t *number)
{
    (void)rky_body_integer(json_object_get(body, name), number); /* absent: the default stays */
}

static int read_filter(const json_t *body, struct rky_filter *filter, struct rky_error *err)
{
    json_t *terms = json_object_get(body, "filter");
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(terms, name, value)
    {
        int rc = filter_append(filter, name, strlen(name), json_string_value(value), err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int rky_job_read_body(const json_t *body, enum rky_job_type type, struct rky_job *ret_job,
                      struct rky_error *err)
{
    struct rky_job job = {.type = type, .attempt = 1, .run_timeout_seconds = -1};
    bool selects = type == RKY_JOB_RUN || type == RKY_JOB_PLAN;
    int rc = 0;

    rky_job_lower_uuid(json_string_value(json_object_get(body, "job_id")), job.job_id);
    if (type != RKY_JOB_CANCEL) {
        rc = read_text(body, "namespace", &job.namespace_, err);
        if (rc == 0)
            rc = read_text(body, "pipeline", &job.pipeline, err);
        if (rc == 0)
            rc = read_text(body, "requested_by", &job.requested_by, err);
        read_integer(body, "run_timeout_seconds", &job.run_timeout_seconds);
    }
    if (rc == 0 && selects)
        rc = read_filter(body, &job.filter, err);
    if (selects)
        job.full_refresh = json_is_true(json_object_get(body, "full_refresh"));
    if (type == RKY_JOB_PLAN) {
        job.expires_seconds = RKY_JOB_EXPIRES_DEFAULT;
        read_integer(body, "expires_seconds", &job.expires_seconds);
    }
    if (type == RKY_JOB_APPLY)
        memcpy(job.plan_id, json_string_value(json_object_get(body, "plan_id")),
               sizeof(job.plan_id));
    if (rc != 0) {
        rky_job_done(&job);
        return rc;
    }
    *ret_job = job;
    return 0;
}
