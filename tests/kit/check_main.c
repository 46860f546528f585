/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/kit/check_main.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_directory[4096];
static pid_t test_directory_owner;

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_test_directory(void)
{
    /* A forked test must not remove what its siblings still use. */
    if (test_directory[0] != '\0' && getpid() == test_directory_owner)
        (void)nftw(test_directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *rky_test_directory(void)
{
    if (test_directory[0] == '\0' || getpid() != test_directory_owner) {
        const char *base = getenv("TMPDIR");
        (void)snprintf(test_directory, sizeof(test_directory), "%s/rocky-test-XXXXXX",
                       base != NULL ? base : "/tmp");
        if (mkdtemp(test_directory) == NULL) {
            perror("mkdtemp");
            exit(1);
        }
        test_directory_owner = getpid();
        (void)atexit(remove_test_directory);
    }
    return test_directory;
}

int rky_check_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    if (getenv("CK_TAP_LOG_FILE_NAME") == NULL)
        srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    /* Under automake the TAP lines carry the verdict; by hand the exit status should, too. */
    return getenv("CK_TAP_LOG_FILE_NAME") == NULL && failed > 0 ? 1 : 0;
}
