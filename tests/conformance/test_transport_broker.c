/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport suite over the Kafka driver on the embedded development broker, what that broker
 * promises, and an answer that only a broker on the driver's own terms gives when it is wanted.
 */
#include "config.h"

#include "tests/conformance/transport_kafka_fixture.h"
#include "tests/conformance/transport_suite.h"
#include "tests/kit/check_main.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

/* The number of the request in Kafka's protocol. */
#define OFFSET_COMMIT 8

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

/** What a consumer was told. */
struct told {
    size_t partitions;
    int dropped, failed;
};

static void on_assigned(void *context, const struct rky_position *positions, size_t count)
{
    (void)positions;
    ((struct told *)context)->partitions += count;
}

static void on_commit_failed(void *context, const char *message)
{
    struct told *told = context;
    told->dropped += message == NULL ? 1 : 0;
    told->failed += message != NULL ? 1 : 0;
}

static void poll_until(struct rky_transport *transport, struct rky_consumer *consumer,
                       const struct told *told, bool committed)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), 30000);
    struct rky_inbound inbound = {0};
    struct rky_error err = {0};
    while (committed ? told->dropped + told->failed == 0 : told->partitions == 0) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        ck_assert_int_eq(transport->ops->consumer_poll(consumer, 20, &inbound, &err), 0);
    }
}

/* A member keeps its partitions through a cooperative rebalance, so that nobody would ever repeat
 * what the group's coordinator refuses meanwhile. */
START_TEST(a_commit_that_a_rebalance_drops_is_told_without_a_reason)
{
    char why[512];
    struct rky_error err = {0};
    struct told told = {0};
    struct rky_consumer *consumer = NULL;
    const char *const topics[] = {"moving.jobs"};
    const struct rky_position position = {topics[0], 0, 0, NULL};
    const struct rky_consumer_callbacks callbacks = {
        .context = &told, .assigned = on_assigned, .commit_failed = on_commit_failed};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    /* It warns of what does not matter here. */
    ck_assert_int_eq(rd_kafka_conf_set(conf, "log_level", "2", why, sizeof(why)), 0);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    ck_assert_ptr_nonnull(handle);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    ck_assert_ptr_nonnull(cluster);
    ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, topics[0], 1, 1), 0);
    struct rky_transport *transport =
        rky_test_kafka_at(rd_kafka_mock_cluster_bootstraps(cluster), "moving");
    int rc = transport->ops->consumer_open(transport, topics, 1, &callbacks, &consumer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    poll_until(transport, consumer, &told, false);

    rd_kafka_mock_push_request_errors(cluster, OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(transport->ops->commit(consumer, &position, 1, &err), 0);
    poll_until(transport, consumer, &told, true);

    ck_assert_int_eq(told.dropped, 1);
    ck_assert_int_eq(told.failed, 0);
    transport->ops->consumer_close(consumer, 10000);
    rky_test_kafka_close(transport);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
}
END_TEST

static Suite *suite(void)
{
    Suite *all = rky_transport_suite(&embedded);
    TCase *promises = tcase_create("promises");
    tcase_set_timeout(promises, 60);
    tcase_add_test(promises, the_embedded_broker_listens_on_this_machine_and_has_the_usual_topics);
    tcase_add_test(promises, a_commit_that_a_rebalance_drops_is_told_without_a_reason);
    suite_add_tcase(all, promises);
    return all;
}

int main(void)
{
    return rky_check_main(suite());
}
