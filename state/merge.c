/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ledgers of one namespace into one: after two workers wrote at the same time, and for restore
 * and import.
 *
 * What happened is never forgotten by it: runs, jobs, tombstones and audit entries of both are in
 * the result, and what was consumed in either stays consumed. Uniting is idempotent. The other file
 * is read through a connection of its own and not through ATTACH, which stays forbidden for files
 * that come from elsewhere.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <string.h>

#include "common/mem.h"

/* --- what is simply united -------------------------------------------------------------------- */

/* Give each row of @p select on the other to @p insert. @param ret_added rows that were new. */
static int unite(struct rky_ledger *ledger, struct rky_ledger *other, enum rky_sql select,
                 enum rky_sql insert, int64_t *ret_added, struct rky_error *err)
{
    int rc = 0;
    struct rky_query from = rky_query_start(other, select);
    while (rc == 0 && rky_query_row(&from)) {
        struct rky_query to = rky_query_start(ledger, insert);
        rky_query_row_of(&to, &from);
        rc = rky_query_run(&to, "take over a row", err);
        *ret_added += sqlite3_changes64(ledger->db);
    }
    int finish_rc = rky_query_finish(&from, "read the rows", err);
    return rc != 0 ? rc : finish_rc;
}

static int run_alone(struct rky_ledger *ledger, enum rky_sql which, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, which);
    return rky_query_run(&query, "unite the state", err);
}

/* `seq` is the order of recording: what was taken over goes to its place in time. */
static int unite_ordered(struct rky_ledger *ledger, struct rky_ledger *other, enum rky_sql select,
                         enum rky_sql insert, enum rky_sql order, enum rky_sql turn,
                         struct rky_error *err)
{
    int64_t added = 0;
    int rc = unite(ledger, other, select, insert, &added, err);
    if (rc == 0 && added > 0)
        rc = run_alone(ledger, order, err);
    if (rc == 0 && added > 0)
        rc = run_alone(ledger, turn, err);
    return rc;
}

/* What both restore and merge keep of both sides. */
static int unite_what_happened(struct rky_ledger *ledger, struct rky_ledger *other,
                               struct rky_error *err)
{
    int64_t added = 0;
    int rc = unite_ordered(ledger, other, RKY_SQL_ALL_RUNS, RKY_SQL_UNITE_RUN, RKY_SQL_ORDER_RUNS,
                           RKY_SQL_TURN_RUNS, err);
    if (rc == 0)
        rc = unite_ordered(ledger, other, RKY_SQL_ALL_AUDIT, RKY_SQL_UNITE_AUDIT,
                           RKY_SQL_ORDER_AUDIT, RKY_SQL_TURN_AUDIT, err);
    if (rc == 0)
        rc = unite(ledger, other, RKY_SQL_ALL_JOBS, RKY_SQL_JOB_PUT, &added, err);
    if (rc == 0)
        rc = unite(ledger, other, RKY_SQL_TOMBSTONES, RKY_SQL_TOMBSTONE_PUT, &added, err);
    if (rc == 0)
        rc = unite(ledger, other, RKY_SQL_ALL_PLANS, RKY_SQL_UNITE_PLAN, &added, err);
    return rc;
}

/* --- versions --------------------------------------------------------------------------------- */

static bool knows_write(const struct rky_ledger_meta *meta, const char *write_id)
{
    bool known = strcmp(meta->write_id, write_id) == 0;
    for (size_t i = 0; !known && i < meta->ancestor_count; i++)
        known = strcmp(meta->ancestors[i], write_id) == 0;
    return known;
}

