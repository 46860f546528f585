/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of one table after its copy, from the numbers of the copy's own snapshot: row_count,
 * freshness, and the anomalies of its row-count history.
 *
 * A check that could not be evaluated has failed, with the reason. A failed check keeps rows and
 * watermark; the run's exit status says that somebody should look.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

/* As many counts as the anomaly rules ever look back at. */
enum { HISTORY_LIMIT = 200 };

static int add_check(struct rky_work *work, json_t *check, bool passed, enum rky_severity severity,
                     struct rky_error *err)
{
    if (work->checks == NULL)
        work->checks = json_array();
    if (check == NULL || work->checks == NULL || json_array_append_new(work->checks, check) != 0)
        return rky_fail_nomem(err);
    if (!passed && severity == RKY_SEVERITY_ERROR)
        work->check_failed = true;
    return RKY_OK;
}

static json_t *check_json(const char *name, bool passed, enum rky_severity severity, char *message)
{
    json_t *check = json_pack("{s:s, s:b, s:s, s:s?}", "name", name, "passed", passed, "severity",
                              rky_severity_name(severity), "message", message);
    rky_free(message);
    return check;
}

/* Rows of the window in the source against rows inserted; late rows are outside the window. */
static int check_row_count(struct rky_work *work, const struct rky_checks_config *checks,
                           struct rky_error *err)
{
    const struct rky_copy_outcome *outcome = &work->outcome;
    int64_t inserted = outcome->rows_copied - outcome->late_rows;
    bool passed = outcome->window_rows == inserted;
    char *message = NULL;
    if (outcome->window_rows < 0)
        message = rky_asprintf("the source's rows were not counted");
    else if (!passed)
        message =
            rky_asprintf("the source has %" PRId64 " rows in the window, %" PRId64 " were inserted",
                         outcome->window_rows, inserted);
    json_t *check = check_json("row_count", passed, checks->row_count.severity, message);
    if (check != NULL) {
        (void)json_object_set_new(check, "source_rows", json_integer(outcome->window_rows));
        (void)json_object_set_new(check, "inserted_rows", json_integer(inserted));
    }
    return add_check(work, check, passed, checks->row_count.severity, err);
}

static int check_freshness(const struct rky_run *run, struct rky_work *work,
                           const struct rky_checks_config *checks, struct rky_error *err)
{
    const struct rky_cursor *newest = &work->outcome.through;
    int64_t newest_us = 0;
    int64_t now_us = run->env.clock->wall_us(run->env.clock);
    bool passed = false;
    char *message = NULL;
    json_t *age = json_null();
    if (newest->type == RKY_CURSOR_NONE) {
        message = rky_asprintf("the table has no rows, so its age is not known");
    } else if (rky_cursor_time(newest, &newest_us) != RKY_OK) {
        message = rky_asprintf("the cursor value '%s' is not a time", newest->text);
    } else {
        int64_t seconds = (now_us - newest_us) / 1000000;
        age = json_integer(seconds);
        passed = seconds <= checks->freshness_threshold_seconds;
        if (!passed)
            message =
                rky_asprintf("the newest row is %" PRId64 " s old, the limit is %" PRId64 " s",
                             seconds, checks->freshness_threshold_seconds);
    }
    json_t *check = check_json("freshness", passed, checks->freshness.severity, message);
    if (check != NULL) {
        (void)json_object_set_new(check, "age_seconds", age);
        (void)json_object_set_new(check, "threshold_seconds",
                                  json_integer(checks->freshness_threshold_seconds));
    }
    return add_check(work, check, passed, checks->freshness.severity, err);
}

static int keep_anomalies(struct rky_work *work, const struct rky_checks_config *checks,
                          const struct rky_count *counts, size_t count, struct rky_error *err)
{
    struct rky_anomaly found[RKY_ANOMALY_MAX];
    size_t found_count =
        rky_anomaly_detect(checks, counts, count, work->outcome.source_count, found);
    if (found_count == 0)
        return RKY_OK;
    work->anomalies = rky_calloc(found_count, sizeof(*found));
    if (work->anomalies == NULL)
        return rky_fail_nomem(err);
    memcpy(work->anomalies, found, found_count * sizeof(*found));
    work->anomaly_count = found_count;
    return RKY_OK;
}

/* The history is that of the source table: its whole count in the copy's snapshot. */
static int judge_history(struct rky_run *run, struct rky_work *work,
                         const struct rky_checks_config *checks, struct rky_error *err)
{
    struct rky_count *counts = NULL;
    size_t count = 0;
    if (work->outcome.source_count < 0)
        return RKY_OK;
    int rc = rky_ledger_counts(run->env.ledger, work->name, HISTORY_LIMIT, &counts, &count, err);
    if (rc == RKY_OK)
        rc = keep_anomalies(work, checks, counts, count, err);
    /* More rows at or below the watermark than the last run saw arrived too late for the window. */
    if (rc == RKY_OK && count > 0 && work->copied &&
        work->decision.action == RKY_ACTION_INCREMENTAL) {
        int64_t below = work->outcome.source_count - work->outcome.window_rows -
                        work->outcome.late_rows - counts[count - 1].count;
        if (below > 0)
            rc = rky_warn(&work->warnings, err, "late-rows-below",
                          "%" PRId64 " rows arrived below the watermark and were not copied; set "
                          "lookback_seconds to look for such rows",
                          below);
    }
    rky_free(counts);
    return rc;
}

int rky_work_check(struct rky_run *run, struct rky_work *work, struct rky_error *err)
{
    if (work->table == NULL || work->state != RKY_WORK_DONE)
        return RKY_OK;
    const struct rky_checks_config *checks = work->table->settings.checks;
    int rc = RKY_OK;
    if (!checks->enabled)
        return RKY_OK;
    if (checks->row_count.enabled)
        rc = check_row_count(work, checks, err);
    if (rc == RKY_OK && checks->freshness.enabled)
        rc = check_freshness(run, work, checks, err);
    if (rc == RKY_OK && checks->row_count.enabled)
        rc = judge_history(run, work, checks, err);
    return rc;
}
