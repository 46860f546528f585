/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clock, a clock for tests, deadlines, and times and durations as text.
 *
 * Everything here is pure or reads a clock; any thread may call it.
 */
#include <config.h>

#include "common/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t US_PER_SECOND = 1000000;

static int64_t read_clock(clockid_t id, int64_t units_per_second)
{
    struct timespec now = {0};
    RKY_ASSERT(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * units_per_second +
           (int64_t)now.tv_nsec / (1000000000 / units_per_second);
}

static int64_t real_wall_us(struct rky_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME, US_PER_SECOND);
}

static int64_t real_mono_ms(struct rky_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC, 1000);
}

static int64_t real_boot_ms(struct rky_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_BOOTTIME, 1000);
}

struct rky_clock *rky_clock_real(void)
{
    /* Not const only because the interface is not; nothing ever writes it. */
    static struct rky_clock clock = {real_wall_us, real_mono_ms, real_boot_ms};
    return &clock;
}

static int64_t fake_wall_us(struct rky_clock *clock)
{
    return atomic_load(&((struct rky_fake_clock *)clock)->now_us);
}

static int64_t fake_mono_ms(struct rky_clock *clock)
{
    const struct rky_fake_clock *fake = (struct rky_fake_clock *)clock;
    return (atomic_load(&fake->now_us) - fake->mono_origin_us) / 1000;
}

void rky_fake_clock_init(struct rky_fake_clock *fake, int64_t wall_us)
{
    fake->base = (struct rky_clock){fake_wall_us, fake_mono_ms, fake_mono_ms};
    atomic_init(&fake->now_us, wall_us);
    /* Up for 1000 s, so that code which takes a zero reading for "never" is not helped. */
    fake->mono_origin_us = wall_us - 1000 * US_PER_SECOND;
}

void rky_fake_clock_advance_ms(struct rky_fake_clock *fake, int64_t ms)
{
    (void)atomic_fetch_add(&fake->now_us, ms * 1000);
}

struct rky_deadline rky_deadline_in(struct rky_clock *clock, int64_t timeout_ms)
{
    struct rky_deadline deadline = {clock, INT64_MAX};
    if (timeout_ms < 0)
        return deadline;
    int64_t now = clock->mono_ms(clock);
    if (timeout_ms < INT64_MAX - now)
        deadline.mono_ms = now + timeout_ms;
    return deadline;
}

int64_t rky_deadline_left_ms(const struct rky_deadline *deadline)
{
    if (deadline->mono_ms == INT64_MAX)
        return INT64_MAX;
    int64_t left = deadline->mono_ms - deadline->clock->mono_ms(deadline->clock);
    return left > 0 ? left : 0;
}

void rky_time_format(int64_t wall_us, char ret_text[RKY_TIME_TEXT_MAX])
{
    int64_t seconds = wall_us / US_PER_SECOND;
    int64_t rest_us = wall_us % US_PER_SECOND;
    if (rest_us < 0) {
        seconds--;
        rest_us += US_PER_SECOND;
    }
    struct tm parts = {0};
    time_t at = (time_t)seconds;
    RKY_ASSERT(gmtime_r(&at, &parts) != NULL);
    size_t used = strftime(ret_text, RKY_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(ret_text + used, RKY_TIME_TEXT_MAX - used, ".%03dZ", (int)(rest_us / 1000));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `count` digits. Moves *text behind them. */
static bool take_number(const char **text, int count, int maximum, int *ret_number)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit((*text)[i]))
            return false;
        number = number * 10 + ((*text)[i] - '0');
    }
    *text += count;
    *ret_number = number;
    return number <= maximum;
}

static bool take(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

/* Digits behind the point: the first six count, more are cut off. */
static bool take_fraction(const char **text, int *ret_us)
{
    int us = 0;
    int digits = 0;
    for (; is_digit(**text); (*text)++, digits++) {
        if (digits < 6)
            us = us * 10 + (**text - '0');
    }
    for (int i = digits; i < 6; i++)
        us *= 10;
    *ret_us = us;
    return digits > 0;
}

/* "", "Z", "+hh", "+hhmm" or "+hh:mm"; PostgreSQL writes the short form. */
static bool take_zone(const char **text, int *ret_seconds)
{
    *ret_seconds = 0;
    if (take(text, 'Z') || take(text, 'z') || **text == '\0')
        return true;
    int sign = **text == '+' ? 1 : **text == '-' ? -1 : 0;
    int hours = 0;
    int minutes = 0;
    if (sign == 0)
        return false;
    (*text)++;
    if (!take_number(text, 2, 23, &hours))
        return false;
    if (**text != '\0') {
        (void)take(text, ':');
        if (!take_number(text, 2, 59, &minutes))
            return false;
    }
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_date(const char **text, struct tm *parts)
{
    int year = 0;
    int month = 0;
    if (!take_number(text, 4, 9999, &year) || !take(text, '-') ||
        !take_number(text, 2, 12, &month) || !take(text, '-') ||
        !take_number(text, 2, 31, &parts->tm_mday) || month == 0)
        return false;
    parts->tm_year = year - 1900;
    parts->tm_mon = month - 1;
    return true;
}

/* Everything behind the date, which may be nothing. */
static bool take_time(const char **text, struct tm *parts, int *ret_us, int *ret_zone)
{
    if (**text == '\0')
        return true;
    if (!take(text, 'T') && !take(text, 't') && !take(text, ' '))
        return false;
    if (!take_number(text, 2, 23, &parts->tm_hour) || !take(text, ':') ||
        !take_number(text, 2, 59, &parts->tm_min))
        return false;
    if (take(text, ':')) {
        if (!take_number(text, 2, 59, &parts->tm_sec))
            return false;
        if (take(text, '.') && !take_fraction(text, ret_us))
            return false;
    }
    return take_zone(text, ret_zone);
}

int rky_time_parse(const char *text, int64_t *ret_wall_us)
{
    struct tm parts = {0};
    int us = 0;
    int zone = 0;
    if (!take_date(&text, &parts) || !take_time(&text, &parts, &us, &zone) || *text != '\0')
        return RKY_ERR_DECODE;
    int day = parts.tm_mday;
    int month = parts.tm_mon;
    time_t seconds = timegm(&parts);
    /* timegm() turns 30 February into 2 March instead of refusing it. */
    if (parts.tm_mday != day || parts.tm_mon != month)
        return RKY_ERR_DECODE;
    *ret_wall_us = ((int64_t)seconds - zone) * US_PER_SECOND + us;
    return 0;
}

int rky_duration_parse(const char *text, int64_t *ret_seconds, struct rky_error *err)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};

    int64_t number = 0;
    const char *at = text;
    bool fits = is_digit(*at);
    for (; fits && is_digit(*at); at++)
        fits = !__builtin_mul_overflow(number, 10, &number) &&
               !__builtin_add_overflow(number, *at - '0', &number);
    for (size_t i = 0; fits && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(at, units[i].unit) != 0)
            continue;
        if (__builtin_mul_overflow(number, units[i].seconds, &number))
            break;
        *ret_seconds = number;
        return 0;
    }
    int rc = rky_fail(err, RKY_ERR_USAGE, "'%s' is not a duration", text);
    rky_error_hint(err, "write a whole number and a unit, for example 90s, 10m, 1h or 7d");
    return rc;
}
