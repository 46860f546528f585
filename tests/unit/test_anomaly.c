/* SPDX-License-Identifier: Apache-2.0 */
/* Row-count anomalies: each case is a history of normal runs and what the next count must give. */
#include "config.h"

#include "engine/anomaly.h"

#include <string.h>

#include "tests/kit/check_main.h"

enum { MAX_POINTS = 40 };

static struct rky_checks_config checks_with(double threshold)
{
    return (struct rky_checks_config){.enabled = true, .anomaly_threshold_pct = threshold};
}

/* Feed the counts one run after the other, as the engine does: a deviating count is marked. */
static size_t run_series(const int64_t *series, size_t length, double threshold,
                         struct rky_anomaly ret[RKY_ANOMALY_MAX])
{
    struct rky_checks_config checks = checks_with(threshold);
    struct rky_count history[MAX_POINTS];
    size_t found = 0;
    ck_assert_uint_le(length, MAX_POINTS);
    for (size_t i = 0; i < length; i++) {
        found = rky_anomaly_detect(&checks, history, i, series[i], ret);
        bool deviates = false;
        for (size_t j = 0; j < found; j++)
            deviates =
                deviates || ret[j].kind == RKY_ANOMALY_DROP || ret[j].kind == RKY_ANOMALY_SPIKE;
        history[i] = (struct rky_count){.count = series[i], .anomalous = deviates};
    }
    return found;
}

static bool has_kind(const struct rky_anomaly *found, size_t count, enum rky_anomaly_kind kind)
{
    for (size_t i = 0; i < count; i++)
        if (found[i].kind == kind)
            return true;
    return false;
}

#define SERIES(...) \
    (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

START_TEST(the_first_run_is_never_anomalous)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(150432), 50.0, found), 0);
}
END_TEST

START_TEST(a_doubled_table_is_a_spike_on_the_second_run)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    size_t count = run_series(SERIES(1000, 2000), 50.0, found);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(found[0].kind, RKY_ANOMALY_SPIKE);
    ck_assert_double_eq(found[0].baseline_avg, 1000.0);
    ck_assert_double_eq(found[0].deviation_pct, 100.0);
}
END_TEST

START_TEST(a_truncated_table_is_a_drop_and_shrunk)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    size_t count = run_series(SERIES(1000, 1010, 1020, 0), 50.0, found);
    ck_assert_uint_eq(count, 2);
    ck_assert(has_kind(found, count, RKY_ANOMALY_DROP));
    ck_assert(has_kind(found, count, RKY_ANOMALY_SHRUNK));
}
END_TEST

START_TEST(a_deviation_of_exactly_the_threshold_is_normal)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(100, 100, 100, 150), 50.0, found), 0);
    ck_assert_uint_eq(run_series(SERIES(100, 100, 100, 151), 50.0, found), 1);
}
END_TEST

START_TEST(a_steady_or_growing_table_is_never_flagged)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(100, 100, 100, 100, 100, 100, 100), 50.0, found), 0);
    ck_assert_uint_eq(run_series(SERIES(100, 101, 102, 103, 104, 105, 106), 50.0, found), 0);
    ck_assert_uint_eq(run_series(SERIES(100, 101, 101, 102, 102, 102, 102), 50.0, found), 0);
}
END_TEST

START_TEST(a_stalled_table_is_flat_by_its_third_unchanged_run)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(100, 110, 120, 120), 50.0, found), 0);
    ck_assert_uint_eq(run_series(SERIES(100, 110, 120, 120, 120), 50.0, found), 0);
    size_t count = run_series(SERIES(100, 110, 120, 120, 120, 120), 50.0, found);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(found[0].kind, RKY_ANOMALY_FLAT);
}
END_TEST

START_TEST(a_loss_of_more_than_one_percent_is_shrunk_once)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(1000, 990), 50.0, found), 0);
    size_t count = run_series(SERIES(1000, 980), 50.0, found);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(found[0].kind, RKY_ANOMALY_SHRUNK);
    ck_assert_uint_eq(run_series(SERIES(1000, 980, 980), 50.0, found), 0);
}
END_TEST

