/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state store of a process: what `[state]` of the configuration says, made real. It owns the
 * legs with their breakers, the HTTP client, credentials, the Valkey client, the guarded remote and
 * the leases. One per process, shared by threads; with backend `local` it owns nothing and every
 * getter gives NULL.
 */
#ifndef RKY_STATE_STORE_H
#define RKY_STATE_STORE_H

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "state/lease.h"
#include "state/remote.h"
#include "state/snapshot.h"

struct rky_store;

struct rky_store_options {
    const struct rky_state_config *config; /**< borrowed for the life of the store */
    struct rky_clock *clock;
    struct rky_log *log;
    const char *worker_id; /**< borrowed; written into leases and snapshots */
};
/** @brief Build; no request is made. @return 0; RKY_ERR_CONFIG (URL, key, certificate files);
 *         RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_store_new(const struct rky_store_options *options,
                                 struct rky_store **ret_store, struct rky_error *err);
/** @brief All leases were released. */
void rky_store_free(struct rky_store *store);

const struct rky_state_config *rky_store_config(const struct rky_store *store);
/** @brief The guarded remote of the backend. Borrowed, NULL with `local`. */
struct rky_remote *rky_store_remote(struct rky_store *store);
/** @brief NULL when there is no lease: mode `off`, or a backend without a server for it. */
struct rky_leases *rky_store_leases(struct rky_store *store);
const struct rky_snapshot_key *rky_store_key(const struct rky_store *store);
/** @brief The leg whose breaker an event reports: s3, else valkey. NULL with `local`. */
struct rky_leg *rky_store_main_leg(struct rky_store *store);
/** @brief Close all breakers by hand (SIGHUP). */
void rky_store_reset_breakers(struct rky_store *store);

/** One service behind the backend, for doctor: its driver without guard, and its leg. */
struct rky_store_leg {
    struct rky_remote *remote; /**< borrowed, not guarded */
    struct rky_leg *leg;
};
enum { RKY_STORE_LEGS = 2 };
/** @brief The legs of the backend: 0 to 2. @return their number. */
size_t rky_store_legs(struct rky_store *store, struct rky_store_leg ret_legs[RKY_STORE_LEGS]);
/** @brief The Valkey client, NULL when the backend has none. Borrowed. */
struct rky_valkey *rky_store_valkey(struct rky_store *store);

#endif
