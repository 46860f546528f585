/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport suite over the Kafka driver on the embedded development broker, and what that
 * broker promises.
 */
#include "config.h"

#include "tests/conformance/transport_kafka_fixture.h"
#include "tests/conformance/transport_suite.h"
#include "tests/kit/check_main.h"

#include <string.h>

/* One broker per test: libcheck forks, and a broker's threads do not survive that. */
static struct rky_broker *broker;

static struct rky_transport *open_on_broker(const char *prefix)
{
    struct rky_error err = {0};
    int rc = rky_broker_start(&broker, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return rky_test_kafka_at(rky_broker_bootstrap(broker), prefix);
}

static void close_on_broker(struct rky_transport *transport)
{
    rky_test_kafka_close(transport);
    rky_broker_stop(broker);
    broker = NULL;
}

static const struct rky_transport_fixture embedded = {
    .name = "transport: embedded broker",
    .open = open_on_broker,
    .close = close_on_broker,
    .open_unreachable = rky_test_kafka_unreachable,
};

START_TEST(the_embedded_broker_listens_on_this_machine_and_has_the_usual_topics)
{
    struct rky_error err = {0};
    struct rky_transport *transport = open_on_broker("rocky");
    ck_assert_int_eq(strncmp(rky_broker_bootstrap(broker), "127.0.0.1:", 10), 0);
    struct rky_queue_config *queue = rky_test_queue("unused:1", "rocky", NULL);
    struct rky_topics topics = {0};
    int partition = -1;

    ck_assert_int_eq(rky_topics_ensure(transport, queue, 10000, &err), 0);

    ck_assert_int_eq(rky_topics_init(&topics, "rocky", &err), 0);
    ck_assert_str_eq(topics.jobs, "rocky.jobs");
    ck_assert_str_eq(topics.results, "rocky.results");
    ck_assert_str_eq(topics.dlq, "rocky.dlq");
    ck_assert_str_eq(topics.control, "rocky.control");
    ck_assert_int_eq(
        transport->ops->partition_of(transport, topics.jobs, "abc", 3, 10000, &partition, &err), 0);
    ck_assert_int_eq(partition, 479470107 % 12); /* 3 of 4 if it had only 4 */
    ck_assert_int_eq(
        transport->ops->partition_of(transport, topics.control, "abc", 3, 10000, &partition, &err),
        0);
    ck_assert_int_eq(partition, 0);
    rky_topics_done(&topics);
    rky_test_queue_free(queue);
    close_on_broker(transport);
}
END_TEST

static Suite *suite(void)
{
    Suite *all = rky_transport_suite(&embedded);
    TCase *promises = tcase_create("promises");
    tcase_set_timeout(promises, 60);
    tcase_add_test(promises, the_embedded_broker_listens_on_this_machine_and_has_the_usual_topics);
    suite_add_tcase(all, promises);
    return all;
}

int main(void)
{
    return rky_check_main(suite());
}
