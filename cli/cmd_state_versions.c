/* SPDX-License-Identifier: Apache-2.0 */
/* rocky state versions: which older versions of the state can be restored. Reads only. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/state_versions.h"
#include "cli/text.h"
#include "common/mem.h"

/* --- the list ----------------------------------------------------------------------------- */

/* "<generation, 20 digits>-<write id, 8>.snap". @return false for what is no version. */
static bool parse(const struct rky_remote_entry *entry, struct rky_version *version)
{
    char *end = NULL;
    *version = (struct rky_version){
        .suffix = entry->suffix, .size = entry->size, .modified_us = entry->modified_us};
    version->generation = strtoll(entry->suffix, &end, 10);
    if (end == entry->suffix || *end != '-' || strlen(end + 1) < RKY_VERSION_MARK)
        return false;
    memcpy(version->write_id, end + 1, RKY_VERSION_MARK);
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const struct rky_version *left = a, *right = b;
    if (left->generation != right->generation)
        return left->generation < right->generation ? 1 : -1;
    if (left->modified_us != right->modified_us)
        return left->modified_us < right->modified_us ? 1 : -1;
    return strcmp(right->write_id, left->write_id);
}

int rky_versions_list(struct rky_state_session *state, struct rky_versions *ret_versions,
                      struct rky_error *err)
{
    const struct rky_cli *cli = state->cli;
    struct rky_remote *remote = rky_store_remote(state->store);
    *ret_versions = (struct rky_versions){0};
    if (remote == NULL) {
        (void)rky_fail(err, RKY_ERR_UNSUPPORTED, "backend 'local' keeps no older versions");
        rky_error_hint(err, "'rocky state export' writes the state to a file, 'rocky state import' "
                            "brings it back");
        return RKY_ERR_UNSUPPORTED;
    }
    struct rky_transfer transfer = rky_state_transfer(cli, 0);
    int rc = remote->ops->list(remote, RKY_REMOTE_HISTORY, cli->namespace_, &transfer,
                               &ret_versions->list, err);
    if (rc != 0)
        return rky_state_unavailable(rc, err);
    ret_versions->items = rky_calloc(ret_versions->list.count + 1, sizeof(struct rky_version));
    if (ret_versions->items == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < ret_versions->list.count; i++) {
        if (parse(&ret_versions->list.items[i], &ret_versions->items[ret_versions->count]))
            ret_versions->count++;
    }
    if (ret_versions->count > 1)
        qsort(ret_versions->items, ret_versions->count, sizeof(struct rky_version), newest_first);
    return 0;
}

void rky_versions_done(struct rky_versions *versions)
{
    rky_remote_list_done(&versions->list);
    rky_free(versions->items);
    *versions = (struct rky_versions){0};
}

/* --- output ------------------------------------------------------------------------------- */

static bool is_current(const struct rky_version *version, const struct rky_remote_object *head)
{
    return head->exists && head->has_head && head->head.generation == version->generation &&
           strncmp(head->head.write_id, version->write_id, RKY_VERSION_MARK) == 0;
}

static json_t *version_json(const struct rky_version *version, const struct rky_remote_object *head)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "generation", json_integer(version->generation));
    bad |= json_object_set_new(object, "write_id", rky_cli_text_json(version->write_id));
    bad |= json_object_set_new(object, "at", rky_cli_time_json(version->modified_us));
    bad |= json_object_set_new(object, "bytes", json_integer(version->size));
    bad |= json_object_set_new(object, "current", json_boolean(is_current(version, head)));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(const struct rky_cli *cli, const struct rky_versions *versions,
                      const struct rky_remote_object *head, struct rky_error *err)
{
    json_t *object = rky_cli_envelope(cli);
    json_t *items = json_array();
    int bad = 0;
    for (size_t i = 0; i < versions->count; i++)
        bad |= json_array_append_new(items, version_json(&versions->items[i], head));
    bad |= json_object_set_new(object, "namespace", json_string(cli->namespace_));
    bad |= json_object_set_new(object, "backend",
                               json_string(rky_backend_name(cli->config->state.backend)));
    bad |= json_object_set_new(object, "generation",
                               head->exists && head->has_head ? json_integer(head->head.generation)
                                                              : json_null());
    bad |= json_object_set_new(object, "versions", items);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

static int print_text(const struct rky_cli *cli, const struct rky_versions *versions,
                      const struct rky_remote_object *head, struct rky_error *err)
{
    static const char *const titles[] = {"GENERATION", "WRITE ID", "KEPT AT", "BYTES", ""};
    struct rky_columns columns = {.align = "rllrl"};
    if (versions->count == 0) {
        printf("namespace '%s' has no older versions yet; each upload keeps one\n",
               cli->namespace_);
        return 0;
    }
    rky_columns_add(&columns, RKY_PAINT_BOLD, titles);
    for (size_t i = 0; i < versions->count; i++) {
        const struct rky_version *version = &versions->items[i];
        char generation[RKY_NUMBER_TEXT_MAX], at[RKY_TIME_TEXT_MAX] = "-",
                                              size[RKY_NUMBER_TEXT_MAX];
        (void)snprintf(generation, sizeof(generation), "%" PRId64, version->generation);
        if (version->modified_us != 0)
            rky_time_format(version->modified_us, at);
        const char *cells[] = {generation, version->write_id, at,
                               rky_number_text(version->size, size),
                               is_current(version, head) ? "current" : ""};
        rky_columns_add(&columns, RKY_PAINT_NONE, cells);
    }
    int rc = rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    return rc;
}

static int show(struct rky_state_session *state, struct rky_error *err)
{
    const struct rky_cli *cli = state->cli;
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = cli->namespace_};
    struct rky_versions versions = {0};
    struct rky_remote_object head = {0};
    int rc = rky_versions_list(state, &versions, err);
    if (rc == 0) {
        struct rky_remote *remote = rky_store_remote(state->store);
        struct rky_transfer transfer = rky_state_transfer(cli, 0);
        rc = remote->ops->head(remote, &name, &transfer, &head, err);
        rc = rky_state_unavailable(rc, err);
    }
    if (rc == 0)
        rc = cli->json ? print_json(cli, &versions, &head, err)
                       : print_text(cli, &versions, &head, err);
    rky_remote_object_done(&head);
    rky_versions_done(&versions);
    return rc;
}

int rky_cmd_state_versions(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_state_session state = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = rky_state_open_store(cli, &state, &err);
    if (rc == 0)
        rc = show(&state, &err);
    rky_state_close(&state);
    return rky_cli_end(cli, rc, &err);
}
