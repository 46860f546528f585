/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warehouse seam. A driver discovers source tables, keeps Rocky's metadata in each target
 * schema, and copies one table in one target transaction. One conformance suite holds every driver
 * to this contract. REPLICATION in the docs says why each rule exists.
 *
 * An adapter is a configured warehouse: cheap, immutable, shared by threads. A session is one
 * connection to one target schema, used by one thread at a time; only session_interrupt() may come
 * from another.
 *
 * Errors: the driver classifies (by result code, never by message text) into RKY_ERR_LOCKED
 * (somebody holds the target or source: waited lock_timeout_ms already), SOURCE_MISSING, NOT_FOUND,
 * CONNECTION, AUTH, QUERY, QUOTA (disk full), INTERRUPTED (session_interrupt), FENCED, CONFLICT,
 * SCHEMA_DRIFT, IO, NOMEM. After any error of copy() the target is as before it, byte for byte
 * where the engine allows, and the session may be used again.
 */
#ifndef RKY_ENGINE_ADAPTER_H
#define RKY_ENGINE_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/ids.h"
#include "common/log.h"
#include "engine/cursor.h"

struct rky_adapter;
struct rky_session;

struct rky_table_ref {
    const char *catalog, *schema, *table;
};

/* --- discovery -------------------------------------------------------------------------------- */

struct rky_column {
    char *name;
    char *type;      /**< as declared, "" when none */
    char *collation; /**< "BINARY", "NOCASE", ... */
    bool generated;  /**< computed column: copied as a plain value */
};

enum rky_table_kind {
    RKY_TABLE_PLAIN,
    RKY_TABLE_VIEW,
    RKY_TABLE_VIRTUAL,
    RKY_TABLE_SHADOW,
    RKY_TABLE_SYSTEM, /**< sqlite_* and the like */
    RKY_TABLE_OURS,   /**< _rocky_* */
};

struct rky_table_info {
    char *name;
    enum rky_table_kind kind;
    struct rky_column *columns; /**< in the table's order, hidden ones left out */
    size_t column_count;
    bool has_triggers;
    char *row_id;   /**< name by which the engine's own row id is read; NULL = none */
    char **indexed; /**< columns that lead a complete (not partial) index or the primary key */
    size_t indexed_count;
};

struct rky_schema_info {
    struct rky_table_info *tables; /**< by name */
    size_t table_count;
    bool blocks_writer; /**< reading this source holds up its writer (SQLite: journal mode not WAL)
                         */
};
void rky_schema_info_done(struct rky_schema_info *info);
/** @brief By exact name. Borrowed, NULL when absent. */
const struct rky_table_info *rky_schema_table(const struct rky_schema_info *info,
                                              const char *table);
/** @brief The column of that name as the engine compares names (SQLite: ASCII case-insensitive). */
const struct rky_column *rky_table_column(const struct rky_table_info *table, const char *column);

/** Numbers for plan and discover; each costs at most one scan. */
struct rky_table_facts {
    int64_t row_count;
    int64_t window_rows;  /**< rows > after; row_count when there is no after */
    int64_t null_cursors; /**< rows whose cursor is NULL; 0 without cursor */
    int64_t future_rows;  /**< rows whose cursor is a time beyond now + 5 minutes */
    struct rky_cursor greatest;
    enum rky_cursor_type lowest_type, highest_type; /**< by the engine's order: differing = mixed */
};
void rky_table_facts_done(struct rky_table_facts *facts);

/* --- Rocky's metadata in a target schema -------------------------------------------------------
 */

struct rky_fence {
    bool present;
    int64_t token;
    char claim_id[RKY_UUID_TEXT];
    char lineage[RKY_UUID_TEXT];
};

