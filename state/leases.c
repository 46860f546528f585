/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of a process: taking with waiting, what is known about each, raising the floor, giving
 * back. The drivers know how a service keeps a lease, the renewer (lease_renewer.c) keeps it alive.
 *
 * What a driver answers definitely (held by another, no longer ours) is a success of the service:
 * it is neither retried nor held against the breaker.
 */
#include "config.h"

#include "state/lease.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/ids.h"
#include "common/mem.h"
#include "state/lease_internal.h"

enum {
    POLL_MS = 1000,    /* between two looks at a lease that somebody else has */
    EXPIRED_MS = 50,   /* after its time to live, so that it has run out at the server too */
    RELEASE_MS = 2000, /* giving back is a courtesy */
    SLICE_MS = 100,
};

/* --- life ------------------------------------------------------------------------------------- */

int rky_leases_new(const struct rky_leases_options *options, struct rky_leases **ret_leases,
                   struct rky_error *err)
{
    struct rky_leases *leases = rky_calloc(1, sizeof(*leases));
    if (leases == NULL)
        return rky_fail_nomem(err);
    leases->worker_id = rky_strdup(options->worker_id);
    if (leases->worker_id == NULL) {
        rky_free(leases);
        return rky_fail_nomem(err);
    }
    leases->driver = options->driver;
    leases->leg = options->leg;
    leases->ttl_ms = options->ttl_ms;
    leases->clock = options->clock;
    leases->log = options->log;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&leases->lock, NULL);
    (void)pthread_cond_init(&leases->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *ret_leases = leases;
    return 0;
}

void rky_leases_free(struct rky_leases *leases)
{
    if (leases == NULL)
        return;
    rky_lease_renewer_stop(leases);
    RKY_ASSERT(leases->list == NULL);
    leases->driver->ops->free(leases->driver);
    (void)pthread_cond_destroy(&leases->changed);
    (void)pthread_mutex_destroy(&leases->lock);
    rky_free(leases->worker_id);
    rky_free(leases);
}

struct rky_lease_driver *rky_leases_driver(struct rky_leases *leases)
{
    return leases->driver;
}

struct rky_leg *rky_leases_leg(struct rky_leases *leases)
{
    return leases->leg;
}

int64_t rky_leases_boot_ms(const struct rky_leases *leases)
{
    return leases->clock->boot_ms(leases->clock);
}

void rky_lease_drop(struct rky_lease *lease)
{
    if (--lease->holders == 0)
        rky_free(lease);
}

/* --- one call under the guard ----------------------------------------------------------------- */

struct call {
    struct rky_leases *leases;
    const char *namespace_;
    struct rky_lease_holder *holder;
    int64_t number; /* floor, or token */
    int64_t sent_boot_ms;
    struct rky_lease_holder other;
    int verdict; /* 0, or what was answered definitely */
    struct rky_error answer;
};

/* A definite answer ends the guarded call well and is told by the call's own verdict. */
static int settle(struct call *call, int rc, const struct rky_error *failure,
                  const struct rky_transfer *transfer, struct rky_attempt *ret_attempt,
                  struct rky_error *err)
{
    call->verdict = 0;
    if (rc == RKY_ERR_LOCKED || rc == RKY_ERR_FENCED) {
        call->verdict = rc;
        call->answer = *failure;
        return 0;
    }
    if (rc != 0) {
        *ret_attempt = transfer->attempt;
        if (err != NULL && err->code == RKY_OK)
            *err = *failure;
    }
    return rc;
}

static int attempt_take(void *context, int64_t number, struct rky_transfer *transfer,
                        struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_lease_driver *driver = call->leases->driver;
    struct rky_error failure = {0};
    (void)number;
    transfer->attempt = (struct rky_attempt){0};
    /* From before it is sent: the server may begin to count at once. */
    call->sent_boot_ms = rky_leases_boot_ms(call->leases);
    int rc = driver->ops->take(driver, call->namespace_, call->holder, call->number,
                               call->leases->ttl_ms, transfer, &call->other, &failure);
    return settle(call, rc, &failure, transfer, ret_attempt, err);
}

