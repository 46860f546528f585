/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor value as the engine wrote it: exact text plus its type, never rounded, never "now".
 */
#ifndef RKY_ENGINE_CURSOR_H
#define RKY_ENGINE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

enum rky_cursor_type { RKY_CURSOR_NONE, RKY_CURSOR_INTEGER, RKY_CURSOR_REAL, RKY_CURSOR_TEXT };

struct rky_cursor {
    enum rky_cursor_type type; /**< NONE = no value (empty source); text is NULL then */
    char *text;                /**< owned; an integer in decimal, a real so that it reads back bit
                                    for bit, text as it is (valid UTF-8 without NUL) */
};

/** @brief "none", "integer", "real", "text". */
const char *rky_cursor_type_name(enum rky_cursor_type type);
/** @brief The reverse; NULL or unknown gives NONE. */
enum rky_cursor_type rky_cursor_type_parse(const char *name);
/** @brief Order of two values of the same kind (integer and real are one kind, compared exactly;
 *         text by bytes). NONE is before everything; text is after numbers. */
int rky_cursor_compare(const struct rky_cursor *a, const struct rky_cursor *b);
RKY_MUST_CHECK int rky_cursor_set(struct rky_cursor *cursor, enum rky_cursor_type type,
                                  const char *text, struct rky_error *err);
RKY_MUST_CHECK int rky_cursor_copy(const struct rky_cursor *from, struct rky_cursor *ret_to,
                                   struct rky_error *err);
void rky_cursor_done(struct rky_cursor *cursor);
/** @brief The value as a point in time: RFC-3339-like text, or an integer that is plausible as
 *         seconds, milliseconds or microseconds since 1970 (years 2000 to 2100).
 *  @return 0 or RKY_ERR_DECODE when it is no time. */
RKY_MUST_CHECK int rky_cursor_time(const struct rky_cursor *cursor, int64_t *ret_wall_us);
/** @brief Whether two values of a column are in the order of time where they are compared as they
 *         are: texts that spell times in different ways (another zone, "T" or a space) are not.
 *         True for what is no text, and for texts that are no times. */
bool rky_cursor_sorts_by_time(const struct rky_cursor *a, const struct rky_cursor *b);
/** @brief A point in time as the column that holds @p sample would write it: same separators,
 *         precision, zone or unit; rounded down.
 *  @param ret_cursor an initialised cursor; may not be @p sample.
 *  @return 0, RKY_ERR_CONFIG when @p sample is no time, RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_cursor_time_like(const struct rky_cursor *sample, int64_t wall_us,
                                        struct rky_cursor *ret_cursor, struct rky_error *err);

#endif
