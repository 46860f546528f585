/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconciliation: what to do with one table at the start of a job, decided from what the target's
 * metadata says (T), what the ledger says (S), and what the target table looks like. A pure
 * function: the table in docs/replication.md row by row.
 */
#ifndef RKY_ENGINE_RECONCILE_H
#define RKY_ENGINE_RECONCILE_H

#include "common/config.h"
#include "common/error.h"
#include "engine/adapter.h"
#include "state/ledger.h"

enum rky_target_content { RKY_TARGET_MISSING, RKY_TARGET_EMPTY, RKY_TARGET_HAS_ROWS };

struct rky_reconcile_input {
    const char *table; /**< catalog.schema.table */
    const char *namespace_;
    const struct rky_mark *mark;        /**< T; NULL = none */
    const struct rky_watermark *ledger; /**< S; NULL = none */
    int64_t ledger_tombstone_seq;       /**< 0 = none */
    enum rky_target_content content;
    enum rky_strategy strategy;
    bool full_refresh;         /**< asked for on the command line or by the job */
    const char *cursor_column; /**< configured; NULL = none */
    enum rky_on_existing on_existing;
};

struct rky_decision {
    enum rky_action action;
    const char *reason;       /**< static: "first run", "watermark", "tombstone", ... */
    int64_t tombstone_seq;    /**< to be written with the commit */
    bool reconciled;          /**< target and ledger differed; the target won */
    bool regressed;           /**< the target is older than the ledger: it was restored */
    const char *warning_code; /**< static, NULL = none */
    char warning[256];
};

/**
 * @brief Decide. With action REFUSED the error says why and what resolves it.
 * @return 0; RKY_ERR_CONFLICT when another namespace owns the table; RKY_ERR_REFUSED for an
 *         unmanaged target with rows; RKY_ERR_CONFIG when the cursor column changed.
 */
RKY_MUST_CHECK int rky_reconcile(const struct rky_reconcile_input *input,
                                 struct rky_decision *ret_decision, struct rky_error *err);

#endif
