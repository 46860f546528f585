/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes around a copy: a refresh, tables that are adopted, columns that come, cursors that
 * are no longer what they were, and names of any kind.
 */
#include "config.h"

#include <string.h>

#include "tests/conformance/adapter_suite_kit.h"

/* --- refresh, adoption, drift ----------------------------------------------------------------- */

START_TEST(a_full_refresh_replaces_rows_and_keeps_views)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_target(&world, "CREATE VIEW names AS SELECT name FROM orders;"
                           "CREATE INDEX orders_id ON orders(id)");
    adapter_source(&world, "DELETE FROM orders WHERE id > 1");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", WISH(.refresh = true));

    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_str_eq(outcome.through.text, "2026-01-01T00:00:00Z");
    ck_assert_str_eq(outcome.high_value.text, "2026-01-01T00:00:00Z");
    seam_expect_orders(&world);
    adapter_expect(&world, "SELECT name FROM names", "'a'\n");
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_refresh_to_other_columns_keeps_indexes_and_views)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_target(&world, "CREATE VIEW names AS SELECT name FROM orders;"
                           "CREATE INDEX orders_id ON orders(id)");
    adapter_source(&world, "ALTER TABLE orders ADD COLUMN price INTEGER;"
                           "UPDATE orders SET price = id * 10");

    seam_done(adapter_copy_ok(&world, "orders", WISH(.refresh = true)));

    adapter_expect_same(&world, "orders", "id, name, _fivetran_synced, price");
    adapter_expect(&world, "SELECT name FROM names ORDER BY name", "'a'\n'b'\n'c'\n");
    struct rky_error err = {0};
    struct rky_schema_info info = {0};
    adapter_ok(world.ops->session_describe(world.session, &info, &err), err);
    ck_assert_uint_eq(rky_schema_table(&info, "orders")->indexed_count, 1);
    rky_schema_info_done(&info);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_adopted_table_continues_at_its_greatest_value)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    /* Row 3 ties with the greatest value and is missing. */
    adapter_target(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
                           "INSERT INTO orders VALUES(1, 'a', '2026-01-01T00:00:00Z'),"
                           " (2, 'b', '2026-01-02T00:00:00Z')");
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", WISH(.adopt = true));

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    seam_expect_orders(&world);
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.action, "adopt");
    rky_mark_done(&mark);
    seam_done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_added_column_is_added_and_old_rows_are_not_copied_again)
{
    struct adapter_world world;
    const char *const added[] = {"price", NULL};
    const struct adapter_wish drift = {.added = added};
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "ALTER TABLE orders ADD COLUMN price INTEGER;"
                           "UPDATE orders SET price = 9;"
                           "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z', 40)");
    (void)adapter_copy_fails(&world, "orders", NULL, RKY_ERR_SCHEMA_DRIFT);

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &drift);

    /* Rows 2 and 3 tie with the watermark: they differ only by the new column. */
    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_int_eq(outcome.late_rows, 0);
    adapter_expect(&world, "SELECT id, price FROM orders ORDER BY id",
                   "1|NULL\n2|NULL\n3|NULL\n4|40\n");
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.added_columns, "{\"price\":\"2026-01-02T00:00:00Z\"}");
    rky_mark_done(&mark);
    seam_done(outcome);
    outcome = adapter_copy_ok(&world, "orders", WISH(.lookback_seconds = 864000));
    ck_assert_int_eq(outcome.rows_copied, 0);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(metadata_columns_are_added_to_each_row)
{
    struct adapter_world world;
    char loaded_by[] = "_loaded_by", string[] = "STRING", null[] = "NULL";
    char batch[] = "_batch", integer[] = "INTEGER", value[] = "40 + 2";
    const struct rky_metadata_column columns[] = {{loaded_by, string, null},
                                                  {batch, integer, value}};
    const struct adapter_wish wish = {.metadata = columns, .metadata_count = 2};
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", &wish));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-02T00:00:00Z')");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &wish);
    ck_assert_int_eq(outcome.late_rows, 1);
    adapter_expect(&world, "SELECT id, _loaded_by, _batch FROM orders ORDER BY id",
                   "1|NULL|42\n2|NULL|42\n3|NULL|42\n4|NULL|42\n");
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(names_of_any_kind_are_copied)
{
    struct adapter_world world;
    adapter_world_open(&world, seam_fixture, 2000);
    adapter_source(&world,
                   "CREATE TABLE \"we\"\"ird 'table\"(\"select\" INTEGER, \"a b\" TEXT,"
                   " \"q\"\"uote\" TEXT, \"\xc3\xbcml\xc3\xa4ut\" TEXT, \"MiXed\" TEXT,"
                   " \"_fivetran_synced\" TEXT);"
                   "INSERT INTO \"we\"\"ird 'table\" VALUES(1, 'a', 'b', 'c', 'd', '2026-01-01');");
    seam_done(adapter_copy_ok(&world, "we\"ird 'table", NULL));
    adapter_source(&world, "INSERT INTO \"we\"\"ird 'table\" VALUES(2, 'it''s', 'b', 'c', 'd',"
                           " '2026-01-01'), (3, 'a', 'b', 'c', 'd', '2026-01-02');");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "we\"ird 'table", NULL);
    ck_assert_int_eq(outcome.rows_copied, 2);
    adapter_expect(&world,
                   "SELECT \"select\", \"a b\", \"q\"\"uote\", \"\xc3\xbcml\xc3\xa4ut\", \"MiXed\","
                   " _fivetran_synced FROM \"we\"\"ird 'table\" ORDER BY 1",
                   "1|'a'|'b'|'c'|'d'|'2026-01-01'\n2|'it''s'|'b'|'c'|'d'|'2026-01-01'\n"
                   "3|'a'|'b'|'c'|'d'|'2026-01-02'\n");
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

