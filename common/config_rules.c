/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one row of the table cannot say: adapters, state, queue and worker as a whole, and what is
 * shared between pipelines. A rule keeps quiet where the walk already reported a problem.
 */
#include <config.h>

#include "common/config_internal.h"

#include <stdlib.h>
#include <string.h>

#define AT(...) ((const char *const[]){__VA_ARGS__, NULL})

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

static int require(struct rky_walk *walk, const char *const *segments, const char *why)
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
        rc = require(walk, AT("adapter", adapter->name, "path"), why);
    else if (server)
        rc = require(walk, AT("adapter", adapter->name, "url"), why);
    if (rc == RKY_OK && files)
        rc = refuse_useless(walk, AT("adapter", adapter->name, "url"), "url", adapter->type);
    if (rc == RKY_OK && server)
        rc = refuse_useless(walk, AT("adapter", adapter->name, "path"), "path", adapter->type);
    return rc;
}

static bool has_scheme(const char *url, const char *const *schemes)
{
    for (size_t i = 0; schemes[i] != NULL; i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) == 0 && url[length] != '\0')
            return true;
    }
    return false;
}

static int check_urls(struct rky_walk *walk, const struct rky_state_config *state)
{
    static const char *const valkey[] = {"valkey://", "valkeys://", "redis://",
                                         "rediss://", "unix://",    NULL};
    static const char *const http[] = {"http://", "https://", NULL};
    int rc = RKY_OK;

    /* The address may hold a password, so it is not shown. */
    if (state->valkey_url != NULL && !has_scheme(state->valkey_url, valkey))
        rc = rky_rule_problem(
            walk, RKY_PROBLEM_ERROR, AT("state", "valkey_url"), NULL,
            "expected an address that begins with valkey://, valkeys://, redis://, rediss:// or "
            "unix://");
    if (rc == RKY_OK && state->s3_endpoint != NULL && !has_scheme(state->s3_endpoint, http))
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("state", "s3_endpoint"), NULL,
                              "expected an address that begins with http:// or https://");
    return rc;
}

/* A lock that is demanded and cannot be had would look like one that is held. */
static int check_lock(struct rky_walk *walk, const struct rky_state_config *state)
{
    if (state->lock_mode == RKY_LOCK_REQUIRE && state->backend == RKY_BACKEND_S3 && !state->lock_s3)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("state", "lock", "mode"),
                                "write s3 = true beside it, or take backend \"tiered\"",
                                "'require' needs a lease, and backend 's3' has none by itself");
    if (state->lock_mode == RKY_LOCK_OFF && state->lock_s3)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("state", "lock", "s3"), "remove it",
                                "mode 'off' takes no lease");
    return RKY_OK;
}

/* What is written for secrecy and silently not used. */
static int check_secrecy(struct rky_walk *walk, const struct rky_state_config *state)
{
    static const char *const tls[] = {"valkeys://", "rediss://", NULL};
    static const char *const files[] = {"valkey_ca_file", "valkey_cert_file", "valkey_key_file"};
    const char *const set[] = {state->valkey_ca_file, state->valkey_cert_file,
                               state->valkey_key_file};
    int rc = RKY_OK;
    if (state->s3_kms_key_id != NULL && state->s3_sse != NULL &&
        strcmp(state->s3_sse, "AES256") == 0)
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("state", "s3_kms_key_id"),
                              "write s3_sse = \"aws:kms\", or remove the key",
                              "s3_sse = 'AES256' uses no key of yours");
    if (state->valkey_url == NULL || has_scheme(state->valkey_url, tls))
        return rc;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == RKY_OK; i++)
        if (set[i] != NULL)
            rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("state", files[i]),
                                  "write valkeys://, or remove the file",
                                  "the address in valkey_url is one without TLS");
    return rc;
}

static int check_state(struct rky_walk *walk, const struct rky_state_config *state)
{
    bool tiered = state->backend == RKY_BACKEND_TIERED;
    char why[64];
    int rc = RKY_OK;

    (void)snprintf(why, sizeof(why), "backend '%s'", rky_backend_name(state->backend));
    if (state->backend == RKY_BACKEND_S3 || tiered)
        rc = require(walk, AT("state", "s3_bucket"), why);
    if (rc == RKY_OK && (state->backend == RKY_BACKEND_VALKEY || tiered))
        rc = require(walk, AT("state", "valkey_url"), why);
    if (rc == RKY_OK && state->valkey_cert_file != NULL)
        rc = require(walk, AT("state", "valkey_key_file"), "'valkey_cert_file'");
    if (rc == RKY_OK && state->valkey_key_file != NULL)
        rc = require(walk, AT("state", "valkey_cert_file"), "'valkey_key_file'");
    if (rc == RKY_OK)
        rc = check_urls(walk, state);
    if (rc == RKY_OK)
        rc = check_lock(walk, state);
    return rc == RKY_OK ? check_secrecy(walk, state) : rc;
}

/* "host:port", "[::1]:port"; a port of 0 only where a free one may be taken. */
static bool is_address(const char *text, size_t length, bool port_needed)
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
        if (!is_address(at + skip, length - skip, false)) {
            char shown[RKY_SHOWN_MAX];
            return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("queue", "brokers"), NULL,
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
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("queue", "topic_prefix"), NULL,
                              "expected at most 220 of [A-Za-z0-9._-], found %s",
                              rky_shown(queue->topic_prefix, false, shown));
    if (rc == RKY_OK && queue->replication_factor == 0)
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("queue", "replication_factor"), NULL,
                              "expected -1 (the broker's default) or at least 1, found 0");
    return rc;
}

static int check_worker(struct rky_walk *walk, const struct rky_worker_config *worker)
{
    char shown[RKY_SHOWN_MAX];
    if (is_address(worker->http_listen, strlen(worker->http_listen), true))
        return RKY_OK;
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, AT("worker", "http_listen"), NULL,
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
                                      AT("pipeline", later->name, "namespace"),
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
        rc = rky_rule_problem(walk, RKY_PROBLEM_WARNING, AT("pipeline"),
                              "write [pipeline.NAME] with source and target",
                              "no pipeline is configured");
    if (rc == RKY_OK)
        rc = warn_shared_namespaces(walk);
    if (rc == RKY_OK)
        rc = check_state(walk, &config->state);
    if (rc == RKY_OK)
        rc = check_queue(walk, &config->queue);
    if (rc == RKY_OK)
        rc = check_worker(walk, &config->worker);
    return rc;
}
