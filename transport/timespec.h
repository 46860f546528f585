/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting with a limit on the monotonic clock, as POSIX conditions take it.
 */
#ifndef RKY_TRANSPORT_TIMESPEC_H
#define RKY_TRANSPORT_TIMESPEC_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/** @brief The moment @p ms milliseconds from now on CLOCK_MONOTONIC. */
static inline struct timespec rky_monotonic_in(int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

/** @brief A condition whose timed waits take such moments. Cannot fail on Linux. */
static inline void rky_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

#endif
