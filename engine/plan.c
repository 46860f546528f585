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

#include <stdlib.h>
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

static const char *window_after(const struct rky_work *work)
{
    bool whole = work->decision.action == RKY_ACTION_FULL_REFRESH || work->mark == NULL;
    return whole ? NULL : work->mark->value.text;
}

enum { RULE_MAX = 160 };

static void through_rule(const struct rky_run *run, const struct rky_work *work,
                         char ret_rule[RULE_MAX])
{
    int64_t lag = run->env.pipeline->safety_lag_seconds;
    if (work->table == NULL || work->table->settings.timestamp_column == NULL)
        (void)snprintf(ret_rule, RULE_MAX, "all rows of the source's snapshot");
    else if (lag > 0)
        (void)snprintf(ret_rule, RULE_MAX,
                       "greatest %.60s in the source's snapshot that is at least %lld s old",
                       work->table->settings.timestamp_column, (long long)lag);
    else
        (void)snprintf(ret_rule, RULE_MAX, "greatest %.60s in the source's snapshot",
                       work->table->settings.timestamp_column);
}

static json_t *window_json(const struct rky_run *run, const struct rky_work *work)
{
    char rule[RULE_MAX];
    through_rule(run, work, rule);
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

/* The payload is written as text right away: a run over thousands of tables makes one, too, for its
 * plan id. Keys stand in sorted order, so that the text is what a JSON library would print of it.
 */

static void add_key(struct rky_strbuf *text, const char *separator, const char *key)
{
    rky_strbuf_addf(text, "%s\"%s\":", separator, key);
}

static void add_string(struct rky_strbuf *text, const char *value)
{
    if (value == NULL) {
        rky_strbuf_add(text, "null");
        return;
    }
    rky_strbuf_addc(text, '"');
    for (const char *c = value; *c != '\0'; c++) {
        size_t plain =
            strcspn(c, "\"\\\b\f\n\r\t\001\002\003\004\005\006\007\013\016\017\020\021\022"
                       "\023\024\025\026\027\030\031\032\033\034\035\036\037");
        rky_strbuf_addn(text, c, plain);
        c += plain;
        if (*c == '\0')
            break;
        if (*c == '"' || *c == '\\')
            rky_strbuf_addf(text, "\\%c", *c);
        else
            rky_strbuf_addf(text, "\\u%04x", (unsigned int)(unsigned char)*c);
    }
    rky_strbuf_addc(text, '"');
}

static void add_pair(struct rky_strbuf *text, const char *separator, const char *key,
                     const char *value)
{
    add_key(text, separator, key);
    add_string(text, value);
}

static void add_statements(struct rky_strbuf *text, const struct rky_work *work)
{
    add_key(text, ",", "statements");
    rky_strbuf_addc(text, '[');
    for (size_t i = 0; i < work->statement_count; i++) {
        add_pair(text, i > 0 ? ",{" : "{", "purpose", work->statements[i].purpose);
        add_pair(text, ",", "sql", work->statements[i].sql);
        rky_strbuf_addc(text, '}');
    }
    rky_strbuf_addc(text, ']');
}

static int add_table(struct rky_strbuf *text, const struct rky_run *run,
                     const struct rky_work *work, struct rky_error *err)
{
    char digest[RKY_SHA256_HEX] = "";
    char rule[RULE_MAX];
    if (work->table != NULL && columns_digest(work->table->info, digest, err) != RKY_OK)
        return RKY_ERR_NOMEM;
    through_rule(run, work, rule);
    add_pair(text, "{", "action", action_of(work));
    add_pair(text, ",", "columns_sha256", digest);
    add_pair(text, ",", "source", work->source_name);
    add_statements(text, work);
    add_pair(text, ",", "strategy", strategy_of(run, work));
    add_pair(text, ",", "table", work->name);
    add_pair(text, ",", "target_commit_id", work->mark != NULL ? work->mark->commit_id : NULL);
    rky_strbuf_addf(text, ",\"tombstone_seq\":%lld,\"window\":{",
                    (long long)work->decision.tombstone_seq);
    add_pair(text, "", "after", window_after(work));
    add_pair(text, ",", "through_rule", rule);
    rky_strbuf_add(text, "}}");
    return RKY_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct rky_filter_term *left = a;
    const struct rky_filter_term *right = b;
    return strcmp(left->name, right->name);
}

static int add_filter(struct rky_strbuf *text, const struct rky_filter *filter,
                      struct rky_error *err)
{
    struct rky_filter_term *terms = NULL;
    if (filter->count > 0) {
        terms = rky_calloc(filter->count, sizeof(*terms));
        if (terms == NULL)
            return rky_fail_nomem(err);
        memcpy(terms, filter->terms, filter->count * sizeof(*terms));
        qsort(terms, filter->count, sizeof(*terms), by_name);
    }
    add_key(text, ",", "filter");
    rky_strbuf_addc(text, '{');
    for (size_t i = 0; i < filter->count; i++)
        add_pair(text, i > 0 ? "," : "", terms[i].name, terms[i].value);
    rky_strbuf_addc(text, '}');
    rky_free(terms);
    return RKY_OK;
}

/** The payload on its way: hashed as it comes, kept only where somebody reads it later. */
struct payload {
    struct rky_strbuf piece, whole;
    struct rky_sha256 *digest;
    bool keep;
};

static int put_piece(struct payload *payload, struct rky_error *err)
{
    if (payload->piece.failed)
        return rky_fail_nomem(err);
    rky_sha256_add(payload->digest, rky_strbuf_text(&payload->piece), payload->piece.length);
    if (payload->keep)
        rky_strbuf_addn(&payload->whole, rky_strbuf_text(&payload->piece), payload->piece.length);
    payload->piece.length = 0;
    return payload->whole.failed ? rky_fail_nomem(err) : RKY_OK;
}

static int make_statements(const struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    struct rky_copy_spec spec;
    struct rky_error fault = {0};
    if (work->state == RKY_WORK_FAILED || work->done != NULL)
        return RKY_OK;
    rky_work_spec(work, run, &spec);
    int rc = run->target->ops->statements(&spec, &work->statements, &work->statement_count, &fault);
    if (rc == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    if (rc != RKY_OK)
        rky_work_fail(work, &fault);
    return RKY_OK;
}

static void drop_statements(struct rky_work *work)
{
    rky_statements_free(work->statements, work->statement_count);
    work->statements = NULL;
    work->statement_count = 0;
}

static int put_tables(struct rky_run *run, struct payload *payload, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < run->work_count; i++) {
        struct rky_work *work = &run->work[i];
        if (i > 0)
            rky_strbuf_addc(&payload->piece, ',');
        rc = make_statements(run, work, err);
        if (rc == RKY_OK)
            rc = add_table(&payload->piece, run, work, err);
        if (rc == RKY_OK)
            rc = put_piece(payload, err);
        /* Thousands of tables' statements are only kept where they are shown. */
        if (run->job->type != RKY_JOB_PLAN)
            drop_statements(work);
    }
    return rc;
}

static int write_payload(struct rky_run *run, struct payload *payload, struct rky_error *err)
{
    struct rky_strbuf *text = &payload->piece;
    const char *config_sha256 = rky_pipeline_digest(run->env.pipeline);
    char *last_run = NULL;
    if (config_sha256 == NULL)
        return rky_fail_nomem(err);
    const char *plan_id = run->job->type == RKY_JOB_APPLY ? run->job->plan_id : "";
    int rc = rky_ledger_last_run(run->env.ledger, run->env.pipeline->name, plan_id, &last_run, err);
    if (rc != RKY_OK)
        return rc;
    add_pair(text, "{", "config_sha256", config_sha256);
    rc = add_filter(text, &run->filter, err);
    rky_strbuf_addf(text, ",\"format\":%d,\"full_refresh\":%s", PLAN_FORMAT,
                    run->full_refresh ? "true" : "false");
    add_pair(text, ",", "last_run_id", last_run);
    add_pair(text, ",", "namespace", run->job->namespace_);
    add_pair(text, ",", "pipeline", run->env.pipeline->name);
    add_key(text, ",", "tables");
    rky_strbuf_addc(text, '[');
    if (rc == RKY_OK)
        rc = put_tables(run, payload, err);
    rky_strbuf_add(text, "]}");
    rky_free(last_run);
    return rc == RKY_OK ? put_piece(payload, err) : rc;
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
        work->state == RKY_WORK_FAILED ? rky_work_error(work)->message : work->decision.reason;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "table", work->name, "source",
                     work->source_name, "strategy", strategy_of(run, work), "action",
                     rky_report_action(action_of(work)), "reason", reason, "window",
                     window_json(run, work), "estimated_rows",
                     estimate >= 0 ? json_integer(estimate) : json_null(), "warnings",
                     work->warnings != NULL ? json_incref(work->warnings) : json_array());
}

