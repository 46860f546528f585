/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/event.h"
#include "tests/kit/check_main.h"
#include "tests/kit/job_sample.h"

#define TEN_OCLOCK INT64_C(1795255200000000)
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const struct rky_event result_event = {
    .type = "job.result",
    .id_name = SAMPLE_JOB_ID,
    .namespace_ = "bronze",
    .worker_id = "host-4711",
    .job_id = SAMPLE_JOB_ID,
    .outcome = "partial",
    .traceparent = TRACE,
    .time_us = TEN_OCLOCK,
    .body = "{\"v\":1}",
};

static const char *header(const struct rky_message *message, const char *name)
{
    const struct rky_header *found = rky_message_header(message, name);
    return found != NULL ? found->value : NULL;
}

START_TEST(a_result_is_an_event_of_cloudevents_in_binary_mode)
{
    struct rky_message message = {0};
    char id[RKY_UUID_TEXT];
    rky_uuid_v5(SAMPLE_JOB_ID, id);

    ck_assert_int_eq(rky_event_encode(&result_event, &message, NULL), 0);

    ck_assert_str_eq(message.key, "bronze");
    ck_assert_str_eq(message.value, "{\"v\":1}");
    ck_assert_pstr_eq(header(&message, "ce_specversion"), "1.0");
    ck_assert_pstr_eq(header(&message, "ce_id"), id);
    ck_assert_pstr_eq(header(&message, "ce_type"), "rocky.job.result");
    ck_assert_pstr_eq(header(&message, "ce_source"), "/rocky-worker/host-4711");
    ck_assert_pstr_eq(header(&message, "ce_time"), "2026-11-21T10:00:00.000Z");
    ck_assert_pstr_eq(header(&message, "content-type"), "application/json");
    ck_assert_pstr_eq(header(&message, "x-job-id"), SAMPLE_JOB_ID);
    ck_assert_pstr_eq(header(&message, "x-outcome"), "partial");
    ck_assert_pstr_eq(header(&message, "traceparent"), TRACE);
    rky_message_done(&message);
}
END_TEST

START_TEST(the_same_event_published_again_has_the_same_id)
{
    struct rky_event event = result_event;
    struct rky_message first = {0};
    struct rky_message again = {0};
    struct rky_message other = {0};
    ck_assert_int_eq(rky_event_encode(&event, &first, NULL), 0);
    event.worker_id = "another-worker";
    ck_assert_int_eq(rky_event_encode(&event, &again, NULL), 0);
    event.id_name = SAMPLE_JOB_ID "|orders|row_count";
    ck_assert_int_eq(rky_event_encode(&event, &other, NULL), 0);
    ck_assert_str_eq(header(&first, "ce_id"), header(&again, "ce_id"));
    ck_assert_str_ne(header(&first, "ce_id"), header(&other, "ce_id"));
    rky_message_done(&first);
    rky_message_done(&again);
    rky_message_done(&other);
}
END_TEST

START_TEST(an_alarm_of_a_whole_worker_has_no_key_and_no_job)
{
    const struct rky_event event = {.type = "worker.alarm",
                                    .id_name = "host-4711|disk-full|1",
                                    .worker_id = "host-4711",
                                    .time_us = TEN_OCLOCK,
                                    .body = "{}"};
    struct rky_message message = {0};
    ck_assert_int_eq(rky_event_encode(&event, &message, NULL), 0);
    ck_assert_ptr_null(message.key);
    ck_assert_pstr_eq(header(&message, "x-job-id"), NULL);
    ck_assert_pstr_eq(header(&message, "x-outcome"), NULL);
    ck_assert_pstr_eq(header(&message, "traceparent"), NULL);
    rky_message_done(&message);
}
END_TEST

START_TEST(a_waiting_producer_reads_job_and_status)
{
    struct rky_message message = {0};
    struct rky_event_result result = {0};
    json_t *body = NULL;
    ck_assert_int_eq(rky_event_encode(&result_event, &message, NULL), 0);
    sample_set_header(&message, "x-job-id", "01932F6E-7C00-7ABC-8DEF-0123456789AB");

    ck_assert_int_eq(rky_event_read_result(&message, &result, NULL), 0);
    ck_assert_str_eq(result.job_id, SAMPLE_JOB_ID);
    ck_assert_str_eq(result.status, "partial");
    ck_assert_int_eq(rky_event_body(&message, &body, NULL), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(body, "v")), 1);
    json_decref(body);
    rky_message_done(&message);
}
END_TEST

