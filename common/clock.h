/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, injected. Wall clock (`*_us`, for people and files) and monotonic clock (`mono_ms`, for
 * waiting) are never mixed; `boot_ms` also counts suspend and is what leases use.
 */
#ifndef RKY_COMMON_CLOCK_H
#define RKY_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct rky_clock {
    /** Microseconds since 1970-01-01 UTC. */
    int64_t (*wall_us)(struct rky_clock *clock);
    /** Milliseconds of CLOCK_MONOTONIC. */
    int64_t (*mono_ms)(struct rky_clock *clock);
    /** Milliseconds of CLOCK_BOOTTIME. */
    int64_t (*boot_ms)(struct rky_clock *clock);
};

/** @brief The machine's clock. Borrowed, valid for the life of the process, thread-safe. */
struct rky_clock *rky_clock_real(void);

/** A clock that only moves when told to; all three readings advance together. */
struct rky_fake_clock {
    struct rky_clock base;
    _Atomic int64_t now_us;
    int64_t mono_origin_us;
};

/** @brief Start a fake clock at @p wall_us. */
void rky_fake_clock_init(struct rky_fake_clock *fake, int64_t wall_us);
void rky_fake_clock_advance_ms(struct rky_fake_clock *fake, int64_t ms);

/** A point in monotonic time after which work must not go on. */
struct rky_deadline {
    struct rky_clock *clock;
    int64_t mono_ms; /**< INT64_MAX = never */
};

/** @brief @param timeout_ms from now; negative = never. */
struct rky_deadline rky_deadline_in(struct rky_clock *clock, int64_t timeout_ms);
/** @brief Milliseconds left, 0 when passed, INT64_MAX when it never passes. */
int64_t rky_deadline_left_ms(const struct rky_deadline *deadline);

/** "2026-11-21T10:00:00.000Z" and its terminating NUL. */
#define RKY_TIME_TEXT_MAX 32
/** @brief RFC 3339 UTC with milliseconds. */
void rky_time_format(int64_t wall_us, char ret_text[RKY_TIME_TEXT_MAX]);
/**
 * @brief Read a time as databases and people write it: `YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]]` with
 *        an optional `Z` or `+hh:mm` (none = UTC), or a bare date.
 * @return 0, or RKY_ERR_DECODE (no error object: callers often just want to know).
 */
RKY_MUST_CHECK int rky_time_parse(const char *text, int64_t *ret_wall_us);
/** @brief "90", "90s", "10m", "1h", "7d" to seconds. @return 0 or RKY_ERR_USAGE. */
RKY_MUST_CHECK int rky_duration_parse(const char *text, int64_t *ret_seconds,
                                      struct rky_error *err);

#endif
