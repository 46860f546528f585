/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver when things go wrong: locks, live writers, interrupts, crashes at each fault
 * point, failing memory and failing disks. Whatever happens, after one good run each row is there
 * once.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/conformance/adapter_sqlite_fixture.h"
#include "tests/conformance/sqlite_faulty_vfs.h"
#include "tests/kit/check_main.h"

static const struct adapter_wish at = {.cursor = "at"};

static const char create_sql[] =
    "CREATE TABLE t(id INTEGER, at INTEGER, note TEXT);"
    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
    " SELECT i, i / 10, 'note ' || i FROM n";
/* New rows, and some that tie with the watermark, one of them a duplicate. */
static const char more_sql[] = "INSERT INTO t SELECT id + 1000, at + 60, note FROM t;"
                               "INSERT INTO t VALUES(2000, 50, 'late'), (500, 50, 'note 500')";

static void source(const char *sql)
{
    sqlite_fixture.exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, sql);
}

static void open_world(struct adapter_world *world, const char *sql, int64_t lock_timeout_ms)
{
    source(sql);
    adapter_world_open(world, &sqlite_fixture, lock_timeout_ms);
}

static void expect_same(struct adapter_world *world)
{
    adapter_expect_same(world, "t", "id, at, note");
}

static void expect_fault(const struct rky_error *err, const char *part)
{
    ck_assert_msg(strstr(err->message, part) != NULL, "'%s' lacks '%s'", err->message, part);
}

static void copy_done(struct adapter_world *world, const struct adapter_wish *wish)
{
    struct rky_copy_outcome outcome = adapter_copy_ok(world, "t", wish);
    rky_copy_outcome_done(&outcome);
}

/* --- locks ------------------------------------------------------------------------------------ */

