/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workspaces that stay open between jobs: opening a ledger costs as much as a whole job without
 * news.
 *
 * At most `limit` are open and idle; beyond that the one idle longest is closed. A workspace is
 * lent to one thread at a time. Thread-safe; nothing slow is done under the mutex but the closing
 * of an idle one.
 */
#include "config.h"

#include "worker/workspace_pool.h"

#include <pthread.h>
#include <string.h>

#include "common/mem.h"

struct slot {
    struct slot *next;
    struct rky_workspace *workspace;
    bool lent;
    int64_t idle_since_ms;
};

struct rky_workspace_pool {
    const struct rky_config *config;
    struct rky_clock *clock;
    struct rky_log *log;
    size_t limit;
    pthread_mutex_t mutex;
    struct slot *slots;
    size_t count;
};

int rky_workspace_pool_new(const struct rky_config *config, struct rky_clock *clock,
                           struct rky_log *log, size_t limit, struct rky_workspace_pool **ret_pool,
                           struct rky_error *err)
{
    struct rky_workspace_pool *pool = rky_calloc(1, sizeof(*pool));
    if (pool == NULL)
        return rky_fail_nomem(err);
    pool->config = config;
    pool->clock = clock;
    pool->log = log;
    pool->limit = limit;
    (void)pthread_mutex_init(&pool->mutex, NULL);
    *ret_pool = pool;
    return 0;
}

static void slot_free(struct slot *slot)
{
    rky_workspace_free(slot->workspace);
    rky_free(slot);
}

void rky_workspace_pool_free(struct rky_workspace_pool *pool)
{
    if (pool == NULL)
        return;
    for (struct slot *slot = pool->slots, *next = NULL; slot != NULL; slot = next) {
        next = slot->next;
        RKY_ASSERT(!slot->lent);
        slot_free(slot);
    }
    (void)pthread_mutex_destroy(&pool->mutex);
    rky_free(pool);
}

static void unlink_slot(struct rky_workspace_pool *pool, struct slot *slot)
{
    struct slot **link = &pool->slots;
    while (*link != slot)
        link = &(*link)->next;
    *link = slot->next;
    pool->count--;
}

/* Close idle ones beyond the limit, the idle longest first. Under the mutex. */
static void shrink(struct rky_workspace_pool *pool)
{
    while (pool->count > pool->limit) {
        struct slot *oldest = NULL;
        for (struct slot *slot = pool->slots; slot != NULL; slot = slot->next) {
            if (!slot->lent && (oldest == NULL || slot->idle_since_ms < oldest->idle_since_ms))
                oldest = slot;
        }
        if (oldest == NULL)
            return;
        unlink_slot(pool, oldest);
        slot_free(oldest);
    }
}

/* Under the mutex: it only finds out where things are. */
static int add_slot(struct rky_workspace_pool *pool, const char *namespace_, struct slot **ret_slot,
                    struct rky_error *err)
{
    struct rky_workspace_options options = {.config = &pool->config->state,
                                            .namespace_ = namespace_,
                                            .clock = pool->clock,
                                            .log = pool->log};
    struct slot *slot = rky_calloc(1, sizeof(*slot));
    if (slot == NULL)
        return rky_fail_nomem(err);
    int rc = rky_workspace_new(&options, &slot->workspace, err);
    if (rc != 0) {
        rky_free(slot);
        return rc;
    }
    slot->next = pool->slots;
    pool->slots = slot;
    pool->count++;
    *ret_slot = slot;
    return 0;
}

int rky_workspace_pool_take(struct rky_workspace_pool *pool, const char *namespace_,
                            struct rky_workspace **ret_workspace, struct rky_error *err)
{
    int rc = 0;
    (void)pthread_mutex_lock(&pool->mutex);
    struct slot *slot = pool->slots;
    while (slot != NULL && strcmp(rky_workspace_namespace(slot->workspace), namespace_) != 0)
        slot = slot->next;
    if (slot != NULL && slot->lent)
        rc = rky_fail(err, RKY_ERR_LOCKED, "the state of namespace '%s' is in use by this process",
                      namespace_);
    else if (slot == NULL)
        rc = add_slot(pool, namespace_, &slot, err);
    if (rc == 0) {
        slot->lent = true;
        *ret_workspace = slot->workspace;
        shrink(pool);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return rc;
}

void rky_workspace_pool_give(struct rky_workspace_pool *pool, struct rky_workspace *workspace,
                             bool keep)
{
    (void)pthread_mutex_lock(&pool->mutex);
    struct slot *slot = pool->slots;
    while (slot != NULL && slot->workspace != workspace)
        slot = slot->next;
    RKY_ASSERT(slot != NULL && slot->lent);
    slot->lent = false;
    slot->idle_since_ms = pool->clock->mono_ms(pool->clock);
    if (!keep) {
        unlink_slot(pool, slot);
        slot_free(slot);
    }
    shrink(pool);
    (void)pthread_mutex_unlock(&pool->mutex);
}
