/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from a copy's spec alone: names as SQL, lists of columns, the window's bounds.
 *
 * Pure: the same spec gives the same shape in whatever process, so a plan can be stored and
 * compared. Refuses what can be seen without asking a database.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- types ------------------------------------------------------------------------------------ */

static bool contains(const char *type, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = type; *at != '\0'; at++)
        if (sqlite3_strnicmp(at, word, (int)length) == 0)
            return true;
    return false;
}

/* The rules of https://www.sqlite.org/datatype3.html, section 3.1, in their order. */
char rky_sqlite_affinity(const char *type)
{
    if (contains(type, "INT"))
        return 'D';
    if (contains(type, "CHAR") || contains(type, "CLOB") || contains(type, "TEXT"))
        return 'B';
    if (type[0] == '\0' || contains(type, "BLOB"))
        return 'A';
    if (contains(type, "REAL") || contains(type, "FLOA") || contains(type, "DOUB"))
        return 'E';
    return 'C';
}

/* Type names of other engines whose SQLite affinity would change the value: CAST(x AS STRING) makes
 * a number of it. */
const char *rky_sqlite_dialect_type(const char *type)
{
    static const struct {
        const char *name, *ours;
    } map[] = {
        {"STRING", "TEXT"},        {"TIMESTAMP", "TEXT"},     {"TIMESTAMPTZ", "TEXT"},
        {"TIMESTAMP_NTZ", "TEXT"}, {"TIMESTAMP_LTZ", "TEXT"}, {"TIMESTAMP_TZ", "TEXT"},
        {"DATETIME", "TEXT"},      {"DATE", "TEXT"},          {"TIME", "TEXT"},
        {"UUID", "TEXT"},          {"JSON", "TEXT"},          {"VARIANT", "TEXT"},
        {"BOOLEAN", "INTEGER"},    {"BOOL", "INTEGER"},       {"LONG", "INTEGER"},
        {"BINARY", "BLOB"},        {"VARBINARY", "BLOB"},     {"BYTES", "BLOB"},
        {"BYTEA", "BLOB"},
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (sqlite3_stricmp(type, map[i].name) == 0)
            return map[i].ours;
    return type;
}

bool rky_sqlite_type_fits(const char *source_type, const char *target_type)
{
    char target = rky_sqlite_affinity(target_type);
    /* Without affinity a column keeps whatever it is given. */
    return target == 'A' || target == rky_sqlite_affinity(source_type) ||
           target == rky_sqlite_affinity(rky_sqlite_dialect_type(source_type));
}

/* The type stands in SQL as it is, so it must look like one. */
static int check_type(const struct rky_metadata_column *column, struct rky_error *err)
{
    for (const char *at = column->type; *at != '\0'; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || strchr("_ (),", *at) != NULL))
            return rky_fail(err, RKY_ERR_CONFIG, "metadata column '%s': '%s' is no type",
                            column->name, column->type);
    return RKY_OK;
}

/* --- names ------------------------------------------------------------------------------------ */

static char *taken(struct rky_strbuf *sql, struct rky_error *err)
{
    char *text = rky_strbuf_take(sql);
    if (text == NULL)
        (void)rky_fail_nomem(err);
    return text;
}

static char *qualified(const char *schema, const char *table, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    rky_sqlite_add_name(&sql, schema);
    rky_strbuf_addc(&sql, '.');
    rky_sqlite_add_name(&sql, table);
    return taken(&sql, err);
}

/* The source's own schema name, so that statements read as people know them. */
static char *make_alias(const char *schema)
{
    bool reserved = sqlite3_stricmp(schema, "main") == 0 || sqlite3_stricmp(schema, "temp") == 0;
    return rky_asprintf("%s%s", schema, reserved ? "_source" : "");
}

static char *binary(const char *quoted, const struct rky_column *column, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    rky_strbuf_add(&sql, quoted);
    if (column != NULL && sqlite3_stricmp(column->collation, "BINARY") != 0)
        rky_strbuf_add(&sql, " COLLATE BINARY");
    return taken(&sql, err);
}

