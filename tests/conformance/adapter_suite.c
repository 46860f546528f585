/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that every warehouse driver passes; the fixture says which driver it is. */
#include "config.h"

#include "tests/conformance/adapter_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define WISH(...) (&(struct adapter_wish){__VA_ARGS__})

static const struct adapter_fixture *fixture;

static const char orders[] =
    "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
    "INSERT INTO orders VALUES(1, 'a', '2026-01-01T00:00:00Z'), (2, 'b', '2026-01-02T00:00:00Z'),"
    " (3, 'c', '2026-01-02T00:00:00Z');";

static void open_with_orders(struct adapter_world *world)
{
    fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, orders);
    adapter_world_open(world, fixture, 2000);
}

static void expect_orders(struct adapter_world *world)
{
    adapter_expect_same(world, "orders", "id, name, _fivetran_synced");
}

static void done(struct rky_copy_outcome outcome)
{
    rky_copy_outcome_done(&outcome);
}

/* --- discovery -------------------------------------------------------------------------------- */

START_TEST(schemas_are_listed_by_prefix_in_order)
{
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL;
    struct rky_strings schemas = {0};
    fixture->exec(ADAPTER_SOURCE, "src__b", "CREATE TABLE t(a INTEGER)");
    fixture->exec(ADAPTER_SOURCE, "src__a", "CREATE TABLE t(a INTEGER)");
    fixture->exec(ADAPTER_SOURCE, "other", "CREATE TABLE t(a INTEGER)");
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_SOURCE), &adapter, &err), err);

    adapter_ok(adapter->ops->list_schemas(adapter, ADAPTER_CATALOG, "src__", &schemas, &err), err);

    ck_assert_uint_eq(schemas.count, 2);
    ck_assert_str_eq(schemas.items[0], "src__a");
    ck_assert_str_eq(schemas.items[1], "src__b");
    rky_strings_done(&schemas);
    ck_assert_int_eq(adapter->ops->list_schemas(adapter, "nowhere", "", &schemas, &err),
                     RKY_ERR_SOURCE_MISSING);
    adapter->ops->close(adapter);
}
END_TEST

START_TEST(names_that_would_leave_the_warehouse_are_refused)
{
    struct rky_adapter *adapter = NULL;
    struct rky_error err = {0};
    static const char *const bad[] = {"", ".", "..", "a/b", "../x"};
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_SOURCE), &adapter, &err), err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_ne(adapter->ops->check_name(adapter, ADAPTER_CATALOG, bad[i], &err), RKY_OK);
        rky_error_clear(&err);
        ck_assert_int_ne(adapter->ops->check_name(adapter, bad[i], "schema", &err), RKY_OK);
        rky_error_clear(&err);
    }
    adapter_ok(adapter->ops->check_name(adapter, "lake", "src__a.b c", &err), err);
    adapter->ops->close(adapter);
}
END_TEST

START_TEST(tables_are_described_with_columns_kinds_and_indexes)
{
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL;
    struct rky_schema_info info = {0};
    fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA,
                  "CREATE TABLE b(id INTEGER, \"select\" TEXT, at TEXT);"
                  "CREATE INDEX b_at ON b(at, id);"
                  "CREATE INDEX b_part ON b(id) WHERE at IS NOT NULL;"
                  "CREATE VIEW a AS SELECT * FROM b;");
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_SOURCE), &adapter, &err), err);

    adapter_ok(adapter->ops->describe(adapter, ADAPTER_CATALOG, ADAPTER_SCHEMA, &info, &err), err);

    ck_assert_uint_eq(info.table_count, 2);
    ck_assert_int_eq(rky_schema_table(&info, "a")->kind, RKY_TABLE_VIEW);
    const struct rky_table_info *table = rky_schema_table(&info, "b");
    ck_assert_int_eq(table->kind, RKY_TABLE_PLAIN);
    ck_assert_uint_eq(table->column_count, 3);
    ck_assert_str_eq(table->columns[0].name, "id");
    ck_assert_str_eq(table->columns[1].name, "select");
    ck_assert_str_eq(table->columns[2].name, "at");
    ck_assert_uint_eq(table->indexed_count, 1);
    ck_assert_str_eq(table->indexed[0], "at");
    ck_assert_ptr_null(rky_schema_table(&info, "B"));
    ck_assert_ptr_eq(rky_table_column(table, "at"), &table->columns[2]);
    rky_schema_info_done(&info);
    ck_assert_int_eq(adapter->ops->describe(adapter, ADAPTER_CATALOG, "gone", &info, &err),
                     RKY_ERR_SOURCE_MISSING);
    adapter->ops->close(adapter);
}
END_TEST

