/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three programs of the project, for manual pages and completions.
 */
#ifndef RKY_CLI_PROGRAMS_H
#define RKY_CLI_PROGRAMS_H

#include "common/error.h"
#include "common/option.h"

struct rky_program_row {
    const struct rky_program *program;
    char letter; /**< by which the table of exit codes knows it */
};

/** @brief By name. @param ret_row borrowed. @return 0 or RKY_ERR_USAGE. */
RKY_MUST_CHECK int rky_program_find(const char *name, const struct rky_program_row **ret_row,
                                    struct rky_error *err);

#endif
