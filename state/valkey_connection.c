/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation with a Valkey server: connect, log in, send commands, receive replies in order.
 *
 * Whoever gets an error from here closes the connection: its place in the protocol is unknown, and
 * a late reply would be taken for the answer to the next command.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum { READ_SIZE = 65536, HELLO_MAX = 3, FAREWELL_MS = 20 };

/* The reader's verdict, as a fault of this server. */
static int bad_reply(const struct rky_valkey_connection *connection, const struct rky_error *cause,
                     struct rky_attempt *ret_attempt, struct rky_error *err)
{
    if (cause->code == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    int rc = rky_valkey_fail(err, ret_attempt, RKY_ERR_CONNECTION, RKY_VALKEY_TRANSIENT("protocol"),
                             "valkey '%s': %s", connection->stream.url->uri, cause->message);
    rky_error_hint(err, "is this a Valkey server, and does it expect TLS on this port?");
    return rc;
}

int rky_valkey_connection_receive(struct rky_valkey_connection *connection,
                                  struct rky_deadline deadline, struct rky_valkey_reply *ret_reply,
                                  struct rky_attempt *ret_attempt, struct rky_error *err)
{
    char buffer[READ_SIZE];
    connection->reader.has_error = false;
    for (;;) {
        struct rky_error cause = {0};
        bool found = false;
        size_t count = 0;
        if (rky_valkey_reader_next(&connection->reader, &found, ret_reply, &cause) != 0)
            return bad_reply(connection, &cause, ret_attempt, err);
        if (found)
            return 0;
        int rc = rky_valkey_stream_read(&connection->stream, buffer, sizeof(buffer), deadline,
                                        &count, ret_attempt, err);
        if (rc != 0)
            return rc;
        if (rky_valkey_reader_feed(&connection->reader, buffer, count, &cause) != 0)
            return bad_reply(connection, &cause, ret_attempt, err);
    }
}

/* A server that closes while we write has often said why before: that it is full, or that it wants
 * a certificate. @p cause is what writing failed with. */
static int hear_farewell(struct rky_valkey_connection *connection, int rc,
                         const struct rky_attempt *attempt, const struct rky_error *cause,
                         struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_deadline soon = rky_deadline_in(rky_clock_real(), FAREWELL_MS);
    struct rky_valkey_reply reply = {0};
    struct rky_attempt said = {0};
    struct rky_error reason = {0};
    int heard = rky_valkey_connection_receive(connection, soon, &reply, &said, &reason);
    if (heard == 0)
        rky_valkey_reply_done(&reply);
    if (heard == 0 && connection->reader.has_error) {
        enum rky_err code = rky_valkey_classify(connection->reader.error, &said);
        return rky_valkey_fail(err, ret_attempt, code, &said,
                               "valkey '%s': the server closed the connection: %s",
                               connection->stream.url->uri, said.error_class);
    }
    /* Only what no retry mends is worth more than the fault itself. */
    bool better = heard != 0 && said.error_class != NULL && said.retry == RKY_RETRY_NO;
    *ret_attempt = better ? said : *attempt;
    if (err != NULL && err->code == RKY_OK)
        *err = better ? reason : *cause;
    return better ? heard : rc;
}

int rky_valkey_connection_send(struct rky_valkey_connection *connection, const char *bytes,
                               size_t length, struct rky_deadline deadline,
                               struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_attempt attempt = {0};
    struct rky_error cause = {0};
    int rc =
        rky_valkey_stream_write(&connection->stream, bytes, length, deadline, &attempt, &cause);
    return rc == 0 ? 0 : hear_farewell(connection, rc, &attempt, &cause, ret_attempt, err);
}

/* --- login ------------------------------------------------------------------------------------ */

enum hello { HELLO_AUTH, HELLO_SELECT, HELLO_NAME };

/* All commands of the login in one piece, to cost one round trip. */
static int format_hello(const struct rky_valkey_url *url, struct rky_strbuf *bytes,
                        enum hello steps[HELLO_MAX], size_t *ret_count, struct rky_error *err)
{
    char database[24];
    (void)snprintf(database, sizeof(database), "%d", (int)url->database);
    const struct rky_valkey_arg login[] = {
        RKY_VALKEY_TEXT("AUTH"),
        {url->user, url->user != NULL ? strlen(url->user) : 0},
        {url->password, url->password != NULL ? strlen(url->password) : 0},
    };
    const struct rky_valkey_arg password_only[] = {login[0], login[2]};
    const struct rky_valkey_arg select[] = {RKY_VALKEY_TEXT("SELECT"), RKY_VALKEY_TEXT(database)};
    const struct rky_valkey_arg name[] = {RKY_VALKEY_TEXT("CLIENT"), RKY_VALKEY_TEXT("SETNAME"),
                                          RKY_VALKEY_TEXT("rocky")};
    const struct {
        bool wanted;
        enum hello step;
        const struct rky_valkey_arg *args;
        size_t count;
    } commands[] = {
        {url->password != NULL && url->user != NULL, HELLO_AUTH, login, 3},
        {url->password != NULL && url->user == NULL, HELLO_AUTH, password_only, 2},
        {url->database != 0, HELLO_SELECT, select, 2},
        {true, HELLO_NAME, name, 3},
    };
    *ret_count = 0;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char *command = NULL;
        size_t length = 0;
        if (!commands[i].wanted)
            continue;
        int rc = rky_valkey_format(commands[i].args, commands[i].count, &command, &length, err);
        if (rc != 0)
            return rc;
        rky_strbuf_addn(bytes, command, length);
        explicit_bzero(command, length);
        free(command);
        steps[(*ret_count)++] = commands[i].step;
    }
    return bytes->failed ? rky_fail_nomem(err) : 0;
}

