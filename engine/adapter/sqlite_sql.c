/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements of a copy. The plan shows them and the copy executes them: both come from here, so
 * they cannot differ. Only what a plan cannot know stands as a parameter: `:horizon` (the clock
 * less the safety lag), `:latest` (the cursor of the row that came last), and for an adopted table
 * `:watermark` and `:lookback`.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <stdio.h>
#include <string.h>

/* --- pieces ----------------------------------------------------------------------------------- */

void rky_sqlite_add_name(struct rky_strbuf *sql, const char *name)
{
    bool plain =
        (name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z') || name[0] == '_';
    for (const char *at = name; plain && *at != '\0'; at++)
        plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                (*at >= '0' && *at <= '9') || *at == '_';
    if (plain && sqlite3_keyword_check(name, (int)strlen(name)) == 0) {
        rky_strbuf_add(sql, name);
        return;
    }
    rky_strbuf_addc(sql, '"');
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '"')
            rky_strbuf_addc(sql, '"');
        rky_strbuf_addc(sql, *at);
    }
    rky_strbuf_addc(sql, '"');
}

void rky_sqlite_add_text(struct rky_strbuf *sql, const char *text)
{
    rky_strbuf_addc(sql, '\'');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'')
            rky_strbuf_addc(sql, '\'');
        rky_strbuf_addc(sql, *at);
    }
    rky_strbuf_addc(sql, '\'');
}

void rky_sqlite_add_literal(struct rky_strbuf *sql, const struct rky_cursor *value)
{
    switch (value->type) {
    case RKY_CURSOR_NONE:
        rky_strbuf_add(sql, "NULL");
        break;
    case RKY_CURSOR_INTEGER:
    case RKY_CURSOR_REAL:
        rky_strbuf_add(sql, value->text);
        break;
    case RKY_CURSOR_TEXT:
        rky_sqlite_add_text(sql, value->text);
        break;
    }
}

/* A bound: its literal, or the parameter that an adopted table has instead. */
static void add_bound(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                      const char *operation, const struct rky_cursor *value, const char *parameter)
{
    rky_strbuf_addf(sql, "%s %s ", shape->cursor_binary, operation);
    if (shape->unresolved)
        rky_strbuf_add(sql, parameter);
    else
        rky_sqlite_add_literal(sql, value);
}

static void add_horizon(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                        const char *before)
{
    if (shape->has_horizon)
        rky_strbuf_addf(sql, "%s%s <= :horizon", before, shape->cursor_binary);
}

static const char *type_of(const struct rky_copy_spec *spec, const char *column)
{
    const struct rky_column *source = rky_table_column(spec->source_table, column);
    if (source != NULL)
        return source->type;
    for (size_t i = 0; i < spec->metadata_column_count; i++)
        if (sqlite3_stricmp(spec->metadata_columns[i].name, column) == 0)
            return rky_sqlite_dialect_type(spec->metadata_columns[i].type);
    return "";
}

