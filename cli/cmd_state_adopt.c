/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state adopt: take over what this state does not own yet.
 *
 * --table: a table of another namespace changes hands with its watermark, or a target table that
 * nobody manages gets one, at its greatest cursor value. --lineage: the targets of the namespace
 * follow the state that this configuration names, where they followed another. Both change who may
 * write, so both want --yes.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/one_table.h"
#include "cli/output.h"
#include "cli/state_session.h"
#include "cli/target_mark.h"
#include "common/mem.h"

struct adoption {
    struct rky_one_table one;
    struct rky_marks_view view;    /**< with --lineage */
    struct rky_schema_info target; /**< of an unmanaged table */
    struct rky_table_facts facts;  /**< of an unmanaged table */
    char *source;                  /**< catalog.schema.table, NULL = unknown */
    const char *cursor_column;
    char lineage[RKY_UUID_TEXT], old_lineage[RKY_UUID_TEXT];
    size_t schemas;
    bool nothing_to_do;
};

/* --- a table: what it is ------------------------------------------------------------------ */

static int no_rows(const struct rky_one_table *one, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_REFUSED, "target table '%s' has no rows to take over", one->table);
    rky_error_hint(err, "the next run copies it");
    return RKY_ERR_REFUSED;
}

static int find_source(const struct rky_cli *cli, struct adoption *adoption, struct rky_error *err)
{
    struct rky_one_table *one = &adoption->one;
    int rc = rky_one_table_source(cli, one, err);
    if (rc != 0)
        return rc;
    if (one->source_table == NULL)
        return one->mark != NULL ? 0 : rky_one_table_unknown(one, err);
    rky_free(adoption->source);
    adoption->source =
        rky_table_name(one->source->catalog, one->source->schema, one->source_table->info->name);
    adoption->cursor_column = one->source_table->settings.timestamp_column;
    return adoption->source == NULL ? rky_fail_nomem(err) : 0;
}

/* The watermark of a table that nobody manages is the greatest cursor value it holds. */
static int measure(const struct rky_cli *cli, struct adoption *adoption, struct rky_error *err)
{
    const struct rky_one_table *one = &adoption->one;
    const struct rky_adapter_ops *ops = cli->target->ops;
    const struct rky_table_ref table = {
        .catalog = one->parts[0], .schema = one->parts[1], .table = one->parts[2]};
    if (adoption->cursor_column == NULL) {
        (void)rky_fail(err, RKY_ERR_REFUSED,
                       "table '%s' is copied whole each time: there is no watermark to start from",
                       one->table);
        rky_error_hint(err, "set on_existing_target = \"rebuild\", or run 'rocky state delete', to "
                            "replace it");
        return RKY_ERR_REFUSED;
    }
    rky_schema_info_done(&adoption->target);
    rky_table_facts_done(&adoption->facts);
    int rc = ops->describe(cli->target, table.catalog, table.schema, &adoption->target, err);
    if (rc == RKY_ERR_SOURCE_MISSING || rc == RKY_ERR_NOT_FOUND) {
        rky_error_clear(err);
        return no_rows(one, err);
    }
    if (rc != 0)
        return rc;
    const struct rky_table_info *info = rky_schema_table(&adoption->target, table.table);
    if (info == NULL)
        return no_rows(one, err);
    if (rky_table_column(info, adoption->cursor_column) == NULL)
        return rky_fail(err, RKY_ERR_REFUSED, "target table '%s' has no column '%s'", one->table,
                        adoption->cursor_column);
    rc = ops->facts(cli->target, &table, info, adoption->cursor_column, NULL,
                    cli->clock->wall_us(cli->clock), &adoption->facts, err);
    if (rc == 0 && adoption->facts.row_count == 0)
        return no_rows(one, err);
    if (rc == 0 && adoption->facts.greatest.type == RKY_CURSOR_NONE)
        rc = rky_fail(err, RKY_ERR_REFUSED, "target table '%s' has no value in column '%s'",
                      one->table, adoption->cursor_column);
    return rc;
}

