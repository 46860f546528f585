/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite lets people store and declare, and what the driver makes of it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/conformance/adapter_sqlite_fixture.h"
#include "tests/kit/check_main.h"

static void open_world(struct adapter_world *world, const char *sql)
{
    sqlite_fixture.exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, sql);
    adapter_world_open(world, &sqlite_fixture, 2000);
}

static void copy(struct adapter_world *world, const char *table, const struct adapter_wish *wish,
                 int64_t rows)
{
    struct rky_copy_outcome outcome = adapter_copy_ok(world, table, wish);
    ck_assert_int_eq(outcome.rows_copied, rows);
    rky_copy_outcome_done(&outcome);
}

static void expect_fault(const struct rky_error *err, const char *part)
{
    ck_assert_msg(strstr(err->message, part) != NULL, "'%s' lacks '%s'", err->message, part);
}

/* Every value with its type and bytes. */
static void expect_exact(struct adapter_world *world, const char *table, const char *column)
{
    char *expression = NULL;
    ck_assert_int_ge(
        asprintf(&expression, "id, typeof(%s), quote(%s), hex(%s)", column, column, column), 0);
    adapter_expect_same(world, table, expression);
    free(expression);
}

/* --- cursors that cannot be ------------------------------------------------------------------- */

static const struct adapter_wish at = {.cursor = "at"};

/* Once by a scan, once by an index; on the first copy and on a later one. */
static const char *const plain_or_indexed[] = {"", "CREATE INDEX t_at ON t(at);"};

START_TEST(mixed_storage_classes_are_refused_with_their_counts)
{
    struct adapter_world world;
    char sql[400];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TABLE t(id INTEGER, at TIMESTAMP); %s INSERT INTO t VALUES(1, "
                   "'2026-01-01T00:00:00Z'), (2, '2026-01-02T00:00:00Z')",
                   plain_or_indexed[_i]);
    open_world(&world, sql);
    copy(&world, "t", &at, 2);

    adapter_source(&world, "INSERT INTO t VALUES(3, 17), (4, x'00ff')");
    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_QUERY);
    expect_fault(&err, "column 'at' of table 't' cannot be a cursor: it holds 1 numbers, 2 texts "
                       "and 1 BLOBs");
    ck_assert_ptr_nonnull(strstr(err.hint, "timestamp_column"));

    err = adapter_copy_fails(&world, "t", &(struct adapter_wish){.cursor = "at", .refresh = true},
                             RKY_ERR_QUERY);
    expect_fault(&err, "1 numbers, 2 texts and 1 BLOBs");
    adapter_expect(&world, "SELECT count(*) FROM t", "2\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_greatest_value_that_is_no_text_is_refused)
{
    static const struct {
        const char *value, *message;
    } bad[] = {{"CAST(x'7a007a' AS TEXT)", "text with a NUL in it"},
               {"CAST(x'7aff' AS TEXT)", "text that is not UTF-8"}};
    struct adapter_world world;
    char sql[400];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(
            sql, sizeof(sql),
            "DROP TABLE IF EXISTS t; CREATE TABLE t(id INTEGER, at TEXT); %s INSERT INTO "
            "t VALUES(1, 'a'), (2, %s)",
            plain_or_indexed[_i], bad[i].value);
        open_world(&world, sql);
        struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_QUERY);
        expect_fault(&err, bad[i].message);
        adapter_world_close(&world);
    }
}
END_TEST

START_TEST(only_blobs_are_no_cursor)
{
    struct adapter_world world;
    char sql[200];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TABLE t(id INTEGER, at); %s INSERT INTO t VALUES(1, x'01')",
                   plain_or_indexed[_i]);
    open_world(&world, sql);
    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_QUERY);
    expect_fault(&err, "0 numbers, 0 texts and 1 BLOBs");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_utf16_source_is_refused_clearly)
{
    struct adapter_world world;
    open_world(&world, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(id INTEGER, at TEXT);"
                       "INSERT INTO t VALUES(1, 'a')");
    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_UNSUPPORTED);
    expect_fault(&err, "UTF-16le");
    adapter_world_close(&world);
}
END_TEST

/* --- cursors of every kind -------------------------------------------------------------------- */

