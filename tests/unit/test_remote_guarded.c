/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard around a driver and the commit's read-back: replies that get lost, others who write
 * meanwhile, and the calls that are no commit. How a write ends that cannot be settled is in
 * guarded_ends.c.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/guarded_kit.h"

/* --- a lost reply -----------------------------------------------------------------------------
 */

START_TEST(a_write_that_is_answered_needs_no_read_back)
{
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(false);
    guarded_expect_calls(1, 0);
    ck_assert_int_eq(guarded.transfer.legs[0].bytes, 36);
}
END_TEST

START_TEST(a_creation_whose_reply_was_lost_is_found_and_not_sent_again)
{
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 1);
    ck_assert_int_eq(guarded.transfer.retries, 1);
}
END_TEST

START_TEST(a_replacement_whose_reply_was_lost_is_found_and_not_sent_again)
{
    char base[RKY_ETAG_MAX] = "";
    guarded_stand_on_base(base);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_TIMEOUT, guarded_reset);
    ck_assert_int_eq(guarded_put_with(base, RKY_IF_ETAG), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 1);
}
END_TEST

START_TEST(a_server_error_after_the_write_is_read_back_too)
{
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_UNAVAILABLE, guarded_server_error);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 1);
}
END_TEST

START_TEST(a_write_that_was_not_applied_is_sent_again_with_the_same_bytes)
{
    char base[RKY_ETAG_MAX] = "";
    guarded_stand_on_base(base);
    guarded_fault(RKY_MEMORY_PUT, 1, 2, false, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded_put_with(base, RKY_IF_ETAG), 0);
    guarded_expect_committed(false);
    guarded_expect_calls(3, 2);
    ck_assert_int_eq(guarded.transfer.retries, 2);

    guarded.etag[0] = '\0';
    rky_remote_memory_mend(guarded.driver);
    guarded.head.generation = 1;
    guarded.transfer = guarded_new_transfer();
    ck_assert_int_eq(guarded.remote->ops->remove(guarded.remote, &guarded_name, NULL,
                                                 &guarded.transfer, &guarded.err),
                     0);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, guarded_reset);
    guarded.transfer = guarded_new_transfer();
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(false);
}
END_TEST

START_TEST(a_refusal_that_our_own_write_caused_is_success_within_one_attempt)
{
    rky_remote_memory_on_call(guarded.driver, guarded_apply_first, NULL);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 1);
    ck_assert_int_eq(guarded.transfer.retries, 0);
    ck_assert_int_eq(guarded.transfer.legs[0].attempts, 1);

    /* Costs no budget, and needs none. */
    guarded_teardown();
    guarded_setup();
    struct rky_retry_budget budget;
    rky_retry_budget_init(&budget, 0);
    guarded.transfer.budget = &budget;
    rky_remote_memory_on_call(guarded.driver, guarded_apply_first, NULL);
    ck_assert_int_eq(guarded_create(), 0);
    guarded_expect_committed(true);
}
END_TEST

/* --- others -----------------------------------------------------------------------------------
 */

START_TEST(a_foreign_winner_is_a_conflict_at_once)
{
    char base[RKY_ETAG_MAX] = "";
    char theirs[RKY_ETAG_MAX] = "";
    guarded_stand_on_base(base);
    const struct rky_snapshot_head foreign = guarded_version(2, NULL);
    guarded_write_directly(&foreign, "foreign", 7, theirs);
    guarded_expect_failed(guarded_put_with(base, RKY_IF_ETAG), RKY_ERR_CONFLICT, RKY_GUARD_ERROR,
                          false);
    guarded_expect_calls(1, 1);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "conflict");
    ck_assert_str_eq(guarded_stored().head.write_id, foreign.write_id);
}
END_TEST

