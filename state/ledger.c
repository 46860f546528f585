/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger as an object: its life, the writer's lock, and transactions.
 *
 * Two locks with two jobs: the flock on the sidecar says who may change the state for the length
 * of a job, SQLite's own locks say who is inside a commit at this moment. Readers take neither. One
 * thread uses an object at a time; nothing here is shared between objects, two of which may have
 * the same file open and exclude each other like two processes.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include "common/mem.h"

int rky_ledger_open(const struct rky_ledger_options *options, struct rky_ledger **ret_ledger,
                    struct rky_error *err)
{
    RKY_ASSERT(options->path != NULL && options->namespace_ != NULL && options->clock != NULL);
    struct rky_ledger *ledger = rky_calloc(1, sizeof(*ledger));
    if (ledger == NULL)
        return rky_fail_nomem(err);
    ledger->lock.fd = -1;
    ledger->mode = options->mode;
    ledger->private_copy = options->private_copy && options->mode == RKY_LEDGER_WRITE;
    ledger->clock = options->clock;
    ledger->log = options->log;
    ledger->path = rky_strdup(options->path);
    ledger->file = rky_sqlite_file_name(options->path);
    ledger->namespace_ = rky_strdup(options->namespace_);

    int rc = 0;
    if (ledger->path == NULL || ledger->file == NULL || ledger->namespace_ == NULL)
        rc = rky_fail_nomem(err);
    if (rc == 0)
        rc = rky_ledger_connect(ledger, err);
    if (rc != 0) {
        rky_ledger_close(ledger);
        return rc;
    }
    *ret_ledger = ledger;
    return 0;
}

void rky_ledger_close(struct rky_ledger *ledger)
{
    if (ledger == NULL)
        return;
    rky_ledger_disconnect(ledger);
    /* The lock goes last: closing may write the log back into the file. */
    rky_file_lock_close(&ledger->lock);
    rky_free(ledger->counted);
    rky_free(ledger->path);
    rky_free(ledger->file);
    rky_free(ledger->namespace_);
    rky_free(ledger);
}

const char *rky_ledger_path(const struct rky_ledger *ledger)
{
    return ledger->path;
}

int rky_ledger_lock_open(struct rky_ledger *ledger, struct rky_error *err)
{
    if (ledger->lock.fd >= 0)
        return 0;
    char *sidecar = rky_asprintf("%s.lock", ledger->path);
    if (sidecar == NULL)
        return rky_fail_nomem(err);
    int rc = rky_file_lock_open(&ledger->lock, sidecar, err);
    rky_free(sidecar);
    return rc;
}

/* Somebody may have deleted or replaced the file while it was open here. What is written through
 * the old connection would be lost with the old file, so the path is opened anew. */
static int reconnect_if_moved(struct rky_ledger *ledger, struct rky_error *err)
{
    int moved = 0;
    if (ledger->db != NULL) {
        int rc = sqlite3_file_control(ledger->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
        if (rc != SQLITE_OK)
            return rky_ledger_fail(ledger, rc, "look for the file", err);
        if (!moved)
            return 0;
        rky_log_write(ledger->log, RKY_LOG_DEBUG, NULL,
                      "state file '%s' was replaced: opening it again", ledger->path);
        rky_ledger_disconnect(ledger);
    }
    return rky_ledger_connect(ledger, err);
}

/* A private copy is used by whoever has its lock and by nobody else: SQLite then need not look, at
 * every statement, whether somebody changed it, and keeps one journal for all transactions. */
static int keep_to_ourselves(struct rky_ledger *ledger, struct rky_error *err)
{
    if (!ledger->private_copy)
        return 0;
    return rky_ledger_exec(ledger, "PRAGMA locking_mode = EXCLUSIVE", "keep the file to ourselves",
                           err);
}

/* SQLite lets its locks go at the next look into the file. Where that fails the connection goes:
 * the next lock makes another. */
static void share_again(struct rky_ledger *ledger)
{
    struct rky_error odd = {0};
    if (ledger->private_copy && ledger->db != NULL &&
        rky_ledger_exec(ledger, "PRAGMA locking_mode = NORMAL; SELECT 1 FROM sqlite_schema LIMIT 1",
                        "share the file again", &odd) != 0)
        rky_ledger_disconnect(ledger);
}

int rky_ledger_lock(struct rky_ledger *ledger, int64_t timeout_ms, struct rky_error *err)
{
    RKY_ASSERT(ledger->mode == RKY_LEDGER_WRITE);
    if (ledger->lock.held)
        return 0;
    ledger->remembers = false;
    int rc = rky_ledger_lock_open(ledger, err);
    if (rc == 0)
        rc = rky_file_lock_wait(&ledger->lock, timeout_ms, err);
    if (rc == 0)
        rc = reconnect_if_moved(ledger, err);
    if (rc == 0)
        rc = keep_to_ourselves(ledger, err);
    if (rc != 0)
        rky_file_lock_release(&ledger->lock);
    return rc;
}

void rky_ledger_unlock(struct rky_ledger *ledger)
{
    rky_ledger_rollback(ledger);
    share_again(ledger);
    rky_file_lock_release(&ledger->lock);
}

/* There is no connection after a lock that could not open the file again. */
static bool in_transaction(const struct rky_ledger *ledger)
{
    return ledger->db != NULL && !sqlite3_get_autocommit(ledger->db);
}

int rky_ledger_begin(struct rky_ledger *ledger, struct rky_error *err)
{
    if (in_transaction(ledger))
        return rky_fail(err, RKY_ERR_BUG, "a transaction is already open in state file '%s'",
                        ledger->path);
    if (ledger->mode == RKY_LEDGER_WRITE && !ledger->lock.held)
        return rky_fail(err, RKY_ERR_BUG, "the writer's lock of state file '%s' is not held",
                        ledger->path);
    ledger->counted_count = 0;
    ledger->remembers = false;
    int rc = rky_ledger_control(ledger, ledger->mode == RKY_LEDGER_READ ? RKY_SQL_BEGIN_READ
                                                                        : RKY_SQL_BEGIN_WRITE);
    if (rc != SQLITE_OK)
        return rky_ledger_fail(ledger, rc, "begin a transaction", err);
    ledger->changes_before = sqlite3_total_changes64(ledger->db);
    ledger->named = false;
    return 0;
}

int rky_ledger_commit(struct rky_ledger *ledger, struct rky_error *err)
{
    /* SQLite rolls back by itself after some failures; a commit must not pass for one then. */
    if (!in_transaction(ledger))
        return rky_fail(err, RKY_ERR_BUG, "no transaction is open in state file '%s'",
                        ledger->path);
    int rc = 0;
    if (!ledger->named && sqlite3_total_changes64(ledger->db) != ledger->changes_before)
        rc = rky_fail(err, RKY_ERR_BUG, "a change of state file '%s' was not given a write id",
                      ledger->path);
    if (rc == 0) {
        int sqlite_rc = rky_ledger_control(ledger, RKY_SQL_COMMIT);
        if (sqlite_rc == SQLITE_OK)
            return 0;
        rc = rky_ledger_fail(ledger, sqlite_rc, "commit", err);
    }
    rky_ledger_rollback(ledger);
    return rc;
}

void rky_ledger_rollback(struct rky_ledger *ledger)
{
    /* Nothing to report: when even this fails, the open transaction ends with the connection, and
     * the next begin says that it is still there. */
    if (in_transaction(ledger))
        (void)sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL);
}
