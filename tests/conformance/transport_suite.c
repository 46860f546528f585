/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport conformance suite: messages, and what holds without a broker. Groups of consumers
 * are in transport_groups.c. Topics and groups are unique per test, so tests may share a broker;
 * nothing sleeps, every wait is a condition with a deadline.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/conformance/transport_kit.h"
#include "tests/kit/kafka_server.h"

/* ---- tails ------------------------------------------------------------------------------- */

static struct rky_tail *open_tail(int partition, bool from_end)
{
    struct rky_tail *tail = NULL;
    struct rky_error err = {0};
    int rc = bus.transport->ops->tail_open(bus.transport, bus.topic, partition, from_end, WAIT_MS,
                                           &tail, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return tail;
}

static void read_tail(struct rky_tail *tail, struct rky_inbound *ret_inbound)
{
    struct rky_error err = {0};
    int rc = bus.transport->ops->tail_read(tail, WAIT_MS, ret_inbound, &err);
    ck_assert_msg(rc == 1, "tail_read gave %d: %s", rc, err.message);
}

/* ---- tests ------------------------------------------------------------------------------- */

START_TEST(messages_of_one_key_keep_their_order_on_their_partition)
{
    static const char *const keys[] = {"bronze", "silver", "gold", "tin", "lead"};
    int last[5] = {-1, -1, -1, -1, -1};
    for (int i = 0; i < 200; i++)
        bus_publish_number(keys[i % 5], i);
    bus_flush();

    struct rky_tail *tail = open_tail(-1, false);
    for (int i = 0; i < 200; i++) {
        struct rky_inbound inbound = {0};
        read_tail(tail, &inbound);
        int number = bus_number_in(&inbound);
        ck_assert_str_eq(inbound.message.key, keys[number % 5]);
        ck_assert_str_eq(inbound.topic, bus.topic);
        ck_assert_int_eq(inbound.partition, bus_partition_of(keys[number % 5]));
        ck_assert_int_gt(number, last[number % 5]);
        ck_assert_int_gt(inbound.message.timestamp_ms, 1600000000000);
        last[number % 5] = number;
        rky_inbound_done(&inbound);
    }
    bus.transport->ops->tail_close(tail);
}
END_TEST

static void expect_bytes(const char *found, size_t length, const char *wanted, size_t wanted_length)
{
    ck_assert_int_eq(found == NULL, wanted == NULL);
    ck_assert_uint_eq(length, wanted_length);
    if (wanted != NULL && wanted_length > 0)
        ck_assert_mem_eq(found, wanted, wanted_length);
}

START_TEST(keys_values_and_headers_arrive_byte_for_byte)
{
    static const struct {
        const char *key;
        size_t key_length;
        const char *value;
        size_t length;
    } cases[] = {{"k", 1, "plain", 5},      {NULL, 0, "null key", 8}, {"", 0, "empty key", 9},
                 {"k", 1, NULL, 0},         {"k", 1, "", 0},          {"k\0k", 3, "a\0b\0", 4},
                 {"\xff\xfe", 2, "\x80", 1}};
    struct rky_tail *tail = open_tail(-1, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rky_message message = {0};
        struct rky_inbound inbound = {0};
        struct rky_error err = {0};
        ck_assert_int_eq(rky_message_set(&message, cases[i].key, cases[i].key_length,
                                         cases[i].value, cases[i].length, &err),
                         0);
        ck_assert_int_eq(rky_message_add_header(&message, "twice", "1", 1, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "nul", "x\0y", 3, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "empty", "", 0, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "null", NULL, 0, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "twice", "2", 1, &err), 0);
        ck_assert_int_eq(
            bus.transport->ops->publish(bus.transport, bus.topic, &message, NULL, NULL, &err), 0);

        read_tail(tail, &inbound);

        expect_bytes(inbound.message.key, inbound.message.key_length, cases[i].key,
                     cases[i].key_length);
        expect_bytes(inbound.message.value, inbound.message.value_length, cases[i].value,
                     cases[i].length);
        ck_assert_uint_eq(inbound.message.header_count, message.header_count);
        for (size_t j = 0; j < message.header_count; j++) {
            ck_assert_str_eq(inbound.message.headers[j].name, message.headers[j].name);
            expect_bytes(inbound.message.headers[j].value, inbound.message.headers[j].length,
                         message.headers[j].value, message.headers[j].length);
        }
        rky_inbound_done(&inbound);
        rky_message_done(&message);
    }
    bus.transport->ops->tail_close(tail);
}
END_TEST

START_TEST(every_message_is_confirmed_exactly_once)
{
    struct tally tally = {0};
    for (int i = 0; i < 5000; i++)
        bus_publish_bytes("k", "v", 1, &tally);
    bus_flush();

    ck_assert_int_eq(atomic_load(&tally.good), 5000);
    ck_assert_int_eq(atomic_load(&tally.bad), 0);
}
END_TEST

START_TEST(a_message_that_can_never_be_sent_is_refused_at_once)
{
    size_t length = (size_t)20 << 20;
    char *value = calloc(1, length);
    struct rky_message message = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_message_set(&message, "k", 1, value, length, &err), 0);

