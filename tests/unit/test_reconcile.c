/* SPDX-License-Identifier: Apache-2.0 */
/* Reconciliation: one test per row of the table in docs/replication.md, plus ownership. */
#include "config.h"

#include "engine/reconcile.h"

#include <string.h>

#include "tests/kit/check_main.h"

static char text_t[] = "2025-03-15T14:30:00Z";
static char text_older[] = "2025-03-14T00:00:00Z";
static char commit_a[] = "aaaa";
static char commit_b[] = "bbbb";
static char column[] = "_fivetran_synced";
static char type_text[] = "text";
static char namespace_[] = "bronze";
static char other_namespace[] = "silver";
static char action_incremental[] = "incremental";
static char action_set[] = "set";

static struct rky_mark mark_of(char *value, char *commit_id)
{
    return (struct rky_mark){
        .namespace_ = namespace_,
        .cursor_column = column,
        .cursor_type = type_text,
        .value = {.type = value != NULL ? RKY_CURSOR_TEXT : RKY_CURSOR_NONE, .text = value},
        .high_value = {.type = value != NULL ? RKY_CURSOR_TEXT : RKY_CURSOR_NONE, .text = value},
        .action = action_incremental,
        .commit_id = commit_id,
        .tombstone_seq = 2,
    };
}

static struct rky_watermark ledger_of(char *value, char *commit_id)
{
    return (struct rky_watermark){
        .cursor_column = column, .cursor_type = type_text, .value = value, .commit_id = commit_id};
}

static struct rky_reconcile_input input_of(const struct rky_mark *mark,
                                           const struct rky_watermark *ledger,
                                           enum rky_target_content content)
{
    return (struct rky_reconcile_input){.table = "w.s.orders",
                                        .namespace_ = "bronze",
                                        .mark = mark,
                                        .ledger = ledger,
                                        .content = content,
                                        .cursor_column = "_fivetran_synced"};
}

static struct rky_decision decide(const struct rky_reconcile_input *input)
{
    struct rky_decision decision;
    struct rky_error err = {0};
    ck_assert_msg(rky_reconcile(input, &decision, &err) == RKY_OK, "%s", err.message);
    return decision;
}

START_TEST(a_pending_tombstone_is_a_full_refresh_whatever_else_is_known)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    for (int content = RKY_TARGET_MISSING; content <= RKY_TARGET_HAS_ROWS; content++) {
        struct rky_reconcile_input input =
            input_of(&mark, &ledger, (enum rky_target_content)content);
        input.ledger_tombstone_seq = 3;
        struct rky_decision decision = decide(&input);
        ck_assert_int_eq(decision.action, RKY_ACTION_FULL_REFRESH);
        ck_assert_int_eq(decision.tombstone_seq, 3);
        input.mark = NULL;
        input.ledger = NULL;
        decision = decide(&input);
        ck_assert_int_eq(decision.action, RKY_ACTION_FULL_REFRESH);
        ck_assert_int_eq(decision.tombstone_seq, 3);
    }
}
END_TEST

START_TEST(a_tombstone_that_the_target_carries_already_is_not_pending)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_HAS_ROWS);
    input.ledger_tombstone_seq = 2;
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_INCREMENTAL);
    ck_assert_int_eq(decision.tombstone_seq, 2);
}
END_TEST

START_TEST(a_missing_target_is_copied_whole_with_a_warning)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, NULL, RKY_TARGET_MISSING);
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_FULL_REFRESH);
    ck_assert_str_eq(decision.warning_code, "target-missing");
    ck_assert_int_eq(decision.tombstone_seq, 2);
}
END_TEST

START_TEST(an_emptied_target_stays_incremental_with_a_warning)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_EMPTY);
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_INCREMENTAL);
    ck_assert_str_eq(decision.warning_code, "target-empty");
}
END_TEST

START_TEST(an_empty_target_of_an_empty_source_is_no_surprise)
{
    struct rky_mark mark = mark_of(NULL, commit_a);
    struct rky_watermark ledger = ledger_of(NULL, commit_a);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_EMPTY);
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_INCREMENTAL);
    ck_assert_ptr_null(decision.warning_code);
    ck_assert(!decision.reconciled);
}
END_TEST

START_TEST(equal_watermarks_go_on_without_a_word)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_HAS_ROWS);
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_INCREMENTAL);
    ck_assert(!decision.reconciled);
    ck_assert(!decision.regressed);
}
END_TEST

START_TEST(a_newer_target_or_a_lost_ledger_takes_the_target)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_watermark ledger = ledger_of(text_older, commit_b);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_HAS_ROWS);
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_INCREMENTAL);
    ck_assert(decision.reconciled);
    ck_assert(!decision.regressed);
    input.ledger = NULL;
    decision = decide(&input);
    ck_assert(decision.reconciled);
    ck_assert(!decision.regressed);
}
END_TEST

