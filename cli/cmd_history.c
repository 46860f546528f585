/* SPDX-License-Identifier: Apache-2.0 */
/* rocky history: past runs, row counts and anomalies. Reads only, waits for nobody; of a remote
 * state a private copy is read. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/state_session.h"
#include "cli/text.h"
#include "common/mem.h"

#define RUNS_DEFAULT 20
#define RUNS_MAX 100000
#define SPARK_MAX 60

struct counted {
    const char *table;
    struct rky_count *counts;
    size_t count;
    char *anomalies; /**< JSON array */
};

struct history {
    struct rky_state_session session;
    struct rky_ledger *ledger; /**< NULL = there is no state yet */
    struct rky_run_record *runs;
    size_t run_count;
    char **names;
    size_t name_count;
    struct counted *tables;
    size_t table_count;
};

/* --- gathering ---------------------------------------------------------------------------- */

static int take_limit(const struct rky_parsed *parsed, size_t *ret_limit, struct rky_error *err)
{
    const char *text = rky_parsed_value(parsed, "runs");
    *ret_limit = RUNS_DEFAULT;
    if (text == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 1 || number > RUNS_MAX)
        return rky_fail(err, RKY_ERR_USAGE, "--runs is '%s': expected a number from 1 to %d", text,
                        RUNS_MAX);
    *ret_limit = (size_t)number;
    return 0;
}

static int read_table(struct history *history, const char *name, size_t limit,
                      struct rky_error *err)
{
    struct counted *table = &history->tables[history->table_count++];
    table->table = name;
    int rc = rky_ledger_counts(history->ledger, name, limit, &table->counts, &table->count, err);
    if (rc == 0)
        rc = rky_ledger_anomalies(history->ledger, name, limit, &table->anomalies, err);
    return rc;
}

static int gather(const struct rky_cli *cli, size_t limit, struct history *history,
                  struct rky_error *err)
{
    const char *only = rky_parsed_value(cli->parsed, "table");
    struct rky_error missing = {0};
    int rc = rky_state_open_read(cli, &history->session, &missing);
    if (rc == RKY_ERR_NOT_FOUND)
        return only == NULL ? 0 : rky_cli_unknown_table(only, NULL, 0, err);
    if (rc != 0) {
        *err = missing;
        return rc;
    }
    history->ledger = rky_state_ledger(&history->session);
    rc = rky_ledger_runs(history->ledger, limit, &history->runs, &history->run_count, err);
    if (rc == 0)
        rc = rky_ledger_count_tables(history->ledger, &history->names, &history->name_count, err);
    if (rc != 0)
        return rc;
    history->tables = rky_calloc(history->name_count + 1, sizeof(history->tables[0]));
    if (history->tables == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; rc == 0 && i < history->name_count; i++) {
        if (only == NULL || strcmp(only, history->names[i]) == 0)
            rc = read_table(history, history->names[i], limit, err);
    }
    if (rc == 0 && only != NULL && history->table_count == 0)
        rc = rky_cli_unknown_table(only, history->names, history->name_count, err);
    return rc;
}

static void history_done(struct history *history)
{
    for (size_t i = 0; i < history->table_count; i++) {
        rky_free(history->tables[i].counts);
        rky_free(history->tables[i].anomalies);
    }
    rky_free(history->tables);
    for (size_t i = 0; i < history->name_count; i++)
        rky_free(history->names[i]);
    rky_free(history->names);
    rky_run_records_free(history->runs, history->run_count);
    rky_state_close(&history->session);
}

/* --- json --------------------------------------------------------------------------------- */

