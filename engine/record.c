/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record phase: everything that the ledger learns from a run, in one transaction: watermarks,
 * counts, the run, the job with its result (the outbox), the plan's mark. After it a redelivery is
 * answered without any work; before it everything is derived again from the target.
 */
#include "config.h"

#include <string.h>

#include "common/fault.h"
#include "common/mem.h"
#include "engine/run_internal.h"
#include "schemas/json.h"

/* About what one table takes in a result: beyond RKY_RESULT_MAX the full one is not even made. */
enum { MATERIALIZATION_SIZE = 640 };
/* Runs without tables sweep the ledger once in so many; far fewer than one sweep may delete. */
enum { SWEEP_EVERY = 16 };

/* --- what the target says about tables that an earlier attempt finished
 * ------------------------------- */

static int take_from_commit(struct rky_work *work, struct rky_error *err)
{
    const struct rky_commit *commit = work->done;
    work->outcome.rows_copied = commit->rows_copied;
    work->outcome.late_rows = commit->late_rows;
    work->outcome.window_rows = commit->rows_copied - commit->late_rows;
    work->outcome.source_count = commit->source_count;
    int rc = rky_cursor_copy(&work->mark->value, &work->outcome.through, err);
    if (rc == RKY_OK)
        rc = rky_cursor_copy(&work->mark->high_value, &work->outcome.high_value, err);
    return rc;
}

static int finish_works(struct rky_run *run, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < run->work_count; i++) {
        struct rky_work *work = &run->work[i];
        if (work->done != NULL && work->state == RKY_WORK_DONE)
            rc = take_from_commit(work, err);
        if (rc == RKY_OK)
            rc = rky_work_check(run, work, err);
    }
    return rc == RKY_OK ? rky_report_take_warnings(run, err) : rc;
}

/* --- the rows of the ledger
 * ---------------------------------------------------------------------------- */

static char *borrowed(const char *text)
{
    /* Records take char * because they also carry owned text; the ledger only reads them here. */
    return (char *)(uintptr_t)text;
}

static const char *commit_id_now(const struct rky_work *work)
{
    if (work->copied && work->outcome.wrote)
        return work->commit_id;
    return work->mark != NULL ? work->mark->commit_id : NULL;
}

static int record_watermark(struct rky_run *run, const struct rky_work *work, struct rky_error *err)
{
    const char *commit_id = commit_id_now(work);
    if (commit_id == NULL)
        return RKY_OK;
    /* Nothing new and the ledger knows it: thousands of unchanged tables cost no writes. */
    if (work->ledger != NULL && work->ledger->commit_id != NULL &&
        strcmp(work->ledger->commit_id, commit_id) == 0)
        return RKY_OK;
    int64_t updated_at = run->env.clock->wall_us(run->env.clock);
    if (!(work->copied && work->outcome.wrote) && work->mark->updated_at != NULL)
        (void)!rky_time_parse(work->mark->updated_at, &updated_at);
    const struct rky_cursor *value = &work->outcome.through;
    const struct rky_watermark watermark = {
        .table = work->name,
        .cursor_column = borrowed(work->table->settings.timestamp_column),
        .cursor_type = borrowed(rky_cursor_type_name(value->type)),
        .value = value->text,
        .high_value = work->outcome.high_value.text,
        .commit_id = borrowed(commit_id),
        .run_id = borrowed(run->run_id),
        .job_id = run->commit_job_id,
        .source = work->source_name,
        .pipeline = run->env.pipeline->name,
        .updated_at_us = updated_at,
    };
    return rky_ledger_watermark_put(run->env.ledger, &watermark, err);
}

/* An anomaly that is about the level keeps the count out of the baseline; standing still or a
 * small loss does not. */
static bool deviates(const struct rky_work *work)
{
    for (size_t i = 0; i < work->anomaly_count; i++)
        if (work->anomalies[i].kind == RKY_ANOMALY_DROP ||
            work->anomalies[i].kind == RKY_ANOMALY_SPIKE)
            return true;
    return false;
}

static int record_count(struct rky_run *run, const struct rky_work *work, struct rky_error *err)
{
    char *findings = NULL;
    if (work->outcome.source_count < 0 || !work->table->settings.checks->enabled ||
        !work->table->settings.checks->row_count.enabled)
        return RKY_OK;
    if (work->anomaly_count > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < work->anomaly_count; i++)
            (void)json_array_append_new(list, rky_report_anomaly(work, &work->anomalies[i]));
        findings = rky_report_text(list);
        json_decref(list);
        if (findings == NULL)
            return rky_fail_nomem(err);
    }
    int rc =
        rky_ledger_count_add(run->env.ledger, work->name, run->run_id, work->outcome.source_count,
                             run->started_us, deviates(work), findings, err);
    rky_free(findings);
    return rc;
}

