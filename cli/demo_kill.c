/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killing a worker in the middle of a copy, without help from the worker; see demo_kill.h.
 *
 * What gives a copy away from outside: the lock file of the namespace holds the pid of the worker
 * that has the job, and the target database has a rollback journal while a transaction is open in
 * it. A claim opens one too, but only for a moment and without making the file grow. After the kill
 * the journal must still lie there: the transaction was open, and the next one to open the file
 * rolls it back. Should the copy have been over already, everything is done again with more rows.
 */
#include "config.h"

#include "cli/demo_kill.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/text.h"
#include "common/fsutil.h"

#define ATTEMPTS 4
#define SEEN_WITHIN_MS 30000
#define POLL_MS 1
/** Fewer would be copied before anybody could look. */
#define ROWS_MIN 200000
/** The target grew by this much with its transaction still open: rows are being written. */
#define GROWN_BYTES (256 * 1024)

struct watch {
    char *target, *journal, *lock;
    int64_t size_before;
};

static int64_t file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

static int watch_init(const struct rky_demo *demo, const struct rky_demo_table *table,
                      struct watch *watch, struct rky_error *err)
{
    *watch = (struct watch){.target = rky_demo_target_path(demo, table)};
    if (watch->target != NULL)
        watch->journal = rky_asprintf("%s-journal", watch->target);
    watch->lock = rky_asprintf("%s/%s.db.lock", demo->config->state.local_dir, table->client);
    if (watch->target == NULL || watch->journal == NULL || watch->lock == NULL)
        return rky_fail_nomem(err);
    watch->size_before = file_size(watch->target);
    return 0;
}

static void watch_done(struct watch *watch)
{
    rky_free(watch->target);
    rky_free(watch->journal);
    rky_free(watch->lock);
}

/* The process that has the namespace's lock, or had it last. */
static pid_t holder_of(const struct watch *watch)
{
    char *text = NULL;
    size_t length = 0;
    struct rky_error ignored = {0};
    if (rky_read_file(watch->lock, 64, &text, &length, &ignored) != 0)
        return 0;
    long pid = strtol(text, NULL, 10);
    rky_free(text);
    return (pid_t)pid;
}

/* Wait until rows are being written. */
static int await_copy(struct rky_demo *demo, const struct watch *watch, struct rky_error *err)
{
    struct rky_deadline deadline = rky_deadline_in(demo->cli->clock, SEEN_WITHIN_MS);
    int64_t since_ms = rky_demo_now_ms(demo);
    int64_t shown_ms = 0;
    while (file_size(watch->journal) <= 0 ||
           file_size(watch->target) < watch->size_before + GROWN_BYTES) {
        if (rky_stop_wait(demo->stop, POLL_MS))
            return rky_fail(err, RKY_ERR_INTERRUPTED, "interrupted");
        if (rky_deadline_left_ms(&deadline) == 0)
            return rky_fail(err, RKY_ERR_TIMEOUT, "no copy was seen within %d s",
                            SEEN_WITHIN_MS / 1000);
        if (rky_demo_now_ms(demo) - shown_ms > 100) {
            shown_ms = rky_demo_now_ms(demo);
            rky_demo_waiting(demo, "watching for the copy", since_ms);
            int rc = rky_demo_check_workers(demo, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

/* @retval 1 killed in the middle, 0 too late, <0 error. */
static int kill_holder(struct rky_demo *demo, const struct watch *watch, struct rky_error *err)
{
    pid_t pid = holder_of(watch);
    int64_t grown = file_size(watch->target) - watch->size_before;
    char text[RKY_NUMBER_TEXT_MAX];
    const struct rky_demo_worker *victim = rky_demo_kill_worker(demo, pid);
    if (victim == NULL)
        return rky_fail(err, RKY_ERR_CONFLICT, "'%s' names process %ld, which is none of ours",
                        watch->lock, (long)pid);
    if (file_size(watch->journal) <= 0)
        return 0;
    rky_demo_say(demo,
                 "killed worker %d (process %ld) with SIGKILL: %s bytes were written to the "
                 "target and not committed, its rollback journal is still there",
                 victim->number, (long)pid, rky_number_text(grown, text));
    return 1;
}

static int await_survivor(struct rky_demo *demo, const char *job_id, int64_t killed_ms,
                          struct rky_demo_result *ret_result, struct rky_error *err)
{
    char time[RKY_NUMBER_TEXT_MAX];
    int rc = rky_demo_await(demo, job_id, "the other worker has to notice", ret_result, err);
    if (rc == 0)
        rc = rky_demo_expect_success(ret_result, err);
    if (rc == 0)
        rky_demo_say(demo, "%s later the other worker had taken the job over and finished it",
                     rky_duration_text(rky_demo_now_ms(demo) - killed_ms, time));
    return rc;
}

/* The copy was over before the kill: its result is out, and the fleet needs another worker. */
static int try_again(struct rky_demo *demo, const char *job_id, struct rky_error *err)
{
    struct rky_demo_result result = {0};
    int rc = rky_demo_start_worker(demo, err);
    if (rc == 0)
        rc = rky_demo_await(demo, job_id, "that copy was too quick, once more", &result, err);
    if (rc == 0)
        rc = rky_demo_expect_success(&result, err);
    rky_demo_result_done(&result);
    return rc;
}

int rky_demo_kill_in_copy(struct rky_demo *demo, const struct rky_demo_table *table,
                          int64_t *ret_rows, struct rky_demo_result *ret_result,
                          struct rky_error *err)
{
    int64_t rows = demo->rows > ROWS_MIN ? demo->rows : ROWS_MIN;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++, rows *= 2) {
        struct watch watch = {0};
        char job_id[RKY_UUID_TEXT], text[RKY_NUMBER_TEXT_MAX];
        int rc = watch_init(demo, table, &watch, err);
        if (rc == 0)
            rc = rky_demo_add_rows(demo, table, rows, 0, err);
        if (rc == 0)
            rc = rky_demo_enqueue(demo, table->client, 1, job_id, err);
        if (rc == 0)
            rc = await_copy(demo, &watch, err);
        int killed = rc == 0 ? kill_holder(demo, &watch, err) : rc;
        int64_t killed_ms = rky_demo_now_ms(demo);
        watch_done(&watch);
        if (killed < 0)
            return killed;
        if (killed == 1) {
            rky_demo_say(demo, "it was copying %s new rows of %s", rky_number_text(rows, text),
                         table->client);
            *ret_rows = rows;
            return await_survivor(demo, job_id, killed_ms, ret_result, err);
        }
        rc = try_again(demo, job_id, err);
        if (rc != 0)
            return rc;
    }
    return rky_fail(err, RKY_ERR_TIMEOUT, "%d copies were over before they could be killed",
                    ATTEMPTS);
}
