/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator's door, growing arrays and the string builder. */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"

START_TEST(the_nth_allocation_fails_once)
{
    rky_mem_fail_nth(3);
    void *first = rky_malloc(1);
    char *second = rky_strdup("x");
    ck_assert(!rky_mem_failed());
    void *third = rky_calloc(1, 1);
    ck_assert(rky_mem_failed());
    void *fourth = rky_malloc(1);

    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_null(third);
    ck_assert_ptr_nonnull(fourth);
    rky_free(first);
    rky_free(second);
    rky_free(fourth);
}
END_TEST

START_TEST(a_failure_that_was_asked_for_can_be_taken_back)
{
    rky_mem_fail_nth(1);
    rky_mem_fail_nth(0);
    void *memory = rky_malloc(1);
    ck_assert_ptr_nonnull(memory);
    ck_assert(!rky_mem_failed());
    rky_free(memory);
}
END_TEST

START_TEST(every_way_to_allocate_can_fail)
{
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_malloc(1));
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_calloc(1, 1));
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_reallocarray(NULL, 1, 1));
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_strdup("x"));
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_strndup("x", 1));
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_asprintf("%d", 1));
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_asprintf("%s", ""));
}
END_TEST

START_TEST(nothing_at_all_is_still_memory)
{
    void *a = rky_malloc(0);
    void *b = rky_calloc(0, 8);
    void *c = rky_reallocarray(NULL, 8, 0);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_nonnull(c);
    c = rky_reallocarray(c, 0, 0);
    ck_assert_ptr_nonnull(c);
    rky_free(a);
    rky_free(b);
    rky_free(c);
    rky_free(NULL);
}
END_TEST

