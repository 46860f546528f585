/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding job requests: what is taken, what is refused with which reason, in which order.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/job.h"
#include "tests/kit/check_main.h"
#include "tests/kit/job_sample.h"

#define UPPER_ID "01932F6E-7C00-7ABC-8DEF-0123456789AB"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define CANCEL_BODY "{\"v\":1,\"job_id\":\"" UPPER_ID "\"}"
#define HEAD \
    "{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"bronze\",\"pipeline\":\"bronze\""

/* Decode, done with the message; the reason, or NULL when it was accepted. */
static const char *reason_of(struct rky_message *message, struct rky_rejection *ret_rejection)
{
    struct rky_job job = {0};
    struct rky_error err = {0};
    *ret_rejection = (struct rky_rejection){0};
    int rc = rky_job_decode(message, &job, ret_rejection, &err);
    ck_assert(rc == 0 || rc == RKY_ERR_DECODE);
    if (rc != 0) {
        ck_assert_int_eq(err.code, RKY_ERR_DECODE);
        ck_assert_str_eq(err.message, ret_rejection->message);
    }
    rky_job_done(&job);
    rky_message_done(message);
    return rc == 0 ? NULL : ret_rejection->reason;
}

static void decode(struct rky_message *message, struct rky_job *ret_job)
{
    struct rky_rejection rejection = {0};
    int rc = rky_job_decode(message, ret_job, &rejection, NULL);
    ck_assert_msg(rc == 0, "%s: %s", rejection.reason, rejection.message);
    rky_message_done(message);
}

START_TEST(a_run_request_is_read_completely)
{
    struct rky_message message = {0};
    struct rky_job job = {0};
    char hash[RKY_SHA256_HEX];
    sample_message(&message);
    sample_set_header(&message, "x-attempt", "3");
    sample_set_header(&message, "x-idempotency-key", "night 2026-11-21");
    sample_set_header(&message, "x-not-before", "1795262400000");
    sample_set_header(&message, "x-deadline", "2026-11-21T13:00:00+01:00");
    sample_set_header(&message, "traceparent", TRACE);

    decode(&message, &job);

    ck_assert_int_eq(job.type, RKY_JOB_RUN);
    ck_assert_str_eq(job.job_id, SAMPLE_JOB_ID);
    ck_assert_str_eq(job.namespace_, "bronze");
    ck_assert_str_eq(job.pipeline, "bronze");
    ck_assert_uint_eq(job.filter.count, 1);
    ck_assert_str_eq(job.filter.terms[0].name, "client");
    ck_assert_str_eq(job.filter.terms[0].value, "acme");
    ck_assert(!job.full_refresh);
    ck_assert_str_eq(job.plan_id, "");
    ck_assert_int_eq(job.run_timeout_seconds, -1);
    ck_assert_str_eq(job.requested_by, "cli");
    ck_assert_str_eq(job.idempotency_key, "night 2026-11-21");
    ck_assert_str_eq(job.traceparent, TRACE);
    ck_assert_int_eq(job.attempt, 3);
    ck_assert_int_eq(job.not_before_us, INT64_C(1795262400000000));
    ck_assert_int_eq(job.deadline_us, INT64_C(1795262400000000));
    rky_sha256_hex(SAMPLE_BODY, strlen(SAMPLE_BODY), hash);
    ck_assert_str_eq(job.body_sha256, hash);
    rky_job_done(&job);
}
END_TEST

START_TEST(what_may_be_missing_has_its_default)
{
    struct rky_message message = {0};
    struct rky_job job = {0};
    sample_message(&message);
    sample_set_body(&message, HEAD "}");
    sample_set_header(&message, "x-attempt", NULL);

    decode(&message, &job);

    ck_assert_uint_eq(job.filter.count, 0);
    ck_assert(!job.full_refresh);
    ck_assert_int_eq(job.run_timeout_seconds, -1);
    ck_assert_ptr_null(job.requested_by);
    ck_assert_ptr_null(job.idempotency_key);
    ck_assert_ptr_null(job.traceparent);
    ck_assert_int_eq(job.attempt, 1);
    ck_assert_int_eq(job.not_before_us, 0);
    ck_assert_int_eq(job.deadline_us, 0);
    rky_job_done(&job);
}
END_TEST

