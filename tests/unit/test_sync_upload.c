/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit of a state: who was there first, what was lost on the way, what policy makes of it,
 * and that nobody is asked who need not be. Each test has two machines and one store.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/sync_kit.h"

static struct kit_machine a, b;

static void setup(void)
{
    kit_world_open();
    kit_machine_open(&a, "a", NULL);
    kit_machine_open(&b, "b", NULL);
    a.options.skippable = b.options.skippable = true;
}

static void teardown(void)
{
    kit_machine_close(&a);
    kit_machine_close(&b);
    kit_world_close();
}

static const struct rky_transfer_report *uploaded(void)
{
    const struct rky_transfer_report *report = rky_sync_report(a.sync, RKY_TRANSFER_UPLOAD);
    ck_assert_ptr_nonnull(report);
    return report;
}

static void upload_ok(const struct rky_sync_callbacks *callbacks)
{
    kit_upload(&a, callbacks, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    /* What is reported as done is in the chain. */
    bool found = false;
    for (size_t i = 0; i < kit_chain_length(); i++)
        found = found || (strcmp(kit_chain_at(i)->write_id, uploaded()->write_id) == 0 &&
                          kit_chain_at(i)->generation == uploaded()->generation);
    ck_assert(found);
}

/* a's job up to the upload, on top of one that is in sync. */
static void job_in_hand(const char *id)
{
    kit_whole_job(&a, "first", "w.s.t", "1");
    kit_begin_job(&a, id);
    (void)kit_write(&a, id, id, "w.s.t", "2", rky_sync_token(a.sync));
}

/* The next machine sees these runs, in one chain of so many writes. */
static void expect_remote(size_t writes, const char *const *runs)
{
    ck_assert_uint_eq(kit_chain_length(), writes);
    kit_expect_chain();
    kit_begin_job(&b, "look");
    for (size_t i = 0; runs[i] != NULL; i++)
        ck_assert_msg(kit_has_run(&b, runs[i]), "run '%s' is lost", runs[i]);
    kit_end_job(&b);
}
#define expect_runs(writes, ...) expect_remote(writes, (const char *const[]){__VA_ARGS__, NULL})

/* --- nothing to do -------------------------------------------------------------------------------
 */

START_TEST(test_a_job_answered_from_a_warm_copy_makes_no_call_at_all)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    rky_sync_free(a.sync);
    a.sync = NULL;
    int64_t calls = kit_calls(&a, RKY_MEMORY_OPS);
    assert_ok(rky_sync_new(&a.options, &a.sync, assert_err_));
    assert_ok(rky_sync_lock_here(a.sync, assert_err_));
    ck_assert(rky_sync_is_warm(a.sync));
    ck_assert(kit_has_job(&a, "one"));
    assert_ok(rky_sync_upload(a.sync, NULL, assert_err_));
    rky_sync_keep_version(a.sync);
    ck_assert_ptr_null(rky_sync_report(a.sync, RKY_TRANSFER_UPLOAD));
    ck_assert_ptr_null(rky_sync_report(a.sync, RKY_TRANSFER_DOWNLOAD));
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), calls);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_command_that_wrote_nothing_puts_nothing)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_begin_job(&a, "");
    int64_t calls = kit_calls(&a, RKY_MEMORY_OPS);
    upload_ok(NULL);
    ck_assert(uploaded()->unchanged);
    ck_assert_int_eq(uploaded()->bytes, 0);
    ck_assert_uint_eq(uploaded()->leg_count, 0);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), calls);
    kit_end_job(&a);
    expect_runs(1, "one");
}
END_TEST

START_TEST(test_nor_does_one_that_could_not_read_the_remote_at_first)
{
    /* In sync, and then somebody built on it. */
    for (int behind = 0; behind < 2; behind++) {
        if (behind == 0)
            kit_whole_job(&a, "one", "w.s.t", "1");
        else
            kit_whole_job(&b, "two", "w.s.t", "2");
        int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
        kit_break(a.durable, RKY_MEMORY_OPS, 1, 1, false, RKY_ERR_CONNECTION, "refused");
        kit_begin_job(&a, "");
        ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_FRESH);
        upload_ok(NULL);
        ck_assert(uploaded()->unchanged);
        ck_assert_int_eq(uploaded()->generation, behind + 1);
        ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts);
        ck_assert(rky_sync_is_confirmed(a.sync));
        rky_remote_memory_mend(a.durable);
        kit_end_job(&a);
    }
    expect_runs(2, "one", "two");
}
END_TEST

