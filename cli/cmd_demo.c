/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky demo: the story. Each step does one thing with the real programs, states what was seen with
 * its figures, and fails when that is not what was promised. The steps are a list; a new one is a
 * function and a row.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/demo.h"
#include "cli/demo_kill.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/text.h"

/* --- what the steps share ----------------------------------------------------------------- */

static int say_compared(struct rky_demo *demo, const char *client, struct rky_error *err)
{
    int64_t rows = 0;
    int tables = 0;
    char text[RKY_NUMBER_TEXT_MAX];
    int rc = rky_demo_compare(demo, client, &rows, &tables, err);
    if (rc == 0)
        rky_demo_say(demo,
                     "compared source and target row by row: all %s rows of %d %s are the same, "
                     "none twice, none missing",
                     rky_number_text(rows, text), tables, tables == 1 ? "table" : "tables");
    return rc;
}

/* Tables of a result by action. */
static int64_t count_action(const struct rky_demo_result *result, const char *action)
{
    size_t i = 0;
    int64_t count = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(result->body, "materializations"), i, item)
    {
        count += strcmp(rky_member_text(item, "action", ""), action) == 0;
    }
    return count;
}

static void say_result(struct rky_demo *demo, const char *client,
                       const struct rky_demo_result *result)
{
    char rows[RKY_NUMBER_TEXT_MAX], time[RKY_NUMBER_TEXT_MAX];
    int64_t tables = rky_member_integer(result->body, "tables_copied");
    rky_demo_say(demo,
                 "%s: %s rows into %" PRId64 " %s (%" PRId64 " full, %" PRId64
                 " incremental) in %s by worker %s",
                 client, rky_number_text(rky_member_integer(result->body, "rows_copied"), rows),
                 tables, tables == 1 ? "table" : "tables", count_action(result, "full_refresh"),
                 count_action(result, "incremental"),
                 rky_duration_text(rky_member_integer(result->body, "duration_ms"), time),
                 result->worker);
}

static int expect_rows(const struct rky_demo_result *result, int64_t wanted, struct rky_error *err)
{
    int64_t copied = rky_member_integer(result->body, "rows_copied");
    return copied == wanted
               ? 0
               : rky_fail(err, RKY_ERR_CONFLICT, "%" PRId64 " rows were copied, expected %" PRId64,
                          copied, wanted);
}

/* One job, one successful result. */
static int run_job(struct rky_demo *demo, const char *client, struct rky_demo_result *ret_result,
                   struct rky_error *err)
{
    char job_id[RKY_UUID_TEXT];
    int rc = rky_demo_enqueue(demo, client, 1, job_id, err);
    if (rc == 0)
        rc = rky_demo_await(demo, job_id, "waiting for the result", ret_result, err);
    if (rc == 0)
        rc = rky_demo_expect_success(ret_result, err);
    return rc;
}

static const struct rky_demo_table *find_table(const char *client, const char *name)
{
    const struct rky_demo_table *table = rky_demo_tables();
    while (strcmp(table->client, client) != 0 || strcmp(table->table, name) != 0)
        table++;
    return table;
}

/* --- the steps ---------------------------------------------------------------------------- */

static int step_source(struct rky_demo *demo, struct rky_error *err)
{
    int64_t rows = 0;
    char text[RKY_NUMBER_TEXT_MAX];
    int tables = 0;
    int rc = rky_demo_make_source(demo, &rows, err);
    if (rc == 0)
        rc = rky_demo_write_config(demo, err);
    if (rc != 0)
        return rc;
    const char *schema = "";
    for (const struct rky_demo_table *t = rky_demo_tables(); t->client != NULL; t++) {
        tables++;
        if (strcmp(schema, t->schema) != 0)
            rky_demo_say(demo, "%s", t->schema);
        schema = t->schema;
    }
    rky_demo_say(demo, "%s rows in %d tables; every 40 rows share one cursor value",
                 rky_number_text(rows, text), tables);
    return 0;
}

static int step_fleet(struct rky_demo *demo, struct rky_error *err)
{
    int rc = rky_demo_start_broker(demo, err);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = rky_demo_start_worker(demo, err);
    if (rc == 0)
        rky_demo_say(demo, "broker at %s, workers are processes %ld and %ld",
                     rky_broker_bootstrap(demo->broker), (long)demo->workers[0].pid,
                     (long)demo->workers[1].pid);
    return rc;
}

