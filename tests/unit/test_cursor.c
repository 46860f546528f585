/* SPDX-License-Identifier: Apache-2.0 */
/* Cursor values: exact order, and times written as the column writes them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "engine/cursor.h"
#include "tests/kit/check_main.h"

/* Borrows; for comparisons only. */
static struct rky_cursor value(enum rky_cursor_type type, const char *text)
{
    union {
        const char *in;
        char *out;
    } borrowed = {.in = text};
    return (struct rky_cursor){.type = type, .text = borrowed.out};
}

static struct rky_cursor integer(const char *text)
{
    return value(RKY_CURSOR_INTEGER, text);
}

static struct rky_cursor real(const char *text)
{
    return value(RKY_CURSOR_REAL, text);
}

static struct rky_cursor text(const char *words)
{
    return value(RKY_CURSOR_TEXT, words);
}

START_TEST(names_of_types_go_there_and_back)
{
    for (int i = RKY_CURSOR_NONE; i <= RKY_CURSOR_TEXT; i++)
        ck_assert_int_eq(rky_cursor_type_parse(rky_cursor_type_name((enum rky_cursor_type)i)), i);
    ck_assert_int_eq(rky_cursor_type_parse(NULL), RKY_CURSOR_NONE);
    ck_assert_int_eq(rky_cursor_type_parse("blob"), RKY_CURSOR_NONE);
}
END_TEST

START_TEST(values_are_ordered_exactly)
{
    /* Ascending; each is compared with every other. */
    const struct rky_cursor ascending[] = {
        value(RKY_CURSOR_NONE, NULL),
        real("-9.0e+999"),
        real("-9.3e18"),
        integer("-9223372036854775808"),
        integer("-9223372036854775807"),
        real("-1.5"),
        integer("-1"),
        real("-0.5"),
        integer("0"),
        real("0.5"),
        integer("9007199254740992"),
        integer("9007199254740993"),
        integer("9223372036854775806"),
        integer("9223372036854775807"),
        real("9223372036854775808.0"),
        real("9.0e+999"),
        text(""),
        text("2026-01-01"),
        text("2026-01-01T00:00:00Z"),
        text("B"),
        text("a"),
        text("\xc3\xa4"),
    };
    const int count = (int)(sizeof(ascending) / sizeof(ascending[0]));
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            ck_assert_msg(rky_cursor_compare(&ascending[i], &ascending[j]) == (i > j) - (i < j),
                          "%s against %s", ascending[i].text, ascending[j].text);
    const struct rky_cursor one = integer("1"), also_one = real("1.0");
    ck_assert_int_eq(rky_cursor_compare(&one, &also_one), 0);
    ck_assert_int_eq(rky_cursor_compare(&also_one, &one), 0);
}
END_TEST

START_TEST(a_copy_owns_its_text)
{
    struct rky_cursor from = {0}, to = {0};
    ck_assert_int_eq(rky_cursor_set(&from, RKY_CURSOR_TEXT, "a", NULL), RKY_OK);
    ck_assert_int_eq(rky_cursor_copy(&from, &to, NULL), RKY_OK);
    ck_assert_int_eq(rky_cursor_set(&from, RKY_CURSOR_INTEGER, "7", NULL), RKY_OK);
    ck_assert_str_eq(to.text, "a");
    ck_assert_str_eq(from.text, "7");
    ck_assert_int_eq(rky_cursor_set(&to, RKY_CURSOR_NONE, NULL, NULL), RKY_OK);
    ck_assert_ptr_null(to.text);
    rky_cursor_done(&from);
    ck_assert_int_eq(from.type, RKY_CURSOR_NONE);
    rky_cursor_done(&to);
}
END_TEST

/* 2026-11-21T10:00:00.123456Z */
#define MOMENT_US INT64_C(1795255200123456)

START_TEST(times_are_read_in_every_form)
{
    static const struct {
        enum rky_cursor_type type;
        const char *text;
        int64_t expected_us;
    } forms[] = {
        {RKY_CURSOR_TEXT, "2026-11-21T10:00:00.123456Z", MOMENT_US},
        {RKY_CURSOR_TEXT, "2026-11-21 12:00:00.123456+02:00", MOMENT_US},
        {RKY_CURSOR_INTEGER, "1795255200", MOMENT_US - 123456},
        {RKY_CURSOR_INTEGER, "1795255200123", MOMENT_US - 456},
        {RKY_CURSOR_INTEGER, "1795255200123456", MOMENT_US},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int64_t found = 0;
        const struct rky_cursor cursor = value(forms[i].type, forms[i].text);
        ck_assert_int_eq(rky_cursor_time(&cursor, &found), RKY_OK);
        ck_assert_int_eq(found, forms[i].expected_us);
    }
}
END_TEST

START_TEST(what_is_no_time_is_not_read_as_one)
{
    const struct rky_cursor none[] = {value(RKY_CURSOR_NONE, NULL),
                                      text("a"),
                                      text(""),
                                      text("2026-11-31"),
                                      integer("0"),
                                      integer("42"),
                                      integer("-1795255200"),
                                      integer("4102444800"),
                                      real("1795255200.5"),
                                      integer("99999999999999999999")};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        int64_t found = 0;
        ck_assert_msg(rky_cursor_time(&none[i], &found) == RKY_ERR_DECODE, "%s", none[i].text);
    }
}
END_TEST

