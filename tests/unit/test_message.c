/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/message.h"
#include "tests/kit/check_main.h"

START_TEST(a_message_keeps_copies_of_key_and_value)
{
    char key[] = "bronze";
    char value[] = "a\0b";
    struct rky_message message = {0};

    ck_assert_int_eq(rky_message_set(&message, key, 6, value, 3, NULL), 0);
    memset(key, 'x', sizeof(key) - 1);
    memset(value, 'x', sizeof(value) - 1);

    ck_assert_str_eq(message.key, "bronze");
    ck_assert_uint_eq(message.key_length, 6);
    ck_assert_uint_eq(message.value_length, 3);
    ck_assert_mem_eq(message.value, "a\0b", 4);
    rky_message_done(&message);
}
END_TEST

START_TEST(null_and_empty_are_different)
{
    struct rky_message message = {0};

    ck_assert_int_eq(rky_message_set(&message, "", 0, "", 0, NULL), 0);
    ck_assert_ptr_nonnull(message.key);
    ck_assert_ptr_nonnull(message.value);

    ck_assert_int_eq(rky_message_set(&message, NULL, 7, NULL, 7, NULL), 0);
    ck_assert_ptr_null(message.key);
    ck_assert_ptr_null(message.value);
    ck_assert_uint_eq(message.key_length, 0);
    ck_assert_uint_eq(message.value_length, 0);
    rky_message_done(&message);
}
END_TEST

START_TEST(the_last_header_of_a_name_wins)
{
    struct rky_message message = {0};
    ck_assert_int_eq(rky_message_add_text(&message, "a", "1", NULL), 0);
    ck_assert_int_eq(rky_message_add_text(&message, "b", "2", NULL), 0);
    ck_assert_int_eq(rky_message_add_text(&message, "a", "3", NULL), 0);

    ck_assert_str_eq(rky_message_header(&message, "a")->value, "3");
    ck_assert_str_eq(rky_message_header(&message, "b")->value, "2");
    ck_assert_ptr_null(rky_message_header(&message, "A"));

    ck_assert_int_eq(rky_message_add_header(&message, "a", NULL, 5, NULL), 0);
    ck_assert_ptr_null(rky_message_header(&message, "a"));
    rky_message_done(&message);
}
END_TEST

START_TEST(a_copy_is_equal_and_independent)
{
    struct rky_message from = {.timestamp_ms = 42};
    struct rky_message to = {0};
    ck_assert_int_eq(rky_message_set(&from, "k", 1, "v\0w", 3, NULL), 0);
    ck_assert_int_eq(rky_message_add_header(&from, "bytes", "\xff\0", 2, NULL), 0);
    ck_assert_int_eq(rky_message_add_header(&from, "null", NULL, 0, NULL), 0);

    ck_assert_int_eq(rky_message_copy(&from, &to, NULL), 0);
    rky_message_done(&from);

    ck_assert_int_eq(to.timestamp_ms, 42);
    ck_assert_str_eq(to.key, "k");
    ck_assert_mem_eq(to.value, "v\0w", 4);
    ck_assert_uint_eq(to.header_count, 2);
    ck_assert_uint_eq(to.headers[0].length, 2);
    ck_assert_mem_eq(to.headers[0].value, "\xff\0", 3);
    ck_assert_ptr_null(to.headers[1].value);
    rky_message_done(&to);
}
END_TEST

START_TEST(done_leaves_an_empty_message_and_may_be_repeated)
{
    struct rky_message message = {0};
    ck_assert_int_eq(rky_message_set(&message, "k", 1, "v", 1, NULL), 0);
    rky_message_done(&message);
    ck_assert_ptr_null(message.key);
    ck_assert_uint_eq(message.header_capacity, 0);
    rky_message_done(&message);
}
END_TEST

START_TEST(out_of_memory_anywhere_leaves_the_message_as_it_was)
{
    struct rky_message from = {0};
    ck_assert_int_eq(rky_message_set(&from, "k", 1, "v", 1, NULL), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(rky_message_add_text(&from, "name", "value", NULL), 0);

    for (uint64_t nth = 1;; nth++) {
        struct rky_message to = {0};
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_message_copy(&from, &to, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_int_eq(rc, failed ? RKY_ERR_NOMEM : 0);
        ck_assert_uint_eq(to.header_count, failed ? 0 : 20);
        rky_message_done(&to);
        if (!failed) {
            ck_assert_uint_gt(nth, 40);
            break;
        }
    }

    rky_mem_fail_nth(2);
    ck_assert_int_eq(rky_message_set(&from, "other", 5, "other", 5, NULL), RKY_ERR_NOMEM);
    rky_mem_fail_nth(0);
    ck_assert_str_eq(from.key, "k");
    ck_assert_str_eq(from.value, "v");
    rky_message_done(&from);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("message");
    TCase *t = tcase_create("message");
    tcase_add_test(t, a_message_keeps_copies_of_key_and_value);
    tcase_add_test(t, null_and_empty_are_different);
    tcase_add_test(t, the_last_header_of_a_name_wins);
    tcase_add_test(t, a_copy_is_equal_and_independent);
    tcase_add_test(t, done_leaves_an_empty_message_and_may_be_repeated);
    tcase_add_test(t, out_of_memory_anywhere_leaves_the_message_as_it_was);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
