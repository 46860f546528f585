/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of one job: plan, apply or run, from the ledger lookup to the recorded result.
 *
 * The caller (worker/job_run.c, for the CLI too) calls the phases in the order they stand here and
 * stops at the first error. Each phase may be repeated by another attempt, in another process,
 * after a crash at any instruction: the target's metadata and the ledger decide what is already
 * done. One run is used by one thread; only rky_run_interrupt() may come from another. The tables
 * phase starts threads of its own and joins them before it returns.
 */
#ifndef RKY_ENGINE_RUN_H
#define RKY_ENGINE_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "schemas/job.h"
#include "state/ledger.h"
#include "state/outcome.h"

struct rky_run;

/** What `rocky run` shows while it works. Called at most about ten times a second, from the
 *  run's threads one at a time. */
struct rky_progress {
    size_t tables_total, tables_done, tables_failed;
    int64_t rows;      /**< copied so far, the tables under way included */
    const char *table; /**< one that is at work, NULL = none */
    int64_t elapsed_ms;
};
typedef void rky_progress_fn(void *context, const struct rky_progress *progress);

struct rky_run_env {
    const struct rky_config *config;
    const struct rky_pipeline_config *pipeline;
    struct rky_ledger *ledger; /**< open for writing and locked; NULL until rky_run_set_state() */
    struct rky_clock *clock;
    struct rky_log *log;
    const char *worker_id;
    const char *trigger;       /**< "cli" or "kafka": for the history */
    rky_progress_fn *progress; /**< NULL = none */
    void *progress_context;
};

/** @brief @param env copied, what it points to is borrowed. @param job borrowed; its namespace_ is
 *         set. @return 0 or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_run_new(const struct rky_run_env *env, const struct rky_job *job,
                               struct rky_run **ret_run, struct rky_error *err);
void rky_run_free(struct rky_run *run);

/** Where the ledger stands between this machine and the remote, and whom to ask before something
 *  is made final. Borrowed while it is set. */
struct rky_run_state {
    struct rky_ledger *ledger; /**< open for writing and locked */
    bool remote;               /**< it will be uploaded after the run */
    bool lockless;             /**< a lease was wanted, and its server does not answer */
    bool confirmed;            /**< the remote holds its base: the target must know this lineage */
    int64_t token;             /**< first fence token to claim with; 0 = the ledger's fence + 1 */
    const struct rky_transfer_report *download; /**< NULL = there was none */
    /** May another target transaction begin? 0, RKY_ERR_FENCED, RKY_ERR_UNAVAILABLE. NULL = yes. */
    int (*may_commit)(void *context, struct rky_error *err);
    /** Is the lease still ours? Raise its floor to @p token. NULL = there is none. */
    int (*raise)(void *context, int64_t token, struct rky_error *err);
    void *context;
};
/** @brief Set or replace it: before lookup, and whenever the ledger became another one. */
void rky_run_set_state(struct rky_run *run, const struct rky_run_state *state);
/** @brief Answer by job id alone, from a ledger that is known to be current.
 *  @return as rky_run_lookup(). */
RKY_MUST_CHECK int rky_run_recall(struct rky_run *run, struct rky_error *err);

/**
 * @brief Answer from the ledger when this job, or another with its idempotency key, is done.
 *        A hit leaves target and source untouched.
 * @return 0 (ask rky_run_answered()); RKY_ERR_DECODE when the job id was seen with another body
 *         (dead letter `job_id_reused`); ledger errors.
 */
RKY_MUST_CHECK int rky_run_lookup(struct rky_run *run, struct rky_error *err);
/** @brief Whether lookup answered the job: nothing further to execute. */
bool rky_run_answered(const struct rky_run *run);

/**
 * @brief Discover, describe, reconcile and plan, read-only; for apply, validate the stored plan.
 *        For a plan job this is the work itself.
 * @return 0; RKY_ERR_REFUSED for a plan that may not be applied (message and result list what
 *         differs); RKY_ERR_CONFIG (two sources on one target, ...); RKY_ERR_USAGE (unknown
 *         filter component); RKY_ERR_UNAVAILABLE (lineage unreadable).
 */
RKY_MUST_CHECK int rky_run_prepare(struct rky_run *run, struct rky_error *err);

/** @brief Claim every target schema of the run, in sorted order. A schema whose claim fails for
 *         another reason than fencing fails only its tables. @return 0 or RKY_ERR_FENCED. */
RKY_MUST_CHECK int rky_run_claim(struct rky_run *run, struct rky_error *err);

