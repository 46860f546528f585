/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: what a run would do, bound by the SHA-256 of its canonical text.
 *
 * The payload holds what must still be true when the plan is applied: configuration, columns,
 * actions, windows, SQL, and each target row's commit id. It holds no row counts and no times, so
 * new source rows never make a plan stale. What was shown beside it (estimates, warnings) is kept
 * as `display` and never validated.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

enum { PLAN_FORMAT = 1 };

/* --- payload ------------------------------------------------------------------------------------
 */

static int columns_digest(const struct rky_table_info *info, char ret_hex[RKY_SHA256_HEX],
                          struct rky_error *err)
{
    struct rky_strbuf text = {0};
    for (size_t i = 0; i < info->column_count; i++) {
        rky_strbuf_addn(&text, info->columns[i].name, strlen(info->columns[i].name) + 1);
        rky_strbuf_addn(&text, info->columns[i].type, strlen(info->columns[i].type) + 1);
        rky_strbuf_addn(&text, info->columns[i].collation, strlen(info->columns[i].collation) + 1);
    }
    bool failed = text.failed;
    if (!failed)
        rky_sha256_hex(rky_strbuf_text(&text), text.length, ret_hex);
    rky_strbuf_done(&text);
    return failed ? rky_fail_nomem(err) : RKY_OK;
}

static json_t *statements_json(const struct rky_work *work, const char *target)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < work->statement_count; i++) {
        json_t *entry = json_pack("{s:s, s:s}", "purpose", work->statements[i].purpose, "sql",
                                  work->statements[i].sql);
        if (target != NULL)
            (void)json_object_set_new(entry, "target", json_string(target));
        if (entry == NULL || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static const char *window_after(const struct rky_work *work)
{
    bool whole = work->decision.action == RKY_ACTION_FULL_REFRESH || work->mark == NULL;
    return whole ? NULL : work->mark->value.text;
}

static json_t *window_json(const struct rky_run *run, const struct rky_work *work)
{
    char rule[160];
    int64_t lag = run->env.pipeline->safety_lag_seconds;
    if (work->table == NULL || work->table->settings.timestamp_column == NULL)
        (void)snprintf(rule, sizeof(rule), "all rows of the source's snapshot");
    else if (lag > 0)
        (void)snprintf(rule, sizeof(rule),
                       "greatest %.60s in the source's snapshot that is at "
                       "least %lld s old",
                       work->table->settings.timestamp_column, (long long)lag);
    else
        (void)snprintf(rule, sizeof(rule), "greatest %.60s in the source's snapshot",
                       work->table->settings.timestamp_column);
    return json_pack("{s:s?, s:s}", "after", window_after(work), "through_rule", rule);
}

static const char *strategy_of(const struct rky_run *run, const struct rky_work *work)
{
    return rky_strategy_name(work->table != NULL ? work->table->settings.strategy
                                                 : run->env.pipeline->strategy);
}

static const char *action_of(const struct rky_work *work)
{
    return work->state == RKY_WORK_FAILED ? rky_action_name(RKY_ACTION_REFUSED)
                                          : rky_action_name(work->decision.action);
}

static json_t *payload_table(const struct rky_run *run, const struct rky_work *work,
                             struct rky_error *err)
{
    char digest[RKY_SHA256_HEX] = "";
    if (work->table != NULL && columns_digest(work->table->info, digest, err) != RKY_OK)
        return NULL;
    json_t *table = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:s, s:s?, s:I, s:o}", "table", work->name, "source",
        work->source_name, "strategy", strategy_of(run, work), "action", action_of(work), "window",
        window_json(run, work), "columns_sha256", digest, "target_commit_id",
        work->mark != NULL ? work->mark->commit_id : NULL, "tombstone_seq",
        (json_int_t)work->decision.tombstone_seq, "statements", statements_json(work, NULL));
    if (table == NULL)
        (void)rky_fail_nomem(err);
    return table;
}

static json_t *filter_json(const struct rky_filter *filter)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < filter->count; i++)
        (void)json_object_set_new(object, filter->terms[i].name,
                                  json_string(filter->terms[i].value));
    return object;
}

static json_t *payload_json(struct rky_run *run, struct rky_error *err)
{
    char config_digest[RKY_SHA256_HEX];
    char *last_run = NULL;
    const char *plan_id = run->job->type == RKY_JOB_APPLY ? run->job->plan_id : "";
    if (rky_config_pipeline_digest(run->env.pipeline, config_digest, err) != RKY_OK ||
        rky_ledger_last_run(run->env.ledger, run->env.pipeline->name, plan_id, &last_run, err) !=
            RKY_OK)
        return NULL;
    json_t *tables = json_array();
    for (size_t i = 0; tables != NULL && i < run->work_count; i++) {
        json_t *table = payload_table(run, &run->work[i], err);
        if (table == NULL || json_array_append_new(tables, table) != 0) {
            json_decref(tables);
            rky_free(last_run);
            return NULL;
        }
    }
    json_t *payload =
        json_pack("{s:i, s:s, s:s, s:o, s:b, s:s, s:s?, s:o}", "format", PLAN_FORMAT, "namespace",
                  run->job->namespace_, "pipeline", run->env.pipeline->name, "filter",
                  filter_json(&run->filter), "full_refresh", run->full_refresh, "config_sha256",
                  config_digest, "last_run_id", last_run, "tables", tables);
    rky_free(last_run);
    if (payload == NULL)
        (void)rky_fail_nomem(err);
    return payload;
}

