/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row-count anomalies. Pure functions over a table's history of counts.
 *
 * `mean`: deviation of the current count from the average of the last 10 normal counts, the current
 * one excluded; one prior count suffices; anomalous when strictly above the threshold (percent, 0
 * disables). After 3 anomalous runs that agree within the threshold the new level is the baseline.
 * `flat`: the table grew in each run before, and now stood still for 3 runs. `shrunk`: more than
 * 1 % fewer rows than the last normal count.
 */
#ifndef RKY_ENGINE_ANOMALY_H
#define RKY_ENGINE_ANOMALY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "state/ledger.h"

/** Baseline window of the mean, runs until a new level is accepted, runs until flat. */
#define RKY_ANOMALY_WINDOW 10
#define RKY_ANOMALY_ACCEPT_RUNS 3
#define RKY_ANOMALY_FLAT_RUNS 3
#define RKY_ANOMALY_SHRUNK_PCT 1.0

enum rky_anomaly_kind {
    RKY_ANOMALY_DROP,  /**< far below the average */
    RKY_ANOMALY_SPIKE, /**< far above the average */
    RKY_ANOMALY_FLAT,
    RKY_ANOMALY_SHRUNK,
};
/** @brief "drop", "spike", "flat", "shrunk". */
const char *rky_anomaly_name(enum rky_anomaly_kind kind);

struct rky_anomaly {
    enum rky_anomaly_kind kind;
    int64_t current_count;
    double baseline_avg;
    double deviation_pct; /**< signed */
    char reason[200];
};

#define RKY_ANOMALY_MAX 3

/**
 * @brief Judge a new count.
 * @param history  Oldest first, without the current count; at least the last 50 when there are.
 * @param current  The count of this run's snapshot.
 * @param ret_anomalies Room for RKY_ANOMALY_MAX.
 * @return How many were found.
 */
size_t rky_anomaly_detect(const struct rky_checks_config *checks, const struct rky_count *history,
                          size_t history_count, int64_t current,
                          struct rky_anomaly ret_anomalies[RKY_ANOMALY_MAX]);

#endif
