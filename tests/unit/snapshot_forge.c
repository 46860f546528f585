/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots made up for a test; see snapshot_forge.h. */
#include "config.h"

#include "tests/unit/snapshot_forge.h"

#include <string.h>
#include <zstd.h>

#include "common/mem.h"

struct snap_world snap;

void snap_setup(void)
{
    kit_snapshot_source(&snap.head, &snap.raw, &snap.raw_length);
    assert_ok(rky_snapshot_encode(&snap.head, snap.raw, snap.raw_length, NULL, &snap.good,
                                  &snap.good_length, assert_err_));
}

void snap_teardown(void)
{
    rky_free(snap.raw);
    rky_free(snap.good);
}

void snap_assert_refused_with(const void *bytes, size_t length, const struct rky_snapshot_key *key,
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

void snap_assert_refused(const void *bytes, size_t length, enum rky_snapshot_fault expected,
                         const char *words)
{
    snap_assert_refused_with(bytes, length, NULL, expected, words);
}

unsigned char *snap_frame_of(const struct rky_snapshot_header *header, const void *payload,
                             size_t payload_length, size_t *ret_length)
{
    struct rky_strbuf frame = {.data = NULL};
    unsigned char digest[RKY_SNAPSHOT_TRAILER_BYTES];
    assert_ok(rky_snapshot_header_write(header, &frame, assert_err_));
    rky_strbuf_addn(&frame, payload, payload_length);
    rky_sha256(frame.data, frame.length, digest);
    rky_strbuf_addn(&frame, digest, sizeof(digest));
    *ret_length = frame.length;
    return (unsigned char *)rky_strbuf_take(&frame);
}

unsigned char *snap_compressed(const void *bytes, size_t length, size_t *ret_length)
{
    size_t room = ZSTD_compressBound(length);
    unsigned char *out = rky_malloc(room);
    ck_assert_ptr_nonnull(out);
    *ret_length = ZSTD_compress(out, room, bytes, length, 1);
    ck_assert(!ZSTD_isError(*ret_length));
    return out;
}

unsigned char *snap_forged(const void *content, size_t content_length, size_t *ret_length)
{
    size_t length = 0;
    unsigned char *payload = snap_compressed(content, content_length, &length);
    struct rky_snapshot_header header = {.head = snap.head};
    unsigned char *frame = snap_frame_of(&header, payload, length, ret_length);
    rky_free(payload);
    return frame;
}

void snap_sign(unsigned char *bytes, size_t length)
{
    rky_sha256(bytes, length - RKY_SNAPSHOT_TRAILER_BYTES,
               bytes + length - RKY_SNAPSHOT_TRAILER_BYTES);
}

unsigned char *snap_copy_of(const void *bytes, size_t length)
{
    unsigned char *copy = rky_malloc(length);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    return copy;
}
