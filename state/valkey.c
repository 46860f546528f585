/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Valkey client: idle connections shared by threads, commands, scripts.
 *
 * A command takes a connection for itself, newest first, and gives it back only when its reply was
 * read to the last byte; so nothing waits behind anything, and no reply reaches the wrong caller.
 * Nothing is sent twice, with one exception that cannot apply a command twice: a replica that
 * refused it (READONLY) is left for whoever is the primary by then.
 */
#include "config.h"

#include "state/valkey.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "common/ids.h"
#include "common/mem.h"
#include "state/valkey_internal.h"

enum { ARGS_MAX = 1024 };

struct rky_valkey {
    struct rky_valkey_url url;
    char *ca_file, *cert_file, *key_file;
    struct rky_valkey_tls_files files; /* the same, as the layers below take them */
    struct rky_clock *clock;
    struct rky_log *log;
    pthread_mutex_t lock;               /* of what follows */
    struct rky_valkey_connection *idle; /* newest first */
    size_t idle_count;
};

/* --- life ------------------------------------------------------------------------------------- */

static int copy_text(const char *text, char **ret_copy, struct rky_error *err)
{
    if (text == NULL)
        return 0;
    *ret_copy = rky_strdup(text);
    return *ret_copy != NULL ? 0 : rky_fail_nomem(err);
}

/* A file that cannot be used is told at the start, not when the first job needs it. */
static int check_files(const struct rky_valkey *valkey, struct rky_error *err)
{
    SSL_CTX *context = NULL;
    struct rky_attempt attempt = {0};
    if (!valkey->url.tls)
        return 0;
    int rc = rky_valkey_tls_context(&valkey->url, &valkey->files, &context, &attempt, err);
    if (rc == 0)
        SSL_CTX_free(context);
    return rc;
}

int rky_valkey_new(const struct rky_valkey_options *options, struct rky_valkey **ret_valkey,
                   struct rky_error *err)
{
    struct rky_valkey *valkey = rky_calloc(1, sizeof(*valkey));
    if (valkey == NULL)
        return rky_fail_nomem(err);
    (void)pthread_mutex_init(&valkey->lock, NULL);
    valkey->clock = options->clock;
    valkey->log = options->log;
    int rc = rky_valkey_url_parse(options->url, &valkey->url, err);
    if (rc == RKY_ERR_CONFIG)
        rky_error_wrap(err, "state.valkey_url");
    if (rc == 0 && valkey->url.password != NULL && valkey->log != NULL &&
        rky_log_add_secret(valkey->log, valkey->url.password) != 0)
        rc = rky_fail_nomem(err);
    if (rc == 0)
        rc = copy_text(options->ca_file, &valkey->ca_file, err);
    if (rc == 0)
        rc = copy_text(options->cert_file, &valkey->cert_file, err);
    if (rc == 0)
        rc = copy_text(options->key_file, &valkey->key_file, err);
    valkey->files =
        (struct rky_valkey_tls_files){valkey->ca_file, valkey->cert_file, valkey->key_file};
    if (rc == 0)
        rc = check_files(valkey, err);
    if (rc != 0)
        rky_valkey_free(valkey);
    else
        *ret_valkey = valkey;
    return rc;
}

static void drop_idle(struct rky_valkey *valkey)
{
    (void)pthread_mutex_lock(&valkey->lock);
    struct rky_valkey_connection *connection = valkey->idle;
    valkey->idle = NULL;
    valkey->idle_count = 0;
    (void)pthread_mutex_unlock(&valkey->lock);
    while (connection != NULL) {
        struct rky_valkey_connection *next = connection->next;
        rky_valkey_connection_close(connection);
        connection = next;
    }
}

void rky_valkey_free(struct rky_valkey *valkey)
{
    if (valkey == NULL)
        return;
    drop_idle(valkey);
    rky_valkey_url_done(&valkey->url);
    rky_free(valkey->ca_file);
    rky_free(valkey->cert_file);
    rky_free(valkey->key_file);
    (void)pthread_mutex_destroy(&valkey->lock);
    rky_free(valkey);
}

const char *rky_valkey_uri(const struct rky_valkey *valkey)
{
    return valkey->url.uri;
}

const struct rky_valkey_url *rky_valkey_url(const struct rky_valkey *valkey)
{
    return &valkey->url;
}

const struct rky_valkey_tls_files *rky_valkey_files(const struct rky_valkey *valkey)
{
    return &valkey->files;
}

