/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/discover.h"

#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"

static void source_done(struct rky_source *source)
{
    for (size_t i = 0; i < source->table_count; i++)
        rky_free(source->tables[i].target_name);
    rky_free(source->tables);
    rky_free(source->fault);
    rky_schema_info_done(&source->info);
    rky_components_done(&source->components);
    rky_free(source->catalog);
    rky_free(source->schema);
    rky_free(source->target_catalog);
    rky_free(source->target_schema);
    *source = (struct rky_source){0};
}

void rky_discovery_done(struct rky_discovery *discovery)
{
    for (size_t i = 0; i < discovery->source_count; i++)
        source_done(&discovery->sources[i]);
    rky_free(discovery->sources);
    for (size_t i = 0; i < discovery->excluded_count; i++) {
        rky_free(discovery->excluded[i].name);
        rky_free(discovery->excluded[i].reason);
    }
    rky_free(discovery->excluded);
    *discovery = (struct rky_discovery){0};
}

/** What one discovery works with; the capacity of the growing arrays stays in here. */
struct walk {
    const struct rky_pipeline_config *pipeline;
    const struct rky_adapter *source_adapter, *target_adapter;
    struct rky_discovery result;
    size_t excluded_capacity, source_capacity;
};

/* Takes name and reason. */
static int exclude(struct walk *walk, char *name, char *reason, struct rky_error *err)
{
    int rc = name == NULL || reason == NULL ? rky_fail_nomem(err) : RKY_OK;
    if (rc == RKY_OK)
        rc =
            rky_array_reserve(&walk->result.excluded, &walk->excluded_capacity,
                              walk->result.excluded_count + 1, sizeof(*walk->result.excluded), err);
    if (rc == RKY_OK) {
        walk->result.excluded[walk->result.excluded_count++] =
            (struct rky_excluded){.name = name, .reason = reason};
    } else {
        rky_free(name);
        rky_free(reason);
    }
    return rc;
}

static bool matches_any(const struct rky_strings *patterns, const char *qualified,
                        const char *table)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (rky_glob_match(patterns->items[i], table) ||
            rky_glob_match(patterns->items[i], qualified))
            return true;
    return false;
}

/* Why a table is not replicated; NULL when it is. */
static const char *exclusion_reason(const struct rky_pipeline_config *pipeline,
                                    const struct rky_table_info *info,
                                    const struct rky_table_override *override,
                                    const char *qualified)
{
    switch (info->kind) {
    case RKY_TABLE_PLAIN:
        break;
    case RKY_TABLE_VIEW:
        return "a view is not replicated";
    case RKY_TABLE_VIRTUAL:
        return "a virtual table is not replicated";
    case RKY_TABLE_SHADOW:
        return "a shadow table of a virtual table is not replicated";
    case RKY_TABLE_SYSTEM:
        return "a system table of the engine is not replicated";
    case RKY_TABLE_OURS:
        return "names that start with '_rocky_' are reserved";
    }
    if (matches_any(&pipeline->tables_exclude, qualified, info->name))
        return "excluded by source.tables.exclude";
    if (pipeline->tables_include.count > 0 &&
        !matches_any(&pipeline->tables_include, qualified, info->name))
        return "not named by source.tables.include";
    if (override != NULL && override->has_enabled && !override->enabled)
        return "switched off by enabled = false";
    return NULL;
}

static struct rky_table_settings settings_of(const struct rky_pipeline_config *pipeline,
                                             const struct rky_table_override *override)
{
    struct rky_table_settings settings = {
        .strategy = pipeline->strategy,
        .timestamp_column = pipeline->timestamp_column,
        .boundary = pipeline->boundary,
        .lookback_seconds = pipeline->lookback_seconds,
        .null_cursor = pipeline->null_cursor,
        .checks = &pipeline->checks,
    };
    if (override == NULL)
        return settings;
    if (override->has_strategy)
        settings.strategy = override->strategy;
    if (override->has_timestamp_column)
        settings.timestamp_column = override->timestamp_column;
    if (override->has_boundary)
        settings.boundary = override->boundary;
    if (override->has_lookback)
        settings.lookback_seconds = override->lookback_seconds;
    if (override->has_null_cursor)
        settings.null_cursor = override->null_cursor;
    if (override->has_checks)
        settings.checks = &override->checks;
    return settings;
}