START_TEST(other_messages_of_the_topic_are_told_apart)
{
    struct rky_message message = {0};
    struct rky_event_result result = {0};
    struct rky_error err = {0};
    struct rky_event event = result_event;
    event.type = "job.fenced";
    ck_assert_int_eq(rky_event_encode(&event, &message, NULL), 0);
    ck_assert_int_eq(rky_event_read_result(&message, &result, &err), RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(err.code, 0);
    rky_message_done(&message);

    struct rky_message empty = {0};
    ck_assert_int_eq(rky_event_read_result(&empty, &result, &err), RKY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_result_that_does_not_say_which_or_how_is_an_error)
{
    static const char *const changes[][2] = {
        {"x-job-id", NULL}, {"x-job-id", "7"}, {"x-outcome", NULL}, {"x-outcome", "great"}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct rky_message message = {0};
        struct rky_event_result result = {0};
        struct rky_error err = {0};
        ck_assert_int_eq(rky_event_encode(&result_event, &message, NULL), 0);
        sample_set_header(&message, changes[i][0], changes[i][1]);
        ck_assert_int_eq(rky_event_read_result(&message, &result, &err), RKY_ERR_DECODE);
        ck_assert_ptr_nonnull(strstr(err.message, changes[i][0]));
        rky_message_done(&message);
    }
}
END_TEST

START_TEST(a_body_of_garbage_is_an_error)
{
    static const char *const bodies[] = {"{", "\xff", NULL, ""};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct rky_message message = {0};
        struct rky_error err = {0};
        json_t *body = NULL;
        ck_assert_int_eq(rky_event_encode(&result_event, &message, NULL), 0);
        sample_set_body(&message, bodies[i]);
        ck_assert_int_eq(rky_event_body(&message, &body, &err), RKY_ERR_DECODE);
        ck_assert_ptr_eq(strstr(err.message, "event: "), err.message);
        ck_assert_ptr_null(body);
        rky_message_done(&message);
    }
}
END_TEST

START_TEST(a_body_of_many_megabytes_is_not_parsed)
{
    struct rky_message message = {0};
    struct rky_error err = {0};
    json_t *body = NULL;
    size_t size = (size_t)5 * 1024 * 1024;
    char *spaces = malloc(size);
    ck_assert_ptr_nonnull(spaces);
    memset(spaces, ' ', size);
    spaces[0] = '1';
    ck_assert_int_eq(rky_message_set(&message, NULL, 0, spaces, size, NULL), 0);
    ck_assert_int_eq(rky_event_body(&message, &body, &err), RKY_ERR_DECODE);
    ck_assert_ptr_nonnull(strstr(err.message, "at most"));
    rky_message_done(&message);
    free(spaces);
}
END_TEST

static const struct rky_dead_letter letter = {
    .reason = "malformed_json",
    .message = "malformed JSON at line 1, column 2",
    .topic = "rocky.jobs",
    .partition = 7,
    .offset = INT64_C(12345678901),
    .attempt = 2,
    .first_failed_at_us = TEN_OCLOCK,
    .worker_id = "host-4711",
};

static void original_message(struct rky_message *ret_message)
{
    sample_message(ret_message);
    ck_assert_int_eq(rky_message_set(ret_message, "k\0y", 3, "\xff\0body", 6, NULL), 0);
    ck_assert_int_eq(rky_message_add_header(ret_message, "bytes", "\xfe\0", 2, NULL), 0);
    ck_assert_int_eq(rky_message_add_header(ret_message, "null", NULL, 0, NULL), 0);
}

START_TEST(a_dead_letter_is_the_original_and_says_why)
{
    struct rky_message original = {0};
    struct rky_message message = {0};
    original_message(&original);

    ck_assert_int_eq(rky_dead_letter_encode(&original, &letter, &message, NULL), 0);

    ck_assert_uint_eq(message.key_length, 3);
    ck_assert_mem_eq(message.key, "k\0y", 3);
    ck_assert_uint_eq(message.value_length, 6);
    ck_assert_mem_eq(message.value, "\xff\0body", 6);
    for (size_t i = 0; i < original.header_count; i++) {
        ck_assert_str_eq(message.headers[i].name, original.headers[i].name);
        ck_assert_uint_eq(message.headers[i].length, original.headers[i].length);
        if (original.headers[i].value == NULL)
            ck_assert_ptr_null(message.headers[i].value);
        else
            ck_assert_mem_eq(message.headers[i].value, original.headers[i].value,
                             original.headers[i].length);
    }
    ck_assert_uint_eq(message.header_count, original.header_count + 8);
    ck_assert_pstr_eq(header(&message, "dlq-reason"), "malformed_json");
    ck_assert_pstr_eq(header(&message, "dlq-message"), letter.message);
    ck_assert_pstr_eq(header(&message, "dlq-topic"), "rocky.jobs");
    ck_assert_pstr_eq(header(&message, "dlq-partition"), "7");
    ck_assert_pstr_eq(header(&message, "dlq-offset"), "12345678901");
    ck_assert_pstr_eq(header(&message, "dlq-attempt"), "2");
    ck_assert_pstr_eq(header(&message, "dlq-first-failed-at"), "2026-11-21T10:00:00.000Z");
    ck_assert_pstr_eq(header(&message, "dlq-worker"), "host-4711");
    ck_assert_pstr_eq(header(&message, "dlq-truncated"), NULL);
    rky_message_done(&message);
    rky_message_done(&original);
}
END_TEST

START_TEST(a_second_dead_letter_tells_only_its_own_story)
{
    struct rky_message original = {0};
    struct rky_message first = {0};
    struct rky_message second = {0};
    struct rky_dead_letter other = letter;
    original_message(&original);
    other.reason = "key_mismatch";
    ck_assert_int_eq(rky_dead_letter_encode(&original, &letter, &first, NULL), 0);
    ck_assert_int_eq(rky_dead_letter_encode(&first, &other, &second, NULL), 0);
    ck_assert_uint_eq(second.header_count, first.header_count);
    ck_assert_pstr_eq(header(&second, "dlq-reason"), "key_mismatch");
    rky_message_done(&original);
    rky_message_done(&first);
    rky_message_done(&second);
}
END_TEST

START_TEST(what_is_too_large_is_cut_and_says_what_it_was)
{
    struct rky_message original = {0};
    struct rky_message message = {0};
    struct rky_dead_letter cut = letter;
    char hash[RKY_SHA256_HEX];
    original_message(&original);
    rky_sha256_hex(original.value, original.value_length, hash);

    cut.value_limit = 6;
    ck_assert_int_eq(rky_dead_letter_encode(&original, &cut, &message, NULL), 0);
    ck_assert_uint_eq(message.value_length, 6);
    ck_assert_pstr_eq(header(&message, "dlq-truncated"), NULL);
    rky_message_done(&message);

    cut.value_limit = 5;
    ck_assert_int_eq(rky_dead_letter_encode(&original, &cut, &message, NULL), 0);
    ck_assert_uint_eq(message.value_length, 5);
    ck_assert_mem_eq(message.value, "\xff\0bod", 5);
    ck_assert_pstr_eq(header(&message, "dlq-truncated"), "6");
    ck_assert_pstr_eq(header(&message, "dlq-sha256"), hash);
    rky_message_done(&message);
    rky_message_done(&original);
}
END_TEST

START_TEST(a_tombstone_can_be_a_dead_letter)
{
    struct rky_message original = {0};
    struct rky_message message = {0};
    ck_assert_int_eq(rky_dead_letter_encode(&original, &letter, &message, NULL), 0);
    ck_assert_ptr_null(message.key);
    ck_assert_ptr_null(message.value);
    rky_message_done(&message);
}
END_TEST

START_TEST(out_of_memory_anywhere_is_reported_and_leaks_nothing)
{
    struct rky_message original = {0};
    struct rky_dead_letter cut = letter;
    original_message(&original);
    cut.value_limit = 2;
    for (int which = 0; which < 2; which++) {
        for (uint64_t nth = 1;; nth++) {
            struct rky_message message = {0};
            struct rky_error err = {0};
            rky_mem_fail_nth(nth);
            int rc = which == 0 ? rky_event_encode(&result_event, &message, &err)
                                : rky_dead_letter_encode(&original, &cut, &message, &err);
            bool failed = rky_mem_failed();
            rky_mem_fail_nth(0);
            ck_assert_int_eq(rc, failed ? RKY_ERR_NOMEM : 0);
            ck_assert_int_eq(err.code, rc);
            rky_message_done(&message);
            if (!failed) {
                ck_assert_uint_gt(nth, 15);
                break;
            }
        }
    }
    rky_message_done(&original);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("event");
    TCase *t = tcase_create("event");
    tcase_add_test(t, a_result_is_an_event_of_cloudevents_in_binary_mode);
    tcase_add_test(t, the_same_event_published_again_has_the_same_id);
    tcase_add_test(t, an_alarm_of_a_whole_worker_has_no_key_and_no_job);
    tcase_add_test(t, a_waiting_producer_reads_job_and_status);
    tcase_add_test(t, other_messages_of_the_topic_are_told_apart);
    tcase_add_test(t, a_result_that_does_not_say_which_or_how_is_an_error);
    tcase_add_test(t, a_body_of_garbage_is_an_error);
    tcase_add_test(t, a_body_of_many_megabytes_is_not_parsed);
    tcase_add_test(t, a_dead_letter_is_the_original_and_says_why);
    tcase_add_test(t, a_second_dead_letter_tells_only_its_own_story);
    tcase_add_test(t, what_is_too_large_is_cut_and_says_what_it_was);
    tcase_add_test(t, a_tombstone_can_be_a_dead_letter);
    tcase_add_test(t, out_of_memory_anywhere_is_reported_and_leaks_nothing);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
