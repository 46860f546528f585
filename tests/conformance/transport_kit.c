/* SPDX-License-Identifier: Apache-2.0 */
/* A topic on the broker of the fixture; see transport_kit.h. */
#include "config.h"

#include "tests/conformance/transport_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/kafka_server.h"

struct transport_kit bus;

const struct rky_transport_fixture *bus_fixture;

void bus_open_transport(void)
{
    rky_unique_name("t", bus.prefix, sizeof(bus.prefix));
    (void)snprintf(bus.topic, sizeof(bus.topic), "%s.jobs", bus.prefix);
    bus.transport = bus_fixture->open(bus.prefix);
    const struct rky_topic_spec spec = {.name = bus.topic, .partitions = PARTITIONS};
    struct rky_error err = {0};
    int rc = bus.transport->ops->ensure_topics(bus.transport, &spec, 1, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

void bus_close_transport(void)
{
    bus_fixture->close(bus.transport);
    bus.transport = NULL;
}

/* ---- publishing -------------------------------------------------------------------------- */

static void count_delivery(void *context, int code, const char *message, int partition,
                           int64_t offset)
{
    struct tally *tally = context;
    (void)atomic_fetch_add(code == 0 ? &tally->good : &tally->bad, 1);
    if (code != 0)
        atomic_store(&tally->last_code, code);
    ck_assert(code == 0 ? partition >= 0 && offset >= 0 : message != NULL);
}

void bus_publish_bytes(const char *key, const void *value, size_t length, struct tally *tally)
{
    struct rky_message message = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(
        rky_message_set(&message, key, key != NULL ? strlen(key) : 0, value, length, &err), 0);
    int rc = bus.transport->ops->publish(bus.transport, bus.topic, &message,
                                         tally != NULL ? count_delivery : NULL, tally, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_message_done(&message);
}

void bus_publish_number(const char *key, int number)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%d", number);
    bus_publish_bytes(key, text, strlen(text), NULL);
}

void bus_flush(void)
{
    struct rky_error err = {0};
    int rc = bus.transport->ops->flush(bus.transport, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

int bus_partition_of(const char *key)
{
    int partition = -1;
    struct rky_error err = {0};
    int rc = bus.transport->ops->partition_of(bus.transport, bus.topic, key, strlen(key), WAIT_MS,
                                              &partition, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return partition;
}

/* ---- tails ------------------------------------------------------------------------------- */

int bus_number_in(const struct rky_inbound *inbound)
{
    ck_assert_ptr_nonnull(inbound->message.value);
    return (int)strtol(inbound->message.value, NULL, 10);
}
