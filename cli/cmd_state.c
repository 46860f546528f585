/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state: what the ledger says and what the targets say, side by side. Reads only, takes no
 * lock, waits for nobody; of a remote state a private copy is read.
 *
 * The next run continues from the target's row where there is one. `source_of_truth` is "ledger"
 * while the ledger says the same (or the target could not be read, or a deletion is pending), and
 * "target" where the ledger is stale.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/marks.h"
#include "cli/output.h"
#include "cli/state_holder.h"
#include "cli/state_session.h"
#include "cli/text.h"
#include "common/mem.h"
#include "engine/names.h"

struct row {
    const char *table;
    const struct rky_watermark *ledger; /**< NULL = the state file has none */
    const struct rky_mark *mark;        /**< NULL = the target has none */
    bool readable;                      /**< the target schema was read */
    bool pending;                       /**< deleted: the next run is a full refresh */
};

struct rows {
    struct row *items;
    size_t count, capacity;
};

struct state {
    struct rky_state_session session;
    struct rky_ledger *ledger; /**< NULL = there is no state yet */
    char *location;
    const char *local_copy; /**< NULL with backend `local` */
    bool held;
    struct rky_lease_holder holder;
    struct rky_ledger_meta meta;
    struct rky_watermark *watermarks;
    size_t watermark_count;
    struct rky_marks_view view;
    struct rows rows;
};

/* --- gathering ---------------------------------------------------------------------------- */

/* Who works on it and what lies here is told as far as it is known: the watermarks are what was
 * asked for. */
static void look_around(const struct rky_cli *cli, struct state *state)
{
    struct rky_error hidden = {0};
    struct rky_snapshot_head head = {0};
    if (rky_state_holder(cli, state->session.store, &state->held, &state->holder, &hidden) != 0)
        rky_log_write(cli->log, RKY_LOG_WARN, NULL, "the lease was not looked up: %s",
                      hidden.message);
    rky_error_clear(&hidden);
    if (state->ledger != NULL && rky_ledger_head(state->ledger, &head, &hidden) != 0)
        return;
    state->local_copy = rky_state_local_copy(cli, &head);
}

static int open_ledger(const struct rky_cli *cli, struct state *state, struct rky_error *err)
{
    struct rky_error missing = {0};
    int rc = rky_state_open_read(cli, &state->session, &missing);
    if (rc != 0 && rc != RKY_ERR_NOT_FOUND) {
        *err = missing;
        return rc;
    }
    if (rc == 0)
        state->ledger = rky_state_ledger(&state->session);
    state->location = rky_state_location(cli, state->session.store);
    if (state->location == NULL)
        return rky_fail_nomem(err);
    look_around(cli, state);
    if (state->ledger == NULL)
        return 0;
    rc = rky_ledger_meta(state->ledger, &state->meta, err);
    if (rc == 0)
        rc = rky_ledger_watermarks(state->ledger, &state->watermarks, &state->watermark_count, err);
    return rc;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    return strcmp(left->table, right->table);
}

static struct row *find_row(const struct rows *rows, size_t sorted, const char *table)
{
    struct row key = {.table = table};
    return sorted == 0 ? NULL : bsearch(&key, rows->items, sorted, sizeof(key), compare_rows);
}

static int add_row(struct rows *rows, const struct row *row, struct rky_error *err)
{
    int rc = rky_array_reserve(&rows->items, &rows->capacity, rows->count + 1,
                               sizeof(rows->items[0]), err);
    if (rc == 0)
        rows->items[rows->count++] = *row;
    return rc;
}

static const struct rky_schema_marks *schema_of(const struct rky_marks_view *view,
                                                const char *table)
{
    char *parts[3] = {NULL, NULL, NULL};
    struct rky_error odd = {0};
    const struct rky_schema_marks *found = NULL;
    if (rky_table_name_split(table, parts, &odd) == 0) {
        for (size_t i = 0; found == NULL && i < view->count; i++) {
            if (strcmp(view->schemas[i].schema, parts[1]) == 0 &&
                strcmp(view->schemas[i].catalog, parts[0]) == 0)
                found = &view->schemas[i];
        }
    }
    for (size_t k = 0; k < 3; k++)
        rky_free(parts[k]);
    return found;
}

static int join_marks(const struct rky_cli *cli, struct state *state, struct rky_error *err)
{
    size_t sorted = state->rows.count;
    int rc = 0;
    for (size_t s = 0; s < state->view.count; s++) {
        const struct rky_schema_marks *schema = &state->view.schemas[s];
        for (size_t i = 0; rc == 0 && i < schema->count; i++) {
            const struct rky_mark *mark = &schema->marks[i];
            if (mark->namespace_ == NULL || strcmp(mark->namespace_, cli->namespace_) != 0)
                continue;
            struct row *known = find_row(&state->rows, sorted, mark->table_name);
            struct row fresh = {.table = mark->table_name, .mark = mark, .readable = true};
            if (known != NULL)
                known->mark = mark;
            else
                rc = add_row(&state->rows, &fresh, err);
        }
    }
    return rc;
}

