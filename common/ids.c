/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes, UUIDs (RFC 9562) and SHA-256.
 *
 * No state: any thread may call any function. A generator or digest that is unusable breaks every
 * promise built on unique ids, so it stops the process instead of going on with a worse one.
 */
#include <config.h>

#include "common/ids.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* The plain functions, which OpenSSL 3 calls deprecated: the first use of its EVP interface reads a
 * configuration and registers every algorithm, and takes a third of what `rocky state` takes. */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>

#include "common/mem.h"

#define UUID_BYTES 16

/* Drawn once at random. Changing it changes every event id that was ever derived. */
static const uint8_t PROJECT_NAMESPACE[UUID_BYTES] = {
    0xb9, 0x16, 0xb9, 0x42, 0x25, 0xe5, 0x4a, 0xcd, 0xb7, 0x5f, 0xf7, 0xc4, 0xd8, 0x35, 0x81, 0x3e};

void rky_random_bytes(void *ret_bytes, size_t length)
{
    uint8_t *at = ret_bytes;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        RKY_ASSERT(got > 0);
        at += got;
        length -= (size_t)got;
    }
}

double rky_random_unit(void)
{
    uint64_t bits = 0;
    rky_random_bytes(&bits, sizeof(bits));
    /* 53 bits are what a double holds exactly; more could round up to 1. */
    return (double)(bits >> 11) * 0x1.0p-53;
}

/* @p ret_text holds 2 x length characters and a NUL. */
static void to_hex(const uint8_t *bytes, size_t length, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 0xfU];
    }
    ret_text[2 * length] = '\0';
}

/* Stamp version and variant on 16 bytes and write them out. */
static void uuid_text(uint8_t bytes[UUID_BYTES], unsigned version, char ret_text[RKY_UUID_TEXT])
{
    static const size_t group_bytes[] = {4, 2, 2, 2, 6};
    bytes[6] = (uint8_t)((bytes[6] & 0x0fU) | (version << 4));
    bytes[8] = (uint8_t)((bytes[8] & 0x3fU) | 0x80U);
    const uint8_t *from = bytes;
    char *to = ret_text;
    for (size_t i = 0; i < sizeof(group_bytes) / sizeof(group_bytes[0]); i++) {
        if (i > 0)
            *to++ = '-';
        to_hex(from, group_bytes[i], to);
        from += group_bytes[i];
        to += 2 * group_bytes[i];
    }
}

void rky_uuid_v4(char ret_text[RKY_UUID_TEXT])
{
    uint8_t bytes[UUID_BYTES];
    rky_random_bytes(bytes, sizeof(bytes));
    uuid_text(bytes, 4, ret_text);
}

void rky_uuid_v7(struct rky_clock *clock, char ret_text[RKY_UUID_TEXT])
{
    uint8_t bytes[UUID_BYTES];
    rky_random_bytes(bytes, sizeof(bytes));
    uint64_t us = (uint64_t)clock->wall_us(clock);
    uint64_t ms = us / 1000;
    for (size_t i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    /* RFC 9562 6.2 method 3: twelve bits of the millisecond's fraction, so that ids of one process
     * also sort within a millisecond. */
    uint64_t fraction = us % 1000 * 4096 / 1000;
    bytes[6] = (uint8_t)(fraction >> 8);
    bytes[7] = (uint8_t)fraction;
    uuid_text(bytes, 7, ret_text);
}

void rky_uuid_v5(const char *name, char ret_text[RKY_UUID_TEXT])
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA_CTX context;
    RKY_ASSERT(SHA1_Init(&context) == 1 &&
               SHA1_Update(&context, PROJECT_NAMESPACE, sizeof(PROJECT_NAMESPACE)) == 1 &&
               SHA1_Update(&context, name, strlen(name)) == 1 && SHA1_Final(digest, &context) == 1);
    uuid_text(digest, 5, ret_text);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool rky_uuid_valid(const char *text)
{
    for (size_t i = 0; i < RKY_UUID_TEXT - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return text[RKY_UUID_TEXT - 1] == '\0';
}

struct rky_sha256 {
    SHA256_CTX context;
};

static void finish(struct rky_sha256 *digest, uint8_t ret_bytes[RKY_SHA256_BYTES])
{
    RKY_ASSERT(SHA256_Final(ret_bytes, &digest->context) == 1);
}

void rky_sha256(const void *bytes, size_t length, uint8_t ret_bytes[RKY_SHA256_BYTES])
{
    struct rky_sha256 digest;
    RKY_ASSERT(SHA256_Init(&digest.context) == 1);
    rky_sha256_add(&digest, bytes, length);
    finish(&digest, ret_bytes);
}

void rky_sha256_hex(const void *bytes, size_t length, char ret_hex[RKY_SHA256_HEX])
{
    uint8_t digest[RKY_SHA256_BYTES];
    rky_sha256(bytes, length, digest);
    to_hex(digest, sizeof(digest), ret_hex);
}

struct rky_sha256 *rky_sha256_new(void)
{
    struct rky_sha256 *digest = rky_calloc(1, sizeof(*digest));
    if (digest != NULL)
        RKY_ASSERT(SHA256_Init(&digest->context) == 1);
    return digest;
}

void rky_sha256_add(struct rky_sha256 *digest, const void *bytes, size_t length)
{
    RKY_ASSERT(SHA256_Update(&digest->context, bytes, length) == 1);
}

void rky_sha256_finish(struct rky_sha256 *digest, char ret_hex[RKY_SHA256_HEX])
{
    uint8_t bytes[RKY_SHA256_BYTES];
    finish(digest, bytes);
    to_hex(bytes, sizeof(bytes), ret_hex);
    rky_free(digest);
}
