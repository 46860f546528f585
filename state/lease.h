/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease of a namespace: who may work on it now. It saves work; it is not what keeps the data
 * right. That is the fence token it hands out, which the target and the snapshot check.
 *
 * A token is greater than any that was handed out before, also when the server forgot: it is at
 * least the floor the caller knows, plus one. A lease is renewed at a third of its time to live by
 * one thread per process with a connection of its own; its deadline counts CLOCK_BOOTTIME from
 * before the renewal was sent, so that a suspended machine knows. *Lost* means a definite answer:
 * somebody else has the key, or nobody. A server that does not answer is not a loss; past the
 * deadline the lease is then *unsure*, and state.lock.mode decides.
 * Drivers: Valkey (lease_valkey.c), S3 (lease_s3.c), memory (lease_memory.c, for tests).
 */
#ifndef RKY_STATE_LEASE_H
#define RKY_STATE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/guard.h"
#include "common/log.h"
#include "state/remote.h"
#include "state/valkey.h"

/** Who holds a lease, as its value says. */
struct rky_lease_holder {
    char worker_id[128], run_id[RKY_UUID_TEXT], nonce[RKY_UUID_TEXT];
    int64_t token;
    int64_t left_ms; /**< until it expires unless it is renewed */
};

struct rky_lease_driver;

/** The seam. Every call is one attempt, classified into transfer->attempt. */
struct rky_lease_ops {
    const char *name; /**< "valkey", "s3", "memory" */
    /** Take when free: token = max(stored fence, floor) + 1 (the stored fence follows). Taking what
     *  @p holder->nonce already has is success with the same token. @return 0 with holder->token;
     *  RKY_ERR_LOCKED with @p ret_other. */
    int (*take)(struct rky_lease_driver *driver, const char *namespace_,
                struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms,
                struct rky_transfer *transfer, struct rky_lease_holder *ret_other,
                struct rky_error *err);
    /** @return 0; RKY_ERR_FENCED when it is no longer this holder's (definite). */
    int (*renew)(struct rky_lease_driver *driver, const char *namespace_,
                 const struct rky_lease_holder *holder, int64_t ttl_ms,
                 struct rky_transfer *transfer, struct rky_error *err);
    /** Still ours? Then raise the stored fence to @p token. @return 0; RKY_ERR_FENCED. */
    int (*raise)(struct rky_lease_driver *driver, const char *namespace_,
                 const struct rky_lease_holder *holder, int64_t token,
                 struct rky_transfer *transfer, struct rky_error *err);
    /** Give it back if it is still this holder's, and tell those who wait. */
    int (*release)(struct rky_lease_driver *driver, const char *namespace_,
                   const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                   struct rky_error *err);
    /** Who has it. @return 0; RKY_ERR_NOT_FOUND (err untouched) when it is free. */
    int (*inspect)(struct rky_lease_driver *driver, const char *namespace_,
                   struct rky_transfer *transfer, struct rky_lease_holder *ret_holder,
                   struct rky_error *err);
    /** Take it away from whoever has it (`rky state unlock`). Compared with @p holder's nonce. */
    int (*break_)(struct rky_lease_driver *driver, const char *namespace_,
                  const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                  struct rky_error *err);
    /** Wait for a release message, at most @p wait_ms, without polling the server. NULL = there is
     *  none, sleep. Returns early when transfer->stop is set. */
    void (*wait)(struct rky_lease_driver *driver, const char *namespace_, int64_t wait_ms,
                 struct rky_transfer *transfer);
    void (*free)(struct rky_lease_driver *driver);
};
struct rky_lease_driver {
    const struct rky_lease_ops *ops;
};

/** @brief Keys `<prefix>{<ns>}:lock` and `:fence`, channel `<prefix>{<ns>}:released`. Borrowed. */
RKY_MUST_CHECK int rky_lease_valkey_new(struct rky_valkey *valkey, const char *prefix,
                                        struct rky_clock *clock,
                                        struct rky_lease_driver **ret_driver,
                                        struct rky_error *err);
/** @brief One object per namespace, conditional PUT; taken over only when it was seen unchanged for
 *         its time to live on our own clock. @param remote borrowed, not guarded. */
RKY_MUST_CHECK int rky_lease_s3_new(struct rky_remote *remote, struct rky_clock *clock,
                                    struct rky_lease_driver **ret_driver, struct rky_error *err);
RKY_MUST_CHECK int rky_lease_memory_new(struct rky_clock *clock,
                                        struct rky_lease_driver **ret_driver,
                                        struct rky_error *err);

/* --- leases of this process ------------------------------------------------------------------- */

struct rky_leases;
struct rky_lease;

struct rky_leases_options {
    struct rky_lease_driver *driver; /**< owned afterwards */
    struct rky_leg *leg;             /**< borrowed: guard of its calls */
    int64_t ttl_ms;
    const char *worker_id; /**< borrowed */
    struct rky_clock *clock;
    struct rky_log *log;
};
/** @brief The renewing thread starts with the first lease. */
RKY_MUST_CHECK int rky_leases_new(const struct rky_leases_options *options,
                                  struct rky_leases **ret_leases, struct rky_error *err);
/** @brief Joins the thread. All leases were released. */
void rky_leases_free(struct rky_leases *leases);

/**
 * @brief Take the lease of a namespace, waiting for another holder at most @p wait_ms (0 = one
 *        try): on its release message or a jittered timer, never in a storm.
 * @param floor greatest token known to have been used. @param transfer bounds the calls.
 * @return 0; RKY_ERR_LOCKED naming the holder; RKY_ERR_STATE_SYNC or what the driver says when the
 *         server does not answer (the caller decides by state.lock.mode); RKY_ERR_INTERRUPTED.
 */
RKY_MUST_CHECK int rky_lease_take(struct rky_leases *leases, const char *namespace_,
                                  const char *run_id, int64_t floor, int64_t wait_ms,
                                  struct rky_transfer *transfer, struct rky_lease **ret_lease,
                                  struct rky_error *err);
int64_t rky_lease_token(const struct rky_lease *lease);

enum rky_lease_state {
    RKY_LEASE_HELD,
    RKY_LEASE_UNSURE, /**< past its deadline, the server does not answer */
    RKY_LEASE_LOST,   /**< definite: no further commit, no upload */
};
/** @brief No request; asks what the renewer knows and the clock. Any thread. */
enum rky_lease_state rky_lease_state(struct rky_lease *lease);
/** @brief "Still ours? Raise the floor", asked of the server now. @return 0; RKY_ERR_FENCED when
 *         lost; what the driver says when the server does not answer. */
RKY_MUST_CHECK int rky_lease_raise(struct rky_lease *lease, int64_t token,
                                   struct rky_transfer *transfer, struct rky_error *err);
/** @brief Give back and free. Best effort, bounded by two seconds. NULL is fine. */
void rky_lease_release(struct rky_lease *lease);
/** @brief For `rocky state unlock` and doctor. */
struct rky_lease_driver *rky_leases_driver(struct rky_leases *leases);
struct rky_leg *rky_leases_leg(struct rky_leases *leases);

#endif
