/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver: a warehouse is a directory, a catalog a directory in it, a schema a file
 * `<path>/<catalog>/<schema>.db`.
 *
 * The adapter itself is immutable but for one idle reader under its own lock; any thread may use
 * it. No database file is ever opened but through SQLite: closing a descriptor of our own would
 * drop the locks that SQLite holds on it in this process.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fsutil.h"
#include "engine/adapter/drivers.h"
#include "engine/adapter/sqlite_internal.h"

static const char suffix[] = ".db";
/* "-journal" behind the longest name must still be a file name. */
enum { NAME_MAX_BYTES = 240 };

static void close_adapter(struct rky_adapter *adapter)
{
    struct rky_sqlite *sqlite = (struct rky_sqlite *)adapter;
    if (sqlite == NULL)
        return;
    rky_sqlite_reader_free(sqlite->reader);
    (void)pthread_mutex_destroy(&sqlite->reader_lock);
    rky_free(sqlite->name);
    rky_free(sqlite->path);
    rky_free(sqlite);
}

static int open_adapter(const struct rky_adapter_config *config, struct rky_adapter **ret_adapter,
                        struct rky_error *err)
{
    if (config->path == NULL || config->path[0] == '\0')
        return rky_fail(err, RKY_ERR_CONFIG, "adapter '%s': type 'sqlite' needs a path",
                        config->name != NULL ? config->name : "");
    struct rky_sqlite *sqlite = rky_calloc(1, sizeof(*sqlite));
    if (sqlite == NULL)
        return rky_fail_nomem(err);
    sqlite->base.ops = &rky_sqlite_ops;
    (void)pthread_mutex_init(&sqlite->reader_lock, NULL);
    sqlite->name = rky_strdup(config->name != NULL ? config->name : "");
    sqlite->path = rky_strdup(config->path);
    if (sqlite->name == NULL || sqlite->path == NULL) {
        close_adapter(&sqlite->base);
        return rky_fail_nomem(err);
    }
    *ret_adapter = &sqlite->base;
    return RKY_OK;
}

/* --- names and paths -------------------------------------------------------------------------- */

static const char *name_fault(const char *name)
{
    if (name[0] == '\0')
        return "is empty";
    if (strspn(name, ".") == strlen(name))
        return "consists of dots";
    if (strchr(name, '/') != NULL)
        return "contains '/'";
    if (strlen(name) > NAME_MAX_BYTES)
        return "is longer than 240 bytes";
    if (!rky_utf8_valid(name, strlen(name)))
        return "is not valid UTF-8";
    return NULL;
}

int rky_sqlite_check_name(const struct rky_adapter *adapter, const char *catalog,
                          const char *schema, struct rky_error *err)
{
    (void)adapter;
    const char *fault = name_fault(catalog);
    if (fault != NULL)
        return rky_fail(err, RKY_ERR_CONFIG, "catalog name '%s' %s: it cannot be a directory",
                        catalog, fault);
    fault = name_fault(schema);
    if (fault != NULL)
        return rky_fail(err, RKY_ERR_CONFIG, "schema name '%s' %s: it cannot be a file", schema,
                        fault);
    return RKY_OK;
}

int rky_sqlite_file(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                    char **ret_file, struct rky_error *err)
{
    const struct rky_sqlite *sqlite = (const struct rky_sqlite *)adapter;
    int rc = rky_sqlite_check_name(adapter, catalog, schema, err);
    if (rc != RKY_OK)
        return rc;
    *ret_file = rky_asprintf("%s/%s/%s%s", sqlite->path, catalog, schema, suffix);
    return *ret_file != NULL ? RKY_OK : rky_fail_nomem(err);
}

char *rky_sqlite_uri(const char *file, const char *query)
{
    struct rky_strbuf uri = {0};
    rky_strbuf_add(&uri, "file:");
    for (const char *at = file; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || strchr("/._~-", *at) != NULL;
        if (plain)
            rky_strbuf_addc(&uri, *at);
        else
            rky_strbuf_addf(&uri, "%%%02X", (unsigned)(unsigned char)*at);
    }
    if (query != NULL)
        rky_strbuf_addf(&uri, "?%s", query);
    return rky_strbuf_take(&uri);
}

/* realpath() of what exists of a path, the rest as it is. @return owned, NULL without memory. */
static char *canonical(const char *path)
{
    char *real = realpath(path, NULL);
    if (real != NULL) {
        char *copy = rky_strdup(real);
        free(real);
        return copy;
    }
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return rky_strdup(path);
    char *directory = rky_strndup(path, (size_t)(slash - path));
    char *head = directory != NULL ? canonical(directory) : NULL;
    char *joined = head != NULL ? rky_asprintf("%s%s", head, slash) : NULL;
    rky_free(directory);
    rky_free(head);
    return joined;
}

