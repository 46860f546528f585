/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of consumers: what a member is given and keeps, commits, handing over, pausing, seeking,
 * waking, lag, and closing in time.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>

#include "common/clock.h"
#include "tests/conformance/transport_kit.h"

#define MAX_SEEN 4096

static struct rky_deadline patience(void)
{
    return rky_deadline_in(rky_clock_real(), WAIT_MS);
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
        ck_assert_str_eq(positions[i].topic, bus.topic);
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
            struct rky_position position = {bus.topic, partition, member->done[partition],
                                            "handed"};
            int rc = bus.transport->ops->commit_now(member->consumer, &position, 1, 5000, &err);
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
    const char *topics[] = {bus.topic};
    struct rky_error err = {0};
    const struct rky_consumer_callbacks callbacks = {.context = member,
                                                     .assigned = on_assigned,
                                                     .revoked = on_revoked,
                                                     .commit_failed = on_commit_failed};
    int rc = bus.transport->ops->consumer_open(bus.transport, topics, 1, &callbacks,
                                               &member->consumer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

/* One short poll; keeps what arrives. */
static void step(struct member *member, int64_t timeout_ms)
{
    struct rky_inbound inbound = {0};
    struct rky_error err = {0};
    int rc = bus.transport->ops->consumer_poll(member->consumer, timeout_ms, &inbound, &err);
    ck_assert_msg(rc >= 0, "%s", err.message);
    if (rc == 0)
        return;
    ck_assert_uint_lt(member->seen_count, MAX_SEEN);
    ck_assert_msg(member->owns[inbound.partition], "a message of a partition not owned");
    member->seen[member->seen_count] = bus_number_in(&inbound);
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
    bus.transport->ops->consumer_close(member->consumer, 10000);
    member->consumer = NULL;
}

/* ---- tests ------------------------------------------------------------------------------- */

START_TEST(a_new_group_reads_what_was_queued_before_it_joined)
{
    struct member member = {0};
    for (int i = 0; i < 20; i++)
        bus_publish_number(i % 2 == 0 ? "a" : "b", i);
    bus_flush();

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
    int partition = bus_partition_of("k");
    for (int i = 0; i < 10; i++)
        bus_publish_number("k", i);
    bus_flush();
    join_group(&first);
    poll_until_seen(&first, 10);
    struct rky_position position = {bus.topic, partition, 6, "1:map-of-what-is-done"};
    ck_assert_int_eq(bus.transport->ops->commit(first.consumer, &position, 1, &err), 0);
    /* Waits behind the one before: commits of one consumer keep their order. */
    position.offset = 7;
    position.metadata = "1:a-later-map";
    int rc = bus.transport->ops->commit_now(first.consumer, &position, 1, 5000, &err);
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
        bus_publish_number("k", i);
    bus_flush();
    join_group(&member);
    poll_until_seen(&member, 10);
    struct rky_deadline deadline = patience();
    while (bus.transport->ops->lag(member.consumer) != 10) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        step(&member, 20);
    }
    struct rky_position position = {bus.topic, bus_partition_of("k"), 10, NULL};

    ck_assert_int_eq(bus.transport->ops->commit(member.consumer, &position, 1, &err), 0);

    while (bus.transport->ops->lag(member.consumer) != 0) {
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
    struct rky_position foreign[] = {{"another-topic", 0, 3, NULL},
                                     {bus.topic, PARTITIONS, 3, NULL}};

    ck_assert_int_eq(bus.transport->ops->commit(member.consumer, foreign, 2, &err), 0);
    ck_assert_int_eq(bus.transport->ops->commit_now(member.consumer, foreign, 2, 5000, &err), 0);

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
        bus_publish_number(key, i);
    }
    bus_flush();
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
        bus_publish_number("key-0", 99);
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
    int partition = bus_partition_of("slow");
    const char *fast = "fast-0";
    char key[16];
    for (int i = 0; bus_partition_of(fast) == partition; i++) {
        (void)snprintf(key, sizeof(key), "fast-%d", i);
        fast = key;
    }
    for (int i = 0; i < 100; i++)
        bus_publish_number("slow", i);
    bus_flush();
    join_group(&member);
    poll_until_seen(&member, 10);

    ck_assert_int_eq(
        bus.transport->ops->consumer_pause(member.consumer, bus.topic, partition, true, &err), 0);
    ck_assert_int_eq(
        bus.transport->ops->consumer_pause(member.consumer, bus.topic, partition, true, &err), 0);
    size_t seen = member.seen_count;
    for (int i = 0; i < 20; i++)
        bus_publish_number(fast, 1000 + i);
    poll_until_seen(&member, seen + 20);
    for (size_t i = seen; i < member.seen_count; i++)
        ck_assert_int_ge(member.seen[i], 1000);

    ck_assert_int_eq(
        bus.transport->ops->consumer_pause(member.consumer, bus.topic, partition, false, &err), 0);
    poll_until_seen(&member, 120);
    int next = 0;
    for (size_t i = 0; i < member.seen_count; i++)
        if (member.seen[i] < 1000)
            ck_assert_int_eq(member.seen[i], next++);
    ck_assert_int_eq(next, 100);
    ck_assert_int_eq(
        bus.transport->ops->consumer_pause(member.consumer, bus.topic, PARTITIONS, true, &err),
        RKY_ERR_NOT_FOUND);
    leave(&member);
}
END_TEST

START_TEST(seeking_back_delivers_again_from_there)
{
    struct member member = {0};
    struct rky_error err = {0};
    int partition = bus_partition_of("k");
    for (int i = 0; i < 50; i++)
        bus_publish_number("k", i);
    bus_flush();
    join_group(&member);
    poll_until_seen(&member, 20);

    int rc = bus.transport->ops->consumer_seek(member.consumer, bus.topic, partition, 5, &err);
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
    int partition = bus_partition_of("k");
    for (int i = 0; i < 10; i++)
        bus_publish_number("k", i);
    bus_flush();
    join_group(&member);
    while (!member.owns[partition])
        step(&member, 0);
    size_t seen = member.seen_count;
    int rc = bus.transport->ops->consumer_pause(member.consumer, bus.topic, partition, true, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rc = bus.transport->ops->consumer_seek(member.consumer, bus.topic, partition, 8, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rc = bus.transport->ops->consumer_pause(member.consumer, bus.topic, partition, false, &err);
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
    bus.transport->ops->consumer_wake(member->consumer);
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
        bus_publish_number("k", i);
    bus_flush();
    join_group(&member);
    ck_assert_int_eq(bus.transport->ops->lag(member.consumer), -1);
    while (bus.transport->ops->lag(member.consumer) != 30) {
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        step(&member, 20);
    }
    poll_until_seen(&member, 30);
    struct rky_position position = {bus.topic, bus_partition_of("k"), 12, NULL};

    int rc = bus.transport->ops->commit_now(member.consumer, &position, 1, 5000, &err);

    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(bus.transport->ops->lag(member.consumer), 18);
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
        bus_publish_number("k", i);
    bus_flush();
    join_group(&member);
    poll_until_seen(&member, 1);
    int64_t before = clock->mono_ms(clock);

    leave(&member);

    ck_assert_int_lt(clock->mono_ms(clock) - before, 12000);
}
END_TEST

void bus_add_groups(TCase *tcase)
{
    tcase_add_test(tcase, a_new_group_reads_what_was_queued_before_it_joined);
    tcase_add_test(tcase, offsets_and_metadata_outlive_the_consumer);
    tcase_add_test(tcase, a_commit_in_the_background_reaches_the_group);
    tcase_add_test(tcase, nothing_is_committed_for_a_partition_of_somebody_else);
    tcase_add_test(tcase, two_consumers_share_the_partitions_and_one_that_leaves_hands_over);
    tcase_add_test(tcase, a_paused_partition_holds_still_and_goes_on_without_a_gap);
    tcase_add_test(tcase, seeking_back_delivers_again_from_there);
    tcase_add_test(tcase, a_partition_can_be_sought_and_paused_the_moment_it_arrives);
    tcase_add_test(tcase, waking_ends_a_poll_early);
    tcase_add_test(tcase, lag_is_what_nobody_has_committed);
    tcase_add_test(tcase, closing_before_the_first_assignment_is_safe_and_bounded);
    tcase_add_test(tcase, closing_with_unread_messages_is_bounded);
}
