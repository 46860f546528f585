/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outcomes: every end under every policy, and the event as published.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/shape.h"
#include "state/outcome.h"
#include "tests/kit/check_main.h"

#define ID "0198f0a0-1234-7abc-8def-0123456789ab"

/* --- deciding ---------------------------------------------------------------------------------
 */

struct decision {
    enum rky_outcome outcome, cause;
    enum rky_transfer_sequel sequel;
};

static void expect(const struct rky_transfer_failure *failure, struct decision expected)
{
    enum rky_outcome outcome = RKY_OUTCOME_NONE;
    enum rky_outcome cause = RKY_OUTCOME_OK;
    enum rky_transfer_sequel sequel = rky_outcome_decide(failure, &outcome, &cause);
    ck_assert_msg(outcome == expected.outcome && cause == expected.cause &&
                      sequel == expected.sequel,
                  "%s of %s, class %s, policy %d: %s because of %s, sequel %d",
                  failure->kind == RKY_TRANSFER_UPLOAD ? "upload" : "download",
                  rky_guard_end_name(failure->end),
                  failure->error_class != NULL ? failure->error_class : "none",
                  (int)failure->policy, rky_outcome_name(outcome),
                  cause != RKY_OUTCOME_NONE ? rky_outcome_name(cause) : "nothing", (int)sequel);
}

/* What a policy may decide about: the name under `fail`, hidden behind it otherwise. */
static void expect_policy(int code, enum rky_guard_end end, const char *error_class,
                          enum rky_outcome name)
{
    struct rky_transfer_failure failure = {
        .kind = RKY_TRANSFER_DOWNLOAD, .end = end, .code = code, .error_class = error_class};
    const struct decision plain = {name, RKY_OUTCOME_NONE, RKY_SEQUEL_FAIL};

    failure.policy = RKY_FAILURE_FRESH;
    expect(&failure, (struct decision){RKY_OUTCOME_ERROR_THEN_FRESH, name, RKY_SEQUEL_FRESH});
    failure.policy = RKY_FAILURE_FAIL;
    expect(&failure, plain);

    failure.kind = RKY_TRANSFER_UPLOAD;
    expect(&failure, plain);
    failure.skippable = true;
    expect(&failure, plain);
    failure.policy = RKY_FAILURE_SKIP;
    expect(&failure, (struct decision){RKY_OUTCOME_SKIPPED_AFTER_FAILURE, name, RKY_SEQUEL_SKIP});
    failure.skippable = false;
    expect(&failure, plain);
}

/* What no policy softens. */
static void expect_always(int code, enum rky_guard_end end, const char *error_class,
                          enum rky_outcome name, enum rky_transfer_sequel sequel)
{
    const struct decision decision = {name, RKY_OUTCOME_NONE, sequel};
    for (int skippable = 0; skippable < 2; skippable++) {
        struct rky_transfer_failure failure = {
            .end = end, .code = code, .error_class = error_class, .skippable = skippable != 0};
        failure.kind = RKY_TRANSFER_DOWNLOAD;
        failure.policy = RKY_FAILURE_FRESH;
        expect(&failure, decision);
        failure.policy = RKY_FAILURE_FAIL;
        expect(&failure, decision);
        failure.kind = RKY_TRANSFER_UPLOAD;
        expect(&failure, decision);
        failure.policy = RKY_FAILURE_SKIP;
        expect(&failure, decision);
    }
}