START_TEST(plan_apply_and_cancel_have_their_own_fields)
{
    struct rky_message message = {0};
    struct rky_job job = {0};

    sample_message(&message);
    sample_set_header(&message, "ce_type", "rocky.job.plan");
    sample_set_body(&message, HEAD ",\"full_refresh\":true,\"expires_seconds\":60.0}");
    decode(&message, &job);
    ck_assert_int_eq(job.type, RKY_JOB_PLAN);
    ck_assert(job.full_refresh);
    ck_assert_int_eq(job.expires_seconds, 60);
    rky_job_done(&job);

    sample_message(&message);
    sample_set_header(&message, "ce_type", "rocky.job.plan");
    decode(&message, &job);
    ck_assert_int_eq(job.expires_seconds, 3600);
    rky_job_done(&job);

    sample_message(&message);
    sample_set_header(&message, "ce_type", "rocky.job.apply");
    sample_set_body(&message,
                    HEAD ",\"run_timeout_seconds\":7200,\"full_refresh\":\"ignored here\","
                         "\"plan_id\":"
                         "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}");
    decode(&message, &job);
    ck_assert_int_eq(job.type, RKY_JOB_APPLY);
    ck_assert_str_eq(job.plan_id,
                     "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    ck_assert_int_eq(job.run_timeout_seconds, 7200);
    rky_job_done(&job);

    sample_message(&message);
    sample_set_header(&message, "ce_type", "rocky.job.cancel");
    ck_assert_int_eq(
        rky_message_set(&message, UPPER_ID, 36, CANCEL_BODY, strlen(CANCEL_BODY), NULL), 0);
    decode(&message, &job);
    ck_assert_int_eq(job.type, RKY_JOB_CANCEL);
    ck_assert_str_eq(job.job_id, SAMPLE_JOB_ID);
    ck_assert_ptr_null(job.namespace_);
    ck_assert_ptr_null(job.pipeline);
    rky_job_done(&job);
}
END_TEST

/* One header changed on a good message. */
static const struct {
    const char *name, *value;
    const char *reason; /* NULL = accepted */
} header_rows[] = {
    {"content-type", NULL, "missing_header"},
    {"content-type", "", "missing_header"},
    {"content-type", "text/plain", "wrong_content_type"},
    {"content-type", "application/jsonx", "wrong_content_type"},
    {"content-type", "application/json-seq", "wrong_content_type"},
    {"content-type", " application/json", "wrong_content_type"},
    {"content-type", "APPLICATION/Json; charset=UTF-8", NULL},
    {"content-type", "application/json;charset=utf-8", NULL},
    {"ce_specversion", NULL, "missing_header"},
    {"ce_specversion", "0.3", "invalid_header"},
    {"ce_specversion", "1.0 ", "invalid_header"},
    {"ce_id", NULL, "missing_header"},
    {"ce_type", NULL, "missing_header"},
    {"ce_type", "rocky.job.dance", "unknown_type"},
    {"ce_type", "rocky.job.Run", "unknown_type"},
    {"ce_type", "run", "unknown_type"},
    {"ce_source", NULL, "missing_header"},
    {"ce_time", NULL, "missing_header"},
    {"ce_time", "yesterday", "invalid_header"},
    {"ce_time", "2026-11-21", "invalid_header"},
    {"ce_time", "2026-11-21T10:00Z", "invalid_header"},
    {"ce_time", "2026-11-21T10:00:00", "invalid_header"},
    {"ce_time", "2026-11-21 10:00:00Z", "invalid_header"},
    {"ce_time", "2026-11-21T10:00:00+0100", "invalid_header"},
    {"ce_time", "2026-02-30T10:00:00Z", "invalid_header"},
    {"ce_time", "2026-11-21T10:00:00.123456789Z", NULL},
    {"ce_time", "2026-11-21t10:00:00z", NULL},
    {"ce_time", "2026-11-21T10:00:00-05:30", NULL},
    {"x-job-id", NULL, "missing_header"},
    {"x-job-id", "job-1", "invalid_header"},
    {"x-job-id", UPPER_ID, NULL},
    {"x-attempt", "0", "invalid_header"},
    {"x-attempt", "-1", "invalid_header"},
    {"x-attempt", "1.0", "invalid_header"},
    {"x-attempt", " 1", "invalid_header"},
    {"x-attempt", "", "invalid_header"},
    {"x-attempt", "99999999999999999999", "invalid_header"},
    {"x-attempt", "1000000", NULL},
    {"x-attempt", "1000001", "invalid_header"},
    {"x-idempotency-key", "", "invalid_header"},
    {"x-idempotency-key", "line\nbreak", "invalid_header"},
    {"x-idempotency-key", "caf\xc3\xa9", "invalid_header"},
    {"x-not-before", "soon", "invalid_header"},
    {"x-not-before", "0", "invalid_header"},
    {"x-not-before", "1969-12-31T23:59:59Z", "invalid_header"},
    {"x-deadline", "253402300800000", "invalid_header"},
    {"x-deadline", "253402300799999", NULL},
    {"x-deadline", "2026-11-21T10:00:00", "invalid_header"},
    {"traceparent", "not a trace", NULL},
    {"unknown-header", "whatever", NULL},
};

START_TEST(each_header_is_judged_by_its_rule)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;
    sample_message(&message);
    sample_set_header(&message, header_rows[_i].name, header_rows[_i].value);
    const char *reason = reason_of(&message, &rejection);
    if (header_rows[_i].reason == NULL)
        ck_assert_msg(reason == NULL, "%s: %s", reason, rejection.message);
    else
        ck_assert_pstr_eq(reason, header_rows[_i].reason);
    if (reason != NULL && strcmp(reason, "unknown_type") != 0 &&
        strcmp(reason, "wrong_content_type") != 0)
        ck_assert_msg(strstr(rejection.message, header_rows[_i].name) != NULL,
                      "'%s' does not name the header", rejection.message);
}
END_TEST

