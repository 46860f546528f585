/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot envelope: what goes in comes out, and what is not whole, ours or readable does not.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/snapshot_kit.h"

static unsigned char *raw;
static size_t raw_length;
static struct rky_snapshot_head head;

static void setup(void)
{
    kit_snapshot_source(&head, &raw, &raw_length);
}

static void teardown(void)
{
    rky_free(raw);
}

/* --- round trip --- */

static void assert_same_head(const struct rky_snapshot_head *found)
{
    ck_assert_str_eq(found->namespace_, head.namespace_);
    ck_assert_str_eq(found->lineage, head.lineage);
    ck_assert_int_eq(found->generation, head.generation);
    ck_assert_str_eq(found->write_id, head.write_id);
    ck_assert_uint_eq(found->ancestor_count, head.ancestor_count);
    for (size_t i = 0; i < head.ancestor_count; i++)
        ck_assert_str_eq(found->ancestors[i], head.ancestors[i]);
    ck_assert_int_eq(found->fence, head.fence);
    ck_assert_int_eq(found->schema_version, head.schema_version);
    ck_assert_int_eq(found->min_reader_version, head.min_reader_version);
    ck_assert_str_eq(found->raw_sha256, head.raw_sha256);
    ck_assert_int_eq(found->raw_size, head.raw_size);
    ck_assert_int_eq(found->created_at_us, head.created_at_us);
    ck_assert_str_eq(found->worker_id, head.worker_id);
    ck_assert_str_eq(found->version, head.version);
    ck_assert_str_eq(found->host, head.host);
    ck_assert_str_eq(found->run_id, head.run_id);
    ck_assert_str_eq(found->job_id, head.job_id);
    ck_assert_int_eq(found->restored_from, head.restored_from);
}

static void assert_round_trip(const struct rky_snapshot_key *key)
{
    struct rky_snapshot_head found;
    unsigned char *bytes = NULL, *back = NULL;
    size_t length = 0, back_length = 0;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_CORRUPT;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, key, &bytes, &length, assert_err_));
    ck_assert_uint_lt(length, raw_length);
    assert_ok(rky_snapshot_decode(bytes, length, "acme", key, &found, &back, &back_length, &fault,
                                  assert_err_));
    ck_assert_int_eq(fault, RKY_SNAPSHOT_GOOD);
    ck_assert_uint_eq(back_length, raw_length);
    ck_assert_mem_eq(back, raw, raw_length);
    assert_same_head(&found);
    rky_free(back);
    rky_free(bytes);
}

START_TEST(test_what_goes_in_comes_out)
{
    assert_round_trip(NULL);
    struct rky_snapshot_key none = {.present = false};
    assert_round_trip(&none);
}
END_TEST

START_TEST(test_what_goes_in_comes_out_through_the_seal)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    assert_round_trip(&key);
}
END_TEST

START_TEST(test_head_may_be_full_or_nearly_empty)
{
    head.ancestor_count = RKY_ANCESTORS_MAX;
    for (size_t i = 0; i < RKY_ANCESTORS_MAX; i++)
        rky_uuid_v4(head.ancestors[i]);
    memset(head.worker_id, 'w', sizeof(head.worker_id) - 1);
    memset(head.host, '"', sizeof(head.host) - 1);
    head.generation = INT64_MAX;
    head.fence = INT64_MAX;
    head.created_at_us = INT64_MIN;
    assert_round_trip(NULL);
    memset(head.ancestors, 0, sizeof(head.ancestors));
    head.ancestor_count = 0;
    memset(head.worker_id, 0, sizeof(head.worker_id));
    memset(head.host, 0, sizeof(head.host));
    head.version[0] = head.run_id[0] = head.job_id[0] = '\0';
    head.generation = head.fence = head.created_at_us = head.restored_from = 0;
    assert_round_trip(NULL);
}
END_TEST

START_TEST(test_name_that_is_cut_within_a_character_keeps_its_whole_part)
{
    struct rky_snapshot_head found;
    unsigned char *bytes = NULL;
    size_t length = 0;
    memcpy(head.host, "h\xc3\xb6st-\xc3", sizeof("h\xc3\xb6st-\xc3"));
    memcpy(head.worker_id, "\xff\xff", sizeof("\xff\xff"));
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, NULL, &bytes, &length, assert_err_));
    assert_ok(rky_snapshot_peek(bytes, length, &found, assert_err_));
    ck_assert_str_eq(found.host, "h\xc3\xb6st-");
    ck_assert_str_eq(found.worker_id, "");
    rky_free(bytes);
}
END_TEST

