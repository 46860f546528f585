/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results and plans as tables for people, made from the same JSON that --output json prints.
 */
#ifndef RKY_CLI_REPORT_H
#define RKY_CLI_REPORT_H

#include <jansson.h>

#include "cli/context.h"
#include "common/error.h"

/** @brief Result of a run or apply: one line per table, what went wrong, a summary. */
RKY_MUST_CHECK int rky_cli_report_result(const struct rky_cli *cli, const json_t *result,
                                         const char *told, struct rky_error *err);
/** @brief A plan: per table action, window, rows, SQL and warnings; the id last. */
RKY_MUST_CHECK int rky_cli_report_plan(const struct rky_cli *cli, const json_t *plan,
                                       struct rky_error *err);

/** @brief Members of an object with a fallback for what is missing or of another type. */
const char *rky_member_text(const json_t *object, const char *name, const char *fallback);
int64_t rky_member_integer(const json_t *object, const char *name);

#endif
