/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run has to do with the remote copy of its state: the promise of the upload in what it
 * records, and putting that right when the upload ends otherwise. A result is only ever rewritten
 * before anybody has seen it.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"
#include "schemas/json.h"

void rky_run_set_state(struct rky_run *run, const struct rky_run_state *state)
{
    run->state = *state;
    run->env.ledger = state->ledger;
}

bool rky_run_is_foreign(const struct rky_run *run)
{
    return run->foreign;
}

const _Atomic bool *rky_run_stop_flag(const struct rky_run *run)
{
    return &run->interrupt_now;
}

const char *const *rky_run_own_tables(struct rky_run *run)
{
    size_t count = 0;
    if (run->own == NULL)
        run->own = rky_calloc(run->work_count + 1, sizeof(*run->own));
    for (size_t i = 0; run->own != NULL && i < run->work_count; i++)
        if (run->work[i].state == RKY_WORK_DONE && run->work[i].table != NULL)
            run->own[count++] = run->work[i].name;
    return run->own;
}

json_t *rky_run_transfer_event(const struct rky_run *run, const struct rky_transfer_report *report)
{
    return rky_report_transfer(run, report);
}

/* --- events -------------------------------------------------------------------------------------
 */

static bool is_upload(const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    return type != NULL && strcmp(type, "state.upload") == 0;
}

/* Replace the upload's event in run->events, or append it. Takes @p event. */
static int set_upload_event(struct rky_run *run, json_t *event, struct rky_error *err)
{
    json_t *events = json_loads(run->events, 0, NULL);
    bool good = json_is_array(events) && event != NULL;
    for (size_t i = good ? json_array_size(events) : 0; i > 0; i--)
        if (is_upload(json_array_get(events, i - 1)))
            (void)json_array_remove(events, i - 1);
    good = good && json_array_append(events, event) == 0;
    char *text = good ? rky_json_text(events, JSON_COMPACT) : NULL;
    json_decref(events);
    json_decref(event);
    if (text == NULL)
        return rky_fail_nomem(err);
    rky_free(run->events);
    run->events = text;
    return RKY_OK;
}

int rky_run_promise_upload(struct rky_run *run, struct rky_error *err)
{
    struct rky_ledger_meta meta;
    int rc = rky_ledger_meta(run->env.ledger, &meta, err);
    if (rc != RKY_OK)
        return rc;
    struct rky_transfer_report report = {
        .kind = RKY_TRANSFER_UPLOAD,
        .outcome = RKY_OUTCOME_OK,
        .cause = RKY_OUTCOME_NONE,
        .backend = rky_backend_name(run->env.config->state.backend),
        .worker_id = run->env.worker_id,
        .bytes = -1,
        .raw_bytes = -1,
        .retries = -1,
        .duration_ms = -1,
        .generation = meta.generation,
        .fence = meta.fence,
        .budget_left = -1,
        .recovered = true,
        .at_us = run->env.clock->wall_us(run->env.clock),
    };
    (void)snprintf(report.namespace_, sizeof(report.namespace_), "%s", run->job->namespace_);
    (void)snprintf(report.job_id, sizeof(report.job_id), "%s", run->job->job_id);
    (void)snprintf(report.run_id, sizeof(report.run_id), "%s", run->run_id);
    (void)snprintf(report.write_id, sizeof(report.write_id), "%s", meta.write_id);
    return set_upload_event(run, rky_report_transfer(run, &report), err);
}

/* --- the recorded result ------------------------------------------------------------------------
 */

static const char *record_id(const struct rky_run *run)
{
    return run->job->job_id[0] != '\0' ? run->job->job_id : run->run_id;
}

/* A run without id and key has no job record: then only what is printed changes. */
static int rewrite(struct rky_run *run, struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_error missing = {0};
    int rc = rky_ledger_job_rewrite(ledger, record_id(run), run->status, run->result, run->events,
                                    &missing);
    if (rc == RKY_ERR_NOT_FOUND)
        return RKY_OK;
    if (rc != RKY_OK && err != NULL)
        *err = missing;
    return rc;
}

static int store_result(struct rky_run *run, json_t *result, struct rky_error *err)
{
    const char *status = json_string_value(json_object_get(result, "status"));
    char *text = rky_json_text(result, JSON_COMPACT);
    char *copy = status != NULL ? rky_strdup(status) : NULL;
    if (text == NULL || copy == NULL) {
        rky_free(text);
        rky_free(copy);
        return rky_fail_nomem(err);
    }
    rky_free(run->result);
    rky_free(run->status);
    run->result = text;
    run->status = copy;
    return RKY_OK;
}

static void set_state_field(json_t *result, const char *name, json_t *value)
{
    json_t *state = json_object_get(result, "state");
    if (json_is_object(state))
        (void)json_object_set_new(state, name, value);
    else
        json_decref(value);
}

