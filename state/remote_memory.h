/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-memory remote as tests use it: several views of one store (workers that share a bucket),
 * and faults by script, so that what stands above the seam needs no server to be tested.
 */
#ifndef RKY_STATE_REMOTE_MEMORY_H
#define RKY_STATE_REMOTE_MEMORY_H

#include "state/remote.h"

enum rky_memory_op {
    RKY_MEMORY_HEAD,
    RKY_MEMORY_GET,
    RKY_MEMORY_PUT,
    RKY_MEMORY_REMOVE,
    RKY_MEMORY_LIST,
    RKY_MEMORY_OPS, /**< how many; in a fault: any of them */
};

/** A call that fails. */
struct rky_memory_fault {
    enum rky_memory_op op;
    int64_t nth;   /**< first such call that fails, counted from when the fault is set; 0 = 1 */
    int64_t times; /**< how many calls in a row; 0 = 1, -1 = all from then on */
    bool applied;  /**< the call takes effect, only its answer is lost */
    int code;      /**< enum rky_err */
    struct rky_attempt attempt;
};

/** @brief Another remote over the same store, with faults and counts of its own. */
RKY_MUST_CHECK int rky_remote_memory_share(struct rky_remote *remote,
                                           struct rky_remote **ret_remote, struct rky_error *err);
/** @brief Add a fault to this remote's script; at most 8. */
void rky_remote_memory_fault(struct rky_remote *remote, const struct rky_memory_fault *fault);
/** @brief Forget all faults. */
void rky_remote_memory_mend(struct rky_remote *remote);
/** @brief Calls through this remote so far. @param op RKY_MEMORY_OPS = all together. */
int64_t rky_remote_memory_calls(struct rky_remote *remote, enum rky_memory_op op);
/** @brief Answer without metadata, as a server that drops it. */
void rky_remote_memory_hide_heads(struct rky_remote *remote, bool hide);
/** @brief Run before each call of this remote, in the caller's thread and outside any lock: moves
 *         a fake clock, or lets somebody else write in between. @param number of the call. */
void rky_remote_memory_on_call(struct rky_remote *remote,
                               void (*hook)(void *context, enum rky_memory_op op, int64_t number),
                               void *context);

#endif
