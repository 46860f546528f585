/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes that are damaged, foreign or hostile: each is refused with its own class, and none
 * makes the reader take memory for what it only says.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zstd.h>

#include "common/ids.h"
#include "common/mem.h"
#include "state/snapshot_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/snapshot_kit.h"

static unsigned char *raw;
static size_t raw_length;
static struct rky_snapshot_head head;
static unsigned char *good;
static size_t good_length;

static void setup(void)
{
    kit_snapshot_source(&head, &raw, &raw_length);
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, NULL, &good, &good_length, assert_err_));
}

static void teardown(void)
{
    rky_free(raw);
    rky_free(good);
}

/* --- helpers --- */

static void assert_refused_with(const void *bytes, size_t length,
                                const struct rky_snapshot_key *key,
                                enum rky_snapshot_fault expected, const char *words)
{
    struct rky_error err = {0};
    struct rky_snapshot_head found;
    unsigned char *back = NULL;
    size_t back_length = 0;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    int rc =
        rky_snapshot_decode(bytes, length, "acme", key, &found, &back, &back_length, &fault, &err);
    ck_assert_msg(rc == RKY_ERR_STATE_FILE, "%d: %s", rc, err.message);
    ck_assert_msg(fault == expected, "%s instead of %s: %s", rky_snapshot_fault_class(fault),
                  rky_snapshot_fault_class(expected), err.message);
    ck_assert_ptr_null(back);
    ck_assert_msg(strstr(err.message, words) != NULL, "'%s' does not say '%s'", err.message, words);
    ck_assert_str_ne(err.hint, "");
}

static void assert_refused(const void *bytes, size_t length, enum rky_snapshot_fault expected,
                           const char *words)
{
    assert_refused_with(bytes, length, NULL, expected, words);
}

/* An envelope with our own payload and a right trailer. @return owned. */
static unsigned char *frame_of(const struct rky_snapshot_header *header, const void *payload,
                               size_t payload_length, size_t *ret_length)
{
    struct rky_strbuf frame = {.data = NULL};
    unsigned char digest[RKY_SNAPSHOT_TRAILER_BYTES];
    assert_ok(rky_snapshot_header_write(header, &frame, assert_err_));
    rky_strbuf_addn(&frame, payload, payload_length);
    assert_ok(rky_snapshot_digest(frame.data, frame.length, digest, assert_err_));
    rky_strbuf_addn(&frame, digest, sizeof(digest));
    *ret_length = frame.length;
    return (unsigned char *)rky_strbuf_take(&frame);
}

static unsigned char *compressed(const void *bytes, size_t length, size_t *ret_length)
{
    size_t room = ZSTD_compressBound(length);
    unsigned char *out = rky_malloc(room);
    ck_assert_ptr_nonnull(out);
    *ret_length = ZSTD_compress(out, room, bytes, length, 1);
    ck_assert(!ZSTD_isError(*ret_length));
    return out;
}

/* A right envelope around @p content, whatever that is, with the head as it stands in `head`. */
static unsigned char *forged(const void *content, size_t content_length, size_t *ret_length)
{
    size_t length = 0;
    unsigned char *payload = compressed(content, content_length, &length);
    struct rky_snapshot_header header = {.head = head};
    unsigned char *frame = frame_of(&header, payload, length, ret_length);
    rky_free(payload);
    return frame;
}

static void sign(unsigned char *bytes, size_t length)
{
    assert_ok(rky_snapshot_digest(bytes, length - RKY_SNAPSHOT_TRAILER_BYTES,
                                  bytes + length - RKY_SNAPSHOT_TRAILER_BYTES, assert_err_));
}

static unsigned char *copy_of(const void *bytes, size_t length)
{
    unsigned char *copy = rky_malloc(length);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    return copy;
}

/* --- damage --- */

