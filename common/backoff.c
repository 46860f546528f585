/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before a retry, and how many retries a run has. Pure arithmetic and one atomic.
 */
#include <config.h>

#include "common/guard.h"

#include <stdatomic.h>

/* min(initial x multiplier^number, maximum), in doubles: a large power is infinite, not negative.
 */
static double ceiling_ms(const struct rky_retry_config *retry, int64_t number)
{
    double maximum = (double)retry->max_backoff_ms;
    double ms = (double)retry->initial_backoff_ms;
    for (int64_t i = 0; i < number && ms > 0 && ms < maximum; i++) {
        double next = ms * retry->backoff_multiplier;
        if (next == ms)
            break;
        ms = next;
    }
    return ms < maximum ? ms : maximum;
}

int64_t rky_backoff_ms(const struct rky_retry_config *retry, int64_t number, int64_t retry_after_ms,
                       double unit)
{
    double ceiling = ceiling_ms(retry, number);
    int64_t ms = (int64_t)(retry->jitter ? ceiling * (0.5 + unit / 2) : ceiling);
    return ms > retry_after_ms ? ms : retry_after_ms;
}

void rky_retry_budget_init(struct rky_retry_budget *budget, int64_t max_retries_per_run)
{
    atomic_init(&budget->left, max_retries_per_run);
}

bool rky_retry_budget_take(struct rky_retry_budget *budget)
{
    int64_t left = atomic_load(&budget->left);
    do {
        if (left < 0)
            return true;
        if (left == 0)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->left, &left, left - 1));
    return true;
}
