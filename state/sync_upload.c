/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit: serialize, wrap, compare and swap, and what to do when somebody else was there first.
 *
 * A round begins with a known base and ends with the write in the chain, a definite refusal, or a
 * fate nobody can tell (then the copy stays, under its write id, and is recognised when it lands
 * late). At a foreign winner it is first asked whether we still may: a greater fence than ours,
 * while our claims in the target are gone, means stop. Else the winner may have recorded this very
 * job: then its record stands. Else both contents are merged and the next round commits the union.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/mem.h"
#include "state/sync_internal.h"

enum { ROUNDS = 3 };

struct commit {
    struct rky_sync *sync;
    const struct rky_sync_callbacks *callbacks;
    struct rky_transfer transfer;
    struct rky_transfer_report *report;
    const char *fault_class; /**< when the failure is not the last attempt's */
    bool recreated;
    bool done; /**< nothing is left to put */
};

/* --- one round
 * ------------------------------------------------------------------------------------ */

static void compose_head(struct rky_sync *sync, struct rky_snapshot_head *head)
{
    head->created_at_us = sync->options.clock->wall_us(sync->options.clock);
    (void)snprintf(head->worker_id, sizeof(head->worker_id), "%s", sync->options.worker_id);
    (void)snprintf(head->version, sizeof(head->version), "%s", PACKAGE_VERSION);
    (void)gethostname(head->host, sizeof(head->host) - 1);
    (void)snprintf(head->run_id, sizeof(head->run_id), "%s",
                   sync->options.run_id != NULL ? sync->options.run_id : "");
    (void)snprintf(head->job_id, sizeof(head->job_id), "%s",
                   sync->options.job_id != NULL ? sync->options.job_id : "");
}

/* Whether the content is the very next version of what the remote holds, in its own words too: the
 * reader compares the envelope with what is inside. */
static bool follows(const struct rky_snapshot_head *head, const struct rky_base *base)
{
    return head->generation == base->generation + 1 &&
           (!base->exists ||
            (head->ancestor_count > 0 && strcmp(head->ancestors[0], base->write_id) == 0));
}

static int wrap(struct rky_sync *sync, const struct rky_sync_callbacks *callbacks,
                struct rky_error *err)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t raw_length = 0;
    rky_free(sync->sent);
    sync->sent = NULL;
    int rc = rky_ledger_head(ledger, &head, err);
    if (rc == 0 && !follows(&head, &sync->base)) {
        /* A copy that was ahead for more than one write, that was merged, or whose store was read
         * only now. */
        struct rky_snapshot_head base = {.generation = sync->base.generation};
        if (sync->base.exists)
            memcpy(base.write_id, sync->base.write_id, sizeof(base.write_id));
        rc = rky_sync_rebase(sync, sync->base.generation + 1, &base, callbacks, err);
        if (rc == 0)
            rc = rky_ledger_head(ledger, &head, err);
    }
    if (rc == 0)
        rc = rky_ledger_serialize(ledger, &raw, &raw_length, err);
    if (rc == 0) {
        compose_head(sync, &head);
        rc = rky_snapshot_encode(&head, raw, raw_length, rky_store_key(sync->options.store),
                                 &sync->sent, &sync->sent_length, err);
    }
    rky_free(raw);
    sync->sent_head = head;
    return rc;
}

static void note_committed(struct commit *commit, const char *etag)
{
    struct rky_sync *sync = commit->sync;
    struct rky_base base = {.known = true,
                            .exists = true,
                            .generation = sync->sent_head.generation,
                            .fence = sync->sent_head.fence};
    (void)snprintf(base.etag, sizeof(base.etag), "%s", etag);
    memcpy(base.write_id, sync->sent_head.write_id, sizeof(base.write_id));
    /* Somebody already built on it: what the remote holds now is not known. */
    base.known = etag[0] != '\0';
    sync->base = base;
    rky_workspace_set_base(sync->options.workspace, &base);
    sync->confirmed = true;
    commit->done = true;
}

