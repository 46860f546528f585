/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--output json` of what is about the programs rather than the data: doctor, demo, the embedded
 * broker, the producer, and the failure object that every command prints when it cannot do more.
 */
#include "config.h"

#include "schemas/shape_parts.h"

#define OUTPUT_VERSION REQUIRED("version", &rky_part_one, "Version of the output format.")

static const char *const doctor_commands[] = {"doctor", NULL};
static const struct rky_shape doctor_command = {.type = RKY_SHAPE_STRING,
                                                .choices = doctor_commands};
static const char *const healths[] = {"healthy", "warning", "critical", NULL};
static const struct rky_shape health = {.type = RKY_SHAPE_STRING, .choices = healths};
static const char *const verdicts[] = {"healthy", "warning", "critical", "skipped", NULL};
static const struct rky_shape verdict = {.type = RKY_SHAPE_STRING, .choices = verdicts};
static const struct rky_shape details = {.type = RKY_SHAPE_OBJECT, .of = &rky_part_any};
static const struct rky_shape_field check_fields[] = {
    REQUIRED("name", &rky_part_string, NULL),
    REQUIRED("status", &verdict, "skipped: there was nothing to check."),
    REQUIRED("message", &rky_part_string, NULL),
    NULLABLE("hint", &rky_part_string, "What to do about it."),
    REQUIRED("duration_ms", &rky_part_count, NULL),
    REQUIRED("details", &details, "Figures and names, by check."),
    END_OF_FIELDS,
};
static const struct rky_shape check = {.type = RKY_SHAPE_OBJECT, .fields = check_fields};
static const struct rky_shape checks = {.type = RKY_SHAPE_ARRAY, .of = &check};
static const struct rky_shape_field doctor_fields[] = {
    OUTPUT_VERSION,
    REQUIRED("command", &doctor_command, NULL),
    REQUIRED("overall", &health, "The worst of all checks."),
    REQUIRED("checks", &checks, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_doctor = {
    .title = "rocky doctor",
    .description = "Whether everything that a run needs is in order.",
    .type = RKY_SHAPE_OBJECT,
    .fields = doctor_fields,
};

static const char *const demo_commands[] = {"demo", NULL};
static const struct rky_shape demo_command = {.type = RKY_SHAPE_STRING, .choices = demo_commands};
static const struct rky_shape_field step_fields[] = {
    REQUIRED("name", &rky_part_string, NULL),
    REQUIRED("passed", &rky_part_bool, NULL),
    REQUIRED("message", &rky_part_string, "What was seen."),
    REQUIRED("duration_ms", &rky_part_count, NULL),
    END_OF_FIELDS,
};
static const struct rky_shape step = {.type = RKY_SHAPE_OBJECT, .fields = step_fields};
static const struct rky_shape steps = {.type = RKY_SHAPE_ARRAY, .of = &step};
static const struct rky_shape_field demo_fields[] = {
    OUTPUT_VERSION,
    REQUIRED("command", &demo_command, NULL),
    REQUIRED("passed", &rky_part_bool, "Every step did."),
    REQUIRED("directory", &rky_part_string, NULL),
    REQUIRED("duration_ms", &rky_part_count, NULL),
    REQUIRED("steps", &steps, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_demo = {
    .title = "rocky demo",
    .description = "What each step of the demonstration showed.",
    .type = RKY_SHAPE_OBJECT,
    .fields = demo_fields,
};

static const char *const broker_commands[] = {"dev broker", NULL};
static const struct rky_shape broker_command = {.type = RKY_SHAPE_STRING,
                                                .choices = broker_commands};
static const struct rky_shape_field broker_fields[] = {
    OUTPUT_VERSION,
    REQUIRED("command", &broker_command, NULL),
    REQUIRED("bootstrap", &rky_part_string, "host:port for queue.brokers."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_dev_broker = {
    .title = "rocky dev broker",
    .description = "Printed once the broker takes connections.",
    .type = RKY_SHAPE_OBJECT,
    .fields = broker_fields,
};

static const char *const producer_commands[] = {"run", "plan", "apply", "cancel", NULL};
static const struct rky_shape producer_command = {.type = RKY_SHAPE_STRING,
                                                  .choices = producer_commands};
static const struct rky_shape_field producer_fields[] = {
    OUTPUT_VERSION,
    REQUIRED("command", &producer_command, "As given; the jobs of a file may be of other types."),
    REQUIRED("job_id", &rky_part_uuid, NULL),
    NULLABLE("namespace", &rky_part_namespace, "Null for a cancel."),
    REQUIRED("type", &producer_command, "Of this job."),
    REQUIRED("topic", &rky_part_string, NULL),
    NULLABLE("partition", &rky_part_count, "Null when it was not delivered."),
    NULLABLE("offset", &rky_part_count, "Null when it was not delivered."),
    NULLABLE("duplicate", &rky_part_bool,
             "Whether another job answered for its idempotency key; null without --wait."),
    NULLABLE("result", &rky_part_result, "The job.result that was waited for."),
    MAYBE("error", &rky_part_error, "Why it was not delivered, or not waited to the end."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_producer = {
    .title = "rocky-producer",
    .description = "One object per job.",
    .type = RKY_SHAPE_OBJECT,
    .fields = producer_fields,
};

static const struct rky_shape_field failure_fields[] = {
    OUTPUT_VERSION,
    NULLABLE("command", &rky_part_string, "Null when no command was recognised."),
    REQUIRED("error", &rky_part_error, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_error = {
    .title = "Failure of a command",
    .description = "Printed by any command instead of its own object.",
    .type = RKY_SHAPE_OBJECT,
    .fields = failure_fields,
};
