/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TOML shim: values, order, positions, faults with their place, and every allocation failing
 * once, those of C++ included.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/toml.h"
#include "tests/kit/check_main.h"

/* --- allocation failures ------------------------------------------------------------------- */

/* The Nth allocation of jansson or of C++ from now on fails; 0 = none. */
static long fail_countdown;

static bool allocation_fails(void)
{
    return fail_countdown > 0 && --fail_countdown == 0;
}

static void *json_malloc(size_t size)
{
    return allocation_fails() ? NULL : malloc(size);
}

/* operator new and delete by the names that the C++ ABI gives them: the only way to make a library
 * in another language run out of memory at a chosen point. */
void *_Znwm(size_t size);
void _ZdlPv(void *memory);
void _ZdlPvm(void *memory, size_t size);
__attribute__((noreturn)) void _ZSt17__throw_bad_allocv(void);

void *_Znwm(size_t size)
{
    void *memory = allocation_fails() ? NULL : malloc(size);
    if (memory == NULL)
        _ZSt17__throw_bad_allocv();
    return memory;
}

void _ZdlPv(void *memory)
{
    free(memory);
}

void _ZdlPvm(void *memory, size_t size)
{
    (void)size;
    free(memory);
}

/* --- helpers ------------------------------------------------------------------------------- */

static void parse(const char *text, json_t **value, json_t **positions)
{
    struct rky_toml_fault fault = {0};
    int rc = rky_toml_parse(text, strlen(text), value, positions, &fault);
    ck_assert_msg(rc == RKY_OK, "%d:%d: %s", fault.line, fault.column, fault.message);
}

static char *dump(const json_t *tree)
{
    char *text = json_dumps(tree, JSON_COMPACT);
    ck_assert_ptr_nonnull(text);
    return text;
}

static const char EVERYTHING[] = "z = 1\n"
                                 "a = \"text \\u00e9\"\n"
                                 "[t.u]\n"
                                 "f = 1.5\n"
                                 "b = [true, false]\n"
                                 "when = 1979-05-27T07:32:00.5Z\n"
                                 "day = 1979-05-27\n"
                                 "noon = 12:00:00\n"
                                 "nan = nan\n"
                                 "inf = [inf, -inf]\n"
                                 "[[list]]\n"
                                 "\"quoted key\" = {}\n"
                                 "[[list]]\n";

START_TEST(test_values_come_in_the_order_of_the_file)
{
    json_t *value = NULL;
    json_t *positions = NULL;
    parse(EVERYTHING, &value, &positions);

    char *text = dump(value);

    ck_assert_str_eq(text, "{\"z\":1,\"a\":\"text é\",\"t\":{\"u\":{\"f\":1.5,\"b\":[true,false],"
                           "\"when\":\"1979-05-27T07:32:00.5Z\",\"day\":\"1979-05-27\","
                           "\"noon\":\"12:00:00\",\"nan\":\"nan\",\"inf\":[\"inf\",\"-inf\"]}},"
                           "\"list\":[{\"quoted key\":{}},{}]}");
    free(text);
    json_decref(value);
    json_decref(positions);
}
END_TEST

START_TEST(test_positions_have_the_shape_of_the_values)
{
    json_t *value = NULL;
    json_t *positions = NULL;
    parse("[t]\n  a.b = [10, {\"é x\" = 2}]\n", &value, &positions);

    char *text = dump(positions);

    ck_assert_str_eq(text,
                     "{\"l\":1,\"c\":1,\"v\":{"
                     "\"t\":{\"l\":1,\"c\":1,\"v\":{"
                     "\"a\":{\"l\":2,\"c\":3,\"v\":{"
                     "\"b\":{\"l\":2,\"c\":9,\"v\":["
                     "{\"l\":2,\"c\":10},"
                     "{\"l\":2,\"c\":14,\"v\":{\"é x\":{\"l\":2,\"c\":23,\"kl\":2,\"kc\":15}}}"
                     "],\"kl\":2,\"kc\":5}},\"kl\":2,\"kc\":3}},\"kl\":1,\"kc\":2}}}");
    free(text);
    json_decref(value);
    json_decref(positions);
}
END_TEST

START_TEST(test_a_byte_order_mark_is_passed_over)
{
    json_t *value = NULL;
    json_t *positions = NULL;

    parse("\xef\xbb\xbf"
          "a = 'é'\n",
          &value, &positions);

    ck_assert_str_eq(json_string_value(json_object_get(value, "a")), "é");
    json_decref(value);
    json_decref(positions);
}
END_TEST

