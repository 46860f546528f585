/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people: figures, aligned columns, sparklines. Everything that comes from outside (table
 * names, messages of engines) loses its control characters here, so that a name cannot move the
 * cursor of a terminal.
 */
#ifndef RKY_CLI_TEXT_H
#define RKY_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error.h"
#include "common/mem.h"

enum rky_paint {
    RKY_PAINT_NONE,
    RKY_PAINT_BOLD,
    RKY_PAINT_DIM,
    RKY_PAINT_RED,
    RKY_PAINT_GREEN,
    RKY_PAINT_YELLOW
};

/** @brief The escape sequence that starts a colour, "" when @p color is off. */
const char *rky_paint_on(bool color, enum rky_paint paint);
/** @brief The one that ends it. */
const char *rky_paint_off(bool color, enum rky_paint paint);

#define RKY_NUMBER_TEXT_MAX 32
/** @brief 1234567 as "1,234,567". */
const char *rky_number_text(int64_t number, char text[RKY_NUMBER_TEXT_MAX]);
/** @brief Milliseconds as "12 ms", "1.2 s", "3m 20s", "2h 5m", "3d 4h". */
const char *rky_duration_text(int64_t ms, char text[RKY_NUMBER_TEXT_MAX]);

/** @brief Append with control characters replaced by '?'. */
void rky_text_clean(struct rky_strbuf *buffer, const char *text);
/** @brief Code points of UTF-8 text: its width on a terminal, near enough. */
size_t rky_text_width(const char *text);
/** @brief Whether the locale of the environment can show more than ASCII. Changes nothing. */
bool rky_text_is_utf8(void);

/** @brief One character per count, low to high; ASCII without @p utf8. */
void rky_sparkline(struct rky_strbuf *buffer, const int64_t *counts, size_t count, bool utf8);

/** Aligned columns; `failed` inside the cells is sticky and reported by print. */
struct rky_columns {
    const char *align; /**< one letter a column: 'l' or 'r' */
    struct rky_columns_row *rows;
    size_t count, capacity;
    bool failed;
};
/** @brief Add a row of strlen(align) texts (NULL = ""), all borrowed for the call. */
void rky_columns_add(struct rky_columns *columns, enum rky_paint paint, const char *const *cells);
/** @brief Add a line of its own below the last row. */
void rky_columns_note(struct rky_columns *columns, enum rky_paint paint, const char *format, ...)
    RKY_PRINTF(3, 4);
RKY_MUST_CHECK int rky_columns_print(const struct rky_columns *columns, FILE *stream, bool color,
                                     struct rky_error *err);
void rky_columns_done(struct rky_columns *columns);

#endif
