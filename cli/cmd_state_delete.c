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
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/marks.h"
#include "cli/output.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "engine/discover.h"
#include "engine/names.h"

struct deletion {
    const char *table; /**< as given */
    char *parts[3];
    struct rky_ledger *ledger;
    struct rky_watermark *watermarks;
    size_t watermark_count;
    const struct rky_watermark *watermark; /**< in watermarks, NULL = none */
    struct rky_schema_marks target;
    const struct rky_mark *mark; /**< in target, NULL = none */
};

/* --- what is known ------------------------------------------------------------------------ */

static int read_ledger(const struct rky_cli *cli, struct deletion *deletion, struct rky_error *err)
{
    int rc = rky_cli_ledger(cli, RKY_LEDGER_WRITE, &deletion->ledger, err);
    if (rc == 0)
        rc = rky_ledger_lock(deletion->ledger, 0, err);
    if (rc == 0)
        rc = rky_ledger_watermarks(deletion->ledger, &deletion->watermarks,
                                   &deletion->watermark_count, err);
    for (size_t i = 0; rc == 0 && i < deletion->watermark_count; i++) {
        if (strcmp(deletion->watermarks[i].table, deletion->table) == 0)
            deletion->watermark = &deletion->watermarks[i];
    }
    return rc;
}

static int read_target(const struct rky_cli *cli, struct deletion *deletion, struct rky_error *err)
{
    int rc = rky_marks_read(cli, deletion->parts[0], deletion->parts[1], &deletion->target, err);
    if (rc != 0)
        return rc;
    if (!deletion->target.readable) {
        (void)rky_fail(err, RKY_ERR_UNAVAILABLE,
                       "the target of '%s' cannot be read, so nothing was deleted: %s",
                       deletion->table, deletion->target.fault.message);
        rky_error_hint(err, "try again when the target answers");
        return RKY_ERR_UNAVAILABLE;
    }
    for (size_t i = 0; i < deletion->target.count; i++) {
        if (strcmp(deletion->target.marks[i].table_name, deletion->table) == 0)
            deletion->mark = &deletion->target.marks[i];
    }
    const char *owner = deletion->mark == NULL ? NULL : deletion->mark->namespace_;
    if (owner != NULL && strcmp(owner, cli->namespace_) != 0) {
        (void)rky_fail(err, RKY_ERR_USAGE, "table '%s' belongs to namespace '%s', not '%s'",
                       deletion->table, owner, cli->namespace_);
        rky_error_hint(err, "add --namespace %s", owner);
        return RKY_ERR_USAGE;
    }
    return 0;
}

/* A table that was never copied is known when the pipeline would copy it. */
static int discover_table(const struct rky_cli *cli, const struct deletion *deletion,
                          struct rky_error *err)
{
    struct rky_discovery discovery = {0};
    struct rky_filter all = {0};
    struct rky_strings known = {0};
    struct rky_error hidden = {0};
    bool found = false;
    int rc = 0;
    /* A source that cannot be listed leaves the tables that the ledger knows. */
    if (rky_discover(cli->pipeline, cli->source, cli->target, &all, cli->namespace_, &discovery,
                     &hidden) != 0)
        rky_log_write(cli->log, RKY_LOG_WARN, NULL, "the source is not listed: %s", hidden.message);
    for (size_t i = 0; rc == 0 && i < discovery.source_count; i++) {
        for (size_t k = 0; rc == 0 && k < discovery.sources[i].table_count; k++) {
            const char *name = discovery.sources[i].tables[k].target_name;
            found = found || strcmp(name, deletion->table) == 0;
            rc = rky_strings_add(&known, name, err);
        }
    }
    for (size_t i = 0; rc == 0 && i < deletion->watermark_count; i++)
        rc = rky_strings_add(&known, deletion->watermarks[i].table, err);
    if (rc == 0 && !found)
        rc = rky_cli_unknown_table(deletion->table, known.items, known.count, err);
    rky_strings_done(&known);
    rky_discovery_done(&discovery);
    return rc;
}

