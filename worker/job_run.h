/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a job as a list of steps (job_run.c): the same list for a job from Kafka and for
 * `rocky run` on a laptop, so that what was tried locally is what the fleet does.
 */
#ifndef RKY_WORKER_JOB_RUN_H
#define RKY_WORKER_JOB_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "engine/run.h"
#include "schemas/job.h"
#include "schemas/message.h"

struct rky_store;
struct rky_workspace_pool;

/** What a job needs of its surroundings. Borrowed for the duration of the call. */
struct rky_job_env {
    const struct rky_config *config;
    struct rky_clock *clock;
    struct rky_log *log;
    const char *worker_id;
    const char *trigger;                   /**< "cli" or "kafka" */
    struct rky_store *store;               /**< where the state survives this machine */
    struct rky_workspace_pool *workspaces; /**< keeps ledgers of namespaces open between jobs */
    const char *state_path;                /**< NULL = <local_dir>/<namespace>.db */
    int64_t lock_timeout_ms;               /**< wait for the ledger's lock; 0 = one try */
    /** Record as failed what another attempt might mend (a server that does not answer). Implied
     *  by the trigger "cli". */
    bool last_attempt;
    rky_progress_fn *progress;
    void *progress_context;
    /** Hand one message for the results topic over; the callee copies. NULL = publish nothing.
     *  May block while the transport's queue is full. */
    int (*publish)(void *context, const struct rky_message *message, struct rky_error *err);
    void *publish_context;
    /** Called once when the run exists, so that somebody else may interrupt it; and with NULL
     *  before it is freed. NULL = nobody wants to. */
    void (*running)(void *context, struct rky_run *run);
    void *running_context;
};

enum rky_job_end {
    RKY_JOB_DONE,        /**< terminal: result recorded and published; commit the offset */
    RKY_JOB_GIVE_BACK,   /**< fenced, conflict, locked, interrupted, ledger busy: try again later */
    RKY_JOB_DEAD_LETTER, /**< job_id_reused and the like: dead-letter it */
    RKY_JOB_BROKEN, /**< disk full, ledger corrupt, no memory: stop taking, no attempt burned */
};

struct rky_job_outcome {
    enum rky_job_end end;
    enum rky_exit exit_code;
    char *status;                   /**< of the result, owned, NULL without one */
    char *result;                   /**< JSON text of the result as it was recorded and published,
                                         owned, NULL without one */
    char *final_result;             /**< the same with the measured transfers of the state, owned;
                                         NULL when there were none */
    char *plan_json;                /**< of a plan job, owned, NULL without one */
    const char *dead_letter_reason; /**< static, with RKY_JOB_DEAD_LETTER */
    bool answered;                  /**< from the ledger, nothing was executed */
    bool shut_out;                  /**< given back because a breaker let nothing through */
    int64_t duration_ms;
    struct rky_error error; /**< why it did not end well; code 0 when it did */
};
void rky_job_outcome_done(struct rky_job_outcome *outcome);

/** @brief Walk the steps for one job. Never fails without saying so in the outcome. */
void rky_job_run(const struct rky_job_env *env, const struct rky_job *job,
                 struct rky_job_outcome *ret_outcome);

/** @brief Names of the steps in order, NULL-terminated; each has a fault point "job.<name>". */
const char *const *rky_job_step_names(void);

/** @brief Workspaces by namespace, at most @p limit at a time (the idle longest go first).
 *         Thread-safe. */
RKY_MUST_CHECK int rky_workspace_pool_new(const struct rky_config *config, struct rky_clock *clock,
                                          struct rky_log *log, size_t limit,
                                          struct rky_workspace_pool **ret_pool,
                                          struct rky_error *err);
void rky_workspace_pool_free(struct rky_workspace_pool *pool);

#endif
