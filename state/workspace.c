/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The working file of a namespace: where it is, who may touch it, and how a new one takes its
 * place.
 *
 * The flock of a remote backend's workspace is `<local_dir>/<ns>.copies/lock` (or `<file>.work`),
 * taken before anything is opened, because what is newest may have changed meanwhile. Numbers of
 * copies are microseconds of the wall clock and always above the last: a path is used once.
 *
 * A new copy counts once it has taken over what the old one alone knew. Until then
 * `<path>.unsettled` lies beside it, or the old one beside a fixed path as `<path>.before`: whoever
 * finds that goes back to the old one.
 */
#include "config.h"

#include "state/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "state/workspace_base.h"
#include "state/workspace_files.h"

struct rky_workspace {
    char namespace_[64];
    bool local;      /**< the file is the state, not a copy of it */
    char *fixed;     /**< the one path it always has, NULL = numbered copies */
    char *directory; /**< of the copies, or of the fixed path */
    char *refused;   /**< directory for what was refused */
    struct rky_clock *clock;
    struct rky_log *log;
    struct rky_file_lock lock; /**< unused with `local`: the ledger's own is enough */
    struct rky_ledger *ledger;
    char *path;      /**< of the open ledger */
    char *old;       /**< the copy before the last install, until that is settled */
    char *unsettled; /**< path of the new copy while there is an old one */
    struct rky_base base;
    struct rky_base_seen base_seen;
};

/* --- life ----------------------------------------------------------------------------------- */

static int find_places(struct rky_workspace *workspace, const struct rky_workspace_options *options,
                       struct rky_error *err)
{
    const char *local_dir = options->config->local_dir;
    char *name = NULL, *refused = rky_asprintf("%s.refused", options->namespace_);
    if (options->state_path != NULL) {
        workspace->fixed = rky_strdup(options->state_path);
        workspace->directory = rky_path_dirname(options->state_path);
    } else if (workspace->local) {
        name = rky_asprintf("%s.db", options->namespace_);
        workspace->fixed = name != NULL ? rky_path_join(local_dir, name) : NULL;
        workspace->directory = rky_strdup(local_dir);
    } else {
        name = rky_asprintf("%s.copies", options->namespace_);
        workspace->directory = name != NULL ? rky_path_join(local_dir, name) : NULL;
    }
    workspace->refused = refused != NULL ? rky_path_join(local_dir, refused) : NULL;
    bool good = workspace->directory != NULL && workspace->refused != NULL &&
                (workspace->fixed != NULL || (!workspace->local && options->state_path == NULL));
    rky_free(name);
    rky_free(refused);
    return good ? 0 : rky_fail_nomem(err);
}

int rky_workspace_new(const struct rky_workspace_options *options,
                      struct rky_workspace **ret_workspace, struct rky_error *err)
{
    struct rky_workspace *workspace = rky_calloc(1, sizeof(*workspace));
    if (workspace == NULL)
        return rky_fail_nomem(err);
    RKY_ASSERT(strlen(options->namespace_) < sizeof(workspace->namespace_));
    memcpy(workspace->namespace_, options->namespace_, strlen(options->namespace_));
    workspace->local = options->config->backend == RKY_BACKEND_LOCAL;
    workspace->clock = options->clock;
    workspace->log = options->log;
    workspace->lock.fd = -1;
    int rc = find_places(workspace, options, err);
    if (rc != 0) {
        rky_workspace_free(workspace);
        return rc;
    }
    *ret_workspace = workspace;
    return 0;
}

static void close_ledger(struct rky_workspace *workspace)
{
    rky_ledger_close(workspace->ledger);
    workspace->ledger = NULL;
    rky_free(workspace->path);
    workspace->path = NULL;
    workspace->base = (struct rky_base){0};
    workspace->base_seen = (struct rky_base_seen){0};
}

void rky_workspace_free(struct rky_workspace *workspace)
{
    if (workspace == NULL)
        return;
    close_ledger(workspace);
    rky_file_lock_close(&workspace->lock);
    rky_free(workspace->fixed);
    rky_free(workspace->directory);
    rky_free(workspace->refused);
    rky_free(workspace->old);
    rky_free(workspace->unsettled);
    rky_free(workspace);
}

const char *rky_workspace_namespace(const struct rky_workspace *workspace)
{
    return workspace->namespace_;
}

struct rky_ledger *rky_workspace_ledger(const struct rky_workspace *workspace)
{
    return workspace->ledger;
}

/* --- what the remote last held --------------------------------------------------------------- */

const struct rky_base *rky_workspace_base(const struct rky_workspace *workspace)
{
    return &workspace->base;
}

