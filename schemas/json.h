/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to text. jansson's json_dumps() may leave bytes out, and say nothing, when its buffer cannot
 * grow; what is sent or recorded is written by this instead.
 */
#ifndef RKY_SCHEMAS_JSON_H
#define RKY_SCHEMAS_JSON_H

#include <jansson.h>
#include <stddef.h>

/**
 * @brief A value as text.
 * @param flags jansson's, e.g. JSON_COMPACT.
 * @return owned (rky_free), NUL-terminated; NULL when memory is out.
 */
char *rky_json_text(const json_t *value, size_t flags);

#endif
