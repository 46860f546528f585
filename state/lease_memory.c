/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases in memory, for tests of what stands above the seam: what a server would do, under one
 * mutex, with a clock that tests can move. Several holders may share one driver.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "state/lease_internal.h"

struct entry {
    struct entry *next;
    char namespace_[64];
    bool held;
    struct rky_lease_holder holder;
    int64_t expires_boot_ms, fence;
};

struct driver {
    struct rky_lease_driver base;
    struct rky_clock *clock;
    pthread_mutex_t lock;
    pthread_cond_t released;
    struct entry *entries;
};

static struct driver *driver_of(struct rky_lease_driver *driver)
{
    return (struct driver *)driver;
}

static int64_t now(const struct driver *driver)
{
    return driver->clock->boot_ms(driver->clock);
}

/* Its entry, made if it is new. With the lock held. */
static struct entry *find(struct driver *driver, const char *namespace_)
{
    struct entry *entry = driver->entries;
    while (entry != NULL && strcmp(entry->namespace_, namespace_) != 0)
        entry = entry->next;
    if (entry == NULL && (entry = rky_calloc(1, sizeof(*entry))) != NULL) {
        (void)snprintf(entry->namespace_, sizeof(entry->namespace_), "%s", namespace_);
        entry->next = driver->entries;
        driver->entries = entry;
    }
    if (entry != NULL && entry->held && entry->expires_boot_ms <= now(driver))
        entry->held = false;
    return entry;
}

static bool is_holder(const struct entry *entry, const struct rky_lease_holder *holder)
{
    return entry->held && strcmp(entry->holder.nonce, holder->nonce) == 0;
}

static int memory_take(struct rky_lease_driver *base, const char *namespace_,
                       struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms,
                       struct rky_transfer *transfer, struct rky_lease_holder *ret_other,
                       struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    int rc = 0;
    (void)pthread_mutex_lock(&driver->lock);
    struct entry *entry = find(driver, namespace_);
    if (entry == NULL) {
        rc = rky_fail_nomem(err);
    } else if (entry->held && !is_holder(entry, holder)) {
        *ret_other = entry->holder;
        ret_other->left_ms = entry->expires_boot_ms - now(driver);
        rc = rky_lease_held(err, &transfer->attempt, namespace_, ret_other);
    } else {
        if (!entry->held) {
            entry->fence = (entry->fence > floor ? entry->fence : floor) + 1;
            entry->holder = *holder;
            entry->holder.token = entry->fence;
        }
        entry->held = true;
        entry->expires_boot_ms = now(driver) + ttl_ms;
        holder->token = entry->holder.token;
    }
    (void)pthread_mutex_unlock(&driver->lock);
    return rc;
}

/* What the holder may do with its entry. @return whether it still is the holder. */
enum deed { DEED_RENEW, DEED_RAISE, DEED_RELEASE };
static bool act(struct driver *driver, const char *namespace_,
                const struct rky_lease_holder *holder, enum deed deed, int64_t number)
{
    (void)pthread_mutex_lock(&driver->lock);
    struct entry *entry = find(driver, namespace_);
    bool ours = entry != NULL && is_holder(entry, holder);
    if (ours && deed == DEED_RENEW)
        entry->expires_boot_ms = now(driver) + number;
    if (ours && deed == DEED_RAISE) {
        entry->fence = entry->fence > number ? entry->fence : number;
        entry->holder.token = entry->fence;
    }
    if (ours && deed == DEED_RELEASE) {
        entry->held = false;
        (void)pthread_cond_broadcast(&driver->released);
    }
    (void)pthread_mutex_unlock(&driver->lock);
    return ours;
}

static int memory_renew(struct rky_lease_driver *base, const char *namespace_,
                        const struct rky_lease_holder *holder, int64_t ttl_ms,
                        struct rky_transfer *transfer, struct rky_error *err)
{
    return act(driver_of(base), namespace_, holder, DEED_RENEW, ttl_ms)
               ? 0
               : rky_lease_gone(err, &transfer->attempt, namespace_);
}

