/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky-producer: check the request, make sure the broker is there, send, and with --wait read the
 * results topic until every job has its result.
 *
 * Where to read from is fixed before the first job is sent: whatever a worker publishes about it,
 * however fast, comes behind that point.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/exitcode.h"
#include "common/frame.h"
#include "common/mem.h"
#include "producer/batch.h"
#include "producer/options.h"
#include "producer/outcome.h"
#include "producer/request.h"

/* A broker that does not answer within this is missing. */
#define BROKER_MS 5000
/* For what the broker has been given: its answer takes milliseconds. */
#define DELIVERY_MS 30000
#define WAIT_DEFAULT_SECONDS 600
#define READ_MS 200
#define REPORT_EVERY 256

struct program {
    struct rky_frame frame;
    struct rky_request request;
    struct rky_transport *transport;
    struct rky_topics topics;
    struct rky_batch *batch;
    struct rky_tail *tail; /* with --wait */
    bool wait;
    int64_t timeout_seconds;
    char source[96];
    enum rky_exit code; /* the gravest of all jobs */
};

static int open_queue(struct program *program, struct rky_error *err)
{
    struct rky_config *config = program->frame.config;
    const char *brokers = rky_parsed_value(&program->frame.parsed, "brokers");
    char host[64] = "localhost", client[96];
    if (brokers != NULL) {
        char *copy = rky_strdup(brokers);
        if (copy == NULL)
            return rky_fail_nomem(err);
        rky_free(config->queue.brokers);
        config->queue.brokers = copy;
    }
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(program->source, sizeof(program->source), "/rocky-producer/%s", host);
    (void)snprintf(client, sizeof(client), "rocky-producer-%s-%ld", host, (long)getpid());
    int rc = rky_topics_init(&program->topics, config->queue.topic_prefix, err);
    if (rc == 0)
        rc = rky_kafka_open(&config->queue, client, program->frame.log, &program->transport, err);
    if (rc == 0)
        rc = rky_topics_ensure(program->transport, &config->queue, BROKER_MS, err);
    return rc;
}

static int open_tail(struct program *program, struct rky_error *err)
{
    const struct rky_transport_ops *ops = program->transport->ops;
    const char *key = program->request.job.namespace_;
    int partition = -1, rc = 0;
    if (!program->wait)
        return 0;
    /* A file may hold any namespaces: then all partitions. */
    if (key != NULL)
        rc = ops->partition_of(program->transport, program->topics.results, key, strlen(key),
                               BROKER_MS, &partition, err);
    if (rc == 0)
        rc = ops->tail_open(program->transport, program->topics.results, partition, true, BROKER_MS,
                            &program->tail, err);
    return rc;
}

/* --- sending and reporting
 * ------------------------------------------------------------------------- */

static int report(struct program *program, struct rky_error *err)
{
    const struct rky_sent *sent = NULL;
    while ((sent = rky_batch_next(program->batch)) != NULL) {
        enum rky_exit code = rky_outcome_exit(program->frame.config, sent);
        int rc = rky_outcome_print(&program->frame, program->topics.jobs, program->wait, sent, err);
        if (rc != 0)
            return rc;
        program->code = rky_exit_graver(program->code, code);
        rky_batch_reported(program->batch);
    }
    return 0;
}

static int send_all(struct program *program, struct rky_error *err)
{
    struct rky_clock *clock = program->frame.clock;
    struct rky_deadline deadline = rky_deadline_in(clock, DELIVERY_MS);
    int rc = 0;
    for (size_t sent = 0; rc == 0; sent++) {
        struct rky_job job = {0};
        rc = rky_request_next(&program->request, clock, &job, err);
        if (rc <= 0)
            break;
        rc = rky_batch_send(program->batch, &job, program->source, clock, &deadline, err);
        rky_job_done(&job);
        if (rc == 0 && sent % REPORT_EVERY == REPORT_EVERY - 1) {
            rc = report(program, err);
            deadline = rky_deadline_in(clock, DELIVERY_MS);
        }
    }
    return rc;
}

