/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy columns of the fault table, and the event that tells of a transfer. The driver has
 * named the fault and the guard has named the end; here it becomes one of ten outcomes and a
 * consequence for the job. Pure; any thread.
 */
#include "config.h"

#include "state/outcome.h"

#include <string.h>

#include "common/mem.h"

static const char *const outcome_names[] = {
    [RKY_OUTCOME_OK] = "ok",
    [RKY_OUTCOME_ABSENT] = "absent",
    [RKY_OUTCOME_TIMEOUT] = "timeout",
    [RKY_OUTCOME_ERROR_THEN_FRESH] = "error_then_fresh",
    [RKY_OUTCOME_TRANSIENT_EXHAUSTED] = "transient_exhausted",
    [RKY_OUTCOME_BUDGET_EXHAUSTED] = "budget_exhausted",
    [RKY_OUTCOME_CIRCUIT_OPEN] = "circuit_open",
    [RKY_OUTCOME_SKIPPED_AFTER_FAILURE] = "skipped_after_failure",
    [RKY_OUTCOME_ERROR] = "error",
    [RKY_OUTCOME_CONFLICT] = "conflict",
    [RKY_OUTCOME_NONE] = NULL,
};

const char *rky_outcome_name(enum rky_outcome outcome)
{
    return outcome_names[outcome];
}

/* --- deciding ---------------------------------------------------------------------------------
 */

/* Faults that mean the same however the guard ended: neither a retry nor a policy mends them. */
static const char *const permanent[] = {
    "permission",     "auth",        "bucket_missing",
    "region",         "certificate", "cas_unsupported",
    "no_credentials", "corrupt",     "wrong_namespace",
    "encryption_key", "too_large",   NULL,
};
/* Faults that another worker, or the next attempt of the job, does not have. */
static const char *const elsewhere[] = {"schema_newer", "lock_lost", "local_corrupt", NULL};
/* The service is full: as hopeless to retry as an error, but it passes without our doing. */
static const char *const full[] = {"oom", "misconf", NULL};

static bool is_one_of(const char *error_class, const char *const *classes)
{
    if (error_class == NULL)
        return false;
    while (*classes != NULL && strcmp(*classes, error_class) != 0)
        classes++;
    return *classes != NULL;
}

/* What to call the failure before any policy. */
static enum rky_outcome name_of(const struct rky_transfer_failure *failure)
{
    if (failure->code == RKY_ERR_CONFLICT || failure->code == RKY_ERR_FENCED ||
        failure->code == RKY_ERR_NOT_FOUND)
        return RKY_OUTCOME_CONFLICT;
    if (is_one_of(failure->error_class, permanent) || is_one_of(failure->error_class, elsewhere))
        return RKY_OUTCOME_ERROR;
    if (is_one_of(failure->error_class, full))
        return RKY_OUTCOME_TRANSIENT_EXHAUSTED;
    switch (failure->end) {
    case RKY_GUARD_TIMEOUT:
        return RKY_OUTCOME_TIMEOUT;
    case RKY_GUARD_EXHAUSTED:
        return RKY_OUTCOME_TRANSIENT_EXHAUSTED;
    case RKY_GUARD_BUDGET:
        return RKY_OUTCOME_BUDGET_EXHAUSTED;
    case RKY_GUARD_OPEN:
        return RKY_OUTCOME_CIRCUIT_OPEN;
    default:
        return RKY_OUTCOME_ERROR;
    }
}

/* Whether the failure leaves the policy no say, and what follows then. */
static bool is_above_policy(const struct rky_transfer_failure *failure, enum rky_outcome name,
                            enum rky_transfer_sequel *ret_sequel)
{
    *ret_sequel = RKY_SEQUEL_REQUEUE;
    if (name == RKY_OUTCOME_CONFLICT || failure->end == RKY_GUARD_STOPPED ||
        is_one_of(failure->error_class, elsewhere))
        return true;
    *ret_sequel = RKY_SEQUEL_FAIL;
    /* Being out of memory is no fault of the remote's, and passes. */
    return name == RKY_OUTCOME_ERROR && failure->code != RKY_ERR_NOMEM;
}

enum rky_transfer_sequel rky_outcome_decide(const struct rky_transfer_failure *failure,
                                            enum rky_outcome *ret_outcome,
                                            enum rky_outcome *ret_cause)
{
    bool up = failure->kind == RKY_TRANSFER_UPLOAD;
    enum rky_outcome name = name_of(failure);
    enum rky_transfer_sequel sequel = RKY_SEQUEL_FAIL;
    *ret_outcome = name;
    *ret_cause = RKY_OUTCOME_NONE;
    if (is_above_policy(failure, name, &sequel) || failure->policy == RKY_FAILURE_FAIL ||
        (up && !failure->skippable))
        return sequel;
    *ret_outcome = up ? RKY_OUTCOME_SKIPPED_AFTER_FAILURE : RKY_OUTCOME_ERROR_THEN_FRESH;
    *ret_cause = name;
    return up ? RKY_SEQUEL_SKIP : RKY_SEQUEL_FRESH;
}

