/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted worker, its broker and its job function; see worker_kit.h. */
#include "config.h"

#include "tests/unit/worker_kit.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "schemas/event.h"
#include "tests/kit/check_main.h"

enum { EXECUTIONS_MAX = 4096, SCRIPTS_MAX = 64, WORKERS_MAX = 4 };

struct script {
    char namespace_[64];
    enum kit_act acts[8];
    size_t count, used;
    bool blocked;
    size_t ended;
    int running;
};

static struct {
    struct rky_transport *transport;
    const struct rky_transport_ops *real;
    struct rky_transport_ops ops;
    struct rky_config *configs[WORKERS_MAX];
    size_t config_count;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct kit_execution executions[EXECUTIONS_MAX];
    size_t execution_count;
    struct script scripts[SCRIPTS_MAX];
    size_t script_count;
    int running, most_running, most_same;
    char failing_topic[64];
    int failing_left, failing_code, failed;
    struct rky_consumer_callbacks callbacks; /* of the consumer that was opened last */
    int commits_to_drop, commits_dropped;
    size_t commits;
    size_t polled;
    uint64_t fail_memory_nth;
    int64_t order;
} kit;

/* --- waiting
 * --------------------------------------------------------------------------------------- */

static void lock(void)
{
    (void)pthread_mutex_lock(&kit.mutex);
}

static void unlock(void)
{
    (void)pthread_cond_broadcast(&kit.changed);
    (void)pthread_mutex_unlock(&kit.mutex);
}

/* Under the mutex: wait for any change; fails the test after a while. */
static void wait_change(const struct timespec *until)
{
    ck_assert_msg(pthread_cond_timedwait(&kit.changed, &kit.mutex, until) == 0,
                  "waited in vain: %zu executions", kit.execution_count);
}

static struct timespec wait_limit(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += KIT_WAIT_SECONDS;
    return until;
}

/* --- a transport that can fail
 * ----------------------------------------------------------------------- */

static int publish(struct rky_transport *transport, const char *topic,
                   const struct rky_message *message, rky_delivered_fn *delivered, void *context,
                   struct rky_error *err)
{
    lock();
    bool fail = kit.failing_left > 0 && strcmp(topic, kit.failing_topic) == 0;
    int code = kit.failing_code;
    if (fail) {
        kit.failing_left--;
        kit.failed++;
    }
    unlock();
    if (!fail)
        return kit.real->publish(transport, topic, message, delivered, context, err);
    delivered(context, code, "scripted failure", -1, -1);
    return 0;
}

static int consumer_open(struct rky_transport *transport, const char *const *topics, size_t count,
                         const struct rky_consumer_callbacks *callbacks,
                         struct rky_consumer **ret_consumer, struct rky_error *err)
{
    lock();
    kit.callbacks = *callbacks;
    unlock();
    return kit.real->consumer_open(transport, topics, count, callbacks, ret_consumer, err);
}

/* As with a real broker, that it did not arrive is told by a later poll. */
static int commit(struct rky_consumer *consumer, const struct rky_position *positions, size_t count,
                  struct rky_error *err)
{
    lock();
    bool drop = kit.commits_to_drop > 0;
    if (drop) {
        kit.commits_to_drop--;
        kit.commits_dropped++;
    }
    unlock();
    int rc = drop ? 0 : kit.real->commit(consumer, positions, count, err);
    lock();
    kit.commits += !drop && rc == 0;
    unlock();
    return rc;
}

static int consumer_poll(struct rky_consumer *consumer, int64_t timeout_ms,
                         struct rky_inbound *ret_inbound, struct rky_error *err)
{
    int rc = kit.real->consumer_poll(consumer, timeout_ms, ret_inbound, err);
    lock();
    int dropped = kit.commits_dropped;
    kit.commits_dropped = 0;
    unlock();
    if (dropped > 0)
        kit.callbacks.commit_failed(kit.callbacks.context, NULL);
    lock();
    kit.polled += rc == 1;
    if (rc == 1 && kit.fail_memory_nth != 0) {
        rky_mem_fail_nth(kit.fail_memory_nth);
        kit.fail_memory_nth = 0;
    }
    unlock();
    return rc;
}

/* The broker outlives its workers: only what they sent has to be confirmed. */
static void close_worker(struct rky_transport *transport)
{
    ck_assert_int_eq(kit.real->flush(transport, 5000, NULL), 0);
}

/* --- the job function
 * --------------------------------------------------------------------------------- */

