/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_figures: one measurement of remote state per call, printed as one JSON object.
 *
 * Everything goes through the functions that the programs use, on a configuration file that
 * bench.py has written; what is compared with (a plain PUT, a plain EVALSHA) takes turns with it in
 * the same process. Nothing is judged here.
 */
#include "config.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/breaker.h"
#include "common/mem.h"
#include "state/ledger.h"
#include "tests/bench/state_kit.h"
#include "worker/job_run.h"

static const char help[] =
    "usage: state_figures MODE CONFIG [OPTION]...\n"
    "\n"
    "  upload  --store URL --bytes N --rounds N   a whole upload, and a plain PUT of the same "
    "bytes\n"
    "  jobs    --store URL --bytes N --jobs N --threads N --namespaces N\n"
    "                                             jobs that record a run and commit their state\n"
    "  fill    --bytes N --namespaces N           only bring the states into being\n"
    "  idle    --store URL --bytes N --rounds N   nothing to send, and an open circuit breaker\n"
    "  lease   --rounds N                         take and release, and the same scripts bare\n";

struct options {
    const char *config, *store;
    int64_t bytes, rounds, jobs, threads, namespaces;
};

static void print(json_t *figures)
{
    if (figures == NULL)
        die("figures", "no memory");
    (void)json_dumpf(figures, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(figures);
}

static char *counts_url(const struct options *options)
{
    return rky_asprintf("%s/-/counts", options->store);
}

/* --- upload ------------------------------------------------------------------------------------
 */

static unsigned char *image_of(struct rky_sync *sync, size_t *ret_length)
{
    struct rky_error err = {0};
    unsigned char *raw = NULL;
    must("serialize", rky_ledger_serialize(rky_sync_ledger(sync), &raw, ret_length, &err), &err);
    return raw;
}

static double timed_upload(struct rky_sync *sync)
{
    struct rky_error err = {0};
    double began = now_us();
    int rc = rky_sync_upload(sync, NULL, &err);
    double took = now_us() - began;
    must("upload", rc, &err);
    const struct rky_transfer_report *report = rky_sync_report(sync, RKY_TRANSFER_UPLOAD);
    if (report == NULL || report->outcome != RKY_OUTCOME_OK)
        die("upload", "it did not end ok");
    return took;
}

static void measure_upload(const struct options *options)
{
    struct world world = {0};
    open_world(&world, options->config);
    struct rky_workspace *workspace = open_workspace(&world, "upload");
    struct plain *plain = plain_new();
    char *url = rky_asprintf("%s/bench/plain", options->store);
    size_t rounds = (size_t)options->rounds, length = 0;
    double *ours = calloc(rounds, sizeof(double)), *raw = calloc(rounds, sizeof(double));
    double cpu = 0;
    int64_t sent = 0;
    struct rky_sync *sync = open_sync(&world, workspace);
    if (ours == NULL || raw == NULL || url == NULL)
        die("upload", "no memory");
    grow(rky_sync_ledger(sync), (size_t)options->bytes);
    (void)timed_upload(sync);
    for (size_t i = 0; i < rounds; i++) {
        rky_sync_free(sync);
        sync = open_sync(&world, workspace);
        change(rky_sync_ledger(sync), (int64_t)i);
        unsigned char *image = image_of(sync, &length);
        double began = now_us();
        plain_put(plain, url, image, length);
        raw[i] = now_us() - began;
        rky_free(image);
        double cpu_began = cpu_us();
        ours[i] = timed_upload(sync);
        cpu += cpu_us() - cpu_began;
        sent = rky_sync_report(sync, RKY_TRANSFER_UPLOAD)->bytes;
    }
    print(json_pack("{s:f, s:f, s:f, s:I, s:I}", "upload_us", median(ours, rounds), "plain_us",
                    median(raw, rounds), "cpu_us", cpu / (double)rounds, "raw_bytes",
                    (json_int_t)length, "sent_bytes", (json_int_t)sent));
    rky_sync_free(sync);
    rky_workspace_free(workspace);
    plain_free(plain);
    rky_free(url);
    free(ours);
    free(raw);
    close_world(&world);
}

/* --- jobs --------------------------------------------------------------------------------------
 */

struct name {
    char text[32];
};
static struct name name_of(int64_t number)
{
    struct name name;
    (void)snprintf(name.text, sizeof(name.text), "n%" PRId64, number);
    return name;
}

static void fill(const struct world *world, const struct options *options)
{
    for (int64_t i = 0; i < options->namespaces; i++) {
        struct rky_workspace *workspace = open_workspace(world, name_of(i).text);
        struct rky_sync *sync = open_sync(world, workspace);
        grow(rky_sync_ledger(sync), (size_t)options->bytes);
        (void)timed_upload(sync);
        rky_sync_free(sync);
        rky_workspace_free(workspace);
    }
}

static void measure_fill(const struct options *options)
{
    struct world world = {0};
    open_world(&world, options->config);
    fill(&world, options);
    close_world(&world);
    print(json_object());
}

struct crew {
    const struct options *options;
    struct rky_job_env env;
    int64_t last;
    int64_t index;
    double *latencies;
};

static int swallow(void *context, const struct rky_message *message, struct rky_error *err)
{
    (void)context;
    (void)message;
    (void)err;
    return 0;
}

static double one_job(const struct rky_job_env *env, int64_t namespace_number)
{
    struct name name = name_of(namespace_number);
    struct rky_filter_term term = {.name = (char[]){"client"}, .value = (char[]){"nobody"}};
    struct rky_job job = {.type = RKY_JOB_RUN,
                          .namespace_ = name.text,
                          .pipeline = (char[]){"bronze"},
                          .filter = {.terms = &term, .count = 1},
                          .run_timeout_seconds = -1,
                          .attempt = 1};
    struct rky_job_outcome outcome;
    rky_uuid_v7(rky_clock_real(), job.job_id);
    rky_sha256_hex(job.job_id, strlen(job.job_id), job.body_sha256);
    double began = now_us();
    rky_job_run(env, &job, &outcome);
    double took = now_us() - began;
    if (outcome.end != RKY_JOB_DONE || outcome.exit_code != RKY_EXIT_OK || outcome.answered)
        die("job", outcome.error.message);
    rky_job_outcome_done(&outcome);
    return took;
}

/* Every thread has namespaces of its own, as the lanes of a worker see to it. */
static void *work(void *argument)
{
    struct crew *crew = argument;
    const struct options *options = crew->options;
    for (int64_t i = crew->index; i < crew->last; i += options->threads)
        crew->latencies[i] = one_job(&crew->env, i % options->namespaces);
    return NULL;
}

static void run_jobs(struct rky_job_env *env, const struct options *options, int64_t count,
                     double *latencies)
{
    struct crew *crews = calloc((size_t)options->threads, sizeof(*crews));
    pthread_t *threads = calloc((size_t)options->threads, sizeof(*threads));
    if (crews == NULL || threads == NULL)
        die("jobs", "no memory");
    for (int64_t i = 0; i < options->threads; i++) {
        crews[i] = (struct crew){
            .options = options, .env = *env, .last = count, .index = i, .latencies = latencies};
        if (pthread_create(&threads[i], NULL, work, &crews[i]) != 0)
            die("jobs", "no thread");
    }
    for (int64_t i = 0; i < options->threads; i++)
        (void)pthread_join(threads[i], NULL);
    free(crews);
    free(threads);
}

static void measure_jobs(const struct options *options)
{
    enum { PUTS = 2 };
    static const char *const kinds[] = {"get", "head", [PUTS] = "put", "history", "list"};
    struct rky_error err = {0};
    struct world world = {0};
    struct rky_workspace_pool *pool = NULL;
    size_t count = (size_t)options->jobs;
    double *latencies = calloc(count, sizeof(double));
    char *url = counts_url(options);
    if (latencies == NULL || url == NULL || options->namespaces % options->threads != 0)
        die("jobs", "the threads must share the namespaces evenly");
    open_world(&world, options->config);
    fill(&world, options);
    must("pool",
         rky_workspace_pool_new(world.config, rky_clock_real(), NULL, (size_t)options->namespaces,
                                &pool, &err),
         &err);
    struct rky_job_env env = {.config = world.config,
                              .clock = rky_clock_real(),
                              .worker_id = "bench",
                              .trigger = "kafka",
                              .store = world.store,
                              .workspaces = pool,
                              .publish = swallow};
    run_jobs(&env, options, options->namespaces * 2 < options->jobs ? options->namespaces * 2 : 1,
             latencies);
    struct plain *plain = plain_new();
    int64_t before[5], after[5];
    for (size_t i = 0; i < 5; i++)
        before[i] = plain_count(plain, url, kinds[i]);
    double cpu = cpu_us(), began = now_us();
    run_jobs(&env, options, options->jobs, latencies);
    double took = now_us() - began;
    cpu = cpu_us() - cpu;
    json_t *requests = json_object();
    for (size_t i = 0; i < 5; i++) {
        after[i] = plain_count(plain, url, kinds[i]);
        (void)json_object_set_new(requests, kinds[i],
                                  json_real((double)(after[i] - before[i]) / (double)count));
    }
    if (after[PUTS] - before[PUTS] != options->jobs)
        die("jobs", "not each of them committed its state once");
    struct rky_workspace *workspace = NULL;
    size_t length = 0;
    rky_workspace_pool_free(pool);
    workspace = open_workspace(&world, name_of(0).text);
    struct rky_sync *sync = open_sync(&world, workspace);
    rky_free(image_of(sync, &length));
    double middle = median(latencies, count);
    print(json_pack("{s:f, s:f, s:f, s:f, s:I, s:o}", "jobs_per_second",
                    (double)count / (took / 1e6), "cpu_us_per_job", cpu / (double)count, "p50_us",
                    middle, "p99_us", latencies[count * 99 / 100], "raw_bytes", (json_int_t)length,
                    "requests", requests));
    rky_sync_free(sync);
    rky_workspace_free(workspace);
    plain_free(plain);
    rky_free(url);
    free(latencies);
    close_world(&world);
}

/* --- nothing to send ---------------------------------------------------------------------------
 */

static int64_t all_requests(struct plain *plain, const char *url)
{
    return plain_count(plain, url, "get") + plain_count(plain, url, "head") +
           plain_count(plain, url, "put") + plain_count(plain, url, "history");
}

/* Failures until it opens, as a server that is down would make them. */
static void open_breaker(struct rky_leg *leg)
{
    while (rky_breaker_state(leg->breaker) != RKY_BREAKER_OPEN) {
        rky_breaker_permit permit = rky_breaker_admit(leg->breaker, 1000);
        rky_breaker_report(leg->breaker, permit, RKY_VERDICT_FAILURE);
    }
}

static double refused_us(const struct world *world, const char *namespace_, int64_t rounds)
{
    struct rky_error err = {0};
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = namespace_};
    const struct rky_remote_put put = {.body = "x", .length = 1, .condition = RKY_IF_ABSENT};
    char etag[RKY_ETAG_MAX];
    struct rky_remote *remote = rky_store_remote(world->store);
    open_breaker(rky_store_main_leg(world->store));
    double began = now_us();
    for (int64_t i = 0; i < rounds; i++) {
        struct rky_transfer transfer = {.clock = rky_clock_real(),
                                        .deadline = rky_deadline_in(rky_clock_real(), 1000)};
        rky_error_clear(&err);
        if (remote->ops->put(remote, &name, &put, &transfer, etag, &err) == 0 ||
            transfer.end != RKY_GUARD_OPEN)
            die("open breaker", "the write was let through");
    }
    return (now_us() - began) / (double)rounds;
}

