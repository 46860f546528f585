/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of one pipeline: its name and namespace, its adapters, the pattern of schema names, the
 * templates, added columns and overrides. What was left out and follows from the rest is filled in
 * here: adapters and namespace.
 */
#include <config.h>

#include "common/config_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/template.h"

#define AT(...) ((const char *const[]){"pipeline", pipeline->name, __VA_ARGS__, NULL})

static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
static const char WORD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

static bool name_is_valid(const char *name)
{
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_. -";
    size_t length = strlen(name);
    return length >= 1 && length <= 128 && isalnum((unsigned char)name[0]) &&
           strspn(name, rest) == length;
}

/* --- adapters ------------------------------------------------------------------------------ */

/* @return owned list "'a', 'b'". */
static char *adapter_names(const struct rky_config *config)
{
    struct rky_strbuf names = {0};
    for (size_t i = 0; i < config->adapter_count; i++)
        rky_strbuf_addf(&names, "%s'%s'", i == 0 ? "known here: " : ", ", config->adapters[i].name);
    char *text = rky_strbuf_take(&names);
    rky_strbuf_done(&names);
    return text;
}

static int unknown_adapter(struct rky_walk *walk, const struct rky_pipeline_config *pipeline,
                           const char *side, const char *name)
{
    const struct rky_config *config = walk->config;
    char shown[RKY_SHOWN_MAX];
    const char **candidates = rky_calloc(config->adapter_count + 1, sizeof(*candidates));
    char *hint = NULL;

    if (candidates == NULL)
        return RKY_ERR_NOMEM;
    for (size_t i = 0; i < config->adapter_count; i++)
        candidates[i] = config->adapters[i].name;
    const char *nearest = rky_nearest(name, candidates);
    if (nearest != NULL && nearest[0] != '\0')
        hint = rky_asprintf("did you mean '%s'?", nearest);
    else if (config->adapter_count == 1 && config->adapters[0].name[0] == '\0')
        hint = rky_strdup("the bare [adapter] has no name; leave the key out");
    else if (config->adapter_count > 0)
        hint = adapter_names(config);
    else
        hint = rky_strdup("write [adapter.NAME] with a type");
    rky_free(candidates);
    int rc = hint == NULL ? RKY_ERR_NOMEM
                          : rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT(side, "adapter"), hint,
                                             "unknown adapter %s", rky_shown(name, false, shown));
    rky_free(hint);
    return rc;
}

static int missing_adapter(struct rky_walk *walk, const struct rky_pipeline_config *pipeline,
                           const char *side)
{
    if (walk->config->adapter_count == 0)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT(side, "adapter"),
                                "write [adapter] with type and path", "no adapter is configured");
    char *hint = adapter_names(walk->config);
    int rc = hint == NULL ? RKY_ERR_NOMEM
                          : rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT(side, "adapter"), hint,
                                             "required key 'adapter' is missing: there are several "
                                             "adapters");
    rky_free(hint);
    return rc;
}

static int resolve_adapter(struct rky_walk *walk, struct rky_pipeline_config *pipeline,
                           const char *side, char **name, const struct rky_adapter_config **ret)
{
    const struct rky_config *config = walk->config;
    const json_t *root = json_object_get(json_object_get(walk->root, "pipeline"), pipeline->name);

    if (*name == NULL) {
        /* Written but of a wrong type or with a missing variable: reported already. */
        if (json_object_get(json_object_get(root, side), "adapter") != NULL)
            return RKY_OK;
        if (config->adapter_count != 1)
            return missing_adapter(walk, pipeline, side);
        *name = rky_strdup(config->adapters[0].name);
        if (*name == NULL)
            return RKY_ERR_NOMEM;
    }
    for (size_t i = 0; i < config->adapter_count; i++)
        if (strcmp(config->adapters[i].name, *name) == 0)
            *ret = &config->adapters[i];
    return *ret != NULL ? RKY_OK : unknown_adapter(walk, pipeline, side, *name);
}

/* --- schema pattern and templates ---------------------------------------------------------- */

static int component_problem(struct rky_walk *walk, const struct rky_pipeline_config *pipeline,
                             size_t index, const char *hint, const char *what)
{
    char number[24];
    char shown[RKY_SHOWN_MAX];
    (void)snprintf(number, sizeof(number), "%zu", index);
    return rky_rule_problem(
        walk, RKY_PROBLEM_ERROR, AT("source", "schema_pattern", "components", number), hint,
        "%s %s", what, rky_shown(pipeline->pattern_components.items[index], false, shown));
}

static bool component_is_repeated(const struct rky_strings *components, size_t index)
{
    size_t length = rky_component_name_length(components->items[index]);
    for (size_t i = 0; i < index; i++)
        if (rky_component_name_length(components->items[i]) == length &&
            strncmp(components->items[i], components->items[index], length) == 0)
            return true;
    return false;
}