static struct script *script_of(const char *namespace_)
{
    for (size_t i = 0; i < kit.script_count; i++) {
        if (strcmp(kit.scripts[i].namespace_, namespace_) == 0)
            return &kit.scripts[i];
    }
    ck_assert_uint_lt(kit.script_count, SCRIPTS_MAX);
    struct script *script = &kit.scripts[kit.script_count++];
    (void)snprintf(script->namespace_, sizeof(script->namespace_), "%s", namespace_);
    return script;
}

static enum kit_act begin(const struct rky_job_env *env, const struct rky_job *job)
{
    const struct timespec until = wait_limit();
    enum kit_act act = KIT_DONE;
    lock();
    struct script *script = script_of(job->namespace_);
    ck_assert_uint_lt(kit.execution_count, EXECUTIONS_MAX);
    struct kit_execution *execution = &kit.executions[kit.execution_count++];
    (void)snprintf(execution->job_id, sizeof(execution->job_id), "%s", job->job_id);
    (void)snprintf(execution->namespace_, sizeof(execution->namespace_), "%s", job->namespace_);
    (void)snprintf(execution->worker, sizeof(execution->worker), "%s", env->worker_id);
    execution->order = job->requested_by != NULL ? strtoll(job->requested_by, NULL, 10) : 0;
    execution->last_attempt = env->last_attempt;
    if (script->count > 0)
        act = script->acts[script->used < script->count ? script->used++ : script->count - 1];
    script->running++;
    kit.running++;
    if (script->running > kit.most_same)
        kit.most_same = script->running;
    if (kit.running > kit.most_running)
        kit.most_running = kit.running;
    (void)pthread_cond_broadcast(&kit.changed);
    while (script->blocked)
        wait_change(&until);
    unlock();
    return act;
}

static void publish_result(const struct rky_job_env *env, const struct rky_job *job,
                           struct rky_job_outcome *outcome)
{
    struct rky_message message = {0};
    const struct rky_event event = {.type = "job.result",
                                    .id_name = job->job_id,
                                    .namespace_ = job->namespace_,
                                    .worker_id = env->worker_id,
                                    .job_id = job->job_id,
                                    .outcome = "success",
                                    .time_us = 1,
                                    .body = "{}"};
    if (rky_event_encode(&event, &message, &outcome->error) != 0)
        outcome->end = RKY_JOB_BROKEN; /* out of memory, as in life */
    else if (env->publish(env->publish_context, &message, &outcome->error) != 0)
        outcome->end = RKY_JOB_GIVE_BACK;
    rky_message_done(&message);
}

static void scripted_job(const struct rky_job_env *env, const struct rky_job *job,
                         struct rky_job_outcome *ret_outcome)
{
    struct rky_job_outcome outcome = {.end = RKY_JOB_GIVE_BACK, .duration_ms = 1};
    switch (begin(env, job)) {
    case KIT_DONE:
        outcome.end = RKY_JOB_DONE;
        publish_result(env, job, &outcome);
        break;
    case KIT_LOCKED:
        (void)rky_fail(&outcome.error, RKY_ERR_LOCKED, "the ledger is in use by process 42");
        break;
    case KIT_FENCED:
        (void)rky_fail(&outcome.error, RKY_ERR_FENCED, "token 7 is not ours: found 9");
        break;
    case KIT_TRANSIENT:
        (void)rky_fail(&outcome.error, RKY_ERR_UNAVAILABLE, "the target does not answer");
        break;
    case KIT_DISK_FULL:
        outcome.end = RKY_JOB_BROKEN;
        (void)rky_fail(&outcome.error, RKY_ERR_QUOTA, "no space left on device");
        break;
    case KIT_STATE_FILE:
        outcome.end = RKY_JOB_BROKEN;
        (void)rky_fail(&outcome.error, RKY_ERR_STATE_FILE,
                       "the state file is from a newer version");
        break;
    case KIT_IO:
        outcome.end = RKY_JOB_BROKEN;
        (void)rky_fail(&outcome.error, RKY_ERR_IO, "permission denied");
        break;
    case KIT_REUSED:
        outcome.end = RKY_JOB_DEAD_LETTER;
        outcome.dead_letter_reason = "job_id_reused";
        (void)rky_fail(&outcome.error, RKY_ERR_DECODE, "job id was used before with another body");
        break;
    }
    lock();
    struct script *script = script_of(job->namespace_);
    script->running--;
    script->ended += outcome.end == RKY_JOB_DONE;
    kit.running--;
    unlock();
    *ret_outcome = outcome;
}

