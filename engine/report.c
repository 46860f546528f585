/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a run as JSON: the one object that `rocky run --output json` prints, that the
 * ledger keeps and that `job.result` carries. Reads the run, changes nothing.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"
#include "schemas/json.h"

/* Beyond this many entries per list even a truncated result stops naming tables. */
enum { TRUNCATED_LIST_MAX = 200 };

const char *rky_failure_kind(int code)
{
    switch ((enum rky_err)code) {
    case RKY_ERR_CONNECTION:
    case RKY_ERR_UNAVAILABLE:
        return "connection-failed";
    case RKY_ERR_AUTH:
        return "auth-failed";
    case RKY_ERR_QUERY:
        return "query-rejected";
    case RKY_ERR_IO:
        return "transient";
    case RKY_ERR_QUOTA:
    case RKY_ERR_NOMEM:
        return "quota-exceeded";
    case RKY_ERR_NOT_FOUND:
        return "not-found";
    case RKY_ERR_SCHEMA_DRIFT:
        return "schema-drift";
    case RKY_ERR_FENCED:
        return "fenced";
    case RKY_ERR_TIMEOUT:
        return "timeout";
    case RKY_ERR_STATE_SYNC:
        return "state-sync";
    case RKY_ERR_SOURCE_MISSING:
        return "source-missing";
    case RKY_ERR_CONFIG:
    case RKY_ERR_USAGE:
    case RKY_ERR_UNSUPPORTED:
        return "config";
    case RKY_ERR_STATE_FILE:
        return "state-file";
    case RKY_ERR_LOCKED:
        return "locked";
    case RKY_ERR_CONFLICT:
    case RKY_ERR_REFUSED:
        return "conflict";
    case RKY_OK:
    case RKY_ERR_DECODE:
    case RKY_ERR_INTERRUPTED:
    case RKY_ERR_CANCELLED:
    case RKY_ERR_BUG:
        break;
    }
    return "unknown";
}

int rky_warn(json_t **warnings, struct rky_error *err, const char *code, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (*warnings == NULL)
        *warnings = json_array();
    json_t *entry = json_pack("{s:s, s:s}", "code", code, "message", message);
    if (*warnings == NULL || entry == NULL || json_array_append_new(*warnings, entry) != 0)
        return rky_fail_nomem(err);
    return RKY_OK;
}

char *rky_report_text(const json_t *value)
{
    return rky_json_text(value, JSON_COMPACT | JSON_SORT_KEYS);
}

static json_t *list_or_empty(json_t *list)
{
    return list != NULL ? json_incref(list) : json_array();
}

/* --- tables
 * ---------------------------------------------------------------------------------------- */

static int add_copy_warnings(struct rky_work *work, struct rky_error *err)
{
    for (size_t i = 0; i < work->outcome.warning_count; i++)
        if (rky_warn(&work->warnings, err, work->outcome.warnings[i].code, "%s",
                     work->outcome.warnings[i].message) != RKY_OK)
            return RKY_ERR_NOMEM;
    return RKY_OK;
}

/* Windows are cut where the engine sorts a value, whatever the time it spells. */
static int warn_about_spelling(struct rky_work *work, struct rky_error *err)
{
    const struct rky_cursor *through = &work->outcome.through;
    if (work->decision.action == RKY_ACTION_FULL_REFRESH || work->mark == NULL ||
        rky_cursor_sorts_by_time(&work->mark->value, through))
        return RKY_OK;
    return rky_warn(&work->warnings, err, "cursor-spelling",
                    "the watermark went from '%s' to '%s': values that are spelt in different ways "
                    "sort as text, not by time, and a row that sorts behind the watermark is not "
                    "copied; write them in one way, or set lookback_seconds",
                    work->mark->value.text, through->text);
}

int rky_report_take_warnings(struct rky_run *run, struct rky_error *err)
{
    for (size_t i = 0; i < run->work_count; i++)
        if (add_copy_warnings(&run->work[i], err) != RKY_OK ||
            warn_about_spelling(&run->work[i], err) != RKY_OK)
            return RKY_ERR_NOMEM;
    return RKY_OK;
}

static const char *window_after(const struct rky_work *work)
{
    if (work->done != NULL)
        return work->done->window_after;
    if (work->decision.action == RKY_ACTION_FULL_REFRESH || work->mark == NULL)
        return NULL;
    return work->mark->value.text;
}

const char *rky_report_action(const char *action)
{
    return strcmp(action, rky_action_name(RKY_ACTION_ADOPT)) == 0
               ? rky_action_name(RKY_ACTION_INCREMENTAL)
               : action;
}

json_t *rky_report_materialization(const struct rky_work *work)
{
    const struct rky_copy_outcome *outcome = &work->outcome;
    const char *through = work->done != NULL ? work->done->window_through : outcome->through.text;
    const char *action =
        work->done != NULL ? work->done->action : rky_action_name(work->decision.action);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s?, s:s?}, s:I, s:I, s:s?, s:I, s:b, s:o}", "table", work->name,
        "source", work->source_name, "strategy", rky_strategy_name(work->table->settings.strategy),
        "action", rky_report_action(action), "window", "after", window_after(work), "through",
        through, "rows_copied", (json_int_t)outcome->rows_copied, "late_rows",
        (json_int_t)outcome->late_rows, "watermark", outcome->through.text, "duration_ms",
        (json_int_t)work->duration_ms, "reconciled",
        work->done != NULL || work->decision.reconciled, "warnings", list_or_empty(work->warnings));
}