START_TEST(a_foreign_creation_is_a_conflict)
{
    char theirs[RKY_ETAG_MAX] = "";
    const struct rky_snapshot_head foreign = guarded_version(1, NULL);
    guarded_write_directly(&foreign, "foreign", 7, theirs);
    guarded_expect_failed(guarded_create(), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    guarded_expect_calls(1, 1);
}
END_TEST

START_TEST(a_foreign_winner_after_a_lost_request_is_a_conflict)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded.other = guarded_version(2, NULL);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, guarded_reset);
    rky_remote_memory_on_call(guarded.driver, guarded_overtake, NULL);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_CONFLICT,
                          RKY_GUARD_ERROR, false);
    guarded_expect_calls(1, 1);
}
END_TEST

START_TEST(a_version_that_derives_from_ours_means_that_ours_is_in_the_chain)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded.other = guarded_version(3, &guarded.head);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    rky_remote_memory_on_call(guarded.driver, guarded_overtake, NULL);
    (void)snprintf(guarded.etag, sizeof(guarded.etag), "left over");
    ck_assert_int_eq(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), 0);
    ck_assert(guarded.transfer.recovered);
    ck_assert(!guarded.transfer.unknown);
    ck_assert_str_eq(guarded.etag, "");
    ck_assert_str_eq(guarded_stored().head.write_id, guarded.other.write_id);
    guarded_expect_calls(1, 1);
}
END_TEST

/* A body that the envelope's reader takes. Caller frees. */
static unsigned char *envelope(struct rky_snapshot_head *of, size_t *ret_length)
{
    static const struct rky_snapshot_key no_key = {0};
    unsigned char *bytes = NULL;
    struct rky_error failure = {0};
    char raw[512] = "SQLite format 3";
    int rc = rky_snapshot_encode(of, raw, sizeof(raw), &no_key, &bytes, ret_length, &failure);
    ck_assert_msg(rc == 0, "%s", failure.message);
    return bytes;
}

/* Somebody committed `other` as a whole snapshot, of whose ancestors the metadata names four. */
static void overtake_far(void *context, enum rky_memory_op op, int64_t number)
{
    (void)context;
    if (op != RKY_MEMORY_HEAD || number != 1)
        return;
    char theirs[RKY_ETAG_MAX] = "";
    size_t length = 0;
    unsigned char *bytes = envelope(&guarded.other, &length);
    struct rky_snapshot_head few = guarded.other;
    few.ancestor_count = 4;
    guarded_write_directly(&few, bytes, length, theirs);
    rky_free(bytes);
}

START_TEST(an_ancestor_that_metadata_does_not_name_is_looked_up_in_the_snapshot)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded.other = guarded_version(3, &guarded.head);
    for (int64_t generation = 4; generation <= 10; generation++) {
        struct rky_snapshot_head next = guarded_version(generation, &guarded.other);
        guarded.other = next;
    }
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    rky_remote_memory_on_call(guarded.driver, overtake_far, NULL);
    ck_assert_int_eq(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), 0);
    ck_assert(guarded.transfer.recovered);
    ck_assert_str_eq(guarded.etag, "");
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_GET), 1);
}
END_TEST

START_TEST(a_chain_that_went_on_for_long_without_ours_is_a_conflict)
{
    guarded_stand_on_base(guarded.base_etag);
    guarded.other = guarded_version(3, NULL);
    for (int64_t generation = 4; generation <= 10; generation++) {
        struct rky_snapshot_head next = guarded_version(generation, &guarded.other);
        guarded.other = next;
    }
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, guarded_reset);
    rky_remote_memory_on_call(guarded.driver, overtake_far, NULL);
    guarded_expect_failed(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), RKY_ERR_CONFLICT,
                          RKY_GUARD_ERROR, false);
}
END_TEST

/* --- servers without metadata -----------------------------------------------------------------
 */

static unsigned char *own_envelope;

static size_t own_length;

static int put_envelope(void)
{
    const struct rky_remote_put put = {.body = own_envelope,
                                       .length = own_length,
                                       .condition = RKY_IF_ABSENT,
                                       .head = &guarded.head};
    return guarded.remote->ops->put(guarded.remote, &guarded_name, &put, &guarded.transfer,
                                    guarded.etag, &guarded.err);
}

