/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs tests/kit/kafka/kafka.sh. The script does the work; here is only its command line.
 */
#include "config.h"

#include "tests/kit/kafka_server.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/check_main.h"
#include "tests/kit/run_script.h"

#define BOOTSTRAP_VARIABLE "ROCKY_TEST_KAFKA"

static int run_script(const char *arguments, char *ret_line, size_t size)
{
    int status = rky_run_script("kafka/kafka.sh", arguments, ret_line, size);
    ret_line[strcspn(ret_line, "\n")] = '\0';
    return status;
}

static int start(struct rky_kafka_server *server, const char *name)
{
    char arguments[4400], line[256];
    (void)snprintf(server->directory, sizeof(server->directory), "%s/%s", rky_test_directory(),
                   name);
    (void)snprintf(arguments, sizeof(arguments), "start '%s' --owner %d", server->directory,
                   (int)getpid());
    int status = run_script(arguments, line, sizeof(line));
    if (status == 0 && sscanf(line, "BOOTSTRAP=%63s", server->bootstrap) != 1)
        status = 1;
    return status;
}

static int command(struct rky_kafka_server *server, const char *verb)
{
    char arguments[4400], line[256];
    (void)snprintf(arguments, sizeof(arguments), "%s '%s'", verb, server->directory);
    return run_script(arguments, line, sizeof(line));
}

int rky_kafka_main(Suite *(*make_suite)(void))
{
    struct rky_kafka_server server = {0};
    bool own = getenv(BOOTSTRAP_VARIABLE) == NULL;
    if (own) {
        int status = start(&server, "kafka");
        const char *required = getenv("ROCKY_REQUIRE_SERVERS");
        if (status == RKY_SCRIPT_UNAVAILABLE && (required == NULL || strcmp(required, "1") != 0)) {
            (void)puts("1..0 # SKIP Apache Kafka is not available (./bootstrap --test-deps)");
            return 0;
        }
        if (status != 0) {
            (void)puts("1..1\nnot ok 1 - Apache Kafka starts");
            return 1;
        }
        (void)setenv(BOOTSTRAP_VARIABLE, server.bootstrap, 1);
    }
    int status = rky_check_main(make_suite());
    if (own)
        (void)command(&server, "stop");
    return status;
}

const char *rky_kafka_bootstrap(void)
{
    return getenv(BOOTSTRAP_VARIABLE);
}

void rky_unique_name(const char *what, char *ret_name, size_t size)
{
    static atomic_int counter;
    (void)snprintf(ret_name, size, "%s-%d-%d", what, (int)getpid(), atomic_fetch_add(&counter, 1));
}

void rky_kafka_server_start(struct rky_kafka_server *server)
{
    char name[64];
    rky_unique_name("own-kafka", name, sizeof(name));
    ck_assert_int_eq(start(server, name), 0);
}

void rky_kafka_server_kill(struct rky_kafka_server *server)
{
    ck_assert_int_eq(command(server, "kill"), 0);
}

void rky_kafka_server_restart(struct rky_kafka_server *server)
{
    ck_assert_int_eq(command(server, "restart"), 0);
}

void rky_kafka_server_freeze(struct rky_kafka_server *server, bool frozen)
{
    char path[4300];
    int pid = 0;
    (void)snprintf(path, sizeof(path), "%s/pid", server->directory);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
    (void)fclose(file);
    ck_assert_int_eq(kill(pid, frozen ? SIGSTOP : SIGCONT), 0);
}

void rky_kafka_server_stop(struct rky_kafka_server *server)
{
    ck_assert_int_eq(command(server, "stop"), 0);
}
