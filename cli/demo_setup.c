/* SPDX-License-Identifier: Apache-2.0 */
/* Where the demo works, with how much, and which programs it starts; see demo.h. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/demo.h"
#include "common/fsutil.h"

#define ROWS_DEFAULT 300000
#define ROWS_MIN 10000
#define ROWS_MAX 20000000

static bool is_empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return errno == ENOENT;
    int entries = 0;
    while (readdir(directory) != NULL)
        entries++;
    closedir(directory);
    return entries <= 2;
}

static int choose_directory(struct rky_demo *demo, struct rky_error *err)
{
    const char *given = rky_parsed_value(demo->cli->parsed, "directory");
    if (given == NULL) {
        const char *base = getenv("TMPDIR");
        char *template =
            rky_path_join(base == NULL || *base == '\0' ? "/tmp" : base, "rocky-demo.XXXXXX");
        if (template == NULL)
            return rky_fail_nomem(err);
        demo->directory = template;
        return mkdtemp(template) != NULL
                   ? 0
                   : rky_fail_errno(err, errno, "cannot make the directory '%s'", template);
    }
    if (!is_empty_directory(given)) {
        (void)rky_fail(err, RKY_ERR_USAGE, "'%s' is not an empty directory", given);
        rky_error_hint(err, "name a new one, or leave --directory out");
        return RKY_ERR_USAGE;
    }
    int rc = rky_mkdir_p(given, err);
    char *real = rc == 0 ? realpath(given, NULL) : NULL;
    if (rc == 0 && real == NULL)
        return rky_fail_errno(err, errno, "'%s'", given);
    demo->directory = rc == 0 ? rky_strdup(real) : NULL;
    free(real);
    return rc != 0 || demo->directory != NULL ? rc : rky_fail_nomem(err);
}

static int choose_rows(struct rky_demo *demo, struct rky_error *err)
{
    const char *text = rky_parsed_value(demo->cli->parsed, "rows");
    demo->rows = ROWS_DEFAULT;
    if (text == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    long long rows = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || rows < ROWS_MIN || rows > ROWS_MAX)
        return rky_fail(err, RKY_ERR_USAGE, "--rows is '%s': expected %d to %d", text, ROWS_MIN,
                        ROWS_MAX);
    demo->rows = rows;
    return 0;
}

/* A sibling in the same directory (installed), in the build tree, or whatever PATH has. */
static char *find_program(const char *own_directory, const char *name, const char *build_folder)
{
    char *installed = rky_asprintf("%s/%s", own_directory, name);
    char *built = rky_asprintf("%s/../%s/%s", own_directory, build_folder, name);
    char *real = built == NULL ? NULL : realpath(built, NULL);
    const char *found = name;
    if (installed != NULL && access(installed, X_OK) == 0)
        found = installed;
    else if (real != NULL && access(real, X_OK) == 0)
        found = real;
    char *program = rky_strdup(found);
    rky_free(installed);
    rky_free(built);
    free(real);
    return program;
}

static int find_programs(struct rky_demo *demo, struct rky_error *err)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0)
        return rky_fail_errno(err, errno, "cannot find the path of this program");
    self[length] = '\0';
    demo->rocky = rky_strdup(self);
    *strrchr(self, '/') = '\0';
    demo->worker = find_program(self, "rocky-worker", "worker");
    demo->producer = find_program(self, "rocky-producer", "producer");
    return demo->rocky == NULL || demo->worker == NULL || demo->producer == NULL
               ? rky_fail_nomem(err)
               : 0;
}

int rky_demo_setup(struct rky_demo *demo, struct rky_error *err)
{
    int rc = choose_rows(demo, err);
    if (rc == 0)
        rc = find_programs(demo, err);
    return rc == 0 ? choose_directory(demo, err) : rc;
}
