/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases in an object store: one object per namespace, replaced only by conditional writes.
 *
 * The object says who has the lease and for how long, never until when: no two machines' clocks are
 * compared. A holder is taken to be gone when its object was seen unchanged for its whole time to
 * live on the clock of whoever wants the lease, so the first sight of a foreign lease never takes
 * it over. Giving back writes `released` instead of deleting: the object keeps the token, which
 * would begin again at 1.
 *
 * A conditional write that is refused may be our own whose reply was lost; the object is read again
 * and the nonce tells.
 */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "state/lease_internal.h"

enum { FORMAT = 1, BODY_MAX = 4096 };

/* What was seen of a namespace's object, and when it was first seen like that. */
struct sight {
    struct sight *next;
    char namespace_[64];
    char etag[RKY_ETAG_MAX];
    int64_t since_boot_ms;
};

struct driver {
    struct rky_lease_driver base;
    struct rky_remote *remote; /* borrowed */
    struct rky_clock *clock;
    pthread_mutex_t lock; /* of what follows */
    struct sight *sights;
};

/* The object as read. */
struct record {
    bool exists, released;
    char etag[RKY_ETAG_MAX];
    struct rky_lease_holder holder;
    int64_t ttl_ms, sequence;
    int64_t unchanged_ms; /* as far as we saw */
};

static struct driver *driver_of(struct rky_lease_driver *driver)
{
    return (struct driver *)driver;
}

/* --- what was seen ---------------------------------------------------------------------------- */

/* How long the object has been seen in this version. */
static int note_sight(struct driver *driver, const char *namespace_, const char *etag,
                      int64_t *ret_unchanged_ms, struct rky_error *err)
{
    int64_t now = driver->clock->boot_ms(driver->clock);
    (void)pthread_mutex_lock(&driver->lock);
    struct sight *sight = driver->sights;
    while (sight != NULL && strcmp(sight->namespace_, namespace_) != 0)
        sight = sight->next;
    if (sight == NULL && (sight = rky_calloc(1, sizeof(*sight))) != NULL) {
        (void)snprintf(sight->namespace_, sizeof(sight->namespace_), "%s", namespace_);
        sight->next = driver->sights;
        driver->sights = sight;
    }
    if (sight != NULL) {
        if (strcmp(sight->etag, etag) != 0) {
            (void)snprintf(sight->etag, sizeof(sight->etag), "%s", etag);
            sight->since_boot_ms = now;
        }
        *ret_unchanged_ms = now - sight->since_boot_ms;
    }
    (void)pthread_mutex_unlock(&driver->lock);
    return sight != NULL ? 0 : rky_fail_nomem(err);
}

/* --- the object ------------------------------------------------------------------------------- */

static struct rky_remote_name name_of(const char *namespace_)
{
    return (struct rky_remote_name){.kind = RKY_REMOTE_LEASE, .namespace_ = namespace_};
}

static bool parse(const unsigned char *body, size_t length, struct record *record)
{
    const char *worker_id = NULL, *run_id = NULL, *nonce = NULL;
    json_int_t format = 0, token = 0, ttl_ms = 0, sequence = 0;
    int released = 0;
    json_t *root = length <= BODY_MAX ? json_loadb((const char *)body, length, 0, NULL) : NULL;
    bool good =
        root != NULL &&
        json_unpack(root, "{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "format", &format,
                    "worker_id", &worker_id, "run_id", &run_id, "nonce", &nonce, "token", &token,
                    "ttl_ms", &ttl_ms, "sequence", &sequence, "released", &released) == 0 &&
        format == FORMAT && token >= 0 && ttl_ms > 0 && rky_uuid_valid(nonce);
    if (good) {
        struct rky_lease_holder *holder = &record->holder;
        (void)snprintf(holder->worker_id, sizeof(holder->worker_id), "%s", worker_id);
        (void)snprintf(holder->run_id, sizeof(holder->run_id), "%s", run_id);
        (void)snprintf(holder->nonce, sizeof(holder->nonce), "%s", nonce);
        holder->token = token;
        record->ttl_ms = ttl_ms;
        record->sequence = sequence;
        record->released = released != 0;
    }
    json_decref(root);
    return good;
}

