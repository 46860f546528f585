/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random changes to a live source, increments after each, and the target compared row by row with a
 * model of the promise: every row version visible with cursor >= watermark is copied exactly once,
 * ties included, duplicates with their number; rows below it only by lookback; nothing else.
 *
 * The model knows no SQL: two multisets of rows and the rule. Seeds are fixed.
 */
#include "config.h"

#include "tests/conformance/adapter_suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum { ROWS_MAX = 4000, STEPS = 260, NO_CURSOR = -1 };

struct model_row {
    int id, payload, at; /**< at = NO_CURSOR for NULL */
};

struct bag {
    struct model_row rows[ROWS_MAX];
    size_t count;
};

struct variant {
    const char *name;
    bool text_cursor, indexed, strict;
    bool nulls;   /**< null_cursor = include, and the source has some */
    int lookback; /**< in units of `at`, which are seconds */
    bool rewinds; /**< the watermark is set back now and then */
    uint64_t seed;
};

static const struct variant variants[] = {
    {.name = "text, scan", .text_cursor = true, .seed = 1},
    {.name = "text, index", .text_cursor = true, .indexed = true, .seed = 2},
    {.name = "integer, scan, NULLs", .nulls = true, .seed = 3},
    {.name = "integer, index, NULLs", .indexed = true, .nulls = true, .seed = 4},
    {.name = "text, lookback", .text_cursor = true, .lookback = 7, .seed = 5},
    {.name = "integer, index, lookback", .indexed = true, .lookback = 7, .seed = 6},
    {.name = "text, strict", .text_cursor = true, .strict = true, .seed = 7},
    {.name = "integer, rewinds", .rewinds = true, .seed = 8},
    {.name = "text, index, rewinds, NULLs, lookback",
     .text_cursor = true,
     .indexed = true,
     .rewinds = true,
     .nulls = true,
     .lookback = 3,
     .seed = 9},
};

static const struct adapter_fixture *fixture;

struct run {
    const struct variant *variant;
    struct adapter_world world;
    uint64_t state;
    struct bag source, target;
    int value, high; /**< NO_CURSOR = none */
    bool ties_known;
    int next_id;
    struct rky_strbuf sql;
};

static unsigned roll(struct run *run, unsigned sides)
{
    run->state = run->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(run->state >> 33) % sides;
}

/* --- the model -------------------------------------------------------------------------------- */

static bool same(const struct model_row *a, const struct model_row *b)
{
    return a->id == b->id && a->payload == b->payload && a->at == b->at;
}

static size_t count_of(const struct bag *bag, const struct model_row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < bag->count; i++)
        count += same(&bag->rows[i], row);
    return count;
}

static void put(struct bag *bag, struct model_row row)
{
    ck_assert_uint_lt(bag->count, ROWS_MAX);
    bag->rows[bag->count++] = row;
}

/* As many of this row as the source has, if the target has fewer. */
static void level(struct run *run, const struct model_row *row, size_t *late)
{
    size_t wanted = count_of(&run->source, row);
    while (count_of(&run->target, row) < wanted) {
        put(&run->target, *row);
        (*late)++;
    }
}

static bool examined(const struct run *run, int at)
{
    const struct variant *variant = run->variant;
    if (at == NO_CURSOR)
        return variant->nulls;
    if (run->value == NO_CURSOR)
        return at <= run->high;
    if (at > run->value)
        return at <= run->high;
    if (variant->lookback > 0)
        return at >= run->value - variant->lookback;
    return at == run->value && !variant->strict;
}

static void expect_copy(struct run *run, size_t *ret_plain, size_t *ret_late)
{
    int above = run->value > run->high ? run->value : run->high;
    int greatest = run->value;
    *ret_plain = *ret_late = 0;
    for (size_t i = 0; i < run->source.count; i++)
        if (examined(run, run->source.rows[i].at))
            level(run, &run->source.rows[i], ret_late);
    for (size_t i = 0; i < run->source.count; i++) {
        const struct model_row *row = &run->source.rows[i];
        if (row->at > greatest)
            greatest = row->at;
        if (row->at != NO_CURSOR && row->at > above) {
            put(&run->target, *row);
            (*ret_plain)++;
        }
    }
    run->value = greatest;
    if (greatest > run->high)
        run->high = greatest;
}

/* --- SQL of the same ---------------------------------------------------------------------------
 */