static int add_table(struct walk *walk, struct rky_source *source,
                     const struct rky_table_info *info, struct rky_error *err)
{
    const struct rky_table_override *override = NULL;
    const char *reason = NULL;
    char *qualified = rky_asprintf("%s.%s", source->schema, info->name);
    int rc = qualified == NULL ? rky_fail_nomem(err) : RKY_OK;
    if (rc == RKY_OK && info->kind == RKY_TABLE_PLAIN)
        rc = rky_table_override_find(walk->pipeline, source->schema, info->name, &override, err);
    if (rc == RKY_OK) {
        reason = exclusion_reason(walk->pipeline, info, override, qualified);
        if (reason != NULL) {
            rc = exclude(walk, rky_table_name(source->catalog, source->schema, info->name),
                         rky_strdup(reason), err);
        } else {
            struct rky_source_table *table = &source->tables[source->table_count];
            table->info = info;
            table->settings = settings_of(walk->pipeline, override);
            table->target_name =
                rky_table_name(source->target_catalog, source->target_schema, info->name);
            if (table->target_name == NULL)
                rc = rky_fail_nomem(err);
            else
                source->table_count++;
        }
    }
    rky_free(qualified);
    return rc;
}

/* A source that is its own target would copy its rows onto themselves for ever. */
static int check_not_itself(const struct walk *walk, const struct rky_source *source,
                            struct rky_error *err)
{
    char *from = NULL;
    char *to = NULL;
    int rc = walk->source_adapter->ops->location(walk->source_adapter, source->catalog,
                                                 source->schema, &from, err);
    if (rc == RKY_OK)
        rc = walk->target_adapter->ops->location(walk->target_adapter, source->target_catalog,
                                                 source->target_schema, &to, err);
    if (rc == RKY_OK && strcmp(from, to) == 0) {
        rc = rky_fail(err, RKY_ERR_CONFIG,
                      "source '%s.%s' and its target '%s.%s' are the same: '%s'", source->catalog,
                      source->schema, source->target_catalog, source->target_schema, from);
        rky_error_hint(err, "give pipeline.%s.target another catalog_template or schema_template",
                       walk->pipeline->name);
    }
    rky_free(from);
    rky_free(to);
    return rc;
}

static int describe_source(struct walk *walk, struct rky_source *source, struct rky_error *err)
{
    const struct rky_adapter_ops *target_ops = walk->target_adapter->ops;
    int rc = target_ops->check_name(walk->target_adapter, source->target_catalog,
                                    source->target_schema, err);
    if (rc != RKY_OK)
        rky_error_wrap(err, "target of source schema '%s'", source->schema);
    if (rc == RKY_OK)
        rc = check_not_itself(walk, source, err);
    if (rc == RKY_OK)
        rc = walk->source_adapter->ops->describe(walk->source_adapter, source->catalog,
                                                 source->schema, &source->info, err);
    if (rc == RKY_OK && source->info.table_count > 0) {
        source->tables = rky_calloc(source->info.table_count, sizeof(*source->tables));
        if (source->tables == NULL)
            rc = rky_fail_nomem(err);
    }
    for (size_t i = 0; rc == RKY_OK && i < source->info.table_count; i++)
        rc = add_table(walk, source, &source->info.tables[i], err);
    return rc;
}

/* One unreadable source must not stop the others: it is listed with the reason. */
static bool is_fault_of_one_source(int rc)
{
    return rc == RKY_ERR_SOURCE_MISSING || rc == RKY_ERR_QUERY || rc == RKY_ERR_IO ||
           rc == RKY_ERR_LOCKED || rc == RKY_ERR_AUTH;
}

static int fill_source(struct walk *walk, struct rky_source *source, const char *schema,
                       struct rky_error *err)
{
    source->catalog = rky_strdup(walk->pipeline->source_catalog);
    source->schema = rky_strdup(schema);
    source->target_catalog =
        rky_template_expand(walk->pipeline, walk->pipeline->catalog_template, &source->components);
    source->target_schema =
        rky_template_expand(walk->pipeline, walk->pipeline->schema_template, &source->components);
    if (source->catalog == NULL || source->schema == NULL || source->target_catalog == NULL ||
        source->target_schema == NULL)
        return rky_fail_nomem(err);

    struct rky_error fault = {0};
    int rc = describe_source(walk, source, &fault);
    if (rc != RKY_OK && is_fault_of_one_source(rc)) {
        source->fault = rky_calloc(1, sizeof(*source->fault));
        if (source->fault == NULL)
            return rky_fail_nomem(err);
        *source->fault = fault;
        return RKY_OK;
    }
    if (rc != RKY_OK && err != NULL && err->code == RKY_OK)
        *err = fault;
    return rc;
}

