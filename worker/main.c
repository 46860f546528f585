/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky-worker: start-up, signals, drain. The main thread starts everything and then only waits
 * for signals; every other thread has them blocked.
 *
 * However the end comes, it comes: an alarm stands behind the drain and ends the process with 75
 * if some thread does not let go.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/exitcode.h"
#include "common/frame.h"
#include "state/ledger.h"
#include "worker/check.h"
#include "worker/options.h"
#include "worker/worker.h"

/* A worker may come up before its broker does. */
#define BROKER_WAIT_MS 300000
#define BROKER_TRY_MS 5000
#define BROKER_PAUSE_MS 1000
#define CHECK_BROKER_MS 10000
/* For flushing, committing and leaving after the last job has ended. */
#define WATCHDOG_SECONDS 30

/* Sent by the poll thread when it has ended by itself. */
#define SIGNAL_ENDED SIGRTMIN

struct program {
    struct rky_frame frame;
    struct rky_transport *transport;
    sigset_t signals;
    pthread_t main_thread;
};

/* --- signals -------------------------------------------------------------------------------------
 */

static void watchdog(int number)
{
    static const char text[] = "rocky-worker: the drain did not end in time\n";
    (void)number;
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written;
    _exit(RKY_EXIT_WATCHDOG);
}

static void set_signals(struct program *program)
{
    struct sigaction action = {.sa_handler = watchdog};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGALRM, &action, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigemptyset(&program->signals);
    (void)sigaddset(&program->signals, SIGTERM);
    (void)sigaddset(&program->signals, SIGINT);
    (void)sigaddset(&program->signals, SIGHUP);
    (void)sigaddset(&program->signals, SIGNAL_ENDED);
    (void)pthread_sigmask(SIG_BLOCK, &program->signals, NULL);
    program->main_thread = pthread_self();
}

/* @param timeout_ms negative = for ever. @return the signal's number, 0 after the timeout. */
static int wait_signal(const struct program *program, int64_t timeout_ms)
{
    struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
    int number = 0;
    if (timeout_ms < 0)
        return sigwait(&program->signals, &number) == 0 ? number : 0;
    number = sigtimedwait(&program->signals, NULL, &timeout);
    return number > 0 ? number : 0;
}

static void ended(void *context)
{
    const struct program *program = context;
    (void)pthread_kill(program->main_thread, SIGNAL_ENDED);
}

/* --- serving -------------------------------------------------------------------------------------
 */

static bool may_come_up(const struct rky_error *err)
{
    return err->transient || err->code == RKY_ERR_UNAVAILABLE || err->code == RKY_ERR_CONNECTION ||
           err->code == RKY_ERR_TIMEOUT;
}

/* @return 0, 1 when a signal ended the wait, or the failure after five minutes. */
static int wait_for_broker(struct program *program, struct rky_error *err)
{
    struct rky_frame *frame = &program->frame;
    struct rky_deadline deadline = rky_deadline_in(frame->clock, BROKER_WAIT_MS);
    for (;;) {
        rky_error_clear(err);
        int rc = rky_topics_ensure(program->transport, &frame->config->queue, BROKER_TRY_MS, err);
        if (rc == 0 || !may_come_up(err) || rky_deadline_left_ms(&deadline) == 0)
            return rc;
        rky_log_write(frame->log, RKY_LOG_WARN, NULL, "%s; trying for %lld s more", err->message,
                      (long long)(rky_deadline_left_ms(&deadline) / 1000));
        int number = wait_signal(program, BROKER_PAUSE_MS);
        if (number != 0 && number != SIGHUP)
            return 1;
    }
}

static void announce_drain(const struct rky_frame *frame, int number)
{
    rky_log_write(frame->log, RKY_LOG_INFO, NULL,
                  "%s: draining; running tables have %lld s, a second signal interrupts them",
                  number == SIGINT ? "SIGINT" : "SIGTERM",
                  (long long)frame->config->worker.drain_grace_seconds);
}

/* Until the poll thread has ended. */
static void supervise(struct program *program, struct rky_worker *worker)
{
    struct rky_frame *frame = &program->frame;
    int64_t grace_ms = frame->config->worker.drain_grace_seconds * 1000;
    struct rky_deadline grace = rky_deadline_in(frame->clock, -1);
    int asked = 0;
    for (;;) {
        int number = wait_signal(program, asked == 1 ? rky_deadline_left_ms(&grace) : -1);
        if (number == SIGNAL_ENDED)
            break;
        if (number == SIGHUP) {
            rky_log_write(frame->log, RKY_LOG_INFO, NULL, "SIGHUP: circuit breakers are closed");
            rky_worker_reset_breakers(worker);
            continue;
        }
        if (asked == 0) {
            announce_drain(frame, number);
            grace = rky_deadline_in(frame->clock, grace_ms);
            (void)alarm((unsigned)(grace_ms / 1000) + WATCHDOG_SECONDS);
            rky_worker_stop(worker);
        } else if (asked == 1) {
            rky_log_write(frame->log, RKY_LOG_WARN, NULL, "interrupting what still runs");
            (void)alarm(WATCHDOG_SECONDS);
            rky_worker_hurry(worker);
        } else {
            _exit(RKY_EXIT_INTERRUPTED);
        }
        asked++;
    }
    (void)alarm(WATCHDOG_SECONDS);
}

