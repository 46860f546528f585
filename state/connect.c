/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a ledger's file: what it has to be, how the connection is set up, and when it is created
 * or migrated.
 *
 * The checks go from the outside in, so that each wrong file gets the message that fits it: a
 * directory, no database, somebody else's database, a newer version, another namespace, damage.
 * Nothing is written before all of them passed. The file is looked at through SQLite only: a
 * descriptor of our own, when closed, would drop the locks that SQLite holds on the same file.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

/* How long creation waits for another process that creates the same file at this moment. */
#define CREATION_WAIT_MS 2000
/* Another connection of ours holds SQLite's own locks for the length of a commit only. */
#define BUSY_TIMEOUT_MS 5000
/* SQLite takes a file of one byte for an empty one, and no database is shorter than this. */
#define SHORTEST_DATABASE_BYTES 512
/* Files up to this size are checked whole at each opening: at most some milliseconds. */
#define QUICK_CHECK_MAX_BYTES (4 * 1024 * 1024)
/* The log is folded into the database after so many pages, some ten jobs, and written over from its
 * start. A flush of bytes that the file already has costs a fraction of one that makes it longer.
 */
#define CHECKPOINT_PAGES 64

static int fail_not_ours(const struct rky_ledger *ledger, const char *what, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_STATE_FILE, "'%s' is not a state file of rocky: it is %s",
                   ledger->path, what);
    rky_error_hint(err, "name another file, or move this one away");
    return RKY_ERR_STATE_FILE;
}

static int fail_missing(const struct rky_ledger *ledger, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_NOT_FOUND, "state file '%s' does not exist", ledger->path);
    rky_error_hint(err, "the first run creates it");
    return RKY_ERR_NOT_FOUND;
}

static int make_directory(const struct rky_ledger *ledger, struct rky_error *err)
{
    char *directory = rky_path_dirname(ledger->file);
    if (directory == NULL)
        return rky_fail_nomem(err);
    int rc = rky_mkdir_p(directory, err);
    rky_free(directory);
    return rc;
}

/* What can be told without opening: opening for writing would create what is missing. */
static int check_path(const struct rky_ledger *ledger, struct rky_error *err)
{
    struct stat st;
    if (stat(ledger->file, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return fail_not_ours(ledger, "a directory", err);
        if (!S_ISREG(st.st_mode))
            return fail_not_ours(ledger, "not a regular file", err);
        if (st.st_size > 0 && st.st_size < SHORTEST_DATABASE_BYTES)
            return fail_not_ours(ledger, "too short for an SQLite database", err);
        return 0;
    }
    if (errno != ENOENT)
        return rky_fail_errno(err, errno, "cannot open state file '%s'", ledger->path);
    return ledger->mode == RKY_LEDGER_READ ? fail_missing(ledger, err)
                                           : make_directory(ledger, err);
}

/* SQLite tries reading after writing was denied, and then reports what reading ran into. */
static int fail_open(struct rky_ledger *ledger, int sqlite_code, struct rky_error *err)
{
    char *directory = rky_path_dirname(ledger->file);
    bool denied = directory != NULL && (sqlite_code & 0xff) == SQLITE_CANTOPEN &&
                  !rky_path_exists(ledger->file) && access(directory, W_OK | X_OK) != 0;
    int number = errno;
    rky_free(directory);
    if (denied)
        return rky_fail_errno(err, number, "cannot create state file '%s'", ledger->path);
    return rky_ledger_fail(ledger, sqlite_code, "open the database", err);
}

static int open_connection(struct rky_ledger *ledger, struct rky_error *err)
{
    int rc = rky_ledger_open_file(ledger, ledger->mode == RKY_LEDGER_READ
                                              ? SQLITE_OPEN_READONLY
                                              : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (ledger->db == NULL)
        return rky_fail_nomem(err);
    if (rc == SQLITE_OK)
        rc = rky_sqlite_harden(ledger->db);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(ledger->db, BUSY_TIMEOUT_MS);
    if (rc != SQLITE_OK)
        return fail_open(ledger, rc, err);
    /* SQLite silently falls back to reading where it may not write. */
    if (ledger->mode == RKY_LEDGER_WRITE && sqlite3_db_readonly(ledger->db, "main") == 1)
        return rky_fail_errno(err, access(ledger->file, W_OK) != 0 ? errno : EACCES,
                              "cannot open state file '%s' for writing", ledger->path);
    return 0;
}

static int tune(struct rky_ledger *ledger, struct rky_error *err)
{
    /* What a crash may take of a private copy is still elsewhere. SQLite's locks are let go between
     * transactions: another process of this machine may use the copy while this one rests. */
    const char *durability =
        ledger->private_copy ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL";
    int rc = rky_ledger_exec(ledger, durability, "set up the connection", err);
    if (rc == 0 && sqlite3_wal_autocheckpoint(ledger->db, CHECKPOINT_PAGES) != SQLITE_OK)
        rc = rky_fail_nomem(err);
    if (rc != 0)
        return rc;
    /* secure_delete would write the freed pages once more; nothing secret is stored here. */
    return rky_ledger_exec(ledger,
                           "PRAGMA cell_size_check = ON;"
                           "PRAGMA secure_delete = OFF;"
                           "PRAGMA temp_store = MEMORY;"
                           "PRAGMA journal_size_limit = 4194304",
                           "set up the connection", err);
}

int rky_ledger_fail_newer(struct rky_ledger *ledger, int64_t version, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_STATE_FILE,
                   "state file '%s' has schema version %" PRId64
                   ", this program knows versions up to %d",
                   ledger->path, version, RKY_LEDGER_SCHEMA_VERSION);
    rky_error_hint(err, "upgrade this program to the version that wrote the file");
    return RKY_ERR_STATE_FILE;
}

int rky_ledger_fail_namespace(struct rky_ledger *ledger, const char *found, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_STATE_FILE,
                   "state file '%s' belongs to namespace '%s', expected '%s'", ledger->path, found,
                   ledger->namespace_);
    rky_error_hint(err, "name the state file of namespace '%s', or choose namespace '%s'",
                   ledger->namespace_, found);
    return RKY_ERR_STATE_FILE;
}

