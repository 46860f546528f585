/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a copy takes: everything, what is above the watermark, ties, late rows, and rows without a
 * cursor value.
 */
#include "config.h"

#include <string.h>

#include "tests/conformance/adapter_suite_kit.h"

/* --- windows ---------------------------------------------------------------------------------- */

START_TEST(the_first_copy_takes_everything_and_sets_the_watermark)
{
    struct adapter_world world;
    seam_open_with_orders(&world);

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", WISH(.count_source = true));

    ck_assert(outcome.wrote);
    ck_assert_int_eq(outcome.rows_copied, 3);
    ck_assert_int_eq(outcome.late_rows, 0);
    ck_assert_int_eq(outcome.source_count, 3);
    ck_assert_int_eq(outcome.window_rows, 3);
    ck_assert_str_eq(outcome.through.text, "2026-01-02T00:00:00Z");
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.namespace_, "bronze");
    ck_assert_str_eq(mark.cursor_column, "_fivetran_synced");
    ck_assert_str_eq(mark.cursor_type, "text");
    ck_assert_str_eq(mark.value.text, "2026-01-02T00:00:00Z");
    ck_assert_str_eq(mark.high_value.text, "2026-01-02T00:00:00Z");
    ck_assert_int_eq(mark.ties, 2);
    ck_assert_uint_eq(strlen(mark.ties_hash), 32);
    ck_assert_ptr_null(mark.prev_value);
    ck_assert_str_eq(mark.action, "full_refresh");
    ck_assert_int_eq(mark.rows_copied, 3);
    ck_assert_str_eq(mark.run_id, "run-1");
    ck_assert_str_eq(mark.commit_id, "commit-1");
    ck_assert_str_eq(mark.updated_at, "2026-11-21T10:00:00.000Z");
    seam_expect_orders(&world);
    rky_mark_done(&mark);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_increment_copies_what_is_above_the_watermark)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z'),"
                           " (5, 'e', '2026-01-04T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.window_rows, 2);
    seam_expect_orders(&world);
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.prev_value, "2026-01-02T00:00:00Z");
    ck_assert_str_eq(mark.action, "incremental");
    ck_assert_int_eq(mark.ties, 1);
    rky_mark_done(&mark);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(nothing_new_writes_nothing)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert(!outcome.wrote);
    ck_assert_int_eq(outcome.rows_copied, 0);
    ck_assert_str_eq(outcome.through.text, "2026-01-02T00:00:00Z");
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.commit_id, "commit-1");
    rky_mark_done(&mark);
    seam_done(outcome);
    seam_done(adapter_copy_ok(&world, "orders", WISH(.tombstone_seq = 7)));
    mark = adapter_mark(&world, "orders");
    ck_assert_int_eq(mark.tombstone_seq, 7);
    rky_mark_done(&mark);
    adapter_world_close(&world);
}
END_TEST