START_TEST(integer_cursors_of_any_size_work)
{
    struct adapter_world world;
    char sql[400];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TABLE t(id INTEGER, at INTEGER); %s INSERT INTO t VALUES(1, "
                   "-9223372036854775808)",
                   plain_or_indexed[_i]);
    open_world(&world, sql);
    copy(&world, "t", &at, 1);
    copy(&world, "t", &at, 0);
    adapter_source(&world, "INSERT INTO t VALUES(2, -9223372036854775808), "
                           "(3, -9223372036854775807), (4, 9007199254740993)");
    copy(&world, "t", &at, 3);
    adapter_source(&world, "INSERT INTO t VALUES(5, 9007199254740994), (6, 9007199254740992),"
                           " (7, 9223372036854775807)");
    /* 6 is below the watermark by one, which a double could not tell. */
    copy(&world, "t", &at, 2);
    struct rky_mark mark = adapter_mark(&world, "t");
    ck_assert_str_eq(mark.value.text, "9223372036854775807");
    ck_assert_str_eq(mark.cursor_type, "integer");
    rky_mark_done(&mark);
    copy(&world, "t", &at, 0);
    adapter_world_close(&world);
}
END_TEST

START_TEST(real_cursors_are_kept_bit_for_bit)
{
    struct adapter_world world;
    char sql[600];
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE t(id INTEGER, at REAL); %s",
                   plain_or_indexed[_i]);
    open_world(&world, sql);
    uint64_t state = 42;
    double value = 0.1;
    copy(&world, "t", &at, 0);
    for (int i = 1; i <= 60; i++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        value += (double)(state >> 11) / 9007199254740992.0 / (i % 7 == 0 ? 1e12 : 3.0);
        sqlite3 *db = sqlite_fixture_open(ADAPTER_SOURCE, ADAPTER_SCHEMA);
        sqlite3_stmt *insert = NULL;
        (void)sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?1, ?2), (-?1, ?2)", -1, &insert, NULL);
        (void)sqlite3_bind_int(insert, 1, i);
        (void)sqlite3_bind_double(insert, 2, value);
        ck_assert_int_eq(sqlite3_step(insert), SQLITE_DONE);
        (void)sqlite3_finalize(insert);
        (void)sqlite3_close(db);
        copy(&world, "t", &at, 2);
        copy(&world, "t", &at, 0);
    }
    adapter_source(&world, "INSERT INTO t VALUES(100, 9e999), (101, 9e999)");
    copy(&world, "t", &at, 2);
    copy(&world, "t", &at, 0);
    expect_exact(&world, "t", "at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(integers_and_reals_are_one_kind)
{
    struct adapter_world world;
    char sql[400];
    (void)snprintf(
        sql, sizeof(sql),
        "CREATE TABLE t(id INTEGER, at NUMERIC); %s INSERT INTO t VALUES(1, 1), (2, 1.5)",
        plain_or_indexed[_i]);
    open_world(&world, sql);
    copy(&world, "t", &at, 2);
    adapter_source(&world, "INSERT INTO t VALUES(3, 2), (4, 1.5), (5, 1.25)");
    copy(&world, "t", &at, 2);
    adapter_source(&world, "INSERT INTO t VALUES(6, 2.0), (7, 2.5)");
    copy(&world, "t", &at, 2);
    copy(&world, "t", &at, 0);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_declared_timestamp_holds_what_is_stored)
{
    struct adapter_world world;
    char sql[400];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TABLE t(id INTEGER, at TIMESTAMP); %s INSERT INTO t VALUES(1, "
                   "'2026-01-01 00:00:00'), (2, '2026-01-02 00:00:00')",
                   plain_or_indexed[_i]);
    open_world(&world, sql);
    copy(&world, "t", &at, 2);
    adapter_source(&world, "INSERT INTO t VALUES(3, '2026-01-02 00:00:00'),"
                           " (4, '2026-01-03 00:00:00')");
    copy(&world, "t", &at, 2);
    copy(&world, "t", &at, 0);
    expect_exact(&world, "t", "at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(text_is_compared_by_bytes_whatever_the_collation)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, at TEXT COLLATE NOCASE);"
                       "CREATE INDEX t_at ON t(at); INSERT INTO t VALUES(1, 'B'), (2, 'a')");
    copy(&world, "t", &at, 2);
    struct rky_mark mark = adapter_mark(&world, "t");
    ck_assert_str_eq(mark.value.text, "a");
    rky_mark_done(&mark);
    adapter_source(&world, "INSERT INTO t VALUES(3, 'A'), (4, 'Z'), (5, 'b'), (6, 'a')");
    copy(&world, "t", &at, 2);
    adapter_expect(&world, "SELECT id FROM t ORDER BY id", "1\n2\n5\n6\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(text_cursors_may_hold_quotes_and_any_letters)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, at TEXT);"
                       "INSERT INTO t VALUES(1, 'it''s'), (2, 'x'' OR ''1''=''1')");
    copy(&world, "t", &at, 2);
    adapter_source(&world,
                   "INSERT INTO t VALUES(3, 'x'' OR ''1''=''1'), (4, '\xc3\xa4\xf0\x9f\x9a\x80')");
    copy(&world, "t", &at, 2);
    copy(&world, "t", &at, 0);
    adapter_expect_same(&world, "t", "id, at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(many_rows_may_tie)
{
    struct adapter_world world;
    /* More than the tracker keeps ids of. */
    open_world(&world,
               "CREATE TABLE t(id INTEGER, at INTEGER);"
               "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
               " WHERE i < 270000) SELECT i, 5 FROM n");
    copy(&world, "t", &at, 270000);
    copy(&world, "t", &at, 0);
    adapter_source(&world, "INSERT INTO t VALUES(1, 5), (-1, 5)");
    copy(&world, "t", &at, 2);
    copy(&world, "t", &at, 0);
    adapter_expect(&world, "SELECT count(*), count(DISTINCT id), sum(id = 1) FROM t",
                   "270002|270001|2\n");
    adapter_world_close(&world);
}
END_TEST

/* The row that came last bounds what the tracker has to be shown; whatever it is, the result must
 * not depend on it. */
static const struct {
    const char *type, *values;
    int code;
    const char *greatest;
    int64_t ties, nulls;
    bool exclude;
} lasts[] = {
    {"TEXT", "('c'), ('b'), ('c'), ('a')", RKY_OK, "c", 2, 0, false},
    {"TEXT", "('a'), ('c'), ('b'), ('c')", RKY_OK, "c", 2, 0, false},
    {"TEXT", "('c'), ('b'), (NULL), ('c'), (NULL)", RKY_OK, "c", 2, 2, true},
    {"TEXT", "('b'), (NULL), ('a')", RKY_OK, "b", 1, 1, true},
    {"TEXT", "('b'), (NULL), ('c')", RKY_ERR_QUERY, NULL, 0, 0, false},
    {"TEXT", "('a'), (x'00'), ('c')", RKY_ERR_QUERY, NULL, 0, 0, false},
    {"INTEGER", "(7), (9), (2.5), (8)", RKY_OK, "9", 1, 0, false},
    {"INTEGER", "(1), ('text'), (8)", RKY_ERR_QUERY, NULL, 0, 0, false},
    {"INTEGER", "(1), ('text')", RKY_ERR_QUERY, NULL, 0, 0, false},
    {"", "('b'), ('a'), ('b'), ('a')", RKY_OK, "b", 2, 0, false},
    {"", "(1), ('a'), ('b')", RKY_ERR_QUERY, NULL, 0, 0, false},
};

START_TEST(the_greatest_value_is_found_whichever_row_came_last)
{
    struct adapter_world world;
    struct rky_copy_outcome outcome = {0};
    struct rky_error err = {0};
    char sql[400];
    const struct adapter_wish wish = {.cursor = "at",
                                      .null_cursor = lasts[_i].exclude ? RKY_NULL_CURSOR_EXCLUDE
                                                                       : RKY_NULL_CURSOR_FAIL};
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE t(at %s); INSERT INTO t VALUES %s",
                   lasts[_i].type, lasts[_i].values);
    open_world(&world, sql);
    ck_assert_int_eq(adapter_copy(&world, "t", &wish, &outcome, &err), lasts[_i].code);
    if (lasts[_i].code == RKY_OK) {
        struct rky_mark mark = adapter_mark(&world, "t");
        ck_assert_str_eq(mark.value.text, lasts[_i].greatest);
        ck_assert_int_eq(mark.ties, lasts[_i].ties);
        ck_assert_int_eq(outcome.null_cursors, lasts[_i].nulls);
        ck_assert_int_eq(outcome.window_rows, outcome.rows_copied);
        ck_assert_int_eq(outcome.source_count, outcome.rows_copied + lasts[_i].nulls);
        rky_mark_done(&mark);
        rky_copy_outcome_done(&outcome);
        copy(&world, "t", &wish, 0);
    }
    adapter_world_close(&world);
}
END_TEST

/* --- tables of every kind --------------------------------------------------------------------- */

static const char without_rowid[] =
    "CREATE TABLE t(id INTEGER, at INTEGER, PRIMARY KEY(id, at)) WITHOUT ROWID;"
    "INSERT INTO t VALUES(1, 10), (2, 20), (3, 20)";
static const char shadowed[] = "CREATE TABLE t(id INTEGER, at INTEGER, rowid TEXT, _rowid_ TEXT);"
                               "INSERT INTO t VALUES(1, 10, 'a', 'b'), (2, 20, 'a', 'b'),"
                               " (3, 20, 'a', 'b')";
static const char all_shadowed[] =
    "CREATE TABLE t(id INTEGER, at INTEGER, rowid TEXT, _rowid_ TEXT, oid TEXT);"
    "INSERT INTO t VALUES(1, 10, 'a', 'b', 'c'), (2, 20, 'a', 'b', 'c'), (3, 20, 'a', 'b', 'c')";
static const char key_is_cursor[] = "CREATE TABLE t(id INTEGER, at INTEGER PRIMARY KEY);"
                                    "INSERT INTO t VALUES(1, 10), (2, 20), (3, 19)";

START_TEST(tables_with_and_without_row_ids_are_copied)
{
    static const char *const tables[] = {without_rowid, shadowed, all_shadowed, key_is_cursor};
    struct adapter_world world;
    open_world(&world, tables[_i]);
    copy(&world, "t", &at, 3);
    copy(&world, "t", &at, 0);
    adapter_source(&world, "INSERT INTO t(id, at) VALUES(4, 30)");
    if (tables[_i] != key_is_cursor)
        adapter_source(&world, "INSERT INTO t(id, at) VALUES(5, 20)");
    copy(&world, "t", &at, tables[_i] != key_is_cursor ? 2 : 1);
    adapter_source(&world, "UPDATE t SET id = 9 WHERE at = 30");
    copy(&world, "t", &at, 1);
    copy(&world, "t", &(struct adapter_wish){.cursor = "at", .refresh = true},
         tables[_i] != key_is_cursor ? 5 : 4);
    adapter_expect_same(&world, "t", "id, at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(values_of_every_kind_arrive_as_they_are)
{
    struct adapter_world world;
    open_world(&world,
               "CREATE TABLE t(id INTEGER PRIMARY KEY, v, n NUMERIC, x TEXT, at INTEGER);"
               "INSERT INTO t(v) VALUES(9223372036854775807), (-9223372036854775808), (1e308),"
               " (-1e308), (5e-324), (9e999), (-9e999), (0.1), (-0.0), (x''), (x'00ff00'), (''),"
               " (CAST(x'610062' AS TEXT)), (CAST(x'ff' AS TEXT)), (NULL), ('007'), ('1e3'),"
               " ('\xf0\x9f\x9a\x80');"
               "UPDATE t SET n = v, x = v, at = id / 4");
    copy(&world, "t", &at, 18);
    adapter_source(&world, "INSERT INTO t(v, n, x, at) SELECT v, n, x, 4 FROM t");
    copy(&world, "t", &at, 18);
    copy(&world, "t", &at, 0);
    expect_exact(&world, "t", "v");
    expect_exact(&world, "t", "n");
    expect_exact(&world, "t", "x");
    adapter_world_close(&world);
}
END_TEST

START_TEST(rows_that_differ_only_in_type_are_different_rows)
{
    static const char *const values[] = {"'abc'", "x'616263'", "1", "1.0", "'1'",  "NULL",
                                         "''",    "x''",       "0", "0.0", "x'00'"};
    struct adapter_world world;
    char sql[200];
    int64_t rows = 0;
    open_world(&world,
               "CREATE TABLE t(id INTEGER, v, w, at INTEGER); INSERT INTO t VALUES(1, 2, 3, "
               "5)");
    copy(&world, "t", &at, 1);
    /* One replaces the other, so that even the number of rows at the watermark stays. */
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        (void)snprintf(sql, sizeof(sql), "UPDATE t SET v = %s, w = NULL", values[i]);
        adapter_source(&world, sql);
        copy(&world, "t", &at, 1);
        (void)snprintf(sql, sizeof(sql), "UPDATE t SET v = NULL, w = %s", values[i]);
        adapter_source(&world, sql);
        rows = strcmp(values[i], "NULL") == 0 ? 0 : 1;
        copy(&world, "t", &at, rows);
    }
    adapter_world_close(&world);
}
END_TEST

START_TEST(generated_columns_become_plain_values)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER, twice INTEGER AS (id * 2),"
                       " thrice INTEGER GENERATED ALWAYS AS (id * 3) STORED, last TEXT);"
                       "INSERT INTO t(id, at, last) VALUES(1, 10, 'x'), (2, 20, 'y')");
    copy(&world, "t", &at, 2);
    adapter_source(&world, "INSERT INTO t(id, at, last) VALUES(3, 20, 'z'), (4, 30, 'z')");
    copy(&world, "t", &at, 2);
    adapter_expect_same(&world, "t", "id, at, twice, thrice, last");
    adapter_expect(&world, "SELECT sum(hidden) FROM pragma_table_xinfo('t')", "0\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_strict_tables_any_column_keeps_its_values)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, v ANY, at INTEGER) STRICT;"
                       "INSERT INTO t VALUES(1, '007', 1), (2, 7, 1), (3, '7.0', 1)");
    copy(&world, "t", &at, 3);
    adapter_source(&world, "INSERT INTO t VALUES(1, '007', 1), (4, '08', 1)");
    copy(&world, "t", &at, 2);
    expect_exact(&world, "t", "v");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_wide_table_is_copied_and_compared)
{
    enum { COLUMNS = 500 };
    struct adapter_world world;
    struct rky_strbuf create = {0}, insert = {0};
    rky_strbuf_add(&create, "CREATE TABLE t(id INTEGER, at INTEGER");
    rky_strbuf_add(&insert, "INSERT INTO t VALUES(1, 1");
    for (int i = 2; i < COLUMNS; i++) {
        rky_strbuf_addf(&create, ", c%d TEXT", i);
        rky_strbuf_addf(&insert, ", 'v%d'", i);
    }
    rky_strbuf_add(&create, ");");
    rky_strbuf_add(&insert, ");");
    open_world(&world, create.data);
    adapter_source(&world, insert.data);
    copy(&world, "t", &at, 1);
    adapter_source(&world, insert.data);
    adapter_source(&world, "INSERT INTO t(id, at, c499) VALUES(1, 1, 'other');"
                           "UPDATE t SET c250 = 'changed' WHERE c499 = 'other'");
    copy(&world, "t", &at, 2);
    copy(&world, "t", &at, 0);
    adapter_expect_same(&world, "t", "id, at, c2, c250, c499");
    rky_strbuf_done(&create);
    rky_strbuf_done(&insert);
    adapter_world_close(&world);
}
END_TEST

START_TEST(the_target_converts_before_rows_are_compared)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id TEXT, at TEXT);"
                       "INSERT INTO t VALUES('1', '10'), ('2', '20'), ('2', '20')");
    adapter_target(&world, "CREATE TABLE t(id INTEGER, at TEXT);"
                           "INSERT INTO t VALUES(1, '10'), (2, '20')");
    copy(&world, "t", &(struct adapter_wish){.cursor = "at", .adopt = true}, 1);
    adapter_expect(&world, "SELECT typeof(id), count(*) FROM t", "'integer'|3\n");
    adapter_source(&world, "INSERT INTO t VALUES('2', '20')");
    copy(&world, "t", &at, 1);
    adapter_world_close(&world);
}
END_TEST

