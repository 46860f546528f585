/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a job. Read the table `steps`: it is the order in which everything happens, and each
 * row may be the last thing this process ever did. Whatever step a crash interrupts, the job comes
 * again and the same list answers it from the ledger or finishes what is missing.
 *
 * A failure that no other attempt would mend skips ahead to `record`, so that it becomes a result
 * like any other. Every other failure leaves no trace: the job is given back, dead-lettered, or
 * the worker stops taking until its own trouble is over. Called by executors and by the CLI; one
 * call is one thread.
 */
#include "config.h"

#include "worker/job_run.h"

#include <string.h>

#include "common/fault.h"
#include "common/mem.h"
#include "state/sync.h"
#include "worker/job_publish.h"
#include "worker/workspace_pool.h"

struct walk {
    const struct rky_job_env *env;
    const struct rky_job *job;
    const struct rky_pipeline_config *pipeline;
    struct rky_workspace *workspace;
    struct rky_sync *sync;
    bool pooled;
    struct rky_run *run;
    bool expired;                    /* its deadline had passed when the walk began */
    bool failed;                     /* `failure` is to be recorded as the result */
    bool unreadable;                 /* ... but there is no state that could record it */
    bool restarted;                  /* once, without the copy at hand */
    bool told_download, told_upload; /* the transfer's event was published */
    struct rky_error failure;
    const char *dead_letter_reason;
};

/* On the command line the person decides whether to try again. */
static bool is_interactive(const struct rky_job_env *env)
{
    return strcmp(env->trigger, "cli") == 0;
}

/* --- what the run asks while it works --------------------------------------------------------- */

static int may_commit(void *context, struct rky_error *err)
{
    const struct walk *walk = context;
    return rky_sync_check(walk->sync, err);
}

static int raise_floor(void *context, int64_t token, struct rky_error *err)
{
    const struct walk *walk = context;
    return rky_sync_raise(walk->sync, token, err);
}

static int claims_held(void *context, struct rky_error *err)
{
    const struct walk *walk = context;
    return rky_run_claims_held(walk->run, err);
}

static int renumbered(void *context, struct rky_ledger *ledger, int64_t generation,
                      struct rky_error *err)
{
    const struct walk *walk = context;
    return rky_run_renumbered(walk->run, ledger, generation, err);
}

static void set_state(struct walk *walk)
{
    const struct rky_run_state state = {
        .ledger = rky_sync_ledger(walk->sync),
        .remote = rky_store_remote(walk->env->store) != NULL,
        .lockless = rky_sync_is_lockless(walk->sync),
        .confirmed = rky_sync_is_confirmed(walk->sync),
        .token = rky_sync_token(walk->sync),
        .download = rky_sync_report(walk->sync, RKY_TRANSFER_DOWNLOAD),
        .may_commit = may_commit,
        .raise = raise_floor,
        .context = walk,
    };
    rky_run_set_state(walk->run, &state);
}

/* --- the steps -------------------------------------------------------------------------------- */

static int make_run(struct walk *walk, struct rky_error *err)
{
    const struct rky_job_env *env = walk->env;
    struct rky_run_env run_env = {.config = env->config,
                                  .pipeline = walk->pipeline,
                                  .clock = env->clock,
                                  .log = env->log,
                                  .worker_id = env->worker_id,
                                  .trigger = env->trigger,
                                  .progress = env->progress,
                                  .progress_context = env->progress_context};
    int rc = rky_run_new(&run_env, walk->job, &walk->run, err);
    if (rc == 0 && env->running != NULL)
        env->running(env->running_context, walk->run);
    return rc;
}

static int take_workspace(struct walk *walk, struct rky_error *err)
{
    const struct rky_job_env *env = walk->env;
    walk->pooled = env->state_path == NULL && env->workspaces != NULL;
    if (walk->pooled)
        return rky_workspace_pool_take(env->workspaces, walk->job->namespace_, &walk->workspace,
                                       err);
    const struct rky_workspace_options options = {.config = &env->config->state,
                                                  .namespace_ = walk->job->namespace_,
                                                  .state_path = env->state_path,
                                                  .clock = env->clock,
                                                  .log = env->log};
    return rky_workspace_new(&options, &walk->workspace, err);
}