int rky_run_renumbered(struct rky_run *run, struct rky_ledger *ledger, int64_t generation,
                       struct rky_error *err)
{
    if (run->answered || run->result == NULL)
        return RKY_OK;
    json_t *result = json_loads(run->result, 0, NULL);
    if (result == NULL)
        return rky_fail_nomem(err);
    /* What we counted on alone was never anybody's generation. */
    set_state_field(result, "generation_before", json_integer(generation - 1));
    set_state_field(result, "generation_after", json_integer(generation));
    set_state_field(result, "upload",
                    json_pack("{s:s, s:I}", "outcome", rky_outcome_name(RKY_OUTCOME_OK),
                              "generation", (json_int_t)generation));
    run->env.ledger = ledger;
    run->state.ledger = ledger;
    int rc = store_result(run, result, err);
    if (rc == RKY_OK)
        rc = rky_run_promise_upload(run, err);
    if (rc == RKY_OK)
        rc = rewrite(run, ledger, err);
    json_decref(result);
    return rc;
}

/* Whoever was beaten by another writer is told so; everything else is the transfer's failure. */
static bool is_about_others(int code)
{
    return code == RKY_ERR_CONFLICT || code == RKY_ERR_FENCED;
}

static int add_failure(struct rky_run *run, json_t *result,
                       const struct rky_transfer_report *report, const struct rky_error *failure)
{
    int kind = is_about_others(failure->code) ? failure->code : RKY_ERR_STATE_SYNC;
    enum rky_outcome outcome = report->cause != RKY_OUTCOME_NONE ? report->cause : report->outcome;
    json_t *errors = json_object_get(result, "errors");
    json_t *entry = rky_report_error(NULL, rky_failure_kind(kind), failure);
    (void)json_object_set_new(entry, "error_class",
                              json_string(rky_outcome_error_class(outcome, report->error_class)));
    (void)json_object_set_new(result, "status", json_string("failed"));
    (void)json_object_set_new(result, "error",
                              json_pack("{s:s, s:s, s:s}", "code", rky_err_name(failure->code),
                                        "message", failure->message, "hint", failure->hint));
    run->exit_code = kind == RKY_ERR_STATE_SYNC ? RKY_EXIT_FAILED : (int)rky_exit_of_error(kind);
    return json_array_append_new(errors, entry);
}

int rky_run_upload_ended(struct rky_run *run, const struct rky_transfer_report *report,
                         const struct rky_error *failure, struct rky_error *err)
{
    struct rky_ledger *ledger = run->env.ledger;
    int64_t generation = 0;
    json_t *result = run->result != NULL ? json_loads(run->result, 0, NULL) : NULL;
    if (result == NULL)
        return rky_fail_nomem(err);
    set_state_field(result, "upload", rky_transfer_report_json(report));
    set_state_field(result, "generation_after", json_null());
    if (failure != NULL)
        (void)add_failure(run, result, report, failure);
    int rc = store_result(run, result, err);
    json_decref(result);
    if (rc == RKY_OK)
        rc = set_upload_event(run, rky_report_transfer(run, report), err);
    if (rc == RKY_OK)
        rc = rky_ledger_begin(ledger, err);
    if (rc != RKY_OK)
        return rc;
    rc = rewrite(run, ledger, err);
    if (rc == RKY_OK)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == RKY_OK)
        rc = rky_ledger_commit(ledger, err);
    if (rc != RKY_OK)
        rky_ledger_rollback(ledger);
    return rc;
}

int64_t rky_run_promised_generation(const struct rky_run *run)
{
    json_t *result = run->result != NULL ? json_loads(run->result, 0, NULL) : NULL;
    const json_t *upload = json_object_get(json_object_get(result, "state"), "upload");
    const char *outcome = json_string_value(json_object_get(upload, "outcome"));
    int64_t generation = -1;
    if (outcome != NULL && strcmp(outcome, rky_outcome_name(RKY_OUTCOME_OK)) == 0)
        generation = json_integer_value(json_object_get(upload, "generation"));
    json_decref(result);
    return generation;
}

int rky_run_give_up(struct rky_run *run, const struct rky_transfer_report *report,
                    const struct rky_error *failure, struct rky_error *err)
{
    run->state.download = report;
    int rc = rky_record_compose(run, failure, err);
    json_t *result = rc == RKY_OK ? json_loads(run->result, 0, NULL) : NULL;
    if (rc != RKY_OK || result == NULL)
        return rc != RKY_OK ? rc : rky_fail_nomem(err);
    set_state_field(result, "generation_before", json_null());
    set_state_field(result, "generation_after", json_null());
    set_state_field(result, "upload", json_null());
    json_t *errors = json_object_get(result, "errors");
    (void)json_array_clear(errors);
    (void)add_failure(run, result, report, failure);
    rc = store_result(run, result, err);
    /* A store that says it is busy fails the run like one that does not answer. */
    run->exit_code = failure->code == RKY_ERR_UNAVAILABLE ? RKY_EXIT_FAILED
                                                          : (int)rky_exit_of_error(failure->code);
    json_decref(result);
    return rc;
}

char *rky_run_final_result(const struct rky_run *run, const struct rky_transfer_report *download,
                           const struct rky_transfer_report *upload)
{
    json_t *result = run->result != NULL ? json_loads(run->result, 0, NULL) : NULL;
    if (result == NULL)
        return NULL;
    if (download != NULL)
        set_state_field(result, "download", rky_transfer_report_json(download));
    if (upload != NULL)
        set_state_field(result, "upload", rky_transfer_report_json(upload));
    char *text = rky_json_text(result, JSON_COMPACT);
    json_decref(result);
    return text;
}
