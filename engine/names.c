/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/names.h"

#include <ctype.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "common/template.h"

void rky_components_done(struct rky_components *components)
{
    for (size_t i = 0; i < components->count; i++) {
        rky_free(components->items[i].name);
        rky_strings_done(&components->items[i].values);
    }
    rky_free(components->items);
    *components = (struct rky_components){0};
}

/* "regions..." is the component "regions" that takes one segment or more. */
static bool is_variadic(const char *component)
{
    return component[rky_component_name_length(component)] != '\0';
}

static size_t count_segments(const char *text, const char *separator)
{
    size_t count = 1;
    size_t step = strlen(separator);
    for (const char *at = strstr(text, separator); at != NULL; at = strstr(at + step, separator))
        count++;
    return count;
}

static int add_segments(struct rky_component *component, const char **at, const char *separator,
                        size_t wanted, struct rky_error *err)
{
    component->values.items = rky_calloc(wanted, sizeof(char *));
    if (component->values.items == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < wanted; i++) {
        const char *end = strstr(*at, separator);
        size_t length = end != NULL ? (size_t)(end - *at) : strlen(*at);
        char *value = rky_strndup(*at, length);
        if (value == NULL)
            return rky_fail_nomem(err);
        component->values.items[component->values.count++] = value;
        *at += length + (end != NULL ? strlen(separator) : 0);
    }
    return RKY_OK;
}

static int mismatch(char **ret_reason, char *reason, struct rky_error *err)
{
    if (reason == NULL)
        return rky_fail_nomem(err);
    *ret_reason = reason;
    return RKY_ERR_NOT_FOUND;
}

int rky_components_parse(const struct rky_pipeline_config *pipeline, const char *schema,
                         struct rky_components *ret_components, char **ret_reason,
                         struct rky_error *err)
{
    struct rky_components result = {0};
    const struct rky_strings *wanted = &pipeline->pattern_components;
    const char *separator = pipeline->pattern_separator;
    size_t prefix_length = strlen(pipeline->pattern_prefix);
    int rc = RKY_OK;

    if (strncmp(schema, pipeline->pattern_prefix, prefix_length) != 0)
        return mismatch(ret_reason, rky_strdup("prefix"), err);
    const char *at = schema + prefix_length;
    size_t segments = count_segments(at, separator);
    bool variadic = false;
    for (size_t i = 0; i < wanted->count; i++)
        variadic = variadic || is_variadic(wanted->items[i]);
    if (segments < wanted->count || (segments > wanted->count && !variadic))
        return mismatch(ret_reason,
                        rky_asprintf("the schema name has %zu segments behind the prefix, the "
                                     "pattern wants %s%zu",
                                     segments, variadic ? "at least " : "", wanted->count),
                        err);

    result.items = rky_calloc(wanted->count, sizeof(*result.items));
    if (result.items == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < wanted->count && rc == RKY_OK; i++) {
        struct rky_component *component = &result.items[result.count++];
        component->variadic = is_variadic(wanted->items[i]);
        size_t length = rky_component_name_length(wanted->items[i]);
        component->name = rky_strndup(wanted->items[i], length);
        if (component->name == NULL)
            rc = rky_fail_nomem(err);
        else
            rc = add_segments(component, &at, separator,
                              component->variadic ? segments - wanted->count + 1 : 1, err);
        for (size_t j = 0; rc == RKY_OK && j < component->values.count; j++)
            if (component->values.items[j][0] == '\0')
                rc = mismatch(
                    ret_reason,
                    rky_asprintf("component '%s' is empty in the schema name", component->name),
                    err);
    }
    if (rc != RKY_OK)
        rky_components_done(&result);
    else
        *ret_components = result;
    return rc;
}

static const struct rky_component *find_component(const struct rky_components *components,
                                                  const char *name)
{
    for (size_t i = 0; i < components->count; i++)
        if (strcmp(components->items[i].name, name) == 0)
            return &components->items[i];
    return NULL;
}

char *rky_component_value(const struct rky_components *components, const char *name,
                          const char *separator)
{
    const struct rky_component *component = find_component(components, name);
    struct rky_strbuf text = {0};
    if (component == NULL)
        return NULL;
    for (size_t i = 0; i < component->values.count; i++) {
        if (i > 0)
            rky_strbuf_add(&text, separator);
        rky_strbuf_add(&text, component->values.items[i]);
    }
    return rky_strbuf_take(&text);
}

static int expand_part(const struct rky_pipeline_config *pipeline,
                       const struct rky_template_part *part,
                       const struct rky_components *components, struct rky_strbuf *text)
{
    if (part->text != NULL) {
        rky_strbuf_add(text, part->text);
        return RKY_OK;
    }
    char *value = rky_component_value(components, part->name,
                                      part->separator != NULL ? part->separator
                                                              : pipeline->pattern_separator);
    if (value == NULL)
        return RKY_ERR_NOMEM;
    rky_strbuf_add(text, value);
    rky_free(value);
    return RKY_OK;
}

char *rky_template_expand(const struct rky_pipeline_config *pipeline, const char *template_text,
                          const struct rky_components *components)
{
    struct rky_template parsed = {0};
    struct rky_strbuf text = {0};
    int rc = rky_template_parse(template_text, &parsed, NULL);
    for (size_t i = 0; rc == RKY_OK && i < parsed.count; i++)
        rc = expand_part(pipeline, &parsed.parts[i], components, &text);
    rky_template_done(&parsed);
    if (rc != RKY_OK) {
        rky_strbuf_done(&text);
        return NULL;
    }
    return rky_strbuf_take(&text);
}

