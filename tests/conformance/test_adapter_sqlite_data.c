/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite only: cursors of every kind that SQLite has, and those that cannot be. Tables, targets
 * that people touched and names are in sqlite_data_tables.c.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/conformance/sqlite_data_kit.h"
#include "tests/kit/check_main.h"

/* --- cursors that cannot be ------------------------------------------------------------------- */

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
    data_open_world(&world, sql);
    data_copy(&world, "t", &data_by_at, 2);

    adapter_source(&world, "INSERT INTO t VALUES(3, 17), (4, x'00ff')");
    struct rky_error err = adapter_copy_fails(&world, "t", &data_by_at, RKY_ERR_QUERY);
    data_expect_fault(&err,
                      "column 'at' of table 't' cannot be a cursor: it holds 1 numbers, 2 texts "
                      "and 1 BLOBs");
    ck_assert_ptr_nonnull(strstr(err.hint, "timestamp_column"));

    err = adapter_copy_fails(&world, "t", &(struct adapter_wish){.cursor = "at", .refresh = true},
                             RKY_ERR_QUERY);
    data_expect_fault(&err, "1 numbers, 2 texts and 1 BLOBs");
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
        data_open_world(&world, sql);
        struct rky_error err = adapter_copy_fails(&world, "t", &data_by_at, RKY_ERR_QUERY);
        data_expect_fault(&err, bad[i].message);
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
    data_open_world(&world, sql);
    struct rky_error err = adapter_copy_fails(&world, "t", &data_by_at, RKY_ERR_QUERY);
    data_expect_fault(&err, "0 numbers, 0 texts and 1 BLOBs");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_utf16_source_is_refused_clearly)
{
    struct adapter_world world;
    data_open_world(&world, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(id INTEGER, at TEXT);"
                            "INSERT INTO t VALUES(1, 'a')");
    struct rky_error err = adapter_copy_fails(&world, "t", &data_by_at, RKY_ERR_UNSUPPORTED);
    data_expect_fault(&err, "UTF-16le");
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
    data_open_world(&world, sql);
    data_copy(&world, "t", &data_by_at, 1);
    data_copy(&world, "t", &data_by_at, 0);
    adapter_source(&world, "INSERT INTO t VALUES(2, -9223372036854775808), "
                           "(3, -9223372036854775807), (4, 9007199254740993)");
    data_copy(&world, "t", &data_by_at, 3);
    adapter_source(&world, "INSERT INTO t VALUES(5, 9007199254740994), (6, 9007199254740992),"
                           " (7, 9223372036854775807)");
    /* 6 is below the watermark by one, which a double could not tell. */
    data_copy(&world, "t", &data_by_at, 2);
    struct rky_mark mark = adapter_mark(&world, "t");
    ck_assert_str_eq(mark.value.text, "9223372036854775807");
    ck_assert_str_eq(mark.cursor_type, "integer");
    rky_mark_done(&mark);
    data_copy(&world, "t", &data_by_at, 0);
    adapter_world_close(&world);
}
END_TEST

START_TEST(real_cursors_are_kept_bit_for_bit)
{
    struct adapter_world world;
    char sql[600];
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE t(id INTEGER, at REAL); %s",
                   plain_or_indexed[_i]);
    data_open_world(&world, sql);
    uint64_t state = 42;
    double value = 0.1;
    data_copy(&world, "t", &data_by_at, 0);
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
        data_copy(&world, "t", &data_by_at, 2);
        data_copy(&world, "t", &data_by_at, 0);
    }
    adapter_source(&world, "INSERT INTO t VALUES(100, 9e999), (101, 9e999)");
    data_copy(&world, "t", &data_by_at, 2);
    data_copy(&world, "t", &data_by_at, 0);
    data_expect_exact(&world, "t", "at");
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
    data_open_world(&world, sql);
    data_copy(&world, "t", &data_by_at, 2);
    adapter_source(&world, "INSERT INTO t VALUES(3, 2), (4, 1.5), (5, 1.25)");
    data_copy(&world, "t", &data_by_at, 2);
    adapter_source(&world, "INSERT INTO t VALUES(6, 2.0), (7, 2.5)");
    data_copy(&world, "t", &data_by_at, 2);
    data_copy(&world, "t", &data_by_at, 0);
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
    data_open_world(&world, sql);
    data_copy(&world, "t", &data_by_at, 2);
    adapter_source(&world, "INSERT INTO t VALUES(3, '2026-01-02 00:00:00'),"
                           " (4, '2026-01-03 00:00:00')");
    data_copy(&world, "t", &data_by_at, 2);
    data_copy(&world, "t", &data_by_at, 0);
    data_expect_exact(&world, "t", "at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(text_is_compared_by_bytes_whatever_the_collation)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at TEXT COLLATE NOCASE);"
                            "CREATE INDEX t_at ON t(at); INSERT INTO t VALUES(1, 'B'), (2, 'a')");
    data_copy(&world, "t", &data_by_at, 2);
    struct rky_mark mark = adapter_mark(&world, "t");
    ck_assert_str_eq(mark.value.text, "a");
    rky_mark_done(&mark);
    adapter_source(&world, "INSERT INTO t VALUES(3, 'A'), (4, 'Z'), (5, 'b'), (6, 'a')");
    data_copy(&world, "t", &data_by_at, 2);
    adapter_expect(&world, "SELECT id FROM t ORDER BY id", "1\n2\n5\n6\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(text_cursors_may_hold_quotes_and_any_letters)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at TEXT);"
                            "INSERT INTO t VALUES(1, 'it''s'), (2, 'x'' OR ''1''=''1')");
    data_copy(&world, "t", &data_by_at, 2);
    adapter_source(&world,
                   "INSERT INTO t VALUES(3, 'x'' OR ''1''=''1'), (4, '\xc3\xa4\xf0\x9f\x9a\x80')");
    data_copy(&world, "t", &data_by_at, 2);
    data_copy(&world, "t", &data_by_at, 0);
    adapter_expect_same(&world, "t", "id, at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(many_rows_may_tie)
{
    struct adapter_world world;
    /* More than the tracker keeps ids of. */
    data_open_world(&world,
                    "CREATE TABLE t(id INTEGER, at INTEGER);"
                    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                    " WHERE i < 270000) SELECT i, 5 FROM n");
    data_copy(&world, "t", &data_by_at, 270000);
    data_copy(&world, "t", &data_by_at, 0);
    adapter_source(&world, "INSERT INTO t VALUES(1, 5), (-1, 5)");
    data_copy(&world, "t", &data_by_at, 2);
    data_copy(&world, "t", &data_by_at, 0);
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
    data_open_world(&world, sql);
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
        data_copy(&world, "t", &wish, 0);
    }
    adapter_world_close(&world);
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
    data_add_tables(tcase);
    suite_add_tcase(suite, tcase);
    return rky_check_main(suite);
}
