/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One executor is one thread and one slot. A slot's mutex guards the run it works on, so that it
 * can be interrupted from outside while it exists and never after.
 */
#include "config.h"

#include "worker/executor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "state/store.h"
#include "worker/backoff.h"

static const struct rky_backoff locked_backoff = {.first_ms = 50, .most_ms = 2000};
static const struct rky_backoff transient_backoff = {.first_ms = 1000, .most_ms = 30000};
static const struct rky_backoff broken_backoff = {.first_ms = 1000, .most_ms = 60000};

/* A transient failure ends a job as failed when it has happened so often. */
#define TRANSIENT_ATTEMPTS 5
/* So many jobs that cannot use their files, with none that can between them, are the worker's. */
#define BROKEN_IN_A_ROW 3
#define FENCED_LEAST_MS 100
#define FENCED_MOST_MS 300000
#define FENCED_ALARM 3

enum interrupt { INTERRUPT_NONE, INTERRUPT_SOON, INTERRUPT_NOW };

struct slot {
    struct rky_executors *executors;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct rky_run *run; /* NULL while none can be interrupted */
    int64_t started_ms;
    int64_t timeout_ms;            /* -1 = none */
    enum interrupt interrupt;      /* of the whole worker; stays */
    struct rky_delivery *delivery; /* of the thread alone */
};

struct rky_executors {
    struct rky_executors_options options;
    _Atomic int broken_streak; /* jobs that ended broken since the last that did not */
    size_t count;
    struct slot slots[];
};

/* --- interrupting
 * ----------------------------------------------------------------------------------- */

/* Under the slot's mutex. */
static void pass_interrupt(struct slot *slot)
{
    if (slot->run != NULL && slot->interrupt != INTERRUPT_NONE)
        rky_run_interrupt(slot->run, RKY_ERR_INTERRUPTED, slot->interrupt == INTERRUPT_NOW);
}

static void running(void *context, struct rky_run *run)
{
    struct slot *slot = context;
    (void)pthread_mutex_lock(&slot->mutex);
    slot->run = run;
    pass_interrupt(slot);
    (void)pthread_mutex_unlock(&slot->mutex);
}

void rky_executors_interrupt(struct rky_executors *executors, bool now)
{
    for (size_t i = 0; i < executors->count; i++) {
        struct slot *slot = &executors->slots[i];
        (void)pthread_mutex_lock(&slot->mutex);
        slot->interrupt = now ? INTERRUPT_NOW : INTERRUPT_SOON;
        pass_interrupt(slot);
        (void)pthread_mutex_unlock(&slot->mutex);
    }
    if (now)
        rky_outbox_give_up(executors->options.outbox);
}

void rky_executors_check_timeouts(void *context)
{
    struct rky_executors *executors = context;
    int64_t now = executors->options.clock->mono_ms(executors->options.clock);
    for (size_t i = 0; i < executors->count; i++) {
        struct slot *slot = &executors->slots[i];
        (void)pthread_mutex_lock(&slot->mutex);
        if (slot->run != NULL && slot->timeout_ms >= 0 && now - slot->started_ms > slot->timeout_ms)
            rky_run_interrupt(slot->run, RKY_ERR_TIMEOUT, true);
        (void)pthread_mutex_unlock(&slot->mutex);
    }
}

/* --- what a job publishes
 * ---------------------------------------------------------------------------- */

static int publish(void *context, const struct rky_message *message, struct rky_error *err)
{
    struct slot *slot = context;
    return rky_delivery_send(slot->delivery, slot->executors->options.topics->results, message,
                             true, err);
}

/* --- what becomes of a job
 * ---------------------------------------------------------------------------- */

struct ending {
    struct slot *slot;
    struct rky_lane *lane;
    struct rky_task *task;
    struct rky_job_outcome *outcome;
};

