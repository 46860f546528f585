/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_store: as little of S3 as the figures of remote state need, fast enough not to be what is
 * measured.
 *
 * Objects live in memory; PUT, GET, HEAD, DELETE and LIST, conditions judged and applied under one
 * mutex, so that of two writers exactly one wins; a new ETag for each write. Signatures are not
 * looked at: tests/kit has a server that does. One thread per connection, HTTP/1.1 keep-alive; each
 * answer may be held back for a fixed time. `GET /-/counts` tells how many requests there were.
 * Ends when standard input does, so it never outlives whoever started it.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BUCKETS = 16384,
    HEAD_MAX = 16384, /* the head of a request */
    KEY_MAX = 1024,
    METADATA_MAX = 4096,
    ETAG_MAX = 32,
    BACKLOG = 64,
};
#define BODY_MAX ((size_t)256 << 20)

static const char help[] = "usage: s3_store [--latency-ms N]\n"
                           "\n"
                           "Prints ENDPOINT=http://127.0.0.1:PORT and serves until standard input "
                           "ends.\n";

struct object {
    struct object *next;
    char *key, *metadata; /* "x-amz-meta-a: b\r\n..." */
    unsigned char *body;
    size_t length;
    unsigned long version;
    int readers; /* answers that are being sent from it */
    bool gone;   /* replaced or deleted: the last reader frees it */
};

struct counts {
    unsigned long get, head, put, history, remove, list;
};

struct store {
    pthread_mutex_t mutex;
    struct object *objects[BUCKETS];
    unsigned long version;
    struct counts counts;
    long latency_ns;
};

/* A connection and the request that is being served on it. */
struct link {
    struct store *store;
    int fd;
    char buffer[HEAD_MAX + 1];
    size_t filled;
    char method[16], key[KEY_MAX];
    const char *query;
    char metadata[METADATA_MAX];
    char if_match[ETAG_MAX], if_none_match[ETAG_MAX];
    bool close, expects;
    unsigned char *body;
    size_t length;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "s3_store: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- objects: all under the mutex --------------------------------------------------------------
 */

static struct object **place_of(struct store *store, const char *key)
{
    uint32_t hash = 2166136261U;
    for (const char *at = key; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619U;
    struct object **place = &store->objects[hash % BUCKETS];
    while (*place != NULL && strcmp((*place)->key, key) != 0)
        place = &(*place)->next;
    return place;
}

static void free_object(struct object *object)
{
    free(object->key);
    free(object->metadata);
    free(object->body);
    free(object);
}

static void drop(struct object **place)
{
    struct object *object = *place;
    *place = object->next;
    object->gone = true;
    if (object->readers == 0)
        free_object(object);
}

struct etag {
    char text[ETAG_MAX];
};
static struct etag etag_of(const struct object *object)
{
    struct etag etag = {""};
    if (object != NULL)
        (void)snprintf(etag.text, sizeof(etag.text), "\"%016lx\"", object->version);
    return etag;
}

/* @return 0 or the status of a refusal. */
static int judge(const struct link *link, const struct object *object)
{
    const struct etag etag = etag_of(object);
    if (link->if_match[0] != '\0' && object == NULL)
        return 404;
    if (link->if_match[0] != '\0' && strcmp(link->if_match, etag.text) != 0)
        return 412;
    return strcmp(link->if_none_match, "*") == 0 && object != NULL ? 412 : 0;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static bool send_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t sent = writev(fd, parts, count);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        while (count > 0 && (size_t)sent >= parts->iov_len) {
            sent -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + sent;
            parts->iov_len -= (size_t)sent;
        }
    }
    return true;
}

/* @param more header lines. @param body NULL = none; a HEAD tells the length of what it leaves out.
 */
static bool answer(const struct link *link, int status, const char *more, const void *body,
                   size_t length)
{
    char head[METADATA_MAX + 256];
    const struct timespec hold = {.tv_sec = link->store->latency_ns / 1000000000,
                                  .tv_nsec = link->store->latency_ns % 1000000000};
    if (hold.tv_sec > 0 || hold.tv_nsec > 0)
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &hold, NULL);
    int head_length = snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n%s\r\n",
                               status, length, more);
    struct iovec parts[] = {{head, (size_t)head_length},
                            {(void *)(uintptr_t)body, body != NULL ? length : 0}};
    return send_all(link->fd, parts, body != NULL ? 2 : 1);
}

static bool refuse(const struct link *link, int status)
{
    static const char missing[] = "<Error><Code>NoSuchKey</Code></Error>";
    static const char refused[] = "<Error><Code>PreconditionFailed</Code></Error>";
    bool bare = status == 304 || strcmp(link->method, "HEAD") == 0;
    const char *text = status == 404 ? missing : refused;
    return answer(link, status, "", bare ? NULL : text, bare ? 0 : strlen(text));
}