static int read_record(struct driver *driver, const char *namespace_, struct rky_transfer *transfer,
                       struct record *ret_record, struct rky_error *err)
{
    const struct rky_remote_name name = name_of(namespace_);
    struct rky_remote_object object = {0};
    struct record record = {0};
    int rc = driver->remote->ops->get(driver->remote, &name, NULL, transfer, &object, err);
    if (rc != 0)
        return rc;
    record.exists = object.exists;
    (void)snprintf(record.etag, sizeof(record.etag), "%s", object.etag);
    if (record.exists && !parse(object.body, object.length, &record)) {
        transfer->attempt = (struct rky_attempt){.error_class = "corrupt"};
        rc = rky_fail(err, RKY_ERR_STATE_FILE,
                      "the lease object of namespace '%s' is not one of ours", namespace_);
        rky_error_hint(err, "remove it from the store after making sure that no worker runs");
    }
    if (rc == 0 && record.exists)
        rc = note_sight(driver, namespace_, record.etag, &record.unchanged_ms, err);
    record.holder.left_ms =
        record.ttl_ms > record.unchanged_ms ? record.ttl_ms - record.unchanged_ms : 0;
    rky_remote_object_done(&object);
    *ret_record = record;
    return rc;
}

/* Replace @p base (or create). @return also RKY_ERR_CONFLICT, RKY_ERR_NOT_FOUND: look again. */
static int write_record(struct driver *driver, const char *namespace_, const struct record *base,
                        const struct rky_lease_holder *holder, int64_t ttl_ms, bool released,
                        struct rky_transfer *transfer, struct rky_error *err)
{
    const struct rky_remote_name name = name_of(namespace_);
    char etag[RKY_ETAG_MAX] = "";
    int64_t unchanged_ms = 0;
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "format", FORMAT, "worker_id",
                  holder->worker_id, "run_id", holder->run_id, "nonce", holder->nonce, "token",
                  (json_int_t)holder->token, "ttl_ms", (json_int_t)ttl_ms, "sequence",
                  (json_int_t)(base->sequence + 1), "released", released ? 1 : 0);
    char *body = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (body == NULL)
        return rky_fail_nomem(err);
    const struct rky_remote_put put = {.body = body,
                                       .length = strlen(body),
                                       .condition = base->exists ? RKY_IF_ETAG : RKY_IF_ABSENT,
                                       .etag = base->exists ? base->etag : NULL};
    int rc = driver->remote->ops->put(driver->remote, &name, &put, transfer, etag, err);
    if (rc == 0)
        rc = note_sight(driver, namespace_, etag, &unchanged_ms, err);
    free(body);
    return rc;
}

/* The write was refused because the object is another one by now. */
static bool must_look_again(int rc)
{
    return rc == RKY_ERR_CONFLICT || rc == RKY_ERR_NOT_FOUND;
}

static bool is_ours(const struct record *record, const struct rky_lease_holder *holder)
{
    return record->exists && !record->released && strcmp(record->holder.nonce, holder->nonce) == 0;
}

/* --- operations ------------------------------------------------------------------------------- */

static bool is_free(const struct record *record)
{
    return !record->exists || record->released || record->unchanged_ms >= record->ttl_ms;
}

static int s3_take(struct rky_lease_driver *base, const char *namespace_,
                   struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms,
                   struct rky_transfer *transfer, struct rky_lease_holder *ret_other,
                   struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    struct record record;
    int rc = 0;
    /* Twice: the second look is at what refused the first write. */
    for (int look = 0; look < 2; look++) {
        struct rky_error refused = {0};
        rc = read_record(driver, namespace_, transfer, &record, err);
        if (rc != 0)
            return rc;
        bool ours = is_ours(&record, holder);
        if (!ours && (!is_free(&record) || look > 0))
            break;
        struct rky_lease_holder next = *holder;
        next.token = ours                          ? record.holder.token
                     : record.holder.token > floor ? record.holder.token + 1
                                                   : floor + 1;
        rc = write_record(driver, namespace_, &record, &next, ttl_ms, false, transfer, &refused);
        if (rc == 0) {
            holder->token = next.token;
            return 0;
        }
        if (!must_look_again(rc)) {
            if (err != NULL)
                *err = refused;
            return rc;
        }
    }
    *ret_other = record.holder;
    return rky_lease_held(err, &transfer->attempt, namespace_, &record.holder);
}

