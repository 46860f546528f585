/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the ledger share: the object, the cached statements, and the query helper that
 * keeps binding, stepping, errors and allocation failures in one place.
 *
 * A query is started, bound in the order of its parameters, stepped, and always finished; errors
 * are sticky, so that only rky_query_finish() has to be checked. Bound text is borrowed until then.
 */
#ifndef RKY_STATE_LEDGER_INTERNAL_H
#define RKY_STATE_LEDGER_INTERNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/fsutil.h"
#include "state/ledger.h"

/** Every statement of the ledger; the text of each stands in statements.c. */
enum rky_sql {
    RKY_SQL_BEGIN_READ,
    RKY_SQL_BEGIN_WRITE,
    RKY_SQL_COMMIT,
    RKY_SQL_META_GET,
    RKY_SQL_META_VERSION,
    RKY_SQL_META_CREATE,
    RKY_SQL_META_LINEAGE,
    RKY_SQL_META_FENCE,
    RKY_SQL_META_BUMP,
    RKY_SQL_WATERMARK_GET,
    RKY_SQL_WATERMARK_PUT,
    RKY_SQL_WATERMARK_DELETE,
    RKY_SQL_WATERMARKS,
    RKY_SQL_TOMBSTONE_GET,
    RKY_SQL_TOMBSTONE_PUT,
    RKY_SQL_TOMBSTONE_SWEEP,
    RKY_SQL_TOMBSTONES,
    RKY_SQL_COUNTED_GET,
    RKY_SQL_COUNTED_ADD,
    RKY_SQL_COUNTED_ALL,
    RKY_SQL_COUNT_ADD,
    RKY_SQL_COUNTS,
    RKY_SQL_COUNT_FIRST,
    RKY_SQL_COUNT_SWEEP,
    RKY_SQL_COUNT_NORMAL,
    RKY_SQL_COUNT_BASELINE,
    RKY_SQL_FINDINGS,
    RKY_SQL_RUN_PUT,
    RKY_SQL_RUNS,
    RKY_SQL_RUN_LAST,
    RKY_SQL_JOB_GET,
    RKY_SQL_JOB_BY_KEY,
    RKY_SQL_JOB_PUT,
    RKY_SQL_JOB_REWRITE,
    RKY_SQL_PLAN_PUT,
    RKY_SQL_PLAN_GET,
    RKY_SQL_PLAN_APPLIED,
    RKY_SQL_AUDIT_ADD,
    RKY_SQL_AUDIT_LIST,
    RKY_SQL_JOBS_ENDS,
    RKY_SQL_JOBS_SWEEP,
    RKY_SQL_JOBS_SWEEP_OLD,
    RKY_SQL_RUNS_ENDS,
    RKY_SQL_RUNS_SWEEP,
    RKY_SQL_AUDIT_ENDS,
    RKY_SQL_AUDIT_SWEEP,
    RKY_SQL_PLANS_SWEEP,
    RKY_SQL_UNITE_META,
    RKY_SQL_ALL_RUNS,
    RKY_SQL_UNITE_RUN,
    RKY_SQL_ORDER_RUNS,
    RKY_SQL_TURN_RUNS,
    RKY_SQL_ALL_JOBS,
    RKY_SQL_ALL_PLANS,
    RKY_SQL_UNITE_PLAN,
    RKY_SQL_PLAN_DELETE,
    RKY_SQL_ALL_AUDIT,
    RKY_SQL_UNITE_AUDIT,
    RKY_SQL_ORDER_AUDIT,
    RKY_SQL_TURN_AUDIT,
    RKY_SQL_ALL_COUNTS,
    RKY_SQL_COUNTS_CLEAR,
    RKY_SQL_COUNT_PUT,
    RKY_SQL_HISTORY_CLEAR,
    RKY_SQL_COUNTED_CLEAR,
    RKY_SQL_WATERMARKS_CLEAR,
    RKY_SQL_COUNT,
};

/** @brief SQL text of a statement. Never NULL. */
const char *rky_sql_text(enum rky_sql which);

