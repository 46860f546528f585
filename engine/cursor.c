/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/cursor.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/mem.h"

static const char *const names[] = {
    [RKY_CURSOR_NONE] = "none",
    [RKY_CURSOR_INTEGER] = "integer",
    [RKY_CURSOR_REAL] = "real",
    [RKY_CURSOR_TEXT] = "text",
};

const char *rky_cursor_type_name(enum rky_cursor_type type)
{
    return names[type];
}

enum rky_cursor_type rky_cursor_type_parse(const char *name)
{
    if (name != NULL)
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (strcmp(names[i], name) == 0)
                return (enum rky_cursor_type)i;
    return RKY_CURSOR_NONE;
}

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_reals(double a, double b)
{
    return (a > b) - (a < b);
}

/* Exact: a double cannot hold every int64_t, so the integer is never converted as a whole. */
static int compare_mixed(int64_t integer, double real)
{
    if (real < -9223372036854775808.0)
        return 1;
    if (real >= 9223372036854775808.0)
        return -1;
    int64_t whole = (int64_t)real;
    int order = compare_integers(integer, whole);
    return order != 0 ? order : compare_reals((double)whole, real);
}

static int64_t integer_of(const struct rky_cursor *cursor)
{
    return (int64_t)strtoll(cursor->text, NULL, 10);
}

static int rank(enum rky_cursor_type type)
{
    switch (type) {
    case RKY_CURSOR_NONE:
        return 0;
    case RKY_CURSOR_INTEGER:
    case RKY_CURSOR_REAL:
        return 1;
    case RKY_CURSOR_TEXT:
        return 2;
    }
    return 0;
}

int rky_cursor_compare(const struct rky_cursor *a, const struct rky_cursor *b)
{
    int order = rank(a->type) - rank(b->type);
    if (order != 0)
        return order < 0 ? -1 : 1;
    if (a->type == RKY_CURSOR_NONE)
        return 0;
    if (a->type == RKY_CURSOR_TEXT) {
        order = strcmp(a->text, b->text);
        return (order > 0) - (order < 0);
    }
    if (a->type == RKY_CURSOR_INTEGER && b->type == RKY_CURSOR_INTEGER)
        return compare_integers(integer_of(a), integer_of(b));
    if (a->type == RKY_CURSOR_INTEGER)
        return compare_mixed(integer_of(a), strtod(b->text, NULL));
    if (b->type == RKY_CURSOR_INTEGER)
        return -compare_mixed(integer_of(b), strtod(a->text, NULL));
    return compare_reals(strtod(a->text, NULL), strtod(b->text, NULL));
}

int rky_cursor_set(struct rky_cursor *cursor, enum rky_cursor_type type, const char *text,
                   struct rky_error *err)
{
    char *copy = NULL;
    if (type != RKY_CURSOR_NONE) {
        copy = rky_strdup(text);
        if (copy == NULL)
            return rky_fail_nomem(err);
    }
    rky_free(cursor->text);
    cursor->type = type;
    cursor->text = copy;
    return RKY_OK;
}

int rky_cursor_copy(const struct rky_cursor *from, struct rky_cursor *ret_to, struct rky_error *err)
{
    return rky_cursor_set(ret_to, from->type, from->text, err);
}

void rky_cursor_done(struct rky_cursor *cursor)
{
    rky_free(cursor->text);
    *cursor = (struct rky_cursor){0};
}

/* --- times ------------------------------------------------------------------------------------ */

/* 2000-01-01 and 2100-01-01 in seconds: the three units cannot be confused between them. */
enum { SECONDS_LOW = 946684800 };
static const int64_t seconds_high = INT64_C(4102444800);

/* Microseconds per unit of an integer that is plausible as a time, 0 when it is none. */
static int64_t unit_of(int64_t value)
{
    for (int64_t per_second = 1; per_second <= 1000000; per_second *= 1000)
        if (value / per_second >= SECONDS_LOW && value / per_second < seconds_high)
            return 1000000 / per_second;
    return 0;
}

static int parse_integer(const char *text, int64_t *ret_value)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return RKY_ERR_DECODE;
    *ret_value = value;
    return RKY_OK;
}

int rky_cursor_time(const struct rky_cursor *cursor, int64_t *ret_wall_us)
{
    int64_t value = 0;
    if (cursor->type == RKY_CURSOR_TEXT)
        return rky_time_parse(cursor->text, ret_wall_us);
    if (cursor->type != RKY_CURSOR_INTEGER || parse_integer(cursor->text, &value) != RKY_OK ||
        unit_of(value) == 0)
        return RKY_ERR_DECODE;
    *ret_wall_us = value * unit_of(value);
    return RKY_OK;
}

