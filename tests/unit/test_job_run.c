/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a job against the real engine and ledger: what each way to end means for the job,
 * and that whatever is published comes from the ledger.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "schemas/shape.h"
#include "state/store.h"
#include "tests/kit/check_main.h"
#include "tests/unit/job_world.h"
#include "worker/job_run.h"
#include "worker/workspace_pool.h"

enum { SENT_MAX = 32 };

static struct {
    char *directory;
    struct rky_config *config;
    struct rky_store *store;
    struct rky_workspace_pool *pool;
    struct rky_message sent[SENT_MAX];
    size_t sent_count;
    int fail_publish;
    int interrupt; /* enum rky_err with which the run is interrupted when it exists */
    int running_calls;
} world;

static char *path_of(const char *name)
{
    char *path = rky_path_join(world.directory, name);
    ck_assert_ptr_nonnull(path);
    return path;
}

static void sql(const char *file, const char *text)
{
    sqlite3 *database = kit_job_open(world.directory, file);
    kit_job_exec(database, text);
    (void)sqlite3_close(database);
}

static int64_t number(const char *file, const char *text)
{
    sqlite3 *database = kit_job_open(world.directory, file);
    int64_t value = kit_job_number(database, text);
    (void)sqlite3_close(database);
    return value;
}

static void set_up(void)
{
    struct rky_error err = {0};
    world.directory = rky_strdup(rky_test_directory());
    world.config = kit_job_config(world.directory, "[state]\nlocal_dir = \"state\"\n");
    sql(KIT_JOB_SOURCE, "CREATE TABLE orders (id INTEGER, _fivetran_synced TEXT);"
                        "INSERT INTO orders VALUES (1, '2026-01-01'), (2, '2026-01-02');");
    const struct rky_store_options store = {
        .config = &world.config->state, .clock = rky_clock_real(), .worker_id = "worker-1"};
    ck_assert_int_eq(rky_store_new(&store, &world.store, &err), 0);
    ck_assert_int_eq(
        rky_workspace_pool_new(world.config, rky_clock_real(), NULL, 2, &world.pool, &err), 0);
}

static void forget_sent(void)
{
    for (size_t i = 0; i < world.sent_count; i++)
        rky_message_done(&world.sent[i]);
    world.sent_count = 0;
}

static void tear_down(void)
{
    forget_sent();
    rky_workspace_pool_free(world.pool);
    rky_store_free(world.store);
    rky_config_free(world.config);
    rky_free(world.directory);
}

/* --- one job
 * ------------------------------------------------------------------------------------------ */

static int publish(void *context, const struct rky_message *message, struct rky_error *err)
{
    (void)context;
    if (world.fail_publish > 0) {
        world.fail_publish--;
        return rky_fail(err, RKY_ERR_UNAVAILABLE, "no broker");
    }
    ck_assert_uint_lt(world.sent_count, SENT_MAX);
    return rky_message_copy(message, &world.sent[world.sent_count++], err);
}

static void running(void *context, struct rky_run *run)
{
    (void)context;
    world.running_calls++;
    if (run != NULL && world.interrupt != 0)
        rky_run_interrupt(run, world.interrupt, true);
}

static struct rky_job job_for(enum rky_job_type type)
{
    struct rky_job job = kit_job_new(type);
    job.expires_seconds = 3600;
    return job;
}

static struct rky_job_outcome run_as(const struct rky_job *job, const char *trigger)
{
    struct rky_job_outcome outcome;
    const struct rky_job_env env = {.config = world.config,
                                    .clock = rky_clock_real(),
                                    .worker_id = "w",
                                    .trigger = trigger,
                                    .store = world.store,
                                    .workspaces = world.pool,
                                    .publish = publish,
                                    .running = running};
    rky_job_run(&env, job, &outcome);
    return outcome;
}

static struct rky_job_outcome run(const struct rky_job *job)
{
    return run_as(job, "kafka");
}

static const char *header(const struct rky_message *message, const char *name)
{
    const struct rky_header *found = rky_message_header(message, name);
    return found != NULL ? found->value : "";
}