static int examine(const struct rky_cli *cli, struct adoption *adoption, struct rky_error *err)
{
    struct rky_one_table *one = &adoption->one;
    int rc = rky_one_table_target(cli, one, err);
    if (rc != 0)
        return rc;
    const struct rky_mark *mark = one->mark;
    if (mark != NULL && strcmp(mark->namespace_, cli->namespace_) == 0 &&
        one->tombstone_seq <= mark->tombstone_seq) {
        adoption->nothing_to_do = true;
        return 0;
    }
    rc = find_source(cli, adoption, err);
    if (rc == 0 && mark == NULL)
        rc = measure(cli, adoption, err);
    if (rc != 0)
        return rc;
    if (mark == NULL)
        return rky_cli_confirm(cli, err,
                               "'%s' would be continued behind '%s', its greatest '%s'; rows below "
                               "that which the target lacks would never be copied",
                               one->table, adoption->facts.greatest.text, adoption->cursor_column);
    if (strcmp(mark->namespace_, cli->namespace_) == 0)
        return rky_cli_confirm(cli, err,
                               "the deletion of the watermark of '%s' would be taken back, and the "
                               "next run would go on from '%s'",
                               one->table, mark->value.text == NULL ? "" : mark->value.text);
    return rky_cli_confirm(cli, err,
                           "'%s' would pass from namespace '%s' to '%s', and runs of '%s' would "
                           "fail on it",
                           one->table, mark->namespace_, cli->namespace_, mark->namespace_);
}

/* --- a table: the change ------------------------------------------------------------------ */

static int take_table(struct rky_state_session *state, struct adoption *adoption,
                      struct rky_error *err)
{
    const struct rky_cli *cli = state->cli;
    const struct rky_one_table *one = &adoption->one;
    const struct rky_mark *old = one->mark;
    struct rky_target_claim claim = {0};
    char commit_id[RKY_UUID_TEXT];
    /* The row borrows everything it names; nothing of it is freed here. */
    union {
        const char *in;
        char *out;
    } table = {.in = one->table}, namespace_ = {.in = cli->namespace_}, action = {.in = "adopt"},
      column = {.in = adoption->cursor_column},
      type = {.in = rky_cursor_type_name(adoption->facts.greatest.type)};
    struct rky_mark mark = {.table_name = table.out,
                            .cursor_column = column.out,
                            .cursor_type = type.out,
                            .value = adoption->facts.greatest,
                            .high_value = adoption->facts.greatest};
    if (old != NULL)
        mark = *old;
    mark.namespace_ = namespace_.out;
    mark.action = action.out;
    /* Unknown: the rows at the watermark are compared one by one. */
    mark.ties = -1;
    mark.ties_hash = NULL;
    mark.prev_value = old == NULL ? NULL : old->value.text;
    mark.rows_copied = mark.late_rows = 0;
    mark.run_id = mark.job_id = mark.plan_id = mark.updated_at = NULL;
    if (one->tombstone_seq > mark.tombstone_seq)
        mark.tombstone_seq = one->tombstone_seq;

    int rc = rky_target_claim_take(state, one->parts[0], one->parts[1], &claim, err);
    if (rc == 0)
        rc = rky_target_claim_write(&claim, old, &mark, commit_id, err);
    const char *own_tables[] = {one->table, NULL};
    const struct rky_sync_callbacks callbacks = {
        .claims_held = rky_target_claim_held, .context = &claim, .own_tables = own_tables};
    const struct rky_mark_record record = {
        .action = "state adopt",
        .old_value = old == NULL ? NULL : old->namespace_,
        .new_value = cli->namespace_,
        .mark = &mark,
        .commit_id = commit_id,
        .source = adoption->source,
        .fence = claim.claim.token,
    };
    if (rc == 0)
        rc = rky_target_mark_record(cli, rky_state_ledger(state), &record, err);
    if (rc == 0) {
        adoption->schemas = 1;
        rc = rky_state_commit(state, &callbacks, err);
        if (rc != 0)
            rky_target_mark_unconfirmed(err);
    }
    rky_target_claim_done(&claim);
    return rc;
}

