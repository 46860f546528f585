/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two programs that exist only as option tables, with every kind of row: one of commands, one that
 * is its own command.
 */
#ifndef RKY_TESTS_UNIT_OPTION_TABLES_H
#define RKY_TESTS_UNIT_OPTION_TABLES_H

#include "common/option.h"

static const struct rky_option OPTION_GLOBALS[] = {
    {"config", 'c', RKY_OPTION_VALUE, "FILE", NULL, "read this configuration"},
    {"output", 'o', RKY_OPTION_VALUE, "FORMAT", "table|json", "how to print: 'table' or json"},
    {"quiet", 'q', RKY_OPTION_FLAG, NULL, NULL, "show no progress"},
    {"help", 'h', RKY_OPTION_FLAG, NULL, NULL, "show this help"},
    {"version", 'V', RKY_OPTION_FLAG, NULL, NULL, "show the version"},
    {0},
};

static const struct rky_option OPTION_RUN[] = {
    {"filter", 'f', RKY_OPTION_LIST, "K=V", NULL, "only these; repeat to narrow further"},
    {"full", 0, RKY_OPTION_FLAG, NULL, NULL,
     "copy every table whole, whatever its watermark says, and take all the time that needs"},
    {0},
};

static const struct rky_option OPTION_APPLY[] = {
    {"quality", 'q', RKY_OPTION_VALUE, "Q", NULL, "hides a letter of the program"},
    {0},
};

static const struct rky_option OPTION_STATE[] = {
    {"all", 'a', RKY_OPTION_FLAG, NULL, NULL, "show all"},
    {0},
};

static const struct rky_option OPTION_DELETE[] = {
    {"table", 't', RKY_OPTION_VALUE, "T", NULL, "which table"},
    {0},
};

static const struct rky_option OPTION_HUSH[] = {
    {"hushhush", 0, RKY_OPTION_VALUE, "FILE", NULL, "nobody shall know"},
    {0},
};

static const struct rky_command OPTION_COMMANDS[] = {
    {.name = "run",
     .arguments = "",
     .summary = "plan and apply in one",
     .description = "Copies the new rows of every table and records how far it came, so that the "
                    "next run goes on there.\n\n.Second paragraph with C:\\path, it's well-made.",
     .options = OPTION_RUN},
    {.name = "apply", .arguments = "PLAN_ID", .summary = "execute a plan", .options = OPTION_APPLY},
    {.name = "state", .arguments = "", .summary = "show the watermarks", .options = OPTION_STATE},
    {.name = "state delete",
     .arguments = "",
     .summary = "forget a table's watermark",
     .options = OPTION_DELETE},
    {.name = "dev broker", .arguments = "", .summary = "serve a broker"},
    {.name = "dev secret",
     .arguments = "",
     .summary = "nobody shall know",
     .options = OPTION_HUSH,
     .hidden = true},
    {.name = "hidden", .arguments = "", .summary = "nobody shall know", .hidden = true},
    {.name = "show", .arguments = "[NAME...]", .summary = "show things"},
    {.name = "show all", .arguments = "", .summary = "show everything"},
    {.name = "load", .arguments = "NAME [FILE]", .summary = "load a file"},
    {.name = "many", .arguments = "NAME...", .summary = "one or more"},
    {.name = "any", .arguments = "[NAME...]", .summary = "none or more"},
    {0},
};

static const struct rky_program OPTION_PROGRAM = {
    .name = "tool",
    .summary = "does what a tool does",
    .globals = OPTION_GLOBALS,
    .commands = OPTION_COMMANDS,
};

static const struct rky_option OPTION_ONCE[] = {
    {"once", 0, RKY_OPTION_FLAG, NULL, NULL, "end when the queue is empty"},
    {0},
};

static const struct rky_command OPTION_DAEMON_COMMANDS[] = {
    {.name = "",
     .arguments = "[FILE]",
     .summary = "unused",
     .description = "Serves until it is told to stop.",
     .options = OPTION_ONCE},
    {.name = "check", .arguments = "", .summary = "check and end"},
    {0},
};

static const struct rky_program OPTION_DAEMON = {
    .name = "daemon",
    .summary = "serves",
    .globals = OPTION_GLOBALS,
    .commands = OPTION_DAEMON_COMMANDS,
};

#endif
