/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks on sidecar files (declared in fsutil.h).
 *
 * flock() and not fcntl(): the kernel drops it when the holder dies, however it dies, and closing
 * some other descriptor of the same file does not. The pid in the file is for people only, nobody
 * decides by it. A lock belongs to one thread at a time.
 */
#include <config.h>

#include "common/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"

/* One pause while waiting lies between these, so that waiters do not move in step. */
static const double WAIT_PAUSE_MIN_MS = 5.0;
static const double WAIT_PAUSE_MAX_MS = 25.0;
/* Who got the lock writes its pid next, and until then the file has that of an earlier holder, or
 * none. Who has to name the holder looks again for so long. */
static const int64_t HOLDER_WAIT_MS = 200;

int rky_file_lock_open(struct rky_file_lock *lock, const char *path, struct rky_error *err)
{
    *lock = (struct rky_file_lock){.fd = -1};
    char *copy = rky_strdup(path);
    if (copy == NULL)
        return rky_fail_nomem(err);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int rc = rky_fail_errno(err, errno, "cannot open lock file '%s'", path);
        rky_free(copy);
        return rc;
    }
    lock->fd = fd;
    lock->path = copy;
    return 0;
}

/* What the lock protects, as people know it: the path without ".lock". */
static int guarded_length(const struct rky_file_lock *lock)
{
    static const char suffix[] = ".lock";
    size_t length = strlen(lock->path);
    size_t cut = sizeof(suffix) - 1;
    if (length > cut && strcmp(lock->path + length - cut, suffix) == 0)
        length -= cut;
    return (int)length;
}

/* 0 when the file says nothing usable. */
static long read_holder(const struct rky_file_lock *lock)
{
    char text[32] = "";
    ssize_t got = pread(lock->fd, text, sizeof(text) - 1, 0);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 && pid <= INT_MAX ? pid : 0;
}

static void write_holder(const struct rky_file_lock *lock)
{
    char text[32];
    /* Taken and given back once per job: what already says our pid need not be written again. */
    if (read_holder(lock) == (long)getpid())
        return;
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* A full disk must not keep us from the lock we already hold: the pid is only a courtesy. */
    bool written = ftruncate(lock->fd, 0) == 0 && pwrite(lock->fd, text, (size_t)length, 0) > 0;
    (void)written;
}

/* The holder, if it lives: a dead one has no lock. 0 = not known, as with a process that this one
 * cannot see, in another container. */
static long find_holder(const struct rky_file_lock *lock)
{
    long pid = read_holder(lock);
    return pid != 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

static int fail_locked(const struct rky_file_lock *lock, struct rky_error *err)
{
    long pid = find_holder(lock);
    int rc = RKY_ERR_LOCKED;
    if (pid > 0)
        (void)rky_fail(err, RKY_ERR_LOCKED, "'%.*s' is in use by process %ld", guarded_length(lock),
                       lock->path, pid);
    else
        (void)rky_fail(err, RKY_ERR_LOCKED, "'%.*s' is in use by another process",
                       guarded_length(lock), lock->path);
    if (err != NULL)
        err->transient = true;
    rky_error_hint(err, "wait until that process is done, or stop it; the lock goes with the "
                        "process, no file has to be removed");
    return rc;
}

/* 0, RKY_ERR_LOCKED without an error recorded, or another failure. */
static int take_lock(struct rky_file_lock *lock, struct rky_error *err)
{
    if (lock->held)
        return 0;
    while (flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return RKY_ERR_LOCKED;
        if (errno != EINTR)
            return rky_fail_errno(err, errno, "cannot lock '%s'", lock->path);
    }
    lock->held = true;
    write_holder(lock);
    return 0;
}

int rky_file_lock_try(struct rky_file_lock *lock, struct rky_error *err)
{
    return rky_file_lock_wait(lock, 0, err);
}

int rky_file_lock_wait(struct rky_file_lock *lock, int64_t timeout_ms, struct rky_error *err)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), timeout_ms);
    struct rky_deadline naming = deadline;
    if (naming.mono_ms < INT64_MAX - HOLDER_WAIT_MS)
        naming.mono_ms += HOLDER_WAIT_MS;
    for (;;) {
        int rc = take_lock(lock, err);
        if (rc != RKY_ERR_LOCKED)
            return rc;
        int64_t left_ms = rky_deadline_left_ms(&deadline);
        if (left_ms == 0 && find_holder(lock) == 0)
            left_ms = rky_deadline_left_ms(&naming);
        if (left_ms == 0)
            return fail_locked(lock, err);
        double pause_ms =
            WAIT_PAUSE_MIN_MS + (WAIT_PAUSE_MAX_MS - WAIT_PAUSE_MIN_MS) * rky_random_unit();
        if (pause_ms > (double)left_ms)
            pause_ms = (double)left_ms;
        const struct timespec pause = {0, (long)(pause_ms * 1e6)};
        (void)nanosleep(&pause, NULL); /* woken early: one more try does no harm */
    }
}

void rky_file_lock_release(struct rky_file_lock *lock)
{
    if (!lock->held)
        return;
    (void)flock(lock->fd, LOCK_UN); /* cannot fail on a descriptor that holds the lock */
    lock->held = false;
}

void rky_file_lock_close(struct rky_file_lock *lock)
{
    if (lock->path == NULL)
        return;
    rky_file_lock_release(lock);
    (void)close(lock->fd); /* nothing unwritten that matters */
    rky_free(lock->path);
    *lock = (struct rky_file_lock){.fd = -1};
}