static int adopt_table(struct rky_cli *cli, struct rky_state_session *state,
                       struct adoption *adoption, struct rky_error *err)
{
    int rc = rky_one_table_take(cli, &adoption->one, err);
    if (rc == 0)
        rc = rky_cli_adapters(cli, err);
    /* Before anything is locked or made: most of what is wrong is seen here. */
    if (rc == 0)
        rc = examine(cli, adoption, err);
    adoption->nothing_to_do = false;
    if (rc == 0)
        rc = rky_state_open_write(cli, state, err);
    if (rc == 0)
        rc = rky_one_table_ledger(rky_state_ledger(state), &adoption->one, err);
    if (rc == 0)
        rc = examine(cli, adoption, err);
    if (rc == 0)
        rc = rky_state_lineage(cli, rky_state_ledger(state), adoption->lineage, err);
    return rc == 0 && !adoption->nothing_to_do ? take_table(state, adoption, err) : rc;
}

/* --- the lineage -------------------------------------------------------------------------- */

static bool differs(const struct adoption *adoption, const struct rky_schema_marks *schema)
{
    return schema->lineage[0] != '\0' && strcmp(schema->lineage, adoption->lineage) != 0;
}

static int read_lineages(const struct rky_cli *cli, struct rky_ledger *ledger,
                         struct adoption *adoption, struct rky_error *err)
{
    struct rky_ledger_meta meta = {0};
    struct rky_watermark *watermarks = NULL;
    size_t count = 0;
    int rc = rky_ledger_meta(ledger, &meta, err);
    if (rc == 0 && meta.generation == 0) {
        (void)rky_fail(err, RKY_ERR_REFUSED, "namespace '%s' has no state to follow",
                       cli->namespace_);
        rky_error_hint(err, "a run makes one that takes over the targets' lineage");
        return RKY_ERR_REFUSED;
    }
    memcpy(adoption->lineage, meta.lineage, sizeof(adoption->lineage));
    if (rc == 0)
        rc = rky_ledger_watermarks(ledger, &watermarks, &count, err);
    if (rc == 0)
        rc = rky_marks_view(cli, watermarks, count, &adoption->view, err);
    rky_watermarks_free(watermarks, count);
    for (size_t i = 0; rc == 0 && i < adoption->view.count; i++) {
        const struct rky_schema_marks *schema = &adoption->view.schemas[i];
        if (!schema->readable)
            rc = rky_fail(err, RKY_ERR_UNAVAILABLE, "target '%s.%s' cannot be read: %s",
                          schema->catalog, schema->schema, schema->fault.message);
        else if (differs(adoption, schema) && adoption->schemas++ == 0)
            memcpy(adoption->old_lineage, schema->lineage, sizeof(adoption->old_lineage));
    }
    return rc;
}

/* Claim one schema and write the lineage into its fence row. */
static int write_lineage(struct rky_state_session *state, const struct adoption *adoption,
                         const struct rky_schema_marks *schema, int64_t *fence,
                         struct rky_error *err)
{
    struct rky_target_claim claim = {0};
    int rc = rky_target_claim_take(state, schema->catalog, schema->schema, &claim, err);
    if (rc == 0)
        rc = claim.session->ops->set_lineage(claim.session, &claim.claim, adoption->lineage, err);
    if (rc == 0 && claim.claim.token > *fence)
        *fence = claim.claim.token;
    rky_target_claim_done(&claim);
    return rc;
}

