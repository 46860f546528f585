/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state delete: forget one table's watermark.
 *
 * A tombstone in the ledger, newer than anything the target has seen, makes the table's next run a
 * full refresh; the target is not touched. The target must answer, because a tombstone with too low
 * a number would be ignored without a word.
 */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/one_table.h"
#include "cli/output.h"
#include "cli/state_session.h"
#include "common/fsutil.h"

/* A table that was never copied is known when the pipeline would copy it. */
static int check_known(const struct rky_cli *cli, struct rky_one_table *one, struct rky_error *err)
{
    if (one->watermark != NULL || one->mark != NULL)
        return 0;
    int rc = rky_one_table_source(cli, one, err);
    if (rc == 0 && one->source_table == NULL)
        rc = rky_one_table_unknown(one, err);
    return rc;
}

static int read_target(const struct rky_cli *cli, struct rky_one_table *one, struct rky_error *err)
{
    int rc = rky_one_table_target(cli, one, err);
    return rc == 0 ? rky_one_table_ours(cli, one, err) : rc;
}

/* Opening the ledger of a local state makes its file: a mistyped name should not. What is read here
 * is read again under the lock, where it counts. */
static int check_before_creating(const struct rky_cli *cli, struct rky_error *err)
{
    if (cli->config->state.backend != RKY_BACKEND_LOCAL || rky_path_exists(cli->state_path))
        return 0;
    struct rky_one_table one = {0};
    int rc = rky_one_table_take(cli, &one, err);
    if (rc == 0)
        rc = read_target(cli, &one, err);
    if (rc == 0)
        rc = check_known(cli, &one, err);
    rky_one_table_done(&one);
    return rc;
}

static int write_tombstone(const struct rky_cli *cli, struct rky_ledger *ledger,
                           const struct rky_one_table *one, struct rky_error *err)
{
    int64_t known = one->tombstone_seq, generation = 0;
    char actor[RKY_ACTOR_MAX];
    rky_cli_actor(actor);
    if (one->mark != NULL && one->mark->tombstone_seq > known)
        known = one->mark->tombstone_seq;

    int rc = rky_ledger_begin(ledger, err);
    if (rc != 0)
        return rc;
    rc = rky_state_inherit_lineage(cli, ledger, err);
    if (rc == 0)
        rc = rky_ledger_tombstone_put(ledger, one->table, known + 1, "state delete", err);
    if (rc == 0 && one->watermark != NULL)
        rc = rky_ledger_watermark_delete(ledger, one->table, err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, "state delete", one->table, rky_one_table_value(one), NULL,
                              actor, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

static int print_deletion(const struct rky_cli *cli, const struct rky_one_table *one,
                          struct rky_error *err)
{
    const char *value = rky_one_table_value(one);
    if (!cli->json) {
        printf("deleted the watermark of '%s' (it was %s%s%s); its next run is a full refresh\n",
               one->table, value == NULL ? "" : "'", value == NULL ? "not set" : value,
               value == NULL ? "" : "'");
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "table", rky_cli_text_json(one->table));
    bad |= json_object_set_new(object, "old_value", rky_cli_text_json(value));
    bad |= json_object_set_new(object, "new_value", json_null());
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

int rky_cmd_state_delete(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_one_table one = {0};
    struct rky_state_session session = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = rky_one_table_take(cli, &one, &err);
    if (rc == 0)
        rc = rky_cli_adapters(cli, &err);
    if (rc == 0)
        rc = check_before_creating(cli, &err);
    if (rc == 0)
        rc = rky_state_open_write(cli, &session, &err);
    if (rc == 0)
        rc = rky_one_table_ledger(rky_state_ledger(&session), &one, &err);
    if (rc == 0)
        rc = read_target(cli, &one, &err);
    if (rc == 0)
        rc = check_known(cli, &one, &err);
    if (rc == 0)
        rc = write_tombstone(cli, rky_state_ledger(&session), &one, &err);
    if (rc == 0)
        rc = rky_state_commit(&session, NULL, &err);
    if (rc == 0)
        rc = print_deletion(cli, &one, &err);
    rky_one_table_done(&one);
    rky_state_close(&session);
    return rky_cli_end(cli, rc, &err);
}
