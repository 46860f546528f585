/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that works on many ledgers at once sets before it opens the first.
 */
#include "config.h"

#include <sqlite3.h>

#include "state/ledger.h"

void rky_ledger_many_threads(void)
{
    /* Counting every allocation takes a process-wide mutex each time, and nobody reads the count.
     */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}
