/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One guarded call under a fake clock. Attempts follow a script; waiting advances the clock and is
 * noted. One thread, unless a test starts others.
 */
#ifndef RKY_TESTS_UNIT_GUARD_KIT_H
#define RKY_TESTS_UNIT_GUARD_KIT_H

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/guard.h"

#define SLEEPS_MAX 64
#define TRANSFER_MS 300000

/* How attempts end: one entry each, the last one for all that follow. */
struct script {
    struct rky_attempt attempts[8];
    size_t count;      /* 0 = success at once */
    size_t success_at; /* number of the attempt that succeeds, 0 = none */
    int64_t takes_ms;  /* each */
    int64_t made;
    int64_t last_number;
    atomic_bool *stop_after; /* set by the first attempt */
    bool add_nothing;        /* fail without classification */
};

/** What the test that runs works with; every test has a process of its own. */
extern struct guard_kit {
    struct rky_fake_clock clock;
    struct rky_retry_config config;
    struct rky_breaker *breaker;
    struct rky_leg leg;
    struct rky_transfer transfer;
    struct script script;
    struct rky_error err;
    int64_t sleeps[SLEEPS_MAX];
    size_t sleep_count;
} guard;

/** A fault that is tried again and that the breaker counts. */
extern const struct rky_attempt guard_transient;

/** The transfer's wait: notes the sleep and lets the time pass. */
void guard_advance(void *context, int64_t ms);
/** A transfer that has made no attempt yet. */
void guard_new_transfer(int64_t timeout_ms);
void guard_new_breaker(int64_t threshold, int64_t recovery_ms);
/** The fixture; a test may begin anew with it. */
void guard_setup(void);
void guard_teardown(void);
/** An attempt as the script says. */
int guard_play(void *context, int64_t number, struct rky_transfer *during,
               struct rky_attempt *ret_attempt, struct rky_error *failure);
/** One call with what the world holds. */
int guard_run(void);
/** All attempts end like this. */
void guard_always(struct rky_attempt attempt);
void guard_expect_end(enum rky_guard_end end, int64_t attempts, int64_t retries);
void guard_expect_sleeps(const int64_t *expected, size_t count);

/** The tests of the other files. */
void guard_add_limits(TCase *tcase);

#endif
