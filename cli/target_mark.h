/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to Rocky's own tables of a target schema from a command: the same rules as a run. First
 * the claim, which shuts out whoever worked there before; then a compare-and-set under it. The
 * claim is asked for again before the state is uploaded. One thread.
 */
#ifndef RKY_CLI_TARGET_MARK_H
#define RKY_CLI_TARGET_MARK_H

#include "cli/context.h"
#include "cli/state_session.h"
#include "engine/adapter.h"

struct rky_target_claim {
    struct rky_session *session;
    struct rky_claim claim;
    char lineage[RKY_UUID_TEXT];
};

/** @brief Connect to a target schema that exists and claim it for the command's namespace.
 *  @return 0; RKY_ERR_NOT_FOUND when there is no such schema; RKY_ERR_FENCED when the lease was
 *          lost; the driver's errors. */
RKY_MUST_CHECK int rky_target_claim_take(struct rky_state_session *state, const char *catalog,
                                         const char *schema, struct rky_target_claim *ret_claim,
                                         struct rky_error *err);
/** @brief For struct rky_sync_callbacks. @param context a struct rky_target_claim. */
int rky_target_claim_held(void *context, struct rky_error *err);
/** @brief Replace a table's row. @param old what was read, NULL = no row. @param mark commit_id is
 *         chosen here, before the call it is NULL. @param ret_commit_id what was written. */
RKY_MUST_CHECK int rky_target_claim_write(struct rky_target_claim *claim,
                                          const struct rky_mark *old, const struct rky_mark *mark,
                                          char ret_commit_id[RKY_UUID_TEXT], struct rky_error *err);
void rky_target_claim_done(struct rky_target_claim *claim);

/** A new row as the ledger and its audit trail keep it. All borrowed. */
struct rky_mark_record {
    const char *action;                /**< of the audit trail */
    const char *old_value, *new_value; /**< of the audit trail */
    const struct rky_mark *mark;
    const char *commit_id;
    const char *source; /**< catalog.schema.table it is copied from, NULL = as it was */
    int64_t fence;
};
/** @brief Record it in the ledger, in a transaction of its own. */
RKY_MUST_CHECK int rky_target_mark_record(const struct rky_cli *cli, struct rky_ledger *ledger,
                                          const struct rky_mark_record *record,
                                          struct rky_error *err);

/** @brief Say of a commit that failed what the target has nevertheless, whatever hint there was. */
void rky_target_mark_unconfirmed(struct rky_error *err);

#endif
