/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, deadlines, times and durations as text. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/kit/check_main.h"

START_TEST(the_real_clock_moves_forward)
{
    struct rky_clock *clock = rky_clock_real();
    int64_t mono = clock->mono_ms(clock);
    int64_t boot = clock->boot_ms(clock);

    ck_assert_int_gt(clock->wall_us(clock), INT64_C(1700000000000000));
    ck_assert_int_gt(mono, 0);
    ck_assert_int_ge(boot, mono);
    ck_assert_int_ge(clock->mono_ms(clock), mono);
}
END_TEST

START_TEST(the_fake_clock_moves_only_when_told_and_all_readings_together)
{
    struct rky_fake_clock fake;
    rky_fake_clock_init(&fake, 5000000);
    struct rky_clock *clock = &fake.base;
    int64_t mono = clock->mono_ms(clock);
    int64_t boot = clock->boot_ms(clock);
    ck_assert_int_gt(mono, 0);
    ck_assert_int_eq(clock->wall_us(clock), 5000000);
    ck_assert_int_eq(clock->mono_ms(clock), mono);

    rky_fake_clock_advance_ms(&fake, 1500);

    ck_assert_int_eq(clock->wall_us(clock), 6500000);
    ck_assert_int_eq(clock->mono_ms(clock), mono + 1500);
    ck_assert_int_eq(clock->boot_ms(clock), boot + 1500);
}
END_TEST

START_TEST(a_deadline_counts_down_to_zero_and_stays_there)
{
    struct rky_fake_clock fake;
    rky_fake_clock_init(&fake, 0);
    struct rky_deadline deadline = rky_deadline_in(&fake.base, 100);

    ck_assert_int_eq(rky_deadline_left_ms(&deadline), 100);
    rky_fake_clock_advance_ms(&fake, 99);
    ck_assert_int_eq(rky_deadline_left_ms(&deadline), 1);
    rky_fake_clock_advance_ms(&fake, 1);
    ck_assert_int_eq(rky_deadline_left_ms(&deadline), 0);
    rky_fake_clock_advance_ms(&fake, 1000);
    ck_assert_int_eq(rky_deadline_left_ms(&deadline), 0);
}
END_TEST

START_TEST(a_negative_or_endless_timeout_never_passes)
{
    struct rky_fake_clock fake;
    rky_fake_clock_init(&fake, 0);
    struct rky_deadline negative = rky_deadline_in(&fake.base, -1);
    struct rky_deadline endless = rky_deadline_in(&fake.base, INT64_MAX);
    struct rky_deadline now = rky_deadline_in(&fake.base, 0);

    rky_fake_clock_advance_ms(&fake, INT64_C(1000000000));

    ck_assert_int_eq(rky_deadline_left_ms(&negative), INT64_MAX);
    ck_assert_int_eq(rky_deadline_left_ms(&endless), INT64_MAX);
    ck_assert_int_eq(rky_deadline_left_ms(&now), 0);
}
END_TEST

