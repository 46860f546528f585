/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A durable store with a cache before it. What must stay true: the durable store alone decides what
 * exists and which write won; a cache failure changes no outcome and costs at most a second; an
 * entry carries the etag of the durable object it copies, so a stale one can mislead nobody who
 * asks head() before use. Only the head of a namespace is cached; all else goes to the store.
 *
 * The cache is written after the store, never before. When it cannot be written its entry is
 * removed, when that fails too it stays behind, which is harmless. Any thread.
 */
#include "config.h"

#include "state/remote.h"

#include <string.h>

#include "common/mem.h"

/* A cache that takes longer than this saves nothing. */
#define CACHE_MS 1000

struct tiered {
    struct rky_remote base;
    struct rky_remote *durable, *cache;
};

/* --- the cache --------------------------------------------------------------------------------
 */

/* The cache gets a transfer of its own: one attempt, little time. */
static struct rky_transfer lend(const struct rky_transfer *transfer)
{
    struct rky_transfer lent = *transfer;
    struct rky_deadline own = rky_deadline_in(transfer->clock, CACHE_MS);
    if (own.mono_ms < lent.deadline.mono_ms)
        lent.deadline = own;
    lent.no_retries = true;
    return lent;
}

/* Of what the cache did only its row in the report remains. */
static void give_back(struct rky_transfer *transfer, const struct rky_transfer *lent)
{
    memcpy(transfer->legs, lent->legs, sizeof(transfer->legs));
    transfer->leg_count = lent->leg_count;
}

/* The row of a leg says how its last call ended; what counts is that the entry was not written. */
static void keep_failure(struct rky_transfer *lent, const struct rky_transfer *failed)
{
    for (size_t i = 0; i < failed->leg_count; i++) {
        if (failed->legs[i].failed) {
            lent->legs[i].end = failed->legs[i].end;
            lent->legs[i].failed = true;
        }
    }
}

static void uncache(struct tiered *tiered, const struct rky_remote_name *name,
                    struct rky_transfer *transfer)
{
    struct rky_transfer lent = lend(transfer);
    (void)!tiered->cache->ops->remove(tiered->cache, name, NULL, &lent, NULL);
    give_back(transfer, &lent);
}

/* Keep a copy of what the durable store holds as @p etag. An older entry must not stay in its
 * place; both calls share one short time. */
static void cache(struct tiered *tiered, const struct rky_remote_name *name, const void *body,
                  size_t length, const char *etag, const struct rky_snapshot_head *head,
                  struct rky_transfer *transfer)
{
    const struct rky_remote_put put = {
        .body = body, .length = length, .condition = RKY_IF_ANY, .etag = etag, .head = head};
    char own_etag[RKY_ETAG_MAX] = "";
    struct rky_transfer lent = lend(transfer);
    struct rky_remote *inner = tiered->cache;
    if (inner->ops->put(inner, name, &put, &lent, own_etag, NULL) != 0) {
        struct rky_transfer failed = lent;
        (void)!inner->ops->remove(inner, name, NULL, &lent, NULL);
        keep_failure(&lent, &failed);
    }
    give_back(transfer, &lent);
}

/* What the cache says when asked. */
enum answer { ANSWER_HIT, ANSWER_MISS, ANSWER_NONE };

/* With ANSWER_HIT @p ret_object holds the entry. */
static enum answer ask_cache(struct tiered *tiered, const struct rky_remote_name *name,
                             const char *if_none_match, struct rky_transfer *transfer,
                             struct rky_remote_object *ret_object)
{
    struct rky_transfer lent = lend(transfer);
    int rc = tiered->cache->ops->get(tiered->cache, name, if_none_match, &lent, ret_object, NULL);
    give_back(transfer, &lent);
    if (rc == 0 && ret_object->exists && ret_object->etag[0] != '\0') {
        ret_object->cached = true;
        transfer->end = RKY_GUARD_OK;
        transfer->attempt = (struct rky_attempt){0};
        return ANSWER_HIT;
    }
    rky_remote_object_done(ret_object);
    return rc == 0 ? ANSWER_MISS : ANSWER_NONE;
}

/* --- the seam ---------------------------------------------------------------------------------
 */

