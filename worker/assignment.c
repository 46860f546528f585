/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dozen partitions or a few hundred: a linear search is the right one.
 */
#include "config.h"

#include "worker/assignment.h"

#include "common/mem.h"

static void partition_free(struct rky_partition *partition)
{
    if (partition == NULL)
        return;
    rky_tracker_free(partition->tracker);
    rky_free(partition);
}

void rky_assignment_done(struct rky_assignment *assignment)
{
    for (size_t i = 0; i < assignment->count; i++)
        partition_free(assignment->partitions[i]);
    rky_free(assignment->partitions);
    assignment->partitions = NULL;
    assignment->count = assignment->capacity = 0;
}

struct rky_partition *rky_assignment_find(const struct rky_assignment *assignment, int number)
{
    for (size_t i = 0; i < assignment->count; i++) {
        if (assignment->partitions[i]->number == number)
            return assignment->partitions[i];
    }
    return NULL;
}

void rky_assignment_remove(struct rky_assignment *assignment, int number)
{
    for (size_t i = 0; i < assignment->count; i++) {
        struct rky_partition *partition = assignment->partitions[i];
        if (partition->number != number)
            continue;
        assignment->pending -= rky_tracker_pending(partition->tracker);
        assignment->bytes -= partition->bytes;
        partition_free(partition);
        assignment->partitions[i] = assignment->partitions[--assignment->count];
        return;
    }
}

int rky_assignment_add(struct rky_assignment *assignment, const struct rky_position *position,
                       struct rky_error *err)
{
    rky_assignment_remove(assignment, position->partition);
    struct rky_partition *partition = rky_calloc(1, sizeof(*partition));
    if (partition == NULL)
        return rky_fail_nomem(err);
    int rc = rky_tracker_new(position->offset, position->metadata, &partition->tracker, err);
    if (rc == 0)
        rc = rky_array_reserve(&assignment->partitions, &assignment->capacity,
                               assignment->count + 1, sizeof(*assignment->partitions), err);
    if (rc != 0) {
        partition_free(partition);
        return rc;
    }
    partition->number = position->partition;
    partition->epoch = ++assignment->last_epoch;
    /* A rebalance may leave a partition paused: the first review resumes it explicitly. */
    partition->paused = true;
    assignment->partitions[assignment->count++] = partition;
    return 0;
}

int rky_assignment_deliver(struct rky_assignment *assignment, struct rky_partition *partition,
                           int64_t offset, size_t bytes, enum rky_seen *ret_seen,
                           struct rky_error *err)
{
    int rc = rky_tracker_deliver(partition->tracker, offset, ret_seen, err);
    if (rc == 0 && *ret_seen == RKY_SEEN_NEW) {
        partition->bytes += bytes;
        assignment->bytes += bytes;
        assignment->pending++;
    }
    return rc;
}

bool rky_assignment_finish(struct rky_assignment *assignment, int number, uint64_t epoch,
                           int64_t offset, size_t bytes)
{
    struct rky_partition *partition = rky_assignment_find(assignment, number);
    if (partition == NULL || partition->epoch != epoch)
        return false;
    rky_tracker_done(partition->tracker, offset);
    partition->bytes -= bytes;
    assignment->bytes -= bytes;
    assignment->pending--;
    return true;
}

/* How full something is, in percent of its bound. */
static size_t fill(size_t jobs, size_t bytes, const struct rky_assignment_limits *limits)
{
    size_t by_jobs = jobs * 100 / limits->jobs, by_bytes = bytes * 100 / limits->bytes;
    return by_jobs > by_bytes ? by_jobs : by_bytes;
}

bool rky_assignment_wants_pause(const struct rky_assignment *assignment,
                                const struct rky_partition *partition)
{
    size_t all = fill(assignment->pending, assignment->bytes, &assignment->limits);
    size_t own =
        fill(rky_tracker_pending(partition->tracker), partition->bytes, &assignment->limits);
    size_t share = assignment->count < 100 ? 100 / assignment->count : 1;
    if (partition->failed_letters > 0)
        return true;
    if (partition->paused)
        return all > 25 && (all > 75 || own > share / 2);
    return all >= 100 || (all >= 50 && own >= share);
}
