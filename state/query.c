/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running the ledger's statements: the cache of prepared ones, binding, reading columns, and the
 * one translation of SQLite's codes into ours.
 *
 * Errors are sticky within a query, so that a caller binds and reads freely and checks once at the
 * end. A write outside a write transaction is refused here, once for all callers: it would be a
 * change that a crash could leave half done.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "state/snapshot_internal.h"

static int fail_io(struct rky_ledger *ledger, int sqlite_code, const char *doing,
                   struct rky_error *err)
{
    if (ledger->db == NULL)
        return rky_fail(err, RKY_ERR_IO, "state file '%s' is not open", ledger->path);
    /* SQLite keeps the number for these two kinds of failure only. After any other it still has
     * that of an earlier one. */
    int kind = sqlite_code & 0xff;
    bool told = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN;
    int number = told ? sqlite3_system_errno(ledger->db) : 0;
    if (number != 0)
        return rky_fail_errno(err, number, "cannot %s in state file '%s'", doing, ledger->path);
    return rky_fail(err, RKY_ERR_IO, "cannot %s in state file '%s': %s", doing, ledger->path,
                    sqlite3_errmsg(ledger->db));
}

int rky_ledger_fail_damaged(struct rky_ledger *ledger, const char *what, struct rky_error *err)
{
    enum rky_snapshot_fault fault;
    if (ledger->fetched)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, &fault, err, "its content: %s", what);
    (void)rky_fail(err, RKY_ERR_STATE_FILE, "state file '%s' is corrupt: %s", ledger->path, what);
    rky_error_hint(err,
                   "move it away together with its -wal and -shm files; the next run makes a new "
                   "one and re-derives every watermark from the target");
    return RKY_ERR_STATE_FILE;
}

static int fail_read_only(struct rky_ledger *ledger, const char *doing, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_IO,
                   "cannot %s in state file '%s': the file or its directory is read-only", doing,
                   ledger->path);
    rky_error_hint(err, "a reader, too, needs to write the -wal and -shm files beside it");
    return RKY_ERR_IO;
}

static int fail_busy(struct rky_ledger *ledger, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_LOCKED, "state file '%s' is locked by another program",
                   ledger->path);
    if (err != NULL)
        err->transient = true;
    rky_error_hint(err, "end the program that has the file open for writing");
    return RKY_ERR_LOCKED;
}

static int translate(struct rky_ledger *ledger, int sqlite_code, const char *doing,
                     struct rky_error *err)
{
    if (sqlite_code == SQLITE_IOERR_NOMEM)
        return rky_fail_nomem(err);
    switch (sqlite_code & 0xff) {
    case SQLITE_NOMEM:
        return rky_fail_nomem(err);
    case SQLITE_FULL:
        (void)rky_fail(err, RKY_ERR_QUOTA, "cannot %s in state file '%s': the disk is full", doing,
                       ledger->path);
        rky_error_hint(err, "free some space on that file system");
        return RKY_ERR_QUOTA;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail_busy(ledger, err);
    case SQLITE_READONLY:
        return fail_read_only(ledger, doing, err);
    case SQLITE_NOTADB:
        (void)rky_fail(err, RKY_ERR_STATE_FILE,
                       "'%s' is not a state file of rocky: it is not an SQLite database",
                       ledger->path);
        rky_error_hint(err, "name another file, or move this one away");
        return RKY_ERR_STATE_FILE;
    case SQLITE_FORMAT:
        return rky_ledger_fail_damaged(ledger, "a value is not of the expected form", err);
    case SQLITE_TOOBIG: /* beyond what a ledger holds */
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: /* our own SQL is sound, so a table or column is missing in the file */
        return rky_ledger_fail_damaged(ledger, sqlite3_errmsg(ledger->db), err);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_MISMATCH:
        return rky_fail(err, RKY_ERR_BUG, "cannot %s in state file '%s': %s", doing, ledger->path,
                        sqlite3_errmsg(ledger->db));
    default: /* IOERR, CANTOPEN, PERM and whatever a later SQLite adds */
        return fail_io(ledger, sqlite_code, doing, err);
    }
}

int rky_ledger_fail(struct rky_ledger *ledger, int sqlite_code, const char *doing,
                    struct rky_error *err)
{
    bool first = err != NULL && err->code == RKY_OK;
    int rc = translate(ledger, sqlite_code, doing, err);
    if (first)
        err->native_code = sqlite_code;
    return rc;
}

/* SQLite takes errno for the reason why it cannot open a file, also where it refuses the name by
 * itself: what others left there must not pass for it. */
