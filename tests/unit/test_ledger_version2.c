/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What remote state asks of a ledger: write ids that name one content each, ancestors, the file as
 * bytes and back, private copies, and records that are put right or listed.
 */
#include "config.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "state/ledger_internal.h"
#include "tests/kit/check_main.h"
#include "tests/kit/fault_vfs.h"
#include "tests/unit/test_ledger_kit.h"

static char path[4352];
static struct rky_ledger *ledger;

static void setup(void)
{
    (void)snprintf(path, sizeof(path), "%s", kit_path("acme.db"));
    ledger = kit_open_locked(path);
}

static void teardown(void)
{
    rky_ledger_close(ledger);
}

static void change(struct rky_ledger *which, const char *value)
{
    struct rky_watermark watermark = kit_watermark("w.s.orders", value);
    kit_begin(which);
    assert_ok(rky_ledger_watermark_put(which, &watermark, assert_err_));
    (void)kit_commit(which);
}

/* --- versions --- */

START_TEST(test_each_commit_puts_its_parent_before_the_ancestors)
{
    char ids[21][RKY_UUID_TEXT];
    struct rky_ledger_meta meta;
    for (size_t i = 0; i < 21; i++) {
        assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
        memcpy(ids[i], meta.write_id, RKY_UUID_TEXT);
        size_t expected = i < RKY_ANCESTORS_MAX ? i : RKY_ANCESTORS_MAX;
        ck_assert_uint_eq(meta.ancestor_count, expected);
        for (size_t k = 0; k < expected; k++)
            ck_assert_str_eq(meta.ancestors[k], ids[i - 1 - k]);
        change(ledger, "1");
    }
}
END_TEST

