/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `rocky state` and its repair tools print with `--output json`.
 */
#include "config.h"

#include "schemas/shape_parts.h"

#define HEAD(command_)                                                   \
    REQUIRED("version", &rky_part_one, "Version of the output format."), \
        REQUIRED("command", command_, NULL)

/* --- who holds it ------------------------------------------------------------------------------
 */

static const struct rky_shape_field lease_fields[] = {
    REQUIRED("worker_id", &rky_part_string, "Who holds it."),
    NULLABLE("run_id", &rky_part_uuid, "Null when a command holds it."),
    REQUIRED("token", &rky_part_count, "The fence token that was handed out with it."),
    NULLABLE("since", &rky_part_time, "When the run began; null when that is not known."),
    REQUIRED("expires_in_seconds", &rky_part_number, "Unless it is renewed."),
    END_OF_FIELDS,
};
static const struct rky_shape lease = {.type = RKY_SHAPE_OBJECT, .fields = lease_fields};

/* --- state -------------------------------------------------------------------------------------
 */

static const char *const state_commands[] = {"state", NULL};
static const struct rky_shape state_command = {.type = RKY_SHAPE_STRING, .choices = state_commands};
static const char *const truths[] = {"ledger", "target", NULL};
static const struct rky_shape truth = {.type = RKY_SHAPE_STRING, .choices = truths};
static const char *const copies[] = {"none",   "in_sync",    "pending", "stale",
                                     "in_use", "unreadable", NULL};