/** One row of _rocky_watermarks. Owned text; NULL where SQL has NULL. */
struct rky_mark {
    char *table_name; /**< catalog.schema.table as state knows it */
    char *namespace_;
    char *cursor_column, *cursor_type;
    struct rky_cursor value, high_value;
    int64_t ties; /**< rows of the source at `value`; -1 = unknown (SQL NULL) */
    char *ties_hash;
    char *prev_value;
    char *action; /**< full_refresh, incremental, merge, adopt, set */
    int64_t rows_copied, late_rows;
    char *run_id, *job_id, *plan_id;
    int64_t tombstone_seq;
    char *added_columns; /**< JSON object: column -> watermark text at which drift added it */
    char *commit_id;
    char *updated_at; /**< RFC 3339 */
};
void rky_mark_done(struct rky_mark *mark);
void rky_marks_free(struct rky_mark *marks, size_t count);

/** One row of _rocky_commits. */
struct rky_commit {
    char *job_id, *table_name, *namespace_, *idempotency_key, *plan_id, *commit_id, *action;
    int64_t rows_copied, late_rows;
    int64_t source_count; /**< -1 = not counted */
    char *window_after, *window_through;
    char *committed_at; /**< RFC 3339 */
};
void rky_commits_free(struct rky_commit *commits, size_t count);

/* --- claim -------------------------------------------------------------------------------------
 */

struct rky_claim {
    const char *namespace_;
    const char *lineage;          /**< written with the claim when the row has none */
    int64_t token;                /**< in: wanted; out: max(wanted, row + 1) */
    char claim_id[RKY_UUID_TEXT]; /**< random, chosen by the caller */
    /** The row's token is at or above the wanted one: asked before the greater one commits. A
     *  failure rolls the claim back. NULL = nobody to ask. */
    int (*raise)(void *context, int64_t token, struct rky_error *err);
    void *raise_context;
};

/* --- copying one table -------------------------------------------------------------------------
 */

enum rky_action {
    RKY_ACTION_NONE,
    RKY_ACTION_FULL_REFRESH,
    RKY_ACTION_INCREMENTAL,
    RKY_ACTION_MERGE,
    RKY_ACTION_ADOPT, /**< take over existing rows: watermark = max of the target, exact boundary */
    RKY_ACTION_REFUSED,
};
/** @brief "none", "full_refresh", "incremental", "merge", "adopt", "refused". */
const char *rky_action_name(enum rky_action action);

/** Everything that decides a copy. All borrowed. The same spec gives the same statements, in
 *  whatever process: a plan stores them and apply compares. */
struct rky_copy_spec {
    struct rky_table_ref source, target;
    const char *table_name; /**< key in the metadata */
    const struct rky_table_info *source_table;
    const struct rky_table_info *target_table; /**< NULL = missing: it will be created */
    const char *cursor_column; /**< NULL = none (strategy full_refresh without cursor) */
    enum rky_action action;
    enum rky_boundary boundary;
    enum rky_null_cursor null_cursor;
    int64_t lookback_seconds;   /**< 0 = none */
    int64_t safety_lag_seconds; /**< 0 = no horizon */
    const struct rky_metadata_column *metadata_columns;
    size_t metadata_column_count;
    const struct rky_mark *mark; /**< the target's row this spec was built on; NULL = none */
    bool count_source;           /**< the source's row count is wanted (checks) */
    int64_t tombstone_seq;       /**< to be written */
    const char *const
        *added_columns; /**< columns to add to the target first, NULL-terminated; NULL = none */
};

/** Ids written with the commit. All borrowed, NULL allowed but for the first three. */
struct rky_copy_ids {
    const char *namespace_, *run_id, *commit_id;
    const char *job_id, *idempotency_key, *plan_id;
};

struct rky_statement {
    const char *purpose; /**< static: "create", "copy", "boundary", "lookback", "nulls", "alter",
                            "swap", ... */
    char *sql;           /**< owned */
};
void rky_statements_free(struct rky_statement *statements, size_t count);

struct rky_copy_warning {
    const char *code; /**< static, kebab-case */
    char *message;    /**< owned */
};

