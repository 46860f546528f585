/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's source and the comparison afterwards. This is the world outside Rocky: it writes rows
 * as an application would and reads the target as an analyst would, straight from the SQLite files
 * and through none of the code that it watches.
 */
#include "config.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "cli/demo.h"
#include "common/fsutil.h"

/** Rows that share one cursor value. */
#define GROUP_ROWS 40
/** 2026-01-01T00:00:00Z: the first cursor value. */
#define FIRST_SECOND 1767225600

static const struct rky_demo_table tables[] = {
    {"acme", "src__acme__us_west__shopify", "staging__us_west__shopify", "orders", 330},
    {"acme", "src__acme__us_west__shopify", "staging__us_west__shopify", "customers", 60},
    {"acme", "src__acme__us_west__shopify", "staging__us_west__shopify", "refunds", 15},
    {"acme", "src__acme__eu__stripe", "staging__eu__stripe", "charges", 110},
    {"acme", "src__acme__eu__stripe", "staging__eu__stripe", "payouts", 5},
    {"globex", "src__globex__us_east__shopify", "staging__us_east__shopify", "orders", 280},
    {"globex", "src__globex__us_east__shopify", "staging__us_east__shopify", "customers", 50},
    {"initech", "src__initech__us_west__eu__netsuite", "staging__us_west__eu__netsuite", "invoices",
     150},
    {NULL, NULL, NULL, NULL, 0},
};

const struct rky_demo_table *rky_demo_tables(void)
{
    return tables;
}

static int fail_sqlite(sqlite3 *db, const char *path, struct rky_error *err)
{
    return rky_fail(err, RKY_ERR_QUERY, "'%s': %s", path,
                    db == NULL ? "out of memory" : sqlite3_errmsg(db));
}

static int open_database(const char *path, int flags, sqlite3 **ret_db, struct rky_error *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        int rc = fail_sqlite(db, path, err);
        sqlite3_close(db);
        return rc;
    }
    sqlite3_busy_timeout(db, 10000);
    *ret_db = db;
    return 0;
}

static char *source_path(const struct rky_demo *demo, const struct rky_demo_table *table)
{
    return rky_asprintf("%s/source/fivetran/%s.db", demo->directory, table->schema);
}

char *rky_demo_target_path(const struct rky_demo *demo, const struct rky_demo_table *table)
{
    return rky_asprintf("%s/target/%s_warehouse/%s.db", demo->directory, table->client,
                        table->target_schema);
}

/* --- writing the source
 * --------------------------------------------------------------------------- */

static int execute(sqlite3 *db, const char *path, const char *sql, struct rky_error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail_sqlite(db, path, err);
}

static int make_table(sqlite3 *db, const char *path, const struct rky_demo_table *table,
                      struct rky_error *err)
{
    char *sql = rky_asprintf(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;"
        "CREATE TABLE IF NOT EXISTS %s (id INTEGER PRIMARY KEY, number TEXT, email TEXT,"
        " amount NUMERIC, status TEXT, note TEXT, _fivetran_synced TEXT);"
        "CREATE INDEX IF NOT EXISTS %s_synced ON %s (_fivetran_synced);",
        table->table, table->table, table->table);
    int rc = sql == NULL ? rky_fail_nomem(err) : execute(db, path, sql, err);
    rky_free(sql);
    return rc;
}

/* Group g of the cursor is FIRST_SECOND + g seconds. New rows start a new group, except the first
 * `ties`, which join the newest one. */
static const char INSERT_ROWS[] =
    "WITH RECURSIVE"
    " have(n, g) AS (SELECT coalesce(max(id), 0),"
    "  coalesce(unixepoch(max(_fivetran_synced)) - %d, -1) FROM %s),"
    " i(n, k, g) AS (SELECT n + 1, 0, g FROM have"
    "  UNION ALL SELECT n + 1, k + 1, g FROM i WHERE k + 1 < %lld)"
    " INSERT INTO %s SELECT n, printf('#%%08d', n), 'user' || (n %% 9973) || '@example.org',"
    "  (n * 37 %% 100000) / 100.0, CASE n %% 4 WHEN 0 THEN 'paid' WHEN 1 THEN 'open'"
    "  WHEN 2 THEN 'shipped' ELSE 'closed' END,"
    "  CASE WHEN n %% 7 = 0 THEN NULL ELSE 'note of row ' || n END,"
    "  strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %d + CASE WHEN k < %lld AND g >= 0 THEN g"
    "   ELSE g + 1 + (k - %lld) / %d END, 'unixepoch') FROM i";

static int insert_rows(sqlite3 *db, const char *path, const struct rky_demo_table *table,
                       int64_t rows, int64_t ties, struct rky_error *err)
{
    char *sql = rky_asprintf(INSERT_ROWS, FIRST_SECOND, table->table, (long long)rows, table->table,
                             FIRST_SECOND, (long long)ties, (long long)ties, GROUP_ROWS);
    int rc = sql == NULL ? rky_fail_nomem(err) : execute(db, path, sql, err);
    rky_free(sql);
    return rc;
}

