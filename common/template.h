/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of target names: text with `{name}` and `{name:SEPARATOR}`; `{{` and `}}` stand for
 * single braces. What a name stands for is the caller's business.
 */
#ifndef RKY_COMMON_TEMPLATE_H
#define RKY_COMMON_TEMPLATE_H

#include <stddef.h>

#include "common/error.h"
#include "common/mem.h"

/** One stretch of a template: plain text, or a placeholder. */
struct rky_template_part {
    char *text;      /**< plain text; NULL for a placeholder */
    char *name;      /**< placeholder; NULL for plain text */
    char *separator; /**< what follows the colon, may be ""; NULL when there is no colon */
};

struct rky_template {
    struct rky_template_part *parts;
    size_t count, capacity;
};

/** @brief Take a template apart. RKY_ERR_CONFIG says what is wrong with its braces. */
RKY_MUST_CHECK int rky_template_parse(const char *text, struct rky_template *ret_template,
                                      struct rky_error *err);
void rky_template_done(struct rky_template *parsed);

/**
 * @brief Parse @p text and compare its placeholders with the components of a schema pattern.
 * @param components as written: "client", "regions...", "connector".
 * @return 0; RKY_ERR_CONFIG names the unknown placeholder, the hint the known ones.
 */
RKY_MUST_CHECK int rky_template_verify(const char *text, const struct rky_strings *components,
                                       struct rky_error *err);

/** @brief Length of a component's name: without the "..." of a variadic one. */
size_t rky_component_name_length(const char *component);

#endif