static int check_marks(struct rky_ledger *ledger, const struct rky_ledger_header *header,
                       struct rky_error *err)
{
    if (header->application_id != RKY_LEDGER_APPLICATION_ID)
        return fail_not_ours(ledger, "an SQLite database of another program", err);
    if (header->user_version < 1)
        return rky_ledger_fail_damaged(ledger, "it has no schema version", err);
    if (header->user_version > RKY_LEDGER_SCHEMA_VERSION)
        return rky_ledger_fail_newer(ledger, header->user_version, err);
    return 0;
}

static int check_namespace(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_ledger_meta meta;
    int rc = rky_ledger_meta(ledger, &meta, err);
    if (rc != 0 || strcmp(meta.namespace_, ledger->namespace_) == 0)
        return rc;
    return rky_ledger_fail_namespace(ledger, meta.namespace_, err);
}

/* SQLite reads what is missing of a last page as zeros, which may pass every other check. */
static int check_length(struct rky_ledger *ledger, int64_t *ret_bytes, struct rky_error *err)
{
    struct stat st;
    if (stat(ledger->file, &st) != 0)
        return rky_fail_errno(err, errno, "cannot look at state file '%s'", ledger->path);
    *ret_bytes = st.st_size;
    if (st.st_size % SHORTEST_DATABASE_BYTES != 0)
        return rky_ledger_fail_damaged(ledger, "it ends in the middle of a page", err);
    return 0;
}

