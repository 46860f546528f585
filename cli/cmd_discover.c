/* SPDX-License-Identifier: Apache-2.0 */
/* rocky discover: source tables, where each goes, and what is left out. Reads sources only. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/text.h"
#include "common/mem.h"
#include "engine/discover.h"

/** What a table's row needs beyond discovery. */
struct table_view {
    const char *cursor;      /**< borrowed, NULL = the table has none */
    const char *cursor_type; /**< static, NULL = no value to tell from */
    bool indexed;
    int64_t rows; /**< -1 = unknown */
};

/* Figures cost a scan; a source that cannot be read loses its figures, not the listing. */
static void view_table(struct rky_cli *cli, const struct rky_source *source,
                       const struct rky_source_table *table, struct table_view *ret_view)
{
    const char *wanted = table->settings.timestamp_column;
    const struct rky_column *column = wanted == NULL ? NULL : rky_table_column(table->info, wanted);
    *ret_view = (struct table_view){.cursor = column == NULL ? NULL : column->name, .rows = -1};
    for (size_t i = 0; ret_view->cursor != NULL && i < table->info->indexed_count; i++)
        ret_view->indexed |= strcmp(table->info->indexed[i], ret_view->cursor) == 0;

    struct rky_table_ref ref = {source->catalog, source->schema, table->info->name};
    struct rky_table_facts facts = {0};
    struct rky_error err = {0};
    if (cli->source->ops->facts(cli->source, &ref, table->info, ret_view->cursor, NULL,
                                cli->clock->wall_us(cli->clock), &facts, &err) != 0) {
        rky_log_write(cli->log, RKY_LOG_WARN, NULL, "table '%s.%s': %s", source->schema,
                      table->info->name, err.message);
        return;
    }
    ret_view->rows = facts.row_count;
    if (facts.greatest.type != RKY_CURSOR_NONE)
        ret_view->cursor_type = facts.lowest_type == facts.highest_type
                                    ? rky_cursor_type_name(facts.greatest.type)
                                    : "mixed";
    rky_table_facts_done(&facts);
}

/* --- json --------------------------------------------------------------------------------- */

