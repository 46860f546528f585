/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RKY_COMMON_SECRET_KEY_H
#define RKY_COMMON_SECRET_KEY_H
/**
 * @file
 * @brief A key of 32 bytes as people write it, for the configuration and for what encrypts.
 */

#include "common/error.h"

enum { RKY_SECRET_KEY_BYTES = 32 };

/** @brief Decode 64 hex digits or base64 of 32 bytes; blanks around them do not count.
 *  @return 0, or RKY_ERR_CONFIG with a message that quotes nothing of the text. */
RKY_MUST_CHECK int rky_secret_key_parse(const char *text,
                                        unsigned char ret_bytes[RKY_SECRET_KEY_BYTES],
                                        struct rky_error *err);

#endif
