/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which offsets of one partition are done, when they may be done in any order.
 *
 * One tracker serves one partition for one assignment. Offsets are delivered in ascending order;
 * those that are never delivered (compaction, transaction markers) count as done once a higher one
 * was. The position to commit is the lowest offset that is not done; what is done beyond it goes
 * into the commit's metadata as a map, so that a restart repeats only what was unfinished. The map
 * is a help, never needed for correctness: a missing, cut, foreign or corrupt one only means that
 * more is delivered again. The position never decreases. Used by the poll thread alone; knows
 * nothing of Kafka.
 *
 * Map, version 1: "rky1 <position> <runs> <check>", where <runs> are lengths separated by commas,
 * counted from the position: not done, done, not done, done, ...; <check> is the first 8 hex digits
 * of the SHA-256 of everything before it. To change the format, change the tag: unknown tags are
 * ignored by readers.
 */
#ifndef RKY_WORKER_TRACKER_H
#define RKY_WORKER_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/** Kafka's default `offset.metadata.max.bytes`. */
#define RKY_TRACKER_MAP_MAX 4096

struct rky_tracker;

enum rky_seen {
    RKY_SEEN_NEW,     /**< take it */
    RKY_SEEN_PENDING, /**< delivered before in this assignment and not done: drop this copy */
    RKY_SEEN_DONE,    /**< done before: drop it */
    RKY_SEEN_REWOUND, /**< below the position: the log was cut or made anew, so that offsets mean
                           other messages; nothing was noted, begin a new assignment epoch */
};

/**
 * @brief Start with what the group has committed.
 * @param committed next offset to read, -1 = nothing committed.
 * @param metadata  borrowed, NULL = none; ignored unless it is a map of ours for this position.
 */
RKY_MUST_CHECK int rky_tracker_new(int64_t committed, const char *metadata,
                                   struct rky_tracker **ret_tracker, struct rky_error *err);
void rky_tracker_free(struct rky_tracker *tracker);

/** @brief A message arrived. RKY_ERR_NOMEM leaves everything as it was. */
RKY_MUST_CHECK int rky_tracker_deliver(struct rky_tracker *tracker, int64_t offset,
                                       enum rky_seen *ret_seen, struct rky_error *err);
/** @brief Its work is finished and its result delivered. Unknown offsets are ignored. */
void rky_tracker_done(struct rky_tracker *tracker, int64_t offset);

/** @brief Offset to commit, -1 while nothing was committed or delivered. */
int64_t rky_tracker_position(const struct rky_tracker *tracker);
/** @brief Delivered and not done. */
size_t rky_tracker_pending(const struct rky_tracker *tracker);
/** @brief Whether position or map differ from what rky_tracker_committed() last noted. */
bool rky_tracker_dirty(const struct rky_tracker *tracker);
/** @brief Note that the present position and map were handed to the broker; or that they were not,
 *         after all. */
void rky_tracker_committed(struct rky_tracker *tracker, bool committed);
/** @brief The map for the present position; "" when nothing beyond it is done. Cut to what fits. */
void rky_tracker_map(const struct rky_tracker *tracker, char ret_map[RKY_TRACKER_MAP_MAX]);

#endif