/** A table that got a row count in the open transaction: what retention has to look at. */
struct rky_counted {
    int64_t table_id, newest_seq;
};

struct rky_ledger {
    char *path; /**< as given, for messages */
    char *file; /**< what SQLite opens: never a URI, never ":memory:" */
    char *namespace_;
    enum rky_ledger_mode mode;
    bool private_copy;
    bool fetched; /**< the content of a snapshot: where it lies just now says nothing to anybody */
    struct rky_clock *clock;
    struct rky_log *log;
    sqlite3 *db;
    sqlite3_stmt *statements[RKY_SQL_COUNT]; /**< prepared at first use */
    struct rky_file_lock lock;               /**< opened at first use, fd -1 before */
    struct rky_counted *counted;
    size_t counted_count, counted_capacity;
    /** sqlite3_total_changes64() when the open transaction began: a transaction that changes
     *  anything has to bump, because the write id names the content. */
    int64_t changes_before;
    bool named; /**< it did */
    /** The meta row and the schema version, while nobody else can change them: under the lock, and
     *  outside a transaction. */
    bool remembers;
    struct rky_ledger_meta meta;
    int64_t schema_version;
};

/* --- sqlite_file.c ------------------------------------------------------------------------------
 */

enum { RKY_SQLITE_HEADER_BYTES = 100 };
/** @brief What is wrong with the first 100 bytes of an SQLite file of @p length bytes that stands
 *         alone: magic, page size, size, rollback mode, UTF-8. @return static text, NULL = good. */
const char *rky_sqlite_header_fault(const unsigned char *header, int64_t length);
/** @brief user_version and application_id of such a header. */
int64_t rky_sqlite_header_user_version(const unsigned char *header);
int64_t rky_sqlite_header_application_id(const unsigned char *header);
/** @brief Make sure that nothing stored in the file runs. @return SQLite's code. */
int rky_sqlite_harden(sqlite3 *db);
/** @brief The name under which SQLite opens exactly @p path. @return owned or NULL. */
char *rky_sqlite_file_name(const char *path);

/* --- connect.c, schema.c ---------------------------------------------------------------------- */

/** @brief Open the connection, verify the file, create or migrate it. Takes the lock for a moment
 *         where it has to write and the caller does not hold it. On failure the connection is
 *         closed again. */
RKY_MUST_CHECK int rky_ledger_connect(struct rky_ledger *ledger, struct rky_error *err);
/** @brief Finalize the statements and close the connection; an open transaction is rolled back. */
void rky_ledger_disconnect(struct rky_ledger *ledger);
/** @brief Open the sidecar unless it is open. */
RKY_MUST_CHECK int rky_ledger_lock_open(struct rky_ledger *ledger, struct rky_error *err);

/** What the header of the file says. */
struct rky_ledger_header {
    int64_t application_id, user_version;
    int64_t objects; /**< tables and the like, counted only without an application id */
};
RKY_MUST_CHECK int rky_ledger_header_read(struct rky_ledger *ledger,
                                          struct rky_ledger_header *ret_header,
                                          struct rky_error *err);
/** @brief Nothing was ever written: no tables, no marks of anybody. */
bool rky_ledger_header_fresh(const struct rky_ledger_header *header);
/** @brief quick_check of every page. A page that cannot be read is RKY_ERR_IO, not damage. */
RKY_MUST_CHECK int rky_ledger_check_pages(struct rky_ledger *ledger, struct rky_error *err);
/** @brief Record that the file is of a newer schema / of another namespace.
 *  @return RKY_ERR_STATE_FILE. */
int rky_ledger_fail_newer(struct rky_ledger *ledger, int64_t version, struct rky_error *err);
int rky_ledger_fail_namespace(struct rky_ledger *ledger, const char *found, struct rky_error *err);
/** @brief SQL of the migration from schema version @p from to the next. */
const char *rky_ledger_migration(int64_t from);
/** @brief Bring a fresh or older file to RKY_LEDGER_SCHEMA_VERSION in one transaction. The caller
 *         holds the lock. */
