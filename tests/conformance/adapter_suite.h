/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite of the warehouse seam, and what tests of one driver share with it.
 *
 * A driver's test program gives a fixture: two fresh warehouses and a way to run SQL in them behind
 * the driver's back. The suite speaks to the driver through its vtable only.
 */
#ifndef RKY_TESTS_CONFORMANCE_ADAPTER_SUITE_H
#define RKY_TESTS_CONFORMANCE_ADAPTER_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/adapter.h"

enum adapter_side { ADAPTER_SOURCE, ADAPTER_TARGET };

struct adapter_fixture {
    /** Configuration of a fresh, empty warehouse; the same for the life of the process. */
    const struct rky_adapter_config *(*config)(enum adapter_side side);
    /** Run statements, creating the schema when it is missing. Aborts the test on failure. */
    void (*exec)(enum adapter_side side, const char *schema, const char *sql);
    /** Rows of a query, one a line, columns as literals separated by "|". Caller frees. */
    char *(*query)(enum adapter_side side, const char *schema, const char *sql);
};

/** Add every test of the seam to a suite. */
void adapter_suite_add(Suite *suite, const struct adapter_fixture *fixture);
/** The randomised test against a model of the promise (adapter_model.c). */
void adapter_model_add(Suite *suite, const struct adapter_fixture *fixture);

/* --- a world: source, target, one session ------------------------------------------------------
 */

#define ADAPTER_CATALOG "lake"
#define ADAPTER_SCHEMA "src__acme__shopify"
#define ADAPTER_TARGET_SCHEMA "staging__shopify"

struct adapter_world {
    const struct adapter_fixture *fixture;
    struct rky_adapter *source, *target;
    const struct rky_adapter_ops *ops;
    struct rky_session *session;
    struct rky_fake_clock clock;
    struct rky_claim claim;
    int commits; /**< for commit ids */
};

/** What a test wants different from the defaults. */
struct adapter_wish {
    const char *cursor; /**< default "_fivetran_synced"; "" = none */
    enum rky_boundary boundary;
    enum rky_null_cursor null_cursor;
    int64_t lookback_seconds, safety_lag_seconds, tombstone_seq;
    const struct rky_metadata_column *metadata;
    size_t metadata_count;
    bool count_source, refresh, adopt;
    const char *const *added;
    const char *commit_id, *job_id, *plan_id, *key;
    char *stale_commit_id; /**< stands in the spec's mark instead of the row's */
    bool no_mark;          /**< the spec was made when there was none */
};

void adapter_world_open(struct adapter_world *world, const struct adapter_fixture *fixture,
                        int64_t lock_timeout_ms);
/** Another session on the same target, not claimed. */
struct rky_session *adapter_session(struct adapter_world *world, int64_t lock_timeout_ms);
void adapter_world_close(struct adapter_world *world);
/** Copy a table as the engine would: full without a watermark, else incremental. */
int adapter_copy(struct adapter_world *world, const char *table, const struct adapter_wish *wish,
                 struct rky_copy_outcome *ret_outcome, struct rky_error *err);
/** The same, and it must succeed. */
struct rky_copy_outcome adapter_copy_ok(struct adapter_world *world, const char *table,
                                        const struct adapter_wish *wish);
/** The same, and it must fail like this. @return the error for further looks. */
struct rky_error adapter_copy_fails(struct adapter_world *world, const char *table,
                                    const struct adapter_wish *wish, int code);
/** The statements that this copy would execute, one a line, "purpose: sql". Caller frees. */
char *adapter_statements(struct adapter_world *world, const char *table,
                         const struct adapter_wish *wish);
/** The watermark row of a table; must be there. */
struct rky_mark adapter_mark(struct adapter_world *world, const char *table);

void adapter_source(struct adapter_world *world, const char *sql);
void adapter_target(struct adapter_world *world, const char *sql);
/** Compare a query of the target with text. */
void adapter_expect(struct adapter_world *world, const char *sql, const char *expected);
/** Source and target hold the same rows in these columns. */
void adapter_expect_same(struct adapter_world *world, const char *table, const char *columns);

#define adapter_ok(call, err) ck_assert_msg((call) == RKY_OK, "%s", (err).message)

#endif
