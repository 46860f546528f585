/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the main() of rocky-worker and rocky-producer do alike: parse the command line, answer
 * --help and --version, set up the log, load the configuration, end with one message and one exit
 * code. Used by the main thread.
 */
#ifndef RKY_COMMON_FRAME_H
#define RKY_COMMON_FRAME_H

#include <jansson.h>
#include <stdbool.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "common/option.h"

struct rky_frame {
    const struct rky_program *program;
    struct rky_parsed parsed;
    const char *command; /**< as the outputs show it, NULL while unknown */
    bool json, quiet;
    struct rky_clock *clock;
    struct rky_log *log; /**< NULL until the command line was understood */
    struct rky_config *config;
    struct rky_problems problems;
};

/** @brief Parse, and answer what asks for no work.
 *  @return -1 = go on; else the exit code to end with. */
RKY_MUST_CHECK int rky_frame_begin(struct rky_frame *frame, const struct rky_program *program,
                                   int argc, char **argv, enum rky_log_level log_level);
/** @brief Load --config (default ./rocky.toml); every problem goes to standard error. */
RKY_MUST_CHECK int rky_frame_load(struct rky_frame *frame, struct rky_error *err);
/** @brief Say what failed: on standard error, and as a JSON object with --output json.
 *  @return the exit code of the failure. */
int rky_frame_fail(const struct rky_frame *frame, const struct rky_error *err);
/** @brief `error {code, message, hint}` of the JSON outputs, redacted. NULL when memory is out. */
json_t *rky_frame_error_json(const struct rky_frame *frame, const struct rky_error *err);
/** @brief Print one JSON object, taken, as a line on standard output. NULL = memory is out. */
RKY_MUST_CHECK int rky_frame_print(json_t *object, struct rky_error *err);
void rky_frame_done(struct rky_frame *frame);

#endif