static void add_definition(struct rky_strbuf *sql, const struct rky_copy_spec *spec,
                           const char *column)
{
    const char *type = type_of(spec, column);
    rky_sqlite_add_name(sql, column);
    if (type[0] != '\0')
        rky_strbuf_addf(sql, " %s", type);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void add_alter(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                      const char *column)
{
    rky_strbuf_addf(sql, "ALTER TABLE %s ADD COLUMN ", shape->target);
    add_definition(sql, shape->spec, column);
}

static void add_create(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    const struct rky_copy_spec *spec = shape->spec;
    rky_strbuf_addf(sql, "CREATE TABLE %s(", shape->build != NULL ? shape->build : shape->target);
    for (size_t i = 0; i < spec->source_table->column_count; i++) {
        rky_strbuf_add(sql, i > 0 ? ", " : "");
        add_definition(sql, spec, spec->source_table->columns[i].name);
    }
    for (size_t i = 0; i < spec->metadata_column_count; i++) {
        rky_strbuf_add(sql, ", ");
        add_definition(sql, spec, spec->metadata_columns[i].name);
    }
    rky_strbuf_addc(sql, ')');
}

static void add_rename(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    rky_strbuf_addf(sql,
                    "/* then the old table's indexes and triggers, by their own SQL */ "
                    "ALTER TABLE %s RENAME TO ",
                    shape->build);
    rky_sqlite_add_name(sql, shape->spec->target.table);
}

/* --- survey ----------------------------------------------------------------------------------- */

/* Every figure from an end or a part of the index; no scan of the table. */
static void add_indexed_survey(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    const char *cursor = shape->cursor_binary;
    const char *source = shape->source;
    rky_strbuf_addf(sql, "SELECT (SELECT min(%s) FROM %s), (SELECT max(%s) FROM %s), ", cursor,
                    source, cursor, source);
    if (shape->has_horizon)
        rky_strbuf_addf(sql, "(SELECT max(%s) FROM %s WHERE %s <= :horizon), ", cursor, source,
                        cursor);
    else
        rky_strbuf_add(sql, "NULL, ");
    rky_strbuf_addf(sql, "(SELECT count(*) FROM %s WHERE %s IS NULL), ", source, shape->cursor);
    if (shape->unbounded && shape->has_horizon && shape->spec->count_source) {
        rky_strbuf_addf(sql, "(SELECT count(*) FROM %s WHERE %s <= :horizon), ", source, cursor);
    } else if (shape->unbounded) {
        rky_strbuf_add(sql, "NULL, ");
    } else {
        rky_strbuf_addf(sql, "(SELECT count(*) FROM %s WHERE ", source);
        add_bound(sql, shape, ">", rky_sqlite_plain_after(shape), ":watermark");
        add_horizon(sql, shape, " AND ");
        rky_strbuf_add(sql, "), ");
    }
    if (shape->spec->count_source)
        rky_strbuf_addf(sql, "(SELECT count(*) FROM %s)", source);
    else
        rky_strbuf_add(sql, "NULL");
}

/* What a scan may skip: rows below the watermark are settled, as long as they are of its kind. The
 * comparison costs a fraction of a call per row. A number cannot hide below a text where the column
 * turns every number into text. */
static void add_unsettled(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    const struct rky_column *column =
        rky_table_column(shape->spec->source_table, shape->spec->cursor_column);
    if (!shape->unresolved && shape->after.type == RKY_CURSOR_NONE)
        return;
    rky_strbuf_add(sql, " FILTER (WHERE (");
    if ((shape->unresolved || shape->after.type == RKY_CURSOR_TEXT) &&
        rky_sqlite_affinity(column->type) != 'B')
        rky_strbuf_addf(sql, "%s >= '' AND ", shape->cursor_binary);
    add_bound(sql, shape, "<", &shape->after, ":watermark");
    rky_strbuf_add(sql, ") IS NOT TRUE)");
}

static void add_survey(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    if (shape->indexed) {
        add_indexed_survey(sql, shape);
        return;
    }
    rky_strbuf_addf(sql, "SELECT rocky_survey(%s%s%s)", shape->cursor,
                    shape->row_id != NULL ? ", " : "", shape->row_id != NULL ? shape->row_id : "");
    add_unsettled(sql, shape);
    rky_strbuf_addf(sql, ", %s FROM %s", shape->spec->count_source ? "count(*)" : "NULL",
                    shape->source);
}

/* --- rows above everything copied so far --------------------------------------------------------
 */

static void add_term(struct rky_strbuf *sql, int *terms)
{
    rky_strbuf_add(sql, (*terms)++ == 0 ? " WHERE " : " AND ");
}

/* The tracker learns the greatest value. Where rows come in the order of their cursor, nearly all
 * are below the last one and need not be shown to it: a comparison costs a fraction of a call. */
static void add_track(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    if (shape->passes)
        rky_strbuf_addf(sql, "(%s < :latest OR ", shape->cursor_binary);
    rky_strbuf_addf(sql, "rocky_track(%s%s%s)", shape->cursor, shape->row_id != NULL ? ", " : "",
                    shape->row_id != NULL ? shape->row_id : "");
    if (shape->passes)
        rky_strbuf_addc(sql, ')');
}

static void add_copy(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    const struct rky_copy_spec *spec = shape->spec;
    /* Rows without a cursor value come with a full copy; later they are examined, not copied. */
    bool with_nulls = shape->whole && spec->null_cursor == RKY_NULL_CURSOR_INCLUDE;
    bool nulls_fail = spec->null_cursor == RKY_NULL_CURSOR_FAIL;
    int terms = 0;
    rky_strbuf_addf(sql, "INSERT INTO %s(%s) SELECT *%s FROM %s",
                    shape->build != NULL ? shape->build : shape->target, shape->insert_columns,
                    shape->metadata, shape->source);
    if (shape->cursor == NULL)
        return;
    if (shape->tracked) {
        add_term(sql, &terms);
        add_track(sql, shape);
    }
    if (!shape->unbounded) {
        add_term(sql, &terms);
        add_bound(sql, shape, ">", rky_sqlite_plain_after(shape), ":watermark");
    } else if (!with_nulls && !nulls_fail && !shape->has_horizon) {
        add_term(sql, &terms);
        rky_strbuf_addf(sql, "%s IS NOT NULL", shape->cursor);
    }
    if (shape->has_horizon) {
        add_term(sql, &terms);
        rky_strbuf_add(sql, with_nulls ? "(" : "");
        add_horizon(sql, shape, "");
        if (with_nulls)
            rky_strbuf_addf(sql, " OR %s IS NULL)", shape->cursor);
    }
}

/* --- rows at or below ------------------------------------------------------------------------- */

static const char *const conditions[] = {
    [RKY_SQLITE_BOUNDARY] = "/* when the rows at the watermark are not those of the last copy */ ",
    [RKY_SQLITE_LOOKBACK] = "",
    [RKY_SQLITE_REWIND] = "",
    [RKY_SQLITE_NULLS] = "/* when there are rows without a cursor value */ ",
};

static bool is_taken(const struct rky_table_info *table, const char *beginning)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (sqlite3_strnicmp(table->columns[i].name, beginning, (int)strlen(beginning)) == 0)
            return true;
    return false;
}