/** @brief Copy table by table, up to execution.concurrency target schemas at a time; failed tables
 *         never stop the others. @return 0 (also with failed tables); RKY_ERR_FENCED;
 *         RKY_ERR_LOCKED when every table that had work failed `locked` and none finished (a worker
 * puts the job back); RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_run_tables(struct rky_run *run, struct rky_error *err);

/**
 * @brief End the run: checks' verdict, result JSON, and one ledger transaction with watermarks,
 *        counts, run record, job record (outbox), plan mark, retention.
 *        After an earlier phase failed terminally (refused, config, usage), call it with that
 *        failure to record a failed result; interruptions and fenced attempts are not recorded.
 * @param failure NULL after success of all phases.
 */
RKY_MUST_CHECK int rky_run_record(struct rky_run *run, const struct rky_error *failure,
                                  struct rky_error *err);

/** @brief The result as recorded or found: canonical JSON text (CONTRACTS section 6; for a plan job
 *         of the CLI see rky_run_plan_json). Borrowed, valid until the run is freed; NULL before.
 */
const char *rky_run_result(const struct rky_run *run);
/** @brief `rocky plan --output json`; NULL unless this was a plan job. Borrowed. */
const char *rky_run_plan_json(const struct rky_run *run);
/** @brief Further events of this run for the results topic: JSON array of
 *         {type, id_name, outcome, time_us, body{}}; never NULL. Borrowed. */
const char *rky_run_events(const struct rky_run *run);
/** @brief Status of the result, e.g. "success"; NULL before. */
const char *rky_run_status(const struct rky_run *run);
enum rky_exit rky_run_exit_code(const struct rky_run *run);
const char *rky_run_id(const struct rky_run *run);

/* --- around the upload ------------------------------------------------------------------------ */

/** @brief Whether the copy at hand belongs to another state than the target: prepare() failed
 *         because of it, and a new attempt without the copy is the way on. */
bool rky_run_is_foreign(const struct rky_run *run);
/** @brief All claims of this run still ours in the target? @return 0; RKY_ERR_FENCED; the errors of
 *         a target that does not answer. */
RKY_MUST_CHECK int rky_run_claims_held(struct rky_run *run, struct rky_error *err);
/** @brief Tables whose watermark this run recorded: NULL-terminated, borrowed until the run is
 *         freed; NULL when memory is out. */
const char *const *rky_run_own_tables(struct rky_run *run);
/** @brief The recorded content became @p generation with another write id (it was merged, or moved
 *         to another base): put that into the recorded result. Inside a transaction on @p ledger,
 *         after the bump. No-op for an answered job. */
RKY_MUST_CHECK int rky_run_renumbered(struct rky_run *run, struct rky_ledger *ledger,
                                      int64_t generation, struct rky_error *err);
/** @brief The generation that the recorded result promises to have uploaded, -1 = none. */
int64_t rky_run_promised_generation(const struct rky_run *run);
/**
 * @brief The upload ended otherwise than recorded: put what happened into the recorded result and
 *        its events, in a transaction of its own.
 * @param failure NULL: skipped, the run keeps its status. Else the run fails with it
 *        (`failure_kind` "state-sync").
 */
RKY_MUST_CHECK int rky_run_upload_ended(struct rky_run *run,
                                        const struct rky_transfer_report *report,
                                        const struct rky_error *failure, struct rky_error *err);
/** @brief A result for a run whose state could not even be read: made, not recorded. */
RKY_MUST_CHECK int rky_run_give_up(struct rky_run *run, const struct rky_transfer_report *report,
                                   const struct rky_error *failure, struct rky_error *err);
/** @brief The result as `rocky run` prints it: with the measured transfers in `state`. @return
 *         owned, NULL when there is no result or no memory. */
char *rky_run_final_result(const struct rky_run *run, const struct rky_transfer_report *download,
                           const struct rky_transfer_report *upload);
/** @brief Somebody else recorded this job first: its result is ours now, read from the ledger. */
RKY_MUST_CHECK int rky_run_adopt_recorded(struct rky_run *run, struct rky_error *err);
/** @brief The event of a finished transfer: an element as in rky_run_events(). @return owned, NULL
 *         when memory is out. */
json_t *rky_run_transfer_event(const struct rky_run *run, const struct rky_transfer_report *report);
/** @brief Set by rky_run_interrupt(now = true): to end a transfer's waiting, too. */
const _Atomic bool *rky_run_stop_flag(const struct rky_run *run);

/** @brief Stop soon: running statements are interrupted. @param code RKY_ERR_INTERRUPTED,
 *         RKY_ERR_CANCELLED or RKY_ERR_TIMEOUT. From any thread, idempotent; the first code wins.
 *  @param now false = finish the tables at work and start no further one. */
void rky_run_interrupt(struct rky_run *run, int code, bool now);

#endif