START_TEST(test_head_is_the_meta_row_and_the_schema_version)
{
    struct rky_ledger_meta meta;
    struct rky_snapshot_head head;
    memset(&head, 0x55, sizeof(head));
    change(ledger, "1");
    kit_begin(ledger);
    assert_ok(rky_ledger_raise_fence(ledger, 9, assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
    assert_ok(rky_ledger_head(ledger, &head, assert_err_));
    ck_assert_str_eq(head.namespace_, "acme");
    ck_assert_str_eq(head.lineage, meta.lineage);
    ck_assert_int_eq(head.generation, 2);
    ck_assert_str_eq(head.write_id, meta.write_id);
    ck_assert_uint_eq(head.ancestor_count, 2);
    ck_assert_str_eq(head.ancestors[1], meta.ancestors[1]);
    ck_assert_int_eq(head.fence, 9);
    ck_assert_int_eq(head.schema_version, RKY_LEDGER_SCHEMA_VERSION);
    ck_assert_int_eq(head.min_reader_version, 1);
    ck_assert_str_eq(head.job_id, "");
    ck_assert_int_eq(head.raw_size, 0);
}
END_TEST

START_TEST(test_change_without_a_write_id_is_not_committed)
{
    struct rky_error err = {0};
    struct rky_watermark watermark = kit_watermark("w.s.orders", "1");
    kit_begin(ledger);
    assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
    ck_assert_int_eq(rky_ledger_commit(ledger, &err), RKY_ERR_BUG);
    ck_assert_ptr_nonnull(strstr(err.message, "write id"));
    ck_assert_int_eq(rky_ledger_watermark_get(ledger, "w.s.orders", &watermark, NULL),
                     RKY_ERR_NOT_FOUND);
    /* What changed nothing needs none. */
    struct rky_retention retention = {.jobs = 10, .jobs_days = 1, .history = 10};
    kit_begin(ledger);
    assert_ok(rky_ledger_sweep(ledger, &retention, NOON_US, assert_err_));
    assert_ok(rky_ledger_commit(ledger, assert_err_));
}
END_TEST

START_TEST(test_content_is_put_on_another_head)
{
    struct rky_ledger_meta before, after;
    char chain[RKY_ANCESTORS_MAX + 3][RKY_UUID_TEXT];
    for (size_t i = 0; i < RKY_ANCESTORS_MAX + 3; i++)
        rky_uuid_v4(chain[i]);
    change(ledger, "1");
    assert_ok(rky_ledger_meta(ledger, &before, assert_err_));
    kit_begin(ledger);
    assert_ok(rky_ledger_set_version(ledger, 41, (const char(*)[RKY_UUID_TEXT])chain,
                                     RKY_ANCESTORS_MAX + 3, assert_err_));
    ck_assert_int_eq(kit_commit(ledger), 42);
    assert_ok(rky_ledger_meta(ledger, &after, assert_err_));
    ck_assert_str_ne(after.write_id, before.write_id);
    ck_assert_uint_eq(after.ancestor_count, RKY_ANCESTORS_MAX);
    ck_assert_str_eq(after.ancestors[0], before.write_id);
    for (size_t i = 1; i < RKY_ANCESTORS_MAX; i++)
        ck_assert_str_eq(after.ancestors[i], chain[i - 1]);
    kit_begin(ledger);
    assert_ok(rky_ledger_set_version(ledger, 0, NULL, 0, assert_err_));
    ck_assert_int_eq(kit_commit(ledger), 1);
    assert_ok(rky_ledger_meta(ledger, &after, assert_err_));
    ck_assert_uint_eq(after.ancestor_count, 1);
}
END_TEST

START_TEST(test_ancestor_that_is_no_id_is_refused)
{
    struct rky_error err = {0};
    const char chain[1][RKY_UUID_TEXT] = {"x"};
    kit_begin(ledger);
    ck_assert_int_eq(rky_ledger_set_version(ledger, 1, chain, 1, &err), RKY_ERR_DECODE);
    rky_ledger_rollback(ledger);
}
END_TEST

START_TEST(test_older_file_is_read_without_migrating_it)
{
    const char *source = getenv("top_srcdir");
    char golden[4352], copy[4352];
    struct rky_ledger_meta meta;
    ck_assert_msg(source != NULL, "run by make check, or with top_srcdir set");
    (void)snprintf(golden, sizeof(golden), "%s/tests/golden/ledger-v1.db", source);
    (void)snprintf(copy, sizeof(copy), "%s", kit_path("v1.db"));
    kit_copy_file(golden, copy);
    struct rky_ledger *reader = kit_open(copy, RKY_LEDGER_READ);
    assert_ok(rky_ledger_meta(reader, &meta, assert_err_));
    ck_assert_int_eq(meta.generation, 1);
    ck_assert_uint_eq(meta.ancestor_count, 0);
    ck_assert_int_eq(meta.min_reader_version, 1);
    rky_ledger_close(reader);
    ck_assert_int_eq(kit_sql_int(copy, "PRAGMA user_version"), 1);
    /* Migrating is no change of the content. */
    char write_id[RKY_UUID_TEXT];
    memcpy(write_id, meta.write_id, sizeof(write_id));
    rky_ledger_close(kit_open_locked(copy));
    ck_assert_int_eq(kit_sql_int(copy, "PRAGMA user_version"), RKY_LEDGER_SCHEMA_VERSION);
    reader = kit_open(copy, RKY_LEDGER_READ);
    assert_ok(rky_ledger_meta(reader, &meta, assert_err_));
    ck_assert_str_eq(meta.write_id, write_id);
    rky_ledger_close(reader);
}
END_TEST

START_TEST(test_damaged_ancestors_are_no_ancestors)
{
    static const char TWO[] =
        "00000000-0000-4000-8000-000000000000,00000000-0000-4000-8000-000000000000";
    static const char *const WRONG[] = {"x", " ", "00000000-0000-4000-8000-000000000000 ", TWO};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        char sql[256];
        struct rky_error err = {0};
        struct rky_ledger_meta meta;
        (void)snprintf(sql, sizeof(sql), "UPDATE meta SET ancestors = '%s'", WRONG[i]);
        kit_sql(path, sql);
        ck_assert_int_eq(rky_ledger_meta(ledger, &meta, &err), RKY_ERR_STATE_FILE);
        ck_assert_ptr_nonnull(strstr(err.message, "corrupt"));
    }
}
END_TEST

/* --- bytes --- */

START_TEST(test_serialized_content_is_what_was_committed)
{
    unsigned char *raw = NULL;
    size_t length = 0;
    struct rky_error err = {0};
    change(ledger, "1"); /* is in the WAL, not in the file */
    kit_begin(ledger);
    ck_assert_int_eq(rky_ledger_serialize(ledger, &raw, &length, &err), RKY_ERR_BUG);
    ck_assert_ptr_null(raw);
    rky_ledger_rollback(ledger);
    assert_ok(rky_ledger_serialize(ledger, &raw, &length, assert_err_));
    raw[18] = raw[19] = 1;
    const char *copy = kit_path("copy.db");
    assert_ok(rky_ledger_install(copy, raw, length, assert_err_));
    ck_assert_int_eq(kit_sql_int(copy, "SELECT generation FROM meta"), 1);
    ck_assert_int_eq(kit_sql_int(copy, "SELECT count(*) FROM watermarks WHERE value = '1'"), 1);
    rky_free(raw);
}
END_TEST

START_TEST(test_large_content_goes_through_a_file)
{
    unsigned char *raw = NULL;
    size_t length = 0;
    char value[4096];
    char command[64];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    kit_begin(ledger);
    for (int i = 0; i < 17 * 1024; i++) { /* 68 MiB */
        (void)snprintf(command, sizeof(command), "%d", i);
        assert_ok(rky_ledger_audit(ledger, "state set", command, value, NULL, NULL, assert_err_));
    }
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_serialize(ledger, &raw, &length, assert_err_));
    ck_assert_uint_gt(length, (size_t)64 << 20);
    ck_assert_int_eq(raw[0], 'S');
    ck_assert_uint_eq(length % 4096, 0);
    const char *copy = kit_path("copy.db");
    raw[18] = raw[19] = 1;
    assert_ok(rky_ledger_install(copy, raw, length, assert_err_));
    rky_free(raw);
    struct rky_snapshot_head head;
    enum rky_snapshot_fault fault;
    assert_ok(rky_ledger_head(ledger, &head, assert_err_));
    assert_ok(rky_ledger_verify_file(copy, "acme", &head, &fault, NULL, assert_err_));
    ck_assert_int_eq(kit_sql_int(copy, "SELECT count(*) FROM audit"), INT64_C(17) * 1024);
    char left[4400];
    (void)snprintf(left, sizeof(left), "ls '%s' | grep -c image", rky_test_directory());
    FILE *list = popen(left, "r");
    ck_assert_ptr_nonnull(fgets(left, sizeof(left), list));
    ck_assert_str_eq(left, "0\n");
    (void)pclose(list);
}
END_TEST

