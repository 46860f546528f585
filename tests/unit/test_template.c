/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name templates: how they come apart, which are refused, and with which words.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/template.h"
#include "tests/kit/check_main.h"

/* Parts as text: plain text in <>, placeholders as name or name:separator in (). */
static const struct {
    const char *text;
    const char *parts;
} TEMPLATES[] = {
    {"", ""},
    {"plain", "<plain>"},
    {"{a}", "(a)"},
    {"x{a}y{b_2}", "<x>(a)<y>(b_2)"},
    {"{a:__}{a:}", "(a:__)(a:)"},
    {"{a: - :}", "(a: - :)"},
    {"{{a}}", "<{a}>"},
    {"{{{a}}}", "<{>(a)<}>"},
    {"é{a:é}", "<é>(a:é)"},
};

START_TEST(test_a_template_comes_apart)
{
    struct rky_template parsed = {0};
    struct rky_strbuf text = {0};
    struct rky_error err = {0};

    int rc = rky_template_parse(TEMPLATES[_i].text, &parsed, &err);

    ck_assert_msg(rc == RKY_OK, "%s", err.message);
    for (size_t i = 0; i < parsed.count; i++) {
        const struct rky_template_part *part = &parsed.parts[i];
        ck_assert_int_eq(part->text != NULL, part->name == NULL);
        if (part->text != NULL)
            rky_strbuf_addf(&text, "<%s>", part->text);
        else
            rky_strbuf_addf(&text, "(%s%s%s)", part->name, part->separator != NULL ? ":" : "",
                            part->separator != NULL ? part->separator : "");
    }
    ck_assert_str_eq(rky_strbuf_text(&text), TEMPLATES[_i].parts);
    rky_strbuf_done(&text);
    rky_template_done(&parsed);
}
END_TEST

static const struct {
    const char *text;
    const char *message;
} REFUSED[] = {
    {"{", "a '{' has no '}' behind it"},
    {"{a", "a '{' has no '}' behind it"},
    {"{a{b}}", "a '{' has no '}' behind it"},
    {"a}b", "a '}' has no '{' before it"},
    {"{}", "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{}'"},
    {"{:x}", "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{:x}'"},
    {"{a b}", "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{a b}'"},
    {"{é}", "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{é}'"},
    {"{region}", "unknown placeholder '{region}'"},
    {"{client}{regions...}",
     "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{regions...}'"},
};

static struct rky_strings two_components(void)
{
    struct rky_strings components = {0};
    ck_assert_int_eq(rky_strings_add(&components, "client", NULL), RKY_OK);
    ck_assert_int_eq(rky_strings_add(&components, "regions...", NULL), RKY_OK);
    return components;
}

START_TEST(test_a_wrong_template_is_refused_with_the_reason)
{
    struct rky_strings components = two_components();
    struct rky_error err = {0};

    int rc = rky_template_verify(REFUSED[_i].text, &components, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, REFUSED[_i].message);
    ck_assert_str_ne(err.hint, "");
    rky_strings_done(&components);
}
END_TEST

START_TEST(test_known_placeholders_are_named)
{
    struct rky_strings components = two_components();
    struct rky_error err = {0};

    ck_assert_int_eq(rky_template_verify("{client}-{regions:_}", &components, &err), RKY_OK);
    ck_assert_int_eq(rky_template_verify("{table}", &components, &err), RKY_ERR_CONFIG);

    ck_assert_str_eq(err.hint, "known are {client}, {regions}");
    rky_strings_done(&components);
}
END_TEST

START_TEST(test_every_failed_allocation_is_reported)
{
    struct rky_strings components = two_components();
    uint64_t nth = 0;
    bool happened = true;

    while (happened) {
        struct rky_error err = {0};
        rky_mem_fail_nth(++nth);
        int rc = rky_template_verify("a{client}b{regions:_}c", &components, &err);
        happened = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_int_eq(rc, happened ? RKY_ERR_NOMEM : RKY_OK);
        ck_assert_int_eq(err.code, rc);
    }

    ck_assert_uint_gt(nth, 7);
    rky_strings_done(&components);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("template");
    TCase *tcase = tcase_create("template");
    tcase_add_loop_test(tcase, test_a_template_comes_apart, 0,
                        (int)(sizeof(TEMPLATES) / sizeof(TEMPLATES[0])));
    tcase_add_loop_test(tcase, test_a_wrong_template_is_refused_with_the_reason, 0,
                        (int)(sizeof(REFUSED) / sizeof(REFUSED[0])));
    tcase_add_test(tcase, test_known_placeholders_are_named);
    tcase_add_test(tcase, test_every_failed_allocation_is_reported);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
