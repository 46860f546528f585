/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of the events on the results topic, besides job.result.
 *
 * Each has the common fields and then, flat, the row as it stands in the result of the run: a
 * table.replicated has a materialization's fields, a check.failed a check's, and so on.
 */
#include "config.h"

#include "schemas/shape_parts.h"

/* Common fields. A run of the command line has no job id. */
#define COMMON(event_)                                                                            \
    REQUIRED("v", &rky_part_one, "Major version of this body."), REQUIRED("event", event_, NULL), \
        REQUIRED("at", &rky_part_time, "When it happened, UTC."),                                 \
        NULLABLE("worker_id", &rky_part_string, NULL), NULLABLE("job_id", &rky_part_uuid, NULL),  \
        NULLABLE("run_id", &rky_part_uuid, NULL)
#define NAMESPACE REQUIRED("namespace", &rky_part_namespace, "Equal to the record's key.")

/* --- transfers of state ---------------------------------------------------------------------- */

static const char *const download_names[] = {"state.download", NULL};
static const struct rky_shape download_name = {.type = RKY_SHAPE_STRING, .choices = download_names};
static const char *const upload_names[] = {"state.upload", NULL};
static const struct rky_shape upload_name = {.type = RKY_SHAPE_STRING, .choices = upload_names};

static const char *const leg_names[] = {"s3", "valkey", NULL};
static const struct rky_shape leg_name = {.type = RKY_SHAPE_STRING, .choices = leg_names};
static const struct rky_shape_field leg_fields[] = {
    REQUIRED("leg", &leg_name, NULL),
    REQUIRED("outcome", &rky_part_outcome, NULL),
    NULLABLE("attempts", &rky_part_count, NULL),
    NULLABLE("duration_ms", &rky_part_count, NULL),
    NULLABLE("bytes", &rky_part_count, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape leg = {.type = RKY_SHAPE_OBJECT, .fields = leg_fields};
static const struct rky_shape legs = {.type = RKY_SHAPE_ARRAY, .of = &leg};
static const char *const breaker_names[] = {"closed", "open", "half-open", NULL};
static const struct rky_shape breaker = {.type = RKY_SHAPE_STRING, .choices = breaker_names};
static const char *const commit_names[] = {"known", "unknown", NULL};
static const struct rky_shape commit = {.type = RKY_SHAPE_STRING, .choices = commit_names};

/* A transfer found to have happened after a crash has `recovered` and null measures. */
#define TRANSFER                                                                                   \
    REQUIRED("outcome", &rky_part_outcome, NULL),                                                  \
        NULLABLE("cause", &rky_part_outcome,                                                       \
                 "With error_then_fresh and skipped_after_failure: what went wrong."),             \
        NULLABLE("error_class", &rky_part_string, "Stable name of the fault."),                    \
        NULLABLE("error", &rky_part_string, "Message, without secrets."),                          \
        REQUIRED("backend", &rky_part_backend, NULL), REQUIRED("legs", &legs, NULL),               \
        NULLABLE("uri", &rky_part_string, "Where to or from, without credentials."),               \
        NULLABLE("bytes", &rky_part_count, "As transferred."),                                     \
        NULLABLE("raw_bytes", &rky_part_count, "Before compression."),                             \
        NULLABLE("sha256", &rky_part_hex64, NULL), NULLABLE("retries", &rky_part_count, NULL),     \
        NULLABLE("duration_ms", &rky_part_count, NULL),                                            \
        NULLABLE("generation", &rky_part_count, NULL), NULLABLE("write_id", &rky_part_uuid, NULL), \
        NULLABLE("fence", &rky_part_count, NULL), NULLABLE("breaker", &breaker, NULL),             \
        NULLABLE("budget_left", &rky_part_count, "Null = unbounded."),                             \
        REQUIRED("unchanged", &rky_part_bool, "There was nothing to send."),                       \
        OPTIONAL("recovered", &rky_part_bool, "Found to have happened, after a crash."),           \
        OPTIONAL("commit", &commit, "'unknown': the write may still land."), END_OF_FIELDS

static const struct rky_shape_field download_fields[] = {COMMON(&download_name), NAMESPACE,
                                                         TRANSFER};
const struct rky_shape rky_shape_event_state_download = {
    .title = "State downloaded",
    .description = "How the one download of a job ended.",
    .type = RKY_SHAPE_OBJECT,
    .fields = download_fields,
};

static const struct rky_shape_field upload_fields[] = {COMMON(&upload_name), NAMESPACE, TRANSFER};
const struct rky_shape rky_shape_event_state_upload = {
    .title = "State uploaded",
    .description = "How the one upload of a job ended.",
    .type = RKY_SHAPE_OBJECT,
    .fields = upload_fields,
};

/* --- tables ----------------------------------------------------------------------------------- */

static const char *const replicated_names[] = {"table.replicated", NULL};
static const struct rky_shape replicated_name = {.type = RKY_SHAPE_STRING,
                                                 .choices = replicated_names};
static const struct rky_shape_field replicated_fields[] = {
    COMMON(&replicated_name),
    NAMESPACE,
    NULLABLE("pipeline", &rky_part_string, NULL),
    REQUIRED("table", &rky_part_string, "Target: catalog.schema.table."),
    NULLABLE("source", &rky_part_string, "Source: catalog.schema.table."),
    REQUIRED("strategy", &rky_part_strategy, NULL),
    REQUIRED("action", &rky_part_action, NULL),
    REQUIRED("window", &rky_part_window, NULL),
    REQUIRED("rows_copied", &rky_part_count, NULL),
    REQUIRED("late_rows", &rky_part_count, NULL),
    NULLABLE("watermark", &rky_part_string, NULL),
    REQUIRED("duration_ms", &rky_part_count, NULL),
    REQUIRED("reconciled", &rky_part_bool, NULL),
    REQUIRED("warnings", &rky_part_warnings, NULL),
    NULLABLE("commit_id", &rky_part_uuid, "Id of the target transaction; ce_id derives from it."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_table_replicated = {
    .title = "Table replicated",
    .description = "A table's rows and watermark were committed in the target.",
    .type = RKY_SHAPE_OBJECT,
    .fields = replicated_fields,
};

static const char *const check_names[] = {"check.failed", NULL};
static const struct rky_shape check_name = {.type = RKY_SHAPE_STRING, .choices = check_names};
static const struct rky_shape_field check_fields[] = {
    COMMON(&check_name),
    NAMESPACE,
    NULLABLE("pipeline", &rky_part_string, NULL),
    REQUIRED("table", &rky_part_string, NULL),
    REQUIRED("name", &rky_part_string, "For example 'row_count'."),
    REQUIRED("passed", &rky_part_bool, "Always false here."),
    REQUIRED("severity", &rky_part_severity, NULL),
    MAYBE("message", &rky_part_string, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_check_failed = {
    .title = "Check failed",
    .description = "A check of a table did not pass. Further fields are the figures it compared.",
    .type = RKY_SHAPE_OBJECT,
    .fields = check_fields,
};

static const char *const anomaly_names[] = {"anomaly.detected", NULL};
static const struct rky_shape anomaly_name = {.type = RKY_SHAPE_STRING, .choices = anomaly_names};
static const struct rky_shape_field anomaly_fields[] = {
    COMMON(&anomaly_name),
    NAMESPACE,
    NULLABLE("pipeline", &rky_part_string, NULL),
    REQUIRED("table", &rky_part_string, NULL),
    REQUIRED("kind", &rky_part_anomaly_kind, NULL),
    REQUIRED("current_count", &rky_part_count, NULL),
    REQUIRED("baseline_avg", &rky_part_number, NULL),
    REQUIRED("deviation_pct", &rky_part_number, "Signed."),
    REQUIRED("reason", &rky_part_string, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_anomaly_detected = {
    .title = "Row-count anomaly",
    .description = "A table's row count is not what its history lets expect.",
    .type = RKY_SHAPE_OBJECT,
    .fields = anomaly_fields,
};

/* --- jobs, plans, workers ----------------------------------------------------------------------
 */

static const char *const plan_names[] = {"plan.created", NULL};
static const struct rky_shape plan_name = {.type = RKY_SHAPE_STRING, .choices = plan_names};
static const struct rky_shape_field plan_fields[] = {
    COMMON(&plan_name),
    NAMESPACE,
    REQUIRED("pipeline", &rky_part_string, NULL),
    REQUIRED("plan_id", &rky_part_hex64, NULL),
    REQUIRED("created_at", &rky_part_time, NULL),
    REQUIRED("expires_at", &rky_part_time, NULL),
    REQUIRED("base_generation", &rky_part_count, "Of the state it was made from."),
    REQUIRED("config_sha256", &rky_part_hex64, NULL),
    REQUIRED("table_count", &rky_part_count, NULL),
    NULLABLE("estimated_rows", &rky_part_count, "Of all tables; null when unknown."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_plan_created = {
    .title = "Plan created",
    .description = "A plan is stored and can be applied until it expires.",
    .type = RKY_SHAPE_OBJECT,
    .fields = plan_fields,
};

static const char *const fenced_names[] = {"job.fenced", NULL};
static const struct rky_shape fenced_name = {.type = RKY_SHAPE_STRING, .choices = fenced_names};
static const struct rky_shape_field fenced_fields[] = {
    COMMON(&fenced_name),
    NAMESPACE,
    REQUIRED("attempt", &rky_part_positive, NULL),
    REQUIRED("reason", &rky_part_string, "'fenced' or 'conflict'."),
    REQUIRED("message", &rky_part_string, NULL),
    NULLABLE("retry_in_ms", &rky_part_count, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_job_fenced = {
    .title = "Job fenced",
    .description = "Somebody with a newer claim owns the target; the attempt stopped and the job "
                   "goes back to the queue.",
    .type = RKY_SHAPE_OBJECT,
    .fields = fenced_fields,
};

static const char *const requeued_names[] = {"job.requeued", NULL};
static const struct rky_shape requeued_name = {.type = RKY_SHAPE_STRING, .choices = requeued_names};
static const struct rky_shape_field requeued_fields[] = {
    COMMON(&requeued_name),
    NAMESPACE,
    REQUIRED("attempt", &rky_part_positive, NULL),
    REQUIRED("reason", &rky_part_string, "For example 'locked', 'interrupted', 'transient'."),
    REQUIRED("message", &rky_part_string, NULL),
    NULLABLE("retry_in_ms", &rky_part_count, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_job_requeued = {
    .title = "Job given back",
    .description = "An attempt ended without a result; the job will be tried again.",
    .type = RKY_SHAPE_OBJECT,
    .fields = requeued_fields,
};

static const char *const alarm_names[] = {"worker.alarm", NULL};
static const struct rky_shape alarm_name = {.type = RKY_SHAPE_STRING, .choices = alarm_names};
static const char *const alarm_severities[] = {"warning", "critical", NULL};
static const struct rky_shape alarm_severity = {.type = RKY_SHAPE_STRING,
                                                .choices = alarm_severities};
static const struct rky_shape_field alarm_fields[] = {
    COMMON(&alarm_name),
    NULLABLE("namespace", &rky_part_namespace, "Null when it concerns the whole worker."),
    REQUIRED("code", &rky_part_string, "Stable name, for example 'watermark-regressed'."),
    REQUIRED("severity", &alarm_severity, NULL),
    REQUIRED("message", &rky_part_string, NULL),
    NULLABLE("hint", &rky_part_string, "What to do about it."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_event_worker_alarm = {
    .title = "Worker alarm",
    .description = "Something that a person should look at.",
    .type = RKY_SHAPE_OBJECT,
    .fields = alarm_fields,
};
