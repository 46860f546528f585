/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the remote suite's tests share: the remote, a namespace of their own, and one call per
 * expectation.
 */
#ifndef RKY_TESTS_CONFORMANCE_REMOTE_KIT_H
#define RKY_TESTS_CONFORMANCE_REMOTE_KIT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/conformance/remote_suite.h"

#define TRANSFER_MS 30000

/** What a write wants to find. */
struct wish {
    enum rky_remote_if condition;
    const char *etag;
    const struct rky_snapshot_head *head;
};

/** What the test that runs works with; every test has a process of its own. */
extern struct remote_kit {
    struct rky_remote *remote;
    char ns[64];
    struct rky_remote_name head_name;
} shared;

/** Of the program. */
extern const struct rky_remote_fixture *shared_fixture;

/** A name that no other test has. */
void shared_unique_namespace(char ret_name[64]);
void shared_open_remote(void);
void shared_close_remote(void);
/** A transfer with so much time. */
struct rky_transfer shared_transfer_of(int64_t ms);
/** One write. */
int shared_put_with(const struct rky_remote_name *name, const void *body, size_t length,
                    const struct wish *wish, char ret_etag[RKY_ETAG_MAX],
                    struct rky_transfer *transfer, struct rky_error *err);
/** A write that must succeed. @p etag holds the version it replaces ("" = none) and then its own.
 */
void shared_put_ok(const struct rky_remote_name *name, const char *body, char etag[RKY_ETAG_MAX]);
/** Its head; must be answered. */
struct rky_remote_object shared_look(const struct rky_remote_name *name);
/** What the durable store has. */
struct rky_remote_object shared_get_durable(const struct rky_remote_name *name);
/** As a careful reader does it: what a cache gave counts only when the store has the same version.
 */
struct rky_remote_object shared_get_if(const struct rky_remote_name *name,
                                       const char *if_none_match);
/** It is there, with this body. @p etag NULL = any version. */
void shared_expect_body(const struct rky_remote_name *name, const char *body, const char *etag);
/** One removal. */
int shared_remove_with(const struct rky_remote_name *name, const char *etag, struct rky_error *err);
/** Remove; @p etag NULL = whatever is there. */
void shared_remove_ok(const struct rky_remote_name *name, const char *etag);
/** The name of one kept version. */
struct rky_remote_name shared_history_name(const char *namespace_, const char *suffix);
/** The head of some version of the state. */
struct rky_snapshot_head shared_sample_head(int64_t generation);

/** The tests of the other files. */
void remote_add_objects(TCase *tcase);
void remote_add_races(TCase *tcase);

#endif
