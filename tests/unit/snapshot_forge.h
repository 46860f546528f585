/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A good snapshot, the parts to make up a bad one of, and what refusing it means.
 */
#ifndef RKY_TESTS_UNIT_SNAPSHOT_FORGE_H
#define RKY_TESTS_UNIT_SNAPSHOT_FORGE_H

#include <check.h>
#include <stddef.h>

#include "state/snapshot_internal.h"
#include "tests/unit/snapshot_kit.h"

/** What the test that runs works with; every test has a process of its own. */
extern struct snap_world {
    unsigned char *raw; /**< the ledger */
    size_t raw_length;
    struct rky_snapshot_head head;
    unsigned char *good; /**< its snapshot, with `head` and no key */
    size_t good_length;
} snap;

void snap_setup(void);
void snap_teardown(void);
/** @brief Decoding must fail like this, saying so in these words. @param key NULL = none. */
void snap_assert_refused_with(const void *bytes, size_t length, const struct rky_snapshot_key *key,
                              enum rky_snapshot_fault expected, const char *words);
void snap_assert_refused(const void *bytes, size_t length, enum rky_snapshot_fault expected,
                         const char *words);
/** An envelope with our own payload and a right trailer. @return owned. */
unsigned char *snap_frame_of(const struct rky_snapshot_header *header, const void *payload,
                             size_t payload_length, size_t *ret_length);
/** @brief A compressed payload. @return owned. */
unsigned char *snap_compressed(const void *bytes, size_t length, size_t *ret_length);
/** A right envelope around @p content, whatever that is, with the head as it stands in `head`. */
unsigned char *snap_forged(const void *content, size_t content_length, size_t *ret_length);
/** @brief Write the trailer that belongs to these bytes. */
void snap_sign(unsigned char *bytes, size_t length);
/** @brief @return owned. */
unsigned char *snap_copy_of(const void *bytes, size_t length);

/** The tests of the other files. */
void snap_add_lies(TCase *tcase);

#endif
