/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's loop: ask the breaker, make one attempt, tell the breaker, decide whether another
 * one follows. What must stay true: an attempt is made only with a permit and before the wall
 * clock ends; a retry is paid for before it is made; the first rule that says stop names the end.
 * Refusing takes no memory and no system call beyond reading the clock.
 */
#include <config.h>

#include "common/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "common/ids.h"

/* How long an attempt without a deadline may hold the breaker half-open. */
#define UNBOUNDED_PROBE_MS 300000
/* A stop is seen this soon while waiting. */
#define WAIT_SLICE_MS 20

/* One guarded call. */
struct call {
    struct rky_leg *leg;
    struct rky_transfer *transfer;
    int64_t max_retries;
    int64_t number;  /* of the attempt that is or was made */
    int64_t retries; /* that were paid for and made */
    bool paid;       /* for the attempt that comes next */
    bool once_used, free_used;
};

const char *rky_guard_end_name(enum rky_guard_end end)
{
    static const char *const names[] = {
        [RKY_GUARD_OK] = "ok",
        [RKY_GUARD_TIMEOUT] = "timeout",
        [RKY_GUARD_EXHAUSTED] = "transient_exhausted",
        [RKY_GUARD_BUDGET] = "budget_exhausted",
        [RKY_GUARD_OPEN] = "circuit_open",
        [RKY_GUARD_ERROR] = "error",
        [RKY_GUARD_STOPPED] = "interrupted",
    };
    return names[end];
}

static struct rky_leg_report *report_of(struct rky_transfer *transfer, const char *leg)
{
    for (size_t i = 0; i < transfer->leg_count; i++)
        if (strcmp(transfer->legs[i].leg, leg) == 0)
            return &transfer->legs[i];
    RKY_ASSERT(transfer->leg_count < RKY_TRANSFER_LEGS);
    struct rky_leg_report *report = &transfer->legs[transfer->leg_count++];
    *report = (struct rky_leg_report){.leg = leg};
    return report;
}

void rky_transfer_add_bytes(struct rky_transfer *transfer, const char *leg, int64_t bytes)
{
    report_of(transfer, leg)->bytes += bytes;
}

static bool stopping(const struct rky_transfer *transfer)
{
    return transfer->stop != NULL && *transfer->stop;
}

static void really_wait(const struct rky_transfer *transfer, int64_t ms)
{
    while (ms > 0 && !stopping(transfer)) {
        int64_t slice = ms < WAIT_SLICE_MS ? ms : WAIT_SLICE_MS;
        struct timespec left = {.tv_sec = (time_t)(slice / 1000),
                                .tv_nsec = (long)(slice % 1000) * 1000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR && !stopping(transfer))
            ;
        ms -= slice;
    }
}

static void wait_ms(const struct rky_transfer *transfer, int64_t ms)
{
    if (transfer->wait != NULL)
        transfer->wait(transfer->wait_context, ms);
    else
        really_wait(transfer, ms);
}

static enum rky_breaker_verdict verdict_of(int rc, const struct rky_attempt *attempt)
{
    if (rc == 0)
        return RKY_VERDICT_SUCCESS;
    return attempt->counts ? RKY_VERDICT_FAILURE : RKY_VERDICT_NEUTRAL;
}

/* Whether max_retries and the fault's own limit leave another attempt. */
static bool retries_left(struct call *call, const struct rky_attempt *attempt,
                         enum rky_guard_end *ret_end)
{
    if (attempt->retry == RKY_RETRY_FREE)
        return true;
    if (call->retries >= call->max_retries ||
        (attempt->retry == RKY_RETRY_ONCE && call->once_used)) {
        *ret_end = RKY_GUARD_EXHAUSTED;
        return false;
    }
    return true;
}

/* Pay for a retry and wait for its time. */
static bool prepare_charged(struct call *call, const struct rky_attempt *attempt,
                            enum rky_guard_end *ret_end)
{
    struct rky_transfer *transfer = call->transfer;
    const struct rky_retry_config *config = call->leg->retry;
    int64_t ms = rky_backoff_ms(config, call->retries, attempt->retry_after_ms,
                                config->jitter ? rky_random_unit() : 0);
    if (ms >= rky_deadline_left_ms(&transfer->deadline)) {
        *ret_end = RKY_GUARD_TIMEOUT;
        return false;
    }
    if (transfer->budget != NULL && !rky_retry_budget_take(transfer->budget)) {
        *ret_end = RKY_GUARD_BUDGET;
        return false;
    }
    call->paid = true;
    call->once_used = call->once_used || attempt->retry == RKY_RETRY_ONCE;
    wait_ms(transfer, ms);
    return true;
}

/* After a failed attempt: whether another one follows; @p ret_end says why not. The order is the
 * order of what to tell the user: what is broken for good before what is merely used up. */
