/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a batch to a job: `{"type":"run","namespace":"bronze","pipeline":"bronze"}`.
 *
 * The rules of a body hold, with two differences that suit a file written by hand: what a machine
 * can fill in may be missing (v, job_id, requested_by, and the namespace where the pipeline's name
 * is one), and a field that nobody knows is an error, because it is more likely mistyped than new.
 * The transport's facts stand beside the others: idempotency_key, not_before, deadline,
 * traceparent.
 */
#include "config.h"

#include "schemas/job.h"

#include <string.h>

#include "common/mem.h"
#include "schemas/body.h"
#include "schemas/job_internal.h"
#include "schemas/shape_format.h"

static const char *const line_fields[] = {"type",     "idempotency_key", "not_before",
                                          "deadline", "traceparent",     NULL};

/** More than any shape of a job and the list above together. */
#define KNOWN_MAX 64

static bool listed(const char *name, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(name, *list) == 0)
            return true;
    }
    return false;
}

/* Every field of the line is one of the shape's or of the line's own. */
static int check_names(json_t *line, const struct rky_shape *shape, struct rky_error *err)
{
    const char *known[KNOWN_MAX] = {NULL};
    size_t count = 0;
    for (const char *const *name = line_fields; *name != NULL; name++)
        known[count++] = *name;
    for (const struct rky_shape_field *field = shape->fields; field->name != NULL; field++) {
        if (field->shape->type == RKY_SHAPE_FORBIDDEN)
            continue; /* the shape's check says it better */
        RKY_ASSERT(count + 1 < KNOWN_MAX);
        known[count++] = field->name;
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(line, name, value)
    {
        const struct rky_shape_field *field = shape->fields;
        while (field->name != NULL && strcmp(field->name, name) != 0)
            field++;
        if (field->name != NULL || listed(name, known))
            continue;
        int rc = rky_fail(err, RKY_ERR_USAGE, "unknown field '%s'", name);
        const char *nearest = rky_nearest(name, known);
        if (nearest != NULL)
            rky_error_hint(err, "did you mean '%s'?", nearest);
        return rc;
    }
    return 0;
}

static int set_default(json_t *line, const char *name, json_t *value, struct rky_error *err)
{
    if (value == NULL)
        return rky_fail_nomem(err);
    if (json_object_get(line, name) != NULL) {
        json_decref(value);
        return 0;
    }
    return json_object_set_new(line, name, value) == 0 ? 0 : rky_fail_nomem(err);
}

static int fill_in(json_t *line, enum rky_job_type type, struct rky_clock *clock,
                   struct rky_error *err)
{
    char job_id[RKY_UUID_TEXT];
    rky_uuid_v7(clock, job_id);
    int rc = set_default(line, "v", json_integer(1), err);
    /* A cancel without the id of what to cancel means nothing. */
    if (rc == 0 && type != RKY_JOB_CANCEL)
        rc = set_default(line, "job_id", json_string(job_id), err);
    const char *pipeline = json_string_value(json_object_get(line, "pipeline"));
    if (rc == 0 && type != RKY_JOB_CANCEL && pipeline != NULL && rky_namespace_valid(pipeline))
        rc = set_default(line, "namespace", json_string(pipeline), err);
    return rc;
}

/* An optional text of the line itself; NULL when absent or null. */
static int line_text(const json_t *line, const char *name, const char **ret_text,
                     struct rky_error *err)
{
    const json_t *value = json_object_get(line, name);
    *ret_text = NULL;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return rky_fail(err, RKY_ERR_USAGE, "field '%s': expected a string", name);
    *ret_text = json_string_value(value);
    return 0;
}

static int read_formatted(const json_t *line, const char *name, const char *format,
                          const char *expected, char **ret_text, struct rky_error *err)
{
    const char *text = NULL;
    int rc = line_text(line, name, &text, err);
    if (rc != 0 || text == NULL)
        return rc;
    if (!rky_format_is(format, text))
        return rky_fail(err, RKY_ERR_USAGE, "field '%s': expected %s", name, expected);
    *ret_text = rky_strdup(text);
    return *ret_text != NULL ? 0 : rky_fail_nomem(err);
}

static int read_time(const json_t *line, const char *name, int64_t *ret_wall_us,
                     struct rky_error *err)
{
    const char *text = NULL;
    int rc = line_text(line, name, &text, err);
    if (rc == 0 && text != NULL && !rky_body_time(text, ret_wall_us))
        rc = rky_fail(err, RKY_ERR_USAGE,
                      "field '%s': expected a time such as '2026-11-21T10:00:00Z'", name);
    return rc;
}

static int read_transport(const json_t *line, struct rky_job *job, struct rky_error *err)
{
    int rc = read_formatted(line, "idempotency_key", "idempotency-key",
                            "1 to 128 printable ASCII characters", &job->idempotency_key, err);
    if (rc == 0)
        rc = read_formatted(line, "traceparent", "traceparent", "a W3C trace parent",
                            &job->traceparent, err);
    if (rc == 0)
        rc = read_time(line, "not_before", &job->not_before_us, err);
    if (rc == 0)
        rc = read_time(line, "deadline", &job->deadline_us, err);
    return rc;
}

static const struct rky_job_kind *find_kind(const json_t *line, struct rky_error *err)
{
    const char *type = json_string_value(json_object_get(line, "type"));
    const struct rky_job_kind *kind = type != NULL ? rky_job_kind_by_name(type) : NULL;
    if (!json_is_object(line))
        (void)rky_fail(err, RKY_ERR_USAGE, "expected a JSON object, found another value");
    else if (type == NULL)
        (void)rky_fail(err, RKY_ERR_USAGE, "field 'type' is missing");
    else if (kind == NULL)
        (void)rky_fail(err, RKY_ERR_USAGE,
                       "field 'type': expected 'run', 'plan', 'apply' or 'cancel', found '%.40s'",
                       type);
    return kind;
}

static int read_line(json_t *line, struct rky_clock *clock, struct rky_job *ret_job,
                     struct rky_error *err)
{
    struct rky_error local = {0};
    int rc = 0;
    const struct rky_job_kind *kind = find_kind(line, err);
    if (kind == NULL)
        return RKY_ERR_USAGE;
    const struct rky_shape *shape = rky_shape_find(kind->shape);
    rc = check_names(line, shape, err);
    if (rc == 0)
        rc = fill_in(line, kind->type, clock, err);
    if (rc == 0 && rky_shape_check(shape, line, &local) != 0)
        rc = rky_fail(err, RKY_ERR_USAGE, "%s", local.message);
    if (rc == 0)
        rc = rky_job_read_body(line, kind->type, ret_job, err);
    if (rc == 0) {
        rc = read_transport(line, ret_job, err);
        if (rc != 0)
            rky_job_done(ret_job);
    }
    return rc;
}

int rky_job_from_line(const char *line, size_t length, struct rky_clock *clock,
                      struct rky_job *ret_job, struct rky_error *err)
{
    json_t *json = NULL;
    struct rky_error local = {0};
    if (length > RKY_JOB_BODY_MAX)
        return rky_fail(err, RKY_ERR_USAGE, "expected at most %d bytes in a line, found %zu",
                        RKY_JOB_BODY_MAX, length);
    int rc = rky_body_parse(line, length, &json, NULL, &local);
    if (rc == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    if (rc != 0)
        return rky_fail(err, RKY_ERR_USAGE, "%s", local.message);
    struct rky_job job = {0};
    rc = read_line(json, clock, &job, err);
    json_decref(json);
    if (rc == 0)
        *ret_job = job;
    return rc;
}