struct rky_copy_outcome {
    bool wrote;          /**< a commit happened (rows or watermark row) */
    int64_t rows_copied; /**< late ones included */
    int64_t late_rows;
    int64_t window_rows;       /**< source rows above watermark and high value, in that snapshot: as
                                    many as were copied without being late; -1 = not counted */
    int64_t source_count;      /**< whole source in that snapshot; -1 = not counted */
    int64_t null_cursors;      /**< -1 = not counted */
    struct rky_cursor through; /**< new watermark; NONE = the source was empty */
    struct rky_cursor high_value;
    struct rky_copy_warning *warnings;
    size_t warning_count;
};
void rky_copy_outcome_done(struct rky_copy_outcome *outcome);
/** @brief Append a warning; the driver's helper. @param code static. */
RKY_MUST_CHECK int rky_copy_warn(struct rky_copy_outcome *outcome, const char *code,
                                 struct rky_error *err, const char *format, ...) RKY_PRINTF(4, 5);

/* --- the vtable --------------------------------------------------------------------------------
 */

struct rky_session_options {
    const struct rky_adapter *source; /**< warehouse the sources of this session live in */
    int64_t lock_timeout_ms;
    bool create; /**< create schema and metadata tables when missing */
    struct rky_clock *clock;
    struct rky_log *log;
};

struct rky_adapter_ops {
    const char *type; /**< as in adapter.NAME.type */

    int (*open)(const struct rky_adapter_config *config, struct rky_adapter **ret_adapter,
                struct rky_error *err);
    void (*close)(struct rky_adapter *adapter);

    /** Schemas of a catalog whose name starts with prefix, sorted. SOURCE_MISSING when the catalog
     *  is not there. */
    int (*list_schemas)(const struct rky_adapter *adapter, const char *catalog, const char *prefix,
                        struct rky_strings *ret_schemas, struct rky_error *err);
    /** Tables and columns in one go. Reads only; never creates. SOURCE_MISSING when absent. Waits
     *  as the adapter says. */
    int (*describe)(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                    struct rky_schema_info *ret_info, struct rky_error *err);
    /** Where a schema lives, canonical (symlinks resolved), without secrets: two equal answers
     *  mean the same storage. Owned. The file need not exist. */
    int (*location)(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                    char **ret_location, struct rky_error *err);
    /** Check a name before it becomes part of a path or statement. */
    int (*check_name)(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                      struct rky_error *err);
    /** Whether this process may read a schema as a source, or write (and create) it as a target, as
     *  far as that can be told without opening or making anything (doctor). AUTH says what is
     *  missing; SOURCE_MISSING when there is nothing to read. */
    int (*check_access)(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                        bool write, struct rky_error *err);
    /** Figures of a source table. @p after NULL or NONE = no watermark. */
    int (*facts)(const struct rky_adapter *adapter, const struct rky_table_ref *table,
                 const struct rky_table_info *info, const char *cursor_column,
                 const struct rky_cursor *after, int64_t now_us, struct rky_table_facts *ret_facts,
                 struct rky_error *err);
    /** What copy() would execute, in order, in the engine's dialect. Pure. */
    int (*statements)(const struct rky_copy_spec *spec, struct rky_statement **ret_statements,
                      size_t *ret_count, struct rky_error *err);

    /** Connect to a target schema. With create unset and no such schema: RKY_ERR_NOT_FOUND. */
    int (*session_open)(const struct rky_adapter *target, const char *catalog, const char *schema,
                        const struct rky_session_options *options, struct rky_session **ret_session,
                        struct rky_error *err);
    void (*session_close)(struct rky_session *session);
    /** Stop what the session is doing (RKY_ERR_INTERRUPTED there). From any thread; sticky. */
    void (*session_interrupt)(struct rky_session *session);
    /** Rows copied so far by the copy() under way, for progress; from any thread. */
    int64_t (*session_progress)(const struct rky_session *session);

