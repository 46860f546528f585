/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots that were damaged on the way, belong to somebody else or come from a newer program:
 * each byte, each length. Those that somebody made up are in snapshot_lies.c.
 */
#include "config.h"

#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/snapshot_forge.h"

/* --- damage --- */

START_TEST(test_every_shorter_beginning_is_refused)
{
    for (size_t length = 0; length < snap.good_length; length++) {
        /* In a block of its own, so that a look beyond the end is seen by the tools. */
        unsigned char *cut = snap_copy_of(snap.good, length);
        snap_assert_refused(cut, length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
        rky_free(cut);
    }
}
END_TEST

START_TEST(test_something_behind_the_end_is_refused)
{
    unsigned char *longer = rky_calloc(1, snap.good_length + 1);
    memcpy(longer, snap.good, snap.good_length);
    snap_assert_refused(longer, snap.good_length + 1, RKY_SNAPSHOT_CORRUPT, "digest");
    rky_free(longer);
}
END_TEST

START_TEST(test_every_flipped_byte_is_refused)
{
    static const unsigned char MASKS[] = {0x01, 0x20, 0x80, 0xff};
    for (size_t at = 0; at < snap.good_length; at++) {
        for (size_t i = 0; i < sizeof(MASKS); i++) {
            snap.good[at] ^= MASKS[i];
            snap_assert_refused(snap.good, snap.good_length, RKY_SNAPSHOT_CORRUPT,
                                "snapshot is corrupt");
            snap.good[at] ^= MASKS[i];
        }
    }
}
END_TEST

START_TEST(test_every_flipped_byte_of_a_sealed_snapshot_is_refused)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&snap.head, snap.raw, snap.raw_length, &key, &bytes, &length,
                                  assert_err_));
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= 0xff;
        snap_assert_refused_with(bytes, length, &key, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
        bytes[at] ^= 0xff;
    }
    rky_free(bytes);
}
END_TEST

/* Whoever can write the object can write its trailer, too. The class then depends on what the byte
 * was; what gets through is a bit that zstd does not look at, and then the content is the same. */
START_TEST(test_flipped_byte_behind_a_right_trailer_changes_no_content)
{
    int same = 0;
    for (size_t at = 0; at < snap.good_length - RKY_SNAPSHOT_TRAILER_BYTES; at++) {
        struct rky_error err = {0};
        struct rky_snapshot_head found;
        unsigned char *back = NULL;
        size_t back_length = 0;
        enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
        snap.good[at] ^= 0x01;
        snap_sign(snap.good, snap.good_length);
        int rc = rky_snapshot_decode(snap.good, snap.good_length, "acme", NULL, &found, &back,
                                     &back_length, &fault, &err);
        if (rc == 0) {
            ck_assert_uint_eq(back_length, snap.raw_length);
            ck_assert_mem_eq(back, snap.raw, snap.raw_length);
            same++;
        } else {
            ck_assert_int_eq(rc, RKY_ERR_STATE_FILE);
            ck_assert(fault == RKY_SNAPSHOT_CORRUPT || (fault == RKY_SNAPSHOT_NEWER && at < 8));
        }
        rky_free(back);
        snap.good[at] ^= 0x01;
    }
    ck_assert_int_lt(same, 8);
}
END_TEST

START_TEST(test_every_flipped_byte_of_a_sealed_payload_behind_a_right_trailer_is_refused)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&snap.head, snap.raw, snap.raw_length, &key, &bytes, &length,
                                  assert_err_));
    size_t payload = RKY_SNAPSHOT_PREFIX_BYTES + ((size_t)bytes[10] << 8 | bytes[11]);
    for (size_t at = payload; at < length - RKY_SNAPSHOT_TRAILER_BYTES; at++) {
        bytes[at] ^= 0x01;
        snap_sign(bytes, length);
        snap_assert_refused_with(bytes, length, &key, RKY_SNAPSHOT_CORRUPT, "seal");
        bytes[at] ^= 0x01;
    }
    rky_free(bytes);
}
END_TEST

START_TEST(test_garbage_is_refused)
{
    static const char *const TEXTS[] = {"", "R", "RKYS", "<Error><Code>NoSuchKey</Code></Error>",
                                        "SQLite format 3"};
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++)
        snap_assert_refused(TEXTS[i], strlen(TEXTS[i]), RKY_SNAPSHOT_CORRUPT,
                            "snapshot is corrupt");
    unsigned char noise[4096];
    for (int round = 0; round < 2000; round++) {
        size_t length = (size_t)round * 2;
        rky_random_bytes(noise, length);
        if (round % 2 == 0 && length > 16)
            memcpy(noise, snap.good, 16);
        snap_assert_refused(noise, length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
    }
}
END_TEST

/* --- somebody else's --- */

START_TEST(test_state_of_another_namespace_is_refused)
{
    struct rky_error err = {0};
    struct rky_snapshot_head found;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    ck_assert_int_eq(rky_snapshot_decode(snap.good, snap.good_length, "globex", NULL, &found, NULL,
                                         NULL, &fault, &err),
                     RKY_ERR_STATE_FILE);
    ck_assert_int_eq(fault, RKY_SNAPSHOT_WRONG_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "'acme'"));
    ck_assert_ptr_nonnull(strstr(err.message, "'globex'"));
}
END_TEST