/* How the names of the columns that we add to the slice begin: as no column of the table does, or
 * the slice would be compared by the wrong ones. */
static void name_beginning(const struct rky_table_info *table, char beginning[32])
{
    (void)snprintf(beginning, 32, "_rocky_");
    for (size_t i = 2; is_taken(table, beginning); i++)
        (void)snprintf(beginning, 32, "_rocky%zu_", i);
}

static bool is_truth(const char *column)
{
    return sqlite3_stricmp(column, "true") == 0 || sqlite3_stricmp(column, "false") == 0;
}

/* A column's name in the slice. SQLite gives the columns of a query no name "true" or "false", not
 * even a quoted one, so these two are called otherwise there.
 * @param own how our names begin; NULL = the name in the target. */
static void add_slice_name(struct rky_strbuf *sql, const char *own, const char *column)
{
    if (own != NULL && is_truth(column))
        rky_strbuf_addf(sql, "%s%s", own, column);
    else
        rky_sqlite_add_name(sql, column);
}

/* @param definition the target's columns under the slice's names, else the slice's names alone. */
static void add_slice_columns(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                              const char *own, bool definition)
{
    const struct rky_table_info *table = shape->spec->source_table;
    for (size_t i = 0; i < table->column_count; i++) {
        const char *column = table->columns[i].name;
        rky_strbuf_add(sql, i > 0 ? ", " : "");
        if (definition && is_truth(column)) {
            rky_sqlite_add_name(sql, column);
            rky_strbuf_add(sql, " AS ");
        }
        add_slice_name(sql, own, column);
    }
}