START_TEST(a_locked_target_is_reported_after_the_timeout)
{
    struct adapter_world world;
    open_world(&world, create_sql, 60);
    sqlite3 *holder = sqlite_fixture_open(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA);
    sqlite_fixture_run(holder, "BEGIN IMMEDIATE");
    int64_t began_ms = rky_clock_real()->mono_ms(rky_clock_real());

    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_LOCKED);

    ck_assert_int_ge(rky_clock_real()->mono_ms(rky_clock_real()) - began_ms, 60);
    ck_assert(err.transient);
    expect_fault(&err, "target/lake/staging__shopify.db' is locked");
    rky_error_clear(&err);
    ck_assert_int_eq(world.ops->claim(world.session, &world.claim, &err), RKY_ERR_LOCKED);
    sqlite_fixture_run(holder, "ROLLBACK");
    (void)sqlite3_close(holder);
    copy_done(&world, &at);
    expect_same(&world);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_reader_that_stops_the_commit_leaves_nothing_behind)
{
    struct adapter_world world;
    open_world(&world, create_sql, 60);
    sqlite3 *reader = sqlite_fixture_open(ADAPTER_TARGET, ADAPTER_TARGET_SCHEMA);
    sqlite_fixture_run(reader, "BEGIN; SELECT count(*) FROM _rocky_fence");
    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_LOCKED);
    expect_fault(&err, "cannot commit");
    sqlite_fixture_run(reader, "COMMIT");
    (void)sqlite3_close(reader);
    copy_done(&world, &at);
    expect_same(&world);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_locked_source_is_named)
{
    struct adapter_world world;
    struct rky_copy_outcome outcome;
    struct rky_error err = {0};
    struct rky_schema_info info = {0};
    open_world(&world, create_sql, 60);
    adapter_ok(world.ops->describe(world.source, ADAPTER_CATALOG, ADAPTER_SCHEMA, &info, &err),
               err);
    const struct rky_copy_spec spec = {.source = {ADAPTER_CATALOG, ADAPTER_SCHEMA, "t"},
                                       .target = {ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, "t"},
                                       .table_name = "t",
                                       .source_table = rky_schema_table(&info, "t"),
                                       .cursor_column = "at",
                                       .action = RKY_ACTION_FULL_REFRESH};
    const struct rky_copy_ids ids = {.namespace_ = "n", .run_id = "r", .commit_id = "c"};
    sqlite3 *holder = sqlite_fixture_open(ADAPTER_SOURCE, ADAPTER_SCHEMA);
    sqlite_fixture_run(holder, "BEGIN EXCLUSIVE");
    ck_assert_int_eq(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err),
                     RKY_ERR_LOCKED);
    expect_fault(&err, "source/lake/src__acme__shopify.db' is locked");
    sqlite_fixture_run(holder, "ROLLBACK");
    rky_error_clear(&err);
    adapter_ok(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err), err);
    rky_copy_outcome_done(&outcome);
    /* Attached by now, so the wait is that of the transaction's begin. */
    sqlite_fixture_run(holder, "BEGIN EXCLUSIVE");
    struct rky_mark mark = {.table_name = NULL};
    struct rky_mark *marks = NULL;
    size_t count = 0;
    adapter_ok(world.ops->read_marks(world.session, &marks, &count, &err), err);
    ck_assert_uint_eq(count, 1);
    mark = marks[0];
    struct rky_copy_spec again = spec;
    struct rky_schema_info target = {0};
    adapter_ok(world.ops->session_describe(world.session, &target, &err), err);
    again.mark = &mark;
    again.target_table = rky_schema_table(&target, "t");
    again.action = RKY_ACTION_INCREMENTAL;
    ck_assert_int_eq(world.ops->copy(world.session, &world.claim, &again, &ids, &outcome, &err),
                     RKY_ERR_LOCKED);
    expect_fault(&err, "source/lake/src__acme__shopify.db' is locked");
    /* A claim and a look at the target need no source. */
    rky_error_clear(&err);
    adapter_ok(world.ops->claim(world.session, &world.claim, &err), err);
    sqlite_fixture_run(holder, "ROLLBACK");
    (void)sqlite3_close(holder);
    rky_schema_info_done(&target);
    rky_schema_info_done(&info);
    rky_marks_free(marks, count);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_source_that_disappears_is_missing)
{
    struct adapter_world world;
    struct rky_copy_outcome outcome;
    struct rky_error err = {0};
    open_world(&world, create_sql, 60);
    copy_done(&world, &at);
    source("DROP TABLE t; CREATE TABLE other(a)");
    struct rky_schema_info info = {0};
    char id[] = "id", type[] = "INTEGER", binary[] = "BINARY", name[] = "t";
    struct rky_column column = {.name = id, .type = type, .collation = binary};
    const struct rky_table_info table = {.name = name, .columns = &column, .column_count = 1};
    struct rky_copy_spec spec = {.source = {ADAPTER_CATALOG, ADAPTER_SCHEMA, "t"},
                                 .target = {ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, "u"},
                                 .table_name = "u",
                                 .source_table = &table,
                                 .action = RKY_ACTION_FULL_REFRESH};
    const struct rky_copy_ids ids = {.namespace_ = "n", .run_id = "r", .commit_id = "c"};
    ck_assert_int_eq(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err),
                     RKY_ERR_SOURCE_MISSING);
    char *file = sqlite_fixture_file(ADAPTER_SOURCE, ADAPTER_SCHEMA);
    ck_assert_int_eq(unlink(file), 0);
    rky_error_clear(&err);
    ck_assert_int_eq(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err),
                     RKY_ERR_SOURCE_MISSING);
    expect_fault(&err, "there is no database");
    /* Another file in its place is seen, not the one that is still attached. */
    source("CREATE TABLE t(id INTEGER); INSERT INTO t VALUES(7)");
    rky_error_clear(&err);
    adapter_ok(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err), err);
    adapter_expect(&world, "SELECT id FROM u", "7\n");
    rky_copy_outcome_done(&outcome);
    rky_schema_info_done(&info);
    free(file);
    adapter_world_close(&world);
}
END_TEST