START_TEST(test_image_in_wal_mode_travels_in_rollback_mode)
{
    struct rky_snapshot_head found;
    unsigned char *bytes = NULL, *back = NULL;
    size_t length = 0, back_length = 0;
    enum rky_snapshot_fault fault;
    raw[18] = raw[19] = 2;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, NULL, &bytes, &length, assert_err_));
    ck_assert_int_eq(raw[18], 2); /* borrowed, not changed */
    assert_ok(rky_snapshot_decode(bytes, length, "acme", NULL, &found, &back, &back_length, &fault,
                                  assert_err_));
    ck_assert_int_eq(back[18], 1);
    ck_assert_int_eq(back[19], 1);
    ck_assert_mem_eq(back + 20, raw + 20, raw_length - 20);
    rky_free(back);
    rky_free(bytes);
}
END_TEST

START_TEST(test_two_seals_of_the_same_content_differ)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    unsigned char *one = NULL, *two = NULL;
    size_t one_length = 0, two_length = 0;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &key, &one, &one_length, assert_err_));
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &key, &two, &two_length, assert_err_));
    ck_assert_uint_eq(one_length, two_length);
    ck_assert_mem_ne(one, two, one_length);
    /* Nothing of the content shows, and nothing of the key. */
    ck_assert_ptr_null(memmem(one, one_length, key.bytes, sizeof(key.bytes)));
    ck_assert_ptr_null(memmem(one, one_length, "CREATE TABLE", 12));
    rky_free(one);
    rky_free(two);
}
END_TEST

START_TEST(test_verifying_needs_no_place_for_the_content)
{
    struct rky_snapshot_head found;
    unsigned char *bytes = NULL;
    size_t length = 0;
    enum rky_snapshot_fault fault;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, NULL, &bytes, &length, assert_err_));
    assert_ok(
        rky_snapshot_decode(bytes, length, NULL, NULL, &found, NULL, NULL, &fault, assert_err_));
    assert_same_head(&found);
    rky_free(bytes);
}
END_TEST

START_TEST(test_large_state_is_unpacked_in_pieces)
{
    const size_t pages = 6000; /* 24 MB, not all alike */
    unsigned char *large = rky_calloc(pages, 4096);
    ck_assert_ptr_nonnull(large);
    memcpy(large, raw, 4096);
    for (size_t i = 4096; i < pages * 4096; i += 97)
        large[i] = (unsigned char)(i * 2654435761U >> 24);
    large[28] = 0;
    large[29] = 0;
    large[30] = (unsigned char)(pages >> 8);
    large[31] = (unsigned char)pages;
    rky_free(raw);
    raw = large;
    raw_length = pages * 4096;
    struct rky_snapshot_key key = kit_snapshot_key(2);
    assert_round_trip(NULL);
    assert_round_trip(&key);
}
END_TEST

START_TEST(test_peek_reads_the_head_of_a_beginning)
{
    struct rky_snapshot_head found;
    struct rky_snapshot_key key = kit_snapshot_key(1);
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &key, &bytes, &length, assert_err_));
    assert_ok(rky_snapshot_peek(bytes, length < 4096 ? length : 4096, &found, assert_err_));
    assert_same_head(&found);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_snapshot_peek(bytes, 200, &found, &err), RKY_ERR_STATE_FILE);
    rky_free(bytes);
}
END_TEST

START_TEST(test_content_derives_from_itself_and_its_ancestors)
{
    ck_assert(rky_snapshot_derives(&head, head.write_id));
    for (size_t i = 0; i < head.ancestor_count; i++)
        ck_assert(rky_snapshot_derives(&head, head.ancestors[i]));
    ck_assert(!rky_snapshot_derives(&head, "00000000-0000-4000-8000-000000000000"));
}
END_TEST

/* --- what is not put into an envelope --- */

START_TEST(test_head_that_is_not_whole_is_not_written)
{
    const struct rky_snapshot_head good = head;
    for (int which = 0; which < 7; which++) {
        struct rky_error err = {0};
        unsigned char *bytes = NULL;
        size_t length = 0;
        head = good;
        switch (which) {
        case 0:
            head.namespace_[0] = '\0';
            break;
        case 1:
            head.lineage[3] = 'x';
            break;
        case 2:
            head.write_id[0] = '\0';
            break;
        case 3:
            head.generation = -1;
            break;
        case 4:
            head.schema_version = 0;
            break;
        case 5:
            head.ancestors[1][0] = '\0';
            break;
        default:
            head.ancestor_count = RKY_ANCESTORS_MAX + 1;
            break;
        }
        ck_assert_int_eq(rky_snapshot_encode(&head, raw, raw_length, NULL, &bytes, &length, &err),
                         RKY_ERR_BUG);
        ck_assert_ptr_null(bytes);
    }
}
END_TEST

