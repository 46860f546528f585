/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes, UUIDs and digests. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "tests/kit/check_main.h"

START_TEST(random_bytes_fill_the_whole_range)
{
    unsigned char a[300] = {0};
    unsigned char b[300] = {0};
    bool seen[256] = {false};
    rky_random_bytes(a, sizeof(a));
    rky_random_bytes(b, sizeof(b));
    ck_assert_mem_ne(a, b, sizeof(a));
    size_t distinct = 0;
    for (size_t i = 0; i < sizeof(a); i++) {
        distinct += !seen[a[i]];
        seen[a[i]] = true;
    }
    ck_assert_uint_gt(distinct, 100);
    rky_random_bytes(a, 0);
}
END_TEST

START_TEST(random_units_lie_in_zero_to_one_and_spread)
{
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double unit = rky_random_unit();
        ck_assert(unit >= 0.0 && unit < 1.0);
        sum += unit;
    }
    /* 0.5 +- 0.0029 is one standard deviation of the mean; this allows for ten. */
    ck_assert_double_gt(sum / 10000, 0.47);
    ck_assert_double_lt(sum / 10000, 0.53);
}
END_TEST

START_TEST(version_4_is_random_and_well_formed)
{
    char a[RKY_UUID_TEXT];
    char b[RKY_UUID_TEXT];
    for (int i = 0; i < 1000; i++) {
        rky_uuid_v4(a);
        rky_uuid_v4(b);
        ck_assert(rky_uuid_valid(a));
        ck_assert_int_eq(a[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", a[19]));
        ck_assert_str_ne(a, b);
    }
}
END_TEST

START_TEST(version_7_holds_the_time)
{
    struct rky_fake_clock fake;
    /* The instant of the example in RFC 9562, appendix A.6. */
    rky_fake_clock_init(&fake, INT64_C(0x017F22E279B0) * 1000);
    char text[RKY_UUID_TEXT];

    rky_uuid_v7(&fake.base, text);

    ck_assert(rky_uuid_valid(text));
    ck_assert_int_eq(strncmp(text, "017f22e2-79b0-7000-", 19), 0);
    ck_assert_ptr_nonnull(strchr("89ab", text[19]));
}
END_TEST

START_TEST(version_7_sorts_by_time_also_within_a_millisecond)
{
    struct rky_fake_clock fake;
    char earlier[RKY_UUID_TEXT] = "";
    char later[RKY_UUID_TEXT];
    for (int64_t us = 0; us < 5000; us++) {
        rky_fake_clock_init(&fake, INT64_C(1795255200000000) + us);
        rky_uuid_v7(&fake.base, later);
        ck_assert_str_lt(earlier, later);
        memcpy(earlier, later, sizeof(earlier));
    }
}
END_TEST

START_TEST(version_7_does_not_repeat_in_the_same_microsecond)
{
    struct rky_fake_clock fake;
    rky_fake_clock_init(&fake, INT64_C(1795255200000000));
    char a[RKY_UUID_TEXT];
    char b[RKY_UUID_TEXT];
    rky_uuid_v7(&fake.base, a);
    rky_uuid_v7(&fake.base, b);
    ck_assert_str_ne(a, b);
}
END_TEST

/* Pinned: these ids are on topics and in ledgers. Computed with Python's uuid.uuid5(). */
START_TEST(version_5_depends_on_the_name_alone)
{
    char text[RKY_UUID_TEXT];
    rky_uuid_v5("", text);
    ck_assert_str_eq(text, "880f29fb-0dfa-5358-97ae-5dffc50232ca");
    rky_uuid_v5("0197f3b2-0000-7000-8000-000000000001", text);
    ck_assert_str_eq(text, "815b78c2-3400-5ec0-a45b-62f2488bc10f");
    rky_uuid_v5("a|state.download|1", text);
    ck_assert_str_eq(text, "d5915936-555d-5450-a0fe-fc2a7304d90e");
}
END_TEST

START_TEST(only_the_36_character_form_is_a_uuid)
{
    ck_assert(rky_uuid_valid("0197f3b2-0000-7000-8000-00000000abcd"));
    ck_assert(rky_uuid_valid("0197F3B2-0000-7000-8000-00000000ABCD"));
    ck_assert(!rky_uuid_valid(""));
    ck_assert(!rky_uuid_valid("0197f3b2-0000-7000-8000-00000000abc"));
    ck_assert(!rky_uuid_valid("0197f3b2-0000-7000-8000-00000000abcde"));
    ck_assert(!rky_uuid_valid("0197f3b2-0000-7000-8000-00000000abcg"));
    ck_assert(!rky_uuid_valid("0197f3b20-000-7000-8000-00000000abcd"));
    ck_assert(!rky_uuid_valid("0197f3b2000070008000000000000000abcd"));
    ck_assert(!rky_uuid_valid("{0197f3b2-0000-7000-8000-00000000abc}"));
}
END_TEST

/* FIPS 180-2, appendix B. */
START_TEST(sha256_gives_the_published_digests)
{
    char hex[RKY_SHA256_HEX];
    rky_sha256_hex("", 0, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    rky_sha256_hex("abc", 3, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    rky_sha256_hex(million, 1000000, hex);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("ids");
    TCase *tests = tcase_create("ids");
    tcase_add_test(tests, random_bytes_fill_the_whole_range);
    tcase_add_test(tests, random_units_lie_in_zero_to_one_and_spread);
    tcase_add_test(tests, version_4_is_random_and_well_formed);
    tcase_add_test(tests, version_7_holds_the_time);
    tcase_add_test(tests, version_7_sorts_by_time_also_within_a_millisecond);
    tcase_add_test(tests, version_7_does_not_repeat_in_the_same_microsecond);
    tcase_add_test(tests, version_5_depends_on_the_name_alone);
    tcase_add_test(tests, only_the_36_character_form_is_a_uuid);
    tcase_add_test(tests, sha256_gives_the_published_digests);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
