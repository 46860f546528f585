/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The download: how the copy at hand and what the remote holds may stand to each other, and every
 * way a remote may fail to say. Each test has the machines it needs and one store.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/sync_kit.h"

static struct kit_machine a, b;

static void setup(void)
{
    kit_world_open();
    kit_machine_open(&a, "a", NULL);
    kit_machine_open(&b, "b", NULL);
}

static void teardown(void)
{
    kit_machine_close(&a);
    kit_machine_close(&b);
    kit_world_close();
}

static void reopen_both(const struct kit_machine_options *options)
{
    kit_machine_close(&a);
    kit_machine_close(&b);
    kit_machine_open(&a, "a", options);
    kit_machine_open(&b, "b", options);
}

static const struct rky_transfer_report *
downloaded(const struct kit_machine *machine, enum rky_outcome outcome, enum rky_outcome cause)
{
    const struct rky_transfer_report *report =
        rky_sync_report(machine->sync, RKY_TRANSFER_DOWNLOAD);
    ck_assert_ptr_nonnull(report);
    ck_assert_str_eq(rky_outcome_name(report->outcome), rky_outcome_name(outcome));
    ck_assert_int_eq(report->cause, cause);
    ck_assert_str_eq(report->namespace_, KIT_NAMESPACE);
    ck_assert_ptr_nonnull(report->uri);
    ck_assert_int_ge(report->duration_ms, 0);
    ck_assert_int_lt(report->duration_ms, 60000);
    return report;
}