json_t *rky_report_anomaly(const struct rky_work *work, const struct rky_anomaly *anomaly)
{
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:s}", "table", work->name, "kind",
                     rky_anomaly_name(anomaly->kind), "current_count",
                     (json_int_t)anomaly->current_count, "baseline_avg", anomaly->baseline_avg,
                     "deviation_pct", anomaly->deviation_pct, "reason", anomaly->reason);
}

json_t *rky_report_error(const char *table, const char *kind, const struct rky_error *error)
{
    json_t *entry = json_pack("{s:s?, s:s, s:b, s:s}", "table", table, "failure_kind", kind,
                              "transient", error->transient, "error", error->message);
    if (entry != NULL && error->hint[0] != '\0')
        (void)json_object_set_new(entry, "hint", json_string(error->hint));
    return entry;
}

static void add_failed_checks(json_t *errors, const struct rky_work *work)
{
    size_t i = 0;
    json_t *check = NULL;
    json_array_foreach(work->checks, i, check)
    {
        if (json_is_true(json_object_get(check, "passed")) ||
            strcmp(json_string_value(json_object_get(check, "severity")), "error") != 0)
            continue;
        struct rky_error error = {0};
        const char *message = json_string_value(json_object_get(check, "message"));
        (void)rky_fail(&error, RKY_ERR_QUERY, "check '%s' failed: %s",
                       json_string_value(json_object_get(check, "name")),
                       message != NULL ? message : "it did not pass");
        (void)json_array_append_new(errors, rky_report_error(work->name, "check-failed", &error));
    }
}

/* --- the lists of the result
 * -------------------------------------------------------------------------- */

struct lists {
    json_t *materializations, *check_results, *anomalies, *errors, *drift_actions;
    size_t copied, failed, skipped, drifted, checked;
    int64_t rows;
};

static bool is_news(const struct rky_work *work)
{
    return work->state != RKY_WORK_DONE || work->outcome.rows_copied > 0 ||
           work->anomaly_count > 0 || work->check_failed;
}

static void list_done(struct lists *lists, const struct rky_work *work, bool only_news)
{
    lists->copied++;
    lists->rows += work->outcome.rows_copied;
    if (only_news &&
        (!is_news(work) || json_array_size(lists->materializations) >= TRUNCATED_LIST_MAX))
        return;
    (void)json_array_append_new(lists->materializations, rky_report_materialization(work));
    if (work->checks != NULL)
        (void)json_array_append_new(
            lists->check_results,
            json_pack("{s:s, s:O}", "table", work->name, "checks", work->checks));
    for (size_t i = 0; i < work->anomaly_count; i++)
        (void)json_array_append_new(lists->anomalies,
                                    rky_report_anomaly(work, &work->anomalies[i]));
    add_failed_checks(lists->errors, work);
}

static void list_work(struct lists *lists, const struct rky_work *work, bool only_news)
{
    lists->checked += work->target_table != NULL;
    lists->drifted += work->drift_actions != NULL;
    if (work->drift_actions != NULL)
        (void)json_array_extend(lists->drift_actions, work->drift_actions);
    switch (work->state) {
    case RKY_WORK_DONE:
        list_done(lists, work, only_news);
        break;
    case RKY_WORK_FAILED:
        lists->failed++;
        if (!only_news || json_array_size(lists->errors) < TRUNCATED_LIST_MAX)
            (void)json_array_append_new(
                lists->errors,
                rky_report_error(work->name, work->failure_kind, rky_work_error(work)));
        break;
    case RKY_WORK_SKIPPED:
    case RKY_WORK_PENDING:
        lists->skipped++;
        break;
    }
}

static void list_failure(const struct rky_run *run, struct lists *lists,
                         const struct rky_error *failure)
{
    size_t i = 0;
    json_t *difference = NULL;
    /* A run in which everything was held by others says so table by table. */
    if (failure == NULL || failure->code == RKY_ERR_LOCKED)
        return;
    json_array_foreach(run->plan_differences, i, difference)
    {
        struct rky_error error = {0};
        (void)rky_fail(&error, RKY_ERR_REFUSED, "%s", json_string_value(difference));
        (void)json_array_append_new(lists->errors, rky_report_error(NULL, "conflict", &error));
    }
    if (json_array_size(run->plan_differences) == 0)
        (void)json_array_append_new(
            lists->errors, rky_report_error(NULL, rky_failure_kind(failure->code), failure));
}