static int put(struct commit *commit, struct rky_error *err)
{
    struct rky_sync *sync = commit->sync;
    char etag[RKY_ETAG_MAX] = "";
    const bool cas = rky_store_config(sync->options.store)->cas;
    const struct rky_remote_put request = {
        .body = sync->sent,
        .length = sync->sent_length,
        .condition = !cas                ? RKY_IF_ANY
                     : sync->base.exists ? RKY_IF_ETAG
                                         : RKY_IF_ABSENT,
        .etag = cas && sync->base.exists ? sync->base.etag : NULL,
        .head = &sync->sent_head,
    };
    struct rky_transfer_report *report = commit->report;
    report->raw_bytes = sync->sent_head.raw_size;
    report->generation = sync->sent_head.generation;
    report->fence = sync->sent_head.fence;
    memcpy(report->write_id, sync->sent_head.write_id, sizeof(report->write_id));
    memcpy(report->sha256, sync->sent_head.raw_sha256, sizeof(report->sha256));
    rky_fault_point("upload.before_put");
    int rc =
        sync->remote->ops->put(sync->remote, &sync->name, &request, &commit->transfer, etag, err);
    rky_fault_point("upload.after_put");
    if (rc == 0)
        note_committed(commit, etag);
    return rc;
}

/* --- a foreign winner
 * ----------------------------------------------------------------------------- */

static int still_allowed(struct commit *commit, int64_t fence, struct rky_error *err)
{
    const struct rky_sync_callbacks *callbacks = commit->callbacks;
    int rc = rky_sync_check(commit->sync, err);
    if (rc != 0 || fence <= commit->sync->sent_head.fence || callbacks == NULL ||
        callbacks->claims_held == NULL)
        return rc;
    return callbacks->claims_held(callbacks->context, err);
}

/* What the remote holds has all of ours in it already: the report tells of that version, and what
 * was sent in vain is nothing to keep. */
static void note_found(struct commit *commit)
{
    struct rky_sync *sync = commit->sync;
    struct rky_transfer_report *report = commit->report;
    report->unchanged = true;
    report->raw_bytes = -1;
    report->generation = sync->base.generation;
    report->fence = sync->base.fence;
    memcpy(report->write_id, sync->base.write_id, sizeof(report->write_id));
    report->sha256[0] = '\0';
    rky_free(sync->sent);
    sync->sent = NULL;
    sync->confirmed = true;
    commit->done = true;
}

static int settle_with(struct commit *commit, const struct rky_remote_object *object,
                       struct rky_error *err)
{
    struct rky_sync *sync = commit->sync;
    struct rky_snapshot_head head, ours;
    unsigned char *raw = NULL;
    size_t raw_length = 0;
    bool adopted = false;
    int rc = rky_sync_verify(sync, object, &head, &raw, &raw_length, &commit->fault_class, err);
    if (rc == 0)
        rc = rky_ledger_head(rky_sync_ledger(sync), &ours, err);
    if (rc != 0)
        goto out;
    bool same_lineage = strcmp(head.lineage, ours.lineage) == 0;
    enum rky_relation relation = rky_relation_of(&ours, &head);
    if (same_lineage && (relation == RKY_SAME || relation == RKY_AHEAD)) {
        /* What we last read, or an earlier write of ours that landed late: only the base moved. */
        rky_sync_note_base(sync, object, &head);
        if (relation == RKY_SAME)
            note_found(commit);
        goto out;
    }
    if (!same_lineage) {
        commit->fault_class = "lineage";
        rc = rky_fail(err, RKY_ERR_STATE_FILE,
                      "namespace '%s': the remote now holds a state of another lineage",
                      sync->name.namespace_);
        rky_error_hint(err, "somebody created this state anew: see 'rocky state versions', or "
                            "'rocky state adopt --lineage'");
        goto out;
    }
    const struct rky_take how = {
        .own_tables = commit->callbacks != NULL ? commit->callbacks->own_tables : NULL,
        .job_id = sync->options.job_id,
    };
    rc = still_allowed(commit, head.fence, err);
    if (rc == 0)
        rc = rky_sync_take(sync, object, &head, raw, raw_length, &how, &adopted, err);
    if (rc == RKY_ERR_STATE_FILE)
        commit->fault_class = "corrupt";
    if (rc == 0) {
        rky_sync_note_base(sync, object, &head);
        sync->adopted = sync->adopted || adopted;
        /* Behind: somebody built on what we have, and nothing of ours is missing there. */
        if (adopted || (relation == RKY_BEHIND))
            note_found(commit);
    }
out:
    rky_free(raw);
    return rc;
}