static int find_pending(struct state *state, struct rky_error *err)
{
    struct rky_tombstone *tombstones = NULL;
    size_t count = 0;
    int rc =
        state->ledger == NULL ? 0 : rky_ledger_tombstones(state->ledger, &tombstones, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct row *row = find_row(&state->rows, state->rows.count, tombstones[i].table);
        if (row != NULL && tombstones[i].seq > (row->mark == NULL ? 0 : row->mark->tombstone_seq))
            row->pending = true;
    }
    rky_tombstones_free(tombstones, count);
    return rc;
}

static int gather(const struct rky_cli *cli, struct state *state, struct rky_error *err)
{
    int rc = open_ledger(cli, state, err);
    if (rc == 0)
        rc = rky_marks_view(cli, state->watermarks, state->watermark_count, &state->view, err);
    for (size_t i = 0; rc == 0 && i < state->watermark_count; i++) {
        const struct rky_watermark *watermark = &state->watermarks[i];
        const struct rky_schema_marks *schema = schema_of(&state->view, watermark->table);
        struct row row = {.table = watermark->table,
                          .ledger = watermark,
                          .readable = schema != NULL && schema->readable};
        rc = add_row(&state->rows, &row, err);
    }
    if (rc == 0 && state->rows.count > 0)
        qsort(state->rows.items, state->rows.count, sizeof(struct row), compare_rows);
    if (rc == 0)
        rc = join_marks(cli, state, err);
    if (rc == 0 && state->rows.count > 0)
        qsort(state->rows.items, state->rows.count, sizeof(struct row), compare_rows);
    if (rc == 0)
        rc = find_pending(state, err);
    return rc;
}

static void state_done(struct state *state)
{
    rky_free(state->rows.items);
    rky_marks_view_done(&state->view);
    rky_watermarks_free(state->watermarks, state->watermark_count);
    rky_free(state->location);
    rky_state_close(&state->session);
}

/* --- reading a row ------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool target_is_truth(const struct row *row)
{
    if (row->pending || !row->readable)
        return false;
    if (row->mark == NULL || row->ledger == NULL)
        return true;
    return !same_text(row->mark->value.text, row->ledger->value);
}

/* Which of the two is behind, NULL = neither. A deletion leaves the target behind until the next
 * run. */
static const char *stale_one(const struct row *row)
{
    if (row->pending)
        return row->mark != NULL && row->mark->value.text != NULL ? "target" : NULL;
    return target_is_truth(row) && row->ledger != NULL ? "ledger" : NULL;
}

static const char *last_value(const struct row *row)
{
    if (row->pending)
        return NULL;
    if (row->ledger != NULL)
        return row->ledger->value;
    return row->mark == NULL ? NULL : row->mark->value.text;
}

static void updated_at(const struct row *row, char text[RKY_TIME_TEXT_MAX])
{
    text[0] = '\0';
    if (row->ledger != NULL)
        rky_time_format(row->ledger->updated_at_us, text);
    else if (row->mark != NULL && row->mark->updated_at != NULL)
        snprintf(text, RKY_TIME_TEXT_MAX, "%s", row->mark->updated_at);
}

/* How far the watermark that will be used lies behind the clock. @return whether it is a time. */
static bool lag_us(const struct rky_cli *cli, const struct row *row, int64_t *ret_lag_us)
{
    struct rky_cursor cursor = {0};
    int64_t at_us = 0;
    if (row->pending)
        return false;
    if (target_is_truth(row) && row->mark != NULL)
        cursor = row->mark->value;
    else if (row->ledger != NULL && row->ledger->value != NULL)
        cursor = (struct rky_cursor){.type = rky_cursor_type_parse(row->ledger->cursor_type),
                                     .text = row->ledger->value};
    if (cursor.type == RKY_CURSOR_NONE || rky_cursor_time(&cursor, &at_us) != 0)
        return false;
    *ret_lag_us = cli->clock->wall_us(cli->clock) - at_us;
    return true;
}

/* --- output ------------------------------------------------------------------------------- */

