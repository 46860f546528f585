/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots and ledgers written by earlier versions are read whole and go on living. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/test_ledger_kit.h"

#define KEY "8f7e6d5c4b3a29180716253443526170f0e1d2c3b4a5968778695a4b3c2d1e0f"

static char path[4352];

static char *read_golden(const char *name, size_t *ret_length)
{
    const char *source = getenv("top_srcdir");
    char golden[4352];
    char *bytes = NULL;
    ck_assert_msg(source != NULL, "run by make check, or with top_srcdir set");
    (void)snprintf(golden, sizeof(golden), "%s/tests/golden/%s", source, name);
    assert_ok(rky_read_file(golden, 1U << 26, &bytes, ret_length, assert_err_));
    return bytes;
}

static void assert_head_of_version_2(const struct rky_snapshot_head *head)
{
    ck_assert_str_eq(head->namespace_, "acme");
    ck_assert_str_eq(head->lineage, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
    ck_assert_int_eq(head->generation, 3);
    ck_assert_uint_eq(head->ancestor_count, 2);
    ck_assert(rky_snapshot_derives(head, head->ancestors[1]));
    ck_assert_int_eq(head->fence, 21);
    ck_assert_int_eq(head->schema_version, 2);
    ck_assert_int_eq(head->min_reader_version, 1);
}

static void assert_content_of_version_2(void)
{
    struct rky_audit_record *audit = NULL;
    struct rky_job_record job;
    size_t count = 0;
    struct rky_ledger *ledger = kit_open_locked(path);
    assert_ok(rky_ledger_job_by_key(ledger, "apply", "nightly", &job, assert_err_));
    ck_assert_str_eq(job.job_id, "job-1");
    rky_job_record_done(&job);
    assert_ok(rky_ledger_audit_list(ledger, 10, &audit, &count, assert_err_));
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(audit[0].action, "state import");
    ck_assert_str_eq(audit[2].action, "state set");
    rky_audit_records_free(audit, count);
    kit_begin(ledger);
    ck_assert_int_eq(kit_commit(ledger), 4);
    rky_ledger_close(ledger);
    ck_assert_int_eq(kit_sql_int(path, "PRAGMA user_version"), RKY_LEDGER_SCHEMA_VERSION);
}

START_TEST(test_format_1_is_read)
{
    struct rky_snapshot_head head, found;
    struct rky_snapshot_key key;
    enum rky_snapshot_fault fault;
    unsigned char *raw = NULL;
    size_t length = 0, raw_length = 0;
    bool sealed = _i == 1;
    char *bytes = read_golden(sealed ? "snapshot-1-sealed.snap" : "snapshot-1-plain.snap", &length);
    (void)snprintf(path, sizeof(path), "%s", kit_path("golden.db"));
    assert_ok(rky_snapshot_key_parse(sealed ? KEY : NULL, &key, assert_err_));
    assert_ok(rky_snapshot_decode(bytes, length, "acme", &key, &head, &raw, &raw_length, &fault,
                                  assert_err_));
    assert_head_of_version_2(&head);
    ck_assert_int_eq(head.created_at_us, NOON_US);
    ck_assert_int_eq(head.restored_from, 1);
    ck_assert_str_eq(head.worker_id, "worker-1");
    ck_assert_str_eq(head.version, "1.0.0");
    ck_assert_str_eq(head.host, "pod-1");
    ck_assert_str_eq(head.run_id, "6fa459ea-ee8a-4ca4-894e-db77e160355e");
    ck_assert_str_eq(head.job_id, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
    assert_ok(rky_ledger_install(path, raw, raw_length, assert_err_));
    assert_ok(rky_ledger_verify_file(path, "acme", &head, &fault, &found, assert_err_));
    assert_content_of_version_2();
    rky_free(raw);
    rky_free(bytes);
}
END_TEST

START_TEST(test_ledger_of_version_2_is_read)
{
    struct rky_snapshot_head head;
    enum rky_snapshot_fault fault;
    size_t length = 0;
    char *bytes = read_golden("ledger-v2.db", &length);
    (void)snprintf(path, sizeof(path), "%s", kit_path("v2.db"));
    kit_write_file(path, bytes, length);
    assert_ok(rky_ledger_verify_file(path, "acme", NULL, &fault, &head, assert_err_));
    assert_head_of_version_2(&head);
    assert_content_of_version_2();
    rky_free(bytes);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("snapshot golden");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_loop_test(all, test_format_1_is_read, 0, 2);
    tcase_add_test(all, test_ledger_of_version_2_is_read);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