START_TEST(without_metadata_the_snapshot_itself_is_read_back)
{
    rky_remote_memory_hide_heads(guarded.driver, true);
    own_envelope = envelope(&guarded.head, &own_length);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(put_envelope(), 0);
    guarded_expect_committed(true);
    guarded_expect_calls(1, 1);
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_GET), 1);
    rky_free(own_envelope);
}
END_TEST

START_TEST(without_metadata_an_unchanged_base_needs_no_body)
{
    guarded_stand_on_base(guarded.base_etag);
    rky_remote_memory_hide_heads(guarded.driver, true);
    guarded_fault(RKY_MEMORY_PUT, 1, 1, false, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded_put_with(guarded.base_etag, RKY_IF_ETAG), 0);
    guarded_expect_committed(false);
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_GET), 0);
}
END_TEST

START_TEST(foreign_bytes_that_are_no_snapshot_are_a_conflict)
{
    char theirs[RKY_ETAG_MAX] = "";
    guarded_write_directly(NULL, "not a snapshot at all", 21, theirs);
    guarded_expect_failed(guarded_create(), RKY_ERR_CONFLICT, RKY_GUARD_ERROR, false);
    ck_assert_int_eq(rky_remote_memory_calls(guarded.driver, RKY_MEMORY_GET), 1);
}
END_TEST

/* --- what is not recognisable, and the other calls ---------------------------------------------
 */

START_TEST(an_unconditional_write_is_simply_sent_again)
{
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded_put_with(NULL, RKY_IF_ANY), 0);
    guarded_expect_calls(2, 0);
    ck_assert(!guarded.transfer.recovered);
}
END_TEST

START_TEST(a_write_without_a_head_is_not_read_back)
{
    const struct rky_remote_put put = {.body = "x", .length = 1, .condition = RKY_IF_ABSENT};
    guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    int rc = guarded.remote->ops->put(guarded.remote, &guarded_name, &put, &guarded.transfer,
                                      guarded.etag, &guarded.err);
    ck_assert_int_eq(rc, RKY_ERR_CONFLICT);
    guarded_expect_calls(2, 0);
    ck_assert(!guarded.transfer.unknown);
}
END_TEST

