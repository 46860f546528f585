/* SPDX-License-Identifier: Apache-2.0 */
/* The world of one job after the other, and what must be true after each. */
#include "config.h"

#include "tests/unit/cycle_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/check_main.h"
#include "tests/unit/job_world.h"
#include "tests/unit/sync_kit.h"
#include "worker/job_run.h"

static const char SETTINGS[] = "[pipeline.bronze.execution]\n"
                               "concurrency = 1\n"
                               "[state.retention]\n"
                               "jobs = 20\n"
                               "history = 20\n"
                               "[state.history]\n"
                               "keep_last = 2\n"
                               "[state.lock]\n"
                               "ttl_seconds = 1\n"
                               "[state.retry]\n"
                               "max_retries = 1\n"
                               "initial_backoff_ms = 0\n"
                               "circuit_breaker_threshold = 0\n";

static struct {
    char directory[4200];
    struct rky_config *config;
    struct rky_store *store;
    struct rky_store_parts views;
    sqlite3 *source, *target;
    int64_t rows;
    char *told; /* the result of this job as it was published first */
    int tellings;
    bool differs;
} world;

static void new_row(void)
{
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "INSERT INTO orders VALUES (%" PRId64 ", printf('%%012d', %" PRId64 "))",
                   world.rows + 1, world.rows + 1);
    kit_job_exec(world.source, text);
    world.rows++;
}

/* --- one job -------------------------------------------------------------------------------------
 */

static int publish(void *context, const struct rky_message *message, struct rky_error *err)
{
    const struct rky_header *type = rky_message_header(message, "ce_type");
    (void)context, (void)err;
    if (type == NULL || strcmp(type->value, "rocky.job.result") != 0)
        return 0;
    world.tellings++;
    if (world.told == NULL)
        world.told = strndup(message->value, message->value_length);
    else
        world.differs = world.differs ||
                        strncmp(world.told, message->value, message->value_length) != 0 ||
                        strlen(world.told) != message->value_length;
    return 0;
}

static struct rky_job new_job(void)
{
    free(world.told);
    world.told = NULL;
    world.tellings = 0;
    world.differs = false;
    return kit_job_new(RKY_JOB_RUN);
}

static struct rky_job_outcome run(const struct rky_job *job)
{
    struct rky_job_outcome outcome;
    const struct rky_job_env env = {.config = world.config,
                                    .clock = rky_clock_real(),
                                    .worker_id = "worker-1",
                                    .trigger = "kafka",
                                    .store = world.store,
                                    .lock_timeout_ms = 10000,
                                    .publish = publish};
    rky_job_run(&env, job, &outcome);
    return outcome;
}

/* The machine is a new one: nothing of the copy is left. */
static void lose_the_copy(void)
{
    char command[8500];
    (void)snprintf(command, sizeof(command), "rm -rf '%s/state'", world.directory);
    ck_assert_int_eq(system(command), 0);
}

void kit_cycles_open(const char *state)
{
    char text[sizeof(SETTINGS) + 1024];
    const bool in_memory = state == NULL;
    kit_world_open();
    (void)snprintf(world.directory, sizeof(world.directory), "%s", rky_test_directory());
    (void)snprintf(text, sizeof(text), "%s[state]\nlocal_dir = \"state\"\n%s", SETTINGS,
                   in_memory ? "backend = \"s3\"\ns3_bucket = \"bucket\"\n" : state);
    world.config = kit_job_config(world.directory, text);
    const struct rky_store_options options = {
        .config = &world.config->state, .clock = rky_clock_real(), .worker_id = "worker-1"};
    if (in_memory)
        world.store = kit_store(&world.config->state, false, true, &world.views);
    else
        assert_ok(rky_store_new(&options, &world.store, assert_err_));
    world.source = kit_job_open(world.directory, KIT_JOB_SOURCE);
    kit_job_exec(world.source, "CREATE TABLE orders (id INTEGER, _fivetran_synced TEXT)");
    world.rows = 0;
    new_row();
    struct rky_job job = new_job();
    struct rky_job_outcome outcome = run(&job);
    ck_assert_msg(outcome.end == RKY_JOB_DONE, "%s", outcome.error.message);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
    world.target = kit_job_open(world.directory, KIT_JOB_TARGET);
}

struct rky_remote *kit_cycles_remote(void)
{
    return world.views.durable;
}

