/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store put together from parts that are given instead of configured: how tests get the in-memory
 * drivers behind the same guards, tiers and leases that real ones have.
 */
#ifndef RKY_STATE_STORE_INTERNAL_H
#define RKY_STATE_STORE_INTERNAL_H

#include "state/store.h"

/** Drivers without a guard. */
struct rky_store_parts {
    struct rky_remote *durable;
    struct rky_remote *cache;        /**< NULL = the store is not tiered */
    struct rky_lease_driver *leases; /**< NULL = there is no lease */
};
/** @brief As rky_store_new(), whatever backend the configuration names. The parts are the store's
 *         afterwards, also when this fails. */
RKY_MUST_CHECK int rky_store_new_with(const struct rky_store_options *options,
                                      const struct rky_store_parts *parts,
                                      struct rky_store **ret_store, struct rky_error *err);

#endif
