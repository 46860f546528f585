/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the golden file of schema version 1: `ledger-v1 FILE`. It ran once; the file it wrote is
 * kept for ever, and every later version must read it (tests/unit/test_ledger_golden.c). For a new
 * schema version copy this program and leave this one as it is.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "state/ledger.h"

#define NOON_US INT64_C(1795262400000000) /* 2026-11-21 12:00 UTC */

static char *text(const char *borrowed)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = borrowed};
    return cast.out;
}

static int put_tables(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_watermark full = {.table = text("acme_warehouse.staging__us_west__shopify.orders"),
                                 .cursor_column = text("_fivetran_synced"),
                                 .cursor_type = text("text"),
                                 .value = text("2026-11-21 11:59:59.123456+00:00"),
                                 .high_value = text("2026-11-21 11:59:59.5+00:00"),
                                 .commit_id = text("6fa459ea-ee8a-4ca4-894e-db77e160355e"),
                                 .run_id = text("run-1"),
                                 .job_id = text("job-1"),
                                 .source = text("raw.src__acme__us_west__shopify.orders"),
                                 .pipeline = text("shopify"),
                                 .updated_at_us = NOON_US};
    struct rky_watermark empty = {.table = text("w.\"a \"\"b\"\" c\".\xc3\xa4"),
                                  .updated_at_us = NOON_US + 1};
    int rc = rky_ledger_watermark_put(ledger, &full, err);
    if (rc == 0)
        rc = rky_ledger_watermark_put(ledger, &empty, err);
    if (rc == 0)
        rc = rky_ledger_tombstone_put(ledger, empty.table, 3, "state delete", err);
    if (rc == 0)
        rc = rky_ledger_count_add(ledger, full.table, "run-0", 1000, NOON_US - 2, false, NULL, err);
    if (rc == 0)
        rc = rky_ledger_count_add(ledger, full.table, "run-1", 10, NOON_US - 1, true,
                                  "[{\"kind\":\"drop\"}]", err);
    if (rc == 0)
        rc = rky_ledger_count_add(ledger, empty.table, "run-0", 5, NOON_US - 2, true,
                                  "[{\"kind\":\"spike\"}]", err);
    if (rc == 0)
        rc = rky_ledger_count_accept(ledger, empty.table, err);
    return rc;
}

static int put_jobs(struct rky_ledger *ledger, struct rky_error *err)
{
    struct rky_run_record run = {.run_id = text("run-1"),
                                 .job_id = text("job-1"),
                                 .kind = text("apply"),
                                 .status = text("partial"),
                                 .trigger = text("kafka"),
                                 .worker_id = text("worker-1"),
                                 .plan_id = text("a-plan"),
                                 .pipeline = text("shopify"),
                                 .started_at_us = NOON_US - 5,
                                 .finished_at_us = NOON_US,
                                 .tables_copied = 2,
                                 .tables_failed = 1,
                                 .rows_copied = 1010};
    struct rky_job_record job = {.job_id = text("job-1"),
                                 .type = text("apply"),
                                 .body_sha256 = text("b0d1"),
                                 .params_sha256 = text("ba5e"),
                                 .idempotency_key = text("nightly"),
                                 .status = text("partial"),
                                 .result = text("{\"status\":\"partial\"}"),
                                 .events = text("[{\"type\":\"table.replicated\"}]"),
                                 .finished_at_us = NOON_US};
    struct rky_job_record duplicate = {.job_id = text("job-2"),
                                       .type = text("apply"),
                                       .body_sha256 = text(""),
                                       .params_sha256 = text("ba5e"),
                                       .idempotency_key = text("nightly"),
                                       .status = text("skipped"),
                                       .result = text("{\"status\":\"skipped\"}"),
                                       .events = text("[]"),
                                       .duplicate_of = text("job-1"),
                                       .finished_at_us = NOON_US + 1};
    struct rky_plan_record plan = {.pipeline = text("shopify"),
                                   .payload = text("{\"format\":1}"),
                                   .display = text("{\"tables\":[]}"),
                                   .created_at_us = NOON_US - 9,
                                   .expires_at_us = NOON_US + 9};
    memset(plan.plan_id, 'a', RKY_SHA256_HEX - 1);
    int rc = rky_ledger_run_put(ledger, &run, err);
    if (rc == 0)
        rc = rky_ledger_job_put(ledger, &job, err);
    if (rc == 0)
        rc = rky_ledger_job_put(ledger, &duplicate, err);
    if (rc == 0)
        rc = rky_ledger_plan_put(ledger, &plan, err);
    if (rc == 0)
        rc = rky_ledger_plan_applied(ledger, plan.plan_id, "run-1", NOON_US, err);
    memset(plan.plan_id, 'b', RKY_SHA256_HEX - 1);
    if (rc == 0)
        rc = rky_ledger_plan_put(ledger, &plan, err);
    return rc;
}

int main(int argc, char **argv)
{
    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    struct rky_fake_clock clock;
    int64_t generation;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: ledger-v1 FILE\n");
        return 64;
    }
    rky_fake_clock_init(&clock, NOON_US);
    struct rky_ledger_options options = {
        .path = argv[1], .namespace_ = "acme", .mode = RKY_LEDGER_WRITE, .clock = &clock.base};
    int rc = rky_ledger_open(&options, &ledger, &err);
    if (rc == 0)
        rc = rky_ledger_lock(ledger, 0, &err);
    if (rc == 0)
        rc = rky_ledger_begin(ledger, &err);
    if (rc == 0)
        rc = rky_ledger_set_lineage(ledger, "3f2504e0-4f89-41d3-9a0c-0305e82c3301", &err);
    if (rc == 0)
        rc = rky_ledger_raise_fence(ledger, 12, &err);
    if (rc == 0)
        rc = put_tables(ledger, &err);
    if (rc == 0)
        rc = put_jobs(ledger, &err);
    if (rc == 0)
        rc = rky_ledger_audit(ledger, "state set", "t", "1", "2", "kim@host", &err);
    if (rc == 0)
        rc = rky_ledger_bump(ledger, &generation, &err);
    if (rc == 0)
        rc = rky_ledger_commit(ledger, &err);
    rky_ledger_close(ledger);
    if (rc != 0)
        (void)fprintf(stderr, "%s\n", err.message);
    return rc == 0 ? 0 : 1;
}