static int record_lineage(struct rky_ledger *ledger, const struct adoption *adoption, int64_t fence,
                          struct rky_error *err)
{
    int64_t generation = 0;
    char actor[RKY_ACTOR_MAX];
    rky_cli_actor(actor);
    int rc = rky_ledger_begin(ledger, err);
    if (rc != 0)
        return rc;
    rc = rky_ledger_audit(ledger, "state adopt", "lineage", adoption->old_lineage,
                          adoption->lineage, actor, err);
    if (rc == 0)
        rc = rky_ledger_raise_fence(ledger, fence, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

static int adopt_lineage(struct rky_cli *cli, struct rky_state_session *state,
                         struct adoption *adoption, struct rky_error *err)
{
    int64_t fence = 0;
    int rc = rky_cli_adapters(cli, err);
    if (rc == 0)
        rc = rky_state_open_write(cli, state, err);
    if (rc == 0)
        rc = read_lineages(cli, rky_state_ledger(state), adoption, err);
    if (rc != 0)
        return rc;
    adoption->nothing_to_do = adoption->schemas == 0;
    if (adoption->nothing_to_do)
        return 0;
    rc = rky_cli_confirm(cli, err,
                         "%zu target schema%s would follow the state of lineage '%s' instead of "
                         "'%s', and every other copy of the state would be refused from then on",
                         adoption->schemas, adoption->schemas == 1 ? "" : "s", adoption->lineage,
                         adoption->old_lineage);
    for (size_t i = 0; rc == 0 && i < adoption->view.count; i++) {
        if (differs(adoption, &adoption->view.schemas[i]))
            rc = write_lineage(state, adoption, &adoption->view.schemas[i], &fence, err);
    }
    if (rc == 0)
        rc = record_lineage(rky_state_ledger(state), adoption, fence, err);
    return rc == 0 ? rky_state_commit(state, NULL, err) : rc;
}

/* --- the command -------------------------------------------------------------------------- */

static const char *value_of(const struct adoption *adoption)
{
    return adoption->one.mark != NULL ? adoption->one.mark->value.text
                                      : adoption->facts.greatest.text;
}

static void print_text(const struct rky_cli *cli, const struct adoption *adoption)
{
    const struct rky_one_table *one = &adoption->one;
    const char *value = value_of(adoption);
    if (adoption->nothing_to_do && one->table != NULL)
        printf("'%s' belongs to namespace '%s' already\n", one->table, cli->namespace_);
    else if (adoption->nothing_to_do)
        printf("all targets follow lineage '%s' already\n", adoption->lineage);
    else if (one->table == NULL)
        printf("%zu target schema%s now follow%s lineage '%s'\n", adoption->schemas,
               adoption->schemas == 1 ? "" : "s", adoption->schemas == 1 ? "s" : "",
               adoption->lineage);
    else
        printf("'%s' now belongs to namespace '%s'; the next run continues behind %s%s%s\n",
               one->table, cli->namespace_, value == NULL ? "" : "'",
               value == NULL ? "nothing, its source was empty" : value, value == NULL ? "" : "'");
}

static int print_adoption(const struct rky_cli *cli, const struct adoption *adoption,
                          struct rky_error *err)
{
    const struct rky_mark *old = adoption->one.mark;
    if (!cli->json) {
        print_text(cli, adoption);
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "namespace", json_string(cli->namespace_));
    bad |= json_object_set_new(object, "table", rky_cli_text_json(adoption->one.table));
    bad |= json_object_set_new(object, "old_namespace",
                               rky_cli_text_json(old == NULL ? NULL : old->namespace_));
    bad |= json_object_set_new(object, "value", rky_cli_text_json(value_of(adoption)));
    bad |= json_object_set_new(
        object, "old_lineage",
        adoption->old_lineage[0] == '\0' ? json_null() : json_string(adoption->old_lineage));
    bad |= json_object_set_new(object, "lineage", json_string(adoption->lineage));
    bad |= json_object_set_new(object, "schemas", json_integer((json_int_t)adoption->schemas));
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

int rky_cmd_state_adopt(const struct rky_parsed *parsed, void *program)
{
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct adoption adoption = {0};
    struct rky_state_session state = {0};
    bool lineage = rky_parsed_has(parsed, "lineage");
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0 && lineage && rky_parsed_has(parsed, "table"))
        rc =
            rky_fail(&err, RKY_ERR_USAGE, "--table and --lineage adopt different things: name one");
    if (rc == 0)
        rc = lineage ? adopt_lineage(cli, &state, &adoption, &err)
                     : adopt_table(cli, &state, &adoption, &err);
    if (rc == 0)
        rc = print_adoption(cli, &adoption, &err);
    rky_state_close(&state);
    rky_table_facts_done(&adoption.facts);
    rky_schema_info_done(&adoption.target);
    rky_marks_view_done(&adoption.view);
    rky_one_table_done(&adoption.one);
    rky_free(adoption.source);
    return rky_cli_end(cli, rc, &err);
}
