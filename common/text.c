/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for names that people and messages bring in (declared in ids.h): what a namespace may look
 * like, what UTF-8 is, globs, and the nearest known name for a mistyped one.
 *
 * Pure functions over bytes: no locale, no allocation, bounded time for any input.
 */
#include <config.h>

#include "common/ids.h"

#include <string.h>

bool rky_namespace_valid(const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    if (text[0] == '\0' || strchr(first, text[0]) == NULL)
        return false;
    size_t length = strspn(text, rest);
    return length <= 63 && text[length] == '\0';
}

/* Bytes of the well-formed sequence at the start of @p at (Unicode table 3-7), 0 when there is
 * none: overlong forms, surrogates and what lies above U+10FFFF are refused. */
static size_t utf8_sequence(const unsigned char *at, size_t left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t length = 0;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        length = 2;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        length = 3;
        if (at[0] == 0xe0)
            low = 0xa0;
        if (at[0] == 0xed)
            high = 0x9f;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        length = 4;
        if (at[0] == 0xf0)
            low = 0x90;
        if (at[0] == 0xf4)
            high = 0x8f;
    }
    if (length == 0 || length > left || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0U) != 0x80U)
            return 0;
    }
    return length;
}

size_t rky_utf8_next(const char *bytes, size_t length)
{
    return length == 0 ? 0 : utf8_sequence((const unsigned char *)bytes, length);
}

bool rky_utf8_valid(const char *bytes, size_t length)
{
    while (length > 0) {
        size_t step = rky_utf8_next(bytes, length);
        if (step == 0 || *bytes == '\0')
            return false;
        bytes += step;
        length -= step;
    }
    return true;
}

/* Bytes of one character for `?` and `[...]`; a byte that is no UTF-8 counts as a character. */
static size_t character(const char *text)
{
    size_t step = rky_utf8_next(text, strnlen(text, 4));
    return step == 0 ? 1 : step;
}

static bool same_character(const char *a, const char *b)
{
    size_t size = character(a);
    return size == character(b) && memcmp(a, b, size) == 0;
}

/* UTF-8 sorts by bytes as it does by code point, so a range needs no decoding. */
static bool in_range(const char *first, const char *last, const char *text)
{
    size_t size_first = character(first);
    size_t size_last = character(last);
    size_t size = character(text);
    bool above = size != size_first ? size > size_first : memcmp(text, first, size) >= 0;
    bool below = size != size_last ? size < size_last : memcmp(text, last, size) <= 0;
    return above && below;
}

/*
 * The class that opens at @p pattern ('['). @return the byte behind its ']', NULL when it never
 * closes: then the '[' is an ordinary character. A ']' in the first place belongs to the class.
 */
static const char *match_class(const char *pattern, const char *text, bool *ret_matches)
{
    const char *at = pattern + 1;
    bool negated = *at == '!' || *at == '^';
    bool matches = false;
    if (negated)
        at++;
    for (bool first = true; first || *at != ']'; first = false) {
        if (*at == '\0')
            return NULL;
        const char *low = at;
        at += character(at);
        if (*at == '-' && at[1] != ']' && at[1] != '\0') {
            matches = matches || in_range(low, at + 1, text);
            at += 1 + character(at + 1);
        } else {
            matches = matches || same_character(low, text);
        }
    }
    *ret_matches = matches != negated;
    return at + 1;
}

/* One pattern element other than '*' against the character at @p text. @return the rest of the
 * pattern, NULL when it does not match. */
static const char *match_one(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return NULL;
    if (*pattern == '?')
        return pattern + 1;
    if (*pattern == '[') {
        bool matches = false;
        const char *rest = match_class(pattern, text, &matches);
        if (rest != NULL)
            return matches ? rest : NULL;
    }
    return same_character(pattern, text) ? pattern + character(pattern) : NULL;
}

/*
 * fnmatch(3) would match bytes in the C locale and costs exponential time on patterns with many
 * stars. Going back only to the last star is enough: an earlier one could only have taken text
 * that the last one can take as well.
 */
bool rky_glob_match(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *star_text = NULL;
    while (*text != '\0') {
        const char *rest = NULL;
        if (*pattern == '*') {
            star = ++pattern;
            star_text = text;
        } else if ((rest = match_one(pattern, text)) != NULL) {
            pattern = rest;
            text += character(text);
        } else if (star != NULL) {
            star_text += character(star_text);
            pattern = star;
            text = star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Longest name that suggestions are made for. */
#define NEAREST_MAX 127
#define NEAREST_DISTANCE 3

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from one word to the other: insert, delete, replace a byte, or swap two neighbours. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NEAREST_MAX + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1,
                           above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *rky_nearest(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    size_t nearest_distance = NEAREST_DISTANCE + 1;
    size_t length = strlen(word);
    if (length > NEAREST_MAX)
        return NULL;
    for (; *candidates != NULL; candidates++) {
        size_t candidate_length = strlen(*candidates);
        if (candidate_length > NEAREST_MAX)
            continue;
        size_t distance = edit_distance(word, length, *candidates, candidate_length);
        if (distance < nearest_distance && 2 * distance < length) {
            nearest = *candidates;
            nearest_distance = distance;
        }
    }
    return nearest;
}