static int step_ledger(struct walk *walk, struct rky_error *err)
{
    const struct rky_job_env *env = walk->env;
    /* Before the run takes its own start time, which must not be earlier than this look. */
    walk->expired =
        walk->job->deadline_us != 0 && env->clock->wall_us(env->clock) > walk->job->deadline_us;
    int rc = make_run(walk, err);
    if (rc == 0)
        rc = take_workspace(walk, err);
    if (rc != 0)
        return rc;
    const struct rky_sync_options options = {
        .store = env->store,
        .workspace = walk->workspace,
        .run_id = rky_run_id(walk->run),
        .job_id = walk->job->job_id,
        .worker_id = env->worker_id,
        .skippable = walk->job->type == RKY_JOB_RUN || walk->job->type == RKY_JOB_APPLY,
        .lock_timeout_ms = env->lock_timeout_ms,
        .stop = rky_run_stop_flag(walk->run),
        .clock = env->clock,
        .log = env->log,
    };
    rc = rky_sync_new(&options, &walk->sync, err);
    return rc != 0 ? rc : rky_sync_lock_here(walk->sync, err);
}

static int step_recall(struct walk *walk, struct rky_error *err)
{
    if (rky_store_remote(walk->env->store) == NULL || !rky_sync_is_warm(walk->sync))
        return 0;
    set_state(walk);
    int rc = rky_run_recall(walk->run, err);
    if (rc == RKY_ERR_DECODE)
        walk->dead_letter_reason = "job_id_reused";
    return rc;
}

static int step_lease(struct walk *walk, struct rky_error *err)
{
    return rky_sync_lease(walk->sync, err);
}

static int step_download(struct walk *walk, struct rky_error *err)
{
    int rc = rky_sync_download(walk->sync, err);
    if (rc == 0)
        set_state(walk);
    return rc;
}

static int step_lookup(struct walk *walk, struct rky_error *err)
{
    int rc = rky_run_lookup(walk->run, err);
    if (rc == RKY_ERR_DECODE)
        walk->dead_letter_reason = "job_id_reused";
    /* A job that was done in time is answered, however late it is asked about again. */
    if (rc == 0 && walk->expired && !rky_run_answered(walk->run))
        rc = rky_fail(err, RKY_ERR_TIMEOUT, "the job's deadline passed before it was started");
    return rc;
}

static int step_prepare(struct walk *walk, struct rky_error *err)
{
    return rky_run_prepare(walk->run, err);
}

static int step_claim(struct walk *walk, struct rky_error *err)
{
    return rky_run_claim(walk->run, err);
}

static int step_tables(struct walk *walk, struct rky_error *err)
{
    return rky_run_tables(walk->run, err);
}

static int step_record(struct walk *walk, struct rky_error *err)
{
    if (walk->unreadable)
        return rky_run_give_up(walk->run, rky_sync_report(walk->sync, RKY_TRANSFER_DOWNLOAD),
                               &walk->failure, err);
    /* The lease may have been lost sight of while the tables were copied. */
    set_state(walk);
    return rky_run_record(walk->run, walk->failed ? &walk->failure : NULL, err);
}

/* Whether the recorded result is nobody's yet: of this attempt, or of an earlier one whose upload
 * never came to the remote either. */
static bool is_ours_alone(const struct walk *walk)
{
    return !rky_run_answered(walk->run) ||
           rky_run_promised_generation(walk->run) > rky_workspace_base(walk->workspace)->generation;
}

/* A breaker that lets nothing through says nothing about the job. */
static bool is_last_attempt(const struct walk *walk)
{
    return is_interactive(walk->env) ||
           (walk->env->last_attempt && !rky_sync_is_shut_out(walk->sync));
}