/* A write of the other that lands late is recognised by the id: its content is in this one. */
static int add_ancestor(struct rky_ledger *ledger, const struct rky_ledger_meta *meta,
                        const char *write_id, struct rky_error *err)
{
    char ids[RKY_ANCESTORS_MAX + 1][RKY_UUID_TEXT];
    if (knows_write(meta, write_id))
        return 0;
    memcpy(ids[0], write_id, RKY_UUID_TEXT);
    memcpy(ids[1], meta->ancestors, sizeof(meta->ancestors));
    return rky_ledger_set_version(ledger, meta->generation, (const char(*)[RKY_UUID_TEXT])ids,
                                  meta->ancestor_count + 1, err);
}

static int unite_meta(struct rky_ledger *ledger, const struct rky_ledger_meta *theirs,
                      struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_UNITE_META);
    rky_query_int(&query, theirs->fence);
    rky_query_int(&query, theirs->min_reader_version);
    return rky_query_run(&query, "unite the fence", err);
}

static int check_lineage(struct rky_ledger *ledger, const struct rky_ledger_meta *mine,
                         const struct rky_ledger_meta *theirs, struct rky_error *err)
{
    if (strcmp(mine->lineage, theirs->lineage) == 0)
        return 0;
    (void)rky_fail(err, RKY_ERR_STATE_FILE,
                   "two states of namespace '%s' do not come from one another: lineages '%s' and "
                   "'%s'",
                   ledger->namespace_, mine->lineage, theirs->lineage);
    rky_error_hint(err, "'rocky state adopt --lineage' says which of them goes on");
    return RKY_ERR_STATE_FILE;
}

/* --- watermarks ------------------------------------------------------------------------------- */

static bool is_own(const struct rky_merge_options *options, const char *table)
{
    for (size_t i = 0; i < options->own_table_count; i++)
        if (strcmp(options->own_tables[i], table) == 0)
            return true;
    return false;
}

static int unite_watermark(struct rky_ledger *ledger, const struct rky_watermark *theirs, bool own,
                           struct rky_error *err)
{
    struct rky_watermark mine = {.table = NULL};
    bool take = true;
    if (!own) {
        int rc = rky_ledger_watermark_get(ledger, theirs->table, &mine, err);
        if (rc != 0 && rc != RKY_ERR_NOT_FOUND)
            return rc;
        take = rc == RKY_ERR_NOT_FOUND || theirs->updated_at_us > mine.updated_at_us;
        rky_watermark_done(&mine);
    }
    return take ? rky_ledger_watermark_put(ledger, theirs, err) : 0;
}

static bool has_watermark(const struct rky_watermark *items, size_t count, const char *table)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].table, table) == 0)
            return true;
    return false;
}

