/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The download: one guarded read, verified whole, then judged against the copy at hand.
 *
 * A cache is believed only after the durable store confirmed that it still holds that version; when
 * the store cannot be asked, the cached copy may be worked with, because the commit is conditional
 * on its version and the target refuses a stale writer. A failed download is no first run: the copy
 * at hand, or the target's own metadata, stands in, and nothing is uploaded before the remote was
 * read again.
 */
#include "config.h"

#include <string.h>

#include "common/fault.h"
#include "common/mem.h"
#include "state/sync_internal.h"

/* Bytes that are refused at a second look, too, are in the same file: that is told once. */
void rky_sync_keep_refused(struct rky_sync *sync, const struct rky_remote_object *object)
{
    char *kept = NULL;
    if (sync->options.read_only) /* a look keeps nothing: its place is removed after it */
        return;
    rky_workspace_quarantine(sync->options.workspace, object->body, object->length, &kept);
    if (kept == NULL || (sync->refused != NULL && strcmp(sync->refused, kept) == 0)) {
        rky_free(kept);
        return;
    }
    rky_log_write(sync->options.log, RKY_LOG_WARN, NULL,
                  "namespace '%s': the refused snapshot is kept for inspection as '%s'",
                  sync->name.namespace_, kept);
    rky_free(sync->refused);
    sync->refused = kept;
}

int rky_sync_verify(struct rky_sync *sync, const struct rky_remote_object *object,
                    struct rky_snapshot_head *ret_head, unsigned char **ret_raw, size_t *ret_length,
                    const char **ret_class, struct rky_error *err)
{
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    int rc = rky_snapshot_decode(object->body, object->length, sync->name.namespace_,
                                 rky_store_key(sync->options.store), ret_head, ret_raw, ret_length,
                                 &fault, err);
    *ret_class = rky_snapshot_fault_class(fault);
    if (rc == RKY_ERR_STATE_FILE)
        rky_sync_keep_refused(sync, object);
    return rc;
}

/* The version to ask "still that one?" about: only when the copy at hand contains it. */
static const char *version_at_hand(struct rky_sync *sync, struct rky_snapshot_head *ret_ours,
                                   bool *ret_there, struct rky_error *err, int *ret_rc)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    const struct rky_base *base = rky_workspace_base(sync->options.workspace);
    *ret_there = ledger != NULL;
    *ret_rc = 0;
    if (ledger == NULL)
        return NULL;
    *ret_rc = rky_ledger_head(ledger, ret_ours, err);
    if (*ret_rc != 0 || !base->known || base->etag[0] == '\0' ||
        !rky_snapshot_derives(ret_ours, base->write_id))
        return NULL;
    return base->etag;
}

/* --- what was fetched --------------------------------------------------------------------------
 */

/* Nothing there. A copy at hand is then the newest there is: the next commit creates it anew. */
static int take_absent(struct rky_sync *sync, const struct rky_snapshot_head *ours, bool there,
                       struct rky_error *err)
{
    sync->base = (struct rky_base){.known = true, .generation = there ? ours->generation : 0};
    sync->download.outcome = RKY_OUTCOME_ABSENT;
    if (there) {
        rky_log_write(
            sync->options.log, RKY_LOG_WARN, NULL,
            "namespace '%s': the remote holds no state any more; the copy at hand goes on",
            sync->name.namespace_);
        return 0;
    }
    return rky_workspace_create(sync->options.workspace, err);
}

static int take_body(struct rky_sync *sync, struct rky_remote_object *object,
                     const char **ret_class, struct rky_error *err)
{
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t length = 0;
    int rc = rky_sync_verify(sync, object, &head, &raw, &length, ret_class, err);
    if (rc != 0)
        return rc;
    rc = rky_sync_take(sync, object, &head, raw, length, NULL, NULL, err);
    if (rc == RKY_ERR_STATE_FILE)
        *ret_class = "corrupt";
    if (rc == 0) {
        rky_sync_note_base(sync, object, &head);
        sync->download.raw_bytes = (int64_t)length;
        sync->download.generation = head.generation;
        sync->download.fence = head.fence;
        memcpy(sync->download.write_id, head.write_id, sizeof(head.write_id));
        memcpy(sync->download.sha256, head.raw_sha256, sizeof(head.raw_sha256));
    }
    rky_free(raw);
    return rc;
}

