/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watermarks, the ledger's copy of what each target table says of itself, and tombstones, which
 * ask for one full refresh of a table. The target is the truth for the former; of the latter the
 * greatest `seq` of a table counts, and it goes only when the target carries it.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include "common/mem.h"

void rky_watermark_done(struct rky_watermark *watermark)
{
    rky_free(watermark->table);
    rky_free(watermark->cursor_column);
    rky_free(watermark->cursor_type);
    rky_free(watermark->value);
    rky_free(watermark->high_value);
    rky_free(watermark->commit_id);
    rky_free(watermark->run_id);
    rky_free(watermark->job_id);
    rky_free(watermark->source);
    rky_free(watermark->pipeline);
    *watermark = (struct rky_watermark){.table = NULL};
}

void rky_watermarks_free(struct rky_watermark *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rky_watermark_done(&items[i]);
    rky_free(items);
}

static void read_watermark(struct rky_query *query, struct rky_watermark *watermark)
{
    *watermark = (struct rky_watermark){
        .table = rky_query_get_text(query, 0),
        .cursor_column = rky_query_get_text(query, 1),
        .cursor_type = rky_query_get_text(query, 2),
        .value = rky_query_get_text(query, 3),
        .high_value = rky_query_get_text(query, 4),
        .commit_id = rky_query_get_text(query, 5),
        .run_id = rky_query_get_text(query, 6),
        .job_id = rky_query_get_text(query, 7),
        .source = rky_query_get_text(query, 8),
        .pipeline = rky_query_get_text(query, 9),
        .updated_at_us = rky_query_get_int(query, 10),
    };
}

int rky_ledger_watermark_get(struct rky_ledger *ledger, const char *table,
                             struct rky_watermark *ret_watermark, struct rky_error *err)
{
    struct rky_watermark watermark = {.table = NULL};
    struct rky_query query = rky_query_start(ledger, RKY_SQL_WATERMARK_GET);
    rky_query_text(&query, table);
    bool found = rky_query_row(&query);
    if (found)
        read_watermark(&query, &watermark);
    int rc = rky_query_finish(&query, "read a watermark", err);
    if (rc == 0 && !found)
        rc = RKY_ERR_NOT_FOUND;
    if (rc == 0)
        *ret_watermark = watermark;
    else
        rky_watermark_done(&watermark);
    return rc;
}

int rky_ledger_watermark_put(struct rky_ledger *ledger, const struct rky_watermark *watermark,
                             struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_WATERMARK_PUT);
    rky_query_text(&query, watermark->table);
    rky_query_text(&query, watermark->cursor_column);
    rky_query_text(&query, watermark->cursor_type);
    rky_query_text(&query, watermark->value);
    rky_query_text(&query, watermark->high_value);
    rky_query_text(&query, watermark->commit_id);
    rky_query_text(&query, watermark->run_id);
    rky_query_text(&query, watermark->job_id);
    rky_query_text(&query, watermark->source != NULL ? watermark->source : "");
    rky_query_text(&query, watermark->pipeline != NULL ? watermark->pipeline : "");
    rky_query_int(&query, watermark->updated_at_us);
    return rky_query_run(&query, "record a watermark", err);
}

int rky_ledger_watermark_delete(struct rky_ledger *ledger, const char *table, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_WATERMARK_DELETE);
    rky_query_text(&query, table);
    return rky_query_run(&query, "delete a watermark", err);
}

int rky_ledger_watermarks(struct rky_ledger *ledger, struct rky_watermark **ret_items,
                          size_t *ret_count, struct rky_error *err)
{
    struct rky_watermark *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_WATERMARKS);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&items, &capacity, count + 1, sizeof(*items), err);
        if (rc == 0)
            read_watermark(&query, &items[count++]);
    }
    int finish_rc = rky_query_finish(&query, "read the watermarks", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc != 0) {
        rky_watermarks_free(items, count);
        return rc;
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

int rky_ledger_tombstone_get(struct rky_ledger *ledger, const char *table, int64_t *ret_seq,
                             struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_TOMBSTONE_GET);
    rky_query_text(&query, table);
    (void)rky_query_row(&query); /* max() of nothing is one row with NULL, read as 0 */
    int64_t seq = rky_query_get_int(&query, 0);
    int rc = rky_query_finish(&query, "read a tombstone", err);
    if (rc == 0)
        *ret_seq = seq;
    return rc;
}

int rky_ledger_tombstone_put(struct rky_ledger *ledger, const char *table, int64_t seq,
                             const char *reason, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_TOMBSTONE_PUT);
    rky_query_text(&query, table);
    rky_query_int(&query, seq);
    rky_query_text(&query, reason);
    rky_query_int(&query, ledger->clock->wall_us(ledger->clock));
    return rky_query_run(&query, "record a tombstone", err);
}

int rky_ledger_tombstone_sweep(struct rky_ledger *ledger, const char *table, int64_t seq,
                               struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_TOMBSTONE_SWEEP);
    rky_query_text(&query, table);
    rky_query_int(&query, seq);
    return rky_query_run(&query, "forget a tombstone", err);
}

void rky_tombstones_free(struct rky_tombstone *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rky_free(items[i].table);
        rky_free(items[i].reason);
    }
    rky_free(items);
}

int rky_ledger_tombstones(struct rky_ledger *ledger, struct rky_tombstone **ret_items,
                          size_t *ret_count, struct rky_error *err)
{
    struct rky_tombstone *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_TOMBSTONES);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&items, &capacity, count + 1, sizeof(*items), err);
        if (rc == 0)
            items[count++] = (struct rky_tombstone){.table = rky_query_get_text(&query, 0),
                                                    .seq = rky_query_get_int(&query, 1),
                                                    .reason = rky_query_get_text(&query, 2),
                                                    .created_at_us = rky_query_get_int(&query, 3)};
    }
    int finish_rc = rky_query_finish(&query, "read the tombstones", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc != 0) {
        rky_tombstones_free(items, count);
        return rc;
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}
