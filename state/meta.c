/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one row that says which state this is: namespace, lineage, generation, write id with those it
 * derives from, and the greatest fence token of our own claims. Lineage and namespace tell states
 * apart, generation and write id tell versions of one state apart; the fence never goes back.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <string.h>

#include "common/mem.h"

enum { UUID_LENGTH = RKY_UUID_TEXT - 1 };

/* "id id id" as the column holds it. @return whether it is exactly that. */
static bool split_ancestors(const char *text, struct rky_ledger_meta *meta)
{
    while (*text != '\0') {
        if (meta->ancestor_count == RKY_ANCESTORS_MAX || strlen(text) < UUID_LENGTH)
            return false;
        char *id = meta->ancestors[meta->ancestor_count++];
        memcpy(id, text, UUID_LENGTH);
        id[UUID_LENGTH] = '\0';
        text += UUID_LENGTH;
        if (!rky_uuid_valid(id) || (*text == ' ' && text[1] == '\0') ||
            (*text != ' ' && *text != '\0'))
            return false;
        text += *text == ' ';
    }
    return true;
}

/* What schema version 2 added. An older file has had no other reader and no other writer. */
static void read_version_2(struct rky_query *query, struct rky_ledger_meta *meta)
{
    char ancestors[RKY_ANCESTORS_MAX * RKY_UUID_TEXT];
    meta->min_reader_version = 1;
    if (rky_query_columns(query) < 8)
        return;
    rky_query_copy_text(query, 6, ancestors, sizeof(ancestors));
    meta->min_reader_version = rky_query_get_int(query, 7);
    if (!split_ancestors(ancestors, meta))
        query->rc = SQLITE_FORMAT;
}

/* Only we can change a copy that we hold, and only in a transaction. */
static bool may_remember(const struct rky_ledger *ledger)
{
    return ledger->private_copy && ledger->lock.held && ledger->db != NULL &&
           sqlite3_get_autocommit(ledger->db) != 0;
}

static int read_meta(struct rky_ledger *ledger, struct rky_ledger_meta *ret_meta,
                     struct rky_error *err)
{
    struct rky_ledger_meta meta = {.generation = 0};
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_GET);
    bool found = rky_query_row(&query);
    if (found) {
        rky_query_copy_text(&query, 1, meta.namespace_, sizeof(meta.namespace_));
        rky_query_copy_text(&query, 2, meta.lineage, sizeof(meta.lineage));
        meta.generation = rky_query_get_int(&query, 3);
        rky_query_copy_text(&query, 4, meta.write_id, sizeof(meta.write_id));
        meta.fence = rky_query_get_int(&query, 5);
        read_version_2(&query, &meta);
    }
    int rc = rky_query_finish(&query, "read the generation", err);
    if (rc == 0 && !found)
        rc = rky_ledger_fail_damaged(ledger, "it does not say which state it is", err);
    if (rc == 0)
        *ret_meta = meta;
    return rc;
}

/* What the whole job asks again and again. */
static int remember(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_ledger_header header = {0};
    int rc = read_meta(ledger, &ledger->meta, err);
    if (rc == 0)
        rc = rky_ledger_header_read(ledger, &header, err);
    ledger->schema_version = header.user_version;
    ledger->remembers = rc == 0;
    return rc;
}

int rky_ledger_meta(struct rky_ledger *ledger, struct rky_ledger_meta *ret_meta,
                    struct rky_error *err)
{
    if (!may_remember(ledger))
        return read_meta(ledger, ret_meta, err);
    int rc = ledger->remembers ? 0 : remember(ledger, err);
    if (rc == 0)
        *ret_meta = ledger->meta;
    return rc;
}

int rky_ledger_set_lineage(struct rky_ledger *ledger, const char *lineage, struct rky_error *err)
{
    if (!rky_uuid_valid(lineage))
        return rky_fail(err, RKY_ERR_DECODE, "lineage '%s' is not a UUID", lineage);
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_LINEAGE);
    rky_query_text(&query, lineage);
    return rky_query_run(&query, "set the lineage", err);
}

int rky_ledger_raise_fence(struct rky_ledger *ledger, int64_t token, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_FENCE);
    rky_query_int(&query, token);
    return rky_query_run(&query, "raise the fence", err);
}

int rky_ledger_bump(struct rky_ledger *ledger, int64_t *ret_generation, struct rky_error *err)
{
    char write_id[RKY_UUID_TEXT];
    rky_uuid_v4(write_id);
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_BUMP);
    rky_query_text(&query, write_id);
    bool found = rky_query_row(&query);
    int64_t generation = rky_query_get_int(&query, 0);
    int rc = rky_query_finish(&query, "raise the generation", err);
    if (rc == 0 && !found)
        rc = rky_ledger_fail_damaged(ledger, "it does not say which state it is", err);
    if (rc == 0) {
        ledger->named = true;
        *ret_generation = generation;
    }
    return rc;
}

int rky_ledger_set_version(struct rky_ledger *ledger, int64_t generation,
                           const char (*ancestors)[RKY_UUID_TEXT], size_t count,
                           struct rky_error *err)
{
    struct rky_strbuf list = {.data = NULL};
    for (size_t i = 0; i < count && i < RKY_ANCESTORS_MAX; i++) {
        if (!rky_uuid_valid(ancestors[i])) {
            rky_strbuf_done(&list);
            return rky_fail(err, RKY_ERR_DECODE, "write id '%s' is not a UUID", ancestors[i]);
        }
        rky_strbuf_addf(&list, "%s%s", i == 0 ? "" : " ", ancestors[i]);
    }
    if (list.failed) {
        rky_strbuf_done(&list);
        return rky_fail_nomem(err);
    }
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_VERSION);
    rky_query_int(&query, generation);
    rky_query_text(&query, rky_strbuf_text(&list));
    int rc = rky_query_run(&query, "set the generation", err);
    rky_strbuf_done(&list);
    return rc;
}

int rky_ledger_head(struct rky_ledger *ledger, struct rky_snapshot_head *ret_head,
                    struct rky_error *err)
{
    struct rky_ledger_meta meta;
    struct rky_ledger_header header = {0};
    int rc = rky_ledger_meta(ledger, &meta, err);
    if (rc == 0 && may_remember(ledger))
        header.user_version = ledger->schema_version;
    else if (rc == 0)
        rc = rky_ledger_header_read(ledger, &header, err);
    if (rc != 0)
        return rc;
    *ret_head = (struct rky_snapshot_head){.generation = meta.generation,
                                           .ancestor_count = meta.ancestor_count,
                                           .fence = meta.fence,
                                           .schema_version = header.user_version,
                                           .min_reader_version = meta.min_reader_version};
    memcpy(ret_head->namespace_, meta.namespace_, sizeof(meta.namespace_));
    memcpy(ret_head->lineage, meta.lineage, sizeof(meta.lineage));
    memcpy(ret_head->write_id, meta.write_id, sizeof(meta.write_id));
    memcpy(ret_head->ancestors, meta.ancestors, sizeof(meta.ancestors));
    return 0;
}