START_TEST(test_installing_takes_the_journals_away)
{
    static const char *const SUFFIXES[] = {"-wal", "-shm", "-journal"};
    unsigned char *raw = NULL;
    size_t length = 0;
    char copy[4352], name[4400];
    (void)snprintf(copy, sizeof(copy), "%s", kit_path("copy.db"));
    change(ledger, "1");
    assert_ok(rky_ledger_serialize(ledger, &raw, &length, assert_err_));
    raw[18] = raw[19] = 1;
    kit_write_file(copy, "old", 3);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", copy, SUFFIXES[i]);
        kit_write_file(name, "old", 3);
    }
    assert_ok(rky_ledger_install(copy, raw, length, assert_err_));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", copy, SUFFIXES[i]);
        ck_assert(!rky_path_exists(name));
    }
    struct stat st;
    ck_assert_int_eq(stat(copy, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(st.st_size, (off_t)length);
    rky_free(raw);
}
END_TEST

START_TEST(test_failed_installation_leaves_the_old_file)
{
    struct rky_error err = {0};
    char copy[4352];
    (void)snprintf(copy, sizeof(copy), "%s", kit_path("none/copy.db"));
    ck_assert_int_eq(rky_ledger_install(copy, "x", 1, &err), RKY_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, copy));
    (void)snprintf(copy, sizeof(copy), "%s", kit_path("directory"));
    ck_assert_int_eq(mkdir(copy, 0700), 0);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_ledger_install(copy, "x", 1, &err), RKY_ERR_IO);
    ck_assert(rky_path_exists(copy));
}
END_TEST

START_TEST(test_each_failing_allocation_is_reported)
{
    change(ledger, "1");
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        unsigned char *raw = NULL;
        size_t length = 0;
        rky_mem_fail_nth(nth);
        int rc = rky_ledger_serialize(ledger, &raw, &length, &err);
        if (rc == 0)
            rc = rky_ledger_install(kit_path("copy.db"), raw, length, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        rky_free(raw);
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            break;
        }
        ck_assert_msg(rc == RKY_ERR_NOMEM || rc == 0, "%d %s", rc, err.message);
    }
}
END_TEST

