/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a script of tests/kit: the scripts do the work, here is only their command line.
 */
#include "config.h"

#include "tests/kit/run_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

int rky_run_script(const char *script, const char *arguments, char *ret_output, size_t size)
{
    const char *top = getenv("top_srcdir");
    char command[8800], rest[256];
    (void)snprintf(command, sizeof(command), "exec bash '%s/tests/kit/%s' %s",
                   top != NULL ? top : RKY_TOP_SRCDIR, script, arguments);
    FILE *output = popen(command, "r"); /* NOLINT: the test's own command line */
    if (output == NULL)
        return 1;
    ret_output[fread(ret_output, 1, size - 1, output)] = '\0';
    while (fread(rest, 1, sizeof(rest), output) > 0)
        ;
    int status = pclose(output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