START_TEST(test_an_empty_text_is_an_empty_table)
{
    json_t *value = NULL;
    json_t *positions = NULL;

    parse("", &value, &positions);

    ck_assert_uint_eq(json_object_size(value), 0);
    ck_assert_uint_eq(json_object_size(json_object_get(positions, "v")), 0);
    json_decref(value);
    json_decref(positions);
}
END_TEST

static const struct {
    const char *text;
    int line, column;
    const char *message;
} FAULTS[] = {
    {"a = 1\na = 2\n", 2, 5,
     "Error while parsing key-value pair: cannot redefine existing integer 'a'"},
    {"[t]\n[t]\n", 2, 1, "Error while parsing table header: cannot redefine existing table 't'"},
    {"a =\n", 1, 4, "Error while parsing key-value pair: expected value, saw '\\n'"},
    {"[t\n", 1, 3, "Error while parsing table header: expected ']', saw '\\n'"},
    {"\n\na = \"x\n", 3, 7,
     "Error while parsing string: unescaped control characters other than TAB (U+0009) are "
     "explicitly prohibited"},
    {"a = 08\n", 1, 7, "Error while parsing decimal integer: leading zeroes are prohibited"},
    {"a = \"\\ud800\"\n", 1, 12,
     "Error while parsing unicode scalar sequence: unicode surrogates (U+D800 - U+DFFF) are "
     "explicitly prohibited"},
    {"a = 1\nb = \"x\\u0000y\"\n", 2, 5, "a key or string holds a NUL character"},
    {"\"x\\u0000\" = 1\n", 1, 1, "a key or string holds a NUL character"},
    {"[}a]\n", 1, 2,
     "Error while parsing key: expected bare key starting character or string delimiter, saw '}'"},
    {"[[[a]]]\n", 1, 3,
     "Error while parsing key: expected bare key starting character or string delimiter, saw '['"},
    {"a = 1\nb =é 2\n", 2, 4,
     "a character that is not ASCII may stand in strings and comments only"},
    {"# é\n\"é\" = 'é' é\n", 2, 11,
     "a character that is not ASCII may stand in strings and comments only"},
    {"a = 99999999999999999999\n", 1, 25,
     "Error while parsing decimal integer: '99999999999999999999' is not representable in 64 bits"},
};

START_TEST(test_a_fault_has_its_line_and_column)
{
    json_t *value = NULL;
    json_t *positions = NULL;
    struct rky_toml_fault fault = {0};
    const char *text = FAULTS[_i].text;

    int rc = rky_toml_parse(text, strlen(text), &value, &positions, &fault);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(fault.message, FAULTS[_i].message);
    ck_assert_int_eq(fault.line, FAULTS[_i].line);
    ck_assert_int_eq(fault.column, FAULTS[_i].column);
    ck_assert_ptr_null(value);
}
END_TEST

START_TEST(test_a_thousand_brackets_are_refused)
{
    char text[1001];
    json_t *value = NULL;
    json_t *positions = NULL;
    struct rky_toml_fault fault = {0};
    memset(text, '[', sizeof(text));
    text[0] = 'a';
    text[1] = '=';

    int rc = rky_toml_parse(text, sizeof(text), &value, &positions, &fault);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(fault.message, "maximum nested value depth"));
}
END_TEST

/* The Nth text nests deeply along dots; all of it in one key, behind what may hide it. */
static const char *const BEFORE_KEY[] = {
    "",
    "[",
    "x = \"\"\"\n \\\"\"\"\"\"\"\n",
    "x = '''\n\"'''\n",
    "x = { y = \"a\\\"b\", ",
    "# \"\nx = '\\'\n",
    "\"quoted . \" . 'one' .",
};

START_TEST(test_a_key_without_end_is_refused)
{
    struct rky_strbuf text = {0};
    json_t *value = NULL;
    json_t *positions = NULL;
    struct rky_toml_fault fault = {0};
    rky_strbuf_add(&text, BEFORE_KEY[_i]);
    for (int i = 0; i < 200000; i++)
        rky_strbuf_add(&text, i % 2 == 0 ? "a." : "\"b\" . ");
    rky_strbuf_add(&text, "c = 1\n");

    int rc = rky_toml_parse(text.data, text.length, &value, &positions, &fault);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(fault.message, "a key has more than 64 parts");
    rky_strbuf_done(&text);
}
END_TEST