static int attempt_raise(void *context, int64_t number, struct rky_transfer *transfer,
                         struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_lease_driver *driver = call->leases->driver;
    struct rky_error failure = {0};
    (void)number;
    transfer->attempt = (struct rky_attempt){0};
    int rc = driver->ops->raise(driver, call->namespace_, call->holder, call->number, transfer,
                                &failure);
    return settle(call, rc, &failure, transfer, ret_attempt, err);
}

static int attempt_release(void *context, int64_t number, struct rky_transfer *transfer,
                           struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_lease_driver *driver = call->leases->driver;
    struct rky_error failure = {0};
    (void)number;
    transfer->attempt = (struct rky_attempt){0};
    int rc = driver->ops->release(driver, call->namespace_, call->holder, transfer, &failure);
    return settle(call, rc, &failure, transfer, ret_attempt, err);
}

/* --- taking ----------------------------------------------------------------------------------- */

static bool stopped(const struct rky_transfer *transfer)
{
    return transfer->stop != NULL && atomic_load(transfer->stop);
}

static void sleep_ms(struct rky_transfer *transfer, int64_t ms)
{
    if (transfer->wait != NULL) {
        transfer->wait(transfer->wait_context, ms);
        return;
    }
    for (; ms > 0 && !stopped(transfer); ms -= SLICE_MS) {
        const int64_t slice_ms = ms < SLICE_MS ? ms : SLICE_MS;
        (void)nanosleep(&(struct timespec){.tv_nsec = slice_ms * 1000000}, NULL);
    }
}

/* Until the holder gives back, runs out, or it is time to look again. Jittered, so that those who
 * wait for one lease do not all come at once. */
static void wait_for_holder(const struct call *call, int64_t left_ms, struct rky_transfer *transfer)
{
    struct rky_lease_driver *driver = call->leases->driver;
    int64_t ms = POLL_MS / 2 + (int64_t)(rky_random_unit() * (POLL_MS / 2));
    if (call->other.left_ms >= 0 && call->other.left_ms + EXPIRED_MS < ms)
        ms = call->other.left_ms + EXPIRED_MS;
    ms = ms < left_ms ? ms : left_ms;
    if (driver->ops->wait != NULL)
        driver->ops->wait(driver, call->namespace_, ms, transfer);
    else
        sleep_ms(transfer, ms);
}

/* Ask until the lease is ours, the time is up or something fails. */
static int take(struct call *call, int64_t wait_ms, struct rky_transfer *transfer,
                struct rky_error *err)
{
    struct rky_deadline until = rky_deadline_in(transfer->clock, wait_ms > 0 ? wait_ms : 0);
    if (until.mono_ms > transfer->deadline.mono_ms)
        until = transfer->deadline;
    for (;;) {
        int rc = rky_guard_run(call->leases->leg, transfer, -1, attempt_take, call, err);
        if (rc != 0 || call->verdict == 0)
            return rc;
        int64_t left_ms = rky_deadline_left_ms(&until);
        if (left_ms > 0)
            wait_for_holder(call, left_ms, transfer);
        if (stopped(transfer))
            return rky_fail(err, RKY_ERR_INTERRUPTED,
                            "asked to stop while waiting for the lease of namespace '%s'",
                            call->namespace_);
        if (left_ms <= 0)
            break;
    }
    if (err != NULL && err->code == RKY_OK)
        *err = call->answer;
    return call->verdict;
}

/* A lease that was taken, known to the renewer. @return NULL with err filled. */
static struct rky_lease *register_lease(const struct call *call, struct rky_error *err)
{
    struct rky_leases *leases = call->leases;
    struct rky_lease *lease = rky_calloc(1, sizeof(*lease));
    if (lease == NULL) {
        (void)rky_fail_nomem(err);
        return NULL;
    }
    lease->leases = leases;
    lease->holder = *call->holder;
    atomic_init(&lease->token, call->holder->token);
    lease->holders = 1;
    lease->deadline_boot_ms = rky_lease_deadline(call->sent_boot_ms, leases->ttl_ms);
    lease->renew_boot_ms = call->sent_boot_ms + leases->ttl_ms / 3;
    (void)snprintf(lease->namespace_, sizeof(lease->namespace_), "%s", call->namespace_);
    (void)pthread_mutex_lock(&leases->lock);
    int rc = rky_lease_renewer_start(leases, err);
    if (rc == 0) {
        lease->next = leases->list;
        leases->list = lease;
        rky_lease_renewer_tell(leases);
    }
    (void)pthread_mutex_unlock(&leases->lock);
    if (rc == 0)
        return lease;
    rky_free(lease);
    return NULL;
}

