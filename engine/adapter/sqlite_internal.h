/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the SQLite driver share.
 *
 *   sqlite.c            the adapter: paths, names, listing, the table of operations
 *   sqlite_describe.c   tables and columns of a file
 *   sqlite_session.c    one connection to a target file, statements, transactions
 *   sqlite_attach.c     the source file attached to it
 *   sqlite_meta.c       fence and watermarks in the target
 *   sqlite_commits.c    what jobs and plans have done there
 *   sqlite_shape.c      a copy's window, names and column lists, as its spec decides them
 *   sqlite_sql.c        the statements of a copy
 *   sqlite_steps.c      their order
 *   sqlite_functions.c  SQL functions of ours: the tracker and the row key
 *   sqlite_values.c     cursor values between SQLite and the engine
 *   sqlite_survey.c     what the source holds, in the copy's snapshot
 *   sqlite_ties.c       source rows that share the watermark's value
 *   sqlite_copy.c       the one transaction of a table
 *   sqlite_watermark.c  the watermark that a copy ends with
 *   sqlite_examine.c    rows at or below the watermark: copy what the target lacks
 *   sqlite_refresh.c    a full refresh: empty and fill, or build beside and swap
 *   sqlite_facts.c      figures of a table for plans
 *   sqlite_errors.c     result codes to our errors
 *
 * A session is used by one thread; only `interrupted` and `rows` are touched by others, and `db`
 * under `db_lock` by an interrupt.
 */
#ifndef RKY_ENGINE_ADAPTER_SQLITE_INTERNAL_H
#define RKY_ENGINE_ADAPTER_SQLITE_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/ids.h"
#include "common/mem.h"
#include "engine/adapter.h"

/** How long a reader without a session of its own (describe, facts) waits for a lock. */
#define RKY_SQLITE_READ_WAIT_MS 5000

/* --- adapter (sqlite.c) ------------------------------------------------------------------------
 */

struct rky_sqlite {
    struct rky_adapter base;
    char *name; /**< of the configuration */
    char *path;
    /** One idle connection for facts(), so that a plan over a thousand tables of one file does not
     *  parse its schema a thousand times. */
    pthread_mutex_t reader_lock;
    struct rky_sqlite_reader *reader;
};

RKY_MUST_CHECK int rky_sqlite_check_name(const struct rky_adapter *adapter, const char *catalog,
                                         const char *schema, struct rky_error *err);
/** @brief `<path>/<catalog>/<schema>.db`, names checked. @param ret_file owned. */
RKY_MUST_CHECK int rky_sqlite_file(const struct rky_adapter *adapter, const char *catalog,
                                   const char *schema, char **ret_file, struct rky_error *err);
/** @brief `file:` URI of a path, percent-encoded. @param query "mode=ro" or NULL. @return owned or
 *         NULL. */
char *rky_sqlite_uri(const char *file, const char *query);

/* --- errors (sqlite_errors.c) ------------------------------------------------------------------
 */

/** @brief Record a failed call. @param db for the engine's own words; NULL = none.
 *  @param file what it was about, for the message. @param doing "read table 'x'". */
int rky_sqlite_fail(struct rky_error *err, sqlite3 *db, int code, const char *file,
                    const char *doing);
/** @brief Whether a code says that a read-only connection would have to recover the file. */
bool rky_sqlite_needs_recovery(int code);

/* --- SQL functions (sqlite_functions.c) ---------------------------------------------------------
 */

/** A cursor value while rows stream by. */
struct rky_sqlite_value {
    int type; /**< SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT; SQLITE_NULL = none */
    int64_t integer;
    double real;
    char *text;
    size_t length, capacity;
};
void rky_sqlite_value_done(struct rky_sqlite_value *value);
/** @brief @p db reads the text of a real as its own literals are read. */
RKY_MUST_CHECK int rky_sqlite_value_set(sqlite3 *db, struct rky_sqlite_value *value,
                                        const struct rky_cursor *cursor, struct rky_error *err);
RKY_MUST_CHECK int rky_sqlite_parse_real(sqlite3 *db, const char *text, double *ret_value,
                                         struct rky_error *err);

