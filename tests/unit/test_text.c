/* SPDX-License-Identifier: Apache-2.0 */
/* Rules for names: namespaces, UTF-8, globs, suggestions. */
#include "config.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/ids.h"
#include "tests/kit/check_main.h"

#define SIXTY "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx"

START_TEST(namespaces_follow_their_pattern)
{
    static const char *const good[] = {"a", "0", "bronze", "a_b-c", "0-", SIXTY "abc"};
    static const char *const bad[] = {"",     "_a",  "-a",  "A",         "a.b",        "a/b",
                                      "../x", "a b", "a\n", "a\xc3\xa4", SIXTY "abcd", "bronzE"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(rky_namespace_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!rky_namespace_valid(bad[i]), "%s", bad[i]);
}
END_TEST

static const struct {
    const char *bytes;
    size_t length;
    bool valid;
} UTF8_ROWS[] = {
    {"", 0, true},
    {"abc", 3, true},
    {"\xc3\xa4", 2, true},         /* U+00E4 */
    {"\xc2\x80", 2, true},         /* U+0080, the least of two bytes */
    {"\xdf\xbf", 2, true},         /* U+07FF, the greatest */
    {"\xe0\xa0\x80", 3, true},     /* U+0800 */
    {"\xed\x9f\xbf", 3, true},     /* U+D7FF */
    {"\xee\x80\x80", 3, true},     /* U+E000 */
    {"\xef\xbf\xbf", 3, true},     /* U+FFFF */
    {"\xf0\x90\x80\x80", 4, true}, /* U+10000 */
    {"\xf4\x8f\xbf\xbf", 4, true}, /* U+10FFFF */
    {"a\0b", 3, false},            /* NUL */
    {"\x80", 1, false},            /* continuation alone */
    {"\xc3", 1, false},            /* ends early */
    {"\xe2\x82", 2, false},        /* ends early */
    {"\xf0\x9f\x98", 3, false},    /* ends early */
    {"\xc3(", 2, false},           /* no continuation */
    {"\xe2\x82(", 3, false},
    {"\xf0\x9f\x98(", 4, false},
    {"\xc0\x80", 2, false}, /* overlong */
    {"\xc1\xbf", 2, false},
    {"\xe0\x9f\xbf", 3, false},
    {"\xf0\x8f\xbf\xbf", 4, false},
    {"\xed\xa0\x80", 3, false},     /* surrogate */
    {"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", 4, false},
    {"\xff", 1, false},
    {"ok\xfe", 3, false},
};

START_TEST(utf8_is_checked_byte_by_byte)
{
    ck_assert_int_eq(rky_utf8_valid(UTF8_ROWS[_i].bytes, UTF8_ROWS[_i].length),
                     UTF8_ROWS[_i].valid);
}
END_TEST

START_TEST(the_first_sequence_has_a_length)
{
    ck_assert_uint_eq(rky_utf8_next("", 0), 0);
    ck_assert_uint_eq(rky_utf8_next("ab", 2), 1);
    ck_assert_uint_eq(rky_utf8_next("\xc3\xa4x", 3), 2);
    ck_assert_uint_eq(rky_utf8_next("\xc3\xa4", 1), 0);
    ck_assert_uint_eq(rky_utf8_next("\xff", 1), 0);
}
END_TEST

static const struct {
    const char *pattern, *text;
    bool matches;
} GLOB_ROWS[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"*", "", true},
    {"*", "a.b.c", true},
    {"**", "abc", true},
    {"orders", "orders", true},
    {"orders", "Orders", false},
    {"orders", "orders2", false},
    {"raw.*", "raw.orders", true},
    {"raw.*", "rawx", false},
    {"*.orders", "a.b.orders", true},
    {"*_tmp*", "x_tmp", true},
    {"*a*b*c*", "xxaxxbxxcxx", true},
    {"*a*b*c*", "xxaxxcxxbxx", false},
    {"*ab", "aab", true},
    {"*abab", "abaabab", true},
    {"a?c", "abc", true},
    {"a?c", "ac", false},
    {"?", "", false},
    {"caf?", "caf\xc3\xa9", true},
    {"?", "\xf0\x9f\x98\x80", true},
    {"??", "\xf0\x9f\x98\x80", false},
    {"caf?", "caf\xff", true},
    {"*\xa9", "caf\xc3\xa9", false}, /* half a character is no match */
    {"[abc]x", "bx", true},
    {"[abc]x", "dx", false},
    {"[abc]", "", false},
    {"[a-c]", "b", true},
    {"[a-c]", "d", false},
    {"[c-a]", "b", false},
    {"[!a-c]", "b", false},
    {"[!a-c]", "d", true},
    {"[^a]", "b", true},
    {"[]]", "]", true},
    {"[!]]", "]", false},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true},
    {"[a-\xc3\xa9]", "z", true},
    {"[a-\xc3\xa9]", "\xc3\xaa", false},
    {"[\xc3\xa9]", "\xc3\xaa", false},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"[?]", "?", true},
    {"[abc", "[abc", true},
    {"[abc", "a", false},
    {"[", "[", true},
    {"*[0-9]", "a1b2", true},
    {"\\*", "\\x", true},
};

