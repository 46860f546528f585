/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of options.c call. Each command prints its own output and its own failure and
 * returns the exit code; the second argument is the `struct rky_cli` of main.c.
 */
#ifndef RKY_CLI_COMMANDS_H
#define RKY_CLI_COMMANDS_H

#include "common/option.h"

typedef int rky_command_fn(const struct rky_parsed *parsed, void *program);

rky_command_fn rky_cmd_validate;
rky_command_fn rky_cmd_discover;
rky_command_fn rky_cmd_plan;
rky_command_fn rky_cmd_apply;
rky_command_fn rky_cmd_run;
rky_command_fn rky_cmd_state;
rky_command_fn rky_cmd_state_delete;
rky_command_fn rky_cmd_state_set;
rky_command_fn rky_cmd_state_adopt;
rky_command_fn rky_cmd_state_export;
rky_command_fn rky_cmd_state_import;
rky_command_fn rky_cmd_state_versions;
rky_command_fn rky_cmd_state_restore;
rky_command_fn rky_cmd_state_unlock;
rky_command_fn rky_cmd_history;
rky_command_fn rky_cmd_history_accept;
rky_command_fn rky_cmd_doctor;
rky_command_fn rky_cmd_dev_broker;
rky_command_fn rky_cmd_demo;

/* For the build and its tests; not shown. */
rky_command_fn rky_cmd_dev_faults;
rky_command_fn rky_cmd_dev_man;
rky_command_fn rky_cmd_dev_completion;
rky_command_fn rky_cmd_dev_keys;
rky_command_fn rky_cmd_dev_schema;

#endif
