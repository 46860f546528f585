/* SPDX-License-Identifier: Apache-2.0 */
/* Sample snapshots. */
#include "config.h"

#include "tests/unit/snapshot_kit.h"

#include <stdio.h>

#include "common/mem.h"

void kit_snapshot_source(struct rky_snapshot_head *ret_head, unsigned char **ret_raw,
                         size_t *ret_length)
{
    struct rky_ledger *ledger = kit_open_locked(kit_path("source.db"));
    struct rky_watermark watermark = kit_watermark("w.s.orders", "2026-11-21");
    struct rky_job_record job = kit_job("job-1", "key", "success");
    for (int i = 0; i < 3; i++) {
        kit_begin(ledger);
        assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
        if (i == 2)
            assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
        assert_ok(rky_ledger_raise_fence(ledger, 7, assert_err_));
        (void)kit_commit(ledger);
    }
    assert_ok(rky_ledger_head(ledger, ret_head, assert_err_));
    assert_ok(rky_ledger_serialize(ledger, ret_raw, ret_length, assert_err_));
    rky_ledger_close(ledger);
    /* As encoding leaves it. */
    (*ret_raw)[18] = 1;
    (*ret_raw)[19] = 1;
    ret_head->created_at_us = NOON_US;
    ret_head->restored_from = 2;
    (void)snprintf(ret_head->worker_id, sizeof(ret_head->worker_id), "worker-1");
    (void)snprintf(ret_head->version, sizeof(ret_head->version), "1.2.3");
    (void)snprintf(ret_head->host, sizeof(ret_head->host), "pod-1");
    (void)snprintf(ret_head->run_id, sizeof(ret_head->run_id),
                   "11111111-1111-4111-8111-111111111111");
    (void)snprintf(ret_head->job_id, sizeof(ret_head->job_id),
                   "22222222-2222-4222-8222-222222222222");
}

struct rky_snapshot_key kit_snapshot_key(int number)
{
    struct rky_snapshot_key key;
    char text[65];
    (void)snprintf(text, sizeof(text), "%064x", number);
    assert_ok(rky_snapshot_key_parse(text, &key, assert_err_));
    return key;
}
