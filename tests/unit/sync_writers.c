/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits that meet another writer: one who came first, once or more often, one with a greater
 * fence or another lineage, and one who deleted the state.
 */
#include "config.h"

#include <stdio.h>

#include "tests/unit/sync_pair.h"

/* --- other writers -------------------------------------------------------------------------------
 */

static struct {
    int times;      /* how often somebody else is first */
    const char *id; /* of its job; NULL = a new one each time */
    int64_t fence;
    int done;
} other;

static void be_first(void *context, enum rky_memory_op op, int64_t number)
{
    char id[32];
    (void)context, (void)number;
    if (op != RKY_MEMORY_PUT || other.done == other.times)
        return;
    other.done++;
    (void)snprintf(id, sizeof(id), "other-%d", other.done);
    const char *name = other.id != NULL ? other.id : id;
    kit_begin_job(&pair.b, name);
    (void)kit_write(&pair.b, id, name, "w.s.other", id, other.fence);
    kit_upload(&pair.b, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&pair.b);
}

static void others_come_first(int times)
{
    other.times = times;
    rky_remote_memory_on_call(pair.a.durable, be_first, NULL);
}

struct told {
    int renumbered, asked, answer;
    int64_t generation;
};

static int claims_held(void *context, struct rky_error *err)
{
    struct told *told = context;
    told->asked++;
    return told->answer == 0 ? 0 : rky_fail(err, told->answer, "the claim is somebody else's");
}

static int renumbered(void *context, struct rky_ledger *ledger, int64_t generation,
                      struct rky_error *err)
{
    struct told *told = context;
    struct rky_ledger_meta meta;
    assert_ok(rky_ledger_meta(ledger, &meta, assert_err_));
    (void)err;
    ck_assert_int_eq(meta.generation, generation);
    told->renumbered++;
    told->generation = generation;
    return 0;
}

START_TEST(test_a_writer_in_between_is_merged_once_or_twice)
{
    struct told told = {0};
    const char *const own[] = {"w.s.t", NULL};
    const struct rky_sync_callbacks callbacks = {
        .claims_held = claims_held, .renumbered = renumbered, .context = &told, .own_tables = own};
    pair_job_in_hand("two");
    int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
    others_come_first(_i);
    pair_upload_ok(&callbacks);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts + 1 + _i);
    ck_assert_int_eq(pair_uploaded()->generation, 2 + _i);
    ck_assert_int_eq(told.renumbered, _i);
    ck_assert_int_eq(told.generation, 2 + _i);
    ck_assert_int_eq(told.asked, 0); /* nobody's fence was above ours */
    kit_expect_watermark(&pair.a, "w.s.t", "2");
    kit_expect_watermark(&pair.a, "w.s.other", _i == 1 ? "other-1" : "other-2");
    ck_assert(kit_has_job(&pair.a, "two") && kit_has_job(&pair.a, "other-1"));
    rky_sync_keep_version(pair.a.sync);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_versions(), 1);
    pair_expect_runs((size_t)(2 + _i), "first", "two", "other-1");
}
END_TEST

START_TEST(test_a_third_writer_in_between_is_a_conflict_that_no_policy_swallows)
{
    pair_job_in_hand("two");
    int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
    others_come_first(3);
    kit_upload(&pair.a, NULL, RKY_ERR_CONFLICT, RKY_OUTCOME_CONFLICT, RKY_OUTCOME_NONE);
    ck_assert_str_eq(pair_uploaded()->error_class, "conflict");
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts + 3);
    rky_sync_keep_version(pair.a.sync);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_versions(), 0);
    /* What this machine knows waits for its next job. */
    kit_whole_job(&pair.a, "three", "w.s.t", "3");
    pair_expect_runs(5, "first", "two", "three", "other-1", "other-2", "other-3");
}
END_TEST

START_TEST(test_the_winners_word_on_tables_that_are_not_ours_stands)
{
    /* Both wrote the same table, with the same time: not ours, so the winner's row is kept. */
    kit_whole_job(&pair.a, "first", "w.s.other", "1");
    kit_begin_job(&pair.a, "two");
    (void)kit_write(&pair.a, "two", "two", "w.s.other", "mine", rky_sync_token(pair.a.sync));
    others_come_first(1);
    pair_upload_ok(NULL);
    kit_expect_watermark(&pair.a, "w.s.other", "other-1");
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_the_row_of_a_table_that_this_run_wrote_wins_the_merge)
{
    const char *const own[] = {"w.s.other", NULL};
    const struct rky_sync_callbacks callbacks = {.own_tables = own};
    kit_whole_job(&pair.a, "first", "w.s.other", "1");
    kit_begin_job(&pair.a, "two");
    (void)kit_write(&pair.a, "two", "two", "w.s.other", "mine", rky_sync_token(pair.a.sync));
    others_come_first(1);
    pair_upload_ok(&callbacks);
    kit_expect_watermark(&pair.a, "w.s.other", "mine");
    kit_end_job(&pair.a);
}
END_TEST

START_TEST(test_a_winner_that_recorded_our_job_is_believed)
{
    pair_job_in_hand("two");
    other.id = "two";
    int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
    others_come_first(1);
    pair_upload_ok(NULL);
    ck_assert(rky_sync_was_adopted(pair.a.sync));
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts + 1);
    ck_assert(pair_uploaded()->unchanged);
    ck_assert_str_eq(pair_uploaded()->write_id, kit_chain_at(1)->write_id);
    ck_assert_str_eq(kit_meta(&pair.a).write_id, kit_chain_at(1)->write_id);
    ck_assert(kit_has_run(&pair.a, "other-1") && !kit_has_run(&pair.a, "two"));
    /* The write that lost is no version of this state. */
    rky_sync_keep_version(pair.a.sync);
    kit_end_job(&pair.a);
    ck_assert_uint_eq(kit_versions(), 0);
    pair_expect_runs(2, "first", "other-1");
}
END_TEST

