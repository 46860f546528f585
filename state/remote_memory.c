/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-memory driver: a sorted list of objects under one mutex, so that every condition is
 * checked and its write applied in one step. A remote is a view of a store; the store lives as long
 * as its last view. Calls come from any thread. Faults: remote_memory.h.
 */
#include "config.h"

#include "state/remote_memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

#define FAULTS_MAX 8

struct entry {
    char *key; /* "<kind>/<namespace>/<suffix>": sorting by it sorts by suffix within a list */
    unsigned char *body;
    size_t length;
    char etag[RKY_ETAG_MAX];
    bool has_head;
    struct rky_snapshot_head head;
    int64_t modified_us;
};

struct store {
    pthread_mutex_t mutex; /* guards all below */
    int64_t views;
    int64_t writes; /* for etags: no two versions have the same */
    struct entry *entries;
    size_t count, capacity;
};

struct memory {
    struct rky_remote base;
    struct store *store;
    atomic_bool hide_heads;
    _Atomic int64_t calls[RKY_MEMORY_OPS];
    void (*hook)(void *context, enum rky_memory_op op, int64_t number);
    void *hook_context;

    pthread_mutex_t mutex; /* guards the script */
    struct {
        struct rky_memory_fault fault;
        int64_t seen;
    } faults[FAULTS_MAX];
    size_t fault_count;
};

/* --- the script -------------------------------------------------------------------------------
 */

void rky_remote_memory_fault(struct rky_remote *remote, const struct rky_memory_fault *fault)
{
    struct memory *memory = (struct memory *)remote;
    (void)pthread_mutex_lock(&memory->mutex);
    RKY_ASSERT(memory->fault_count < FAULTS_MAX);
    memory->faults[memory->fault_count].fault = *fault;
    memory->faults[memory->fault_count++].seen = 0;
    (void)pthread_mutex_unlock(&memory->mutex);
}

void rky_remote_memory_mend(struct rky_remote *remote)
{
    struct memory *memory = (struct memory *)remote;
    (void)pthread_mutex_lock(&memory->mutex);
    memory->fault_count = 0;
    (void)pthread_mutex_unlock(&memory->mutex);
}

int64_t rky_remote_memory_calls(struct rky_remote *remote, enum rky_memory_op op)
{
    struct memory *memory = (struct memory *)remote;
    if (op != RKY_MEMORY_OPS)
        return memory->calls[op];
    int64_t calls = 0;
    for (size_t i = 0; i < RKY_MEMORY_OPS; i++)
        calls += memory->calls[i];
    return calls;
}

void rky_remote_memory_hide_heads(struct rky_remote *remote, bool hide)
{
    ((struct memory *)remote)->hide_heads = hide;
}

void rky_remote_memory_on_call(struct rky_remote *remote,
                               void (*hook)(void *context, enum rky_memory_op op, int64_t number),
                               void *context)
{
    struct memory *memory = (struct memory *)remote;
    memory->hook = hook;
    memory->hook_context = context;
}

static bool strikes(const struct rky_memory_fault *fault, int64_t seen)
{
    int64_t first = fault->nth > 0 ? fault->nth : 1;
    int64_t times = fault->times != 0 ? fault->times : 1;
    return seen >= first && (times < 0 || seen < first + times);
}

