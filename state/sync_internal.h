/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind sync.h share.
 *
 * `base` is what the remote is known to hold right now: known only after it answered in this very
 * sync (or confirmed what we remembered). Nothing is ever put against an unknown base.
 */
#ifndef RKY_STATE_SYNC_INTERNAL_H
#define RKY_STATE_SYNC_INTERNAL_H

#include "state/sync.h"

struct rky_sync {
    struct rky_sync_options options;
    struct rky_remote *remote; /**< borrowed, NULL with `local` */
    struct rky_remote_name name;
    struct rky_retry_budget budget; /**< shared by the transfers of this run */

    bool locked;
    struct rky_lease *lease; /**< NULL = none */
    bool lockless;           /**< a lease was wanted, and its server did not answer */

    struct rky_base base;
    bool confirmed;
    bool download_failed; /**< the copy stands in for a remote nobody could read */
    int64_t fence;        /**< greatest token that snapshot and copy know */
    bool adopted;

    struct rky_transfer_report download, upload;
    bool has_download, has_upload;
    enum rky_transfer_sequel sequel;

    /** The copy as the download left it, where no remote has it; NULL = none. */
    unsigned char *pending;
    size_t pending_length;
    struct rky_snapshot_head pending_head;
    struct rky_base pending_base;

    char *refused; /**< the file of the refused bytes that was told of last; NULL = none */

    unsigned char *sent; /**< the envelope that was committed last, for the versions */
    size_t sent_length;
    struct rky_snapshot_head sent_head;
};

/** How two contents of one state stand to each other. */
enum rky_relation {
    RKY_SAME,
    RKY_AHEAD,  /**< ours derives from theirs */
    RKY_BEHIND, /**< theirs derives from ours */
    RKY_FORKED, /**< both hold something of their own */
};
enum rky_relation rky_relation_of(const struct rky_snapshot_head *ours,
                                  const struct rky_snapshot_head *theirs);

/** @brief Wall clock, budget and stop flag of one transfer. */
void rky_sync_transfer(struct rky_sync *sync, struct rky_transfer *ret_transfer);
/** @brief The remote holds this: remember it, its fence as well. */
void rky_sync_note_base(struct rky_sync *sync, const struct rky_remote_object *object,
                        const struct rky_snapshot_head *head);
/** @brief Begin the report of a transfer, forgetting an earlier one of its kind. */
struct rky_transfer_report *rky_sync_report_begin(struct rky_sync *sync,
                                                  enum rky_transfer_kind kind);
/** @brief End it: figures of the transfer, uri, log line. */
void rky_sync_report_end(struct rky_sync *sync, struct rky_transfer_report *report,
                         const struct rky_transfer *transfer);
/** @brief Decide what a failure means and put it into the report. @return the sequel. */
enum rky_transfer_sequel rky_sync_failed(struct rky_sync *sync, struct rky_transfer_report *report,
                                         const struct rky_transfer *transfer,
                                         const char *error_class, const struct rky_error *fault);

/* --- sync_merge.c ----------------------------------------------------------------------------- */

/** How to take a content over. All borrowed, NULL = none. */
struct rky_take {
    const char *const *own_tables; /**< NULL-terminated: whose watermarks win a merge */
    const char *job_id; /**< recorded by the winner: its record stands, nothing is merged */
};
/** @brief Take over what was unwrapped: install, keep, or merge, by relation.
 *  @param object what @p head and @p raw came in: set aside when the content is refused.
 *  @param how, ret_adopted NULL = a plain download. */
RKY_MUST_CHECK int rky_sync_take(struct rky_sync *sync, const struct rky_remote_object *object,
                                 const struct rky_snapshot_head *head, const unsigned char *raw,
                                 size_t raw_length, const struct rky_take *how, bool *ret_adopted,
                                 struct rky_error *err);
/** @brief Give the copy's content @p generation and a new write id that derives from @p remote, too
 *         (write_id "" = from nothing), and tell the caller. One transaction. */
RKY_MUST_CHECK int rky_sync_rebase(struct rky_sync *sync, int64_t generation,
                                   const struct rky_snapshot_head *remote,
                                   const struct rky_sync_callbacks *callbacks,
                                   struct rky_error *err);

/* --- sync_pending.c --------------------------------------------------------------------------- */

/** @brief Keep the copy in memory when it holds what no remote has, so that rky_sync_discard() can
 *         go back to it. */
RKY_MUST_CHECK int rky_sync_keep_pending(struct rky_sync *sync, struct rky_error *err);

/* --- sync_download.c -------------------------------------------------------------------------- */

/** @brief Set refused bytes aside for inspection; not by who only looks. */
void rky_sync_keep_refused(struct rky_sync *sync, const struct rky_remote_object *object);
/** @brief Verify what was fetched. A refused body is set aside for inspection. @param ret_raw
 *         owned. @return 0; RKY_ERR_STATE_FILE with @p ret_class. */
RKY_MUST_CHECK int rky_sync_verify(struct rky_sync *sync, const struct rky_remote_object *object,
                                   struct rky_snapshot_head *ret_head, unsigned char **ret_raw,
                                   size_t *ret_length, const char **ret_class,
                                   struct rky_error *err);

#endif
