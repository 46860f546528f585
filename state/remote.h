/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote seam: where snapshots survive the pod. Drivers: S3 (remote_s3.c), Valkey
 * (remote_valkey.c), the two combined (remote_tiered.c), memory (remote_memory.c, for tests). One
 * conformance suite holds them all to this contract.
 *
 * A remote is a small set of named objects with compare-and-swap: every write names the version it
 * replaces and of two writers that replace the same version exactly one wins. Versions are told
 * apart by an opaque etag. A driver makes one attempt per call, classifies its fault into
 * transfer->attempt, and never retries; rky_remote_guarded() (remote_guarded.c) puts the guard
 * around it.
 * Bodies are bytes; what they mean is snapshot.h's business, but a write carries the head of its
 * snapshot, and drivers that can answer a HEAD with it do so. Shared by threads.
 */
#ifndef RKY_STATE_REMOTE_H
#define RKY_STATE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/guard.h"
#include "state/snapshot.h"

enum rky_remote_kind {
    RKY_REMOTE_HEAD,    /**< the state of a namespace; S3 `<prefix><ns>.db`, Valkey `{ns}:state` */
    RKY_REMOTE_HISTORY, /**< an older version; S3 `<prefix>.history/<ns>/<suffix>` */
    RKY_REMOTE_LEASE,   /**< S3 `<prefix>.lock/<ns>.json` */
    RKY_REMOTE_PROBE,   /**< scratch of doctor; S3 `<prefix>.probe/<ns>/<suffix>` */
};
struct rky_remote_name {
    enum rky_remote_kind kind;
    const char *namespace_;
    const char
        *suffix; /**< HISTORY: `<generation, 20 digits>-<write_id, 8>.snap`; PROBE: anything */
};

#define RKY_ETAG_MAX 256

/** One object as found. Release with rky_remote_object_done(). */
struct rky_remote_object {
    bool exists;
    bool not_modified;       /**< get with if_none_match: still that version, no body */
    bool cached;             /**< from a cache that may be stale: confirm with head() before use */
    char etag[RKY_ETAG_MAX]; /**< opaque, as the server gave it, quotes and all */
    bool has_head;           /**< `head` holds what the object's metadata says: namespace_, lineage,
                                  generation, write_id, ancestors (at least the first four), fence,
                                  versions, raw_sha256, job_id */
    struct rky_snapshot_head head;
    unsigned char *body; /**< owned; get only */
    size_t length;
    int64_t modified_us; /**< 0 = unknown */
};
void rky_remote_object_done(struct rky_remote_object *object);

/** What a write must find, else it is refused. */
enum rky_remote_if {
    RKY_IF_ABSENT, /**< create */
    RKY_IF_ETAG,   /**< replace exactly this version */
    RKY_IF_ANY, /**< unconditional: history of our own, concurrency_control = "off". With an etag,
                   to a cache: keep it with the entry, and give it back as the entry's own (it is
                   the durable object's) */
};
struct rky_remote_put {
    const void *body;
    size_t length;
    enum rky_remote_if condition;
    const char *etag;                     /**< with RKY_IF_ETAG; to a cache also with RKY_IF_ANY */
    const struct rky_snapshot_head *head; /**< mirrored into metadata; NULL = none */
};

struct rky_remote_entry {
    char *suffix; /**< owned */
    int64_t size, modified_us;
};
struct rky_remote_list {
    struct rky_remote_entry *items; /**< by suffix, ascending */
    size_t count;
};
void rky_remote_list_done(struct rky_remote_list *list);

struct rky_remote;

/**
 * One row per driver. Every function: 0 or an error with transfer->attempt filled, bounded by
 * transfer->deadline. Error codes: RKY_ERR_CONFLICT (the condition did not hold, class "conflict":
 * ambiguous after a lost reply, read back), RKY_ERR_NOT_FOUND (put or remove with RKY_IF_ETAG of an
 * object that is gone, class "deleted"), RKY_ERR_CONNECTION, TIMEOUT, AUTH (class "auth" or
 * "permission", naming the action that is missing), CONFIG (class "bucket_missing", "region",
 * "cas_unsupported", "certificate", ...), UNAVAILABLE (class "throttled", "server_error"), NOMEM.
 */
struct rky_remote_ops {
    const char *name; /**< "s3", "valkey", "tiered", "memory" */
    int (*head)(struct rky_remote *remote, const struct rky_remote_name *name,
                struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                struct rky_error *err);
    /** @param if_none_match etag of a copy that is at hand, NULL = none. */
    int (*get)(struct rky_remote *remote, const struct rky_remote_name *name,
               const char *if_none_match, struct rky_transfer *transfer,
               struct rky_remote_object *ret_object, struct rky_error *err);
    /** Past any cache, which is refreshed. NULL = there is no cache, get() is as good. */
    int (*get_durable)(struct rky_remote *remote, const struct rky_remote_name *name,
                       struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                       struct rky_error *err);
    int (*put)(struct rky_remote *remote, const struct rky_remote_name *name,
               const struct rky_remote_put *put, struct rky_transfer *transfer,
               char ret_etag[RKY_ETAG_MAX], struct rky_error *err);
    /** @param etag NULL = whatever is there. Removing what is not there is success. */
    int (*remove)(struct rky_remote *remote, const struct rky_remote_name *name, const char *etag,
                  struct rky_transfer *transfer, struct rky_error *err);
    /** All HISTORY or PROBE objects of a namespace. */
    int (*list)(struct rky_remote *remote, enum rky_remote_kind kind, const char *namespace_,
                struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                struct rky_error *err);
    /** Where an object is, for people: "s3://bucket/key", no credentials. Owned, NULL = no memory.
     */
    char *(*uri)(struct rky_remote *remote, const struct rky_remote_name *name);
    void (*free)(struct rky_remote *remote);
};

struct rky_remote {
    const struct rky_remote_ops *ops;
};
void rky_remote_free(struct rky_remote *remote);

/** @brief In memory; for tests. Honours every condition under one mutex. */
RKY_MUST_CHECK int rky_remote_memory_new(struct rky_remote **ret_remote, struct rky_error *err);

/**
 * @brief Put the guard of a leg around a driver: retries, breaker, budget, wall clock.
 *
 * put() is the commit: an attempt whose fate is unknown (refused condition, timeout, reset, 5xx) is
 * read back before anything else, and recognised by put->head->write_id. It returns 0 when the
 * write is in the chain, whoever said so (transfer->recovered when it was the read-back; ret_etag
 * "" when somebody already built on it); RKY_ERR_CONFLICT only for a foreign winner. Writes without
 * a head are not read back.
 * @param inner owned afterwards. @param leg borrowed.
 */
RKY_MUST_CHECK int rky_remote_guarded(struct rky_remote *inner, struct rky_leg *leg,
                                      struct rky_remote **ret_remote, struct rky_error *err);
/** @brief Durable store with a cache before it: reads ask the cache first (object->cached), head()
 *         and writes go to the store, and the cache follows best effort after a write succeeded.
 *  @param durable, cache guarded already; owned afterwards. */
RKY_MUST_CHECK int rky_remote_tiered_new(struct rky_remote *durable, struct rky_remote *cache,
                                         struct rky_remote **ret_remote, struct rky_error *err);
/** @brief ops->get_durable, or get() for a remote without a cache. */
RKY_MUST_CHECK int rky_remote_get_durable(struct rky_remote *remote,
                                          const struct rky_remote_name *name,
                                          struct rky_transfer *transfer,
                                          struct rky_remote_object *ret_object,
                                          struct rky_error *err);

#endif
