/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots whose bytes are whole and whose words are not true: sizes, headers and contents that
 * somebody made up, behind a right frame and a right trailer.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zstd.h>

#include "common/ids.h"
#include "common/mem.h"
#include "tests/unit/snapshot_forge.h"

/* --- lies --- */

START_TEST(test_right_frame_around_another_content_is_refused)
{
    size_t length = 0;
    unsigned char *changed = snap_copy_of(snap.raw, snap.raw_length);
    changed[snap.raw_length - 1] ^= 1;
    unsigned char *bytes = snap_forged(changed, snap.raw_length, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "digest");
    rky_free(bytes);
    rky_free(changed);
}
END_TEST

START_TEST(test_wrong_size_is_refused)
{
    static const int64_t LIES[] = {-1, 1, 512, 4096, INT64_C(1) << 30};
    for (size_t i = 0; i < sizeof(LIES) / sizeof(LIES[0]); i++) {
        size_t length = 0;
        snap.head.raw_size = (int64_t)snap.raw_length + LIES[i];
        unsigned char *bytes = snap_forged(snap.raw, snap.raw_length, &length);
        snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
        rky_free(bytes);
    }
}
END_TEST

START_TEST(test_size_above_the_limit_is_refused)
{
    size_t length = 0;
    snap.head.raw_size = RKY_SNAPSHOT_RAW_MAX + 1;
    unsigned char *bytes = snap_forged(snap.raw, snap.raw_length, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_TOO_LARGE, "at most");
    rky_free(bytes);
}
END_TEST