static bool is_in_namespace(const struct rky_pipeline_config *pipeline,
                            const struct rky_components *components, const char *namespace_)
{
    if (pipeline->namespace_from == NULL || namespace_ == NULL)
        return true;
    for (size_t i = 0; i < components->count; i++)
        if (strcmp(components->items[i].name, pipeline->namespace_from) == 0)
            return strcmp(components->items[i].values.items[0], namespace_) == 0;
    return false;
}

static int add_schema(struct walk *walk, const char *schema, const struct rky_filter *filter,
                      const char *namespace_, struct rky_error *err)
{
    struct rky_components components = {0};
    char *reason = NULL;
    int rc = rky_components_parse(walk->pipeline, schema, &components, &reason, err);
    if (rc == RKY_ERR_NOT_FOUND) {
        rc = RKY_OK;
        if (strcmp(reason, "prefix") == 0)
            rky_free(reason);
        else
            rc = exclude(walk, rky_asprintf("%s.%s", walk->pipeline->source_catalog, schema),
                         reason, err);
        return rc;
    }
    if (rc != RKY_OK)
        return rc;
    if (!rky_filter_match(filter, &components) ||
        !is_in_namespace(walk->pipeline, &components, namespace_)) {
        rky_components_done(&components);
        return RKY_OK;
    }
    rc = rky_array_reserve(&walk->result.sources, &walk->source_capacity,
                           walk->result.source_count + 1, sizeof(*walk->result.sources), err);
    if (rc != RKY_OK) {
        rky_components_done(&components);
        return rc;
    }
    struct rky_source *source = &walk->result.sources[walk->result.source_count++];
    *source = (struct rky_source){.components = components};
    return fill_source(walk, source, schema, err);
}

struct target_of {
    const char *target;
    const struct rky_source *source;
    const struct rky_source_table *table;
};

static int by_target(const void *a, const void *b)
{
    const struct target_of *left = a;
    const struct target_of *right = b;
    return strcasecmp(left->target, right->target);
}

/* Names differing only in case are one table for most engines, so they collide here as well. */
static int check_collisions(const struct walk *walk, struct rky_error *err)
{
    size_t total = 0;
    size_t used = 0;
    int rc = RKY_OK;
    for (size_t i = 0; i < walk->result.source_count; i++)
        total += walk->result.sources[i].table_count;
    struct target_of *all = total > 0 ? rky_calloc(total, sizeof(*all)) : NULL;
    if (total > 0 && all == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < walk->result.source_count; i++) {
        const struct rky_source *source = &walk->result.sources[i];
        for (size_t j = 0; j < source->table_count; j++)
            all[used++] = (struct target_of){.target = source->tables[j].target_name,
                                             .source = source,
                                             .table = &source->tables[j]};
    }
    if (used > 1)
        qsort(all, used, sizeof(*all), by_target);
    for (size_t i = 1; i < used && rc == RKY_OK; i++)
        if (by_target(&all[i - 1], &all[i]) == 0) {
            rc = rky_fail(err, RKY_ERR_CONFIG,
                          "two source tables map to one target '%s': '%s.%s' and '%s.%s'",
                          all[i].target, all[i - 1].source->schema, all[i - 1].table->info->name,
                          all[i].source->schema, all[i].table->info->name);
            rky_error_hint(err,
                           "use more components in pipeline.%s.target.schema_template, or leave "
                           "one out with source.tables.exclude",
                           walk->pipeline->name);
        }
    rky_free(all);
    return rc;
}

int rky_discover(const struct rky_pipeline_config *pipeline, const struct rky_adapter *source,
                 const struct rky_adapter *target, const struct rky_filter *filter,
                 const char *namespace_, struct rky_discovery *ret_discovery, struct rky_error *err)
{
    struct walk walk = {.pipeline = pipeline, .source_adapter = source, .target_adapter = target};
    struct rky_strings schemas = {0};
    int rc = rky_filter_check(filter, pipeline, err);
    if (rc == RKY_OK)
        rc = source->ops->list_schemas(source, pipeline->source_catalog, pipeline->pattern_prefix,
                                       &schemas, err);
    for (size_t i = 0; rc == RKY_OK && i < schemas.count; i++)
        rc = add_schema(&walk, schemas.items[i], filter, namespace_, err);
    if (rc == RKY_OK)
        rc = check_collisions(&walk, err);
    rky_strings_done(&schemas);
    if (rc == RKY_OK)
        *ret_discovery = walk.result;
    else
        rky_discovery_done(&walk.result);
    return rc;
}
