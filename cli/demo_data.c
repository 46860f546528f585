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

/* --- writing the source ------------------------------------------------------------------- */

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

/* --- comparing ---------------------------------------------------------------------------- */

/* A table while it is compared. Each row of the target must equal the source's row of that id, no
 * id may come twice, and at the end none may be left over. */
struct comparison {
    const struct rky_demo_table *table;
    sqlite3 *source, *target;
    sqlite3_stmt *source_row; /**< one row by id */
    sqlite3_stmt *target_rows;
    unsigned char *seen; /**< one bit for each id */
    int64_t source_rows, greatest_id;
};

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

static int fail_row(const struct comparison *c, int64_t id, const char *what, struct rky_error *err)
{
    return rky_fail(err, RKY_ERR_CONFLICT, "table '%s.%s': row %" PRId64 " %s", c->table->schema,
                    c->table->table, id, what);
}

static int compare_row(struct comparison *c, struct rky_error *err)
{
    int64_t id = sqlite3_column_int64(c->target_rows, 0);
    sqlite3_reset(c->source_row);
    sqlite3_bind_int64(c->source_row, 1, id);
    if (id < 1 || id > c->greatest_id || sqlite3_step(c->source_row) != SQLITE_ROW)
        return fail_row(c, id, "is in the target but not in the source", err);
    unsigned char bit = (unsigned char)(1u << (id & 7));
    if ((c->seen[id >> 3] & bit) != 0)
        return fail_row(c, id, "is in the target twice", err);
    c->seen[id >> 3] |= bit;
    for (int i = 0; i < sqlite3_column_count(c->source_row); i++) {
        if (!same_value(c->source_row, c->target_rows, i))
            return rky_fail(
                err, RKY_ERR_CONFLICT, "table '%s.%s': row %" PRId64 " differs in column '%s'",
                c->table->schema, c->table->table, id, sqlite3_column_name(c->source_row, i));
    }
    return 0;
}

static int compare_rows(struct comparison *c, int64_t *rows, struct rky_error *err)
{
    int64_t compared = 0;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(c->target_rows)) == SQLITE_ROW) {
        int rc = compare_row(c, err);
        if (rc != 0)
            return rc;
        compared++;
    }
    if (step != SQLITE_DONE)
        return fail_sqlite(c->target, c->table->target_schema, err);
    *rows += compared;
    /* Ids of the source run from 1 without a gap: the first unseen one is a row that is missing. */
    for (int64_t id = 1; compared < c->source_rows && id <= c->greatest_id; id++) {
        if ((c->seen[id >> 3] & (1u << (id & 7))) == 0)
            return fail_row(c, id, "is missing in the target", err);
    }
    return 0;
}

static int prepare(sqlite3 *db, const char *path, char *sql, sqlite3_stmt **ret_statement,
                   struct rky_error *err)
{
    int rc = 0;
    if (sql == NULL)
        rc = rky_fail_nomem(err);
    else if (sqlite3_prepare_v2(db, sql, -1, ret_statement, NULL) != SQLITE_OK)
        rc = fail_sqlite(db, path, err);
    rky_free(sql);
    return rc;
}

static int count_source(struct comparison *c, const char *path, struct rky_error *err)
{
    sqlite3_stmt *count = NULL;
    char *sql = rky_asprintf("SELECT count(*), coalesce(max(id), 0) FROM %s", c->table->table);
    int rc = prepare(c->source, path, sql, &count, err);
    if (rc == 0 && sqlite3_step(count) != SQLITE_ROW)
        rc = fail_sqlite(c->source, path, err);
    if (rc == 0) {
        c->source_rows = sqlite3_column_int64(count, 0);
        c->greatest_id = sqlite3_column_int64(count, 1);
        c->seen = rky_calloc((size_t)(c->greatest_id / 8 + 1), 1);
        rc = c->seen == NULL ? rky_fail_nomem(err) : 0;
    }
    sqlite3_finalize(count);
    return rc;
}

static int comparison_open(struct comparison *c, const char *from, const char *to,
                           struct rky_error *err)
{
    static const char columns[] = "id, number, email, amount, status, note, _fivetran_synced";
    int rc = open_database(from, SQLITE_OPEN_READONLY, &c->source, err);
    if (rc == 0)
        rc = open_database(to, SQLITE_OPEN_READONLY, &c->target, err);
    /* One transaction, or each lookup would lock and unlock the file. */
    if (rc == 0)
        rc = execute(c->source, from, "BEGIN", err);
    if (rc == 0)
        rc = count_source(c, from, err);
    if (rc == 0)
        rc = prepare(c->source, from,
                     rky_asprintf("SELECT %s FROM %s WHERE id = ?", columns, c->table->table),
                     &c->source_row, err);
    if (rc == 0)
        rc = prepare(c->target, to, rky_asprintf("SELECT %s FROM %s", columns, c->table->table),
                     &c->target_rows, err);
    return rc;
}

static int compare_table(struct rky_demo *demo, const struct rky_demo_table *table, int64_t *rows,
                         struct rky_error *err)
{
    struct comparison c = {.table = table};
    char *from = source_path(demo, table), *to = rky_demo_target_path(demo, table);
    int rc = from == NULL || to == NULL ? rky_fail_nomem(err) : comparison_open(&c, from, to, err);
    if (rc == 0)
        rc = compare_rows(&c, rows, err);
    sqlite3_finalize(c.source_row);
    sqlite3_finalize(c.target_rows);
    sqlite3_close(c.source);
    sqlite3_close(c.target);
    rky_free(c.seen);
    rky_free(from);
    rky_free(to);
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
