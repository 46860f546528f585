/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus: put messages on Kafka and read them back as JSON lines, for shell tests and for people who
 * debug them.
 *
 * It talks to librdkafka directly and shares no code with transport/, so that a fault there cannot
 * hide itself from the tests. One thread; exits with 0, 1 (failed), 64 (usage) or 124 (timeout).
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <openssl/evp.h>

#define MAX_LIST 64
#define MAX_BODY ((size_t)64 << 20)
#define MAX_PARTITIONS 1024

enum { EXIT_BAD_USAGE = 64, EXIT_TIMED_OUT = 124 };

struct options {
    const char *brokers, *topic, *key, *group;
    const char *headers[MAX_LIST];
    size_t header_count;
    const char *settings[MAX_LIST];
    size_t setting_count;
    int partition, partitions;
    long count;
    double timeout_seconds;
    bool from_beginning, tombstone, lines;
};

static const char help[] =
    "usage: bus create    --brokers B --topic T [--partitions N] [--set NAME=VALUE]...\n"
    "       bus publish   --brokers B --topic T [--key K] [--header NAME=VALUE]... < BODY\n"
    "                     [--partition P] [--lines] [--tombstone] [--count N]\n"
    "       bus read      --brokers B --topic T [--from-beginning] [--count N] [--timeout S]\n"
    "                     [--partition P] [--key K]\n"
    "       bus committed --brokers B --topic T --group G\n"
    "\n"
    "create     makes a topic; one that exists is left alone.\n"
    "publish    sends stdin, byte for byte, as one message and prints {partition, offset}.\n"
    "           --lines      one message per line; a line \"KEY<TAB>BODY\" carries its own key\n"
    "           --tombstone  null value, stdin is not read\n"
    "           --count N    send it N times\n"
    "           Without --key the key is null. Keys go to the partition that murmur2 gives.\n"
    "read       prints one JSON object per message, in arrival order:\n"
    "             "
    "{\"partition\":0,\"offset\":7,\"timestamp_ms\":..,\"key\":\"k\",\"headers\":{\"n\":\"v\"},\n"
    "              \"value\":\"text\"}\n"
    "           What is not UTF-8 stands as key_base64, value_base64, headers_base64.{n} instead;\n"
    "           null stays null.\n"
    "           --from-beginning  what is there, too; else only what comes after the start\n"
    "           --count N    stop after N messages (exit 124 when S seconds passed before);\n"
    "                        without it: print what is there now and stop\n"
    "           --key K      only messages with that key\n"
    "committed  prints per partition {partition, committed, metadata, end}.\n"
    "--timeout defaults to 10 seconds.\n";

__attribute__((noreturn, format(printf, 2, 3))) static void die(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("bus: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(status);
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long number_of(const char *name, const char *text, long low, long high)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
        die(EXIT_BAD_USAGE, "%s: '%s' is not a number from %ld to %ld", name, text, low, high);
    return value;
}

static void add_to(const char **list, size_t *count, const char *name, const char *value)
{
    if (strchr(value, '=') == NULL)
        die(EXIT_BAD_USAGE, "%s: expected NAME=VALUE, found '%s'", name, value);
    if (*count == MAX_LIST)
        die(EXIT_BAD_USAGE, "%s: at most %d", name, MAX_LIST);
    list[(*count)++] = value;
}

static void parse_value(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--brokers") == 0)
        o->brokers = value;
    else if (strcmp(name, "--topic") == 0)
        o->topic = value;
    else if (strcmp(name, "--key") == 0)
        o->key = value;
    else if (strcmp(name, "--group") == 0)
        o->group = value;
    else if (strcmp(name, "--header") == 0)
        add_to(o->headers, &o->header_count, name, value);
    else if (strcmp(name, "--set") == 0)
        add_to(o->settings, &o->setting_count, name, value);
    else if (strcmp(name, "--partition") == 0)
        o->partition = (int)number_of(name, value, 0, MAX_PARTITIONS);
    else if (strcmp(name, "--partitions") == 0)
        o->partitions = (int)number_of(name, value, 1, MAX_PARTITIONS);
    else if (strcmp(name, "--count") == 0)
        o->count = number_of(name, value, 0, 100000000);
    else if (strcmp(name, "--timeout") == 0)
        o->timeout_seconds = (double)number_of(name, value, 0, 3600);
    else
        die(EXIT_BAD_USAGE, "unknown option '%s', see bus --help", name);
}

static void parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.partition = -1, .partitions = 1, .count = -1, .timeout_seconds = 10};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--from-beginning") == 0) {
            o->from_beginning = true;
        } else if (strcmp(argv[i], "--tombstone") == 0) {
            o->tombstone = true;
        } else if (strcmp(argv[i], "--lines") == 0) {
            o->lines = true;
        } else {
            if (i + 1 >= argc)
                die(EXIT_BAD_USAGE, "'%s' needs a value, see bus --help", argv[i]);
            parse_value(o, argv[i], argv[i + 1]);
            i++;
        }
    }
    if (o->brokers == NULL || o->topic == NULL)
        die(EXIT_BAD_USAGE, "--brokers and --topic are needed, see bus --help");
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die(1, "%s", why);
}