void kit_script(const char *namespace_, const enum kit_act *acts, size_t count)
{
    lock();
    struct script *script = script_of(namespace_);
    memcpy(script->acts, acts, count * sizeof(acts[0]));
    script->count = count;
    unlock();
}

void kit_block(const char *namespace_)
{
    lock();
    script_of(namespace_)->blocked = true;
    unlock();
}

void kit_release(const char *namespace_)
{
    lock();
    script_of(namespace_)->blocked = false;
    unlock();
}

void kit_await_executions(size_t count)
{
    const struct timespec until = wait_limit();
    lock();
    while (kit.execution_count < count)
        wait_change(&until);
    unlock();
}

void kit_await_ended(const char *namespace_, size_t count)
{
    const struct timespec until = wait_limit();
    lock();
    const struct script *script = script_of(namespace_);
    while (script->ended < count)
        wait_change(&until);
    unlock();
}

size_t kit_executions(struct kit_execution *ret_executions, size_t limit)
{
    lock();
    size_t count = kit.execution_count < limit ? kit.execution_count : limit;
    memcpy(ret_executions, kit.executions, count * sizeof(ret_executions[0]));
    count = kit.execution_count;
    unlock();
    return count;
}

int kit_most_at_once(bool same_namespace)
{
    lock();
    int most = same_namespace ? kit.most_same : kit.most_running;
    unlock();
    return most;
}

/* --- life
 * ---------------------------------------------------------------------------------------------- */

static const char CONFIG[] = "[adapter]\n"
                             "type = \"sqlite\"\n"
                             "path = \"data\"\n"
                             "[pipeline.bronze]\n"
                             "namespace_from = \"client\"\n"
                             "[pipeline.bronze.source]\n"
                             "catalog = \"c\"\n"
                             "[pipeline.bronze.source.schema_pattern]\n"
                             "prefix = \"src__\"\n"
                             "separator = \"__\"\n"
                             "components = [\"client\"]\n"
                             "[pipeline.bronze.target]\n"
                             "catalog_template = \"{client}\"\n"
                             "schema_template = \"staging\"\n"
                             "[pipeline.single]\n"
                             "[pipeline.single.source]\n"
                             "catalog = \"c\"\n"
                             "[pipeline.single.source.schema_pattern]\n"
                             "prefix = \"one__\"\n"
                             "separator = \"__\"\n"
                             "components = [\"client\"]\n"
                             "[pipeline.single.target]\n"
                             "catalog_template = \"{client}\"\n"
                             "schema_template = \"single\"\n"
                             "[queue]\n"
                             "brokers = \"127.0.0.1:1\"\n"
                             "[worker]\n"
                             "id = \"%s\"\n"
                             "concurrency = %d\n";

static const struct rky_config *make_config(const char *id, int executors)
{
    struct rky_error err = {0};
    struct rky_problems problems = {0};
    char *text = rky_asprintf(CONFIG, id, executors);
    ck_assert_uint_lt(kit.config_count, WORKERS_MAX);
    struct rky_config **config = &kit.configs[kit.config_count++];
    int rc = rky_config_parse(text, strlen(text), "rocky.toml", rky_test_directory(), config,
                              &problems, &err);
    rky_problems_print(&problems, stderr);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_problems_done(&problems);
    rky_free(text);
    return *config;
}

void kit_open(int partitions)
{
    struct rky_error err = {0};
    (void)pthread_mutex_init(&kit.mutex, NULL);
    (void)pthread_cond_init(&kit.changed, NULL);
    ck_assert_int_eq(rky_memory_transport_open(partitions, &kit.transport, &err), 0);
    kit.real = kit.transport->ops;
    kit.ops = *kit.real;
    kit.ops.publish = publish;
    kit.ops.consumer_open = consumer_open;
    kit.ops.consumer_poll = consumer_poll;
    kit.ops.commit = commit;
    kit.ops.close = close_worker;
    kit.transport->ops = &kit.ops;
    const struct rky_config *config = make_config("setup", 1);
    ck_assert_int_eq(rky_topics_ensure(kit.transport, &config->queue, 1000, &err), 0);
}

struct rky_transport *kit_transport(void)
{
    return kit.transport;
}

void kit_close(void)
{
    kit.real->close(kit.transport);
    for (size_t i = 0; i < kit.config_count; i++)
        rky_config_free(kit.configs[i]);
}