static int step_first_run(struct rky_demo *demo, struct rky_error *err)
{
    static const char *const clients[] = {"acme", "globex", "initech"};
    char ids[3][RKY_UUID_TEXT];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = rky_demo_enqueue(demo, clients[i], 1, ids[i], err);
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        struct rky_demo_result result = {0};
        rc = rky_demo_await(demo, ids[i], "three jobs are on the topic", &result, err);
        if (rc == 0)
            rc = rky_demo_expect_success(&result, err);
        if (rc == 0)
            say_result(demo, clients[i], &result);
        if (rc == 0 && count_action(&result, "full_refresh") !=
                           rky_member_integer(result.body, "tables_copied"))
            rc = rky_fail(err, RKY_ERR_CONFLICT, "a first run was not a full refresh");
        rky_demo_result_done(&result);
    }
    return rc != 0 ? rc : say_compared(demo, NULL, err);
}

static int step_increment(struct rky_demo *demo, struct rky_error *err)
{
    struct rky_demo_result result = {0};
    int64_t orders = demo->rows / 40 + 7, charges = demo->rows / 80 + 3;
    char text[RKY_NUMBER_TEXT_MAX];
    int rc = rky_demo_add_rows(demo, find_table("acme", "orders"), orders, 7, err);
    if (rc == 0)
        rc = rky_demo_add_rows(demo, find_table("acme", "charges"), charges, 0, err);
    if (rc != 0)
        return rc;
    rky_demo_say(demo, "acme's source gained %s rows; 7 of them tie with the watermark",
                 rky_number_text(orders + charges, text));
    rc = run_job(demo, "acme", &result, err);
    if (rc == 0)
        say_result(demo, "acme", &result);
    if (rc == 0)
        rc = expect_rows(&result, orders + charges, err);
    if (rc == 0 && count_action(&result, "full_refresh") != 0)
        rc = rky_fail(err, RKY_ERR_CONFLICT, "a table was copied whole, expected only new rows");
    rky_demo_result_done(&result);
    return rc != 0 ? rc : say_compared(demo, "acme", err);
}

static int step_kill(struct rky_demo *demo, struct rky_error *err)
{
    struct rky_demo_result result = {0};
    int64_t rows = 0;
    int rc = rky_demo_kill_in_copy(demo, find_table("globex", "orders"), &rows, &result, err);
    if (rc == 0) {
        say_result(demo, "globex", &result);
        rc = expect_rows(&result, rows, err);
    }
    rky_demo_result_done(&result);
    return rc != 0 ? rc : say_compared(demo, "globex", err);
}

static int step_duplicate(struct rky_demo *demo, struct rky_error *err)
{
    struct rky_demo_result first = {0}, second = {0};
    char job_id[RKY_UUID_TEXT], text[RKY_NUMBER_TEXT_MAX];
    int64_t rows = demo->rows / 100 + 11;
    int rc = rky_demo_add_rows(demo, find_table("initech", "invoices"), rows, 11, err);
    if (rc == 0)
        rc = rky_demo_enqueue(demo, "initech", 2, job_id, err);
    if (rc == 0)
        rc = rky_demo_await(demo, job_id, "waiting for the result", &first, err);
    if (rc == 0)
        rc = rky_demo_expect_success(&first, err);
    if (rc == 0)
        rc = rky_demo_await(demo, job_id, "waiting for the answer to the copy", &second, err);
    if (rc == 0)
        rc = expect_rows(&first, rows, err);
    if (rc == 0 && (strcmp(first.text, second.text) != 0 || strcmp(first.ce_id, second.ce_id) != 0))
        rc = rky_fail(err, RKY_ERR_CONFLICT, "the two results of job %s differ", job_id);
    if (rc == 0)
        rky_demo_say(demo,
                     "the message of job %s was delivered twice: %s rows copied once, one run, "
                     "and two results that are the same in every byte (%zu)",
                     job_id, rky_number_text(rows, text), strlen(first.text));
    rky_demo_result_done(&first);
    rky_demo_result_done(&second);
    return rc != 0 ? rc : say_compared(demo, "initech", err);
}

static int step_delete(struct rky_demo *demo, struct rky_error *err)
{
    static const char name[] = "acme_warehouse.staging__us_west__shopify.customers";
    static const char *const arguments[] = {"state",       "delete", "--table", name,
                                            "--namespace", "acme",   NULL};
    struct rky_demo_result result = {0};
    int rc = rky_demo_rocky(demo, arguments, err);
    if (rc != 0)
        return rc;
    rky_demo_say(demo, "rocky state delete --namespace acme --table %s", name);
    rc = run_job(demo, "acme", &result, err);
    if (rc == 0)
        say_result(demo, "acme", &result);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(result.body, "materializations"), i, item)
    {
        bool full = strcmp(rky_member_text(item, "action", ""), "full_refresh") == 0;
        bool wanted = strcmp(rky_member_text(item, "table", ""), name) == 0;
        if (rc == 0 && full != wanted)
            rc = rky_fail(err, RKY_ERR_CONFLICT, "table '%s' was %s",
                          rky_member_text(item, "table", "?"),
                          full ? "copied whole, expected only new rows"
                               : "not copied whole, expected a full refresh");
    }
    rky_demo_result_done(&result);
    return rc != 0 ? rc : say_compared(demo, "acme", err);
}