/* --- what is shown beside it ---------------------------------------------------------------------
 */

static int warn_about_facts(struct rky_run *run, struct rky_work *work,
                            const struct rky_table_facts *facts, struct rky_error *err)
{
    const char *cursor = work->table->settings.timestamp_column;
    bool indexed = false;
    int rc = RKY_OK;
    (void)run;
    for (size_t i = 0; i < work->table->info->indexed_count; i++)
        indexed = indexed || strcmp(work->table->info->indexed[i], cursor) == 0;
    if (!indexed)
        rc =
            rky_warn(&work->warnings, err, "no-cursor-index",
                     "no index leads on '%s': each incremental run scans the whole source", cursor);
    if (rc == RKY_OK && facts->null_cursors > 0)
        rc = rky_warn(&work->warnings, err, "null-cursor",
                      "%lld rows have no value in '%s'; null_cursor decides what happens to them",
                      (long long)facts->null_cursors, cursor);
    if (rc == RKY_OK && facts->future_rows > 0)
        rc = rky_warn(&work->warnings, err, "future-rows",
                      "%lld rows are dated in the future; the watermark will follow them",
                      (long long)facts->future_rows);
    if (rc == RKY_OK && work->source->info.blocks_writer)
        rc = rky_warn(&work->warnings, err, "source-blocks-writer",
                      "the source is not in WAL mode: its writer waits while it is read");
    return rc;
}

/* Estimates are a courtesy of the plan: a table whose figures cannot be had is shown without. */
static json_t *display_table(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    json_int_t estimate = -1;
    if (work->table != NULL && work->state != RKY_WORK_FAILED) {
        const struct rky_table_ref ref = {work->source->catalog, work->source->schema,
                                          work->table->info->name};
        struct rky_table_facts facts = {0};
        struct rky_copy_spec spec;
        rky_work_spec(work, run, &spec);
        bool whole = work->decision.action == RKY_ACTION_FULL_REFRESH || work->mark == NULL;
        int rc = run->source->ops->facts(run->source, &ref, work->table->info, spec.cursor_column,
                                         whole ? NULL : &work->mark->value,
                                         run->env.clock->wall_us(run->env.clock), &facts, NULL);
        if (rc == RKY_OK) {
            estimate = (json_int_t)facts.window_rows;
            if (spec.cursor_column != NULL && warn_about_facts(run, work, &facts, err) != RKY_OK)
                estimate = -1;
        }
        rky_table_facts_done(&facts);
    }
    const char *reason =
        work->state == RKY_WORK_FAILED ? work->error.message : work->decision.reason;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "table", work->name, "source",
                     work->source_name, "strategy", strategy_of(run, work), "action",
                     action_of(work), "reason", reason, "window", window_json(run, work),
                     "estimated_rows", estimate >= 0 ? json_integer(estimate) : json_null(),
                     "warnings",
                     work->warnings != NULL ? json_incref(work->warnings) : json_array());
}

static json_t *display_json(struct rky_run *run, const json_t *payload, struct rky_error *err)
{
    char created[RKY_TIME_TEXT_MAX];
    char expires[RKY_TIME_TEXT_MAX];
    json_t *statements = json_array();
    json_t *tables = json_array();
    json_t *excluded = json_array();
    rky_time_format(run->started_us, created);
    rky_time_format(run->started_us + run->job->expires_seconds * 1000000, expires);
    for (size_t i = 0; i < run->work_count; i++) {
        json_t *list = statements_json(&run->work[i], run->work[i].name);
        (void)json_array_extend(statements, list);
        json_decref(list);
        (void)json_array_append_new(tables, display_table(run, &run->work[i], err));
    }
    for (size_t i = 0; i < run->discovery.excluded_count; i++)
        (void)json_array_append_new(excluded,
                                    json_pack("{s:s, s:s}", "name", run->discovery.excluded[i].name,
                                              "reason", run->discovery.excluded[i].reason));
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:O, s:o, s:o, s:o, s:o}", "version", 1,
        "command", "plan", "plan_id", run->plan_id, "namespace", run->job->namespace_, "pipeline",
        run->env.pipeline->name, "created_at", created, "expires_at", expires, "base_generation",
        (json_int_t)run->meta.generation, "config_sha256",
        json_object_get(payload, "config_sha256"), "statements", statements, "tables", tables,
        "warnings", run->warnings != NULL ? json_incref(run->warnings) : json_array(), "excluded",
        excluded);
}

int rky_plan_build(struct rky_run *run, struct rky_error *err)
{
    json_t *payload = payload_json(run, err);
    if (payload == NULL)
        return err != NULL && err->code != RKY_OK ? err->code : rky_fail_nomem(err);
    int rc = RKY_OK;
    run->plan_payload = rky_report_text(payload);
    if (run->plan_payload == NULL) {
        rc = rky_fail_nomem(err);
    } else {
        rky_sha256_hex(run->plan_payload, strlen(run->plan_payload), run->plan_id);
        if (run->job->type == RKY_JOB_PLAN) {
            run->plan_display = display_json(run, payload, err);
            if (run->plan_display == NULL)
                rc = rky_fail_nomem(err);
        }
    }
    json_decref(payload);
    return rc;
}
