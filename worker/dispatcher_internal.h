/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the dispatcher share: dispatcher.c (the loop), dispatcher_intake.c (messages
 * in), dispatcher_commit.c (offsets out, rebalance).
 */
#ifndef RKY_WORKER_DISPATCHER_INTERNAL_H
#define RKY_WORKER_DISPATCHER_INTERNAL_H

#include <pthread.h>

#include "worker/dispatcher.h"

/* What does not fit into the dead-letter topic is cut to this; the original stays where it was. */
#define RKY_LETTER_CUT_BYTES (256 * 1024)

struct rky_dispatcher {
    struct rky_dispatcher_options options;
    struct rky_outbox *outbox;
    const struct rky_events *events;
    void *tick_context;

    /* Of the poll thread alone. */
    struct rky_consumer *consumer;
    struct rky_assignment assignment;
    struct rky_task *spare;   /* for the next message, so that taking one needs no memory */
    struct rky_task *held;    /* taken, but memory ran out before it had its place */
    struct rky_task *letters; /* dead letters that wait for another attempt */
    int64_t last_commit_ms, last_review_ms, last_tick_ms, idle_since_ms, last_lag_ms;
    size_t completions; /* since the last commit */
    bool draining, assigned_once;
    struct rky_error fault;

    /* Shared. */
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    struct rky_task *settled_first, *settled_last;
    size_t settled_count;
    bool stop;
    struct rky_consumer *wake; /* the consumer while it may be woken */
};

static inline int64_t rky_dispatcher_now(const struct rky_dispatcher *dispatcher)
{
    return dispatcher->options.clock->mono_ms(dispatcher->options.clock);
}

/* dispatcher_intake.c */
/** @brief Give a task just taken its place. @return false when memory is out: call again. */
bool rky_dispatcher_admit(struct rky_dispatcher *dispatcher, struct rky_task *task);
/** @brief Send the dead letter of a task, now or as soon as it works. @param task taken. */
void rky_dispatcher_send_letter(struct rky_dispatcher *dispatcher, struct rky_task *task);
/** @brief Dead letters whose time has come. */
void rky_dispatcher_retry_letters(struct rky_dispatcher *dispatcher);
/** @brief One could not be delivered. @param task taken. */
void rky_dispatcher_letter_later(struct rky_dispatcher *dispatcher, struct rky_task *task,
                                 const char *message);

/* dispatcher_commit.c */
/** @brief Everything that was settled since the last call. */
void rky_dispatcher_collect(struct rky_dispatcher *dispatcher);
/** @brief Commit what changed. @param wait_ms negative = do not wait for the answer. */
void rky_dispatcher_commit(struct rky_dispatcher *dispatcher, int64_t wait_ms);
/** @brief Pause and resume partitions as memory asks for. */
void rky_dispatcher_review_pauses(struct rky_dispatcher *dispatcher);
void rky_dispatcher_assigned(void *context, const struct rky_position *positions, size_t count);
void rky_dispatcher_revoked(void *context, const struct rky_position *positions, size_t count,
                            bool lost);
void rky_dispatcher_commit_failed(void *context, const char *message);

#endif