/* --- records --- */

START_TEST(test_result_that_was_not_published_is_put_right)
{
    struct rky_error err = {0};
    struct rky_job_record job = kit_job("job-1", "key", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
    (void)kit_commit(ledger);
    kit_begin(ledger);
    assert_ok(rky_ledger_job_rewrite(ledger, "job-1", "failed", "{\"a\":2}", "[1]", assert_err_));
    ck_assert_int_eq(rky_ledger_job_rewrite(ledger, "job-2", "failed", "{}", "[]", &err),
                     RKY_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "'job-2'"));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_job_get(ledger, "job-1", &job, assert_err_));
    ck_assert_str_eq(job.status, "failed");
    ck_assert_str_eq(job.result, "{\"a\":2}");
    ck_assert_str_eq(job.events, "[1]");
    ck_assert_str_eq(job.body_sha256, "b0d1");
    rky_job_record_done(&job);
    /* What failed satisfies no key. */
    ck_assert_int_eq(rky_ledger_job_by_key(ledger, "run", "key", &job, NULL), RKY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_audit_trail_and_tombstones_are_listed)
{
    struct rky_audit_record *audit = NULL;
    struct rky_tombstone *tombstones = NULL;
    size_t count = 0;
    kit_begin(ledger);
    assert_ok(rky_ledger_audit(ledger, "state set", "t", "1", "2", "kim", assert_err_));
    assert_ok(rky_ledger_audit(ledger, "unlock", NULL, NULL, NULL, NULL, assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "b", 2, NULL, assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "b", 1, "state delete", assert_err_));
    assert_ok(rky_ledger_tombstone_put(ledger, "a", 7, "state delete", assert_err_));
    (void)kit_commit(ledger);
    assert_ok(rky_ledger_audit_list(ledger, 10, &audit, &count, assert_err_));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(audit[0].action, "unlock");
    ck_assert_ptr_null(audit[0].subject);
    ck_assert_str_eq(audit[1].action, "state set");
    ck_assert_str_eq(audit[1].old_value, "1");
    ck_assert_str_eq(audit[1].new_value, "2");
    ck_assert_str_eq(audit[1].actor, "kim");
    ck_assert_int_eq(audit[1].at_us, NOON_US);
    rky_audit_records_free(audit, count);
    assert_ok(rky_ledger_audit_list(ledger, 1, &audit, &count, assert_err_));
    ck_assert_uint_eq(count, 1);
    rky_audit_records_free(audit, count);
    assert_ok(rky_ledger_tombstones(ledger, &tombstones, &count, assert_err_));
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(tombstones[0].table, "a");
    ck_assert_int_eq(tombstones[0].seq, 7);
    ck_assert_int_eq(tombstones[1].seq, 1);
    ck_assert_str_eq(tombstones[1].reason, "state delete");
    ck_assert_int_eq(tombstones[2].seq, 2);
    ck_assert_ptr_null(tombstones[2].reason);
    ck_assert_int_eq(tombstones[2].created_at_us, NOON_US);
    rky_tombstones_free(tombstones, count);
}
END_TEST

/* --- private copies --- */

static struct rky_ledger *open_private(const char *file)
{
    struct rky_ledger *copy = NULL;
    struct rky_ledger_options options = {.path = file,
                                         .namespace_ = "acme",
                                         .mode = RKY_LEDGER_WRITE,
                                         .private_copy = true,
                                         .clock = rky_clock_real()};
    assert_ok(rky_ledger_open(&options, &copy, assert_err_));
    assert_ok(rky_ledger_lock(copy, 0, assert_err_));
    return copy;
}

START_TEST(test_private_copy_is_a_ledger_without_flushes)
{
    char copy[4352], beside[4400];
    struct rky_error err = {0};
    struct rky_ledger *second = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", kit_path("private.db"));
    struct rky_ledger *private_ledger = open_private(copy);
    change(private_ledger, "1");
    rky_fault_vfs_arm(RKY_FAULT_SYNC | RKY_FAULT_SHARE, 0, RKY_FAULT_EIO, false);
    change(private_ledger, "2");
    ck_assert_uint_eq(rky_fault_vfs_count(), 0);
    /* The flock is as everywhere. */
    ck_assert_int_eq(kit_try_open(copy, "acme", RKY_LEDGER_WRITE, &second, &err), RKY_ERR_LOCKED);
    rky_ledger_close(private_ledger);
    static const char *const SUFFIXES[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(beside, sizeof(beside), "%s%s", copy, SUFFIXES[i]);
        ck_assert(!rky_path_exists(beside));
    }
    enum rky_snapshot_fault fault;
    struct rky_snapshot_head head;
    assert_ok(rky_ledger_verify_file(copy, "acme", NULL, &fault, &head, assert_err_));
    ck_assert_int_eq(head.generation, 2);
}
END_TEST

