/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object as one Valkey string, so that nobody can pair one writer's mark with another's bytes:
 *
 *   "RKYV" u8 format=1 u8 etag_length etag | u64 modified_us u16 head_length head | body
 *
 * integers big endian; head = the lines of the object's metadata, as S3 has them in headers. The
 * etag comes first so that a script can compare it without reading the rest. Pure.
 */
#ifndef RKY_STATE_VALKEY_FRAME_H
#define RKY_STATE_VALKEY_FRAME_H

#include "state/remote.h"

enum {
    RKY_FRAME_MARK_MAX = 6 + RKY_ETAG_MAX,
    /** No frame's part before the body is longer. */
    RKY_FRAME_HEAD_MAX = 4096,
};

/** @brief What a frame of this version begins with. @return its length, 0 = no such etag. */
size_t rky_frame_mark(const char *etag, unsigned char ret_mark[RKY_FRAME_MARK_MAX]);
/** @param head NULL = none. @param ret_frame owned. */
RKY_MUST_CHECK int rky_frame_encode(const char *etag, int64_t modified_us,
                                    const struct rky_snapshot_head *head, const void *body,
                                    size_t length, unsigned char **ret_frame, size_t *ret_length,
                                    struct rky_error *err);
/** @brief Everything but the body, of a frame or of its first RKY_FRAME_HEAD_MAX bytes.
 *  @param ret_object exists, etag, head, modified_us are filled. @param ret_offset of the body.
 *  @return 0; RKY_ERR_DECODE (no error object); RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_frame_decode(const void *bytes, size_t length,
                                    struct rky_remote_object *ret_object, size_t *ret_offset);

#endif