static int unite_watermarks(struct rky_ledger *ledger, struct rky_ledger *other,
                            const struct rky_merge_options *options, struct rky_error *err)
{
    struct rky_watermark *theirs = NULL;
    size_t count = 0;
    int rc = rky_ledger_watermarks(other, &theirs, &count, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = unite_watermark(ledger, &theirs[i], is_own(options, theirs[i].table), err);
    for (size_t i = 0; rc == 0 && i < options->own_table_count; i++)
        if (!has_watermark(theirs, count, options->own_tables[i]))
            rc = rky_ledger_watermark_delete(ledger, options->own_tables[i], err);
    rky_watermarks_free(theirs, count);
    return rc;
}

/* --- restore ---------------------------------------------------------------------------------- */

/* Plans that only @p ledger has: they were made after the content that is brought back. */
static int forget_later_plans(struct rky_ledger *ledger, struct rky_ledger *other,
                              struct rky_error *err)
{
    int rc = 0;
    struct rky_query mine = rky_query_start(ledger, RKY_SQL_ALL_PLANS);
    while (rc == 0 && rky_query_row(&mine)) {
        struct rky_plan_record theirs = {.pipeline = NULL};
        char plan_id[RKY_SHA256_HEX];
        rky_query_copy_text(&mine, 0, plan_id, sizeof(plan_id));
        rc = rky_ledger_plan_get(other, plan_id, &theirs, err);
        if (rc == RKY_ERR_NOT_FOUND) {
            struct rky_query gone = rky_query_start(ledger, RKY_SQL_PLAN_DELETE);
            rky_query_text(&gone, plan_id);
            rc = rky_query_run(&gone, "forget a plan", err);
        }
        rky_plan_record_done(&theirs);
    }
    int finish_rc = rky_query_finish(&mine, "read the plans", err);
    return rc != 0 ? rc : finish_rc;
}

static int replace(struct rky_ledger *ledger, struct rky_ledger *other, struct rky_error *err)
{
    int64_t added = 0;
    int rc = run_alone(ledger, RKY_SQL_HISTORY_CLEAR, err);
    if (rc == 0)
        rc = run_alone(ledger, RKY_SQL_COUNTED_CLEAR, err);
    if (rc == 0)
        rc = rky_ledger_merge_counts(ledger, other, err);
    if (rc == 0)
        rc = run_alone(ledger, RKY_SQL_WATERMARKS_CLEAR, err);
    if (rc == 0)
        rc = unite(ledger, other, RKY_SQL_WATERMARKS, RKY_SQL_WATERMARK_PUT, &added, err);
    if (rc == 0)
        rc = forget_later_plans(ledger, other, err);
    return rc == 0 ? unite_what_happened(ledger, other, err) : rc;
}

/* --- both ------------------------------------------------------------------------------------- */

/* Open the other for reading, and read it in one snapshot. */
static int open_other(struct rky_ledger *ledger, const char *path, struct rky_ledger **ret_other,
                      struct rky_error *err)
{
    const struct rky_ledger_options options = {.path = path,
                                               .namespace_ = ledger->namespace_,
                                               .mode = RKY_LEDGER_READ,
                                               .clock = ledger->clock,
                                               .log = ledger->log};
    if (ledger->mode != RKY_LEDGER_WRITE || ledger->db == NULL ||
        sqlite3_get_autocommit(ledger->db))
        return rky_fail(err, RKY_ERR_BUG, "states are united inside a write transaction only");
    struct rky_ledger *other = NULL;
    int rc = rky_ledger_open(&options, &other, err);
    if (rc == 0)
        rc = rky_ledger_begin(other, err);
    if (rc != 0) {
        rky_ledger_close(other);
        return rc;
    }
    *ret_other = other;
    return 0;
}

int rky_ledger_merge(struct rky_ledger *ledger, const char *other_path,
                     const struct rky_merge_options *options, struct rky_error *err)
{
    static const struct rky_merge_options NONE = {.own_tables = NULL};
    struct rky_ledger *other = NULL;
    struct rky_ledger_meta mine, theirs;
    int rc = open_other(ledger, other_path, &other, err);
    if (rc == 0)
        rc = rky_ledger_meta(ledger, &mine, err);
    if (rc == 0)
        rc = rky_ledger_meta(other, &theirs, err);
    if (rc == 0)
        rc = check_lineage(ledger, &mine, &theirs, err);
    if (rc == 0)
        rc = rky_ledger_merge_counts(ledger, other, err);
    if (rc == 0)
        rc = unite_watermarks(ledger, other, options != NULL ? options : &NONE, err);
    if (rc == 0)
        rc = unite_what_happened(ledger, other, err);
    if (rc == 0)
        rc = unite_meta(ledger, &theirs, err);
    if (rc == 0)
        rc = add_ancestor(ledger, &mine, theirs.write_id, err);
    rky_ledger_close(other);
    return rc;
}

int rky_ledger_replace_content(struct rky_ledger *ledger, const char *other_path,
                               struct rky_error *err)
{
    struct rky_ledger *other = NULL;
    struct rky_ledger_meta theirs;
    int rc = open_other(ledger, other_path, &other, err);
    if (rc == 0)
        rc = rky_ledger_meta(other, &theirs, err);
    if (rc == 0)
        rc = replace(ledger, other, err);
    if (rc == 0)
        rc = unite_meta(ledger, &theirs, err);
    rky_ledger_close(other);
    return rc;
}
