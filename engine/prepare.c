/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prepare phase: discover, read the target's metadata, reconcile each table, plan. Reads only.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

/* Errors are large and rare, tables are many: the record is made when it is needed. */
void rky_work_set_error(struct rky_work *work, const struct rky_error *error)
{
    if (work->error == NULL)
        work->error = rky_malloc(sizeof(*work->error));
    if (work->error != NULL)
        *work->error = *error;
}

const struct rky_error *rky_work_error(const struct rky_work *work)
{
    static const struct rky_error lost = {.code = RKY_ERR_NOMEM, .message = "out of memory"};
    return work->error != NULL ? work->error : &lost;
}

void rky_work_fail(struct rky_work *work, const struct rky_error *error)
{
    work->state = RKY_WORK_FAILED;
    rky_work_set_error(work, error);
    work->failure_kind = rky_failure_kind(error->code);
}

static int open_adapters(struct rky_run *run, struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = run->env.pipeline;
    int rc = rky_adapter_open(pipeline->source_adapter, &run->source, err);
    if (rc == RKY_OK) {
        run->source->lock_timeout_ms = pipeline->lock_timeout_seconds * 1000;
        run->source->stop = &run->interrupt_now;
    }
    if (rc == RKY_OK && pipeline->target_adapter == pipeline->source_adapter) {
        run->target = run->source;
    } else if (rc == RKY_OK) {
        rc = rky_adapter_open(pipeline->target_adapter, &run->target, err);
        run->own_target = rc == RKY_OK;
    }
    return rc;
}

/* --- from sources to targets ------------------------------------------------------------------ */

static int compare_targets(const char *catalog_a, const char *schema_a, const char *catalog_b,
                           const char *schema_b)
{
    int order = strcmp(catalog_a, catalog_b);
    return order != 0 ? order : strcmp(schema_a, schema_b);
}

/* Claims are taken in this order by everybody, so that two runs cannot wait for each other. */
static int by_target(const void *a, const void *b)
{
    const struct rky_source *const *left = a;
    const struct rky_source *const *right = b;
    int order = compare_targets((*left)->target_catalog, (*left)->target_schema,
                                (*right)->target_catalog, (*right)->target_schema);
    return order != 0 ? order : strcmp((*left)->schema, (*right)->schema);
}

static int compare_table_name(const void *key, const void *watermark)
{
    return strcmp(key, ((const struct rky_watermark *)watermark)->table);
}

static const struct rky_watermark *find_watermark(const struct rky_run *run, const char *table)
{
    if (run->watermark_count == 0)
        return NULL;
    return bsearch(table, run->watermarks, run->watermark_count, sizeof(*run->watermarks),
                   compare_table_name);
}

static int add_target(struct rky_run *run, const struct rky_source *source, struct rky_error *err)
{
    struct rky_target *last = run->target_count > 0 ? &run->targets[run->target_count - 1] : NULL;
    if (last != NULL && compare_targets(last->catalog, last->schema, source->target_catalog,
                                        source->target_schema) == 0)
        return RKY_OK;
    struct rky_target *target = &run->targets[run->target_count];
    target->catalog = rky_strdup(source->target_catalog);
    target->schema = rky_strdup(source->target_schema);
    target->first_work = run->work_count;
    run->target_count++;
    return target->catalog == NULL || target->schema == NULL ? rky_fail_nomem(err) : RKY_OK;
}

static int add_work(struct rky_run *run, const struct rky_source *source,
                    const struct rky_source_table *table, struct rky_error *err)
{
    struct rky_target *target = &run->targets[run->target_count - 1];
    struct rky_work *work = &run->work[run->work_count++];
    work->target = target;
    work->source = source;
    work->table = table;
    work->name = rky_strdup(table->target_name);
    work->source_name = rky_table_name(source->catalog, source->schema, table->info->name);
    rky_uuid_v4(work->commit_id);
    if (work->name == NULL || work->source_name == NULL)
        return rky_fail_nomem(err);
    work->ledger = find_watermark(run, work->name);
    target->work_count++;
    return RKY_OK;
}