    int rc = bus.transport->ops->publish(bus.transport, bus.topic, &message, NULL, NULL, &err);

    ck_assert_int_eq(rc, RKY_ERR_DECODE);
    ck_assert(!err.transient);
    ck_assert_ptr_nonnull(strstr(err.message, bus.topic));
    rky_message_done(&message);
    free(value);
}
END_TEST

START_TEST(a_topic_that_does_not_exist_is_not_found)
{
    struct rky_tail *tail = NULL;
    struct rky_error err = {0};
    int partition = -1;
    char other[128];
    (void)snprintf(other, sizeof(other), "%s.none", bus.prefix);

    int rc =
        bus.transport->ops->partition_of(bus.transport, other, "k", 1, WAIT_MS, &partition, &err);
    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, other));
    rky_error_clear(&err);
    rc = bus.transport->ops->tail_open(bus.transport, other, -1, true, WAIT_MS, &tail, &err);
    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
    rky_error_clear(&err);
    rc = bus.transport->ops->tail_open(bus.transport, bus.topic, PARTITIONS, true, WAIT_MS, &tail,
                                       &err);
    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(ensuring_topics_again_changes_nothing)
{
    const struct rky_topic_spec spec = {.name = bus.topic, .partitions = PARTITIONS + 3};
    struct rky_error err = {0};
    bus_publish_number("k", 1);
    bus_flush();

    int rc = bus.transport->ops->ensure_topics(bus.transport, &spec, 1, WAIT_MS, &err);

    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_lt(bus_partition_of("k"), PARTITIONS);
    struct rky_tail *tail = open_tail(bus_partition_of("k"), false);
    struct rky_inbound inbound = {0};
    read_tail(tail, &inbound);
    ck_assert_int_eq(bus_number_in(&inbound), 1);
    rky_inbound_done(&inbound);
    bus.transport->ops->tail_close(tail);
}
END_TEST

START_TEST(keys_go_where_other_clients_of_kafka_put_them)
{
    /* murmur2 values published with Kafka's own tests; partition = positive value modulo count. */
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {{"21", -973932308},
                   {"foobar", -790332482},
                   {"abc", 479470107},
                   {"a-little-bit-long-string", -985981536},
                   {"a-little-bit-longer-string", -1486304829},
                   {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971}};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct tally tally = {0};
        int expected = (vectors[i].hash & 0x7fffffff) % PARTITIONS;
        ck_assert_int_eq(bus_partition_of(vectors[i].key), expected);
        struct rky_tail *tail = open_tail(expected, true);
        struct rky_inbound inbound = {0};
        bus_publish_bytes(vectors[i].key, "1", 1, &tally);
        read_tail(tail, &inbound);
        ck_assert_str_eq(inbound.message.key, vectors[i].key);
        rky_inbound_done(&inbound);
        bus_flush(); /* the callback writes to the tally */
        ck_assert_int_eq(atomic_load(&tally.good), 1);
        bus.transport->ops->tail_close(tail);
    }
}
END_TEST

START_TEST(a_tail_from_the_end_sees_all_that_is_published_after_it_opened_and_nothing_before)
{
    for (int i = 0; i < 50; i++)
        bus_publish_number("early", i);
    bus_flush();
    struct rky_tail *tail = open_tail(-1, true);
    for (int i = 50; i < 60; i++)
        bus_publish_number(i % 2 == 0 ? "early" : "other", i);

    bool seen[60] = {false};
    for (int i = 0; i < 10; i++) {
        struct rky_inbound inbound = {0};
        read_tail(tail, &inbound);
        int number = bus_number_in(&inbound);
        ck_assert_int_ge(number, 50);
        ck_assert(!seen[number]);
        seen[number] = true;
        rky_inbound_done(&inbound);
    }
    struct rky_inbound none = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(bus.transport->ops->tail_read(tail, 0, &none, &err), 0);
    bus.transport->ops->tail_close(tail);
}
END_TEST