START_TEST(test_local_state_becomes_a_private_copy_and_back)
{
    change(ledger, "1");
    rky_ledger_close(ledger);
    struct rky_ledger *private_ledger = open_private(path);
    change(private_ledger, "2");
    rky_ledger_close(private_ledger);
    ledger = kit_open_locked(path);
    change(ledger, "3");
    ck_assert_int_eq(kit_sql_int(path, "SELECT generation FROM meta"), 3);
}
END_TEST

/* Killed at each write: the next one to look at the copy finds a whole state, before or after. */
START_TEST(test_private_copy_of_a_killed_process_is_whole_or_refused)
{
    char copy[4352], origin[4352];
    (void)snprintf(copy, sizeof(copy), "%s", kit_path("private.db"));
    (void)snprintf(origin, sizeof(origin), "%s", kit_path("origin.db"));
    struct rky_ledger *private_ledger = open_private(origin);
    for (int i = 0; i < 40; i++)
        change(private_ledger, "1");
    rky_ledger_close(private_ledger);
    int kills = 0;
    for (uint64_t nth = 1, killed = 1; killed != 0; nth++) {
        char journal[4400];
        (void)snprintf(journal, sizeof(journal), "%s-journal", copy);
        (void)unlink(journal);
        kit_copy_file(origin, copy);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct rky_ledger *mine = open_private(copy);
            rky_fault_vfs_arm(RKY_FAULT_CHANGES, nth, RKY_FAULT_KILL, false);
            change(mine, "2");
            change(mine, "3");
            rky_ledger_close(mine);
            _exit(0);
        }
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status);
        kills += killed != 0;
        struct rky_snapshot_head head;
        enum rky_snapshot_fault fault;
        assert_ok(rky_ledger_verify_file(copy, "acme", NULL, &fault, &head, assert_err_));
        ck_assert(head.generation >= 40 && head.generation <= 42);
        private_ledger = open_private(copy);
        struct rky_watermark watermark;
        assert_ok(rky_ledger_watermark_get(private_ledger, "w.s.orders", &watermark, assert_err_));
        ck_assert_int_eq(watermark.value[0] - '1', head.generation - 40);
        rky_watermark_done(&watermark);
        change(private_ledger, "4");
        rky_ledger_close(private_ledger);
    }
    ck_assert_int_gt(kills, 5);
}
END_TEST

static Suite *suite(void)
{
    rky_fault_vfs_install();
    Suite *suite = suite_create("ledger version 2");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, test_each_commit_puts_its_parent_before_the_ancestors);
    tcase_add_test(all, test_head_is_the_meta_row_and_the_schema_version);
    tcase_add_test(all, test_change_without_a_write_id_is_not_committed);
    tcase_add_test(all, test_content_is_put_on_another_head);
    tcase_add_test(all, test_ancestor_that_is_no_id_is_refused);
    tcase_add_test(all, test_older_file_is_read_without_migrating_it);
    tcase_add_test(all, test_damaged_ancestors_are_no_ancestors);
    tcase_add_test(all, test_serialized_content_is_what_was_committed);
    tcase_add_test(all, test_large_content_goes_through_a_file);
    tcase_add_test(all, test_installing_takes_the_journals_away);
    tcase_add_test(all, test_failed_installation_leaves_the_old_file);
    tcase_add_test(all, test_each_failing_allocation_is_reported);
    tcase_add_test(all, test_result_that_was_not_published_is_put_right);
    tcase_add_test(all, test_audit_trail_and_tombstones_are_listed);
    tcase_add_test(all, test_private_copy_is_a_ledger_without_flushes);
    tcase_add_test(all, test_local_state_becomes_a_private_copy_and_back);
    tcase_add_test(all, test_private_copy_of_a_killed_process_is_whole_or_refused);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
