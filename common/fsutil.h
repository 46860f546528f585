/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories: joined paths, whole-file reads with a limit, atomic replacement, lock
 * files that carry the holder's pid.
 */
#ifndef RKY_COMMON_FSUTIL_H
#define RKY_COMMON_FSUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/** @brief @p path when absolute, else @p directory/@p path. @return owned or NULL. */
char *rky_path_join(const char *directory, const char *path);
/** @brief Directory part, "." when there is none. @return owned or NULL. */
char *rky_path_dirname(const char *path);
/** @brief mkdir -p with mode 0700 for what is new. */
RKY_MUST_CHECK int rky_mkdir_p(const char *path, struct rky_error *err);
bool rky_path_exists(const char *path);
/** @brief Read a whole file. @param limit bytes, more is an error. @param ret_data owned,
 *         NUL-terminated behind ret_length. */
RKY_MUST_CHECK int rky_read_file(const char *path, size_t limit, char **ret_data,
                                 size_t *ret_length, struct rky_error *err);
/** @brief Write beside, fsync, rename, fsync the directory: old or new, never a third. */
RKY_MUST_CHECK int rky_write_file_atomic(const char *path, const void *data, size_t length,
                                         struct rky_error *err);

/** An advisory lock on a sidecar file that is never unlinked (unlinking would let two holders lock
 *  two inodes). The file holds the pid of the last holder. */
struct rky_file_lock {
    int fd; /**< -1 while closed */
    bool held;
    char *path; /**< owned */
};

/** @brief Open (create) the sidecar without locking it. */
RKY_MUST_CHECK int rky_file_lock_open(struct rky_file_lock *lock, const char *path,
                                      struct rky_error *err);
/** @brief Take the lock now or fail with RKY_ERR_LOCKED naming the holder's pid. */
RKY_MUST_CHECK int rky_file_lock_try(struct rky_file_lock *lock, struct rky_error *err);
/** @brief Take the lock, trying until the deadline; 0 ms = one try. Bounded polling, jittered. */
RKY_MUST_CHECK int rky_file_lock_wait(struct rky_file_lock *lock, int64_t timeout_ms,
                                      struct rky_error *err);
void rky_file_lock_release(struct rky_file_lock *lock);
void rky_file_lock_close(struct rky_file_lock *lock);

#endif