START_TEST(globs_match_as_in_a_shell)
{
    ck_assert_msg(rky_glob_match(GLOB_ROWS[_i].pattern, GLOB_ROWS[_i].text) ==
                      GLOB_ROWS[_i].matches,
                  "'%s' '%s'", GLOB_ROWS[_i].pattern, GLOB_ROWS[_i].text);
}
END_TEST

START_TEST(many_stars_cost_no_exponential_time)
{
    char pattern[201];
    char text[4001];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = '\0';
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct timespec before, behind;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    ck_assert(!rky_glob_match(pattern, text));
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &behind);

    ck_assert_int_le(behind.tv_sec - before.tv_sec, 1);
}
END_TEST

static const char *const KNOWN[] = {"validate", "discover", "plan",         "apply",
                                    "run",      "state",    "state delete", NULL};

static const struct {
    const char *word;
    const char *nearest;
} NEAREST_ROWS[] = {
    {"valdate", "validate"},
    {"validtae", "validate"},
    {"VALIDATE", NULL},
    {"plna", "plan"},
    {"pl", NULL},
    {"plaan", "plan"},
    {"discovery", "discover"},
    {"dsicovr", "discover"},
    {"states", "state"},
    {"state delte", "state delete"},
    {"xyzzy", NULL},
    {"", NULL},
    {"ru", NULL},
    {"runn", "run"},
    {"plan", "plan"},
    {"valxxate", "validate"},
    {"valxxxte", "validate"},
    {"vxxxxate", NULL},
};

START_TEST(a_mistyped_word_finds_its_neighbour)
{
    const char *nearest = rky_nearest(NEAREST_ROWS[_i].word, KNOWN);
    if (NEAREST_ROWS[_i].nearest == NULL)
        ck_assert_msg(nearest == NULL, "%s: %s", NEAREST_ROWS[_i].word, nearest);
    else
        ck_assert_str_eq(nearest, NEAREST_ROWS[_i].nearest);
}
END_TEST

START_TEST(words_of_any_length_are_survived)
{
    char word[300];
    char longest[128];
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    memset(longest, 'w', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *const candidates[] = {word, longest, NULL};

    ck_assert_ptr_null(rky_nearest(word, candidates));
    ck_assert_ptr_eq(rky_nearest(longest, candidates), longest);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static Suite *suite(void)
{
    Suite *result = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_test(tests, namespaces_follow_their_pattern);
    tcase_add_loop_test(tests, utf8_is_checked_byte_by_byte, 0, COUNT(UTF8_ROWS));
    tcase_add_test(tests, the_first_sequence_has_a_length);
    tcase_add_loop_test(tests, globs_match_as_in_a_shell, 0, COUNT(GLOB_ROWS));
    tcase_add_test(tests, many_stars_cost_no_exponential_time);
    tcase_add_loop_test(tests, a_mistyped_word_finds_its_neighbour, 0, COUNT(NEAREST_ROWS));
    tcase_add_test(tests, words_of_any_length_are_survived);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