/* --- operations --------------------------------------------------------------------------------
 */

static bool serve_read(struct link *link, bool body)
{
    struct store *store = link->store;
    char more[METADATA_MAX + 64];
    (void)pthread_mutex_lock(&store->mutex);
    store->counts.get += body;
    store->counts.head += !body;
    struct object *object = *place_of(store, link->key);
    const struct etag etag = etag_of(object);
    bool same = object != NULL && strcmp(link->if_none_match, etag.text) == 0;
    if (object != NULL)
        object->readers++;
    (void)pthread_mutex_unlock(&store->mutex);
    if (object == NULL)
        return refuse(link, 404);
    (void)snprintf(more, sizeof(more), "ETag: %s\r\n%s", etag.text,
                   object->metadata != NULL ? object->metadata : "");
    bool good = same ? answer(link, 304, more, NULL, 0)
                     : answer(link, 200, more, body ? object->body : NULL, object->length);
    (void)pthread_mutex_lock(&store->mutex);
    if (--object->readers == 0 && object->gone)
        free_object(object);
    (void)pthread_mutex_unlock(&store->mutex);
    return good;
}

static bool serve_write(struct link *link)
{
    struct store *store = link->store;
    char more[64];
    struct object *fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL || (fresh->key = strdup(link->key)) == NULL ||
        (fresh->metadata = strdup(link->metadata)) == NULL)
        die("no memory");
    fresh->body = link->body;
    fresh->length = link->length;
    link->body = NULL;
    (void)pthread_mutex_lock(&store->mutex);
    bool history = strstr(link->key, "/.history/") != NULL;
    store->counts.put += !history;
    store->counts.history += history;
    struct object **place = place_of(store, link->key);
    int status = judge(link, *place);
    if (status == 0) {
        fresh->version = ++store->version;
        if (*place != NULL)
            drop(place);
        fresh->next = *place;
        *place = fresh;
    }
    const struct etag etag = etag_of(fresh);
    (void)pthread_mutex_unlock(&store->mutex);
    if (status != 0) {
        free_object(fresh);
        return refuse(link, status);
    }
    (void)snprintf(more, sizeof(more), "ETag: %s\r\n", etag.text);
    return answer(link, 200, more, NULL, 0);
}

static bool serve_remove(struct link *link)
{
    struct store *store = link->store;
    (void)pthread_mutex_lock(&store->mutex);
    store->counts.remove++;
    struct object **place = place_of(store, link->key);
    int status = judge(link, *place);
    if (status == 0 && *place != NULL)
        drop(place);
    (void)pthread_mutex_unlock(&store->mutex);
    return status != 0 ? refuse(link, status) : answer(link, 204, "", NULL, 0);
}

/* Nothing is ever listed: what would be pruned here is as old as the measurement. */
static bool serve_list(struct link *link)
{
    static const char empty[] =
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>"
        "</ListBucketResult>";
    (void)pthread_mutex_lock(&link->store->mutex);
    link->store->counts.list++;
    (void)pthread_mutex_unlock(&link->store->mutex);
    return answer(link, 200, "Content-Type: application/xml\r\n", empty, sizeof(empty) - 1);
}

static bool serve_counts(struct link *link)
{
    char text[256];
    (void)pthread_mutex_lock(&link->store->mutex);
    const struct counts counts = link->store->counts;
    (void)pthread_mutex_unlock(&link->store->mutex);
    int length =
        snprintf(text, sizeof(text),
                 "{\"get\":%lu,\"head\":%lu,\"put\":%lu,\"history\":%lu,\"delete\":%lu,"
                 "\"list\":%lu}\n",
                 counts.get, counts.head, counts.put, counts.history, counts.remove, counts.list);
    return answer(link, 200, "Content-Type: application/json\r\n", text, (size_t)length);
}

static bool serve_request(struct link *link)
{
    if (strcmp(link->key, "/-/counts") == 0)
        return serve_counts(link);
    if (strcmp(link->method, "GET") == 0 && strstr(link->query, "list-type=") != NULL)
        return serve_list(link);
    if (strcmp(link->method, "GET") == 0)
        return serve_read(link, true);
    if (strcmp(link->method, "HEAD") == 0)
        return serve_read(link, false);
    if (strcmp(link->method, "PUT") == 0)
        return serve_write(link);
    if (strcmp(link->method, "DELETE") == 0)
        return serve_remove(link);
    return answer(link, 405, "", NULL, 0);
}

/* --- requests ----------------------------------------------------------------------------------
 */

static void keep(char *to, size_t size, const char *value)
{
    (void)snprintf(to, size, "%s", value);
}

