/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offset tracker: what is committed after which completions, what its map is worth, and that
 * no order of completions and crashes ever loses an offset.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "worker/tracker.h"

static struct rky_tracker *tracker_at(int64_t committed, const char *metadata)
{
    struct rky_tracker *tracker = NULL;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_tracker_new(committed, metadata, &tracker, &err), 0);
    return tracker;
}

static enum rky_seen deliver(struct rky_tracker *tracker, int64_t offset)
{
    enum rky_seen seen = RKY_SEEN_NEW;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_tracker_deliver(tracker, offset, &seen, &err), 0);
    return seen;
}

static const char *map_of(const struct rky_tracker *tracker, char map[RKY_TRACKER_MAP_MAX])
{
    rky_tracker_map(tracker, map);
    return map;
}

START_TEST(test_nothing_is_committed_before_something_was_delivered)
{
    struct rky_tracker *tracker = tracker_at(-1, NULL);
    ck_assert_int_eq(rky_tracker_position(tracker), -1);
    ck_assert(!rky_tracker_dirty(tracker));

    ck_assert_int_eq(deliver(tracker, 500), RKY_SEEN_NEW);
    ck_assert_int_eq(rky_tracker_position(tracker), 500);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_the_position_stops_at_the_first_unfinished_offset)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(10, NULL);
    for (int64_t offset = 10; offset < 20; offset++)
        (void)deliver(tracker, offset);

    rky_tracker_done(tracker, 11);
    rky_tracker_done(tracker, 12);
    rky_tracker_done(tracker, 15);
    ck_assert_int_eq(rky_tracker_position(tracker), 10);
    ck_assert_uint_eq(rky_tracker_pending(tracker), 7);
    /* Not done 10, done 11-12, not done 13-14, done 15. */
    ck_assert_int_eq(strncmp(map_of(tracker, map), "rky1 10 1,2,2,1 ", 16), 0);

    rky_tracker_done(tracker, 10);
    ck_assert_int_eq(rky_tracker_position(tracker), 13);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_offsets_that_are_never_delivered_count_as_done)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(0, NULL);
    (void)deliver(tracker, 0);
    (void)deliver(tracker, 7);
    (void)deliver(tracker, 9);
    rky_tracker_done(tracker, 0);
    ck_assert_int_eq(rky_tracker_position(tracker), 7);
    rky_tracker_done(tracker, 9);
    ck_assert_int_eq(strncmp(map_of(tracker, map), "rky1 7 1,2 ", 11), 0);
    rky_tracker_done(tracker, 7);
    ck_assert_int_eq(rky_tracker_position(tracker), 10);
    ck_assert_str_eq(map_of(tracker, map), "");
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_a_long_job_at_the_head_costs_two_numbers)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(0, NULL);
    for (int64_t offset = 0; offset <= 50000; offset++) {
        (void)deliver(tracker, offset);
        if (offset > 0)
            rky_tracker_done(tracker, offset);
    }
    ck_assert_int_eq(strncmp(map_of(tracker, map), "rky1 0 1,50000 ", 15), 0);
    ck_assert_uint_eq(rky_tracker_pending(tracker), 1);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_a_restart_takes_only_what_was_unfinished)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(0, NULL);
    for (int64_t offset = 0; offset < 6; offset++)
        (void)deliver(tracker, offset);
    rky_tracker_done(tracker, 0);
    rky_tracker_done(tracker, 2);
    rky_tracker_done(tracker, 3);
    rky_tracker_done(tracker, 5);

    struct rky_tracker *next = tracker_at(rky_tracker_position(tracker), map_of(tracker, map));
    ck_assert_int_eq(deliver(next, 1), RKY_SEEN_NEW);
    ck_assert_int_eq(deliver(next, 2), RKY_SEEN_DONE);
    ck_assert_int_eq(deliver(next, 3), RKY_SEEN_DONE);
    ck_assert_int_eq(deliver(next, 4), RKY_SEEN_NEW);
    ck_assert_int_eq(deliver(next, 5), RKY_SEEN_DONE);
    ck_assert_int_eq(deliver(next, 6), RKY_SEEN_NEW);
    rky_tracker_free(next);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_what_a_former_owner_did_stays_in_the_map_until_it_is_delivered)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(0, NULL);
    for (int64_t offset = 0; offset < 300; offset++)
        (void)deliver(tracker, offset);
    for (int64_t offset = 200; offset < 300; offset++)
        rky_tracker_done(tracker, offset);
    struct rky_tracker *second = tracker_at(0, map_of(tracker, map));
    (void)deliver(second, 0);
    rky_tracker_done(second, 0);
    ck_assert_int_eq(rky_tracker_position(second), 1);

    struct rky_tracker *third = tracker_at(1, map_of(second, map));
    ck_assert_int_eq(deliver(third, 1), RKY_SEEN_NEW);
    ck_assert_int_eq(deliver(third, 200), RKY_SEEN_DONE);
    ck_assert_int_eq(deliver(third, 299), RKY_SEEN_DONE);
    ck_assert_int_eq(deliver(third, 300), RKY_SEEN_NEW);
    rky_tracker_free(third);
    rky_tracker_free(second);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_a_second_copy_of_an_offset_is_dropped)
{
    struct rky_tracker *tracker = tracker_at(0, NULL);
    (void)deliver(tracker, 0);
    (void)deliver(tracker, 1);
    (void)deliver(tracker, 2);
    rky_tracker_done(tracker, 1);
    ck_assert_int_eq(deliver(tracker, 0), RKY_SEEN_PENDING);
    ck_assert_int_eq(deliver(tracker, 1), RKY_SEEN_DONE);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_an_offset_below_the_position_means_another_log)
{
    struct rky_tracker *tracker = tracker_at(100, NULL);
    ck_assert_int_eq(deliver(tracker, 5), RKY_SEEN_REWOUND);
    ck_assert_int_eq(rky_tracker_position(tracker), 100);
    (void)deliver(tracker, 100);
    rky_tracker_done(tracker, 100);
    ck_assert_int_eq(deliver(tracker, 99), RKY_SEEN_REWOUND);
    rky_tracker_free(tracker);
}
END_TEST

