/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite only: tables and values of every kind, targets that people touched, the statement itself
 * and names of files and columns.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/conformance/sqlite_data_kit.h"
#include "tests/kit/check_main.h"

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
    data_open_world(&world, tables[_i]);
    data_copy(&world, "t", &data_by_at, 3);
    data_copy(&world, "t", &data_by_at, 0);
    adapter_source(&world, "INSERT INTO t(id, at) VALUES(4, 30)");
    if (tables[_i] != key_is_cursor)
        adapter_source(&world, "INSERT INTO t(id, at) VALUES(5, 20)");
    data_copy(&world, "t", &data_by_at, tables[_i] != key_is_cursor ? 2 : 1);
    adapter_source(&world, "UPDATE t SET id = 9 WHERE at = 30");
    data_copy(&world, "t", &data_by_at, 1);
    data_copy(&world, "t", &(struct adapter_wish){.cursor = "at", .refresh = true},
              tables[_i] != key_is_cursor ? 5 : 4);
    adapter_expect_same(&world, "t", "id, at");
    adapter_world_close(&world);
}
END_TEST

START_TEST(values_of_every_kind_arrive_as_they_are)
{
    struct adapter_world world;
    data_open_world(
        &world, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, n NUMERIC, x TEXT, at INTEGER);"
                "INSERT INTO t(v) VALUES(9223372036854775807), (-9223372036854775808), (1e308),"
                " (-1e308), (5e-324), (9e999), (-9e999), (0.1), (-0.0), (x''), (x'00ff00'), (''),"
                " (CAST(x'610062' AS TEXT)), (CAST(x'ff' AS TEXT)), (NULL), ('007'), ('1e3'),"
                " ('\xf0\x9f\x9a\x80');"
                "UPDATE t SET n = v, x = v, at = id / 4");
    data_copy(&world, "t", &data_by_at, 18);
    adapter_source(&world, "INSERT INTO t(v, n, x, at) SELECT v, n, x, 4 FROM t");
    data_copy(&world, "t", &data_by_at, 18);
    data_copy(&world, "t", &data_by_at, 0);
    data_expect_exact(&world, "t", "v");
    data_expect_exact(&world, "t", "n");
    data_expect_exact(&world, "t", "x");
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
    data_open_world(&world,
                    "CREATE TABLE t(id INTEGER, v, w, at INTEGER); INSERT INTO t VALUES(1, 2, 3, "
                    "5)");
    data_copy(&world, "t", &data_by_at, 1);
    /* One replaces the other, so that even the number of rows at the watermark stays. */
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        (void)snprintf(sql, sizeof(sql), "UPDATE t SET v = %s, w = NULL", values[i]);
        adapter_source(&world, sql);
        data_copy(&world, "t", &data_by_at, 1);
        (void)snprintf(sql, sizeof(sql), "UPDATE t SET v = NULL, w = %s", values[i]);
        adapter_source(&world, sql);
        rows = strcmp(values[i], "NULL") == 0 ? 0 : 1;
        data_copy(&world, "t", &data_by_at, rows);
    }
    adapter_world_close(&world);
}
END_TEST