START_TEST(access_is_told_without_making_anything)
{
    struct rky_error err = {0};
    struct rky_adapter *source = NULL, *target = NULL;
    struct rky_session *session = NULL;
    struct rky_session_options options = {.lock_timeout_ms = 100, .clock = rky_clock_real()};
    fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, "CREATE TABLE b(id INTEGER)");
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_SOURCE), &source, &err), err);
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_TARGET), &target, &err), err);
    adapter_ok(source->ops->check_access(source, ADAPTER_CATALOG, ADAPTER_SCHEMA, false, &err),
               err);
    ck_assert_int_eq(source->ops->check_access(source, ADAPTER_CATALOG, "absent", false, &err),
                     RKY_ERR_SOURCE_MISSING);
    rky_error_clear(&err);
    adapter_ok(target->ops->check_access(target, ADAPTER_CATALOG, "absent", true, &err), err);
    ck_assert_int_eq(
        target->ops->session_open(target, ADAPTER_CATALOG, "absent", &options, &session, &err),
        RKY_ERR_NOT_FOUND);
    source->ops->close(source);
    target->ops->close(target);
}
END_TEST

START_TEST(a_session_does_not_create_unless_told)
{
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL;
    struct rky_session *session = NULL;
    struct rky_session_options options = {.lock_timeout_ms = 100, .clock = rky_clock_real()};
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_TARGET), &adapter, &err), err);
    ck_assert_int_eq(
        adapter->ops->session_open(adapter, ADAPTER_CATALOG, "absent", &options, &session, &err),
        RKY_ERR_NOT_FOUND);
    adapter->ops->close(adapter);
}
END_TEST

START_TEST(facts_count_rows_window_nulls_and_future)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_schema_info info = {0};
    struct rky_table_facts facts = {0};
    const char *const tables[] = {"plain", "indexed"};
    adapter_world_open(&world, fixture, 2000);
    adapter_source(&world,
                   "CREATE TABLE plain(id INTEGER, at TEXT);"
                   "INSERT INTO plain VALUES(1, '2026-01-01T00:00:00Z'), "
                   "(2, '2026-01-02T00:00:00Z'), (3, NULL), (4, '2099-01-01T00:00:00Z');"
                   "CREATE TABLE indexed(id INTEGER, at TEXT);"
                   "CREATE INDEX indexed_at ON indexed(at); INSERT INTO indexed SELECT * FROM "
                   "plain;");
    adapter_ok(world.ops->describe(world.source, ADAPTER_CATALOG, ADAPTER_SCHEMA, &info, &err),
               err);
    struct rky_cursor after = {0};
    adapter_ok(rky_cursor_set(&after, RKY_CURSOR_TEXT, "2026-01-01T00:00:00Z", &err), err);
    for (size_t i = 0; i < 2; i++) {
        const struct rky_table_ref ref = {ADAPTER_CATALOG, ADAPTER_SCHEMA, tables[i]};
        adapter_ok(world.ops->facts(world.source, &ref, rky_schema_table(&info, tables[i]), "at",
                                    &after, world.clock.base.wall_us(&world.clock.base), &facts,
                                    &err),
                   err);
        ck_assert_int_eq(facts.row_count, 4);
        ck_assert_int_eq(facts.window_rows, 2);
        ck_assert_int_eq(facts.null_cursors, 1);
        ck_assert_int_eq(facts.future_rows, 1);
        ck_assert_str_eq(facts.greatest.text, "2099-01-01T00:00:00Z");
        ck_assert_int_eq(facts.lowest_type, RKY_CURSOR_TEXT);
        ck_assert_int_eq(facts.highest_type, RKY_CURSOR_TEXT);
        rky_table_facts_done(&facts);
        adapter_ok(world.ops->facts(world.source, &ref, rky_schema_table(&info, tables[i]), NULL,
                                    NULL, 0, &facts, &err),
                   err);
        ck_assert_int_eq(facts.row_count, 4);
        rky_table_facts_done(&facts);
    }
    rky_cursor_done(&after);
    rky_schema_info_done(&info);
    adapter_world_close(&world);
}
END_TEST

