/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sync object: lock and lease, fence token, and the reports of its transfers. Download and
 * upload stand in sync_download.c and sync_upload.c, what two contents make of each other in
 * sync_merge.c, and how a change is taken back in sync_pending.c.
 */
#include "config.h"

#include "state/sync_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"

/* How long a server of leases may take to say anything before lock.mode decides without it. */
enum { LEASE_PREFER_MS = 3000, LEASE_REQUIRE_MS = 15000, LEASE_RAISE_MS = 5000 };

int rky_sync_new(const struct rky_sync_options *options, struct rky_sync **ret_sync,
                 struct rky_error *err)
{
    struct rky_sync *sync = rky_calloc(1, sizeof(*sync));
    if (sync == NULL)
        return rky_fail_nomem(err);
    sync->options = *options;
    sync->remote = rky_store_remote(options->store);
    sync->name = (struct rky_remote_name){
        .kind = RKY_REMOTE_HEAD, .namespace_ = rky_workspace_namespace(options->workspace)};
    rky_retry_budget_init(&sync->budget,
                          rky_store_config(options->store)->retry.max_retries_per_run);
    *ret_sync = sync;
    return 0;
}

void rky_sync_free(struct rky_sync *sync)
{
    if (sync == NULL)
        return;
    rky_sync_release(sync);
    rky_transfer_report_done(&sync->download);
    rky_transfer_report_done(&sync->upload);
    rky_free(sync->sent);
    rky_free(sync->pending);
    rky_free(sync->refused);
    rky_free(sync);
}

void rky_sync_release(struct rky_sync *sync)
{
    /* The lock of this machine first: whoever gets the lease may be a thread of this process. */
    if (sync->locked)
        rky_workspace_unlock(sync->options.workspace);
    sync->locked = false;
    rky_lease_release(sync->lease);
    sync->lease = NULL;
}

/* --- lock and lease ----------------------------------------------------------------------------
 */

static int64_t known_fence(struct rky_sync *sync)
{
    struct rky_ledger *ledger = rky_workspace_ledger(sync->options.workspace);
    struct rky_ledger_meta meta;
    struct rky_error odd = {0};
    if (ledger != NULL && rky_ledger_meta(ledger, &meta, &odd) == 0 && meta.fence > sync->fence)
        sync->fence = meta.fence;
    return sync->fence;
}

int rky_sync_lease(struct rky_sync *sync, struct rky_error *err)
{
    const struct rky_state_config *config = rky_store_config(sync->options.store);
    struct rky_leases *leases = rky_store_leases(sync->options.store);
    bool require = config->lock_mode == RKY_LOCK_REQUIRE;
    struct rky_transfer transfer;
    struct rky_error fault = {0};
    if (leases == NULL || sync->options.read_only)
        return 0;
    rky_sync_transfer(sync, &transfer);
    /* A lease only saves work: it is not worth waiting for a server that is not there. */
    transfer.no_retries = !require;
    transfer.deadline =
        rky_deadline_in(sync->options.clock, (require ? LEASE_REQUIRE_MS : LEASE_PREFER_MS) +
                                                 sync->options.lock_timeout_ms);
    int rc = rky_lease_take(leases, sync->name.namespace_, sync->options.run_id, known_fence(sync),
                            sync->options.lock_timeout_ms, &transfer, &sync->lease, &fault);
    if (rc == 0)
        return 0;
    if (rc == RKY_ERR_LOCKED || rc == RKY_ERR_INTERRUPTED || rc == RKY_ERR_NOMEM || require) {
        bool plain = rc == RKY_ERR_LOCKED || rc == RKY_ERR_INTERRUPTED || rc == RKY_ERR_NOMEM;
        fault.code = plain ? rc : RKY_ERR_UNAVAILABLE;
        if (err != NULL)
            *err = fault;
        return fault.code;
    }
    sync->lockless = true;
    rky_log_write(sync->options.log, RKY_LOG_WARN, NULL,
                  "namespace '%s': going on without a lease, because its server gives none: %s",
                  sync->name.namespace_, fault.message);
    return 0;
}

int rky_sync_lock_here(struct rky_sync *sync, struct rky_error *err)
{
    int rc = rky_workspace_lock(sync->options.workspace, sync->options.lock_timeout_ms, err);
    sync->locked = rc == 0;
    /* Until the remote was asked, that is what it held when it was last heard of. */
    if (rc == 0 && rky_sync_is_warm(sync))
        sync->base = *rky_workspace_base(sync->options.workspace);
    return rc;
}

