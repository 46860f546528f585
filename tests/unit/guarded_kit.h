/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guarded memory remote whose answers get lost by script. `store` is a second view of the same
 * store: what a test does there, or reads there, is behind the guard's back. One thread.
 */
#ifndef RKY_TESTS_UNIT_GUARDED_KIT_H
#define RKY_TESTS_UNIT_GUARDED_KIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/remote_memory.h"

#define NAMESPACE "bronze"
#define TRANSFER_MS 60000

/** What the test that runs works with; every test has a process of its own. */
extern struct guarded_kit {
    struct rky_fake_clock clock;
    struct rky_retry_config config;
    struct rky_leg leg;
    struct rky_remote *driver; /* owned by `remote` */
    struct rky_remote *remote, *store;
    struct rky_transfer transfer;
    struct rky_error err;
    char etag[RKY_ETAG_MAX];
    struct rky_snapshot_head head;
    char base_etag[RKY_ETAG_MAX];
    struct rky_snapshot_head other;
} guarded;

/** What is written: the head of the namespace. */
extern const struct rky_remote_name guarded_name;
/** A connection that broke. */
extern const struct rky_attempt guarded_reset;
/** A server that answers 5xx. */
extern const struct rky_attempt guarded_server_error;

/** A transfer that has made no attempt yet. */
struct rky_transfer guarded_new_transfer(void);
/** A version of the state. @param parent NULL = none. */
struct rky_snapshot_head guarded_version(int64_t generation,
                                         const struct rky_snapshot_head *parent);
/** Write behind the guard's back. @p ret_etag "" before = create. */
void guarded_write_directly(const struct rky_snapshot_head *with, const void *body, size_t length,
                            char ret_etag[RKY_ETAG_MAX]);
/** The fixture; a test may begin anew with both. */
void guarded_setup(void);
void guarded_teardown(void);
/** Put version `head`, replacing `base` ("" = create). */
int guarded_put_with(const char *base, enum rky_remote_if condition);
/** Put version `head` where nothing is. */
int guarded_create(void);
/** A first version that stands, and `head` that is to replace it. @p ret_base its etag. */
void guarded_stand_on_base(char ret_base[RKY_ETAG_MAX]);
/** Calls @p nth and following of @p op fail like this, before or after they were @p applied. */
void guarded_fault(enum rky_memory_op op, int64_t nth, int64_t times, bool applied, int code,
                   struct rky_attempt attempt);
/** What the driver was asked for. */
void guarded_expect_calls(int64_t puts, int64_t heads);
/** What is there, seen from behind. */
struct rky_remote_object guarded_stored(void);
/** The write counts: it is there, under the etag that put() gave. */
void guarded_expect_committed(bool recovered);
/** The write failed like this, and @p unknown says whether its fate is. */
void guarded_expect_failed(int rc, int code, enum rky_guard_end end, bool unknown);
/** libcurl itself may send twice: the reply to the second is the refusal that our first caused. */
void guarded_apply_first(void *context, enum rky_memory_op op, int64_t number);
/** Before call number 1 of HEAD somebody else commits `other`. */
void guarded_overtake(void *context, enum rky_memory_op op, int64_t number);

/** The tests of the other files. */
void guarded_add_ends(TCase *tcase);

#endif