/* --- claim ------------------------------------------------------------------------------------ */

START_TEST(a_claim_raises_the_token_and_keeps_the_lineage)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_fence fence;
    adapter_world_open(&world, fixture, 2000);
    struct rky_claim second = {.namespace_ = "bronze", .lineage = "other", .token = 1};
    struct rky_claim third = {.namespace_ = "bronze", .token = 40};
    struct rky_claim elsewhere = {.namespace_ = "silver", .lineage = "its-own", .token = 5};
    (void)snprintf(second.claim_id, sizeof(second.claim_id), "second");
    (void)snprintf(third.claim_id, sizeof(third.claim_id), "third");
    (void)snprintf(elsewhere.claim_id, sizeof(elsewhere.claim_id), "elsewhere");
    ck_assert_int_eq(world.claim.token, 1);

    adapter_ok(world.ops->claim(world.session, &second, &err), err);
    ck_assert_int_eq(second.token, 2);
    adapter_ok(world.ops->claim(world.session, &third, &err), err);
    ck_assert_int_eq(third.token, 40);
    adapter_ok(world.ops->claim(world.session, &elsewhere, &err), err);
    ck_assert_int_eq(elsewhere.token, 5);

    adapter_ok(world.ops->read_fence(world.session, "bronze", &fence, &err), err);
    ck_assert(fence.present);
    ck_assert_int_eq(fence.token, 40);
    ck_assert_str_eq(fence.claim_id, "third");
    ck_assert_str_eq(fence.lineage, "11111111-1111-4111-8111-111111111111");
    adapter_ok(world.ops->read_fence(world.session, "gold", &fence, &err), err);
    ck_assert(!fence.present);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_lineage_is_replaced_under_the_claim_and_only_there)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_fence fence = {0};
    static const char adopted[] = "22222222-2222-4222-8222-222222222222";
    adapter_world_open(&world, fixture, 2000);
    adapter_ok(world.ops->set_lineage(world.session, &world.claim, adopted, &err), err);
    adapter_ok(world.ops->read_fence(world.session, world.claim.namespace_, &fence, &err), err);
    ck_assert_str_eq(fence.lineage, adopted);
    ck_assert_int_eq(fence.token, world.claim.token);

    struct rky_claim rival = world.claim;
    rky_uuid_v4(rival.claim_id);
    adapter_ok(world.ops->claim(world.session, &rival, &err), err);
    ck_assert_int_eq(world.ops->set_lineage(world.session, &world.claim,
                                            "33333333-3333-4333-8333-333333333333", &err),
                     RKY_ERR_FENCED);
    rky_error_clear(&err);
    adapter_ok(world.ops->read_fence(world.session, world.claim.namespace_, &fence, &err), err);
    ck_assert_str_eq(fence.lineage, adopted);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_claim_is_ours_only_while_token_and_id_are_equal)
{
    struct adapter_world world;
    struct rky_error err = {0};
    adapter_world_open(&world, fixture, 2000);
    adapter_ok(world.ops->claim_check(world.session, &world.claim, &err), err);

    struct rky_claim same_token = world.claim;
    rky_uuid_v4(same_token.claim_id);
    ck_assert_int_eq(world.ops->claim_check(world.session, &same_token, &err), RKY_ERR_FENCED);
    rky_error_clear(&err);

    struct rky_claim lower = world.claim;
    lower.token = 0;
    ck_assert_int_eq(world.ops->claim_check(world.session, &lower, &err), RKY_ERR_FENCED);
    rky_error_clear(&err);

    struct rky_claim higher = world.claim;
    higher.token = 2;
    ck_assert_int_eq(world.ops->claim_check(world.session, &higher, &err), RKY_ERR_FENCED);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_copy_after_a_foreign_claim_is_fenced_and_writes_nothing)
{
    struct adapter_world world;
    struct rky_error err = {0};
    open_with_orders(&world);
    struct rky_session *other = adapter_session(&world, 2000);
    struct rky_claim newer = {.namespace_ = "bronze", .token = 1};
    rky_uuid_v4(newer.claim_id);
    adapter_ok(world.ops->claim(other, &newer, &err), err);

    (void)adapter_copy_fails(&world, "orders", NULL, RKY_ERR_FENCED);

    ck_assert_int_eq(world.ops->has_rows(world.session, "orders", &err), RKY_ERR_NOT_FOUND);
    adapter_expect(&world, "SELECT count(*) FROM _rocky_watermarks", "0\n");
    world.ops->session_close(other);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_copy_on_an_edited_watermark_is_a_conflict_and_writes_nothing)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_mark mark;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    mark = adapter_mark(&world, "orders");
    /* Same value, other commit: an edit that changed it there and back. */
    char *stale = mark.commit_id;
    mark.commit_id = rky_strdup("edited");
    adapter_ok(
        world.ops->write_mark(world.session, &world.claim, mark.table_name, stale, &mark, &err),
        err);
    ck_assert_int_eq(
        world.ops->write_mark(world.session, &world.claim, mark.table_name, stale, &mark, &err),
        RKY_ERR_CONFLICT);
    rky_error_clear(&err);
    ck_assert_int_eq(
        world.ops->write_mark(world.session, &world.claim, mark.table_name, NULL, &mark, &err),
        RKY_ERR_CONFLICT);
    rky_error_clear(&err);
    adapter_ok(
        world.ops->write_mark(world.session, &world.claim, mark.table_name, "edited", NULL, &err),
        err);
    adapter_expect(&world, "SELECT count(*) FROM _rocky_watermarks", "0\n");
    rky_free(stale);
    rky_mark_done(&mark);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_copy_planned_on_another_watermark_is_a_conflict_and_writes_nothing)
{
    struct adapter_world world;
    char stale[] = "commit-of-yesterday";
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");
    struct rky_error err =
        adapter_copy_fails(&world, "orders", WISH(.stale_commit_id = stale), RKY_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "expected commit commit-of-yesterday, found "
                                              "commit-1"));
    (void)adapter_copy_fails(&world, "orders", WISH(.no_mark = true), RKY_ERR_CONFLICT);
    adapter_expect(&world, "SELECT count(*) FROM orders", "3\n");
    adapter_target(&world, "DELETE FROM _rocky_watermarks");
    done(adapter_copy_ok(&world, "orders", NULL));
    expect_orders(&world);
    adapter_world_close(&world);
}
END_TEST

