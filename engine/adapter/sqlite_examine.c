/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows at or below the watermark: what the target lacks of them is copied, once.
 *
 * A slice of the source is staged in a temporary table that has the target's column types, so that
 * both sides are compared after the same conversion; the target's rows with the same cursor values
 * are counted by digest; the surplus is inserted. All in the copy's transaction and snapshot.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <string.h>

static bool within_horizon(const struct rky_sqlite_copy *copy)
{
    return copy->horizon.type == RKY_CURSOR_NONE ||
           rky_cursor_compare(&copy->shape->after, &copy->horizon) <= 0;
}

bool rky_sqlite_ties_wanted(const struct rky_sqlite_copy *copy)
{
    const struct rky_sqlite_shape *shape = copy->shape;
    return !shape->whole && shape->after.type != RKY_CURSOR_NONE &&
           shape->spec->boundary == RKY_BOUNDARY_EXACT && within_horizon(copy);
}

static bool ties_differ(const struct rky_sqlite_copy *copy)
{
    const struct rky_mark *mark = copy->shape->spec->mark;
    bool known = mark != NULL && copy->shape->spec->action == RKY_ACTION_INCREMENTAL &&
                 mark->ties >= 0 && mark->ties_hash != NULL;
    return !known || mark->ties != copy->at_after.count ||
           strcmp(mark->ties_hash, copy->at_after.hash) != 0;
}

bool rky_sqlite_slice_due(const struct rky_sqlite_copy *copy, enum rky_sqlite_slice slice)
{
    switch (slice) {
    case RKY_SQLITE_BOUNDARY:
        return within_horizon(copy) && ties_differ(copy);
    case RKY_SQLITE_LOOKBACK:
    case RKY_SQLITE_REWIND:
        return true;
    case RKY_SQLITE_NULLS:
        return copy->survey.nulls != 0;
    case RKY_SQLITE_SLICE_COUNT:
        break;
    }
    return false;
}

/* More rows than the source gained: some that were there before differ from what was copied. */
static int note_boundary(struct rky_sqlite_copy *copy, int64_t inserted, struct rky_error *err)
{
    const struct rky_copy_spec *spec = copy->shape->spec;
    if (spec->mark == NULL || spec->action != RKY_ACTION_INCREMENTAL || spec->mark->ties < 0)
        return RKY_OK;
    int64_t gained = copy->at_after.count - spec->mark->ties;
    if (inserted <= (gained > 0 ? gained : 0))
        return RKY_OK;
    return rky_copy_warn(copy->outcome, "boundary-mismatch", err,
                         "table '%s': %lld rows at the watermark '%s' were copied although the "
                         "source gained %lld: rows there were changed in place",
                         spec->source.table, (long long)inserted, copy->shape->after.text,
                         (long long)(gained > 0 ? gained : 0));
}

int rky_sqlite_examine(struct rky_sqlite_copy *copy, const struct rky_sqlite_step *step,
                       const char *sql, struct rky_error *err)
{
    int64_t changes = 0;
    int rc = RKY_OK;
    switch (step->kind) {
    case RKY_SQLITE_STEP_STAGE:
    case RKY_SQLITE_STEP_UNSTAGE:
        return rky_sqlite_run(copy, sql, "compare rows", NULL, err);
    case RKY_SQLITE_STEP_FILL:
        return rky_sqlite_run(copy, sql, "read the rows to compare", &copy->staged, err);
    default:
        break;
    }
    if (copy->staged == 0)
        return RKY_OK;
    rc = rky_sqlite_run(copy, sql, "copy what the target lacks", &changes, err);
    copy->late_rows += changes;
    copy->wrote |= changes > 0;
    if (rc == RKY_OK && step->slice == RKY_SQLITE_BOUNDARY)
        rc = note_boundary(copy, changes, err);
    return rc;
}