struct tally {
    long delivered, failed;
    bool print;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct tally *tally = (struct tally *)opaque;
    (void)rk;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        tally->failed++;
        (void)fprintf(stderr, "bus: not delivered: %s\n", rd_kafka_err2str(message->err));
        return;
    }
    tally->delivered++;
    if (tally->print)
        (void)printf("{\"partition\": %d, \"offset\": %lld}\n", (int)message->partition,
                     (long long)message->offset);
}

static rd_kafka_t *client(const struct options *o, rd_kafka_type_t type, struct tally *tally)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[512], group[64];
    set(conf, "bootstrap.servers", o->brokers);
    set(conf, "log_level", "3");
    if (type == RD_KAFKA_PRODUCER) {
        (void)snprintf(why, sizeof(why), "%ld", (long)(o->timeout_seconds * 1000) + 1);
        set(conf, "message.timeout.ms", why);
        set(conf, "message.max.bytes", "67108864");
        set(conf, "partitioner", "murmur2_random");
        set(conf, "linger.ms", "1");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_opaque(conf, tally);
    } else {
        (void)snprintf(group, sizeof(group), "bus-%d", (int)getpid());
        set(conf, "group.id", o->group != NULL ? o->group : group);
        set(conf, "enable.auto.commit", "false");
        set(conf, "auto.offset.reset", "earliest");
        set(conf, "fetch.wait.max.ms", "20");
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (rk == NULL)
        die(1, "%s", why);
    return rk;
}

