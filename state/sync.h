/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job's, or one command's, way to the state and back: lock and lease, download, upload. The
 * same for every backend; with `local` only the lock is left.
 *
 * What decides is the write id, which names the content of a ledger exactly, and the ancestors it
 * derives from. Remote and copy equal: in sync. Remote among the copy's ancestors: the copy is
 * ahead (an upload failed or was never tried) and goes on from there. Copy among the remote's
 * ancestors: stale, replaced. Neither: both hold something of their own, they are merged. So a
 * crash at any instruction leaves something that the next start can judge without having been told.
 *
 * The commit is a compare-and-swap on the remote's version. A newer state is never overwritten by
 * an older one: not by a stale base, not by a zombie, not after a failed download.
 * One sync is used by one thread.
 */
#ifndef RKY_STATE_SYNC_H
#define RKY_STATE_SYNC_H

#include <stdbool.h>

#include "common/error.h"
#include "common/guard.h"
#include "state/outcome.h"
#include "state/store.h"
#include "state/workspace.h"

struct rky_sync;

struct rky_sync_options {
    struct rky_store *store;
    struct rky_workspace *workspace; /**< of the namespace, unlocked */
    const char *run_id;              /**< "" = none (a command) */
    const char *job_id;              /**< "" = none */
    const char *worker_id;
    bool skippable; /**< a run or an apply: on_upload_failure = "skip" holds for them only */
    bool read_only; /**< look only: no lease, never an upload */
    /** A command that brings another content: a corrupt one at the remote is then replaced, under
     * its own version mark and by a generation above this one. 0 = it is refused. */
    int64_t replace_above;
    int64_t lock_timeout_ms;  /**< for the lock and the lease; 0 = one try */
    const _Atomic bool *stop; /**< set by somebody to end waiting soon; NULL = nobody */
    struct rky_clock *clock;
    struct rky_log *log;
};
RKY_MUST_CHECK int rky_sync_new(const struct rky_sync_options *options, struct rky_sync **ret_sync,
                                struct rky_error *err);
/** @brief Gives lease and lock back. What was written and not uploaded stays as a pending copy. */
void rky_sync_free(struct rky_sync *sync);
/** @brief Give lease and lock back now; only reports and rky_sync_keep_version() are left. */
void rky_sync_release(struct rky_sync *sync);

/** @brief The lock of this machine, then the lease. @return 0; RKY_ERR_LOCKED naming the holder;
 *         RKY_ERR_UNAVAILABLE when lock.mode = "require" and the server does not answer. */
RKY_MUST_CHECK int rky_sync_lock(struct rky_sync *sync, struct rky_error *err);
/** @brief The two halves of it. The first makes no request; the second is nothing without a server
 *         of leases. */
RKY_MUST_CHECK int rky_sync_lock_here(struct rky_sync *sync, struct rky_error *err);
RKY_MUST_CHECK int rky_sync_lease(struct rky_sync *sync, struct rky_error *err);
/** @brief Answer without a request: is the copy at hand known to be in sync with the remote?
 *         Then a job that is recorded in it may be answered from it. */
bool rky_sync_is_warm(const struct rky_sync *sync);

/** @brief Bring the copy to what the remote holds, or decide what stands in for it. After success
 *         there is a ledger. @return 0; RKY_ERR_STATE_SYNC, RKY_ERR_STATE_FILE (corrupt, newer,
 *         refused), RKY_ERR_AUTH, RKY_ERR_CONFIG: rky_sync_sequel() says what follows. */
RKY_MUST_CHECK int rky_sync_download(struct rky_sync *sync, struct rky_error *err);
/** @brief Open for writing and locked. Borrowed; may change with download() and upload(). */
struct rky_ledger *rky_sync_ledger(const struct rky_sync *sync);
/** @brief Whether what the ledger holds comes from the remote (or was confirmed by it), not only
 *         from this machine. */
bool rky_sync_is_confirmed(const struct rky_sync *sync);

/** @brief First fence token to use: greater than any the lease, the snapshot or the copy knows. */
int64_t rky_sync_token(struct rky_sync *sync);
/** @brief No request. @return 0; RKY_ERR_FENCED when the lease is lost; RKY_ERR_UNAVAILABLE when
 *         mode `require` and the server has not answered for too long. */
RKY_MUST_CHECK int rky_sync_check(struct rky_sync *sync, struct rky_error *err);
/** @brief "Is the lease still ours? Raise its floor", before a claim with @p token commits. */
RKY_MUST_CHECK int rky_sync_raise(struct rky_sync *sync, int64_t token, struct rky_error *err);

/** What upload() asks of the caller. */
struct rky_sync_callbacks {
    /** Are all claims of this run still ours in the target? 0 or RKY_ERR_FENCED. NULL = none. */
    int (*claims_held)(void *context, struct rky_error *err);
    /** The content got another generation and write id: put that into what was recorded. Inside a
     *  transaction on @p ledger, after the bump. NULL = nothing to do. */
    int (*renumbered)(void *context, struct rky_ledger *ledger, int64_t generation,
                      struct rky_error *err);
    void *context;
    const char *const *own_tables; /**< NULL-terminated: whose watermarks win a merge */
};
/**
 * @brief Commit what was written. Nothing written: no request.
 * @return 0 (ok, unchanged, or skipped: see the report); RKY_ERR_FENCED; RKY_ERR_CONFLICT;
 *         RKY_ERR_STATE_SYNC and others as download().
 */
RKY_MUST_CHECK int rky_sync_upload(struct rky_sync *sync,
                                   const struct rky_sync_callbacks *callbacks,
                                   struct rky_error *err);
/** @brief Whether upload() found that another writer had recorded this very job and took its record
 *         over: what was recorded here is void. */
bool rky_sync_was_adopted(const struct rky_sync *sync);
/** @brief Keep a copy of what was uploaded among the versions, and prune. Best effort, 5 s. */
void rky_sync_keep_version(struct rky_sync *sync);
/** @brief Throw away what this sync wrote and did not upload (a command that failed). What was
 *         pending before, it leaves pending. */
void rky_sync_discard(struct rky_sync *sync);
/** @brief Throw the whole copy away, with what no remote has: it is of another state. */
void rky_sync_forget(struct rky_sync *sync);

/** @brief How the last transfer of a kind ended, NULL = there was none. Borrowed. */
const struct rky_transfer_report *rky_sync_report(const struct rky_sync *sync,
                                                  enum rky_transfer_kind kind);
/** @brief What follows from the last failed transfer. */
enum rky_transfer_sequel rky_sync_sequel(const struct rky_sync *sync);
/** @brief Whether a transfer failed because its service's breaker let nothing through. @param sync
 *         may be NULL. */
bool rky_sync_is_shut_out(const struct rky_sync *sync);
/** @brief Lockless because the server did not answer (mode `prefer`): event `lock_unavailable`. */
bool rky_sync_is_lockless(const struct rky_sync *sync);

#endif
