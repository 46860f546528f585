/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML text to a JSON tree with positions, by toml++ behind a C interface.
 *
 * Tables become objects with their keys in the file's order, arrays arrays, dates and times
 * strings in TOML's own form, and the floats that JSON lacks the strings "nan", "inf" and "-inf".
 * The positions tree has the same shape: each value is replaced by
 * {"l": line, "c": column, "is": kind, "kl": line, "kc": column, "v": children}, where l and c are
 * the value's own position, kl and kc its key's (absent for the root and inside arrays), v is
 * absent for scalars, and `is` stands only where a string of the tree was written as something
 * else: "a date", "a time", "a date with time", "nan", "inf" or "-inf". No text in either tree
 * holds a NUL character.
 */
#ifndef RKY_COMMON_TOML_H
#define RKY_COMMON_TOML_H

#include <jansson.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "common/error.h"

/** Where the parser stopped; line and column start at 1, 0 = unknown. */
struct rky_toml_fault {
    int line;
    int column;
    char message[256];
};

/**
 * @brief Parse @p text (UTF-8, @p length bytes).
 * @param ret_value owned object. @param ret_positions owned object of the shape above.
 * @return 0, RKY_ERR_CONFIG with @p ret_fault filled, or RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_toml_parse(const char *text, size_t length, json_t **ret_value,
                                  json_t **ret_positions, struct rky_toml_fault *ret_fault);

#ifdef __cplusplus
}
#endif

#endif
