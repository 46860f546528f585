/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of each run: when, how it ended, how much it moved. A run id is recorded once; putting
 * it again replaces its figures and keeps its place. "Newest" means recorded last, which no clock
 * can turn around.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include "common/mem.h"

void rky_run_record_done(struct rky_run_record *record)
{
    rky_free(record->run_id);
    rky_free(record->job_id);
    rky_free(record->kind);
    rky_free(record->status);
    rky_free(record->trigger);
    rky_free(record->worker_id);
    rky_free(record->plan_id);
    rky_free(record->pipeline);
    *record = (struct rky_run_record){.run_id = NULL};
}

void rky_run_records_free(struct rky_run_record *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rky_run_record_done(&items[i]);
    rky_free(items);
}

int rky_ledger_run_put(struct rky_ledger *ledger, const struct rky_run_record *record,
                       struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_RUN_PUT);
    rky_query_text(&query, record->run_id);
    rky_query_text(&query, record->job_id);
    rky_query_text(&query, record->kind);
    rky_query_text(&query, record->status);
    rky_query_text(&query, record->trigger);
    rky_query_text(&query, record->worker_id);
    rky_query_text(&query, record->plan_id);
    rky_query_text(&query, record->pipeline);
    rky_query_int(&query, record->started_at_us);
    rky_query_int(&query, record->finished_at_us);
    rky_query_int(&query, record->tables_copied);
    rky_query_int(&query, record->tables_failed);
    rky_query_int(&query, record->rows_copied);
    return rky_query_run(&query, "record a run", err);
}

static void read_run(struct rky_query *query, struct rky_run_record *record)
{
    *record = (struct rky_run_record){
        .run_id = rky_query_get_text(query, 0),
        .job_id = rky_query_get_text(query, 1),
        .kind = rky_query_get_text(query, 2),
        .status = rky_query_get_text(query, 3),
        .trigger = rky_query_get_text(query, 4),
        .worker_id = rky_query_get_text(query, 5),
        .plan_id = rky_query_get_text(query, 6),
        .pipeline = rky_query_get_text(query, 7),
        .started_at_us = rky_query_get_int(query, 8),
        .finished_at_us = rky_query_get_int(query, 9),
        .tables_copied = rky_query_get_int(query, 10),
        .tables_failed = rky_query_get_int(query, 11),
        .rows_copied = rky_query_get_int(query, 12),
    };
}

int rky_ledger_runs(struct rky_ledger *ledger, size_t limit, struct rky_run_record **ret_items,
                    size_t *ret_count, struct rky_error *err)
{
    struct rky_run_record *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_RUNS);
    rky_query_int(&query, (int64_t)limit);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&items, &capacity, count + 1, sizeof(*items), err);
        if (rc == 0)
            read_run(&query, &items[count++]);
    }
    int finish_rc = rky_query_finish(&query, "read the runs", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc != 0) {
        rky_run_records_free(items, count);
        return rc;
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

int rky_ledger_last_run(struct rky_ledger *ledger, const char *pipeline, const char *plan_id,
                        char **ret_run_id, struct rky_error *err)
{
    char *run_id = NULL;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_RUN_LAST);
    rky_query_text(&query, pipeline);
    rky_query_text(&query, plan_id);
    if (rky_query_row(&query))
        run_id = rky_query_get_text(&query, 0);
    int rc = rky_query_finish(&query, "read the last run", err);
    if (rc == 0)
        *ret_run_id = run_id;
    return rc;
}
