/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `<copy>.base`: what the remote was last known to hold, kept beside a copy. A hint: losing it, or
 * reading an older one, costs a request and nothing else. Private to the workspace, and used under
 * its lock.
 */
#ifndef RKY_STATE_WORKSPACE_BASE_H
#define RKY_STATE_WORKSPACE_BASE_H

#include <sys/stat.h>

#include "state/workspace.h"

/** Tells whether the file is still the one that was read or written last. Zeroed = no. */
struct rky_base_seen {
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/** @brief What the file beside the copy at @p copy_path says, unless it is as @p seen: then
 *         @p base stays. Whatever is wrong with it: unknown. */
void rky_base_load(const char *copy_path, struct rky_base_seen *seen, struct rky_base *base);
/** @brief Write it, or remove it when there is nothing to say. Best effort. */
void rky_base_save(const char *copy_path, const struct rky_base *base, struct rky_base_seen *seen);

#endif