static const struct rky_transfer_report *download_fails(struct kit_machine *machine, int code,
                                                        enum rky_outcome outcome,
                                                        const char *error_class,
                                                        enum rky_transfer_sequel sequel)
{
    struct rky_error err = {0};
    int rc = rky_sync_download(machine->sync, &err);
    ck_assert_msg(rc == code, "%s, expected %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_int_eq(err.code, code);
    const struct rky_transfer_report *report = downloaded(machine, outcome, RKY_OUTCOME_NONE);
    ck_assert_str_eq(report->error_class, error_class);
    ck_assert_ptr_nonnull(report->error);
    ck_assert_int_eq(rky_sync_sequel(machine->sync), sequel);
    return report;
}

/* a run of `machine` whose upload the store does not answer: the copy is pending. */
static void pending_job(struct kit_machine *machine, const char *id, const char *table,
                        const char *value)
{
    machine->options.skippable = true;
    kit_begin_job(machine, id);
    kit_break(machine->durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    (void)kit_write(machine, id, id, table, value, rky_sync_token(machine->sync));
    kit_upload(machine, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
               RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_int_eq(rky_sync_sequel(machine->sync), RKY_SEQUEL_SKIP);
    kit_end_job(machine);
    rky_remote_memory_mend(machine->durable);
}

static void forget_base(const struct kit_machine *machine)
{
    char command[8500];
    (void)snprintf(command, sizeof(command), "rm -f '%s'/acme.copies/*.base", machine->directory);
    ck_assert_int_eq(system(command), 0);
}

static const char *copies_of(const struct kit_machine *machine)
{
    static char path[4300];
    (void)snprintf(path, sizeof(path), "%s/acme.copies", machine->directory);
    return path;
}

static const char *refused_of(const struct kit_machine *machine)
{
    static char path[4300];
    (void)snprintf(path, sizeof(path), "%s/acme.refused", machine->directory);
    return path;
}

/* --- relations -----------------------------------------------------------------------------------
 */

START_TEST(test_an_empty_remote_is_a_first_run)
{
    kit_begin_job(&a, "job-1");
    const struct rky_transfer_report *report = downloaded(&a, RKY_OUTCOME_ABSENT, RKY_OUTCOME_NONE);
    ck_assert_int_eq(report->bytes, 0);
    ck_assert_uint_eq(report->leg_count, 1);
    ck_assert_str_eq(report->legs[0].leg, "s3");
    ck_assert_int_eq(report->legs[0].attempts, 1);
    ck_assert(rky_sync_is_confirmed(a.sync));
    ck_assert_int_eq(kit_meta(&a).generation, 0);
    ck_assert_int_eq(rky_sync_token(a.sync), 1);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), 1);
    ck_assert_int_eq(kit_write(&a, "run-1", "job-1", "w.s.t", "1", 1), 1);
    kit_upload(&a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_chain_length(), 1);
    ck_assert_int_eq(kit_chain_at(0)->generation, 1);
    ck_assert_int_eq(kit_chain_at(0)->fence, 1);
}
END_TEST

START_TEST(test_a_copy_in_sync_is_confirmed_without_its_body)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    int64_t calls = kit_calls(&a, RKY_MEMORY_OPS);
    kit_lock_job(&a, "two");
    ck_assert(rky_sync_is_warm(a.sync));
    assert_ok(rky_sync_download(a.sync, assert_err_));
    const struct rky_transfer_report *report = downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(report->unchanged);
    ck_assert_int_eq(report->bytes, 0);
    ck_assert_int_eq(report->generation, 1);
    ck_assert_int_eq(report->fence, 1);
    ck_assert_str_eq(report->write_id, kit_chain_at(0)->write_id);
    ck_assert(rky_sync_is_confirmed(a.sync));
    ck_assert_int_eq(rky_sync_token(a.sync), 2);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), calls + 1);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_the_same_holds_for_the_next_process_on_the_machine)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_machine_restart(&a);
    kit_begin_job(&a, "two");
    ck_assert(downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->unchanged);
    kit_end_job(&a);
    /* What the remote last held is only a hint: without it the body comes again. */
    forget_base(&a);
    kit_machine_restart(&a);
    kit_begin_job(&a, "two");
    const struct rky_transfer_report *report = downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(!report->unchanged);
    ck_assert_int_gt(report->bytes, 0);
    ck_assert(kit_has_run(&a, "one"));
    ck_assert_uint_eq(kit_files(copies_of(&a), ".db"), 1);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_copy_behind_is_replaced_whole)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_whole_job(&b, "two", "w.s.t", "2");
    kit_begin_job(&a, "three");
    const struct rky_transfer_report *report = downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(!report->unchanged);
    ck_assert_int_eq(report->generation, 2);
    ck_assert_int_eq(report->fence, 2);
    ck_assert_int_gt(report->bytes, 0);
    ck_assert_int_gt(report->raw_bytes, report->bytes);
    ck_assert_str_eq(report->sha256, kit_chain_at(1)->raw_sha256);
    ck_assert(kit_has_run(&a, "one") && kit_has_run(&a, "two"));
    kit_expect_watermark(&a, "w.s.t", "2");
    ck_assert_str_eq(kit_meta(&a).write_id, kit_chain_at(1)->write_id);
    ck_assert_uint_eq(kit_files(copies_of(&a), ".db"), 1);
    ck_assert_int_eq(rky_sync_token(a.sync), 3);
    kit_end_job(&a);
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_pending_copy_goes_on_and_is_the_next_generation)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    pending_job(&a, "two", "w.s.t", "2");
    ck_assert_uint_eq(kit_chain_length(), 1);
    kit_begin_job(&a, "three");
    ck_assert(downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->unchanged);
    char pending[RKY_UUID_TEXT];
    memcpy(pending, kit_meta(&a).write_id, sizeof(pending));
    kit_expect_watermark(&a, "w.s.t", "2");
    (void)kit_write(&a, "three", "three", "w.s.t", "3", rky_sync_token(a.sync));
    kit_upload(&a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_chain_length(), 2);
    kit_expect_chain();
    ck_assert(rky_snapshot_derives(kit_chain_at(1), pending));
    kit_begin_job(&b, "look");
    ck_assert(kit_has_run(&b, "one") && kit_has_run(&b, "two") && kit_has_run(&b, "three"));
    kit_end_job(&b);
}
END_TEST

