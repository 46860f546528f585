/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connected sockets for the Valkey client: non-blocking, so that nothing but poll() ever waits, and
 * poll() waits no longer than the deadline. TCP over IPv4 and IPv6 (each address in turn) and unix
 * sockets.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

int rky_valkey_fail(struct rky_error *err, struct rky_attempt *ret_attempt, enum rky_err code,
                    const struct rky_attempt *attempt, const char *format, ...)
{
    char message[RKY_ERROR_MESSAGE_MAX];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(message, sizeof(message), format, values);
    va_end(values);
    bool first = err != NULL && err->code == RKY_OK;
    *ret_attempt = *attempt;
    (void)rky_fail(err, code, "%s", message);
    if (first)
        err->transient = attempt->retry != RKY_RETRY_NO;
    return code;
}

int rky_valkey_poll(int fd, short events, const struct rky_deadline *deadline)
{
    for (;;) {
        int64_t left_ms = rky_deadline_left_ms(deadline);
        if (left_ms <= 0)
            return 0;
        struct pollfd entry = {.fd = fd, .events = events};
        /* In slices, because a suspended machine or a clock of tests moves on without poll(). */
        int ready = poll(&entry, 1, left_ms < 200 ? (int)left_ms : 200);
        if (ready > 0)
            return 1;
    }
}

/* Wait for a connect() under way. @return 0 or errno. */
static int finish_connect(int fd, const struct rky_deadline *deadline)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (rky_valkey_poll(fd, POLLOUT, deadline) == 0)
        return ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

/* @return 0 with a connected socket, or errno. */
static int connect_to(int family, const struct sockaddr *address, socklen_t length,
                      const struct rky_deadline *deadline, int *ret_fd)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    const int on = 1;
    if (family != AF_UNIX) {
        /* Commands are one write; waiting to fill a packet would only cost time. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    int error = connect(fd, address, length) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR)
        error = finish_connect(fd, deadline);
    if (error != 0)
        (void)close(fd);
    else
        *ret_fd = fd;
    return error;
}

/* A table or the process being full says nothing about the server. */
static bool is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static int explain(const struct rky_valkey_url *url, int error, struct rky_attempt *ret_attempt,
                   struct rky_error *err)
{
    struct rky_attempt attempt = *RKY_VALKEY_TRANSIENT("connect");
    attempt.counts = !is_ours(error);
    int rc = rky_valkey_fail(err, ret_attempt, RKY_ERR_CONNECTION, &attempt,
                             "valkey '%s': cannot connect: %s", url->uri, strerror(error));
    if (err != NULL)
        err->sys_errno = error;
    return rc;
}

static int open_unix(const struct rky_valkey_url *url, const struct rky_deadline *deadline,
                     int *ret_fd, struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(url->path) >= sizeof(address.sun_path))
        return rky_valkey_fail(err, ret_attempt, RKY_ERR_CONFIG, RKY_VALKEY_PERMANENT("bad_url"),
                               "valkey '%s': the path of a unix socket has at most %zu bytes",
                               url->uri, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, url->path, strlen(url->path) + 1);
    int error =
        connect_to(AF_UNIX, (const struct sockaddr *)&address, sizeof(address), deadline, ret_fd);
    return error == 0 ? 0 : explain(url, error, ret_attempt, err);
}

static size_t count_addresses(const struct addrinfo *list)
{
    size_t count = 0;
    for (; list != NULL; list = list->ai_next)
        count++;
    return count;
}

static int open_tcp(const struct rky_valkey_url *url, const struct rky_deadline *deadline,
                    int *ret_fd, struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct addrinfo *list = NULL;
    int rc = rky_valkey_resolve(url, *deadline, &list, ret_attempt, err);
    if (rc != 0)
        return rc;
    int error = ETIMEDOUT;
    size_t left = count_addresses(list);
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next, left--) {
        /* An address that swallows packets must leave its share of the time to the next. */
        int64_t share_ms = rky_deadline_left_ms(deadline) / (int64_t)left;
        struct rky_deadline share = rky_deadline_in(deadline->clock, share_ms);
        error = connect_to(a->ai_family, a->ai_addr, a->ai_addrlen, &share, ret_fd);
        if (error == 0)
            break;
    }
    freeaddrinfo(list);
    return error == 0 ? 0 : explain(url, error, ret_attempt, err);
}

int rky_valkey_socket_open(const struct rky_valkey_url *url, struct rky_deadline deadline,
                           int *ret_fd, struct rky_attempt *ret_attempt, struct rky_error *err)
{
    return url->path != NULL ? open_unix(url, &deadline, ret_fd, ret_attempt, err)
                             : open_tcp(url, &deadline, ret_fd, ret_attempt, err);
}