static int memory_raise(struct rky_lease_driver *base, const char *namespace_,
                        const struct rky_lease_holder *holder, int64_t token,
                        struct rky_transfer *transfer, struct rky_error *err)
{
    return act(driver_of(base), namespace_, holder, DEED_RAISE, token)
               ? 0
               : rky_lease_gone(err, &transfer->attempt, namespace_);
}

static int memory_release(struct rky_lease_driver *base, const char *namespace_,
                          const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                          struct rky_error *err)
{
    return act(driver_of(base), namespace_, holder, DEED_RELEASE, 0)
               ? 0
               : rky_lease_gone(err, &transfer->attempt, namespace_);
}

static int memory_inspect(struct rky_lease_driver *base, const char *namespace_,
                          struct rky_transfer *transfer, struct rky_lease_holder *ret_holder,
                          struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    int rc = RKY_ERR_NOT_FOUND;
    (void)transfer;
    (void)pthread_mutex_lock(&driver->lock);
    const struct entry *entry = find(driver, namespace_);
    if (entry == NULL) {
        rc = rky_fail_nomem(err);
    } else if (entry->held) {
        *ret_holder = entry->holder;
        ret_holder->left_ms = entry->expires_boot_ms - now(driver);
        rc = 0;
    }
    (void)pthread_mutex_unlock(&driver->lock);
    return rc;
}

static int memory_break(struct rky_lease_driver *base, const char *namespace_,
                        const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                        struct rky_error *err)
{
    struct rky_lease_holder other = {0};
    if (act(driver_of(base), namespace_, holder, DEED_RELEASE, 0))
        return 0;
    int rc = memory_inspect(base, namespace_, transfer, &other, err);
    return rc == RKY_ERR_NOT_FOUND ? 0
           : rc != 0               ? rc
                                   : rky_lease_gone(err, &transfer->attempt, namespace_);
}

static void memory_free(struct rky_lease_driver *base)
{
    struct driver *driver = driver_of(base);
    while (driver->entries != NULL) {
        struct entry *next = driver->entries->next;
        rky_free(driver->entries);
        driver->entries = next;
    }
    (void)pthread_cond_destroy(&driver->released);
    (void)pthread_mutex_destroy(&driver->lock);
    rky_free(driver);
}

static bool stopped(const struct rky_transfer *transfer)
{
    return transfer->stop != NULL && atomic_load(transfer->stop);
}

static void memory_wait(struct rky_lease_driver *base, const char *namespace_, int64_t wait_ms,
                        struct rky_transfer *transfer)
{
    enum { SLICE_MS = 50 };
    struct driver *driver = driver_of(base);
    if (transfer->wait != NULL) {
        transfer->wait(transfer->wait_context, wait_ms);
        return;
    }
    (void)pthread_mutex_lock(&driver->lock);
    const struct entry *entry = find(driver, namespace_);
    for (; entry != NULL && entry->held && wait_ms > 0 && !stopped(transfer); wait_ms -= SLICE_MS) {
        struct timespec until = {0};
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SLICE_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&driver->released, &driver->lock, &until);
    }
    (void)pthread_mutex_unlock(&driver->lock);
}

static const struct rky_lease_ops memory_ops = {
    .name = "memory",
    .take = memory_take,
    .renew = memory_renew,
    .raise = memory_raise,
    .release = memory_release,
    .inspect = memory_inspect,
    .break_ = memory_break,
    .wait = memory_wait,
    .free = memory_free,
};

int rky_lease_memory_new(struct rky_clock *clock, struct rky_lease_driver **ret_driver,
                         struct rky_error *err)
{
    struct driver *driver = rky_calloc(1, sizeof(*driver));
    if (driver == NULL)
        return rky_fail_nomem(err);
    driver->base.ops = &memory_ops;
    driver->clock = clock;
    (void)pthread_mutex_init(&driver->lock, NULL);
    (void)pthread_cond_init(&driver->released, NULL);
    *ret_driver = &driver->base;
    return 0;
}