START_TEST(generated_columns_become_plain_values)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER, twice INTEGER AS (id * 2),"
                            " thrice INTEGER GENERATED ALWAYS AS (id * 3) STORED, last TEXT);"
                            "INSERT INTO t(id, at, last) VALUES(1, 10, 'x'), (2, 20, 'y')");
    data_copy(&world, "t", &data_by_at, 2);
    adapter_source(&world, "INSERT INTO t(id, at, last) VALUES(3, 20, 'z'), (4, 30, 'z')");
    data_copy(&world, "t", &data_by_at, 2);
    adapter_expect_same(&world, "t", "id, at, twice, thrice, last");
    adapter_expect(&world, "SELECT sum(hidden) FROM pragma_table_xinfo('t')", "0\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_strict_tables_any_column_keeps_its_values)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id INTEGER, v ANY, at INTEGER) STRICT;"
                            "INSERT INTO t VALUES(1, '007', 1), (2, 7, 1), (3, '7.0', 1)");
    data_copy(&world, "t", &data_by_at, 3);
    adapter_source(&world, "INSERT INTO t VALUES(1, '007', 1), (4, '08', 1)");
    data_copy(&world, "t", &data_by_at, 2);
    data_expect_exact(&world, "t", "v");
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
    data_open_world(&world, create.data);
    adapter_source(&world, insert.data);
    data_copy(&world, "t", &data_by_at, 1);
    adapter_source(&world, insert.data);
    adapter_source(&world, "INSERT INTO t(id, at, c499) VALUES(1, 1, 'other');"
                           "UPDATE t SET c250 = 'changed' WHERE c499 = 'other'");
    data_copy(&world, "t", &data_by_at, 2);
    data_copy(&world, "t", &data_by_at, 0);
    adapter_expect_same(&world, "t", "id, at, c2, c250, c499");
    rky_strbuf_done(&create);
    rky_strbuf_done(&insert);
    adapter_world_close(&world);
}
END_TEST

START_TEST(the_target_converts_before_rows_are_compared)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id TEXT, at TEXT);"
                            "INSERT INTO t VALUES('1', '10'), ('2', '20'), ('2', '20')");
    adapter_target(&world, "CREATE TABLE t(id INTEGER, at TEXT);"
                           "INSERT INTO t VALUES(1, '10'), (2, '20')");
    data_copy(&world, "t", &(struct adapter_wish){.cursor = "at", .adopt = true}, 1);
    adapter_expect(&world, "SELECT typeof(id), count(*) FROM t", "'integer'|3\n");
    adapter_source(&world, "INSERT INTO t VALUES('2', '20')");
    data_copy(&world, "t", &data_by_at, 1);
    adapter_world_close(&world);
}
END_TEST

/* --- targets that people touched -------------------------------------------------------------- */