/* --- policy --------------------------------------------------------------------------------------
 */

START_TEST(test_skip_keeps_the_copy_pending_and_says_why)
{
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_UNAVAILABLE, "throttled");
    kit_upload(&a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_SKIP);
    ck_assert_str_eq(uploaded()->error_class, "throttled");
    ck_assert_int_eq(uploaded()->generation, 2);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    ck_assert_uint_eq(kit_chain_length(), 1);
    kit_whole_job(&a, "three", "w.s.t", "3");
    expect_runs(2, "first", "two", "three");
}
END_TEST

START_TEST(test_fail_fails_and_the_next_job_carries_it_on)
{
    a.config.on_upload_failure = RKY_FAILURE_FAIL;
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    kit_upload(&a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_TRANSIENT_EXHAUSTED, RKY_OUTCOME_NONE);
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_FAIL);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    kit_whole_job(&a, "three", "w.s.t", "3");
    expect_runs(2, "first", "two", "three");
}
END_TEST

START_TEST(test_skip_is_not_for_commands_and_what_they_wrote_is_discarded)
{
    a.options.skippable = false;
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    kit_upload(&a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_TRANSIENT_EXHAUSTED, RKY_OUTCOME_NONE);
    rky_sync_discard(a.sync);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    kit_begin_job(&a, "");
    ck_assert(kit_has_run(&a, "first") && !kit_has_run(&a, "two"));
    kit_end_job(&a);
    expect_runs(1, "first");
}
END_TEST

START_TEST(test_a_missing_permission_is_not_skipped)
{
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_AUTH, "permission");
    kit_upload(&a, NULL, RKY_ERR_STATE_SYNC, RKY_OUTCOME_ERROR, RKY_OUTCOME_NONE);
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_FAIL);
    ck_assert_str_eq(uploaded()->error_class, "permission");
    ck_assert_int_eq(uploaded()->legs[0].attempts, 1);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_an_open_breaker_makes_no_call_and_is_skipped_as_such)
{
    kit_machine_close(&a);
    kit_machine_open(&a, "a", &(struct kit_machine_options){.max_retries = 0});
    a.options.skippable = true;
    job_in_hand("two");
    struct rky_store_leg legs[RKY_STORE_LEGS];
    ck_assert_uint_eq(rky_store_legs(a.store, legs), 1);
    rky_breaker_free(legs[0].leg->breaker);
    legs[0].leg->breaker = rky_breaker_new(1, 0, rky_clock_real());
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_upload(&a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_int_eq(uploaded()->breaker, RKY_BREAKER_OPEN);
    kit_end_job(&a);
    int64_t calls = kit_calls(&a, RKY_MEMORY_OPS);
    kit_begin_job(&a, "three");
    ck_assert_int_eq(rky_sync_report(a.sync, RKY_TRANSFER_DOWNLOAD)->cause,
                     RKY_OUTCOME_CIRCUIT_OPEN);
    (void)kit_write(&a, "three", "three", "w.s.t", "3", 3);
    kit_upload(&a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE, RKY_OUTCOME_CIRCUIT_OPEN);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), calls);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    rky_store_reset_breakers(a.store);
    kit_whole_job(&a, "four", "w.s.t", "4");
    expect_runs(2, "first", "two", "three", "four");
}
END_TEST

/* --- lost answers --------------------------------------------------------------------------------
 */

START_TEST(test_a_commit_whose_answer_was_lost_is_recovered_not_repeated)
{
    kit_machine_close(&a);
    kit_machine_open(&a, "a", &(struct kit_machine_options){.max_retries = 2});
    job_in_hand("two");
    int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
    kit_break(a.durable, RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, "reset");
    upload_ok(NULL);
    ck_assert(uploaded()->recovered);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts + 1);
    kit_end_job(&a);
    kit_begin_job(&a, "three");
    ck_assert(rky_sync_report(a.sync, RKY_TRANSFER_DOWNLOAD)->unchanged);
    kit_end_job(&a);
    expect_runs(2, "first", "two");
}
END_TEST