START_TEST(test_dots_elsewhere_are_no_parts_of_a_key)
{
    struct rky_strbuf text = {0};
    json_t *value = NULL;
    json_t *positions = NULL;
    rky_strbuf_add(&text, "n = [");
    for (int i = 0; i < 100; i++)
        rky_strbuf_add(&text, "0.5, ");
    rky_strbuf_add(&text, "]\n# ");
    for (int i = 0; i < 100; i++)
        rky_strbuf_add(&text, "a.");
    rky_strbuf_add(&text, "\ns = \"");
    for (int i = 0; i < 100; i++)
        rky_strbuf_add(&text, "a.");
    rky_strbuf_add(&text, "\"\n");
    for (int i = 0; i < 63; i++)
        rky_strbuf_add(&text, "a.");
    rky_strbuf_add(&text, "a = 1\n");

    parse(text.data, &value, &positions);

    ck_assert_uint_eq(json_array_size(json_object_get(value, "n")), 100);
    rky_strbuf_done(&text);
    json_decref(value);
    json_decref(positions);
}
END_TEST

START_TEST(test_a_long_message_is_not_cut_inside_a_character)
{
    char line[600] = "";
    char text[2 * sizeof(line)];
    json_t *value = NULL;
    json_t *positions = NULL;
    struct rky_toml_fault fault = {0};
    /* Shifted by one byte, one of the two cuts would fall inside. */
    size_t used = (size_t)snprintf(line, sizeof(line), "%s", _i == 0 ? "'" : "'x");
    for (int i = 0; i < 200; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "é");
    (void)snprintf(text, sizeof(text), "%.500s' = 1\n%.500s' = 1\n", line, line);

    int rc = rky_toml_parse(text, strlen(text), &value, &positions, &fault);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    size_t length = strlen(fault.message);
    ck_assert_uint_ge(length, sizeof(fault.message) - 2);
    json_t *string = json_stringn(fault.message, length);
    ck_assert_ptr_nonnull(string);
    json_decref(string);
}
END_TEST

START_TEST(test_every_failed_allocation_is_reported)
{
    json_t *whole = NULL;
    json_t *whole_positions = NULL;
    long nth = 0;
    bool happened = true;
    json_set_alloc_funcs(json_malloc, free);
    parse(EVERYTHING, &whole, &whole_positions);

    while (happened) {
        json_t *value = NULL;
        json_t *positions = NULL;
        struct rky_toml_fault fault = {0};
        fail_countdown = ++nth;
        int rc = rky_toml_parse(EVERYTHING, strlen(EVERYTHING), &value, &positions, &fault);
        happened = fail_countdown == 0;
        fail_countdown = 0;

        ck_assert_msg(rc == (happened ? RKY_ERR_NOMEM : RKY_OK), "allocation %ld: %d %s", nth, rc,
                      fault.message);
        ck_assert_int_eq(rc == RKY_OK, json_equal(value, whole));
        ck_assert_int_eq(rc == RKY_OK, json_equal(positions, whole_positions));
        json_decref(value);
        json_decref(positions);
    }

    ck_assert_int_gt(nth, 200);
    json_decref(whole);
    json_decref(whole_positions);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("toml");
    TCase *tcase = tcase_create("toml");
    tcase_add_test(tcase, test_values_come_in_the_order_of_the_file);
    tcase_add_test(tcase, test_positions_have_the_shape_of_the_values);
    tcase_add_test(tcase, test_a_byte_order_mark_is_passed_over);
    tcase_add_test(tcase, test_an_empty_text_is_an_empty_table);
    tcase_add_loop_test(tcase, test_a_fault_has_its_line_and_column, 0,
                        (int)(sizeof(FAULTS) / sizeof(FAULTS[0])));
    tcase_add_test(tcase, test_a_thousand_brackets_are_refused);
    tcase_add_loop_test(tcase, test_a_key_without_end_is_refused, 0,
                        (int)(sizeof(BEFORE_KEY) / sizeof(BEFORE_KEY[0])));
    tcase_add_test(tcase, test_dots_elsewhere_are_no_parts_of_a_key);
    tcase_add_loop_test(tcase, test_a_long_message_is_not_cut_inside_a_character, 0, 2);
    tcase_add_test(tcase, test_every_failed_allocation_is_reported);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
