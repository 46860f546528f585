/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file that came from elsewhere is a ledger and nothing but a ledger.
 *
 * The file is hostile until the last check passed, so the checks go from what needs no SQLite to
 * what needs most of it, on a connection where nothing that is stored in the file can run. The
 * schema has to be, object for object and letter for letter, what our migrations make: a trigger, a
 * view, a generated column, a virtual table or one index more is a refusal, whatever it would do.
 * After that our own statements run over our own tables only.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

/* Nothing that a ledger holds comes near. */
#define TEXT_MAX_BYTES (64 * 1024 * 1024)

static int fail_schema(struct rky_ledger *ledger, const char *what, struct rky_error *err)
{
    char text[320];
    (void)snprintf(text, sizeof(text), "its schema is not that of a ledger: %s", what);
    return rky_ledger_fail_damaged(ledger, text, err);
}

/* --- before SQLite ---------------------------------------------------------------------------- */

/* A crash of ours leaves a journal, and then only the file and the journal together are whole. */
static bool has_journal(const struct rky_ledger *ledger)
{
    static const char *const suffixes[] = {"-journal", "-wal"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct stat st;
        char *name = rky_asprintf("%s%s", ledger->file, suffixes[i]);
        found = name == NULL || (stat(name, &st) == 0 && st.st_size > 0);
        rky_free(name);
    }
    return found;
}