START_TEST(a_product_that_overflows_is_refused)
{
    ck_assert_ptr_null(rky_calloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(rky_reallocarray(NULL, SIZE_MAX / 2, 3));
}
END_TEST

START_TEST(copies_end_at_the_nul_or_the_length)
{
    char *whole = rky_strndup("abc", 10);
    char *part = rky_strndup("abc", 2);
    char *none = rky_strndup("abc", 0);
    char *text = rky_asprintf("%s-%d", "a", 12);
    ck_assert_str_eq(whole, "abc");
    ck_assert_str_eq(part, "ab");
    ck_assert_str_eq(none, "");
    ck_assert_str_eq(text, "a-12");
    rky_free(whole);
    rky_free(part);
    rky_free(none);
    rky_free(text);
}
END_TEST

START_TEST(an_array_at_least_doubles_and_keeps_its_content)
{
    int *numbers = NULL;
    size_t capacity = 0;
    size_t moves = 0;
    for (int i = 0; i < 10000; i++) {
        size_t before = capacity;
        ck_assert_int_eq(
            rky_array_reserve(&numbers, &capacity, (size_t)i + 1, sizeof(*numbers), NULL), 0);
        ck_assert(capacity == before || capacity >= 2 * before);
        moves += capacity != before;
        numbers[i] = i;
    }
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(numbers[i], i);
    ck_assert_uint_lt(moves, 15);
    ck_assert_int_eq(rky_array_reserve(&numbers, &capacity, 1000000, sizeof(*numbers), NULL), 0);
    ck_assert_uint_eq(capacity, 1000000);
    rky_free(numbers);
}
END_TEST

START_TEST(an_array_that_cannot_grow_is_untouched)
{
    struct rky_error err = {0};
    int *numbers = NULL;
    size_t capacity = 0;
    ck_assert_int_eq(rky_array_reserve(&numbers, &capacity, 1, sizeof(*numbers), &err), 0);
    int *before = numbers;
    size_t capacity_before = capacity;

    rky_mem_fail_nth(1);
    ck_assert_int_eq(rky_array_reserve(&numbers, &capacity, capacity + 1, sizeof(*numbers), &err),
                     RKY_ERR_NOMEM);
    ck_assert_int_eq(err.code, RKY_ERR_NOMEM);
    ck_assert_int_eq(rky_array_reserve(&numbers, &capacity, SIZE_MAX, sizeof(*numbers), NULL),
                     RKY_ERR_NOMEM);

    ck_assert_ptr_eq(numbers, before);
    ck_assert_uint_eq(capacity, capacity_before);
    rky_free(numbers);
}
END_TEST

START_TEST(a_builder_appends_and_hands_over)
{
    struct rky_strbuf buffer = {0};
    ck_assert_str_eq(rky_strbuf_text(&buffer), "");
    rky_strbuf_add(&buffer, "a");
    rky_strbuf_addc(&buffer, 'b');
    rky_strbuf_addf(&buffer, "%s%d", "c", 4);
    rky_strbuf_addf(&buffer, "%s", "");
    rky_strbuf_addn(&buffer, "x\0y", 3);
    rky_strbuf_addn(&buffer, NULL, 0);
    ck_assert_uint_eq(buffer.length, 7);
    ck_assert_mem_eq(rky_strbuf_text(&buffer), "abc4x\0y", 8);

    char *text = rky_strbuf_take(&buffer);
    ck_assert_mem_eq(text, "abc4x\0y", 8);
    ck_assert_uint_eq(buffer.length, 0);
    ck_assert_str_eq(rky_strbuf_text(&buffer), "");
    rky_free(text);

    text = rky_strbuf_take(&buffer);
    ck_assert_str_eq(text, "");
    rky_free(text);
    rky_strbuf_done(&buffer);
}
END_TEST

START_TEST(a_builder_writes_long_formats_whole)
{
    struct rky_strbuf buffer = {0};
    rky_strbuf_addf(&buffer, "%5000d|", 7);
    ck_assert_uint_eq(buffer.length, 5001);
    ck_assert_str_eq(buffer.data + 4999, "7|");
    rky_strbuf_done(&buffer);
}
END_TEST

START_TEST(a_length_that_overflows_fails_the_builder)
{
    struct rky_strbuf buffer = {0};
    rky_strbuf_add(&buffer, "abc");
    rky_strbuf_addn(&buffer, "x", SIZE_MAX - 3);
    ck_assert(buffer.failed);
    ck_assert_str_eq(rky_strbuf_text(&buffer), "abc");
    rky_strbuf_done(&buffer);
}
END_TEST

/* Build the same text with the first, second, ... allocation failing until none is left to fail:
 * each time the failure sticks, nothing half-made comes out and nothing leaks. */
START_TEST(whichever_allocation_fails_the_builder_says_so)
{
    uint64_t nth = 1;
    for (;; nth++) {
        struct rky_strbuf buffer = {0};
        rky_mem_fail_nth(nth);
        for (int i = 0; i < 100; i++) {
            rky_strbuf_addf(&buffer, "%d,", i);
            rky_strbuf_add(&buffer, "text");
            rky_strbuf_addc(&buffer, '.');
        }
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_int_eq(buffer.failed, failed);
        size_t length = buffer.length;
        char *text = rky_strbuf_take(&buffer);
        ck_assert(!buffer.failed);
        if (!failed) {
            ck_assert_uint_eq(strlen(text), length);
            rky_free(text);
            break;
        }
        ck_assert_ptr_null(text);
    }
    ck_assert_uint_gt(nth, 4);
}
END_TEST

START_TEST(a_list_holds_copies_and_survives_missing_memory)
{
    struct rky_strings list = {0};
    char text[] = "a";
    ck_assert(!rky_strings_has(&list, "a"));
    ck_assert_int_eq(rky_strings_add(&list, text, NULL), 0);
    text[0] = 'b';
    ck_assert_int_eq(rky_strings_add(&list, text, NULL), 0);

    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        ck_assert_int_eq(rky_strings_add(&list, "c", &err), RKY_ERR_NOMEM);
        rky_mem_fail_nth(0);
        ck_assert_int_eq(err.code, RKY_ERR_NOMEM);
    }

    ck_assert_uint_eq(list.count, 2);
    ck_assert(rky_strings_has(&list, "a"));
    ck_assert(rky_strings_has(&list, "b"));
    ck_assert(!rky_strings_has(&list, "c"));
    rky_strings_done(&list);
    ck_assert_uint_eq(list.count, 0);
    rky_strings_done(&list);
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("mem");
    TCase *tests = tcase_create("mem");
    tcase_add_test(tests, the_nth_allocation_fails_once);
    tcase_add_test(tests, a_failure_that_was_asked_for_can_be_taken_back);
    tcase_add_test(tests, every_way_to_allocate_can_fail);
    tcase_add_test(tests, nothing_at_all_is_still_memory);
    tcase_add_test(tests, a_product_that_overflows_is_refused);
    tcase_add_test(tests, copies_end_at_the_nul_or_the_length);
    tcase_add_test(tests, an_array_at_least_doubles_and_keeps_its_content);
    tcase_add_test(tests, an_array_that_cannot_grow_is_untouched);
    tcase_add_test(tests, a_builder_appends_and_hands_over);
    tcase_add_test(tests, a_builder_writes_long_formats_whole);
    tcase_add_test(tests, a_length_that_overflows_fails_the_builder);
    tcase_add_test(tests, whichever_allocation_fails_the_builder_says_so);
    tcase_add_test(tests, a_list_holds_copies_and_survives_missing_memory);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