static void add_at(struct run *run, int at)
{
    if (at == NO_CURSOR)
        rky_strbuf_add(&run->sql, "NULL");
    else if (run->variant->text_cursor)
        rky_strbuf_addf(&run->sql, "'2026-01-01T%02d:%02d:%02dZ'", at / 3600, at / 60 % 60,
                        at % 60);
    else
        rky_strbuf_addf(&run->sql, "%d", at);
}

static void insert(struct run *run, struct model_row row)
{
    put(&run->source, row);
    rky_strbuf_addf(&run->sql, "INSERT INTO live VALUES(%d, %d, ", row.id, row.payload);
    add_at(run, row.at);
    rky_strbuf_add(&run->sql, ");");
}

/* Every row that equals it, so that model and SQL mean the same rows. */
static void where(struct run *run, const struct model_row *row)
{
    rky_strbuf_addf(&run->sql, " WHERE id = %d AND payload = %d AND at", row->id, row->payload);
    rky_strbuf_add(&run->sql, row->at == NO_CURSOR ? " IS " : " = ");
    add_at(run, row->at);
    rky_strbuf_addc(&run->sql, ';');
}

static void update(struct run *run, struct model_row old, struct model_row new)
{
    rky_strbuf_addf(&run->sql, "UPDATE live SET payload = %d, at = ", new.payload);
    add_at(run, new.at);
    where(run, &old);
    for (size_t i = 0; i < run->source.count; i++)
        if (same(&run->source.rows[i], &old))
            run->source.rows[i] = new;
}

static void erase(struct run *run, struct model_row old)
{
    size_t kept = 0;
    rky_strbuf_add(&run->sql, "DELETE FROM live");
    where(run, &old);
    for (size_t i = 0; i < run->source.count; i++)
        if (!same(&run->source.rows[i], &old))
            run->source.rows[kept++] = run->source.rows[i];
    run->source.count = kept;
}

static int greatest_at(const struct run *run)
{
    int greatest = 100;
    for (size_t i = 0; i < run->source.count; i++)
        if (run->source.rows[i].at > greatest)
            greatest = run->source.rows[i].at;
    return greatest;
}

static void change(struct run *run)
{
    struct model_row some = {.id = 0};
    int top = greatest_at(run);
    if (run->source.count > 0)
        some = run->source.rows[roll(run, (unsigned)run->source.count)];
    struct model_row fresh = {.id = run->next_id++, .payload = (int)roll(run, 3), .at = top};
    struct model_row changed = some;
    switch (roll(run, 13)) {
    case 0: /* ties with whatever is greatest */
    case 1:
        insert(run, fresh);
        break;
    case 2:
    case 3: /* new */
        fresh.at = top + 1 + (int)roll(run, 3);
        insert(run, fresh);
        insert(run, (struct model_row){run->next_id++, 0, fresh.at});
        break;
    case 4: /* late: below, or near the watermark */
        fresh.at = top - (int)roll(run, 12);
        insert(run, fresh);
        break;
    case 5: /* an exact duplicate of any row */
    case 6:
        if (some.id != 0)
            insert(run, some);
        break;
    case 7: /* changed in place */
        changed.payload += 10;
        if (some.id != 0)
            update(run, some, changed);
        break;
    case 8: /* changed, and its cursor moved on */
        changed.at = top + (int)roll(run, 2);
        if (some.id != 0)
            update(run, some, changed);
        break;
    case 9:
        if (some.id != 0)
            erase(run, some);
        break;
    case 10: /* the greatest go, and the watermark stays above what is left */
        for (size_t i = run->source.count; i-- > 0;)
            if (i < run->source.count && run->source.rows[i].at == top)
                erase(run, run->source.rows[i]);
        break;
    case 11: /* one that was copied and has gone comes back */
        if (run->target.count > 0)
            insert(run, run->target.rows[roll(run, (unsigned)run->target.count)]);
        break;
    default:
        fresh.at = run->variant->nulls ? NO_CURSOR : top;
        insert(run, fresh);
        break;
    }
}

/* --- one run -----------------------------------------------------------------------------------
 */

static int by_columns(const void *a, const void *b)
{
    const struct model_row *left = a;
    const struct model_row *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    if (left->payload != right->payload)
        return left->payload < right->payload ? -1 : 1;
    return (left->at > right->at) - (left->at < right->at);
}