START_TEST(columns_that_change_after_they_were_read_stop_the_copy)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_copy_outcome outcome;
    struct rky_schema_info info = {0};
    open_world(&world, create_sql, 60);
    adapter_ok(world.ops->describe(world.source, ADAPTER_CATALOG, ADAPTER_SCHEMA, &info, &err),
               err);
    if (_i == 1) /* the source is attached by now, its schema cached */
        copy_done(&world, &at);
    source("ALTER TABLE t DROP COLUMN note; ALTER TABLE t ADD COLUMN other TEXT");
    const struct rky_copy_spec spec = {.source = {ADAPTER_CATALOG, ADAPTER_SCHEMA, "t"},
                                       .target = {ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, "u"},
                                       .table_name = "u",
                                       .source_table = rky_schema_table(&info, "t"),
                                       .cursor_column = "at",
                                       .action = RKY_ACTION_FULL_REFRESH};
    const struct rky_copy_ids ids = {.namespace_ = "n", .run_id = "r", .commit_id = "c"};
    ck_assert_int_eq(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err),
                     RKY_ERR_SCHEMA_DRIFT);
    expect_fault(&err, "columns of source table 't' changed");
    rky_schema_info_done(&info);
    adapter_world_close(&world);
}
END_TEST

/* --- interrupt -------------------------------------------------------------------------------- */

static void *interrupt_at_work(void *context)
{
    struct adapter_world *world = context;
    while (world->ops->session_progress(world->session) < 1000)
        continue;
    world->ops->session_interrupt(world->session);
    return NULL;
}

START_TEST(an_interrupt_stops_a_copy_and_leaves_the_target_as_it_was)
{
    struct adapter_world world;
    pthread_t thread;
    open_world(
        &world,
        "CREATE TABLE t(id INTEGER, at INTEGER, note TEXT);"
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i"
        " < 400000) SELECT i, i, 'a note that takes some room ' || i FROM n",
        60);
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_at_work, &world), 0);
    struct rky_error err = adapter_copy_fails(&world, "t", &at, RKY_ERR_INTERRUPTED);
    expect_fault(&err, "interrupted");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)adapter_copy_fails(&world, "t", &at, RKY_ERR_INTERRUPTED);
    world.ops->session_close(world.session);
    world.session = adapter_session(&world, 60);
    adapter_expect(&world, "SELECT count(*) FROM sqlite_schema WHERE name = 't'", "0\n");
    adapter_world_close(&world);
}
END_TEST

/* --- crashes ---------------------------------------------------------------------------------- */

#ifdef RKY_FAULT_INJECTION

/* The child's half: this program started anew, since the fault points read their rules once. */
START_TEST(copy_in_child)
{
    struct adapter_world world;
    const struct adapter_wish wish = {.cursor = "at", .refresh = getenv("TEST_REFRESH") != NULL};
    adapter_world_open(&world, &sqlite_fixture, 5000);
    world.commits = 1000;
    copy_done(&world, &wish);
    adapter_world_close(&world);
}
END_TEST

static int run_child(void)
{
    Suite *suite = suite_create("child");
    TCase *tcase = tcase_create("child");
    tcase_add_test(tcase, copy_in_child);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}

static pid_t child_copy(const char *fault, bool refresh)
{
    /* Asked before the fork: a child's own directory would be another one. */
    const char *directory = rky_test_directory();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0)
        return child;
    (void)setenv("RKY_TEST_WAREHOUSES", directory, 1);
    (void)setenv("RKY_FAULT", fault, 1);
    (void)unsetenv("CK_TAP_LOG_FILE_NAME");
    (void)unsetenv("CK_RUN_CASE");
    (void)unsetenv("CK_RUN_SUITE");
    if (refresh)
        (void)setenv("TEST_REFRESH", "1", 1);
    (void)execl("/proc/self/exe", "child", "copy", (char *)NULL);
    _exit(127);
}