int rky_sync_lock(struct rky_sync *sync, struct rky_error *err)
{
    int rc = rky_sync_lock_here(sync, err);
    return rc != 0 ? rc : rky_sync_lease(sync, err);
}

bool rky_sync_is_warm(const struct rky_sync *sync)
{
    struct rky_ledger *ledger = rky_workspace_ledger(sync->options.workspace);
    const struct rky_base *base = rky_workspace_base(sync->options.workspace);
    struct rky_ledger_meta meta;
    struct rky_error odd = {0};
    return ledger != NULL && base->known && base->exists &&
           rky_ledger_meta(ledger, &meta, &odd) == 0 && strcmp(meta.write_id, base->write_id) == 0;
}

struct rky_ledger *rky_sync_ledger(const struct rky_sync *sync)
{
    return rky_workspace_ledger(sync->options.workspace);
}

bool rky_sync_is_confirmed(const struct rky_sync *sync)
{
    return sync->remote == NULL || sync->confirmed;
}

int64_t rky_sync_token(struct rky_sync *sync)
{
    int64_t token = known_fence(sync) + 1;
    if (sync->lease != NULL && rky_lease_token(sync->lease) > token)
        token = rky_lease_token(sync->lease);
    return token;
}

static int unsure(struct rky_sync *sync, struct rky_error *err)
{
    if (rky_store_config(sync->options.store)->lock_mode != RKY_LOCK_REQUIRE) {
        sync->lockless = true;
        return 0;
    }
    return rky_fail(err, RKY_ERR_UNAVAILABLE,
                    "namespace '%s': the lease could not be renewed in time, and "
                    "state.lock.mode = \"require\"",
                    sync->name.namespace_);
}

static int lost(struct rky_sync *sync, struct rky_error *err)
{
    return rky_fail(err, RKY_ERR_FENCED,
                    "namespace '%s': the lease is lost: somebody else works on it",
                    sync->name.namespace_);
}

int rky_sync_check(struct rky_sync *sync, struct rky_error *err)
{
    if (sync->lease == NULL)
        return 0;
    switch (rky_lease_state(sync->lease)) {
    case RKY_LEASE_LOST:
        return lost(sync, err);
    case RKY_LEASE_UNSURE:
        return unsure(sync, err);
    case RKY_LEASE_HELD:
        break;
    }
    return 0;
}

int rky_sync_raise(struct rky_sync *sync, int64_t token, struct rky_error *err)
{
    struct rky_transfer transfer;
    struct rky_error fault = {0};
    if (sync->lease == NULL)
        return 0;
    rky_sync_transfer(sync, &transfer);
    transfer.deadline = rky_deadline_in(sync->options.clock, LEASE_RAISE_MS);
    int rc = rky_lease_raise(sync->lease, token, &transfer, &fault);
    if (rc == 0)
        return 0;
    if (rc == RKY_ERR_FENCED)
        return lost(sync, err);
    return unsure(sync, err);
}

bool rky_sync_is_lockless(const struct rky_sync *sync)
{
    return sync->lockless;
}

void rky_sync_note_base(struct rky_sync *sync, const struct rky_remote_object *object,
                        const struct rky_snapshot_head *head)
{
    sync->base = (struct rky_base){
        .known = true, .exists = true, .generation = head->generation, .fence = head->fence};
    memcpy(sync->base.etag, object->etag, sizeof(sync->base.etag));
    memcpy(sync->base.write_id, head->write_id, sizeof(sync->base.write_id));
    rky_workspace_set_base(sync->options.workspace, &sync->base);
    if (head->fence > sync->fence)
        sync->fence = head->fence;
}

/* --- reports -----------------------------------------------------------------------------------
 */

void rky_sync_transfer(struct rky_sync *sync, struct rky_transfer *ret_transfer)
{
    const struct rky_state_config *config = rky_store_config(sync->options.store);
    *ret_transfer = (struct rky_transfer){
        .clock = sync->options.clock,
        .deadline = rky_deadline_in(sync->options.clock, config->transfer_timeout_seconds * 1000),
        .budget = &sync->budget,
        .stop = sync->options.stop,
    };
}

static void copy_id(char to[RKY_UUID_TEXT], const char *id)
{
    (void)snprintf(to, RKY_UUID_TEXT, "%s", id != NULL ? id : "");
}