static void add_stage(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape)
{
    char own[32];
    name_beginning(shape->spec->source_table, own);
    rky_strbuf_add(sql, "CREATE TEMP TABLE _rocky_slice AS SELECT ");
    add_slice_columns(sql, shape, own, true);
    rky_strbuf_addf(sql, " FROM %s WHERE 0", shape->target);
}

static void add_fill(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                     enum rky_sqlite_slice slice)
{
    char own[32];
    name_beginning(shape->spec->source_table, own);
    rky_strbuf_add(sql, "INSERT INTO temp._rocky_slice(");
    add_slice_columns(sql, shape, own, false);
    rky_strbuf_addf(sql, ") SELECT * FROM %s WHERE ", shape->source);
    switch (slice) {
    case RKY_SQLITE_BOUNDARY:
        add_bound(sql, shape, "=", &shape->after, ":watermark");
        break;
    case RKY_SQLITE_LOOKBACK:
        add_bound(sql, shape, ">=", &shape->lookback, ":lookback");
        rky_strbuf_add(sql, " AND ");
        add_bound(sql, shape, "<=", &shape->after, ":watermark");
        add_horizon(sql, shape, " AND ");
        break;
    case RKY_SQLITE_REWIND:
        if (shape->after.type != RKY_CURSOR_NONE) {
            add_bound(sql, shape, ">", &shape->after, ":watermark");
            rky_strbuf_add(sql, " AND ");
        }
        add_bound(sql, shape, "<=", &shape->high, ":watermark");
        add_horizon(sql, shape, " AND ");
        break;
    case RKY_SQLITE_NULLS:
    case RKY_SQLITE_SLICE_COUNT:
        rky_strbuf_addf(sql, "%s IS NULL", shape->cursor);
        break;
    }
}

/* A column that drift added is NULL in every row that was copied before, so below the watermark at
 * which it came it says nothing. */
static void add_compared(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                         const char *own, const char *column)
{
    const json_t *added = NULL;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(shape->added, name, value) if (sqlite3_stricmp(name, column) == 0) added =
        value;
    if (added == NULL) {
        add_slice_name(sql, own, column);
        return;
    }
    rky_strbuf_add(sql, "CASE WHEN ");
    add_slice_name(sql, own, shape->spec->cursor_column);
    rky_strbuf_addc(sql, ' ');
    if (json_is_string(added)) {
        const char *text = json_string_value(added);
        rky_strbuf_add(sql, "COLLATE BINARY > ");
        if (rky_sqlite_plain_after(shape)->type == RKY_CURSOR_TEXT)
            rky_sqlite_add_text(sql, text);
        else
            rky_strbuf_add(sql, text);
    } else {
        rky_strbuf_add(sql, "IS NOT NULL");
    }
    rky_strbuf_add(sql, " THEN ");
    add_slice_name(sql, own, column);
    rky_strbuf_add(sql, " END");
}

/* SQLite takes at most 127 arguments; a wide table's key is nested. */
enum { KEY_ARGUMENTS = 100 };

/* @param own how the slice's own names begin; NULL = of a row of the target. */
static void add_key(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape, const char *own)
{
    const struct rky_table_info *table = shape->spec->source_table;
    size_t calls = (table->column_count + KEY_ARGUMENTS - 1) / KEY_ARGUMENTS;
    for (size_t i = 0; i < calls; i++)
        rky_strbuf_add(sql, "rocky_row(");
    for (size_t i = 0; i < table->column_count; i++) {
        if (i > 0 && i % KEY_ARGUMENTS == 0)
            rky_strbuf_addc(sql, ')');
        rky_strbuf_add(sql, i > 0 ? ", " : "");
        add_compared(sql, shape, own, table->columns[i].name);
    }
    rky_strbuf_addc(sql, ')');
}