START_TEST(test_a_pending_copy_whose_base_was_forgotten_is_renumbered_at_the_download)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    pending_job(&a, "two", "w.s.t", "2");
    pending_job(&a, "three", "w.s.t", "3");
    forget_base(&a);
    kit_machine_restart(&a);
    kit_lock_job(&a, "four");
    char pending[RKY_UUID_TEXT];
    memcpy(pending, kit_meta(&a).write_id, sizeof(pending));
    ck_assert(!rky_sync_is_warm(a.sync));
    assert_ok(rky_sync_download(a.sync, assert_err_));
    /* The report tells of what came, not of what was made of it. */
    ck_assert_int_eq(downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->generation, 1);
    struct rky_ledger_meta meta = kit_meta(&a);
    ck_assert_int_eq(meta.generation, 1);
    ck_assert_str_ne(meta.write_id, pending);
    ck_assert_str_eq(meta.ancestors[0], kit_chain_at(0)->write_id);
    ck_assert_str_eq(meta.ancestors[1], pending);
    kit_expect_watermark(&a, "w.s.t", "3");
    /* Even a fence that only the copy knows is not used again. */
    ck_assert_int_gt(rky_sync_token(a.sync), meta.fence);
    (void)kit_write(&a, "four", "four", NULL, NULL, rky_sync_token(a.sync));
    kit_upload(&a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_chain_length(), 2);
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_forked_copy_is_merged_and_nothing_of_either_side_is_lost)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_begin_job(&b, "look");
    kit_end_job(&b);
    pending_job(&a, "mine", "w.s.mine", "10");
    kit_whole_job(&b, "theirs", "w.s.theirs", "20");
    char pending[RKY_UUID_TEXT];
    kit_lock_job(&a, "four");
    memcpy(pending, kit_meta(&a).write_id, sizeof(pending));
    assert_ok(rky_sync_download(a.sync, assert_err_));
    (void)downloaded(&a, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&a, "one") && kit_has_run(&a, "mine") && kit_has_run(&a, "theirs"));
    ck_assert(kit_has_job(&a, "mine") && kit_has_job(&a, "theirs"));
    kit_expect_watermark(&a, "w.s.mine", "10");
    kit_expect_watermark(&a, "w.s.theirs", "20");
    struct rky_ledger_meta meta = kit_meta(&a);
    ck_assert_int_eq(meta.generation, 2);
    ck_assert_str_eq(meta.ancestors[0], kit_chain_at(1)->write_id);
    ck_assert_str_eq(meta.ancestors[1], pending);
    ck_assert_uint_eq(kit_files(copies_of(&a), ".db"), 1);
    (void)kit_write(&a, "four", "four", NULL, NULL, rky_sync_token(a.sync));
    kit_upload(&a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_chain_length(), 3);
    kit_expect_chain();
}
END_TEST

START_TEST(test_a_copy_of_another_lineage_has_nothing_to_do_with_this_state)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    pending_job(&a, "two", "w.s.t", "2");
    kit_force(false, NULL, 0, NULL);
    kit_chain_forget();
    kit_whole_job(&b, "other", "w.s.t", "7");
    kit_begin_job(&a, "three");
    ck_assert_str_eq(kit_meta(&a).lineage, kit_chain_at(0)->lineage);
    ck_assert(!kit_has_run(&a, "one") && !kit_has_run(&a, "two") && kit_has_run(&a, "other"));
    kit_expect_watermark(&a, "w.s.t", "7");
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_wiped_remote_is_created_again_from_the_copy)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_whole_job(&a, "two", "w.s.t", "2");
    kit_force(false, NULL, 0, NULL);
    kit_begin_job(&a, "three");
    (void)downloaded(&a, RKY_OUTCOME_ABSENT, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&a, "one"));
    (void)kit_write(&a, "three", "three", "w.s.t", "3", rky_sync_token(a.sync));
    kit_upload(&a, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_chain_length(), 3);
    kit_expect_chain();
}
END_TEST

/* --- two tiers -----------------------------------------------------------------------------------
 */

static const struct kit_machine_options tiered = {.tiered = true};

START_TEST(test_a_cached_copy_that_the_store_confirms_is_taken)
{
    reopen_both(&tiered);
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_begin_job(&b, "two");
    (void)downloaded(&b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&b, "one"));
    ck_assert(rky_sync_is_confirmed(b.sync));
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_GET), 0);
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_HEAD), 1);
    kit_end_job(&b);
    /* Warm: one HEAD, and no body from either. */
    kit_begin_job(&b, "three");
    ck_assert(downloaded(&b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE)->unchanged);
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_GET), 0);
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_HEAD), 2);
    kit_end_job(&b);
}
END_TEST

START_TEST(test_a_stale_cached_copy_is_replaced_by_the_stores)
{
    struct rky_remote_object old;
    reopen_both(&tiered);
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_look(true, &old);
    kit_whole_job(&a, "two", "w.s.t", "2");
    kit_force(true, old.body, old.length, old.etag);
    rky_remote_object_done(&old);
    kit_begin_job(&b, "three");
    (void)downloaded(&b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&b, "two"));
    ck_assert(rky_sync_is_confirmed(b.sync));
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_GET), 1);
    kit_look(true, &old);
    ck_assert_mem_ne(old.etag, "\"1\"", 4);
    rky_remote_object_done(&old);
    kit_end_job(&b);
}
END_TEST