void rky_workspace_set_base(struct rky_workspace *workspace, const struct rky_base *base)
{
    workspace->base = *base;
    if (workspace->path != NULL && !workspace->local)
        rky_base_save(workspace->path, base, &workspace->base_seen);
}

/* Back to the old copy at a fixed path. The new one goes first: while the old one has its name of
 * a second choice, that is what counts. */
static void bring_back(const char *path)
{
    char *before = rky_asprintf("%s.before", path);
    if (before != NULL && rky_path_exists(before) && rky_copy_remove(path))
        (void)rename(before, path);
    rky_free(before);
}

/* Files only; nothing is open. */
static void forget_unsettled(struct rky_workspace *workspace)
{
    if (workspace->unsettled != NULL && workspace->fixed != NULL)
        bring_back(workspace->fixed);
    else if (workspace->unsettled != NULL)
        (void)rky_copy_remove(workspace->unsettled);
    rky_free(workspace->unsettled);
    rky_free(workspace->old);
    workspace->unsettled = NULL;
    workspace->old = NULL;
}

/* --- lock and open -----------------------------------------------------------------------------
 */

/* Takes @p path. */
static int open_at(struct rky_workspace *workspace, char *path, struct rky_error *err)
{
    struct rky_ledger_options options = {.path = path,
                                         .namespace_ = workspace->namespace_,
                                         .mode = RKY_LEDGER_WRITE,
                                         .private_copy = !workspace->local,
                                         .clock = workspace->clock,
                                         .log = workspace->log};
    int rc = rky_ledger_open(&options, &workspace->ledger, err);
    if (rc != 0) {
        rky_free(path);
        return rc;
    }
    workspace->path = path;
    if (!workspace->local)
        rky_base_load(workspace->path, &workspace->base_seen, &workspace->base);
    return 0;
}

/* A copy that cannot be read is worth nothing: what it held is in the remote or in the target. One
 * from a newer version of the program is left alone. */
static int set_aside(struct rky_workspace *workspace, const char *path,
                     const struct rky_error *fault, struct rky_error *err)
{
    enum rky_snapshot_fault what = RKY_SNAPSHOT_GOOD;
    struct rky_error seen = {0};
    struct rky_snapshot_head head;
    (void)!rky_ledger_verify_file(path, workspace->namespace_, NULL, &what, &head, &seen);
    if (what == RKY_SNAPSHOT_NEWER || what == RKY_SNAPSHOT_WRONG_STATE ||
        what == RKY_SNAPSHOT_GOOD) {
        if (err != NULL)
            *err = *fault;
        return fault->code;
    }
    char *aside = rky_asprintf("%s.damaged", path);
    if (aside == NULL)
        return rky_fail_nomem(err);
    rky_log_write(workspace->log, RKY_LOG_WARN, NULL,
                  "the copy '%s' is damaged and set aside as '%s': %s", path, aside,
                  fault->message);
    (void)rename(path, aside);
    rky_free(aside);
    return rky_copy_must_go(path, err);
}

static int open_newest(struct rky_workspace *workspace, struct rky_error *err)
{
    for (;;) {
        int64_t newest = 0;
        char *path = NULL;
        if (workspace->fixed != NULL) {
            if (!workspace->local && workspace->path == NULL)
                bring_back(workspace->fixed);
            if (!rky_path_exists(workspace->fixed) && !workspace->local)
                return 0;
            path = rky_strdup(workspace->fixed);
        } else {
            int rc = rky_copies_newest(workspace->directory, &newest, err);
            if (rc != 0 || newest == 0)
                return rc;
            path = rky_copy_path(workspace->directory, newest);
        }
        if (path == NULL)
            return rky_fail_nomem(err);
        if (workspace->fixed == NULL && rky_copy_has(path, ".unsettled")) {
            int rc = rky_copy_must_go(path, err);
            rky_free(path);
            if (rc != 0)
                return rc;
            continue;
        }
        if (workspace->path != NULL && strcmp(workspace->path, path) == 0 &&
            rky_path_exists(path)) {
            rky_free(path);
            /* Another process may have used the same copy. */
            if (!workspace->local)
                rky_base_load(workspace->path, &workspace->base_seen, &workspace->base);
            return 0;
        }
        close_ledger(workspace);
        struct rky_error fault = {0};
        char *again = rky_strdup(path);
        int rc = again == NULL ? rky_fail_nomem(&fault) : open_at(workspace, path, &fault);
        if (again == NULL)
            rky_free(path);
        if (rc == RKY_ERR_STATE_FILE && !workspace->local)
            rc = set_aside(workspace, again, &fault, err);
        else if (rc != 0 && err != NULL)
            *err = fault;
        bool opened = workspace->ledger != NULL;
        rky_free(again);
        if (rc != 0)
            return rc;
        if (opened) {
            if (workspace->fixed == NULL)
                rky_copies_keep_only(workspace->directory, newest);
            return 0;
        }
    }
}

