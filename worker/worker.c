/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the parts together and taking them apart in the right order: first nobody takes jobs,
 * then nobody runs any, then nobody waits for the broker, then memory goes.
 */
#include "config.h"

#include "worker/worker.h"

#include <pthread.h>

#include "common/mem.h"
#include "state/store.h"
#include "worker/dispatcher.h"

/* Open workspaces cost descriptors and some 100 KiB each. */
#define LEDGERS_OPEN 256

struct rky_worker {
    struct rky_worker_options options;
    struct rky_topics topics;
    struct rky_store *store;
    struct rky_workspace_pool *workspaces;
    struct rky_lanes *lanes;
    struct rky_outbox *outbox;
    struct rky_events events;
    struct rky_dispatcher *dispatcher;
    struct rky_executors *executors;
    pthread_t poll_thread;
    int poll_rc;
    struct rky_error poll_error;
};

static void *poll_thread(void *context)
{
    struct rky_worker *worker = context;
    worker->poll_rc = rky_dispatcher_run(worker->dispatcher, &worker->poll_error);
    if (worker->options.ended != NULL)
        worker->options.ended(worker->options.ended_context);
    return NULL;
}

static void worker_free(struct rky_worker *worker)
{
    if (worker == NULL)
        return;
    rky_dispatcher_free(worker->dispatcher);
    rky_outbox_free(worker->outbox);
    rky_lanes_free(worker->lanes);
    rky_workspace_pool_free(worker->workspaces);
    rky_store_free(worker->store);
    rky_topics_done(&worker->topics);
    rky_free(worker);
}

static int make_parts(struct rky_worker *worker, struct rky_error *err)
{
    const struct rky_worker_options *options = &worker->options;
    const struct rky_config *config = options->config;
    const struct rky_store_options store = {.config = &config->state,
                                            .clock = options->clock,
                                            .log = options->log,
                                            .worker_id = config->worker.id};
    int rc = rky_topics_init(&worker->topics, config->queue.topic_prefix, err);
    if (rc == 0)
        rc = rky_store_new(&store, &worker->store, err);
    if (rc == 0)
        rc = rky_workspace_pool_new(config, options->clock, options->log, LEDGERS_OPEN,
                                    &worker->workspaces, err);
    if (rc == 0)
        rc = rky_lanes_new(options->clock, &worker->lanes, err);
    if (rc != 0)
        return rc;
    struct rky_dispatcher_options dispatcher = {.config = config,
                                                .transport = options->transport,
                                                .topics = &worker->topics,
                                                .clock = options->clock,
                                                .log = options->log,
                                                .lanes = worker->lanes,
                                                .limits = options->limits,
                                                .once = options->once,
                                                .tick = rky_executors_check_timeouts};
    rc = rky_dispatcher_new(&dispatcher, &worker->dispatcher, err);
    if (rc == 0)
        rc = rky_outbox_new(options->transport, options->clock, options->log,
                            rky_dispatcher_settled, worker->dispatcher, &worker->outbox, err);
    if (rc != 0)
        return rc;
    worker->events = (struct rky_events){.outbox = worker->outbox,
                                         .topics = &worker->topics,
                                         .clock = options->clock,
                                         .log = options->log,
                                         .worker_id = config->worker.id};
    return 0;
}

static int start_threads(struct rky_worker *worker, struct rky_error *err)
{
    const struct rky_worker_options *options = &worker->options;
    struct rky_executors_options executors = {.config = options->config,
                                              .clock = options->clock,
                                              .log = options->log,
                                              .worker_id = options->config->worker.id,
                                              .topics = &worker->topics,
                                              .lanes = worker->lanes,
                                              .outbox = worker->outbox,
                                              .events = &worker->events,
                                              .dispatcher = worker->dispatcher,
                                              .store = worker->store,
                                              .workspaces = worker->workspaces,
                                              .run =
                                                  options->run != NULL ? options->run : rky_job_run,
                                              .count = (size_t)options->config->worker.concurrency};
    int rc = rky_executors_start(&executors, &worker->executors, err);
    if (rc != 0)
        return rc;
    rky_dispatcher_attach(worker->dispatcher, worker->outbox, &worker->events, worker->executors);
    int error = pthread_create(&worker->poll_thread, NULL, poll_thread, worker);
    if (error != 0) {
        rky_lanes_close(worker->lanes);
        rky_executors_join(worker->executors);
        return rky_fail_errno(err, error, "cannot start the poll thread");
    }
    return 0;
}

int rky_worker_start(const struct rky_worker_options *options, struct rky_worker **ret_worker,
                     struct rky_error *err)
{
    struct rky_worker *worker = rky_calloc(1, sizeof(*worker));
    if (worker == NULL)
        return rky_fail_nomem(err);
    worker->options = *options;
    int rc = make_parts(worker, err);
    if (rc == 0)
        rc = start_threads(worker, err);
    if (rc != 0) {
        worker_free(worker);
        return rc;
    }
    *ret_worker = worker;
    return 0;
}

void rky_worker_stop(struct rky_worker *worker)
{
    /* No job may start between the interrupt and the poll thread's own closing of the lanes. */
    rky_lanes_close(worker->lanes);
    rky_dispatcher_stop(worker->dispatcher);
    rky_executors_interrupt(worker->executors, false);
}

void rky_worker_hurry(struct rky_worker *worker)
{
    rky_worker_stop(worker);
    rky_executors_interrupt(worker->executors, true);
}

void rky_worker_reset_breakers(struct rky_worker *worker)
{
    rky_store_reset_breakers(worker->store);
    rky_lanes_end_hold(worker->lanes);
}

int rky_worker_join(struct rky_worker *worker, struct rky_error *err)
{
    (void)pthread_join(worker->poll_thread, NULL);
    rky_executors_join(worker->executors);
    /* After it no delivery callback can come any more; before it one still may. */
    worker->options.transport->ops->close(worker->options.transport);
    int rc = worker->poll_rc;
    if (rc != 0 && err != NULL)
        *err = worker->poll_error;
    worker_free(worker);
    return rc;
}