/* Read what is there now, past any cache, and come to terms with it. */
static int settle(struct commit *commit, struct rky_error *err)
{
    struct rky_sync *sync = commit->sync;
    struct rky_remote_object object = {0};
    struct rky_snapshot_head ours;
    rky_fault_point("upload.settle");
    int rc = rky_remote_get_durable(sync->remote, &sync->name, &commit->transfer, &object, err);
    if (rc == 0 && !object.exists) {
        /* Created anew; never with a number that this content had before. */
        rc = rky_ledger_head(rky_sync_ledger(sync), &ours, err);
        int64_t before = rc == 0 && ours.generation > 0 ? ours.generation - 1 : 0;
        sync->base = (struct rky_base){
            .known = rc == 0,
            .generation = sync->base.generation > before ? sync->base.generation : before};
    } else if (rc == 0) {
        rc = settle_with(commit, &object, err);
    }
    rky_remote_object_done(&object);
    return rc;
}

/* --- rounds
 * ---------------------------------------------------------------------------------------- */

static int round_of(struct commit *commit, struct rky_error *err)
{
    struct rky_sync *sync = commit->sync;
    int rc = 0;
    if (!sync->base.known) {
        rc = settle(commit, err);
        if (rc != 0 || commit->done)
            return rc;
    }
    rc = rky_sync_check(sync, err);
    if (rc == 0)
        rc = wrap(sync, commit->callbacks, err);
    if (rc == 0)
        rc = put(commit, err);
    return rc;
}

static int commit_rounds(struct commit *commit, struct rky_error *err)
{
    struct rky_sync *sync = commit->sync;
    for (int round = 0; round < ROUNDS; round++) {
        rky_error_clear(err);
        int rc = round_of(commit, err);
        if (rc == 0)
            return 0;
        if (rc == RKY_ERR_NOT_FOUND && !commit->recreated) {
            /* The object was deleted under us: what we hold was verified, so it is created again.
             */
            commit->recreated = true;
            sync->base.exists = false;
            sync->base.etag[0] = '\0';
            round--;
            continue;
        }
        if (rc != RKY_ERR_CONFLICT || !sync->base.known)
            return rc;
        sync->base.known = false;
    }
    rky_error_clear(err);
    commit->fault_class = "conflict";
    commit->transfer.end = RKY_GUARD_ERROR;
    return rky_fail(err, RKY_ERR_CONFLICT,
                    "namespace '%s': other writers committed first in %d rounds",
                    sync->name.namespace_, ROUNDS);
}

static int end_failed(struct commit *commit, int code, const struct rky_error *fault,
                      struct rky_error *err)
{
    struct rky_sync *sync = commit->sync;
    const char *error_class = commit->fault_class;
    if (code == RKY_ERR_FENCED)
        error_class = "fenced";
    else if (error_class == NULL)
        error_class = commit->transfer.attempt.error_class;
    enum rky_transfer_sequel sequel =
        rky_sync_failed(sync, commit->report, &commit->transfer, error_class, fault);
    sync->base.known = false;
    if (sequel == RKY_SEQUEL_SKIP)
        return 0;
    if (err != NULL)
        *err = *fault;
    if (code == RKY_ERR_FENCED || code == RKY_ERR_CONFLICT || code == RKY_ERR_NOMEM ||
        code == RKY_ERR_STATE_FILE || code == RKY_ERR_INTERRUPTED)
        return code;
    if (err != NULL)
        err->code = RKY_ERR_STATE_SYNC;
    return RKY_ERR_STATE_SYNC;
}

int rky_sync_upload(struct rky_sync *sync, const struct rky_sync_callbacks *callbacks,
                    struct rky_error *err)
{
    struct rky_ledger *ledger = rky_sync_ledger(sync);
    struct rky_snapshot_head head;
    struct rky_error fault = {0};
    if (sync->remote == NULL || sync->options.read_only)
        return 0;
    int rc = rky_ledger_head(ledger, &head, err);
    if (rc != 0)
        return rc;
    bool unchanged =
        sync->base.known && sync->base.exists && strcmp(sync->base.write_id, head.write_id) == 0;
    /* Answered from a copy that is current: nothing was asked of the remote, nothing is told. */
    if (unchanged && !sync->has_download)
        return 0;
    struct commit commit = {.sync = sync,
                            .callbacks = callbacks,
                            .report = rky_sync_report_begin(sync, RKY_TRANSFER_UPLOAD)};
    rky_sync_transfer(sync, &commit.transfer);
    if (unchanged) {
        commit.report->unchanged = true;
        commit.report->generation = head.generation;
        commit.report->fence = head.fence;
        memcpy(commit.report->write_id, head.write_id, sizeof(head.write_id));
    } else {
        rc = commit_rounds(&commit, &fault);
        if (rc != 0)
            rc = end_failed(&commit, rc, &fault, err);
    }
    rky_sync_report_end(sync, commit.report, &commit.transfer);
    return rc;
}
