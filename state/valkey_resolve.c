/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host names to addresses within a deadline.
 *
 * getaddrinfo() cannot be interrupted and may take half a minute when name servers are away, so it
 * runs on a thread of its own that is left behind when the deadline passes; the request belongs to
 * whichever of the two is last. Numeric addresses need neither.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

struct request {
    pthread_mutex_t lock;
    pthread_cond_t finished;
    int holders; /* the asking thread and the resolving one */
    bool done;
    int result, saved_errno; /* of getaddrinfo() */
    struct addrinfo *list;
    char *host, *port;
};

static const struct addrinfo stream_hints = {
    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

static void drop(struct request *request)
{
    (void)pthread_mutex_lock(&request->lock);
    bool last = --request->holders == 0;
    (void)pthread_mutex_unlock(&request->lock);
    if (!last)
        return;
    if (request->list != NULL)
        freeaddrinfo(request->list);
    (void)pthread_cond_destroy(&request->finished);
    (void)pthread_mutex_destroy(&request->lock);
    rky_free(request->host);
    rky_free(request->port);
    rky_free(request);
}

static void *resolve(void *argument)
{
    struct request *request = argument;
    struct addrinfo *list = NULL;
    int result = getaddrinfo(request->host, request->port, &stream_hints, &list);
    int saved_errno = errno;
    (void)pthread_mutex_lock(&request->lock);
    request->result = result;
    request->saved_errno = saved_errno;
    request->list = result == 0 ? list : NULL;
    request->done = true;
    (void)pthread_cond_signal(&request->finished);
    (void)pthread_mutex_unlock(&request->lock);
    drop(request);
    return NULL;
}

static struct request *new_request(const char *host, const char *port)
{
    struct request *request = rky_calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->host = rky_strdup(host);
    request->port = rky_strdup(port);
    if (request->host == NULL || request->port == NULL) {
        rky_free(request->host);
        rky_free(request->port);
        rky_free(request);
        return NULL;
    }
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&request->lock, NULL);
    (void)pthread_cond_init(&request->finished, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    request->holders = 1;
    return request;
}

static int start(struct request *request)
{
    pthread_t thread;
    pthread_attr_t detached;
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    request->holders++;
    int failed = pthread_create(&thread, &detached, resolve, request);
    if (failed != 0)
        request->holders--;
    (void)pthread_attr_destroy(&detached);
    return failed;
}

/* Whether the answer came before the deadline. */
static bool wait_for(struct request *request, const struct rky_deadline *deadline)
{
    (void)pthread_mutex_lock(&request->lock);
    int64_t left_ms = 0;
    while (!request->done && (left_ms = rky_deadline_left_ms(deadline)) > 0) {
        struct timespec until = {0};
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 1000000 * (left_ms < 100 ? left_ms : 100);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&request->finished, &request->lock, &until);
    }
    bool done = request->done;
    (void)pthread_mutex_unlock(&request->lock);
    return done;
}

static int explain(const struct rky_valkey_url *url, int result, int saved_errno,
                   struct rky_attempt *ret_attempt, struct rky_error *err)
{
    if (result == EAI_MEMORY)
        return rky_fail_nomem(err);
    int rc = rky_valkey_fail(err, ret_attempt, RKY_ERR_CONNECTION, RKY_VALKEY_TRANSIENT("dns"),
                             "valkey '%s': cannot resolve host '%s': %s", url->uri, url->host,
                             result == EAI_SYSTEM ? strerror(saved_errno) : gai_strerror(result));
    return rc;
}

static int resolve_name(const struct rky_valkey_url *url, struct rky_deadline deadline,
                        struct addrinfo **ret_list, struct rky_attempt *ret_attempt,
                        struct rky_error *err)
{
    struct request *request = new_request(url->host, url->port);
    if (request == NULL)
        return rky_fail_nomem(err);
    int rc = 0, failed = start(request);
    if (failed != 0) {
        rc = rky_fail_errno(err, failed, "cannot start a thread to resolve '%s'", url->host);
    } else if (!wait_for(request, &deadline)) {
        rc = rky_valkey_fail(err, ret_attempt, RKY_ERR_TIMEOUT, RKY_VALKEY_TRANSIENT("dns"),
                             "valkey '%s': resolving host '%s' took too long", url->uri, url->host);
    } else if (request->result != 0) {
        rc = explain(url, request->result, request->saved_errno, ret_attempt, err);
    } else {
        *ret_list = request->list;
        request->list = NULL;
    }
    drop(request);
    return rc;
}

int rky_valkey_resolve(const struct rky_valkey_url *url, struct rky_deadline deadline,
                       struct addrinfo **ret_list, struct rky_attempt *ret_attempt,
                       struct rky_error *err)
{
    const struct addrinfo numeric = {.ai_family = AF_UNSPEC,
                                     .ai_socktype = SOCK_STREAM,
                                     .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    if (getaddrinfo(url->host, url->port, &numeric, ret_list) == 0)
        return 0;
    return resolve_name(url, deadline, ret_list, ret_attempt, err);
}
