/* SPDX-License-Identifier: Apache-2.0 */
/* Names: schema patterns, filters, quoted table names, per-table overrides. */
#include "config.h"

#include "engine/names.h"

#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"

static char *three[] = {(char[]){"client"}, (char[]){"regions..."}, (char[]){"connector"}};
static char *two[] = {(char[]){"client"}, (char[]){"connector"}};

static struct rky_pipeline_config pipeline_with(char **components, size_t count)
{
    static char prefix[] = "src__";
    static char separator[] = "__";
    static char name[] = "bronze";
    return (struct rky_pipeline_config){.name = name,
                                        .pattern_prefix = prefix,
                                        .pattern_separator = separator,
                                        .pattern_components = {components, count}};
}

static char *reason_of(const struct rky_pipeline_config *pipeline, const char *schema)
{
    struct rky_components components = {0};
    char *reason = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_components_parse(pipeline, schema, &components, &reason, &err),
                     RKY_ERR_NOT_FOUND);
    return reason;
}

START_TEST(a_schema_name_splits_into_components_with_a_variadic_one)
{
    struct rky_pipeline_config pipeline = pipeline_with(three, 3);
    struct rky_components components = {0};
    char *reason = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_components_parse(&pipeline, "src__acme__us_west__eu__shopify", &components,
                                          &reason, &err),
                     RKY_OK);
    ck_assert_uint_eq(components.count, 3);
    ck_assert_str_eq(components.items[0].values.items[0], "acme");
    ck_assert_str_eq(components.items[1].name, "regions");
    ck_assert_uint_eq(components.items[1].values.count, 2);
    ck_assert_str_eq(components.items[1].values.items[1], "eu");
    ck_assert_str_eq(components.items[2].values.items[0], "shopify");
    char *joined = rky_component_value(&components, "regions", "+");
    ck_assert_str_eq(joined, "us_west+eu");
    rky_free(joined);
    ck_assert_ptr_null(rky_component_value(&components, "nobody", "+"));
    rky_components_done(&components);
}
END_TEST

START_TEST(schema_names_that_do_not_fit_say_why)
{
    struct rky_pipeline_config variadic = pipeline_with(three, 3);
    struct rky_pipeline_config fixed = pipeline_with(two, 2);
    char *reason = reason_of(&variadic, "other__acme");
    ck_assert_str_eq(reason, "prefix");
    rky_free(reason);
    reason = reason_of(&variadic, "src__acme__shopify");
    ck_assert_str_eq(
        reason, "the schema name has 2 segments behind the prefix, the pattern wants at least 3");
    rky_free(reason);
    reason = reason_of(&fixed, "src__acme__us__shopify");
    ck_assert_str_eq(reason,
                     "the schema name has 3 segments behind the prefix, the pattern wants 2");
    rky_free(reason);
    reason = reason_of(&fixed, "src____shopify");
    ck_assert_str_eq(reason, "component 'client' is empty in the schema name");
    rky_free(reason);
}
END_TEST

static void check_filter(const char *term, bool expected)
{
    struct rky_pipeline_config pipeline = pipeline_with(three, 3);
    struct rky_components components = {0};
    struct rky_filter filter = {0};
    char *reason = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_components_parse(&pipeline, "src__acme__us_west__eu__shopify", &components,
                                          &reason, &err),
                     RKY_OK);
    ck_assert_int_eq(rky_filter_add(&filter, term, &err), RKY_OK);
    ck_assert_int_eq(rky_filter_match(&filter, &components), expected);
    rky_filter_done(&filter);
    rky_components_done(&components);
}

START_TEST(a_filter_wants_equality_and_containment_for_a_variadic_component)
{
    check_filter("client=acme", true);
    check_filter("client=acm", false);
    check_filter("regions=eu", true);
    check_filter("regions=us_west", true);
    check_filter("regions=us_west__eu", false);
}
END_TEST

START_TEST(an_unknown_filter_component_is_a_usage_error_that_names_the_known_ones)
{
    struct rky_pipeline_config pipeline = pipeline_with(three, 3);
    struct rky_filter filter = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_filter_add(&filter, "tenant=acme", &err), RKY_OK);
    ck_assert_int_eq(rky_filter_check(&filter, &pipeline, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, "filter component 'tenant' is not one of pipeline 'bronze', "
                                  "which has client, regions, connector");
    rky_filter_done(&filter);
}
END_TEST