static int check_component(struct rky_walk *walk, const struct rky_pipeline_config *pipeline,
                           size_t index, bool *seen_variadic)
{
    const struct rky_strings *components = &pipeline->pattern_components;
    const char *text = components->items[index];
    size_t length = rky_component_name_length(text);
    bool variadic = text[length] != '\0';
    bool second = variadic && *seen_variadic;

    *seen_variadic = *seen_variadic || variadic;
    if (strchr(LETTERS, text[0]) == NULL || strspn(text, WORD) != length)
        return component_problem(walk, pipeline, index,
                                 "a letter or '_', then letters, digits and '_'; '...' at the end "
                                 "for several values",
                                 "not a component name:");
    if (strncmp(text, "table", length) == 0 && length == 5)
        return component_problem(walk, pipeline, index, NULL, "reserved component name");
    if (strncmp(text, "id", length) == 0 && length == 2)
        return component_problem(walk, pipeline, index, NULL, "reserved component name");
    if (component_is_repeated(components, index))
        return component_problem(walk, pipeline, index, NULL, "the same component again:");
    if (second)
        return component_problem(walk, pipeline, index, "only one may end in '...'",
                                 "a second component with several values:");
    return RKY_OK;
}

static int check_template(struct rky_walk *walk, const struct rky_pipeline_config *pipeline,
                          const char *key, const char *text)
{
    struct rky_error why = {0};
    if (text == NULL || pipeline->pattern_components.count == 0)
        return RKY_OK;
    int rc = rky_template_verify(text, &pipeline->pattern_components, &why);
    if (rc != RKY_ERR_CONFIG)
        return rc;
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("target", key), why.hint, "%s",
                            why.message);
}

static int check_pattern(struct rky_walk *walk, const struct rky_pipeline_config *pipeline)
{
    const struct rky_strings *components = &pipeline->pattern_components;
    const char *const *where = AT("source", "schema_pattern", "components");
    size_t errors_before = walk->problems->error_count;
    bool seen_variadic = false;
    int rc = RKY_OK;
    const json_t *written = walk->root;

    for (size_t i = 0; where[i] != NULL; i++)
        written = json_object_get(written, where[i]);
    if (json_is_array(written) && json_array_size(written) == 0)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, where,
                                "e.g. [\"client\", \"regions...\", \"connector\"]",
                                "must name at least one component");
    /* An element that could not be read was reported; positions would be off. */
    if (json_array_size(written) != components->count)
        return RKY_OK;
    for (size_t i = 0; i < components->count && rc == RKY_OK; i++)
        rc = check_component(walk, pipeline, i, &seen_variadic);
    if (rc == RKY_OK && walk->problems->error_count == errors_before)
        rc = check_template(walk, pipeline, "catalog_template", pipeline->catalog_template);
    if (rc == RKY_OK && walk->problems->error_count == errors_before)
        rc = check_template(walk, pipeline, "schema_template", pipeline->schema_template);
    return rc;
}

/* --- namespace ----------------------------------------------------------------------------- */

static int check_namespace_from(struct rky_walk *walk, const struct rky_pipeline_config *pipeline)
{
    const struct rky_strings *components = &pipeline->pattern_components;
    const char *name = pipeline->namespace_from;
    char shown[RKY_SHOWN_MAX];

    for (size_t i = 0; i < components->count; i++) {
        size_t length = rky_component_name_length(components->items[i]);
        if (strlen(name) != length || strncmp(name, components->items[i], length) != 0)
            continue;
        if (components->items[i][length] == '\0')
            return RKY_OK;
        return rky_rule_problem(
            walk, RKY_PROBLEM_ERROR, AT("namespace_from"), "choose a component without '...'",
            "component '%s' has several values and cannot be a namespace", name);
    }
    if (components->count == 0)
        return RKY_OK;
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("namespace_from"), NULL,
                            "%s is no component of the schema pattern",
                            rky_shown(name, false, shown));
}

static int check_namespace(struct rky_walk *walk, struct rky_pipeline_config *pipeline)
{
    const json_t *written = json_object_get(
        json_object_get(json_object_get(walk->root, "pipeline"), pipeline->name), "namespace");
    char shown[RKY_SHOWN_MAX];

    if (pipeline->namespace_from != NULL && written != NULL)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("namespace"), "remove one of them",
                                "'namespace' and 'namespace_from' exclude each other");
    if (pipeline->namespace_from != NULL)
        return check_namespace_from(walk, pipeline);
    if (pipeline->namespace_ != NULL && !rky_namespace_valid(pipeline->namespace_))
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("namespace"), NULL,
                                "expected [a-z0-9] and then at most 62 of [a-z0-9_-], found %s",
                                rky_shown(pipeline->namespace_, false, shown));
    if (pipeline->namespace_ != NULL || written != NULL)
        return RKY_OK;
    if (!rky_namespace_valid(pipeline->name))
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("namespace"),
                                "namespaces are [a-z0-9] and then at most 62 of [a-z0-9_-]",
                                "required key 'namespace' is missing: the pipeline's name is no "
                                "namespace");
    pipeline->namespace_ = rky_strdup(pipeline->name);
    return pipeline->namespace_ != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

