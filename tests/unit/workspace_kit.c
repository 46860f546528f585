/* SPDX-License-Identifier: Apache-2.0 */
/* A workspace and copies made in it; see workspace_kit.h. */
#include "config.h"

#include "tests/unit/workspace_kit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"

struct place_world place;

void place_setup(void)
{
    rky_fake_clock_init(&place.clock, NOON_US);
    (void)snprintf(place.directory, sizeof(place.directory), "%s", kit_path("state"));
    (void)snprintf(place.copies, sizeof(place.copies), "%s/acme.copies", place.directory);
    place.config =
        (struct rky_state_config){.backend = RKY_BACKEND_S3, .local_dir = place.directory};
}

struct rky_workspace *place_workspace_at(const char *state_path)
{
    struct rky_workspace *workspace = NULL;
    const struct rky_workspace_options options = {.config = &place.config,
                                                  .namespace_ = KIT_NAMESPACE,
                                                  .state_path = state_path,
                                                  .clock = &place.clock.base};
    assert_ok(rky_workspace_new(&options, &workspace, assert_err_));
    return workspace;
}

struct rky_workspace *place_locked(const char *state_path)
{
    struct rky_workspace *workspace = place_workspace_at(state_path);
    assert_ok(rky_workspace_lock(workspace, 0, assert_err_));
    return workspace;
}

void place_write_run(struct rky_workspace *workspace, const char *id)
{
    struct rky_ledger *ledger = rky_workspace_ledger(workspace);
    struct rky_run_record run = kit_run(id, "run", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    (void)kit_commit(ledger);
}

struct rky_workspace *place_with_copy(const char *state_path, const char *run_id)
{
    struct rky_workspace *workspace = place_locked(state_path);
    assert_ok(rky_workspace_create(workspace, assert_err_));
    place_write_run(workspace, run_id);
    return workspace;
}

bool place_holds(struct rky_workspace *workspace, const char *run_id)
{
    struct rky_run_record *runs = NULL;
    size_t count = 0;
    bool found = false;
    ck_assert_ptr_nonnull(rky_workspace_ledger(workspace));
    assert_ok(rky_ledger_runs(rky_workspace_ledger(workspace), 100, &runs, &count, assert_err_));
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(runs[i].run_id, run_id) == 0;
    rky_run_records_free(runs, count);
    return found;
}

void place_close_it(struct rky_workspace *workspace)
{
    rky_workspace_unlock(workspace);
    rky_workspace_free(workspace);
}

void place_make_image(const char *run_id)
{
    struct rky_ledger *ledger = kit_open_locked(kit_path("elsewhere.db"));
    struct rky_run_record run = kit_run(run_id, "run", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_head(ledger, &place.image.head, assert_err_));
    assert_ok(rky_ledger_serialize(ledger, &place.image.raw, &place.image.length, assert_err_));
    rky_ledger_close(ledger);
}

void place_teardown(void)
{
    rky_free(place.image.raw);
}

const char *place_in_copies(const char *name)
{
    static char path[4700];
    (void)snprintf(path, sizeof(path), "%s/%s", place.copies, name);
    return path;
}

void place_put_file(const char *path, const char *text)
{
    kit_write_file(path, text, strlen(text));
}

/* --- a new copy ----------------------------------------------------------------------------------
 */

const char *place_fixed_or_not(int loop)
{
    static char path[4300];
    (void)snprintf(path, sizeof(path), "%s", kit_path("mine.db"));
    return loop == 0 ? NULL : path;
}

/* --- what the remote held ------------------------------------------------------------------------
 */

const struct rky_base place_base = {.known = true,
                                    .exists = true,
                                    .etag = "\"7-\\x\"",
                                    .write_id = "44444444-4444-4444-8444-444444444444",
                                    .generation = 7,
                                    .fence = 3};