/* Each is a map that must be ignored at position 10, where a good one would say "11 is done". */
static const char *const bad_maps[] = {
    "",
    "x",
    "rky1",
    "rky1 10 1,1",
    "rky1 10 1,1 00000000",
    "rky2 10 1,1 00000000",
    "{\"v\":1,\"done\":[11]}",
    "rky1 10 1,1,99999999999999999999999 00000000",
    "rky1 -1 1,1 00000000",
};

START_TEST(test_a_foreign_or_broken_map_is_ignored)
{
    struct rky_tracker *tracker = tracker_at(10, bad_maps[_i]);
    ck_assert_int_eq(deliver(tracker, 10), RKY_SEEN_NEW);
    ck_assert_int_eq(deliver(tracker, 11), RKY_SEEN_NEW);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_a_map_of_another_position_is_ignored)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(10, NULL);
    (void)deliver(tracker, 10);
    (void)deliver(tracker, 11);
    rky_tracker_done(tracker, 11);
    /* Somebody moved the group's position by hand and the metadata stayed. */
    struct rky_tracker *moved = tracker_at(9, map_of(tracker, map));
    ck_assert_int_eq(deliver(moved, 9), RKY_SEEN_NEW);
    ck_assert_int_eq(deliver(moved, 10), RKY_SEEN_NEW);
    ck_assert_int_eq(deliver(moved, 11), RKY_SEEN_NEW);
    rky_tracker_free(moved);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_every_changed_byte_of_a_map_is_noticed)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(10, NULL);
    for (int64_t offset = 10; offset < 40; offset++)
        (void)deliver(tracker, offset);
    for (int64_t offset = 11; offset < 40; offset += 3)
        rky_tracker_done(tracker, offset);
    (void)map_of(tracker, map);
    size_t length = strlen(map);
    for (size_t i = 0; i < length; i++) {
        char kept = map[i];
        map[i] = kept == '1' ? '2' : '1';
        struct rky_tracker *other = tracker_at(10, map);
        for (int64_t offset = 10; offset < 40; offset++)
            ck_assert_int_eq(deliver(other, offset), RKY_SEEN_NEW);
        rky_tracker_free(other);
        map[i] = kept;
    }
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_a_map_that_does_not_fit_is_cut_and_still_good)
{
    char map[RKY_TRACKER_MAP_MAX];
    struct rky_tracker *tracker = tracker_at(0, NULL);
    for (int64_t offset = 0; offset < 20000; offset++)
        (void)deliver(tracker, offset);
    for (int64_t offset = 1; offset < 20000; offset += 2)
        rky_tracker_done(tracker, offset);
    (void)map_of(tracker, map);
    ck_assert_uint_lt(strlen(map), RKY_TRACKER_MAP_MAX);
    ck_assert_uint_gt(strlen(map), RKY_TRACKER_MAP_MAX - 64);

    struct rky_tracker *next = tracker_at(0, map);
    int done = 0;
    for (int64_t offset = 0; offset < 20000; offset++) {
        enum rky_seen seen = deliver(next, offset);
        ck_assert(offset % 2 == 1 || seen == RKY_SEEN_NEW);
        done += seen == RKY_SEEN_DONE;
    }
    ck_assert_int_gt(done, 900);
    rky_tracker_free(next);
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_a_commit_that_failed_is_due_again)
{
    struct rky_tracker *tracker = tracker_at(0, NULL);
    (void)deliver(tracker, 0);
    rky_tracker_done(tracker, 0);
    ck_assert(rky_tracker_dirty(tracker));
    rky_tracker_committed(tracker, true);
    ck_assert(!rky_tracker_dirty(tracker));
    rky_tracker_committed(tracker, false);
    ck_assert(rky_tracker_dirty(tracker));
    rky_tracker_free(tracker);
}
END_TEST