/* The fault of this call, if the script has one. */
static bool scripted(struct memory *memory, enum rky_memory_op op,
                     struct rky_memory_fault *ret_fault)
{
    bool found = false;
    (void)pthread_mutex_lock(&memory->mutex);
    for (size_t i = 0; i < memory->fault_count; i++) {
        const struct rky_memory_fault *fault = &memory->faults[i].fault;
        if (fault->op != op && fault->op != RKY_MEMORY_OPS)
            continue;
        if (strikes(fault, ++memory->faults[i].seen) && !found) {
            *ret_fault = *fault;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&memory->mutex);
    return found;
}

static int fail_as(const struct rky_attempt *attempt, int code, struct rky_transfer *transfer,
                   struct rky_error *err, const char *what, const char *namespace_)
{
    transfer->attempt = *attempt;
    (void)rky_fail(err, code, "memory: '%s': %s", namespace_, what);
    if (err != NULL)
        err->transient = attempt->retry != RKY_RETRY_NO;
    return code;
}

static int fail_scripted(const struct rky_memory_fault *fault, struct rky_transfer *transfer,
                         const char *namespace_, struct rky_error *err)
{
    return fail_as(&fault->attempt, fault->code, transfer, err, "fault by script", namespace_);
}

/* What every call begins with. @return 0 to go on; @p ret_fault->applied then says that the answer
 * is to be lost. */
static int begin(struct memory *memory, enum rky_memory_op op, const char *namespace_,
                 struct rky_transfer *transfer, struct rky_memory_fault *ret_fault,
                 struct rky_error *err)
{
    *ret_fault = (struct rky_memory_fault){0};
    int64_t number = ++memory->calls[op];
    if (memory->hook != NULL)
        memory->hook(memory->hook_context, op, number);
    if (scripted(memory, op, ret_fault) && !ret_fault->applied)
        return fail_scripted(ret_fault, transfer, namespace_, err);
    if (rky_deadline_left_ms(&transfer->deadline) == 0) {
        const struct rky_attempt late = {
            .error_class = "timeout", .retry = RKY_RETRY_YES, .counts = true};
        return fail_as(&late, RKY_ERR_TIMEOUT, transfer, err, "no time left", namespace_);
    }
    return 0;
}

static int end(int rc, const struct rky_memory_fault *fault, const char *namespace_,
               struct rky_transfer *transfer, struct rky_error *err)
{
    if (rc == 0 && fault->applied)
        return fail_scripted(fault, transfer, namespace_, err);
    return rc;
}

/* --- the store --------------------------------------------------------------------------------
 */

static char *key_of(enum rky_remote_kind kind, const char *namespace_, const char *suffix)
{
    return rky_asprintf("%d/%s/%s", (int)kind, namespace_, suffix != NULL ? suffix : "");
}

/* Under the mutex: where the key is, or where it belongs. */
static size_t position_of(const struct store *store, const char *key, bool *ret_found)
{
    size_t at = 0;
    while (at < store->count && strcmp(store->entries[at].key, key) < 0)
        at++;
    *ret_found = at < store->count && strcmp(store->entries[at].key, key) == 0;
    return at;
}

static void entry_done(struct entry *entry)
{
    rky_free(entry->key);
    rky_free(entry->body);
}

/* Under the mutex. */
static int copy_out(const struct entry *entry, bool with_body, bool with_head,
                    struct rky_remote_object *ret_object)
{
    struct rky_remote_object object = {.exists = true, .modified_us = entry->modified_us};
    memcpy(object.etag, entry->etag, sizeof(object.etag));
    object.has_head = with_head && entry->has_head;
    if (object.has_head)
        object.head = entry->head;
    if (with_body) {
        object.body = rky_malloc(entry->length + 1);
        if (object.body == NULL)
            return RKY_ERR_NOMEM;
        memcpy(object.body, entry->body, entry->length);
        object.body[entry->length] = '\0';
    }
    object.length = entry->length;
    *ret_object = object;
    return 0;
}

/* @param body false = head(). */
static int look(struct memory *memory, const struct rky_remote_name *name,
                const char *if_none_match, bool body, struct rky_remote_object *ret_object,
                struct rky_error *err)
{
    struct store *store = memory->store;
    int rc = 0;
    bool found = false;
    char *key = key_of(name->kind, name->namespace_, name->suffix);
    if (key == NULL)
        return rky_fail_nomem(err);
    (void)pthread_mutex_lock(&store->mutex);
    size_t at = position_of(store, key, &found);
    if (found) {
        const struct entry *entry = &store->entries[at];
        bool same = if_none_match != NULL && strcmp(if_none_match, entry->etag) == 0;
        rc = copy_out(entry, body && !same, !memory->hide_heads, ret_object);
        if (rc == 0)
            ret_object->not_modified = same;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    rky_free(key);
    return rc != 0 ? rky_fail_nomem(err) : 0;
}

/* Whether the condition of a write holds. */
static int check(enum rky_remote_if condition, const char *etag, const struct entry *entry,
                 struct rky_transfer *transfer, const char *namespace_, struct rky_error *err)
{
    static const struct rky_attempt conflict = {.error_class = "conflict"};
    static const struct rky_attempt deleted = {.error_class = "deleted"};
    if (condition == RKY_IF_ABSENT && entry != NULL)
        return fail_as(&conflict, RKY_ERR_CONFLICT, transfer, err, "exists already", namespace_);
    if (condition == RKY_IF_ETAG && entry == NULL)
        return fail_as(&deleted, RKY_ERR_NOT_FOUND, transfer, err, "is gone", namespace_);
    if (condition == RKY_IF_ETAG && strcmp(entry->etag, etag) != 0)
        return fail_as(&conflict, RKY_ERR_CONFLICT, transfer, err, "is another version now",
                       namespace_);
    return 0;
}

static int make_entry(const struct rky_remote_name *name, const struct rky_remote_put *put,
                      struct rky_transfer *transfer, struct entry *ret_entry, struct rky_error *err)
{
    struct entry entry = {.length = put->length, .has_head = put->head != NULL};
    entry.key = key_of(name->kind, name->namespace_, name->suffix);
    entry.body = rky_malloc(put->length + 1);
    if (entry.key == NULL || entry.body == NULL) {
        entry_done(&entry);
        return rky_fail_nomem(err);
    }
    if (put->length > 0)
        memcpy(entry.body, put->body, put->length);
    if (put->head != NULL)
        entry.head = *put->head;
    entry.modified_us = transfer->clock->wall_us(transfer->clock);
    *ret_entry = entry;
    return 0;
}

/* Under the mutex. @p entry is taken. */
static int store_entry(struct store *store, const char *etag, struct entry *entry,
                       struct rky_error *err)
{
    bool found = false;
    size_t at = position_of(store, entry->key, &found);
    if (!found) {
        int rc = rky_array_reserve(&store->entries, &store->capacity, store->count + 1,
                                   sizeof(store->entries[0]), err);
        if (rc != 0) {
            entry_done(entry);
            return rc;
        }
        memmove(&store->entries[at + 1], &store->entries[at],
                (store->count - at) * sizeof(store->entries[0]));
        store->count++;
    } else {
        entry_done(&store->entries[at]);
    }
    store->writes++;
    if (etag != NULL)
        (void)snprintf(entry->etag, sizeof(entry->etag), "%s", etag);
    else
        (void)snprintf(entry->etag, sizeof(entry->etag), "\"%" PRId64 "\"", store->writes);
    store->entries[at] = *entry;
    return 0;
}

/* --- the seam ---------------------------------------------------------------------------------
 */

static int memory_head(struct rky_remote *remote, const struct rky_remote_name *name,
                       struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                       struct rky_error *err)
{
    struct memory *memory = (struct memory *)remote;
    struct rky_memory_fault fault;
    int rc = begin(memory, RKY_MEMORY_HEAD, name->namespace_, transfer, &fault, err);
    if (rc == 0)
        rc = look(memory, name, NULL, false, ret_object, err);
    return end(rc, &fault, name->namespace_, transfer, err);
}

static int memory_get(struct rky_remote *remote, const struct rky_remote_name *name,
                      const char *if_none_match, struct rky_transfer *transfer,
                      struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct memory *memory = (struct memory *)remote;
    struct rky_memory_fault fault;
    int rc = begin(memory, RKY_MEMORY_GET, name->namespace_, transfer, &fault, err);
    if (rc == 0)
        rc = look(memory, name, if_none_match, true, ret_object, err);
    rc = end(rc, &fault, name->namespace_, transfer, err);
    if (rc != 0)
        rky_remote_object_done(ret_object);
    return rc;
}

static int memory_put(struct rky_remote *remote, const struct rky_remote_name *name,
                      const struct rky_remote_put *put, struct rky_transfer *transfer,
                      char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct memory *memory = (struct memory *)remote;
    struct store *store = memory->store;
    struct rky_memory_fault fault;
    struct entry entry = {0};
    bool found = false;
    int rc = begin(memory, RKY_MEMORY_PUT, name->namespace_, transfer, &fault, err);
    if (rc == 0)
        rc = make_entry(name, put, transfer, &entry, err);
    if (rc != 0)
        return rc;
    (void)pthread_mutex_lock(&store->mutex);
    size_t at = position_of(store, entry.key, &found);
    rc = check(put->condition, put->etag, found ? &store->entries[at] : NULL, transfer,
               name->namespace_, err);
    if (rc != 0)
        entry_done(&entry);
    else
        rc = store_entry(store, put->condition == RKY_IF_ANY ? put->etag : NULL, &entry, err);
    if (rc == 0)
        memcpy(ret_etag, entry.etag, sizeof(entry.etag));
    (void)pthread_mutex_unlock(&store->mutex);
    return end(rc, &fault, name->namespace_, transfer, err);
}

static int memory_remove(struct rky_remote *remote, const struct rky_remote_name *name,
                         const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct memory *memory = (struct memory *)remote;
    struct store *store = memory->store;
    struct rky_memory_fault fault;
    bool found = false;
    int rc = begin(memory, RKY_MEMORY_REMOVE, name->namespace_, transfer, &fault, err);
    if (rc != 0)
        return rc;
    char *key = key_of(name->kind, name->namespace_, name->suffix);
    if (key == NULL)
        return rky_fail_nomem(err);
    (void)pthread_mutex_lock(&store->mutex);
    size_t at = position_of(store, key, &found);
    rc = check(etag != NULL ? RKY_IF_ETAG : RKY_IF_ANY, etag, found ? &store->entries[at] : NULL,
               transfer, name->namespace_, err);
    if (rc == 0 && found) {
        entry_done(&store->entries[at]);
        store->count--;
        memmove(&store->entries[at], &store->entries[at + 1],
                (store->count - at) * sizeof(store->entries[0]));
    }
    (void)pthread_mutex_unlock(&store->mutex);
    rky_free(key);
    return end(rc, &fault, name->namespace_, transfer, err);
}

static int add_listed(const struct entry *entry, size_t prefix, size_t *capacity,
                      struct rky_remote_list *list, struct rky_error *err)
{
    int rc =
        rky_array_reserve(&list->items, capacity, list->count + 1, sizeof(list->items[0]), err);
    if (rc != 0)
        return rc;
    char *suffix = rky_strdup(entry->key + prefix);
    if (suffix == NULL)
        return rky_fail_nomem(err);
    list->items[list->count++] = (struct rky_remote_entry){
        .suffix = suffix, .size = (int64_t)entry->length, .modified_us = entry->modified_us};
    return 0;
}

static int memory_list(struct rky_remote *remote, enum rky_remote_kind kind, const char *namespace_,
                       struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                       struct rky_error *err)
{
    struct memory *memory = (struct memory *)remote;
    struct store *store = memory->store;
    struct rky_memory_fault fault;
    struct rky_remote_list list = {0};
    size_t capacity = 0;
    int rc = begin(memory, RKY_MEMORY_LIST, namespace_, transfer, &fault, err);
    if (rc != 0)
        return rc;
    char *prefix = key_of(kind, namespace_, NULL);
    if (prefix == NULL)
        return rky_fail_nomem(err);
    size_t length = strlen(prefix);
    (void)pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < store->count && rc == 0; i++)
        if (strncmp(store->entries[i].key, prefix, length) == 0)
            rc = add_listed(&store->entries[i], length, &capacity, &list, err);
    (void)pthread_mutex_unlock(&store->mutex);
    rky_free(prefix);
    rc = end(rc, &fault, namespace_, transfer, err);
    if (rc == 0)
        *ret_list = list;
    else
        rky_remote_list_done(&list);
    return rc;
}

static char *memory_uri(struct rky_remote *remote, const struct rky_remote_name *name)
{
    (void)remote;
    return rky_asprintf("memory:%s%s%s", name->namespace_, name->suffix != NULL ? "/" : "",
                        name->suffix != NULL ? name->suffix : "");
}

static void release_store(struct store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool last = --store->views == 0;
    (void)pthread_mutex_unlock(&store->mutex);
    if (!last)
        return;
    for (size_t i = 0; i < store->count; i++)
        entry_done(&store->entries[i]);
    rky_free(store->entries);
    (void)pthread_mutex_destroy(&store->mutex);
    rky_free(store);
}

static void memory_free(struct rky_remote *remote)
{
    struct memory *memory = (struct memory *)remote;
    release_store(memory->store);
    (void)pthread_mutex_destroy(&memory->mutex);
    rky_free(memory);
}

static const struct rky_remote_ops memory_ops = {
    .name = "memory",
    .head = memory_head,
    .get = memory_get,
    .put = memory_put,
    .remove = memory_remove,
    .list = memory_list,
    .uri = memory_uri,
    .free = memory_free,
};

static struct rky_remote *new_view(struct store *store)
{
    struct memory *memory = rky_calloc(1, sizeof(*memory));
    if (memory == NULL)
        return NULL;
    memory->base.ops = &memory_ops;
    memory->store = store;
    (void)pthread_mutex_init(&memory->mutex, NULL);
    (void)pthread_mutex_lock(&store->mutex);
    store->views++;
    (void)pthread_mutex_unlock(&store->mutex);
    return &memory->base;
}

int rky_remote_memory_share(struct rky_remote *remote, struct rky_remote **ret_remote,
                            struct rky_error *err)
{
    *ret_remote = new_view(((struct memory *)remote)->store);
    return *ret_remote != NULL ? 0 : rky_fail_nomem(err);
}

int rky_remote_memory_new(struct rky_remote **ret_remote, struct rky_error *err)
{
    struct store *store = rky_calloc(1, sizeof(*store));
    if (store == NULL)
        return rky_fail_nomem(err);
    (void)pthread_mutex_init(&store->mutex, NULL);
    *ret_remote = new_view(store);
    if (*ret_remote != NULL)
        return 0;
    (void)pthread_mutex_destroy(&store->mutex);
    rky_free(store);
    return rky_fail_nomem(err);
}
