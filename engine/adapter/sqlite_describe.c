/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables, columns, indexes and triggers of one file, in a fixed number of queries whatever the
 * number of tables. Reads the schema only, never a row.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"

struct reader {
    sqlite3 *db;
    const char *file;
    struct rky_schema_info *info;
    size_t capacity;
    struct rky_error *err;
};

static int fail(struct reader *reader, int code)
{
    return rky_sqlite_fail(reader->err, reader->db, code, reader->file, "read the tables");
}

static int duplicate(struct reader *reader, const char *text, char **ret_copy)
{
    *ret_copy = rky_strdup(text);
    return *ret_copy != NULL ? RKY_OK : rky_fail_nomem(reader->err);
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text != NULL ? text : "";
}

/* Call @p row for each row of a query. */
static int each_row(struct reader *reader, const char *sql,
                    int (*row)(struct reader *reader, sqlite3_stmt *statement))
{
    sqlite3_stmt *statement = NULL;
    int rc = RKY_OK;
    int code = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        rc = row(reader, statement);
        if (rc != RKY_OK)
            goto out;
    }
    if (code != SQLITE_DONE)
        rc = fail(reader, sqlite3_extended_errcode(reader->db));
out:
    (void)sqlite3_finalize(statement);
    return rc;
}

/* --- tables ----------------------------------------------------------------------------------- */

static const char table_sql[] =
    "SELECT name, type, wr, strict FROM pragma_table_list"
    " WHERE schema = 'main' AND name <> 'sqlite_schema' ORDER BY name COLLATE BINARY";

static enum rky_table_kind kind_of(const char *name, const char *type)
{
    if (sqlite3_strnicmp(name, "sqlite_", 7) == 0)
        return RKY_TABLE_SYSTEM;
    if (sqlite3_strnicmp(name, "_rocky_", 7) == 0)
        return RKY_TABLE_OURS;
    if (strcmp(type, "view") == 0)
        return RKY_TABLE_VIEW;
    if (strcmp(type, "virtual") == 0)
        return RKY_TABLE_VIRTUAL;
    if (strcmp(type, "shadow") == 0)
        return RKY_TABLE_SHADOW;
    return RKY_TABLE_PLAIN;
}

static struct rky_table_info *find_table(const struct rky_schema_info *info, const char *name)
{
    const struct rky_table_info *found = rky_schema_table(info, name);
    return found != NULL ? &info->tables[found - info->tables] : NULL;
}

/* WITHOUT ROWID and STRICT matter while columns are read; they are kept in these bits. */
static int add_table(struct reader *reader, sqlite3_stmt *statement)
{
    struct rky_schema_info *info = reader->info;
    int rc = rky_array_reserve(&info->tables, &reader->capacity, info->table_count + 1,
                               sizeof(*info->tables), reader->err);
    if (rc != RKY_OK)
        return rc;
    struct rky_table_info *table = &info->tables[info->table_count];
    *table = (struct rky_table_info){0};
    rc = duplicate(reader, text_of(statement, 0), &table->name);
    if (rc != RKY_OK)
        return rc;
    info->table_count++;
    table->kind = kind_of(table->name, text_of(statement, 1));
    return RKY_OK;
}

/* --- columns ---------------------------------------------------------------------------------- */

static const char column_sql[] =
    "SELECT l.name, x.name, x.type, x.hidden, x.pk, l.wr, l.strict"
    " FROM pragma_table_list AS l, pragma_table_xinfo(l.name, 'main') AS x"
    " WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
enum { TABLE, NAME, TYPE, HIDDEN, PK, WITHOUT_ROWID, STRICT };
/* pragma_table_xinfo's `hidden` */
enum { HIDDEN_PLAIN = 0, HIDDEN_VIRTUAL = 2, HIDDEN_STORED = 3 };

/* Doubles when a power of two is full, so that no capacity has to be kept per table. */
static int grow(struct reader *reader, void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return RKY_OK;
    size_t capacity = count;
    return rky_array_reserve(array, &capacity, count == 0 ? 1 : count * 2, size, reader->err);
}