/* A frame header that promises 3 GiB, and then next to nothing. */
START_TEST(test_bomb_that_only_promises_takes_no_memory)
{
    static const unsigned char PROMISE[] = {
        0x28, 0xb5, 0x2f, 0xfd,                         /* magic */
        0xe0,                                           /* single segment, 8 bytes of size */
        0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, /* 3 GiB */
        0x03, 0x00, 0x10, 0x00,                         /* one run of 128 KiB */
    };
    size_t length = 0;
    snap.head.raw_size = INT64_C(3) << 30;
    struct rky_snapshot_header header = {.head = snap.head};
    unsigned char *bytes = snap_frame_of(&header, PROMISE, sizeof(PROMISE), &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    rky_free(bytes);
}
END_TEST

static int64_t peak_kb(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

START_TEST(test_bomb_that_explodes_is_no_larger_than_it_says)
{
    const size_t size = (size_t)256 << 20;
    unsigned char *zeros = calloc(1, size);
    size_t length = 0, payload_length = 0;
    ck_assert_ptr_nonnull(zeros);
    unsigned char *payload = snap_compressed(zeros, size, &payload_length);
    free(zeros);

    struct rky_snapshot_header header = {.head = snap.head};
    /* It says that it is small. */
    unsigned char *bytes = snap_frame_of(&header, payload, payload_length, &length);
    int64_t before = peak_kb();
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    ck_assert_int_lt(peak_kb() - before, 8 * 1024);
    rky_free(bytes);
    rky_free(payload);
}
END_TEST

/* The same without a size in the frame: the streaming form of zstd. */
START_TEST(test_frame_without_a_size_is_refused)
{
    unsigned char *payload = rky_malloc(ZSTD_compressBound(snap.raw_length));
    ZSTD_CStream *stream = ZSTD_createCStream();
    ZSTD_inBuffer from = {.src = snap.raw, .size = snap.raw_length};
    ZSTD_outBuffer to = {.dst = payload, .size = ZSTD_compressBound(snap.raw_length)};
    ck_assert(!ZSTD_isError(ZSTD_initCStream(stream, 1)));
    ck_assert(!ZSTD_isError(ZSTD_compressStream(stream, &to, &from)));
    ck_assert_uint_eq(ZSTD_endStream(stream, &to), 0);
    struct rky_snapshot_header header = {.head = snap.head};
    size_t length = 0;
    unsigned char *bytes = snap_frame_of(&header, payload, to.pos, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    rky_free(bytes);
    rky_free(payload);
    (void)ZSTD_freeCStream(stream);
}
END_TEST

START_TEST(test_something_behind_the_compressed_frame_is_refused)
{
    size_t payload_length = 0, length = 0;
    unsigned char *payload = snap_compressed(snap.raw, snap.raw_length, &payload_length);
    unsigned char *twice = rky_malloc(2 * payload_length);
    memcpy(twice, payload, payload_length);
    memcpy(twice + payload_length, payload, payload_length);
    struct rky_snapshot_header header = {.head = snap.head};
    unsigned char *bytes = snap_frame_of(&header, twice, 2 * payload_length, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    rky_free(bytes);
    bytes = snap_frame_of(&header, payload, payload_length - 5, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
    rky_free(bytes);
    rky_free(twice);
    rky_free(payload);
}
END_TEST

/* --- headers --- */

/* A frame with a changed header and everything else right; its checksum is computed anew here. */
static unsigned char *with_header(const char *from, const char *into, size_t *ret_length)
{
    struct rky_strbuf frame = {.data = NULL};
    struct rky_snapshot_header header = {.head = snap.head};
    assert_ok(rky_snapshot_header_write(&header, &frame, assert_err_));
    char *json = rky_strbuf_take(&frame);
    const char *at = strstr(json + RKY_SNAPSHOT_PREFIX_BYTES, from);
    ck_assert_msg(at != NULL, "%s is not in %s", from, json + RKY_SNAPSHOT_PREFIX_BYTES);
    struct rky_strbuf text = {.data = NULL};
    rky_strbuf_addn(&text, json + RKY_SNAPSHOT_PREFIX_BYTES,
                    (size_t)(at - json) - RKY_SNAPSHOT_PREFIX_BYTES);
    rky_strbuf_add(&text, into);
    rky_strbuf_add(&text, at + strlen(from));

    unsigned char prefix[RKY_SNAPSHOT_PREFIX_BYTES];
    memcpy(prefix, json, sizeof(prefix));
    prefix[10] = (unsigned char)(text.length >> 8);
    prefix[11] = (unsigned char)text.length;
    rky_strbuf_addn(&frame, prefix, sizeof(prefix));
    rky_strbuf_addn(&frame, text.data, text.length);
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < frame.length; i++) {
        if (i >= 12 && i < 16)
            continue;
        crc ^= (unsigned char)frame.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ UINT32_C(0x82f63b78) : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        frame.data[12 + i] = (char)(unsigned char)(~crc >> (24 - 8 * i));
    size_t payload_length = 0;
    unsigned char *payload = snap_compressed(snap.raw, snap.raw_length, &payload_length);
    rky_strbuf_addn(&frame, payload, payload_length);
    unsigned char digest[RKY_SNAPSHOT_TRAILER_BYTES] = {0};
    rky_strbuf_addn(&frame, digest, sizeof(digest));
    *ret_length = frame.length;
    unsigned char *bytes = (unsigned char *)rky_strbuf_take(&frame);
    snap_sign(bytes, *ret_length);
    rky_strbuf_done(&text);
    rky_free(payload);
    free(json);
    return bytes;
}

START_TEST(test_header_fields_have_their_kind_and_range)
{
    static const struct {
        const char *from, *into;
        enum rky_snapshot_fault fault;
        const char *words;
    } ROWS[] = {
        {"\"generation\":3", "\"generation\":-3", RKY_SNAPSHOT_CORRUPT, "'generation'"},
        {"\"generation\":3", "\"generation\":\"3\"", RKY_SNAPSHOT_CORRUPT, "'generation'"},
        {"\"generation\":3", "\"generation\":3.5", RKY_SNAPSHOT_CORRUPT, "'generation'"},
        {"\"generation\":3", "\"generation\":99999999999999999999", RKY_SNAPSHOT_CORRUPT, "all"},
        {"\"generation\":3", "\"generation\":3,\"generation\":4", RKY_SNAPSHOT_CORRUPT, "all"},
        {"\"generation\":3,", "", RKY_SNAPSHOT_CORRUPT, "'generation'"},
        {"\"fence\":7", "\"fence\":null", RKY_SNAPSHOT_CORRUPT, "'fence'"},
        {"\"namespace\":\"acme\"", "\"namespace\":\"../../etc\"", RKY_SNAPSHOT_CORRUPT,
         "'namespace'"},
        {"\"namespace\":\"acme\"", "\"namespace\":\"ac\\u0000me\"", RKY_SNAPSHOT_CORRUPT, "all"},
        {"\"namespace\":\"acme\"",
         "\"namespace\":"
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
         RKY_SNAPSHOT_CORRUPT, "'namespace'"},
        {"\"lineage\":\"", "\"lineage\":\"x", RKY_SNAPSHOT_CORRUPT, "'lineage'"},
        {"\"write_id\":\"", "\"write_id\":\"", RKY_SNAPSHOT_GOOD, ""},
        {"\"write_id\":\"", "\"other\":\"", RKY_SNAPSHOT_CORRUPT, "'write_id'"},
        {"\"ancestors\":[", "\"ancestors\":[7,", RKY_SNAPSHOT_CORRUPT, "'ancestors'"},
        {"\"ancestors\":[", "\"ancestors\":[\"a\",", RKY_SNAPSHOT_CORRUPT, "'ancestors'"},
        {"\"raw_sha256\":\"", "\"raw_sha256\":\"F", RKY_SNAPSHOT_CORRUPT, "'raw_sha256'"},
        {"\"writer\":{", "\"writer\":7,\"w\":{", RKY_SNAPSHOT_CORRUPT, "'worker_id'"},
        {"\"compression\":\"zstd\"", "\"compression\":\"lzma\"", RKY_SNAPSHOT_NEWER,
         "does not know"},
        {"\"encryption\":null", "\"encryption\":\"rot13\"", RKY_SNAPSHOT_CORRUPT, "'key_id'"},
        {"\"encryption\":null,\"key_id\":null", "\"encryption\":\"rot13\",\"key_id\":\"1\"",
         RKY_SNAPSHOT_NEWER, "does not know"},
        {"\"schema_version\":2", "\"schema_version\":1", RKY_SNAPSHOT_CORRUPT, "schema version"},
        {"\"restored_from\":2", "\"restored_from\":2,\"a_later_field\":{\"x\":[1]}",
         RKY_SNAPSHOT_GOOD, ""},
        {"{\"namespace\"", "[{\"namespace\"", RKY_SNAPSHOT_CORRUPT, "all"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        size_t length = 0;
        unsigned char *bytes = with_header(ROWS[i].from, ROWS[i].into, &length);
        if (ROWS[i].fault == RKY_SNAPSHOT_GOOD) {
            struct rky_snapshot_head found;
            enum rky_snapshot_fault fault = RKY_SNAPSHOT_CORRUPT;
            assert_ok(rky_snapshot_decode(bytes, length, "acme", NULL, &found, NULL, NULL, &fault,
                                          assert_err_));
            ck_assert_int_eq(fault, RKY_SNAPSHOT_GOOD);
        } else {
            snap_assert_refused(bytes, length, ROWS[i].fault, ROWS[i].words);
        }
        rky_free(bytes);
    }
}
END_TEST

/* --- content that is no ledger --- */

START_TEST(test_first_bytes_of_the_content_are_looked_at)
{
    static const struct {
        size_t at;
        unsigned char value;
        const char *words;
    } ROWS[] = {
        {0, 'X', "not an SQLite database"},
        {16, 0x03, "page size"},
        {17, 0x01, "page size"},
        {18, 2, "journal"},
        {19, 2, "journal"},
        {31, 0xff, "size"},
        {59, 2, "UTF-8"},
        {63, 1, "schema version"},
        {68, 0, "another program"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        size_t length = 0;
        unsigned char *content = snap_copy_of(snap.raw, snap.raw_length);
        content[ROWS[i].at] = ROWS[i].value;
        rky_sha256_hex(content, snap.raw_length, snap.head.raw_sha256);
        unsigned char *bytes = snap_forged(content, snap.raw_length, &length);
        snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, ROWS[i].words);
        rky_free(bytes);
        rky_free(content);
    }
    size_t length = 0;
    snap.head.raw_size = 50;
    rky_sha256_hex(snap.raw, 50, snap.head.raw_sha256);
    unsigned char *bytes = snap_forged(snap.raw, 50, &length);
    snap_assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "too short");
    rky_free(bytes);
}
END_TEST

START_TEST(test_each_fault_has_its_class)
{
    ck_assert_ptr_null(rky_snapshot_fault_class(RKY_SNAPSHOT_GOOD));
    ck_assert_str_eq(rky_snapshot_fault_class(RKY_SNAPSHOT_CORRUPT), "corrupt");
    ck_assert_str_eq(rky_snapshot_fault_class(RKY_SNAPSHOT_WRONG_STATE), "wrong_namespace");
    ck_assert_str_eq(rky_snapshot_fault_class(RKY_SNAPSHOT_WRONG_KEY), "encryption_key");
    ck_assert_str_eq(rky_snapshot_fault_class(RKY_SNAPSHOT_NEWER), "schema_newer");
    ck_assert_str_eq(rky_snapshot_fault_class(RKY_SNAPSHOT_TOO_LARGE), "too_large");
}
END_TEST

void snap_add_lies(TCase *tcase)
{
    tcase_add_test(tcase, test_right_frame_around_another_content_is_refused);
    tcase_add_test(tcase, test_wrong_size_is_refused);
    tcase_add_test(tcase, test_size_above_the_limit_is_refused);
    tcase_add_test(tcase, test_bomb_that_only_promises_takes_no_memory);
    tcase_add_test(tcase, test_bomb_that_explodes_is_no_larger_than_it_says);
    tcase_add_test(tcase, test_frame_without_a_size_is_refused);
    tcase_add_test(tcase, test_something_behind_the_compressed_frame_is_refused);
    tcase_add_test(tcase, test_header_fields_have_their_kind_and_range);
    tcase_add_test(tcase, test_first_bytes_of_the_content_are_looked_at);
    tcase_add_test(tcase, test_each_fault_has_its_class);
}
