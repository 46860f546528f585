/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delivery counts one for the attempt that is still sending and one per unconfirmed message;
 * whoever brings the count to zero settles the task and frees it.
 */
#include "config.h"

#include "worker/outbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "common/fault.h"
#include "common/mem.h"

/* A full queue is looked at again after so long even if no confirmation came. */
#define FULL_RECHECK_MS 100

struct rky_outbox {
    struct rky_transport *transport;
    struct rky_clock *clock;
    struct rky_log *log;
    rky_settled_fn *settled;
    void *context;
    pthread_mutex_t mutex;
    pthread_cond_t confirmed;
    size_t unconfirmed;
    bool give_up;
};

struct rky_delivery {
    struct rky_outbox *outbox;
    _Atomic size_t left;
    pthread_mutex_t mutex;
    struct rky_task *task; /* set by close */
    int code;              /* of the first failure */
    char message[256];
};

int rky_outbox_new(struct rky_transport *transport, struct rky_clock *clock, struct rky_log *log,
                   rky_settled_fn *settled, void *context, struct rky_outbox **ret_outbox,
                   struct rky_error *err)
{
    struct rky_outbox *outbox = rky_calloc(1, sizeof(*outbox));
    if (outbox == NULL)
        return rky_fail_nomem(err);
    outbox->transport = transport;
    outbox->clock = clock;
    outbox->log = log;
    outbox->settled = settled;
    outbox->context = context;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&outbox->confirmed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&outbox->mutex, NULL);
    *ret_outbox = outbox;
    return 0;
}

void rky_outbox_free(struct rky_outbox *outbox)
{
    if (outbox == NULL)
        return;
    (void)pthread_cond_destroy(&outbox->confirmed);
    (void)pthread_mutex_destroy(&outbox->mutex);
    rky_free(outbox);
}

/* --- one delivery
 * ---------------------------------------------------------------------------------- */

struct rky_delivery *rky_delivery_open(struct rky_outbox *outbox)
{
    struct rky_delivery *delivery = rky_calloc(1, sizeof(*delivery));
    if (delivery == NULL)
        return NULL;
    delivery->outbox = outbox;
    atomic_init(&delivery->left, 1);
    (void)pthread_mutex_init(&delivery->mutex, NULL);
    return delivery;
}

static void drop_reference(struct rky_delivery *delivery)
{
    if (atomic_fetch_sub(&delivery->left, 1) != 1)
        return;
    struct rky_outbox *outbox = delivery->outbox;
    if (delivery->task != NULL) {
        if (delivery->code == 0)
            rky_fault_point("publish.delivered");
        outbox->settled(outbox->context, delivery->task, delivery->code, delivery->message);
    } else if (delivery->code != 0) {
        rky_log_write(outbox->log, RKY_LOG_WARN, NULL, "an event could not be delivered: %s",
                      delivery->message);
    }
    (void)pthread_mutex_destroy(&delivery->mutex);
    rky_free(delivery);
}

static void note_failure(struct rky_delivery *delivery, int code, const char *message)
{
    (void)pthread_mutex_lock(&delivery->mutex);
    if (delivery->code == 0) {
        delivery->code = code;
        (void)snprintf(delivery->message, sizeof(delivery->message), "%s",
                       message != NULL ? message : rky_err_name(code));
    }
    (void)pthread_mutex_unlock(&delivery->mutex);
}

static void delivered(void *context, int code, const char *message, int partition, int64_t offset)
{
    struct rky_delivery *delivery = context;
    struct rky_outbox *outbox = delivery->outbox;
    (void)partition;
    (void)offset;
    if (code != 0)
        note_failure(delivery, code, message);
    drop_reference(delivery);
    /* Last: once nothing is unconfirmed, every task has been settled. */
    (void)pthread_mutex_lock(&outbox->mutex);
    outbox->unconfirmed--;
    (void)pthread_cond_broadcast(&outbox->confirmed);
    (void)pthread_mutex_unlock(&outbox->mutex);
}

static void count_unconfirmed(struct rky_outbox *outbox, bool more)
{
    (void)pthread_mutex_lock(&outbox->mutex);
    outbox->unconfirmed += more ? 1 : (size_t)-1;
    (void)pthread_mutex_unlock(&outbox->mutex);
}

/* Until something was confirmed, or a moment passed. @return false to stop waiting. */
static bool wait_for_room(struct rky_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->mutex);
    if (!outbox->give_up) {
        int64_t until = outbox->clock->mono_ms(outbox->clock) + FULL_RECHECK_MS;
        struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
        (void)pthread_cond_timedwait(&outbox->confirmed, &outbox->mutex, &at);
    }
    bool go_on = !outbox->give_up;
    (void)pthread_mutex_unlock(&outbox->mutex);
    return go_on;
}

int rky_delivery_send(struct rky_delivery *delivery, const char *topic,
                      const struct rky_message *message, bool wait, struct rky_error *err)
{
    struct rky_outbox *outbox = delivery->outbox;
    struct rky_transport *transport = outbox->transport;
    for (;;) {
        /* Before the call: the confirmation may come before it returns. */
        atomic_fetch_add(&delivery->left, 1);
        count_unconfirmed(outbox, true);
        int rc = transport->ops->publish(transport, topic, message, delivered, delivery, err);
        if (rc == 0)
            return 0;
        count_unconfirmed(outbox, false);
        atomic_fetch_sub(&delivery->left, 1);
        if (rc != RKY_ERR_QUOTA || !wait)
            return rc;
        rky_error_clear(err);
        if (!wait_for_room(outbox))
            return rky_fail(err, RKY_ERR_INTERRUPTED,
                            "stopped while waiting for room in the queue to the broker");
    }
}

void rky_delivery_close(struct rky_delivery *delivery, struct rky_task *task)
{
    delivery->task = task;
    drop_reference(delivery);
}

/* --- the whole of it
 * ------------------------------------------------------------------------------- */

size_t rky_outbox_unconfirmed(struct rky_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->mutex);
    size_t count = outbox->unconfirmed;
    (void)pthread_mutex_unlock(&outbox->mutex);
    return count;
}

void rky_outbox_give_up(struct rky_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->mutex);
    outbox->give_up = true;
    (void)pthread_cond_broadcast(&outbox->confirmed);
    (void)pthread_mutex_unlock(&outbox->mutex);
}
