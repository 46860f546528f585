/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the manual pages that come from tables: exit codes and configuration keys, in man(7)
 * macros. The option tables print their own part (common/option.h).
 */
#ifndef RKY_CLI_MAN_H
#define RKY_CLI_MAN_H

#include <stdio.h>

#include "cli/programs.h"

/** @brief Section EXIT STATUS of a program. */
void rky_man_exits(const struct rky_program_row *row, FILE *stream);
/** @brief Every key of rocky.toml. */
void rky_man_keys(FILE *stream);

#endif
