/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot envelope: one ledger file as it travels to S3, Valkey and back. The same bytes
 * everywhere.
 *
 *   "RKYS" u16 format=1 u16 flags u32 header_length u32 header_crc32c | header JSON | payload |
 *   sha256 of all before
 *
 * integers big endian; payload = zstd of the SQLite file, sealed by AES-256-GCM with the header as
 * associated data when there is a key. Nothing in it is believed before all of it is verified; the
 * size after decompression is capped before memory is taken. Golden files: tests/golden/snapshot-*.
 */
#ifndef RKY_STATE_SNAPSHOT_H
#define RKY_STATE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/ids.h"

#define RKY_SNAPSHOT_FORMAT 1
enum { RKY_ANCESTORS_MAX = 16 };
/** A state larger than this is refused in either direction. */
#define RKY_SNAPSHOT_RAW_MAX ((int64_t)4 << 30)

/** Which version of which state this is. Fixed size, copied by value. The head object mirrors the
 *  first half into its metadata, so that a HEAD answers "is that mine?". */
struct rky_snapshot_head {
    char namespace_[64];
    char lineage[RKY_UUID_TEXT];
    int64_t generation;
    char write_id[RKY_UUID_TEXT];
    /** Write ids this content derives from, newest first; [0] is the parent. */
    char ancestors[RKY_ANCESTORS_MAX][RKY_UUID_TEXT];
    size_t ancestor_count;
    int64_t fence;
    int64_t schema_version, min_reader_version;
    char raw_sha256[RKY_SHA256_HEX];
    int64_t raw_size;

    int64_t created_at_us;
    char worker_id[128], version[32], host[128];       /**< of the writer */
    char run_id[RKY_UUID_TEXT], job_id[RKY_UUID_TEXT]; /**< "" = none */
    int64_t restored_from; /**< generation a restore took its content from, 0 = no restore */
};

/** @brief Whether content @p head derives from write @p write_id, or is it. */
bool rky_snapshot_derives(const struct rky_snapshot_head *head, const char *write_id);

/** The key of state.encryption_key, ready for use. */
struct rky_snapshot_key {
    bool present;
    unsigned char bytes[32];
    char id[17]; /**< first 16 hex digits of SHA-256 of the key: tells "other key" from "damaged" */
};
/** @brief 64 hex digits, or base64 of 32 bytes; NULL or "" = no key. @return 0 or RKY_ERR_CONFIG,
 *         never quoting the value. */
RKY_MUST_CHECK int rky_snapshot_key_parse(const char *text, struct rky_snapshot_key *ret_key,
                                          struct rky_error *err);

/**
 * @brief Wrap a serialized ledger. raw_size and raw_sha256 of @p head are filled here.
 * @param ret_bytes owned envelope.
 */
RKY_MUST_CHECK int rky_snapshot_encode(struct rky_snapshot_head *head, const void *raw,
                                       size_t raw_length, const struct rky_snapshot_key *key,
                                       unsigned char **ret_bytes, size_t *ret_length,
                                       struct rky_error *err);

/** Why an envelope was refused, for `error_class`: each with its own message and hint. */
enum rky_snapshot_fault {
    RKY_SNAPSHOT_GOOD,
    RKY_SNAPSHOT_CORRUPT,     /**< "corrupt": magic, CRC, hash, sizes, compression, SQLite file */
    RKY_SNAPSHOT_WRONG_STATE, /**< "wrong_namespace" */
    RKY_SNAPSHOT_WRONG_KEY,   /**< "encryption_key": missing, another key, or sealed expected */
    RKY_SNAPSHOT_NEWER,     /**< "schema_newer": min_reader_version above ours, or a newer format */
    RKY_SNAPSHOT_TOO_LARGE, /**< "too_large" */
};
/** @brief The error class, static; NULL for GOOD. */
const char *rky_snapshot_fault_class(enum rky_snapshot_fault fault);

/**
 * @brief Verify and unwrap. Everything: magic, format, CRC, trailer, namespace, versions, key,
 *        sizes, raw hash, SQLite header.
 * @param namespace_ expected; NULL = any (inspection, import).
 * @param ret_raw    owned SQLite file, NULL to verify without keeping it.
 * @return 0; RKY_ERR_STATE_FILE with @p ret_fault; RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_snapshot_decode(const void *bytes, size_t length, const char *namespace_,
                                       const struct rky_snapshot_key *key,
                                       struct rky_snapshot_head *ret_head, unsigned char **ret_raw,
                                       size_t *ret_raw_length, enum rky_snapshot_fault *ret_fault,
                                       struct rky_error *err);
/** @brief Only the header, CRC checked, the rest not looked at (it may be missing). */
RKY_MUST_CHECK int rky_snapshot_peek(const void *bytes, size_t length,
                                     struct rky_snapshot_head *ret_head, struct rky_error *err);

#endif
