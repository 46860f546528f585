/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation through one door, so that tests can make the Nth one fail.
 *
 * Ownership words used in every header: *borrows* (the caller keeps it), *takes* (the callee frees
 * it, also on failure), *returns owned*, *returns borrowed (valid until X)*.
 */
#ifndef RKY_COMMON_MEM_H
#define RKY_COMMON_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/** All return NULL when memory is out; rky_calloc and rky_reallocarray check the product. */
void *rky_malloc(size_t size);
void *rky_calloc(size_t count, size_t size);
void *rky_reallocarray(void *old, size_t count, size_t size);
char *rky_strdup(const char *text);
char *rky_strndup(const char *text, size_t length);
char *rky_asprintf(const char *format, ...) RKY_PRINTF(1, 2);
void rky_free(void *memory);

/** @brief Route jansson, SQLite and friends through nothing special: only ours is counted. The
 *         Nth call from now on fails (1 = the next one), 0 switches off. For tests; process-wide.
 */
void rky_mem_fail_nth(uint64_t nth);
/** @brief Whether the failure asked for has happened. */
bool rky_mem_failed(void);

/**
 * @brief Grow an array to hold @p wanted elements, at least doubling.
 * @param array    Address of the array pointer.
 * @param capacity Address of its capacity in elements.
 * @return 0 or RKY_ERR_NOMEM with the array untouched.
 */
RKY_MUST_CHECK int rky_array_reserve(void *array, size_t *capacity, size_t wanted,
                                     size_t element_size, struct rky_error *err);

/** A growing byte buffer that is always NUL-terminated; `failed` is sticky, so that a builder may
 *  append freely and check once. */
struct rky_strbuf {
    char *data; /**< NULL while empty */
    size_t length;
    size_t capacity;
    bool failed; /**< an append ran out of memory */
};

void rky_strbuf_add(struct rky_strbuf *buffer, const char *text);
void rky_strbuf_addn(struct rky_strbuf *buffer, const void *bytes, size_t length);
void rky_strbuf_addf(struct rky_strbuf *buffer, const char *format, ...) RKY_PRINTF(2, 3);
void rky_strbuf_addv(struct rky_strbuf *buffer, const char *format, va_list values)
    RKY_PRINTF(2, 0);
void rky_strbuf_addc(struct rky_strbuf *buffer, char c);
/** @brief Text so far, "" when empty. Borrowed, valid until the next append. */
const char *rky_strbuf_text(const struct rky_strbuf *buffer);
/** @brief Hand the text over; the buffer is empty after. @return owned, NULL when an append
 *         failed. */
char *rky_strbuf_take(struct rky_strbuf *buffer);
void rky_strbuf_done(struct rky_strbuf *buffer);

/** A list of owned texts. */
struct rky_strings {
    char **items;
    size_t count;
};

/** @brief Append a copy. Grows by one at a time: for short lists. */
RKY_MUST_CHECK int rky_strings_add(struct rky_strings *strings, const char *text,
                                   struct rky_error *err);
bool rky_strings_has(const struct rky_strings *strings, const char *text);
void rky_strings_done(struct rky_strings *strings);

#endif
