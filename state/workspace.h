/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The working file of a namespace on this machine, and the right to work on it.
 *
 * Backend `local`: one file, which is the state. Remote backends: a copy. A copy that was installed
 * is never replaced in place (SQLite would replay, or remove, the write-ahead log that stands
 * beside the path): each gets a path that was never used before,
 * `<local_dir>/<ns>.copies/<number>.db`, and the greatest number counts. With --state-path the file
 * itself is the copy, and is only touched under the lock. One flock per namespace keeps processes
 * of one machine apart.
 *
 * What a copy is worth is decided by its write id (sync.h), never by its age or name. Beside it
 * lies
 * `<path>.base`, what the remote was last known to hold; losing it costs a request, nothing else.
 * One workspace is used by one thread at a time.
 */
#ifndef RKY_STATE_WORKSPACE_H
#define RKY_STATE_WORKSPACE_H

#include <stdbool.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "state/ledger.h"
#include "state/remote.h"

struct rky_workspace;

struct rky_workspace_options {
    const struct rky_state_config *config; /**< borrowed */
    const char *namespace_;
    const char *state_path; /**< --state-path, NULL = in local_dir */
    struct rky_clock *clock;
    struct rky_log *log;
};
/** @brief Find out where it is; makes the directory. */
RKY_MUST_CHECK int rky_workspace_new(const struct rky_workspace_options *options,
                                     struct rky_workspace **ret_workspace, struct rky_error *err);
void rky_workspace_free(struct rky_workspace *workspace);
const char *rky_workspace_namespace(const struct rky_workspace *workspace);

/**
 * @brief Be the only process that works on it, and open what is there. A copy that is damaged is
 *        set aside (remote backends) or an error (local).
 * @return 0; RKY_ERR_LOCKED naming the pid; the errors of rky_ledger_open().
 */
RKY_MUST_CHECK int rky_workspace_lock(struct rky_workspace *workspace, int64_t timeout_ms,
                                      struct rky_error *err);
void rky_workspace_unlock(struct rky_workspace *workspace);

/** @brief The open ledger, NULL when there is no copy yet. Borrowed; changes with install(). */
struct rky_ledger *rky_workspace_ledger(const struct rky_workspace *workspace);
/** @brief Make an empty one when there is none. */
RKY_MUST_CHECK int rky_workspace_create(struct rky_workspace *workspace, struct rky_error *err);
/** @brief Replace the copy by a SQLite image, once that was verified; when it is refused the
 * present copy stays open. The old one stays on disk until rky_workspace_drop_old(), so that it can
 *         be merged; until then, a crash included, it is the copy that counts. */
RKY_MUST_CHECK int rky_workspace_install(struct rky_workspace *workspace, const void *raw,
                                         size_t length, const struct rky_snapshot_head *head,
                                         struct rky_error *err);
/** @brief Path of the copy before the last install, NULL = none. */
const char *rky_workspace_old(const struct rky_workspace *workspace);
/** @brief The new copy has what it needs of the old one. */
void rky_workspace_drop_old(struct rky_workspace *workspace);
/** @brief What was to follow on an install failed: back to the old copy. Best effort: without it
 *         rky_workspace_ledger() is NULL. */
void rky_workspace_revert(struct rky_workspace *workspace);
/** @brief Throw the copy away: what is in it must not survive. */
void rky_workspace_discard(struct rky_workspace *workspace);
/** @brief Keep bytes that were refused for a person to look at. @param ret_path owned, NULL when
 *         that failed, too. */
void rky_workspace_quarantine(struct rky_workspace *workspace, const void *bytes, size_t length,
                              char **ret_path);

/** What the remote held when it was last heard of. */
struct rky_base {
    bool known;
    bool exists;
    char etag[RKY_ETAG_MAX]; /**< "" = unknown */
    char write_id[RKY_UUID_TEXT];
    int64_t generation, fence;
};
const struct rky_base *rky_workspace_base(const struct rky_workspace *workspace);
/** @brief Remember it, beside the copy as well; best effort there. */
void rky_workspace_set_base(struct rky_workspace *workspace, const struct rky_base *base);

#endif