START_TEST(a_header_with_other_bytes_than_text_is_refused)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;

    sample_message(&message);
    sample_set_header(&message, "ce_id", NULL);
    ck_assert_int_eq(rky_message_add_header(&message, "ce_id", "a\0b", 3, NULL), 0);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "invalid_header");

    sample_message(&message);
    sample_set_header(&message, "ce_source", "\xff");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "invalid_header");

    /* A key of 129 characters. */
    char key[130];
    memset(key, 'k', 129);
    key[129] = '\0';
    sample_message(&message);
    sample_set_header(&message, "x-idempotency-key", key);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "invalid_header");
    sample_message(&message);
    sample_set_header(&message, "x-idempotency-key", key + 1);
    ck_assert_pstr_eq(reason_of(&message, &rejection), NULL);
}
END_TEST

/* Another body on a good message. */
static const struct {
    const char *body;
    const char *reason;  /* NULL = accepted */
    const char *message; /* part of it */
} body_rows[] = {
    {"", "empty_body", "found none"},
    {"{", "malformed_json", "line 1, column 1"},
    {"{\"v\":1,\n\"v\":1}", "malformed_json", "line 2"},
    {"{\"a\":\"\\ud800\"}", "malformed_json", ""},
    {"{\"a\":1e999}", "malformed_json", ""},
    {"{} {}", "malformed_json", ""},
    {"{'v':1}", "malformed_json", ""},
    {"{\"a\":\"\\u0000\"}", "nul_byte", ""},
    {"{\"\\u0000\":1}", "nul_byte", ""},
    {"{\"a\":\"\xff\"}", "invalid_utf8", "UTF-8"},
    {"{\"a\":\"\xed\xa0\x80\"}", "invalid_utf8", ""},
    {"[]", "invalid_body", "JSON object"},
    {"7", "invalid_body", "JSON object"},
    {"null", "invalid_body", "JSON object"},
    {"{}", "invalid_body", "'/v'"},
    {"{\"v\":2}", "unsupported_version", "found 2"},
    {"{\"v\":2.0}", "unsupported_version", "found 2"},
    {"{\"v\":0}", "invalid_body", "'/v'"},
    {"{\"v\":1.5}", "invalid_body", "'/v'"},
    {"{\"v\":\"2\"}", "invalid_body", "'/v'"},
    {HEAD ",\"sql\":\"DROP TABLE x\"}", "forbidden_field", "'sql'"},
    {HEAD ",\"state_path\":null}", "forbidden_field", "'state_path'"},
    {HEAD ",\"password\":\"hunter2\"}", "forbidden_field", "'password'"},
    {HEAD ",\"nested\":{\"sql\":1}}", NULL, NULL},
    {HEAD ",\"filter\":{\"client\":\"a'b\"}}", "invalid_body", "'/filter/client'"},
    {HEAD ",\"filter\":{\"client\":\"../x\"}}", "invalid_body", "'/filter/client'"},
    {HEAD ",\"filter\":{\"a b\":\"x\"}}", "invalid_body", "'/filter/a b'"},
    {HEAD ",\"filter\":null}", "invalid_body", "'/filter'"},
    {HEAD ",\"full_refresh\":1}", "invalid_body", "'/full_refresh'"},
    {HEAD ",\"run_timeout_seconds\":604801}", "invalid_body", "'/run_timeout_seconds'"},
    {HEAD ",\"requested_by\":\"a\\tb\"}", "invalid_body", "'/requested_by'"},
    {"{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"../x\",\"pipeline\":\"bronze\"}",
     "invalid_body", "'/namespace'"},
    {"{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"bronze\"}", "invalid_body",
     "'/pipeline'"},
    {"{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"silver\",\"pipeline\":\"bronze\"}",
     "key_mismatch", "namespace"},
    {"{\"v\":1,\"job_id\":\"01932f6e-7c00-7abc-8def-0123456789ac\",\"namespace\":\"bronze\","
     "\"pipeline\":\"bronze\"}",
     "key_mismatch", "x-job-id"},
    {"\xef\xbb\xbf{}", "malformed_json", ""},
};