static int record_works(struct rky_run *run, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < run->work_count; i++) {
        const struct rky_work *work = &run->work[i];
        if (work->state != RKY_WORK_DONE || work->table == NULL)
            continue;
        rc = record_watermark(run, work, err);
        if (rc == RKY_OK)
            rc = record_count(run, work, err);
        if (rc == RKY_OK && work->copied && work->decision.tombstone_seq > 0 &&
            work->decision.action == RKY_ACTION_FULL_REFRESH)
            rc = rky_ledger_tombstone_sweep(run->env.ledger, work->name,
                                            work->decision.tombstone_seq, err);
    }
    return rc;
}

static int record_run(struct rky_run *run, const json_t *result, struct rky_error *err)
{
    const struct rky_run_record record = {
        .run_id = run->run_id,
        .job_id = run->job->job_id[0] != '\0' ? borrowed(run->job->job_id) : NULL,
        .kind = borrowed(rky_job_type_name(run->job->type)),
        .status = run->status,
        .trigger = borrowed(run->env.trigger),
        .worker_id = borrowed(run->env.worker_id),
        .plan_id = run->job->type == RKY_JOB_RUN || run->plan_id[0] == '\0' ? NULL : run->plan_id,
        .pipeline = run->env.pipeline->name,
        .started_at_us = run->started_us,
        .finished_at_us = run->env.clock->wall_us(run->env.clock),
        .tables_copied = json_integer_value(json_object_get(result, "tables_copied")),
        .tables_failed = json_integer_value(json_object_get(result, "tables_failed")),
        .rows_copied = json_integer_value(json_object_get(result, "rows_copied")),
    };
    return rky_ledger_run_put(run->env.ledger, &record, err);
}

static int record_plan(struct rky_run *run, struct rky_error *err)
{
    struct rky_plan_record record = {
        .pipeline = run->env.pipeline->name,
        .payload = run->plan_payload,
        .display = run->plan_json,
        .created_at_us = run->started_us,
        .expires_at_us = run->started_us + run->job->expires_seconds * 1000000,
    };
    (void)snprintf(record.plan_id, sizeof(record.plan_id), "%s", run->plan_id);
    return rky_ledger_plan_put(run->env.ledger, &record, err);
}

static int record_job(struct rky_run *run, struct rky_error *err)
{
    char params[RKY_SHA256_HEX];
    if (run->job->job_id[0] == '\0' && run->job->idempotency_key == NULL)
        return RKY_OK;
    int rc = rky_run_params_digest(run, params, err);
    if (rc != RKY_OK)
        return rc;
    const struct rky_job_record record = {
        .job_id = run->job->job_id[0] != '\0' ? borrowed(run->job->job_id) : run->run_id,
        .type = borrowed(rky_job_type_name(run->job->type)),
        .body_sha256 = borrowed(run->job->body_sha256),
        .params_sha256 = params,
        .idempotency_key = run->job->idempotency_key,
        .status = run->status,
        .result = run->result,
        .events = run->events,
        .finished_at_us = run->env.clock->wall_us(run->env.clock),
    };
    return rky_ledger_job_put(run->env.ledger, &record, err);
}

/* --- the transaction
 * ----------------------------------------------------------------------------------- */

/* A refused plan is no run: recording one would make other plans stale. */
static bool is_a_run(const struct rky_error *failure)
{
    return failure == NULL || failure->code != RKY_ERR_REFUSED;
}

static bool is_plan_used_up(const struct rky_run *run)
{
    return run->job->type == RKY_JOB_APPLY &&
           (strcmp(run->status, "success") == 0 || strcmp(run->status, "partial") == 0);
}

static int write_all(struct rky_run *run, const json_t *result, const struct rky_error *failure,
                     struct rky_error *err)
{
    struct rky_ledger *ledger = run->env.ledger;
    const struct rky_state_config *state = &run->env.config->state;
    const struct rky_retention retention = {.jobs = state->retention_jobs,
                                            .jobs_days = state->retention_jobs_days,
                                            .history = state->retention_history};
    int64_t generation = 0;
    int64_t now_us = run->env.clock->wall_us(run->env.clock);
    int rc = RKY_OK;
    if (run->meta.lineage[0] != '\0')
        rc = rky_ledger_set_lineage(ledger, run->meta.lineage, err);
    if (rc == RKY_OK && run->claim_token > 0)
        rc = rky_ledger_raise_fence(ledger, run->claim_token, err);
    if (rc == RKY_OK)
        rc = record_works(run, err);
    if (rc == RKY_OK && is_a_run(failure))
        rc = record_run(run, result, err);
    if (rc == RKY_OK && run->plan_json != NULL)
        rc = record_plan(run, err);
    if (rc == RKY_OK && is_plan_used_up(run))
        rc = rky_ledger_plan_applied(ledger, run->job->plan_id, run->run_id, now_us, err);
    /* A run without tables adds a job and a run: it need not look each time what is due. */
    if (rc == RKY_OK && (run->work_count > 0 || run->meta.generation % SWEEP_EVERY == 0))
        rc = rky_ledger_sweep(ledger, &retention, now_us, err);
    if (rc == RKY_OK)
        rc = rky_ledger_bump(ledger, &generation, err);
    /* After the bump: the events name the write that carries them. */
    if (rc == RKY_OK && run->state.remote)
        rc = rky_run_promise_upload(run, err);
    if (rc == RKY_OK)
        rc = record_job(run, err);
    return rc;
}

