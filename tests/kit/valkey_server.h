/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real Valkey server for a libcheck program (tests/kit/valkey.sh).
 */
#ifndef RKY_TESTS_KIT_VALKEY_SERVER_H
#define RKY_TESTS_KIT_VALKEY_SERVER_H

#include <check.h>

#include "state/valkey.h"

struct rky_valkey_server {
    char directory[4200];
    char url[128];
    char socket[4300];
    int port;
};

/**
 * @brief The main() of a program that needs a server: start it, run the suite, stop it. Where it
 *        cannot be had, the program is skipped with the reason, or fails with
 *        ROCKY_REQUIRE_SERVERS=1.
 * @param arguments of `valkey.sh start`, "" = none.
 */
int rky_valkey_main(const char *arguments, Suite *(*make_suite)(void));
/** @brief The program's server. Borrowed. */
const struct rky_valkey_server *rky_valkey_server(void);

/** @brief One of a test's own; fails the test when it cannot be had. */
void rky_valkey_server_start(struct rky_valkey_server *server, const char *arguments);
/** @param verb "stop", "kill", "restart", "pause", "continue". */
void rky_valkey_server_do(const struct rky_valkey_server *server, const char *verb);
/** @brief What valkey-cli answers, without the last newline. @param command of the shell. */
void rky_valkey_server_cli(const struct rky_valkey_server *server, const char *command,
                           char *ret_answer, size_t size);

/** @brief A client; fails the test when it cannot be made. @param options its url may be NULL: the
 *         program's server. clock NULL = the real one. */
struct rky_valkey *rky_valkey_client(const struct rky_valkey_options *options);

#endif