static const struct rky_message *last_sent(void)
{
    ck_assert_uint_gt(world.sent_count, 0);
    return &world.sent[world.sent_count - 1];
}

static void check_result(const struct rky_job_outcome *outcome, const char *status, int exit_code)
{
    struct rky_error err = {0};
    ck_assert_msg(outcome->end == RKY_JOB_DONE, "end %d: %s", (int)outcome->end,
                  outcome->error.message);
    ck_assert_str_eq(outcome->status, status);
    ck_assert_int_eq((int)outcome->exit_code, exit_code);
    const struct rky_message *message = last_sent();
    ck_assert_str_eq(header(message, "ce_type"), "rocky.job.result");
    ck_assert_str_eq(header(message, "x-outcome"), status);
    ck_assert_uint_eq(message->value_length, strlen(outcome->result));
    ck_assert_int_eq(memcmp(message->value, outcome->result, message->value_length), 0);
    json_t *body = json_loads(outcome->result, 0, NULL);
    ck_assert_msg(rky_shape_check(rky_shape_find("job.result"), body, &err) == 0, "%s",
                  err.message);
    json_decref(body);
}

/* --- done
 * ---------------------------------------------------------------------------------------------- */

START_TEST(test_every_step_has_its_fault_point)
{
    const char *const *names = rky_fault_names();
    if (names[0] == NULL)
        return; /* a build without fault points */
    for (const char *const *step = rky_job_step_names(); *step != NULL; step++) {
        char point[64];
        bool found = false;
        (void)snprintf(point, sizeof(point), "job.%s", *step);
        for (const char *const *name = names; *name != NULL; name++)
            found = found || strcmp(*name, point) == 0;
        ck_assert_msg(found, "'%s' is no fault point", point);
    }
}
END_TEST

START_TEST(test_a_run_copies_and_publishes_its_events_before_its_result)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    struct rky_job_outcome outcome = run(&job);
    check_result(&outcome, "success", RKY_EXIT_OK);
    ck_assert(!outcome.answered);
    ck_assert_int_eq(number(KIT_JOB_TARGET, "SELECT count(*) FROM orders"), 2);
    ck_assert_uint_eq(world.sent_count, 2);
    ck_assert_str_eq(header(&world.sent[0], "ce_type"), "rocky.table.replicated");
    ck_assert_str_eq(header(&world.sent[0], "x-job-id"), job.job_id);
    ck_assert_str_eq(world.sent[0].key, "acme");
    ck_assert_int_eq(world.running_calls, 2);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_the_same_job_again_publishes_the_same_bytes_and_does_nothing)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    struct rky_job_outcome first = run(&job);
    size_t count = world.sent_count;
    sql(KIT_JOB_SOURCE, "INSERT INTO orders VALUES (3, '2026-01-03')");
    struct rky_job_outcome second = run(&job);
    ck_assert(second.answered);
    check_result(&second, "success", RKY_EXIT_OK);
    ck_assert_str_eq(first.result, second.result);
    ck_assert_uint_eq(world.sent_count, 2 * count);
    for (size_t i = 0; i < count; i++) {
        const struct rky_message *one = &world.sent[i], *other = &world.sent[count + i];
        ck_assert_uint_eq(one->value_length, other->value_length);
        ck_assert_int_eq(memcmp(one->value, other->value, one->value_length), 0);
        ck_assert_uint_eq(one->header_count, other->header_count);
        for (size_t h = 0; h < one->header_count; h++)
            ck_assert_str_eq(one->headers[h].value, other->headers[h].value);
    }
    ck_assert_int_eq(number(KIT_JOB_TARGET, "SELECT count(*) FROM orders"), 2);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_the_same_key_under_another_id_is_skipped_with_the_firsts_figures)
{
    struct rky_job one = job_for(RKY_JOB_RUN), other = job_for(RKY_JOB_RUN);
    one.idempotency_key = rky_strdup("daily");
    other.idempotency_key = rky_strdup("daily");
    struct rky_job_outcome first = run(&one), second = run(&other), third = run(&other);
    check_result(&second, "skipped", RKY_EXIT_OK);
    json_t *body = json_loads(second.result, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(body, "duplicate_of")), one.job_id);
    ck_assert_int_eq(json_integer_value(json_object_get(body, "rows_copied")), 2);
    json_decref(body);
    ck_assert_str_eq(second.result, third.result);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_outcome_done(&third);
    rky_job_done(&one);
    rky_job_done(&other);
}
END_TEST

