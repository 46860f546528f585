/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail: who changed the state by hand, when, and what was there before. Entries are only
 * added; retention takes the oldest.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include "common/mem.h"

int rky_ledger_audit(struct rky_ledger *ledger, const char *action, const char *subject,
                     const char *old_value, const char *new_value, const char *actor,
                     struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_AUDIT_ADD);
    rky_query_int(&query, ledger->clock->wall_us(ledger->clock));
    rky_query_text(&query, action);
    rky_query_text(&query, subject);
    rky_query_text(&query, old_value);
    rky_query_text(&query, new_value);
    rky_query_text(&query, actor);
    return rky_query_run(&query, "write the audit trail", err);
}

void rky_audit_records_free(struct rky_audit_record *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rky_free(items[i].action);
        rky_free(items[i].subject);
        rky_free(items[i].old_value);
        rky_free(items[i].new_value);
        rky_free(items[i].actor);
    }
    rky_free(items);
}

int rky_ledger_audit_list(struct rky_ledger *ledger, size_t limit,
                          struct rky_audit_record **ret_items, size_t *ret_count,
                          struct rky_error *err)
{
    struct rky_audit_record *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_AUDIT_LIST);
    rky_query_int(&query, (int64_t)limit);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&items, &capacity, count + 1, sizeof(*items), err);
        if (rc == 0)
            items[count++] = (struct rky_audit_record){
                .at_us = rky_query_get_int(&query, 0),
                .action = rky_query_get_text(&query, 1),
                .subject = rky_query_get_text(&query, 2),
                .old_value = rky_query_get_text(&query, 3),
                .new_value = rky_query_get_text(&query, 4),
                .actor = rky_query_get_text(&query, 5),
            };
    }
    int finish_rc = rky_query_finish(&query, "read the audit trail", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc != 0) {
        rky_audit_records_free(items, count);
        return rc;
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}
