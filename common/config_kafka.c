/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [queue.kafka]: any property of librdkafka, flattened to its dotted name.
 *
 * `session.timeout.ms = 3000` is three nested tables to TOML and means the same as the quoted
 * name. Properties that the design owns are refused with the reason: changing one would break a
 * promise elsewhere without a trace. Whether librdkafka knows a property, the transport finds out;
 * the line is kept for its message.
 */
#include <config.h>

#include "common/config_internal.h"

#include <stdlib.h>
#include <string.h>

struct owned_property {
    const char *name;
    const char *reason;
};

/* librdkafka's aliases stand beside the names they stand for. */
static const struct owned_property OWNED[] = {
    {"enable.auto.commit", "an offset is committed only after its job's result was published"},
    {"auto.commit.enable", "an offset is committed only after its job's result was published"},
    {"enable.auto.offset.store", "the worker stores an offset when its job has ended"},
    {"auto.offset.reset", "a new group starts at the earliest job, or jobs would be lost"},
    {"isolation.level", "jobs and events are not written in transactions"},
    {"partitioner", "every client must put a namespace on the same partition (murmur2_random)"},
    {"acks", "a result counts as published only when all replicas have it"},
    {"request.required.acks", "a result counts as published only when all replicas have it"},
    {"enable.idempotence", "a retried send must not be stored twice"},
    {"group.id", "'queue.group_id' sets it"},
    {"partition.assignment.strategy",
     "running jobs survive a rebalance only when it is cooperative"},
    {"bootstrap.servers", "'queue.brokers' sets it"},
    {"metadata.broker.list", "'queue.brokers' sets it"},
};

static const char *const SECRET_WORDS[] = {"password", "secret", "key.pem", "token", "jaas"};

static bool is_secret(const char *name)
{
    for (size_t i = 0; i < sizeof(SECRET_WORDS) / sizeof(SECRET_WORDS[0]); i++)
        if (strcasestr(name, SECRET_WORDS[i]) != NULL)
            return true;
    return false;
}

/* The shortest text that reads back as the same number. */
static char *number_text(double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) >= number && strtod(text, NULL) <= number)
            break;
    }
    return rky_strdup(text);
}

/* The property's value as text; NULL after a problem. */
static int give(struct rky_walk *walk, const struct rky_place *place, struct rky_given *ret_given)
{
    const json_t *value = place->value;
    if (json_is_string(value) && rky_place_kind(place) == NULL)
        return rky_walk_expand(walk, place, ret_given);
    if (json_is_integer(value))
        ret_given->text = rky_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        ret_given->text = number_text(json_real_value(value));
    else if (json_is_boolean(value))
        ret_given->text = rky_strdup(json_is_true(value) ? "true" : "false");
    else
        return rky_walk_wrong_type(walk, place, "a string, a number, true or false");
    return ret_given->text != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

static int refused(struct rky_walk *walk, const struct rky_place *place,
                   const struct rky_queue_config *queue, const char *name, bool *ret_refused)
{
    *ret_refused = true;
    for (size_t i = 0; i < sizeof(OWNED) / sizeof(OWNED[0]); i++)
        if (strcmp(OWNED[i].name, name) == 0)
            return rky_walk_problem(walk, place, true, "remove it", "'%s' may not be set: %s", name,
                                    OWNED[i].reason);
    for (size_t i = 0; i < queue->kafka_count; i++)
        if (strcmp(queue->kafka[i].name, name) == 0)
            return rky_walk_problem(walk, place, true, NULL, "'%s' is set twice, first in line %d",
                                    name, queue->kafka[i].line);
    *ret_refused = false;
    return RKY_OK;
}

static int add_property(struct rky_walk *walk, const struct rky_place *place,
                        const struct rky_key *key, struct rky_queue_config *queue, const char *name)
{
    struct rky_given given = {0};
    bool is_refused = false;
    int rc = refused(walk, place, queue, name, &is_refused);
    if (rc == RKY_OK && !is_refused)
        rc = give(walk, place, &given);
    if (rc == RKY_OK && given.text != NULL)
        rc = is_secret(name) ? rky_secret_add(walk, given.text)
                             : rky_secret_add_userinfo(walk, given.text);
    struct rky_kafka_property *property =
        rc == RKY_OK && given.text != NULL ? rky_slot_append(key, queue) : NULL;
    if (property == NULL) {
        rc = rc == RKY_OK && given.text != NULL ? RKY_ERR_NOMEM : rc;
        rky_free(given.text);
        return rc;
    }
    property->value = given.text;
    property->line = (int)json_integer_value(json_object_get(place->position, "l"));
    property->column = (int)json_integer_value(json_object_get(place->position, "kc"));
    property->name = rky_strdup(name);
    return property->name != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

static int flatten(struct rky_walk *walk, const struct rky_place *table, const struct rky_key *key,
                   struct rky_queue_config *queue, const char *prefix)
{
    const char *name = NULL;
    json_t *value = NULL;
    int rc = RKY_OK;

    json_object_foreach(table->value, name, value)
    {
        struct rky_place place = rky_place_member(table, name);
        char *full = rky_asprintf("%s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
        if (full == NULL)
            return RKY_ERR_NOMEM;
        rc = json_is_object(value) ? flatten(walk, &place, key, queue, full)
                                   : add_property(walk, &place, key, queue, full);
        rky_free(full);
        if (rc != RKY_OK)
            return rc;
    }
    return rc;
}

int rky_walk_kafka(struct rky_walk *walk, const struct rky_place *place, const struct rky_key *key,
                   void *base)
{
    if (!json_is_object(place->value))
        return rky_walk_wrong_type(walk, place, "a table");
    return flatten(walk, place, key, base, "");
}
