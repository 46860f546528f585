/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts Valkey servers by tests/kit/valkey.sh and makes clients for them.
 */
#include "config.h"

#include "tests/kit/valkey_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/check_main.h"
#include "tests/kit/run_script.h"

static struct rky_valkey_server program_server;

static int start(struct rky_valkey_server *server, const char *arguments)
{
    static atomic_int counter;
    char line[4600], output[8800];
    (void)snprintf(server->directory, sizeof(server->directory), "%s/vk-%d-%d",
                   rky_test_directory(), (int)getpid(), atomic_fetch_add(&counter, 1));
    (void)snprintf(line, sizeof(line), "start '%s' --owner %d %s", server->directory, (int)getpid(),
                   arguments);
    int status = rky_run_script("valkey.sh", line, output, sizeof(output));
    if (status == 0 && sscanf(output, "PORT=%d URL=%127s SOCKET=%4299s", &server->port, server->url,
                              server->socket) != 3)
        status = 1;
    return status;
}

int rky_valkey_main(const char *arguments, Suite *(*make_suite)(void))
{
    const char *required = getenv("ROCKY_REQUIRE_SERVERS");
    int status = start(&program_server, arguments);
    if (status == RKY_SCRIPT_UNAVAILABLE && (required == NULL || strcmp(required, "1") != 0)) {
        (void)puts("1..0 # SKIP valkey-server is not available (./bootstrap --test-deps)");
        return 0;
    }
    if (status != 0) {
        (void)puts("1..1\nnot ok 1 - the Valkey server starts");
        return 1;
    }
    (void)fflush(stdout);
    status = rky_check_main(make_suite());
    rky_valkey_server_do(&program_server, "stop");
    return status;
}

const struct rky_valkey_server *rky_valkey_server(void)
{
    return &program_server;
}

void rky_valkey_server_start(struct rky_valkey_server *server, const char *arguments)
{
    ck_assert_int_eq(start(server, arguments), 0);
}

void rky_valkey_server_do(const struct rky_valkey_server *server, const char *verb)
{
    char line[4300], output[512];
    (void)snprintf(line, sizeof(line), "%s '%s'", verb, server->directory);
    if (rky_run_script("valkey.sh", line, output, sizeof(output)) != 0)
        (void)fprintf(stderr, "valkey.sh %s failed\n", line);
}

void rky_valkey_server_cli(const struct rky_valkey_server *server, const char *command,
                           char *ret_answer, size_t size)
{
    char line[5200];
    (void)snprintf(line, sizeof(line), "cli '%s' %s", server->directory, command);
    ck_assert_int_eq(rky_run_script("valkey.sh", line, ret_answer, size), 0);
    ret_answer[strcspn(ret_answer, "\n")] = '\0';
}

struct rky_valkey *rky_valkey_client(const struct rky_valkey_options *options)
{
    struct rky_valkey_options whole = *options;
    struct rky_valkey *valkey = NULL;
    struct rky_error err = {0};
    if (whole.url == NULL)
        whole.url = program_server.url;
    if (whole.clock == NULL)
        whole.clock = rky_clock_real();
    ck_assert_msg(rky_valkey_new(&whole, &valkey, &err) == 0, "%s", err.message);
    return valkey;
}
