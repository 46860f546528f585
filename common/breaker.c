/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker: counting, opening, and the one probe.
 *
 * Every change of state begins a new epoch, and a permit is the epoch it was given in: a verdict
 * that comes late, from before the change, finds another epoch and is ignored. While half-open an
 * epoch is one probe; when its time is up the next caller begins another. One mutex, held for a few
 * instructions; callers may come from any thread.
 */
#include <config.h>

#include "common/breaker.h"

#include <pthread.h>

#include "common/mem.h"

struct rky_breaker {
    struct rky_clock *clock;
    int64_t threshold, recovery_ms;

    pthread_mutex_t mutex; /* guards all below */
    enum rky_breaker_state state;
    uint64_t epoch;         /* never 0: that is the permit of who was refused */
    int64_t failures;       /* in a row, while closed */
    int64_t opened_at_ms;   /* while open */
    bool probing;           /* half-open: a probe is on its way ... */
    int64_t probe_until_ms; /* ... and its permit holds until then */
};

struct rky_breaker *rky_breaker_new(int64_t threshold, int64_t recovery_ms, struct rky_clock *clock)
{
    struct rky_breaker *breaker = rky_calloc(1, sizeof(*breaker));
    if (breaker == NULL)
        return NULL;
    breaker->clock = clock;
    breaker->threshold = threshold;
    breaker->recovery_ms = recovery_ms;
    breaker->epoch = 1;
    (void)pthread_mutex_init(&breaker->mutex, NULL);
    return breaker;
}

void rky_breaker_free(struct rky_breaker *breaker)
{
    if (breaker == NULL)
        return;
    (void)pthread_mutex_destroy(&breaker->mutex);
    rky_free(breaker);
}

static void enter(struct rky_breaker *breaker, enum rky_breaker_state state)
{
    breaker->state = state;
    breaker->epoch++;
    breaker->failures = 0;
    breaker->probing = false;
}

/* Under the mutex, not closed. */
static rky_breaker_permit admit_probe(struct rky_breaker *breaker, int64_t probe_ms)
{
    int64_t now = breaker->clock->mono_ms(breaker->clock);
    if (breaker->state == RKY_BREAKER_OPEN) {
        if (breaker->recovery_ms == 0 || now - breaker->opened_at_ms < breaker->recovery_ms)
            return 0;
        enter(breaker, RKY_BREAKER_HALF_OPEN);
    } else if (breaker->probing && now < breaker->probe_until_ms) {
        return 0;
    } else if (breaker->probing) {
        breaker->epoch++;
    }
    breaker->probing = true;
    if (__builtin_add_overflow(now, probe_ms, &breaker->probe_until_ms))
        breaker->probe_until_ms = INT64_MAX;
    return breaker->epoch;
}

rky_breaker_permit rky_breaker_admit(struct rky_breaker *breaker, int64_t probe_ms)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    rky_breaker_permit permit =
        breaker->state == RKY_BREAKER_CLOSED ? breaker->epoch : admit_probe(breaker, probe_ms);
    (void)pthread_mutex_unlock(&breaker->mutex);
    return permit;
}

static void open_it(struct rky_breaker *breaker)
{
    enter(breaker, RKY_BREAKER_OPEN);
    breaker->opened_at_ms = breaker->clock->mono_ms(breaker->clock);
}

/* Under the mutex, while closed. */
static void count(struct rky_breaker *breaker, enum rky_breaker_verdict verdict)
{
    if (verdict == RKY_VERDICT_SUCCESS)
        breaker->failures = 0;
    else if (verdict == RKY_VERDICT_FAILURE && breaker->threshold > 0 &&
             ++breaker->failures >= breaker->threshold)
        open_it(breaker);
}

/* Under the mutex: what the probe found. */
static void judge_probe(struct rky_breaker *breaker, enum rky_breaker_verdict verdict)
{
    if (breaker->clock->mono_ms(breaker->clock) >= breaker->probe_until_ms)
        return;
    if (verdict == RKY_VERDICT_SUCCESS) {
        enter(breaker, RKY_BREAKER_CLOSED);
    } else if (verdict == RKY_VERDICT_FAILURE) {
        open_it(breaker);
    } else {
        /* It found nothing out: the next caller is the probe. */
        breaker->epoch++;
        breaker->probing = false;
    }
}

void rky_breaker_report(struct rky_breaker *breaker, rky_breaker_permit permit,
                        enum rky_breaker_verdict verdict)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    if (permit == breaker->epoch) {
        if (breaker->state == RKY_BREAKER_CLOSED)
            count(breaker, verdict);
        else if (breaker->state == RKY_BREAKER_HALF_OPEN && breaker->probing)
            judge_probe(breaker, verdict);
    }
    (void)pthread_mutex_unlock(&breaker->mutex);
}

int64_t rky_breaker_wait_ms(struct rky_breaker *breaker)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    int64_t left = 0;
    if (breaker->state == RKY_BREAKER_OPEN && breaker->recovery_ms == 0)
        left = INT64_MAX;
    else if (breaker->state == RKY_BREAKER_OPEN)
        left =
            breaker->opened_at_ms + breaker->recovery_ms - breaker->clock->mono_ms(breaker->clock);
    (void)pthread_mutex_unlock(&breaker->mutex);
    return left > 0 ? left : 0;
}

enum rky_breaker_state rky_breaker_state(struct rky_breaker *breaker)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    enum rky_breaker_state state = breaker->state;
    (void)pthread_mutex_unlock(&breaker->mutex);
    return state;
}

const char *rky_breaker_state_name(enum rky_breaker_state state)
{
    static const char *const names[] = {[RKY_BREAKER_CLOSED] = "closed",
                                        [RKY_BREAKER_OPEN] = "open",
                                        [RKY_BREAKER_HALF_OPEN] = "half-open"};
    return names[state];
}

void rky_breaker_reset(struct rky_breaker *breaker)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    enter(breaker, RKY_BREAKER_CLOSED);
    (void)pthread_mutex_unlock(&breaker->mutex);
}
