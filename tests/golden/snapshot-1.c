/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the golden files of schema version 2 and of snapshot format 1:
 * `snapshot-1 LEDGER PLAIN SEALED`. LEDGER is made from the golden ledger of version 1, which it
 * has to be a copy of. It ran once; the files are kept for ever, and every later version must read
 * them (tests/unit/test_snapshot_golden.c). For a new format copy this program and leave this one
 * as it is.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "state/ledger.h"

#define NOON_US INT64_C(1795262400000000) /* 2026-11-21 12:00 UTC */
/* Not a secret: it seals what is published beside it. */
#define KEY "8f7e6d5c4b3a29180716253443526170f0e1d2c3b4a5968778695a4b3c2d1e0f"

/* Two commits behind the one of the older file, so that there are ancestors. */
static int go_on(struct rky_ledger *ledger, struct rky_error *err)
{
    int64_t generation;
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < 2; i++) {
        rc = rky_ledger_begin(ledger, err);
        if (rc == 0)
            rc = rky_ledger_audit(ledger, "state import", "acme", NULL, NULL, "kim@host", err);
        if (rc == 0)
            rc = rky_ledger_raise_fence(ledger, 20 + i, err);
        if (rc == 0)
            rc = rky_ledger_bump(ledger, &generation, err);
        if (rc == 0)
            rc = rky_ledger_commit(ledger, err);
    }
    return rc;
}

static int write_snapshot(struct rky_ledger *ledger, const char *path, const char *key_text,
                          struct rky_error *err)
{
    struct rky_snapshot_head head;
    struct rky_snapshot_key key;
    unsigned char *raw = NULL, *bytes = NULL;
    size_t raw_length = 0, length = 0;
    int rc = rky_snapshot_key_parse(key_text, &key, err);
    if (rc == 0)
        rc = rky_ledger_head(ledger, &head, err);
    if (rc == 0)
        rc = rky_ledger_serialize(ledger, &raw, &raw_length, err);
    if (rc == 0) {
        head.created_at_us = NOON_US;
        head.restored_from = 1;
        (void)snprintf(head.worker_id, sizeof(head.worker_id), "worker-1");
        (void)snprintf(head.version, sizeof(head.version), "1.0.0");
        (void)snprintf(head.host, sizeof(head.host), "pod-1");
        (void)snprintf(head.run_id, sizeof(head.run_id), "6fa459ea-ee8a-4ca4-894e-db77e160355e");
        (void)snprintf(head.job_id, sizeof(head.job_id), "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        rc = rky_snapshot_encode(&head, raw, raw_length, &key, &bytes, &length, err);
    }
    if (rc == 0)
        rc = rky_write_file_atomic(path, bytes, length, err);
    rky_free(raw);
    rky_free(bytes);
    return rc;
}

int main(int argc, char **argv)
{
    struct rky_error err = {0};
    struct rky_ledger *ledger = NULL;
    struct rky_fake_clock clock;
    if (argc != 4) {
        (void)fprintf(stderr, "usage: snapshot-1 LEDGER PLAIN SEALED\n");
        return 64;
    }
    rky_fake_clock_init(&clock, NOON_US);
    struct rky_ledger_options options = {.path = argv[1],
                                         .namespace_ = "acme",
                                         .mode = RKY_LEDGER_WRITE,
                                         .private_copy = true,
                                         .clock = &clock.base};
    int rc = rky_ledger_open(&options, &ledger, &err);
    if (rc == 0)
        rc = rky_ledger_lock(ledger, 0, &err);
    if (rc == 0)
        rc = go_on(ledger, &err);
    if (rc == 0)
        rc = write_snapshot(ledger, argv[2], NULL, &err);
    if (rc == 0)
        rc = write_snapshot(ledger, argv[3], KEY, &err);
    rky_ledger_close(ledger);
    if (rc != 0)
        (void)fprintf(stderr, "%s\n", err.message);
    return rc == 0 ? 0 : 1;
}
