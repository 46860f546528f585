/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of one table; see one_table.h. */
#include "config.h"

#include "cli/one_table.h"

#include <string.h>

#include "common/mem.h"

int rky_one_table_take(const struct rky_cli *cli, struct rky_one_table *one, struct rky_error *err)
{
    return rky_cli_table(cli, &one->table, one->parts, err);
}

int rky_one_table_ledger(struct rky_ledger *ledger, struct rky_one_table *one,
                         struct rky_error *err)
{
    int rc = rky_ledger_watermarks(ledger, &one->watermarks, &one->watermark_count, err);
    for (size_t i = 0; rc == 0 && i < one->watermark_count; i++) {
        if (strcmp(one->watermarks[i].table, one->table) == 0)
            one->watermark = &one->watermarks[i];
    }
    if (rc == 0)
        rc = rky_ledger_tombstone_get(ledger, one->table, &one->tombstone_seq, err);
    return rc;
}

int rky_one_table_target(const struct rky_cli *cli, struct rky_one_table *one,
                         struct rky_error *err)
{
    rky_schema_marks_done(&one->target);
    one->mark = NULL;
    int rc = rky_marks_read(cli, one->parts[0], one->parts[1], &one->target, err);
    if (rc != 0)
        return rc;
    if (!one->target.readable) {
        (void)rky_fail(err, RKY_ERR_UNAVAILABLE,
                       "the target of '%s' cannot be read, so nothing was changed: %s", one->table,
                       one->target.fault.message);
        rky_error_hint(err, "try again when the target answers");
        return RKY_ERR_UNAVAILABLE;
    }
    for (size_t i = 0; i < one->target.count; i++) {
        if (strcmp(one->target.marks[i].table_name, one->table) == 0)
            one->mark = &one->target.marks[i];
    }
    return 0;
}

int rky_one_table_ours(const struct rky_cli *cli, const struct rky_one_table *one,
                       struct rky_error *err)
{
    const char *owner = one->mark == NULL ? NULL : one->mark->namespace_;
    if (owner == NULL || strcmp(owner, cli->namespace_) == 0)
        return 0;
    (void)rky_fail(err, RKY_ERR_USAGE, "table '%s' belongs to namespace '%s', not '%s'", one->table,
                   owner, cli->namespace_);
    rky_error_hint(
        err, "add --namespace %s, or take it over with 'rocky state adopt --table TABLE'", owner);
    return RKY_ERR_USAGE;
}

int rky_one_table_source(const struct rky_cli *cli, struct rky_one_table *one,
                         struct rky_error *err)
{
    struct rky_filter all = {0};
    struct rky_error hidden = {0};
    rky_discovery_done(&one->discovery);
    one->source = NULL;
    one->source_table = NULL;
    int rc = rky_discover(cli->pipeline, cli->source, cli->target, &all, cli->namespace_,
                          &one->discovery, &hidden);
    if (rc == RKY_ERR_NOMEM)
        return rky_fail_nomem(err);
    /* A source that cannot be listed leaves the tables that the ledger knows. */
    if (rc != 0)
        rky_log_write(cli->log, RKY_LOG_WARN, NULL, "the source is not listed: %s", hidden.message);
    for (size_t i = 0; i < one->discovery.source_count; i++) {
        const struct rky_source *source = &one->discovery.sources[i];
        for (size_t k = 0; k < source->table_count; k++) {
            if (strcmp(source->tables[k].target_name, one->table) == 0) {
                one->source = source;
                one->source_table = &source->tables[k];
            }
        }
    }
    return 0;
}

int rky_one_table_unknown(const struct rky_one_table *one, struct rky_error *err)
{
    struct rky_strings known = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < one->discovery.source_count; i++) {
        const struct rky_source *source = &one->discovery.sources[i];
        for (size_t k = 0; rc == 0 && k < source->table_count; k++)
            rc = rky_strings_add(&known, source->tables[k].target_name, err);
    }
    for (size_t i = 0; rc == 0 && i < one->watermark_count; i++)
        rc = rky_strings_add(&known, one->watermarks[i].table, err);
    if (rc == 0)
        rc = rky_cli_unknown_table(one->table, known.items, known.count, err);
    rky_strings_done(&known);
    return rc;
}

const char *rky_one_table_value(const struct rky_one_table *one)
{
    if (one->mark != NULL)
        return one->mark->value.text;
    return one->watermark == NULL ? NULL : one->watermark->value;
}

void rky_one_table_done(struct rky_one_table *one)
{
    rky_schema_marks_done(&one->target);
    rky_watermarks_free(one->watermarks, one->watermark_count);
    rky_discovery_done(&one->discovery);
    for (size_t i = 0; i < 3; i++)
        rky_free(one->parts[i]);
    *one = (struct rky_one_table){0};
}