/* The upload failed for good: what was recorded as a success is put right, or taken back. */
static int upload_failed(struct walk *walk, const struct rky_error *fault, struct rky_error *err)
{
    const struct rky_transfer_report *report = rky_sync_report(walk->sync, RKY_TRANSFER_UPLOAD);
    bool skippable = walk->job->type != RKY_JOB_PLAN;
    bool final = is_interactive(walk->env) || (is_last_attempt(walk) && !report->commit_unknown);
    int rc = fault->code;
    if (rc == RKY_ERR_FENCED || !skippable)
        rky_sync_discard(walk->sync);
    else if (final && is_ours_alone(walk) && rc != RKY_ERR_NOMEM && rc != RKY_ERR_INTERRUPTED)
        rc = rky_run_upload_ended(walk->run, report, fault, err);
    if (rc != 0 && err != NULL)
        *err = *fault;
    if (rc == 0)
        walk->failure = *fault;
    walk->failed = walk->failed || rc == 0;
    return rc;
}

static int step_upload(struct walk *walk, struct rky_error *err)
{
    struct rky_error fault = {0};
    if (walk->unreadable || rky_store_remote(walk->env->store) == NULL)
        return 0;
    const struct rky_sync_callbacks callbacks = {
        .claims_held = claims_held,
        .renumbered = renumbered,
        .context = walk,
        .own_tables = rky_run_own_tables(walk->run),
    };
    if (callbacks.own_tables == NULL)
        return rky_fail_nomem(err);
    int rc = rky_sync_upload(walk->sync, &callbacks, &fault);
    if (rc != 0)
        return upload_failed(walk, &fault, err);
    set_state(walk);
    const struct rky_transfer_report *report = rky_sync_report(walk->sync, RKY_TRANSFER_UPLOAD);
    if (rky_sync_was_adopted(walk->sync))
        return rky_run_adopt_recorded(walk->run, err);
    if (report != NULL && report->outcome == RKY_OUTCOME_SKIPPED_AFTER_FAILURE &&
        is_ours_alone(walk))
        return rky_run_upload_ended(walk->run, report, NULL, err);
    return 0;
}

/* --- telling about transfers ------------------------------------------------------------------ */

static void tell_transfer(struct walk *walk, enum rky_transfer_kind kind, bool *told)
{
    const struct rky_transfer_report *report =
        walk->sync != NULL ? rky_sync_report(walk->sync, kind) : NULL;
    struct rky_error odd = {0};
    if (report == NULL || *told || walk->env->publish == NULL || walk->run == NULL)
        return;
    json_t *event = rky_run_transfer_event(walk->run, report);
    if (event != NULL && rky_job_publish_event(walk->env, walk->job, event, &odd) != 0)
        rky_log_write(walk->env->log, RKY_LOG_WARN, NULL,
                      "job '%s': the event of a transfer was not published: %s", walk->job->job_id,
                      odd.message);
    json_decref(event);
    *told = true;
}

/* Transfers of an attempt that leaves no result behind; those of one that does are recorded. */
static void tell_transfers(struct walk *walk)
{
    tell_transfer(walk, RKY_TRANSFER_DOWNLOAD, &walk->told_download);
    tell_transfer(walk, RKY_TRANSFER_UPLOAD, &walk->told_upload);
}

static int publish_recorded(struct walk *walk, struct rky_error *err)
{
    const struct rky_transfer_report *upload = rky_sync_report(walk->sync, RKY_TRANSFER_UPLOAD);
    json_t *measured = NULL;
    /* What is recorded of an answered job tells of the attempt that did it, not of this one. */
    if (rky_run_answered(walk->run))
        tell_transfer(walk, RKY_TRANSFER_DOWNLOAD, &walk->told_download);
    if (upload != NULL) {
        measured = rky_run_transfer_event(walk->run, upload);
        if (measured == NULL)
            return rky_fail_nomem(err);
    }
    walk->told_download = walk->told_upload = true;
    int rc = rky_job_publish(walk->env, walk->job, rky_sync_ledger(walk->sync), measured, err);
    json_decref(measured);
    return rc;
}