START_TEST(a_time_is_written_as_the_sample_writes_it)
{
    static const struct {
        enum rky_cursor_type type;
        const char *sample, *expected;
    } forms[] = {
        {RKY_CURSOR_TEXT, "2025-03-15T14:30:00Z", "2026-11-21T10:00:00Z"},
        {RKY_CURSOR_TEXT, "2025-03-15 14:30:00", "2026-11-21 10:00:00"},
        {RKY_CURSOR_TEXT, "2025-03-15T14:30", "2026-11-21T10:00"},
        {RKY_CURSOR_TEXT, "2025-03-15", "2026-11-21"},
        {RKY_CURSOR_TEXT, "2025-03-15T14:30:00.0Z", "2026-11-21T10:00:00.1Z"},
        {RKY_CURSOR_TEXT, "2025-03-15T14:30:00.000Z", "2026-11-21T10:00:00.123Z"},
        {RKY_CURSOR_TEXT, "2025-03-15 14:30:00.000000+02:00", "2026-11-21 12:00:00.123456+02:00"},
        {RKY_CURSOR_TEXT, "2025-03-15 14:30:00.000000000-0330",
         "2026-11-21 06:30:00.123456000-0330"},
        {RKY_CURSOR_TEXT, "2025-03-15 14:30:00+02", "2026-11-21 12:00:00+02"},
        {RKY_CURSOR_INTEGER, "1742049000", "1795255200"},
        {RKY_CURSOR_INTEGER, "1742049000000", "1795255200123"},
        {RKY_CURSOR_INTEGER, "1742049000000000", "1795255200123456"},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct rky_cursor made = {0};
        const struct rky_cursor sample = value(forms[i].type, forms[i].sample);
        ck_assert_int_eq(rky_cursor_time_like(&sample, MOMENT_US, &made, NULL), RKY_OK);
        ck_assert_int_eq(made.type, forms[i].type);
        ck_assert_str_eq(made.text, forms[i].expected);
        rky_cursor_done(&made);
    }
}
END_TEST

START_TEST(times_that_are_spelt_in_different_ways_do_not_sort_by_time)
{
    static const struct {
        const char *a, *b;
        bool sorts;
    } cases[] = {
        {"2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", true},
        {"2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", false},
        {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00", false},
        {"2026-01-01T02:00:00+02:00", "2026-01-01T02:30:00+01:00", false},
        {"2026-01-01T00:00:00", "2026-01-01 00:00:01", false},
        {"2026-01-01", "2026-01-01T00:00:01Z", true},
        {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", false},
        {"2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.55Z", false},
        {"2026-01-01T00:00Z", "2026-01-01T00:00:30Z", false},
        {"2026-01-01T00:00:00", "2026-01-01T00:00:00.5", true},
        {"2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5+00:00", true},
        {"2026-01-01T00:00:00-05:00", "2026-01-01T00:00:00.55-05:00", true},
        {"2026-01-01T00:00:00Z", "yesterday", false},
        {"apples", "pears", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rky_cursor a = text(cases[i].a), b = text(cases[i].b), number = integer("7");
        ck_assert_msg(rky_cursor_sorts_by_time(&a, &b) == cases[i].sorts, "%s %s", cases[i].a,
                      cases[i].b);
        ck_assert(rky_cursor_sorts_by_time(&b, &a) == cases[i].sorts);
        ck_assert(rky_cursor_sorts_by_time(&a, &number));
    }
}
END_TEST

START_TEST(a_time_before_1970_is_rounded_down)
{
    struct rky_cursor made = {0};
    const struct rky_cursor seconds = text("2025-03-15T14:30:00Z");
    ck_assert_int_eq(rky_cursor_time_like(&seconds, -1, &made, NULL), RKY_OK);
    ck_assert_str_eq(made.text, "1969-12-31T23:59:59Z");
    const struct rky_cursor millis = integer("1742049000000");
    ck_assert_int_eq(rky_cursor_time_like(&millis, -1, &made, NULL), RKY_OK);
    ck_assert_str_eq(made.text, "-1");
    rky_cursor_done(&made);
}
END_TEST

START_TEST(a_sample_that_is_no_time_is_a_configuration_error)
{
    struct rky_cursor made = {0};
    struct rky_error err = {0};
    const struct rky_cursor name = text("alice");
    ck_assert_int_eq(rky_cursor_time_like(&name, 0, &made, &err), RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, "cursor value 'alice' is no time");
    err = (struct rky_error){0};
    const struct rky_cursor day = text("2025-03-15");
    ck_assert_int_eq(rky_cursor_time_like(&day, INT64_MIN / 2, &made, &err), RKY_ERR_CONFIG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor");
    TCase *tcase = tcase_create("cursor");
    tcase_add_test(tcase, names_of_types_go_there_and_back);
    tcase_add_test(tcase, values_are_ordered_exactly);
    tcase_add_test(tcase, a_copy_owns_its_text);
    tcase_add_test(tcase, times_are_read_in_every_form);
    tcase_add_test(tcase, what_is_no_time_is_not_read_as_one);
    tcase_add_test(tcase, a_time_is_written_as_the_sample_writes_it);
    tcase_add_test(tcase, times_that_are_spelt_in_different_ways_do_not_sort_by_time);
    tcase_add_test(tcase, a_time_before_1970_is_rounded_down);
    tcase_add_test(tcase, a_sample_that_is_no_time_is_a_configuration_error);
    suite_add_tcase(suite, tcase);
    return rky_check_main(suite);
}
