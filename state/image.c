/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger as one run of bytes: taken from an open ledger for a snapshot, and put back into a file.
 *
 * Taking sees committed rows only. Putting back replaces a file together with its journals: SQLite
 * would replay a journal that was left beside a new file into it, and the result would pass every
 * check. What the bytes are worth is decided before (snapshot.h) and after (verify.c).
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

/* Up to here a copy in SQLite's memory is cheap; above, the pages go through a file, because SQLite
 * takes no single allocation above 2 GiB. */
#define IN_MEMORY_MAX_BYTES (INT64_C(64) << 20)

/* What SQLite may leave beside a database. */
static const char *const JOURNALS[] = {"-wal", "-shm", "-journal"};
enum { JOURNAL_COUNT = sizeof(JOURNALS) / sizeof(JOURNALS[0]) };

static int page_bytes(struct rky_ledger *ledger, int64_t *ret_bytes, struct rky_error *err)
{
    sqlite3_int64 bytes = -1;
    /* Without a copy only the length is told. */
    (void)sqlite3_serialize(ledger->db, "main", &bytes, SQLITE_SERIALIZE_NOCOPY);
    if (bytes < 0)
        return rky_ledger_fail(ledger, sqlite3_errcode(ledger->db), "read the size", err);
    *ret_bytes = bytes;
    return 0;
}

/* @param ret_copy owned, open; NULL when this fails. */
static int copy_pages(struct rky_ledger *ledger, const char *path, sqlite3 **ret_copy,
                      struct rky_error *err)
{
    sqlite3 *copy = NULL;
    int rc = sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(copy, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL,
                          NULL);
    sqlite3_backup *backup =
        rc == SQLITE_OK ? sqlite3_backup_init(copy, "main", ledger->db, "main") : NULL;
    if (backup != NULL) {
        (void)sqlite3_backup_step(backup, -1); /* finish repeats its code */
        rc = sqlite3_backup_finish(backup);
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_errcode(copy);
    }
    if (rc == SQLITE_OK) {
        *ret_copy = copy;
        return 0;
    }
    (void)sqlite3_close(copy); /* the failure before it is the one to report */
    return rky_ledger_fail(ledger, rc, "copy the pages", err);
}

/* By way of a copy in memory: of a file, sqlite3_serialize() writes zeros for a page that the disk
 * does not give, and says nothing. */
static int serialize_in_memory(struct rky_ledger *ledger, unsigned char **ret_raw,
                               size_t *ret_length, struct rky_error *err)
{
    sqlite3 *copy = NULL;
    sqlite3_int64 bytes = 0;
    int rc = copy_pages(ledger, ":memory:", &copy, err);
    if (rc != 0)
        return rc;
    unsigned char *image = sqlite3_serialize(copy, "main", &bytes, 0);
    unsigned char *raw = image != NULL ? rky_malloc((size_t)bytes) : NULL;
    if (raw == NULL) {
        rc = rky_fail_nomem(err);
    } else {
        memcpy(raw, image, (size_t)bytes);
        *ret_raw = raw;
        *ret_length = (size_t)bytes;
    }
    sqlite3_free(image);
    (void)sqlite3_close(copy); /* holds nothing any more */
    return rc;
}

/* As it lies in the file, in one read that tells whether it succeeded. For a private copy under the
 * lock: it has no write-ahead log, SQLite keeps others out, and holds nothing back between
 * transactions. */
static int serialize_held(struct rky_ledger *ledger, size_t bytes, unsigned char **ret_raw,
                          size_t *ret_length, struct rky_error *err)
{
    sqlite3_file *file = NULL;
    unsigned char *raw = rky_malloc(bytes);
    if (raw == NULL)
        return rky_fail_nomem(err);
    int rc = sqlite3_file_control(ledger->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK)
        rc = file->pMethods->xRead(file, raw, (int)bytes, 0);
    if (rc != SQLITE_OK) {
        rky_free(raw);
        return rky_ledger_fail(ledger, rc, "read the pages", err);
    }
    *ret_raw = raw;
    *ret_length = bytes;
    return 0;
}

static int serialize_by_file(struct rky_ledger *ledger, unsigned char **ret_raw, size_t *ret_length,
                             struct rky_error *err)
{
    char *bytes = NULL;
    sqlite3 *copy = NULL;
    int rc = 0;
    char *beside = rky_asprintf("%s.image.XXXXXX", ledger->file);
    if (beside == NULL)
        return rky_fail_nomem(err);
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        rc =
            rky_fail_errno(err, errno, "cannot create a file beside state file '%s'", ledger->path);
        rky_free(beside);
        return rc;
    }
    (void)close(fd); /* empty, and of nobody else: SQLite opens it by name */
    rc = copy_pages(ledger, beside, &copy, err);
    if (rc == 0 && sqlite3_close(copy) != SQLITE_OK)
        rc = rky_fail(err, RKY_ERR_IO, "cannot close '%s'", beside);
    if (rc == 0)
        rc = rky_read_file(beside, (size_t)RKY_SNAPSHOT_RAW_MAX, &bytes, ret_length, err);
    (void)unlink(beside); /* scratch: what is left of it is removed at the next start */
    rky_free(beside);
    if (rc == 0)
        *ret_raw = (unsigned char *)bytes;
    return rc;
}