static json_t *components_json(const struct rky_components *components)
{
    json_t *object = json_object();
    int bad = 0;
    for (size_t i = 0; i < components->count; i++) {
        const struct rky_component *component = &components->items[i];
        json_t *value = NULL;
        if (component->variadic) {
            value = json_array();
            for (size_t k = 0; k < component->values.count; k++)
                bad |= json_array_append_new(value, json_string(component->values.items[k]));
        } else {
            value = json_string(component->values.count > 0 ? component->values.items[0] : "");
        }
        bad |= json_object_set_new(object, component->name, value);
    }
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *table_json(struct rky_cli *cli, const struct rky_source *source,
                          const struct rky_source_table *table)
{
    struct table_view view;
    view_table(cli, source, table, &view);
    json_t *object = json_object();
    int bad = json_object_set_new(object, "name", rky_cli_text_json(table->info->name));
    bad |= json_object_set_new(object, "target", rky_cli_text_json(table->target_name));
    bad |= json_object_set_new(object, "cursor", rky_cli_text_json(view.cursor));
    bad |= json_object_set_new(object, "cursor_type", rky_cli_text_json(view.cursor_type));
    bad |= json_object_set_new(object, "cursor_indexed",
                               view.cursor == NULL ? json_null() : json_boolean(view.indexed));
    bad |= json_object_set_new(object, "estimated_rows",
                               view.rows < 0 ? json_null() : json_integer(view.rows));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *source_json(struct rky_cli *cli, const struct rky_source *source)
{
    json_t *object = json_object();
    json_t *tables = json_array();
    int bad = 0;
    for (size_t i = 0; i < source->table_count; i++)
        bad |= json_array_append_new(tables, table_json(cli, source, &source->tables[i]));
    bad |= json_object_set_new(object, "catalog", rky_cli_text_json(source->catalog));
    bad |= json_object_set_new(object, "schema", rky_cli_text_json(source->schema));
    bad |= json_object_set_new(object, "components", components_json(&source->components));
    bad |= json_object_set_new(object, "tables", tables);
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *excluded_json(const char *name, const char *reason)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "name", rky_cli_text_json(name));
    bad |= json_object_set_new(object, "reason", rky_cli_text_json(reason));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(struct rky_cli *cli, const struct rky_discovery *discovery,
                      struct rky_error *err)
{
    json_t *object = rky_cli_envelope(cli);
    json_t *sources = json_array();
    json_t *excluded = json_array();
    int bad = 0;
    for (size_t i = 0; i < discovery->source_count; i++)
        bad |= json_array_append_new(sources, source_json(cli, &discovery->sources[i]));
    for (size_t i = 0; i < discovery->excluded_count; i++)
        bad |= json_array_append_new(
            excluded, excluded_json(discovery->excluded[i].name, discovery->excluded[i].reason));
    for (size_t i = 0; i < discovery->source_count; i++) {
        const struct rky_source *source = &discovery->sources[i];
        if (source->fault == NULL)
            continue;
        char *name = rky_asprintf("%s.%s", source->catalog, source->schema);
        bad |= name == NULL ||
               json_array_append_new(excluded, excluded_json(name, source->fault->message)) != 0;
        rky_free(name);
    }
    bad |= json_object_set_new(object, "sources", sources);
    bad |= json_object_set_new(object, "excluded", excluded);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

/* --- text --------------------------------------------------------------------------------- */

static void note_source(struct rky_columns *columns, const struct rky_source *source)
{
    struct rky_strbuf parts = {0};
    for (size_t i = 0; i < source->components.count; i++) {
        const char *name = source->components.items[i].name;
        char *value = rky_component_value(&source->components, name, ", ");
        rky_strbuf_addf(&parts, "%s%s=%s", i == 0 ? "" : ", ", name, value == NULL ? "" : value);
        rky_free(value);
    }
    rky_columns_note(columns, RKY_PAINT_BOLD, "%s.%s (%s)", source->catalog, source->schema,
                     rky_strbuf_text(&parts));
    rky_strbuf_done(&parts);
    if (source->fault != NULL)
        rky_columns_note(columns, RKY_PAINT_RED, "  cannot be read: %s", source->fault->message);
}

static void add_table(struct rky_cli *cli, struct rky_columns *columns,
                      const struct rky_source *source, const struct rky_source_table *table)
{
    struct table_view view;
    view_table(cli, source, table, &view);
    char rows[RKY_NUMBER_TEXT_MAX];
    char name[512], cursor[512];
    snprintf(name, sizeof(name), "  %s", table->info->name);
    if (view.cursor == NULL)
        snprintf(cursor, sizeof(cursor), "no cursor");
    else
        snprintf(cursor, sizeof(cursor), "%s%s%s%s", view.cursor,
                 view.cursor_type == NULL ? "" : " ",
                 view.cursor_type == NULL ? "" : view.cursor_type,
                 view.indexed ? ", indexed" : ", no index");
    const char *cells[] = {name, table->target_name, cursor,
                           view.rows < 0 ? "-" : rky_number_text(view.rows, rows)};
    rky_columns_add(columns, RKY_PAINT_NONE, cells);
}

static int print_text(struct rky_cli *cli, const struct rky_discovery *discovery,
                      struct rky_error *err)
{
    static const char *const head[] = {"TABLE", "TARGET", "CURSOR", "ROWS"};
    struct rky_columns columns = {.align = "lllr"};
    size_t tables = 0;
    if (discovery->source_count > 0)
        rky_columns_add(&columns, RKY_PAINT_DIM, head);
    for (size_t i = 0; i < discovery->source_count; i++) {
        const struct rky_source *source = &discovery->sources[i];
        note_source(&columns, source);
        for (size_t k = 0; k < source->table_count; k++)
            add_table(cli, &columns, source, &source->tables[k]);
        tables += source->table_count;
    }
    for (size_t i = 0; i < discovery->excluded_count; i++)
        rky_columns_note(&columns, RKY_PAINT_DIM, "left out: %s: %s", discovery->excluded[i].name,
                         discovery->excluded[i].reason);
    int rc = rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    printf("%zu sources, %zu tables, %zu left out\n", discovery->source_count, tables,
           discovery->excluded_count);
    return rc;
}

int rky_cmd_discover(const struct rky_parsed *parsed, void *program)
{
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_filter filter = {0};
    struct rky_discovery discovery = {0};
    int rc = rky_cli_select(cli, false, &err);
    if (rc == 0)
        rc = rky_cli_adapters(cli, &err);
    const char *term = NULL;
    for (size_t i = 0; rc == 0 && (term = rky_parsed_nth(parsed, "filter", i)) != NULL; i++)
        rc = rky_filter_add(&filter, term, &err);
    if (rc == 0)
        rc = rky_discover(cli->pipeline, cli->source, cli->target, &filter, cli->namespace_,
                          &discovery, &err);
    if (rc == 0)
        rc = cli->json ? print_json(cli, &discovery, &err) : print_text(cli, &discovery, &err);
    rky_discovery_done(&discovery);
    rky_filter_done(&filter);
    return rky_cli_end(cli, rc, &err);
}