/* Where the parts of a time text are; the text was accepted by rky_time_parse(). */
struct time_form {
    char separator; /* between date and time, 0 = date only */
    bool seconds;
    char point; /* before the fraction, 0 = none */
    int fraction_digits;
    const char *zone;  /* the rest: "", "Z", "+02:00" */
    int64_t offset_us; /* of the zone, east positive */
};

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : 0;
}

static void read_form(const char *text, struct time_form *form)
{
    const char *at = text + strlen("YYYY-MM-DD");
    *form = (struct time_form){.zone = ""};
    if (*at == '\0')
        return;
    form->separator = *at;
    at += strlen("THH:MM");
    if (*at == ':') {
        form->seconds = true;
        at += strlen(":SS");
        if (*at == '.') {
            form->point = *at++;
            for (; isdigit((unsigned char)*at); at++)
                form->fraction_digits++;
        }
    }
    form->zone = at;
    if (*at != '+' && *at != '-')
        return;
    int hours = digit(at[1]) * 10 + digit(at[2]);
    const char *rest = at + 3;
    if (*rest == ':')
        rest++;
    int minutes = *rest != '\0' ? digit(rest[0]) * 10 + digit(rest[1]) : 0;
    form->offset_us = (hours * 60 + minutes) * INT64_C(60000000) * (*at == '-' ? -1 : 1);
}

bool rky_cursor_sorts_by_time(const struct rky_cursor *a, const struct rky_cursor *b)
{
    int64_t time_us = 0;
    struct time_form one, other;
    if (a->type != RKY_CURSOR_TEXT || b->type != RKY_CURSOR_TEXT)
        return true;
    bool is_time = rky_time_parse(a->text, &time_us) == RKY_OK;
    if ((rky_time_parse(b->text, &time_us) == RKY_OK) != is_time)
        return false;
    if (!is_time)
        return true;
    read_form(a->text, &one);
    read_form(b->text, &other);
    /* A date alone is a prefix, which sorts as its midnight. */
    if (one.separator == '\0' || other.separator == '\0')
        return true;
    if (one.separator != other.separator || strcmp(one.zone, other.zone) != 0)
        return false;
    /* What follows a digit less: nothing, '+' and '-' sort before ':', '.' and digits, 'Z' after.
     */
    bool letter = isalpha((unsigned char)one.zone[0]);
    return !letter ||
           (one.seconds == other.seconds && one.fraction_digits == other.fraction_digits);
}

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}

static int text_like(const char *sample, int64_t wall_us, struct rky_cursor *ret,
                     struct rky_error *err)
{
    struct time_form form;
    read_form(sample, &form);
    int64_t local_us = wall_us + form.offset_us;
    time_t seconds = (time_t)floor_div(local_us, 1000000);
    int64_t micros = local_us - (int64_t)seconds * 1000000;
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return rky_fail(err, RKY_ERR_CONFIG, "a time near '%s' is outside the years 0 to 9999",
                        sample);
    struct rky_strbuf text = {0};
    rky_strbuf_addf(&text, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (form.separator != '\0')
        rky_strbuf_addf(&text, "%c%02d:%02d", form.separator, tm.tm_hour, tm.tm_min);
    if (form.seconds)
        rky_strbuf_addf(&text, ":%02d", tm.tm_sec);
    if (form.point != '\0') {
        char digits[8];
        (void)snprintf(digits, sizeof(digits), "%06d", (int)micros);
        rky_strbuf_addc(&text, form.point);
        for (int i = 0; i < form.fraction_digits; i++)
            rky_strbuf_addc(&text, i < 6 ? digits[i] : '0');
    }
    rky_strbuf_add(&text, form.zone);
    char *made = rky_strbuf_take(&text);
    if (made == NULL)
        return rky_fail_nomem(err);
    rky_free(ret->text);
    *ret = (struct rky_cursor){.type = RKY_CURSOR_TEXT, .text = made};
    return RKY_OK;
}

int rky_cursor_time_like(const struct rky_cursor *sample, int64_t wall_us,
                         struct rky_cursor *ret_cursor, struct rky_error *err)
{
    int64_t sample_us = 0;
    if (rky_cursor_time(sample, &sample_us) != RKY_OK)
        return rky_fail(err, RKY_ERR_CONFIG, "cursor value '%s' is no time",
                        sample->text != NULL ? sample->text : "");
    if (sample->type == RKY_CURSOR_TEXT)
        return text_like(sample->text, wall_us, ret_cursor, err);
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, floor_div(wall_us, unit_of(integer_of(sample))));
    return rky_cursor_set(ret_cursor, RKY_CURSOR_INTEGER, text, err);
}