/** Row ids of rows that tie at one value; beyond RKY_SQLITE_ROWS_MAX they are not kept. */
#define RKY_SQLITE_ROWS_MAX ((size_t)1 << 18)
struct rky_sqlite_rows {
    int64_t *ids;
    size_t count, capacity;
    bool overflowed;
};

/** What rocky_track() and rocky_survey() learn about a cursor column in one pass. */
struct rky_sqlite_tracker {
    /* in */
    struct rky_sqlite_value after, horizon, plain_after;
    /* out */
    int64_t rows, nulls, numbers, texts, blobs;
    int64_t window_rows;              /**< > plain_after and within the horizon */
    struct rky_sqlite_value greatest; /**< within the horizon */
    struct rky_sqlite_rows at_after, at_greatest;
    bool out_of_memory;
};
/** @brief Forget what was learned; the inputs, too. */
void rky_sqlite_tracker_reset(struct rky_sqlite_tracker *tracker);
void rky_sqlite_tracker_done(struct rky_sqlite_tracker *tracker);

/** SHA-256 of rows, with its own buffer. */
struct rky_sqlite_digest {
    struct rky_strbuf row;
};
/** @brief Release; a zeroed one is ready for use. */
void rky_sqlite_digest_done(struct rky_sqlite_digest *digest);
/** @brief Digest of the current row of a statement, type-exact. */
RKY_MUST_CHECK int rky_sqlite_digest_row(struct rky_sqlite_digest *digest, sqlite3_stmt *statement,
                                         uint8_t ret_digest[RKY_SHA256_BYTES],
                                         struct rky_error *err);

/** @brief Register rocky_track, rocky_survey and rocky_row on a connection.
 *  @param digest NULL leaves rocky_row out. */
int rky_sqlite_functions_register(sqlite3 *db, struct rky_sqlite_tracker *tracker,
                                  struct rky_sqlite_digest *digest);

/* --- session (sqlite_session.c) -----------------------------------------------------------------
 */

/** Statements that every table needs, prepared once. */
enum rky_sqlite_prepared {
    RKY_SQLITE_READ_FENCE,
    RKY_SQLITE_READ_COMMIT_ID,
    RKY_SQLITE_WRITE_MARK,
    RKY_SQLITE_WRITE_COMMIT,
    RKY_SQLITE_PREPARED_COUNT,
};

struct rky_sqlite_session {
    struct rky_session base;
    const struct rky_adapter *source; /**< NULL = none */
    struct rky_clock *clock;
    struct rky_log *log;
    int64_t lock_timeout_ms;
    char *file;
    sqlite3 *db;
    pthread_mutex_t db_lock;
    _Atomic bool interrupted;
    _Atomic int64_t rows;
    char *attached_file, *attached_alias; /**< NULL while no source is attached */
    dev_t attached_device;
    ino_t attached_inode;
    sqlite3_stmt *source_probe; /**< any read of the source's schema, kept */
    int64_t busy_since_ms;
    bool attaching;
    bool counting;       /**< rows that are written now are rows of the table */
    bool busy_at_source; /**< the lock waited for is the source's */
    sqlite3_stmt *prepared[RKY_SQLITE_PREPARED_COUNT];
    struct rky_sqlite_tracker tracker;
    struct rky_sqlite_digest digest;
};

int rky_sqlite_session_open(const struct rky_adapter *target, const char *catalog,
                            const char *schema, const struct rky_session_options *options,
                            struct rky_session **ret_session, struct rky_error *err);
void rky_sqlite_session_close(struct rky_session *session);
void rky_sqlite_session_interrupt(struct rky_session *session);
int64_t rky_sqlite_session_progress(const struct rky_session *session);

void rky_sqlite_pause(int64_t ms);
/** @brief Open a file read-only for one caller. SOURCE_MISSING when it is not there. */
RKY_MUST_CHECK int rky_sqlite_open_reader(const char *file, sqlite3 **ret_db,
                                          struct rky_error *err);
/** @brief Record what a call of this session failed with, naming the right file. */
int rky_sqlite_session_fail(struct rky_sqlite_session *session, int code, const char *doing,
                            struct rky_error *err);
