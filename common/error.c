/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling the error object: who wins, how text is cut, which errno means what.
 *
 * Nothing here allocates, so that running out of memory can be reported like any other failure.
 * Text that does not fit ends in "..." and is never cut inside a UTF-8 sequence.
 */
#include <config.h>

#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ELLIPSIS[] = "...";

static const char *const ERROR_NAMES[] = {
    [-RKY_OK] = "ok",
    [-RKY_ERR_USAGE] = "usage",
    [-RKY_ERR_CONFIG] = "config",
    [-RKY_ERR_DECODE] = "decode",
    [-RKY_ERR_NOMEM] = "no_memory",
    [-RKY_ERR_IO] = "io",
    [-RKY_ERR_STATE_FILE] = "state_file",
    [-RKY_ERR_LOCKED] = "locked",
    [-RKY_ERR_NOT_FOUND] = "not_found",
    [-RKY_ERR_REFUSED] = "refused",
    [-RKY_ERR_FENCED] = "fenced",
    [-RKY_ERR_CONFLICT] = "conflict",
    [-RKY_ERR_SOURCE_MISSING] = "source_missing",
    [-RKY_ERR_CONNECTION] = "connection",
    [-RKY_ERR_AUTH] = "auth",
    [-RKY_ERR_QUERY] = "query",
    [-RKY_ERR_SCHEMA_DRIFT] = "schema_drift",
    [-RKY_ERR_TIMEOUT] = "timeout",
    [-RKY_ERR_QUOTA] = "quota",
    [-RKY_ERR_UNAVAILABLE] = "unavailable",
    [-RKY_ERR_INTERRUPTED] = "interrupted",
    [-RKY_ERR_CANCELLED] = "cancelled",
    [-RKY_ERR_STATE_SYNC] = "state_sync",
    [-RKY_ERR_UNSUPPORTED] = "unsupported",
    [-RKY_ERR_BUG] = "bug",
};

const char *rky_err_name(int code)
{
    const int count = (int)(sizeof(ERROR_NAMES) / sizeof(ERROR_NAMES[0]));
    return code <= 0 && code > -count ? ERROR_NAMES[-code] : "unknown";
}

/* snprintf that marks what it cut. size is at least sizeof(ELLIPSIS). */
static void RKY_PRINTF(3, 0)
    format_cut(char *buffer, size_t size, const char *format, va_list values)
{
    int length = vsnprintf(buffer, size, format, values);
    if (length < 0) {
        buffer[0] = '\0';
        return;
    }
    if ((size_t)length < size)
        return;
    size_t end = size - sizeof(ELLIPSIS);
    while (end > 0 && ((unsigned char)buffer[end] & 0xc0U) == 0x80U)
        end--;
    memcpy(buffer + end, ELLIPSIS, sizeof(ELLIPSIS));
}

static void RKY_PRINTF(3, 4) format_cut_args(char *buffer, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    format_cut(buffer, size, format, values);
    va_end(values);
}

int rky_fail(struct rky_error *err, enum rky_err code, const char *format, ...)
{
    RKY_ASSERT(code != RKY_OK);
    if (err != NULL && err->code == RKY_OK) {
        va_list values;
        va_start(values, format);
        /* The arguments may point into the object, so the text is built beside it. */
        char message[RKY_ERROR_MESSAGE_MAX];
        format_cut(message, sizeof(message), format, values);
        va_end(values);
        rky_error_clear(err);
        memcpy(err->message, message, sizeof(message));
        err->code = code;
        err->transient = code == RKY_ERR_NOMEM;
    }
    return code;
}

static enum rky_err code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
        return RKY_ERR_QUOTA;
    case ENOMEM:
        return RKY_ERR_NOMEM;
    default:
        return RKY_ERR_IO;
    }
}

static bool errno_is_transient(int number)
{
    return number == EINTR || number == EAGAIN || number == EMFILE || number == ENFILE ||
           number == ENOMEM;
}

int rky_fail_errno(struct rky_error *err, int saved_errno, const char *format, ...)
{
    enum rky_err code = code_of_errno(saved_errno);
    if (err == NULL || err->code != RKY_OK)
        return code;

    char room[128];
    const char *reason = strerror_r(saved_errno, room, sizeof(room));
    char what[RKY_ERROR_MESSAGE_MAX - sizeof(room)];
    va_list values;
    va_start(values, format);
    format_cut(what, sizeof(what), format, values);
    va_end(values);

    (void)rky_fail(err, code, "%s: %s", what, reason);
    err->sys_errno = saved_errno;
    err->transient = errno_is_transient(saved_errno);
    return code;
}

int rky_fail_nomem(struct rky_error *err)
{
    return rky_fail(err, RKY_ERR_NOMEM, "out of memory");
}

void rky_error_hint(struct rky_error *err, const char *format, ...)
{
    if (err == NULL || err->code == RKY_OK || err->hint[0] != '\0')
        return;
    char hint[RKY_ERROR_HINT_MAX];
    va_list values;
    va_start(values, format);
    format_cut(hint, sizeof(hint), format, values);
    va_end(values);
    memcpy(err->hint, hint, sizeof(hint));
}

void rky_error_wrap(struct rky_error *err, const char *format, ...)
{
    if (err == NULL || err->code == RKY_OK)
        return;
    char context[RKY_ERROR_MESSAGE_MAX];
    char message[RKY_ERROR_MESSAGE_MAX];
    va_list values;
    va_start(values, format);
    format_cut(context, sizeof(context), format, values);
    va_end(values);
    format_cut_args(message, sizeof(message), "%s: %s", context, err->message);
    memcpy(err->message, message, sizeof(message));
}

void rky_error_clear(struct rky_error *err)
{
    if (err == NULL)
        return;
    err->code = RKY_OK;
    err->transient = false;
    err->sys_errno = 0;
    err->native_code = 0;
    err->message[0] = '\0';
    err->hint[0] = '\0';
}

void rky_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}
