/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lanes: order within a namespace, turns between them, waiting without a slot.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "worker/lanes.h"

#define START_US INT64_C(1700000000000000)

struct fixture {
    struct rky_fake_clock clock;
    struct rky_lanes *lanes;
};

static void set_up(struct fixture *fixture)
{
    struct rky_error err = {0};
    rky_fake_clock_init(&fixture->clock, START_US);
    ck_assert_int_eq(rky_lanes_new(&fixture->clock.base, &fixture->lanes, &err), 0);
}

static struct rky_task *task_of(const char *namespace_, int number)
{
    struct rky_task *task = rky_task_new();
    ck_assert_ptr_nonnull(task);
    task->job.namespace_ = rky_strdup(namespace_);
    task->inbound.offset = number;
    return task;
}

static void push(struct fixture *fixture, const char *namespace_, int number)
{
    struct rky_error err = {0};
    ck_assert_int_eq(rky_lanes_push(fixture->lanes, task_of(namespace_, number), &err), 0);
}

/* Takes the next task, NULL when nothing may start. */
static struct rky_task *take(struct fixture *fixture, struct rky_lane **ret_lane)
{
    int64_t wait = 0;
    return rky_lanes_take_now(fixture->lanes, ret_lane, &wait);
}

/* Takes, checks which it is, and ends it. */
static void expect(struct fixture *fixture, const char *namespace_, int number, int64_t cost_ms)
{
    struct rky_lane *lane = NULL;
    struct rky_task *task = take(fixture, &lane);
    ck_assert_ptr_nonnull(task);
    ck_assert_str_eq(task->job.namespace_, namespace_);
    ck_assert_int_eq(task->inbound.offset, number);
    rky_task_free(task);
    rky_lanes_finish(fixture->lanes, lane, cost_ms);
}

static void expect_nothing(struct fixture *fixture, int64_t wait_ms)
{
    struct rky_lane *lane = NULL;
    int64_t wait = 0;
    ck_assert_ptr_null(rky_lanes_take_now(fixture->lanes, &lane, &wait));
    ck_assert_int_eq(wait, wait_ms);
}