/* Best effort: whoever waits would find out when it runs out. */
static void give_back(struct rky_leases *leases, const char *namespace_,
                      struct rky_lease_holder *holder)
{
    struct call call = {.leases = leases, .namespace_ = namespace_, .holder = holder};
    struct rky_transfer transfer = {.clock = leases->clock,
                                    .deadline = rky_deadline_in(leases->clock, RELEASE_MS)};
    struct rky_error err = {0};
    if (rky_guard_run(leases->leg, &transfer, 0, attempt_release, &call, &err) != 0)
        rky_log_write(leases->log, RKY_LOG_DEBUG, NULL,
                      "lease of namespace '%s' not given back: %s", namespace_, err.message);
}

int rky_lease_take(struct rky_leases *leases, const char *namespace_, const char *run_id,
                   int64_t floor, int64_t wait_ms, struct rky_transfer *transfer,
                   struct rky_lease **ret_lease, struct rky_error *err)
{
    struct rky_lease_holder holder = {0};
    struct call call = {
        .leases = leases, .namespace_ = namespace_, .holder = &holder, .number = floor};
    (void)snprintf(holder.worker_id, sizeof(holder.worker_id), "%s", leases->worker_id);
    (void)snprintf(holder.run_id, sizeof(holder.run_id), "%s", run_id != NULL ? run_id : "");
    rky_uuid_v4(holder.nonce);
    int rc = take(&call, wait_ms, transfer, err);
    if (rc != 0)
        return rc;
    struct rky_lease *lease = register_lease(&call, err);
    if (lease == NULL) {
        give_back(leases, namespace_, &holder);
        return err != NULL && err->code != RKY_OK ? err->code : RKY_ERR_NOMEM;
    }
    *ret_lease = lease;
    return 0;
}

/* --- having ----------------------------------------------------------------------------------- */

int64_t rky_lease_token(const struct rky_lease *lease)
{
    return atomic_load(&lease->token);
}

enum rky_lease_state rky_lease_state(struct rky_lease *lease)
{
    struct rky_leases *leases = lease->leases;
    (void)pthread_mutex_lock(&leases->lock);
    bool lost = lease->lost;
    bool in_time = rky_leases_boot_ms(leases) < lease->deadline_boot_ms;
    (void)pthread_mutex_unlock(&leases->lock);
    return lost ? RKY_LEASE_LOST : in_time ? RKY_LEASE_HELD : RKY_LEASE_UNSURE;
}

int rky_lease_raise(struct rky_lease *lease, int64_t token, struct rky_transfer *transfer,
                    struct rky_error *err)
{
    struct rky_leases *leases = lease->leases;
    struct rky_lease_holder holder = lease->holder;
    struct call call = {
        .leases = leases, .namespace_ = lease->namespace_, .holder = &holder, .number = token};
    holder.token = atomic_load(&lease->token);
    int rc = rky_guard_run(leases->leg, transfer, -1, attempt_raise, &call, err);
    if (rc != 0)
        return rc;
    if (call.verdict == 0) {
        /* One thread at a time works under a lease; others only read it. */
        if (token > atomic_load(&lease->token))
            atomic_store(&lease->token, token);
        return 0;
    }
    (void)pthread_mutex_lock(&leases->lock);
    lease->lost = true;
    (void)pthread_mutex_unlock(&leases->lock);
    if (err != NULL && err->code == RKY_OK)
        *err = call.answer;
    return call.verdict;
}

void rky_lease_release(struct rky_lease *lease)
{
    if (lease == NULL)
        return;
    struct rky_leases *leases = lease->leases;
    struct rky_lease_holder holder = lease->holder;
    (void)pthread_mutex_lock(&leases->lock);
    bool lost = lease->lost;
    struct rky_lease **link = &leases->list;
    while (*link != lease)
        link = &(*link)->next;
    *link = lease->next;
    (void)pthread_mutex_unlock(&leases->lock);
    if (!lost)
        give_back(leases, lease->namespace_, &holder);
    (void)pthread_mutex_lock(&leases->lock);
    rky_lease_drop(lease);
    (void)pthread_mutex_unlock(&leases->lock);
}
