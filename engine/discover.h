/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery: which source tables a pipeline has, where each goes, and what is left out and why.
 * Reads the source's catalog only.
 */
#ifndef RKY_ENGINE_DISCOVER_H
#define RKY_ENGINE_DISCOVER_H

#include "common/config.h"
#include "common/error.h"
#include "engine/adapter.h"
#include "engine/names.h"
#include "schemas/job.h"

/** The settings of one table after overrides. Borrows from the configuration. */
struct rky_table_settings {
    enum rky_strategy strategy;
    const char *timestamp_column; /**< NULL for full_refresh without a cursor */
    enum rky_boundary boundary;
    int64_t lookback_seconds;
    enum rky_null_cursor null_cursor;
    const struct rky_checks_config *checks;
};

struct rky_source_table {
    const struct rky_table_info *info; /**< borrowed from the source's schema info */
    struct rky_table_settings settings;
    char *target_name; /**< catalog.schema.table */
};

struct rky_source {
    char *catalog, *schema;
    struct rky_components components;
    char *target_catalog, *target_schema;
    struct rky_schema_info info;
    struct rky_source_table *tables;
    size_t table_count;
    struct rky_error *fault; /**< the schema could not be read: its tables are unknown; else NULL */
};

struct rky_excluded {
    char *name, *reason;
};

struct rky_discovery {
    struct rky_source *sources; /**< sorted by schema */
    size_t source_count;
    struct rky_excluded *excluded;
    size_t excluded_count;
};

/**
 * @brief Discover what a pipeline would replicate.
 * @param filter borrowed, may be empty. @param namespace_ with namespace_from: only sources whose
 *        component equals it; NULL = all.
 *        A schema that cannot be read is kept with its fault and does not stop the others.
 * @return 0; RKY_ERR_SOURCE_MISSING when the catalog is not there; RKY_ERR_USAGE for an unknown
 * filter component; RKY_ERR_CONFIG naming both when two sources map to one target, a source is its
 * own target, or two overrides tie.
 */
RKY_MUST_CHECK int rky_discover(const struct rky_pipeline_config *pipeline,
                                const struct rky_adapter *source, const struct rky_adapter *target,
                                const struct rky_filter *filter, const char *namespace_,
                                struct rky_discovery *ret_discovery, struct rky_error *err);
void rky_discovery_done(struct rky_discovery *discovery);

#endif
