/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client over TLS: whom it trusts, and how it calls what goes wrong. */
#include "config.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/http.h"
#include "tests/kit/check_main.h"
#include "tests/unit/http_kit.h"

enum { GRACE_MS = 2500 };

/* A server's identity: signed by itself, for one name. */
struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    SSL_CTX *context;
    char file[4200];
};

static void new_identity(struct identity *identity, const char *file, const char *subject_name,
                         int protocol)
{
    X509V3_CTX extension_context;
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = X509_new();
    X509 *certificate = identity->certificate;
    ck_assert_ptr_nonnull(identity->key);
    (void)X509_set_version(certificate, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                     (const unsigned char *)"test", -1, -1, 0);
    (void)X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    (void)X509_set_pubkey(certificate, identity->key);
    X509V3_set_ctx(&extension_context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, &extension_context, NID_subject_alt_name, subject_name);
    ck_assert_ptr_nonnull(extension);
    (void)X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    ck_assert_int_gt(X509_sign(certificate, identity->key, EVP_sha256()), 0);

    identity->context = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(identity->context, certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(identity->context, identity->key), 1);
    (void)SSL_CTX_set_max_proto_version(identity->context, protocol);
    (void)snprintf(identity->file, sizeof(identity->file), "%s/%s", rky_test_directory(), file);
    FILE *pem = fopen(identity->file, "w");
    ck_assert_int_eq(PEM_write_X509(pem, certificate), 1);
    ck_assert_int_eq(fclose(pem), 0);
}

static void free_identity(struct identity *identity)
{
    SSL_CTX_free(identity->context);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static void serve_tls(struct kit_connection *connection, void *context)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    struct identity *identity = context;
    char request[4096];
    SSL *ssl = SSL_new(identity->context);
    (void)SSL_set_fd(ssl, connection->fd);
    if (SSL_accept(ssl) == 1) {
        while (SSL_read(ssl, request, sizeof(request)) > 0 &&
               SSL_write(ssl, answer, sizeof(answer) - 1) > 0) {
        }
    }
    SSL_free(ssl);
}

static void never_shake_hands(struct kit_connection *connection, void *context)
{
    char byte[4096];
    (void)context;
    if (recv(connection->fd, byte, sizeof(byte), 0) > 0)
        (void)kit_idle(connection, 60000);
}

static void speak_plainly(struct kit_connection *connection, void *context)
{
    char byte[4096];
    (void)context;
    if (recv(connection->fd, byte, sizeof(byte), 0) > 0)
        (void)kit_answer(connection, 400, "", "this is no TLS");
}

struct outcome {
    int rc;
    struct rky_attempt attempt;
    struct rky_error err;
    int64_t elapsed_ms;
};

/* One request to the server, trusting @p ca_file. */
static struct outcome call_tls(const struct kit_server *server, const char *ca_file,
                               int64_t timeout_ms)
{
    struct outcome outcome = {0};
    struct rky_http *http = NULL;
    struct rky_clock *clock = rky_clock_real();
    struct rky_http_response response = {0};
    struct rky_http_options options = {.ca_file = ca_file, .clock = clock};
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", server->port);
    ck_assert_int_eq(rky_http_new(&options, &http, &outcome.err), 0);
    int64_t start_ms = clock->mono_ms(clock);
    struct rky_http_request request = {
        .method = "GET", .url = url, .deadline = rky_deadline_in(clock, timeout_ms)};
    outcome.rc = rky_http_call(http, &request, &response, &outcome.attempt, &outcome.err);
    outcome.elapsed_ms = clock->mono_ms(clock) - start_ms;
    if (outcome.rc == 0)
        ck_assert_str_eq(response.body, "hello");
    rky_http_response_done(&response);
    rky_http_free(http);
    return outcome;
}