/* --- windows ---------------------------------------------------------------------------------- */

START_TEST(the_first_copy_takes_everything_and_sets_the_watermark)
{
    struct adapter_world world;
    open_with_orders(&world);

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
    expect_orders(&world);
    rky_mark_done(&mark);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_increment_copies_what_is_above_the_watermark)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z'),"
                           " (5, 'e', '2026-01-04T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.window_rows, 2);
    expect_orders(&world);
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.prev_value, "2026-01-02T00:00:00Z");
    ck_assert_str_eq(mark.action, "incremental");
    ck_assert_int_eq(mark.ties, 1);
    rky_mark_done(&mark);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(nothing_new_writes_nothing)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert(!outcome.wrote);
    ck_assert_int_eq(outcome.rows_copied, 0);
    ck_assert_str_eq(outcome.through.text, "2026-01-02T00:00:00Z");
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.commit_id, "commit-1");
    rky_mark_done(&mark);
    done(outcome);
    done(adapter_copy_ok(&world, "orders", WISH(.tombstone_seq = 7)));
    mark = adapter_mark(&world, "orders");
    ck_assert_int_eq(mark.tombstone_seq, 7);
    rky_mark_done(&mark);
    adapter_world_close(&world);
}
END_TEST

START_TEST(rows_that_tie_with_the_watermark_and_come_later_are_copied_once)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    /* A new one, and an exact duplicate of a row that is there. */
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-02T00:00:00Z'),"
                           " (3, 'c', '2026-01-02T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 2);
    ck_assert_uint_eq(outcome.warning_count, 0);
    expect_orders(&world);
    done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_strict_boundary_leaves_ties_out)
{
    struct adapter_world world;
    const struct adapter_wish strict = {.boundary = RKY_BOUNDARY_STRICT};
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", &strict));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-02T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &strict);

    ck_assert_int_eq(outcome.rows_copied, 0);
    done(outcome);
    /* Back to exact: ties are unknown, so the slice is examined. */
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert_int_eq(outcome.late_rows, 1);
    expect_orders(&world);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_row_changed_in_place_at_the_watermark_is_copied_with_a_warning)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "UPDATE orders SET name = 'C' WHERE id = 3");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert_int_eq(outcome.late_rows, 1);
    ck_assert_uint_eq(outcome.warning_count, 1);
    ck_assert_str_eq(outcome.warnings[0].code, "boundary-mismatch");
    adapter_expect(&world, "SELECT name FROM orders WHERE id = 3 ORDER BY name", "'C'\n'c'\n");
    done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_lookback_finds_late_rows_and_only_those)
{
    struct adapter_world world;
    const struct adapter_wish day = {.lookback_seconds = 86400};
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", &day));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'late', '2026-01-01T12:00:00Z'),"
                           " (5, 'too late', '2025-12-31T00:00:00Z'),"
                           " (6, 'new', '2026-01-03T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &day);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    adapter_expect(&world, "SELECT id FROM orders ORDER BY id", "1\n2\n3\n4\n6\n");
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_watermark_set_back_copies_only_what_the_target_lacks)
{
    struct adapter_world world;
    struct rky_error err = {0};
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
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
    expect_orders(&world);
    ck_assert_str_eq(outcome.through.text, "2026-01-03T00:00:00Z");
    rky_mark_done(&mark);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_safety_lag_keeps_the_window_behind_the_clock)
{
    struct adapter_world world;
    const struct adapter_wish lag = {.safety_lag_seconds = 3600, .count_source = true};
    adapter_world_open(&world, fixture, 2000);
    adapter_source(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
                           "INSERT INTO orders VALUES(1, 'a', '2026-11-21T08:00:00Z'),"
                           " (2, 'b', '2026-11-21T09:30:00Z')");
    if (_i == 1)
        adapter_source(&world, "CREATE INDEX orders_at ON orders(_fivetran_synced)");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &lag);

    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_int_eq(outcome.source_count, 2);
    ck_assert_str_eq(outcome.through.text, "2026-11-21T08:00:00Z");
    done(outcome);
    rky_fake_clock_advance_ms(&world.clock, 3600000);
    outcome = adapter_copy_ok(&world, "orders", &lag);
    ck_assert_int_eq(outcome.rows_copied, 1);
    expect_orders(&world);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(ties_behind_the_horizon_are_found_when_it_has_passed)
{
    struct adapter_world world;
    const struct adapter_wish lag = {.safety_lag_seconds = 3600};
    adapter_world_open(&world, fixture, 2000);
    adapter_source(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
                           "INSERT INTO orders VALUES(1, 'a', '2026-11-21T09:30:00Z')");
    done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "INSERT INTO orders VALUES(2, 'tie', '2026-11-21T09:30:00Z'),"
                           " (3, 'new', '2026-11-21T09:40:00Z')");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &lag);
    ck_assert(!outcome.wrote);
    ck_assert_str_eq(outcome.through.text, "2026-11-21T09:30:00Z");
    done(outcome);
    rky_fake_clock_advance_ms(&world.clock, 2400000);
    outcome = adapter_copy_ok(&world, "orders", &lag);
    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    expect_orders(&world);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_empty_source_has_a_watermark_without_a_value)
{
    struct adapter_world world;
    adapter_world_open(&world, fixture, 2000);
    adapter_source(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT)");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", NULL);

    ck_assert(outcome.wrote);
    ck_assert_int_eq(outcome.through.type, RKY_CURSOR_NONE);
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_int_eq(mark.value.type, RKY_CURSOR_NONE);
    rky_mark_done(&mark);
    done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    done(outcome);
    adapter_source(&world, "INSERT INTO orders VALUES(1, 'a', '2026-01-01T00:00:00Z')");
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert_int_eq(outcome.rows_copied, 1);
    expect_orders(&world);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_table_without_a_cursor_is_copied_whole_each_time)
{
    struct adapter_world world;
    const struct adapter_wish whole = {.cursor = "", .count_source = true};
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", &whole));
    adapter_source(&world, "DELETE FROM orders WHERE id = 1");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &whole);

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.source_count, 2);
    ck_assert_int_eq(outcome.through.type, RKY_CURSOR_NONE);
    expect_orders(&world);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

