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

#define YES_OPTION                                                                                \
    {                                                                                             \
        "yes", 'y', RKY_OPTION_FLAG, NULL, NULL, "do it; without, only what would happen is said" \
    }

static const struct rky_option set_options[] = {
    {"table", 't', RKY_OPTION_VALUE, "TABLE", NULL, "the table, as catalog.schema.table"},
    {"value", 0, RKY_OPTION_VALUE, "VALUE", NULL,
     "the watermark, written as the cursor column has it"},
    YES_OPTION,
    {0},
};

static const struct rky_option adopt_options[] = {
    {"table", 't', RKY_OPTION_VALUE, "TABLE", NULL, "take over this table, catalog.schema.table"},
    {"lineage", 0, RKY_OPTION_FLAG, NULL, NULL,
     "make the targets follow the state of this configuration"},
    YES_OPTION,
    {0},
};

static const struct rky_option export_options[] = {
    {"file", 0, RKY_OPTION_VALUE, "FILE", NULL, "write to this file (default: standard output)"},
    {"format", 0, RKY_OPTION_VALUE, "FORMAT", "snapshot|sqlite",
     "snapshot as it is uploaded, or the plain SQLite file (default: snapshot)"},
    {0},
};

static const struct rky_option import_options[] = {
    {"file", 0, RKY_OPTION_VALUE, "FILE", NULL, "a file that 'rocky state export' wrote"},
    YES_OPTION,
    {0},
};

static const struct rky_option restore_options[] = {
    {"generation", 0, RKY_OPTION_VALUE, "N", NULL, "the version to go back to"},
    {"write-id", 0, RKY_OPTION_VALUE, "ID", NULL,
     "tells two versions of one generation apart; its first eight characters"},
    YES_OPTION,
    {0},
};

static const struct rky_option unlock_options[] = {YES_OPTION, {0}};

static const struct rky_option doctor_options[] = {
    {"check", 0, RKY_OPTION_LIST, "NAME", NULL,
     "only this check; repeat for several: config, state, state_schema, adapters, pipelines, "
     "state_rw, lock, queue, clock"},
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
         "clock, and which of ledger and target holds the truth; below that the generation, the "
         "lineage, where the state is and who holds its lease. Never waits for a run that is "
         "under way.",
     .run = rky_cmd_state},
    {.name = "state delete",
     .arguments = "",
     .summary = "forget a table's watermark: its next run is a full refresh",
     .description =
         "Leaves all other tables as they are. The target keeps its rows until the next run "
         "replaces them.",
     .options = table_options,
     .run = rky_cmd_state_delete},
    {.name = "state set",
     .arguments = "",
     .summary = "move a table's watermark",
     .description =
         "Writes the watermark into the target, where the next run reads it. Backwards, the next "
         "run examines what lies behind the new value and copies what the target lacks. "
         "Forwards, the rows between are never copied: that needs --yes, and says how many.",
     .options = set_options,
     .run = rky_cmd_state_set},
    {.name = "state adopt",
     .arguments = "",
     .summary = "take over a table, or the lineage of the targets",
     .description =
         "With --table: a table of another namespace passes to this one with its watermark; a "
         "target table that nobody manages gets one at its greatest cursor value. With "
         "--lineage: the targets follow the state that this configuration names, where they "
         "followed another. Both need --yes.",
     .options = adopt_options,
     .run = rky_cmd_state_adopt},
    {.name = "state export",
     .arguments = "",
     .summary = "write the state to a file",
     .description = "Reads only and never waits. A snapshot carries checksums and, with "
                    "state.encryption_key, is sealed.",
     .options = export_options,
     .run = rky_cmd_state_export},
    {.name = "state import",
     .arguments = "",
     .summary = "bring history and plans of an exported state back",
     .description =
         "Verifies all of the file before a byte is trusted. History and plans are replaced; "
         "jobs, tombstones and the audit trail are united; the watermarks follow the target. "
         "Needs --yes where there is a state already.",
     .options = import_options,
     .run = rky_cmd_state_import},
    {.name = "state versions",
     .arguments = "",
     .summary = "list the older versions that the backend keeps",
     .run = rky_cmd_state_versions},
    {.name = "state restore",
     .arguments = "",
     .summary = "bring history and plans of an older version back",
     .description =
         "As an import, from one of the versions that 'rocky state versions' lists. The result is "
         "a new generation; nothing in the target goes back. Needs --yes.",
     .options = restore_options,
     .run = rky_cmd_state_restore},
    {.name = "state unlock",
     .arguments = "",
     .summary = "show who holds the lease, and with --yes take it away",
     .description =
         "For a lease whose holder is known to be gone: it ends by itself, this only saves the "
         "wait. A holder that still lives is shut out. The lock of a process of this machine is "
         "shown and never broken.",
     .options = unlock_options,
     .run = rky_cmd_state_unlock},
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
    {.name = "doctor",
     .arguments = "",
     .summary = "check everything that a run needs",
     .description =
         "Configuration, state, adapters, the right to read and write on every leg of the "
         "backend, whether its conditional writes are atomic, the lease, the queue and the "
         "clocks; each with what was found and what to do. Leaves nothing behind. Ends with 3 "
         "when a check is critical.",
     .options = doctor_options,
     .run = rky_cmd_doctor},
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
