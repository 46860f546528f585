/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to the allocator, arrays that double and a string builder.
 *
 * The memory is plain malloc memory: what a library handed out for free() may go to rky_free() and
 * the other way round. The only state is the test switch that makes the Nth call fail; it is
 * atomic, so the functions may be called by any thread.
 */
#include <config.h>

#include "common/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls left until one fails; 0 = off. */
static _Atomic uint64_t fail_countdown;
static atomic_bool fail_happened;

void rky_mem_fail_nth(uint64_t nth)
{
    atomic_store(&fail_happened, false);
    atomic_store(&fail_countdown, nth);
}

bool rky_mem_failed(void)
{
    return atomic_load(&fail_happened);
}

static bool must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) {
            if (left == 1)
                atomic_store(&fail_happened, true);
            return left == 1;
        }
    }
    return false;
}

/* Never zero: then NULL always means that memory is out, and realloc() never frees. */
static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *rky_malloc(size_t size)
{
    return must_fail() ? NULL : malloc(at_least_one(size));
}

/* Checked here although the allocator does it, too: sanitizers take its answer for a bug. */
static bool overflows(size_t count, size_t size)
{
    size_t product = 0;
    return __builtin_mul_overflow(count, size, &product);
}

void *rky_calloc(size_t count, size_t size)
{
    if (overflows(count, size))
        return NULL;
    return must_fail() ? NULL : calloc(at_least_one(count), at_least_one(size));
}

void *rky_reallocarray(void *old, size_t count, size_t size)
{
    if (overflows(count, size))
        return NULL;
    return must_fail() ? NULL : reallocarray(old, at_least_one(count), at_least_one(size));
}

char *rky_strndup(const char *text, size_t length)
{
    size_t used = strnlen(text, length);
    char *copy = rky_malloc(used + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, used);
    copy[used] = '\0';
    return copy;
}

char *rky_strdup(const char *text)
{
    return rky_strndup(text, strlen(text));
}

char *rky_asprintf(const char *format, ...)
{
    struct rky_strbuf buffer = {0};
    va_list values;
    va_start(values, format);
    rky_strbuf_addv(&buffer, format, values);
    va_end(values);
    return rky_strbuf_take(&buffer);
}

void rky_free(void *memory)
{
    free(memory);
}

int rky_array_reserve(void *array, size_t *capacity, size_t wanted, size_t element_size,
                      struct rky_error *err)
{
    if (wanted <= *capacity)
        return 0;
    size_t grown = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
    if (grown < 8)
        grown = 8;
    if (grown < wanted)
        grown = wanted;

    /* The caller's pointer has its own type; copying its bytes is the way around aliasing rules. */
    void *old = NULL;
    memcpy(&old, array, sizeof(old));
    void *moved = rky_reallocarray(old, grown, element_size);
    if (moved == NULL)
        return rky_fail_nomem(err);
    memcpy(array, &moved, sizeof(moved));
    *capacity = grown;
    return 0;
}

/* Room for `more` bytes and the NUL behind them. */
static bool reserve(struct rky_strbuf *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    if (more >= SIZE_MAX - buffer->length ||
        rky_array_reserve(&buffer->data, &buffer->capacity, buffer->length + more + 1, 1, NULL) !=
            0)
        buffer->failed = true;
    return !buffer->failed;
}

void rky_strbuf_addn(struct rky_strbuf *buffer, const void *bytes, size_t length)
{
    if (length == 0 || !reserve(buffer, length))
        return;
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void rky_strbuf_add(struct rky_strbuf *buffer, const char *text)
{
    rky_strbuf_addn(buffer, text, strlen(text));
}

void rky_strbuf_addc(struct rky_strbuf *buffer, char c)
{
    rky_strbuf_addn(buffer, &c, 1);
}

void rky_strbuf_addv(struct rky_strbuf *buffer, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    if (length < 0) {
        buffer->failed = true;
    } else if (length > 0 && reserve(buffer, (size_t)length)) {
        (void)vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

void rky_strbuf_addf(struct rky_strbuf *buffer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    rky_strbuf_addv(buffer, format, values);
    va_end(values);
}

const char *rky_strbuf_text(const struct rky_strbuf *buffer)
{
    return buffer->data != NULL ? buffer->data : "";
}

char *rky_strbuf_take(struct rky_strbuf *buffer)
{
    char *text = NULL;
    if (!buffer->failed && buffer->data == NULL) {
        text = rky_strdup("");
    } else if (!buffer->failed) {
        text = buffer->data;
        buffer->data = NULL;
    }
    rky_strbuf_done(buffer);
    return text;
}

void rky_strbuf_done(struct rky_strbuf *buffer)
{
    rky_free(buffer->data);
    *buffer = (struct rky_strbuf){0};
}
