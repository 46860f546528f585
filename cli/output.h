/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a command ends: one JSON object or a message with its hint, and an exit code. Whatever leaves
 * here has passed the log's redactor.
 */
#ifndef RKY_CLI_OUTPUT_H
#define RKY_CLI_OUTPUT_H

#include <jansson.h>

#include "cli/context.h"
#include "common/error.h"
#include "common/exitcode.h"

/** @brief A new object with version and command. NULL when memory is out. */
json_t *rky_cli_envelope(const struct rky_cli *cli);
/** @brief Print an object, taken, as one line on standard output. NULL is out of memory. */
RKY_MUST_CHECK int rky_cli_print(json_t *object, struct rky_error *err);
/** @brief Print a line on standard output. */
RKY_MUST_CHECK int rky_cli_print_text(const char *text, struct rky_error *err);
/** @brief The error object of the JSON outputs. NULL when memory is out. */
json_t *rky_cli_error_json(const struct rky_cli *cli, const struct rky_error *err);
/** @brief A JSON string, null for NULL. Text that is no UTF-8 has its bad bytes replaced. */
json_t *rky_cli_text_json(const char *text);
/** @brief Times as the outputs have them; null for 0. */
json_t *rky_cli_time_json(int64_t wall_us);
/** @brief "rocky: message" and its hint on standard error. */
void rky_cli_complain(const struct rky_cli *cli, const struct rky_error *err);
/** @brief End a command that failed: say so on standard error, with --output json on standard
 *         output as well. @return @p code. */
int rky_cli_end_with(const struct rky_cli *cli, const struct rky_error *err, enum rky_exit code);
/** @brief End a command: 0 is success, else as above with the exit code of the failure. */
int rky_cli_end(const struct rky_cli *cli, int rc, const struct rky_error *err);

#endif
