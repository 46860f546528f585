/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of leases share: the text form of a holder, and the inside of struct rky_leases
 * for the thread that renews (lease_renewer.c).
 */
#ifndef RKY_STATE_LEASE_INTERNAL_H
#define RKY_STATE_LEASE_INTERNAL_H

#include <pthread.h>

#include "state/lease.h"

/* --- holders ---------------------------------------------------------------------------------- */

/** `<worker_id>|<run_id>|<nonce>|<token>`; the last three have no '|' in them. */
enum { RKY_LEASE_TEXT_MAX = 256 };
/** @brief @param with_token false = ends behind the last '|', for a script that appends it. */
void rky_lease_text(const struct rky_lease_holder *holder, bool with_token,
                    char ret_text[RKY_LEASE_TEXT_MAX]);
/** @brief Read it back. What is not of this form becomes a holder whose worker_id is the text as it
 *         is, without a nonce. left_ms is not touched. */
void rky_lease_parse(const char *text, struct rky_lease_holder *ret_holder);

/** @brief "worker 'x' (run y)", or what there is. */
void rky_lease_describe(const struct rky_lease_holder *holder, char ret_text[RKY_LEASE_TEXT_MAX]);

/** @brief RKY_ERR_FENCED: the lease is no longer this holder's. Not a fault of the service. */
int rky_lease_gone(struct rky_error *err, struct rky_attempt *ret_attempt, const char *namespace_);
/** @brief RKY_ERR_LOCKED naming who has it. */
int rky_lease_held(struct rky_error *err, struct rky_attempt *ret_attempt, const char *namespace_,
                   const struct rky_lease_holder *other);

/* --- leases of this process ------------------------------------------------------------------- */

struct rky_lease {
    struct rky_leases *leases;
    struct rky_lease *next;
    char namespace_[64];
    struct rky_lease_holder holder;
    _Atomic int64_t token; /* what the lease gives out; raised by rky_lease_raise() */

    /* Under leases->lock. */
    int holders;              /* the list, and the renewer while it talks to the server */
    bool lost;                /* definite */
    int64_t deadline_boot_ms; /* until when the last answer is good */
    int64_t renew_boot_ms;    /* when to ask again */
};

struct rky_leases {
    struct rky_lease_driver *driver;
    struct rky_leg *leg;
    int64_t ttl_ms;
    char *worker_id;
    struct rky_clock *clock;
    struct rky_log *log;

    pthread_mutex_t lock; /* of what follows; never held while a server is asked */
    pthread_cond_t changed;
    struct rky_lease *list;
    pthread_t thread;
    bool running;
    bool asleep; /* the thread, until it is told of a lease */
    _Atomic bool stopping;
};

int64_t rky_leases_boot_ms(const struct rky_leases *leases);
/** @brief Until when a lease is ours that was asked for at @p sent_boot_ms: 1 % and 50 ms short of
 *         its time to live, because clocks of two machines run differently. Pure. */
int64_t rky_lease_deadline(int64_t sent_boot_ms, int64_t ttl_ms);
/** @brief The renewing thread, started with the lock held. */
RKY_MUST_CHECK int rky_lease_renewer_start(struct rky_leases *leases, struct rky_error *err);
/** @brief There is a new lease. With the lock held. */
void rky_lease_renewer_tell(struct rky_leases *leases);
void rky_lease_renewer_stop(struct rky_leases *leases);
/** @brief Drop one hold on a lease, with the lock held; the last one frees it. */
void rky_lease_drop(struct rky_lease *lease);

#endif