START_TEST(anomalous_counts_stay_out_of_the_baseline)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    /* 100, then one doubled count: the average stays 100, so 160 is still far above. */
    size_t count = run_series(SERIES(100, 100, 200, 160), 50.0, found);
    ck_assert_uint_eq(count, 1);
    ck_assert_double_eq(found[0].baseline_avg, 100.0);
}
END_TEST

START_TEST(three_anomalous_runs_that_agree_become_the_new_level)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(100, 100, 300, 300, 300), 50.0, found), 1);
    ck_assert_uint_eq(run_series(SERIES(100, 100, 300, 310, 305, 306), 50.0, found), 0);
    /* and from there on a return to the old level is what is anomalous */
    size_t count = run_series(SERIES(100, 100, 300, 310, 305, 306, 100), 50.0, found);
    ck_assert(has_kind(found, count, RKY_ANOMALY_DROP));
}
END_TEST

START_TEST(anomalous_runs_that_disagree_do_not_become_the_level)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    size_t count = run_series(SERIES(100, 100, 300, 900, 3000, 300), 50.0, found);
    ck_assert(has_kind(found, count, RKY_ANOMALY_SPIKE));
}
END_TEST

START_TEST(only_the_last_ten_normal_counts_make_the_average)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    size_t count =
        run_series(SERIES(10, 14, 20, 29, 40, 59, 80, 110, 150, 200, 290, 420, 10), 400.0, found);
    ck_assert_uint_eq(count, 1); /* shrunk only: within 400 % of the average */
    ck_assert_int_eq(found[0].kind, RKY_ANOMALY_SHRUNK);
}
END_TEST

START_TEST(a_threshold_of_zero_disables_everything)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(1000, 0), 0.0, found), 0);
    ck_assert_uint_eq(run_series(SERIES(100, 110, 120, 120, 120, 120), 0.0, found), 0);
}
END_TEST

START_TEST(a_table_that_fills_from_empty_is_a_spike)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    ck_assert_uint_eq(run_series(SERIES(0, 0), 50.0, found), 0);
    size_t count = run_series(SERIES(0, 5), 50.0, found);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(found[0].kind, RKY_ANOMALY_SPIKE);
}
END_TEST

START_TEST(every_kind_has_a_name)
{
    ck_assert_str_eq(rky_anomaly_name(RKY_ANOMALY_DROP), "drop");
    ck_assert_str_eq(rky_anomaly_name(RKY_ANOMALY_SPIKE), "spike");
    ck_assert_str_eq(rky_anomaly_name(RKY_ANOMALY_FLAT), "flat");
    ck_assert_str_eq(rky_anomaly_name(RKY_ANOMALY_SHRUNK), "shrunk");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("anomaly");
    TCase *tc = tcase_create("anomaly");
    tcase_add_test(tc, the_first_run_is_never_anomalous);
    tcase_add_test(tc, a_doubled_table_is_a_spike_on_the_second_run);
    tcase_add_test(tc, a_truncated_table_is_a_drop_and_shrunk);
    tcase_add_test(tc, a_deviation_of_exactly_the_threshold_is_normal);
    tcase_add_test(tc, a_steady_or_growing_table_is_never_flagged);
    tcase_add_test(tc, a_stalled_table_is_flat_by_its_third_unchanged_run);
    tcase_add_test(tc, a_loss_of_more_than_one_percent_is_shrunk_once);
    tcase_add_test(tc, anomalous_counts_stay_out_of_the_baseline);
    tcase_add_test(tc, three_anomalous_runs_that_agree_become_the_new_level);
    tcase_add_test(tc, anomalous_runs_that_disagree_do_not_become_the_level);
    tcase_add_test(tc, only_the_last_ten_normal_counts_make_the_average);
    tcase_add_test(tc, a_threshold_of_zero_disables_everything);
    tcase_add_test(tc, a_table_that_fills_from_empty_is_a_spike);
    tcase_add_test(tc, every_kind_has_a_name);
    suite_add_tcase(suite, tc);
    return rky_check_main(suite);
}
