/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state set: write a table's watermark.
 *
 * The target's row is what counts, so that is what is written, under a claim and by
 * compare-and-set; the ledger and its audit trail follow. Backwards is harmless: the next run
 * examines everything behind the new value and copies what the target lacks. Forwards leaves rows
 * out for good, so it says how many and wants --yes.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/one_table.h"
#include "cli/output.h"
#include "cli/state_session.h"
#include "cli/target_mark.h"
#include "cli/text.h"
#include "common/mem.h"

struct setting {
    struct rky_one_table one;
    struct rky_cursor value;
    int64_t skipped; /**< source rows that will not be copied; -1 = not known */
};

/* --- the value ---------------------------------------------------------------------------- */

static bool is_number(const char *text, bool integer)
{
    char *end = NULL;
    errno = 0;
    if (integer)
        (void)strtoll(text, &end, 10);
    else
        (void)strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *text != '+' &&
           text[strspn(text, "-+.0123456789eE")] == '\0';
}

static int check_like(const struct rky_cli *cli, const char *text, const struct rky_cursor *sample,
                      struct rky_error *err)
{
    const struct rky_cursor value = {.type = RKY_CURSOR_TEXT, .text = rky_strdup(text)};
    struct rky_cursor same = {0};
    int64_t at_us = 0, sample_us = 0;
    int rc = value.text == NULL ? rky_fail_nomem(err) : 0;
    if (rc != 0 || rky_cursor_time(sample, &sample_us) != 0)
        goto out;
    if (rky_cursor_time(&value, &at_us) != 0) {
        rc = rky_fail(err, RKY_ERR_USAGE,
                      "--value is '%s': expected a time, as the watermark '%s' is one", text,
                      sample->text);
        goto out;
    }
    rc = rky_cursor_time_like(sample, at_us, &same, err);
    /* Texts are compared byte by byte: the same time in another form is another place. */
    if (rc == 0 && strcmp(same.text, text) != 0)
        rc = rky_cli_confirm(cli, err,
                             "--value is '%s', but the column writes that time as '%s', and texts "
                             "are compared byte by byte",
                             text, same.text);
out:
    rky_cursor_done(&same);
    rky_free(value.text);
    return rc;
}

static int take_value(const struct rky_cli *cli, struct setting *setting, struct rky_error *err)
{
    const struct rky_mark *mark = setting->one.mark;
    const char *text = rky_parsed_value(cli->parsed, "value");
    const struct rky_cursor *sample = mark->value.text != NULL ? &mark->value : &mark->high_value;
    enum rky_cursor_type type =
        sample->text != NULL ? sample->type : rky_cursor_type_parse(mark->cursor_type);
    if (mark->cursor_column == NULL || type == RKY_CURSOR_NONE) {
        (void)rky_fail(err, RKY_ERR_REFUSED,
                       "table '%s' has no watermark value that could be moved: %s",
                       setting->one.table,
                       mark->cursor_column == NULL ? "it is copied whole each time"
                                                   : "its source was empty so far");
        return RKY_ERR_REFUSED;
    }
    if (type != RKY_CURSOR_TEXT) {
        if (!is_number(text, false))
            return rky_fail(err, RKY_ERR_USAGE,
                            "--value is '%s': expected a number, as the watermark '%s' is one",
                            text, sample->text == NULL ? "" : sample->text);
        type = is_number(text, true) ? RKY_CURSOR_INTEGER : RKY_CURSOR_REAL;
    } else if (!rky_utf8_valid(text, strlen(text))) {
        return rky_fail(err, RKY_ERR_USAGE, "--value is no valid UTF-8");
    }
    int rc =
        type == RKY_CURSOR_TEXT && sample->text != NULL ? check_like(cli, text, sample, err) : 0;
    return rc == 0 ? rky_cursor_set(&setting->value, type, text, err) : rc;
}

/* --- what follows ------------------------------------------------------------------------- */

static int64_t rows_above(const struct rky_cli *cli, const struct rky_one_table *one,
                          const struct rky_cursor *after)
{
    const struct rky_table_ref table = {.catalog = one->source->catalog,
                                        .schema = one->source->schema,
                                        .table = one->source_table->info->name};
    struct rky_table_facts facts = {0};
    struct rky_error hidden = {0};
    int64_t rows = -1;
    if (cli->source->ops->facts(cli->source, &table, one->source_table->info,
                                one->mark->cursor_column, after, cli->clock->wall_us(cli->clock),
                                &facts, &hidden) == 0)
        rows = facts.window_rows;
    rky_table_facts_done(&facts);
    return rows;
}

static bool is_forwards(const struct setting *setting)
{
    return rky_cursor_compare(&setting->value, &setting->one.mark->value) > 0;
}

static int count_skipped(const struct rky_cli *cli, struct setting *setting, struct rky_error *err)
{
    struct rky_one_table *one = &setting->one;
    char rows[RKY_NUMBER_TEXT_MAX];
    if (!is_forwards(setting))
        return 0;
    setting->skipped = -1;
    int rc = rky_one_table_source(cli, one, err);
    if (rc != 0)
        return rc;
    if (one->source_table != NULL) {
        int64_t now = rows_above(cli, one, &one->mark->value);
        int64_t then = rows_above(cli, one, &setting->value);
        /* The source moves on between the two: what is new is above both. */
        if (now >= 0 && then >= 0)
            setting->skipped = now > then ? now - then : 0;
    }
    return rky_cli_confirm(
        cli, err,
        "'%s' would move forwards from '%s' to '%s', and %s%s between them would "
        "never be copied",
        one->table, one->mark->value.text == NULL ? "" : one->mark->value.text, setting->value.text,
        setting->skipped < 0 ? "an unknown number of rows"
                             : rky_number_text(setting->skipped, rows),
        setting->skipped < 0    ? ""
        : setting->skipped == 1 ? " row"
                                : " rows");
}

