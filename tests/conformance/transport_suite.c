/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport conformance suite. Topics and groups are unique per test, so tests may share a
 * broker; nothing sleeps, every wait is a condition with a deadline.
 */
#include "config.h"

#include "tests/conformance/transport_suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/kit/kafka_server.h"

#define WAIT_MS 60000
#define PARTITIONS 4
#define MAX_SEEN 4096

static const struct rky_transport_fixture *fixture;
static struct rky_transport *transport;
static char prefix[64];
static char topic[96];

static void open_transport(void)
{
    rky_unique_name("t", prefix, sizeof(prefix));
    (void)snprintf(topic, sizeof(topic), "%s.jobs", prefix);
    transport = fixture->open(prefix);
    const struct rky_topic_spec spec = {.name = topic, .partitions = PARTITIONS};
    struct rky_error err = {0};
    int rc = transport->ops->ensure_topics(transport, &spec, 1, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

static void close_transport(void)
{
    fixture->close(transport);
    transport = NULL;
}

static struct rky_deadline patience(void)
{
    return rky_deadline_in(rky_clock_real(), WAIT_MS);
}

/* ---- publishing -------------------------------------------------------------------------- */

/** Counts callbacks, by outcome. */
struct tally {
    atomic_int good, bad, last_code;
};

static void count_delivery(void *context, int code, const char *message, int partition,
                           int64_t offset)
{
    struct tally *tally = context;
    (void)atomic_fetch_add(code == 0 ? &tally->good : &tally->bad, 1);
    if (code != 0)
        atomic_store(&tally->last_code, code);
    ck_assert(code == 0 ? partition >= 0 && offset >= 0 : message != NULL);
}

static void publish_bytes(const char *key, const void *value, size_t length, struct tally *tally)
{
    struct rky_message message = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(
        rky_message_set(&message, key, key != NULL ? strlen(key) : 0, value, length, &err), 0);
    int rc = transport->ops->publish(transport, topic, &message,
                                     tally != NULL ? count_delivery : NULL, tally, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_message_done(&message);
}

static void publish_number(const char *key, int number)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%d", number);
    publish_bytes(key, text, strlen(text), NULL);
}

static void flush(void)
{
    struct rky_error err = {0};
    int rc = transport->ops->flush(transport, WAIT_MS, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

static int partition_of(const char *key)
{
    int partition = -1;
    struct rky_error err = {0};
    int rc =
        transport->ops->partition_of(transport, topic, key, strlen(key), WAIT_MS, &partition, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return partition;
}

/* ---- tails ------------------------------------------------------------------------------- */

static struct rky_tail *open_tail(int partition, bool from_end)
{
    struct rky_tail *tail = NULL;
    struct rky_error err = {0};
    int rc = transport->ops->tail_open(transport, topic, partition, from_end, WAIT_MS, &tail, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return tail;
}

static void read_tail(struct rky_tail *tail, struct rky_inbound *ret_inbound)
{
    struct rky_error err = {0};
    int rc = transport->ops->tail_read(tail, WAIT_MS, ret_inbound, &err);
    ck_assert_msg(rc == 1, "tail_read gave %d: %s", rc, err.message);
}

static int number_in(const struct rky_inbound *inbound)
{
    ck_assert_ptr_nonnull(inbound->message.value);
    return (int)strtol(inbound->message.value, NULL, 10);
}

/* ---- consumers --------------------------------------------------------------------------- */

/** A consumer and all it was told. */
struct member {
    struct rky_consumer *consumer;
    bool owns[PARTITIONS];
    int64_t committed[PARTITIONS];
    char metadata[PARTITIONS][64];
    int assigned, revoked, failed_commits, dropped_commits;
    int seen[MAX_SEEN]; /* numbers in order of arrival */
    int partition_of_seen[MAX_SEEN];
    int64_t offset_of_seen[MAX_SEEN];
    size_t seen_count;
    int64_t done[PARTITIONS]; /* next offset to commit */
    bool commit_on_revoke;
};

static void on_assigned(void *context, const struct rky_position *positions, size_t count)
{
    struct member *member = context;
    for (size_t i = 0; i < count; i++) {
        int partition = positions[i].partition;
        ck_assert_str_eq(positions[i].topic, topic);
        ck_assert_msg(!member->owns[partition], "partition %d assigned twice", partition);
        member->owns[partition] = true;
        member->committed[partition] = positions[i].offset;
        (void)snprintf(member->metadata[partition], sizeof(member->metadata[partition]), "%s",
                       positions[i].metadata != NULL ? positions[i].metadata : "");
        member->done[partition] = -1;
        member->assigned++;
    }
}

static void on_revoked(void *context, const struct rky_position *positions, size_t count, bool lost)
{
    struct member *member = context;
    struct rky_error err = {0};
    for (size_t i = 0; i < count; i++) {
        int partition = positions[i].partition;
        ck_assert_msg(member->owns[partition], "partition %d revoked but not owned", partition);
        if (member->commit_on_revoke && !lost && member->done[partition] >= 0) {
            struct rky_position position = {topic, partition, member->done[partition], "handed"};
            int rc = transport->ops->commit_now(member->consumer, &position, 1, 5000, &err);
            /* The group may have moved on already; then what was read is read again, no more. */
            ck_assert_msg(rc == 0 || rc == RKY_ERR_CONFLICT, "%s", err.message);
            if (rc != 0)
                member->dropped_commits++;
        }
        member->owns[partition] = false;
        member->revoked++;
    }
}

static void on_commit_failed(void *context, const char *message)
{
    struct member *member = context;
    (void)message;
    member->failed_commits++;
}

static void join_group(struct member *member)
{
    const char *topics[] = {topic};
    struct rky_error err = {0};
    const struct rky_consumer_callbacks callbacks = {.context = member,
                                                     .assigned = on_assigned,
                                                     .revoked = on_revoked,
                                                     .commit_failed = on_commit_failed};
    int rc =
        transport->ops->consumer_open(transport, topics, 1, &callbacks, &member->consumer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

/* One short poll; keeps what arrives. */
static void step(struct member *member, int64_t timeout_ms)
{
    struct rky_inbound inbound = {0};
    struct rky_error err = {0};
    int rc = transport->ops->consumer_poll(member->consumer, timeout_ms, &inbound, &err);
    ck_assert_msg(rc >= 0, "%s", err.message);
    if (rc == 0)
        return;
    ck_assert_uint_lt(member->seen_count, MAX_SEEN);
    ck_assert_msg(member->owns[inbound.partition], "a message of a partition not owned");
    member->seen[member->seen_count] = number_in(&inbound);
    member->partition_of_seen[member->seen_count] = inbound.partition;
    member->offset_of_seen[member->seen_count++] = inbound.offset;
    member->done[inbound.partition] = inbound.offset + 1;
    rky_inbound_done(&inbound);
}

static int owned_count(const struct member *member)
{
    int count = 0;
    for (int i = 0; i < PARTITIONS; i++)
        count += member->owns[i] ? 1 : 0;
    return count;
}

static void poll_until_owning(struct member *member, int count)
{
    struct rky_deadline deadline = patience();
    while (owned_count(member) != count) {
        ck_assert_msg(rky_deadline_left_ms(&deadline) > 0, "owns %d, wanted %d",
                      owned_count(member), count);
        step(member, 20);
    }
}

static void poll_until_seen(struct member *member, size_t count)
{
    struct rky_deadline deadline = patience();
    while (member->seen_count < count) {
        ck_assert_msg(rky_deadline_left_ms(&deadline) > 0, "saw %zu of %zu", member->seen_count,
                      count);
        step(member, 50);
    }
}

static void leave(struct member *member)
{
    transport->ops->consumer_close(member->consumer, 10000);
    member->consumer = NULL;
}

/* ---- tests ------------------------------------------------------------------------------- */

START_TEST(messages_of_one_key_keep_their_order_on_their_partition)
{
    static const char *const keys[] = {"bronze", "silver", "gold", "tin", "lead"};
    int last[5] = {-1, -1, -1, -1, -1};
    for (int i = 0; i < 200; i++)
        publish_number(keys[i % 5], i);
    flush();

    struct rky_tail *tail = open_tail(-1, false);
    for (int i = 0; i < 200; i++) {
        struct rky_inbound inbound = {0};
        read_tail(tail, &inbound);
        int number = number_in(&inbound);
        ck_assert_str_eq(inbound.message.key, keys[number % 5]);
        ck_assert_str_eq(inbound.topic, topic);
        ck_assert_int_eq(inbound.partition, partition_of(keys[number % 5]));
        ck_assert_int_gt(number, last[number % 5]);
        ck_assert_int_gt(inbound.message.timestamp_ms, 1600000000000);
        last[number % 5] = number;
        rky_inbound_done(&inbound);
    }
    transport->ops->tail_close(tail);
}
END_TEST

static void expect_bytes(const char *found, size_t length, const char *wanted, size_t wanted_length)
{
    ck_assert_int_eq(found == NULL, wanted == NULL);
    ck_assert_uint_eq(length, wanted_length);
    if (wanted != NULL && wanted_length > 0)
        ck_assert_mem_eq(found, wanted, wanted_length);
}

START_TEST(keys_values_and_headers_arrive_byte_for_byte)
{
    static const struct {
        const char *key;
        size_t key_length;
        const char *value;
        size_t length;
    } cases[] = {{"k", 1, "plain", 5},      {NULL, 0, "null key", 8}, {"", 0, "empty key", 9},
                 {"k", 1, NULL, 0},         {"k", 1, "", 0},          {"k\0k", 3, "a\0b\0", 4},
                 {"\xff\xfe", 2, "\x80", 1}};
    struct rky_tail *tail = open_tail(-1, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rky_message message = {0};
        struct rky_inbound inbound = {0};
        struct rky_error err = {0};
        ck_assert_int_eq(rky_message_set(&message, cases[i].key, cases[i].key_length,
                                         cases[i].value, cases[i].length, &err),
                         0);
        ck_assert_int_eq(rky_message_add_header(&message, "twice", "1", 1, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "nul", "x\0y", 3, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "empty", "", 0, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "null", NULL, 0, &err), 0);
        ck_assert_int_eq(rky_message_add_header(&message, "twice", "2", 1, &err), 0);
        ck_assert_int_eq(transport->ops->publish(transport, topic, &message, NULL, NULL, &err), 0);

        read_tail(tail, &inbound);

        expect_bytes(inbound.message.key, inbound.message.key_length, cases[i].key,
                     cases[i].key_length);
        expect_bytes(inbound.message.value, inbound.message.value_length, cases[i].value,
                     cases[i].length);
        ck_assert_uint_eq(inbound.message.header_count, message.header_count);
        for (size_t j = 0; j < message.header_count; j++) {
            ck_assert_str_eq(inbound.message.headers[j].name, message.headers[j].name);
            expect_bytes(inbound.message.headers[j].value, inbound.message.headers[j].length,
                         message.headers[j].value, message.headers[j].length);
        }
        rky_inbound_done(&inbound);
        rky_message_done(&message);
    }
    transport->ops->tail_close(tail);
}
END_TEST

START_TEST(every_message_is_confirmed_exactly_once)
{
    struct tally tally = {0};
    for (int i = 0; i < 5000; i++)
        publish_bytes("k", "v", 1, &tally);
    flush();

    ck_assert_int_eq(atomic_load(&tally.good), 5000);
    ck_assert_int_eq(atomic_load(&tally.bad), 0);
}
END_TEST

START_TEST(a_message_that_can_never_be_sent_is_refused_at_once)
{
    size_t length = (size_t)20 << 20;
    char *value = calloc(1, length);
    struct rky_message message = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_message_set(&message, "k", 1, value, length, &err), 0);

    int rc = transport->ops->publish(transport, topic, &message, NULL, NULL, &err);

    ck_assert_int_eq(rc, RKY_ERR_DECODE);
    ck_assert(!err.transient);
    ck_assert_ptr_nonnull(strstr(err.message, topic));
    rky_message_done(&message);
    free(value);
}
END_TEST

START_TEST(a_topic_that_does_not_exist_is_not_found)
{
    struct rky_tail *tail = NULL;
    struct rky_error err = {0};
    int partition = -1;
    char other[128];
    (void)snprintf(other, sizeof(other), "%s.none", prefix);

    int rc = transport->ops->partition_of(transport, other, "k", 1, WAIT_MS, &partition, &err);
    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, other));
    rky_error_clear(&err);
    rc = transport->ops->tail_open(transport, other, -1, true, WAIT_MS, &tail, &err);
    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
    rky_error_clear(&err);
    rc = transport->ops->tail_open(transport, topic, PARTITIONS, true, WAIT_MS, &tail, &err);
    ck_assert_int_eq(rc, RKY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(ensuring_topics_again_changes_nothing)
{
    const struct rky_topic_spec spec = {.name = topic, .partitions = PARTITIONS + 3};
    struct rky_error err = {0};
    publish_number("k", 1);
    flush();

    int rc = transport->ops->ensure_topics(transport, &spec, 1, WAIT_MS, &err);

    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_lt(partition_of("k"), PARTITIONS);
    struct rky_tail *tail = open_tail(partition_of("k"), false);
    struct rky_inbound inbound = {0};
    read_tail(tail, &inbound);
    ck_assert_int_eq(number_in(&inbound), 1);
    rky_inbound_done(&inbound);
    transport->ops->tail_close(tail);
}
END_TEST

START_TEST(keys_go_where_other_clients_of_kafka_put_them)
{
    /* murmur2 values published with Kafka's own tests; partition = positive value modulo count. */
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {{"21", -973932308},
                   {"foobar", -790332482},
                   {"abc", 479470107},
                   {"a-little-bit-long-string", -985981536},
                   {"a-little-bit-longer-string", -1486304829},
                   {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971}};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct tally tally = {0};
        int expected = (vectors[i].hash & 0x7fffffff) % PARTITIONS;
        ck_assert_int_eq(partition_of(vectors[i].key), expected);
        struct rky_tail *tail = open_tail(expected, true);
        struct rky_inbound inbound = {0};
        publish_bytes(vectors[i].key, "1", 1, &tally);
        read_tail(tail, &inbound);
        ck_assert_str_eq(inbound.message.key, vectors[i].key);
        rky_inbound_done(&inbound);
        flush(); /* the callback writes to the tally */
        ck_assert_int_eq(atomic_load(&tally.good), 1);
        transport->ops->tail_close(tail);
    }
}
END_TEST

START_TEST(a_tail_from_the_end_sees_all_that_is_published_after_it_opened_and_nothing_before)
{
    for (int i = 0; i < 50; i++)
        publish_number("early", i);
    flush();
    struct rky_tail *tail = open_tail(-1, true);
    for (int i = 50; i < 60; i++)
        publish_number(i % 2 == 0 ? "early" : "other", i);

    bool seen[60] = {false};
    for (int i = 0; i < 10; i++) {
        struct rky_inbound inbound = {0};
        read_tail(tail, &inbound);
        int number = number_in(&inbound);
        ck_assert_int_ge(number, 50);
        ck_assert(!seen[number]);
        seen[number] = true;
        rky_inbound_done(&inbound);
    }
    struct rky_inbound none = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(transport->ops->tail_read(tail, 0, &none, &err), 0);
    transport->ops->tail_close(tail);
}
END_TEST

START_TEST(a_tail_of_one_partition_sees_only_that)
{
    struct rky_tail *tail = open_tail(partition_of("bronze"), true);
    for (int i = 0; i < 40; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key-%d", i);
        publish_number(key, -1);
    }
    publish_number("bronze", 7);
    flush();

    struct rky_inbound inbound = {0};
    do {
        rky_inbound_done(&inbound);
        read_tail(tail, &inbound);
        ck_assert_int_eq(inbound.partition, partition_of("bronze"));
    } while (number_in(&inbound) != 7);
    rky_inbound_done(&inbound);
    transport->ops->tail_close(tail);
}
END_TEST

START_TEST(a_new_group_reads_what_was_queued_before_it_joined)
{
    struct member member = {0};
    for (int i = 0; i < 20; i++)
        publish_number(i % 2 == 0 ? "a" : "b", i);
    flush();

    join_group(&member);
    poll_until_seen(&member, 20);

    ck_assert_int_eq(owned_count(&member), PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        ck_assert_int_eq(member.committed[i], -1);
    leave(&member);
    ck_assert_int_eq(member.revoked, PARTITIONS);
}
END_TEST

START_TEST(offsets_and_metadata_outlive_the_consumer)
{
    struct member first = {0}, second = {0};
    struct rky_error err = {0};
    int partition = partition_of("k");
    for (int i = 0; i < 10; i++)
        publish_number("k", i);
    flush();
    join_group(&first);
    poll_until_seen(&first, 10);
    struct rky_position position = {topic, partition, 6, "1:map-of-what-is-done"};
    ck_assert_int_eq(transport->ops->commit(first.consumer, &position, 1, &err), 0);
    /* Waits behind the one before: commits of one consumer keep their order. */
    position.offset = 7;
    position.metadata = "1:a-later-map";
    int rc = transport->ops->commit_now(first.consumer, &position, 1, 5000, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    leave(&first);
    ck_assert_int_eq(first.failed_commits, 0);

    join_group(&second);
    poll_until_seen(&second, 3);

    ck_assert_int_eq(second.committed[partition], 7);
    ck_assert_str_eq(second.metadata[partition], "1:a-later-map");
    ck_assert_int_eq(second.seen[0], 7);
    ck_assert_int_eq(second.seen[2], 9);
    leave(&second);
}
END_TEST

START_TEST(a_commit_in_the_background_reaches_the_group)
{
    struct member member = {0};
    struct rky_error err = {0};
    for (int i = 0; i < 10; i++)
        publish_number("k", i);
    flush();
    join_group(&member);
    poll_until_seen(&member, 10);
    struct rky_deadline deadline = patience();
    while (transport->ops->lag(member.consumer) != 10) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        step(&member, 20);
    }
    struct rky_position position = {topic, partition_of("k"), 10, NULL};

    ck_assert_int_eq(transport->ops->commit(member.consumer, &position, 1, &err), 0);

    while (transport->ops->lag(member.consumer) != 0) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        step(&member, 20);
    }
    leave(&member);
}
END_TEST

START_TEST(nothing_is_committed_for_a_partition_of_somebody_else)
{
    struct member member = {0};
    struct rky_error err = {0};
    join_group(&member);
    poll_until_owning(&member, PARTITIONS);
    struct rky_position foreign[] = {{"another-topic", 0, 3, NULL}, {topic, PARTITIONS, 3, NULL}};

    ck_assert_int_eq(transport->ops->commit(member.consumer, foreign, 2, &err), 0);
    ck_assert_int_eq(transport->ops->commit_now(member.consumer, foreign, 2, 5000, &err), 0);

    leave(&member);
    ck_assert_int_eq(member.failed_commits, 0);
}
END_TEST

START_TEST(two_consumers_share_the_partitions_and_one_that_leaves_hands_over)
{
    struct member one = {.commit_on_revoke = true}, two = {.commit_on_revoke = true};
    struct rky_deadline deadline = patience();
    for (int i = 0; i < 40; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key-%d", i);
        publish_number(key, i);
    }
    flush();
    join_group(&one);
    poll_until_seen(&one, 40);

    join_group(&two);
    while (owned_count(&one) != PARTITIONS / 2 || owned_count(&two) != PARTITIONS / 2) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        step(&one, 20);
        step(&two, 20);
    }
    for (int i = 0; i < PARTITIONS; i++)
        ck_assert_int_eq((one.owns[i] ? 1 : 0) + (two.owns[i] ? 1 : 0), 1);
    /* What the first had read was committed when it handed over, so none is read again. */
    if (one.dropped_commits > 0) {
        leave(&one);
        leave(&two);
        return;
    }
    ck_assert_uint_eq(two.seen_count, 0);
    for (int i = 0; i < PARTITIONS; i++)
        if (two.owns[i] && two.committed[i] >= 0)
            ck_assert_str_eq(two.metadata[i], "handed");

    leave(&one);
    poll_until_owning(&two, PARTITIONS);
    if (one.dropped_commits == 0) {
        ck_assert_uint_eq(two.seen_count, 0);
        publish_number("key-0", 99);
        poll_until_seen(&two, 1);
        ck_assert_int_eq(two.seen[0], 99);
    }
    leave(&two);
    ck_assert_int_eq(one.assigned, one.revoked);
    ck_assert_int_eq(two.assigned, two.revoked);
}
END_TEST

START_TEST(a_paused_partition_holds_still_and_goes_on_without_a_gap)
{
    struct member member = {0};
    struct rky_error err = {0};
    int partition = partition_of("slow");
    const char *fast = "fast-0";
    char key[16];
    for (int i = 0; partition_of(fast) == partition; i++) {
        (void)snprintf(key, sizeof(key), "fast-%d", i);
        fast = key;
    }
    for (int i = 0; i < 100; i++)
        publish_number("slow", i);
    flush();
    join_group(&member);
    poll_until_seen(&member, 10);

    ck_assert_int_eq(transport->ops->consumer_pause(member.consumer, topic, partition, true, &err),
                     0);
    ck_assert_int_eq(transport->ops->consumer_pause(member.consumer, topic, partition, true, &err),
                     0);
    size_t seen = member.seen_count;
    for (int i = 0; i < 20; i++)
        publish_number(fast, 1000 + i);
    poll_until_seen(&member, seen + 20);
    for (size_t i = seen; i < member.seen_count; i++)
        ck_assert_int_ge(member.seen[i], 1000);

    ck_assert_int_eq(transport->ops->consumer_pause(member.consumer, topic, partition, false, &err),
                     0);
    poll_until_seen(&member, 120);
    int next = 0;
    for (size_t i = 0; i < member.seen_count; i++)
        if (member.seen[i] < 1000)
            ck_assert_int_eq(member.seen[i], next++);
    ck_assert_int_eq(next, 100);
    ck_assert_int_eq(transport->ops->consumer_pause(member.consumer, topic, PARTITIONS, true, &err),
                     RKY_ERR_NOT_FOUND);
    leave(&member);
}
END_TEST

START_TEST(seeking_back_delivers_again_from_there)
{
    struct member member = {0};
    struct rky_error err = {0};
    int partition = partition_of("k");
    for (int i = 0; i < 50; i++)
        publish_number("k", i);
    flush();
    join_group(&member);
    poll_until_seen(&member, 20);

    int rc = transport->ops->consumer_seek(member.consumer, topic, partition, 5, &err);
    ck_assert_msg(rc == 0, "%s", err.message);

    size_t seen = member.seen_count;
    poll_until_seen(&member, seen + 45);
    for (size_t i = 0; i < 45; i++)
        ck_assert_int_eq(member.seen[seen + i], 5 + (int)i);
    leave(&member);
}
END_TEST

START_TEST(a_partition_can_be_sought_and_paused_the_moment_it_arrives)
{
    struct member member = {0};
    struct rky_error err = {0};
    int partition = partition_of("k");
    for (int i = 0; i < 10; i++)
        publish_number("k", i);
    flush();
    join_group(&member);
    while (!member.owns[partition])
        step(&member, 0);
    size_t seen = member.seen_count;
    int rc = transport->ops->consumer_pause(member.consumer, topic, partition, true, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rc = transport->ops->consumer_seek(member.consumer, topic, partition, 8, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rc = transport->ops->consumer_pause(member.consumer, topic, partition, false, &err);
    ck_assert_msg(rc == 0, "%s", err.message);

    poll_until_seen(&member, seen + 2);

    ck_assert_int_eq(member.seen[seen], 8);
    ck_assert_int_eq(member.seen[seen + 1], 9);
    leave(&member);
}
END_TEST

static void *wake_later(void *argument)
{
    struct member *member = argument;
    /* The poll under way lasts a minute; whether this comes before or into it must not matter. */
    transport->ops->consumer_wake(member->consumer);
    return NULL;
}

START_TEST(waking_ends_a_poll_early)
{
    struct member member = {0};
    struct rky_clock *clock = rky_clock_real();
    join_group(&member);
    poll_until_owning(&member, PARTITIONS);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        int64_t before = clock->mono_ms(clock);
        ck_assert_int_eq(pthread_create(&thread, NULL, wake_later, &member), 0);
        step(&member, WAIT_MS);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_lt(clock->mono_ms(clock) - before, 5000);
    }
    ck_assert_uint_eq(member.seen_count, 0);
    leave(&member);
}
END_TEST

START_TEST(lag_is_what_nobody_has_committed)
{
    struct member member = {0};
    struct rky_error err = {0};
    struct rky_deadline deadline = patience();
    for (int i = 0; i < 30; i++)
        publish_number("k", i);
    flush();
    join_group(&member);
    ck_assert_int_eq(transport->ops->lag(member.consumer), -1);
    while (transport->ops->lag(member.consumer) != 30) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        step(&member, 20);
    }
    poll_until_seen(&member, 30);
    struct rky_position position = {topic, partition_of("k"), 12, NULL};

    int rc = transport->ops->commit_now(member.consumer, &position, 1, 5000, &err);

    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(transport->ops->lag(member.consumer), 18);
    leave(&member);
}
END_TEST

START_TEST(closing_before_the_first_assignment_is_safe_and_bounded)
{
    struct rky_clock *clock = rky_clock_real();
    int64_t before = clock->mono_ms(clock);
    for (int i = 0; i < 2; i++) {
        struct member member = {0};
        join_group(&member);
        leave(&member);
        ck_assert_int_eq(member.assigned, member.revoked);
    }
    ck_assert_int_lt(clock->mono_ms(clock) - before, 45000);
}
END_TEST

START_TEST(closing_with_unread_messages_is_bounded)
{
    struct member member = {0};
    struct rky_clock *clock = rky_clock_real();
    for (int i = 0; i < 1000; i++)
        publish_number("k", i);
    flush();
    join_group(&member);
    poll_until_seen(&member, 1);
    int64_t before = clock->mono_ms(clock);

    leave(&member);

    ck_assert_int_lt(clock->mono_ms(clock) - before, 12000);
}
END_TEST

/* ---- without a broker --------------------------------------------------------------------- */

static void open_unreachable(void)
{
    rky_unique_name("t", prefix, sizeof(prefix));
    (void)snprintf(topic, sizeof(topic), "%s.jobs", prefix);
    transport = fixture->open_unreachable(prefix);
}

START_TEST(without_a_broker_publishing_queues_and_closing_tells_every_message)
{
    struct tally tally = {0};
    struct rky_error err = {0};
    struct rky_clock *clock = rky_clock_real();
    int64_t before = clock->mono_ms(clock);
    ck_assert(!transport->ops->connected(transport));
    for (int i = 0; i < 10; i++)
        publish_bytes("k", "v", 1, &tally);

    ck_assert_int_eq(transport->ops->flush(transport, 200, &err), RKY_ERR_TIMEOUT);
    ck_assert_int_eq(atomic_load(&tally.good) + atomic_load(&tally.bad), 0);
    ck_assert(!transport->ops->connected(transport));
    ck_assert_ptr_null(transport->ops->fatal(transport));
    fixture->close(transport);
    transport = NULL;

    ck_assert_int_eq(atomic_load(&tally.bad), 10);
    ck_assert_int_eq(atomic_load(&tally.last_code), RKY_ERR_INTERRUPTED);
    ck_assert_int_lt(clock->mono_ms(clock) - before, 10000);
}
END_TEST

START_TEST(without_a_broker_ensuring_topics_says_so_in_time)
{
    const struct rky_topic_spec spec = {.name = topic};
    struct rky_error err = {0};
    struct rky_clock *clock = rky_clock_real();
    int64_t before = clock->mono_ms(clock);

    int rc = transport->ops->ensure_topics(transport, &spec, 1, 500, &err);

    ck_assert_int_eq(rc, RKY_ERR_UNAVAILABLE);
    ck_assert_int_lt(clock->mono_ms(clock) - before, 5000);
    fixture->close(transport);
    transport = NULL;
}
END_TEST

Suite *rky_transport_suite(const struct rky_transport_fixture *of)
{
    fixture = of;
    Suite *suite = suite_create(of->name);
    TCase *messages = tcase_create("messages");
    tcase_add_checked_fixture(messages, open_transport, close_transport);
    tcase_set_timeout(messages, 120);
    tcase_add_test(messages, messages_of_one_key_keep_their_order_on_their_partition);
    tcase_add_test(messages, keys_values_and_headers_arrive_byte_for_byte);
    tcase_add_test(messages, every_message_is_confirmed_exactly_once);
    tcase_add_test(messages, a_message_that_can_never_be_sent_is_refused_at_once);
    tcase_add_test(messages, a_topic_that_does_not_exist_is_not_found);
    tcase_add_test(messages, ensuring_topics_again_changes_nothing);
    tcase_add_test(messages, keys_go_where_other_clients_of_kafka_put_them);
    tcase_add_test(
        messages,
        a_tail_from_the_end_sees_all_that_is_published_after_it_opened_and_nothing_before);
    tcase_add_test(messages, a_tail_of_one_partition_sees_only_that);
    suite_add_tcase(suite, messages);

    TCase *group = tcase_create("group");
    tcase_add_checked_fixture(group, open_transport, close_transport);
    tcase_set_timeout(group, 180);
    tcase_add_test(group, a_new_group_reads_what_was_queued_before_it_joined);
    tcase_add_test(group, offsets_and_metadata_outlive_the_consumer);
    tcase_add_test(group, a_commit_in_the_background_reaches_the_group);
    tcase_add_test(group, nothing_is_committed_for_a_partition_of_somebody_else);
    tcase_add_test(group, two_consumers_share_the_partitions_and_one_that_leaves_hands_over);
    tcase_add_test(group, a_paused_partition_holds_still_and_goes_on_without_a_gap);
    tcase_add_test(group, seeking_back_delivers_again_from_there);
    tcase_add_test(group, a_partition_can_be_sought_and_paused_the_moment_it_arrives);
    tcase_add_test(group, waking_ends_a_poll_early);
    tcase_add_test(group, lag_is_what_nobody_has_committed);
    tcase_add_test(group, closing_before_the_first_assignment_is_safe_and_bounded);
    tcase_add_test(group, closing_with_unread_messages_is_bounded);
    suite_add_tcase(suite, group);

    TCase *alone = tcase_create("without a broker");
    tcase_add_checked_fixture(alone, open_unreachable, NULL);
    tcase_set_timeout(alone, 60);
    tcase_add_test(alone, without_a_broker_publishing_queues_and_closing_tells_every_message);
    tcase_add_test(alone, without_a_broker_ensuring_topics_says_so_in_time);
    suite_add_tcase(suite, alone);
    return suite;
}
