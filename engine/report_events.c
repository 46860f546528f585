/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Further events of a run for the results topic: one per committed table, failed check, anomaly,
 * alarm and plan. Their ids are named so that the same job delivered again makes the same ones.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

/** What the events of one run share. */
struct events {
    const struct rky_run *run;
    json_t *list;
    char at[RKY_TIME_TEXT_MAX];
    int64_t at_us;
    const char *job_name; /**< what ids are named after */
    bool failed;
};

/* Takes id_name and row; the row's fields stand flat beside the common ones. */
static void add(struct events *events, const char *type, char *id_name, const char *outcome,
                json_t *row)
{
    const struct rky_run *run = events->run;
    const char *job_id = run->job->job_id[0] != '\0' ? run->job->job_id : NULL;
    json_t *body = json_pack("{s:i, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s}", "v", 1, "event", type,
                             "at", events->at, "worker_id", run->env.worker_id, "job_id", job_id,
                             "run_id", run->run_id, "namespace", run->job->namespace_, "pipeline",
                             run->env.pipeline->name);
    bool good =
        id_name != NULL && row != NULL && body != NULL && json_object_update(body, row) == 0;
    if (good) {
        json_t *event =
            json_pack("{s:s, s:s, s:s?, s:I, s:o}", "type", type, "id_name", id_name, "outcome",
                      outcome, "time_us", (json_int_t)events->at_us, "body", body);
        good = event != NULL && json_array_append_new(events->list, event) == 0;
    } else {
        json_decref(body);
    }
    events->failed = events->failed || !good;
    json_decref(row);
    rky_free(id_name);
}

static void add_checks(struct events *events, const struct rky_work *work)
{
    size_t i = 0;
    json_t *check = NULL;
    json_array_foreach(work->checks, i, check)
    {
        if (json_is_true(json_object_get(check, "passed")))
            continue;
        json_t *row = json_deep_copy(check);
        (void)json_object_set_new(row, "table", json_string(work->name));
        add(events, "check.failed",
            rky_asprintf("%s|%s|%s", events->job_name, work->name,
                         json_string_value(json_object_get(check, "name"))),
            json_string_value(json_object_get(check, "severity")), row);
    }
}

static void add_table(struct events *events, const struct rky_work *work)
{
    if (work->state != RKY_WORK_DONE)
        return;
    const char *commit_id = work->done != NULL ? work->done->commit_id : work->commit_id;
    if (work->done != NULL || work->outcome.wrote) {
        json_t *row = rky_report_materialization(work);
        (void)json_object_set_new(row, "commit_id", json_string(commit_id));
        add(events, "table.replicated", rky_strdup(commit_id), NULL, row);
    }
    add_checks(events, work);
    for (size_t i = 0; i < work->anomaly_count; i++)
        add(events, "anomaly.detected",
            rky_asprintf("%s|%s|%s", events->job_name, work->name,
                         rky_anomaly_name(work->anomalies[i].kind)),
            rky_anomaly_name(work->anomalies[i].kind),
            rky_report_anomaly(work, &work->anomalies[i]));
    if (work->decision.regressed)
        add(events, "worker.alarm",
            rky_asprintf("%s|%s|watermark-regressed", events->job_name, work->name), "warning",
            json_pack("{s:s, s:s, s:s, s:s}", "code", "watermark-regressed", "severity", "warning",
                      "message", work->decision.warning, "hint",
                      "find out who restored the target, and whether rows are missing there"));
}

static void add_plan(struct events *events)
{
    const json_t *display = events->run->plan_display;
    json_int_t rows = 0;
    size_t i = 0;
    json_t *table = NULL;
    bool known = true;
    json_array_foreach(json_object_get(display, "tables"), i, table)
    {
        const json_t *estimate = json_object_get(table, "estimated_rows");
        known = known && json_is_integer(estimate);
        rows += json_integer_value(estimate);
    }
    json_t *row =
        json_pack("{s:O, s:O, s:O, s:O, s:O, s:I}", "plan_id", json_object_get(display, "plan_id"),
                  "created_at", json_object_get(display, "created_at"), "expires_at",
                  json_object_get(display, "expires_at"), "base_generation",
                  json_object_get(display, "base_generation"), "config_sha256",
                  json_object_get(display, "config_sha256"), "table_count",
                  (json_int_t)events->run->work_count);
    (void)json_object_set_new(row, "estimated_rows", known ? json_integer(rows) : json_null());
    add(events, "plan.created", rky_asprintf("%s|plan.created", events->job_name), NULL, row);
}

json_t *rky_report_transfer(const struct rky_run *run, const struct rky_transfer_report *report)
{
    bool up = report->kind == RKY_TRANSFER_UPLOAD;
    bool landed = up && !report->unchanged && report->outcome == RKY_OUTCOME_OK;
    /* An upload that landed has one name, whoever tells of it; every other end is of its attempt.
     */
    char *id_name = landed ? rky_strdup(report->write_id)
                           : rky_asprintf("%s|%s|%d|%s", run->commit_job_id,
                                          up ? "state.upload" : "state.download", run->job->attempt,
                                          run->run_id);
    json_t *body = rky_transfer_report_json(report);
    json_t *event = NULL;
    if (id_name != NULL && body != NULL)
        event =
            json_pack("{s:s, s:s, s:s, s:I, s:O}", "type", up ? "state.upload" : "state.download",
                      "id_name", id_name, "outcome", rky_outcome_name(report->outcome), "time_us",
                      (json_int_t)report->at_us, "body", body);
    json_decref(body);
    rky_free(id_name);
    return event;
}

json_t *rky_report_events(const struct rky_run *run)
{
    struct events events = {.run = run, .list = json_array(), .job_name = run->commit_job_id};
    events.at_us = run->env.clock->wall_us(run->env.clock);
    rky_time_format(events.at_us, events.at);
    if (events.list == NULL)
        return NULL;
    if (run->state.download != NULL &&
        json_array_append_new(events.list, rky_report_transfer(run, run->state.download)) != 0)
        events.failed = true;
    if (run->state.lockless)
        add(&events, "worker.alarm",
            rky_asprintf("%s|%s|lock_unavailable", events.job_name, run->run_id), "warning",
            json_pack("{s:s, s:s, s:s, s:s}", "code", "lock_unavailable", "severity", "warning",
                      "message", "the run went on without a lease: its server does not answer",
                      "hint",
                      "see 'rocky doctor --check lock'; the claim in the target and the "
                      "conditional upload keep the data right meanwhile"));
    if (run->plan_display != NULL)
        add_plan(&events);
    for (size_t i = 0; run->job->type != RKY_JOB_PLAN && i < run->work_count; i++)
        add_table(&events, &run->work[i]);
    if (events.failed) {
        json_decref(events.list);
        return NULL;
    }
    return events.list;
}
