/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The response as it arrives and as it is handed out: bounded body and headers, names in lower
 * case, and how long the server wants to be left alone. Pure but for the clock; any thread.
 */
#include "config.h"

#include "common/http_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* S3 limits its own to 8 KB; whoever sends more than this is no service we know. */
enum { HEADERS_MAX = 256, HEADER_BYTES_MAX = 64 * 1024 };

/* Nobody's wish is honoured for longer; the transfer's deadline is shorter anyway. */
#define RETRY_AFTER_MAX_MS ((int64_t)24 * 3600 * 1000)

/* Why somebody refuses stands at the beginning of what he says. */
#define REFUSAL_MAX ((size_t)1024 * 1024)

/* How much of the body to keep: the limit is for the answer that was asked for. What goes on about
 * a refusal is passed over, so that it stays the refusal that it is. */
static size_t keep(const struct rky_http_intake *intake, size_t length)
{
    size_t limit = intake->limit < REFUSAL_MAX ? intake->limit : REFUSAL_MAX;
    size_t room = intake->body.length < limit ? limit - intake->body.length : 0;
    return intake->refusal && length > room ? room : length;
}

size_t rky_http_take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct rky_http_intake *intake = context;
    size_t length = size * count;
    size_t kept = keep(intake, length);
    if (kept > intake->limit - intake->body.length)
        return 0;
    rky_strbuf_addn(&intake->body, bytes, kept);
    intake->no_memory = intake->no_memory || intake->body.failed;
    return intake->no_memory ? 0 : length;
}

static void forget_headers(struct rky_http_intake *intake)
{
    for (size_t i = 0; i < intake->header_count; i++)
        rky_free(intake->headers[i]);
    intake->header_count = 0;
    intake->header_bytes = 0;
}

/* "Name:  value \r\n" to "name: value". @return owned, NULL when memory is out. */
static char *tidy_header(const char *bytes, size_t length)
{
    const char *colon = memchr(bytes, ':', length);
    size_t name = colon == NULL ? length : (size_t)(colon - bytes);
    const char *value = colon == NULL ? bytes + length : colon + 1;
    size_t left = length - (size_t)(value - bytes);
    for (; left > 0 && isspace((unsigned char)*value); left--)
        value++;
    while (left > 0 && isspace((unsigned char)value[left - 1]))
        left--;
    char *text = rky_asprintf("%.*s: %.*s", (int)name, bytes, (int)left, value);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; text[i] != '\0' && text[i] != ':'; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
    return text;
}

size_t rky_http_take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct rky_http_intake *intake = context;
    size_t length = size * count;
    /* A status line: what came before belongs to a "100 Continue". */
    if (length >= 5 && strncasecmp(bytes, "HTTP/", 5) == 0) {
        const char *blank = memchr(bytes, ' ', length - 1);
        forget_headers(intake);
        intake->complete = false;
        intake->refusal = blank != NULL && blank[1] != '2';
        return length;
    }
    if (length > 0 && (bytes[0] == '\r' || bytes[0] == '\n'))
        intake->complete = true;
    if (memchr(bytes, ':', length) == NULL) /* the empty line at the end, and rubbish */
        return length;
    intake->too_many =
        intake->header_count >= HEADERS_MAX || length > HEADER_BYTES_MAX - intake->header_bytes;
    if (intake->too_many)
        return 0;
    if (rky_array_reserve(&intake->headers, &intake->header_capacity, intake->header_count + 1,
                          sizeof(*intake->headers), NULL) == 0)
        intake->headers[intake->header_count] = tidy_header(bytes, length);
    else
        intake->no_memory = true;
    if (intake->no_memory || intake->headers[intake->header_count] == NULL) {
        intake->no_memory = true;
        return 0;
    }
    intake->header_count++;
    intake->header_bytes += length;
    return length;
}

void rky_http_intake_done(struct rky_http_intake *intake)
{
    forget_headers(intake);
    rky_free(intake->headers);
    if (intake->body.data != NULL)
        explicit_bzero(intake->body.data, intake->body.length); /* may hold keys */
    rky_strbuf_done(&intake->body);
    *intake = (struct rky_http_intake){0};
}

void rky_http_response_done(struct rky_http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++)
        rky_free(response->headers[i]);
    rky_free(response->headers);
    rky_free(response->body);
    *response = (struct rky_http_response){0};
}

const char *rky_http_response_header(const struct rky_http_response *response, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < response->header_count; i++) {
        if (strncmp(response->headers[i], name, length) == 0 &&
            strncmp(response->headers[i] + length, ": ", 2) == 0)
            return response->headers[i] + length + 2;
    }
    return NULL;
}

/* Decimal digits and nothing else. @return -1 when the text is something else. */
static int64_t whole_number(const char *text)
{
    char *end = NULL;
    if (!isdigit((unsigned char)text[0]))
        return -1;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end != '\0')
        return -1;
    return errno == ERANGE || value > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : (int64_t)value;
}

/* "Fri, 21 Nov 2026 10:00:00 GMT" (RFC 9110, IMF-fixdate), without the locale that strptime() would
 * ask. @return seconds since 1970, -1 when it is something else. */
static int64_t http_date(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "";
    char zone[4] = "";
    int end = 0;
    struct tm parts = {0};
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Z]%n", &parts.tm_mday, month,
               &parts.tm_year, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, zone, &end) != 7 ||
        text[end] != '\0' || strcmp(zone, "GMT") != 0 || strlen(month) != 3)
        return -1;
    const char *found = strstr(months, month);
    if (found == NULL || (found - months) % 3 != 0)
        return -1;
    parts.tm_mon = (int)(found - months) / 3;
    parts.tm_year -= 1900;
    return (int64_t)timegm(&parts);
}

static int64_t clamp_ms(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

int64_t rky_http_retry_after_ms(const struct rky_http_response *response, struct rky_clock *clock)
{
    const char *text = rky_http_response_header(response, "x-amz-retry-after");
    if (text != NULL)
        return clamp_ms(whole_number(text));
    text = rky_http_response_header(response, "retry-after");
    if (text == NULL)
        return 0;
    int64_t seconds = whole_number(text);
    if (seconds >= 0)
        return clamp_ms(seconds * 1000);
    seconds = http_date(text);
    return seconds < 0 ? 0 : clamp_ms(seconds * 1000 - clock->wall_us(clock) / 1000);
}

int64_t rky_http_response_time_us(const struct rky_http_response *response, const char *name)
{
    const char *text = rky_http_response_header(response, name);
    int64_t seconds = text != NULL ? http_date(text) : -1;
    return seconds < 0 ? 0 : seconds * 1000000;
}