/* --- every order of completions, crashes anywhere -----------------------------------------------
 */

enum { LOG_LENGTH = 400, WINDOW = 60 };

struct world {
    bool exists[LOG_LENGTH]; /* a message, not a gap */
    int executed[LOG_LENGTH];
    int64_t pending[WINDOW];
    size_t pending_count;
    int64_t committed;
    char metadata[RKY_TRACKER_MAP_MAX];
    bool done[LOG_LENGTH];       /* as the tracker should know it */
    bool known_done[LOG_LENGTH]; /* by the last commit */
    int64_t next;
    uint64_t seed;
};

static uint32_t roll(struct world *world, uint32_t sides)
{
    world->seed = world->seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(world->seed >> 33) % sides;
}

static void commit(struct world *world, struct rky_tracker *tracker)
{
    int64_t position = rky_tracker_position(tracker);
    ck_assert_int_ge(position, world->committed);
    for (int64_t offset = 0; offset < position && offset < LOG_LENGTH; offset++)
        ck_assert(!world->exists[offset] || world->executed[offset] > 0);
    world->committed = position;
    rky_tracker_map(tracker, world->metadata);
    memcpy(world->known_done, world->done, sizeof(world->done));
}

static void finish_one(struct world *world, struct rky_tracker *tracker)
{
    size_t which = roll(world, (uint32_t)world->pending_count);
    int64_t offset = world->pending[which];
    world->pending[which] = world->pending[--world->pending_count];
    world->executed[offset]++;
    world->done[offset] = true;
    rky_tracker_done(tracker, offset);
}

static void take_one(struct world *world, struct rky_tracker *tracker)
{
    while (world->next < LOG_LENGTH && !world->exists[world->next])
        world->next++;
    if (world->next >= LOG_LENGTH)
        return;
    int64_t offset = world->next++;
    enum rky_seen seen = deliver(tracker, offset);
    ck_assert(seen == RKY_SEEN_NEW || seen == RKY_SEEN_DONE);
    if (seen == RKY_SEEN_DONE) {
        ck_assert_int_gt(world->executed[offset], 0);
    } else {
        /* What the last commit knew to be done does not come again. */
        ck_assert(!world->known_done[offset]);
        world->pending[world->pending_count++] = offset;
    }
}

