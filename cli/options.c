/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option and command tables of rocky. Recipe for a new command: one row here, one function in
 * commands.h, one file cmd_NAME.c; then refresh docs/man/rocky.1 (docs/man/refresh).
 */
#include "config.h"

#include "cli/options.h"

#include "cli/commands.h"

/* --- options ------------------------------------------------------------------------------ */

static const struct rky_option globals[] = {
    {"config", 'c', RKY_OPTION_VALUE, "FILE", NULL,
     "read this configuration (default: ./rocky.toml)"},
    {"state-path", 0, RKY_OPTION_VALUE, "FILE", NULL,
     "use this state file, whatever the configuration says"},
    {"namespace", 'n', RKY_OPTION_VALUE, "NAME", NULL,
     "work on this namespace (default: the pipeline's)"},
    {"pipeline", 'p', RKY_OPTION_VALUE, "NAME", NULL,
     "work on this pipeline; needed where the configuration has several"},
    {"output", 'o', RKY_OPTION_VALUE, "FORMAT", "table|json",
     "table for people, json for exactly one object on standard output"},
    {"log-format", 0, RKY_OPTION_VALUE, "FORMAT", "text|json",
     "form of the log lines on standard error (default: text)"},
    {"log-level", 0, RKY_OPTION_VALUE, "LEVEL", "debug|info|warn|error|off",
     "log from this level on (default: warn)"},
    {"quiet", 'q', RKY_OPTION_FLAG, NULL, NULL, "show no progress"},
    {"no-color", 0, RKY_OPTION_FLAG, NULL, NULL,
     "no colours; the environment variable NO_COLOR does the same"},
    {"help", 'h', RKY_OPTION_FLAG, NULL, NULL, "show this help, or that of the command"},
    {"version", 'V', RKY_OPTION_FLAG, NULL, NULL, "show the version"},
    {0},
};

#define FILTER_OPTION                                                              \
    {                                                                              \
        "filter", 'f', RKY_OPTION_LIST, "NAME=VALUE", NULL,                        \
            "only sources whose component NAME is VALUE; repeat to narrow further" \
    }
#define FULL_REFRESH_OPTION                                       \
    {                                                             \
        "full-refresh", 0, RKY_OPTION_FLAG, NULL, NULL,           \
            "copy every table whole, whatever its watermark says" \
    }

static const struct rky_option discover_options[] = {FILTER_OPTION, {0}};

static const struct rky_option plan_options[] = {
    FILTER_OPTION,
    FULL_REFRESH_OPTION,
    {"expires", 0, RKY_OPTION_VALUE, "DURATION", NULL,
     "the plan may be applied this long, e.g. 30m, 1h, 2d (default: 1h)"},
    {0},
};

static const struct rky_option run_options[] = {
    FILTER_OPTION,
    FULL_REFRESH_OPTION,
    {"idempotency-key", 0, RKY_OPTION_VALUE, "KEY", NULL,
     "do nothing when a run with this key has already succeeded"},
    {0},
};

static const struct rky_option table_options[] = {
    {"table", 't', RKY_OPTION_VALUE, "TABLE", NULL, "the table, as catalog.schema.table"},
    {0},
};

static const struct rky_option history_options[] = {
    {"table", 't', RKY_OPTION_VALUE, "TABLE", NULL, "only this table's counts"},
    {"runs", 0, RKY_OPTION_VALUE, "N", NULL, "show this many runs and counts (default: 20)"},
    {0},
};

static const struct rky_option demo_options[] = {
    {"directory", 'd', RKY_OPTION_VALUE, "DIR", NULL,
     "work in this empty or new directory (default: a temporary one)"},
    {"rows", 0, RKY_OPTION_VALUE, "N", NULL,
     "make about this many source rows, 10000 to 20000000 (default: 300000)"},
    {0},
};

/* --- commands ----------------------------------------------------------------------------- */

