/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests that every warehouse driver passes; the fixture says which driver it is. Here: discovery,
 * claims and commits. What a copy takes is in adapter_windows.c, what changes around it in
 * adapter_changes.c.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/conformance/adapter_suite_kit.h"

/* --- discovery -------------------------------------------------------------------------------- */

START_TEST(schemas_are_listed_by_prefix_in_order)
{
    struct rky_error err = {0};
    struct rky_adapter *adapter = NULL;
    struct rky_strings schemas = {0};
    seam_fixture->exec(ADAPTER_SOURCE, "src__b", "CREATE TABLE t(a INTEGER)");
    seam_fixture->exec(ADAPTER_SOURCE, "src__a", "CREATE TABLE t(a INTEGER)");
    seam_fixture->exec(ADAPTER_SOURCE, "other", "CREATE TABLE t(a INTEGER)");
    adapter_ok(rky_adapter_open(seam_fixture->config(ADAPTER_SOURCE), &adapter, &err), err);

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
    adapter_ok(rky_adapter_open(seam_fixture->config(ADAPTER_SOURCE), &adapter, &err), err);
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
    seam_fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA,
                       "CREATE TABLE b(id INTEGER, \"select\" TEXT, at TEXT);"
                       "CREATE INDEX b_at ON b(at, id);"
                       "CREATE INDEX b_part ON b(id) WHERE at IS NOT NULL;"
                       "CREATE VIEW a AS SELECT * FROM b;");
    adapter_ok(rky_adapter_open(seam_fixture->config(ADAPTER_SOURCE), &adapter, &err), err);

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
    seam_fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, "CREATE TABLE b(id INTEGER)");
    adapter_ok(rky_adapter_open(seam_fixture->config(ADAPTER_SOURCE), &source, &err), err);
    adapter_ok(rky_adapter_open(seam_fixture->config(ADAPTER_TARGET), &target, &err), err);
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
    adapter_ok(rky_adapter_open(seam_fixture->config(ADAPTER_TARGET), &adapter, &err), err);
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
    adapter_world_open(&world, seam_fixture, 2000);
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
    adapter_world_open(&world, seam_fixture, 2000);
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
    adapter_world_open(&world, seam_fixture, 2000);
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
    adapter_world_open(&world, seam_fixture, 2000);
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
    seam_open_with_orders(&world);
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
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
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
    seam_open_with_orders(&world);
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");
    struct rky_error err =
        adapter_copy_fails(&world, "orders", WISH(.stale_commit_id = stale), RKY_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "expected commit commit-of-yesterday, found "
                                              "commit-1"));
    (void)adapter_copy_fails(&world, "orders", WISH(.no_mark = true), RKY_ERR_CONFLICT);
    adapter_expect(&world, "SELECT count(*) FROM orders", "3\n");
    adapter_target(&world, "DELETE FROM _rocky_watermarks");
    seam_done(adapter_copy_ok(&world, "orders", NULL));
    seam_expect_orders(&world);
    adapter_world_close(&world);
}
END_TEST

/* --- commits, interrupt ---------------------------------------------------------------------- */

START_TEST(commits_are_found_by_job_plan_and_key_and_swept_by_age)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_commit *commits = NULL;
    size_t count = 0;
    seam_open_with_orders(&world);
    seam_done(
        adapter_copy_ok(&world, "orders", WISH(.job_id = "job-1", .key = "key", .plan_id = "p")));
    adapter_source(&world, "INSERT INTO orders VALUES(4, 'd', '2026-01-03T00:00:00Z')");
    rky_fake_clock_advance_ms(&world.clock, 1000);
    seam_done(adapter_copy_ok(&world, "orders", WISH(.count_source = true)));

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
    seam_open_with_orders(&world);
    world.ops->session_interrupt(world.session);
    ck_assert_int_eq(world.ops->read_marks(world.session, &marks, &count, &err),
                     RKY_ERR_INTERRUPTED);
    rky_error_clear(&err);
    ck_assert_int_eq(world.ops->claim(world.session, &world.claim, &err), RKY_ERR_INTERRUPTED);
    adapter_world_close(&world);
}
END_TEST

void adapter_suite_add(Suite *suite, const struct adapter_fixture *of)
{
    seam_fixture = of;
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
    adapter_add_windows(tcase);
    adapter_add_changes(tcase);
    tcase_add_test(tcase, commits_are_found_by_job_plan_and_key_and_swept_by_age);
    tcase_add_test(tcase, an_interrupted_session_stays_interrupted);
    suite_add_tcase(suite, tcase);
}