static int lock_file(struct rky_workspace *workspace, int64_t timeout_ms, struct rky_error *err)
{
    int rc = 0;
    if (workspace->lock.fd < 0) {
        char *path = workspace->fixed != NULL ? rky_asprintf("%s.work", workspace->fixed)
                                              : rky_path_join(workspace->directory, "lock");
        rc = path == NULL ? rky_fail_nomem(err) : rky_file_lock_open(&workspace->lock, path, err);
        rky_free(path);
    }
    return rc != 0 ? rc : rky_file_lock_wait(&workspace->lock, timeout_ms, err);
}

int rky_workspace_lock(struct rky_workspace *workspace, int64_t timeout_ms, struct rky_error *err)
{
    /* Each time: somebody may have removed the whole directory since the last. */
    int rc = 0;
    if (workspace->path == NULL || !rky_path_exists(workspace->path)) {
        close_ledger(workspace);
        rky_file_lock_close(&workspace->lock);
        workspace->lock.fd = -1;
        rc = rky_mkdir_p(workspace->directory, err);
    }
    if (rc == 0 && !workspace->local)
        rc = lock_file(workspace, timeout_ms, err);
    if (rc == 0)
        rc = open_newest(workspace, err);
    if (rc == 0 && workspace->ledger != NULL)
        rc = rky_ledger_lock(workspace->ledger, workspace->local ? timeout_ms : 0, err);
    if (rc != 0)
        rky_workspace_unlock(workspace);
    return rc;
}

void rky_workspace_unlock(struct rky_workspace *workspace)
{
    if (workspace->unsettled != NULL) {
        close_ledger(workspace);
        forget_unsettled(workspace);
    }
    if (workspace->ledger != NULL)
        rky_ledger_unlock(workspace->ledger);
    /* A path that is used again must not be open where somebody else may replace it. */
    if (!workspace->local && workspace->fixed != NULL)
        close_ledger(workspace);
    if (workspace->lock.fd >= 0)
        rky_file_lock_release(&workspace->lock);
}

/* --- a new copy ----------------------------------------------------------------------------------
 */

static int next_path(struct rky_workspace *workspace, char **ret_path, struct rky_error *err)
{
    int64_t newest = 0, now = workspace->clock->wall_us(workspace->clock);
    int rc = workspace->fixed == NULL ? rky_copies_newest(workspace->directory, &newest, err) : 0;
    if (rc != 0)
        return rc;
    *ret_path = workspace->fixed != NULL
                    ? rky_strdup(workspace->fixed)
                    : rky_copy_path(workspace->directory, now > newest ? now : newest + 1);
    return *ret_path != NULL ? 0 : rky_fail_nomem(err);
}

int rky_workspace_create(struct rky_workspace *workspace, struct rky_error *err)
{
    if (workspace->ledger != NULL)
        return 0;
    /* There may be one that could not be opened a moment ago: it is not made anew above it. */
    int rc = open_newest(workspace, err);
    if (rc == 0 && workspace->ledger == NULL) {
        char *path = NULL;
        rc = next_path(workspace, &path, err);
        if (rc == 0)
            rc = open_at(workspace, path, err);
    }
    return rc != 0 ? rc : rky_ledger_lock(workspace->ledger, 0, err);
}

/* What says that a new copy does not count yet. */
static int mark_unsettled(const char *path, struct rky_error *err)
{
    char *mark = rky_asprintf("%s.unsettled", path);
    if (mark == NULL)
        return rky_fail_nomem(err);
    int rc = 0, fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        rc = rky_fail_errno(err, errno, "cannot create '%s'", mark);
    else
        (void)close(fd);
    rky_free(mark);
    return rc;
}

/* Close the present copy; a fixed path is given to the new one at @p fresh. */
static int step_aside(struct rky_workspace *workspace, const char *fresh, struct rky_error *err)
{
    char *old = workspace->fixed == NULL ? rky_strdup(workspace->path)
                                         : rky_asprintf("%s.before", workspace->path);
    char *unsettled = rky_strdup(workspace->fixed == NULL ? fresh : workspace->fixed);
    if (old == NULL || unsettled == NULL) {
        rky_free(old);
        rky_free(unsettled);
        return rky_fail_nomem(err);
    }
    int rc = 0;
    /* Closing writes the log back, so that the one file is all there is. */
    close_ledger(workspace);
    if (workspace->fixed != NULL && rename(workspace->fixed, old) != 0)
        rc = rky_fail_errno(err, errno, "cannot rename '%s' to '%s'", workspace->fixed, old);
    workspace->old = old;
    workspace->unsettled = unsettled;
    return rc;
}