static int location(const struct rky_adapter *adapter, const char *catalog, const char *schema,
                    char **ret_location, struct rky_error *err)
{
    char *file = NULL;
    int rc = rky_sqlite_file(adapter, catalog, schema, &file, err);
    if (rc != RKY_OK)
        return rc;
    *ret_location = canonical(file);
    rky_free(file);
    return *ret_location != NULL ? RKY_OK : rky_fail_nomem(err);
}

/* --- listing ---------------------------------------------------------------------------------- */

static bool is_schema_file(int directory, const char *name, const char *prefix)
{
    size_t length = strlen(name);
    struct stat st;
    return length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0 &&
           strncmp(name, prefix, strlen(prefix)) == 0 &&
           strlen(prefix) <= length - strlen(suffix) && rky_utf8_valid(name, length) &&
           fstatat(directory, name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int by_name(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

static int add_schemas(DIR *directory, const char *prefix, struct rky_strings *schemas,
                       struct rky_error *err)
{
    int rc = RKY_OK;
    struct dirent *entry = NULL;
    while (rc == RKY_OK && (entry = readdir(directory)) != NULL) {
        if (!is_schema_file(dirfd(directory), entry->d_name, prefix))
            continue;
        char *stem = rky_strndup(entry->d_name, strlen(entry->d_name) - strlen(suffix));
        if (stem == NULL)
            return rky_fail_nomem(err);
        if (name_fault(stem) == NULL)
            rc = rky_strings_add(schemas, stem, err);
        rky_free(stem);
    }
    return rc;
}

static int list_schemas(const struct rky_adapter *adapter, const char *catalog, const char *prefix,
                        struct rky_strings *ret_schemas, struct rky_error *err)
{
    const struct rky_sqlite *sqlite = (const struct rky_sqlite *)adapter;
    struct rky_strings schemas = {0};
    int rc = rky_sqlite_check_name(adapter, catalog, "x", err);
    if (rc != RKY_OK)
        return rc;
    char *path = rky_path_join(sqlite->path, catalog);
    if (path == NULL)
        return rky_fail_nomem(err);
    DIR *directory = opendir(path);
    if (directory == NULL && (errno == ENOENT || errno == ENOTDIR)) {
        rc = rky_fail(err, RKY_ERR_SOURCE_MISSING, "catalog '%s': there is no directory '%s'",
                      catalog, path);
        rky_error_hint(err, "adapter.%s%spath must hold a directory per catalog", sqlite->name,
                       sqlite->name[0] != '\0' ? "." : "");
    } else if (directory == NULL) {
        rc = rky_fail_errno(err, errno, "cannot list catalog '%s' in '%s'", catalog, path);
    } else {
        rc = add_schemas(directory, prefix != NULL ? prefix : "", &schemas, err);
        (void)closedir(directory);
    }
    rky_free(path);
    if (rc != RKY_OK) {
        rky_strings_done(&schemas);
        return rc;
    }
    if (schemas.count > 1)
        qsort(schemas.items, schemas.count, sizeof(*schemas.items), by_name);
    *ret_schemas = schemas;
    return RKY_OK;
}

static int session_describe(struct rky_session *session, struct rky_schema_info *ret_info,
                            struct rky_error *err)
{
    struct rky_sqlite_session *own = (struct rky_sqlite_session *)session;
    /* The list of tables is made over every attached file; a locked source must not stop it. */
    rky_sqlite_detach(own);
    return rky_sqlite_describe_db(own->db, own->file, ret_info, err);
}

const struct rky_adapter_ops rky_sqlite_ops = {
    .type = "sqlite",
    .open = open_adapter,
    .close = close_adapter,
    .list_schemas = list_schemas,
    .describe = rky_sqlite_describe,
    .location = location,
    .check_name = rky_sqlite_check_name,
    .check_access = rky_sqlite_check_access,
    .facts = rky_sqlite_facts,
    .statements = rky_sqlite_statements,
    .session_open = rky_sqlite_session_open,
    .session_close = rky_sqlite_session_close,
    .session_interrupt = rky_sqlite_session_interrupt,
    .session_progress = rky_sqlite_session_progress,
    .session_describe = session_describe,
    .read_fence = rky_sqlite_read_fence,
    .read_marks = rky_sqlite_read_marks,
    .read_commits = rky_sqlite_read_commits,
    .has_rows = rky_sqlite_has_rows,
    .claim = rky_sqlite_claim,
    .set_lineage = rky_sqlite_set_lineage,
    .claim_check = rky_sqlite_claim_check,
    .copy = rky_sqlite_copy,
    .write_mark = rky_sqlite_write_mark,
    .sweep_commits = rky_sqlite_sweep_commits,
    .type_fits = rky_sqlite_type_fits,
};
