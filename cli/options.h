/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of rocky as tables. One row is one command: parsing, --help, rocky.1 and the
 * completions all read these rows.
 */
#ifndef RKY_CLI_OPTIONS_H
#define RKY_CLI_OPTIONS_H

#include "common/option.h"

extern const struct rky_program rky_cli_program;

#endif
