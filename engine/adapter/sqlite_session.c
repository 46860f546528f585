/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a target file: opening, waiting for locks, statements, transactions.
 *
 * Exactly one file is written in any transaction, because a commit over two files is not atomic in
 * every journal mode. Files that we create keep SQLite's defaults (journal DELETE, synchronous
 * FULL) but for larger pages; a user's file keeps its own.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/fsutil.h"

/* Virtual machine steps between two looks at the interrupt flag: well under a millisecond. */
enum { PROGRESS_STEPS = 20000 };

void rky_sqlite_pause(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* --- callbacks -------------------------------------------------------------------------------- */

/* Waiting for a lock is about another process, so it goes by the machine's clock. */
static int on_busy(void *context, int tries)
{
    struct rky_sqlite_session *session = context;
    int64_t now_ms = rky_clock_real()->mono_ms(rky_clock_real());
    if (tries == 0)
        session->busy_since_ms = now_ms;
    /* A transaction locks the target first: holding it, we wait for the source. */
    session->busy_at_source =
        session->attaching ||
        (session->attached_file != NULL && sqlite3_get_autocommit(session->db) != 0 &&
         sqlite3_txn_state(session->db, "main") == SQLITE_TXN_WRITE);
    int64_t left_ms = session->busy_since_ms + session->lock_timeout_ms - now_ms;
    if (left_ms <= 0 || atomic_load(&session->interrupted))
        return 0;
    int64_t pause_ms = 1 + tries * 2;
    pause_ms += (int64_t)(rky_random_unit() * (double)pause_ms);
    if (pause_ms > 50)
        pause_ms = 50;
    rky_sqlite_pause(pause_ms < left_ms ? pause_ms : left_ms);
    return 1;
}

static int on_progress(void *context)
{
    struct rky_sqlite_session *session = context;
    return atomic_load_explicit(&session->interrupted, memory_order_relaxed) ? 1 : 0;
}

/* Once per row written: counts rows of the target for whoever shows progress. */
static void on_row(void *context, int operation, const char *database, const char *table,
                   sqlite3_int64 row_id)
{
    struct rky_sqlite_session *session = context;
    (void)table;
    (void)row_id;
    if (session->counting && operation == SQLITE_INSERT && database[0] == 'm')
        atomic_store_explicit(&session->rows,
                              atomic_load_explicit(&session->rows, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

/* --- opening ---------------------------------------------------------------------------------- */

int rky_sqlite_open_reader(const char *file, sqlite3 **ret_db, struct rky_error *err)
{
    struct stat st;
    if (stat(file, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return rky_fail(err, RKY_ERR_SOURCE_MISSING, "there is no database '%s'", file);
    char *uri = rky_sqlite_uri(file, "mode=ro");
    if (uri == NULL)
        return rky_fail_nomem(err);
    sqlite3 *db = NULL;
    errno = 0; /* SQLite takes it for the reason, also where it refuses a name by itself */
    int code = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    rky_free(uri);
    if (code != SQLITE_OK) {
        int rc = rky_sqlite_fail(err, db, db != NULL ? sqlite3_extended_errcode(db) : code, file,
                                 "open");
        (void)sqlite3_close(db);
        return rc;
    }
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, RKY_SQLITE_READ_WAIT_MS);
    *ret_db = db;
    return RKY_OK;
}

/* Of a file that has no page yet; any other keeps its size. Rows are appended in bulk and read by
 * scans: four times fewer writes and splits than with pages of 4 KiB. */
#define NEW_PAGE_BYTES "16384"

/* Settings of our connection only; nothing here changes a file that has contents. */
static int configure(struct rky_sqlite_session *session, sqlite3 *db)
{
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_handler(db, on_busy, session);
    sqlite3_progress_handler(db, PROGRESS_STEPS, on_progress, session);
    (void)sqlite3_update_hook(db, on_row, session);
    /* "x" is a name, never a text: a column that went away must be an error. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    /* Views that name a table being swapped must neither be rewritten nor stop the swap. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_exec(db, "PRAGMA page_size = " NEW_PAGE_BYTES, NULL, NULL, NULL);
    return rky_sqlite_functions_register(db, &session->tracker, &session->digest);
}

static int connect_file(struct rky_sqlite_session *session, bool create, struct rky_error *err)
{
    char *uri = rky_sqlite_uri(session->file, NULL);
    if (uri == NULL)
        return rky_fail_nomem(err);
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | (create ? SQLITE_OPEN_CREATE : 0);
    errno = 0;
    int code = sqlite3_open_v2(uri, &db, flags, NULL);
    if (code == SQLITE_OK)
        code = configure(session, db);
    rky_free(uri);
    if (code != SQLITE_OK) {
        int rc = rky_sqlite_fail(err, db, db != NULL ? sqlite3_extended_errcode(db) : code,
                                 session->file, "open");
        (void)sqlite3_close(db);
        return rc;
    }
    (void)pthread_mutex_lock(&session->db_lock);
    session->db = db;
    (void)pthread_mutex_unlock(&session->db_lock);
    return RKY_OK;
}

static void disconnect(struct rky_sqlite_session *session)
{
    for (size_t i = 0; i < RKY_SQLITE_PREPARED_COUNT; i++) {
        (void)sqlite3_finalize(session->prepared[i]);
        session->prepared[i] = NULL;
    }
    rky_sqlite_forget_source(session);
    (void)pthread_mutex_lock(&session->db_lock);
    sqlite3 *db = session->db;
    session->db = NULL;
    (void)pthread_mutex_unlock(&session->db_lock);
    (void)sqlite3_close(db);
}

static int make_directory(const char *file, struct rky_error *err)
{
    char *directory = rky_path_dirname(file);
    if (directory == NULL)
        return rky_fail_nomem(err);
    int rc = rky_mkdir_p(directory, err);
    rky_free(directory);
    return rc;
}

static int find_file(struct rky_sqlite_session *session, bool create, struct rky_error *err)
{
    struct stat st;
    if (stat(session->file, &st) == 0)
        return RKY_OK;
    if (errno != ENOENT && errno != ENOTDIR)
        return rky_fail_errno(err, errno, "cannot look at '%s'", session->file);
    if (!create)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "there is no database '%s'", session->file);
    return make_directory(session->file, err);
}

int rky_sqlite_session_open(const struct rky_adapter *target, const char *catalog,
                            const char *schema, const struct rky_session_options *options,
                            struct rky_session **ret_session, struct rky_error *err)
{
    struct rky_sqlite_session *session = rky_calloc(1, sizeof(*session));
    if (session == NULL)
        return rky_fail_nomem(err);
    session->base.ops = target->ops;
    session->source = options->source;
    session->clock = options->clock;
    session->log = options->log;
    session->lock_timeout_ms = options->lock_timeout_ms;
    (void)pthread_mutex_init(&session->db_lock, NULL);
    int rc = rky_sqlite_file(target, catalog, schema, &session->file, err);
    if (rc == RKY_OK)
        rc = find_file(session, options->create, err);
    if (rc == RKY_OK)
        rc = connect_file(session, options->create, err);
    if (rc != RKY_OK) {
        rky_sqlite_session_close(&session->base);
        return rc;
    }
    *ret_session = &session->base;
    return RKY_OK;
}

void rky_sqlite_session_close(struct rky_session *base)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    if (session == NULL)
        return;
    disconnect(session);
    rky_sqlite_tracker_done(&session->tracker);
    rky_sqlite_digest_done(&session->digest);
    (void)pthread_mutex_destroy(&session->db_lock);
    rky_free(session->file);
    rky_free(session);
}

void rky_sqlite_session_interrupt(struct rky_session *base)
{
    struct rky_sqlite_session *session = (struct rky_sqlite_session *)base;
    atomic_store(&session->interrupted, true);
    (void)pthread_mutex_lock(&session->db_lock);
    if (session->db != NULL)
        sqlite3_interrupt(session->db);
    (void)pthread_mutex_unlock(&session->db_lock);
}

int64_t rky_sqlite_session_progress(const struct rky_session *base)
{
    const struct rky_sqlite_session *session = (const struct rky_sqlite_session *)base;
    return atomic_load_explicit(&session->rows, memory_order_relaxed);
}

int rky_sqlite_reopen(struct rky_sqlite_session *session, struct rky_error *err)
{
    disconnect(session);
    return connect_file(session, false, err);
}

/* --- statements ------------------------------------------------------------------------------- */

int rky_sqlite_session_fail(struct rky_sqlite_session *session, int code, const char *doing,
                            struct rky_error *err)
{
    if (atomic_load(&session->interrupted))
        return rky_fail(err, RKY_ERR_INTERRUPTED, "cannot %s: interrupted", doing);
    bool source = session->attached_file != NULL &&
                  (rky_sqlite_needs_recovery(code) ||
                   ((code & 0xff) == SQLITE_BUSY && session->busy_at_source));
    return rky_sqlite_fail(err, session->db, code, source ? session->attached_file : session->file,
                           doing);
}

/* Every operation begins here, so a session that was interrupted does nothing any more. */
static int check_open(struct rky_sqlite_session *session, const char *doing, struct rky_error *err)
{
    if (atomic_load(&session->interrupted))
        return rky_fail(err, RKY_ERR_INTERRUPTED, "cannot %s: interrupted", doing);
    if (session->db == NULL)
        return rky_fail(err, RKY_ERR_IO, "cannot %s: '%s' could not be opened again", doing,
                        session->file);
    return RKY_OK;
}

int rky_sqlite_prepare(struct rky_sqlite_session *session, const char *sql,
                       sqlite3_stmt **ret_statement, struct rky_error *err)
{
    int rc = check_open(session, "prepare a statement", err);
    if (rc != RKY_OK)
        return rc;
    if (sqlite3_prepare_v2(session->db, sql, -1, ret_statement, NULL) != SQLITE_OK)
        return rky_sqlite_session_fail(session, sqlite3_extended_errcode(session->db),
                                       "prepare a statement", err);
    return RKY_OK;
}

int rky_sqlite_prepared(struct rky_sqlite_session *session, enum rky_sqlite_prepared which,
                        const char *sql, sqlite3_stmt **ret_statement, struct rky_error *err)
{
    if (session->prepared[which] == NULL) {
        int rc = rky_sqlite_prepare(session, sql, &session->prepared[which], err);
        if (rc != RKY_OK)
            return rc;
    }
    (void)sqlite3_reset(session->prepared[which]);
    (void)sqlite3_clear_bindings(session->prepared[which]);
    *ret_statement = session->prepared[which];
    return RKY_OK;
}

int rky_sqlite_step(struct rky_sqlite_session *session, sqlite3_stmt *statement, const char *doing,
                    struct rky_error *err)
{
    int rc = check_open(session, doing, err);
    if (rc != RKY_OK)
        return rc;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return code;
    return rky_sqlite_session_fail(session, sqlite3_extended_errcode(session->db), doing, err);
}

int rky_sqlite_exec(struct rky_sqlite_session *session, const char *sql, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = rky_sqlite_prepare(session, sql, &statement, err);
    if (rc != RKY_OK)
        return rc;
    do
        rc = rky_sqlite_step(session, statement, "run a statement", err);
    while (rc == SQLITE_ROW);
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? RKY_OK : rc;
}

/* --- transactions ----------------------------------------------------------------------------- */

/* A source whose writer is at work can look as if it needed recovery for a moment, and no busy
 * handler is called for that. */
int rky_sqlite_exec_patiently(struct rky_sqlite_session *session, const char *sql,
                              const char *doing, struct rky_error *err)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), session->lock_timeout_ms);
    int code = SQLITE_OK;
    for (;;) {
        int rc = check_open(session, doing, err);
        if (rc != RKY_OK)
            return rc;
        code = sqlite3_exec(session->db, sql, NULL, NULL, NULL);
        if (code == SQLITE_OK)
            return RKY_OK;
        code = sqlite3_extended_errcode(session->db);
        if (!rky_sqlite_needs_recovery(code) || rky_deadline_left_ms(&deadline) == 0)
            break;
        rky_sqlite_pause(20);
    }
    return rky_sqlite_session_fail(session, code, doing, err);
}

int rky_sqlite_begin(struct rky_sqlite_session *session, struct rky_error *err)
{
    return rky_sqlite_exec_patiently(session, "BEGIN IMMEDIATE", "begin a transaction", err);
}

void rky_sqlite_rollback(struct rky_sqlite_session *session)
{
    if (session->db == NULL || sqlite3_get_autocommit(session->db) != 0)
        return;
    for (size_t i = 0; i < RKY_SQLITE_PREPARED_COUNT; i++)
        (void)sqlite3_reset(session->prepared[i]);
    /* A failed ROLLBACK means that SQLite has rolled back by itself. */
    (void)sqlite3_exec(session->db, "ROLLBACK", NULL, NULL, NULL);
}

int rky_sqlite_commit(struct rky_sqlite_session *session, struct rky_error *err)
{
    int rc = check_open(session, "commit", err);
    if (rc == RKY_OK && sqlite3_exec(session->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        rc = rky_sqlite_session_fail(session, sqlite3_extended_errcode(session->db), "commit", err);
    if (rc != RKY_OK)
        rky_sqlite_rollback(session);
    return rc;
}