RKY_MUST_CHECK int rky_sqlite_prepare(struct rky_sqlite_session *session, const char *sql,
                                      sqlite3_stmt **ret_statement, struct rky_error *err);
/** @brief A statement that is kept; reset, ready to bind. Borrowed. */
RKY_MUST_CHECK int rky_sqlite_prepared(struct rky_sqlite_session *session,
                                       enum rky_sqlite_prepared which, const char *sql,
                                       sqlite3_stmt **ret_statement, struct rky_error *err);
/** @brief One step. @return SQLITE_ROW or SQLITE_DONE, negative on failure. */
RKY_MUST_CHECK int rky_sqlite_step(struct rky_sqlite_session *session, sqlite3_stmt *statement,
                                   const char *doing, struct rky_error *err);
RKY_MUST_CHECK int rky_sqlite_exec(struct rky_sqlite_session *session, const char *sql,
                                   struct rky_error *err);
/** @brief BEGIN IMMEDIATE; waits for locks. Pins the attached source's snapshot as well. */
RKY_MUST_CHECK int rky_sqlite_begin(struct rky_sqlite_session *session, struct rky_error *err);
void rky_sqlite_rollback(struct rky_sqlite_session *session);
/** @brief COMMIT. On failure the transaction is rolled back, or its outcome unknown (IOERR):
 *         the caller asks rky_sqlite_reopen() and looks. */
RKY_MUST_CHECK int rky_sqlite_commit(struct rky_sqlite_session *session, struct rky_error *err);
/** @brief Drop the connection and connect again: whatever became of the last transaction, it is
 *         settled after. */
RKY_MUST_CHECK int rky_sqlite_reopen(struct rky_sqlite_session *session, struct rky_error *err);
/** @brief Execute, trying again while the source looks as if it needed recovery. */
RKY_MUST_CHECK int rky_sqlite_exec_patiently(struct rky_sqlite_session *session, const char *sql,
                                             const char *doing, struct rky_error *err);

/* --- the source (sqlite_attach.c) ---------------------------------------------------------------
 */

/** @brief Attach a source file under an alias; no transaction may be open. */
RKY_MUST_CHECK int rky_sqlite_attach(struct rky_sqlite_session *session, const char *file,
                                     const char *alias, struct rky_error *err);
void rky_sqlite_detach(struct rky_sqlite_session *session);
/** @brief Make the connection see the source's schema as it is in the snapshot of the transaction
 *         that is open: SQLite compares its cached copy only when a statement first runs. */
RKY_MUST_CHECK int rky_sqlite_refresh_source(struct rky_sqlite_session *session,
                                             struct rky_error *err);
/** @brief The connection is gone, and what was attached to it. */
void rky_sqlite_forget_source(struct rky_sqlite_session *session);

/* --- metadata (sqlite_meta.c) --------------------------------------------------------------------
 */

int rky_sqlite_read_fence(struct rky_session *session, const char *namespace_,
                          struct rky_fence *ret_fence, struct rky_error *err);
int rky_sqlite_read_marks(struct rky_session *session, struct rky_mark **ret_marks,
                          size_t *ret_count, struct rky_error *err);
int rky_sqlite_read_commits(struct rky_session *session, const char *namespace_, const char *job_id,
                            const char *plan_id, const char *idempotency_key,
                            struct rky_commit **ret_commits, size_t *ret_count,
                            struct rky_error *err);
/* 1 there, 0 not, <0 error. A file without our tables has no rows of ours; that is no error. */
int rky_sqlite_has_table(struct rky_sqlite_session *session, const char *table,
                         struct rky_error *err);
int rky_sqlite_has_rows(struct rky_session *session, const char *table, struct rky_error *err);
int rky_sqlite_claim(struct rky_session *session, struct rky_claim *claim, struct rky_error *err);
int rky_sqlite_check_access(const struct rky_adapter *adapter, const char *catalog,
                            const char *schema, bool write, struct rky_error *err);
int rky_sqlite_set_lineage(struct rky_session *session, const struct rky_claim *claim,
                           const char *lineage, struct rky_error *err);
int rky_sqlite_claim_check(struct rky_session *session, const struct rky_claim *claim,
                           struct rky_error *err);
