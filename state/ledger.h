/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: one SQLite file per namespace that remembers watermarks, tombstones, row counts,
 * runs, finished jobs with their result (the outbox), plans and an audit trail.
 *
 * Invariants: `application_id` marks the file as ours, `user_version` is the schema version,
 * migrations only add within a major; the file belongs to one namespace; a recorded result never
 * changes once it was published. Writers hold an flock on `<file>.lock` (fsutil.h); readers open
 * with mode=ro and never wait. One connection per object, used by one thread at a time. Every write
 * happens between rky_ledger_begin() and rky_ledger_commit(), so a crash leaves the state before or
 * after, never between. Text arguments are borrowed; records handed out are owned by the caller and
 * released with their _done().
 */
#ifndef RKY_STATE_LEDGER_H
#define RKY_STATE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/ids.h"
#include "common/log.h"
#include "state/snapshot.h"

/** "RKYL" */
#define RKY_LEDGER_APPLICATION_ID 0x524b594c
/** Recipe for a change: add state/sql/NNNN-what.sql that only adds, raise this number, put a file
 *  written by the previous version under tests/golden/. */
#define RKY_LEDGER_SCHEMA_VERSION 2
/** A recorded result is cut to this many bytes of JSON (engine/report.c decides what goes). */
#define RKY_RESULT_MAX (512 * 1024)

struct rky_ledger;

enum rky_ledger_mode { RKY_LEDGER_READ, RKY_LEDGER_WRITE };

struct rky_ledger_options {
    const char *path;
    const char *namespace_; /**< a file of another namespace is RKY_ERR_STATE_FILE */
    enum rky_ledger_mode mode;
    /** The file is a copy of a state that lives elsewhere: commits are not flushed to the disk.
     * After a crash of the machine rky_ledger_verify_file() tells whether it is still good for
     * anything. */
    bool private_copy;
    struct rky_clock *clock;
    struct rky_log *log;
};

/**
 * @brief Open; in write mode create or migrate when needed (under a momentary file lock).
 * @return 0; RKY_ERR_NOT_FOUND in read mode when there is no file; RKY_ERR_STATE_FILE when it is
 *         corrupt, foreign, of another namespace or from a newer version, saying which and what to
 *         do; RKY_ERR_LOCKED; RKY_ERR_IO; RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_ledger_open(const struct rky_ledger_options *options,
                                   struct rky_ledger **ret_ledger, struct rky_error *err);
void rky_ledger_close(struct rky_ledger *ledger);
/** @brief Tune SQLite and the allocator for many threads with a connection each. Once, before the
 *         process uses SQLite for the first time; without effect on it later. */
void rky_ledger_many_threads(void);
const char *rky_ledger_path(const struct rky_ledger *ledger);

/** @brief Take the writer's lock; 0 ms = one try. RKY_ERR_LOCKED names the pid that has it. A file
 *         that was deleted or replaced since it was opened is opened anew here, with the errors of
 *         rky_ledger_open(). After any other failure than RKY_ERR_LOCKED only another try or
 *         closing makes sense. */
RKY_MUST_CHECK int rky_ledger_lock(struct rky_ledger *ledger, int64_t timeout_ms,
                                   struct rky_error *err);
void rky_ledger_unlock(struct rky_ledger *ledger);

/** @brief In write mode the lock must be held. In read mode: one snapshot for several reads. */
RKY_MUST_CHECK int rky_ledger_begin(struct rky_ledger *ledger, struct rky_error *err);
/** @brief On failure the transaction is rolled back. A write id names one content: changes that no
 *         rky_ledger_bump() follows are refused with RKY_ERR_BUG. */
RKY_MUST_CHECK int rky_ledger_commit(struct rky_ledger *ledger, struct rky_error *err);
/** @brief No-op outside a transaction. */
void rky_ledger_rollback(struct rky_ledger *ledger);

/* --- meta ----------------------------------------------------------------------------------- */