START_TEST(test_a_job_id_with_another_body_is_a_dead_letter)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    struct rky_job_outcome first = run(&job);
    forget_sent();
    rky_sha256_hex("x", 1, job.body_sha256);
    struct rky_job_outcome second = run(&job);
    ck_assert_int_eq(second.end, RKY_JOB_DEAD_LETTER);
    ck_assert_str_eq(second.dead_letter_reason, "job_id_reused");
    ck_assert_uint_eq(world.sent_count, 0);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_a_job_whose_deadline_passed_expires_and_stays_expired)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    job.deadline_us = 1000000;
    struct rky_job_outcome first = run(&job), second = run(&job);
    check_result(&first, "expired", (int)first.exit_code);
    ck_assert_str_eq(first.result, second.result);
    ck_assert(second.answered);
    char *target = path_of(KIT_JOB_TARGET);
    ck_assert(!rky_path_exists(target));
    rky_free(target);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_a_job_that_was_done_in_time_is_answered_after_its_deadline)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    job.deadline_us = rky_clock_real()->wall_us(rky_clock_real()) + 60000000;
    struct rky_job_outcome first = run(&job);
    job.deadline_us = 1000000;
    struct rky_job_outcome second = run(&job);
    check_result(&second, "success", RKY_EXIT_OK);
    ck_assert_str_eq(first.result, second.result);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

/* --- final failures
 * --------------------------------------------------------------------------------------- */

START_TEST(test_an_unknown_plan_is_refused_with_a_result)
{
    struct rky_job job = job_for(RKY_JOB_APPLY);
    memset(job.plan_id, 'a', RKY_SHA256_HEX - 1);
    struct rky_job_outcome outcome = run(&job);
    check_result(&outcome, "failed", RKY_EXIT_REFUSED);
    ck_assert_int_eq(outcome.error.code, RKY_ERR_REFUSED);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_an_unknown_filter_component_fails_with_a_result)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    ck_assert_int_eq(rky_filter_add(&job.filter, "planet=mars", NULL), 0);
    struct rky_job_outcome outcome = run(&job);
    check_result(&outcome, "failed", RKY_EXIT_USAGE);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_a_timeout_is_a_result_that_says_so)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    world.interrupt = RKY_ERR_TIMEOUT;
    struct rky_job_outcome outcome = run(&job);
    ck_assert_int_eq(outcome.end, RKY_JOB_DONE);
    ck_assert_ptr_nonnull(strstr(outcome.result, "\"failure_kind\":\"timeout\""));
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_an_unknown_pipeline_is_a_dead_letter)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    rky_free(job.pipeline);
    job.pipeline = rky_strdup("silver");
    struct rky_job_outcome outcome = run(&job);
    ck_assert_int_eq(outcome.end, RKY_JOB_DEAD_LETTER);
    ck_assert_str_eq(outcome.dead_letter_reason, "unknown_pipeline");
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

/* --- given back
 * ------------------------------------------------------------------------------------------ */

START_TEST(test_an_interrupted_job_is_given_back_and_ends_well_the_next_time)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    world.interrupt = RKY_ERR_INTERRUPTED;
    struct rky_job_outcome first = run(&job);
    ck_assert_int_eq(first.end, RKY_JOB_GIVE_BACK);
    ck_assert_int_eq(first.error.code, RKY_ERR_INTERRUPTED);
    ck_assert_int_eq((int)first.exit_code, RKY_EXIT_INTERRUPTED);
    ck_assert_uint_eq(world.sent_count, 0);
    world.interrupt = 0;
    struct rky_job_outcome second = run(&job);
    check_result(&second, "success", RKY_EXIT_OK);
    ck_assert(!second.answered);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

