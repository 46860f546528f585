/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this process may read or write a schema's file: asked of the file system, without opening
 * or making anything. SQLite writes a journal beside the file, so the directory counts, too.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "engine/adapter/sqlite_internal.h"

static int refused(const char *path, const char *what, int saved_errno, struct rky_error *err)
{
    if (saved_errno != EACCES && saved_errno != EPERM && saved_errno != EROFS)
        return rky_fail_errno(err, saved_errno, "'%s' cannot be %s", path, what);
    (void)rky_fail(err, RKY_ERR_AUTH, "'%s' cannot be %s by user %ld: %s", path, what,
                   (long)geteuid(), strerror(saved_errno));
    rky_error_hint(err, "give the user the right to it, or run as one who has it");
    return RKY_ERR_AUTH;
}

/* Of a path that is not there yet, the nearest directory above it that is. */
static int check_parent(const char *path, struct rky_error *err)
{
    char *at = rky_strdup(path);
    int rc = at == NULL ? rky_fail_nomem(err) : RKY_OK;
    while (rc == RKY_OK) {
        char *parent = rky_path_dirname(at);
        rky_free(at);
        at = parent;
        if (at == NULL)
            rc = rky_fail_nomem(err);
        else if (rky_path_exists(at))
            break;
    }
    if (rc == RKY_OK && access(at, W_OK | X_OK) != 0)
        rc = refused(at, "written to", errno, err);
    rky_free(at);
    return rc;
}

int rky_sqlite_check_access(const struct rky_adapter *adapter, const char *catalog,
                            const char *schema, bool write, struct rky_error *err)
{
    char *file = NULL;
    int rc = rky_sqlite_file(adapter, catalog, schema, &file, err);
    if (rc != RKY_OK)
        return rc;
    if (!write && access(file, R_OK) != 0)
        rc = errno == ENOENT
                 ? rky_fail(err, RKY_ERR_SOURCE_MISSING, "source '%s' does not exist", file)
                 : refused(file, "read", errno, err);
    if (write && rky_path_exists(file) && access(file, R_OK | W_OK) != 0)
        rc = refused(file, "written to", errno, err);
    if (rc == RKY_OK && write)
        rc = check_parent(file, err);
    rky_free(file);
    return rc;
}