START_TEST(a_tail_of_one_partition_sees_only_that)
{
    struct rky_tail *tail = open_tail(bus_partition_of("bronze"), true);
    for (int i = 0; i < 40; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key-%d", i);
        bus_publish_number(key, -1);
    }
    bus_publish_number("bronze", 7);
    bus_flush();

    struct rky_inbound inbound = {0};
    do {
        rky_inbound_done(&inbound);
        read_tail(tail, &inbound);
        ck_assert_int_eq(inbound.partition, bus_partition_of("bronze"));
    } while (bus_number_in(&inbound) != 7);
    rky_inbound_done(&inbound);
    bus.transport->ops->tail_close(tail);
}
END_TEST

/* ---- without a broker --------------------------------------------------------------------- */

static void open_unreachable(void)
{
    rky_unique_name("t", bus.prefix, sizeof(bus.prefix));
    (void)snprintf(bus.topic, sizeof(bus.topic), "%s.jobs", bus.prefix);
    bus.transport = bus_fixture->open_unreachable(bus.prefix);
}

START_TEST(without_a_broker_publishing_queues_and_closing_tells_every_message)
{
    struct tally tally = {0};
    struct rky_error err = {0};
    struct rky_clock *clock = rky_clock_real();
    int64_t before = clock->mono_ms(clock);
    ck_assert(!bus.transport->ops->connected(bus.transport));
    for (int i = 0; i < 10; i++)
        bus_publish_bytes("k", "v", 1, &tally);

    ck_assert_int_eq(bus.transport->ops->flush(bus.transport, 200, &err), RKY_ERR_TIMEOUT);
    ck_assert_int_eq(atomic_load(&tally.good) + atomic_load(&tally.bad), 0);
    ck_assert(!bus.transport->ops->connected(bus.transport));
    ck_assert_ptr_null(bus.transport->ops->fatal(bus.transport));
    bus_fixture->close(bus.transport);
    bus.transport = NULL;

    ck_assert_int_eq(atomic_load(&tally.bad), 10);
    ck_assert_int_eq(atomic_load(&tally.last_code), RKY_ERR_INTERRUPTED);
    ck_assert_int_lt(clock->mono_ms(clock) - before, 10000);
}
END_TEST

START_TEST(without_a_broker_ensuring_topics_says_so_in_time)
{
    const struct rky_topic_spec spec = {.name = bus.topic};
    struct rky_error err = {0};
    struct rky_clock *clock = rky_clock_real();
    int64_t before = clock->mono_ms(clock);

    int rc = bus.transport->ops->ensure_topics(bus.transport, &spec, 1, 500, &err);

    ck_assert_int_eq(rc, RKY_ERR_UNAVAILABLE);
    ck_assert_int_lt(clock->mono_ms(clock) - before, 5000);
    bus_fixture->close(bus.transport);
    bus.transport = NULL;
}
END_TEST

Suite *rky_transport_suite(const struct rky_transport_fixture *of)
{
    bus_fixture = of;
    Suite *suite = suite_create(of->name);
    TCase *messages = tcase_create("messages");
    tcase_add_checked_fixture(messages, bus_open_transport, bus_close_transport);
    tcase_set_timeout(messages, 120);
    tcase_add_test(messages, messages_of_one_key_keep_their_order_on_their_partition);
    tcase_add_test(messages, keys_values_and_headers_arrive_byte_for_byte);
    tcase_add_test(messages, every_message_is_confirmed_exactly_once);
    tcase_add_test(messages, a_message_that_can_never_be_sent_is_refused_at_once);
    tcase_add_test(messages, a_topic_that_does_not_exist_is_not_found);
    tcase_add_test(messages, ensuring_topics_again_changes_nothing);
    tcase_add_test(messages, keys_go_where_other_clients_of_kafka_put_them);
    tcase_add_test(
        messages,
        a_tail_from_the_end_sees_all_that_is_published_after_it_opened_and_nothing_before);
    tcase_add_test(messages, a_tail_of_one_partition_sees_only_that);
    suite_add_tcase(suite, messages);

    TCase *group = tcase_create("group");
    tcase_add_checked_fixture(group, bus_open_transport, bus_close_transport);
    tcase_set_timeout(group, 180);
    bus_add_groups(group);
    suite_add_tcase(suite, group);

    TCase *alone = tcase_create("without a broker");
    tcase_add_checked_fixture(alone, open_unreachable, NULL);
    tcase_set_timeout(alone, 60);
    tcase_add_test(alone, without_a_broker_publishing_queues_and_closing_tells_every_message);
    tcase_add_test(alone, without_a_broker_ensuring_topics_says_so_in_time);
    suite_add_tcase(suite, alone);
    return suite;
}
