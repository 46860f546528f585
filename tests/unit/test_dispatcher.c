/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's core on an in-memory broker: what is taken, in which order, what becomes of it, and
 * what is committed when.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "schemas/shape.h"
#include "tests/kit/check_main.h"
#include "tests/unit/worker_kit.h"

#define MESSAGES_MAX 64

static struct kit_message messages[MESSAGES_MAX];
static size_t message_count;

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
    kit_messages_done(messages, message_count);
    message_count = 0;
    kit_close();
}

static void read_topic(const char *topic)
{
    kit_messages_done(messages, message_count);
    message_count = kit_read(topic, messages, MESSAGES_MAX);
}

/* Events of one type on the results topic, each of which has its published shape. */
static size_t events_of(const char *type)
{
    char ce_type[64], shape_name[64];
    size_t found = 0;
    read_topic("rocky.results");
    (void)snprintf(ce_type, sizeof(ce_type), "rocky.%s", type);
    (void)snprintf(shape_name, sizeof(shape_name), "event.%s", type);
    for (size_t i = 0; i < message_count; i++) {
        struct rky_error err = {0};
        if (strcmp(kit_header(&messages[i], "ce_type"), ce_type) != 0)
            continue;
        const struct rky_shape *shape = rky_shape_find(shape_name);
        ck_assert_ptr_nonnull(shape);
        ck_assert_msg(rky_shape_check(shape, messages[i].body, &err) == 0, "%s", err.message);
        ck_assert_str_eq(kit_header(&messages[i], "ce_specversion"), "1.0");
        found++;
    }
    return found;
}

static const struct kit_message *event_with(const char *type, const char *field, const char *text)
{
    char ce_type[64];
    (void)snprintf(ce_type, sizeof(ce_type), "rocky.%s", type);
    for (size_t i = 0; i < message_count; i++) {
        const char *found = json_string_value(json_object_get(messages[i].body, field));
        if (strcmp(kit_header(&messages[i], "ce_type"), ce_type) == 0 && found != NULL &&
            strcmp(found, text) == 0)
            return &messages[i];
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
    read_topic("rocky.results");
    ck_assert_uint_eq(message_count, 60);
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 0);
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

/* --- dead letters
 * ------------------------------------------------------------------------------------ */

struct spoiler {
    const char *reason;
    void (*spoil)(struct rky_message *message);
    bool has_result; /* its job id and namespace can be read */
};

static void replace_body(struct rky_message *message, const char *body, size_t length)
{
    char *copy = rky_malloc(length + 1);
    memcpy(copy, body, length);
    copy[length] = '\0';
    rky_free(message->value);
    message->value = copy;
    message->value_length = length;
}

static void no_json(struct rky_message *message)
{
    replace_body(message, "{not json", 9);
}

static void empty_body(struct rky_message *message)
{
    rky_free(message->value);
    message->value = NULL;
    message->value_length = 0;
}

static void nul_byte(struct rky_message *message)
{
    replace_body(message, "{\"v\":1\0}", 8);
}

static void bad_utf8(struct rky_message *message)
{
    replace_body(message, "{\"v\":\"\xff\xfe\"}", 10);
}

static void too_deep(struct rky_message *message)
{
    char text[201];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    replace_body(message, text, 200);
}

static void wrong_content_type(struct rky_message *message)
{
    kit_set_header(message, "content-type", "text/plain");
}

static void no_ce_id(struct rky_message *message)
{
    kit_set_header(message, "ce_id", NULL);
}

static void strange_type(struct rky_message *message)
{
    kit_set_header(message, "ce_type", "rocky.job.dance");
}

static void wrong_key(struct rky_message *message)
{
    message->key[0] = 'z';
}

static const struct spoiler spoilers[] = {
    {"malformed_json", no_json, false},  {"empty_body", empty_body, false},
    {"nul_byte", nul_byte, false},       {"invalid_utf8", bad_utf8, false},
    {"too_deep", too_deep, false},       {"wrong_content_type", wrong_content_type, false},
    {"missing_header", no_ce_id, false}, {"unknown_type", strange_type, false},
    {"key_mismatch", wrong_key, false},
};

START_TEST(test_what_is_no_job_is_dead_lettered_whole_and_the_next_job_runs)
{
    static struct kit_execution executions[4];
    const struct spoiler *spoiler = &spoilers[_i];
    struct rky_message message = kit_job_message("bad", "bronze"), original = {0};
    spoiler->spoil(&message);
    ck_assert_int_eq(rky_message_copy(&message, &original, NULL), 0);
    kit_send(&message);
    kit_enqueue("good", NULL);
    kit_drain(1);
    ck_assert_uint_eq(kit_executions(executions, 4), 1);
    ck_assert_str_eq(executions[0].namespace_, "good");
    ck_assert_int_eq(kit_lag(), 0);

    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 1);
    const struct rky_message *letter = &messages[0].inbound.message;
    ck_assert_str_eq(kit_header(&messages[0], "dlq-reason"), spoiler->reason);
    ck_assert_str_ne(kit_header(&messages[0], "dlq-message"), "");
    ck_assert_str_eq(kit_header(&messages[0], "dlq-topic"), "rocky.jobs");
    ck_assert_str_eq(kit_header(&messages[0], "dlq-partition"), "0");
    ck_assert_str_eq(kit_header(&messages[0], "dlq-offset"), "0");
    ck_assert_str_eq(kit_header(&messages[0], "dlq-worker"), "drain");
    ck_assert_uint_eq(letter->value_length, original.value_length);
    ck_assert(original.value_length == 0 ||
              memcmp(letter->value, original.value, original.value_length) == 0);
    for (size_t i = 0; i < original.header_count; i++)
        ck_assert_str_eq(kit_header(&messages[0], original.headers[i].name),
                         original.headers[i].value);
    rky_message_done(&original);
}
END_TEST

