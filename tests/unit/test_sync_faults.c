/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One whole cycle of a job - lock, lease, download, copy, record, upload, publish, version - with
 * its Nth allocation, its Nth operation on any SQLite file, or its Nth call of the remote broken,
 * for N from 1 until the cycle ends before the Nth. After each, the same job comes again without
 * faults, and then: every row once, one chain of generations, one result however often it was told.
 *
 * All in one process that goes on: what a fault leaves behind is what the next cycle starts from.
 */
#include "config.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/kit/fault_vfs.h"
#include "tests/unit/sync_kit.h"
#include "worker/job_run.h"

static const char CONFIG[] = "[adapter.lake]\n"
                             "type = \"sqlite\"\n"
                             "path = \"source\"\n"
                             "[adapter.warehouse]\n"
                             "type = \"sqlite\"\n"
                             "path = \"target\"\n"
                             "[pipeline.bronze]\n"
                             "namespace_from = \"client\"\n"
                             "[pipeline.bronze.source]\n"
                             "adapter = \"lake\"\n"
                             "catalog = \"c\"\n"
                             "[pipeline.bronze.source.schema_pattern]\n"
                             "prefix = \"src__\"\n"
                             "separator = \"__\"\n"
                             "components = [\"client\"]\n"
                             "[pipeline.bronze.target]\n"
                             "adapter = \"warehouse\"\n"
                             "catalog_template = \"{client}\"\n"
                             "schema_template = \"staging\"\n"
                             "[pipeline.bronze.execution]\n"
                             "concurrency = 1\n"
                             "[state]\n"
                             "local_dir = \"state\"\n"
                             "backend = \"s3\"\n"
                             "s3_bucket = \"b\"\n"
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

static sqlite3 *open_database(const char *name)
{
    char path[8500];
    sqlite3 *database = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", world.directory, name);
    ck_assert_int_eq(sqlite3_open(path, &database), SQLITE_OK);
    ck_assert_int_eq(sqlite3_busy_timeout(database, 10000), SQLITE_OK);
    return database;
}

static int64_t number(sqlite3 *database, const char *text)
{
    sqlite3_stmt *statement = NULL;
    ck_assert_msg(sqlite3_prepare_v2(database, text, -1, &statement, NULL) == SQLITE_OK, "%s: %s",
                  text, sqlite3_errmsg(database));
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
    return value;
}

static void new_row(void)
{
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "INSERT INTO orders VALUES (%" PRId64 ", printf('%%012d', %" PRId64 "))",
                   world.rows + 1, world.rows + 1);
    ck_assert_int_eq(sqlite3_exec(world.source, text, NULL, NULL, NULL), SQLITE_OK);
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
    struct rky_job job = {.type = RKY_JOB_RUN,
                          .namespace_ = rky_strdup(KIT_NAMESPACE),
                          .pipeline = rky_strdup("bronze"),
                          .run_timeout_seconds = -1,
                          .attempt = 1};
    rky_uuid_v7(rky_clock_real(), job.job_id);
    rky_sha256_hex(job.job_id, strlen(job.job_id), job.body_sha256);
    free(world.told);
    world.told = NULL;
    world.tellings = 0;
    world.differs = false;
    return job;
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

