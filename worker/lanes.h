/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which job starts next: one first-in-first-out lane per namespace, at most one job of a lane at a
 * time, and turns between the lanes.
 *
 * Turns are deficit round robin. A lane gets its turn after every other ready lane had one, and
 * pays for the time its job took; a lane that used more than a turn's share sits out turns until
 * it has paid, so that neither many jobs nor long ones of one namespace starve another. A lane
 * whose head must wait (busy namespace, backoff, `not_before`) is blocked: it holds no executor,
 * keeps its order and its place, and costs nothing until its time comes.
 *
 * Thread-safe; one mutex, held for microseconds. The poll thread pushes and drops, executors take,
 * finish and give back. Nothing here knows Kafka or runs a job. Bounds on what waits are the
 * poll thread's business (assignment.h): lanes take whatever is pushed.
 */
#ifndef RKY_WORKER_LANES_H
#define RKY_WORKER_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "worker/task.h"

struct rky_lanes;
struct rky_lane; /**< a lane whose job runs; the handle belongs to the executor that took it */

struct rky_lanes_stats {
    size_t queued;  /**< tasks that wait */
    size_t running; /**< lanes whose job runs */
    size_t ready;   /**< lanes that could start a job at once */
    size_t blocked; /**< lanes whose head waits for its time */
};

/** A turn's share of running time, and the most that a lane can owe. */
#define RKY_LANE_TURN_MS 50
#define RKY_LANE_DEBT_MAX_MS 5000

RKY_MUST_CHECK int rky_lanes_new(struct rky_clock *clock, struct rky_lanes **ret_lanes,
                                 struct rky_error *err);
/** @brief Frees what still waits. No executor may be inside. */
void rky_lanes_free(struct rky_lanes *lanes);

/** @brief Queue a task behind the others of its namespace. @param task taken on success only. */
RKY_MUST_CHECK int rky_lanes_push(struct rky_lanes *lanes, struct rky_task *task,
                                  struct rky_error *err);
/** @brief Put a task that was taken before its namespace's others again, to start after
 *         @p delay_ms. @param task taken on success only. */
RKY_MUST_CHECK int rky_lanes_push_first(struct rky_lanes *lanes, struct rky_task *task,
                                        int64_t delay_ms, struct rky_error *err);

/** @brief Wait for the next job to start. @return owned; NULL when the lanes are closed. */
struct rky_task *rky_lanes_take(struct rky_lanes *lanes, struct rky_lane **ret_lane);
/** @brief The same without waiting. @param ret_wait_ms set when there is none: until a lane's time
 *         comes, -1 = nothing waits for a time. @return owned or NULL. */
struct rky_task *rky_lanes_take_now(struct rky_lanes *lanes, struct rky_lane **ret_lane,
                                    int64_t *ret_wait_ms);
/** @brief The job of @p lane ended after @p cost_ms; its task stays with the caller. */
void rky_lanes_finish(struct rky_lanes *lanes, struct rky_lane *lane, int64_t cost_ms);
/** @brief The job of @p lane is to be tried again after @p delay_ms, before its namespace's others;
 *         forgotten, if its partition went to somebody else meanwhile. @param task taken. */
void rky_lanes_give_back(struct rky_lanes *lanes, struct rky_lane *lane, struct rky_task *task,
                         int64_t delay_ms, int64_t cost_ms);

/** @brief Start nothing at all for so long (at most a year); a later call can
 *         only prolong it. */
void rky_lanes_hold(struct rky_lanes *lanes, int64_t delay_ms);
/** @brief End a hold now: what it was for is over. */
void rky_lanes_end_hold(struct rky_lanes *lanes);
/** @brief Remove the waiting tasks of a partition's former assignment; one that runs ends, but is
 *         not queued again. @return owned list, NULL when none. */
struct rky_task *rky_lanes_drop(struct rky_lanes *lanes, int partition, uint64_t epoch);
/** @brief No job starts any more; waiting executors return. */
void rky_lanes_close(struct rky_lanes *lanes);
void rky_lanes_stats(struct rky_lanes *lanes, struct rky_lanes_stats *ret_stats);

#endif
