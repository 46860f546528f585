/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished jobs, each with the result it ended with: the outbox. A job that is delivered again is
 * answered from here, byte for byte, so a record is written once and never changed.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include "common/mem.h"

void rky_job_record_done(struct rky_job_record *record)
{
    rky_free(record->job_id);
    rky_free(record->type);
    rky_free(record->body_sha256);
    rky_free(record->params_sha256);
    rky_free(record->idempotency_key);
    rky_free(record->status);
    rky_free(record->result);
    rky_free(record->events);
    rky_free(record->duplicate_of);
    *record = (struct rky_job_record){.job_id = NULL};
}

/* Take the one row that @p query may have. */
static int finish_job(struct rky_query *query, struct rky_job_record *ret_record,
                      struct rky_error *err)
{
    struct rky_job_record record = {.job_id = NULL};
    bool found = rky_query_row(query);
    if (found)
        record = (struct rky_job_record){
            .job_id = rky_query_get_text(query, 0),
            .type = rky_query_get_text(query, 1),
            .body_sha256 = rky_query_get_text(query, 2),
            .params_sha256 = rky_query_get_text(query, 3),
            .idempotency_key = rky_query_get_text(query, 4),
            .status = rky_query_get_text(query, 5),
            .result = rky_query_get_text(query, 6),
            .events = rky_query_get_text(query, 7),
            .duplicate_of = rky_query_get_text(query, 8),
            .finished_at_us = rky_query_get_int(query, 9),
        };
    int rc = rky_query_finish(query, "look up a job", err);
    if (rc == 0 && !found)
        rc = RKY_ERR_NOT_FOUND;
    if (rc == 0)
        *ret_record = record;
    else
        rky_job_record_done(&record);
    return rc;
}

int rky_ledger_job_get(struct rky_ledger *ledger, const char *job_id,
                       struct rky_job_record *ret_record, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_JOB_GET);
    rky_query_text(&query, job_id);
    return finish_job(&query, ret_record, err);
}

int rky_ledger_job_by_key(struct rky_ledger *ledger, const char *type, const char *idempotency_key,
                          struct rky_job_record *ret_record, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_JOB_BY_KEY);
    rky_query_text(&query, type);
    rky_query_text(&query, idempotency_key);
    return finish_job(&query, ret_record, err);
}

int rky_ledger_job_put(struct rky_ledger *ledger, const struct rky_job_record *record,
                       struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_JOB_PUT);
    rky_query_text(&query, record->job_id);
    rky_query_text(&query, record->type);
    rky_query_text(&query, record->body_sha256);
    rky_query_text(&query, record->params_sha256);
    rky_query_text(&query, record->idempotency_key);
    rky_query_text(&query, record->status);
    rky_query_text(&query, record->result);
    rky_query_text(&query, record->events);
    rky_query_text(&query, record->duplicate_of);
    rky_query_int(&query, record->finished_at_us);
    int rc = rky_query_run(&query, "record a job", err);
    if (rc == 0 && sqlite3_changes64(ledger->db) == 0)
        rc = rky_fail(err, RKY_ERR_CONFLICT,
                      "job '%s' is already recorded in state file '%s', its result stays",
                      record->job_id, ledger->path);
    return rc;
}

int rky_ledger_job_rewrite(struct rky_ledger *ledger, const char *job_id, const char *status,
                           const char *result_json, const char *events_json, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_JOB_REWRITE);
    rky_query_text(&query, job_id);
    rky_query_text(&query, status);
    rky_query_text(&query, result_json);
    rky_query_text(&query, events_json);
    int rc = rky_query_run(&query, "put a job's result right", err);
    if (rc == 0 && sqlite3_changes64(ledger->db) == 0)
        rc = rky_fail(err, RKY_ERR_NOT_FOUND, "job '%s' is not recorded in state file '%s'", job_id,
                      ledger->path);
    return rc;
}