int rky_sqlite_write_mark(struct rky_session *session, const struct rky_claim *claim,
                          const char *table_name, const char *expected_commit_id,
                          const struct rky_mark *mark, struct rky_error *err);
int rky_sqlite_sweep_commits(struct rky_session *session, const struct rky_claim *claim,
                             int64_t before_us, struct rky_error *err);

/* Small helpers of the metadata's files. */
/** @brief Bind text that outlives the step; NULL stays NULL. */
void rky_sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text);
/** @brief A result column, copied. @param ret_text owned, NULL where SQL has NULL. */
RKY_MUST_CHECK int rky_sqlite_take_text(sqlite3_stmt *statement, int column, char **ret_text,
                                        struct rky_error *err);
void rky_sqlite_now(const struct rky_sqlite_session *session, char ret_text[RKY_TIME_TEXT_MAX]);

/** @brief FENCED unless the fence row is the claim's. Inside the caller's transaction. */
RKY_MUST_CHECK int rky_sqlite_demand_claim(struct rky_sqlite_session *session,
                                           const struct rky_claim *claim, struct rky_error *err);
/** @brief CONFLICT unless the table's row has that commit id (NULL = no row). */
RKY_MUST_CHECK int rky_sqlite_demand_commit_id(struct rky_sqlite_session *session,
                                               const char *table_name, const char *commit_id,
                                               struct rky_error *err);
/** @brief The commit id of a table's row. @param ret_commit_id owned, NULL = no row. */
RKY_MUST_CHECK int rky_sqlite_commit_id(struct rky_sqlite_session *session, const char *table_name,
                                        char **ret_commit_id, struct rky_error *err);
/** @brief After a COMMIT that failed with @p rc neither way can be assumed: connect again and see
 *         whether the table's row has this commit id (NULL = no row). @return 0 when it has, else
 *         @p rc. */
int rky_sqlite_settle(struct rky_sqlite_session *session, const char *table_name,
                      const char *commit_id, int rc, struct rky_error *err);
RKY_MUST_CHECK int rky_sqlite_put_mark(struct rky_sqlite_session *session,
                                       const struct rky_mark *mark, struct rky_error *err);
RKY_MUST_CHECK int rky_sqlite_put_commit(struct rky_sqlite_session *session,
                                         const struct rky_commit *commit, struct rky_error *err);

/* --- shape of a copy (sqlite_shape.c)
 * -------------------------------------------------------------- */

/** Why rows at or below the watermark are looked at. */
enum rky_sqlite_slice {
    RKY_SQLITE_BOUNDARY, /**< = watermark */
    RKY_SQLITE_LOOKBACK, /**< from watermark - lookback to the watermark */
    RKY_SQLITE_REWIND,   /**< above the watermark, up to the greatest value ever copied */
    RKY_SQLITE_NULLS,
    RKY_SQLITE_SLICE_COUNT,
};

/** Everything about a copy that follows from its spec alone. */
struct rky_sqlite_shape {
    const struct rky_copy_spec *spec;
    char *alias;          /**< under which the source file is attached, as it is */
    char *source;         /**< alias.table, quoted */
    char *target;         /**< main.table, quoted */
    char *build;          /**< main._rocky_build_..., quoted; NULL unless a refresh builds beside */
    char *cursor;         /**< source column, quoted; NULL = no cursor */
    char *cursor_binary;  /**< the same, with COLLATE BINARY where the column's own differs */
    char *target_binary;  /**< the same of the target's column */
    char *columns;        /**< source columns, quoted, comma-separated */
    char *insert_columns; /**< the same and the metadata columns */
    char *metadata;       /**< ", CAST(NULL AS TEXT) AS _loaded_by" or "" */
    const char *row_id;   /**< borrowed; NULL = none */
    bool whole;           /**< full refresh: no lower bound, old rows go */
    bool unbounded;       /**< no lower bound: whole, or nothing was copied so far */
    bool indexed;         /**< an index leads with the cursor */
    bool tracked;         /**< the copying statement itself tracks the cursor: no survey before */
    bool passes;          /**< and passes by rows below one that is known: see add_copy() */
    bool has_horizon;
    bool unresolved;               /**< adopt, before the target was asked for its greatest value */
    struct rky_cursor after, high; /**< watermark, greatest value ever copied */
    struct rky_cursor lookback;    /**< lower end; NONE = no lookback */
    json_t *added;                 /**< column -> watermark text or null; NULL = none */
};

