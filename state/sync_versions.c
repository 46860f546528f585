/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Older versions of a state, for `rocky state restore`: after a commit the same envelope is put
 * beside the head, and what is beyond the retention goes. Best effort with a small time of its own;
 * nothing depends on it, and no outcome tells of it.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "state/sync_internal.h"

/* Listing costs a request: pruning is done once in so many generations. */
enum { KEEP_BUDGET_MS = 5000, PRUNE_EVERY = 16 };

static void prune(struct rky_sync *sync, struct rky_transfer *transfer)
{
    const struct rky_state_config *config = rky_store_config(sync->options.store);
    struct rky_remote_list list = {0};
    struct rky_error odd = {0};
    int64_t now_us = sync->options.clock->wall_us(sync->options.clock);
    int64_t keep_us = config->history_keep_days * 86400 * INT64_C(1000000);
    if (sync->remote->ops->list(sync->remote, RKY_REMOTE_HISTORY, sync->name.namespace_, transfer,
                                &list, &odd) != 0)
        return;
    size_t keep = config->history_keep_last > 0 ? (size_t)config->history_keep_last : 0;
    for (size_t i = 0; i + keep < list.count; i++) {
        const struct rky_remote_entry *entry = &list.items[i];
        if (entry->modified_us == 0 || now_us - entry->modified_us <= keep_us)
            continue;
        const struct rky_remote_name name = {RKY_REMOTE_HISTORY, sync->name.namespace_,
                                             entry->suffix};
        rky_error_clear(&odd);
        if (sync->remote->ops->remove(sync->remote, &name, NULL, transfer, &odd) != 0)
            break;
    }
    rky_remote_list_done(&list);
}

void rky_sync_keep_version(struct rky_sync *sync)
{
    const struct rky_state_config *config = rky_store_config(sync->options.store);
    struct rky_transfer transfer;
    struct rky_retry_budget none;
    struct rky_error odd = {0};
    char suffix[64], etag[RKY_ETAG_MAX];
    if (sync->sent == NULL || !sync->has_upload || sync->upload.outcome != RKY_OUTCOME_OK ||
        (config->history_keep_last == 0 && config->history_keep_days == 0))
        return;
    rky_retry_budget_init(&none, 0);
    rky_sync_transfer(sync, &transfer);
    transfer.budget = &none;
    transfer.deadline = rky_deadline_in(sync->options.clock, KEEP_BUDGET_MS);
    (void)snprintf(suffix, sizeof(suffix), "%020" PRId64 "-%.8s.snap", sync->sent_head.generation,
                   sync->sent_head.write_id);
    const struct rky_remote_name name = {RKY_REMOTE_HISTORY, sync->name.namespace_, suffix};
    const struct rky_remote_put put = {
        .body = sync->sent, .length = sync->sent_length, .condition = RKY_IF_ANY};
    if (sync->remote->ops->put(sync->remote, &name, &put, &transfer, etag, &odd) != 0) {
        rky_log_write(sync->options.log, RKY_LOG_WARN, NULL,
                      "namespace '%s': generation %" PRId64 " was not kept among the versions: %s",
                      sync->name.namespace_, sync->sent_head.generation, odd.message);
    } else if (sync->sent_head.generation % PRUNE_EVERY == 0) {
        prune(sync, &transfer);
    }
    rky_free(sync->sent);
    sync->sent = NULL;
}
