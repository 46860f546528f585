/* SPDX-License-Identifier: Apache-2.0 */
/* rocky history accept: a table's newest row count is the new normal. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/state_session.h"
#include "cli/text.h"
#include "common/fsutil.h"
#include "common/mem.h"

static int check_known(struct rky_ledger *ledger, const char *table, struct rky_error *err)
{
    char **names = NULL;
    size_t count = 0;
    bool known = false;
    int rc = rky_ledger_count_tables(ledger, &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        known = known || strcmp(names[i], table) == 0;
    if (rc == 0 && !known)
        rc = rky_cli_unknown_table(table, names, count, err);
    for (size_t i = 0; i < count; i++)
        rky_free(names[i]);
    rky_free(names);
    return rc;
}

static int accept_in_ledger(struct rky_ledger *ledger, const char *table, int64_t *ret_count,
                            struct rky_error *err)
{
    struct rky_count *newest = NULL;
    size_t found = 0;
    int64_t generation = 0;
    char actor[RKY_ACTOR_MAX], value[RKY_NUMBER_TEXT_MAX] = "";
    rky_cli_actor(actor);
    int rc = rky_ledger_begin(ledger, err);
    if (rc != 0)
        return rc;
    rc = rky_ledger_counts(ledger, table, 1, &newest, &found, err);
    if (rc == 0 && found == 1) {
        *ret_count = newest[0].count;
        snprintf(value, sizeof(value), "%" PRId64, newest[0].count);
    }
    if (rc == 0)
        rc = rky_ledger_count_accept(ledger, table, err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, "history accept", table, NULL, value, actor, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    rky_free(newest);
    return rc;
}

static int print_accepted(const struct rky_cli *cli, const char *table, int64_t count,
                          struct rky_error *err)
{
    char text[RKY_NUMBER_TEXT_MAX];
    if (!cli->json) {
        printf("%s rows are the new normal of '%s'\n", rky_number_text(count, text), table);
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "table", rky_cli_text_json(table));
    bad |= json_object_set_new(object, "count", json_integer(count));
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

int rky_cmd_history_accept(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_state_session state = {0};
    const char *table = NULL;
    char *parts[3] = {NULL, NULL, NULL};
    int64_t count = 0;
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = rky_cli_table(cli, &table, parts, &err);
    /* Opening for writing makes a local file; without one no table has a history. */
    if (rc == 0 && cli->config->state.backend == RKY_BACKEND_LOCAL &&
        !rky_path_exists(cli->state_path))
        rc = rky_cli_unknown_table(table, NULL, 0, &err);
    if (rc == 0)
        rc = rky_state_open_write(cli, &state, &err);
    if (rc == 0)
        rc = check_known(rky_state_ledger(&state), table, &err);
    if (rc == 0)
        rc = accept_in_ledger(rky_state_ledger(&state), table, &count, &err);
    if (rc == 0)
        rc = rky_state_commit(&state, NULL, &err);
    if (rc == 0)
        rc = print_accepted(cli, table, count, &err);
    rky_state_close(&state);
    for (size_t i = 0; i < 3; i++)
        rky_free(parts[i]);
    return rky_cli_end(cli, rc, &err);
}
