/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small shapes that several messages and outputs share. Constant tables, nothing else.
 */
#include "config.h"

#include "schemas/shape_parts.h"

const struct rky_shape rky_part_any = {.type = RKY_SHAPE_ANY};
const struct rky_shape rky_part_bool = {.type = RKY_SHAPE_BOOL};
const struct rky_shape rky_part_number = {.type = RKY_SHAPE_NUMBER};
const struct rky_shape rky_part_integer = {
    .type = RKY_SHAPE_INTEGER, .minimum = -RKY_SAFE_INTEGER, .maximum = RKY_SAFE_INTEGER};
const struct rky_shape rky_part_count = {
    .type = RKY_SHAPE_INTEGER, .minimum = 0, .maximum = RKY_SAFE_INTEGER};
const struct rky_shape rky_part_positive = {
    .type = RKY_SHAPE_INTEGER, .minimum = 1, .maximum = RKY_SAFE_INTEGER};
const struct rky_shape rky_part_one = {.type = RKY_SHAPE_INTEGER, .minimum = 1, .maximum = 1};
const struct rky_shape rky_part_string = {.type = RKY_SHAPE_STRING};
const struct rky_shape rky_part_uuid = {.type = RKY_SHAPE_STRING, .format = "uuid"};
const struct rky_shape rky_part_hex64 = {.type = RKY_SHAPE_STRING, .format = "hex64"};
const struct rky_shape rky_part_time = {.type = RKY_SHAPE_STRING, .format = "date-time"};
const struct rky_shape rky_part_namespace = {.type = RKY_SHAPE_STRING,
                                             .format = "namespace",
                                             .description = "Unit of ordering, locking and state."};

static const char *const backends[] = {"local", "s3", "valkey", "tiered", NULL};
const struct rky_shape rky_part_backend = {.type = RKY_SHAPE_STRING, .choices = backends};

static const char *const strategies[] = {"incremental", "full_refresh", "merge", NULL};
const struct rky_shape rky_part_strategy = {.type = RKY_SHAPE_STRING, .choices = strategies};

static const char *const actions[] = {"full_refresh", "incremental", "merge",
                                      "none",         "refused",     NULL};
const struct rky_shape rky_part_action = {.type = RKY_SHAPE_STRING, .choices = actions};

static const char *const statuses[] = {"success",     "partial",       "failed",
                                       "skipped",     "cancelled",     "expired",
                                       "interrupted", "dead_lettered", NULL};
const struct rky_shape rky_part_status = {.type = RKY_SHAPE_STRING, .choices = statuses};

static const char *const severities[] = {"error", "warning", NULL};
const struct rky_shape rky_part_severity = {.type = RKY_SHAPE_STRING, .choices = severities};

static const char *const outcomes[] = {"ok",
                                       "absent",
                                       "timeout",
                                       "error_then_fresh",
                                       "transient_exhausted",
                                       "budget_exhausted",
                                       "circuit_open",
                                       "skipped_after_failure",
                                       "error",
                                       "conflict",
                                       NULL};
const struct rky_shape rky_part_outcome = {.type = RKY_SHAPE_STRING, .choices = outcomes};

static const char *const anomaly_kinds[] = {"drop", "spike", "flat", "shrunk", NULL};
const struct rky_shape rky_part_anomaly_kind = {.type = RKY_SHAPE_STRING, .choices = anomaly_kinds};

static const struct rky_shape_field window_fields[] = {
    NULLABLE("after", &rky_part_string, "Cursor value above which rows were taken."),
    NULLABLE("through", &rky_part_string, "Greatest cursor value that was taken."),
    END_OF_FIELDS,
};
const struct rky_shape rky_part_window = {
    .type = RKY_SHAPE_OBJECT,
    .fields = window_fields,
    .description = "Cursor values in the engine's text: after < cursor <= through."};

static const struct rky_shape_field warning_fields[] = {
    REQUIRED("code", &rky_part_string, "Stable name, for example 'target-missing'."),
    REQUIRED("message", &rky_part_string, NULL),
    MAYBE("table", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape warning = {.type = RKY_SHAPE_OBJECT, .fields = warning_fields};
const struct rky_shape rky_part_warnings = {.type = RKY_SHAPE_ARRAY, .of = &warning};

static const struct rky_shape_field excluded_fields[] = {
    REQUIRED("name", &rky_part_string, NULL),
    REQUIRED("reason", &rky_part_string, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape excluded = {.type = RKY_SHAPE_OBJECT, .fields = excluded_fields};
const struct rky_shape rky_part_excluded = {.type = RKY_SHAPE_ARRAY,
                                            .of = &excluded,
                                            .description =
                                                "What discovery saw and left out, and why."};

static const struct rky_shape_field error_fields[] = {
    REQUIRED("code", &rky_part_string, "Stable name of the kind of failure, e.g. 'config'."),
    REQUIRED("message", &rky_part_string, "What was expected and what was found."),
    NULLABLE("hint", &rky_part_string, "What to do about it."),
    END_OF_FIELDS,
};
const struct rky_shape rky_part_error = {.type = RKY_SHAPE_OBJECT, .fields = error_fields};
