/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The claim phase: one short transaction per target schema, in sorted order, that makes this run
 * the only one whose table transactions are accepted there.
 *
 * After the claims the watermark rows are read again: whatever another run committed between
 * planning and claiming is seen here, and nothing can be committed by others from here on.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

static bool has_work(const struct rky_run *run, const struct rky_target *target)
{
    for (size_t i = 0; i < target->work_count; i++) {
        const struct rky_work *work = &run->work[target->first_work + i];
        if (work->state == RKY_WORK_PENDING && work->done == NULL)
            return true;
    }
    return false;
}

static void fail_target(struct rky_run *run, struct rky_target *target,
                        const struct rky_error *fault)
{
    for (size_t i = 0; i < target->work_count; i++) {
        struct rky_work *work = &run->work[target->first_work + i];
        if (work->state == RKY_WORK_PENDING && work->done == NULL)
            rky_work_fail(work, fault);
    }
}

/* A plan that is being applied is bound to the commit it saw; a run simply decides again. */
static int decide_again(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    struct rky_error fault = {0};
    if (run->job->type == RKY_JOB_APPLY) {
        (void)rky_fail(&fault, RKY_ERR_CONFLICT,
                       "table '%s' was committed to by somebody else after the plan was checked",
                       work->name);
        rky_work_fail(work, &fault);
        return RKY_OK;
    }
    json_decref(work->warnings);
    work->warnings = NULL;
    json_decref(work->drift_actions);
    work->drift_actions = NULL;
    rky_free((void *)work->added_columns);
    work->added_columns = NULL;
    int rc = rky_work_decide(run, work, &fault);
    if (rc == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    if (rc != RKY_OK)
        rky_work_fail(work, &fault);
    return RKY_OK;
}

/* What each table's row said when the run was planned; "" = there was no row. */
static char (*commit_ids_of(const struct rky_run *run,
                            const struct rky_target *target))[RKY_UUID_TEXT]
{
    char(*ids)[RKY_UUID_TEXT] = rky_calloc(target->work_count, sizeof(*ids));
    for (size_t i = 0; ids != NULL && i < target->work_count; i++) {
        const struct rky_mark *mark = run->work[target->first_work + i].mark;
        if (mark != NULL)
            (void)snprintf(ids[i], sizeof(ids[i]), "%s", mark->commit_id);
    }
    return ids;
}

static bool has_moved(const struct rky_mark *mark, const char *commit_id)
{
    return strcmp(mark != NULL ? mark->commit_id : "", commit_id) != 0;
}

static int read_again(struct rky_run *run, struct rky_target *target, struct rky_error *err)
{
    char(*before)[RKY_UUID_TEXT] = commit_ids_of(run, target);
    struct rky_schema_info info = {0};
    bool any_moved = false;
    int rc = before == NULL ? rky_fail_nomem(err) : rky_target_read_marks(run, target, err);
    for (size_t i = 0; rc == RKY_OK && i < target->work_count; i++) {
        struct rky_work *work = &run->work[target->first_work + i];
        work->mark = rky_target_mark(target, work->name);
        any_moved = any_moved || has_moved(work->mark, before[i]);
    }
    if (rc == RKY_OK && any_moved) {
        /* Whoever committed may also have made or changed tables. */
        rc = run->target->ops->session_describe(target->session, &info, err);
        if (rc == RKY_OK) {
            rky_schema_info_done(&target->info);
            target->info = info;
        }
    }
    for (size_t i = 0; rc == RKY_OK && any_moved && i < target->work_count; i++) {
        struct rky_work *work = &run->work[target->first_work + i];
        if (work->table == NULL)
            continue;
        work->target_table = rky_schema_table(&target->info, work->table->info->name);
        if (work->state == RKY_WORK_PENDING && has_moved(work->mark, before[i]))
            rc = decide_again(run, work, err);
    }
    rky_free(before);
    return rc;
}

static int take_claim(struct rky_run *run, struct rky_target *target, struct rky_error *err)
{
    int rc = rky_target_session(run, target, true, err);
    if (rc != RKY_OK)
        return rc;
    int64_t token = run->claim_token > run->meta.fence ? run->claim_token : run->meta.fence + 1;
    target->claim = (struct rky_claim){
        .namespace_ = run->job->namespace_,
        .lineage = run->meta.lineage,
        .token = token > run->state.token ? token : run->state.token,
        .raise = run->state.raise,
        .raise_context = run->state.context,
    };
    rky_uuid_v4(target->claim.claim_id);
    rc = run->target->ops->claim(target->session, &target->claim, err);
    if (rc != RKY_OK)
        return rc;
    target->claimed = true;
    if (target->claim.token > run->claim_token)
        run->claim_token = target->claim.token;
    return read_again(run, target, err);
}

/* Before each next schema the first must still be ours: a rival that came in between has it now,
 * and going on would leave each of the two with half of the schemas. */
static int first_is_still_ours(struct rky_run *run, struct rky_target *first, struct rky_error *err)
{
    if (first == NULL)
        return RKY_OK;
    int rc = rky_target_session(run, first, true, err);
    if (rc == RKY_OK)
        rc = run->target->ops->claim_check(first->session, &first->claim, err);
    rky_target_release(run, first);
    return rc;
}

int rky_run_claims_held(struct rky_run *run, struct rky_error *err)
{
    int rc = RKY_OK;
    for (size_t i = 0; rc == RKY_OK && i < run->target_count; i++) {
        struct rky_target *target = &run->targets[i];
        if (!target->claimed)
            continue;
        rc = rky_target_session(run, target, true, err);
        if (rc == RKY_OK)
            rc = run->target->ops->claim_check(target->session, &target->claim, err);
        rky_target_release(run, target);
    }
    return rc;
}

int rky_run_claim(struct rky_run *run, struct rky_error *err)
{
    struct rky_target *first = NULL;
    for (size_t i = 0; i < run->target_count; i++) {
        struct rky_target *target = &run->targets[i];
        if (!has_work(run, target))
            continue;
        struct rky_error fault = {0};
        int rc = first_is_still_ours(run, first, &fault);
        if (rc == RKY_OK)
            rc = take_claim(run, target, &fault);
        if (rc == RKY_ERR_FENCED || rc == RKY_ERR_NOMEM || rc == RKY_ERR_UNAVAILABLE) {
            if (err != NULL)
                *err = fault;
            return rc;
        }
        if (rc != RKY_OK) {
            target->fault = fault;
            fail_target(run, target, &fault);
        } else if (first == NULL) {
            first = target;
        }
        rky_target_release(run, target);
    }
    return RKY_OK;
}
