/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object every fallible function of the project fills.
 *
 * A function returns 0 or a negative `enum rky_err`, and on failure fills the caller's `struct
 * rky_error` once: the first failure wins, upper layers only prefix context. Success leaves it
 * untouched. Only the code that saw the fault decides the code and `transient`; nobody matches
 * message text. Messages are lower case, name the object in single quotes, say what was expected
 * and what was found; what to do about it goes into `hint`. A secret never enters either.
 */
#ifndef RKY_COMMON_ERROR_H
#define RKY_COMMON_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#define RKY_MUST_CHECK __attribute__((warn_unused_result))
#define RKY_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/** Why something failed. The name table is in error.c; a test walks every value. */
enum rky_err {
    RKY_OK = 0,
    RKY_ERR_USAGE = -1,      /**< wrong command line, unknown table: exit 64 */
    RKY_ERR_CONFIG = -2,     /**< configuration is wrong: exit 78 */
    RKY_ERR_DECODE = -3,     /**< bytes from outside are not what they should be */
    RKY_ERR_NOMEM = -4,      /**< allocation failed */
    RKY_ERR_IO = -5,         /**< local file or system call failed (sys_errno says which) */
    RKY_ERR_STATE_FILE = -6, /**< state file corrupt, foreign or from a newer version: exit 78 */
    RKY_ERR_LOCKED = -7,     /**< somebody else holds the file, table or lease: exit 4 or retried */
    RKY_ERR_NOT_FOUND = -8,  /**< the named thing does not exist */
    RKY_ERR_REFUSED = -9,    /**< a plan that may not be applied and the like: exit 4 */
    RKY_ERR_FENCED = -10,    /**< a newer claim owns the target: roll back, give the job back */
    RKY_ERR_CONFLICT = -11,  /**< the compared value is not what was read: exit 4 */
    RKY_ERR_SOURCE_MISSING = -12, /**< source database or table is gone */
    RKY_ERR_CONNECTION = -13,     /**< cannot reach a server */
    RKY_ERR_AUTH = -14,           /**< the server refuses who we are */
    RKY_ERR_QUERY = -15,          /**< the engine refuses the statement or its data */
    RKY_ERR_SCHEMA_DRIFT =
        -16,                   /**< source and target columns no longer fit, and policy says stop */
    RKY_ERR_TIMEOUT = -17,     /**< a deadline passed */
    RKY_ERR_QUOTA = -18,       /**< disk full, out of descriptors, throttled */
    RKY_ERR_UNAVAILABLE = -19, /**< a service that is needed does not answer: exit 69 */
    RKY_ERR_INTERRUPTED = -20, /**< a signal asked to stop: exit 130 */
    RKY_ERR_CANCELLED = -21,   /**< somebody cancelled the job: exit 7 */
    RKY_ERR_STATE_SYNC = -22,  /**< remote state could not be transferred */
    RKY_ERR_UNSUPPORTED = -23, /**< valid, but this build cannot serve it */
    RKY_ERR_BUG = -24,         /**< an invariant of ours does not hold */
};

/** Room for a message with two long quoted names. Longer text is cut with "...". */
#define RKY_ERROR_MESSAGE_MAX 768
#define RKY_ERROR_HINT_MAX 512

struct rky_error {
    int code;         /**< enum rky_err, 0 while nothing failed */
    bool transient;   /**< a later attempt may succeed without anyone acting */
    int sys_errno;    /**< errno of the failed call, 0 when none */
    long native_code; /**< SQLite extended code, HTTP status, Kafka code; 0 when none */
    char message[RKY_ERROR_MESSAGE_MAX];
    char hint[RKY_ERROR_HINT_MAX]; /**< what to do, "" when there is nothing better to say */
};

/**
 * @brief Record a failure.
 * @param err   Filled unless it is NULL or already holds a failure (the first one wins).
 * @param code  Not RKY_OK.
 * @return @p code, so that `return rky_fail(...)` reads well.
 */
int rky_fail(struct rky_error *err, enum rky_err code, const char *format, ...) RKY_PRINTF(3, 4);

/** @brief Like rky_fail(), with errno's text appended and kept in sys_errno. ENOSPC, EDQUOT,
 *         EMFILE and ENFILE become RKY_ERR_QUOTA, ENOMEM becomes RKY_ERR_NOMEM. */
int rky_fail_errno(struct rky_error *err, int saved_errno, const char *format, ...)
    RKY_PRINTF(3, 4);

/** @brief Record an allocation failure. @return RKY_ERR_NOMEM. */
int rky_fail_nomem(struct rky_error *err);

/** @brief Say what to do about the failure just recorded. No-op when @p err is NULL or already
 *         has a hint. */
void rky_error_hint(struct rky_error *err, const char *format, ...) RKY_PRINTF(2, 3);

/** @brief Prefix context: "table 'x': " + message. No-op when @p err is NULL or empty. */
void rky_error_wrap(struct rky_error *err, const char *format, ...) RKY_PRINTF(2, 3);

/** @brief Forget a failure so that the object can be used again. */
void rky_error_clear(struct rky_error *err);

/** @brief Short stable name of a code: "config", "fenced", ... Never NULL. */
const char *rky_err_name(int code);

/** Stop on a broken invariant of ours, in release builds too. Never for data from outside. */
#define RKY_ASSERT(condition)                                  \
    do {                                                       \
        if (!(condition))                                      \
            rky_assert_failed(#condition, __FILE__, __LINE__); \
    } while (0)

__attribute__((noreturn)) void rky_assert_failed(const char *condition, const char *file, int line);

#endif