/* A schema that could not be read stands as one failed entry with the schema's name. */
static int add_faulty_source(struct rky_run *run, const struct rky_source *source,
                             struct rky_error *err)
{
    struct rky_work *work = &run->work[run->work_count++];
    work->target = &run->targets[run->target_count - 1];
    work->target->work_count++;
    work->name = rky_table_name(source->target_catalog, source->target_schema, "*");
    work->source_name = rky_table_name(source->catalog, source->schema, "*");
    if (work->name == NULL || work->source_name == NULL)
        return rky_fail_nomem(err);
    rky_work_fail(work, source->fault);
    return RKY_OK;
}

static int collect_work(struct rky_run *run, struct rky_error *err)
{
    size_t sources = run->discovery.source_count;
    size_t tables = 0;
    const struct rky_source **ordered = NULL;
    int rc = RKY_OK;

    for (size_t i = 0; i < sources; i++)
        tables += run->discovery.sources[i].table_count + 1;
    if (sources == 0)
        return RKY_OK;
    ordered = rky_calloc(sources, sizeof(*ordered));
    run->targets = rky_calloc(sources, sizeof(*run->targets));
    run->work = rky_calloc(tables, sizeof(*run->work));
    if (ordered == NULL || run->targets == NULL || run->work == NULL) {
        rky_free(ordered);
        return rky_fail_nomem(err);
    }
    for (size_t i = 0; i < sources; i++)
        ordered[i] = &run->discovery.sources[i];
    qsort(ordered, sources, sizeof(*ordered), by_target);
    for (size_t i = 0; i < sources && rc == RKY_OK; i++) {
        rc = add_target(run, ordered[i], err);
        for (size_t j = 0; rc == RKY_OK && j < ordered[i]->table_count; j++)
            rc = add_work(run, ordered[i], &ordered[i]->tables[j], err);
        if (rc == RKY_OK && ordered[i]->fault != NULL)
            rc = add_faulty_source(run, ordered[i], err);
    }
    rky_free(ordered);
    return rc;
}

/* --- one table ----------------------------------------------------------------------------------
 */

static const struct rky_commit *find_commit(const struct rky_target *target, const char *table)
{
    for (size_t i = 0; i < target->commit_count; i++)
        if (strcmp(target->commits[i].table_name, table) == 0)
            return &target->commits[i];
    return NULL;
}

static int content_of(struct rky_run *run, const struct rky_work *work,
                      enum rky_target_content *ret_content, struct rky_error *err)
{
    *ret_content = RKY_TARGET_MISSING;
    if (work->target_table == NULL)
        return RKY_OK;
    int rc = run->target->ops->has_rows(work->target->session, work->table->info->name, err);
    if (rc < 0)
        return rc;
    *ret_content = rc == 1 ? RKY_TARGET_HAS_ROWS : RKY_TARGET_EMPTY;
    return RKY_OK;
}

static int check_cursor_exists(const struct rky_work *work, struct rky_error *err)
{
    const struct rky_table_settings *settings = &work->table->settings;
    if (settings->strategy == RKY_STRATEGY_FULL_REFRESH ||
        rky_table_column(work->table->info, settings->timestamp_column) != NULL)
        return RKY_OK;
    int rc = rky_fail(err, RKY_ERR_CONFIG, "source table '%s' has no cursor column '%s'",
                      work->source_name, settings->timestamp_column);
    rky_error_hint(err, "set timestamp_column for it, set strategy = \"full_refresh\", or leave it "
                        "out with tables.exclude");
    return rc;
}

static const char *cursor_of(const struct rky_work *work)
{
    const struct rky_table_settings *settings = &work->table->settings;
    return rky_table_column(work->table->info, settings->timestamp_column) != NULL
               ? settings->timestamp_column
               : NULL;
}

/* What a commit of an earlier attempt of the same job or plan says is done, is done, unless the
 * table must be copied whole again since then. */
static void recognise_done(struct rky_work *work)
{
    work->done = NULL;
    if (work->mark == NULL || work->target_table == NULL ||
        strcmp(work->decision.reason, "state delete") == 0)
        return;
    work->done = find_commit(work->target, work->name);
}