static void check_dead_letter_result(const char *job_id, const char *namespace_)
{
    struct rky_error err = {0};
    read_topic("rocky.results");
    ck_assert_uint_eq(message_count, 1);
    ck_assert_str_eq(kit_header(&messages[0], "ce_type"), "rocky.job.result");
    ck_assert_str_eq(kit_header(&messages[0], "x-job-id"), job_id);
    ck_assert_str_eq(kit_header(&messages[0], "x-outcome"), "dead_lettered");
    ck_assert_str_eq(messages[0].inbound.message.key, namespace_);
    ck_assert_msg(rky_shape_check(rky_shape_find("job.result"), messages[0].body, &err) == 0, "%s",
                  err.message);
}

START_TEST(test_an_unknown_pipeline_is_a_dead_letter_with_a_result)
{
    struct rky_message message = kit_job_message("acme", "silver");
    char job_id[RKY_UUID_TEXT];
    memcpy(job_id, rky_message_header(&message, "x-job-id")->value, sizeof(job_id));
    kit_send(&message);
    kit_drain(1);
    check_dead_letter_result(job_id, "acme");
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 1);
    ck_assert_str_eq(kit_header(&messages[0], "dlq-reason"), "unknown_pipeline");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_namespace_that_the_pipeline_does_not_serve_is_a_dead_letter)
{
    struct rky_message message = kit_job_message("other", "single");
    char job_id[RKY_UUID_TEXT];
    memcpy(job_id, rky_message_header(&message, "x-job-id")->value, sizeof(job_id));
    kit_send(&message);
    kit_drain(1);
    check_dead_letter_result(job_id, "other");
    read_topic("rocky.dlq");
    ck_assert_str_eq(kit_header(&messages[0], "dlq-reason"), "wrong_namespace");
}
END_TEST