START_TEST(test_a_commit_nobody_can_tell_of_is_pending_and_recognised_when_it_did_land)
{
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, true, RKY_ERR_CONNECTION, "reset");
    kit_break(a.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_upload(&a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert(uploaded()->commit_unknown);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    ck_assert_uint_eq(kit_chain_length(), 2);
    kit_whole_job(&a, "three", "w.s.t", "3");
    expect_runs(3, "first", "two", "three");
    ck_assert_str_eq(kit_chain_at(2)->ancestors[0], kit_chain_at(1)->write_id);
}
END_TEST

static struct rky_remote_object late;

static void land_late(void *context, enum rky_memory_op op, int64_t number)
{
    struct rky_snapshot_head head;
    (void)context, (void)number;
    if (op != RKY_MEMORY_PUT || late.body == NULL)
        return;
    /* As the server would have done it, metadata and all, on the version it was meant for. */
    assert_ok(rky_snapshot_peek(late.body, late.length, &head, assert_err_));
    kit_land(late.body, late.length, &head);
    rky_remote_object_done(&late);
    late = (struct rky_remote_object){0};
}

START_TEST(test_a_write_that_lands_while_the_next_job_commits_is_no_foreign_winner)
{
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, true, RKY_ERR_CONNECTION, "reset");
    kit_break(a.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    struct rky_remote_object before;
    kit_look(false, &before);
    kit_upload(&a, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    /* It did not land yet. */
    kit_look(false, &late);
    kit_put_back(&before);
    kit_chain_forget();
    kit_begin_job(&a, "three");
    ck_assert(rky_sync_report(a.sync, RKY_TRANSFER_DOWNLOAD)->unchanged);
    (void)kit_write(&a, "three", "three", "w.s.t", "3", rky_sync_token(a.sync));
    rky_remote_memory_on_call(a.durable, land_late, NULL);
    upload_ok(NULL);
    kit_end_job(&a);
    /* Noted: the late one and what was built on it. */
    expect_runs(2, "first", "two", "three");
    rky_remote_object_done(&before);
}
END_TEST

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
    kit_begin_job(&b, name);
    (void)kit_write(&b, id, name, "w.s.other", id, other.fence);
    kit_upload(&b, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&b);
}

static void others_come_first(int times)
{
    other.times = times;
    rky_remote_memory_on_call(a.durable, be_first, NULL);
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
    job_in_hand("two");
    int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
    others_come_first(_i);
    upload_ok(&callbacks);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts + 1 + _i);
    ck_assert_int_eq(uploaded()->generation, 2 + _i);
    ck_assert_int_eq(told.renumbered, _i);
    ck_assert_int_eq(told.generation, 2 + _i);
    ck_assert_int_eq(told.asked, 0); /* nobody's fence was above ours */
    kit_expect_watermark(&a, "w.s.t", "2");
    kit_expect_watermark(&a, "w.s.other", _i == 1 ? "other-1" : "other-2");
    ck_assert(kit_has_job(&a, "two") && kit_has_job(&a, "other-1"));
    rky_sync_keep_version(a.sync);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_versions(), 1);
    expect_runs((size_t)(2 + _i), "first", "two", "other-1");
}
END_TEST

START_TEST(test_a_third_writer_in_between_is_a_conflict_that_no_policy_swallows)
{
    job_in_hand("two");
    int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
    others_come_first(3);
    kit_upload(&a, NULL, RKY_ERR_CONFLICT, RKY_OUTCOME_CONFLICT, RKY_OUTCOME_NONE);
    ck_assert_str_eq(uploaded()->error_class, "conflict");
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts + 3);
    rky_sync_keep_version(a.sync);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_versions(), 0);
    /* What this machine knows waits for its next job. */
    kit_whole_job(&a, "three", "w.s.t", "3");
    expect_runs(5, "first", "two", "three", "other-1", "other-2", "other-3");
}
END_TEST

START_TEST(test_the_winners_word_on_tables_that_are_not_ours_stands)
{
    /* Both wrote the same table, with the same time: not ours, so the winner's row is kept. */
    kit_whole_job(&a, "first", "w.s.other", "1");
    kit_begin_job(&a, "two");
    (void)kit_write(&a, "two", "two", "w.s.other", "mine", rky_sync_token(a.sync));
    others_come_first(1);
    upload_ok(NULL);
    kit_expect_watermark(&a, "w.s.other", "other-1");
    kit_end_job(&a);
}
END_TEST

