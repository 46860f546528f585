/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doctor's look at the warehouses: can the sources be read, may the targets be written, and what do
 * the pipelines make of what is there. Nothing is opened for writing, nothing is made.
 */
#include "config.h"

#include <string.h>

#include "cli/doctor.h"
#include "common/mem.h"
#include "engine/discover.h"

/** A pipeline with its warehouses open. */
struct opened {
    struct rky_adapter *source, *target;
    struct rky_discovery discovery;
};

static int open_pipeline(const struct rky_doctor *doctor, size_t at, struct opened *opened,
                         struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = doctor->pipelines[at];
    struct rky_filter all = {0};
    *opened = (struct opened){0};
    int rc = rky_adapter_open(pipeline->source_adapter, &opened->source, err);
    if (rc == 0)
        rc = rky_adapter_open(pipeline->target_adapter, &opened->target, err);
    if (rc == 0)
        rc = rky_discover(pipeline, opened->source, opened->target, &all, doctor->namespaces[at],
                          &opened->discovery, err);
    if (rc != 0)
        rky_error_wrap(err, "pipeline '%s'", pipeline->name);
    return rc;
}

static void opened_done(struct opened *opened)
{
    rky_discovery_done(&opened->discovery);
    if (opened->source != NULL)
        opened->source->ops->close(opened->source);
    if (opened->target != NULL)
        opened->target->ops->close(opened->target);
}

/* --- adapters ----------------------------------------------------------------------------- */

static void check_access(const struct rky_pipeline_config *pipeline, const struct opened *opened,
                         const struct rky_source *source, struct rky_check *check)
{
    struct rky_error err = {0};
    if (source->fault != NULL) {
        rky_check_fault(check, RKY_HEALTH_CRITICAL, source->fault);
        return;
    }
    if (opened->source->ops->check_access(opened->source, source->catalog, source->schema, false,
                                          &err) != 0) {
        rky_error_wrap(&err, "source adapter '%s'", pipeline->source_adapter_name);
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
    }
    rky_error_clear(&err);
    if (opened->target->ops->check_access(opened->target, source->target_catalog,
                                          source->target_schema, true, &err) != 0) {
        rky_error_wrap(&err, "target adapter '%s'", pipeline->target_adapter_name);
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
    }
}

void rky_check_adapters(const struct rky_doctor *doctor, struct rky_check *check)
{
    size_t schemas = 0;
    for (size_t i = 0; i < doctor->pipeline_count; i++) {
        const struct rky_pipeline_config *pipeline = doctor->pipelines[i];
        struct opened opened = {0};
        struct rky_error err = {0};
        int rc = open_pipeline(doctor, i, &opened, &err);
        /* What is wrong with the pipeline is told by its own check. */
        if (rc != 0 && rc != RKY_ERR_CONFIG && rc != RKY_ERR_USAGE)
            rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
        for (size_t k = 0; k < opened.discovery.source_count; k++)
            check_access(pipeline, &opened, &opened.discovery.sources[k], check);
        schemas += opened.discovery.source_count;
        opened_done(&opened);
    }
    rky_check_detail(check, "schemas", json_integer((json_int_t)schemas));
    rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                   "%zu source schema%s can be read and their targets written", schemas,
                   schemas == 1 ? "" : "s");
}

/* --- pipelines ---------------------------------------------------------------------------- */

static size_t count_tables(const struct rky_discovery *discovery)
{
    size_t count = 0;
    for (size_t i = 0; i < discovery->source_count; i++)
        count += discovery->sources[i].table_count;
    return count;
}

static json_t *pipeline_json(const struct rky_discovery *discovery)
{
    json_t *excluded = json_array();
    enum { SHOWN = 100 };
    for (size_t i = 0; i < discovery->excluded_count && i < SHOWN; i++) {
        json_t *item = json_pack("{s:s, s:s}", "name", discovery->excluded[i].name, "reason",
                                 discovery->excluded[i].reason);
        if (item != NULL)
            (void)json_array_append_new(excluded, item);
    }
    return json_pack("{s:I, s:I, s:o}", "sources", (json_int_t)discovery->source_count, "tables",
                     (json_int_t)count_tables(discovery), "excluded", excluded);
}

void rky_check_pipelines(const struct rky_doctor *doctor, struct rky_check *check)
{
    size_t tables = 0;
    for (size_t i = 0; i < doctor->pipeline_count; i++) {
        const char *name = doctor->pipelines[i]->name;
        struct opened opened = {0};
        struct rky_error err = {0};
        int rc = open_pipeline(doctor, i, &opened, &err);
        if (rc != 0)
            rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
        else if (opened.discovery.source_count == 0)
            rky_check_find(check, RKY_HEALTH_WARNING,
                           "'rocky discover' shows what is left out and why",
                           "pipeline '%s' matches no source schema (%zu left out)", name,
                           opened.discovery.excluded_count);
        else if (count_tables(&opened.discovery) == 0)
            rky_check_find(check, RKY_HEALTH_WARNING,
                           "'rocky discover' shows what is left out and why",
                           "pipeline '%s' has no table to copy", name);
        if (rc == 0)
            rky_check_detail(check, name, pipeline_json(&opened.discovery));
        tables += count_tables(&opened.discovery);
        opened_done(&opened);
    }
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "%zu pipeline%s, %zu table%s",
                   doctor->pipeline_count, doctor->pipeline_count == 1 ? "" : "s", tables,
                   tables == 1 ? "" : "s");
}
