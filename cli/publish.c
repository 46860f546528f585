/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing from `rocky run`; see publish.h. */
#include "config.h"

#include "cli/publish.h"

#include <stdatomic.h>

#include "common/clock.h"
#include "common/mem.h"
#include "transport/transport.h"

#define PUBLISH_WITHIN_MS 5000

struct rky_publisher {
    const struct rky_cli *cli;
    struct rky_transport *transport;
    struct rky_topics topics;
    struct rky_deadline deadline; /**< runs from the first message */
    bool begun;
    _Atomic int64_t refused;  /**< by the broker, told on the transport's thread */
    struct rky_error failure; /**< the first of our own */
};

int rky_publisher_open(const struct rky_cli *cli, struct rky_publisher **ret_publisher,
                       struct rky_error *err)
{
    if (!cli->config->queue.present)
        return 0;
    struct rky_publisher *publisher = rky_calloc(1, sizeof(*publisher));
    if (publisher == NULL)
        return rky_fail_nomem(err);
    publisher->cli = cli;
    int rc = rky_topics_init(&publisher->topics, cli->config->queue.topic_prefix, err);
    if (rc == 0)
        rc = rky_kafka_open(&cli->config->queue, cli->config->worker.id, cli->log,
                            &publisher->transport, err);
    if (rc != 0) {
        rky_topics_done(&publisher->topics);
        rky_free(publisher);
        return rc;
    }
    *ret_publisher = publisher;
    return 0;
}

static void delivered(void *context, int code, const char *message, int partition, int64_t offset)
{
    (void)message, (void)partition, (void)offset;
    struct rky_publisher *publisher = context;
    if (code != 0)
        atomic_fetch_add(&publisher->refused, 1);
}

int rky_publisher_publish(void *context, const struct rky_message *message, struct rky_error *err)
{
    (void)err;
    struct rky_publisher *publisher = context;
    struct rky_transport *transport = publisher->transport;
    struct rky_error *failure = &publisher->failure;
    if (!publisher->begun) {
        publisher->begun = true;
        publisher->deadline = rky_deadline_in(publisher->cli->clock, PUBLISH_WITHIN_MS);
        if (rky_topics_ensure(transport, &publisher->cli->config->queue, PUBLISH_WITHIN_MS,
                              failure) != 0)
            return 0;
    }
    if (failure->code != 0)
        return 0;
    struct rky_error full = {0};
    int rc = transport->ops->publish(transport, publisher->topics.results, message, delivered,
                                     publisher, &full);
    if (rc == RKY_ERR_QUOTA &&
        transport->ops->flush(transport, rky_deadline_left_ms(&publisher->deadline), failure) == 0)
        rc = transport->ops->publish(transport, publisher->topics.results, message, delivered,
                                     publisher, failure);
    else if (rc != 0 && failure->code == 0)
        *failure = full;
    return 0;
}

void rky_publisher_finish(struct rky_publisher *publisher)
{
    if (publisher == NULL)
        return;
    struct rky_error *failure = &publisher->failure;
    struct rky_transport *transport = publisher->transport;
    if (publisher->begun && failure->code == 0 &&
        transport->ops->flush(transport, rky_deadline_left_ms(&publisher->deadline), failure) != 0)
        rky_error_wrap(failure, "the broker did not confirm everything");
    /* Closing delivers the last callbacks, so the count is read after it. */
    transport->ops->close(transport);
    int64_t refused = atomic_load(&publisher->refused);
    if (failure->code != 0)
        rky_log_write(publisher->cli->log, RKY_LOG_WARN, NULL,
                      "the run is recorded, but its result was not published to '%s': %s",
                      publisher->cli->config->queue.brokers, failure->message);
    else if (refused > 0)
        rky_log_write(publisher->cli->log, RKY_LOG_WARN, NULL,
                      "the run is recorded, but the broker refused %lld of its events",
                      (long long)refused);
    rky_topics_done(&publisher->topics);
    rky_free(publisher);
}
