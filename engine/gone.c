/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that this pipeline copied before and whose source is no longer there.
 *
 * A source that silently disappears is a fault somebody should hear of: the table fails with
 * `source-missing` in every run until its source is back or `rocky state delete` forgets it. Tables
 * that the configuration leaves out on purpose are not missed.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

static bool is_discovered(const struct rky_run *run, const char *source_name)
{
    for (size_t i = 0; i < run->work_count; i++)
        if (run->work[i].source_name != NULL && strcmp(run->work[i].source_name, source_name) == 0)
            return true;
    for (size_t i = 0; i < run->discovery.excluded_count; i++)
        if (strcmp(run->discovery.excluded[i].name, source_name) == 0)
            return true;
    return false;
}

/* A schema that is there but unreadable has failed as a whole already. */
static bool is_in_faulty_source(const struct rky_run *run, const char *schema)
{
    for (size_t i = 0; i < run->discovery.source_count; i++)
        if (run->discovery.sources[i].fault != NULL &&
            strcmp(run->discovery.sources[i].schema, schema) == 0)
            return true;
    return false;
}

/* Whether this run would have looked at that source: its pattern, filter and namespace. */
static int is_in_scope(const struct rky_run *run, char *const parts[3], bool *ret_yes,
                       struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = run->env.pipeline;
    struct rky_components components = {0};
    char *reason = NULL;
    *ret_yes = false;
    if (strcmp(parts[0], pipeline->source_catalog) != 0)
        return RKY_OK;
    int rc = rky_components_parse(pipeline, parts[1], &components, &reason, err);
    rky_free(reason);
    if (rc == RKY_ERR_NOT_FOUND)
        return RKY_OK;
    if (rc != RKY_OK)
        return rc;
    *ret_yes = rky_filter_match(&run->filter, &components);
    if (*ret_yes && pipeline->namespace_from != NULL) {
        char *value = rky_component_value(&components, pipeline->namespace_from, "");
        *ret_yes = value != NULL && strcmp(value, run->job->namespace_) == 0;
        rky_free(value);
    }
    rky_components_done(&components);
    return RKY_OK;
}

static int add_gone(struct rky_run *run, const struct rky_watermark *watermark,
                    struct rky_error *err)
{
    struct rky_work *grown = rky_reallocarray(run->work, run->work_count + 1, sizeof(*run->work));
    if (grown == NULL)
        return rky_fail_nomem(err);
    run->work = grown;
    struct rky_work *work = &run->work[run->work_count++];
    *work = (struct rky_work){.ledger = watermark};
    work->name = rky_strdup(watermark->table);
    work->source_name = rky_strdup(watermark->source);
    if (work->name == NULL || work->source_name == NULL)
        return rky_fail_nomem(err);
    struct rky_error fault = {0};
    (void)rky_fail(&fault, RKY_ERR_SOURCE_MISSING, "source table '%s' of '%s' is no longer there",
                   watermark->source, watermark->table);
    rky_error_hint(&fault,
                   "bring the source back, or run `rocky state delete --table '%s'` to forget the "
                   "table",
                   watermark->table);
    rky_work_fail(work, &fault);
    return RKY_OK;
}

static int consider(struct rky_run *run, const struct rky_watermark *watermark,
                    struct rky_error *err)
{
    char *parts[3] = {NULL, NULL, NULL};
    bool in_scope = false;
    if (watermark->source == NULL || watermark->source[0] == '\0' ||
        strcmp(watermark->pipeline, run->env.pipeline->name) != 0 ||
        is_discovered(run, watermark->source))
        return RKY_OK;
    int rc = rky_table_name_split(watermark->source, parts, err);
    if (rc == RKY_OK)
        rc = is_in_scope(run, parts, &in_scope, err);
    if (rc == RKY_OK && in_scope && !is_in_faulty_source(run, parts[1]))
        rc = add_gone(run, watermark, err);
    for (int i = 0; i < 3; i++)
        rky_free(parts[i]);
    return rc;
}

int rky_gone_sources(struct rky_run *run, struct rky_error *err)
{
    int rc = RKY_OK;
    /* Looking each watermark up among the tables is quadratic; equal numbers need no look. */
    size_t known = 0;
    for (size_t i = 0; i < run->work_count; i++)
        known += run->work[i].ledger != NULL;
    if (known == run->watermark_count)
        return RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < run->watermark_count; i++)
        rc = consider(run, &run->watermarks[i], err);
    return rc;
}
