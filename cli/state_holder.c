/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at work on a namespace; see state_holder.h. */
#include "config.h"

#include "cli/state_holder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/state_session.h"
#include "common/fsutil.h"
#include "common/mem.h"

enum { INSPECT_MS = 2000 };

/* --- the lease ---------------------------------------------------------------------------- */

int rky_state_holder(const struct rky_cli *cli, struct rky_store *store, bool *ret_held,
                     struct rky_lease_holder *ret_holder, struct rky_error *err)
{
    struct rky_leases *leases = store == NULL ? NULL : rky_store_leases(store);
    *ret_held = false;
    if (leases == NULL)
        return 0;
    struct rky_lease_driver *driver = rky_leases_driver(leases);
    struct rky_transfer transfer = rky_state_transfer(cli, INSPECT_MS);
    struct rky_error hidden = {0};
    int rc = driver->ops->inspect(driver, cli->namespace_, &transfer, ret_holder, &hidden);
    if (rc == RKY_ERR_NOT_FOUND)
        return 0;
    if (rc == 0)
        *ret_held = true;
    else if (err != NULL)
        *err = hidden;
    return rc;
}

int64_t rky_state_holder_since_us(const struct rky_lease_holder *holder)
{
    /* A run id is a UUID of version 7: its first 48 bits are milliseconds since 1970. */
    enum { VERSION_AT = 14 };
    unsigned long high = 0, low = 0;
    if (!rky_uuid_valid(holder->run_id) || holder->run_id[VERSION_AT] != '7' ||
        sscanf(holder->run_id, "%8lx-%4lx", &high, &low) != 2)
        return 0;
    return ((int64_t)high << 16 | (int64_t)low) * 1000;
}

json_t *rky_state_holder_json(const struct rky_lease_holder *holder)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "worker_id", rky_cli_text_json(holder->worker_id));
    bad |= json_object_set_new(object, "run_id",
                               rky_uuid_valid(holder->run_id) ? json_string(holder->run_id)
                                                              : json_null());
    bad |= json_object_set_new(object, "token", json_integer(holder->token));
    bad |=
        json_object_set_new(object, "since", rky_cli_time_json(rky_state_holder_since_us(holder)));
    bad |= json_object_set_new(object, "expires_in_seconds",
                               json_real((double)holder->left_ms / 1000.0));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* --- the lock ----------------------------------------------------------------------------- */

/* Where workspace.c and ledger.c put it. */
static char *lock_path(const struct rky_cli *cli)
{
    const struct rky_state_config *config = &cli->config->state;
    const char *given = rky_parsed_value(cli->parsed, "state-path");
    if (config->backend == RKY_BACKEND_LOCAL)
        return rky_asprintf("%s.lock", cli->state_path);
    if (given != NULL)
        return rky_asprintf("%s.work", given);
    return rky_asprintf("%s/%s.copies/lock", config->local_dir, cli->namespace_);
}

static pid_t pid_in(const char *path)
{
    enum { PID_MAX = 64 };
    struct rky_error odd = {0};
    char *text = NULL;
    size_t length = 0;
    long pid = 0;
    if (rky_read_file(path, PID_MAX, &text, &length, &odd) == 0)
        pid = strtol(text, NULL, 10);
    rky_free(text);
    return (pid_t)pid;
}

int rky_state_lock_holder(const struct rky_cli *cli, char **ret_path, pid_t *ret_pid,
                          struct rky_error *err)
{
    struct rky_file_lock lock = {.fd = -1};
    *ret_pid = 0;
    *ret_path = lock_path(cli);
    if (*ret_path == NULL)
        return rky_fail_nomem(err);
    if (!rky_path_exists(*ret_path))
        return 0;
    int rc = rky_file_lock_open(&lock, *ret_path, err);
    if (rc != 0)
        return rc;
    struct rky_error taken = {0};
    rc = rky_file_lock_try(&lock, &taken);
    if (rc == RKY_ERR_LOCKED) {
        *ret_pid = pid_in(*ret_path);
        rc = 0;
    } else if (rc != 0 && err != NULL) {
        *err = taken;
    }
    rky_file_lock_release(&lock);
    rky_file_lock_close(&lock);
    return rc;
}

/* --- the copy ----------------------------------------------------------------------------- */

static int64_t number_of(const char *name)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(name, &end, 10);
    return errno == 0 && end != name && strcmp(end, ".db") == 0 ? number : -1;
}

/* The greatest number counts. @return owned, NULL = there is none. */
static char *newest_copy(const struct rky_cli *cli)
{
    const char *given = rky_parsed_value(cli->parsed, "state-path");
    if (given != NULL)
        return rky_path_exists(given) ? rky_strdup(given) : NULL;
    char *directory = rky_asprintf("%s/%s.copies", cli->config->state.local_dir, cli->namespace_);
    DIR *stream = directory == NULL ? NULL : opendir(directory);
    int64_t newest = -1;
    char *path = NULL;
    for (const struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;) {
        int64_t number = number_of(entry->d_name);
        if (number <= newest)
            continue;
        newest = number;
        rky_free(path);
        path = rky_path_join(directory, entry->d_name);
    }
    if (stream != NULL)
        (void)closedir(stream);
    rky_free(directory);
    return path;
}

static const char *judge(const struct rky_snapshot_head *remote,
                         const struct rky_snapshot_head *ours)
{
    if (ours->generation == 0)
        return "none";
    if (strcmp(ours->write_id, remote->write_id) == 0)
        return "in_sync";
    return rky_snapshot_derives(remote, ours->write_id) ? "stale" : "pending";
}

const char *rky_state_local_copy(const struct rky_cli *cli, const struct rky_snapshot_head *head)
{
    if (cli->config->state.backend == RKY_BACKEND_LOCAL)
        return NULL;
    char *path = newest_copy(cli);
    if (path == NULL)
        return "none";
    const struct rky_ledger_options options = {.path = path,
                                               .namespace_ = cli->namespace_,
                                               .mode = RKY_LEDGER_READ,
                                               .clock = cli->clock,
                                               .log = cli->log};
    struct rky_ledger *ledger = NULL;
    struct rky_snapshot_head ours = {0};
    struct rky_error odd = {0};
    int rc = rky_ledger_open(&options, &ledger, &odd);
    if (rc == 0)
        rc = rky_ledger_head(ledger, &ours, &odd);
    rky_ledger_close(ledger);
    rky_free(path);
    if (rc == 0)
        return judge(head, &ours);
    return rc == RKY_ERR_LOCKED ? "in_use" : "unreadable";
}
