/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workspace in a directory of its own, and copies made in it. One thread.
 */
#ifndef RKY_TESTS_UNIT_WORKSPACE_KIT_H
#define RKY_TESTS_UNIT_WORKSPACE_KIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/unit/sync_kit.h"

/** What the test that runs works with; every test has a process of its own. */
extern struct place_world {
    struct rky_state_config config;
    struct rky_fake_clock clock;
    char directory[4200], copies[4400];
    /** What another machine has uploaded. */
    struct {
        struct rky_snapshot_head head;
        unsigned char *raw;
        size_t length;
    } image;
} place;

/** Something to know of the remote. */
extern const struct rky_base place_base;

void place_setup(void);
void place_teardown(void);
/** @brief A workspace. @param state_path NULL = numbered copies. */
struct rky_workspace *place_workspace_at(const char *state_path);
/** @brief The same, locked. */
struct rky_workspace *place_locked(const char *state_path);
/** @brief One transaction: this run. */
void place_write_run(struct rky_workspace *workspace, const char *id);
/** @brief Locked, with a new copy that holds this run. */
struct rky_workspace *place_with_copy(const char *state_path, const char *run_id);
bool place_holds(struct rky_workspace *workspace, const char *run_id);
/** @brief Unlock and free. */
void place_close_it(struct rky_workspace *workspace);
/** @brief Fill `image`: a state that holds this run. */
void place_make_image(const char *run_id);
/** @brief A path among the copies. Overwritten by the next call. */
const char *place_in_copies(const char *name);
void place_put_file(const char *path, const char *text);
/** @brief The state path of a loop test: numbered copies, then a file of its own. */
const char *place_fixed_or_not(int loop);

/** The tests of the other files. */
void place_add_faults(TCase *tcase);

#endif