START_TEST(reads_are_retried_and_their_bytes_counted)
{
    struct rky_remote_object object = {0};
    ck_assert_int_eq(guarded_create(), 0);
    guarded.transfer = guarded_new_transfer();
    guarded_fault(RKY_MEMORY_GET, 1, 2, false, RKY_ERR_CONNECTION, guarded_reset);
    guarded_fault(RKY_MEMORY_HEAD, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded.remote->ops->get(guarded.remote, &guarded_name, NULL,
                                              &guarded.transfer, &object, &guarded.err),
                     0);
    ck_assert_uint_eq(object.length, 36);
    rky_remote_object_done(&object);
    ck_assert_int_eq(guarded.transfer.legs[0].bytes, 36);
    ck_assert_int_eq(guarded.transfer.retries, 2);
    ck_assert_int_eq(guarded.remote->ops->head(guarded.remote, &guarded_name, &guarded.transfer,
                                               &object, &guarded.err),
                     0);
    ck_assert(object.exists);
    ck_assert_int_eq(guarded.transfer.retries, 3);
    ck_assert_int_eq(guarded.remote->ops->get(guarded.remote, &guarded_name, guarded.etag,
                                              &guarded.transfer, &object, &guarded.err),
                     0);
    ck_assert(object.not_modified);
    ck_assert_int_eq(guarded.transfer.legs[0].bytes, 36);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(lists_are_retried)
{
    struct rky_remote_list list = {0};
    const struct rky_remote_name old = {
        .kind = RKY_REMOTE_HISTORY, .namespace_ = NAMESPACE, .suffix = "1"};
    const struct rky_remote_put put = {.body = "x", .length = 1, .condition = RKY_IF_ANY};
    ck_assert_int_eq(guarded.remote->ops->put(guarded.remote, &old, &put, &guarded.transfer,
                                              guarded.etag, &guarded.err),
                     0);
    guarded_fault(RKY_MEMORY_LIST, 1, 2, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded.remote->ops->list(guarded.remote, RKY_REMOTE_HISTORY, NAMESPACE,
                                               &guarded.transfer, &list, &guarded.err),
                     0);
    ck_assert_uint_eq(list.count, 1);
    rky_remote_list_done(&list);
}
END_TEST

START_TEST(a_removal_whose_reply_was_lost_is_done)
{
    ck_assert_int_eq(guarded_create(), 0);
    guarded_fault(RKY_MEMORY_REMOVE, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
    ck_assert_int_eq(guarded.remote->ops->remove(guarded.remote, &guarded_name, guarded.etag,
                                                 &guarded.transfer, &guarded.err),
                     0);
    ck_assert(!guarded_stored().exists);

    /* But what was gone before the first attempt was not this one's to remove. */
    ck_assert_int_eq(guarded.remote->ops->remove(guarded.remote, &guarded_name, guarded.etag,
                                                 &guarded.transfer, &guarded.err),
                     RKY_ERR_NOT_FOUND);
    ck_assert_str_eq(guarded.transfer.attempt.error_class, "deleted");
}
END_TEST

START_TEST(a_guarded_remote_says_where_its_objects_are)
{
    char *uri = guarded.remote->ops->uri(guarded.remote, &guarded_name);
    ck_assert_str_eq(uri, "memory:" NAMESPACE);
    rky_free(uri);
}
END_TEST

START_TEST(out_of_memory_at_any_point_is_reported_and_leaves_no_lie)
{
    char *base = guarded.base_etag;
    for (uint64_t nth = 1; nth < 100; nth++) {
        guarded_teardown();
        guarded_setup();
        guarded_stand_on_base(base);
        guarded_fault(RKY_MEMORY_PUT, 1, 1, true, RKY_ERR_CONNECTION, guarded_reset);
        rky_mem_fail_nth(nth);
        int rc = guarded_put_with(base, RKY_IF_ETAG);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        bool there = strcmp(guarded_stored().head.write_id, guarded.head.write_id) == 0;
        if (rc == 0)
            ck_assert(there);
        else
            ck_assert(rc == RKY_ERR_NOMEM && (!there || guarded.transfer.unknown));
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            ck_assert_uint_gt(nth, 2);
            return;
        }
    }
    ck_abort_msg("the loop did not end");
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        a_write_that_is_answered_needs_no_read_back,
        a_creation_whose_reply_was_lost_is_found_and_not_sent_again,
        a_replacement_whose_reply_was_lost_is_found_and_not_sent_again,
        a_server_error_after_the_write_is_read_back_too,
        a_write_that_was_not_applied_is_sent_again_with_the_same_bytes,
        a_refusal_that_our_own_write_caused_is_success_within_one_attempt,
        a_foreign_winner_is_a_conflict_at_once,
        a_foreign_creation_is_a_conflict,
        a_foreign_winner_after_a_lost_request_is_a_conflict,
        a_version_that_derives_from_ours_means_that_ours_is_in_the_chain,
        an_ancestor_that_metadata_does_not_name_is_looked_up_in_the_snapshot,
        a_chain_that_went_on_for_long_without_ours_is_a_conflict,
        without_metadata_the_snapshot_itself_is_read_back,
        without_metadata_an_unchanged_base_needs_no_body,
        foreign_bytes_that_are_no_snapshot_are_a_conflict,
        an_unconditional_write_is_simply_sent_again,
        a_write_without_a_head_is_not_read_back,
        reads_are_retried_and_their_bytes_counted,
        lists_are_retried,
        a_removal_whose_reply_was_lost_is_done,
        a_guarded_remote_says_where_its_objects_are,
        out_of_memory_at_any_point_is_reported_and_leaves_no_lie,
    };
    TCase *tcase = tcase_create("guarded");
    tcase_add_checked_fixture(tcase, guarded_setup, guarded_teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    guarded_add_ends(tcase);
    Suite *suite = suite_create("remote: guarded");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
