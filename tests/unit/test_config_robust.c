/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that cannot be loaded, every beginning of a file, and every allocation of a load failing
 * once: always one clear answer.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/config_kit.h"

/* --- files that cannot be loaded ----------------------------------------------------------- */

/* Write @p text beside the tests, load it, expect the error message behind the path. */
static void refuse(const char *text, size_t length, const char *message)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    char wanted[5000];
    char *path = rky_path_join(rky_test_directory(), "rocky.toml");
    ck_assert_int_eq(rky_write_file_atomic(path, text, length, &err), 0);

    int rc = rky_config_load(path, &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    (void)snprintf(wanted, sizeof(wanted), "%s%s", path, message);
    ck_assert_str_eq(err.message, wanted);
    ck_assert_uint_eq(problems.error_count, 1);
    ck_assert_ptr_null(config);
    rky_problems_done(&problems);
    rky_free(path);
}

START_TEST(test_a_missing_file_says_how_to_name_one)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};

    int rc = rky_config_load("/nonexistent/rocky.toml", &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
    ck_assert_str_eq(err.message, "configuration file '/nonexistent/rocky.toml' does not exist");
    ck_assert_str_eq(err.hint, "name the file with --config, or write one: see rocky.toml(5)");
    ck_assert_uint_eq(problems.error_count, 1);
    rky_problems_done(&problems);
}
END_TEST

START_TEST(test_a_directory_is_no_file)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};

    int rc = rky_config_load("/", &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, "/: cannot read '/': Is a directory");
    rky_problems_done(&problems);
}
END_TEST

START_TEST(test_bytes_that_are_no_text_are_refused_with_their_place)
{
    refuse("a = 1\n# \0\n", 10, ":2:3: the file holds a NUL byte");
    refuse("# \xc3\xa9 \xff\n", 7, ":1:5: the file is not UTF-8 text");
}
END_TEST

START_TEST(test_a_huge_file_is_refused)
{
    size_t length = (size_t)4 * 1024 * 1024 + 1;
    char *text = malloc(length);
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    memset(text, '#', length);

    int rc = rky_config_parse(text, length, "c.toml", "/srv", &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, "c.toml: the file is larger than 4 MiB");
    rky_problems_done(&problems);
    free(text);
}
END_TEST

START_TEST(test_the_error_holds_the_first_problem_and_counts_the_rest)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    static const char text[] = "[stat]\n" PIPELINE "boundary = 1\nbundary = 2\n";

    int rc = rky_config_parse(text, strlen(text), "c.toml", "/srv", &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message,
                     "c.toml:1:2: stat: unknown key 'stat' (and 2 more, see 'rocky validate')");
    ck_assert_str_eq(err.hint, "did you mean 'state'?");
    rky_problems_done(&problems);
}
END_TEST

/* --- whatever comes ------------------------------------------------------------------------ */

static char *data(const char *name, size_t *ret_length)
{
    char *path = rky_path_join(TEST_DATA, name);
    char *text = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_read_file(path, 1 << 20, &text, ret_length, &err), 0);
    rky_free(path);
    return text;
}

START_TEST(test_no_beginning_of_a_file_crashes_the_loader)
{
    size_t length = 0;
    char *text = data("full.toml", &length);

    for (size_t i = 0; i <= length; i++) {
        struct rky_config *config = NULL;
        struct rky_problems problems = {0};
        struct rky_error err = {0};
        /* A copy of the exact size, so that a sanitizer sees a read behind it. */
        char *prefix = malloc(i > 0 ? i : 1);
        memcpy(prefix, text, i);

        int rc = rky_config_parse(prefix, i, "c.toml", "/srv", &config, &problems, &err);

        ck_assert(rc == RKY_OK || rc == RKY_ERR_CONFIG);
        ck_assert_int_eq(rc == RKY_OK, config != NULL);
        ck_assert_int_eq(rc == RKY_OK, problems.error_count == 0);
        rky_config_free(config);
        rky_problems_done(&problems);
        free(prefix);
    }
    rky_free(text);
}
END_TEST

