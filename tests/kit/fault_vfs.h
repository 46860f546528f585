/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SQLite VFS that passes everything on to the system's own one, and breaks the Nth operation of
 * the chosen kinds: with an error, or by killing the process. A broken write leaves half of its
 * bytes in the file. Process-wide, one thread; a broken operation and all later ones (persistent)
 * or only itself (one-shot) fail.
 */
#ifndef RKY_TESTS_KIT_FAULT_VFS_H
#define RKY_TESTS_KIT_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum rky_fault_op {
    RKY_FAULT_OPEN = 1 << 0,
    RKY_FAULT_READ = 1 << 1,
    RKY_FAULT_WRITE = 1 << 2,
    RKY_FAULT_SYNC = 1 << 3,
    RKY_FAULT_TRUNCATE = 1 << 4,
    RKY_FAULT_DELETE = 1 << 5,
    RKY_FAULT_SHARE = 1 << 6, /**< mapping shared memory */
};
#define RKY_FAULT_CHANGES (RKY_FAULT_WRITE | RKY_FAULT_SYNC | RKY_FAULT_TRUNCATE | RKY_FAULT_DELETE)

enum rky_fault_kind {
    RKY_FAULT_EIO,
    RKY_FAULT_ENOSPC, /**< a read cannot fail so: EIO */
    RKY_FAULT_KILL,   /**< SIGKILL ourselves */
};

/** @brief Make this the default VFS of the process, before the first connection. */
void rky_fault_vfs_install(void);
/** @brief Break the @p nth operation of these kinds from now on (1 = the next one). */
void rky_fault_vfs_arm(unsigned ops, uint64_t nth, enum rky_fault_kind kind, bool persistent);
void rky_fault_vfs_disarm(void);
/** @brief Whether anything was broken since the last arming. */
bool rky_fault_vfs_hit(void);
/** @brief Operations of these kinds since the last arming; armed with nth 0 nothing breaks. */
uint64_t rky_fault_vfs_count(void);

#endif
