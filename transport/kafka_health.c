/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What librdkafka says about itself: its log, its errors, its connections, and what each of its
 * codes means to us.
 *
 * Its callbacks come from its own threads at any time, also while a handle is being made or
 * destroyed; they only write under the health mutex and never call back into librdkafka's API
 * beyond reading a fatal error.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"

void rky_kafka_health_done(struct rky_kafka_health *health)
{
    rky_free(health->links);
    rky_free(health->fatal);
    (void)pthread_mutex_destroy(&health->mutex);
}

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    const struct rky_kafka_scope *scope = handle != NULL ? rd_kafka_opaque(handle) : NULL;
    /* syslog levels: 0-3 errors, 4 warnings. CONFWARN says that a setting of queue.kafka concerns
     * the other kind of handle, which is true of every setting and nobody's concern. */
    bool warning = level <= 4 && strcmp(facility, "CONFWARN") != 0;
    if (scope != NULL)
        rky_log_write(scope->kafka->log, warning ? RKY_LOG_WARN : RKY_LOG_DEBUG, NULL, "kafka: %s",
                      text);
}

void rky_kafka_set_fatal(struct rky_kafka *kafka, char *message)
{
    (void)pthread_mutex_lock(&kafka->health.mutex);
    bool first = kafka->health.fatal == NULL;
    if (first)
        kafka->health.fatal = message;
    (void)pthread_mutex_unlock(&kafka->health.mutex);
    if (first)
        rky_log_write(kafka->log, RKY_LOG_WARN, NULL, "kafka: fatal: %s",
                      message != NULL ? message : "out of memory");
    else
        rky_free(message);
}

static void keep_fatal(struct rky_kafka *kafka, rd_kafka_t *handle)
{
    char why[512] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(handle, why, sizeof(why));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        rky_kafka_set_fatal(kafka,
                            rky_asprintf("Kafka client '%s' cannot go on: %s (%s)",
                                         rd_kafka_name(handle), why, rd_kafka_err2name(code)));
}

static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct rky_kafka *kafka = ((struct rky_kafka_scope *)opaque)->kafka;
    struct rky_kafka_health *health = &kafka->health;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        keep_fatal(kafka, handle);
        return;
    }
    (void)pthread_mutex_lock(&health->mutex);
    /* "All brokers are down" follows the reason and would hide it. */
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || health->last_error[0] == '\0') {
        health->last_code = (rd_kafka_resp_err_t)code;
        (void)snprintf(health->last_error, sizeof(health->last_error), "%s", reason);
    }
    (void)pthread_mutex_unlock(&health->mutex);
    rky_log_write(kafka->log, RKY_LOG_DEBUG, NULL, "kafka: %s: %s",
                  rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

/* The entry of a connection, made when it is new; NULL when memory is out. */
static struct rky_kafka_link *link_of(struct rky_kafka_health *health, const rd_kafka_t *handle,
                                      const char *name, int port)
{
    char full[sizeof(health->links[0].name)];
    (void)snprintf(full, sizeof(full), "%s:%d", name, port);
    for (size_t i = 0; i < health->link_count; i++)
        if (health->links[i].handle == handle && strcmp(health->links[i].name, full) == 0)
            return &health->links[i];
    if (rky_array_reserve(&health->links, &health->link_capacity, health->link_count + 1,
                          sizeof(health->links[0]), NULL) != RKY_OK)
        return NULL;
    struct rky_kafka_link *link = &health->links[health->link_count++];
    *link = (struct rky_kafka_link){.handle = handle};
    (void)snprintf(link->name, sizeof(link->name), "%s", full);
    return link;
}

static rd_kafka_resp_err_t on_broker_state(rd_kafka_t *handle, int32_t broker_id,
                                           const char *secproto, const char *name, int port,
                                           const char *state, void *opaque)
{
    struct rky_kafka_health *health = &((struct rky_kafka *)opaque)->health;
    (void)broker_id; /* a bootstrap server has none until it says its own: same connection */
    (void)secproto;
    (void)pthread_mutex_lock(&health->mutex);
    struct rky_kafka_link *link = link_of(health, handle, name, port);
    if (link != NULL) {
        link->up = strcmp(state, "UP") == 0;
        if (link->up)
            health->last_error[0] = '\0';
    }
    (void)pthread_mutex_unlock(&health->mutex);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Brokers can only be watched from inside the making of a handle. */
static rd_kafka_resp_err_t on_new(rd_kafka_t *handle, const rd_kafka_conf_t *conf, void *opaque,
                                  char *errstr, size_t errstr_size)
{
    (void)conf;
    (void)errstr;
    (void)errstr_size;
    return rd_kafka_interceptor_add_on_broker_state_change(handle, "rocky", on_broker_state,
                                                           opaque);
}

void rky_kafka_health_attach(struct rky_kafka *kafka, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    (void)rd_kafka_conf_interceptor_add_on_new(conf, "rocky", on_new, kafka);
}

void rky_kafka_health_forget(struct rky_kafka *kafka, const rd_kafka_t *handle)
{
    struct rky_kafka_health *health = &kafka->health;
    (void)pthread_mutex_lock(&health->mutex);
    size_t kept = 0;
    for (size_t i = 0; i < health->link_count; i++)
        if (health->links[i].handle != handle)
            health->links[kept++] = health->links[i];
    health->link_count = kept;
    (void)pthread_mutex_unlock(&health->mutex);
}

bool rky_kafka_linked(struct rky_kafka *kafka)
{
    struct rky_kafka_health *health = &kafka->health;
    bool up = false;
    (void)pthread_mutex_lock(&health->mutex);
    for (size_t i = 0; i < health->link_count && !up; i++)
        up = health->links[i].up;
    (void)pthread_mutex_unlock(&health->mutex);
    return up;
}

bool rky_kafka_connected(struct rky_transport *transport)
{
    struct rky_kafka *kafka = rky_kafka_of(transport);
    return rky_kafka_linked(kafka) && !atomic_load(&kafka->silent);
}

const char *rky_kafka_fatal(struct rky_transport *transport)
{
    struct rky_kafka_health *health = &rky_kafka_of(transport)->health;
    (void)pthread_mutex_lock(&health->mutex);
    const char *fatal = health->fatal;
    (void)pthread_mutex_unlock(&health->mutex);
    return fatal;
}

/* A code that stands in no row is a fault of this request alone, and asking again won't help. */
static const struct {
    rd_kafka_resp_err_t code;
    enum rky_err ours;
    bool transient;
} codes[] = {
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR__TRANSPORT, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR__RESOLVE, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR__STATE, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR__RETRY, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_NOT_CONTROLLER, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, RKY_ERR_UNAVAILABLE, true},
    {RD_KAFKA_RESP_ERR__FATAL, RKY_ERR_UNAVAILABLE, false},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, RKY_ERR_TIMEOUT, true},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, RKY_ERR_TIMEOUT, true},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RKY_ERR_TIMEOUT, true},
    {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, RKY_ERR_TIMEOUT, true},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RKY_ERR_TIMEOUT, true},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, RKY_ERR_QUOTA, true},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, RKY_ERR_QUOTA, true},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, RKY_ERR_REFUSED, false},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR__SSL, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, RKY_ERR_AUTH, false},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RKY_ERR_DECODE, false},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, RKY_ERR_DECODE, false},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, RKY_ERR_DECODE, false},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, RKY_ERR_DECODE, false},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RKY_ERR_NOT_FOUND, false},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RKY_ERR_NOT_FOUND, false},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RKY_ERR_NOT_FOUND, false},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, RKY_ERR_INTERRUPTED, true},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RKY_ERR_INTERRUPTED, true},
    {RD_KAFKA_RESP_ERR__DESTROY, RKY_ERR_INTERRUPTED, true},
    {RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, RKY_ERR_QUOTA, true},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RKY_ERR_UNSUPPORTED, false},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, RKY_ERR_UNSUPPORTED, false},
};

