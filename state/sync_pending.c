/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking back what one sync wrote. A copy may be pending: runs whose upload was skipped are in it
 * and nowhere else. What must stay true: a command that fails takes its own change back, and
 * nothing that was recorded before it.
 */
#include "config.h"

#include "state/sync_internal.h"

#include "common/mem.h"

int rky_sync_keep_pending(struct rky_sync *sync, struct rky_error *err)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    if (sync->options.read_only || ledger == NULL || rky_sync_is_warm(sync))
        return 0;
    int rc = rky_ledger_head(ledger, &sync->pending_head, err);
    if (rc != 0 || sync->pending_head.generation == 0)
        return rc;
    rky_free(sync->pending);
    sync->pending = NULL;
    sync->pending_base = *rky_workspace_base(sync->options.workspace);
    return rky_ledger_serialize(ledger, &sync->pending, &sync->pending_length, err);
}

void rky_sync_forget(struct rky_sync *sync)
{
    if (sync->remote != NULL)
        rky_workspace_discard(sync->options.workspace);
}

void rky_sync_discard(struct rky_sync *sync)
{
    struct rky_workspace *workspace = sync->options.workspace;
    struct rky_error fault = {0};
    rky_sync_forget(sync);
    if (sync->remote == NULL || sync->pending == NULL)
        return;
    if (rky_workspace_install(workspace, sync->pending, sync->pending_length, &sync->pending_head,
                              &fault) == 0)
        rky_workspace_set_base(workspace, &sync->pending_base);
    else
        rky_log_write(sync->options.log, RKY_LOG_WARN, NULL,
                      "namespace '%s': what was recorded before and not uploaded yet is lost: %s",
                      sync->name.namespace_, fault.message);
}
