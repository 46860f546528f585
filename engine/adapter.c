/* SPDX-License-Identifier: Apache-2.0 */
/* What every driver of the warehouse seam shares: the list of drivers, and freeing what they
 * return. */
#include "config.h"

#include "engine/adapter.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "engine/adapter/drivers.h"

static const struct rky_adapter_ops *const drivers[] = {
    &rky_sqlite_ops,
};

const struct rky_adapter_ops *rky_adapter_find(const char *type)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (strcmp(drivers[i]->type, type) == 0)
            return drivers[i];
    return NULL;
}

static void assert_complete(const struct rky_adapter_ops *ops)
{
    RKY_ASSERT(ops->open != NULL && ops->close != NULL);
    RKY_ASSERT(ops->list_schemas != NULL && ops->describe != NULL && ops->location != NULL);
    RKY_ASSERT(ops->check_name != NULL && ops->facts != NULL && ops->statements != NULL);
    RKY_ASSERT(ops->session_open != NULL && ops->session_close != NULL);
    RKY_ASSERT(ops->session_interrupt != NULL && ops->session_progress != NULL);
    RKY_ASSERT(ops->session_describe != NULL && ops->read_fence != NULL);
    RKY_ASSERT(ops->read_marks != NULL && ops->read_commits != NULL && ops->has_rows != NULL);
    RKY_ASSERT(ops->claim != NULL && ops->claim_check != NULL && ops->copy != NULL);
    RKY_ASSERT(ops->set_lineage != NULL && ops->check_access != NULL);
    RKY_ASSERT(ops->write_mark != NULL && ops->sweep_commits != NULL);
}

int rky_adapter_open(const struct rky_adapter_config *config, struct rky_adapter **ret_adapter,
                     struct rky_error *err)
{
    const struct rky_adapter_ops *ops = rky_adapter_find(config->type);
    if (ops == NULL)
        return rky_fail(err, RKY_ERR_UNSUPPORTED, "adapter '%s': this build has no driver '%s'",
                        config->name, config->type);
    assert_complete(ops);
    int rc = ops->open(config, ret_adapter, err);
    if (rc == RKY_OK)
        (*ret_adapter)->lock_timeout_ms = RKY_ADAPTER_WAIT_MS;
    return rc;
}

static const char *const action_names[] = {
    [RKY_ACTION_NONE] = "none",
    [RKY_ACTION_FULL_REFRESH] = "full_refresh",
    [RKY_ACTION_INCREMENTAL] = "incremental",
    [RKY_ACTION_MERGE] = "merge",
    [RKY_ACTION_ADOPT] = "adopt",
    [RKY_ACTION_REFUSED] = "refused",
};

const char *rky_action_name(enum rky_action action)
{
    return action_names[action];
}

static void table_info_done(struct rky_table_info *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        rky_free(table->columns[i].name);
        rky_free(table->columns[i].type);
        rky_free(table->columns[i].collation);
    }
    for (size_t i = 0; i < table->indexed_count; i++)
        rky_free(table->indexed[i]);
    rky_free(table->columns);
    rky_free(table->indexed);
    rky_free(table->row_id);
    rky_free(table->name);
}

void rky_schema_info_done(struct rky_schema_info *info)
{
    for (size_t i = 0; i < info->table_count; i++)
        table_info_done(&info->tables[i]);
    rky_free(info->tables);
    *info = (struct rky_schema_info){0};
}

const struct rky_table_info *rky_schema_table(const struct rky_schema_info *info, const char *table)
{
    size_t low = 0;
    size_t high = info->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(info->tables[middle].name, table);
        if (order == 0)
            return &info->tables[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct rky_column *rky_table_column(const struct rky_table_info *table, const char *column)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcasecmp(table->columns[i].name, column) == 0)
            return &table->columns[i];
    return NULL;
}

void rky_table_facts_done(struct rky_table_facts *facts)
{
    rky_cursor_done(&facts->greatest);
    *facts = (struct rky_table_facts){0};
}

void rky_mark_done(struct rky_mark *mark)
{
    rky_free(mark->table_name);
    rky_free(mark->namespace_);
    rky_free(mark->cursor_column);
    rky_free(mark->cursor_type);
    rky_cursor_done(&mark->value);
    rky_cursor_done(&mark->high_value);
    rky_free(mark->ties_hash);
    rky_free(mark->prev_value);
    rky_free(mark->action);
    rky_free(mark->run_id);
    rky_free(mark->job_id);
    rky_free(mark->plan_id);
    rky_free(mark->added_columns);
    rky_free(mark->commit_id);
    rky_free(mark->updated_at);
    *mark = (struct rky_mark){0};
}

void rky_marks_free(struct rky_mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rky_mark_done(&marks[i]);
    rky_free(marks);
}

void rky_commits_free(struct rky_commit *commits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rky_commit *commit = &commits[i];
        rky_free(commit->job_id);
        rky_free(commit->table_name);
        rky_free(commit->namespace_);
        rky_free(commit->idempotency_key);
        rky_free(commit->plan_id);
        rky_free(commit->commit_id);
        rky_free(commit->action);
        rky_free(commit->window_after);
        rky_free(commit->window_through);
        rky_free(commit->committed_at);
    }
    rky_free(commits);
}

void rky_statements_free(struct rky_statement *statements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rky_free(statements[i].sql);
    rky_free(statements);
}

void rky_copy_outcome_done(struct rky_copy_outcome *outcome)
{
    for (size_t i = 0; i < outcome->warning_count; i++)
        rky_free(outcome->warnings[i].message);
    rky_free(outcome->warnings);
    rky_cursor_done(&outcome->through);
    rky_cursor_done(&outcome->high_value);
    *outcome = (struct rky_copy_outcome){0};
}

int rky_copy_warn(struct rky_copy_outcome *outcome, const char *code, struct rky_error *err,
                  const char *format, ...)
{
    struct rky_copy_warning *grown =
        rky_reallocarray(outcome->warnings, outcome->warning_count + 1, sizeof(*grown));
    if (grown == NULL)
        return rky_fail_nomem(err);
    outcome->warnings = grown;
    struct rky_strbuf text = {0};
    va_list args;
    va_start(args, format);
    rky_strbuf_addv(&text, format, args);
    va_end(args);
    char *message = rky_strbuf_take(&text);
    if (message == NULL)
        return rky_fail_nomem(err);
    grown[outcome->warning_count++] = (struct rky_copy_warning){.code = code, .message = message};
    return RKY_OK;
}