/* --- cursors that changed -------------------------------------------------------------------- */

START_TEST(a_cursor_of_another_kind_than_the_watermark_is_drift)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "DROP TABLE orders; CREATE TABLE orders(id INTEGER, name TEXT,"
                           " _fivetran_synced INTEGER); INSERT INTO orders VALUES(9, 'x', 5)");
    struct rky_error err = adapter_copy_fails(&world, "orders", NULL, RKY_ERR_SCHEMA_DRIFT);
    ck_assert_ptr_nonnull(strstr(err.message, "holds integer values"));
    ck_assert_ptr_nonnull(strstr(err.hint, "rocky state delete"));
    adapter_world_close(&world);
}
END_TEST

START_TEST(another_cursor_column_than_the_watermarks_is_refused)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "id"), RKY_ERR_CONFIG);
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "nothing"), RKY_ERR_CONFIG);
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "nothing", .refresh = true),
                             RKY_ERR_QUERY);
    adapter_world_close(&world);
}
END_TEST

START_TEST(seconds_need_a_cursor_that_holds_times)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", WISH(.cursor = "name")));
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "name", .lookback_seconds = 60),
                             RKY_ERR_CONFIG);
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "name", .safety_lag_seconds = 60),
                             RKY_ERR_CONFIG);
    adapter_world_close(&world);
}
END_TEST

void adapter_add_changes(TCase *tcase)
{
    tcase_add_test(tcase, a_full_refresh_replaces_rows_and_keeps_views);
    tcase_add_test(tcase, a_refresh_to_other_columns_keeps_indexes_and_views);
    tcase_add_test(tcase, an_adopted_table_continues_at_its_greatest_value);
    tcase_add_test(tcase, an_added_column_is_added_and_old_rows_are_not_copied_again);
    tcase_add_test(tcase, metadata_columns_are_added_to_each_row);
    tcase_add_test(tcase, names_of_any_kind_are_copied);
    tcase_add_test(tcase, a_cursor_of_another_kind_than_the_watermark_is_drift);
    tcase_add_test(tcase, another_cursor_column_than_the_watermarks_is_refused);
    tcase_add_test(tcase, seconds_need_a_cursor_that_holds_times);
}