static void measure_idle(const struct options *options)
{
    struct rky_error err = {0};
    struct world world = {0};
    char *url = counts_url(options);
    struct plain *plain = plain_new();
    open_world(&world, options->config);
    struct rky_workspace *workspace = open_workspace(&world, "idle");
    struct rky_sync *sync = open_sync(&world, workspace);
    grow(rky_sync_ledger(sync), (size_t)options->bytes);
    (void)timed_upload(sync);
    rky_sync_free(sync);
    sync = open_sync(&world, workspace);
    int64_t before = all_requests(plain, url);
    double began = now_us();
    for (int64_t i = 0; i < options->rounds; i++)
        must("upload", rky_sync_upload(sync, NULL, &err), &err);
    double unchanged = (now_us() - began) / (double)options->rounds;
    double refused = refused_us(&world, "idle", options->rounds);
    change(rky_sync_ledger(sync), 1);
    began = now_us();
    for (int64_t i = 0; i < options->rounds; i++) {
        if (rky_sync_upload(sync, NULL, &err) == 0)
            die("open breaker", "the upload was let through");
        rky_error_clear(&err);
    }
    double skipped = (now_us() - began) / (double)options->rounds;
    print(json_pack("{s:f, s:f, s:f, s:I}", "unchanged_us", unchanged, "refused_us", refused,
                    "skipped_upload_us", skipped, "requests",
                    (json_int_t)(all_requests(plain, url) - before)));
    rky_sync_free(sync);
    rky_workspace_free(workspace);
    plain_free(plain);
    rky_free(url);
    close_world(&world);
}