struct rky_ledger_meta {
    char namespace_[64];
    char lineage[RKY_UUID_TEXT];  /**< random when the state was first created */
    int64_t generation;           /**< +1 per committed change */
    char write_id[RKY_UUID_TEXT]; /**< of the last committed change */
    int64_t fence;                /**< greatest fence token of our own claims */
    /** Write ids that the content derives from, newest first; [0] is the parent. */
    char ancestors[RKY_ANCESTORS_MAX][RKY_UUID_TEXT];
    size_t ancestor_count;
    int64_t min_reader_version; /**< oldest schema version whose program understands the content */
};

RKY_MUST_CHECK int rky_ledger_meta(struct rky_ledger *ledger, struct rky_ledger_meta *ret_meta,
                                   struct rky_error *err);
/** @brief Take over the lineage that the target knows. Inside a transaction. */
RKY_MUST_CHECK int rky_ledger_set_lineage(struct rky_ledger *ledger, const char *lineage,
                                          struct rky_error *err);
/** @brief Raise the fence to at least @p token. Inside a transaction. */
RKY_MUST_CHECK int rky_ledger_raise_fence(struct rky_ledger *ledger, int64_t token,
                                          struct rky_error *err);
/** @brief generation + 1 and a new write_id; the old one becomes the first ancestor. Once in each
 *         transaction that changes anything. */
RKY_MUST_CHECK int rky_ledger_bump(struct rky_ledger *ledger, int64_t *ret_generation,
                                   struct rky_error *err);
/** @brief Put this content on another head: the next bump makes @p generation + 1 and puts the
 *         present write_id before @p ancestors. Inside a transaction.
 *  @param ancestors newest first, usually the head's write_id and its ancestors; what does not fit
 *         is left out. */
RKY_MUST_CHECK int rky_ledger_set_version(struct rky_ledger *ledger, int64_t generation,
                                          const char (*ancestors)[RKY_UUID_TEXT], size_t count,
                                          struct rky_error *err);
/** @brief The meta row and schema version as the head of a snapshot; the rest of it is zeroed. */
RKY_MUST_CHECK int rky_ledger_head(struct rky_ledger *ledger, struct rky_snapshot_head *ret_head,
                                   struct rky_error *err);

/* --- the file as bytes ------------------------------------------------------------------------ */

/**
 * @brief The committed content as one SQLite file in memory, ready for rky_snapshot_encode().
 *        Outside a transaction: inside one it would hold rows that may never be committed
 *        (RKY_ERR_BUG).
 * @param ret_raw owned, freed by rky_free().
 */
RKY_MUST_CHECK int rky_ledger_serialize(struct rky_ledger *ledger, unsigned char **ret_raw,
                                        size_t *ret_length, struct rky_error *err);
/**
 * @brief Put a verified image at @p path, in place of what is there together with its journals.
 *        After a crash the old file is there, or the new one, or (when journals lay beside the old
 *        one) none. The caller vouches that nobody has @p path open: SQLite would go on writing
 * into the file that is no longer there.
 * @return 0; RKY_ERR_IO, RKY_ERR_QUOTA, RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_ledger_install(const char *path, const void *raw, size_t length,
                                      struct rky_error *err);
/**
 * @brief Whether a file that may come from anywhere is a ledger, whole and no more than that:
 * marks, schema exactly as our migrations make it, every page, every constraint, the meta row.
 *        Nothing in the file runs, nothing is written but the rollback of a journal that a crash of
 *        ours left beside it. The caller vouches that this process has @p path not open.
 * @param namespace_ expected; NULL = any.
 * @param expected what the meta row and the schema version have to equal; NULL = not compared.
 * @param ret_head the file's own, as rky_ledger_head() gives it; NULL when not wanted.
 * @return 0; RKY_ERR_STATE_FILE with @p ret_fault; RKY_ERR_NOT_FOUND; RKY_ERR_IO; RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_ledger_verify_file(const char *path, const char *namespace_,
                                          const struct rky_snapshot_head *expected,
                                          enum rky_snapshot_fault *ret_fault,
                                          struct rky_snapshot_head *ret_head,
                                          struct rky_error *err);

/* --- two contents into one -------------------------------------------------------------------- */