enum rky_err rky_kafka_code(rd_kafka_resp_err_t code, bool *ret_transient)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].code == code) {
            if (ret_transient != NULL)
                *ret_transient = codes[i].transient;
            return codes[i].ours;
        }
    if (ret_transient != NULL)
        *ret_transient = false;
    return RKY_ERR_CONNECTION;
}

int rky_kafka_fail(struct rky_error *err, rd_kafka_resp_err_t code, const char *format, ...)
{
    char text[512];
    bool transient = false;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    enum rky_err ours = rky_kafka_code(code, &transient);
    bool first = err != NULL && err->code == RKY_OK;
    int rc =
        rky_fail(err, ours, "%s: %s (%s)", text, rd_kafka_err2str(code), rd_kafka_err2name(code));
    if (first) {
        err->transient = transient;
        err->native_code = code;
    }
    return rc;
}

int rky_kafka_fail_unreachable(struct rky_kafka *kafka, struct rky_error *err, int64_t waited_ms)
{
    char reason[sizeof(kafka->health.last_error)];
    (void)pthread_mutex_lock(&kafka->health.mutex);
    (void)snprintf(reason, sizeof(reason), "%s", kafka->health.last_error);
    rd_kafka_resp_err_t code = kafka->health.last_code;
    (void)pthread_mutex_unlock(&kafka->health.mutex);
    bool refused = reason[0] != '\0' && rky_kafka_code(code, NULL) == RKY_ERR_AUTH;
    int rc = rky_fail(err, refused ? RKY_ERR_AUTH : RKY_ERR_UNAVAILABLE,
                      "no Kafka broker answered at '%s' within %.1f s%s%s", kafka->queue->brokers,
                      (double)waited_ms / 1000.0, reason[0] != '\0' ? ": " : "", reason);
    if (err != NULL && err->code == RKY_ERR_UNAVAILABLE)
        err->transient = true;
    rky_error_hint(err, refused ? "check the sasl.* and ssl.* settings under [queue.kafka]"
                                : "start the broker ('rocky dev broker' runs one for "
                                  "development), or set queue.brokers");
    return rc;
}