static void read_header(struct link *link, const char *line)
{
    const char *value = strchr(line, ':');
    if (value == NULL)
        return;
    size_t name = (size_t)(value - line);
    value += 1 + strspn(value + 1, " ");
    if (strncasecmp(line, "content-length", name) == 0)
        link->length = (size_t)strtoull(value, NULL, 10);
    else if (strncasecmp(line, "if-match", name) == 0)
        keep(link->if_match, sizeof(link->if_match), value);
    else if (strncasecmp(line, "if-none-match", name) == 0)
        keep(link->if_none_match, sizeof(link->if_none_match), value);
    else if (strncasecmp(line, "expect", name) == 0)
        link->expects = true;
    else if (strncasecmp(line, "connection", name) == 0)
        link->close = strcasecmp(value, "close") == 0;
    else if (name > 11 && strncasecmp(line, "x-amz-meta-", 11) == 0) {
        size_t used = strlen(link->metadata);
        (void)snprintf(link->metadata + used, sizeof(link->metadata) - used, "%s\r\n", line);
    }
}

/* @param text the head of the request without the empty line; is cut up. */
static bool read_head(struct link *link, char *text)
{
    char *rest = NULL, *line = strtok_r(text, "\r\n", &rest);
    char *target = line != NULL ? strchr(line, ' ') : NULL;
    char *end = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (end == NULL)
        return false;
    *target++ = '\0';
    *end = '\0';
    char *query = strchr(target, '?');
    if (query != NULL)
        *query++ = '\0';
    link->query = query != NULL ? query : "";
    keep(link->method, sizeof(link->method), line);
    keep(link->key, sizeof(link->key), target);
    link->metadata[0] = link->if_match[0] = link->if_none_match[0] = '\0';
    link->length = 0;
    link->expects = false;
    while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL)
        read_header(link, line);
    return link->length <= BODY_MAX;
}

static bool fill(struct link *link, void *to, size_t room, size_t *ret_filled)
{
    for (;;) {
        ssize_t got = recv(link->fd, to, room, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got > 0)
            *ret_filled += (size_t)got;
        return got > 0;
    }
}

/* @param at where the body begins in the buffer. */
static bool read_body(struct link *link, size_t at)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t have = link->filled - at < link->length ? link->filled - at : link->length;
    if (link->length > 0 && (link->body = malloc(link->length)) == NULL)
        die("no memory");
    if (have > 0)
        memcpy(link->body, link->buffer + at, have);
    link->filled -= at + have;
    memmove(link->buffer, link->buffer + at + have, link->filled);
    if (link->expects && have < link->length &&
        send(link->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
        return false;
    while (have < link->length) {
        if (!fill(link, link->body + have, link->length - have, &have))
            return false;
    }
    return true;
}

static bool serve_one(struct link *link)
{
    char *end = NULL;
    link->buffer[link->filled] = '\0';
    while ((end = strstr(link->buffer, "\r\n\r\n")) == NULL) {
        if (link->filled == HEAD_MAX ||
            !fill(link, link->buffer + link->filled, HEAD_MAX - link->filled, &link->filled))
            return false;
        link->buffer[link->filled] = '\0';
    }
    size_t head = (size_t)(end - link->buffer);
    char *text = strndup(link->buffer, head);
    if (text == NULL)
        die("no memory");
    bool good = read_head(link, text) && read_body(link, head + 4) && serve_request(link);
    free(text);
    free(link->body);
    link->body = NULL;
    return good && !link->close;
}

static void *serve(void *argument)
{
    struct link *link = argument;
    const int on = 1;
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    while (serve_one(link))
        continue;
    (void)close(link->fd);
    free(link);
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------
 */

static int listen_here(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("cannot listen");
    (void)printf("ENDPOINT=http://127.0.0.1:%d\n", (int)ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static void *watch_input(void *argument)
{
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    exit(*(int *)argument);
}

static void start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0)
        die("no thread");
    (void)pthread_detach(thread);
}

int main(int argc, char **argv)
{
    struct store *store = calloc(1, sizeof(*store));
    int code = 0;
    if (store == NULL)
        die("no memory");
    if (argc == 3 && strcmp(argv[1], "--latency-ms") == 0) {
        store->latency_ns = strtol(argv[2], NULL, 10) * 1000000;
    } else if (argc != 1) {
        (void)fputs(help, stderr);
        return 64;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)pthread_mutex_init(&store->mutex, NULL);
    int fd = listen_here();
    start(watch_input, &code);
    for (;;) {
        struct link *link = calloc(1, sizeof(*link));
        if (link == NULL)
            die("no memory");
        link->store = store;
        link->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (link->fd < 0)
            die("cannot accept");
        start(serve, link);
    }
}
