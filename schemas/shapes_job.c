/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of job requests: run, plan, apply on the jobs topic, cancel on the control topic.
 *
 * A job names a pipeline and a namespace of the worker's own configuration. The forbidden names
 * are those by which somebody might try to hand a worker SQL, a path, an address or a credential.
 */
#include "config.h"

#include "schemas/job.h"
#include "schemas/shape_parts.h"

static const struct rky_shape forbidden = {.type = RKY_SHAPE_FORBIDDEN};

#define FORBIDDEN(name_)                     \
    {                                        \
        .name = (name_), .shape = &forbidden \
    }

#define FORBIDDEN_FIELDS                                                                          \
    FORBIDDEN("sql"), FORBIDDEN("query"), FORBIDDEN("statement"), FORBIDDEN("path"),              \
        FORBIDDEN("file"), FORBIDDEN("url"), FORBIDDEN("uri"), FORBIDDEN("dsn"),                  \
        FORBIDDEN("password"), FORBIDDEN("secret"), FORBIDDEN("token"), FORBIDDEN("credentials"), \
        FORBIDDEN("config"), FORBIDDEN("state_path"), END_OF_FIELDS

static const struct rky_shape pipeline = {.type = RKY_SHAPE_STRING, .format = "pipeline"};
static const struct rky_shape filter_value = {.type = RKY_SHAPE_STRING, .format = "value"};
static const struct rky_shape filter = {
    .type = RKY_SHAPE_OBJECT, .of = &filter_value, .key_format = "component", .max_length = 32};
static const struct rky_shape run_timeout = {
    .type = RKY_SHAPE_INTEGER, .minimum = 1, .maximum = 604800};
static const struct rky_shape expires = {
    .type = RKY_SHAPE_INTEGER, .minimum = 1, .maximum = RKY_PLAN_EXPIRES_SECONDS_MAX};
static const struct rky_shape requested_by = {
    .type = RKY_SHAPE_STRING, .format = "text", .max_length = 128};

#define VERSION_FIELD REQUIRED("v", &rky_part_one, "Major version of this body.")
#define JOB_ID_FIELD REQUIRED("job_id", &rky_part_uuid, "Equal to the header x-job-id.")
#define NAMESPACE_FIELD REQUIRED("namespace", &rky_part_namespace, "Equal to the record's key.")
#define PIPELINE_FIELD REQUIRED("pipeline", &pipeline, "A pipeline of the worker's configuration.")
#define FILTER_FIELD \
    OPTIONAL("filter", &filter, "Component names and the value each must have; default: all.")
#define FULL_REFRESH_FIELD \
    OPTIONAL("full_refresh", &rky_part_bool, "Copy every table whole; default false.")
#define RUN_TIMEOUT_FIELD \
    MAYBE("run_timeout_seconds", &run_timeout, "Cancel the run after this long; null = never.")
#define REQUESTED_BY_FIELD MAYBE("requested_by", &requested_by, "Who asked, for the history.")

static const struct rky_shape_field run_fields[] = {
    VERSION_FIELD,      JOB_ID_FIELD,      NAMESPACE_FIELD,    PIPELINE_FIELD,   FILTER_FIELD,
    FULL_REFRESH_FIELD, RUN_TIMEOUT_FIELD, REQUESTED_BY_FIELD, FORBIDDEN_FIELDS,
};
const struct rky_shape rky_shape_job_run = {
    .title = "Run request",
    .description = "Copy the new rows of a pipeline's tables. Key: the namespace.",
    .type = RKY_SHAPE_OBJECT,
    .fields = run_fields,
};

static const struct rky_shape_field plan_fields[] = {
    VERSION_FIELD,
    JOB_ID_FIELD,
    NAMESPACE_FIELD,
    PIPELINE_FIELD,
    FILTER_FIELD,
    FULL_REFRESH_FIELD,
    OPTIONAL("expires_seconds", &expires, "How long the plan may be applied; default 3600."),
    RUN_TIMEOUT_FIELD,
    REQUESTED_BY_FIELD,
    FORBIDDEN_FIELDS,
};
const struct rky_shape rky_shape_job_plan = {
    .title = "Plan request",
    .description = "Work out what a run would do and keep it for a later apply. Key: the "
                   "namespace.",
    .type = RKY_SHAPE_OBJECT,
    .fields = plan_fields,
};

static const struct rky_shape_field apply_fields[] = {
    VERSION_FIELD,
    JOB_ID_FIELD,
    NAMESPACE_FIELD,
    PIPELINE_FIELD,
    REQUIRED("plan_id", &rky_part_hex64, "The plan to execute, as the plan's result named it."),
    RUN_TIMEOUT_FIELD,
    REQUESTED_BY_FIELD,
    FORBIDDEN_FIELDS,
};
const struct rky_shape rky_shape_job_apply = {
    .title = "Apply request",
    .description = "Execute a plan that was made before, if nothing it rests on has changed. Key: "
                   "the namespace.",
    .type = RKY_SHAPE_OBJECT,
    .fields = apply_fields,
};

static const struct rky_shape_field cancel_fields[] = {
    VERSION_FIELD,
    REQUIRED("job_id", &rky_part_uuid, "The job to cancel; equal to the record's key."),
    FORBIDDEN_FIELDS,
};
const struct rky_shape rky_shape_job_cancel = {
    .title = "Cancel request",
    .description = "Stop a queued or running job. On the control topic, key: the job id.",
    .type = RKY_SHAPE_OBJECT,
    .fields = cancel_fields,
};