static int name_tables(struct rky_sqlite_shape *shape, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    shape->alias = make_alias(spec->source.schema);
    if (shape->alias == NULL)
        return rky_fail_nomem(err);
    shape->source = qualified(shape->alias, spec->source.table, err);
    shape->target = qualified("main", spec->target.table, err);
    return shape->source != NULL && shape->target != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

static int name_cursor(struct rky_sqlite_shape *shape, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    if (spec->cursor_column == NULL)
        return RKY_OK;
    const struct rky_column *column = rky_table_column(spec->source_table, spec->cursor_column);
    if (column == NULL) {
        int rc = rky_fail(err, RKY_ERR_QUERY, "table '%s' has no cursor column '%s'",
                          spec->source.table, spec->cursor_column);
        rky_error_hint(err, "leave it out with tables.exclude, or set strategy = \"full_refresh\" "
                            "for it");
        return rc;
    }
    struct rky_strbuf sql = {0};
    rky_sqlite_add_name(&sql, column->name);
    shape->cursor = taken(&sql, err);
    if (shape->cursor == NULL)
        return RKY_ERR_NOMEM;
    shape->cursor_binary = binary(shape->cursor, column, err);
    shape->target_binary = binary(
        shape->cursor,
        spec->target_table != NULL ? rky_table_column(spec->target_table, column->name) : NULL,
        err);
    for (size_t i = 0; i < spec->source_table->indexed_count; i++)
        shape->indexed |= sqlite3_stricmp(spec->source_table->indexed[i], column->name) == 0;
    shape->row_id = spec->source_table->row_id;
    return shape->cursor_binary != NULL && shape->target_binary != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

static int list_columns(struct rky_sqlite_shape *shape, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    struct rky_strbuf list = {0}, metadata = {0};
    int rc = RKY_OK;
    for (size_t i = 0; i < spec->source_table->column_count; i++) {
        rky_strbuf_add(&list, i > 0 ? ", " : "");
        rky_sqlite_add_name(&list, spec->source_table->columns[i].name);
    }
    shape->columns = rky_strdup(rky_strbuf_text(&list));
    for (size_t i = 0; rc == RKY_OK && i < spec->metadata_column_count; i++) {
        const struct rky_metadata_column *column = &spec->metadata_columns[i];
        rc = check_type(column, err);
        if (rc == RKY_OK && rky_table_column(spec->source_table, column->name) != NULL)
            rc = rky_fail(err, RKY_ERR_CONFIG,
                          "metadata column '%s' has the name of a column of source table '%s'",
                          column->name, spec->source.table);
        rky_strbuf_add(&list, ", ");
        rky_sqlite_add_name(&list, column->name);
        rky_strbuf_addf(&metadata, ", CAST(%s AS %s) AS ", column->value,
                        rky_sqlite_dialect_type(column->type));
        rky_sqlite_add_name(&metadata, column->name);
    }
    bool complete = !list.failed && !metadata.failed;
    shape->insert_columns = rky_strbuf_take(&list);
    shape->metadata = rky_strdup(rky_strbuf_text(&metadata));
    rky_strbuf_done(&metadata);
    if (rc == RKY_OK && (!complete || shape->columns == NULL || shape->insert_columns == NULL ||
                         shape->metadata == NULL))
        rc = rky_fail_nomem(err);
    return rc;
}

/* --- target ----------------------------------------------------------------------------------- */

static bool has_same(const struct rky_table_info *table, const char *name, const char *type)
{
    const struct rky_column *column = rky_table_column(table, name);
    return column != NULL && !column->generated &&
           rky_sqlite_affinity(column->type) == rky_sqlite_affinity(type);
}

/* Whether the table is what a build would create, so that emptying and filling it gives the same.
 */
static bool same_columns(const struct rky_copy_spec *spec)
{
    const struct rky_table_info *target = spec->target_table;
    const struct rky_table_info *source = spec->source_table;
    if (target->column_count != source->column_count + spec->metadata_column_count)
        return false;
    for (size_t i = 0; i < source->column_count; i++)
        if (!has_same(target, source->columns[i].name, source->columns[i].type))
            return false;
    for (size_t i = 0; i < spec->metadata_column_count; i++)
        if (!has_same(target, spec->metadata_columns[i].name,
                      rky_sqlite_dialect_type(spec->metadata_columns[i].type)))
            return false;
    return true;
}

static bool will_have(const struct rky_copy_spec *spec, const char *name)
{
    if (rky_table_column(spec->target_table, name) != NULL)
        return true;
    for (size_t i = 0; spec->added_columns != NULL && spec->added_columns[i] != NULL; i++)
        if (sqlite3_stricmp(spec->added_columns[i], name) == 0)
            return true;
    return false;
}

static int check_target_columns(const struct rky_copy_spec *spec, struct rky_error *err)
{
    const char *lacking = NULL;
    for (size_t i = 0; i < spec->source_table->column_count; i++)
        if (!will_have(spec, spec->source_table->columns[i].name))
            lacking = spec->source_table->columns[i].name;
    for (size_t i = 0; i < spec->metadata_column_count; i++)
        if (!will_have(spec, spec->metadata_columns[i].name))
            lacking = spec->metadata_columns[i].name;
    if (lacking == NULL)
        return RKY_OK;
    return rky_fail(err, RKY_ERR_SCHEMA_DRIFT, "target table '%s' has no column '%s'",
                    spec->target.table, lacking);
}

static int shape_target(struct rky_sqlite_shape *shape, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    if (spec->target_table == NULL)
        return RKY_OK;
    if (!shape->whole)
        return check_target_columns(spec, err);
    if (same_columns(spec))
        return RKY_OK;
    char hex[RKY_SHA256_HEX], name[32];
    rky_sha256_hex(spec->target.table, strlen(spec->target.table), hex);
    (void)snprintf(name, sizeof(name), "_rocky_build_%.12s", hex);
    shape->build = qualified("main", name, err);
    return shape->build != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

/* --- window ----------------------------------------------------------------------------------- */

int rky_sqlite_no_time(const struct rky_copy_spec *spec, const char *setting,
                       const struct rky_cursor *value, struct rky_error *err)
{
    int rc = rky_fail(err, RKY_ERR_CONFIG,
                      "%s cannot be used for table '%s': its cursor '%s' holds '%s', which is no "
                      "time",
                      setting, spec->source.table, spec->cursor_column, value->text);
    rky_error_hint(err, "set %s = 0 for this table, or name a cursor column that holds times",
                   setting);
    return rc;
}

/* Lower end of the lookback. A plain number is moved by as many units as seconds are asked for. */
static int shape_lookback(struct rky_sqlite_shape *shape, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    const struct rky_cursor *after = &shape->after;
    int64_t seconds = spec->lookback_seconds, time_us = 0, moved = 0;
    char text[64];
    if (seconds <= 0 || after->type == RKY_CURSOR_NONE)
        return RKY_OK;
    if (rky_cursor_time(after, &time_us) == RKY_OK) {
        if (__builtin_mul_overflow(seconds, INT64_C(1000000), &moved) ||
            __builtin_sub_overflow(time_us, moved, &moved))
            moved = INT64_MIN / 2;
        return rky_cursor_time_like(after, moved, &shape->lookback, err);
    }
    if (after->type == RKY_CURSOR_TEXT)
        return rky_sqlite_no_time(spec, "lookback_seconds", after, err);
    if (after->type == RKY_CURSOR_REAL) {
        (void)snprintf(text, sizeof(text), "%.17e", strtod(after->text, NULL) - (double)seconds);
        return rky_cursor_set(&shape->lookback, RKY_CURSOR_REAL, text, err);
    }
    if (__builtin_sub_overflow((int64_t)strtoll(after->text, NULL, 10), seconds, &moved))
        moved = INT64_MIN;
    (void)snprintf(text, sizeof(text), "%" PRId64, moved);
    return rky_cursor_set(&shape->lookback, RKY_CURSOR_INTEGER, text, err);
}

/* Numbers stand in SQL as they are; what somebody wrote into the target must be one. */
static int check_number(const struct rky_copy_spec *spec, const struct rky_cursor *value,
                        struct rky_error *err)
{
    if (value->type == RKY_CURSOR_NONE || value->type == RKY_CURSOR_TEXT ||
        (value->text[0] != '\0' && strspn(value->text, "0123456789.+-eE") == strlen(value->text)))
        return RKY_OK;
    return rky_fail(err, RKY_ERR_CONFLICT,
                    "the watermark of table '%s' is '%s', which is no number", spec->table_name,
                    value->text);
}

/* Which columns drift added, and at which watermark: the mark's, and those of this very copy. */
static int shape_added(struct rky_sqlite_shape *shape, struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    const struct rky_mark *mark = spec->mark;
    if (shape->whole)
        return RKY_OK;
    if (mark != NULL && mark->added_columns != NULL) {
        shape->added = json_loads(mark->added_columns, 0, NULL);
        if (!json_is_object(shape->added))
            return rky_fail(err, RKY_ERR_CONFLICT,
                            "the watermark of table '%s' has added_columns that are no JSON object",
                            spec->table_name);
        const char *name = NULL;
        json_t *value = NULL;
        enum rky_cursor_type type = rky_sqlite_plain_after(shape)->type;
        json_object_foreach(shape->added, name, value)
        {
            struct rky_cursor at = {.type = type};
            at.text = rky_strdup(json_is_string(value) ? json_string_value(value) : "0");
            int rc = at.text == NULL ? rky_fail_nomem(err) : check_number(spec, &at, err);
            rky_free(at.text);
            if (rc != RKY_OK)
                return rc;
        }
    }
    for (size_t i = 0; spec->added_columns != NULL && spec->added_columns[i] != NULL; i++) {
        if (shape->added == NULL)
            shape->added = json_object();
        json_t *at =
            shape->after.type != RKY_CURSOR_NONE ? json_string(shape->after.text) : json_null();
        if (json_object_set_new(shape->added, spec->added_columns[i], at) != 0)
            return rky_fail_nomem(err);
    }
    return RKY_OK;
}

static int shape_bounds(struct rky_sqlite_shape *shape, const struct rky_cursor *adopted,
                        struct rky_error *err)
{
    const struct rky_copy_spec *spec = shape->spec;
    const struct rky_mark *mark = spec->mark;
    int rc = RKY_OK;
    if (shape->whole || spec->cursor_column == NULL)
        return RKY_OK;
    if (spec->action == RKY_ACTION_ADOPT) {
        shape->unresolved = adopted == NULL;
        if (adopted != NULL)
            rc = rky_cursor_copy(adopted, &shape->after, err);
    } else if (mark != NULL) {
        rc = rky_cursor_copy(&mark->value, &shape->after, err);
        if (rc == RKY_OK)
            rc = rky_cursor_copy(&mark->high_value, &shape->high, err);
        if (rc == RKY_OK)
            rc = check_number(spec, &shape->after, err);
        if (rc == RKY_OK)
            rc = check_number(spec, &shape->high, err);
    }
    int64_t time_us = 0;
    if (rc == RKY_OK && spec->safety_lag_seconds > 0 && shape->after.type != RKY_CURSOR_NONE &&
        rky_cursor_time(&shape->after, &time_us) != RKY_OK)
        rc = rky_sqlite_no_time(spec, "safety_lag_seconds", &shape->after, err);
    return rc == RKY_OK ? shape_lookback(shape, err) : rc;
}

static int check_action(const struct rky_copy_spec *spec, struct rky_error *err)
{
    const struct rky_mark *mark = spec->mark;
    switch (spec->action) {
    case RKY_ACTION_FULL_REFRESH:
        return RKY_OK;
    case RKY_ACTION_INCREMENTAL:
        if (mark != NULL && mark->cursor_column != NULL && spec->cursor_column != NULL &&
            sqlite3_stricmp(mark->cursor_column, spec->cursor_column) != 0) {
            int rc = rky_fail(err, RKY_ERR_CONFIG,
                              "the watermark of table '%s' is of column '%s', the configuration "
                              "names '%s'",
                              spec->table_name, mark->cursor_column, spec->cursor_column);
            rky_error_hint(err,
                           "'rocky state delete --table %s' copies it whole again by the new "
                           "column",
                           spec->table_name);
            return rc;
        }
        break;
    case RKY_ACTION_ADOPT:
        break;
    case RKY_ACTION_NONE:
    case RKY_ACTION_MERGE:
    case RKY_ACTION_REFUSED:
        return rky_fail(err, RKY_ERR_UNSUPPORTED, "the SQLite driver cannot copy by '%s'",
                        rky_action_name(spec->action));
    }
    if (spec->cursor_column == NULL)
        return rky_fail(err, RKY_ERR_CONFIG,
                        "table '%s' has no cursor: it can only be copied whole",
                        spec->source.table);
    return RKY_OK;
}

const struct rky_cursor *rky_sqlite_plain_after(const struct rky_sqlite_shape *shape)
{
    return rky_cursor_compare(&shape->high, &shape->after) > 0 ? &shape->high : &shape->after;
}

int rky_sqlite_shape_init(const struct rky_copy_spec *spec, const struct rky_cursor *adopted,
                          struct rky_sqlite_shape *shape, struct rky_error *err)
{
    *shape = (struct rky_sqlite_shape){.spec = spec};
    shape->whole = spec->action == RKY_ACTION_FULL_REFRESH;
    int rc = check_action(spec, err);
    if (rc == RKY_OK)
        rc = name_tables(shape, err);
    if (rc == RKY_OK)
        rc = name_cursor(shape, err);
    if (rc == RKY_OK)
        rc = list_columns(shape, err);
    if (rc == RKY_OK)
        rc = shape_target(shape, err);
    if (rc == RKY_OK)
        rc = shape_bounds(shape, adopted, err);
    if (rc == RKY_OK)
        rc = shape_added(shape, err);
    if (rc != RKY_OK) {
        rky_sqlite_shape_done(shape);
        return rc;
    }
    shape->has_horizon = spec->safety_lag_seconds > 0 && shape->cursor != NULL;
    shape->unbounded = shape->whole || (!shape->unresolved &&
                                        rky_sqlite_plain_after(shape)->type == RKY_CURSOR_NONE);
    shape->tracked = shape->unbounded && shape->cursor != NULL && !shape->indexed;
    /* Rows that are passed by are counted as rows written. So nothing may swallow one: only into a
     * table that the same transaction makes. And a check that compares the two must see each. */
    shape->passes = shape->tracked && !shape->has_horizon && shape->row_id != NULL &&
                    !spec->count_source && (shape->build != NULL || spec->target_table == NULL);
    return RKY_OK;
}

void rky_sqlite_shape_done(struct rky_sqlite_shape *shape)
{
    rky_free(shape->alias);
    rky_free(shape->source);
    rky_free(shape->target);
    rky_free(shape->build);
    rky_free(shape->cursor);
    rky_free(shape->cursor_binary);
    rky_free(shape->target_binary);
    rky_free(shape->columns);
    rky_free(shape->insert_columns);
    rky_free(shape->metadata);
    rky_cursor_done(&shape->after);
    rky_cursor_done(&shape->high);
    rky_cursor_done(&shape->lookback);
    json_decref(shape->added);
    *shape = (struct rky_sqlite_shape){0};
}