static int serve(struct program *program, struct rky_error *err)
{
    struct rky_frame *frame = &program->frame;
    struct rky_worker *worker = NULL;
    int rc = rky_check_local_dir(frame->config, err);
    if (rc == 0)
        rc = rky_check_adapters(frame->config, err);
    if (rc == 0)
        rc = wait_for_broker(program, err);
    if (rc > 0) {
        rky_error_clear(err);
        return 0;
    }
    const struct rky_worker_options options = {.config = frame->config,
                                               .transport = program->transport,
                                               .clock = frame->clock,
                                               .log = frame->log,
                                               .once = rky_parsed_has(&frame->parsed, "once"),
                                               .ended = ended,
                                               .ended_context = program};
    if (rc == 0)
        rc = rky_worker_start(&options, &worker, err);
    if (rc != 0)
        return rc;
    program->transport = NULL; /* closed by rky_worker_join() */
    rky_log_write(frame->log, RKY_LOG_INFO,
                  json_pack("{s:s, s:s, s:s, s:I}", "worker_id", frame->config->worker.id,
                            "brokers", frame->config->queue.brokers, "group",
                            frame->config->queue.group_id, "concurrency",
                            (json_int_t)frame->config->worker.concurrency),
                  "worker started");
    supervise(program, worker);
    rc = rky_worker_join(worker, err);
    rky_log_write(frame->log, RKY_LOG_INFO, NULL, "worker ended");
    return rc;
}

/* --- checking ------------------------------------------------------------------------------------
 */

struct check_output {
    bool json;
    json_t *checks;
};

static void report_check(void *context, const char *name, const char *message, int64_t duration_ms,
                         const struct rky_error *err)
{
    struct check_output *output = context;
    bool good = err->code == 0;
    if (!output->json) {
        (void)printf("%-8s %-24s %s\n", good ? "ok" : "FAILED", name, message);
        if (!good && err->hint[0] != '\0')
            (void)printf("%-8s %-24s hint: %s\n", "", "", err->hint);
        return;
    }
    json_t *check = json_pack("{s:s, s:s, s:s, s:s?, s:I, s:{}}", "name", name, "status",
                              good ? "healthy" : "critical", "message", message, "hint",
                              err->hint[0] != '\0' ? err->hint : NULL, "duration_ms",
                              (json_int_t)duration_ms, "details");
    (void)json_array_append_new(output->checks, check);
}

static int check(struct program *program)
{
    struct rky_frame *frame = &program->frame;
    struct rky_error err = {0}, print_error = {0};
    struct check_output output = {.json = frame->json, .checks = json_array()};
    const struct rky_check_env env = {.config = frame->config,
                                      .transport = program->transport,
                                      .clock = frame->clock,
                                      .log = frame->log,
                                      .broker_timeout_ms = CHECK_BROKER_MS,
                                      .report = report_check,
                                      .context = &output};
    int rc = rky_worker_check(&env, &err);
    int code = rc == 0 ? RKY_EXIT_OK : (int)rky_exit_of_error(rc);
    if (!frame->json) {
        json_decref(output.checks);
        return code;
    }
    if (rky_frame_print(json_pack("{s:i, s:s, s:s, s:o}", "version", 1, "command", "check",
                                  "overall", rc == 0 ? "healthy" : "critical", "checks",
                                  output.checks),
                        &print_error) != 0)
        return rky_frame_fail(frame, &print_error);
    return code;
}

int main(int argc, char **argv)
{
    struct program program = {0};
    struct rky_frame *frame = &program.frame;
    struct rky_error err = {0};
    int code = rky_frame_begin(frame, &rky_worker_program, argc, argv, RKY_LOG_INFO);
    if (code < 0) {
        rky_ledger_many_threads();
        set_signals(&program);
        int rc = rky_frame_load(frame, &err);
        if (rc == 0)
            rc = rky_kafka_open(&frame->config->queue, frame->config->worker.id, frame->log,
                                &program.transport, &err);
        if (rc == 0 && rky_parsed_has(&frame->parsed, "check"))
            code = check(&program);
        else if (rc == 0)
            rc = serve(&program, &err);
        if (code < 0)
            code = rc == 0 ? RKY_EXIT_OK : rky_frame_fail(frame, &err);
        if (program.transport != NULL)
            program.transport->ops->close(program.transport);
    }
    if (fflush(stdout) != 0 && code == RKY_EXIT_OK)
        code = RKY_EXIT_FAILED;
    rky_frame_done(frame);
    return code;
}