START_TEST(what_passes_is_left_to_the_policy)
{
    expect_policy(RKY_ERR_TIMEOUT, RKY_GUARD_TIMEOUT, "timeout", RKY_OUTCOME_TIMEOUT);
    expect_policy(RKY_ERR_STATE_SYNC, RKY_GUARD_TIMEOUT, NULL, RKY_OUTCOME_TIMEOUT);
    expect_policy(RKY_ERR_UNAVAILABLE, RKY_GUARD_EXHAUSTED, "throttled",
                  RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    expect_policy(RKY_ERR_UNAVAILABLE, RKY_GUARD_EXHAUSTED, "checksum",
                  RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    expect_policy(RKY_ERR_CONNECTION, RKY_GUARD_BUDGET, "reset", RKY_OUTCOME_BUDGET_EXHAUSTED);
    expect_policy(RKY_ERR_STATE_SYNC, RKY_GUARD_OPEN, NULL, RKY_OUTCOME_CIRCUIT_OPEN);
    expect_policy(RKY_ERR_CONNECTION, RKY_GUARD_OPEN, "connect", RKY_OUTCOME_CIRCUIT_OPEN);
    expect_policy(RKY_ERR_QUOTA, RKY_GUARD_ERROR, "oom", RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    expect_policy(RKY_ERR_QUOTA, RKY_GUARD_ERROR, "misconf", RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    expect_policy(RKY_ERR_NOMEM, RKY_GUARD_ERROR, NULL, RKY_OUTCOME_ERROR);
}
END_TEST

START_TEST(permanent_errors_always_fail_the_run)
{
    const char *const classes[] = {"permission", "auth",           "bucket_missing",
                                   "region",     "certificate",    "cas_unsupported",
                                   "corrupt",    "no_credentials", "wrong_namespace",
                                   "too_large",  "encryption_key"};
    /* However the guard ended: a breaker that others opened makes no permission. */
    const enum rky_guard_end ends[] = {RKY_GUARD_ERROR, RKY_GUARD_OK, RKY_GUARD_EXHAUSTED,
                                       RKY_GUARD_OPEN};
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        for (size_t j = 0; j < 4; j++)
            expect_always(RKY_ERR_CONFIG, ends[j], classes[i], RKY_OUTCOME_ERROR, RKY_SEQUEL_FAIL);
    expect_always(RKY_ERR_CONFIG, RKY_GUARD_ERROR, "request_refused", RKY_OUTCOME_ERROR,
                  RKY_SEQUEL_FAIL);
    expect_always(RKY_ERR_QUOTA, RKY_GUARD_ERROR, "disk", RKY_OUTCOME_ERROR, RKY_SEQUEL_FAIL);
    expect_always(RKY_ERR_AUTH, RKY_GUARD_ERROR, NULL, RKY_OUTCOME_ERROR, RKY_SEQUEL_FAIL);
}
END_TEST

START_TEST(conflict_and_fence_are_never_skipped_and_give_the_job_back)
{
    expect_always(RKY_ERR_CONFLICT, RKY_GUARD_ERROR, "conflict", RKY_OUTCOME_CONFLICT,
                  RKY_SEQUEL_REQUEUE);
    expect_always(RKY_ERR_FENCED, RKY_GUARD_OK, "fenced", RKY_OUTCOME_CONFLICT, RKY_SEQUEL_REQUEUE);
    expect_always(RKY_ERR_NOT_FOUND, RKY_GUARD_ERROR, "deleted", RKY_OUTCOME_CONFLICT,
                  RKY_SEQUEL_REQUEUE);
}
END_TEST

START_TEST(what_another_worker_can_do_goes_to_another_worker)
{
    expect_always(RKY_ERR_STATE_FILE, RKY_GUARD_OK, "schema_newer", RKY_OUTCOME_ERROR,
                  RKY_SEQUEL_REQUEUE);
    expect_always(RKY_ERR_LOCKED, RKY_GUARD_ERROR, "lock_lost", RKY_OUTCOME_ERROR,
                  RKY_SEQUEL_REQUEUE);
    expect_always(RKY_ERR_STATE_FILE, RKY_GUARD_ERROR, "local_corrupt", RKY_OUTCOME_ERROR,
                  RKY_SEQUEL_REQUEUE);
    expect_always(RKY_ERR_INTERRUPTED, RKY_GUARD_STOPPED, "interrupted", RKY_OUTCOME_ERROR,
                  RKY_SEQUEL_REQUEUE);
    expect_always(RKY_ERR_UNAVAILABLE, RKY_GUARD_STOPPED, "throttled", RKY_OUTCOME_ERROR,
                  RKY_SEQUEL_REQUEUE);
}
END_TEST

START_TEST(the_ten_names_are_those_that_consumers_know)
{
    const char *const names[] = {"ok",
                                 "absent",
                                 "timeout",
                                 "error_then_fresh",
                                 "transient_exhausted",
                                 "budget_exhausted",
                                 "circuit_open",
                                 "skipped_after_failure",
                                 "error",
                                 "conflict"};
    for (int i = 0; i < 10; i++)
        ck_assert_str_eq(rky_outcome_name((enum rky_outcome)i), names[i]);
    ck_assert_ptr_null(rky_outcome_name(RKY_OUTCOME_NONE));
}
END_TEST

START_TEST(a_failed_run_says_why_in_the_words_of_the_product)
{
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_BUDGET_EXHAUSTED, "reset"),
                     "retry_budget_exhausted");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_CIRCUIT_OPEN, NULL), "circuit_open");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_TIMEOUT, "timeout"), "timeout");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_TRANSIENT_EXHAUSTED, "throttled"),
                     "transient_exhausted");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_ERROR, "permission"), "permission");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_ERROR, NULL), "error");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_CONFLICT, "fenced"), "fenced");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_CONFLICT, NULL), "conflict");
    ck_assert_str_eq(rky_outcome_error_class(RKY_OUTCOME_NONE, NULL), "unknown");
}
END_TEST