static int get_and_cache(struct tiered *tiered, const struct rky_remote_name *name,
                         const char *if_none_match, struct rky_transfer *transfer,
                         struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct rky_remote *durable = tiered->durable;
    int rc = durable->ops->get(durable, name, if_none_match, transfer, ret_object, err);
    /* An object that is absent leaves the cache alone: its entry may be the last copy there is. */
    if (rc == 0 && name->kind == RKY_REMOTE_HEAD && ret_object->body != NULL)
        cache(tiered, name, ret_object->body, ret_object->length, ret_object->etag,
              ret_object->has_head ? &ret_object->head : NULL, transfer);
    return rc;
}

static int tiered_get(struct rky_remote *remote, const struct rky_remote_name *name,
                      const char *if_none_match, struct rky_transfer *transfer,
                      struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct tiered *tiered = (struct tiered *)remote;
    struct rky_remote *durable = tiered->durable;
    enum answer answer = ANSWER_NONE;
    if (name->kind == RKY_REMOTE_HEAD)
        answer = ask_cache(tiered, name, if_none_match, transfer, ret_object);
    if (answer == ANSWER_HIT)
        return 0;
    /* A cache that just did not answer is not waited for a second time. */
    if (answer == ANSWER_NONE)
        return durable->ops->get(durable, name, if_none_match, transfer, ret_object, err);
    return get_and_cache(tiered, name, if_none_match, transfer, ret_object, err);
}

static int tiered_get_durable(struct rky_remote *remote, const struct rky_remote_name *name,
                              struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                              struct rky_error *err)
{
    return get_and_cache((struct tiered *)remote, name, NULL, transfer, ret_object, err);
}

static int tiered_head(struct rky_remote *remote, const struct rky_remote_name *name,
                       struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                       struct rky_error *err)
{
    struct rky_remote *durable = ((struct tiered *)remote)->durable;
    return durable->ops->head(durable, name, transfer, ret_object, err);
}

static int tiered_put(struct rky_remote *remote, const struct rky_remote_name *name,
                      const struct rky_remote_put *put, struct rky_transfer *transfer,
                      char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct tiered *tiered = (struct tiered *)remote;
    int rc = tiered->durable->ops->put(tiered->durable, name, put, transfer, ret_etag, err);
    /* Without an etag somebody already built on this write, and cached what is newer. */
    if (rc == 0 && name->kind == RKY_REMOTE_HEAD && ret_etag[0] != '\0')
        cache(tiered, name, put->body, put->length, ret_etag, put->head, transfer);
    return rc;
}

static int tiered_remove(struct rky_remote *remote, const struct rky_remote_name *name,
                         const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct tiered *tiered = (struct tiered *)remote;
    int rc = tiered->durable->ops->remove(tiered->durable, name, etag, transfer, err);
    if (rc == 0 && name->kind == RKY_REMOTE_HEAD)
        uncache(tiered, name, transfer);
    return rc;
}

static int tiered_list(struct rky_remote *remote, enum rky_remote_kind kind, const char *namespace_,
                       struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                       struct rky_error *err)
{
    struct rky_remote *durable = ((struct tiered *)remote)->durable;
    return durable->ops->list(durable, kind, namespace_, transfer, ret_list, err);
}

static char *tiered_uri(struct rky_remote *remote, const struct rky_remote_name *name)
{
    struct rky_remote *durable = ((struct tiered *)remote)->durable;
    return durable->ops->uri(durable, name);
}

static void tiered_free(struct rky_remote *remote)
{
    struct tiered *tiered = (struct tiered *)remote;
    rky_remote_free(tiered->durable);
    rky_remote_free(tiered->cache);
    rky_free(tiered);
}

static const struct rky_remote_ops tiered_ops = {
    .name = "tiered",
    .head = tiered_head,
    .get = tiered_get,
    .get_durable = tiered_get_durable,
    .put = tiered_put,
    .remove = tiered_remove,
    .list = tiered_list,
    .uri = tiered_uri,
    .free = tiered_free,
};

int rky_remote_tiered_new(struct rky_remote *durable, struct rky_remote *cache_,
                          struct rky_remote **ret_remote, struct rky_error *err)
{
    struct tiered *tiered = rky_calloc(1, sizeof(*tiered));
    if (tiered == NULL) {
        rky_remote_free(durable);
        rky_remote_free(cache_);
        return rky_fail_nomem(err);
    }
    tiered->base.ops = &tiered_ops;
    tiered->durable = durable;
    tiered->cache = cache_;
    *ret_remote = &tiered->base;
    return 0;
}