static void check_name(const char *a, const char *b, const char *c, const char *expected)
{
    char *parts[3] = {NULL, NULL, NULL};
    struct rky_error err = {0};
    char *name = rky_table_name(a, b, c);
    ck_assert_str_eq(name, expected);
    ck_assert_int_eq(rky_table_name_split(name, parts, &err), RKY_OK);
    ck_assert_str_eq(parts[0], a);
    ck_assert_str_eq(parts[1], b);
    ck_assert_str_eq(parts[2], c);
    for (int i = 0; i < 3; i++)
        rky_free(parts[i]);
    rky_free(name);
}

START_TEST(table_names_are_quoted_where_needed_and_split_back)
{
    check_name("acme_warehouse", "staging__us_west__shopify", "orders",
               "acme_warehouse.staging__us_west__shopify.orders");
    check_name("w", "s-1", "order items", "w.s-1.\"order items\"");
    check_name("w", "s", "a.b\"c", "w.s.\"a.b\"\"c\"");
    check_name("w", "s", "größe", "w.s.\"größe\"");
}
END_TEST

START_TEST(malformed_table_names_are_refused)
{
    const char *const bad[] = {"", "a", "a.b", "a.b.c.d", "a..c", "a.b.\"c", "a.b.\"c\"d", ".a.b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *parts[3] = {NULL, NULL, NULL};
        struct rky_error err = {0};
        ck_assert_msg(rky_table_name_split(bad[i], parts, &err) == RKY_ERR_USAGE, "%s", bad[i]);
        ck_assert_str_ne(err.hint, "");
    }
}
END_TEST

START_TEST(the_most_specific_override_wins_and_a_tie_is_an_error)
{
    struct rky_table_override overrides[] = {
        {.pattern = (char[]){"*"}, .line = 1},
        {.pattern = (char[]){"*.orders"}, .line = 2},
        {.pattern = (char[]){"*shopify.orders"}, .line = 3},
        {.pattern = (char[]){"src_*.items"}, .line = 4},
        {.pattern = (char[]){"*_s*.items"}, .line = 5},
        {.pattern = (char[]){"*rc_*.items"}, .line = 6},
    };
    struct rky_pipeline_config pipeline = pipeline_with(two, 2);
    const struct rky_table_override *found = NULL;
    struct rky_error err = {0};
    pipeline.overrides = overrides;
    pipeline.override_count = sizeof(overrides) / sizeof(overrides[0]);
    ck_assert_int_eq(rky_table_override_find(&pipeline, "src__a__shopify", "orders", &found, &err),
                     RKY_OK);
    ck_assert_int_eq(found->line, 3);
    ck_assert_int_eq(rky_table_override_find(&pipeline, "src__a__shopify", "refunds", &found, &err),
                     RKY_OK);
    ck_assert_int_eq(found->line, 1);
    ck_assert_int_eq(rky_table_override_find(&pipeline, "src__s", "items", &found, &err), RKY_OK);
    ck_assert_int_eq(found->line, 4);
    overrides[3].pattern = overrides[5].pattern;
    ck_assert_int_eq(rky_table_override_find(&pipeline, "src__s", "items", &found, &err),
                     RKY_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "line 4"));
    ck_assert_ptr_nonnull(strstr(err.message, "line 6"));
    pipeline.override_count = 0;
    ck_assert_int_eq(rky_table_override_find(&pipeline, "x", "y", &found, &err), RKY_OK);
    ck_assert_ptr_null(found);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tc = tcase_create("names");
    tcase_add_test(tc, a_schema_name_splits_into_components_with_a_variadic_one);
    tcase_add_test(tc, schema_names_that_do_not_fit_say_why);
    tcase_add_test(tc, a_filter_wants_equality_and_containment_for_a_variadic_component);
    tcase_add_test(tc, an_unknown_filter_component_is_a_usage_error_that_names_the_known_ones);
    tcase_add_test(tc, table_names_are_quoted_where_needed_and_split_back);
    tcase_add_test(tc, malformed_table_names_are_refused);
    tcase_add_test(tc, the_most_specific_override_wins_and_a_tie_is_an_error);
    suite_add_tcase(suite, tc);
    return rky_check_main(suite);
}