START_TEST(test_a_cached_copy_that_outlived_its_store_creates_it_again)
{
    reopen_both(&tiered);
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_force(false, NULL, 0, NULL);
    for (int round = 0; round < 2; round++) {
        /* First a machine that has no copy of its own, then one that has. */
        struct kit_machine *machine = round == 0 ? &b : &a;
        int64_t puts = kit_calls(machine, RKY_MEMORY_PUT);
        kit_begin_job(machine, "two");
        (void)downloaded(machine, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
        ck_assert(kit_has_run(machine, "one"));
        (void)kit_write(machine, round == 0 ? "two" : "three", "", "w.s.t", "2",
                        rky_sync_token(machine->sync));
        kit_upload(machine, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
        ck_assert_int_eq(kit_calls(machine, RKY_MEMORY_PUT), puts + 1);
        kit_end_job(machine);
        kit_expect_chain();
        if (round == 0)
            kit_whole_job(&a, "between", "w.s.t", "2");
        kit_force(false, NULL, 0, NULL);
    }
}
END_TEST

START_TEST(test_a_cached_copy_serves_while_the_store_does_not_answer)
{
    reopen_both(&tiered);
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_break(b.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&b, "two");
    const struct rky_transfer_report *report = downloaded(&b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    bool failed = false;
    for (size_t i = 0; i < report->leg_count; i++)
        failed = failed || (strcmp(report->legs[i].leg, "s3") == 0 && report->legs[i].failed);
    ck_assert(failed);
    ck_assert_ptr_null(report->error_class);
    ck_assert(!rky_sync_is_confirmed(b.sync));
    ck_assert(kit_has_run(&b, "one"));
    rky_remote_memory_mend(b.durable);
    (void)kit_write(&b, "two", "two", "w.s.t", "2", rky_sync_token(b.sync));
    kit_upload(&b, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(&b);
    kit_expect_chain();
    ck_assert_uint_eq(kit_chain_length(), 2);
}
END_TEST

START_TEST(test_what_the_store_forbids_is_no_reason_to_trust_the_cache)
{
    reopen_both(&tiered);
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_break(b.durable, RKY_MEMORY_HEAD, 1, -1, false, RKY_ERR_AUTH, "permission");
    kit_lock_job(&b, "two");
    (void)download_fails(&b, RKY_ERR_AUTH, RKY_OUTCOME_ERROR, "permission", RKY_SEQUEL_FAIL);
    kit_end_job(&b);
}
END_TEST

START_TEST(test_a_forged_cache_entry_is_set_aside_and_the_store_asked)
{
    struct rky_remote_object object;
    reopen_both(&tiered);
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_look(true, &object);
    object.body[object.length / 2] ^= 1;
    kit_force(true, object.body, object.length, object.etag);
    rky_remote_object_done(&object);
    kit_begin_job(&b, "two");
    (void)downloaded(&b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(rky_sync_is_confirmed(b.sync));
    ck_assert(kit_has_run(&b, "one"));
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_GET), 1);
    ck_assert_uint_eq(kit_files(refused_of(&b), ".snap"), 1);
    kit_end_job(&b);
}
END_TEST

/* --- what is refused -----------------------------------------------------------------------------
 */

START_TEST(test_bytes_that_are_no_snapshot_are_looked_at_twice_kept_and_an_error)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_force(false, "no snapshot", 11, NULL);
    int64_t gets = kit_calls(&b, RKY_MEMORY_GET);
    for (int again = 0; again < 2; again++) {
        kit_lock_job(&b, "two");
        (void)download_fails(&b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "corrupt", RKY_SEQUEL_FAIL);
        ck_assert_ptr_null(rky_sync_ledger(b.sync));
        kit_end_job(&b);
    }
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_GET), gets + 4);
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_PUT), 0);
    ck_assert_uint_eq(kit_files(refused_of(&b), ".snap"), 1);
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
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_look(false, &good);
    kit_force(false, good.body, good.length - 1, NULL);
    rky_remote_memory_on_call(b.durable, mend_in_time, &good);
    kit_begin_job(&b, "two");
    (void)downloaded(&b, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    ck_assert(kit_has_run(&b, "one"));
    ck_assert(rky_sync_is_confirmed(b.sync));
    kit_end_job(&b);
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
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_whole_job(&b, "theirs", "w.s.theirs", "2");
    kit_begin_job(&a, "look");
    kit_end_job(&a);
    pending_job(&a, "mine", "w.s.mine", "3");
    kit_whole_job(&b, "more", "w.s.theirs", "4");
    unwrap(&head, &raw, &length);
    memset(raw + 4096, 0x5a, 4096);
    force_snapshot(&head, raw, length);
    rky_free(raw);
    kit_lock_job(&a, "two");
    (void)download_fails(&a, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "corrupt", RKY_SEQUEL_FAIL);
    kit_end_job(&a);
    ck_assert_uint_eq(kit_files(copies_of(&a), ".db"), 1);
    kit_machine_restart(&a);
    kit_lock_job(&a, "three");
    ck_assert_ptr_nonnull(rky_sync_ledger(a.sync));
    ck_assert(kit_has_run(&a, "mine"));
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_snapshot_of_a_newer_program_is_left_to_a_newer_worker)
{
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t length = 0;
    kit_whole_job(&a, "one", "w.s.t", "1");
    unwrap(&head, &raw, &length);
    head.min_reader_version = 999;
    head.schema_version = 999;
    force_snapshot(&head, raw, length);
    rky_free(raw);
    kit_lock_job(&b, "two");
    (void)download_fails(&b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "schema_newer",
                         RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_GET), 1);
    kit_end_job(&b);
}
END_TEST

