/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane exists while it has tasks or a running job. It is in exactly one place: in the ring of
 * ready lanes, in the heap of blocked ones, or with an executor. Room in the heap is reserved when
 * a lane is made, so that blocking one cannot fail.
 */
#include "config.h"

#include "worker/lanes.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

/* A `not_before` is looked at again after so long, in case the wall clock was set. */
#define WALL_RECHECK_MS 30000
/* "Until it is ended"; a number that a time can be added to. */
#define HOLD_MAX_MS (INT64_C(365) * 24 * 3600 * 1000)

enum lane_place { LANE_NOWHERE, LANE_READY, LANE_BLOCKED, LANE_RUNNING };

struct rky_lane {
    struct rky_lane *chain;          /* next of the same bucket */
    struct rky_lane *before, *after; /* in the ring of ready lanes */
    struct rky_task *first, *last;
    size_t heap_index;
    int64_t blocked_until; /* mono ms */
    int64_t credit_ms;     /* > 0: may have its turn */
    enum lane_place place;
    /* Of the running task: its assignment, and whether that ended meanwhile. */
    int running_partition;
    uint64_t running_epoch;
    bool running_dropped;
    char namespace_[64];
};

struct rky_lanes {
    struct rky_clock *clock;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct rky_lane **buckets;
    size_t bucket_count, lane_count;
    struct rky_lane *ready; /* next to have its turn; a ring */
    size_t ready_count;
    struct rky_lane **heap; /* by blocked_until */
    size_t heap_count, heap_capacity;
    size_t queued, running;
    int64_t hold_until;
    bool closed;
};

/* --- the heap of blocked lanes ------------------------------------------------------------------
 */

static void heap_put(struct rky_lanes *lanes, size_t index, struct rky_lane *lane)
{
    lanes->heap[index] = lane;
    lane->heap_index = index;
}

static void heap_sift(struct rky_lanes *lanes, size_t index)
{
    struct rky_lane *lane = lanes->heap[index];
    while (index > 0 && lanes->heap[(index - 1) / 2]->blocked_until > lane->blocked_until) {
        heap_put(lanes, index, lanes->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * index + 1;
        if (child + 1 < lanes->heap_count &&
            lanes->heap[child + 1]->blocked_until < lanes->heap[child]->blocked_until)
            child++;
        if (child >= lanes->heap_count || lanes->heap[child]->blocked_until >= lane->blocked_until)
            break;
        heap_put(lanes, index, lanes->heap[child]);
        index = child;
    }
    heap_put(lanes, index, lane);
}

static void heap_add(struct rky_lanes *lanes, struct rky_lane *lane)
{
    RKY_ASSERT(lanes->heap_count < lanes->heap_capacity);
    heap_put(lanes, lanes->heap_count++, lane);
    heap_sift(lanes, lane->heap_index);
}

static void heap_remove(struct rky_lanes *lanes, struct rky_lane *lane)
{
    size_t index = lane->heap_index;
    struct rky_lane *moved = lanes->heap[--lanes->heap_count];
    if (moved == lane)
        return;
    heap_put(lanes, index, moved);
    heap_sift(lanes, index);
}

/* --- the ring of ready lanes --------------------------------------------------------------------
 */

static void ring_add_last(struct rky_lanes *lanes, struct rky_lane *lane)
{
    if (lanes->ready == NULL) {
        lane->before = lane->after = lane;
        lanes->ready = lane;
    } else {
        lane->after = lanes->ready;
        lane->before = lanes->ready->before;
        lane->before->after = lane;
        lane->after->before = lane;
    }
    lanes->ready_count++;
}

static void ring_remove(struct rky_lanes *lanes, struct rky_lane *lane)
{
    if (lane->after == lane) {
        lanes->ready = NULL;
    } else {
        lane->before->after = lane->after;
        lane->after->before = lane->before;
        if (lanes->ready == lane)
            lanes->ready = lane->after;
    }
    lane->before = lane->after = NULL;
    lanes->ready_count--;
}

/* --- lanes by namespace
 * --------------------------------------------------------------------------- */

static size_t bucket_of(const struct rky_lanes *lanes, const char *namespace_)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    for (const char *c = namespace_; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3U;
    return (size_t)(hash ^ (hash >> 32)) & (lanes->bucket_count - 1);
}

/* Best effort: longer chains are only slower. */
static void grow_buckets(struct rky_lanes *lanes)
{
    size_t old_count = lanes->bucket_count;
    struct rky_lane **old = lanes->buckets;
    struct rky_lane **buckets = rky_calloc(old_count * 2, sizeof(struct rky_lane *));
    if (buckets == NULL)
        return;
    lanes->buckets = buckets;
    lanes->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        for (struct rky_lane *lane = old[i], *next = NULL; lane != NULL; lane = next) {
            next = lane->chain;
            size_t at = bucket_of(lanes, lane->namespace_);
            lane->chain = buckets[at];
            buckets[at] = lane;
        }
    }
    rky_free(old);
}

