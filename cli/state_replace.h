/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another version's content in place of the present one: what restore and import share. The bytes
 * may come from anywhere; nothing of them is looked at before all of it is verified, in a private
 * file. History and plans are replaced; runs, jobs, tombstones and audit trail united; the
 * watermarks follow the target at the next run, so nothing there goes back.
 */
#ifndef RKY_CLI_STATE_REPLACE_H
#define RKY_CLI_STATE_REPLACE_H

#include "cli/context.h"
#include "cli/state_session.h"
#include "state/snapshot.h"

struct rky_incoming {
    char *directory, *path; /**< private file with the verified ledger */
    struct rky_snapshot_head head;
};
/** @brief Verify a snapshot envelope, or a plain ledger file, and put it aside.
 *  @return 0; RKY_ERR_STATE_FILE saying what is wrong; RKY_ERR_IO; RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_incoming_take(const struct rky_cli *cli, const void *bytes, size_t length,
                                     struct rky_incoming *ret_incoming, struct rky_error *err);
void rky_incoming_done(struct rky_incoming *incoming);

struct rky_replacement {
    char lineage[RKY_UUID_TEXT];
    int64_t old_generation, restored_from, generation;
    size_t watermarks;
};
/** @brief Ask for --yes, replace, audit, commit. @param action "state restore" or "state import".
 *         @param from what it is taken from, for people. */
RKY_MUST_CHECK int rky_state_replace(struct rky_state_session *state,
                                     const struct rky_incoming *incoming, const char *action,
                                     const char *from, struct rky_replacement *ret_replacement,
                                     struct rky_error *err);
/** What a command does between choosing its namespace and printing. */
typedef int rky_replace_fn(struct rky_cli *cli, struct rky_state_session *state,
                           struct rky_replacement *replacement, struct rky_error *err);
/** @brief A whole command around it. @return its exit code. */
int rky_replace_command(struct rky_cli *cli, rky_replace_fn *replace);
RKY_MUST_CHECK int rky_replacement_print(const struct rky_cli *cli,
                                         const struct rky_replacement *replacement,
                                         struct rky_error *err);

#endif
