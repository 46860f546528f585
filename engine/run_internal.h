/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind run.h share: the run, its target schemas and its tables.
 *
 * A run owns schemas; a schema owns its tables' order and one session. During the tables phase a
 * schema belongs to the one thread that copies it; everything that threads share is under
 * `run->mutex`. Before and after, only the run's own thread is there.
 */
#ifndef RKY_ENGINE_RUN_INTERNAL_H
#define RKY_ENGINE_RUN_INTERNAL_H

#include <jansson.h>
#include <pthread.h>

#include "common/ids.h"
#include "engine/adapter.h"
#include "engine/anomaly.h"
#include "engine/discover.h"
#include "engine/reconcile.h"
#include "engine/run.h"

/* Rows of _rocky_commits are kept this long: a redelivery later than that is a new job. */
enum { RKY_COMMITS_KEEP_DAYS = 14 };

enum rky_work_state {
    RKY_WORK_PENDING,
    RKY_WORK_DONE, /**< copied, or nothing to copy */
    RKY_WORK_FAILED,
    RKY_WORK_SKIPPED, /**< never started: aborted or interrupted */
};

/** One table of the run. */
struct rky_work {
    struct rky_target *target;
    const struct rky_source *source;           /**< NULL for a table whose source is gone */
    const struct rky_source_table *table;      /**< NULL for a table whose source is gone */
    char *name;                                /**< catalog.schema.table of the target */
    char *source_name;                         /**< the same of the source */
    const struct rky_watermark *ledger;        /**< S, borrowed from run->watermarks; NULL = none */
    const struct rky_mark *mark;               /**< T, borrowed from the target; NULL = none */
    const struct rky_table_info *target_table; /**< NULL = missing */
    const struct rky_commit *done; /**< this job or plan committed it before; NULL = not */
    struct rky_decision decision;
    const char **added_columns;       /**< NULL-terminated, borrowed names; NULL = none */
    json_t *drift_actions;            /**< array of {table, action, reason}; NULL = none */
    json_t *warnings;                 /**< array of {code, message} */
    struct rky_statement *statements; /**< kept for a plan job only */
    size_t statement_count;

    enum rky_work_state state;
    struct rky_error *error;  /**< owned, with FAILED and SKIPPED; else NULL */
    const char *failure_kind; /**< static */
    char commit_id[RKY_UUID_TEXT];
    struct rky_copy_outcome outcome;
    bool copied; /**< outcome is filled by a copy of this attempt */
    int64_t started_mono_ms, duration_ms;

    json_t *checks;                /**< array of {name, passed, severity, ...} */
    struct rky_anomaly *anomalies; /**< owned, NULL while there are none */
    size_t anomaly_count;
    bool check_failed; /**< one of severity error */
};

/** One target schema: the unit of claiming and of parallelism. */
struct rky_target {
    char *catalog, *schema;
    struct rky_session *session; /**< NULL while closed */
    struct rky_schema_info info;
    struct rky_mark *marks;
    size_t mark_count;
    struct rky_commit *commits; /**< of this job, plan or idempotency key */
    size_t commit_count;
    struct rky_fence fence;
    struct rky_claim claim;
    bool claimed;
    struct rky_error fault;        /**< code != 0: its tables fail with this */
    size_t first_work, work_count; /**< its slice of run->work */
};

struct rky_run {
    struct rky_run_env env;
    struct rky_run_state state;
    const struct rky_job *job;
    char run_id[RKY_UUID_TEXT];
    char *commit_job_id; /**< job id written with commits (see lookup of keys) */
    int64_t started_us, started_mono_ms;

    struct rky_adapter *source, *target;
    bool own_target; /**< target is not the same object as source */
    struct rky_discovery discovery;
    struct rky_watermark *watermarks; /**< the ledger's, by table name */
    size_t watermark_count;
    struct rky_ledger_meta meta;
    struct rky_target *targets; /**< sorted by catalog and schema */
    size_t target_count;
    struct rky_work *work; /**< grouped by target, then source schema, then table */
    size_t work_count;
    _Atomic size_t open_sessions;

    struct rky_filter filter;      /**< the job's, or the plan's for apply; borrowed */
    struct rky_filter plan_filter; /**< owned, apply only */
    bool full_refresh;
    char plan_id[RKY_SHA256_HEX];
    char *plan_payload;   /**< as built now; NULL for a run */
    char *loaded_payload; /**< as stored when the plan was made; apply only */
    json_t *plan_display;
    json_t *plan_differences; /**< array of texts, apply only */
    json_t *warnings;         /**< of the run: array of {code, message} */

    pthread_mutex_t mutex;
    size_t next_target; /**< of the tables phase */
    size_t tables_done, tables_failed;
    int64_t rows_done;
    bool stop_starting;      /**< fail_fast, error rate, interrupt: start no further table */
    const char *stop_reason; /**< static */
    bool fenced;
    struct rky_error fence_error;
    _Atomic int interrupt_code; /**< enum rky_err, 0 = go on */
    _Atomic bool interrupt_now;
    int64_t last_progress_ms;

