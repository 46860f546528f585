/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics of a queue: their names under the prefix and how each is made. Which driver makes
 * them is none of this file's business.
 */
#include "config.h"

#include "transport/transport.h"

#include "common/mem.h"

int rky_topics_init(struct rky_topics *topics, const char *prefix, struct rky_error *err)
{
    *topics = (struct rky_topics){
        .jobs = rky_asprintf("%s.jobs", prefix),
        .results = rky_asprintf("%s.results", prefix),
        .dlq = rky_asprintf("%s.dlq", prefix),
        .control = rky_asprintf("%s.control", prefix),
    };
    if (topics->jobs != NULL && topics->results != NULL && topics->dlq != NULL &&
        topics->control != NULL)
        return RKY_OK;
    rky_topics_done(topics);
    return rky_fail_nomem(err);
}

void rky_topics_done(struct rky_topics *topics)
{
    rky_free(topics->jobs);
    rky_free(topics->results);
    rky_free(topics->dlq);
    rky_free(topics->control);
    *topics = (struct rky_topics){0};
}

int rky_topics_ensure(struct rky_transport *transport, const struct rky_queue_config *queue,
                      int64_t timeout_ms, struct rky_error *err)
{
    struct rky_topics names = {0};
    int rc = rky_topics_init(&names, queue->topic_prefix, err);
    if (rc != RKY_OK)
        return rc;
    const struct rky_topic_spec specs[] = {
        {.name = names.jobs},
        {.name = names.results},
        /* A dead letter is a whole job message and the headers that say what was wrong with it. */
        {.name = names.dlq, .twice_the_limit_of = names.jobs},
        /* Every worker reads all of it from the start, so it stays one partition and small. */
        {.name = names.control, .partitions = 1, .compacted = true},
    };
    rc = transport->ops->ensure_topics(transport, specs, sizeof(specs) / sizeof(specs[0]),
                                       timeout_ms, err);
    rky_topics_done(&names);
    return rc;
}

void rky_inbound_done(struct rky_inbound *inbound)
{
    rky_message_done(&inbound->message);
    rky_free(inbound->topic);
    *inbound = (struct rky_inbound){0};
}
