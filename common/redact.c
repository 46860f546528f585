/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redactor. Encoded spellings are recognised by decoding the text while comparing, not by
 * keeping encoded copies: people and libraries encode different selections of bytes, and each copy
 * would know one of them.
 */
#include <config.h>

#include "common/redact.h"

#include <string.h>

static const char MASK[] = "***";

enum spelling { SPELLING_PLAIN, SPELLING_PERCENT, SPELLING_JSON, SPELLING_COUNT };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* "%41". @return bytes of text taken. */
static size_t decode_percent(const char *text, size_t left, char *ret_byte)
{
    *ret_byte = *text;
    if (*text != '%' || left < 3 || hex_value(text[1]) < 0 || hex_value(text[2]) < 0)
        return 1;
    *ret_byte = (char)(hex_value(text[1]) * 16 + hex_value(text[2]));
    return 3;
}

/* One escape that stands for one byte. @return bytes of text taken. */
static size_t decode_json(const char *text, size_t left, char *ret_byte)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    *ret_byte = *text;
    if (*text != '\\' || left < 2)
        return 1;
    const char *letter = memchr(letters, text[1], sizeof(letters) - 1);
    if (letter != NULL) {
        *ret_byte = meanings[letter - letters];
        return 2;
    }
    if (text[1] != 'u' || left < 6 || text[2] != '0' || text[3] != '0' || hex_value(text[4]) < 0 ||
        hex_value(text[4]) > 7 || hex_value(text[5]) < 0)
        return 1;
    *ret_byte = (char)(hex_value(text[4]) * 16 + hex_value(text[5]));
    return 6;
}

/* Bytes of text that spell the secret, 0 when they do not. */
static size_t match(const char *text, size_t left, const char *secret, enum spelling spelling)
{
    size_t used = 0;
    for (; *secret != '\0'; secret++) {
        char byte = '\0';
        if (used >= left)
            return 0;
        switch (spelling) {
        case SPELLING_PERCENT:
            used += decode_percent(text + used, left - used, &byte);
            if (byte == '+' && *secret == ' ') /* as forms write it; elsewhere a '+' is a '+' */
                byte = ' ';
            break;
        case SPELLING_JSON:
            used += decode_json(text + used, left - used, &byte);
            break;
        case SPELLING_PLAIN:
        case SPELLING_COUNT:
            byte = text[used++];
            break;
        }
        if (byte != *secret)
            return 0;
    }
    return used;
}

/* The longest match: a secret may begin with another one, or with its own plain spelling. */
static size_t match_any(const struct rky_redactor *redactor, const char *text, size_t left)
{
    size_t longest = 0;
    for (size_t i = 0; i < redactor->count; i++) {
        for (int spelling = 0; spelling < SPELLING_COUNT; spelling++) {
            size_t used = match(text, left, redactor->secrets[i], (enum spelling)spelling);
            longest = used > longest ? used : longest;
        }
    }
    return longest;
}

void rky_redact(const struct rky_redactor *redactor, const char *text, size_t length,
                struct rky_strbuf *ret_clean)
{
    size_t copied = 0;
    size_t at = 0;
    while (at < length) {
        size_t used = 0;
        if (redactor->starts[(unsigned char)text[at]])
            used = match_any(redactor, text + at, length - at);
        if (used == 0) {
            at++;
            continue;
        }
        rky_strbuf_addn(ret_clean, text + copied, at - copied);
        rky_strbuf_add(ret_clean, MASK);
        at += used;
        copied = at;
    }
    rky_strbuf_addn(ret_clean, text + copied, length - copied);
}

int rky_redactor_add(struct rky_redactor *redactor, const char *secret)
{
    if (strlen(secret) < RKY_SECRET_MIN)
        return 0;
    for (size_t i = 0; i < redactor->count; i++) {
        if (strcmp(redactor->secrets[i], secret) == 0)
            return 0;
    }
    int rc = rky_array_reserve(&redactor->secrets, &redactor->capacity, redactor->count + 1,
                               sizeof(*redactor->secrets), NULL);
    if (rc != 0)
        return rc;
    char *copy = rky_strdup(secret);
    if (copy == NULL)
        return RKY_ERR_NOMEM;
    redactor->secrets[redactor->count++] = copy;
    redactor->starts[(unsigned char)secret[0]] = true;
    redactor->starts['%'] = true;
    redactor->starts['\\'] = true;
    if (secret[0] == ' ')
        redactor->starts['+'] = true;
    return 0;
}

void rky_redactor_done(struct rky_redactor *redactor)
{
    for (size_t i = 0; i < redactor->count; i++) {
        explicit_bzero(redactor->secrets[i], strlen(redactor->secrets[i]));
        rky_free(redactor->secrets[i]);
    }
    rky_free(redactor->secrets);
    *redactor = (struct rky_redactor){0};
}