static const struct {
    int64_t us;
    const char *text;
} FORMAT_ROWS[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {-1, "1969-12-31T23:59:59.999Z"},
    {-1000000, "1969-12-31T23:59:59.000Z"},
    {INT64_C(1795255200123999), "2026-11-21T10:00:00.123Z"},
    {INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
    {INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
};

START_TEST(a_time_is_written_in_rfc_3339)
{
    char text[RKY_TIME_TEXT_MAX];
    rky_time_format(FORMAT_ROWS[_i].us, text);
    ck_assert_str_eq(text, FORMAT_ROWS[_i].text);

    int64_t back = 0;
    ck_assert_int_eq(rky_time_parse(text, &back), 0);
    ck_assert_int_eq((back - FORMAT_ROWS[_i].us) / 1000, 0);
}
END_TEST

START_TEST(the_greatest_time_fits_the_buffer)
{
    char text[RKY_TIME_TEXT_MAX];
    rky_time_format(INT64_MAX, text);
    ck_assert_str_eq(text, "294247-01-10T04:00:54.775Z");
    rky_time_format(INT64_MIN, text);
    ck_assert_uint_lt(strlen(text), sizeof(text));
}
END_TEST

#define NOON INT64_C(1795262400000000) /* 2026-11-21T12:00:00Z */

static const struct {
    const char *text;
    int64_t us;
} PARSE_ROWS[] = {
    {"2026-11-21T12:00:00Z", NOON},
    {"2026-11-21t12:00:00z", NOON},
    {"2026-11-21 12:00:00", NOON},
    {"2026-11-21 12:00", NOON},
    {"2026-11-21T12:00Z", NOON},
    {"2026-11-21", NOON - INT64_C(43200000000)},
    {"2026-11-21 12:00:00.5", NOON + 500000},
    {"2026-11-21 12:00:00.123456", NOON + 123456},
    {"2026-11-21 12:00:00.123456789", NOON + 123456},
    {"2026-11-21 12:00:00.000001", NOON + 1},
    {"2026-11-21T14:00:00+02:00", NOON},
    {"2026-11-21T06:30:00-05:30", NOON},
    {"2026-11-21 14:00:00+02", NOON},
    {"2026-11-21 14:00:00+0200", NOON},
    {"2026-11-21 13:00+01:00", NOON},
    {"0001-01-01", INT64_C(-62135596800000000)},
    {"9999-12-31 23:59:59.999999", INT64_C(253402300799999999)},
    {"2024-02-29", INT64_C(1709164800000000)},
};

START_TEST(a_time_is_read_in_every_usual_form)
{
    int64_t us = 0;
    ck_assert_msg(rky_time_parse(PARSE_ROWS[_i].text, &us) == 0, "%s", PARSE_ROWS[_i].text);
    ck_assert_msg(us == PARSE_ROWS[_i].us, "%s: %lld", PARSE_ROWS[_i].text, (long long)us);
}
END_TEST

static const char *const BAD_TIMES[] = {
    "",
    " ",
    "now",
    "2026",
    "2026-11",
    "2026-1-21",
    "2026-11-2",
    "26-11-21",
    "2026-00-10",
    "2026-13-01",
    "2026-11-00",
    "2026-11-31",
    "2026-02-29",
    "2026-11-32",
    "2026/11/21",
    "2026-11-21X12:00",
    "2026-11-21T",
    "2026-11-21T12",
    "2026-11-21T12:",
    "2026-11-21T24:00",
    "2026-11-21T12:60",
    "2026-11-21T12:00:60",
    "2026-11-21T12:00:0",
    "2026-11-21T12:00:00.",
    "2026-11-21T12:00:00.Z",
    "2026-11-21T12:00:00Zx",
    "2026-11-21T12:00:00 Z",
    "2026-11-21T12:00:00+",
    "2026-11-21T12:00:00+2",
    "2026-11-21T12:00:00+24:00",
    "2026-11-21T12:00:00+02:60",
    "2026-11-21T12:00:00+02:0",
    "2026-11-21T12:00:00+02:000",
    "2026-11-21T12:00:00+02:",
    "+2026-11-21",
    "12026-11-21",
};

START_TEST(what_is_no_time_is_refused_and_the_result_untouched)
{
    int64_t us = 42;
    ck_assert_msg(rky_time_parse(BAD_TIMES[_i], &us) == RKY_ERR_DECODE, "%s", BAD_TIMES[_i]);
    ck_assert_int_eq(us, 42);
}
END_TEST

START_TEST(durations_have_units)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"0", 0},     {"90", 90},     {"90s", 90}, {"10m", 600},
        {"1h", 3600}, {"7d", 604800}, {"007", 7},  {"9223372036854775807", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t seconds = -1;
        ck_assert_int_eq(rky_duration_parse(rows[i].text, &seconds, NULL), 0);
        ck_assert_int_eq(seconds, rows[i].seconds);
    }
}
END_TEST

START_TEST(what_is_no_duration_is_refused_with_an_example)
{
    static const char *const rows[] = {
        "",
        "s",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1x",
        "1hs",
        "1h30m",
        "1.5h",
        "1H",
        "9223372036854775808",
        "99999999999999999999999",
        "9223372036854775807d",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rky_error err = {0};
        int64_t seconds = 42;
        ck_assert_msg(rky_duration_parse(rows[i], &seconds, &err) == RKY_ERR_USAGE, "%s", rows[i]);
        ck_assert_int_eq(seconds, 42);
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "'%s' is not a duration", rows[i]);
        ck_assert_str_eq(err.message, expected);
        ck_assert_ptr_nonnull(strstr(err.hint, "10m"));
    }
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static Suite *suite(void)
{
    Suite *result = suite_create("clock");
    TCase *tests = tcase_create("clock");
    tcase_add_test(tests, the_real_clock_moves_forward);
    tcase_add_test(tests, the_fake_clock_moves_only_when_told_and_all_readings_together);
    tcase_add_test(tests, a_deadline_counts_down_to_zero_and_stays_there);
    tcase_add_test(tests, a_negative_or_endless_timeout_never_passes);
    tcase_add_loop_test(tests, a_time_is_written_in_rfc_3339, 0, COUNT(FORMAT_ROWS));
    tcase_add_test(tests, the_greatest_time_fits_the_buffer);
    tcase_add_loop_test(tests, a_time_is_read_in_every_usual_form, 0, COUNT(PARSE_ROWS));
    tcase_add_loop_test(tests, what_is_no_time_is_refused_and_the_result_untouched, 0,
                        COUNT(BAD_TIMES));
    tcase_add_test(tests, durations_have_units);
    tcase_add_test(tests, what_is_no_duration_is_refused_with_an_example);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
