/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two contents of one state make of each other. The write id names a content exactly, its
 * ancestors name what it derives from; no clock and no generation decides.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "state/sync_internal.h"

enum rky_relation rky_relation_of(const struct rky_snapshot_head *ours,
                                  const struct rky_snapshot_head *theirs)
{
    if (strcmp(ours->write_id, theirs->write_id) == 0)
        return RKY_SAME;
    if (rky_snapshot_derives(ours, theirs->write_id))
        return RKY_AHEAD;
    if (rky_snapshot_derives(theirs, ours->write_id))
        return RKY_BEHIND;
    return RKY_FORKED;
}

/* --- ancestry ------------------------------------------------------------------------------------
 */

struct ancestry {
    char ids[RKY_ANCESTORS_MAX][RKY_UUID_TEXT];
    size_t count;
};

static void add_ancestor(struct ancestry *ancestry, const char *id)
{
    if (id[0] == '\0' || ancestry->count == RKY_ANCESTORS_MAX)
        return;
    for (size_t i = 0; i < ancestry->count; i++) {
        if (strcmp(ancestry->ids[i], id) == 0)
            return;
    }
    memcpy(ancestry->ids[ancestry->count++], id, RKY_UUID_TEXT);
}

static void add_ancestors(struct ancestry *ancestry, const struct rky_snapshot_head *head)
{
    for (size_t i = 0; i < head->ancestor_count; i++)
        add_ancestor(ancestry, head->ancestors[i]);
}

/* The remote's version first, so that whoever holds it recognises us as newer; then what was never
 * uploaded, so that a write of ours that lands late is recognised; then the older ones. */
static void join(struct ancestry *ancestry, const struct rky_snapshot_head *remote,
                 const struct rky_snapshot_head *ours)
{
    if (remote != NULL)
        add_ancestor(ancestry, remote->write_id);
    if (ours != NULL) {
        add_ancestor(ancestry, ours->write_id);
        for (size_t i = 0; i < ours->ancestor_count && i < RKY_ANCESTORS_MAX / 2; i++)
            add_ancestor(ancestry, ours->ancestors[i]);
    }
    if (remote != NULL)
        add_ancestors(ancestry, remote);
    if (ours != NULL)
        add_ancestors(ancestry, ours);
}

/* One content, new id: generation @p generation now, so that the next write is one above; exactly
 * these ancestors. */
static int renumber(struct rky_ledger *ledger, int64_t generation, const struct ancestry *ancestry,
                    struct rky_error *err)
{
    int64_t after = 0;
    int rc = rky_ledger_set_version(ledger, generation - 1, ancestry->ids, ancestry->count, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &after, err);
    /* The bump put the present id first, but the parent is what the remote holds. */
    return rc != 0 ? rc
                   : rky_ledger_set_version(ledger, after, ancestry->ids, ancestry->count, err);
}

int rky_sync_rebase(struct rky_sync *sync, int64_t generation,
                    const struct rky_snapshot_head *remote,
                    const struct rky_sync_callbacks *callbacks, struct rky_error *err)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    struct rky_snapshot_head ours;
    struct ancestry ancestry = {.count = 0};
    int rc = rky_ledger_head(ledger, &ours, err);
    if (rc != 0)
        return rc;
    join(&ancestry, remote, &ours);
    rc = rky_ledger_begin(ledger, err);
    if (rc == 0)
        rc = renumber(ledger, generation, &ancestry, err);
    if (rc == 0 && callbacks != NULL && callbacks->renumbered != NULL)
        rc = callbacks->renumbered(callbacks->context, ledger, generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

/* --- taking over ---------------------------------------------------------------------------------
 */

/* The remote's content is installed; what only the old copy holds comes on top. */
static int merge_old(struct rky_sync *sync, const struct rky_snapshot_head *remote,
                     const struct rky_snapshot_head *ours, const char *const *own_tables,
                     struct rky_error *err)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    const struct rky_state_config *config = rky_store_config(sync->options.store);
    const struct rky_retention retention = {.jobs = config->retention_jobs,
                                            .jobs_days = config->retention_jobs_days,
                                            .history = config->retention_history};
    struct rky_merge_options options = {.own_tables = own_tables};
    struct ancestry ancestry = {.count = 0};
    while (own_tables != NULL && own_tables[options.own_table_count] != NULL)
        options.own_table_count++;
    join(&ancestry, remote, ours);
    int rc = rky_ledger_begin(ledger, err);
    if (rc == 0)
        rc = rky_ledger_merge(ledger, rky_workspace_old(sync->options.workspace), &options, err);
    if (rc == 0)
        rc = rky_ledger_sweep(ledger, &retention, sync->options.clock->wall_us(sync->options.clock),
                              err);
    if (rc == 0)
        rc = renumber(ledger, remote->generation, &ancestry, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    else
        rky_log_write(sync->options.log, RKY_LOG_INFO, NULL,
                      "namespace '%s': merged what only this machine knew into generation %lld",
                      sync->name.namespace_, (long long)remote->generation);
    return rc;
}

/* Whether the winner recorded our job: then nothing of ours is needed. */
static int is_done(struct rky_sync *sync, const char *job_id, bool *ret_done, struct rky_error *err)
{
    struct rky_job_record record = {0};
    *ret_done = false;
    if (job_id == NULL || job_id[0] == '\0')
        return 0;
    int rc = rky_ledger_job_get(rky_sync_ledger(sync), job_id, &record, err);
    if (rc == RKY_ERR_NOT_FOUND)
        return 0;
    *ret_done = rc == 0;
    rky_job_record_done(&record);
    return rc;
}

static int relate(struct rky_sync *sync, const struct rky_snapshot_head *head,
                  struct rky_snapshot_head *ret_ours, enum rky_relation *ret_relation,
                  struct rky_error *err)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    *ret_relation = RKY_BEHIND;
    if (ledger == NULL)
        return 0;
    int rc = rky_ledger_head(ledger, ret_ours, err);
    /* A copy of another lineage has nothing to do with this state. */
    if (rc == 0 && strcmp(ret_ours->lineage, head->lineage) == 0)
        *ret_relation = rky_relation_of(ret_ours, head);
    return rc;
}

int rky_sync_take(struct rky_sync *sync, const struct rky_remote_object *object,
                  const struct rky_snapshot_head *head, const unsigned char *raw, size_t raw_length,
                  const struct rky_take *how, bool *ret_adopted, struct rky_error *err)
{
    struct rky_workspace *workspace = sync->options.workspace;
    struct rky_snapshot_head ours = {.generation = 0};
    enum rky_relation relation = RKY_BEHIND;
    bool adopted = false;
    int rc = relate(sync, head, &ours, &relation, err);
    if (rc != 0 || relation == RKY_SAME)
        return rc;
    if (relation == RKY_AHEAD)
        return ours.generation == head->generation
                   ? 0
                   : rky_sync_rebase(sync, head->generation, head, NULL, err);
    rc = rky_workspace_install(workspace, raw, raw_length, head, err);
    if (rc == RKY_ERR_STATE_FILE)
        rky_sync_keep_refused(sync, object);
    if (rc == 0 && how != NULL)
        rc = is_done(sync, how->job_id, &adopted, err);
    if (rc == 0 && relation == RKY_FORKED && !adopted)
        rc = merge_old(sync, head, &ours, how != NULL ? how->own_tables : NULL, err);
    if (rc == 0)
        rky_workspace_drop_old(workspace);
    else
        rky_workspace_revert(workspace);
    if (ret_adopted != NULL)
        *ret_adopted = adopted;
    return rc;
}