static void log_end(const struct ending *ending, const char *what)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    const struct rky_job_outcome *outcome = ending->outcome;
    const struct rky_job *job = &ending->task->job;
    enum rky_log_level level = outcome->end == RKY_JOB_DONE ? RKY_LOG_INFO : RKY_LOG_WARN;
    if (!rky_log_enabled(options->log, level))
        return;
    rky_log_write(
        options->log, level,
        json_pack("{s:s, s:s, s:s, s:s?, s:b, s:I, s:i, s:I}", "job_id", job->job_id, "namespace",
                  job->namespace_, "type", rky_job_type_name(job->type), "status", outcome->status,
                  "answered", outcome->answered, "duration_ms", (json_int_t)outcome->duration_ms,
                  "partition", ending->task->inbound.partition, "offset",
                  (json_int_t)ending->task->inbound.offset),
        "job %s%s%s", what, outcome->error.message[0] != '\0' ? ": " : "", outcome->error.message);
}

/* What was sent already may arrive or not: the next attempt sends it all again. */
static void drop_delivery(struct slot *slot)
{
    if (slot->delivery != NULL)
        rky_delivery_close(slot->delivery, NULL);
    slot->delivery = NULL;
}

/* @param type event, NULL = none. */
static void give_back(const struct ending *ending, const char *type, int attempt,
                      const char *reason, int64_t delay_ms)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    log_end(ending, "given back");
    if (type != NULL)
        rky_events_given_back(options->events, &ending->task->job, type, attempt, reason,
                              ending->outcome->error.message, delay_ms);
    drop_delivery(ending->slot);
    rky_lanes_give_back(options->lanes, ending->lane, ending->task, delay_ms,
                        ending->outcome->duration_ms);
}

/* Whoever was fenced lets the other finish: a random time in [d, 2d], doubled at each repeat. */
static void end_fenced(const struct ending *ending, const char *reason)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    struct rky_task *task = ending->task;
    int64_t least = ending->outcome->duration_ms;
    if (least < FENCED_LEAST_MS)
        least = FENCED_LEAST_MS;
    for (int i = 0; i < task->fenced_count && least < FENCED_MOST_MS; i++)
        least *= 2;
    if (least > FENCED_MOST_MS)
        least = FENCED_MOST_MS;
    int64_t delay = least + (int64_t)((double)least * rky_random_unit());
    if (++task->fenced_count == FENCED_ALARM)
        rky_events_alarm(options->events, &task->job, "job-fenced-repeatedly", true,
                         ending->outcome->error.message,
                         "look for a second writer to this target: another queue, or 'rocky run' "
                         "with another state file");
    give_back(ending, "job.fenced", task->fenced_count, reason, delay);
}

static void end_locked(const struct ending *ending)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    struct rky_task *task = ending->task;
    int64_t now = options->clock->mono_ms(options->clock);
    if (task->locked_count == 0)
        task->first_locked_mono_ms = now;
    int64_t waited_ms = now - task->first_locked_mono_ms;
    int64_t delay = rky_requeue_delay_ms(&locked_backoff, task->locked_count++);
    if (!task->lock_alarmed && waited_ms >= options->config->state.lock_wait_warn_seconds * 1000) {
        task->lock_alarmed = true;
        rky_events_alarm(options->events, &task->job, "lock-wait", false,
                         ending->outcome->error.message,
                         "the job waits without holding anything up but its own namespace");
    }
    /* Told once: a namespace may be busy for hours. */
    give_back(ending, task->locked_count == 1 ? "job.requeued" : NULL, 1, "locked", delay);
}

/* The state store's breaker let nothing through. No other job would fare better, so none is started
 * before the next probe may be made; and no attempt is counted, because none was made. */
