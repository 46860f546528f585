/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What parsing, help and completions share: walks over the tables and the arguments text.
 */
#ifndef RKY_COMMON_OPTION_INTERNAL_H
#define RKY_COMMON_OPTION_INTERNAL_H

#include "common/option.h"

/** How many arguments the text of a command allows. */
struct rky_arity {
    size_t least;
    size_t most; /**< SIZE_MAX = any number */
};

/** @brief Read "PLAN_ID", "[FILE]", "NAME..." or "". */
struct rky_arity rky_option_arity(const char *arguments);

/** @brief The command that is the program itself, NULL when there is none. */
const struct rky_command *rky_option_main_command(const struct rky_program *program);

/** @brief Whether @p row is "group something". */
bool rky_option_is_under(const struct rky_command *row, const char *group);

/** @brief Whether @p table, which may be NULL, holds no row. */
bool rky_option_table_empty(const struct rky_option *table);

/** @brief What stands for an option's value: its choices or its metavariable. */
const char *rky_option_metavariable(const struct rky_option *option);

#endif