/* --- the change --------------------------------------------------------------------------- */

static int change(struct rky_state_session *state, struct setting *setting, struct rky_error *err)
{
    const struct rky_one_table *one = &setting->one;
    struct rky_target_claim claim = {0};
    char commit_id[RKY_UUID_TEXT], action[] = "set";
    struct rky_mark mark = *one->mark;
    mark.cursor_type = NULL;
    mark.value = setting->value;
    mark.high_value = one->mark->high_value;
    /* Unknown: the rows at the new value are compared one by one. */
    mark.ties = -1;
    mark.ties_hash = NULL;
    mark.prev_value = one->mark->value.text;
    mark.action = action;
    mark.rows_copied = mark.late_rows = 0;
    mark.run_id = mark.job_id = mark.plan_id = NULL;
    mark.updated_at = NULL;
    if (one->tombstone_seq > mark.tombstone_seq)
        mark.tombstone_seq = one->tombstone_seq;
    union {
        const char *in;
        char *out;
    } type = {.in = rky_cursor_type_name(setting->value.type)};
    mark.cursor_type = type.out;

    int rc = rky_target_claim_take(state, one->parts[0], one->parts[1], &claim, err);
    if (rc == 0)
        rc = rky_target_claim_write(&claim, one->mark, &mark, commit_id, err);
    const char *own_tables[] = {one->table, NULL};
    const struct rky_sync_callbacks callbacks = {
        .claims_held = rky_target_claim_held, .context = &claim, .own_tables = own_tables};
    const struct rky_mark_record record = {
        .action = "state set",
        .old_value = one->mark->value.text,
        .new_value = setting->value.text,
        .mark = &mark,
        .commit_id = commit_id,
        .fence = claim.claim.token,
    };
    if (rc == 0)
        rc = rky_target_mark_record(state->cli, rky_state_ledger(state), &record, err);
    if (rc == 0) {
        rc = rky_state_commit(state, &callbacks, err);
        if (rc != 0)
            rky_target_mark_unconfirmed(err);
    }
    rky_target_claim_done(&claim);
    return rc;
}

static int print_setting(const struct rky_cli *cli, const struct setting *setting, const char *old,
                         struct rky_error *err)
{
    char rows[RKY_NUMBER_TEXT_MAX];
    if (!cli->json) {
        printf("the watermark of '%s' is now '%s' (it was %s%s%s); ", setting->one.table,
               setting->value.text, old == NULL ? "" : "'", old == NULL ? "not set" : old,
               old == NULL ? "" : "'");
        if (!is_forwards(setting))
            printf("the next run examines what lies behind it and copies what the target lacks\n");
        else if (setting->skipped < 0)
            printf("the rows between are left out\n");
        else
            printf("%s rows between are left out\n", rky_number_text(setting->skipped, rows));
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "table", rky_cli_text_json(setting->one.table));
    bad |= json_object_set_new(object, "old_value", rky_cli_text_json(old));
    bad |= json_object_set_new(object, "new_value", rky_cli_text_json(setting->value.text));
    bad |= json_object_set_new(object, "rows_skipped",
                               setting->skipped < 0 ? json_null() : json_integer(setting->skipped));
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

/* --- the command -------------------------------------------------------------------------- */

static int find_mark(const struct rky_cli *cli, struct rky_one_table *one, struct rky_error *err)
{
    int rc = rky_one_table_target(cli, one, err);
    if (rc == 0)
        rc = rky_one_table_ours(cli, one, err);
    if (rc != 0 || one->mark != NULL)
        return rc;
    rc = rky_one_table_source(cli, one, err);
    if (rc == 0 && one->source_table == NULL && one->watermark == NULL)
        return rky_one_table_unknown(one, err);
    if (rc == 0) {
        rc = rky_fail(err, RKY_ERR_REFUSED, "the target has no watermark of '%s' to be moved",
                      one->table);
        rky_error_hint(err, "the next run sets one; 'rocky state adopt --table TABLE' takes over a "
                            "target table that has rows already");
    }
    return rc;
}

static int set_it(struct rky_cli *cli, struct rky_state_session *state, struct setting *setting,
                  struct rky_error *err)
{
    int rc = rky_one_table_take(cli, &setting->one, err);
    if (rc == 0 && rky_parsed_value(cli->parsed, "value") == NULL) {
        rc = rky_fail(err, RKY_ERR_USAGE, "'rocky state set' needs --value");
        rky_error_hint(err, "'rocky state delete' makes the next run copy the table whole");
    }
    if (rc == 0)
        rc = rky_cli_adapters(cli, err);
    /* Before anything is locked or made: most of what is wrong is seen here. */
    if (rc == 0)
        rc = find_mark(cli, &setting->one, err);
    if (rc == 0)
        rc = rky_state_open_write(cli, state, err);
    if (rc == 0)
        rc = rky_one_table_ledger(rky_state_ledger(state), &setting->one, err);
    if (rc == 0)
        rc = find_mark(cli, &setting->one, err);
    if (rc == 0)
        rc = take_value(cli, setting, err);
    if (rc == 0)
        rc = count_skipped(cli, setting, err);
    return rc == 0 ? change(state, setting, err) : rc;
}

int rky_cmd_state_set(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct setting setting = {0};
    struct rky_state_session state = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = set_it(cli, &state, &setting, &err);
    if (rc == 0)
        rc = print_setting(cli, &setting, setting.one.mark->value.text, &err);
    rky_state_close(&state);
    rky_cursor_done(&setting.value);
    rky_one_table_done(&setting.one);
    return rky_cli_end(cli, rc, &err);
}