struct rky_merge_options {
    /** Tables whose watermark row is the other's, whatever the times say; also its absence. */
    const char *const *own_tables;
    size_t own_table_count;
};
/**
 * @brief Take over what the loser of a race recorded into a copy of the winner's content. Inside a
 *        transaction on @p ledger; bump and commit are the caller's, and so is a sweep before them.
 *
 * Row counts and runs: union by run id, in order of time. Jobs: union by job id, a job in both
 * stays as @p ledger has it. Plans: union, applied in either is applied. Tombstones and audit
 * trail: union. Fence: the greater. Watermarks of no own table: the row that is younger. Merging
 * again changes nothing. The other's write_id becomes an ancestor.
 *
 * @param other_path a closed, verified ledger of the same namespace and lineage; not written to.
 * @return 0; RKY_ERR_STATE_FILE for another lineage; the errors of rky_ledger_open().
 */
RKY_MUST_CHECK int rky_ledger_merge(struct rky_ledger *ledger, const char *other_path,
                                    const struct rky_merge_options *options, struct rky_error *err);
/**
 * @brief Restore or import: history, plans and watermarks become the other's; runs, jobs,
 * tombstones and audit trail are united; a plan applied here stays applied; fence: the greater.
 * Lineage, generation and write_id stay. Inside a transaction, as rky_ledger_merge().
 * Reconciliation corrects the watermarks by what the target says.
 * @param other_path a closed, verified ledger of the same namespace; of any lineage.
 */
RKY_MUST_CHECK int rky_ledger_replace_content(struct rky_ledger *ledger, const char *other_path,
                                              struct rky_error *err);

/* --- watermarks and tombstones --------------------------------------------------------------- */

/** The ledger's copy of a target's watermark row. Owned text; NULL where SQL has NULL. */
struct rky_watermark {
    char *table; /**< catalog.schema.table, quoted where needed */
    char *cursor_column;
    char *cursor_type; /**< "integer", "real", "text" */
    char *value;       /**< exact text; NULL = the source was empty */
    char *high_value;
    char *commit_id;
    char *run_id, *job_id;
    char *source;   /**< catalog.schema.table it is copied from; "" = unknown */
    char *pipeline; /**< that copied it last; "" = unknown */
    int64_t updated_at_us;
};
void rky_watermark_done(struct rky_watermark *watermark);

/** @retval RKY_ERR_NOT_FOUND (err untouched) when there is none. */
RKY_MUST_CHECK int rky_ledger_watermark_get(struct rky_ledger *ledger, const char *table,
                                            struct rky_watermark *ret_watermark,
                                            struct rky_error *err);
RKY_MUST_CHECK int rky_ledger_watermark_put(struct rky_ledger *ledger,
                                            const struct rky_watermark *watermark,
                                            struct rky_error *err);
RKY_MUST_CHECK int rky_ledger_watermark_delete(struct rky_ledger *ledger, const char *table,
                                               struct rky_error *err);
/** @brief All, by table name. @param ret_items owned array of owned records. */
RKY_MUST_CHECK int rky_ledger_watermarks(struct rky_ledger *ledger,
                                         struct rky_watermark **ret_items, size_t *ret_count,
                                         struct rky_error *err);
void rky_watermarks_free(struct rky_watermark *items, size_t count);

/** @brief The greatest tombstone of a table, 0 = none. */
RKY_MUST_CHECK int rky_ledger_tombstone_get(struct rky_ledger *ledger, const char *table,
                                            int64_t *ret_seq, struct rky_error *err);
/** @brief Write a tombstone; @p seq is 1 + the greatest known in target and ledger. */
RKY_MUST_CHECK int rky_ledger_tombstone_put(struct rky_ledger *ledger, const char *table,
                                            int64_t seq, const char *reason, struct rky_error *err);
/** @brief Forget tombstones of the table up to @p seq, once the target carries it. */
RKY_MUST_CHECK int rky_ledger_tombstone_sweep(struct rky_ledger *ledger, const char *table,
                                              int64_t seq, struct rky_error *err);

/** A full refresh that is still asked for. */
struct rky_tombstone {
    char *table;
    int64_t seq;
    char *reason; /**< NULL = none given */
    int64_t created_at_us;
};
/** @brief All, by table and seq. @param ret_items owned array of owned records. */
RKY_MUST_CHECK int rky_ledger_tombstones(struct rky_ledger *ledger,
                                         struct rky_tombstone **ret_items, size_t *ret_count,
                                         struct rky_error *err);