static int add_indexed(struct reader *reader, struct rky_table_info *table, const char *column)
{
    int rc = grow(reader, &table->indexed, table->indexed_count, sizeof(*table->indexed));
    if (rc == RKY_OK)
        rc = duplicate(reader, column, &table->indexed[table->indexed_count]);
    if (rc == RKY_OK)
        table->indexed_count++;
    return rc;
}

static int fill_column(struct reader *reader, sqlite3_stmt *statement,
                       const struct rky_table_info *table, struct rky_column *column)
{
    const char *type = text_of(statement, TYPE);
    const char *collation = NULL;
    /* ANY of a STRICT table stores what it is given; without STRICT the word means NUMERIC. */
    if (sqlite3_column_int(statement, STRICT) != 0 && sqlite3_stricmp(type, "ANY") == 0)
        type = "";
    int rc = duplicate(reader, text_of(statement, NAME), &column->name);
    if (rc == RKY_OK)
        rc = duplicate(reader, type, &column->type);
    if (rc == RKY_OK &&
        sqlite3_table_column_metadata(reader->db, "main", table->name, column->name, NULL,
                                      &collation, NULL, NULL, NULL) != SQLITE_OK)
        rc = fail(reader, sqlite3_extended_errcode(reader->db));
    if (rc == RKY_OK)
        rc = duplicate(reader, collation != NULL ? collation : "BINARY", &column->collation);
    int hidden = sqlite3_column_int(statement, HIDDEN);
    column->generated = hidden == HIDDEN_VIRTUAL || hidden == HIDDEN_STORED;
    return rc;
}

static int add_column(struct reader *reader, sqlite3_stmt *statement)
{
    struct rky_table_info *table = find_table(reader->info, text_of(statement, TABLE));
    int hidden = sqlite3_column_int(statement, HIDDEN);
    if (table == NULL || hidden == 1)
        return RKY_OK;
    int rc = grow(reader, &table->columns, table->column_count, sizeof(*table->columns));
    if (rc != RKY_OK)
        return rc;
    struct rky_column *column = &table->columns[table->column_count];
    *column = (struct rky_column){0};
    table->column_count++;
    rc = fill_column(reader, statement, table, column);
    bool without_rowid = sqlite3_column_int(statement, WITHOUT_ROWID) != 0;
    /* The row id's alias, or the first column of a table that is its own primary key. */
    bool leads = sqlite3_column_int(statement, PK) == 1 &&
                 (without_rowid || sqlite3_stricmp(column->type, "INTEGER") == 0);
    if (rc == RKY_OK && leads && strcmp(column->collation, "BINARY") == 0)
        rc = add_indexed(reader, table, column->name);
    if (rc == RKY_OK && table->row_id == NULL && !without_rowid)
        rc = duplicate(reader, "rowid", &table->row_id);
    return rc;
}

/* A column may take the name `rowid`; then another spelling reads the row id, or none. */
static int settle_row_id(struct reader *reader, struct rky_table_info *table)
{
    static const char *const spellings[] = {"rowid", "_rowid_", "oid"};
    if (table->row_id == NULL)
        return RKY_OK;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        if (rky_table_column(table, spellings[i]) != NULL)
            continue;
        if (i == 0)
            return RKY_OK;
        rky_free(table->row_id);
        return duplicate(reader, spellings[i], &table->row_id);
    }
    rky_free(table->row_id);
    table->row_id = NULL;
    return RKY_OK;
}

/* --- indexes and triggers --------------------------------------------------------------------- */

/* An index with another collation cannot serve the comparison by bytes that cursors use. Whether an
 * index is partial is asked only where its SQL has the word: asking costs as much as all the rest.
 */
static const char index_sql[] =
    "SELECT m.tbl_name, x.name"
    " FROM main.sqlite_schema AS m, pragma_index_xinfo(m.name, 'main') AS x"
    " WHERE m.type = 'index' AND x.seqno = 0 AND x.name IS NOT NULL AND x.coll = 'BINARY'"
    " AND (m.sql IS NULL OR m.sql NOT LIKE '%where%' OR EXISTS(SELECT 1 FROM"
    " pragma_index_list(m.tbl_name, 'main') AS l WHERE l.name = m.name AND l.partial = 0))";

