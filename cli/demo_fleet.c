/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's broker and workers. The broker lives in this process; each worker is a process of its
 * own, started the way a person would start it. The kernel kills the workers when this process
 * dies, so nothing is left behind whatever happens to the demo.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo.h"
#include "common/fsutil.h"

#define STOP_WITHIN_MS 10000
#define LOG_TAIL_BYTES 600
#define LOG_LIMIT (16 * 1024 * 1024)

/* --- configuration ------------------------------------------------------------------------ */

static const char PIPELINE[] =
    "# Made by `rocky demo`.\n"
    "[adapter.lake]\n"
    "type = \"sqlite\"\n"
    "path = \"source\"\n"
    "\n"
    "[adapter.warehouse]\n"
    "type = \"sqlite\"\n"
    "path = \"target\"\n"
    "\n"
    "[pipeline.bronze]\n"
    "strategy = \"incremental\"\n"
    "timestamp_column = \"_fivetran_synced\"\n"
    "namespace_from = \"client\"      # one state, one lock and one order of jobs per client\n"
    "metadata_columns = [ { name = \"_loaded_by\", type = \"TEXT\", value = \"NULL\" } ]\n"
    "\n"
    "[pipeline.bronze.source]\n"
    "adapter = \"lake\"\n"
    "catalog = \"fivetran\"\n"
    "\n"
    "[pipeline.bronze.source.schema_pattern]\n"
    "prefix = \"src__\"\n"
    "separator = \"__\"\n"
    "components = [\"client\", \"regions...\", \"connector\"]\n"
    "\n"
    "[pipeline.bronze.target]\n"
    "adapter = \"warehouse\"\n"
    "catalog_template = \"{client}_warehouse\"\n"
    "schema_template = \"staging__{regions}__{connector}\"\n"
    "\n"
    "[pipeline.bronze.checks]\n"
    "enabled = true\n"
    "row_count = true\n";

/* A session timeout of a laptop: a killed worker's work moves on after three seconds. */
static const char FLEET[] = "\n"
                            "[queue]\n"
                            "brokers = \"%s\"\n"
                            "\n"
                            "[queue.kafka]\n"
                            "\"session.timeout.ms\" = 3000\n"
                            "\"heartbeat.interval.ms\" = 500\n"
                            "\n"
                            "[worker]\n"
                            "http_listen = \"127.0.0.1:0\"\n";

static char *fleet_text(const char *brokers)
{
    struct rky_strbuf text = {0};
    rky_strbuf_add(&text, PIPELINE);
    rky_strbuf_addf(&text, FLEET, brokers);
    char *result = rky_strbuf_take(&text);
    rky_strbuf_done(&text);
    return result;
}

static int write_text(const struct rky_demo *demo, const char *name, const char *text,
                      struct rky_error *err)
{
    char *path = rky_path_join(demo->directory, name);
    int rc = path == NULL || text == NULL ? rky_fail_nomem(err)
                                          : rky_write_file_atomic(path, text, strlen(text), err);
    rky_free(path);
    return rc;
}

/* rocky.toml is for a person without a broker; fleet.toml adds the queue, whose address the
 * environment says because it changes with each broker. */
int rky_demo_write_config(struct rky_demo *demo, struct rky_error *err)
{
    char *fleet = fleet_text("${ROCKY_BROKERS:-127.0.0.1:9092}");
    int rc = write_text(demo, "rocky.toml", PIPELINE, err);
    if (rc == 0)
        rc = write_text(demo, "fleet.toml", fleet, err);
    rky_free(fleet);
    return rc;
}

/* --- broker ------------------------------------------------------------------------------- */

int rky_demo_start_broker(struct rky_demo *demo, struct rky_error *err)
{
    /* The story says what there is to say; a library's remarks are for those who ask. */
    bool curious = rky_parsed_has(demo->cli->parsed, "log-level");
    struct rky_log *log = curious ? demo->cli->log : NULL;
    int rc = rky_broker_start(&demo->broker, err);
    if (rc != 0)
        return rc;
    char *text = fleet_text(rky_broker_bootstrap(demo->broker));
    if (text == NULL)
        return rky_fail_nomem(err);
    rc = rky_config_parse(text, strlen(text), "fleet.toml", demo->directory, &demo->config,
                          &demo->problems, err);
    rky_free(text);
    if (rc == 0)
        rc = rky_topics_init(&demo->topics, demo->config->queue.topic_prefix, err);
    if (rc == 0)
        rc = rky_kafka_open(&demo->config->queue, "rocky-demo", log, &demo->transport, err);
    if (rc == 0)
        rc = rky_topics_ensure(demo->transport, &demo->config->queue, 10000, err);
    if (rc == 0)
        rc = demo->transport->ops->tail_open(demo->transport, demo->topics.results, -1, false,
                                             10000, &demo->results, err);
    return rc;
}

