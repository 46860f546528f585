/* SPDX-License-Identifier: Apache-2.0 */
/* A key of 32 bytes as people write it: in hex or base64. Pure; wipes what it decoded in vain. */
#include <config.h>

#include "common/secret_key.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

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

static bool from_hex(const char *text, size_t length, unsigned char bytes[32])
{
    if (length != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static int base64_value(char c)
{
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(ALPHABET, c);
    return at == NULL ? -1 : (int)(at - ALPHABET);
}

/* 32 bytes are 43 digits, the last of which carries four bits, and one '='. */
static bool from_base64(const char *text, size_t length, unsigned char bytes[32])
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t used = 0;
    if (length != 44 || text[43] != '=')
        return false;
    for (size_t i = 0; i < 43; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[used++] = (unsigned char)(bits >> count);
        }
    }
    return (bits & 3U) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int rky_secret_key_parse(const char *text, unsigned char ret_bytes[RKY_SECRET_KEY_BYTES],
                         struct rky_error *err)
{
    /* A key that comes from a file ends in a newline. */
    while (is_blank(*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    if (from_hex(text, length, ret_bytes) || from_base64(text, length, ret_bytes))
        return 0;
    explicit_bzero(ret_bytes, RKY_SECRET_KEY_BYTES);
    (void)rky_fail(err, RKY_ERR_CONFIG,
                   "expected 64 hex digits or base64 of 32 bytes, found %zu characters%s", length,
                   length == 64 || length == 44 ? ", some of which are neither" : "");
    rky_error_hint(err, "make one with 'openssl rand -hex 32' and keep a copy of it");
    return RKY_ERR_CONFIG;
}