static void add_display_statements(json_t *list, const struct rky_work *work)
{
    for (size_t i = 0; i < work->statement_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "target", work->name,
                                                    "purpose", work->statements[i].purpose, "sql",
                                                    work->statements[i].sql));
}

static json_t *display_json(struct rky_run *run, struct rky_error *err)
{
    char created[RKY_TIME_TEXT_MAX];
    char expires[RKY_TIME_TEXT_MAX];
    json_t *statements = json_array();
    json_t *tables = json_array();
    json_t *excluded = json_array();
    rky_time_format(run->started_us, created);
    rky_time_format(run->started_us + run->job->expires_seconds * 1000000, expires);
    for (size_t i = 0; i < run->work_count; i++) {
        add_display_statements(statements, &run->work[i]);
        (void)json_array_append_new(tables, display_table(run, &run->work[i], err));
    }
    for (size_t i = 0; i < run->discovery.excluded_count; i++)
        (void)json_array_append_new(excluded,
                                    json_pack("{s:s, s:s}", "name", run->discovery.excluded[i].name,
                                              "reason", run->discovery.excluded[i].reason));
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:o}", "version", 1,
        "command", "plan", "plan_id", run->plan_id, "namespace", run->job->namespace_, "pipeline",
        run->env.pipeline->name, "created_at", created, "expires_at", expires, "base_generation",
        (json_int_t)run->meta.generation, "config_sha256", rky_pipeline_digest(run->env.pipeline),
        "statements", statements, "tables", tables, "warnings",
        run->warnings != NULL ? json_incref(run->warnings) : json_array(), "excluded", excluded);
}

