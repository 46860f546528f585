/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift: what to do when source and target columns no longer match, or no table stands where the
 * target should be. By name, never by position.
 *
 * `evolve` adds columns that are new in the source; a type that no longer fits stops the table;
 * `fail` stops it on either; `rebuild` copies it whole again. A column that is gone from the source
 * stays in the target and is filled with NULL. A target is never dropped by itself.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "engine/run_internal.h"

static int note(struct rky_work *work, const char *action, const char *reason,
                struct rky_error *err)
{
    if (work->drift_actions == NULL)
        work->drift_actions = json_array();
    json_t *entry =
        json_pack("{s:s, s:s, s:s}", "table", work->name, "action", action, "reason", reason);
    if (work->drift_actions == NULL || entry == NULL ||
        json_array_append_new(work->drift_actions, entry) != 0)
        return rky_fail_nomem(err);
    return RKY_OK;
}

static int drifted(const struct rky_work *work, const char *what, const char *hint,
                   struct rky_error *err)
{
    int rc = rky_fail(err, RKY_ERR_SCHEMA_DRIFT, "table '%s' has drifted: %s", work->name, what);
    rky_error_hint(err, "%s", hint);
    return rc;
}

static int rebuild(struct rky_work *work, const char *what, struct rky_error *err)
{
    work->decision.action = RKY_ACTION_FULL_REFRESH;
    work->decision.reason = "drift";
    return note(work, "rebuild", what, err);
}

/* A column that the target must get first. @param from "the source" or "metadata_columns". */
static int missing_in_target(struct rky_run *run, struct rky_work *work, const char *column,
                             const char *from, size_t *added, struct rky_error *err)
{
    char what[200];
    (void)snprintf(what, sizeof(what), "column '%.120s' is new in %s", column, from);
    switch (run->env.pipeline->on_drift) {
    case RKY_DRIFT_FAIL:
        return drifted(work, what,
                       "set on_drift = \"evolve\" to have such columns added, or add it to the "
                       "target by hand",
                       err);
    case RKY_DRIFT_REBUILD:
        return rebuild(work, what, err);
    case RKY_DRIFT_EVOLVE:
        break;
    }
    const char **grown =
        rky_reallocarray((void *)work->added_columns, *added + 2, sizeof(*work->added_columns));
    if (grown == NULL)
        return rky_fail_nomem(err);
    work->added_columns = grown;
    work->added_columns[(*added)++] = column;
    work->added_columns[*added] = NULL;
    return note(work, "add_column", what, err);
}

static bool type_fits(const struct rky_run *run, const char *source_type, const char *target_type)
{
    if (strcasecmp(source_type, target_type) == 0)
        return true;
    return run->target->ops->type_fits != NULL &&
           run->target->ops->type_fits(source_type, target_type);
}

static int changed_type(struct rky_run *run, struct rky_work *work, const struct rky_column *from,
                        const struct rky_column *to, struct rky_error *err)
{
    static const char hint[] =
        "set on_drift = \"rebuild\" to copy the table whole into new columns, "
        "or change the target's column by hand";
    char what[300];
    (void)snprintf(what, sizeof(what),
                   "column '%.100s' is '%.60s' in the source, '%.60s' in the "
                   "target",
                   from->name, from->type, to->type);
    return run->env.pipeline->on_drift == RKY_DRIFT_REBUILD ? rebuild(work, what, err)
                                                            : drifted(work, what, hint, err);
}

/* Whoever made the view may need it, so it is not ours to replace. */
int rky_work_check_target(const struct rky_work *work, struct rky_error *err)
{
    if (work->target_table == NULL || work->target_table->kind != RKY_TABLE_VIEW)
        return RKY_OK;
    int rc = rky_fail(err, RKY_ERR_SCHEMA_DRIFT,
                      "target '%s' is a view, expected a table that rows can be copied into",
                      work->name);
    rky_error_hint(err, "drop or rename the view, and the next run copies the table whole; or send "
                        "the table elsewhere with another schema_template");
    return rc;
}

static bool is_metadata_column(const struct rky_run *run, const char *name)
{
    for (size_t i = 0; i < run->env.pipeline->metadata_column_count; i++)
        if (strcasecmp(run->env.pipeline->metadata_columns[i].name, name) == 0)
            return true;
    return false;
}

static int gone_from_source(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < work->target_table->column_count; i++) {
        const char *name = work->target_table->columns[i].name;
        if (rky_table_column(work->table->info, name) != NULL || is_metadata_column(run, name))
            continue;
        char what[300];
        (void)snprintf(what, sizeof(what),
                       "column '%.120s' is in the target only: neither the source nor "
                       "metadata_columns has it, and new rows have NULL there",
                       name);
        rc = note(work, "keep_column", what, err);
    }
    return rc;
}

int rky_work_drift(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    const struct rky_table_info *source = work->table->info;
    size_t added = 0;
    int rc = RKY_OK;
    /* A full refresh builds its columns anew anyway. */
    if (work->target_table == NULL || work->decision.action == RKY_ACTION_FULL_REFRESH)
        return RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < source->column_count; i++) {
        const struct rky_column *column = &source->columns[i];
        const struct rky_column *there = rky_table_column(work->target_table, column->name);
        if (there == NULL)
            rc = missing_in_target(run, work, column->name, "the source", &added, err);
        else if (!type_fits(run, column->type, there->type))
            rc = changed_type(run, work, column, there, err);
        if (work->decision.action == RKY_ACTION_FULL_REFRESH)
            return rc;
    }
    for (size_t i = 0; rc == RKY_OK && i < run->env.pipeline->metadata_column_count; i++) {
        const char *name = run->env.pipeline->metadata_columns[i].name;
        if (rky_table_column(work->target_table, name) == NULL)
            rc = missing_in_target(run, work, name, "metadata_columns", &added, err);
        if (work->decision.action == RKY_ACTION_FULL_REFRESH)
            return rc;
    }
    return rc == RKY_OK ? gone_from_source(run, work, err) : rc;
}