void rky_tombstones_free(struct rky_tombstone *items, size_t count);

/* --- check history --------------------------------------------------------------------------- */

struct rky_count {
    int64_t count;
    int64_t at_us;
    bool anomalous; /**< left out of the baseline */
};

/** @brief The latest @p limit counts, oldest first. @param ret_counts owned array. */
RKY_MUST_CHECK int rky_ledger_counts(struct rky_ledger *ledger, const char *table, size_t limit,
                                     struct rky_count **ret_counts, size_t *ret_count,
                                     struct rky_error *err);
/** @brief Append one. @param anomalous it deviates from the average: left out of the baseline.
 *         @param anomaly_json the findings (array), also those that do not make it anomalous
 *         (flat), or NULL. */
RKY_MUST_CHECK int rky_ledger_count_add(struct rky_ledger *ledger, const char *table,
                                        const char *run_id, int64_t count, int64_t at_us,
                                        bool anomalous, const char *anomaly_json,
                                        struct rky_error *err);
/** @brief Declare the newest count normal and the start of a new baseline: its findings are
 *         cleared, and rky_ledger_counts() lists only it and what comes after it.
 *  @return 0; RKY_ERR_NOT_FOUND when the table has no counts. */
RKY_MUST_CHECK int rky_ledger_count_accept(struct rky_ledger *ledger, const char *table,
                                           struct rky_error *err);
/** @brief Findings of the newest @p limit runs of a table, newest first, as a JSON array text; each
 *         finding gets `run_id` and `timestamp`. @param ret_json owned. */
RKY_MUST_CHECK int rky_ledger_anomalies(struct rky_ledger *ledger, const char *table, size_t limit,
                                        char **ret_json, struct rky_error *err);
/** @brief Tables that have counts, by name. @param ret_tables owned array of owned names. */
RKY_MUST_CHECK int rky_ledger_count_tables(struct rky_ledger *ledger, char ***ret_tables,
                                           size_t *ret_count, struct rky_error *err);

/* --- runs and jobs --------------------------------------------------------------------------- */

struct rky_run_record {
    char *run_id, *job_id; /**< job_id NULL for a run of the CLI */
    char *kind;            /**< "run", "apply", "plan" */
    char *status, *trigger, *worker_id, *plan_id, *pipeline;
    int64_t started_at_us, finished_at_us;
    int64_t tables_copied, tables_failed, rows_copied;
};
void rky_run_record_done(struct rky_run_record *record);

/** @brief Record a run; the same run_id again replaces its figures. */
RKY_MUST_CHECK int rky_ledger_run_put(struct rky_ledger *ledger,
                                      const struct rky_run_record *record, struct rky_error *err);
/** @brief The newest @p limit runs, newest first. */
RKY_MUST_CHECK int rky_ledger_runs(struct rky_ledger *ledger, size_t limit,
                                   struct rky_run_record **ret_items, size_t *ret_count,
                                   struct rky_error *err);
void rky_run_records_free(struct rky_run_record *items, size_t count);
/** @brief run_id of the last terminal run or apply that is not an apply of @p plan_id; skipped
 *         duplicates and plan jobs do not count. @param ret_run_id owned, NULL when none. */
RKY_MUST_CHECK int rky_ledger_last_run(struct rky_ledger *ledger, const char *pipeline,
                                       const char *plan_id, char **ret_run_id,
                                       struct rky_error *err);

/** A finished job: what a redelivery is answered with, byte for byte. */
struct rky_job_record {
    char *job_id, *type;
    char *body_sha256;     /**< "" for jobs that came without a message */
    char *params_sha256;   /**< of what was asked for without ids: to tell whether two jobs with one
                                idempotency key asked for the same */
    char *idempotency_key; /**< NULL = none */
    char *status;
    char *result;       /**< JSON text */
    char *events;       /**< JSON array of further events to publish again, "[]" = none */
    char *duplicate_of; /**< first executor of the same key, NULL = this one executed */
    int64_t finished_at_us;
};
void rky_job_record_done(struct rky_job_record *record);

/** @retval RKY_ERR_NOT_FOUND (err untouched) when unknown. */
RKY_MUST_CHECK int rky_ledger_job_get(struct rky_ledger *ledger, const char *job_id,
                                      struct rky_job_record *ret_record, struct rky_error *err);