static struct rky_ledger *rival_ledger(void)
{
    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    char *path = path_of("state/acme.db"), *directory = path_of("state");
    ck_assert_int_eq(rky_mkdir_p(directory, &err), 0);
    const struct rky_ledger_options options = {
        .path = path, .namespace_ = "acme", .mode = RKY_LEDGER_WRITE, .clock = rky_clock_real()};
    ck_assert_int_eq(rky_ledger_open(&options, &ledger, &err), 0);
    ck_assert_int_eq(rky_ledger_lock(ledger, 0, &err), 0);
    rky_free(directory);
    rky_free(path);
    return ledger;
}

START_TEST(test_a_job_waits_while_another_process_works_on_its_state)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    struct rky_ledger *rival = rival_ledger();
    struct rky_job_outcome first = run(&job);
    ck_assert_int_eq(first.end, RKY_JOB_GIVE_BACK);
    ck_assert_int_eq(first.error.code, RKY_ERR_LOCKED);
    /* On the command line it is the person who tries again. */
    struct rky_job_outcome cli = run_as(&job, "cli");
    ck_assert_int_eq(cli.error.code, RKY_ERR_LOCKED);
    ck_assert_int_eq((int)cli.exit_code, RKY_EXIT_REFUSED);
    ck_assert_ptr_null(cli.result);
    rky_ledger_unlock(rival);
    rky_ledger_close(rival);
    struct rky_job_outcome second = run(&job);
    check_result(&second, "success", RKY_EXIT_OK);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&cli);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_a_result_that_could_not_be_handed_over_is_answered_the_next_time)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    world.fail_publish = 1;
    struct rky_job_outcome first = run(&job);
    ck_assert_int_eq(first.end, RKY_JOB_GIVE_BACK);
    ck_assert_uint_eq(world.sent_count, 0);
    struct rky_job_outcome second = run(&job);
    check_result(&second, "success", RKY_EXIT_OK);
    ck_assert(second.answered);
    ck_assert_uint_eq(world.sent_count, 2);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&job);
}
END_TEST

/* --- broken
 * ---------------------------------------------------------------------------------------------- */

START_TEST(test_a_place_for_state_that_is_none_stops_the_worker)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    struct rky_error err = {0};
    char *directory = path_of("state");
    ck_assert_int_eq(rky_write_file_atomic(directory, "x", 1, &err), 0);
    struct rky_job_outcome outcome = run(&job);
    ck_assert_int_eq(outcome.end, RKY_JOB_BROKEN);
    ck_assert_int_eq(outcome.error.code, RKY_ERR_IO);
    ck_assert_uint_eq(world.sent_count, 0);
    ck_assert_int_eq(unlink(directory), 0);
    rky_free(directory);
    rky_job_outcome_done(&outcome);
    outcome = run(&job);
    check_result(&outcome, "success", RKY_EXIT_OK);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

START_TEST(test_a_state_file_that_is_not_ours_is_left_alone)
{
    struct rky_job job = job_for(RKY_JOB_RUN);
    struct rky_error err = {0};
    char *directory = path_of("state"), *path = path_of("state/acme.db"), *text = NULL;
    size_t length = 0;
    ck_assert_int_eq(rky_mkdir_p(directory, &err), 0);
    ck_assert_int_eq(rky_write_file_atomic(path, "my diary", 8, &err), 0);
    struct rky_job_outcome outcome = run(&job);
    ck_assert_int_eq(outcome.end, RKY_JOB_BROKEN);
    ck_assert_int_eq(outcome.error.code, RKY_ERR_STATE_FILE);
    ck_assert_int_eq(rky_read_file(path, 100, &text, &length, &err), 0);
    ck_assert_str_eq(text, "my diary");
    rky_free(text);
    rky_free(path);
    rky_free(directory);
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
}
END_TEST

/* --- the pool
 * ---------------------------------------------------------------------------------------------- */