/* --- targets that people touched -------------------------------------------------------------- */

START_TEST(a_refresh_is_refused_where_triggers_would_run)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    copy(&world, "t", &at, 1);
    adapter_target(&world, "CREATE TABLE log(x); CREATE TRIGGER noisy AFTER DELETE ON t BEGIN"
                           " INSERT INTO log VALUES(1); END");
    const struct adapter_wish refresh = {.cursor = "at", .refresh = true};
    struct rky_error err = adapter_copy_fails(&world, "t", &refresh, RKY_ERR_QUERY);
    expect_fault(&err, "trigger 'noisy'");
    ck_assert_ptr_nonnull(strstr(err.hint, "drop the trigger"));
    adapter_expect(&world, "SELECT count(*) FROM log", "0\n");
    /* Other columns: built beside, and the trigger moves to the new table. */
    adapter_source(&world, "ALTER TABLE t ADD COLUMN more TEXT");
    copy(&world, "t", &refresh, 1);
    adapter_expect(&world, "SELECT count(*) FROM log", "0\n");
    adapter_expect(&world, "SELECT name FROM sqlite_schema WHERE type = 'trigger'", "'noisy'\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_index_that_no_longer_fits_stops_the_rebuild)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, name TEXT, at INTEGER);"
                       "INSERT INTO t VALUES(1, 'a', 1)");
    copy(&world, "t", &at, 1);
    adapter_target(&world, "CREATE INDEX by_name ON t(name)");
    adapter_source(&world, "ALTER TABLE t DROP COLUMN name");
    struct rky_error err = adapter_copy_fails(
        &world, "t", &(struct adapter_wish){.cursor = "at", .refresh = true}, RKY_ERR_QUERY);
    ck_assert_ptr_nonnull(strstr(err.hint, "CREATE INDEX by_name"));
    adapter_expect(&world, "SELECT id, name FROM t", "1|'a'\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_target_that_drops_rows_silently_is_an_error)
{
    struct adapter_world world;
    open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    adapter_target(&world, "CREATE TABLE t(id INTEGER UNIQUE ON CONFLICT IGNORE, at INTEGER);"
                           "INSERT INTO t VALUES(1, 1)");
    copy(&world, "t", &(struct adapter_wish){.cursor = "at", .adopt = true}, 0);
    adapter_source(&world, "INSERT INTO t VALUES(1, 2), (2, 2)");
    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_QUERY);
    expect_fault(&err, "kept 1 of 2 rows");
    adapter_expect(&world, "SELECT id, at FROM t", "1|1\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(nothing_new_leaves_the_target_file_untouched)
{
    struct adapter_world world;
    struct rky_error err = {0};
    char *before = NULL, *after = NULL;
    size_t length_before = 0, length_after = 0;
    open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    copy(&world, "t", &at, 1);
    char *file = sqlite_fixture_file(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA);
    world.ops->session_close(world.session);
    adapter_ok(rky_read_file(file, 1 << 20, &before, &length_before, &err), err);
    world.session = adapter_session(&world, 2000);
    copy(&world, "t", &at, 0);
    adapter_expect(&world, "SELECT count(*) FROM t", "1\n");
    world.ops->session_close(world.session);
    adapter_ok(rky_read_file(file, 1 << 20, &after, &length_after, &err), err);
    ck_assert_uint_eq(length_before, length_after);
    ck_assert_int_eq(memcmp(before, after, length_before), 0);
    rky_free(before);
    rky_free(after);
    free(file);
    world.session = NULL;
    world.ops->close(world.source);
    world.ops->close(world.target);
}
END_TEST

/* --- statements, names ------------------------------------------------------------------------ */

START_TEST(the_statement_has_the_documented_form)
{
    struct adapter_world world;
    char name[] = "_loaded_by", type[] = "STRING", value[] = "NULL";
    const struct rky_metadata_column loaded_by = {name, type, value};
    const struct adapter_wish wish = {.metadata = &loaded_by, .metadata_count = 1};
    open_world(&world, "CREATE TABLE orders(id INTEGER, \"order\" TEXT, _fivetran_synced TEXT);"
                       "INSERT INTO orders VALUES(1, 'a', '2025-03-15T14:30:00Z')");
    char *text = adapter_statements(&world, "orders", &wish);
    ck_assert_str_eq(
        text, "create: CREATE TABLE main.orders(id INTEGER, \"order\" TEXT, _fivetran_synced TEXT,"
              " _loaded_by TEXT)\n"
              "copy: INSERT INTO main.orders(id, \"order\", _fivetran_synced, _loaded_by) SELECT *,"
              " CAST(NULL AS TEXT) AS _loaded_by FROM src__acme__shopify.orders WHERE"
              " (_fivetran_synced < :latest OR rocky_track(_fivetran_synced, rowid))\n");
    rky_free(text);
    copy(&world, "orders", &wish, 1);
    text = adapter_statements(&world, "orders", &wish);
    const char *last = strstr(text, "copy: ");
    ck_assert_ptr_nonnull(last);
    ck_assert_str_eq(last,
                     "copy: INSERT INTO main.orders(id, \"order\", _fivetran_synced, _loaded_by)"
                     " SELECT *, CAST(NULL AS TEXT) AS _loaded_by FROM src__acme__shopify.orders"
                     " WHERE _fivetran_synced > '2025-03-15T14:30:00Z'\n");
    char *again = adapter_statements(&world, "orders", &wish);
    ck_assert_str_eq(text, again);
    rky_free(text);
    rky_free(again);
    adapter_world_close(&world);
}
END_TEST

START_TEST(metadata_columns_that_cannot_be_are_refused)
{
    struct adapter_world world;
    char taken[] = "ID", name[] = "x", type[] = "TEXT", bad[] = "TEXT); DROP TABLE t; --";
    char value[] = "1";
    const struct rky_metadata_column same = {taken, type, value}, injected = {name, bad, value};
    open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    struct adapter_wish wish = {.cursor = "at", .metadata = &same, .metadata_count = 1};
    struct rky_error err = adapter_copy_fails(&world, "t", &wish, RKY_ERR_CONFIG);
    expect_fault(&err, "has the name of a column of source table 't'");
    wish.metadata = &injected;
    err = adapter_copy_fails(&world, "t", &wish, RKY_ERR_CONFIG);
    expect_fault(&err, "is no type");
    adapter_world_close(&world);
}
END_TEST

START_TEST(files_with_odd_names_are_opened)
{
    static const char *const names[] = {"50% off?x=1#y", "a b+c&d", "\xc3\xbcml\xc3\xa4ut'\"",
                                        "MAIN",          "temp",    "..a"};
    struct rky_error err = {0};
    struct rky_adapter *source = NULL;
    struct rky_schema_info info = {0};
    struct rky_strings schemas = {0};
    const char *name = names[_i];
    sqlite_fixture.exec(ADAPTER_SOURCE, name,
                        "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    adapter_ok(rky_adapter_open(sqlite_fixture.config(ADAPTER_SOURCE), &source, &err), err);
    const struct rky_adapter_ops *ops = source->ops;
    adapter_ok(ops->list_schemas(source, ADAPTER_CATALOG, "", &schemas, &err), err);
    ck_assert_uint_eq(schemas.count, 1);
    ck_assert_str_eq(schemas.items[0], name);
    adapter_ok(ops->describe(source, ADAPTER_CATALOG, name, &info, &err), err);
    const struct rky_session_options options = {
        .source = source, .lock_timeout_ms = 1000, .create = true, .clock = rky_clock_real()};
    struct rky_session *session = NULL;
    struct rky_claim claim = {.namespace_ = "n", .token = 1};
    struct rky_copy_outcome outcome;
    const struct rky_copy_spec spec = {.source = {ADAPTER_CATALOG, name, "t"},
                                       .target = {"copy of lake", name, "t"},
                                       .table_name = "t",
                                       .source_table = rky_schema_table(&info, "t"),
                                       .cursor_column = "at",
                                       .action = RKY_ACTION_FULL_REFRESH};
    const struct rky_copy_ids ids = {.namespace_ = "n", .run_id = "r", .commit_id = "c"};
    adapter_ok(ops->session_open(source, "copy of lake", name, &options, &session, &err), err);
    adapter_ok(ops->claim(session, &claim, &err), err);
    adapter_ok(ops->copy(session, &claim, &spec, &ids, &outcome, &err), err);
    ck_assert_int_eq(outcome.rows_copied, 1);
    rky_copy_outcome_done(&outcome);
    ops->session_close(session);
    rky_schema_info_done(&info);
    rky_strings_done(&schemas);
    ops->close(source);
}
END_TEST

START_TEST(a_location_is_the_same_however_it_is_reached)
{
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL, *linked = NULL;
    char *one = NULL, *two = NULL, *absent = NULL, *link = NULL;
    char type[] = "sqlite", name[] = "linked";
    sqlite_fixture.exec(ADAPTER_SOURCE, "s", "CREATE TABLE t(a)");
    const struct rky_adapter_config *config = sqlite_fixture.config(ADAPTER_SOURCE);
    ck_assert_int_ge(asprintf(&link, "%s/link", rky_test_directory()), 0);
    ck_assert_int_eq(symlink(config->path, link), 0);
    const struct rky_adapter_config other = {.name = name, .type = type, .path = link};
    adapter_ok(rky_adapter_open(config, &adapter, &err), err);
    adapter_ok(rky_adapter_open(&other, &linked, &err), err);
    adapter_ok(adapter->ops->location(adapter, ADAPTER_CATALOG, "s", &one, &err), err);
    adapter_ok(linked->ops->location(linked, ADAPTER_CATALOG, "s", &two, &err), err);
    ck_assert_str_eq(one, two);
    rky_free(two);
    adapter_ok(adapter->ops->location(adapter, "no-such-catalog", "s", &absent, &err), err);
    adapter_ok(linked->ops->location(linked, "no-such-catalog", "s", &two, &err), err);
    ck_assert_str_eq(absent, two);
    rky_free(one);
    rky_free(two);
    rky_free(absent);
    free(link);
    adapter->ops->close(adapter);
    linked->ops->close(linked);
}
END_TEST

START_TEST(tables_that_are_not_replicated_are_told_apart)
{
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL;
    struct rky_schema_info info = {0};
    sqlite_fixture.exec(
        ADAPTER_SOURCE, "s",
        "CREATE TABLE seq(id INTEGER PRIMARY KEY AUTOINCREMENT);"
        "CREATE TABLE plain(id INTEGER, nick TEXT COLLATE NOCASE,"
        " g INTEGER AS (id + 1));"
        "CREATE INDEX plain_nick ON plain(nick); CREATE INDEX plain_id ON plain(id);"
        "CREATE TRIGGER tr AFTER INSERT ON plain BEGIN SELECT 1; END;"
        "CREATE VIRTUAL TABLE words USING fts5(body);"
        "CREATE TABLE _rocky_fence(namespace TEXT);"
        "CREATE TABLE w(k TEXT PRIMARY KEY) WITHOUT ROWID;");
    adapter_ok(rky_adapter_open(sqlite_fixture.config(ADAPTER_SOURCE), &adapter, &err), err);
    adapter_ok(adapter->ops->describe(adapter, ADAPTER_CATALOG, "s", &info, &err), err);
    static const struct {
        const char *name;
        enum rky_table_kind kind;
    } expected[] = {{"seq", RKY_TABLE_PLAIN},         {"sqlite_sequence", RKY_TABLE_SYSTEM},
                    {"words", RKY_TABLE_VIRTUAL},     {"words_data", RKY_TABLE_SHADOW},
                    {"_rocky_fence", RKY_TABLE_OURS}, {"plain", RKY_TABLE_PLAIN}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct rky_table_info *table = rky_schema_table(&info, expected[i].name);
        ck_assert_msg(table != NULL, "no %s", expected[i].name);
        ck_assert_int_eq(table->kind, expected[i].kind);
    }
    ck_assert_ptr_null(rky_schema_table(&info, "sqlite_schema"));
    const struct rky_table_info *plain = rky_schema_table(&info, "plain");
    ck_assert(plain->has_triggers);
    ck_assert(plain->columns[2].generated);
    ck_assert_str_eq(plain->columns[1].collation, "NOCASE");
    ck_assert_str_eq(plain->row_id, "rowid");
    /* The NOCASE index cannot serve a comparison by bytes. */
    ck_assert_uint_eq(plain->indexed_count, 1);
    ck_assert_str_eq(plain->indexed[0], "id");
    ck_assert_str_eq(rky_schema_table(&info, "seq")->indexed[0], "id");
    ck_assert_str_eq(rky_schema_table(&info, "w")->indexed[0], "k");
    ck_assert_ptr_null(rky_schema_table(&info, "w")->row_id);
    ck_assert(info.blocks_writer);
    rky_schema_info_done(&info);
    sqlite_fixture.exec(ADAPTER_SOURCE, "s", "PRAGMA journal_mode = WAL; CREATE TABLE more(a)");
    adapter_ok(adapter->ops->describe(adapter, ADAPTER_CATALOG, "s", &info, &err), err);
    ck_assert(!info.blocks_writer);
    rky_schema_info_done(&info);
    adapter->ops->close(adapter);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adapter/sqlite/data");
    TCase *tcase = tcase_create("data");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, mixed_storage_classes_are_refused_with_their_counts, 0, 2);
    tcase_add_loop_test(tcase, a_greatest_value_that_is_no_text_is_refused, 0, 2);
    tcase_add_loop_test(tcase, only_blobs_are_no_cursor, 0, 2);
    tcase_add_test(tcase, a_utf16_source_is_refused_clearly);
    tcase_add_loop_test(tcase, integer_cursors_of_any_size_work, 0, 2);
    tcase_add_loop_test(tcase, real_cursors_are_kept_bit_for_bit, 0, 2);
    tcase_add_loop_test(tcase, integers_and_reals_are_one_kind, 0, 2);
    tcase_add_loop_test(tcase, a_declared_timestamp_holds_what_is_stored, 0, 2);
    tcase_add_test(tcase, text_is_compared_by_bytes_whatever_the_collation);
    tcase_add_test(tcase, text_cursors_may_hold_quotes_and_any_letters);
    tcase_add_test(tcase, many_rows_may_tie);
    tcase_add_loop_test(tcase, the_greatest_value_is_found_whichever_row_came_last, 0,
                        sizeof(lasts) / sizeof(lasts[0]));
    tcase_add_loop_test(tcase, tables_with_and_without_row_ids_are_copied, 0, 4);
    tcase_add_test(tcase, values_of_every_kind_arrive_as_they_are);
    tcase_add_test(tcase, rows_that_differ_only_in_type_are_different_rows);
    tcase_add_test(tcase, generated_columns_become_plain_values);
    tcase_add_test(tcase, a_strict_tables_any_column_keeps_its_values);
    tcase_add_test(tcase, a_wide_table_is_copied_and_compared);
    tcase_add_test(tcase, the_target_converts_before_rows_are_compared);
    tcase_add_test(tcase, a_refresh_is_refused_where_triggers_would_run);
    tcase_add_test(tcase, an_index_that_no_longer_fits_stops_the_rebuild);
    tcase_add_test(tcase, a_target_that_drops_rows_silently_is_an_error);
    tcase_add_test(tcase, nothing_new_leaves_the_target_file_untouched);
    tcase_add_test(tcase, the_statement_has_the_documented_form);
    tcase_add_test(tcase, metadata_columns_that_cannot_be_are_refused);
    tcase_add_loop_test(tcase, files_with_odd_names_are_opened, 0, 6);
    tcase_add_test(tcase, a_location_is_the_same_however_it_is_reached);
    tcase_add_test(tcase, tables_that_are_not_replicated_are_told_apart);
    suite_add_tcase(suite, tcase);
    return rky_check_main(suite);
}