/** @brief The first success or partial of this type with this key; not skipped duplicates. */
RKY_MUST_CHECK int rky_ledger_job_by_key(struct rky_ledger *ledger, const char *type,
                                         const char *idempotency_key,
                                         struct rky_job_record *ret_record, struct rky_error *err);
/** @brief Record a finished job. An existing record of that id is kept and RKY_ERR_CONFLICT
 *         returned: a recorded result never changes. */
RKY_MUST_CHECK int rky_ledger_job_put(struct rky_ledger *ledger,
                                      const struct rky_job_record *record, struct rky_error *err);
/** @brief Replace a recorded result that nobody has seen: its upload ended otherwise than it says,
 *         and it is put right before it is published. The only exception to "never changes".
 *  @return 0; RKY_ERR_NOT_FOUND. */
RKY_MUST_CHECK int rky_ledger_job_rewrite(struct rky_ledger *ledger, const char *job_id,
                                          const char *status, const char *result_json,
                                          const char *events_json, struct rky_error *err);

/* --- plans ----------------------------------------------------------------------------------- */

struct rky_plan_record {
    char plan_id[RKY_SHA256_HEX];
    char *pipeline;
    char *payload; /**< canonical JSON text whose SHA-256 is the id */
    char *display; /**< JSON text of what was shown: estimates, warnings, times */
    int64_t created_at_us, expires_at_us;
    int64_t applied_at_us; /**< 0 = not applied */
    char *applied_run_id;  /**< NULL = not applied */
};
void rky_plan_record_done(struct rky_plan_record *record);

/** @brief Store; the same id again refreshes times and display, and keeps applied_*. */
RKY_MUST_CHECK int rky_ledger_plan_put(struct rky_ledger *ledger,
                                       const struct rky_plan_record *record, struct rky_error *err);
/** @retval RKY_ERR_NOT_FOUND (err untouched) when unknown. */
RKY_MUST_CHECK int rky_ledger_plan_get(struct rky_ledger *ledger, const char *plan_id,
                                       struct rky_plan_record *ret_record, struct rky_error *err);
/** @brief Mark a plan as applied; the first run stays. @return 0 (also for the same run again);
 *         RKY_ERR_NOT_FOUND; RKY_ERR_REFUSED when another run applied it. */
RKY_MUST_CHECK int rky_ledger_plan_applied(struct rky_ledger *ledger, const char *plan_id,
                                           const char *run_id, int64_t at_us,
                                           struct rky_error *err);

/* --- audit and retention --------------------------------------------------------------------- */

RKY_MUST_CHECK int rky_ledger_audit(struct rky_ledger *ledger, const char *action,
                                    const char *subject, const char *old_value,
                                    const char *new_value, const char *actor,
                                    struct rky_error *err);

struct rky_audit_record {
    int64_t at_us;
    char *action;
    char *subject, *old_value, *new_value, *actor; /**< NULL where SQL has NULL */
};
/** @brief The newest @p limit entries, newest first. @param ret_items owned array of owned records.
 */
RKY_MUST_CHECK int rky_ledger_audit_list(struct rky_ledger *ledger, size_t limit,
                                         struct rky_audit_record **ret_items, size_t *ret_count,
                                         struct rky_error *err);
void rky_audit_records_free(struct rky_audit_record *items, size_t count);

/** Numbers of newest records to keep; 0 = no limit of that kind. `jobs` holds for runs and the
 *  audit trail, too; `history` is per table. Plans go a day after they expired. */
struct rky_retention {
    int64_t jobs, jobs_days, history;
};
/** @brief Delete what is beyond the retention: of the counts, those of the tables that got one in
 *         this transaction. Watermarks are never swept. Cheap when nothing is due; a limit may be
 *         exceeded by a sixteenth (at most 256 records, an hour) so that deleting is rare. Bounded
 *         work: at most some thousand rows per call. Inside a transaction. */
RKY_MUST_CHECK int rky_ledger_sweep(struct rky_ledger *ledger,
                                    const struct rky_retention *retention, int64_t now_us,
                                    struct rky_error *err);

#endif
