/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the workspace pool that job_run.c uses; the rest of the project sees job_run.h.
 */
#ifndef RKY_WORKER_WORKSPACE_POOL_H
#define RKY_WORKER_WORKSPACE_POOL_H

#include "common/error.h"
#include "state/workspace.h"
#include "worker/job_run.h"

/**
 * @brief Borrow the workspace of a namespace, unlocked.
 * @return 0; RKY_ERR_LOCKED when another thread has it; RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_workspace_pool_take(struct rky_workspace_pool *pool, const char *namespace_,
                                           struct rky_workspace **ret_workspace,
                                           struct rky_error *err);
/** @brief Give it back, unlocked. @param keep false closes it: after a failure what is open is not
 *         trusted. */
void rky_workspace_pool_give(struct rky_workspace_pool *pool, struct rky_workspace *workspace,
                             bool keep);

#endif
