/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker keeps only what is exceptional: the pending offsets, ascending, and the runs that a
 * former owner had done beyond its position. Everything else below the next expected offset is
 * done. A partition whose head is one long job therefore costs one entry, however many jobs behind
 * it have finished.
 */
#include "config.h"

#include "worker/tracker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"

#define MAP_TAG "rky1"
#define CHECK_LENGTH 8

struct entry {
    int64_t offset;
    bool done;
};

struct run {
    int64_t first, last; /* both included */
};

struct rky_tracker {
    int64_t position_at_start; /* -1 = unknown */
    int64_t next;              /* one beyond the highest delivered; -1 = nothing delivered */
    struct entry *entries;     /* [head, tail): ascending; the one at head is never done */
    size_t head, tail, capacity;
    size_t pending;
    struct run *restored; /* done by a former owner, ascending, from `restored_at` on */
    size_t restored_at, restored_count, restored_capacity;
    uint64_t changes, committed_changes;
};

/* --- the map of a former owner ---------------------------------------------------------------- */

static void map_check(const char *text, size_t length, char ret_check[CHECK_LENGTH + 1])
{
    char hex[RKY_SHA256_HEX];
    rky_sha256_hex(text, length, hex);
    memcpy(ret_check, hex, CHECK_LENGTH);
    ret_check[CHECK_LENGTH] = '\0';
}

/* Digits only, no sign, no overflow. */
static bool read_number(const char **at, int64_t *ret_number)
{
    if (**at < '0' || **at > '9')
        return false;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(*at, &end, 10);
    if (errno != 0)
        return false;
    *at = end;
    *ret_number = number;
    return true;
}

static int restore_run(struct rky_tracker *tracker, int64_t first, int64_t length,
                       struct rky_error *err)
{
    int rc = rky_array_reserve(&tracker->restored, &tracker->restored_capacity,
                               tracker->restored_count + 1, sizeof(*tracker->restored), err);
    if (rc == 0)
        tracker->restored[tracker->restored_count++] = (struct run){first, first + length - 1};
    return rc;
}