static const char *status_of(const struct rky_run *run, const struct lists *lists,
                             const struct rky_error *failure)
{
    if (failure != NULL && failure->code == RKY_ERR_CANCELLED)
        return "cancelled";
    if (failure != NULL && failure->code == RKY_ERR_INTERRUPTED)
        return "interrupted";
    /* A timeout before anything was looked at: its start-by deadline had passed. */
    if (failure != NULL && failure->code == RKY_ERR_TIMEOUT && run->source == NULL)
        return "expired";
    if (run->job->type == RKY_JOB_PLAN)
        return failure == NULL ? "success" : "failed";
    if (failure == NULL && lists->failed == 0 && lists->skipped == 0)
        return "success";
    return lists->copied > 0 && (failure == NULL || failure->code == RKY_ERR_TIMEOUT) ? "partial"
                                                                                      : "failed";
}

static json_t *excluded_json(const struct rky_run *run)
{
    json_t *list = json_array();
    for (size_t i = 0; i < run->discovery.excluded_count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s}", "name", run->discovery.excluded[i].name,
                                              "reason", run->discovery.excluded[i].reason));
    return list;
}

static json_t *state_json(const struct rky_run *run, int64_t generation_after)
{
    json_t *download = json_null(), *upload = json_null();
    if (run->state.download != NULL)
        download = rky_transfer_report_json(run->state.download);
    /* What will be true when anybody sees this; else it is put right first. */
    if (run->state.remote && generation_after > 0)
        upload = json_pack("{s:s, s:I}", "outcome", rky_outcome_name(RKY_OUTCOME_OK), "generation",
                           (json_int_t)generation_after);
    return json_pack("{s:I, s:o, s:o, s:o}", "generation_before", (json_int_t)run->meta.generation,
                     "generation_after",
                     generation_after > 0 ? json_integer(generation_after) : json_null(),
                     "download", download, "upload", upload);
}

static json_t *assemble(const struct rky_run *run, const struct lists *lists,
                        const struct rky_error *failure, int64_t generation_after)
{
    const char *job_id = run->job->job_id[0] != '\0' ? run->job->job_id : NULL;
    int64_t duration = run->env.clock->mono_ms(run->env.clock) - run->started_mono_ms;
    json_t *result = json_pack(
        "{s:i, s:i, s:s, s:s, s:s, s:s?, s:s, s:s, s:s?, s:I}", "v", 1, "version", 1, "command",
        rky_job_type_name(run->job->type), "status", status_of(run, lists, failure), "run_id",
        run->run_id, "job_id", job_id, "namespace", run->job->namespace_, "pipeline",
        run->env.pipeline->name, "plan_id", run->plan_id[0] != '\0' ? run->plan_id : NULL,
        "duration_ms", (json_int_t)duration);
    json_t *rest = json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:{s:I, s:I, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:n}",
        "tables_copied", (json_int_t)lists->copied, "tables_failed", (json_int_t)lists->failed,
        "tables_skipped", (json_int_t)lists->skipped, "rows_copied", (json_int_t)lists->rows,
        "materializations", lists->materializations, "drift", "tables_checked",
        (json_int_t)lists->checked, "tables_drifted", (json_int_t)lists->drifted, "actions_taken",
        lists->drift_actions, "check_results", lists->check_results, "anomalies", lists->anomalies,
        "errors", lists->errors, "warnings", list_or_empty(run->warnings), "excluded",
        excluded_json(run), "state", state_json(run, generation_after), "duplicate_of");
    if (result == NULL || rest == NULL || json_object_update(result, rest) != 0) {
        json_decref(result);
        result = NULL;
    }
    json_decref(rest);
    if (result != NULL && failure != NULL)
        (void)json_object_set_new(result, "error",
                                  json_pack("{s:s, s:s, s:s}", "code", rky_err_name(failure->code),
                                            "message", failure->message, "hint", failure->hint));
    return result;
}

json_t *rky_report_result(const struct rky_run *run, const struct rky_error *failure,
                          int64_t generation_after, bool only_news)
{
    struct lists lists = {.materializations = json_array(),
                          .check_results = json_array(),
                          .anomalies = json_array(),
                          .errors = json_array(),
                          .drift_actions = json_array()};
    list_failure(run, &lists, failure);
    for (size_t i = 0; run->job->type != RKY_JOB_PLAN && i < run->work_count; i++)
        list_work(&lists, &run->work[i], only_news);
    json_t *result = assemble(run, &lists, failure, generation_after);
    if (result != NULL && only_news)
        (void)json_object_set_new(result, "truncated", json_true());
    return result;
}

json_t *rky_report_skipped(const struct rky_run *run, const char *first_result,
                           const char *first_job_id, bool body_differs)
{
    json_t *result = json_loads(first_result, 0, NULL);
    if (!json_is_object(result)) {
        json_decref(result);
        return NULL;
    }
    (void)json_object_set_new(result, "status", json_string("skipped"));
    (void)json_object_set_new(result, "job_id",
                              run->job->job_id[0] != '\0' ? json_string(run->job->job_id)
                                                          : json_null());
    (void)json_object_set_new(result, "duplicate_of", json_string(first_job_id));
    if (body_differs) {
        json_t *warnings = NULL;
        if (rky_warn(&warnings, NULL, "idempotency-body-differs",
                     "job '%s' with the same idempotency key asked for something else",
                     first_job_id) == RKY_OK)
            (void)json_object_set_new(result, "warnings", warnings);
    }
    return result;
}
