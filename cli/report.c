/* SPDX-License-Identifier: Apache-2.0 */
/* Results for people; see report.h. */
#include "config.h"

#include "cli/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"

const char *rky_member_text(const json_t *object, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? fallback : text;
}

int64_t rky_member_integer(const json_t *object, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(object, name));
}

/* --- tables ------------------------------------------------------------------------------- */

static void note_warnings(struct rky_columns *columns, const json_t *warnings)
{
    size_t i = 0;
    const json_t *warning = NULL;
    json_array_foreach(warnings, i, warning)
    {
        rky_columns_note(columns, RKY_PAINT_YELLOW, "  warning: %s (%s)",
                         rky_member_text(warning, "message", ""),
                         rky_member_text(warning, "code", ""));
    }
}

static void add_materialization(struct rky_columns *columns, const json_t *item)
{
    char rows[RKY_NUMBER_TEXT_MAX], late[RKY_NUMBER_TEXT_MAX], time[RKY_NUMBER_TEXT_MAX];
    const char *cells[] = {
        rky_member_text(item, "table", "?"),
        rky_member_text(item, "action", "?"),
        rky_number_text(rky_member_integer(item, "rows_copied"), rows),
        rky_duration_text(rky_member_integer(item, "duration_ms"), time),
        rky_member_text(item, "watermark", "-"),
    };
    rky_columns_add(columns, RKY_PAINT_NONE, cells);
    if (rky_member_integer(item, "late_rows") > 0)
        rky_columns_note(columns, RKY_PAINT_DIM, "  %s of them at or below the former watermark",
                         rky_number_text(rky_member_integer(item, "late_rows"), late));
    if (json_is_true(json_object_get(item, "reconciled")))
        rky_columns_note(columns, RKY_PAINT_DIM,
                         "  watermark taken over from the target's own metadata");
    note_warnings(columns, json_object_get(item, "warnings"));
}

static int print_tables(const struct rky_cli *cli, const json_t *result, struct rky_error *err)
{
    static const char *const head[] = {"TABLE", "ACTION", "ROWS", "TIME", "WATERMARK"};
    const json_t *items = json_object_get(result, "materializations");
    if (json_array_size(items) == 0)
        return 0;
    struct rky_columns columns = {.align = "llrrl"};
    rky_columns_add(&columns, RKY_PAINT_BOLD, head);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(items, i, item) add_materialization(&columns, item);
    int rc = rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    return rc;
}

/* --- what a person should look at --------------------------------------------------------- */

/* @param told a message that is printed elsewhere. Failed checks have lines of their own. */
static void note_errors(struct rky_columns *notes, const json_t *result, const char *told)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(result, "errors"), i, item)
    {
        const char *table = rky_member_text(item, "table", NULL);
        if (strcmp(rky_member_text(item, "failure_kind", ""), "check-failed") == 0 ||
            (table == NULL && strcmp(rky_member_text(item, "error", ""), told) == 0))
            continue;
        rky_columns_note(notes, RKY_PAINT_RED, "failed: %s%s%s (%s%s)", table == NULL ? "" : table,
                         table == NULL ? "" : ": ", rky_member_text(item, "error", ""),
                         rky_member_text(item, "failure_kind", "unknown"),
                         json_is_true(json_object_get(item, "transient")) ? ", may pass later"
                                                                          : "");
        if (rky_member_text(item, "hint", NULL) != NULL)
            rky_columns_note(notes, RKY_PAINT_NONE, "  hint: %s",
                             rky_member_text(item, "hint", ""));
    }
}

static void note_checks(struct rky_columns *notes, const json_t *result)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(result, "check_results"), i, item)
    {
        size_t k = 0;
        const json_t *check = NULL;
        json_array_foreach(json_object_get(item, "checks"), k, check)
        {
            if (json_is_true(json_object_get(check, "passed")))
                continue;
            bool error = strcmp(rky_member_text(check, "severity", "error"), "error") == 0;
            rky_columns_note(notes, error ? RKY_PAINT_RED : RKY_PAINT_YELLOW, "check %s %s: %s%s%s",
                             rky_member_text(check, "name", "?"), error ? "failed" : "warns",
                             rky_member_text(item, "table", "?"),
                             json_object_get(check, "message") == NULL ? "" : ": ",
                             rky_member_text(check, "message", ""));
        }
    }
}

static void note_findings(struct rky_columns *notes, const json_t *result)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(result, "anomalies"), i, item)
    {
        rky_columns_note(notes, RKY_PAINT_YELLOW, "anomaly %s: %s: %s",
                         rky_member_text(item, "kind", "?"), rky_member_text(item, "table", "?"),
                         rky_member_text(item, "reason", ""));
    }
    const json_t *drift = json_object_get(result, "drift");
    json_array_foreach(json_object_get(drift, "actions_taken"), i, item)
    {
        rky_columns_note(notes, RKY_PAINT_YELLOW, "drift: %s: %s: %s",
                         rky_member_text(item, "table", "?"), rky_member_text(item, "action", "?"),
                         rky_member_text(item, "reason", ""));
    }
    note_warnings(notes, json_object_get(result, "warnings"));
}

static int print_notes(const struct rky_cli *cli, const json_t *result, const char *told,
                       struct rky_error *err)
{
    struct rky_columns notes = {.align = ""};
    note_errors(&notes, result, told);
    note_checks(&notes, result);
    note_findings(&notes, result);
    int rc = rky_columns_print(&notes, stdout, cli->color_out, err);
    rky_columns_done(&notes);
    return rc;
}

static void print_summary(const struct rky_cli *cli, const json_t *result)
{
    const char *status = rky_member_text(result, "status", "?");
    bool good = strcmp(status, "success") == 0 || strcmp(status, "skipped") == 0;
    enum rky_paint paint = good                             ? RKY_PAINT_GREEN
                           : strcmp(status, "partial") == 0 ? RKY_PAINT_YELLOW
                                                            : RKY_PAINT_RED;
    char rows[RKY_NUMBER_TEXT_MAX], time[RKY_NUMBER_TEXT_MAX];
    int64_t copied = rky_member_integer(result, "tables_copied");
    printf("%s%s%s: %" PRId64 " %s copied", rky_paint_on(cli->color_out, paint), status,
           rky_paint_off(cli->color_out, paint), copied, copied == 1 ? "table" : "tables");
    if (rky_member_integer(result, "tables_failed") > 0)
        printf(", %" PRId64 " failed", rky_member_integer(result, "tables_failed"));
    if (rky_member_integer(result, "tables_skipped") > 0)
        printf(", %" PRId64 " skipped", rky_member_integer(result, "tables_skipped"));
    printf(", %s rows, %s (run %s)\n",
           rky_number_text(rky_member_integer(result, "rows_copied"), rows),
           rky_duration_text(rky_member_integer(result, "duration_ms"), time),
           rky_member_text(result, "run_id", "none"));
    const char *duplicate = rky_member_text(result, "duplicate_of", NULL);
    if (duplicate != NULL)
        printf("nothing was executed: job %s has done this under the same idempotency key\n",
               duplicate);
}

int rky_cli_report_result(const struct rky_cli *cli, const json_t *result, const char *told,
                          struct rky_error *err)
{
    int rc = print_tables(cli, result, err);
    if (rc == 0)
        rc = print_notes(cli, result, told, err);
    if (rc == 0)
        print_summary(cli, result);
    return rc;
}
