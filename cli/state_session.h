/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state for one command, whatever the backend: opened for reading or for writing, committed,
 * closed.
 *
 * Reading never waits. With backend `local` the file is opened as it is; of a remote state a
 * private copy is downloaded and removed again. Writing takes the lock of this machine and the
 * lease, once, without waiting. A change counts only when the backend confirmed it: a commit that
 * is not confirmed is an error, and the local change is thrown away. Used by one thread.
 */
#ifndef RKY_CLI_STATE_SESSION_H
#define RKY_CLI_STATE_SESSION_H

#include <stdbool.h>

#include "cli/context.h"
#include "state/store.h"
#include "state/sync.h"
#include "state/workspace.h"

struct rky_state_session {
    const struct rky_cli *cli;
    struct rky_store *store;        /**< NULL when reading with backend `local` */
    struct rky_state_config config; /**< shallow; of the private copy when reading */
    struct rky_workspace *workspace;
    struct rky_sync *sync;    /**< NULL when reading with backend `local` */
    struct rky_ledger *local; /**< when reading with backend `local` */
    char *directory;          /**< of the private copy */
};

/** @brief Only the store: no request, no file. For commands that look at remote objects. */
RKY_MUST_CHECK int rky_state_open_store(const struct rky_cli *cli,
                                        struct rky_state_session *ret_session,
                                        struct rky_error *err);
/** @brief @return 0; RKY_ERR_NOT_FOUND when there is no state yet; RKY_ERR_UNAVAILABLE when the
 *         backend does not give it. */
RKY_MUST_CHECK int rky_state_open_read(const struct rky_cli *cli,
                                       struct rky_state_session *ret_session,
                                       struct rky_error *err);
/** @brief Lock, lease, download. There is a ledger afterwards, empty when there was no state.
 *  @return 0; RKY_ERR_LOCKED naming the holder; RKY_ERR_UNAVAILABLE as above. */
RKY_MUST_CHECK int rky_state_open_write(const struct rky_cli *cli,
                                        struct rky_state_session *ret_session,
                                        struct rky_error *err);
/** @brief The same for a command that brings another content: where what the backend holds is
 *         corrupt the ledger is the copy at hand or empty, and the commit replaces it by a
 *         generation above @p above, 1 or more. */
RKY_MUST_CHECK int rky_state_open_replace(const struct rky_cli *cli,
                                          struct rky_state_session *ret_session, int64_t above,
                                          struct rky_error *err);
/** @brief Whether that is the case. */
bool rky_state_is_damaged(const struct rky_state_session *session);
/** @brief Borrowed; may change with a commit. NULL without one. */
struct rky_ledger *rky_state_ledger(const struct rky_state_session *session);
/** @brief Upload what was committed to the ledger. @param callbacks NULL = none.
 *  @return 0 when the backend confirmed it; RKY_ERR_CONFLICT; RKY_ERR_FENCED; RKY_ERR_UNAVAILABLE:
 *          nothing of it survives here. */
RKY_MUST_CHECK int rky_state_commit(struct rky_state_session *session,
                                    const struct rky_sync_callbacks *callbacks,
                                    struct rky_error *err);
/** @brief Also after a failed open. Gives lease and lock back. */
void rky_state_close(struct rky_state_session *session);

/** @brief The lineage of the ledger; one that is being created has that of the namespace's targets,
 *         if they have any.
 *  @return 0; RKY_ERR_UNAVAILABLE when a target cannot be read; RKY_ERR_CONFIG when they differ. */
RKY_MUST_CHECK int rky_state_lineage(const struct rky_cli *cli, struct rky_ledger *ledger,
                                     char ret_lineage[RKY_UUID_TEXT], struct rky_error *err);
/** @brief Write that lineage into a ledger that is being created. Inside a transaction.
 *  @return 0; RKY_ERR_UNAVAILABLE when a target cannot be read; RKY_ERR_CONFIG when they differ. */
RKY_MUST_CHECK int rky_state_inherit_lineage(const struct rky_cli *cli, struct rky_ledger *ledger,
                                             struct rky_error *err);

/** @brief Refuse what needs --yes and was given none. @param format what would happen, as a
 *         sentence. @return 0 or RKY_ERR_USAGE. */
RKY_MUST_CHECK int rky_cli_confirm(const struct rky_cli *cli, struct rky_error *err,
                                   const char *format, ...) RKY_PRINTF(3, 4);

/** @brief Turn what a service did not do into RKY_ERR_UNAVAILABLE; other failures, and 0, stay. */
int rky_state_unavailable(int rc, struct rky_error *err);
/** @brief A new directory that only this user can enter, below TMPDIR. @param ret_path owned. */
RKY_MUST_CHECK int rky_private_directory(char **ret_path, struct rky_error *err);
/** @brief Where the state is, for people: a path or the address of the head object. Owned, NULL
 *         when memory is out. */
char *rky_state_location(const struct rky_cli *cli, struct rky_store *store);
/** @brief A transfer bounded by @p timeout_ms or state.transfer_timeout_seconds, whichever is
 *         less; 0 = only the latter. */
struct rky_transfer rky_state_transfer(const struct rky_cli *cli, int64_t timeout_ms);

#endif