static int quick_check(struct rky_ledger *ledger, struct rky_error *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = NULL;
    int sqlite_rc = sqlite3_prepare_v2(ledger->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (sqlite_rc == SQLITE_OK)
        sqlite_rc = sqlite3_step(stmt);
    const char *verdict =
        sqlite_rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (sqlite_rc != SQLITE_ROW)
        rc = rky_ledger_fail(ledger, sqlite_rc, "check the pages", err);
    else if (verdict == NULL)
        rc = rky_fail_nomem(err);
    else if (strcmp(verdict, "ok") != 0)
        rc = rky_ledger_fail_damaged(ledger, verdict, err);
    (void)sqlite3_finalize(stmt); /* repeats the code of the step */
    /* The check has pulled every page into the cache; a job needs few of them again. */
    (void)sqlite3_db_release_memory(ledger->db);
    return rc;
}

/* Read every page once, into memory. @return 0 or why one cannot be read. */
static int read_pages(struct rky_ledger *ledger, struct rky_error *err)
{
    sqlite3 *memory = NULL;
    int sqlite_rc = sqlite3_open_v2(":memory:", &memory, SQLITE_OPEN_READWRITE, NULL);
    if (sqlite_rc == SQLITE_OK) {
        sqlite3_backup *copy = sqlite3_backup_init(memory, "main", ledger->db, "main");
        sqlite_rc = copy == NULL ? SQLITE_NOMEM : sqlite3_backup_step(copy, -1);
        (void)sqlite3_backup_finish(copy); /* repeats the code of the step */
    }
    (void)sqlite3_close(memory); /* holds nothing */
    return sqlite_rc == SQLITE_DONE ? 0 : rky_ledger_fail(ledger, sqlite_rc, "read the pages", err);
}

/* quick_check reports a page that the disk would not give like a damaged one. Who is told that the
 * file is corrupt moves it away, so a bad verdict counts only when every page can be read. */
int rky_ledger_check_pages(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_error verdict = {0};
    int rc = quick_check(ledger, &verdict);
    if (rc == 0)
        return 0;
    rc = read_pages(ledger, err);
    return rc != 0 ? rc : quick_check(ledger, err);
}

static int verify(struct rky_ledger *ledger, struct rky_error *err)
{
    int64_t bytes = 0;
    int rc = check_namespace(ledger, err);
    if (rc == 0)
        rc = check_length(ledger, &bytes, err);
    if (rc == 0 && ledger->mode == RKY_LEDGER_WRITE && bytes <= QUICK_CHECK_MAX_BYTES)
        rc = rky_ledger_check_pages(ledger, err);
    return rc;
}

static const char *wanted_journal(const struct rky_ledger *ledger)
{
    return ledger->private_copy ? "delete" : "wal";
}

/* @param pragma asks for the journal mode or sets it; either way it answers with the mode. */
static int journal_is_right(struct rky_ledger *ledger, const char *pragma, bool *ret_right,
                            struct rky_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(ledger->db, pragma, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    *ret_right = mode != NULL && strcmp(mode, wanted_journal(ledger)) == 0;
    if (rc != SQLITE_ROW)
        rc = rky_ledger_fail(ledger, rc, "set the journal mode", err);
    else
        rc = 0;
    (void)sqlite3_finalize(stmt); /* repeats the code of the step */
    return rc;
}

static int set_journal(struct rky_ledger *ledger, struct rky_error *err)
{
    bool right = false;
    int rc = journal_is_right(
        ledger, ledger->private_copy ? "PRAGMA journal_mode = DELETE" : "PRAGMA journal_mode = WAL",
        &right, err);
    if (rc == 0 && !right)
        rc = rky_fail(err, RKY_ERR_IO, "the file system of state file '%s' cannot share memory",
                      ledger->path);
    return rc;
}

/* Under the lock: another process may have created or migrated the file since it was read. */
static int settle_locked(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_ledger_header header = {0};
    int rc = rky_ledger_header_read(ledger, &header, err);
    if (rc == 0 && !rky_ledger_header_fresh(&header))
        rc = check_marks(ledger, &header, err);
    if (rc == 0 && !rky_ledger_header_fresh(&header))
        rc = verify(ledger, err);
    if (rc == 0)
        rc = set_journal(ledger, err);
    if (rc == 0 && header.user_version < RKY_LEDGER_SCHEMA_VERSION)
        rc = rky_ledger_migrate(ledger, &header, err);
    return rc;
}

static int settle(struct rky_ledger *ledger, struct rky_error *err)
{
    bool take = !ledger->lock.held;
    int rc = rky_ledger_lock_open(ledger, err);
    if (rc == 0 && take)
        rc = rky_file_lock_wait(&ledger->lock, CREATION_WAIT_MS, err);
    if (rc != 0)
        return rc;
    rc = settle_locked(ledger, err);
    if (take)
        rky_file_lock_release(&ledger->lock);
    return rc;
}

static int open_and_verify(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_ledger_header header = {0};
    bool right_journal = true;
    int rc = check_path(ledger, err);
    if (rc == 0)
        rc = open_connection(ledger, err);
    if (rc == 0)
        rc = rky_ledger_header_read(ledger, &header, err);
    if (rc == 0 && !rky_ledger_header_fresh(&header))
        rc = check_marks(ledger, &header, err);
    if (rc == 0)
        rc = tune(ledger, err);
    if (rc != 0)
        return rc;

    bool fresh = rky_ledger_header_fresh(&header);
    if (fresh && ledger->mode == RKY_LEDGER_READ)
        return fail_missing(ledger, err);
    if (!fresh)
        rc = verify(ledger, err);
    if (rc != 0 || ledger->mode == RKY_LEDGER_READ)
        return rc;
    if (!fresh)
        rc = journal_is_right(ledger, "PRAGMA journal_mode", &right_journal, err);
    if (rc == 0 && (fresh || !right_journal || header.user_version < RKY_LEDGER_SCHEMA_VERSION))
        rc = settle(ledger, err);
    return rc;
}

int rky_ledger_connect(struct rky_ledger *ledger, struct rky_error *err)
{
    int rc = open_and_verify(ledger, err);
    if (rc != 0)
        rky_ledger_disconnect(ledger);
    return rc;
}

void rky_ledger_disconnect(struct rky_ledger *ledger)
{
    for (size_t i = 0; i < RKY_SQL_COUNT; i++) {
        (void)sqlite3_finalize(ledger->statements[i]); /* repeats an old code */
        ledger->statements[i] = NULL;
    }
    int rc = sqlite3_close(ledger->db); /* rolls back what is open */
    RKY_ASSERT(rc == SQLITE_OK);        /* busy only with a statement that is not in the cache */
    ledger->db = NULL;
    ledger->remembers = false;
}