/* --- NULL cursors ----------------------------------------------------------------------------- */

START_TEST(rows_without_a_cursor_value_fail_the_table_by_default)
{
    struct adapter_world world;
    struct rky_error err;
    open_with_orders(&world);
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
    open_with_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL)");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &exclude);
    ck_assert_int_eq(outcome.rows_copied, 3);
    done(outcome);
    adapter_source(&world, "INSERT INTO orders VALUES(5, 'e', '2026-02-01T00:00:00Z')");
    outcome = adapter_copy_ok(&world, "orders", &exclude);
    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_int_eq(outcome.null_cursors, 1);
    adapter_expect(&world, "SELECT id FROM orders ORDER BY id", "1\n2\n3\n5\n");
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(rows_without_a_cursor_value_can_be_copied_once_each)
{
    struct adapter_world world;
    const struct adapter_wish include = {.null_cursor = RKY_NULL_CURSOR_INCLUDE};
    open_with_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL), (4, 'd', NULL)");
    done(adapter_copy_ok(&world, "orders", &include));
    expect_orders(&world);
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', NULL), (5, 'e', NULL)");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &include);

    ck_assert_int_eq(outcome.late_rows, 2);
    expect_orders(&world);
    done(outcome);
    outcome = adapter_copy_ok(&world, "orders", &include);
    ck_assert(!outcome.wrote);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