/* --- what the run amounts to
 * ---------------------------------------------------------------------------- */

static int exit_code_of(const struct rky_run *run, const struct rky_error *failure)
{
    enum rky_exit code = RKY_EXIT_OK;
    if (strcmp(run->status, "partial") == 0)
        code = RKY_EXIT_PARTIAL;
    else if (strcmp(run->status, "success") != 0)
        /* A target that is held is a failed run; "refused" is for a state that is held. */
        code = failure != NULL && failure->code != RKY_ERR_LOCKED ? rky_exit_of_error(failure->code)
                                                                  : RKY_EXIT_FAILED;
    for (size_t i = 0; i < run->work_count; i++) {
        const struct rky_work *work = &run->work[i];
        bool gated = work->anomaly_count > 0 && work->table != NULL &&
                     work->table->settings.checks->anomaly_gate;
        if (work->check_failed || gated)
            code = rky_exit_graver(code, RKY_EXIT_GATE);
    }
    return (int)code;
}

/* The result says the generation that this very transaction makes. */
static int compose(struct rky_run *run, const struct rky_error *failure, json_t **ret_result,
                   struct rky_error *err)
{
    bool large = run->work_count > RKY_RESULT_MAX / MATERIALIZATION_SIZE;
    json_t *result = rky_report_result(run, failure, run->meta.generation + 1, large);
    char *text = result != NULL ? rky_json_text(result, JSON_COMPACT) : NULL;
    if (text != NULL && !large && strlen(text) > RKY_RESULT_MAX) {
        rky_free(text);
        json_decref(result);
        result = rky_report_result(run, failure, run->meta.generation + 1, true);
        text = result != NULL ? rky_json_text(result, JSON_COMPACT) : NULL;
    }
    json_t *events = rky_report_events(run);
    char *events_text = events != NULL ? rky_json_text(events, JSON_COMPACT) : NULL;
    json_decref(events);
    const char *status = json_string_value(json_object_get(result, "status"));
    run->result = text;
    run->status = status != NULL ? rky_strdup(status) : NULL;
    if (run->plan_display != NULL)
        run->plan_json = rky_json_text(run->plan_display, JSON_COMPACT);
    if (text == NULL || run->status == NULL || events_text == NULL ||
        (run->plan_display != NULL && run->plan_json == NULL)) {
        rky_free(events_text);
        json_decref(result);
        return rky_fail_nomem(err);
    }
    rky_free(run->events);
    run->events = events_text;
    run->exit_code = exit_code_of(run, failure);
    *ret_result = result;
    return RKY_OK;
}

int rky_record_compose(struct rky_run *run, const struct rky_error *failure, struct rky_error *err)
{
    json_t *result = NULL;
    int rc = compose(run, failure, &result, err);
    json_decref(result);
    return rc;
}

static void drop_composed(struct rky_run *run)
{
    rky_free(run->result);
    rky_free(run->status);
    rky_free(run->plan_json);
    run->result = NULL;
    run->status = NULL;
    run->plan_json = NULL;
}

int rky_run_record(struct rky_run *run, const struct rky_error *failure, struct rky_error *err)
{
    json_t *result = NULL;
    int rc = RKY_OK;
    if (run->meta.namespace_[0] == '\0')
        rc = rky_ledger_meta(run->env.ledger, &run->meta, err);
    if (rc == RKY_OK)
        rc = finish_works(run, err);
    if (rc == RKY_OK)
        rc = compose(run, failure, &result, err);
    if (rc == RKY_OK)
        rc = rky_ledger_begin(run->env.ledger, err);
    if (rc == RKY_OK) {
        rc = write_all(run, result, failure, err);
        rky_fault_point("record.before_commit");
        if (rc == RKY_OK)
            rc = rky_ledger_commit(run->env.ledger, err);
        if (rc != RKY_OK)
            rky_ledger_rollback(run->env.ledger);
        rky_fault_point("record.after_commit");
    }
    if (rc != RKY_OK)
        drop_composed(run);
    json_decref(result);
    return rc;
}
