/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded development broker: librdkafka's mock cluster behind a real port on 127.0.0.1, so
 * that other processes can use it. One broker, everything in memory, at most 5 MiB or 100,000
 * batches per partition (older ones are dropped), no authentication: for laptops and tests only.
 */
#include "config.h"

#include "transport/transport.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/mem.h"

#define PARTITIONS 12

struct rky_broker {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
};

/* What it makes by itself has 4 partitions, so the usual topics are made here. */
static int make_topics(struct rky_broker *broker, struct rky_error *err)
{
    struct rky_topics topics = {0};
    int rc = rky_topics_init(&topics, "rocky", err);
    if (rc != RKY_OK)
        return rc;
    const struct {
        const char *name;
        int partitions;
    } wanted[] = {{topics.jobs, PARTITIONS},
                  {topics.results, PARTITIONS},
                  {topics.dlq, PARTITIONS},
                  {topics.control, 1}};
    for (size_t i = 0; rc == RKY_OK && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        rd_kafka_resp_err_t code =
            rd_kafka_mock_topic_create(broker->cluster, wanted[i].name, wanted[i].partitions, 1);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            rc = rky_fail(err, RKY_ERR_IO, "embedded broker: topic '%s' cannot be created: %s",
                          wanted[i].name, rd_kafka_err2str(code));
    }
    rky_topics_done(&topics);
    return rc;
}

int rky_broker_start(struct rky_broker **ret_broker, struct rky_error *err)
{
    char why[512];
    int rc = RKY_OK;
    rd_kafka_conf_t *conf = NULL;
    struct rky_broker *broker = rky_calloc(1, sizeof(*broker));
    if (broker == NULL)
        return rky_fail_nomem(err);
    conf = rd_kafka_conf_new();
    /* The cluster's own chatter about connections that come and go tells nobody anything. */
    if (rd_kafka_conf_set(conf, "log_level", "2", why, sizeof(why)) == RD_KAFKA_CONF_OK)
        broker->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (broker->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        rc = rky_fail(err, RKY_ERR_IO, "the embedded broker cannot start: %s", why);
        goto out;
    }
    broker->cluster = rd_kafka_mock_cluster_new(broker->handle, 1);
    if (broker->cluster == NULL) {
        rc = rky_fail(err, RKY_ERR_IO, "the embedded broker cannot listen on 127.0.0.1");
        goto out;
    }
    rc = make_topics(broker, err);
out:
    if (rc != RKY_OK) {
        rky_broker_stop(broker);
        return rc;
    }
    *ret_broker = broker;
    return RKY_OK;
}

const char *rky_broker_bootstrap(const struct rky_broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

void rky_broker_stop(struct rky_broker *broker)
{
    if (broker == NULL)
        return;
    if (broker->cluster != NULL)
        rd_kafka_mock_cluster_destroy(broker->cluster);
    if (broker->handle != NULL)
        rd_kafka_destroy(broker->handle);
    rky_free(broker);
}
