/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a copy: `<number>.db` in the directory of a namespace's copies, and what may lie
 * beside it. The greatest number counts, unless `<path>.unsettled` says not yet. Whoever calls
 * holds the namespace's lock.
 */
#ifndef RKY_STATE_WORKSPACE_FILES_H
#define RKY_STATE_WORKSPACE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

/** @return owned, NULL when memory is out. */
char *rky_copy_path(const char *directory_path, int64_t number);
/** @brief The greatest number, 0 when there is no copy. */
RKY_MUST_CHECK int rky_copies_newest(const char *directory_path, int64_t *ret_number,
                                     struct rky_error *err);
/** @brief Remove all others with what lies beside them, except what was set aside as damaged. */
void rky_copies_keep_only(const char *directory_path, int64_t newest);
/** @brief Whether `<path><ending>` exists. */
bool rky_copy_has(const char *path, const char *ending);
/** @brief Remove a copy with all that lies beside it; the file before its mark, because without the
 *         mark it would count. @return whether it is gone; errno says why not. */
bool rky_copy_remove(const char *path);
/** @brief The same where the next look must not find it again. @return 0 or RKY_ERR_IO. */
RKY_MUST_CHECK int rky_copy_must_go(const char *path, struct rky_error *err);

#endif
