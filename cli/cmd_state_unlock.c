/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state unlock: show who holds a namespace, and take the lease away from a holder that is
 * known to be gone.
 *
 * Taking it from one that lives costs it its run, not the data: the next claim in the target shuts
 * it out. The lock of this machine is the kernel's and ends with its process, so it is shown and
 * never broken.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/state_holder.h"
#include "cli/state_session.h"
#include "cli/text.h"
#include "common/mem.h"

struct unlocking {
    bool held, broken;
    struct rky_lease_holder holder;
    char *lock_path;
    pid_t pid; /**< 0 = nobody of this machine */
};

/* --- what is there ------------------------------------------------------------------------ */

static void holder_text(const struct rky_lease_holder *holder, struct rky_strbuf *text)
{
    char since[RKY_TIME_TEXT_MAX], left[RKY_NUMBER_TEXT_MAX];
    int64_t since_us = rky_state_holder_since_us(holder);
    rky_strbuf_addf(text, "worker '%s'", holder->worker_id);
    if (holder->run_id[0] != '\0')
        rky_strbuf_addf(text, " with run %s", holder->run_id);
    if (since_us != 0) {
        rky_time_format(since_us, since);
        rky_strbuf_addf(text, ", begun at %s", since);
    }
    rky_strbuf_addf(text, ", token %lld; unless it is renewed it ends in %s",
                    (long long)holder->token, rky_duration_text(holder->left_ms, left));
}

static int look(const struct rky_cli *cli, struct rky_store *store, struct unlocking *unlocking,
                struct rky_error *err)
{
    int rc = rky_state_lock_holder(cli, &unlocking->lock_path, &unlocking->pid, err);
    if (rc == 0)
        rc = rky_state_holder(cli, store, &unlocking->held, &unlocking->holder, err);
    if (rc != 0 && rc != RKY_ERR_NOMEM && rc != RKY_ERR_IO) {
        rky_error_wrap(err, "who holds namespace '%s' is not known", cli->namespace_);
        if (err->code != RKY_ERR_CONFIG)
            err->code = RKY_ERR_UNAVAILABLE;
        rc = err->code;
    }
    return rc;
}

/* --- the change --------------------------------------------------------------------------- */

static int break_lease(const struct rky_cli *cli, struct rky_store *store,
                       struct unlocking *unlocking, struct rky_error *err)
{
    struct rky_lease_driver *driver = rky_leases_driver(rky_store_leases(store));
    struct rky_transfer transfer = rky_state_transfer(cli, 0);
    int rc = driver->ops->break_(driver, cli->namespace_, &unlocking->holder, &transfer, err);
    if (rc == RKY_ERR_FENCED || rc == RKY_ERR_NOT_FOUND || rc == RKY_ERR_CONFLICT) {
        rky_error_clear(err);
        rc = rky_fail(err, RKY_ERR_REFUSED,
                      "the lease of namespace '%s' changed hands meanwhile: nothing was done",
                      cli->namespace_);
        rky_error_hint(err, "look again with 'rocky state unlock'");
    }
    unlocking->broken = rc == 0;
    return rc;
}

/* Under the lease that is free now, like every change. */
static int record(const struct rky_cli *cli, const struct unlocking *unlocking,
                  struct rky_error *err)
{
    struct rky_state_session state = {0};
    struct rky_strbuf old = {0};
    int64_t generation = 0;
    char actor[RKY_ACTOR_MAX];
    rky_cli_actor(actor);
    holder_text(&unlocking->holder, &old);
    int rc = rky_state_open_write(cli, &state, err);
    struct rky_ledger *ledger = rky_state_ledger(&state);
    if (rc == 0)
        rc = rky_ledger_begin(ledger, err);
    if (rc != 0)
        goto out;
    rc = rky_state_inherit_lineage(cli, ledger, err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, "state unlock", cli->namespace_, rky_strbuf_text(&old), NULL,
                              actor, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    else
        rc = rky_state_commit(&state, NULL, err);
out:
    if (rc != 0)
        rky_error_wrap(err, "the lease was broken, but that is not recorded");
    rky_strbuf_done(&old);
    rky_state_close(&state);
    return rc;
}

static int unlock(struct rky_cli *cli, struct unlocking *unlocking, struct rky_error *err)
{
    struct rky_state_session state = {0};
    struct rky_strbuf text = {0};
    int rc = rky_state_open_store(cli, &state, err);
    if (rc == 0)
        rc = look(cli, state.store, unlocking, err);
    if (rc == 0 && unlocking->held) {
        holder_text(&unlocking->holder, &text);
        if (unlocking->pid == 0)
            rc = rky_cli_confirm(cli, err,
                                 "the lease of namespace '%s' would be taken from %s. A run that "
                                 "still works under it would be shut out",
                                 cli->namespace_, rky_strbuf_text(&text));
        else
            rc = rky_fail(err, RKY_ERR_LOCKED,
                          "namespace '%s' is in use by process %ld of this machine (lock '%s'): "
                          "its lease is not broken while it lives",
                          cli->namespace_, (long)unlocking->pid, unlocking->lock_path);
    }
    if (rc == 0 && unlocking->held)
        rc = break_lease(cli, state.store, unlocking, err);
    rky_state_close(&state);
    rky_strbuf_done(&text);
    if (rc == 0 && unlocking->broken) {
        rc = rky_cli_adapters(cli, err);
        if (rc == 0)
            rc = record(cli, unlocking, err);
    }
    return rc;
}

/* --- output ------------------------------------------------------------------------------- */

static json_t *lock_json(const struct unlocking *unlocking)
{
    if (unlocking->pid == 0)
        return json_null();
    return json_pack("{s:o, s:I}", "file", rky_cli_text_json(unlocking->lock_path), "pid",
                     (json_int_t)unlocking->pid);
}

static int print_unlocking(const struct rky_cli *cli, const struct unlocking *unlocking,
                           struct rky_error *err)
{
    if (!cli->json) {
        if (unlocking->broken)
            printf("took the lease of namespace '%s' from worker '%s'\n", cli->namespace_,
                   unlocking->holder.worker_id);
        else
            printf("nobody holds a lease of namespace '%s'\n", cli->namespace_);
        if (unlocking->pid != 0)
            printf("process %ld of this machine has it in use (lock '%s'); the lock ends with it\n",
                   (long)unlocking->pid, unlocking->lock_path);
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "namespace", json_string(cli->namespace_));
    bad |= json_object_set_new(object, "broken", json_boolean(unlocking->broken));
    bad |= json_object_set_new(
        object, "lease", unlocking->held ? rky_state_holder_json(&unlocking->holder) : json_null());
    bad |= json_object_set_new(object, "lock", lock_json(unlocking));
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

int rky_cmd_state_unlock(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct unlocking unlocking = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = unlock(cli, &unlocking, &err);
    if (rc == 0)
        rc = print_unlocking(cli, &unlocking, &err);
    rky_free(unlocking.lock_path);
    return rky_cli_end(cli, rc, &err);
}
