/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target schema of a run: its session and what its metadata said when the run looked.
 *
 * Sessions are kept open from planning to copying, up to a limit, so that a run over thousands of
 * schemas does not need thousands of descriptors.
 */
#include "config.h"

#include "engine/run_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* Beyond this many open sessions a schema's is closed when a phase is through with it. */
enum { OPEN_SESSIONS_MAX = 32 };

int rky_target_session(struct rky_run *run, struct rky_target *target, bool create,
                       struct rky_error *err)
{
    if (target->session != NULL)
        return RKY_OK;
    const struct rky_session_options options = {
        .source = run->source,
        .lock_timeout_ms = run->env.pipeline->lock_timeout_seconds * 1000,
        .create = create,
        .clock = run->env.clock,
        .log = run->env.log,
    };
    struct rky_session *session = NULL;
    int rc = run->target->ops->session_open(run->target, target->catalog, target->schema, &options,
                                            &session, err);
    if (rc != RKY_OK)
        return rc;
    /* Under the mutex, because rky_run_interrupt() walks the sessions from another thread; one that
     * is opened after it did must be stopped here. */
    pthread_mutex_lock(&run->mutex);
    target->session = session;
    if (run->interrupt_now)
        run->target->ops->session_interrupt(session);
    pthread_mutex_unlock(&run->mutex);
    run->open_sessions++;
    return RKY_OK;
}

void rky_target_close(struct rky_run *run, struct rky_target *target)
{
    pthread_mutex_lock(&run->mutex);
    struct rky_session *session = target->session;
    target->session = NULL;
    pthread_mutex_unlock(&run->mutex);
    if (session == NULL)
        return;
    run->target->ops->session_close(session);
    run->open_sessions--;
}

void rky_target_release(struct rky_run *run, struct rky_target *target)
{
    if (run->open_sessions > OPEN_SESSIONS_MAX)
        rky_target_close(run, target);
}

void rky_target_forget(struct rky_target *target)
{
    rky_schema_info_done(&target->info);
    rky_marks_free(target->marks, target->mark_count);
    rky_commits_free(target->commits, target->commit_count);
    target->marks = NULL;
    target->mark_count = 0;
    target->commits = NULL;
    target->commit_count = 0;
    target->fence = (struct rky_fence){0};
}

static int read_commits(struct rky_run *run, struct rky_target *target, struct rky_error *err)
{
    const struct rky_adapter_ops *ops = run->target->ops;
    if (run->job->type == RKY_JOB_APPLY)
        return ops->read_commits(target->session, run->job->namespace_, NULL, run->job->plan_id,
                                 NULL, &target->commits, &target->commit_count, err);
    if (run->job->idempotency_key != NULL)
        return ops->read_commits(target->session, run->job->namespace_, NULL, NULL,
                                 run->job->idempotency_key, &target->commits, &target->commit_count,
                                 err);
    if (run->job->job_id[0] != '\0')
        return ops->read_commits(target->session, run->job->namespace_, run->job->job_id, NULL,
                                 NULL, &target->commits, &target->commit_count, err);
    return RKY_OK;
}

int rky_target_read(struct rky_run *run, struct rky_target *target, struct rky_error *err)
{
    const struct rky_adapter_ops *ops = run->target->ops;
    rky_target_forget(target);
    int rc = rky_target_session(run, target, false, err);
    if (rc == RKY_ERR_NOT_FOUND) {
        rky_error_clear(err);
        return RKY_OK;
    }
    if (rc != RKY_OK)
        return rc;
    rc = ops->session_describe(target->session, &target->info, err);
    if (rc == RKY_OK)
        rc = ops->read_fence(target->session, run->job->namespace_, &target->fence, err);
    if (rc == RKY_OK)
        rc = rky_target_read_marks(run, target, err);
    if (rc == RKY_OK)
        rc = read_commits(run, target, err);
    return rc;
}

static int by_table_name(const void *a, const void *b)
{
    const struct rky_mark *left = a;
    const struct rky_mark *right = b;
    return strcmp(left->table_name, right->table_name);
}

int rky_target_read_marks(struct rky_run *run, struct rky_target *target, struct rky_error *err)
{
    struct rky_mark *marks = NULL;
    size_t count = 0;
    int rc = run->target->ops->read_marks(target->session, &marks, &count, err);
    if (rc != RKY_OK)
        return rc;
    rky_marks_free(target->marks, target->mark_count);
    target->marks = marks;
    target->mark_count = count;
    if (count > 1)
        qsort(marks, count, sizeof(*marks), by_table_name);
    return RKY_OK;
}

static int compare_name(const void *key, const void *mark)
{
    return strcmp(key, ((const struct rky_mark *)mark)->table_name);
}

const struct rky_mark *rky_target_mark(const struct rky_target *target, const char *table)
{
    if (target->mark_count == 0)
        return NULL;
    return bsearch(table, target->marks, target->mark_count, sizeof(*target->marks), compare_name);
}
