/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little XML that S3 answers with: error codes, pages of a listing, ids of an upload.
 *
 * A scanner, not a parser: it finds elements by name, anywhere, and takes text as it comes. Any
 * bytes are safe; what does not look like S3's XML is simply not found. No entity is expanded but
 * the five of XML and character references, so nothing can grow. Pure; any thread.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* Longest reference worth reading: "&#x10FFFF;". */
#define REFERENCE_MAX 10

static bool ends_name(char c)
{
    return c == '>' || c == '/' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next "<name" or "</name" from @p at. @return its '<', NULL when there is none. */
static const char *find_tag(const char *at, const char *end, const char *name, bool closing)
{
    size_t length = strlen(name);
    while (at < end) {
        const char *open = memchr(at, '<', (size_t)(end - at));
        if (open == NULL)
            return NULL;
        const char *word = open + (closing ? 2 : 1);
        /* One byte behind the name must be there too. */
        if ((size_t)(end - open) > length + (closing ? 2U : 1U) && (!closing || open[1] == '/') &&
            memcmp(word, name, length) == 0 && ends_name(word[length]))
            return open;
        at = open + 1;
    }
    return NULL;
}

bool rky_s3_xml_next(struct rky_s3_xml *cursor, const char *name, struct rky_s3_xml *ret_inside)
{
    const char *open = find_tag(cursor->at, cursor->end, name, false);
    if (open == NULL)
        return false;
    const char *inside = memchr(open, '>', (size_t)(cursor->end - open));
    if (inside == NULL)
        return false;
    if (inside[-1] == '/') { /* <Name/> */
        *ret_inside = (struct rky_s3_xml){inside, inside};
        cursor->at = inside + 1;
        return true;
    }
    inside++;
    const char *close = find_tag(inside, cursor->end, name, true);
    if (close == NULL)
        return false;
    *ret_inside = (struct rky_s3_xml){inside, close};
    cursor->at = close + 1;
    return true;
}

static void add_code_point(struct rky_strbuf *buffer, unsigned long point)
{
    char bytes[4];
    if (point < 0x80) {
        rky_strbuf_addc(buffer, (char)point);
    } else if (point < 0x800) {
        bytes[0] = (char)(0xc0U | (point >> 6));
        bytes[1] = (char)(0x80U | (point & 0x3fU));
        rky_strbuf_addn(buffer, bytes, 2);
    } else if (point < 0x10000) {
        bytes[0] = (char)(0xe0U | (point >> 12));
        bytes[1] = (char)(0x80U | ((point >> 6) & 0x3fU));
        bytes[2] = (char)(0x80U | (point & 0x3fU));
        rky_strbuf_addn(buffer, bytes, 3);
    } else {
        bytes[0] = (char)(0xf0U | (point >> 18));
        bytes[1] = (char)(0x80U | ((point >> 12) & 0x3fU));
        bytes[2] = (char)(0x80U | ((point >> 6) & 0x3fU));
        bytes[3] = (char)(0x80U | (point & 0x3fU));
        rky_strbuf_addn(buffer, bytes, 4);
    }
}

/* Replace the reference at @p at. @return its length, 0 when it is none. */
static size_t add_reference(struct rky_strbuf *buffer, const char *at, size_t left)
{
    static const struct {
        const char *text;
        char c;
    } named[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        size_t length = strlen(named[i].text);
        if (length <= left && memcmp(at, named[i].text, length) == 0) {
            rky_strbuf_addc(buffer, named[i].c);
            return length;
        }
    }
    if (left < 4 || at[1] != '#')
        return 0;
    char digits[REFERENCE_MAX + 1] = "";
    const char *semicolon = memchr(at, ';', left < REFERENCE_MAX ? left : REFERENCE_MAX);
    if (semicolon == NULL)
        return 0;
    bool hexadecimal = at[2] == 'x';
    const char *first = at + (hexadecimal ? 3 : 2);
    size_t count = (size_t)(semicolon - first);
    memcpy(digits, first, count);
    if (count == 0 ||
        strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") != count)
        return 0;
    unsigned long point = strtoul(digits, NULL, hexadecimal ? 16 : 10);
    if (point == 0 || point > 0x10ffff)
        return 0;
    add_code_point(buffer, point);
    return (size_t)(semicolon + 1 - at);
}

static char *decode(struct rky_s3_xml text)
{
    struct rky_strbuf buffer = {0};
    while (text.at < text.end) {
        size_t taken = 0;
        if (*text.at == '&')
            taken = add_reference(&buffer, text.at, (size_t)(text.end - text.at));
        if (taken == 0) {
            rky_strbuf_addc(&buffer, *text.at);
            taken = 1;
        }
        text.at += taken;
    }
    /* A surrogate written as a reference, a NUL, or foreign bytes: not a name of ours. */
    if (!buffer.failed && !rky_utf8_valid(rky_strbuf_text(&buffer), buffer.length)) {
        rky_strbuf_done(&buffer);
        return NULL;
    }
    return rky_strbuf_take(&buffer);
}

char *rky_s3_xml_text(struct rky_s3_xml document, const char *name)
{
    struct rky_s3_xml inside;
    if (!rky_s3_xml_next(&document, name, &inside))
        return NULL;
    return decode(inside);
}

void rky_s3_xml_copy(struct rky_s3_xml document, const char *name, char *ret_text, size_t size)
{
    char *text = rky_s3_xml_text(document, name);
    size_t length = 0;
    if (text != NULL) {
        length = strnlen(text, size - 1);
        memcpy(ret_text, text, length);
        rky_free(text);
    }
    ret_text[length] = '\0';
}

void rky_s3_xml_escape(struct rky_strbuf *buffer, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            rky_strbuf_add(buffer, "&lt;");
            break;
        case '>':
            rky_strbuf_add(buffer, "&gt;");
            break;
        case '&':
            rky_strbuf_add(buffer, "&amp;");
            break;
        case '"':
            rky_strbuf_add(buffer, "&quot;");
            break;
        default:
            rky_strbuf_addc(buffer, *text);
        }
    }
}
