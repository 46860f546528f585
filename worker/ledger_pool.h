/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the ledger pool that job_run.c uses; the rest of the project sees job_run.h.
 */
#ifndef RKY_WORKER_LEDGER_POOL_H
#define RKY_WORKER_LEDGER_POOL_H

#include "common/error.h"
#include "state/ledger.h"
#include "worker/job_run.h"

/**
 * @brief Borrow the open ledger of a namespace, opening it when needed.
 * @return 0; RKY_ERR_LOCKED when another thread has it; errors of rky_ledger_open().
 */
RKY_MUST_CHECK int rky_ledger_pool_take(struct rky_ledger_pool *pool, const char *namespace_,
                                        struct rky_ledger **ret_ledger, struct rky_error *err);
/** @brief Give it back. @param keep false closes it: after a failure its state is not trusted. */
void rky_ledger_pool_give(struct rky_ledger_pool *pool, struct rky_ledger *ledger, bool keep);

#endif