static void check_certificate_fault(const struct outcome *outcome)
{
    ck_assert_int_eq(outcome->rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(outcome->attempt.error_class, "certificate");
    ck_assert_int_eq(outcome->attempt.retry, RKY_RETRY_NO);
    ck_assert(!outcome->attempt.counts);
    ck_assert(!outcome->err.transient);
    ck_assert_ptr_nonnull(strstr(outcome->err.hint, "check the certificate of '127.0.0.1:"));
}

START_TEST(a_server_is_trusted_by_the_ca_file_and_by_nothing_else)
{
    struct identity ours = {0};
    struct identity other = {0};
    struct kit_server server;
    new_identity(&ours, "ours.pem", "IP:127.0.0.1", TLS1_3_VERSION);
    new_identity(&other, "other.pem", "IP:127.0.0.1", TLS1_3_VERSION);
    kit_start(&server, serve_tls, &ours);

    struct outcome outcome = call_tls(&server, ours.file, 10000);
    ck_assert_msg(outcome.rc == 0, "%s", outcome.err.message);
    outcome = call_tls(&server, NULL, 10000);
    check_certificate_fault(&outcome);
    outcome = call_tls(&server, other.file, 10000);
    check_certificate_fault(&outcome);
    outcome = call_tls(&server, "/nowhere/ca.pem", 10000);
    check_certificate_fault(&outcome);
    ck_assert_ptr_nonnull(strstr(outcome.err.hint, "'/nowhere/ca.pem'"));

    kit_stop(&server);
    free_identity(&other);
    free_identity(&ours);
}
END_TEST

START_TEST(a_certificate_for_another_name_is_refused)
{
    struct identity identity = {0};
    struct kit_server server;
    new_identity(&identity, "name.pem", "DNS:bucket.example.com", TLS1_3_VERSION);
    kit_start(&server, serve_tls, &identity);
    struct outcome outcome = call_tls(&server, identity.file, 10000);
    check_certificate_fault(&outcome);
    kit_stop(&server);
    free_identity(&identity);
}
END_TEST

START_TEST(a_handshake_that_fails_may_be_tried_again)
{
    struct kit_server server;
    kit_start(&server, speak_plainly, NULL);
    struct outcome outcome = call_tls(&server, NULL, 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "tls");
    ck_assert_int_eq(outcome.attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome.attempt.counts);
    kit_stop(&server);
}
END_TEST

START_TEST(an_old_protocol_is_not_spoken)
{
    struct identity identity = {0};
    struct kit_server server;
    new_identity(&identity, "old.pem", "IP:127.0.0.1", TLS1_1_VERSION);
    SSL_CTX_set_security_level(identity.context, 0);
    (void)SSL_CTX_set_min_proto_version(identity.context, TLS1_VERSION);
    kit_start(&server, serve_tls, &identity);
    struct outcome outcome = call_tls(&server, identity.file, 10000);
    ck_assert_int_eq(outcome.rc, RKY_ERR_CONNECTION);
    ck_assert_str_eq(outcome.attempt.error_class, "tls");
    kit_stop(&server);
    free_identity(&identity);
}
END_TEST

START_TEST(a_handshake_that_never_ends_ends_at_the_deadline)
{
    struct kit_server server;
    kit_start(&server, never_shake_hands, NULL);
    struct outcome outcome = call_tls(&server, NULL, 300);
    ck_assert_int_eq(outcome.rc, RKY_ERR_TIMEOUT);
    ck_assert_str_eq(outcome.attempt.error_class, "timeout");
    ck_assert_int_ge(outcome.elapsed_ms, 250);
    ck_assert_int_le(outcome.elapsed_ms, 300 + GRACE_MS);
    kit_stop(&server);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("http_tls");
    TCase *tcase = tcase_create("http_tls");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_server_is_trusted_by_the_ca_file_and_by_nothing_else);
    tcase_add_test(tcase, a_certificate_for_another_name_is_refused);
    tcase_add_test(tcase, a_handshake_that_fails_may_be_tried_again);
    tcase_add_test(tcase, an_old_protocol_is_not_spoken);
    tcase_add_test(tcase, a_handshake_that_never_ends_ends_at_the_deadline);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
