/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: from a raw schema name to components, from components to the target's catalog and schema,
 * and the quoted `catalog.schema.table` by which state knows a table. Pure functions.
 */
#ifndef RKY_ENGINE_NAMES_H
#define RKY_ENGINE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"
#include "common/error.h"
#include "schemas/job.h"

/** One component of a schema name; a variadic one ("regions...") has several values. */
struct rky_component {
    char *name;
    struct rky_strings values;
    bool variadic;
};

struct rky_components {
    struct rky_component *items;
    size_t count;
};
void rky_components_done(struct rky_components *components);

/**
 * @brief Split a schema name by the pipeline's pattern.
 * @param ret_reason set when the name does not match: "prefix" (not ours at all: skip silently) or
 *        a sentence for `excluded` (too few segments, surplus segments, empty segment). Owned.
 * @return 0 on a match, RKY_ERR_NOT_FOUND when it does not match, RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_components_parse(const struct rky_pipeline_config *pipeline,
                                        const char *schema, struct rky_components *ret_components,
                                        char **ret_reason, struct rky_error *err);
/** @brief Fill `{client}`, `{regions:__}`; without a separator a variadic one is joined by the
 *         pattern's. Placeholders were validated with the configuration. @return owned or NULL. */
char *rky_template_expand(const struct rky_pipeline_config *pipeline, const char *template_text,
                          const struct rky_components *components);
/** @brief An unknown component name is RKY_ERR_USAGE naming the known ones. */
RKY_MUST_CHECK int rky_filter_check(const struct rky_filter *filter,
                                    const struct rky_pipeline_config *pipeline,
                                    struct rky_error *err);
/** @brief Whether a filter takes these components: equality, containment for a variadic one. */
bool rky_filter_match(const struct rky_filter *filter, const struct rky_components *components);
/** @brief Values of a component joined by @p separator; NULL when unknown or memory is out.
 *         Owned. */
char *rky_component_value(const struct rky_components *components, const char *name,
                          const char *separator);

/** @brief `catalog.schema.table`; a part with characters outside [A-Za-z0-9_-] is double-quoted,
 *         quotes doubled. @return owned or NULL. */
char *rky_table_name(const char *catalog, const char *schema, const char *table);
/** @brief The parts of such a name. RKY_ERR_USAGE when it has not exactly three.
 *  @param ret_parts three owned texts. */
RKY_MUST_CHECK int rky_table_name_split(const char *name, char *ret_parts[3],
                                        struct rky_error *err);

/** @brief The overrides that apply to `schema.table`: the most specific pattern wins (most literal
 *         characters); a tie is RKY_ERR_CONFIG naming both.
 *  @param ret_override borrowed, NULL when none applies. */
RKY_MUST_CHECK int rky_table_override_find(const struct rky_pipeline_config *pipeline,
                                           const char *schema, const char *table,
                                           const struct rky_table_override **ret_override,
                                           struct rky_error *err);

#endif
