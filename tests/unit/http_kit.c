/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/http_kit.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void *serve(void *argument)
{
    struct kit_connection *connection = argument;
    connection->server->script(connection, connection->server->context);
    (void)shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct kit_server *server = argument;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        (void)pthread_mutex_lock(&server->mutex);
        if (server->stopping || fd < 0) {
            (void)pthread_mutex_unlock(&server->mutex);
            if (fd >= 0)
                (void)close(fd);
            return NULL;
        }
        struct kit_connection *connection = calloc(1, sizeof(*connection));
        connection->server = server;
        connection->fd = fd;
        server->open[server->connections++] = connection;
        connection->number = server->connections;
        if (server->connections == KIT_CONNECTIONS_MAX)
            abort();
        (void)pthread_create(&connection->thread, NULL, serve, connection);
        (void)pthread_mutex_unlock(&server->mutex);
    }
}

void kit_start(struct kit_server *server, kit_script *script, void *context)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    *server = (struct kit_server){.script = script, .context = context};
    (void)pthread_mutex_init(&server->mutex, NULL);
    (void)pthread_cond_init(&server->changed, NULL);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(server->fd, 0);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(server->fd, 64), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, accept_all, server), 0);
}

void kit_stop(struct kit_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    (void)pthread_mutex_unlock(&server->mutex);
    (void)shutdown(server->fd, SHUT_RDWR); /* ends accept() */
    (void)pthread_join(server->thread, NULL);
    for (int i = 0; i < server->connections; i++) {
        struct kit_connection *connection = server->open[i];
        (void)pthread_mutex_lock(&server->mutex);
        if (connection->fd >= 0)
            (void)shutdown(connection->fd, SHUT_RDWR);
        (void)pthread_mutex_unlock(&server->mutex);
        (void)pthread_join(connection->thread, NULL);
        if (connection->fd >= 0)
            (void)close(connection->fd);
        free(connection);
    }
    for (int i = 0; i < server->asked && i < KIT_ASKED_MAX; i++)
        free(server->requests[i]);
    (void)close(server->fd);
    (void)pthread_cond_destroy(&server->changed);
    (void)pthread_mutex_destroy(&server->mutex);
}

int kit_asked(struct kit_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    int asked = server->asked;
    (void)pthread_mutex_unlock(&server->mutex);
    return asked;
}

void kit_wait_asked(struct kit_server *server, int count)
{
    struct timespec until;
    int rc = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    (void)pthread_mutex_lock(&server->mutex);
    while (server->asked < count && rc == 0)
        rc = pthread_cond_timedwait(&server->changed, &server->mutex, &until);
    int asked = server->asked;
    (void)pthread_mutex_unlock(&server->mutex);
    ck_assert_int_ge(asked, count);
}

static void keep(struct kit_connection *connection)
{
    struct kit_server *server = connection->server;
    (void)pthread_mutex_lock(&server->mutex);
    if (server->asked < KIT_ASKED_MAX)
        server->requests[server->asked] = strdup(connection->request);
    server->asked++;
    (void)pthread_cond_broadcast(&server->changed);
    (void)pthread_mutex_unlock(&server->mutex);
}

bool kit_read(struct kit_connection *connection)
{
    size_t used = 0;
    size_t body = 0;
    char *end = NULL;
    for (;;) {
        ssize_t got = recv(connection->fd, connection->request + used,
                           sizeof(connection->request) - 1 - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        connection->request[used] = '\0';
        if (end == NULL && (end = strstr(connection->request, "\r\n\r\n")) != NULL) {
            const char *length = strcasestr(connection->request, "\r\nContent-Length:");
            body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
            end += 4;
        }
        if (end != NULL && used >= (size_t)(end - connection->request) + body)
            break;
        if (used == sizeof(connection->request) - 1) { /* a large body: its start is enough */
            size_t left = (size_t)(end - connection->request) + body - used;
            char sink[65536];
            while (left > 0) {
                got = recv(connection->fd, sink, left < sizeof(sink) ? left : sizeof(sink), 0);
                if (got <= 0)
                    return false;
                left -= (size_t)got;
            }
            break;
        }
    }
    keep(connection);
    return true;
}

bool kit_send_bytes(struct kit_connection *connection, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(connection->fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool kit_send(struct kit_connection *connection, const char *text)
{
    return kit_send_bytes(connection, text, strlen(text));
}

bool kit_answer(struct kit_connection *connection, int status, const char *headers,
                const char *body)
{
    char head[1024];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n",
                   status, strlen(body), headers);
    return kit_send(connection, head) && kit_send(connection, body);
}

bool kit_idle(struct kit_connection *connection, int ms)
{
    /* Readable means closed or stopped: no script idles while the peer sends. */
    struct pollfd entry = {.fd = connection->fd, .events = POLLIN};
    int rc = poll(&entry, 1, ms);
    return rc == 0 || (rc < 0 && errno == EINTR);
}

void kit_reset(struct kit_connection *connection)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    int fd = connection->fd;
    (void)pthread_mutex_lock(&connection->server->mutex);
    connection->fd = -1;
    (void)pthread_mutex_unlock(&connection->server->mutex);
    (void)close(fd);
}

struct rky_http *kit_client(int64_t connect_timeout_ms)
{
    struct rky_error err = {0};
    struct rky_http *http = NULL;
    struct rky_http_options options = {.connect_timeout_ms = connect_timeout_ms,
                                       .clock = rky_clock_real()};
    int rc = rky_http_new(&options, &http, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return http;
}

struct kit_outcome kit_call(struct rky_http *http, struct rky_http_request request,
                            int64_t timeout_ms)
{
    struct kit_outcome outcome = {0};
    struct rky_clock *clock = rky_clock_real();
    int64_t start_ms = clock->mono_ms(clock);
    request.deadline = rky_deadline_in(clock, timeout_ms);
    if (request.method == NULL)
        request.method = "GET";
    outcome.rc = rky_http_call(http, &request, &outcome.response, &outcome.attempt, &outcome.err);
    outcome.elapsed_ms = clock->mono_ms(clock) - start_ms;
    return outcome;
}

struct kit_outcome kit_get(struct rky_http *http, const char *url, int64_t timeout_ms)
{
    return kit_call(http, (struct rky_http_request){.url = url}, timeout_ms);
}

void kit_answer_hello(struct kit_connection *connection, void *context)
{
    (void)context;
    while (kit_read(connection) &&
           kit_answer(connection, 200, "ETag: \"abc\"\r\nX-Twice:  a b \r\n", "hello")) {
    }
}
