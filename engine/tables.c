/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables phase: threads take target schemas, one at a time each, and copy their tables one
 * after the other (a schema has one writer). A failed table never stops the others, unless
 * fail_fast or the error rate says so.
 */
#include "config.h"

#include <string.h>

#include "common/fault.h"
#include "common/mem.h"
#include "engine/run_internal.h"

/* Aborting by error rate needs a sample that means something. */
enum { ERROR_RATE_MIN_FINISHED = 10, PROGRESS_INTERVAL_MS = 100 };

/* --- what threads share
 * ---------------------------------------------------------------------------- */

static void report_progress(struct rky_run *run, const struct rky_target *target, const char *table,
                            bool always)
{
    if (run->env.progress == NULL)
        return;
    pthread_mutex_lock(&run->mutex);
    int64_t now = run->env.clock->mono_ms(run->env.clock);
    if (always || now - run->last_progress_ms >= PROGRESS_INTERVAL_MS) {
        run->last_progress_ms = now;
        const struct rky_progress progress = {
            .tables_total = run->work_count,
            .tables_done = run->tables_done,
            .tables_failed = run->tables_failed,
            .rows = run->rows_done + (target != NULL && table != NULL && target->session != NULL
                                          ? run->target->ops->session_progress(target->session)
                                          : 0),
            .table = table,
            .elapsed_ms = now - run->started_mono_ms,
        };
        run->env.progress(run->env.progress_context, &progress);
    }
    pthread_mutex_unlock(&run->mutex);
}

/* Under the mutex: whether what has failed so far ends the run. */
static void judge_failures(struct rky_run *run)
{
    const struct rky_pipeline_config *pipeline = run->env.pipeline;
    size_t finished = run->tables_done + run->tables_failed;
    if (run->tables_failed > 0 && pipeline->fail_fast) {
        run->stop_starting = true;
        run->stop_reason = "aborted: fail_fast";
    } else if (pipeline->error_rate_abort_pct > 0 && finished >= ERROR_RATE_MIN_FINISHED &&
               run->tables_failed * 100 >
                   run->work_count * (size_t)pipeline->error_rate_abort_pct) {
        run->stop_starting = true;
        run->stop_reason = "aborted: error_rate_abort_pct";
    }
}

static void count_finished(struct rky_run *run, const struct rky_work *work)
{
    pthread_mutex_lock(&run->mutex);
    if (work->state == RKY_WORK_FAILED) {
        run->tables_failed++;
        judge_failures(run);
    } else {
        run->tables_done++;
        run->rows_done += work->outcome.rows_copied;
    }
    pthread_mutex_unlock(&run->mutex);
    report_progress(run, NULL, NULL, false);
}

static bool may_start(struct rky_run *run)
{
    pthread_mutex_lock(&run->mutex);
    bool yes = !run->stop_starting && !run->fenced && run->interrupt_code == RKY_OK;
    pthread_mutex_unlock(&run->mutex);
    return yes;
}

static void lose_claim(struct rky_run *run, const struct rky_error *fault)
{
    pthread_mutex_lock(&run->mutex);
    if (!run->fenced) {
        run->fenced = true;
        run->fence_error = *fault;
    }
    pthread_mutex_unlock(&run->mutex);
}

/* --- one table
 * ---------------------------------------------------------------------------------------- */

static bool is_worth_a_retry(int rc)
{
    return rc == RKY_ERR_CONNECTION || rc == RKY_ERR_IO || rc == RKY_ERR_TIMEOUT;
}

static int copy_once(struct rky_run *run, struct rky_target *target, struct rky_work *work,
                     struct rky_error *fault)
{
    struct rky_copy_spec spec;
    const struct rky_copy_ids ids = {
        .namespace_ = run->job->namespace_,
        .run_id = run->run_id,
        .commit_id = work->commit_id,
        .job_id = run->commit_job_id,
        .idempotency_key = run->job->idempotency_key,
        .plan_id = run->job->type == RKY_JOB_APPLY ? run->job->plan_id : NULL,
    };
    rky_copy_outcome_done(&work->outcome);
    rky_work_spec(work, run, &spec);
    int rc =
        run->state.may_commit != NULL ? run->state.may_commit(run->state.context, fault) : RKY_OK;
    if (rc == RKY_OK)
        rc = rky_target_session(run, target, true, fault);
    if (rc == RKY_OK)
        rc = run->target->ops->copy(target->session, &target->claim, &spec, &ids, &work->outcome,
                                    fault);
    return rc;
}

static void copy_table(struct rky_run *run, struct rky_target *target, struct rky_work *work)
{
    struct rky_error fault = {0};
    int rc = RKY_OK;
    work->started_mono_ms = run->env.clock->mono_ms(run->env.clock);
    report_progress(run, target, work->name, false);
    for (int64_t left = run->env.pipeline->table_retries; left >= 0; left--) {
        rky_error_clear(&fault);
        rc = copy_once(run, target, work, &fault);
        if (rc == RKY_OK || !is_worth_a_retry(rc) || !may_start(run))
            break;
    }
    work->duration_ms = run->env.clock->mono_ms(run->env.clock) - work->started_mono_ms;
    if (rc == RKY_OK) {
        work->copied = true;
        work->state = RKY_WORK_DONE;
    } else {
        rky_work_fail(work, &fault);
        if (rc == RKY_ERR_FENCED)
            lose_claim(run, &fault);
    }
}

