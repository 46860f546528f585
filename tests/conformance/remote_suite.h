/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every remote must do: one suite, run against memory, S3, Valkey and the tiers of two. A new
 * driver is one more fixture.
 *
 * The suite speaks through the vtable only, makes one call per expectation and needs no guard: a
 * bare driver and a guarded one both pass. Each test works in namespaces of its own, so all may
 * share one bucket or server; each runs in a process of its own (fork), so what `start` made is
 * inherited and what `open` made is not shared.
 */
#ifndef RKY_TESTS_CONFORMANCE_REMOTE_SUITE_H
#define RKY_TESTS_CONFORMANCE_REMOTE_SUITE_H

#include <check.h>
#include <stdbool.h>

#include "state/remote.h"

struct rky_remote_fixture {
    const char *name;    /**< of the suite: "remote: memory" */
    void (*start)(void); /**< once, in the parent: servers. NULL = nothing to do */
    void (*stop)(void);
    /** A remote on the store that all tests share; used by up to 16 threads at once. */
    struct rky_remote *(*open)(void);
    void (*close)(struct rky_remote *remote); /**< NULL = rky_remote_free() */
    double timeout_s;                         /**< of one test, 0 = 60 */
};

/** @brief The suite over one driver. @param fixture borrowed for the life of the process. */
Suite *rky_remote_suite(const struct rky_remote_fixture *fixture);

#endif
