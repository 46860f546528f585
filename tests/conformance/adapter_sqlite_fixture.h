/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite warehouses for adapter tests: two directories below the test's own. */
#ifndef RKY_TESTS_CONFORMANCE_ADAPTER_SQLITE_FIXTURE_H
#define RKY_TESTS_CONFORMANCE_ADAPTER_SQLITE_FIXTURE_H

#include <sqlite3.h>

#include "tests/conformance/adapter_suite.h"

extern const struct adapter_fixture sqlite_fixture;

/** Path of a schema's file. Caller frees. */
char *sqlite_fixture_file(enum adapter_side side, const char *schema);
/** A connection beside the driver's. Caller closes. */
sqlite3 *sqlite_fixture_open(enum adapter_side side, const char *schema);
void sqlite_fixture_run(sqlite3 *db, const char *sql);

#endif
