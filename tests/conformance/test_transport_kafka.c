/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport suite over real Kafka, and what only a real broker or a broken one can show:
 * limits, topics, settings that are refused, a broker that is killed, frozen or missing.
 */
#include "config.h"

#include "tests/conformance/transport_kafka_fixture.h"
#include "tests/conformance/transport_suite.h"
#include "tests/kit/kafka_server.h"
#include "transport/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define WAIT_MS 60000

static struct rky_transport *open_on_kafka(const char *prefix)
{
    return rky_test_kafka_at(rky_kafka_bootstrap(), prefix);
}

static const struct rky_transport_fixture kafka = {
    .name = "transport: Kafka",
    .open = open_on_kafka,
    .close = rky_test_kafka_close,
    .open_unreachable = rky_test_kafka_unreachable,
};

/** One message's fate. */
struct fate {
    atomic_int told, code;
    char message[256];
};

static void on_delivered(void *context, int code, const char *message, int partition,
                         int64_t offset)
{
    struct fate *fate = context;
    (void)partition;
    (void)offset;
    (void)snprintf(fate->message, sizeof(fate->message), "%s", message != NULL ? message : "");
    atomic_store(&fate->code, code);
    (void)atomic_fetch_add(&fate->told, 1);
}

static void publish(struct rky_transport *transport, const char *topic, const void *value,
                    size_t length, struct fate *fate)
{
    struct rky_message message = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_message_set(&message, "k", 1, value, length, &err), 0);
    int rc = transport->ops->publish(transport, topic, &message, fate != NULL ? on_delivered : NULL,
                                     fate, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_message_done(&message);
}

static struct rky_deadline patience(void)
{
    return rky_deadline_in(rky_clock_real(), WAIT_MS);
}

static void wait_connected(struct rky_transport *transport, bool wanted)
{
    struct rky_deadline deadline = patience();
    const struct timespec pause = {.tv_nsec = 5000000};
    while (transport->ops->connected(transport) != wanted) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        (void)nanosleep(&pause, NULL);
    }
}

START_TEST(a_message_above_the_limit_of_its_topic_is_told_and_harms_no_other)
{
    char prefix[64];
    struct rky_error err = {0};
    struct rky_topics topics = {0};
    struct fate large = {0}, before = {0}, after = {0}, letter = {0};
    rky_unique_name("limit", prefix, sizeof(prefix));
    struct rky_queue_config *queue = rky_test_queue(rky_kafka_bootstrap(), prefix, NULL);
    struct rky_transport *transport = rky_test_kafka_open(queue);
    ck_assert_int_eq(rky_topics_init(&topics, prefix, &err), 0);
    int rc = rky_topics_ensure(transport, queue, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    size_t length = 1500000; /* above Kafka's 1,048,588, below twice that */
    char *value = malloc(length);
    ck_assert_ptr_nonnull(value);
    rky_random_bytes(value, length); /* does not compress */

    publish(transport, topics.jobs, "small", 5, &before);
    publish(transport, topics.jobs, value, length, &large);
    publish(transport, topics.jobs, "small", 5, &after);
    publish(transport, topics.dlq, value, length, &letter);
    ck_assert_int_eq(transport->ops->flush(transport, WAIT_MS, &err), 0);

    ck_assert_int_eq(atomic_load(&large.told), 1);
    ck_assert_int_eq(atomic_load(&large.code), RKY_ERR_DECODE);
    ck_assert_ptr_nonnull(strstr(large.message, topics.jobs));
    ck_assert_int_eq(atomic_load(&before.code), 0);
    ck_assert_int_eq(atomic_load(&after.code), 0);
    ck_assert_msg(atomic_load(&letter.code) == 0, "%s", letter.message);
    ck_assert_ptr_null(transport->ops->fatal(transport));
    free(value);
    rky_topics_done(&topics);
    transport->ops->close(transport);
    rky_test_queue_free(queue);
}
END_TEST

START_TEST(a_missing_topic_is_an_error_when_creating_is_switched_off)
{
    char prefix[64];
    struct rky_error err = {0};
    rky_unique_name("none", prefix, sizeof(prefix));
    struct rky_queue_config *queue = rky_test_queue(rky_kafka_bootstrap(), prefix, NULL);
    queue->create_topics = false;
    struct rky_transport *transport = rky_test_kafka_open(queue);

    int rc = rky_topics_ensure(transport, queue, WAIT_MS, &err);

    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, ".jobs' (and others) does not exist"));
    ck_assert_ptr_nonnull(strstr(err.hint, "queue.create_topics"));
    transport->ops->close(transport);
    rky_test_queue_free(queue);
}
END_TEST

