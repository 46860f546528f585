/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real Kafka broker for a libcheck program: started once before its tests, shared by all of them
 * (each uses topics and groups of its own), gone with the process.
 */
#ifndef RKY_TESTS_KIT_KAFKA_SERVER_H
#define RKY_TESTS_KIT_KAFKA_SERVER_H

#include <check.h>
#include <stdbool.h>

/**
 * @brief The main() of a program that needs Kafka: start it, run the suite, stop it. Where Kafka
 *        cannot be had, the program is skipped with the reason, or fails with
 *        ROCKY_REQUIRE_SERVERS=1.
 */
int rky_kafka_main(Suite *(*make_suite)(void));

/** @brief "127.0.0.1:port" of the program's broker. Borrowed. */
const char *rky_kafka_bootstrap(void);

/** A broker of a test's own, for tests that kill it. */
struct rky_kafka_server {
    char directory[4200];
    char bootstrap[64];
};
/** @brief Start one; fails the test when it cannot. */
void rky_kafka_server_start(struct rky_kafka_server *server);
/** @brief SIGKILL; the data stays. */
void rky_kafka_server_kill(struct rky_kafka_server *server);
/** @brief Start again on the same data and port. */
void rky_kafka_server_restart(struct rky_kafka_server *server);
/** @brief SIGSTOP, or SIGCONT. */
void rky_kafka_server_freeze(struct rky_kafka_server *server, bool frozen);
void rky_kafka_server_stop(struct rky_kafka_server *server);

/** @brief A name no other test of this machine uses: "<what>-<pid>-<n>". Written to ret_name. */
void rky_unique_name(const char *what, char *ret_name, size_t size);

#endif