/** @brief Derive. @param adopted the target's greatest cursor value for RKY_ACTION_ADOPT; NULL =
 *         not known yet. */
RKY_MUST_CHECK int rky_sqlite_shape_init(const struct rky_copy_spec *spec,
                                         const struct rky_cursor *adopted,
                                         struct rky_sqlite_shape *shape, struct rky_error *err);
void rky_sqlite_shape_done(struct rky_sqlite_shape *shape);
/** @brief The greater of watermark and high value: above it rows are simply copied. */
const struct rky_cursor *rky_sqlite_plain_after(const struct rky_sqlite_shape *shape);
/** @brief CONFIG: a setting in seconds needs a cursor that holds times. */
int rky_sqlite_no_time(const struct rky_copy_spec *spec, const char *setting,
                       const struct rky_cursor *value, struct rky_error *err);
/** @brief Column affinity of a declared type: 'A' blob, 'B' text, 'C' numeric, 'D' integer, 'E'
 *         real. */
char rky_sqlite_affinity(const char *type);
/** @brief A metadata column's type in this dialect. Borrowed. */
const char *rky_sqlite_dialect_type(const char *type);
bool rky_sqlite_type_fits(const char *source_type, const char *target_type);

/* --- statements (sqlite_sql.c)
 * ---------------------------------------------------------------------- */

enum rky_sqlite_step_kind {
    RKY_SQLITE_STEP_ALTER,
    RKY_SQLITE_STEP_CREATE,
    RKY_SQLITE_STEP_SURVEY,
    RKY_SQLITE_STEP_STAGE,   /**< temporary table with the target's column types */
    RKY_SQLITE_STEP_FILL,    /**< the slice into it */
    RKY_SQLITE_STEP_SURPLUS, /**< what the target lacks of it */
    RKY_SQLITE_STEP_UNSTAGE,
    RKY_SQLITE_STEP_CLEAR,
    RKY_SQLITE_STEP_COPY,
    RKY_SQLITE_STEP_DROP,
    RKY_SQLITE_STEP_RENAME,
};

struct rky_sqlite_step {
    enum rky_sqlite_step_kind kind;
    enum rky_sqlite_slice slice; /**< of the four staging steps */
    const char *column;          /**< of ALTER; borrowed */
};

/** @brief The steps of a copy, in the order they are executed. @param ret_steps owned array. */
RKY_MUST_CHECK int rky_sqlite_steps(const struct rky_sqlite_shape *shape,
                                    struct rky_sqlite_step **ret_steps, size_t *ret_count,
                                    struct rky_error *err);
/** @brief A step's statement. @param ret_sql owned. */
RKY_MUST_CHECK int rky_sqlite_step_sql(const struct rky_sqlite_shape *shape,
                                       const struct rky_sqlite_step *step, char **ret_sql,
                                       struct rky_error *err);
int rky_sqlite_statements(const struct rky_copy_spec *spec, struct rky_statement **ret_statements,
                          size_t *ret_count, struct rky_error *err);

void rky_sqlite_add_name(struct rky_strbuf *sql, const char *name);
void rky_sqlite_add_literal(struct rky_strbuf *sql, const struct rky_cursor *value);
void rky_sqlite_add_text(struct rky_strbuf *sql, const char *text);

/* --- survey (sqlite_survey.c)
 * ------------------------------------------------------------------------- */

/** Source rows that share one cursor value. */
struct rky_sqlite_ties {
    int64_t count; /**< -1 = unknown */
    char hash[33]; /**< order-independent sum of the rows' digests */
};

struct rky_sqlite_survey {
    int64_t rows;               /**< -1 = not counted */
    int64_t nulls;              /**< -1 = not counted */
    int64_t window_rows;        /**< -1 = not counted */
    struct rky_cursor greatest; /**< within the horizon */
};
void rky_sqlite_survey_done(struct rky_sqlite_survey *survey);

