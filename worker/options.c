/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables of rocky-worker. main.c acts on them.
 */
#include "config.h"

#include "worker/options.h"

static const struct rky_option globals[] = {
    {"config", 'c', RKY_OPTION_VALUE, "FILE", NULL,
     "read this configuration (default: ./rocky.toml)"},
    {"output", 'o', RKY_OPTION_VALUE, "FORMAT", "table|json",
     "with --check: table for people, json for exactly one object on standard output"},
    {"log-format", 0, RKY_OPTION_VALUE, "FORMAT", "text|json",
     "form of the log lines on standard error (default: text)"},
    {"log-level", 0, RKY_OPTION_VALUE, "LEVEL", "debug|info|warn|error|off",
     "log from this level on (default: info)"},
    {"quiet", 'q', RKY_OPTION_FLAG, NULL, NULL, "log warnings and errors only"},
    {"no-color", 0, RKY_OPTION_FLAG, NULL, NULL,
     "no colours; the environment variable NO_COLOR does the same"},
    {"help", 'h', RKY_OPTION_FLAG, NULL, NULL, "show this help"},
    {"version", 'V', RKY_OPTION_FLAG, NULL, NULL, "show the version"},
    {0},
};

static const struct rky_option worker_options[] = {
    {"once", 0, RKY_OPTION_FLAG, NULL, NULL, "drain the queue, then exit"},
    {"check", 0, RKY_OPTION_FLAG, NULL, NULL,
     "only check what a worker needs, say what was checked, then exit"},
    {0},
};

static const struct rky_command commands[] = {
    {.name = "",
     .arguments = "",
     .summary = "take jobs from the queue and run them",
     .description =
         "Joins the consumer group of the configuration, runs the plan, apply and run jobs it is "
         "given, one at a time for each namespace and worker.concurrency at a time in all, and "
         "publishes what came of each. Any number of workers share the queue. SIGTERM and SIGINT "
         "drain it: nothing new is started, jobs stop after the table at work and go back to the "
         "queue; a second signal, or worker.drain_grace_seconds, interrupts the tables too. SIGHUP "
         "closes the circuit breakers of the state store.",
     .options = worker_options},
    {0},
};

const struct rky_program rky_worker_program = {
    .name = "rocky-worker",
    .summary = "take jobs from Kafka and run them",
    .globals = globals,
    .commands = commands,
};