int rky_work_decide(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    enum rky_target_content content = RKY_TARGET_MISSING;
    int64_t tombstone = 0;
    work->mark = rky_target_mark(work->target, work->name);
    work->target_table = rky_schema_table(&work->target->info, work->table->info->name);
    int rc = rky_work_check_target(work, err);
    if (rc == RKY_OK)
        rc = check_cursor_exists(work, err);
    if (rc == RKY_OK)
        rc = content_of(run, work, &content, err);
    if (rc == RKY_OK)
        rc = rky_ledger_tombstone_get(run->env.ledger, work->name, &tombstone, err);
    if (rc == RKY_OK) {
        const struct rky_reconcile_input input = {
            .table = work->name,
            .namespace_ = run->job->namespace_,
            .mark = work->mark,
            .ledger = work->ledger,
            .ledger_tombstone_seq = tombstone,
            .content = content,
            .strategy = work->table->settings.strategy,
            .full_refresh = run->full_refresh,
            .cursor_column = cursor_of(work),
            .on_existing = run->env.pipeline->on_existing_target,
        };
        rc = rky_reconcile(&input, &work->decision, err);
    }
    if (rc == RKY_OK && work->decision.warning_code != NULL)
        rc = rky_warn(&work->warnings, err, work->decision.warning_code, "%s",
                      work->decision.warning);
    if (rc == RKY_OK)
        rc = rky_work_drift(run, work, err);
    if (rc == RKY_OK)
        recognise_done(work);
    return rc;
}

void rky_work_spec(const struct rky_work *work, const struct rky_run *run,
                   struct rky_copy_spec *ret_spec)
{
    const struct rky_table_settings *settings = &work->table->settings;
    *ret_spec = (struct rky_copy_spec){
        .source = {work->source->catalog, work->source->schema, work->table->info->name},
        .target = {work->target->catalog, work->target->schema, work->table->info->name},
        .table_name = work->name,
        .source_table = work->table->info,
        .target_table = work->target_table,
        .cursor_column = cursor_of(work),
        .action = work->decision.action,
        .boundary = settings->boundary,
        .null_cursor = settings->null_cursor,
        .lookback_seconds = settings->lookback_seconds,
        .safety_lag_seconds = run->env.pipeline->safety_lag_seconds,
        .metadata_columns = run->env.pipeline->metadata_columns,
        .metadata_column_count = run->env.pipeline->metadata_column_count,
        .mark = work->mark,
        .count_source = settings->checks->enabled && settings->checks->row_count.enabled,
        .tombstone_seq = work->decision.tombstone_seq,
        .added_columns = work->added_columns,
    };
}

/* --- one target schema
 * ---------------------------------------------------------------------------- */

static bool is_fault_of_one_target(int rc)
{
    return rc == RKY_ERR_LOCKED || rc == RKY_ERR_IO || rc == RKY_ERR_QUERY || rc == RKY_ERR_QUOTA ||
           rc == RKY_ERR_AUTH || rc == RKY_ERR_CONNECTION;
}

/* A fault of one table is kept with the table; what would hit every table ends the phase. */
static int prepare_work(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    struct rky_error fault = {0};
    if (work->state == RKY_WORK_FAILED)
        return RKY_OK;
    int rc = rky_work_decide(run, work, &fault);
    if (rc == RKY_ERR_NOMEM) {
        if (err != NULL)
            *err = fault;
        return rc;
    }
    if (rc != RKY_OK)
        rky_work_fail(work, &fault);
    return RKY_OK;
}

static int prepare_target(struct rky_run *run, struct rky_target *target, struct rky_error *err)
{
    int rc = rky_target_read(run, target, &target->fault);
    if (rc != RKY_OK && !is_fault_of_one_target(rc)) {
        if (err != NULL)
            *err = target->fault;
        return rc;
    }
    for (size_t i = 0; i < target->work_count; i++) {
        struct rky_work *work = &run->work[target->first_work + i];
        if (rc != RKY_OK && work->state != RKY_WORK_FAILED)
            rky_work_fail(work, &target->fault);
        else if (rc == RKY_OK && prepare_work(run, work, err) != RKY_OK)
            return RKY_ERR_NOMEM;
    }
    rky_target_release(run, target);
    return RKY_OK;
}

/* The target's lineage is the reference. What only this machine holds gives way to it; a remote
 * that holds another state is a mistake that somebody has to look at. */