START_TEST(test_the_row_of_a_table_that_this_run_wrote_wins_the_merge)
{
    const char *const own[] = {"w.s.other", NULL};
    const struct rky_sync_callbacks callbacks = {.own_tables = own};
    kit_whole_job(&a, "first", "w.s.other", "1");
    kit_begin_job(&a, "two");
    (void)kit_write(&a, "two", "two", "w.s.other", "mine", rky_sync_token(a.sync));
    others_come_first(1);
    upload_ok(&callbacks);
    kit_expect_watermark(&a, "w.s.other", "mine");
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_winner_that_recorded_our_job_is_believed)
{
    job_in_hand("two");
    other.id = "two";
    int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
    others_come_first(1);
    upload_ok(NULL);
    ck_assert(rky_sync_was_adopted(a.sync));
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts + 1);
    ck_assert(uploaded()->unchanged);
    ck_assert_str_eq(uploaded()->write_id, kit_chain_at(1)->write_id);
    ck_assert_str_eq(kit_meta(&a).write_id, kit_chain_at(1)->write_id);
    ck_assert(kit_has_run(&a, "other-1") && !kit_has_run(&a, "two"));
    /* The write that lost is no version of this state. */
    rky_sync_keep_version(a.sync);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_versions(), 0);
    expect_runs(2, "first", "other-1");
}
END_TEST

START_TEST(test_a_winner_with_a_greater_fence_is_asked_about_the_claims)
{
    struct told told = {.answer = _i == 0 ? 0 : RKY_ERR_FENCED};
    const struct rky_sync_callbacks callbacks = {.claims_held = claims_held, .context = &told};
    job_in_hand("two");
    other.fence = 40;
    others_come_first(1);
    if (_i == 0) {
        upload_ok(&callbacks);
        kit_end_job(&a);
        expect_runs(3, "first", "two", "other-1");
        ck_assert_int_eq(kit_chain_at(2)->fence, 40);
    } else {
        kit_upload(&a, &callbacks, RKY_ERR_FENCED, RKY_OUTCOME_CONFLICT, RKY_OUTCOME_NONE);
        ck_assert_str_eq(uploaded()->error_class, "fenced");
        ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_REQUEUE);
        rky_sync_discard(a.sync);
        kit_end_job(&a);
        expect_runs(2, "first", "other-1");
    }
    ck_assert_int_eq(told.asked, 1);
}
END_TEST

START_TEST(test_a_state_created_anew_by_somebody_else_is_not_merged)
{
    struct kit_machine c;
    struct rky_remote_object object;
    job_in_hand("two");
    kit_look(false, &object);
    kit_force(false, NULL, 0, NULL);
    kit_chain_forget();
    kit_machine_open(&c, "c", NULL);
    kit_whole_job(&c, "stranger", "w.s.t", "9");
    kit_upload(&a, NULL, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, RKY_OUTCOME_NONE);
    ck_assert_str_eq(uploaded()->error_class, "lineage");
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_FAIL);
    kit_end_job(&a);
    kit_machine_close(&c);
    rky_remote_object_done(&object);
    expect_runs(1, "stranger");
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
    job_in_hand("two");
    int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
    rky_remote_memory_on_call(a.durable, delete_it, NULL);
    upload_ok(NULL);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts + 2);
    ck_assert_int_eq(uploaded()->generation, 2);
    kit_end_job(&a);
    expect_runs(2, "first", "two");
}
END_TEST

START_TEST(test_a_state_that_is_gone_when_it_can_be_read_again_keeps_counting)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_whole_job(&a, "two", "w.s.t", "2");
    kit_break(a.durable, RKY_MEMORY_OPS, 1, 1, false, RKY_ERR_CONNECTION, "refused");
    kit_force(false, NULL, 0, NULL);
    kit_begin_job(&a, "three");
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_FRESH);
    (void)kit_write(&a, "three", "three", "w.s.t", "3", rky_sync_token(a.sync));
    upload_ok(NULL);
    kit_end_job(&a);
    expect_runs(3, "one", "two", "three");
}
END_TEST

START_TEST(test_after_a_failed_download_nothing_is_put_before_the_remote_was_read)
{
    kit_whole_job(&b, "theirs", "w.s.theirs", "5");
    kit_break(a.durable, RKY_MEMORY_GET, 1, 1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&a, "mine");
    (void)kit_write(&a, "mine", "mine", "w.s.mine", "6", 9);
    struct rky_ledger *ledger = rky_sync_ledger(a.sync);
    kit_begin(ledger);
    assert_ok(rky_ledger_set_lineage(ledger, kit_chain_at(0)->lineage, assert_err_));
    (void)kit_commit(ledger);
    upload_ok(NULL);
    ck_assert_int_eq(uploaded()->generation, 2);
    kit_end_job(&a);
    expect_runs(2, "theirs", "mine");
}
END_TEST

/* --- leases --------------------------------------------------------------------------------------
 */

