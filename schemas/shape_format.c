/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats and their matcher. A class is written as inside the brackets of a regular
 * expression: characters, ranges, `\xNN`, and a backslash before a character that stands for
 * itself. Classes of parts are ASCII; `without` may name code points up to U+00FF.
 */
#include "config.h"

#include "schemas/shape_format.h"

#include <stdint.h>
#include <string.h>

#define HEX_ANY "0-9A-Fa-f"
#define CONTROLS "\\x00-\\x1f\\x7f-\\x9f"

static const struct rky_format_part uuid_parts[] = {
    {HEX_ANY, 8, 8}, {"-", 1, 1},     {HEX_ANY, 4, 4}, {"-", 1, 1},       {HEX_ANY, 4, 4},
    {"-", 1, 1},     {HEX_ANY, 4, 4}, {"-", 1, 1},     {HEX_ANY, 12, 12}, {NULL, 0, 0},
};
/* RFC 3339 in the one form that we write: UTC with milliseconds. */
static const struct rky_format_part time_parts[] = {
    {"0-9", 4, 4}, {"-", 1, 1},   {"01", 1, 1},  {"0-9", 1, 1}, {"-", 1, 1},
    {"0-3", 1, 1}, {"0-9", 1, 1}, {"T", 1, 1},   {"0-2", 1, 1}, {"0-9", 1, 1},
    {":", 1, 1},   {"0-5", 1, 1}, {"0-9", 1, 1}, {":", 1, 1},   {"0-5", 1, 1},
    {"0-9", 1, 1}, {"\\.", 1, 1}, {"0-9", 3, 3}, {"Z", 1, 1},   {NULL, 0, 0},
};
static const struct rky_format_part hex64_parts[] = {{"0-9a-f", 64, 64}, {NULL, 0, 0}};
static const struct rky_format_part namespace_parts[] = {
    {"a-z0-9", 1, 1}, {"a-z0-9_-", 0, 62}, {NULL, 0, 0}};
static const struct rky_format_part pipeline_parts[] = {
    {"A-Za-z0-9", 1, 1}, {"A-Za-z0-9_. -", 0, 127}, {NULL, 0, 0}};
static const struct rky_format_part component_parts[] = {
    {"A-Za-z_", 1, 1}, {"A-Za-z0-9_", 0, 62}, {NULL, 0, 0}};
static const struct rky_format_part key_parts[] = {{"\\x20-\\x7e", 1, 128}, {NULL, 0, 0}};
static const struct rky_format_part traceparent_parts[] = {
    {"0-9a-f", 2, 2},   {"-", 1, 1}, {"0-9a-f", 32, 32}, {"-", 1, 1},
    {"0-9a-f", 16, 16}, {"-", 1, 1}, {"0-9a-f", 2, 2},   {NULL, 0, 0},
};

static const struct rky_format formats[] = {
    {.name = "uuid", .parts = uuid_parts},
    {.name = "date-time", .parts = time_parts},
    {.name = "hex64", .parts = hex64_parts},
    {.name = "namespace", .parts = namespace_parts},
    {.name = "pipeline", .parts = pipeline_parts},
    {.name = "component", .parts = component_parts},
    {.name = "value", .without = CONTROLS "'\"`;/\\\\", .min_length = 1, .max_length = 255},
    {.name = "text", .without = CONTROLS},
    {.name = "idempotency-key", .parts = key_parts},
    {.name = "traceparent", .parts = traceparent_parts},
};

const struct rky_format *rky_format_find(const char *name)
{
    const struct rky_format *found = NULL;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, name) == 0)
            found = &formats[i];
    }
    RKY_ASSERT(found != NULL);
    return found;
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The next single character of a class, escapes resolved. */
static uint32_t class_next(const char **class_)
{
    const char *at = *class_;
    if (at[0] == '\\' && at[1] == 'x') {
        *class_ = at + 4;
        return hex_digit(at[2]) * 16 + hex_digit(at[3]);
    }
    if (at[0] == '\\')
        at++;
    *class_ = at + 1;
    return (unsigned char)*at;
}

static bool class_has(const char *class_, uint32_t point)
{
    while (*class_ != '\0') {
        uint32_t from = class_next(&class_);
        uint32_t to = from;
        if (class_[0] == '-' && class_[1] != '\0') {
            class_++;
            to = class_next(&class_);
        }
        if (point >= from && point <= to)
            return true;
    }
    return false;
}

/* One code point of valid UTF-8. */
static uint32_t point_next(const char **text, const char *end)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t more = at[0] < 0x80 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? at[0] : at[0] & (0x3fu >> more);
    (*text)++;
    while (more-- > 0 && *text < end)
        point = point << 6 | ((unsigned char)*(*text)++ & 0x3fu);
    return point;
}

size_t rky_code_points(const char *text, size_t length)
{
    size_t points = 0;
    for (size_t i = 0; i < length; i++)
        points += ((unsigned char)text[i] & 0xc0) != 0x80;
    return points;
}

/* Greedy is enough: no part is followed by one whose first character it could have eaten. */
static bool parts_match(const struct rky_format_part *part, const char *text, const char *end)
{
    for (; part->class_ != NULL; part++) {
        size_t seen = 0;
        while (seen < part->maximum && text < end &&
               class_has(part->class_, (unsigned char)*text)) {
            text++;
            seen++;
        }
        if (seen < part->minimum)
            return false;
    }
    return text == end;
}

bool rky_format_match(const struct rky_format *format, const char *text, size_t length)
{
    const char *end = text + length;
    if (format->parts != NULL && !parts_match(format->parts, text, end))
        return false;
    if (format->max_length > 0) {
        size_t points = rky_code_points(text, length);
        if (points < format->min_length || points > format->max_length)
            return false;
    }
    while (format->without != NULL && text < end) {
        if (class_has(format->without, point_next(&text, end)))
            return false;
    }
    return true;
}

bool rky_format_is(const char *name, const char *text)
{
    return rky_format_match(rky_format_find(name), text, strlen(text));
}

char *rky_format_pattern(const struct rky_format *format)
{
    struct rky_strbuf pattern = {0};
    rky_strbuf_addc(&pattern, '^');
    for (const struct rky_format_part *part = format->parts; part->class_ != NULL; part++) {
        if (part->class_[1] == '\0' || (part->class_[0] == '\\' && part->class_[2] == '\0'))
            rky_strbuf_add(&pattern, part->class_);
        else
            rky_strbuf_addf(&pattern, "[%s]", part->class_);
        if (part->minimum != part->maximum)
            rky_strbuf_addf(&pattern, "{%zu,%zu}", part->minimum, part->maximum);
        else if (part->minimum != 1)
            rky_strbuf_addf(&pattern, "{%zu}", part->minimum);
    }
    rky_strbuf_addc(&pattern, '$');
    char *text = rky_strbuf_take(&pattern);
    rky_strbuf_done(&pattern);
    return text;
}