static int read_start(struct rky_ledger *ledger, unsigned char *start, int64_t *ret_bytes,
                      struct rky_error *err)
{
    struct stat st;
    int rc = 0;
    int fd = open(ledger->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "state file '%s' does not exist", ledger->path);
    if (fd < 0)
        return rky_fail_errno(err, errno, "cannot open state file '%s'", ledger->path);
    if (fstat(fd, &st) != 0) {
        rc = rky_fail_errno(err, errno, "cannot look at state file '%s'", ledger->path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = rky_ledger_fail_damaged(ledger, "it is not a regular file", err);
    } else {
        ssize_t got = pread(fd, start, RKY_SQLITE_HEADER_BYTES, 0);
        if (got < 0)
            rc = rky_fail_errno(err, errno, "cannot read state file '%s'", ledger->path);
        else if (got < RKY_SQLITE_HEADER_BYTES)
            rc = rky_ledger_fail_damaged(ledger, "it is too short for an SQLite database", err);
        *ret_bytes = st.st_size;
    }
    (void)close(fd); /* only read from; the caller has no other descriptor of the file */
    return rc;
}

static int check_start(struct rky_ledger *ledger, bool journal, struct rky_error *err)
{
    unsigned char start[RKY_SQLITE_HEADER_BYTES];
    int64_t bytes = 0;
    int rc = read_start(ledger, start, &bytes, err);
    if (rc != 0 || journal)
        return rc;
    const char *wrong = rky_sqlite_header_fault(start, bytes);
    return wrong == NULL ? 0 : rky_ledger_fail_damaged(ledger, wrong, err);
}

/* --- the connection --------------------------------------------------------------------------- */

static void limit(sqlite3 *db)
{
    static const struct {
        int which, value;
    } LIMITS[] = {
        {SQLITE_LIMIT_LENGTH, TEXT_MAX_BYTES},
        {SQLITE_LIMIT_SQL_LENGTH, 64 * 1024},
        {SQLITE_LIMIT_COLUMN, 64},
        {SQLITE_LIMIT_EXPR_DEPTH, 32},
        {SQLITE_LIMIT_COMPOUND_SELECT, 4},
        {SQLITE_LIMIT_VDBE_OP, 25000},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof(LIMITS) / sizeof(LIMITS[0]); i++)
        (void)sqlite3_limit(db, LIMITS[i].which, LIMITS[i].value); /* gives the old value */
}

static int open_untrusted(struct rky_ledger *ledger, bool journal, struct rky_error *err)
{
    int rc = rky_ledger_open_file(ledger, journal ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    if (ledger->db == NULL)
        return rky_fail_nomem(err);
    if (rc == SQLITE_OK)
        rc = rky_sqlite_harden(ledger->db);
    if (rc != SQLITE_OK)
        return rky_ledger_fail(ledger, rc, "open the database", err);
    limit(ledger->db);
    /* Exclusive: an image in WAL mode is then read without a shared-memory file beside it. */
    return rky_ledger_exec(ledger,
                           "PRAGMA locking_mode = EXCLUSIVE;"
                           "PRAGMA cell_size_check = ON;"
                           "PRAGMA mmap_size = 0;"
                           "PRAGMA temp_store = MEMORY",
                           "set up the connection", err);
}

/* --- schema ----------------------------------------------------------------------------------- */

static const char SCHEMA_SQL[] =
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, type";

/* What our migrations make of an empty database, in memory. */
static int open_model(struct rky_ledger *ledger, int64_t version, sqlite3 **ret_model,
                      struct rky_error *err)
{
    sqlite3 *model = NULL;
    int rc = sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    for (int64_t i = 0; rc == SQLITE_OK && i < version; i++)
        rc = sqlite3_exec(model, rky_ledger_migration(i), NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        (void)sqlite3_close(model); /* holds nothing */
        return (rc & 0xff) == SQLITE_NOMEM
                   ? rky_fail_nomem(err)
                   : rky_fail(err, RKY_ERR_BUG, "cannot make the schema to compare '%s' with",
                              ledger->path);
    }
    *ret_model = model;
    return 0;
}

static bool same_text(sqlite3_stmt *one, sqlite3_stmt *other, int column)
{
    if (sqlite3_column_type(one, column) != sqlite3_column_type(other, column))
        return false;
    const void *a = sqlite3_column_blob(one, column);
    const void *b = sqlite3_column_blob(other, column);
    int length = sqlite3_column_bytes(one, column);
    if (length != sqlite3_column_bytes(other, column))
        return false;
    return length == 0 || (a != NULL && b != NULL && memcmp(a, b, (size_t)length) == 0);
}

/* @return 0 also when the row differs: @p ret_same says. */
static int compare_schema(struct rky_ledger *ledger, sqlite3_stmt *theirs, sqlite3_stmt *ours,
                          struct rky_error *err)
{
    for (;;) {
        int rc = sqlite3_step(theirs);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return rky_ledger_fail(ledger, rc, "read the schema", err);
        int our_rc = sqlite3_step(ours);
        if (our_rc != SQLITE_ROW && our_rc != SQLITE_DONE)
            return rky_fail_nomem(err);
        if (rc != our_rc)
            return fail_schema(
                ledger, rc == SQLITE_ROW ? "there is an object too many" : "a table is missing",
                err);
        if (rc == SQLITE_DONE)
            return 0;
        for (int column = 0; column < 4; column++)
            if (!same_text(theirs, ours, column))
                return fail_schema(ledger, "an object is not as this program makes it", err);
    }
}

static int check_schema(struct rky_ledger *ledger, int64_t version, struct rky_error *err)
{
    sqlite3 *model = NULL;
    sqlite3_stmt *theirs = NULL, *ours = NULL;
    int rc = open_model(ledger, version, &model, err);
    if (rc != 0)
        return rc;
    int sqlite_rc = sqlite3_prepare_v2(ledger->db, SCHEMA_SQL, -1, &theirs, NULL);
    if (sqlite_rc != SQLITE_OK)
        rc = rky_ledger_fail(ledger, sqlite_rc, "read the schema", err);
    if (rc == 0 && sqlite3_prepare_v2(model, SCHEMA_SQL, -1, &ours, NULL) != SQLITE_OK)
        rc = rky_fail_nomem(err);
    if (rc == 0)
        rc = compare_schema(ledger, theirs, ours, err);
    (void)sqlite3_finalize(theirs); /* repeat what was reported */
    (void)sqlite3_finalize(ours);
    (void)sqlite3_close(model); /* nothing of it is left open */
    return rc;
}

/* --- content ---------------------------------------------------------------------------------- */

/* Step through all rows of a table. No text of ours has a NUL in it: it is bound as a C string. */
static int scan_table(struct rky_ledger *ledger, const char *table, struct rky_error *err)
{
    sqlite3_stmt *stmt = NULL;
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
    int rc = sqlite3_prepare_v2(ledger->db, sql, -1, &stmt, NULL);
    bool clean = rc == SQLITE_OK;
    while (clean && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int column = 0; clean && column < sqlite3_data_count(stmt); column++) {
            if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
                continue;
            const void *text = sqlite3_column_blob(stmt, column);
            int length = sqlite3_column_bytes(stmt, column);
            clean = length == 0 || (text != NULL && memchr(text, 0, (size_t)length) == NULL);
        }
    }
    int result = 0;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        result = rky_ledger_fail(ledger, rc, "read the rows", err);
    else if (!clean)
        result = rky_ledger_fail_damaged(ledger, "a text has a zero byte in it", err);
    (void)sqlite3_finalize(stmt); /* repeats what was reported */
    return result;
}

static int scan(struct rky_ledger *ledger, struct rky_error *err)
{
    static const char *const tables[] = {"meta",           "watermarks",    "tombstones",
                                         "counted_tables", "check_history", "runs",
                                         "jobs",           "plans",         "audit"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
        rc = scan_table(ledger, tables[i], err);
    return rc;
}

static int check_one_meta(struct rky_ledger *ledger, struct rky_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int64_t rows = 0;
    int rc = sqlite3_prepare_v2(ledger->db, "SELECT count(*) FROM meta", -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        rows = sqlite3_column_int64(stmt, 0);
    int result = 0;
    if (rc != SQLITE_ROW)
        result = rky_ledger_fail(ledger, rc, "read the generation", err);
    else if (rows != 1)
        result = rky_ledger_fail_damaged(ledger, "it does not say which state it is", err);
    (void)sqlite3_finalize(stmt); /* repeats what was reported */
    return result;
}

static int check_head(struct rky_ledger *ledger, const struct rky_snapshot_head *head,
                      struct rky_error *err)
{
    if (!rky_namespace_valid(head->namespace_) || !rky_uuid_valid(head->lineage) ||
        !rky_uuid_valid(head->write_id) || head->generation < 0 || head->fence < 0 ||
        head->min_reader_version < 1 || head->min_reader_version > head->schema_version)
        return rky_ledger_fail_damaged(ledger, "what it says of its version cannot be", err);
    return 0;
}

/* A whole file under another name: the head of one version around the content of another. */
static int compare_head(struct rky_ledger *ledger, const struct rky_snapshot_head *head,
                        const struct rky_snapshot_head *expected, struct rky_error *err)
{
    bool same = strcmp(head->namespace_, expected->namespace_) == 0 &&
                strcmp(head->lineage, expected->lineage) == 0 &&
                strcmp(head->write_id, expected->write_id) == 0 &&
                head->generation == expected->generation && head->fence == expected->fence &&
                head->schema_version == expected->schema_version &&
                head->min_reader_version == expected->min_reader_version &&
                head->ancestor_count == expected->ancestor_count;
    for (size_t i = 0; same && i < head->ancestor_count; i++)
        same = strcmp(head->ancestors[i], expected->ancestors[i]) == 0;
    if (same)
        return 0;
    char what[256];
    if (strcmp(head->write_id, expected->write_id) == 0 && head->generation == expected->generation)
        (void)snprintf(what, sizeof(what),
                       "it holds generation %" PRId64 " as its head says, but of another lineage, "
                       "fence, ancestry or schema version",
                       head->generation);
    else
        (void)snprintf(what, sizeof(what),
                       "it holds generation %" PRId64 " (write %s), its head says generation "
                       "%" PRId64 " (write %s)",
                       head->generation, head->write_id, expected->generation, expected->write_id);
    return rky_ledger_fail_damaged(ledger, what, err);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int check_marks(struct rky_ledger *ledger, enum rky_snapshot_fault *fault,
                       int64_t *ret_version, struct rky_error *err)
{
    struct rky_ledger_header header = {0};
    int rc = rky_ledger_header_read(ledger, &header, err);
    if (rc != 0)
        return rc;
    if (header.application_id != RKY_LEDGER_APPLICATION_ID)
        return rky_ledger_fail_damaged(ledger, "it is a database of another program", err);
    if (header.user_version < 1)
        return rky_ledger_fail_damaged(ledger, "it has no schema version", err);
    if (header.user_version > RKY_LEDGER_SCHEMA_VERSION) {
        *fault = RKY_SNAPSHOT_NEWER;
        return rky_ledger_fail_newer(ledger, header.user_version, err);
    }
    *ret_version = header.user_version;
    return 0;
}

static int check_namespace(struct rky_ledger *ledger, const struct rky_snapshot_head *head,
                           enum rky_snapshot_fault *fault, struct rky_error *err)
{
    if (ledger->namespace_ == NULL || strcmp(head->namespace_, ledger->namespace_) == 0)
        return 0;
    *fault = RKY_SNAPSHOT_WRONG_STATE;
    return rky_ledger_fail_namespace(ledger, head->namespace_, err);
}

static int verify(struct rky_ledger *ledger, const struct rky_snapshot_head *expected,
                  enum rky_snapshot_fault *fault, struct rky_snapshot_head *ret_head,
                  struct rky_error *err)
{
    struct rky_snapshot_head head = {.generation = 0};
    int64_t version = 0;
    bool journal = has_journal(ledger);
    int rc = check_start(ledger, journal, err);
    if (rc == 0)
        rc = open_untrusted(ledger, journal, err);
    if (rc == 0)
        rc = check_marks(ledger, fault, &version, err);
    if (rc == 0)
        rc = check_schema(ledger, version, err);
    if (rc == 0)
        rc = rky_ledger_check_pages(ledger, err);
    if (rc == 0)
        rc = scan(ledger, err);
    if (rc == 0)
        rc = check_one_meta(ledger, err);
    if (rc == 0)
        rc = rky_ledger_head(ledger, &head, err);
    if (rc == 0)
        rc = check_head(ledger, &head, err);
    if (rc == 0)
        rc = check_namespace(ledger, &head, fault, err);
    if (rc == 0 && expected != NULL)
        rc = compare_head(ledger, &head, expected, err);
    if (rc == 0 && ret_head != NULL)
        *ret_head = head;
    return rc;
}

int rky_ledger_verify_file(const char *path, const char *namespace_,
                           const struct rky_snapshot_head *expected,
                           enum rky_snapshot_fault *ret_fault, struct rky_snapshot_head *ret_head,
                           struct rky_error *err)
{
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_CORRUPT;
    struct rky_ledger ledger = {
        .mode = RKY_LEDGER_READ, .fetched = expected != NULL, .lock = {.fd = -1}};
    int rc = 0;
    ledger.path = rky_strdup(path);
    ledger.file = rky_sqlite_file_name(path);
    ledger.namespace_ = namespace_ == NULL ? NULL : rky_strdup(namespace_);
    if (ledger.path == NULL || ledger.file == NULL ||
        (namespace_ != NULL && ledger.namespace_ == NULL))
        rc = rky_fail_nomem(err);
    if (rc == 0)
        rc = verify(&ledger, expected, &fault, ret_head, err);
    rky_ledger_disconnect(&ledger);
    rky_free(ledger.path);
    rky_free(ledger.file);
    rky_free(ledger.namespace_);
    *ret_fault = rc == RKY_ERR_STATE_FILE ? fault : RKY_SNAPSHOT_GOOD;
    return rc;
}