START_TEST(each_body_is_judged_by_its_rule)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;
    sample_message(&message);
    sample_set_body(&message, body_rows[_i].body);
    const char *reason = reason_of(&message, &rejection);
    ck_assert_pstr_eq(reason, body_rows[_i].reason);
    if (reason != NULL)
        ck_assert_msg(strstr(rejection.message, body_rows[_i].message) != NULL, "'%s'",
                      rejection.message);
}
END_TEST

START_TEST(a_secret_in_a_forbidden_field_is_not_repeated)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;
    sample_message(&message);
    sample_set_body(&message, HEAD ",\"password\":\"hunter2\"}");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "forbidden_field");
    ck_assert_ptr_null(strstr(rejection.message, "hunter2"));
}
END_TEST

START_TEST(a_body_without_value_or_beyond_the_limits_is_refused)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;

    sample_message(&message);
    sample_set_body(&message, NULL);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "empty_body");

    size_t size = RKY_JOB_BODY_MAX + 1;
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', size);
    memcpy(text, SAMPLE_BODY, strlen(SAMPLE_BODY));
    text[size] = '\0';
    sample_message(&message);
    sample_set_body(&message, text);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "too_large");
    sample_message(&message);
    sample_set_body(&message, text + 1);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "malformed_json");
    text[size - 1] = '\0';
    sample_message(&message);
    sample_set_body(&message, text);
    ck_assert_pstr_eq(reason_of(&message, &rejection), NULL);
    free(text);

    sample_message(&message);
    while (message.header_count < RKY_JOB_HEADERS_MAX)
        ck_assert_int_eq(rky_message_add_text(&message, "more", "x", NULL), 0);
    struct rky_message one_more = {0};
    ck_assert_int_eq(rky_message_copy(&message, &one_more, NULL), 0);
    ck_assert_pstr_eq(reason_of(&message, &rejection), NULL);
    ck_assert_int_eq(rky_message_add_text(&one_more, "more", "x", NULL), 0);
    ck_assert_pstr_eq(reason_of(&one_more, &rejection), "invalid_header");
}
END_TEST

