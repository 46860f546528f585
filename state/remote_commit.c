/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit: a conditional write whose fate is unknown is never reported, and never sent again,
 * before the store was asked what is there, because a lost reply makes our own write look like
 * somebody else's.
 *
 * What must stay true: it returns 0 exactly when the write is in the chain, and RKY_ERR_CONFLICT
 * only when a version was seen that neither is it, nor derives from it, nor is its base. What
 * cannot be found out before time, retries or breaker end it leaves transfer->unknown set. A
 * refused condition is read back within its own attempt, everything else before the next one is
 * sent; reading back is no retry. Writes without a head, or without a condition, are not
 * recognisable and not read back. Any thread.
 */
#include "config.h"

#include "state/remote_commit.h"

#include <string.h>

struct commit {
    struct rky_remote *inner;
    struct rky_leg *leg;
    const struct rky_remote_name *name;
    const struct rky_remote_put *put;
    char *ret_etag;
    bool pending;  /* the last attempt may have been applied: read back before anything else */
    bool may_land; /* an attempt got no answer: it may land as long as its base is still there */
};

/* The driver leaves its verdict on an attempt in the transfer. */
static int classified(int rc, struct rky_transfer *transfer, struct rky_attempt *ret_attempt)
{
    if (rc != 0)
        *ret_attempt = transfer->attempt;
    return rc;
}

/* What the store holds, seen from a write of ours. */
enum finding {
    FOUND_OURS,    /* this very write */
    FOUND_DERIVED, /* somebody already built on it */
    FOUND_BASE,    /* what it replaces: it was not applied, or not yet */
    FOUND_GONE,    /* nothing, where there was a base */
    FOUND_FOREIGN, /* somebody else's */
};

/* The metadata names few ancestors; whether ours is an older one only the body can say. */
static bool needs_body(const struct rky_remote_object *object, const struct rky_snapshot_head *ours)
{
    if (!object->has_head)
        return true;
    int64_t steps = object->head.generation - ours->generation;
    return steps > (int64_t)object->head.ancestor_count && steps <= RKY_ANCESTORS_MAX;
}

/* Replace what a HEAD said by what the object itself says. Foreign bytes may be anything: then the
 * object stays without a head. */
static int read_whole(struct commit *commit, struct rky_transfer *transfer,
                      struct rky_remote_object *object, struct rky_error *err)
{
    struct rky_remote *inner = commit->inner;
    rky_remote_object_done(object);
    int rc = inner->ops->get(inner, commit->name, NULL, transfer, object, err);
    if (rc == 0 && object->exists)
        object->has_head =
            rky_snapshot_peek(object->body, object->length, &object->head, NULL) == 0;
    return rc;
}

static enum finding judge(const struct rky_remote_put *put, const struct rky_remote_object *object)
{
    bool replaces = put->condition == RKY_IF_ETAG;
    if (!object->exists)
        return replaces ? FOUND_GONE : FOUND_BASE;
    if (object->has_head && strcmp(object->head.write_id, put->head->write_id) == 0)
        return FOUND_OURS;
    if (object->has_head && rky_snapshot_derives(&object->head, put->head->write_id))
        return FOUND_DERIVED;
    return replaces && strcmp(object->etag, put->etag) == 0 ? FOUND_BASE : FOUND_FOREIGN;
}

/* Ask the store what became of the write. @return 0, or why it could not say. */
static int read_back(struct commit *commit, struct rky_transfer *transfer,
                     enum finding *ret_finding, struct rky_error *err)
{
    struct rky_remote *inner = commit->inner;
    const struct rky_remote_put *put = commit->put;
    struct rky_remote_object object = {0};
    transfer->attempt = (struct rky_attempt){0};
    int rc = inner->ops->head(inner, commit->name, transfer, &object, err);
    if (rc == 0) {
        *ret_finding = judge(put, &object);
        if (*ret_finding == FOUND_FOREIGN && needs_body(&object, put->head))
            rc = read_whole(commit, transfer, &object, err);
    }
    if (rc == 0) {
        *ret_finding = judge(put, &object);
        if (*ret_finding == FOUND_OURS)
            memcpy(commit->ret_etag, object.etag, sizeof(object.etag));
    }
    rky_remote_object_done(&object);
    if (rc != 0)
        rky_error_wrap(err, "reading back a write of '%s' whose fate is unknown",
                       commit->name->namespace_);
    return rc;
}

