/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker of one remote service: after `threshold` countable failures in a row nothing
 * is sent any more until the recovery time has passed; then exactly one probe decides.
 *
 * closed -> open -> half-open -> closed or open. A probe's permit expires with its own deadline, so
 * that a probe that never comes back cannot hold the breaker half-open. Consecutive counting,
 * because traffic is low. Thread-safe; refusing costs no system call beyond the clock.
 */
#ifndef RKY_COMMON_BREAKER_H
#define RKY_COMMON_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"

struct rky_breaker;

enum rky_breaker_state { RKY_BREAKER_CLOSED, RKY_BREAKER_OPEN, RKY_BREAKER_HALF_OPEN };

/** @param threshold failures in a row that open it, 0 = never. @param recovery_ms until a probe is
 *         let through, 0 = only rky_breaker_reset() closes it. @return owned, NULL = no memory. */
struct rky_breaker *rky_breaker_new(int64_t threshold, int64_t recovery_ms,
                                    struct rky_clock *clock);
void rky_breaker_free(struct rky_breaker *breaker);

/** What an admitted caller hands back with its verdict; 0 = refused. */
typedef uint64_t rky_breaker_permit;
/** @brief May one attempt be made now? @param probe_ms how long a probe may take before its permit
 *         expires. @return a permit, 0 when the breaker is open. */
rky_breaker_permit rky_breaker_admit(struct rky_breaker *breaker, int64_t probe_ms);

enum rky_breaker_verdict {
    RKY_VERDICT_SUCCESS, /**< the service answered as it should */
    RKY_VERDICT_FAILURE, /**< a countable failure */
    RKY_VERDICT_NEUTRAL, /**< says nothing about the service's health (404, 412, we stopped) */
};
/** @brief How the admitted attempt ended. A verdict on an expired permit is ignored. */
void rky_breaker_report(struct rky_breaker *breaker, rky_breaker_permit permit,
                        enum rky_breaker_verdict verdict);

/** @brief How long nothing will be let through. @return ms, 0 = it is not open, INT64_MAX = until
 *         rky_breaker_reset(). */
int64_t rky_breaker_wait_ms(struct rky_breaker *breaker);

enum rky_breaker_state rky_breaker_state(struct rky_breaker *breaker);
/** @brief "closed", "open", "half-open". Static. */
const char *rky_breaker_state_name(enum rky_breaker_state state);
/** @brief Close it by hand (SIGHUP). */
void rky_breaker_reset(struct rky_breaker *breaker);

#endif