/* The state of backend `local` has a write-ahead log, and its header says so. The image has every
 * committed page in it and needs none: without this it would be refused where it arrives. */
static void forget_journal(unsigned char *raw, size_t length)
{
    enum { WRITE_VERSION_AT = 18, READ_VERSION_AT = 19, ROLLBACK = 1 };
    if (length > READ_VERSION_AT)
        raw[WRITE_VERSION_AT] = raw[READ_VERSION_AT] = ROLLBACK;
}

int rky_ledger_serialize(struct rky_ledger *ledger, unsigned char **ret_raw, size_t *ret_length,
                         struct rky_error *err)
{
    if (ledger->db == NULL || !sqlite3_get_autocommit(ledger->db))
        return rky_fail(err, RKY_ERR_BUG,
                        "a snapshot of state file '%s' was asked for inside a transaction",
                        ledger->path);
    int64_t bytes = 0;
    int rc = page_bytes(ledger, &bytes, err);
    if (rc != 0)
        return rc;
    if (bytes > IN_MEMORY_MAX_BYTES)
        rc = serialize_by_file(ledger, ret_raw, ret_length, err);
    else if (ledger->private_copy && ledger->lock.held)
        rc = serialize_held(ledger, (size_t)bytes, ret_raw, ret_length, err);
    else
        rc = serialize_in_memory(ledger, ret_raw, ret_length, err);
    if (rc == 0)
        forget_journal(*ret_raw, *ret_length);
    return rc;
}

/* --- into a file ------------------------------------------------------------------------------ */

static int write_image(const char *path, const void *raw, size_t length, struct rky_error *err)
{
    const char *at = raw;
    int rc = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return rky_fail_errno(err, errno, "cannot create '%s'", path);
    while (rc == 0 && length > 0) {
        ssize_t done = write(fd, at, length);
        if (done < 0 && errno != EINTR)
            rc = rky_fail_errno(err, errno, "cannot write '%s'", path);
        if (done > 0) {
            at += done;
            length -= (size_t)done;
        }
    }
    /* A flush that failed once says nothing the second time: the file is given up. */
    if (rc == 0 && fsync(fd) != 0)
        rc = rky_fail_errno(err, errno, "cannot flush '%s'", path);
    if (close(fd) != 0 && rc == 0)
        rc = rky_fail_errno(err, errno, "cannot close '%s'", path);
    return rc;
}

static int flush_directory(const char *path, struct rky_error *err)
{
    int rc = 0;
    char *directory = rky_path_dirname(path);
    if (directory == NULL)
        return rky_fail_nomem(err);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = rky_fail_errno(err, errno, "cannot flush directory '%s'", directory);
    if (fd >= 0)
        (void)close(fd);
    rky_free(directory);
    return rc;
}

static int remove_file(const char *path, const char *suffix, struct rky_error *err)
{
    int rc = 0;
    char *name = rky_asprintf("%s%s", path, suffix);
    if (name == NULL)
        return rky_fail_nomem(err);
    if (unlink(name) != 0 && errno != ENOENT)
        rc = rky_fail_errno(err, errno, "cannot remove '%s'", name);
    rky_free(name);
    return rc;
}

static bool has_journal(const char *path)
{
    bool found = false;
    for (size_t i = 0; !found && i < JOURNAL_COUNT; i++) {
        char *name = rky_asprintf("%s%s", path, JOURNALS[i]);
        found = name == NULL || rky_path_exists(name); /* in doubt there is one */
        rky_free(name);
    }
    return found;
}

/* The journals go for good before the new file stands where they would be replayed into it; the
 * old file goes before them, because without them it may be half of a change. */
static int clear_the_place(const char *path, struct rky_error *err)
{
    if (!has_journal(path))
        return 0;
    int rc = remove_file(path, "", err);
    if (rc == 0)
        rc = flush_directory(path, err);
    for (size_t i = 0; rc == 0 && i < JOURNAL_COUNT; i++)
        rc = remove_file(path, JOURNALS[i], err);
    return rc != 0 ? rc : flush_directory(path, err);
}

int rky_ledger_install(const char *path, const void *raw, size_t length, struct rky_error *err)
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    char *beside = rky_asprintf("%s.%s.tmp", path, id);
    if (beside == NULL)
        return rky_fail_nomem(err);
    int rc = write_image(beside, raw, length, err);
    if (rc == 0)
        rc = clear_the_place(path, err);
    if (rc == 0 && rename(beside, path) != 0)
        rc = rky_fail_errno(err, errno, "cannot replace '%s'", path);
    if (rc == 0)
        rc = flush_directory(path, err);
    else
        (void)unlink(beside); /* the failure that brought us here is the one to report */
    rky_free(beside);
    return rc;
}