static int add_index(struct reader *reader, sqlite3_stmt *statement)
{
    struct rky_table_info *table = find_table(reader->info, text_of(statement, 0));
    return table != NULL ? add_indexed(reader, table, text_of(statement, 1)) : RKY_OK;
}

static const char trigger_sql[] =
    "SELECT DISTINCT tbl_name FROM main.sqlite_schema WHERE type = 'trigger'";

static int add_trigger(struct reader *reader, sqlite3_stmt *statement)
{
    struct rky_table_info *table = find_table(reader->info, text_of(statement, 0));
    if (table != NULL)
        table->has_triggers = true;
    return RKY_OK;
}

static int read_journal_mode(struct reader *reader, sqlite3_stmt *statement)
{
    reader->info->blocks_writer = strcmp(text_of(statement, 0), "wal") != 0;
    return RKY_OK;
}

/* --- whole ------------------------------------------------------------------------------------ */

static int read_all(struct reader *reader)
{
    int rc = each_row(reader, table_sql, add_table);
    if (rc == RKY_OK)
        rc = each_row(reader, column_sql, add_column);
    for (size_t i = 0; rc == RKY_OK && i < reader->info->table_count; i++)
        rc = settle_row_id(reader, &reader->info->tables[i]);
    if (rc == RKY_OK)
        rc = each_row(reader, index_sql, add_index);
    if (rc == RKY_OK)
        rc = each_row(reader, trigger_sql, add_trigger);
    if (rc == RKY_OK)
        rc = each_row(reader, "PRAGMA main.journal_mode", read_journal_mode);
    return rc;
}

int rky_sqlite_describe_db(sqlite3 *db, const char *file, struct rky_schema_info *ret_info,
                           struct rky_error *err)
{
    struct rky_schema_info info = {0};
    struct reader reader = {.db = db, .file = file, .info = &info, .err = err};
    /* One read transaction, or a table could change between the queries. */
    bool began =
        sqlite3_get_autocommit(db) != 0 && sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
    int rc = read_all(&reader);
    if (began)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    if (rc != RKY_OK) {
        rky_schema_info_done(&info);
        return rc;
    }
    *ret_info = info;
    return RKY_OK;
}

static bool is_stopped(const struct rky_adapter *adapter)
{
    return adapter->stop != NULL && atomic_load(adapter->stop);
}

/* Somebody writes it, or its writer is at work in a way that looks as if it needed recovery. */
static bool passes(const struct rky_error *problem)
{
    return problem->code == RKY_ERR_LOCKED || rky_sqlite_needs_recovery((int)problem->native_code);
}

static int describe_file(const char *file, int64_t wait_ms, struct rky_schema_info *ret_info,
                         struct rky_error *err)
{
    sqlite3 *db = NULL;
    int rc = rky_sqlite_open_reader(file, &db, err);
    if (rc == RKY_OK) {
        (void)sqlite3_busy_timeout(db, (int)wait_ms);
        rc = rky_sqlite_describe_db(db, file, ret_info, err);
    }
    (void)sqlite3_close(db);
    return rc;
}

/* Waits in short pieces, because a stop has to end it. */
int rky_sqlite_describe(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                        struct rky_schema_info *ret_info, struct rky_error *err)
{
    enum { PIECE_MS = 100, PAUSE_MS = 20 };
    char *file = NULL;
    struct rky_error problem = {0};
    int rc = rky_sqlite_file(adapter, catalog, schema, &file, err);
    if (rc != RKY_OK)
        return rc;
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), adapter->lock_timeout_ms);
    for (;;) {
        int64_t left_ms = rky_deadline_left_ms(&deadline);
        problem = (struct rky_error){0};
        rc = describe_file(file, left_ms < PIECE_MS ? left_ms : PIECE_MS, ret_info, &problem);
        if (rc == RKY_OK || !passes(&problem) || left_ms == 0 || is_stopped(adapter))
            break;
        rky_sqlite_pause(PAUSE_MS);
    }
    if (rc != RKY_OK && passes(&problem) && is_stopped(adapter))
        rc = rky_fail(err, RKY_ERR_INTERRUPTED, "cannot read '%s': interrupted", file);
    if (rc != RKY_OK && err != NULL && err->code == RKY_OK)
        *err = problem;
    rky_free(file);
    return rc;
}