START_TEST(an_older_target_was_restored_and_raises_an_alarm)
{
    struct rky_mark mark = mark_of(text_older, commit_b);
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_HAS_ROWS);
    struct rky_decision decision = decide(&input);
    ck_assert_int_eq(decision.action, RKY_ACTION_INCREMENTAL);
    ck_assert(decision.reconciled);
    ck_assert(decision.regressed);
    ck_assert_str_eq(decision.warning_code, "watermark-regressed");
}
END_TEST

START_TEST(a_watermark_that_was_set_back_on_purpose_raises_no_alarm)
{
    struct rky_mark mark = mark_of(text_older, commit_b);
    mark.action = action_set;
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, &ledger, RKY_TARGET_HAS_ROWS);
    ck_assert(!decide(&input).regressed);
}
END_TEST

START_TEST(nothing_known_and_no_rows_is_a_first_run)
{
    struct rky_watermark ledger = ledger_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(NULL, NULL, RKY_TARGET_MISSING);
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
    input.content = RKY_TARGET_EMPTY;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
    input.ledger = &ledger;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
}
END_TEST

START_TEST(rows_that_nobody_manages_follow_on_existing_target)
{
    struct rky_reconcile_input input = input_of(NULL, NULL, RKY_TARGET_HAS_ROWS);
    struct rky_decision decision;
    struct rky_error err = {0};
    ck_assert_int_eq(rky_reconcile(&input, &decision, &err), RKY_ERR_REFUSED);
    ck_assert_int_eq(decision.action, RKY_ACTION_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.hint, "adopt"));
    ck_assert_ptr_nonnull(strstr(err.hint, "rocky state delete --table 'w.s.orders'"));
    input.on_existing = RKY_EXISTING_ADOPT;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_ADOPT);
    input.on_existing = RKY_EXISTING_REBUILD;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
}
END_TEST

START_TEST(a_table_of_another_namespace_fails_and_names_the_owner)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    mark.namespace_ = other_namespace;
    struct rky_reconcile_input input = input_of(&mark, NULL, RKY_TARGET_HAS_ROWS);
    struct rky_decision decision;
    struct rky_error err = {0};
    input.ledger_tombstone_seq = 9; /* ownership comes first */
    ck_assert_int_eq(rky_reconcile(&input, &decision, &err), RKY_ERR_CONFLICT);
    ck_assert_str_eq(err.message,
                     "table 'w.s.orders' belongs to namespace 'silver', not to 'bronze'");
}
END_TEST

START_TEST(another_cursor_column_is_refused_until_the_state_is_deleted)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, NULL, RKY_TARGET_HAS_ROWS);
    struct rky_decision decision;
    struct rky_error err = {0};
    input.cursor_column = "updated_at";
    ck_assert_int_eq(rky_reconcile(&input, &decision, &err), RKY_ERR_CONFIG);
    input.ledger_tombstone_seq = 3;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
}
END_TEST

START_TEST(the_full_refresh_strategy_and_flag_refresh_a_managed_table)
{
    struct rky_mark mark = mark_of(text_t, commit_a);
    struct rky_reconcile_input input = input_of(&mark, NULL, RKY_TARGET_HAS_ROWS);
    input.strategy = RKY_STRATEGY_FULL_REFRESH;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
    input.strategy = RKY_STRATEGY_INCREMENTAL;
    input.full_refresh = true;
    ck_assert_int_eq(decide(&input).action, RKY_ACTION_FULL_REFRESH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reconcile");
    TCase *tc = tcase_create("reconcile");
    tcase_add_test(tc, a_pending_tombstone_is_a_full_refresh_whatever_else_is_known);
    tcase_add_test(tc, a_tombstone_that_the_target_carries_already_is_not_pending);
    tcase_add_test(tc, a_missing_target_is_copied_whole_with_a_warning);
    tcase_add_test(tc, an_emptied_target_stays_incremental_with_a_warning);
    tcase_add_test(tc, an_empty_target_of_an_empty_source_is_no_surprise);
    tcase_add_test(tc, equal_watermarks_go_on_without_a_word);
    tcase_add_test(tc, a_newer_target_or_a_lost_ledger_takes_the_target);
    tcase_add_test(tc, an_older_target_was_restored_and_raises_an_alarm);
    tcase_add_test(tc, a_watermark_that_was_set_back_on_purpose_raises_no_alarm);
    tcase_add_test(tc, nothing_known_and_no_rows_is_a_first_run);
    tcase_add_test(tc, rows_that_nobody_manages_follow_on_existing_target);
    tcase_add_test(tc, a_table_of_another_namespace_fails_and_names_the_owner);
    tcase_add_test(tc, another_cursor_column_is_refused_until_the_state_is_deleted);
    tcase_add_test(tc, the_full_refresh_strategy_and_flag_refresh_a_managed_table);
    suite_add_tcase(suite, tc);
    return rky_check_main(suite);
}