struct rky_clock *rky_valkey_clock(const struct rky_valkey *valkey)
{
    return valkey->clock;
}

/* --- connections ------------------------------------------------------------------------------ */

static struct rky_valkey_connection *pop_idle(struct rky_valkey *valkey)
{
    (void)pthread_mutex_lock(&valkey->lock);
    struct rky_valkey_connection *connection = valkey->idle;
    if (connection != NULL) {
        valkey->idle = connection->next;
        valkey->idle_count--;
        connection->next = NULL;
    }
    (void)pthread_mutex_unlock(&valkey->lock);
    return connection;
}

static int take_connection(struct rky_valkey *valkey, struct rky_deadline deadline,
                           struct rky_valkey_connection **ret_connection,
                           struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_valkey_connection *connection = NULL;
    while ((connection = pop_idle(valkey)) != NULL) {
        int64_t idle_ms = valkey->clock->mono_ms(valkey->clock) - connection->idle_since_ms;
        /* The server may have closed it meanwhile; found out now, that costs no attempt. */
        if (idle_ms < RKY_VALKEY_IDLE_MS && rky_valkey_stream_quiet(&connection->stream)) {
            *ret_connection = connection;
            return 0;
        }
        rky_valkey_connection_close(connection);
    }
    return rky_valkey_connection_open(valkey, deadline, ret_connection, ret_attempt, err);
}

static void give_connection(struct rky_valkey *valkey, struct rky_valkey_connection *connection)
{
    bool kept = false;
    connection->idle_since_ms = valkey->clock->mono_ms(valkey->clock);
    (void)pthread_mutex_lock(&valkey->lock);
    /* More bytes than the reply: this server counts differently than we do. */
    if (valkey->idle_count < RKY_VALKEY_IDLE_MAX &&
        !rky_valkey_reader_pending(&connection->reader)) {
        connection->next = valkey->idle;
        valkey->idle = connection;
        valkey->idle_count++;
        kept = true;
    }
    (void)pthread_mutex_unlock(&valkey->lock);
    if (!kept)
        rky_valkey_connection_close(connection);
}

/* --- commands --------------------------------------------------------------------------------- */

int rky_valkey_format(const struct rky_valkey_arg *args, size_t count, char **ret_bytes,
                      size_t *ret_length, struct rky_error *err)
{
    const char **texts = rky_calloc(count, sizeof(*texts));
    size_t *lengths = rky_calloc(count, sizeof(*lengths));
    int rc = 0;
    if (texts == NULL || lengths == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        texts[i] = args[i].bytes != NULL ? args[i].bytes : "";
        lengths[i] = args[i].length;
    }
    int length = redisFormatCommandArgv(ret_bytes, (int)count, texts, lengths);
    if (length < 0)
        rc = rky_fail_nomem(err);
    else
        *ret_length = (size_t)length;
out:
    rky_free(texts);
    rky_free(lengths);
    return rc;
}

int rky_valkey_refused(const struct rky_valkey *valkey, const char *error_reply,
                       struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_attempt attempt = {0};
    enum rky_err code = rky_valkey_classify(error_reply, &attempt);
    char *clean = rky_log_redact(valkey->log, error_reply);
    int rc = rky_valkey_fail(err, ret_attempt, code, &attempt, "valkey '%s': %s", valkey->url.uri,
                             clean != NULL ? clean : "the server refuses the command");
    rky_free(clean);
    if (code == RKY_ERR_CONFIG && strcmp(attempt.error_class, "cluster") == 0)
        rky_error_hint(err, "a cluster is not supported: give the address of a single primary");
    else if (code == RKY_ERR_AUTH)
        rky_error_hint(err, "the user of state.valkey_url needs the commands and keys that the "
                            "error names (ACL SETUSER on the server)");
    else if (code == RKY_ERR_QUOTA)
        rky_error_hint(err, "the server stores nothing at present: see its memory and its disk");
    return rc;
}

/* Set when the server answered with an error; then there is no reply. */
struct refusal {
    char text[RKY_VALKEY_ERROR_MAX];
};

static bool is_word(const struct refusal *refusal, const char *word)
{
    size_t length = strlen(word);
    return strncmp(refusal->text, word, length) == 0 &&
           (refusal->text[length] == ' ' || refusal->text[length] == '\0');
}