static void setup(void)
{
    struct rky_error err = {0};
    struct rky_problems problems = {0};
    char path[8500];
    kit_world_open();
    (void)snprintf(world.directory, sizeof(world.directory), "%s", rky_test_directory());
    (void)snprintf(path, sizeof(path), "%s/source/c", world.directory);
    assert_ok(rky_mkdir_p(path, assert_err_));
    int rc = rky_config_parse(CONFIG, strlen(CONFIG), "rocky.toml", world.directory, &world.config,
                              &problems, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_problems_done(&problems);
    world.store = kit_store(&world.config->state, false, true, &world.views);
    world.source = open_database("source/c/src__acme.db");
    ck_assert_int_eq(sqlite3_exec(world.source,
                                  "CREATE TABLE orders (id INTEGER, _fivetran_synced TEXT)", NULL,
                                  NULL, NULL),
                     SQLITE_OK);
    world.rows = 0;
    new_row();
    struct rky_job job = new_job();
    struct rky_job_outcome outcome = run(&job);
    ck_assert_msg(outcome.end == RKY_JOB_DONE, "%s", outcome.error.message);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
    world.target = open_database("target/acme/staging.db");
}

static void teardown(void)
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

struct fault {
    void (*arm)(uint64_t nth);
    bool (*disarm)(void); /* whether it struck */
    const char *what;
    const char *may_fail; /* what a result says that a fault of this kind may end a job with */
};

/* A fault that the job itself met may end it, in words; then nothing of it is lost, either, and the
 * next job does what it left. One that its state met never does. */
static void check_words(const struct fault *fault, uint64_t nth,
                        const struct rky_job_outcome *outcome)
{
    ck_assert_msg(outcome->end == RKY_JOB_DONE && outcome->status != NULL,
                  "%s %" PRIu64 ": the job ends %d: %s", fault->what, nth, (int)outcome->end,
                  outcome->error.message);
    ck_assert_msg(strstr(outcome->result, fault->may_fail) != NULL,
                  "%s %" PRIu64 ": ended by '%s' with %s", fault->what, nth, outcome->error.message,
                  outcome->result);
}

static void check_world(const struct fault *fault, uint64_t nth,
                        const struct rky_job_outcome *whole)
{
    ck_assert_msg(whole->end == RKY_JOB_DONE && whole->status != NULL &&
                      strcmp(whole->status, "success") == 0,
                  "%s %" PRIu64 ": the job ends %d: %s: %s", fault->what, nth, (int)whole->end,
                  whole->error.message, whole->result != NULL ? whole->result : "no result");
    int64_t rows = number(world.target, "SELECT count(*) FROM orders");
    int64_t ids = number(world.target, "SELECT count(DISTINCT id) FROM orders");
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

/* @return whether the fault struck. */
static bool cycle(const struct fault *fault, uint64_t nth)
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
static void cycles(const struct fault *fault, uint64_t from, uint64_t step)
{
    const char *only = getenv("ROCKY_TEST_NTH");
    uint64_t nth = only != NULL ? strtoull(only, NULL, 10) : from;
    while (cycle(fault, nth) && only == NULL)
        nth += step;
    ck_assert_uint_gt(nth, step);
}

/* --- allocations ---------------------------------------------------------------------------------
 */

static void arm_memory(uint64_t nth)
{
    rky_mem_fail_nth(nth);
}

static bool disarm_memory(void)
{
    bool struck = rky_mem_failed();
    rky_mem_fail_nth(0);
    return struck;
}

static const struct fault memory = {arm_memory, disarm_memory, "allocation", "out of memory"};

/* Spread over the tests of a loop, so that each has an even share of a long way. */
enum { MEMORY_STEP = 4 };

START_TEST(test_the_cycle_survives_every_failed_allocation)
{
    cycles(&memory, (uint64_t)_i + 1, MEMORY_STEP);
}
END_TEST

/* --- SQLite --------------------------------------------------------------------------------------
 */

static const struct {
    unsigned ops;
    enum rky_fault_kind kind;
    bool persistent;
    const char *what;
} disks[] = {
    {RKY_FAULT_OPEN, RKY_FAULT_EIO, false, "open"},
    {RKY_FAULT_READ, RKY_FAULT_EIO, false, "read"},
    {RKY_FAULT_CHANGES, RKY_FAULT_EIO, false, "change"},
    {RKY_FAULT_CHANGES, RKY_FAULT_ENOSPC, true, "change of a full disk"},
};
static size_t disk;

static void arm_disk(uint64_t nth)
{
    rky_fault_vfs_arm(disks[disk].ops, nth, disks[disk].kind, disks[disk].persistent);
}

static bool disarm_disk(void)
{
    bool struck = rky_fault_vfs_hit();
    rky_fault_vfs_disarm();
    return struck;
}

START_TEST(test_the_cycle_survives_every_failed_operation_on_a_database)
{
    disk = (size_t)_i;
    const struct fault fault = {arm_disk, disarm_disk, disks[disk].what,
                                "\"table\":\"acme.staging."};
    cycles(&fault, 1, 1);
}
END_TEST

START_TEST(test_a_page_that_cannot_be_read_is_in_no_snapshot)
{
    const char *path = kit_path("pages.db");
    unsigned char *good = NULL, *bytes = NULL;
    size_t good_length = 0, length = 0;
    bool struck = true;
    struct rky_ledger *ledger = kit_open_locked(path);
    assert_ok(rky_ledger_serialize(ledger, &good, &good_length, assert_err_));
    rky_ledger_close(ledger);
    for (uint64_t nth = 1; struck; nth++) {
        struct rky_error err = {0};
        ledger = kit_open_locked(path);
        rky_fault_vfs_arm(RKY_FAULT_READ, nth, RKY_FAULT_EIO, false);
        int rc = rky_ledger_serialize(ledger, &bytes, &length, &err);
        struck = rky_fault_vfs_hit();
        rky_fault_vfs_disarm();
        ck_assert(struck == (rc != 0));
        if (rc == 0) {
            ck_assert_uint_gt(nth, 10);
            ck_assert_uint_eq(length, good_length);
            ck_assert_mem_eq(bytes, good, length);
            rky_free(bytes);
        }
        rky_ledger_close(ledger);
    }
    rky_free(good);
}
END_TEST

/* --- the remote ----------------------------------------------------------------------------------
 */

static const struct {
    int code;
    const char *error_class;
    bool applied;
    int64_t times;
} remotes[] = {
    {RKY_ERR_CONNECTION, "reset", false, 1},  {RKY_ERR_CONNECTION, "reset", true, 1},
    {RKY_ERR_CONNECTION, "reset", false, 2},  {RKY_ERR_CONNECTION, "reset", true, 2},
    {RKY_ERR_CONNECTION, "reset", false, -1}, {RKY_ERR_CONNECTION, "reset", true, -1},
    {RKY_ERR_AUTH, "permission", false, 1},   {RKY_ERR_NOMEM, "nomem", true, 1},
};
static size_t remote;
static int64_t calls_before;
static uint64_t call;

static void arm_remote(uint64_t nth)
{
    call = nth;
    calls_before = rky_remote_memory_calls(world.views.durable, RKY_MEMORY_OPS);
    kit_break(world.views.durable, RKY_MEMORY_OPS, (int64_t)nth, remotes[remote].times,
              remotes[remote].applied, remotes[remote].code, remotes[remote].error_class);
}

static bool disarm_remote(void)
{
    int64_t calls = rky_remote_memory_calls(world.views.durable, RKY_MEMORY_OPS) - calls_before;
    rky_remote_memory_mend(world.views.durable);
    return calls >= (int64_t)call;
}

START_TEST(test_the_cycle_survives_every_failed_call_of_the_remote)
{
    remote = (size_t)_i;
    const struct fault fault = {arm_remote, disarm_remote, remotes[remote].error_class,
                                "permission"};
    cycles(&fault, 1, 1);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test, int loops)
{
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test, 0, loops);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
}

static Suite *suite(void)
{
    Suite *suite = suite_create("sync_faults");
    add(suite, "remote", test_the_cycle_survives_every_failed_call_of_the_remote,
        (int)(sizeof(remotes) / sizeof(remotes[0])));
    add(suite, "disk", test_the_cycle_survives_every_failed_operation_on_a_database,
        (int)(sizeof(disks) / sizeof(disks[0])));
    add(suite, "pages", test_a_page_that_cannot_be_read_is_in_no_snapshot, 1);
    add(suite, "memory", test_the_cycle_survives_every_failed_allocation, MEMORY_STEP);
    return suite;
}

int main(void)
{
    /* Flushes are left out: what a power cut leaves is another test's. */
    rky_fault_vfs_install();
    return rky_check_main(suite());
}
