/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/anomaly.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *rky_anomaly_name(enum rky_anomaly_kind kind)
{
    switch (kind) {
    case RKY_ANOMALY_DROP:
        return "drop";
    case RKY_ANOMALY_SPIKE:
        return "spike";
    case RKY_ANOMALY_FLAT:
        return "flat";
    case RKY_ANOMALY_SHRUNK:
        return "shrunk";
    }
    return "unknown";
}

/* A deviation from nothing has no percentage; a table that fills up from empty deviates fully. */
static double deviation_pct(double from, double to)
{
    if (from == 0.0)
        return to == 0.0 ? 0.0 : 100.0;
    return (to - from) / from * 100.0;
}

/*
 * Where the baseline starts: behind the last run of anomalous counts that agree among themselves,
 * once there are enough of them, they are the new normal. Returns the index of the first count of
 * that new level, or 0.
 */
static size_t baseline_start(const struct rky_count *history, size_t count, double threshold)
{
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        size_t agreeing = 0;
        while (i + agreeing < count && history[i + agreeing].anomalous &&
               fabs(deviation_pct((double)history[i].count, (double)history[i + agreeing].count)) <=
                   threshold)
            agreeing++;
        if (agreeing >= RKY_ANOMALY_ACCEPT_RUNS) {
            start = i;
            i += agreeing - 1;
        }
    }
    return start;
}

/* Counts of an accepted level were flagged when they came; from there on they are normal. */
static bool is_normal(const struct rky_count *history, size_t i, size_t start)
{
    return !history[i].anomalous ||
           (start > 0 && i >= start && i < start + RKY_ANOMALY_ACCEPT_RUNS);
}

static bool detect_mean(const struct rky_checks_config *checks, const struct rky_count *history,
                        size_t count, size_t start, int64_t current, struct rky_anomaly *ret)
{
    double sum = 0.0;
    size_t points = 0;
    for (size_t i = count; i > start && points < RKY_ANOMALY_WINDOW; i--)
        if (is_normal(history, i - 1, start)) {
            sum += (double)history[i - 1].count;
            points++;
        }
    if (points == 0)
        return false;
    double average = sum / (double)points;
    double deviation = deviation_pct(average, (double)current);
    if (fabs(deviation) <= checks->anomaly_threshold_pct)
        return false;
    *ret = (struct rky_anomaly){.kind = deviation < 0 ? RKY_ANOMALY_DROP : RKY_ANOMALY_SPIKE,
                                .current_count = current,
                                .baseline_avg = average,
                                .deviation_pct = deviation};
    (void)snprintf(ret->reason, sizeof(ret->reason),
                   "row count %" PRId64 " is %.1f %% %s the average %.1f of the last %zu runs, "
                   "the limit is %.1f %%",
                   current, fabs(deviation), deviation < 0 ? "below" : "above", average, points,
                   checks->anomaly_threshold_pct);
    return true;
}

/* Grew in every step up to a point and then stood still for the last runs, this one included. */
static bool detect_flat(const struct rky_count *history, size_t count, size_t start,
                        int64_t current, struct rky_anomaly *ret)
{
    size_t still = 0;
    size_t i = count;
    while (i > start && history[i - 1].count == current) {
        still++;
        i--;
    }
    /* The first of the equal counts is the last step of growth, not a run without change. */
    if (still < RKY_ANOMALY_FLAT_RUNS || i == start)
        return false;
    for (size_t j = i; j > start; j--)
        if (history[j - 1].count >= history[j].count)
            return false;
    *ret = (struct rky_anomaly){.kind = RKY_ANOMALY_FLAT,
                                .current_count = current,
                                .baseline_avg = (double)history[i].count,
                                .deviation_pct = 0.0};
    (void)snprintf(ret->reason, sizeof(ret->reason),
                   "row count stands still at %" PRId64 " for %zu runs; it grew in each of the "
                   "%zu runs before",
                   current, still, i - start);
    return true;
}

static bool detect_shrunk(const struct rky_count *history, size_t count, size_t start,
                          int64_t current, struct rky_anomaly *ret)
{
    size_t i = count;
    while (i > start && !is_normal(history, i - 1, start))
        i--;
    if (i == start)
        return false;
    double before = (double)history[i - 1].count;
    double deviation = deviation_pct(before, (double)current);
    if (deviation >= -RKY_ANOMALY_SHRUNK_PCT)
        return false;
    *ret = (struct rky_anomaly){.kind = RKY_ANOMALY_SHRUNK,
                                .current_count = current,
                                .baseline_avg = before,
                                .deviation_pct = deviation};
    (void)snprintf(ret->reason, sizeof(ret->reason),
                   "row count fell from %.0f to %" PRId64 " (%.1f %%): rows were deleted in the "
                   "source",
                   before, current, deviation);
    return true;
}

size_t rky_anomaly_detect(const struct rky_checks_config *checks, const struct rky_count *history,
                          size_t history_count, int64_t current,
                          struct rky_anomaly ret_anomalies[RKY_ANOMALY_MAX])
{
    size_t found = 0;
    if (checks->anomaly_threshold_pct <= 0.0 || history_count == 0)
        return 0;
    size_t start = baseline_start(history, history_count, checks->anomaly_threshold_pct);
    if (detect_mean(checks, history, history_count, start, current, &ret_anomalies[found]))
        found++;
    if (detect_flat(history, history_count, start, current, &ret_anomalies[found]))
        found++;
    if (detect_shrunk(history, history_count, start, current, &ret_anomalies[found]))
        found++;
    return found;
}