START_TEST(test_every_shorter_beginning_is_refused)
{
    for (size_t length = 0; length < good_length; length++) {
        /* In a block of its own, so that a look beyond the end is seen by the tools. */
        unsigned char *cut = copy_of(good, length);
        assert_refused(cut, length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
        rky_free(cut);
    }
}
END_TEST

START_TEST(test_something_behind_the_end_is_refused)
{
    unsigned char *longer = rky_calloc(1, good_length + 1);
    memcpy(longer, good, good_length);
    assert_refused(longer, good_length + 1, RKY_SNAPSHOT_CORRUPT, "digest");
    rky_free(longer);
}
END_TEST

START_TEST(test_every_flipped_byte_is_refused)
{
    static const unsigned char MASKS[] = {0x01, 0x20, 0x80, 0xff};
    for (size_t at = 0; at < good_length; at++) {
        for (size_t i = 0; i < sizeof(MASKS); i++) {
            good[at] ^= MASKS[i];
            assert_refused(good, good_length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
            good[at] ^= MASKS[i];
        }
    }
}
END_TEST

START_TEST(test_every_flipped_byte_of_a_sealed_snapshot_is_refused)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &key, &bytes, &length, assert_err_));
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= 0xff;
        assert_refused_with(bytes, length, &key, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
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
    for (size_t at = 0; at < good_length - RKY_SNAPSHOT_TRAILER_BYTES; at++) {
        struct rky_error err = {0};
        struct rky_snapshot_head found;
        unsigned char *back = NULL;
        size_t back_length = 0;
        enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
        good[at] ^= 0x01;
        sign(good, good_length);
        int rc = rky_snapshot_decode(good, good_length, "acme", NULL, &found, &back, &back_length,
                                     &fault, &err);
        if (rc == 0) {
            ck_assert_uint_eq(back_length, raw_length);
            ck_assert_mem_eq(back, raw, raw_length);
            same++;
        } else {
            ck_assert_int_eq(rc, RKY_ERR_STATE_FILE);
            ck_assert(fault == RKY_SNAPSHOT_CORRUPT || (fault == RKY_SNAPSHOT_NEWER && at < 8));
        }
        rky_free(back);
        good[at] ^= 0x01;
    }
    ck_assert_int_lt(same, 8);
}
END_TEST

START_TEST(test_every_flipped_byte_of_a_sealed_payload_behind_a_right_trailer_is_refused)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &key, &bytes, &length, assert_err_));
    size_t payload = RKY_SNAPSHOT_PREFIX_BYTES + ((size_t)bytes[10] << 8 | bytes[11]);
    for (size_t at = payload; at < length - RKY_SNAPSHOT_TRAILER_BYTES; at++) {
        bytes[at] ^= 0x01;
        sign(bytes, length);
        assert_refused_with(bytes, length, &key, RKY_SNAPSHOT_CORRUPT, "seal");
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
        assert_refused(TEXTS[i], strlen(TEXTS[i]), RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
    unsigned char noise[4096];
    for (int round = 0; round < 2000; round++) {
        size_t length = (size_t)round * 2;
        rky_random_bytes(noise, length);
        if (round % 2 == 0 && length > 16)
            memcpy(noise, good, 16);
        assert_refused(noise, length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
    }
}
END_TEST

/* --- somebody else's --- */

START_TEST(test_state_of_another_namespace_is_refused)
{
    struct rky_error err = {0};
    struct rky_snapshot_head found;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    ck_assert_int_eq(
        rky_snapshot_decode(good, good_length, "globex", NULL, &found, NULL, NULL, &fault, &err),
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
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &mine, &sealed, &length, assert_err_));
    assert_refused_with(sealed, length, NULL, RKY_SNAPSHOT_WRONG_KEY, "there is no");
    assert_refused_with(sealed, length, &other, RKY_SNAPSHOT_WRONG_KEY, other.id);
    assert_refused_with(good, good_length, &mine, RKY_SNAPSHOT_WRONG_KEY, "is not encrypted");
    /* One that says it has our key's id and was sealed by another is forged. */
    struct rky_snapshot_key liar = other;
    memcpy(liar.id, mine.id, sizeof(liar.id));
    rky_free(sealed);
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &liar, &sealed, &length, assert_err_));
    assert_refused_with(sealed, length, &mine, RKY_SNAPSHOT_CORRUPT, "seal");
    rky_free(sealed);
}
END_TEST

