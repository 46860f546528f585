/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for one message on a channel: a connection of its own that asks nothing while it waits.
 *
 * Only a hint comes from here. Whoever calls looks again afterwards, so every fault just ends the
 * waiting, after the time that was asked for.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLICE_MS = 100 };

static bool stopped(const _Atomic bool *stop)
{
    return stop != NULL && atomic_load(stop);
}

static bool is_kind(const struct rky_valkey_reply *reply, const char *kind)
{
    return reply->type == RKY_VALKEY_ARRAY && reply->count > 0 &&
           reply->items[0].type == RKY_VALKEY_STRING && strcmp(reply->items[0].text, kind) == 0;
}

static bool subscribe(struct rky_valkey_connection *connection, const char *channel,
                      struct rky_deadline deadline)
{
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("SUBSCRIBE"), RKY_VALKEY_TEXT(channel)};
    struct rky_valkey_reply reply = {0};
    struct rky_attempt attempt = {0};
    char *bytes = NULL;
    size_t length = 0;
    if (rky_valkey_format(args, 2, &bytes, &length, NULL) != 0)
        return false;
    int rc = rky_valkey_connection_send(connection, bytes, length, deadline, &attempt, NULL);
    free(bytes);
    if (rc == 0)
        rc = rky_valkey_connection_receive(connection, deadline, &reply, &attempt, NULL);
    bool subscribed = rc == 0 && !connection->reader.has_error && is_kind(&reply, "subscribe");
    if (rc == 0)
        rky_valkey_reply_done(&reply);
    return subscribed;
}

/* @return whether the subscription lasted until a message or the deadline came. */
static bool await_message(struct rky_valkey_connection *connection, struct rky_deadline deadline,
                          const _Atomic bool *stop)
{
    while (rky_deadline_left_ms(&deadline) > 0 && !stopped(stop)) {
        struct rky_deadline slice = rky_deadline_in(deadline.clock, SLICE_MS);
        if (slice.mono_ms > deadline.mono_ms)
            slice = deadline;
        if (!rky_valkey_reader_pending(&connection->reader) &&
            rky_valkey_poll(connection->stream.fd, POLLIN, &slice) == 0)
            continue;
        struct rky_valkey_reply reply = {0};
        struct rky_attempt attempt = {0};
        if (rky_valkey_connection_receive(connection, deadline, &reply, &attempt, NULL) != 0)
            return false;
        bool message = is_kind(&reply, "message");
        rky_valkey_reply_done(&reply);
        if (message)
            return true;
    }
    return true;
}

static void sleep_until(struct rky_deadline deadline, const _Atomic bool *stop)
{
    int64_t left_ms = 0;
    while ((left_ms = rky_deadline_left_ms(&deadline)) > 0 && !stopped(stop)) {
        const int64_t slice_ms = left_ms < SLICE_MS ? left_ms : SLICE_MS;
        (void)nanosleep(&(struct timespec){.tv_nsec = slice_ms * 1000000}, NULL);
    }
}

void rky_valkey_listen(struct rky_valkey *valkey, const char *channel, int64_t wait_ms,
                       const _Atomic bool *stop, bool (*ready)(void *context), void *context)
{
    struct rky_deadline deadline = rky_deadline_in(rky_valkey_clock(valkey), wait_ms);
    struct rky_valkey_connection *connection = NULL;
    struct rky_attempt attempt = {0};
    bool heard = false;
    if (rky_valkey_connection_open(valkey, deadline, &connection, &attempt, NULL) == 0 &&
        subscribe(connection, channel, deadline))
        heard = ready(context) || await_message(connection, deadline, stop);
    rky_valkey_connection_close(connection);
    if (!heard)
        sleep_until(deadline, stop);
}