static void end_shut_out(const struct ending *ending)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    struct rky_task *task = ending->task;
    struct rky_leg *leg = rky_store_main_leg(options->store);
    int64_t wait_ms = leg != NULL ? rky_breaker_wait_ms(leg->breaker) : 0;
    /* Not open any more: somebody else's probe is on its way. */
    int64_t delay_ms = wait_ms > 0 ? 0 : rky_requeue_delay_ms(&transient_backoff, 0);
    bool first = task->shut_out_count++ == 0;
    if (wait_ms > 0)
        rky_lanes_hold(options->lanes, wait_ms);
    if (first && wait_ms > 0)
        rky_events_alarm(options->events, &task->job, "worker-paused", true,
                         ending->outcome->error.message,
                         "no job is started before the state store may be asked again; SIGHUP "
                         "asks at once");
    give_back(ending, first ? "job.requeued" : NULL, 1, "circuit_open", delay_ms);
}

static void end_given_back(const struct ending *ending)
{
    if (ending->outcome->shut_out) {
        end_shut_out(ending);
        return;
    }
    struct rky_task *task = ending->task;
    switch (ending->outcome->error.code) {
    case RKY_ERR_FENCED:
        end_fenced(ending, "fenced");
        break;
    case RKY_ERR_CONFLICT:
        end_fenced(ending, "conflict");
        break;
    case RKY_ERR_LOCKED:
        end_locked(ending);
        break;
    case RKY_ERR_INTERRUPTED:
        give_back(ending, "job.requeued", 1, "interrupted", 0);
        break;
    default:
        task->transient_count++;
        give_back(ending, "job.requeued", task->transient_count, "transient",
                  rky_requeue_delay_ms(&transient_backoff, task->transient_count - 1));
        break;
    }
}

/* The worker's own trouble: a full disk or no memory is everybody's; a file that cannot be read or
 * written is its namespace's alone, until several in a row say otherwise. */
static void end_broken(const struct ending *ending)
{
    struct rky_executors *executors = ending->slot->executors;
    const struct rky_executors_options *options = &executors->options;
    const struct rky_error *error = &ending->outcome->error;
    struct rky_task *task = ending->task;
    bool shortage = error->code == RKY_ERR_QUOTA || error->code == RKY_ERR_NOMEM;
    int needed = shortage ? 1 : BROKEN_IN_A_ROW, streak = 0;
    if (shortage || error->code == RKY_ERR_IO)
        streak = atomic_fetch_add(&executors->broken_streak, 1) + 1;
    bool hold = streak >= needed;
    int failures =
        hold && streak - needed > task->broken_count ? streak - needed : task->broken_count;
    int64_t delay = rky_requeue_delay_ms(&broken_backoff, failures);
    if (hold)
        rky_lanes_hold(options->lanes, delay);
    if (hold ? streak == needed : task->broken_count == 0)
        rky_events_alarm(options->events, &task->job, hold ? "worker-paused" : "namespace-paused",
                         true, error->message, error->hint);
    task->broken_count++;
    give_back(ending, task->broken_count == 1 ? "job.requeued" : NULL, 1, rky_err_name(error->code),
              delay);
}

static void end_dead_letter(const struct ending *ending)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    struct rky_task *task = ending->task;
    const struct rky_job_outcome *outcome = ending->outcome;
    log_end(ending, "dead-lettered");
    task->reason = outcome->dead_letter_reason;
    rky_free(task->reason_text);
    task->reason_text = rky_strdup(outcome->error.message);
    memcpy(task->letter_job_id, task->job.job_id, sizeof(task->letter_job_id));
    (void)snprintf(task->letter_namespace, sizeof(task->letter_namespace), "%s",
                   task->job.namespace_);
    drop_delivery(ending->slot);
    rky_dispatcher_dead_letter(options->dispatcher, task);
    rky_lanes_finish(options->lanes, ending->lane, outcome->duration_ms);
}

static void end_done(const struct ending *ending)
{
    const struct rky_executors_options *options = &ending->slot->executors->options;
    log_end(ending, ending->outcome->answered ? "answered from the ledger" : "finished");
    /* In this order, so that a lane is never at rest while its task is not settled. */
    rky_delivery_close(ending->slot->delivery, ending->task);
    rky_lanes_finish(options->lanes, ending->lane, ending->outcome->duration_ms);
}