/* A misspelt namespace or filter would otherwise look like a table without new rows. */
static int warn_of_nothing(struct rky_run *run, struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = run->env.pipeline;
    if (run->work_count > 0)
        return RKY_OK;
    if (run->filter.count > 0)
        return rky_warn(&run->warnings, err, "no-tables",
                        "the filter leaves no table: 'rocky discover' lists the components");
    if (pipeline->namespace_from != NULL)
        return rky_warn(&run->warnings, err, "no-tables",
                        "no source has %s '%s', which namespace '%s' stands for",
                        pipeline->namespace_from, run->job->namespace_, run->job->namespace_);
    return rky_warn(&run->warnings, err, "no-tables",
                    "the source has no table to copy: 'rocky discover' says what is left out");
}

int rky_plan_build(struct rky_run *run, struct rky_error *err)
{
    struct payload payload = {.digest = rky_sha256_new(), .keep = run->job->type != RKY_JOB_RUN};
    if (payload.digest == NULL)
        return rky_fail_nomem(err);
    int rc = warn_of_nothing(run, err);
    if (rc == RKY_OK)
        rc = write_payload(run, &payload, err);
    rky_sha256_finish(payload.digest, run->plan_id);
    if (rc == RKY_OK && payload.keep) {
        run->plan_payload = rky_strbuf_take(&payload.whole);
        if (run->plan_payload == NULL)
            rc = rky_fail_nomem(err);
    }
    rky_strbuf_done(&payload.piece);
    rky_strbuf_done(&payload.whole);
    if (rc == RKY_OK && run->job->type == RKY_JOB_PLAN) {
        run->plan_display = display_json(run, err);
        if (run->plan_display == NULL)
            rc = rky_fail_nomem(err);
    }
    return rc;
}
