/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats of strings: the one description from which our check and the published `pattern` both
 * come. A format is a row of character classes, each with how often it may repeat, or a class of
 * characters that must not occur; no alternatives, no backtracking. Private to schemas/.
 */
#ifndef RKY_SCHEMAS_SHAPE_FORMAT_H
#define RKY_SCHEMAS_SHAPE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mem.h"

/** A run of characters of one class. */
struct rky_format_part {
    const char *class_; /**< inside of a regular expression's brackets; NULL ends the row */
    size_t minimum, maximum;
};

struct rky_format {
    const char *name;
    const struct rky_format_part *parts; /**< the whole string, left to right; NULL = anything */
    const char *without;                 /**< class of characters that must not occur, or NULL */
    size_t min_length, max_length;       /**< code points; both 0 = unchecked */
};

/** @brief By name. Never NULL: an unknown name is a bug of ours. */
const struct rky_format *rky_format_find(const char *name);

/** @brief Whether valid UTF-8 of @p length bytes has this format. */
bool rky_format_match(const struct rky_format *format, const char *text, size_t length);

/** @brief Convenience for other checks than shapes: by name, NUL-terminated text. */
bool rky_format_is(const char *name, const char *text);

/** @brief The regular expression of the parts, anchored; free of look-around, so that every
 *         dialect reads it alike. @return owned, NULL when memory is out. */
char *rky_format_pattern(const struct rky_format *format);

/** @brief Code points of valid UTF-8. */
size_t rky_code_points(const char *text, size_t length);

#endif
