/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport suite over the in-memory fake.
 */
#include "config.h"

#include "tests/conformance/transport_suite.h"
#include "tests/kit/check_main.h"

static struct rky_transport *open_memory(const char *prefix)
{
    struct rky_transport *transport = NULL;
    struct rky_error err = {0};
    (void)prefix;
    ck_assert_int_eq(rky_memory_transport_open(4, &transport, &err), 0);
    return transport;
}

static void close_memory(struct rky_transport *transport)
{
    transport->ops->close(transport);
}

static struct rky_transport *open_down(const char *prefix)
{
    char topic[96];
    struct rky_error err = {0};
    struct rky_transport *transport = open_memory(prefix);
    (void)snprintf(topic, sizeof(topic), "%s.jobs", prefix);
    const struct rky_topic_spec spec = {.name = topic};
    ck_assert_int_eq(transport->ops->ensure_topics(transport, &spec, 1, 0, &err), 0);
    rky_memory_transport_set_down(transport, true);
    return transport;
}

static const struct rky_transport_fixture memory = {.name = "transport: memory",
                                                    .open = open_memory,
                                                    .close = close_memory,
                                                    .open_unreachable = open_down};

static Suite *suite(void)
{
    return rky_transport_suite(&memory);
}

int main(void)
{
    return rky_check_main(suite());
}