static int exchange(struct rky_valkey *valkey, const char *bytes, size_t length,
                    struct rky_deadline deadline, struct rky_valkey_reply *ret_reply,
                    struct refusal *ret_refusal, struct rky_attempt *ret_attempt,
                    struct rky_error *err)
{
    struct rky_valkey_connection *connection = NULL;
    struct rky_valkey_reply reply = {0};
    int rc = take_connection(valkey, deadline, &connection, ret_attempt, err);
    if (rc != 0)
        return rc;
    rc = rky_valkey_connection_send(connection, bytes, length, deadline, ret_attempt, err);
    if (rc == 0)
        rc = rky_valkey_connection_receive(connection, deadline, &reply, ret_attempt, err);
    if (rc != 0) {
        rky_valkey_connection_close(connection);
        return rc;
    }
    if (connection->reader.has_error) {
        (void)snprintf(ret_refusal->text, sizeof(ret_refusal->text), "%s",
                       connection->reader.error[0] != '\0' ? connection->reader.error : "ERR");
        rky_valkey_reply_done(&reply);
    }
    give_connection(valkey, connection);
    *ret_reply = reply;
    return 0;
}

static int ask(struct rky_valkey *valkey, const struct rky_valkey_arg *args, size_t count,
               struct rky_deadline deadline, struct rky_valkey_reply *ret_reply,
               struct refusal *ret_refusal, struct rky_attempt *ret_attempt, struct rky_error *err)
{
    char *bytes = NULL;
    size_t length = 0;
    *ret_refusal = (struct refusal){{0}};
    int rc = rky_valkey_format(args, count, &bytes, &length, err);
    if (rc != 0)
        return rc;
    rc = exchange(valkey, bytes, length, deadline, ret_reply, ret_refusal, ret_attempt, err);
    if (rc == 0 && is_word(ret_refusal, "READONLY")) {
        /* It was the primary once; the name may lead to the new one by now. */
        drop_idle(valkey);
        *ret_refusal = (struct refusal){{0}};
        rc = exchange(valkey, bytes, length, deadline, ret_reply, ret_refusal, ret_attempt, err);
    }
    free(bytes);
    return rc;
}

int rky_valkey_command(struct rky_valkey *valkey, const struct rky_valkey_arg *args, size_t count,
                       struct rky_deadline deadline, struct rky_valkey_reply *ret_reply,
                       struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct refusal refusal;
    int rc = ask(valkey, args, count, deadline, ret_reply, &refusal, ret_attempt, err);
    if (rc == 0 && refusal.text[0] != '\0')
        rc = rky_valkey_refused(valkey, refusal.text, ret_attempt, err);
    return rc;
}

/* --- scripts ---------------------------------------------------------------------------------- */

void rky_valkey_script_init(struct rky_valkey_script *script, const char *text)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    script->text = text;
    /* Not for safety: it is the name under which the server knows a script. */
    (void)SHA1((const unsigned char *)text, strlen(text), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(script->sha1 + 2 * i, 3, "%02x", digest[i]);
}

int rky_valkey_eval(struct rky_valkey *valkey, const struct rky_valkey_script *script,
                    size_t key_count, const struct rky_valkey_arg *args, size_t count,
                    struct rky_deadline deadline, struct rky_valkey_reply *ret_reply,
                    struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_valkey_arg all[ARGS_MAX];
    struct refusal refusal;
    char keys[24];
    RKY_ASSERT(count + 3 <= ARGS_MAX);
    (void)snprintf(keys, sizeof(keys), "%zu", key_count);
    all[0] = (struct rky_valkey_arg)RKY_VALKEY_TEXT("EVALSHA");
    all[1] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(script->sha1);
    all[2] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(keys);
    if (count > 0)
        memcpy(all + 3, args, count * sizeof(*args));
    int rc = ask(valkey, all, count + 3, deadline, ret_reply, &refusal, ret_attempt, err);
    if (rc == 0 && is_word(&refusal, "NOSCRIPT")) {
        /* A restarted server, or another one: it learns the script by being sent it. */
        all[0] = (struct rky_valkey_arg)RKY_VALKEY_TEXT("EVAL");
        all[1] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(script->text);
        rc = ask(valkey, all, count + 3, deadline, ret_reply, &refusal, ret_attempt, err);
    }
    if (rc == 0 && refusal.text[0] != '\0')
        rc = rky_valkey_refused(valkey, refusal.text, ret_attempt, err);
    return rc;
}