static int lane_of(struct rky_lanes *lanes, const char *namespace_, struct rky_lane **ret_lane,
                   struct rky_error *err)
{
    struct rky_lane *lane = lanes->buckets[bucket_of(lanes, namespace_)];
    while (lane != NULL && strcmp(lane->namespace_, namespace_) != 0)
        lane = lane->chain;
    if (lane == NULL) {
        int rc = rky_array_reserve(&lanes->heap, &lanes->heap_capacity, lanes->lane_count + 1,
                                   sizeof(struct rky_lane *), err);
        if (rc != 0)
            return rc;
        lane = rky_calloc(1, sizeof(*lane));
        if (lane == NULL)
            return rky_fail_nomem(err);
        RKY_ASSERT(strlen(namespace_) < sizeof(lane->namespace_));
        memcpy(lane->namespace_, namespace_, strlen(namespace_));
        lane->credit_ms = RKY_LANE_TURN_MS;
        if (lanes->lane_count >= lanes->bucket_count)
            grow_buckets(lanes);
        struct rky_lane **bucket = &lanes->buckets[bucket_of(lanes, namespace_)];
        lane->chain = *bucket;
        *bucket = lane;
        lanes->lane_count++;
    }
    *ret_lane = lane;
    return 0;
}

static void lane_forget(struct rky_lanes *lanes, struct rky_lane *lane)
{
    struct rky_lane **link = &lanes->buckets[bucket_of(lanes, lane->namespace_)];
    while (*link != lane)
        link = &(*link)->chain;
    *link = lane->chain;
    lanes->lane_count--;
    rky_free(lane);
}

/* --- where a lane belongs
 * --------------------------------------------------------------------------- */

static int64_t wait_of(const struct rky_lanes *lanes, const struct rky_task *task, int64_t now)
{
    int64_t wait = task->not_before_mono_ms - now;
    if (task->job.not_before_us != 0) {
        int64_t early =
            (task->job.not_before_us - lanes->clock->wall_us(lanes->clock) + 999) / 1000;
        if (early > WALL_RECHECK_MS)
            early = WALL_RECHECK_MS;
        wait = early > wait ? early : wait;
    }
    return wait > 0 ? wait : 0;
}

static void leave(struct rky_lanes *lanes, struct rky_lane *lane)
{
    if (lane->place == LANE_READY)
        ring_remove(lanes, lane);
    else if (lane->place == LANE_BLOCKED)
        heap_remove(lanes, lane);
    lane->place = LANE_NOWHERE;
}

/* Put a lane that does not run where its head says; an empty one is forgotten. */
static void settle(struct rky_lanes *lanes, struct rky_lane *lane)
{
    leave(lanes, lane);
    if (lane->first == NULL) {
        lane_forget(lanes, lane);
        return;
    }
    int64_t now = lanes->clock->mono_ms(lanes->clock);
    int64_t wait = wait_of(lanes, lane->first, now);
    if (wait > 0) {
        lane->blocked_until = now + wait;
        lane->place = LANE_BLOCKED;
        heap_add(lanes, lane);
    } else {
        lane->place = LANE_READY;
        ring_add_last(lanes, lane);
    }
    /* Also for a blocked lane: whoever waits must learn of the new time. */
    (void)pthread_cond_signal(&lanes->wake);
}

