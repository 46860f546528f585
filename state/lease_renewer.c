/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that renews the leases of a process: each at a third of its time to live, and after a
 * failure each second until it learns something definite. It has no other work, so that a long copy
 * or a large upload cannot hold it up.
 *
 * It asks the driver itself, not through the guard: an open breaker would let leases run out
 * against a server that is back, and one question a second burdens nobody. When the server does not
 * answer for one lease, the others that are due wait for the next second too.
 */
#include "config.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "state/lease_internal.h"

enum {
    RETRY_MS = 1000,
    CALL_MS = 3000,
    /* A suspended machine and a clock of tests move on without the condition variable. */
    SLICE_MS = 250,
    /* Without a lease it stays awake for a second: where jobs follow each other, waking it for each
     * would cost more than the lease. */
    LINGER_SLICES = 4,
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The lease that is due first. With the lock held. */
static struct rky_lease *next_due(const struct rky_leases *leases)
{
    struct rky_lease *first = NULL;
    for (struct rky_lease *lease = leases->list; lease != NULL; lease = lease->next)
        if (!lease->lost && (first == NULL || lease->renew_boot_ms < first->renew_boot_ms))
            first = lease;
    return first;
}

/* The server did not answer: whoever is due has to wait like the one that was tried. */
static void postpone_all(struct rky_leases *leases, int64_t retry_boot_ms)
{
    for (struct rky_lease *lease = leases->list; lease != NULL; lease = lease->next)
        if (lease->renew_boot_ms < retry_boot_ms)
            lease->renew_boot_ms = retry_boot_ms;
}

static void note_answer(struct rky_leases *leases, struct rky_lease *lease, int rc,
                        int64_t sent_boot_ms)
{
    if (rc == 0) {
        lease->deadline_boot_ms = rky_lease_deadline(sent_boot_ms, leases->ttl_ms);
        lease->renew_boot_ms = sent_boot_ms + leases->ttl_ms / 3;
    } else if (rc == RKY_ERR_FENCED) {
        lease->lost = true;
    } else {
        postpone_all(leases, rky_leases_boot_ms(leases) + least(RETRY_MS, leases->ttl_ms / 10 + 1));
    }
}

/* Ask the server about one lease, without the lock. */
static void renew(struct rky_leases *leases, struct rky_lease *lease)
{
    struct rky_error err = {0};
    int64_t limit_ms = least(CALL_MS, leases->ttl_ms / 3 + 1);
    struct rky_transfer transfer = {.clock = leases->clock,
                                    .deadline = rky_deadline_in(leases->clock, limit_ms),
                                    .stop = &leases->stopping};
    struct rky_lease_driver *driver = leases->driver;
    lease->holders++;
    struct rky_lease_holder holder = lease->holder;
    (void)pthread_mutex_unlock(&leases->lock);
    int64_t sent_boot_ms = rky_leases_boot_ms(leases);
    int rc =
        driver->ops->renew(driver, lease->namespace_, &holder, leases->ttl_ms, &transfer, &err);
    if (rc != 0)
        rky_log_write(leases->log, rc == RKY_ERR_FENCED ? RKY_LOG_WARN : RKY_LOG_DEBUG, NULL,
                      "lease of namespace '%s': %s", lease->namespace_, err.message);
    (void)pthread_mutex_lock(&leases->lock);
    note_answer(leases, lease, rc, sent_boot_ms);
    rky_lease_drop(lease);
}

static void wait_slice(struct rky_leases *leases, int64_t wait_ms)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += least(wait_ms, SLICE_MS) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&leases->changed, &leases->lock, &until);
}

/* Nothing to renew: look again soon for a while, then sleep until somebody takes a lease. */
static void rest(struct rky_leases *leases, int *idle_slices)
{
    if (*idle_slices < LINGER_SLICES) {
        ++*idle_slices;
        wait_slice(leases, SLICE_MS);
        return;
    }
    leases->asleep = true;
    (void)pthread_cond_wait(&leases->changed, &leases->lock);
    leases->asleep = false;
    *idle_slices = 0;
}

void rky_lease_renewer_tell(struct rky_leases *leases)
{
    /* Awake it looks at all leases more often than the new one is due. */
    if (leases->asleep || leases->ttl_ms / 3 <= 2 * SLICE_MS)
        (void)pthread_cond_broadcast(&leases->changed);
}

static void *run(void *argument)
{
    struct rky_leases *leases = argument;
    int idle_slices = 0;
    (void)pthread_mutex_lock(&leases->lock);
    while (!atomic_load(&leases->stopping)) {
        struct rky_lease *lease = next_due(leases);
        if (lease == NULL) {
            rest(leases, &idle_slices);
            continue;
        }
        idle_slices = 0;
        int64_t wait_ms = lease->renew_boot_ms - rky_leases_boot_ms(leases);
        if (wait_ms > 0)
            wait_slice(leases, wait_ms);
        else
            renew(leases, lease);
    }
    (void)pthread_mutex_unlock(&leases->lock);
    return NULL;
}

int rky_lease_renewer_start(struct rky_leases *leases, struct rky_error *err)
{
    if (leases->running)
        return 0;
    int failed = pthread_create(&leases->thread, NULL, run, leases);
    if (failed != 0)
        return rky_fail_errno(err, failed, "cannot start the thread that renews leases");
    leases->running = true;
    return 0;
}

void rky_lease_renewer_stop(struct rky_leases *leases)
{
    (void)pthread_mutex_lock(&leases->lock);
    bool running = leases->running;
    atomic_store(&leases->stopping, true);
    (void)pthread_cond_broadcast(&leases->changed);
    (void)pthread_mutex_unlock(&leases->lock);
    if (running)
        (void)pthread_join(leases->thread, NULL);
}
