/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote suite over the S3 driver. S3_SERVER, given by the build, says against what: the
 * stand-in, whose signature check is not ours, or a real server. ROCKY_TEST_S3_SERVER names another
 * one of s3.sh, for longer runs.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/conformance/remote_suite.h"
#include "tests/kit/s3_server.h"

static struct rky_s3_client client;

static struct rky_remote *open_s3(void)
{
    rky_s3_client_open(&client, rky_s3_server(), &(struct rky_s3_client_options){0});
    return client.remote;
}

static void close_s3(struct rky_remote *remote)
{
    (void)remote;
    rky_s3_client_close(&client);
}

static const struct rky_remote_fixture s3 = {
    .name = "remote: s3", .open = open_s3, .close = close_s3, .timeout_s = 120};

static Suite *suite(void)
{
    return rky_remote_suite(&s3);
}

int main(void)
{
    const char *other = getenv("ROCKY_TEST_S3_SERVER");
    char arguments[128];
    (void)snprintf(arguments, sizeof(arguments), "--server %s", other != NULL ? other : S3_SERVER);
    return rky_s3_main(arguments, suite);
}
