/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker needs before it can work: sources, targets, a place for state, a broker, topics.
 */
#ifndef RKY_WORKER_CHECK_H
#define RKY_WORKER_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "transport/transport.h"

struct rky_check_env {
    const struct rky_config *config;
    struct rky_transport *transport;
    struct rky_clock *clock;
    struct rky_log *log;
    int64_t broker_timeout_ms;
    /** Called once per check, in order. @p err code 0 = in order. */
    void (*report)(void *context, const char *name, const char *message, int64_t duration_ms,
                   const struct rky_error *err);
    void *context;
};

/** @brief All checks, also after one failed. @return 0, or the code of the first failure. */
RKY_MUST_CHECK int rky_worker_check(const struct rky_check_env *env, struct rky_error *err);

/** @brief state.local_dir exists and can be written. */
RKY_MUST_CHECK int rky_check_local_dir(const struct rky_config *config, struct rky_error *err);
/** @brief Each pipeline's adapters can be opened. */
RKY_MUST_CHECK int rky_check_adapters(const struct rky_config *config, struct rky_error *err);

#endif
