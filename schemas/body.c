/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser in front of the parser: what jansson would take half an hour or a deep stack for is
 * refused before it sees it. jansson's own words are passed on with a position, but only as
 * printable ASCII, since they may quote the input.
 */
#include "config.h"

#include "schemas/body.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"
#include "schemas/job.h"

/** The last millisecond of the year 9999. */
#define LAST_MILLISECOND INT64_C(253402300799999)

/**
 * Whether there is memory for a tree of a body of this size. jansson drops bytes of a string, and
 * says nothing, when its buffer cannot grow; a good job would become a dead letter or another job.
 */
static bool memory_suffices(size_t length)
{
    void *reserve = rky_malloc(4096 + 16 * length);
    rky_free(reserve);
    return reserve != NULL;
}

/* Greatest nesting of brackets outside strings; stops as soon as it is too much. */
static bool too_deep(const char *bytes, size_t length)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > RKY_JOB_DEPTH_MAX)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static int refuse(const char **ret_reason, const char *reason)
{
    if (ret_reason != NULL)
        *ret_reason = reason;
    return RKY_ERR_DECODE;
}

static int explain_syntax(const json_error_t *syntax, const char **ret_reason,
                          struct rky_error *err)
{
    /* jansson says nothing at all when an allocation of its tree failed. */
    if (syntax->text[0] == '\0' || json_error_code(syntax) == json_error_out_of_memory)
        return rky_fail_nomem(err);

    char text[JSON_ERROR_TEXT_LENGTH];
    size_t i = 0;
    for (; i + 1 < sizeof(text) && syntax->text[i] != '\0'; i++)
        text[i] = syntax->text[i] >= 0x20 && syntax->text[i] < 0x7f ? syntax->text[i] : '?';
    text[i] = '\0';
    (void)rky_fail(err, RKY_ERR_DECODE, "malformed JSON at line %d, column %d: %s", syntax->line,
                   syntax->column, text);
    bool nul = json_error_code(syntax) == json_error_null_character ||
               json_error_code(syntax) == json_error_null_byte_in_key;
    return refuse(ret_reason, nul ? "nul_byte" : "malformed_json");
}

int rky_body_parse(const char *bytes, size_t length, json_t **ret_json, const char **ret_reason,
                   struct rky_error *err)
{
    const char *nul = length > 0 ? memchr(bytes, '\0', length) : NULL;
    if (nul != NULL) {
        (void)rky_fail(err, RKY_ERR_DECODE, "expected text, found a NUL byte at offset %zu",
                       (size_t)(nul - bytes));
        return refuse(ret_reason, "nul_byte");
    }
    if (!rky_utf8_valid(bytes, length)) {
        (void)rky_fail(err, RKY_ERR_DECODE, "expected UTF-8, found other bytes");
        return refuse(ret_reason, "invalid_utf8");
    }
    if (too_deep(bytes, length)) {
        (void)rky_fail(err, RKY_ERR_DECODE, "expected at most %d levels of nesting, found more",
                       RKY_JOB_DEPTH_MAX);
        return refuse(ret_reason, "too_deep");
    }
    if (!memory_suffices(length))
        return rky_fail_nomem(err);
    json_error_t syntax = {0};
    json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &syntax);
    if (json == NULL)
        return explain_syntax(&syntax, ret_reason, err);
    *ret_json = json;
    return 0;
}

bool rky_body_integer(const json_t *value, int64_t *ret_number)
{
    if (json_is_integer(value)) {
        *ret_number = json_integer_value(value);
        return true;
    }
    double number = json_is_real(value) ? json_real_value(value) : 0.5;
    if (floor(number) != number || fabs(number) > 9e18)
        return false;
    *ret_number = (int64_t)number;
    return true;
}

bool rky_body_rfc3339(const char *text, int64_t *ret_wall_us)
{
    size_t length = strnlen(text, 64);
    if (length < sizeof("2026-11-21T10:00:00Z") - 1 || length == 64)
        return false;
    if ((text[10] != 'T' && text[10] != 't') || text[16] != ':')
        return false;
    /* Seconds and an offset are optional for rky_time_parse(), but not here. */
    char last = text[length - 1];
    bool zulu = last == 'Z' || last == 'z';
    bool offset = (text[length - 6] == '+' || text[length - 6] == '-') && text[length - 3] == ':';
    return (zulu || offset) && rky_time_parse(text, ret_wall_us) == 0;
}

bool rky_body_time(const char *text, int64_t *ret_wall_us)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0')
        return rky_body_rfc3339(text, ret_wall_us) && *ret_wall_us > 0;
    if (digits > 15)
        return false;
    long long milliseconds = strtoll(text, NULL, 10);
    if (milliseconds <= 0 || milliseconds > LAST_MILLISECOND)
        return false;
    *ret_wall_us = (int64_t)milliseconds * 1000;
    return true;
}