START_TEST(test_the_result_of_a_dead_letter_is_the_same_each_time)
{
    struct rky_message message = kit_job_message("acme", "silver"), again = {0};
    ck_assert_int_eq(rky_message_copy(&message, &again, NULL), 0);
    kit_send(&message);
    /* The dead letter arrives, its result does not: both are sent once more. */
    kit_fail_publishes("rocky.results", 1, RKY_ERR_UNAVAILABLE);
    kit_drain(1);
    kit_send(&again);
    kit_drain(1);
    read_topic("rocky.results");
    ck_assert_uint_eq(message_count, 2);
    ck_assert_str_eq(kit_header(&messages[0], "ce_id"), kit_header(&messages[1], "ce_id"));
    ck_assert(json_equal(messages[0].body, messages[1].body));
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_reused_job_id_is_a_dead_letter_without_a_second_result)
{
    const enum kit_act acts[] = {KIT_REUSED};
    kit_script("acme", acts, 1);
    kit_enqueue("acme", NULL);
    kit_drain(1);
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 1);
    ck_assert_str_eq(kit_header(&messages[0], "dlq-reason"), "job_id_reused");
    read_topic("rocky.results");
    ck_assert_uint_eq(message_count, 0);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_while_dead_letters_fail_their_partition_waits_and_nothing_is_lost)
{
    static struct kit_execution executions[8];
    struct rky_message message = kit_job_message("bad", "bronze");
    no_json(&message);
    kit_send(&message);
    kit_fail_publishes("rocky.dlq", 2, RKY_ERR_UNAVAILABLE);
    kit_enqueue("good", NULL);
    kit_drain(1);
    ck_assert_int_eq(kit_failed_publishes(), 2);
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 1);
    ck_assert_uint_eq(kit_executions(executions, 8), 1);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_worker_that_ends_while_a_dead_letter_fails_leaves_it_to_the_next)
{
    struct rky_message message = kit_job_message("bad", "bronze");
    no_json(&message);
    kit_send(&message);
    kit_fail_publishes("rocky.dlq", 1000, RKY_ERR_UNAVAILABLE);
    struct rky_worker *worker = kit_start("w", 1, false, 0);
    while (kit_failed_publishes() == 0) {
        const struct timespec pause = {0, 2000000};
        (void)nanosleep(&pause, NULL);
    }
    rky_worker_stop(worker);
    kit_join(worker);
    ck_assert_int_eq(kit_lag(), 1);
    kit_fail_publishes("rocky.dlq", 0, 0);
    kit_drain(1);
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 1);
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_dead_letter_too_large_for_its_topic_is_cut)
{
    size_t size = 600 * 1024;
    char *body = rky_malloc(size);
    memset(body, 'x', size);
    struct rky_message message = kit_job_message("bad", "bronze");
    replace_body(&message, body, size);
    rky_free(body);
    kit_send(&message);
    kit_fail_publishes("rocky.dlq", 1, RKY_ERR_DECODE);
    kit_drain(1);
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 1);
    ck_assert_uint_eq(messages[0].inbound.message.value_length, 256 * 1024);
    ck_assert_str_ne(kit_header(&messages[0], "dlq-truncated"), "");
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
    read_topic("rocky.results");
    ck_assert_uint_eq(message_count, 1);
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
    read_topic("rocky.dlq");
    ck_assert_uint_eq(message_count, 0);
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
    tcase_add_loop_test(one, test_what_is_no_job_is_dead_lettered_whole_and_the_next_job_runs, 0,
                        (int)(sizeof(spoilers) / sizeof(spoilers[0])));
    tcase_add_test(one, test_an_unknown_pipeline_is_a_dead_letter_with_a_result);
    tcase_add_test(one, test_a_namespace_that_the_pipeline_does_not_serve_is_a_dead_letter);
    tcase_add_test(one, test_the_result_of_a_dead_letter_is_the_same_each_time);
    tcase_add_test(one, test_a_reused_job_id_is_a_dead_letter_without_a_second_result);
    tcase_add_test(one, test_while_dead_letters_fail_their_partition_waits_and_nothing_is_lost);
    tcase_add_test(one, test_a_worker_that_ends_while_a_dead_letter_fails_leaves_it_to_the_next);
    tcase_add_test(one, test_a_dead_letter_too_large_for_its_topic_is_cut);
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