START_TEST(a_topic_that_the_broker_cannot_make_is_a_configuration_error)
{
    char prefix[64];
    struct rky_error err = {0};
    rky_unique_name("replicas", prefix, sizeof(prefix));
    struct rky_queue_config *queue = rky_test_queue(rky_kafka_bootstrap(), prefix, NULL);
    queue->replication_factor = 3;
    struct rky_transport *transport = rky_test_kafka_open(queue);

    int rc = rky_topics_ensure(transport, queue, WAIT_MS, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, prefix));
    ck_assert_ptr_nonnull(strstr(err.hint, "queue.replication_factor"));
    transport->ops->close(transport);
    rky_test_queue_free(queue);
}
END_TEST

/* ---- settings ----------------------------------------------------------------------------- */

static void expect_refused(const char *name, const char *value, const char *message,
                           const char *never)
{
    const struct rky_kafka_property properties[] = {
        {.name = (char *)(uintptr_t) "security.protocol",
         .value = (char *)(uintptr_t) "ssl",
         .line = 41},
        {.name = (char *)(uintptr_t)name, .value = (char *)(uintptr_t)value, .line = 42},
        {0}};
    struct rky_queue_config *queue = rky_test_queue("127.0.0.1:1", "settings", properties);
    struct rky_transport *transport = NULL;
    struct rky_error err = {0};
    int rc = rky_kafka_open(queue, "test-client", NULL, &transport, &err);
    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "line 42"));
    if (never != NULL) {
        ck_assert_ptr_null(strstr(err.message, never));
        ck_assert_ptr_null(strstr(err.hint, never));
    }
    rky_test_queue_free(queue);
}

START_TEST(a_setting_that_is_refused_is_named_with_its_line)
{
    expect_refused("no.such.setting", "1", "queue.kafka has no property 'no.such.setting'", NULL);
    expect_refused("linger.ms", "soon", "queue.kafka property 'linger.ms' = 'soon'", NULL);
    expect_refused("enable.auto.commit", "true",
                   "queue.kafka property 'enable.auto.commit' cannot be set", NULL);
    expect_refused("bootstrap.servers", "x:1", "'bootstrap.servers' cannot be set", NULL);
    /* Only looked at when the client is made, because TLS needs it. */
    expect_refused("ssl.key.pem", "hunter2", "ssl.key.pem failed", "hunter2");
}
END_TEST

START_TEST(settings_that_contradict_each_other_are_refused_when_the_consumer_opens)
{
    const char *topics[] = {"t"};
    const struct rky_kafka_property properties[] = {
        {.name = (char *)(uintptr_t) "max.poll.interval.ms",
         .value = (char *)(uintptr_t) "2000",
         .line = 42},
        {0}};
    const struct rky_consumer_callbacks callbacks = {0};
    struct rky_queue_config *queue = rky_test_queue("127.0.0.1:1", "settings", properties);
    struct rky_transport *transport = rky_test_kafka_open(queue);
    struct rky_consumer *consumer = NULL;
    struct rky_error err = {0};

    int rc = transport->ops->consumer_open(transport, topics, 1, &callbacks, &consumer, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "line 42"));
    ck_assert_ptr_nonnull(strstr(err.message, "max.poll.interval.ms"));
    transport->ops->close(transport);
    rky_test_queue_free(queue);
}
END_TEST

START_TEST(the_error_without_a_broker_names_it_the_reason_and_the_fix)
{
    char prefix[64];
    struct rky_error err = {0};
    rky_unique_name("gone", prefix, sizeof(prefix));
    struct rky_queue_config *queue = rky_test_queue("127.0.0.1:1", prefix, NULL);
    struct rky_transport *transport = rky_test_kafka_open(queue);

    int rc = rky_topics_ensure(transport, queue, 500, &err);

    ck_assert_int_eq(rc, RKY_ERR_UNAVAILABLE);
    ck_assert(err.transient);
    ck_assert_ptr_nonnull(strstr(err.message, "'127.0.0.1:1' within 0.5 s"));
    ck_assert_ptr_nonnull(strstr(err.message, "Connection refused"));
    ck_assert_ptr_nonnull(strstr(err.hint, "rocky dev broker"));
    transport->ops->close(transport);
    rky_test_queue_free(queue);
}
END_TEST

