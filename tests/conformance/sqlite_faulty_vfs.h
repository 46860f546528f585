/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SQLite file layer whose Nth change to a file fails: writes, syncs, truncations, deletions.
 * Registered as the default of the process; reads and locks pass through.
 */
#ifndef RKY_TESTS_CONFORMANCE_SQLITE_FAULTY_VFS_H
#define RKY_TESTS_CONFORMANCE_SQLITE_FAULTY_VFS_H

#include <stdbool.h>

void sqlite_faulty_install(void);
/** The Nth change from now on fails, and only that one; 0 = none. */
void sqlite_faulty_fail_nth(int nth);
/** Whether that change has come. */
bool sqlite_faulty_failed(void);

#endif