/* --- lease -------------------------------------------------------------------------------------
 */

enum { ARGUMENTS_MAX = 16 };
struct command {
    char *arguments[ARGUMENTS_MAX];
    int count;
};

static redisContext *connect_bare(const char *url)
{
    char host[64] = "";
    int port = 0;
    if (sscanf(url, "valkey://%63[^:]:%d", host, &port) != 2)
        die(url, "expected valkey://HOST:PORT");
    redisContext *context = redisConnect(host, port);
    if (context == NULL || context->err != 0)
        die(url, context != NULL ? context->errstr : "no memory");
    return context;
}

/* MONITOR's line: time [db address] "arg" "arg" ... with C escapes; here only \" and \\ occur. */
static struct command parse_monitored(const char *line)
{
    struct command command = {.count = 0};
    const char *at = strchr(line, ']');
    while (at != NULL && (at = strchr(at, '"')) != NULL && command.count < ARGUMENTS_MAX) {
        struct rky_strbuf argument = {0};
        rky_strbuf_add(&argument, "");
        for (at++; *at != '\0' && *at != '"'; at++) {
            at += *at == '\\' && at[1] != '\0';
            rky_strbuf_addc(&argument, *at);
        }
        command.arguments[command.count++] = rky_strbuf_take(&argument);
        at += *at == '"';
    }
    return command;
}

