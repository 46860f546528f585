/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the transport suite's tests share: a topic of their own on the broker of the fixture, and
 * publishing to it.
 */
#ifndef RKY_TESTS_CONFORMANCE_TRANSPORT_KIT_H
#define RKY_TESTS_CONFORMANCE_TRANSPORT_KIT_H

#include <check.h>
#include <stdatomic.h>
#include <stddef.h>

#include "tests/conformance/transport_suite.h"

#define WAIT_MS 60000
#define PARTITIONS 4

/** Counts callbacks, by outcome. */
struct tally {
    atomic_int good, bad, last_code;
};

/** What the test that runs works with; every test has a process of its own. */
extern struct transport_kit {
    struct rky_transport *transport;
    char prefix[64];
    char topic[96];
} bus;

/** Of the program. */
extern const struct rky_transport_fixture *bus_fixture;

/** The fixture of tests with a broker: a topic and a group of their own. */
void bus_open_transport(void);
void bus_close_transport(void);
/** Publish; @p tally may be NULL. */
void bus_publish_bytes(const char *key, const void *value, size_t length, struct tally *tally);
/** Publish a number, as text. */
void bus_publish_number(const char *key, int number);
/** Wait until all that was published is confirmed. */
void bus_flush(void);
/** Where messages of this key go. */
int bus_partition_of(const char *key);
/** The number that was published. */
int bus_number_in(const struct rky_inbound *inbound);

/** The tests of the other files. */
void bus_add_groups(TCase *tcase);

#endif