static void compare(struct run *run, int step)
{
    struct rky_strbuf expected = {0};
    qsort(run->target.rows, run->target.count, sizeof(run->target.rows[0]), by_columns);
    for (size_t i = 0; i < run->target.count; i++) {
        const struct model_row *row = &run->target.rows[i];
        run->sql.length = 0;
        add_at(run, row->at);
        rky_strbuf_addf(&expected, "%d|%d|%s\n", row->id, row->payload, run->sql.data);
    }
    char *found = fixture->query(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA,
                                 "SELECT id, payload, at FROM live ORDER BY 1, 2, 3");
    ck_assert_msg(strcmp(found, rky_strbuf_text(&expected)) == 0,
                  "%s, step %d: the target differs\nexpected:\n%sfound:\n%s", run->variant->name,
                  step, rky_strbuf_text(&expected), found);
    rky_strbuf_done(&expected);
    free(found);
}

static void copy(struct run *run, int step)
{
    const struct variant *variant = run->variant;
    const struct adapter_wish wish = {
        .cursor = "at",
        .boundary = variant->strict ? RKY_BOUNDARY_STRICT : RKY_BOUNDARY_EXACT,
        .null_cursor = variant->nulls ? RKY_NULL_CURSOR_INCLUDE : RKY_NULL_CURSOR_FAIL,
        .lookback_seconds = variant->lookback,
    };
    size_t plain = 0, late = 0;
    bool first = step == 0;
    struct rky_copy_outcome outcome = adapter_copy_ok(&run->world, "live", &wish);
    expect_copy(run, &plain, &late);
    /* The first copy is whole: rows without a value are no late ones there. */
    ck_assert_int_eq(outcome.rows_copied, (int64_t)(plain + late));
    ck_assert_int_eq(outcome.late_rows, first ? 0 : (int64_t)late);
    if (!first && outcome.window_rows >= 0)
        ck_assert_int_eq(outcome.window_rows, (int64_t)plain);
    rky_copy_outcome_done(&outcome);
}

static void set_back(struct run *run)
{
    struct rky_error err = {0};
    struct rky_mark mark = adapter_mark(&run->world, "live");
    char *commit_id = rky_strdup(mark.commit_id);
    run->value -= (int)roll(run, 10);
    run->sql.length = 0;
    add_at(run, run->value);
    /* Without the quotes of a literal. */
    if (run->variant->text_cursor) {
        run->sql.data[run->sql.length - 1] = '\0';
        adapter_ok(rky_cursor_set(&mark.value, RKY_CURSOR_TEXT, run->sql.data + 1, &err), err);
    } else {
        adapter_ok(rky_cursor_set(&mark.value, RKY_CURSOR_INTEGER, run->sql.data, &err), err);
    }
    mark.ties = -1;
    rky_free(mark.commit_id);
    mark.commit_id = rky_asprintf("set-%d", run->next_id++);
    adapter_ok(run->world.ops->write_mark(run->world.session, &run->world.claim, mark.table_name,
                                          commit_id, &mark, &err),
               err);
    rky_free(commit_id);
    rky_mark_done(&mark);
}

START_TEST(increments_keep_the_promise)
{
    struct run *run = calloc(1, sizeof(*run));
    ck_assert_ptr_nonnull(run);
    run->variant = &variants[_i];
    run->state = variants[_i].seed * UINT64_C(0x9e3779b97f4a7c15);
    run->value = run->high = NO_CURSOR;
    run->next_id = 1;
    fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA,
                  run->variant->text_cursor
                      ? "CREATE TABLE live(id INTEGER, payload INTEGER, at TEXT)"
                      : "CREATE TABLE live(id INTEGER, payload INTEGER, at INTEGER)");
    if (run->variant->indexed)
        fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, "CREATE INDEX live_at ON live(at)");
    adapter_world_open(&run->world, fixture, 5000);
    for (int step = 0; step < STEPS; step++) {
        run->sql.length = 0;
        for (unsigned changes = roll(run, 5); changes > 0; changes--)
            change(run);
        if (run->sql.length > 0)
            fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, run->sql.data);
        if (run->variant->rewinds && run->value != NO_CURSOR && roll(run, 6) == 0)
            set_back(run);
        copy(run, step);
        compare(run, step);
    }
    adapter_world_close(&run->world);
    rky_strbuf_done(&run->sql);
    free(run);
}
END_TEST

void adapter_model_add(Suite *suite, const struct adapter_fixture *of)
{
    fixture = of;
    TCase *tcase = tcase_create("promise");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, increments_keep_the_promise, 0,
                        (int)(sizeof(variants) / sizeof(variants[0])));
    suite_add_tcase(suite, tcase);
}