START_TEST(test_a_snapshot_of_another_namespace_is_refused)
{
    struct rky_snapshot_head head;
    unsigned char *raw = NULL;
    size_t length = 0;
    kit_whole_job(&a, "one", "w.s.t", "1");
    unwrap(&head, &raw, &length);
    (void)snprintf(head.namespace_, sizeof(head.namespace_), "other");
    force_snapshot(&head, raw, length);
    rky_free(raw);
    kit_lock_job(&b, "two");
    (void)download_fails(&b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "wrong_namespace",
                         RKY_SEQUEL_FAIL);
    kit_end_job(&b);
}
END_TEST

START_TEST(test_a_snapshot_under_another_key_is_refused)
{
    char one[65], other[65];
    (void)snprintf(one, sizeof(one), "%064x", 1);
    (void)snprintf(other, sizeof(other), "%064x", 2);
    kit_machine_close(&a);
    kit_machine_close(&b);
    kit_machine_open(&a, "a", &(struct kit_machine_options){.encryption_key = one});
    kit_machine_open(&b, "b", &(struct kit_machine_options){.encryption_key = other});
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_lock_job(&b, "two");
    const struct rky_transfer_report *report = download_fails(
        &b, RKY_ERR_STATE_FILE, RKY_OUTCOME_ERROR, "encryption_key", RKY_SEQUEL_FAIL);
    ck_assert_ptr_null(strstr(report->error, other));
    kit_end_job(&b);
}
END_TEST

/* --- what fails ----------------------------------------------------------------------------------
 */

START_TEST(test_a_failed_download_goes_on_without_the_remote_and_without_its_trust)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_break(b.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&b, "two");
    const struct rky_transfer_report *report =
        downloaded(&b, RKY_OUTCOME_ERROR_THEN_FRESH, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_str_eq(report->error_class, "refused");
    ck_assert_ptr_nonnull(report->error);
    ck_assert_int_eq(rky_sync_sequel(b.sync), RKY_SEQUEL_FRESH);
    ck_assert(!rky_sync_is_confirmed(b.sync));
    ck_assert_int_eq(kit_meta(&b).generation, 0);
    kit_end_job(&b);
}
END_TEST

