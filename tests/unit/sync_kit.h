/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines that share one in-memory store, for the tests of workspace and sync: each has a
 * directory, a view of the store with faults and counts of its own, and one job at a time. Every
 * write that the store applied is noted in order, also one whose answer was lost. One thread.
 */
#ifndef RKY_TESTS_UNIT_SYNC_KIT_H
#define RKY_TESTS_UNIT_SYNC_KIT_H

#include "state/remote_memory.h"
#include "state/store_internal.h"
#include "state/sync.h"
#include "tests/unit/test_ledger_kit.h"

#define KIT_NAMESPACE "acme"

struct kit_machine {
    struct rky_state_config config;
    char directory[4200];
    struct rky_remote *durable, *cache; /**< views; the store's. cache NULL = not tiered */
    struct rky_lease_driver *leases;    /**< the store's, NULL = none */
    struct rky_store *store;
    struct rky_workspace *workspace;
    struct rky_sync *sync; /**< NULL between jobs */
    struct rky_sync_options options;
};

/** What a machine is made of; zeroed = one durable store, no lease, no retries. */
struct kit_machine_options {
    bool tiered, leases;
    int64_t max_retries, ttl_seconds;
    enum rky_lock_mode lock_mode;
    const char *state_path, *encryption_key;
};

/** @brief Fixture: an empty store (and cache), nothing noted. */
void kit_world_open(void);
void kit_world_close(void);
/** @brief A store over the world's, whatever the backend. @param config borrowed. @param ret_parts
 *         the views it was made of. */
struct rky_store *kit_store(const struct rky_state_config *config, bool tiered, bool leases,
                            struct rky_store_parts *ret_parts);
/** @brief A machine with an empty directory of that name. */
void kit_machine_open(struct kit_machine *machine, const char *name,
                      const struct kit_machine_options *options);
void kit_machine_close(struct kit_machine *machine);
/** @brief The process ends and another begins: the workspace is opened anew. */
void kit_machine_restart(struct kit_machine *machine);

/** @brief Lock, lease, download; each must succeed. @param job_id "" = a command. */
void kit_begin_job(struct kit_machine *machine, const char *job_id);
/** @brief Lock and lease; then the download is the caller's. */
void kit_lock_job(struct kit_machine *machine, const char *job_id);
/** @brief One transaction: run @p id, a count, a watermark of @p table (NULL = none), a job record
 *         (@p job_id "" = none), and fence @p token. @return the generation. */
int64_t kit_write(struct kit_machine *machine, const char *id, const char *job_id,
                  const char *table, const char *value, int64_t token);
/** @brief Upload; must return @p code and report @p outcome and @p cause. */
void kit_upload(struct kit_machine *machine, const struct rky_sync_callbacks *callbacks, int code,
                enum rky_outcome outcome, enum rky_outcome cause);
/** @brief Free the sync. */
void kit_end_job(struct kit_machine *machine);
/** @brief begin, write, upload, end: everything must go well. */
void kit_whole_job(struct kit_machine *machine, const char *id, const char *table,
                   const char *value);

/** @brief Whether the ledger at hand has that run, that job, and a table's watermark. */
bool kit_has_run(const struct kit_machine *machine, const char *run_id);
bool kit_has_job(const struct kit_machine *machine, const char *job_id);
/** @brief Assert it; NULL = no row. */
void kit_expect_watermark(const struct kit_machine *machine, const char *table, const char *value);
struct rky_ledger_meta kit_meta(const struct kit_machine *machine);

/** @brief What a store holds, past every fault and count. @param ret_object done() by the caller.
 */
void kit_look(bool in_cache, struct rky_remote_object *ret_object);
/** @brief Replace, create or (@p body NULL) delete it in the same way. */
void kit_force(bool in_cache, const void *body, size_t length, const char *etag);
/** @brief The server applies a write of somebody's at last, metadata and all. */
void kit_land(const void *body, size_t length, const struct rky_snapshot_head *head);
/** @brief The store holds that version again, under the same etag. */
void kit_put_back(const struct rky_remote_object *object);
/** @brief Number of history copies; their suffixes must be of writes in the chain. */
size_t kit_versions(void);

/** @brief Writes of the head that the durable store applied since the world was opened. */
size_t kit_chain_length(void);
const struct rky_snapshot_head *kit_chain_at(size_t index);
/** @brief Forget what was noted: somebody tampered with the store. */
void kit_chain_forget(void);
/** @brief Assert that each write is the next generation on top of the one before, fences never
 *         falling, write ids all different. */
void kit_expect_chain(void);

/** @brief kit_expect_chain(), and forget all but the last write: for long loops. */
void kit_chain_settle(void);

/** @brief Calls of a machine to its durable store, or all its stores with RKY_MEMORY_OPS. */
int64_t kit_calls(const struct kit_machine *machine, enum rky_memory_op op);
/** @brief Break calls. @param error_class of the attempt; transient ones only. */
void kit_break(struct rky_remote *remote, enum rky_memory_op op, int64_t nth, int64_t times,
               bool applied, int code, const char *error_class);
/** @brief How many names in a directory end like this. */
size_t kit_files(const char *directory, const char *ending);

#endif
