/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the snapshot envelope share: the layout of the frame, the header as JSON, the
 * seal.
 *
 * The frame, integers big endian: 16 bytes of prefix (magic, format, flags, header length, CRC-32C
 * of the first twelve bytes and the header), the header, the payload, SHA-256 of all before. A
 * sealed payload is nonce, ciphertext, tag; prefix and header are its associated data. A later
 * format keeps magic, format and trailer, so that "newer" and "damaged" can be told apart.
 */
#ifndef RKY_STATE_SNAPSHOT_INTERNAL_H
#define RKY_STATE_SNAPSHOT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/ids.h"
#include "common/mem.h"
#include "state/snapshot.h"

enum {
    RKY_SNAPSHOT_PREFIX_BYTES = 16,
    RKY_SNAPSHOT_TRAILER_BYTES = RKY_SHA256_BYTES,
    RKY_SNAPSHOT_NONCE_BYTES = 12,
    RKY_SNAPSHOT_TAG_BYTES = 16,
    RKY_SNAPSHOT_SEAL_BYTES = RKY_SNAPSHOT_NONCE_BYTES + RKY_SNAPSHOT_TAG_BYTES,
    /** Of the header's JSON: many times what the longest one takes. */
    RKY_SNAPSHOT_HEADER_MAX = 64 * 1024,
};

/** The header as it stands in the frame. */
struct rky_snapshot_header {
    struct rky_snapshot_head head;
    bool sealed;
    char key_id[17]; /**< of the key that sealed it */
};

/** @brief Record why an envelope is refused, with the hint that fits. @return RKY_ERR_STATE_FILE.
 */
int rky_snapshot_refuse(enum rky_snapshot_fault fault, enum rky_snapshot_fault *ret_fault,
                        struct rky_error *err, const char *format, ...) RKY_PRINTF(4, 5);

/** @brief Append prefix and header. */
RKY_MUST_CHECK int rky_snapshot_header_write(const struct rky_snapshot_header *header,
                                             struct rky_strbuf *frame, struct rky_error *err);
/** @brief Read prefix and header. @param ret_end where the payload begins. */
RKY_MUST_CHECK int rky_snapshot_header_read(const unsigned char *bytes, size_t length,
                                            struct rky_snapshot_header *ret_header, size_t *ret_end,
                                            enum rky_snapshot_fault *ret_fault,
                                            struct rky_error *err);
/** @brief Magic, and the format that follows it. @return false when it is no envelope. */
bool rky_snapshot_format(const unsigned char *bytes, size_t length, unsigned *ret_format);

/** @brief Encrypt in place: @p payload is room for a nonce, @p length bytes, room for a tag. */
RKY_MUST_CHECK int rky_snapshot_seal(const struct rky_snapshot_key *key, const void *header,
                                     size_t header_length, unsigned char *payload, size_t length,
                                     struct rky_error *err);
/** @brief Decrypt and authenticate. @param payload nonce, ciphertext, tag.
 *  @param ret_plain owned, @p payload_length less nonce and tag. */
RKY_MUST_CHECK int rky_snapshot_open(const struct rky_snapshot_key *key, const void *header,
                                     size_t header_length, const unsigned char *payload,
                                     size_t payload_length, unsigned char **ret_plain,
                                     enum rky_snapshot_fault *ret_fault, struct rky_error *err);

#endif
