/* SPDX-License-Identifier: Apache-2.0 */
/* Watermark rows written from a command; see target_mark.h. */
#include "config.h"

#include "cli/target_mark.h"

#include "common/mem.h"

/* --- the claim ---------------------------------------------------------------------------- */

static int raise_floor(void *context, int64_t token, struct rky_error *err)
{
    return rky_sync_raise(context, token, err);
}

int rky_target_claim_take(struct rky_state_session *state, const char *catalog, const char *schema,
                          struct rky_target_claim *ret_claim, struct rky_error *err)
{
    const struct rky_cli *cli = state->cli;
    const struct rky_session_options options = {
        .source = cli->source,
        .lock_timeout_ms = cli->pipeline->lock_timeout_seconds * 1000,
        .create = false,
        .clock = cli->clock,
        .log = cli->log,
    };
    *ret_claim = (struct rky_target_claim){0};
    int rc = rky_state_lineage(cli, rky_state_ledger(state), ret_claim->lineage, err);
    if (rc == 0)
        rc = cli->target->ops->session_open(cli->target, catalog, schema, &options,
                                            &ret_claim->session, err);
    if (rc != 0)
        return rc;
    ret_claim->claim.namespace_ = cli->namespace_;
    ret_claim->claim.lineage = ret_claim->lineage;
    rky_uuid_v4(ret_claim->claim.claim_id);
    ret_claim->claim.token = rky_sync_token(state->sync);
    ret_claim->claim.raise = raise_floor;
    ret_claim->claim.raise_context = state->sync;
    rc = rky_sync_check(state->sync, err);
    if (rc == 0)
        rc = ret_claim->session->ops->claim(ret_claim->session, &ret_claim->claim, err);
    return rc;
}

int rky_target_claim_held(void *context, struct rky_error *err)
{
    struct rky_target_claim *claim = context;
    return claim->session->ops->claim_check(claim->session, &claim->claim, err);
}

int rky_target_claim_write(struct rky_target_claim *claim, const struct rky_mark *old,
                           const struct rky_mark *mark, char ret_commit_id[RKY_UUID_TEXT],
                           struct rky_error *err)
{
    struct rky_mark row = *mark;
    rky_uuid_v4(ret_commit_id);
    row.commit_id = ret_commit_id;
    return claim->session->ops->write_mark(claim->session, &claim->claim, mark->table_name,
                                           old == NULL ? NULL : old->commit_id, &row, err);
}

void rky_target_claim_done(struct rky_target_claim *claim)
{
    if (claim->session != NULL)
        claim->session->ops->session_close(claim->session);
    *claim = (struct rky_target_claim){0};
}

/* --- the ledger --------------------------------------------------------------------------- */

static int put_watermark(const struct rky_cli *cli, struct rky_ledger *ledger,
                         const struct rky_mark_record *record, struct rky_error *err)
{
    const struct rky_mark *mark = record->mark;
    struct rky_watermark known = {0};
    int rc = rky_ledger_watermark_get(ledger, mark->table_name, &known, err);
    if (rc != 0 && rc != RKY_ERR_NOT_FOUND)
        return rc;
    /* The row borrows everything it names; nothing of it is freed here. */
    union {
        const char *in;
        char *out;
    } commit_id = {.in = record->commit_id},
      source = {.in = record->source != NULL ? record->source : known.source},
      pipeline = {.in = cli->pipeline->name};
    const struct rky_watermark watermark = {
        .table = mark->table_name,
        .cursor_column = mark->cursor_column,
        .cursor_type = mark->cursor_type,
        .value = mark->value.text,
        .high_value = mark->high_value.text,
        .commit_id = commit_id.out,
        .source = source.out,
        .pipeline = pipeline.out,
        .updated_at_us = cli->clock->wall_us(cli->clock),
    };
    rc = rky_ledger_watermark_put(ledger, &watermark, err);
    rky_watermark_done(&known);
    return rc;
}

int rky_target_mark_record(const struct rky_cli *cli, struct rky_ledger *ledger,
                           const struct rky_mark_record *record, struct rky_error *err)
{
    int64_t generation = 0;
    char actor[RKY_ACTOR_MAX];
    rky_cli_actor(actor);
    int rc = rky_ledger_begin(ledger, err);
    if (rc != 0)
        return rc;
    rc = rky_state_inherit_lineage(cli, ledger, err);
    if (rc == 0)
        rc = put_watermark(cli, ledger, record, err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, record->action, record->mark->table_name, record->old_value,
                              record->new_value, actor, err);
    if (rc == 0)
        rc = rky_ledger_raise_fence(ledger, record->fence, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

void rky_target_mark_unconfirmed(struct rky_error *err)
{
    err->hint[0] = '\0';
    rky_error_hint(err,
                   "the target's row is written, and the next run follows it; the state and its "
                   "audit trail do not have it: run the command again when the backend answers");
}
