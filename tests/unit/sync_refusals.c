/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads that do not come to their end: bytes that are refused and set aside, and remotes that
 * fail, under each policy.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/sync_pair.h"

/* --- what is refused -----------------------------------------------------------------------------
 */

START_TEST(test_bytes_that_are_no_snapshot_are_looked_at_twice_kept_and_an_error)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_force(false, "no snapshot", 11, NULL);
    int64_t gets = kit_calls(&pair.b, RKY_MEMORY_GET);
    for (int again = 0; again < 2; again++) {
        kit_lock_job(&pair.b, "two");
        (void)pair_download_fails(&pair.b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "corrupt",
                                  RKY_SEQUEL_FAIL);
        ck_assert_ptr_null(rky_sync_ledger(pair.b.sync));
        kit_end_job(&pair.b);
    }
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_GET), gets + 4);
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_PUT), 0);
    ck_assert_uint_eq(kit_files(pair_refused_of(&pair.b), ".snap"), 1);
}
END_TEST

static void mend_in_time(void *context, enum rky_memory_op op, int64_t number)
{
    const struct rky_remote_object *good = context;
    if (op == RKY_MEMORY_GET && number % 2 == 0)
        kit_force(false, good->body, good->length, NULL);
}

START_TEST(test_a_second_look_may_find_what_the_first_one_missed)
{
    struct rky_remote_object good;
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_look(false, &good);
    kit_force(false, good.body, good.length - 1, NULL);
    rky_remote_memory_on_call(pair.b.durable, mend_in_time, &good);
    kit_begin_job(&pair.b, "two");
    (void)pair_downloaded(&pair.b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&pair.b, "one"));
    ck_assert(rky_sync_is_confirmed(pair.b.sync));
    kit_end_job(&pair.b);
    rky_remote_object_done(&good);
}
END_TEST

/* What the store holds, in an envelope of our making. */
static void force_snapshot(struct rky_snapshot_head *head, const unsigned char *raw, size_t length)
{
    unsigned char *bytes = NULL;
    size_t count = 0;
    const struct rky_snapshot_key none = {.present = false};
    assert_ok(rky_snapshot_encode(head, raw, length, &none, &bytes, &count, assert_err_));
    kit_force(false, bytes, count, NULL);
    rky_free(bytes);
}

static void unwrap(struct rky_snapshot_head *head, unsigned char **raw, size_t *length)
{
    struct rky_remote_object object;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    const struct rky_snapshot_key none = {.present = false};
    kit_look(false, &object);
    assert_ok(rky_snapshot_decode(object.body, object.length, KIT_NAMESPACE, &none, head, raw,
                                  length, &fault, assert_err_));
    rky_remote_object_done(&object);
}

START_TEST(test_a_good_envelope_around_a_bad_database_costs_nothing_of_what_is_pending)
{
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t length = 0;
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_whole_job(&pair.b, "theirs", "w.s.theirs", "2");
    kit_begin_job(&pair.a, "look");
    kit_end_job(&pair.a);
    pair_pending_job(&pair.a, "mine", "w.s.mine", "3");
    kit_whole_job(&pair.b, "more", "w.s.theirs", "4");
    unwrap(&head, &raw, &length);
    memset(raw + 4096, 0x5a, 4096);
    force_snapshot(&head, raw, length);
    rky_free(raw);
    kit_lock_job(&pair.a, "two");
    (void)pair_download_fails(&pair.a, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "corrupt",
                              RKY_SEQUEL_FAIL);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_files(pair_copies_of(&pair.a), ".db"), 1);
    kit_machine_restart(&pair.a);
    kit_lock_job(&pair.a, "three");
    ck_assert_ptr_nonnull(rky_sync_ledger(pair.a.sync));
    ck_assert(kit_has_run(&pair.a, "mine"));
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_snapshot_of_a_newer_program_is_left_to_a_newer_worker)
{
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t length = 0;
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    unwrap(&head, &raw, &length);
    head.min_reader_version = 999;
    head.schema_version = 999;
    force_snapshot(&head, raw, length);
    rky_free(raw);
    kit_lock_job(&pair.b, "two");
    (void)pair_download_fails(&pair.b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "schema_newer",
                              RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_GET), 1);
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_a_snapshot_of_another_namespace_is_refused)
{
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t length = 0;
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    unwrap(&head, &raw, &length);
    (void)snprintf(head.namespace_, sizeof(head.namespace_), "other");
    force_snapshot(&head, raw, length);
    rky_free(raw);
    kit_lock_job(&pair.b, "two");
    (void)pair_download_fails(&pair.b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "wrong_namespace",
                              RKY_SEQUEL_FAIL);
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_a_snapshot_under_another_key_is_refused)
{
    char one[65], other[65];
    (void)snprintf(one, sizeof(one), "%064x", 1);
    (void)snprintf(other, sizeof(other), "%064x", 2);
    kit_machine_close(&pair.a);
    kit_machine_close(&pair.b);
    kit_machine_open(&pair.a, "a", &(struct kit_machine_options){.encryption_key = one});
    kit_machine_open(&pair.b, "b", &(struct kit_machine_options){.encryption_key = other});
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_lock_job(&pair.b, "two");
    const struct rky_transfer_report *report = pair_download_fails(
        &pair.b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "encryption_key", RKY_SEQUEL_FAIL);
    ck_assert_ptr_null(strstr(report->error, other));
    kit_end_job(&pair.b);
}
END_TEST