/* What a finding means for the write. FOUND_BASE is left to the caller. */
static int settle(struct commit *commit, enum finding finding, struct rky_transfer *transfer,
                  struct rky_attempt *ret_attempt, struct rky_error *err)
{
    commit->pending = false;
    commit->may_land = false;
    if (finding == FOUND_OURS || finding == FOUND_DERIVED) {
        transfer->recovered = true;
        if (finding == FOUND_DERIVED)
            commit->ret_etag[0] = '\0';
        return 0;
    }
    if (finding == FOUND_GONE) {
        *ret_attempt = (struct rky_attempt){.error_class = "deleted"};
        return rky_fail(err, RKY_ERR_NOT_FOUND, "the state of '%s' was deleted meanwhile",
                        commit->name->namespace_);
    }
    *ret_attempt = (struct rky_attempt){.error_class = "conflict"};
    return rky_fail(err, RKY_ERR_CONFLICT, "another writer committed the state of '%s' first",
                    commit->name->namespace_);
}

/* The store refused the condition: our own write that it applied before, or somebody else's? */
static int settle_refused(struct commit *commit, struct rky_transfer *transfer,
                          struct rky_attempt *ret_attempt, struct rky_error *err)
{
    enum finding finding = FOUND_FOREIGN;
    int64_t retry_after_ms = transfer->attempt.retry_after_ms;
    int rc = read_back(commit, transfer, &finding, err);
    if (rc != 0)
        return classified(rc, transfer, ret_attempt);
    if (finding != FOUND_BASE)
        return settle(commit, finding, transfer, ret_attempt, err);
    /* Refused although the base is still there: two requests met, or a store that is not sure. */
    commit->pending = false;
    *ret_attempt = (struct rky_attempt){
        .error_class = "conflict", .retry = RKY_RETRY_YES, .retry_after_ms = retry_after_ms};
    (void)rky_fail(err, RKY_ERR_UNAVAILABLE,
                   "the store refused to replace a version of '%s' that it still holds",
                   commit->name->namespace_);
    if (err != NULL)
        err->transient = true;
    return RKY_ERR_UNAVAILABLE;
}

/* Whether the store may have applied a write that failed like this. */
static bool is_ambiguous(int rc, const struct rky_attempt *attempt)
{
    switch (rc) {
    case RKY_ERR_CONFLICT:
    case RKY_ERR_CONNECTION:
    case RKY_ERR_TIMEOUT:
    case RKY_ERR_UNAVAILABLE:
    case RKY_ERR_DECODE: /* an answer that makes no sense */
    case RKY_ERR_NOMEM:  /* there was none for the answer */
        return !attempt->unapplied;
    default:
        return false;
    }
}

/* Remember what a failed write leaves open. */
static void doubt(struct commit *commit, int rc, const struct rky_attempt *attempt)
{
    if (commit->put->head == NULL || commit->put->condition == RKY_IF_ANY)
        return;
    commit->pending = is_ambiguous(rc, attempt);
    /* Behind an answer nothing is under way any more. */
    if (commit->pending && rc != RKY_ERR_CONFLICT && rc != RKY_ERR_UNAVAILABLE)
        commit->may_land = true;
}

/* Asked before anything is sent again: does what the store holds decide? Then @p ret_rc says how;
 * false = the base is still there, send. */
static bool is_settled(struct commit *commit, struct rky_transfer *transfer,
                       struct rky_attempt *ret_attempt, int *ret_rc, struct rky_error *err)
{
    enum finding finding = FOUND_FOREIGN;
    *ret_rc = classified(read_back(commit, transfer, &finding, err), transfer, ret_attempt);
    if (*ret_rc != 0)
        return true;
    if (finding == FOUND_BASE) {
        commit->pending = false;
        return false;
    }
    *ret_rc = settle(commit, finding, transfer, ret_attempt, err);
    return true;
}