    /** Tables of the target schema, as describe(). */
    int (*session_describe)(struct rky_session *session, struct rky_schema_info *ret_info,
                            struct rky_error *err);
    /** The fence row of a namespace; present = false when there is none. */
    int (*read_fence)(struct rky_session *session, const char *namespace_,
                      struct rky_fence *ret_fence, struct rky_error *err);
    /** All watermark rows of the schema, of every namespace. */
    int (*read_marks)(struct rky_session *session, struct rky_mark **ret_marks, size_t *ret_count,
                      struct rky_error *err);
    /** Commits by job id, plan id or idempotency key (NULL = any); all given ones must match. */
    int (*read_commits)(struct rky_session *session, const char *namespace_, const char *job_id,
                        const char *plan_id, const char *idempotency_key,
                        struct rky_commit **ret_commits, size_t *ret_count, struct rky_error *err);
    /** Whether a target table has rows. RKY_ERR_NOT_FOUND when it is missing. @retval 1 or 0. */
    int (*has_rows)(struct rky_session *session, const char *table, struct rky_error *err);

    /** One short transaction: token := max(wanted, row + 1), our claim id, lineage when the row had
     *  none. Creates the metadata tables. On success claim->token is what was written. */
    int (*claim)(struct rky_session *session, struct rky_claim *claim, struct rky_error *err);
    /** Replace the lineage of the claim's fence row (state adopt). Own short transaction, under the
     *  claim. */
    int (*set_lineage)(struct rky_session *session, const struct rky_claim *claim,
                       const char *lineage, struct rky_error *err);
    /** RKY_ERR_FENCED unless token and claim_id in the target still equal the claim. */
    int (*claim_check)(struct rky_session *session, const struct rky_claim *claim,
                       struct rky_error *err);
    /** One target transaction: claim still ours (else FENCED), the watermark row's commit_id still
     *  the spec's (else CONFLICT), rows, new watermark row, commit row. */
    int (*copy)(struct rky_session *session, const struct rky_claim *claim,
                const struct rky_copy_spec *spec, const struct rky_copy_ids *ids,
                struct rky_copy_outcome *ret_outcome, struct rky_error *err);
    /** Replace a watermark row (state set, adopt, delete of a table's row): claim and commit_id as
     *  in copy(). @p mark NULL deletes the row. @p expected_commit_id NULL = no row expected. */
    int (*write_mark)(struct rky_session *session, const struct rky_claim *claim,
                      const char *table_name, const char *expected_commit_id,
                      const struct rky_mark *mark, struct rky_error *err);
    /** Delete commit rows older than this. Own short transaction, under the claim. */
    int (*sweep_commits)(struct rky_session *session, const struct rky_claim *claim,
                         int64_t before_us, struct rky_error *err);

    /** Optional: whether a target column of the one declared type keeps every value of a source
     *  column of the other unchanged. NULL = only when the types are spelled alike. */
    bool (*type_fits)(const char *source_type, const char *target_type);
};

/** How long an adapter waits that was told nothing else. */
#define RKY_ADAPTER_WAIT_MS 5000

/** Drivers embed these first. */
struct rky_adapter {
    const struct rky_adapter_ops *ops;
    /** describe() waits so long for whoever holds a source, and ends with INTERRUPTED when another
     *  thread sets what @c stop points to (NULL = nobody does). Set by whoever opens the adapter,
     *  before anybody uses it. */
    int64_t lock_timeout_ms;
    const _Atomic bool *stop;
};
struct rky_session {
    const struct rky_adapter_ops *ops;
};

/** @brief The driver of a type, NULL when this build has none. Borrowed. */
const struct rky_adapter_ops *rky_adapter_find(const char *type);
/** @brief Open by configuration; asserts the driver's required pointers. */
RKY_MUST_CHECK int rky_adapter_open(const struct rky_adapter_config *config,
                                    struct rky_adapter **ret_adapter, struct rky_error *err);

#endif