static const struct rky_shape copy = {.type = RKY_SHAPE_STRING, .choices = copies};
static const struct rky_shape_field watermark_fields[] = {
    REQUIRED("table", &rky_part_string, NULL),
    NULLABLE("last_value", &rky_part_string, "Null when the source was empty."),
    NULLABLE("updated_at", &rky_part_time, NULL),
    REQUIRED("source_of_truth", &truth, NULL),
    NULLABLE("target_value", &rky_part_string, "Null when the target was not read or has none."),
    MAYBE("stale", &truth, "Which of the two is behind; null when they agree."),
    NULLABLE("lag_seconds", &rky_part_number, "Null when the cursor is not a time."),
    END_OF_FIELDS,
};
static const struct rky_shape watermark = {.type = RKY_SHAPE_OBJECT, .fields = watermark_fields};
static const struct rky_shape watermarks = {.type = RKY_SHAPE_ARRAY, .of = &watermark};
static const struct rky_shape_field state_fields[] = {
    HEAD(&state_command),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    NULLABLE("lineage", &rky_part_uuid, "Null when there is no state yet."),
    REQUIRED("generation", &rky_part_count, "0 when there is no state yet."),
    REQUIRED("backend", &rky_part_backend, NULL),
    MAYBE("location", &rky_part_string, "Where the state is: a file, or the address of an object."),
    MAYBE("lease", &lease, "Null when nobody holds it, or when it was not asked for."),
    MAYBE("local_copy", &copy, "What this machine holds of a remote state."),
    REQUIRED("watermarks", &watermarks, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state = {
    .title = "rocky state",
    .description = "Watermarks of a namespace.",
    .type = RKY_SHAPE_OBJECT,
    .fields = state_fields,
};

/* --- one table ---------------------------------------------------------------------------------
 */

static const char *const state_delete_commands[] = {"state delete", "state set", NULL};
static const struct rky_shape state_delete_command = {.type = RKY_SHAPE_STRING,
                                                      .choices = state_delete_commands};
static const struct rky_shape_field state_delete_fields[] = {
    HEAD(&state_delete_command),
    REQUIRED("table", &rky_part_string, NULL),
    NULLABLE("old_value", &rky_part_string, NULL),
    NULLABLE("new_value", &rky_part_string, "Null after a deletion."),
    MAYBE("rows_skipped", &rky_part_count,
          "Source rows that no run will copy after a watermark was set forwards."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state_delete = {
    .title = "rocky state delete, rocky state set",
    .description = "The watermark that was changed.",
    .type = RKY_SHAPE_OBJECT,
    .fields = state_delete_fields,
};

static const char *const adopt_commands[] = {"state adopt", NULL};
static const struct rky_shape adopt_command = {.type = RKY_SHAPE_STRING, .choices = adopt_commands};
static const struct rky_shape_field adopt_fields[] = {
    HEAD(&adopt_command),
    REQUIRED("namespace", &rky_part_namespace, "The owner now."),
    NULLABLE("table", &rky_part_string, "Null when the lineage was adopted."),
    NULLABLE("old_namespace", &rky_part_string, "The owner before; null when nobody managed it."),
    NULLABLE("value", &rky_part_string, "The table's watermark now."),
    NULLABLE("old_lineage", &rky_part_string, "Null unless the lineage changed."),
    REQUIRED("lineage", &rky_part_uuid, NULL),
    REQUIRED("schemas", &rky_part_count, "Target schemas that were written to."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state_adopt = {
    .title = "rocky state adopt",
    .description = "The table, or the lineage, that was taken over.",
    .type = RKY_SHAPE_OBJECT,
    .fields = adopt_fields,
};

/* --- the whole state ---------------------------------------------------------------------------
 */

static const char *const versions_commands[] = {"state versions", NULL};
static const struct rky_shape versions_command = {.type = RKY_SHAPE_STRING,
                                                  .choices = versions_commands};
static const struct rky_shape_field version_fields[] = {
    REQUIRED("generation", &rky_part_count, NULL),
    REQUIRED("write_id", &rky_part_string, "Its first eight characters."),
    NULLABLE("at", &rky_part_time, "When it was kept."),
    REQUIRED("bytes", &rky_part_count, NULL),
    REQUIRED("current", &rky_part_bool, "Whether this is what the state holds now."),
    END_OF_FIELDS,
};
static const struct rky_shape version = {.type = RKY_SHAPE_OBJECT, .fields = version_fields};
static const struct rky_shape versions = {
    .type = RKY_SHAPE_ARRAY, .of = &version, .description = "Newest first."};
static const struct rky_shape_field versions_fields[] = {
    HEAD(&versions_command),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    REQUIRED("backend", &rky_part_backend, NULL),
    NULLABLE("generation", &rky_part_count, "Of the state now; null when there is none."),
    REQUIRED("versions", &versions, NULL),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state_versions = {
    .title = "rocky state versions",
    .description = "Older versions of the state that 'rocky state restore' can go back to.",
    .type = RKY_SHAPE_OBJECT,
    .fields = versions_fields,
};

static const char *const restore_commands[] = {"state restore", "state import", NULL};
static const struct rky_shape restore_command = {.type = RKY_SHAPE_STRING,
                                                 .choices = restore_commands};
static const struct rky_shape_field restore_fields[] = {
    HEAD(&restore_command),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    REQUIRED("lineage", &rky_part_uuid, NULL),
    REQUIRED("old_generation", &rky_part_count, "0 when there was no state."),
    REQUIRED("restored_from", &rky_part_count, "Generation of what was taken over."),
    REQUIRED("generation", &rky_part_count, "Of the state now."),
    REQUIRED("watermarks", &rky_part_count, "Tables in it; the next run follows the target."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state_restore = {
    .title = "rocky state restore, rocky state import",
    .description = "The state whose history and plans were replaced by another version's.",
    .type = RKY_SHAPE_OBJECT,
    .fields = restore_fields,
};

static const char *const export_commands[] = {"state export", NULL};
static const struct rky_shape export_command = {.type = RKY_SHAPE_STRING,
                                                .choices = export_commands};
static const char *const export_formats[] = {"snapshot", "sqlite", NULL};
static const struct rky_shape export_format = {.type = RKY_SHAPE_STRING, .choices = export_formats};
static const struct rky_shape_field export_fields[] = {
    HEAD(&export_command),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    REQUIRED("lineage", &rky_part_uuid, NULL),
    REQUIRED("generation", &rky_part_count, NULL),
    REQUIRED("file", &rky_part_string, NULL),
    REQUIRED("format", &export_format, NULL),
    REQUIRED("bytes", &rky_part_count, NULL),
    REQUIRED("sha256", &rky_part_hex64, "Of the file."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state_export = {
    .title = "rocky state export",
    .description = "The file that the state was written to.",
    .type = RKY_SHAPE_OBJECT,
    .fields = export_fields,
};

static const char *const unlock_commands[] = {"state unlock", NULL};
static const struct rky_shape unlock_command = {.type = RKY_SHAPE_STRING,
                                                .choices = unlock_commands};
static const struct rky_shape_field lock_fields[] = {
    REQUIRED("file", &rky_part_string, "The lock file on this machine."),
    REQUIRED("pid", &rky_part_positive, "The process that holds it."),
    END_OF_FIELDS,
};
static const struct rky_shape lock = {.type = RKY_SHAPE_OBJECT, .fields = lock_fields};
static const struct rky_shape_field unlock_fields[] = {
    HEAD(&unlock_command),
    REQUIRED("namespace", &rky_part_namespace, NULL),
    REQUIRED("broken", &rky_part_bool, "Whether a lease was taken away from its holder."),
    NULLABLE("lease", &lease, "The lease that was found; null when there was none."),
    NULLABLE("lock", &lock, "A process of this machine that is at work; null when there is none."),
    END_OF_FIELDS,
};
const struct rky_shape rky_shape_output_state_unlock = {
    .title = "rocky state unlock",
    .description = "Who held the namespace, and whether that was ended.",
    .type = RKY_SHAPE_OBJECT,
    .fields = unlock_fields,
};