/* Takes @p fresh, which was verified. */
static int move_in(struct rky_workspace *workspace, char *fresh, struct rky_error *err)
{
    int rc = workspace->ledger != NULL ? step_aside(workspace, fresh, err) : 0;
    if (rc == 0 && workspace->fixed != NULL) {
        if (rename(fresh, workspace->fixed) != 0)
            rc = rky_fail_errno(err, errno, "cannot rename '%s' to '%s'", fresh, workspace->fixed);
        rky_free(fresh);
        fresh = rc == 0 ? rky_strdup(workspace->fixed) : NULL;
        if (rc == 0 && fresh == NULL)
            rc = rky_fail_nomem(err);
    }
    if (rc != 0) {
        rky_free(fresh);
        return rc;
    }
    rc = open_at(workspace, fresh, err);
    return rc != 0 ? rc : rky_ledger_lock(workspace->ledger, 0, err);
}

int rky_workspace_install(struct rky_workspace *workspace, const void *raw, size_t length,
                          const struct rky_snapshot_head *head, struct rky_error *err)
{
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    struct rky_snapshot_head found;
    char *path = NULL, *fresh = NULL;
    RKY_ASSERT(workspace->unsettled == NULL);
    int rc = next_path(workspace, &path, err);
    if (rc != 0)
        return rc;
    fresh = workspace->fixed == NULL ? rky_strdup(path) : rky_asprintf("%s.fresh", path);
    rky_free(path);
    if (fresh == NULL)
        return rky_fail_nomem(err);
    if (workspace->fixed == NULL && workspace->ledger != NULL)
        rc = mark_unsettled(fresh, err);
    if (rc == 0)
        rc = rky_ledger_install(fresh, raw, length, err);
    if (rc == 0)
        rc = rky_ledger_verify_file(fresh, workspace->namespace_, head, &fault, &found, err);
    if (rc != 0) {
        (void)rky_copy_remove(fresh);
        rky_free(fresh);
        return rc;
    }
    return move_in(workspace, fresh, err);
}

const char *rky_workspace_old(const struct rky_workspace *workspace)
{
    return workspace->old;
}

void rky_workspace_drop_old(struct rky_workspace *workspace)
{
    if (workspace->unsettled == NULL)
        return;
    char *mark = rky_asprintf("%s.unsettled", workspace->unsettled);
    /* Without memory for a name it stays as it is, and the next to come goes back. */
    if (mark != NULL) {
        (void)unlink(mark);
        (void)rky_copy_remove(workspace->old);
    }
    rky_free(mark);
    rky_free(workspace->unsettled);
    rky_free(workspace->old);
    workspace->unsettled = NULL;
    workspace->old = NULL;
}

void rky_workspace_revert(struct rky_workspace *workspace)
{
    struct rky_error fault = {0};
    if (workspace->unsettled == NULL && workspace->ledger != NULL)
        return;
    close_ledger(workspace);
    forget_unsettled(workspace);
    int rc = open_newest(workspace, &fault);
    if (rc == 0 && workspace->ledger != NULL)
        rc = rky_ledger_lock(workspace->ledger, 0, &fault);
    if (rc == 0)
        return;
    rky_log_write(workspace->log, RKY_LOG_WARN, NULL, "namespace '%s': no way back to its copy: %s",
                  workspace->namespace_, fault.message);
    close_ledger(workspace);
}

void rky_workspace_discard(struct rky_workspace *workspace)
{
    RKY_ASSERT(!workspace->local);
    if (workspace->path == NULL)
        return;
    char *path = rky_strdup(workspace->path);
    close_ledger(workspace);
    if (path != NULL)
        (void)rky_copy_remove(path);
    rky_free(path);
}

void rky_workspace_quarantine(struct rky_workspace *workspace, const void *bytes, size_t length,
                              char **ret_path)
{
    /* Named by content: the same bytes refused a hundred times are one file. */
    char digest[RKY_SHA256_HEX];
    struct rky_error odd = {0};
    rky_sha256_hex(bytes, length, digest);
    char *path = rky_asprintf("%s/%.16s.snap", workspace->refused, digest);
    *ret_path = NULL;
    if (path != NULL && rky_mkdir_p(workspace->refused, &odd) == 0 &&
        (rky_path_exists(path) || rky_write_file_atomic(path, bytes, length, &odd) == 0)) {
        *ret_path = path;
        return;
    }
    rky_free(path);
}
