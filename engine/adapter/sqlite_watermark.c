/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watermark that a copy ends with: the greatest value that was copied or examined, never
 * lowered but by a full refresh, and the rows that tie there. Written only where it differs.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int new_values(struct rky_sqlite_copy *copy, struct rky_sqlite_watermark *next,
                      struct rky_error *err)
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

/* The watermark stays. Rows there that were not looked at (they lie behind the horizon) must look
 * changed again next time, so what the last copy knew of them stays, too. */
static void keep_ties(const struct rky_sqlite_copy *copy, struct rky_sqlite_watermark *next)
{
    const struct rky_mark *old = copy->shape->spec->mark;
    next->ties = copy->at_after;
    if (copy->at_after.count >= 0 || old == NULL || old->ties < 0 || old->ties_hash == NULL)
        return;
    next->ties.count = old->ties;
    (void)snprintf(next->ties.hash, sizeof(next->ties.hash), "%s", old->ties_hash);
}

static int new_ties(struct rky_sqlite_copy *copy, struct rky_sqlite_watermark *next,
                    struct rky_error *err)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    next->ties.count = -1;
    if (shape->cursor == NULL || shape->spec->boundary != RKY_BOUNDARY_EXACT)
        return RKY_OK;
    if (!shape->whole && shape->after.type != RKY_CURSOR_NONE &&
        rky_cursor_compare(&next->value, &shape->after) == 0) {
        keep_ties(copy, next);
        return RKY_OK;
    }
    return rky_sqlite_ties(copy, &next->value, &copy->session->tracker.at_greatest, &next->ties,
                           err);
}

int rky_sqlite_watermark_find(struct rky_sqlite_copy *copy, struct rky_sqlite_watermark *ret_next,
                              struct rky_error *err)
{
    int rc = new_values(copy, ret_next, err);
    return rc == RKY_OK ? new_ties(copy, ret_next, err) : rc;
}

static bool same_cursor(const struct rky_cursor *a, const struct rky_cursor *b)
{
    return a->type == b->type && (a->text == NULL || strcmp(a->text, b->text) == 0);
}

bool rky_sqlite_watermark_changes(const struct rky_sqlite_copy *copy,
                                  const struct rky_sqlite_watermark *next)
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

int rky_sqlite_watermark_write(struct rky_sqlite_copy *copy, const struct rky_copy_ids *ids,
                               const struct rky_sqlite_watermark *next, struct rky_error *err)
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
