/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers and digests: random bytes, UUIDs, SHA-256, and the rules for names that people and
 * messages bring in.
 */
#ifndef RKY_COMMON_IDS_H
#define RKY_COMMON_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"

#define RKY_UUID_TEXT 37 /**< 36 characters and NUL */
#define RKY_SHA256_BYTES 32
#define RKY_SHA256_HEX 65 /**< 64 characters and NUL */

/** @brief Fill from the kernel's generator; aborts when it is unusable (never seen on Linux). */
void rky_random_bytes(void *ret_bytes, size_t length);
/** @brief Uniform in [0, 1). */
double rky_random_unit(void);

/** @brief UUIDv7 (RFC 9562): time-ordered, for job and run ids. */
void rky_uuid_v7(struct rky_clock *clock, char ret_text[RKY_UUID_TEXT]);
/** @brief UUIDv4: for claim, commit and write ids that must not repeat. */
void rky_uuid_v4(char ret_text[RKY_UUID_TEXT]);
/** @brief UUIDv5 in the project's own namespace: the same name gives the same id on every host. */
void rky_uuid_v5(const char *name, char ret_text[RKY_UUID_TEXT]);
/** @brief Whether @p text is a UUID in its 36-character form, either case. */
bool rky_uuid_valid(const char *text);

void rky_sha256(const void *bytes, size_t length, uint8_t ret_bytes[RKY_SHA256_BYTES]);
void rky_sha256_hex(const void *bytes, size_t length, char ret_hex[RKY_SHA256_HEX]);

/** SHA-256 of what comes in pieces. */
struct rky_sha256;
/** @return owned, NULL when memory is out. */
struct rky_sha256 *rky_sha256_new(void);
void rky_sha256_add(struct rky_sha256 *digest, const void *bytes, size_t length);
/** @brief The digest of all pieces; frees @p digest. */
void rky_sha256_finish(struct rky_sha256 *digest, char ret_hex[RKY_SHA256_HEX]);

/** @brief `^[a-z0-9][a-z0-9_-]{0,62}$`. */
bool rky_namespace_valid(const char *text);
/** @brief Whether the bytes are valid UTF-8 without NUL. */
bool rky_utf8_valid(const char *bytes, size_t length);

/** @brief Bytes of the UTF-8 sequence @p bytes begins with, 0 when there is none (or no byte). */
size_t rky_utf8_next(const char *bytes, size_t length);

/** @brief Shell-style match: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; case-sensitive; `*` also matches
 * dots. */
bool rky_glob_match(const char *pattern, const char *text);
/** @brief The candidate nearest to @p word (edit distance at most 3 and under half the word).
 *  @param candidates NULL-terminated. @return borrowed, NULL when none is near. */
const char *rky_nearest(const char *word, const char *const *candidates);

#endif
