/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of state.encryption_key, and the seal around a payload: AES-256-GCM with a random nonce
 * per write. The header is authenticated with the payload, so that nobody can put the content of
 * one version under the head of another.
 *
 * Random 96-bit nonces are good for some 2^32 writes under one key; a namespace that commits every
 * second gets there after a century.
 */
#include "config.h"

#include "state/snapshot_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/ids.h"

/* --- the key ---------------------------------------------------------------------------------- */

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

int rky_snapshot_key_parse(const char *text, struct rky_snapshot_key *ret_key,
                           struct rky_error *err)
{
    struct rky_snapshot_key key = {.present = false};
    const char *start = text == NULL ? "" : text;
    /* A key that comes from a file ends in a newline. */
    while (is_blank(*start))
        start++;
    size_t length = strlen(start);
    while (length > 0 && is_blank(start[length - 1]))
        length--;
    if (length > 0) {
        if (!from_hex(start, length, key.bytes) && !from_base64(start, length, key.bytes)) {
            OPENSSL_cleanse(&key, sizeof(key));
            (void)rky_fail(err, RKY_ERR_CONFIG,
                           "state.encryption_key is not a key: expected 64 hex digits or base64 of "
                           "32 bytes, found %zu characters",
                           length);
            rky_error_hint(err, "make one with 'openssl rand -hex 32' and keep a copy of it");
            return RKY_ERR_CONFIG;
        }
        char digest[RKY_SHA256_HEX];
        rky_sha256_hex(key.bytes, sizeof(key.bytes), digest);
        memcpy(key.id, digest, sizeof(key.id) - 1);
        key.present = true;
    }
    *ret_key = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return 0;
}

/* --- digest and seal -------------------------------------------------------------------------- */

int rky_snapshot_digest(const void *bytes, size_t length,
                        unsigned char ret_digest[RKY_SNAPSHOT_TRAILER_BYTES], struct rky_error *err)
{
    return EVP_Digest(bytes, length, ret_digest, NULL, EVP_sha256(), NULL) == 1
               ? 0
               : rky_fail_nomem(err);
}

/* OpenSSL counts in int. */
static const size_t PIECE = (size_t)1 << 30;

/* Run @p length bytes through the cipher. @param out NULL for associated data. */
static bool feed(EVP_CIPHER_CTX *cipher, unsigned char *out, const unsigned char *in, size_t length)
{
    while (length > 0) {
        size_t piece = length < PIECE ? length : PIECE;
        int done = 0;
        if (EVP_CipherUpdate(cipher, out, &done, in, (int)piece) != 1)
            return false;
        in += piece;
        length -= piece;
        if (out != NULL)
            out += piece;
    }
    return true;
}

int rky_snapshot_seal(const struct rky_snapshot_key *key, const void *header, size_t header_length,
                      unsigned char *payload, size_t length, struct rky_error *err)
{
    unsigned char *text = payload + RKY_SNAPSHOT_NONCE_BYTES;
    int rest = 0;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    rky_random_bytes(payload, RKY_SNAPSHOT_NONCE_BYTES);
    bool good = cipher != NULL &&
                EVP_CipherInit_ex2(cipher, EVP_aes_256_gcm(), key->bytes, payload, 1, NULL) == 1 &&
                feed(cipher, NULL, header, header_length) && feed(cipher, text, text, length) &&
                EVP_CipherFinal_ex(cipher, text + length, &rest) == 1 &&
                EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, RKY_SNAPSHOT_TAG_BYTES,
                                    text + length) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return good ? 0 : rky_fail_nomem(err);
}

int rky_snapshot_open(const struct rky_snapshot_key *key, const void *header, size_t header_length,
                      const unsigned char *payload, size_t payload_length,
                      unsigned char **ret_plain, enum rky_snapshot_fault *ret_fault,
                      struct rky_error *err)
{
    if (payload_length < RKY_SNAPSHOT_SEAL_BYTES)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, ret_fault, err,
                                   "its payload is too short to be sealed");
    const size_t length = payload_length - RKY_SNAPSHOT_SEAL_BYTES;
    unsigned char tag[RKY_SNAPSHOT_TAG_BYTES];
    memcpy(tag, payload + payload_length - sizeof(tag), sizeof(tag));
    unsigned char *plain = rky_malloc(length);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int rc = 0;
    int rest = 0;
    unsigned char none[RKY_SNAPSHOT_TAG_BYTES];
    if (plain == NULL || cipher == NULL ||
        EVP_CipherInit_ex2(cipher, EVP_aes_256_gcm(), key->bytes, payload, 0, NULL) != 1 ||
        !feed(cipher, NULL, header, header_length) ||
        !feed(cipher, plain, payload + RKY_SNAPSHOT_NONCE_BYTES, length) ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, RKY_SNAPSHOT_TAG_BYTES, tag) != 1)
        rc = rky_fail_nomem(err);
    else if (EVP_CipherFinal_ex(cipher, none, &rest) != 1)
        rc = rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, ret_fault, err,
                                 "its seal does not fit its content");
    EVP_CIPHER_CTX_free(cipher);
    if (rc != 0) {
        rky_free(plain);
        return rc;
    }
    *ret_plain = plain;
    return 0;
}
