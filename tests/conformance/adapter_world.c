/* SPDX-License-Identifier: Apache-2.0 */
/* What adapter tests share: a source, a target, a claimed session, and copies as the engine makes
 * them. */
#include "config.h"

#include "tests/conformance/adapter_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* 2026-11-21T10:00:00Z */
#define NOW_US INT64_C(1795255200000000)

void adapter_world_open(struct adapter_world *world, const struct adapter_fixture *fixture,
                        int64_t lock_timeout_ms)
{
    struct rky_error err = {0};
    *world = (struct adapter_world){.fixture = fixture};
    rky_fake_clock_init(&world->clock, NOW_US);
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_SOURCE), &world->source, &err), err);
    adapter_ok(rky_adapter_open(fixture->config(ADAPTER_TARGET), &world->target, &err), err);
    world->ops = world->target->ops;
    world->session = adapter_session(world, lock_timeout_ms);
    world->claim = (struct rky_claim){
        .namespace_ = "bronze", .lineage = "11111111-1111-4111-8111-111111111111", .token = 1};
    rky_uuid_v4(world->claim.claim_id);
    adapter_ok(world->ops->claim(world->session, &world->claim, &err), err);
}

struct rky_session *adapter_session(struct adapter_world *world, int64_t lock_timeout_ms)
{
    struct rky_error err = {0};
    struct rky_session *session = NULL;
    const struct rky_session_options options = {
        .source = world->source,
        .lock_timeout_ms = lock_timeout_ms,
        .create = true,
        .clock = &world->clock.base,
    };
    adapter_ok(world->ops->session_open(world->target, ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA,
                                        &options, &session, &err),
               err);
    return session;
}

void adapter_world_close(struct adapter_world *world)
{
    world->ops->session_close(world->session);
    world->ops->close(world->source);
    world->ops->close(world->target);
}

/* Everything that a spec borrows. */
struct prepared {
    struct rky_schema_info source, target;
    struct rky_mark *marks;
    size_t mark_count;
    char *name;
    struct rky_mark mark; /**< borrows */
    struct rky_copy_spec spec;
};

static void unprepare(struct prepared *prepared)
{
    rky_schema_info_done(&prepared->source);
    rky_schema_info_done(&prepared->target);
    rky_marks_free(prepared->marks, prepared->mark_count);
    free(prepared->name);
}

static const struct rky_mark *find_mark(struct prepared *prepared, const struct adapter_wish *wish)
{
    for (size_t i = 0; !wish->no_mark && i < prepared->mark_count; i++) {
        if (strcmp(prepared->marks[i].table_name, prepared->name) != 0)
            continue;
        prepared->mark = prepared->marks[i];
        if (wish->stale_commit_id != NULL)
            prepared->mark.commit_id = wish->stale_commit_id;
        return &prepared->mark;
    }
    return NULL;
}

static int prepare(struct adapter_world *world, const char *table, const struct adapter_wish *wish,
                   struct prepared *prepared, struct rky_error *err)
{
    const struct rky_adapter_ops *ops = world->ops;
    *prepared = (struct prepared){0};
    ck_assert_int_ge(
        asprintf(&prepared->name, "%s.%s.%s", ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, table), 0);
    int rc = ops->describe(world->source, ADAPTER_CATALOG, ADAPTER_SCHEMA, &prepared->source, err);
    if (rc == RKY_OK)
        rc = ops->session_describe(world->session, &prepared->target, err);
    if (rc == RKY_OK)
        rc = ops->read_marks(world->session, &prepared->marks, &prepared->mark_count, err);
    if (rc != RKY_OK)
        return rc;
    const char *cursor = wish->cursor != NULL ? wish->cursor : "_fivetran_synced";
    prepared->spec = (struct rky_copy_spec){
        .source = {ADAPTER_CATALOG, ADAPTER_SCHEMA, table},
        .target = {ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, table},
        .table_name = prepared->name,
        .source_table = rky_schema_table(&prepared->source, table),
        .target_table = rky_schema_table(&prepared->target, table),
        .cursor_column = cursor[0] != '\0' ? cursor : NULL,
        .boundary = wish->boundary,
        .null_cursor = wish->null_cursor,
        .lookback_seconds = wish->lookback_seconds,
        .safety_lag_seconds = wish->safety_lag_seconds,
        .metadata_columns = wish->metadata,
        .metadata_column_count = wish->metadata_count,
        .mark = find_mark(prepared, wish),
        .count_source = wish->count_source,
        .tombstone_seq = wish->tombstone_seq,
        .added_columns = wish->added,
    };
    prepared->spec.action = wish->adopt ? RKY_ACTION_ADOPT
                            : wish->refresh || prepared->spec.mark == NULL || cursor[0] == '\0'
                                ? RKY_ACTION_FULL_REFRESH
                                : RKY_ACTION_INCREMENTAL;
    ck_assert_msg(prepared->spec.source_table != NULL, "no source table '%s'", table);
    return RKY_OK;
}