START_TEST(test_a_winner_with_a_greater_fence_is_asked_about_the_claims)
{
    struct told told = {.answer = _i == 0 ? 0 : RKY_ERR_FENCED};
    const struct rky_sync_callbacks callbacks = {.claims_held = claims_held, .context = &told};
    pair_job_in_hand("two");
    other.fence = 40;
    others_come_first(1);
    if (_i == 0) {
        pair_upload_ok(&callbacks);
        kit_end_job(&pair.a);
        pair_expect_runs(3, "first", "two", "other-1");
        ck_assert_int_eq(kit_chain_at(2)->fence, 40);
    } else {
        kit_upload(&pair.a, &callbacks, RKY_ERR_FENCED, RKY_OUTCOME_CONFLICT, RKY_OUTCOME_NONE);
        ck_assert_str_eq(pair_uploaded()->error_class, "fenced");
        ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_REQUEUE);
        rky_sync_discard(pair.a.sync);
        kit_end_job(&pair.a);
        pair_expect_runs(2, "first", "other-1");
    }
    ck_assert_int_eq(told.asked, 1);
}
END_TEST

START_TEST(test_a_state_created_anew_by_somebody_else_is_not_merged)
{
    struct kit_machine c;
    struct rky_remote_object object;
    pair_job_in_hand("two");
    kit_look(false, &object);
    kit_force(false, NULL, 0, NULL);
    kit_chain_forget();
    kit_machine_open(&c, "c", NULL);
    kit_whole_job(&c, "stranger", "w.s.t", "9");
    kit_upload(&pair.a, NULL, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, RKY_OUTCOME_NONE);
    ck_assert_str_eq(pair_uploaded()->error_class, "lineage");
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_FAIL);
    kit_end_job(&pair.a);
    kit_machine_close(&c);
    rky_remote_object_done(&object);
    pair_expect_runs(1, "stranger");
}
END_TEST

/* --- deleted -------------------------------------------------------------------------------------
 */

static void delete_it(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context, (void)number;
    if (op == RKY_MEMORY_PUT)
        kit_force(false, NULL, 0, NULL);
}

START_TEST(test_a_state_deleted_under_us_is_created_once_more)
{
    pair_job_in_hand("two");
    int64_t puts = kit_calls(&pair.a, RKY_MEMORY_PUT);
    rky_remote_memory_on_call(pair.a.durable, delete_it, NULL);
    pair_upload_ok(NULL);
    ck_assert_int_eq(kit_calls(&pair.a, RKY_MEMORY_PUT), puts + 2);
    ck_assert_int_eq(pair_uploaded()->generation, 2);
    kit_end_job(&pair.a);
    pair_expect_runs(2, "first", "two");
}
END_TEST

START_TEST(test_a_state_that_is_gone_when_it_can_be_read_again_keeps_counting)
{
    kit_whole_job(&pair.a, "one", "w.s.t", "1");
    kit_whole_job(&pair.a, "two", "w.s.t", "2");
    kit_break(pair.a.durable, RKY_MEMORY_OPS, 1, 1, false, RKY_ERR_CONNECTION, "refused");
    kit_force(false, NULL, 0, NULL);
    kit_begin_job(&pair.a, "three");
    ck_assert_int_eq(rky_sync_sequel(pair.a.sync), RKY_SEQUEL_FRESH);
    (void)kit_write(&pair.a, "three", "three", "w.s.t", "3", rky_sync_token(pair.a.sync));
    pair_upload_ok(NULL);
    kit_end_job(&pair.a);
    pair_expect_runs(3, "one", "two", "three");
}
END_TEST

START_TEST(test_after_a_failed_download_nothing_is_put_before_the_remote_was_read)
{
    kit_whole_job(&pair.b, "theirs", "w.s.theirs", "5");
    kit_break(pair.a.durable, RKY_MEMORY_GET, 1, 1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&pair.a, "mine");
    (void)kit_write(&pair.a, "mine", "mine", "w.s.mine", "6", 9);
    struct rky_ledger *ledger = rky_sync_ledger(pair.a.sync);
    kit_begin(ledger);
    assert_ok(rky_ledger_set_lineage(ledger, kit_chain_at(0)->lineage, assert_err_));
    (void)kit_commit(ledger);
    pair_upload_ok(NULL);
    ck_assert_int_eq(pair_uploaded()->generation, 2);
    kit_end_job(&pair.a);
    pair_expect_runs(2, "theirs", "mine");
}
END_TEST

void pair_add_writers(TCase *tcase)
{
    tcase_add_loop_test(tcase, test_a_writer_in_between_is_merged_once_or_twice, 1, 3);
    tcase_add_test(tcase, test_a_third_writer_in_between_is_a_conflict_that_no_policy_swallows);
    tcase_add_test(tcase, test_the_winners_word_on_tables_that_are_not_ours_stands);
    tcase_add_test(tcase, test_the_row_of_a_table_that_this_run_wrote_wins_the_merge);
    tcase_add_test(tcase, test_a_winner_that_recorded_our_job_is_believed);
    tcase_add_loop_test(tcase, test_a_winner_with_a_greater_fence_is_asked_about_the_claims, 0, 2);
    tcase_add_test(tcase, test_a_state_created_anew_by_somebody_else_is_not_merged);
    tcase_add_test(tcase, test_a_state_deleted_under_us_is_created_once_more);
    tcase_add_test(tcase, test_a_state_that_is_gone_when_it_can_be_read_again_keeps_counting);
    tcase_add_test(tcase, test_after_a_failed_download_nothing_is_put_before_the_remote_was_read);
}
