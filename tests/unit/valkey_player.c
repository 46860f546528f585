/* SPDX-License-Identifier: Apache-2.0 */
/* A server that plays by script; see valkey_player.h. */
#include "config.h"

#include "tests/unit/valkey_player.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct player player;

/* Whether somebody sent something (or closed) before the server was stopped. */
static bool heard(int fd)
{
    while (!atomic_load(&player.stop)) {
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        char buffer[65536];
        if (poll(&entry, 1, 10) > 0)
            return recv(fd, buffer, sizeof(buffer), 0) > 0;
    }
    return false;
}

static void answer(int fd, const struct play *play, const char *bytes, size_t length)
{
    if (play->drip_ms == 0) {
        (void)!send(fd, bytes, length, MSG_NOSIGNAL);
        return;
    }
    for (size_t i = 0; i < length && !atomic_load(&player.stop); i++) {
        if (send(fd, bytes + i, 1, MSG_NOSIGNAL) != 1)
            return;
        (void)poll(NULL, 0, play->drip_ms);
    }
}

/* Until the client's side has acknowledged the end, not only until ours is closed. */
static void take_leave(int fd)
{
    struct tcp_info info = {.tcpi_state = TCP_ESTABLISHED};
    socklen_t size = sizeof(info);
    (void)shutdown(fd, SHUT_WR);
    while (!atomic_load(&player.stop) && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_state == TCP_FIN_WAIT1)
        (void)poll(NULL, 0, 1);
    atomic_fetch_add(&player.left, 1);
}

static void serve(int fd, const struct play *play)
{
    const size_t steps = sizeof(play->replies) / sizeof(play->replies[0]);
    for (size_t i = 0; i < steps && play->replies[i] != NULL; i++) {
        bool last = i + 1 == steps || play->replies[i + 1] == NULL;
        size_t length = last && play->length > 0 ? play->length : strlen(play->replies[i]);
        if (!heard(fd))
            return;
        answer(fd, play, play->replies[i], length);
    }
    if (!play->close_after)
        while (heard(fd))
            ;
    if (play->reset) {
        const struct linger linger = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    } else if (play->close_after) {
        take_leave(fd);
    }
}

static void *run(void *argument)
{
    (void)argument;
    while (!atomic_load(&player.stop)) {
        struct pollfd entry = {.fd = player.fd, .events = POLLIN};
        if (poll(&entry, 1, 10) <= 0)
            continue;
        int fd = accept(player.fd, NULL, NULL);
        if (fd < 0)
            continue;
        size_t number = (size_t)atomic_fetch_add(&player.accepted, 1);
        serve(fd, &player.plays[number < player.count ? number : player.count - 1]);
        (void)close(fd);
    }
    return NULL;
}

void player_start(const struct play *plays, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    player = (struct player){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .count = count};
    memcpy(player.plays, plays, count * sizeof(*plays));
    ck_assert_int_eq(bind(player.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(player.fd, 16), 0);
    ck_assert_int_eq(getsockname(player.fd, (struct sockaddr *)&address, &size), 0);
    player.port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&player.thread, NULL, run, NULL), 0);
}

void player_stop(void)
{
    atomic_store(&player.stop, true);
    (void)pthread_join(player.thread, NULL);
    (void)close(player.fd);
}

void player_wait_left(int count)
{
    struct rky_clock *clock = rky_clock_real();
    struct rky_deadline deadline = rky_deadline_in(clock, 20000);
    while (atomic_load(&player.left) < count) {
        ck_assert_msg(rky_deadline_left_ms(&deadline) > 0, "the server does not close");
        (void)poll(NULL, 0, 1);
    }
}

struct rky_valkey *player_client(const char *scheme)
{
    char url[64];
    struct rky_valkey *valkey = NULL;
    struct rky_error err = {0};
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, player.port);
    const struct rky_valkey_options options = {.url = url, .clock = rky_clock_real()};
    ck_assert_msg(rky_valkey_new(&options, &valkey, &err) == 0, "%s", err.message);
    return valkey;
}

struct outcome player_ping(struct rky_valkey *valkey, int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("PING")};
    struct outcome outcome = {0};
    int64_t began = clock->mono_ms(clock);
    outcome.rc = rky_valkey_command(valkey, args, 1, rky_deadline_in(clock, ms), &outcome.reply,
                                    &outcome.attempt, &outcome.err);
    outcome.took_ms = clock->mono_ms(clock) - began;
    ck_assert_int_eq(outcome.err.code, outcome.rc);
    return outcome;
}

struct outcome player_meet(const char *scheme, const struct play *play, int64_t ms)
{
    player_start(play, 1);
    struct rky_valkey *valkey = player_client(scheme);
    struct outcome outcome = player_ping(valkey, ms);
    rky_valkey_free(valkey);
    player_stop();
    return outcome;
}

void player_expect_fault(const struct outcome *outcome, int code, const char *error_class)
{
    ck_assert_msg(outcome->rc == code, "%s: %s", rky_err_name(outcome->rc), outcome->err.message);
    ck_assert_pstr_eq(outcome->attempt.error_class, error_class);
    ck_assert_int_eq(outcome->attempt.retry, RKY_RETRY_YES);
    ck_assert(outcome->attempt.counts);
    ck_assert(outcome->err.transient);
    ck_assert_str_ne(outcome->err.message, "");
}
