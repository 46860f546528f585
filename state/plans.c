/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans that wait to be applied. The id is the digest of the payload, so a payload never changes;
 * planning the same again refreshes what was shown and when it expires. Applied is for ever: the
 * first run that consumed a plan stays named.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include "common/mem.h"

void rky_plan_record_done(struct rky_plan_record *record)
{
    rky_free(record->pipeline);
    rky_free(record->payload);
    rky_free(record->display);
    rky_free(record->applied_run_id);
    *record = (struct rky_plan_record){.pipeline = NULL};
}

int rky_ledger_plan_put(struct rky_ledger *ledger, const struct rky_plan_record *record,
                        struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_PLAN_PUT);
    rky_query_text(&query, record->plan_id);
    rky_query_text(&query, record->pipeline);
    rky_query_text(&query, record->payload);
    rky_query_text(&query, record->display);
    rky_query_int(&query, record->created_at_us);
    rky_query_int(&query, record->expires_at_us);
    return rky_query_run(&query, "store a plan", err);
}

int rky_ledger_plan_get(struct rky_ledger *ledger, const char *plan_id,
                        struct rky_plan_record *ret_record, struct rky_error *err)
{
    struct rky_plan_record record = {.pipeline = NULL};
    struct rky_query query = rky_query_start(ledger, RKY_SQL_PLAN_GET);
    rky_query_text(&query, plan_id);
    bool found = rky_query_row(&query);
    if (found) {
        rky_query_copy_text(&query, 0, record.plan_id, sizeof(record.plan_id));
        record.pipeline = rky_query_get_text(&query, 1);
        record.payload = rky_query_get_text(&query, 2);
        record.display = rky_query_get_text(&query, 3);
        record.created_at_us = rky_query_get_int(&query, 4);
        record.expires_at_us = rky_query_get_int(&query, 5);
        record.applied_at_us = rky_query_get_int(&query, 6); /* NULL reads as 0 */
        record.applied_run_id = rky_query_get_text(&query, 7);
    }
    int rc = rky_query_finish(&query, "look up a plan", err);
    if (rc == 0 && !found)
        rc = RKY_ERR_NOT_FOUND;
    if (rc == 0)
        *ret_record = record;
    else
        rky_plan_record_done(&record);
    return rc;
}

int rky_ledger_plan_applied(struct rky_ledger *ledger, const char *plan_id, const char *run_id,
                            int64_t at_us, struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_PLAN_APPLIED);
    rky_query_text(&query, plan_id);
    rky_query_text(&query, run_id);
    rky_query_int(&query, at_us);
    int rc = rky_query_run(&query, "mark a plan as applied", err);
    if (rc != 0 || sqlite3_changes64(ledger->db) > 0)
        return rc;

    struct rky_plan_record record;
    rc = rky_ledger_plan_get(ledger, plan_id, &record, err);
    if (rc == RKY_ERR_NOT_FOUND)
        return rky_fail(err, RKY_ERR_NOT_FOUND, "plan '%s' is not in state file '%s'", plan_id,
                        ledger->path);
    if (rc != 0)
        return rc;
    rc = rky_fail(err, RKY_ERR_REFUSED, "plan '%s' was already applied by run '%s'", plan_id,
                  record.applied_run_id);
    rky_plan_record_done(&record);
    return rc;
}