START_TEST(test_sealed_content_fits_its_own_head_only)
{
    struct rky_snapshot_key key = kit_snapshot_key(1);
    struct rky_snapshot_head later = head;
    unsigned char *bytes = NULL;
    size_t length = 0;
    assert_ok(rky_snapshot_encode(&head, raw, raw_length, &key, &bytes, &length, assert_err_));
    size_t payload = RKY_SNAPSHOT_PREFIX_BYTES + ((size_t)bytes[10] << 8 | bytes[11]);
    /* The old payload under a newer generation. */
    struct rky_snapshot_header header = {.head = later, .sealed = true};
    header.head.generation++;
    memcpy(header.key_id, key.id, sizeof(key.id));
    size_t mixed_length = 0;
    unsigned char *mixed = frame_of(&header, bytes + payload,
                                    length - payload - RKY_SNAPSHOT_TRAILER_BYTES, &mixed_length);
    assert_refused_with(mixed, mixed_length, &key, RKY_SNAPSHOT_CORRUPT, "seal");
    rky_free(mixed);
    rky_free(bytes);
}
END_TEST

/* --- newer --- */

START_TEST(test_newer_format_is_told_from_damage)
{
    good[5] = 2;
    assert_refused(good, good_length, RKY_SNAPSHOT_CORRUPT, "digest");
    sign(good, good_length);
    assert_refused(good, good_length, RKY_SNAPSHOT_NEWER, "format 2");
}
END_TEST

START_TEST(test_content_that_needs_a_newer_reader_is_refused)
{
    size_t length = 0;
    head.min_reader_version = RKY_LEDGER_SCHEMA_VERSION + 1;
    head.schema_version = RKY_LEDGER_SCHEMA_VERSION + 1;
    unsigned char *bytes = forged(raw, raw_length, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_NEWER, "schema version 3");
    rky_free(bytes);
}
END_TEST

START_TEST(test_header_has_a_checksum_of_its_own)
{
    char *at = memmem(good, good_length, "\"zstd\"", 6);
    ck_assert_ptr_nonnull(at);
    memcpy(at, "\"lz99\"", 6);
    sign(good, good_length);
    assert_refused(good, good_length, RKY_SNAPSHOT_CORRUPT, "checksum");
    struct rky_error err = {0};
    struct rky_snapshot_head found;
    ck_assert_int_eq(rky_snapshot_peek(good, good_length, &found, &err), RKY_ERR_STATE_FILE);
}
END_TEST

/* --- lies --- */

START_TEST(test_right_frame_around_another_content_is_refused)
{
    size_t length = 0;
    unsigned char *changed = copy_of(raw, raw_length);
    changed[raw_length - 1] ^= 1;
    unsigned char *bytes = forged(changed, raw_length, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "digest");
    rky_free(bytes);
    rky_free(changed);
}
END_TEST

START_TEST(test_wrong_size_is_refused)
{
    static const int64_t LIES[] = {-1, 1, 512, 4096, INT64_C(1) << 30};
    for (size_t i = 0; i < sizeof(LIES) / sizeof(LIES[0]); i++) {
        size_t length = 0;
        head.raw_size = (int64_t)raw_length + LIES[i];
        unsigned char *bytes = forged(raw, raw_length, &length);
        assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
        rky_free(bytes);
    }
}
END_TEST