static int step_publish(struct walk *walk, struct rky_error *err)
{
    if (walk->env->publish == NULL || walk->job->job_id[0] == '\0')
        return 0;
    if (!walk->unreadable)
        return publish_recorded(walk, err);
    walk->told_download = walk->told_upload = true;
    return rky_job_publish_made(walk->env, walk->job, rky_run_status(walk->run),
                                rky_run_result(walk->run), rky_run_events(walk->run), err);
}

static int step_release(struct walk *walk, struct rky_error *err)
{
    (void)err;
    rky_sync_release(walk->sync);
    return 0;
}

static int step_version(struct walk *walk, struct rky_error *err)
{
    (void)err;
    rky_sync_keep_version(walk->sync);
    return 0;
}

static void put_back(struct walk *walk, bool keep)
{
    rky_sync_free(walk->sync);
    walk->sync = NULL;
    if (walk->workspace == NULL)
        return;
    if (walk->pooled)
        rky_workspace_pool_give(walk->env->workspaces, walk->workspace, keep);
    else
        rky_workspace_free(walk->workspace);
    walk->workspace = NULL;
}

enum when {
    ALWAYS,
    FOR_ANSWER, /* not when the copy at hand answered the job */
    FOR_WORK,   /* not when the ledger answered the job */
    FOR_COPY,   /* nor when it was a plan */
    AT_RECORD,  /* like FOR_WORK, and where terminal failures go on */
    AT_END,     /* ... and for answered jobs, too */
};

/* A new step is one row here, its function above, and its name in the list of fault points. */
#define STEPS(row)                                                                             \
    row(ledger, ALWAYS)           /* the working file of the namespace, for us alone here */   \
        row(recall, ALWAYS)       /* done before, as a copy that is current says? */           \
        row(lease, FOR_ANSWER)    /* be the only one anywhere that works on it */              \
        row(download, FOR_ANSWER) /* bring the copy to what the remote holds */                \
        row(lookup, FOR_ANSWER)   /* done before? then answer from the ledger */               \
        row(prepare,                                                                           \
            FOR_WORK) /* discover, reconcile, plan; refuse here, before anything is written */ \
        row(claim, FOR_COPY)   /* be the only one that may write to the target */              \
        row(tables, FOR_COPY)  /* per table one transaction: rows and watermark */             \
        row(record, AT_RECORD) /* watermarks, history and result in one ledger transaction */  \
        row(upload, AT_END)    /* commit the ledger to the remote, or not at all */            \
        row(publish, AT_END)   /* events and result as recorded */                             \
        row(release, AT_END)   /* let the next one in */                                       \
        row(version, AT_END)   /* keep what was uploaded, to go back to */

struct step {
    const char *name, *fault_point;
    int (*go)(struct walk *walk, struct rky_error *err);
    enum when when;
};

#define STEP_ROW(name_, when_) {#name_, "job." #name_, step_##name_, when_},
static const struct step steps[] = {STEPS(STEP_ROW)};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

#define STEP_NAME(name_, when_) #name_,
static const char *const step_names[] = {STEPS(STEP_NAME) NULL};

const char *const *rky_job_step_names(void)
{
    return step_names;
}

static bool applies(const struct step *step, const struct walk *walk)
{
    bool answered = walk->run != NULL && rky_run_answered(walk->run);
    switch (step->when) {
    case ALWAYS:
        return !walk->failed;
    case FOR_ANSWER:
    case FOR_WORK:
        return !walk->failed && !answered;
    case FOR_COPY:
        return !walk->failed && !answered && walk->job->type != RKY_JOB_PLAN;
    case AT_RECORD:
        return walk->failed || !answered;
    case AT_END:
        return true;
    }
    return false;
}

/* --- how it ends ------------------------------------------------------------------------------ */

