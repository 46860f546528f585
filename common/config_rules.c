/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one row of the table cannot say: adapters, queue and worker as a whole, and what is shared
 * between pipelines. A rule keeps quiet where the walk already reported a problem.
 */
#include <config.h>

#include "common/config_internal.h"

#include <stdlib.h>
#include <string.h>

static int missing(struct rky_walk *walk, const char *const *segments, const char *why)
{
    const char *name = NULL;
    for (size_t i = 0; segments[i] != NULL; i++)
        name = segments[i];
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, segments, NULL,
                            "required key '%s' is missing: %s needs it", name, why);
}

/* Whether the key was written at all, right or wrong. */
static bool is_written(const struct rky_walk *walk, const char *const *segments)
{
    const json_t *value = walk->root;
    for (size_t i = 0; segments[i] != NULL && value != NULL; i++)
        value = segments[i][0] != '\0' ? json_object_get(value, segments[i]) : value;
    return value != NULL;
}

int rky_rule_require(struct rky_walk *walk, const char *const *segments, const char *why)
{
    return is_written(walk, segments) ? RKY_OK : missing(walk, segments, why);
}

static int refuse_useless(struct rky_walk *walk, const char *const *segments, const char *key,
                          const char *type)
{
    if (!is_written(walk, segments))
        return RKY_OK;
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, segments, "remove it",
                            "an adapter of type '%s' has no '%s'", type, key);
}

static int check_adapter(struct rky_walk *walk, const struct rky_adapter_config *adapter)
{
    char why[80];
    int rc = RKY_OK;
    if (adapter->type == NULL)
        return RKY_OK;
    bool files = strcmp(adapter->type, "sqlite") == 0 || strcmp(adapter->type, "duckdb") == 0;
    bool server = strcmp(adapter->type, "postgres") == 0;

    (void)snprintf(why, sizeof(why), "type '%s'", adapter->type);
    if (files)
        rc = rky_rule_require(walk, RKY_AT("adapter", adapter->name, "path"), why);
    else if (server)
        rc = rky_rule_require(walk, RKY_AT("adapter", adapter->name, "url"), why);
    if (rc == RKY_OK && files)
        rc = refuse_useless(walk, RKY_AT("adapter", adapter->name, "url"), "url", adapter->type);
    if (rc == RKY_OK && server)
        rc = refuse_useless(walk, RKY_AT("adapter", adapter->name, "path"), "path", adapter->type);
    return rc;
}

/* "host:port", "[::1]:port"; a port of 0 only where a free one may be taken. */
bool rky_rule_is_address(const char *text, size_t length, bool port_needed)
{
    const char *colon = memrchr(text, ':', length);
    bool bracketed = length > 0 && text[0] == '[';
    const char *close = bracketed ? memchr(text, ']', length) : NULL;
    if (bracketed && close == NULL)
        return false;
    if (colon == NULL || (close != NULL && colon < close))
        return length > 0 && !port_needed;
    size_t digits = (size_t)(text + length - colon - 1);
    return colon > text && digits > 0 && digits <= 5 && strspn(colon + 1, "0123456789") >= digits &&
           strtol(colon + 1, NULL, 10) <= 65535;
}

static int check_brokers(struct rky_walk *walk, const char *brokers)
{
    for (const char *at = brokers;;) {
        size_t length = strcspn(at, ",");
        size_t skip = strspn(at, " ");
        skip = skip < length ? skip : length;
        if (!rky_rule_is_address(at + skip, length - skip, false)) {
            char shown[RKY_SHOWN_MAX];
            return rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("queue", "brokers"), NULL,
                                    "expected 'host:port,host:port', found %s",
                                    rky_shown(brokers, false, shown));
        }
        if (at[length] == '\0')
            return RKY_OK;
        at += length + 1;
    }
}

static int check_queue(struct rky_walk *walk, const struct rky_queue_config *queue)
{
    static const char topic[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char shown[RKY_SHOWN_MAX];
    int rc = check_brokers(walk, queue->brokers);

    /* Kafka takes 249 characters; the longest suffix of ours stays below 29. */
    size_t length = strlen(queue->topic_prefix);
    if (rc == RKY_OK && (strspn(queue->topic_prefix, topic) != length || length > 220))
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("queue", "topic_prefix"), NULL,
                              "expected at most 220 of [A-Za-z0-9._-], found %s",
                              rky_shown(queue->topic_prefix, false, shown));
    if (rc == RKY_OK && queue->replication_factor == 0)
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("queue", "replication_factor"), NULL,
                              "expected -1 (the broker's default) or at least 1, found 0");
    return rc;
}

static int check_worker(struct rky_walk *walk, const struct rky_worker_config *worker)
{
    char shown[RKY_SHOWN_MAX];
    if (rky_rule_is_address(worker->http_listen, strlen(worker->http_listen), true))
        return RKY_OK;
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("worker", "http_listen"), NULL,
                            "expected 'host:port', found %s",
                            rky_shown(worker->http_listen, false, shown));
}

/* Two pipelines in one namespace share state and wait for each other; mostly a slip. */
static int warn_shared_namespaces(struct rky_walk *walk)
{
    const struct rky_config *config = walk->config;
    for (size_t i = 1; i < config->pipeline_count; i++) {
        const struct rky_pipeline_config *later = &config->pipelines[i];
        for (size_t k = 0; k < i && later->namespace_ != NULL; k++) {
            const struct rky_pipeline_config *first = &config->pipelines[k];
            if (first->namespace_ == NULL || strcmp(first->namespace_, later->namespace_) != 0)
                continue;
            int rc = rky_rule_problem(walk, RKY_PROBLEM_WARNING,
                                      RKY_AT("pipeline", later->name, "namespace"),
                                      "their jobs run one after the other and share one state",
                                      "pipelines '%s' and '%s' have the namespace '%s'",
                                      first->name, later->name, later->namespace_);
            if (rc != RKY_OK)
                return rc;
            break;
        }
    }
    return RKY_OK;
}

int rky_rules_check(struct rky_walk *walk)
{
    struct rky_config *config = walk->config;
    int rc = RKY_OK;

    for (size_t i = 0; i < config->adapter_count && rc == RKY_OK; i++)
        rc = check_adapter(walk, &config->adapters[i]);
    for (size_t i = 0; i < config->pipeline_count && rc == RKY_OK; i++)
        rc = rky_rules_pipeline(walk, &config->pipelines[i]);
    if (rc == RKY_OK && config->pipeline_count == 0 &&
        json_object_get(walk->root, "pipeline") == NULL)
        rc = rky_rule_problem(walk, RKY_PROBLEM_WARNING, RKY_AT("pipeline"),
                              "write [pipeline.NAME] with source and target",
                              "no pipeline is configured");
    if (rc == RKY_OK)
        rc = warn_shared_namespaces(walk);
    if (rc == RKY_OK)
        rc = rky_rules_state(walk, &config->state);
    if (rc == RKY_OK)
        rc = check_queue(walk, &config->queue);
    if (rc == RKY_OK)
        rc = check_worker(walk, &config->worker);
    return rc;
}