/* Replace our own record; once more when the first refusal was of our own making. */
static int rewrite(struct driver *driver, const char *namespace_,
                   const struct rky_lease_holder *holder, int64_t ttl_ms, bool released,
                   struct rky_transfer *transfer, struct rky_error *err)
{
    for (int look = 0; look < 2; look++) {
        struct rky_error refused = {0};
        struct record record;
        int rc = read_record(driver, namespace_, transfer, &record, err);
        if (rc != 0)
            return rc;
        if (!is_ours(&record, holder))
            break;
        struct rky_lease_holder next = *holder;
        /* It may have been raised since the holder took it; a token never falls. */
        if (next.token < record.holder.token)
            next.token = record.holder.token;
        rc = write_record(driver, namespace_, &record, &next, ttl_ms > 0 ? ttl_ms : record.ttl_ms,
                          released, transfer, &refused);
        if (rc == 0)
            return 0;
        if (!must_look_again(rc)) {
            if (err != NULL)
                *err = refused;
            return rc;
        }
    }
    return rky_lease_gone(err, &transfer->attempt, namespace_);
}

static int s3_renew(struct rky_lease_driver *base, const char *namespace_,
                    const struct rky_lease_holder *holder, int64_t ttl_ms,
                    struct rky_transfer *transfer, struct rky_error *err)
{
    return rewrite(driver_of(base), namespace_, holder, ttl_ms, false, transfer, err);
}

static int s3_raise(struct rky_lease_driver *base, const char *namespace_,
                    const struct rky_lease_holder *holder, int64_t token,
                    struct rky_transfer *transfer, struct rky_error *err)
{
    struct rky_lease_holder raised = *holder;
    raised.token = token;
    return rewrite(driver_of(base), namespace_, &raised, 0, false, transfer, err);
}

static int s3_release(struct rky_lease_driver *base, const char *namespace_,
                      const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                      struct rky_error *err)
{
    return rewrite(driver_of(base), namespace_, holder, 0, true, transfer, err);
}

static int s3_inspect(struct rky_lease_driver *base, const char *namespace_,
                      struct rky_transfer *transfer, struct rky_lease_holder *ret_holder,
                      struct rky_error *err)
{
    struct record record;
    int rc = read_record(driver_of(base), namespace_, transfer, &record, err);
    if (rc != 0)
        return rc;
    if (!record.exists || record.released)
        return RKY_ERR_NOT_FOUND;
    *ret_holder = record.holder;
    return 0;
}

static int s3_break(struct rky_lease_driver *base, const char *namespace_,
                    const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                    struct rky_error *err)
{
    struct record record;
    int rc = read_record(driver_of(base), namespace_, transfer, &record, err);
    if (rc != 0)
        return rc;
    if (!record.exists || record.released)
        return 0;
    struct rky_lease_holder broken = record.holder;
    (void)snprintf(broken.nonce, sizeof(broken.nonce), "%s", holder->nonce);
    return rewrite(driver_of(base), namespace_, &broken, 0, true, transfer, err);
}

static void s3_free(struct rky_lease_driver *base)
{
    struct driver *driver = driver_of(base);
    while (driver->sights != NULL) {
        struct sight *next = driver->sights->next;
        rky_free(driver->sights);
        driver->sights = next;
    }
    (void)pthread_mutex_destroy(&driver->lock);
    rky_free(driver);
}

static const struct rky_lease_ops s3_ops = {
    .name = "s3",
    .take = s3_take,
    .renew = s3_renew,
    .raise = s3_raise,
    .release = s3_release,
    .inspect = s3_inspect,
    .break_ = s3_break,
    .free = s3_free,
};

int rky_lease_s3_new(struct rky_remote *remote, struct rky_clock *clock,
                     struct rky_lease_driver **ret_driver, struct rky_error *err)
{
    struct driver *driver = rky_calloc(1, sizeof(*driver));
    if (driver == NULL)
        return rky_fail_nomem(err);
    driver->base.ops = &s3_ops;
    driver->remote = remote;
    driver->clock = clock;
    (void)pthread_mutex_init(&driver->lock, NULL);
    *ret_driver = &driver->base;
    return 0;
}