void kit_cycles_close(void)
{
    free(world.told);
    (void)sqlite3_close(world.source);
    (void)sqlite3_close(world.target);
    rky_store_free(world.store);
    rky_config_free(world.config);
    kit_world_close();
}

/* --- cycles --------------------------------------------------------------------------------------
 */

/* A fault that the job itself met may end it, in words; then nothing of it is lost, either, and the
 * next job does what it left. One that its state met never does. */
static void check_words(const struct kit_fault *fault, uint64_t nth,
                        const struct rky_job_outcome *outcome)
{
    ck_assert_msg(outcome->end == RKY_JOB_DONE && outcome->status != NULL,
                  "%s %" PRIu64 ": the job ends %d: %s", fault->what, nth, (int)outcome->end,
                  outcome->error.message);
    ck_assert_msg(strstr(outcome->result, fault->may_fail) != NULL,
                  "%s %" PRIu64 ": ended by '%s' with %s", fault->what, nth, outcome->error.message,
                  outcome->result);
}

static void check_world(const struct kit_fault *fault, uint64_t nth,
                        const struct rky_job_outcome *whole)
{
    ck_assert_msg(whole->end == RKY_JOB_DONE && whole->status != NULL &&
                      strcmp(whole->status, "success") == 0,
                  "%s %" PRIu64 ": the job ends %d: %s: %s", fault->what, nth, (int)whole->end,
                  whole->error.message, whole->result != NULL ? whole->result : "no result");
    int64_t rows = kit_job_number(world.target, "SELECT count(*) FROM orders");
    int64_t ids = kit_job_number(world.target, "SELECT count(DISTINCT id) FROM orders");
    ck_assert_msg(rows == world.rows && ids == world.rows,
                  "%s %" PRIu64 ": %" PRId64 " rows, %" PRId64 " ids, expected %" PRId64,
                  fault->what, nth, rows, ids, world.rows);
    kit_chain_settle();
}

/* The remote holds what this machine reported: another one answers the job from it. */
static void check_elsewhere(const struct rky_job *job)
{
    int tellings = world.tellings;
    lose_the_copy();
    struct rky_job_outcome outcome = run(job);
    ck_assert_int_eq(outcome.end, RKY_JOB_DONE);
    ck_assert(outcome.answered);
    ck_assert_int_eq(world.tellings, tellings + 1);
    ck_assert(!world.differs);
    rky_job_outcome_done(&outcome);
}

bool kit_cycle_once(const struct kit_fault *fault, uint64_t nth)
{
    struct rky_job job = new_job();
    new_row();
    lose_the_copy();
    fault->arm(nth);
    struct rky_job_outcome broken = run(&job);
    bool struck = fault->disarm();
    /* Told and done, with no memory left to hand the words over: then there are none. */
    bool failed =
        broken.end == RKY_JOB_DONE && broken.status != NULL && strcmp(broken.status, "failed") == 0;
    if (failed)
        check_words(fault, nth, &broken);
    /* Whatever was told is told again, to the letter; but a state that could not be read could not
     * record anything. */
    struct rky_job_outcome again = run(&job);
    if (!failed || again.answered)
        ck_assert_msg(!world.differs, "%s %" PRIu64 ": told %s, then %s", fault->what, nth,
                      world.told, again.result);
    ck_assert_int_le(world.tellings, 2);
    if (again.end == RKY_JOB_DONE && again.answered && failed) {
        rky_job_done(&job);
        rky_job_outcome_done(&again);
        job = new_job();
        again = run(&job);
    }
    check_world(fault, nth, &again);
    if (!world.differs && (nth % 16 == 1 || !struck))
        check_elsewhere(&job);
    rky_job_outcome_done(&broken);
    rky_job_outcome_done(&again);
    rky_job_done(&job);
    return struck;
}

/* ROCKY_TEST_NTH=167: only that one, to look at it closely; CK_RUN_CASE chooses the kind. */
void kit_cycles(const struct kit_fault *fault, uint64_t from, uint64_t step)
{
    const char *only = getenv("ROCKY_TEST_NTH");
    uint64_t nth = only != NULL ? strtoull(only, NULL, 10) : from;
    while (kit_cycle_once(fault, nth) && only == NULL)
        nth += step;
    ck_assert_uint_gt(nth, step);
}