static void open_with_leases(int64_t ttl_seconds, enum rky_lock_mode mode)
{
    kit_machine_close(&a);
    kit_machine_open(&a, "a",
                     &(struct kit_machine_options){
                         .leases = true, .ttl_seconds = ttl_seconds, .lock_mode = mode});
    a.options.skippable = true;
}

START_TEST(test_a_lease_lost_before_the_put_is_the_end_without_a_put)
{
    struct rky_lease_holder holder = {0};
    struct rky_transfer transfer = {.clock = rky_clock_real()};
    struct rky_error err = {0};
    open_with_leases(30, RKY_LOCK_PREFER);
    job_in_hand("two");
    int64_t puts = kit_calls(&a, RKY_MEMORY_PUT);
    assert_ok(rky_sync_check(a.sync, assert_err_));
    assert_ok(a.leases->ops->inspect(a.leases, KIT_NAMESPACE, &transfer, &holder, assert_err_));
    assert_ok(a.leases->ops->break_(a.leases, KIT_NAMESPACE, &holder, &transfer, assert_err_));
    ck_assert_int_eq(rky_sync_raise(a.sync, 50, &err), RKY_ERR_FENCED);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_sync_check(a.sync, &err), RKY_ERR_FENCED);
    kit_upload(&a, NULL, RKY_ERR_FENCED, RKY_OUTCOME_CONFLICT, RKY_OUTCOME_NONE);
    ck_assert_str_eq(uploaded()->error_class, "fenced");
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_PUT), puts);
    rky_sync_discard(a.sync);
    kit_end_job(&a);
    expect_runs(1, "first");
}
END_TEST

START_TEST(test_a_lease_gives_tokens_above_everything_that_was_used)
{
    open_with_leases(30, RKY_LOCK_PREFER);
    kit_begin_job(&a, "one");
    ck_assert_int_eq(rky_sync_token(a.sync), 1);
    (void)kit_write(&a, "one", "one", "w.s.t", "1", 70);
    upload_ok(NULL);
    kit_end_job(&a);
    /* The server forgot everything; the snapshot did not. */
    kit_machine_close(&a);
    kit_machine_open(&a, "fresh", &(struct kit_machine_options){.leases = true});
    kit_begin_job(&a, "two");
    ck_assert_int_eq(rky_sync_token(a.sync), 71);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_lease_that_somebody_holds_is_waited_for_and_then_named)
{
    struct rky_lease_holder holder = {.worker_id = "worker-9", .nonce = "n"}, seen = {0};
    struct rky_transfer transfer = {.clock = rky_clock_real()};
    struct rky_error err = {0};
    open_with_leases(30, RKY_LOCK_REQUIRE);
    assert_ok(a.leases->ops->take(a.leases, KIT_NAMESPACE, &holder, 0, 60000, &transfer, &seen,
                                  assert_err_));
    a.options = (struct rky_sync_options){.store = a.store,
                                          .workspace = a.workspace,
                                          .worker_id = "worker-1",
                                          .run_id = "",
                                          .job_id = "",
                                          .clock = rky_clock_real()};
    assert_ok(rky_sync_new(&a.options, &a.sync, assert_err_));
    ck_assert_int_eq(rky_sync_lock(a.sync, &err), RKY_ERR_LOCKED);
    ck_assert_ptr_nonnull(strstr(err.message, "worker-9"));
    kit_end_job(&a);
}
END_TEST

