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

/* --- statements ------------------------------------------------------------------------------- */

int rky_sqlite_run(struct rky_sqlite_copy *copy, const char *sql, const char *doing,
                   int64_t *ret_changes, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(copy->session, sql, &statement, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_bind_horizon(statement, &copy->horizon, err);
    if (rc == RKY_OK) {
        do
            rc = rky_sqlite_step(copy->session, statement, doing, err);
        while (rc == SQLITE_ROW);
    }
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
    if (rc == RKY_OK && !shape->whole && shape->after.type != RKY_CURSOR_NONE &&
        shape->spec->boundary == RKY_BOUNDARY_EXACT)
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
    if (rc == RKY_OK && shape->tracked) {
        copy->survey.rows = copy->session->tracker.rows;
        rc = rky_sqlite_tracked(copy->session, shape, &copy->survey, err);
    }
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

/* --- the new watermark
 * ------------------------------------------------------------------------------- */

/* Values, ties and figures of the row that is written when it differs from the old one. */
struct new_mark {
    struct rky_cursor value, high;
    struct rky_sqlite_ties ties;
};

static int new_values(struct rky_sqlite_copy *copy, struct new_mark *next, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    const struct rky_cursor *greatest = &copy->survey.greatest;
    const struct rky_cursor *value =
        !shape->whole && rky_cursor_compare(&shape->after, greatest) > 0 ? &shape->after : greatest;
    const struct rky_cursor *high =
        rky_cursor_compare(&shape->high, value) > 0 ? &shape->high : value;
    int rc = rky_cursor_copy(value, &next->value, err);
    if (rc == RKY_OK)
        rc = rky_cursor_copy(high, &next->high, err);
    return rc;
}

static int new_ties(struct rky_sqlite_copy *copy, struct new_mark *next, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    next->ties.count = -1;
    if (shape->cursor == NULL || shape->spec->boundary != RKY_BOUNDARY_EXACT)
        return RKY_OK;
    if (!shape->whole && shape->after.type != RKY_CURSOR_NONE &&
        rky_cursor_compare(&next->value, &shape->after) == 0) {
        next->ties = copy->at_after;
        return RKY_OK;
    }
    return rky_sqlite_ties(copy, &next->value, &copy->session->tracker.at_greatest, &next->ties,
                           err);
}

static bool same_cursor(const struct rky_cursor *a, const struct rky_cursor *b)
{
    return a->type == b->type && (a->text == NULL || strcmp(a->text, b->text) == 0);
}

static bool mark_changes(const struct rky_sqlite_copy *copy, const struct new_mark *next)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    const struct rky_mark *old = spec->mark;
    if (copy->wrote || spec->action != RKY_ACTION_INCREMENTAL || old == NULL)
        return true;
    bool same_ties =
        old->ties == next->ties.count &&
        (old->ties < 0 || (old->ties_hash != NULL && strcmp(old->ties_hash, next->ties.hash) == 0));
    return !same_ties || !same_cursor(&old->value, &next->value) ||
           !same_cursor(&old->high_value, &next->high) ||
           old->tombstone_seq != spec->tombstone_seq || old->cursor_column == NULL;
}

static int write_meta(struct rky_sqlite_copy *copy, const struct rky_copy_ids *ids,
                      const struct new_mark *next, struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    const struct rky_copy_spec *spec = shape->spec;
    char *added =
        shape->added != NULL ? json_dumps(shape->added, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (shape->added != NULL && added == NULL)
        return rky_fail_nomem(err);
    const enum rky_cursor_type type =
        next->value.type != RKY_CURSOR_NONE ? next->value.type : next->high.type;
    /* The row borrows everything it names; nothing of it is freed here. */
    union {
        const char *in;
        char *out;
    } table_name = {.in = spec->table_name}, namespace_ = {.in = ids->namespace_},
      cursor_column = {.in = spec->cursor_column}, action = {.in = rky_action_name(spec->action)},
      cursor_type = {.in = type != RKY_CURSOR_NONE ? rky_cursor_type_name(type) : NULL},
      run_id = {.in = ids->run_id}, job_id = {.in = ids->job_id}, plan_id = {.in = ids->plan_id},
      commit_id = {.in = ids->commit_id}, key = {.in = ids->idempotency_key},
      commit_job = {.in = ids->job_id != NULL ? ids->job_id : ids->run_id},
      hash = {.in = next->ties.count >= 0 ? next->ties.hash : NULL},
      after = {.in = shape->after.text}, through = {.in = next->value.text};
    const struct rky_mark mark = {
        .table_name = table_name.out,
        .namespace_ = namespace_.out,
        .cursor_column = cursor_column.out,
        .cursor_type = cursor_type.out,
        .value = next->value,
        .high_value = next->high,
        .ties = next->ties.count,
        .ties_hash = hash.out,
        .prev_value = spec->mark != NULL ? spec->mark->value.text : NULL,
        .action = action.out,
        .rows_copied = copy->plain_rows + copy->late_rows,
        .late_rows = copy->late_rows,
        .run_id = run_id.out,
        .job_id = job_id.out,
        .plan_id = plan_id.out,
        .tombstone_seq = spec->tombstone_seq,
        .added_columns = added,
        .commit_id = commit_id.out,
    };
    const struct rky_commit commit = {
        .job_id = commit_job.out,
        .table_name = table_name.out,
        .namespace_ = namespace_.out,
        .idempotency_key = key.out,
        .plan_id = plan_id.out,
        .commit_id = commit_id.out,
        .action = action.out,
        .rows_copied = mark.rows_copied,
        .late_rows = mark.late_rows,
        .source_count = copy->survey.rows,
        .window_after = after.out,
        .window_through = through.out,
    };
    int rc = rky_sqlite_put_mark(copy->session, &mark, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_put_commit(copy->session, &commit, err);
    free(added);
    return rc;
}

/* --- the transaction
 * ---------------------------------------------------------------------------------- */

/* A COMMIT that failed in input or output may have happened all the same: the row says. */
static int settle(struct rky_sqlite_copy *copy, const char *commit_id, int rc,
                  struct rky_error *err)
{
    struct rky_error later = {0};
    char *found = NULL;
    if (rc != RKY_ERR_IO || rky_sqlite_reopen(copy->session, &later) != RKY_OK ||
        rky_sqlite_commit_id(copy->session, copy->shape->spec->table_name, &found, &later) !=
            RKY_OK)
        return rc;
    if (found != NULL && strcmp(found, commit_id) == 0) {
        rky_error_clear(err);
        rc = RKY_OK;
    }
    rky_free(found);
    return rc;
}

static int finish(struct rky_sqlite_copy *copy, const struct rky_copy_ids *ids,
                  struct new_mark *next, struct rky_error *err)
{
    int rc = new_values(copy, next, err);
    if (rc == RKY_OK)
        rc = new_ties(copy, next, err);
    close_source(copy);
    if (rc != RKY_OK)
        return rc;
    if (!mark_changes(copy, next)) {
        rky_sqlite_rollback(copy->session);
        return RKY_OK;
    }
    rc = write_meta(copy, ids, next, err);
    if (rc != RKY_OK)
        return rc;
    rky_fault_point("copy.watermark");
    rky_fault_point("copy.before_commit");
    rc = rky_sqlite_commit(copy->session, err);
    if (rc != RKY_OK)
        rc = settle(copy, ids->commit_id, rc, err);
    if (rc != RKY_OK)
        return rc;
    rky_fault_point("copy.after_commit");
    copy->outcome->wrote = true;
    return RKY_OK;
}

static void report(struct rky_sqlite_copy *copy, struct new_mark *next)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    struct rky_copy_outcome *outcome = copy->outcome;
    outcome->rows_copied = copy->plain_rows + copy->late_rows;
    outcome->late_rows = copy->late_rows;
    outcome->window_rows = copy->survey.window_rows;
    outcome->source_count = copy->survey.rows;
    outcome->null_cursors = copy->shape->cursor != NULL ? copy->survey.nulls : 0;
    outcome->target_was_empty = copy->survey.target_empty && spec->mark != NULL &&
                                spec->mark->value.type != RKY_CURSOR_NONE && !copy->shape->whole;
    outcome->through = next->value;
    outcome->high_value = next->high;
    *next = (struct new_mark){0};
}

static int transaction(struct rky_sqlite_copy *copy, const struct rky_claim *claim,
                       const struct rky_copy_ids *ids, struct rky_sqlite_shape *shape,
                       struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    struct rky_cursor adopted = {0};
    struct new_mark next = {0};
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
