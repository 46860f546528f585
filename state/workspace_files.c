/* SPDX-License-Identifier: Apache-2.0 */
/* Names and removal of copies; see workspace_files.h. */
#include "config.h"

#include "state/workspace_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"

static void remove_beside(const char *path, const char *ending)
{
    char *name = rky_asprintf("%s%s", path, ending);
    if (name != NULL)
        (void)unlink(name);
    rky_free(name);
}

/* The file itself before its mark: without the mark it would count, so that a file that cannot be
 * removed keeps it. @return whether the file is gone. */
bool rky_copy_remove(const char *path)
{
    static const char *const endings[] = {"-wal", "-shm", "-journal", ".base", ".lock"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        remove_beside(path, endings[i]);
    if (unlink(path) != 0 && errno != ENOENT)
        return false;
    remove_beside(path, ".unsettled");
    return true;
}

/* Where the next look must not find it again. */
int rky_copy_must_go(const char *path, struct rky_error *err)
{
    if (rky_copy_remove(path))
        return 0;
    int rc = rky_fail_errno(err, errno, "cannot remove '%s'", path);
    rky_error_hint(err, "it is a copy that does not count: remove it by hand");
    return rc;
}

/* @return the number a name begins with and @p ret_rest behind it, 0 without one. */
static int64_t leading_number(const char *name, const char **ret_rest)
{
    char *end = NULL;
    if (name[0] < '1' || name[0] > '9')
        return 0;
    errno = 0;
    int64_t number = strtoll(name, &end, 10);
    *ret_rest = end;
    return errno == 0 ? number : 0;
}

/* "<number>.db". @return the number, 0 for any other name. */
static int64_t number_of(const char *name)
{
    const char *rest = NULL;
    int64_t number = leading_number(name, &rest);
    return number > 0 && strcmp(rest, ".db") == 0 ? number : 0;
}

/* The greatest number counts; smaller ones are leftovers of an install that was interrupted, or of
 * a process that died. */
int rky_copies_newest(const char *directory_path, int64_t *ret_number, struct rky_error *err)
{
    int64_t newest = 0;
    DIR *directory = opendir(directory_path);
    if (directory == NULL)
        return rky_fail_errno(err, errno, "cannot read directory '%s'", directory_path);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        int64_t number = number_of(entry->d_name);
        newest = number > newest ? number : newest;
    }
    (void)closedir(directory);
    *ret_number = newest;
    return 0;
}

/* "<number>.db" and what may lie beside it, except what was set aside. @return 0 for other names.
 */
static int64_t leftover_of(const char *name)
{
    const char *rest = NULL;
    int64_t number = leading_number(name, &rest);
    bool ours = number > 0 && strncmp(rest, ".db", 3) == 0 && strcmp(rest, ".db.damaged") != 0;
    return ours ? number : 0;
}

void rky_copies_keep_only(const char *directory_path, int64_t newest)
{
    DIR *directory = opendir(directory_path);
    for (struct dirent *entry = directory != NULL ? readdir(directory) : NULL; entry != NULL;
         entry = readdir(directory)) {
        int64_t number = leftover_of(entry->d_name);
        if (number == 0 || number == newest)
            continue;
        char *path = rky_path_join(directory_path, entry->d_name);
        if (path != NULL)
            (void)unlink(path);
        rky_free(path);
    }
    if (directory != NULL)
        (void)closedir(directory);
}

char *rky_copy_path(const char *directory_path, int64_t number)
{
    return rky_asprintf("%s/%" PRId64 ".db", directory_path, number);
}

bool rky_copy_has(const char *path, const char *ending)
{
    char *name = rky_asprintf("%s%s", path, ending);
    bool found = name != NULL && rky_path_exists(name);
    rky_free(name);
    return found;
}