static void crash_and_resume(const char *fault, bool refresh, bool first)
{
    struct adapter_world world;
    int status = 0;
    source("DROP TABLE IF EXISTS t");
    source(create_sql);
    adapter_world_open(&world, &sqlite_fixture, 5000);
    adapter_target(&world, "DROP TABLE IF EXISTS t; DELETE FROM _rocky_watermarks");
    if (!first) {
        copy_done(&world, &at);
        source(more_sql);
    }
    world.ops->session_close(world.session);
    pid_t child = child_copy(fault, refresh);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: not reached", fault);

    world.session = adapter_session(&world, 5000);
    struct rky_error err = {0};
    adapter_ok(world.ops->claim(world.session, &world.claim, &err), err);
    copy_done(&world, &at);
    expect_same(&world);
    struct rky_copy_outcome outcome = adapter_copy_ok(&world, "t", &at);
    ck_assert(!outcome.wrote);
    rky_copy_outcome_done(&outcome);
    adapter_world_close(&world);
}

START_TEST(a_kill_at_any_point_of_a_copy_loses_and_repeats_nothing)
{
    char rule[100];
    int tried = 0;
    for (const char *const *name = rky_fault_names(); *name != NULL; name++) {
        if (strncmp(*name, "copy.", 5) != 0 && strncmp(*name, "claim.", 6) != 0)
            continue;
        (void)snprintf(rule, sizeof(rule), "%s=kill", *name);
        crash_and_resume(rule, false, true);
        crash_and_resume(rule, false, false);
        crash_and_resume(rule, true, false);
        tried++;
    }
    ck_assert_int_eq(tried, 8);
}
END_TEST

static void wait_for(const char *file)
{
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), 20000);
    while (!rky_path_exists(file))
        ck_assert_msg(rky_deadline_left_ms(&deadline) > 0, "no '%s'", file);
}

/* The source changes while a copy holds its snapshot. */
static void change_under_a_copy(const char *journal_mode, bool may_write)
{
    struct adapter_world world;
    char rule[500], reached[500], sql[100];
    char *gate = NULL;
    int status = 0;
    struct rky_error err = {0};
    (void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode = %s", journal_mode);
    source(sql);
    open_world(&world, create_sql, 5000);
    ck_assert_int_ge(asprintf(&gate, "%s/gate", rky_test_directory()), 0);
    (void)snprintf(rule, sizeof(rule), "copy.claimed=wait:%s", gate);
    (void)snprintf(reached, sizeof(reached), "%s.reached", gate);
    world.ops->session_close(world.session);
    pid_t child = child_copy(rule, false);
    wait_for(reached);

    sqlite3 *writer = sqlite_fixture_open(ADAPTER_SOURCE, ADAPTER_SCHEMA);
    (void)sqlite3_busy_timeout(writer, 0);
    int code = sqlite3_exec(writer, more_sql, NULL, NULL, NULL);
    ck_assert_int_eq(code, may_write ? SQLITE_OK : SQLITE_BUSY);
    if (!may_write && sqlite3_get_autocommit(writer) == 0)
        sqlite_fixture_run(writer, "ROLLBACK");
    adapter_ok(rky_write_file_atomic(gate, "", 0, &err), err);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);

    adapter_expect(&world, "SELECT count(*), max(at) FROM t", "500|50\n");
    if (!may_write)
        sqlite_fixture_run(writer, more_sql);
    (void)sqlite3_close(writer);
    world.session = adapter_session(&world, 5000);
    adapter_ok(world.ops->claim(world.session, &world.claim, &err), err);
    copy_done(&world, &at);
    expect_same(&world);
    free(gate);
    adapter_world_close(&world);
}

START_TEST(a_copy_sees_one_snapshot_of_a_source_in_wal_mode)
{
    change_under_a_copy("WAL", true);
}
END_TEST

START_TEST(a_copy_holds_up_the_writer_of_a_source_in_delete_mode)
{
    change_under_a_copy("DELETE", false);
}
END_TEST