static int take_unmodified(struct rky_sync *sync)
{
    sync->base = *rky_workspace_base(sync->options.workspace);
    if (sync->base.fence > sync->fence)
        sync->fence = sync->base.fence;
    sync->download.unchanged = true;
    sync->download.generation = sync->base.generation;
    sync->download.fence = sync->base.fence;
    memcpy(sync->download.write_id, sync->base.write_id, sizeof(sync->base.write_id));
    return 0;
}

/* --- a cached copy ------------------------------------------------------------------------------
 */

/* Ask the durable store whether the cached version is still its version. @p object is replaced
 * where it is not. */
static int confirm_cached(struct rky_sync *sync, struct rky_transfer *transfer,
                          struct rky_remote_object *object, struct rky_error *err)
{
    struct rky_remote_object now = {0};
    struct rky_error fault = {0};
    int rc = sync->remote->ops->head(sync->remote, &sync->name, transfer, &now, &fault);
    if (rc != 0) {
        enum rky_outcome outcome, cause;
        const struct rky_transfer_failure failure = {
            .kind = RKY_TRANSFER_DOWNLOAD,
            .end = transfer->end,
            .code = rc,
            .error_class = transfer->attempt.error_class,
            .policy = RKY_FAILURE_FRESH,
        };
        if (rky_outcome_decide(&failure, &outcome, &cause) != RKY_SEQUEL_FRESH) {
            *err = fault;
            return rc;
        }
        rky_log_write(sync->options.log, RKY_LOG_WARN, NULL,
                      "namespace '%s': the durable store does not answer (%s); the cached copy is "
                      "used, and the commit will tell whether it was current",
                      sync->name.namespace_, fault.message);
        transfer->end = RKY_GUARD_OK;
        return 0;
    }
    sync->confirmed = true;
    bool same = now.exists && strcmp(now.etag, object->etag) == 0;
    bool gone = !now.exists;
    rky_remote_object_done(&now);
    if (same)
        return 0;
    if (gone) {
        /* The store was wiped, the cache was not: what it holds is the newest there is. */
        object->etag[0] = '\0';
        return 0;
    }
    rky_remote_object_done(object);
    *object = (struct rky_remote_object){0};
    return rky_remote_get_durable(sync->remote, &sync->name, transfer, object, err);
}

/* --- the download -------------------------------------------------------------------------------
 */

static int fetch(struct rky_sync *sync, const char *version, struct rky_transfer *transfer,
                 struct rky_remote_object *object, struct rky_error *err)
{
    int rc = sync->remote->ops->get(sync->remote, &sync->name, version, transfer, object, err);
    sync->confirmed = rc == 0 && !object->cached;
    if (rc == 0 && object->cached)
        rc = confirm_cached(sync, transfer, object, err);
    return rc;
}

static int judge(struct rky_sync *sync, struct rky_remote_object *object,
                 const struct rky_snapshot_head *ours, bool there, const char **ret_class,
                 struct rky_error *err)
{
    if (!object->exists && !object->not_modified)
        return take_absent(sync, ours, there, err);
    bool recreate = object->etag[0] == '\0';
    int rc = object->not_modified ? take_unmodified(sync) : take_body(sync, object, ret_class, err);
    if (rc == 0 && recreate) {
        /* From a cache that outlived the store: the next commit creates. */
        sync->base.exists = false;
        sync->base.etag[0] = '\0';
        rky_workspace_set_base(sync->options.workspace, &sync->base);
    }
    return rc;
}

/* Refused bytes: those of a cache are forgotten, those of the store are read once more, because a
 * server under contention may pair one version's mark with another's bytes. */