START_TEST(test_an_interrupted_upload_goes_back_to_the_queue)
{
    static _Atomic bool stop;
    kit_machine_close(&a);
    kit_machine_open(&a, "a", &(struct kit_machine_options){.max_retries = 3});
    a.options.skippable = true;
    a.options.stop = &stop;
    job_in_hand("two");
    kit_break(a.durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    atomic_store(&stop, true);
    struct rky_error err = {0};
    int rc = rky_sync_upload(a.sync, NULL, &err);
    ck_assert_int_ne(rc, 0);
    ck_assert_int_eq(rky_sync_sequel(a.sync), RKY_SEQUEL_REQUEUE);
    kit_end_job(&a);
    atomic_store(&stop, false);
    rky_remote_memory_mend(a.durable);
    kit_whole_job(&a, "three", "w.s.t", "3");
    expect_runs(2, "first", "two", "three");
}
END_TEST

/* --- versions ------------------------------------------------------------------------------------
 */

START_TEST(test_versions_are_kept_and_pruned_by_number_and_age)
{
    a.config.history_keep_last = 3;
    a.config.history_keep_days = 7;
    for (int i = 1; i <= 33; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "job-%d", i);
        kit_begin_job(&a, id);
        (void)kit_write(&a, id, id, NULL, NULL, rky_sync_token(a.sync));
        upload_ok(NULL);
        if (i == 20) /* from now on everything is too old */
            a.config.history_keep_days = -1;
        rky_sync_keep_version(a.sync);
        rky_sync_keep_version(a.sync); /* nothing is left to keep */
        kit_end_job(&a);
        /* Looked at every sixteenth generation; never fewer than the newest three. */
        ck_assert_uint_eq(kit_versions(), (size_t)(i < 32 ? i : 3 + i - 32));
    }
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_version_that_cannot_be_kept_changes_nothing)
{
    kit_begin_job(&a, "one");
    (void)kit_write(&a, "one", "one", NULL, NULL, 1);
    upload_ok(NULL);
    kit_break(a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "reset");
    int64_t calls = kit_calls(&a, RKY_MEMORY_OPS);
    rky_sync_keep_version(a.sync);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), calls + 1);
    ck_assert_int_eq(uploaded()->outcome, RKY_OUTCOME_OK);
    kit_end_job(&a);
    rky_remote_memory_mend(a.durable);
    a.config.history_keep_last = a.config.history_keep_days = 0;
    kit_begin_job(&a, "two");
    (void)kit_write(&a, "two", "two", NULL, NULL, 2);
    upload_ok(NULL);
    calls = kit_calls(&a, RKY_MEMORY_OPS);
    rky_sync_keep_version(a.sync);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), calls);
    kit_end_job(&a);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, test_a_job_answered_from_a_warm_copy_makes_no_call_at_all);
    tcase_add_test(tests, test_a_command_that_wrote_nothing_puts_nothing);
    tcase_add_test(tests, test_nor_does_one_that_could_not_read_the_remote_at_first);
    tcase_add_test(tests, test_skip_keeps_the_copy_pending_and_says_why);
    tcase_add_test(tests, test_fail_fails_and_the_next_job_carries_it_on);
    tcase_add_test(tests, test_skip_is_not_for_commands_and_what_they_wrote_is_discarded);
    tcase_add_test(tests, test_a_missing_permission_is_not_skipped);
    tcase_add_test(tests, test_an_open_breaker_makes_no_call_and_is_skipped_as_such);
    tcase_add_test(tests, test_a_commit_whose_answer_was_lost_is_recovered_not_repeated);
    tcase_add_test(tests,
                   test_a_commit_nobody_can_tell_of_is_pending_and_recognised_when_it_did_land);
    tcase_add_test(tests, test_a_write_that_lands_while_the_next_job_commits_is_no_foreign_winner);
    tcase_add_loop_test(tests, test_a_writer_in_between_is_merged_once_or_twice, 1, 3);
    tcase_add_test(tests, test_a_third_writer_in_between_is_a_conflict_that_no_policy_swallows);
    tcase_add_test(tests, test_the_winners_word_on_tables_that_are_not_ours_stands);
    tcase_add_test(tests, test_the_row_of_a_table_that_this_run_wrote_wins_the_merge);
    tcase_add_test(tests, test_a_winner_that_recorded_our_job_is_believed);
    tcase_add_loop_test(tests, test_a_winner_with_a_greater_fence_is_asked_about_the_claims, 0, 2);
    tcase_add_test(tests, test_a_state_created_anew_by_somebody_else_is_not_merged);
    tcase_add_test(tests, test_a_state_deleted_under_us_is_created_once_more);
    tcase_add_test(tests, test_a_state_that_is_gone_when_it_can_be_read_again_keeps_counting);
    tcase_add_test(tests, test_after_a_failed_download_nothing_is_put_before_the_remote_was_read);
    tcase_add_test(tests, test_a_lease_lost_before_the_put_is_the_end_without_a_put);
    tcase_add_test(tests, test_a_lease_gives_tokens_above_everything_that_was_used);
    tcase_add_test(tests, test_a_lease_that_somebody_holds_is_waited_for_and_then_named);
    tcase_add_test(tests, test_an_interrupted_upload_goes_back_to_the_queue);
    tcase_add_test(tests, test_versions_are_kept_and_pruned_by_number_and_age);
    tcase_add_test(tests, test_a_version_that_cannot_be_kept_changes_nothing);
}

static Suite *suite(void)
{
    Suite *suite = suite_create("sync_upload");
    TCase *tests = tcase_create("sync_upload");
    tcase_add_checked_fixture(tests, setup, teardown);
    add_tests(tests);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
