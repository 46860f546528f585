/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two machines that share a remote, for the tests of download and upload: how the downloads of
 * either are looked at, and how a's uploads are made. One thread.
 */
#ifndef RKY_TESTS_UNIT_SYNC_PAIR_H
#define RKY_TESTS_UNIT_SYNC_PAIR_H

#include <check.h>
#include <stddef.h>

#include "tests/unit/sync_kit.h"

/** The machines of the test that runs; every test has a process of its own. */
extern struct sync_pair {
    struct kit_machine a, b;
} pair;

/** @brief The fixture: both with a durable store only. */
void pair_setup(void);
/** @brief The same, and uploads that fail may be skipped. */
void pair_setup_skippable(void);
void pair_teardown(void);
void pair_reopen_both(const struct kit_machine_options *options);

/** @brief The report of the last download, which must say this. */
const struct rky_transfer_report *pair_downloaded(const struct kit_machine *machine,
                                                  enum rky_outcome outcome, enum rky_outcome cause);
/** @brief Download; must fail like this. */
const struct rky_transfer_report *pair_download_fails(struct kit_machine *machine, int code,
                                                      enum rky_outcome outcome,
                                                      const char *error_class,
                                                      enum rky_transfer_sequel sequel);
/** @brief A run of @p machine whose upload the store does not answer: the copy is pending. */
void pair_pending_job(struct kit_machine *machine, const char *id, const char *table,
                      const char *value);
/** @brief The directory of the copies, and of what was refused. Overwritten by the next call. */
const char *pair_copies_of(const struct kit_machine *machine);
const char *pair_refused_of(const struct kit_machine *machine);

/** @brief The report of a's last upload; there must be one. */
const struct rky_transfer_report *pair_uploaded(void);
/** @brief Upload; what is reported as done must be in the chain. */
void pair_upload_ok(const struct rky_sync_callbacks *callbacks);
/** @brief a's job up to the upload, on top of one that is in sync. */
void pair_job_in_hand(const char *id);
/** @brief b sees these runs, in one chain of so many writes. */
void pair_expect_remote(size_t writes, const char *const *runs);
#define pair_expect_runs(writes, ...) \
    pair_expect_remote(writes, (const char *const[]){__VA_ARGS__, NULL})

/** @brief The tests of the other files: sync_refusals.c, sync_writers.c. */
void pair_add_refusals(TCase *tcase);
void pair_add_writers(TCase *tcase);

#endif