static void add_slice_end(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                          const char *own, const char *end)
{
    rky_strbuf_addf(sql, "(SELECT %s(", end);
    add_slice_name(sql, own, shape->spec->cursor_column);
    rky_strbuf_add(sql, ") FROM temp._rocky_slice)");
}

/* Only target rows whose cursor value occurs in the slice can equal a row of it. */
static void add_target_range(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                             const char *own, enum rky_sqlite_slice slice)
{
    if (slice == RKY_SQLITE_NULLS) {
        rky_strbuf_addf(sql, "%s IS NULL", shape->cursor);
        return;
    }
    rky_strbuf_addf(sql, "%s >= ", shape->target_binary);
    add_slice_end(sql, shape, own, "min");
    rky_strbuf_addf(sql, " AND %s <= ", shape->target_binary);
    add_slice_end(sql, shape, own, "max");
}

/* Multiset difference: the nth copy of a row is inserted when the target has fewer than n. */
static void add_surplus(struct rky_strbuf *sql, const struct rky_sqlite_shape *shape,
                        enum rky_sqlite_slice slice)
{
    char own[32];
    name_beginning(shape->spec->source_table, own);
    rky_strbuf_addf(sql, "INSERT INTO %s(%s) SELECT ", shape->target, shape->insert_columns);
    add_slice_columns(sql, shape, own, false);
    rky_strbuf_addf(sql,
                    "%s FROM (SELECT *, row_number() OVER (PARTITION BY %skey) AS %snth FROM "
                    "(SELECT *, ",
                    shape->metadata, own, own);
    add_key(sql, shape, own);
    rky_strbuf_addf(sql, " AS %skey FROM temp._rocky_slice)) LEFT JOIN (SELECT ", own);
    add_key(sql, shape, NULL);
    rky_strbuf_addf(sql, " AS %shave, count(*) AS %scount FROM %s WHERE ", own, own, shape->target);
    add_target_range(sql, shape, own, slice);
    rky_strbuf_addf(sql, " GROUP BY 1) ON %shave = %skey WHERE %snth > coalesce(%scount, 0)", own,
                    own, own, own);
}

/* --- one step ----------------------------------------------------------------------------------
 */

int rky_sqlite_step_sql(const struct rky_sqlite_shape *shape, const struct rky_sqlite_step *step,
                        char **ret_sql, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    if (step->slice != RKY_SQLITE_SLICE_COUNT)
        rky_strbuf_add(&sql, conditions[step->slice]);
    switch (step->kind) {
    case RKY_SQLITE_STEP_ALTER:
        add_alter(&sql, shape, step->column);
        break;
    case RKY_SQLITE_STEP_CREATE:
        add_create(&sql, shape);
        break;
    case RKY_SQLITE_STEP_SURVEY:
        add_survey(&sql, shape);
        break;
    case RKY_SQLITE_STEP_STAGE:
        add_stage(&sql, shape);
        break;
    case RKY_SQLITE_STEP_FILL:
        add_fill(&sql, shape, step->slice);
        break;
    case RKY_SQLITE_STEP_SURPLUS:
        add_surplus(&sql, shape, step->slice);
        break;
    case RKY_SQLITE_STEP_UNSTAGE:
        rky_strbuf_add(&sql, "DROP TABLE temp._rocky_slice");
        break;
    case RKY_SQLITE_STEP_CLEAR:
        rky_strbuf_addf(&sql, "DELETE FROM %s", shape->target);
        break;
    case RKY_SQLITE_STEP_COPY:
        add_copy(&sql, shape);
        break;
    case RKY_SQLITE_STEP_DROP:
        rky_strbuf_addf(&sql, "DROP TABLE %s", shape->target);
        break;
    case RKY_SQLITE_STEP_RENAME:
        add_rename(&sql, shape);
        break;
    }
    *ret_sql = rky_strbuf_take(&sql);
    return *ret_sql != NULL ? RKY_OK : rky_fail_nomem(err);
}