static void insert(struct rky_lane *lane, struct rky_task *task, bool at_front)
{
    if (at_front) {
        task->next = lane->first;
        lane->first = task;
        if (lane->last == NULL)
            lane->last = task;
    } else {
        task->next = NULL;
        if (lane->last != NULL)
            lane->last->next = task;
        else
            lane->first = task;
        lane->last = task;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

int rky_lanes_new(struct rky_clock *clock, struct rky_lanes **ret_lanes, struct rky_error *err)
{
    struct rky_lanes *lanes = rky_calloc(1, sizeof(*lanes));
    if (lanes == NULL)
        return rky_fail_nomem(err);
    lanes->clock = clock;
    lanes->bucket_count = 64;
    lanes->buckets = rky_calloc(lanes->bucket_count, sizeof(struct rky_lane *));
    if (lanes->buckets == NULL) {
        rky_free(lanes);
        return rky_fail_nomem(err);
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&lanes->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&lanes->mutex, NULL);
    *ret_lanes = lanes;
    return 0;
}

void rky_lanes_free(struct rky_lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (size_t i = 0; i < lanes->bucket_count; i++) {
        for (struct rky_lane *lane = lanes->buckets[i], *next = NULL; lane != NULL; lane = next) {
            next = lane->chain;
            rky_tasks_free(lane->first);
            rky_free(lane);
        }
    }
    (void)pthread_cond_destroy(&lanes->wake);
    (void)pthread_mutex_destroy(&lanes->mutex);
    rky_free(lanes->buckets);
    rky_free(lanes->heap);
    rky_free(lanes);
}

/* --- putting in --------------------------------------------------------------------------------
 */

static int push(struct rky_lanes *lanes, struct rky_task *task, bool at_front,
                struct rky_error *err)
{
    struct rky_lane *lane = NULL;
    (void)pthread_mutex_lock(&lanes->mutex);
    int rc = lane_of(lanes, task->job.namespace_, &lane, err);
    if (rc == 0) {
        bool new_head = at_front || lane->first == NULL;
        insert(lane, task, at_front);
        lanes->queued++;
        if (new_head && lane->place != LANE_RUNNING)
            settle(lanes, lane);
    }
    (void)pthread_mutex_unlock(&lanes->mutex);
    return rc;
}

int rky_lanes_push(struct rky_lanes *lanes, struct rky_task *task, struct rky_error *err)
{
    return push(lanes, task, false, err);
}

int rky_lanes_push_first(struct rky_lanes *lanes, struct rky_task *task, int64_t delay_ms,
                         struct rky_error *err)
{
    task->not_before_mono_ms = lanes->clock->mono_ms(lanes->clock) + delay_ms;
    return push(lanes, task, true, err);
}

/* --- taking out --------------------------------------------------------------------------------
 */

/* Everybody in debt: let so many turns pass at once that the first can have one. */
static void pass_turns(struct rky_lanes *lanes)
{
    int64_t turns = INT64_MAX;
    struct rky_lane *lane = lanes->ready;
    for (size_t i = 0; i < lanes->ready_count; i++, lane = lane->after) {
        int64_t needed = -lane->credit_ms / RKY_LANE_TURN_MS + 1;
        turns = needed < turns ? needed : turns;
    }
    for (size_t i = 0; i < lanes->ready_count; i++, lane = lane->after)
        lane->credit_ms += turns * RKY_LANE_TURN_MS;
}

/* The next lane whose turn it is; there is at least one ready lane. */
static struct rky_lane *next_turn(struct rky_lanes *lanes)
{
    for (size_t passed = 0; lanes->ready->credit_ms <= 0; passed++) {
        if (passed == lanes->ready_count)
            pass_turns(lanes);
        else if (passed < lanes->ready_count)
            lanes->ready->credit_ms += RKY_LANE_TURN_MS;
        lanes->ready = lanes->ready->after;
    }
    return lanes->ready;
}

static struct rky_task *take_locked(struct rky_lanes *lanes, struct rky_lane **ret_lane,
                                    int64_t *ret_wait_ms)
{
    int64_t now = lanes->clock->mono_ms(lanes->clock);
    while (lanes->heap_count > 0 && lanes->heap[0]->blocked_until <= now)
        settle(lanes, lanes->heap[0]);
    if (now < lanes->hold_until) {
        *ret_wait_ms = lanes->hold_until - now;
        return NULL;
    }
    if (lanes->ready == NULL) {
        *ret_wait_ms = lanes->heap_count > 0 ? lanes->heap[0]->blocked_until - now : -1;
        return NULL;
    }
    struct rky_lane *lane = next_turn(lanes);
    leave(lanes, lane);
    lane->place = LANE_RUNNING;
    lanes->running++;
    lanes->queued--;
    struct rky_task *task = lane->first;
    lane->running_partition = task->inbound.partition;
    lane->running_epoch = task->epoch;
    lane->running_dropped = false;
    lane->first = task->next;
    if (lane->first == NULL)
        lane->last = NULL;
    task->next = NULL;
    *ret_lane = lane;
    return task;
}

struct rky_task *rky_lanes_take_now(struct rky_lanes *lanes, struct rky_lane **ret_lane,
                                    int64_t *ret_wait_ms)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    *ret_wait_ms = -1;
    struct rky_task *task = lanes->closed ? NULL : take_locked(lanes, ret_lane, ret_wait_ms);
    (void)pthread_mutex_unlock(&lanes->mutex);
    return task;
}

struct rky_task *rky_lanes_take(struct rky_lanes *lanes, struct rky_lane **ret_lane)
{
    struct rky_task *task = NULL;
    (void)pthread_mutex_lock(&lanes->mutex);
    while (!lanes->closed) {
        int64_t wait = -1;
        task = take_locked(lanes, ret_lane, &wait);
        if (task != NULL)
            break;
        if (wait < 0) {
            (void)pthread_cond_wait(&lanes->wake, &lanes->mutex);
        } else {
            int64_t until = lanes->clock->mono_ms(lanes->clock) + wait;
            struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
            (void)pthread_cond_timedwait(&lanes->wake, &lanes->mutex, &at);
        }
    }
    /* This thread may have been the one that watched the clock for a blocked lane. */
    if (task != NULL && (lanes->heap_count > 0 || lanes->ready != NULL))
        (void)pthread_cond_signal(&lanes->wake);
    (void)pthread_mutex_unlock(&lanes->mutex);
    return task;
}

static void pay(struct rky_lane *lane, int64_t cost_ms)
{
    lane->credit_ms -= cost_ms > 0 ? cost_ms : 1;
    if (lane->credit_ms < -RKY_LANE_DEBT_MAX_MS)
        lane->credit_ms = -RKY_LANE_DEBT_MAX_MS;
}

void rky_lanes_finish(struct rky_lanes *lanes, struct rky_lane *lane, int64_t cost_ms)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    RKY_ASSERT(lane->place == LANE_RUNNING);
    lane->place = LANE_NOWHERE;
    lanes->running--;
    pay(lane, cost_ms);
    settle(lanes, lane);
    (void)pthread_mutex_unlock(&lanes->mutex);
}