START_TEST(test_the_copy_at_hand_stands_in_when_the_download_fails)
{
    kit_whole_job(&a, "one", "w.s.t", "1");
    kit_break(a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&a, "two");
    (void)downloaded(&a, RKY_OUTCOME_ERROR_THEN_FRESH, RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert(!rky_sync_is_confirmed(a.sync));
    ck_assert(kit_has_run(&a, "one"));
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_failed_download_ends_the_run_where_policy_says_so)
{
    a.config.on_download_failure = RKY_FAILURE_FAIL;
    kit_break(a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_lock_job(&a, "one");
    const struct rky_transfer_report *report = download_fails(
        &a, RKY_ERR_CONNECTION, RKY_OUTCOME_TRANSIENT_EXHAUSTED, "refused", RKY_SEQUEL_FAIL);
    ck_assert_int_eq(report->legs[0].attempts, 1);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_missing_permission_is_never_a_first_run)
{
    kit_break(a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_AUTH, "permission");
    kit_lock_job(&a, "one");
    (void)download_fails(&a, RKY_ERR_AUTH, RKY_OUTCOME_ERROR, "permission", RKY_SEQUEL_FAIL);
    ck_assert_ptr_null(rky_sync_ledger(a.sync));
    kit_end_job(&a);
}
END_TEST

START_TEST(test_retries_are_counted_and_bounded_by_the_run)
{
    reopen_both(&(struct kit_machine_options){.max_retries = 3});
    a.config.retry.max_retries_per_run = 2;
    kit_break(a.durable, RKY_MEMORY_OPS, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    kit_begin_job(&a, "one");
    const struct rky_transfer_report *report =
        downloaded(&a, RKY_OUTCOME_ERROR_THEN_FRESH, RKY_OUTCOME_BUDGET_EXHAUSTED);
    ck_assert_int_eq(report->retries, 2);
    ck_assert_int_eq(report->budget_left, 0);
    ck_assert_int_eq(kit_calls(&a, RKY_MEMORY_OPS), 3);
    kit_end_job(&a);
}
END_TEST

START_TEST(test_a_lookout_takes_no_lease_and_uploads_nothing)
{
    reopen_both(&(struct kit_machine_options){.leases = true});
    kit_whole_job(&a, "one", "w.s.t", "1");
    b.options.read_only = true;
    kit_begin_job(&b, "");
    ck_assert(kit_has_run(&b, "one"));
    int64_t calls = kit_calls(&b, RKY_MEMORY_OPS);
    struct rky_transfer transfer = {.clock = rky_clock_real()};
    struct rky_lease_holder holder = {0};
    ck_assert_int_eq(b.leases->ops->inspect(b.leases, KIT_NAMESPACE, &transfer, &holder, NULL),
                     RKY_ERR_NOT_FOUND);
    assert_ok(rky_sync_upload(b.sync, NULL, assert_err_));
    ck_assert_ptr_null(rky_sync_report(b.sync, RKY_TRANSFER_UPLOAD));
    ck_assert_int_eq(kit_calls(&b, RKY_MEMORY_OPS), calls);
    kit_end_job(&b);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("sync");
    TCase *tests = tcase_create("sync");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_an_empty_remote_is_a_first_run);
    tcase_add_test(tests, test_a_copy_in_sync_is_confirmed_without_its_body);
    tcase_add_test(tests, test_the_same_holds_for_the_next_process_on_the_machine);
    tcase_add_test(tests, test_a_copy_behind_is_replaced_whole);
    tcase_add_test(tests, test_a_pending_copy_goes_on_and_is_the_next_generation);
    tcase_add_test(tests,
                   test_a_pending_copy_whose_base_was_forgotten_is_renumbered_at_the_download);
    tcase_add_test(tests, test_a_forked_copy_is_merged_and_nothing_of_either_side_is_lost);
    tcase_add_test(tests, test_a_copy_of_another_lineage_has_nothing_to_do_with_this_state);
    tcase_add_test(tests, test_a_wiped_remote_is_created_again_from_the_copy);
    tcase_add_test(tests, test_a_cached_copy_that_the_store_confirms_is_taken);
    tcase_add_test(tests, test_a_stale_cached_copy_is_replaced_by_the_stores);
    tcase_add_test(tests, test_a_cached_copy_that_outlived_its_store_creates_it_again);
    tcase_add_test(tests, test_a_cached_copy_serves_while_the_store_does_not_answer);
    tcase_add_test(tests, test_what_the_store_forbids_is_no_reason_to_trust_the_cache);
    tcase_add_test(tests, test_a_forged_cache_entry_is_set_aside_and_the_store_asked);
    tcase_add_test(tests, test_bytes_that_are_no_snapshot_are_looked_at_twice_kept_and_an_error);
    tcase_add_test(tests, test_a_second_look_may_find_what_the_first_one_missed);
    tcase_add_test(tests,
                   test_a_good_envelope_around_a_bad_database_costs_nothing_of_what_is_pending);
    tcase_add_test(tests, test_a_snapshot_of_a_newer_program_is_left_to_a_newer_worker);
    tcase_add_test(tests, test_a_snapshot_of_another_namespace_is_refused);
    tcase_add_test(tests, test_a_snapshot_under_another_key_is_refused);
    tcase_add_test(tests, test_a_failed_download_goes_on_without_the_remote_and_without_its_trust);
    tcase_add_test(tests, test_the_copy_at_hand_stands_in_when_the_download_fails);
    tcase_add_test(tests, test_a_failed_download_ends_the_run_where_policy_says_so);
    tcase_add_test(tests, test_a_missing_permission_is_never_a_first_run);
    tcase_add_test(tests, test_retries_are_counted_and_bounded_by_the_run);
    tcase_add_test(tests, test_a_lookout_takes_no_lease_and_uploads_nothing);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
