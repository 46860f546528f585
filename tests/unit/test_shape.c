/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "schemas/shape.h"
#include "schemas/shape_format.h"
#include "tests/kit/check_main.h"

static const struct rky_shape string = {.type = RKY_SHAPE_STRING, .max_length = 3};
static const struct rky_shape integer = {.type = RKY_SHAPE_INTEGER, .minimum = -2, .maximum = 2};
static const struct rky_shape number = {.type = RKY_SHAPE_NUMBER};
static const struct rky_shape boolean = {.type = RKY_SHAPE_BOOL};
static const struct rky_shape any = {.type = RKY_SHAPE_ANY};
static const struct rky_shape forbidden = {.type = RKY_SHAPE_FORBIDDEN};
static const struct rky_shape strings = {.type = RKY_SHAPE_STRINGS};
static const char *const colours[] = {"red", "green", NULL};
static const struct rky_shape colour = {.type = RKY_SHAPE_STRING, .choices = colours};
static const struct rky_shape integers = {
    .type = RKY_SHAPE_ARRAY, .of = &integer, .of_nullable = true, .max_length = 2};
static const struct rky_shape map = {.type = RKY_SHAPE_OBJECT,
                                     .of = &string,
                                     .of_nullable = true,
                                     .key_format = "component",
                                     .max_length = 2};
static const struct rky_shape_field fields[] = {
    {.name = "a/b", .required = true, .shape = &string},
    {.name = "n", .nullable = true, .shape = &integer},
    {.name = "list", .shape = &integers},
    {.name = "map", .shape = &map},
    {.name = "any", .shape = &any},
    {.name = "sql", .shape = &forbidden},
    {.name = NULL},
};
static const struct rky_shape object = {.type = RKY_SHAPE_OBJECT, .fields = fields};

/* "" when the JSON fits, else the message. */
static const char *verdict(const struct rky_shape *shape, const char *text, struct rky_error *err)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_msg(value != NULL, "the test's own JSON is broken: %s", text);
    rky_error_clear(err);
    int rc = rky_shape_check(shape, value, err);
    ck_assert_int_eq(rc, err->message[0] == '\0' ? 0 : RKY_ERR_DECODE);
    json_decref(value);
    return err->message;
}

struct row {
    const struct rky_shape *shape;
    const char *json;
    const char *message; /* "" = fits */
};

static const struct row rows[] = {
    {&string, "\"abc\"", ""},
    {&string, "\"\\u00e9\\u00e9\\ud83d\\ude00\"", ""},
    {&string, "\"abcd\"", "at '': expected at most 3 characters, found 4"},
    {&string, "3", "at '': expected a string, found 3"},
    {&string, "null", "at '': expected a string, found null"},
    {&integer, "2", ""},
    {&integer, "-2.0", ""},
    {&integer, "2.5", "at '': expected an integer, found 2.5"},
    {&integer, "3", "at '': expected an integer from -2 to 2, found 3"},
    {&integer, "1e300", "at '': expected an integer from -2 to 2, found 1e+300"},
    {&integer, "true", "at '': expected an integer, found true"},
    {&number, "1e300", ""},
    {&number, "\"1\"", "at '': expected a number, found '1'"},
    {&boolean, "false", ""},
    {&boolean, "0", "at '': expected true or false, found 0"},
    {&any, "null", ""},
    {&colour, "\"green\"", ""},
    {&colour, "\"gree\"", "at '': expected one of 'red', 'green', found 'gree'"},
    {&colour, "\"red\\u0000\"", "at '': expected one of 'red', 'green', found 'red'"},
    {&strings, "\"x\"", ""},
    {&strings, "[\"x\", \"\"]", ""},
    {&strings, "[\"x\", 1]", "at '/1': expected a string, found 1"},
    {&strings, "{}", "at '': expected a string or an array of strings, found an object"},
    {&integers, "[1, null]", ""},
    {&integers, "[1, 1, 1]", "at '': expected at most 2 elements, found 3"},
    {&integers, "[1, \"x\"]", "at '/1': expected an integer, found 'x'"},
    {&integers, "{}", "at '': expected an array, found an object"},
    {&map, "{\"a\": \"b\", \"c\": null}", ""},
    {&map, "{\"a\": \"b\", \"c\": \"d\", \"e\": \"f\"}",
     "at '': expected at most 2 fields, found 3"},
    {&map, "{\"a-b\": \"c\"}", "at '/a-b': expected a field name of the format 'component'"},
    {&map, "{\"a\\nb\": 1}", "at '/a?b': expected a field name of the format 'component'"},
    {&map, "[]", "at '': expected an object, found an array"},
    {&object, "{\"a/b\": \"x\"}", ""},
    {&object, "{\"a/b\": \"x\", \"unknown\": {\"sql\": 1}, \"n\": null, \"any\": [1]}", ""},
    {&object, "{}", "at '/a~1b': expected a value, found nothing"},
    {&object, "{\"a/b\": null}", "at '/a~1b': expected a string, found null"},
    {&object, "{\"a/b\": \"x\", \"list\": [1, 9]}",
     "at '/list/1': expected an integer from -2 to 2, found 9"},
    {&object, "{\"a/b\": \"x\", \"map\": {\"k\": \"long\"}}",
     "at '/map/k': expected at most 3 characters, found 4"},
    {&object, "{\"a/b\": \"x\", \"sql\": null}", "at '/sql': this field is not allowed here"},
};

START_TEST(a_value_fits_or_the_message_says_where_and_why)
{
    struct rky_error err = {0};
    ck_assert_str_eq(verdict(rows[_i].shape, rows[_i].json, &err), rows[_i].message);
}
END_TEST