/* --- refresh, adoption, drift ----------------------------------------------------------------- */

START_TEST(a_full_refresh_replaces_rows_and_keeps_views)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    adapter_target(&world, "CREATE VIEW names AS SELECT name FROM orders;"
                           "CREATE INDEX orders_id ON orders(id)");
    adapter_source(&world, "DELETE FROM orders WHERE id > 1");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", WISH(.refresh = true));

    ck_assert_int_eq(outcome.rows_copied, 1);
    ck_assert_str_eq(outcome.through.text, "2026-01-01T00:00:00Z");
    ck_assert_str_eq(outcome.high_value.text, "2026-01-01T00:00:00Z");
    expect_orders(&world);
    adapter_expect(&world, "SELECT name FROM names", "'a'\n");
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_refresh_to_other_columns_keeps_indexes_and_views)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
    adapter_target(&world, "CREATE VIEW names AS SELECT name FROM orders;"
                           "CREATE INDEX orders_id ON orders(id)");
    adapter_source(&world, "ALTER TABLE orders ADD COLUMN price INTEGER;"
                           "UPDATE orders SET price = id * 10");

    done(adapter_copy_ok(&world, "orders", WISH(.refresh = true)));

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
    open_with_orders(&world);
    /* Row 3 ties with the greatest value and is missing. */
    adapter_target(&world, "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
                           "INSERT INTO orders VALUES(1, 'a', '2026-01-01T00:00:00Z'),"
                           " (2, 'b', '2026-01-02T00:00:00Z')");
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");

    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", WISH(.adopt = true));

    ck_assert_int_eq(outcome.rows_copied, 2);
    ck_assert_int_eq(outcome.late_rows, 1);
    expect_orders(&world);
    struct rky_mark mark = adapter_mark(&world, "orders");
    ck_assert_str_eq(mark.action, "adopt");
    rky_mark_done(&mark);
    done(outcome);
    outcome = adapter_copy_ok(&world, "orders", NULL);
    ck_assert(!outcome.wrote);
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_added_column_is_added_and_old_rows_are_not_copied_again)
{
    struct adapter_world world;
    const char *const added[] = {"price", NULL};
    const struct adapter_wish drift = {.added = added};
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
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
    done(outcome);
    outcome = adapter_copy_ok(&world, "orders", WISH(.lookback_seconds = 864000));
    ck_assert_int_eq(outcome.rows_copied, 0);
    done(outcome);
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
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", &wish));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-02T00:00:00Z')");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "orders", &wish);
    ck_assert_int_eq(outcome.late_rows, 1);
    adapter_expect(&world, "SELECT id, _loaded_by, _batch FROM orders ORDER BY id",
                   "1|NULL|42\n2|NULL|42\n3|NULL|42\n4|NULL|42\n");
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

