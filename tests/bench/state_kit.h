/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measurements of remote state share: a world made of one configuration file, a state of a
 * given size in it, a plain PUT to compare with, and clocks.
 */
#ifndef RKY_TESTS_BENCH_STATE_KIT_H
#define RKY_TESTS_BENCH_STATE_KIT_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "state/store.h"
#include "state/sync.h"

struct world {
    struct rky_config *config;
    struct rky_store *store;
};

/** Everything here ends the process when it fails: half a measurement is none. */
_Noreturn void die(const char *what, const char *why);
void must(const char *what, int rc, const struct rky_error *err);

void open_world(struct world *world, const char *config_path);
void close_world(struct world *world);
struct rky_workspace *open_workspace(const struct world *world, const char *namespace_);
/** @brief Locked, and downloaded. */
struct rky_sync *open_sync(const struct world *world, struct rky_workspace *workspace);
/** @brief Watermarks and row counts until the state has about @p bytes. One transaction. */
void grow(struct rky_ledger *ledger, size_t bytes);
/** @brief A small change, as a run of one table makes it. */
void change(struct rky_ledger *ledger, int64_t round);

double now_us(void);
double cpu_us(void);
/** @brief Sorts. */
double median(double *values, size_t count);

struct plain;
/** @brief PUT and GET by libcurl itself on one connection, nothing signed or read into. */
struct plain *plain_new(void);
void plain_put(struct plain *plain, const char *url, const void *bytes, size_t length);
/** @brief An integer of the store's counts. @param url of its counts. */
int64_t plain_count(struct plain *plain, const char *url, const char *what);
void plain_free(struct plain *plain);

#endif
