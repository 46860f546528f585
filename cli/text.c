/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people; see text.h. */
#include "config.h"

#include "cli/text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

struct rky_columns_row {
    enum rky_paint paint;
    char **cells; /**< NULL for a note */
    char *note;
};

const char *rky_paint_on(bool color, enum rky_paint paint)
{
    static const char *const codes[] = {
        [RKY_PAINT_NONE] = "",          [RKY_PAINT_BOLD] = "\033[1m",
        [RKY_PAINT_DIM] = "\033[2m",    [RKY_PAINT_RED] = "\033[31m",
        [RKY_PAINT_GREEN] = "\033[32m", [RKY_PAINT_YELLOW] = "\033[33m",
    };
    return color ? codes[paint] : "";
}

const char *rky_paint_off(bool color, enum rky_paint paint)
{
    return color && paint != RKY_PAINT_NONE ? "\033[0m" : "";
}

const char *rky_number_text(int64_t number, char text[RKY_NUMBER_TEXT_MAX])
{
    char digits[RKY_NUMBER_TEXT_MAX];
    int length = snprintf(digits, sizeof(digits), "%" PRId64, number);
    size_t out = 0;
    for (int i = 0; i < length; i++) {
        bool separate = i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0;
        if (separate)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

const char *rky_duration_text(int64_t ms, char text[RKY_NUMBER_TEXT_MAX])
{
    int64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(text, RKY_NUMBER_TEXT_MAX, "%" PRId64 " ms", ms);
    else if (s < 60)
        snprintf(text, RKY_NUMBER_TEXT_MAX, "%.1f s", (double)ms / 1000.0);
    else if (s < 3600)
        snprintf(text, RKY_NUMBER_TEXT_MAX, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, RKY_NUMBER_TEXT_MAX, "%" PRId64 "h %" PRId64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(text, RKY_NUMBER_TEXT_MAX, "%" PRId64 "d %" PRId64 "h", s / 86400, s / 3600 % 24);
    return text;
}

/* Bytes of the UTF-8 character that begins here, 0 when none does. The text ends with a NUL, which
 * is no continuation byte, so nothing behind it is read. */
static size_t character_length(const unsigned char *p)
{
    size_t length = p[0] < 0x80                   ? 1
                    : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                    : (p[0] & 0xf0) == 0xe0       ? 3
                    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

void rky_text_clean(struct rky_strbuf *buffer, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        size_t length = character_length(p);
        bool control = (length == 1 && (*p < 0x20 || *p == 0x7f)) ||
                       (length == 2 && p[0] == 0xc2 && p[1] < 0xa0);
        if (length == 0 || control)
            rky_strbuf_addc(buffer, '?');
        else
            rky_strbuf_addn(buffer, p, length);
        p += length == 0 ? 1 : length;
    }
}

size_t rky_text_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

bool rky_text_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale == (locale_t)0)
        return false;
    bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

void rky_sparkline(struct rky_strbuf *buffer, const int64_t *counts, size_t count, bool utf8)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {"_", ".", ",", "-", "~", "=", "*", "#"};
    const char *const *levels = utf8 ? blocks : letters;
    if (count == 0)
        return;
    int64_t low = counts[0], high = counts[0];
    for (size_t i = 1; i < count; i++) {
        low = counts[i] < low ? counts[i] : low;
        high = counts[i] > high ? counts[i] : high;
    }
    for (size_t i = 0; i < count; i++) {
        double share = high == low ? 0.0 : (double)(counts[i] - low) / (double)(high - low);
        rky_strbuf_add(buffer, levels[(size_t)(share * 7.0 + 0.5)]);
    }
}

/* --- columns ------------------------------------------------------------------------------ */

static struct rky_columns_row *next_row(struct rky_columns *columns)
{
    if (columns->failed || rky_array_reserve(&columns->rows, &columns->capacity, columns->count + 1,
                                             sizeof(columns->rows[0]), NULL) != 0) {
        columns->failed = true;
        return NULL;
    }
    struct rky_columns_row *row = &columns->rows[columns->count++];
    *row = (struct rky_columns_row){0};
    return row;
}

static char *cleaned(const char *text)
{
    struct rky_strbuf buffer = {0};
    rky_text_clean(&buffer, text == NULL ? "" : text);
    bool empty = buffer.length == 0 && !buffer.failed;
    char *result = empty ? rky_strdup("") : rky_strbuf_take(&buffer);
    rky_strbuf_done(&buffer);
    return result;
}

void rky_columns_add(struct rky_columns *columns, enum rky_paint paint, const char *const *cells)
{
    size_t width = strlen(columns->align);
    struct rky_columns_row *row = next_row(columns);
    if (row == NULL)
        return;
    row->paint = paint;
    row->cells = rky_calloc(width, sizeof(row->cells[0]));
    if (row->cells == NULL)
        columns->failed = true;
    for (size_t i = 0; i < width && !columns->failed; i++) {
        row->cells[i] = cleaned(cells[i]);
        columns->failed = row->cells[i] == NULL;
    }
}

void rky_columns_note(struct rky_columns *columns, enum rky_paint paint, const char *format, ...)
{
    struct rky_columns_row *row = next_row(columns);
    if (row == NULL)
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    row->paint = paint;
    row->note = cleaned(text);
    columns->failed = row->note == NULL;
}

static void print_cell(FILE *stream, const char *text, size_t width, bool right, bool last)
{
    int pad = (int)(width - rky_text_width(text));
    if (right)
        fprintf(stream, "%*s%s", pad, "", text);
    else if (last)
        fputs(text, stream);
    else
        fprintf(stream, "%s%*s", text, pad, "");
    if (!last)
        fputs("  ", stream);
}

int rky_columns_print(const struct rky_columns *columns, FILE *stream, bool color,
                      struct rky_error *err)
{
    size_t width = strlen(columns->align);
    size_t *widths = rky_calloc(width, sizeof(widths[0]));
    if (widths == NULL || columns->failed) {
        rky_free(widths);
        return rky_fail_nomem(err);
    }
    for (size_t r = 0; r < columns->count; r++) {
        for (size_t i = 0; columns->rows[r].cells != NULL && i < width; i++) {
            size_t w = rky_text_width(columns->rows[r].cells[i]);
            widths[i] = w > widths[i] ? w : widths[i];
        }
    }
    for (size_t r = 0; r < columns->count; r++) {
        const struct rky_columns_row *row = &columns->rows[r];
        fputs(rky_paint_on(color, row->paint), stream);
        if (row->cells == NULL)
            fputs(row->note, stream);
        for (size_t i = 0; row->cells != NULL && i < width; i++)
            print_cell(stream, row->cells[i], widths[i], columns->align[i] == 'r', i + 1 == width);
        fprintf(stream, "%s\n", rky_paint_off(color, row->paint));
    }
    rky_free(widths);
    return 0;
}

void rky_columns_done(struct rky_columns *columns)
{
    size_t width = strlen(columns->align);
    for (size_t r = 0; r < columns->count; r++) {
        for (size_t i = 0; columns->rows[r].cells != NULL && i < width; i++)
            rky_free(columns->rows[r].cells[i]);
        rky_free(columns->rows[r].cells);
        rky_free(columns->rows[r].note);
    }
    rky_free(columns->rows);
    columns->rows = NULL;
    columns->count = columns->capacity = 0;
}
