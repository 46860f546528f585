/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, whole files and directories.
 *
 * A file is replaced by writing a sibling, flushing it, renaming it and flushing the directory, in
 * this order: a crash leaves the old or the new content, and a reported success survives power
 * loss. No state; any thread may call any function.
 */
#include <config.h>

#include "common/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

char *rky_path_join(const char *directory, const char *path)
{
    if (path[0] == '/' || directory[0] == '\0')
        return rky_strdup(path);
    size_t length = strlen(directory);
    return rky_asprintf("%s%s%s", directory, directory[length - 1] == '/' ? "" : "/", path);
}

char *rky_path_dirname(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    if (end == 0)
        return rky_strdup(".");
    while (end > 1 && path[end - 1] == '/')
        end--;
    return rky_strndup(path, end);
}

bool rky_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int rky_mkdir_p(const char *path, struct rky_error *err)
{
    if (is_directory(path))
        return 0;
    char *prefix = rky_strdup(path);
    if (prefix == NULL)
        return rky_fail_nomem(err);

    int rc = 0;
    size_t length = strlen(prefix);
    for (size_t i = 1; rc == 0 && i <= length; i++) {
        if (prefix[i] != '/' && prefix[i] != '\0')
            continue;
        prefix[i] = '\0';
        /* Somebody else may create it at the same moment: only the outcome counts. */
        int why = mkdir(prefix, 0700) == 0 ? 0 : errno; /* the look below has an errno of its own */
        if (why != 0 && !is_directory(prefix))
            rc = rky_fail_errno(err, why == EEXIST ? ENOTDIR : why, "cannot create directory '%s'",
                                prefix);
        prefix[i] = path[i];
    }
    if (rc == 0 && length == 0)
        rc = rky_fail(err, RKY_ERR_IO, "cannot create a directory with an empty name");
    rky_free(prefix);
    return rc;
}

/* Everything up to the end of @p fd; one byte above the limit is enough to know. */
static int read_all(int fd, const char *path, size_t limit, char **data, size_t *length,
                    struct rky_error *err)
{
    size_t capacity = 0;
    size_t used = 0;
    for (;;) {
        int rc = rky_array_reserve(data, &capacity, used + 4096, 1, err);
        if (rc != 0)
            return rc;
        ssize_t got = read(fd, *data + used, capacity - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rky_fail_errno(err, errno, "cannot read '%s'", path);
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > limit)
            return rky_fail(err, RKY_ERR_DECODE, "'%s' is larger than %zu bytes", path, limit);
    }
    (*data)[used] = '\0';
    *length = used;
    return 0;
}

int rky_read_file(const char *path, size_t limit, char **ret_data, size_t *ret_length,
                  struct rky_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "'%s' does not exist", path);
    if (fd < 0)
        return rky_fail_errno(err, errno, "cannot open '%s'", path);
    char *data = NULL;
    size_t length = 0;
    int rc = read_all(fd, path, limit, &data, &length, err);
    (void)close(fd); /* only read from: nothing can be lost */
    if (rc != 0) {
        rky_free(data);
        return rc;
    }
    *ret_data = data;
    *ret_length = length;
    return 0;
}

static int write_all(int fd, const char *path, const void *data, size_t length,
                     struct rky_error *err)
{
    const char *at = data;
    while (length > 0) {
        ssize_t done = write(fd, at, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return rky_fail_errno(err, errno, "cannot write '%s'", path);
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

static int sync_directory_of(const char *path, struct rky_error *err)
{
    int rc = 0;
    int fd = -1;
    char *directory = rky_path_dirname(path);
    if (directory == NULL)
        return rky_fail_nomem(err);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = rky_fail_errno(err, errno, "cannot flush directory '%s'", directory);
    if (fd >= 0)
        (void)close(fd);
    rky_free(directory);
    return rc;
}

int rky_write_file_atomic(const char *path, const void *data, size_t length, struct rky_error *err)
{
    int rc = 0;
    int fd = -1;
    bool written = false;
    char *sibling = rky_asprintf("%s.XXXXXX", path);
    if (sibling == NULL)
        return rky_fail_nomem(err);

    fd = mkostemp(sibling, O_CLOEXEC);
    if (fd < 0) {
        rc = rky_fail_errno(err, errno, "cannot create a file beside '%s'", path);
        goto out;
    }
    written = true;
    rc = write_all(fd, path, data, length, err);
    if (rc == 0 && fsync(fd) != 0)
        rc = rky_fail_errno(err, errno, "cannot flush '%s'", path);
    if (close(fd) != 0 && rc == 0)
        rc = rky_fail_errno(err, errno, "cannot close '%s'", path);
    if (rc != 0)
        goto out;
    if (rename(sibling, path) != 0) {
        rc = rky_fail_errno(err, errno, "cannot replace '%s'", path);
        goto out;
    }
    written = false;
    rc = sync_directory_of(path, err);

out:
    if (written)
        (void)unlink(sibling); /* the failure that brought us here is the one to report */
    rky_free(sibling);
    return rc;
}