int rky_ledger_open_file(struct rky_ledger *ledger, int flags)
{
    errno = 0;
    return sqlite3_open_v2(ledger->file, &ledger->db,
                           flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
}

static int prepare(struct rky_ledger *ledger, enum rky_sql which, sqlite3_stmt **ret_stmt)
{
    sqlite3_stmt **slot = &ledger->statements[which];
    int rc = SQLITE_OK;
    if (ledger->db == NULL)
        rc = SQLITE_CANTOPEN;
    else if (*slot == NULL)
        rc = sqlite3_prepare_v3(ledger->db, rky_sql_text(which), -1, SQLITE_PREPARE_PERSISTENT,
                                slot, NULL);
    *ret_stmt = *slot;
    return rc;
}

int rky_ledger_control(struct rky_ledger *ledger, enum rky_sql which)
{
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(ledger, which, &stmt);
    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_step(stmt); /* reset gives the same code */
    return sqlite3_reset(stmt);
}

int rky_ledger_exec(struct rky_ledger *ledger, const char *sql, const char *doing,
                    struct rky_error *err)
{
    int rc = sqlite3_exec(ledger->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : rky_ledger_fail(ledger, rc, doing, err);
}

struct rky_query rky_query_start(struct rky_ledger *ledger, enum rky_sql which)
{
    struct rky_query query = {.ledger = ledger};
    query.rc = prepare(ledger, which, &query.stmt);
    if (query.rc != SQLITE_OK)
        return query;
    RKY_ASSERT(!sqlite3_stmt_busy(query.stmt));
    query.misused = !sqlite3_stmt_readonly(query.stmt) &&
                    (ledger->mode == RKY_LEDGER_READ || sqlite3_get_autocommit(ledger->db));
    if (query.misused)
        query.rc = SQLITE_MISUSE;
    return query;
}

void rky_query_text(struct rky_query *query, const char *text)
{
    if (query->rc == SQLITE_OK)
        query->rc = sqlite3_bind_text(query->stmt, ++query->bound, text, -1, SQLITE_STATIC);
}

void rky_query_int(struct rky_query *query, int64_t value)
{
    if (query->rc == SQLITE_OK)
        query->rc = sqlite3_bind_int64(query->stmt, ++query->bound, value);
}

void rky_query_row_of(struct rky_query *query, const struct rky_query *from)
{
    for (int i = 0; i < rky_query_columns(from) && query->rc == SQLITE_OK; i++)
        query->rc =
            sqlite3_bind_value(query->stmt, ++query->bound, sqlite3_column_value(from->stmt, i));
}

bool rky_query_row(struct rky_query *query)
{
    if (query->rc != SQLITE_OK)
        return false;
    int rc = sqlite3_step(query->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        query->rc = rc;
    return rc == SQLITE_ROW;
}

char *rky_query_get_text(struct rky_query *query, int column)
{
    if (query->rc != SQLITE_OK || sqlite3_column_type(query->stmt, column) == SQLITE_NULL)
        return NULL;
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    char *copy =
        text == NULL ? NULL : rky_strndup(text, (size_t)sqlite3_column_bytes(query->stmt, column));
    if (copy == NULL)
        query->rc = SQLITE_NOMEM;
    return copy;
}

void rky_query_copy_text(struct rky_query *query, int column, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    if (query->rc != SQLITE_OK)
        return;
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    size_t length = (size_t)sqlite3_column_bytes(query->stmt, column);
    if (text == NULL && sqlite3_errcode(query->ledger->db) == SQLITE_NOMEM)
        query->rc = SQLITE_NOMEM;
    else if (text == NULL || length >= size)
        query->rc = SQLITE_FORMAT;
    else
        memcpy(ret_text, text, length + 1);
}

int rky_query_columns(const struct rky_query *query)
{
    return query->rc == SQLITE_OK ? sqlite3_data_count(query->stmt) : 0;
}

int64_t rky_query_get_int(const struct rky_query *query, int column)
{
    return query->rc == SQLITE_OK ? sqlite3_column_int64(query->stmt, column) : 0;
}

int rky_query_finish(struct rky_query *query, const char *doing, struct rky_error *err)
{
    int rc = 0;
    if (query->misused)
        rc =
            rky_fail(err, RKY_ERR_BUG, "cannot %s in state file '%s': no write transaction is open",
                     doing, query->ledger->path);
    else if (query->rc != SQLITE_OK)
        rc = rky_ledger_fail(query->ledger, query->rc, doing, err);
    if (query->stmt != NULL) {
        (void)sqlite3_reset(query->stmt); /* repeats the code that was just reported */
        (void)sqlite3_clear_bindings(query->stmt);
    }
    return rc;
}

int rky_query_run(struct rky_query *query, const char *doing, struct rky_error *err)
{
    (void)rky_query_row(query); /* the failure, if any, sticks to the query */
    return rky_query_finish(query, doing, err);
}