static int attempt_put(void *context, int64_t number, struct rky_transfer *transfer,
                       struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct commit *commit = context;
    struct rky_remote *inner = commit->inner;
    struct rky_error failure = {0};
    int rc = 0;
    (void)number;
    if (commit->pending && is_settled(commit, transfer, ret_attempt, &rc, err))
        return rc;
    transfer->attempt = (struct rky_attempt){0};
    rc = inner->ops->put(inner, commit->name, commit->put, transfer, commit->ret_etag, &failure);
    if (rc == 0)
        return 0;
    doubt(commit, rc, &transfer->attempt);
    if (commit->pending && rc == RKY_ERR_CONFLICT)
        return settle_refused(commit, transfer, ret_attempt, err);
    if (err != NULL)
        *err = failure;
    return classified(rc, transfer, ret_attempt);
}

static int attempt_read_back(void *context, int64_t number, struct rky_transfer *transfer,
                             struct rky_attempt *ret_attempt, struct rky_error *err)
{
    int rc = 0;
    (void)number;
    return is_settled(context, transfer, ret_attempt, &rc, err) ? rc : 0;
}

/* Let the transfer say again how the attempts ended, not how the look at it did. */
static void restore_end(struct rky_transfer *transfer, const char *leg, enum rky_guard_end end,
                        const struct rky_attempt *attempt)
{
    transfer->end = end;
    transfer->attempt = *attempt;
    for (size_t i = 0; i < transfer->leg_count; i++) {
        if (strcmp(transfer->legs[i].leg, leg) == 0) {
            transfer->legs[i].end = end;
            transfer->legs[i].failed = true;
        }
    }
}

/* No attempt is left, but time is: look once more, so that a write that landed is not reported as
 * failed. What could not be learned leaves the failure as it was. */
static int last_look(struct commit *commit, int failed, struct rky_transfer *transfer,
                     struct rky_error *err)
{
    const enum rky_guard_end end = transfer->end;
    const struct rky_attempt attempt = transfer->attempt;
    struct rky_error failure = {0};
    int rc = rky_guard_run(commit->leg, transfer, 0, attempt_read_back, commit, &failure);
    if (rc == 0 && transfer->recovered) {
        rky_error_clear(err);
        return 0;
    }
    if (rc == RKY_ERR_CONFLICT || rc == RKY_ERR_NOT_FOUND) {
        if (err != NULL)
            *err = failure;
        return rc;
    }
    restore_end(transfer, commit->leg->name, end, &attempt);
    return failed;
}

/* Whether there is a point in looking: retries ran out, not the service, the time or our will. */
static bool may_look(const struct commit *commit, const struct rky_transfer *transfer)
{
    return commit->pending &&
           (transfer->end == RKY_GUARD_EXHAUSTED || transfer->end == RKY_GUARD_BUDGET ||
            transfer->end == RKY_GUARD_TIMEOUT) &&
           rky_deadline_left_ms(&transfer->deadline) > 0;
}

int rky_remote_commit(struct rky_remote *inner, struct rky_leg *leg,
                      const struct rky_remote_name *name, const struct rky_remote_put *put,
                      struct rky_transfer *transfer, char ret_etag[RKY_ETAG_MAX],
                      struct rky_error *err)
{
    struct commit commit = {
        .inner = inner, .leg = leg, .name = name, .put = put, .ret_etag = ret_etag};
    struct rky_error failure = {0};
    transfer->recovered = false;
    transfer->unknown = false;
    int rc = rky_guard_run(leg, transfer, -1, attempt_put, &commit, &failure);
    if (rc != 0 && may_look(&commit, transfer))
        rc = last_look(&commit, rc, transfer, &failure);
    transfer->unknown = rc != 0 && (commit.pending || commit.may_land);
    if (rc != 0 && err != NULL && err->code == RKY_OK)
        *err = failure;
    return rc;
}
