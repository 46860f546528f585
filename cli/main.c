/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky: parse the command line, call the command, return its exit code. Nothing else lives here.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "cli/context.h"
#include "cli/options.h"
#include "cli/output.h"
#include "common/exitcode.h"

static int dispatch(struct rky_cli *cli, const struct rky_parsed *parsed)
{
    if (rky_parsed_has(parsed, "help")) {
        rky_option_help(&rky_cli_program, parsed->command, stdout);
        return RKY_EXIT_OK;
    }
    if (rky_parsed_has(parsed, "version")) {
        printf("rocky %s\n", PACKAGE_VERSION);
        return RKY_EXIT_OK;
    }
    return parsed->command->run(parsed, cli);
}

int main(int argc, char **argv)
{
    struct rky_parsed parsed = {0};
    struct rky_error err = {0};
    struct rky_cli cli = {0};
    /* A reader that goes away is an error of write(), not a death without a word. */
    signal(SIGPIPE, SIG_IGN);

    int rc = rky_option_parse(&rky_cli_program, argc, argv, &parsed, &err);
    int started = rky_cli_init(&cli, rc == 0 ? &parsed : NULL, argc, argv, &err);
    int code = rc != 0 || started != 0 ? rky_cli_end(&cli, rc != 0 ? rc : started, &err)
                                       : dispatch(&cli, &parsed);
    /* What an earlier flush could not write is gone, and this one succeeds. */
    bool lost = ferror(stdout) != 0;
    int why = fflush(stdout) != 0 ? errno : 0;
    if ((lost || why != 0) && code == RKY_EXIT_OK) {
        struct rky_error flush = {0};
        if (why != 0)
            (void)rky_fail_errno(&flush, why, "writing to standard output");
        else
            (void)rky_fail(&flush, RKY_ERR_IO, "not all could be written to standard output");
        rky_cli_complain(&cli, &flush);
        code = RKY_EXIT_FAILED;
    }
    rky_cli_done(&cli);
    rky_parsed_done(&parsed);
    return code;
}
