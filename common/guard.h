/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard: one decorator around every call to a remote service. It gives a transfer one wall
 * clock, retries what the driver calls transient with jittered exponential backoff, draws each
 * retry from the run's budget, and asks the leg's circuit breaker before anything is sent.
 *
 * A driver makes one attempt and classifies how it ended (struct rky_attempt); it never sleeps,
 * never retries and knows no policy. A leg is one remote service and lives as long as the process;
 * a transfer is one download or upload and is used by one thread at a time; a budget belongs to a
 * run. Rules and numbers: docs/state.md; each row of the fault table is a test.
 */
#ifndef RKY_COMMON_GUARD_H
#define RKY_COMMON_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/breaker.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"

enum rky_retry {
    RKY_RETRY_NO,
    RKY_RETRY_ONCE, /**< other bytes may come, but not three times */
    RKY_RETRY_FREE, /**< once, at once, not charged: renewed credentials, a learned region */
    RKY_RETRY_YES,
};

/** How one attempt ended, as the driver that made it classifies it. Zeroed = it succeeded. */
struct rky_attempt {
    const char *error_class; /**< static, snake case: "throttled", "permission", ... */
    enum rky_retry retry;
    bool counts;            /**< for the breaker */
    int64_t retry_after_ms; /**< what the server asked for, 0 = nothing */
    bool unapplied; /**< certain that a write did not take effect: nothing was sent, or the server
                       refused it before it looked; false = nobody knows */
};

/** Retries that a whole run may still make, over all its transfers. Shared by threads. */
struct rky_retry_budget {
    _Atomic int64_t left; /**< -1 = unbounded */
};
/** @param max_retries_per_run -1 = unbounded, 0 = no retries. */
void rky_retry_budget_init(struct rky_retry_budget *budget, int64_t max_retries_per_run);
/** @brief Take one. @return false when there is none left. */
bool rky_retry_budget_take(struct rky_retry_budget *budget);

/** One remote service of this process: "s3" or "valkey". */
struct rky_leg {
    const char *name;                     /**< static */
    const struct rky_retry_config *retry; /**< borrowed */
    struct rky_breaker *breaker;          /**< owned by whoever made the leg */
};

/** How a guarded call ended; the names of the outcomes in events follow from it. */
enum rky_guard_end {
    RKY_GUARD_OK,
    RKY_GUARD_TIMEOUT,   /**< the wall clock ended it, or the next sleep would have crossed it */
    RKY_GUARD_EXHAUSTED, /**< max_retries */
    RKY_GUARD_BUDGET,    /**< max_retries_per_run */
    RKY_GUARD_OPEN,      /**< the breaker refused; nothing was sent since */
    RKY_GUARD_ERROR,     /**< a fault that no retry mends */
    RKY_GUARD_STOPPED,   /**< somebody asked to stop */
};
/** @brief "ok", "timeout", "transient_exhausted", "budget_exhausted", "circuit_open", "error",
 *         "interrupted". Static. */
const char *rky_guard_end_name(enum rky_guard_end end);

/** What one leg did within a transfer: a row of the event's `legs`. */
struct rky_leg_report {
    const char *leg;        /**< static */
    enum rky_guard_end end; /**< of its last call */
    bool failed;            /**< its last call did not end RKY_GUARD_OK */
    int64_t attempts, duration_ms, bytes;
};
enum { RKY_TRANSFER_LEGS = 3 };

/** One download or upload. Fill the first part, zero the rest. */
struct rky_transfer {
    struct rky_clock *clock;
    struct rky_deadline deadline;    /**< one wall clock: all attempts, all legs, credentials */
    struct rky_retry_budget *budget; /**< NULL = unbounded */
    const _Atomic bool *stop;        /**< NULL = nobody will ask; else ends waiting at once */
    /** Waits between attempts; NULL = really. Tests advance a fake clock. */
    void (*wait)(void *context, int64_t ms);
    void *wait_context;
    bool no_retries; /**< one attempt per call: a cache is not worth waiting for */

    int64_t retries;        /**< so far, over all legs */
    bool recovered;         /**< the last write was found by reading back, not by its own reply */
    bool unknown;           /**< the last write failed, but may have been applied or still land */
    enum rky_guard_end end; /**< of the last guarded call */
    struct rky_attempt attempt; /**< of the last attempt: its error_class goes to the event */
    struct rky_leg_report legs[RKY_TRANSFER_LEGS];
    size_t leg_count;
};

/**
 * @brief One attempt. @param number from 1 within this guarded call: from 2 on an earlier attempt
 *        may have been applied although it failed.
 * @param transfer for its deadline. @param ret_attempt zeroed by the guard; to be filled on
 * failure.
 * @return 0 or the error, with @p err filled.
 */
typedef int rky_attempt_fn(void *context, int64_t number, struct rky_transfer *transfer,
                           struct rky_attempt *ret_attempt, struct rky_error *err);

/**
 * @brief Make attempts until one succeeds or the rules say stop. transfer->end, ->attempt,
 * ->retries and the leg's report are updated.
 * @param max_retries -1 = the leg's configuration; transfer->no_retries makes it 0.
 * @return 0; else the last attempt's error, or RKY_ERR_STATE_SYNC / RKY_ERR_INTERRUPTED where there
 *         was no attempt; @p err says which rule ended it.
 */
RKY_MUST_CHECK int rky_guard_run(struct rky_leg *leg, struct rky_transfer *transfer,
                                 int64_t max_retries, rky_attempt_fn *fn, void *context,
                                 struct rky_error *err);

/** @brief Sleep before retry number @p number (from 0): drawn from [0.5, 1.0] x min(initial x
 *         multiplier^retry, max), exactly that without jitter; at least @p retry_after_ms.
 *  @param unit in [0, 1). Pure. */
int64_t rky_backoff_ms(const struct rky_retry_config *retry, int64_t number, int64_t retry_after_ms,
                       double unit);

/** @brief Add bytes to the report of a leg. */
void rky_transfer_add_bytes(struct rky_transfer *transfer, const char *leg, int64_t bytes);

#endif
