/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row counts per table and run, with what was found odd about them.
 *
 * Each point carries a flag `anomalous`: it is shown, but left out of the average. Each table
 * carries the `seq` at which its baseline starts: points before it are kept until retention takes
 * them, and are neither counted nor listed by rky_ledger_counts(). Accepting a count moves the
 * baseline to it and clears its flag, so that the next run is judged by the accepted level alone.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <jansson.h>

#include "common/mem.h"

static int find_counted_table(struct rky_ledger *ledger, const char *table, int64_t *ret_id,
                              struct rky_error *err)
{
    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNTED_GET);
    rky_query_text(&query, table);
    bool found = rky_query_row(&query);
    int64_t id = rky_query_get_int(&query, 0);
    int rc = rky_query_finish(&query, "read the history", err);
    if (rc == 0 && !found)
        rc = RKY_ERR_NOT_FOUND;
    if (rc == 0)
        *ret_id = id;
    return rc;
}

int rky_ledger_counted_table(struct rky_ledger *ledger, const char *table, bool add,
                             int64_t *ret_id, struct rky_error *err)
{
    int rc = find_counted_table(ledger, table, ret_id, err);
    if (rc != RKY_ERR_NOT_FOUND || !add)
        return rc;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNTED_ADD);
    rky_query_text(&query, table);
    (void)rky_query_row(&query); /* a row, or a failure that sticks */
    int64_t id = rky_query_get_int(&query, 0);
    rc = rky_query_finish(&query, "record a row count", err);
    if (rc == 0)
        *ret_id = id;
    return rc;
}

/* Retention looks only at the tables that grew: the others were looked at when they did. */
int rky_ledger_counted(struct rky_ledger *ledger, int64_t table_id, int64_t newest_seq,
                       struct rky_error *err)
{
    int rc = rky_array_reserve(&ledger->counted, &ledger->counted_capacity,
                               ledger->counted_count + 1, sizeof(*ledger->counted), err);
    if (rc == 0)
        ledger->counted[ledger->counted_count++] = (struct rky_counted){table_id, newest_seq};
    return rc;
}

int rky_ledger_count_add(struct rky_ledger *ledger, const char *table, const char *run_id,
                         int64_t count, int64_t at_us, bool anomalous, const char *anomaly_json,
                         struct rky_error *err)
{
    int64_t table_id = 0;
    int rc = rky_ledger_counted_table(ledger, table, true, &table_id, err);
    if (rc != 0)
        return rc;

    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNT_ADD);
    rky_query_int(&query, table_id);
    rky_query_text(&query, run_id);
    rky_query_int(&query, count);
    rky_query_int(&query, at_us);
    rky_query_int(&query, anomalous);
    rky_query_text(&query, anomaly_json);
    (void)rky_query_row(&query); /* a row, or a failure that sticks */
    int64_t seq = rky_query_get_int(&query, 0);
    rc = rky_query_finish(&query, "record a row count", err);
    return rc != 0 ? rc : rky_ledger_counted(ledger, table_id, seq, err);
}

int rky_ledger_counts(struct rky_ledger *ledger, const char *table, size_t limit,
                      struct rky_count **ret_counts, size_t *ret_count, struct rky_error *err)
{
    struct rky_count *counts = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNTS);
    rky_query_text(&query, table);
    rky_query_int(&query, (int64_t)limit);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&counts, &capacity, count + 1, sizeof(*counts), err);
        if (rc != 0)
            break;
        counts[count] = (struct rky_count){.count = rky_query_get_int(&query, 0),
                                           .at_us = rky_query_get_int(&query, 1),
                                           .anomalous = rky_query_get_int(&query, 2) != 0};
        count++;
    }
    int finish_rc = rky_query_finish(&query, "read the history", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc != 0) {
        rky_free(counts);
        return rc;
    }
    /* Read newest first, to get the latest; handed out oldest first. */
    for (size_t i = 0; i < count / 2; i++) {
        struct rky_count swap = counts[i];
        counts[i] = counts[count - 1 - i];
        counts[count - 1 - i] = swap;
    }
    *ret_counts = counts;
    *ret_count = count;
    return 0;
}