/* Opening the ledger makes its file: a mistyped name should not. What is read here is read again
 * under the lock, where it counts. */
static int check_before_creating(const struct rky_cli *cli, struct deletion *deletion,
                                 struct rky_error *err)
{
    if (rky_path_exists(cli->state_path))
        return 0;
    int rc = read_target(cli, deletion, err);
    if (rc == 0 && deletion->mark == NULL)
        rc = discover_table(cli, deletion, err);
    rky_schema_marks_done(&deletion->target);
    deletion->mark = NULL;
    return rc;
}

/* --- the change --------------------------------------------------------------------------- */

static const char *old_value(const struct deletion *deletion)
{
    if (deletion->mark != NULL)
        return deletion->mark->value.text;
    return deletion->watermark == NULL ? NULL : deletion->watermark->value;
}

static int write_tombstone(struct deletion *deletion, struct rky_error *err)
{
    struct rky_ledger *ledger = deletion->ledger;
    struct rky_ledger_meta meta = {0};
    int64_t known = 0, generation = 0;
    char actor[RKY_ACTOR_MAX];
    rky_cli_actor(actor);

    int rc = rky_ledger_begin(ledger, err);
    if (rc != 0)
        return rc;
    rc = rky_ledger_meta(ledger, &meta, err);
    /* A state file that did not exist before takes over the lineage that the target knows. */
    if (rc == 0 && meta.generation == 0 && deletion->target.lineage[0] != '\0')
        rc = rky_ledger_set_lineage(ledger, deletion->target.lineage, err);
    if (rc == 0)
        rc = rky_ledger_tombstone_get(ledger, deletion->table, &known, err);
    if (rc == 0 && deletion->mark != NULL && deletion->mark->tombstone_seq > known)
        known = deletion->mark->tombstone_seq;
    if (rc == 0)
        rc = rky_ledger_tombstone_put(ledger, deletion->table, known + 1, "state delete", err);
    if (rc == 0 && deletion->watermark != NULL)
        rc = rky_ledger_watermark_delete(ledger, deletion->table, err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, "state delete", deletion->table, old_value(deletion), NULL,
                              actor, err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, err);
    if (rc != 0)
        rky_ledger_rollback(ledger);
    return rc;
}

static int print_deletion(const struct rky_cli *cli, const struct deletion *deletion,
                          struct rky_error *err)
{
    const char *value = old_value(deletion);
    if (!cli->json) {
        printf("deleted the watermark of '%s' (it was %s%s%s); its next run is a full refresh\n",
               deletion->table, value == NULL ? "" : "'", value == NULL ? "not set" : value,
               value == NULL ? "" : "'");
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "table", rky_cli_text_json(deletion->table));
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
    struct deletion deletion = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = rky_cli_table(cli, &deletion.table, deletion.parts, &err);
    if (rc == 0)
        rc = rky_cli_adapters(cli, &err);
    if (rc == 0)
        rc = check_before_creating(cli, &deletion, &err);
    if (rc == 0)
        rc = read_ledger(cli, &deletion, &err);
    if (rc == 0)
        rc = read_target(cli, &deletion, &err);
    if (rc == 0 && deletion.watermark == NULL && deletion.mark == NULL)
        rc = discover_table(cli, &deletion, &err);
    if (rc == 0)
        rc = write_tombstone(&deletion, &err);
    if (rc == 0)
        rc = print_deletion(cli, &deletion, &err);

    rky_schema_marks_done(&deletion.target);
    rky_watermarks_free(deletion.watermarks, deletion.watermark_count);
    rky_ledger_close(deletion.ledger);
    for (size_t i = 0; i < 3; i++)
        rky_free(deletion.parts[i]);
    return rky_cli_end(cli, rc, &err);
}
