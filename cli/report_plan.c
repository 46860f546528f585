/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for people; see report.h. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"

static void print_clean(const char *text)
{
    struct rky_strbuf buffer = {0};
    rky_text_clean(&buffer, text);
    fputs(rky_strbuf_text(&buffer), stdout);
    rky_strbuf_done(&buffer);
}

/* Statements may have lines of their own: each is indented and cleaned. */
static void print_sql(const char *purpose, const char *sql)
{
    printf("  sql, %s:\n", purpose);
    struct rky_strbuf line = {0};
    for (const char *p = sql; *p != '\0';) {
        size_t length = strcspn(p, "\n");
        line.length = 0;
        rky_strbuf_addn(&line, p, length);
        fputs("    ", stdout);
        print_clean(rky_strbuf_text(&line));
        putchar('\n');
        p += length + (p[length] == '\n');
    }
    rky_strbuf_done(&line);
}

static void print_window(const json_t *table)
{
    const json_t *window = json_object_get(table, "window");
    const json_t *rows = json_object_get(table, "estimated_rows");
    const char *after = rky_member_text(window, "after", NULL);
    char text[RKY_NUMBER_TEXT_MAX];
    fputs("  rows: ", stdout);
    if (json_is_integer(rows))
        printf("about %s", rky_number_text((int64_t)json_integer_value(rows), text));
    else
        fputs("unknown", stdout);
    fputs("\n  window: ", stdout);
    if (after != NULL) {
        fputs("after ", stdout);
        print_clean(after);
        fputs(", ", stdout);
    }
    fputs("through ", stdout);
    print_clean(rky_member_text(window, "through_rule", "?"));
    putchar('\n');
}

static void print_warnings(bool color, const json_t *warnings)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(warnings, i, item)
    {
        printf("  %swarning: ", rky_paint_on(color, RKY_PAINT_YELLOW));
        print_clean(rky_member_text(item, "message", ""));
        printf(" (%s)%s\n", rky_member_text(item, "code", ""),
               rky_paint_off(color, RKY_PAINT_YELLOW));
    }
}

static void print_table(const struct rky_cli *cli, const json_t *plan, const json_t *table)
{
    bool color = cli->color_out;
    const char *name = rky_member_text(table, "table", "?");
    const char *action = rky_member_text(table, "action", "?");
    bool refused = strcmp(action, "refused") == 0;
    fputs(rky_paint_on(color, RKY_PAINT_BOLD), stdout);
    print_clean(name);
    printf("%s\n  action: %s%s%s", rky_paint_off(color, RKY_PAINT_BOLD),
           rky_paint_on(color, refused ? RKY_PAINT_RED : RKY_PAINT_GREEN), action,
           rky_paint_off(color, RKY_PAINT_GREEN));
    const char *reason = rky_member_text(table, "reason", NULL);
    if (reason != NULL) {
        fputs(" (", stdout);
        print_clean(reason);
        putchar(')');
    }
    putchar('\n');
    if (!refused)
        print_window(table);
    print_warnings(color, json_object_get(table, "warnings"));
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(plan, "statements"), i, item)
    {
        if (strcmp(rky_member_text(item, "target", ""), name) == 0)
            print_sql(rky_member_text(item, "purpose", "?"), rky_member_text(item, "sql", ""));
    }
}

/* The command line that applies it, with the options that chose this state and pipeline; quoted so
 * that a shell takes it as it stands. */
static void print_option(const struct rky_cli *cli, const char *name)
{
    const char *value = rky_parsed_value(cli->parsed, name);
    if (value == NULL)
        return;
    printf(" --%s ", name);
    if (value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "_-./:,@%+=")] == '\0' &&
        *value != '\0') {
        fputs(value, stdout);
        return;
    }
    putchar('\'');
    for (const char *p = value; *p != '\0'; p++)
        fputs(*p == '\'' ? "'\\''" : (char[]){*p, '\0'}, stdout);
    putchar('\'');
}

int rky_cli_report_plan(const struct rky_cli *cli, const json_t *plan, struct rky_error *err)
{
    const json_t *tables = json_object_get(plan, "tables");
    const char *id = rky_member_text(plan, "plan_id", NULL);
    if (id == NULL)
        return rky_fail(err, RKY_ERR_BUG, "the plan has no plan_id");
    size_t i = 0;
    const json_t *table = NULL;
    int64_t rows = 0;
    json_array_foreach(tables, i, table)
    {
        print_table(cli, plan, table);
        rows += rky_member_integer(table, "estimated_rows");
    }
    char text[RKY_NUMBER_TEXT_MAX];
    printf("%splan of pipeline '%s' in namespace '%s': %zu tables, about %s rows; valid until %s\n",
           json_array_size(tables) == 0 ? "" : "\n", rky_member_text(plan, "pipeline", "?"),
           rky_member_text(plan, "namespace", "?"), json_array_size(tables),
           rky_number_text(rows, text), rky_member_text(plan, "expires_at", "?"));
    print_warnings(cli->color_out, json_object_get(plan, "warnings"));
    static const char *const kept[] = {"config", "state-path", "pipeline", "namespace", NULL};
    fputs("apply it with: rocky", stdout);
    for (const char *const *name = kept; *name != NULL; name++)
        print_option(cli, *name);
    printf(" apply %s\nplan_id: %s\n", id, id);
    return 0;
}
