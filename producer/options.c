/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option and command tables of rocky-producer. main.c acts on them.
 */
#include "config.h"

#include "producer/options.h"

static const struct rky_option globals[] = {
    {"config", 'c', RKY_OPTION_VALUE, "FILE", NULL,
     "read this configuration (default: ./rocky.toml)"},
    {"brokers", 'b', RKY_OPTION_VALUE, "HOST:PORT,...", NULL,
     "enqueue there (default: queue.brokers of the configuration)"},
    {"namespace", 'n', RKY_OPTION_VALUE, "NAME", NULL,
     "the job's namespace (default: the pipeline's)"},
    {"pipeline", 'p', RKY_OPTION_VALUE, "NAME", NULL,
     "the job's pipeline; needed where the configuration has several"},
    {"output", 'o', RKY_OPTION_VALUE, "FORMAT", "table|json",
     "table for people, json for one object per job on standard output"},
    {"log-format", 0, RKY_OPTION_VALUE, "FORMAT", "text|json",
     "form of the log lines on standard error (default: text)"},
    {"log-level", 0, RKY_OPTION_VALUE, "LEVEL", "debug|info|warn|error|off",
     "log from this level on (default: warn)"},
    {"quiet", 'q', RKY_OPTION_FLAG, NULL, NULL, "print nothing but results and errors"},
    {"no-color", 0, RKY_OPTION_FLAG, NULL, NULL,
     "no colours; the environment variable NO_COLOR does the same"},
    {"help", 'h', RKY_OPTION_FLAG, NULL, NULL, "show this help, or that of the command"},
    {"version", 'V', RKY_OPTION_FLAG, NULL, NULL, "show the version"},
    {0},
};

/* What every command takes. */
#define COMMON_OPTIONS                                                                          \
    {                                                                                           \
        "file",                                                                                 \
        0,                                                                                      \
        RKY_OPTION_VALUE,                                                                       \
        "FILE",                                                                                 \
        NULL,                                                                                   \
        "enqueue the jobs of this file, one JSON object per line; - is standard input"},        \
        {"idempotency-key",                                                                     \
         0,                                                                                     \
         RKY_OPTION_VALUE,                                                                      \
         "KEY",                                                                                 \
         NULL,                                                                                  \
         "skip the job when one with this key has already succeeded"},                          \
        {"not-before",                                                                          \
         0,                                                                                     \
         RKY_OPTION_VALUE,                                                                      \
         "TIME",                                                                                \
         NULL,                                                                                  \
         "start not before this time, or so long from now: 2026-11-21T22:00:00Z, 10m"},         \
        {"deadline", 0,    RKY_OPTION_VALUE,                                                    \
         "TIME",     NULL, "do not start after this time, or so long from now"},                \
        {"run-timeout", 0, RKY_OPTION_VALUE, "DURATION", NULL, "stop the run after so long"},   \
        {"wait", 'w',  RKY_OPTION_FLAG,                                                         \
         NULL,   NULL, "wait for the result; the exit status is the job's"},                    \
    {                                                                                           \
        "timeout", 0, RKY_OPTION_VALUE, "DURATION", NULL, "wait at most so long (default: 10m)" \
    }
#define FILTER_OPTIONS                                                                            \
    {"filter",     'f',  RKY_OPTION_LIST,                                                         \
     "NAME=VALUE", NULL, "only sources whose component NAME is VALUE; repeat to narrow further"}, \
    {                                                                                             \
        "full-refresh", 0, RKY_OPTION_FLAG, NULL, NULL,                                           \
            "copy every table whole, whatever its watermark says"                                 \
    }

static const struct rky_option run_options[] = {FILTER_OPTIONS, COMMON_OPTIONS, {0}};
static const struct rky_option plan_options[] = {
    FILTER_OPTIONS,
    {"expires", 0, RKY_OPTION_VALUE, "DURATION", NULL,
     "the plan may be applied this long, e.g. 30m, 1h, 2d (default: 1h)"},
    COMMON_OPTIONS,
    {0},
};
static const struct rky_option apply_options[] = {COMMON_OPTIONS, {0}};

#define FILE_HELP                                                                                \
    " With --file, each line is a job of its own: an object with type, pipeline and namespace, " \
    "and optionally filter, full_refresh, plan_id, expires_seconds, run_timeout_seconds, "       \
    "idempotency_key, not_before and deadline. Every line is checked before the first is "       \
    "enqueued."

static const struct rky_command commands[] = {
    {.name = "run",
     .arguments = "",
     .summary = "enqueue a run: copy the new rows of the pipeline's tables",
     .description = "Puts a job on the queue and prints where it went once the broker has it." //
     FILE_HELP,
     .options = run_options},
    {.name = "plan",
     .arguments = "",
     .summary = "enqueue a plan: work out what a run would do and keep it",
     .description = "The plan's id is in the job's result; with --wait it is printed." //
     FILE_HELP,
     .options = plan_options},
    {.name = "apply",
     .arguments = "[PLAN_ID]",
     .summary = "enqueue the execution of a stored plan",
     .description = "The worker validates the plan again and refuses it, naming what differs, if "
                    "anything it rests on has changed." //
     FILE_HELP,
     .options = apply_options},
    {0},
};

const struct rky_program rky_producer_program = {
    .name = "rocky-producer",
    .summary = "put plan, apply and run jobs on the queue",
    .globals = globals,
    .commands = commands,
};