/** @brief Run the survey step. @param horizon NULL = none. */
RKY_MUST_CHECK int rky_sqlite_survey(struct rky_sqlite_session *session,
                                     const struct rky_sqlite_shape *shape, const char *sql,
                                     const struct rky_cursor *horizon,
                                     struct rky_sqlite_survey *survey, struct rky_error *err);
/** @brief Ready the tracker for a copying statement that tracks. */
RKY_MUST_CHECK int rky_sqlite_track(struct rky_sqlite_session *session,
                                    const struct rky_sqlite_shape *shape,
                                    const struct rky_cursor *horizon, struct rky_error *err);
/** @brief What the tracker learned, checked like a survey. */
RKY_MUST_CHECK int rky_sqlite_tracked(struct rky_sqlite_session *session,
                                      const struct rky_sqlite_shape *shape,
                                      struct rky_sqlite_survey *survey, struct rky_error *err);
/** @brief Some value of the source's cursor, to learn how it writes times; NONE when it has none.
 */
RKY_MUST_CHECK int rky_sqlite_sample(struct rky_sqlite_session *session,
                                     const struct rky_sqlite_shape *shape,
                                     struct rky_cursor *ret_sample, struct rky_error *err);
/** @brief A result column as a cursor. QUERY when it cannot be one. @p table, @p column for the
 *         message. */
RKY_MUST_CHECK int rky_sqlite_column_cursor(sqlite3_stmt *statement, int index, const char *table,
                                            const char *column, struct rky_cursor *ret_cursor,
                                            struct rky_error *err);
/** @brief Bind a cursor value with its type. */
RKY_MUST_CHECK int rky_sqlite_bind_cursor(sqlite3_stmt *statement, int at, sqlite3 *db,
                                          const struct rky_cursor *value, struct rky_error *err);
/** @brief A value that a tracker kept, as a cursor. */
RKY_MUST_CHECK int rky_sqlite_value_cursor(sqlite3 *db, const struct rky_sqlite_value *value,
                                           const char *table, const char *column,
                                           struct rky_cursor *ret_cursor, struct rky_error *err);
/** @brief Bind `:horizon` where the statement has it. */
RKY_MUST_CHECK int rky_sqlite_bind_horizon(sqlite3_stmt *statement,
                                           const struct rky_cursor *horizon, struct rky_error *err);
/** @brief Bind `:latest` where the statement has it: the cursor of the row that came last, or NULL
 *         where nothing can be said to lie below that. Reads the source. */
RKY_MUST_CHECK int rky_sqlite_bind_latest(struct rky_sqlite_session *session,
                                          const struct rky_sqlite_shape *shape,
                                          sqlite3_stmt *statement, struct rky_error *err);
/** @brief Text that @p db reads back bit for bit. */
RKY_MUST_CHECK int rky_sqlite_real_text(sqlite3 *db, double value, char ret_text[40],
                                        struct rky_error *err);

/* --- the copy
 * ------------------------------------------------------------------------------------------ */

/** State of the one transaction (sqlite_copy.c). */
struct rky_sqlite_copy {
    struct rky_sqlite_session *session;
    const struct rky_sqlite_shape *shape;
    struct rky_copy_outcome *outcome;
    sqlite3_stmt *source_rows; /**< see rky_sqlite_prepare_rows() */
    struct rky_sqlite_survey survey;
    struct rky_cursor horizon;       /**< NONE = no upper end */
    struct rky_sqlite_ties at_after; /**< of the watermark; count -1 = not looked at */
    struct rky_strings dependents;   /**< CREATE statements of what hangs on a dropped table */
    int64_t staged;                  /**< rows of the slice at hand */
    int64_t plain_rows, late_rows;
    bool wrote; /**< a statement changed the target */
};

/** @brief Prepare `SELECT *` of source rows, by row id or cursor value (sqlite_survey.c). */
RKY_MUST_CHECK int rky_sqlite_prepare_rows(struct rky_sqlite_session *session,
                                           const struct rky_sqlite_shape *shape,
                                           sqlite3_stmt **ret_statement, struct rky_error *err);
