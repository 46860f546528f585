/* SPDX-License-Identifier: Apache-2.0 */
/* The error object and the exit codes made of it. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/exitcode.h"
#include "common/ids.h"
#include "tests/kit/check_main.h"

START_TEST(the_first_failure_wins)
{
    struct rky_error err = {0};

    ck_assert_int_eq(rky_fail(&err, RKY_ERR_CONFIG, "key '%s' is %d", "a", 7), RKY_ERR_CONFIG);
    ck_assert_int_eq(rky_fail(&err, RKY_ERR_IO, "later"), RKY_ERR_IO);
    ck_assert_int_eq(rky_fail_errno(&err, ENOENT, "later"), RKY_ERR_IO);

    ck_assert_int_eq(err.code, RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, "key 'a' is 7");
    ck_assert_int_eq(err.sys_errno, 0);
    ck_assert(!err.transient);
}
END_TEST

START_TEST(without_an_object_only_the_code_is_returned)
{
    ck_assert_int_eq(rky_fail(NULL, RKY_ERR_DECODE, "x"), RKY_ERR_DECODE);
    ck_assert_int_eq(rky_fail_errno(NULL, EDQUOT, "x"), RKY_ERR_QUOTA);
    ck_assert_int_eq(rky_fail_nomem(NULL), RKY_ERR_NOMEM);
    rky_error_hint(NULL, "x");
    rky_error_wrap(NULL, "x");
    rky_error_clear(NULL);
}
END_TEST

static const struct {
    int number;
    int code;
    bool transient;
} ERRNO_ROWS[] = {
    {ENOSPC, RKY_ERR_QUOTA, false}, {EDQUOT, RKY_ERR_QUOTA, false}, {EMFILE, RKY_ERR_QUOTA, true},
    {ENFILE, RKY_ERR_QUOTA, true},  {ENOMEM, RKY_ERR_NOMEM, true},  {EACCES, RKY_ERR_IO, false},
    {EINTR, RKY_ERR_IO, true},      {EAGAIN, RKY_ERR_IO, true},
};

START_TEST(errno_decides_code_and_transience)
{
    struct rky_error err = {0};
    char expected[256];

    int rc = rky_fail_errno(&err, ERRNO_ROWS[_i].number, "cannot open '%s'", "f");

    ck_assert_int_eq(rc, ERRNO_ROWS[_i].code);
    ck_assert_int_eq(err.code, ERRNO_ROWS[_i].code);
    ck_assert_int_eq(err.transient, ERRNO_ROWS[_i].transient);
    ck_assert_int_eq(err.sys_errno, ERRNO_ROWS[_i].number);
    (void)snprintf(expected, sizeof(expected), "cannot open 'f': %s",
                   strerror(ERRNO_ROWS[_i].number));
    ck_assert_str_eq(err.message, expected);
}
END_TEST

START_TEST(running_out_of_memory_is_transient)
{
    struct rky_error err = {0};

    ck_assert_int_eq(rky_fail_nomem(&err), RKY_ERR_NOMEM);

    ck_assert_str_eq(err.message, "out of memory");
    ck_assert(err.transient);
}
END_TEST

START_TEST(context_is_prefixed_and_the_hint_stays)
{
    struct rky_error err = {0};

    rky_error_wrap(&err, "ignored while nothing failed");
    rky_error_hint(&err, "ignored while nothing failed");
    (void)rky_fail(&err, RKY_ERR_QUERY, "no column 'b'");
    rky_error_hint(&err, "add '%s'", "b");
    rky_error_hint(&err, "second hint");
    rky_error_wrap(&err, "table '%s'", "t");
    rky_error_wrap(&err, "pipeline 'p'");

    ck_assert_str_eq(err.message, "pipeline 'p': table 't': no column 'b'");
    ck_assert_str_eq(err.hint, "add 'b'");
}
END_TEST

START_TEST(arguments_may_point_into_the_object)
{
    struct rky_error err = {0};
    (void)rky_fail(&err, RKY_ERR_IO, "inner");
    rky_error_wrap(&err, "outer, %s", err.message);
    ck_assert_str_eq(err.message, "outer, inner: inner");

    err.code = RKY_OK;
    (void)rky_fail(&err, RKY_ERR_BUG, "again: %s", err.message);
    ck_assert_str_eq(err.message, "again: outer, inner: inner");
}
END_TEST

START_TEST(a_cleared_object_takes_a_new_failure)
{
    struct rky_error err = {0};
    (void)rky_fail_errno(&err, EMFILE, "x");
    rky_error_hint(&err, "old");
    err.native_code = 5;

    rky_error_clear(&err);
    ck_assert_int_eq(err.code, RKY_OK);
    ck_assert_int_eq(err.native_code, 0);
    ck_assert_int_eq(err.sys_errno, 0);
    ck_assert_str_eq(err.hint, "");
    (void)rky_fail(&err, RKY_ERR_IO, "new");

    ck_assert_str_eq(err.message, "new");
    ck_assert(!err.transient);
}
END_TEST

/* Every length around the limit, so that the cut falls on each byte of a three-byte character. */
START_TEST(long_text_is_cut_at_a_character_and_marked)
{
    char text[RKY_ERROR_MESSAGE_MAX + 64];
    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'a', lead);
        size_t length = lead;
        for (; length + 3 < sizeof(text); length += 3)
            memcpy(text + length, "\xe2\x82\xac", 3);
        text[length] = '\0';
        struct rky_error err = {0};
        (void)rky_fail(&err, RKY_ERR_IO, "%s", text);
        rky_error_hint(&err, "%s", text);

        size_t cut = strlen(err.message);
        ck_assert_uint_ge(cut, RKY_ERROR_MESSAGE_MAX - 4);
        ck_assert_str_eq(err.message + cut - 3, "...");
        ck_assert(rky_utf8_valid(err.message, cut));
        ck_assert(rky_utf8_valid(err.hint, strlen(err.hint)));
        ck_assert_str_eq(err.hint + strlen(err.hint) - 3, "...");
    }
}
END_TEST