void rky_lanes_give_back(struct rky_lanes *lanes, struct rky_lane *lane, struct rky_task *task,
                         int64_t delay_ms, int64_t cost_ms)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    RKY_ASSERT(lane->place == LANE_RUNNING);
    lane->place = LANE_NOWHERE;
    lanes->running--;
    if (!lane->running_dropped) {
        lanes->queued++;
        task->not_before_mono_ms = lanes->clock->mono_ms(lanes->clock) + delay_ms;
        insert(lane, task, true);
        task = NULL;
    }
    pay(lane, cost_ms);
    settle(lanes, lane);
    (void)pthread_mutex_unlock(&lanes->mutex);
    /* Whoever has the partition now was delivered the same message. */
    rky_task_free(task);
}

/* --- the whole of it
 * ------------------------------------------------------------------------------ */

void rky_lanes_hold(struct rky_lanes *lanes, int64_t delay_ms)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    int64_t until = lanes->clock->mono_ms(lanes->clock);
    until += delay_ms < HOLD_MAX_MS ? delay_ms : HOLD_MAX_MS;
    if (until > lanes->hold_until)
        lanes->hold_until = until;
    (void)pthread_cond_broadcast(&lanes->wake);
    (void)pthread_mutex_unlock(&lanes->mutex);
}

void rky_lanes_end_hold(struct rky_lanes *lanes)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    lanes->hold_until = 0;
    (void)pthread_cond_broadcast(&lanes->wake);
    (void)pthread_mutex_unlock(&lanes->mutex);
}

/* Move the tasks of one assignment from a lane to @p dropped. @return how many. */
static size_t drop_from(struct rky_lane *lane, int partition, uint64_t epoch,
                        struct rky_task **dropped)
{
    size_t count = 0;
    struct rky_task *kept = NULL;
    for (struct rky_task **link = &lane->first; *link != NULL;) {
        struct rky_task *task = *link;
        if (task->inbound.partition != partition || task->epoch != epoch) {
            kept = task;
            link = &task->next;
            continue;
        }
        *link = task->next;
        task->next = *dropped;
        *dropped = task;
        count++;
    }
    lane->last = kept;
    return count;
}

struct rky_task *rky_lanes_drop(struct rky_lanes *lanes, int partition, uint64_t epoch)
{
    struct rky_task *dropped = NULL;
    (void)pthread_mutex_lock(&lanes->mutex);
    for (size_t i = 0; i < lanes->bucket_count; i++) {
        for (struct rky_lane *lane = lanes->buckets[i], *next = NULL; lane != NULL; lane = next) {
            next = lane->chain;
            if (lane->place == LANE_RUNNING && lane->running_partition == partition &&
                lane->running_epoch == epoch)
                lane->running_dropped = true;
            size_t count = drop_from(lane, partition, epoch, &dropped);
            lanes->queued -= count;
            if (count > 0 && lane->place != LANE_RUNNING)
                settle(lanes, lane);
        }
    }
    (void)pthread_mutex_unlock(&lanes->mutex);
    return dropped;
}

void rky_lanes_close(struct rky_lanes *lanes)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    lanes->closed = true;
    (void)pthread_cond_broadcast(&lanes->wake);
    (void)pthread_mutex_unlock(&lanes->mutex);
}

void rky_lanes_stats(struct rky_lanes *lanes, struct rky_lanes_stats *ret_stats)
{
    (void)pthread_mutex_lock(&lanes->mutex);
    *ret_stats = (struct rky_lanes_stats){.queued = lanes->queued,
                                          .running = lanes->running,
                                          .ready = lanes->ready_count,
                                          .blocked = lanes->heap_count};
    (void)pthread_mutex_unlock(&lanes->mutex);
}