/* What one take and one release really send, as the server saw it. */
static void watch(redisContext *monitor, struct command *commands, size_t wanted)
{
    for (size_t found = 0; found < wanted;) {
        void *reply = NULL;
        if (redisGetReply(monitor, &reply) != REDIS_OK)
            die("MONITOR", monitor->errstr);
        struct command command = parse_monitored(((redisReply *)reply)->str);
        if (command.count > 0 && strcasecmp(command.arguments[0], "EVALSHA") == 0)
            commands[found++] = command;
        else
            for (int i = 0; i < command.count; i++)
                rky_free(command.arguments[i]);
        freeReplyObject(reply);
    }
}

static void send_bare(redisContext *bare, const struct command *command)
{
    const char *arguments[ARGUMENTS_MAX];
    for (int i = 0; i < command->count; i++)
        arguments[i] = command->arguments[i];
    redisReply *reply = redisCommandArgv(bare, command->count, arguments, NULL);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        die("EVALSHA", reply != NULL ? reply->str : bare->errstr);
    freeReplyObject(reply);
}

static void take_and_release(struct rky_leases *leases, const char *run_id)
{
    struct rky_error err = {0};
    struct rky_lease *lease = NULL;
    struct rky_transfer transfer = {.clock = rky_clock_real(),
                                    .deadline = rky_deadline_in(rky_clock_real(), 5000)};
    must("lease", rky_lease_take(leases, "lease", run_id, 0, 0, &transfer, &lease, &err), &err);
    rky_lease_release(lease);
}