START_TEST(text_that_just_fits_is_not_cut)
{
    char text[RKY_ERROR_MESSAGE_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct rky_error err = {0};

    (void)rky_fail(&err, RKY_ERR_IO, "%s", text);

    ck_assert_str_eq(err.message, text);
}
END_TEST

START_TEST(the_reason_of_a_failed_call_survives_a_long_name)
{
    char name[2 * RKY_ERROR_MESSAGE_MAX];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct rky_error err = {0};

    (void)rky_fail_errno(&err, ENOENT, "cannot open '%s'", name);

    const char *tail = "...: No such file or directory";
    ck_assert_uint_gt(strlen(err.message), strlen(tail));
    ck_assert_str_eq(err.message + strlen(err.message) - strlen(tail), tail);
}
END_TEST

START_TEST(every_code_has_a_name_of_its_own)
{
    for (int code = RKY_ERR_BUG; code <= RKY_OK; code++) {
        const char *name = rky_err_name(code);
        ck_assert_str_ne(name, "unknown");
        ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int other = RKY_ERR_BUG; other < code; other++)
            ck_assert_str_ne(name, rky_err_name(other));
    }
    ck_assert_str_eq(rky_err_name(RKY_ERR_CONFIG), "config");
    ck_assert_str_eq(rky_err_name(RKY_ERR_BUG - 1), "unknown");
    ck_assert_str_eq(rky_err_name(1), "unknown");
}
END_TEST

START_TEST(a_broken_invariant_stops_the_process)
{
    RKY_ASSERT(1 + 1 == 3);
}
END_TEST