static int create(const struct options *o)
{
    rd_kafka_t *rk = client(o, RD_KAFKA_PRODUCER, NULL);
    char why[512];
    int timeout_ms = (int)(o->timeout_seconds * 1000);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(o->topic, o->partitions, -1, why, sizeof(why));
    if (topic == NULL)
        die(EXIT_BAD_USAGE, "%s", why);
    for (size_t i = 0; i < o->setting_count; i++) {
        char *name = strdup(o->settings[i]);
        char *value = name != NULL ? strchr(name, '=') : NULL;
        if (value == NULL)
            die(1, "out of memory");
        *value++ = '\0';
        (void)rd_kafka_NewTopic_set_config(topic, name, value);
        free(name);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    const rd_kafka_CreateTopics_result_t *result =
        event != NULL ? rd_kafka_event_CreateTopics_result(event) : NULL;
    if (result == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(1, "topic '%s' not created: %s", o->topic,
            event != NULL ? rd_kafka_event_error_string(event) : "no answer");
    size_t count = 0;
    const rd_kafka_topic_result_t *const *results =
        rd_kafka_CreateTopics_result_topics(result, &count);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        die(1, "topic '%s' not created: %s", o->topic, rd_kafka_err2str(code));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(rk);
    return 0;
}

static char *read_stdin(size_t *ret_length)
{
    char *body = malloc(MAX_BODY + 1);
    if (body == NULL)
        die(1, "out of memory");
    size_t length = fread(body, 1, MAX_BODY + 1, stdin);
    if (length > MAX_BODY)
        die(1, "the body is larger than %zu bytes", MAX_BODY);
    *ret_length = length;
    return body;
}

static void send_one(rd_kafka_t *rk, const struct options *o, const void *key, size_t key_length,
                     const void *value, size_t length)
{
    for (;;) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(o->header_count);
        for (size_t i = 0; i < o->header_count; i++) {
            const char *equals = strchr(o->headers[i], '=');
            (void)rd_kafka_header_add(headers, o->headers[i], equals - o->headers[i], equals + 1,
                                      -1);
        }
        rd_kafka_resp_err_t code = rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(o->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_PARTITION(o->partition), RD_KAFKA_V_KEY((void *)(uintptr_t)key, key_length),
            RD_KAFKA_V_VALUE(o->tombstone ? NULL : (void *)(uintptr_t)value, length),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return;
        rd_kafka_headers_destroy(headers);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die(1, "not published: %s", rd_kafka_err2str(code));
        (void)rd_kafka_poll(rk, 50);
    }
}

static void send_lines(rd_kafka_t *rk, const struct options *o, const char *body, size_t length)
{
    const char *end = body + length;
    for (const char *line = body, *next = NULL; line < end; line = next) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        next = stop != NULL ? stop + 1 : end;
        stop = stop != NULL ? stop : end;
        const char *tab = memchr(line, '\t', (size_t)(stop - line));
        if (tab != NULL)
            send_one(rk, o, line, (size_t)(tab - line), tab + 1, (size_t)(stop - tab - 1));
        else
            send_one(rk, o, o->key, o->key != NULL ? strlen(o->key) : 0, line,
                     (size_t)(stop - line));
        (void)rd_kafka_poll(rk, 0);
    }
}

static int publish(const struct options *o)
{
    struct tally tally = {.print = !o->lines && o->count < 0};
    rd_kafka_t *rk = client(o, RD_KAFKA_PRODUCER, &tally);
    size_t length = 0;
    char *body = o->tombstone ? NULL : read_stdin(&length);
    if (o->lines)
        send_lines(rk, o, body, length);
    else
        for (long i = 0; i < (o->count < 0 ? 1 : o->count); i++)
            send_one(rk, o, o->key, o->key != NULL ? strlen(o->key) : 0, body, length);
    free(body);
    (void)rd_kafka_flush(rk, (int)(o->timeout_seconds * 1000) + 1000);
    int status = tally.failed > 0 || rd_kafka_outq_len(rk) > 0 ? 1 : 0;
    if (!tally.print)
        (void)printf("{\"delivered\": %ld, \"failed\": %ld}\n", tally.delivered, tally.failed);
    rd_kafka_destroy(rk);
    return status;
}

static bool is_text(const void *bytes, size_t length)
{
    json_t *text = json_stringn(bytes, length);
    bool good = text != NULL && memchr(bytes, 0, length) == NULL;
    json_decref(text);
    return good;
}

/* Adds name, or name_base64 when the bytes are no text. */
static void put_bytes(json_t *object, const char *name, json_t *base64_object,
                      const char *base64_name, const void *bytes, size_t length)
{
    if (bytes == NULL) {
        (void)json_object_set_new(object, name, json_null());
    } else if (is_text(bytes, length)) {
        (void)json_object_set_new(object, name, json_stringn(bytes, length));
    } else {
        unsigned char *text = malloc(length / 3 * 4 + 8);
        if (text == NULL)
            die(1, "out of memory");
        int written = EVP_EncodeBlock(text, bytes, (int)length);
        (void)json_object_set_new(base64_object, base64_name,
                                  json_stringn((const char *)text, (size_t)written));
        free(text);
    }
}

static void print_message(const rd_kafka_message_t *message)
{
    json_t *object = json_object(), *headers = json_object(), *binary = json_object();
    rd_kafka_headers_t *list = NULL;
    rd_kafka_timestamp_type_t kind;
    (void)json_object_set_new(object, "partition", json_integer(message->partition));
    (void)json_object_set_new(object, "offset", json_integer(message->offset));
    (void)json_object_set_new(object, "timestamp_ms",
                              json_integer(rd_kafka_message_timestamp(message, &kind)));
    put_bytes(object, "key", object, "key_base64", message->key, message->key_len);
    if (rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *name = NULL;
        const void *value = NULL;
        size_t size = 0;
        for (size_t i = 0;
             rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
             i++)
            put_bytes(headers, name, binary, name, value, size);
    }
    (void)json_object_set_new(object, "headers", headers);
    if (json_object_size(binary) > 0)
        (void)json_object_set(object, "headers_base64", binary);
    put_bytes(object, "value", object, "value_base64", message->payload, message->len);
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(binary);
    json_decref(object);
}

/* Number of partitions, 0 when the topic does not exist. */
static int count_partitions(rd_kafka_t *rk, const struct options *o)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, o->topic, NULL);
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(rk, 0, topic, &metadata, (int)(o->timeout_seconds * 1000));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(1, "no metadata: %s", rd_kafka_err2str(code));
    int count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return count;
}

