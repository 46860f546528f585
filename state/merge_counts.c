/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uniting the row counts of two ledgers, table by table, in order of time.
 *
 * A point belongs to a run: one that both ledgers have is kept once, and if either ledger calls it
 * normal it is, because a count that was accepted stays accepted. The baseline starts where the
 * later of both acceptances put it. The table is written anew only when something changes.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <string.h>

#include "common/mem.h"

struct point {
    int64_t seq, at_us, count;
    bool anomalous;
    char *run_id;   /**< NULL = unknown */
    char *findings; /**< NULL = none */
};

struct points {
    struct point *items;
    size_t count, capacity;
    int64_t baseline;
};

static void points_done(struct points *points)
{
    for (size_t i = 0; i < points->count; i++) {
        rky_free(points->items[i].run_id);
        rky_free(points->items[i].findings);
    }
    rky_free(points->items);
}

static int read_points(struct rky_ledger *ledger, const char *table, struct points *points,
                       struct rky_error *err)
{
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_ALL_COUNTS);
    rky_query_text(&query, table);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&points->items, &points->capacity, points->count + 1,
                               sizeof(*points->items), err);
        if (rc != 0)
            break;
        points->items[points->count++] =
            (struct point){.seq = rky_query_get_int(&query, 0),
                           .at_us = rky_query_get_int(&query, 1),
                           .count = rky_query_get_int(&query, 2),
                           .anomalous = rky_query_get_int(&query, 3) != 0,
                           .run_id = rky_query_get_text(&query, 4),
                           .findings = rky_query_get_text(&query, 5)};
        points->baseline = rky_query_get_int(&query, 6);
    }
    int finish_rc = rky_query_finish(&query, "read the history", err);
    return rc != 0 ? rc : finish_rc;
}

static bool same_point(const struct point *one, const struct point *other)
{
    if (one->run_id == NULL || other->run_id == NULL)
        return one->run_id == other->run_id && one->at_us == other->at_us &&
               one->count == other->count;
    return strcmp(one->run_id, other->run_id) == 0;
}

static struct point *find_point(const struct points *points, const struct point *wanted)
{
    for (size_t i = 0; i < points->count; i++)
        if (same_point(&points->items[i], wanted))
            return &points->items[i];
    return NULL;
}

/* When the baseline begins; INT64_MIN when it begins before the first point that is left. */
static int64_t baseline_us(const struct points *points)
{
    for (size_t i = 0; i < points->count; i++)
        if (points->items[i].seq == points->baseline)
            return points->items[i].at_us;
    return INT64_MIN;
}

/* Behind the points of the same time, so that each ledger's own order stays. */
static int insert_point(struct points *points, struct point *point, struct rky_error *err)
{
    int rc = rky_array_reserve(&points->items, &points->capacity, points->count + 1,
                               sizeof(*points->items), err);
    if (rc != 0)
        return rc;
    size_t at = points->count;
    while (at > 0 && points->items[at - 1].at_us > point->at_us)
        at--;
    memmove(&points->items[at + 1], &points->items[at],
            (points->count - at) * sizeof(*points->items));
    points->items[at] = *point;
    points->count++;
    *point = (struct point){.run_id = NULL}; /* moved */
    return 0;
}

/* Take the points of @p other into @p mine. @param ret_changed whether anything is new. */
static int unite_points(struct points *mine, struct points *other, bool *ret_changed,
                        struct rky_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < other->count; i++) {
        struct point *theirs = &other->items[i];
        struct point *ours = find_point(mine, theirs);
        if (ours == NULL) {
            rc = insert_point(mine, theirs, err);
            *ret_changed = true;
        } else if (ours->anomalous && !theirs->anomalous) {
            char *findings = ours->findings;
            ours->findings = theirs->findings;
            theirs->findings = findings;
            ours->anomalous = false;
            *ret_changed = true;
        }
    }
    return rc;
}

/* Number the points from @p first on. @return the seq at which the baseline starts. */
static int64_t number_points(struct points *points, int64_t first, int64_t baseline_start_us)
{
    int64_t baseline = 0;
    for (size_t i = 0; i < points->count; i++) {
        points->items[i].seq = first + (int64_t)i;
        if (baseline == 0 && baseline_start_us != INT64_MIN &&
            points->items[i].at_us >= baseline_start_us)
            baseline = points->items[i].seq;
    }
    return baseline;
}

static int write_point(struct rky_ledger *ledger, int64_t table_id, const struct point *point,
                       struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNT_PUT);
    rky_query_int(&query, table_id);
    rky_query_int(&query, point->seq);
    rky_query_int(&query, point->at_us);
    rky_query_int(&query, point->count);
    rky_query_int(&query, point->anomalous);
    rky_query_text(&query, point->run_id);
    rky_query_text(&query, point->findings);
    return rky_query_run(&query, "record a row count", err);
}

static int write_points(struct rky_ledger *ledger, int64_t table_id, const struct points *points,
                        struct rky_error *err)
{
    struct rky_query clear = rky_query_start(ledger, RKY_SQL_COUNTS_CLEAR);
    rky_query_int(&clear, table_id);
    int rc = rky_query_run(&clear, "unite the history", err);
    for (size_t i = 0; rc == 0 && i < points->count; i++)
        rc = write_point(ledger, table_id, &points->items[i], err);
    if (rc != 0)
        return rc;
    struct rky_query baseline = rky_query_start(ledger, RKY_SQL_COUNT_BASELINE);
    rky_query_int(&baseline, table_id);
    rky_query_int(&baseline, points->baseline);
    rc = rky_query_run(&baseline, "unite the history", err);
    return rc != 0
               ? rc
               : rky_ledger_counted(ledger, table_id, points->items[points->count - 1].seq, err);
}

static int unite_table(struct rky_ledger *ledger, struct rky_ledger *other, const char *table,
                       struct rky_error *err)
{
    struct points mine = {.items = NULL}, theirs = {.items = NULL};
    int64_t table_id = 0;
    bool changed = false;
    int rc = read_points(other, table, &theirs, err);
    if (rc == 0)
        rc = read_points(ledger, table, &mine, err);
    if (rc == 0) {
        const int64_t first = mine.count > 0 ? mine.items[0].seq : 1;
        const int64_t mine_us = baseline_us(&mine);
        const int64_t theirs_us = baseline_us(&theirs);
        changed = theirs_us > mine_us;
        rc = unite_points(&mine, &theirs, &changed, err);
        mine.baseline = number_points(&mine, first, theirs_us > mine_us ? theirs_us : mine_us);
    }
    if (rc == 0 && changed)
        rc = rky_ledger_counted_table(ledger, table, true, &table_id, err);
    if (rc == 0 && changed)
        rc = write_points(ledger, table_id, &mine, err);
    points_done(&mine);
    points_done(&theirs);
    return rc;
}

int rky_ledger_merge_counts(struct rky_ledger *ledger, struct rky_ledger *other,
                            struct rky_error *err)
{
    struct rky_strings tables = {.items = NULL};
    int rc = rky_ledger_count_tables(other, &tables.items, &tables.count, err);
    for (size_t i = 0; rc == 0 && i < tables.count; i++)
        rc = unite_table(ledger, other, tables.items[i], err);
    rky_strings_done(&tables);
    return rc;
}