/* ---- a broker that dies ------------------------------------------------------------------- */

START_TEST(what_was_published_while_the_broker_was_dead_arrives_once_when_it_is_back)
{
    char prefix[64], topic[96];
    struct rky_kafka_server server = {0};
    struct rky_error err = {0};
    struct fate fates[30] = {0};
    rky_kafka_server_start(&server);
    rky_unique_name("dead", prefix, sizeof(prefix));
    (void)snprintf(topic, sizeof(topic), "%s.jobs", prefix);
    struct rky_transport *transport = rky_test_kafka_at(server.bootstrap, prefix);
    const struct rky_topic_spec spec = {.name = topic, .partitions = 1};
    int rc = transport->ops->ensure_topics(transport, &spec, 1, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    for (int i = 0; i < 10; i++)
        publish(transport, topic, &i, sizeof(i), &fates[i]);
    ck_assert_int_eq(transport->ops->flush(transport, WAIT_MS, &err), 0);

    rky_kafka_server_kill(&server);
    for (int i = 10; i < 30; i++)
        publish(transport, topic, &i, sizeof(i), &fates[i]);
    wait_connected(transport, false);
    ck_assert_int_eq(transport->ops->flush(transport, 100, &err), RKY_ERR_TIMEOUT);
    rky_error_clear(&err);
    rky_kafka_server_restart(&server);
    rc = transport->ops->flush(transport, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    wait_connected(transport, true);

    struct rky_tail *tail = NULL;
    rc = transport->ops->tail_open(transport, topic, -1, false, WAIT_MS, &tail, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    for (int i = 0; i < 30; i++) {
        struct rky_inbound inbound = {0};
        int number = -1;
        ck_assert_int_eq(atomic_load(&fates[i].told), 1);
        ck_assert_int_eq(atomic_load(&fates[i].code), 0);
        ck_assert_int_eq(transport->ops->tail_read(tail, WAIT_MS, &inbound, &err), 1);
        memcpy(&number, inbound.message.value, sizeof(number));
        ck_assert_int_eq(number, i);
        rky_inbound_done(&inbound);
    }
    transport->ops->tail_close(tail);
    rky_test_kafka_close(transport);
    rky_kafka_server_stop(&server);
}
END_TEST

START_TEST(a_frozen_broker_is_noticed_and_blocks_nothing)
{
    char prefix[64];
    struct rky_kafka_server server = {0};
    struct rky_error err = {0};
    const struct rky_kafka_property properties[] = {
        {.name = (char *)(uintptr_t) "socket.timeout.ms",
         .value = (char *)(uintptr_t) "1000",
         .line = 1},
        {0}};
    const struct rky_consumer_callbacks callbacks = {0};
    struct rky_consumer *consumer = NULL;
    struct rky_topics topics = {0};
    struct rky_clock *clock = rky_clock_real();
    rky_kafka_server_start(&server);
    rky_unique_name("frozen", prefix, sizeof(prefix));
    ck_assert_int_eq(rky_topics_init(&topics, prefix, &err), 0);
    struct rky_queue_config *queue = rky_test_queue(server.bootstrap, prefix, properties);
    struct rky_transport *transport = rky_test_kafka_open(queue);
    int rc = rky_topics_ensure(transport, queue, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rc = transport->ops->consumer_open(transport, (const char *const *)&topics.jobs, 1, &callbacks,
                                       &consumer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    struct rky_deadline deadline = patience();
    struct rky_inbound inbound = {0};
    while (transport->ops->lag(consumer) != 0) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        ck_assert_int_eq(transport->ops->consumer_poll(consumer, 20, &inbound, &err), 0);
    }

    rky_kafka_server_freeze(&server, true);
    struct rky_position position = {topics.jobs, 0, 0, NULL};
    int64_t before = clock->mono_ms(clock);
    ck_assert_int_lt(transport->ops->commit_now(consumer, &position, 1, 300, &err), 0);
    ck_assert_int_lt(clock->mono_ms(clock) - before, 3000);
    rky_error_clear(&err);
    while (transport->ops->connected(transport)) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        (void)transport->ops->consumer_poll(consumer, 20, &inbound, &err);
        rky_error_clear(&err);
    }
    before = clock->mono_ms(clock);
    transport->ops->consumer_close(consumer, 2000);
    transport->ops->close(transport);
    ck_assert_int_lt(clock->mono_ms(clock) - before, 15000);

    rky_kafka_server_freeze(&server, false);
    rky_kafka_server_stop(&server);
    rky_topics_done(&topics);
    rky_test_queue_free(queue);
}
END_TEST

START_TEST(a_fault_that_only_a_restart_mends_is_told)
{
    struct rky_transport *transport = rky_test_kafka_at(rky_kafka_bootstrap(), "fatal");
    struct rky_deadline deadline = patience();
    const struct timespec pause = {.tv_nsec = 5000000};
    ck_assert_ptr_null(transport->ops->fatal(transport));

    (void)rd_kafka_test_fatal_error(rky_kafka_of(transport)->producer,
                                    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                    "made up by the test");

    while (transport->ops->fatal(transport) == NULL) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        (void)nanosleep(&pause, NULL);
    }
    ck_assert_ptr_nonnull(strstr(transport->ops->fatal(transport), "made up by the test"));
    rky_test_kafka_close(transport);
}
END_TEST

START_TEST(a_client_library_that_will_not_end_does_not_hold_up_the_process)
{
    char prefix[64];
    struct rky_error err = {0};
    struct rky_consumer *consumer = NULL;
    const struct rky_consumer_callbacks callbacks = {0};
    struct rky_topics topics = {0};
    struct rky_deadline deadline = patience();
    struct rky_clock *clock = rky_clock_real();
    rky_unique_name("hang", prefix, sizeof(prefix));
    ck_assert_int_eq(rky_topics_init(&topics, prefix, &err), 0);
    struct rky_queue_config *queue = rky_test_queue(rky_kafka_bootstrap(), prefix, NULL);
    struct rky_transport *transport = rky_test_kafka_open(queue);
    ck_assert_int_eq(rky_topics_ensure(transport, queue, WAIT_MS, &err), 0);
    publish(transport, topics.jobs, "x", 1, NULL);
    int rc = transport->ops->consumer_open(transport, (const char *const *)&topics.jobs, 1,
                                           &callbacks, &consumer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    /* A message that is never given back makes librdkafka wait for it for ever. */
    rd_kafka_message_t *kept = NULL;
    while (kept == NULL || kept->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        if (kept != NULL)
            rd_kafka_message_destroy(kept);
        kept = rd_kafka_consumer_poll(rky_kafka_consumer_of(consumer)->handle, 50);
    }
    int64_t before = clock->mono_ms(clock);

    transport->ops->consumer_close(consumer, 1500);
    ck_assert(rky_kafka_of(transport)->abandoned);
    transport->ops->close(transport);

    ck_assert_int_lt(clock->mono_ms(clock) - before, 12000);
    rky_topics_done(&topics);
    /* The queue's settings stay: what hangs may still read them. */
}
END_TEST

static Suite *suite(void)
{
    Suite *all = rky_transport_suite(&kafka);
    TCase *alone = tcase_create("real broker");
    tcase_set_timeout(alone, 120);
    tcase_add_test(alone, a_message_above_the_limit_of_its_topic_is_told_and_harms_no_other);
    tcase_add_test(alone, a_missing_topic_is_an_error_when_creating_is_switched_off);
    tcase_add_test(alone, a_topic_that_the_broker_cannot_make_is_a_configuration_error);
    tcase_add_test(alone,
                   what_was_published_while_the_broker_was_dead_arrives_once_when_it_is_back);
    tcase_add_test(alone, a_frozen_broker_is_noticed_and_blocks_nothing);
    tcase_add_test(alone, a_fault_that_only_a_restart_mends_is_told);
    tcase_add_test(alone, a_client_library_that_will_not_end_does_not_hold_up_the_process);
    suite_add_tcase(all, alone);

    TCase *settings = tcase_create("settings");
    tcase_add_test(settings, a_setting_that_is_refused_is_named_with_its_line);
    tcase_add_test(settings,
                   settings_that_contradict_each_other_are_refused_when_the_consumer_opens);
    tcase_add_test(settings, the_error_without_a_broker_names_it_the_reason_and_the_fix);
    suite_add_tcase(all, settings);
    return all;
}

int main(void)
{
    return rky_kafka_main(suite);
}