RKY_MUST_CHECK int rky_ledger_migrate(struct rky_ledger *ledger,
                                      const struct rky_ledger_header *header,
                                      struct rky_error *err);

/* --- history.c, merge_counts.c -----------------------------------------------------------------
 */

/** @brief The id of a table that has row counts. @param add make one when there is none.
 *  @retval RKY_ERR_NOT_FOUND (err untouched) when there is none and @p add is false. */
RKY_MUST_CHECK int rky_ledger_counted_table(struct rky_ledger *ledger, const char *table, bool add,
                                            int64_t *ret_id, struct rky_error *err);
/** @brief Retention has to look at the table before the transaction ends. */
RKY_MUST_CHECK int rky_ledger_counted(struct rky_ledger *ledger, int64_t table_id,
                                      int64_t newest_seq, struct rky_error *err);
/** @brief Unite the row counts of all tables that @p other has. */
RKY_MUST_CHECK int rky_ledger_merge_counts(struct rky_ledger *ledger, struct rky_ledger *other,
                                           struct rky_error *err);

/* --- query.c ---------------------------------------------------------------------------------- */

struct rky_query {
    struct rky_ledger *ledger;
    sqlite3_stmt *stmt; /**< NULL when it could not be prepared */
    int bound;          /**< parameters bound so far */
    int rc;             /**< SQLite's code of the first failure, SQLITE_OK while there is none */
    bool misused;       /**< a write where none is allowed: a bug of the caller */
};

/** @brief Never fails visibly; see rky_query_finish(). A statement that writes needs a write
 *         transaction. */
struct rky_query rky_query_start(struct rky_ledger *ledger, enum rky_sql which);
/** @brief Bind the next parameter; NULL binds SQL NULL. Borrowed until the query is finished. */
void rky_query_text(struct rky_query *query, const char *text);
void rky_query_int(struct rky_query *query, int64_t value);
/** @brief Bind the columns of the row that @p from stands on to the next parameters. Copied. */
void rky_query_row_of(struct rky_query *query, const struct rky_query *from);
/** @brief Step. @return Whether there is a row to read. */
bool rky_query_row(struct rky_query *query);
/** @brief Text of a column. @return owned, NULL for SQL NULL or when memory is out (sticky). */
char *rky_query_get_text(struct rky_query *query, int column);
/** @brief Text of a column into a buffer; what does not fit is damage of the file. */
void rky_query_copy_text(struct rky_query *query, int column, char *ret_text, size_t size);
/** @brief Columns of the result: fewer than the statement's when the file is of an older schema. */
int rky_query_columns(const struct rky_query *query);
int64_t rky_query_get_int(const struct rky_query *query, int column);
/** @brief End the query. @param doing for the message: "read the watermarks". @return 0 or the
 *         first failure. */
RKY_MUST_CHECK int rky_query_finish(struct rky_query *query, const char *doing,
                                    struct rky_error *err);
/** @brief Step a statement that returns nothing and finish. */
RKY_MUST_CHECK int rky_query_run(struct rky_query *query, const char *doing, struct rky_error *err);
/** @brief Open @c file with @p flags of SQLite and those of every ledger. @return SQLite's code;
 *         @c db is NULL only without memory. */
int rky_ledger_open_file(struct rky_ledger *ledger, int flags);
/** @brief Run SQL text that is used once per connection. */
RKY_MUST_CHECK int rky_ledger_exec(struct rky_ledger *ledger, const char *sql, const char *doing,
                                   struct rky_error *err);
/** @brief Run a cached BEGIN or COMMIT. @return SQLite's code. */
int rky_ledger_control(struct rky_ledger *ledger, enum rky_sql which);
/** @brief Translate SQLite's code of a failed call. @return the project's code. */
int rky_ledger_fail(struct rky_ledger *ledger, int sqlite_code, const char *doing,
                    struct rky_error *err);
/** @brief Record that the file's content is not what a ledger holds. @return RKY_ERR_STATE_FILE. */
int rky_ledger_fail_damaged(struct rky_ledger *ledger, const char *what, struct rky_error *err);

#endif