/* Everything that was sent has the broker's answer, or never will. */
static void flush(struct program *program)
{
    struct rky_error err = {0};
    if (program->transport->ops->flush(program->transport, DELIVERY_MS, &err) == 0)
        return;
    struct rky_error missing = {0};
    (void)rky_fail(&missing, RKY_ERR_UNAVAILABLE, "the broker did not confirm the job: %s",
                   err.message);
    if (!program->wait)
        rky_batch_give_up(program->batch, &missing);
}

static int read_results(struct program *program, struct rky_error *err)
{
    const struct rky_transport_ops *ops = program->transport->ops;
    struct rky_deadline deadline =
        rky_deadline_in(program->frame.clock, program->timeout_seconds * 1000);
    while (rky_batch_waiting(program->batch) > 0) {
        struct rky_inbound inbound = {0};
        int64_t left = rky_deadline_left_ms(&deadline);
        if (left == 0) {
            struct rky_error late = {0};
            (void)rky_fail(&late, RKY_ERR_TIMEOUT, "no result within %lld s",
                           (long long)program->timeout_seconds);
            rky_error_hint(&late, "the job stays in the queue; is a worker running?");
            rky_batch_give_up(program->batch, &late);
            break;
        }
        int rc = ops->tail_read(program->tail, left < READ_MS ? left : READ_MS, &inbound, err);
        if (rc < 0 && err->transient) {
            rky_log_write(program->frame.log, RKY_LOG_WARN, NULL, "%s", err->message);
            rky_error_clear(err);
            rc = 0;
        }
        if (rc > 0)
            rc = rky_batch_result(program->batch, &inbound.message, err);
        rky_inbound_done(&inbound);
        if (rc == 0)
            rc = report(program, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int work(struct program *program, struct rky_error *err)
{
    const struct rky_parsed *parsed = &program->frame.parsed;
    const char *timeout = rky_parsed_value(parsed, "timeout");
    program->wait = rky_parsed_has(parsed, "wait");
    program->timeout_seconds = WAIT_DEFAULT_SECONDS;
    int rc = timeout == NULL ? 0 : rky_duration_parse(timeout, &program->timeout_seconds, err);
    if (rc == 0 && timeout != NULL && !program->wait) {
        rc = rky_fail(err, RKY_ERR_USAGE, "--timeout is of use with --wait only");
        rky_error_hint(err, "--deadline limits when the job may start, --run-timeout how long it "
                            "may run");
    }
    if (rc == 0)
        rc = rky_request_read(&program->frame, &program->request, err);
    if (rc == 0)
        rc = open_queue(program, err);
    if (rc == 0)
        rc = open_tail(program, err);
    if (rc == 0)
        rc = rky_batch_new(program->transport, program->topics.jobs, program->wait, &program->batch,
                           err);
    if (rc != 0)
        return rc;
    rc = send_all(program, err);
    flush(program);
    struct rky_error report_error = {0};
    if (rc == 0 && program->wait)
        rc = read_results(program, err);
    /* Also after a failure: what was sent is sent. */
    int reported = report(program, &report_error);
    if (rc == 0 && reported != 0) {
        *err = report_error;
        rc = reported;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct program program = {0};
    struct rky_frame *frame = &program.frame;
    struct rky_error err = {0};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    /* A reader that goes away is an error of write(), not a death without a word. */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    int code = rky_frame_begin(frame, &rky_producer_program, argc, argv, RKY_LOG_WARN);
    if (code < 0) {
        int rc = rky_frame_load(frame, &err);
        if (rc == 0)
            rc = work(&program, &err);
        code = rc == 0 ? (int)program.code : rky_frame_fail(frame, &err);
    }
    if (program.tail != NULL)
        program.transport->ops->tail_close(program.tail);
    if (program.transport != NULL)
        program.transport->ops->close(program.transport);
    rky_batch_free(program.batch);
    rky_topics_done(&program.topics);
    rky_request_done(&program.request);
    if (fflush(stdout) != 0 && code == RKY_EXIT_OK)
        code = RKY_EXIT_FAILED;
    rky_frame_done(frame);
    return code;
}
