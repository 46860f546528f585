/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every transport driver must do: one suite, run against the in-memory fake, the embedded
 * broker and real Kafka. A new driver is one more fixture.
 */
#ifndef RKY_TESTS_CONFORMANCE_TRANSPORT_SUITE_H
#define RKY_TESTS_CONFORMANCE_TRANSPORT_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "transport/transport.h"

struct rky_transport_fixture {
    const char *name;
    /** A transport on a broker that all tests of the program share. @param prefix of the group. */
    struct rky_transport *(*open)(const char *prefix);
    void (*close)(struct rky_transport *transport);
    /** Make the broker of this transport vanish for good; NULL = the fixture cannot. */
    struct rky_transport *(*open_unreachable)(const char *prefix);
};

/** @brief The suite over one driver. @param fixture borrowed for the life of the process. */
Suite *rky_transport_suite(const struct rky_transport_fixture *fixture);

#endif
