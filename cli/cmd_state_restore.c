/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state restore: history and plans as an older version had them. It becomes a new generation
 * on top of the present one, so nobody who has the present one is left behind.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/state_replace.h"
#include "cli/state_versions.h"
#include "common/mem.h"

static int take_generation(const struct rky_cli *cli, int64_t *ret_generation,
                           struct rky_error *err)
{
    const char *text = rky_parsed_value(cli->parsed, "generation");
    char *end = NULL;
    if (text == NULL) {
        (void)rky_fail(err, RKY_ERR_USAGE, "'rocky state restore' needs --generation");
        rky_error_hint(err, "'rocky state versions' lists them");
        return RKY_ERR_USAGE;
    }
    errno = 0;
    *ret_generation = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *ret_generation < 1)
        return rky_fail(err, RKY_ERR_USAGE, "--generation is '%s': expected a number from 1", text);
    return 0;
}

static int find(const struct rky_cli *cli, const struct rky_versions *versions, int64_t generation,
                const struct rky_version **ret_version, struct rky_error *err)
{
    const char *mark = rky_parsed_value(cli->parsed, "write-id");
    size_t found = 0;
    for (size_t i = 0; i < versions->count; i++) {
        const struct rky_version *version = &versions->items[i];
        if (version->generation != generation ||
            (mark != NULL && strncmp(version->write_id, mark, RKY_VERSION_MARK) != 0))
            continue;
        *ret_version = version;
        found++;
    }
    if (found == 1)
        return 0;
    if (found > 1) {
        (void)rky_fail(err, RKY_ERR_USAGE, "there are %zu versions of generation %" PRId64, found,
                       generation);
        rky_error_hint(err, "tell them apart with --write-id; 'rocky state versions' shows it");
        return RKY_ERR_USAGE;
    }
    (void)rky_fail(err, RKY_ERR_USAGE, "namespace '%s' has no version of generation %" PRId64,
                   cli->namespace_, generation);
    if (versions->count == 0)
        rky_error_hint(err, "it has no older versions at all; each upload keeps one");
    else
        rky_error_hint(
            err, "there are %" PRId64 " to %" PRId64 "; 'rocky state versions' lists them",
            versions->items[versions->count - 1].generation, versions->items[0].generation);
    return RKY_ERR_USAGE;
}

static int fetch(struct rky_state_session *state, const struct rky_version *version,
                 struct rky_incoming *incoming, struct rky_error *err)
{
    const struct rky_cli *cli = state->cli;
    struct rky_remote *remote = rky_store_remote(state->store);
    const struct rky_remote_name name = {
        .kind = RKY_REMOTE_HISTORY, .namespace_ = cli->namespace_, .suffix = version->suffix};
    struct rky_remote_object object = {0};
    struct rky_transfer transfer = rky_state_transfer(cli, 0);
    int rc = rky_remote_get_durable(remote, &name, &transfer, &object, err);
    rc = rky_state_unavailable(rc, err);
    if (rc == 0 && !object.exists)
        rc = rky_fail(err, RKY_ERR_UNAVAILABLE, "version '%s' is gone", version->suffix);
    if (rc == 0)
        rc = rky_incoming_take(cli, object.body, object.length, incoming, err);
    rky_remote_object_done(&object);
    return rc;
}

static int restore(struct rky_cli *cli, struct rky_state_session *state,
                   struct rky_replacement *replacement, struct rky_error *err)
{
    struct rky_versions versions = {0};
    const struct rky_version *version = NULL;
    struct rky_incoming incoming = {0};
    char *from = NULL;
    int64_t generation = 0;
    int rc = take_generation(cli, &generation, err);
    if (rc == 0)
        rc = rky_cli_adapters(cli, err);
    if (rc == 0)
        rc = rky_state_open_store(cli, state, err);
    if (rc == 0)
        rc = rky_versions_list(state, &versions, err);
    if (rc == 0)
        rc = find(cli, &versions, generation, &version, err);
    if (rc == 0)
        rc = fetch(state, version, &incoming, err);
    if (rc == 0) {
        from = rky_asprintf("version '%s'", version->suffix);
        rky_state_close(state);
        rc = from == NULL ? rky_fail_nomem(err)
                          : rky_state_open_replace(cli, state, versions.items[0].generation, err);
    }
    if (rc == 0)
        rc = rky_state_replace(state, &incoming, "state restore", from, replacement, err);
    rky_free(from);
    rky_incoming_done(&incoming);
    rky_versions_done(&versions);
    return rc;
}

int rky_cmd_state_restore(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    return rky_replace_command(program, restore);
}
