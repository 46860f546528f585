/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table, copied: what the tests of SQLite's data share.
 */
#ifndef RKY_TESTS_CONFORMANCE_SQLITE_DATA_KIT_H
#define RKY_TESTS_CONFORMANCE_SQLITE_DATA_KIT_H

#include <check.h>
#include <stdint.h>

#include "tests/conformance/adapter_sqlite_fixture.h"

/** Copy by the column `at`. */
extern const struct adapter_wish data_by_at;

/** A world whose source was made by this SQL. */
void data_open_world(struct adapter_world *world, const char *sql);
/** Copy; must copy so many rows. */
void data_copy(struct adapter_world *world, const char *table, const struct adapter_wish *wish,
               int64_t rows);
/** The error names this part. */
void data_expect_fault(const struct rky_error *err, const char *part);
/** Source and target hold the same values of this column, by type and by byte. */
void data_expect_exact(struct adapter_world *world, const char *table, const char *column);

/** The tests of the other files. */
void data_add_tables(TCase *tcase);

#endif