START_TEST(names_of_any_kind_are_copied)
{
    struct adapter_world world;
    adapter_world_open(&world, fixture, 2000);
    adapter_source(&world,
                   "CREATE TABLE \"we\"\"ird 'table\"(\"select\" INTEGER, \"a b\" TEXT,"
                   " \"q\"\"uote\" TEXT, \"\xc3\xbcml\xc3\xa4ut\" TEXT, \"MiXed\" TEXT,"
                   " \"_fivetran_synced\" TEXT);"
                   "INSERT INTO \"we\"\"ird 'table\" VALUES(1, 'a', 'b', 'c', 'd', '2026-01-01');");
    done(adapter_copy_ok(&world, "we\"ird 'table", NULL));
    adapter_source(&world, "INSERT INTO \"we\"\"ird 'table\" VALUES(2, 'it''s', 'b', 'c', 'd',"
                           " '2026-01-01'), (3, 'a', 'b', 'c', 'd', '2026-01-02');");
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "we\"ird 'table", NULL);
    ck_assert_int_eq(outcome.rows_copied, 2);
    adapter_expect(&world,
                   "SELECT \"select\", \"a b\", \"q\"\"uote\", \"\xc3\xbcml\xc3\xa4ut\", \"MiXed\","
                   " _fivetran_synced FROM \"we\"\"ird 'table\" ORDER BY 1",
                   "1|'a'|'b'|'c'|'d'|'2026-01-01'\n2|'it''s'|'b'|'c'|'d'|'2026-01-01'\n"
                   "3|'a'|'b'|'c'|'d'|'2026-01-02'\n");
    done(outcome);
    adapter_world_close(&world);
}
END_TEST

/* --- commits, interrupt, change under our feet --------------------------------------------------
 */

START_TEST(commits_are_found_by_job_plan_and_key_and_swept_by_age)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_commit *commits = NULL;
    size_t count = 0;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", WISH(.job_id = "job-1", .key = "key", .plan_id = "p")));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");
    rky_fake_clock_advance_ms(&world.clock, 1000);
    done(adapter_copy_ok(&world, "orders", WISH(.count_source = true)));

    adapter_ok(
        world.ops->read_commits(world.session, "bronze", NULL, NULL, NULL, &commits, &count, &err),
        err);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(commits[0].job_id, "job-1");
    ck_assert_str_eq(commits[0].idempotency_key, "key");
    ck_assert_str_eq(commits[0].action, "full_refresh");
    ck_assert_int_eq(commits[0].rows_copied, 3);
    ck_assert_ptr_null(commits[0].window_after);
    ck_assert_str_eq(commits[0].window_through, "2026-01-02T00:00:00Z");
    ck_assert_str_eq(commits[0].committed_at, "2026-11-21T10:00:00.000Z");
    ck_assert_str_eq(commits[1].job_id, "run-1");
    ck_assert_str_eq(commits[1].window_after, "2026-01-02T00:00:00Z");
    ck_assert_int_eq(commits[1].source_count, 4);
    rky_commits_free(commits, count);
    const char *const asked[][3] = {
        {"job-1", NULL, NULL}, {NULL, "p", NULL}, {NULL, NULL, "key"}, {"job-1", "p", "key"}};
    for (size_t i = 0; i < 4; i++) {
        adapter_ok(world.ops->read_commits(world.session, "bronze", asked[i][0], asked[i][1],
                                           asked[i][2], &commits, &count, &err),
                   err);
        ck_assert_uint_eq(count, 1);
        ck_assert_str_eq(commits[0].commit_id, "commit-1");
        rky_commits_free(commits, count);
    }
    adapter_ok(
        world.ops->read_commits(world.session, "silver", NULL, NULL, NULL, &commits, &count, &err),
        err);
    ck_assert_uint_eq(count, 0);
    adapter_ok(world.ops->sweep_commits(world.session, &world.claim,
                                        world.clock.base.wall_us(&world.clock.base), &err),
               err);
    adapter_expect(&world, "SELECT job_id FROM _rocky_commits", "'run-1'\n");
    adapter_world_close(&world);
}
END_TEST