/* Waiting for a busy file once is enough: the other tables of the schema are in the same file. */
static void fail_rest_as_locked(struct rky_run *run, const struct rky_target *target, size_t from,
                                const struct rky_error *fault)
{
    for (size_t i = from; i < target->work_count; i++) {
        struct rky_work *work = &run->work[target->first_work + i];
        if (work->state == RKY_WORK_PENDING && work->done == NULL) {
            rky_work_fail(work, fault);
            count_finished(run, work);
        }
    }
}

static void skip(struct rky_run *run, struct rky_work *work)
{
    struct rky_error error = {0};
    work->state = RKY_WORK_SKIPPED;
    if (run->interrupt_code != RKY_OK)
        (void)rky_fail(&error, (enum rky_err)run->interrupt_code,
                       "table '%s' was not started: the run was stopped", work->name);
    else
        (void)rky_fail(&error, RKY_ERR_CANCELLED, "table '%s' was not started: %s", work->name,
                       run->stop_reason != NULL ? run->stop_reason : "aborted");
    rky_work_set_error(work, &error);
}

static void copy_target(struct rky_run *run, struct rky_target *target)
{
    for (size_t i = 0; i < target->work_count; i++) {
        struct rky_work *work = &run->work[target->first_work + i];
        if (work->state == RKY_WORK_FAILED)
            continue;
        if (work->done != NULL) {
            work->state = RKY_WORK_DONE;
            count_finished(run, work);
            continue;
        }
        if (!may_start(run)) {
            skip(run, work);
            continue;
        }
        copy_table(run, target, work);
        count_finished(run, work);
        if (work->state == RKY_WORK_FAILED && rky_work_error(work)->code == RKY_ERR_LOCKED)
            fail_rest_as_locked(run, target, i + 1, rky_work_error(work));
        rky_fault_point("table.between");
    }
    if (target->session != NULL) {
        /* The row sweep is housekeeping: its failure is not the run's. */
        if (target->claimed && may_start(run))
            (void)run->target->ops->sweep_commits(
                target->session, &target->claim,
                run->started_us - (int64_t)RKY_COMMITS_KEEP_DAYS * 86400 * 1000000, NULL);
        rky_target_release(run, target);
    }
}

static void *work_thread(void *context)
{
    struct rky_run *run = context;
    for (;;) {
        pthread_mutex_lock(&run->mutex);
        size_t mine = run->next_target++;
        pthread_mutex_unlock(&run->mutex);
        if (mine >= run->target_count)
            return NULL;
        copy_target(run, &run->targets[mine]);
    }
}

/* --- the phase
 * ------------------------------------------------------------------------------------------ */

static void count_failed_before(struct rky_run *run)
{
    for (size_t i = 0; i < run->work_count; i++)
        if (run->work[i].state == RKY_WORK_FAILED)
            run->tables_failed++;
}

/* When nothing was done because everything is held by others, a later attempt does it all. */
static bool is_all_locked(const struct rky_run *run, const struct rky_work **ret_first)
{
    const struct rky_work *first = NULL;
    for (size_t i = 0; i < run->work_count; i++) {
        const struct rky_work *work = &run->work[i];
        if (work->state != RKY_WORK_FAILED || rky_work_error(work)->code != RKY_ERR_LOCKED)
            return false;
        if (first == NULL)
            first = work;
    }
    *ret_first = first;
    return first != NULL;
}

static size_t thread_count(const struct rky_run *run)
{
    size_t wanted = (size_t)run->env.pipeline->concurrency;
    if (wanted > run->target_count)
        wanted = run->target_count;
    return wanted;
}

int rky_run_tables(struct rky_run *run, struct rky_error *err)
{
    const struct rky_work *locked = NULL;
    size_t extra = thread_count(run) > 0 ? thread_count(run) - 1 : 0;
    size_t started = 0;
    pthread_t *threads = extra > 0 ? rky_calloc(extra, sizeof(*threads)) : NULL;
    if (extra > 0 && threads == NULL)
        return rky_fail_nomem(err);
    count_failed_before(run);
    /* Threads that cannot be had are done without: this one works as well. */
    while (started < extra && pthread_create(&threads[started], NULL, work_thread, run) == 0)
        started++;
    (void)work_thread(run);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    rky_free(threads);
    report_progress(run, NULL, NULL, true);

    if (run->fenced) {
        if (err != NULL)
            *err = run->fence_error;
        return RKY_ERR_FENCED;
    }
    if (run->interrupt_code != RKY_OK)
        return rky_fail(err, (enum rky_err)run->interrupt_code,
                        "the run was stopped before it was finished");
    if (is_all_locked(run, &locked)) {
        if (err != NULL)
            *err = *rky_work_error(locked);
        return RKY_ERR_LOCKED;
    }
    return RKY_OK;
}