static int second_look(struct rky_sync *sync, struct rky_transfer *transfer,
                       struct rky_remote_object *object, const struct rky_snapshot_head *ours,
                       bool there, const char **ret_class, struct rky_error *err)
{
    struct rky_error first = *err;
    rky_remote_object_done(object);
    *object = (struct rky_remote_object){0};
    rky_error_clear(err);
    int rc = rky_remote_get_durable(sync->remote, &sync->name, transfer, object, err);
    if (rc == 0) {
        sync->confirmed = true;
        rc = judge(sync, object, ours, there, ret_class, err);
    }
    if (rc != 0 && err->code == 0)
        *err = first;
    return rc;
}

/* The remote could not be read, and policy says to go on: the copy at hand stands in, or an empty
 * one, and the target's metadata says where the tables are. */
static int stand_in(struct rky_sync *sync, struct rky_error *err)
{
    sync->base = (struct rky_base){.known = false};
    sync->download_failed = true;
    sync->confirmed = false;
    return rky_workspace_create(sync->options.workspace, err);
}

static bool is_to_be_replaced(const struct rky_sync *sync, const struct rky_remote_object *object,
                              int rc, const char *fault_class)
{
    if (rc != RKY_ERR_STATE_FILE || sync->options.replace_above == 0 || fault_class == NULL)
        return false;
    bool useless =
        strcmp(fault_class, "corrupt") == 0 || strcmp(fault_class, "wrong_namespace") == 0;
    return useless && object->body != NULL && object->etag[0] != '\0';
}

/* What the remote holds is of no use to anybody, and a command brings something in its place: that
 * is then committed against the version mark of what was read. */
static int put_aside(struct rky_sync *sync, const struct rky_remote_object *object,
                     const struct rky_snapshot_head *ours, bool there, struct rky_error *err)
{
    int64_t above = sync->options.replace_above;
    if (there && ours->generation > above)
        above = ours->generation;
    sync->base = (struct rky_base){.known = true, .exists = true, .generation = above};
    memcpy(sync->base.etag, object->etag, sizeof(sync->base.etag));
    return rky_workspace_create(sync->options.workspace, err);
}

int rky_sync_download(struct rky_sync *sync, struct rky_error *err)
{
    if (sync->remote == NULL)
        return rky_workspace_create(sync->options.workspace, err);
    struct rky_transfer transfer;
    struct rky_remote_object object = {0};
    struct rky_snapshot_head ours = {.generation = 0};
    struct rky_error fault = {0};
    const char *fault_class = NULL;
    bool there = false;
    int rc = 0;
    /* A copy that cannot be read is no transfer that failed: nothing was asked, nothing is told. */
    const char *version = version_at_hand(sync, &ours, &there, err, &rc);
    if (rc != 0)
        return rc;
    struct rky_transfer_report *report = rky_sync_report_begin(sync, RKY_TRANSFER_DOWNLOAD);
    rky_sync_transfer(sync, &transfer);
    rky_fault_point("download.before");
    rc = fetch(sync, version, &transfer, &object, &fault);
    if (rc == 0)
        rc = judge(sync, &object, &ours, there, &fault_class, &fault);
    else
        fault_class = transfer.attempt.error_class;
    if (rc == RKY_ERR_STATE_FILE && fault_class != NULL && strcmp(fault_class, "schema_newer") != 0)
        rc = second_look(sync, &transfer, &object, &ours, there, &fault_class, &fault);
    rky_fault_point("download.after");
    if (rc != 0) {
        enum rky_transfer_sequel sequel =
            rky_sync_failed(sync, report, &transfer, fault_class, &fault);
        if (sequel == RKY_SEQUEL_FRESH)
            rc = stand_in(sync, err);
        else if (is_to_be_replaced(sync, &object, rc, fault_class))
            rc = put_aside(sync, &object, &ours, there, err);
        else if (err != NULL)
            *err = fault;
    }
    if (rc == 0 && sync->lease != NULL && rky_lease_token(sync->lease) <= sync->fence)
        rc = rky_sync_raise(sync, sync->fence + 1, err);
    if (rc == 0)
        rc = rky_sync_keep_pending(sync, err);
    rky_sync_report_end(sync, report, &transfer);
    rky_remote_object_done(&object);
    return rc;
}