START_TEST(test_keys_have_to_agree)
{
    struct rky_snapshot_key mine = kit_snapshot_key(1), other = kit_snapshot_key(2);
    unsigned char *sealed = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&snap.head, snap.raw, snap.raw_length, &mine, &sealed, &length,
                                  assert_err_));
    snap_assert_refused_with(sealed, length, NULL, RKY_SNAPSHOT_WRONG_KEY, "there is no");
    snap_assert_refused_with(sealed, length, &other, RKY_SNAPSHOT_WRONG_KEY, other.id);
    snap_assert_refused_with(snap.good, snap.good_length, &mine, RKY_SNAPSHOT_WRONG_KEY,
                             "is not encrypted");
    /* One that says it has our key's id and was sealed by another is forged. */
    struct rky_snapshot_key liar = other;
    memcpy(liar.id, mine.id, sizeof(liar.id));
    rky_free(sealed);
    assert_ok(rky_snapshot_encode(&snap.head, snap.raw, snap.raw_length, &liar, &sealed, &length,
                                  assert_err_));
    snap_assert_refused_with(sealed, length, &mine, RKY_SNAPSHOT_CORRUPT, "seal");
    rky_free(sealed);
}
END_TEST

START_TEST(test_sealed_content_fits_its_own_head_only)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    struct rky_snapshot_head later = snap.head;
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&snap.head, snap.raw, snap.raw_length, &key, &bytes, &length,
                                  assert_err_));
    size_t payload = RKY_SNAPSHOT_PREFIX_BYTES + ((size_t)bytes[10] << 8 | bytes[11]);
    /* The old payload under a newer generation. */
    struct rky_snapshot_header header = {.head = later, .sealed = true};
    header.head.generation++;
    memcpy(header.key_id, key.id, sizeof(key.id));
    size_t mixed_length = 0;
    unsigned char *mixed = snap_frame_of(
        &header, bytes + payload, length - payload - RKY_SNAPSHOT_TRAILER_BYTES, &mixed_length);
    snap_assert_refused_with(mixed, mixed_length, &key, RKY_SNAPSHOT_CORRUPT, "seal");
    rky_free(mixed);
    rky_free(bytes);
}
END_TEST

/* --- newer --- */

START_TEST(test_newer_format_is_told_from_damage)
{
    snap.good[5] = 2;
    snap_assert_refused(snap.good, snap.good_length, RKY_SNAPSHOT_CORRUPT, "digest");
    snap_sign(snap.good, snap.good_length);
    snap_assert_refused(snap.good, snap.good_length, RKY_SNAPSHOT_NEWER, "format 2");
}
END_TEST

START_TEST(test_content_that_needs_a_newer_reader_is_refused)
{
    size_t length = 0;
    snap.head.min_reader_version = RKY_LEDGER_SCHEMA_VERSION + 1;
    snap.head.schema_version = RKY_LEDGER_SCHEMA_VERSION + 1;
    unsigned char *bytes = snap_forged(snap.raw, snap.raw_length, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_NEWER, "schema version 3");
    rky_free(bytes);
}
END_TEST

START_TEST(test_header_has_a_checksum_of_its_own)
{
    char *at = memmem(snap.good, snap.good_length, "\"zstd\"", 6);
    ck_assert_ptr_nonnull(at);
    memcpy(at, "\"lz99\"", 6);
    snap_sign(snap.good, snap.good_length);
    snap_assert_refused(snap.good, snap.good_length, RKY_SNAPSHOT_CORRUPT, "checksum");
    struct rky_error err = {0};
    struct rky_snapshot_head found;
    ck_assert_int_eq(rky_snapshot_peek(snap.good, snap.good_length, &found, &err),
                     RKY_ERR_STATE_FILE);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("snapshot bytes");
    TCase *bytes = tcase_create("bytes");
    tcase_set_timeout(bytes, TIMEOUT_S);
    tcase_add_checked_fixture(bytes, snap_setup, snap_teardown);
    tcase_add_test(bytes, test_every_shorter_beginning_is_refused);
    tcase_add_test(bytes, test_something_behind_the_end_is_refused);
    tcase_add_test(bytes, test_every_flipped_byte_is_refused);
    tcase_add_test(bytes, test_every_flipped_byte_of_a_sealed_snapshot_is_refused);
    tcase_add_test(bytes, test_flipped_byte_behind_a_right_trailer_changes_no_content);
    tcase_add_test(bytes,
                   test_every_flipped_byte_of_a_sealed_payload_behind_a_right_trailer_is_refused);
    tcase_add_test(bytes, test_garbage_is_refused);
    tcase_add_test(bytes, test_state_of_another_namespace_is_refused);
    tcase_add_test(bytes, test_keys_have_to_agree);
    tcase_add_test(bytes, test_sealed_content_fits_its_own_head_only);
    tcase_add_test(bytes, test_newer_format_is_told_from_damage);
    tcase_add_test(bytes, test_content_that_needs_a_newer_reader_is_refused);
    tcase_add_test(bytes, test_header_has_a_checksum_of_its_own);
    snap_add_lies(bytes);
    suite_add_tcase(suite, bytes);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