static json_t *run_json(const struct rky_run_record *run)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "run_id", rky_cli_text_json(run->run_id));
    bad |= json_object_set_new(object, "job_id", rky_cli_text_json(run->job_id));
    bad |= json_object_set_new(object, "started_at", rky_cli_time_json(run->started_at_us));
    bad |= json_object_set_new(object, "finished_at", rky_cli_time_json(run->finished_at_us));
    bad |= json_object_set_new(object, "status", rky_cli_text_json(run->status));
    bad |= json_object_set_new(object, "trigger", rky_cli_text_json(run->trigger));
    bad |= json_object_set_new(object, "tables_copied", json_integer(run->tables_copied));
    bad |= json_object_set_new(object, "tables_failed", json_integer(run->tables_failed));
    bad |= json_object_set_new(object, "rows_copied", json_integer(run->rows_copied));
    bad |= json_object_set_new(object, "worker_id", rky_cli_text_json(run->worker_id));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *table_json(const struct counted *table)
{
    json_t *object = json_object();
    json_t *counts = json_array();
    int bad = 0;
    for (size_t i = 0; i < table->count; i++) {
        json_t *point = json_object();
        bad |= json_object_set_new(point, "count", json_integer(table->counts[i].count));
        bad |= json_object_set_new(point, "timestamp", rky_cli_time_json(table->counts[i].at_us));
        bad |= json_array_append_new(counts, point);
    }
    bad |= json_object_set_new(object, "table", rky_cli_text_json(table->table));
    bad |= json_object_set_new(object, "counts", counts);
    bad |= json_object_set_new(object, "anomalies", json_loads(table->anomalies, 0, NULL));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(const struct rky_cli *cli, const struct history *history,
                      struct rky_error *err)
{
    json_t *object = rky_cli_envelope(cli);
    json_t *runs = json_array();
    json_t *tables = json_array();
    int bad = 0;
    for (size_t i = 0; i < history->run_count; i++)
        bad |= json_array_append_new(runs, run_json(&history->runs[i]));
    for (size_t i = 0; i < history->table_count; i++)
        bad |= json_array_append_new(tables, table_json(&history->tables[i]));
    bad |= json_object_set_new(object, "runs", runs);
    bad |= json_object_set_new(object, "tables", tables);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

/* --- text --------------------------------------------------------------------------------- */

static enum rky_paint paint_of(const char *status)
{
    if (strcmp(status, "success") == 0 || strcmp(status, "skipped") == 0)
        return RKY_PAINT_NONE;
    return strcmp(status, "partial") == 0 ? RKY_PAINT_YELLOW : RKY_PAINT_RED;
}

static int print_runs(const struct rky_cli *cli, const struct history *history,
                      struct rky_error *err)
{
    static const char *const head[] = {"STARTED", "KIND", "STATUS", "TABLES", "FAILED",
                                       "ROWS",    "TIME", "BY",     "RUN"};
    struct rky_columns columns = {.align = "lllrrrrll"};
    rky_columns_add(&columns, RKY_PAINT_BOLD, head);
    for (size_t i = 0; i < history->run_count; i++) {
        const struct rky_run_record *run = &history->runs[i];
        char started[RKY_TIME_TEXT_MAX], tables[RKY_NUMBER_TEXT_MAX], failed[RKY_NUMBER_TEXT_MAX],
            rows[RKY_NUMBER_TEXT_MAX], time[RKY_NUMBER_TEXT_MAX];
        rky_time_format(run->started_at_us, started);
        const char *cells[] = {
            started,
            run->kind,
            run->status,
            rky_number_text(run->tables_copied, tables),
            rky_number_text(run->tables_failed, failed),
            rky_number_text(run->rows_copied, rows),
            rky_duration_text((run->finished_at_us - run->started_at_us) / 1000, time),
            run->trigger,
            run->run_id,
        };
        rky_columns_add(&columns, paint_of(run->status), cells);
    }
    int rc = history->run_count == 0 ? 0 : rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    return rc;
}

static void note_anomalies(struct rky_columns *columns, const struct counted *table)
{
    json_t *anomalies = json_loads(table->anomalies, 0, NULL);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(anomalies, i, item)
    {
        rky_columns_note(columns, RKY_PAINT_YELLOW, "  anomaly %s: %s",
                         rky_member_text(item, "kind", "?"), rky_member_text(item, "reason", ""));
    }
    json_decref(anomalies);
}

static int print_counts(const struct rky_cli *cli, const struct history *history,
                        struct rky_error *err)
{
    static const char *const head[] = {"TABLE", "COUNT", "COUNTS OVER THE RUNS"};
    struct rky_columns columns = {.align = "lrl"};
    bool utf8 = rky_text_is_utf8();
    rky_columns_add(&columns, RKY_PAINT_BOLD, head);
    for (size_t i = 0; i < history->table_count; i++) {
        const struct counted *table = &history->tables[i];
        int64_t newest[SPARK_MAX];
        size_t shown = table->count > SPARK_MAX ? SPARK_MAX : table->count;
        for (size_t k = 0; k < shown; k++)
            newest[k] = table->counts[table->count - shown + k].count;
        struct rky_strbuf spark = {0};
        char count[RKY_NUMBER_TEXT_MAX];
        rky_sparkline(&spark, newest, shown, utf8);
        const char *cells[] = {table->table,
                               shown == 0 ? "-" : rky_number_text(newest[shown - 1], count),
                               rky_strbuf_text(&spark)};
        rky_columns_add(&columns, RKY_PAINT_NONE, cells);
        rky_strbuf_done(&spark);
        note_anomalies(&columns, table);
    }
    int rc =
        history->table_count == 0 ? 0 : rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    return rc;
}

static int print_text(const struct rky_cli *cli, const struct history *history,
                      struct rky_error *err)
{
    if (history->run_count == 0 && history->table_count == 0) {
        printf("namespace '%s' has no history yet\n", cli->namespace_);
        return 0;
    }
    int rc = print_runs(cli, history, err);
    if (rc == 0 && history->run_count > 0 && history->table_count > 0)
        putchar('\n');
    if (rc == 0)
        rc = print_counts(cli, history, err);
    return rc;
}

int rky_cmd_history(const struct rky_parsed *parsed, void *program)
{
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct history history = {0};
    size_t limit = 0;
    int rc = take_limit(parsed, &limit, &err);
    if (rc == 0)
        rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = gather(cli, limit, &history, &err);
    if (rc == 0)
        rc = cli->json ? print_json(cli, &history, &err) : print_text(cli, &history, &err);
    history_done(&history);
    return rky_cli_end(cli, rc, &err);
}