static int unknown_component(const struct rky_pipeline_config *pipeline, const char *name,
                             struct rky_error *err)
{
    struct rky_strbuf known = {0};
    for (size_t i = 0; i < pipeline->pattern_components.count; i++) {
        const char *component = pipeline->pattern_components.items[i];
        rky_strbuf_addf(&known, "%s%.*s", i > 0 ? ", " : "",
                        (int)strlen(component) - (is_variadic(component) ? 3 : 0), component);
    }
    int rc = rky_fail(err, RKY_ERR_USAGE,
                      "filter component '%s' is not one of pipeline '%s', which has %s", name,
                      pipeline->name, rky_strbuf_text(&known));
    rky_error_hint(err, "use --filter COMPONENT=VALUE with one of: %s", rky_strbuf_text(&known));
    rky_strbuf_done(&known);
    return rc;
}

int rky_filter_check(const struct rky_filter *filter, const struct rky_pipeline_config *pipeline,
                     struct rky_error *err)
{
    for (size_t i = 0; i < filter->count; i++) {
        bool known = false;
        for (size_t j = 0; j < pipeline->pattern_components.count && !known; j++) {
            const char *component = pipeline->pattern_components.items[j];
            size_t length = rky_component_name_length(component);
            known = strlen(filter->terms[i].name) == length &&
                    strncmp(component, filter->terms[i].name, length) == 0;
        }
        if (!known)
            return unknown_component(pipeline, filter->terms[i].name, err);
    }
    return RKY_OK;
}

bool rky_filter_match(const struct rky_filter *filter, const struct rky_components *components)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct rky_component *component = find_component(components, filter->terms[i].name);
        bool found = false;
        for (size_t j = 0; component != NULL && j < component->values.count && !found; j++)
            found = strcmp(component->values.items[j], filter->terms[i].value) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool is_plain(const char *part)
{
    for (const char *c = part; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return part[0] != '\0';
}

static void add_part(struct rky_strbuf *name, const char *part)
{
    if (is_plain(part)) {
        rky_strbuf_add(name, part);
        return;
    }
    rky_strbuf_addc(name, '"');
    for (const char *c = part; *c != '\0'; c++) {
        if (*c == '"')
            rky_strbuf_addc(name, '"');
        rky_strbuf_addc(name, *c);
    }
    rky_strbuf_addc(name, '"');
}

char *rky_table_name(const char *catalog, const char *schema, const char *table)
{
    struct rky_strbuf name = {0};
    add_part(&name, catalog);
    rky_strbuf_addc(&name, '.');
    add_part(&name, schema);
    rky_strbuf_addc(&name, '.');
    add_part(&name, table);
    return rky_strbuf_take(&name);
}

/* One part of a table name; *at ends behind it. NULL when it is malformed or memory is out. */
static char *take_part(const char **at)
{
    struct rky_strbuf part = {0};
    const char *c = *at;
    if (*c == '"') {
        for (c++; *c != '\0' && !(c[0] == '"' && c[1] != '"'); c++) {
            if (*c == '"')
                c++;
            rky_strbuf_addc(&part, *c);
        }
        if (*c != '"') {
            rky_strbuf_done(&part);
            return NULL;
        }
        c++;
    } else {
        while (*c != '\0' && *c != '.')
            rky_strbuf_addc(&part, *c++);
    }
    *at = c;
    if (part.length == 0) {
        rky_strbuf_done(&part);
        return NULL;
    }
    return rky_strbuf_take(&part);
}

int rky_table_name_split(const char *name, char *ret_parts[3], struct rky_error *err)
{
    char *parts[3] = {NULL, NULL, NULL};
    const char *at = name;
    bool good = true;
    for (int i = 0; i < 3 && good; i++) {
        parts[i] = take_part(&at);
        char after = i < 2 ? '.' : '\0';
        good = parts[i] != NULL && *at == after;
        at += good && i < 2;
    }
    if (!good) {
        for (int i = 0; i < 3; i++)
            rky_free(parts[i]);
        int rc = rky_fail(err, RKY_ERR_USAGE, "'%s' is not a table name", name);
        rky_error_hint(err, "write catalog.schema.table, with double quotes around a part that has "
                            "other characters than letters, digits, '_' and '-'");
        return rc;
    }
    memcpy(ret_parts, parts, sizeof(parts));
    return RKY_OK;
}

/* How specific a glob is: its literal characters. */
static size_t specificity(const char *pattern)
{
    size_t literal = 0;
    for (const char *c = pattern; *c != '\0'; c++)
        if (*c != '*' && *c != '?')
            literal++;
    return literal;
}

int rky_table_override_find(const struct rky_pipeline_config *pipeline, const char *schema,
                            const char *table, const struct rky_table_override **ret_override,
                            struct rky_error *err)
{
    const struct rky_table_override *best = NULL;
    const struct rky_table_override *tied = NULL;
    char *name = rky_asprintf("%s.%s", schema, table);
    if (name == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < pipeline->override_count; i++) {
        const struct rky_table_override *override = &pipeline->overrides[i];
        if (!rky_glob_match(override->pattern, name))
            continue;
        size_t weight = specificity(override->pattern);
        if (best == NULL || weight > specificity(best->pattern)) {
            best = override;
            tied = NULL;
        } else if (weight == specificity(best->pattern)) {
            tied = override;
        }
    }
    int rc = RKY_OK;
    if (tied != NULL) {
        rc = rky_fail(err, RKY_ERR_CONFIG,
                      "table '%s' is matched equally well by pipeline.%s.table patterns '%s' (line "
                      "%d) and '%s' (line %d)",
                      name, pipeline->name, best->pattern, best->line, tied->pattern, tied->line);
        rky_error_hint(err, "make one of the two patterns more specific");
    } else {
        *ret_override = best;
    }
    rky_free(name);
    return rc;
}
