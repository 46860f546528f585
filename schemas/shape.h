/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes: one declarative table per message and per command output. The table checks JSON here,
 * and the published JSON Schema files are printed from it, so the two cannot drift apart; a test
 * runs an independent validator over the examples to prove that both mean the same.
 */
#ifndef RKY_SCHEMAS_SHAPE_H
#define RKY_SCHEMAS_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/error.h"

enum rky_shape_type {
    RKY_SHAPE_STRING,
    RKY_SHAPE_INTEGER,
    RKY_SHAPE_NUMBER,
    RKY_SHAPE_BOOL,
    RKY_SHAPE_OBJECT, /**< `fields`, or `of` for a map from any name to one shape */
    RKY_SHAPE_ARRAY,  /**< `of` is the element */
    RKY_SHAPE_ANY,
    RKY_SHAPE_FORBIDDEN, /**< the field must not be there */
    RKY_SHAPE_STRINGS,   /**< a string or an array of strings */
};

struct rky_shape;
struct rky_shape_field {
    const char *name; /**< NULL ends the list */
    bool required;
    bool nullable;
    const struct rky_shape *shape;
    const char *description; /**< what this field says here, NULL = the shape's own */
};

struct rky_shape {
    const char *title; /**< for top-level shapes: the schema's title */
    const char *description;
    enum rky_shape_type type;
    const struct rky_shape_field *fields;
    const struct rky_shape *of;
    bool of_nullable;           /**< elements or map values may be null */
    const char *const *choices; /**< NULL-terminated, for strings */
    const char *format;         /**< one of shape_format.c: "uuid", "date-time", "hex64",
                                     "namespace", "pipeline", "component", "value", "text" */
    const char *key_format;     /**< for maps: format of the names */
    double minimum, maximum;    /**< for numbers; both 0 = unchecked */
    size_t max_length; /**< strings: code points; arrays and maps: elements; 0 = unchecked */
};

/** A published shape: file `schemas/<name>.schema.json`. */
struct rky_published_shape {
    const char *name; /**< "job.run", "job.result", "output.state", "event.state.upload", ... */
    const struct rky_shape *shape;
};

/** @brief Every published shape, ended by a NULL name. Borrowed. */
const struct rky_published_shape *rky_shapes(void);
/** @brief By name. @return borrowed, NULL when unknown. */
const struct rky_shape *rky_shape_find(const char *name);

/** @brief Check a value (which is not changed; jansson iterates only over non-const objects).
 *  @return 0 or RKY_ERR_DECODE with a JSON pointer in the message. */
RKY_MUST_CHECK int rky_shape_check(const struct rky_shape *shape, json_t *value,
                                   struct rky_error *err);
/** @brief The JSON Schema 2020-12 document of a published shape. @return new reference or NULL. */
json_t *rky_shape_schema(const struct rky_published_shape *published);

#endif
