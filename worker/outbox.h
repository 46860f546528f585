/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way to the broker, and what waits for their delivery.
 *
 * A delivery collects the messages of one attempt at a job. When the attempt has handed over its
 * last message it closes the delivery with the task; when the broker has confirmed all of them,
 * or one failed for good, the task is settled: it goes back to the poll thread, which marks its
 * offset or has it tried again. So an executor never waits for the broker, and an offset never
 * passes a result that the broker does not have. Nothing is kept for sending again: a job that is
 * repeated is answered from its ledger with the same bytes.
 *
 * Thread-safe. Settling happens on the driver's thread or on the one that closes; it only appends
 * to a list and wakes the poll thread.
 */
#ifndef RKY_WORKER_OUTBOX_H
#define RKY_WORKER_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "transport/transport.h"
#include "worker/task.h"

struct rky_outbox;
struct rky_delivery;

/** A task whose messages are delivered, or not. @param task taken. @param code 0 = delivered. */
typedef void rky_settled_fn(void *context, struct rky_task *task, int code, const char *message);

RKY_MUST_CHECK int rky_outbox_new(struct rky_transport *transport, struct rky_clock *clock,
                                  struct rky_log *log, rky_settled_fn *settled, void *context,
                                  struct rky_outbox **ret_outbox, struct rky_error *err);
/** @brief After transport->close(), so that no callback is to come. */
void rky_outbox_free(struct rky_outbox *outbox);

/** @return NULL when memory is out. */
struct rky_delivery *rky_delivery_open(struct rky_outbox *outbox);
/**
 * @brief Send one message as part of @p delivery.
 * @param wait while the driver's queue is full; else RKY_ERR_QUOTA at once. Ends with
 *        RKY_ERR_INTERRUPTED after rky_outbox_give_up().
 * @return 0; RKY_ERR_DECODE when it can never be sent; errors of the driver.
 */
RKY_MUST_CHECK int rky_delivery_send(struct rky_delivery *delivery, const char *topic,
                                     const struct rky_message *message, bool wait,
                                     struct rky_error *err);
/** @brief Nothing more will be sent. @param task taken, settled when everything is delivered;
 *         NULL = nobody waits for these messages. @param delivery freed by this in due time. */
void rky_delivery_close(struct rky_delivery *delivery, struct rky_task *task);

/** @brief Messages that the broker has not confirmed yet. */
size_t rky_outbox_unconfirmed(struct rky_outbox *outbox);
/** @brief Shutting down at once: whoever waits in rky_delivery_send() returns. */
void rky_outbox_give_up(struct rky_outbox *outbox);

#endif