START_TEST(a_refresh_is_refused_where_triggers_would_run)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    data_copy(&world, "t", &data_by_at, 1);
    adapter_target(&world, "CREATE TABLE log(x); CREATE TRIGGER noisy AFTER DELETE ON t BEGIN"
                           " INSERT INTO log VALUES(1); END");
    const struct adapter_wish refresh = {.cursor = "at", .refresh = true};
    struct rky_error err = adapter_copy_fails(&world, "t", &refresh, RKY_ERR_QUERY);
    data_expect_fault(&err, "trigger 'noisy'");
    ck_assert_ptr_nonnull(strstr(err.hint, "drop the trigger"));
    adapter_expect(&world, "SELECT count(*) FROM log", "0\n");
    /* Other columns: built beside, and the trigger moves to the new table. */
    adapter_source(&world, "ALTER TABLE t ADD COLUMN more TEXT");
    data_copy(&world, "t", &refresh, 1);
    adapter_expect(&world, "SELECT count(*) FROM log", "0\n");
    adapter_expect(&world, "SELECT name FROM sqlite_schema WHERE type = 'trigger'", "'noisy'\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_index_that_no_longer_fits_stops_the_rebuild)
{
    struct adapter_world world;
    data_open_world(&world, "CREATE TABLE t(id INTEGER, name TEXT, at INTEGER);"
                            "INSERT INTO t VALUES(1, 'a', 1)");
    data_copy(&world, "t", &data_by_at, 1);
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
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    adapter_target(&world, "CREATE TABLE t(id INTEGER UNIQUE ON CONFLICT IGNORE, at INTEGER);"
                           "INSERT INTO t VALUES(1, 1)");
    data_copy(&world, "t", &(struct adapter_wish){.cursor = "at", .adopt = true}, 0);
    adapter_source(&world, "INSERT INTO t VALUES(1, 2), (2, 2)");
    struct rky_error err = adapter_copy_fails(&world, "t", &data_by_at, RKY_ERR_QUERY);
    data_expect_fault(&err, "kept 1 of 2 rows");
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
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    data_copy(&world, "t", &data_by_at, 1);
    char *file = sqlite_fixture_file(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA);
    world.ops->session_close(world.session);
    adapter_ok(rky_read_file(file, 1 << 20, &before, &length_before, &err), err);
    world.session = adapter_session(&world, 2000);
    data_copy(&world, "t", &data_by_at, 0);
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
    data_open_world(&world,
                    "CREATE TABLE orders(id INTEGER, \"order\" TEXT, _fivetran_synced TEXT);"
                    "INSERT INTO orders VALUES(1, 'a', '2025-03-15T14:30:00Z')");
    char *text = adapter_statements(&world, "orders", &wish);
    ck_assert_str_eq(
        text, "create: CREATE TABLE main.orders(id INTEGER, \"order\" TEXT, _fivetran_synced TEXT,"
              " _loaded_by TEXT)\n"
              "copy: INSERT INTO main.orders(id, \"order\", _fivetran_synced, _loaded_by) SELECT *,"
              " CAST(NULL AS TEXT) AS _loaded_by FROM src__acme__shopify.orders WHERE"
              " (_fivetran_synced < :latest OR rocky_track(_fivetran_synced, rowid))\n");
    rky_free(text);
    data_copy(&world, "orders", &wish, 1);
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
    data_open_world(&world, "CREATE TABLE t(id INTEGER, at INTEGER); INSERT INTO t VALUES(1, 1)");
    struct adapter_wish wish = {.cursor = "at", .metadata = &same, .metadata_count = 1};
    struct rky_error err = adapter_copy_fails(&world, "t", &wish, RKY_ERR_CONFIG);
    data_expect_fault(&err, "has the name of a column of source table 't'");
    wish.metadata = &injected;
    err = adapter_copy_fails(&world, "t", &wish, RKY_ERR_CONFIG);
    data_expect_fault(&err, "is no type");
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

START_TEST(a_source_that_somebody_writes_is_waited_for_as_the_adapter_says)
{
    struct rky_clock *clock = rky_clock_real();
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL;
    struct rky_schema_info info = {0};
    _Atomic bool stop = true;
    sqlite_fixture.exec(ADAPTER_SOURCE, "s", "CREATE TABLE t(a)");
    adapter_ok(rky_adapter_open(sqlite_fixture.config(ADAPTER_SOURCE), &adapter, &err), err);
    sqlite3 *holder = sqlite_fixture_open(ADAPTER_SOURCE, "s");
    sqlite_fixture_run(holder, "BEGIN EXCLUSIVE");

    adapter->lock_timeout_ms = 250;
    int64_t began_ms = clock->mono_ms(clock);
    ck_assert_int_eq(adapter->ops->describe(adapter, ADAPTER_CATALOG, "s", &info, &err),
                     RKY_ERR_LOCKED);
    int64_t waited_ms = clock->mono_ms(clock) - began_ms;
    ck_assert_int_ge(waited_ms, 250);
    ck_assert_int_lt(waited_ms, 4000);
    data_expect_fault(&err, "s.db' is locked");

    rky_error_clear(&err);
    adapter->lock_timeout_ms = INT64_MAX / 2;
    adapter->stop = &stop;
    ck_assert_int_eq(adapter->ops->describe(adapter, ADAPTER_CATALOG, "s", &info, &err),
                     RKY_ERR_INTERRUPTED);
    rky_error_clear(&err);
    sqlite_fixture_run(holder, "ROLLBACK");
    (void)sqlite3_close(holder);
    adapter_ok(adapter->ops->describe(adapter, ADAPTER_CATALOG, "s", &info, &err), err);
    rky_schema_info_done(&info);
    adapter->ops->close(adapter);
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

void data_add_tables(TCase *tcase)
{
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
    tcase_add_test(tcase, a_source_that_somebody_writes_is_waited_for_as_the_adapter_says);
    tcase_add_test(tcase, a_location_is_the_same_however_it_is_reached);
    tcase_add_test(tcase, tables_that_are_not_replicated_are_told_apart);
}
