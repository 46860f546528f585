/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as it travels: key, value and headers as bytes. Neither NUL-terminated by contract nor
 * trusted; everything here is bounded where it enters the process.
 */
#ifndef RKY_SCHEMAS_MESSAGE_H
#define RKY_SCHEMAS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct rky_header {
    char *name;  /**< owned, NUL-terminated */
    char *value; /**< owned, NULL = null header; NUL-terminated behind length for convenience */
    size_t length;
};

struct rky_message {
    char *key; /**< owned, NULL = null key */
    size_t key_length;
    char *value; /**< owned, NULL = tombstone */
    size_t value_length;
    struct rky_header *headers;
    size_t header_count, header_capacity;
    int64_t timestamp_ms; /**< broker's or producer's record time; 0 = none */
};

/** @brief Copy key and value in; NULL = null. */
RKY_MUST_CHECK int rky_message_set(struct rky_message *message, const void *key, size_t key_length,
                                   const void *value, size_t value_length, struct rky_error *err);
RKY_MUST_CHECK int rky_message_add_header(struct rky_message *message, const char *name,
                                          const void *value, size_t length, struct rky_error *err);
/** @brief Convenience for text headers. */
RKY_MUST_CHECK int rky_message_add_text(struct rky_message *message, const char *name,
                                        const char *value, struct rky_error *err);
/** @brief The last header of that name, NULL when absent or null. Borrowed. */
const struct rky_header *rky_message_header(const struct rky_message *message, const char *name);
RKY_MUST_CHECK int rky_message_copy(const struct rky_message *from, struct rky_message *ret_to,
                                    struct rky_error *err);
void rky_message_done(struct rky_message *message);

#endif