/* --- columns, overrides, checks ------------------------------------------------------------ */

static int check_columns(struct rky_walk *walk, const struct rky_pipeline_config *pipeline)
{
    for (size_t i = 0; i < pipeline->metadata_column_count; i++) {
        const char *name = pipeline->metadata_columns[i].name;
        const char *what = NULL;
        char number[24];
        if (name == NULL)
            continue;
        if (strncasecmp(name, "_rocky", 6) == 0)
            what = "names that begin with '_rocky' are reserved, found";
        for (size_t k = 0; k < i; k++) {
            const char *other = pipeline->metadata_columns[k].name;
            if (other != NULL && strcasecmp(other, name) == 0)
                what = "a second column with the name";
        }
        if (what == NULL)
            continue;
        (void)snprintf(number, sizeof(number), "%zu", i);
        int rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("metadata_columns", number, "name"),
                                  NULL, "%s '%s'", what, name);
        if (rc != RKY_OK)
            return rc;
    }
    return RKY_OK;
}

static int merge_needs_key(struct rky_walk *walk, const char *const *segments)
{
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, segments,
                            "name the columns that identify a row",
                            "required key 'unique_key' is missing: strategy 'merge' needs it");
}

static int check_override(struct rky_walk *walk, const struct rky_pipeline_config *pipeline,
                          const struct rky_table_override *override)
{
    enum rky_strategy strategy = override->has_strategy ? override->strategy : pipeline->strategy;
    const struct rky_strings *unique_key =
        override->has_unique_key ? &override->unique_key : &pipeline->unique_key;
    int rc = RKY_OK;

    if (override->has_strategy && strategy == RKY_STRATEGY_MERGE && unique_key->count == 0)
        rc = merge_needs_key(walk, AT("table", override->pattern, "unique_key"));
    if (rc == RKY_OK && strpbrk(override->pattern, ".*?[") == NULL)
        rc = rky_rule_problem(walk, RKY_PROBLEM_WARNING, AT("table", override->pattern),
                              "write table.\"schema.table\", or table.\"*.table\" for every schema",
                              "pattern '%s' matches no table: it is compared with 'schema.table'",
                              override->pattern);
    return rc;
}

/* Checks that were asked for and stay off are a surprise worth a line. */
static int warn_idle_checks(struct rky_walk *walk, const struct rky_pipeline_config *pipeline)
{
    const struct rky_checks_config *checks = &pipeline->checks;
    const json_t *written = json_object_get(
        json_object_get(json_object_get(walk->root, "pipeline"), pipeline->name), "checks");
    if (checks->enabled || json_object_get(written, "enabled") != NULL ||
        (!checks->row_count.enabled && !checks->freshness.enabled))
        return RKY_OK;
    return rky_rule_problem(walk, RKY_PROBLEM_WARNING, AT("checks"), "add 'enabled = true'",
                            "checks are written but not enabled");
}

int rky_rules_pipeline(struct rky_walk *walk, struct rky_pipeline_config *pipeline)
{
    char shown[RKY_SHOWN_MAX];
    int rc = RKY_OK;

    if (!name_is_valid(pipeline->name))
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT(""),
                              "a letter or digit, then at most 127 letters, digits, '_', '.', '-' "
                              "and spaces",
                              "not a pipeline name: %s", rky_shown(pipeline->name, false, shown));
    else
        rc = check_namespace(walk, pipeline);
    if (rc == RKY_OK)
        rc = resolve_adapter(walk, pipeline, "source", &pipeline->source_adapter_name,
                             &pipeline->source_adapter);
    if (rc == RKY_OK)
        rc = resolve_adapter(walk, pipeline, "target", &pipeline->target_adapter_name,
                             &pipeline->target_adapter);
    if (rc == RKY_OK)
        rc = check_pattern(walk, pipeline);
    if (rc == RKY_OK)
        rc = check_columns(walk, pipeline);
    if (rc == RKY_OK && pipeline->strategy == RKY_STRATEGY_MERGE && pipeline->unique_key.count == 0)
        rc = merge_needs_key(walk, AT("unique_key"));
    for (size_t i = 0; i < pipeline->override_count && rc == RKY_OK; i++)
        rc = check_override(walk, pipeline, &pipeline->overrides[i]);
    if (rc == RKY_OK)
        rc = warn_idle_checks(walk, pipeline);
    return rc;
}
