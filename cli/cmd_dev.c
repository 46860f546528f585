/* SPDX-License-Identifier: Apache-2.0 */
/* rocky dev broker, and the hidden commands that the build and its tests call. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/man.h"
#include "cli/output.h"
#include "cli/programs.h"
#include "cli/stop.h"
#include "common/fault.h"
#include "common/mem.h"
#include "schemas/shape.h"
#include "transport/transport.h"

/* --- broker ------------------------------------------------------------------------------- */

static int announce(const struct rky_cli *cli, const char *bootstrap, struct rky_error *err)
{
    int rc = 0;
    if (cli->json) {
        json_t *object = rky_cli_envelope(cli);
        if (json_object_set_new(object, "bootstrap", json_string(bootstrap)) != 0) {
            json_decref(object);
            object = NULL;
        }
        rc = rky_cli_print(object, err);
    } else {
        /* The address alone, so that a script can read the first line and go on. */
        rc = rky_cli_print_text(bootstrap, err);
    }
    /* Whoever waits for the address reads a pipe; nobody would find a broker without one. */
    if (rc == 0 && fflush(stdout) != 0)
        rc = rky_fail_errno(err, errno, "writing to standard output");
    return rc;
}

int rky_cmd_dev_broker(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_stop *stop = NULL;
    struct rky_broker *broker = NULL;
    int rc = rky_stop_start(&stop, &err);
    if (rc == 0)
        rc = rky_broker_start(&broker, &err);
    if (rc == 0)
        rc = announce(cli, rky_broker_bootstrap(broker), &err);
    if (rc == 0)
        (void)rky_stop_wait(stop, -1);
    if (broker != NULL)
        rky_broker_stop(broker);
    rky_stop_end(stop);
    return rky_cli_end(cli, rc, &err);
}

/* --- for the build ------------------------------------------------------------------------ */

int rky_cmd_dev_faults(const struct rky_parsed *parsed, void *program)
{
    (void)parsed, (void)program;
    for (const char *const *name = rky_fault_names(); *name != NULL; name++)
        printf("%s\n", *name);
    return RKY_EXIT_OK;
}

int rky_cmd_dev_man(const struct rky_parsed *parsed, void *program)
{
    struct rky_error err = {0};
    const struct rky_program_row *row = NULL;
    int rc = rky_program_find(parsed->arguments[0], &row, &err);
    if (rc == 0) {
        rky_option_man(row->program, stdout);
        rky_man_exits(row, stdout);
    }
    return rky_cli_end(program, rc, &err);
}

int rky_cmd_dev_completion(const struct rky_parsed *parsed, void *program)
{
    struct rky_error err = {0};
    const struct rky_program_row *row = NULL;
    int rc = rky_program_find(parsed->arguments[1], &row, &err);
    if (rc == 0)
        rc = rky_option_completion(row->program, parsed->arguments[0], stdout, &err);
    return rky_cli_end(program, rc, &err);
}

int rky_cmd_dev_keys(const struct rky_parsed *parsed, void *program)
{
    (void)parsed, (void)program;
    rky_man_keys(stdout);
    return RKY_EXIT_OK;
}

int rky_cmd_dev_schema(const struct rky_parsed *parsed, void *program)
{
    struct rky_error err = {0};
    const char *name = parsed->arguments[0];
    for (const struct rky_published_shape *row = rky_shapes(); row->name != NULL; row++) {
        if (strcmp(row->name, name) != 0)
            continue;
        json_t *schema = rky_shape_schema(row);
        int rc = schema == NULL ? rky_fail_nomem(&err) : 0;
        if (rc == 0 && json_dumpf(schema, stdout, JSON_INDENT(2)) != 0)
            rc = rky_fail(&err, RKY_ERR_IO, "writing the schema '%s' failed", name);
        putchar('\n');
        json_decref(schema);
        return rky_cli_end(program, rc, &err);
    }
    int rc = rky_fail(&err, RKY_ERR_USAGE, "there is no schema '%s'", name);
    return rky_cli_end(program, rc, &err);
}
