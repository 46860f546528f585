/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands print with `--output json`, besides run and apply (shapes_result.c) and the
 * state commands (shapes_state.c). Each is one object with `version` and `command`; a command that
 * fails prints output.error instead.
 */
#include "config.h"

#include "schemas/shape_parts.h"

#define HEAD(command_)                                                   \
    REQUIRED("version", &rky_part_one, "Version of the output format."), \
        REQUIRED("command", command_, NULL)

/* --- plan --------------------------------------------------------------------------------------
 */

static const char *const plan_commands[] = {"plan", NULL};
static const struct rky_shape plan_command = {.type = RKY_SHAPE_STRING, .choices = plan_commands};

static const struct rky_shape_field statement_fields[] = {
    REQUIRED("target", &rky_part_string, "The table it is for."),
    REQUIRED("purpose", &rky_part_string, NULL),
    REQUIRED("sql", &rky_part_string, "Exactly what will be executed."),
    END_OF_FIELDS,
};
static const struct rky_shape statement = {.type = RKY_SHAPE_OBJECT, .fields = statement_fields};
static const struct rky_shape statements = {.type = RKY_SHAPE_ARRAY, .of = &statement};

static const struct rky_shape_field plan_window_fields[] = {
    NULLABLE("after", &rky_part_string, "The watermark."),
    REQUIRED("through_rule", &rky_part_string, "How the upper end is found when it runs."),
    END_OF_FIELDS,
};
static const struct rky_shape plan_window = {.type = RKY_SHAPE_OBJECT,
                                             .fields = plan_window_fields};
