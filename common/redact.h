/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding secrets in text, however they are spelled: as they are, percent-encoded (any selection
 * of bytes, either case, '+' for a space) or with JSON escapes.
 */
#ifndef RKY_COMMON_REDACT_H
#define RKY_COMMON_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/mem.h"

/** Shorter ones are ignored: they would blank out half of every line. */
#define RKY_SECRET_MIN 4

/** Zeroed = empty. Not locked: the owner does that. */
struct rky_redactor {
    char **secrets; /**< owned */
    size_t count;
    size_t capacity;
    bool starts[256]; /**< first bytes, of all spellings, that are worth a look */
};

/** @brief Remember a secret. @return 0 (also when it is too short or known) or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_redactor_add(struct rky_redactor *redactor, const char *secret);
/** @brief Append @p text to @p ret_clean with "***" for each secret. */
void rky_redact(const struct rky_redactor *redactor, const char *text, size_t length,
                struct rky_strbuf *ret_clean);
void rky_redactor_done(struct rky_redactor *redactor);

#endif
