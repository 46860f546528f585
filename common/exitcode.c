/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From failures to exit codes. A switch without default, so that a new code cannot be forgotten.
 */
#include <config.h>

#include "common/exitcode.h"

#include "common/error.h"

enum rky_exit rky_exit_of_error(int code)
{
    switch ((enum rky_err)code) {
    case RKY_OK:
        return RKY_EXIT_OK;
    case RKY_ERR_USAGE:
        return RKY_EXIT_USAGE;
    case RKY_ERR_CONFIG:
    case RKY_ERR_STATE_FILE:
    case RKY_ERR_UNSUPPORTED:
        return RKY_EXIT_CONFIG;
    case RKY_ERR_LOCKED:
    case RKY_ERR_REFUSED:
    case RKY_ERR_FENCED:
    case RKY_ERR_CONFLICT:
        return RKY_EXIT_REFUSED;
    case RKY_ERR_UNAVAILABLE:
        return RKY_EXIT_UNAVAILABLE;
    case RKY_ERR_INTERRUPTED:
        return RKY_EXIT_INTERRUPTED;
    case RKY_ERR_CANCELLED:
        return RKY_EXIT_CANCELLED;
    case RKY_ERR_DECODE:
    case RKY_ERR_NOMEM:
    case RKY_ERR_IO:
    case RKY_ERR_NOT_FOUND:
    case RKY_ERR_SOURCE_MISSING:
    case RKY_ERR_CONNECTION:
    case RKY_ERR_AUTH:
    case RKY_ERR_QUERY:
    case RKY_ERR_SCHEMA_DRIFT:
    case RKY_ERR_TIMEOUT:
    case RKY_ERR_QUOTA:
    case RKY_ERR_STATE_SYNC:
    case RKY_ERR_BUG:
        return RKY_EXIT_FAILED;
    }
    return RKY_EXIT_FAILED;
}

static int rank_of(enum rky_exit code)
{
    switch (code) {
    case RKY_EXIT_OK:
        return 0;
    case RKY_EXIT_GATE:
        return 1;
    case RKY_EXIT_PARTIAL:
        return 2;
    case RKY_EXIT_REFUSED:
        return 4;
    case RKY_EXIT_CONFIG:
        return 5;
    case RKY_EXIT_CANCELLED:
        return 6;
    case RKY_EXIT_INTERRUPTED:
        return 7;
    case RKY_EXIT_FAILED:
    case RKY_EXIT_DOCTOR_CRITICAL:
    case RKY_EXIT_DEAD_LETTERED:
    case RKY_EXIT_USAGE:
    case RKY_EXIT_UNAVAILABLE:
    case RKY_EXIT_WATCHDOG:
    case RKY_EXIT_WAIT_TIMEOUT:
        return 3;
    }
    return 3;
}

enum rky_exit rky_exit_graver(enum rky_exit a, enum rky_exit b)
{
    return rank_of(b) > rank_of(a) ? b : a;
}