START_TEST(test_the_pool_lends_a_workspace_once_and_keeps_it)
{
    struct rky_error err = {0};
    struct rky_workspace *first = NULL, *second = NULL;
    ck_assert_int_eq(rky_workspace_pool_take(world.pool, "a", &first, &err), 0);
    ck_assert_int_eq(rky_workspace_pool_take(world.pool, "a", &second, &err), RKY_ERR_LOCKED);
    rky_error_clear(&err);
    rky_workspace_pool_give(world.pool, first, true);
    ck_assert_int_eq(rky_workspace_pool_take(world.pool, "a", &second, &err), 0);
    ck_assert_ptr_eq(second, first);
    rky_workspace_pool_give(world.pool, second, true);
}
END_TEST

/* Files of the state directory that this process has open. */
static int open_ledgers(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[64], target[4096];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof(target) - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        count += strlen(target) > 3 && strcmp(target + strlen(target) - 3, ".db") == 0;
    }
    return count;
}

START_TEST(test_the_pool_closes_what_is_idle_longest)
{
    struct rky_error err = {0};
    struct rky_workspace *workspace = NULL;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(rky_workspace_pool_take(world.pool, names[i], &workspace, &err), 0);
        ck_assert_int_eq(rky_workspace_lock(workspace, 0, &err), 0);
        rky_workspace_unlock(workspace);
        rky_workspace_pool_give(world.pool, workspace, true);
    }
    ck_assert_int_eq(open_ledgers(), 2);
}
END_TEST

START_TEST(test_a_state_file_deleted_underneath_is_made_anew)
{
    struct rky_job one = job_for(RKY_JOB_RUN), other = job_for(RKY_JOB_RUN);
    struct rky_job_outcome first = run(&one);
    static const char *const files[] = {"state/acme.db", "state/acme.db-wal", "state/acme.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        char *path = path_of(files[i]);
        (void)unlink(path);
        rky_free(path);
    }
    struct rky_job_outcome second = run(&other);
    check_result(&second, "success", RKY_EXIT_OK);
    ck_assert_int_eq(number("state/acme.db", "SELECT count(*) FROM watermarks"), 1);
    ck_assert_int_eq(number(KIT_JOB_TARGET, "SELECT count(*) FROM orders"), 2);
    rky_job_outcome_done(&first);
    rky_job_outcome_done(&second);
    rky_job_done(&one);
    rky_job_done(&other);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("job_run");
    TCase *tests = tcase_create("job_run");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_every_step_has_its_fault_point);
    tcase_add_test(tests, test_a_run_copies_and_publishes_its_events_before_its_result);
    tcase_add_test(tests, test_the_same_job_again_publishes_the_same_bytes_and_does_nothing);
    tcase_add_test(tests, test_the_same_key_under_another_id_is_skipped_with_the_firsts_figures);
    tcase_add_test(tests, test_a_job_id_with_another_body_is_a_dead_letter);
    tcase_add_test(tests, test_a_job_whose_deadline_passed_expires_and_stays_expired);
    tcase_add_test(tests, test_a_job_that_was_done_in_time_is_answered_after_its_deadline);
    tcase_add_test(tests, test_an_unknown_plan_is_refused_with_a_result);
    tcase_add_test(tests, test_an_unknown_filter_component_fails_with_a_result);
    tcase_add_test(tests, test_a_timeout_is_a_result_that_says_so);
    tcase_add_test(tests, test_an_unknown_pipeline_is_a_dead_letter);
    tcase_add_test(tests, test_an_interrupted_job_is_given_back_and_ends_well_the_next_time);
    tcase_add_test(tests, test_a_job_waits_while_another_process_works_on_its_state);
    tcase_add_test(tests, test_a_result_that_could_not_be_handed_over_is_answered_the_next_time);
    tcase_add_test(tests, test_a_place_for_state_that_is_none_stops_the_worker);
    tcase_add_test(tests, test_a_state_file_that_is_not_ours_is_left_alone);
    tcase_add_test(tests, test_the_pool_lends_a_workspace_once_and_keeps_it);
    tcase_add_test(tests, test_the_pool_closes_what_is_idle_longest);
    tcase_add_test(tests, test_a_state_file_deleted_underneath_is_made_anew);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
