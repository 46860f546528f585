/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for the Valkey client: OpenSSL over the client's own non-blocking socket, one step at a time;
 * the waiting is the stream's business.
 *
 * The server's name or address is always verified. Bytes pass a BIO of our own, because OpenSSL's
 * uses write(), which raises SIGPIPE when the server has gone.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>

/* --- the socket, as OpenSSL sees it ----------------------------------------------------------- */

static int bio_result(BIO *bio, ssize_t count, int retry)
{
    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    return (int)count;
}

static int socket_of(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static int bio_write(BIO *bio, const char *bytes, int length)
{
    return bio_result(bio, send(socket_of(bio), bytes, (size_t)length, MSG_NOSIGNAL),
                      BIO_FLAGS_WRITE);
}

static int bio_read(BIO *bio, char *buffer, int size)
{
    return bio_result(bio, recv(socket_of(bio), buffer, (size_t)size, 0), BIO_FLAGS_READ);
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    /* Nothing is buffered, so there is nothing to flush; all else is not supported. */
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rocky socket");
    if (method != NULL &&
        (BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_read(method, bio_read) != 1 ||
         BIO_meth_set_ctrl(method, bio_control) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* --- contexts --------------------------------------------------------------------------------- */

/* OpenSSL would ask for the passphrase of a private key on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

static int bad_file(const struct rky_valkey_url *url, const char *what, const char *path,
                    struct rky_attempt *ret_attempt, struct rky_error *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    int rc = rky_valkey_fail(err, ret_attempt, RKY_ERR_CONFIG, RKY_VALKEY_PERMANENT("certificate"),
                             "valkey '%s': cannot use %s '%s': %s", url->uri, what, path,
                             reason != NULL ? reason : "unknown reason");
    rky_error_hint(err, "it must be a readable PEM file; a key must not be encrypted and must "
                        "belong to its certificate");
    return rc;
}

static int load_files(SSL_CTX *context, const struct rky_valkey_url *url,
                      const struct rky_valkey_tls_files *files, struct rky_attempt *ret_attempt,
                      struct rky_error *err)
{
    if (files->ca_file != NULL ? SSL_CTX_load_verify_file(context, files->ca_file) != 1
                               : SSL_CTX_set_default_verify_paths(context) != 1)
        return bad_file(url, "the CA file", files->ca_file != NULL ? files->ca_file : "(system)",
                        ret_attempt, err);
    if (files->cert_file == NULL)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(context, files->cert_file) != 1)
        return bad_file(url, "the client certificate", files->cert_file, ret_attempt, err);
    /* One file may hold both. */
    const char *key_file = files->key_file != NULL ? files->key_file : files->cert_file;
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return bad_file(url, "the client key", key_file, ret_attempt, err);
    return 0;
}

int rky_valkey_tls_context(const struct rky_valkey_url *url,
                           const struct rky_valkey_tls_files *files, SSL_CTX **ret_context,
                           struct rky_attempt *ret_attempt, struct rky_error *err)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        return rky_fail_nomem(err);
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    /* Replies carry their own length, so an end without a farewell cannot cut one unnoticed. */
    (void)SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int rc = load_files(context, url, files, ret_attempt, err);
    if (rc != 0)
        SSL_CTX_free(context);
    else
        *ret_context = context;
    return rc;
}

/* --- sessions --------------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Names are asked for (SNI) and matched; addresses are only matched. */
static bool expect_peer(SSL *ssl, char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int rky_valkey_tls_new(SSL_CTX *context, const struct rky_valkey_url *url, int fd,
                       struct rky_valkey_tls *ret_tls, struct rky_error *err)
{
    struct rky_valkey_tls tls = {.method = new_method()};
    BIO *bio = tls.method != NULL ? BIO_new(tls.method) : NULL;
    tls.ssl = bio != NULL ? SSL_new(context) : NULL;
    if (tls.ssl == NULL || !expect_peer(tls.ssl, url->host)) {
        (void)BIO_free(bio);
        rky_valkey_tls_done(&tls);
        return rky_fail_nomem(err);
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls.ssl, bio, bio);
    SSL_set_connect_state(tls.ssl);
    *ret_tls = tls;
    return 0;
}

void rky_valkey_tls_done(struct rky_valkey_tls *tls)
{
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    *tls = (struct rky_valkey_tls){0};
}

/* --- steps ------------------------------------------------------------------------------------ */

/* Alerts by which a server says that it does not like our certificate, or misses it. */
static bool is_about_our_certificate(int reason)
{
    switch (reason) {
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

static void explain_failure(SSL *ssl, const struct rky_valkey_url *url,
                            struct rky_attempt *ret_attempt, struct rky_error *err)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    long verified = SSL_get_verify_result(ssl);
    const char *text = ERR_reason_error_string(error);
    text = text != NULL ? text : "unknown reason";
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        (void)rky_valkey_fail(err, ret_attempt, RKY_ERR_CONFIG, RKY_VALKEY_PERMANENT("certificate"),
                              "valkey '%s': the server's certificate is refused: %s", url->uri,
                              X509_verify_cert_error_string(verified));
        rky_error_hint(err, "state.valkey_ca_file must hold the CA that issued it, and the host "
                            "of state.valkey_url must be one of its names");
    } else if (is_about_our_certificate(reason)) {
        (void)rky_valkey_fail(err, ret_attempt, RKY_ERR_CONFIG, RKY_VALKEY_PERMANENT("certificate"),
                              "valkey '%s': the server refuses our client certificate: %s",
                              url->uri, text);
        rky_error_hint(err, "check state.valkey_cert_file and state.valkey_key_file");
    } else {
        (void)rky_valkey_fail(err, ret_attempt, RKY_ERR_CONNECTION, RKY_VALKEY_TRANSIENT("tls"),
                              "valkey '%s': TLS failed: %s", url->uri, text);
        if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG)
            rky_error_hint(err, "the server does not seem to speak TLS on this port");
    }
}

static enum rky_valkey_step step_of(SSL *ssl, int result, int saved_errno,
                                    const struct rky_valkey_url *url,
                                    struct rky_attempt *ret_attempt, struct rky_error *err)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
        return RKY_STEP_DONE;
    case SSL_ERROR_WANT_READ:
        return RKY_STEP_READ;
    case SSL_ERROR_WANT_WRITE:
        return RKY_STEP_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return RKY_STEP_END;
    case SSL_ERROR_SYSCALL:
        if (saved_errno == 0)
            return RKY_STEP_END;
        (void)rky_valkey_fail(err, ret_attempt, RKY_ERR_CONNECTION, RKY_VALKEY_TRANSIENT("reset"),
                              "valkey '%s': the connection broke: %s", url->uri,
                              strerror(saved_errno));
        return RKY_STEP_FAILED;
    default:
        explain_failure(ssl, url, ret_attempt, err);
        return RKY_STEP_FAILED;
    }
}

enum rky_valkey_step rky_valkey_tls_handshake(struct rky_valkey_tls *tls,
                                              const struct rky_valkey_url *url,
                                              struct rky_attempt *ret_attempt,
                                              struct rky_error *err)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(tls->ssl);
    return step_of(tls->ssl, result, errno, url, ret_attempt, err);
}

enum rky_valkey_step rky_valkey_tls_read(struct rky_valkey_tls *tls,
                                         const struct rky_valkey_url *url, void *buffer,
                                         size_t size, size_t *ret_count,
                                         struct rky_attempt *ret_attempt, struct rky_error *err)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(tls->ssl, buffer, size, ret_count);
    return step_of(tls->ssl, result, errno, url, ret_attempt, err);
}

enum rky_valkey_step rky_valkey_tls_write(struct rky_valkey_tls *tls,
                                          const struct rky_valkey_url *url, const void *bytes,
                                          size_t length, size_t *ret_count,
                                          struct rky_attempt *ret_attempt, struct rky_error *err)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(tls->ssl, bytes, length, ret_count);
    return step_of(tls->ssl, result, errno, url, ret_attempt, err);
}
