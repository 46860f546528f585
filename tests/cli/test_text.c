/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people (cli/text.h): figures, columns, sparklines, and what a terminal must not see. */
#include "config.h"

#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

#include "tests/kit/check_main.h"

static void expect_clean(const char *text, const char *expected)
{
    struct rky_strbuf buffer = {0};
    rky_text_clean(&buffer, text);
    ck_assert_str_eq(rky_strbuf_text(&buffer), expected);
    rky_strbuf_done(&buffer);
}

START_TEST(numbers_have_separators_every_three_digits)
{
    char text[RKY_NUMBER_TEXT_MAX];
    ck_assert_str_eq(rky_number_text(0, text), "0");
    ck_assert_str_eq(rky_number_text(999, text), "999");
    ck_assert_str_eq(rky_number_text(1000, text), "1,000");
    ck_assert_str_eq(rky_number_text(-123456, text), "-123,456");
    ck_assert_str_eq(rky_number_text(INT64_MIN, text), "-9,223,372,036,854,775,808");
}
END_TEST

START_TEST(durations_keep_two_units)
{
    char text[RKY_NUMBER_TEXT_MAX];
    ck_assert_str_eq(rky_duration_text(999, text), "999 ms");
    ck_assert_str_eq(rky_duration_text(1000, text), "1.0 s");
    ck_assert_str_eq(rky_duration_text(59900, text), "59.9 s");
    ck_assert_str_eq(rky_duration_text(200000, text), "3m 20s");
    ck_assert_str_eq(rky_duration_text(7500000, text), "2h 5m");
    ck_assert_str_eq(rky_duration_text(INT64_C(273600000), text), "3d 4h");
}
END_TEST

START_TEST(control_characters_and_broken_utf8_never_reach_a_terminal)
{
    expect_clean("plain \xc3\xa4 \xe2\x96\x81 \xf0\x9f\x90\xa2",
                 "plain \xc3\xa4 \xe2\x96\x81 \xf0\x9f\x90\xa2");
    expect_clean("a\033[2J\nb\x7f", "a?[2J?b?");
    expect_clean("one\xc2\x9b"
                 "two",
                 "one?two");
    expect_clean("\x9b"
                 "1m",
                 "?1m");
    expect_clean("cut \xe2\x96", "cut ??");
    expect_clean("\xc0\xaf", "??");
}
END_TEST

START_TEST(columns_line_up_by_characters_and_not_by_bytes)
{
    static const char *const rows[][3] = {
        {"NAME", "ROWS", "END"}, {"\xc3\xa4\xc3\xb6", "1", "x"}, {"longer", "12,345", "y"}};
    struct rky_columns columns = {.align = "lrl"};
    char *text = NULL;
    size_t size = 0;
    for (size_t i = 0; i < 3; i++)
        rky_columns_add(&columns, RKY_PAINT_NONE, rows[i]);
    rky_columns_note(&columns, RKY_PAINT_RED, "  note %d", 1);
    FILE *stream = open_memstream(&text, &size);
    ck_assert_int_eq(rky_columns_print(&columns, stream, false, NULL), 0);
    fclose(stream);
    ck_assert_str_eq(text, "NAME      ROWS  END\n"
                           "\xc3\xa4\xc3\xb6           1  x\n"
                           "longer  12,345  y\n"
                           "  note 1\n");
    free(text);
    rky_columns_done(&columns);
}
END_TEST

START_TEST(a_table_without_memory_says_so)
{
    static const char *const cells[] = {"a", "b"};
    for (uint64_t nth = 1;; nth++) {
        struct rky_columns columns = {.align = "ll"};
        struct rky_error err = {0};
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        rky_mem_fail_nth(nth);
        rky_columns_add(&columns, RKY_PAINT_NONE, cells);
        rky_columns_note(&columns, RKY_PAINT_NONE, "note");
        int rc = rky_columns_print(&columns, stream, false, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        fclose(stream);
        free(text);
        rky_columns_done(&columns);
        ck_assert_int_eq(rc, failed ? RKY_ERR_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

START_TEST(a_sparkline_spans_from_the_least_to_the_greatest)
{
    static const int64_t counts[] = {100, 100, 150, 200};
    struct rky_strbuf buffer = {0};
    rky_sparkline(&buffer, counts, 4, false);
    ck_assert_str_eq(rky_strbuf_text(&buffer), "__~#");
    rky_strbuf_done(&buffer);
    rky_sparkline(&buffer, counts, 2, true);
    ck_assert_str_eq(rky_strbuf_text(&buffer), "\xe2\x96\x81\xe2\x96\x81");
    rky_strbuf_done(&buffer);
    rky_sparkline(&buffer, counts, 0, true);
    ck_assert_str_eq(rky_strbuf_text(&buffer), "");
    rky_strbuf_done(&buffer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli text");
    TCase *tcase = tcase_create("text");
    tcase_add_test(tcase, numbers_have_separators_every_three_digits);
    tcase_add_test(tcase, durations_keep_two_units);
    tcase_add_test(tcase, control_characters_and_broken_utf8_never_reach_a_terminal);
    tcase_add_test(tcase, columns_line_up_by_characters_and_not_by_bytes);
    tcase_add_test(tcase, a_table_without_memory_says_so);
    tcase_add_test(tcase, a_sparkline_spans_from_the_least_to_the_greatest);
    suite_add_tcase(suite, tcase);
    return rky_check_main(suite);
}