/* --- children ----------------------------------------------------------------------------- */

/* The environment of a child: ours, with the broker's address. Made before the fork, because
 * nothing may be allocated after it. @return owned array of borrowed texts, the last one owned. */
static char **child_environment(const struct rky_demo *demo)
{
    size_t count = 0, out = 0;
    while (environ[count] != NULL)
        count++;
    char **copy = rky_calloc(count + 2, sizeof(copy[0]));
    char *brokers = rky_asprintf("ROCKY_BROKERS=%s", rky_broker_bootstrap(demo->broker));
    if (copy == NULL || brokers == NULL) {
        rky_free(copy);
        rky_free(brokers);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (strncmp(environ[i], "ROCKY_BROKERS=", 14) != 0)
            copy[out++] = environ[i];
    }
    copy[out] = brokers;
    return copy;
}

static void environment_free(char **copy)
{
    size_t last = 0;
    while (copy[last] != NULL)
        last++;
    rky_free(copy[last - 1]);
    rky_free(copy);
}

/* In the child. The kernel ends it with its parent; the second check covers a parent that died
 * before the first line ran. */
static _Noreturn void become(char *const *argv, char *const *environment, int output, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    /* Ctrl-C is for the demo alone, which then ends them. */
    setpgid(0, 0);
    rky_stop_unblock();
    signal(SIGPIPE, SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        _exit(127);
    execvpe(argv[0], argv, environment);
    _exit(127);
}

static int spawn(const struct rky_demo *demo, char *const *argv, const char *log_path,
                 pid_t *ret_pid, struct rky_error *err)
{
    int output = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0)
        return rky_fail_errno(err, errno, "cannot open the log '%s'", log_path);
    char **environment = child_environment(demo);
    if (environment == NULL) {
        close(output);
        return rky_fail_nomem(err);
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(argv, environment, output, parent);
    int saved_errno = errno;
    environment_free(environment);
    close(output);
    if (pid < 0)
        return rky_fail_errno(err, saved_errno, "cannot start '%s'", argv[0]);
    *ret_pid = pid;
    return 0;
}

/* The last lines of a log, on one line. */
static void log_tail(const char *path, char text[LOG_TAIL_BYTES])
{
    char *data = NULL;
    size_t length = 0;
    struct rky_error ignored = {0};
    text[0] = '\0';
    if (rky_read_file(path, LOG_LIMIT, &data, &length, &ignored) != 0)
        return;
    size_t from = length < LOG_TAIL_BYTES ? 0 : length - LOG_TAIL_BYTES + 1;
    memcpy(text, data + from, length - from);
    text[length - from] = '\0';
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\n' ? ' ' : *p;
    rky_free(data);
}

/* Reap a child within a time. @retval false it still runs. */
static bool reap(const struct rky_demo *demo, pid_t pid, int64_t within_ms, int *ret_status)
{
    struct rky_deadline deadline = rky_deadline_in(demo->cli->clock, within_ms);
    for (;;) {
        pid_t got = waitpid(pid, ret_status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            return true;
        if (rky_deadline_left_ms(&deadline) == 0)
            return false;
        (void)poll(NULL, 0, 2);
    }
}

/* --- workers ------------------------------------------------------------------------------ */

int rky_demo_start_worker(struct rky_demo *demo, struct rky_error *err)
{
    if (demo->worker_count == RKY_DEMO_WORKERS_MAX)
        return rky_fail(err, RKY_ERR_BUG, "more than %d workers", RKY_DEMO_WORKERS_MAX);
    struct rky_demo_worker *worker = &demo->workers[demo->worker_count];
    int number = (int)demo->worker_count + 1;
    char *log_path = rky_asprintf("%s/worker-%d.log", demo->directory, number);
    char *config = rky_path_join(demo->directory, "fleet.toml");
    char option[] = "--config";
    char *argv[] = {demo->worker, option, config, NULL};
    pid_t pid = 0;
    int rc = log_path == NULL || config == NULL ? rky_fail_nomem(err)
                                                : spawn(demo, argv, log_path, &pid, err);
    rky_free(config);
    if (rc != 0) {
        rky_free(log_path);
        return rc;
    }
    *worker = (struct rky_demo_worker){.pid = pid, .number = number, .log_path = log_path};
    demo->worker_count++;
    return 0;
}

int rky_demo_check_workers(struct rky_demo *demo, struct rky_error *err)
{
    if (rky_stop_asked(demo->stop))
        return rky_fail(err, RKY_ERR_INTERRUPTED, "interrupted");
    for (size_t i = 0; i < demo->worker_count; i++) {
        struct rky_demo_worker *worker = &demo->workers[i];
        int status = 0;
        if (worker->pid == 0 || !reap(demo, worker->pid, 0, &status))
            continue;
        char tail[LOG_TAIL_BYTES];
        log_tail(worker->log_path, tail);
        worker->pid = 0;
        int rc =
            WIFEXITED(status) && WEXITSTATUS(status) == 127
                ? rky_fail(err, RKY_ERR_NOT_FOUND, "'%s' cannot be started", demo->worker)
                : rky_fail(err, RKY_ERR_UNAVAILABLE, "worker %d ended by itself with status %d: %s",
                           worker->number,
                           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), tail);
        rky_error_hint(err, "its log is '%s'", worker->log_path);
        return rc;
    }
    return 0;
}

struct rky_demo_worker *rky_demo_kill_worker(struct rky_demo *demo, pid_t pid)
{
    for (size_t i = 0; i < demo->worker_count; i++) {
        struct rky_demo_worker *worker = &demo->workers[i];
        if (worker->pid == 0 || worker->pid != pid)
            continue;
        int status = 0;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        worker->pid = 0;
        return worker;
    }
    return NULL;
}

int rky_demo_drain(struct rky_demo *demo, int *ret_count, struct rky_error *err)
{
    int rc = 0;
    *ret_count = 0;
    for (size_t i = 0; i < demo->worker_count; i++) {
        if (demo->workers[i].pid != 0)
            kill(demo->workers[i].pid, SIGTERM);
    }
    for (size_t i = 0; i < demo->worker_count; i++) {
        struct rky_demo_worker *worker = &demo->workers[i];
        int status = 0;
        if (worker->pid == 0)
            continue;
        if (!reap(demo, worker->pid, STOP_WITHIN_MS, &status)) {
            rc = rky_fail(err, RKY_ERR_TIMEOUT, "worker %d did not end within %d s of SIGTERM",
                          worker->number, STOP_WITHIN_MS / 1000);
            continue;
        }
        worker->pid = 0;
        ++*ret_count;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            rc =
                rky_fail(err, RKY_ERR_UNAVAILABLE,
                         "worker %d ended with status %d after SIGTERM, expected 0", worker->number,
                         WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    return rc;
}

void rky_demo_fleet_done(struct rky_demo *demo)
{
    for (size_t i = 0; i < demo->worker_count; i++) {
        struct rky_demo_worker *worker = &demo->workers[i];
        if (worker->pid != 0)
            (void)rky_demo_kill_worker(demo, worker->pid);
        rky_free(worker->log_path);
    }
    demo->worker_count = 0;
    if (demo->results != NULL)
        demo->transport->ops->tail_close(demo->results);
    if (demo->transport != NULL)
        demo->transport->ops->close(demo->transport);
    for (size_t i = 0; i < demo->inbox_count; i++)
        rky_demo_result_done(&demo->inbox[i]);
    rky_free(demo->inbox);
    rky_topics_done(&demo->topics);
    rky_broker_stop(demo->broker);
    rky_problems_done(&demo->problems);
    rky_config_free(demo->config);
}

/* --- rocky itself ------------------------------------------------------------------------- */

int rky_demo_rocky(struct rky_demo *demo, const char *const *arguments, struct rky_error *err)
{
    char *config = rky_path_join(demo->directory, "rocky.toml");
    char *log_path = rky_path_join(demo->directory, "rocky.log");
    char **argv = NULL;
    size_t count = 0;
    int rc = 0, status = 0;
    pid_t pid = 0;
    while (arguments[count] != NULL)
        count++;
    argv = rky_calloc(count + 4, sizeof(argv[0]));
    if (config == NULL || log_path == NULL || argv == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    char option[] = "--config";
    argv[0] = demo->rocky;
    argv[1] = option;
    argv[2] = config;
    /* execve() takes char *const *, but changes nothing. */
    for (size_t i = 0; i < count; i++)
        memcpy(&argv[3 + i], &arguments[i], sizeof(argv[0]));
    rc = spawn(demo, argv, log_path, &pid, err);
    if (rc == 0 && !reap(demo, pid, STOP_WITHIN_MS, &status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        char tail[LOG_TAIL_BYTES];
        log_tail(log_path, tail);
        rc = rky_fail(err, RKY_ERR_UNAVAILABLE, "'rocky %s' did not succeed: %s", arguments[0],
                      tail);
    }

out:
    rky_free(argv);
    rky_free(config);
    rky_free(log_path);
    return rc;
}