START_TEST(test_size_above_the_limit_is_refused)
{
    size_t length = 0;
    head.raw_size = RKY_SNAPSHOT_RAW_MAX + 1;
    unsigned char *bytes = forged(raw, raw_length, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_TOO_LARGE, "at most");
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
    head.raw_size = INT64_C(3) << 30;
    struct rky_snapshot_header header = {.head = head};
    unsigned char *bytes = frame_of(&header, PROMISE, sizeof(PROMISE), &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
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
    unsigned char *payload = compressed(zeros, size, &payload_length);
    free(zeros);

    struct rky_snapshot_header header = {.head = head};
    /* It says that it is small. */
    unsigned char *bytes = frame_of(&header, payload, payload_length, &length);
    int64_t before = peak_kb();
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    ck_assert_int_lt(peak_kb() - before, 8 * 1024);
    rky_free(bytes);
    rky_free(payload);
}
END_TEST

/* The same without a size in the frame: the streaming form of zstd. */
START_TEST(test_frame_without_a_size_is_refused)
{
    unsigned char *payload = rky_malloc(ZSTD_compressBound(raw_length));
    ZSTD_CStream *stream = ZSTD_createCStream();
    ZSTD_inBuffer from = {.src = raw, .size = raw_length};
    ZSTD_outBuffer to = {.dst = payload, .size = ZSTD_compressBound(raw_length)};
    ck_assert(!ZSTD_isError(ZSTD_initCStream(stream, 1)));
    ck_assert(!ZSTD_isError(ZSTD_compressStream(stream, &to, &from)));
    ck_assert_uint_eq(ZSTD_endStream(stream, &to), 0);
    struct rky_snapshot_header header = {.head = head};
    size_t length = 0;
    unsigned char *bytes = frame_of(&header, payload, to.pos, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    rky_free(bytes);
    rky_free(payload);
    (void)ZSTD_freeCStream(stream);
}
END_TEST

START_TEST(test_something_behind_the_compressed_frame_is_refused)
{
    size_t payload_length = 0, length = 0;
    unsigned char *payload = compressed(raw, raw_length, &payload_length);
    unsigned char *twice = rky_malloc(2 * payload_length);
    memcpy(twice, payload, payload_length);
    memcpy(twice + payload_length, payload, payload_length);
    struct rky_snapshot_header header = {.head = head};
    unsigned char *bytes = frame_of(&header, twice, 2 * payload_length, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "not as long as it says");
    rky_free(bytes);
    bytes = frame_of(&header, payload, payload_length - 5, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "snapshot is corrupt");
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
    struct rky_snapshot_header header = {.head = head};
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
    unsigned char *payload = compressed(raw, raw_length, &payload_length);
    rky_strbuf_addn(&frame, payload, payload_length);
    unsigned char digest[RKY_SNAPSHOT_TRAILER_BYTES] = {0};
    rky_strbuf_addn(&frame, digest, sizeof(digest));
    *ret_length = frame.length;
    unsigned char *bytes = (unsigned char *)rky_strbuf_take(&frame);
    sign(bytes, *ret_length);
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
            assert_refused(bytes, length, ROWS[i].fault, ROWS[i].words);
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
        unsigned char *content = copy_of(raw, raw_length);
        content[ROWS[i].at] = ROWS[i].value;
        rky_sha256_hex(content, raw_length, head.raw_sha256);
        unsigned char *bytes = forged(content, raw_length, &length);
        assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, ROWS[i].words);
        rky_free(bytes);
        rky_free(content);
    }
    size_t length = 0;
    head.raw_size = 50;
    rky_sha256_hex(raw, 50, head.raw_sha256);
    unsigned char *bytes = forged(raw, 50, &length);
    assert_refused(bytes, length, RKY_SNAPSHOT_CORRUPT, "too short");
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

static Suite *suite(void)
{
    Suite *suite = suite_create("snapshot bytes");
    TCase *bytes = tcase_create("bytes");
    tcase_set_timeout(bytes, TIMEOUT_S);
    tcase_add_checked_fixture(bytes, setup, teardown);
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
    tcase_add_test(bytes, test_right_frame_around_another_content_is_refused);
    tcase_add_test(bytes, test_wrong_size_is_refused);
    tcase_add_test(bytes, test_size_above_the_limit_is_refused);
    tcase_add_test(bytes, test_bomb_that_only_promises_takes_no_memory);
    tcase_add_test(bytes, test_bomb_that_explodes_is_no_larger_than_it_says);
    tcase_add_test(bytes, test_frame_without_a_size_is_refused);
    tcase_add_test(bytes, test_something_behind_the_compressed_frame_is_refused);
    tcase_add_test(bytes, test_header_fields_have_their_kind_and_range);
    tcase_add_test(bytes, test_first_bytes_of_the_content_are_looked_at);
    tcase_add_test(bytes, test_each_fault_has_its_class);
    suite_add_tcase(suite, bytes);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