/* --- the event --------------------------------------------------------------------------------
 */

static struct rky_transfer_report full_report(enum rky_transfer_kind kind)
{
    struct rky_transfer_report report = {
        .kind = kind,
        .outcome = RKY_OUTCOME_OK,
        .cause = RKY_OUTCOME_NONE,
        .backend = "tiered",
        .legs = {{.leg = "s3", .attempts = 2, .duration_ms = 31, .bytes = 4096},
                 {.leg = "valkey",
                  .end = RKY_GUARD_OPEN,
                  .failed = true,
                  .attempts = 0,
                  .duration_ms = 0}},
        .leg_count = 2,
        .namespace_ = "bronze",
        .job_id = ID,
        .run_id = ID,
        .worker_id = "pod-1",
        .bytes = 4096,
        .raw_bytes = 40960,
        .retries = 1,
        .duration_ms = 33,
        .generation = 12,
        .write_id = ID,
        .fence = 7,
        .breaker = RKY_BREAKER_HALF_OPEN,
        .has_breaker = true,
        .budget_left = 9,
        .at_us = INT64_C(1795255200000000),
    };
    rky_sha256_hex("x", 1, report.sha256);
    report.uri = rky_strdup("s3://bucket/rocky/state/bronze.db");
    return report;
}

/* A report in which nothing is known. */
static struct rky_transfer_report empty_report(enum rky_transfer_kind kind)
{
    return (struct rky_transfer_report){
        .kind = kind,
        .outcome = RKY_OUTCOME_ERROR,
        .cause = RKY_OUTCOME_NONE,
        .backend = "s3",
        .namespace_ = "bronze",
        .bytes = -1,
        .raw_bytes = -1,
        .retries = -1,
        .duration_ms = -1,
        .generation = -1,
        .fence = -1,
        .budget_left = -1,
    };
}