static void end(const struct ending *ending)
{
    struct rky_executors *executors = ending->slot->executors;
    if (ending->outcome->end != RKY_JOB_BROKEN)
        atomic_store(&executors->broken_streak, 0);
    switch (ending->outcome->end) {
    case RKY_JOB_DONE:
        end_done(ending);
        break;
    case RKY_JOB_GIVE_BACK:
        end_given_back(ending);
        break;
    case RKY_JOB_DEAD_LETTER:
        end_dead_letter(ending);
        break;
    case RKY_JOB_BROKEN:
        end_broken(ending);
        break;
    }
}

/* --- the thread
 * ------------------------------------------------------------------------------------- */

static void run_task(struct slot *slot, struct rky_task *task, struct rky_job_outcome *outcome)
{
    const struct rky_executors_options *options = &slot->executors->options;
    const struct rky_job_env env = {.config = options->config,
                                    .clock = options->clock,
                                    .log = options->log,
                                    .worker_id = options->worker_id,
                                    .trigger = "kafka",
                                    .store = options->store,
                                    .workspaces = options->workspaces,
                                    .last_attempt = task->transient_count + 1 >= TRANSIENT_ATTEMPTS,
                                    .publish = publish,
                                    .publish_context = slot,
                                    .running = running,
                                    .running_context = slot};
    (void)pthread_mutex_lock(&slot->mutex);
    slot->started_ms = options->clock->mono_ms(options->clock);
    slot->timeout_ms =
        task->job.run_timeout_seconds > 0 ? task->job.run_timeout_seconds * 1000 : -1;
    (void)pthread_mutex_unlock(&slot->mutex);
    slot->delivery = rky_delivery_open(options->outbox);
    if (slot->delivery == NULL) {
        outcome->end = RKY_JOB_BROKEN;
        (void)rky_fail_nomem(&outcome->error);
        return;
    }
    options->run(&env, &task->job, outcome);
}

static void *executor(void *context)
{
    struct slot *slot = context;
    const struct rky_executors_options *options = &slot->executors->options;
    struct rky_task *task = NULL;
    struct rky_lane *lane = NULL;
    while ((task = rky_lanes_take(options->lanes, &lane)) != NULL) {
        struct rky_job_outcome outcome = {0};
        struct ending ending = {.slot = slot, .lane = lane, .task = task, .outcome = &outcome};
        run_task(slot, task, &outcome);
        end(&ending);
        slot->delivery = NULL;
        rky_job_outcome_done(&outcome);
    }
    return NULL;
}

/* --- life
 * ------------------------------------------------------------------------------------------- */

int rky_executors_start(const struct rky_executors_options *options,
                        struct rky_executors **ret_executors, struct rky_error *err)
{
    struct rky_executors *executors =
        rky_calloc(1, sizeof(*executors) + options->count * sizeof(struct slot));
    if (executors == NULL)
        return rky_fail_nomem(err);
    executors->options = *options;
    for (size_t i = 0; i < options->count; i++) {
        struct slot *slot = &executors->slots[i];
        slot->executors = executors;
        slot->timeout_ms = -1;
        (void)pthread_mutex_init(&slot->mutex, NULL);
        int error = pthread_create(&slot->thread, NULL, executor, slot);
        if (error != 0) {
            (void)pthread_mutex_destroy(&slot->mutex);
            int rc = rky_fail_errno(err, error, "cannot start executor %zu", i + 1);
            rky_lanes_close(options->lanes);
            rky_executors_join(executors);
            return rc;
        }
        executors->count++;
    }
    *ret_executors = executors;
    return 0;
}

void rky_executors_join(struct rky_executors *executors)
{
    if (executors == NULL)
        return;
    for (size_t i = 0; i < executors->count; i++) {
        (void)pthread_join(executors->slots[i].thread, NULL);
        (void)pthread_mutex_destroy(&executors->slots[i].mutex);
    }
    rky_free(executors);
}