static void query_range(rd_kafka_t *rk, const struct options *o, int partition, int64_t *ret_low,
                        int64_t *ret_high)
{
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        rk, o->topic, partition, ret_low, ret_high, (int)(o->timeout_seconds * 1000));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(1, "topic '%s': no offsets of partition %d: %s", o->topic, partition,
            rd_kafka_err2str(code));
}

/* Assigns the partitions wanted; returns how many messages lie between start and end now. */
static int64_t assign(rd_kafka_t *rk, const struct options *o)
{
    int count = count_partitions(rk, o);
    int64_t present = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count + 1);
    if (count == 0)
        die(1, "topic '%s' does not exist", o->topic);
    for (int i = 0; i < count; i++) {
        int64_t low = 0, high = 0;
        if (o->partition >= 0 && o->partition != i)
            continue;
        query_range(rk, o, i, &low, &high);
        rd_kafka_topic_partition_list_add(list, o->topic, i)->offset =
            o->from_beginning ? low : high;
        present += o->from_beginning ? high - low : 0;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(1, "cannot read: %s", rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(list);
    return present;
}

static int read_messages(const struct options *o)
{
    rd_kafka_t *rk = client(o, RD_KAFKA_CONSUMER, NULL);
    (void)rd_kafka_poll_set_consumer(rk);
    int64_t present = assign(rk, o);
    double until = now_seconds() + o->timeout_seconds;
    long printed = 0;
    int64_t seen = 0;
    while (o->count >= 0 ? printed < o->count : seen < present) {
        double left = until - now_seconds();
        if (left <= 0)
            break;
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, (int)(left * 1000) + 1);
        if (message == NULL)
            continue;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            (void)fprintf(stderr, "bus: %s\n", rd_kafka_message_errstr(message));
        } else {
            seen++;
            if (o->key == NULL || (message->key != NULL && message->key_len == strlen(o->key) &&
                                   memcmp(message->key, o->key, message->key_len) == 0)) {
                print_message(message);
                printed++;
            }
        }
        rd_kafka_message_destroy(message);
    }
    (void)rd_kafka_assign(rk, NULL);
    rd_kafka_destroy(rk);
    return (o->count >= 0 ? printed < o->count : seen < present) ? EXIT_TIMED_OUT : 0;
}

static int committed(const struct options *o)
{
    if (o->group == NULL)
        die(EXIT_BAD_USAGE, "committed needs --group");
    rd_kafka_t *rk = client(o, RD_KAFKA_CONSUMER, NULL);
    int count = count_partitions(rk, o);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count + 1);
    for (int i = 0; i < count; i++)
        (void)rd_kafka_topic_partition_list_add(list, o->topic, i);
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, list, (int)(o->timeout_seconds * 1000));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(1, "no committed offsets: %s", rd_kafka_err2str(code));
    for (int i = 0; i < list->cnt; i++) {
        int64_t low = 0, high = 0;
        query_range(rk, o, list->elems[i].partition, &low, &high);
        json_t *line = json_pack(
            "{s:i, s:I, s:s%, s:I}", "partition", (int)list->elems[i].partition, "committed",
            (json_int_t)(list->elems[i].offset < 0 ? -1 : list->elems[i].offset), "metadata",
            list->elems[i].metadata != NULL ? list->elems[i].metadata : "",
            list->elems[i].metadata_size, "end", (json_int_t)high);
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(line);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *o);
    } commands[] = {{"create", create},
                    {"publish", publish},
                    {"read", read_messages},
                    {"committed", committed}};
    struct options options;
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_BAD_USAGE : 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            parse(&options, argc, argv);
            return commands[i].run(&options);
        }
    die(EXIT_BAD_USAGE, "unknown command '%s', see bus --help", argv[1]);
}
