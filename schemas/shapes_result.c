/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a run: body of `job.result`, and what `rocky run` and `rocky apply` print.
 *
 * Every key is always there; null, zero or empty where nothing applies. The same text serves both
 * uses, so a result says `v` (message) and `version` (output), which are the same 1.
 */
#include "config.h"

#include "schemas/shape_parts.h"

static const struct rky_shape_field materialization_fields[] = {
    REQUIRED("table", &rky_part_string, "Target: catalog.schema.table."),
    NULLABLE("source", &rky_part_string, "Source: catalog.schema.table."),
    REQUIRED("strategy", &rky_part_strategy, NULL),
    REQUIRED("action", &rky_part_action, "What was done."),
    REQUIRED("window", &rky_part_window, NULL),
    REQUIRED("rows_copied", &rky_part_count, "Late rows included."),
    REQUIRED("late_rows", &rky_part_count, "Rows at or below the former watermark."),
    NULLABLE("watermark", &rky_part_string, "New watermark in the engine's text."),
    REQUIRED("duration_ms", &rky_part_count, NULL),
    REQUIRED("reconciled", &rky_part_bool,
             "Reported from the target's own metadata instead of being copied again."),
    REQUIRED("warnings", &rky_part_warnings, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape materialization = {.type = RKY_SHAPE_OBJECT,
                                                 .fields = materialization_fields};
static const struct rky_shape materializations = {.type = RKY_SHAPE_ARRAY, .of = &materialization};

static const struct rky_shape_field drift_action_fields[] = {
    REQUIRED("table", &rky_part_string, NULL),
    REQUIRED("action", &rky_part_string, NULL),
    REQUIRED("reason", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape drift_action = {.type = RKY_SHAPE_OBJECT,
                                              .fields = drift_action_fields};
static const struct rky_shape drift_actions = {.type = RKY_SHAPE_ARRAY, .of = &drift_action};
static const struct rky_shape_field drift_fields[] = {
    REQUIRED("tables_checked", &rky_part_count, NULL),
    REQUIRED("tables_drifted", &rky_part_count, NULL),
    REQUIRED("actions_taken", &drift_actions, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape drift = {.type = RKY_SHAPE_OBJECT, .fields = drift_fields};

static const struct rky_shape_field check_fields[] = {
    REQUIRED("name", &rky_part_string, "For example 'row_count'."),
    REQUIRED("passed", &rky_part_bool, NULL),
    REQUIRED("severity", &rky_part_severity, NULL),
    MAYBE("message", &rky_part_string, "Why it failed or could not be evaluated."),
    END_OF_FIELDS,
};
static const struct rky_shape check = {
    .type = RKY_SHAPE_OBJECT,
    .fields = check_fields,
    .description = "Further fields are the figures that the check compared."};
static const struct rky_shape checks = {.type = RKY_SHAPE_ARRAY, .of = &check};
static const struct rky_shape_field check_result_fields[] = {
    REQUIRED("table", &rky_part_string, NULL),
    REQUIRED("checks", &checks, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape check_result = {.type = RKY_SHAPE_OBJECT,
                                              .fields = check_result_fields};
static const struct rky_shape check_results = {.type = RKY_SHAPE_ARRAY, .of = &check_result};

static const struct rky_shape_field anomaly_fields[] = {
    REQUIRED("table", &rky_part_string, NULL),
    REQUIRED("kind", &rky_part_anomaly_kind, NULL),
    REQUIRED("current_count", &rky_part_count, NULL),
    REQUIRED("baseline_avg", &rky_part_number, NULL),
    REQUIRED("deviation_pct", &rky_part_number, "Signed."),
    REQUIRED("reason", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape anomaly = {.type = RKY_SHAPE_OBJECT, .fields = anomaly_fields};
static const struct rky_shape anomalies = {.type = RKY_SHAPE_ARRAY, .of = &anomaly};

static const char *const failure_kinds[] = {"connection-failed",
                                            "auth-failed",
                                            "query-rejected",
                                            "transient",
                                            "quota-exceeded",
                                            "not-found",
                                            "schema-drift",
                                            "check-failed",
                                            "fenced",
                                            "timeout",
                                            "unknown",
                                            "state-sync",
                                            "source-missing",
                                            "config",
                                            "state-file",
                                            "locked",
                                            "conflict",
                                            NULL};
static const struct rky_shape failure_kind = {.type = RKY_SHAPE_STRING, .choices = failure_kinds};
static const struct rky_shape_field failure_fields[] = {
    NULLABLE("table", &rky_part_string, "Null when the failure is not of one table."),
    REQUIRED("failure_kind", &failure_kind, NULL),
    REQUIRED("transient", &rky_part_bool, "A later attempt may succeed without anyone acting."),
    REQUIRED("error", &rky_part_string, NULL),
    MAYBE("hint", &rky_part_string, "What to do about it."),
    MAYBE("error_class", &rky_part_string, "With 'state-sync': what ended the transfer."),
    END_OF_FIELDS,
};
static const struct rky_shape failure = {.type = RKY_SHAPE_OBJECT, .fields = failure_fields};
static const struct rky_shape failures = {.type = RKY_SHAPE_ARRAY, .of = &failure};

static const struct rky_shape_field transfer_fields[] = {
    REQUIRED("outcome", &rky_part_outcome, NULL),
    MAYBE("generation", &rky_part_count, NULL),
    MAYBE("cause", &rky_part_outcome, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape transfer = {
    .type = RKY_SHAPE_OBJECT,
    .fields = transfer_fields,
    .description = "What was known when the result was recorded; the events have the figures."};
static const struct rky_shape_field state_fields[] = {
    NULLABLE("generation_before", &rky_part_count, NULL),
    NULLABLE("generation_after", &rky_part_count, NULL),
    NULLABLE("download", &transfer, "Null with the local backend."),
    NULLABLE("upload", &transfer, "Null with the local backend."),
    END_OF_FIELDS,
};
static const struct rky_shape state = {.type = RKY_SHAPE_OBJECT, .fields = state_fields};

#define FIGURES                                                                                   \
    REQUIRED("status", &rky_part_status, NULL), REQUIRED("duration_ms", &rky_part_count, NULL),   \
        NULLABLE("run_id", &rky_part_uuid, "Null when nothing was started."),                     \
        NULLABLE("plan_id", &rky_part_hex64, "The plan that was made or applied."),               \
        REQUIRED("tables_copied", &rky_part_count,                                                \
                 "Tables that ended without error, 0 rows included."),                            \
        REQUIRED("tables_failed", &rky_part_count, NULL),                                         \
        REQUIRED("tables_skipped", &rky_part_count, "Aborted or cancelled."),                     \
        REQUIRED("rows_copied", &rky_part_count, NULL),                                           \
        REQUIRED("materializations", &materializations, NULL), REQUIRED("drift", &drift, NULL),   \
        REQUIRED("check_results", &check_results, NULL), REQUIRED("anomalies", &anomalies, NULL), \
        REQUIRED("errors", &failures, NULL), REQUIRED("warnings", &rky_part_warnings, NULL),      \
        REQUIRED("excluded", &rky_part_excluded, NULL), REQUIRED("state", &state, NULL),          \
        NULLABLE("duplicate_of", &rky_part_uuid,                                                  \
                 "Job that executed the same idempotency key first; its figures stand here."),    \
        OPTIONAL("truncated", &rky_part_bool,                                                     \
                 "True when tables without news were left out to bound the size."),               \
        MAYBE("error", &rky_part_error, "What ended the run as a whole."), END_OF_FIELDS

static const char *const result_commands[] = {"run", "apply", "plan", NULL};
static const struct rky_shape result_command = {.type = RKY_SHAPE_STRING,
                                                .choices = result_commands};
static const struct rky_shape_field result_fields[] = {
    REQUIRED("v", &rky_part_one, "Major version of this body."),
    REQUIRED("version", &rky_part_one, "Version of the output format."),
    NULLABLE("command", &result_command, "What was asked for; null when that was not readable."),
    REQUIRED("job_id", &rky_part_uuid, NULL),
    NULLABLE("namespace", &rky_part_namespace, "Null when a dead letter did not tell."),
    NULLABLE("pipeline", &rky_part_string, NULL),
    FIGURES,
};
const struct rky_shape rky_shape_job_result = {
    .title = "Result of a job",
    .description = "The one terminal result of a job. Published again with the same ce_id; keep "
                   "the first.",
    .type = RKY_SHAPE_OBJECT,
    .fields = result_fields,
};
const struct rky_shape rky_part_result = {.type = RKY_SHAPE_OBJECT, .fields = result_fields};

static const char *const run_commands[] = {"run", "apply", NULL};
static const struct rky_shape run_command = {.type = RKY_SHAPE_STRING, .choices = run_commands};
static const struct rky_shape_field run_fields[] = {
    REQUIRED("version", &rky_part_one, "Version of the output format."),
    REQUIRED("command", &run_command, NULL),
    NULLABLE("job_id", &rky_part_uuid, NULL),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    REQUIRED("pipeline", &rky_part_string, NULL),
    FIGURES,
};
const struct rky_shape rky_shape_output_run = {
    .title = "rocky run, rocky apply",
    .description = "Result of a run on this machine: the fields of job.result.",
    .type = RKY_SHAPE_OBJECT,
    .fields = run_fields,
};