/* Fills the restored runs; whatever is wrong with the text leaves fewer of them or none. */
static int restore(struct rky_tracker *tracker, int64_t committed, const char *text,
                   struct rky_error *err)
{
    size_t length = strlen(text);
    if (length >= RKY_TRACKER_MAP_MAX || length < sizeof(MAP_TAG) + CHECK_LENGTH + 1)
        return 0;
    char check[CHECK_LENGTH + 1];
    map_check(text, length - CHECK_LENGTH, check);
    if (strncmp(text, MAP_TAG " ", sizeof(MAP_TAG)) != 0 ||
        strcmp(text + length - CHECK_LENGTH, check) != 0)
        return 0;
    const char *at = text + sizeof(MAP_TAG);
    int64_t offset = 0;
    /* A position that somebody moved by hand keeps no map: its offsets mean other messages. */
    if (!read_number(&at, &offset) || *at++ != ' ' || offset != committed)
        return 0;
    for (bool done = false;; done = !done) {
        int64_t run = 0;
        if (!read_number(&at, &run) || run > INT64_MAX - offset)
            return 0;
        if (done && run > 0) {
            int rc = restore_run(tracker, offset, run, err);
            if (rc != 0)
                return rc;
        }
        offset += run;
        if (*at++ != ',')
            return 0;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

int rky_tracker_new(int64_t committed, const char *metadata, struct rky_tracker **ret_tracker,
                    struct rky_error *err)
{
    struct rky_tracker *tracker = rky_calloc(1, sizeof(*tracker));
    if (tracker == NULL)
        return rky_fail_nomem(err);
    tracker->position_at_start = committed;
    tracker->next = -1;
    if (committed >= 0 && metadata != NULL) {
        int rc = restore(tracker, committed, metadata, err);
        if (rc != 0) {
            rky_tracker_free(tracker);
            return rc;
        }
    }
    *ret_tracker = tracker;
    return 0;
}

void rky_tracker_free(struct rky_tracker *tracker)
{
    if (tracker == NULL)
        return;
    rky_free(tracker->entries);
    rky_free(tracker->restored);
    rky_free(tracker);
}

/* --- delivered and done ------------------------------------------------------------------------
 */

/* Index of the first entry at or above @p offset. */
static size_t lower_bound(const struct rky_tracker *tracker, int64_t offset)
{
    size_t low = tracker->head, high = tracker->tail;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tracker->entries[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool was_restored(struct rky_tracker *tracker, int64_t offset)
{
    while (tracker->restored_at < tracker->restored_count &&
           tracker->restored[tracker->restored_at].last < offset)
        tracker->restored_at++;
    return tracker->restored_at < tracker->restored_count &&
           tracker->restored[tracker->restored_at].first <= offset;
}

/* Forget done entries when they are most of the array, so that it stays near the pending count. */
static void compact(struct rky_tracker *tracker)
{
    size_t used = tracker->tail - tracker->head;
    if (tracker->head < 64 + used && used < 64 + 2 * tracker->pending)
        return;
    size_t kept = 0;
    for (size_t i = tracker->head; i < tracker->tail; i++) {
        if (!tracker->entries[i].done)
            tracker->entries[kept++] = tracker->entries[i];
    }
    tracker->head = 0;
    tracker->tail = kept;
}

int rky_tracker_deliver(struct rky_tracker *tracker, int64_t offset, enum rky_seen *ret_seen,
                        struct rky_error *err)
{
    int64_t floor = tracker->next >= 0 ? tracker->next : tracker->position_at_start;
    if (offset < tracker->next && offset >= rky_tracker_position(tracker)) {
        size_t at = lower_bound(tracker, offset);
        bool pending = at < tracker->tail && tracker->entries[at].offset == offset &&
                       !tracker->entries[at].done;
        *ret_seen = pending ? RKY_SEEN_PENDING : RKY_SEEN_DONE;
        return 0;
    }
    if (offset < floor) {
        *ret_seen = RKY_SEEN_REWOUND;
        return 0;
    }
    int rc = rky_array_reserve(&tracker->entries, &tracker->capacity, tracker->tail + 1,
                               sizeof(*tracker->entries), err);
    if (rc != 0)
        return rc;
    tracker->next = offset + 1;
    tracker->changes++;
    if (was_restored(tracker, offset)) {
        *ret_seen = RKY_SEEN_DONE;
        return 0;
    }
    tracker->entries[tracker->tail++] = (struct entry){.offset = offset, .done = false};
    tracker->pending++;
    *ret_seen = RKY_SEEN_NEW;
    return 0;
}

void rky_tracker_done(struct rky_tracker *tracker, int64_t offset)
{
    size_t at = lower_bound(tracker, offset);
    if (at == tracker->tail || tracker->entries[at].offset != offset || tracker->entries[at].done)
        return;
    tracker->entries[at].done = true;
    tracker->pending--;
    tracker->changes++;
    while (tracker->head < tracker->tail && tracker->entries[tracker->head].done)
        tracker->head++;
    compact(tracker);
}

/* --- what to commit -----------------------------------------------------------------------------
 */

int64_t rky_tracker_position(const struct rky_tracker *tracker)
{
    if (tracker->head < tracker->tail)
        return tracker->entries[tracker->head].offset;
    return tracker->next >= 0 ? tracker->next : tracker->position_at_start;
}

size_t rky_tracker_pending(const struct rky_tracker *tracker)
{
    return tracker->pending;
}

bool rky_tracker_dirty(const struct rky_tracker *tracker)
{
    return tracker->changes != tracker->committed_changes;
}

void rky_tracker_committed(struct rky_tracker *tracker, bool committed)
{
    if (committed)
        tracker->committed_changes = tracker->changes;
    else if (tracker->next >= 0)
        tracker->changes++;
}

struct map_writer {
    char *text;
    size_t length;
    int64_t at; /* everything below is written */
    bool any, full;
};

/* Append one done run; what does not fit is left out, and so is everything behind it. */
static void write_run(struct map_writer *writer, int64_t first, int64_t last)
{
    if (writer->full)
        return;
    char piece[48];
    int length = snprintf(piece, sizeof(piece), "%s%" PRId64 ",%" PRId64, writer->any ? "," : "",
                          first - writer->at, last - first + 1);
    if (writer->length + (size_t)length + 1 + CHECK_LENGTH + 1 > RKY_TRACKER_MAP_MAX) {
        writer->full = true;
        return;
    }
    memcpy(writer->text + writer->length, piece, (size_t)length);
    writer->length += (size_t)length;
    writer->at = last + 1;
    writer->any = true;
}

void rky_tracker_map(const struct rky_tracker *tracker, char ret_map[RKY_TRACKER_MAP_MAX])
{
    int64_t position = rky_tracker_position(tracker);
    struct map_writer writer = {.text = ret_map, .at = position};
    writer.length =
        (size_t)snprintf(ret_map, RKY_TRACKER_MAP_MAX, MAP_TAG " %" PRId64 " ", position);
    /* Between two pending offsets everything is done; behind the last one up to `next`. */
    int64_t behind = position;
    for (size_t i = tracker->head; i < tracker->tail; i++) {
        if (tracker->entries[i].done)
            continue;
        if (tracker->entries[i].offset > behind)
            write_run(&writer, behind, tracker->entries[i].offset - 1);
        behind = tracker->entries[i].offset + 1;
    }
    if (tracker->pending > 0 && tracker->next > behind)
        write_run(&writer, behind, tracker->next - 1);
    int64_t delivered = tracker->next >= 0 ? tracker->next : position;
    for (size_t i = tracker->restored_at; i < tracker->restored_count; i++) {
        const struct run *run = &tracker->restored[i];
        if (run->last >= delivered)
            write_run(&writer, run->first > delivered ? run->first : delivered, run->last);
    }
    if (!writer.any) {
        ret_map[0] = '\0';
        return;
    }
    ret_map[writer.length++] = ' ';
    char check[CHECK_LENGTH + 1];
    map_check(ret_map, writer.length, check);
    memcpy(ret_map + writer.length, check, CHECK_LENGTH + 1);
}
