/* SPDX-License-Identifier: Apache-2.0 */
/* The state for one command; see state_session.h. */
#include "config.h"

#include "cli/state_session.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/marks.h"
#include "common/mem.h"

/* --- opening ------------------------------------------------------------------------------ */

/* What the service did not do is one thing to a user: it did not do it. Faults that somebody here
 * has to mend, and rivals, stay what they are. */
int rky_state_unavailable(int rc, struct rky_error *err)
{
    switch (rc) {
    case RKY_ERR_STATE_SYNC:
    case RKY_ERR_CONNECTION:
    case RKY_ERR_TIMEOUT:
    case RKY_ERR_AUTH:
    case RKY_ERR_QUOTA:
    case RKY_ERR_NOT_FOUND:
        err->code = RKY_ERR_UNAVAILABLE;
        return RKY_ERR_UNAVAILABLE;
    default:
        return rc;
    }
}

int rky_state_open_store(const struct rky_cli *cli, struct rky_state_session *ret_session,
                         struct rky_error *err)
{
    *ret_session = (struct rky_state_session){.cli = cli, .config = cli->config->state};
    return rky_cli_store(cli, &ret_session->store, err);
}

static int open_sync(struct rky_state_session *session, bool read_only, int64_t replace_above,
                     struct rky_error *err)
{
    const struct rky_cli *cli = session->cli;
    const struct rky_workspace_options place = {
        .config = &session->config,
        .namespace_ = cli->namespace_,
        .state_path = read_only ? NULL : rky_parsed_value(cli->parsed, "state-path"),
        .clock = cli->clock,
        .log = cli->log,
    };
    int rc = rky_workspace_new(&place, &session->workspace, err);
    if (rc != 0)
        return rc;
    const struct rky_sync_options options = {
        .store = session->store,
        .workspace = session->workspace,
        .run_id = "",
        .job_id = "",
        .worker_id = cli->config->worker.id,
        .read_only = read_only,
        .replace_above = replace_above,
        .clock = cli->clock,
        .log = cli->log,
    };
    rc = rky_sync_new(&options, &session->sync, err);
    if (rc == 0)
        rc = rky_sync_lock(session->sync, err);
    if (rc == 0)
        rc = rky_sync_download(session->sync, err);
    return rc == RKY_ERR_LOCKED ? rc : rky_state_unavailable(rc, err);
}

/* "Start fresh when the download fails" is for runs, which find their place in the target. */
static bool durable_failed(const struct rky_state_session *session,
                           const struct rky_transfer_report *report)
{
    const struct rky_leg *main_leg = rky_store_main_leg(session->store);
    for (size_t i = 0; report != NULL && main_leg != NULL && i < report->leg_count; i++) {
        if (strcmp(report->legs[i].leg, main_leg->name) == 0 && report->legs[i].failed)
            return true;
    }
    return false;
}

static int demand_download(const struct rky_state_session *session, bool *ret_absent,
                           struct rky_error *err)
{
    const struct rky_transfer_report *report =
        rky_sync_report(session->sync, RKY_TRANSFER_DOWNLOAD);
    *ret_absent = report != NULL && report->outcome == RKY_OUTCOME_ABSENT;
    if (report == NULL || report->outcome != RKY_OUTCOME_ERROR_THEN_FRESH)
        return 0;
    (void)rky_fail(err, RKY_ERR_UNAVAILABLE,
                   "the state of namespace '%s' could not be downloaded: %s",
                   session->cli->namespace_,
                   report->error == NULL ? rky_outcome_name(report->cause) : report->error);
    rky_error_hint(err, "'rocky doctor --check state_rw' says what the backend lacks");
    return RKY_ERR_UNAVAILABLE;
}

int rky_private_directory(char **ret_path, struct rky_error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *path = rky_asprintf("%s/rocky-XXXXXX", tmp == NULL || *tmp == '\0' ? "/tmp" : tmp);
    if (path == NULL)
        return rky_fail_nomem(err);
    if (mkdtemp(path) == NULL) {
        int rc = rky_fail_errno(err, errno, "no directory '%s' for a copy of the state", path);
        rky_free(path);
        return rc;
    }
    *ret_path = path;
    return 0;
}

int rky_state_open_read(const struct rky_cli *cli, struct rky_state_session *ret_session,
                        struct rky_error *err)
{
    bool absent = false;
    *ret_session = (struct rky_state_session){.cli = cli, .config = cli->config->state};
    if (cli->config->state.backend == RKY_BACKEND_LOCAL)
        return rky_cli_ledger(cli, RKY_LEDGER_READ, &ret_session->local, err);
    int rc = rky_state_open_store(cli, ret_session, err);
    if (rc == 0)
        rc = rky_private_directory(&ret_session->directory, err);
    ret_session->config.local_dir = ret_session->directory;
    if (rc == 0)
        rc = open_sync(ret_session, true, 0, err);
    if (rc == 0)
        rc = demand_download(ret_session, &absent, err);
    if (rc == 0 && absent) {
        rc = rky_fail(err, RKY_ERR_NOT_FOUND, "namespace '%s' has no state yet", cli->namespace_);
    }
    return rc;
}

int rky_state_open_write(const struct rky_cli *cli, struct rky_state_session *ret_session,
                         struct rky_error *err)
{
    return rky_state_open_replace(cli, ret_session, 0, err);
}

