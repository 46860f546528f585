/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of exit codes. The man pages and the tests read the same numbers.
 */
#ifndef RKY_COMMON_EXITCODE_H
#define RKY_COMMON_EXITCODE_H

enum rky_exit {
    RKY_EXIT_OK = 0,
    RKY_EXIT_FAILED = 1,
    RKY_EXIT_PARTIAL = 2,
    RKY_EXIT_DOCTOR_CRITICAL = 3,
    RKY_EXIT_REFUSED = 4,
    RKY_EXIT_GATE = 5,
    RKY_EXIT_DEAD_LETTERED = 6,
    RKY_EXIT_CANCELLED = 7,
    RKY_EXIT_USAGE = 64,
    RKY_EXIT_UNAVAILABLE = 69,
    RKY_EXIT_WATCHDOG = 75,
    RKY_EXIT_CONFIG = 78,
    RKY_EXIT_WAIT_TIMEOUT = 124,
    RKY_EXIT_INTERRUPTED = 130,
};

/** @brief Exit code of a failed command. @param code enum rky_err. */
enum rky_exit rky_exit_of_error(int code);

/** @brief The graver of two codes: 130 > 7 > 78 > 4 > 1 > 2 > 5 > 0; others rank with 1. */
enum rky_exit rky_exit_graver(enum rky_exit a, enum rky_exit b);

#endif