static const struct rky_command commands[] = {
    {.name = "validate",
     .arguments = "",
     .summary = "check the configuration and list every problem at once",
     .description =
         "Reads the configuration and reports everything that is wrong with it, each with file, "
         "line and column, the missing environment variables included. Touches neither source nor "
         "target.",
     .run = rky_cmd_validate},
    {.name = "discover",
     .arguments = "",
     .summary = "show the source tables and where each would go",
     .description =
         "Lists the sources that match the pipeline's schema pattern: their components, tables, "
         "target names, cursor column and whether an index leads with it; and what is left out "
         "and why.",
     .options = discover_options,
     .run = rky_cmd_discover},
    {.name = "plan",
     .arguments = "",
     .summary = "show what a run would do and keep it for 'apply'",
     .description =
         "Prints for each table the action, the window, the SQL and the warnings, and stores the "
         "plan in the state file under the id it prints last. Writes nothing to the target.",
     .options = plan_options,
     .run = rky_cmd_plan},
    {.name = "apply",
     .arguments = "PLAN_ID",
     .summary = "execute a stored plan, if it still holds",
     .description =
         "Validates the plan again and executes it. A plan that is unknown, expired, tampered "
         "with or already applied, or whose source, target or configuration changed since, is "
         "refused with the list of what differs, and nothing is written.",
     .run = rky_cmd_apply},
    {.name = "run",
     .arguments = "",
     .summary = "plan and apply in one",
     .description =
         "Copies the new rows of every table and records how far it came. With a [queue] section "
         "in the configuration the result and its events are published to Kafka too; when that "
         "fails, a warning says so and the run stands.",
     .options = run_options,
     .run = rky_cmd_run},
    {.name = "state",
     .arguments = "",
     .summary = "show the watermarks",
     .description =
         "Shows for each table the watermark, when it was written, how far it lies behind the "
         "clock, and which of state file and target holds the truth. Never waits for a run that "
         "is under way.",
     .run = rky_cmd_state},
    {.name = "state delete",
     .arguments = "",
     .summary = "forget a table's watermark: its next run is a full refresh",
     .description =
         "Leaves all other tables as they are. The target keeps its rows until the next run "
         "replaces them.",
     .options = table_options,
     .run = rky_cmd_state_delete},
    {.name = "history",
     .arguments = "",
     .summary = "show past runs, row counts and anomalies",
     .options = history_options,
     .run = rky_cmd_history},
    {.name = "history accept",
     .arguments = "",
     .summary = "take a table's newest row count as the new normal",
     .description =
         "The counts before it no longer serve as the baseline, so that a change of level that "
         "was meant stops being reported.",
     .options = table_options,
     .run = rky_cmd_history_accept},
    {.name = "dev broker",
     .arguments = "",
     .summary = "serve an embedded Kafka broker for development",
     .description =
         "Prints its address as the first line and serves until it is interrupted. It keeps "
         "nothing on disk: what was published is gone when it ends.",
     .run = rky_cmd_dev_broker},
    {.name = "demo",
     .arguments = "",
     .summary = "show the whole system at work on this machine",
     .description =
         "Makes a source, starts a broker and two workers, and shows a first run, an incremental "
         "one, a worker killed in the middle of a copy, a job delivered twice and a watermark "
         "deleted, comparing source and target row by row. Everything stays in one directory.",
     .options = demo_options,
     .run = rky_cmd_demo},
    {.name = "dev faults",
     .arguments = "",
     .summary = "list the named fault points",
     .run = rky_cmd_dev_faults,
     .hidden = true},
    {.name = "dev man",
     .arguments = "PROGRAM",
     .summary = "print the generated part of a manual page",
     .run = rky_cmd_dev_man,
     .hidden = true},
    {.name = "dev completion",
     .arguments = "SHELL PROGRAM",
     .summary = "print a completion script",
     .run = rky_cmd_dev_completion,
     .hidden = true},
    {.name = "dev keys",
     .arguments = "",
     .summary = "print the configuration keys for rocky.toml(5)",
     .run = rky_cmd_dev_keys,
     .hidden = true},
    {.name = "dev schema",
     .arguments = "NAME",
     .summary = "print a published JSON Schema",
     .run = rky_cmd_dev_schema,
     .hidden = true},
    {0},
};

const struct rky_program rky_cli_program = {
    .name = "rocky",
    .summary = "replicate tables incrementally and never lose the place",
    .globals = globals,
    .commands = commands,
};
