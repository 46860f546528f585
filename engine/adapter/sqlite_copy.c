/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one transaction of a table: the claim is ours, the watermark is the one that was read, then
 * every statement of the copy in its order, the new watermark, the commit row.
 *
 * BEGIN IMMEDIATE locks the target and pins the source, so all of it sees one source snapshot. When
 * nothing is new the transaction ends without a write. After any error the target is as before.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/fault.h"

/* Beyond so many rows the page cache is worth giving back. */
enum { RELEASE_ROWS = 1000 };

/* --- statements ------------------------------------------------------------------------------- */

int rky_sqlite_run(struct rky_sqlite_copy *copy, const char *sql, const char *doing,
                   int64_t *ret_changes, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(copy->session, sql, &statement, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_bind_horizon(statement, &copy->horizon, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_bind_latest(copy->session, copy->shape, statement, err);
    copy->session->counting = true;
    if (rc == RKY_OK) {
        do
            rc = rky_sqlite_step(copy->session, statement, doing, err);
        while (rc == SQLITE_ROW);
    }
    copy->session->counting = false;
    if (rc == SQLITE_DONE && ret_changes != NULL)
        *ret_changes = sqlite3_changes64(copy->session->db);
    (void)sqlite3_finalize(statement);
    return rc < 0 ? rc : RKY_OK;
}

/* --- before the first statement ------------------------------------------------------------------
 */

/* Columns are copied by name through `SELECT *`: the source must still have exactly those. */
static int check_source(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    const struct rky_table_info *table = spec->source_table;
    struct rky_sqlite_session *session = copy->session;
    int rc = rky_sqlite_refresh_source(session, err);
    if (rc != RKY_OK)
        return rc;
    if (sqlite3_table_column_metadata(session->db, copy->shape->alias, spec->source.table, NULL,
                                      NULL, NULL, NULL, NULL, NULL) != SQLITE_OK)
        return rky_fail(err, RKY_ERR_SOURCE_MISSING, "there is no source table '%s' in '%s'",
                        spec->source.table, session->attached_file);
    rc = rky_sqlite_prepare_rows(session, copy->shape, &copy->source_rows, err);
    if (rc != RKY_OK)
        return rc;
    bool same = (size_t)sqlite3_column_count(copy->source_rows) == table->column_count;
    for (size_t i = 0; same && i < table->column_count; i++) {
        const char *name = sqlite3_column_name(copy->source_rows, (int)i);
        same = name != NULL && strcmp(name, table->columns[i].name) == 0;
    }
    if (same)
        return RKY_OK;
    return rky_fail(err, RKY_ERR_SCHEMA_DRIFT,
                    "the columns of source table '%s' changed since they were read",
                    spec->source.table);
}

/* Statements that are left open would keep the connection from closing. */
static void close_source(struct rky_sqlite_copy *copy)
{
    (void)sqlite3_finalize(copy->source_rows);
    copy->source_rows = NULL;
}

static int check_target(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    bool there = sqlite3_table_column_metadata(copy->session->db, "main", spec->target.table, NULL,
                                               NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
    if (there == (spec->target_table != NULL))
        return RKY_OK;
    return rky_fail(err, RKY_ERR_SCHEMA_DRIFT, "target table '%s' %s since the target was read",
                    spec->target.table, there ? "appeared" : "disappeared");
}

/* The upper end of the window, written as the column writes its times. */
static int find_horizon(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    struct rky_clock *clock = copy->session->clock;
    struct rky_cursor sample = {0};
    int64_t lag_us = 0, time_us = 0;
    if (!copy->shape->has_horizon)
        return RKY_OK;
    int rc = rky_sqlite_sample(copy->session, copy->shape, &sample, err);
    if (rc == RKY_OK && sample.type != RKY_CURSOR_NONE) {
        if (rky_cursor_time(&sample, &time_us) != RKY_OK)
            rc = rky_sqlite_no_time(spec, "safety_lag_seconds", &sample, err);
        else if (__builtin_mul_overflow(spec->safety_lag_seconds, INT64_C(1000000), &lag_us))
            rc = rky_fail(err, RKY_ERR_CONFIG, "safety_lag_seconds is too large");
        else
            rc = rky_cursor_time_like(&sample, clock->wall_us(clock) - lag_us, &copy->horizon, err);
    }
    rky_cursor_done(&sample);
    return rc;
}

/* Taking over a table: its watermark is the greatest cursor value that it holds. */
static int adopted_value(struct rky_sqlite_copy *copy, const struct rky_copy_spec *spec,
                         struct rky_cursor *ret_value, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    struct rky_strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    rky_strbuf_addf(&sql, "SELECT max(%s), min(%s) FROM %s", shape->target_binary,
                    shape->target_binary, shape->target);
    int rc = sql.failed ? rky_fail_nomem(err)
                        : rky_sqlite_prepare(copy->session, rky_strbuf_text(&sql), &statement, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_step(copy->session, statement, "read the target", err);
    if (rc == SQLITE_ROW) {
        bool text = sqlite3_column_type(statement, 0) == SQLITE_TEXT;
        if (text != (sqlite3_column_type(statement, 1) == SQLITE_TEXT))
            rc = rky_fail(err, RKY_ERR_QUERY,
                          "target table '%s' cannot be adopted: column '%s' holds text and numbers",
                          spec->target.table, spec->cursor_column);
        else
            rc = rky_sqlite_column_cursor(statement, 0, spec->target.table, spec->cursor_column,
                                          ret_value, err);
    }
    (void)sqlite3_finalize(statement);
    rky_strbuf_done(&sql);
    return rc;
}

/* --- the statements in their order
 * ----------------------------------------------------------------- */

static int run_survey(struct rky_sqlite_copy *copy, const char *sql, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    struct rky_sqlite_session *session = copy->session;
    int rc = rky_sqlite_survey(session, shape, sql, &copy->horizon, &copy->survey, err);
    if (rc == RKY_OK && rky_sqlite_ties_wanted(copy))
        rc = rky_sqlite_ties(copy, &shape->after, &session->tracker.at_after, &copy->at_after, err);
    return rc;
}

/* A constraint with a conflict clause of its own, or a trigger, can swallow rows silently. */
static int check_kept(const struct rky_sqlite_copy *copy, int64_t wanted, int64_t kept,
                      struct rky_error *err)
{
    if (wanted < 0 || wanted == kept)
        return RKY_OK;
    int rc = rky_fail(err, RKY_ERR_QUERY, "target table '%s' kept %lld of %lld rows",
                      copy->shape->spec->target.table, (long long)kept, (long long)wanted);
    rky_error_hint(err, "a constraint or trigger that was put on it drops rows; remove it");
    return rc;
}

/* What the tracker saw; of rows that it was not shown, what was written. */
static int take_tracked(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    struct rky_sqlite_survey *survey = &copy->survey;
    survey->rows = copy->session->tracker.rows;
    int rc = rky_sqlite_tracked(copy->session, shape, survey, err);
    if (rc != RKY_OK || !shape->passes)
        return rc;
    bool with_nulls = shape->whole && shape->spec->null_cursor == RKY_NULL_CURSOR_INCLUDE;
    survey->window_rows = copy->plain_rows - (with_nulls ? survey->nulls : 0);
    survey->rows = survey->window_rows + survey->nulls;
    return RKY_OK;
}

static int run_copy(struct rky_sqlite_copy *copy, const char *sql, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    int rc = RKY_OK;
    if (!shape->unbounded && copy->survey.window_rows == 0)
        return RKY_OK;
    if (shape->tracked)
        rc = rky_sqlite_track(copy->session, shape, &copy->horizon, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_run(copy, sql, "copy rows", &copy->plain_rows, err);
    if (rc == RKY_OK && shape->tracked)
        rc = take_tracked(copy, err);
    if (rc != RKY_OK)
        return rc;
    if (shape->whole && shape->spec->null_cursor == RKY_NULL_CURSOR_INCLUDE &&
        copy->survey.window_rows >= 0)
        copy->survey.window_rows += copy->survey.nulls;
    if (shape->cursor == NULL)
        copy->survey.rows = copy->survey.window_rows = copy->plain_rows;
    copy->wrote |= copy->plain_rows > 0;
    return check_kept(copy, copy->survey.window_rows, copy->plain_rows, err);
}

static int run_step(struct rky_sqlite_copy *copy, const struct rky_sqlite_step *step,
                    const char *sql, struct rky_error *err)
{
    switch (step->kind) {
    case RKY_SQLITE_STEP_ALTER:
        copy->wrote = true;
        return rky_sqlite_run(copy, sql, "add a column", NULL, err);
    case RKY_SQLITE_STEP_CREATE:
        copy->wrote = true;
        return rky_sqlite_run(copy, sql, "create the target table", NULL, err);
    case RKY_SQLITE_STEP_CLEAR:
        copy->wrote = true;
        return rky_sqlite_run(copy, sql, "empty the target table", NULL, err);
    case RKY_SQLITE_STEP_SURVEY:
        return run_survey(copy, sql, err);
    case RKY_SQLITE_STEP_COPY:
        return run_copy(copy, sql, err);
    case RKY_SQLITE_STEP_STAGE:
    case RKY_SQLITE_STEP_FILL:
    case RKY_SQLITE_STEP_SURPLUS:
    case RKY_SQLITE_STEP_UNSTAGE:
        return rky_sqlite_examine(copy, step, sql, err);
    case RKY_SQLITE_STEP_DROP:
        return rky_sqlite_swap_drop(copy, sql, err);
    case RKY_SQLITE_STEP_RENAME:
        return rky_sqlite_swap_rename(copy, sql, err);
    }
    return RKY_OK;
}

static bool is_due(const struct rky_sqlite_copy *copy, const struct rky_sqlite_step *step)
{
    return step->slice == RKY_SQLITE_SLICE_COUNT || rky_sqlite_slice_due(copy, step->slice);
}

static int run_steps(struct rky_sqlite_copy *copy, struct rky_error *err)
{
    struct rky_sqlite_step *steps = NULL;
    size_t count = 0;
    int rc = rky_sqlite_steps(copy->shape, &steps, &count, err);
    for (size_t i = 0; rc == RKY_OK && i < count; i++) {
        char *sql = NULL;
        if (!is_due(copy, &steps[i]))
            continue;
        rc = rky_sqlite_step_sql(copy->shape, &steps[i], &sql, err);
        if (rc == RKY_OK)
            rc = run_step(copy, &steps[i], sql, err);
        rky_free(sql);
    }
    rky_free(steps);
    return rc;
}

/* --- the transaction
 * ---------------------------------------------------------------------------------- */

static int finish(struct rky_sqlite_copy *copy, const struct rky_copy_ids *ids,
                  struct rky_sqlite_watermark *next, struct rky_error *err)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    int rc = rky_sqlite_watermark_find(copy, next, err);
    close_source(copy);
    if (rc != RKY_OK)
        return rc;
    if (!rky_sqlite_watermark_changes(copy, next)) {
        rky_sqlite_rollback(copy->session);
        return RKY_OK;
    }
    rc = rky_sqlite_watermark_write(copy, ids, next, err);
    if (rc != RKY_OK)
        return rc;
    rky_fault_point("copy.watermark");
    rky_fault_point("copy.before_commit");
    rc = rky_sqlite_commit(copy->session, err);
    if (rc != RKY_OK)
        rc = rky_sqlite_settle(copy->session, spec->table_name, ids->commit_id, rc, err);
    if (rc != RKY_OK)
        return rc;
    rky_fault_point("copy.after_commit");
    copy->outcome->wrote = true;
    return RKY_OK;
}

static void report(struct rky_sqlite_copy *copy, struct rky_sqlite_watermark *next)
{
    struct rky_copy_outcome *outcome = copy->outcome;
    outcome->rows_copied = copy->plain_rows + copy->late_rows;
    outcome->late_rows = copy->late_rows;
    outcome->window_rows = copy->survey.window_rows;
    outcome->source_count = copy->survey.rows;
    outcome->null_cursors = copy->shape->cursor != NULL ? copy->survey.nulls : 0;
    outcome->through = next->value;
    outcome->high_value = next->high;
    *next = (struct rky_sqlite_watermark){0};
}

static int transaction(struct rky_sqlite_copy *copy, const struct rky_claim *claim,
                       const struct rky_copy_ids *ids, struct rky_sqlite_shape *shape,
                       struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    struct rky_cursor adopted = {0};
    struct rky_sqlite_watermark next = {0};
    int rc = rky_sqlite_demand_claim(copy->session, claim, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_demand_commit_id(copy->session, spec->table_name,
                                         spec->mark != NULL ? spec->mark->commit_id : NULL, err);
    if (rc == RKY_OK)
        rky_fault_point("copy.claimed");
    if (rc == RKY_OK)
        rc = check_source(copy, err);
    if (rc == RKY_OK)
        rc = check_target(copy, err);
    if (rc == RKY_OK && shape->unresolved) {
        rc = adopted_value(copy, spec, &adopted, err);
        if (rc == RKY_OK) {
            rky_sqlite_shape_done(shape);
            rc = rky_sqlite_shape_init(spec, &adopted, shape, err);
        }
    }
    if (rc == RKY_OK)
        rc = find_horizon(copy, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_refresh_check(copy, err);
    if (rc == RKY_OK)
        rc = run_steps(copy, err);
    if (rc == RKY_OK)
        rky_fault_point("copy.rows");
    if (rc == RKY_OK)
        rc = finish(copy, ids, &next, err);
    if (rc == RKY_OK)
        report(copy, &next);
    rky_cursor_done(&adopted);
    rky_cursor_done(&next.value);
    rky_cursor_done(&next.high);
    return rc;
}

static int attach_source(struct rky_sqlite_session *session, const struct rky_sqlite_shape *shape,
                         struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    char *file = NULL;
    if (session->source == NULL || session->source->ops != session->base.ops)
        return rky_fail(err, RKY_ERR_UNSUPPORTED,
                        "a SQLite target can only be filled from a SQLite source");
    int rc =
        rky_sqlite_file(session->source, spec->source.catalog, spec->source.schema, &file, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_attach(session, file, shape->alias, err);
    rky_free(file);
    return rc;
}

int rky_sqlite_copy(struct rky_session *base, const struct rky_claim *claim,
                    const struct rky_copy_spec *spec, const struct rky_copy_ids *ids,
                    struct rky_copy_outcome *ret_outcome, struct rky_error *err)
{
    struct rky_sqlite_shape shape = {0};
    struct rky_copy_outcome outcome = {0};
    struct rky_sqlite_copy copy = {
        .session = (struct rky_sqlite_session *)base,
        .shape = &shape,
        .outcome = &outcome,
        .survey = {.rows = -1, .nulls = -1, .window_rows = -1},
        .at_after = {.count = -1},
    };
    atomic_store(&copy.session->rows, 0);
    int rc = rky_sqlite_shape_init(spec, NULL, &shape, err);
    if (rc == RKY_OK)
        rc = attach_source(copy.session, &shape, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_begin(copy.session, err);
    if (rc == RKY_OK) {
        rky_fault_point("copy.begin");
        rc = transaction(&copy, claim, ids, &shape, err);
        close_source(&copy);
        if (rc != RKY_OK)
            rky_sqlite_rollback(copy.session);
    }
    /* A session may stay open for long; what a large table needed must not stay with it. */
    rky_sqlite_tracker_done(&copy.session->tracker);
    if (copy.plain_rows + copy.late_rows > RELEASE_ROWS && copy.session->db != NULL)
        (void)sqlite3_db_release_memory(copy.session->db);
    rky_strings_done(&copy.dependents);
    rky_sqlite_survey_done(&copy.survey);
    rky_cursor_done(&copy.horizon);
    rky_sqlite_shape_done(&shape);
    if (rc != RKY_OK) {
        rky_copy_outcome_done(&outcome);
        return rc;
    }
    *ret_outcome = outcome;
    return RKY_OK;
}