static json_t *row_json(const struct rky_cli *cli, const struct row *row)
{
    char updated[RKY_TIME_TEXT_MAX];
    int64_t lag = 0;
    bool timed = lag_us(cli, row, &lag);
    updated_at(row, updated);
    json_t *object = json_object();
    int bad = json_object_set_new(object, "table", rky_cli_text_json(row->table));
    bad |= json_object_set_new(object, "last_value", rky_cli_text_json(last_value(row)));
    bad |= json_object_set_new(object, "updated_at",
                               updated[0] == '\0' ? json_null() : json_string(updated));
    bad |= json_object_set_new(object, "source_of_truth",
                               json_string(target_is_truth(row) ? "target" : "ledger"));
    bad |= json_object_set_new(object, "target_value",
                               rky_cli_text_json(row->mark == NULL ? NULL : row->mark->value.text));
    bad |= json_object_set_new(object, "stale", rky_cli_text_json(stale_one(row)));
    bad |= json_object_set_new(object, "lag_seconds",
                               timed ? json_real((double)(lag / 1000) / 1000.0) : json_null());
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(const struct rky_cli *cli, const struct state *state, struct rky_error *err)
{
    json_t *object = rky_cli_envelope(cli);
    json_t *rows = json_array();
    int bad = 0;
    for (size_t i = 0; i < state->rows.count; i++)
        bad |= json_array_append_new(rows, row_json(cli, &state->rows.items[i]));
    bad |= json_object_set_new(object, "namespace", json_string(cli->namespace_));
    bad |= json_object_set_new(
        object, "lineage", state->ledger == NULL ? json_null() : json_string(state->meta.lineage));
    bad |= json_object_set_new(object, "generation", json_integer(state->meta.generation));
    bad |= json_object_set_new(object, "backend",
                               json_string(rky_backend_name(cli->config->state.backend)));
    bad |= json_object_set_new(object, "location", rky_cli_text_json(state->location));
    bad |= json_object_set_new(object, "lease",
                               state->held ? rky_state_holder_json(&state->holder) : json_null());
    bad |= json_object_set_new(object, "local_copy", rky_cli_text_json(state->local_copy));
    bad |= json_object_set_new(object, "watermarks", rows);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

static void note_truth(struct rky_columns *columns, const struct row *row)
{
    if (row->pending)
        rky_columns_note(columns, RKY_PAINT_YELLOW, "  deleted: the next run is a full refresh");
    else if (!target_is_truth(row))
        return;
    else if (row->mark == NULL)
        rky_columns_note(columns, RKY_PAINT_YELLOW,
                         "  the target has no watermark: the next run does not use this one");
    else if (row->ledger == NULL)
        rky_columns_note(columns, RKY_PAINT_YELLOW,
                         "  only the target knows this watermark; the next run takes it over");
    else
        rky_columns_note(columns, RKY_PAINT_YELLOW,
                         "  stale: the target has '%s', and the next run continues from that",
                         row->mark->value.text == NULL ? "" : row->mark->value.text);
}

static void add_text_row(const struct rky_cli *cli, struct rky_columns *columns,
                         const struct row *row)
{
    char updated[RKY_TIME_TEXT_MAX], lag_text[RKY_NUMBER_TEXT_MAX];
    int64_t lag = 0;
    const char *value = last_value(row);
    updated_at(row, updated);
    const char *behind = "-";
    if (lag_us(cli, row, &lag))
        behind = lag < 0 ? "ahead" : rky_duration_text(lag / 1000, lag_text);
    const char *cells[] = {row->table, value == NULL ? "-" : value,
                           updated[0] == '\0' ? "-" : updated, behind,
                           target_is_truth(row) ? "target" : "ledger"};
    rky_columns_add(columns, RKY_PAINT_NONE, cells);
    note_truth(columns, row);
}

static void note_surroundings(struct rky_columns *columns, const struct state *state)
{
    char left[RKY_NUMBER_TEXT_MAX];
    if (state->held)
        rky_columns_note(columns, RKY_PAINT_NONE,
                         "leased by worker '%s' with token %" PRId64 ", renewed within %s",
                         state->holder.worker_id, state->holder.token,
                         rky_duration_text(state->holder.left_ms, left));
    if (state->local_copy != NULL && strcmp(state->local_copy, "pending") == 0)
        rky_columns_note(columns, RKY_PAINT_YELLOW,
                         "this machine's copy holds what was not uploaded; the next run here "
                         "brings it in");
}

static int print_text(const struct rky_cli *cli, const struct state *state, struct rky_error *err)
{
    static const char *const head[] = {"TABLE", "WATERMARK", "UPDATED", "LAG", "TRUTH"};
    struct rky_columns columns = {.align = "lllrl"};
    if (state->rows.count > 0)
        rky_columns_add(&columns, RKY_PAINT_BOLD, head);
    for (size_t i = 0; i < state->rows.count; i++)
        add_text_row(cli, &columns, &state->rows.items[i]);
    for (size_t i = 0; i < state->view.count; i++) {
        const struct rky_schema_marks *schema = &state->view.schemas[i];
        if (!schema->readable)
            rky_columns_note(&columns, RKY_PAINT_YELLOW, "target '%s.%s' was not read: %s",
                             schema->catalog, schema->schema, schema->fault.message);
    }
    if (state->ledger == NULL)
        rky_columns_note(&columns, RKY_PAINT_NONE,
                         "namespace '%s': no state %sat '%s'; a run makes it", cli->namespace_,
                         state->session.store == NULL ? "file yet " : "yet ", state->location);
    else
        rky_columns_note(
            &columns, RKY_PAINT_NONE,
            "namespace '%s': %zu tables, generation %" PRId64 ", lineage %s, backend %s, '%s'",
            cli->namespace_, state->rows.count, state->meta.generation, state->meta.lineage,
            rky_backend_name(cli->config->state.backend), state->location);
    note_surroundings(&columns, state);
    int rc = rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    return rc;
}

int rky_cmd_state(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct state state = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = rky_cli_adapters(cli, &err);
    if (rc == 0)
        rc = gather(cli, &state, &err);
    if (rc == 0)
        rc = cli->json ? print_json(cli, &state, &err) : print_text(cli, &state, &err);
    state_done(&state);
    return rky_cli_end(cli, rc, &err);
}
