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
#include "common/secret_key.h"

/* --- the key ---------------------------------------------------------------------------------- */

int rky_snapshot_key_parse(const char *text, struct rky_snapshot_key *ret_key,
                           struct rky_error *err)
{
    struct rky_snapshot_key key = {.present = false};
    bool written = text != NULL && text[0] != '\0';
    int rc = written ? rky_secret_key_parse(text, key.bytes, err) : 0;
    if (rc != 0) {
        rky_error_wrap(err, "state.encryption_key");
        return rc;
    }
    if (written) {
        char digest[RKY_SHA256_HEX];
        rky_sha256_hex(key.bytes, sizeof(key.bytes), digest);
        memcpy(key.id, digest, sizeof(key.id) - 1);
        key.present = true;
    }
    *ret_key = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return 0;
}

/* --- seal ------------------------------------------------------------------------------------- */

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