#endif

/* A writer that dies inside a change leaves a journal that only a writer may play back. */
START_TEST(a_source_with_a_hot_journal_needs_its_writer)
{
    struct adapter_world world;
    int status = 0;
    open_world(&world, create_sql, 60);
    char *file = sqlite_fixture_file(ADAPTER_SOURCE, ADAPTER_SCHEMA);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        sqlite3 *db = NULL;
        (void)sqlite3_open(file, &db);
        (void)sqlite3_exec(db,
                           "PRAGMA synchronous = FULL; PRAGMA cache_size = 2; BEGIN IMMEDIATE;"
                           " UPDATE t SET note = note || hex(randomblob(2000))",
                           NULL, NULL, NULL);
        (void)kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    struct rky_error err = {0};
    char id[] = "id", type[] = "INTEGER", binary[] = "BINARY", name[] = "t";
    struct rky_column column = {.name = id, .type = type, .collation = binary};
    const struct rky_table_info table = {.name = name, .columns = &column, .column_count = 1};
    struct rky_copy_spec spec = {.source = {ADAPTER_CATALOG, ADAPTER_SCHEMA, "t"},
                                 .target = {ADAPTER_CATALOG, ADAPTER_TARGET_SCHEMA, "t"},
                                 .table_name = "t",
                                 .source_table = &table,
                                 .action = RKY_ACTION_FULL_REFRESH};
    const struct rky_copy_ids ids = {.namespace_ = "n", .run_id = "r", .commit_id = "c"};
    struct rky_copy_outcome outcome;
    ck_assert_int_eq(world.ops->copy(world.session, &world.claim, &spec, &ids, &outcome, &err),
                     RKY_ERR_QUERY);
    expect_fault(&err, "needs recovery by its writer");
    expect_fault(&err, file);
    source("SELECT count(*) FROM t");
    copy_done(&world, &at);
    expect_same(&world);
    free(file);
    adapter_world_close(&world);
}
END_TEST

/* --- memory and disk -------------------------------------------------------------------------- */

