/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one row that says which state this is: namespace, lineage, generation, write id and the
 * greatest fence token of our own claims. Lineage and namespace tell states apart, generation and
 * write id tell versions of one state apart; the fence never goes back.
 */
#include "config.h"

#include "state/ledger_internal.h"

int rky_ledger_meta(struct rky_ledger *ledger, struct rky_ledger_meta *ret_meta,
                    struct rky_error *err)
{
    struct rky_ledger_meta meta = {.generation = 0};
    struct rky_query query = rky_query_start(ledger, RKY_SQL_META_GET);
    bool found = rky_query_row(&query);
    if (found) {
        rky_query_copy_text(&query, 0, meta.namespace_, sizeof(meta.namespace_));
        rky_query_copy_text(&query, 1, meta.lineage, sizeof(meta.lineage));
        meta.generation = rky_query_get_int(&query, 2);
        rky_query_copy_text(&query, 3, meta.write_id, sizeof(meta.write_id));
        meta.fence = rky_query_get_int(&query, 4);
    }
    int rc = rky_query_finish(&query, "read the generation", err);
    if (rc == 0 && !found)
        rc = rky_ledger_fail_damaged(ledger, "it does not say which state it is", err);
    if (rc == 0)
        *ret_meta = meta;
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
    if (rc == 0)
        *ret_generation = generation;
    return rc;
}
