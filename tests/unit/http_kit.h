/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted TCP server inside a test: a thread accepts one connection after another and hands each
 * to a thread of its own, which runs the script. What was asked is kept for the test to look at.
 */
#ifndef RKY_TESTS_UNIT_HTTP_KIT_H
#define RKY_TESTS_UNIT_HTTP_KIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/http.h"

enum { KIT_ASKED_MAX = 64, KIT_REQUEST_MAX = 16384, KIT_CONNECTIONS_MAX = 64 };

struct kit_server;

/** One accepted connection, in its own thread. */
struct kit_connection {
    struct kit_server *server;
    int fd;
    int number;                    /**< from 1, in the order of accepting */
    char request[KIT_REQUEST_MAX]; /**< the last one read, NUL-terminated */
    pthread_t thread;
};
typedef void kit_script(struct kit_connection *connection, void *context);

struct kit_server {
    int fd, port;
    char url[64]; /**< "http://127.0.0.1:port" */
    kit_script *script;
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping;
    int connections, asked;
    char *requests[KIT_ASKED_MAX]; /**< every request that was read whole */
    struct kit_connection *open[KIT_CONNECTIONS_MAX];
};

void kit_start(struct kit_server *server, kit_script *script, void *context);
/** Closes everything, ends every script, joins every thread. */
void kit_stop(struct kit_server *server);
int kit_asked(struct kit_server *server);
/** Wait until so many requests were read; fails the test after ten seconds. */
void kit_wait_asked(struct kit_server *server, int count);

/** Read one request with its body. @return false when the peer closed. */
bool kit_read(struct kit_connection *connection);
/** @return false when the peer is gone. */
bool kit_send(struct kit_connection *connection, const char *text);
bool kit_send_bytes(struct kit_connection *connection, const void *bytes, size_t length);
/** A whole answer with its Content-Length. */
bool kit_answer(struct kit_connection *connection, int status, const char *headers,
                const char *body);
/** Until the test stops the server or the peer closes; true while neither happened after ms. */
bool kit_idle(struct kit_connection *connection, int ms);
/** End with a reset instead of an orderly close. */
void kit_reset(struct kit_connection *connection);
/** A script: 200 and "hello", for as long as somebody asks. */
kit_script kit_answer_hello;

/** How late a call may end: generous, because the machine may be busy and valgrind is slow. */
enum { KIT_GRACE_MS = 2500 };

/** What rky_http_call() gave, and how long it took. */
struct kit_outcome {
    int rc;
    struct rky_http_response response;
    struct rky_attempt attempt;
    struct rky_error err;
    int64_t elapsed_ms;
};
/** @param connect_timeout_ms 0 = the default. */
struct rky_http *kit_client(int64_t connect_timeout_ms);
struct kit_outcome kit_call(struct rky_http *http, struct rky_http_request request,
                            int64_t timeout_ms);
struct kit_outcome kit_get(struct rky_http *http, const char *url, int64_t timeout_ms);

#endif
