/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that works on many ledgers at once sets before it opens the first.
 */
#include "config.h"

#include <malloc.h>
#include <sqlite3.h>

#include "state/ledger.h"

void rky_ledger_many_threads(void)
{
    /* Counting every allocation takes a process-wide mutex each time, and nobody reads the count.
     */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    /* An upload takes several times the size of the state and gives it back. To return that to the
     * system each time, and to fetch it again page by page, costs as much as compressing it. */
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
}
