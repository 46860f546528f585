/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that plays by script: what it answers to each connection, in what pieces, and whether it
 * goes on. A client of it, and what one PING came to.
 */
#ifndef RKY_TESTS_UNIT_VALKEY_PLAYER_H
#define RKY_TESTS_UNIT_VALKEY_PLAYER_H

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/valkey_internal.h"

#define PLAY_MAX 8

/** The client names itself first. */
#define HELLO "+OK\r\n"

/** One connection: what is answered to the commands that come, one each. */
struct play {
    const char *replies[4]; /* NULL = silence */
    size_t length;          /* of the last one, 0 = a text */
    bool close_after;       /* the replies */
    bool reset;             /* close with RST */
    int drip_ms;            /* between two bytes of a reply, 0 = all at once */
};

/** What one command came to. */
struct outcome {
    int rc;
    struct rky_attempt attempt;
    struct rky_error err;
    struct rky_valkey_reply reply;
    int64_t took_ms;
};

/** The server of the test that runs; every test has a process of its own. */
extern struct player {
    int fd, port;
    pthread_t thread;
    atomic_bool stop;
    struct play plays[PLAY_MAX];
    size_t count;
    atomic_int accepted;
    atomic_int left; /* connections whose client has been told that the server closed them */
} player;

/** @brief Serve; the last play holds for all connections that follow. */
void player_start(const struct play *plays, size_t count);
void player_stop(void);
/** @brief Wait until so many clients have been told: what they send next, they send knowingly. */
void player_wait_left(int count);
/** @brief A client of the server that has not connected yet. */
struct rky_valkey *player_client(const char *scheme);
/** @brief PING, with so much time. */
struct outcome player_ping(struct rky_valkey *valkey, int64_t ms);
/** @brief The whole meeting: a server that plays this, a new client, one PING, and the end of both.
 */
struct outcome player_meet(const char *scheme, const struct play *play, int64_t ms);
/** @brief The command failed like this. */
void player_expect_fault(const struct outcome *outcome, int code, const char *error_class);

/** The tests of the other files. */
void player_add_recovery(TCase *tcase);

#endif
