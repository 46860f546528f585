/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making job requests: the message as the contract shows it, filters from a command line, lines of
 * a batch file.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/job.h"
#include "tests/kit/check_main.h"
#include "tests/kit/job_sample.h"

#define PLAN_ID "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
/** 2026-11-21T10:00:00Z */
#define TEN_OCLOCK INT64_C(1795255200000000)

static struct rky_fake_clock ten_oclock(void)
{
    struct rky_fake_clock clock;
    rky_fake_clock_init(&clock, TEN_OCLOCK);
    return clock;
}

static void from_line(const char *line, struct rky_job *ret_job)
{
    struct rky_fake_clock clock = ten_oclock();
    struct rky_error err = {0};
    int rc = rky_job_from_line(line, strlen(line), &clock.base, ret_job, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

static void encode(const struct rky_job *job, struct rky_message *ret_message)
{
    struct rky_fake_clock clock = ten_oclock();
    struct rky_error err = {0};
    int rc = rky_job_encode(job, "/rocky-producer/host", &clock.base, ret_message, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

/* All headers as `name: value` lines. */
static char *header_lines(const struct rky_message *message)
{
    struct rky_strbuf lines = {0};
    for (size_t i = 0; i < message->header_count; i++)
        rky_strbuf_addf(&lines, "%s: %s\n", message->headers[i].name, message->headers[i].value);
    return rky_strbuf_take(&lines);
}

START_TEST(a_run_request_is_written_exactly_as_the_contract_shows_it)
{
    struct rky_job job = {0};
    struct rky_message message = {0};
    from_line("{\"type\":\"run\",\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"bronze\","
              "\"pipeline\":\"bronze\",\"filter\":{\"client\":\"acme\"},\"requested_by\":\"cli\"}",
              &job);

    encode(&job, &message);

    ck_assert_str_eq(message.key, "bronze");
    ck_assert_str_eq(message.value, SAMPLE_BODY);
    ck_assert_uint_eq(message.value_length, strlen(SAMPLE_BODY));
    char *headers = header_lines(&message);
    ck_assert_str_eq(headers, "ce_specversion: 1.0\n"
                              "ce_id: " SAMPLE_JOB_ID "\n"
                              "ce_type: rocky.job.run\n"
                              "ce_source: /rocky-producer/host\n"
                              "ce_time: 2026-11-21T10:00:00.000Z\n"
                              "ce_subject: bronze\n"
                              "content-type: application/json\n"
                              "x-job-id: " SAMPLE_JOB_ID "\n"
                              "x-attempt: 1\n");
    rky_free(headers);
    rky_message_done(&message);
    rky_job_done(&job);
}
END_TEST

static const struct {
    const char *line, *key, *body;
} bodies[] = {
    {"{\"type\":\"plan\",\"job_id\":\"" SAMPLE_JOB_ID "\",\"pipeline\":\"bronze\","
     "\"full_refresh\":true,\"expires_seconds\":60,\"run_timeout_seconds\":5}",
     "bronze",
     "{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"bronze\",\"pipeline\":\"bronze\","
     "\"filter\":{},\"full_refresh\":true,\"run_timeout_seconds\":5,\"requested_by\":null,"
     "\"expires_seconds\":60}"},
    {"{\"type\":\"apply\",\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"n\","
     "\"pipeline\":\"Silver 2\",\"plan_id\":\"" PLAN_ID "\"}",
     "n",
     "{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"n\",\"pipeline\":\"Silver 2\","
     "\"plan_id\":\"" PLAN_ID "\",\"run_timeout_seconds\":null,\"requested_by\":null}"},
    {"{\"type\":\"cancel\",\"job_id\":\"" SAMPLE_JOB_ID "\"}", SAMPLE_JOB_ID,
     "{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\"}"},
};

START_TEST(the_other_types_have_their_body_and_key)
{
    struct rky_job job = {0};
    struct rky_message message = {0};
    from_line(bodies[_i].line, &job);
    encode(&job, &message);
    ck_assert_str_eq(message.key, bodies[_i].key);
    ck_assert_str_eq(message.value, bodies[_i].body);
    ck_assert_int_eq(sample_decode(&message), 0);
    rky_message_done(&message);
    rky_job_done(&job);
}
END_TEST

START_TEST(facts_of_the_transport_become_headers)
{
    struct rky_job job = {0};
    struct rky_message message = {0};
    from_line("{\"type\":\"run\",\"pipeline\":\"bronze\",\"idempotency_key\":\"k 1\","
              "\"not_before\":\"2026-11-21T12:00:00+01:00\",\"deadline\":\"1795258800000\","
              "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}",
              &job);
    job.attempt = 4;
    encode(&job, &message);
    ck_assert_str_eq(rky_message_header(&message, "x-attempt")->value, "4");
    ck_assert_str_eq(rky_message_header(&message, "x-idempotency-key")->value, "k 1");
    ck_assert_str_eq(rky_message_header(&message, "x-not-before")->value,
                     "2026-11-21T11:00:00.000Z");
    ck_assert_str_eq(rky_message_header(&message, "x-deadline")->value, "2026-11-21T11:00:00.000Z");
    ck_assert_str_eq(rky_message_header(&message, "traceparent")->value,
                     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    ck_assert_int_eq(sample_decode(&message), 0);
    rky_message_done(&message);
    rky_job_done(&job);
}
END_TEST

START_TEST(a_cancel_is_another_event_than_the_request_it_cancels)
{
    struct rky_job job = {0};
    struct rky_message first = {0};
    struct rky_message second = {0};
    from_line("{\"type\":\"cancel\",\"job_id\":\"" SAMPLE_JOB_ID "\"}", &job);
    encode(&job, &first);
    encode(&job, &second);
    const char *id = rky_message_header(&first, "ce_id")->value;
    ck_assert_str_ne(id, SAMPLE_JOB_ID);
    ck_assert_str_eq(id, rky_message_header(&second, "ce_id")->value);
    rky_message_done(&first);
    rky_message_done(&second);
    rky_job_done(&job);
}
END_TEST

START_TEST(a_job_that_no_worker_would_take_is_refused_here)
{
    struct rky_fake_clock clock = ten_oclock();
    struct rky_message message = {0};
    char good[] = "bronze";
    char bad[] = "../x";
    char bytes[] = "\xff";
    struct rky_job job = {.type = RKY_JOB_RUN,
                          .job_id = SAMPLE_JOB_ID,
                          .namespace_ = bad,
                          .pipeline = good,
                          .run_timeout_seconds = -1};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_job_encode(&job, "/x", &clock.base, &message, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, "run request: at '/namespace': expected the format 'namespace', "
                                  "found '../x'");

    rky_error_clear(&err);
    job.namespace_ = NULL;
    ck_assert_int_eq(rky_job_encode(&job, "/x", &clock.base, &message, &err), RKY_ERR_USAGE);

    rky_error_clear(&err);
    job.namespace_ = good;
    job.requested_by = bytes;
    ck_assert_int_eq(rky_job_encode(&job, "/x", &clock.base, &message, &err), RKY_ERR_USAGE);

    rky_error_clear(&err);
    job.requested_by = NULL;
    job.idempotency_key = bytes;
    ck_assert_int_eq(rky_job_encode(&job, "/x", &clock.base, &message, &err), RKY_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "idempotency key"));

    rky_error_clear(&err);
    job.idempotency_key = NULL;
    job.run_timeout_seconds = 0;
    ck_assert_int_eq(rky_job_encode(&job, "/x", &clock.base, &message, &err), RKY_ERR_USAGE);
    ck_assert_ptr_null(message.headers);
}
END_TEST

START_TEST(a_filter_is_read_from_name_equals_value)
{
    struct rky_filter filter = {0};
    ck_assert_int_eq(rky_filter_add(&filter, "client=acme", NULL), 0);
    ck_assert_int_eq(rky_filter_add(&filter, "region=a=b c", NULL), 0);
    ck_assert_uint_eq(filter.count, 2);
    ck_assert_str_eq(filter.terms[1].name, "region");
    ck_assert_str_eq(filter.terms[1].value, "a=b c");
    rky_filter_done(&filter);
    ck_assert_uint_eq(filter.count, 0);
}
END_TEST

static const struct {
    const char *term, *message;
} wrong_filters[] = {
    {"client", "filter 'client' has no '='"},
    {"=acme", "filter '=acme': expected the name of a component before the '='"},
    {"my client=acme", "filter 'my client=acme': expected the name of a component before the '='"},
    {"client=", "filter 'client': expected a value of 1 to 255 characters without control "
                "characters, quotes, ';', '/' or '\\'"},
    {"client=a;b", "filter 'client': expected a value of 1 to 255 characters without control "
                   "characters, quotes, ';', '/' or '\\'"},
    {"client=\xff", "filter 'client': expected a value of 1 to 255 characters without control "
                    "characters, quotes, ';', '/' or '\\'"},
    {"same=2", "filter 'same' is given twice"},
};

START_TEST(a_wrong_filter_is_a_usage_error_that_says_why)
{
    struct rky_filter filter = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_filter_add(&filter, "same=1", NULL), 0);
    ck_assert_int_eq(rky_filter_add(&filter, wrong_filters[_i].term, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, wrong_filters[_i].message);
    ck_assert_uint_eq(filter.count, 1);
    rky_filter_done(&filter);
}
END_TEST

START_TEST(a_line_is_filled_in)
{
    struct rky_job one = {0};
    struct rky_job two = {0};
    from_line("{\"type\":\"run\",\"pipeline\":\"bronze\"}", &one);
    from_line("  {\"pipeline\":\"Silver\",\"namespace\":\"silver\",\"type\":\"plan\",\"v\":1}\r\n",
              &two);
    ck_assert(rky_uuid_valid(one.job_id));
    ck_assert_str_ne(one.job_id, two.job_id);
    ck_assert_str_eq(one.namespace_, "bronze");
    ck_assert_str_eq(two.namespace_, "silver");
    ck_assert_ptr_null(one.requested_by);
    ck_assert_int_eq(one.attempt, 1);
    ck_assert_int_eq(two.expires_seconds, 3600);
    ck_assert_str_eq(one.body_sha256, "");
    rky_job_done(&one);
    rky_job_done(&two);
}
END_TEST

static const struct {
    const char *line, *message, *hint;
} wrong_lines[] = {
    {"", "malformed JSON", ""},
    {"run bronze", "malformed JSON", ""},
    {"[]", "expected a JSON object", ""},
    {"{\"pipeline\":\"bronze\"}", "field 'type' is missing", ""},
    {"{\"type\":\"dance\"}",
     "field 'type': expected 'run', 'plan', 'apply' or 'cancel', found "
     "'dance'",
     ""},
    {"{\"type\":\"run\"}", "at '/namespace': expected a value", ""},
    {"{\"type\":\"run\",\"pipeline\":\"Silver\"}", "at '/namespace': expected a value", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"full_refrsh\":true}",
     "unknown field 'full_refrsh'", "did you mean 'full_refresh'?"},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"sql\":\"x\"}",
     "at '/sql': this field is not allowed here", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"plan_id\":\"" PLAN_ID "\"}",
     "unknown field 'plan_id'", ""},
    {"{\"type\":\"apply\",\"pipeline\":\"bronze\"}", "at '/plan_id': expected a value", ""},
    {"{\"type\":\"cancel\"}", "at '/job_id': expected a value", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"v\":2}", "at '/v'", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"idempotency_key\":7}",
     "field 'idempotency_key': expected a string", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"idempotency_key\":\"\"}",
     "field 'idempotency_key': expected 1 to 128", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"deadline\":\"soon\"}", "field 'deadline'", ""},
    {"{\"type\":\"run\",\"pipeline\":\"bronze\",\"traceparent\":\"x\"}", "field 'traceparent'", ""},
};

START_TEST(a_wrong_line_is_a_usage_error_that_says_why)
{
    struct rky_fake_clock clock = ten_oclock();
    struct rky_job job = {0};
    struct rky_error err = {0};
    const char *line = wrong_lines[_i].line;
    ck_assert_int_eq(rky_job_from_line(line, strlen(line), &clock.base, &job, &err), RKY_ERR_USAGE);
    ck_assert_msg(strstr(err.message, wrong_lines[_i].message) == err.message, "'%s'", err.message);
    ck_assert_str_eq(err.hint, wrong_lines[_i].hint);
    ck_assert_ptr_null(job.pipeline);
}
END_TEST

START_TEST(a_line_of_more_than_a_body_is_refused_unread)
{
    struct rky_fake_clock clock = ten_oclock();
    struct rky_job job = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_job_from_line("", RKY_JOB_BODY_MAX + 1, &clock.base, &job, &err),
                     RKY_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "expected at most"));
}
END_TEST

START_TEST(types_have_names)
{
    ck_assert_str_eq(rky_job_type_name(RKY_JOB_RUN), "run");
    ck_assert_str_eq(rky_job_type_name(RKY_JOB_PLAN), "plan");
    ck_assert_str_eq(rky_job_type_name(RKY_JOB_APPLY), "apply");
    ck_assert_str_eq(rky_job_type_name(RKY_JOB_CANCEL), "cancel");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("job_encode");
    TCase *t = tcase_create("encode");
    tcase_add_test(t, a_run_request_is_written_exactly_as_the_contract_shows_it);
    tcase_add_loop_test(t, the_other_types_have_their_body_and_key, 0,
                        (int)(sizeof(bodies) / sizeof(bodies[0])));
    tcase_add_test(t, facts_of_the_transport_become_headers);
    tcase_add_test(t, a_cancel_is_another_event_than_the_request_it_cancels);
    tcase_add_test(t, a_job_that_no_worker_would_take_is_refused_here);
    tcase_add_test(t, a_filter_is_read_from_name_equals_value);
    tcase_add_loop_test(t, a_wrong_filter_is_a_usage_error_that_says_why, 0,
                        (int)(sizeof(wrong_filters) / sizeof(wrong_filters[0])));
    tcase_add_test(t, a_line_is_filled_in);
    tcase_add_loop_test(t, a_wrong_line_is_a_usage_error_that_says_why, 0,
                        (int)(sizeof(wrong_lines) / sizeof(wrong_lines[0])));
    tcase_add_test(t, a_line_of_more_than_a_body_is_refused_unread);
    tcase_add_test(t, types_have_names);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