START_TEST(a_message_quotes_only_some_printable_characters)
{
    static const struct rky_shape red = {.type = RKY_SHAPE_STRING, .choices = colours};
    struct rky_error err = {0};
    ck_assert_str_eq(verdict(&red, "\"\\u001b[31m\\u00e9\"", &err),
                     "at '': expected one of 'red', 'green', found '?[31m\?\?'");
    const char *message = verdict(&red,
                                  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
                                  &err);
    ck_assert_uint_lt(strlen(message), 100);
    ck_assert_ptr_nonnull(strstr(message, "aaa...'"));
}
END_TEST

START_TEST(every_published_shape_is_found_by_its_name)
{
    size_t count = 0;
    for (const struct rky_published_shape *row = rky_shapes(); row->name != NULL; row++) {
        ck_assert_ptr_eq(rky_shape_find(row->name), row->shape);
        ck_assert_msg(row->shape->title != NULL, "%s has no title", row->name);
        ck_assert_msg(row->shape->description != NULL, "%s has no description", row->name);
        ck_assert_int_eq(row->shape->type, RKY_SHAPE_OBJECT);
        count++;
    }
    ck_assert_uint_gt(count, 20);
    ck_assert_ptr_null(rky_shape_find("job.dance"));
}
END_TEST

static const struct {
    const char *format, *text;
    bool fits;
} formats[] = {
    {"uuid", "01932f6e-7c00-7abc-8def-0123456789ab", true},
    {"uuid", "01932F6E-7C00-7ABC-8DEF-0123456789AB", true},
    {"uuid", "01932f6e-7c00-7abc-8def-0123456789a", false},
    {"uuid", "01932f6e-7c00-7abc-8def-0123456789abc", false},
    {"uuid", "01932f6e7c00-7abc-8def-0123456789ab-", false},
    {"uuid", "g1932f6e-7c00-7abc-8def-0123456789ab", false},
    {"date-time", "2026-11-21T10:00:00.000Z", true},
    {"date-time", "2026-11-21T10:00:00Z", false},
    {"date-time", "2026-11-21T10:00:00.000+01:00", false},
    {"date-time", "2026-21-21T10:00:00.000Z", false},
    {"namespace", "a", true},
    {"namespace", "9_-", true},
    {"namespace", "_a", false},
    {"namespace", "A", false},
    {"namespace", "a\n", false},
    {"namespace", "", false},
    {"pipeline", "Silver layer 2.0", true},
    {"pipeline", " silver", false},
    {"pipeline", "a/b", false},
    {"component", "client_2", true},
    {"component", "2client", false},
    {"value", "us west", true},
    {"value", "", false},
    {"value", "a;b", false},
    {"value", "a\\b", false},
    {"value", "a`b", false},
    {"value", "\xc2\x85", false},
    {"value", "\xc2\xa0", true},
    {"text", "", true},
    {"text", "tab\t", false},
    {"idempotency-key", "2026-11-21 ~", true},
    {"idempotency-key", "", false},
    {"idempotency-key", "\xc3\xa9", false},
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false},
};

START_TEST(a_format_takes_what_it_should_and_nothing_else)
{
    ck_assert_msg(rky_format_is(formats[_i].format, formats[_i].text) == formats[_i].fits,
                  "format '%s', text '%s'", formats[_i].format, formats[_i].text);
}
END_TEST

START_TEST(formats_agree_with_the_rules_for_names_in_common)
{
    /* Every string of up to three of these characters: what one side takes, the other does. */
    static const char alphabet[] = "a0Z-_. /";
    char text[4] = "";
    for (size_t i = 0; i < 8 * 8 * 8; i++) {
        text[0] = alphabet[i % 8];
        text[1] = alphabet[i / 8 % 8];
        text[2] = alphabet[i / 64];
        ck_assert_msg(rky_format_is("namespace", text) == rky_namespace_valid(text), "'%s'", text);
    }
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = '\0';
    ck_assert(!rky_format_is("namespace", longest) && !rky_namespace_valid(longest));
    longest[63] = '\0';
    ck_assert(rky_format_is("namespace", longest) && rky_namespace_valid(longest));
}
END_TEST

/* Shapes that between them have every kind of keyword. */
static const char *const printed[] = {"job.plan", "event.job.fenced", "output.discover"};

START_TEST(printing_a_schema_survives_out_of_memory_anywhere)
{
    const struct rky_published_shape row = {printed[_i], rky_shape_find(printed[_i])};
    json_set_alloc_funcs(rky_malloc, rky_free);
    for (uint64_t nth = 1;; nth++) {
        rky_mem_fail_nth(nth);
        json_t *schema = rky_shape_schema(&row);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_msg((schema == NULL) == failed, "allocation %lu", (unsigned long)nth);
        json_decref(schema);
        if (!failed) {
            ck_assert_uint_gt(nth, 100);
            break;
        }
    }
    json_set_alloc_funcs(malloc, free);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("shape");
    TCase *t = tcase_create("shape");
    tcase_add_loop_test(t, a_value_fits_or_the_message_says_where_and_why, 0,
                        (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_test(t, a_message_quotes_only_some_printable_characters);
    tcase_add_test(t, every_published_shape_is_found_by_its_name);
    tcase_add_loop_test(t, a_format_takes_what_it_should_and_nothing_else, 0,
                        (int)(sizeof(formats) / sizeof(formats[0])));
    tcase_add_test(t, formats_agree_with_the_rules_for_names_in_common);
    tcase_add_loop_test(t, printing_a_schema_survives_out_of_memory_anywhere, 0,
                        (int)(sizeof(printed) / sizeof(printed[0])));
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