/* A refused login step. The reply itself is not shown: a server without the command repeats its
 * arguments, and one of them is the password. */
static int refused(const struct rky_valkey_url *url, enum hello step, const char *error_reply,
                   struct rky_attempt *ret_attempt, struct rky_error *err)
{
    const int word = (int)strcspn(error_reply, " ");
    struct rky_attempt attempt = {0};
    enum rky_err code = rky_valkey_classify(error_reply, &attempt);
    if (attempt.retry != RKY_RETRY_NO)
        return rky_valkey_fail(err, ret_attempt, code, &attempt,
                               "valkey '%s': the server lets nobody in: %s", url->uri,
                               attempt.error_class);
    if (step == HELLO_SELECT && code != RKY_ERR_AUTH) {
        (void)rky_valkey_fail(err, ret_attempt, RKY_ERR_CONFIG, RKY_VALKEY_PERMANENT("database"),
                              "valkey '%s': database %d cannot be selected", url->uri,
                              (int)url->database);
        rky_error_hint(err, "a cluster has database 0 only; otherwise see the server's "
                            "'databases' setting");
        return RKY_ERR_CONFIG;
    }
    attempt.error_class = code == RKY_ERR_AUTH ? attempt.error_class : "auth";
    (void)rky_valkey_fail(err, ret_attempt, RKY_ERR_AUTH, &attempt,
                          "valkey '%s': the server refuses %s '%s': %.*s", url->uri,
                          step == HELLO_AUTH ? "the login of user" : "SELECT to user",
                          url->user != NULL ? url->user : "default", word, error_reply);
    rky_error_hint(err, "check user and password in state.valkey_url, and the user's rules on "
                        "the server (ACL LIST)");
    return RKY_ERR_AUTH;
}

/* The name is for people who look at CLIENT LIST; a user may lack the right to set it. But a server
 * that is full or not ready says so in answer to whatever comes first. */
static bool matters(enum hello step, const char *error_reply)
{
    struct rky_attempt attempt = {0};
    (void)rky_valkey_classify(error_reply, &attempt);
    return step != HELLO_NAME || attempt.retry == RKY_RETRY_YES;
}

static int log_in(struct rky_valkey_connection *connection, struct rky_deadline deadline,
                  struct rky_attempt *ret_attempt, struct rky_error *err)
{
    const struct rky_valkey_url *url = connection->stream.url;
    struct rky_strbuf bytes = {0};
    enum hello steps[HELLO_MAX];
    size_t count = 0;
    int rc = format_hello(url, &bytes, steps, &count, err);
    if (rc == 0)
        rc = rky_valkey_connection_send(connection, bytes.data, bytes.length, deadline, ret_attempt,
                                        err);
    if (bytes.data != NULL)
        explicit_bzero(bytes.data, bytes.length);
    rky_strbuf_done(&bytes);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct rky_valkey_reply reply = {0};
        rc = rky_valkey_connection_receive(connection, deadline, &reply, ret_attempt, err);
        if (rc == 0)
            rky_valkey_reply_done(&reply);
        if (rc == 0 && connection->reader.has_error && matters(steps[i], connection->reader.error))
            rc = refused(url, steps[i], connection->reader.error, ret_attempt, err);
    }
    return rc;
}

int rky_valkey_connection_open(struct rky_valkey *valkey, struct rky_deadline deadline,
                               struct rky_valkey_connection **ret_connection,
                               struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_valkey_connection *connection = rky_calloc(1, sizeof(*connection));
    if (connection == NULL)
        return rky_fail_nomem(err);
    connection->stream.fd = -1;
    struct rky_deadline limit = rky_deadline_in(deadline.clock, RKY_VALKEY_CONNECT_MS);
    if (limit.mono_ms > deadline.mono_ms)
        limit = deadline;
    int rc = rky_valkey_reader_init(&connection->reader, err);
    if (rc == 0)
        rc = rky_valkey_stream_open(rky_valkey_url(valkey), rky_valkey_files(valkey), limit,
                                    &connection->stream, ret_attempt, err);
    if (rc == 0)
        rc = log_in(connection, limit, ret_attempt, err);
    if (rc != 0)
        rky_valkey_connection_close(connection);
    else
        *ret_connection = connection;
    return rc;
}

void rky_valkey_connection_close(struct rky_valkey_connection *connection)
{
    if (connection == NULL)
        return;
    rky_valkey_stream_close(&connection->stream);
    rky_valkey_reader_done(&connection->reader);
    rky_free(connection);
}