START_TEST(test_no_order_of_completions_and_crashes_loses_or_forgets_an_offset)
{
    struct world world = {.seed = (uint64_t)_i * 7919 + 1, .committed = -1};
    for (int i = 0; i < LOG_LENGTH; i++)
        world.exists[i] = roll(&world, 10) != 0;
    struct rky_tracker *tracker = tracker_at(-1, NULL);
    for (int steps = 0; steps < 200000; steps++) {
        uint32_t what = roll(&world, 100);
        if (what < 45 && world.pending_count < WINDOW)
            take_one(&world, tracker);
        else if (what < 90 && world.pending_count > 0)
            finish_one(&world, tracker);
        else if (what < 98)
            commit(&world, tracker);
        else if (what == 99 && roll(&world, 4) == 0) {
            /* SIGKILL: what was pending and what was done since the commit is forgotten. */
            rky_tracker_free(tracker);
            tracker = tracker_at(world.committed, world.metadata);
            world.next = world.committed > 0 ? world.committed : 0;
            world.pending_count = 0;
            memcpy(world.done, world.known_done, sizeof(world.done));
        }
        ck_assert_uint_eq(rky_tracker_pending(tracker), world.pending_count);
        if (world.next >= LOG_LENGTH && world.pending_count == 0)
            break;
    }
    commit(&world, tracker);
    int64_t end = LOG_LENGTH;
    while (end > 0 && !world.exists[end - 1])
        end--;
    ck_assert_int_eq(world.committed, end);
    ck_assert_str_eq(world.metadata, "");
    rky_tracker_free(tracker);
}
END_TEST

START_TEST(test_running_out_of_memory_changes_nothing)
{
    struct rky_error err = {0};
    enum rky_seen seen = RKY_SEEN_NEW;
    struct rky_tracker *tracker = tracker_at(0, NULL);
    rky_mem_fail_nth(1);
    ck_assert_int_eq(rky_tracker_deliver(tracker, 0, &seen, &err), RKY_ERR_NOMEM);
    ck_assert(rky_mem_failed());
    rky_mem_fail_nth(0);
    ck_assert_int_eq(rky_tracker_position(tracker), 0);
    ck_assert_int_eq(deliver(tracker, 0), RKY_SEEN_NEW);
    rky_tracker_free(tracker);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("tracker");
    TCase *tests = tcase_create("tracker");
    tcase_add_test(tests, test_nothing_is_committed_before_something_was_delivered);
    tcase_add_test(tests, test_the_position_stops_at_the_first_unfinished_offset);
    tcase_add_test(tests, test_offsets_that_are_never_delivered_count_as_done);
    tcase_add_test(tests, test_a_long_job_at_the_head_costs_two_numbers);
    tcase_add_test(tests, test_a_restart_takes_only_what_was_unfinished);
    tcase_add_test(tests, test_what_a_former_owner_did_stays_in_the_map_until_it_is_delivered);
    tcase_add_test(tests, test_a_second_copy_of_an_offset_is_dropped);
    tcase_add_test(tests, test_an_offset_below_the_position_means_another_log);
    tcase_add_loop_test(tests, test_a_foreign_or_broken_map_is_ignored, 0,
                        (int)(sizeof(bad_maps) / sizeof(bad_maps[0])));
    tcase_add_test(tests, test_a_map_of_another_position_is_ignored);
    tcase_add_test(tests, test_every_changed_byte_of_a_map_is_noticed);
    tcase_add_test(tests, test_a_map_that_does_not_fit_is_cut_and_still_good);
    tcase_add_test(tests, test_a_commit_that_failed_is_due_again);
    tcase_add_loop_test(tests, test_no_order_of_completions_and_crashes_loses_or_forgets_an_offset,
                        0, 40);
    tcase_add_test(tests, test_running_out_of_memory_changes_nothing);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