static const struct rky_shape_field plan_table_fields[] = {
    REQUIRED("table", &rky_part_string, "Target: catalog.schema.table."),
    REQUIRED("source", &rky_part_string, "Source: catalog.schema.table."),
    REQUIRED("strategy", &rky_part_strategy, NULL),
    REQUIRED("action", &rky_part_action, NULL),
    NULLABLE("reason", &rky_part_string, "Why this action."),
    REQUIRED("window", &plan_window, NULL),
    NULLABLE("estimated_rows", &rky_part_count, "Null when unknown."),
    REQUIRED("warnings", &rky_part_warnings, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape plan_table = {.type = RKY_SHAPE_OBJECT, .fields = plan_table_fields};
static const struct rky_shape plan_tables = {.type = RKY_SHAPE_ARRAY, .of = &plan_table};

static const struct rky_shape_field plan_fields[] = {
    HEAD(&plan_command),
    REQUIRED("plan_id", &rky_part_hex64, NULL),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    REQUIRED("pipeline", &rky_part_string, NULL),
    REQUIRED("created_at", &rky_part_time, NULL),
    REQUIRED("expires_at", &rky_part_time, NULL),
    REQUIRED("base_generation", &rky_part_count, "Of the state it was made from."),
    REQUIRED("config_sha256", &rky_part_hex64, NULL),
    REQUIRED("statements", &statements, NULL),
    REQUIRED("tables", &plan_tables, NULL),
    MAYBE("warnings", &rky_part_warnings, NULL),
    MAYBE("excluded", &rky_part_excluded, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_plan = {
    .title = "rocky plan",
    .description = "What an apply of this plan will do.",
    .type = RKY_SHAPE_OBJECT,
    .fields = plan_fields,
};

/* --- discover, validate ------------------------------------------------------------------------
 */

static const char *const discover_commands[] = {"discover", NULL};
static const struct rky_shape discover_command = {.type = RKY_SHAPE_STRING,
                                                  .choices = discover_commands};
static const struct rky_shape component_value = {.type = RKY_SHAPE_STRINGS};
static const struct rky_shape components = {
    .type = RKY_SHAPE_OBJECT,
    .of = &component_value,
    .description = "Parts of the schema's name; a variadic one is an array."};
static const struct rky_shape_field discovered_fields[] = {
    REQUIRED("name", &rky_part_string, NULL),
    REQUIRED("target", &rky_part_string, "catalog.schema.table it goes to."),
    NULLABLE("cursor", &rky_part_string, "Column; null when the table has none."),
    NULLABLE("cursor_type", &rky_part_string, NULL),
    NULLABLE("cursor_indexed", &rky_part_bool, NULL),
    NULLABLE("estimated_rows", &rky_part_count, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape discovered = {.type = RKY_SHAPE_OBJECT, .fields = discovered_fields};
static const struct rky_shape discovered_tables = {.type = RKY_SHAPE_ARRAY, .of = &discovered};
static const struct rky_shape_field source_fields[] = {
    REQUIRED("catalog", &rky_part_string, NULL),
    REQUIRED("schema", &rky_part_string, NULL),
    REQUIRED("components", &components, NULL),
    REQUIRED("tables", &discovered_tables, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape source = {.type = RKY_SHAPE_OBJECT, .fields = source_fields};
static const struct rky_shape sources = {.type = RKY_SHAPE_ARRAY, .of = &source};
static const struct rky_shape_field discover_fields[] = {
    HEAD(&discover_command),
    REQUIRED("sources", &sources, NULL),
    REQUIRED("excluded", &rky_part_excluded, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_discover = {
    .title = "rocky discover",
    .description = "Source tables of a pipeline and where each goes.",
    .type = RKY_SHAPE_OBJECT,
    .fields = discover_fields,
};

static const char *const validate_commands[] = {"validate", NULL};
static const struct rky_shape validate_command = {.type = RKY_SHAPE_STRING,
                                                  .choices = validate_commands};
static const struct rky_shape_field problem_fields[] = {
    REQUIRED("severity", &rky_part_severity, NULL),
    NULLABLE("file", &rky_part_string, NULL),
    NULLABLE("line", &rky_part_positive, NULL),
    NULLABLE("column", &rky_part_positive, NULL),
    NULLABLE("key", &rky_part_string, "Dotted name of the key."),
    REQUIRED("message", &rky_part_string, NULL),
    NULLABLE("hint", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape problem = {.type = RKY_SHAPE_OBJECT, .fields = problem_fields};
static const struct rky_shape problems = {.type = RKY_SHAPE_ARRAY, .of = &problem};
static const struct rky_shape_field validate_fields[] = {
    HEAD(&validate_command),
    REQUIRED("valid", &rky_part_bool, "No problem of severity error."),
    REQUIRED("problems", &problems, NULL),
    MAYBE("error", &rky_part_error, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_validate = {
    .title = "rocky validate",
    .description = "Every problem of a configuration.",
    .type = RKY_SHAPE_OBJECT,
    .fields = validate_fields,
};

/* --- history -----------------------------------------------------------------------------------
 */

static const char *const history_commands[] = {"history", NULL};
static const struct rky_shape history_command = {.type = RKY_SHAPE_STRING,
                                                 .choices = history_commands};
static const struct rky_shape_field run_fields[] = {
    REQUIRED("run_id", &rky_part_uuid, NULL),
    NULLABLE("job_id", &rky_part_uuid, NULL),
    REQUIRED("started_at", &rky_part_time, NULL),
    NULLABLE("finished_at", &rky_part_time, NULL),
    REQUIRED("status", &rky_part_status, NULL),
    REQUIRED("trigger", &rky_part_string, "'cli' or 'kafka'."),
    REQUIRED("tables_copied", &rky_part_count, NULL),
    REQUIRED("tables_failed", &rky_part_count, NULL),
    REQUIRED("rows_copied", &rky_part_count, NULL),
    NULLABLE("worker_id", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape run = {.type = RKY_SHAPE_OBJECT, .fields = run_fields};
static const struct rky_shape runs = {.type = RKY_SHAPE_ARRAY, .of = &run};
static const struct rky_shape_field count_fields[] = {
    REQUIRED("count", &rky_part_count, NULL),
    REQUIRED("timestamp", &rky_part_time, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape count = {.type = RKY_SHAPE_OBJECT, .fields = count_fields};
static const struct rky_shape counts = {
    .type = RKY_SHAPE_ARRAY, .of = &count, .description = "Oldest first."};
static const struct rky_shape_field past_anomaly_fields[] = {
    REQUIRED("kind", &rky_part_anomaly_kind, NULL),
    REQUIRED("current_count", &rky_part_count, NULL),
    REQUIRED("baseline_avg", &rky_part_number, NULL),
    REQUIRED("deviation_pct", &rky_part_number, "Signed."),
    REQUIRED("reason", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape past_anomaly = {.type = RKY_SHAPE_OBJECT,
                                              .fields = past_anomaly_fields};
static const struct rky_shape past_anomalies = {
    .type = RKY_SHAPE_ARRAY, .of = &past_anomaly, .description = "Newest first."};
static const struct rky_shape_field history_table_fields[] = {
    REQUIRED("table", &rky_part_string, NULL),
    REQUIRED("counts", &counts, NULL),
    REQUIRED("anomalies", &past_anomalies, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape history_table = {.type = RKY_SHAPE_OBJECT,
                                               .fields = history_table_fields};
static const struct rky_shape history_tables = {.type = RKY_SHAPE_ARRAY, .of = &history_table};
static const struct rky_shape_field history_fields[] = {
    HEAD(&history_command),
    REQUIRED("runs", &runs, NULL),
    REQUIRED("tables", &history_tables, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_history = {
    .title = "rocky history",
    .description = "Past runs, newest first, and row counts per table.",
    .type = RKY_SHAPE_OBJECT,
    .fields = history_fields,
};

static const char *const accept_commands[] = {"history accept", NULL};
static const struct rky_shape accept_command = {.type = RKY_SHAPE_STRING,
                                                .choices = accept_commands};
static const struct rky_shape_field accept_fields[] = {
    HEAD(&accept_command),
    REQUIRED("table", &rky_part_string, NULL),
    NULLABLE("count", &rky_part_count, "The row count that is the new normal."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_history_accept = {
    .title = "rocky history accept",
    .description = "The newest count of a table was declared normal.",
    .type = RKY_SHAPE_OBJECT,
    .fields = accept_fields,
};