int rky_demo_add_rows(struct rky_demo *demo, const struct rky_demo_table *table, int64_t rows,
                      int64_t ties, struct rky_error *err)
{
    sqlite3 *db = NULL;
    char *path = source_path(demo, table);
    int rc = path == NULL
                 ? rky_fail_nomem(err)
                 : open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err);
    if (rc == 0)
        rc = make_table(db, path, table, err);
    if (rc == 0)
        rc = insert_rows(db, path, table, rows, ties, err);
    sqlite3_close(db);
    rky_free(path);
    return rc;
}

int rky_demo_make_source(struct rky_demo *demo, int64_t *ret_rows, struct rky_error *err)
{
    char *directory = rky_asprintf("%s/source/fivetran", demo->directory);
    int rc = directory == NULL ? rky_fail_nomem(err) : rky_mkdir_p(directory, err);
    rky_free(directory);
    *ret_rows = 0;
    for (const struct rky_demo_table *table = tables; rc == 0 && table->client != NULL; table++) {
        int64_t rows = demo->rows * table->share / 1000;
        rc = rky_demo_add_rows(demo, table, rows, 0, err);
        *ret_rows += rows;
        if (rc == 0 && rky_stop_asked(demo->stop))
            rc = rky_fail(err, RKY_ERR_INTERRUPTED, "interrupted");
    }
    return rc;
}

/* --- comparing
 * ------------------------------------------------------------------------------------ */

static bool same_value(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    if (sqlite3_column_type(a, column) != sqlite3_column_type(b, column))
        return false;
    int length = sqlite3_column_bytes(a, column);
    if (length != sqlite3_column_bytes(b, column))
        return false;
    const void *left = sqlite3_column_blob(a, column), *right = sqlite3_column_blob(b, column);
    return length == 0 || memcmp(left, right, (size_t)length) == 0;
}

static int compare_rows(sqlite3_stmt *source, sqlite3_stmt *target,
                        const struct rky_demo_table *table, int64_t *rows, struct rky_error *err)
{
    for (;;) {
        int have_source = sqlite3_step(source), have_target = sqlite3_step(target);
        if (have_source == SQLITE_DONE && have_target == SQLITE_DONE)
            return 0;
        if ((have_source != SQLITE_ROW && have_source != SQLITE_DONE) ||
            (have_target != SQLITE_ROW && have_target != SQLITE_DONE))
            return rky_fail(err, RKY_ERR_QUERY, "table '%s.%s' cannot be read to the end",
                            table->schema, table->table);
        int64_t source_id = have_source == SQLITE_ROW ? sqlite3_column_int64(source, 0) : INT64_MAX;
        int64_t target_id = have_target == SQLITE_ROW ? sqlite3_column_int64(target, 0) : INT64_MAX;
        if (source_id != target_id)
            return rky_fail(
                err, RKY_ERR_CONFLICT, "table '%s.%s': row %" PRId64 " is %s", table->schema,
                table->table, source_id < target_id ? source_id : target_id,
                source_id < target_id ? "missing in the target" : "in the target once too often");
        for (int i = 0; i < sqlite3_column_count(source); i++) {
            if (!same_value(source, target, i))
                return rky_fail(
                    err, RKY_ERR_CONFLICT, "table '%s.%s': row %" PRId64 " differs in column '%s'",
                    table->schema, table->table, source_id, sqlite3_column_name(source, i));
        }
        ++*rows;
    }
}

static int compare_table(struct rky_demo *demo, const struct rky_demo_table *table, int64_t *rows,
                         struct rky_error *err)
{
    sqlite3 *source = NULL, *target = NULL;
    sqlite3_stmt *source_rows = NULL, *target_rows = NULL;
    char *from = source_path(demo, table), *to = rky_demo_target_path(demo, table);
    char *sql = rky_asprintf("SELECT id, number, email, amount, status, note, _fivetran_synced"
                             " FROM %s ORDER BY id",
                             table->table);
    int rc = from == NULL || to == NULL || sql == NULL ? rky_fail_nomem(err) : 0;
    if (rc == 0)
        rc = open_database(from, SQLITE_OPEN_READONLY, &source, err);
    if (rc == 0)
        rc = open_database(to, SQLITE_OPEN_READONLY, &target, err);
    if (rc == 0 && sqlite3_prepare_v2(source, sql, -1, &source_rows, NULL) != SQLITE_OK)
        rc = fail_sqlite(source, from, err);
    if (rc == 0 && sqlite3_prepare_v2(target, sql, -1, &target_rows, NULL) != SQLITE_OK)
        rc = fail_sqlite(target, to, err);
    if (rc == 0)
        rc = compare_rows(source_rows, target_rows, table, rows, err);
    sqlite3_finalize(source_rows);
    sqlite3_finalize(target_rows);
    sqlite3_close(source);
    sqlite3_close(target);
    rky_free(from);
    rky_free(to);
    rky_free(sql);
    return rc;
}

int rky_demo_compare(struct rky_demo *demo, const char *client, int64_t *ret_rows, int *ret_tables,
                     struct rky_error *err)
{
    int rc = 0;
    *ret_rows = 0;
    *ret_tables = 0;
    for (const struct rky_demo_table *table = tables; rc == 0 && table->client != NULL; table++) {
        if (client != NULL && strcmp(client, table->client) != 0)
            continue;
        rc = compare_table(demo, table, ret_rows, err);
        ++*ret_tables;
    }
    return rc;
}
