/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT and SIGTERM; see stop.h. */
#include "config.h"

#include "cli/stop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/exitcode.h"
#include "common/mem.h"

struct rky_stop {
    pthread_t thread;
    pthread_mutex_t mutex;
    struct rky_run *run; /**< guarded by mutex */
    bool asked;          /**< guarded by mutex */
    bool ending;         /**< guarded by mutex: rky_stop_end() wakes the thread */
    int fd;
    sigset_t before; /**< the caller's signal mask */
};

static void stop_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGTERM);
}

static void ask(struct rky_stop *stop)
{
    if (stop->asked)
        _exit(RKY_EXIT_INTERRUPTED);
    stop->asked = true;
    if (stop->run != NULL)
        rky_run_interrupt(stop->run, RKY_ERR_INTERRUPTED, true);
    uint64_t one = 1;
    ssize_t written = write(stop->fd, &one, sizeof(one));
    RKY_ASSERT(written == (ssize_t)sizeof(one));
}

static void *take_signals(void *context)
{
    struct rky_stop *stop = context;
    sigset_t set;
    stop_signals(&set);
    for (;;) {
        int number = 0;
        if (sigwait(&set, &number) != 0)
            continue;
        pthread_mutex_lock(&stop->mutex);
        bool ending = stop->ending;
        if (!ending)
            ask(stop);
        pthread_mutex_unlock(&stop->mutex);
        if (ending)
            return NULL;
    }
}

int rky_stop_start(struct rky_stop **ret_stop, struct rky_error *err)
{
    struct rky_stop *stop = rky_calloc(1, sizeof(*stop));
    if (stop == NULL)
        return rky_fail_nomem(err);
    stop->fd = eventfd(0, EFD_CLOEXEC);
    if (stop->fd < 0) {
        int rc = rky_fail_errno(err, errno, "making an event descriptor");
        rky_free(stop);
        return rc;
    }
    pthread_mutex_init(&stop->mutex, NULL);
    sigset_t set;
    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, &stop->before);
    int failed = pthread_create(&stop->thread, NULL, take_signals, stop);
    if (failed != 0) {
        pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
        pthread_mutex_destroy(&stop->mutex);
        close(stop->fd);
        rky_free(stop);
        return rky_fail_errno(err, failed, "starting the signal thread");
    }
    *ret_stop = stop;
    return 0;
}

void rky_stop_end(struct rky_stop *stop)
{
    if (stop == NULL)
        return;
    pthread_mutex_lock(&stop->mutex);
    stop->ending = true;
    pthread_mutex_unlock(&stop->mutex);
    pthread_kill(stop->thread, SIGTERM);
    pthread_join(stop->thread, NULL);
    pthread_mutex_destroy(&stop->mutex);
    close(stop->fd);
    pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
    rky_free(stop);
}

bool rky_stop_asked(struct rky_stop *stop)
{
    pthread_mutex_lock(&stop->mutex);
    bool asked = stop->asked;
    pthread_mutex_unlock(&stop->mutex);
    return asked;
}

int rky_stop_fd(const struct rky_stop *stop)
{
    return stop->fd;
}

bool rky_stop_wait(struct rky_stop *stop, int64_t timeout_ms)
{
    struct pollfd poller = {.fd = stop->fd, .events = POLLIN};
    int timeout = timeout_ms < 0 ? -1 : timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
    while (poll(&poller, 1, timeout) < 0 && errno == EINTR)
        continue;
    return rky_stop_asked(stop);
}

void rky_stop_running(void *context, struct rky_run *run)
{
    struct rky_stop *stop = context;
    pthread_mutex_lock(&stop->mutex);
    stop->run = run;
    if (run != NULL && stop->asked)
        rky_run_interrupt(run, RKY_ERR_INTERRUPTED, true);
    pthread_mutex_unlock(&stop->mutex);
}

void rky_stop_unblock(void)
{
    sigset_t set;
    stop_signals(&set);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}