/* Replace, remove or insert at a few places; the same damage for the same seed everywhere. */
static void damage(struct rky_strbuf *text, const char *original, size_t length, uint64_t *seed)
{
    static const char *const words[] = {"\"",  "'",  "[",  "]",    "{",       "}", ".",  "=",
                                        "\n",  "#",  "${", "$",    "\\u0000", "*", "-1", "1e999",
                                        "inf", ":-", "é",  "\xff", "file:",   "a", "[[", "\"\"\""};
    size_t from = 0;
    for (int i = 0; i < 3; i++) {
        *seed = *seed * 6364136223846793005U + 1442695040888963407U;
        size_t at = (size_t)(*seed >> 33) % length;
        size_t word = (size_t)(*seed >> 17) % (sizeof(words) / sizeof(words[0]));
        if (at < from)
            continue;
        rky_strbuf_addn(text, original + from, at - from);
        rky_strbuf_add(text, words[word]);
        from = at + (size_t)(*seed >> 9) % 30;
        from = from < length ? from : length;
    }
    rky_strbuf_addn(text, original + from, length - from);
}

START_TEST(test_no_damaged_file_crashes_the_loader)
{
    size_t length = 0;
    char *original = data(_i == 0 ? "bronze.toml" : "full.toml", &length);
    uint64_t seed = 1;
    size_t accepted = 0;

    for (int i = 0; i < 2000; i++) {
        struct rky_config *config = NULL;
        struct rky_problems problems = {0};
        struct rky_error err = {0};
        struct rky_strbuf text = {0};
        damage(&text, original, length, &seed);

        int rc =
            rky_config_parse(text.data, text.length, "c.toml", "/srv", &config, &problems, &err);

        ck_assert_int_eq(rc, problems.error_count == 0 ? RKY_OK : RKY_ERR_CONFIG);
        for (size_t k = 0; k < problems.count; k++) {
            const char *message = problems.items[k].message;
            ck_assert_msg(rky_utf8_valid(message, strlen(message)), "%s", message);
        }
        accepted += rc == RKY_OK ? 1 : 0;
        rky_config_free(config);
        rky_problems_done(&problems);
        rky_strbuf_done(&text);
    }

    /* Damage that always or never matters would test nothing. */
    ck_assert_uint_lt(accepted, 2000);
    ck_assert(_i == 1 || accepted > 0);
    rky_free(original);
}
END_TEST

static const char *const ALLOCATION_FILES[] = {"bronze.toml", "full.toml"};

START_TEST(test_every_failed_allocation_is_reported)
{
    char *path = rky_path_join(TEST_DATA, ALLOCATION_FILES[_i]);
    int expected = _i == 0 ? RKY_OK : RKY_ERR_CONFIG;
    uint64_t nth = 0;
    bool happened = true;
    json_set_alloc_funcs(rky_malloc, rky_free);

    while (happened) {
        struct rky_config *config = NULL;
        struct rky_problems problems = {0};
        struct rky_error err = {0};
        rky_mem_fail_nth(++nth);
        int rc = rky_config_load(path, &config, &problems, &err);
        happened = rky_mem_failed();
        rky_mem_fail_nth(0);

        ck_assert_msg(rc == (happened ? RKY_ERR_NOMEM : expected), "allocation %llu: %d %s",
                      (unsigned long long)nth, rc, err.message);
        ck_assert_int_eq(err.code, rc);
        rky_config_free(config);
        rky_problems_done(&problems);
    }

    ck_assert_uint_gt(nth, 300);
    rky_free(path);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("config robust");
    TCase *tcase = tcase_create("robust");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_a_missing_file_says_how_to_name_one);
    tcase_add_test(tcase, test_a_directory_is_no_file);
    tcase_add_test(tcase, test_bytes_that_are_no_text_are_refused_with_their_place);
    tcase_add_test(tcase, test_a_huge_file_is_refused);
    tcase_add_test(tcase, test_the_error_holds_the_first_problem_and_counts_the_rest);
    tcase_add_test(tcase, test_no_beginning_of_a_file_crashes_the_loader);
    tcase_add_loop_test(tcase, test_no_damaged_file_crashes_the_loader, 0, 2);
    tcase_add_loop_test(tcase, test_every_failed_allocation_is_reported, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
