/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote suite over the in-memory driver.
 */
#include "config.h"

#include "tests/conformance/remote_suite.h"
#include "tests/kit/check_main.h"

static struct rky_remote *open_memory(void)
{
    struct rky_remote *remote = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_remote_memory_new(&remote, &err), 0);
    return remote;
}

static const struct rky_remote_fixture memory = {.name = "remote: memory", .open = open_memory};

int main(void)
{
    return rky_check_main(rky_remote_suite(&memory));
}