int adapter_copy(struct adapter_world *world, const char *table, const struct adapter_wish *wish,
                 struct rky_copy_outcome *ret_outcome, struct rky_error *err)
{
    static const struct adapter_wish nothing = {0};
    struct prepared prepared;
    char commit_id[32];
    if (wish == NULL)
        wish = &nothing;
    (void)snprintf(commit_id, sizeof(commit_id), "commit-%d", ++world->commits);
    const struct rky_copy_ids ids = {
        .namespace_ = "bronze",
        .run_id = "run-1",
        .commit_id = wish->commit_id != NULL ? wish->commit_id : commit_id,
        .job_id = wish->job_id,
        .idempotency_key = wish->key,
        .plan_id = wish->plan_id,
    };
    *ret_outcome = (struct rky_copy_outcome){0};
    int rc = prepare(world, table, wish, &prepared, err);
    if (rc == RKY_OK)
        rc =
            world->ops->copy(world->session, &world->claim, &prepared.spec, &ids, ret_outcome, err);
    unprepare(&prepared);
    return rc;
}

struct rky_copy_outcome adapter_copy_ok(struct adapter_world *world, const char *table,
                                        const struct adapter_wish *wish)
{
    struct rky_copy_outcome outcome;
    struct rky_error err = {0};
    adapter_ok(adapter_copy(world, table, wish, &outcome, &err), err);
    return outcome;
}

struct rky_error adapter_copy_fails(struct adapter_world *world, const char *table,
                                    const struct adapter_wish *wish, int code)
{
    struct rky_copy_outcome outcome;
    struct rky_error err = {0};
    int rc = adapter_copy(world, table, wish, &outcome, &err);
    ck_assert_msg(rc == code, "expected %s, got %s: %s", rky_err_name(code), rky_err_name(rc),
                  err.message);
    ck_assert_int_eq(err.code, code);
    return err;
}

char *adapter_statements(struct adapter_world *world, const char *table,
                         const struct adapter_wish *wish)
{
    static const struct adapter_wish nothing = {0};
    struct prepared prepared;
    struct rky_error err = {0};
    struct rky_statement *statements = NULL;
    size_t count = 0;
    struct rky_strbuf text = {0};
    adapter_ok(prepare(world, table, wish != NULL ? wish : &nothing, &prepared, &err), err);
    adapter_ok(world->ops->statements(&prepared.spec, &statements, &count, &err), err);
    for (size_t i = 0; i < count; i++)
        rky_strbuf_addf(&text, "%s: %s\n", statements[i].purpose, statements[i].sql);
    rky_statements_free(statements, count);
    unprepare(&prepared);
    return rky_strbuf_take(&text);
}

struct rky_mark adapter_mark(struct adapter_world *world, const char *table)
{
    struct rky_error err = {0};
    struct rky_mark *marks = NULL;
    struct rky_mark found = {0};
    size_t count = 0;
    char name[200];
    (void)snprintf(name, sizeof(name), "%s.%s.%s", ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, table);
    adapter_ok(world->ops->read_marks(world->session, &marks, &count, &err), err);
    for (size_t i = 0; i < count; i++)
        if (strcmp(marks[i].table_name, name) == 0) {
            found = marks[i];
            marks[i] = (struct rky_mark){0};
        }
    rky_marks_free(marks, count);
    ck_assert_msg(found.table_name != NULL, "table '%s' has no watermark", table);
    return found;
}

void adapter_source(struct adapter_world *world, const char *sql)
{
    world->fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, sql);
}

void adapter_target(struct adapter_world *world, const char *sql)
{
    world->fixture->exec(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA, sql);
}

void adapter_expect(struct adapter_world *world, const char *sql, const char *expected)
{
    char *found = world->fixture->query(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA, sql);
    ck_assert_str_eq(found, expected);
    free(found);
}

void adapter_expect_same(struct adapter_world *world, const char *table, const char *columns)
{
    char *sql = NULL;
    ck_assert_int_ge(asprintf(&sql, "SELECT %s FROM \"%s\" ORDER BY %s", columns, table, columns),
                     0);
    char *source = world->fixture->query(ADAPTER_SOURCE, ADAPTER_SCHEMA, sql);
    char *target = world->fixture->query(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA, sql);
    ck_assert_str_eq(target, source);
    free(source);
    free(target);
    free(sql);
}