static int fail_no_counts(const struct rky_ledger *ledger, const char *table, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_NOT_FOUND, "table '%s' has no row counts in namespace '%s'", table,
                   ledger->namespace_);
    rky_error_hint(err, "'rocky history' lists the tables that have some");
    return RKY_ERR_NOT_FOUND;
}

int rky_ledger_count_accept(struct rky_ledger *ledger, const char *table, struct rky_error *err)
{
    int64_t table_id = 0;
    int rc = rky_ledger_counted_table(ledger, table, false, &table_id, err);
    if (rc == RKY_ERR_NOT_FOUND)
        return fail_no_counts(ledger, table, err);
    if (rc != 0)
        return rc;

    struct rky_query normal = rky_query_start(ledger, RKY_SQL_COUNT_NORMAL);
    rky_query_int(&normal, table_id);
    bool found = rky_query_row(&normal);
    int64_t seq = rky_query_get_int(&normal, 0);
    rc = rky_query_finish(&normal, "accept a row count", err);
    if (rc == 0 && !found)
        rc = fail_no_counts(ledger, table, err);
    if (rc != 0)
        return rc;

    struct rky_query baseline = rky_query_start(ledger, RKY_SQL_COUNT_BASELINE);
    rky_query_int(&baseline, table_id);
    rky_query_int(&baseline, seq);
    return rky_query_run(&baseline, "accept a row count", err);
}

/* Add the findings of one point, each with the run and the time it belongs to. */
static int add_findings(struct rky_query *query, json_t *list, struct rky_ledger *ledger,
                        struct rky_error *err)
{
    int rc = 0;
    char at[RKY_TIME_TEXT_MAX];
    char *run_id = rky_query_get_text(query, 0);
    char *text = rky_query_get_text(query, 2);
    json_t *findings = text != NULL ? json_loads(text, 0, NULL) : NULL;
    rky_time_format(rky_query_get_int(query, 1), at);

    if (text != NULL && !json_is_array(findings))
        rc = rky_ledger_fail_damaged(ledger, "a finding is not a JSON array", err);
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
    {
        if (rc != 0)
            break;
        if (json_is_object(finding) &&
            (json_object_set_new(finding, "timestamp", json_string(at)) != 0 ||
             (run_id != NULL && json_object_set_new(finding, "run_id", json_string(run_id)) != 0)))
            rc = rky_fail_nomem(err);
        if (rc == 0 && json_array_append(list, finding) != 0)
            rc = rky_fail_nomem(err);
    }
    json_decref(findings);
    rky_free(text);
    rky_free(run_id);
    return rc;
}

int rky_ledger_anomalies(struct rky_ledger *ledger, const char *table, size_t limit,
                         char **ret_json, struct rky_error *err)
{
    int rc = 0;
    char *json = NULL;
    json_t *list = json_array();
    if (list == NULL)
        return rky_fail_nomem(err);
    struct rky_query query = rky_query_start(ledger, RKY_SQL_FINDINGS);
    rky_query_text(&query, table);
    rky_query_int(&query, (int64_t)limit);
    while (rc == 0 && rky_query_row(&query))
        rc = add_findings(&query, list, ledger, err);
    int finish_rc = rky_query_finish(&query, "read the anomalies", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc == 0) {
        json = json_dumps(list, JSON_COMPACT);
        if (json == NULL)
            rc = rky_fail_nomem(err);
    }
    json_decref(list);
    if (rc == 0)
        *ret_json = json;
    return rc;
}

int rky_ledger_count_tables(struct rky_ledger *ledger, char ***ret_tables, size_t *ret_count,
                            struct rky_error *err)
{
    struct rky_strings names = {.items = NULL};
    size_t capacity = 0;
    int rc = 0;
    struct rky_query query = rky_query_start(ledger, RKY_SQL_COUNTED_ALL);
    while (rc == 0 && rky_query_row(&query)) {
        rc = rky_array_reserve(&names.items, &capacity, names.count + 1, sizeof(*names.items), err);
        if (rc == 0)
            names.items[names.count++] = rky_query_get_text(&query, 0);
    }
    int finish_rc = rky_query_finish(&query, "read the history", err);
    rc = rc != 0 ? rc : finish_rc;
    if (rc != 0) {
        rky_strings_done(&names);
        return rc;
    }
    *ret_tables = names.items;
    *ret_count = names.count;
    return 0;
}