static int step_drain(struct rky_demo *demo, struct rky_error *err)
{
    int count = 0;
    int64_t since_ms = rky_demo_now_ms(demo);
    char time[RKY_NUMBER_TEXT_MAX];
    int rc = rky_demo_drain(demo, &count, err);
    if (rc == 0)
        rky_demo_say(demo,
                     "SIGTERM: %d worker%s returned the partitions and ended with status 0 "
                     "in %s",
                     count, count == 1 ? "" : "s",
                     rky_duration_text(rky_demo_now_ms(demo) - since_ms, time));
    return rc != 0 ? rc : say_compared(demo, NULL, err);
}

static const struct {
    const char *name, *title;
    int (*run)(struct rky_demo *demo, struct rky_error *err);
} steps[] = {
    {"source", "A source with four connectors", step_source},
    {"fleet", "A broker and two workers", step_fleet},
    {"first-run", "First run: everything is copied", step_first_run},
    {"increment", "New rows arrive: only those are copied", step_increment},
    {"kill", "A worker is killed in the middle of a copy", step_kill},
    {"duplicate", "The same job is delivered twice", step_duplicate},
    {"state-delete", "A watermark is deleted", step_delete},
    {"drain", "The end", step_drain},
};

/* --- around the story --------------------------------------------------------------------- */

static int tell(struct rky_demo *demo, struct rky_error *err)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        rky_demo_begin(demo, steps[i].name, steps[i].title);
        int rc = steps[i].run(demo, err);
        rky_demo_end(demo, rc == 0 ? NULL : err);
        if (rc != 0) {
            rky_error_hint(err, "the logs of the workers are in '%s'", demo->directory);
            return rc;
        }
    }
    return 0;
}

static int print_json(const struct rky_demo *demo, bool passed, struct rky_error *err)
{
    json_t *object = rky_cli_envelope(demo->cli);
    int bad = json_object_set_new(object, "passed", json_boolean(passed));
    bad |= json_object_set_new(object, "directory", rky_cli_text_json(demo->directory));
    bad |= json_object_set_new(object, "duration_ms",
                               json_integer(rky_demo_now_ms(demo) - demo->started_ms));
    bad |= json_object_set(object, "steps", demo->steps);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

static int show_end(struct rky_demo *demo, int rc, struct rky_error *err)
{
    char time[RKY_NUMBER_TEXT_MAX];
    struct rky_cli *cli = demo->cli;
    if (demo->started_ms == 0)
        return rky_cli_end(cli, rc, err);
    if (!cli->json && rc == 0) {
        printf("\n%sEverything was seen as promised%s, in %s.\n",
               rky_paint_on(cli->color_out, RKY_PAINT_GREEN),
               rky_paint_off(cli->color_out, RKY_PAINT_GREEN),
               rky_duration_text(rky_demo_now_ms(demo) - demo->started_ms, time));
        rky_demo_farewell(demo);
        return RKY_EXIT_OK;
    }
    struct rky_error print_error = {0};
    if (cli->json && print_json(demo, rc == 0, &print_error) != 0)
        return rky_cli_end(cli, print_error.code, &print_error);
    if (rc == 0)
        return RKY_EXIT_OK;
    fflush(stdout);
    rky_cli_complain(cli, err);
    return rky_stop_asked(demo->stop) ? RKY_EXIT_INTERRUPTED : RKY_EXIT_FAILED;
}

int rky_cmd_demo(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_error err = {0};
    struct rky_demo demo = {.cli = program, .steps = json_array()};
    int rc = rky_stop_start(&demo.stop, &err);
    if (rc == 0)
        rc = rky_demo_setup(&demo, &err);
    if (rc == 0) {
        demo.started_ms = rky_demo_now_ms(&demo);
        rc = tell(&demo, &err);
    }
    rky_demo_fleet_done(&demo);
    int code = show_end(&demo, rc, &err);
    rky_stop_end(demo.stop);
    json_decref(demo.steps);
    rky_strbuf_done(&demo.seen);
    rky_free(demo.directory);
    rky_free(demo.rocky);
    rky_free(demo.worker);
    rky_free(demo.producer);
    return code;
}
