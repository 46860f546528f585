/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that are no job, and jobs that can never be one of this worker's: they go to the dead
 * letters whole, with a result where somebody waits for one, and hold nothing up.
 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "schemas/shape.h"
#include "tests/unit/worker_kit.h"

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

    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 1);
    const struct rky_message *letter = &seen.messages[0].inbound.message;
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-reason"), spoiler->reason);
    ck_assert_str_ne(kit_header(&seen.messages[0], "dlq-message"), "");
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-topic"), "rocky.jobs");
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-partition"), "0");
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-offset"), "0");
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-worker"), "drain");
    ck_assert_uint_eq(letter->value_length, original.value_length);
    ck_assert(original.value_length == 0 ||
              memcmp(letter->value, original.value, original.value_length) == 0);
    for (size_t i = 0; i < original.header_count; i++)
        ck_assert_str_eq(kit_header(&seen.messages[0], original.headers[i].name),
                         original.headers[i].value);
    rky_message_done(&original);
}
END_TEST

static void check_dead_letter_result(const char *job_id, const char *namespace_)
{
    struct rky_error err = {0};
    kit_look("rocky.results");
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_str_eq(kit_header(&seen.messages[0], "ce_type"), "rocky.job.result");
    ck_assert_str_eq(kit_header(&seen.messages[0], "x-job-id"), job_id);
    ck_assert_str_eq(kit_header(&seen.messages[0], "x-outcome"), "dead_lettered");
    ck_assert_str_eq(seen.messages[0].inbound.message.key, namespace_);
    ck_assert_msg(rky_shape_check(rky_shape_find("job.result"), seen.messages[0].body, &err) == 0,
                  "%s", err.message);
}

START_TEST(test_an_unknown_pipeline_is_a_dead_letter_with_a_result)
{
    struct rky_message message = kit_job_message("acme", "silver");
    char job_id[RKY_UUID_TEXT];
    memcpy(job_id, rky_message_header(&message, "x-job-id")->value, sizeof(job_id));
    kit_send(&message);
    kit_drain(1);
    check_dead_letter_result(job_id, "acme");
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-reason"), "unknown_pipeline");
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
    kit_look("rocky.dlq");
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-reason"), "wrong_namespace");
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
    kit_look("rocky.results");
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_str_eq(kit_header(&seen.messages[0], "ce_id"),
                     kit_header(&seen.messages[1], "ce_id"));
    ck_assert(json_equal(seen.messages[0].body, seen.messages[1].body));
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

START_TEST(test_a_reused_job_id_is_a_dead_letter_without_a_second_result)
{
    const enum kit_act acts[] = {KIT_REUSED};
    kit_script("acme", acts, 1);
    kit_enqueue("acme", NULL);
    kit_drain(1);
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_str_eq(kit_header(&seen.messages[0], "dlq-reason"), "job_id_reused");
    kit_look("rocky.results");
    ck_assert_uint_eq(seen.count, 0);
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
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 1);
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
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 1);
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
    kit_look("rocky.dlq");
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_uint_eq(seen.messages[0].inbound.message.value_length, 256 * 1024);
    ck_assert_str_ne(kit_header(&seen.messages[0], "dlq-truncated"), "");
    ck_assert_int_eq(kit_lag(), 0);
}
END_TEST

void dispatcher_add_dead_letters(TCase *tcase)
{
    tcase_add_loop_test(tcase, test_what_is_no_job_is_dead_lettered_whole_and_the_next_job_runs, 0,
                        (int)(sizeof(spoilers) / sizeof(spoilers[0])));
    tcase_add_test(tcase, test_an_unknown_pipeline_is_a_dead_letter_with_a_result);
    tcase_add_test(tcase, test_a_namespace_that_the_pipeline_does_not_serve_is_a_dead_letter);
    tcase_add_test(tcase, test_the_result_of_a_dead_letter_is_the_same_each_time);
    tcase_add_test(tcase, test_a_reused_job_id_is_a_dead_letter_without_a_second_result);
    tcase_add_test(tcase, test_while_dead_letters_fail_their_partition_waits_and_nothing_is_lost);
    tcase_add_test(tcase, test_a_worker_that_ends_while_a_dead_letter_fails_leaves_it_to_the_next);
    tcase_add_test(tcase, test_a_dead_letter_too_large_for_its_topic_is_cut);
}