START_TEST(a_nul_byte_in_the_body_is_refused)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;
    sample_message(&message);
    message.value[10] = '\0';
    ck_assert_pstr_eq(reason_of(&message, &rejection), "nul_byte");
    ck_assert_ptr_nonnull(strstr(rejection.message, "offset 10"));
}
END_TEST

START_TEST(nesting_is_counted_outside_of_strings_only)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;
    char body[2048];
    char brackets[101];
    memset(brackets, '[', sizeof(brackets) - 1);
    brackets[100] = '\0';

    (void)snprintf(body, sizeof(body), HEAD ",\"x\":%s", brackets);
    sample_message(&message);
    sample_set_body(&message, body);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "too_deep");

    (void)snprintf(body, sizeof(body), HEAD ",\"x\":\"\\\"%s\"}", brackets);
    sample_message(&message);
    sample_set_body(&message, body);
    ck_assert_pstr_eq(reason_of(&message, &rejection), NULL);

    /* The object is the first level: 31 arrays make 32, one more is too much. */
    char closing[33];
    memset(closing, ']', sizeof(closing) - 1);
    closing[32] = '\0';
    (void)snprintf(body, sizeof(body), HEAD ",\"x\":%.31s%.31s}", brackets, closing);
    sample_message(&message);
    sample_set_body(&message, body);
    ck_assert_pstr_eq(reason_of(&message, &rejection), NULL);
    (void)snprintf(body, sizeof(body), HEAD ",\"x\":%.32s%.32s}", brackets, closing);
    sample_message(&message);
    sample_set_body(&message, body);
    ck_assert_pstr_eq(reason_of(&message, &rejection), "too_deep");
}
END_TEST

START_TEST(the_key_is_the_namespace_byte_for_byte)
{
    static const struct {
        const char *key;
        size_t length;
    } keys[] = {{NULL, 0}, {"", 0}, {"bronze2", 7}, {"bronz", 5}, {"BRONZE", 6}, {"bronze", 7}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct rky_message message = {0};
        struct rky_rejection rejection;
        sample_message(&message);
        ck_assert_int_eq(rky_message_set(&message, keys[i].key, keys[i].length, SAMPLE_BODY,
                                         strlen(SAMPLE_BODY), NULL),
                         0);
        ck_assert_pstr_eq(reason_of(&message, &rejection), "key_mismatch");
        ck_assert_str_eq(rejection.job_id, SAMPLE_JOB_ID);
        ck_assert_str_eq(rejection.namespace_, "bronze");
    }
}
END_TEST

