/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the adapter suite's tests share: the fixture, and a table of orders.
 */
#ifndef RKY_TESTS_CONFORMANCE_ADAPTER_SUITE_KIT_H
#define RKY_TESTS_CONFORMANCE_ADAPTER_SUITE_KIT_H

#include <check.h>

#include "tests/conformance/adapter_suite.h"

/** What a copy wants different from the defaults; lives as long as the block. */
#define WISH(...) (&(struct adapter_wish){__VA_ARGS__})

/** Of the program. */
extern const struct adapter_fixture *seam_fixture;

/** A world whose source holds orders: 1, 2 and 3, of which the last two tie. */
void seam_open_with_orders(struct adapter_world *world);
/** The target holds the same orders. */
void seam_expect_orders(struct adapter_world *world);
/** Release what a copy told. */
void seam_done(struct rky_copy_outcome outcome);

/** The tests of the other files. */
void adapter_add_windows(TCase *tcase);
void adapter_add_changes(TCase *tcase);

#endif