/* --- what fails ----------------------------------------------------------------------------------
 */

START_TEST(test_a_failed_download_goes_on_without_the_remote_and_without_its_trust)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_break(pair.b.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&pair.b, "two");
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.b, RKY_OUTCOME_ERROR_THEN_FRESH, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_str_eq(report->error_class, "refused");
    ck_assert_ptr_nonnull(report->error);
    ck_assert_int_eq(rky_sync_sequel(pair.b.sync), RKY_SEQUEL_FRESH);
    ck_assert(!rky_sync_is_confirmed(pair.b.sync));
    ck_assert_int_eq(kit_meta(&pair.b).generation, 0);
    kit_end_job(&pair.b);
}
END_TEST

START_TEST(test_the_copy_at_hand_stands_in_when_the_download_fails)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&pair.a, "two");
    (void)pair_downloaded(&pair.a, RKY_OUTCOME_ERROR_THEN_FRESH, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert(!rky_sync_is_confirmed(pair.a.sync));
    ck_assert(kit_has_run(&pair.a, "one"));
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_failed_download_ends_the_run_where_policy_says_so)
{
    pair.a.config.on_download_failure = RKY_FAILURE_FAIL;
    kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_lock_job(&pair.a, "one");
    const struct rky_transfer_report *report = pair_download_fails(
        &pair.a, RKY_ERR_CONNECTION, RKY_OUTCOME_TRANSIENT_EXHAUSTED, "refused", RKY_SEQUEL_FAIL);
    ck_assert_int_eq(report->legs[0].attempts, 1);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_missing_permission_is_never_a_first_run)
{
    kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_AUTH, "permission");
    kit_lock_job(&pair.a, "one");
    (void)pair_download_fails(&pair.a, RKY_ERR_AUTH, RKY_OUTCOME_ERROR, "permission",
                              RKY_SEQUEL_FAIL);
    ck_assert_ptr_null(rky_sync_ledger(pair.a.sync));
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_retries_are_counted_and_bounded_by_the_run)
{
    pair_reopen_both(&(struct kit_machine_options){.max_retries = 3});
    pair.a.config.retry.max_retries_per_run = 2;
    kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&pair.a, "one");
    const struct rky_transfer_report *report =
        pair_downloaded(&pair.a, RKY_OUTCOME_ERROR_THEN_FRESH, RKY_OUTCOME_BUDGET_EXHAUSTED);
    ck_assert_int_eq(report->retries, 2);
    ck_assert_int_eq(report->budget_left, 0);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_OPS), 3);
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_lookout_takes_no_lease_and_uploads_nothing)
{
    pair_reopen_both(&(struct kit_machine_options){.leases = true});
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    pair.b.options.read_only = true;
    kit_begin_job(&pair.b, "");
    ck_assert(kit_has_run(&pair.b, "one"));
    int64_t calls = kit_calls(&pair.b, RKY_MEMORY_OPS);
    struct rky_transfer transfer = {.clock = rky_clock_real()};
    struct rky_lease_holder holder = {0};
    ck_assert_int_eq(
        pair.b.leases->ops->inspect(pair.b.leases, KIT_NAMESPACE, &transfer, &holder, NULL),
        RKY_ERR_NOT_FOUND);
    assert_ok(rky_sync_upload(pair.b.sync, NULL, assert_err_));
    ck_assert_ptr_null(rky_sync_report(pair.b.sync, RKY_TRANSFER_UPLOAD));
    ck_assert_int_eq(kit_calls(&pair.b, RKY_MEMORY_OPS), calls);
    kit_end_job(&pair.b);
}
END_TEST

void pair_add_refusals(TCase *tcase)
{
    tcase_add_test(tcase, test_bytes_that_are_no_snapshot_are_looked_at_twice_kept_and_an_error);
    tcase_add_test(tcase, test_a_second_look_may_find_what_the_first_one_missed);
    tcase_add_test(tcase,
                   test_a_good_envelope_around_a_bad_database_costs_nothing_of_what_is_pending);
    tcase_add_test(tcase, test_a_snapshot_of_a_newer_program_is_left_to_a_newer_worker);
    tcase_add_test(tcase, test_a_snapshot_of_another_namespace_is_refused);
    tcase_add_test(tcase, test_a_snapshot_under_another_key_is_refused);
    tcase_add_test(tcase, test_a_failed_download_goes_on_without_the_remote_and_without_its_trust);
    tcase_add_test(tcase, test_the_copy_at_hand_stands_in_when_the_download_fails);
    tcase_add_test(tcase, test_a_failed_download_ends_the_run_where_policy_says_so);
    tcase_add_test(tcase, test_a_missing_permission_is_never_a_first_run);
    tcase_add_test(tcase, test_retries_are_counted_and_bounded_by_the_run);
    tcase_add_test(tcase, test_a_lookout_takes_no_lease_and_uploads_nothing);
}
