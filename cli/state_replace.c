/* SPDX-License-Identifier: Apache-2.0 */
/* Another version's content; see state_replace.h. */
#include "config.h"

#include "cli/state_replace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "common/fsutil.h"
#include "common/mem.h"

/* --- what comes in ------------------------------------------------------------------------ */

static int make_place(struct rky_incoming *incoming, struct rky_error *err)
{
    int rc = rky_private_directory(&incoming->directory, err);
    if (rc == 0)
        incoming->path = rky_path_join(incoming->directory, "incoming.db");
    return rc == 0 && incoming->path == NULL ? rky_fail_nomem(err) : rc;
}

static bool is_envelope(const void *bytes, size_t length)
{
    return length >= 4 && memcmp(bytes, "RKYS", 4) == 0;
}

int rky_incoming_take(const struct rky_cli *cli, const void *bytes, size_t length,
                      struct rky_incoming *ret_incoming, struct rky_error *err)
{
    struct rky_snapshot_key key = {0};
    unsigned char *raw = NULL;
    size_t raw_length = 0;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    bool sealed = is_envelope(bytes, length);
    *ret_incoming = (struct rky_incoming){0};
    int rc = make_place(ret_incoming, err);
    if (rc == 0)
        rc = rky_snapshot_key_parse(cli->config->state.encryption_key, &key, err);
    if (rc == 0 && sealed)
        rc = rky_snapshot_decode(bytes, length, cli->namespace_, &key, &ret_incoming->head, &raw,
                                 &raw_length, &fault, err);
    if (rc == 0)
        rc = rky_ledger_install(ret_incoming->path, sealed ? raw : bytes,
                                sealed ? raw_length : length, err);
    if (rc == 0)
        rc = rky_ledger_verify_file(ret_incoming->path, cli->namespace_,
                                    sealed ? &ret_incoming->head : NULL, &fault,
                                    sealed ? NULL : &ret_incoming->head, err);
    if (rc != 0 && fault == RKY_SNAPSHOT_WRONG_STATE)
        rky_error_hint(err, "a state belongs to one namespace for good: name that one with "
                            "--namespace");
    rky_free(raw);
    return rc;
}

void rky_incoming_done(struct rky_incoming *incoming)
{
    if (incoming->path != NULL)
        (void)unlink(incoming->path);
    if (incoming->directory != NULL)
        (void)rmdir(incoming->directory);
    rky_free(incoming->path);
    rky_free(incoming->directory);
    *incoming = (struct rky_incoming){0};
}

/* --- replacing ---------------------------------------------------------------------------- */

/* A state that did not exist takes the targets' lineage, else that of what comes in. */
static int choose_lineage(const struct rky_cli *cli, struct rky_ledger *ledger,
                          const struct rky_ledger_meta *meta, const struct rky_incoming *incoming,
                          struct rky_replacement *replacement, struct rky_error *err)
{
    int rc = rky_state_lineage(cli, ledger, replacement->lineage, err);
    if (rc == 0 && meta->generation == 0 && strcmp(replacement->lineage, meta->lineage) == 0)
        memcpy(replacement->lineage, incoming->head.lineage, sizeof(replacement->lineage));
    return rc;
}

static int write_content(struct rky_ledger *ledger, const struct rky_incoming *incoming,
                         const char *action, const char *from, const char *old_write_id,
                         struct rky_replacement *replacement, struct rky_error *err)
{
    char actor[RKY_ACTOR_MAX];
    rky_cli_actor(actor);
    char *old = rky_asprintf("generation %" PRId64 ", write id %s", replacement->old_generation,
                             old_write_id);
    char *new = rky_asprintf("restored_from %" PRId64 ", write id %s, %s",
                             incoming->head.generation, incoming->head.write_id, from);
    int rc = old == NULL || new == NULL ? rky_fail_nomem(err) : rky_ledger_begin(ledger, err);
    if (rc != 0)
        goto out;
    rc = rky_ledger_set_lineage(ledger, replacement->lineage, err);
    if (rc == 0)
        rc = rky_ledger_replace_content(ledger, incoming->path, err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, action, "state", old, new, actor, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &replacement->generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
out:
    rky_free(old);
    rky_free(new);
    return rc;
}

int rky_state_replace(struct rky_state_session *state, const struct rky_incoming *incoming,
                      const char *action, const char *from, struct rky_replacement *ret_replacement,
                      struct rky_error *err)
{
    const struct rky_cli *cli = state->cli;
    struct rky_ledger *ledger = rky_state_ledger(state);
    struct rky_ledger_meta meta = {0};
    struct rky_watermark *watermarks = NULL;
    *ret_replacement = (struct rky_replacement){.restored_from = incoming->head.generation};
    int rc = rky_ledger_meta(ledger, &meta, err);
    if (rc != 0)
        return rc;
    ret_replacement->old_generation = meta.generation;
    /* Where there is no state nothing is lost. */
    if (rky_state_is_damaged(state))
        rc = rky_cli_confirm(cli, err,
                             "the state of namespace '%s' is of no use and would be replaced by "
                             "history and plans of "
                             "generation %" PRId64 " from %s; the watermarks follow the target",
                             cli->namespace_, incoming->head.generation, from);
    else if (meta.generation > 0)
        rc = rky_cli_confirm(
            cli, err,
            "history and plans of namespace '%s' (now generation %" PRId64
            ") would be replaced by those of generation %" PRId64
            " from %s; jobs, tombstones and audit trail are kept, and the watermarks "
            "follow the target",
            cli->namespace_, meta.generation, incoming->head.generation, from);
    if (rc == 0)
        rc = choose_lineage(cli, ledger, &meta, incoming, ret_replacement, err);
    if (rc == 0)
        rc = write_content(ledger, incoming, action, from, meta.write_id, ret_replacement, err);
    if (rc == 0)
        rc = rky_ledger_watermarks(ledger, &watermarks, &ret_replacement->watermarks, err);
    rky_watermarks_free(watermarks, ret_replacement->watermarks);
    if (rc == 0)
        rc = rky_state_commit(state, NULL, err);
    /* A merge on the way gives it another number. */
    if (rc == 0)
        rc = rky_ledger_meta(rky_state_ledger(state), &meta, err);
    ret_replacement->generation = meta.generation;
    return rc;
}

int rky_replacement_print(const struct rky_cli *cli, const struct rky_replacement *replacement,
                          struct rky_error *err)
{
    if (!cli->json) {
        printf("namespace '%s' has the history and plans of generation %" PRId64
               " again, as generation %" PRId64 "; the watermarks follow the target\n",
               cli->namespace_, replacement->restored_from, replacement->generation);
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "namespace", json_string(cli->namespace_));
    bad |= json_object_set_new(object, "lineage", json_string(replacement->lineage));
    bad |= json_object_set_new(object, "old_generation", json_integer(replacement->old_generation));
    bad |= json_object_set_new(object, "restored_from", json_integer(replacement->restored_from));
    bad |= json_object_set_new(object, "generation", json_integer(replacement->generation));
    bad |= json_object_set_new(object, "watermarks",
                               json_integer((json_int_t)replacement->watermarks));
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

int rky_replace_command(struct rky_cli *cli, rky_replace_fn *replace)
{
    struct rky_error err = {0};
    struct rky_state_session state = {0};
    struct rky_replacement replacement = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = replace(cli, &state, &replacement, &err);
    if (rc == 0)
        rc = rky_replacement_print(cli, &replacement, &err);
    rky_state_close(&state);
    return rky_cli_end(cli, rc, &err);
}