START_TEST(test_a_namespace_runs_one_job_at_a_time_in_order)
{
    struct fixture fixture;
    struct rky_lane *lane = NULL;
    set_up(&fixture);
    push(&fixture, "a", 1);
    push(&fixture, "a", 2);
    struct rky_task *first = take(&fixture, &lane);
    ck_assert_int_eq(first->inbound.offset, 1);
    expect_nothing(&fixture, -1);
    rky_task_free(first);
    rky_lanes_finish(fixture.lanes, lane, 1);
    expect(&fixture, "a", 2, 1);
    expect_nothing(&fixture, -1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_namespaces_take_turns_however_much_one_of_them_has)
{
    struct fixture fixture;
    set_up(&fixture);
    for (int i = 0; i < 1000; i++)
        push(&fixture, "flood", i);
    push(&fixture, "b", 0);
    push(&fixture, "c", 0);
    push(&fixture, "b", 1);
    expect(&fixture, "flood", 0, 1);
    expect(&fixture, "b", 0, 1);
    expect(&fixture, "c", 0, 1);
    expect(&fixture, "flood", 1, 1);
    expect(&fixture, "b", 1, 1);
    expect(&fixture, "flood", 2, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_long_jobs_are_paid_for_with_turns)
{
    struct fixture fixture;
    int slow = 0, quick = 0;
    set_up(&fixture);
    for (int i = 0; i < 200; i++) {
        push(&fixture, "slow", i);
        push(&fixture, "quick", i);
    }
    /* One executor: "slow" needs ten turns' time for each job. */
    while (quick < 100) {
        struct rky_lane *lane = NULL;
        struct rky_task *task = take(&fixture, &lane);
        ck_assert_ptr_nonnull(task);
        bool is_slow = strcmp(task->job.namespace_, "slow") == 0;
        slow += is_slow;
        quick += !is_slow;
        rky_task_free(task);
        rky_lanes_finish(fixture.lanes, lane, is_slow ? 10 * RKY_LANE_TURN_MS : 1);
    }
    ck_assert_int_ge(slow, 9);
    ck_assert_int_le(slow, 12);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_lane_in_debt_is_served_at_once_when_it_is_alone)
{
    struct fixture fixture;
    set_up(&fixture);
    push(&fixture, "a", 1);
    push(&fixture, "a", 2);
    expect(&fixture, "a", 1, 3600000);
    expect(&fixture, "a", 2, 3600000);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_debt_is_bounded)
{
    struct fixture fixture;
    set_up(&fixture);
    push(&fixture, "a", 1);
    push(&fixture, "a", 2);
    for (int i = 0; i < 1000; i++)
        push(&fixture, "b", i);
    expect(&fixture, "a", 1, 24 * 3600 * 1000);
    int before = 0;
    for (;; before++) {
        struct rky_lane *lane = NULL;
        struct rky_task *task = take(&fixture, &lane);
        bool is_a = strcmp(task->job.namespace_, "a") == 0;
        rky_task_free(task);
        rky_lanes_finish(fixture.lanes, lane, 1);
        if (is_a)
            break;
    }
    ck_assert_int_le(before, RKY_LANE_DEBT_MAX_MS / RKY_LANE_TURN_MS + 2);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_busy_namespace_keeps_its_place_and_holds_up_nobody)
{
    struct fixture fixture;
    struct rky_lane *lane = NULL;
    set_up(&fixture);
    push(&fixture, "busy", 1);
    push(&fixture, "busy", 2);
    push(&fixture, "other", 1);
    struct rky_task *task = take(&fixture, &lane);
    ck_assert_int_eq(task->inbound.offset, 1);
    rky_lanes_give_back(fixture.lanes, lane, task, 200, 0);
    expect(&fixture, "other", 1, 1);
    expect_nothing(&fixture, 200);
    rky_fake_clock_advance_ms(&fixture.clock, 199);
    expect_nothing(&fixture, 1);
    rky_fake_clock_advance_ms(&fixture.clock, 1);
    expect(&fixture, "busy", 1, 1);
    expect(&fixture, "busy", 2, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_job_waits_for_its_time_and_its_followers_wait_behind_it)
{
    struct fixture fixture;
    struct rky_error err = {0};
    set_up(&fixture);
    struct rky_task *later = task_of("a", 1);
    later->job.not_before_us = START_US + 5000000;
    ck_assert_int_eq(rky_lanes_push(fixture.lanes, later, &err), 0);
    push(&fixture, "a", 2);
    expect_nothing(&fixture, 5000);
    rky_fake_clock_advance_ms(&fixture.clock, 5000);
    expect(&fixture, "a", 1, 1);
    expect(&fixture, "a", 2, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_the_earliest_of_many_blocked_lanes_starts_first)
{
    struct fixture fixture;
    char name[16];
    set_up(&fixture);
    for (int i = 0; i < 50; i++) {
        struct rky_lane *lane = NULL;
        (void)snprintf(name, sizeof(name), "n%d", i);
        push(&fixture, name, i);
        struct rky_task *task = take(&fixture, &lane);
        /* Delays in an order that is no order. */
        rky_lanes_give_back(fixture.lanes, lane, task, 100 + (i * 37) % 50, 0);
    }
    rky_fake_clock_advance_ms(&fixture.clock, 99);
    for (int step = 0; step < 50; step++) {
        struct rky_lane *lane = NULL;
        rky_fake_clock_advance_ms(&fixture.clock, 1);
        struct rky_task *task = take(&fixture, &lane);
        ck_assert_ptr_nonnull(task);
        ck_assert_int_eq((task->inbound.offset * 37) % 50, step);
        rky_task_free(task);
        rky_lanes_finish(fixture.lanes, lane, 1);
        expect_nothing(&fixture, step < 49 ? 1 : -1);
    }
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_task_put_first_again_runs_before_its_followers)
{
    struct fixture fixture;
    struct rky_error err = {0};
    struct rky_lane *lane = NULL;
    set_up(&fixture);
    push(&fixture, "a", 1);
    push(&fixture, "a", 2);
    struct rky_task *first = take(&fixture, &lane);
    rky_lanes_finish(fixture.lanes, lane, 1);
    ck_assert_int_eq(rky_lanes_push_first(fixture.lanes, first, 50, &err), 0);
    expect_nothing(&fixture, 50);
    rky_fake_clock_advance_ms(&fixture.clock, 50);
    expect(&fixture, "a", 1, 1);
    expect(&fixture, "a", 2, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_hold_stops_everything_for_a_while)
{
    struct fixture fixture;
    set_up(&fixture);
    push(&fixture, "a", 1);
    rky_lanes_hold(fixture.lanes, 1000);
    rky_lanes_hold(fixture.lanes, 10); /* cannot shorten it */
    expect_nothing(&fixture, 1000);
    rky_fake_clock_advance_ms(&fixture.clock, 1000);
    expect(&fixture, "a", 1, 1);
    push(&fixture, "a", 2);
    rky_lanes_hold(fixture.lanes, INT64_MAX); /* until it is ended */
    rky_fake_clock_advance_ms(&fixture.clock, 24 * 3600 * 1000);
    expect_nothing(&fixture, INT64_C(364) * 24 * 3600 * 1000);
    rky_lanes_end_hold(fixture.lanes);
    expect(&fixture, "a", 2, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_revoked_partition_takes_its_waiting_tasks_along)
{
    struct fixture fixture;
    struct rky_error err = {0};
    struct rky_lanes_stats stats;
    set_up(&fixture);
    for (int i = 0; i < 6; i++) {
        struct rky_task *task = task_of(i % 2 == 0 ? "a" : "b", i);
        task->inbound.partition = i < 4 ? 0 : 1;
        task->epoch = i < 2 ? 1 : 2;
        ck_assert_int_eq(rky_lanes_push(fixture.lanes, task, &err), 0);
    }
    struct rky_task *dropped = rky_lanes_drop(fixture.lanes, 0, 2);
    ck_assert_int_eq(dropped->inbound.offset + dropped->next->inbound.offset, 2 + 3);
    ck_assert_ptr_null(dropped->next->next);
    rky_tasks_free(dropped);
    rky_lanes_stats(fixture.lanes, &stats);
    ck_assert_uint_eq(stats.queued, 4);
    expect(&fixture, "a", 0, 1);
    expect(&fixture, "b", 1, 1);
    expect(&fixture, "a", 4, 1);
    push(&fixture, "b", 9); /* the lane's end is still right */
    expect(&fixture, "b", 5, 1);
    expect(&fixture, "b", 9, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_a_task_given_back_after_its_partition_left_is_forgotten)
{
    struct fixture fixture;
    struct rky_lane *lane = NULL;
    struct rky_lanes_stats stats;
    set_up(&fixture);
    push(&fixture, "a", 1);
    struct rky_task *task = take(&fixture, &lane);
    ck_assert_ptr_null(rky_lanes_drop(fixture.lanes, 0, 0));
    push(&fixture, "a", 2);
    rky_lanes_give_back(fixture.lanes, lane, task, 0, 0);
    expect(&fixture, "a", 2, 1);
    rky_lanes_stats(fixture.lanes, &stats);
    ck_assert_uint_eq(stats.queued + stats.running, 0);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_thousands_of_namespaces_come_and_go)
{
    struct fixture fixture;
    char name[16];
    struct rky_lanes_stats stats;
    set_up(&fixture);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        push(&fixture, name, i);
    }
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        expect(&fixture, name, i, 1);
    }
    rky_lanes_stats(fixture.lanes, &stats);
    ck_assert_uint_eq(stats.queued + stats.running + stats.ready + stats.blocked, 0);
    rky_lanes_free(fixture.lanes);
}
END_TEST

START_TEST(test_running_out_of_memory_leaves_the_task_with_the_caller)
{
    struct fixture fixture;
    set_up(&fixture);
    struct rky_task *task = task_of("a", 1);
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_lanes_push(fixture.lanes, task, &err);
        rky_mem_fail_nth(0);
        if (rc == 0)
            break;
        ck_assert_int_eq(rc, RKY_ERR_NOMEM);
        expect_nothing(&fixture, -1);
        ck_assert_uint_lt(nth, 10);
    }
    expect(&fixture, "a", 1, 1);
    rky_lanes_free(fixture.lanes);
}
END_TEST

/* --- with threads
 * ---------------------------------------------------------------------------------- */

enum { THREADS = 4, NAMESPACES = 7, JOBS = 2100 };

struct crowd {
    struct rky_lanes *lanes;
    _Atomic int running[NAMESPACES];
    int64_t last[NAMESPACES]; /* each used by one thread at a time, that is the point */
    _Atomic int done;
    _Atomic int overlaps, disorder;
};

static void *crowd_member(void *context)
{
    struct crowd *crowd = context;
    struct rky_lane *lane = NULL;
    struct rky_task *task = NULL;
    while ((task = rky_lanes_take(crowd->lanes, &lane)) != NULL) {
        int which = task->job.namespace_[1] - '0';
        crowd->overlaps += crowd->running[which]++ != 0;
        crowd->disorder += task->inbound.offset <= crowd->last[which];
        crowd->last[which] = task->inbound.offset;
        crowd->running[which]--;
        if (task->inbound.offset % 13 == 0 && task->fenced_count++ == 0) {
            crowd->last[which]--;
            rky_lanes_give_back(crowd->lanes, lane, task, 1, 0);
            continue;
        }
        rky_task_free(task);
        rky_lanes_finish(crowd->lanes, lane, 1);
        if (++crowd->done == JOBS)
            rky_lanes_close(crowd->lanes);
    }
    return NULL;
}

START_TEST(test_threads_never_overlap_in_a_namespace_and_lose_nothing)
{
    struct crowd crowd = {0};
    struct rky_error err = {0};
    pthread_t threads[THREADS];
    ck_assert_int_eq(rky_lanes_new(rky_clock_real(), &crowd.lanes, &err), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
    for (int i = 0; i < JOBS; i++) {
        char name[3] = {'n', (char)('0' + i % NAMESPACES), '\0'};
        ck_assert_int_eq(rky_lanes_push(crowd.lanes, task_of(name, i + 1), &err), 0);
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_int_eq(crowd.done, JOBS);
    ck_assert_int_eq(crowd.overlaps, 0);
    ck_assert_int_eq(crowd.disorder, 0);
    rky_lanes_free(crowd.lanes);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("lanes");
    TCase *tests = tcase_create("lanes");
    tcase_add_test(tests, test_a_namespace_runs_one_job_at_a_time_in_order);
    tcase_add_test(tests, test_namespaces_take_turns_however_much_one_of_them_has);
    tcase_add_test(tests, test_long_jobs_are_paid_for_with_turns);
    tcase_add_test(tests, test_a_lane_in_debt_is_served_at_once_when_it_is_alone);
    tcase_add_test(tests, test_debt_is_bounded);
    tcase_add_test(tests, test_a_busy_namespace_keeps_its_place_and_holds_up_nobody);
    tcase_add_test(tests, test_a_job_waits_for_its_time_and_its_followers_wait_behind_it);
    tcase_add_test(tests, test_the_earliest_of_many_blocked_lanes_starts_first);
    tcase_add_test(tests, test_a_task_put_first_again_runs_before_its_followers);
    tcase_add_test(tests, test_a_hold_stops_everything_for_a_while);
    tcase_add_test(tests, test_a_revoked_partition_takes_its_waiting_tasks_along);
    tcase_add_test(tests, test_a_task_given_back_after_its_partition_left_is_forgotten);
    tcase_add_test(tests, test_thousands_of_namespaces_come_and_go);
    tcase_add_test(tests, test_running_out_of_memory_leaves_the_task_with_the_caller);
    tcase_add_test(tests, test_threads_never_overlap_in_a_namespace_and_lose_nothing);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
