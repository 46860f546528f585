/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run object: made, answered from the ledger, asked for its result, interrupted. The phases
 * stand in prepare.c, claim.c, tables.c and record.c.
 */
#include "config.h"

#include <stdatomic.h>
#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"
#include "schemas/json.h"

int rky_run_new(const struct rky_run_env *env, const struct rky_job *job, struct rky_run **ret_run,
                struct rky_error *err)
{
    struct rky_run *run = rky_calloc(1, sizeof(*run));
    if (run == NULL)
        return rky_fail_nomem(err);
    RKY_ASSERT(pthread_mutex_init(&run->mutex, NULL) == 0);
    run->env = *env;
    run->job = job;
    run->filter = job->filter;
    run->full_refresh = job->full_refresh;
    run->started_us = env->clock->wall_us(env->clock);
    run->started_mono_ms = env->clock->mono_ms(env->clock);
    rky_uuid_v7(env->clock, run->run_id);
    /* A run of the command line without a job id commits under its run id. */
    run->commit_job_id = rky_strdup(job->job_id[0] != '\0' ? job->job_id : run->run_id);
    run->events = rky_strdup("[]");
    if (run->commit_job_id == NULL || run->events == NULL) {
        rky_run_free(run);
        return rky_fail_nomem(err);
    }
    *ret_run = run;
    return RKY_OK;
}

static void work_done(struct rky_work *work)
{
    rky_free(work->name);
    rky_free(work->source_name);
    rky_free(work->error);
    rky_free(work->anomalies);
    rky_free((void *)work->added_columns);
    json_decref(work->drift_actions);
    json_decref(work->warnings);
    json_decref(work->checks);
    rky_statements_free(work->statements, work->statement_count);
    rky_copy_outcome_done(&work->outcome);
}

void rky_run_free(struct rky_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; i < run->work_count; i++)
        work_done(&run->work[i]);
    rky_free(run->work);
    for (size_t i = 0; i < run->target_count; i++) {
        rky_target_close(run, &run->targets[i]);
        rky_target_forget(&run->targets[i]);
        rky_free(run->targets[i].catalog);
        rky_free(run->targets[i].schema);
    }
    rky_free(run->targets);
    rky_discovery_done(&run->discovery);
    rky_watermarks_free(run->watermarks, run->watermark_count);
    rky_filter_done(&run->plan_filter);
    if (run->own_target)
        run->target->ops->close(run->target);
    if (run->source != NULL)
        run->source->ops->close(run->source);
    json_decref(run->plan_display);
    json_decref(run->plan_differences);
    json_decref(run->warnings);
    rky_free(run->plan_payload);
    rky_free(run->loaded_payload);
    rky_free(run->commit_job_id);
    rky_free(run->status);
    rky_free(run->result);
    rky_free(run->events);
    rky_free(run->plan_json);
    rky_free((void *)run->own);
    (void)pthread_mutex_destroy(&run->mutex);
    rky_free(run);
}

/* --- lookup
 * ------------------------------------------------------------------------------------------ */

/* What was asked for, without the ids that differ between two requests for the same thing. */
int rky_run_params_digest(const struct rky_run *run, char ret_hex[RKY_SHA256_HEX],
                          struct rky_error *err)
{
    const struct rky_job *job = run->job;
    json_t *params =
        json_pack("{s:s, s:s, s:s, s:b, s:I}", "type", rky_job_type_name(job->type), "pipeline",
                  run->env.pipeline->name, "plan_id", job->plan_id, "full_refresh",
                  job->full_refresh, "expires_seconds", (json_int_t)job->expires_seconds);
    for (size_t i = 0; params != NULL && i < job->filter.count; i++) {
        char *name = rky_asprintf("filter.%s", job->filter.terms[i].name);
        if (name != NULL)
            (void)json_object_set_new(params, name, json_string(job->filter.terms[i].value));
        rky_free(name);
    }
    char *text = params != NULL ? rky_report_text(params) : NULL;
    json_decref(params);
    if (text == NULL)
        return rky_fail_nomem(err);
    rky_sha256_hex(text, strlen(text), ret_hex);
    rky_free(text);
    return RKY_OK;
}

static int exit_code_of_result(const char *text)
{
    json_t *result = json_loads(text, 0, NULL);
    const char *status = json_string_value(json_object_get(result, "status"));
    int code = RKY_EXIT_FAILED;
    if (status == NULL)
        code = RKY_EXIT_FAILED;
    else if (strcmp(status, "success") == 0 || strcmp(status, "skipped") == 0)
        code = RKY_EXIT_OK;
    else if (strcmp(status, "partial") == 0)
        code = RKY_EXIT_PARTIAL;
    else if (strcmp(status, "cancelled") == 0)
        code = RKY_EXIT_CANCELLED;
    json_decref(result);
    return code;
}

/* The same job again: its recorded result, byte for byte. Takes the record's texts. */
static int answer_recorded(struct rky_run *run, struct rky_job_record *record,
                           struct rky_error *err)
{
    const char *body = run->job->body_sha256;
    if (body[0] != '\0' && record->body_sha256[0] != '\0' &&
        strcmp(body, record->body_sha256) != 0) {
        int rc = rky_fail(err, RKY_ERR_DECODE, "job id '%s' was used before with another body",
                          run->job->job_id);
        rky_error_hint(err, "give every job an id of its own");
        return rc;
    }
    rky_free(run->events);
    run->result = record->result;
    run->events = record->events;
    run->status = record->status;
    record->result = NULL;
    record->events = NULL;
    record->status = NULL;
    run->exit_code = exit_code_of_result(run->result);
    run->answered = true;
    return RKY_OK;
}