START_TEST(every_code_has_its_exit_code)
{
    static const struct {
        int code;
        enum rky_exit expected;
    } rows[] = {
        {RKY_OK, 0},
        {RKY_ERR_USAGE, 64},
        {RKY_ERR_CONFIG, 78},
        {RKY_ERR_DECODE, 1},
        {RKY_ERR_NOMEM, 1},
        {RKY_ERR_IO, 1},
        {RKY_ERR_STATE_FILE, 78},
        {RKY_ERR_LOCKED, 4},
        {RKY_ERR_NOT_FOUND, 1},
        {RKY_ERR_REFUSED, 4},
        {RKY_ERR_FENCED, 4},
        {RKY_ERR_CONFLICT, 4},
        {RKY_ERR_SOURCE_MISSING, 1},
        {RKY_ERR_CONNECTION, 1},
        {RKY_ERR_AUTH, 1},
        {RKY_ERR_QUERY, 1},
        {RKY_ERR_SCHEMA_DRIFT, 1},
        {RKY_ERR_TIMEOUT, 1},
        {RKY_ERR_QUOTA, 1},
        {RKY_ERR_UNAVAILABLE, 69},
        {RKY_ERR_INTERRUPTED, 130},
        {RKY_ERR_CANCELLED, 7},
        {RKY_ERR_STATE_SYNC, 1},
        {RKY_ERR_UNSUPPORTED, 78},
        {RKY_ERR_BUG, 1},
    };
    ck_assert_uint_eq(sizeof(rows) / sizeof(rows[0]), (size_t)-RKY_ERR_BUG + 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(rky_exit_of_error(rows[i].code) == rows[i].expected, "%s",
                      rky_err_name(rows[i].code));
    ck_assert_int_eq(rky_exit_of_error(-1000), RKY_EXIT_FAILED);
}
END_TEST

START_TEST(the_graver_exit_code_wins_in_either_order)
{
    /* From grave to harmless, as documented. */
    static const enum rky_exit order[] = {130, 7, 78, 4, 1, 2, 5, 0};
    const size_t count = sizeof(order) / sizeof(order[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i; j < count; j++) {
            ck_assert_int_eq(rky_exit_graver(order[i], order[j]), order[i]);
            ck_assert_int_eq(rky_exit_graver(order[j], order[i]), order[i]);
        }
    }
}
END_TEST

START_TEST(the_other_exit_codes_rank_with_1)
{
    static const enum rky_exit others[] = {3, 6, 64, 69, 75, 124};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_int_eq(rky_exit_graver(others[i], RKY_EXIT_FAILED), others[i]);
        ck_assert_int_eq(rky_exit_graver(RKY_EXIT_FAILED, others[i]), RKY_EXIT_FAILED);
        ck_assert_int_eq(rky_exit_graver(others[i], RKY_EXIT_REFUSED), RKY_EXIT_REFUSED);
        ck_assert_int_eq(rky_exit_graver(RKY_EXIT_PARTIAL, others[i]), others[i]);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("error");
    TCase *tests = tcase_create("error");
    tcase_add_test(tests, the_first_failure_wins);
    tcase_add_test(tests, without_an_object_only_the_code_is_returned);
    tcase_add_loop_test(tests, errno_decides_code_and_transience, 0,
                        (int)(sizeof(ERRNO_ROWS) / sizeof(ERRNO_ROWS[0])));
    tcase_add_test(tests, running_out_of_memory_is_transient);
    tcase_add_test(tests, context_is_prefixed_and_the_hint_stays);
    tcase_add_test(tests, arguments_may_point_into_the_object);
    tcase_add_test(tests, a_cleared_object_takes_a_new_failure);
    tcase_add_test(tests, long_text_is_cut_at_a_character_and_marked);
    tcase_add_test(tests, text_that_just_fits_is_not_cut);
    tcase_add_test(tests, the_reason_of_a_failed_call_survives_a_long_name);
    tcase_add_test(tests, every_code_has_a_name_of_its_own);
    tcase_add_test_raise_signal(tests, a_broken_invariant_stops_the_process, SIGABRT);
    tcase_add_test(tests, every_code_has_its_exit_code);
    tcase_add_test(tests, the_graver_exit_code_wins_in_either_order);
    tcase_add_test(tests, the_other_exit_codes_rank_with_1);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
