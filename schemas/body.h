/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of a body to JSON, trusting nothing: NUL bytes, UTF-8, depth and syntax are
 * checked in that order, each with its own reason. Private to schemas/.
 */
#ifndef RKY_SCHEMAS_BODY_H
#define RKY_SCHEMAS_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/**
 * @brief Parse a body; any JSON value, duplicate names refused.
 * @param ret_json   owned, set on success.
 * @param ret_reason static, set on RKY_ERR_DECODE: "nul_byte", "invalid_utf8", "too_deep" or
 *        "malformed_json". May be NULL.
 * @return 0, RKY_ERR_DECODE, RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_body_parse(const char *bytes, size_t length, json_t **ret_json,
                                  const char **ret_reason, struct rky_error *err);

/** @brief A whole number, be it written 1 or 1.0. @return whether @p value is one that fits. */
bool rky_body_integer(const json_t *value, int64_t *ret_number);

/** @brief `2026-11-21T10:00:00Z` with any fraction and offset, strictly as RFC 3339 has it. */
bool rky_body_rfc3339(const char *text, int64_t *ret_wall_us);

/** @brief RFC 3339, or milliseconds since 1970 in decimal; after 1970 in both cases. */
bool rky_body_time(const char *text, int64_t *ret_wall_us);

#endif