/* The event, which must fit its published shape. */
static json_t *event_of(const struct rky_transfer_report *report)
{
    struct rky_error err = {0};
    json_t *event = rky_transfer_report_json(report);
    ck_assert_ptr_nonnull(event);
    const struct rky_shape *shape = rky_shape_find(
        report->kind == RKY_TRANSFER_UPLOAD ? "event.state.upload" : "event.state.download");
    ck_assert_ptr_nonnull(shape);
    int rc = rky_shape_check(shape, event, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return event;
}

static void expect_text(const json_t *event, const char *name, const char *expected)
{
    const json_t *value = json_object_get(event, name);
    ck_assert_msg(value != NULL, "no '%s'", name);
    if (expected == NULL)
        ck_assert_msg(json_is_null(value), "'%s' is not null", name);
    else
        ck_assert_str_eq(json_string_value(value), expected);
}

static void expect_number(const json_t *event, const char *name, int64_t expected)
{
    const json_t *value = json_object_get(event, name);
    ck_assert_msg(json_is_integer(value), "'%s' is no number", name);
    ck_assert_int_eq(json_integer_value(value), expected);
}

START_TEST(a_full_report_is_an_event_with_every_field)
{
    struct rky_transfer_report report = full_report(RKY_TRANSFER_UPLOAD);
    json_t *event = event_of(&report);
    expect_text(event, "event", "state.upload");
    expect_text(event, "outcome", "ok");
    expect_text(event, "cause", NULL);
    expect_text(event, "error_class", NULL);
    expect_text(event, "error", NULL);
    expect_text(event, "backend", "tiered");
    expect_text(event, "namespace", "bronze");
    expect_text(event, "job_id", ID);
    expect_text(event, "run_id", ID);
    expect_text(event, "worker_id", "pod-1");
    expect_text(event, "uri", "s3://bucket/rocky/state/bronze.db");
    expect_text(event, "sha256", report.sha256);
    expect_text(event, "write_id", ID);
    expect_text(event, "breaker", "half-open");
    expect_text(event, "at", "2026-11-21T10:00:00.000Z");
    expect_number(event, "v", 1);
    expect_number(event, "bytes", 4096);
    expect_number(event, "raw_bytes", 40960);
    expect_number(event, "retries", 1);
    expect_number(event, "duration_ms", 33);
    expect_number(event, "generation", 12);
    expect_number(event, "fence", 7);
    expect_number(event, "budget_left", 9);
    ck_assert(json_is_false(json_object_get(event, "unchanged")));
    ck_assert_ptr_null(json_object_get(event, "recovered"));
    ck_assert_ptr_null(json_object_get(event, "commit"));

    const json_t *legs = json_object_get(event, "legs");
    ck_assert_uint_eq(json_array_size(legs), 2);
    expect_text(json_array_get(legs, 0), "leg", "s3");
    expect_text(json_array_get(legs, 0), "outcome", "ok");
    expect_number(json_array_get(legs, 0), "attempts", 2);
    expect_number(json_array_get(legs, 0), "duration_ms", 31);
    expect_number(json_array_get(legs, 0), "bytes", 4096);
    expect_text(json_array_get(legs, 1), "leg", "valkey");
    expect_text(json_array_get(legs, 1), "outcome", "circuit_open");
    json_decref(event);
    rky_transfer_report_done(&report);
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
    const char *const nulls[] = {"cause",     "error_class", "error",      "job_id",    "run_id",
                                 "worker_id", "uri",         "bytes",      "raw_bytes", "sha256",
                                 "retries",   "duration_ms", "generation", "write_id",  "fence",
                                 "breaker",   "budget_left"};
    for (int kind = 0; kind < 2; kind++) {
        const struct rky_transfer_report report = empty_report((enum rky_transfer_kind)kind);
        json_t *event = event_of(&report);
        for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
            expect_text(event, nulls[i], NULL);
        json_decref(event);
    }
}
END_TEST

START_TEST(every_outcome_with_every_cause_fits_the_published_shape)
{
    for (int kind = 0; kind < 2; kind++)
        for (int outcome = 0; outcome < RKY_OUTCOME_NONE; outcome++)
            for (int cause = 0; cause <= RKY_OUTCOME_NONE; cause++) {
                struct rky_transfer_report report = empty_report((enum rky_transfer_kind)kind);
                report.outcome = (enum rky_outcome)outcome;
                report.cause = (enum rky_outcome)cause;
                json_t *event = event_of(&report);
                expect_text(event, "outcome", rky_outcome_name(report.outcome));
                expect_text(event, "cause", rky_outcome_name(report.cause));
                json_decref(event);
            }
}
END_TEST

START_TEST(every_end_of_a_leg_fits_the_published_shape)
{
    for (int end = RKY_GUARD_OK; end <= RKY_GUARD_STOPPED; end++) {
        struct rky_transfer_report report = empty_report(RKY_TRANSFER_DOWNLOAD);
        report.legs[0] =
            (struct rky_leg_report){.leg = "s3", .end = (enum rky_guard_end)end, .bytes = -1};
        report.leg_count = 1;
        json_decref(event_of(&report));
    }
}
END_TEST

START_TEST(recovered_and_unknown_are_said)
{
    struct rky_transfer_report report = empty_report(RKY_TRANSFER_UPLOAD);
    report.recovered = true;
    report.commit_unknown = true;
    report.unchanged = true;
    json_t *event = event_of(&report);
    ck_assert(json_is_true(json_object_get(event, "recovered")));
    ck_assert(json_is_true(json_object_get(event, "unchanged")));
    expect_text(event, "commit", "unknown");
    json_decref(event);
}
END_TEST

START_TEST(bytes_of_a_server_that_are_no_text_do_not_lose_the_event)
{
    struct rky_transfer_report report = empty_report(RKY_TRANSFER_UPLOAD);
    report.error = rky_strdup("it said \xff\xc3 and \xe2\x82\xac");
    report.uri = rky_strdup("s3://b\xff/k");
    json_t *event = event_of(&report);
    expect_text(event, "error", "it said ?? and \xe2\x82\xac");
    expect_text(event, "uri", "s3://b?/k");
    json_decref(event);
    rky_transfer_report_done(&report);
    ck_assert_ptr_null(report.error);
    ck_assert_ptr_null(report.uri);
}
END_TEST

START_TEST(a_report_takes_over_what_the_transfer_did)
{
    struct rky_fake_clock clock;
    struct rky_retry_budget budget;
    rky_fake_clock_init(&clock, 0);
    struct rky_breaker *breaker = rky_breaker_new(1, 1000, &clock.base);
    ck_assert_ptr_nonnull(breaker);
    rky_breaker_report(breaker, rky_breaker_admit(breaker, 1), RKY_VERDICT_FAILURE);
    rky_retry_budget_init(&budget, 3);
    struct rky_transfer transfer = {
        .budget = &budget,
        .retries = 4,
        .recovered = true,
        .unknown = true,
        .legs = {{.leg = "s3", .attempts = 5, .bytes = 6}},
        .leg_count = 1,
    };

    struct rky_transfer_report report = empty_report(RKY_TRANSFER_UPLOAD);
    rky_transfer_report_take(&report, &transfer, breaker);
    ck_assert_uint_eq(report.leg_count, 1);
    ck_assert_str_eq(report.legs[0].leg, "s3");
    ck_assert_int_eq(report.legs[0].attempts, 5);
    ck_assert_int_eq(report.retries, 4);
    ck_assert_int_eq(report.budget_left, 3);
    ck_assert(report.has_breaker);
    ck_assert_int_eq(report.breaker, RKY_BREAKER_OPEN);
    ck_assert(report.recovered);
    ck_assert(report.commit_unknown);

    transfer.budget = NULL;
    report = empty_report(RKY_TRANSFER_DOWNLOAD);
    rky_transfer_report_take(&report, &transfer, NULL);
    ck_assert_int_eq(report.budget_left, -1);
    ck_assert(!report.has_breaker);
    ck_assert(!report.recovered);
    ck_assert(!report.commit_unknown);
    rky_breaker_free(breaker);
}
END_TEST

static size_t failing_after;

static void *stingy_malloc(size_t size)
{
    return failing_after > 0 && --failing_after == 0 ? NULL : malloc(size);
}

START_TEST(out_of_memory_gives_no_event_and_leaks_nothing)
{
    struct rky_transfer_report report = full_report(RKY_TRANSFER_UPLOAD);
    report.error = rky_strdup("some error");
    report.recovered = true;
    report.commit_unknown = true;
    json_set_alloc_funcs(stingy_malloc, free);
    json_t *event = NULL;
    size_t nth = 0;
    while (event == NULL && nth < 1000) {
        failing_after = ++nth;
        event = rky_transfer_report_json(&report);
        if (failing_after > 0)
            break;
        json_decref(event);
        event = NULL;
    }
    ck_assert_ptr_nonnull(event);
    ck_assert_uint_gt(nth, 20);
    failing_after = 0;
    json_decref(event);
    for (nth = 1; nth < 100; nth++) {
        rky_mem_fail_nth(nth);
        event = rky_transfer_report_json(&report);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert((event == NULL) == failed);
        json_decref(event);
        if (!failed)
            break;
    }
    ck_assert_uint_gt(nth, 1);
    rky_transfer_report_done(&report);
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        what_passes_is_left_to_the_policy,
        permanent_errors_always_fail_the_run,
        conflict_and_fence_are_never_skipped_and_give_the_job_back,
        what_another_worker_can_do_goes_to_another_worker,
        the_ten_names_are_those_that_consumers_know,
        a_failed_run_says_why_in_the_words_of_the_product,
        a_full_report_is_an_event_with_every_field,
        what_is_not_known_is_null,
        every_outcome_with_every_cause_fits_the_published_shape,
        every_end_of_a_leg_fits_the_published_shape,
        recovered_and_unknown_are_said,
        bytes_of_a_server_that_are_no_text_do_not_lose_the_event,
        a_report_takes_over_what_the_transfer_did,
        out_of_memory_gives_no_event_and_leaks_nothing,
    };
    TCase *tcase = tcase_create("outcome");
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    Suite *suite = suite_create("outcome");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