/* What a failed attempt means for the job; RKY_JOB_DONE = record it, it is final. */
static enum rky_job_end end_of(const struct walk *walk, int code)
{
    switch ((enum rky_err)code) {
    case RKY_ERR_FENCED:
    case RKY_ERR_INTERRUPTED:
        return RKY_JOB_GIVE_BACK;
    case RKY_ERR_LOCKED:
    case RKY_ERR_CONFLICT:
        return is_interactive(walk->env) ? RKY_JOB_DONE : RKY_JOB_GIVE_BACK;
    case RKY_ERR_CONNECTION:
    case RKY_ERR_UNAVAILABLE:
    case RKY_ERR_STATE_SYNC:
        return is_interactive(walk->env) || walk->env->last_attempt ? RKY_JOB_DONE
                                                                    : RKY_JOB_GIVE_BACK;
    case RKY_ERR_QUOTA:
    case RKY_ERR_IO:
    case RKY_ERR_STATE_FILE:
    case RKY_ERR_NOMEM:
        return RKY_JOB_BROKEN;
    case RKY_ERR_DECODE:
        return walk->dead_letter_reason != NULL ? RKY_JOB_DEAD_LETTER : RKY_JOB_DONE;
    case RKY_OK:
    case RKY_ERR_USAGE:
    case RKY_ERR_CONFIG:
    case RKY_ERR_NOT_FOUND:
    case RKY_ERR_REFUSED:
    case RKY_ERR_SOURCE_MISSING:
    case RKY_ERR_AUTH:
    case RKY_ERR_QUERY:
    case RKY_ERR_SCHEMA_DRIFT:
    case RKY_ERR_TIMEOUT:
    case RKY_ERR_CANCELLED:
    case RKY_ERR_UNSUPPORTED:
    case RKY_ERR_BUG:
        break;
    }
    return RKY_JOB_DONE;
}

/* Only what happened between lookup and record can become a result in the ledger. */
static bool can_be_recorded(const struct walk *walk, const struct step *step)
{
    return walk->run != NULL && !walk->failed &&
           (step->when == FOR_WORK || step->when == FOR_COPY ||
            (step->go == step_lookup && walk->expired));
}

/* A state that cannot be read: the job fails, in words, although nothing can record that; unless
 * another attempt, or a newer worker, may do better. */
static bool ends_unread(const struct walk *walk, const struct step *step, int code)
{
    if (step->go != step_download || walk->failed || code == RKY_ERR_NOMEM ||
        rky_sync_report(walk->sync, RKY_TRANSFER_DOWNLOAD) == NULL)
        return false;
    enum rky_transfer_sequel sequel = rky_sync_sequel(walk->sync);
    /* Nobody takes the job up again after a command that a person gave. */
    if (sequel == RKY_SEQUEL_REQUEUE)
        return is_interactive(walk->env);
    if (sequel != RKY_SEQUEL_FAIL)
        return false;
    return is_last_attempt(walk) ||
           (code != RKY_ERR_STATE_SYNC && code != RKY_ERR_CONNECTION && code != RKY_ERR_TIMEOUT &&
            code != RKY_ERR_UNAVAILABLE && code != RKY_ERR_IO && code != RKY_ERR_QUOTA);
}

/* The copy at hand is of another state than the target's: throw it away and look again. */
static int start_over(struct walk *walk, struct rky_error *err)
{
    walk->restarted = true;
    rky_sync_forget(walk->sync);
    if (walk->env->running != NULL)
        walk->env->running(walk->env->running_context, NULL);
    put_back(walk, false);
    rky_run_free(walk->run);
    walk->run = NULL;
    rky_error_clear(err);
    return 0;
}

static enum rky_job_end end_at(const struct walk *walk, const struct step *step, int code)
{
    bool transfer = step->go == step_download || step->go == step_upload;
    enum rky_job_end end = end_of(walk, code);
    if (step->go == step_publish || step->go == step_ledger || step->go == step_lease)
        return end == RKY_JOB_DONE ? RKY_JOB_GIVE_BACK : end;
    if (transfer && end != RKY_JOB_DEAD_LETTER && code != RKY_ERR_NOMEM && code != RKY_ERR_QUOTA)
        return RKY_JOB_GIVE_BACK;
    return end;
}