/* Everything from the first on is wrong; the first is what is told. */
START_TEST(the_first_thing_wrong_is_the_reason)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;

    sample_message(&message);
    ck_assert_int_eq(rky_message_set(&message, "silver", 6, "{\xff[\0", 4, NULL), 0);
    sample_set_header(&message, "ce_type", "other");
    sample_set_header(&message, "ce_id", NULL);
    sample_set_header(&message, "content-type", "text/plain");
    struct rky_message copy = {0};
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "wrong_content_type");

    sample_set_header(&message, "content-type", "application/json");
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "missing_header");

    sample_set_header(&message, "ce_id", "1");
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "unknown_type");

    sample_set_header(&message, "ce_type", "rocky.job.run");
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "nul_byte");

    message.value_length = 3;
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "invalid_utf8");

    message.value_length = 1;
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "malformed_json");

    sample_set_body(&message, "{\"v\":2,\"sql\":1}");
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "unsupported_version");

    sample_set_body(&message, "{\"v\":1,\"sql\":1}");
    ck_assert_int_eq(rky_message_copy(&message, &copy, NULL), 0);
    ck_assert_pstr_eq(reason_of(&copy, &rejection), "forbidden_field");

    sample_set_body(&message, "{\"v\":1,\"job_id\":1}");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "invalid_body");
}
END_TEST

START_TEST(a_rejection_tells_job_and_namespace_when_anything_does)
{
    struct rky_message message = {0};
    struct rky_rejection rejection;

    /* Headers and key, with a body of garbage. */
    sample_message(&message);
    sample_set_header(&message, "x-job-id", UPPER_ID);
    sample_set_body(&message, "garbage");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "malformed_json");
    ck_assert_str_eq(rejection.job_id, SAMPLE_JOB_ID);
    ck_assert_str_eq(rejection.namespace_, "bronze");

    /* The body's own words before those of headers and key. */
    sample_message(&message);
    sample_set_body(&message, "{\"v\":2,\"job_id\":\"01932f6e-7c00-7abc-8def-0123456789AC\","
                              "\"namespace\":\"silver\"}");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "unsupported_version");
    ck_assert_str_eq(rejection.job_id, "01932f6e-7c00-7abc-8def-0123456789ac");
    ck_assert_str_eq(rejection.namespace_, "silver");

    /* Nothing that could be trusted. */
    sample_message(&message);
    ck_assert_int_eq(rky_message_set(&message, "../x", 4, "[]", 2, NULL), 0);
    sample_set_header(&message, "x-job-id", "1");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "invalid_header");
    ck_assert_str_eq(rejection.job_id, "");
    ck_assert_str_eq(rejection.namespace_, "");

    /* The key of a cancel looks like a namespace and is none. */
    sample_message(&message);
    ck_assert_int_eq(rky_message_set(&message, SAMPLE_JOB_ID, 36, "[]", 2, NULL), 0);
    sample_set_header(&message, "ce_type", "rocky.job.cancel");
    ck_assert_pstr_eq(reason_of(&message, &rejection), "invalid_body");
    ck_assert_str_eq(rejection.namespace_, "");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("job");
    TCase *t = tcase_create("decode");
    tcase_add_test(t, a_run_request_is_read_completely);
    tcase_add_test(t, what_may_be_missing_has_its_default);
    tcase_add_test(t, plan_apply_and_cancel_have_their_own_fields);
    tcase_add_loop_test(t, each_header_is_judged_by_its_rule, 0,
                        (int)(sizeof(header_rows) / sizeof(header_rows[0])));
    tcase_add_test(t, a_header_with_other_bytes_than_text_is_refused);
    tcase_add_loop_test(t, each_body_is_judged_by_its_rule, 0,
                        (int)(sizeof(body_rows) / sizeof(body_rows[0])));
    tcase_add_test(t, a_secret_in_a_forbidden_field_is_not_repeated);
    tcase_add_test(t, a_body_without_value_or_beyond_the_limits_is_refused);
    tcase_add_test(t, a_nul_byte_in_the_body_is_refused);
    tcase_add_test(t, nesting_is_counted_outside_of_strings_only);
    tcase_add_test(t, the_key_is_the_namespace_byte_for_byte);
    tcase_add_test(t, the_first_thing_wrong_is_the_reason);
    tcase_add_test(t, a_rejection_tells_job_and_namespace_when_anything_does);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
