/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every lease driver must do: one suite, run against memory, Valkey and an object store. It
 * speaks through the vtable only.
 */
#ifndef RKY_TESTS_CONFORMANCE_LEASE_SUITE_H
#define RKY_TESTS_CONFORMANCE_LEASE_SUITE_H

#include <check.h>
#include <stdbool.h>

#include "state/lease.h"

struct rky_lease_fixture {
    const char *name;
    /** A driver on the store that all tests share; used by up to 16 threads at once. */
    struct rky_lease_driver *(*open)(void);
    void (*close)(struct rky_lease_driver *driver);
    /** Let time pass on the clock by which leases run out. */
    void (*pass)(int64_t ms);
    /** The store loses everything. NULL = it cannot. */
    void (*forget)(void);
};

/** @brief The suite over one driver. @param fixture borrowed for the life of the process. */
Suite *rky_lease_suite(const struct rky_lease_fixture *fixture);

/** @brief A holder with a nonce of its own. */
struct rky_lease_holder rky_lease_test_holder(const char *worker_id);
struct rky_transfer rky_lease_test_transfer(int64_t ms);

#endif