START_TEST(rows_that_tie_with_the_watermark_and_come_later_are_copied_once)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    /* A new one, and an exact duplicate of a row that is there. */
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-02T00:00:00Z'),"
                           " (3, 'c', '2026-01-02T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 2);
    ck_assert_uint_eq(outcome.warning_count, 0);
    seam_expect_orders(&world);
    seam_done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_strict_boundary_leaves_ties_out)
{
    struct adapter_world world;
    const struct adapter_wish strict = {.boundary = RKY_BOUNDARY_STRICT};
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", &strict));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-02T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &strict);

    ck_assert_int_eq(outcome.rows_copied, 0);
    seam_done(outcome);
    /* Back to exact: ties are unknown, so the slice is examined. */
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert_int_eq(outcome.late_rows, 1);
    seam_expect_orders(&world);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_row_changed_in_place_at_the_watermark_is_copied_with_a_warning)
{
    struct adapter_world world;
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "UPDATE orders SET name = 'C' WHERE id = 3");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.late_rows, 1);
    ck_assert_uint_eq(outcome.warning_count, 1);
    ck_assert_str_eq(outcome.warnings[0].code, "boundary-mismatch");
    adapter_expect(&world, "SELECT name FROM orders WHERE id = 3 ORDER BY name", "'C'\n'c'\n");
    seam_done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_lookback_finds_late_rows_and_only_those)
{
    struct adapter_world world;
    const struct adapter_wish day = {.lookback_seconds = 86400};
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", &day));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'late', '2026-01-01T12:00:00Z'),"
                           " (5, 'too late', '2025-12-31T00:00:00Z'),"
                           " (6, 'new', '2026-01-03T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &day);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    adapter_expect(&world, "SELECT id FROM orders ORDER BY id", "1\n2\n3\n4\n6\n");
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_watermark_set_back_copies_only_what_the_target_lacks)
{
    struct adapter_world world;
    struct rky_error err = {0};
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_target(&world, "DELETE FROM orders WHERE id = 2");
    struct rky_mark mark = adapter_mark(&world, "orders");
    adapter_ok(rky_cursor_set(&mark.value, RKY_CURSOR_TEXT, "2025-01-01T00:00:00Z", &err), err);
    mark.ties = -1;
    adapter_ok(world.ops->write_mark(world.session, &world.claim, mark.table_name, mark.commit_id,
                                     &mark, &err),
               err);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    seam_expect_orders(&world);
    ck_assert_str_eq(outcome.through.text, "2026-01-03T00:00:00Z");
    rky_mark_done(&mark);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_safety_lag_keeps_the_window_behind_the_clock)
{
    struct adapter_world world;
    const struct adapter_wish lag = {.safety_lag_seconds = 3600, .count_source = true};
    adapter_world_open(&world, seam_fixture, 2000);
    adapter_source(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
                           "INSERT INTO orders VALUES(1, 'a', '2026-11-21T08:00:00Z'),"
                           " (2, 'b', '2026-11-21T09:30:00Z')");
    if (_i == 1)
        adapter_source(&world, "CREATE INDEX orders_at ON orders(_fivetran_synced)");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &lag);

    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_int_eq(outcome.source_count, 2);
    ck_assert_str_eq(outcome.through.text, "2026-11-21T08:00:00Z");
    seam_done(outcome);
    rky_fake_clock_advance_ms(&world.clock, 3600000);
    outcome = adapter_copy_ok(&world, "orders", &lag);
    ck_assert_int_eq(outcome.rows_copied, 1);
    seam_expect_orders(&world);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(ties_behind_the_horizon_are_found_when_it_has_passed)
{
    struct adapter_world world;
    const struct adapter_wish lag = {.safety_lag_seconds = 3600};
    adapter_world_open(&world, seam_fixture, 2000);
    adapter_source(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
                           "INSERT INTO orders VALUES(1, 'a', '2026-11-21T09:30:00Z')");
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "INSERT INTO orders VALUES(2, 'tie', '2026-11-21T09:30:00Z'),"
                           " (3, 'new', '2026-11-21T09:40:00Z')");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &lag);
    ck_assert(!outcome.wrote);
    ck_assert_str_eq(outcome.through.text, "2026-11-21T09:30:00Z");
    seam_done(outcome);
    rky_fake_clock_advance_ms(&world.clock, 2400000);
    outcome = adapter_copy_ok(&world, "orders", &lag);
    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    seam_expect_orders(&world);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_empty_source_has_a_watermark_without_a_value)
{
    struct adapter_world world;
    adapter_world_open(&world, seam_fixture, 2000);
    adapter_source(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT)");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert(outcome.wrote);
    ck_assert_int_eq(outcome.through.type, RKY_CURSOR_NONE);
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_int_eq(mark.value.type, RKY_CURSOR_NONE);
    rky_mark_done(&mark);
    seam_done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    seam_done(outcome);
    adapter_source(&world, "INSERT INTO orders VALUES(1, 'a', '2026-01-01T00:00:00Z')");
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert_int_eq(outcome.rows_copied, 1);
    seam_expect_orders(&world);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_table_without_a_cursor_is_copied_whole_each_time)
{
    struct adapter_world world;
    const struct adapter_wish whole = {.cursor = "", .count_source = true};
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", &whole));
    adapter_source(&world, "DELETE FROM orders WHERE id = 1");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &whole);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.source_count, 2);
    ck_assert_int_eq(outcome.through.type, RKY_CURSOR_NONE);
    seam_expect_orders(&world);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