struct rky_worker *kit_start(const char *id, int executors, bool once, size_t limit_jobs)
{
    struct rky_error err = {0};
    struct rky_worker *worker = NULL;
    const struct rky_worker_options options = {.config = make_config(id, executors),
                                               .transport = kit.transport,
                                               .clock = rky_clock_real(),
                                               .once = once,
                                               .run = scripted_job,
                                               .limits = {.jobs = limit_jobs}};
    int rc = rky_worker_start(&options, &worker, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return worker;
}

void kit_join(struct rky_worker *worker)
{
    struct rky_error err = {0};
    int rc = rky_worker_join(worker, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

void kit_drain(int executors)
{
    kit_join(kit_start("drain", executors, true, 0));
}

/* --- messages
 * ------------------------------------------------------------------------------------------ */

struct rky_message kit_job_message(const char *namespace_, const char *pipeline)
{
    struct rky_error err = {0};
    struct rky_message message = {0};
    char order[24];
    (void)snprintf(order, sizeof(order), "%lld", (long long)++kit.order);
    struct rky_job job = {.type = RKY_JOB_RUN,
                          .namespace_ = rky_strdup(namespace_),
                          .pipeline = rky_strdup(pipeline),
                          .requested_by = rky_strdup(order),
                          .run_timeout_seconds = -1,
                          .attempt = 1};
    rky_uuid_v7(rky_clock_real(), job.job_id);
    int rc = rky_job_encode(&job, "/test", rky_clock_real(), &message, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_job_done(&job);
    return message;
}

static void sent(void *context, int code, const char *message, int partition, int64_t offset)
{
    (void)context;
    (void)message;
    (void)partition;
    (void)offset;
    ck_assert_int_eq(code, 0);
}

void kit_send(struct rky_message *message)
{
    struct rky_error err = {0};
    /* Waits for the place, so that what is sent later comes later. */
    int rc = kit.real->publish(kit.transport, "rocky.jobs", message, sent, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(kit.real->flush(kit.transport, 5000, &err), 0);
    rky_message_done(message);
}

void kit_enqueue(const char *namespace_, char ret_job_id[RKY_UUID_TEXT])
{
    struct rky_message message = kit_job_message(namespace_, "bronze");
    if (ret_job_id != NULL)
        memcpy(ret_job_id, rky_message_header(&message, "x-job-id")->value, RKY_UUID_TEXT);
    kit_send(&message);
}

void kit_fail_publishes(const char *topic, int count, int code)
{
    lock();
    (void)snprintf(kit.failing_topic, sizeof(kit.failing_topic), "%s", topic);
    kit.failing_left = count;
    kit.failing_code = code;
    unlock();
}

int kit_failed_publishes(void)
{
    lock();
    int count = kit.failed;
    unlock();
    return count;
}

void kit_drop_commits(int count)
{
    lock();
    kit.commits_to_drop = count;
    unlock();
}

void kit_await_commits(size_t count)
{
    const struct timespec until = wait_limit();
    lock();
    while (kit.commits < count)
        wait_change(&until);
    unlock();
}

void kit_fail_memory_after_poll(uint64_t nth)
{
    lock();
    kit.fail_memory_nth = nth;
    unlock();
}

size_t kit_polled(void)
{
    lock();
    size_t count = kit.polled;
    unlock();
    return count;
}

/* --- what is committed
 * ----------------------------------------------------------------------------------- */

static void no_assigned(void *context, const struct rky_position *positions, size_t count)
{
    (void)context;
    (void)positions;
    (void)count;
}

static void no_revoked(void *context, const struct rky_position *positions, size_t count, bool lost)
{
    (void)lost;
    no_assigned(context, positions, count);
}

static void no_commit_failed(void *context, const char *message)
{
    (void)context;
    (void)message;
}

int64_t kit_lag(void)
{
    static const char *const topics[] = {"rocky.jobs"};
    const struct rky_consumer_callbacks callbacks = {
        .assigned = no_assigned, .revoked = no_revoked, .commit_failed = no_commit_failed};
    struct rky_error err = {0};
    struct rky_consumer *consumer = NULL;
    struct rky_inbound inbound = {0};
    ck_assert_int_eq(kit.real->consumer_open(kit.transport, topics, 1, &callbacks, &consumer, &err),
                     0);
    (void)kit.real->consumer_poll(consumer, 0, &inbound, &err);
    rky_inbound_done(&inbound);
    int64_t lag = kit.real->lag(consumer);
    kit.real->consumer_close(consumer, 1000);
    return lag;
}