static int take_lineage(struct rky_run *run, const struct rky_target *known, struct rky_error *err)
{
    const char *lineage = known->fence.lineage;
    if (strcmp(run->meta.lineage, lineage) != 0 && run->state.remote && run->meta.generation > 0) {
        int rc = rky_fail(err, RKY_ERR_STATE_FILE,
                          "namespace '%s': the state has lineage %s, target schema '%s.%s' belongs "
                          "to lineage %s",
                          run->job->namespace_, run->meta.lineage, known->catalog, known->schema,
                          lineage);
        rky_error_hint(err, "the remote holds another state than this target's: check bucket, "
                            "prefix and namespace; 'rocky state adopt --lineage' overrides");
        run->foreign = !run->state.confirmed;
        return rc;
    }
    (void)snprintf(run->meta.lineage, sizeof(run->meta.lineage), "%s", lineage);
    return RKY_OK;
}

/* The target's fence rows are the reference for whose state this is: a ledger that was recreated
 * takes their lineage over; rows that disagree among themselves mean two states share a target. */
static int inherit_lineage(struct rky_run *run, struct rky_error *err)
{
    const struct rky_target *known = NULL;
    for (size_t i = 0; i < run->target_count; i++) {
        const struct rky_target *target = &run->targets[i];
        if (!target->fence.present || target->fence.lineage[0] == '\0')
            continue;
        if (known != NULL && strcmp(known->fence.lineage, target->fence.lineage) != 0) {
            int rc = rky_fail(err, RKY_ERR_CONFIG,
                              "target schemas '%s.%s' and '%s.%s' carry different lineages of "
                              "namespace '%s'",
                              known->catalog, known->schema, target->catalog, target->schema,
                              run->job->namespace_);
            rky_error_hint(err, "two states write to this target: give one of them another "
                                "namespace or another target");
            return rc;
        }
        known = target;
    }
    return known != NULL ? take_lineage(run, known, err) : RKY_OK;
}

/* A key that the target knows from another job, while the ledger does not, belongs to a job whose
 * record was lost: go on under its id, so that its finished tables are not copied again. */
static int adopt_first_job(struct rky_run *run, struct rky_error *err)
{
    if (run->job->idempotency_key == NULL)
        return RKY_OK;
    for (size_t i = 0; i < run->target_count; i++) {
        if (run->targets[i].commit_count == 0)
            continue;
        rky_free(run->commit_job_id);
        run->commit_job_id = rky_strdup(run->targets[i].commits[0].job_id);
        return run->commit_job_id == NULL ? rky_fail_nomem(err) : RKY_OK;
    }
    return RKY_OK;
}

static int discover(struct rky_run *run, struct rky_error *err)
{
    int rc = open_adapters(run, err);
    if (rc == RKY_OK)
        rc = rky_ledger_meta(run->env.ledger, &run->meta, err);
    if (rc == RKY_OK)
        rc = rky_ledger_watermarks(run->env.ledger, &run->watermarks, &run->watermark_count, err);
    if (rc == RKY_OK)
        rc = rky_discover(run->env.pipeline, run->source, run->target, &run->filter,
                          run->job->namespace_, &run->discovery, err);
    return rc;
}

int rky_run_prepare(struct rky_run *run, struct rky_error *err)
{
    int rc = RKY_OK;
    if (run->job->type == RKY_JOB_APPLY)
        rc = rky_plan_load(run, err);
    if (rc == RKY_OK)
        rc = discover(run, err);
    if (rc == RKY_OK)
        rc = collect_work(run, err);
    for (size_t i = 0; rc == RKY_OK && i < run->target_count; i++)
        rc = prepare_target(run, &run->targets[i], err);
    if (rc == RKY_OK)
        rc = rky_gone_sources(run, err);
    if (rc == RKY_OK)
        rc = inherit_lineage(run, err);
    if (rc == RKY_OK)
        rc = adopt_first_job(run, err);
    if (rc == RKY_OK)
        rc = rky_plan_build(run, err);
    if (rc == RKY_OK && run->job->type == RKY_JOB_APPLY)
        rc = rky_plan_validate(run, err);
    /* The drivers know that they were stopped, the run knows why. */
    if (rc == RKY_ERR_INTERRUPTED && run->interrupt_code != RKY_OK) {
        rky_error_clear(err);
        rc = rky_fail(err, (enum rky_err)run->interrupt_code,
                      "the run was stopped while it looked at sources and targets");
    }
    return rc;
}