/** @brief Count and hash the source rows at a value. @param rows their ids, which the tracker kept;
 *         not used with an index on the cursor. */
RKY_MUST_CHECK int rky_sqlite_ties(struct rky_sqlite_copy *copy, const struct rky_cursor *value,
                                   const struct rky_sqlite_rows *rows,
                                   struct rky_sqlite_ties *ret_ties, struct rky_error *err);
/** The watermark row that a copy ends with (sqlite_watermark.c). */
struct rky_sqlite_watermark {
    struct rky_cursor value, high;
    struct rky_sqlite_ties ties;
};
/** @brief Find it; nothing is written. @param ret_next zeroed; its cursors are the caller's, also
 *         after a failure. */
RKY_MUST_CHECK int rky_sqlite_watermark_find(struct rky_sqlite_copy *copy,
                                             struct rky_sqlite_watermark *ret_next,
                                             struct rky_error *err);
/** @brief Whether anything at all has to be written. */
bool rky_sqlite_watermark_changes(const struct rky_sqlite_copy *copy,
                                  const struct rky_sqlite_watermark *next);
/** @brief Write the watermark row and the commit row. */
RKY_MUST_CHECK int rky_sqlite_watermark_write(struct rky_sqlite_copy *copy,
                                              const struct rky_copy_ids *ids,
                                              const struct rky_sqlite_watermark *next,
                                              struct rky_error *err);

int rky_sqlite_copy(struct rky_session *session, const struct rky_claim *claim,
                    const struct rky_copy_spec *spec, const struct rky_copy_ids *ids,
                    struct rky_copy_outcome *ret_outcome, struct rky_error *err);
/** @brief Execute a statement of the copy, its parameters bound. @param ret_changes NULL = not
 *         wanted. */
RKY_MUST_CHECK int rky_sqlite_run(struct rky_sqlite_copy *copy, const char *sql, const char *doing,
                                  int64_t *ret_changes, struct rky_error *err);
/** @brief Whether the source rows at the watermark matter to this copy (sqlite_examine.c). */
bool rky_sqlite_ties_wanted(const struct rky_sqlite_copy *copy);
/** @brief Whether a slice has to be examined in this copy (sqlite_examine.c). */
bool rky_sqlite_slice_due(const struct rky_sqlite_copy *copy, enum rky_sqlite_slice slice);
/** @brief One staging step. */
RKY_MUST_CHECK int rky_sqlite_examine(struct rky_sqlite_copy *copy,
                                      const struct rky_sqlite_step *step, const char *sql,
                                      struct rky_error *err);
/** @brief Refuse what a refresh would do wrong: triggers that the user put on the table
 *         (sqlite_refresh.c). */
RKY_MUST_CHECK int rky_sqlite_refresh_check(struct rky_sqlite_copy *copy, struct rky_error *err);
/** @brief Drop the old table, remembering its indexes and triggers. */
RKY_MUST_CHECK int rky_sqlite_swap_drop(struct rky_sqlite_copy *copy, const char *sql,
                                        struct rky_error *err);
/** @brief Bring the new table to the old one's name, and indexes and triggers to it. */
RKY_MUST_CHECK int rky_sqlite_swap_rename(struct rky_sqlite_copy *copy, const char *sql,
                                          struct rky_error *err);

/* --- reading
 * -------------------------------------------------------------------------------------------- */

int rky_sqlite_describe(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                        struct rky_schema_info *ret_info, struct rky_error *err);
/** @brief Describe `main` of a connection. @param file for messages. */
RKY_MUST_CHECK int rky_sqlite_describe_db(sqlite3 *db, const char *file,
                                          struct rky_schema_info *ret_info, struct rky_error *err);
int rky_sqlite_facts(const struct rky_adapter *adapter, const struct rky_table_ref *table,
                     const struct rky_table_info *info, const char *cursor_column,
                     const struct rky_cursor *after, int64_t now_us,
                     struct rky_table_facts *ret_facts, struct rky_error *err);
/** @brief Close an idle reader. */
void rky_sqlite_reader_free(struct rky_sqlite_reader *reader);

#endif
