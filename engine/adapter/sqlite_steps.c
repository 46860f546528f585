/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which statements a copy has, and in which order. The plan lists them all; the copy walks the same
 * list and leaves out what is not due.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

struct step_list {
    struct rky_sqlite_step *items;
    size_t count, capacity;
    int rc;
    struct rky_error *err;
};

static void add_step(struct step_list *list, enum rky_sqlite_step_kind kind,
                     enum rky_sqlite_slice slice, const char *column)
{
    if (list->rc == RKY_OK)
        list->rc = rky_array_reserve(&list->items, &list->capacity, list->count + 1,
                                     sizeof(*list->items), list->err);
    if (list->rc == RKY_OK)
        list->items[list->count++] =
            (struct rky_sqlite_step){.kind = kind, .slice = slice, .column = column};
}

static void add_slice(struct step_list *list, enum rky_sqlite_slice slice)
{
    add_step(list, RKY_SQLITE_STEP_STAGE, slice, NULL);
    add_step(list, RKY_SQLITE_STEP_FILL, slice, NULL);
    add_step(list, RKY_SQLITE_STEP_SURPLUS, slice, NULL);
    add_step(list, RKY_SQLITE_STEP_UNSTAGE, slice, NULL);
}

static void whole_steps(struct step_list *list, const struct rky_sqlite_shape *shape)
{
    if (shape->cursor != NULL && !shape->tracked)
        add_step(list, RKY_SQLITE_STEP_SURVEY, RKY_SQLITE_SLICE_COUNT, NULL);
    if (shape->build != NULL || shape->spec->target_table == NULL)
        add_step(list, RKY_SQLITE_STEP_CREATE, RKY_SQLITE_SLICE_COUNT, NULL);
    else
        add_step(list, RKY_SQLITE_STEP_CLEAR, RKY_SQLITE_SLICE_COUNT, NULL);
    add_step(list, RKY_SQLITE_STEP_COPY, RKY_SQLITE_SLICE_COUNT, NULL);
    if (shape->build != NULL) {
        add_step(list, RKY_SQLITE_STEP_DROP, RKY_SQLITE_SLICE_COUNT, NULL);
        add_step(list, RKY_SQLITE_STEP_RENAME, RKY_SQLITE_SLICE_COUNT, NULL);
    }
}

/* Slices come before the copy: a row that the copy brings must not be taken for one of theirs. */
static void incremental_steps(struct step_list *list, const struct rky_sqlite_shape *shape)
{
    const struct rky_copy_spec *spec = shape->spec;
    bool bounded = shape->unresolved || shape->after.type != RKY_CURSOR_NONE;
    for (size_t i = 0; spec->added_columns != NULL && spec->added_columns[i] != NULL; i++)
        add_step(list, RKY_SQLITE_STEP_ALTER, RKY_SQLITE_SLICE_COUNT, spec->added_columns[i]);
    if (spec->target_table == NULL)
        add_step(list, RKY_SQLITE_STEP_CREATE, RKY_SQLITE_SLICE_COUNT, NULL);
    if (!shape->tracked)
        add_step(list, RKY_SQLITE_STEP_SURVEY, RKY_SQLITE_SLICE_COUNT, NULL);
    if (bounded && spec->lookback_seconds > 0)
        add_slice(list, RKY_SQLITE_LOOKBACK);
    else if (bounded && spec->boundary == RKY_BOUNDARY_EXACT)
        add_slice(list, RKY_SQLITE_BOUNDARY);
    if (rky_cursor_compare(&shape->high, &shape->after) > 0)
        add_slice(list, RKY_SQLITE_REWIND);
    if (spec->null_cursor == RKY_NULL_CURSOR_INCLUDE)
        add_slice(list, RKY_SQLITE_NULLS);
    add_step(list, RKY_SQLITE_STEP_COPY, RKY_SQLITE_SLICE_COUNT, NULL);
}

int rky_sqlite_steps(const struct rky_sqlite_shape *shape, struct rky_sqlite_step **ret_steps,
                     size_t *ret_count, struct rky_error *err)
{
    struct step_list list = {.err = err};
    if (shape->whole)
        whole_steps(&list, shape);
    else
        incremental_steps(&list, shape);
    if (list.rc != RKY_OK) {
        rky_free(list.items);
        return list.rc;
    }
    *ret_steps = list.items;
    *ret_count = list.count;
    return RKY_OK;
}

static const char *purpose_of(const struct rky_sqlite_step *step)
{
    static const char *const slices[] = {
        [RKY_SQLITE_BOUNDARY] = "boundary",
        [RKY_SQLITE_LOOKBACK] = "lookback",
        [RKY_SQLITE_REWIND] = "rewind",
        [RKY_SQLITE_NULLS] = "nulls",
    };
    switch (step->kind) {
    case RKY_SQLITE_STEP_ALTER:
        return "alter";
    case RKY_SQLITE_STEP_CREATE:
        return "create";
    case RKY_SQLITE_STEP_SURVEY:
        return "survey";
    case RKY_SQLITE_STEP_CLEAR:
        return "clear";
    case RKY_SQLITE_STEP_COPY:
        return "copy";
    case RKY_SQLITE_STEP_DROP:
    case RKY_SQLITE_STEP_RENAME:
        return "swap";
    case RKY_SQLITE_STEP_STAGE:
    case RKY_SQLITE_STEP_FILL:
    case RKY_SQLITE_STEP_SURPLUS:
    case RKY_SQLITE_STEP_UNSTAGE:
        break;
    }
    return slices[step->slice];
}

int rky_sqlite_statements(const struct rky_copy_spec *spec, struct rky_statement **ret_statements,
                          size_t *ret_count, struct rky_error *err)
{
    struct rky_sqlite_shape shape = {0};
    struct rky_sqlite_step *steps = NULL;
    struct rky_statement *statements = NULL;
    size_t count = 0, made = 0;
    int rc = rky_sqlite_shape_init(spec, NULL, &shape, err);
    if (rc == RKY_OK)
        rc = rky_sqlite_steps(&shape, &steps, &count, err);
    if (rc == RKY_OK && (statements = rky_calloc(count, sizeof(*statements))) == NULL)
        rc = rky_fail_nomem(err);
    for (; rc == RKY_OK && made < count; made++) {
        statements[made].purpose = purpose_of(&steps[made]);
        rc = rky_sqlite_step_sql(&shape, &steps[made], &statements[made].sql, err);
    }
    rky_free(steps);
    rky_sqlite_shape_done(&shape);
    if (rc != RKY_OK) {
        rky_statements_free(statements, made);
        return rc;
    }
    *ret_statements = statements;
    *ret_count = count;
    return RKY_OK;
}
