/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's result codes as our errors. Decided by code alone, never by message text. */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <errno.h>

bool rky_sqlite_needs_recovery(int code)
{
    switch (code) {
    case SQLITE_READONLY_RECOVERY:
    case SQLITE_READONLY_CANTLOCK:
    case SQLITE_READONLY_ROLLBACK:
    case SQLITE_READONLY_CANTINIT:
        return true;
    default:
        return false;
    }
}

static int locked(struct rky_error *err, const char *file, const char *doing)
{
    int rc =
        rky_fail(err, RKY_ERR_LOCKED, "cannot %s: '%s' is locked by another process", doing, file);
    rky_error_hint(err, "wait until it is done, or raise execution.lock_timeout_seconds");
    return rc;
}

static int unrecovered(struct rky_error *err, const char *file, const char *doing)
{
    int rc = rky_fail(err, RKY_ERR_QUERY, "cannot %s: source '%s' needs recovery by its writer",
                      doing, file);
    rky_error_hint(err, "its writer stopped in the middle of a change; start the writer, or open "
                        "the file once with 'sqlite3 FILE .schema'");
    return rc;
}

static int not_writable(struct rky_error *err, const char *file, const char *doing)
{
    int rc = rky_fail(err, RKY_ERR_AUTH, "cannot %s: '%s' may not be written", doing, file);
    rky_error_hint(err, "the file and its directory must be writable for this user");
    return rc;
}

static int denied(struct rky_error *err, const char *file, const char *doing)
{
    int rc = rky_fail(err, RKY_ERR_AUTH, "cannot %s: '%s': permission denied", doing, file);
    rky_error_hint(err, "this user must be able to read the file and to enter its directories");
    return rc;
}

/* Codes whose primary part is not enough to choose ours. SQLite keeps the system's number for two
 * kinds of them only: for the others it still has that of an earlier failure. */
static int input_output(struct rky_error *err, sqlite3 *db, int code, const char *file,
                        const char *doing)
{
    bool told = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    int saved = db != NULL && told ? sqlite3_system_errno(db) : 0;
    if (saved == ENOSPC || saved == EDQUOT || saved == EMFILE || saved == ENFILE)
        return rky_fail_errno(err, saved, "cannot %s: '%s'", doing, file);
    if (saved == EACCES || saved == EPERM)
        return denied(err, file, doing);
    int rc = rky_fail(err, RKY_ERR_IO, "cannot %s: '%s': %s", doing, file,
                      db != NULL ? sqlite3_errmsg(db) : "input or output error");
    if (err != NULL && saved != 0)
        err->sys_errno = saved;
    return rc;
}

static int classify(struct rky_error *err, sqlite3 *db, int code, const char *file,
                    const char *doing)
{
    if (rky_sqlite_needs_recovery(code))
        return unrecovered(err, file, doing);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return rky_fail_nomem(err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return locked(err, file, doing);
    case SQLITE_INTERRUPT:
        return rky_fail(err, RKY_ERR_INTERRUPTED, "cannot %s: interrupted", doing);
    case SQLITE_FULL:
        return rky_fail(err, RKY_ERR_QUOTA, "cannot %s: the disk of '%s' is full", doing, file);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return not_writable(err, file, doing);
    case SQLITE_NOTADB:
        /* No later attempt finds another file there by itself: not the trouble of one moment. */
        return rky_fail(err, RKY_ERR_QUERY, "cannot %s: '%s' is not a SQLite database", doing,
                        file);
    case SQLITE_CORRUPT:
        return rky_fail(err, RKY_ERR_IO, "cannot %s: '%s' is damaged: %s", doing, file,
                        db != NULL ? sqlite3_errmsg(db) : "malformed");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOLFS:
    case SQLITE_PROTOCOL:
        return input_output(err, db, code, file, doing);
    default:
        return rky_fail(err, RKY_ERR_QUERY, "cannot %s: '%s': %s", doing, file,
                        db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    }
}

int rky_sqlite_fail(struct rky_error *err, sqlite3 *db, int code, const char *file,
                    const char *doing)
{
    bool first = err != NULL && err->code == RKY_OK;
    int rc = classify(err, db, code, file, doing);
    if (first) {
        err->native_code = code;
        err->transient = rc == RKY_ERR_LOCKED || rc == RKY_ERR_QUOTA || rc == RKY_ERR_NOMEM;
    }
    return rc;
}