int rky_state_open_replace(const struct rky_cli *cli, struct rky_state_session *ret_session,
                           int64_t above, struct rky_error *err)
{
    bool absent = false;
    int rc = rky_state_open_store(cli, ret_session, err);
    if (rc == 0)
        rc = open_sync(ret_session, false, above, err);
    if (rc == 0)
        rc = demand_download(ret_session, &absent, err);
    /* A cached copy is enough to look at. Where it could not be confirmed nothing can be written,
     * and it is better to know that before the target is changed. */
    if (rc == 0 &&
        durable_failed(ret_session, rky_sync_report(ret_session->sync, RKY_TRANSFER_DOWNLOAD))) {
        rc = rky_fail(err, RKY_ERR_UNAVAILABLE,
                      "the state of namespace '%s' is in the cache, but its durable store does not "
                      "answer: nothing was changed",
                      cli->namespace_);
        rky_error_hint(err, "'rocky doctor --check state_rw' says what the backend lacks");
    }
    return rc;
}

bool rky_state_is_damaged(const struct rky_state_session *session)
{
    const struct rky_transfer_report *report =
        session->sync == NULL ? NULL : rky_sync_report(session->sync, RKY_TRANSFER_DOWNLOAD);
    return report != NULL && report->outcome == RKY_OUTCOME_ERROR;
}

struct rky_ledger *rky_state_ledger(const struct rky_state_session *session)
{
    if (session->local != NULL)
        return session->local;
    return session->sync == NULL ? NULL : rky_sync_ledger(session->sync);
}

/* --- committing and closing --------------------------------------------------------------- */

int rky_state_commit(struct rky_state_session *session, const struct rky_sync_callbacks *callbacks,
                     struct rky_error *err)
{
    static const struct rky_sync_callbacks none = {0};
    int rc = rky_sync_upload(session->sync, callbacks == NULL ? &none : callbacks, err);
    if (rc == 0) {
        rky_sync_keep_version(session->sync);
        return 0;
    }
    /* Left here it would count as pending, and the next run would bring it back. */
    rky_sync_discard(session->sync);
    rc = rky_state_unavailable(rc, err);
    rky_error_wrap(err, "the change was not confirmed by the %s backend and is discarded",
                   rky_backend_name(session->cli->config->state.backend));
    return rc;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    /* Best effort: what cannot be removed is a private copy in a directory for such. */
    (void)remove(path);
    return 0;
}

void rky_state_close(struct rky_state_session *session)
{
    enum { DESCRIPTORS = 8 };
    rky_sync_free(session->sync);
    rky_workspace_free(session->workspace);
    rky_store_free(session->store);
    rky_ledger_close(session->local);
    if (session->directory != NULL)
        (void)nftw(session->directory, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    rky_free(session->directory);
    *session = (struct rky_state_session){0};
}

/* --- lineage ------------------------------------------------------------------------------ */

int rky_state_lineage(const struct rky_cli *cli, struct rky_ledger *ledger,
                      char ret_lineage[RKY_UUID_TEXT], struct rky_error *err)
{
    struct rky_ledger_meta meta = {0};
    struct rky_marks_view view = {0};
    const char *lineage = NULL;
    int rc = rky_ledger_meta(ledger, &meta, err);
    if (rc != 0)
        return rc;
    memcpy(ret_lineage, meta.lineage, RKY_UUID_TEXT);
    if (meta.generation > 0)
        return 0;
    rc = rky_marks_view(cli, NULL, 0, &view, err);
    if (rc == 0)
        rc = rky_marks_lineage(&view, &lineage, err);
    if (rc == 0 && lineage != NULL)
        memcpy(ret_lineage, lineage, RKY_UUID_TEXT);
    rky_marks_view_done(&view);
    return rc;
}

int rky_state_inherit_lineage(const struct rky_cli *cli, struct rky_ledger *ledger,
                              struct rky_error *err)
{
    char lineage[RKY_UUID_TEXT];
    int rc = rky_state_lineage(cli, ledger, lineage, err);
    return rc == 0 ? rky_ledger_set_lineage(ledger, lineage, err) : rc;
}

/* --- small things ------------------------------------------------------------------------- */

int rky_cli_confirm(const struct rky_cli *cli, struct rky_error *err, const char *format, ...)
{
    if (rky_parsed_has(cli->parsed, "yes"))
        return 0;
    char text[RKY_ERROR_MESSAGE_MAX];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    (void)rky_fail(err, RKY_ERR_USAGE, "nothing was done: %s", text);
    rky_error_hint(err, "add --yes to do it");
    return RKY_ERR_USAGE;
}

char *rky_state_location(const struct rky_cli *cli, struct rky_store *store)
{
    struct rky_remote *remote = store == NULL ? NULL : rky_store_remote(store);
    if (remote == NULL)
        return rky_strdup(cli->state_path);
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = cli->namespace_};
    /* cppcheck-suppress returnDanglingLifetime ; the text is made anew */
    return remote->ops->uri(remote, &name);
}

struct rky_transfer rky_state_transfer(const struct rky_cli *cli, int64_t timeout_ms)
{
    int64_t limit_ms = cli->config->state.transfer_timeout_seconds * 1000;
    if (timeout_ms > 0 && timeout_ms < limit_ms)
        limit_ms = timeout_ms;
    return (struct rky_transfer){.clock = cli->clock,
                                 .deadline = rky_deadline_in(cli->clock, limit_ms)};
}