    bool answered;
    bool foreign;     /**< the copy at hand is of another lineage than the target */
    const char **own; /**< names of finished tables, made on demand */
    int exit_code;
    char *status, *result, *events, *plan_json;
    int64_t claim_token; /**< greatest of all claims, 0 = none */
};

/* run.c */
/** @brief SHA-256 over what the job asks for, without its ids. */
RKY_MUST_CHECK int rky_run_params_digest(const struct rky_run *run, char ret_hex[RKY_SHA256_HEX],
                                         struct rky_error *err);

/* target.c: sessions and the target's metadata */
RKY_MUST_CHECK int rky_target_session(struct rky_run *run, struct rky_target *target, bool create,
                                      struct rky_error *err);
void rky_target_close(struct rky_run *run, struct rky_target *target);
/** @brief Close when more sessions are open than a process should hold. */
void rky_target_release(struct rky_run *run, struct rky_target *target);
RKY_MUST_CHECK int rky_target_read(struct rky_run *run, struct rky_target *target,
                                   struct rky_error *err);
void rky_target_forget(struct rky_target *target);
/** @brief Read the watermark rows, replacing (and freeing) those read before. */
RKY_MUST_CHECK int rky_target_read_marks(struct rky_run *run, struct rky_target *target,
                                         struct rky_error *err);
/** @brief The watermark row of a table. Borrowed, NULL when there is none. */
const struct rky_mark *rky_target_mark(const struct rky_target *target, const char *table);

/* prepare.c */
RKY_MUST_CHECK int rky_work_decide(struct rky_run *run, struct rky_work *work,
                                   struct rky_error *err);
void rky_work_fail(struct rky_work *work, const struct rky_error *error);
/** @brief Keep why a table ended as it did. */
void rky_work_set_error(struct rky_work *work, const struct rky_error *error);
/** @brief Why it failed or was skipped. Borrowed, never NULL. */
const struct rky_error *rky_work_error(const struct rky_work *work);
void rky_work_spec(const struct rky_work *work, const struct rky_run *run,
                   struct rky_copy_spec *ret_spec);

/* gone.c: tables that the ledger knows and the source no longer has */
RKY_MUST_CHECK int rky_gone_sources(struct rky_run *run, struct rky_error *err);

/* drift.c */
/** @brief SCHEMA_DRIFT when something stands in the target table's place that is none. */
RKY_MUST_CHECK int rky_work_check_target(const struct rky_work *work, struct rky_error *err);
RKY_MUST_CHECK int rky_work_drift(struct rky_run *run, struct rky_work *work,
                                  struct rky_error *err);

/* plan.c */
RKY_MUST_CHECK int rky_plan_build(struct rky_run *run, struct rky_error *err);
RKY_MUST_CHECK int rky_plan_load(struct rky_run *run, struct rky_error *err);
RKY_MUST_CHECK int rky_plan_validate(struct rky_run *run, struct rky_error *err);

/* run_state.c */
/** @brief Append the upload's event as a crash would leave it to run->events: what a redelivery
 *         publishes, `recovered`. Inside the record's transaction, after the bump. */
RKY_MUST_CHECK int rky_run_promise_upload(struct rky_run *run, struct rky_error *err);

/* checks.c */
RKY_MUST_CHECK int rky_work_check(struct rky_run *run, struct rky_work *work,
                                  struct rky_error *err);

/* report.c, report_events.c */
/** @brief @param only_news leave out tables without news, to bound the size. */
json_t *rky_report_result(const struct rky_run *run, const struct rky_error *failure,
                          int64_t generation_after, bool only_news);
json_t *rky_report_events(const struct rky_run *run);
/** @brief One element of the recorded events for a finished transfer. @return owned or NULL. */
json_t *rky_report_transfer(const struct rky_run *run, const struct rky_transfer_report *report);
json_t *rky_report_error(const char *table, const char *kind, const struct rky_error *error);
/** @brief Compose run->result, ->status, ->events for a failure that no ledger can record. */
RKY_MUST_CHECK int rky_record_compose(struct rky_run *run, const struct rky_error *failure,
                                      struct rky_error *err);
/** @brief The action's name as plans and results show it: taking over the rows of a table that was
 *         there before us is an incremental copy, whatever the target's own row calls it. */
const char *rky_report_action(const char *action);
json_t *rky_report_materialization(const struct rky_work *work);
json_t *rky_report_anomaly(const struct rky_work *work, const struct rky_anomaly *anomaly);
json_t *rky_report_skipped(const struct rky_run *run, const char *first_result,
                           const char *first_job_id, bool body_differs);
/** @brief Move the driver's warnings of each table into its list. Once per run. */
RKY_MUST_CHECK int rky_report_take_warnings(struct rky_run *run, struct rky_error *err);
/** @brief Deterministic text: compact, keys sorted. @return owned or NULL. */
char *rky_report_text(const json_t *value);
/** @brief `failure_kind` of CONTRACTS section 6. Static. */
const char *rky_failure_kind(int code);

/** @brief Append {code, message} to a warnings array that is made on demand. */
RKY_MUST_CHECK int rky_warn(json_t **warnings, struct rky_error *err, const char *code,
                            const char *format, ...) RKY_PRINTF(4, 5);

#endif