START_TEST(test_what_is_no_image_is_not_written)
{
    struct rky_error err = {0};
    unsigned char *bytes = NULL;
    size_t length = 0;
    ck_assert_int_eq(rky_snapshot_encode(&head, raw, 99, NULL, &bytes, &length, &err), RKY_ERR_BUG);
    rky_error_clear(&err);
    /* Refused before anything is read. */
    ck_assert_int_eq(rky_snapshot_encode(&head, raw, (size_t)RKY_SNAPSHOT_RAW_MAX + 1, NULL, &bytes,
                                         &length, &err),
                     RKY_ERR_STATE_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "acme"));
    ck_assert_str_ne(err.hint, "");
}
END_TEST

/* --- keys --- */

START_TEST(test_key_is_hex_or_base64)
{
    static const struct {
        const char *text;
        bool good;
    } ROWS[] = {
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", true},
        {"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n", true},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", true},
        {"  AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n", true},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1", false},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0", false},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g", false},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", false}, /* bits behind the end */
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-=", false},
        {"AAECAwQFBgcICQoL DA0ODxAREhMUFRYXGBkaGxwdHh=", false},
        {"hunter2", false},
        {" \n", false}, /* whoever wrote a key wants no plain text */
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct rky_error err = {0};
        struct rky_snapshot_key key = {.present = false};
        int rc = rky_snapshot_key_parse(ROWS[i].text, &key, &err);
        ck_assert_msg((rc == 0) == ROWS[i].good, "%s", ROWS[i].text);
        ck_assert(key.present == ROWS[i].good);
        if (ROWS[i].good) {
            for (unsigned char k = 0; k < 32; k++)
                ck_assert_int_eq(key.bytes[k], k);
            ck_assert_str_eq(key.id, "630dcd2966c43366");
        } else {
            ck_assert_int_eq(rc, RKY_ERR_CONFIG);
            ck_assert_ptr_null(strstr(err.message, ROWS[i].text));
            ck_assert_ptr_null(strstr(err.hint, ROWS[i].text));
        }
    }
}
END_TEST

START_TEST(test_no_text_is_no_key)
{
    struct rky_snapshot_key key = {.present = true};
    assert_ok(rky_snapshot_key_parse(NULL, &key, assert_err_));
    ck_assert(!key.present);
    key.present = true;
    assert_ok(rky_snapshot_key_parse("", &key, assert_err_));
    ck_assert(!key.present);
}
END_TEST

/* --- memory --- */

START_TEST(test_each_failing_allocation_is_reported)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    bool sealed = _i == 1;
    uint64_t failures = 0;
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        struct rky_snapshot_head found;
        unsigned char *bytes = NULL, *back = NULL;
        size_t length = 0, back_length = 0;
        enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
        rky_mem_fail_nth(nth);
        int rc = rky_snapshot_encode(&head, raw, raw_length, sealed ? &key : NULL, &bytes, &length,
                                     &err);
        if (rc == 0)
            rc = rky_snapshot_decode(bytes, length, "acme", sealed ? &key : NULL, &found, &back,
                                     &back_length, &fault, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        if (rc != 0) {
            ck_assert_msg(rc == RKY_ERR_NOMEM, "allocation %llu: %s", (unsigned long long)nth,
                          err.message);
            ck_assert_int_eq(fault, RKY_SNAPSHOT_GOOD);
            ck_assert_ptr_null(back);
            failures++;
        }
        rky_free(bytes);
        rky_free(back);
        if (!failed)
            break;
    }
    ck_assert_uint_ge(failures, 3);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *envelope = tcase_create("envelope");
    tcase_set_timeout(envelope, TIMEOUT_S);
    tcase_add_checked_fixture(envelope, setup, teardown);
    tcase_add_test(envelope, test_what_goes_in_comes_out);
    tcase_add_test(envelope, test_what_goes_in_comes_out_through_the_seal);
    tcase_add_test(envelope, test_head_may_be_full_or_nearly_empty);
    tcase_add_test(envelope, test_name_that_is_cut_within_a_character_keeps_its_whole_part);
    tcase_add_test(envelope, test_image_in_wal_mode_travels_in_rollback_mode);
    tcase_add_test(envelope, test_two_seals_of_the_same_content_differ);
    tcase_add_test(envelope, test_verifying_needs_no_place_for_the_content);
    tcase_add_test(envelope, test_large_state_is_unpacked_in_pieces);
    tcase_add_test(envelope, test_peek_reads_the_head_of_a_beginning);
    tcase_add_test(envelope, test_content_derives_from_itself_and_its_ancestors);
    tcase_add_test(envelope, test_head_that_is_not_whole_is_not_written);
    tcase_add_test(envelope, test_what_is_no_image_is_not_written);
    tcase_add_loop_test(envelope, test_each_failing_allocation_is_reported, 0, 2);
    suite_add_tcase(suite, envelope);

    TCase *keys = tcase_create("keys");
    tcase_add_test(keys, test_key_is_hex_or_base64);
    tcase_add_test(keys, test_no_text_is_no_key);
    suite_add_tcase(suite, keys);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