static int walk_steps(struct walk *walk, enum rky_job_end *ret_end, struct rky_error *err)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        const struct step *step = &steps[i];
        if (!applies(step, walk))
            continue;
        rky_fault_point(step->fault_point);
        int rc = step->go(walk, err);
        if (rc == 0)
            continue;
        if (step->go == step_prepare && rky_run_is_foreign(walk->run) && !walk->restarted) {
            rc = start_over(walk, err);
            i = (size_t)-1;
            continue;
        }
        enum rky_job_end end = end_at(walk, step, rc);
        walk->unreadable = ends_unread(walk, step, rc);
        if (walk->unreadable || (end == RKY_JOB_DONE && can_be_recorded(walk, step))) {
            walk->failure = *err;
            walk->failed = true;
            rky_error_clear(err);
            continue;
        }
        tell_transfers(walk);
        /* A failure that is final but came where no result can be recorded is ours to look at. */
        *ret_end = end == RKY_JOB_DONE ? RKY_JOB_BROKEN : end;
        return rc;
    }
    *ret_end = RKY_JOB_DONE;
    return 0;
}

static int take_results(const struct walk *walk, struct rky_job_outcome *outcome,
                        struct rky_error *err)
{
    const char *status = rky_run_status(walk->run), *result = rky_run_result(walk->run);
    const char *plan = rky_run_plan_json(walk->run);
    const struct rky_transfer_report *download = rky_sync_report(walk->sync, RKY_TRANSFER_DOWNLOAD);
    const struct rky_transfer_report *upload = rky_sync_report(walk->sync, RKY_TRANSFER_UPLOAD);
    if (download != NULL || upload != NULL)
        outcome->final_result = rky_run_final_result(walk->run, download, upload);
    outcome->status = status == NULL ? NULL : rky_strdup(status);
    outcome->result = result == NULL ? NULL : rky_strdup(result);
    outcome->plan_json = plan == NULL ? NULL : rky_strdup(plan);
    if ((status != NULL && outcome->status == NULL) ||
        (result != NULL && outcome->result == NULL) || (plan != NULL && outcome->plan_json == NULL))
        return rky_fail_nomem(err);
    return 0;
}

void rky_job_run(const struct rky_job_env *env, const struct rky_job *job,
                 struct rky_job_outcome *ret_outcome)
{
    struct walk walk = {.env = env, .job = job};
    struct rky_job_outcome outcome = {.end = RKY_JOB_BROKEN};
    int64_t started = env->clock->mono_ms(env->clock);
    int rc = rky_config_pipeline(env->config, job->pipeline, &walk.pipeline, &outcome.error);
    if (rc != 0) {
        outcome.end = RKY_JOB_DEAD_LETTER;
        walk.dead_letter_reason = "unknown_pipeline";
    } else {
        rc = walk_steps(&walk, &outcome.end, &outcome.error);
    }
    if (rc == 0) {
        rc = take_results(&walk, &outcome, &outcome.error);
        outcome.exit_code = rky_run_exit_code(walk.run);
        outcome.answered = rky_run_answered(walk.run);
        if (rc == 0 && walk.failed)
            outcome.error = walk.failure;
    }
    if (rc != 0)
        outcome.exit_code = rky_exit_of_error(rc);
    outcome.dead_letter_reason = walk.dead_letter_reason;
    outcome.shut_out = outcome.end == RKY_JOB_GIVE_BACK && rky_sync_is_shut_out(walk.sync);
    if (walk.run != NULL && env->running != NULL)
        env->running(env->running_context, NULL);
    put_back(&walk, outcome.end != RKY_JOB_BROKEN);
    rky_run_free(walk.run);
    outcome.duration_ms = env->clock->mono_ms(env->clock) - started;
    *ret_outcome = outcome;
}

void rky_job_outcome_done(struct rky_job_outcome *outcome)
{
    rky_free(outcome->status);
    rky_free(outcome->result);
    rky_free(outcome->final_result);
    rky_free(outcome->plan_json);
    memset(outcome, 0, sizeof(*outcome));
}