static bool another(struct call *call, const struct rky_attempt *attempt,
                    enum rky_guard_end *ret_end)
{
    if (attempt->retry == RKY_RETRY_NO || (attempt->retry == RKY_RETRY_FREE && call->free_used)) {
        *ret_end = RKY_GUARD_ERROR;
        return false;
    }
    if (stopping(call->transfer)) {
        *ret_end = RKY_GUARD_STOPPED;
        return false;
    }
    if (rky_deadline_left_ms(&call->transfer->deadline) == 0) {
        *ret_end = RKY_GUARD_TIMEOUT;
        return false;
    }
    if (!retries_left(call, attempt, ret_end))
        return false;
    if (rky_breaker_state(call->leg->breaker) == RKY_BREAKER_OPEN) {
        *ret_end = RKY_GUARD_OPEN;
        return false;
    }
    if (attempt->retry == RKY_RETRY_FREE) {
        call->free_used = true;
        return true;
    }
    return prepare_charged(call, attempt, ret_end);
}

/* A permit for the next attempt, or 0 and why there is none. */
static rky_breaker_permit admit(struct call *call, enum rky_guard_end *ret_end)
{
    struct rky_transfer *transfer = call->transfer;
    if (stopping(transfer)) {
        *ret_end = RKY_GUARD_STOPPED;
        return 0;
    }
    int64_t left_ms = rky_deadline_left_ms(&transfer->deadline);
    if (left_ms == 0) {
        *ret_end = RKY_GUARD_TIMEOUT;
        return 0;
    }
    *ret_end = RKY_GUARD_OPEN;
    return rky_breaker_admit(call->leg->breaker,
                             left_ms == INT64_MAX ? UNBOUNDED_PROBE_MS : left_ms);
}

/* The error of a call that was ended before its first attempt. */
static int fail_unsent(const struct call *call, enum rky_guard_end end, struct rky_error *err)
{
    const char *leg = call->leg->name;
    if (end == RKY_GUARD_STOPPED)
        return rky_fail(err, RKY_ERR_INTERRUPTED, "asked to stop before '%s' was called", leg);
    if (end == RKY_GUARD_TIMEOUT)
        return rky_fail(err, RKY_ERR_STATE_SYNC,
                        "the time of the transfer was over before '%s' was called", leg);
    (void)rky_fail(err, RKY_ERR_STATE_SYNC,
                   "the circuit breaker of '%s' is open after repeated failures: nothing was sent",
                   leg);
    if (err != NULL)
        err->transient = true;
    return RKY_ERR_STATE_SYNC;
}

/* Say which rule ended the attempts. */
static void explain(const struct call *call, enum rky_guard_end end, struct rky_error *err)
{
    const char *const reasons[] = {
        [RKY_GUARD_TIMEOUT] = "no time left",
        [RKY_GUARD_EXHAUSTED] = "max_retries used up",
        [RKY_GUARD_BUDGET] = "max_retries_per_run used up",
        [RKY_GUARD_OPEN] = "circuit breaker opened",
        [RKY_GUARD_STOPPED] = "asked to stop",
    };
    /* Where one attempt is all there is no rule of the user's ended it. */
    bool only_one = call->transfer->no_retries && end == RKY_GUARD_EXHAUSTED;
    if (end != RKY_GUARD_ERROR && !only_one)
        rky_error_wrap(err, "%s, %s after %" PRId64 " attempt%s", call->leg->name, reasons[end],
                       call->number, call->number == 1 ? "" : "s");
}

/* Attempts until one succeeds or a rule ends them. */
static int make_attempts(struct call *call, rky_attempt_fn *fn, void *context,
                         enum rky_guard_end *ret_end, struct rky_error *err)
{
    struct rky_transfer *transfer = call->transfer;
    struct rky_error failure = {0};
    int rc = 0;
    for (;;) {
        rky_breaker_permit permit = admit(call, ret_end);
        if (permit == 0) {
            if (call->number == 0)
                return fail_unsent(call, *ret_end, err);
            break;
        }
        struct rky_attempt attempt = {0};
        rky_error_clear(&failure);
        call->number++;
        call->retries += call->paid ? 1 : 0;
        call->paid = false;
        rc = fn(context, call->number, transfer, &attempt, &failure);
        if (rc == 0)
            attempt = (struct rky_attempt){0};
        transfer->attempt = attempt;
        rky_breaker_report(call->leg->breaker, permit, verdict_of(rc, &attempt));
        if (rc == 0) {
            *ret_end = RKY_GUARD_OK;
            return 0;
        }
        if (!another(call, &attempt, ret_end))
            break;
    }
    explain(call, *ret_end, &failure);
    if (err != NULL && err->code == RKY_OK)
        *err = failure;
    return rc;
}

int rky_guard_run(struct rky_leg *leg, struct rky_transfer *transfer, int64_t max_retries,
                  rky_attempt_fn *fn, void *context, struct rky_error *err)
{
    struct call call = {
        .leg = leg,
        .transfer = transfer,
        .max_retries = transfer->no_retries ? 0
                       : max_retries < 0    ? leg->retry->max_retries
                                            : max_retries,
    };
    int64_t began_ms = transfer->clock->mono_ms(transfer->clock);
    enum rky_guard_end end = RKY_GUARD_OK;
    transfer->attempt = (struct rky_attempt){0};
    int rc = make_attempts(&call, fn, context, &end, err);

    transfer->end = end;
    transfer->retries += call.retries;
    struct rky_leg_report *report = report_of(transfer, leg->name);
    report->end = end;
    report->failed = end != RKY_GUARD_OK;
    report->attempts += call.number;
    report->duration_ms += transfer->clock->mono_ms(transfer->clock) - began_ms;
    return rc;
}
