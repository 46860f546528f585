/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/reconcile.h"

#include <stdio.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void warn(struct rky_decision *decision, const char *code, const char *text)
{
    decision->warning_code = code;
    (void)snprintf(decision->warning, sizeof(decision->warning), "%s", text);
}

static int64_t mark_seq(const struct rky_reconcile_input *input)
{
    return input->mark != NULL ? input->mark->tombstone_seq : 0;
}

static void full_refresh(const struct rky_reconcile_input *input, const char *reason,
                         struct rky_decision *decision)
{
    decision->action = RKY_ACTION_FULL_REFRESH;
    decision->reason = reason;
    decision->tombstone_seq = input->ledger_tombstone_seq > mark_seq(input)
                                  ? input->ledger_tombstone_seq
                                  : mark_seq(input);
}

/* The last write went forward: only then does an older target mean that it was restored. */
static bool moved_back_on_purpose(const struct rky_mark *mark)
{
    return same_text(mark->action, "set") || same_text(mark->action, "full_refresh");
}

static void compare_with_ledger(const struct rky_reconcile_input *input,
                                struct rky_decision *decision)
{
    const struct rky_mark *mark = input->mark;
    if (input->ledger == NULL) {
        decision->reconciled = true;
        return;
    }
    if (same_text(input->ledger->commit_id, mark->commit_id))
        return;
    decision->reconciled = true;
    struct rky_cursor known = {.type = rky_cursor_type_parse(input->ledger->cursor_type),
                               .text = input->ledger->value};
    if (known.text == NULL)
        known.type = RKY_CURSOR_NONE;
    if (rky_cursor_compare(&mark->value, &known) < 0 && !moved_back_on_purpose(mark)) {
        decision->regressed = true;
        decision->warning_code = "watermark-regressed";
        (void)snprintf(decision->warning, sizeof(decision->warning),
                       "the target's watermark %s is older than the ledger's %s: the target was "
                       "restored from an older copy; continuing from the target",
                       mark->value.text != NULL ? mark->value.text : "(none)",
                       known.text != NULL ? known.text : "(none)");
    }
}

static int check_cursor_column(const struct rky_reconcile_input *input, struct rky_error *err)
{
    const struct rky_mark *mark = input->mark;
    if (mark->cursor_column == NULL || same_text(mark->cursor_column, input->cursor_column))
        return RKY_OK;
    int rc = rky_fail(err, RKY_ERR_CONFIG,
                      "table '%s' was copied by cursor '%s', the configuration now says '%s'",
                      input->table, mark->cursor_column,
                      input->cursor_column != NULL ? input->cursor_column : "(none)");
    rky_error_hint(err,
                   "a watermark cannot move to another column: put timestamp_column back, or run "
                   "`rocky state delete --table '%s'` to copy the table whole again",
                   input->table);
    return rc;
}

static int managed(const struct rky_reconcile_input *input, struct rky_decision *decision,
                   struct rky_error *err)
{
    if (input->content == RKY_TARGET_MISSING) {
        full_refresh(input, "target-missing", decision);
        warn(decision, "target-missing",
             "the target table is gone although it was copied before; it is copied whole again");
        return RKY_OK;
    }
    compare_with_ledger(input, decision);
    if (input->full_refresh || input->strategy == RKY_STRATEGY_FULL_REFRESH) {
        full_refresh(input, input->full_refresh ? "asked for" : "strategy", decision);
        return RKY_OK;
    }
    if (check_cursor_column(input, err) != RKY_OK)
        return RKY_ERR_CONFIG;
    decision->action = RKY_ACTION_INCREMENTAL;
    decision->reason = "watermark";
    decision->tombstone_seq = mark_seq(input);
    if (input->content == RKY_TARGET_EMPTY && input->mark->high_value.type != RKY_CURSOR_NONE &&
        decision->warning_code == NULL)
        warn(decision, "target-empty",
             "the target table is empty although rows were copied; only newer rows are copied "
             "(rocky state delete makes the next run copy it whole)");
    return RKY_OK;
}

static int unmanaged(const struct rky_reconcile_input *input, struct rky_decision *decision,
                     struct rky_error *err)
{
    if (input->content != RKY_TARGET_HAS_ROWS) {
        full_refresh(input, "first run", decision);
        return RKY_OK;
    }
    switch (input->on_existing) {
    case RKY_EXISTING_REBUILD:
        full_refresh(input, "on_existing_target = rebuild", decision);
        return RKY_OK;
    case RKY_EXISTING_ADOPT:
        decision->action = RKY_ACTION_ADOPT;
        decision->reason = "on_existing_target = adopt";
        return RKY_OK;
    case RKY_EXISTING_STOP:
        break;
    }
    decision->action = RKY_ACTION_REFUSED;
    decision->reason = "target has rows that nobody manages";
    int rc = rky_fail(err, RKY_ERR_REFUSED,
                      "target table '%s' has rows but no watermark, so what it lacks is not known",
                      input->table);
    rky_error_hint(err,
                   "set on_existing_target = \"adopt\" to continue behind its greatest cursor "
                   "value, \"rebuild\" to replace it, or run `rocky state delete --table '%s'` to "
                   "replace it in the next run",
                   input->table);
    return rc;
}

int rky_reconcile(const struct rky_reconcile_input *input, struct rky_decision *ret_decision,
                  struct rky_error *err)
{
    *ret_decision = (struct rky_decision){.action = RKY_ACTION_REFUSED, .reason = "refused"};
    if (input->mark != NULL && !same_text(input->mark->namespace_, input->namespace_)) {
        int rc =
            rky_fail(err, RKY_ERR_CONFLICT, "table '%s' belongs to namespace '%s', not to '%s'",
                     input->table, input->mark->namespace_, input->namespace_);
        rky_error_hint(err,
                       "replicate it from one namespace only: run with --namespace %s, or "
                       "leave it out here with source.tables.exclude",
                       input->mark->namespace_);
        return rc;
    }
    if (input->ledger_tombstone_seq > mark_seq(input)) {
        full_refresh(input, "state delete", ret_decision);
        return RKY_OK;
    }
    return input->mark != NULL ? managed(input, ret_decision, err)
                               : unmanaged(input, ret_decision, err);
}