START_TEST(an_interrupted_session_stays_interrupted)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_mark *marks = NULL;
    size_t count = 0;
    open_with_orders(&world);
    world.ops->session_interrupt(world.session);
    ck_assert_int_eq(world.ops->read_marks(world.session, &marks, &count, &err),
                     RKY_ERR_INTERRUPTED);
    rky_error_clear(&err);
    ck_assert_int_eq(world.ops->claim(world.session, &world.claim, &err), RKY_ERR_INTERRUPTED);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_cursor_of_another_kind_than_the_watermark_is_drift)
{
    struct adapter_world world;
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
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
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", NULL));
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
    open_with_orders(&world);
    done(adapter_copy_ok(&world, "orders", WISH(.cursor = "name")));
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "name", .lookback_seconds = 60),
                             RKY_ERR_CONFIG);
    (void)adapter_copy_fails(&world, "orders", WISH(.cursor = "name", .safety_lag_seconds = 60),
                             RKY_ERR_CONFIG);
    adapter_world_close(&world);
}
END_TEST

void adapter_suite_add(Suite *suite, const struct adapter_fixture *of)
{
    fixture = of;
    TCase *tcase = tcase_create("seam");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, schemas_are_listed_by_prefix_in_order);
    tcase_add_test(tcase, names_that_would_leave_the_warehouse_are_refused);
    tcase_add_test(tcase, tables_are_described_with_columns_kinds_and_indexes);
    tcase_add_test(tcase, access_is_told_without_making_anything);
    tcase_add_test(tcase, a_session_does_not_create_unless_told);
    tcase_add_test(tcase, facts_count_rows_window_nulls_and_future);
    tcase_add_test(tcase, a_claim_raises_the_token_and_keeps_the_lineage);
    tcase_add_test(tcase, a_lineage_is_replaced_under_the_claim_and_only_there);
    tcase_add_test(tcase, a_claim_is_ours_only_while_token_and_id_are_equal);
    tcase_add_test(tcase, a_copy_after_a_foreign_claim_is_fenced_and_writes_nothing);
    tcase_add_test(tcase, a_copy_on_an_edited_watermark_is_a_conflict_and_writes_nothing);
    tcase_add_test(tcase, a_copy_planned_on_another_watermark_is_a_conflict_and_writes_nothing);
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
    tcase_add_test(tcase, a_full_refresh_replaces_rows_and_keeps_views);
    tcase_add_test(tcase, a_refresh_to_other_columns_keeps_indexes_and_views);
    tcase_add_test(tcase, an_adopted_table_continues_at_its_greatest_value);
    tcase_add_test(tcase, an_added_column_is_added_and_old_rows_are_not_copied_again);
    tcase_add_test(tcase, metadata_columns_are_added_to_each_row);
    tcase_add_test(tcase, names_of_any_kind_are_copied);
    tcase_add_test(tcase, commits_are_found_by_job_plan_and_key_and_swept_by_age);
    tcase_add_test(tcase, an_interrupted_session_stays_interrupted);
    tcase_add_test(tcase, a_cursor_of_another_kind_than_the_watermark_is_drift);
    tcase_add_test(tcase, another_cursor_column_than_the_watermarks_is_refused);
    tcase_add_test(tcase, seconds_need_a_cursor_that_holds_times);
    suite_add_tcase(suite, tcase);
}
