/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is forgotten when: jobs by number and age, runs and audit by number,
 * plans some time after they expired, row counts by number per table. Watermarks and tombstones
 * are never swept.
 *
 * Every job ends with a sweep, so one that finds nothing due must cost next to nothing: `seq` is
 * the order of recording, its two ends tell how many rows there may be, and no row is counted.
 * Going over the limit by a small slack first makes deleting a matter of once in many jobs. One
 * sweep deletes a bounded number of rows; the next one goes on.
 */
#include "config.h"

#include "state/ledger_internal.h"

/* Rows of one table that one sweep deletes at most. */
#define SWEEP_MAX_ROWS 1000
/* The limit may be exceeded by this part of it, and by this many rows at most. */
#define SLACK_PART 16
#define SLACK_MAX_ROWS 256
#define HOUR_US (INT64_C(60) * 60 * 1000000)
#define DAY_US (24 * HOUR_US)
/* The age limit may be exceeded by this much. */
#define AGE_SLACK_US HOUR_US
/* How long an expired plan is kept, so that applying it is answered with what is wrong with it. */
#define PLAN_KEEP_US DAY_US

static int64_t slack_rows(int64_t limit)
{
    int64_t slack = limit / SLACK_PART;
    return slack < SLACK_MAX_ROWS ? slack : SLACK_MAX_ROWS;
}

/* The first seq that stays when only the newest @p limit of [first, newest] do; not above @p
 * first when nothing is due yet. */
static int64_t first_kept(int64_t first, int64_t newest, int64_t limit)
{
    if (limit <= 0 || newest - first + 1 <= limit + slack_rows(limit))
        return first;
    int64_t keep = newest - limit + 1;
    return keep - first > SWEEP_MAX_ROWS ? first + SWEEP_MAX_ROWS : keep;
}

/* What is at the low and high end of a table; all 0 when it is empty. */
struct ends {
    int64_t first, newest, oldest_us;
};

static int read_ends(struct rky_ledger *ledger, enum rky_sql which, struct ends *ret_ends,
                     struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, which);
    (void)rky_query_row(&query); /* one row, or a failure that sticks */
    struct ends ends = {.first = rky_query_get_int(&query, 0),
                        .newest = rky_query_get_int(&query, 1),
                        .oldest_us = rky_query_get_int(&query, 2)};
    int rc = rky_query_finish(&query, "look for old records", err);
    if (rc == 0)
        *ret_ends = ends;
    return rc;
}

static int delete_below(struct rky_ledger *ledger, enum rky_sql sweep, int64_t keep,
                        struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, sweep);
    rky_query_int(&query, keep);
    return rky_query_run(&query, "delete old records", err);
}

static int sweep_by_number(struct rky_ledger *ledger, enum rky_sql which_ends, enum rky_sql sweep,
                           int64_t limit, struct rky_error *err)
{
    struct ends ends;
    int rc = read_ends(ledger, which_ends, &ends, err);
    if (rc != 0)
        return rc;
    int64_t keep = first_kept(ends.first, ends.newest, limit);
    return keep > ends.first ? delete_below(ledger, sweep, keep, err) : 0;
}

/* By number, or when nothing is due there, by age. The oldest record decides whether age is looked
 * at: one with a time from the future holds back the ones behind it until number takes it. */
static int sweep_jobs(struct rky_ledger *ledger, const struct rky_retention *retention,
                      int64_t now_us, struct rky_error *err)
{
    struct ends ends;
    int rc = read_ends(ledger, RKY_SQL_JOBS_ENDS, &ends, err);
    if (rc != 0 || ends.first == 0)
        return rc;
    int64_t keep = first_kept(ends.first, ends.newest, retention->jobs);
    if (keep > ends.first)
        return delete_below(ledger, RKY_SQL_JOBS_SWEEP, keep, err);

    int64_t cutoff_us = now_us - retention->jobs_days * DAY_US;
    if (retention->jobs_days <= 0 || ends.oldest_us >= cutoff_us - AGE_SLACK_US)
        return 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_JOBS_SWEEP_OLD);
    rky_query_int(&query, ends.first + SWEEP_MAX_ROWS);
    rky_query_int(&query, cutoff_us);
    return rky_query_run(&query, "delete old records", err);
}

static int sweep_plans(struct rky_ledger *ledger, int64_t now_us, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_PLANS_SWEEP);
    rky_query_int(&query, now_us - PLAN_KEEP_US);
    rky_query_int(&query, SWEEP_MAX_ROWS);
    return rky_query_run(&query, "delete expired plans", err);
}

static int sweep_counts(struct rky_ledger *ledger, const struct rky_counted *counted, int64_t limit,
                        struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNT_FIRST);
    rky_query_int(&query, counted->table_id);
    (void)rky_query_row(&query); /* one row, or a failure that sticks */
    int64_t first = rky_query_get_int(&query, 0);
    int rc = rky_query_finish(&query, "look for old row counts", err);
    if (rc != 0)
        return rc;
    int64_t keep = first_kept(first, counted->newest_seq, limit);
    if (keep <= first)
        return 0;
    query = rky_query_start(ledger, RKY_SQL_COUNT_SWEEP);
    rky_query_int(&query, counted->table_id);
    rky_query_int(&query, keep);
    return rky_query_run(&query, "delete old row counts", err);
}

int rky_ledger_sweep(struct rky_ledger *ledger, const struct rky_retention *retention,
                     int64_t now_us, struct rky_error *err)
{
    int rc = sweep_jobs(ledger, retention, now_us, err);
    if (rc == 0)
        rc = sweep_by_number(ledger, RKY_SQL_RUNS_ENDS, RKY_SQL_RUNS_SWEEP, retention->jobs, err);
    if (rc == 0)
        rc = sweep_by_number(ledger, RKY_SQL_AUDIT_ENDS, RKY_SQL_AUDIT_SWEEP, retention->jobs, err);
    if (rc == 0)
        rc = sweep_plans(ledger, now_us, err);
    for (size_t i = 0; rc == 0 && i < ledger->counted_count; i++)
        rc = sweep_counts(ledger, &ledger->counted[i], retention->history, err);
    return rc;
}
