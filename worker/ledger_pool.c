/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers that stay open between jobs: opening one costs as much as a whole job without news.
 *
 * At most `limit` are open and idle; beyond that the one idle longest is closed. A ledger is lent
 * to one thread at a time. One whose file was removed or replaced underneath is opened anew:
 * writing into a deleted file would look like success. Thread-safe; nothing slow is done under the
 * mutex but the closing of an idle ledger.
 */
#include "config.h"

#include "worker/ledger_pool.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fsutil.h"
#include "common/mem.h"

struct slot {
    struct slot *next;
    struct rky_ledger *ledger; /* NULL while the borrower opens it */
    bool lent;
    int64_t idle_since_ms;
    dev_t device;
    ino_t inode;
    char namespace_[64];
};

struct rky_ledger_pool {
    const struct rky_config *config;
    struct rky_clock *clock;
    struct rky_log *log;
    size_t limit;
    pthread_mutex_t mutex;
    struct slot *slots;
    size_t count;
};

int rky_ledger_pool_new(const struct rky_config *config, struct rky_clock *clock,
                        struct rky_log *log, size_t limit, struct rky_ledger_pool **ret_pool,
                        struct rky_error *err)
{
    struct rky_ledger_pool *pool = rky_calloc(1, sizeof(*pool));
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
    rky_ledger_close(slot->ledger);
    rky_free(slot);
}

void rky_ledger_pool_free(struct rky_ledger_pool *pool)
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

static void unlink_slot(struct rky_ledger_pool *pool, struct slot *slot)
{
    struct slot **link = &pool->slots;
    while (*link != slot)
        link = &(*link)->next;
    *link = slot->next;
    pool->count--;
}

static bool is_current(const struct slot *slot)
{
    struct stat now;
    return stat(rky_ledger_path(slot->ledger), &now) == 0 && now.st_dev == slot->device &&
           now.st_ino == slot->inode;
}

/* Close idle ledgers beyond the limit, the idle longest first. Under the mutex. */
static void shrink(struct rky_ledger_pool *pool)
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

static int open_slot(struct rky_ledger_pool *pool, struct slot *slot, struct rky_error *err)
{
    int rc = 0;
    struct stat status;
    char *name = rky_asprintf("%s.db", slot->namespace_);
    char *path = name == NULL ? NULL : rky_path_join(pool->config->state.local_dir, name);
    if (path == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    /* Each time: somebody may have removed the whole directory since the last. */
    rc = rky_mkdir_p(pool->config->state.local_dir, err);
    if (rc != 0)
        goto out;
    struct rky_ledger_options options = {.path = path,
                                         .namespace_ = slot->namespace_,
                                         .mode = RKY_LEDGER_WRITE,
                                         .clock = pool->clock,
                                         .log = pool->log};
    rc = rky_ledger_open(&options, &slot->ledger, err);
    if (rc == 0 && stat(path, &status) == 0) {
        slot->device = status.st_dev;
        slot->inode = status.st_ino;
    }
out:
    rky_free(path);
    rky_free(name);
    return rc;
}

int rky_ledger_pool_take(struct rky_ledger_pool *pool, const char *namespace_,
                         struct rky_ledger **ret_ledger, struct rky_error *err)
{
    int rc = 0;
    (void)pthread_mutex_lock(&pool->mutex);
    struct slot *slot = pool->slots;
    while (slot != NULL && strcmp(slot->namespace_, namespace_) != 0)
        slot = slot->next;
    if (slot != NULL && slot->lent) {
        rc = rky_fail(err, RKY_ERR_LOCKED, "the state of namespace '%s' is in use by this process",
                      namespace_);
    } else if (slot != NULL) {
        slot->lent = true;
    } else {
        slot = rky_calloc(1, sizeof(*slot));
        if (slot == NULL) {
            rc = rky_fail_nomem(err);
        } else {
            RKY_ASSERT(strlen(namespace_) < sizeof(slot->namespace_));
            memcpy(slot->namespace_, namespace_, strlen(namespace_));
            slot->lent = true;
            slot->next = pool->slots;
            pool->slots = slot;
            pool->count++;
        }
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    if (rc != 0)
        return rc;

    if (slot->ledger != NULL && !is_current(slot)) {
        rky_ledger_close(slot->ledger);
        slot->ledger = NULL;
    }
    if (slot->ledger == NULL)
        rc = open_slot(pool, slot, err);
    (void)pthread_mutex_lock(&pool->mutex);
    if (rc != 0) {
        unlink_slot(pool, slot);
        slot_free(slot);
    } else {
        *ret_ledger = slot->ledger;
        shrink(pool);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return rc;
}

void rky_ledger_pool_give(struct rky_ledger_pool *pool, struct rky_ledger *ledger, bool keep)
{
    (void)pthread_mutex_lock(&pool->mutex);
    struct slot *slot = pool->slots;
    while (slot != NULL && slot->ledger != ledger)
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
