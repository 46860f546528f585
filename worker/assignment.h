/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partitions of the jobs topic that this worker has, each with its tracker and with what its
 * unfinished jobs weigh, and whether it should be paused.
 *
 * Every assignment of a partition is a new epoch. What was taken in an older epoch may still run,
 * but it moves no tracker any more: only the owner of the present epoch commits. Used by the poll
 * thread alone; calls nothing of the transport.
 */
#ifndef RKY_WORKER_ASSIGNMENT_H
#define RKY_WORKER_ASSIGNMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "transport/transport.h"
#include "worker/tracker.h"

struct rky_partition {
    int number;
    uint64_t epoch;
    struct rky_tracker *tracker;
    size_t bytes;          /**< of what is pending */
    size_t failed_letters; /**< dead letters that could not be delivered yet */
    bool paused;           /**< as last told to the transport */
    char map[RKY_TRACKER_MAP_MAX];
};

/** Unfinished jobs in memory, over all partitions. */
struct rky_assignment_limits {
    size_t jobs, bytes;
};

struct rky_assignment {
    struct rky_partition **partitions;
    size_t count, capacity;
    struct rky_assignment_limits limits;
    uint64_t last_epoch;
    size_t pending, bytes; /**< over all partitions */
};

void rky_assignment_done(struct rky_assignment *assignment);
/** @brief A partition arrived, or arrived again: a new epoch begins. */
RKY_MUST_CHECK int rky_assignment_add(struct rky_assignment *assignment,
                                      const struct rky_position *position, struct rky_error *err);
void rky_assignment_remove(struct rky_assignment *assignment, int number);
/** @return borrowed, NULL when the partition is not ours. */
struct rky_partition *rky_assignment_find(const struct rky_assignment *assignment, int number);

/** @brief A message arrived: see rky_tracker_deliver(). @param bytes added when it is new. */
RKY_MUST_CHECK int rky_assignment_deliver(struct rky_assignment *assignment,
                                          struct rky_partition *partition, int64_t offset,
                                          size_t bytes, enum rky_seen *ret_seen,
                                          struct rky_error *err);
/** @brief A job is finished. @return whether that counted: false when its epoch is over. */
bool rky_assignment_finish(struct rky_assignment *assignment, int number, uint64_t epoch,
                           int64_t offset, size_t bytes);

/**
 * @brief Whether a partition should be paused now.
 *
 * All of them when memory is full. From half full on those that hold more than their share, so
 * that one namespace that waits cannot stop the others. Resumed with hysteresis, because pausing
 * throws away what was fetched ahead.
 */
bool rky_assignment_wants_pause(const struct rky_assignment *assignment,
                                const struct rky_partition *partition);

#endif