/* --- NULL cursors ----------------------------------------------------------------------------- */

START_TEST(rows_without_a_cursor_value_fail_the_table_by_default)
{
    struct adapter_world world;
    struct rky_error err;
    seam_open_with_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL), (5, 'e', NULL)");

    err = adapter_copy_fails(&world, "orders", NULL, RKY_ERR_QUERY);

    ck_assert_ptr_nonnull(strstr(err.message, "2 rows of table 'orders' have NULL"));
    ck_assert_ptr_nonnull(strstr(err.hint, "\"exclude\""));
    ck_assert_ptr_nonnull(strstr(err.hint, "\"include\""));
    err = (struct rky_error){0};
    ck_assert_int_eq(world.ops->has_rows(world.session, "orders", &err), RKY_ERR_NOT_FOUND);
    adapter_world_close(&world);
}
END_TEST

START_TEST(rows_without_a_cursor_value_can_be_left_out)
{
    struct adapter_world world;
    const struct adapter_wish exclude = {.null_cursor = RKY_NULL_CURSOR_EXCLUDE};
    seam_open_with_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL)");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &exclude);
    ck_assert_int_eq(outcome.rows_copied, 3);
    seam_done(outcome);
    adapter_source(&world, "INSERT INTO orders VALUES(5, 'e', '2026-02-01T00:00:00Z')");
    outcome = adapter_copy_ok(&world, "orders", &exclude);
    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_int_eq(outcome.null_cursors, 1);
    adapter_expect(&world, "SELECT id FROM orders ORDER BY id", "1\n2\n3\n5\n");
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(rows_without_a_cursor_value_can_be_copied_once_each)
{
    struct adapter_world world;
    const struct adapter_wish include = {.null_cursor = RKY_NULL_CURSOR_INCLUDE};
    seam_open_with_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL), (4, 'd', NULL)");
    seam_done(adapter_copy_ok(&world, "orders", &include));
    seam_expect_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL), (5, 'e', NULL)");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &include);

    ck_assert_int_eq(outcome.late_rows, 2);
    seam_expect_orders(&world);
    seam_done(outcome);
    outcome = adapter_copy_ok(&world, "orders", &include);
    ck_assert(!outcome.wrote);
    seam_done(outcome);
    adapter_world_close(&world);
}
END_TEST

void adapter_add_windows(TCase *tcase)
{
    tcase_add_test(tcase, the_first_copy_takes_everything_and_sets_the_watermark);
    tcase_add_test(tcase, an_increment_copies_what_is_above_the_watermark);
    tcase_add_test(tcase, nothing_new_writes_nothing);
    tcase_add_test(tcase, rows_that_tie_with_the_watermark_and_come_later_are_copied_once);
    tcase_add_test(tcase, a_strict_boundary_leaves_ties_out);
    tcase_add_test(tcase, a_row_changed_in_place_at_the_watermark_is_copied_with_a_warning);
    tcase_add_test(tcase, a_lookback_finds_late_rows_and_only_those);
    tcase_add_test(tcase, a_watermark_set_back_copies_only_what_the_target_lacks);
    tcase_add_loop_test(tcase, a_safety_lag_keeps_the_window_behind_the_clock, 0, 2);
    tcase_add_test(tcase, ties_behind_the_horizon_are_found_when_it_has_passed);
    tcase_add_test(tcase, an_empty_source_has_a_watermark_without_a_value);
    tcase_add_test(tcase, a_table_without_a_cursor_is_copied_whole_each_time);
    tcase_add_test(tcase, rows_without_a_cursor_value_fail_the_table_by_default);
    tcase_add_test(tcase, rows_without_a_cursor_value_can_be_left_out);
    tcase_add_test(tcase, rows_without_a_cursor_value_can_be_copied_once_each);
}
