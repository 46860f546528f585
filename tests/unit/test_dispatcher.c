/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher against an in-memory broker: order and fairness, results and offsets, and jobs
 * that are given back. Dead letters are in dispatcher_dead_letters.c.
 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "schemas/shape.h"
#include "tests/kit/check_main.h"
#include "tests/unit/worker_kit.h"

static void set_up(void)
{
    kit_open(3);
}

static void set_up_one_partition(void)
{
    kit_open(1);
}

static void tear_down(void)
{
    kit_messages_done(seen.messages, seen.count);
    seen.count = 0;
    kit_close();
}

/* Events of one type on the results topic, each of which has its published shape. */
static size_t events_of(const char *type)
{
    char ce_type[64], shape_name[64];
    size_t found = 0;
    kit_look("rocky.results");
    (void)snprintf(ce_type, sizeof(ce_type), "rocky.%s", type);
    (void)snprintf(shape_name, sizeof(shape_name), "event.%s", type);
    for (size_t i = 0; i < seen.count; i++) {
        struct rky_error err = {0};
        if (strcmp(kit_header(&seen.messages[i], "ce_type"), ce_type) != 0)
            continue;
        const struct rky_shape *shape = rky_shape_find(shape_name);
        ck_assert_ptr_nonnull(shape);
        ck_assert_msg(rky_shape_check(shape, seen.messages[i].body, &err) == 0, "%s", err.message);
        ck_assert_str_eq(kit_header(&seen.messages[i], "ce_specversion"), "1.0");
        found++;
    }
    return found;
}

static const struct kit_message *event_with(const char *type, const char *field, const char *text)
{
    char ce_type[64];
    (void)snprintf(ce_type, sizeof(ce_type), "rocky.%s", type);
    for (size_t i = 0; i < seen.count; i++) {
        const char *found = json_string_value(json_object_get(seen.messages[i].body, field));
        if (strcmp(kit_header(&seen.messages[i], "ce_type"), ce_type) == 0 && found != NULL &&
            strcmp(found, text) == 0)
            return &seen.messages[i];
    }
    ck_abort_msg("no event '%s' with %s = '%s'", type, field, text);
    return NULL;
}

/* --- order and fairness
 * ----------------------------------------------------------------------------- */

