/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker on an in-memory broker with a job function that the test scripts: what is enqueued, what
 * each namespace's jobs do, and what was executed, published and committed.
 *
 * The job function has no context of its own, so there is one kit at a time; every test runs in a
 * process of its own.
 */
#ifndef RKY_TESTS_UNIT_WORKER_KIT_H
#define RKY_TESTS_UNIT_WORKER_KIT_H

#include <check.h>
#include <jansson.h>
#include <stdbool.h>

#include "common/config.h"
#include "transport/transport.h"
#include "worker/worker.h"

#define KIT_WAIT_SECONDS 20
#define KIT_SEEN_MAX 64

/** What a job of a namespace does, by number of its execution; the last row holds for all after. */
enum kit_act {
    KIT_DONE,
    KIT_LOCKED,
    KIT_FENCED,
    KIT_TRANSIENT,
    KIT_DISK_FULL,
    KIT_STATE_FILE,
    KIT_IO,
    KIT_REUSED, /**< dead letter job_id_reused */
};

struct kit_execution {
    char job_id[RKY_UUID_TEXT];
    char namespace_[64];
    char worker[32];
    int64_t order; /**< of the job within its namespace, as kit_enqueue() numbered it */
    bool last_attempt;
};

struct kit_message {
    struct rky_inbound inbound;
    json_t *body; /**< NULL when it is no JSON */
};

/** What the topic held that was looked at last. */
extern struct kit_seen {
    struct kit_message messages[KIT_SEEN_MAX];
    size_t count;
} seen;

void kit_open(int partitions);
void kit_close(void);
/** @brief The broker as the workers see it. */
struct rky_transport *kit_transport(void);

/** @brief Start a worker; 0 limit = default. @param once ends when the queue is drained. */
struct rky_worker *kit_start(const char *id, int executors, bool once, size_t limit_jobs);
/** @brief Wait for the end; asserts that it was a good one. */
void kit_join(struct rky_worker *worker);
/** @brief Start one, drain the queue, end. */
void kit_drain(int executors);

/** @brief Enqueue a job. @param ret_job_id its id, may be NULL. */
void kit_enqueue(const char *namespace_, char ret_job_id[RKY_UUID_TEXT]);
/** @brief A good job message to be spoiled by the test; kit_send() it. */
struct rky_message kit_job_message(const char *namespace_, const char *pipeline);
void kit_send(struct rky_message *message);
/** @brief Replace a header, or remove it (NULL). */
void kit_set_header(struct rky_message *message, const char *name, const char *value);

/** @brief Script: the jobs of this namespace do these, one per execution. @p count up to 8. */
void kit_script(const char *namespace_, const enum kit_act *acts, size_t count);
/** @brief Jobs of this namespace wait until kit_release(). */
void kit_block(const char *namespace_);
void kit_release(const char *namespace_);

/** @brief Wait until so many executions began. */
void kit_await_executions(size_t count);
/** @brief Wait until so many jobs of a namespace ended. */
void kit_await_ended(const char *namespace_, size_t count);
size_t kit_executions(struct kit_execution *ret_executions, size_t limit);
/** @brief The greatest number of jobs of one namespace, and of all, that ran at the same time. */
int kit_most_at_once(bool same_namespace);

/** @brief The next so many publishes to a topic fail, after being accepted. */
void kit_fail_publishes(const char *topic, int count, int code);
/** @brief Publishes to a topic that failed so far. */
int kit_failed_publishes(void);
/** @brief The next so many commits in the background are dropped, as a rebalance would. */
void kit_drop_commits(int count);
/** @brief Wait until so many commits in the background arrived. */
void kit_await_commits(size_t count);
/** @brief The nth allocation after the next message was polled fails. */
void kit_fail_memory_after_poll(uint64_t nth);
/** @brief Messages that consumers were given so far. */
size_t kit_polled(void);
/** @brief What a topic holds. @return how many were written to @p ret_messages. */
size_t kit_read(const char *topic, struct kit_message *ret_messages, size_t limit);
/** @brief Read a topic whole into `seen`. */
void kit_look(const char *topic);
/** @brief Wait until a topic holds @p count messages. */
void kit_await_messages(const char *topic, size_t count);
void kit_messages_done(struct kit_message *messages, size_t count);
/** @brief A header's text, "" when absent. */
const char *kit_header(const struct kit_message *message, const char *name);
/** @brief Messages without committed offset. */
int64_t kit_lag(void);

/** @brief The tests of dispatcher_dead_letters.c. */
void dispatcher_add_dead_letters(TCase *tcase);

#endif