START_TEST(out_of_memory_anywhere_in_a_copy_changes_nothing)
{
    struct adapter_world world;
    struct rky_error err = {0};
    struct rky_copy_outcome outcome;
    uint64_t nth = 0;
    const struct adapter_wish wish = {.cursor = "at", .null_cursor = RKY_NULL_CURSOR_INCLUDE};
    open_world(&world, create_sql, 60);
    copy_done(&world, &wish);
    source(more_sql);
    source("INSERT INTO t VALUES(3000, NULL, 'no cursor')");
    for (nth = 1;; nth++) {
        err = (struct rky_error){0};
        rky_mem_fail_nth(nth);
        int rc = adapter_copy(&world, "t", &wish, &outcome, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        if (!failed) {
            adapter_ok(rc, err);
            break;
        }
        ck_assert_msg(rc == RKY_ERR_NOMEM, "allocation %d: %s", (int)nth, err.message);
        ck_assert_int_eq(err.code, RKY_ERR_NOMEM);
    }
    ck_assert_int_gt((int)nth, 50);
    rky_copy_outcome_done(&outcome);
    expect_same(&world);
    adapter_world_close(&world);
}
END_TEST

START_TEST(a_disk_that_fails_anywhere_in_a_copy_loses_and_repeats_nothing)
{
    struct adapter_world world;
    int failures = 0;
    sqlite_faulty_install();
    for (int nth = 1;; nth++) {
        struct rky_error err = {0};
        struct rky_copy_outcome outcome;
        source("DROP TABLE IF EXISTS t");
        source(create_sql);
        adapter_world_open(&world, &sqlite_fixture, 60);
        adapter_target(&world, "DROP TABLE IF EXISTS t; DELETE FROM _rocky_watermarks");
        copy_done(&world, &at);
        source(more_sql);
        sqlite_faulty_fail_nth(nth);
        int rc = adapter_copy(&world, "t", &at, &outcome, &err);
        bool failed = sqlite_faulty_failed();
        sqlite_faulty_fail_nth(0);
        if (rc == RKY_OK) {
            ck_assert_int_eq(outcome.rows_copied, 502);
            rky_copy_outcome_done(&outcome);
            expect_same(&world);
        } else {
            ck_assert_msg(rc == RKY_ERR_IO, "change %d: %s: %s", nth, rky_err_name(rc),
                          err.message);
            failures++;
            /* A copy that failed has not happened, not even when the disk failed behind its end. */
            adapter_expect(&world,
                           "SELECT commit_id, (SELECT count(*) FROM t) FROM"
                           " _rocky_watermarks",
                           "'commit-1'|500\n");
        }
        /* The same session goes on. */
        copy_done(&world, &at);
        expect_same(&world);
        adapter_world_close(&world);
        if (!failed)
            break;
    }
    ck_assert_int_gt(failures, 10);
}
END_TEST

START_TEST(a_disk_that_fails_anywhere_in_a_claim_leaves_one_owner)
{
    struct adapter_world world;
    sqlite_faulty_install();
    open_world(&world, create_sql, 60);
    for (int nth = 1;; nth++) {
        struct rky_error err = {0};
        struct rky_claim claim = {.namespace_ = "bronze", .token = 1};
        rky_uuid_v4(claim.claim_id);
        sqlite_faulty_fail_nth(nth);
        int rc = world.ops->claim(world.session, &claim, &err);
        bool failed = sqlite_faulty_failed();
        sqlite_faulty_fail_nth(0);
        rky_error_clear(&err);
        int ours = world.ops->claim_check(world.session, &claim, &err);
        rky_error_clear(&err);
        int before = world.ops->claim_check(world.session, &world.claim, &err);
        ck_assert_int_eq(ours, rc == RKY_OK ? RKY_OK : RKY_ERR_FENCED);
        ck_assert_int_eq(before, rc == RKY_OK ? RKY_ERR_FENCED : RKY_OK);
        if (rc == RKY_OK)
            world.claim = claim;
        if (!failed)
            break;
    }
    adapter_world_close(&world);
}
END_TEST

int main(int argc, char **argv)
{
#ifdef RKY_FAULT_INJECTION
    if (argc > 1 && strcmp(argv[1], "copy") == 0)
        return run_child();
#else
    (void)argc;
    (void)argv;
#endif
    Suite *suite = suite_create("adapter/sqlite/faults");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, a_locked_target_is_reported_after_the_timeout);
    tcase_add_test(tcase, a_reader_that_stops_the_commit_leaves_nothing_behind);
    tcase_add_test(tcase, a_locked_source_is_named);
    tcase_add_test(tcase, a_source_that_disappears_is_missing);
    tcase_add_loop_test(tcase, columns_that_change_after_they_were_read_stop_the_copy, 0, 2);
    tcase_add_test(tcase, an_interrupt_stops_a_copy_and_leaves_the_target_as_it_was);
    tcase_add_test(tcase, a_source_with_a_hot_journal_needs_its_writer);
#ifdef RKY_FAULT_INJECTION
    tcase_add_test(tcase, a_kill_at_any_point_of_a_copy_loses_and_repeats_nothing);
    tcase_add_test(tcase, a_copy_sees_one_snapshot_of_a_source_in_wal_mode);
    tcase_add_test(tcase, a_copy_holds_up_the_writer_of_a_source_in_delete_mode);
#endif
    tcase_add_test(tcase, out_of_memory_anywhere_in_a_copy_changes_nothing);
    tcase_add_test(tcase, a_disk_that_fails_anywhere_in_a_copy_loses_and_repeats_nothing);
    tcase_add_test(tcase, a_disk_that_fails_anywhere_in_a_claim_leaves_one_owner);
    suite_add_tcase(suite, tcase);
    return rky_check_main(suite);
}
