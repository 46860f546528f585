/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking name templates apart. Pure functions; what is malformed is refused with the reason, so
 * that expanding a template that was verified cannot fail but for memory.
 */
#include <config.h>

#include "common/template.h"

#include <string.h>

static const char NAME_CHARACTERS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

void rky_template_done(struct rky_template *parsed)
{
    for (size_t i = 0; i < parsed->count; i++) {
        rky_free(parsed->parts[i].text);
        rky_free(parsed->parts[i].name);
        rky_free(parsed->parts[i].separator);
    }
    rky_free(parsed->parts);
    *parsed = (struct rky_template){0};
}

static int add_part(struct rky_template *parsed, struct rky_template_part **ret_part,
                    struct rky_error *err)
{
    int rc = rky_array_reserve(&parsed->parts, &parsed->capacity, parsed->count + 1,
                               sizeof(*parsed->parts), err);
    if (rc != RKY_OK)
        return rc;
    *ret_part = &parsed->parts[parsed->count++];
    **ret_part = (struct rky_template_part){0};
    return RKY_OK;
}

/* Hand the plain text gathered so far over as a part of its own. */
static int flush_text(struct rky_template *parsed, struct rky_strbuf *plain, struct rky_error *err)
{
    struct rky_template_part *part = NULL;
    if (plain->failed)
        return rky_fail_nomem(err);
    if (plain->length == 0)
        return RKY_OK;
    int rc = add_part(parsed, &part, err);
    if (rc != RKY_OK)
        return rc;
    part->text = rky_strbuf_take(plain);
    return part->text != NULL ? RKY_OK : rky_fail_nomem(err);
}

/* The placeholder at @p at, which points behind its '{'. */
static int parse_placeholder(const char *at, struct rky_template *parsed, size_t *ret_used,
                             struct rky_error *err)
{
    struct rky_template_part *part = NULL;
    size_t length = strspn(at, NAME_CHARACTERS);
    size_t inside = strcspn(at, "{}");

    if (at[inside] != '}')
        return rky_fail(err, RKY_ERR_CONFIG, "a '{' has no '}' behind it");
    if (length == 0 || (at[length] != '}' && at[length] != ':'))
        return rky_fail(err, RKY_ERR_CONFIG,
                        "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{%.*s}'",
                        (int)inside, at);
    int rc = add_part(parsed, &part, err);
    if (rc != RKY_OK)
        return rc;
    part->name = rky_strndup(at, length);
    if (part->name == NULL)
        return rky_fail_nomem(err);
    if (at[length] == ':') {
        part->separator = rky_strndup(at + length + 1, inside - length - 1);
        if (part->separator == NULL)
            return rky_fail_nomem(err);
    }
    *ret_used = inside + 1;
    return RKY_OK;
}

int rky_template_parse(const char *text, struct rky_template *ret_template, struct rky_error *err)
{
    struct rky_template parsed = {0};
    struct rky_strbuf plain = {0};
    int rc = RKY_OK;

    /* In this order: a placeholder that does not end leaves `at` behind the end. */
    for (const char *at = text; rc == RKY_OK && *at != '\0';) {
        size_t used = 1;
        if ((at[0] == '{' || at[0] == '}') && at[1] == at[0]) {
            rky_strbuf_addc(&plain, at[0]);
            used = 2;
        } else if (at[0] == '}') {
            rc = rky_fail(err, RKY_ERR_CONFIG, "a '}' has no '{' before it");
            rky_error_hint(err, "write '}}' for a literal brace");
        } else if (at[0] == '{') {
            rc = flush_text(&parsed, &plain, err);
            if (rc == RKY_OK) {
                rc = parse_placeholder(at + 1, &parsed, &used, err);
                used++;
            }
            if (rc == RKY_ERR_CONFIG)
                rky_error_hint(err, "write '{{' for a literal brace");
        } else {
            rky_strbuf_addc(&plain, at[0]);
        }
        at += used;
    }
    if (rc == RKY_OK)
        rc = flush_text(&parsed, &plain, err);
    rky_strbuf_done(&plain);
    if (rc != RKY_OK) {
        rky_template_done(&parsed);
        return rc;
    }
    *ret_template = parsed;
    return RKY_OK;
}

size_t rky_component_name_length(const char *component)
{
    size_t length = strlen(component);
    return length > 3 && strcmp(component + length - 3, "...") == 0 ? length - 3 : length;
}

static bool is_component(const char *name, const struct rky_strings *components)
{
    for (size_t i = 0; i < components->count; i++) {
        size_t length = rky_component_name_length(components->items[i]);
        if (strlen(name) == length && strncmp(name, components->items[i], length) == 0)
            return true;
    }
    return false;
}

int rky_template_verify(const char *text, const struct rky_strings *components,
                        struct rky_error *err)
{
    struct rky_template parsed = {0};
    struct rky_strbuf known = {0};
    int rc = rky_template_parse(text, &parsed, err);

    for (size_t i = 0; rc == RKY_OK && i < parsed.count; i++) {
        const char *name = parsed.parts[i].name;
        if (name == NULL || is_component(name, components))
            continue;
        for (size_t k = 0; k < components->count; k++)
            rky_strbuf_addf(&known, "%s{%.*s}", k > 0 ? ", " : "",
                            (int)rky_component_name_length(components->items[k]),
                            components->items[k]);
        rc = rky_fail(err, RKY_ERR_CONFIG, "unknown placeholder '{%s}'", name);
        rky_error_hint(err, "known are %s", rky_strbuf_text(&known));
    }
    rky_strbuf_done(&known);
    rky_template_done(&parsed);
    return rc;
}
