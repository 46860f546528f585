/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: publish messages that `bus read` printed, evenly at a given rate.
 *
 * A latency at N jobs a second says something only when the jobs come one by one. rocky-producer
 * reads all its input before it sends, and a process for each small batch would take the processors
 * away from what is measured. One thread; talks to librdkafka directly; exits with 0, 1 or 64.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>

static const char help[] =
    "usage: replay --brokers B --topic T --rate N < MESSAGES\n"
    "\n"
    "MESSAGES is one JSON object a line, as 'bus read' prints it: key, headers and value are sent\n"
    "again, N a second, to the partition of the key.\n";

struct options {
    const char *brokers, *topic;
    double rate;
};

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "replay: %s: %s\n", what, why);
    exit(1);
}

static _Noreturn void refuse(void)
{
    (void)fputs(help, stderr);
    exit(64);
}

static void parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--brokers") == 0)
            options->brokers = argv[i + 1];
        else if (strcmp(argv[i], "--topic") == 0)
            options->topic = argv[i + 1];
        else if (strcmp(argv[i], "--rate") == 0)
            options->rate = strtod(argv[i + 1], NULL);
        else
            refuse();
    }
    if (argc % 2 == 0 || options->brokers == NULL || options->topic == NULL || options->rate <= 0)
        refuse();
}

static rd_kafka_t *open_producer(const struct options *options)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", options->brokers, why, sizeof(why)) !=
            RD_KAFKA_CONF_OK ||
        rd_kafka_conf_set(conf, "linger.ms", "5", why, sizeof(why)) != RD_KAFKA_CONF_OK ||
        rd_kafka_conf_set(conf, "partitioner", "murmur2_random", why, sizeof(why)) !=
            RD_KAFKA_CONF_OK)
        die("settings", why);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (producer == NULL)
        die("the Kafka client cannot start", why);
    return producer;
}

/* All of them first: parsing must not disturb the pace. */
static json_t *read_messages(void)
{
    json_t *messages = json_array();
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        json_error_t error;
        json_t *message = json_loads(line, 0, &error);
        if (message == NULL || json_array_append_new(messages, message) != 0)
            die("a message is not JSON", error.text);
    }
    free(line);
    return messages;
}

/* The client copies; it only does not say so. */
static void *bytes(const char *text)
{
    return (void *)(uintptr_t)text;
}

static void send_message(rd_kafka_t *producer, const char *topic, json_t *message)
{
    const char *key = json_string_value(json_object_get(message, "key"));
    const char *value = json_string_value(json_object_get(message, "value"));
    rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
    const char *name = NULL;
    json_t *text = NULL;
    if (key == NULL || value == NULL)
        die("a message is incomplete", "it has no key or no value");
    json_object_foreach(json_object_get(message, "headers"), name, text)(void)
        rd_kafka_header_add(headers, name, -1, json_string_value(text), -1);
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = bytes(key), .size = strlen(key)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = bytes(value), .size = strlen(value)}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(producer, parts, sizeof(parts) / sizeof(parts[0]));
    if (error != NULL)
        die("not published", rd_kafka_error_string(error));
}

static void add_ns(struct timespec *at, long ns)
{
    at->tv_nsec += ns;
    at->tv_sec += at->tv_nsec / 1000000000;
    at->tv_nsec %= 1000000000;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct timespec due;
    size_t i = 0;
    json_t *message = NULL;
    parse(&options, argc, argv);
    json_t *messages = read_messages();
    rd_kafka_t *producer = open_producer(&options);
    (void)clock_gettime(CLOCK_MONOTONIC, &due);
    json_array_foreach(messages, i, message)
    {
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
            continue;
        send_message(producer, options.topic, message);
        (void)rd_kafka_poll(producer, 0);
        add_ns(&due, (long)(1e9 / options.rate));
    }
    if (rd_kafka_flush(producer, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("not published", "the broker did not confirm everything");
    rd_kafka_destroy(producer);
    json_decref(messages);
    return 0;
}
