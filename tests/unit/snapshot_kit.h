/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of snapshots share: a small real ledger as an image with its head, and keys.
 */
#ifndef RKY_TESTS_UNIT_SNAPSHOT_KIT_H
#define RKY_TESTS_UNIT_SNAPSHOT_KIT_H

#include "state/snapshot.h"
#include "tests/unit/test_ledger_kit.h"

/** @brief A ledger of namespace "acme" at generation 3, serialized. @param ret_raw owned. */
void kit_snapshot_source(struct rky_snapshot_head *ret_head, unsigned char **ret_raw,
                         size_t *ret_length);
/** @brief The same key for the same number. */
struct rky_snapshot_key kit_snapshot_key(int number);

#endif