struct rky_transfer_report *rky_sync_report_begin(struct rky_sync *sync,
                                                  enum rky_transfer_kind kind)
{
    bool up = kind == RKY_TRANSFER_UPLOAD;
    struct rky_transfer_report *report = up ? &sync->upload : &sync->download;
    rky_transfer_report_done(report);
    *report = (struct rky_transfer_report){
        .kind = kind,
        .outcome = RKY_OUTCOME_OK,
        .cause = RKY_OUTCOME_NONE,
        .backend = rky_backend_name(rky_store_config(sync->options.store)->backend),
        .worker_id = sync->options.worker_id,
        .bytes = 0,
        .raw_bytes = -1,
        .generation = -1,
        .fence = -1,
        .retries = 0,
        .duration_ms = sync->options.clock->mono_ms(sync->options.clock),
    };
    (void)snprintf(report->namespace_, sizeof(report->namespace_), "%s", sync->name.namespace_);
    copy_id(report->job_id, sync->options.job_id);
    copy_id(report->run_id, sync->options.run_id);
    if (up)
        sync->has_upload = true;
    else
        sync->has_download = true;
    return report;
}

void rky_sync_report_end(struct rky_sync *sync, struct rky_transfer_report *report,
                         const struct rky_transfer *transfer)
{
    struct rky_leg *leg = rky_store_main_leg(sync->options.store);
    int64_t started_ms = report->duration_ms;
    rky_transfer_report_take(report, transfer, leg != NULL ? leg->breaker : NULL);
    report->duration_ms = sync->options.clock->mono_ms(sync->options.clock) - started_ms;
    report->at_us = sync->options.clock->wall_us(sync->options.clock);
    if (report->uri == NULL)
        report->uri = sync->remote->ops->uri(sync->remote, &sync->name);
    for (size_t i = 0; i < report->leg_count; i++)
        report->bytes += report->legs[i].bytes;
    bool good = report->outcome == RKY_OUTCOME_OK || report->outcome == RKY_OUTCOME_ABSENT;
    enum rky_log_level level = good ? RKY_LOG_INFO : RKY_LOG_WARN;
    if (!rky_log_enabled(sync->options.log, level))
        return;
    rky_log_write(sync->options.log, level, rky_transfer_report_json(report), "%s: %s%s%s",
                  report->kind == RKY_TRANSFER_UPLOAD ? "state.upload" : "state.download",
                  rky_outcome_name(report->outcome), report->error != NULL ? ": " : "",
                  report->error != NULL ? report->error : "");
}

enum rky_transfer_sequel rky_sync_failed(struct rky_sync *sync, struct rky_transfer_report *report,
                                         const struct rky_transfer *transfer,
                                         const char *error_class, const struct rky_error *fault)
{
    const struct rky_state_config *config = rky_store_config(sync->options.store);
    bool up = report->kind == RKY_TRANSFER_UPLOAD;
    const struct rky_transfer_failure failure = {
        .kind = report->kind,
        .end = transfer->end == RKY_GUARD_OK ? RKY_GUARD_ERROR : transfer->end,
        .code = fault->code,
        .error_class = error_class,
        .policy = up ? config->on_upload_failure : config->on_download_failure,
        .skippable = sync->options.skippable,
    };
    sync->sequel = rky_outcome_decide(&failure, &report->outcome, &report->cause);
    report->error_class = error_class;
    rky_free(report->error);
    report->error = rky_log_redact(sync->options.log, fault->message);
    return sync->sequel;
}

const struct rky_transfer_report *rky_sync_report(const struct rky_sync *sync,
                                                  enum rky_transfer_kind kind)
{
    if (kind == RKY_TRANSFER_UPLOAD)
        return sync->has_upload ? &sync->upload : NULL;
    return sync->has_download ? &sync->download : NULL;
}

enum rky_transfer_sequel rky_sync_sequel(const struct rky_sync *sync)
{
    return sync->sequel;
}

bool rky_sync_is_shut_out(const struct rky_sync *sync)
{
    return sync != NULL &&
           ((sync->has_download && sync->download.outcome == RKY_OUTCOME_CIRCUIT_OPEN) ||
            (sync->has_upload && sync->upload.outcome == RKY_OUTCOME_CIRCUIT_OPEN));
}

bool rky_sync_was_adopted(const struct rky_sync *sync)
{
    return sync->adopted;
}
