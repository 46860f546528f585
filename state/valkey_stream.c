/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to and from a Valkey server, plain or over TLS, with all waiting in one place: never past
 * the deadline, and never longer than RKY_VALKEY_STALL_MS without a byte moving, so that a server
 * that accepts and never answers leaves its transfer time for another attempt.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ended(const struct rky_valkey_stream *stream, int error, struct rky_attempt *ret_attempt,
                 struct rky_error *err)
{
    return rky_valkey_fail(err, ret_attempt, RKY_ERR_CONNECTION, RKY_VALKEY_TRANSIENT("reset"),
                           "valkey '%s': %s", stream->url->uri,
                           error == 0 ? "the server closed the connection" : strerror(error));
}

static int too_slow(const struct rky_valkey_stream *stream, struct rky_attempt *ret_attempt,
                    struct rky_error *err)
{
    return rky_valkey_fail(err, ret_attempt, RKY_ERR_TIMEOUT, RKY_VALKEY_TRANSIENT("timeout"),
                           "valkey '%s': no answer in time", stream->url->uri);
}

/* One step over a plain socket. */
static enum rky_valkey_step plain_step(struct rky_valkey_stream *stream, ssize_t count,
                                       enum rky_valkey_step again, size_t *ret_count,
                                       struct rky_attempt *ret_attempt, struct rky_error *err)
{
    if (count > 0) {
        *ret_count = (size_t)count;
        return RKY_STEP_DONE;
    }
    if (count == 0)
        return RKY_STEP_END;
    if (errno == EAGAIN || errno == EINTR)
        return again;
    (void)ended(stream, errno, ret_attempt, err);
    return RKY_STEP_FAILED;
}

static enum rky_valkey_step read_step(struct rky_valkey_stream *stream, void *buffer, size_t size,
                                      size_t *ret_count, struct rky_attempt *ret_attempt,
                                      struct rky_error *err)
{
    if (stream->tls.ssl != NULL)
        return rky_valkey_tls_read(&stream->tls, stream->url, buffer, size, ret_count, ret_attempt,
                                   err);
    return plain_step(stream, recv(stream->fd, buffer, size, 0), RKY_STEP_READ, ret_count,
                      ret_attempt, err);
}

static enum rky_valkey_step write_step(struct rky_valkey_stream *stream, const void *bytes,
                                       size_t length, size_t *ret_count,
                                       struct rky_attempt *ret_attempt, struct rky_error *err)
{
    if (stream->tls.ssl != NULL)
        return rky_valkey_tls_write(&stream->tls, stream->url, bytes, length, ret_count,
                                    ret_attempt, err);
    return plain_step(stream, send(stream->fd, bytes, length, MSG_NOSIGNAL), RKY_STEP_WRITE,
                      ret_count, ret_attempt, err);
}

/* After a step that did not move bytes: wait for what it wants. @return 0 = take the step again. */
static int wait_for(struct rky_valkey_stream *stream, enum rky_valkey_step step,
                    const struct rky_deadline *deadline, struct rky_attempt *ret_attempt,
                    struct rky_error *err)
{
    if (step == RKY_STEP_FAILED)
        return err != NULL && err->code != RKY_OK ? err->code : RKY_ERR_CONNECTION;
    if (step == RKY_STEP_END)
        return ended(stream, 0, ret_attempt, err);
    struct rky_deadline stall = rky_deadline_in(deadline->clock, RKY_VALKEY_STALL_MS);
    const struct rky_deadline *first = stall.mono_ms < deadline->mono_ms ? &stall : deadline;
    if (rky_valkey_poll(stream->fd, step == RKY_STEP_READ ? POLLIN : POLLOUT, first) == 0)
        return too_slow(stream, ret_attempt, err);
    return 0;
}

static int shake_hands(struct rky_valkey_stream *stream, const struct rky_valkey_tls_files *files,
                       const struct rky_deadline *deadline, struct rky_attempt *ret_attempt,
                       struct rky_error *err)
{
    SSL_CTX *context = NULL;
    int rc = rky_valkey_tls_context(stream->url, files, &context, ret_attempt, err);
    if (rc != 0)
        return rc;
    rc = rky_valkey_tls_new(context, stream->url, stream->fd, &stream->tls, err);
    SSL_CTX_free(context); /* the session keeps its own reference */
    while (rc == 0) {
        enum rky_valkey_step step =
            rky_valkey_tls_handshake(&stream->tls, stream->url, ret_attempt, err);
        if (step == RKY_STEP_DONE)
            break;
        rc = wait_for(stream, step, deadline, ret_attempt, err);
    }
    return rc;
}

int rky_valkey_stream_open(const struct rky_valkey_url *url,
                           const struct rky_valkey_tls_files *files, struct rky_deadline deadline,
                           struct rky_valkey_stream *ret_stream, struct rky_attempt *ret_attempt,
                           struct rky_error *err)
{
    struct rky_valkey_stream stream = {.url = url, .fd = -1};
    int rc = rky_valkey_socket_open(url, deadline, &stream.fd, ret_attempt, err);
    if (rc == 0 && url->tls)
        rc = shake_hands(&stream, files, &deadline, ret_attempt, err);
    if (rc != 0)
        rky_valkey_stream_close(&stream);
    else
        *ret_stream = stream;
    return rc;
}

void rky_valkey_stream_close(struct rky_valkey_stream *stream)
{
    rky_valkey_tls_done(&stream->tls);
    if (stream->fd >= 0)
        (void)close(stream->fd);
    stream->fd = -1;
}

int rky_valkey_stream_write(struct rky_valkey_stream *stream, const void *bytes, size_t length,
                            struct rky_deadline deadline, struct rky_attempt *ret_attempt,
                            struct rky_error *err)
{
    const char *next = bytes;
    while (length > 0) {
        size_t count = 0;
        /* Asked here too: a server that reads drop by drop never makes us wait long. */
        if (rky_deadline_left_ms(&deadline) <= 0)
            return too_slow(stream, ret_attempt, err);
        enum rky_valkey_step step = write_step(stream, next, length, &count, ret_attempt, err);
        if (step != RKY_STEP_DONE) {
            int rc = wait_for(stream, step, &deadline, ret_attempt, err);
            if (rc != 0)
                return rc;
            continue;
        }
        next += count;
        length -= count;
    }
    return 0;
}

int rky_valkey_stream_read(struct rky_valkey_stream *stream, void *buffer, size_t size,
                           struct rky_deadline deadline, size_t *ret_count,
                           struct rky_attempt *ret_attempt, struct rky_error *err)
{
    /* An answer takes a while: trying to read it at once is a call for nothing. TLS may have some
     * of it already. */
    int waited =
        stream->tls.ssl == NULL ? wait_for(stream, RKY_STEP_READ, &deadline, ret_attempt, err) : 0;
    if (waited != 0)
        return waited;
    for (;;) {
        if (rky_deadline_left_ms(&deadline) <= 0)
            return too_slow(stream, ret_attempt, err);
        enum rky_valkey_step step = read_step(stream, buffer, size, ret_count, ret_attempt, err);
        if (step == RKY_STEP_DONE)
            return 0;
        int rc = wait_for(stream, step, &deadline, ret_attempt, err);
        if (rc != 0)
            return rc;
    }
}

bool rky_valkey_stream_quiet(struct rky_valkey_stream *stream)
{
    struct rky_attempt attempt = {0};
    char byte = 0;
    size_t count = 0;
    /* Over TLS there may be records that are none of ours, such as session tickets. */
    return read_step(stream, &byte, 1, &count, &attempt, NULL) == RKY_STEP_READ;
}
