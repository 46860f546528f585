/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before the next attempt: doubled each time up to a most, and jittered, so that
 * workers that failed together do not come back together.
 */
#ifndef RKY_WORKER_BACKOFF_H
#define RKY_WORKER_BACKOFF_H

#include <stdint.h>

#include "common/ids.h"

struct rky_backoff {
    int64_t first_ms, most_ms;
};

/** @brief @param failures so far, from 0. @return from [0.5, 1.0] of the delay, at least 1 ms. */
static inline int64_t rky_requeue_delay_ms(const struct rky_backoff *backoff, int failures)
{
    int64_t delay = backoff->first_ms;
    for (int i = 0; i < failures && delay < backoff->most_ms; i++)
        delay *= 2;
    if (delay > backoff->most_ms)
        delay = backoff->most_ms;
    int64_t jittered = (int64_t)((double)delay * (0.5 + 0.5 * rky_random_unit()));
    return jittered > 0 ? jittered : 1;
}

#endif
