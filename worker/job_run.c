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
#include "common/fsutil.h"
#include "common/mem.h"
#include "state/ledger.h"
#include "worker/job_publish.h"
#include "worker/ledger_pool.h"

struct walk {
    const struct rky_job_env *env;
    const struct rky_job *job;
    const struct rky_pipeline_config *pipeline;
    struct rky_ledger *ledger;
    bool pooled, locked;
    struct rky_run *run;
    bool expired; /* its deadline had passed when the walk began */
    bool failed;  /* `failure` is to be recorded as the result */
    struct rky_error failure;
    const char *dead_letter_reason;
};

/* --- the steps ----------------------------------------------------------------------------------
 */

static int step_ledger(struct walk *walk, struct rky_error *err)
{
    const struct rky_job_env *env = walk->env;
    if (env->state_path == NULL && env->ledgers != NULL) {
        walk->pooled = true;
        return rky_ledger_pool_take(env->ledgers, walk->job->namespace_, &walk->ledger, err);
    }
    int rc = 0;
    char *name = NULL, *path = NULL, *directory = NULL;
    if (env->state_path != NULL) {
        path = rky_strdup(env->state_path);
    } else {
        name = rky_asprintf("%s.db", walk->job->namespace_);
        path = name == NULL ? NULL : rky_path_join(env->config->state.local_dir, name);
    }
    directory = path == NULL ? NULL : rky_path_dirname(path);
    if (directory == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    rc = rky_mkdir_p(directory, err);
    if (rc != 0)
        goto out;
    struct rky_ledger_options options = {.path = path,
                                         .namespace_ = walk->job->namespace_,
                                         .mode = RKY_LEDGER_WRITE,
                                         .clock = env->clock,
                                         .log = env->log};
    rc = rky_ledger_open(&options, &walk->ledger, err);
out:
    rky_free(directory);
    rky_free(path);
    rky_free(name);
    return rc;
}

static int step_lease(struct walk *walk, struct rky_error *err)
{
    int rc = rky_ledger_lock(walk->ledger, walk->env->lock_timeout_ms, err);
    walk->locked = rc == 0;
    return rc;
}

static int step_lookup(struct walk *walk, struct rky_error *err)
{
    const struct rky_job_env *env = walk->env;
    struct rky_run_env run_env = {.config = env->config,
                                  .pipeline = walk->pipeline,
                                  .ledger = walk->ledger,
                                  .clock = env->clock,
                                  .log = env->log,
                                  .worker_id = env->worker_id,
                                  .trigger = env->trigger,
                                  .progress = env->progress,
                                  .progress_context = env->progress_context};
    /* Before the run takes its own start time, which must not be earlier than this look. */
    walk->expired =
        walk->job->deadline_us != 0 && env->clock->wall_us(env->clock) > walk->job->deadline_us;
    int rc = rky_run_new(&run_env, walk->job, &walk->run, err);
    if (rc != 0)
        return rc;
    if (env->running != NULL)
        env->running(env->running_context, walk->run);
    rc = rky_run_lookup(walk->run, err);
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
    return rky_run_record(walk->run, walk->failed ? &walk->failure : NULL, err);
}

static int step_publish(struct walk *walk, struct rky_error *err)
{
    if (walk->env->publish == NULL || walk->job->job_id[0] == '\0')
        return 0;
    return rky_job_publish(walk->env, walk->job, walk->ledger, err);
}

static void release(struct walk *walk, bool trust_ledger)
{
    if (walk->ledger == NULL)
        return;
    if (walk->locked)
        rky_ledger_unlock(walk->ledger);
    if (walk->pooled)
        rky_ledger_pool_give(walk->env->ledgers, walk->ledger, trust_ledger);
    else
        rky_ledger_close(walk->ledger);
    walk->ledger = NULL;
    walk->locked = false;
}

static int step_release(struct walk *walk, struct rky_error *err)
{
    (void)err;
    release(walk, true);
    return 0;
}

enum when {
    ALWAYS,
    FOR_WORK,  /* not when the ledger answered the job */
    FOR_COPY,  /* nor when it was a plan */
    AT_RECORD, /* like FOR_WORK, and where terminal failures go on */
};

/* A new step is one row here, its function above, and its name in the list of fault points. */
#define STEPS(row)                                                                             \
    row(ledger, ALWAYS)     /* open the state file of the namespace */                         \
        row(lease, ALWAYS)  /* be the only one that works on it */                             \
        row(lookup, ALWAYS) /* done before? then answer from the ledger */                     \
        row(prepare,                                                                           \
            FOR_WORK) /* discover, reconcile, plan; refuse here, before anything is written */ \
        row(claim, FOR_COPY)   /* be the only one that may write to the target */              \
        row(tables, FOR_COPY)  /* per table one transaction: rows and watermark */             \
        row(record, AT_RECORD) /* watermarks, history and result in one ledger transaction */  \
        row(publish, ALWAYS)   /* events and result as recorded */                             \
        row(release, ALWAYS)   /* let the next one in */

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
    switch (step->when) {
    case ALWAYS:
        return !walk->failed || step->go == step_publish || step->go == step_release;
    case FOR_WORK:
        return !walk->failed && !rky_run_answered(walk->run);
    case FOR_COPY:
        return !walk->failed && !rky_run_answered(walk->run) && walk->job->type != RKY_JOB_PLAN;
    case AT_RECORD:
        return walk->failed || !rky_run_answered(walk->run);
    }
    return false;
}

/* --- how it ends -------------------------------------------------------------------------------
 */

/* On the command line the person decides whether to try again. */
static bool is_interactive(const struct rky_job_env *env)
{
    return strcmp(env->trigger, "cli") == 0;
}

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

/* Only what happened between lookup and record can become a result. */
static bool can_be_recorded(const struct walk *walk, const struct step *step)
{
    return walk->run != NULL && !walk->failed &&
           (step->when == FOR_WORK || step->when == FOR_COPY ||
            (step->go == step_lookup && walk->expired));
}

static int walk_steps(struct walk *walk, enum rky_job_end *ret_end, struct rky_error *err)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        if (!applies(&steps[i], walk))
            continue;
        rky_fault_point(steps[i].fault_point);
        int rc = steps[i].go(walk, err);
        if (rc == 0)
            continue;
        enum rky_job_end end = end_of(walk, rc);
        if (end == RKY_JOB_DONE && can_be_recorded(walk, &steps[i])) {
            walk->failure = *err;
            walk->failed = true;
            rky_error_clear(err);
            continue;
        }
        /* A failure that is final but came where no result can be recorded is ours to look at. */
        *ret_end = end == RKY_JOB_DONE ? RKY_JOB_BROKEN : end;
        if (steps[i].go == step_publish || steps[i].go == step_lease)
            *ret_end = end == RKY_JOB_BROKEN ? end : RKY_JOB_GIVE_BACK;
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
    release(&walk, outcome.end != RKY_JOB_BROKEN);
    if (walk.run != NULL && env->running != NULL)
        env->running(env->running_context, NULL);
    rky_run_free(walk.run);
    outcome.duration_ms = env->clock->mono_ms(env->clock) - started;
    *ret_outcome = outcome;
}

void rky_job_outcome_done(struct rky_job_outcome *outcome)
{
    rky_free(outcome->status);
    rky_free(outcome->result);
    rky_free(outcome->plan_json);
    memset(outcome, 0, sizeof(*outcome));
}