const char *rky_outcome_error_class(enum rky_outcome outcome, const char *attempt_class)
{
    switch (outcome) {
    case RKY_OUTCOME_BUDGET_EXHAUSTED:
        return "retry_budget_exhausted";
    case RKY_OUTCOME_TIMEOUT:
    case RKY_OUTCOME_TRANSIENT_EXHAUSTED:
    case RKY_OUTCOME_CIRCUIT_OPEN:
        return outcome_names[outcome];
    default:
        break;
    }
    if (attempt_class != NULL)
        return attempt_class;
    return outcome == RKY_OUTCOME_NONE ? "unknown" : outcome_names[outcome];
}

/* --- the report -------------------------------------------------------------------------------
 */

void rky_transfer_report_done(struct rky_transfer_report *report)
{
    rky_free(report->error);
    rky_free(report->uri);
    report->error = NULL;
    report->uri = NULL;
}

void rky_transfer_report_take(struct rky_transfer_report *report,
                              const struct rky_transfer *transfer, struct rky_breaker *breaker)
{
    memcpy(report->legs, transfer->legs, sizeof(report->legs));
    report->leg_count = transfer->leg_count;
    report->retries = transfer->retries;
    report->budget_left = transfer->budget != NULL ? transfer->budget->left : -1;
    report->has_breaker = breaker != NULL;
    if (breaker != NULL)
        report->breaker = rky_breaker_state(breaker);
    if (report->kind == RKY_TRANSFER_UPLOAD) {
        report->recovered = report->recovered || transfer->recovered;
        report->commit_unknown = transfer->unknown;
    }
}

/* A figure, null when it is not known. */
static json_t *figure(int64_t value)
{
    return value < 0 ? json_null() : json_integer((json_int_t)value);
}

/* A text that servers may have had a hand in: bytes that are no UTF-8 become "?". */
static json_t *foreign_text(const char *text)
{
    if (text == NULL)
        return json_null();
    size_t length = strlen(text);
    struct rky_strbuf clean = {0};
    for (size_t at = 0; at < length;) {
        size_t step = rky_utf8_next(text + at, length - at);
        if (step > 0)
            rky_strbuf_addn(&clean, text + at, step);
        else
            rky_strbuf_addc(&clean, '?');
        at += step > 0 ? step : 1;
    }
    json_t *json = clean.failed ? NULL : json_string(rky_strbuf_text(&clean));
    rky_strbuf_done(&clean);
    return json;
}

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* A leg is asked to stop as any other caller of it; its row knows only the ten. */
static const char *leg_outcome(const struct rky_leg_report *leg)
{
    return rky_guard_end_name(leg->end == RKY_GUARD_STOPPED ? RKY_GUARD_ERROR : leg->end);
}

static json_t *legs_json(const struct rky_transfer_report *report)
{
    json_t *legs = json_array();
    for (size_t i = 0; i < report->leg_count && legs != NULL; i++) {
        const struct rky_leg_report *leg = &report->legs[i];
        json_t *row = json_pack("{s:s, s:s, s:o, s:o, s:o}", "leg", leg->leg, "outcome",
                                leg_outcome(leg), "attempts", figure(leg->attempts), "duration_ms",
                                figure(leg->duration_ms), "bytes", figure(leg->bytes));
        if (json_array_append_new(legs, row) != 0) {
            json_decref(legs);
            legs = NULL;
        }
    }
    return legs;
}

/* Fields that are there only when they say something. */
static int add_optional(const struct rky_transfer_report *report, json_t *event)
{
    if (report->recovered && json_object_set_new(event, "recovered", json_true()) != 0)
        return RKY_ERR_NOMEM;
    if (report->commit_unknown && json_object_set_new(event, "commit", json_string("unknown")) != 0)
        return RKY_ERR_NOMEM;
    return 0;
}

json_t *rky_transfer_report_json(const struct rky_transfer_report *report)
{
    bool up = report->kind == RKY_TRANSFER_UPLOAD;
    char at[RKY_TIME_TEXT_MAX];
    rky_time_format(report->at_us, at);
    json_t *event = json_pack(
        "{s:i, s:s, s:s, s:s?, s:s?, s:s?, s:s, s:s, s:s?, s:s?, s:o, s:s, s:o, s:o, s:o, s:o,"
        " s:s?, s:o, s:o, s:o, s:s?, s:o, s:s?, s:o, s:b}",
        "v", 1, "event", up ? "state.upload" : "state.download", "at", at, "worker_id",
        or_null(report->worker_id), "job_id", or_null(report->job_id), "run_id",
        or_null(report->run_id), "namespace", report->namespace_, "outcome",
        rky_outcome_name(report->outcome), "cause", rky_outcome_name(report->cause), "error_class",
        report->error_class, "error", foreign_text(report->error), "backend", report->backend,
        "legs", legs_json(report), "uri", foreign_text(report->uri), "bytes", figure(report->bytes),
        "raw_bytes", figure(report->raw_bytes), "sha256", or_null(report->sha256), "retries",
        figure(report->retries), "duration_ms", figure(report->duration_ms), "generation",
        figure(report->generation), "write_id", or_null(report->write_id), "fence",
        figure(report->fence), "breaker",
        report->has_breaker ? rky_breaker_state_name(report->breaker) : NULL, "budget_left",
        figure(report->budget_left), "unchanged", (int)report->unchanged);
    if (event != NULL && add_optional(report, event) != 0) {
        json_decref(event);
        event = NULL;
    }
    return event;
}
