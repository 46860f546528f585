/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job after the other in one process, each through a whole cycle - lock, lease, download, copy,
 * record, upload, publish, version - with its Nth chance to fail broken, for N from 1 until the
 * cycle ends before the Nth. After each, the same job comes again without faults, and then: every
 * row once, one chain of generations, one result however often it was told.
 */
#ifndef RKY_TESTS_UNIT_CYCLE_KIT_H
#define RKY_TESTS_UNIT_CYCLE_KIT_H

#include <stdbool.h>
#include <stdint.h>

#include "state/remote.h"

struct kit_fault {
    void (*arm)(uint64_t nth);
    bool (*disarm)(void); /* whether it struck */
    const char *what;
    const char *may_fail; /* what a result says that a fault of this kind may end a job with */
};

/** @brief Fixture: a source with a row, which a first job has copied. @param state lines of [state]
 *         that name a backend; NULL = the in-memory store, with leases. */
void kit_cycles_open(const char *state);
void kit_cycles_close(void);
/** @brief The in-memory store as the jobs see it, for faults. */
struct rky_remote *kit_cycles_remote(void);
/** @brief One of them, and again without. @return whether the fault struck. */
bool kit_cycle_once(const struct kit_fault *fault, uint64_t nth);
/** @brief All of them. */
void kit_cycles(const struct kit_fault *fault, uint64_t from, uint64_t step);

#endif