static void measure_lease(const struct options *options)
{
    struct world world = {0};
    struct command commands[2];
    char run_id[RKY_UUID_TEXT];
    size_t rounds = (size_t)options->rounds;
    double *ours = calloc(rounds, sizeof(double)), *raw = calloc(rounds, sizeof(double));
    open_world(&world, options->config);
    struct rky_leases *leases = rky_store_leases(world.store);
    redisContext *bare = connect_bare(world.config->state.valkey_url);
    redisContext *monitor = connect_bare(world.config->state.valkey_url);
    if (ours == NULL || raw == NULL || leases == NULL)
        die("lease", "there are no leases");
    rky_uuid_v7(rky_clock_real(), run_id);
    take_and_release(leases, run_id); /* the server learns the scripts */
    freeReplyObject(redisCommand(monitor, "MONITOR"));
    take_and_release(leases, run_id);
    watch(monitor, commands, 2);
    redisFree(monitor);
    for (size_t i = 0; i < rounds; i++) {
        double began = now_us();
        send_bare(bare, &commands[0]);
        send_bare(bare, &commands[1]);
        raw[i] = now_us() - began;
        began = now_us();
        take_and_release(leases, run_id);
        ours[i] = now_us() - began;
    }
    print(
        json_pack("{s:f, s:f}", "lease_us", median(ours, rounds), "bare_us", median(raw, rounds)));
    for (size_t i = 0; i < 2; i++)
        for (int j = 0; j < commands[i].count; j++)
            rky_free(commands[i].arguments[j]);
    redisFree(bare);
    free(ours);
    free(raw);
    close_world(&world);
}

/* --- options -----------------------------------------------------------------------------------
 */

static _Noreturn void refuse(void)
{
    (void)fputs(help, stderr);
    exit(64);
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.config = argv[2],
                              .bytes = 100000,
                              .rounds = 100,
                              .jobs = 1000,
                              .threads = 4,
                              .namespaces = 16};
    const struct {
        const char *name;
        int64_t *value;
    } numbers[] = {{"--bytes", &options.bytes},
                   {"--rounds", &options.rounds},
                   {"--jobs", &options.jobs},
                   {"--threads", &options.threads},
                   {"--namespaces", &options.namespaces}};
    for (int i = 3; i + 1 < argc; i += 2) {
        bool known = strcmp(argv[i], "--store") == 0;
        if (known)
            options.store = argv[i + 1];
        for (size_t j = 0; !known && j < sizeof(numbers) / sizeof(numbers[0]); j++) {
            known = strcmp(argv[i], numbers[j].name) == 0;
            if (known && (*numbers[j].value = strtoll(argv[i + 1], NULL, 10)) < 1)
                refuse();
        }
        if (!known)
            refuse();
    }
    return options;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*measure)(const struct options *options);
        bool needs_store;
    } modes[] = {{"upload", measure_upload, true},
                 {"jobs", measure_jobs, true},
                 {"fill", measure_fill, false},
                 {"idle", measure_idle, true},
                 {"lease", measure_lease, false}};
    if (argc < 3 || argc % 2 == 0)
        refuse();
    const struct options options = parse(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    rky_ledger_many_threads();
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        if (modes[i].needs_store && options.store == NULL)
            refuse();
        modes[i].measure(&options);
        return 0;
    }
    refuse();
}