START_TEST(test_every_job_is_run_once_and_committed)
{
    for (int i = 0; i < 60; i++) {
        char name[8] = {'n', (char)('0' + i % 7), '\0'};
        kit_enqueue(name, NULL);
    }
    ck_assert_int_eq(kit_lag(), 60);
    kit_drain(4);
    static struct kit_execution executions[64];
    ck_assert_uint_eq(kit_executions(executions, 64), 60);
    ck_assert_int_eq(kit_most_at_once(true), 1);
    ck_assert_int_eq(kit_lag(), 0);
    kit_look("rocky.results");
    ck_assert_uint_eq(seen.count, 60);
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

START_TEST(test_jobs_of_a_namespace_keep_their_order)
{
    static struct kit_execution executions[128];
    int64_t last[5] = {0};
    for (int i = 0; i < 100; i++) {
        char name[3] = {'n', (char)('0' + i % 5), '\0'};
        kit_enqueue(name, NULL);
    }
    kit_drain(4);
    size_t count = kit_executions(executions, 128);
    ck_assert_uint_eq(count, 100);
    for (size_t i = 0; i < count; i++) {
        int which = executions[i].namespace_[1] - '0';
        ck_assert_int_gt(executions[i].order, last[which]);
        last[which] = executions[i].order;
    }
}
END_TEST

START_TEST(test_a_slow_job_holds_up_no_other_namespace_of_its_partition)
{
    kit_block("slow");
    kit_enqueue("slow", NULL);
    for (int i = 0; i < 30; i++)
        kit_enqueue("quick", NULL);
    struct rky_worker *worker = kit_start("w", 2, false, 0);
    kit_await_ended("quick", 30);
    kit_release("slow");
    kit_await_ended("slow", 1);
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_what_is_done_behind_a_slow_job_is_not_run_again_after_a_restart)
{
    static struct kit_execution executions[64];
    kit_block("slow");
    kit_enqueue("slow", NULL);
    for (int i = 0; i < 30; i++)
        kit_enqueue("quick", NULL);
    kit_enqueue("slow", NULL);
    struct rky_worker *worker = kit_start("w", 2, false, 0);
    kit_await_ended("quick", 30);
    /* Asked to stop while the slow job runs: it ends well, its follower is not started. */
    rky_worker_stop(worker);
    kit_release("slow");
    kit_join(worker);
    ck_assert_uint_eq(kit_executions(executions, 64), 31);
    ck_assert_int_eq(kit_lag(), 1);

    kit_drain(2);
    ck_assert_uint_eq(kit_executions(executions, 64), 32);
    ck_assert_str_eq(executions[31].namespace_, "slow");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_two_workers_share_the_work_and_never_overlap_in_a_namespace)
{
    static struct kit_execution executions[512];
    char name[8];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "ns%d", i % 20);
        kit_enqueue(name, NULL);
    }
    struct rky_worker *first = kit_start("w1", 2, true, 0);
    struct rky_worker *second = kit_start("w2", 2, true, 0);
    kit_join(first);
    kit_join(second);
    /* A job that ran while its partition moved may be delivered again, never be lost. */
    ck_assert_uint_ge(kit_executions(executions, 512), 200);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_memory_is_bounded_whatever_waits)
{
    kit_block("n");
    for (int i = 0; i < 300; i++)
        kit_enqueue("n", NULL);
    struct rky_worker *worker = kit_start("w", 2, false, 40);
    kit_await_executions(1);
    /* The first job has waited until intake has come to rest. */
    size_t before = 0;
    for (int calm = 0; calm < 50; calm++) {
        const struct timespec pause = {0, 5000000};
        (void)nanosleep(&pause, NULL);
        if (kit_polled() != before)
            calm = 0;
        before = kit_polled();
    }
    ck_assert_uint_ge(before, 40);
    ck_assert_uint_le(before, 60);
    kit_release("n");
    kit_await_ended("n", 300);
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

/* --- results and offsets
 * ------------------------------------------------------------------------------ */

START_TEST(test_an_offset_waits_for_its_result)
{
    static struct kit_execution executions[8];
    kit_enqueue("acme", NULL);
    kit_fail_publishes("rocky.results", 2, RKY_ERR_UNAVAILABLE);
    kit_drain(1);
    /* Taken again, as often as its result failed: the ledger answers then. */
    ck_assert_uint_eq(kit_executions(executions, 8), 3);
    kit_look("rocky.results");
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_worker_that_ends_without_delivering_a_result_does_not_commit)
{
    kit_enqueue("acme", NULL);
    kit_fail_publishes("rocky.results", 1000, RKY_ERR_UNAVAILABLE);
    struct rky_worker *worker = kit_start("w", 1, false, 0);
    kit_await_ended("acme", 1);
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_int_eq(kit_lag(), 1);
}
END_TEST

START_TEST(test_a_commit_that_a_rebalance_dropped_is_made_again_without_a_further_job)
{
    struct rky_worker *worker = kit_start("w", 1, false, 0);
    kit_block("acme");
    kit_enqueue("acme", NULL);
    kit_await_executions(1);
    kit_await_commits(1); /* what the delivery changed */
    kit_drop_commits(1);
    kit_release("acme");
    kit_await_commits(2);
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

/* --- given back
 * ---------------------------------------------------------------------------------------- */

START_TEST(test_a_locked_namespace_is_tried_again_in_order_and_told_of_once)
{
    static struct kit_execution executions[16];
    const enum kit_act acts[] = {KIT_LOCKED, KIT_LOCKED, KIT_LOCKED, KIT_DONE};
    kit_script("busy", acts, 4);
    kit_enqueue("busy", NULL);
    kit_enqueue("busy", NULL);
    kit_enqueue("other", NULL);
    kit_drain(1);
    size_t count = kit_executions(executions, 16);
    ck_assert_uint_eq(count, 6);
    int64_t last = 0;
    bool other_first = false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(executions[i].namespace_, "other") == 0) {
            other_first = i < count - 2;
            continue;
        }
        ck_assert_int_ge(executions[i].order, last);
        last = executions[i].order;
    }
    ck_assert(other_first);
    ck_assert_uint_eq(events_of("job.requeued"), 1);
    ck_assert_str_eq(kit_header(event_with("job.requeued", "reason", "locked"), "x-outcome"),
                     "locked");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_fenced_job_goes_back_and_raises_an_alarm_the_third_time)
{
    const enum kit_act acts[] = {KIT_FENCED, KIT_FENCED, KIT_FENCED, KIT_DONE};
    kit_script("acme", acts, 4);
    kit_enqueue("acme", NULL);
    kit_drain(1);
    ck_assert_uint_eq(events_of("job.fenced"), 3);
    ck_assert_uint_eq(events_of("worker.alarm"), 1);
    const struct kit_message *alarm = event_with("worker.alarm", "code", "job-fenced-repeatedly");
    ck_assert_str_eq(json_string_value(json_object_get(alarm->body, "message")),
                     "token 7 is not ours: found 9");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_trouble_of_the_worker_stops_all_namespaces_and_burns_no_attempt)
{
    static struct kit_execution executions[16];
    const enum kit_act acts[] = {KIT_DISK_FULL, KIT_DONE};
    kit_script("acme", acts, 2);
    kit_enqueue("acme", NULL);
    kit_drain(1);
    size_t count = kit_executions(executions, 16);
    ck_assert_uint_eq(count, 2);
    ck_assert(!executions[1].last_attempt);
    ck_assert_uint_eq(events_of("worker.alarm"), 1);
    (void)event_with("worker.alarm", "code", "worker-paused");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_files_that_cannot_be_used_stop_the_worker_when_they_are_several_in_a_row)
{
    const enum kit_act acts[] = {KIT_IO, KIT_DONE};
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        kit_script(names[i], acts, 2);
        kit_enqueue(names[i], NULL);
    }
    kit_drain(1);
    ck_assert_uint_eq(events_of("worker.alarm"), 3);
    (void)event_with("worker.alarm", "code", "namespace-paused");
    (void)event_with("worker.alarm", "code", "worker-paused");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_bad_state_file_stops_only_its_own_namespace)
{
    const enum kit_act acts[] = {KIT_STATE_FILE};
    kit_script("broken", acts, 1);
    kit_enqueue("broken", NULL);
    kit_enqueue("good", NULL);
    struct rky_worker *worker = kit_start("w", 1, false, 0);
    kit_await_ended("good", 1);
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_uint_eq(events_of("worker.alarm"), 1);
    (void)event_with("worker.alarm", "code", "namespace-paused");
    /* The position stays before the broken one; that the other is done stands in the map. */
    ck_assert_int_eq(kit_lag(), 2);
    const enum kit_act mended[] = {KIT_DONE};
    kit_script("broken", mended, 1);
    kit_drain(1);
    static struct kit_execution executions[16];
    size_t count = kit_executions(executions, 16);
    for (size_t i = 0, good = 0; i < count; i++) {
        good += strcmp(executions[i].namespace_, "good") == 0;
        ck_assert_uint_le(good, 1);
    }
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_shortage_of_memory_delays_jobs_and_loses_none)
{
    static struct kit_execution executions[256];
    struct rky_worker *worker = kit_start("w", 1, false, 0);
    for (uint64_t nth = 1; nth <= 12; nth++) {
        kit_fail_memory_after_poll(nth);
        kit_enqueue("acme", NULL);
        kit_await_ended("acme", nth);
        rky_mem_fail_nth(0);
    }
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_uint_ge(kit_executions(executions, 256), 12);
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 0);
    /* What failed to be committed in the shortage is committed at the end. */
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("dispatcher");
    TCase *three = tcase_create("three partitions");
    tcase_add_checked_fixture(three, set_up, tear_down);
    tcase_add_test(three, test_every_job_is_run_once_and_committed);
    tcase_add_test(three, test_jobs_of_a_namespace_keep_their_order);
    tcase_add_test(three, test_two_workers_share_the_work_and_never_overlap_in_a_namespace);
    tcase_set_timeout(three, 60);
    suite_add_tcase(suite, three);

    TCase *one = tcase_create("one partition");
    tcase_add_checked_fixture(one, set_up_one_partition, tear_down);
    tcase_add_test(one, test_a_slow_job_holds_up_no_other_namespace_of_its_partition);
    tcase_add_test(one, test_what_is_done_behind_a_slow_job_is_not_run_again_after_a_restart);
    tcase_add_test(one, test_memory_is_bounded_whatever_waits);
    dispatcher_add_dead_letters(one);
    tcase_add_test(one, test_an_offset_waits_for_its_result);
    tcase_add_test(one, test_a_worker_that_ends_without_delivering_a_result_does_not_commit);
    tcase_add_test(one, test_a_commit_that_a_rebalance_dropped_is_made_again_without_a_further_job);
    tcase_add_test(one, test_a_locked_namespace_is_tried_again_in_order_and_told_of_once);
    tcase_add_test(one, test_a_fenced_job_goes_back_and_raises_an_alarm_the_third_time);
    tcase_add_test(one, test_trouble_of_the_worker_stops_all_namespaces_and_burns_no_attempt);
    tcase_add_test(one,
                   test_files_that_cannot_be_used_stop_the_worker_when_they_are_several_in_a_row);
    tcase_add_test(one, test_a_bad_state_file_stops_only_its_own_namespace);
    tcase_add_test(one, test_a_shortage_of_memory_delays_jobs_and_loses_none);
    tcase_set_timeout(one, 60);
    suite_add_tcase(suite, one);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