static int record_skipped(struct rky_run *run, const char *first_job_id, const char *params,
                          struct rky_error *err)
{
    struct rky_job_record record = {
        .job_id = run->commit_job_id,
        .type = (char *)(uintptr_t)rky_job_type_name(run->job->type),
        .body_sha256 = (char *)(uintptr_t)run->job->body_sha256,
        .params_sha256 = (char *)(uintptr_t)params,
        .idempotency_key = run->job->idempotency_key,
        .status = run->status,
        .result = run->result,
        .events = run->events,
        .duplicate_of = (char *)(uintptr_t)first_job_id,
        .finished_at_us = run->env.clock->wall_us(run->env.clock),
    };
    int64_t generation = 0;
    int rc = rky_ledger_begin(run->env.ledger, err);
    if (rc == RKY_OK)
        rc = rky_ledger_job_put(run->env.ledger, &record, err);
    if (rc == RKY_OK)
        rc = rky_ledger_bump(run->env.ledger, &generation, err);
    if (rc == RKY_OK)
        rc = rky_ledger_commit(run->env.ledger, err);
    if (rc != RKY_OK)
        rky_ledger_rollback(run->env.ledger);
    return rc;
}

/* Another job did this already: its figures under our id, recorded so that ours is answered alike
 * from now on. */
static int answer_duplicate(struct rky_run *run, const struct rky_job_record *first,
                            struct rky_error *err)
{
    char params[RKY_SHA256_HEX];
    int rc = rky_run_params_digest(run, params, err);
    if (rc != RKY_OK)
        return rc;
    const char *executor = first->duplicate_of != NULL ? first->duplicate_of : first->job_id;
    bool differs = first->params_sha256 != NULL && strcmp(first->params_sha256, params) != 0;
    json_t *skipped = rky_report_skipped(run, first->result, executor, differs);
    run->result = skipped != NULL ? rky_json_text(skipped, JSON_COMPACT) : NULL;
    run->status = rky_strdup("skipped");
    json_decref(skipped);
    if (run->result == NULL || run->status == NULL)
        return rky_fail_nomem(err);
    run->exit_code = RKY_EXIT_OK;
    run->answered = true;
    return record_skipped(run, executor, params, err);
}

int rky_run_recall(struct rky_run *run, struct rky_error *err)
{
    struct rky_job_record record = {0};
    if (run->job->job_id[0] == '\0')
        return RKY_OK;
    int rc = rky_ledger_job_get(run->env.ledger, run->job->job_id, &record, err);
    if (rc == RKY_OK)
        rc = answer_recorded(run, &record, err);
    rky_job_record_done(&record);
    return rc == RKY_ERR_NOT_FOUND ? RKY_OK : rc;
}

int rky_run_adopt_recorded(struct rky_run *run, struct rky_error *err)
{
    rky_free(run->result);
    rky_free(run->status);
    run->result = NULL;
    run->status = NULL;
    int rc = rky_run_recall(run, err);
    if (rc == RKY_OK && !run->answered)
        return rky_fail(err, RKY_ERR_BUG, "job '%s' is not in the state that recorded it",
                        run->job->job_id);
    return rc;
}

int rky_run_lookup(struct rky_run *run, struct rky_error *err)
{
    struct rky_job_record record = {0};
    int rc = rky_run_recall(run, err);
    if (rc != RKY_OK || run->answered)
        return rc;
    rc = RKY_ERR_NOT_FOUND;
    if (run->job->idempotency_key != NULL) {
        rc = rky_ledger_job_by_key(run->env.ledger, rky_job_type_name(run->job->type),
                                   run->job->idempotency_key, &record, err);
        if (rc == RKY_OK) {
            rc = answer_duplicate(run, &record, err);
            rky_job_record_done(&record);
            return rc;
        }
    }
    return rc == RKY_ERR_NOT_FOUND ? RKY_OK : rc;
}

/* --- interrupt
 * ----------------------------------------------------------------------------------------- */

void rky_run_interrupt(struct rky_run *run, int code, bool now)
{
    int expected = RKY_OK;
    (void)atomic_compare_exchange_strong(&run->interrupt_code, &expected, code);
    if (!now)
        return;
    pthread_mutex_lock(&run->mutex);
    run->interrupt_now = true;
    for (size_t i = 0; i < run->target_count; i++)
        if (run->targets[i].session != NULL)
            run->target->ops->session_interrupt(run->targets[i].session);
    pthread_mutex_unlock(&run->mutex);
}

/* --- accessors
 * ----------------------------------------------------------------------------------------- */

bool rky_run_answered(const struct rky_run *run)
{
    return run->answered;
}

const char *rky_run_result(const struct rky_run *run)
{
    return run->result;
}

const char *rky_run_plan_json(const struct rky_run *run)
{
    return run->plan_json;
}

const char *rky_run_events(const struct rky_run *run)
{
    return run->events;
}

const char *rky_run_status(const struct rky_run *run)
{
    return run->status;
}

enum rky_exit rky_run_exit_code(const struct rky_run *run)
{
    return (enum rky_exit)run->exit_code;
}

const char *rky_run_id(const struct rky_run *run)
{
    return run->run_id;
}
